/*
 * Processing pipelines: what each transformation and condition does to whether a rule matches, how several
 * are put in order, what is refused and where; and the pipelines that the program carries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/embedded.h"
#include "base/fs.h"
#include "detect/detect_testkit.h"

#define RULE(detection)                                                                                      \
    "title: R\nid: r\nlogsource: {product: windows, category: process_creation}\ntags: [attack.t1]\n"        \
    "detection:\n" detection
#define SEL(lines)  RULE("  sel: {" lines "}\n  condition: sel\n")
#define PIPE(items) "name: p\npriority: 10\ntransformations:\n" items

static struct err failure;

/* Loads the rule with the pipelines; false where a pipeline cannot be read. */
static bool load(struct kit *kit, const char *rule, const char *pipeline, const char *second)
{
    struct rule_source sources[3] = {{SV("rule.yml"), sv_of(rule), false},
                                     {SV("pipe1.yml"), sv_of(pipeline), false},
                                     {SV("pipe2.yml"), sv_of(second == NULL ? "" : second), false}};
    kit_free(kit);
    failure = (struct err){0};
    return ruleset_new(sources, second == NULL ? 2 : 3, &kit->set, &failure) == 0;
}

static bool matches(struct kit *kit, const char *json)
{
    struct event event = kit_event(kit, json);
    struct match_scratch *scratch = match_scratch_new();
    assert_int_equal(ruleset_count(kit->set), 1);
    bool matched =
        rule_applies(&kit->set->rules[0], &event) && rule_matches(&kit->set->rules[0], &event, scratch);
    match_scratch_free(&scratch);
    return matched;
}

/* `yes` must match, `no` must not; each may be NULL. */
static void check(const char *rule, const char *pipeline, const char *yes, const char *no)
{
    struct kit kit = {0};
    assert_true(load(&kit, rule, pipeline, NULL));
    kit_show_notes(&kit);
    if (yes != NULL)
        assert_true(matches(&kit, yes));
    if (no != NULL)
        assert_false(matches(&kit, no));
    kit_free(&kit);
}

static void unreadable(const char *pipeline, unsigned line, const char *text)
{
    struct kit kit = {0};
    assert_false(load(&kit, SEL("a: 1"), pipeline, NULL));
    assert_null(kit.set);
    assert_string_equal(failure.file, "pipe1.yml");
    assert_int_equal(failure.line, line);
    assert_non_null(strstr(failure.text, text));
    kit_free(&kit);
}

static void refused(const char *rule, const char *pipeline, const char *text)
{
    struct kit kit = {0};
    assert_true(load(&kit, rule, pipeline, NULL));
    assert_int_equal(ruleset_count(kit.set), 0);
    assert_string_equal(kit_refusal(&kit), "pipeline");
    assert_non_null(strstr(ruleset_note(kit.set, 0)->err.text, text));
    assert_string_equal(ruleset_note(kit.set, 0)->err.file, "rule.yml");
    kit_free(&kit);
}

/* --- fields
 * -------------------------------------------------------------------------------------------------------------
 */

static void test_field_name_mapping(void **state)
{
    (void)state;
#define MAP PIPE("  - {type: field_name_mapping, mapping: {Image: process.executable, User: [u1, u2]}}\n")
    check(SEL("Image|endswith: x"), MAP, "{\"process.executable\":\"ax\"}", "{\"Image\":\"ax\"}");
    check(SEL("User: x"), MAP, "{\"u1\":\"x\"}", "{\"User\":\"x\"}");
    check(SEL("User: x"), MAP, "{\"u2\":\"x\",\"u1\":\"y\"}", "{\"u1\":\"y\"}");
    check(SEL("User: x, Other: 1"), MAP, "{\"u2\":\"x\",\"Other\":1}", "{\"u2\":\"x\"}"); /* OR within AND */
    check(SEL("User|contains|all: [a, b]"), MAP, "{\"u2\":\"ab\"}", "{\"u1\":\"a\",\"u2\":\"b\"}");
    check(SEL("Image|fieldref: Image"), MAP, "{\"process.executable\":\"x\"}", "{\"Image\":\"x\"}");
    check(RULE("  sel:\n    - Image: x\n    - word\n  condition: sel\n"), MAP,
          "{\"process.executable\":\"x\"}", "{\"Image\":\"y\"}");
    /* a second item works on both names that the first one gave */
    check(SEL("User: x"),
          PIPE("  - {type: field_name_mapping, mapping: {User: [u1, u2]}}\n"
               "  - {type: field_name_mapping, mapping: {u2: u3}}\n"),
          "{\"u3\":\"x\"}", "{\"u2\":\"x\"}");
}

static void test_prefix_suffix_and_prefix_mapping(void **state)
{
    (void)state;
    check(SEL("a: 1"), PIPE("  - {type: field_name_prefix, prefix: win.}\n"), "{\"win.a\":1}", "{\"a\":1}");
    check(SEL("a|contains: x"), PIPE("  - {type: field_name_suffix, suffix: .keyword}\n"),
          "{\"a.keyword\":\"axa\"}", "{\"a\":\"x\"}");
    check(SEL("win.a: 1"), PIPE("  - {type: field_name_prefix_mapping, mapping: {win.: w_}}\n"),
          "{\"w_a\":1}", "{\"win.a\":1}");
    check(SEL("win.a: 1"), PIPE("  - {type: field_name_prefix_mapping, mapping: {win.: [w_, v_]}}\n"),
          "{\"v_a\":1}", "{\"a\":1}");
}

static void test_correlations_and_their_fields(void **state)
{
    struct kit kit = {0};
    (void)state;
    const char *rules =
        "title: A\nid: a\nname: base\nlogsource: {product: windows}\ndetection: {s: {x: 1}, "
        "condition: s}\n---\ntitle: C\nid: c\ncorrelation:\n  type: value_count\n  rules: [base]\n"
        "  group-by: [User, al]\n  timespan: 1m\n  aliases: {al: {base: Image}}\n"
        "  condition: {gte: 2, field: Image}\n";
    assert_true(load(&kit, rules,
                     PIPE("  - type: field_name_mapping\n    mapping: {Image: exe, User: user.name, al: no}\n"
                          "    rule_conditions: [{type: logsource, product: windows}]\n"),
                     NULL));
    const struct correlation *c = kit.set->rules[1].correlation;
    assert_non_null(c);
    assert_true(sv_is(c->group_by[0].name, "user.name"));
    assert_true(sv_is(c->group_by[1].name, "al"));
    assert_true(sv_is(c->fields[0].name, "exe"));
    assert_true(sv_is(c->lookups[1].name, "exe"));
    /* several names are for lines of selections */
    assert_true(load(&kit, rules, PIPE("  - {type: field_name_mapping, mapping: {User: [a, b]}}\n"), NULL));
    assert_int_equal(ruleset_count(kit.set), 1);
    assert_string_equal(kit_refusal(&kit), "pipeline");
    /* of another log source */
    assert_true(load(&kit, rules,
                     PIPE("  - type: field_name_mapping\n    mapping: {User: user.name}\n"
                          "    rule_conditions: [{type: logsource, product: linux}]\n"),
                     NULL));
    assert_true(sv_is(kit.set->rules[1].correlation->group_by[0].name, "User"));
    kit_free(&kit);
}

/* --- values
 * -------------------------------------------------------------------------------------------------------------
 */

static void test_values(void **state)
{
    (void)state;
    check(SEL("a: 'C:\\x'"), PIPE("  - {type: replace_string, regex: '^C:', replacement: ''}\n"),
          "{\"a\":\"\\\\x\"}", "{\"a\":\"C:\\\\x\"}");
    check(SEL("a: [one-two, x]"),
          PIPE("  - {type: replace_string, regex: '(\\w+)-(?<b>\\w+)', replacement: '\\g<b>$\\1'}\n"),
          "{\"a\":\"two$one\"}", "{\"a\":\"one-two\"}");
    check(SEL("a: [low, high]"), PIPE("  - {type: map_string, mapping: {low: [1, 2], high: 9}}\n"),
          "{\"a\":\"2\"}", "{\"a\":\"low\"}");
    check(SEL("a: low"), PIPE("  - {type: map_string, mapping: {low: [1, 2]}}\n"), "{\"a\":\"1\"}",
          "{\"a\":\"low\"}");
    check(SEL("a: low"), PIPE("  - {type: set_value, value: 5}\n"), "{\"a\":5}", "{\"a\":\"low\"}");
    check(SEL("a|cased: low"), PIPE("  - {type: case, method: upper}\n"), "{\"a\":\"LOW\"}",
          "{\"a\":\"low\"}");
    check(SEL("a: 5"), PIPE("  - {type: convert_type, target_type: str}\n"), "{\"a\":\"5\"}",
          "{\"a\":\"5.0\"}");
    check(SEL("a: '5'"), PIPE("  - {type: convert_type, target_type: num}\n"), "{\"a\":\"5.0\"}",
          "{\"a\":6}");
}

static void test_hashes_fields(void **state)
{
    (void)state;
#define HASHES(more)                                                                                         \
    PIPE("  - {type: hashes_fields, valid_hash_algos: [MD5, SHA256], field_prefix: File" more "}\n")
    static const char line[] = SEL("Hashes|contains: ['MD5=ABC1', 'sha256=DEF2', 'IMPHASH=9']");
    check(line, HASHES(""), "{\"FileMD5\":\"abc1\"}", "{\"FileMD5\":\"def2\"}");
    check(line, HASHES(""), "{\"FileSHA256\":\"def2\",\"FileMD5\":\"no\"}", "{\"Hashes\":\"MD5=ABC1\"}");
    check(line, HASHES(", drop_algo_prefix: true"), "{\"File\":\"DEF2\"}", "{\"FileMD5\":\"ABC1\"}");
    check(SEL("Hashes|contains|all: ['MD5=1', 'SHA256=2']"), HASHES(""),
          "{\"FileMD5\":\"1\",\"FileSHA256\":\"2\"}", "{\"FileMD5\":\"1\"}");
    check(SEL("Hashes: '*MD5=1*', other: x"), HASHES(""), "{\"FileMD5\":\"1\",\"other\":\"x\"}",
          "{\"FileMD5\":\"1\"}");
    check(SEL("Hash: 0123456789abcdef0123456789abcdef"), HASHES(""),
          "{\"FileMD5\":\"0123456789ABCDEF0123456789abcdef\"}", "{\"FileMD5\":\"0123\"}");
    check(SEL("sum: 'MD5=1'"), HASHES(", field_to_parse: [sum]"), "{\"FileMD5\":\"1\"}",
          "{\"sum\":\"MD5=1\"}");
    check(SEL("Hashes|exists: true"), HASHES(""), "{\"Hashes\":\"1\"}", "{\"x\":\"1\"}");
    refused(SEL("Hashes: 'IMPHASH=9'"), HASHES(""), "no hash of an algorithm");
    /* these would have come to mean the opposite, or nothing */
    refused(SEL("Hashes|contains|neq: 'MD5=1'"), HASHES(""), "hashes_fields changes lines");
    refused(SEL("Hashes|re: 'MD5=0+'"), HASHES(""), "hashes_fields changes lines");
    unreadable(PIPE("  - {type: hashes_fields}\n"), 4, "valid_hash_algos");
    unreadable(PIPE("  - {type: hashes_fields, valid_hash_algos: MD5}\n"), 4, "must be a list");
    unreadable(PIPE("  - {type: hashes_fields, valid_hash_algos: [MD5], drop_algo_prefix: true}\n"), 4,
               "field_prefix");
}

static void test_fields_to_show_change_nothing(void **state)
{
    (void)state;
    check(RULE("  sel: {a: 1}\n  condition: sel\n"),
          PIPE("  - {type: add_field, field: [x, y]}\n  - {type: remove_field, field: x}\n"), "{\"a\":1}",
          "{\"x\":1}");
    unreadable(PIPE("  - {type: add_field}\n"), 4, "field");
}

static void test_placeholders(void **state)
{
    (void)state;
#define VARS "name: p\nvars: {adm: [ann, bob], one: x*}\ntransformations:\n"
    check(SEL("a|expand: '%adm%'"), VARS "  - {type: value_placeholders}\n", "{\"a\":\"bob\"}",
          "{\"a\":\"carol\"}");
    check(SEL("a|expand|endswith: '%adm%-%one%'"), VARS "  - {type: value_placeholders}\n",
          "{\"a\":\"1ann-xyz\"}", "{\"a\":\"ann\"}");
    check(SEL("a|expand: 'k%any%'"), PIPE("  - {type: wildcard_placeholders}\n"), "{\"a\":\"kx\"}",
          "{\"a\":\"x\"}");
    check(SEL("a|expand: '%adm%%any%'"),
          VARS "  - {type: value_placeholders, include: [adm]}\n  - {type: wildcard_placeholders}\n",
          "{\"a\":\"ann1\"}", "{\"a\":\"an1\"}");
    check(SEL("a|expand: '\\%adm\\%'"), VARS "  - {type: value_placeholders}\n", "{\"a\":\"\\\\%adm\\\\%\"}",
          NULL);
    refused(SEL("a|expand: '%who%'"), VARS "  - {type: value_placeholders}\n", "%who%");
}

/* --- rules
 * -------------------------------------------------------------------------------------------------------------
 */

static void test_add_condition_and_logsource(void **state)
{
    (void)state;
    check(SEL("a: 1"), PIPE("  - {type: add_condition, conditions: {EventID: [1, 2]}}\n"),
          "{\"a\":1,\"EventID\":2}", "{\"a\":1,\"EventID\":3}");
    check(SEL("a: 1"), PIPE("  - {type: add_condition, conditions: {b: 2}, negated: true}\n"), "{\"a\":1}",
          "{\"a\":1,\"b\":2}");
    check(RULE("  s1: {a: 1}\n  s2: {b: 1}\n  condition: 1 of them\n"),
          PIPE("  - {type: add_condition, conditions: {c: 1}}\n"), "{\"b\":1,\"c\":1}", "{\"c\":1}");
    check(RULE("  s1: {a: 1}\n  s2: {b: 1}\n  condition: [s1, s2]\n"),
          PIPE("  - {type: add_condition, name: extra, conditions: {c: 1}}\n"), "{\"b\":1,\"c\":1}",
          "{\"b\":1}");
    check(SEL("a: 1"),
          PIPE("  - {type: add_condition, template: true, conditions: {src: '$product/$category'}}\n"),
          "{\"a\":1,\"src\":\"windows/process_creation\"}", "{\"a\":1}");
    struct kit kit = {0};
    assert_true(load(&kit, SEL("a: 1"),
                     PIPE("  - {type: change_logsource, product: windows, service: sysmon}\n"), NULL));
    assert_true(sv_is(kit.set->rules[0].service, "sysmon") && kit.set->rules[0].category.n == 0);
    kit_free(&kit);
}

static void test_drop_and_failures(void **state)
{
    (void)state;
#define DROP                                                                                                 \
    PIPE("  - type: drop_detection_item\n    field_name_conditions: [{type: include_fields, fields: "        \
         "[b]}]\n")
    check(SEL("a: 1, b: 2"), DROP, "{\"a\":1}", "{\"b\":2}");
    check(RULE("  sel:\n    - {a: 1, b: 2}\n    - c: 3\n  condition: sel\n"), DROP, "{\"a\":1}", "{\"b\":2}");
    refused(SEL("b: 2"), DROP, "drops all");
    refused(SEL("a: 1"), PIPE("  - {type: rule_failure, message: not here}\n"), "not here (pipe1.yml:4)");
    refused(SEL("a: 1, b: 2"),
            PIPE("  - type: detection_item_failure\n    message: no b\n"
                 "    field_name_conditions: [{type: include_fields, fields: [b]}]\n"),
            "no b");
    check(SEL("a: 1"),
          PIPE("  - type: rule_failure\n    message: not here\n    rule_conditions: [{type: tag, tag: "
               "other}]\n"),
          "{\"a\":1}", NULL);
}

/* --- conditions: each guards a renaming of a to z
 * -------------------------------------------------------------------------------------------------------------
 */

static void guarded(const char *rule, const char *before, const char *conditions, bool holds)
{
    struct kit kit = {0};
    struct sv pipe = arena_printf(&kit.arena,
                                  "name: p\ntransformations:\n%s  - type: field_name_mapping\n"
                                  "    mapping: {a: z}\n%s",
                                  before, conditions);
    struct kit other = {0};
    bool loaded = load(&other, rule, pipe.p, NULL);
    if (!loaded)
        print_message("%s:%u: %s\n", failure.file, failure.line, failure.text);
    assert_true(loaded);
    assert_int_equal(matches(&other, "{\"z\":\"x1\"}"), holds);
    assert_int_equal(matches(&other, "{\"a\":\"x1\"}"), !holds);
    kit_free(&other);
    kit_free(&kit);
}

static void test_rule_conditions(void **state)
{
    (void)state;
#define ONE(condition) "    rule_conditions:\n      - " condition "\n"
    static const struct {
        const char *conditions;
        bool holds;
    } cases[] = {
        {ONE("{type: logsource, product: windows}"), true},
        {ONE("{type: logsource, product: windows, category: process_creation}"), true},
        {ONE("{type: logsource, service: sysmon}"), false},
        {ONE("{type: contains_detection_item, field: a, value: x1}"), true},
        {ONE("{type: contains_detection_item, field: a, value: x2}"), false},
        {ONE("{type: contains_field, field: a}"), true},
        {ONE("{type: contains_field, field: q}"), false},
        {ONE("{type: is_sigma_rule}"), true},
        {ONE("{type: is_sigma_correlation_rule}"), false},
        {ONE("{type: tag, tag: attack.t1}"), true},
        {ONE("{type: rule_attribute, attribute: title, value: R}"), true},
        {ONE("{type: processing_state, key: k, val: v}"), true},
        {ONE("{type: processing_state, key: k, val: w}"), false},
        {ONE("{type: processing_item_applied, processing_item_id: st}"), true},
        {ONE("{type: processing_item_applied, processing_item_id: nobody}"), false},
        {ONE("{type: is_sigma_rule}\n      - {type: tag, tag: no}"), false},
        {"    rule_cond_op: or\n" ONE("{type: is_sigma_rule}\n      - {type: tag, tag: no}"), true},
        {"    rule_cond_not: true\n" ONE("{type: tag, tag: no}"), true},
        {"    rule_cond_expr: (w and not t) or n\n    rule_conditions:\n      w: {type: logsource, product: "
         "windows}\n      t: {type: tag, tag: no}\n      n: {type: is_sigma_correlation_rule}\n",
         true},
        {"    rule_cond_expr: w and t\n    rule_conditions:\n      w: {type: logsource, product: windows}\n"
         "      t: {type: tag, tag: no}\n",
         false},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++)
        guarded(SEL("a: x1"), "  - {id: st, type: set_state, key: k, val: v}\n", cases[i].conditions,
                cases[i].holds);
}

static void test_conditions_on_lines_and_fields(void **state)
{
    (void)state;
#define ITEM(condition)  "    detection_item_conditions: [" condition "]\n"
#define FIELD(condition) "    field_name_conditions: [" condition "]\n"
    static const struct {
        const char *conditions;
        bool holds;
    } cases[] = {
        {ITEM("{type: match_string, cond: any, pattern: 'x\\d'}"), true},
        {ITEM("{type: match_string, cond: any, pattern: '\\d'}"), false}, /* from the beginning on */
        {ITEM("{type: match_string, cond: all, pattern: x}"), false},
        {ITEM("{type: match_string, cond: any, pattern: y, negate: true}"), true},
        {ITEM("{type: match_value, cond: any, value: x1}"), true},
        {ITEM("{type: match_value, cond: all, value: x1}"), false},
        {ITEM("{type: contains_wildcard, cond: any}"), false},
        {ITEM("{type: is_null, cond: any}"), false},
        {FIELD("{type: include_fields, fields: [a, b]}"), true},
        {FIELD("{type: include_fields, fields: [b]}"), false},
        {FIELD("{type: include_fields, mode: re, fields: ['[ab]$']}"), true},
        {FIELD("{type: exclude_fields, fields: [b]}"), true},
        {FIELD("{type: exclude_fields, fields: [a]}"), false},
        {"    field_name_cond_not: true\n" FIELD("{type: include_fields, fields: [b]}"), true},
        {FIELD("{type: processing_item_applied, processing_item_id: up}"), true},
        {FIELD("{type: processing_item_applied, processing_item_id: nobody}"), false},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++)
        guarded(SEL("a: [x1, other]"), "  - {id: up, type: convert_type, target_type: str}\n",
                cases[i].conditions, cases[i].holds);
}

/* --- several, and what is refused
 * -------------------------------------------------------------------------------------------------------------
 */

static void test_order_is_priority_then_file(void **state)
{
    struct kit kit = {0};
    (void)state;
    static const char to_b[] =
        "priority: 20\ntransformations:\n  - {type: field_name_mapping, mapping: {a: b}}\n";
    static const char to_c[] =
        "priority: 10\ntransformations:\n  - {type: field_name_mapping, mapping: {a: c}}\n";
    static const char b_d[] =
        "priority: 30\ntransformations:\n  - {type: field_name_mapping, mapping: {b: d}}\n";
    assert_true(load(&kit, SEL("a: 1"), to_b, to_c));
    assert_true(matches(&kit, "{\"c\":1}"));
    assert_true(load(&kit, SEL("a: 1"), b_d, to_b));
    assert_true(matches(&kit, "{\"d\":1}"));
    kit_free(&kit);
}

static void test_another_pipeline_makes_another_rule(void **state)
{
    struct kit a = {0}, b = {0};
    struct ruleset_difference d;
    (void)state;
    assert_true(load(&a, SEL("a: 1"), PIPE("  - {type: field_name_mapping, mapping: {a: b}}\n"), NULL));
    assert_true(load(&b, SEL("a: 1"), PIPE("  - {type: field_name_mapping, mapping: {a: c}}\n"), NULL));
    ruleset_compare(a.set, b.set, &d);
    assert_int_equal(d.changed, 1);
    assert_true(load(&b, SEL("a: 1"), PIPE("  - {type: field_name_mapping, mapping: {q: c, a: b}}\n"), NULL));
    ruleset_compare(a.set, b.set, &d);
    assert_int_equal(d.unchanged, 1);
    kit_free(&a);
    kit_free(&b);
}

static void test_unreadable_pipelines_fail_by_name_and_place(void **state)
{
    (void)state;
    unreadable(PIPE("  - {type: nest, items: []}\n"), 4, "\"nest\" is not known");
    unreadable(PIPE("  - {type: query_expression_placeholders}\n"), 4, "query_expression_placeholders");
    unreadable(PIPE("  - {id: x}\n"), 4, "needs a type");
    unreadable(PIPE("  - text\n"), 4, "map with a `type`");
    unreadable("transformations: {}\n", 1, "must be a list");
    unreadable("priority: high\ntransformations: []\n", 1, "whole number");
    unreadable("transformations: []\npostprocessing: [{type: embed}]\n", 2, "postprocessing");
    unreadable("transformations: []\nvar: {}\n", 2, "vars");
    unreadable(PIPE("  - {type: field_name_mapping}\n"), 4, "needs mapping");
    unreadable(PIPE("  - {type: field_name_mapping, mapping: {a: {b: c}}}\n"), 4, "mapping of \"a\"");
    unreadable(PIPE("  - {type: field_name_mapping, maping: {a: b}}\n"), 4, "mapping");
    unreadable(PIPE("  - {type: replace_string, regex: '(', replacement: x}\n"), 4,
               "not a regular expression");
    unreadable(PIPE("  - type: set_state\n    key: a\n    val: b\n    rule_conditions: [{type: phase}]\n"), 7,
               "\"phase\" is not known");
    unreadable(PIPE("  - type: set_state\n    key: a\n    val: b\n    rule_conditions: [{type: tag}]\n"), 7,
               "needs tag");
    unreadable(PIPE("  - type: set_state\n    key: a\n    val: b\n    rule_cond_op: xor\n"), 7, "and or or");
    unreadable(PIPE("  - type: set_state\n    key: a\n    val: b\n    rule_cond_expr: x\n"), 7,
               "belong together");
    unreadable(PIPE("  - type: set_state\n    key: a\n    val: b\n    rule_cond_expr: x and y\n"
                    "    rule_conditions: {x: {type: is_sigma_rule}}\n"),
               7, "\"y\"");
}

/* --- the shipped ones
 * -------------------------------------------------------------------------------------------------------------
 */

static const char *shipped(struct kit *kit, const char *name)
{
    for (size_t i = 0; embedded_files[i].path != NULL; i++)
        if (sv_eq(sv_of(embedded_files[i].path), arena_printf(&kit->arena, "pipelines/%s.yml", name)))
            return arena_str(&kit->arena, sv_make((const char *)embedded_files[i].begin,
                                                  (size_t)(embedded_files[i].end - embedded_files[i].begin)));
    fail_msg("%s is not shipped", name);
    return NULL;
}

static void with_shipped(const char *name, const char *rule, const char *yes, const char *no)
{
    struct kit kit = {0};
    check(rule, shipped(&kit, name), yes, no);
    kit_free(&kit);
}

static void test_shipped_pipelines(void **state)
{
    (void)state;
#define IMAGE SEL("Image|endswith: '\\cmd.exe', User: bob")
    with_shipped(
        "sysmon", IMAGE,
        "{\"EventID\":1,\"Image\":\"C:\\\\cmd.exe\",\"User\":\"bob\",\"logsource.service\":\"sysmon\"}",
        "{\"EventID\":5,\"Image\":\"C:\\\\cmd.exe\",\"User\":\"bob\"}");
    with_shipped("windows-audit", IMAGE,
                 "{\"EventID\":4688,\"NewProcessName\":\"C:\\\\cmd.exe\",\"SubjectUserName\":\"bob\"}",
                 "{\"EventID\":4688,\"Image\":\"C:\\\\cmd.exe\",\"User\":\"bob\"}");
    with_shipped("windows-audit", SEL("IntegrityLevel: High"),
                 "{\"EventID\":4688,\"MandatoryLabel\":\"S-1-16-12288\"}", NULL);
    with_shipped("windows-nested", SEL("Image: x, EventID: 1"),
                 "{\"Event\":{\"System\":{\"EventID\":1},\"EventData\":{\"Image\":\"x\"}}}",
                 "{\"Event\":{\"System\":{\"EventID\":1},\"EventData\":{\"Image\":\"y\"}}}");
    with_shipped("ecs", IMAGE, "{\"process\":{\"executable\":\"C:\\\\cmd.exe\"},\"user\":{\"name\":\"bob\"}}",
                 "{\"process\":{\"executable\":\"C:\\\\cmd.exe\"}}");
    with_shipped("ecs", SEL("PipeGuid: x"), "{\"winlog\":{\"event_data\":{\"PipeGuid\":\"x\"}}}",
                 "{\"PipeGuid\":\"x\"}");
    with_shipped(
        "cloudtrail-ecs",
        "title: R\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {eventName: "
        "StopLogging, requestParameters.name: x}\n  condition: s\n",
        "{\"event.action\":\"StopLogging\",\"aws.cloudtrail.flattened.request_parameters.name\":\"x\"}",
        "{\"eventName\":\"StopLogging\"}");
    with_shipped("auditd",
                 "title: R\nlogsource: {product: linux, category: process_creation}\ndetection:\n  s: "
                 "{Image|endswith: "
                 "/nc, User: root}\n  condition: s\n",
                 "{\"exe\":\"/bin/nc\",\"UID\":\"root\"}", "{\"exe\":\"/bin/nc\"}");
}

/* Every public rule goes through; a pipeline refuses what it says it refuses, and nothing else breaks. */
static void test_public_rules_through_shipped_pipelines(void **state)
{
    static const char *const names[] = {"sysmon", "windows-audit",  "windows-nested",
                                        "ecs",    "cloudtrail-ecs", "auditd"};
    struct arena arena = {0};
    struct rule_source *sources = NULL;
    size_t count = 0;
    (void)state;
    if (rule_files_collect(&fs_system, "../shared/data/sigma/rules", &arena, &sources, &count, NULL) != 0)
        skip();
    struct rule_source *all = ARENA_ARRAY(&arena, struct rule_source, count + 1);
    memcpy(all, sources, count * sizeof all[0]);
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++) {
        struct kit kit = {0};
        size_t refusals = 0;
        all[count] = (struct rule_source){SV("pipeline.yml"), sv_of(shipped(&kit, names[i])), false};
        assert_int_equal(ruleset_new(all, count + 1, &kit.set, &failure), 0);
        for (size_t k = 0; k < ruleset_note_count(kit.set); k++) {
            const struct rule_note *note = ruleset_note(kit.set, k);
            if (note->verdict != RULE_REFUSED)
                continue;
            refusals++;
            assert_true(strcmp(note->construct, "pipeline") == 0 ||
                        strcmp(note->construct, "expand without values") == 0);
        }
        print_message("%s: %zu rules, %zu refused\n", names[i], ruleset_count(kit.set), refusals);
        assert_true(ruleset_count(kit.set) > refusals);
        kit_free(&kit);
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field_name_mapping),
        cmocka_unit_test(test_prefix_suffix_and_prefix_mapping),
        cmocka_unit_test(test_correlations_and_their_fields),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_hashes_fields),
        cmocka_unit_test(test_fields_to_show_change_nothing),
        cmocka_unit_test(test_placeholders),
        cmocka_unit_test(test_add_condition_and_logsource),
        cmocka_unit_test(test_drop_and_failures),
        cmocka_unit_test(test_rule_conditions),
        cmocka_unit_test(test_conditions_on_lines_and_fields),
        cmocka_unit_test(test_order_is_priority_then_file),
        cmocka_unit_test(test_another_pipeline_makes_another_rule),
        cmocka_unit_test(test_unreadable_pipelines_fail_by_name_and_place),
        cmocka_unit_test(test_shipped_pipelines),
        cmocka_unit_test(test_public_rules_through_shipped_pipelines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
