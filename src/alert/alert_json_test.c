/*
 * The JSON of an alert: there and back, what a stranger's JSON may do, and Alertmanager's shape.
 */
#include "alert/alert_testkit.h"

#include "event/json.h"

#include <stdio.h>
#include <string.h>

static void assert_sv(struct sv a, struct sv b)
{
    assert_int_equal(a.n, b.n);
    assert_true(sv_eq(a, b));
}

static void assert_same(const struct alert *a, const struct alert *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->fingerprint, b->fingerprint);
    const struct sv left[] = {a->rule_id,     a->title, a->disposition, a->message, a->acknowledged_by,
                              a->description, a->owner, a->runbook,     a->note,    a->ended_by};
    const struct sv right[] = {b->rule_id,     b->title, b->disposition, b->message, b->acknowledged_by,
                               b->description, b->owner, b->runbook,     b->note,    b->ended_by};
    for (size_t i = 0; i < TC_ARRAY_LEN(left); i++)
        assert_sv(left[i], right[i]);
    assert_int_equal(a->severity, b->severity);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->first_ns, b->first_ns);
    assert_int_equal(a->last_ns, b->last_ns);
    assert_int_equal(a->acknowledged_ns, b->acknowledged_ns);
    assert_int_equal(a->ended_ns, b->ended_ns);
    assert_int_equal(a->last_position, b->last_position);
    assert_int_equal(a->action_count, b->action_count);
    for (size_t i = 0; i < a->action_count; i++)
        assert_sv(a->actions[i], b->actions[i]);
    assert_int_equal(a->tag_count, b->tag_count);
    for (size_t i = 0; i < a->tag_count; i++)
        assert_sv(a->tags[i], b->tags[i]);
    assert_int_equal(a->label_count, b->label_count);
    for (size_t i = 0; i < a->label_count; i++) {
        assert_sv(a->labels[i].name, b->labels[i].name);
        assert_sv(a->labels[i].value, b->labels[i].value);
    }
    assert_int_equal(a->history_count, b->history_count);
    for (size_t i = 0; i < a->history_count; i++) {
        assert_int_equal(a->history[i].time_ns, b->history[i].time_ns);
        assert_sv(a->history[i].what, b->history[i].what);
        assert_sv(a->history[i].by, b->history[i].by);
        assert_sv(a->history[i].note, b->history[i].note);
    }
}

static void round_trip(const struct alert *alert)
{
    struct buf json, again;
    struct arena arena = {0};
    struct alert back;
    struct err err = {0};
    buf_init(&json, 4 << 20);
    buf_init(&again, 4 << 20);
    alert_to_json(alert, &json);
    assert_false(json.overflow);
    int rc = alert_from_json(buf_view(&json), &arena, &back, &err);
    if (rc != 0)
        print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
    assert_same(alert, &back);
    alert_to_json(&back, &again);
    assert_sv(buf_view(&json), buf_view(&again));
    arena_free(&arena);
    buf_free(&json);
    buf_free(&again);
}

static void make_rich(struct kit *kit)
{
    const struct sv actions[] = {SV("block \"it\""), SV("tell\nthe owner")};
    const struct sv tags[] = {SV("security"), SV("attack.t1110")};
    const struct finding_field group[] = {
        {SV("source.ip"), SV("203.0.113.7"), FIELD_STRING},
        {SV("user.name"), SV("al\"ice\\\x01 \xC3\xBC \xF0\x9F\x94\x94"), FIELD_STRING}};
    struct rule_info rule = kit_rule("r-1", "Title {{ of }} \xE2\x80\x9Crule\xE2\x80\x9D", SEVERITY_P1);
    rule.actions = actions;
    rule.action_count = 2;
    rule.tags = tags;
    rule.tag_count = 2;
    rule.owner = SV("security");
    rule.runbook = SV("https://wiki.example/runbook?a=b&c=d");
    rule.description = SV("two\nlines");
    struct finding f = kit_finding(&rule, group, KIT_T0 + 123456789);
    f.group_count = 2;
    kit_init(kit, NULL);
    kit_give(kit, f);
}

static void test_there_and_back_in_every_state(void **state)
{
    (void)state;
    struct kit kit;
    make_rich(&kit);
    const struct alert *alert = book_at(kit.book, 0);
    round_trip(alert);
    kit_command(&kit, "ack", alert->id, "", "looking", KIT_T0 + TC_SECOND_NS);
    round_trip(alert);
    kit_command(&kit, "resolve", alert->id, "", "", KIT_T0 + 2 * TC_SECOND_NS);
    round_trip(alert);
    kit_command(&kit, "close", alert->id, "false_positive", "the \"scanner\"\tof ours",
                KIT_T0 + 3 * TC_SECOND_NS);
    assert_int_equal(alert->state, ALERT_CLOSED);
    round_trip(alert);
    kit_free(&kit);
}

static void test_extremes(void **state)
{
    (void)state;
    struct alert alert = {.id = "0123456789abcdef0123456789abcdef",
                          .fingerprint = "0123456789abcdef",
                          .severity = SEVERITY_P4,
                          .count = UINT64_MAX,
                          .first_ns = TC_NO_TIME,
                          .last_ns = TC_NO_TIME,
                          .acknowledged_ns = INT64_C(-1),
                          .ended_ns = INT64_MAX,
                          .last_position = UINT64_MAX};
    round_trip(&alert);
    alert.last_ns = INT64_MIN + 1;
    round_trip(&alert);
}

/* More history than the JSON parser keeps fields for. */
static void test_the_longest_history(void **state)
{
    (void)state;
    static struct alert_event history[ALERT_HISTORY_MAX];
    struct alert alert = {.id = "0123456789abcdef0123456789abcdef",
                          .fingerprint = "0123456789abcdef",
                          .severity = SEVERITY_P1,
                          .count = 1,
                          .first_ns = 1,
                          .last_ns = 1,
                          .acknowledged_ns = TC_NO_TIME,
                          .ended_ns = TC_NO_TIME,
                          .history = history,
                          .history_count = ALERT_HISTORY_MAX};
    for (size_t i = 0; i < ALERT_HISTORY_MAX; i++)
        history[i] = (struct alert_event){
            .time_ns = (int64_t)i, .what = SV("count"), .by = SV("tocsin"), .note = SV("}],\"x\":[{")};
    round_trip(&alert);
}

#define GOOD_ID "\"id\":\"0123456789abcdef0123456789abcdef\",\"fingerprint\":\"0123456789abcdef\","

static void test_what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *json, *word;
    } bad[] = {
        {"", ""},
        {"{", ""},
        {"[]", "id"},
        {"{\"id\":\"xyz\"}", "id"},
        {"{\"id\":5}", "id"},
        {"{" GOOD_ID "\"severity\":\"P9\",\"state\":\"firing\",\"count\":1,\"position\":1}", "severity"},
        {"{" GOOD_ID "\"severity\":\"P1\",\"state\":\"on fire\",\"count\":1,\"position\":1}", "state"},
        {"{" GOOD_ID "\"severity\":\"P1\",\"state\":\"firing\",\"count\":-1,\"position\":1}", "count"},
        {"{" GOOD_ID "\"severity\":\"P1\",\"state\":\"firing\",\"count\":1.5,\"position\":1}", "count"},
        {"{" GOOD_ID "\"severity\":\"P1\",\"state\":\"firing\",\"count\":1}", "position"},
        {"{" GOOD_ID "\"severity\":\"P1\",\"state\":\"firing\",\"count\":1,\"position\":1,"
         "\"first_seen\":\"yesterday\"}",
         "first_seen"},
        {"{" GOOD_ID "\"severity\":\"P1\",\"state\":\"firing\",\"count\":1,\"position\":1,"
         "\"history\":[{\"time\":\"x\"}]}",
         "time"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        struct arena arena = {0};
        struct err err = {0};
        struct alert untouched = {.count = 42};
        assert_int_not_equal(alert_from_json(sv_of(bad[i].json), &arena, &untouched, &err), 0);
        assert_non_null(strstr(err.text, bad[i].word));
        assert_int_equal(untouched.count, 42);
        arena_free(&arena);
    }
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    struct kit kit;
    struct buf json;
    make_rich(&kit);
    buf_init(&json, 1 << 20);
    alert_to_json(book_at(kit.book, 0), &json);
    for (size_t n = 0; n < json.n; n++) {
        struct arena arena = {0};
        struct alert alert;
        struct err err;
        assert_int_not_equal(alert_from_json(sv_head(buf_view(&json), n), &arena, &alert, &err), 0);
        arena_free(&arena);
    }
    buf_free(&json);
    kit_free(&kit);
}

static void test_order_of_keys_and_strangers_do_not_matter(void **state)
{
    (void)state;
    const struct sv json =
        SV("{\"x\":{\"id\":1},\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"position\":7,\"count\":3,"
           "\"state\":\"investigating\",\"severity\":\"high\"," GOOD_ID
           "\"history\":[ {\"what\":\"created\"} , {\"what\":\"count\"} ],\"actions\":[\"one\",\"two\"]}");
    struct arena arena = {0};
    struct alert alert;
    struct err err;
    assert_int_equal(alert_from_json(json, &arena, &alert, &err), 0);
    assert_int_equal(alert.state, ALERT_ACKNOWLEDGED);
    assert_int_equal(alert.severity, SEVERITY_P2);
    assert_true(sv_is(alert.labels[0].name, "a") && sv_is(alert.labels[1].name, "b"));
    assert_int_equal(alert.action_count, 2);
    assert_int_equal(alert.history_count, 2);
    assert_int_equal(alert.first_ns, TC_NO_TIME);
    arena_free(&arena);
}

static struct sv at(const struct event *event, const char *name)
{
    return event_value(event, name);
}

static void test_alertmanager_shape(void **state)
{
    (void)state;
    /* every member that openapi.yaml requires of a gettableAlert and of its status */
    static const char *const required[] = {
        "annotations",   "endsAt", "fingerprint",  "receivers",    "startsAt",          "status",
        "updatedAt",     "labels", "status.state", "generatorURL", "status.silencedBy", "status.inhibitedBy",
        "status.mutedBy"};
    const struct sv receivers[] = {SV("slack"), SV("file")};
    struct kit kit;
    struct buf json;
    struct arena arena = {0};
    struct event e = {0};
    struct err err;
    make_rich(&kit);
    buf_init(&json, 1 << 20);
    const struct alert *alert = book_at(kit.book, 0);
    alert_to_alertmanager_json(alert, receivers, 2, "http://127.0.0.1:9797/", &json);
    assert_int_equal(json_parse_event(buf_view(&json), &arena, &e, &err), 0);
    event_index(&e, &arena);
    for (size_t i = 0; i < TC_ARRAY_LEN(required); i++) {
        struct sv name = sv_of(required[i]);
        assert_non_null(event_find(&e, name, event_name_hash(name)));
    }
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:9797/alerts/%s", alert->id);
    assert_true(sv_is(at(&e, "generatorURL"), url));
    assert_true(sv_is(at(&e, "status.state"), "active"));
    assert_true(sv_is(at(&e, "labels.severity"), "critical"));
    assert_true(sv_is(at(&e, "labels.source_ip"), "203.0.113.7"));
    assert_true(sv_is(at(&e, "fingerprint"), alert->fingerprint));
    assert_sv(at(&e, "annotations.summary"), alert->message);
    assert_true(sv_is(at(&e, "annotations.count"), "1"));
    const struct field *name = event_find(&e, SV("receivers.name"), event_name_hash(SV("receivers.name")));
    assert_true(sv_is(name->value, "slack"));
    assert_true(sv_is(event_next(&e, name)->value, "file"));
    int64_t starts, ends;
    assert_true(clk_parse_rfc3339(at(&e, "startsAt"), 0, &starts));
    assert_int_equal(starts, alert->first_ns);
    assert_true(sv_starts(at(&e, "endsAt"), SV("9999-"))); /* not in any client's past */
    arena_reset(&arena);
    kit_command(&kit, "resolve", alert->id, "", "", KIT_T0 + KIT_HOUR);
    buf_clear(&json);
    alert_to_alertmanager_json(alert, NULL, 0, "http://127.0.0.1:9797", &json);
    e = (struct event){0};
    assert_int_equal(json_parse_event(buf_view(&json), &arena, &e, &err), 0);
    event_index(&e, &arena);
    assert_true(clk_parse_rfc3339(at(&e, "endsAt"), 0, &ends));
    assert_int_equal(ends, KIT_T0 + KIT_HOUR);
    arena_free(&arena);
    buf_free(&json);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back_in_every_state),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_the_longest_history),
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_order_of_keys_and_strangers_do_not_matter),
        cmocka_unit_test(test_alertmanager_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
