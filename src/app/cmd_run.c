/*
 * `tocsin run`: wires the rooms together and serves until a signal says stop.
 *
 * Start: configuration, rules, core (recovers), listener (a port that is taken ends the start before anything
 * is sent), courier, the core's thread. Stop: first what takes events in, then the courier, the core last, so
 * that nothing is accepted that nobody would judge, and nothing decided is lost: what is not sent yet stays
 * in the outbox for the next start.
 */
#include "app/app.h"

#include "app/config.h"
#include "app/core.h"
#include "app/metrics.h"
#include "app/sentinel.h"
#include "app/stdin_source.h"
#include "base/log.h"
#include "cli/rules.h"
#include "ingest/syslog_listener.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static const struct option_spec options[] = {
    {"config", OPTION_VALUE, "FILE", "the configuration; without it: defaults, loopback only, shipped packs"},
    {"data", OPTION_VALUE, "DIR", "the data directory (made where it is missing)"},
    {"listen", OPTION_VALUE, "ADDRESS:PORT", "where to listen (default 127.0.0.1:9797)"},
    {"rules", OPTION_LIST, "PATH", "rules in place of the shipped packs (may be given again)"},
    {"syslog-udp", OPTION_VALUE, "ADDRESS:PORT", "also take syslog messages over UDP, as 127.0.0.1:5514"},
    {"syslog-tcp", OPTION_VALUE, "ADDRESS:PORT", "also take syslog messages over TCP, as 127.0.0.1:5514"},
    {"stdin", OPTION_FLAG, NULL, "also read events from standard input, one a line"},
    {0}};

enum { PATH_BYTES = 4096, RESERVE_FILE_BYTES = 16 << 20 };

struct server {
    const struct cli_args *args;
    struct config config;
    struct arena rules_arena;
    struct rule_source *rules;
    size_t rule_count;
    char store_path[PATH_BYTES];
    struct sv channel_names[256];
    struct core *core;
    struct redactor *redactor;
    struct intake *intake;
    pthread_mutex_t lock; /* the two below come and go while threads of the core and of the other call them */
    struct notifier *notifier;
    struct api *api;
    struct sentinel *sentinel;
    struct latencies latencies;
    int64_t started_ns;
    struct stdin_source *stdin_source;
    struct intake *syslog_intake;
    struct syslog_listener *_Atomic syslog; /* set while the API's threads may look for /metrics */
};

/* --- what the rooms are handed
 * --------------------------------------------------------------------------------------- */

static size_t route(void *context, enum severity severity, const struct sv **ret_channels)
{
    struct server *s = context;
    size_t count = 0;
    for (size_t i = 0; i < s->config.channel_count && count < TC_ARRAY_LEN(s->channel_names); i++) {
        const struct channel_config *channel = &s->config.channels[i];
        if (channel->min_severity == SEVERITY_NONE || severity <= channel->min_severity)
            s->channel_names[count++] = channel->name;
    }
    *ret_channels = s->channel_names;
    return count;
}

static void outbox_filled(void *context)
{
    struct server *s = context;
    pthread_mutex_lock(&s->lock);
    if (s->notifier != NULL)
        notifier_wake(s->notifier);
    pthread_mutex_unlock(&s->lock);
}

static void alert_changed(void *context, struct sv json)
{
    struct server *s = context;
    pthread_mutex_lock(&s->lock);
    if (s->api != NULL)
        api_publish(s->api, json);
    pthread_mutex_unlock(&s->lock);
}

static int take_receipt(void *context, struct sv key, struct sv status, struct sv detail)
{
    return core_receipt(((struct server *)context)->core, key, status, detail);
}

static void delivery_moved(void *context, bool held)
{
    struct server *s = context;
    log_warn("notify",
             held ? "delivery is held: nothing is sent until `tocsin release`" : "delivery is released");
    pthread_mutex_lock(&s->lock);
    if (s->notifier != NULL)
        notifier_hold(s->notifier, held);
    pthread_mutex_unlock(&s->lock);
}

static void delivery(void *context, struct api_delivery *ret)
{
    struct delivery_state state;
    core_delivery(((struct server *)context)->core, &state);
    *ret = (struct api_delivery){.held = state.held,
                                 .since_ns = state.since_ns == 0 ? TC_NO_TIME : state.since_ns};
    memcpy(ret->by, state.by, sizeof ret->by);
    memcpy(ret->note, state.note, sizeof ret->note);
}

static bool is_ready(void *context)
{
    return core_ready(((struct server *)context)->core);
}

static bool is_alive(void *context)
{
    return !core_failed(((struct server *)context)->core);
}

static int append(void *context, const struct journal_batch *batch, journal_done_fn done, void *done_context,
                  uint64_t *ret_first, struct err *err)
{
    return journal_append(core_journal(((struct server *)context)->core), batch, done, done_context,
                          ret_first, err);
}

static int append_batch(struct server *s, const struct intake_batch *batch, outlet_done_fn done,
                        void *done_context, uint64_t *ret_first, struct err *err)
{
    struct journal_batch input = {.kind = BATCH_INPUT,
                                  .received = batch->received,
                                  .blocks = buf_view(&batch->blocks),
                                  .count = batch->count};
    return append(s, &input, done, done_context, ret_first, err);
}

static int append_live(void *context, const struct intake_batch *batch, outlet_done_fn done,
                       void *done_context, struct err *err)
{
    return append_batch(context, batch, done, done_context, NULL, err);
}

static int command(void *context, const struct alert_command *what, struct buf *ret_json, struct err *err)
{
    return core_command(((struct server *)context)->core, what, ret_json, err);
}

static enum sentinel_state look(void *context)
{
    struct server *s = context;
    struct journal_stats journal;
    journal_stats(core_journal(s->core), &journal);
    if (journal_failed(core_journal(s->core)) != 0)
        return SENTINEL_JOURNAL_FAILED;
    if (core_failed(s->core))
        return SENTINEL_CORE_FAILED;
    if (journal.full)
        return SENTINEL_DISK_FULL;
    return journal.free_bytes < journal.reserve_bytes ? SENTINEL_DISK_LOW : SENTINEL_FINE;
}

static const char *trouble(void *context)
{
    struct core_stats core;
    enum sentinel_state state = look(context);
    if (state != SENTINEL_FINE)
        return sentinel_text(state);
    core_stats(((struct server *)context)->core, &core);
    return core.store_behind
               ? "The store cannot be written: alerts are raised, lists and notifications wait. Free "
                 "space, or make it writable again"
               : NULL;
}

/* By the front door: intake, journal, and all that follows. */
static uint64_t send_beat(void *context)
{
    struct server *s = context;
    struct intake_batch batch;
    struct err err;
    uint64_t first = 0;
    intake_batch_init(&batch, 1 << 16);
    int rc = intake_body(s->intake, SV("self"), INTAKE_JSON_STRICT, SV("{\"event_type\":\"heartbeat\"}"),
                         &batch, &err);
    if (rc == 0 && append_batch(s, &batch, NULL, NULL, &first, &err) != 0)
        first = 0;
    intake_batch_free(&batch);
    return first;
}

static bool is_judged(void *context, uint64_t position)
{
    struct core_stats core;
    core_stats(((struct server *)context)->core, &core);
    return core.position >= position;
}

static uint64_t courier_turns(void *context)
{
    struct server *s = context;
    pthread_mutex_lock(&s->lock);
    uint64_t turns = s->notifier == NULL ? 0 : notifier_turns(s->notifier);
    pthread_mutex_unlock(&s->lock);
    return turns;
}

static void outbox_counts(struct server *s, struct metrics_view *view)
{
    struct store *store;
    struct err err;
    uint64_t pending, sent, failed;
    if (store_open_reader(s->store_path, &store, &err) != 0)
        return;
    if (store_outbox_counts(store, &pending, &sent, &failed, &err) == 0) {
        view->outbox_pending = pending;
        view->outbox_rows = pending + sent + failed;
    }
    store_close(&store);
}

static void metrics(void *context, struct buf *out)
{
    struct server *s = context;
    struct metrics_view view = {.latencies = &s->latencies,
                                .started_ns = s->started_ns,
                                .rules = ruleset_count(core_ruleset(s->core))};
    struct delivery_state held;
    core_stats(s->core, &view.core);
    core_delivery(s->core, &held);
    journal_stats(core_journal(s->core), &view.journal);
    view.journal_failed = journal_failed(core_journal(s->core)) != 0;
    view.delivery_held = held.held;
    pthread_mutex_lock(&s->lock);
    if (s->notifier != NULL)
        notifier_stats(s->notifier, &view.sent, &view.retries, &view.failed);
    view.has_sentinel = s->sentinel != NULL;
    if (view.has_sentinel)
        sentinel_stats(s->sentinel, &view.sentinel);
    pthread_mutex_unlock(&s->lock);
    const struct syslog_listener *syslog = s->syslog;
    view.has_syslog = syslog != NULL;
    if (view.has_syslog)
        syslog_listener_stats(syslog, &view.syslog);
    outbox_counts(s, &view);
    metrics_measure(&fs_system, s->config.data, &view);
    metrics_print(&view, out);
    core_source_metrics(s->core, out);
}

/* --- start
 * -----------------------------------------------------------------------------------------------------------
 */

static int read_rules(struct server *s, struct err *err)
{
    const char *const *named;
    size_t named_count = cli_list(s->args, "rules", &named);
    const struct config *c = &s->config;
    struct rule_source *shipped = NULL, *own = NULL;
    size_t shipped_count = 0, own_count = 0;
    int rc = 0;
    if (named_count > 0)
        rc = rules_collect(named, named_count, &s->rules_arena, &own, &own_count, err);
    else if (c->rule_count > 0)
        rc = rules_collect(c->rules, c->rule_count, &s->rules_arena, &own, &own_count, err);
    if (rc != 0)
        return rc;
    if (named_count == 0 && c->shipped_packs)
        shipped_count = rules_shipped(&s->rules_arena, &shipped);
    s->rules = ARENA_ARRAY(&s->rules_arena, struct rule_source, shipped_count + own_count + 1);
    if (shipped_count > 0)
        memcpy(s->rules, shipped, shipped_count * sizeof shipped[0]);
    if (own_count > 0)
        memcpy(s->rules + shipped_count, own, own_count * sizeof own[0]);
    s->rule_count = shipped_count + own_count;
    return 0;
}

/* The key of pseudonyms: made once, kept with the data, so that the same address stays the same pseudonym. */
static int read_redact_key(const char *dir, uint8_t key[TC_REDACT_KEY_BYTES], struct err *err)
{
    char path[PATH_BYTES];
    struct fs_stat st;
    snprintf(path, sizeof path, "%s/redact.key", dir);
    if (fs_system.stat(&fs_system, path, &st) != 0) {
        rng_fill(&rng_system, key, TC_REDACT_KEY_BYTES);
        return fs_replace_file(&fs_system, path, sv_make((const char *)key, TC_REDACT_KEY_BYTES), err);
    }
    struct buf bytes;
    buf_init(&bytes, TC_REDACT_KEY_BYTES);
    int rc = fs_read_file(&fs_system, path, &bytes, err);
    if (rc == 0 && bytes.n != TC_REDACT_KEY_BYTES)
        rc = err_set(err, TC_ECORRUPT, "%s is damaged: restore it from a backup", path);
    if (rc == 0)
        memcpy(key, bytes.p, TC_REDACT_KEY_BYTES);
    buf_free(&bytes);
    return rc;
}

static int start_core(struct server *s, struct err *err)
{
    const struct config *c = &s->config;
    struct core_options o = {.fs = &fs_system,
                             .clk = &clk_system,
                             .rng = &rng_system,
                             .dir = c->data,
                             .store_path = s->store_path,
                             .rules = s->rules,
                             .rule_count = s->rule_count,
                             .lateness_ns = c->lateness_ns,
                             .dedup_window_ns = c->dedup_window_ns,
                             .resolve_after_ns = c->resolve_after_ns,
                             .count_steps = c->count_steps,
                             .latencies = &s->latencies,
                             .reserve_file_bytes = RESERVE_FILE_BYTES,
                             .watch = c->watch,
                             .watch_count = c->watch_count,
                             .threads = c->threads,
                             .context = s,
                             .route = route,
                             .outbox_filled = outbox_filled,
                             .changed = alert_changed,
                             .delivery = delivery_moved};
    snprintf(s->store_path, sizeof s->store_path, "%s/state.sqlite", c->data);
    int rc = core_open(&o, &s->core, err);
    if (rc != 0)
        return rc;
    rules_report(core_ruleset(s->core), false);
    if (ruleset_count(core_ruleset(s->core)) == 0)
        log_warn("core", "no rule is loaded: events are kept, and nothing is judged");
    return 0;
}

static int start_courier(struct server *s, struct err *err)
{
    struct notifier_options o = {.clk = &clk_system,
                                 .rng = &rng_system,
                                 .store_path = s->store_path,
                                 .console_url = s->config.console_url,
                                 .channels = s->config.channels,
                                 .channel_count = s->config.channel_count,
                                 .receipt = take_receipt,
                                 .context = s};
    struct notifier *notifier = NULL;
    struct delivery_state state;
    core_delivery(s->core, &state);
    o.held = state.held;
    if (state.held)
        log_warn("notify", "delivery is held (%s): look at `tocsin release --list`, then `tocsin release`",
                 state.note);
    int rc = notifier_new(&o, &notifier, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&s->lock);
    s->notifier = notifier;
    pthread_mutex_unlock(&s->lock);
    return notifier_start(notifier, err);
}

static int start_intake(struct server *s, struct err *err)
{
    uint8_t key[TC_REDACT_KEY_BYTES];
    int rc = read_redact_key(s->config.data, key, err);
    if (rc != 0)
        return rc;
    s->redactor = redactor_new(key);
    s->intake = intake_new(&(struct intake_options){.clk = &clk_system,
                                                    .redactor = s->redactor,
                                                    .lateness_ns = s->config.lateness_ns,
                                                    .zone_offset_s = s->config.zone_offset_s});
    return 0;
}

static int start_api(struct server *s, struct err *err)
{
    static struct sv receivers[256];
    const struct config *c = &s->config;
    for (size_t i = 0; i < c->channel_count && i < TC_ARRAY_LEN(receivers); i++)
        receivers[i] = c->channels[i].name;
    struct api_options o = {.listen = c->listen,
                            .store_path = s->store_path,
                            .console_url = c->console_url,
                            .clk = &clk_system,
                            .rng = &rng_system,
                            .intake = s->intake,
                            .tokens = c->tokens,
                            .token_count = c->token_count,
                            .max_body_bytes = c->max_body_bytes,
                            .context = s,
                            .ready = is_ready,
                            .alive = is_alive,
                            .trouble = trouble,
                            .delivery = delivery,
                            .append = append,
                            .command = command,
                            .metrics = metrics,
                            .receivers = receivers,
                            .receiver_count = TC_MIN(c->channel_count, TC_ARRAY_LEN(receivers))};
    struct api *api = NULL;
    int rc = api_start(&o, &api, err);
    pthread_mutex_lock(&s->lock);
    s->api = api;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* An intake of its own: how late a message may be differs from door to door. */
static int start_syslog(struct server *s, struct err *err)
{
    const struct config *c = &s->config;
    if (c->syslog_udp == NULL && c->syslog_tcp == NULL)
        return 0;
    s->syslog_intake = intake_new(&(struct intake_options){
        .clk = &clk_system,
        .redactor = s->redactor,
        .lateness_ns = c->syslog_lateness_ns >= 0 ? c->syslog_lateness_ns : c->lateness_ns,
        .zone_offset_s = c->zone_offset_s});
    struct syslog_options o = {.clk = &clk_system,
                               .intake = s->syslog_intake,
                               .parser = parser_find(SV("syslog")),
                               .zone_offset_s = c->zone_offset_s,
                               .udp = c->syslog_udp,
                               .tcp = c->syslog_tcp,
                               .allow_plaintext = c->syslog_allow_plaintext,
                               .append = append_live,
                               .context = s};
    struct syslog_listener *syslog = NULL;
    int rc = syslog_listener_start(&o, &syslog, err);
    s->syslog = syslog;
    return rc;
}

static int start_sentinel(struct server *s, struct err *err)
{
    const struct config *c = &s->config;
    struct channel_config *speak = ARENA_ARRAY(&s->rules_arena, struct channel_config, c->channel_count + 1);
    size_t count = 0, named = 0;
    for (size_t i = 0; i < c->channel_count; i++)
        named += c->channels[i].emergency;
    for (size_t i = 0; i < c->channel_count; i++)
        if (named == 0 || c->channels[i].emergency)
            speak[count++] = c->channels[i];
    struct sentinel_options o = {.clk = &clk_system,
                                 .channels = speak,
                                 .channel_count = count,
                                 .console_url = c->console_url,
                                 .heartbeat_url = c->heartbeat_url,
                                 .heartbeat_interval_ns = c->heartbeat_interval_ns,
                                 .heartbeat_get = c->heartbeat_get,
                                 .context = s,
                                 .look = look,
                                 .beat = send_beat,
                                 .judged = is_judged,
                                 .courier_turns = courier_turns};
    return sentinel_start(&o, &s->sentinel, err);
}

static int start(struct server *s, struct err *err)
{
    int rc = read_rules(s, err);
    if (rc == 0)
        rc = start_core(s, err);
    if (rc == 0)
        rc = start_intake(s, err);
    if (rc == 0)
        rc = start_api(s, err);
    if (rc == 0)
        rc = start_courier(s, err);
    if (rc == 0)
        rc = core_start(s->core, err);
    if (rc == 0)
        rc = start_sentinel(s, err);
    if (rc == 0)
        rc = start_syslog(s, err);
    if (rc == 0 && cli_flag(s->args, "stdin"))
        rc = stdin_source_start(s->intake, core_journal(s->core), &clk_system, s->config.zone_offset_s,
                                &s->stdin_source, err);
    return rc;
}

static void stop(struct server *s)
{
    struct sentinel *sentinel = s->sentinel;
    pthread_mutex_lock(&s->lock); /* /metrics looks at it */
    s->sentinel = NULL;
    pthread_mutex_unlock(&s->lock);
    sentinel_stop(&sentinel);
    if (s->core != NULL)
        journal_wait_no_more(core_journal(s->core));
    stdin_source_stop(&s->stdin_source);
    /* the core goes on until it has judged all, but has nobody to tell any more */
    pthread_mutex_lock(&s->lock);
    struct api *api = s->api;
    s->api = NULL;
    pthread_mutex_unlock(&s->lock);
    api_stop(&api);
    struct syslog_listener *syslog = s->syslog; /* after the API, whose /metrics looks at it */
    syslog_listener_stop(&syslog);
    pthread_mutex_lock(&s->lock);
    struct notifier *notifier = s->notifier;
    s->notifier = NULL;
    pthread_mutex_unlock(&s->lock);
    notifier_free(&notifier);
    core_close(&s->core);
    intake_free(&s->syslog_intake);
    intake_free(&s->intake);
    redactor_free(&s->redactor);
    arena_free(&s->rules_arena);
    config_free(&s->config);
    pthread_mutex_destroy(&s->lock);
}

static enum cli_exit read_config(struct server *s)
{
    struct err err;
    config_defaults(&s->config);
    const char *path = cli_value(s->args, "config", NULL);
    if (path != NULL && config_load(path, &s->config, &err) != 0) {
        cli_fail_err(s->args, &err);
        return CLI_USAGE;
    }
    s->config.data = cli_value(s->args, "data", s->config.data);
    s->config.listen = cli_value(s->args, "listen", s->config.listen);
    s->config.syslog_udp = cli_value(s->args, "syslog-udp", s->config.syslog_udp);
    s->config.syslog_tcp = cli_value(s->args, "syslog-tcp", s->config.syslog_tcp);
    if (s->config.data == NULL)
        return cli_fail(s->args, CLI_USAGE,
                        "no data directory named: give --data DIR, or data: in the configuration");
    if (s->config.console_url == NULL)
        s->config.console_url = arena_printf(&s->config.arena, "http://%s", s->config.listen).p;
    return CLI_DONE;
}

/* A connection costs a descriptor: as many as the system allows, for up to 1,000 of them. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum cli_exit run_run(const struct cli_args *args)
{
    struct server s = {.args = args, .started_ns = clk_now(&clk_system).ns};
    struct err err;
    sigset_t stop_signals;
    pthread_mutex_init(&s.lock, NULL);
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGINT);
    sigaddset(&stop_signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop_signals,
                    NULL); /* before any thread is started: all of them inherit it */
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    enum cli_exit code = read_config(&s);
    if (code == CLI_DONE && start(&s, &err) != 0) {
        cli_fail_err(args, &err);
        code = err.code == TC_EINPUT || err.code == TC_EUNSUPPORTED ? CLI_USAGE : CLI_FAILED;
    }
    if (code == CLI_DONE) {
        int signal_number;
        fprintf(stderr, "tocsin: listening on http://%s with %zu rules, data in %s\n", api_address(s.api),
                ruleset_count(core_ruleset(s.core)), s.config.data);
        if (s.syslog != NULL)
            fprintf(stderr, "tocsin: syslog on UDP port %u, TCP port %u (0: not listening)\n",
                    syslog_listener_udp_port(s.syslog), syslog_listener_tcp_port(s.syslog));
        sigwait(&stop_signals, &signal_number);
        fprintf(stderr, "tocsin: stopping\n");
    }
    stop(&s);
    return code;
}

const struct verb verb_run = {
    .name = "run",
    .operands = "",
    .summary = "serve: take events in, judge them, raise and deliver alerts",
    .details = "Listens on loopback and needs no token there unless the configuration names sources. Stops "
               "on SIGINT or SIGTERM; what\n"
               "was acknowledged is kept, whatever happens.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = run_run,
};
