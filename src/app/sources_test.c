/*
 * Tests of what is known of sources: silence by ticks, learning, bounds, and that a saved state goes on as if
 * it had not been saved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/sources.h"

#include <stdio.h>

static struct receive_time at(int64_t second)
{
    return (struct receive_time){second * TC_SECOND_NS};
}

static void count(void *context, const struct source_state *source, int64_t interval_ns)
{
    (void)source;
    (void)interval_ns;
    ++*(int *)context;
}

static int tick(struct sources *s, int64_t second)
{
    int said = 0;
    sources_tick(s, at(second), count, &said);
    return said;
}

static void test_L_05_two_intervals(void **state)
{
    struct sources s;
    const struct source_watch rows[] = {{SV("a"), 10 * TC_SECOND_NS, 0}};
    (void)state;
    sources_init(&s);
    sources_watch(&s, rows, 1);
    assert_int_equal(tick(&s, 100), 0); /* it is waited for from here on */
    assert_int_equal(tick(&s, 119), 0);
    assert_int_equal(tick(&s, 120), 1);
    assert_int_equal(tick(&s, 140), 0); /* said once */
    assert_non_null(sources_heard(&s, SV("a"), at(150)));
    assert_null(sources_heard(&s, SV("a"), at(151)));
    assert_null(sources_heard(&s, SV("b"), at(151)));
    assert_int_equal(tick(&s, 170), 0);
    assert_int_equal(tick(&s, 171), 1);
    sources_free(&s);
}

static void test_L_05_learned(void **state)
{
    struct sources s;
    const struct source_watch rows[] = {{SV("a"), 0, 0}};
    (void)state;
    sources_init(&s);
    sources_watch(&s, rows, 1);
    for (int64_t i = 0; i <= SOURCES_LEARN_AFTER; i++) {
        assert_int_equal(tick(&s, 1000 + i * 60), 0); /* nothing is known yet */
        sources_heard(&s, SV("a"), at(1000 + i * 60));
    }
    int64_t last = 1000 + SOURCES_LEARN_AFTER * 60;
    assert_int_equal(tick(&s, last + 119), 0);
    assert_int_equal(tick(&s, last + 120), 1);
    assert_non_null(sources_heard(&s, SV("a"), at(last + 5000))); /* and the silence is no new interval */
    assert_int_equal(tick(&s, last + 5120), 1);
    sources_free(&s);
}

static void test_other_sources_are_bounded(void **state)
{
    struct sources s;
    const struct source_watch rows[] = {{SV("watched"), TC_SECOND_NS, 0}};
    char name[32];
    (void)state;
    sources_init(&s);
    sources_watch(&s, rows, 1);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "s%d", i);
        assert_null(sources_heard(&s, sv_of(name), at(i)));
    }
    assert_int_equal(s.count, SOURCES_MAX);
    assert_int_equal(s.other_events, 1000 - SOURCES_MAX);
    assert_int_equal(tick(&s, 2000), 0); /* a flood of names does not push out what is watched */
    assert_int_equal(tick(&s, 2002), 1);
    sources_free(&s);
}

static void test_what_is_promised(void **state)
{
    static const struct {
        const char *name, *class;
    } cases[] = {{"http:shop", "confirmed"},
                 {"file:app", "positioned"},
                 {"file:/var/log/syslog:udp:", "positioned"},
                 {"journald", "positioned"},
                 {"syslog:tcp:10.0.0.7", "best_effort"},
                 {"syslog:udp:10.0.0.7", "fire_and_forget"},
                 {"stdin", "best_effort"},
                 {"self", "internal"}};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++)
        assert_string_equal(sources_class(sv_of(cases[i].name)), cases[i].class);
}

static void test_saved_and_loaded(void **state)
{
    struct sources s, t;
    const struct source_watch rows[] = {{SV("a"), TC_SECOND_NS, 0}, {SV("b"), 0, 0}};
    struct buf saved, again;
    (void)state;
    sources_init(&s);
    sources_init(&t);
    buf_init(&saved, 1 << 20);
    buf_init(&again, 1 << 20);
    sources_watch(&s, rows, 2);
    for (int64_t i = 0; i < 20; i++)
        sources_heard(&s, i % 2 == 0 ? SV("a") : SV("b"), at(i));
    assert_int_equal(tick(&s, 25), 1);
    sources_save(&s, &saved);
    assert_true(sources_load(&t, buf_view(&saved)));
    sources_save(&t, &again);
    assert_true(sv_eq(buf_view(&saved), buf_view(&again)));
    sources_watch(&t, rows, 2);
    assert_int_equal(tick(&t, 26), 0);
    assert_non_null(sources_heard(&t, SV("a"), at(27)));
    for (size_t n = 0; n < saved.n; n++) { /* cut anywhere: refused, and nothing is read past the end */
        struct sources u;
        sources_init(&u);
        assert_false(sources_load(&u, sv_head(buf_view(&saved), n)));
        sources_free(&u);
    }
    buf_free(&saved);
    buf_free(&again);
    sources_free(&s);
    sources_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L_05_two_intervals),        cmocka_unit_test(test_L_05_learned),
        cmocka_unit_test(test_other_sources_are_bounded), cmocka_unit_test(test_what_is_promised),
        cmocka_unit_test(test_saved_and_loaded),
    };
    return cmocka_run_group_tests_name("sources", tests, NULL, NULL);
}
