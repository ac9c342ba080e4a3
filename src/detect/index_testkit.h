/*
 * What the tests of the index share: is a rule a candidate, are all that match, and events changed by chance.
 * Include after cmocka.h.
 */
#ifndef DETECT_INDEX_TESTKIT_H
#define DETECT_INDEX_TESTKIT_H

/* cmocka.h wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/detect_testkit.h"
#include "detect/index.h"
#include "detect/match.h"

#include <inttypes.h>

static inline bool is_candidate(struct kit *kit, uint32_t ordinal, const struct event *event)
{
    const uint32_t *list;
    size_t count = rule_candidates(kit->set, event, kit->scratch, &list);
    for (size_t i = 0; i < count; i++)
        if (list[i] == ordinal)
            return true;
    return false;
}

/* --- all rules, one event
 * ---------------------------------------------------------------------------------------------------- */

struct tally {
    size_t events, matches, missed;
    uint32_t candidates[1 << 16]; /* of the first events */
};

/* Holds the candidates of one event against the interpreter's answers. */
static inline void check_event(struct kit *kit, const struct event *event, struct tally *t)
{
    const uint32_t *list;
    size_t count = rule_candidates(kit->set, event, kit->scratch, &list), at = 0;
    if (t->events < TC_ARRAY_LEN(t->candidates))
        t->candidates[t->events] = (uint32_t)count;
    t->events++;
    for (uint32_t i = 0; i < kit->set->count; i++) {
        const struct rule *rule = &kit->set->rules[i];
        bool named = at < count && list[at] == i;
        at += named;
        if (rule->kind != RULE_DETECTION || !rule_applies(rule, event)) {
            assert_false(named);
            continue;
        }
        if (!rule_matches(rule, event, kit->scratch))
            continue;
        t->matches++;
        if (named)
            continue;
        t->missed++;
        print_message("no candidate: %.*s (%.*s) on %.*s\n", SV_FMT(rule->info.title),
                      SV_FMT(rule->info.file), SV_FMT(sv_head(event->raw, 400)));
    }
    assert_int_equal(at, count); /* in order, none twice */
}

static inline int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static inline void report(struct tally *t, const char *what)
{
    size_t n = TC_MIN(t->events, TC_ARRAY_LEN(t->candidates));
    qsort(t->candidates, n, sizeof t->candidates[0], compare_u32);
    print_message("%s: %zu events, %zu matches, %zu missed; candidates an event: median %" PRIu32
                  ", p95 %" PRIu32 ", most %" PRIu32 "\n",
                  what, t->events, t->matches, t->missed, t->candidates[n / 2], t->candidates[n * 95 / 100],
                  t->candidates[n - 1]);
    assert_int_equal(t->missed, 0);
}

/* --- chance
 * -------------------------------------------------------------------------------------------------------------------
 */

static inline size_t below(struct sim_rng *rng, size_t n)
{
    return (size_t)(rng_u64(&rng->rng) % n);
}

static inline const char *any_of(struct sim_rng *rng, const char *const *list, size_t n)
{
    return list[below(rng, n)];
}
#define ANY_OF(rng, list) any_of(rng, list, TC_ARRAY_LEN(list))

/* One byte of one value changed, dropped or added. */
static inline void edit(struct sim_rng *rng, struct arena *arena, struct field *fields, size_t count)
{
    static const char *const middles[] = {"", "x", "-", "\xC3", "0"};
    if (count == 0)
        return;
    struct field *field = &fields[below(rng, count)];
    size_t n = field->value.n, at = n == 0 ? 0 : below(rng, n);
    struct sv head = sv_head(field->value, at), tail = sv_from(field->value, at + below(rng, 2));
    field->value = arena_printf(arena, "%.*s%s%.*s", SV_FMT(head), ANY_OF(rng, middles), SV_FMT(tail));
}

/* The event with some values edited, exchanged, doubled under another's name, or made null. */
static inline struct event mutated(struct sim_rng *rng, struct arena *arena, const struct event *event)
{
    static uint64_t position = UINT64_C(1) << 45;
    struct event copy = *event;
    uint32_t n = event->field_count;
    copy.position = ++position;
    copy.fields = ARENA_ARRAY(arena, struct field, n + 1u);
    memcpy(copy.fields, event->fields, n * sizeof copy.fields[0]);
    for (size_t k = 0; n > 1 && k < 1 + below(rng, 4); k++) {
        struct field *a = &copy.fields[below(rng, n)], *b = &copy.fields[below(rng, n)];
        struct field was = *a;
        switch (below(rng, 4)) {
        case 0:
            edit(rng, arena, copy.fields, n);
            break;
        case 1: /* values change places */
            a->value = b->value;
            a->type = b->type;
            b->value = was.value;
            b->type = was.type;
            break;
        case 2: /* a second value of a name */
            a->name = a->exact = b->name;
            a->name_hash = b->name_hash;
            break;
        default:
            a->type = FIELD_NULL;
            a->value = SV("");
            break;
        }
    }
    event_index(&copy, arena);
    return copy;
}

#endif
