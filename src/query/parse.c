/*
 * Parsing of LogQL's expressions; parse_stage.c has the pipeline. Recursive descent; binary operators by
 * precedence, as Prometheus has them.
 */
#include "query/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const logql_range_names[] = {
    [RANGE_COUNT] = "count_over_time",    [RANGE_RATE] = "rate",
    [RANGE_BYTES] = "bytes_over_time",    [RANGE_BYTES_RATE] = "bytes_rate",
    [RANGE_ABSENT] = "absent_over_time",  [RANGE_SUM] = "sum_over_time",
    [RANGE_AVG] = "avg_over_time",        [RANGE_MIN] = "min_over_time",
    [RANGE_MAX] = "max_over_time",        [RANGE_STDDEV] = "stddev_over_time",
    [RANGE_STDVAR] = "stdvar_over_time",  [RANGE_QUANTILE] = "quantile_over_time",
    [RANGE_FIRST] = "first_over_time",    [RANGE_LAST] = "last_over_time",
    [RANGE_RATE_COUNTER] = "rate_counter"};
const char *const logql_aggregate_names[] = {[AGGREGATE_SUM] = "sum",
                                             [AGGREGATE_AVG] = "avg",
                                             [AGGREGATE_MIN] = "min",
                                             [AGGREGATE_MAX] = "max",
                                             [AGGREGATE_COUNT] = "count",
                                             [AGGREGATE_STDDEV] = "stddev",
                                             [AGGREGATE_STDVAR] = "stdvar",
                                             [AGGREGATE_TOPK] = "topk",
                                             [AGGREGATE_BOTTOMK] = "bottomk",
                                             [AGGREGATE_SORT] = "sort",
                                             [AGGREGATE_SORT_DESC] = "sort_desc"};
const char *const logql_op_texts[] = {
    [LOGQL_OP_NONE] = "", [LOGQL_EQ] = "==",   [LOGQL_NEQ] = "!=",   [LOGQL_RE] = "=~",
    [LOGQL_NRE] = "!~",   [LOGQL_LIKE] = "|>", [LOGQL_NLIKE] = "!>", [LOGQL_GT] = ">",
    [LOGQL_GTE] = ">=",   [LOGQL_LT] = "<",    [LOGQL_LTE] = "<=",   [LOGQL_ADD] = "+",
    [LOGQL_SUB] = "-",    [LOGQL_MUL] = "*",   [LOGQL_DIV] = "/",    [LOGQL_MOD] = "%",
    [LOGQL_POW] = "^",    [LOGQL_AND] = "and", [LOGQL_OR] = "or",    [LOGQL_UNLESS] = "unless"};

/* --- small steps, shared with parse_stage.c */

int parse_fail(struct parsing *p, const char *format, ...)
{
    char text[TC_ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return lex_fail(&p->lexer, peek(p)->at, p->err, "%s", text);
}

int parse_unexpected(struct parsing *p, const char *what)
{
    char shown[64];
    return parse_fail(p, "syntax error: unexpected %.*s, expecting %s", SV_FMT(lex_show(peek(p), shown)),
                      what);
}

int parse_move(struct parsing *p)
{
    return lex_next(&p->lexer, p->err);
}

int parse_sign(struct parsing *p, const char *sign)
{
    char shown[16];
    snprintf(shown, sizeof shown, "`%s`", sign);
    return is_sign(p, sign) ? parse_move(p) : parse_unexpected(p, shown);
}

int parse_string(struct parsing *p, struct sv *ret)
{
    if (peek(p)->kind != TOKEN_STRING)
        return parse_unexpected(p, "a string");
    *ret = peek(p)->value;
    return parse_move(p);
}

int parse_word(struct parsing *p, const char *what, struct sv *ret)
{
    if (peek(p)->kind != TOKEN_WORD)
        return parse_unexpected(p, what);
    *ret = peek(p)->text;
    return parse_move(p);
}

int parse_regex(struct parsing *p, struct sv text, enum re2_scope scope, size_t at, struct re2 **ret)
{
    struct err why = {0};
    struct logql *q = p->query;
    if (q->expression_count >= LOGQL_LIST_MAX)
        return lex_fail(&p->lexer, at, p->err, "more than %d regular expressions", LOGQL_LIST_MAX);
    if (re2_compile(text, scope, ret, &why) != 0)
        return lex_fail(&p->lexer, at, p->err, "%s", why.text);
    q->expressions[q->expression_count++] = *ret;
    return 0;
}

enum logql_op parse_match_op(const struct parsing *p)
{
    return is_sign(p, "=")    ? LOGQL_EQ
           : is_sign(p, "!=") ? LOGQL_NEQ
           : is_sign(p, "=~") ? LOGQL_RE
           : is_sign(p, "!~") ? LOGQL_NRE
                              : LOGQL_OP_NONE;
}

int parse_selector(struct parsing *p, struct logql_expr *ret)
{
    int rc = parse_sign(p, "{");
    ret->matchers = ARENA_ARRAY(&p->query->arena, struct logql_matcher, LOGQL_LIST_MAX);
    while (rc == 0 && !is_sign(p, "}")) {
        if (ret->matcher_count >= LOGQL_LIST_MAX)
            return parse_fail(p, "more than %d matchers", LOGQL_LIST_MAX);
        struct logql_matcher *m = &ret->matchers[ret->matcher_count++];
        if ((rc = parse_word(p, "a label's name or `}`", &m->name)) != 0)
            return rc;
        if ((m->op = parse_match_op(p)) == LOGQL_OP_NONE)
            return parse_unexpected(p, "one of = != =~ !~");
        if ((rc = parse_move(p)) != 0)
            return rc;
        size_t at = peek(p)->at;
        if ((rc = parse_string(p, &m->value)) == 0 && m->op >= LOGQL_RE)
            rc = parse_regex(p, m->value, RE2_WHOLE, at, &m->re);
        if (rc != 0)
            return rc;
        if (!is_sign(p, ",") && !is_sign(p, "}"))
            return parse_unexpected(p, "`,` or `}`");
        if (is_sign(p, ","))
            rc = parse_move(p);
    }
    return rc != 0 ? rc : parse_move(p);
}

/* --- expressions */

static struct logql_expr *new_expr(struct parsing *p, enum logql_kind kind)
{
    struct logql_expr *expr = ARENA_NEW(&p->query->arena, struct logql_expr);
    expr->kind = kind;
    return expr;
}

static int parse_labels(struct parsing *p, struct logql_grouping *ret)
{
    int rc = parse_sign(p, "(");
    ret->given = true;
    ret->labels = ARENA_ARRAY(&p->query->arena, struct sv, LOGQL_LIST_MAX);
    while (rc == 0 && !is_sign(p, ")")) {
        if (ret->count >= LOGQL_LIST_MAX)
            return parse_fail(p, "more than %d labels", LOGQL_LIST_MAX);
        if ((rc = parse_word(p, "a label's name or `)`", &ret->labels[ret->count])) != 0)
            return rc;
        ret->count++;
        if (!is_sign(p, ",") && !is_sign(p, ")"))
            return parse_unexpected(p, "`,` or `)`");
        if (is_sign(p, ","))
            rc = parse_move(p);
    }
    return rc != 0 ? rc : parse_move(p);
}

static int parse_grouping(struct parsing *p, struct logql_grouping *ret)
{
    bool without = is_word(p, "without");
    if ((!without && !is_word(p, "by")) || ret->given)
        return 0;
    ret->without = without;
    int rc = parse_move(p);
    return rc != 0 ? rc : parse_labels(p, ret);
}

/* 63 years: a time less two of them is a time still. */
#define DURATION_MAX_NS 2e18

static int parse_duration(struct parsing *p, int64_t *ret_ns)
{
    if (peek(p)->kind != TOKEN_DURATION || peek(p)->number < 1 || peek(p)->number > DURATION_MAX_NS)
        return parse_unexpected(p, "a duration such as 5m");
    *ret_ns = (int64_t)peek(p)->number;
    return parse_move(p);
}

static int parse_range(struct parsing *p, struct logql_expr *range)
{
    int rc = parse_sign(p, "[");
    if (rc == 0 && (rc = parse_duration(p, &range->range_ns)) == 0)
        rc = parse_sign(p, "]");
    return rc;
}

/* {…} | … [5m] offset 1h, the range also before the pipeline, and parentheses around it all. */
static int parse_log_range(struct parsing *p, struct logql_expr *range)
{
    int rc;
    if (++p->depth > LOGQL_DEPTH_MAX)
        return parse_fail(p, "nested more than %d deep", LOGQL_DEPTH_MAX);
    if (is_sign(p, "(")) {
        if ((rc = parse_move(p)) != 0 || (rc = parse_log_range(p, range)) != 0 ||
            (rc = parse_sign(p, ")")) != 0)
            return rc;
    } else {
        range->left = new_expr(p, LOGQL_LOG);
        if ((rc = parse_selector(p, range->left)) != 0)
            return rc;
        if (is_sign(p, "[") && (rc = parse_range(p, range)) != 0)
            return rc;
        if ((rc = parse_pipeline(p, &range->left->stages)) != 0)
            return rc;
    }
    p->depth--;
    if (is_sign(p, "[") && range->range_ns == 0 && (rc = parse_range(p, range)) != 0)
        return rc;
    if (!is_word(p, "offset") || range->range_ns == 0)
        return 0;
    if ((rc = parse_move(p)) != 0)
        return rc;
    bool minus = is_sign(p, "-");
    if (minus && (rc = parse_move(p)) != 0)
        return rc;
    rc = parse_duration(p, &range->offset_ns);
    range->offset_ns = minus ? -range->offset_ns : range->offset_ns;
    return rc;
}

static int check_range(struct parsing *p, struct logql_expr *range, size_t at)
{
    enum logql_range_op op = range->range_op;
    bool may_group = op >= RANGE_AVG && op <= RANGE_LAST, counts = op <= RANGE_ABSENT;
    for (const struct logql_stage *s = range->left->stages; s != NULL; s = s->next) {
        range->unwraps |= s->kind == STAGE_UNWRAP;
        if (s->kind == STAGE_UNWRAP && s->next != NULL && s->next->kind != STAGE_FILTER)
            return lex_fail(&p->lexer, at, p->err, "only label filters may follow unwrap");
    }
    if (range->range_ns == 0)
        return lex_fail(&p->lexer, at, p->err, "%s needs a range such as [5m]", logql_range_names[op]);
    if (!counts && !range->unwraps)
        return lex_fail(&p->lexer, at, p->err, "invalid aggregation %s without unwrap",
                        logql_range_names[op]);
    if (counts && range->unwraps && op != RANGE_RATE && op != RANGE_ABSENT)
        return lex_fail(&p->lexer, at, p->err, "invalid aggregation %s with unwrap", logql_range_names[op]);
    if (range->grouping.given && !may_group)
        return lex_fail(&p->lexer, at, p->err, "grouping not allowed for %s aggregation",
                        logql_range_names[op]);
    return 0;
}

static int parse_parameter(struct parsing *p, double *ret)
{
    bool minus = is_sign(p, "-");
    int rc = minus ? parse_move(p) : 0;
    if (rc != 0)
        return rc;
    if (peek(p)->kind != TOKEN_NUMBER)
        return parse_unexpected(p, "a number");
    *ret = minus ? -peek(p)->number : peek(p)->number;
    rc = parse_move(p);
    return rc != 0 ? rc : parse_sign(p, ",");
}

static int parse_range_aggregation(struct parsing *p, unsigned op, struct logql_expr **ret)
{
    struct logql_expr *range = *ret = new_expr(p, LOGQL_RANGE);
    size_t at = peek(p)->at;
    range->range_op = op;
    int rc = parse_move(p);
    if (rc != 0 || (rc = parse_sign(p, "(")) != 0)
        return rc;
    if (op == RANGE_QUANTILE && (rc = parse_parameter(p, &range->number)) != 0)
        return rc;
    if ((rc = parse_log_range(p, range)) != 0 || (rc = parse_sign(p, ")")) != 0 ||
        (rc = parse_grouping(p, &range->grouping)) != 0)
        return rc;
    return check_range(p, range, at);
}

static int parse_binary(struct parsing *p, unsigned level, struct logql_expr **ret);

/* The next expression must have values. */
static int parse_metric(struct parsing *p, struct logql_expr **ret)
{
    size_t at = peek(p)->at;
    int rc = parse_binary(p, 0, ret);
    if (rc == 0 && (*ret)->kind == LOGQL_LOG)
        return lex_fail(&p->lexer, at, p->err,
                        "lines are no numbers: put count_over_time(… [5m]) or the like around them");
    return rc;
}

static int parse_aggregation(struct parsing *p, unsigned op, struct logql_expr **ret)
{
    struct logql_expr *expr = *ret = new_expr(p, LOGQL_AGGREGATE);
    size_t at = peek(p)->at;
    expr->aggregate_op = op;
    int rc = parse_move(p);
    if (rc != 0 || (rc = parse_grouping(p, &expr->grouping)) != 0 || (rc = parse_sign(p, "(")) != 0)
        return rc;
    if ((op == AGGREGATE_TOPK || op == AGGREGATE_BOTTOMK) && (rc = parse_parameter(p, &expr->number)) != 0)
        return rc;
    if ((op == AGGREGATE_TOPK || op == AGGREGATE_BOTTOMK) && !(expr->number >= 1 && expr->number <= 1e6))
        return lex_fail(&p->lexer, at, p->err, "%s needs a number of at least 1", logql_aggregate_names[op]);
    if ((rc = parse_metric(p, &expr->left)) != 0 || (rc = parse_sign(p, ")")) != 0)
        return rc;
    if ((rc = parse_grouping(p, &expr->grouping)) != 0)
        return rc;
    if (expr->grouping.given && op >= AGGREGATE_SORT)
        return lex_fail(&p->lexer, at, p->err, "%s takes no grouping", logql_aggregate_names[op]);
    return 0;
}

static int parse_replace(struct parsing *p, struct logql_expr **ret)
{
    struct logql_expr *expr = *ret = new_expr(p, LOGQL_REPLACE);
    int rc = parse_move(p);
    size_t at = 0;
    if (rc != 0 || (rc = parse_sign(p, "(")) != 0 || (rc = parse_metric(p, &expr->left)) != 0)
        return rc;
    for (size_t i = 0; i < 4; i++) {
        if ((rc = parse_sign(p, ",")) != 0)
            return rc;
        at = peek(p)->at;
        if ((rc = parse_string(p, &expr->replace[i])) != 0)
            return rc;
    }
    rc = parse_regex(p, expr->replace[3], RE2_WHOLE, at, &expr->re);
    return rc != 0 ? rc : parse_sign(p, ")");
}

static int parse_constant(struct parsing *p, struct logql_expr **ret)
{
    bool minus = is_sign(p, "-"), is_vector = is_word(p, "vector");
    struct logql_expr *expr = *ret = new_expr(p, is_vector ? LOGQL_VECTOR : LOGQL_NUMBER);
    int rc = 0;
    if ((minus || is_sign(p, "+") || is_vector) && (rc = parse_move(p)) != 0)
        return rc;
    if (is_vector && (rc = parse_sign(p, "(")) != 0)
        return rc;
    if (peek(p)->kind != TOKEN_NUMBER)
        return parse_unexpected(p, "a number");
    expr->number = minus ? -peek(p)->number : peek(p)->number;
    rc = parse_move(p);
    return rc == 0 && is_vector ? parse_sign(p, ")") : rc;
}

static int parse_operand(struct parsing *p, struct logql_expr **ret)
{
    int rc;
    if (is_sign(p, "{")) {
        *ret = new_expr(p, LOGQL_LOG);
        rc = parse_selector(p, *ret);
        return rc != 0 ? rc : parse_pipeline(p, &(*ret)->stages);
    }
    if (is_sign(p, "(")) {
        if ((rc = parse_move(p)) != 0 || (rc = parse_binary(p, 0, ret)) != 0 ||
            (rc = parse_sign(p, ")")) != 0)
            return rc;
        struct logql_stage **at = &(*ret)->stages;
        while (*at != NULL)
            at = &(*at)->next;
        return (*ret)->kind == LOGQL_LOG ? parse_pipeline(p, at) : 0;
    }
    for (unsigned i = 0; i <= RANGE_RATE_COUNTER; i++)
        if (is_word(p, logql_range_names[i]))
            return parse_range_aggregation(p, i, ret);
    for (unsigned i = 0; i <= AGGREGATE_SORT_DESC; i++)
        if (is_word(p, logql_aggregate_names[i]))
            return parse_aggregation(p, i, ret);
    if (is_word(p, "label_replace"))
        return parse_replace(p, ret);
    if (peek(p)->kind == TOKEN_NUMBER || is_word(p, "vector") || is_sign(p, "-") || is_sign(p, "+"))
        return parse_constant(p, ret);
    return parse_unexpected(p, "a selector such as {source=\"…\"}, or a function");
}

enum { POWER_LEVEL = 5 };
/* Precedence, the loosest first. */
static bool operator_of(const struct parsing *p, enum logql_op *ret, unsigned *ret_level)
{
    static const uint8_t levels[] = {
        [LOGQL_OR] = 1,  [LOGQL_AND] = 2, [LOGQL_UNLESS] = 2, [LOGQL_EQ] = 3,  [LOGQL_NEQ] = 3,
        [LOGQL_GT] = 3,  [LOGQL_GTE] = 3, [LOGQL_LT] = 3,     [LOGQL_LTE] = 3, [LOGQL_ADD] = 4,
        [LOGQL_SUB] = 4, [LOGQL_MUL] = 5, [LOGQL_DIV] = 5,    [LOGQL_MOD] = 5, [LOGQL_POW] = 6};
    for (unsigned op = LOGQL_EQ; op <= LOGQL_UNLESS; op++) {
        if (levels[op] == 0 || (!is_sign(p, logql_op_texts[op]) && !is_word(p, logql_op_texts[op])))
            continue;
        *ret = op;
        *ret_level = levels[op];
        return true;
    }
    return false;
}

static int parse_matching(struct parsing *p, struct logql_expr *expr)
{
    int rc = 0;
    if (is_word(p, "bool")) {
        if (expr->op < LOGQL_EQ || expr->op > LOGQL_LTE)
            return parse_fail(p, "bool goes with a comparison only");
        expr->return_bool = true;
        rc = parse_move(p);
    }
    if (rc != 0 || (!is_word(p, "on") && !is_word(p, "ignoring")))
        return rc;
    expr->on = is_word(p, "on");
    if ((rc = parse_move(p)) != 0 || (rc = parse_labels(p, &expr->matching)) != 0)
        return rc;
    if (!is_word(p, "group_left") && !is_word(p, "group_right"))
        return 0;
    if (expr->op >= LOGQL_AND)
        return parse_fail(p, "no grouping allowed for \"%s\" operation", logql_op_texts[expr->op]);
    expr->cardinality = is_word(p, "group_left") ? LOGQL_GROUP_LEFT : LOGQL_GROUP_RIGHT;
    rc = parse_move(p);
    return rc == 0 && is_sign(p, "(") ? parse_labels(p, &expr->include) : rc;
}

static int check_operands(struct parsing *p, const struct logql_expr *expr, size_t at)
{
    bool left = expr->left->kind == LOGQL_NUMBER, right = expr->right->kind == LOGQL_NUMBER;
    if (expr->left->kind == LOGQL_LOG || expr->right->kind == LOGQL_LOG)
        return lex_fail(&p->lexer, at, p->err, "unexpected type for %s: lines are no numbers",
                        logql_op_texts[expr->op]);
    if ((left || right) && expr->op >= LOGQL_AND)
        return lex_fail(&p->lexer, at, p->err, "%s needs vectors on both sides", logql_op_texts[expr->op]);
    return 0;
}

static int parse_binary(struct parsing *p, unsigned level, struct logql_expr **ret)
{
    enum logql_op op;
    unsigned own;
    size_t count = 0;
    if (++p->depth > LOGQL_DEPTH_MAX)
        return parse_fail(p, "nested more than %d deep", LOGQL_DEPTH_MAX);
    int rc = parse_operand(p, ret);
    while (rc == 0 && operator_of(p, &op, &own) && own > level) {
        size_t at = peek(p)->at;
        struct logql_expr *expr = new_expr(p, LOGQL_BINARY);
        if (++count > LOGQL_LIST_MAX)
            return parse_fail(p, "more than %d operators in a row", LOGQL_LIST_MAX);
        expr->op = op;
        expr->left = *ret;
        if ((rc = parse_move(p)) != 0 || (rc = parse_matching(p, expr)) != 0 ||
            (rc = parse_binary(p, own > POWER_LEVEL ? own - 1 : own, &expr->right)) != 0)
            return rc;
        rc = check_operands(p, expr, at);
        *ret = expr;
    }
    p->depth--;
    return rc;
}

/* Loki's rule: a query must say of some label what it is, lest it read everything by mistake. */
static int check_selector(struct parsing *p, const struct logql_expr *expr)
{
    if (expr == NULL)
        return 0;
    int rc = check_selector(p, expr->left);
    if (rc == 0)
        rc = check_selector(p, expr->right);
    if (rc != 0 || expr->kind != LOGQL_LOG)
        return rc;
    for (size_t i = 0; i < expr->matcher_count; i++) {
        const struct logql_matcher *m = &expr->matchers[i];
        if ((m->op == LOGQL_EQ && m->value.n > 0) || (m->op == LOGQL_RE && !re2_matches(m->re, SV(""))))
            return 0;
        if ((m->op == LOGQL_NEQ && m->value.n == 0) || (m->op == LOGQL_NRE && re2_matches(m->re, SV(""))))
            return 0;
    }
    return err_set(p->err, TC_EINPUT,
                   "parse error : queries require at least one regexp or equality matcher that does not "
                   "have an empty-compatible value. For instance, app=~\".*\" does not meet this "
                   "requirement, but app=~\".+\" will");
}

int logql_parse(struct sv text, struct logql **ret, struct err *err)
{
    struct logql *q = tc_alloc(sizeof *q);
    q->expressions = ARENA_ARRAY(&q->arena, struct re2 *, LOGQL_LIST_MAX);
    q->text = arena_sv(&q->arena, text);
    struct parsing p = {.lexer = {.text = q->text, .arena = &q->arena}, .query = q, .err = err};
    int rc = text.n > LOGQL_TEXT_MAX
                 ? err_set(err, TC_EINPUT, "parse error : a query has at most %d bytes", LOGQL_TEXT_MAX)
                 : parse_move(&p);
    if (rc == 0)
        rc = parse_binary(&p, 0, &q->root);
    if (rc == 0 && peek(&p)->kind != TOKEN_END)
        rc = parse_unexpected(&p, "the end of the query");
    if (rc == 0)
        rc = check_selector(&p, q->root);
    if (rc != 0) {
        logql_free(&q);
        return rc;
    }
    *ret = q;
    return 0;
}

void logql_free(struct logql **query)
{
    struct logql *q = *query;
    if (q == NULL)
        return;
    for (size_t i = 0; i < q->expression_count; i++)
        re2_free(&q->expressions[i]);
    template_set_free(q->templates);
    arena_free(&q->arena);
    free(q);
    *query = NULL;
}
