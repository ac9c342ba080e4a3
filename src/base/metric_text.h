/*
 * Metrics in Prometheus' text format (version 0.0.4), as /metrics has them. Everything appends to a bounded
 * buffer. Names, types and helps are the program's own words and stand as they are; values of labels may come
 * from anywhere and are escaped.
 */
#ifndef BASE_METRIC_TEXT_H
#define BASE_METRIC_TEXT_H

#include "base/buf.h"

struct metric { /* one sample without labels */
    const char *name, *type, *help;
    double value; /* integers are exact up to 2^53 */
};

/* The HELP and TYPE lines; the samples of `name` come right after them. */
void metric_head(struct buf *out, const char *name, const char *type, const char *help);
/* Each row with its head. */
void metric_rows(struct buf *out, const struct metric *rows, size_t count);
/* One sample with one label: NAME{LABEL="VALUE"} NUMBER. */
void metric_labelled(struct buf *out, const char *name, const char *label, struct sv value, double number);
/* What stands between the quotes of a label's value: \\, \" and \n escaped, and U+FFFD for each byte that is
 * not UTF-8, since a reader refuses the whole page for one such byte. */
void metric_label_value(struct buf *out, struct sv value);

#endif
