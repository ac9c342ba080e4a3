/*
 * From records to decisions.
 *
 * Records are gathered into a batch, then judged in order: runs of events go to the detector together,
 * control records (ticks, commands, activations) stand between them. Where a batch is cut does not change a
 * result. The decisions of a batch leave in a frame that says how far into the input it speaks for. Where
 * they are many (one tick may resolve every alert there is) they leave in several: each record bears its
 * cause as its source position, so that a recovery knows how many of a half-told position were said.
 */
#include "app/core_priv.h"

#include "app/metric_record.h"
#include "base/json_out.h"
#include "base/log.h"
#include "cli/finding_out.h"
#include "event/json.h"

#include <stdio.h>

/* Longer findings leave out the event's fields: an event of 1 MiB that a hundred rules find would take a
 * hundred. */
enum { FINDING_JSON_BYTES = 64 << 10 };

static int gather(struct core *core, struct sv block, uint64_t position, struct err *err)
{
    struct event *event = &core->events[core->event_count];
    char *copy =
        arena_alloc_raw(&core->batch, block.n, 8); /* a frame is lent only until the next one is read */
    memcpy(copy, block.p, block.n);
    int rc = record_decode(sv_make(copy, block.n), &core->batch, event, err);
    if (rc != 0)
        return err_while(err, "record %llu of the journal", (unsigned long long)position);
    event->position = position;
    core->event_count++;
    core->batch_bytes += block.n;
    return 0;
}

int fold_add(struct core *core, const struct journal_frame *frame, struct err *err)
{
    struct sv rest = frame->blocks;
    for (uint64_t i = 0; i < frame->count; i++) {
        size_t length = record_length(rest);
        if (length == 0)
            return err_set(err, TC_ECORRUPT,
                           "the frame at position %llu holds fewer records than it says: run tocsin verify",
                           (unsigned long long)frame->first);
        if (core->event_count == CORE_BATCH_RECORDS || core->batch_bytes > CORE_BATCH_BYTES) {
            int rc = fold_flush(core, err);
            if (rc != 0)
                return rc;
        }
        int rc = gather(core, sv_head(rest, length), frame->first + i, err);
        if (rc != 0)
            return rc;
        core->position = frame->first + i;
        rest = sv_from(rest, length);
    }
    return 0;
}

/* --- decisions as records
 * ------------------------------------------------------------------------------------------- */

/* All that is caused at or before `consumed` is said by what is in core->blocks and by frames before. */
static int commit_decisions(struct core *core, uint64_t consumed, struct err *err)
{
    struct journal_batch batch = {.kind = BATCH_DECISION,
                                  .received = clk_now(core->options.clk),
                                  .consumed = consumed,
                                  .blocks = buf_view(&core->blocks),
                                  .count = core->block_count};
    uint64_t first;
    if (core->block_count == 0)
        return 0;
    int rc = journal_append_wait(core->journal, &batch, &first, err);
    if (rc != 0)
        return err_while(err, "writing decisions to the journal");
    core->said = TC_MAX(core->said, consumed);
    rc = project_frame(
        core, &(struct journal_frame){.first = first, .count = batch.count, .blocks = batch.blocks}, err);
    buf_clear(&core->blocks);
    core->block_count = 0;
    return rc;
}

/* Of the position that was said in part before a crash, the first records were said: they come in the same
 * order again. */
static bool was_said(struct core *core, uint64_t cause)
{
    if (cause <= core->said)
        return true;
    if (cause != core->half_said || core->half_count == 0)
        return false;
    core->half_count--;
    return true;
}

/* For the latency of sending; beyond the bound the oldest are forgotten. */
static void note_intent(struct core *core, const char *key)
{
    pthread_mutex_lock(&core->lock);
    size_t at = core->sending_at++ % TC_ARRAY_LEN(core->sending);
    core->sending[at].key = hash_64(sv_of(key));
    core->sending[at].mono_ns = clk_monotonic_ns(core->options.clk);
    pthread_mutex_unlock(&core->lock);
}

static int add_block(struct core *core, enum record_type type, enum record_class class, int64_t time_ns,
                     uint64_t cause, struct err *err)
{
    struct event record = {.type = (uint8_t)type,
                           .class = (uint8_t) class,
                           .source = SV("self"),
                           .source_position = cause,
                           .received = clk_now(core->options.clk),
                           .time = {time_ns},
                           .raw = buf_view(&core->json),
                           .repeat = 1};
    if (core->json.overflow)
        return err_set(err, TC_EBOUND, "a decision is longer than %d bytes", CORE_JSON_BYTES);
    record_encode(&record, &core->blocks);
    core->block_count++;
    return core->blocks.n < core->options.decision_bytes ? 0 : commit_decisions(core, cause - 1, err);
}

/* The finding as JSON, after the id of the alert that it was counted in, where that is known: so that whoever
 * reads the journal finds the events of an alert, and the alerts of an event (query/pivot.h). */
static void finding_json(struct core *core, const struct finding *f, const char *source, uint64_t line,
                         const char *alert_id)
{
    struct json_out json = json_out_to(&core->json);
    buf_clear(&core->json);
    if (alert_id != NULL) {
        json_object(&json);
        json_kv_str(&json, "alert", alert_id);
    }
    size_t at = core->json.n;
    finding_out_json(f, source, line, 0, &core->json);
    if (alert_id != NULL && !core->json.overflow)
        core->json.p[at] = ','; /* its members go on in the object that was begun */
}

static int finding_record(struct core *core, const struct finding *f, const char *alert_id, struct err *err)
{
    char *source = f->event == NULL ? NULL : arena_str(&core->batch, f->event->source);
    uint64_t line = f->event == NULL ? 0 : f->event->source_position;
    struct finding kept = *f;
    for (int part = 0; part < 3; part++) { /* the event's own record has what is left out */
        finding_json(core, &kept, source, line, alert_id);
        if (!core->json.overflow && core->json.n <= FINDING_JSON_BYTES)
            break;
        kept.field_count = 0;
        kept.group_count = part == 0 ? kept.group_count : 0;
    }
    core->json.n--; /* the line's end */
    return add_block(core, REC_FINDING, CLASS_SECURITY, f->time.ns, f->position, err);
}

/* An acknowledgement and an end are told by the decision's own record to the channels that have a word for it
 * (D-09, E-04). Their key names the step, so an alert that is resolved, then closed, is told once. */
static bool news_of(const struct decision *d, enum notify_reason *ret)
{
    bool acknowledged = sv_is(d->what, "acknowledged");
    *ret = acknowledged ? NOTIFY_ACKNOWLEDGED : NOTIFY_RESOLVED;
    return acknowledged || sv_is(d->what, "resolved") || sv_is(d->what, "closed");
}

static void decision_json(struct core *core, const struct decision *d)
{
    struct json_out json = json_out_to(&core->json);
    buf_clear(&core->json);
    json_object(&json);
    json_kv_u64(&json, "position", d->position);
    json_kv_string(&json, "what", d->what);
    json_kv_string(&json, "by", d->by);
    char key[sizeof d->key];
    enum notify_reason reason;
    if (d->kind == DECIDE_INTENT)
        address_intent(core, d, d->reason, sv_of(d->key), &json);
    else if (!d->quiet && news_of(d, &reason)) {
        int n = snprintf(key, sizeof key, "%s-%s", d->alert->id, notify_reason_name(reason));
        address_intent(core, d, reason, sv_make(key, (size_t)n), &json);
    }
    json_key(&json, SV("alert"));
    struct buf alert;
    buf_init(&alert, CORE_JSON_BYTES);
    alert_to_json(d->alert, &alert);
    json_raw(&json, buf_view(&alert));
    buf_free(&alert);
    json_object_end(&json);
}

/* The time a decision bears: of the alert's last occurrence or change, never of the wall. */
static int64_t decision_time(const struct alert *alert)
{
    if (alert->ended_ns != TC_NO_TIME)
        return alert->ended_ns;
    return alert->acknowledged_ns != TC_NO_TIME ? TC_MAX(alert->acknowledged_ns, alert->last_ns)
                                                : alert->last_ns;
}

static void answer(struct core *core, const struct decision *d)
{
    pthread_mutex_lock(&core->lock);
    for (struct waiter *w = core->waiters; w != NULL; w = w->next) {
        if (w->position != d->position)
            continue;
        w->rc = d->kind == DECIDE_REFUSED ? d->refused.code : 0;
        if (d->kind == DECIDE_REFUSED)
            w->err = d->refused;
        else if (d->kind == DECIDE_ALERT) {
            buf_clear(w->json);
            alert_to_json(d->alert, w->json);
        }
    }
    pthread_mutex_unlock(&core->lock);
}

/* Makes records of the decisions since the last call; those whose cause was spoken for already are swallowed.
 */
static int take_decisions(struct core *core, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < core->decisions.count; i++) {
        const struct decision *d = &core->decisions.items[i];
        answer(core, d);
        if (d->kind == DECIDE_REFUSED || was_said(core, d->position))
            continue;
        decision_json(core, d);
        rc = add_block(core, d->kind == DECIDE_INTENT ? REC_INTENT : REC_DECISION, CLASS_AUDIT,
                       decision_time(d->alert), d->position, err);
        core->counts.decisions++;
        core->counts.intents += d->kind == DECIDE_INTENT;
        if (d->kind == DECIDE_INTENT && core->options.latencies != NULL)
            note_intent(core, d->key);
    }
    core->decisions.count = 0;
    return rc;
}

static int take_findings(struct core *core, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < core->findings.count; i++) {
        const struct finding *f = &core->findings.items[i];
        const struct alert *alert = book_finding(core->book, f, &core->decisions);
        if (!f->repeat && f->resets == NULL && !was_said(core, f->position)) {
            rc = finding_record(core, f, alert->id, err);
            core->counts.findings++;
        }
        if (rc == 0)
            rc = take_decisions(core, err);
        core->store_dirty = true;
    }
    core->findings.count = 0;
    return rc;
}

/* --- control records
 * ------------------------------------------------------------------------------------------------ */

/* An intent that comes from no decision of the book; *out as its JSON. */
static int say(struct core *core, const struct event *cause, const struct buf *out, struct err *err)
{
    if (was_said(core, cause->position))
        return 0;
    buf_clear(&core->json);
    buf_sv(&core->json, buf_view(out));
    core->counts.intents++;
    return add_block(core, REC_INTENT, CLASS_AUDIT, cause->received.ns, cause->position, err);
}

static int tick_rooms(struct core *core, const struct event *record, struct err *err)
{
    detector_tick(core->detector, record->position, record->received, &core->findings);
    watchdog_tick(&core->watchdog, core->detector, core->book, record->position, record->received,
                  &core->findings);
    int rc = take_findings(core, err);
    if (rc != 0)
        return rc;
    book_tick(core->book, record->position, record->received, &core->decisions);
    return take_decisions(core, err);
}

static int fold_tick(struct core *core, const struct event *record, struct err *err)
{
    core->last_tick_ns = record->received.ns;
    struct buf digest;
    buf_init(&digest, CORE_JSON_BYTES);
    bool due = digest_of(core, record, &digest);
    int rc = tick_rooms(core, record, err);
    if (rc == 0 && due)
        rc = say(core, record, &digest, err);
    buf_free(&digest);
    return rc;
}
static int fold_test(struct core *core, const struct event *record, struct sv channel, struct sv by,
                     struct err *err)
{
    char id[32];
    struct buf intent;
    buf_init(&intent, CORE_JSON_BYTES);
    intent_of_test(record, channel, by, &intent);
    int rc = say(core, record, &intent, err);
    snprintf(id, sizeof id, "test-%llu", (unsigned long long)record->position);
    pthread_mutex_lock(&core->lock);
    for (struct waiter *w = core->waiters; w != NULL; w = w->next)
        if (w->position == record->position) {
            struct json_out json = json_out_to(w->json);
            buf_clear(w->json);
            json_object(&json);
            json_kv_string(&json, "channel", channel);
            json_kv_str(&json, "id", id);
            json_object_end(&json);
        }
    pthread_mutex_unlock(&core->lock);
    buf_free(&intent);
    return rc;
}

static void answer_delivery(struct core *core, uint64_t position)
{
    pthread_mutex_lock(&core->lock);
    core->delivery_shown = core->delivery;
    for (struct waiter *w = core->waiters; w != NULL; w = w->next)
        if (w->position == position) {
            buf_clear(w->json);
            struct json_out json = json_out_to(w->json);
            json_object(&json);
            json_kv_bool(&json, "held", core->delivery.held);
            json_object_end(&json);
        }
    pthread_mutex_unlock(&core->lock);
}

/* What is about no alert: overrides, incidents, silences, holds. False: none of them. */
static bool run_other(struct core *core, const struct event *record, const struct alert_command *command,
                      struct buf *json, int *ret_rc, struct err *err)
{
    bool oncall = oncall_is_command(command->verb), incident = incident_is_command(command->verb);
    bool hold = holds_is_command(command->verb);
    if (silence_is_command(command->verb)) {
        *ret_rc = silence_command(core->book, record->position, record->received, command, json,
                                  &core->decisions, err);
        core_show_silences(core, record->received.ns);
        return true;
    }
    pthread_mutex_lock(&core->oncall_lock);
    if (oncall)
        *ret_rc = oncall_command(&core->overrides, core->oncall, command, record->received, json, err);
    else if (incident)
        *ret_rc = incident_command(&core->incidents, core->book, command, record->received, json, err);
    else if (hold)
        *ret_rc = holds_command(&core->holds, command, record->received, json, err);
    pthread_mutex_unlock(&core->oncall_lock);
    return oncall || incident || hold;
}

static void answer_waiters(struct core *core, uint64_t position, int rc, const struct err *why,
                           const struct buf *json)
{
    pthread_mutex_lock(&core->lock);
    for (struct waiter *w = core->waiters; w != NULL; w = w->next)
        if (w->position == position) {
            w->rc = rc;
            w->err = *why;
            buf_clear(w->json);
            buf_sv(w->json, buf_view(json));
        }
    pthread_mutex_unlock(&core->lock);
}

static int tell_incident(struct core *core, const struct event *record, const struct alert_command *command,
                         struct err *err)
{
    struct buf intent;
    buf_init(&intent, CORE_JSON_BYTES);
    int rc = intent_of_incident(core, record, command, &intent) ? say(core, record, &intent, err) : 0;
    buf_free(&intent);
    return rc;
}

/* *ret_rc is of the core; what the command came to is for who asked, after what the decisions say to them. */
static bool fold_other(struct core *core, const struct event *record, const struct alert_command *command,
                       int *ret_rc, struct err *err)
{
    struct buf json;
    struct err why = {0};
    int rc = 0;
    buf_init(&json, CORE_JSON_BYTES);
    bool mine = run_other(core, record, command, &json, &rc, &why);
    if (mine) {
        *ret_rc = take_decisions(core, err);
        if (*ret_rc == 0 && rc == 0 && incident_is_command(command->verb))
            *ret_rc = tell_incident(core, record, command, err);
        answer_waiters(core, record->position, rc, &why, &json);
    }
    buf_free(&json);
    return mine;
}

static int fold_drill(struct core *core, const struct event *record, const struct alert_command *command,
                      struct err *err)
{
    struct buf none = {0};
    struct err why = {0};
    int rc = drill_finding(record, command, &core->findings, &why);
    if (rc == 0)
        return take_findings(core, err);
    answer_waiters(core, record->position, rc, &why, &none);
    return 0;
}

static int fold_command(struct core *core, const struct event *record, struct err *err)
{
    struct event e = {.time = {TC_NO_TIME}};
    if (json_parse_event(record->raw, &core->batch, &e, NULL) != 0)
        return 0; /* we wrote it; a record of another version says nothing to us */
    event_index(&e, &core->batch);
    if (sv_is(event_value(&e, "verb"), "test"))
        return fold_test(core, record, event_value(&e, "alert"), event_value(&e, "by"), err);
    struct alert_command command = {0};
    for (const struct alert_command_member *m = alert_command_members; m->name != NULL; m++)
        *alert_command_at(&command, m) = event_value(&e, m->name);
    if (sv_starts(command.verb, SV("vault_")))
        return 0; /* an audit record: what was done was done beside the core */
    if (sv_is(command.verb, "drill"))
        return fold_drill(core, record, &command, err);
    int rc = 0;
    if (fold_other(core, record, &command, &rc, err))
        return rc;
    bool was_held = core->delivery.held;
    if (delivery_apply(&core->delivery, &command, record->received)) {
        core->delivery_moved = core->delivery_moved || core->delivery.held != was_held;
        answer_delivery(core, record->position);
        return 0;
    }
    book_command(core->book, record->position, record->received, &command, &core->decisions);
    return take_decisions(core, err);
}

/* The record bears what the rule said then: no rule, and no sample, is asked again. */
static int fold_rule_state(struct core *core, const struct event *record, struct err *err)
{
    struct alert_change change;
    int rc = 0;
    if (!metric_record_read(record, &core->batch, &change))
        return 0; /* we wrote it; a record of another version says nothing to us */
    if (change.firing && !was_said(core, record->position)) {
        rc = finding_record(core, change.finding, NULL, err); /* the decision names its alert */
        core->counts.findings++;
    }
    book_change(core->book, &change, &core->decisions);
    core->store_dirty = true;
    return rc == 0 ? take_decisions(core, err) : rc;
}

static int fold_control(struct core *core, const struct event *record, struct err *err)
{
    switch (record->type) {
    case REC_TICK:
        return fold_tick(core, record, err);
    case REC_COMMAND:
        return fold_command(core, record, err);
    case REC_ACTIVATED:
        return activate_apply(core, record->raw, err);
    case REC_METRIC:
        return fold_rule_state(core, record, err);
    case REC_POSITION:
        positions_put(&core->positions, record->source, record->raw);
        return 0;
    default:
        return 0; /* findings, decisions, intents, receipts: results, not causes */
    }
}

static int judge(struct core *core, size_t count, struct err *err)
{
    detector_judge(core->detector, core->run, count, &core->findings);
    return take_findings(core, err);
}

static int fold_run(struct core *core, size_t from, size_t to, struct err *err)
{
    size_t count = 0;
    int rc = 0;
    for (size_t i = from; rc == 0 && i < to; i++) {
        const struct event *event = &core->events[i];
        if (watchdog_heard(&core->watchdog, event)) { /* decisions are made in order of their causes */
            rc = judge(core, count, err);
            count = 0;
            watchdog_resume(core->book, event, &core->decisions);
            if (rc == 0)
                rc = take_decisions(core, err);
        }
        if (!(event->flags & EVENT_QUARANTINED))
            core->run[count++] = event;
    }
    core->counts.events += to - from;
    return rc == 0 ? judge(core, count, err) : rc;
}

static int fold_all(struct core *core, struct err *err)
{
    size_t at = 0;
    while (at < core->event_count) {
        size_t end = at;
        while (end < core->event_count && core->events[end].type == REC_EVENT)
            end++;
        int rc = fold_run(core, at, end, err);
        if (rc == 0 && end < core->event_count)
            rc = fold_control(core, &core->events[end++], err);
        if (rc != 0)
            return rc;
        at = end;
    }
    return 0;
}

/* --- the batch's end
 * ------------------------------------------------------------------------------------------------ */

static void wake_waiters(struct core *core)
{
    pthread_mutex_lock(&core->lock);
    for (struct waiter *w = core->waiters; w != NULL; w = w->next)
        w->done = w->done || w->position <= core->position;
    pthread_cond_broadcast(&core->changed);
    pthread_mutex_unlock(&core->lock);
}

static void reset_batch(struct core *core)
{
    arena_reset(&core->batch);
    core->event_count = core->batch_bytes = 0;
    core->findings = (struct finding_list){.arena = &core->batch};
    core->decisions = (struct decision_list){.arena = &core->batch};
    buf_clear(&core->blocks);
    core->block_count = 0;
}

int fold_flush(struct core *core, struct err *err)
{
    if (core->event_count == 0)
        return 0;
    uint64_t consumed = core->events[core->event_count - 1].position;
    int64_t oldest_ns = core->events[0].received.ns;
    int rc = fold_all(core, err);
    bool decides = core->block_count > 0;
    if (rc == 0)
        rc = commit_decisions(core, consumed, err);
    if (rc == 0 && decides && core->options.latencies != NULL && core_ready(core))
        duration_histogram_observe(&core->options.latencies->decided,
                                   clk_now(core->options.clk).ns - oldest_ns);
    if (rc == 0)
        rc = project_settle(core, core->position, err); /* before who waits is told: they may look */
    reset_batch(core);
    if (rc == 0 && core->delivery_moved && core_ready(core) && core->options.delivery != NULL)
        core->options.delivery(core->options.context, core->delivery.held);
    core->delivery_moved = false;
    if (rc == 0)
        wake_waiters(core);
    return rc;
}
