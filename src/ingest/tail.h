/*
 * The file door: log files named by patterns are followed as they grow, are rotated, truncated and deleted.
 *
 * How far each file was read is a REC_POSITION in the frame of the lines read up to there. So every line of a
 * file that is rotated by rename is taken exactly once, whatever is killed when, over any number of
 * rotations, also while nobody looked: a file is known by device, inode and the bytes that were read of it,
 * and rotated files (NAME.1, NAME-20260101, STEM1.EXT …, also .gz and .zst) are looked for beside the named
 * one. What a truncation (copytruncate) took before it was read is looked for in the copy; where there is
 * none, the loss is counted, logged and made an event of source "self".
 *
 * A record's source is "file:NAME", or "file:PATH" (of the file before it was rotated) where the source has
 * no name; its position is the offset of the line. A line ends with \n or \r\n; an unfinished one waits for
 * its end, or until its file was rotated and has been quiet for TC_TAIL_QUIET_S. A line past TC_EVENT_RAW_MAX
 * is cut as everywhere. A run of TC_TAIL_HOLE_BYTES zeros at the start of a line (what a writer leaves that
 * was not told of a truncation) is skipped.
 *
 * One thread, which never waits for the journal: where that takes nothing more, nothing is read.
 */
#ifndef INGEST_TAIL_H
#define INGEST_TAIL_H

#include "base/fs.h"
#include "ingest/outlet.h"

enum {
    TC_TAIL_FILES = 4096,   /* known at a time, read ones included; more are refused and counted */
    TC_TAIL_OPEN = 1024,    /* open at a time */
    TC_TAIL_NAMES = 10000,  /* looked at in one directory */
    TC_TAIL_QUIET_S = 5,    /* a rotated file is finished when nothing came for so long */
    TC_TAIL_MISSING_S = 10, /* a file that cannot be found for so long is gone */
    TC_TAIL_HOLE_BYTES = 4096,
    TC_TAIL_SCAN_MS = 1000, /* names are looked at at least so often */
    TC_TAIL_POLL_MS = 250,  /* sizes, where the file system tells nothing */
};

struct tail_source {
    struct sv name;           /* n == 0: records are named by path */
    const char *const *paths; /* patterns (* ? [...] in each part of the path; no **) */
    size_t path_count;
    const struct parser *parser; /* NULL: recognised from the first lines */
    bool has_lateness;
    int64_t lateness_ns; /* in place of the intake's, where has_lateness */
    bool from_end; /* files that are there when the source is first seen are not read from their beginning */
};

struct tail_options {
    const struct fs *fs;
    const struct clk *clk;
    struct intake *intake;
    int zone_offset_s;
    const struct tail_source *sources; /* must outlive the door */
    size_t source_count;
    size_t files_max, open_max; /* 0: the above */
    /* As in outlet.h; called on the door's thread. */
    int (*append)(void *context, const struct intake_batch *batch, outlet_done_fn done, void *done_context,
                  struct err *err);
    void *context;
};

struct tail;
/* TC_EINPUT for a pattern that cannot be followed. */
int tail_check_pattern(struct sv pattern, struct err *err);
int tail_new(const struct tail_options *options, struct tail **ret, struct err *err);
/* Hands back what the journal has of positions; those of other doors are passed over. Before the first step.
 */
void tail_restore(struct tail *tail, struct sv key, struct sv value);
/*
 * One round without waiting: looks at names where that is due (or `scan`), reads a part of each file, hands
 * on. Returns true where there is more to read at once. The thread's business, or a simulation's.
 */
bool tail_step(struct tail *tail, bool scan);
int tail_start(struct tail *tail, struct err *err);
/* Ends the thread, waits for what is on its way. NULL is fine. */
void tail_free(struct tail **tail);

struct tail_stats {
    uint64_t lines, bytes;      /* taken */
    uint64_t truncations;       /* files that became shorter, or other, under their name */
    uint64_t vanished;          /* files gone before they were read to the end */
    uint64_t lost_bytes;        /* at least so many were never read */
    uint64_t refused_files;     /* not followed because of the bound */
    uint64_t files, open_files; /* now */
    uint64_t unreadable;        /* now: files and directories that the system refuses */
    uint64_t behind_bytes;      /* now: there, and not read */
    uint64_t waiting;           /* 1 while the journal takes nothing */
    struct outlet_stats outlet;
};
void tail_stats(const struct tail *tail, struct tail_stats *ret); /* any thread */

#endif
