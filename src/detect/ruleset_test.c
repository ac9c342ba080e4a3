/*
 * The rule set: what a rule says of itself, references of correlations, order, hashes, notes with places, and
 * the collecting of files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

#include <sys/stat.h>
#include <unistd.h>

#define BODY       "logsource: {category: x}\ndetection:\n    s: {a: 1}\n    condition: s\n"
#define CORR(rest) "title: c\nid: c\ncorrelation:\n    rules: [base]\n    group-by: [ip, user.name]\n" rest

static struct kit kit;

static const struct rule *only(const char *yaml)
{
    kit_load(&kit, yaml);
    kit_show_notes(&kit);
    assert_int_equal(kit.set->count, 1);
    return &kit.set->rules[0];
}

static void refused(const char *yaml, const char *construct, unsigned line, unsigned column)
{
    kit_load(&kit, yaml);
    assert_string_equal(kit_refusal(&kit), construct);
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++) {
        const struct rule_note *note = ruleset_note(kit.set, i);
        if (note->verdict != RULE_REFUSED || strcmp(note->construct, construct) != 0)
            continue;
        assert_string_equal(note->err.file, "test.yml");
        assert_int_equal(note->err.line, line);
        assert_int_equal(note->err.column, column);
    }
}

static size_t warnings(const char *construct)
{
    size_t n = 0;
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++)
        n += ruleset_note(kit.set, i)->verdict == RULE_WARNING &&
             strcmp(ruleset_note(kit.set, i)->construct, construct) == 0;
    return n;
}

/* --- what a rule says of itself
 * --------------------------------------------------------------------------------------------- */

static void test_C_110_information(void **state)
{
    (void)state;
    const struct rule *r =
        only("# a comment\n---\ntitle: A title\nid: 1234\nname: a_name\nlevel: high\ndescription: d\n"
             "tags: [attack.t1, cve.2]\nlogsource: {product: linux, category: auth, service: sshd}\n"
             "detection:\n    s: {b|contains: 1, a: 1}\n    t: {c|fieldref: d, a: 2}\n    unused: {z: 1}\n"
             "    condition: s or t\ntocsin:\n    owner: team\n    runbook: run.md\n"
             "    actions: [first, second]\n    severity: P1\n    entity: [source.ip]\n");
    const struct rule_info *info = &r->info;
    assert_true(sv_is(info->id, "1234") && sv_is(info->name, "a_name") && sv_is(info->title, "A title"));
    assert_true(sv_is(info->level, "high") && sv_is(info->description, "d"));
    assert_int_equal(info->severity, SEVERITY_P1);
    assert_true(sv_is(info->owner, "team") && sv_is(info->runbook, "run.md"));
    assert_int_equal(info->action_count, 2);
    assert_true(sv_is(info->actions[1], "second"));
    assert_int_equal(info->tag_count, 2);
    assert_int_equal(info->entity_field_count, 1);
    assert_true(sv_is(info->entity_fields[0], "source.ip"));
    assert_true(sv_is(info->file, "test.yml"));
    assert_int_equal(info->line, 3);
    assert_true(sv_is(r->product, "linux") && sv_is(r->category, "auth") && sv_is(r->service, "sshd"));
    static const char *const reads[] = {"b", "a", "c", "d"};
    assert_int_equal(r->read_count, TC_ARRAY_LEN(reads));
    for (size_t i = 0; i < r->read_count; i++) {
        assert_true(sv_is(r->reads[i].name, reads[i]));
        assert_int_equal(r->reads[i].hash, event_name_hash(r->reads[i].name));
    }
    const struct sv *fields;
    assert_int_equal(ruleset_fields(kit.set, &fields), 4);
    assert_true(sv_is(fields[0], "a") && sv_is(fields[3], "d"));
}

static void test_C_110_ids(void **state)
{
    (void)state;
    assert_true(sv_is(only("title: t\nname: n\n" BODY)->info.id, "name:n"));
    struct sv id = arena_sv(&kit.arena, only("title: t\n" BODY)->info.id);
    assert_true(sv_starts(id, SV("sha256:")) && id.n == 7 + 16);
    assert_true(sv_eq(only("title:   't'   # the same\n" BODY)->info.id, id));
    assert_false(sv_eq(only("title: u\n" BODY)->info.id, id));
}

static void test_D_01_levels(void **state)
{
    (void)state;
    static const struct {
        const char *level;
        enum severity severity;
    } cases[] = {{"level: critical\n", SEVERITY_P1},
                 {"level: high\n", SEVERITY_P2},
                 {"level: medium\n", SEVERITY_P3},
                 {"level: low\n", SEVERITY_P4},
                 {"level: informational\n", SEVERITY_P4},
                 {"", SEVERITY_P3},
                 {"level:\n", SEVERITY_P3}};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++)
        assert_int_equal(only(arena_printf(&kit.arena, "title: t\n%s" BODY, cases[i].level).p)->info.severity,
                         cases[i].severity);
    refused("title: t\nlevel: awful\n" BODY, "unknown level", 2, 8);
}

static void test_D_19_owner_and_runbook(void **state)
{
    (void)state;
    only("title: t\n" BODY);
    assert_int_equal(warnings("no owner or runbook"), 1);
    refused("title: t\n" BODY "tocsin: {owner: me}\n", "no owner or runbook", 1, 1);
    refused("title: t\n" BODY "tocsin: {owner: ' ', runbook: x}\n", "no owner or runbook", 1, 1);
    only("title: t\n" BODY "tocsin: {owner: me, runbook: x}\n");
    assert_int_equal(warnings("no owner or runbook"), 0);

    struct rule_source source = {.path = SV("p.yml"), .bytes = SV("title: t\n" BODY), .in_pack = true};
    ruleset_free(&kit.set);
    assert_int_equal(ruleset_new(&source, 1, &kit.set, NULL), 0);
    assert_int_equal(ruleset_count(kit.set), 0);
    assert_string_equal(kit_refusal(&kit), "no owner or runbook");
}

static void test_C_110_documents_that_are_refused(void **state)
{
    (void)state;
    refused("title: t\n" BODY "tocsin:\n    ownr: me\n", "tocsin map", 7, 5);
    assert_non_null(strstr(ruleset_note(kit.set, 0)->err.text, "did you mean \"owner\""));
    refused("title: t\n" BODY "tocsin: [a]\n", "tocsin map", 6, 9);
    refused("title: [t]\n" BODY, "wrong type", 1, 8);
    refused("title: t\ntags: {a: b}\n" BODY, "wrong type", 2, 7);
    refused("title: t\nlogsource: {}\n", "no detection", 1, 1);
    refused("- a\n", "no detection", 1, 1);
    refused("just text\n", "no detection", 1, 1);
    refused("title: [t\n", "not YAML", 2, 1);
    refused("title: t\nfilter:\n    s: {a: 1}\n    condition: s\n", "filter", 3, 5);
    refused("title: t\nfilter: [x]\n", "filter", 2, 9);
    refused("title: t\nfilter:\n    rules: [x]\n    s: {a: 1}\n", "no condition", 2, 1);
    refused("action: repeat\ntitle: t\n" BODY, "action", 1, 1);
    refused("action: include\ntitle: t\n" BODY, "action", 1, 1);
    refused("action: [global]\ntitle: t\n" BODY, "action", 1, 1);
    refused("title: t\ndetection: [a]\n", "detection", 2, 12);
    refused("title: t\ndetection:\n    s:\n        a|bogus: 1\n    condition: s\n", "unknown modifier", 4, 9);
    refused("title: t\ndetection: {s: {a: 1}, condition: s}\ncorrelation: {}\n", "detection and correlation",
            3, 1);
}

/* Loads `text` and says which of its rules, in order of ids, match. */
static const char *collection(const char *text, const char *event)
{
    static char found[64];
    size_t n = 0;
    kit_load(&kit, text);
    struct event one = kit_event(&kit, event);
    for (size_t i = 0; i < ruleset_count(kit.set) && n + 2 < sizeof found; i++)
        if (rule_matches(&kit.set->rules[i], &one, kit.scratch))
            n += (size_t)snprintf(found + n, sizeof found - n, "%.*s", SV_FMT(ruleset_rule(kit.set, i)->id));
    found[n] = '\0';
    return found;
}

static void test_C_110_collections_with_actions(void **state)
{
    (void)state;
    static const char text[] = "action: global\ntitle: g\nlevel: high\nlogsource: {product: p}\n"
                               "detection:\n    out: {b: 1}\n    condition: s and not out\n"
                               "---\nid: a\ndetection: {s: {a: 1}}\n"
                               "---\nid: b\nlevel: low\ndetection: {s: {a: 2}, out: {c: 1}}\n"
                               "---\naction: repeat\nid: c\ndetection: {s: {a: 3}}\n"
                               "---\naction: reset\n"
                               "---\nid: d\ntitle: d\ndetection: {s: {a: 1}, condition: s}\n"
                               "---\naction: repeat\nid: e\ndetection: {s: {a: 4}}\n";
    assert_string_equal(collection(text, "{\"a\":1}"), "ad");
    assert_int_equal(ruleset_count(kit.set), 5);
    assert_string_equal(collection(text, "{\"a\":1,\"b\":1}"), "d");
    assert_string_equal(collection(text, "{\"a\":2,\"b\":1}"), "b"); /* both lines of `out` are needed */
    assert_string_equal(collection(text, "{\"a\":2,\"b\":1,\"c\":1}"), "");
    assert_string_equal(collection(text, "{\"a\":3}"), "c");
    assert_string_equal(collection(text, "{\"a\":4}"), "e");
    /* what the global says counts, as in pySigma; places are those of the documents themselves */
    static const unsigned lines[] = {9, 12, 16, 22, 26};
    for (size_t i = 0; i < 5; i++) {
        const struct rule_info *info = ruleset_rule(kit.set, i);
        assert_int_equal(info->severity == ruleset_rule(kit.set, 0)->severity, i < 3);
        assert_int_equal(info->line, lines[i]);
    }
}

static void test_C_110_actions_leave_what_is_no_detection(void **state)
{
    (void)state;
    kit_load(&kit,
             "action: global\nlevel: high\nlogsource: {product: p}\n---\ntitle: t\nname: n\nid: a\n" BODY
             "---\ntitle: c\nid: b\ncorrelation:\n    type: event_count\n    rules: [n]\n    timespan: 1m\n"
             "    condition: {gte: 2}\n---\nplaceholders: {x: [y]}\n");
    assert_int_equal(ruleset_count(kit.set), 2);
    assert_int_not_equal(ruleset_rule(kit.set, 0)->severity, ruleset_rule(kit.set, 1)->severity);
}

static void test_C_110_actions_are_bounded(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 8 << 20);
    buf_printf(&text, "action: global\ndetection:\n    condition: s\n    s:\n");
    for (int i = 0; i < 2000; i++)
        buf_printf(&text, "        f%d: 1\n", i);
    for (int i = 0; i < 600; i++)
        buf_printf(&text, "---\ntitle: t%d\ndetection: {s: {x: %d}}\n", i, i);
    struct sv all = arena_sv(&kit.arena, buf_view(&text));
    kit_load(&kit, arena_str(&kit.arena, all));
    assert_int_equal(ruleset_count(kit.set), 0);
    assert_string_equal(kit_refusal(&kit), "not YAML");
    assert_non_null(strstr(ruleset_note(kit.set, 0)->err.text, "1,000,000 values"));
    buf_free(&text);
}

/* Thirty aliases of two entries each stand for a thousand million values. */
static void test_C_110_actions_are_bounded_where_aliases_unfold(void **state)
{
    (void)state;
    static const char rule[] = "title: t\nid: a\ndetection: {s: {f: v}, condition: s}\n";
    struct buf text, aliases;
    buf_init(&aliases, 64 << 10);
    buf_init(&text, 256 << 10);
    buf_printf(&aliases, "a0: &a0 {k: v, w: 1}\n");
    for (int i = 1; i < 31; i++)
        buf_printf(&aliases, "a%d: &a%d {x: *a%d, y: *a%d}\n", i, i, i - 1, i - 1);
    buf_printf(&text, "action: global\n%.*s---\n%s%.*s", SV_FMT(buf_view(&aliases)), rule,
               SV_FMT(buf_view(&aliases)));
    kit_load(&kit, arena_str(&kit.arena, buf_view(&text)));
    assert_int_equal(ruleset_count(kit.set), 0);
    assert_string_equal(kit_refusal(&kit), "not YAML");
    assert_non_null(strstr(ruleset_note(kit.set, 0)->err.text, "1,000,000 values"));
    buf_clear(&text);
    buf_clear(&aliases);
    buf_printf(&aliases, "z: [&a0 {k: v}");
    for (int i = 1; i < 80; i++)
        buf_printf(&aliases, ", &a%d {x: *a%d}", i, i - 1);
    buf_printf(&text, "action: global\n%.*s]\ny: *a79\n---\n%s%.*s]\ny: *a79\n", SV_FMT(buf_view(&aliases)),
               rule, SV_FMT(buf_view(&aliases)));
    kit_load(&kit, arena_str(&kit.arena, buf_view(&text)));
    assert_string_equal(kit_refusal(&kit), "not YAML");
    assert_non_null(strstr(ruleset_note(kit.set, 0)->err.text, "64 levels"));
    buf_free(&text);
    buf_free(&aliases);
}

/* The entry that is last may be replaced, and more may follow it. */
static void test_C_110_actions_keep_every_entry(void **state)
{
    (void)state;
    static const char text[] = "action: global\ndetection: {s: {b: 2, c: 3, d: 4}}\n"
                               "---\ntitle: t\nid: a\ndetection: {s: {a: 1, b: 9}, condition: s}\n";
    assert_string_equal(collection(text, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}"), "a");
    assert_string_equal(collection(text, "{\"a\":1,\"b\":9,\"c\":3,\"d\":4}"), "");
    assert_string_equal(collection(text, "{\"a\":1,\"b\":2,\"c\":3}"), "");
    assert_string_equal(collection(text, "{\"a\":1,\"b\":2,\"d\":4}"), "");
}

static void test_C_110_merge_keys_are_bounded(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_printf(&text, "title: t\nx: &a {k0: 1");
    for (int i = 1; i < 1000; i++)
        buf_printf(&text, ", k%d: 1", i);
    buf_printf(&text, "}\ny:\n    <<: [*a");
    for (int i = 1; i < 10000; i++)
        buf_printf(&text, ", *a");
    buf_printf(&text, "]\n");
    kit_load(&kit, arena_str(&kit.arena, buf_view(&text)));
    assert_string_equal(kit_refusal(&kit), "not YAML");
    assert_non_null(strstr(ruleset_note(kit.set, 0)->err.text, "too many entries"));
    buf_free(&text);
}

static void test_C_110_merge_keys_and_byte_order_marks(void **state)
{
    (void)state;
    static const char merged[] =
        "\xEF\xBB\xBFtitle: t\nid: a\ndetection:\n    x: &x {a: 1, b: 1}\n    y: &y {b: 2, c: 3}\n"
        "    s:\n        <<: [*x, *y]\n        d: 4\n        a: 9\n    condition: s or x and y\n";
    assert_string_equal(collection(merged, "{\"a\":9,\"b\":1,\"c\":3,\"d\":4}"), "a");
    assert_string_equal(collection(merged, "{\"a\":1,\"b\":1,\"c\":3,\"d\":4}"), "");
    assert_string_equal(collection(merged, "{\"a\":9,\"b\":2,\"c\":3,\"d\":4}"), "");
    refused("title: t\ndetection:\n    s:\n        <<: 5\n    condition: s\n", "not YAML", 4, 13);
    refused("title: t\ndetection:\n    s:\n        <<: {a: 1}\n        <<: {b: 1}\n    condition: s\n",
            "not YAML", 5, 9);
    assert_string_equal(collection("id: a\ndetection:\n    s: {'<<': 1}\n    condition: s\n", "{\"<<\":1}"),
                        "a");
}

static void test_C_110_a_refused_document_costs_itself(void **state)
{
    (void)state;
    kit_load(&kit, "title: one\nid: 1\n" BODY "---\ntitle: two\nid: 2\ndetection: {condition: x}\n"
                   "---\n---\ntitle: three\nid: 3\n" BODY);
    assert_int_equal(ruleset_count(kit.set), 2);
    assert_true(sv_is(ruleset_rule(kit.set, 0)->title, "one"));
    assert_true(sv_is(ruleset_rule(kit.set, 1)->title, "three"));
}

/* A tree that unfolds to 10^9 values is refused, quickly. */
static void test_C_110_unfolding_aliases_are_bounded(void **state)
{
    (void)state;
    struct sv text = SV("title: t\nx0: &x0 [1,1,1,1,1,1,1,1,1,1]\n");
    for (int i = 1; i < 9; i++)
        text = arena_printf(&kit.arena, "%.*sx%d: &x%d [*x%d,*x%d,*x%d,*x%d,*x%d,*x%d,*x%d,*x%d,*x%d,*x%d]\n",
                            SV_FMT(text), i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1,
                            i - 1);
    text = arena_printf(&kit.arena, "%.*sdetection: {s: *x8, condition: s}\n", SV_FMT(text));
    refused(text.p, "too large", 1, 1);
}

/* --- correlations
 * --------------------------------------------------------------------------------------------------------------
 */

#define BASE "title: b\nid: b-id\nname: base\n" BODY

static const struct rule *by_id(const char *id)
{
    for (size_t i = 0; i < kit.set->count; i++)
        if (sv_is(kit.set->rules[i].info.id, id))
            return &kit.set->rules[i];
    return NULL;
}

static void test_C_111_event_count(void **state)
{
    (void)state;
    kit_load(
        &kit,
        CORR("    type: event_count\n    timespan: 15m\n    condition: {gt: 10, lte: 20}\n") "---\n" BASE);
    kit_show_notes(&kit);
    const struct rule *c = by_id("c"), *b = by_id("b-id");
    assert_int_equal(c->kind, RULE_CORRELATION);
    assert_null(c->detection);
    assert_int_equal(c->correlation->type, CORR_EVENT_COUNT);
    assert_int_equal(c->correlation->timespan_ns, INT64_C(900) * 1000000000);
    assert_int_equal(c->correlation->test_count, 2);
    assert_int_equal(c->correlation->tests[0].op, CORR_GT);
    assert_int_equal(c->correlation->tests[1].op, CORR_LTE);
    assert_int_equal(c->correlation->tests[1].value, 20);
    assert_int_equal(c->correlation->group_count, 2);
    assert_true(sv_is(c->correlation->group_by[1].name, "user.name"));
    assert_int_equal(c->correlation->rule_count, 1);
    assert_int_equal(c->correlation->rules[0], b->info.ordinal);
    assert_int_equal(c->read_count, 2);
    assert_true(b->silent && !c->silent);
    assert_int_equal(b->used_by_count, 1);
    assert_int_equal(b->used_by[0], c->info.ordinal);
}

static void test_C_111_value_count_and_generate(void **state)
{
    (void)state;
    kit_load(&kit, BASE "---\n" CORR("    type: value_count\n    timespan: 1d\n    generate: true\n"
                                     "    condition: {field: [x, y], gte: 3}\n"));
    kit_show_notes(&kit);
    const struct rule *c = by_id("c");
    assert_int_equal(c->correlation->type, CORR_VALUE_COUNT);
    assert_int_equal(c->correlation->field_count, 2);
    assert_true(c->correlation->generate && !by_id("b-id")->silent);
    assert_int_equal(c->read_count, 4);
    kit_load(&kit, BASE "---\n" CORR(
                       "    type: event_count\n    timespan: 1d\n    condition: {gte: 3}\ngenerate: true\n"));
    assert_false(by_id("b-id")->silent);
}

static void test_C_111_timespans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* 0: refused */
    } cases[] = {{"30s", 30},    {"1m", 60},      {"2h", 7200},     {"1d", 86400},
                 {"1w", 604800}, {"1M", 2629746}, {"1y", 31556952}, {"0s", 0},
                 {"-1s", 0},     {"1", 0},        {"s", 0},         {"1H", 0},
                 {"1.5h", 0},    {"1h30m", 0},    {"11y", 0},       {"99999999999999999999s", 0},
                 {"[1h]", 0}};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        kit_load(&kit, arena_printf(&kit.arena,
                                    BASE "---\n" CORR("    type: event_count\n    condition: {gte: 1}\n"
                                                      "    timespan: %s\n"),
                                    cases[i].text)
                           .p);
        const struct rule *c = by_id("c");
        assert_int_equal(c != NULL, cases[i].seconds > 0);
        if (c != NULL)
            assert_int_equal(c->correlation->timespan_ns, cases[i].seconds * 1000000000);
        else
            assert_string_equal(kit_refusal(&kit), "timespan");
    }
}

static void corr_refused(const char *body, const char *construct)
{
    kit_load(&kit, arena_printf(&kit.arena, BASE "---\ntitle: c\nid: c\ncorrelation:\n%s", body).p);
    assert_string_equal(kit_refusal(&kit), construct);
    assert_int_equal(ruleset_count(kit.set), 1);
    assert_false(by_id("b-id")->silent);
}

static void test_C_111_refused_by_name(void **state)
{
    (void)state;
#define REST "    rules: [base]\n    timespan: 1m\n"
    corr_refused("    type: sum\n" REST, "correlation type");
    corr_refused("    type: event_count\n" REST, "correlation condition");
    corr_refused("    type: event_count\n" REST "    condition: {}\n", "correlation condition");
    corr_refused("    type: value_sum\n" REST "    condition: {gte: 1}\n", "correlation condition");
    corr_refused("    type: event_count\n" REST "    condition: a and b\n", "correlation condition");
    corr_refused("    type: event_count\n" REST "    condition: {ge: 1}\n", "correlation condition");
    corr_refused("    type: event_count\n" REST "    condition: {gte: many}\n", "correlation condition");
    corr_refused("    type: event_count\n" REST "    condition: {gte: 1, field: x}\n",
                 "correlation condition");
    corr_refused("    type: value_count\n" REST "    condition: {gte: 1}\n", "correlation condition");
    corr_refused("    type: event_count\n" REST "    condition: {gte: 1}\n    aliases: {a: base}\n",
                 "aliases");
    corr_refused("    type: event_count\n" REST "    condition: {gte: 1}\n    window: sliding\n",
                 "unknown correlation key");
    corr_refused("    type: event_count\n    timespan: 1m\n    condition: {gte: 1}\n", "no rules");
    corr_refused("    type: event_count\n    rules: [base]\n    condition: {gte: 1}\n", "timespan");
    corr_refused("    type: event_count\n    rules: [nobody]\n    timespan: 1m\n    condition: {gte: 1}\n",
                 "unknown rule");
    corr_refused("    type: event_count\n    rules: [c]\n    timespan: 1m\n    condition: {gte: 1}\n",
                 "reference cycle");
}

static void test_C_111_references(void **state)
{
    (void)state;
#define COUNT(id, ref)                                                                                       \
    "title: " id "\nid: " id "\ncorrelation: {type: event_count, rules: " ref                                \
    ", timespan: 1m, condition: {gte: 1}}\n"
    /* by id and by name is one rule, once */
    kit_load(&kit, BASE "---\n" COUNT("c", "[base, b-id]"));
    assert_int_equal(by_id("c")->correlation->rule_count, 1);
    assert_null(by_id("c")->correlation->group_by);
    /* two rules of one name */
    kit_load(&kit, BASE "---\ntitle: b2\nid: b2\nname: base\n" BODY
                        "---\n" COUNT("c", "[base]") "---\n" COUNT("d", "b2"));
    assert_string_equal(kit_refusal(&kit), "ambiguous name");
    assert_non_null(by_id("d"));
    /* a chain */
    kit_load(&kit, BASE "---\n" COUNT("c", "base") "---\n" COUNT("d", "c"));
    assert_string_equal(kit_refusal(&kit), "");
    assert_int_equal(by_id("c")->correlation->layer, 0);
    assert_int_equal(by_id("d")->correlation->layer, 1);
    assert_true(by_id("c")->silent && !by_id("d")->silent);
    assert_int_equal(by_id("c")->used_by[0], by_id("d")->info.ordinal);
    assert_int_equal(by_id("c")->steps[0], 0);
    /* a refused rule takes along what refers to it */
    kit_load(&kit, "title: b\nname: base\ndetection: {condition: x}\n---\n" COUNT("c", "base"));
    assert_int_equal(ruleset_count(kit.set), 0);
    size_t refusals = 0;
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++)
        refusals += ruleset_note(kit.set, i)->verdict == RULE_REFUSED;
    assert_int_equal(refusals, 2);
}

/* --- the set
 * -------------------------------------------------------------------------------------------------------------------
 */

static void test_C_110_order_of_sources_does_not_matter(void **state)
{
    (void)state;
    struct rule_source sources[] = {
        {.path = SV("a.yml"), .bytes = SV("title: late\nid: 9\n" BODY)},
        {.path = SV("b.yml"), .bytes = SV("title: first\nid: 1\nname: n\n" BODY)},
        {.path = SV("c.yml"), .bytes = SV("title: second of this id\nid: 1\n" BODY)},
        {.path = SV("d.yml"), .bytes = SV(COUNT("5", "[n, '9']"))},
    };
    struct ruleset *one, *other;
    assert_int_equal(ruleset_new(sources, 4, &one, NULL), 0);
    struct rule_source turned[] = {sources[3], sources[2], sources[1], sources[0]};
    assert_int_equal(ruleset_new(turned, 4, &other, NULL), 0);
    assert_int_equal(one->count, 3);
    assert_int_equal(other->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(sv_eq(one->rules[i].info.id, other->rules[i].info.id));
        assert_true(sv_eq(one->rules[i].info.title, other->rules[i].info.title));
        assert_memory_equal(one->rules[i].content, other->rules[i].content, 16);
    }
    assert_true(sv_is(one->rules[0].info.title, "first"));
    assert_true(sv_is(one->rules[1].info.id, "5"));
    assert_int_equal(one->rules[1].correlation->rules[0], 0);
    assert_int_equal(one->rules[1].correlation->rules[1], 2);
    assert_int_equal(one->note_count, other->note_count);
    for (size_t i = 0; i < one->note_count; i++) {
        assert_string_equal(one->notes[i].err.file, other->notes[i].err.file);
        assert_string_equal(one->notes[i].construct, other->notes[i].construct);
        assert_true(i == 0 || strcmp(one->notes[i - 1].err.file, one->notes[i].err.file) <= 0);
    }
    ruleset_free(&one);
    ruleset_free(&other);
}

static void test_C_110_content_hashes(void **state)
{
    (void)state;
    uint8_t base[16], corr[16];
    kit_load(&kit, BASE "---\n" COUNT("c", "base"));
    memcpy(base, by_id("b-id")->content, 16);
    memcpy(corr, by_id("c")->content, 16);
    kit_load(&kit, "# moved\n\n" BASE "---\n" COUNT("c", "base") "---\ntitle: new\n" BODY);
    assert_memory_equal(by_id("b-id")->content, base, 16);
    assert_memory_equal(by_id("c")->content, corr, 16);
    /* texts, tags and severity are not what it does */
    kit_load(&kit, "title: changed\nid: b-id\nname: base\nstatus: stable\n" BODY "---\n" COUNT("c", "base"));
    assert_memory_equal(by_id("b-id")->content, base, 16);
    assert_memory_equal(by_id("c")->content, corr, 16);
    kit_load(&kit, "title: base\nid: b-id\nname: base\nlogsource: {product: other}\ndetection:\n"
                   "    s: {a: 2}\n    condition: s\n---\n" COUNT("c", "base"));
    assert_memory_not_equal(by_id("b-id")->content, base, 16);
    assert_memory_not_equal(by_id("c")->content, corr, 16);
}

static bool filtered_match(const char *filter, const char *json)
{
    struct sv yaml = arena_printf(
        &kit.arena,
        "title: r\nid: r-id\nname: r\nlogsource: {product: windows, category: process_creation}\n"
        "detection:\n    s:\n        a: 1\n    condition: s\n---\n%s",
        filter);
    kit_load(&kit, yaml.p);
    struct event event = kit_event(&kit, json);
    const uint32_t *candidates;
    bool matches = rule_matches(by_id("r-id"), &event, kit.scratch);
    bool candidate = rule_candidates(kit.set, &event, kit.scratch, &candidates) == 1;
    assert_true(candidate || !matches);
    return matches;
}

#define FILTER(logsource, rules, condition)                                                                  \
    "title: f\nlogsource: {" logsource "}\nfilter:\n    rules: " rules                                       \
    "\n    selection:\n        User|startswith: adm_\n    condition: " condition "\n"

static void test_C_110_filters(void **state)
{
    (void)state;
    static const char adm[] = "{\"a\":1,\"User\":\"adm_x\"}", other[] = "{\"a\":1,\"User\":\"bob\"}";
    const char *minus = FILTER("product: windows", "[r-id]", "not selection");
    assert_false(filtered_match(minus, adm));
    assert_true(filtered_match(minus, other));
    assert_true(filtered_match(minus, "{\"a\":1}"));
    assert_false(filtered_match(minus, "{\"a\":2,\"User\":\"bob\"}"));
    const char *plus =
        FILTER("product: Windows, category: process_creation", "[r]", "selection"); /* by name */
    assert_true(filtered_match(plus, adm));
    assert_false(filtered_match(plus, other));
    assert_false(filtered_match(FILTER("", "any", "not selection"), adm));
    /* two, and one that is listed twice */
    const char *both = FILTER("", "any", "not selection") "---\n" FILTER("", "[r, r-id, r]", "selection");
    assert_false(filtered_match(both, adm));
    assert_false(filtered_match(both, other));
    /* not its log source: nothing happens, and that is said */
    assert_true(filtered_match(FILTER("product: linux", "[r-id]", "not selection"), adm));
    assert_int_equal(warnings("filter"), 1);
    assert_true(filtered_match(FILTER("product: windows, service: x", "any", "not selection"), adm));
    assert_true(filtered_match(FILTER("", "[elsewhere]", "not selection"), adm));
    assert_int_equal(warnings("filter"), 1);
}

static void test_C_110_a_filter_is_part_of_what_a_rule_means(void **state)
{
    (void)state;
    uint8_t plain[16], first[16];
    filtered_match("", "{}");
    memcpy(plain, by_id("r-id")->content, 16);
    filtered_match(FILTER("", "any", "not selection"), "{}");
    memcpy(first, by_id("r-id")->content, 16);
    assert_memory_not_equal(plain, first, 16);
    filtered_match("# the same\n" FILTER("", "any", "not selection"), "{}");
    assert_memory_equal(by_id("r-id")->content, first, 16);
    filtered_match(FILTER("", "any", "selection"), "{}");
    assert_memory_not_equal(by_id("r-id")->content, first, 16);
}

#define VALUES "placeholders:\n    admins: [adm_1, adm_*]\n    host: h\n---\n"
#define WITH(line)                                                                                           \
    "title: e\nid: e-id\nlogsource: {}\ndetection:\n    s:\n        " line "\n    condition: s\n"

static bool expanded_match(const char *yaml, const char *json)
{
    kit_load(&kit, yaml);
    struct event event = kit_event(&kit, json);
    kit_show_notes(&kit);
    assert_int_equal(ruleset_count(kit.set), 1);
    return rule_matches(by_id("e-id"), &event, kit.scratch);
}

static void test_C_110_placeholders_have_values(void **state)
{
    (void)state;
    const char *yaml = VALUES WITH("User|expand: '%admins%'");
    assert_true(expanded_match(yaml, "{\"User\":\"ADM_1\"}"));
    assert_true(expanded_match(yaml, "{\"User\":\"adm_77\"}")); /* as if written there: wildcards count */
    assert_false(expanded_match(yaml, "{\"User\":\"bob\"}"));
    assert_false(expanded_match(yaml, "{\"User\":\"%admins%\"}"));
    assert_true(
        expanded_match(VALUES WITH("U|contains|expand: '%host%-%admins%\\%'"), "{\"U\":\"xh-adm_1%x\"}"));
    assert_false(
        expanded_match(VALUES WITH("U|contains|expand: '%host%-%admins%\\%'"), "{\"U\":\"xh-adm_1x\"}"));
    assert_true(expanded_match(WITH("U|expand: '%host%'") "---\nplaceholders: {host: z}\n", "{\"U\":\"z\"}"));
    kit_load(&kit, VALUES WITH("U|expand: '%other%'"));
    assert_string_equal("expand without values", kit_refusal(&kit));
    kit_load(&kit, VALUES "placeholders: {host: i}\n");
    assert_string_equal("placeholders", kit_refusal(&kit));
    kit_load(&kit, "placeholders: [a]\n");
    assert_string_equal("placeholders", kit_refusal(&kit));
    kit_load(&kit, "placeholders: {a: []}\n");
    assert_string_equal("placeholders", kit_refusal(&kit));
    kit_load(&kit, "placeholders: {a: {b: c}}\n");
    assert_string_equal("wrong type", kit_refusal(&kit));
}

static void test_C_110_values_are_part_of_what_a_rule_means(void **state)
{
    (void)state;
    uint8_t first[16];
    kit_load(&kit, VALUES WITH("U|expand: '%host%'"));
    memcpy(first, by_id("e-id")->content, 16);
    kit_load(&kit, "placeholders: {host: z}\n---\n" WITH("U|expand: '%host%'"));
    assert_memory_not_equal(first, by_id("e-id")->content, 16);
    kit_load(&kit, WITH("U: x"));
    memcpy(first, by_id("e-id")->content, 16);
    kit_load(&kit, VALUES WITH("U: x")); /* not asked: the same */
    assert_memory_equal(first, by_id("e-id")->content, 16);
}

static void test_C_110_too_many_combinations_are_refused(void **state)
{
    (void)state;
    struct buf yaml;
    buf_init(&yaml, 1 << 20);
    buf_str(&yaml, "placeholders:\n    p: [");
    for (int i = 0; i < 101; i++)
        buf_printf(&yaml, "%sv%d", i > 0 ? ", " : "", i);
    buf_str(&yaml, "]\n---\n" WITH("U|expand: '%p%%p%'"));
    struct sv text = arena_sv(&kit.arena, buf_view(&yaml));
    kit_load(&kit, text.p);
    assert_string_equal("too large", kit_refusal(&kit));
    buf_free(&yaml);
}

static void test_C_110_nothing_at_all(void **state)
{
    (void)state;
    struct ruleset *set = NULL;
    assert_int_equal(ruleset_new(NULL, 0, &set, NULL), 0);
    assert_int_equal(ruleset_count(set), 0);
    assert_int_equal(ruleset_note_count(set), 0);
    ruleset_free(&set);
    assert_null(set);
    ruleset_free(&set);
    kit_load(&kit, "# only a comment\n");
    assert_int_equal(warnings("empty file"), 1);
}

/* --- files
 * ---------------------------------------------------------------------------------------------------------------------
 */

static void put(const char *dir, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_C_110_rule_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/tocsin-rules-XXXXXX", path[512];
    struct arena arena = {0};
    struct rule_source *sources;
    size_t count;
    struct err err = {0};
    assert_non_null(mkdtemp(dir));
    static const char *const folders[] = {"pack", "pack/tests", "pack/deep", ".hidden"};
    for (size_t i = 0; i < TC_ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    static const char *const rules[] = {"b.yml",     "a.yaml",           "pack/r.yml",    "pack/deep/s.yml",
                                        "readme.md", "pack/tests/t.yml", ".hidden/x.yml", "custom.yml"};
    for (size_t i = 0; i < TC_ARRAY_LEN(rules); i++)
        put(dir, rules[i], "title: t\n" BODY);
    put(dir, "custom.yml", "title: t\ntests: [a key of my own]\n" BODY);
    put(dir, "pack/pack.yml", "pack:\n  name: p\n");
    put(dir, "unit.yml", "tests:\n  - x\n");
    assert_int_equal(rule_files_collect(&fs_system, dir, &arena, &sources, &count, &err), 0);
    static const char *const expected[] = {"a.yaml", "b.yml", "custom.yml", "pack/deep/s.yml", "pack/r.yml"};
    assert_int_equal(count, TC_ARRAY_LEN(expected));
    for (size_t i = 0; i < count; i++) {
        assert_true(sv_is(sv_from(sources[i].path, strlen(dir) + 1), expected[i]));
        assert_int_equal(sources[i].in_pack, i >= 3);
    }
    /* a file that is named is taken */
    snprintf(path, sizeof path, "%s/unit.yml", dir);
    assert_int_equal(rule_files_collect(&fs_system, path, &arena, &sources, &count, &err), 0);
    assert_int_equal(count, 1);
    snprintf(path, sizeof path, "%s/nothing", dir);
    assert_int_equal(rule_files_collect(&fs_system, path, &arena, &sources, &count, &err), TC_ENOTFOUND);
    assert_non_null(strstr(err.text, "nothing"));
    snprintf(path, sizeof path, "rm -rf %s", dir);
    assert_int_equal(system(path), 0);
    arena_free(&arena);
}

static int end(void **state)
{
    (void)state;
    kit_free(&kit);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_110_information),
        cmocka_unit_test(test_C_110_ids),
        cmocka_unit_test(test_D_01_levels),
        cmocka_unit_test(test_D_19_owner_and_runbook),
        cmocka_unit_test(test_C_110_documents_that_are_refused),
        cmocka_unit_test(test_C_110_a_refused_document_costs_itself),
        cmocka_unit_test(test_C_110_collections_with_actions),
        cmocka_unit_test(test_C_110_actions_leave_what_is_no_detection),
        cmocka_unit_test(test_C_110_actions_are_bounded),
        cmocka_unit_test(test_C_110_actions_are_bounded_where_aliases_unfold),
        cmocka_unit_test(test_C_110_actions_keep_every_entry),
        cmocka_unit_test(test_C_110_merge_keys_are_bounded),
        cmocka_unit_test(test_C_110_merge_keys_and_byte_order_marks),
        cmocka_unit_test(test_C_110_unfolding_aliases_are_bounded),
        cmocka_unit_test(test_C_111_event_count),
        cmocka_unit_test(test_C_111_value_count_and_generate),
        cmocka_unit_test(test_C_111_timespans),
        cmocka_unit_test(test_C_111_refused_by_name),
        cmocka_unit_test(test_C_111_references),
        cmocka_unit_test(test_C_110_order_of_sources_does_not_matter),
        cmocka_unit_test(test_C_110_content_hashes),
        cmocka_unit_test(test_C_110_filters),
        cmocka_unit_test(test_C_110_a_filter_is_part_of_what_a_rule_means),
        cmocka_unit_test(test_C_110_placeholders_have_values),
        cmocka_unit_test(test_C_110_values_are_part_of_what_a_rule_means),
        cmocka_unit_test(test_C_110_too_many_combinations_are_refused),
        cmocka_unit_test(test_C_110_nothing_at_all),
        cmocka_unit_test(test_C_110_rule_files),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
