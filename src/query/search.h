/*
 * A log query's answer: the oldest or newest lines of a range that pass, at most so many, in order.
 */
#ifndef QUERY_SEARCH_H
#define QUERY_SEARCH_H

#include "query/scan.h"

enum { QUERY_LINES_MAX = 1000 * 1000, QUERY_ANSWER_BYTES_MAX = 128 << 20 };

struct query_found {
    int64_t ns;
    uint64_t position;
    struct sv line;
    struct query_label *labels; /* sorted by name, none empty */
    size_t label_count, stream_count;
};

struct query_answer {
    struct query_found **found; /* in the order asked for */
    size_t count;
    struct query_scan_stats stats;
};

/* Lines of [from_ns, to_ns), at most `limit`: the newest, newest first (`backward`), or the oldest. TC_EBOUND
 * where they take more than QUERY_ANSWER_BYTES_MAX. */
int query_search(const struct query_source *source, const struct logql *query, int64_t from_ns, int64_t to_ns,
                 uint64_t limit, bool backward, struct query_answer *ret, struct err *err);
void query_answer_free(struct query_answer *answer);
/* Sorts the labels of a line by name into `out`, without empty ones; returns their number. */
size_t query_labels_sorted(const struct query_line *line, struct query_label out[QUERY_LABELS_MAX]);
/* Labels as {a="b", c="d"}. */
void query_labels_print(const struct query_label *labels, size_t count, struct buf *out);

#endif
