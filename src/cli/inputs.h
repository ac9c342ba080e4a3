/*
 * Files as one ordered stream of events: what `scan` and `parse` read.
 *
 * Every file is unpacked, split and parsed in chunks; several files are merged by event time, ties by
 * argument order, then line. An event without time goes out as soon as it is its file's turn. Memory is
 * bounded by the chunks (about 8 MiB in all), whatever the size of the files. Nothing is redacted.
 */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "base/err.h"
#include "base/pool.h"
#include "event/event.h"
#include "event/parse.h"

struct input_event {
    struct event event; /* first, so that a finding's event leads back here */
    const char *file;   /* as given */
    uint64_t line, index;
    bool in_array;
    enum parse_outcome outcome;
};

struct inputs_options {
    const char *const *files; /* "-" is standard input */
    size_t file_count;
    const struct parser *parser; /* NULL: recognised per file */
    bool lines;                  /* with parser json: one value a line (ndjson) and nothing across lines */
    int zone_offset_s;
    int year;          /* 0: from the file's modification time */
    int64_t now_ns;    /* stands for the modification time of standard input */
    struct pool *pool; /* parses chunks of formats whose lines do not depend on each other */
};

struct inputs;
/* Opens all files; a missing or unreadable one fails (err names it). */
int inputs_open(const struct inputs_options *options, struct inputs **ret, struct err *err);
void inputs_close(struct inputs **inputs);
/*
 * The next batch in order: 1 with *ret_events (lent until the next call), 0 at the end, negative on a read
 * error (what was good before it has been delivered).
 */
int inputs_next(struct inputs *inputs, const struct input_event *const **ret_events, size_t *ret_count,
                struct err *err);

struct inputs_stats {
    uint64_t events, bytes, text; /* text: records that no parser understood */
};
void inputs_stats(const struct inputs *inputs, struct inputs_stats *ret);

/* Bytes read of the files as they lie on the disk, and how many these had when they were opened; 0 where one
 * is a pipe. */
void inputs_progress(const struct inputs *inputs, uint64_t *ret_done_bytes, uint64_t *ret_total_bytes);

/* "UTC", "Z", "+02:00", "-0530": seconds east of UTC. */
bool inputs_zone(const char *text, int *ret_offset_s);

#endif
