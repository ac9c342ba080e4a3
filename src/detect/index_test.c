/*
 * The index against the interpreter: for any rule and any event the interpreter's matches are among the
 * candidates, and candidates are few. Unit tests say for each kind of witness what must wake a rule and what
 * must not; then rules and events are made at random; then (where the data is at hand) the public corpus is
 * held against recorded events, mutated ones, and events synthesised from each rule's own values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/rng.h"
#include "detect/corpus_testkit.h"
#include "detect/index.h"
#include "detect/match.h"

#include <inttypes.h>

/* --- one rule, one event
 * ----------------------------------------------------------------------------------------------------- */

static bool is_candidate(struct kit *kit, uint32_t ordinal, const struct event *event)
{
    const uint32_t *list;
    size_t count = rule_candidates(kit->set, event, kit->scratch, &list);
    for (size_t i = 0; i < count; i++)
        if (list[i] == ordinal)
            return true;
    return false;
}

static bool wakes(struct kit *kit, const char *json)
{
    struct event event = kit_event(kit, json);
    bool candidate = is_candidate(kit, 0, &event);
    if (!candidate && rule_matches(&kit->set->rules[0], &event, kit->scratch))
        fail_msg("matches, but is no candidate: %s", json);
    return candidate;
}

struct wake_case {
    const char *line; /* of the rule's only selection */
    const char *json;
    bool candidate; /* false: the index must see that it cannot match */
};

static void check_cases(const struct wake_case *cases, size_t count)
{
    struct kit kit = {0};
    for (size_t i = 0; i < count; i++) {
        struct sv detection =
            arena_printf(&kit.arena, "    s:\n        %s\n    condition: s\n", cases[i].line);
        kit_detection(&kit, detection.p);
        if (kit.set->count != 1)
            fail_msg("%s: refused (%s)", cases[i].line, kit_refusal(&kit));
        if (wakes(&kit, cases[i].json) != cases[i].candidate)
            fail_msg("%s: %s is %s candidate", cases[i].line, cases[i].json, cases[i].candidate ? "no" : "a");
    }
    kit_free(&kit);
}

static void test_index_texts(void **state)
{
    (void)state;
    static const struct wake_case cases[] = {
        {"a: Foo", "{\"a\":\"fOO\"}", true},
        {"a: Foo", "{\"a\":\"fo\"}", false},
        {"a: Foo", "{\"b\":\"foo\"}", false},
        {"a: Foo", "{\"a\":[\"x\",\"foo\"]}", true},
        {"a: Foo", "{\"a\":{\"b\":\"foo\"}}", false},
        {"'a b': Foo", "{\"ab\":\"foo\"}", true},
        {"ab: Foo", "{\"a b\":\"foo\"}", true},
        {"a: ''", "{\"a\":\"\"}", true},
        {"a: ''", "{\"a\":\" \"}", false},
        {"a: ''", "{\"a\":null}", false},
        {"a: \"\\u00C4\"", "{\"a\":\"\\u00e4\"}", true},
        {"a: \"\\u00C4\"", "{\"a\":\"a\"}", false},
        {"a|startswith: C:\\\\Win", "{\"a\":\"c:\\\\windows\"}", true},
        {"a|startswith: C:\\\\Win", "{\"a\":\"d:\\\\windows\"}", false},
        {"a|endswith: \\\\powershell.exe", "{\"a\":\"C:\\\\PowerShell.exe\"}", true},
        {"a|endswith: \\\\powershell.exe", "{\"a\":\"C:\\\\xowershell.exe\"}", false},
        {"a|endswith: \\\\powershell.exe", "{\"a\":\"powershell.exe\"}", false},
        {"a|endswith: s", "{\"a\":\"S\"}", true},
        {"a|endswith: s", "{\"a\":\"\"}", false},
        {"a|contains: needle", "{\"a\":\"a NEEDLE in\"}", true},
        {"a|contains: needle", "{\"a\":\"a needl\"}", false},
        {"a|contains: needle", "{\"a\":\"eedle\"}", false},
        {"a|contains: nee", "{\"a\":\"nee\"}", true},
        {"a|contains: ee", "{\"a\":\"nee\"}", true},
        {"a|contains: e", "{\"a\":\"xe\"}", true},
        {"a|contains: ee", "{\"a\":\"e\"}", false},
        {"a: '*'", "{\"a\":\"\"}", true},
        {"a: '*'", "{\"b\":\"\"}", false},
        {"a: '?'", "{\"a\":\"x\"}", true},
        {"a: ab*cdef*g", "{\"a\":\"abcdefg\"}", true},
        {"a: ab*cdef*g", "{\"a\":\"abcdeg\"}", false},
        {"a: abcd*ef", "{\"a\":\"abcdef\"}", true},
        {"a: abcd*ef", "{\"a\":\"xabcdef\"}", false},
        {"a: ab*cdef", "{\"a\":\"abcdefg\"}", false},
        {"a|cased: FOO", "{\"a\":\"FOO\"}", true},
        {"a|cased: FOO", "{\"a\":\"bar\"}", false},
        {"a|contains|cased: \"x\\u00C4Y\"", "{\"a\":\"ax\\u00C4Yb\"}", true},
        {"a|cased: \"x\\u00C4Yy\"", "{\"a\":\"x\\u00C4Yy\"}", true},
        {"a|startswith|cased: \"xyz\\u00C4y\"", "{\"a\":\"xyz\\u00C4y.\"}", true},
        {"a|endswith|cased: \"x\\u00C4Yyz\"", "{\"a\":\".x\\u00C4Yyz\"}", true},
        {"a|endswith|cased: \"xyz\\u00C4y\"", "{\"a\":\".xyz\\u00C4y\"}", true},
        {"a|contains|cased: \"\\u00C4\"", "{\"a\":\"\\u00C4\"}", true},
        {"a|contains|windash: ' -enc '", "{\"a\":\"x /enc y\"}", true},
        {"a|contains|windash: ' -enc '", "{\"a\":\"x /env y\"}", false},
        {"a|base64offset|contains: powershell", "{\"a\":\"xxcG93ZXJzaGVsbA==\"}", true},
        {"a|base64offset|contains: powershell", "{\"a\":\"powershell\"}", false},
        {"a: true", "{\"a\":true}", true},
        {"a: true", "{\"a\":false}", false},
    };
    check_cases(cases, TC_ARRAY_LEN(cases));
}

static void test_index_numbers_and_presence(void **state)
{
    (void)state;
    static const struct wake_case cases[] = {
        {"a: 10", "{\"a\":10}", true},
        {"a: 10", "{\"a\":\"10\"}", true},
        {"a: 10", "{\"a\":1e1}", true},
        {"a: 10", "{\"a\":\"+0010.000\"}", true},
        {"a: 10", "{\"a\":100E-1}", true},
        {"a: 10", "{\"a\":1}", false},
        {"a: 10", "{\"a\":-10}", false},
        {"a: 10", "{\"a\":100}", false},
        {"a: 0", "{\"a\":\"-0.0e7\"}", true},
        {"a: 0.05", "{\"a\":\"5e-2\"}", true},
        {"a: 0.05", "{\"a\":0.5}", false},
        {"a: 9007199254740993", "{\"a\":9007199254740993.0}", true},
        {"a: 9007199254740993", "{\"a\":9007199254740992}", false},
        {"a: '10'", "{\"a\":10}", true},
        {"a: '10'", "{\"a\":\"1e1\"}", false},
        {"a|gt: 10", "{\"a\":11}", true},
        {"a|gt: 10", "{\"b\":11}", false},
        {"a|cidr: 10.0.0.0/8", "{\"a\":\"10.1.1.1\"}", true},
        {"a|cidr: 10.0.0.0/8", "{\"b\":\"10.1.1.1\"}", false},
        {"a|fieldref: b", "{\"a\":1,\"b\":1}", true},
        {"a|fieldref: b", "{\"b\":1}", false},
        {"a|hour: 10", "{\"a\":\"2024-01-01T10:00:00Z\"}", true},
        {"a|hour: 10", "{\"b\":\"2024-01-01T10:00:00Z\"}", false},
        {"a|exists: true", "{\"a\":{}}", true},
        {"a|exists: true", "{\"a\":null}", true},
        {"a|exists: true", "{\"b\":1}", false},
        {"a|exists: false", "{\"b\":1}", true},
        {"a: null", "{\"b\":1}", true},
        {"a|neq: 1", "{\"b\":1}", true},
        {"a|neq: null", "{\"a\":1}", true},
        {"a|neq: null", "{\"b\":1}", false},
        {"a|re: 'fo+'", "{\"a\":\"foo\"}", true},
        {"a|re: 'fo+'", "{\"b\":\"foo\"}", false},
    };
    check_cases(cases, TC_ARRAY_LEN(cases));
}

static void test_index_trees(void **state)
{
    (void)state;
    static const struct {
        const char *detection, *json;
        bool candidate;
    } cases[] = {
        /* of an AND all must be seen */
        {"    s: {a: foo, b: bar}\n    condition: s\n", "{\"a\":\"foo\",\"b\":\"bar\"}", true},
        {"    s: {a: foo, b: bar}\n    condition: s\n", "{\"a\":\"foo\",\"b\":\"baz\"}", false},
        {"    s: {a: foo, b: null}\n    condition: s\n", "{\"a\":\"foo\"}", true},
        {"    s: {a: foo, b: null}\n    condition: s\n", "{\"a\":\"fox\"}", false},
        /* of an OR one */
        {"    s: [{a: foo}, {b: bar}]\n    condition: s\n", "{\"b\":\"bar\"}", true},
        {"    s: [{a: foo}, {b: bar}]\n    condition: s\n", "{\"b\":\"baz\"}", false},
        {"    s: [{a: foo}, {b: null}]\n    condition: s\n", "{}", true},
        {"    s: [{a: foo, c: one}, {b: bar, c: two}]\n    condition: s\n", "{\"a\":\"foo\",\"c\":\"one\"}",
         true},
        {"    s: [{a: foo, c: one}, {b: bar, c: two}]\n    condition: s\n", "{\"a\":\"foo\",\"c\":\"xxx\"}",
         false},
        {"    s: {a|contains|all: [foox, barx]}\n    condition: s\n", "{\"a\":\"foox barx\"}", true},
        {"    s: {a|contains|all: [foox, barx]}\n    condition: s\n", "{\"a\":\"foox bar\"}", false},
        /* negation says nothing, but for null */
        {"    s: {a: foo}\n    condition: not s\n", "{}", true},
        {"    s: {a: foo}\n    t: {b: bar}\n    condition: s and not t\n", "{\"a\":\"foo\",\"b\":\"bar\"}",
         true},
        {"    s: {a: foo}\n    t: {b: bar}\n    condition: s and not t\n", "{\"b\":\"bar\"}", false},
        {"    s: {a: foo}\n    condition: not (not s)\n", "{\"a\":\"bar\"}", false},
        {"    s: {a: null}\n    condition: not s\n", "{\"b\":1}", false},
        {"    s: {a: null}\n    condition: not s\n", "{\"a\":1}", true},
        {"    s: {a|exists: false}\n    condition: not s\n", "{\"a\":null}", true},
        {"    s: {a: null}\n    t: {b: x}\n    condition: not (s and t)\n", "{\"b\":\"y\"}", true},
        {"    s: {a: null}\n    t: {b: x}\n    condition: not (s or t)\n", "{\"b\":\"y\"}", false},
        /* keywords: any value, not names, not derived */
        {"    s: [needle]\n    condition: s\n", "{\"x\":{\"y\":[\"a NEEDLE\"]}}", true},
        {"    s: [needle]\n    condition: s\n", "{\"needle\":1}", false},
        {"    s: ['ne*le']\n    condition: s\n", "{\"x\":\"needle\"}", true},
        {"    s: ['*']\n    condition: s\n", "{}", true},
        {"    s: [42]\n    condition: s\n", "{\"x\":1429}", true},
        {"    s: [42]\n    condition: s\n", "{\"x\":49}", false},
        {"    s: {'|re': 'fo+'}\n    condition: s\n", "{\"x\":\"foo\"}", true},
    };
    struct kit kit = {0};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        kit_detection(&kit, cases[i].detection);
        if (kit.set->count != 1)
            fail_msg("%s: refused (%s)", cases[i].detection, kit_refusal(&kit));
        if (wakes(&kit, cases[i].json) != cases[i].candidate)
            fail_msg("%s: %s", cases[i].detection, cases[i].json);
    }
    kit_free(&kit);
}

static void test_index_raw_and_derived(void **state)
{
    (void)state;
    struct kit kit = {0};
    struct field field = {.name = SV("m"), .exact = SV("m"), .value = SV("a needle"), .flags = FIELD_DERIVED};
    struct event event = {.raw = SV("no such"), .fields = &field, .field_count = 1, .position = 1};
    field.name_hash = event_name_hash(field.name);
    event_index(&event, &kit.arena);
    kit_detection(&kit, "    s: [needle]\n    condition: s\n");
    assert_false(is_candidate(&kit, 0, &event)); /* keywords do not see derived fields */
    event.position++;
    event.raw = SV("Needle in the raw text");
    assert_true(is_candidate(&kit, 0, &event));
    event.position++;
    event.raw = SV("{\"needle\": 1}");
    assert_false(is_candidate(&kit, 0, &event));
    kit_detection(&kit, "    s: {m|contains: needle}\n    condition: s\n");
    event.position++;
    assert_true(is_candidate(&kit, 0, &event)); /* fields do */
    kit_free(&kit);
}

static void test_index_log_sources(void **state)
{
    (void)state;
    static const char yaml[] = "title: t\nid: i\nlogsource: {product: Windows, service: sysmon}\n"
                               "detection:\n    s: {a: foo}\n    condition: s\n";
    struct kit kit = {0};
    kit_load(&kit, yaml);
    struct event event = kit_event(&kit, "{\"a\":\"foo\"}");
    assert_true(is_candidate(&kit, 0, &event));
    event.product = SV("windows");
    assert_true(is_candidate(&kit, 0, &event));
    event.service = SV("security");
    assert_false(is_candidate(&kit, 0, &event));
    event.service = SV("SYSMON");
    event.category = SV("process_creation"); /* the rule names none */
    assert_true(is_candidate(&kit, 0, &event));
    event.product = SV("linux");
    assert_false(is_candidate(&kit, 0, &event));
    kit_free(&kit);
}

/* An event leaves nothing behind, and one scratch serves several sets. */
static void test_index_scratch_is_clean(void **state)
{
    (void)state;
    struct kit kit = {0};
    kit_detection(&kit, "    s: {a|contains: foox, b: bar}\n    condition: s\n");
    assert_false(wakes(&kit, "{\"a\":\"foox\"}"));
    assert_false(wakes(&kit, "{\"b\":\"bar\"}")); /* half then, half now is not all */
    assert_true(wakes(&kit, "{\"a\":\"foox foox\",\"b\":[\"bar\",\"bar\"]}"));
    kit_detection(&kit, "    s: {c: 1}\n    condition: s\n");
    assert_false(wakes(&kit, "{\"b\":\"bar\"}"));
    assert_true(wakes(&kit, "{\"c\":1}"));
    kit_free(&kit);
}

/* --- all rules, one event
 * ---------------------------------------------------------------------------------------------------- */

struct tally {
    size_t events, matches, missed;
    uint32_t candidates[1 << 16]; /* of the first events */
};

/* Holds the candidates of one event against the interpreter's answers. */
static void check_event(struct kit *kit, const struct event *event, struct tally *t)
{
    const uint32_t *list;
    size_t count = rule_candidates(kit->set, event, kit->scratch, &list), at = 0;
    if (t->events < TC_ARRAY_LEN(t->candidates))
        t->candidates[t->events] = (uint32_t)count;
    t->events++;
    for (uint32_t i = 0; i < kit->set->count; i++) {
        const struct rule *rule = &kit->set->rules[i];
        bool named = at < count && list[at] == i;
        at += named;
        if (rule->kind != RULE_DETECTION || !rule_applies(rule, event)) {
            assert_false(named);
            continue;
        }
        if (!rule_matches(rule, event, kit->scratch))
            continue;
        t->matches++;
        if (named)
            continue;
        t->missed++;
        print_message("no candidate: %.*s (%.*s) on %.*s\n", SV_FMT(rule->info.title),
                      SV_FMT(rule->info.file), SV_FMT(sv_head(event->raw, 400)));
    }
    assert_int_equal(at, count); /* in order, none twice */
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(struct tally *t, const char *what)
{
    size_t n = TC_MIN(t->events, TC_ARRAY_LEN(t->candidates));
    qsort(t->candidates, n, sizeof t->candidates[0], compare_u32);
    print_message("%s: %zu events, %zu matches, %zu missed; candidates an event: median %" PRIu32
                  ", p95 %" PRIu32 ", most %" PRIu32 "\n",
                  what, t->events, t->matches, t->missed, t->candidates[n / 2], t->candidates[n * 95 / 100],
                  t->candidates[n - 1]);
    assert_int_equal(t->missed, 0);
}

/* --- chance
 * -------------------------------------------------------------------------------------------------------------------
 */

static size_t below(struct sim_rng *rng, size_t n)
{
    return (size_t)(rng_u64(&rng->rng) % n);
}

static const char *any_of(struct sim_rng *rng, const char *const *list, size_t n)
{
    return list[below(rng, n)];
}
#define ANY_OF(rng, list) any_of(rng, list, TC_ARRAY_LEN(list))

/* One byte of one value changed, dropped or added. */
static void edit(struct sim_rng *rng, struct arena *arena, struct field *fields, size_t count)
{
    static const char *const middles[] = {"", "x", "-", "\xC3", "0"};
    if (count == 0)
        return;
    struct field *field = &fields[below(rng, count)];
    size_t n = field->value.n, at = n == 0 ? 0 : below(rng, n);
    struct sv head = sv_head(field->value, at), tail = sv_from(field->value, at + below(rng, 2));
    field->value = arena_printf(arena, "%.*s%s%.*s", SV_FMT(head), ANY_OF(rng, middles), SV_FMT(tail));
}

/* The event with some values edited, exchanged, doubled under another's name, or made null. */
static struct event mutated(struct sim_rng *rng, struct arena *arena, const struct event *event)
{
    static uint64_t position = UINT64_C(1) << 45;
    struct event copy = *event;
    uint32_t n = event->field_count;
    copy.position = ++position;
    copy.fields = ARENA_ARRAY(arena, struct field, n + 1u);
    memcpy(copy.fields, event->fields, n * sizeof copy.fields[0]);
    for (size_t k = 0; n > 1 && k < 1 + below(rng, 4); k++) {
        struct field *a = &copy.fields[below(rng, n)], *b = &copy.fields[below(rng, n)];
        struct field was = *a;
        switch (below(rng, 4)) {
        case 0:
            edit(rng, arena, copy.fields, n);
            break;
        case 1: /* values change places */
            a->value = b->value;
            a->type = b->type;
            b->value = was.value;
            b->type = was.type;
            break;
        case 2: /* a second value of a name */
            a->name = a->exact = b->name;
            a->name_hash = b->name_hash;
            break;
        default:
            a->type = FIELD_NULL;
            a->value = SV("");
            break;
        }
    }
    event_index(&copy, arena);
    return copy;
}

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
    buf_free(&yaml);
    kit_free(&kit);
}

/* --- keys of numbers
 * -----------------------------------------------------------------------------------------------------------
 */

static void test_index_equal_numbers_share_their_key(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "0",  "00",   "1",   "10", "5", ".", "e1", "E-2", "-", "+", "999999999999999999",
        "1e", "e+01", "0.0", "x"};
    struct kit kit = {0};
    struct sim_rng rng;
    size_t equal = 0, unlike = 0;
    sim_rng_init(&rng, 11);
    for (size_t i = 0; i < 200000; i++) {
        struct sv a = SV(""), b = SV("");
        uint64_t x, y;
        int order;
        arena_reset(&kit.arena);
        for (size_t n = 1 + below(&rng, 4); n > 0; n--)
            a = arena_printf(&kit.arena, "%.*s%s", SV_FMT(a), ANY_OF(&rng, parts));
        for (size_t n = 1 + below(&rng, 4); n > 0; n--)
            b = arena_printf(&kit.arena, "%.*s%s", SV_FMT(b), ANY_OF(&rng, parts));
        bool numbers = number_key(a, &x) & number_key(b, &y);
        if (!num_compare(a, b, &order)) {
            assert_false(numbers);
            continue;
        }
        if (!numbers || (order == 0 && x != y))
            fail_msg("%.*s and %.*s", SV_FMT(a), SV_FMT(b));
        equal += order == 0 && !sv_eq(a, b);
        unlike += order != 0 && x != y;
    }
    assert_true(equal > 500 && unlike > 5000);
    kit_free(&kit);
}

/* --- the corpus: recorded events
 * ---------------------------------------------------------------------------------------------- */

static void check_regression_events(struct kit *kit, struct sim_rng *rng, struct tally *t)
{
    struct arena one = {0};
    struct sv index = read_file(&kit->arena, SIGMA "regression/index.jsonl"), line, json;
    while (next_line(&index, &line)) {
        arena_reset(&one);
        struct event row = parse(&one, line);
        struct sv path = arena_printf(&one, SIGMA "regression/%.*s", SV_FMT(value_of(&row, "events_file")));
        struct sv events = read_file(&one, path.p);
        while (next_line(&events, &json)) {
            struct event event = windows_event(&one, json);
            check_event(kit, &event, t);
            for (size_t k = 0; k < 3; k++) {
                struct event other = mutated(rng, &one, &event);
                other.product = k == 0 ? SV("windows") : event.product;
                check_event(kit, &other, t);
            }
        }
    }
    arena_free(&one);
}

/* Every `step`th line. */
static void check_lines(struct kit *kit, struct sv text, size_t step, struct sim_rng *rng, struct tally *t)
{
    struct arena one = {0};
    struct sv line;
    for (size_t at = 0; next_line(&text, &line); at++) {
        if (at % step != 0)
            continue;
        arena_reset(&one);
        struct event event = parse(&one, line), other = mutated(rng, &one, &event);
        check_event(kit, &event, t);
        check_event(kit, &other, t);
    }
    arena_free(&one);
}

/* Every `step`th event of the sample of recorded attacks, which goes through its files in order. */
static void check_recordings(struct kit *kit, size_t step, struct tally *t)
{
    struct arena file = {0}, one = {0};
    char open_file[256] = "";
    struct sv rows = read_zstd(&kit->arena, DATA "security-datasets/sigma-matches.jsonl.zst"), row_line;
    struct sv rest = SV(""), line = SV("");
    size_t at = 0, number = 0;
    while (next_line(&rows, &row_line)) {
        arena_reset(&one);
        struct event row = parse(&one, row_line);
        if (number++ % step != 0)
            continue;
        char *name = arena_str(&one, value_of(&row, "file"));
        size_t wanted = strtoul(arena_str(&one, value_of(&row, "line")), NULL, 10);
        if (strcmp(name, open_file) != 0 || wanted < at) {
            arena_reset(&file);
            snprintf(open_file, sizeof open_file, "%s", name);
            rest = read_zstd(&file, arena_printf(&one, DATA "security-datasets/%s", name).p);
            at = 0;
        }
        for (; at < wanted; at++)
            line = sv_cut(&rest, '\n');
        struct event event = nxlog_event(&one, line);
        check_event(kit, &event, t);
    }
    arena_free(&file);
    arena_free(&one);
}

static void test_C_110_index_on_recorded_events(void **state)
{
    (void)state;
    skip_without_data();
    static struct tally regression, cloudtrail, recordings;
    struct kit kit = {0};
    struct sim_rng rng;
    sim_rng_init(&rng, 128);
    load(&kit, evaluable);
    check_regression_events(&kit, &rng, &regression);
    report(&regression, "regression events");
    struct sv lines = read_zstd(&kit.arena, DATA "cloudtrail/invictus-stratus-attack.jsonl.zst");
    check_lines(&kit, lines, 4, &rng, &cloudtrail);
    report(&cloudtrail, "CloudTrail");
    check_recordings(&kit, 12, &recordings);
    report(&recordings, "recorded attacks");
    assert_true(regression.matches > 200 && cloudtrail.matches > 50 && recordings.matches > 50);
    kit_free(&kit);
}

/* --- the corpus: events from each rule's own values
 * --------------------------------------------------------------------------- */

struct synthesis {
    struct arena *arena;
    struct sim_rng *rng;
    struct field fields[512];
    uint32_t count;
};

static void add_field(struct synthesis *s, struct sv name, struct sv value)
{
    if (s->count == TC_ARRAY_LEN(s->fields))
        return;
    s->fields[s->count++] = (struct field){.name = name,
                                           .exact = name,
                                           .value = value,
                                           .name_hash = event_name_hash(name),
                                           .type = FIELD_STRING};
}

static struct sv pattern_text(struct synthesis *s, const struct pattern *pattern)
{
    struct sv text = SV("");
    for (size_t i = 0; i < pattern->count; i++) {
        struct token t = pattern->tokens[i];
        struct sv piece = t.kind == TOKEN_TEXT   ? t.text
                          : t.kind == TOKEN_ONE  ? SV("y")
                          : t.kind == TOKEN_DASH ? SV("-")
                          : below(s->rng, 2)     ? SV("")
                                                 : SV("Zz ");
        text = arena_printf(s->arena, "%.*s%.*s", SV_FMT(text), SV_FMT(piece));
    }
    return text;
}

static struct sv predicate_text(struct synthesis *s, const struct predicate *p)
{
    switch (p->kind) {
    case PREDICATE_PATTERN:
        return pattern_text(s, &p->pattern);
    case PREDICATE_NUMBER:
        for (size_t i = below(s->rng, 4);; i = 0) {
            struct sv text = i == 0   ? arena_sv(s->arena, p->number.value)
                             : i == 1 ? arena_printf(s->arena, "%.*s.0", SV_FMT(p->number.value))
                             : i == 2 ? arena_printf(s->arena, "%.*se0", SV_FMT(p->number.value))
                                      : arena_printf(s->arena, "0%.*s", SV_FMT(p->number.value));
            if (i == 0 || number_compare(COMPARE_EQ, text, p->number.value))
                return text;
        }
    case PREDICATE_NETWORK:
        return p->network.v4
                   ? arena_printf(s->arena, "%u.%u.%u.%u", p->network.address[12], p->network.address[13],
                                  p->network.address[14], p->network.address[15])
                   : SV("::1");
    default:
        return SV("x");
    }
}

static void add_item(struct synthesis *s, const struct match_item *item)
{
    size_t only = below(s->rng, item->count);
    struct sv name = item->field.name.n == 0 ? SV("message") : item->field.name, text = SV("");
    for (size_t i = 0; i < item->count; i++) {
        const struct match_value *value = &item->values[i];
        if (!item->all && i != only)
            continue;
        const struct predicate *p = &value->alternatives[below(s->rng, value->count)];
        if (p->kind == PREDICATE_NULL || (p->kind == PREDICATE_EXISTS && !p->exists))
            return;
        text = arena_printf(s->arena, "%.*s%.*s", SV_FMT(text), SV_FMT(predicate_text(s, p)));
        if (item->all && below(s->rng, 2)) { /* as another value of the same name: any-of */
            add_field(s, name, text);
            text = SV("");
        }
    }
    if (text.n > 0 || !item->all)
        add_field(s, name, text);
}

static void add_node(struct synthesis *s, const struct match_node *node)
{
    switch (node->kind) {
    case NODE_ITEM:
        if (!node->item->negated)
            add_item(s, node->item);
        break;
    case NODE_AND:
        for (size_t i = 0; i < node->count; i++)
            add_node(s, node->kids[i]);
        break;
    case NODE_OR:
        add_node(s, node->kids[below(s->rng, node->count)]);
        break;
    case NODE_NOT:
        break;
    }
}

/* Case does not matter to rules that are not cased: turn it over now and then. */
static struct sv turned(struct synthesis *s, struct sv text)
{
    struct sv copy = arena_sv(s->arena, text);
    char *p = arena_alloc_raw(s->arena, text.n + 1, 1);
    for (size_t i = 0; i < copy.n; i++)
        p[i] = copy.p[i] >= 'a' && copy.p[i] <= 'z' && below(s->rng, 2) ? (char)(copy.p[i] - 32) : copy.p[i];
    return sv_make(p, copy.n);
}

static struct event synthesised(struct synthesis *s)
{
    static uint64_t position = UINT64_C(1) << 50;
    struct event event = {.raw = SV("{}"), .position = ++position, .repeat = 1, .field_count = s->count};
    event.fields = ARENA_ARRAY(s->arena, struct field, s->count + 1);
    memcpy(event.fields, s->fields, s->count * sizeof s->fields[0]);
    event_index(&event, s->arena);
    return event;
}

/* The rule itself always, all rules now and then: those cost a thousand times as much. */
static bool check_own(struct kit *kit, const struct rule *rule, const struct event *event, bool all,
                      struct tally *t)
{
    bool matches = rule_matches(rule, event, kit->scratch);
    if (matches && !is_candidate(kit, rule->info.ordinal, event)) {
        t->missed++;
        print_message("no candidate: %.*s (%.*s)\n", SV_FMT(rule->info.title), SV_FMT(rule->info.file));
    }
    if (all)
        check_event(kit, event, t);
    return matches;
}

static void test_C_110_index_on_synthesised_events(void **state)
{
    (void)state;
    skip_without_data();
    static struct tally tally;
    struct kit kit = {0};
    struct arena arena = {0};
    struct sim_rng rng;
    size_t woken = 0, positive = 0, edited = 0, step = 29;
    sim_rng_init(&rng, 110);
    load(&kit, evaluable);
    for (size_t i = 0; i < kit.set->count; i++) {
        const struct rule *rule = &kit.set->rules[i];
        size_t hits = 0;
        for (size_t k = 0; k < 24; k++) {
            struct synthesis s = {.arena = &arena, .rng = &rng};
            arena_reset(&arena);
            add_node(&s, rule->detection->root);
            for (size_t f = 0; k % 4 == 1 && f < s.count; f++)
                s.fields[f].value = turned(&s, s.fields[f].value);
            if (k % 4 >= 2)
                edit(&rng, &arena, s.fields, s.count);
            struct event event = synthesised(&s);
            bool hit = check_own(&kit, rule, &event, (i * 24 + k) % step == 0, &tally);
            hits += hit;
            positive += hit && k % 4 < 2;
            edited += hit && k % 4 >= 2;
        }
        woken += hits > 0;
    }
    print_message("%zu of %zu rules matched an event of their own; %zu matches, %zu after an edit\n", woken,
                  kit.set->count, positive, edited);
    report(&tally, "synthesised events");
    assert_true(woken * 100 > kit.set->count * 90);
    arena_free(&arena);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_texts),
        cmocka_unit_test(test_index_numbers_and_presence),
        cmocka_unit_test(test_index_trees),
        cmocka_unit_test(test_index_raw_and_derived),
        cmocka_unit_test(test_index_log_sources),
        cmocka_unit_test(test_index_scratch_is_clean),
        cmocka_unit_test(test_index_random_rules),
        cmocka_unit_test(test_index_detector_finds_the_same),
        cmocka_unit_test(test_index_equal_numbers_share_their_key),
        cmocka_unit_test(test_C_110_index_on_recorded_events),
        cmocka_unit_test(test_C_110_index_on_synthesised_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
