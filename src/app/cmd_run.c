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
#include "app/stdin_source.h"
#include "base/json_out.h"
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
    {"pipeline", OPTION_LIST, "FILE|NAME",
     "change the rules by this processing pipeline before they are read: a file, or one that the program "
     "carries "
     "(may be given again)"},
    {"syslog-udp", OPTION_VALUE, "ADDRESS:PORT", "also take syslog messages over UDP, as 127.0.0.1:5514"},
    {"syslog-tcp", OPTION_VALUE, "ADDRESS:PORT", "also take syslog messages over TCP, as 127.0.0.1:5514"},
    {"stdin", OPTION_FLAG, NULL, "also read events from standard input, one a line"},
    {0}};

enum { PATH_BYTES = 4096 };

struct wishes { /* what the configuration wants in force, read from its files */
    struct arena arena;
    struct rule_source *rules;
    size_t rule_count;
    struct geoip_files *geoip_files;
    struct core_data_file *files;
    size_t file_count;
};

struct server {
    const struct cli_args *args;
    struct config config;
    struct wishes wishes; /* of the start */
    struct geoip *geoip;
    pthread_mutex_t reloading;
    struct reload_outcome {
        bool successful;
        int64_t success_ns;
    } last_reload; /* under `lock` */
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
    struct reload_outcome last_reload = s->last_reload;
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
        {"tocsin_config_last_reload_successful", "gauge", "1 unless the last reload was refused.",
         last_reload.successful},
        {"tocsin_config_last_reload_success_timestamp_seconds", "gauge",
         "When the configuration was last read with success.", (double)last_reload.success_ns / 1e9},
        {"tocsin_notifications_failed_total", "counter", "Notifications given up.", (double)failed},
    };
    print_metrics(out, rows, TC_ARRAY_LEN(rows));
    syslog_metrics(s, out);
}

/* --- start
 * -----------------------------------------------------------------------------------------------------------
 */

static int read_rules(const struct cli_args *args, const struct config *c, struct wishes *w, struct err *err)
{
    const char *const *named;
    size_t named_count = cli_list(args, "rules", &named);
    struct rule_source *shipped = NULL, *own = NULL, *values = NULL;
    size_t shipped_count = 0, own_count = 0, value_count = 0;
    int rc = rules_collect(c->placeholders, c->placeholder_count, &w->arena, &values, &value_count, err);
    if (rc != 0)
        return rc;
    if (named_count > 0)
        rc = rules_collect(named, named_count, &w->arena, &own, &own_count, err);
    else if (c->rule_count > 0)
        rc = rules_collect(c->rules, c->rule_count, &w->arena, &own, &own_count, err);
    if (rc != 0)
        return rc;
    if (named_count == 0 && c->shipped_packs)
        shipped_count = rules_shipped(&w->arena, &shipped);
    w->rules = ARENA_ARRAY(&w->arena, struct rule_source, shipped_count + own_count + value_count + 1);
    if (shipped_count > 0)
        memcpy(w->rules, shipped, shipped_count * sizeof shipped[0]);
    if (own_count > 0)
        memcpy(w->rules + shipped_count, own, own_count * sizeof own[0]);
    if (value_count > 0)
        memcpy(w->rules + shipped_count + own_count, values, value_count * sizeof values[0]);
    w->rule_count = shipped_count + own_count + value_count;
    const char *const *pipelines;
    size_t pipeline_count = cli_list(args, "pipeline", &pipelines);
    if (pipeline_count == 0) {
        pipelines = c->pipelines;
        pipeline_count = c->pipeline_count;
    }
    return rules_pipelines(pipelines, pipeline_count, &w->arena, &w->rules, &w->rule_count, err);
}

static int read_wishes(const struct cli_args *args, const struct config *c, struct wishes *w, struct err *err)
{
    int rc = read_rules(args, c, w, err);
    if (rc == 0)
        rc = geoip_files_open(&fs_system, c->geoip, c->geoip_count, &w->geoip_files, err);
    if (rc != 0)
        return rc;
    w->files = ARENA_ARRAY(&w->arena, struct core_data_file, c->geoip_count + 1);
    for (; w->file_count < geoip_files_count(w->geoip_files); w->file_count++)
        w->files[w->file_count] = (struct core_data_file){
            .what = SV("geoip"),
            .path = arena_sv(&w->arena, sv_of(geoip_files_path(w->geoip_files, w->file_count))),
            .sha256 = arena_sv(&w->arena, sv_of(geoip_files_sha256(w->geoip_files, w->file_count)))};
    return 0;
}

static void wishes_free(struct wishes *w)
{
    geoip_files_close(&w->geoip_files);
    arena_free(&w->arena);
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
                             .rules = s->wishes.rules,
                             .rule_count = s->wishes.rule_count,
                             .files = s->wishes.files,
                             .file_count = s->wishes.file_count,
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
    rules_report(core_ruleset(s->core), false);
    if (ruleset_count(core_ruleset(s->core)) == 0)
        log_warn("core", "no rule is loaded: events are kept, and nothing is judged");
    return 0;
}

/* --- reading the rules anew
 * -----------------------------------------------------------------------------------------------
 */

static int load_config(const struct cli_args *args, struct config *config, struct err *err)
{
    const char *path = cli_value(args, "config", NULL);
    config_defaults(config);
    return path == NULL ? 0 : config_load(path, config, err);
}

static int reload_wishes(struct server *s, const struct config *c, struct wishes *w,
                         struct core_reloaded *ret, struct err *err)
{
    struct core_options wanted = {.rules = w->rules,
                                  .rule_count = w->rule_count,
                                  .files = w->files,
                                  .file_count = w->file_count,
                                  .dedup_window_ns = c->dedup_window_ns,
                                  .resolve_after_ns = c->resolve_after_ns,
                                  .count_steps = c->count_steps};
    int rc = core_reload(s->core, &wanted, ret, err);
    if (rc == 0)
        geoip_put(s->geoip, &w->geoip_files);
    return rc;
}

static void note_reload(struct server *s, bool successful)
{
    pthread_mutex_lock(&s->lock);
    s->last_reload.successful = successful;
    if (successful)
        s->last_reload.success_ns = clk_now(&clk_system).ns;
    pthread_mutex_unlock(&s->lock);
}

static void say_reloaded(const struct core_reloaded *reloaded, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_str(&json, "status", "success");
    json_kv_u64(&json, "rules", reloaded->rule_count);
    json_kv_u64(&json, "unchanged", reloaded->rules.unchanged);
    json_kv_u64(&json, "changed", reloaded->rules.changed);
    json_kv_u64(&json, "added", reloaded->rules.added);
    json_kv_u64(&json, "removed", reloaded->rules.removed);
    json_object_end(&json);
    log_info("reload",
             "%zu rules in force: %zu as before, %zu changed (their windows begin anew), %zu new, %zu gone",
             reloaded->rule_count, reloaded->rules.unchanged, reloaded->rules.changed, reloaded->rules.added,
             reloaded->rules.removed);
}

/*
 * On SIGHUP and by API: rules, `alerts` and GeoIP files are read anew. What opens sockets or starts threads
 * (listen, data, sources, channels, syslog, lateness) is as it was at the start. All of it or nothing.
 */
static int reload(void *context, struct buf *ret_json, struct err *err)
{
    struct server *s = context;
    struct config config = {0};
    struct wishes wishes = {0};
    struct core_reloaded reloaded;
    char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
    pthread_mutex_lock(&s->reloading);
    int rc = load_config(s->args, &config, err);
    if (rc == 0)
        rc = read_wishes(s->args, &config, &wishes, err);
    if (rc == 0)
        rc = reload_wishes(s, &config, &wishes, &reloaded, err);
    note_reload(s, rc == 0);
    if (rc == 0) {
        say_reloaded(&reloaded, ret_json);
    } else {
        rc = rc == TC_ENOTFOUND ? TC_EINPUT : rc; /* a file that is named and missing is the user's to mend */
        err_format(err, text, sizeof text);
        err_set(err, rc, "%s; the rules that were in force go on", text);
        log_error("reload", "refused: %s", err->text);
    }
    wishes_free(&wishes);
    config_free(&config);
    pthread_mutex_unlock(&s->reloading);
    return rc;
}

static void reload_on_signal(struct server *s)
{
    struct err err;
    struct buf json;
    buf_init(&json, 1 << 16);
    (void)reload(s, &json, &err); /* both outcomes are in the log and in /metrics */
    buf_free(&json);
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
    s->geoip = geoip_new();
    geoip_put(s->geoip, &s->wishes.geoip_files);
    s->intake = intake_new(&(struct intake_options){.clk = &clk_system,
                                                    .redactor = s->redactor,
                                                    .geoip = s->geoip,
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
                            .append = append,
                            .command = command,
                            .reload = reload,
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
        .geoip = s->geoip,
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
    int rc = read_wishes(s->args, &s->config, &s->wishes, err);
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
    geoip_free(&s->geoip);
    wishes_free(&s->wishes);
    config_free(&s->config);
    pthread_mutex_destroy(&s->reloading);
    pthread_mutex_destroy(&s->lock);
}

static enum cli_exit read_config(struct server *s)
{
    struct err err;
    if (load_config(s->args, &s->config, &err) != 0) {
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
    struct server s = {.args = args};
    struct err err;
    sigset_t signals;
    pthread_mutex_init(&s.lock, NULL);
    pthread_mutex_init(&s.reloading, NULL);
    s.last_reload = (struct reload_outcome){true, clk_now(&clk_system).ns};
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread is started: all of them inherit it */
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
        while (sigwait(&signals, &signal_number) == 0 && signal_number == SIGHUP)
            reload_on_signal(&s);
        fprintf(stderr, "tocsin: stopping\n");
    }
    stop(&s);
    return code;
}

const struct verb verb_run = {
    .name = "run",
    .operands = "",
    .summary = "serve: take events in, judge them, raise and deliver alerts",
    .details =
        "Listens on loopback and needs no token there unless the configuration names sources. Stops "
        "on SIGINT or SIGTERM; what\n"
        "was acknowledged is kept, whatever happens. SIGHUP, or POST /-/reload, reads the rules, the\n"
        "alerts section and the GeoIP files anew; where one is refused, all that was in force goes on.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = run_run,
};
