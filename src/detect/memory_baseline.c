/*
 * How much a group sends at that hour of that weekday, by its own history: and where it is far more.
 *
 * Events (or the numbers in a field) are added up by buckets (season.h). A bucket that is over, because the
 * floor has passed its end, teaches its slot: mean and mean deviation, in which a new bucket weighs 1/n, n
 * growing with the slot's buckets up to as many as the history has. Buckets in which nothing came teach
 * nought; they are made up for when the slot is next looked at.
 *
 * What is judged is the bucket that runs, at each event: above its limit it is a finding, once; further
 * events, and buckets that follow it at once, belong to the same episode. The limit is fixed when the bucket
 * begins: mean + deviations x spread, or factor x mean, or `least`, whichever is the most. The spread is the
 * mean deviation, but never less than a count of that size has by chance (its square root) nor less than 1,
 * so a history without any variation does not make the next event an alarm.
 *
 * Poison. Past the learning period a bucket teaches no more than its limit: a burst lifts what is expected by
 * a small part of itself. Who raises his rate slowly enough is believed; that is what learning means.
 *
 * Numbers are fixed-point, in millionths. Saved: i64 first bucket, i64 newest time, i64 end of the last
 * episode's bucket, u32 open buckets, of each i64 start, amount, limit, expected, spread, u8 said; u32
 * slots, of each u32 slot, i64 last bucket, mean, deviation, u32 n.
 */
#include "detect/memory.h"

#include "base/arena.h"
#include "base/clk.h"

#include <math.h>
#include <stdlib.h>

enum { MICRO = 1000000, SAVED_OPEN_BYTES = 41, SAVED_SLOT_BYTES = 32 };
#define AMOUNT_MAX (INT64_MAX / 8) /* sums of a few fit; 10^12 events */

struct open { /* a bucket that may still grow */
    int64_t start_s;
    int64_t amount;
    int64_t limit, expected, spread; /* limit INT64_MAX: still learning */
    bool said;
};

struct slot {
    uint32_t slot, n; /* n: buckets that taught it, as many as the history has at most */
    int64_t last_s;   /* the bucket that taught it last */
    int64_t mean, deviation;
};

struct memory {
    int64_t first_s; /* start of the bucket of its first event */
    int64_t newest_ns;
    int64_t said_end_s; /* INT64_MIN: none */
    struct open open[MEMORY_BUCKETS_MAX];
    uint32_t open_count; /* ascending */
    uint32_t slot_count, slot_capacity;
    struct slot *slots; /* ascending */
    bool fresh;         /* nothing was added yet */
};

static struct memory *create(void)
{
    struct memory *m = tc_alloc(sizeof *m);
    m->fresh = true;
    m->said_end_s = INT64_MIN;
    return m;
}

static void forget_all(struct memory *m)
{
    if (m != NULL)
        free(m->slots);
    free(m);
}

/* --- slots
 * -------------------------------------------------------------------------------------------------------------
 */

static int64_t clamp(num_amount value)
{
    return (int64_t)TC_MAX((num_amount)0, TC_MIN(value, (num_amount)AMOUNT_MAX));
}

static void learn(struct slot *s, uint32_t n_max, int64_t amount)
{
    int64_t off = amount - s->mean;
    s->n = TC_MIN(s->n + 1, n_max);
    if (s->n == 1) {
        s->mean = amount;
        s->deviation = 0;
        return;
    }
    s->deviation += ((off < 0 ? -off : off) - s->deviation) / (int64_t)s->n;
    s->mean += off / (int64_t)s->n;
}

/* Teaches it the empty buckets between its last one and `start_s` that are over. */
static void make_up(struct slot *s, const struct baseline_spec *b, int64_t start_s, int64_t over_s)
{
    int64_t at = season_next(&b->season, s->last_s);
    uint32_t steps = 0;
    for (; at < start_s && season_bucket_end(&b->season, at) <= over_s && steps <= b->n_max; steps++) {
        learn(s, b->n_max, 0);
        s->last_s = at;
        at = season_next(&b->season, at);
    }
    if (steps > b->n_max) /* its whole history is empty */
        *s = (struct slot){.slot = s->slot, .n = b->n_max, .last_s = s->last_s};
}

static struct slot *find_slot(struct memory *m, uint32_t slot, uint32_t *ret_at)
{
    uint32_t at = 0;
    while (at < m->slot_count && m->slots[at].slot < slot)
        at++;
    *ret_at = at;
    return at < m->slot_count && m->slots[at].slot == slot ? &m->slots[at] : NULL;
}

/* A slot that nothing came in so far: all of its buckets since the first event were empty. */
static struct slot empty_slot(const struct memory *m, const struct baseline_spec *b, uint32_t slot,
                              int64_t start_s)
{
    int64_t passes = (start_s - m->first_s) / season_period_s(&b->season);
    int64_t n = TC_MAX((int64_t)0, passes) * season_buckets_per_slot(&b->season);
    return (struct slot){.slot = slot, .n = (uint32_t)TC_MIN(n, (int64_t)b->n_max), .last_s = start_s};
}

/* The slot as it was before the bucket at `start_s`, of which all that ended by `over_s` is known. */
static struct slot slot_before(struct memory *m, const struct baseline_spec *b, int64_t start_s,
                               int64_t over_s)
{
    uint32_t at, number = season_slot(&b->season, start_s);
    const struct slot *known = find_slot(m, number, &at);
    struct slot copy = known != NULL ? *known : empty_slot(m, b, number, start_s);
    if (known != NULL)
        make_up(&copy, b, start_s, over_s);
    return copy;
}

static void put_slot(struct memory *m, const struct slot *slot)
{
    uint32_t at;
    struct slot *known = find_slot(m, slot->slot, &at);
    if (known != NULL) {
        *known = *slot;
        return;
    }
    if (m->slot_count == m->slot_capacity) {
        m->slot_capacity = TC_MAX(m->slot_capacity * 2, 4u);
        m->slots = tc_realloc(m->slots, m->slot_capacity * sizeof m->slots[0]);
    }
    memmove(&m->slots[at + 1], &m->slots[at], (m->slot_count - at) * sizeof m->slots[0]);
    m->slots[at] = *slot;
    m->slot_count++;
}

/* --- buckets
 * -------------------------------------------------------------------------------------------------------------
 */

/* The bucket that stands first is over: it teaches its slot, no more than its limit. */
static void close_first(struct memory *m, const struct baseline_spec *b)
{
    struct open done = m->open[0];
    memmove(&m->open[0], &m->open[1], --m->open_count * sizeof m->open[0]);
    struct slot slot = slot_before(m, b, done.start_s, INT64_MAX);
    learn(&slot, b->n_max, TC_MIN(done.amount, done.limit));
    slot.last_s = TC_MAX(slot.last_s, done.start_s); /* one that was closed early may come again */
    put_slot(m, &slot);
}

static void set_limit(struct memory *m, const struct baseline_spec *b, int64_t over_s, struct open *bucket)
{
    struct slot slot = slot_before(m, b, bucket->start_s, over_s);
    int64_t chance = (int64_t)(sqrt((double)slot.mean / MICRO) * MICRO);
    bucket->expected = slot.mean;
    bucket->spread = TC_MAX(TC_MAX(slot.deviation, chance), (int64_t)MICRO);
    num_amount by_spread = slot.mean + (num_amount)b->deviations * bucket->spread / MICRO;
    num_amount by_factor = (num_amount)b->factor * slot.mean / MICRO;
    bucket->limit = clamp(TC_MAX(TC_MAX(by_spread, by_factor), (num_amount)b->least));
    if (bucket->start_s - m->first_s < b->learn_s)
        bucket->limit = INT64_MAX;
}

/* The open bucket of that start, made where there is none; NULL where it was closed already. */
static struct open *bucket_at(struct memory *m, const struct baseline_spec *b, int64_t start_s,
                              int64_t over_s)
{
    uint32_t at = m->open_count;
    while (at > 0 && m->open[at - 1].start_s > start_s)
        at--;
    if (at > 0 && m->open[at - 1].start_s == start_s)
        return &m->open[at - 1];
    if (m->open_count == MEMORY_BUCKETS_MAX) {
        if (at == 0)
            return NULL;
        close_first(m, b);
        at--;
    }
    memmove(&m->open[at + 1], &m->open[at], (m->open_count - at) * sizeof m->open[0]);
    m->open_count++;
    m->open[at] = (struct open){.start_s = start_s};
    set_limit(m, b, over_s, &m->open[at]);
    return &m->open[at];
}

static int64_t seconds_of(int64_t ns)
{
    return ns / TC_SECOND_NS - (ns % TC_SECOND_NS < 0);
}

static void judge(struct memory *m, const struct baseline_spec *b, struct open *bucket, int64_t time_ns,
                  window_hit_fn hit, void *context)
{
    if (bucket->amount <= bucket->limit)
        return;
    bool goes_on = bucket->said || bucket->start_s == m->said_end_s;
    bucket->said = true;
    m->said_end_s = TC_MAX(m->said_end_s, season_bucket_end(&b->season, bucket->start_s));
    hit(context, &(struct window_hit){.repeat = goes_on,
                                      .time_ns = time_ns,
                                      .value = (uint64_t)(bucket->amount / MICRO),
                                      .facts = {bucket->start_s, bucket->expected, bucket->spread,
                                                bucket->limit, bucket->amount}});
}

static uint32_t add(struct memory *m, const struct window_spec *spec, const struct memory_input *input,
                    window_hit_fn hit, void *context)
{
    const struct baseline_spec *b = spec->baseline;
    int64_t over_s = input->floor_ns == INT64_MIN ? INT64_MIN : seconds_of(input->floor_ns);
    int64_t start_s = season_bucket(&b->season, seconds_of(input->time_ns));
    if (m->fresh) {
        m->first_s = start_s;
        m->newest_ns = input->time_ns;
        m->fresh = false;
    }
    m->newest_ns = TC_MAX(m->newest_ns, input->time_ns);
    while (m->open_count > 0 && season_bucket_end(&b->season, m->open[0].start_s) <= over_s)
        close_first(m, b);
    struct open *bucket = bucket_at(m, b, start_s, over_s);
    if (bucket == NULL)
        return 1;
    bucket->amount = clamp((num_amount)bucket->amount + (num_amount)input->weight * input->amount);
    judge(m, b, bucket, input->time_ns, hit, context);
    return 0;
}

/* --- for people
 * -------------------------------------------------------------------------------------------------------------
 */

static void number(int64_t micro, struct buf *out)
{
    int64_t tenths = micro / (MICRO / 10) + (micro % (MICRO / 10) >= MICRO / 20);
    buf_printf(out, "%lld", (long long)(tenths / 10));
    if (tenths % 10 != 0)
        buf_printf(out, ".%lld", (long long)(tenths % 10));
}

static void tell(const struct window_spec *spec, const int64_t facts[static WINDOW_FACTS], struct buf *out)
{
    const struct season *season = &spec->baseline->season;
    char bucket[TC_RFC3339_MAX];
    clk_format_duration(season->bucket_s * TC_SECOND_NS, bucket);
    number(facts[4], out);
    buf_printf(out, " in %s", bucket);
    season_text(season, facts[0], out);
    buf_str(out, ", expected ");
    number(facts[1], out);
    buf_str(out, ", spread ");
    number(facts[2], out);
    buf_str(out, "; more than ");
    number(facts[3], out);
}

/* --- keeping
 * -------------------------------------------------------------------------------------------------------------
 */

static int64_t newest_ns(const struct memory *m)
{
    return m->newest_ns;
}

/* Days that it is known: what was learned long goes last. */
static uint32_t rank(const struct memory *m)
{
    int64_t days = (seconds_of(m->newest_ns) - m->first_s) / SEASON_DAY_S;
    return (uint32_t)TC_MAX((int64_t)0, TC_MIN(days, (int64_t)MEMORY_RANK_MAX));
}

static void save(const struct memory *m, struct buf *out)
{
    buf_u64(out, (uint64_t)m->first_s);
    buf_u64(out, (uint64_t)m->newest_ns);
    buf_u64(out, (uint64_t)m->said_end_s);
    buf_u32(out, m->open_count);
    for (uint32_t i = 0; i < m->open_count; i++) {
        const struct open *o = &m->open[i];
        const int64_t numbers[] = {o->start_s, o->amount, o->limit, o->expected, o->spread};
        for (size_t k = 0; k < TC_ARRAY_LEN(numbers); k++)
            buf_u64(out, (uint64_t)numbers[k]);
        buf_u8(out, o->said);
    }
    buf_u32(out, m->slot_count);
    for (uint32_t i = 0; i < m->slot_count; i++) {
        const struct slot *s = &m->slots[i];
        buf_u32(out, s->slot);
        buf_u64(out, (uint64_t)s->last_s);
        buf_u64(out, (uint64_t)s->mean);
        buf_u64(out, (uint64_t)s->deviation);
        buf_u32(out, s->n);
    }
}

static bool good_seconds(int64_t seconds)
{
    return seconds >= INT64_MIN / TC_SECOND_NS - 2 * SEASON_DAY_S &&
           seconds <= INT64_MAX / TC_SECOND_NS + 2 * SEASON_DAY_S;
}

static bool good_amount(int64_t amount)
{
    return amount >= 0 && amount <= AMOUNT_MAX;
}

static bool load_open(struct memory *m, struct reader *from)
{
    uint32_t count = reader_u32(from);
    if (from->bad || count > MEMORY_BUCKETS_MAX || count > from->rest.n / SAVED_OPEN_BYTES)
        return false;
    for (; m->open_count < count; m->open_count++) {
        struct open *o = &m->open[m->open_count];
        o->start_s = (int64_t)reader_u64(from);
        o->amount = (int64_t)reader_u64(from);
        o->limit = (int64_t)reader_u64(from);
        o->expected = (int64_t)reader_u64(from);
        o->spread = (int64_t)reader_u64(from);
        uint8_t said = reader_u8(from);
        o->said = said == 1;
        if (said > 1 || !good_seconds(o->start_s) || !good_amount(o->amount) || !good_amount(o->expected) ||
            !good_amount(o->spread) || o->limit < 0 || (o->limit > AMOUNT_MAX && o->limit != INT64_MAX) ||
            (m->open_count > 0 && o->start_s <= o[-1].start_s))
            return false;
    }
    return true;
}

static bool load_slots(struct memory *m, struct reader *from)
{
    uint32_t count = reader_u32(from);
    if (from->bad || count > SEASON_SLOTS_MAX || count > from->rest.n / SAVED_SLOT_BYTES)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct slot s = {.slot = reader_u32(from)};
        s.last_s = (int64_t)reader_u64(from);
        s.mean = (int64_t)reader_u64(from);
        s.deviation = (int64_t)reader_u64(from);
        s.n = reader_u32(from);
        if (s.slot >= SEASON_SLOTS_MAX || !good_seconds(s.last_s) || !good_amount(s.mean) ||
            !good_amount(s.deviation) || s.n == 0 || s.n > BASELINE_BUCKETS_MAX ||
            (i > 0 && s.slot <= m->slots[i - 1].slot))
            return false;
        put_slot(m, &s);
    }
    return true;
}

static struct memory *load(struct reader *from)
{
    struct memory *m = create();
    m->first_s = (int64_t)reader_u64(from);
    m->newest_ns = (int64_t)reader_u64(from);
    m->said_end_s = (int64_t)reader_u64(from);
    m->fresh = false;
    if (good_seconds(m->first_s) && (m->said_end_s == INT64_MIN || good_seconds(m->said_end_s)) &&
        load_open(m, from) && load_slots(m, from) && !from->bad)
        return m;
    forget_all(m);
    return NULL;
}

const struct memory_kind memory_baseline = {.name = "baseline",
                                            .create = create,
                                            .free = forget_all,
                                            .add = add,
                                            .newest_ns = newest_ns,
                                            .rank = rank,
                                            .tell = tell,
                                            .save = save,
                                            .load = load};
