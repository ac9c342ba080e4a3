/*
 * Starting and stopping what a server is made of; see service.h.
 *
 * Start: rules, core (recovers), listener (a port that is taken ends the start before anything is sent),
 * courier, the core's thread, the doors. Stop: first what takes events in, then the courier, the core last,
 * so that nothing is accepted that nobody would judge, and nothing decided is lost: what is not sent yet
 * stays in the outbox for the next start.
 */
#include "app/service.h"

#include "app/tend.h"
#include "base/log.h"

#include <stdio.h>

enum { RESERVE_FILE_BYTES = 16 << 20, SUBKEY_DISCLOSE = 16, SUBKEY_QUESTION = 17 /* vault_subkey */ };

static int start_core(struct service *s, struct err *err)
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
                             .segment_age_ns = c->retention_segment_age_ns,
                             .lateness_ns = config_longest_lateness(c),
                             .dedup_window_ns = c->dedup_window_ns,
                             .resolve_after_ns = c->resolve_after_ns,
                             .count_steps = c->count_steps,
                             .response = service_response(c),
                             .oncall = s->wishes.oncall.text,
                             .calendars = s->wishes.oncall.calendars,
                             .calendar_count = s->wishes.oncall.calendar_count,
                             .channels = s->channels,
                             .channel_count = TC_MIN(c->channel_count, TC_ARRAY_LEN(s->channels)),
                             .confirmation_channel = c->confirmation_channel,
                             .digest_channels = c->digest.names,
                             .digest_channel_count = c->digest.count,
                             .digest_at_s = c->digest_at_s,
                             .review_days = c->review_days,
                             .zone_offset_s = c->zone_offset_s,
                             .latencies = &s->latencies,
                             .reserve_file_bytes = RESERVE_FILE_BYTES,
                             .watch = c->watch,
                             .watch_count = c->watch_count,
                             .threads = c->threads,
                             .before_commit = service_before_commit,
                             .context = s,
                             .route = service_route,
                             .outbox_filled = service_outbox_filled,
                             .changed = service_alert_changed,
                             .delivery = service_delivery_moved};
    for (size_t i = 0; i < o.channel_count; i++)
        s->channels[i] = (struct oncall_channel){c->channels[i].name, c->channels[i].type};
    snprintf(s->store_path, sizeof s->store_path, "%s/state.sqlite", c->data);
    int rc = core_open(&o, &s->core, err);
    if (rc != 0)
        return rc;
    tend_report_rules(core_ruleset(s->core));
    if (ruleset_count(core_ruleset(s->core)) == 0)
        log_warn("core", "no rule is loaded: events are kept, and nothing is judged");
    return 0;
}

static int start_intake(struct service *s, struct err *err)
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
                                                    .declared = s->config.sender_lateness,
                                                    .declared_count = s->config.sender_lateness_count,
                                                    .zone_offset_s = s->config.zone_offset_s,
                                                    .classes = s->config.retention_classes,
                                                    .class_count = s->config.retention_class_count});
    return 0;
}

static int start_courier(struct service *s, struct err *err)
{
    uint8_t disclose_key[TC_DISCLOSE_KEY_BYTES];
    vault_subkey(s->privacy.vault, SUBKEY_DISCLOSE, disclose_key);
    vault_subkey(s->privacy.vault, SUBKEY_QUESTION, s->question_key);
    struct notifier_options o = {.clk = &clk_system,
                                 .rng = &rng_system,
                                 .store_path = s->store_path,
                                 .console_url = s->config.console_url,
                                 .channels = s->config.channels,
                                 .channel_count = s->config.channel_count,
                                 .disclose_key = disclose_key,
                                 .question_key = s->question_key,
                                 .receipt = service_take_receipt,
                                 .trouble = service_take_trouble,
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

/* Before the core goes on: what fires is a part of the recovered fold. */
static int start_metrics(struct service *s, struct err *err)
{
    struct metric_rule_settings settings = s->config.metric_rules;
    if (!s->config.metrics)
        return 0;
    int rc = metrics_room_start(&s->config, &s->metrics, err);
    if (rc != 0)
        return rc;
    settings.external_url = s->config.console_url;
    struct metric_rules *rules =
        metric_rules_new(&(struct metric_rules_options){.clk = &clk_system,
                                                        .tsdb = metrics_room_tsdb(s->metrics),
                                                        .append = service_rule_states,
                                                        .context = s},
                         &settings, &s->wishes.metric_rules);
    core_each_firing(s->core, metric_rules_know, rules);
    pthread_mutex_lock(&s->lock);
    s->metric_rules = rules;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static int start_api(struct service *s, struct err *err)
{
    static struct sv receivers[256];
    const struct config *c = &s->config;
    for (size_t i = 0; i < c->channel_count && i < TC_ARRAY_LEN(receivers); i++)
        receivers[i] = c->channels[i].name;
    s->callbacks = callbacks_new(c->channels, c->channel_count);
    struct api_options o = {.listen = c->listen,
                            .store_path = s->store_path,
                            .fs = &fs_system,
                            .data_dir = c->data,
                            .journal = core_journal(s->core),
                            .console_url = c->console_url,
                            .clk = &clk_system,
                            .rng = &rng_system,
                            .intake = s->intake,
                            .tokens = c->tokens,
                            .token_count = c->token_count,
                            .people = c->people,
                            .person_count = c->person_count,
                            .officers = c->officers,
                            .officer_count = c->officer_count,
                            .max_body_bytes = c->max_body_bytes,
                            .context = s,
                            .ready = service_is_ready,
                            .alive = service_is_alive,
                            .writable = service_is_writable,
                            .trouble = service_trouble,
                            .delivery = service_delivery,
                            .append = service_append,
                            .command = service_command,
                            .question = service_is_question,
                            .oncall = service_oncall,
                            .explain = service_explain,
                            .silences = service_silences,
                            .holds = service_holds,
                            .incidents = service_incidents,
                            .reload = service_reload,
                            .tsdb = s->metrics == NULL ? NULL : metrics_room_tsdb(s->metrics),
                            .metadata = s->metrics == NULL ? NULL : metrics_room_metadata(s->metrics),
                            .deltas = s->metrics == NULL ? NULL : metrics_room_deltas(s->metrics),
                            .scrape = s->metrics == NULL ? NULL : metrics_room_scrape(s->metrics),
                            .metrics = service_metrics,
                            .channels = service_channels_json,
                            .sources = service_sources_json,
                            .rules = service_rules_json,
                            .post_alerts = service_post_alerts,
                            .callbacks = s->callbacks,
                            .opted_out = service_opted_out,
                            .say = service_say,
                            .receivers = receivers,
                            .receiver_count = TC_MIN(c->channel_count, TC_ARRAY_LEN(receivers))};
    service_prometheus(s, &o.prometheus);
    struct api *api = NULL;
    int rc = api_start(&o, &api, err);
    pthread_mutex_lock(&s->lock);
    s->api = api;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int start_sentinel(struct service *s, struct err *err)
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
                                 .look = service_look,
                                 .beat = service_send_beat,
                                 .judged = service_is_judged,
                                 .courier_turns = service_courier_turns};
    struct sentinel *sentinel = NULL;
    int rc = sentinel_start(&o, &sentinel, err);
    pthread_mutex_lock(&s->lock); /* /metrics looks at it */
    s->sentinel = sentinel;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int start_sealing(struct service *s, struct err *err)
{
    const struct config *c = &s->config;
    struct sealing *sealing;
    if (c->seal_key_path == NULL)
        return 0;
    struct sealing_options o = {.fs = &fs_system,
                                .clk = &clk_system,
                                .dir = c->data,
                                .key_path = c->seal_key_path,
                                .journal = core_journal(s->core),
                                .interval_ns = c->seal_interval_ns,
                                .witness_file = c->seal_witness_file,
                                .witness_url = c->seal_witness_url,
                                .witness_log = c->seal_witness_log};
    int rc = sealing_start(&o, &sealing, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&s->lock); /* /metrics looks at it */
    s->sealing = sealing;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static int start_keeping(struct service *s, struct err *err)
{
    struct keeping_room *keeping;
    int rc = keeping_start(&s->config, s->core, service_take_retention_trouble, s, &keeping, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&s->lock); /* /metrics looks at it */
    s->keeping = keeping;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static int start_forwarding(struct service *s, struct err *err)
{
    struct forwarding *forwarding = NULL;
    if (s->config.forward_count == 0)
        return 0;
    struct forward_options o = {.clk = &clk_system,
                                .rng = &rng_system,
                                .fs = &fs_system,
                                .dir = s->config.data,
                                .journal = core_journal(s->core),
                                .forwards = s->config.forwards,
                                .count = s->config.forward_count,
                                .trouble = service_take_trouble,
                                .context = s};
    int rc = forwarding_start(&o, &forwarding, err);
    pthread_mutex_lock(&s->lock); /* /metrics looks at it */
    s->forwarding = forwarding;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int start_event_metrics(struct service *s, struct err *err)
{
    const struct config *c = &s->config;
    if (s->metrics == NULL || (c->event_metrics.n == 0 && !c->event_metrics.emf))
        return 0;
    return event_metrics_start(&(struct event_metrics_options){.fs = &fs_system,
                                                               .clk = &clk_system,
                                                               .dir = c->data,
                                                               .journal = core_journal(s->core),
                                                               .tsdb = metrics_room_tsdb(s->metrics),
                                                               .metadata = metrics_room_metadata(s->metrics),
                                                               .config = &c->event_metrics},
                               &s->event_metrics, err);
}

int service_start(struct service *s, struct err *err)
{
    int rc = service_read_wishes(s->args, &s->config, &s->wishes, err);
    if (rc == 0)
        rc = start_core(s, err);
    if (rc == 0)
        rc = start_intake(s, err);
    if (rc == 0)
        rc = service_make_doors(s, err);
    if (rc == 0)
        rc = start_metrics(s, err);
    if (rc == 0)
        rc = start_forwarding(s, err); /* before the first event may come: a new one begins with it */
    if (rc == 0)
        rc = start_event_metrics(s, err);
    if (rc == 0)
        rc = start_api(s, err);
    if (rc == 0)
        rc = start_courier(s, err);
    if (rc == 0)
        rc = core_start(s->core, err);
    if (rc == 0 && s->metric_rules != NULL)
        rc = metric_rules_start(s->metric_rules, err);
    if (rc == 0)
        rc = start_sentinel(s, err);
    if (rc == 0)
        rc = start_sealing(s, err);
    if (rc == 0)
        rc = start_keeping(s, err);
    return rc == 0 ? service_open_doors(s, err) : rc;
}

void service_stop(struct service *s)
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
    callbacks_free(&s->callbacks);
    event_metrics_stop(&s->event_metrics);
    metric_rules_stop(&s->metric_rules); /* after the API, which looks at them, and before their store */
    metrics_room_stop(&s->metrics);      /* after the API, whose requests wait for it */
    service_close_doors(s);              /* after the API, whose /metrics looks at them */
    pthread_mutex_lock(&s->lock);
    struct notifier *notifier = s->notifier;
    s->notifier = NULL;
    pthread_mutex_unlock(&s->lock);
    notifier_free(&notifier);
    pthread_mutex_lock(&s->lock);
    struct sealing *sealing = s->sealing;
    s->sealing = NULL;
    pthread_mutex_unlock(&s->lock);
    sealing_stop(&sealing);
    pthread_mutex_lock(&s->lock);
    struct keeping_room *keeping = s->keeping;
    s->keeping = NULL;
    pthread_mutex_unlock(&s->lock);
    keeping_stop(&keeping);
    pthread_mutex_lock(&s->lock);
    struct forwarding *forwarding = s->forwarding;
    s->forwarding = NULL;
    pthread_mutex_unlock(&s->lock);
    forwarding_stop(&forwarding);
    core_close(&s->core);
    intake_free(&s->syslog_intake);
    intake_free(&s->intake);
    geoip_free(&s->geoip);
    service_wishes_free(&s->wishes);
    privacy_close(&s->privacy);
    config_free(&s->config);
    pthread_mutex_destroy(&s->reloading);
    pthread_mutex_destroy(&s->lock);
}
