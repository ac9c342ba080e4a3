/*
 * What the files of the walk share; private to this room.
 */
#ifndef QUERY_SCAN_PRIV_H
#define QUERY_SCAN_PRIV_H

#include "query/scan.h"

struct scan {
    const struct query_source *source;
    const struct logql_expr *log;
    int64_t from_ns, to_ns;
    query_time_fn useful;
    query_line_fn each;
    const struct query_fold *fold; /* NULL: lines are wanted */
    void *context;
    struct query_scan_stats *stats;
    struct sv literal; /* occurs in the raw bytes of every record that can match; n == 0: none such */
    struct query_line *line;
    bool measure; /* the segment's times are not known yet */
    int64_t min_ns, max_ns;
};

int scan_block(struct scan *scan, struct sv block, uint64_t position, struct err *err);
/* A record of this envelope is looked at, and its labels `source` and `class` are what the selector asks. */
bool scan_envelope_fits(const struct scan *scan, const struct event *event);
bool scan_is_stopped(const struct scan *scan, struct err *err);

/* The segment that begins at `first` and ends before `end`, chunk by chunk, where it is cold and that is of
 * use: 1 = done; 0 = not so. */
int scan_cold(struct scan *scan, uint64_t first, uint64_t end, struct err *err);
/* Counts a chunk by its columns: 1 = done; 0 = its records must be looked at. Nothing is counted then. */
struct cold_chunk;
struct cold_entry;
int scan_fold_chunk(struct scan *scan, struct cold_chunk *chunk, const struct cold_entry *entry,
                    struct err *err);

#endif
