/*
 * One line of StatsD or DogStatsD: NAME:VALUE|TYPE, with @rate, #tags, and further parts that are passed over
 * (https://github.com/statsd/statsd/blob/master/docs/metric_types.md,
 * https://docs.datadoghq.com/developers/dogstatsd/datagram_shell). Pure; texts point into the line.
 */
#ifndef METRICS_STATSD_STATSD_LINE_H
#define METRICS_STATSD_STATSD_LINE_H

#include "base/sv.h"

enum statsd_type {
    STATSD_COUNTER,   /* c */
    STATSD_GAUGE,     /* g */
    STATSD_HISTOGRAM, /* ms, h, d */
    STATSD_SET,       /* s */
};

enum { STATSD_TAGS_MAX = 64, STATSD_NAME_MAX = 1024 };

struct statsd_line {
    struct sv name;
    struct sv values; /* "1" or, packed, "1:2:3" */
    enum statsd_type type;
    double rate; /* above 0, at most 1 */
    struct {
        struct sv name, value;
    } tags[STATSD_TAGS_MAX]; /* a tag without a value has "true" */
    size_t tag_count;
};

enum statsd_verdict {
    STATSD_GOOD,
    STATSD_MALFORMED,
    STATSD_EVENT,         /* _e{…} of DogStatsD */
    STATSD_SERVICE_CHECK, /* _sc|… */
    STATSD_TOO_MANY_TAGS,
    STATSD_VERDICTS,
};
enum statsd_verdict statsd_read(struct sv line, struct statsd_line *ret);
/* The next of the packed values, cut off *rest; false where it is no number. *ret_signed: it bears a sign. */
bool statsd_next_number(struct sv *rest, double *ret, bool *ret_signed);

#endif
