/*
 * The table of positions: newest value, forgetting, saving and loading, bounds, bytes that nobody saved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/positions.h"

#include <stdio.h>

static void gather(void *context, struct sv name, struct sv value)
{
    buf_printf(context, "%.*s=%.*s;", SV_FMT(name), SV_FMT(value));
}

static void assert_holds(const struct positions *positions, const char *text)
{
    struct buf got;
    buf_init(&got, 1 << 20);
    positions_each(positions, gather, &got);
    assert_true(sv_is(buf_view(&got), text));
    buf_free(&got);
}

static void test_the_newest_stands_and_empty_forgets(void **state)
{
    struct positions p;
    (void)state;
    positions_init(&p);
    positions_put(&p, SV("a"), SV("1"));
    positions_put(&p, SV("b"), SV("2"));
    positions_put(&p, SV("a"), SV("3"));
    assert_holds(&p, "a=3;b=2;");
    positions_put(&p, SV("a"), SV(""));
    positions_put(&p, SV("c"), SV(""));
    assert_holds(&p, "b=2;");
    for (int i = 0; i < 1000; i++) { /* a slot that is free is used again */
        positions_put(&p, SV("d"), SV("4"));
        positions_put(&p, SV("d"), SV(""));
    }
    assert_true(p.count <= 3);
    positions_free(&p);
}

static void test_saved_is_loaded(void **state)
{
    struct positions p, q;
    struct buf bytes;
    struct err err;
    (void)state;
    positions_init(&p);
    positions_init(&q);
    buf_init(&bytes, 1 << 20);
    positions_put(&p, SV("a"), SV("1"));
    positions_put(&p, SV("b"), SV("2"));
    positions_save(&p, &bytes);
    positions_put(&q, SV("x"), SV("y"));
    assert_int_equal(0, positions_load(&q, buf_view(&bytes), &err));
    assert_holds(&q, "a=1;b=2;");
    for (size_t n = 1; n < bytes.n; n++) {
        assert_int_equal(TC_ECORRUPT, positions_load(&q, sv_head(buf_view(&bytes), n), &err));
        assert_holds(&q, "");
    }
    buf_free(&bytes);
    positions_free(&p);
    positions_free(&q);
}

static void test_past_the_bounds_nothing_is_kept(void **state)
{
    static char large[TC_POSITION_BYTES + 1];
    struct positions p;
    char name[32];
    (void)state;
    positions_init(&p);
    positions_put(&p, SV("large"), sv_make(large, sizeof large));
    assert_int_equal(1, p.refused);
    for (int i = 0; i < TC_POSITIONS_MAX + 5; i++) {
        snprintf(name, sizeof name, "%d", i);
        positions_put(&p, sv_of(name), SV("v"));
    }
    assert_int_equal(6, p.refused);
    assert_int_equal(TC_POSITIONS_MAX, p.index.live);
    positions_put(&p, SV("7"), SV("w")); /* a known one still moves */
    assert_int_equal(6, p.refused);
    positions_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_stands_and_empty_forgets),
        cmocka_unit_test(test_saved_is_loaded),
        cmocka_unit_test(test_past_the_bounds_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
