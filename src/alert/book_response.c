/*
 * What people do about an alert that leaves its state as it is: assign it, note something, go through the
 * steps of a response, and set follow-up tasks (ledger D-15, D-17, Y-16).
 *
 * The five steps of a response are acknowledge, assess, respond, resolve, document; each keeps the time when
 * it was first done. They come in this order: what skips one is refused with the step that is missing.
 */
#include "alert/alert_priv.h"

#include "base/num.h"

#define HOUR_NS     (3600 * TC_SECOND_NS)
#define DAY_NS      (24 * HOUR_NS)
#define TASK_MAX_NS (366 * DAY_NS)

static int task_limit(struct err *err)
{
    return err_set(err, TC_EBOUND, "an alert has %d tasks at most", ALERT_TASKS_MAX);
}

int response_assign(struct order *order, struct err *err)
{
    (void)err;
    struct alert_life *life = held_life(order->held);
    struct sv to = order->given->to;
    life->assigned = held_copy(order->held, sv_head(to, ALERT_BY_MAX));
    if (to.n > 0)
        order_note(order, "to %.*s", SV_FMT(life->assigned));
    else
        order_note(order, "to nobody");
    return 0;
}

int response_note(struct order *order, struct err *err)
{
    return order->given->note.n > 0 ? 0 : err_set(err, TC_EINPUT, "\"note\" is needed: what is to be noted");
}

/* --- the steps */

static struct sv level_of(struct sv word)
{
    static const char *const levels[] = {"low", "medium", "high", "critical"};
    for (size_t i = 0; i < TC_ARRAY_LEN(levels); i++)
        if (sv_eq_nocase(word, sv_of(levels[i])))
            return sv_of(levels[i]);
    return (struct sv){0};
}

int response_assess(struct order *order, struct err *err)
{
    struct sv impact = level_of(order->given->impact), urgency = level_of(order->given->urgency);
    if (order->held->alert.acknowledged_ns == TC_NO_TIME)
        return err_set(err, TC_ESTATE, "the first step is to acknowledge: nobody has");
    if (impact.n == 0 || urgency.n == 0)
        return err_set(err, TC_EINPUT,
                       "\"impact\" and \"urgency\" are needed, each low, medium, high or critical");
    struct alert_life *life = held_life(order->held);
    if (life->assessed_ns == TC_NO_TIME) {
        life->assessed_ns = order->now_ns;
        life->assessed_by = held_copy(order->held, order->given->by);
    }
    life->impact = impact;
    life->urgency = urgency;
    order_note(order, "impact %.*s, urgency %.*s", SV_FMT(impact), SV_FMT(urgency));
    return 0;
}

int response_respond(struct order *order, struct err *err)
{
    const struct alert_life *before = order->held->alert.life;
    if (before == NULL || before->assessed_ns == TC_NO_TIME)
        return err_set(err, TC_ESTATE, "assess the alert first: its impact and its urgency");
    if (before->responded_ns != TC_NO_TIME)
        return err_set(err, TC_ESTATE, "%.*s responds already: add a note", SV_FMT(before->responded_by));
    struct alert_life *life = held_life(order->held);
    life->responded_ns = order->now_ns;
    life->responded_by = held_copy(order->held, order->given->by);
    return 0;
}

int response_document(struct order *order, struct err *err)
{
    if (order->given->note.n == 0)
        return err_set(err, TC_EINPUT,
                       "\"note\" is needed: what happened and what follows, or where it is written down");
    struct alert_life *life = held_life(order->held);
    if (life->documented_ns == TC_NO_TIME) {
        life->documented_ns = order->now_ns;
        life->documented_by = held_copy(order->held, order->given->by);
    }
    life->document = held_copy(order->held, order->given->note);
    return 0;
}

/* --- tasks */

/* When work begins on the next business day: by the calendar, or else Monday to Friday, 09:00 of the
 * configured zone. */
static int64_t next_business_day_ns(int64_t now_ns, const struct alert_options *options)
{
    int64_t due_ns;
    if (options->next_working_day != NULL && options->next_working_day(options->calendar, now_ns, &due_ns))
        return due_ns;
    int zone_offset_s = options->zone_offset_s;
    int64_t local_ns = book_add_ns(now_ns, zone_offset_s * TC_SECOND_NS);
    int64_t day_ns = local_ns - ((local_ns % DAY_NS) + DAY_NS) % DAY_NS;
    do
        day_ns = book_add_ns(day_ns, DAY_NS);
    while (clk_weekday(day_ns) == 0 || clk_weekday(day_ns) == 6);
    return book_add_ns(day_ns, 9 * HOUR_NS - zone_offset_s * TC_SECOND_NS);
}

/* The follow-ups that the procedures name, and when each is due; 0: on the next business day. */
static const struct {
    const char *what;
    int64_t after_ns;
} kinds[] = {
    {"monitor_24h", DAY_NS},
    {"verify_next_business_day", 0},
    {"record_reason_and_duration", DAY_NS},
    {"post_incident_review", 5 * DAY_NS},
    {"fix_in_next_sprint", 14 * DAY_NS},
};

static int task_due(const struct order *order, int64_t *ret_ns, struct err *err)
{
    for (size_t i = 0; order->given->until.n == 0 && i < TC_ARRAY_LEN(kinds); i++)
        if (sv_is(order->given->what, kinds[i].what)) {
            *ret_ns = kinds[i].after_ns > 0 ? book_add_ns(order->now_ns, kinds[i].after_ns)
                                            : next_business_day_ns(order->now_ns, &order->book->options);
            return 0;
        }
    return order_time(order, TASK_MAX_NS, ret_ns, err);
}

int response_task(struct order *order, struct err *err)
{
    const struct alert_command *given = order->given;
    const struct alert_life *before = order->held->alert.life;
    int64_t due_ns = 0;
    if (given->what.n == 0)
        return err_set(err, TC_EINPUT,
                       "\"what\" is needed: your own words, or monitor_24h, verify_next_business_day, "
                       "record_reason_and_duration, post_incident_review, fix_in_next_sprint");
    if (before != NULL && before->task_count == ALERT_TASKS_MAX)
        return task_limit(err);
    int rc = task_due(order, &due_ns, err);
    if (rc != 0)
        return rc;
    struct alert_task *task = held_add_task(order->held);
    task->what = held_copy(order->held, given->what);
    task->owner = held_copy(order->held, sv_head(given->to, ALERT_BY_MAX));
    task->by = held_copy(order->held, given->by);
    task->due_ns = due_ns;
    char time[TC_RFC3339_MAX];
    clk_rfc3339(due_ns, time);
    order_note(order, "%u, due %s: %.*s", task->number, time, SV_FMT(sv_head(given->what, 300)));
    return 0;
}

int response_done(struct order *order, struct err *err)
{
    const struct alert_life *life = order->held->alert.life;
    size_t count = life == NULL ? 0 : life->task_count;
    uint64_t number;
    if (!num_u64(order->given->what, 1, TC_MAX(count, (size_t)1), &number) || count == 0)
        return err_set(err, TC_ENOTFOUND, "\"what\" is the number of a task, and this alert has %zu of them",
                       count);
    struct alert_task *task = &life->tasks[number - 1];
    if (task->done_ns != TC_NO_TIME)
        return err_set(err, TC_ESTATE, "task %u was done by %.*s already", task->number,
                       SV_FMT(task->done_by));
    task->done_ns = order->now_ns;
    task->done_by = held_copy(order->held, order->given->by);
    order_note(order, "%u: %.*s", task->number, SV_FMT(sv_head(task->what, 300)));
    return 0;
}
