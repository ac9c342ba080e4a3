/*
 * An alert as JSON: our own shape (the API, decision records, `alerts show`), and Alertmanager's.
 *
 * Our shape is flat, every key always there, history last: a reader with a bound on fields (json.h) then
 * loses history first. Times are RFC 3339 or null.
 */
#include "alert/alert_priv.h"

#include "base/json_out.h"

#include <stdio.h>

static void labels_json(struct json_out *json, const char *key, const struct alert *alert)
{
    json_key(json, sv_of(key));
    json_object(json);
    for (size_t i = 0; i < alert->label_count; i++) {
        json_key(json, alert->labels[i].name);
        json_string(json, alert->labels[i].value);
    }
    json_object_end(json);
}

static void texts_json(struct json_out *json, const char *key, const struct sv *texts, size_t count)
{
    json_key(json, sv_of(key));
    json_array(json);
    for (size_t i = 0; i < count; i++)
        json_string(json, texts[i]);
    json_array_end(json);
}

static void history_json(struct json_out *json, const struct alert *alert)
{
    json_key(json, SV("history"));
    json_array(json);
    for (size_t i = 0; i < alert->history_count; i++) {
        const struct alert_event *event = &alert->history[i];
        json_object(json);
        json_kv_time(json, "time", event->time_ns);
        json_kv_string(json, "what", event->what);
        json_kv_string(json, "by", event->by);
        json_kv_string(json, "note", event->note);
        json_object_end(json);
    }
    json_array_end(json);
}

/* What people did; an alert of whom nobody did anything has the same keys, empty. */
static const struct alert_life no_life = {.assessed_ns = TC_NO_TIME,
                                          .responded_ns = TC_NO_TIME,
                                          .documented_ns = TC_NO_TIME,
                                          .breached_ns = TC_NO_TIME,
                                          .overdue_ns = TC_NO_TIME,
                                          .snoozed_until_ns = TC_NO_TIME,
                                          .answer_due_ns = TC_NO_TIME};

static void response_json(struct json_out *json, const struct alert *alert, const struct alert_life *life)
{
    json_key(json, SV("response"));
    json_object(json);
    json_kv_time(json, "acknowledged_at", alert->acknowledged_ns);
    json_kv_time(json, "assessed_at", life->assessed_ns);
    json_kv_string(json, "assessed_by", life->assessed_by);
    json_kv_string(json, "impact", life->impact);
    json_kv_string(json, "urgency", life->urgency);
    json_kv_time(json, "responded_at", life->responded_ns);
    json_kv_string(json, "responded_by", life->responded_by);
    json_kv_time(json, "resolved_at", alert->ended_ns);
    json_kv_time(json, "documented_at", life->documented_ns);
    json_kv_string(json, "documented_by", life->documented_by);
    json_kv_string(json, "document", life->document);
    json_kv_time(json, "breached_at", life->breached_ns);
    json_kv_time(json, "overdue_at", life->overdue_ns);
    json_object_end(json);
}

static void question_json(struct json_out *json, const struct alert_life *life)
{
    json_key(json, SV("question"));
    json_object(json);
    json_kv_string(json, "to", life->asked);
    json_kv_u64(json, "number", life->asks);
    json_kv_time(json, "answer_by", life->answer_due_ns);
    json_object_end(json);
}

static void tasks_json(struct json_out *json, const struct alert_life *life)
{
    json_key(json, SV("tasks"));
    json_array(json);
    for (size_t i = 0; i < life->task_count; i++) {
        const struct alert_task *task = &life->tasks[i];
        json_object(json);
        json_kv_u64(json, "number", task->number);
        json_kv_string(json, "what", task->what);
        json_kv_string(json, "owner", task->owner);
        json_kv_string(json, "by", task->by);
        json_kv_time(json, "due", task->due_ns);
        json_kv_time(json, "reminded_at", task->reminded_ns);
        json_kv_time(json, "done_at", task->done_ns);
        json_kv_string(json, "done_by", task->done_by);
        json_object_end(json);
    }
    json_array_end(json);
}

static void flapping_json(struct json_out *json, const struct alert_flap *flap)
{
    json_key(json, SV("flapping"));
    json_object(json);
    json_kv_time(json, "since", flap == NULL ? TC_NO_TIME : flap->since_ns);
    json_kv_u64(json, "times", flap == NULL ? 0 : flap->times);
    json_kv_time(json, "over_since", flap == NULL ? TC_NO_TIME : flap->over_ns);
    json_kv_time(json, "stable_at", flap == NULL ? TC_NO_TIME : flap->stable_ns);
    json_object_end(json);
}

static void waiting_json(struct json_out *json, const struct alert_wait *wait)
{
    json_key(json, SV("notify_after"));
    json_object(json);
    json_kv_u64(json, "count", wait == NULL ? 0 : wait->needed);
    json_kv_u64(json, "within_seconds", wait == NULL ? 0 : (uint64_t)(wait->within_ns / TC_SECOND_NS));
    json_kv_u64(json, "come", wait == NULL ? 0 : wait->come);
    json_object_end(json);
}

static void life_json(struct json_out *json, const struct alert *alert)
{
    const struct alert_life *life = alert->life != NULL ? alert->life : &no_life;
    json_kv_u64(json, "silenced_by", alert->silenced);
    flapping_json(json, alert->flapping);
    waiting_json(json, alert->waiting);
    json_key(json, SV("escalation"));
    json_object(json);
    json_kv_u64(json, "told", alert->escalation_step);
    json_kv_time(json, "next_at", alert->escalation_next_ns);
    json_object_end(json);
    json_kv_string(json, "assigned", life->assigned);
    json_kv_time(json, "snoozed_until", life->snoozed_until_ns);
    response_json(json, alert, life);
    question_json(json, life);
    tasks_json(json, life);
}

void alert_to_json(const struct alert *alert, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_str(&json, "id", alert->id);
    json_kv_str(&json, "fingerprint", alert->fingerprint);
    json_kv_string(&json, "rule_id", alert->rule_id);
    json_kv_string(&json, "title", alert->title);
    json_kv_str(&json, "severity", severity_name(alert->severity));
    json_kv_str(&json, "state", alert_state_name(alert->state));
    json_kv_string(&json, "disposition", alert->disposition);
    json_kv_string(&json, "message", alert->message);
    json_kv_u64(&json, "count", alert->count);
    json_kv_time(&json, "first_seen", alert->first_ns);
    json_kv_time(&json, "last_seen", alert->last_ns);
    json_kv_time(&json, "acknowledged_at", alert->acknowledged_ns);
    json_kv_string(&json, "acknowledged_by", alert->acknowledged_by);
    json_kv_time(&json, "ended_at", alert->ended_ns);
    json_kv_string(&json, "ended_by", alert->ended_by);
    json_kv_string(&json, "note", alert->note);
    json_kv_string(&json, "description", alert->description);
    json_kv_string(&json, "owner", alert->owner);
    json_kv_string(&json, "secondary_owner", alert->secondary_owner);
    json_kv_string(&json, "runbook", alert->runbook);
    texts_json(&json, "actions", alert->actions, alert->action_count);
    texts_json(&json, "tags", alert->tags, alert->tag_count);
    labels_json(&json, "labels", alert);
    json_kv_u64(&json, "position", alert->last_position);
    life_json(&json, alert);
    history_json(&json, alert);
    json_object_end(&json);
}

/* --- Alertmanager */

/* Alertmanager always gives an end; for what has none in sight, a time that no client takes for the past. */
#define NO_END_IN_SIGHT "9999-12-31T23:59:59.999Z"

static int64_t started_ns(const struct alert *alert)
{
    if (alert->first_ns != TC_NO_TIME)
        return alert->first_ns;
    return alert->history_count > 0 ? alert->history[0].time_ns : 0;
}

/* By what happened (the last occurrence, what a person did), not by when it was judged: a replay says the
 * same. */
static int64_t updated_ns(const struct alert *alert)
{
    return TC_MAX(TC_MAX(alert->acknowledged_ns, alert->ended_ns),
                  started_ns(alert) > alert->last_ns ? started_ns(alert) : alert->last_ns);
}

static void annotation(struct json_out *json, const char *name, struct sv value)
{
    if (value.n > 0)
        json_kv_string(json, name, value);
}

static void annotations_json(struct json_out *json, const struct alert *alert)
{
    char count[24];
    struct buf number = {.p = count, .capacity = sizeof count, .max_bytes = sizeof count};
    buf_printf(&number, "%llu", (unsigned long long)alert->count);
    json_key(json, SV("annotations"));
    json_object(json);
    annotation(json, "summary", alert->message);
    annotation(json, "description", alert->description);
    annotation(json, "owner", alert->owner);
    annotation(json, "secondary_owner", alert->secondary_owner);
    annotation(json, "runbook_url", alert->runbook);
    annotation(json, "count", buf_view(&number));
    annotation(json, "acknowledged_by", alert->acknowledged_by);
    annotation(json, "disposition", alert->disposition);
    annotation(json, "note", alert->note);
    json_object_end(json);
}

/* Alertmanager knows nothing of people: what is acknowledged is still active there, with a name in an
 * annotation. Nothing inhibits here. */
static void status_json(struct json_out *json, const struct alert *alert)
{
    static const char *const lists[] = {"inhibitedBy", "mutedBy"};
    char number[12];
    json_key(json, SV("status"));
    json_object(json);
    json_kv_str(json, "state", alert->silenced > 0 ? "suppressed" : "active");
    json_key(json, SV("silencedBy"));
    json_array(json);
    snprintf(number, sizeof number, "%u", alert->silenced);
    if (alert->silenced > 0)
        json_string(json, sv_of(number));
    json_array_end(json);
    for (size_t i = 0; i < TC_ARRAY_LEN(lists); i++) {
        json_key(json, sv_of(lists[i]));
        json_array(json);
        json_array_end(json);
    }
    json_object_end(json);
}

static void receivers_json(struct json_out *json, const struct sv *receivers, size_t count)
{
    json_key(json, SV("receivers"));
    json_array(json);
    for (size_t i = 0; i < count; i++) {
        json_object(json);
        json_kv_string(json, "name", receivers[i]);
        json_object_end(json);
    }
    json_array_end(json);
}

static void generator_json(struct json_out *json, const struct alert *alert, const char *external_url)
{
    struct sv base = sv_of(external_url);
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    struct buf url;
    buf_init(&url, base.n + 64);
    buf_sv(&url, base);
    buf_printf(&url, "/alerts/%s", alert->id);
    json_kv_string(json, "generatorURL", buf_view(&url));
    buf_free(&url);
}

void alert_to_alertmanager_json(const struct alert *alert, const struct sv *receivers, size_t receiver_count,
                                const char *external_url, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    annotations_json(&json, alert);
    if (alert->ended_ns != TC_NO_TIME)
        json_kv_time(&json, "endsAt", alert->ended_ns);
    else
        json_kv_str(&json, "endsAt", NO_END_IN_SIGHT);
    json_kv_str(&json, "fingerprint", alert->fingerprint);
    receivers_json(&json, receivers, receiver_count);
    json_kv_time(&json, "startsAt", started_ns(alert));
    status_json(&json, alert);
    json_kv_time(&json, "updatedAt", updated_ns(alert));
    generator_json(&json, alert, external_url);
    labels_json(&json, "labels", alert);
    json_object_end(&json);
}
