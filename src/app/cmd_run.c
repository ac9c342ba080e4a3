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
#include "app/metrics_room.h"
#include "app/stdin_source.h"
#include "app/supervise.h"
#include "app/tend.h"
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
    TEND_LOG_OPTIONS,
    {0}};

enum { PATH_BYTES = 4096 };

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
    struct stdin_source *stdin_source;
    struct intake *syslog_intake;
    struct metrics_room *metrics;           /* NULL: off */
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

static bool is_ready(void *context)
{
    return core_ready(((struct server *)context)->core);
}

static bool is_alive(void *context)
{
    return !core_failed(((struct server *)context)->core);
}

/* The core goes on while the store cannot be written, and the journal waits while the disk is full; who
 * watches from outside must know of both. */
static bool is_writable(void *context)
{
    struct server *s = context;
    struct core_stats core;
    struct journal_stats journal;
    core_stats(s->core, &core);
    journal_stats(core_journal(s->core), &journal);
    return !core.store_behind && !journal.full && journal_failed(core_journal(s->core)) == 0;
}

static int append(void *context, const struct journal_batch *batch, journal_done_fn done, void *done_context,
                  uint64_t *ret_first, struct err *err)
{
    return journal_append(core_journal(((struct server *)context)->core), batch, done, done_context,
                          ret_first, err);
}

static int append_live(void *context, const struct intake_batch *batch, outlet_done_fn done,
                       void *done_context, struct err *err)
{
    struct journal_batch input = {.kind = BATCH_INPUT,
                                  .received = batch->received,
                                  .blocks = buf_view(&batch->blocks),
                                  .count = batch->count};
    return append(context, &input, done, done_context, NULL, err);
}

static int command(void *context, const struct alert_command *what, struct buf *ret_json, struct err *err)
{
    return core_command(((struct server *)context)->core, what, ret_json, err);
}

struct metric {
    const char *name, *type, *help;
    double value;
};

static void print_metrics(struct buf *out, const struct metric *metrics, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", metrics[i].name, metrics[i].help,
                   metrics[i].name, metrics[i].type, metrics[i].name, metrics[i].value);
}

static void syslog_metrics(const struct server *s, struct buf *out)
{
    struct syslog_stats stats;
    const struct syslog_listener *syslog = s->syslog;
    if (syslog == NULL)
        return;
    syslog_listener_stats(syslog, &stats);
    const struct metric rows[] = {
        {"tocsin_syslog_udp_messages_total", "counter", "Syslog messages taken over UDP.",
         (double)stats.udp_messages},
        {"tocsin_syslog_tcp_messages_total", "counter", "Syslog messages taken over TCP.",
         (double)stats.tcp_messages},
        {"tocsin_syslog_udp_dropped_total", "counter", "Datagrams given up while the journal was full.",
         (double)stats.udp_dropped},
        {"tocsin_syslog_udp_kernel_dropped_total", "counter",
         "Datagrams that the kernel dropped, its buffer being full.", (double)stats.udp_kernel_dropped},
        {"tocsin_syslog_connections", "gauge", "Syslog connections, of at most 1000.",
         (double)stats.connections},
        {"tocsin_syslog_connections_accepted_total", "counter", "Syslog connections accepted.",
         (double)stats.connections_accepted},
        {"tocsin_syslog_connections_refused_total", "counter", "Syslog connections refused at the bound.",
         (double)stats.connections_refused},
        {"tocsin_syslog_connections_timed_out_total", "counter", "Syslog connections closed for silence.",
         (double)stats.connections_timed_out},
        {"tocsin_syslog_connections_over_bound_total", "counter",
         "Syslog connections closed because unfinished messages took too much memory.",
         (double)stats.connections_over_bound},
        {"tocsin_syslog_held_bytes", "gauge", "Memory of unfinished syslog messages, of at most 134217728.",
         (double)stats.held_bytes},
        {"tocsin_syslog_broken_frames_total", "counter", "Octet-counted messages that never came to an end.",
         (double)stats.broken_frames},
        {"tocsin_syslog_other_sources_total", "counter",
         "Messages and connections whose address was past the table of 4096 sources.",
         (double)stats.other_sources},
        {"tocsin_syslog_waiting", "gauge", "1 while nothing is read because the journal is behind.",
         (double)stats.waiting},
        {"tocsin_syslog_batches_total", "counter", "Batches handed to the journal.",
         (double)stats.outlet.batches},
        {"tocsin_syslog_batches_in_flight", "gauge", "Batches on their way to the disk, of at most 4.",
         stats.outlet.in_flight},
        {"tocsin_syslog_refused_total", "counter", "Times that the journal refused a batch (it is kept).",
         (double)stats.outlet.refused},
        {"tocsin_syslog_lost_total", "counter", "Messages lost because the journal could not write them.",
         (double)stats.outlet.lost},
        {"tocsin_syslog_oversized_total", "counter", "Messages given up because no batch can hold them.",
         (double)stats.outlet.oversized},
    };
    print_metrics(out, rows, TC_ARRAY_LEN(rows));
}

static void metrics(void *context, struct buf *out)
{
    struct server *s = context;
    struct core_stats core;
    struct journal_stats journal;
    uint64_t sent = 0, retries = 0, failed = 0;
    core_stats(s->core, &core);
    journal_stats(core_journal(s->core), &journal);
    pthread_mutex_lock(&s->lock);
    if (s->notifier != NULL)
        notifier_stats(s->notifier, &sent, &retries, &failed);
    pthread_mutex_unlock(&s->lock);
    const struct metric rows[] = {
        {"tocsin_journal_records_total", "counter", "Records made durable since the start.",
         (double)journal.records},
        {"tocsin_journal_bytes_total", "counter", "Bytes written to the journal since the start.",
         (double)journal.bytes},
        {"tocsin_journal_syncs_total", "counter", "Times the journal was synced to the disk.",
         (double)journal.syncs},
        {"tocsin_journal_sync_seconds_total", "counter", "Time spent syncing.",
         (double)journal.sync_ns_total / 1e9},
        {"tocsin_journal_queue_bytes", "gauge", "Bytes waiting to be written.", (double)journal.queued_bytes},
        {"tocsin_journal_rejected_total", "counter",
         "Batches refused because the queue or the disk was full.", (double)journal.rejected},
        {"tocsin_journal_repeats_total", "counter", "Batches recognised as repeats.",
         (double)journal.duplicates},
        {"tocsin_journal_failed", "gauge", "1 where the journal has stopped after an error.",
         journal_failed(core_journal(s->core)) != 0},
        {"tocsin_journal_full", "gauge", "1 while the disk is full: input is refused, alerts wait.",
         journal.full},
        {"tocsin_store_behind", "gauge", "1 while the store cannot be written: lists and notifications wait.",
         core.store_behind},
        {"tocsin_core_lag_records", "gauge", "Durable records that are not judged yet.", (double)core.lag},
        {"tocsin_detect_events_total", "counter", "Events judged since the start, replayed ones included.",
         (double)core.events},
        {"tocsin_detect_findings_total", "counter", "Findings made.", (double)core.findings},
        {"tocsin_detect_late_events_total", "counter", "Events too late for their windows.",
         (double)core.detector.late_events},
        {"tocsin_detect_groups", "gauge", "Groups kept by correlations.", (double)core.detector.groups},
        {"tocsin_detect_evicted_groups_total", "counter", "Groups given up at their bound.",
         (double)core.detector.evicted_groups},
        {"tocsin_detect_regex_limit_hits_total", "counter", "Patterns given up at their match limit.",
         (double)core.detector.regex_limit_hits},
        {"tocsin_alerts_in_memory", "gauge", "Alerts open or lately ended.", (double)core.alerts_in_memory},
        {"tocsin_alert_decisions_total", "counter", "Decisions written to the journal.",
         (double)core.decisions},
        {"tocsin_notifications_sent_total", "counter", "Notifications delivered.", (double)sent},
        {"tocsin_notification_retries_total", "counter", "Deliveries that are tried again.", (double)retries},
        {"tocsin_notifications_failed_total", "counter", "Notifications given up.", (double)failed},
    };
    print_metrics(out, rows, TC_ARRAY_LEN(rows));
    syslog_metrics(s, out);
    if (s->metrics != NULL)
        tsdb_metrics(metrics_room_tsdb(s->metrics), out);
    tend_metrics(out);
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
                             .threads = c->threads,
                             .context = s,
                             .route = route,
                             .outbox_filled = outbox_filled,
                             .changed = alert_changed};
    snprintf(s->store_path, sizeof s->store_path, "%s/state.sqlite", c->data);
    int rc = core_open(&o, &s->core, err);
    if (rc != 0)
        return rc;
    tend_report_rules(core_ruleset(s->core));
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
                            .writable = is_writable,
                            .append = append,
                            .command = command,
                            .tsdb = s->metrics == NULL ? NULL : metrics_room_tsdb(s->metrics),
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

static int start(struct server *s, struct err *err)
{
    int rc = read_rules(s, err);
    if (rc == 0)
        rc = start_core(s, err);
    if (rc == 0)
        rc = start_intake(s, err);
    if (rc == 0 && s->config.metrics)
        rc = metrics_room_start(&s->config, &s->metrics, err);
    if (rc == 0)
        rc = start_api(s, err);
    if (rc == 0)
        rc = start_courier(s, err);
    if (rc == 0)
        rc = core_start(s->core, err);
    if (rc == 0)
        rc = start_syslog(s, err);
    if (rc == 0 && cli_flag(s->args, "stdin"))
        rc = stdin_source_start(s->intake, core_journal(s->core), &clk_system, s->config.zone_offset_s,
                                &s->stdin_source, err);
    return rc;
}

static void stop(struct server *s)
{
    if (s->core != NULL)
        journal_wait_no_more(core_journal(s->core));
    stdin_source_stop(&s->stdin_source);
    /* the core goes on until it has judged all, but has nobody to tell any more */
    pthread_mutex_lock(&s->lock);
    struct api *api = s->api;
    s->api = NULL;
    pthread_mutex_unlock(&s->lock);
    api_stop(&api);
    metrics_room_stop(&s->metrics);             /* after the API, whose requests wait for it */
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
        tend_start_failed(s->args, &err);
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
    struct server s = {.args = args};
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
    supervise_open();
    enum cli_exit code = tend_log(args) ? read_config(&s) : CLI_USAGE;
    if (code == CLI_DONE && start(&s, &err) != 0)
        code = tend_start_failed(args, &err);
    if (code == CLI_DONE) {
        tend_sandbox(s.config.sandbox);
        log_info("run", "listening on http://%s with %zu rules, data in %s", api_address(s.api),
                 ruleset_count(core_ruleset(s.core)), s.config.data);
        if (s.syslog != NULL)
            log_info("run", "syslog on UDP port %u, TCP port %u (0: not listening)",
                     syslog_listener_udp_port(s.syslog), syslog_listener_tcp_port(s.syslog));
        tend_until_signal(&stop_signals, is_alive, &s);
        supervise_stopping();
        log_info("run", "stopping");
    }
    stop(&s);
    supervise_close();
    log_stop();
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
