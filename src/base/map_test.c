/*
 * The hash map: what is put is found, and its order is that of insertion, whatever key the hash has.
 */
#include "base/hash.h"
#include "base/map.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct sv name_of(unsigned i, char text[32])
{
    return sv_make(text, (size_t)snprintf(text, 32, "name %u", i));
}

static void put_find_remove(unsigned count)
{
    struct map map;
    char text[32];
    bool is_new;
    map_init(&map, count);
    for (unsigned i = 0; i < count; i++) {
        *map_put(&map, name_of(i, text), &is_new) = i;
        assert_true(is_new);
    }
    assert_null(map_put(&map, SV("one too many"), NULL));
    for (unsigned i = 0; i < count; i += 3)
        assert_true(map_remove(&map, name_of(i, text)));
    for (unsigned i = 0; i < count; i++) {
        const uint64_t *value = map_get(&map, name_of(i, text));
        assert_true(i % 3 == 0 ? value == NULL : value != NULL && *value == i);
    }
    struct map_entry *e;
    unsigned next = 1;
    for (size_t at = 0; map_next(&map, &at, &e); next += next % 3 == 1 ? 1 : 2)
        assert_int_equal(e->value, next);
    map_free(&map);
}

static void test_order_is_that_of_insertion(void **state)
{
    (void)state;
    put_find_remove(1000);
}

static void test_keyed(void **state)
{
    struct sim_rng rng;
    uint64_t hashes[3] = {hash_table_64(SV("name 1"))};
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        sim_rng_init(&rng, seed);
        hash_table_key(&rng.rng);
        hashes[seed] = hash_table_64(SV("name 1"));
        put_find_remove(1000);
    }
    assert_true(hashes[0] != hashes[1] && hashes[1] != hashes[2]);
    assert_int_equal(hash_64(SV("name 1")), hashes[0]); /* what is stored stays */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order_is_that_of_insertion),
                                       cmocka_unit_test(test_keyed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
