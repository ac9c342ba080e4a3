/*
 * An alert back from its JSON (alert_json.c writes it).
 *
 * It comes from our own journal or server, but is read as if it came from a stranger: every text is bounded
 * by the JSON itself, every number and word is checked, unknown keys are passed over. The history is read
 * element by element, so that the parser's bound on fields does not cut it.
 */
#include "alert/alert_priv.h"

#include "base/num.h"
#include "event/json.h"

#include <stdlib.h>

struct reading {
    struct event event;
    struct arena *arena;
    struct err *err;
    int rc; /* the first failure stays */
};

static void wrong(struct reading *r, const char *key, const char *expected)
{
    if (r->rc == 0)
        r->rc = err_set(r->err, TC_EINPUT, "the alert's \"%s\" is not %s", key, expected);
}

static int read_object(struct reading *r, struct sv json)
{
    r->event = (struct event){.time = {TC_NO_TIME}};
    int rc = json_parse_event(json, r->arena, &r->event, r->err);
    if (rc == 0)
        event_index(&r->event, r->arena);
    return rc;
}

static const struct field *get(const struct reading *r, const char *key, enum field_type type)
{
    struct sv name = sv_of(key);
    const struct field *field = event_find(&r->event, name, event_name_hash(name));
    while (field != NULL && field->type != type)
        field = event_next(&r->event, field);
    return field;
}

static struct sv text(struct reading *r, const char *key)
{
    const struct field *field = get(r, key, FIELD_STRING);
    return field == NULL ? (struct sv){0} : field->value;
}

static int64_t when(struct reading *r, const char *key)
{
    const struct field *field = get(r, key, FIELD_STRING);
    int64_t ns = TC_NO_TIME;
    if (field != NULL && !clk_parse_rfc3339(field->value, 0, &ns))
        wrong(r, key, "a time of RFC 3339");
    return ns;
}

static uint64_t number(struct reading *r, const char *key)
{
    const struct field *field = get(r, key, FIELD_NUMBER);
    uint64_t n = 0;
    if (field == NULL || !num_u64(field->value, 0, UINT64_MAX, &n))
        wrong(r, key, "a whole number");
    return n;
}

static bool hex_digits(struct sv digits, size_t n)
{
    bool good = digits.n == n;
    for (size_t i = 0; good && i < n; i++)
        good = (digits.p[i] >= '0' && digits.p[i] <= '9') || (digits.p[i] >= 'a' && digits.p[i] <= 'f');
    return good;
}

static void digits(struct reading *r, const char *key, size_t n, char *ret)
{
    struct sv value = text(r, key);
    memset(ret, 0, n + 1);
    if (!hex_digits(value, n)) {
        wrong(r, key, "of hexadecimal digits");
        return;
    }
    memcpy(ret, value.p, n);
}

static enum severity severity_in(struct reading *r)
{
    struct sv word = text(r, "severity");
    enum severity severity = word.n == 0 ? SEVERITY_NONE : severity_of(word);
    if (severity == SEVERITY_NONE)
        wrong(r, "severity", "P1 to P4");
    return severity;
}

static void read_labels(struct reading *r, struct alert *alert)
{
    const struct sv prefix = SV("labels.");
    struct alert_label *labels = ARENA_ARRAY(r->arena, struct alert_label, ALERT_LABELS_MAX);
    size_t n = 0;
    for (uint32_t i = 0; i < r->event.field_count; i++) {
        const struct field *field = &r->event.fields[i];
        if (field->type != FIELD_STRING || !sv_starts(field->name, prefix))
            continue;
        struct alert_label label = {sv_from(field->name, prefix.n), field->value};
        if (n == ALERT_LABELS_MAX) {
            wrong(r, "labels", "a set of that few labels");
            return;
        }
        size_t at = n++;
        for (; at > 0 && sv_cmp(labels[at - 1].name, label.name) > 0; at--)
            labels[at] = labels[at - 1];
        labels[at] = label;
    }
    alert->labels = labels;
    alert->label_count = n;
}

static size_t read_texts(struct reading *r, const char *key, size_t max, const struct sv **ret)
{
    struct sv *texts = ARENA_ARRAY(r->arena, struct sv, max);
    size_t n = 0;
    *ret = texts;
    for (const struct field *field = get(r, key, FIELD_STRING); field != NULL;
         field = event_next(&r->event, field)) {
        if (field->type != FIELD_STRING)
            continue;
        if (n == max) {
            wrong(r, key, "a list of that few texts");
            return 0;
        }
        texts[n++] = field->value;
    }
    return n;
}

/* Calls `each` with every object of the list, read on its own. */
static void each_object(struct reading *r, const char *key, size_t max, const char *expected,
                        void (*each)(struct reading *element, void *to), void *to)
{
    const struct field *list = get(r, key, FIELD_ARRAY);
    if (list == NULL)
        return;
    size_t n = 0, length;
    struct sv rest = sv_trim(sv_from(list->value, 1));
    struct reading element = {.arena = r->arena, .err = r->err};
    while (rest.n > 0 && rest.p[0] == '{') {
        length = json_value_length(rest);
        if (length == 0 || n++ == max || read_object(&element, sv_head(rest, length)) != 0) {
            wrong(r, key, expected);
            return;
        }
        each(&element, to);
        rest = sv_trim(sv_from(rest, length));
        if (rest.n > 0 && rest.p[0] == ',')
            rest = sv_trim(sv_from(rest, 1));
    }
    r->rc = r->rc != 0 ? r->rc : element.rc;
}

struct history {
    struct alert_event *items;
    size_t count, capacity;
};

static void add_history(struct reading *element, void *to)
{
    struct history *history = to;
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 8 : history->capacity * 2;
        struct alert_event *more = ARENA_ARRAY(element->arena, struct alert_event, history->capacity);
        if (history->count > 0)
            memcpy(more, history->items, history->count * sizeof more[0]);
        history->items = more;
    }
    history->items[history->count++] = (struct alert_event){.time_ns = when(element, "time"),
                                                            .what = text(element, "what"),
                                                            .by = text(element, "by"),
                                                            .note = text(element, "note")};
}

static void read_history(struct reading *r, struct alert *alert)
{
    struct history history = {0};
    each_object(r, "history", ALERT_HISTORY_MAX, "a list of changes", add_history, &history);
    alert->history = history.items;
    alert->history_count = history.count;
}

static void add_task(struct reading *element, void *to)
{
    struct alert_life *life = to;
    life->tasks[life->task_count] = (struct alert_task){.number = (uint32_t)life->task_count + 1,
                                                        .what = text(element, "what"),
                                                        .owner = text(element, "owner"),
                                                        .by = text(element, "by"),
                                                        .due_ns = when(element, "due"),
                                                        .reminded_ns = when(element, "reminded_at"),
                                                        .done_ns = when(element, "done_at"),
                                                        .done_by = text(element, "done_by")};
    life->task_count++;
}

/* 0 where it is absent. */
static uint32_t small_number(struct reading *r, const char *key)
{
    uint64_t n = 0;
    const struct field *field = get(r, key, FIELD_NUMBER);
    if (field != NULL && !num_u64(field->value, 0, UINT32_MAX, &n))
        wrong(r, key, "a whole number");
    return (uint32_t)n;
}

/* What version 0.1 wrote has none of it. */
static void read_life(struct reading *r, struct alert *alert)
{
    struct alert_life *life = ARENA_NEW(r->arena, struct alert_life);
    life->tasks = ARENA_ARRAY(r->arena, struct alert_task, ALERT_TASKS_MAX);
    life->assigned = text(r, "assigned");
    life->assessed_ns = when(r, "response.assessed_at");
    life->assessed_by = text(r, "response.assessed_by");
    life->impact = text(r, "response.impact");
    life->urgency = text(r, "response.urgency");
    life->responded_ns = when(r, "response.responded_at");
    life->responded_by = text(r, "response.responded_by");
    life->documented_ns = when(r, "response.documented_at");
    life->documented_by = text(r, "response.documented_by");
    life->document = text(r, "response.document");
    life->breached_ns = when(r, "response.breached_at");
    life->overdue_ns = when(r, "response.overdue_at");
    life->snoozed_until_ns = when(r, "snoozed_until");
    life->asked = text(r, "question.to");
    life->answer_due_ns = when(r, "question.answer_by");
    life->asks = small_number(r, "question.number");
    alert->silenced = small_number(r, "silenced_by");
    alert->escalation_step = small_number(r, "escalation.told");
    alert->escalation_next_ns = when(r, "escalation.next_at");
    each_object(r, "tasks", ALERT_TASKS_MAX, "a list of tasks", add_task, life);
    alert->life = life;
}

static void read_flapping(struct reading *r, struct alert *alert)
{
    int64_t since_ns = when(r, "flapping.since");
    if (since_ns == TC_NO_TIME)
        return;
    struct alert_flap *flap = ARENA_NEW(r->arena, struct alert_flap);
    flap->since_ns = since_ns;
    flap->times = number(r, "flapping.times");
    flap->over_ns = when(r, "flapping.over_since");
    flap->stable_ns = when(r, "flapping.stable_at");
    alert->flapping = flap;
}

static void read_waiting(struct reading *r, struct alert *alert)
{
    uint32_t needed = small_number(r, "notify_after.count");
    if (needed == 0)
        return;
    struct alert_wait *wait = ARENA_NEW(r->arena, struct alert_wait);
    wait->needed = needed;
    wait->come = small_number(r, "notify_after.come");
    wait->within_ns = (int64_t)small_number(r, "notify_after.within_seconds") * TC_SECOND_NS;
    alert->waiting = wait;
}

static void read_alert(struct reading *r, struct alert *alert)
{
    digits(r, "id", ALERT_ID_DIGITS, alert->id);
    digits(r, "fingerprint", 16, alert->fingerprint);
    alert->rule_id = text(r, "rule_id");
    alert->title = text(r, "title");
    alert->severity = severity_in(r);
    if (!alert_state_of(text(r, "state"), &alert->state))
        wrong(r, "state", "a state of an alert");
    alert->disposition = text(r, "disposition");
    alert->message = text(r, "message");
    alert->count = number(r, "count");
    alert->first_ns = when(r, "first_seen");
    alert->last_ns = when(r, "last_seen");
    alert->acknowledged_ns = when(r, "acknowledged_at");
    alert->acknowledged_by = text(r, "acknowledged_by");
    alert->ended_ns = when(r, "ended_at");
    alert->ended_by = text(r, "ended_by");
    alert->note = text(r, "note");
    alert->description = text(r, "description");
    alert->owner = text(r, "owner");
    alert->secondary_owner = text(r, "secondary_owner");
    alert->runbook = text(r, "runbook");
    alert->action_count = read_texts(r, "actions", ALERT_ACTIONS_MAX, &alert->actions);
    alert->tag_count = read_texts(r, "tags", ALERT_TAGS_MAX, &alert->tags);
    read_labels(r, alert);
    alert->last_position = number(r, "position");
    read_flapping(r, alert);
    read_waiting(r, alert);
    read_life(r, alert);
    read_history(r, alert);
}

int alert_from_json(struct sv json, struct arena *arena, struct alert *ret, struct err *err)
{
    struct reading r = {.arena = arena, .err = err};
    struct alert alert = {0};
    int rc = read_object(&r, arena_sv(arena, json));
    if (rc != 0)
        return err_while(err, "reading an alert");
    read_alert(&r, &alert);
    if (r.rc == 0)
        *ret = alert;
    return r.rc;
}
