/*
 * The courier's thread; see courier.h.
 */
#include "api/alertmanager/courier.h"

#include "notify/http.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { JOBS_MAX = 10000, WAIT_MS_MAX = 1000 };

#define FIRST_PAUSE_NS (TC_SECOND_NS / 2)
#define LAST_PAUSE_NS  (60 * TC_SECOND_NS)

struct courier {
    const struct clk *clk;
    const struct rng *rng;
    courier_done_fn *done;
    void *context;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t lock;
    struct courier_job *arrived; /* under lock, as the next */
    size_t count;
    bool stop;
    atomic_uint_least64_t requests, failed;
    struct courier_job *jobs; /* the thread's own */
};

struct courier_job *courier_job_new(void)
{
    struct courier_job *job = tc_alloc(sizeof *job);
    return job;
}

void courier_job_free(struct courier_job *job)
{
    struct transfer *transfer = job->transfer;
    transfer_free(&transfer);
    arena_free(&job->arena);
    free(job);
}

static void begin(struct courier *c, struct courier_job *job, int64_t now_ns)
{
    int64_t left_ns = TC_MAX(job->end_mono_ns - now_ns, TC_SECOND_NS / 100);
    struct transfer *transfer = http_transfer_new(
        &(struct http_post){.url = job->url,
                            .content_type = "application/json",
                            .body = job->body,
                            .headers = job->headers,
                            .header_count = job->header_count,
                            .bearer_token = job->bearer_token,
                            .username = job->username,
                            .password = job->password,
                            .ca_file = job->ca_file,
                            .timeout_ns = job->timeout_ns > 0 ? TC_MIN(job->timeout_ns, left_ns) : left_ns});
    job->attempts++;
    job->begun_mono_ns = now_ns;
    c->requests++;
    if (transfer == NULL)
        return;
    if (job->follow_redirects)
        curl_easy_setopt(transfer->easy, CURLOPT_FOLLOWLOCATION, 1L);
    if (job->skip_verify) {
        curl_easy_setopt(transfer->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(transfer->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    /* empty: none, whatever the environment says */
    curl_easy_setopt(transfer->easy, CURLOPT_PROXY, job->proxy_url.n > 0 ? job->proxy_url.p : "");
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, job);
    job->transfer = transfer;
    if (curl_multi_add_handle(c->multi, transfer->easy) == CURLM_OK)
        return;
    transfer_free(&transfer);
    job->transfer = NULL;
}

static void forget(struct courier *c, struct courier_job *job)
{
    struct courier_job **at = &c->jobs;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    courier_job_free(job);
    pthread_mutex_lock(&c->lock);
    c->count--;
    pthread_mutex_unlock(&c->lock);
}

/* Plans the next attempt, or gives up. */
static void again(struct courier *c, struct courier_job *job, int64_t now_ns)
{
    job->pause_ns = job->pause_ns == 0 ? FIRST_PAUSE_NS : TC_MIN(job->pause_ns * 3 / 2, LAST_PAUSE_NS);
    int64_t spread_ns = (int64_t)(rng_u64(c->rng) % (uint64_t)job->pause_ns);
    job->due_mono_ns = now_ns + job->pause_ns / 2 + spread_ns;
    if (job->due_mono_ns < job->end_mono_ns)
        return;
    c->done(c->context, job, false);
    forget(c, job);
}

static void end(struct courier *c, struct courier_job *job, CURLcode outcome, int64_t now_ns)
{
    struct transfer *transfer = job->transfer;
    struct answer answer;
    transfer->judge(transfer, outcome, clk_now(c->clk).ns, &answer);
    curl_multi_remove_handle(c->multi, transfer->easy);
    transfer_free(&transfer);
    job->transfer = NULL;
    bool taken = answer.code >= 200 && answer.code < 300;
    snprintf(job->detail, sizeof job->detail, "%s", answer.detail);
    c->failed += !taken;
    if (!taken && (answer.code == 0 || answer.code >= 500)) {
        again(c, job, now_ns);
        return;
    }
    c->done(c->context, job, taken);
    forget(c, job);
}

static void take_arrived(struct courier *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->arrived != NULL) {
        struct courier_job *job = c->arrived;
        c->arrived = job->next;
        job->next = c->jobs;
        c->jobs = job;
    }
    pthread_mutex_unlock(&c->lock);
}

/* Begins what is due; until when nothing is, in ms. */
static int begin_due(struct courier *c, int64_t now_ns)
{
    int64_t wait_ns = WAIT_MS_MAX * (TC_SECOND_NS / 1000);
    for (struct courier_job *job = c->jobs, *next; job != NULL; job = next) {
        next = job->next;
        if (job->transfer != NULL)
            continue;
        if (job->due_mono_ns > now_ns) {
            wait_ns = TC_MIN(wait_ns, job->due_mono_ns - now_ns);
            continue;
        }
        begin(c, job, now_ns);
        if (job->transfer == NULL) {
            snprintf(job->detail, sizeof job->detail, "libcurl gives no transfer");
            again(c, job, now_ns);
        }
    }
    return (int)(wait_ns / (TC_SECOND_NS / 1000)) + 1;
}

static void *run(void *context)
{
    struct courier *c = context;
    for (;;) {
        int running = 0, left = 0;
        pthread_mutex_lock(&c->lock);
        bool stop = c->stop;
        pthread_mutex_unlock(&c->lock);
        if (stop)
            return NULL;
        take_arrived(c);
        int wait_ms = begin_due(c, clk_monotonic_ns(c->clk));
        curl_multi_perform(c->multi, &running);
        for (CURLMsg *message; (message = curl_multi_info_read(c->multi, &left)) != NULL;) {
            char *job = NULL;
            if (message->msg != CURLMSG_DONE)
                continue;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
            end(c, (struct courier_job *)(void *)job, message->data.result, clk_monotonic_ns(c->clk));
            wait_ms = 0;
        }
        curl_multi_poll(c->multi, NULL, 0, wait_ms, NULL);
    }
}

int courier_start(const struct clk *clk, const struct rng *rng, courier_done_fn *done, void *context,
                  struct courier **ret, struct err *err)
{
    int rc = http_setup(err);
    if (rc != 0)
        return rc;
    struct courier *c = tc_alloc(sizeof *c);
    c->clk = clk;
    c->rng = rng;
    c->done = done;
    c->context = context;
    c->multi = curl_multi_init();
    pthread_mutex_init(&c->lock, NULL);
    if (c->multi == NULL || pthread_create(&c->thread, NULL, run, c) != 0) {
        curl_multi_cleanup(c->multi);
        pthread_mutex_destroy(&c->lock);
        free(c);
        return err_set(err, TC_EIO, "the thread that sends notifications cannot start");
    }
    *ret = c;
    return 0;
}

int courier_send(struct courier *c, struct courier_job *job)
{
    int64_t now_ns = clk_monotonic_ns(c->clk);
    job->due_mono_ns = now_ns;
    job->end_mono_ns = now_ns + job->given_up_after_ns;
    pthread_mutex_lock(&c->lock);
    bool full = c->count >= JOBS_MAX;
    if (!full) {
        c->count++;
        job->next = c->arrived;
        c->arrived = job;
    }
    pthread_mutex_unlock(&c->lock);
    if (full) {
        courier_job_free(job);
        return TC_EAGAIN;
    }
    curl_multi_wakeup(c->multi);
    return 0;
}

struct courier_counts courier_counts(struct courier *c)
{
    return (struct courier_counts){c->requests, c->failed};
}

static void free_jobs(struct courier *c, struct courier_job *jobs)
{
    for (struct courier_job *next; jobs != NULL; jobs = next) {
        next = jobs->next;
        if (jobs->transfer != NULL)
            curl_multi_remove_handle(c->multi, ((struct transfer *)jobs->transfer)->easy);
        courier_job_free(jobs);
    }
}

void courier_stop(struct courier **courier)
{
    struct courier *c = *courier;
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_mutex_unlock(&c->lock);
    curl_multi_wakeup(c->multi);
    pthread_join(c->thread, NULL);
    free_jobs(c, c->jobs);
    free_jobs(c, c->arrived);
    curl_multi_cleanup(c->multi);
    pthread_mutex_destroy(&c->lock);
    free(c);
    *courier = NULL;
}
