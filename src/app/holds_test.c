/*
 * Holds that people make: what is refused changes nothing, what is saved comes back, and what retention asks
 * of them.
 */
#include "app/holds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW ((struct receive_time){INT64_C(1800000000) * TC_SECOND_NS})

static int run(struct holds *holds, const struct alert_command *command)
{
    struct buf json;
    struct err err = {0};
    buf_init(&json, 1 << 16);
    int rc = holds_command(holds, command, NOW, &json, &err);
    assert_true(rc == 0 ? json.n > 0 : json.n == 0 && err.text[0] != '\0');
    buf_free(&json);
    return rc;
}

static struct alert_command adding(const char *name)
{
    return (struct alert_command){
        .verb = SV("hold_add"), .alert_id = sv_of(name), .by = SV("olga"), .note = SV("case 7")};
}

static void test_what_is_refused_changes_nothing(void **state)
{
    struct holds holds = {0};
    struct alert_command good = adding("a"), bad;
    static char long_text[HOLD_TEXT_MAX + 1];
    (void)state;
    memset(long_text, 'x', HOLD_TEXT_MAX);
    assert_int_equal(run(&holds, &good), 0);
    assert_int_equal(run(&holds, &good), TC_ESTATE); /* the name is taken */
    const struct {
        const char *what;
        struct sv *member, value;
    } rows[] = {{"no name", &bad.alert_id, SV(" ")},     {"no note", &bad.note, SV("")},
                {"no time", &bad.from, SV("yesterday")}, {"no time", &bad.until, SV("4h")},
                {"no class", &bad.class, SV("secret")},  {"too long", &bad.text, sv_of(long_text)},
                {"a zero", &bad.source, SV("a\0b")}};
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++) {
        bad = adding("b");
        *rows[i].member = rows[i].value;
        if (run(&holds, &bad) != TC_EINPUT)
            fail_msg("%s was taken", rows[i].what);
    }
    bad = adding("b");
    bad.from = bad.until = SV("2026-11-01T00:00:00Z"); /* nothing lies between */
    assert_int_equal(run(&holds, &bad), TC_EINPUT);
    bad = (struct alert_command){.verb = SV("hold_release"), .alert_id = SV("b"), .note = SV("over")};
    assert_int_equal(run(&holds, &bad), TC_ENOTFOUND);
    bad.alert_id = SV("a");
    bad.note = SV("");
    assert_int_equal(run(&holds, &bad), TC_EINPUT);
    assert_int_equal(holds.count, 1);
    holds_free(&holds);
}

static void test_there_is_a_bound(void **state)
{
    struct holds holds = {0};
    char name[32];
    (void)state;
    for (unsigned i = 0; i <= HOLDS_MAX; i++) {
        snprintf(name, sizeof name, "case %u", i);
        struct alert_command command = adding(name);
        assert_int_equal(run(&holds, &command), i < HOLDS_MAX ? 0 : TC_ESTATE);
    }
    struct alert_command command = {.verb = SV("hold_release"), .alert_id = SV("case 0"), .note = SV("over")};
    assert_int_equal(run(&holds, &command), 0);
    command = adding(name);
    assert_int_equal(run(&holds, &command), 0);
    assert_string_equal(holds.items[0].name, "case 1");
    assert_string_equal(holds.items[HOLDS_MAX - 1].name, name);
    holds_free(&holds);
}

static void test_what_is_saved_comes_back(void **state)
{
    struct holds holds = {0}, other = {0};
    struct buf saved, again;
    struct alert_command command = adding("a");
    (void)state;
    buf_init(&saved, 1 << 20);
    buf_init(&again, 1 << 20);
    command.from = SV("2026-11-01T00:00:00Z");
    command.class = SV("debug");
    command.source = SV("file:*");
    assert_int_equal(run(&holds, &command), 0);
    command = adding("b");
    assert_int_equal(run(&holds, &command), 0);
    holds_save(&holds, &saved);
    assert_true(holds_load(&other, buf_view(&saved)));
    holds_save(&other, &again);
    assert_true(sv_eq(buf_view(&saved), buf_view(&again)));
    for (size_t n = 0; n < saved.n; n++) /* cut anywhere: refused, and nothing has changed */
        assert_false(holds_load(&other, sv_head(buf_view(&saved), n)));
    assert_int_equal(other.count, 2);
    buf_free(&saved);
    buf_free(&again);
    holds_free(&holds);
    holds_free(&other);
}

static void test_what_retention_asks(void **state)
{
    struct holds holds = {0};
    struct alert_command command = adding("a");
    struct buf block;
    (void)state;
    buf_init(&block, 1 << 16);
    command.from = SV("2026-11-01T00:00:00Z");
    command.until = SV("2026-12-01T00:00:00Z");
    command.class = SV("debug");
    command.source = SV("file:*");
    command.text = SV("court");
    assert_int_equal(run(&holds, &command), 0);
    const struct retention_hold hold = hold_retention(&holds.items[0]);
    const struct {
        const char *time, *source, *text;
        enum record_class class;
        bool held;
    } rows[] = {{"2026-11-01T00:00:00Z", "file:/a", "to court", CLASS_DEBUG, true},
                {"2026-12-01T00:00:00Z", "file:/a", "to court", CLASS_DEBUG, false},
                {"2026-10-31T23:59:59Z", "file:/a", "to court", CLASS_DEBUG, false},
                {"2026-11-01T00:00:00Z", "http:a", "to court", CLASS_DEBUG, false},
                {"2026-11-01T00:00:00Z", "file:/a", "to tennis", CLASS_DEBUG, false},
                {"2026-11-01T00:00:00Z", "file:/a", "to court", CLASS_AUDIT, false}};
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++) {
        struct event_time time;
        assert_true(clk_parse_rfc3339(sv_of(rows[i].time), 0, &time.ns));
        buf_clear(&block);
        record_encode_plain(REC_EVENT, rows[i].class, sv_of(rows[i].source), NOW, time, sv_of(rows[i].text),
                            &block);
        if (retention_holds(&hold, buf_view(&block)) != rows[i].held)
            fail_msg("row %zu", i);
    }
    buf_free(&block);
    holds_free(&holds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused_changes_nothing),
        cmocka_unit_test(test_there_is_a_bound),
        cmocka_unit_test(test_what_is_saved_comes_back),
        cmocka_unit_test(test_what_retention_asks),
    };
    return cmocka_run_group_tests_name("holds", tests, NULL, NULL);
}
