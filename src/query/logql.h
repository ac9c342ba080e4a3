/*
 * LogQL, the language of Grafana Loki: from text to a tree that is checked, and back to text.
 *
 * What is here of it, and what is not, stands in docs/query.md. A tree is immutable once parsed (regular
 * expressions and templates are compiled with it), so any number of threads may run it. Bounds: 64 KiB of
 * text, 100 levels, 100 matchers or stages in a row.
 */
#ifndef QUERY_LOGQL_H
#define QUERY_LOGQL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/re2.h"
#include "query/capture.h"
#include "query/ip.h"
#include "template/template.h"

enum { LOGQL_TEXT_MAX = 64 << 10, LOGQL_DEPTH_MAX = 100, LOGQL_LIST_MAX = 100 };

enum logql_op {
    LOGQL_OP_NONE,
    LOGQL_EQ, /* = in matchers and line filters (|=), == elsewhere */
    LOGQL_NEQ,
    LOGQL_RE,
    LOGQL_NRE,
    LOGQL_LIKE, /* |> pattern */
    LOGQL_NLIKE,
    LOGQL_GT,
    LOGQL_GTE,
    LOGQL_LT,
    LOGQL_LTE,
    LOGQL_ADD,
    LOGQL_SUB,
    LOGQL_MUL,
    LOGQL_DIV,
    LOGQL_MOD,
    LOGQL_POW,
    LOGQL_AND,
    LOGQL_OR,
    LOGQL_UNLESS,
};

struct logql_matcher {
    struct sv name;
    enum logql_op op; /* EQ, NEQ, RE, NRE; NONE: the name alone (drop, keep) */
    struct sv value;
    struct re2 *re; /* of RE and NRE; the query owns it */
};

enum logql_filter_kind {
    FILTER_AND,
    FILTER_OR,
    FILTER_TEXT,
    FILTER_NUMBER,
    FILTER_DURATION, /* `number` is nanoseconds */
    FILTER_BYTES,
    FILTER_IP,
};
struct logql_filter {
    enum logql_filter_kind kind;
    const struct logql_filter *left, *right; /* AND, OR */
    struct logql_matcher match;              /* the others: name, op, value as written; re */
    double number;
    struct ip_range ip;
};

struct logql_line_test { /* one alternative of a line filter */
    struct sv text;
    bool is_ip;
    struct ip_range ip;
    struct re2 *re;
    struct capture_pattern pattern;
    struct logql_line_test *next; /* or */
};

/* label = "expression" of json and logfmt; name = source or "template" of label_format. */
struct logql_assign {
    struct sv name, text;
    bool is_template; /* label_format: text is a template, else a label's name */
    struct logql_assign *next;
};

enum logql_stage_kind {
    STAGE_LINE,
    STAGE_JSON,
    STAGE_LOGFMT,
    STAGE_REGEXP,
    STAGE_PATTERN,
    STAGE_UNPACK,
    STAGE_FILTER,
    STAGE_LINE_FORMAT,
    STAGE_LABEL_FORMAT,
    STAGE_DECOLORIZE,
    STAGE_DROP,
    STAGE_KEEP,
    STAGE_UNWRAP,
};
enum logql_convert { CONVERT_NUMBER, CONVERT_DURATION, CONVERT_BYTES }; /* of unwrap; durations in seconds */

struct logql_stage {
    enum logql_stage_kind kind;
    enum logql_op op;              /* LINE */
    struct logql_line_test *tests; /* LINE */
    struct logql_assign *assigns;  /* JSON, LOGFMT: chosen fields; LABEL_FORMAT */
    bool strict, keep_empty;       /* LOGFMT */
    struct sv text;                /* REGEXP, PATTERN, LINE_FORMAT as written; UNWRAP: the label */
    struct re2 *re;
    struct capture_pattern pattern;
    const struct logql_filter *filter;
    struct logql_matcher *matchers; /* DROP, KEEP */
    size_t matcher_count;
    enum logql_convert convert;
    struct logql_stage *next;
};

struct logql_grouping {
    bool given, without;
    struct sv *labels;
    size_t count;
};

enum logql_range_op {
    RANGE_COUNT,
    RANGE_RATE,
    RANGE_BYTES,
    RANGE_BYTES_RATE,
    RANGE_ABSENT,
    RANGE_SUM,
    RANGE_AVG,
    RANGE_MIN,
    RANGE_MAX,
    RANGE_STDDEV,
    RANGE_STDVAR,
    RANGE_QUANTILE,
    RANGE_FIRST,
    RANGE_LAST,
    RANGE_RATE_COUNTER,
};
enum logql_aggregate_op {
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_COUNT,
    AGGREGATE_STDDEV,
    AGGREGATE_STDVAR,
    AGGREGATE_TOPK,
    AGGREGATE_BOTTOMK,
    AGGREGATE_SORT,
    AGGREGATE_SORT_DESC,
};

enum logql_kind {
    LOGQL_LOG,
    LOGQL_RANGE,
    LOGQL_AGGREGATE,
    LOGQL_BINARY,
    LOGQL_NUMBER,
    LOGQL_VECTOR, /* vector(number) */
    LOGQL_REPLACE /* label_replace */
};
enum logql_cardinality { LOGQL_ONE_TO_ONE, LOGQL_GROUP_LEFT, LOGQL_GROUP_RIGHT };

struct logql_expr {
    enum logql_kind kind;
    /* LOG */
    struct logql_matcher *matchers;
    size_t matcher_count;
    struct logql_stage *stages;
    /* RANGE: `left` is the LOG; AGGREGATE, REPLACE: `left` is the vector; BINARY: both */
    struct logql_expr *left, *right;
    enum logql_range_op range_op;
    enum logql_aggregate_op aggregate_op;
    double number; /* NUMBER, VECTOR; the parameter of quantile, topk, bottomk */
    int64_t range_ns, offset_ns;
    bool unwraps; /* RANGE: the pipeline ends with unwrap */
    struct logql_grouping grouping;
    /* BINARY */
    enum logql_op op;
    bool return_bool, on;           /* on: else ignoring */
    struct logql_grouping matching; /* labels of on or ignoring */
    enum logql_cardinality cardinality;
    struct logql_grouping include; /* labels of group_left, group_right */
    /* REPLACE: destination, replacement, source, expression */
    struct sv replace[4];
    struct re2 *re;
};

struct logql {
    struct arena arena;
    struct logql_expr *root;
    struct sv text;
    struct template_set *templates; /* each named by its text; NULL: none */
    struct re2 **expressions;       /* all that were compiled */
    size_t expression_count;
};

/* TC_EINPUT with Loki's lead, "parse error at line 1, col 9: …", also in err->line and column. */
int logql_parse(struct sv text, struct logql **ret, struct err *err);
void logql_free(struct logql **query);
/* The tree as text that parses to an equal tree: one space around operators, strings quoted with ". */
void logql_print(const struct logql_expr *expr, struct buf *out);
static inline bool logql_is_metric(const struct logql *query)
{
    return query->root->kind != LOGQL_LOG;
}

extern const char *const logql_range_names[], *const logql_aggregate_names[];
extern const char *const logql_op_texts[]; /* in expressions: ==, +, and … */

/* "1h30m", "1.5s", "2d", "250ms" (Go's, and d, w, y) in nanoseconds; "5KB", "1.5MiB" in bytes. */
TC_MUST_USE bool logql_duration(struct sv text, double *ret_ns);
TC_MUST_USE bool logql_bytes(struct sv text, double *ret_bytes);

#endif
