/*
 * What people ask of the book that moves an alert along its states: acknowledge, snooze, wake, ask its user,
 * answer, resolve, close (ledger D-09, D-14, D-15, D-16). book_response.c has what people do beside that.
 * A command that cannot be done changes nothing and says why, and what would help.
 */
#include "alert/alert_priv.h"

#include <stdio.h>

#define SNOOZE_MAX_NS (30 * 24 * INT64_C(3600) * TC_SECOND_NS)

const struct alert_command_member alert_command_members[] = {
    {"verb", offsetof(struct alert_command, verb)},
    {"alert", offsetof(struct alert_command, alert_id)},
    {"by", offsetof(struct alert_command, by)},
    {"note", offsetof(struct alert_command, note)},
    {"disposition", offsetof(struct alert_command, disposition)},
    {"to", offsetof(struct alert_command, to)},
    {"until", offsetof(struct alert_command, until)},
    {"what", offsetof(struct alert_command, what)},
    {"impact", offsetof(struct alert_command, impact)},
    {"urgency", offsetof(struct alert_command, urgency)},
    {"every", offsetof(struct alert_command, every)},
    {"from", offsetof(struct alert_command, from)},
    {"class", offsetof(struct alert_command, class)},
    {"source", offsetof(struct alert_command, source)},
    {"text", offsetof(struct alert_command, text)},
    {0}};

/* --- what the commands share */

int order_time(const struct order *order, int64_t most_ns, int64_t *ret_ns, struct err *err)
{
    struct sv text = sv_trim(order->given->until);
    int64_t ns;
    if (clk_parse_rfc3339(text, 0, &ns)) {
        *ret_ns = ns;
    } else if (text.n > 0 && clk_parse_duration(text, &ns, NULL) == 0) {
        *ret_ns = book_add_ns(order->now_ns, ns);
    } else {
        return err_set(
            err, TC_EINPUT,
            "\"until\" is needed: a time (2026-11-21T18:00:00Z) or a duration from now (4h); it is "
            "\"%.*s\"",
            SV_FMT(sv_head(text, 64)));
    }
    if (*ret_ns <= order->now_ns || *ret_ns > book_add_ns(order->now_ns, most_ns)) {
        char most[TC_RFC3339_MAX];
        clk_format_duration(most_ns, most);
        return err_set(err, TC_EINPUT, "\"until\" must lie ahead, by %s at most", most);
    }
    return 0;
}

void order_note(struct order *order, const char *format, ...)
{
    va_list arguments;
    char text[512];
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct sv said = sv_make(text, (size_t)TC_MIN(n, (int)sizeof text - 1));
    order->history_note = order->given->note.n == 0
                              ? text_clean(&order->book->scratch, said, ALERT_NOTE_MAX)
                              : text_clean(&order->book->scratch,
                                           arena_printf(&order->book->scratch, "%.*s: %.*s", SV_FMT(said),
                                                        SV_FMT(order->given->note)),
                                           ALERT_NOTE_MAX);
}

/* --- states */

static int command_ack(struct order *order, struct err *err)
{
    (void)err;
    struct alert *alert = &order->held->alert;
    alert->state = ALERT_ACKNOWLEDGED;
    alert->acknowledged_ns = order->now_ns;
    alert->acknowledged_by = held_copy(order->held, order->given->by);
    order->held->touched_ns = TC_MAX(order->held->touched_ns, order->now_ns);
    return 0;
}

static int command_resolve(struct order *order, struct err *err)
{
    (void)err;
    book_end(order->book, order->held, ALERT_RESOLVED, order->now_ns, order->given->by, true);
    return 0;
}

static int command_close(struct order *order, struct err *err)
{
    const struct alert_command *given = order->given;
    struct sv disposition = lifecycle_disposition(given->disposition);
    enum severity severity = order->held->alert.severity;
    if (disposition.n == 0)
        return err_set(
            err, TC_EINPUT,
            "closing needs a disposition: true_positive, false_positive or benign (it is \"%.*s\")",
            SV_FMT(sv_head(given->disposition, 64)));
    if (severity <= SEVERITY_P2 && given->note.n == 0)
        return err_set(err, TC_EINPUT,
                       "closing a %s alert needs a note: say what was found and what was done",
                       severity_name(severity));
    book_end(order->book, order->held, ALERT_CLOSED, order->now_ns, given->by, true);
    order->held->alert.disposition = disposition;
    return 0;
}

static int command_snooze(struct order *order, struct err *err)
{
    int64_t until_ns;
    int rc = order_time(order, SNOOZE_MAX_NS, &until_ns, err);
    if (rc != 0)
        return rc;
    char time[TC_RFC3339_MAX];
    struct alert_life *life = held_life(order->held);
    clk_rfc3339(until_ns, time);
    life->snoozed_from = order->held->alert.state;
    life->snoozed_until_ns = until_ns;
    order->held->alert.state = ALERT_SNOOZED;
    book_pause(order->held, order->now_ns);
    order_note(order, "until %s; escalation pauses", time);
    return 0;
}

static int command_wake(struct order *order, struct err *err)
{
    (void)err;
    lifecycle_wake(order->held, order->now_ns);
    if (order->held->alert.state == ALERT_FIRING)
        order_tell(order, NOTIFY_REMINDER, book_next_reminder(order->held));
    return 0;
}

/* D-16: the user that it is about is asked whether that was them. */
static int command_confirm(struct order *order, struct err *err)
{
    struct sv to = sv_trim(order->given->to);
    if (to.n == 0)
        return err_set(err, TC_EINPUT, "\"to\" is needed: the mail address of the user who is to be asked");
    struct alert_life *life = held_life(order->held);
    if (life->asks == UINT32_MAX)
        return err_set(err, TC_EBOUND, "too many questions were asked already");
    life->asked = held_copy(order->held, text_line(&order->book->scratch, to, ALERT_BY_MAX));
    life->asks++;
    life->answer_due_ns = book_add_ns(order->now_ns, order->book->options.answer_within_ns);
    order->held->alert.state = ALERT_PENDING;
    book_pause(order->held, order->now_ns);
    char time[TC_RFC3339_MAX];
    clk_rfc3339(life->answer_due_ns, time);
    order_note(order, "question %u, to be answered by %s; escalation pauses", life->asks, time);
    order_tell(order, NOTIFY_QUESTION, life->asks);
    return 0;
}

/* `to` is the number of the question that is answered, so that an old link answers nothing. */
static int command_answer(struct order *order, struct err *err)
{
    const struct alert_command *given = order->given;
    const struct alert_life *life = order->held->alert.life;
    char number[16];
    snprintf(number, sizeof number, "%u", life->asks);
    if (!sv_is(given->to, number))
        return err_set(err, TC_ESTATE, "this question has been answered, or another one was asked since");
    if (sv_is(given->what, "yes")) {
        order->what = "resolved";
        order_note(order, "the user says: yes, that was me");
        book_end(order->book, order->held, ALERT_RESOLVED, order->now_ns, given->by, true);
        return 0;
    }
    if (!sv_is(given->what, "no"))
        return err_set(err, TC_EINPUT, "the answer is \"yes\" or \"no\" (it is \"%.*s\")",
                       SV_FMT(sv_head(given->what, 32)));
    order_note(order, "the user says: no, that was not me");
    order->what = "denied";
    order->held->alert.state = ALERT_FIRING;
    book_raise(order->book, order->held, order->now_ns);
    order_tell(order, NOTIFY_SEVERITY_RAISED, book_step_of_question(life));
    return 0;
}

/* --- the table */

#define ANY_STATE ALERT_STATES
static const struct command {
    const char *verb, *what; /* what: in history and decisions */
    enum alert_state to;     /* ANY_STATE: the command sees to it */
    unsigned from;           /* with ANY_STATE: a bit per state; 0: every state */
    const char *when;        /* in words, for the refusal */
    command_fn apply;
} commands[] = {
    {"ack", "acknowledged", ALERT_ACKNOWLEDGED, 0, NULL, command_ack},
    {"resolve", "resolved", ALERT_RESOLVED, 0, NULL, command_resolve},
    {"close", "closed", ALERT_CLOSED, 0, NULL, command_close},
    {"snooze", "snoozed", ALERT_SNOOZED, 0, NULL, command_snooze},
    {"confirm", "asked", ALERT_PENDING, 0, NULL, command_confirm},
    {"wake", "woken", ANY_STATE, 1u << ALERT_SNOOZED, "only a snoozed alert can be woken", command_wake},
    {"answer", "answered", ANY_STATE, 1u << ALERT_PENDING,
     "this question has been answered, or nobody waits for the answer any more", command_answer},
    {"assign", "assigned", ANY_STATE, LIFECYCLE_OPEN, "only an open alert can be assigned", response_assign},
    {"note", "noted", ANY_STATE, 0, NULL, response_note},
    {"assess", "assessed", ANY_STATE, LIFECYCLE_OPEN, "only an open alert can be assessed", response_assess},
    {"respond", "responding", ANY_STATE, LIFECYCLE_OPEN, "only an open alert can be responded to",
     response_respond},
    {"document", "documented", ANY_STATE, LIFECYCLE_ENDED,
     "documenting is the last step: resolve or close the alert first", response_document},
    {"task", "task", ANY_STATE, 0, NULL, response_task},
    {"done", "task_done", ANY_STATE, 0, NULL, response_done},
};
#define VERBS                                                                                                \
    "ack, resolve, close, snooze, wake, confirm, answer, assign, note, assess, respond, document, task or "  \
    "done"

static const struct command *command_of(struct sv verb)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(commands); i++)
        if (sv_is(verb, commands[i].verb))
            return &commands[i];
    return NULL;
}

/* Who brought the alert to its state. */
static struct sv last_by(const struct alert *alert)
{
    return alert->history_count == 0            ? (struct sv){0}
           : alert->state == ALERT_ACKNOWLEDGED ? alert->acknowledged_by
           : alert->state == ALERT_RESOLVED     ? alert->ended_by
                                                : alert->history[alert->history_count - 1].by;
}

static int check_move(const struct alert *alert, const struct command *command, struct err *err)
{
    struct sv by = last_by(alert);
    if (command->to == ANY_STATE)
        return command->from == 0 || (command->from >> alert->state & 1u)
                   ? 0
                   : err_set(err, TC_ESTATE, "the alert is %s: %s", alert_state_name(alert->state),
                             command->when);
    if (alert->state == command->to)
        return err_set(err, TC_ESTATE, "already %s by %.*s", command->what, SV_FMT(by));
    if (!lifecycle_allows(alert->state, command->to))
        return err_set(err, TC_ESTATE, "the alert is %s (by %.*s) and can no longer be %s",
                       alert_state_name(alert->state), SV_FMT(by), command->what);
    return 0;
}

static int run_command(struct order *order, struct err *err)
{
    const struct alert_command *given = order->given;
    const struct command *command = command_of(given->verb);
    if (command == NULL)
        return err_set(err, TC_EINPUT, "\"%.*s\" is no command for an alert: it is " VERBS,
                       SV_FMT(sv_head(given->verb, 64)));
    const struct alert *alert = book_find(order->book, given->alert_id, err);
    if (alert == NULL)
        return err->code;
    order->held = held_of(alert);
    order->what = command->what;
    order->history_note = given->note;
    if (given->note.n > ALERT_NOTE_MAX)
        return err_set(err, TC_EINPUT, "the note is longer than %d bytes", ALERT_NOTE_MAX);
    int rc = check_move(alert, command, err);
    return rc != 0 ? rc : command->apply(order, err);
}

/* Names and words of one line; the note may have several. A longer note is refused, not cut. */
static struct alert_command clean(struct arena *scratch, const struct alert_command *command)
{
    struct alert_command c = *command;
    struct sv *const words[] = {&c.to, &c.what, &c.impact, &c.urgency};
    struct sv by = sv_trim(command->by);
    c.by = text_line(scratch, by.n > 0 ? by : SV("unknown"), ALERT_BY_MAX);
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        *words[i] = text_line(scratch, sv_trim(*words[i]), ALERT_TEXT_MAX);
    c.note = sv_trim(command->note);
    if (c.note.n <= ALERT_NOTE_MAX)
        c.note = text_clean(scratch, c.note, ALERT_NOTE_MAX);
    return c;
}

void book_command(struct book *book, uint64_t position, struct receive_time now,
                  const struct alert_command *command, struct decision_list *out)
{
    book_enter(book);
    const struct alert_command given = clean(&book->scratch, command);
    struct order order = {.book = book, .given = &given, .position = position, .now_ns = now.ns};
    struct err err = {0};
    int rc = run_command(&order, &err);
    struct held *held = order.held;
    struct sv by = arena_sv(out->arena, given.by);
    if (rc != 0) {
        struct sv verb = arena_sv(out->arena, text_line(&book->scratch, command->verb, 64));
        book_decide(out, DECIDE_REFUSED, position, held, verb, by)->refused = err;
        return;
    }
    if (given.note.n > 0)
        held->alert.note = held_copy(held, given.note);
    held->alert.last_position = position;
    held_history(held, now.ns, sv_of(order.what), given.by, order.history_note);
    book_schedule(book, held);
    book_snapshot(book, out, position, held, sv_of(order.what), by);
    if (order.tells)
        book_tell(book, out, position, now.ns, held, order.reason, order.step);
}
