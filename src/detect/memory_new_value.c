/*
 * The values that a group has shown, with the time of the last: a short list, looked through from its front.
 *
 * Saved: u8 heard again, u32 count, then u64 hash and i64 time of each, in order of the list.
 */
#include "detect/memory.h"

#include "base/arena.h"

#include <stdlib.h>

struct known {
    uint64_t value; /* hash */
    int64_t last_ns;
};

struct memory {
    struct known *known;
    uint32_t count, capacity;
    bool heard_again; /* more than one event: a flood of groups that come once goes first */
};

static struct memory *create(void)
{
    struct memory *m = tc_alloc(sizeof *m);
    return m;
}

static void forget_all(struct memory *m)
{
    if (m != NULL)
        free(m->known);
    free(m);
}

static struct known *find(const struct memory *m, uint64_t value)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->known[i].value == value)
            return &m->known[i];
    return NULL;
}

/* How many were shown at `since_ns` or later. */
static uint32_t count_since(const struct memory *m, int64_t since_ns)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->count; i++)
        count += m->known[i].last_ns >= since_ns;
    return count;
}

static struct known *oldest(const struct memory *m)
{
    struct known *old = &m->known[0];
    for (uint32_t i = 1; i < m->count; i++)
        if (m->known[i].last_ns < old->last_ns)
            old = &m->known[i];
    return old;
}

/* Returns 1 where another had to go. */
static uint32_t learn(struct memory *m, uint64_t value, int64_t time_ns)
{
    if (m->count == MEMORY_VALUES_MAX) {
        *oldest(m) = (struct known){value, time_ns};
        return 1;
    }
    if (m->count == m->capacity) {
        m->capacity = TC_MAX(m->capacity * 2, 2u);
        m->known = tc_realloc(m->known, m->capacity * sizeof m->known[0]);
    }
    m->known[m->count++] = (struct known){value, time_ns};
    return 0;
}

static uint32_t add(struct memory *m, const struct window_spec *spec, const struct memory_input *input,
                    window_hit_fn hit, void *context)
{
    int64_t time_ns = input->time_ns;
    uint64_t value = input->value;
    int64_t since_ns = window_before(time_ns, spec->timespan_ns);
    uint32_t others = count_since(m, since_ns), lost = 0;
    struct known *known = find(m, value);
    bool is_known = known != NULL && known->last_ns >= since_ns;
    m->heard_again |= m->count > 0;
    if (known != NULL)
        known->last_ns = TC_MAX(known->last_ns, time_ns);
    else
        lost = learn(m, value, time_ns);
    if (!is_known && others > 0)
        hit(context, &(struct window_hit){.time_ns = time_ns, .value = others + 1});
    return lost;
}

static int64_t newest_ns(const struct memory *m)
{
    int64_t newest = INT64_MIN;
    for (uint32_t i = 0; i < m->count; i++)
        newest = TC_MAX(newest, m->known[i].last_ns);
    return newest;
}

static uint32_t rank(const struct memory *m)
{
    return m->heard_again;
}

static void save(const struct memory *m, struct buf *out)
{
    buf_u8(out, m->heard_again);
    buf_u32(out, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        buf_u64(out, m->known[i].value);
        buf_u64(out, (uint64_t)m->known[i].last_ns);
    }
}

static struct memory *load(struct reader *from)
{
    uint8_t heard_again = reader_u8(from);
    uint32_t count = reader_u32(from);
    if (from->bad || heard_again > 1 || count == 0 || count > MEMORY_VALUES_MAX || count > from->rest.n / 16)
        return NULL;
    struct memory *m = create();
    m->heard_again = heard_again;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = reader_u64(from);
        int64_t last_ns = (int64_t)reader_u64(from);
        if (value == 0 || find(m, value) != NULL) {
            forget_all(m);
            return NULL;
        }
        learn(m, value, last_ns);
    }
    return m;
}

const struct memory_kind memory_new_value = {.name = "new_value",
                                             .create = create,
                                             .free = forget_all,
                                             .add = add,
                                             .newest_ns = newest_ns,
                                             .rank = rank,
                                             .save = save,
                                             .load = load};
