/*
 * What people ask of the book: acknowledge, resolve, close (ledger D-09, D-14, D-15). A command that cannot
 * be done changes nothing and says why, and what would help.
 */
#include "alert/alert_priv.h"

typedef int (*command_fn)(struct book *book, struct held *held, int64_t now_ns,
                          const struct alert_command *command, struct err *err);

static int command_ack(struct book *book, struct held *held, int64_t now_ns,
                       const struct alert_command *command, struct err *err)
{
    (void)book, (void)err;
    held->alert.state = ALERT_ACKNOWLEDGED;
    held->alert.acknowledged_ns = now_ns;
    held->alert.acknowledged_by = held_copy(held, command->by);
    held->touched_ns = TC_MAX(held->touched_ns, now_ns);
    return 0;
}

static int command_resolve(struct book *book, struct held *held, int64_t now_ns,
                           const struct alert_command *command, struct err *err)
{
    (void)err;
    book_end(book, held, ALERT_RESOLVED, now_ns, command->by, true);
    return 0;
}

static int command_close(struct book *book, struct held *held, int64_t now_ns,
                         const struct alert_command *command, struct err *err)
{
    struct sv disposition = lifecycle_disposition(command->disposition);
    enum severity severity = held->alert.severity;
    if (disposition.n == 0)
        return err_set(
            err, TC_EINPUT,
            "closing needs a disposition: true_positive, false_positive or benign (it is \"%.*s\")",
            SV_FMT(sv_head(command->disposition, 64)));
    if (severity <= SEVERITY_P2 && command->note.n == 0)
        return err_set(err, TC_EINPUT,
                       "closing a %s alert needs a note: say what was found and what was done",
                       severity_name(severity));
    book_end(book, held, ALERT_CLOSED, now_ns, command->by, true);
    held->alert.disposition = disposition;
    return 0;
}

static const struct command {
    const char *verb, *what; /* what: in history and decisions */
    enum alert_state to;
    command_fn apply;
} commands[] = {
    {"ack", "acknowledged", ALERT_ACKNOWLEDGED, command_ack},
    {"resolve", "resolved", ALERT_RESOLVED, command_resolve},
    {"close", "closed", ALERT_CLOSED, command_close},
};

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
    if (alert->state == command->to)
        return err_set(err, TC_ESTATE, "already %s by %.*s", command->what, SV_FMT(by));
    if (!lifecycle_allows(alert->state, command->to))
        return err_set(err, TC_ESTATE, "the alert is %s (by %.*s) and can no longer be %s",
                       alert_state_name(alert->state), SV_FMT(by), command->what);
    return 0;
}

static int run_command(struct book *book, struct receive_time now, const struct alert_command *given,
                       struct held **ret_held, const struct command **ret_command, struct err *err)
{
    const struct command *command = *ret_command = command_of(given->verb);
    if (command == NULL)
        return err_set(err, TC_EINPUT, "\"%.*s\" is no command for an alert: it is ack, resolve or close",
                       SV_FMT(sv_head(given->verb, 64)));
    const struct alert *alert = book_find(book, given->alert_id, err);
    if (alert == NULL)
        return err->code;
    *ret_held = held_of(alert);
    if (given->note.n > ALERT_NOTE_MAX)
        return err_set(err, TC_EINPUT, "the note is longer than %d bytes", ALERT_NOTE_MAX);
    int rc = check_move(alert, command, err);
    return rc != 0 ? rc : command->apply(book, *ret_held, now.ns, given, err);
}

void book_command(struct book *book, uint64_t position, struct receive_time now,
                  const struct alert_command *command, struct decision_list *out)
{
    book_enter(book);
    struct alert_command clean = *command;
    struct sv by = sv_trim(command->by);
    clean.by = text_line(&book->scratch, by.n > 0 ? by : SV("unknown"), ALERT_BY_MAX);
    clean.note = sv_trim(command->note);
    if (clean.note.n <= ALERT_NOTE_MAX) /* a longer one is refused, not cut */
        clean.note = text_clean(&book->scratch, clean.note, ALERT_NOTE_MAX);
    struct held *held = NULL;
    const struct command *known = NULL;
    struct err err = {0};
    int rc = run_command(book, now, &clean, &held, &known, &err);
    struct sv by_kept = arena_sv(out->arena, clean.by);
    if (rc != 0) {
        struct sv verb = arena_sv(out->arena, text_line(&book->scratch, command->verb, 64));
        book_decide(out, DECIDE_REFUSED, position, held, verb, by_kept)->refused = err;
        return;
    }
    struct sv what = sv_of(known->what);
    if (clean.note.n > 0)
        held->alert.note = held_copy(held, clean.note);
    held->alert.last_position = position;
    held_history(held, now.ns, what, clean.by, clean.note);
    book_snapshot(book, out, position, held, what, by_kept);
}
