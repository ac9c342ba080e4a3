/*
 * Forwarding events; see forward.h.
 */
#include "app/forward.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/metric_text.h"
#include "base/num.h"
#include "notify/channel.h"
#include "notify/retry.h"
#include "query/scan.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_RETRY_NS TC_SECOND_NS
#define MAX_RETRY_NS   (60 * TC_SECOND_NS)
#define IDLE_NS        (TC_SECOND_NS / 2)
#define TROUBLE_NS     (30 * TC_SECOND_NS)
#define TIMEOUT_NS     (10 * TC_SECOND_NS)
enum { ID_BYTES = 48, TEXT_BYTES = 4 << 20, BODY_BYTES = 32 << 20, PATH_BYTES = 4096 };
static const char HEADER[] = "tocsin-forward 1\n";

struct item {
    int64_t ns;
    uint64_t position;
    size_t source_n, line_n; /* in `texts`, one behind the other */
};

struct forwarder {
    struct forward_options options;
    struct forward_config config;
    const struct channel *channel;
    struct logql *query;
    char path[PATH_BYTES];
    pthread_t thread;
    bool started;
    atomic_bool *stop;

    struct item items[TC_FORWARD_BATCH_EVENTS]; /* the batch */
    size_t count;
    struct buf texts;
    uint64_t looked_at; /* everything up to here was looked at, where the batch is empty */
    int64_t failing_mono_ns;
    bool troubled, refused_told;

    atomic_uint_least64_t position, sent, retries, refused;
};

struct forwarding {
    atomic_bool stop;
    struct forwarder *forwarders;
    size_t count;
};

static int64_t mono(const struct forwarder *f)
{
    return clk_monotonic_ns(f->options.clk);
}

/* --- the position -----------------------------------------------------------------------------------------
 */

static int save(struct forwarder *f, uint64_t position, struct err *err)
{
    char text[80];
    int n = snprintf(text, sizeof text, "%s%016llx %llu\n", HEADER,
                     (unsigned long long)journal_epoch(f->options.journal), (unsigned long long)position);
    int rc = fs_replace_file(f->options.fs, f->path, sv_make(text, (size_t)n), err);
    if (rc == 0)
        atomic_store(&f->position, position);
    return rc;
}

/* Where it stands; where it never stood, or in another journal (a restore): at the end. */
static int load(struct forwarder *f, struct err *err)
{
    struct buf text;
    char epoch[17];
    uint64_t position;
    struct err why = {0};
    buf_init(&text, 256);
    snprintf(epoch, sizeof epoch, "%016llx", (unsigned long long)journal_epoch(f->options.journal));
    int rc = fs_read_file(f->options.fs, f->path, &text, &why);
    struct sv rest = sv_trim(sv_from(buf_view(&text), sizeof HEADER - 1));
    bool good = rc == 0 && sv_starts(buf_view(&text), sv_of(HEADER)) && sv_is(sv_cut(&rest, ' '), epoch) &&
                num_u64(rest, 0, UINT64_MAX, &position);
    buf_free(&text);
    if (rc != 0 && why.sys != ENOENT) { /* to begin at the end would leave out what waits */
        *err = why;
        return err_while(err, "the position of forwarding to channel %.*s (without the file it begins anew)",
                         SV_FMT(f->config.channel));
    }
    if (good) {
        atomic_store(&f->position, position);
        return 0;
    }
    uint64_t end = journal_end(f->options.journal);
    log_info("forward", "channel %.*s: events are forwarded from here on", SV_FMT(f->config.channel));
    return save(f, end > 0 ? end - 1 : 0, err);
}

/* --- sending ----------------------------------------------------------------------------------------------
 */

static int watch_stop(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct forwarder *f = context;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(f->stop); /* non-zero ends the transfer */
}

static void transfer(struct forwarder *f, const struct parcel *parcel, struct answer *ret)
{
    struct transfer *t = channel_send(f->channel, f->config.config, parcel);
    *ret = (struct answer){.result = SEND_RETRY, .retry_after_ns = -1, .detail = "libcurl gives no handle"};
    if (t == NULL)
        return;
    curl_easy_setopt(t->easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(t->easy, CURLOPT_XFERINFOFUNCTION, watch_stop);
    curl_easy_setopt(t->easy, CURLOPT_XFERINFODATA, f);
    t->judge(t, curl_easy_perform(t->easy), clk_now(f->options.clk).ns, ret);
    transfer_free(&t);
}

/* Items [from, to) once. */
static void send_once(struct forwarder *f, size_t from, size_t to, struct answer *ret)
{
    struct forwarded *items = tc_alloc((to - from + 1) * sizeof *items);
    char(*ids)[ID_BYTES] = tc_alloc((to - from + 1) * sizeof *ids);
    struct buf body;
    size_t at = 0;
    buf_init(&body, BODY_BYTES);
    for (size_t i = 0; i < to; at += f->items[i].source_n + f->items[i].line_n, i++) {
        const struct item *item = &f->items[i];
        if (i < from)
            continue;
        int n = snprintf(ids[i - from], ID_BYTES, "%016llx-%llu",
                         (unsigned long long)journal_epoch(f->options.journal),
                         (unsigned long long)item->position);
        items[i - from] = (struct forwarded){.ns = item->ns,
                                             .id = sv_make(ids[i - from], (size_t)n),
                                             .source = sv_make(f->texts.p + at, item->source_n),
                                             .line = sv_make(f->texts.p + at + item->source_n, item->line_n)};
    }
    f->channel->events(f->config.config, items, to - from, &body);
    struct parcel parcel = {.key = items[0].id,
                            .body = buf_view(&body),
                            .now_ns = clk_now(f->options.clk).ns,
                            .timeout_ns =
                                f->config.config->timeout_ns > 0 ? f->config.config->timeout_ns : TIMEOUT_NS};
    if (f->channel->deliver == NULL) {
        transfer(f, &parcel, ret);
    } else {
        struct err err = {0};
        *ret = (struct answer){.retry_after_ns = -1};
        ret->result = f->channel->deliver(f->config.config, parcel.body, &err);
        snprintf(ret->detail, sizeof ret->detail, "%.*s", (int)sizeof ret->detail - 1, err.text);
    }
    static const unsigned about_all[] = {401, 403, 404, 405,
                                         407}; /* login or address: no event is to blame */
    for (size_t i = 0; i < TC_ARRAY_LEN(about_all); i++)
        if (ret->result == SEND_REFUSED && ret->code == about_all[i])
            ret->result = SEND_RETRY;
    buf_free(&body);
    free(ids);
    free(items);
}

static void note_failure(struct forwarder *f, const struct answer *answer)
{
    atomic_fetch_add(&f->retries, 1);
    if (f->failing_mono_ns == 0)
        f->failing_mono_ns = mono(f);
    if (f->troubled || mono(f) - f->failing_mono_ns < TROUBLE_NS)
        return;
    f->troubled = true;
    log_warn("forward", "channel %.*s takes no events: %s", SV_FMT(f->config.channel), answer->detail);
    if (f->options.trouble != NULL)
        f->options.trouble(f->options.context, f->config.channel, sv_of(answer->detail));
}

static void note_success(struct forwarder *f)
{
    if (f->troubled)
        log_info("forward", "channel %.*s takes events again", SV_FMT(f->config.channel));
    f->troubled = false;
    f->failing_mono_ns = 0;
}

/* Waits in steps, so that a stop is not waited for. False: it stops. */
static bool wait_ns(const struct forwarder *f, int64_t ns)
{
    int64_t until_ns = mono(f) + ns;
    while (!atomic_load(f->stop) && mono(f) < until_ns) {
        const struct timespec step = {.tv_nsec = 50 * 1000 * 1000};
        nanosleep(&step, NULL);
    }
    return !atomic_load(f->stop);
}

/* Until it is taken, or refused for good; false where it stops before. */
static bool send_range(struct forwarder *f, size_t from, size_t to)
{
    for (uint32_t attempts = 1;; attempts++) {
        struct answer answer;
        send_once(f, from, to, &answer);
        if (answer.result == SEND_OK) {
            note_success(f);
            atomic_fetch_add(&f->sent, to - from);
            return true;
        }
        if (answer.result == SEND_REFUSED && to - from > 1) {
            size_t middle = from + (to - from) / 2;
            return send_range(f, from, middle) && send_range(f, middle, to);
        }
        if (answer.result == SEND_REFUSED) {
            if (!f->refused_told)
                log_warn("forward", "channel %.*s refuses an event, which is left out: %s",
                         SV_FMT(f->config.channel), answer.detail);
            f->refused_told = true;
            atomic_fetch_add(&f->refused, 1);
            return true;
        }
        note_failure(f, &answer);
        int64_t pause_ns = retry_backoff(attempts, FIRST_RETRY_NS, MAX_RETRY_NS, f->options.rng);
        if (!wait_ns(f, TC_MAX(pause_ns, answer.retry_after_ns)))
            return false;
    }
}

/* 0, or TC_ESTATE where it stops before the batch is out. */
static int flush(struct forwarder *f, struct err *err)
{
    if (f->count == 0)
        return 0;
    if (!send_range(f, 0, f->count))
        return err_set(err, TC_ESTATE, "forwarding stops");
    uint64_t last = f->items[f->count - 1].position;
    f->count = 0;
    buf_clear(&f->texts);
    return save(f, last, err);
}

/* --- reading the journal ----------------------------------------------------------------------------------
 */

static int take(void *context, struct query_line *line, struct err *err)
{
    struct forwarder *f = context;
    if (atomic_load(f->stop))
        return err_set(err, TC_ESTATE, "forwarding stops");
    uint64_t position = line->event.position;
    struct sv source = line->event.source;
    if (!query_pipeline(line, f->query, f->query->root->stages))
        return 0;
    size_t more = source.n + line->line.n;
    bool full = f->count == TC_FORWARD_BATCH_EVENTS || f->texts.n + more > TC_FORWARD_BATCH_BYTES;
    int rc = full ? flush(f, err) : 0;
    if (rc != 0)
        return rc;
    f->items[f->count++] =
        (struct item){.ns = line->ns, .position = position, .source_n = source.n, .line_n = line->line.n};
    buf_sv(&f->texts, source);
    buf_sv(&f->texts, line->line);
    return 0;
}

/* Nothing more is there: what was gathered goes out. What was passed over needs no second look. */
static bool idle(void *context)
{
    struct forwarder *f = context;
    struct err err;
    if (flush(f, &err) != 0)
        return false;
    if (f->looked_at > atomic_load(&f->position) && save(f, f->looked_at, &err) != 0)
        return false;
    uint64_t end = journal_end(f->options.journal);
    f->looked_at = end > 0 ? end - 1 : 0;
    if (f->looked_at <= atomic_load(&f->position))
        journal_wait(f->options.journal, atomic_load(&f->position), IDLE_NS);
    return !atomic_load(f->stop);
}

static void *forward_main(void *context)
{
    struct forwarder *f = context;
    while (!atomic_load(f->stop)) {
        struct query_scan_stats stats = {0};
        struct err err = {0};
        struct query_source source = {.fs = f->options.fs,
                                      .dir = f->options.dir,
                                      .limit_to = f->options.journal,
                                      .after = atomic_load(&f->position)};
        f->count = 0;
        f->looked_at = 0;
        buf_clear(&f->texts);
        int rc =
            query_follow(&source, f->query->root, INT64_MIN, INT64_MAX, false, idle, take, f, &stats, &err);
        if (rc != 0 && rc != TC_ESTATE)
            log_warn("forward", "channel %.*s: %s; trying again", SV_FMT(f->config.channel), err.text);
        if (!atomic_load(f->stop))
            wait_ns(f, FIRST_RETRY_NS);
    }
    return NULL;
}

/* --- life -------------------------------------------------------------------------------------------------
 */

int forward_check(const struct forward_config *forward, struct err *err)
{
    const struct channel *channel = forward->config == NULL ? NULL : channel_find(forward->config->type);
    struct logql *query = NULL;
    if (channel == NULL || channel->events == NULL)
        return err_set(err, TC_EINPUT,
                       "\"%.*s\" is no channel that takes events: splunk_hec, datadog, elastic, cef, cef_udp",
                       SV_FMT(sv_head(forward->channel, 64)));
    if (forward->config->reveal != REVEAL_ALL)
        return err_set(err, TC_EINPUT,
                       "events tell what they hold: channel %.*s needs reveal: all to be forwarded to",
                       SV_FMT(forward->channel));
    int rc = logql_parse(forward->select, &query, err);
    if (rc == 0 && logql_is_metric(query))
        rc = err_set(err, TC_EINPUT, "select is a selector of events, without an aggregation");
    logql_free(&query);
    return rc;
}

static int start_one(struct forwarding *all, const struct forward_options *o, size_t at, struct err *err)
{
    struct forwarder *f = &all->forwarders[at];
    struct buf name;
    f->options = *o;
    f->config = o->forwards[at];
    f->channel = channel_find(f->config.config->type);
    f->stop = &all->stop;
    buf_init(&f->texts, TEXT_BYTES);
    buf_init(&name, 1024);
    service_path_part(f->config.channel, &name);
    snprintf(f->path, sizeof f->path, "%s/forward/%.*s.position", o->dir, SV_FMT(buf_view(&name)));
    buf_free(&name);
    int rc = logql_parse(f->config.select, &f->query, err);
    if (rc == 0)
        rc = load(f, err);
    if (rc != 0)
        return rc;
    sigset_t every, before; /* signals are the main thread's */
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    errno = pthread_create(&f->thread, NULL, forward_main, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    f->started = errno == 0;
    return f->started ? 0 : err_sys(err, "cannot start a forwarder's thread");
}

int forwarding_start(const struct forward_options *options, struct forwarding **ret, struct err *err)
{
    char dir[PATH_BYTES];
    struct forwarding *all = *ret = tc_alloc(sizeof *all);
    all->forwarders = tc_alloc((options->count + 1) * sizeof *all->forwarders);
    all->count = options->count;
    snprintf(dir, sizeof dir, "%s/forward", options->dir);
    int rc = fs_make_dirs(options->fs, dir, err);
    for (size_t i = 0; rc == 0 && i < options->count; i++)
        rc = start_one(all, options, i, err);
    if (rc != 0)
        forwarding_stop(ret);
    return rc;
}

void forwarding_stop(struct forwarding **forwarding)
{
    struct forwarding *all = *forwarding;
    if (all == NULL)
        return;
    atomic_store(&all->stop, true);
    for (size_t i = 0; i < all->count; i++) {
        struct forwarder *f = &all->forwarders[i];
        if (f->started)
            pthread_join(f->thread, NULL);
        logql_free(&f->query);
        buf_free(&f->texts);
    }
    free(all->forwarders);
    free(all);
    *forwarding = NULL;
}

void forwarding_metrics(const struct forwarding *all, struct buf *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t offset;
    } rows[] = {
        {"tocsin_forward_events_total", "counter", "Events that a SIEM has taken.",
         offsetof(struct forwarder, sent)},
        {"tocsin_forward_retries_total", "counter", "Batches that failed and are sent again.",
         offsetof(struct forwarder, retries)},
        {"tocsin_forward_refused_total", "counter", "Events that a SIEM refused for good.",
         offsetof(struct forwarder, refused)},
        {"tocsin_forward_lag_records", "gauge", "Records of the journal that were not looked at yet.",
         offsetof(struct forwarder, position)},
    };
    for (size_t r = 0; r < TC_ARRAY_LEN(rows); r++) {
        bool lag = rows[r].offset == offsetof(struct forwarder, position);
        metric_head(out, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < all->count; i++) {
            const struct forwarder *f = &all->forwarders[i];
            uint64_t value =
                atomic_load((const atomic_uint_least64_t *)(const void *)((const char *)f + rows[r].offset));
            uint64_t end = journal_end(f->options.journal);
            if (lag)
                value = end > value + 1 ? end - value - 1 : 0;
            metric_labelled(out, rows[r].name, "channel", f->config.channel, (double)value);
        }
    }
}
