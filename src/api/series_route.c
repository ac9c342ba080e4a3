/*
 * Series, names and values of labels by Prometheus' HTTP API.
 */
#include "api/prometheus_priv.h"

#include "base/map.h"
#include "base/utf8.h"

#include <stdlib.h>

/* A failure of the store; 0 leaves the reply alone. */
static void refuse_store(struct question *q, int rc, const struct err *err)
{
    if (rc != 0)
        question_refuse(q, rc == TC_EINPUT ? 400 : 500, rc == TC_EINPUT ? "bad_data" : "internal", "%s",
                        err->text);
}

static size_t bound_of(size_t limit)
{
    return limit == 0 ? QUESTION_LIST_MAX : TC_MIN(limit, (size_t)QUESTION_LIST_MAX);
}

static void end_list(struct question *q, struct json_out *json, bool is_cut)
{
    json_array_end(json);
    if (is_cut)
        prom_json_texts(json, "warnings", &question_truncated, 1);
    question_answered(q, json);
}

/* --- series --- */

static int list_series(struct question *q, struct tsdb_querier *querier, size_t bound, int64_t min_t,
                       int64_t max_t, struct json_out *json, bool *ret_cut, struct err *err)
{
    struct series_source source = tsdb_querier_source(querier);
    struct labels_table table;
    uint32_t listed = 0;
    size_t count = 0;
    int rc = 0;
    labels_table_init(&table);
    for (size_t m = 0; rc == 0 && m < q->match_count && !*ret_cut; m++) {
        const struct expr *e = q->matches[m].expr;
        struct source_series *series;
        size_t n;
        rc = source.select(source.context, e->matchers, e->matcher_count, min_t, max_t, &q->arena, &series,
                           &n, err);
        for (size_t i = 0; rc == 0 && i < n && !*ret_cut; i++) {
            const struct labels *labels = labels_import(&table, series[i].labels);
            if (labels->id < listed)
                continue; /* another match[] had it */
            listed = labels->id + 1;
            if (count++ == bound)
                *ret_cut = true;
            else
                prom_json_labels(json, labels);
        }
    }
    labels_table_free(&table);
    return rc;
}

static bool has_matches(struct question *q)
{
    struct sv *texts;
    if (question_all(q, "match[]", &texts) > 0)
        return true;
    question_refuse(q, 400, "bad_data", "no match[] parameter provided");
    return false;
}

static void answer_series(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    size_t limit;
    int64_t min_t, max_t;
    if (question_begin(&q, api, request, reply, true) && has_matches(&q) && question_limit(&q, &limit) &&
        question_window(&q, &min_t, &max_t) && question_matches(&q, "match[]", true)) {
        struct err err = {0};
        bool is_cut = false;
        struct tsdb_querier *querier = tsdb_querier_open(api->options.tsdb);
        struct json_out json = question_answer(&q);
        json_array(&json);
        int rc = list_series(&q, querier, bound_of(limit), min_t, max_t, &json, &is_cut, &err);
        end_list(&q, &json, is_cut);
        refuse_store(&q, rc, &err);
        tsdb_querier_close(&querier);
    }
    question_end(&q);
}

void promql_series_route(struct api *api, struct request *request, struct reply *reply)
{
    if (!question_relayed(api, request, reply))
        aside_run(api, request, answer_series, reply);
}

/* --- names and values of labels --- */

static int gather(struct question *q, struct tsdb_querier *querier, struct sv name, const struct expr *match,
                  int64_t min_t, int64_t max_t, struct map *seen, struct err *err)
{
    const struct matcher *matchers = match == NULL ? NULL : match->matchers;
    size_t count = match == NULL ? 0 : match->matcher_count, n;
    struct sv *texts;
    int rc =
        name.p == NULL
            ? tsdb_label_names(querier, matchers, count, min_t, max_t, &q->arena, &texts, &n, err)
            : tsdb_label_values(querier, name, matchers, count, min_t, max_t, &q->arena, &texts, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        (void)map_put(seen, texts[i], NULL);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

static void print_texts(struct question *q, const struct map *seen, size_t limit)
{
    struct sv *texts = ARENA_ARRAY(&q->arena, struct sv, seen->live + 1);
    struct map_entry *entry;
    size_t n = 0, bound = bound_of(limit);
    for (size_t i = 0; map_next(seen, &i, &entry);)
        texts[n++] = entry->key;
    qsort(texts, n, sizeof *texts, by_text);
    struct json_out json = question_answer(q);
    json_array(&json);
    for (size_t i = 0; i < n && i < bound; i++)
        json_string(&json, texts[i]);
    end_list(q, &json, n > bound);
}

static void list_texts(struct api *api, struct request *request, struct reply *reply, struct sv name)
{
    struct question q;
    size_t limit;
    int64_t min_t, max_t;
    if (question_begin(&q, api, request, reply, true) && question_limit(&q, &limit) &&
        question_window(&q, &min_t, &max_t) && question_matches(&q, NULL, true)) {
        struct err err = {0};
        struct map seen;
        struct tsdb_querier *querier = tsdb_querier_open(api->options.tsdb);
        map_init(&seen, QUESTION_LIST_MAX + 1);
        int rc = q.match_count == 0 ? gather(&q, querier, name, NULL, min_t, max_t, &seen, &err) : 0;
        for (size_t i = 0; rc == 0 && i < q.match_count; i++)
            rc = gather(&q, querier, name, q.matches[i].expr, min_t, max_t, &seen, &err);
        print_texts(&q, &seen, limit);
        refuse_store(&q, rc, &err);
        map_free(&seen);
        tsdb_querier_close(&querier);
    }
    question_end(&q);
}

static void answer_labels(struct api *api, struct request *request, struct reply *reply)
{
    list_texts(api, request, reply, (struct sv){0});
}

void promql_labels_route(struct api *api, struct request *request, struct reply *reply)
{
    if (!question_relayed(api, request, reply))
        aside_run(api, request, answer_labels, reply);
}

/* `U__a_2e_b` stands for `a.b`: an underscore is two, any other rune its hexadecimal number between two.
 * False where it is no such text. */
static bool unescape_name(struct sv text, char out[TC_ROUTE_PARAM_BYTES], size_t *ret_n)
{
    size_t n = 0, i = 3;
    while (i < text.n) {
        uint32_t rune = 0;
        if (text.p[i] != '_') {
            out[n++] = text.p[i++];
            continue;
        }
        if (i + 1 < text.n && text.p[i + 1] == '_') {
            out[n++] = '_';
            i += 2;
            continue;
        }
        size_t end = i + 1;
        for (; end < text.n && text.p[end] != '_' && end - i <= 6; end++) {
            char c = text.p[end];
            bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
            if (!digit && !letter)
                return false;
            rune = rune << 4 | (uint32_t)(digit ? c - '0' : c - 'a' + 10);
        }
        if (end == i + 1 || end >= text.n || text.p[end] != '_' || rune > 0x10FFFF)
            return false;
        n += utf8_encode(rune, out + n); /* never longer than what stands for it */
        i = end + 1;
    }
    *ret_n = n;
    return true;
}

static void answer_values(struct api *api, struct request *request, struct reply *reply)
{
    struct sv name = request->match.params[0];
    char text[TC_ROUTE_PARAM_BYTES];
    size_t n;
    if (sv_starts(name, SV("U__")) && unescape_name(name, text, &n))
        name = sv_make(text, n);
    if (label_name_is_valid(name)) {
        list_texts(api, request, reply, name);
        return;
    }
    struct question q;
    if (question_begin(&q, api, request, reply, true))
        question_refuse(&q, 400, "bad_data", "invalid label name: \"%.*s\"", SV_FMT(name));
    question_end(&q);
}

void promql_values_route(struct api *api, struct request *request, struct reply *reply)
{
    if (!question_relayed(api, request, reply))
        aside_run(api, request, answer_values, reply);
}
