/*
 * Queries, on a thread of their own beside the server's (workers.h): one at a time, at a lower priority than
 * those that take events in, ended after a minute or when the client goes. The queue is bounded: past it 429.
 * Those that wait when the server stops are run cancelled.
 */
#include "api/search.h"

#include "base/json_out.h"
#include "base/map.h"
#include "query/pivot.h"

#include <stdlib.h>

enum { NAMES_MAX = 100 * 1000 };

static void let_go(struct api *api, struct search_job *job)
{
    pthread_mutex_lock(&api->lock);
    unsigned left = --job->refs;
    pthread_mutex_unlock(&api->lock);
    if (left > 0)
        return;
    for (size_t i = 0; i < job->what.query_count; i++)
        logql_free(&job->what.queries[i]);
    arena_free(&job->arena);
    buf_free(&job->json);
    free(job);
}

static bool should_stop(void *context)
{
    const struct search_job *job = context;
    return job->cancelled || clk_monotonic_ns(job->api->options.clk) > job->until_ns;
}

/* --- labels, values, series, stats: what streams there are */

struct names {
    const struct search_parameters *what;
    struct map seen; /* text of JSON */
    struct buf key;
    uint64_t entries, bytes;
};

static int note(struct names *names, struct err *err)
{
    return !names->key.overflow && map_put(&names->seen, buf_view(&names->key), NULL) != NULL
               ? 0
               : err_set(err, TC_EBOUND,
                         "more than %d of them: say more in the selector, or ask for a shorter time",
                         NAMES_MAX);
}

static int note_line(void *context, struct query_line *line, struct err *err)
{
    struct names *names = context;
    struct query_label sorted[QUERY_LABELS_MAX];
    int rc = query_line_labels(line, err);
    names->entries++;
    names->bytes += line->line.n;
    if (rc == 0 && (names->what->kind == SEARCH_SERIES || names->what->kind == SEARCH_STATS)) {
        line->label_count = line->stream_count;
        buf_clear(&names->key);
        query_write_labels(sorted, query_labels_sorted(line, sorted), &names->key);
        return note(names, err);
    }
    for (size_t i = 0; rc == 0 && i < line->stream_count; i++) {
        bool values = names->what->kind == SEARCH_VALUES;
        struct json_out json = json_out_to(&names->key);
        if (values && !sv_eq(line->labels[i].name, names->what->label))
            continue;
        buf_clear(&names->key);
        json_string(&json, values ? line->labels[i].value : line->labels[i].name);
        rc = note(names, err);
    }
    return rc;
}

static int by_text(const void *a, const void *b)
{
    const struct sv *x = a, *y = b;
    return sv_cmp(*x, *y);
}

static void write_names(const struct names *names, struct buf *out)
{
    struct sv *sorted = tc_alloc((names->seen.live + 1) * sizeof *sorted);
    struct map_entry *entry;
    size_t n = 0;
    if (names->what->kind == SEARCH_STATS) {
        buf_printf(out, "{\"streams\":%zu,\"chunks\":%zu,\"entries\":%llu,\"bytes\":%llu}", names->seen.live,
                   names->seen.live, (unsigned long long)names->entries, (unsigned long long)names->bytes);
        free(sorted);
        return;
    }
    for (size_t i = 0; map_next(&names->seen, &i, &entry);)
        sorted[n++] = entry->key;
    qsort(sorted, n, sizeof *sorted, by_text);
    buf_str(out, "{\"status\":\"success\",\"data\":[");
    for (size_t i = 0; i < n; i++) {
        buf_str(out, i == 0 ? "" : ",");
        buf_sv(out, sorted[i]);
    }
    buf_str(out, "]}");
    free(sorted);
}

static int find_names(struct search_job *job, const struct query_source *source)
{
    const struct search_parameters *what = &job->what;
    struct names names = {.what = what};
    struct query_scan_stats stats = {0};
    int rc = 0;
    map_init(&names.seen, NAMES_MAX);
    buf_init(&names.key, 1 << 20);
    for (size_t i = 0; rc == 0 && i < TC_MAX(what->query_count, (size_t)1); i++)
        rc = query_scan(source, what->query_count == 0 ? NULL : what->queries[i]->root, what->start_ns,
                        what->end_ns, NULL, note_line, &names, &stats, &job->err);
    if (rc == 0)
        write_names(&names, &job->json);
    map_free(&names.seen);
    buf_free(&names.key);
    return rc;
}

/* --- queries */

static int find_lines(struct search_job *job, const struct query_source *source)
{
    const struct search_parameters *what = &job->what;
    struct query_answer answer;
    int rc = query_search(source, what->queries[0], what->start_ns, what->end_ns, what->limit, what->backward,
                          &answer, &job->err);
    if (rc != 0)
        return rc;
    query_write_streams(&answer, &job->json);
    query_answer_free(&answer);
    return 0;
}

static int find_numbers(struct search_job *job, const struct query_source *source)
{
    const struct search_parameters *what = &job->what;
    struct query_scan_stats stats = {0};
    struct query_matrix matrix;
    bool instant = what->kind == SEARCH_INSTANT;
    int64_t start_ns = instant ? what->end_ns : what->start_ns;
    int rc = query_metric(source, what->queries[0], start_ns, what->end_ns, what->step_ns, &matrix, &stats,
                          &job->err);
    if (rc != 0)
        return rc;
    query_write_matrix(&matrix, start_ns, what->step_ns, instant, &stats, &job->json);
    query_matrix_free(&matrix);
    return 0;
}

static int find(struct search_job *job, const struct query_source *source)
{
    const struct search_parameters *what = &job->what;
    if (what->kind == SEARCH_ALERT_EVENTS)
        return pivot_alert_events(source, what->label, (size_t)what->limit, &job->json, &job->err);
    if (what->kind == SEARCH_EVENT_ALERTS)
        return pivot_event_alerts(source, what->position, &job->json, &job->err);
    if (what->kind > SEARCH_RANGE)
        return find_names(job, source);
    return logql_is_metric(what->queries[0]) ? find_numbers(job, source) : find_lines(job, source);
}

static void run(void *context, struct work *work, bool ending)
{
    struct api *api = context;
    struct search_job *job = (struct search_job *)work;
    const struct query_source source = {.fs = api->options.fs,
                                        .dir = api->options.data_dir,
                                        .limit_to = api->options.journal,
                                        .index = api->index,
                                        .stop = should_stop,
                                        .context = job};
    if (ending)
        job->cancelled = true;
    job->until_ns = clk_monotonic_ns(api->options.clk) + TC_API_SEARCH_S * TC_SECOND_NS;
    job->rc = find(job, &source);
    if (job->rc == 0 && job->json.overflow)
        job->rc = err_set(&job->err, TC_EBOUND, "the answer is too long: ask for less of it");
}

static void done(void *context, struct work *work)
{
    struct search_job *job = (struct search_job *)work;
    pending_done(job->pending, job->rc, 0);
    let_go(context, job);
}

int search_start(struct api *api, struct err *err)
{
    const struct workers_options options = {.what = "queries",
                                            .limit = TC_API_SEARCHES_MAX,
                                            .threads = 1,
                                            .background = true,
                                            .run = run,
                                            .done = done,
                                            .context = api};
    api->index = query_index_new();
    return workers_start(&api->searches, &options, err);
}

void search_stop(struct api *api)
{
    workers_stop(&api->searches);
    query_index_free(&api->index);
}

void search_begin(struct api *api, struct request *request, struct reply *reply)
{
    struct search_job *job = request->search;
    buf_init(&job->json, TC_API_REPLY_BYTES);
    job->pending = request->pending = pending_new(api, request);
    job->refs++; /* the queue holds it, too */
    if (workers_put(&api->searches, &job->work))
        return;
    let_go(api, job); /* the queue's */
    pending_cancel(request->pending);
    pending_release(api, &request->pending);
    reply_error(reply, 429, "%d queries wait already: send this one again a little later",
                TC_API_SEARCHES_MAX);
}

void search_finish(struct api *api, struct request *request, struct reply *reply)
{
    int rc = 0;
    switch (pending_wait(api, request->pending, &rc)) {
    case PENDING_LATER:
        reply->later = true;
        return;
    case PENDING_ABANDONED:
        reply_error(reply, 503, "Tocsin stops: ask again once it is back");
        return;
    case PENDING_DONE:
        break;
    }
    if (rc == TC_ESTATE)
        reply_error(
            reply, 504,
            "the query took more than %d s: ask for a shorter time, or say more of what is looked for",
            TC_API_SEARCH_S);
    else if (rc == TC_EBOUND)
        reply_error(reply, 400, "%s", request->search->err.text);
    else if (rc != 0)
        reply_err(reply, &request->search->err);
    if (rc != 0)
        return;
    reply_json(reply, 200);
    buf_sv(&reply->body, buf_view(&request->search->json));
}

void search_release(struct api *api, struct search_job **job)
{
    if (*job == NULL)
        return;
    (*job)->cancelled = true;
    let_go(api, *job);
    *job = NULL;
}
