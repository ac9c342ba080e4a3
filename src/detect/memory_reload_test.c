/*
 * What was learned goes on where other rules, or the texts of the same one, change in the middle (timeline
 * C20); and begins anew where the rule means something else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

#define BASELINE(title, map)                                                                                 \
    "title: " title "\nid: b\nlogsource: {category: x}\ndetection:\n  s:\n    k: v\n  condition: s\n"        \
    "tocsin:\n  owner: o\n  runbook: r\n  baseline: {group-by: [u], season: none, learn: 2d" map "}\n---\n"
#define TRAVEL(title, map)                                                                                   \
    "title: " title "\nid: t\nlogsource: {category: x}\ndetection:\n  s:\n    k: v\n  condition: s\n"        \
    "tocsin:\n  owner: o\n  runbook: r\n  travel: {group-by: [u], place: g, timespan: 7d" map "}\n---\n"
#define OTHER(value)                                                                                         \
    "title: other\nid: o\nlogsource: {category: x}\ndetection:\n  s:\n    k: " value "\n  condition: s\n"

enum { EVENTS = 120, HOUR = 3600 };

static void make(struct kit *kit, struct event *events)
{
    for (int i = 0; i < EVENTS; i++) {
        struct sv json = arena_printf(
            &kit->arena, "{\"k\":\"v\",\"u\":\"ann\",\"g.location.lat\":%d,\"g.location.lon\":0}",
            i == 100 ? 80 : 0);
        events[i] = kit_event(kit, json.p);
        events[i].time.ns = i * HOUR * TC_SECOND_NS;
        events[i].source = SV("test");
        events[i].repeat = i == 110 ? 500 : 5;
    }
}

/* Findings as "id@hour", of a run with other rules from event `at` on. */
static const char *run(struct kit *kit, const struct event *events, size_t at, const char *before,
                       const char *after)
{
    const struct event *batch[EVENTS];
    struct finding_list found = {.arena = &kit->arena};
    struct buf saved;
    struct err err;
    struct sv text = SV("");
    for (size_t i = 0; i < EVENTS; i++)
        batch[i] = &events[i];
    kit_load(kit, before);
    assert_string_equal("", kit_refusal(kit));
    struct detector *d = detector_new(kit->set, &(struct detector_options){0});
    detector_judge(d, batch, at, &found);
    for (size_t i = 0; i < found.count; i++)
        text = arena_printf(&kit->arena, "%.*s %.*s@%lld", SV_FMT(text), SV_FMT(found.items[i].rule->id),
                            (long long)(found.items[i].time.ns / TC_SECOND_NS / HOUR));
    buf_init(&saved, 1 << 20);
    detector_save(d, &saved);
    detector_free(&d);
    kit_load(kit, after);
    assert_string_equal("", kit_refusal(kit));
    found = (struct finding_list){.arena = &kit->arena};
    d = detector_new(kit->set, &(struct detector_options){0});
    assert_int_equal(0, detector_load(d, buf_view(&saved), &err));
    detector_judge(d, batch + at, EVENTS - at, &found);
    for (size_t i = 0; i < found.count; i++)
        if (!sv_is(found.items[i].rule->id, "o"))
            text = arena_printf(&kit->arena, "%.*s %.*s@%lld", SV_FMT(text), SV_FMT(found.items[i].rule->id),
                                (long long)(found.items[i].time.ns / TC_SECOND_NS / HOUR));
    buf_free(&saved);
    detector_free(&d);
    return arena_str(&kit->arena, text);
}

static void test_C20_other_rules_and_other_words_change_in_the_middle(void **state)
{
    static const char before[] = BASELINE("much", "") TRAVEL("far", "") OTHER("none");
    static const char after[] = BASELINE("far too much", "") TRAVEL("much too far", "") OTHER("nobody");
    struct kit kit = {0};
    struct event events[EVENTS];
    (void)state;
    make(&kit, events);
    for (size_t at = 0; at <= EVENTS; at += 5)
        assert_string_equal(" t@100 t@101 b@110", run(&kit, events, at, before, after));
    kit_free(&kit);
}

static void test_C20_a_rule_that_means_something_else_begins_anew(void **state)
{
    static const char before[] = BASELINE("much", "") TRAVEL("far", "") OTHER("none");
    static const char after[] =
        BASELINE("much", ", least: 11") TRAVEL("far", ", max-speed: 901") OTHER("none");
    struct kit kit = {0};
    struct event events[EVENTS];
    (void)state;
    make(&kit, events);
    assert_string_equal(" t@101", run(&kit, events, 100, before, after)); /* it does not know where ann was */
    /* thirty hours in: both have time enough to learn once more */
    assert_string_equal(" t@100 t@101 b@110", run(&kit, events, 30, before, after));
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C20_other_rules_and_other_words_change_in_the_middle),
        cmocka_unit_test(test_C20_a_rule_that_means_something_else_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
