/*
 * Rules that remember, through power cuts (D-08): one of each kind learns over hours, and the power is
 * cut at every file call in between. What they say must be what they say without a cut, also where the rules
 * are told of in other words in the middle of it.
 */
#include "app/core_sim_testkit.h"

enum {
    HOUR_S = 3600,
    STEPS = 18,
    BEAT,
    LATE_BEAT,
    LOGIN,
    ERRORS,
    GUESS,
    KINDS_END,
    EVENTS = KINDS_END - BEAT
};

#define DETECTION(title, name, kind)                                                                         \
    "title: " title "\nname: " name "\nid: " name "\nlogsource: {}\ndetection:\n  s:\n    kind: " kind       \
    "\n  condition: s\n"
#define MEMORY(map) "level: high\ntocsin:\n  owner: o\n  runbook: r\n  " map "\n---\n"
#define PART(name, kind)                                                                                     \
    DETECTION(name, name, kind) "level: low\ntocsin: {owner: o, runbook: r, building_block: true}\n---\n"
#define CORRELATION(title, map)                                                                              \
    "title: " title "\nid: " title "\nlevel: high\ncorrelation:\n  group-by: [ip]\n  " map "\n---\n"

#define RULES(words)                                                                                         \
    DETECTION("new country" words, "new_value", "login")                                                     \
    MEMORY("new_value: {field: country, group-by: [user], timespan: 30d}")                                   \
    DETECTION("two places" words, "travel", "login")                                                         \
    MEMORY("travel: {group-by: [user], timespan: 24h, place: g}")                                            \
    DETECTION("more than usual" words, "baseline", "error")                                                  \
    MEMORY("baseline: {group-by: [service], bucket: 1h, season: none, learn: 6h, history: 2d, least: 10}")   \
    DETECTION("fell silent" words, "absence", "beat")                                                        \
    MEMORY("absence: {group-by: [host], timespan: 2h}")                                                      \
    PART("guess", "guess")                                                                                   \
    PART("opened", "opened")                                                                                 \
    CORRELATION("many", "type: event_count\n  rules: [guess]\n  timespan: 4h\n  condition: {gte: 4}")        \
    CORRELATION("names",                                                                                     \
                "type: value_count\n  rules: [guess]\n  timespan: 4h\n  condition: {field: user, gte: 4}")   \
    CORRELATION("sum",                                                                                       \
                "type: value_sum\n  rules: [guess]\n  timespan: 3h\n  condition: {field: bytes, gt: 25}")    \
    CORRELATION("few", "type: event_count\n  rules: [guess]\n  timespan: 3h\n  condition: {lt: 3}")          \
    CORRELATION("in order", "type: temporal_ordered\n  rules: [guess, opened]\n  timespan: 3h")

/*
 * Hour by hour: ann logs in from Berlin, at the tenth hour from Sydney; service a has five errors an hour,
 * then a hundred; host one falls silent and comes again; host two's word comes half an hour late, and stays
 * away in the end; one address guesses each hour for a while, then seldom, and gets in.
 */
static size_t memory_event(int number, int i, int64_t *time_ns, uint32_t *repeat, char *out, size_t n)
{
    int kind = BEAT + i;
    if (kind == LATE_BEAT)
        *time_ns -= 1800 * TC_SECOND_NS;
    if (kind == ERRORS)
        *repeat = number == 13 ? 100 : 5;
    if (kind == LOGIN)
        return (size_t)snprintf(out, n,
                                "{\"kind\":\"login\",\"user\":\"ann\",\"country\":\"%s\","
                                "\"g.location.lat\":%s,\"g.location.lon\":%s}",
                                number == 10 ? "AU" : "DE", number == 10 ? "-33.9" : "52.5",
                                number == 10 ? "151.2" : "13.4");
    if (kind == ERRORS)
        return (size_t)snprintf(out, n, "{\"kind\":\"error\",\"service\":\"a\"}");
    if (kind == GUESS && (number < 7 || number % 5 == 0))
        return (size_t)snprintf(out, n,
                                "{\"kind\":\"guess\",\"ip\":\"192.0.2.1\",\"user\":\"u%d\",\"bytes\":%d}",
                                number, number * 3);
    if (kind == GUESS && number == 12)
        return (size_t)snprintf(out, n, "{\"kind\":\"opened\",\"ip\":\"192.0.2.1\"}");
    if ((kind == BEAT && (number < 4 || number > 9)) || (kind == LATE_BEAT && number < 12))
        return (size_t)snprintf(out, n, "{\"kind\":\"beat\",\"host\":\"%s\"}", kind == BEAT ? "one" : "two");
    return (size_t)snprintf(out, n, "{\"kind\":\"other\",\"n\":%d}", number);
}

static const struct play memory = {.rules = RULES(""),
                                   .changed = RULES(" (in other words)"),
                                   .steps = STEPS,
                                   .events_a_step = EVENTS,
                                   .step_ns = HOUR_S * TC_SECOND_NS,
                                   .least_alerts = 9,
                                   .event = memory_event};

/* Each kind has something to say: else the sweeps below would prove nothing of it. */
static void test_each_rule_speaks(void **state)
{
    static const char *const ids[] = {"new_value", "travel", "baseline", "absence", "many",
                                      "names",     "sum",    "few",      "in order"};
    struct world w;
    (void)state;
    world_begin(&w, &memory, 1);
    assert_int_equal(0, run(&w));
    for (size_t i = 0; i < TC_ARRAY_LEN(ids); i++) {
        size_t count = 0;
        for (size_t k = 0; k < book_count(w.core->book); k++)
            count += sv_is(book_at(w.core->book, k)->rule_id, ids[i]);
        if (count == 0)
            fail_msg("%s says nothing", ids[i]);
    }
    world_end(&w);
}

static void test_D_08_rules_that_remember_dropping(void **state)
{
    (void)state;
    cut_everywhere(&memory, SIM_FS_DROP, 41, 0, 0, false);
}

static void test_D_08_rules_that_remember_shredding(void **state)
{
    (void)state;
    cut_everywhere(&memory, SIM_FS_SHRED, 42, 0, 0, false);
}

/* In the midst of all windows, before most of what is said. */
static void test_Y_08_rules_that_remember_told_of_in_other_words(void **state)
{
    (void)state;
    cut_everywhere(&memory, SIM_FS_SOME, 43, 0, 9, false);
}

int main(void)
{
    log_set_sink(no_log, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule_speaks),
        cmocka_unit_test(test_D_08_rules_that_remember_dropping),
        cmocka_unit_test(test_D_08_rules_that_remember_shredding),
        cmocka_unit_test(test_Y_08_rules_that_remember_told_of_in_other_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
