/*
 * The thread that sends on; see remote_sender.h.
 */
#include "metrics/remote/remote_sender.h"

#include "base/log.h"
#include "metrics/remote/remote_message.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    SAMPLES_MAX = 5000,
    MESSAGE_BYTES_MAX = 64 << 20,
    ANSWER_BYTES_MAX = 1 << 20,
    BACKOFF_FIRST_MS = 30,
    BACKOFF_LAST_MS = 5000,
    RETRY_AFTER_MAX_MS = 300000,
    IDLE_MS = 50,
    KEEP_EVERY_MS = 1000,
    COMPLAIN_EVERY_MS = 60000,
};

struct remote_sender {
    struct remote_sender_options options;
    struct remote_http *http;
    struct outgoing *outgoing;
    struct buf message, packed;
    size_t limit; /* samples of the next message */
    int64_t kept_ms, complained_ms;
    atomic_bool fails; /* and the log says so */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* something was sent, something is to be sent, or the end */
    atomic_bool ending;
    bool hurry; /* under lock: somebody waits */
    bool runs;
    pthread_t thread;
    atomic_ullong samples, series, requests, retries, failed, bytes;
    atomic_llong newest_ms; /* time of the newest sample that was sent */
};

static int64_t mono_ms(const struct remote_sender *s)
{
    return clk_monotonic_ns(s->options.clk) / 1000000;
}

static bool is_ending(void *context)
{
    return atomic_load(&((struct remote_sender *)context)->ending);
}

/* Until `ms` are over, or the end; `idle`: or somebody is in a hurry. */
static void pause_for(struct remote_sender *s, int64_t ms, bool idle)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->lock);
    while (!is_ending(s) && !(idle && s->hurry) &&
           pthread_cond_timedwait(&s->changed, &s->lock, &until) != ETIMEDOUT) {
    }
    s->hurry = false;
    pthread_mutex_unlock(&s->lock);
}

static void complain(struct remote_sender *s, const char *what, const char *why, struct sv more)
{
    int64_t now_ms = mono_ms(s);
    if (atomic_load(&s->fails) && now_ms - s->complained_ms < COMPLAIN_EVERY_MS)
        return;
    atomic_store(&s->fails, true);
    s->complained_ms = now_ms;
    log_error("remote_write", "%s: %s%s%.*s", what, why, more.n > 0 ? ": " : "", SV_FMT(sv_head(more, 300)));
}

/* --- one message --- */

enum verdict { SENT, REFUSED, GIVEN_UP, AGAIN };

static enum verdict judge(long status)
{
    if (status >= 200 && status < 300)
        return SENT;
    if (status == 400)
        return REFUSED;
    return status == 429 || status >= 500 || status < 300 ? AGAIN : GIVEN_UP;
}

static enum verdict ask_once(struct remote_sender *s, int64_t *ret_wait_ms)
{
    static const char *const headers[] = {"Content-Encoding: snappy", "Content-Type: application/x-protobuf",
                                          "X-Prometheus-Remote-Write-Version: 0.1.0", NULL};
    struct remote_answer *answer;
    struct err err = {0};
    char status[32];
    *ret_wait_ms = -1;
    atomic_fetch_add(&s->requests, 1);
    int rc = remote_http_ask(s->http, s->options.url, buf_view(&s->packed), headers, &answer, &err);
    if (rc != 0) {
        if (!is_ending(s))
            complain(s, "samples wait to be sent", err.text, SV(""));
        return AGAIN;
    }
    enum verdict verdict = judge(answer->status);
    snprintf(status, sizeof status, "it answered %ld", answer->status);
    if (verdict == AGAIN)
        complain(s, "the remote store does not take samples now; they wait", status,
                 sv_trim(buf_view(&answer->body)));
    else if (verdict == GIVEN_UP || (verdict == REFUSED && s->limit == 1))
        complain(s, "the remote store refuses samples, and they are given up", status,
                 sv_trim(buf_view(&answer->body)));
    else if (verdict == SENT && atomic_load(&s->fails)) {
        atomic_store(&s->fails, false);
        log_info("remote_write", "the remote store takes samples again");
    }
    *ret_wait_ms = answer->retry_after_ms;
    return verdict;
}

/* Until there is a verdict, or the end. */
static enum verdict ask(struct remote_sender *s)
{
    int64_t backoff_ms = BACKOFF_FIRST_MS, wait_ms;
    enum verdict verdict;
    while ((verdict = ask_once(s, &wait_ms)) == AGAIN && !is_ending(s)) {
        atomic_fetch_add(&s->retries, 1);
        /* what it asks for, but no sooner each time: "at once", or a date of a clock behind ours, is no leave
         * to ask without end */
        pause_for(s, TC_MAX(TC_MIN(wait_ms, (int64_t)RETRY_AFTER_MAX_MS), backoff_ms), false);
        backoff_ms = TC_MIN(backoff_ms * 2, (int64_t)BACKOFF_LAST_MS);
    }
    return verdict;
}

static size_t write_message(struct remote_sender *s, const struct outgoing_series *series, size_t count)
{
    size_t samples = 0;
    buf_clear(&s->message);
    for (size_t i = 0; i < count; i++) {
        remote_message_series(&s->message, &series[i]);
        samples += TC_MAX(series[i].sample_count, (size_t)1);
    }
    return samples;
}

static void note_newest(struct remote_sender *s, const struct outgoing_series *series, size_t count)
{
    int64_t newest = atomic_load(&s->newest_ms);
    for (size_t i = 0; i < count; i++)
        if (series[i].sample_count > 0)
            newest = TC_MAX(newest, series[i].samples[series[i].sample_count - 1].t);
    atomic_store(&s->newest_ms, newest);
}

static void tell(struct remote_sender *s)
{
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void move_on(struct remote_sender *s)
{
    outgoing_sent(s->outgoing);
    tell(s);
}

static void give_up(struct remote_sender *s, size_t samples)
{
    atomic_fetch_add(&s->failed, samples);
    move_on(s);
}

static void send_batch(struct remote_sender *s, const struct outgoing_series *series, size_t count)
{
    size_t samples = write_message(s, series, count);
    struct err err = {0};
    enum verdict verdict = REFUSED; /* one that is too long is cut in two, too */
    if (!s->message.overflow && remote_message_pack(buf_view(&s->message), &s->packed, &err) == 0)
        verdict = ask(s);
    switch (verdict) {
    case SENT:
        atomic_fetch_add(&s->samples, samples);
        atomic_fetch_add(&s->series, count);
        atomic_fetch_add(&s->bytes, s->packed.n);
        note_newest(s, series, count);
        move_on(s);
        s->limit = TC_MIN(s->limit * 2, s->options.samples_max);
        break;
    case REFUSED:
        if (samples > 1)
            s->limit = samples / 2;
        else
            give_up(s, samples);
        break;
    case GIVEN_UP:
        give_up(s, samples);
        break;
    case AGAIN: /* the end */
        break;
    }
}

/* --- the thread --- */

static void keep(struct remote_sender *s, bool now)
{
    struct err err = {0};
    if (!now && mono_ms(s) - s->kept_ms < KEEP_EVERY_MS)
        return;
    s->kept_ms = mono_ms(s);
    if (outgoing_keep(s->outgoing, &err) != 0)
        complain(s, "how far samples were sent could not be kept", err.text, SV(""));
}

static void *run(void *context)
{
    struct remote_sender *s = context;
    while (!is_ending(s)) {
        const struct outgoing_series *series;
        size_t count;
        struct err err = {0};
        if (outgoing_next(s->outgoing, s->limit, &series, &count, &err) != 0) {
            complain(s, "what waits to be sent cannot be read", err.text, SV(""));
            pause_for(s, BACKOFF_LAST_MS, false);
            continue;
        }
        if (count > 0)
            send_batch(s, series, count);
        keep(s, false);
        if (count == 0) {
            tell(s); /* what held no samples was passed over */
            pause_for(s, IDLE_MS, true);
        }
    }
    keep(s, true);
    return NULL;
}

int remote_sender_start(const struct remote_sender_options *options, struct remote_sender **ret,
                        struct err *err)
{
    struct remote_sender *s = tc_alloc(sizeof *s);
    pthread_condattr_t attributes;
    s->options = *options;
    s->options.samples_max = options->samples_max == 0 ? SAMPLES_MAX : options->samples_max;
    s->limit = s->options.samples_max;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    buf_init(&s->message, MESSAGE_BYTES_MAX);
    buf_init(&s->packed, 2 * MESSAGE_BYTES_MAX);
    s->http = remote_http_new(&(struct remote_http_options){.fs = options->fs,
                                                            .client = options->client,
                                                            .timeout_ms = options->timeout_ms,
                                                            .answer_max = ANSWER_BYTES_MAX,
                                                            .cancelled = is_ending,
                                                            .context = s});
    int rc = outgoing_open(options->tsdb, &s->outgoing, err);
    if (rc == 0) {
        s->runs = pthread_create(&s->thread, NULL, run, s) == 0;
        rc = s->runs ? 0 : err_set(err, TC_EIO, "cannot start the thread that sends samples on");
    }
    *ret = s;
    if (rc != 0)
        remote_sender_stop(ret);
    return rc;
}

void remote_sender_stop(struct remote_sender **sender)
{
    struct remote_sender *s = *sender;
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->ending, true);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->runs)
        pthread_join(s->thread, NULL);
    outgoing_close(&s->outgoing);
    remote_http_free(&s->http);
    buf_free(&s->message);
    buf_free(&s->packed);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *sender = NULL;
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
};

static void durable(void *context, int rc)
{
    struct waiting *w = context;
    (void)rc;
    pthread_mutex_lock(&w->lock);
    w->is_done = true;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

/* What was taken so far is in the log's file, or never will be. */
static bool wait_durable(struct tsdb *tsdb)
{
    struct waiting w = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    struct tsdb_appender nothing;
    if (tsdb_begin(tsdb, 0, INT64_MAX, &nothing, NULL) != 0)
        return false;
    tsdb_commit(&nothing, durable, &w);
    pthread_mutex_lock(&w.lock);
    while (!w.is_done)
        pthread_cond_wait(&w.done, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.done);
    return true;
}

bool remote_sender_settle(struct remote_sender *s, int64_t timeout_ms)
{
    struct timespec until;
    if (atomic_load(&s->fails) || !wait_durable(s->options.tsdb))
        return false;
    uint64_t end = outgoing_end(s->options.tsdb);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->lock);
    s->hurry = true;
    pthread_cond_broadcast(&s->changed);
    bool reached, late = false;
    while (!(reached = outgoing_reached(s->options.tsdb) >= end) && !late && !is_ending(s) &&
           !atomic_load(&s->fails))
        late = pthread_cond_timedwait(&s->changed, &s->lock, &until) == ETIMEDOUT;
    pthread_mutex_unlock(&s->lock);
    return reached;
}

/* --- figures --- */

void remote_sender_metrics(struct remote_sender *s, struct buf *out)
{
    const struct {
        const char *name, *type, *help;
        double value;
    } rows[] = {
        {"queue_bytes", "gauge", "Bytes of the log that wait to be sent to the remote store.",
         (double)tsdb_stats(s->options.tsdb).outgoing_bytes},
        {"samples_total", "counter", "Samples that the remote store took.", (double)atomic_load(&s->samples)},
        {"samples_failed_total", "counter", "Samples that it refused for good, given up.",
         (double)atomic_load(&s->failed)},
        {"series_total", "counter", "Series in the messages that it took.", (double)atomic_load(&s->series)},
        {"bytes_total", "counter", "Bytes of those messages, packed.", (double)atomic_load(&s->bytes)},
        {"requests_total", "counter", "Requests to it.", (double)atomic_load(&s->requests)},
        {"retries_total", "counter", "Requests that are sent again.", (double)atomic_load(&s->retries)},
        {"newest_timestamp_seconds", "gauge", "Time of the newest sample that it took.",
         (double)atomic_load(&s->newest_ms) / 1000},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++)
        buf_printf(out,
                   "# HELP tocsin_remote_write_%s %s\n# TYPE tocsin_remote_write_%s %s\n"
                   "tocsin_remote_write_%s %.17g\n",
                   rows[i].name, rows[i].help, rows[i].name, rows[i].type, rows[i].name, rows[i].value);
}
