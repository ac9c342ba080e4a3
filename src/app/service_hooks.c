/*
 * What the rooms call back; see service.h. Each is an adapter of a few lines, so that no room knows another.
 */
#include "app/service.h"

#include "app/posted.h"

#include "base/json_out.h"
#include "base/log.h"

size_t service_route(void *context, const struct alert *alert, enum severity severity,
                     enum notify_reason reason, const struct sv **ret_channels)
{
    struct service *s = context;
    const struct routing *routing = config_routing_of(&s->config, alert, severity);
    size_t count = 0;
    for (size_t i = 0; i < s->config.channel_count && count < TC_ARRAY_LEN(s->channel_names); i++) {
        const struct channel_config *channel = &s->config.channels[i];
        if (config_routes(routing, channel, severity, sv_of(notify_reason_name(reason))))
            s->channel_names[count++] = channel->name;
    }
    *ret_channels = s->channel_names;
    return count;
}

void service_outbox_filled(void *context)
{
    struct service *s = context;
    pthread_mutex_lock(&s->lock);
    if (s->notifier != NULL)
        notifier_wake(s->notifier);
    pthread_mutex_unlock(&s->lock);
}

void service_alert_changed(void *context, struct sv json)
{
    struct service *s = context;
    pthread_mutex_lock(&s->lock);
    if (s->api != NULL)
        api_publish(s->api, json);
    pthread_mutex_unlock(&s->lock);
}

int service_take_receipt(void *context, const struct receipt *receipt)
{
    return core_receipt(((struct service *)context)->core, receipt);
}

/* Trouble is an event like any other, of the source `self`: a rule of packs/tocsin makes an alert of it.
 * `channel`: p == NULL where it is of none. */
static int read_trouble(struct service *s, const char *event_type, struct sv channel, struct sv detail,
                        struct intake_batch *batch, struct err *err)
{
    struct buf body;
    buf_init(&body, 16 << 10);
    intake_batch_init(batch, 1 << 20);
    struct json_out json = json_out_to(&body);
    json_object(&json);
    json_kv_str(&json, "event_type", event_type);
    if (channel.p != NULL)
        json_kv_string(&json, "channel", channel);
    json_kv_string(&json, "error.message", detail);
    json_object_end(&json);
    int rc = intake_body(s->intake, SV("self"), INTAKE_JSON_STRICT, buf_view(&body), batch, err);
    buf_free(&body);
    return rc;
}

/* Whoever is in trouble must not wait. */
static int take_trouble(struct service *s, const char *event_type, struct sv channel, struct sv detail,
                        struct err *err)
{
    struct intake_batch batch;
    int rc = read_trouble(s, event_type, channel, detail, &batch, err);
    struct journal_batch input = {.kind = BATCH_INPUT,
                                  .received = batch.received,
                                  .refuse_when_full = true,
                                  .blocks = buf_view(&batch.blocks),
                                  .count = batch.count};
    if (rc == 0)
        rc = journal_append_wait(core_journal(s->core), &input, &(uint64_t){0}, err);
    intake_batch_free(&batch);
    return rc;
}

void service_take_trouble(void *context, struct sv channel, struct sv detail)
{
    struct err err;
    if (take_trouble(context, "notification_channel_failed", channel, detail, &err) != 0)
        log_warn("notify", "no alert about channel %.*s: %s", SV_FMT(channel), err.text);
}

void service_take_retention_trouble(void *context, struct sv detail)
{
    struct err err;
    if (take_trouble(context, "retention_failed", (struct sv){0}, detail, &err) != 0)
        log_warn("retention", "no alert about it: %s", err.text);
}

void service_delivery_moved(void *context, bool held)
{
    struct service *s = context;
    log_warn("notify",
             held ? "delivery is held: nothing is sent until `tocsin release`" : "delivery is released");
    pthread_mutex_lock(&s->lock);
    if (s->notifier != NULL)
        notifier_hold(s->notifier, held);
    pthread_mutex_unlock(&s->lock);
}

void service_delivery(void *context, struct api_delivery *ret)
{
    struct delivery_state state;
    core_delivery(((struct service *)context)->core, &state);
    *ret = (struct api_delivery){.held = state.held,
                                 .since_ns = state.since_ns == 0 ? TC_NO_TIME : state.since_ns};
    memcpy(ret->by, state.by, sizeof ret->by);
    memcpy(ret->note, state.note, sizeof ret->note);
}

bool service_is_ready(void *context)
{
    return core_ready(((struct service *)context)->core);
}

bool service_is_alive(void *context)
{
    return !core_failed(((struct service *)context)->core);
}

/* The core goes on while the store cannot be written, and the journal waits while the disk is full; who
 * watches from outside must know of both. */
bool service_is_writable(void *context)
{
    struct service *s = context;
    struct core_stats core;
    struct journal_stats journal;
    core_stats(s->core, &core);
    journal_stats(core_journal(s->core), &journal);
    return !core.store_behind && !journal.full && journal_failed(core_journal(s->core)) == 0;
}

int service_append(void *context, const struct journal_batch *batch, journal_done_fn done, void *done_context,
                   uint64_t *ret_first, struct err *err)
{
    return journal_append(core_journal(((struct service *)context)->core), batch, done, done_context,
                          ret_first, err);
}

static int append_batch(struct service *s, const struct intake_batch *batch, outlet_done_fn done,
                        void *done_context, uint64_t *ret_first, struct err *err)
{
    struct journal_batch input = {.kind = BATCH_INPUT,
                                  .received = batch->received,
                                  .blocks = buf_view(&batch->blocks),
                                  .count = batch->count};
    return service_append(s, &input, done, done_context, ret_first, err);
}

int service_post_alerts(void *context, struct sv source, const struct posted_alert *alerts, size_t count,
                        journal_done_fn done, void *done_context, struct err *err)
{
    struct service *s = context;
    return posted_append(s->intake, core_journal(s->core), source, alerts, count, done, done_context, err);
}

/* Called by the API: not waited for. */
void service_opted_out(void *context, struct sv channel)
{
    struct service *s = context;
    struct intake_batch batch;
    struct err err;
    int rc = read_trouble(s, "notification_channel_failed", channel,
                          SV("a recipient has asked for no more messages (STOP)"), &batch, &err);
    if (rc == 0)
        rc = append_batch(s, &batch, NULL, NULL, NULL, &err);
    if (rc != 0)
        log_warn("notify", "no alert about channel %.*s: %s", SV_FMT(channel), err.text);
    intake_batch_free(&batch);
}

void service_say(void *context, struct sv channel, struct sv url, struct sv body)
{
    struct service *s = context;
    pthread_mutex_lock(&s->lock);
    bool said = s->notifier != NULL && notifier_say(s->notifier, channel, url, body);
    pthread_mutex_unlock(&s->lock);
    if (!said)
        log_warn("notify", "a word to one person in channel %.*s is dropped", SV_FMT(channel));
}

int service_append_live(void *context, const struct intake_batch *batch, outlet_done_fn done,
                        void *done_context, struct err *err)
{
    return append_batch(context, batch, done, done_context, NULL, err);
}

int service_command(void *context, const struct alert_command *what, struct buf *ret_json, struct err *err)
{
    struct service *s = context;
    if (sv_is(what->verb, "confirm") && s->config.confirmation_channel.n == 0)
        return err_set(err, TC_ESTATE,
                       "no channel asks users: name one of type email as alerts.confirmation.channel");
    if (privacy_is_command(what->verb))
        return privacy_command(&s->privacy, s->core, what, ret_json, err);
    int rc = core_command(s->core, what, ret_json, err);
    if (rc == 0 && holds_is_command(what->verb)) { /* who made a hold may rely on it */
        pthread_mutex_lock(&s->lock);
        struct keeping_room *keeping = s->keeping;
        pthread_mutex_unlock(&s->lock);
        keeping_settle(keeping); /* it ends after the API, whose thread this is */
    }
    return rc;
}

int service_oncall(void *context, const struct api_oncall_question *q, struct buf *out, struct err *err)
{
    struct core *core = ((struct service *)context)->core;
    if (q->overrides) {
        core_overrides_json(core, out);
        return 0;
    }
    return core_oncall(
        core,
        &(struct core_oncall_question){
            .schedule = q->schedule, .from_ns = q->from_ns, .to_ns = q->to_ns, .as_calendar = q->as_calendar},
        out, err);
}

void service_holds(void *context, struct buf *out)
{
    struct service *s = context;
    struct holds made;
    core_holds(s->core, &made);
    buf_char(out, '[');
    for (size_t i = 0; i < s->config.retention_hold_count + made.count; i++) {
        const struct hold *hold =
            i < s->config.retention_hold_count ? NULL : &made.items[i - s->config.retention_hold_count];
        struct retention_hold what = hold == NULL ? s->config.retention_holds[i] : hold_retention(hold);
        buf_str(out, i == 0 ? "" : ",");
        hold_json(&what, hold, out);
    }
    buf_char(out, ']');
    holds_free(&made);
}

void service_silences(void *context, struct buf *out)
{
    core_silences_json(((struct service *)context)->core, out);
}

int service_incidents(void *context, struct sv number, bool markdown, struct buf *out, struct err *err)
{
    return core_incidents(((struct service *)context)->core, number, markdown, out, err);
}

bool service_is_question(void *context, struct sv alert_id, struct sv token, uint64_t *ret_number)
{
    struct service *s = context;
    return question_token_holds(s->question_key, alert_id, token, ret_number);
}

int service_before_commit(void *context, struct err *err)
{
    return privacy_before_commit(&((struct service *)context)->privacy, err);
}

enum sentinel_state service_look(void *context)
{
    struct service *s = context;
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

const char *service_trouble(void *context)
{
    struct core_stats core;
    enum sentinel_state state = service_look(context);
    if (state != SENTINEL_FINE)
        return sentinel_text(state);
    core_stats(((struct service *)context)->core, &core);
    return core.store_behind
               ? "The store cannot be written: alerts are raised, lists and notifications wait. Free "
                 "space, or make it writable again"
               : NULL;
}

/* By the front door: intake, journal, and all that follows. */
uint64_t service_send_beat(void *context)
{
    struct service *s = context;
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

int service_rule_states(void *context, struct sv blocks, uint32_t count, struct err *err)
{
    return core_rule_states(((struct service *)context)->core, blocks, count, err);
}

bool service_is_judged(void *context, uint64_t position)
{
    struct core_stats core;
    core_stats(((struct service *)context)->core, &core);
    return core.position >= position;
}

uint64_t service_courier_turns(void *context)
{
    struct service *s = context;
    pthread_mutex_lock(&s->lock);
    uint64_t turns = s->notifier == NULL ? 0 : notifier_turns(s->notifier);
    pthread_mutex_unlock(&s->lock);
    return turns;
}
