/*
 * Temporal correlations, aliases and chains, from YAML to findings: the timelines of the rows C7 to C18, and
 * what loading says about rules that refer to each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

#define RULE(name, id)                                                                                       \
    "title: " name "\nid: " id "\nname: " name "\nlogsource: {category: x}\ndetection:\n  s:\n    k: " name  \
    "\n  condition: s\n---\n"
#define ABC              RULE("A", "id-of-a") RULE("B", "id-of-b") RULE("C", "id-of-c")
#define CORR(name, rest) "title: " name "\nid: id-of-" name "\nname: " name "\ncorrelation:\n" rest "---\n"
#define BY_U             "  group-by: [u]\n  timespan: 60s\n"
#define TEMPORAL(list)   CORR("T", "  type: temporal\n  rules: [" list "]\n" BY_U)
#define ORDERED(list)    CORR("T", "  type: temporal_ordered\n  rules: [" list "]\n" BY_U)

struct run {
    struct kit kit;
    struct detector_options options;
    struct detector *detector;
    struct finding_list found;
};

static struct run run_of(const char *yaml, int64_t lateness_s)
{
    struct run run = {0};
    kit_load(&run.kit, yaml);
    kit_show_notes(&run.kit);
    assert_string_equal(kit_refusal(&run.kit), "");
    run.options.lateness_ns = lateness_s * TC_SECOND_NS;
    run.detector = detector_new(run.kit.set, &run.options);
    return run;
}

static void feed(struct run *run, int64_t second, const char *json)
{
    struct event event = kit_event(&run->kit, json);
    const struct event *one = &event;
    run->found.arena = &run->kit.arena;
    event.time.ns = second * TC_SECOND_NS;
    event.source = SV("test");
    detector_judge(run->detector, &one, 1, &run->found);
}

/* "A0 B30": an event of kind A at second 0, one of B at second 30, of user u. */
static void feed_all(struct run *run, const char *events)
{
    for (int at = 0, n; sscanf(events + at, "%*c%*d%n", &n), events[at] != 0;
         at += n + (events[at + n] == ' '))
        feed(run, strtol(events + at + 1, NULL, 10),
             arena_printf(&run->kit.arena, "{\"k\":\"%c\",\"u\":\"u\"}", events[at]).p);
}

/* Seconds of the title's first findings. */
static const char *fired(struct run *run, const char *title)
{
    struct sv text = SV("");
    for (size_t i = 0; i < run->found.count; i++) {
        const struct finding *f = &run->found.items[i];
        if (!f->repeat && sv_is(f->rule->title, title))
            text = arena_printf(&run->kit.arena, "%.*s%s%lld", SV_FMT(text), text.n > 0 ? " " : "",
                                (long long)(f->time.ns / TC_SECOND_NS));
    }
    return text.p;
}

static size_t repeats(const struct run *run)
{
    size_t n = 0;
    for (size_t i = 0; i < run->found.count; i++)
        n += run->found.items[i].repeat;
    return n;
}

static void run_end(struct run *run)
{
    detector_free(&run->detector);
    kit_free(&run->kit);
    *run = (struct run){0};
}

static void check(const char *yaml, int64_t lateness_s, const char *events, const char *expected)
{
    struct run run = run_of(yaml, lateness_s);
    feed_all(&run, events);
    assert_string_equal(fired(&run, "T"), expected);
    run_end(&run);
}

/* --- temporal
 * -------------------------------------------------------------------------------------------------------------
 */

static void test_C7_C_111_temporal(void **state)
{
    (void)state;
    check(ABC TEMPORAL("A, B, C"), 0, "B0 A1 C2", "2");
    check(ABC TEMPORAL("A, B, C"), 0, "A0 A1 A2", "");
    check(ABC TEMPORAL("A, B, C"), 0, "A0 B30 C61", "");
    check(ABC TEMPORAL("A, B, C"), 0, "A0 B30 C60", "60");
    check(ABC TEMPORAL("A, id-of-a, B"), 0, "A0 A1", "");       /* one rule by name and id */
    check(ABC TEMPORAL("A, B"), 60, "B50 A0", "50");            /* out of order, in time */
    check(ABC TEMPORAL("A, B"), 0, "B50 A0", "");               /* late */
    check(ABC TEMPORAL("A, B"), 0, "A0 B1 A2 B63 A64", "1 64"); /* again once it no longer held */
}

static void test_temporal_count_of_rules(void **state)
{
    (void)state;
#define SOME(type, condition)                                                                                \
    ABC CORR("T", "  type: " type "\n  rules: [A, B, C]\n" BY_U "  condition: {" condition "}\n")
    check(SOME("temporal", "gte: 2"), 0, "A0 A1 C2", "2");
    check(SOME("temporal", "gt: 1"), 0, "A0 A1 C2", "2");
    check(SOME("temporal", "eq: 3"), 0, "A0 B1 C2 A3", "2"); /* all: known at once */
    check(SOME("temporal_ordered", "gte: 3"), 0, "A0 B1 C2", "2");
    check(SOME("temporal_ordered", "eq: 3"), 0, "A0 C1 B2 C3", "3");
}

/* --- temporal_ordered
 * ----------------------------------------------------------------------------------------------------- */

/* --- conditions in words
 * -------------------------------------------------------------------------------------------------------------
 */

#define WORDS(condition) ABC CORR("T", "  type: temporal\n  condition: " condition "\n" BY_U)

static void check_at_end(const char *yaml, int64_t lateness_s, const char *events, const char *expected)
{
    struct run run = run_of(yaml, lateness_s);
    feed_all(&run, events);
    detector_finish(run.detector, &run.found);
    assert_string_equal(fired(&run, "T"), expected);
    run_end(&run);
}

static void test_C14_C_111_one_and_not_the_other(void **state)
{
    (void)state;
    check(WORDS("A and not B"), 0, "A0 C60", "");     /* B may still come at 60 */
    check(WORDS("A and not B"), 0, "A0 A61", "60");   /* the watermark has passed the window */
    check(WORDS("A and not B"), 0, "A0 B30 A91", ""); /* the second window is open */
    check(WORDS("A and not B"), 10, "A0 A65 B60 A80", "");
    check(WORDS("A and not B"), 10, "A0 A65 B61 A80", "60");
    check_at_end(WORDS("A and not B"), 0, "A0 B30 A91", "151");
    check_at_end(WORDS("A and not B"), 0, "B0 A30", "");
    check_at_end(WORDS("A and not (B or C)"), 0, "A0 C60 A100 A200", "160 260");
    check_at_end(WORDS("(A or B) and not C"), 0, "B0 B100 C101", "60");
}

static void test_C_111_words_that_need_no_waiting(void **state)
{
    (void)state;
    check(WORDS("A and B and C"), 0, "B0 A1 C2", "2");
    check(WORDS("A and (B or C)"), 0, "B0 C1 A2 A3", "2");
    check(WORDS("(A and B) or C"), 0, "A0 C5 B70 A130", "5 130");
    check(WORDS("A and (B or C)"), 0, "A0 B61 C62", "");
}

static void test_words_and_rules_are_the_same_rules(void **state)
{
    (void)state;
#define BOTH(list, condition)                                                                                \
    ABC CORR("T", "  type: temporal\n  rules: [" list "]\n  condition: " condition "\n" BY_U)
    check(BOTH("A, B, C", "1 of them"), 0, "B7", "7");
    check(BOTH("A, id-of-b", "A and id-of-b"), 0, "A0 B7", "7");
    check_at_end(BOTH("C, A", "C and not A"), 0, "C7 B8",
                 "67"); /* steps follow ordinals, words follow names */
    check_at_end(BOTH("C, A", "C and not A"), 0, "A7", "");
    check(ABC CORR("T", "  type: temporal_ordered\n  condition: B and A\n" BY_U), 0, "A0 B1 A2", "2");
}

static void test_C8_C_111_ordered(void **state)
{
    (void)state;
    check(ABC ORDERED("A, B"), 0, "B0 A1", "");
    check(ABC ORDERED("A, B"), 0, "B0 A1 B2", "2");
    check(ABC ORDERED("A, B"), 0, "A0 B60", "60");
    check(ABC ORDERED("A, B"), 0, "A0 B61", "");
    check(ABC ORDERED("id-of-b, A"), 0, "A0 B1 A2", "2"); /* the order listed, not that of ids */
    check(ABC ORDERED("A, B"), 0, "A5 B5", "5");          /* one time: order of arrival */
    check(ABC ORDERED("A, B"), 0, "B5 A5", "");
}

static void test_C9_C_111_early_start_followed_by_others(void **state)
{
    (void)state;
    check(ABC ORDERED("A, B, C"), 0, "A0 A90 B100 C110", "110");
    check(ABC ORDERED("A, B, C"), 0, "A0 B1 B2 B3 B50 C60", "60");
    check(ABC ORDERED("A, B, C"), 0, "A0 B10 A50 C70", ""); /* the later A has no B, the earlier is too old */
    check(ABC ORDERED("A, B, C"), 0, "A0 B10 A20 B30 C80", "80");
}

static void test_ordered_out_of_order(void **state)
{
    (void)state;
    check(ABC ORDERED("A, B, C"), 120, "C20 B10 A0", "20"); /* in any order of arrival */
    check(ABC ORDERED("A, B, C"), 120, "C20 A0 B10", "20");
    check(ABC ORDERED("A, B, C"), 120, "B10 C5 A0", "");
    check(ABC ORDERED("A, B"), 300, "B10 B200 A0 A190", "10 200");
    check(ABC ORDERED("A, B"), 5, "B10 A0", ""); /* later than declared */
}

static void test_ordered_episodes(void **state)
{
    (void)state;
    struct run run = run_of(ABC ORDERED("A, B"), 0);
    feed_all(&run, "A0 B1 B2 A3"); /* what lies in a window that holds is counted with the episode */
    assert_string_equal(fired(&run, "T"), "1");
    assert_int_equal(repeats(&run), 2);
    assert_int_equal(run.found.items[0].count, 2);
    feed_all(&run, "B60"); /* A3 and B60 take over from A0 and B1 before they end */
    assert_string_equal(fired(&run, "T"), "1");
    feed_all(&run, "A124 B125");
    assert_string_equal(fired(&run, "T"), "1 125");
    run_end(&run);
}

static void test_C9_thousands_stay_linear(void **state)
{
    (void)state;
    struct run run = run_of(ABC ORDERED("A, B, C"), 100000);
    for (int i = 0; i < 2000; i++)
        feed(&run, 3000 + i / 100, "{\"k\":\"A\",\"u\":\"u\"}");
    for (int i = 0; i < 2000; i++)
        feed(&run, 2000 + i / 100, "{\"k\":\"B\",\"u\":\"u\"}");
    assert_string_equal(fired(&run, "T"), "");
    feed_all(&run, "C2025 A1990");
    assert_string_equal(fired(&run, "T"), "2025");
    run_end(&run);
}

static void test_one_event_is_several_steps(void **state)
{
    (void)state;
#define WIDE                                                                                                 \
    "title: W\nid: a-wide\nname: W\nlogsource: {category: x}\ndetection:\n  s:\n    k: [A, B]\n  "           \
    "condition: s\n---\n"
    check(ABC WIDE ORDERED("B, W"), 0, "A0 B1", "1"); /* in the order listed, whatever that of ids */
    check(ABC WIDE ORDERED("W, B"), 0, "B1", "1");
}

/* --- aliases
 * --------------------------------------------------------------------------------------------------------------
 */

#define CROSSED                                                                                              \
    CORR("T", "  type: temporal\n  rules: [A, B]\n  group-by: [internal_ip, remote_ip]\n  timespan: 10s\n"   \
              "  aliases:\n    internal_ip:\n      A: destination.ip\n      B: source.ip\n"                  \
              "    remote_ip:\n      A: source.ip\n      id-of-b: destination.ip\n")

static void test_C17_C_111_aliases_crossed(void **state)
{
    (void)state;
    struct run run = run_of(ABC CROSSED, 0);
    feed(&run, 0, "{\"k\":\"A\",\"source.ip\":\"9.9.9.9\",\"destination.ip\":\"10.0.0.1\"}");
    feed(&run, 1, "{\"k\":\"B\",\"source.ip\":\"9.9.9.9\",\"destination.ip\":\"10.0.0.1\"}");
    feed(&run, 2, "{\"k\":\"B\",\"source.ip\":\"10.0.0.1\"}"); /* lacks a field: does not enter */
    assert_string_equal(fired(&run, "T"), "");
    feed(&run, 3, "{\"k\":\"B\",\"source.ip\":\"10.0.0.1\",\"destination.ip\":\"9.9.9.9\"}");
    assert_string_equal(fired(&run, "T"), "3");
    const struct finding *f = &run.found.items[0];
    assert_true(sv_is(f->group[0].name, "internal_ip") && sv_is(f->group[0].value, "10.0.0.1"));
    assert_true(sv_is(f->group[1].name, "remote_ip") && sv_is(f->group[1].value, "9.9.9.9"));
    assert_int_equal(f->field_count, 3); /* what it read of the event: both addresses and k */
    run_end(&run);
}

/* --- chains
 * ---------------------------------------------------------------------------------------------------------------
 */

/* The specification's example. */
#define EXAMPLE(failures, success, many)                                                                     \
    RULE("failed_login", "53ba33fd")                                                                         \
    RULE("successful_login", "4d0a2c83")                                                                     \
    CORR("T",                                                                                                \
         "  type: temporal_ordered\n  rules: [" many ", " success "]\n  group-by: [u]\n  timespan: 10m\n")   \
    CORR("many", "  type: event_count\n  rules: [" failures "]\n  group-by: [u]\n  timespan: 10m\n"          \
                 "  condition: {gte: 10}\n")

static void feed_login(struct run *run, int64_t second, const char *kind)
{
    feed(run, second, arena_printf(&run->kit.arena, "{\"k\":\"%s\",\"u\":\"eve\"}", kind).p);
}

static void failures_then_success(const char *yaml)
{
    struct run run = run_of(yaml, 0);
    feed_login(&run, 0, "successful_login");
    for (int i = 1; i <= 10; i++)
        feed_login(&run, i, "failed_login");
    assert_int_equal(run.found.count, 0);
    feed_login(&run, 11, "successful_login");
    assert_int_equal(run.found.count, 1);
    assert_string_equal(fired(&run, "T"), "11");
    assert_true(sv_is(run.found.items[0].group[0].value, "eve"));
    run_end(&run);
}

static void test_C10_C11_C_111_failures_then_success(void **state)
{
    (void)state;
    failures_then_success(EXAMPLE("failed_login", "successful_login", "many"));
    failures_then_success(EXAMPLE("53ba33fd", "4d0a2c83", "id-of-many"));
}

#define TWICE                                                                                                \
    "  type: event_count\n  rules: [A]\n  group-by: [host]\n  timespan: 10s\n  condition: {gte: 2}\n"

static void test_C12_C_111_outer_counts_inner_findings(void **state)
{
    (void)state;
    struct run run = run_of(
        ABC CORR("inner", TWICE)
            CORR("T", "  type: event_count\n  rules: [inner]\n  timespan: 100s\n  condition: {gte: 2}\n"),
        0);
    for (int i = 0; i < 6; i++) /* one finding and repeats of it */
        feed(&run, i, "{\"k\":\"A\",\"host\":\"h\"}");
    assert_int_equal(run.found.count, 0);
    feed(&run, 50, "{\"k\":\"A\",\"host\":\"h\"}");
    feed(&run, 51, "{\"k\":\"A\",\"host\":\"h\"}");
    assert_string_equal(fired(&run, "T"), "51");
    assert_int_equal(run.found.items[0].count, 2);
    run_end(&run);
}

static void test_C13_C_111_values_are_carried(void **state)
{
    (void)state;
#define OUTER(rest) "  type: event_count\n  rules: [inner]\n  timespan: 100s\n  condition: {gte: 2}\n" rest
    struct run run = run_of(ABC CORR("inner", TWICE) CORR("T", OUTER("  group-by: [User]\n")), 0);
    static const char *const hosts[] = {"h", "i", "j"}, *const users[] = {"eve", "bob", "eve"};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++)
            feed(&run, i,
                 arena_printf(&run.kit.arena, "{\"k\":\"A\",\"host\":\"%s\",\"User\":\"%s\"}", hosts[i],
                              users[i])
                     .p);
    assert_string_equal(fired(&run, "T"), "2");
    assert_true(sv_is(run.found.items[0].group[0].value, "eve"));
    run_end(&run);
}

/* The inner one's group has a name that no event has, over two layers. */
static void test_C13_inner_group_by_name(void **state)
{
    (void)state;
    struct run run = run_of(
        ABC CORR("inner", "  type: temporal\n  rules: [A, B]\n  group-by: [who]\n  timespan: 10s\n"
                          "  aliases: {who: {A: from, B: to}}\n")
            CORR("middle", "  type: event_count\n  rules: [inner]\n  timespan: 10s\n  condition: {gte: 1}\n")
                CORR("T", "  type: temporal\n  rules: [middle]\n  group-by: [who]\n  timespan: 10s\n"),
        0);
    feed(&run, 0, "{\"k\":\"A\",\"from\":\"eve\"}");
    feed(&run, 1, "{\"k\":\"B\",\"to\":\"eve\"}");
    assert_int_equal(run.found.count, 1);
    assert_string_equal(fired(&run, "T"), "1");
    assert_true(sv_is(run.found.items[0].group[0].value, "eve"));
    run_end(&run);
}

static void test_C18_C_111_generate_through_chains(void **state)
{
    (void)state;
#define CHAIN(inner, outer)                                                                                  \
    ABC CORR("inner",                                                                                        \
             "  type: event_count\n  rules: [A]\n  timespan: 10s\n  condition: {gte: 1}\n  generate: " inner \
             "\n")                                                                                           \
        CORR("T", "  type: temporal_ordered\n  rules: [inner, B]\n  timespan: 10s\n  generate: " outer "\n")
    static const struct {
        const char *yaml;
        size_t a, b, inner;
    } cases[] = {{CHAIN("false", "false"), 0, 0, 0},
                 {CHAIN("true", "false"), 1, 0, 0},
                 {CHAIN("false", "true"), 0, 1, 1},
                 {CHAIN("true", "true"), 1, 1, 1}};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct run run = run_of(cases[i].yaml, 0);
        feed_all(&run, "A0 B1");
        assert_int_equal(strlen(fired(&run, "A")), cases[i].a);
        assert_int_equal(strlen(fired(&run, "B")), cases[i].b);
        assert_int_equal(strlen(fired(&run, "inner")), cases[i].inner);
        assert_string_equal(fired(&run, "T"), "1");
        run_end(&run);
    }
}

static void test_building_block_says_nothing_itself(void **state)
{
    (void)state;
    struct run run = run_of(
        RULE("A", "id-of-a") "title: B\nid: b\nname: B\nlogsource: {category: x}\ndetection:\n  s:\n    k: "
                             "B\n  condition: s\n"
                             "tocsin: {building_block: true, owner: o, runbook: r}\n---\n" CORR(
                                 "T",
                                 "  type: temporal\n  rules: [A, B]\n  timespan: 10s\n  generate: true\n"),
        0);
    feed_all(&run, "A0 B1");
    assert_string_equal(fired(&run, "A"), "0");
    assert_string_equal(fired(&run, "B"), "");
    assert_string_equal(fired(&run, "T"), "1");
    run_end(&run);
}

static void test_outer_judged_at_the_end_of_its_window(void **state)
{
    (void)state;
    struct run run = run_of(
        ABC CORR("inner", TWICE)
            CORR("T", "  type: event_count\n  rules: [inner]\n  timespan: 100s\n  condition: {lt: 2}\n"),
        0);
    feed(&run, 0, "{\"k\":\"A\",\"host\":\"h\"}");
    feed(&run, 1, "{\"k\":\"A\",\"host\":\"h\"}");
    detector_finish(run.detector, &run.found);
    assert_string_equal(fired(&run, "T"), "101");
    run_end(&run);
}

/* --- what loading says
 * ---------------------------------------------------------------------------------------------------- */

static void refused(const char *yaml, const char *construct, size_t loaded)
{
    struct kit kit = {0};
    kit_load(&kit, yaml);
    assert_string_equal(kit_refusal(&kit), construct);
    assert_int_equal(ruleset_count(kit.set), loaded);
    kit_free(&kit);
}

static void test_reference_cycles_are_refused(void **state)
{
    (void)state;
#define COUNT(name, refs)                                                                                    \
    CORR(name, "  type: event_count\n  rules: [" refs "]\n  timespan: 1m\n  condition: {gte: 1}\n")
    refused(ABC COUNT("x", "x"), "reference cycle", 3);
    refused(ABC COUNT("x", "A, y") COUNT("y", "z") COUNT("z", "id-of-x") COUNT("w", "A"), "reference cycle",
            4);
    refused(ABC COUNT("x", "y") COUNT("y", "y"), "reference cycle", 3);
    refused(ABC COUNT("z", "y") COUNT("y", "x") COUNT("x", "nobody"), "unknown rule", 3);
}

static void test_chains_are_bounded(void **state)
{
    struct kit kit = {0};
    struct sv yaml = SV(ABC COUNT("c0", "A"));
    (void)state;
    for (int i = 1; i < 20; i++)
        yaml = arena_printf(&kit.arena,
                            "title: c\nid: c%d\ncorrelation: {type: event_count, rules: [%sc%d], "
                            "timespan: 1m, condition: {gte: 1}}\n---\n%.*s",
                            i, i == 1 ? "id-of-" : "", i - 1, SV_FMT(yaml));
    kit_load(&kit, yaml.p);
    assert_string_equal(kit_refusal(&kit), "reference cycle");
    assert_int_equal(ruleset_count(kit.set), 3 + CORR_LAYERS_MAX);
    kit_free(&kit);
}

static void test_C_111_refused_by_name(void **state)
{
    (void)state;
#define TYPE(type, rest) ABC CORR("T", "  type: " type "\n  rules: [A, B]\n  timespan: 1m\n" rest)
    refused(TYPE("temporal", "  condition: A\n"), "temporal condition", 3);
    refused(WORDS("all of them"), "unknown selection", 3); /* without `rules` that is nobody */
    refused(WORDS("A and D"), "unknown rule", 3);
    refused(TYPE("temporal", "  condition: A or not B\n"), "temporal condition", 3);
    refused(TYPE("temporal", "  condition: A and B and C\n"), "unknown selection", 3);
    refused(TYPE("temporal", "  condition: A and (B\n"), "condition", 3);
    refused(TYPE("temporal", "  condition: []\n"), "correlation condition", 3);
    refused(TYPE("temporal_ordered", "  condition: A\n"), "temporal condition", 3);
    refused(TYPE("temporal_ordered", "  condition: A and not B\n"), "temporal condition", 3);
    refused(TYPE("event_count", "  condition: A and B\n"), "correlation condition", 3);
    refused(TYPE("value_sum", "  condition: {gte: 3}\n"), "correlation condition", 3);
    refused(TYPE("value_avg", "  condition: {gte: 3, field: [x, y]}\n"), "correlation condition", 3);
    refused(TYPE("value_sum", "  condition: {gte: many, field: x}\n"), "correlation condition", 3);
    refused(TYPE("value_sum", "  condition: {gte: 3, field: x, percentile: 5}\n"), "correlation condition",
            3);
    refused(TYPE("value_percentile", "  condition: {lte: 1, field: x}\n"), "correlation condition", 3);
    refused(TYPE("value_percentile", "  condition: {lte: 1, field: x, percentile: 101}\n"),
            "correlation condition", 3);
    refused(TYPE("temporal", "  condition: {gte: 3}\n"), "correlation condition", 3);
    refused(TYPE("temporal", "  condition: {gte: 1, field: u}\n"), "correlation condition", 3);
    refused(TYPE("temporal_ordered", "  condition: {gte: 1}\n"), "correlation condition", 3);
    refused(ABC ORDERED("A, B, id-of-a"), "repeated rule", 3);
    refused(TYPE("temporal", "  aliases: [x]\n"), "aliases", 3);
    refused(TYPE("temporal", "  aliases: {x: y}\n"), "aliases", 3);
    refused(TYPE("temporal", "  aliases: {x: {A: [y]}}\n"), "aliases", 3);
    refused(TYPE("temporal", "  aliases: {x: {A: y}}\n"), "aliases", 3);
    refused(TYPE("temporal", "  aliases: {x: {A: y, B: z, C: z}}\n"), "aliases", 3);
    refused(TYPE("temporal", "  aliases: {x: {A: y, B: z, id-of-a: z}}\n"), "aliases", 3);
    refused(TYPE("temporal", "  aliases: {x: {A: y, nobody: z}}\n"), "unknown rule", 3);
    refused(ABC CORR("x", "  type: event_count\n  rules: [A]\n  timespan: 1m\n  condition: {lt: 3}\n")
                COUNT("y", "x"),
            "correlation of ended windows", 4);
}

static void test_contents_tell_chains_apart(void **state)
{
    (void)state;
    struct kit one = {0}, two = {0};
#define DEEP(gte)                                                                                            \
    ABC COUNT("z", "y") COUNT("y", "x")                                                                      \
        CORR("x", "  type: event_count\n  rules: [A]\n  timespan: 1m\n  condition: {gte: " gte "}\n")
    kit_load(&one, DEEP("1"));
    kit_load(&two, DEEP("2"));
    for (size_t i = 0; i < one.set->count; i++) { /* an edit below changes all that stands on it */
        bool same = memcmp(one.set->rules[i].content, two.set->rules[i].content, 16) == 0;
        assert_int_equal(same, one.set->rules[i].kind == RULE_DETECTION);
    }
    kit_free(&one);
    kit_free(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C7_C_111_temporal),
        cmocka_unit_test(test_temporal_count_of_rules),
        cmocka_unit_test(test_C14_C_111_one_and_not_the_other),
        cmocka_unit_test(test_C_111_words_that_need_no_waiting),
        cmocka_unit_test(test_words_and_rules_are_the_same_rules),
        cmocka_unit_test(test_C8_C_111_ordered),
        cmocka_unit_test(test_C9_C_111_early_start_followed_by_others),
        cmocka_unit_test(test_ordered_out_of_order),
        cmocka_unit_test(test_ordered_episodes),
        cmocka_unit_test(test_C9_thousands_stay_linear),
        cmocka_unit_test(test_one_event_is_several_steps),
        cmocka_unit_test(test_C17_C_111_aliases_crossed),
        cmocka_unit_test(test_C10_C11_C_111_failures_then_success),
        cmocka_unit_test(test_C12_C_111_outer_counts_inner_findings),
        cmocka_unit_test(test_C13_C_111_values_are_carried),
        cmocka_unit_test(test_C13_inner_group_by_name),
        cmocka_unit_test(test_C18_C_111_generate_through_chains),
        cmocka_unit_test(test_building_block_says_nothing_itself),
        cmocka_unit_test(test_outer_judged_at_the_end_of_its_window),
        cmocka_unit_test(test_reference_cycles_are_refused),
        cmocka_unit_test(test_chains_are_bounded),
        cmocka_unit_test(test_C_111_refused_by_name),
        cmocka_unit_test(test_contents_tell_chains_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
