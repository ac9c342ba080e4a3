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
#include "app/metrics_doors.h"
#include "app/privacy.h"
#include "app/sentinel.h"
#include "app/stdin_source.h"
#include "app/supervise.h"
#include "app/tend.h"
#include "base/json_out.h"
#include "base/log.h"
#include "cli/rules.h"
#include "ingest/journald_source.h"
#include "ingest/syslog_listener.h"
#include "ingest/tail.h"

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
    {"tail", OPTION_LIST, "PATTERN", "also follow log files, as '/var/log/app/*.log' (may be given again)"},
    {"journald", OPTION_FLAG, NULL, "also read the journal of systemd"},
    {"stdin", OPTION_FLAG, NULL, "also read events from standard input, one a line"},
    TEND_LOG_OPTIONS,
    {0}};

enum { PATH_BYTES = 4096, RESERVE_FILE_BYTES = 16 << 20, SUBKEY_DISCLOSE = 16 /* vault_subkey */ };

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
    struct privacy privacy;
    struct intake *intake;
    pthread_mutex_t lock; /* the two below come and go while threads of the core and of the other call them */
    struct notifier *notifier;
    struct api *api;
    struct sentinel *sentinel;
    struct latencies latencies;
    int64_t started_ns;
    struct stdin_source *stdin_source;
    struct intake *syslog_intake;
    struct tail *_Atomic tail;
    struct journald_source *_Atomic journald;
    struct syslog_listener *_Atomic syslog; /* set while the API's threads may look for /metrics */
};

/* --- what the rooms are handed
 * --------------------------------------------------------------------------------------- */

static size_t route(void *context, enum severity severity, enum notify_reason reason,
                    const struct sv **ret_channels)
{
    struct server *s = context;
    size_t count = 0;
    for (size_t i = 0; i < s->config.channel_count && count < TC_ARRAY_LEN(s->channel_names); i++) {
        const struct channel_config *channel = &s->config.channels[i];
        if (config_routes(&s->config, channel, severity, sv_of(notify_reason_name(reason))))
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

static int take_receipt(void *context, const struct receipt *receipt)
{
    return core_receipt(((struct server *)context)->core, receipt);
}

/* A channel in trouble is an event like any other, of the source `self`: a rule makes an alert of it. */
static void take_trouble(void *context, struct sv channel, struct sv detail)
{
    struct server *s = context;
    struct intake_batch batch;
    struct buf body;
    struct err err;
    buf_init(&body, 16 << 10);
    intake_batch_init(&batch, 1 << 20);
    struct json_out json = json_out_to(&body);
    json_object(&json);
    json_kv_str(&json, "event_type", "notification_channel_failed");
    json_kv_string(&json, "channel", channel);
    json_kv_string(&json, "error.message", detail);
    json_object_end(&json);
    int rc = intake_body(s->intake, SV("self"), INTAKE_JSON_STRICT, buf_view(&body), &batch, &err);
    struct journal_batch input = {.kind = BATCH_INPUT,
                                  .received = batch.received,
                                  .blocks = buf_view(&batch.blocks),
                                  .count = batch.count};
    if (rc == 0)
        rc = journal_append_wait(core_journal(s->core), &input, &(uint64_t){0}, &err);
    if (rc != 0)
        log_warn("notify", "no alert about channel %.*s: %s", SV_FMT(channel), err.text);
    intake_batch_free(&batch);
    buf_free(&body);
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
    struct server *s = context;
    return privacy_is_command(what->verb) ? privacy_command(&s->privacy, s->core, what, ret_json, err)
                                          : core_command(s->core, what, ret_json, err);
}

static int before_commit(void *context, struct err *err)
{
    return privacy_before_commit(&((struct server *)context)->privacy, err);
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

/* For /v1/channels. */
static void rules_json(void *context, struct buf *out)
{
    core_rules_json(((struct server *)context)->core, out);
}

static void channels_json(void *context, struct buf *out)
{
    struct server *s = context;
    struct json_out json = json_out_to(out);
    struct channel_stats stats;
    json_array(&json);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; s->notifier != NULL && i < notifier_channel_count(s->notifier); i++) {
        notifier_channel_stats(s->notifier, i, &stats);
        json_object(&json);
        json_kv_string(&json, "name", stats.name);
        json_kv_string(&json, "type", stats.type);
        json_kv_bool(&json, "failing", stats.failing);
        json_kv_u64(&json, "pending", stats.pending);
        json_kv_u64(&json, "sent", stats.sent);
        json_kv_u64(&json, "failed", stats.failed);
        json_kv_u64(&json, "retries", stats.retries);
        json_kv_u64(&json, "diverted", stats.diverted);
        json_object_end(&json);
    }
    pthread_mutex_unlock(&s->lock);
    json_array_end(&json);
}

static void door_metrics(struct server *s, struct buf *out)
{
    struct vault_stats vault;
    vault_stats(s->privacy.vault, &vault);
    metrics_vault(&vault, s->privacy.revealed, s->privacy.erased, out);
    const struct tail *tail = s->tail;
    if (tail != NULL) {
        struct tail_stats stats;
        tail_stats(tail, &stats);
        metrics_tail(&stats, out);
    }
    const struct journald_source *journald = s->journald;
    if (journald != NULL) {
        struct journald_stats stats;
        journald_source_stats(journald, &stats);
        metrics_journald(&stats, out);
    }
    pthread_mutex_lock(&s->lock);
    if (s->notifier != NULL)
        metrics_channels(s->notifier, out);
    pthread_mutex_unlock(&s->lock);
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
    struct reload_outcome last_reload = s->last_reload;
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
    metrics_reload(last_reload.successful, last_reload.success_ns, out);
    door_metrics(s, out);
    tend_metrics(out);
    core_source_metrics(s->core, out);
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
                             .policy = c->policy_text,
                             .lateness_ns = c->lateness_ns,
                             .dedup_window_ns = c->dedup_window_ns,
                             .resolve_after_ns = c->resolve_after_ns,
                             .count_steps = c->count_steps,
                             .digest_channels = c->digest.names,
                             .digest_channel_count = c->digest.count,
                             .digest_at_s = c->digest_at_s,
                             .zone_offset_s = c->zone_offset_s,
                             .latencies = &s->latencies,
                             .reserve_file_bytes = RESERVE_FILE_BYTES,
                             .watch = c->watch,
                             .watch_count = c->watch_count,
                             .threads = c->threads,
                             .before_commit = before_commit,
                             .context = s,
                             .route = route,
                             .outbox_filled = outbox_filled,
                             .changed = alert_changed,
                             .delivery = delivery_moved};
    snprintf(s->store_path, sizeof s->store_path, "%s/state.sqlite", c->data);
    int rc = core_open(&o, &s->core, err);
    if (rc != 0)
        return rc;
    tend_report_rules(core_ruleset(s->core));
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
                                  .policy = s->config.policy_text, /* the one that the redactor has */
                                  .watch = c->watch,
                                  .watch_count = c->watch_count,
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
    uint8_t disclose_key[TC_DISCLOSE_KEY_BYTES];
    vault_subkey(s->privacy.vault, SUBKEY_DISCLOSE, disclose_key);
    struct notifier_options o = {.clk = &clk_system,
                                 .rng = &rng_system,
                                 .store_path = s->store_path,
                                 .console_url = s->config.console_url,
                                 .channels = s->config.channels,
                                 .channel_count = s->config.channel_count,
                                 .disclose_key = disclose_key,
                                 .receipt = take_receipt,
                                 .trouble = take_trouble,
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
    int rc = privacy_open(&s->privacy, &s->config, s->store_path, err);
    if (rc != 0)
        return rc;
    s->geoip = geoip_new();
    geoip_put(s->geoip, &s->wishes.geoip_files);
    s->intake = intake_new(&(struct intake_options){.clk = &clk_system,
                                                    .redactor = s->privacy.redactor,
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
                            .officers = c->officers,
                            .officer_count = c->officer_count,
                            .max_body_bytes = c->max_body_bytes,
                            .context = s,
                            .ready = is_ready,
                            .alive = is_alive,
                            .writable = is_writable,
                            .trouble = trouble,
                            .delivery = delivery,
                            .append = append,
                            .command = command,
                            .reload = reload,
                            .metrics = metrics,
                            .rules = rules_json,
                            .channels = channels_json,
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
        .redactor = s->privacy.redactor,
        .geoip = s->geoip,
        .lateness_ns = c->syslog_lateness_ns >= 0 ? c->syslog_lateness_ns : c->lateness_ns,
        .zone_offset_s = c->zone_offset_s});
    struct syslog_options o = {.clk = &clk_system,
                               .intake = s->syslog_intake,
                               .parser = c->syslog_parser,
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

static void restore_tail(void *context, struct sv key, struct sv value)
{
    tail_restore(context, key, value);
}

/* What was asked for on the command line stands behind what the configuration names. */
static void add_tail_option(struct server *s)
{
    struct config *c = &s->config;
    const char *const *paths;
    size_t count = cli_list(s->args, "tail", &paths);
    if (count == 0)
        return;
    struct tail_source *files = ARENA_ARRAY(&c->arena, struct tail_source, c->file_count + 1);
    if (c->file_count > 0)
        memcpy(files, c->files, c->file_count * sizeof files[0]);
    files[c->file_count++] = (struct tail_source){.paths = paths, .path_count = count, .from_end = true};
    c->files = files;
}

/* The positions are those of the recovered fold: before the core's thread goes on. */
static int make_tail(struct server *s, struct err *err)
{
    struct tail *tail = NULL;
    add_tail_option(s);
    if (s->config.file_count == 0)
        return 0;
    struct tail_options o = {.fs = &fs_system,
                             .clk = &clk_system,
                             .intake = s->intake,
                             .zone_offset_s = s->config.zone_offset_s,
                             .sources = s->config.files,
                             .source_count = s->config.file_count,
                             .append = append_live,
                             .context = s};
    int rc = tail_new(&o, &tail, err);
    if (rc != 0)
        return rc;
    core_each_position(s->core, restore_tail, tail);
    s->tail = tail;
    return 0;
}

static void restore_journald(void *context, struct sv key, struct sv value)
{
    journald_source_restore(context, key, value);
}

static int make_journald(struct server *s, struct err *err)
{
    struct journald_source *journald = NULL;
    if (!s->config.journald)
        return 0;
    struct journald_options o = {.intake = s->intake,
                                 .directory = s->config.journald_directory,
                                 .from_beginning = s->config.journald_from_beginning,
                                 .append = append_live,
                                 .context = s};
    int rc = journald_source_new(&o, &journald, err);
    if (rc != 0)
        return rc;
    core_each_position(s->core, restore_journald, journald);
    s->journald = journald;
    return 0;
}

static int start_sentinel(struct server *s, struct err *err)
{
    const struct config *c = &s->config;
    struct channel_config *speak = ARENA_ARRAY(&s->config.arena, struct channel_config, c->channel_count + 1);
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
    int rc = read_wishes(s->args, &s->config, &s->wishes, err);
    if (rc == 0)
        rc = start_core(s, err);
    if (rc == 0)
        rc = start_intake(s, err);
    if (rc == 0)
        rc = make_tail(s, err);
    if (rc == 0)
        rc = make_journald(s, err);
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
    if (rc == 0 && s->tail != NULL)
        rc = tail_start(s->tail, err);
    if (rc == 0 && s->journald != NULL)
        rc = journald_source_start(s->journald, err);
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
    struct tail *tail = s->tail;
    tail_free(&tail);
    struct journald_source *journald = s->journald;
    journald_source_free(&journald);
    pthread_mutex_lock(&s->lock);
    struct notifier *notifier = s->notifier;
    s->notifier = NULL;
    pthread_mutex_unlock(&s->lock);
    notifier_free(&notifier);
    core_close(&s->core);
    intake_free(&s->syslog_intake);
    intake_free(&s->intake);
    geoip_free(&s->geoip);
    wishes_free(&s->wishes);
    privacy_close(&s->privacy);
    config_free(&s->config);
    pthread_mutex_destroy(&s->reloading);
    pthread_mutex_destroy(&s->lock);
}

static enum cli_exit read_config(struct server *s)
{
    struct err err;
    if (load_config(s->args, &s->config, &err) != 0) {
        tend_start_failed(s->args, &err);
        return CLI_USAGE;
    }
    s->config.data = cli_value(s->args, "data", s->config.data);
    s->config.listen = cli_value(s->args, "listen", s->config.listen);
    s->config.syslog_udp = cli_value(s->args, "syslog-udp", s->config.syslog_udp);
    s->config.syslog_tcp = cli_value(s->args, "syslog-tcp", s->config.syslog_tcp);
    s->config.journald |= cli_flag(s->args, "journald");
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
        while (tend_until_signal(&signals, is_alive, &s) == SIGHUP) {
            supervise_reloading(&clk_system);
            reload_on_signal(&s);
        }
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
