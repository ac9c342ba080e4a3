/*
 * /api/v1/features: what of Prometheus' language and API is here and on, by the names of its own registry.
 */
#include "api/prometheus_priv.h"

#include "metrics/promql/functions.h"

struct feature {
    const char *name;
    bool on;
};

static void json_features(struct json_out *json, const char *category, const struct feature *features,
                          size_t count)
{
    json_key(json, sv_of(category));
    json_object(json);
    for (size_t i = 0; i < count; i++)
        json_kv_bool(json, features[i].name, features[i].on);
    json_object_end(json);
}

static void json_functions(struct json_out *json, bool experimental)
{
    const struct promql_function *function;
    json_key(json, SV("promql_functions"));
    json_object(json);
    for (size_t i = 0; (function = function_at(i)) != NULL; i++)
        json_kv_bool(json, function->name, experimental || !function_is_experimental(function));
    json_object_end(json);
}

static void json_operators(struct json_out *json, bool experimental)
{
    static const char *const names[] = {
        "!=",  "!~",  "%",  "*",     "+",   "-",        "/",    "<",      "</",     "<=",           "==",
        "=~",  ">",   ">/", ">=",    "@",   "^",        "and",  "atan2",  "avg",    "bottomk",      "count",
        "max", "min", "or", "group", "sum", "quantile", "topk", "stddev", "stdvar", "count_values", "unless"};
    static const char *const more[] = {"limitk", "limit_ratio"};
    json_key(json, SV("promql_operators"));
    json_object(json);
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++)
        json_kv_bool(json, names[i], true);
    for (size_t i = 0; i < TC_ARRAY_LEN(more); i++)
        json_kv_bool(json, more[i], experimental);
    json_object_end(json);
}

void prometheus_features_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    const struct promql_features *on = &api->options.prometheus.features;
    bool experimental = (on->extensions & PROMQL_EXPERIMENTAL_FUNCTIONS) != 0;
    bool fill = (on->extensions & PROMQL_FILL_MODIFIERS) != 0;
    const struct feature of_api[] = {{"admin", api->options.metrics_admin != NULL},
                                     {"exclude_alerts", true},
                                     {"label_values_match", true},
                                     {"lifecycle", true},
                                     {"otlp_write_receiver", true},
                                     {"query_stats", true},
                                     {"query_warnings", true},
                                     {"remote_write_receiver", true},
                                     {"search", false},
                                     {"time_range_labels", true},
                                     {"time_range_series", true}};
    const struct feature of_promql[] = {{"anchored", true},
                                        {"at_modifier", true},
                                        {"bool", true},
                                        {"by", true},
                                        {"delayed_name_removal", on->delayed_name_removal},
                                        {"duration_expr", true},
                                        {"fill", fill},
                                        {"fill_left", fill},
                                        {"fill_right", fill},
                                        {"group_left", true},
                                        {"group_right", true},
                                        {"ignoring", true},
                                        {"negative_offset", true},
                                        {"offset", true},
                                        {"on", true},
                                        {"per_query_lookback_delta", true},
                                        {"per_step_stats", false},
                                        {"smoothed", true},
                                        {"subqueries", true},
                                        {"type_and_unit_labels", false},
                                        {"without", true}};
    if (question_begin(&q, api, request, reply, true)) {
        struct json_out json = question_answer(&q);
        json_object(&json);
        json_features(&json, "api", of_api, TC_ARRAY_LEN(of_api));
        json_features(&json, "promql", of_promql, TC_ARRAY_LEN(of_promql));
        json_functions(&json, experimental);
        json_operators(&json, experimental);
        json_object_end(&json);
        question_answered(&q, &json);
    }
    question_end(&q);
}

/* Prometheus tells its page there that it is starting, or that a reload failed; nothing here does. */
void prometheus_notifications_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    if (question_begin(&q, api, request, reply, true)) {
        struct json_out json = question_answer(&q);
        json_array(&json);
        json_array_end(&json);
        question_answered(&q, &json);
    }
    question_end(&q);
}
