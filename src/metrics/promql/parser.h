/*
 * Reading PromQL: the whole language of Prometheus 3 with all its extensions (duration expressions, extended
 * range selectors, fill modifiers, experimental functions) but those that are refused, with Prometheus' error
 * texts.
 *
 * Trees, their matchers included, belong to a struct promql_parse and are freed with it.
 */
#ifndef METRICS_PROMQL_PARSER_H
#define METRICS_PROMQL_PARSER_H

#include "base/err.h"
#include "metrics/histogram.h"
#include "metrics/promql/ast.h"
#include "metrics/promql/features.h"

/* Depth is that of parentheses and their kind; height that of the tree, which also grows with each operator
 * in a row. */
enum {
    PROMQL_DEPTH_MAX = 400,
    PROMQL_HEIGHT_MAX = 2000,
    PROMQL_TEXT_MAX = 1 << 20,
    PROMQL_REPEAT_MAX = 1000000
};

struct promql_parse {
    unsigned refused; /* of enum promql_extension; to be set before parsing */
    struct arena arena;
    struct sv text;
    struct expr *expr;
    struct matcher **matchers; /* every one with a regular expression, to be freed */
    size_t matcher_count, matcher_capacity;
    /* of the error: byte range, and its words without the place */
    int32_t error_start, error_end;
    struct sv error;
};

/* An all-zero struct is ready for use. The text is copied. On failure `err` holds "1:5: parse error: …", and
 * the struct says where. Returns 0 or a negative code; promql_parse_free in any case. */
int promql_parse(struct promql_parse *parse, struct sv text, struct err *err);
/* The same of a selector of series alone, as match[] of Prometheus' API takes it: parse->expr is an
 * EXPR_SELECTOR, which may select everything. */
int promql_parse_selector(struct promql_parse *parse, struct sv text, struct err *err);
void promql_parse_free(struct promql_parse *parse);

/* One value of a series description. */
struct series_value {
    bool omitted;
    bool hint_set; /* the histogram's counter_reset_hint was written */
    double value;
    struct histogram *histogram;
};

struct series_description {
    struct label *labels; /* unsorted */
    size_t label_count;
    struct series_value *values;
    size_t value_count;
};

/* `metric{a="b"} 1 2+1x5 _ stale {{count:3 buckets:[3]}}`. Everything is in parse->arena. */
int promql_parse_series(struct promql_parse *parse, struct sv text, struct series_description *ret,
                        struct err *err);

/* Appends the canonical text. */
void promql_print(struct buf *out, const struct expr *expr);
/* "1:5" for a byte offset. */
void promql_position(struct buf *out, struct sv text, int32_t at);

#endif
