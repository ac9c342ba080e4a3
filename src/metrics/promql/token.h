/*
 * Tokens of PromQL and of the test language's series. The order is meaning: operators, aggregations, keywords
 * and preprocessors are ranges.
 */
#ifndef METRICS_PROMQL_TOKEN_H
#define METRICS_PROMQL_TOKEN_H

#include "base/sv.h"

enum token_kind {
    TOKEN_EOF,
    TOKEN_ERROR,
    TOKEN_COMMENT,
    TOKEN_IDENTIFIER,
    TOKEN_METRIC_IDENTIFIER,
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_DURATION,
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_COMMA,
    TOKEN_EQL,
    TOKEN_COLON,
    TOKEN_SPACE,
    TOKEN_BLANK,
    TOKEN_TIMES,
    TOKEN_OPEN_HIST,
    TOKEN_CLOSE_HIST,
    /* operators */
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_MUL,
    TOKEN_DIV,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_EQLC,
    TOKEN_NEQ,
    TOKEN_LTE,
    TOKEN_LSS,
    TOKEN_GTE,
    TOKEN_GTR,
    TOKEN_TRIM_UPPER,
    TOKEN_TRIM_LOWER,
    TOKEN_EQL_REGEX,
    TOKEN_NEQ_REGEX,
    TOKEN_AT,
    TOKEN_LAND,
    TOKEN_LOR,
    TOKEN_LUNLESS,
    TOKEN_ATAN2,
    /* aggregations */
    TOKEN_AVG,
    TOKEN_BOTTOMK,
    TOKEN_COUNT,
    TOKEN_COUNT_VALUES,
    TOKEN_GROUP,
    TOKEN_MAX,
    TOKEN_MIN,
    TOKEN_QUANTILE,
    TOKEN_STDDEV,
    TOKEN_STDVAR,
    TOKEN_SUM,
    TOKEN_TOPK,
    TOKEN_LIMITK,
    TOKEN_LIMIT_RATIO,
    /* keywords */
    TOKEN_BOOL,
    TOKEN_BY,
    TOKEN_GROUP_LEFT,
    TOKEN_GROUP_RIGHT,
    TOKEN_FILL,
    TOKEN_FILL_LEFT,
    TOKEN_FILL_RIGHT,
    TOKEN_IGNORING,
    TOKEN_OFFSET,
    TOKEN_SMOOTHED,
    TOKEN_ANCHORED,
    TOKEN_ON,
    TOKEN_WITHOUT,
    /* preprocessors */
    TOKEN_START,
    TOKEN_END,
    TOKEN_STEP,
    TOKEN_RANGE,
    TOKEN_MAX_OF,
    TOKEN_MIN_OF,
    /* of a histogram's description */
    TOKEN_HIST_FIELD, /* which one: by its text */
    TOKEN_HIST_HINT,
    TOKEN_COUNT_OF,
};

struct token {
    enum token_kind kind;
    int32_t at;     /* byte offset */
    struct sv text; /* of an error: its message */
};

static inline bool token_is_operator(enum token_kind kind)
{
    return kind >= TOKEN_ADD && kind <= TOKEN_ATAN2;
}
static inline bool token_is_aggregation(enum token_kind kind)
{
    return kind >= TOKEN_AVG && kind <= TOKEN_LIMIT_RATIO;
}
static inline bool token_is_keyword(enum token_kind kind)
{
    return kind >= TOKEN_BOOL && kind <= TOKEN_WITHOUT;
}
static inline bool token_is_comparison(enum token_kind kind)
{
    return kind >= TOKEN_EQLC && kind <= TOKEN_GTR;
}
static inline bool token_is_set_operator(enum token_kind kind)
{
    return kind == TOKEN_LAND || kind == TOKEN_LOR || kind == TOKEN_LUNLESS;
}
/* Aggregations with a parameter before the vector. */
static inline bool token_has_parameter(enum token_kind kind)
{
    return kind == TOKEN_TOPK || kind == TOKEN_BOTTOMK || kind == TOKEN_COUNT_VALUES ||
           kind == TOKEN_QUANTILE || kind == TOKEN_LIMITK || kind == TOKEN_LIMIT_RATIO;
}
/* "+", "sum", "group_left": how it is written; NULL for tokens without a fixed text. */
const char *token_text(enum token_kind kind);

#endif
