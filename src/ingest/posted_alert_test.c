/*
 * Alerts that others post: their shapes, their bounds, and what is no such alert.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "event/json.h"
#include "ingest/posted_alert.h"

static int pagerduty(const char *body, struct arena *arena, struct posted_alert *ret, struct err *err)
{
    struct sv token;
    return posted_pagerduty(sv_of(body), arena, ret, &token, err);
}

static void test_pagerduty(void **state)
{
    static const struct {
        const char *body, *says;
    } bad[] = {
        {"", "JSON"},
        {"[]", "JSON"},
        {"{\"event_action\":\"x\"}", "event_action"},
        {"{\"event_action\":\"resolve\"}", "dedup_key"},
        {"{\"event_action\":\"trigger\",\"payload\":{\"summary\":\"s\",\"severity\":\"info\"}}", "source"},
        {"{\"event_action\":\"trigger\",\"payload\":{\"summary\":\"s\",\"source\":\"h\",\"severity\":\"P1\"}"
         "}",
         "severity"},
    };
    struct arena arena = {0};
    struct posted_alert alert;
    struct sv token;
    struct err err;
    (void)state;
    assert_int_equal(
        posted_pagerduty(
            SV("{\"routing_key\":\"k\",\"event_action\":\"trigger\",\"dedup_key\":\"d\",\"payload\":"
               "{\"summary\":\"s\",\"source\":\"h\",\"severity\":\"warning\",\"class\":\"disk\","
               "\"timestamp\":\"2026-11-21T09:00:00Z\",\"custom_details\":{\"a\":1,\"b\":{\"c\":\"x\"}}},"
               "\"links\":[{\"href\":\"https://wiki\",\"text\":\"t\"}]}"),
            &arena, &alert, &token, &err),
        0);
    assert_true(sv_is(token, "k") && sv_is(alert.key, "d") && sv_is(alert.level, "medium"));
    assert_true(sv_is(alert.title, "disk") && sv_is(alert.summary, "s") &&
                sv_is(alert.runbook, "https://wiki"));
    assert_int_equal(alert.label_count, 4); /* source, class, a, b.c */
    assert_true(sv_is(alert.labels[3].name, "b.c") && sv_is(alert.labels[3].value, "x"));
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        assert_int_equal(pagerduty(bad[i].body, &arena, &alert, &err), TC_EINPUT);
        if (sv_find(sv_of(err.text), sv_of(bad[i].says)) == strlen(err.text))
            fail_msg("%s is said of %s", err.text, bad[i].body);
    }
    arena_free(&arena);
}

static void test_opsgenie(void **state)
{
    struct arena arena = {0};
    struct posted_alert alert;
    struct err err;
    const struct sv none = {0};
    (void)state;
    assert_int_equal(posted_opsgenie(SV("{\"message\":\"m\"}"), none, none, &arena, &alert, &err), 0);
    assert_true(alert.key.n == 0 && sv_is(alert.level, "medium") && alert.action == POSTED_TRIGGER);
    assert_int_equal(posted_opsgenie(none, SV("a"), SV("close"), &arena, &alert, &err), 0);
    assert_true(alert.action == POSTED_RESOLVE && sv_is(alert.key, "a"));
    assert_int_equal(
        posted_opsgenie(SV("{\"user\":\"u\"}"), SV("a"), SV("acknowledge"), &arena, &alert, &err), 0);
    assert_true(alert.action == POSTED_ACKNOWLEDGE && sv_is(alert.by, "u"));
    assert_int_equal(posted_opsgenie(none, SV("a"), SV("escalate"), &arena, &alert, &err), TC_ENOTFOUND);
    assert_int_equal(posted_opsgenie(SV("{}"), none, none, &arena, &alert, &err), TC_EINPUT);
    arena_free(&arena);
}

/* The order of labels does not count; their values do. */
static void test_alertmanager(void **state)
{
    struct arena arena = {0};
    struct posted_alert *alerts;
    size_t count;
    struct err err;
    (void)state;
    assert_int_equal(
        posted_alertmanager(SV("{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\",\"labels\":"
                               "{\"alertname\":\"A\",\"z\":\"1\"}}, {\"status\":\"resolved\",\"labels\":"
                               "{\"z\":\"1\",\"alertname\":\"A\"}},{\"labels\":{\"z\":\"2\"}}]}"),
                            &arena, &alerts, &count, &err),
        0);
    assert_int_equal(count, 3);
    assert_true(sv_eq(alerts[0].key, alerts[1].key) && !sv_eq(alerts[0].key, alerts[2].key));
    assert_true(alerts[0].action == POSTED_TRIGGER && alerts[1].action == POSTED_RESOLVE);
    assert_true(sv_is(alerts[2].title, "ALERT"));
    assert_int_equal(
        posted_alertmanager(SV("{\"version\":\"4\",\"alerts\":[]}"), &arena, &alerts, &count, &err), 0);
    assert_int_equal(count, 0);
    assert_int_equal(
        posted_alertmanager(SV("{\"version\":\"4\",\"alerts\":[{}]}"), &arena, &alerts, &count, &err),
        TC_EINPUT);
    assert_int_equal(posted_alertmanager(SV("{\"alerts\":[]}"), &arena, &alerts, &count, &err), TC_EINPUT);
    arena_free(&arena);
}

static void test_the_event_of_it_is_json(void **state)
{
    struct posted_alert alert = {.title = SV("\xff\"\n"), .summary = SV("s"), .label_count = 1};
    struct buf out;
    (void)state;
    alert.labels[0] = (struct posted_pair){SV("a\"b"), SV("c")};
    buf_init(&out, 1 << 16);
    posted_event(&alert, &out);
    assert_int_equal(json_check(buf_view(&out), NULL), 0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pagerduty), cmocka_unit_test(test_opsgenie),
                                       cmocka_unit_test(test_alertmanager),
                                       cmocka_unit_test(test_the_event_of_it_is_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
