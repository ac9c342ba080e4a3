/*
 * The semantics of Sigma that implementers get wrong, one test per trap: strings and values (1 to 16),
 * modifiers (17 to 27), conditions (28 to 32). The numbers are those of the research notes on detection
 * peers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

static struct kit kit;

#define yes(line, json)          assert_true(kit_line(&kit, line, json))
#define no(line, json)           assert_false(kit_line(&kit, line, json))
#define refused(line, construct) assert_string_equal(kit_line_refusal(&kit, line), construct)

static void rule(const char *detection)
{
    kit_detection(&kit, detection);
    kit_show_notes(&kit);
    assert_int_equal(kit.set->count, 1);
}
#define fires(json) assert_true(kit_matches(&kit, json))
#define holds(json) assert_false(kit_matches(&kit, json))

/* --- strings and values
 * -------------------------------------------------------------------------------------------------------- */

static void test_trap_01_case(void **state)
{
    (void)state;
    yes("a: FooBar", "{\"a\":\"fOObAR\"}");
    no("a|cased: FooBar", "{\"a\":\"foobar\"}");
    yes("a|cased: FooBar", "{\"a\":\"FooBar\"}");
    yes("a|contains|cased: oB", "{\"a\":\"FooBar\"}");
    yes("a|cased|contains: oB", "{\"a\":\"FooBar\"}");
    no("a|contains|cased: ob", "{\"a\":\"FooBar\"}");
    no("a|re: FooBar", "{\"a\":\"foobar\"}");
    yes("a|re: FooBar", "{\"a\":\"xFooBarx\"}");
}

static void test_trap_02_folding_beyond_ascii(void **state)
{
    (void)state;
    yes("a: '\xC3\x89T\xC3\x89'", "{\"a\":\"\xC3\xA9t\xC3\xA9\"}");    /* ÉTÉ été */
    yes("a: '\xD0\x96'", "{\"a\":\"\xD0\xB6\"}");                      /* Cyrillic */
    yes("a: '\xCF\x83'", "{\"a\":\"\xCF\x82\"}");                      /* both sigmas */
    yes("a|contains: '\xE2\x80\x93'", "{\"a\":\"x \xE2\x80\x93 y\"}"); /* en dash */
    no("a: e", "{\"a\":\"\xC3\xA9\"}");
    yes("a|contains: '\xE2\x84\xAA'", "{\"a\":\"xk\"}"); /* the Kelvin sign folds to k */
}

static void test_trap_03_whole_value_and_wildcards(void **state)
{
    (void)state;
    no("a: foo", "{\"a\":\"foobar\"}");
    no("a: foo", "{\"a\":\"afoo\"}");
    yes("a: 'f*r'", "{\"a\":\"fr\"}");
    yes("a: 'f*r'", "{\"a\":\"f\\n\\n r\"}");
    yes("a: 'f?r'", "{\"a\":\"f\\nr\"}");
    yes("a: 'f?r'", "{\"a\":\"f\xC3\xA9r\"}");
    no("a: 'f?\?r'", "{\"a\":\"f\xC3\xA9r\"}");
    yes("a: '*?\?'", "{\"a\":\"\xE2\x82\xACx\"}");
    no("a: '*?\?'", "{\"a\":\"\xE2\x82\xAC\"}");
    no("a: 'f?r'", "{\"a\":\"fr\"}");
    yes("a: '*'", "{\"a\":\"\"}");
    no("a: '*'", "{\"b\":\"x\"}");
    no("a: '?'", "{\"a\":\"\"}");
    yes("a: 'a*b*c'", "{\"a\":\"a1b2b3c\"}");
    no("a: 'a*b*c'", "{\"a\":\"a1c2b\"}");
    yes("a: '*a?c*'", "{\"a\":\"xxaaccyy\"}");
}

static void test_trap_04_escapes(void **state)
{
    (void)state;
    yes("a: 'x\\y'", "{\"a\":\"x\\\\y\"}");   /* \y stays two characters */
    yes("a: 'x\\\\y'", "{\"a\":\"x\\\\y\"}"); /* two backslashes are one */
    yes("a: 'x\\*'", "{\"a\":\"x*\"}");       /* \* is a star */
    no("a: 'x\\*'", "{\"a\":\"xy\"}");
    yes("a: 'x\\?'", "{\"a\":\"x?\"}");
    no("a: 'x\\?'", "{\"a\":\"xy\"}");
    yes("a: 'x\\\\*'", "{\"a\":\"x\\\\yz\"}"); /* \\* is a backslash and a wildcard */
    no("a: 'x\\\\*'", "{\"a\":\"xyz\"}");
    yes("a: 'x\\\\\\*'", "{\"a\":\"x\\\\*\"}"); /* \\\* is a backslash and a star */
    no("a: 'x\\\\\\*'", "{\"a\":\"x\\\\y\"}");
    yes("a: 'x\\\\\\y'", "{\"a\":\"x\\\\\\\\y\"}");   /* three backslashes are two */
    yes("a: 'x\\\\\\\\y'", "{\"a\":\"x\\\\\\\\y\"}"); /* so are four */
    yes("a: 'x\\'", "{\"a\":\"x\\\\\"}");             /* a last one is itself */
}

static void test_trap_05_contains_of_a_trailing_backslash(void **state)
{
    (void)state;
    yes("a|contains: '\\Temp\\'", "{\"a\":\"C:\\\\Temp\\\\x.exe\"}");
    yes("a|startswith: 'C:\\'", "{\"a\":\"C:\\\\x\"}");
    yes("a|endswith: '\\'", "{\"a\":\"C:\\\\\"}");
    yes("a|contains: '*foo*'", "{\"a\":\"foo\"}");
    yes("a|contains: '*foo'", "{\"a\":\"xfoox\"}");
    yes("a|contains: '\\*'", "{\"a\":\"x*y\"}");
    no("a|contains: '\\*'", "{\"a\":\"xy\"}");
}

static void test_trap_06_anchors_with_inner_wildcards(void **state)
{
    (void)state;
    yes("a|startswith: '/home/*/x/'", "{\"a\":\"/home/u/x/y\"}");
    no("a|startswith: '/home/*/x/'", "{\"a\":\"z/home/u/x/y\"}");
    yes("a|endswith: 'password*.txt'", "{\"a\":\"my password 1.txt\"}");
    no("a|endswith: 'password*.txt'", "{\"a\":\"password.txt.gz\"}");
    yes("a|endswith: 'b?d'", "{\"a\":\"bad bid\"}");
    no("a|endswith: 'b?d'", "{\"a\":\"bid ba\"}");
}

static void test_trap_07_numbers_and_numeric_texts(void **state)
{
    (void)state;
    yes("a: 4624", "{\"a\":4624}");
    yes("a: 4624", "{\"a\":\"4624\"}");
    yes("a: '4624'", "{\"a\":4624}");
    no("a: 4624", "{\"a\":\"46240\"}");
    no("a: 4624", "{\"a\":\"x\"}");
    no("a: 4624", "{\"a\":true}");
    yes("a: 9007199254740993", "{\"a\":9007199254740993}");
    no("a: 9007199254740993", "{\"a\":9007199254740992}");
    no("a: 9007199254740993", "{\"a\":\"9007199254740992\"}");
    yes("a: -1", "{\"a\":-1}");
    yes("a: 1.5", "{\"a\":1.50}");
    yes("a|contains: 62", "{\"a\":4624}");
}

static void test_trap_08_booleans(void **state)
{
    (void)state;
    yes("a: 'true'", "{\"a\":true}");
    yes("a: true", "{\"a\":\"true\"}");
    yes("a: true", "{\"a\":\"True\"}");
    yes("a: false", "{\"a\":false}");
    no("a: true", "{\"a\":false}");
    no("a: true", "{\"a\":1}");
}

static void test_trap_09_empty_and_null(void **state)
{
    (void)state;
    yes("a: ''", "{\"a\":\"\"}");
    no("a: ''", "{\"a\":null}");
    no("a: ''", "{\"b\":1}");
    no("a: ''", "{\"a\":\" \"}");
    yes("a: null", "{\"a\":null}");
    yes("a: null", "{\"b\":1}");
    yes("a:", "{\"b\":1}");
    no("a: null", "{\"a\":\"\"}");
    no("a: null", "{\"a\":0}");
    no("a: null", "{\"a\":{}}");
    yes("a: 'null'", "{\"a\":\"null\"}");
    no("a: 'null'", "{\"a\":null}");
    no("a: '*'", "{\"a\":null}");
    refused("a: ['', null]", "null in a list");
    yes("a|neq: null", "{\"a\":1}");
    no("a|neq: null", "{\"b\":1}");
}

static void test_trap_10_exists_is_presence(void **state)
{
    (void)state;
    yes("a|exists: true", "{\"a\":null}");
    yes("a|exists: true", "{\"a\":\"\"}");
    yes("a|exists: true", "{\"a\":{}}");
    yes("a|exists: true", "{\"a\":[]}");
    no("a|exists: true", "{\"b\":1}");
    yes("a|exists: false", "{\"b\":1}");
    no("a|exists: false", "{\"a\":null}");
    refused("a|exists: x", "modifier on a wrong value");
    refused("a|exists: [true, false]", "modifier on a wrong value");
    refused("a|contains|exists: true", "modifier order");
}

static void test_trap_11_not_of_a_missing_field_is_true(void **state)
{
    (void)state;
    rule("    s:\n        a: x\n    f:\n        b: y\n    condition: s and not f\n");
    fires("{\"a\":\"x\"}");
    fires("{\"a\":\"x\",\"b\":null}");
    holds("{\"a\":\"x\",\"b\":\"y\"}");
}

static void test_trap_12_lists_and_all(void **state)
{
    (void)state;
    yes("a: [x, y]", "{\"a\":\"y\"}");
    no("a: [x, y]", "{\"a\":\"z\"}");
    yes("a|contains|all: [x, y]", "{\"a\":\"yx\"}");
    no("a|contains|all: [x, y]", "{\"a\":\"x\"}");
    yes("a|all|contains: [x, y]", "{\"a\":\"yx\"}");
    refused("a|contains|all: x", "all on a single value");
    refused("a|contains|all: [x]", "all on a single value");
    /* what windash makes of one value is OR, also under all */
    yes("a|windash|contains|all: [' -x', ' -y']", "{\"a\":\"c /x -y\"}");
    no("a|windash|contains|all: [' -x', ' -y']", "{\"a\":\"c /x\"}");
    refused("a: []", "empty list");
}

static void test_trap_13_shapes_of_selections(void **state)
{
    (void)state;
    rule("    s:\n        a: x\n        b: y\n    condition: s\n");
    fires("{\"a\":\"x\",\"b\":\"y\"}");
    holds("{\"a\":\"x\"}");
    rule("    s:\n        - a: x\n          c: z\n        - b: y\n    condition: s\n");
    fires("{\"b\":\"y\"}");
    holds("{\"a\":\"x\"}");
    fires("{\"a\":\"x\",\"c\":\"z\"}");
    rule("    s:\n        - evil\n        - b: y\n        - bad\n    condition: s\n");
    fires("{\"q\":\"so evil\"}");
    fires("{\"q\":\"bad\"}");
    fires("{\"b\":\"y\"}");
    holds("{\"b\":\"z\"}");
    rule("    s:\n        '|all':\n            - one\n            - two\n    condition: s\n");
    fires("{\"q\":\"one\",\"r\":\"two\"}");
    holds("{\"q\":\"one\"}");
    kit_detection(&kit, "    s:\n        a: x\n        a: y\n    condition: s\n");
    assert_string_equal(kit_refusal(&kit), "not YAML");
    refused("a: {b: c}", "nested value");
    kit_detection(&kit, "    s: {}\n    condition: s\n");
    assert_string_equal(kit_refusal(&kit), "empty selection");
}

static void test_trap_14_keywords(void **state)
{
    (void)state;
    rule("    s:\n        - event::clear\n        - 4711\n        - 'c?d*f'\n    condition: s\n");
    fires("{\"a\":{\"b\":[{\"c\":\"x EVENT::CLEAR y\"}]}}");
    fires("{\"n\":147110}");
    fires("{\"n\":\"a 4711 b\"}");
    fires("{\"n\":\"abcxdef\"}");
    holds("{\"event::clear\":\"x\"}"); /* a name is no value */
    holds("{\"n\":\"abcef\"}");
    refused("'|all': [x, null]", "null keyword");
    kit_detection(&kit, "    s:\n        - ''\n    condition: s\n");
    assert_string_equal(kit_refusal(&kit), "empty keyword");

    rule("    s:\n        - secret word\n    condition: s\n");
    struct field message = {.name = SV("message"), .exact = SV("message"), .value = SV("other")};
    struct event text = {.raw = SV("<13>a Secret Word b"), .fields = &message, .field_count = 1};
    message.name_hash = event_name_hash(message.name);
    event_index(&text, &kit.arena);
    assert_true(rule_matches(&kit.set->rules[0], &text, kit.scratch));
    text.raw = SV("{\"x\":\"secret word\"}"); /* raw JSON is not searched: its fields are */
    match_scratch_forget(kit.scratch);
    assert_false(rule_matches(&kit.set->rules[0], &text, kit.scratch));
    message.value = SV("the secret word");
    message.flags = FIELD_DERIVED;
    match_scratch_forget(kit.scratch);
    assert_false(rule_matches(&kit.set->rules[0], &text, kit.scratch));
}

static void test_trap_15_field_names(void **state)
{
    (void)state;
    yes("ThreatName: x", "{\"Threat Name\":\"x\"}");
    yes("Provider_Name: x", "{\"Provider_Name\":\"x\"}");
    no("threatname: x", "{\"Threat Name\":\"x\"}");
}

static void test_trap_16_dotted_names_and_arrays(void **state)
{
    (void)state;
    yes("a.b: x", "{\"a.b\":\"x\"}");
    yes("a.b: x", "{\"a\":{\"b\":\"x\"}}");
    yes("a.b: x", "{\"a\":[{\"b\":\"y\"},{\"b\":\"x\"}]}");
    yes("a: x", "{\"a\":[\"y\",\"x\"]}");
    rule("    s:\n        a.b: x\n    condition: not s\n");
    holds("{\"a\":[{\"b\":\"y\"},{\"b\":\"x\"}]}");
    fires("{\"a\":[{\"b\":\"y\"}]}");
}

/* --- modifiers
 * -----------------------------------------------------------------------------------------------------------------
 */

static void test_trap_17_order_and_names(void **state)
{
    (void)state;
    refused("a|contans: x", "unknown modifier");
    assert_non_null(strstr(ruleset_note(kit.set, 0)->err.text, "did you mean \"contains\""));
    refused("a|: x", "unknown modifier");
    refused("a||contains: x", "unknown modifier");
    /* "cmd" in UTF-16, then base64 at any offset */
    yes("a|wide|base64offset|contains: cmd", "{\"a\":\"xxYwBtAGQAxx\"}");
    yes("a|utf16le|base64offset|contains: cmd", "{\"a\":\"xxYwBtAGQAxx\"}");
    yes("a|utf16be|base64: cmd", "{\"a\":\"AGMAbQBk\"}");
    yes("a|utf16|base64: cmd", "{\"a\":\"//5jAG0AZAA=\"}");
    no("a|base64offset|contains: cmd", "{\"a\":\"xxYwBtAGQAxx\"}");
    yes("a|wide: cmd", "{\"a\":\"c\\u0000m\\u0000d\\u0000\"}");
}

static void test_trap_18_re(void **state)
{
    (void)state;
    yes("a|re: 'b.d'", "{\"a\":\"abcde\"}");
    no("a|re: '^b.d'", "{\"a\":\"abcde\"}");
    yes("a|re: '\\\\d+\\*'", "{\"a\":\"x\\\\ddd*\"}"); /* no Sigma escapes in it */
    yes("a|re: '\\bfoo\\d\\s\\w'", "{\"a\":\"foo1 x\"}");
    yes("a|re|i: foo", "{\"a\":\"FOO\"}");
    yes("a|re|ignorecase: foo", "{\"a\":\"FOO\"}");
    yes("a|re: '(?i)foo'", "{\"a\":\"FOO\"}");
    no("a|re: '^b'", "{\"a\":\"a\\nb\"}");
    yes("a|re|m: '^b'", "{\"a\":\"a\\nb\"}");
    yes("a|re|multiline: '^b'", "{\"a\":\"a\\nb\"}");
    no("a|re: 'a.b'", "{\"a\":\"a\\nb\"}");
    yes("a|re|s: 'a.b'", "{\"a\":\"a\\nb\"}");
    yes("a|re|dotall: 'a.b'", "{\"a\":\"a\\nb\"}");
    yes("a|re|i|m|s: '^b.c$'", "{\"a\":\"a\\nB\\nC\"}");
    yes("a|re: [x, y]", "{\"a\":\"y\"}");
    yes("a|re: '^.$'", "{\"a\":\"\xC3\xA9\"}");
    yes("a|re: '^4'", "{\"a\":4624}");
    no("a|re: '.*'", "{\"b\":1}");
    yes("a|re|startswith: 'b|c'", "{\"a\":\"cd\"}");
    no("a|re|startswith: 'b|c'", "{\"a\":\"dc\"}");
    yes("a|re|endswith: 'b|c'", "{\"a\":\"dc\"}");
    yes("a|re|contains: 'b|c'", "{\"a\":\"dcd\"}");
    refused("a|contains|re: x", "modifier order");
    refused("a|i: x", "modifier on a wrong value");
    refused("a|re: '('", "regular expression");
    refused("a|re: '\\C'", "regular expression");
}

static void test_trap_19_base64(void **state)
{
    (void)state;
    yes("a|base64: foobar", "{\"a\":\"Zm9vYmFy\"}");
    yes("a|base64|contains: foobar", "{\"a\":\"xxZm9vYmFyxx\"}");
    yes("a|base64: 'a\\*b'", "{\"a\":\"YSpi\"}"); /* the text without its escape */
    yes("a|base64: fo", "{\"a\":\"Zm8=\"}");
    yes("a|base64: f", "{\"a\":\"Zg==\"}");
    refused("a|base64: 'a*b'", "modifier on a wrong value");
    refused("a|contains|base64: 'ab'", "modifier on a wrong value");
}

static void test_trap_20_base64offset(void **state)
{
    (void)state;
    yes("a|base64offset: foobar", "{\"a\":\"Zm9vYmFy\"}");
    yes("a|base64offset: foobar", "{\"a\":\"Zvb2Jhc\"}");
    yes("a|base64offset: foobar", "{\"a\":\"mb29iYX\"}");
    /* x, xx and xxx before "http://", what follows unknown */
    yes("a|base64offset|contains: 'http://'", "{\"a\":\"eGh0dHA6Ly9h\"}");
    yes("a|base64offset|contains: 'http://'", "{\"a\":\"eHhodHRwOi8vYQ==\"}");
    yes("a|base64offset|contains: 'http://'", "{\"a\":\"eHh4aHR0cDovL2E=\"}");
    /* in bytes: two bytes for one character, at offset 1 (x before, y after) */
    yes("a|base64offset|contains: '\xC3\xA9t\xC3\xA9'", "{\"a\":\"eMOpdMOpeQ==\"}");
    refused("a|base64offset|contains: x", "modifier on a wrong value");
}

static void test_trap_21_windash(void **state)
{
    (void)state;
    const char *forms[] = {"c -foo", "c /foo",
                           "c \xE2\x80\x93"
                           "foo",
                           "c \xE2\x80\x94"
                           "foo",
                           "c \xE2\x80\x95"
                           "foo"};
    for (size_t i = 0; i < TC_ARRAY_LEN(forms); i++) {
        struct sv json = arena_printf(&kit.arena, "{\"a\":\"%s\"}", forms[i]);
        yes("a|windash|contains: ' -foo'", json.p);
        yes("a|contains|windash: ' /foo'", json.p);
        yes("a|windash|endswith: '-foo'", json.p);
    }
    yes("a|windash: '-foo-bar'", "{\"a\":\"/foo-bar\"}");
    no("a|windash: '-foo-bar'", "{\"a\":\"/foo/bar\"}"); /* an inner dash stays */
    yes("a|windash: '-a -b'", "{\"a\":\"/a \xE2\x80\x93"
                              "b\"}");
    no("a|windash: '-a'", "{\"a\":\"+a\"}");
    no("a|windash: 'a - b'", "{\"a\":\"a / b\"}"); /* no option: a space follows */
    yes("a|windash: '--foo'", "{\"a\":\"-/foo\"}");
    yes("a|windash|base64: '-a'", "{\"a\":\"L2E=\"}"); /* /a */
    refused("a|windash|base64: '-a -b -c -d -e'", "windash with an encoding");
}

static void test_trap_22_cidr(void **state)
{
    (void)state;
    yes("a|cidr: 10.0.0.0/8", "{\"a\":\"10.255.0.1\"}");
    no("a|cidr: 10.0.0.0/8", "{\"a\":\"11.0.0.1\"}");
    yes("a|cidr: [192.168.0.0/16, 10.0.0.0/8]", "{\"a\":\"10.1.1.1\"}");
    yes("a|cidr: 10.0.0.0/8", "{\"a\":\"::ffff:10.1.2.3\"}");
    yes("a|cidr: '2001:db8::/32'", "{\"a\":\"2001:DB8:1::1\"}");
    no("a|cidr: '2001:db8::/32'", "{\"a\":\"2001:db9::1\"}");
    no("a|cidr: 10.0.0.0/8", "{\"a\":\"-\"}");
    no("a|cidr: 0.0.0.0/0", "{\"a\":\"::1\"}");
    no("a|cidr: '::/0'", "{\"a\":\"::ffff:1.2.3.4\"}");
    no("a|cidr: 10.0.0.0/8", "{\"a\":\"10.0.0.1:80\"}");
    no("a|cidr: 10.0.0.0/8", "{\"b\":1}");
    yes("a|cidr|neq: 10.0.0.0/8", "{\"a\":\"11.0.0.1\"}");
    refused("a|cidr: 10.0.0.1/8", "cidr");
    refused("a|cidr: 10.0.0.0/33", "cidr");
    refused("a|cidr: ten", "cidr");
    refused("a|contains|cidr: 10.0.0.0/8", "modifier order");
}

static void test_trap_23_fieldref(void **state)
{
    (void)state;
    yes("a|fieldref: b", "{\"a\":\"Foo\",\"b\":\"fOO\"}");
    no("a|fieldref: b", "{\"a\":\"x\",\"b\":\"y\"}");
    no("a|fieldref: b", "{\"a\":\"x\"}");
    no("a|fieldref: b", "{\"b\":\"x\"}");
    no("a|fieldref: b", "{\"c\":\"x\"}");
    no("a|fieldref: b", "{\"a\":null,\"b\":null}");
    yes("a|fieldref|neq: b", "{\"a\":\"x\",\"b\":\"y\"}");
    no("a|fieldref|neq: b", "{\"a\":\"x\",\"b\":\"X\"}");
    yes("a|fieldref|startswith: b", "{\"a\":\"foobar\",\"b\":\"Foo\"}");
    yes("a|fieldref|endswith: b", "{\"a\":\"foobar\",\"b\":\"Bar\"}");
    yes("a|fieldref|contains: b", "{\"a\":\"foobar\",\"b\":\"OBA\"}");
    no("a|fieldref|startswith: b", "{\"a\":\"foobar\",\"b\":\"bar\"}");
    no("a|fieldref|cased: b", "{\"a\":\"Foo\",\"b\":\"foo\"}");
    yes("a|fieldref: b.c", "{\"a\":\"x\",\"b\":{\"c\":\"x\"}}");
    yes("a|fieldref: [c, b]", "{\"a\":\"x\",\"b\":\"x\"}");
    refused("a|fieldref: 5", "modifier on a wrong value");
}

static void test_trap_24_neq(void **state)
{
    (void)state;
    no("a|neq: [x, y]", "{\"a\":\"x\"}");
    no("a|neq: [x, y]", "{\"a\":\"y\"}");
    yes("a|neq: [x, y]", "{\"a\":\"z\"}");
    yes("a|neq: x", "{\"b\":1}"); /* a missing field differs */
    yes("a|contains|neq: x", "{\"a\":\"abc\"}");
    no("a|neq|contains: x", "{\"a\":\"axc\"}");
    no("a|neq: 5", "{\"a\":\"5\"}");
    no("a|neq: x", "{\"a\":[\"y\",\"x\"]}");
}

static void test_trap_25_comparisons(void **state)
{
    (void)state;
    yes("a|lt: 5", "{\"a\":4}");
    no("a|lt: 5", "{\"a\":5}");
    yes("a|lte: 5", "{\"a\":\"5.0\"}");
    yes("a|gt: 5", "{\"a\":5.5}");
    yes("a|gte: 5", "{\"a\":\"5\"}");
    no("a|gte: 5", "{\"a\":\"five\"}");
    no("a|lt: 5", "{\"a\":\"\"}");
    no("a|lt: 5", "{\"a\":null}");
    no("a|lt: 5", "{\"b\":1}");
    yes("a|gt: 5", "{\"a\":[1,9]}");
    yes("a|gt: 9007199254740992", "{\"a\":9007199254740993}");
    yes("a|lt: -1", "{\"a\":-2}");
    yes("a|gte: '5'", "{\"a\":5}");
    refused("a|gt: x", "modifier on a wrong value");
    refused("a|contains|gt: 5", "modifier order");
}

static void test_trap_26_parts_of_dates(void **state)
{
    (void)state;
    const char *event = "{\"a\":\"2024-03-01T10:20:30+02:00\"}";
    yes("a|minute: 20", event);
    yes("a|hour: 10", event); /* as written, no zone */
    yes("a|day: 1", event);
    yes("a|week: 9", event);
    yes("a|month: 3", event);
    yes("a|year: 2024", event);
    no("a|year: 2023", event);
    yes("a|week: 53", "{\"a\":\"2020-12-31\"}"); /* ISO 8601 has such weeks */
    yes("a|week: 53", "{\"a\":\"2021-01-03\"}");
    yes("a|week: 1", "{\"a\":\"2021-01-04\"}");
    yes("a|week: 1", "{\"a\":\"2019-12-30\"}");
    yes("a|hour|gte: 10", event);
    no("a|hour|lt: 10", event);
    yes("a|hour: [9, 10]", event);
    no("a|hour: 10", "{\"a\":\"2024-03-01\"}");
    no("a|day: 31", "{\"a\":\"2024-02-31\"}");
    no("a|hour: 10", "{\"a\":\"noon\"}");
    yes("a|hour: 7", "{\"a\":\"07:30\"}");
    refused("a|hour: x", "modifier on a wrong value");
}

static void test_trap_27_expand(void **state)
{
    (void)state;
    yes("a: '%name%'", "{\"a\":\"%name%\"}");
    refused("a|expand: '%name%'", "expand without values");
    refused("a|contains|expand: 'x%name%'", "expand without values");
    refused("a|expand: '\\%plain%name%'", "expand without values");
    yes("a|expand: '\\%plain\\%'", "{\"a\":\"%plain%\"}");
    yes("a|expand: '100% of 50% *'", "{\"a\":\"100% of 50% x\"}");
}

/* --- conditions
 * ----------------------------------------------------------------------------------------------------------------
 */

static void test_trap_28_precedence(void **state)
{
    (void)state;
    rule("    a:\n        a: 1\n    b:\n        b: 1\n    c:\n        c: 1\n    condition: a or b AND NOT "
         "c\n");
    fires("{\"a\":1,\"c\":1}");
    fires("{\"b\":1}");
    holds("{\"b\":1,\"c\":1}");
}

static void test_trap_29_of(void **state)
{
    (void)state;
    const char *body = "    sel_a:\n        a: 1\n    sel_b:\n        b: 1\n    _hidden:\n        h: 1\n";
    struct sv text = arena_printf(&kit.arena, "%s    condition: 1 of them\n", body);
    rule(text.p);
    fires("{\"a\":1}");
    holds("{\"h\":1}");
    text = arena_printf(&kit.arena, "%s    condition: all of them\n", body);
    rule(text.p);
    fires("{\"a\":1,\"b\":1}");
    holds("{\"a\":1}");
    text = arena_printf(&kit.arena, "%s    condition: any of s*_b\n", body);
    rule(text.p);
    fires("{\"b\":1}");
    holds("{\"a\":1}");
    text = arena_printf(&kit.arena, "%s    condition: 1 of _h*\n", body);
    rule(text.p);
    fires("{\"h\":1}");
    text = arena_printf(&kit.arena, "%s    condition: 1 of filter*\n", body);
    kit_detection(&kit, text.p);
    assert_string_equal(kit_refusal(&kit), "unknown selection");
    kit_detection(&kit, "    _only:\n        h: 1\n    condition: all of them\n");
    assert_string_equal(kit_refusal(&kit), "unknown selection");
}

static void test_trap_30_not_of_and_lists(void **state)
{
    (void)state;
    rule("    s:\n        a: 1\n    filter_1:\n        b: 1\n    filter_2:\n        c: 1\n"
         "    condition: s and not 1 of filter*\n");
    fires("{\"a\":1}");
    holds("{\"a\":1,\"c\":1}");
    rule("    s:\n        a: 1\n    t:\n        b: 1\n    condition:\n        - s\n        - t\n");
    fires("{\"b\":1}");
    fires("{\"a\":1}");
    holds("{\"c\":1}");
    kit_detection(&kit, "    s:\n        a: 1\n    condition: s | count() by x > 5\n");
    assert_string_equal(kit_refusal(&kit), "aggregation (|)");
}

static void test_trap_31_custom_keys(void **state)
{
    (void)state;
    kit_load(&kit,
             "title: t\nregression_tests_path: x\nsimulation: {a: [b]}\nstatus: unsupported\n"
             "logsource: {category: x}\ndetection:\n    s: {a: 1}\n    timeframe: 5m\n    condition: s\n");
    assert_string_equal(kit_refusal(&kit), "");
    fires("{\"a\":1}");
}

static void test_trap_32_logsource(void **state)
{
    (void)state;
    kit_load(&kit, "title: t\nlogsource: {product: Windows, service: sysmon}\n"
                   "detection:\n    s: {a: 1}\n    condition: s\n");
    struct event event = {0};
    const struct rule *r = &kit.set->rules[0];
    assert_true(rule_applies(r, &event));
    event.product = SV("windows");
    assert_true(rule_applies(r, &event));
    event.category = SV("process_creation"); /* the rule names none */
    assert_true(rule_applies(r, &event));
    event.service = SV("security");
    assert_false(rule_applies(r, &event));
    event.service = SV("sysmon");
    assert_true(rule_applies(r, &event));
    event.product = SV("linux");
    assert_false(rule_applies(r, &event));
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
        cmocka_unit_test(test_trap_01_case),
        cmocka_unit_test(test_trap_02_folding_beyond_ascii),
        cmocka_unit_test(test_trap_03_whole_value_and_wildcards),
        cmocka_unit_test(test_trap_04_escapes),
        cmocka_unit_test(test_trap_05_contains_of_a_trailing_backslash),
        cmocka_unit_test(test_trap_06_anchors_with_inner_wildcards),
        cmocka_unit_test(test_trap_07_numbers_and_numeric_texts),
        cmocka_unit_test(test_trap_08_booleans),
        cmocka_unit_test(test_trap_09_empty_and_null),
        cmocka_unit_test(test_trap_10_exists_is_presence),
        cmocka_unit_test(test_trap_11_not_of_a_missing_field_is_true),
        cmocka_unit_test(test_trap_12_lists_and_all),
        cmocka_unit_test(test_trap_13_shapes_of_selections),
        cmocka_unit_test(test_trap_14_keywords),
        cmocka_unit_test(test_trap_15_field_names),
        cmocka_unit_test(test_trap_16_dotted_names_and_arrays),
        cmocka_unit_test(test_trap_17_order_and_names),
        cmocka_unit_test(test_trap_18_re),
        cmocka_unit_test(test_trap_19_base64),
        cmocka_unit_test(test_trap_20_base64offset),
        cmocka_unit_test(test_trap_21_windash),
        cmocka_unit_test(test_trap_22_cidr),
        cmocka_unit_test(test_trap_23_fieldref),
        cmocka_unit_test(test_trap_24_neq),
        cmocka_unit_test(test_trap_25_comparisons),
        cmocka_unit_test(test_trap_26_parts_of_dates),
        cmocka_unit_test(test_trap_27_expand),
        cmocka_unit_test(test_trap_28_precedence),
        cmocka_unit_test(test_trap_29_of),
        cmocka_unit_test(test_trap_30_not_of_and_lists),
        cmocka_unit_test(test_trap_31_custom_keys),
        cmocka_unit_test(test_trap_32_logsource),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
