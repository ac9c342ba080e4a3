/*
 * From decision records to the store, which shows them and holds the outbox. Everything here may be repeated
 * without harm: rows are put by key, history by position. A transaction holds what a batch decided (each
 * costs a sync of the disk), of a recovery much more.
 */
#include "app/core_priv.h"

#include "base/log.h"
#include "base/num.h"
#include "event/json.h"

enum { PRUNE_ROWS = 1000 };
enum { SETTLE_FRAMES = 1000 }; /* of a recovery */

/* Listeners hear of a change only once the store shows it; past the bound they learn of it from the store. */
static void tell_later(struct core *core, struct sv alert_json)
{
    if (core->options.changed == NULL || alert_json.n + 4 > core->news.max_bytes - core->news.n)
        return;
    buf_string(&core->news, alert_json);
}

static void tell(struct core *core)
{
    struct reader news = reader_of(buf_view(&core->news));
    while (news.rest.n > 0 && !news.bad)
        core->options.changed(core->options.context, reader_string(&news));
    buf_clear(&core->news);
}

static int begin(struct core *core, struct err *err)
{
    int rc = core->in_transaction ? 0 : store_begin(core->store, err);
    core->in_transaction = rc == 0;
    return rc;
}

/* What to return where the store failed; the transaction is undone. */
static int fall_behind(struct core *core, int rc, struct err *err)
{
    if (core->in_transaction)
        store_rollback(core->store);
    core->in_transaction = false;
    buf_clear(&core->news);
    if (!core_ready(core))
        return err_while(err, "showing decisions in the store");
    if (!core->behind_told)
        log_error("store", "%s; judging goes on, lists and notifications wait until it can be written",
                  err->text);
    core->store_behind = core->behind_told = true;
    core->behind_mono_ns = clk_monotonic_ns(core->options.clk);
    return rc < 0 ? 0 : rc;
}

static int end(struct core *core, uint64_t applied, struct err *err)
{
    int rc = store_commit(core->store, applied, journal_epoch(core->journal), err);
    if (rc != 0)
        return fall_behind(core, rc, err);
    core->in_transaction = false;
    core->unsettled = 0;
    core->shown = applied;
    tell(core);
    if (core->options.outbox_filled != NULL)
        core->options.outbox_filled(core->options.context);
    return 0;
}

bool project_is_able(struct core *core)
{
    struct err err;
    core->store_behind = false;
    int rc = begin(core, &err);
    if (rc != 0)
        fall_behind(core, rc, &err);
    else
        end(core, core->shown, &err);
    return !core->store_behind;
}

int project_settle(struct core *core, uint64_t applied, struct err *err)
{
    if (!core->in_transaction || (!core_ready(core) && core->unsettled < SETTLE_FRAMES))
        return 0;
    return end(core, applied, err);
}

static int put_alert(struct core *core, const struct alert *alert, struct sv json, struct err *err)
{
    struct alert_row row = {.id = sv_of(alert->id),
                            .fingerprint = sv_of(alert->fingerprint),
                            .state = sv_of(alert_state_name(alert->state)),
                            .severity = sv_of(severity_name(alert->severity)),
                            .rule_id = alert->rule_id,
                            .title = alert->title,
                            .json = json,
                            .first_ns = alert->first_ns,
                            .last_ns = alert->last_ns,
                            .ended_ns = alert->ended_ns,
                            .count = alert->count};
    return store_put_alert(core->store, &row, err);
}

/* The note of the change that this snapshot was taken for. */
static struct sv last_note(const struct alert *alert)
{
    return alert->history_count > 0 ? alert->history[alert->history_count - 1].note : (struct sv){0};
}

struct rows {
    struct core *core;
    const struct event *record;
    struct arena *arena;
    struct sv alert_id;
    struct err *err;
};

/* The row's payload is the record; where one recipient is meant, it says so first. */
static struct sv payload_to(struct rows *rows, struct sv channel, struct sv to)
{
    struct buf text;
    if (to.n == 0)
        return rows->record->raw;
    buf_init(&text, CORE_JSON_BYTES);
    buf_str(&text, "{\"to\":{\"channel\":\"");
    json_escape(&text, channel);
    buf_str(&text, "\",\"address\":\"");
    json_escape(&text, to);
    buf_str(&text, "\"},");
    buf_sv(&text, sv_from(rows->record->raw, 1));
    struct sv payload = arena_sv(rows->arena, buf_view(&text));
    buf_free(&text);
    return payload;
}

static int put_row(void *context, struct sv channel, struct sv to, struct sv row_key)
{
    struct rows *rows = context;
    struct outbox_row row = {.key = row_key,
                             .channel = channel,
                             .alert_id = rows->alert_id,
                             .payload = payload_to(rows, channel, to),
                             .position = rows->record->position};
    return store_outbox_put(rows->core->store, &row, rows->err);
}

/* One row for each channel and person that the record names. */
static int put_rows(struct core *core, const struct event *record, const struct event *json,
                    struct arena *arena, struct sv alert_id, struct err *err)
{
    struct rows rows = {core, record, arena, alert_id, err};
    return address_each(core, json, arena, put_row, &rows);
}

/* --- who was told of an escalation is told that it is over */

struct told { /* "CHANNEL" or "CHANNEL/PERSON", of the steps that were told */
    struct arena *arena;
    struct sv *items;
    size_t count;
};

static int take_told(void *context, struct sv key)
{
    struct told *told = context;
    struct sv address = sv_from(key, sv_find_char(key, ':') + 1);
    if (told->count == ONCALL_TARGETS_MAX ||
        sv_find_char(address, '>') < address.n) /* a fallback's: not theirs */
        return 0;
    for (size_t i = 0; i < told->count; i++) /* by an earlier step */
        if (sv_eq(told->items[i], address))
            return 0;
    told->items[told->count++] = arena_sv(told->arena, address);
    return 0;
}

/* Acknowledged, or ended: whoever a step of the escalation was told to hears of it by the same channel. Rows
 * of one key are put once, so that who is told by the routing anyway is not told twice. */
static int put_told(struct core *core, const struct event *record, const struct event *json,
                    struct arena *arena, const struct alert *alert, struct err *err)
{
    struct rows rows = {core, record, arena, sv_of(alert->id), err};
    struct told told = {arena, ARENA_ARRAY(arena, struct sv, ONCALL_TARGETS_MAX), 0};
    struct sv key = event_value(json, "key"), beginning = arena_printf(arena, "%s-escalated-", alert->id);
    if (key.n == 0)
        return 0;
    int rc = store_outbox_beginning(core->store, sv_of(alert->id), beginning, take_told, &told, err);
    for (size_t i = 0; rc == 0 && i < told.count; i++) {
        size_t slash = sv_find_char(told.items[i], '/');
        struct sv channel = sv_head(told.items[i], slash), person = sv_from(told.items[i], slash + 1);
        struct sv to = person.n > 0 ? oncall_address(core->oncall, person, channel) : SV("");
        if (person.n == 0 || to.n > 0)
            rc = put_row(&rows, channel, to,
                         arena_printf(arena, "%.*s:%.*s", SV_FMT(key), SV_FMT(told.items[i])));
    }
    return rc;
}

static int project_decision(struct core *core, const struct event *record, const struct event *json,
                            struct arena *arena, struct err *err)
{
    struct alert alert;
    struct sv text = event_value(json, "alert");
    int rc = alert_from_json(text, arena, &alert, err);
    if (rc == 0)
        rc = put_alert(core, &alert, text, err);
    if (rc == 0)
        rc = store_add_history(core->store, record->position, 0, sv_of(alert.id), record->time.ns,
                               event_value(json, "what"), event_value(json, "by"), last_note(&alert), err);
    if (rc == 0)
        rc = put_rows(core, record, json, arena, sv_of(alert.id), err);
    if (rc == 0)
        rc = put_told(core, record, json, arena, &alert, err);
    if (rc == 0)
        tell_later(core, text);
    return rc;
}

static int project_intent(struct core *core, const struct event *record, const struct event *json,
                          struct arena *arena, struct err *err)
{
    struct sv id = event_value(json, "alert.id");
    int rc = put_rows(core, record, json, arena, id, err);
    if (rc == 0)
        rc = store_add_history(core->store, record->position, 0, id, record->time.ns, SV("notified"),
                               SV("tocsin"), event_value(json, "reason"), err);
    return rc;
}

static int project_receipt(struct core *core, const struct event *record, const struct event *json,
                           struct err *err)
{
    struct sv key = event_value(json, "key"), status = event_value(json, "status");
    struct sv fallback = event_value(json, "fallback");
    uint64_t attempts = 0, code = 0;
    int rc = fallback.n == 0 ? 0 : store_outbox_divert(core->store, key, fallback, err);
    if (rc != 0 || sv_is(status, "diverted"))
        return rc;
    if (num_u64(event_value(json, "attempts"), 0, UINT32_MAX, &attempts) &&
        num_u64(event_value(json, "code"), 0, 999, &code))
        rc = store_outbox_note(core->store, key, (uint32_t)attempts, (uint32_t)code,
                               event_value(json, "provider_id"), event_value(json, "error"), err);
    return rc != 0 ? rc
                   : store_outbox_done(core->store, key, status, record->received.ns,
                                       event_value(json, "detail"), err);
}

/* A release that discards: what was decided before it is given up. */
static int project_command(struct core *core, const struct event *record, const struct event *json,
                           struct err *err)
{
    struct alert_command command = {.verb = event_value(json, "verb"),
                                    .disposition = event_value(json, "disposition")};
    return delivery_discards(&command)
               ? store_outbox_discard(core->store, record->position, record->received.ns,
                                      SV("discarded when delivery was released"), err)
               : 0;
}

static int project_record(struct core *core, const struct event *record, struct err *err)
{
    struct event json = {.time = {TC_NO_TIME}};
    struct arena arena = {0};
    int rc = json_parse_event(record->raw, &arena, &json, err);
    if (rc == 0) {
        event_index(&json, &arena);
        rc = record->type == REC_DECISION  ? project_decision(core, record, &json, &arena, err)
             : record->type == REC_INTENT  ? project_intent(core, record, &json, &arena, err)
             : record->type == REC_COMMAND ? project_command(core, record, &json, err)
                                           : project_receipt(core, record, &json, err);
    }
    arena_free(&arena);
    return rc;
}

static bool is_shown(uint8_t type)
{
    return type == REC_DECISION || type == REC_INTENT || type == REC_RECEIPT || type == REC_COMMAND;
}

static int project_one(struct core *core, struct sv block, uint64_t position, struct err *err)
{
    struct event record;
    int rc = record_decode_envelope(block, &record, err);
    if (rc != 0 || !is_shown(record.type))
        return rc;
    record.position = position;
    rc = begin(core, err);
    return rc == 0 ? project_record(core, &record, err) : rc;
}

int project_frame(struct core *core, const struct journal_frame *frame, struct err *err)
{
    struct sv rest = frame->blocks;
    for (uint64_t i = 0; !core->store_behind && i < frame->count; i++) {
        struct sv block = sv_head(rest, record_length(rest));
        int rc = project_one(core, block, frame->first + i, err);
        if (rc != 0)
            return fall_behind(core, rc, err);
        rest = sv_from(rest, block.n);
    }
    core->unsettled++;
    return 0;
}

int project_prune(struct core *core, int64_t sent_before_ns, int64_t ended_before_ns, struct err *err)
{
    int rc = begin(core, err);
    if (rc == 0)
        rc = store_prune(core->store, sent_before_ns, ended_before_ns, PRUNE_ROWS, err);
    return rc == 0 ? end(core, core->shown > 0 ? core->shown : core->projected, err)
                   : fall_behind(core, rc, err);
}

struct put_context {
    struct core *core;
    struct buf json;
    struct err *err;
    int rc;
};

static void put_changed(void *context, const struct alert *alert)
{
    struct put_context *put = context;
    if (put->rc != 0)
        return;
    buf_clear(&put->json);
    alert_to_json(alert, &put->json);
    put->rc = put_alert(put->core, alert, buf_view(&put->json), put->err);
    if (put->rc == 0)
        tell_later(put->core, buf_view(&put->json));
}

int project_changed(struct core *core, bool all, struct err *err)
{
    struct put_context put = {.core = core, .err = err};
    buf_init(&put.json, CORE_JSON_BYTES);
    if (core->store_behind)
        return 0;
    int rc = put.rc = begin(core, err);
    book_each_changed(core->book, all, put_changed, &put);
    rc = put.rc == 0 ? end(core, core->position, err) : fall_behind(core, put.rc, err);
    buf_free(&put.json);
    core->store_dirty = false;
    return rc;
}
