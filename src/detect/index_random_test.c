/*
 * The index against the interpreter on random rules and random events; and the detector's findings with the
 * index against those without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/index_testkit.h"

/* --- random rules, random events
 * ---------------------------------------------------------------------------------------------- */

static const char *const field_names[] = {"a", "b", "c", "d.e", "f g", "fg"};
static const char *const pieces[] = {
    "a",       "b", "ab", "-x",  "/", "powershell", ".exe", "C:\\\\", "\\u00e4", "\\u00C4",
    "\\u212a", "K", "10", "1e1", " ", "foo",        "FOO",  "--",     "\\u2013", "barbaz"};

/* A double-quoted text of some pieces; `wild`: with wildcards among them. */
static void add_text(struct buf *buf, struct sim_rng *rng, bool wild)
{
    buf_char(buf, '"');
    for (size_t n = below(rng, 5); n > 0; n--) {
        if (wild && below(rng, 4) == 0)
            buf_char(buf, below(rng, 3) == 0 ? '?' : '*');
        buf_str(buf, ANY_OF(rng, pieces));
    }
    buf_char(buf, '"');
}

static void add_line(struct buf *buf, struct sim_rng *rng)
{
    static const char *const modifiers[] = {"",
                                            "",
                                            "|contains",
                                            "|startswith",
                                            "|endswith",
                                            "|contains|all",
                                            "|contains|windash",
                                            "|cased",
                                            "|contains|cased",
                                            "|neq",
                                            "|re|i",
                                            "|endswith|cased",
                                            "|base64offset|contains",
                                            "|wide|base64offset|contains"};
    static const char *const others[] = {": null",     ": 10",           "|exists: true", "|exists: false",
                                         "|gt: 5",     "|lte: 10",       ": 0.1e2",       "|fieldref: b",
                                         "|neq: null", "|neq: 10",       ": true",        "|cidr: 10.0.0.0/8",
                                         ": ''",       ": [1, 10, 100]", "|re: '.*o'"};
    buf_printf(buf, "        '%s", ANY_OF(rng, field_names));
    if (below(rng, 4) == 0) {
        const char *other = ANY_OF(rng, others), *colon = strchr(other, ':');
        buf_printf(buf, "%.*s'%s\n", (int)(colon - other), other, colon);
        return;
    }
    buf_printf(buf, "%s': [", ANY_OF(rng, modifiers));
    for (size_t i = 0, n = 2 + below(rng, 2); i < n; i++) {
        if (i > 0)
            buf_str(buf, ", ");
        add_text(buf, rng, true);
    }
    buf_str(buf, "]\n");
}

static void add_rule(struct buf *buf, struct sim_rng *rng, size_t number)
{
    static const char *const conditions[] = {"s0",
                                             "s0 and s1",
                                             "s0 or s1",
                                             "s0 and not s1",
                                             "not s0",
                                             "1 of s*",
                                             "all of s*",
                                             "not (s0 and not s1)",
                                             "s2 and (s0 or not s1)",
                                             "s0 or (s1 and s2)",
                                             "not 1 of s*",
                                             "not all of s*"};
    static const char *const sources[] = {"{product: windows}", "{product: linux, service: sshd}",
                                          "{category: web}", "{service: other}"};
    buf_printf(buf, "---\ntitle: t%zu\nid: i%04zu\nlogsource: %s\ndetection:\n", number, number,
               ANY_OF(rng, sources));
    for (size_t s = 0; s < 3; s++) {
        buf_printf(buf, "    s%zu:\n", s);
        if (below(rng, 6) == 0) {
            buf_str(buf, "        - ");
            add_text(buf, rng, true);
            buf_str(buf, "\n");
            continue;
        }
        add_line(buf, rng);
    }
    buf_printf(buf, "    condition: %s\n", ANY_OF(rng, conditions));
}

static void add_value(struct buf *buf, struct sim_rng *rng, size_t depth)
{
    static const char *const others[] = {"null", "10",   "1e1",          "true", "{}",  "[]",
                                         "\"\"", "10.0", "\"10.1.2.3\"", "7",    "100", "{\"x\":\"foo\"}"};
    if (depth < 2 && below(rng, 6) == 0) {
        buf_char(buf, '[');
        add_value(buf, rng, depth + 1);
        buf_char(buf, ',');
        add_value(buf, rng, depth + 1);
        buf_char(buf, ']');
    } else if (below(rng, 3) == 0) {
        buf_str(buf, ANY_OF(rng, others));
    } else {
        add_text(buf, rng, false);
    }
}

static struct event random_event(struct kit *kit, struct sim_rng *rng)
{
    static const struct sv names[] = {{"", 0},      {"", 0},     {"windows", 7},
                                      {"LINUX", 5}, {"sshd", 4}, {"web", 3}};
    struct buf buf;
    buf_init(&buf, 1 << 16);
    buf_char(&buf, '{');
    for (size_t i = 0, n = below(rng, 6); i < n; i++) {
        buf_printf(&buf, "%s\"%s\":", i > 0 ? "," : "", ANY_OF(rng, field_names));
        add_value(&buf, rng, 0);
    }
    buf_str(&buf, "}");
    buf_char(&buf, '\0');
    struct event event = kit_event(kit, buf.p);
    event.product = names[below(rng, TC_ARRAY_LEN(names))];
    event.service = names[below(rng, TC_ARRAY_LEN(names))];
    event.category = names[below(rng, TC_ARRAY_LEN(names))];
    if (below(rng, 8) == 0)
        event.raw = SV("some raw text: foo barbaz 10"); /* as a text event's */
    if (event.field_count > 0 && below(rng, 8) == 0)
        event.fields[below(rng, event.field_count)].flags |= FIELD_DERIVED;
    if (event.field_count > 0 && below(rng, 8) == 0) { /* bytes that are not UTF-8 */
        struct field *field = &event.fields[below(rng, event.field_count)];
        if (field->type == FIELD_STRING)
            field->value = SV("FOO\xFF\xC3powershell\xE2\x84");
    }
    buf_free(&buf);
    return event;
}

static void test_index_random_rules(void **state)
{
    (void)state;
    static struct tally tally;
    struct sim_rng rng;
    size_t loaded = 0;
    sim_rng_init(&rng, 20261121);
    for (size_t round = 0; round < 40; round++) {
        struct kit kit = {0};
        struct buf yaml;
        buf_init(&yaml, 1 << 20);
        for (size_t i = 0; i < 100; i++)
            add_rule(&yaml, &rng, i);
        buf_char(&yaml, '\0');
        kit_load(&kit, yaml.p);
        loaded += kit.set->count;
        for (size_t i = 0; i < 100; i++) {
            struct event event = random_event(&kit, &rng);
            check_event(&kit, &event, &tally);
        }
        buf_free(&yaml);
        kit_free(&kit);
    }
    print_message("%zu random rules of 4000 loaded\n", loaded);
    assert_true(loaded > 2000);
    assert_true(tally.matches > 20000);
    report(&tally, "random rules");
}

/* --- modifiers in any order
 * ---------------------------------------------------------------------------------------------------- */

static void add_chained_rule(struct buf *buf, struct sim_rng *rng, size_t number)
{
    static const char *const modifiers[] = {
        "contains",     "startswith", "endswith",  "all",        "cased",   "exists",
        "neq",          "re",         "i",         "ignorecase", "m",       "s",
        "base64",       "dotall",     "multiline", "expand",     "wide",    "utf16le",
        "base64offset", "utf16be",    "utf16",     "cidr",       "windash", "fieldref",
        "lt",           "lte",        "gt",        "gte",        "minute",  "hour",
        "day",          "week",       "month",     "year",       "expand",  "neq"};
    static const char *const values[] = {"foo",        "'a*b'",    "10",          "true",
                                         "10.0.0.0/8", "'%list%'", "'%list%'",    "'%some%'",
                                         "'%nets%'",   "'%nets%'", "[foo, '-x']", "['%list%', K]",
                                         "b",          "'.*o'",    "'%some%x'",   "[10, 7, foo]",
                                         "'-x /a'",    "null",     "5",           "'*'"};
    buf_printf(buf,
               "---\ntitle: t%zu\nid: i%04zu\nlogsource: {product: any}\ndetection:\n    s:\n        '%s",
               number, number, below(rng, 10) == 0 ? "" : ANY_OF(rng, field_names));
    for (size_t n = 1 + below(rng, 4); n > 0; n--)
        buf_printf(buf, "|%s", ANY_OF(rng, modifiers));
    buf_printf(buf, "': %s\n    condition: %s\n", ANY_OF(rng, values), below(rng, 3) == 0 ? "not s" : "s");
}

static void load_with_lists(struct kit *kit, struct sv yaml)
{
    struct err err;
    struct rule_source sources[] = {
        {.path = SV("r.yml"), .bytes = yaml},
        {.path = SV("v.yml"), .bytes = SV("placeholders: {some: [foo, 'b*', 10]}\n")},
        {.path = SV("list.list"), .bytes = SV("foo\nab\n10\n.exe\n-x\nK\n7;1970-01-01T00:00:05Z\n")},
        {.path = SV("nets.list"), .bytes = SV("10.0.0.0/8\n10.1.2.3;1970-01-01\n::/0\nfoo\n")}};
    ruleset_free(&kit->set);
    assert_int_equal(ruleset_new(sources, TC_ARRAY_LEN(sources), &kit->set, &err), 0);
    if (kit->scratch == NULL)
        kit->scratch = match_scratch_new();
}

static void test_index_modifiers_in_any_order(void **state)
{
    (void)state;
    static struct tally tally;
    struct sim_rng rng;
    size_t loaded = 0;
    sim_rng_init(&rng, 34);
    for (size_t round = 0; round < 40; round++) {
        struct kit kit = {0};
        struct buf yaml;
        buf_init(&yaml, 1 << 20);
        for (size_t i = 0; i < 500; i++)
            add_chained_rule(&yaml, &rng, i);
        load_with_lists(&kit, buf_view(&yaml));
        assert_true(kit.set->count + kit.set->note_count >= 500); /* each is judged, or refused with a note */
        loaded += kit.set->count;
        for (size_t i = 0; i < 60; i++) {
            struct event event = random_event(&kit, &rng);
            event.product = event.category = event.service = SV("");
            event.time.ns = (int64_t)below(&rng, 10) * TC_SECOND_NS;
            check_event(&kit, &event, &tally);
        }
        buf_free(&yaml);
        kit_free(&kit);
    }
    print_message("%zu chains of modifiers of 20000 are legal\n", loaded);
    assert_true(loaded > 3000);
    assert_true(tally.matches > 20000);
    report(&tally, "modifiers in any order");
}

/* --- the detector, both ways
 * --------------------------------------------------------------------------------------------------- */

static void judge_all(const struct ruleset *set, const struct event *const *events, size_t count,
                      bool no_index, struct finding_list *findings)
{
    struct detector *detector = detector_new(set, &(struct detector_options){.no_index = no_index});
    detector_judge(detector, events, count, findings);
    detector_finish(detector, findings);
    detector_free(&detector);
}

static void test_index_detector_finds_the_same(void **state)
{
    (void)state;
    enum { EVENTS = 500, RULES = 60 };
    struct kit kit = {0};
    struct sim_rng rng;
    struct buf yaml;
    const struct event *events[EVENTS];
    struct finding_list with = {.arena = &kit.arena}, without = {.arena = &kit.arena};
    sim_rng_init(&rng, 5);
    buf_init(&yaml, 1 << 20);
    for (size_t i = 0; i < RULES; i++)
        add_rule(&yaml, &rng, i);
    buf_str(
        &yaml,
        "---\ntitle: certain\nid: certain\nlogsource: {product: linux}\ndetection:\n    s: {a|exists: true}\n"
        "    condition: s\n---\ntitle: c\nid: c\ncorrelation:\n    type: event_count\n"
        "    rules: [certain]\n    timespan: 1m\n    condition: {gte: 2}\n");
    static const char *const types[] = {"value_sum", "value_avg", "value_median", "value_percentile"};
    static const char *const conditions[] = {"gte: 10", "lt: 100"};
    for (size_t i = 0; i < TC_ARRAY_LEN(types) * 2; i++)
        buf_printf(
            &yaml,
            "---\ntitle: n%zu\nid: n%zu\ncorrelation:\n    type: %s\n    rules: [certain, i0001, i0002]\n"
            "    group-by: [b]\n    timespan: 1m\n    condition: {%sfield: a, %s}\n",
            i, i, types[i / 2], i / 2 == 3 ? "percentile: 90, " : "", conditions[i % 2]);
    buf_str(
        &yaml,
        "---\ntitle: later\nid: later\nlogsource: {product: linux}\ndetection:\n    s: {b|exists: true}\n"
        "    condition: s\n---\ntitle: w\nid: w\ncorrelation:\n    type: temporal\n    condition: certain "
        "and not i0003\n"
        "    timespan: 20s\n---\ntitle: o\nid: o\ncorrelation:\n    type: temporal_ordered\n"
        "    rules: [certain, later]\n    timespan: 1m\n---\ntitle: v\nid: v\ncorrelation:\n    type: "
        "value_count\n"
        "    rules: [certain]\n    timespan: 1m\n    condition: {field: a, gte: 3}\n---\ntitle: x\nid: x\n"
        "logsource: {product: linux}\ndetection:\n    s: {a|exists: true}\n    condition: s\n"
        "tocsin: {owner: o, runbook: r, absence: {group-by: [a], timespan: 20s}}\n---\ntitle: y\nid: "
        "y\nlogsource: {product: "
        "linux}\n"
        "detection:\n    s: {a|exists: true}\n    condition: s\n"
        "tocsin: {owner: o, runbook: r, new_value: {field: b, group-by: [a], timespan: 1h}}\n");
    buf_char(&yaml, '\0');
    kit_load(&kit, yaml.p);
    for (size_t i = 0; i < EVENTS; i++) {
        struct event *event = ARENA_NEW(&kit.arena, struct event);
        *event = random_event(&kit, &rng);
        event->time.ns = (int64_t)i * 1000000000;
        events[i] = event;
    }
    judge_all(kit.set, events, EVENTS, false, &with);
    judge_all(kit.set, events, EVENTS, true, &without);
    assert_int_equal(with.count, without.count);
    size_t correlations = 0;
    for (size_t i = 0; i < with.count; i++) {
        const struct finding *a = &with.items[i], *b = &without.items[i];
        assert_true(a->rule == b->rule && a->position == b->position && a->ordinal == b->ordinal &&
                    a->repeat == b->repeat && a->count == b->count && a->event == b->event);
        correlations += a->kind == FINDING_CORRELATION;
    }
    assert_true(with.count > 1000 && correlations > 0);
    size_t silent = 0;
    static const char *const spoke[] = {"c",  "n0", "n1", "n2", "n3", "n4", "n5",
                                        "n6", "n7", "w",  "o",  "v",  "x",  "y"};
    for (size_t k = 0; k < TC_ARRAY_LEN(spoke); k++) {
        bool found = false;
        for (size_t i = 0; i < with.count; i++)
            found |= sv_is(with.items[i].rule->id, spoke[k]);
        if (!found)
            print_message("%s made no finding\n", spoke[k]);
        silent += !found;
    }
    assert_int_equal(silent, 0);
    buf_free(&yaml);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_random_rules),
        cmocka_unit_test(test_index_modifiers_in_any_order),
        cmocka_unit_test(test_index_detector_finds_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
