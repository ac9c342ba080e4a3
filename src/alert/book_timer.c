/*
 * What time alone does to an alert: a snooze ends, a question stays without an answer, the goal for the
 * acknowledgement is missed, it is open for too long, a task is due, a step of the escalation comes, an alert
 * without occurrences resolves, one that ended is forgotten. Each has a time of its own; the earliest is the
 * alert's timer (book_index.c), and a tick that passes it does all that is due, in this file's order.
 *
 * Escalation reads the alert, never a notification (ledger D-10 to D-12). Step k comes a fixed time after the
 * alert began to fire; time that it spent paused (snoozed, asked about, silenced) does not count. It stops
 * when somebody acknowledges or it ends.
 */
#include "alert/alert_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define TASK_KEPT_NS (30 * 24 * INT64_C(3600) * TC_SECOND_NS) /* past its time, while it is not done */

/* --- when */

static int64_t snooze_due(const struct book *book, const struct held *held)
{
    (void)book;
    return held->alert.state == ALERT_SNOOZED ? held->alert.life->snoozed_until_ns : INT64_MAX;
}

static int64_t answer_due(const struct book *book, const struct held *held)
{
    (void)book;
    return held->alert.state == ALERT_PENDING ? held->alert.life->answer_due_ns : INT64_MAX;
}

static int64_t breach_due(const struct book *book, const struct held *held)
{
    const struct alert *alert = &held->alert;
    bool counts = alert->state == ALERT_FIRING && alert->waiting == NULL && alert->severity <= SEVERITY_P2 &&
                  book->options.acknowledge_within_ns > 0 &&
                  (alert->life == NULL || alert->life->breached_ns == TC_NO_TIME);
    return counts ? book_add_ns(held->ladder_from_ns, book->options.acknowledge_within_ns) : INT64_MAX;
}

/* D-20: from its making on, whatever was done about it since, until it has ended. */
static int64_t overdue_due(const struct book *book, const struct held *held)
{
    const struct alert *alert = &held->alert;
    int64_t after_ns = book->options.overdue_after_ns[alert->severity];
    bool counts = lifecycle_open(alert->state) && alert->waiting == NULL && after_ns > 0 &&
                  alert->history_count > 0 && (alert->life == NULL || alert->life->overdue_ns == TC_NO_TIME);
    return counts ? book_add_ns(alert->history[0].time_ns, after_ns) : INT64_MAX;
}

static int64_t task_due(const struct book *book, const struct held *held)
{
    const struct alert_life *life = held->alert.life;
    int64_t due_ns = INT64_MAX;
    (void)book;
    for (size_t i = 0; life != NULL && i < life->task_count; i++)
        if (life->tasks[i].done_ns == TC_NO_TIME && life->tasks[i].reminded_ns == TC_NO_TIME)
            due_ns = TC_MIN(due_ns, life->tasks[i].due_ns);
    return due_ns;
}

static const struct alert_ladder *ladder_of(const struct book *book, const struct held *held)
{
    return &book->options.ladders[held->alert.severity];
}

int64_t book_step_due_ns(const struct book *book, const struct held *held)
{
    const struct alert_ladder *ladder = ladder_of(book, held);
    if (held->alert.state != ALERT_FIRING || held->paused_at_ns != TC_NO_TIME || ladder->count == 0 ||
        held->alert.waiting != NULL)
        return INT64_MAX;
    uint64_t round = held->alert.escalation_step / ladder->count;
    if (round > ladder->repeats)
        return INT64_MAX;
    int64_t due_ns = book_add_ns(book_add_ns(held->ladder_from_ns, held->paused_ns),
                                 ladder->after_ns[held->alert.escalation_step % ladder->count]);
    for (uint64_t i = 0; i < round; i++)
        due_ns = book_add_ns(due_ns, ladder->repeat_every_ns);
    return due_ns;
}

static int64_t end_due(const struct book *book, const struct held *held)
{
    const struct alert_life *life = held->alert.life;
    bool is_over = held->alert.flapping != NULL && held->alert.flapping->over_ns != TC_NO_TIME;
    if (lifecycle_open(held->alert.state))
        return held->rule_fires || is_over ? INT64_MAX /* its rule ends it, or that it is stable */
                                           : book_add_ns(held->touched_ns, book_quiet_ns(book, held));
    int64_t due_ns = book_add_ns(held->touched_ns, book->options.forget_after_ns);
    for (size_t i = 0; life != NULL && i < life->task_count; i++)
        if (life->tasks[i].done_ns == TC_NO_TIME)
            due_ns = TC_MAX(due_ns, book_add_ns(life->tasks[i].due_ns, TASK_KEPT_NS));
    return due_ns;
}

/* --- what */

struct firing {
    struct book *book;
    struct held *held;
    uint64_t position;
    int64_t now_ns;
    struct decision_list *out;
};

static void say(const struct firing *f, struct sv what, struct sv note)
{
    f->held->alert.last_position = f->position;
    held_history(f->held, f->now_ns, what, SV("tocsin"), note);
    book_snapshot(f->book, f->out, f->position, f->held, what, SV("tocsin"));
}

static void wake(const struct firing *f)
{
    lifecycle_wake(f->held, f->now_ns);
    say(f, SV("woken"), SV("the snooze has ended"));
    if (f->held->alert.state == ALERT_FIRING)
        book_tell(f->book, f->out, f->position, f->now_ns, f->held, NOTIFY_REMINDER,
                  book_next_reminder(f->held));
}

/* D-16: nobody answered in time. */
static void unanswered(const struct firing *f)
{
    f->held->alert.state = ALERT_FIRING;
    book_unpause(f->held, f->now_ns);
    if (f->book->options.silence_is_no_objection) {
        say(f, SV("unanswered"), SV("the user did not answer in time"));
        book_tell(f->book, f->out, f->position, f->now_ns, f->held, NOTIFY_REMINDER,
                  book_next_reminder(f->held));
        return;
    }
    book_raise(f->book, f->held, f->now_ns);
    say(f, SV("unanswered"), SV("the user did not answer in time: raised"));
    book_tell(f->book, f->out, f->position, f->now_ns, f->held, NOTIFY_SEVERITY_RAISED,
              book_step_of_question(f->held->alert.life));
}

static void breach(const struct firing *f)
{
    char note[64 + TC_RFC3339_MAX], goal[TC_RFC3339_MAX];
    clk_format_duration(f->book->options.acknowledge_within_ns, goal);
    int n = snprintf(note, sizeof note, "nobody acknowledged within %s", goal);
    held_life(f->held)->breached_ns =
        book_add_ns(f->held->ladder_from_ns, f->book->options.acknowledge_within_ns);
    say(f, SV("breached"), sv_make(note, (size_t)n));
}

static void overdue(const struct firing *f)
{
    char note[64 + TC_RFC3339_MAX], goal[TC_RFC3339_MAX];
    clk_format_duration(f->book->options.overdue_after_ns[f->held->alert.severity], goal);
    int n = snprintf(note, sizeof note, "open for longer than %s", goal);
    int64_t due_ns = overdue_due(f->book, f->held);
    held_life(f->held)->overdue_ns = due_ns;
    say(f, SV("overdue"), sv_make(note, (size_t)n));
    book_tell(f->book, f->out, f->position, f->now_ns, f->held, NOTIFY_OVERDUE, 1);
}

static void remind(const struct firing *f)
{
    struct alert_life *life = held_life(f->held);
    for (size_t i = 0; i < life->task_count; i++) {
        struct alert_task *task = &life->tasks[i];
        if (task->done_ns != TC_NO_TIME || task->reminded_ns != TC_NO_TIME || task->due_ns > f->now_ns)
            continue;
        task->reminded_ns = f->now_ns;
        struct sv note = text_clean(
            &f->book->scratch,
            arena_printf(&f->book->scratch, "%u: %.*s", task->number, SV_FMT(sv_head(task->what, 300))),
            ALERT_NOTE_MAX);
        say(f, SV("task_due"), note);
        book_tell(f->book, f->out, f->position, f->now_ns, f->held, NOTIFY_TASK_DUE, task->number);
    }
}

/* A step that a standstill delayed is told all the same, and says how late it comes. */
static void escalate(const struct firing *f)
{
    const struct alert_ladder *ladder = ladder_of(f->book, f->held);
    char note[128 + 2 * TC_RFC3339_MAX], after[TC_RFC3339_MAX], late[TC_RFC3339_MAX];
    int64_t late_ns = book_add_ns(f->now_ns, -TC_MAX(book_step_due_ns(f->book, f->held), (int64_t)0));
    uint32_t step = f->held->alert.escalation_step++;
    clk_format_duration(ladder->after_ns[step % ladder->count], after);
    clk_format_duration(late_ns - late_ns % TC_SECOND_NS, late);
    int n = snprintf(note, sizeof note, "step %u: not acknowledged after %s", step + 1, after);
    if (late_ns >= BOOK_LATE_NS)
        n += snprintf(note + n, sizeof note - (size_t)n, "; told %s late", late);
    say(f, SV("escalated"), sv_make(note, (size_t)n));
    book_tell(f->book, f->out, f->position, f->now_ns, f->held, NOTIFY_ESCALATED, step + 1);
}

/* What flapped was left as it is for long enough: it is over, or it fires. */
static void settle(const struct firing *f)
{
    char note[64 + TC_RFC3339_MAX], since[TC_RFC3339_MAX];
    int64_t over_ns = f->held->alert.flapping->over_ns;
    if (over_ns != TC_NO_TIME) {
        clk_rfc3339(over_ns, since);
        int n = snprintf(note, sizeof note, "over since %s, and did not begin again", since);
        book_end(f->book, f->held, ALERT_RESOLVED, f->now_ns, SV("tocsin"), false);
        say(f, SV("resolved"), sv_make(note, (size_t)n));
        return;
    }
    flap_forget(f->held);
    say(f, SV("stable"), SV("it flaps no more, and fires"));
    if (f->held->alert.state == ALERT_FIRING)
        book_tell(f->book, f->out, f->position, f->now_ns, f->held, NOTIFY_REMINDER,
                  book_next_reminder(f->held));
}

static void resolve_quiet(const struct firing *f)
{
    if (flap_holds_end(f->book, f->held, f->now_ns))
        return;
    char note[64 + TC_RFC3339_MAX], duration[TC_RFC3339_MAX];
    clk_format_duration(book_quiet_ns(f->book, f->held), duration);
    int n = snprintf(note, sizeof note, "no occurrence for %s", duration);
    book_end(f->book, f->held, ALERT_RESOLVED, f->now_ns, SV("tocsin"), false);
    say(f, SV("resolved"), sv_make(note, (size_t)n));
}

static void end(const struct firing *f)
{
    if (lifecycle_open(f->held->alert.state))
        resolve_quiet(f);
    else
        book_forget(f->book, f->held, f->position, f->out);
}

static const struct {
    int64_t (*due)(const struct book *book, const struct held *held);
    void (*fire)(const struct firing *firing);
} timers[] = {
    {snooze_due, wake},     {answer_due, unanswered}, {breach_due, breach},
    {overdue_due, overdue}, {task_due, remind},       {book_step_due_ns, escalate},
    {flap_due_ns, settle},  {end_due, end}, /* the last: it may be forgotten */
};

int64_t book_timer_ns(const struct book *book, const struct held *held)
{
    int64_t due_ns = INT64_MAX;
    for (size_t i = 0; i < TC_ARRAY_LEN(timers); i++)
        due_ns = TC_MIN(due_ns, timers[i].due(book, held));
    return due_ns;
}

static bool is_due(const struct firing *f, size_t timer)
{
    int64_t due_ns = timers[timer].due(f->book, f->held);
    return due_ns != INT64_MAX && due_ns <= f->now_ns;
}

static void fire(const struct firing *f)
{
    const size_t last = TC_ARRAY_LEN(timers) - 1;
    for (size_t i = 0; i < last; i++)
        while (is_due(f, i))
            timers[i].fire(f);
    if (is_due(f, last))
        timers[last].fire(f);
    if (!f->held->gone)
        book_schedule(f->book, f->held);
}

void book_tick(struct book *book, uint64_t position, struct receive_time now, struct decision_list *out)
{
    book_enter(book);
    struct held **due = NULL;
    size_t count = 0, capacity = 0;
    for (struct held *held; (held = book_pop_due(book, now.ns)) != NULL;) {
        if (count == capacity) {
            capacity = capacity == 0 ? 16 : capacity * 2;
            due = tc_realloc(due, capacity * sizeof(struct held *));
        }
        due[count++] = held;
    }
    if (count > 1)
        qsort(due, count, sizeof due[0], book_compare_serial);
    for (size_t i = 0; i < count; i++)
        fire(&(struct firing){book, due[i], position, now.ns, out});
    free(due);
    silence_tick(book, position, now.ns, out);
}

int64_t book_due_ns(const struct book *book)
{
    return TC_MIN(book->due_count == 0 ? INT64_MAX : book->due[0]->due_ns, book->silence_due_ns);
}

/* Where no timer is late at all, which is always but after a standstill, nothing is walked through. */
size_t book_overdue(const struct book *book, int64_t now_ns, int64_t *ret_late_ns)
{
    int64_t before_ns = book_add_ns(now_ns, -BOOK_LATE_NS);
    size_t count = 0;
    *ret_late_ns = 0;
    for (size_t i = 0; book_due_ns(book) <= before_ns && i < book->count; i++) {
        int64_t due_ns = book_step_due_ns(book, book->all[i]);
        if (due_ns > before_ns)
            continue;
        count++;
        *ret_late_ns = TC_MAX(*ret_late_ns, book_add_ns(now_ns, -TC_MAX(due_ns, (int64_t)0)));
    }
    return count;
}

static bool same_ladder(const struct alert_ladder *a, const struct alert_ladder *b)
{
    bool same = a->count == b->count && a->repeats == b->repeats && a->repeat_every_ns == b->repeat_every_ns;
    for (size_t i = 0; same && i < a->count; i++)
        same = a->after_ns[i] == b->after_ns[i];
    return same;
}

void book_pass_steps(struct book *book, const struct book *before, int64_t now_ns)
{
    for (size_t i = 0; i < book->count; i++) {
        struct held *held = book->all[i];
        if (same_ladder(ladder_of(book, held), &before->options.ladders[held->alert.severity]))
            continue;
        while (book_step_due_ns(book, held) <= now_ns)
            held->alert.escalation_step++;
        book_show_step(book, held);
        book_schedule(book, held);
    }
}

void book_show_step(const struct book *book, struct held *held)
{
    int64_t due_ns = book_step_due_ns(book, held);
    held->alert.escalation_next_ns = due_ns == INT64_MAX ? TC_NO_TIME : due_ns;
}

/* --- pausing and raising */

void book_pause(struct held *held, int64_t now_ns)
{
    if (held->paused_at_ns == TC_NO_TIME)
        held->paused_at_ns = now_ns;
}

void book_unpause(struct held *held, int64_t now_ns)
{
    if (held->paused_at_ns == TC_NO_TIME || held->alert.silenced > 0)
        return;
    held->paused_ns =
        book_add_ns(held->paused_ns, TC_MAX(book_add_ns(now_ns, -held->paused_at_ns), (int64_t)0));
    held->paused_at_ns = TC_NO_TIME;
}

/* The ladder of the new severity begins anew. */
void book_raise_to(struct held *held, enum severity to, int64_t now_ns)
{
    if (to < held->alert.severity)
        held_raise(held, to);
    book_escalate_anew(held, now_ns);
}

void book_escalate_anew(struct held *held, int64_t now_ns)
{
    held->ladder_from_ns = now_ns;
    held->alert.escalation_step = 0;
    held->paused_ns = 0;
    held->paused_at_ns = held->alert.silenced > 0 ? now_ns : TC_NO_TIME;
}

void book_raise(struct book *book, struct held *held, int64_t now_ns)
{
    book_raise_to(held, book->options.raise_to, now_ns);
}

uint32_t book_next_reminder(struct held *held)
{
    return ++held->reminders;
}
