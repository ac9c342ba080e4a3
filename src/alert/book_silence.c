/*
 * What silences do to the alerts of the book; see silence.h.
 *
 * Whether an alert is hidden is looked at when it is made, and for all of them when a silence begins or ends;
 * in between nothing can change it. So a notification only asks the alert itself (book_tell).
 */
#include "alert/alert_priv.h"

#include "alert/silence.h"
#include "base/num.h"

#include <stdio.h>

#define KEPT_NS (7 * 24 * INT64_C(3600) * TC_SECOND_NS)

static void hide(struct held *held, uint32_t number, int64_t now_ns)
{
    held->alert.silenced = number;
    if (number > 0)
        book_pause(held, now_ns);
}

void silence_new_alert(struct book *book, struct held *held, int64_t now_ns)
{
    uint32_t number = silences_hide(book->silences, &held->alert, now_ns);
    if (number > 0)
        silences_find(book->silences, number)->has_hidden = true;
    hide(held, number, now_ns);
}

struct change {
    struct book *book;
    uint64_t position;
    int64_t now_ns;
    struct decision_list *out;
};

static void say(const struct change *c, struct held *held, struct sv what, uint32_t number)
{
    char note[64];
    int n = snprintf(note, sizeof note,
                     what.n == 8 ? "by silence %u; escalation pauses" : "silence %u has ended", number);
    held->alert.last_position = c->position;
    held_history(held, c->now_ns, what, SV("tocsin"), sv_make(note, (size_t)n));
    book_snapshot(c->book, c->out, c->position, held, what, SV("tocsin"));
}

static void unhide(const struct change *c, struct held *held)
{
    uint32_t before = held->alert.silenced;
    held->alert.silenced = 0;
    say(c, held, SV("unsilenced"), before);
    if (held->alert.state != ALERT_FIRING)
        return;
    book_unpause(held, c->now_ns);
    if (held->alert.waiting != NULL && !held->owed)
        return; /* there was nothing to tell yet */
    held->owed = false;
    book_tell(c->book, c->out, c->position, c->now_ns, held, NOTIFY_REMINDER, book_next_reminder(held));
}

static void look_at(const struct change *c, struct held *held)
{
    uint32_t number = silences_hide(c->book->silences, &held->alert, c->now_ns);
    if (number == held->alert.silenced)
        return;
    if (number > 0)
        silences_find(c->book->silences, number)->has_hidden = true;
    if (held->alert.silenced == 0) {
        hide(held, number, c->now_ns);
        say(c, held, SV("silenced"), number);
    } else if (number > 0) {
        held->alert.silenced = number; /* from one silence into another */
    } else {
        unhide(c, held);
    }
    book_schedule(c->book, held);
}

/* In order of serial, so that the same records give the same decisions. */
static void look_at_all(const struct change *c)
{
    for (size_t i = 0; i < book_count(c->book); i++) {
        struct held *held = held_of(book_at(c->book, i));
        if (lifecycle_open(held->alert.state))
            look_at(c, held);
    }
}

/* "Until resolved": no open alert is hidden by it any more. */
static void end_resolved(const struct change *c)
{
    for (size_t i = 0; i < c->book->silences->count; i++) {
        struct silence *s = c->book->silences->items[i];
        bool hides = !s->until_resolved || !s->has_hidden || s->to_ns <= c->now_ns;
        for (size_t k = 0; k < c->book->count && !hides; k++)
            hides =
                lifecycle_open(c->book->all[k]->alert.state) && silence_matches(s, &c->book->all[k]->alert);
        if (!hides)
            s->to_ns = c->now_ns;
    }
}

void silence_tick(struct book *book, uint64_t position, int64_t now_ns, struct decision_list *out)
{
    const struct change c = {book, position, now_ns, out};
    if (now_ns < book->silence_due_ns)
        return;
    end_resolved(&c);
    silences_forget(book->silences, now_ns - KEPT_NS);
    look_at_all(&c);
    book->silence_due_ns = silences_edge_ns(book->silences, now_ns);
}

/* --- commands */

bool silence_is_command(struct sv verb)
{
    return sv_is(verb, "silence") || sv_is(verb, "unsilence");
}

static int make(struct book *book, const struct alert_command *command, int64_t now_ns, struct silence **ret,
                struct err *err)
{
    size_t hides = 0;
    if (book->silences->count >= SILENCES_MAX)
        return err_set(err, TC_EBOUND, "there are %d silences already: end some", SILENCES_MAX);
    int rc = silence_make(command, now_ns, ret, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < book->count; i++)
        hides += lifecycle_open(book->all[i]->alert.state) && silence_matches(*ret, &book->all[i]->alert);
    if (hides > SILENCE_HIDES_MAX) {
        silence_free(ret);
        return err_set(
            err, TC_EINPUT,
            "this would hide %zu open alerts, and %d is the limit: name fewer, or several silences", hides,
            SILENCE_HIDES_MAX);
    }
    (*ret)->number = ++book->silences->next_number;
    silences_add(book->silences, *ret);
    return 0;
}

static int unmake(struct book *book, const struct alert_command *command, int64_t now_ns,
                  struct silence **ret, struct err *err)
{
    uint64_t number = 0;
    *ret = num_u64(command->alert_id, 1, UINT32_MAX, &number) ? silences_find(book->silences, number) : NULL;
    if (*ret == NULL)
        return err_set(err, TC_ENOTFOUND, "there is no silence %.*s", SV_FMT(sv_head(command->alert_id, 16)));
    if ((*ret)->to_ns <= now_ns)
        return err_set(err, TC_ESTATE, "the silence has ended already");
    (*ret)->to_ns = now_ns;
    return 0;
}

int silence_command(struct book *book, uint64_t position, struct receive_time now,
                    const struct alert_command *command, struct buf *ret_json, struct decision_list *out,
                    struct err *err)
{
    struct silence *silence = NULL;
    book_enter(book);
    int rc = sv_is(command->verb, "silence") ? make(book, command, now.ns, &silence, err)
                                             : unmake(book, command, now.ns, &silence, err);
    if (rc != 0)
        return rc;
    silence_to_json(silence, now.ns, ret_json);
    book->silence_due_ns = now.ns;
    silence_tick(book, position, now.ns, out);
    return 0;
}

void silence_list_json(const struct book *book, int64_t now_ns, struct buf *out)
{
    buf_char(out, '[');
    for (size_t i = 0; i < book->silences->count; i++) {
        buf_str(out, i == 0 ? "" : ",");
        silence_to_json(book->silences->items[i], now_ns, out);
    }
    buf_char(out, ']');
}

size_t book_silence_count(const struct book *book)
{
    return book->silences->count;
}
