/*
 * From records to decisions.
 *
 * Records are gathered into a batch, then judged in order: runs of events go to the detector together,
 * control records (ticks, commands, activations) stand between them. Where a batch is cut does not change a
 * result. All decisions of a batch leave in one frame, which says how far into the input it speaks for.
 */
#include "app/core_priv.h"

#include "base/json_out.h"
#include "base/log.h"
#include "cli/finding_out.h"
#include "event/json.h"

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

static void add_block(struct core *core, enum record_type type, enum record_class class, int64_t time_ns)
{
    record_encode_plain(type, class, SV("self"), clk_now(core->options.clk), (struct event_time){time_ns},
                        buf_view(&core->json), &core->blocks);
    core->block_count++;
}

static void finding_record(struct core *core, const struct finding *f)
{
    char *source = f->event == NULL ? NULL : arena_str(&core->batch, f->event->source);
    buf_clear(&core->json);
    finding_out_json(f, source, f->event == NULL ? 0 : f->event->source_position, 0, &core->json);
    core->json.n--; /* the line's end */
    add_block(core, REC_FINDING, CLASS_SECURITY, f->time.ns);
}

static void decision_json(struct core *core, const struct decision *d)
{
    struct json_out json = json_out_to(&core->json);
    buf_clear(&core->json);
    json_object(&json);
    json_kv_u64(&json, "position", d->position);
    json_kv_string(&json, "what", d->what);
    json_kv_string(&json, "by", d->by);
    if (d->kind == DECIDE_INTENT) {
        const struct sv *channels;
        size_t count = core->options.route(core->options.context, d->alert->severity, &channels);
        json_kv_str(&json, "key", d->key);
        json_kv_str(&json, "reason", notify_reason_name(d->reason));
        json_kv_u64(&json, "count", d->alert->count);
        json_key(&json, SV("channels"));
        json_array(&json);
        for (size_t i = 0; i < count; i++)
            json_string(&json, channels[i]);
        json_array_end(&json);
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
static void take_decisions(struct core *core)
{
    for (size_t i = 0; i < core->decisions.count; i++) {
        const struct decision *d = &core->decisions.items[i];
        answer(core, d);
        if (d->position <= core->said || d->kind == DECIDE_REFUSED)
            continue;
        decision_json(core, d);
        add_block(core, d->kind == DECIDE_INTENT ? REC_INTENT : REC_DECISION, CLASS_AUDIT,
                  decision_time(d->alert));
        core->stats.decisions++;
        core->stats.intents += d->kind == DECIDE_INTENT;
    }
    core->decisions.count = 0;
}

static void take_findings(struct core *core)
{
    for (size_t i = 0; i < core->findings.count; i++) {
        const struct finding *f = &core->findings.items[i];
        if (!f->repeat && f->position > core->said) {
            finding_record(core, f);
            core->stats.findings++;
        }
        book_finding(core->book, f, &core->decisions);
        take_decisions(core);
        core->store_dirty = true;
    }
    core->findings.count = 0;
}

/* --- control records
 * ------------------------------------------------------------------------------------------------ */

static void fold_tick(struct core *core, const struct event *record)
{
    core->last_tick_ns = record->received.ns;
    detector_tick(core->detector, record->position, record->received, &core->findings);
    take_findings(core);
    book_tick(core->book, record->position, record->received, &core->decisions);
    take_decisions(core);
}

static void fold_command(struct core *core, const struct event *record)
{
    struct event e = {.time = {TC_NO_TIME}};
    struct err err;
    if (json_parse_event(record->raw, &core->batch, &e, &err) != 0)
        return; /* we wrote it; a record of another version says nothing to us */
    event_index(&e, &core->batch);
    struct alert_command command = {.verb = event_value(&e, "verb"),
                                    .alert_id = event_value(&e, "alert"),
                                    .by = event_value(&e, "by"),
                                    .note = event_value(&e, "note"),
                                    .disposition = event_value(&e, "disposition")};
    book_command(core->book, record->position, record->received, &command, &core->decisions);
    take_decisions(core);
}

static int fold_control(struct core *core, const struct event *record, struct err *err)
{
    switch (record->type) {
    case REC_TICK:
        fold_tick(core, record);
        return 0;
    case REC_COMMAND:
        fold_command(core, record);
        return 0;
    case REC_ACTIVATED:
        return activate_apply(core, record->raw, err);
    default:
        return 0; /* findings, decisions, intents, receipts: results, not causes */
    }
}

static void fold_run(struct core *core, size_t from, size_t to)
{
    size_t count = 0;
    for (size_t i = from; i < to; i++)
        if (!(core->events[i].flags & EVENT_QUARANTINED))
            core->run[count++] = &core->events[i];
    detector_judge(core->detector, core->run, count, &core->findings);
    core->stats.events += to - from;
    take_findings(core);
}

static int fold_all(struct core *core, struct err *err)
{
    size_t at = 0;
    while (at < core->event_count) {
        size_t end = at;
        while (end < core->event_count && core->events[end].type == REC_EVENT)
            end++;
        fold_run(core, at, end);
        if (end < core->event_count) {
            int rc = fold_control(core, &core->events[end++], err);
            if (rc != 0)
                return rc;
        }
        at = end;
    }
    return 0;
}

/* --- the batch's end
 * ------------------------------------------------------------------------------------------------ */

static int commit_decisions(struct core *core, uint64_t consumed, struct err *err)
{
    struct journal_batch batch = {.kind = BATCH_DECISION,
                                  .received = clk_now(core->options.clk),
                                  .consumed = consumed,
                                  .blocks = buf_view(&core->blocks),
                                  .count = core->block_count};
    uint64_t first;
    int rc;
    if (core->blocks.overflow || core->json.overflow)
        return err_set(err, TC_EBOUND, "decisions of one batch exceed %d bytes", CORE_DECISION_BYTES);
    rc = journal_append_wait(core->journal, &batch, &first, err);
    if (rc != 0)
        return err_while(err, "writing decisions to the journal");
    core->said = consumed;
    tc_assert(core->own_count < CORE_OWN_FRAMES);
    core->own[core->own_count++] = first;
    return project_frame(
        core, &(struct journal_frame){.first = first, .count = batch.count, .blocks = batch.blocks}, err);
}

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
    int rc = fold_all(core, err);
    if (rc == 0 && core->block_count > 0)
        rc = commit_decisions(core, consumed, err);
    reset_batch(core);
    if (rc == 0)
        wake_waiters(core);
    return rc;
}
