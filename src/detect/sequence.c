/*
 * Steps in order; see sequence.h.
 */
#include "detect/sequence.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 64, FIRST_CAPACITY = 4, SAVED_ENTRY_BYTES = 12 };
#define NO_START INT64_MIN /* no run that far */

struct step_entry {
    int64_t time_ns;
    uint32_t step;
};

struct sequence {
    int64_t newest_ns;
    int64_t folded_ns;          /* time of the last entry that was folded; NO_START: none was */
    struct step_entry *entries; /* [first, end), by time, then arrival */
    uint32_t first, end, capacity;
    int64_t latest[]; /* per step: of what was folded, then of all */
};

static int64_t *folded(struct sequence *s)
{
    return s->latest;
}

static int64_t *all(struct sequence *s, const struct window_spec *spec)
{
    return s->latest + spec->need;
}

struct sequence *sequence_new(const struct window_spec *spec)
{
    tc_assert(spec->need >= 1 && spec->need <= STEPS_MAX);
    struct sequence *s = tc_alloc(sizeof *s + 2 * spec->need * sizeof s->latest[0]);
    s->newest_ns = s->folded_ns = NO_START;
    for (size_t i = 0; i < 2 * spec->need; i++)
        s->latest[i] = NO_START;
    return s;
}

void sequence_free(struct sequence **sequence)
{
    if (*sequence != NULL)
        free((*sequence)->entries);
    free(*sequence);
    *sequence = NULL;
}

int64_t sequence_newest_ns(const struct sequence *s)
{
    return s->newest_ns;
}

uint32_t sequence_progress(const struct sequence *s, const struct window_spec *spec)
{
    const int64_t *latest = s->latest + spec->need;
    int64_t from_ns = window_before(s->newest_ns, spec->timespan_ns);
    uint32_t done = 0;
    while (done < spec->need && latest[done] != NO_START && latest[done] >= from_ns)
        done++;
    return done;
}

/* --- runs
 * -------------------------------------------------------------------------------------------------------------
 */

static void take_step(int64_t *latest, const struct step_entry *e)
{
    int64_t start_ns = e->step == 0 ? e->time_ns : latest[e->step - 1];
    latest[e->step] = TC_MAX(latest[e->step], start_ns);
}

static bool holds_at(const int64_t *latest, const struct window_spec *spec, int64_t x)
{
    int64_t start_ns = latest[spec->need - 1];
    return start_ns != NO_START && start_ns >= window_before(x, spec->timespan_ns);
}

/* --- keeping entries
 * -------------------------------------------------------------------------------------------- */

static void fold_first(struct sequence *s)
{
    const struct step_entry *e = &s->entries[s->first++];
    take_step(folded(s), e);
    s->folded_ns = e->time_ns;
}

static void make_room(struct sequence *s)
{
    if (s->end < s->capacity)
        return;
    if (s->first > s->capacity / 2) {
        memmove(s->entries, s->entries + s->first, (s->end - s->first) * sizeof s->entries[0]);
        s->end -= s->first;
        s->first = 0;
        return;
    }
    s->capacity = s->capacity == 0 ? FIRST_CAPACITY : s->capacity * 2;
    s->entries = tc_realloc(s->entries, s->capacity * sizeof s->entries[0]);
}

/* Behind all that are not later. A step that stands there twice at one time counts once. */
static void insert(struct sequence *s, struct step_entry entry)
{
    make_room(s);
    uint32_t at = s->end;
    while (at > s->first && s->entries[at - 1].time_ns > entry.time_ns)
        at--;
    if (at > s->first && s->entries[at - 1].time_ns == entry.time_ns && s->entries[at - 1].step == entry.step)
        return;
    memmove(&s->entries[at + 1], &s->entries[at], (s->end - at) * sizeof s->entries[0]);
    s->entries[at] = entry;
    s->end++;
}

static void count_all(struct sequence *s, const struct window_spec *spec)
{
    memcpy(all(s, spec), folded(s), spec->need * sizeof s->latest[0]);
    for (uint32_t i = s->first; i < s->end; i++)
        take_step(all(s, spec), &s->entries[i]);
}

/* --- judging
 * ---------------------------------------------------------------------------------------------------------
 */

struct judgement {
    const struct window_spec *spec;
    int64_t before[STEPS_MAX], after[STEPS_MAX]; /* as of some place: without the event, and with it */
    bool open, said;                             /* a stretch is open; part of it held without the event */
    struct window_hit start;
    bool fired, hot;
    struct window_hit first; /* the first window that holds event and rule */
    window_hit_fn hit;
    void *context;
};

static void end_episode(struct judgement *j)
{
    if (j->open && !j->said) {
        j->fired = true;
        j->hit(j->context, &j->start);
    }
    j->open = false;
}

static void judge_at(struct judgement *j, int64_t x)
{
    if (!holds_at(j->after, j->spec, x))
        return;
    struct window_hit here = {.time_ns = x, .value = j->spec->need};
    if (!j->open) {
        j->open = true;
        j->said = false;
        j->start = here;
    }
    j->said |= holds_at(j->before, j->spec, x);
    if (!j->hot)
        j->first = here;
    j->hot = true;
}

/* At the event's own time, then at every later one whose window still holds it. `i`: the first later entry.
 */
static void judge_forward(const struct sequence *s, struct judgement *j, uint32_t i, int64_t time_ns)
{
    judge_at(j, time_ns);
    while (i < s->end) {
        int64_t x = s->entries[i].time_ns;
        bool over = window_before(x, j->spec->timespan_ns) > time_ns;
        /* a stretch that goes on into windows without the event held before it came, so it was said */
        if (over || !holds_at(j->after, j->spec, x))
            end_episode(j);
        if (over)
            break;
        for (; i < s->end && s->entries[i].time_ns == x; i++) {
            take_step(j->before, &s->entries[i]);
            take_step(j->after, &s->entries[i]);
        }
        judge_at(j, x);
    }
    end_episode(j);
    if (j->hot && !j->fired) {
        j->first.repeat = true;
        j->hit(j->context, &j->first);
    }
}

static void judge(struct sequence *s, struct judgement *j, const struct step_entry *entry)
{
    size_t bytes = j->spec->need * sizeof s->latest[0];
    uint32_t at = s->first;
    if (s->first == s->end || s->entries[s->end - 1].time_ns <= entry->time_ns) {
        memcpy(j->before, all(s, j->spec), bytes);
        at = s->end;
    } else {
        memcpy(j->before, folded(s), bytes);
        for (; at < s->end && s->entries[at].time_ns <= entry->time_ns; at++)
            take_step(j->before, &s->entries[at]);
    }
    memcpy(j->after, j->before, bytes);
    take_step(j->after, entry);
    judge_forward(s, j, at, entry->time_ns);
}

uint32_t sequence_add(struct sequence *s, const struct window_spec *spec, int64_t floor_ns, int64_t time_ns,
                      uint32_t step, window_hit_fn hit, void *context)
{
    uint32_t lost = 0;
    while (s->first < s->end && s->entries[s->first].time_ns <= floor_ns)
        fold_first(s);
    for (; s->end - s->first >= spec->max_entries; lost++)
        fold_first(s);
    struct step_entry entry = {TC_MAX(time_ns, s->folded_ns), step};
    bool in_order = s->first == s->end || s->entries[s->end - 1].time_ns <= entry.time_ns;
    struct judgement j = {.spec = spec, .hit = hit, .context = context};
    judge(s, &j, &entry);
    s->newest_ns = TC_MAX(s->newest_ns, entry.time_ns);
    if (entry.time_ns <= floor_ns) { /* nothing comes before it any more */
        take_step(folded(s), &entry);
        s->folded_ns = entry.time_ns;
    } else {
        insert(s, entry);
    }
    if (in_order)
        take_step(all(s, spec), &entry);
    else
        count_all(s, spec);
    return lost;
}

/* --- keeping them
 * -------------------------------------------------------------------------------------------------------- */

void sequence_save(const struct sequence *s, const struct window_spec *spec, struct buf *out)
{
    buf_u64(out, (uint64_t)s->newest_ns);
    buf_u64(out, (uint64_t)s->folded_ns);
    for (size_t i = 0; i < spec->need; i++)
        buf_u64(out, (uint64_t)s->latest[i]);
    buf_u32(out, s->end - s->first);
    for (uint32_t i = s->first; i < s->end; i++) {
        buf_u64(out, (uint64_t)s->entries[i].time_ns);
        buf_u32(out, s->entries[i].step);
    }
}

/* A start is a time that was seen, and a run of more steps did not start later. */
static bool load_starts(struct sequence *s, const struct window_spec *spec, struct reader *from)
{
    bool ok = true;
    s->newest_ns = (int64_t)reader_u64(from);
    s->folded_ns = (int64_t)reader_u64(from);
    for (size_t i = 0; i < spec->need; i++) {
        s->latest[i] = (int64_t)reader_u64(from);
        ok &= s->latest[i] <= s->folded_ns && (i == 0 || s->latest[i] <= s->latest[i - 1]);
    }
    return ok && !from->bad && s->newest_ns != NO_START && s->folded_ns <= s->newest_ns;
}

static bool load_entries(struct sequence *s, const struct window_spec *spec, struct reader *from)
{
    uint32_t count = reader_u32(from);
    int64_t last_ns = s->folded_ns;
    if (from->bad || count > from->rest.n / SAVED_ENTRY_BYTES)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct step_entry entry = {(int64_t)reader_u64(from), reader_u32(from)};
        if (entry.time_ns < last_ns || entry.time_ns == NO_START || entry.time_ns > s->newest_ns ||
            entry.step >= spec->need)
            return false;
        last_ns = entry.time_ns;
        make_room(s);
        s->entries[s->end++] = entry;
    }
    return last_ns == s->newest_ns;
}

struct sequence *sequence_load(const struct window_spec *spec, struct reader *from)
{
    struct sequence *s = sequence_new(spec);
    if (!load_starts(s, spec, from) || !load_entries(s, spec, from))
        sequence_free(&s);
    else
        count_all(s, spec);
    return s;
}
