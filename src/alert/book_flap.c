/*
 * Flapping (ledger Y-03): an alert of one merge key that begins and ends again and again.
 *
 * Each begin of a key is remembered by its newest alert. The one that makes `flap_count` of them within
 * `flap_within_ns` flaps: that is told once, in place of what a new alert says. From then on it stays one
 * alert: its ends are held back and its begins are counted on it, silently, until it was left as it is, over
 * or firing, for `flap_stable_ns`. Then it ends, or, where it fires, is told to fire still.
 *
 * An end by a person is no part of it: whoever ends an alert, flapping or not, hears of the next begin. A
 * raise of the severity is told, and escalation goes on: nobody took it yet.
 */
#include "alert/alert_priv.h"

#include <stdio.h>
#include <stdlib.h>

struct held_flap {
    struct alert_flap shown; /* while it flaps */
    int64_t begun_ns[ALERT_FLAPS_MAX];
    size_t begun_count;
};

static struct held_flap *flap_make(struct held *held)
{
    if (held->flap == NULL)
        held->flap = tc_alloc(sizeof *held->flap);
    return held->flap;
}

void flap_forget(struct held *held)
{
    free(held->flap);
    held->flap = NULL;
    held->alert.flapping = NULL;
}

/* --- counting begins */

static void add_begin(struct held_flap *flap, int64_t now_ns)
{
    if (flap->begun_count == ALERT_FLAPS_MAX)
        memmove(flap->begun_ns, flap->begun_ns + 1, --flap->begun_count * sizeof flap->begun_ns[0]);
    flap->begun_ns[flap->begun_count++] = now_ns;
}

/* The begins of the alert before that are still within the time, and this one. */
static void take_begins(struct held_flap *flap, const struct held *before, int64_t from_ns, int64_t now_ns)
{
    const struct held_flap *old = before->flap;
    size_t count = old != NULL ? old->begun_count : before->alert.history_count > 0;
    for (size_t i = 0; i < count; i++) {
        int64_t begun_ns = old != NULL ? old->begun_ns[i] : before->alert.history[0].time_ns;
        if (begun_ns > from_ns)
            add_begin(flap, begun_ns);
    }
    add_begin(flap, now_ns);
}

static void put_off(const struct book *book, struct held_flap *flap, int64_t now_ns)
{
    flap->shown.stable_ns = book_add_ns(now_ns, book->options.flap_stable_ns);
}

bool flap_new_alert(struct book *book, struct held *held, int64_t now_ns)
{
    const struct alert_options *o = &book->options;
    const struct held *before = book_current(book, held->key);
    if (o->flap_count == 0 || held->overflow || before == NULL || before->ended_by_hand ||
        lifecycle_open(before->alert.state))
        return false;
    struct held_flap *flap = flap_make(held);
    take_begins(flap, before, book_add_ns(now_ns, -o->flap_within_ns), now_ns);
    if (flap->begun_count < o->flap_count)
        return false;
    flap->shown = (struct alert_flap){.since_ns = now_ns, .over_ns = TC_NO_TIME, .times = flap->begun_count};
    put_off(book, flap, now_ns);
    held->alert.flapping = &flap->shown;
    char note[96 + 2 * TC_RFC3339_MAX], within[TC_RFC3339_MAX], stable[TC_RFC3339_MAX];
    clk_format_duration(o->flap_within_ns, within);
    clk_format_duration(o->flap_stable_ns, stable);
    int n = snprintf(note, sizeof note, "began %zu times within %s: told once, until it is stable for %s",
                     flap->begun_count, within, stable);
    held_history(held, now_ns, SV("flapping"), SV("tocsin"), sv_make(note, (size_t)n));
    return true;
}

/* --- while it flaps */

bool flap_holds_end(struct book *book, struct held *held, int64_t now_ns)
{
    if (held->alert.flapping == NULL)
        return false;
    if (held->alert.flapping->over_ns == TC_NO_TIME) {
        held->flap->shown.over_ns = now_ns;
        put_off(book, held->flap, now_ns);
    }
    book_mark_changed(book, held);
    book_schedule(book, held);
    return true;
}

void flap_begins_again(struct book *book, struct held *held, int64_t now_ns)
{
    if (held->alert.flapping == NULL || held->alert.flapping->over_ns == TC_NO_TIME)
        return;
    struct alert_flap *shown = &held->flap->shown;
    shown->over_ns = TC_NO_TIME;
    shown->times = shown->times == UINT64_MAX ? UINT64_MAX : shown->times + 1;
    put_off(book, held->flap, now_ns);
    book_mark_changed(book, held);
    book_schedule(book, held);
}

int64_t flap_due_ns(const struct book *book, const struct held *held)
{
    (void)book;
    return held->alert.flapping != NULL ? held->alert.flapping->stable_ns : INT64_MAX;
}

/* --- saving: u8 what there is (0 nothing, 1 begins, 2 it flaps) · u32 begins · u64 each · u64 since, over,
 *     stable, times where it flaps */

void flap_save(const struct held *held, struct buf *out)
{
    const struct held_flap *flap = held->flap;
    bool flaps = held->alert.flapping != NULL;
    buf_u8(out, (uint8_t)(flap == NULL ? 0 : flaps ? 2 : 1));
    if (flap == NULL)
        return;
    buf_u32(out, (uint32_t)flap->begun_count);
    for (size_t i = 0; i < flap->begun_count; i++)
        buf_u64(out, (uint64_t)flap->begun_ns[i]);
    if (!flaps)
        return;
    buf_u64(out, (uint64_t)flap->shown.since_ns);
    buf_u64(out, (uint64_t)flap->shown.over_ns);
    buf_u64(out, (uint64_t)flap->shown.stable_ns);
    buf_u64(out, flap->shown.times);
}

bool flap_load(struct held *held, struct reader *reader)
{
    uint8_t what = reader_u8(reader);
    if (reader->bad || what == 0)
        return !reader->bad;
    struct held_flap *flap = flap_make(held);
    uint32_t count = reader_u32(reader);
    if (reader->bad || what > 2 || count > ALERT_FLAPS_MAX)
        return false;
    for (; flap->begun_count < count; flap->begun_count++)
        flap->begun_ns[flap->begun_count] = (int64_t)reader_u64(reader);
    if (what == 2) {
        flap->shown.since_ns = (int64_t)reader_u64(reader);
        flap->shown.over_ns = (int64_t)reader_u64(reader);
        flap->shown.stable_ns = (int64_t)reader_u64(reader);
        flap->shown.times = reader_u64(reader);
        held->alert.flapping = &flap->shown;
    }
    return !reader->bad && (what == 1 || lifecycle_open(held->alert.state));
}
