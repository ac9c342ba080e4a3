/*
 * The courier's door: checks and copies the configuration, runs the pump on its thread, answers which
 * channels take which severity; see notify.h.
 */
#include "notify/http.h"
#include "notify/pump.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 64, IDLE_WAIT_MS = 1000, MAX_ATTEMPTS = 100 };

static const struct {
    size_t offset;
    int64_t value;
} defaults[] = {
    {offsetof(struct notifier_options, first_retry_ns), TC_SECOND_NS},
    {offsetof(struct notifier_options, max_retry_ns), 300 * TC_SECOND_NS},
    {offsetof(struct notifier_options, timeout_ns), 10 * TC_SECOND_NS},
};

static void fill_defaults(struct notifier_options *o)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(defaults); i++) {
        int64_t *value = (int64_t *)(void *)((char *)o + defaults[i].offset);
        if (*value <= 0)
            *value = defaults[i].value;
    }
    if (o->max_attempts == 0)
        o->max_attempts = MAX_ATTEMPTS;
}

/* --- the configuration -----------------------------------------------------------------------------------
 */

static bool is_name(struct sv name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f)
            return false;
    return name.n > 0 && name.n <= NAME_MAX_BYTES;
}

static int check_channel(const struct notifier *n, const struct channel_config *config, struct err *err)
{
    if (!is_name(config->name))
        return err_set(err, TC_EINPUT, "a channel needs a name of 1 to %d characters without spaces",
                       NAME_MAX_BYTES);
    for (size_t i = 0; i < n->lane_count; i++)
        if (sv_eq(n->lanes[i].config.name, config->name))
            return err_set(err, TC_EINPUT, "channel %.*s: there are two of that name", SV_FMT(config->name));
    if (notify_check_channel(config, err) != 0)
        return err_while(err, "channel %.*s", SV_FMT(config->name));
    return 0;
}

static const struct channel_header *copy_headers(struct notifier *n, const struct channel_header *headers,
                                                 size_t count)
{
    struct channel_header *copy = ARENA_ARRAY(&n->arena, struct channel_header, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct channel_header){.name = arena_sv(&n->arena, headers[i].name),
                                          .value = arena_sv(&n->arena, headers[i].value)};
    return copy;
}

static void copy_lists(struct notifier *n, struct channel_config *copy)
{
    struct sv *to = ARENA_ARRAY(&n->arena, struct sv, copy->to_count + 1);
    for (size_t i = 0; i < copy->to_count; i++)
        to[i] = arena_sv(&n->arena, copy->to[i]);
    copy->to = to;
    copy->headers = copy_headers(n, copy->headers, copy->header_count);
    copy->people = copy_headers(n, copy->people, copy->people_count);
}

static int add_lane(struct notifier *n, const struct channel_config *config, struct err *err)
{
    struct channel_config copy = *config;
    struct sv *const texts[] = {&copy.name,
                                &copy.type,
                                &copy.url,
                                &copy.path,
                                &copy.slack_channel,
                                &copy.username,
                                &copy.icon_emoji,
                                &copy.smarthost,
                                &copy.from,
                                &copy.hello,
                                &copy.auth_username,
                                &copy.auth_password,
                                &copy.bearer_token,
                                &copy.routing_key,
                                &copy.ca_file,
                                &copy.fallback,
                                &copy.mentions[1],
                                &copy.mentions[2],
                                &copy.mentions[3],
                                &copy.mentions[4],
                                &copy.signing_keys[0],
                                &copy.signing_keys[1],
                                &copy.api_url,
                                &copy.token,
                                &copy.account,
                                &copy.region,
                                &copy.project,
                                &copy.issue,
                                &copy.transition,
                                &copy.index,
                                &copy.ticket_body,
                                &copy.callback_url,
                                &copy.signing_secret};
    copy.url = sv_trim(copy.url); /* a file with a secret mostly ends with a line break */
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++)
        *texts[i] = arena_sv(&n->arena, *texts[i]);
    copy_lists(n, &copy);
    int rc = check_channel(n, &copy, err);
    if (rc != 0)
        return rc;
    struct lane *lane = &n->lanes[n->lane_count++];
    lane->config = copy;
    lane->channel = channel_find(copy.type);
    map_init(&lane->served, TC_SERVED_MAX);
    map_init(&lane->taken, TC_SERVED_MAX);
    for (size_t i = 0; i < TC_ARRAY_LEN(lane->deliveries); i++)
        lane->deliveries[i].lane = lane;
    return 0;
}

static int check_fallback(const struct notifier *n, const struct channel_config *config, struct err *err)
{
    for (size_t i = 0; i < n->lane_count; i++)
        if (sv_eq(n->lanes[i].config.name, config->fallback) && !sv_eq(config->name, config->fallback))
            return 0;
    return config->fallback.n == 0
               ? 0
               : err_set(err, TC_EINPUT, "channel %.*s: its fallback \"%.*s\" is no other channel",
                         SV_FMT(config->name), SV_FMT(sv_head(config->fallback, 64)));
}

static int add_lanes(struct notifier *n, const struct notifier_options *o, struct err *err)
{
    if (o->channel_count > TC_LANES_MAX)
        return err_set(err, TC_EBOUND, "%zu channels are more than %d", o->channel_count, TC_LANES_MAX);
    n->lanes = ARENA_ARRAY(&n->arena, struct lane, o->channel_count + 1);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->channel_count; i++)
        rc = add_lane(n, &o->channels[i], err);
    for (size_t i = 0; rc == 0 && i < n->lane_count; i++)
        rc = check_fallback(n, &n->lanes[i].config, err);
    n->options.channels = NULL; /* the caller's; the lanes have copies */
    return rc;
}

static int report_orphans(void *context, struct sv channel, uint64_t pending)
{
    const struct notifier *n = context;
    for (size_t i = 0; i < n->lane_count; i++)
        if (sv_eq(n->lanes[i].config.name, channel))
            return 0;
    log_warn("notify", "%llu notifications wait for channel %.*s, which is not in the configuration",
             (unsigned long long)pending, SV_FMT(channel));
    return 0;
}

/* --- life ------------------------------------------------------------------------------------------------
 */

int notifier_new(const struct notifier_options *options, struct notifier **ret, struct err *err)
{
    struct notifier *n = tc_alloc(sizeof *n);
    pthread_mutex_init(&n->aside_lock, NULL);
    n->options = *options;
    if (options->disclose_key != NULL)
        memcpy(n->disclose_key, options->disclose_key, sizeof n->disclose_key);
    if (options->question_key != NULL)
        memcpy(n->question_key, options->question_key, sizeof n->question_key);
    atomic_store(&n->held, options->held);
    fill_defaults(&n->options);
    map_init(&n->handed, TC_HANDED_MAX);
    n->options.console_url = arena_str(&n->arena, sv_of(options->console_url));
    int rc = http_setup(err);
    if (rc == 0)
        rc = add_lanes(n, options, err);
    if (rc == 0)
        rc = store_open(options->store_path, &n->store, err);
    if (rc == 0 && (n->multi = curl_multi_init()) == NULL)
        rc = err_set(err, TC_EIO, "libcurl cannot start");
    if (rc == 0)
        rc = store_outbox_channels(n->store, report_orphans, n, err);
    if (rc != 0)
        notifier_free(&n);
    else
        *ret = n;
    return rc;
}

/* Lets what is under way end: libcurl's time-out bounds it, and so does the real clock. */
static void drain(struct notifier *n)
{
    int64_t until_ns = clk_monotonic_ns(&clk_system) + n->options.timeout_ns + TC_SECOND_NS;
    n->draining = true;
    while (notifier_sending(n) > 0 && clk_monotonic_ns(&clk_system) < until_ns)
        notifier_step(n, 100);
}

static void *notifier_main(void *context)
{
    struct notifier *n = context;
    while (!atomic_load(&n->stop)) {
        notifier_step(n, IDLE_WAIT_MS);
        atomic_fetch_add(&n->turns, 1);
    }
    drain(n);
    return NULL;
}

int notifier_start(struct notifier *n, struct err *err)
{
    sigset_t all, old; /* signals are the main thread's; a closed pipe is an error value here */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&n->thread, NULL, notifier_main, n);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    n->started = rc == 0;
    errno = rc;
    return rc == 0 ? 0 : err_sys(err, "cannot start the notifier's thread");
}

void notifier_wake(struct notifier *n)
{
    atomic_store(&n->wake, true);
    curl_multi_wakeup(n->multi);
}

void notifier_hold(struct notifier *n, bool held)
{
    atomic_store(&n->held, held);
    notifier_wake(n);
}

void notifier_free(struct notifier **notifier)
{
    struct notifier *n = *notifier;
    if (n == NULL)
        return;
    atomic_store(&n->stop, true);
    if (n->started) {
        curl_multi_wakeup(n->multi);
        pthread_join(n->thread, NULL);
    }
    notifier_abandon(n);
    if (n->multi != NULL)
        curl_multi_cleanup(n->multi);
    store_close(&n->store);
    map_free(&n->handed);
    for (size_t i = 0; i < n->lane_count; i++) {
        map_free(&n->lanes[i].served);
        map_free(&n->lanes[i].taken);
    }
    pthread_mutex_destroy(&n->aside_lock);
    arena_free(&n->arena);
    free(n);
    *notifier = NULL;
}

uint64_t notifier_turns(const struct notifier *n)
{
    return atomic_load(&n->turns);
}

void notifier_stats(const struct notifier *n, uint64_t *ret_sent, uint64_t *ret_retries, uint64_t *ret_failed)
{
    *ret_sent = atomic_load(&n->sent);
    *ret_retries = atomic_load(&n->retries);
    *ret_failed = atomic_load(&n->failed);
}

size_t notifier_channel_count(const struct notifier *n)
{
    return n->lane_count;
}

void notifier_channel_stats(const struct notifier *n, size_t at, struct channel_stats *ret)
{
    const struct lane *lane = &n->lanes[at];
    *ret = (struct channel_stats){.name = lane->config.name,
                                  .type = lane->config.type,
                                  .sent = atomic_load(&lane->sent),
                                  .retries = atomic_load(&lane->retries),
                                  .failed = atomic_load(&lane->failed),
                                  .diverted = atomic_load(&lane->diverted),
                                  .pending = atomic_load(&lane->pending),
                                  .failing = atomic_load(&lane->failing),
                                  .attempts = atomic_load(&lane->attempts),
                                  .latency_ns_total = atomic_load(&lane->latency_ns)};
    for (size_t i = 0; i < TC_LATENCY_BUCKETS; i++)
        ret->latency[i] = atomic_load(&lane->latency[i]);
}
