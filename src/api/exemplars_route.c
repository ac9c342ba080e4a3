/*
 * GET and POST /api/v1/query_exemplars, as Prometheus answers: the exemplars of all series that a selector of
 * the query takes, whatever the query does with them.
 */
#include "api/prometheus_priv.h"

enum { SELECTORS_MAX = 256 };

struct selectors {
    struct tsdb_selector items[SELECTORS_MAX];
    size_t n;
};

/* False where there are too many. */
static bool gather_selectors(const struct expr *e, struct selectors *ret)
{
    if (e == NULL)
        return true;
    if (e->kind == EXPR_SELECTOR) {
        if (ret->n == SELECTORS_MAX)
            return false;
        ret->items[ret->n++] = (struct tsdb_selector){e->matchers, e->matcher_count};
    }
    bool good = gather_selectors(e->left, ret) && gather_selectors(e->right, ret);
    for (size_t i = 0; good && i < e->arg_count; i++)
        good = gather_selectors(e->args[i], ret);
    return good;
}

static void put_exemplar(struct json_out *json, const struct tsdb_exemplar *exemplar)
{
    json_object(json);
    json_key(json, SV("labels"));
    prom_json_labels(json, exemplar->labels);
    json_key(json, SV("value"));
    prom_json_sample(json, exemplar->v);
    json_key(json, SV("timestamp"));
    prom_json_seconds(json, exemplar->t);
    json_object_end(json);
}

static void answer(struct question *q, const struct selectors *selectors, int64_t min_t, int64_t max_t)
{
    struct tsdb_exemplar_series *series;
    size_t n;
    tsdb_exemplars(q->api->options.tsdb, selectors->items, selectors->n, min_t, max_t, &q->arena, &series,
                   &n);
    struct json_out json = question_answer(q);
    json_array(&json);
    for (size_t i = 0; i < n; i++) {
        json_object(&json);
        json_key(&json, SV("seriesLabels"));
        prom_json_labels(&json, series[i].labels);
        json_key(&json, SV("exemplars"));
        json_array(&json);
        for (size_t k = 0; k < series[i].n; k++)
            put_exemplar(&json, &series[i].items[k]);
        json_array_end(&json);
        json_object_end(&json);
    }
    json_array_end(&json);
    question_answered(q, &json);
}

static void answer_exemplars(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct promql_parse parse = {.refused = promql_features_refused(&api->options.prometheus.features)};
    struct selectors selectors = {.n = 0};
    struct err err = {0};
    int64_t min_t, max_t;
    if (!question_begin(&q, api, request, reply, true) || !question_window(&q, &min_t, &max_t)) {
        /* said */
    } else if (max_t < min_t) {
        question_refuse(&q, 400, "bad_data", "end timestamp must not be before start timestamp");
    } else if (promql_parse(&parse, question_get(&q, "query"), &err) != 0) {
        question_refuse(&q, 400, "bad_data", "%s", err.text);
    } else if (!gather_selectors(parse.expr, &selectors)) {
        question_refuse(&q, 400, "bad_data", "the query has more than %d selectors", SELECTORS_MAX);
    } else if (selectors.n == 0) {
        reply->status = 204;
    } else {
        answer(&q, &selectors, min_t, max_t);
    }
    promql_parse_free(&parse);
    question_end(&q);
}

void promql_exemplars_route(struct api *api, struct request *request, struct reply *reply)
{
    aside_run(api, request, answer_exemplars, reply);
}
