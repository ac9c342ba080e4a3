/*
 * Walking the journal for one selector: every record of the time range that the labels, and the line filters
 * at the pipeline's front, let through.
 *
 * Read-only and without a lock, on the caller's thread, one window of one file at a time. Segments that
 * rotate or go while it runs are no matter: positions are walked, not files. A segment whose times are known
 * (an index that saw it whole) and lie outside of the range is not opened.
 */
#ifndef QUERY_SCAN_H
#define QUERY_SCAN_H

#include "journal/journal.h"
#include "query/line.h"

/* The times of segments that were read to their end; shared by the queries of a server. Thread-safe. */
struct query_index;
struct query_index *query_index_new(void);
void query_index_free(struct query_index **index);

struct query_source {
    const struct fs *fs;
    const char *dir;
    const struct journal *limit_to; /* a live journal of this process; NULL: the directory as it is */
    struct query_index *index;      /* NULL: everything is read */
    bool own_records;            /* also what Tocsin says of itself (source "self"; decisions, ticks …) */
    uint64_t after;              /* only records behind this position */
    bool (*stop)(void *context); /* asked at every frame; true ends with TC_ESTATE. NULL: never */
    void *context;
};

struct query_scan_stats {
    uint64_t lines, bytes, frames, segments, skipped_segments; /* looked at */
    uint64_t matched;
};

/* `line` is lent, its arena is emptied after the call. Non-zero ends the walk and is given back. */
typedef int (*query_line_fn)(void *context, struct query_line *line, struct err *err);
/* May be told before fields are decoded that a line of this time is of no use. NULL: all are. */
typedef bool (*query_time_fn)(void *context, int64_t ns, uint64_t position);

/* [from_ns, to_ns). `log` NULL takes every record. Labels of `line` are filled where `log` is given. */
int query_scan(const struct query_source *source, const struct logql_expr *log, int64_t from_ns,
               int64_t to_ns, query_time_fn useful, query_line_fn each, void *context,
               struct query_scan_stats *stats, struct err *err);
/*
 * Counting by labels. Where a chunk of a cold segment can be counted by its columns, `count` is told how many
 * lines have these values (one for each of `labels`; n == 0: none) instead of `each` being given the lines.
 * `alike` says whether all times of [first, last] count in the same steps: then one call may stand for lines
 * of any of them.
 */
enum { QUERY_FOLD_LABELS_MAX = 4 };
struct query_fold {
    const struct sv *labels;
    size_t label_count; /* more than QUERY_FOLD_LABELS_MAX: everything goes to `each` */
    bool (*alike)(void *context, int64_t first_ns, int64_t last_ns);
    int (*count)(void *context, const struct sv *values, int64_t ns, uint64_t lines, struct err *err);
};
int query_scan_fold(const struct query_source *source, const struct logql_expr *log, int64_t from_ns,
                    int64_t to_ns, const struct query_fold *fold, query_line_fn each, void *context,
                    struct query_scan_stats *stats, struct err *err);
/*
 * As query_scan in order of arrival, and on: where nothing more is there, `idle` is asked, which may wait;
 * true looks again. With `only_new`, what is there at the beginning is passed over.
 */
int query_follow(const struct query_source *source, const struct logql_expr *log, int64_t from_ns,
                 int64_t to_ns, bool only_new, bool (*idle)(void *context), query_line_fn each, void *context,
                 struct query_scan_stats *stats, struct err *err);

#endif
