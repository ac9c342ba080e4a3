/*
 * Groups of a correlation; see corr.h.
 */
#include "detect/corr.h"

#include "base/hash.h"

#include <stdlib.h>

/* --- compiling
 * -----------------------------------------------------------------------------------------------------------
 */

/* gt and gte come down to one threshold. */
static void set_need(struct corr_spec *spec, const struct corr_test *test)
{
    int64_t least = test->value;
    if (test->op == CORR_GT && least == INT64_MAX)
        spec->never = true;
    else if (test->op == CORR_GT)
        least++;
    if (least > 0)
        spec->window.need = TC_MAX(spec->window.need, (uint64_t)least);
}

/* A full window still tells whether each test holds: one entry an event, two a distinct value, and some to
 * spare. */
static uint64_t entries_for(const struct corr_spec *spec)
{
    const struct correlation *c = spec->correlation;
    uint64_t most = spec->window.need;
    for (size_t i = 0; i < c->test_count && spec->closing; i++)
        most = TC_MAX(most, (uint64_t)TC_MAX(c->tests[i].value, 0));
    most = TC_MIN(most, (uint64_t)CORR_ENTRIES_MAX);
    return most * 2 + 2;
}

static const struct memory_kind *const memories[] = {[CORR_NEW_VALUE] = &memory_new_value,
                                                     [CORR_ABSENCE] = &memory_absence,
                                                     [CORR_TRAVEL] = &memory_travel,
                                                     [CORR_BASELINE] = &memory_baseline};

void corr_spec_init(struct corr_spec *spec, const struct rule *rule, size_t max_groups, size_t max_entries)
{
    const struct correlation *c = rule->correlation;
    *spec = (struct corr_spec){.rule = rule, .correlation = c};
    spec->window = (struct window_spec){.distinct = c->type == CORR_VALUE_COUNT || c->type == CORR_TEMPORAL,
                                        .timespan_ns = TC_MAX(c->timespan_ns, 1),
                                        .need = 1};
    spec->ordered = c->type == CORR_TEMPORAL_ORDERED;
    spec->measured = measure_is_for(c->type);
    spec->window.steps = c->steps;
    spec->window.travel = c->travel;
    spec->window.baseline = c->baseline;
    spec->closing = c->steps != NULL && step_condition_negates(c->steps);
    spec->memory = (size_t)c->type < TC_ARRAY_LEN(memories) ? memories[c->type] : NULL;
    spec->closing |= spec->memory != NULL && spec->memory->closes_ns != NULL;
    if (spec->ordered)
        spec->window.need = TC_MAX(c->rule_count, (size_t)1);
    for (size_t i = 0; i < c->test_count && !spec->ordered; i++) {
        if (c->tests[i].op != CORR_GT && c->tests[i].op != CORR_GTE)
            spec->closing = true;
        else if (!spec->measured)
            set_need(spec, &c->tests[i]);
    }
    uint64_t entries = TC_MAX(entries_for(spec), max_entries == 0 ? (uint64_t)10000 : max_entries);
    spec->window.max_entries = (uint32_t)TC_MIN(entries, (uint64_t)CORR_ENTRIES_MAX);
    size_t groups = (max_groups == 0 ? 100000 : max_groups) / CORR_SHARDS;
    if (c->type == CORR_BASELINE)
        groups /= BASELINE_GROUPS_PART;
    spec->max_groups = (uint32_t)TC_MAX(1u, TC_MIN(groups, (size_t)1 << 24));
    spec->seed = hash_64(sv_make((const char *)rule->content, sizeof rule->content));
    spec->measure = (struct measure_spec){.type = c->type,
                                          .percentile = c->percentile,
                                          .timespan_ns = spec->window.timespan_ns,
                                          .tests = c->tests,
                                          .amounts = c->amounts,
                                          .test_count = c->test_count,
                                          .max_entries = spec->window.max_entries,
                                          .seed = spec->seed};
}

static bool test_holds(const struct corr_test *test, uint64_t value)
{
    int64_t v = (int64_t)TC_MIN(value, (uint64_t)INT64_MAX);
    switch (test->op) {
    case CORR_GT:
        return v > test->value;
    case CORR_GTE:
        return v >= test->value;
    case CORR_LT:
        return v < test->value;
    case CORR_LTE:
        return v <= test->value;
    case CORR_EQ:
        return v == test->value;
    case CORR_NEQ:
        return v != test->value;
    }
    return false;
}

static bool all_hold(const struct corr_spec *spec, uint64_t value)
{
    for (size_t i = 0; i < spec->correlation->test_count; i++)
        if (!test_holds(&spec->correlation->tests[i], value))
            return false;
    return true;
}

/* --- lists by rank
 * ------------------------------------------------------------------------------------------------------- */

static struct corr_group *group_at(const struct corr_table *t, uint32_t place)
{
    return &t->groups[place - 1];
}

static struct sv group_key(const struct corr_group *g)
{
    return sv_make(g->key_bytes <= CORR_KEY_INSIDE_BYTES ? g->key.inside : g->key.outside, g->key_bytes);
}

static void set_key(struct corr_group *g, struct sv key)
{
    g->key_bytes = (uint32_t)key.n;
    char *to = g->key.inside;
    if (key.n > CORR_KEY_INSIDE_BYTES)
        to = g->key.outside = tc_alloc(key.n);
    if (key.n > 0)
        memcpy(to, key.p, key.n);
}

static void unlink_group(struct corr_table *t, uint32_t place)
{
    struct corr_group *g = group_at(t, place);
    if (g->older != 0)
        group_at(t, g->older)->newer = g->newer;
    else
        t->ranks[g->rank].oldest = g->newer;
    if (g->newer != 0)
        group_at(t, g->newer)->older = g->older;
    else
        t->ranks[g->rank].newest = g->older;
}

static void link_newest(struct corr_table *t, uint32_t place, uint32_t rank)
{
    struct corr_group *g = group_at(t, place);
    g->rank = rank;
    g->newer = 0;
    g->older = t->ranks[rank].newest;
    if (g->older != 0)
        group_at(t, g->older)->newer = place;
    else
        t->ranks[rank].oldest = place;
    t->ranks[rank].newest = place;
}

static int64_t newest_ns(const struct corr_spec *spec, const struct corr_group *g)
{
    if (spec->memory != NULL)
        return spec->memory->newest_ns(g->memory);
    if (g->measure != NULL)
        return measure_newest_ns(g->measure);
    return g->sequence != NULL ? sequence_newest_ns(g->sequence) : window_newest_ns(&g->window);
}

/* Entries of what is judged at windows' ends. */
static uint32_t kept_count(const struct corr_spec *spec, const struct corr_group *g)
{
    if (spec->memory != NULL)
        return !spec->memory->is_empty(g->memory);
    return g->measure != NULL ? measure_count(g->measure) : window_count(&g->window);
}

static int64_t closes_ns(const struct corr_spec *spec, const struct corr_group *g)
{
    if (spec->memory != NULL)
        return spec->memory->closes_ns(g->memory, &spec->window);
    return spec->measured ? measure_closes_ns(g->measure, &spec->measure)
                          : window_closes_ns(&g->window, &spec->window);
}

static uint32_t rank_of(const struct corr_spec *spec, const struct corr_group *g)
{
    if (spec->memory != NULL)
        return spec->memory->rank(g->memory);
    if (spec->closing)
        return kept_count(spec, g) > 1;
    if (spec->measured)
        return measure_rank(g->measure, &spec->measure, CORR_RANKS);
    uint64_t value = spec->ordered ? sequence_progress(g->sequence, &spec->window) : g->window.value;
    if (value <= 1)
        return 0;
    return 1 + (uint32_t)TC_MIN((uint64_t)CORR_RANKS - 2, value * (CORR_RANKS - 2) / spec->window.need);
}

/* --- the table
 * -----------------------------------------------------------------------------------------------------------
 */

static uint32_t slot_of(const struct corr_table *t, uint64_t hash, struct sv key)
{
    uint32_t at = (uint32_t)(hash >> 6) & (t->slot_count - 1); /* the low 6 bits chose the shard */
    while (t->slots[at] != 0) {
        const struct corr_group *g = group_at(t, t->slots[at]);
        if (g->hash == hash && sv_eq(group_key(g), key))
            break;
        at = (at + 1) & (t->slot_count - 1);
    }
    return at;
}

static void grow_slots(struct corr_table *t)
{
    if ((t->count + 1) * 3 <= t->slot_count * 2)
        return;
    t->slot_count = t->slot_count == 0 ? 8 : t->slot_count * 2;
    free(t->slots);
    t->slots = tc_alloc(t->slot_count * sizeof t->slots[0]);
    for (uint32_t place = 1; place <= t->used; place++) {
        const struct corr_group *g = group_at(t, place);
        if (g->rank < CORR_RANKS)
            t->slots[slot_of(t, g->hash, group_key(g))] = place;
    }
}

static void free_slot(struct corr_table *t, uint32_t hole)
{
    uint32_t mask = t->slot_count - 1;
    for (uint32_t at = (hole + 1) & mask; t->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t want = (uint32_t)(group_at(t, t->slots[at])->hash >> 6) & mask;
        if (((at - want) & mask) >= ((at - hole) & mask)) {
            t->slots[hole] = t->slots[at];
            hole = at;
        }
    }
    t->slots[hole] = 0;
}

static void free_group(const struct corr_spec *spec, struct corr_group *g)
{
    window_free(&g->window);
    sequence_free(&g->sequence);
    measure_free(&g->measure);
    if (spec->memory != NULL)
        spec->memory->free(g->memory);
    if (g->key_bytes > CORR_KEY_INSIDE_BYTES)
        free(g->key.outside);
}

static void remove_group(struct corr_table *t, const struct corr_spec *spec, uint32_t place)
{
    struct corr_group *g = group_at(t, place);
    free_slot(t, slot_of(t, g->hash, group_key(g)));
    unlink_group(t, place);
    free_group(spec, g);
    *g = (struct corr_group){.rank = CORR_RANKS, .newer = t->free_place};
    t->free_place = place;
    t->count--;
}

/* Groups whose events no window can reach any more; the lists' old ends know them soon enough. */
static void forget_over(struct corr_table *t, const struct corr_spec *spec, int64_t floor_ns)
{
    int64_t horizon_ns = window_before(floor_ns, spec->window.timespan_ns);
    for (unsigned rank = 0; rank < CORR_RANKS && !spec->closing; rank++) {
        uint32_t place = t->ranks[rank].oldest;
        while (place != 0 && newest_ns(spec, group_at(t, place)) < horizon_ns) {
            remove_group(t, spec, place);
            place = t->ranks[rank].oldest;
        }
    }
}

static void evict_one(struct corr_table *t, const struct corr_spec *spec)
{
    for (unsigned rank = 0; rank < CORR_RANKS; rank++) {
        if (t->ranks[rank].oldest == 0)
            continue;
        remove_group(t, spec, t->ranks[rank].oldest);
        t->evicted++;
        return;
    }
}

static uint32_t take_place(struct corr_table *t)
{
    uint32_t place = t->free_place;
    if (place != 0) {
        t->free_place = group_at(t, place)->newer;
        return place;
    }
    if ((t->used & (t->used - 1)) == 0) /* full at powers of two */
        t->groups = tc_realloc(t->groups, TC_MAX(t->used * 2, 1u) * sizeof t->groups[0]);
    return ++t->used;
}

/* The group's place, made where it is new (in no list then: *ret_new). */
static uint32_t find_or_add(struct corr_table *t, const struct corr_spec *spec, uint64_t hash, struct sv key,
                            bool *ret_new)
{
    grow_slots(t);
    uint32_t slot = slot_of(t, hash, key);
    *ret_new = t->slots[slot] == 0;
    if (!*ret_new)
        return t->slots[slot];
    if (t->count >= spec->max_groups) {
        evict_one(t, spec);
        slot = slot_of(t, hash, key);
    }
    uint32_t place = take_place(t);
    struct corr_group *g = group_at(t, place);
    *g = (struct corr_group){.hash = hash, .episode_ns = TC_NO_TIME};
    set_key(g, key);
    t->slots[slot] = place;
    if (t->count++ == 0)
        t->next_close_ns = INT64_MAX;
    return place;
}

void corr_table_free(struct corr_table *t, const struct corr_spec *spec)
{
    for (uint32_t place = 1; place <= t->used; place++)
        free_group(spec, group_at(t, place));
    free(t->groups);
    free(t->slots);
    *t = (struct corr_table){0};
}

/* --- hits
 * -------------------------------------------------------------------------------------------------------------
 */

struct judging {
    const struct corr_hit *hit;
    const struct corr_spec *spec;
    struct corr_group *group;
    corr_outcome_fn each;
    void *context;
};

static void say(void *context, const struct window_hit *w)
{
    struct judging *j = context;
    if (!w->repeat)
        j->group->episode_ns = w->time_ns;
    j->each(j->context, &(struct corr_outcome){.event = j->hit->event,
                                               .spec = j->hit->spec,
                                               .rule = j->hit->rule,
                                               .step = j->hit->step,
                                               .order = j->hit->order,
                                               .weight = j->hit->weight,
                                               .repeat = w->repeat,
                                               .time_ns = w->time_ns,
                                               .episode_ns = j->group->episode_ns,
                                               .value = w->value,
                                               .amount = w->amount,
                                               .facts = j->spec->memory == NULL ? NULL : w->facts,
                                               .key = j->hit->key,
                                               .correlation = j->spec->correlation,
                                               .from = j->hit->from});
}

static uint32_t remember(struct corr_group *g, const struct corr_spec *spec, const struct corr_hit *hit,
                         int64_t floor_ns, window_hit_fn each, void *context)
{
    const struct memory_input input = {hit->time_ns, floor_ns, hit->value, hit->amount, hit->weight};
    if (g->memory == NULL)
        g->memory = spec->memory->create();
    return spec->memory->add(g->memory, &spec->window, &input, each, context);
}

/* Judged at a window's end: only kept. Returns entries lost. */
static uint32_t gather(struct corr_group *g, const struct corr_spec *spec, const struct corr_hit *hit)
{
    if (spec->memory != NULL)
        return remember(g, spec, hit, INT64_MIN, NULL, NULL);
    if (spec->measured)
        return !measure_gather(g->measure, &spec->measure, hit->time_ns, hit->amount, hit->weight);
    return !window_gather(&g->window, &spec->window, hit->time_ns, hit->value, hit->weight);
}

/* Judged at each arrival. Returns entries lost. */
static uint32_t slide(struct corr_group *g, const struct corr_spec *spec, const struct corr_hit *hit,
                      int64_t floor_ns, struct judging *j)
{
    int64_t horizon_ns = window_before(floor_ns, spec->window.timespan_ns);
    if (spec->memory != NULL)
        return remember(g, spec, hit, floor_ns, say, j);
    if (spec->ordered) {
        if (g->sequence == NULL)
            g->sequence = sequence_new(&spec->window);
        return sequence_add(g->sequence, &spec->window, floor_ns, hit->time_ns, hit->step, say, j);
    }
    if (spec->measured)
        return measure_slide(g->measure, &spec->measure, window_before(horizon_ns, spec->window.timespan_ns),
                             hit->time_ns, hit->amount, hit->weight, say, j);
    return window_slide(&g->window, &spec->window, horizon_ns, hit->time_ns, hit->value, hit->weight, say, j);
}

void corr_table_hit(struct corr_table *t, const struct corr_spec *spec, const struct corr_hit *hit,
                    int64_t floor_ns, corr_outcome_fn each, void *context)
{
    bool fresh;
    if (spec->never)
        return;
    forget_over(t, spec, floor_ns);
    uint32_t place = find_or_add(t, spec, hit->hash, hit->key, &fresh);
    struct corr_group *g = group_at(t, place);
    if (spec->measured && g->measure == NULL)
        g->measure = measure_new();
    if (spec->closing) {
        t->lost_entries += gather(g, spec, hit);
        t->next_close_ns = TC_MIN(t->next_close_ns, closes_ns(spec, g));
    } else {
        struct judging j = {hit, spec, g, each, context};
        t->lost_entries += slide(g, spec, hit, floor_ns, &j);
    }
    if (!fresh)
        unlink_group(t, place);
    link_newest(t, place, rank_of(spec, g));
}

void corr_table_forget(struct corr_table *t, const struct corr_spec *spec, uint64_t hash, struct sv key)
{
    uint32_t slot = t->count == 0 ? 0 : slot_of(t, hash, key);
    if (t->count > 0 && t->slots[slot] != 0)
        remove_group(t, spec, t->slots[slot]);
}

/* --- windows that are over
 * ---------------------------------------------------------------------------------------------- */

/* Takes the group's first window out; true where the rule held at its end. */
static bool close_window(struct corr_group *g, const struct corr_spec *spec, int64_t floor_ns,
                         struct window_hit *ret)
{
    if (spec->memory != NULL) {
        *ret = (struct window_hit){.time_ns = closes_ns(spec, g)};
        return spec->memory->close_first(g->memory, &spec->window, floor_ns == INT64_MAX);
    }
    if (spec->measured)
        return measure_close(g->measure, &spec->measure, ret);
    *ret = (struct window_hit){.time_ns = window_closes_ns(&g->window, &spec->window)};
    uint64_t seen;
    ret->value = window_close(&g->window, &spec->window, &seen);
    return spec->window.steps == NULL ? all_hold(spec, ret->value)
                                      : step_condition_holds(spec->window.steps, seen);
}

static void close_group(struct corr_group *g, const struct corr_spec *spec, int64_t floor_ns, uint32_t event,
                        corr_outcome_fn each, void *context)
{
    while (kept_count(spec, g) > 0 && closes_ns(spec, g) < floor_ns) {
        struct window_hit end;
        if (!close_window(g, spec, floor_ns, &end))
            continue;
        each(context, &(struct corr_outcome){.event = event,
                                             .rule = UINT32_MAX,
                                             .weight = 1,
                                             .time_ns = end.time_ns,
                                             .episode_ns = end.time_ns,
                                             .value = end.value,
                                             .amount = end.amount,
                                             .key = group_key(g),
                                             .correlation = spec->correlation});
    }
}

void corr_table_close(struct corr_table *t, const struct corr_spec *spec, int64_t floor_ns, uint32_t event,
                      corr_outcome_fn each, void *context)
{
    if (t->count == 0 || t->next_close_ns >= floor_ns)
        return;
    t->next_close_ns = INT64_MAX;
    for (uint32_t place = 1; place <= t->used; place++) {
        struct corr_group *g = group_at(t, place);
        if (g->rank >= CORR_RANKS)
            continue;
        close_group(g, spec, floor_ns, event, each, context);
        if (kept_count(spec, g) == 0)
            remove_group(t, spec, place);
        else
            t->next_close_ns = TC_MIN(t->next_close_ns, closes_ns(spec, g));
    }
}

/* --- keeping them
 * -------------------------------------------------------------------------------------------------------- */

static void save_group(const struct corr_table *t, const struct corr_spec *spec, uint32_t place,
                       struct buf *out)
{
    const struct corr_group *g = group_at(t, place);
    buf_string(out, group_key(g));
    buf_u8(out, (uint8_t)g->rank); /* as of its last arrival; a window's end does not change it */
    buf_u64(out, (uint64_t)g->episode_ns);
    if (spec->memory != NULL) {
        spec->memory->save(g->memory, out);
        return;
    }
    if (spec->measured) {
        measure_save(g->measure, out);
        return;
    }
    if (spec->ordered) {
        sequence_save(g->sequence, &spec->window, out);
        return;
    }
    buf_u32(out, window_count(&g->window));
    for (uint32_t i = g->window.first; i < g->window.end; i++) {
        if (g->window.entries[i].what == 0)
            continue;
        buf_u64(out, (uint64_t)g->window.entries[i].time_ns);
        buf_u64(out, g->window.entries[i].what);
    }
}

void corr_table_save(const struct corr_table *t, const struct corr_spec *spec, struct buf *out)
{
    for (unsigned rank = 0; rank < CORR_RANKS; rank++)
        for (uint32_t place = t->ranks[rank].oldest; place != 0; place = group_at(t, place)->newer)
            save_group(t, spec, place, out);
}

static bool load_entries(struct window *w, const struct corr_spec *spec, struct reader *from)
{
    uint32_t count = reader_u32(from);
    if (from->bad || count == 0 || count > from->rest.n / 16)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        int64_t time_ns = (int64_t)reader_u64(from);
        uint64_t what = reader_u64(from);
        if (count - i > spec->window.max_entries) /* saved under a larger bound: the newest stay */
            continue;
        if ((!spec->window.distinct && what > INT64_MAX / CORR_ENTRIES_MAX) ||
            !window_restore(w, &spec->window, time_ns, what))
            return false;
    }
    if (!spec->closing)
        window_restore_end(w, &spec->window);
    return true;
}

static bool load_group(struct corr_group *g, const struct corr_spec *spec, struct reader *from)
{
    if (spec->memory != NULL) {
        g->memory = spec->memory->load(from);
        return g->memory != NULL;
    }
    if (spec->measured) {
        g->measure = measure_load(&spec->measure, !spec->closing, from);
        return g->measure != NULL;
    }
    if (!spec->ordered)
        return load_entries(&g->window, spec, from);
    g->sequence = sequence_load(&spec->window, from);
    return g->sequence != NULL;
}

bool corr_table_load(struct corr_table *tables, const struct corr_spec *spec, struct reader *from)
{
    bool fresh;
    struct sv key = reader_string(from);
    uint8_t rank = reader_u8(from);
    int64_t episode_ns = (int64_t)reader_u64(from);
    if (from->bad || rank >= CORR_RANKS || !corr_key_valid(spec, key))
        return false;
    uint64_t hash = corr_key_hash(spec, key);
    struct corr_table *t = &tables[hash % CORR_SHARDS];
    uint32_t place = find_or_add(t, spec, hash, key, &fresh);
    if (!fresh)
        return false;
    struct corr_group *g = group_at(t, place);
    g->episode_ns = episode_ns;
    bool ok = load_group(g, spec, from);
    link_newest(t, place, rank);
    if (ok && spec->closing)
        t->next_close_ns = TC_MIN(t->next_close_ns, closes_ns(spec, g));
    return ok;
}
