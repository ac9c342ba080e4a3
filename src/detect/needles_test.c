/*
 * Needles against plain search, on random needles and texts of few letters, so that grams are shared, needles
 * overlap and stand inside of each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/needles.h"

enum { NEEDLES = 60 };

static void note(void *context, uint32_t id)
{
    bool *found = context;
    assert_true(id < NEEDLES);
    found[id] = true;
}

static void note_many(void *context, uint32_t id)
{
    bool *found = context;
    found[id] = true;
}

static struct sv random_text(struct sim_rng *rng, struct arena *arena, size_t min, size_t max)
{
    static const char letters[] = "aab\0\xFF";
    size_t n = min + (size_t)(rng_u64(&rng->rng) % (max - min + 1));
    char *p = arena_alloc_raw(arena, n + 1, 1);
    for (size_t i = 0; i < n; i++)
        p[i] = letters[rng_u64(&rng->rng) % 5];
    return sv_make(p, n);
}

static void test_needles_as_plain_search(void **state)
{
    (void)state;
    struct sim_rng rng;
    struct arena arena = {0};
    size_t hits = 0, misses = 0;
    sim_rng_init(&rng, 3);
    for (size_t round = 0; round < 300; round++) {
        struct needle list[NEEDLES];
        arena_reset(&arena);
        uint32_t count = 1 + (uint32_t)(rng_u64(&rng.rng) % NEEDLES);
        for (uint32_t i = 0; i < count; i++)
            list[i] = (struct needle){random_text(&rng, &arena, 1, round % 2 ? 4 : 12), i};
        const struct needles *needles = needles_new(&arena, list, count);
        for (size_t k = 0; k < 100; k++) {
            bool found[NEEDLES] = {false};
            struct sv text = random_text(&rng, &arena, 0, k % 2 ? 6 : 60);
            needles_search(needles, text, note, found);
            for (uint32_t i = 0; i < count; i++) {
                bool is = sv_find(text, list[i].text) < text.n;
                assert_int_equal(found[i], is);
                hits += is;
                misses += !is;
            }
        }
    }
    assert_true(hits > 10000 && misses > 10000);
    arena_free(&arena);
}

/* So many that long ones and short ones have tables of their own, and so many more that they need finer
 * grams. */
static void test_needles_by_the_thousand(void **state)
{
    (void)state;
    enum { MANY = 30000 };
    static struct needle list[MANY];
    static bool found[MANY];
    struct sim_rng rng;
    struct arena arena = {0};
    size_t hits = 0;
    sim_rng_init(&rng, 8);
    for (size_t shortest = 1; shortest <= 6; shortest++) {
        const uint32_t count = shortest % 2 == 0 ? MANY : MANY / 10;
        for (uint32_t i = 0; i < count; i++) {
            size_t n = shortest + (size_t)(rng_u64(&rng.rng) % 9);
            char *p = arena_alloc_raw(&arena, n, 1);
            for (size_t k = 0; k < n; k++)
                p[k] = (char)('a' + rng_u64(&rng.rng) % 12);
            list[i] = (struct needle){sv_make(p, n), i};
        }
        const struct needles *needles = needles_new(&arena, list, count);
        for (size_t k = 0; k < 60; k++) {
            char text[80];
            size_t n = k < 20 ? k : (size_t)(rng_u64(&rng.rng) % sizeof text);
            for (size_t i = 0; i < n; i++)
                text[i] = (char)('a' + rng_u64(&rng.rng) % 12);
            memset(found, 0, sizeof found);
            needles_search(needles, sv_make(text, n), note_many, found);
            for (uint32_t i = 0; i < count; i++) {
                bool is = sv_find(sv_make(text, n), list[i].text) < n;
                assert_int_equal(found[i], is);
                hits += is;
            }
        }
    }
    assert_true(hits > 1000);
    arena_free(&arena);
}

static void test_needles_none(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_null(needles_new(&arena, NULL, 0));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needles_as_plain_search),
        cmocka_unit_test(test_needles_by_the_thousand),
        cmocka_unit_test(test_needles_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
