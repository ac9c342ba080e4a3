/*
 * The store of alerts held against a plain list, over many random steps; the index of silences held against
 * trying each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "alert/alertmanager/alert_store.h"
#include "alert/alertmanager/silence_index.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 500, STEPS = 20000, LABELS_MAX = 5 };

struct model {
    bool there;
    unsigned revision;
};

static struct sv text(struct arena *arena, const char *what, unsigned number)
{
    return arena_printf(arena, "%s%u", what, number);
}

/* The alert of a number: its labels follow from it, its annotations from the revision. */
static struct am_alert make(struct arena *arena, unsigned key, unsigned revision)
{
    size_t labels = 1 + key % LABELS_MAX, annotations = revision % 3;
    struct am_label *items = ARENA_ARRAY(arena, struct am_label, labels + annotations);
    for (unsigned i = 0; i < labels; i++)
        items[i] = (struct am_label){text(arena, "name", i), text(arena, "value", i == 0 ? key : key % 7)};
    for (unsigned i = 0; i < annotations; i++)
        items[labels + i] =
            (struct am_label){text(arena, "note", i), text(arena, "of ", revision * 31 + key)};
    return (struct am_alert){.labels = {items, labels},
                             .annotations = {items + labels, annotations},
                             .generator_url = text(arena, "http://x/", revision % 5)};
}

static void assert_same(struct am_labels a, struct am_labels b)
{
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        assert_true(sv_eq(a.items[i].name, b.items[i].name));
        assert_true(sv_eq(a.items[i].value, b.items[i].value));
    }
}

static void check(const struct am_alert_store *store, const struct model *model, struct arena *arena)
{
    size_t there = 0;
    for (unsigned key = 0; key < KEYS; key++) {
        struct am_alert want = make(arena, key, model[key].revision);
        const struct stored *found = alert_store_find(store, want.labels);
        assert_int_equal(found != NULL, model[key].there);
        there += model[key].there;
        if (found == NULL)
            continue;
        struct am_alert is = alert_store_view(store, found, arena);
        assert_same(is.labels, want.labels);
        assert_same(is.annotations, want.annotations);
        assert_true(sv_eq(is.generator_url, want.generator_url));
        assert_ptr_equal(store->list[found->index], found);
    }
    assert_int_equal(store->count, there);
}

static void store_is_a_map(void **state)
{
    struct am_alert_store store;
    struct model model[KEYS] = {0};
    struct sim_rng rng;
    struct arena arena = {0};
    (void)state;
    sim_rng_init(&rng, 17);
    alert_store_init(&store);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned key = (unsigned)(rng_u64(&rng.rng) % KEYS), what = (unsigned)(rng_u64(&rng.rng) % 4);
        arena_reset(&arena);
        struct am_alert alert = make(&arena, key, step);
        struct stored *found = alert_store_find(&store, alert.labels);
        assert_int_equal(found != NULL, model[key].there);
        if (found == NULL)
            assert_non_null(alert_store_add(&store, &alert));
        else if (what == 0)
            alert_store_remove(&store, found);
        else
            assert_true(alert_store_change(&store, found, &alert));
        model[key] = (struct model){found == NULL || what != 0, step};
        if (step % 500 == 0)
            check(&store, model, &arena);
    }
    check(&store, model, &arena);
    while (store.count > 0)
        alert_store_remove(&store, store.list[rng_u64(&rng.rng) % store.count]);
    for (size_t i = 0; i < store.texts.count; i++)
        assert_null(store.texts.items[i]); /* nobody holds a text any more */
    alert_store_free(&store);
    arena_free(&arena);
}

static void groups_of_an_alert(void **state)
{
    struct am_alert_store store;
    struct arena arena = {0};
    char places[3];
    struct group *groups[3];
    (void)state;
    alert_store_init(&store);
    struct am_alert alert = make(&arena, 3, 1);
    struct stored *stored = alert_store_add(&store, &alert);
    for (size_t i = 0; i < 3; i++)
        stored_join(stored, groups[i] = (struct group *)(void *)&places[i]);
    assert_int_equal(stored->group_count, 3);
    stored_leave(stored, groups[0]);
    stored_leave(stored, groups[0]); /* it is not there any more */
    assert_int_equal(stored->group_count, 2);
    stored_leave(stored, groups[2]);
    assert_ptr_equal(stored_groups(stored)[0], groups[1]);
    stored_join(stored, groups[2]);
    for (int annotations = 0; annotations < 4;
         annotations++) { /* another number of them: in the same place */
        struct am_label more[4] = {
            {SV("a"), SV("1")}, {SV("b"), SV("2")}, {SV("c"), SV("3")}, {SV("d"), SV("4")}};
        alert.annotations = (struct am_labels){more, (size_t)annotations};
        assert_true(alert_store_change(&store, stored, &alert));
        assert_ptr_equal(alert_store_find(&store, alert.labels), stored);
        struct am_alert view = alert_store_view(&store, stored, &arena);
        assert_int_equal(view.annotations.count, annotations);
        for (int i = 0; i < annotations; i++)
            assert_true(sv_eq(view.annotations.items[i].value, more[i].value));
    }
    assert_int_equal(stored->group_count, 2);
    assert_ptr_equal(stored_groups(stored)[1], groups[2]);
    alert_store_free(&store);
    arena_free(&arena);
}

static void index_finds_what_trying_finds(void **state)
{
    enum { SILENCES = 300, ALERTS = 300 };
    static const enum am_match_type types[] = {AM_EQUAL, AM_EQUAL, AM_NOT_EQUAL, AM_REGEXP, AM_NOT_REGEXP};
    struct am_silence silences[SILENCES];
    struct am_pool pool = {0};
    struct sim_rng rng;
    struct arena arena = {0};
    struct am_silence_index index;
    struct err err;
    size_t hits = 0;
    (void)state;
    sim_rng_init(&rng, 5);
    for (size_t i = 0; i < SILENCES; i++) {
        size_t count = 1 + rng_u64(&rng.rng) % 3;
        silences[i] = (struct am_silence){.matchers = {ARENA_ARRAY(&arena, struct am_matcher, count), count},
                                          .starts_at_ns = (int64_t)(rng_u64(&rng.rng) % 50),
                                          .ends_at_ns = 50 + (int64_t)(rng_u64(&rng.rng) % 50)};
        for (size_t k = 0; k < count; k++) {
            unsigned name = (unsigned)(rng_u64(&rng.rng) % 3), value = (unsigned)(rng_u64(&rng.rng) % 4);
            struct sv wanted = value == 3 ? SV("") : text(&arena, "value", value);
            assert_int_equal(am_matcher_make(&pool, types[rng_u64(&rng.rng) % TC_ARRAY_LEN(types)],
                                             text(&arena, "name", name), wanted,
                                             &silences[i].matchers.items[k], &err),
                             0);
        }
    }
    am_silence_index_init(&index, silences, SILENCES);
    for (size_t i = 0; i < ALERTS; i++) {
        struct am_label items[3];
        size_t n = rng_u64(&rng.rng) % 4, wanted = 0;
        for (unsigned k = 0; k < n; k++)
            items[k] = (struct am_label){text(&arena, "name", k),
                                         text(&arena, "value", (unsigned)(rng_u64(&rng.rng) % 3))};
        struct am_labels labels = {items, n};
        int64_t now_ns = (int64_t)(rng_u64(&rng.rng) % 100);
        uint32_t found[SILENCES], want[SILENCES];
        for (uint32_t k = 0; k < SILENCES; k++)
            if (silences[k].starts_at_ns <= now_ns && now_ns < silences[k].ends_at_ns &&
                am_matchers_match(silences[k].matchers, labels))
                want[wanted++] = k;
        assert_int_equal(am_silence_index_find(&index, labels, now_ns, found, SILENCES), wanted);
        assert_memory_equal(found, want, wanted * sizeof want[0]);
        assert_int_equal(am_silence_index_find(&index, labels, now_ns, NULL, 0), wanted);
        hits += wanted;
    }
    assert_true(hits > 100);
    am_silence_index_free(&index);
    am_pool_free(&pool);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_is_a_map),
        cmocka_unit_test(groups_of_an_alert),
        cmocka_unit_test(index_finds_what_trying_finds),
    };
    return cmocka_run_group_tests_name("Alertmanager's alerts and silences, small and looked up", tests, NULL,
                                       NULL);
}
