/*
 * Alerts whose rule says itself when they end: rules on metrics (ledger D-13, C-112). See alert.h for what
 * holds of them.
 *
 * They are merged by their label set, whatever their severity: warning and critical are levels of one alert.
 */
#include "alert/alert_priv.h"

#include <stdio.h>

static bool is_higher(enum severity a, enum severity b)
{
    return a < b; /* P1 is the highest */
}

static void note_severity(struct held *held, enum severity before, int64_t now_ns)
{
    struct alert *alert = &held->alert;
    char note[32];
    int n = snprintf(note, sizeof note, "%s after %s", severity_name(alert->severity), severity_name(before));
    if (alert->history_count < ALERT_HISTORY_MAX - ALERT_HISTORY_SPARE)
        held_history(held, now_ns, SV("severity"), SV("tocsin"), sv_make(note, (size_t)n));
}

/* A raise is told with the words of now, and once for each height. */
static void change_severity(struct book *book, struct held *held, const struct finding *finding,
                            struct decision_list *out)
{
    struct alert *alert = &held->alert;
    enum severity before = alert->severity, now = finding->rule->severity;
    if (now == before || !lifecycle_open(alert->state))
        return;
    bool is_news = is_higher(now, held->told_severity);
    alert->severity = now;
    alert->last_position = finding->position;
    note_severity(held, before, finding->received.ns);
    if (is_news) {
        const struct entity nothing = {0};
        alert->message = held_copy(held, entity_message(finding, &nothing, &book->scratch));
        held->told_severity = now;
        book_escalate_anew(held, finding->received.ns);
    }
    book_schedule(book, held); /* its ladder is another severity's */
    book_snapshot(book, out, finding->position, held, SV("severity"), SV("tocsin"));
    if (is_news)
        book_tell(book, out, finding->position, finding->received.ns, held, NOTIFY_SEVERITY_RAISED, now);
}

static void begin_alert(struct book *book, const struct alert_change *change, struct decision_list *out)
{
    const struct finding *finding = change->finding;
    struct entity entity;
    if (!book_make_room(book, finding->position, out)) {
        book_overflow(book, finding, out);
        return;
    }
    entity_of(finding, &book->scratch, &entity);
    struct held *held = book_add_alert(book, finding, &entity, change->identity, out);
    held->rule_fires = true;
    held->told_severity = finding->rule->severity;
    book_schedule(book, held);
}

/* It flaps, so its end was held back: the same alert fires again. */
static void begin_again(struct book *book, struct held *held, const struct finding *finding,
                        struct decision_list *out)
{
    held->rule_fires = true;
    held->alert.count += held->alert.count < UINT64_MAX;
    held->alert.last_ns = TC_MAX(held->alert.last_ns, finding->time.ns);
    held->alert.last_position = finding->position;
    held->touched_ns = TC_MAX(held->touched_ns, finding->received.ns);
    flap_begins_again(book, held, finding->received.ns);
    change_severity(book, held, finding, out);
}

static void end_alert(struct book *book, struct held *held, const struct finding *finding,
                      struct decision_list *out)
{
    held->rule_fires = false;
    if (!lifecycle_open(held->alert.state) || flap_holds_end(book, held, finding->received.ns))
        return;
    book_end(book, held, ALERT_RESOLVED, finding->received.ns, SV("tocsin"), false);
    held->alert.last_position = finding->position;
    held_history(held, finding->received.ns, SV("resolved"), SV("tocsin"), SV("its rule says that it ended"));
    book_snapshot(book, out, finding->position, held, SV("resolved"), SV("tocsin"));
}

void book_change(struct book *book, const struct alert_change *change, struct decision_list *out)
{
    book_enter(book);
    struct held *held = book_current(book, change->identity);
    bool fires = held != NULL && held->rule_fires;
    if (!change->firing) {
        if (fires)
            end_alert(book, held, change->finding, out);
    } else if (fires) {
        change_severity(book, held, change->finding, out);
    } else if (held != NULL && held->alert.flapping != NULL) {
        begin_again(book, held, change->finding, out);
    } else {
        begin_alert(book, change, out);
    }
}

void book_each_firing(const struct book *book, book_firing_fn each, void *context)
{
    for (size_t i = 0; i < book->count; i++)
        if (book->all[i]->rule_fires)
            each(context, book->all[i]->key, &book->all[i]->alert);
}
