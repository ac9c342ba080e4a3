/*
 * What a query is made of, by Prometheus' HTTP API: format_query (laid out for people), parse_query (its tree
 * as JSON, members in the order of their names as Go writes them).
 */
#include "api/prometheus_priv.h"

#include "metrics/promql/pretty.h"

static void json_expr(struct json_out *json, const struct expr *e);

static void kv_expr(struct json_out *json, const char *key, const struct expr *e)
{
    json_key(json, sv_of(key));
    if (e == NULL)
        json_null(json);
    else
        json_expr(json, e);
}

static void json_duration(struct json_out *json, const struct expr *e);
static void json_number(struct json_out *json, const struct expr *e);

/* An operand of a duration expression: a number there says whether it was written as a duration. */
static void kv_duration(struct json_out *json, const char *key, const struct expr *e)
{
    if (e == NULL || (e->kind != EXPR_NUMBER && e->kind != EXPR_DURATION)) {
        kv_expr(json, key, e);
        return;
    }
    json_key(json, sv_of(key));
    json_object(json);
    if (e->kind == EXPR_NUMBER)
        json_kv_bool(json, "duration", e->is_duration);
    (e->kind == EXPR_NUMBER ? json_number : json_duration)(json, e);
    json_object_end(json);
}

static void kv_ms(struct json_out *json, const char *key, int64_t ns)
{
    json_kv_i64(json, key, ns / 1000000);
}

static void kv_names(struct json_out *json, const char *key, const struct name_list *names)
{
    json_key(json, sv_of(key));
    json_array(json);
    for (size_t i = 0; i < names->n; i++)
        json_string(json, names->items[i]);
    json_array_end(json);
}

static void kv_number(struct json_out *json, const char *key, bool there, double v)
{
    json_key(json, sv_of(key));
    if (there)
        json_double(json, v);
    else
        json_null(json);
}

/* --- selectors --- */

static void kv_matchers(struct json_out *json, const struct expr *e)
{
    static const char *const types[] = {
        [MATCH_EQUAL] = "=", [MATCH_NOT_EQUAL] = "!=", [MATCH_REGEXP] = "=~", [MATCH_NOT_REGEXP] = "!~"};
    json_key(json, SV("matchers"));
    json_array(json);
    for (size_t i = 0; i < e->matcher_count; i++) {
        json_object(json);
        json_kv_string(json, "name", e->matchers[i].name);
        json_kv_str(json, "type", types[e->matchers[i].type]);
        json_kv_string(json, "value", e->matchers[i].value);
        json_object_end(json);
    }
    json_array_end(json);
}

static void kv_offset(struct json_out *json, const struct expr *e)
{
    kv_ms(json, "offset", e->offset_ns);
    kv_duration(json, "offsetExpr", e->offset_expr);
}

static void kv_start_or_end(struct json_out *json, const struct expr *e)
{
    json_key(json, SV("startOrEnd"));
    if (e->start_or_end == 0)
        json_null(json);
    else
        json_string(json, sv_of(token_text(e->start_or_end)));
}

static void kv_timestamp(struct json_out *json, const struct expr *e)
{
    json_key(json, SV("timestamp"));
    if (e->has_timestamp)
        json_i64(json, e->timestamp_ms);
    else
        json_null(json);
}

/* `ranged`: the matrix selector around it, or NULL. */
static void json_selector(struct json_out *json, const struct expr *e, const struct expr *ranged)
{
    json_kv_bool(json, "anchored", e->anchored);
    kv_matchers(json, e);
    json_kv_string(json, "name", e->text);
    kv_offset(json, e);
    if (ranged != NULL) {
        kv_ms(json, "range", ranged->range_ns);
        kv_duration(json, "rangeExpr", ranged->range_expr);
    }
    json_kv_bool(json, "smoothed", e->smoothed);
    kv_start_or_end(json, e);
    kv_timestamp(json, e);
    json_kv_str(json, "type", ranged != NULL ? "matrixSelector" : "vectorSelector");
}

static void json_vector_selector(struct json_out *json, const struct expr *e)
{
    json_selector(json, e, NULL);
}

static void json_matrix_selector(struct json_out *json, const struct expr *e)
{
    json_selector(json, e->left, e);
}

static void json_subquery(struct json_out *json, const struct expr *e)
{
    kv_expr(json, "expr", e->left);
    kv_offset(json, e);
    kv_ms(json, "range", e->range_ns);
    kv_duration(json, "rangeExpr", e->range_expr);
    kv_start_or_end(json, e);
    kv_ms(json, "step", e->step_ns);
    kv_duration(json, "stepExpr", e->step_expr);
    kv_timestamp(json, e);
    json_kv_str(json, "type", "subquery");
}

/* --- what is above them --- */

static void json_aggregate(struct json_out *json, const struct expr *e)
{
    kv_expr(json, "expr", e->left);
    kv_names(json, "grouping", &e->grouping);
    json_kv_str(json, "op", token_text(e->op));
    kv_expr(json, "param", e->right);
    json_kv_str(json, "type", "aggregation");
    json_kv_bool(json, "without", e->without);
}

static void json_matching(struct json_out *json, const struct vector_matching *m)
{
    static const char *const cards[] = {[CARD_ONE_TO_ONE] = "one-to-one",
                                        [CARD_MANY_TO_ONE] = "many-to-one",
                                        [CARD_ONE_TO_MANY] = "one-to-many",
                                        [CARD_MANY_TO_MANY] = "many-to-many"};
    if (m == NULL) {
        json_null(json);
        return;
    }
    json_object(json);
    json_kv_str(json, "card", cards[m->card]);
    json_key(json, SV("fillValues"));
    json_object(json);
    kv_number(json, "lhs", m->has_fill_left, m->fill_left);
    kv_number(json, "rhs", m->has_fill_right, m->fill_right);
    json_object_end(json);
    kv_names(json, "include", &m->include);
    kv_names(json, "labels", &m->labels);
    json_kv_bool(json, "on", m->on);
    json_object_end(json);
}

static void json_binary(struct json_out *json, const struct expr *e)
{
    json_kv_bool(json, "bool", e->return_bool);
    kv_expr(json, "lhs", e->left);
    json_key(json, SV("matching"));
    json_matching(json, e->matching);
    json_kv_str(json, "op", token_text(e->op));
    kv_expr(json, "rhs", e->right);
    json_kv_str(json, "type", "binaryExpr");
}

static void json_call(struct json_out *json, const struct expr *e)
{
    static const char *const types[] = {[VALUE_NONE] = "none",
                                        [VALUE_SCALAR] = "scalar",
                                        [VALUE_VECTOR] = "vector",
                                        [VALUE_MATRIX] = "matrix",
                                        [VALUE_STRING] = "string"};
    const struct promql_function *f = e->function;
    json_key(json, SV("args"));
    json_array(json);
    for (size_t i = 0; i < e->arg_count; i++)
        json_expr(json, e->args[i]);
    json_array_end(json);
    json_key(json, SV("func"));
    json_object(json);
    json_key(json, SV("argTypes"));
    json_array(json);
    for (size_t i = 0; i < FUNCTION_ARGS_MAX && f->args[i] != VALUE_NONE; i++)
        json_string(json, sv_of(types[f->args[i]]));
    json_array_end(json);
    json_kv_str(json, "name", f->name);
    json_kv_str(json, "returnType", types[f->returns]);
    json_kv_i64(json, "variadic", f->variadic);
    json_object_end(json);
    json_kv_str(json, "type", "call");
}

static void json_duration(struct json_out *json, const struct expr *e)
{
    kv_duration(json, "lhs", e->left);
    json_kv_str(json, "op", token_text(e->op));
    kv_duration(json, "rhs", e->right);
    json_kv_str(json, "type", "durationExpr");
    json_kv_bool(json, "wrapped", e->wrapped);
}

static void json_number(struct json_out *json, const struct expr *e)
{
    json_kv_str(json, "type", "numberLiteral");
    json_key(json, SV("val"));
    prom_json_float(json, e->number);
}

static void json_text(struct json_out *json, const struct expr *e)
{
    json_kv_str(json, "type", "stringLiteral");
    json_kv_string(json, "val", e->text);
}

static void json_paren(struct json_out *json, const struct expr *e)
{
    kv_expr(json, "expr", e->left);
    json_kv_str(json, "type", "parenExpr");
}

static void json_unary(struct json_out *json, const struct expr *e)
{
    kv_expr(json, "expr", e->left);
    json_kv_str(json, "op", token_text(e->op));
    json_kv_str(json, "type", "unaryExpr");
}

static void json_expr(struct json_out *json, const struct expr *e)
{
    static void (*const kinds[])(struct json_out * json, const struct expr *e) = {
        [EXPR_NUMBER] = json_number,
        [EXPR_STRING] = json_text,
        [EXPR_SELECTOR] = json_vector_selector,
        [EXPR_MATRIX] = json_matrix_selector,
        [EXPR_SUBQUERY] = json_subquery,
        [EXPR_CALL] = json_call,
        [EXPR_AGGREGATE] = json_aggregate,
        [EXPR_BINARY] = json_binary,
        [EXPR_UNARY] = json_unary,
        [EXPR_PAREN] = json_paren,
        [EXPR_DURATION] = json_duration,
    };
    json_object(json);
    kinds[e->kind](json, e); /* EXPR_ONCE is none of the parser's */
    json_object_end(json);
}

/* --- routes --- */

/* The writer of JSON has a depth of 64, and a call takes two of it; a deeper tree is refused, not cut. */
enum { TREE_HEIGHT_MAX = 28 };

static void print_format(struct json_out *json, const struct expr *e)
{
    struct buf text;
    buf_init(&text, TC_API_REPLY_BYTES);
    promql_pretty(&text, e);
    json_string(json, buf_view(&text));
    buf_free(&text);
}

static void with_query(struct api *api, struct request *request, struct reply *reply, uint32_t height_max,
                       void (*print)(struct json_out *json, const struct expr *e))
{
    struct question q;
    struct promql_parse parse = {.refused = promql_features_refused(&api->options.prometheus.features)};
    struct err err = {0};
    if (question_begin(&q, api, request, reply, false)) {
        if (promql_parse(&parse, question_get(&q, "query"), &err) != 0) {
            question_invalid(&q, "query", "%s", err.text);
        } else if (parse.expr->height > height_max) {
            question_refuse(&q, 422, "execution", "the query's tree is deeper than %u levels", height_max);
        } else {
            struct json_out json = question_answer(&q);
            print(&json, parse.expr);
            question_answered(&q, &json);
        }
    }
    promql_parse_free(&parse);
    question_end(&q);
}

void promql_format_route(struct api *api, struct request *request, struct reply *reply)
{
    with_query(api, request, reply, PROMQL_HEIGHT_MAX, print_format);
}

void promql_parse_route(struct api *api, struct request *request, struct reply *reply)
{
    with_query(api, request, reply, TREE_HEIGHT_MAX, json_expr);
}
