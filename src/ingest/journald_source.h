/*
 * The journal of systemd as a source, read with systemd's own library.
 *
 * An entry becomes one record, in the form that `journalctl -o json` prints (an object of its fields as
 * strings, with __CURSOR and __REALTIME_TIMESTAMP), read by the parser "journald". Its source is "journald".
 * How far was read is the entry's cursor, a REC_POSITION in the frame of the entries up to there: so each is
 * taken exactly once. Where entries are gone before they were read (journald deletes the oldest), reading
 * goes on at the next one, and that is counted and logged.
 *
 * A thread of its own. A machine without such a journal, or one that may not be read, is no reason not to
 * start: it is said, and tried again every TC_JOURNALD_RETRY_S. Nothing is read while the journal of ours
 * takes nothing.
 */
#ifndef INGEST_JOURNALD_SOURCE_H
#define INGEST_JOURNALD_SOURCE_H

#include "ingest/outlet.h"

enum { TC_JOURNALD_RETRY_S = 10, TC_JOURNALD_FIELDS = 1024 /* of one entry */ };

struct journald_options {
    struct intake *intake;
    const char *directory; /* NULL: the system's */
    bool from_beginning;   /* at the first start; else what comes from then on */
    bool has_lateness;
    int64_t lateness_ns; /* in place of the intake's, where has_lateness */
    /* As in outlet.h; called on the source's thread. */
    int (*append)(void *context, const struct intake_batch *batch, outlet_done_fn done, void *done_context,
                  struct err *err);
    void *context;
};

struct journald_source;
int journald_source_new(const struct journald_options *options, struct journald_source **ret,
                        struct err *err);
/* Hands back what the journal has of positions; those of other doors are passed over. Before the start. */
void journald_source_restore(struct journald_source *source, struct sv key, struct sv value);
int journald_source_start(struct journald_source *source, struct err *err);
/* Ends the thread, waits for what is on its way. NULL is fine. */
void journald_source_free(struct journald_source **source);

struct journald_stats {
    uint64_t entries; /* taken */
    uint64_t gaps;    /* times that the cursor's entry was gone */
    uint64_t skipped; /* entries that could not be read (a damaged file) */
    uint64_t up;      /* 1 while it is open */
    uint64_t waiting; /* 1 while our journal takes nothing */
};
void journald_source_stats(const struct journald_source *source, struct journald_stats *ret); /* any thread */

#endif
