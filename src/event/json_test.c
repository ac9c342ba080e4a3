/*
 * The JSON parser: the grammar by JSONTestSuite and by cases of our own, the fields of an event, and that no
 * cut or flipped byte makes it read outside of the text.
 */
#include "event/json.h"

#include "base/buf.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A copy of exactly its length, so that a sanitizer sees a read behind its end. */
static struct sv exact_copy(struct sv text)
{
    char *p = malloc(text.n == 0 ? 1 : text.n);
    memcpy(p, text.p, text.n);
    return sv_make(p, text.n);
}

static void describe(const struct event *event, struct buf *out)
{
    static const char types[] = "snbNoa";
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *f = &event->fields[i];
        buf_sv(out, f->name);
        if (!sv_eq(f->name, f->exact)) {
            buf_char(out, '/');
            buf_sv(out, f->exact);
        }
        buf_printf(out, "=%c", types[f->type]);
        buf_sv(out, f->value);
        buf_char(out, ' ');
    }
}

static void expect_fields(struct sv json, const char *expected)
{
    struct arena arena = {0};
    struct event event = {0};
    struct err err;
    struct buf out;
    buf_init(&out, 1 << 20);
    struct sv text = exact_copy(json);
    if (json_parse_event(text, &arena, &event, &err) == 0)
        describe(&event, &out);
    else
        buf_printf(&out, "%u:%u %s", err.line, err.column, err.text);
    buf_char(&out, '\0');
    assert_string_equal(out.p, expected);
    buf_free(&out);
    arena_free(&arena);
    free((void *)(uintptr_t)text.p);
}

static void test_fields(void **state)
{
    (void)state;
    expect_fields(SV("{}"), "");
    expect_fields(SV(" {\"a\" : 1 ,\"b\":\"x\",\"c\":true,\"d\":null,\"e\":false}\n"),
                  "a=n1 b=sx c=btrue d=N e=bfalse ");
    expect_fields(SV("{\"a\":{\"b\":{\"c\":-1.50e+3}},\"d\":{}}"),
                  "a=o{\"b\":{\"c\":-1.50e+3}} a.b=o{\"c\":-1.50e+3} a.b.c=n-1.50e+3 d=o{} ");
    expect_fields(SV("{\"a\":[1,{\"b\":[true,[]]}],\"z\":0}"),
                  "a=a[1,{\"b\":[true,[]]}] a/a[0]=n1 a/a[1]=o{\"b\":[true,[]]} a.b/a[1].b=a[true,[]] "
                  "a.b/a[1].b[0]=btrue a.b/a[1].b[1]=a[] z=n0 ");
    expect_fields(SV("{\"a.b\":1,\"\":{\"\":2}}"), "a.b=n1 =o{\"\":2} .=n2 ");
    expect_fields(SV("7"), "message=n7 ");
    expect_fields(SV("[1]"), "message=a[1] message/message[0]=n1 ");
}

static void test_strings(void **state)
{
    (void)state;
    expect_fields(SV("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t|\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"}"),
                  "a=s\"\\/\b\f\n\r\t|A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 ");
    expect_fields(SV("{\"\\u0061b\":{\"c\\n\":1}}"), "ab=o{\"c\\n\":1} ab.c\n=n1 ");
    expect_fields(SV("{\"a\":\"\\ud800\",\"b\":\"\\udc00x\",\"c\":\"\\ud800\\ud800\"}"),
                  "a=s\xEF\xBF\xBD b=s\xEF\xBF\xBDx c=s\xEF\xBF\xBD\xEF\xBF\xBD ");
    /* long enough for every step of the scan, with the end at every place of one */
    for (size_t n = 0; n < 40; n++) {
        char text[64], expected[64];
        int length = snprintf(text, sizeof text, "{\"k\":\"%.*s\"}", (int)n,
                              "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH");
        snprintf(expected, sizeof expected, "k=s%.*s ", (int)n,
                 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH");
        expect_fields(sv_make(text, (size_t)length), expected);
    }
}

static void test_nul_in_value(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event event = {0};
    assert_int_equal(json_parse_event(SV("{\"a\":\"x\\u0000y\"}"), &arena, &event, NULL), 0);
    assert_true(sv_eq(event.fields[0].value, SV("x\0y")));
    arena_free(&arena);
}

static void test_bad_utf8(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event event = {0};
    struct sv text = SV("{\"a\":{\"b\xFF\":\"x\xC3\"},\"c\":\"\xC3\xA9\"}");
    assert_int_equal(json_parse_event(text, &arena, &event, NULL), 0);
    assert_true(event.flags & EVENT_BAD_UTF8);
    struct buf out;
    buf_init(&out, 1000);
    describe(&event, &out);
    assert_true(sv_is(buf_view(&out),
                      "a=o{\"b\xEF\xBF\xBD\":\"x\xEF\xBF\xBD\"} a.b\xEF\xBF\xBD=sx\xEF\xBF\xBD "
                      "c=s\xC3\xA9 "));
    buf_free(&out);
    struct err err;
    assert_int_equal(json_check(text, &err), TC_EINPUT);
    assert_int_equal(err.column, 9);
    arena_free(&arena);
}

static void test_errors_have_places(void **state)
{
    (void)state;
    expect_fields(SV(""), "1:1 not JSON: a value is expected here");
    expect_fields(SV("{\"a\":1,\n \"b\" 2}"), "2:6 not JSON: a colon is expected here");
    expect_fields(SV("{\"a\":1}\n\n x"), "3:2 not JSON: nothing more is expected here: one value has ended");
    expect_fields(SV("{\"a\":\"b\nc\"}"), "1:8 not JSON: a control character in a string must be escaped");
    expect_fields(SV("{\"a\":01}"), "1:7 not JSON: a comma or } is expected here");
    expect_fields(SV("{\"a\":tru}"), "1:6 not JSON: a value is expected here");
    expect_fields(SV("[1,]"), "1:4 not JSON: a value is expected here");
    expect_fields(SV("{\"a\":1,}"), "1:8 not JSON: a name in quotes is expected here");
    expect_fields(SV("{\"a\":\"\\x\"}"), "1:7 not JSON: an unknown escape");
    expect_fields(SV("{\"a\":\"\\u12g4\"}"), "1:7 not JSON: \\u needs four hexadecimal digits");
    expect_fields(SV("{\"a\":\0}"), "1:6 not JSON: a value is expected here");
}

static struct sv nested(size_t depth)
{
    char *p = malloc(2 * depth);
    memset(p, '[', depth);
    memset(p + depth, ']', depth);
    return sv_make(p, 2 * depth);
}

static void test_depth(void **state)
{
    (void)state;
    struct sv good = nested(512), bad = nested(513);
    struct err err;
    assert_int_equal(json_check(good, &err), 0);
    assert_int_equal(json_check(bad, &err), TC_EINPUT);
    assert_int_equal(err.column, 513);
    struct arena arena = {0};
    struct event event = {0};
    assert_int_equal(json_parse_event(good, &arena, &event, &err), 0);
    assert_int_equal(event.field_count, TC_EVENT_FIELD_DEPTH_MAX + 1);
    assert_int_equal(event.fields[64].type, FIELD_ARRAY);
    assert_int_equal(event.fields[64].value.n, 2 * (512 - 64));
    arena_free(&arena);
    free((void *)(uintptr_t)good.p);
    free((void *)(uintptr_t)bad.p);
}

static void test_field_limit(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int extra = 0; extra < 2; extra++) {
        buf_clear(&text);
        for (int i = 0; i < TC_EVENT_FIELDS_MAX + extra; i++)
            buf_printf(&text, "%c\"f%d\":%d", i == 0 ? '{' : ',', i, i);
        buf_char(&text, '}');
        struct arena arena = {0};
        struct event event = {0};
        assert_int_equal(json_parse_event(buf_view(&text), &arena, &event, NULL), 0);
        assert_int_equal(event.field_count, TC_EVENT_FIELDS_MAX);
        assert_int_equal((event.flags & EVENT_FIELDS_CUT) != 0, extra);
        arena_free(&arena);
    }
    buf_free(&text);
}

/* A long name above many members must not be paid for each of them. */
static void test_long_paths_are_bounded(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_str(&text, "{\"");
    for (int i = 0; i < 500000; i++)
        buf_char(&text, 'n');
    buf_str(&text, "\":{\"a\":0");
    for (int i = 0; i < 5000; i++)
        buf_str(&text, ",\"b\":1");
    buf_str(&text, "}}");
    struct arena arena = {0};
    struct event event = {0};
    assert_int_equal(json_parse_event(buf_view(&text), &arena, &event, NULL), 0);
    assert_int_equal(event.field_count, 1);
    assert_int_equal(event.fields[0].type, FIELD_OBJECT);
    assert_true(arena.used_bytes < 100000);
    arena_free(&arena);
    buf_free(&text);
}

static void test_scan(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum json_scan scan;
        size_t at;
    } cases[] = {
        {"{\"a\":1} x", JSON_WHOLE, 7}, {" [1] ", JSON_WHOLE, 4},   {"12", JSON_WHOLE, 2},
        {"{\"a\":", JSON_PARTIAL, 5},   {"{\"a", JSON_PARTIAL, 3},  {"[tr", JSON_PARTIAL, 3},
        {"[\"\\u00", JSON_PARTIAL, 6},  {"[\"\\", JSON_PARTIAL, 3}, {"", JSON_PARTIAL, 0},
        {"[tx", JSON_BROKEN, 1},        {"{a", JSON_BROKEN, 1},     {"[1 2", JSON_BROKEN, 3},
        {"[\"\n", JSON_BROKEN, 2},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        size_t at;
        assert_int_equal(json_scan(sv_of(cases[i].text), &at), cases[i].scan);
        assert_int_equal(at, cases[i].at);
    }
}

/* Every prefix of a good value can be continued: none of them is broken. */
static void test_scan_prefixes(void **state)
{
    (void)state;
    struct sv text = SV("{\"a\\u00e9\":[1,-2.5e+10,true,false,null,\"x\\n\",{\"b\":{}}],\"c\":\"\xC3\xA9\"}");
    for (size_t n = 0; n <= text.n; n++) {
        struct sv prefix = exact_copy(sv_head(text, n));
        size_t at;
        assert_int_equal(json_scan(prefix, &at), n == text.n ? JSON_WHOLE : JSON_PARTIAL);
        assert_int_equal(json_check(prefix, NULL), n == text.n ? 0 : TC_EINPUT);
        assert_int_equal(json_value_length(prefix), n == text.n ? n : 0);
        free((void *)(uintptr_t)prefix.p);
    }
}

static void test_value_length(void **state)
{
    (void)state;
    assert_int_equal(json_value_length(SV(" {\"a\":\"}\\\"\"} {}")), 12);
    assert_int_equal(json_value_length(SV("[[],[]]x")), 7);
    assert_int_equal(json_value_length(SV("\"ab\",")), 4);
    assert_int_equal(json_value_length(SV("12,")), 2);
    assert_int_equal(json_value_length(SV("12")), 0);
    assert_int_equal(json_value_length(SV("{\"a\":\"\\")), 0);
}

static void test_flipped_bytes(void **state)
{
    (void)state;
    struct sv text =
        SV("{\"a\":[1,2,{\"b\":\"\\ud83d\\ude00 x\"}],\"c\":{\"d\":null,\"e\":-1.5e3},\"f\":\"\xC3\xA9\"}");
    struct sv copy = exact_copy(text);
    char *p = (char *)(uintptr_t)copy.p;
    struct arena arena = {0};
    for (size_t i = 0; i < text.n; i++)
        for (int c = 0; c < 256; c++) {
            p[i] = (char)c;
            struct event event = {0};
            arena_reset(&arena);
            bool good = json_check(copy, NULL) == 0;
            int rc = json_parse_event(copy, &arena, &event, NULL);
            assert_true(!good || rc == 0);
            p[i] = text.p[i];
        }
    arena_free(&arena);
    free(p);
}

/* --- JSONTestSuite --- */

enum { SUITE_FILE_MAX = 1 << 20 };

static void suite_file(const char *dir, const char *name, unsigned *passed)
{
    char path[512];
    struct err err = {0};
    struct arena arena = {0};
    struct event event = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    char *text = malloc(SUITE_FILE_MAX);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(text, 1, SUITE_FILE_MAX, file);
    fclose(file);
    struct sv copy = exact_copy(sv_make(text, n));
    int rc = json_check(copy, &err);
    int event_rc = json_parse_event(copy, &arena, &event, NULL);
    bool right = name[0] == 'i' || (rc == 0) == (name[0] == 'y');
    if (!right)
        print_error("%s: %s\n", name, rc == 0 ? "was accepted" : err.text);
    assert_true(right);
    assert_true(rc != 0 || event_rc == 0);
    assert_true(rc == 0 || (err.line > 0 && err.column > 0));
    ++*passed;
    arena_free(&arena);
    free((void *)(uintptr_t)copy.p);
    free(text);
}

static void test_json_test_suite(void **state)
{
    (void)state;
    const char *path = "../shared/data/json/test_parsing";
    DIR *dir = opendir(path);
    unsigned passed = 0;
    if (dir == NULL) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strchr("yni", entry->d_name[0]) != NULL && entry->d_name[1] == '_')
            suite_file(path, entry->d_name, &passed);
    closedir(dir);
    assert_true(passed > 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_nul_in_value),
        cmocka_unit_test(test_bad_utf8),
        cmocka_unit_test(test_errors_have_places),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_field_limit),
        cmocka_unit_test(test_long_paths_are_bounded),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_scan_prefixes),
        cmocka_unit_test(test_value_length),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_json_test_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
