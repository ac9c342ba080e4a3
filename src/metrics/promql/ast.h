/*
 * The syntax tree of PromQL.
 *
 * Trees live in an arena. `start` and `end` are byte offsets into the query, as annotations and errors name
 * them.
 */
#ifndef METRICS_PROMQL_AST_H
#define METRICS_PROMQL_AST_H

#include "metrics/matcher.h"
#include "metrics/promql/token.h"

enum value_type { VALUE_NONE, VALUE_SCALAR, VALUE_VECTOR, VALUE_MATRIX, VALUE_STRING };

enum expr_kind {
    EXPR_NUMBER,
    EXPR_STRING,
    EXPR_SELECTOR,  /* an instant vector selector */
    EXPR_MATRIX,    /* left: the selector */
    EXPR_SUBQUERY,  /* left: what is evaluated */
    EXPR_CALL,      /* args */
    EXPR_AGGREGATE, /* left: the vector, right: the parameter or NULL */
    EXPR_BINARY,    /* left, right */
    EXPR_UNARY,     /* left */
    EXPR_PAREN,     /* left */
    EXPR_DURATION,  /* left, right; both may be NULL */
    EXPR_ONCE, /* left, the same at every step: evaluated once. Made by preprocessing, never by the parser */
};

enum { FUNCTION_ARGS_MAX = 5 };

/* A function of the language; see functions.h for what it does. */
struct promql_function {
    const char *name;
    enum value_type returns;
    enum value_type args[FUNCTION_ARGS_MAX]; /* ends with VALUE_NONE */
    int variadic; /* how many arguments more than args - 1 there may be; -1: any number; 0: exactly args */
    int id;       /* enum function_id */
};

enum matching_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };

struct name_list {
    struct sv *items;
    size_t n;
};

struct vector_matching {
    enum matching_card card;
    bool on;
    struct name_list labels;  /* of on () or ignoring () */
    struct name_list include; /* of group_left () or group_right () */
    bool has_fill_left, has_fill_right;
    double fill_left, fill_right;
};

struct expr {
    enum expr_kind kind;
    enum token_kind op; /* of aggregations, binary, unary and duration expressions */
    int32_t start, end;
    uint32_t height; /* of the tree below; bounded by the parser */
    struct expr *left, *right;

    struct expr **args; /* of calls */
    size_t arg_count;
    const struct promql_function *function;

    double number;
    bool is_duration; /* the number was written as one */
    struct sv text;   /* a string's value, a selector's metric name */

    struct matcher *matchers; /* of a selector; the one made from its name is last */
    size_t matcher_count;
    bool anchored, smoothed;
    bool skip_buckets; /* only count and sum of histograms are looked at; set by preprocessing */
    bool allow_empty;  /* may match everything (second argument of info) */

    /* of selectors and subqueries */
    int64_t offset_ns; /* as written */
    struct expr *offset_expr;
    int64_t effective_offset_ns; /* with @ taken into account */
    bool has_timestamp;
    int64_t timestamp_ms;
    enum token_kind start_or_end; /* TOKEN_START, TOKEN_END or 0 */

    int64_t range_ns, step_ns; /* of ranges and subqueries; step 0: the default */
    struct expr *range_expr, *step_expr;

    struct name_list grouping;
    bool without;

    struct vector_matching *matching; /* NULL where a side is a scalar */
    bool return_bool;
    bool wrapped; /* a duration expression in parentheses */

    /* set when a query is prepared */
    struct re2 *regex;           /* of label_replace; NULL where its text is none */
    struct node_memory *memory;  /* of selectors, aggregations and matching: see eval_priv.h */
    struct shared_value *shared; /* of a plan: where the node's series are kept; NULL: nowhere */
};

enum value_type expr_type(const struct expr *expr);
/* "instant vector", "range vector", "scalar", "string". */
const char *value_type_name(enum value_type type);

#endif
