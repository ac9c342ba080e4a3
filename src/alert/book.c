/*
 * The book of alerts: a fold over what the journal holds (ledger D-05 to D-09, X-27).
 *
 * It changes only by findings, commands (book_command.c) and ticks (book_timer.c), in journal order; it reads
 * no clock and no address decides anything, so the same records give the same decisions, in one run or split
 * by saves.
 *
 * How findings merge. The key is (rule, its severity, entity); its newest alert is the current one. A finding
 * whose time is before first + dedup belongs to it while it is open. Past that window a new alert is made,
 * with its own notification, and the older one keeps what it counted until it ends.
 *
 * What comes after the end. An alert that a person resolved or closed stays ended. A later hit of the same
 * episode (`repeat`) within the window still raises its count, silently: the person has seen this attack, and
 * its tail is no news, unless it is more severe than what was seen. A new episode, a detection's next event,
 * or any hit past the window is news: a new alert. What ended by mere time was seen by nobody, so there even
 * a repeat makes a new one.
 *
 * Severity. What a finding raises above the rule's own (D-13) is an attribute of the alert, which only rises;
 * a raise is told, a finding that is less severe is counted like any other.
 *
 * What is told. New at once; then once when the count reaches or jumps over a step (10, 50, 100), and only
 * while nobody acknowledged it; steps passed meanwhile are not told later. An acknowledgement and an end are
 * decisions, not intents: app/ tells them to channels that have a word for them. A count that rises
 * between steps is no decision (a flood would fill the journal): whoever shows counts asks book_each_changed.
 *
 * When it is full, the longest ended alert leaves; where none has ended, further findings of a rule share one
 * overflow alert: counted, told, never silently lost.
 */
#include "alert/alert_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* --- decisions */

static struct decision *decision_add(struct decision_list *list)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        struct decision *items =
            arena_alloc_raw(list->arena, capacity * sizeof items[0], _Alignof(struct decision));
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof items[0]);
        list->items = items;
        list->capacity = capacity;
    }
    return &list->items[list->count++];
}

/* Who was told of the higher severity is to hear of the end, too. */
static enum severity routed_by(const struct held *held)
{
    if (held == NULL)
        return SEVERITY_NONE;
    enum severity now = held->alert.severity, told = held->told_severity;
    return told != SEVERITY_NONE && told < now ? told : now;
}

struct decision *book_decide(struct decision_list *out, enum decision_kind kind, uint64_t position,
                             const struct held *held, struct sv what, struct sv by)
{
    struct decision *fresh = decision_add(out);
    memset(fresh, 0, sizeof *fresh);
    fresh->kind = kind;
    fresh->position = position;
    fresh->alert = held == NULL ? NULL : &held->alert;
    fresh->quiet = held != NULL && !held->told;
    fresh->severity = routed_by(held);
    fresh->what = what;
    fresh->by = by;
    return fresh;
}

void book_snapshot(struct book *book, struct decision_list *out, uint64_t position, struct held *held,
                   struct sv what, struct sv by)
{
    held->said_count = held->alert.count;
    book_show_step(book, held);
    book_mark_changed(book, held);
    book_decide(out, DECIDE_ALERT, position, held, what, by);
}

/*
 * The key names the step, not the count, which may have jumped over it: a step is told once. Steps of a
 * ladder that began anew are others, and bear when it did; whoever puts rows by their keys would drop them
 * else.
 */
static void name_key(struct decision *d, const struct held *held, enum notify_reason reason, uint64_t step)
{
    const struct alert *alert = &held->alert;
    unsigned long long number = step;
    if (reason == NOTIFY_NEW)
        snprintf(d->key, sizeof d->key, "%s-new", alert->id);
    else if (reason == NOTIFY_COUNT_STEP)
        snprintf(d->key, sizeof d->key, "%s-%llu", alert->id, number);
    else if (reason == NOTIFY_SEVERITY_RAISED && step <= SEVERITY_P4)
        snprintf(d->key, sizeof d->key, "%s-%s", alert->id, severity_name((enum severity)step));
    else if (reason == NOTIFY_ESCALATED && alert->history_count > 0 &&
             held->ladder_from_ns != alert->history[0].time_ns)
        snprintf(d->key, sizeof d->key, "%s-escalated-%llu-%lld", alert->id, number,
                 (long long)(held->ladder_from_ns / 1000000));
    else
        snprintf(d->key, sizeof d->key, "%s-%s-%llu", alert->id, notify_reason_name(reason), number);
}

void book_tell(struct book *book, struct decision_list *out, uint64_t position, int64_t now_ns,
               struct held *held, enum notify_reason reason, uint64_t step)
{
    if (held->alert.silenced > 0 && reason != NOTIFY_QUESTION && reason != NOTIFY_TASK_DUE) {
        held->owed = true; /* told when the silence ends, if it fires still */
        book_mark_changed(book, held);
        return;
    }
    if (reason != NOTIFY_QUESTION && reason != NOTIFY_TASK_DUE)
        wait_end(book, held, now_ns);
    struct sv what = reason == NOTIFY_NEW               ? SV("created")
                     : reason == NOTIFY_COUNT_STEP      ? SV("count")
                     : reason == NOTIFY_SEVERITY_RAISED ? SV("severity")
                                                        : sv_of(notify_reason_name(reason));
    struct decision *d = book_decide(out, DECIDE_INTENT, position, held, what, SV("tocsin"));
    held->told = true;
    d->reason = reason;
    d->now_ns = now_ns;
    d->step = step;
    name_key(d, held, reason, step);
}

/* --- counting */

static uint64_t step_reached(const struct book *book, uint64_t count)
{
    uint64_t reached = 0;
    for (const uint64_t *step = book->steps; *step != 0 && *step <= count; step++)
        reached = *step;
    return reached;
}

static int64_t time_of(const struct finding *finding)
{
    return finding->time.ns != TC_NO_TIME ? finding->time.ns : finding->received.ns;
}

/* Unknown times cannot part what a key has joined. */
static bool in_window(const struct book *book, const struct held *held, const struct finding *finding)
{
    int64_t first_ns = held->alert.first_ns, time_ns = time_of(finding);
    int64_t dedup_ns = finding->rule->dedup_ns > 0 ? finding->rule->dedup_ns : book->options.dedup_ns;
    if (first_ns == TC_NO_TIME || time_ns == TC_NO_TIME)
        return true;
    return time_ns < book_add_ns(first_ns, dedup_ns);
}

/* Does this finding belong to that alert, the current one of its key? */
static bool belongs(const struct book *book, const struct held *held, const struct finding *finding)
{
    if (held != NULL && held->alert.flapping != NULL)
        return true; /* it stays one alert */
    if (held == NULL || !in_window(book, held, finding))
        return false;
    if (lifecycle_open(held->alert.state))
        return true;
    return finding->repeat && held->ended_by_hand && finding_severity(finding) >= held->alert.severity;
}

static void pass_steps(struct book *book, struct held *held, const struct finding *finding,
                       struct decision_list *out)
{
    struct alert *alert = &held->alert;
    uint64_t step = step_reached(book, alert->count);
    if (step <= held->told_step)
        return;
    held->told_step = step;
    bool flaps = alert->flapping != NULL, quiet = flaps || alert->state != ALERT_FIRING;
    char note[96];
    int n = snprintf(note, sizeof note, "%llu occurrences%s%s", (unsigned long long)alert->count,
                     quiet ? "; not told, because it is " : "",
                     !quiet  ? ""
                     : flaps ? "flapping"
                             : alert_state_name(alert->state));
    if (alert->history_count < ALERT_HISTORY_MAX - ALERT_HISTORY_SPARE)
        held_history(held, finding->received.ns, SV("count"), SV("tocsin"), sv_make(note, (size_t)n));
    if (quiet)
        return;
    book_snapshot(book, out, finding->position, held, SV("count"), SV("tocsin"));
    book_tell(book, out, finding->position, finding->received.ns, held, NOTIFY_COUNT_STEP, step);
}

/* A raise is told even where somebody acknowledged the alert: what they took on was less. */
static void raise_alert(struct book *book, struct held *held, const struct finding *finding,
                        struct decision_list *out)
{
    enum severity severity = finding_severity(finding);
    char note[48];
    if (severity >= held->alert.severity)
        return;
    int n = snprintf(note, sizeof note, "raised from %s to %s", severity_name(held->alert.severity),
                     severity_name(severity));
    book_raise_to(held, severity, finding->received.ns);
    if (held->alert.history_count < ALERT_HISTORY_MAX - ALERT_HISTORY_SPARE)
        held_history(held, finding->received.ns, SV("severity"), SV("tocsin"), sv_make(note, (size_t)n));
    book_snapshot(book, out, finding->position, held, SV("severity"), SV("tocsin"));
    book_tell(book, out, finding->position, finding->received.ns, held, NOTIFY_SEVERITY_RAISED, severity);
}

/* Once enough have come, the alert is told as a new one; somebody who has it already needs no telling. */
static void wait_on(struct book *book, struct held *held, const struct finding *finding,
                    struct decision_list *out)
{
    if (!wait_counts(held, TC_MAX(finding->weight, 1u), finding->received.ns))
        return;
    wait_end(book, held, finding->received.ns);
    held->told_step = step_reached(book, held->alert.count);
    held_history(held, finding->received.ns, SV("count"), SV("tocsin"),
                 SV("enough have come: it waits no more"));
    book_snapshot(book, out, finding->position, held, SV("count"), SV("tocsin"));
    if (held->alert.state == ALERT_FIRING)
        book_tell(book, out, finding->position, finding->received.ns, held, NOTIFY_NEW, 0);
}

static void count_finding(struct book *book, struct held *held, const struct finding *finding,
                          struct decision_list *out)
{
    struct alert *alert = &held->alert;
    uint64_t weight = TC_MAX(finding->weight, 1u);
    alert->count = alert->count > UINT64_MAX - weight ? UINT64_MAX : alert->count + weight;
    alert->last_ns = TC_MAX(alert->last_ns, time_of(finding));
    alert->last_position = finding->position;
    book_mark_changed(book, held);
    if (!lifecycle_open(alert->state))
        return;
    held->touched_ns = TC_MAX(held->touched_ns, finding->received.ns);
    flap_begins_again(book, held, finding->received.ns);
    raise_alert(book, held, finding, out);
    if (alert->waiting != NULL)
        wait_on(book, held, finding, out);
    else
        pass_steps(book, held, finding, out);
}

/* --- making */

/* 32 digits of SHA-256 over the merge key and the first occurrence; `again` parts alerts that begin alike. */
static void make_id(const struct book *book, const uint8_t key[TC_SHA256_BYTES], int64_t first_ns,
                    char ret[ALERT_ID_DIGITS + 1])
{
    for (uint32_t again = 0;; again++) {
        uint8_t input[TC_SHA256_BYTES + 12], digest[TC_SHA256_BYTES];
        memcpy(input, key, TC_SHA256_BYTES);
        store_u64(input + TC_SHA256_BYTES, (uint64_t)first_ns);
        store_u32(input + TC_SHA256_BYTES + 8, again);
        hash_sha256(sv_make((const char *)input, sizeof input), digest);
        hash_hex(digest, ALERT_ID_DIGITS / 2, ret);
        if (map_get(&book->by_id, sv_make(ret, ALERT_ID_DIGITS)) == NULL)
            return;
    }
}

static struct card *card_of(struct book *book, const struct rule_info *rule)
{
    struct buf packed;
    buf_init(&packed, (size_t)ALERT_TEXT_MAX * (ALERT_ACTIONS_MAX + ALERT_TAGS_MAX + 16));
    card_pack(rule, &book->scratch, &packed);
    struct card *card = card_take(&book->cards, buf_view(&packed));
    tc_assert(card != NULL); /* what card_pack wrote is a card */
    buf_free(&packed);
    return card;
}

static struct held *make_alert(struct book *book, const struct finding *finding, const struct entity *entity,
                               const uint8_t key[TC_SHA256_BYTES])
{
    struct alert_label labels[ALERT_LABELS_MAX];
    char id[ALERT_ID_DIGITS + 1];
    make_id(book, key, time_of(finding), id);
    struct held *held = held_new(&(struct held_birth){
        .id = id,
        .labels = labels,
        .label_count =
            finding->kind == FINDING_METRIC && !entity->overflow
                ? entity_metric_labels(finding, &book->scratch, labels)
                : entity_labels(finding->rule, finding_severity(finding), entity, &book->scratch, labels),
        .message = entity_message(finding, entity, &book->scratch),
        .card = card_of(book, finding->rule),
        .severity = finding_severity(finding),
    });
    struct alert *alert = &held->alert;
    memcpy(held->key, key, sizeof held->key);
    alert->count = TC_MAX(finding->weight, 1u);
    alert->first_ns = alert->last_ns = time_of(finding);
    alert->last_position = finding->position;
    held->touched_ns = held->ladder_from_ns = finding->received.ns;
    held->told_step = step_reached(book, alert->count); /* the first notification tells it all */
    held->overflow = entity->overflow;
    held->serial = book->next_serial++;
    held_history(held, finding->received.ns, SV("created"), SV("tocsin"), (struct sv){0});
    return held;
}

struct held *book_add_alert(struct book *book, const struct finding *finding, const struct entity *entity,
                            const uint8_t key[TC_SHA256_BYTES], struct decision_list *out)
{
    struct held *held = make_alert(book, finding, entity, key);
    silence_new_alert(book, held, finding->received.ns);
    if (held->alert.silenced > 0)
        held_history(held, finding->received.ns, SV("silenced"), SV("tocsin"),
                     SV("not told: a silence holds"));
    bool waits = wait_new_alert(book, held, finding);
    bool flaps = !waits && flap_new_alert(book, held, finding->received.ns);
    book_insert(book, held);
    book_make_current(book, held);
    book_snapshot(book, out, finding->position, held, SV("created"), SV("tocsin"));
    if (!waits)
        book_tell(book, out, finding->position, finding->received.ns, held,
                  flaps ? NOTIFY_FLAPPING : NOTIFY_NEW, flaps ? held->alert.flapping->times : 0);
    return held;
}

/* Lets an alert leave memory. Where it counted on after it had ended, its last count goes out first. */
void book_forget(struct book *book, struct held *held, uint64_t position, struct decision_list *out)
{
    if (held->said_count != held->alert.count)
        book_snapshot(book, out, position, held, SV("count"), SV("tocsin"));
    book_remove(book, held);
}

bool book_make_room(struct book *book, uint64_t position, struct decision_list *out)
{
    while (book->count >= book->options.max_open && book->ended_oldest != NULL)
        book_forget(book, book->ended_oldest, position, out);
    return book->count < book->options.max_open;
}

/* The book is full of open alerts. The overflow alert before, past its window, makes way for this one: so
 * there is one per rule and severity, and the bound holds. */
struct held *book_overflow(struct book *book, const struct finding *finding, struct decision_list *out)
{
    const struct entity entity = {.overflow = true};
    uint8_t key[TC_SHA256_BYTES];
    entity_key(finding->rule->id, finding->rule->severity, &entity, key);
    struct held *held = book_current(book, key);
    if (belongs(book, held, finding)) {
        count_finding(book, held, finding, out);
        return held;
    }
    if (held != NULL) {
        if (lifecycle_open(held->alert.state)) {
            book_end(book, held, ALERT_RESOLVED, finding->received.ns, SV("tocsin"), false);
            held_history(held, finding->received.ns, SV("resolved"), SV("tocsin"),
                         SV("a new overflow alert goes on counting"));
            held->alert.last_position = finding->position;
            book_snapshot(book, out, finding->position, held, SV("resolved"), SV("tocsin"));
        }
        book_forget(book, held, finding->position, out);
    }
    return book_add_alert(book, finding, &entity, key, out);
}

static void find_key(struct book *book, const struct finding *finding, struct entity *ret,
                     uint8_t ret_key[TC_SHA256_BYTES])
{
    struct entity parts;
    entity_of(finding, &book->scratch, ret);
    entity_of_key(finding, ret, &book->scratch, &parts);
    entity_key(finding->rule->id, finding->rule->severity, &parts, ret_key);
}

/* `action: reset`: the alert that the other rule has of this entity is over. */
static void reset_finding(struct book *book, const struct finding *finding, struct decision_list *out)
{
    struct entity entity;
    uint8_t key[TC_SHA256_BYTES];
    struct finding other = *finding;
    other.rule = finding->resets;
    find_key(book, &other, &entity, key);
    struct held *held = book_current(book, key);
    if (held == NULL || !lifecycle_open(held->alert.state) ||
        flap_holds_end(book, held, finding->received.ns))
        return;
    struct sv note = arena_printf(&book->scratch, "reset by %.*s",
                                  SV_FMT(text_line(&book->scratch, finding->rule->title, 200)));
    book_end(book, held, ALERT_RESOLVED, finding->received.ns, SV("tocsin"), false);
    held->alert.last_position = finding->position;
    held_history(held, finding->received.ns, SV("resolved"), SV("tocsin"), note);
    book_snapshot(book, out, finding->position, held, SV("resolved"), SV("tocsin"));
}

const struct alert *book_finding(struct book *book, const struct finding *finding, struct decision_list *out)
{
    struct entity entity;
    uint8_t key[TC_SHA256_BYTES];
    book_enter(book);
    if (finding->resets != NULL) {
        reset_finding(book, finding, out);
        return NULL;
    }
    find_key(book, finding, &entity, key);
    struct held *held = book_current(book, key);
    if (belongs(book, held, finding))
        count_finding(book, held, finding, out);
    else if (book_make_room(book, finding->position, out))
        held = book_add_alert(book, finding, &entity, key, out);
    else
        held = book_overflow(book, finding, out);
    return &held->alert;
}

/* --- time */

void book_end(struct book *book, struct held *held, enum alert_state state, int64_t now_ns, struct sv by,
              bool by_hand)
{
    struct alert *alert = &held->alert;
    bool was_open = lifecycle_open(alert->state);
    book_unpause(held, now_ns);
    tc_assert(lifecycle_allows(alert->state, state));
    alert->state = state;
    if (!was_open) /* resolved, now closed: it ended when it was resolved */
        return;
    if (held->alert.silenced > 0)
        book->silence_due_ns = now_ns; /* a silence "until resolved" may end with it */
    held->alert.silenced = 0;
    if (alert->flapping != NULL)
        flap_forget(held);
    wait_forget(held);
    alert->ended_ns = now_ns;
    alert->ended_by = held_copy(held, by);
    held->ended_by_hand = by_hand;
    held->touched_ns = now_ns;
    held->end_serial = book->next_end_serial++;
    book_mark_ended(book, held);
    book_schedule(book, held);
}
