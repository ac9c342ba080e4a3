/*
 * Asking a remote store; see remote_store.h. Connections are kept in a small pool.
 */
#include "metrics/remote/remote_store.h"

#include "metrics/remote/remote_result.h"
#include "template/template.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { IDLE_MAX = 8, ANSWER_BYTES_MAX = 64 << 20, FORM_BYTES_MAX = 4 << 20 };

struct remote_store {
    const struct remote_store_config *config;
    const struct fs *fs;
    pthread_mutex_t lock;
    struct remote_http *idle[IDLE_MAX]; /* under lock, as the next */
    unsigned idle_count;
    atomic_ullong requests, failures;
};

struct remote_querier {
    struct remote_store *store;
    struct remote_http *http;
    struct buf form, url;
    struct arena arena; /* of what select gave */
    struct labels_table labels;
};

struct remote_store *remote_store_new(const struct remote_store_config *config, const struct fs *fs)
{
    struct remote_store *store = tc_alloc(sizeof *store);
    store->config = config;
    store->fs = fs;
    pthread_mutex_init(&store->lock, NULL);
    return store;
}

void remote_store_free(struct remote_store **ret)
{
    struct remote_store *store = *ret;
    if (store == NULL)
        return;
    for (unsigned i = 0; i < store->idle_count; i++)
        remote_http_free(&store->idle[i]);
    pthread_mutex_destroy(&store->lock);
    free(store);
    *ret = NULL;
}

void remote_store_metrics(struct remote_store *store, struct buf *out)
{
    buf_printf(out,
               "# HELP tocsin_remote_query_requests_total Questions to the remote store.\n"
               "# TYPE tocsin_remote_query_requests_total counter\ntocsin_remote_query_requests_total %llu\n"
               "# HELP tocsin_remote_query_failures_total Questions that it gave no answer to.\n"
               "# TYPE tocsin_remote_query_failures_total counter\ntocsin_remote_query_failures_total %llu\n",
               (unsigned long long)atomic_load(&store->requests),
               (unsigned long long)atomic_load(&store->failures));
}

struct remote_querier *remote_querier_open(struct remote_store *store, bool (*cancelled)(void *context),
                                           void *context)
{
    struct remote_querier *q = tc_alloc(sizeof *q);
    q->store = store;
    pthread_mutex_lock(&store->lock);
    if (store->idle_count > 0)
        q->http = store->idle[--store->idle_count];
    pthread_mutex_unlock(&store->lock);
    if (q->http == NULL)
        q->http = remote_http_new(&(struct remote_http_options){.fs = store->fs,
                                                                .client = &store->config->client,
                                                                .timeout_ms = store->config->query_timeout_ms,
                                                                .answer_max = ANSWER_BYTES_MAX});
    remote_http_cancel_by(q->http, cancelled, context);
    buf_init(&q->form, FORM_BYTES_MAX);
    buf_init(&q->url, FORM_BYTES_MAX);
    labels_table_init(&q->labels);
    return q;
}

void remote_querier_close(struct remote_querier **querier)
{
    struct remote_querier *q = *querier;
    if (q == NULL)
        return;
    struct remote_store *store = q->store;
    remote_http_cancel_by(q->http, NULL, NULL);
    pthread_mutex_lock(&store->lock);
    bool keep = store->idle_count < IDLE_MAX;
    if (keep)
        store->idle[store->idle_count++] = q->http;
    pthread_mutex_unlock(&store->lock);
    if (!keep)
        remote_http_free(&q->http);
    buf_free(&q->form);
    buf_free(&q->url);
    labels_table_free(&q->labels);
    arena_free(&q->arena);
    free(q);
    *querier = NULL;
}

/* --- asking --- */

int remote_querier_relay(struct remote_querier *q, struct sv path, struct sv form,
                         struct remote_answer **answer, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL},
                             *const none[] = {NULL};
    buf_clear(&q->url);
    buf_str(&q->url, q->store->config->query_url);
    while (q->url.n > 0 && q->url.p[q->url.n - 1] == '/')
        q->url.n--;
    buf_sv(&q->url, path);
    buf_char(&q->url, '\0');
    atomic_fetch_add(&q->store->requests, 1);
    int rc = q->url.overflow || q->form.overflow
                 ? err_set(err, TC_EBOUND, "the question is longer than %d MiB", FORM_BYTES_MAX >> 20)
                 : remote_http_ask(q->http, q->url.p, form, form.p != NULL ? headers : none, answer, err);
    if (rc != 0)
        atomic_fetch_add(&q->store->failures, 1);
    return rc;
}

static void put_parameter(struct buf *form, const char *name, struct sv value)
{
    if (form->n > 0)
        buf_char(form, '&');
    buf_printf(form, "%s=", name);
    template_query_escape(value, form);
}

static void put_time(struct buf *form, const char *name, int64_t ms)
{
    char text[40];
    uint64_t size = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    int n = snprintf(text, sizeof text, "%s%llu.%03llu", ms < 0 ? "-" : "", (unsigned long long)(size / 1000),
                     (unsigned long long)(size % 1000));
    put_parameter(form, name, sv_make(text, (size_t)n));
}

static int ask(struct remote_querier *q, const char *path, struct labels_table *labels,
               struct promql_result *result, struct err *err)
{
    struct remote_answer *answer;
    int rc = remote_querier_relay(q, sv_of(path), buf_view(&q->form), &answer, err);
    if (rc != 0)
        return rc;
    rc = remote_result_read(answer->status, buf_view(&answer->body), labels, result, err);
    if (rc != 0)
        atomic_fetch_add(&q->store->failures, 1);
    return rc;
}

static int source_query(void *context, struct sv text, const struct promql_options *o,
                        struct labels_table *labels, struct promql_result *result, struct err *err)
{
    struct remote_querier *q = context;
    buf_clear(&q->form);
    put_parameter(&q->form, "query", text);
    if (o->step_ms > 0) {
        put_time(&q->form, "start", o->start_ms);
        put_time(&q->form, "end", o->end_ms);
        put_time(&q->form, "step", o->step_ms);
    } else {
        put_time(&q->form, "time", o->start_ms);
    }
    return ask(q, o->step_ms > 0 ? "/api/v1/query_range" : "/api/v1/query", labels, result, err);
}

/* --- samples as they are: a range selector asked at the range's end --- */

static int source_select(void *context, const struct matcher *matchers, size_t count, int64_t min_t,
                         int64_t max_t, struct arena *arena, struct source_series **ret, size_t *ret_count,
                         struct err *err)
{
    struct remote_querier *q = context;
    struct promql_result result = {0};
    struct buf text;
    buf_init(&text, FORM_BYTES_MAX);
    buf_char(&text, '{');
    for (size_t i = 0; i < count; i++) {
        buf_str(&text, i > 0 ? "," : "");
        matcher_format(&text, &matchers[i]);
    }
    buf_printf(&text, "}[%lldms]", (long long)(max_t - min_t + 1));
    buf_clear(&q->form);
    put_parameter(&q->form, "query", buf_view(&text));
    put_time(&q->form, "time", max_t);
    buf_free(&text);
    arena_reset(&q->arena);
    result.arena = q->arena;
    int rc = ask(q, "/api/v1/query", &q->labels, &result, err);
    *ret_count = rc == 0 ? result.count : 0;
    *ret = ARENA_ARRAY(arena, struct source_series, *ret_count + 1);
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = (struct source_series){result.series[i].labels, (uint64_t)(uintptr_t)&result.series[i]};
    q->arena = result.arena;
    return rc;
}

static int source_read(void *context, uint64_t ref, int64_t min_t, int64_t max_t, struct arena *scratch,
                       struct series_samples *ret, struct err *err)
{
    const struct promql_series *s = (const struct promql_series *)(uintptr_t)ref;
    (void)context;
    (void)min_t;
    (void)max_t;
    (void)scratch;
    (void)err;
    *ret = (struct series_samples){.t = s->t, .f = s->f, .n = s->n};
    return 0;
}

struct series_source remote_querier_source(struct remote_querier *querier)
{
    return (struct series_source){
        .context = querier, .select = source_select, .read = source_read, .query = source_query};
}
