/*
 * /federate: the newest samples of chosen series in Prometheus' text format, for another Prometheus to
 * scrape.
 *
 * As Prometheus does it: samples no older than the lookback, staleness markers and native histograms left
 * out, the external labels beside a series' own, and an empty `instance` where neither has one, so that who
 * scrapes puts none of its own there. Names that the text format has no place for are written with
 * underscores.
 */
#include "api/prometheus_priv.h"

#include "base/go_text.h"
#include "metrics/remote/remote_store.h"

#include <stdlib.h>

enum { LOOKBACK_MS = 300000 };

struct newest {
    const struct labels *labels;
    int64_t t;
    double v;
};

struct federation {
    struct question *q;
    struct series_source source;
    struct labels_table table;
    uint32_t taken; /* label sets that are numbered below it are there already */
    struct newest *samples;
    size_t count, capacity;
    const struct label *external; /* with an empty instance where there was none */
    size_t external_count;
};

static void add(struct federation *f, const struct labels *labels, int64_t t, double v)
{
    if (f->count == f->capacity) {
        f->capacity = TC_MAX((size_t)256, f->capacity * 2);
        f->samples = tc_realloc(f->samples, f->capacity * sizeof *f->samples);
    }
    f->samples[f->count++] = (struct newest){labels, t, v};
}

static int take_series(struct federation *f, const struct source_series *series, int64_t min_t, int64_t max_t,
                       struct arena *scratch, struct err *err)
{
    struct series_source source = f->source;
    struct series_samples samples;
    int rc = source.read(source.context, series->ref, min_t, max_t, scratch, &samples, err);
    size_t n = rc == 0 ? samples.n : 0;
    while (n > 0 && samples.t[n - 1] > max_t)
        n--;
    if (n == 0 || samples.t[n - 1] < min_t || (samples.h != NULL && samples.h[n - 1] != NULL) ||
        is_stale(samples.f[n - 1]))
        return rc;
    const struct labels *labels = labels_import(&f->table, series->labels);
    if (labels->id < f->taken || labels_name(labels).n == 0)
        return rc; /* another match[] had it, or it has no name */
    f->taken = labels->id + 1;
    add(f, labels, samples.t[n - 1], samples.f[n - 1]);
    return rc;
}

static int take_match(struct federation *f, const struct expr *match, int64_t min_t, int64_t max_t,
                      struct err *err)
{
    struct series_source source = f->source;
    struct source_series *series;
    struct arena scratch = {0};
    size_t n = 0;
    int rc = source.select(source.context, match->matchers, match->matcher_count, min_t, max_t, &f->q->arena,
                           &series, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        arena_reset(&scratch);
        rc = take_series(f, &series[i], min_t, max_t, &scratch, err);
    }
    arena_free(&scratch);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct newest *x = a, *y = b;
    int order = sv_cmp(labels_name(x->labels), labels_name(y->labels));
    return order != 0 ? order : labels_compare(x->labels, y->labels);
}

/* --- text --- */

static void put_name(struct buf *out, struct sv name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
        buf_char(out, letter || (i > 0 && c >= '0' && c <= '9') ? c : '_');
    }
}

static void put_value(struct buf *out, struct sv value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\n')
            buf_str(out, "\\n");
        else if (value.p[i] == '"' || value.p[i] == '\\')
            buf_printf(out, "\\%c", value.p[i]);
        else
            buf_char(out, value.p[i]);
    }
}

static void put_label(struct buf *out, struct sv name, struct sv value, bool *any)
{
    buf_char(out, *any ? ',' : '{');
    *any = true;
    put_name(out, name);
    buf_str(out, "=\"");
    put_value(out, value);
    buf_char(out, '"');
}

static void put_sample(struct buf *out, const struct federation *f, const struct newest *s)
{
    bool any = false;
    put_name(out, labels_name(s->labels));
    for (uint32_t i = 0; i < s->labels->count; i++)
        if (!sv_eq(s->labels->items[i].name, METRIC_NAME))
            put_label(out, s->labels->items[i].name, s->labels->items[i].value, &any);
    for (size_t i = 0; i < f->external_count; i++)
        if (labels_get(s->labels, f->external[i].name).n == 0)
            put_label(out, f->external[i].name, f->external[i].value, &any);
    buf_str(out, any ? "} " : " ");
    go_float_g(out, s->v);
    buf_printf(out, " %lld\n", (long long)s->t);
}

static void print(struct federation *f, struct reply *reply)
{
    struct sv last = {0};
    struct buf *out = &reply->body;
    if (f->count > 0)
        qsort(f->samples, f->count, sizeof *f->samples, by_name);
    reply->status = 200;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    for (size_t i = 0; i < f->count; i++) {
        struct sv name = labels_name(f->samples[i].labels);
        if (i == 0 || !sv_eq(name, last)) {
            buf_str(out, "# TYPE ");
            put_name(out, name);
            buf_str(out, " untyped\n");
        }
        last = name;
        put_sample(out, f, &f->samples[i]);
    }
}

static int by_label(const void *a, const void *b)
{
    return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static void take_external(struct federation *f)
{
    const struct api_options *o = &f->q->api->options;
    const struct label *given = NULL;
    size_t n = 0;
    bool has_instance = false;
    if (o->prometheus.external_labels != NULL)
        o->prometheus.external_labels(o->context, &f->q->arena, &given, &n);
    struct label *all = ARENA_ARRAY(&f->q->arena, struct label, n + 1);
    for (size_t i = 0; i < n; i++) {
        all[i] = given[i];
        has_instance = has_instance || sv_is(given[i].name, "instance");
    }
    if (!has_instance)
        all[n++] = (struct label){SV("instance"), SV("")};
    qsort(all, n, sizeof *all, by_label);
    f->external = all;
    f->external_count = n;
}

static void answer_federation(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct federation f = {.q = &q};
    struct err err = {0};
    if (!question_begin(&q, api, request, reply, true) || !question_matches(&q, NULL, false)) {
        question_end(&q);
        return;
    }
    int64_t now_ms = question_now_ms(&q), lookback_ms = api->options.prometheus.lookback_ms;
    int64_t min_ms = now_ms - (lookback_ms > 0 ? lookback_ms : LOOKBACK_MS);
    int rc = 0;
    labels_table_init(&f.table);
    struct tsdb_querier *querier = NULL;
    struct remote_querier *remote = NULL;
    if (api->options.remote != NULL) {
        remote = remote_querier_open(api->options.remote, NULL, NULL);
        f.source = remote_querier_source(remote);
    } else {
        querier = tsdb_querier_open(api->options.tsdb);
        f.source = tsdb_querier_source(querier);
    }
    take_external(&f);
    for (size_t i = 0; rc == 0 && i < q.match_count; i++)
        rc = take_match(&f, q.matches[i].expr, min_ms, now_ms, &err);
    if (rc == 0)
        print(&f, reply);
    if (rc != 0 || reply->body.overflow)
        reply_error(reply, 500, "%s", rc != 0 ? err.text : "the answer is too long: ask for fewer series");
    tsdb_querier_close(&querier);
    remote_querier_close(&remote);
    labels_table_free(&f.table);
    free(f.samples);
    question_end(&q);
}

void prometheus_federate_route(struct api *api, struct request *request, struct reply *reply)
{
    aside_run(api, request, answer_federation, reply);
}
