/*
 * Waiting before anybody is told: an alert of a rule on events may wait until so many occurrences came within
 * some time (`notify_after`, of the rule or of all). It is an alert like any other meanwhile, and shown; but
 * no new alert, no count and no step of the escalation is told, and its goals count from when it is told.
 *
 * Whatever else is told of it ends the waiting: a raise of its severity, a reminder after a snooze. Times are
 * those at which occurrences were received. Rules on metrics have `for` in place of this.
 */
#include "alert/alert_priv.h"

#include <stdio.h>
#include <stdlib.h>

struct held_wait {
    struct alert_wait shown;
    int64_t come_ns[]; /* the latest occurrences, fewer than are needed; room for shown.needed */
};

static struct held_wait *wait_of(const struct held *held)
{
    return (struct held_wait *)(uintptr_t)held->alert.waiting; /* it stands first */
}

static void wait_make(struct held *held, uint32_t needed, int64_t within_ns)
{
    struct held_wait *wait = tc_alloc(sizeof *wait + needed * sizeof wait->come_ns[0]);
    wait->shown = (struct alert_wait){.needed = needed, .within_ns = within_ns};
    held->alert.waiting = &wait->shown;
}

void wait_forget(struct held *held)
{
    free(wait_of(held));
    held->alert.waiting = NULL;
}

/* Takes up `weight` occurrences; true: that is enough. */
static bool enough(struct held_wait *wait, uint64_t weight, int64_t now_ns)
{
    int64_t from_ns = book_add_ns(now_ns, -wait->shown.within_ns);
    uint32_t left = 0, needed = wait->shown.needed;
    for (uint32_t i = 0; i < wait->shown.come; i++)
        if (wait->come_ns[i] > from_ns)
            wait->come_ns[left++] = wait->come_ns[i];
    wait->shown.come = left;
    if (weight >= needed - left)
        return true;
    for (; weight > 0; weight--)
        wait->come_ns[wait->shown.come++] = now_ns;
    return false;
}

bool wait_new_alert(const struct book *book, struct held *held, const struct finding *finding)
{
    const struct rule_info *rule = finding->rule;
    bool own = rule->notify_count > 0;
    uint32_t needed = own ? rule->notify_count : book->options.notify_count;
    int64_t within_ns = own ? rule->notify_within_ns : book->options.notify_within_ns;
    if (needed <= 1 || held->overflow || finding->kind == FINDING_METRIC)
        return false;
    wait_make(held, TC_MIN(needed, (uint32_t)ALERT_WAIT_MAX), within_ns);
    if (enough(wait_of(held), held->alert.count, finding->received.ns)) {
        wait_forget(held);
        return false;
    }
    char note[64 + TC_RFC3339_MAX], within[TC_RFC3339_MAX];
    clk_format_duration(within_ns, within);
    int n = snprintf(note, sizeof note, "told when %u occurrences come within %s", needed, within);
    held_history(held, finding->received.ns, SV("waiting"), SV("tocsin"), sv_make(note, (size_t)n));
    return true;
}

bool wait_counts(struct held *held, uint64_t weight, int64_t now_ns)
{
    return enough(wait_of(held), weight, now_ns);
}

void wait_end(struct book *book, struct held *held, int64_t now_ns)
{
    if (held->alert.waiting == NULL)
        return;
    wait_forget(held);
    book_escalate_anew(held, now_ns);
    book_show_step(book, held);
    book_mark_changed(book, held);
    book_schedule(book, held);
}

/* --- saving: u32 needed (0: it does not wait), and if so: u64 within · u32 come · u64 each */

void wait_save(const struct held *held, struct buf *out)
{
    const struct held_wait *wait = wait_of(held);
    buf_u32(out, wait == NULL ? 0 : wait->shown.needed);
    if (wait == NULL)
        return;
    buf_u64(out, (uint64_t)wait->shown.within_ns);
    buf_u32(out, wait->shown.come);
    for (uint32_t i = 0; i < wait->shown.come; i++)
        buf_u64(out, (uint64_t)wait->come_ns[i]);
}

bool wait_load(struct held *held, struct reader *reader)
{
    uint32_t needed = reader_u32(reader);
    if (reader->bad || needed == 0)
        return !reader->bad;
    int64_t within_ns = (int64_t)reader_u64(reader);
    uint32_t come = reader_u32(reader);
    if (reader->bad || needed > ALERT_WAIT_MAX || come >= needed || within_ns < 0 ||
        !lifecycle_open(held->alert.state))
        return false;
    wait_make(held, needed, within_ns);
    struct held_wait *wait = wait_of(held);
    for (; wait->shown.come < come; wait->shown.come++)
        wait->come_ns[wait->shown.come] = (int64_t)reader_u64(reader);
    return !reader->bad;
}
