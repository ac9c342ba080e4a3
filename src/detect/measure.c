/*
 * Windows of numbers; see measure.h. One cursor, [low, high), stands at the window that ends at the newest
 * entry, as in window.c; `ranks` holds what it spans, where ranks are asked.
 */
#include "detect/measure.h"

#include "base/arena.h"
#include "detect/rank_tree.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 2, SAVED_ENTRY_BYTES = 28, WEIGHT_MAX = 1 << 20 };

__extension__ typedef unsigned __int128 num_unsigned;

struct measure_entry {
    num_amount amount; /* one of them */
    int64_t time_ns;
    uint32_t weight;
};

struct measure {
    struct measure_entry *entries;
    uint32_t first, end, capacity; /* entries[first, end) are kept, by time, then arrival */
    uint32_t low, high;            /* the window; at rest high == end */
    num_amount sum;                /* of the window */
    uint64_t weight;               /* how many numbers it holds */
    struct rank_tree *ranks;       /* NULL: no rank is asked, or nothing was slid over */
};

struct measure *measure_new(void)
{
    return tc_alloc(sizeof(struct measure));
}

void measure_free(struct measure **measure)
{
    if (*measure == NULL)
        return;
    free((*measure)->entries);
    rank_tree_free(&(*measure)->ranks);
    free(*measure);
    *measure = NULL;
}

uint32_t measure_count(const struct measure *m)
{
    return m->end - m->first;
}

int64_t measure_newest_ns(const struct measure *m)
{
    return m->entries[m->end - 1].time_ns;
}

static bool asks_ranks(const struct measure_spec *spec)
{
    return spec->type == CORR_VALUE_PERCENTILE || spec->type == CORR_VALUE_MEDIAN;
}

/* --- what stands in the window
 * -------------------------------------------------------------------------------------------- */

static void take_in(struct measure *m, const struct measure_entry *e)
{
    m->sum += e->amount * e->weight;
    m->weight += e->weight;
    if (m->ranks != NULL)
        rank_tree_add(m->ranks, e->amount, e->weight);
}

static void let_out(struct measure *m, const struct measure_entry *e)
{
    m->sum -= e->amount * e->weight;
    m->weight -= e->weight;
    if (m->ranks != NULL)
        rank_tree_remove(m->ranks, e->amount, e->weight);
}

static void raise_low(struct measure *m, int64_t from_ns)
{
    while (m->low < m->high && m->entries[m->low].time_ns < from_ns)
        let_out(m, &m->entries[m->low++]);
}

/* --- the value: a fraction, so that nothing is rounded before it is compared
 * -------------------------------------------------------------------------------------------- */

struct fraction {
    num_amount top;
    uint64_t bottom; /* 0: no number, no value */
};

static uint64_t percentile_rank(uint32_t percentile, uint64_t count)
{
    uint64_t rank = count / 100 * percentile + (count % 100 * percentile + 99) / 100;
    return TC_MAX(rank, UINT64_C(1)) - 1;
}

static struct fraction value_of(const struct measure *m, const struct measure_spec *spec)
{
    if (m->weight == 0)
        return (struct fraction){0};
    switch (spec->type) {
    case CORR_VALUE_AVG:
        return (struct fraction){m->sum, m->weight};
    case CORR_VALUE_PERCENTILE:
        return (struct fraction){rank_tree_at(m->ranks, percentile_rank(spec->percentile, m->weight)), 1};
    case CORR_VALUE_MEDIAN:
        return (struct fraction){
            rank_tree_at(m->ranks, (m->weight - 1) / 2) + rank_tree_at(m->ranks, m->weight / 2), 2};
    default:
        return (struct fraction){m->sum, 1};
    }
}

static bool test_holds(enum corr_op op, num_amount amount, struct fraction f)
{
    num_amount least = amount * (num_amount)f.bottom;
    const bool answers[] = {
        [CORR_GT] = f.top > least,   [CORR_GTE] = f.top >= least, [CORR_LT] = f.top < least,
        [CORR_LTE] = f.top <= least, [CORR_EQ] = f.top == least,  [CORR_NEQ] = f.top != least};
    return answers[op];
}

static bool holds(const struct measure *m, const struct measure_spec *spec)
{
    struct fraction f = value_of(m, spec);
    bool all = f.bottom > 0;
    for (size_t i = 0; all && i < spec->test_count; i++)
        all = test_holds(spec->tests[i].op, spec->amounts[i], f);
    return all;
}

static struct window_hit hit_here(const struct measure *m, const struct measure_spec *spec, int64_t x)
{
    struct fraction f = value_of(m, spec);
    return (struct window_hit){
        .time_ns = x, .value = m->weight, .amount = f.bottom == 0 ? 0 : f.top / (num_amount)f.bottom};
}

uint32_t measure_rank(const struct measure *m, const struct measure_spec *spec, uint32_t top)
{
    num_amount need = spec->amounts[0];
    if (m->weight > 0 && holds(m, spec))
        return top - 1;
    if (spec->type != CORR_VALUE_SUM || need <= 0)
        return measure_count(m) > 1;
    num_amount part = TC_MAX(m->sum, 0) / TC_MAX(need / (num_amount)(top - 1), 1);
    return (uint32_t)TC_MIN(part, (num_amount)top - 2);
}

/* --- keeping entries
 * -------------------------------------------------------------------------------------------- */

static void drop_first(struct measure *m)
{
    if (m->first == m->low && m->low < m->high)
        let_out(m, &m->entries[m->low++]);
    m->first++;
    m->low = TC_MAX(m->low, m->first);
    m->high = TC_MAX(m->high, m->first);
}

/* Room for one more at the end. */
static void make_room(struct measure *m)
{
    if (m->end < m->capacity)
        return;
    if (m->first > m->capacity / 4) { /* moves at most four entries for each that came */
        memmove(m->entries, m->entries + m->first, (m->end - m->first) * sizeof m->entries[0]);
        m->low -= m->first;
        m->high -= m->first;
        m->end -= m->first;
        m->first = 0;
        return;
    }
    m->capacity = m->capacity == 0 ? FIRST_CAPACITY : m->capacity * 2;
    m->entries = tc_realloc(m->entries, m->capacity * sizeof m->entries[0]);
}

/* Makes room and puts the entry behind all that are not later, outside of the window. Returns its place. */
static uint32_t insert(struct measure *m, struct measure_entry entry)
{
    make_room(m);
    uint32_t at = m->end;
    while (at > m->first && m->entries[at - 1].time_ns > entry.time_ns)
        at--;
    memmove(&m->entries[at + 1], &m->entries[at], (m->end - at) * sizeof m->entries[0]);
    m->entries[at] = entry;
    m->end++;
    return at;
}

/* --- judging
 * ---------------------------------------------------------------------------------------------------------
 */

struct judgement {
    const struct measure_spec *spec;
    struct measure_entry entry; /* the event */
    bool crowded;    /* another number had to go for it: that the rule fell by this makes no new episode */
    bool open, said; /* an episode is open at the cursor; part of it was said before */
    struct window_hit start; /* where the open episode begins */
    bool fired, hot;
    struct window_hit first; /* the first window that holds event and rule */
    window_hit_fn hit;
    void *context;
};

static bool held_without(struct measure *m, const struct judgement *j)
{
    let_out(m, &j->entry);
    bool held = holds(m, j->spec);
    take_in(m, &j->entry);
    return held;
}

static void end_episode(struct judgement *j)
{
    if (j->open && !j->said) {
        j->fired = true;
        j->hit(j->context, &j->start);
    }
    j->open = false;
}

/* The cursor stands at a window that ends at x and holds the event. `known`: what held there was said. */
static void judge_at(struct measure *m, struct judgement *j, int64_t x, bool known)
{
    if (!holds(m, j->spec)) {
        end_episode(j);
        return;
    }
    struct window_hit here = hit_here(m, j->spec, x);
    if (!j->open) {
        j->open = true;
        j->said = false;
        j->start = here;
    }
    j->said |= known && (j->crowded || held_without(m, j));
    if (!j->hot)
        j->first = here;
    j->hot = true;
}

/* From the event's own time, where the cursor stands, over every later one whose window still holds it. */
static void judge_forward(struct measure *m, struct judgement *j)
{
    bool over = j->entry.weight == 0; /* windows that do not hold the event are as they were */
    while (m->high < m->end) {
        int64_t x = m->entries[m->high].time_ns, from = window_before(x, j->spec->timespan_ns);
        raise_low(m, from);
        over |= from > j->entry.time_ns;
        if (over || !holds(m, j->spec))
            end_episode(j);
        while (m->high < m->end && m->entries[m->high].time_ns == x)
            take_in(m, &m->entries[m->high++]);
        if (!over)
            judge_at(m, j, x, true);
    }
    end_episode(j);
    if (j->hot && !j->fired) {
        j->first.repeat = true;
        j->hit(j->context, &j->first);
    }
}

/* Rolls the cursor back from the newest window to that of the newest entry that is not after time_ns. */
static void roll_back(struct measure *m, const struct measure_spec *spec, int64_t time_ns)
{
    while (m->high > m->first && m->entries[m->high - 1].time_ns > time_ns) {
        m->high--;
        if (m->high >= m->low)
            let_out(m, &m->entries[m->high]);
        else
            m->low = m->high;
    }
    if (m->high == m->first)
        return;
    int64_t from = window_before(m->entries[m->high - 1].time_ns, spec->timespan_ns);
    while (m->low > m->first && m->entries[m->low - 1].time_ns >= from)
        take_in(m, &m->entries[--m->low]);
}

uint32_t measure_slide(struct measure *m, const struct measure_spec *spec, int64_t horizon_ns,
                       int64_t time_ns, num_amount amount, uint32_t weight, window_hit_fn hit, void *context)
{
    uint32_t lost = 0;
    struct judgement j = {.spec = spec,
                          .entry = {amount, time_ns, TC_MIN(weight, (uint32_t)WEIGHT_MAX)},
                          .hit = hit,
                          .context = context};
    if (m->ranks == NULL && asks_ranks(spec))
        m->ranks = rank_tree_new(spec->seed);
    /* whether the rule held where the event comes in: asked before what is too old for it goes */
    roll_back(m, spec, time_ns);
    bool held = holds(m, spec);
    while (m->first < m->end && m->entries[m->first].time_ns < horizon_ns)
        drop_first(m);
    if (measure_count(m) >= spec->max_entries) {
        lost = 1;
        j.crowded = true;
        if (time_ns >= m->entries[m->first].time_ns)
            drop_first(m);
        else
            j.entry.weight = 0; /* it is itself the oldest */
    }
    raise_low(m, window_before(time_ns, spec->timespan_ns));
    if (j.entry.weight > 0) {
        uint32_t at = insert(m, j.entry);
        tc_assert(at == m->high);
        take_in(m, &m->entries[m->high++]);
        judge_at(m, &j, time_ns, held);
    }
    judge_forward(m, &j);
    return lost;
}

/* --- windows that are judged when they are over
 * ----------------------------------------------------------------------- */

bool measure_gather(struct measure *m, const struct measure_spec *spec, int64_t time_ns, num_amount amount,
                    uint32_t weight)
{
    if (measure_count(m) >= spec->max_entries)
        return false;
    insert(m, (struct measure_entry){amount, time_ns, TC_MIN(weight, (uint32_t)WEIGHT_MAX)});
    m->low = m->high = m->first;
    return true;
}

int64_t measure_closes_ns(const struct measure *m, const struct measure_spec *spec)
{
    return m->first == m->end ? INT64_MAX : window_after(m->entries[m->first].time_ns, spec->timespan_ns);
}

bool measure_close(struct measure *m, const struct measure_spec *spec, struct window_hit *ret)
{
    int64_t closes_ns = measure_closes_ns(m, spec);
    m->low = m->high = m->first;
    if (asks_ranks(spec))
        m->ranks = rank_tree_new(spec->seed);
    while (m->high < m->end && m->entries[m->high].time_ns <= closes_ns)
        take_in(m, &m->entries[m->high++]);
    bool held = holds(m, spec);
    *ret = hit_here(m, spec, closes_ns);
    rank_tree_free(&m->ranks);
    m->sum = 0;
    m->weight = 0;
    m->first = m->low = m->high;
    return held;
}

/* --- keeping them
 * -------------------------------------------------------------------------------------------------------- */

void measure_save(const struct measure *m, struct buf *out)
{
    buf_u32(out, measure_count(m));
    for (uint32_t i = m->first; i < m->end; i++) {
        const struct measure_entry *e = &m->entries[i];
        buf_u64(out, (uint64_t)e->time_ns);
        buf_u64(out, (uint64_t)e->amount);
        buf_u64(out, (uint64_t)(e->amount >> 64));
        buf_u32(out, e->weight);
    }
}

static bool load_entry(struct measure *m, bool keep, struct reader *from)
{
    struct measure_entry e = {.time_ns = (int64_t)reader_u64(from)};
    uint64_t low = reader_u64(from);
    e.amount = (num_amount)((num_unsigned)reader_u64(from) << 64 | low);
    e.weight = reader_u32(from);
    if (e.weight == 0 || e.weight > WEIGHT_MAX || e.amount > NUM_AMOUNT_MAX || e.amount < -NUM_AMOUNT_MAX ||
        (m->end > 0 && e.time_ns < measure_newest_ns(m)))
        return false;
    if (!keep)
        return true;
    make_room(m);
    m->entries[m->end++] = e;
    return true;
}

struct measure *measure_load(const struct measure_spec *spec, bool sliding, struct reader *from)
{
    uint32_t count = reader_u32(from);
    if (from->bad || count == 0 || count > from->rest.n / SAVED_ENTRY_BYTES)
        return NULL;
    struct measure *m = measure_new();
    for (uint32_t i = 0; i < count; i++)
        if (!load_entry(m, count - i <= spec->max_entries, from)) {
            measure_free(&m);
            return NULL;
        }
    if (!sliding)
        return m;
    if (asks_ranks(spec))
        m->ranks = rank_tree_new(spec->seed);
    while (m->high < m->end)
        take_in(m, &m->entries[m->high++]);
    raise_low(m, window_before(measure_newest_ns(m), spec->timespan_ns));
    return m;
}
