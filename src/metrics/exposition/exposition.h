/*
 * Reading what exporters show: the Prometheus text format 0.0.4, OpenMetrics 1.0 text, and protobuf
 * (protobuf.h).
 *
 * One pass over the body, nothing copied but what has escapes. Samples come in their order; the caller hears
 * of each with its labels as they stand (names in order of appearance, `__name__` first). The first error
 * ends it, with its line.
 *
 * As Prometheus' scraper, reading is strict about form and easy about meaning. `strict` asks for what the
 * OpenMetrics specification demands of a whole exposition as well: declared types, suffixes, ranges, groups
 * and order, exemplars where they may be.
 */
#ifndef METRICS_EXPOSITION_EXPOSITION_H
#define METRICS_EXPOSITION_EXPOSITION_H

#include "base/arena.h"
#include "base/err.h"
#include "metrics/labels.h"

enum { EXPOSITION_LABELS_MAX = 128 };

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS, EXPOSITION_PROTOBUF };

enum metric_type {
    METRIC_UNKNOWN, /* and "untyped" */
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRIC_GAUGE_HISTOGRAM,
    METRIC_SUMMARY,
    METRIC_INFO,
    METRIC_STATESET,
    METRIC_TYPES,
};
extern const char *const metric_type_names[METRIC_TYPES];

struct histogram;

struct exposition_exemplar {
    struct label *labels;
    size_t count;
    double value;
    bool has_t;
    double t_s;
};

struct exposition_sample {
    struct sv series; /* the bytes of name and labels, as they stand: equal ones are one series */
    struct label *labels;
    size_t count;
    double value;
    const struct histogram *histogram; /* NULL: a float */
    bool has_t;
    int64_t t_ms;
    double t_s;                                 /* of OpenMetrics, exactly */
    const struct exposition_exemplar *exemplar; /* NULL: none */
    unsigned line;                              /* of the body, from 1 */
};

struct exposition_handler {
    void *context;
    /* Lent until it returns. Not 0: stop, and give that back. */
    int (*sample)(void *context, const struct exposition_sample *sample, struct err *err);
    /* May be NULL. */
    int (*type)(void *context, struct sv name, enum metric_type type, struct err *err);
    int (*help)(void *context, struct sv name, struct sv text, struct err *err);
    int (*unit)(void *context, struct sv name, struct sv unit, struct err *err);
};

/* TC_EINPUT with err->line for what is not the format, which is one of text. */
int exposition_parse(struct sv body, enum exposition_format format, bool strict,
                     const struct exposition_handler *handler, struct err *err);
/* By the Content-Type of an answer; `unknown` where that says nothing. */
enum exposition_format exposition_format_of(struct sv content_type, enum exposition_format unknown);

#endif
