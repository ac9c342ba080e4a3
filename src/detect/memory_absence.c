/*
 * When a group was heard, as far as it can still matter: times, in order, of which none lies in a gap that
 * its neighbours close without it. So of events that come in order one time is left, and out of order no more
 * than two for each timespan of the lateness; whatever the order, what is said is the same.
 *
 * Saved: u8 heard again, u32 count, then i64 time of each, ascending.
 */
#include "detect/memory.h"

#include "base/arena.h"

#include <stdlib.h>

struct memory {
    int64_t *times_ns; /* ascending, distinct; never empty between calls, but after the last close */
    uint32_t count, capacity;
    bool heard_again; /* more than one event: a flood of groups that come once goes first */
};

static struct memory *create(void)
{
    return tc_alloc(sizeof(struct memory));
}

static void forget_all(struct memory *m)
{
    if (m != NULL)
        free(m->times_ns);
    free(m);
}

static void remove_at(struct memory *m, uint32_t at)
{
    memmove(&m->times_ns[at], &m->times_ns[at + 1], (m->count - at - 1) * sizeof m->times_ns[0]);
    m->count--;
}

static void insert_at(struct memory *m, uint32_t at, int64_t time_ns)
{
    if (m->count == m->capacity) {
        m->capacity = TC_MAX(m->capacity * 2, 2u);
        m->times_ns = tc_realloc(m->times_ns, m->capacity * sizeof m->times_ns[0]);
    }
    memmove(&m->times_ns[at + 1], &m->times_ns[at], (m->count - at) * sizeof m->times_ns[0]);
    m->times_ns[at] = time_ns;
    m->count++;
}

/* `later_ns` is; the difference may be more than an int64_t holds. */
static bool is_within(int64_t earlier_ns, int64_t later_ns, int64_t timespan_ns)
{
    return (uint64_t)later_ns - (uint64_t)earlier_ns <= (uint64_t)timespan_ns;
}

/* Is the time there for nothing: do its neighbours lie within the timespan of each other? */
static bool is_spare(const struct memory *m, uint32_t at, int64_t timespan_ns)
{
    return at > 0 && at + 1 < m->count && is_within(m->times_ns[at - 1], m->times_ns[at + 1], timespan_ns);
}

static uint32_t add(struct memory *m, const struct window_spec *spec, const struct memory_input *input,
                    window_hit_fn hit, void *context)
{
    int64_t time_ns = input->time_ns;
    uint32_t at = m->count, lost = 0;
    (void)hit, (void)context;
    m->heard_again |= m->count > 0;
    while (at > 0 && m->times_ns[at - 1] > time_ns)
        at--;
    if (at > 0 && m->times_ns[at - 1] == time_ns)
        return 0;
    insert_at(m, at, time_ns);
    if (is_spare(m, at, spec->timespan_ns)) {
        remove_at(m, at);
        return 0;
    }
    if (is_spare(m, at + 1, spec->timespan_ns))
        remove_at(m, at + 1);
    if (at > 0 && is_spare(m, at - 1, spec->timespan_ns))
        remove_at(m, at - 1);
    if (m->count > MEMORY_TIMES_MAX) {
        remove_at(m, 0);
        lost = 1;
    }
    return lost;
}

static int64_t newest_ns(const struct memory *m)
{
    return m->count == 0 ? INT64_MIN : m->times_ns[m->count - 1];
}

static uint32_t rank(const struct memory *m)
{
    return m->heard_again;
}

static int64_t closes_ns(const struct memory *m, const struct window_spec *spec)
{
    int64_t first_ns = m->times_ns[0];
    return first_ns > INT64_MAX - spec->timespan_ns ? INT64_MAX : first_ns + spec->timespan_ns;
}

/* At the end of the input nobody knows whether a group would have been heard of again. */
static bool close_first(struct memory *m, const struct window_spec *spec, bool end_of_input)
{
    bool absent =
        m->count > 1 ? !is_within(m->times_ns[0], m->times_ns[1], spec->timespan_ns) : !end_of_input;
    remove_at(m, 0);
    return absent;
}

static bool is_empty(const struct memory *m)
{
    return m->count == 0;
}

static void save(const struct memory *m, struct buf *out)
{
    buf_u8(out, m->heard_again);
    buf_u32(out, m->count);
    for (uint32_t i = 0; i < m->count; i++)
        buf_u64(out, (uint64_t)m->times_ns[i]);
}

static struct memory *load(struct reader *from)
{
    uint8_t heard_again = reader_u8(from);
    uint32_t count = reader_u32(from);
    if (from->bad || heard_again > 1 || count == 0 || count > MEMORY_TIMES_MAX || count > from->rest.n / 8)
        return NULL;
    struct memory *m = create();
    m->heard_again = heard_again;
    for (uint32_t i = 0; i < count; i++) {
        int64_t time_ns = (int64_t)reader_u64(from);
        if (i > 0 && time_ns <= m->times_ns[i - 1]) {
            forget_all(m);
            return NULL;
        }
        insert_at(m, i, time_ns);
    }
    return m;
}

const struct memory_kind memory_absence = {.name = "absence",
                                           .create = create,
                                           .free = forget_all,
                                           .add = add,
                                           .newest_ns = newest_ns,
                                           .rank = rank,
                                           .closes_ns = closes_ns,
                                           .close_first = close_first,
                                           .is_empty = is_empty,
                                           .save = save,
                                           .load = load};
