/*
 * The splitter: every way of cutting the stream into reads gives the same records; what is broken costs
 * itself only; nothing is held that is longer than a record.
 */
#include "event/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A stream from memory in pieces of a given size, and perhaps an error at its end. */
struct source {
    struct sv rest;
    size_t piece;
    bool fails;
};

static int64_t source_read(void *context, void *to, size_t n, struct err *err)
{
    struct source *source = context;
    n = TC_MIN(TC_MIN(n, source->piece), source->rest.n);
    if (n == 0 && source->fails)
        return err_set(err, TC_EIO, "the cable was pulled");
    if (n > 0)
        memcpy(to, source->rest.p, n);
    source->rest = sv_from(source->rest, n);
    return (int64_t)n;
}

/* Records as "line:index:raw|" with index "-" outside of arrays. */
static void describe(const struct split_record *record, struct buf *out)
{
    buf_printf(out, "%llu:", (unsigned long long)record->line);
    if (record->in_array)
        buf_printf(out, "%llu:", (unsigned long long)record->index);
    if (record->cut)
        buf_printf(out, "CUT%llu", (unsigned long long)record->full_bytes);
    else
        buf_sv(out, record->raw);
    buf_char(out, '|');
}

static void split(enum split_mode mode, struct sv text, size_t piece, struct buf *out)
{
    struct source source = {text, piece, false};
    struct splitter *splitter = splitter_new(mode, source_read, &source);
    struct split_record record;
    struct err err;
    int rc;
    buf_clear(out);
    while ((rc = splitter_next(splitter, &record, &err)) > 0)
        describe(&record, out);
    assert_int_equal(rc, 0);
    assert_int_equal(splitter_bytes(splitter), text.n);
    splitter_free(&splitter);
}

static void expect(enum split_mode mode, struct sv text, const char *expected)
{
    struct buf out;
    buf_init(&out, 1 << 24);
    for (size_t piece = 1; piece <= text.n + 1; piece++) {
        split(mode, text, piece, &out);
        buf_char(&out, '\0');
        if (strcmp(out.p, expected) != 0)
            print_error("pieces of %zu bytes\n", piece);
        assert_string_equal(out.p, expected);
    }
    buf_free(&out);
}

static void test_lines(void **state)
{
    (void)state;
    expect(SPLIT_LINES, SV("a\nbc\r\n\n  d \nlast"), "1:a|2:bc|3:|4:  d |5:last|");
    expect(SPLIT_LINES, SV("\r\n\rx\r\r\n"), "1:|2:\rx\r|");
    expect(SPLIT_LINES, SV("\xEF\xBB\xBFmark\n"), "1:mark|");
    struct buf out;
    buf_init(&out, 1 << 10);
    split(SPLIT_LINES, SV("a\0b\nc\n"), 2, &out);
    assert_true(sv_eq(buf_view(&out), SV("1:a\0b|2:c|")));
    buf_free(&out);
}

static void test_json_lines(void **state)
{
    (void)state;
    expect(SPLIT_JSON, SV("{\"a\":1}\r\n{\"b\":{\"c\":[]}}\n\n  {\"d\":\"}{\"}\n"),
           "1:{\"a\":1}|2:{\"b\":{\"c\":[]}}|4:{\"d\":\"}{\"}|");
    expect(SPLIT_JSON, SV("{\"a\":1}{\"b\":2} {\"c\":3},{\"d\":4}"),
           "1:{\"a\":1}|1:{\"b\":2}|1:{\"c\":3}|1:{\"d\":4}|");
    expect(SPLIT_JSON, SV("{\"a\":1},\n{\"b\":2},\n"), "1:{\"a\":1}|2:{\"b\":2}|");
    expect(SPLIT_JSON, SV("{\n \"a\": {\n  \"b\": 1\n }\n}\n{\n}\n{}"),
           "1:{\n \"a\": {\n  \"b\": 1\n }\n}|6:{\n}|8:{}|");
    expect(SPLIT_JSON, SV("12\n\"x\"\nnull"), "1:12|2:\"x\"|3:null|");
    /* braces in strings, and where two values stand in a line nevertheless */
    expect(SPLIT_JSON, SV("{\"a\":\"{1-2}\",\"b\":\"x} y},z\"}\n{\"c\":\"},{\"}\n"),
           "1:{\"a\":\"{1-2}\",\"b\":\"x} y},z\"}|2:{\"c\":\"},{\"}|");
    expect(SPLIT_JSON, SV("{\"a\":\"{1}\"}{\"b\":\"}\"}\n{\"c\":1}\n"),
           "1:{\"a\":\"{1}\"}|1:{\"b\":\"}\"}|2:{\"c\":1}|");
    expect(SPLIT_JSON, SV("\xEF\xBB\xBF{\"a\":1}"), "1:{\"a\":1}|");
    expect(SPLIT_JSON, SV(""), "");
    expect(SPLIT_JSON, SV(" \n\t\r\n"), "");
}

static void test_json_lines_broken(void **state)
{
    (void)state;
    expect(SPLIT_JSON, SV("{\"a\":1\n{\"b\":2}\n{\"c\":3}\n"), "1:{\"a\":1|2:{\"b\":2}|3:{\"c\":3}|");
    expect(SPLIT_JSON, SV("{\"a\":\"x\n{\"b\":2}\n{\"c\":3}\n"), "1:{\"a\":\"x|2:{\"b\":2}|3:{\"c\":3}|");
    expect(SPLIT_JSON, SV("{\"a\":}\n{\"b\":2}\n"), "1:{\"a\":}|2:{\"b\":2}|");
    expect(SPLIT_JSON, SV("{\"a\":1}}\n{\"b\":2}\n"), "1:{\"a\":1}}|2:{\"b\":2}|");
    expect(SPLIT_JSON, SV("{\"a\":[1,2\n{\"b\":2}\n{\"c\":{\n\"d\":4}}"),
           "1:{\"a\":[1,2|2:{\"b\":2}|3:{\"c\":{\n\"d\":4}}|");
    expect(SPLIT_JSON, SV("hello {world}\n{\"b\":2}\n"), "1:hello {world}|2:{\"b\":2}|");
    expect(SPLIT_JSON, SV("[Sun Dec 04] [error] x\n{\"b\":2}\n[12] y\n"),
           "1:[Sun Dec 04] [error] x|2:{\"b\":2}|3:[12] y|");
    expect(SPLIT_JSON, SV("{\"b\":2}\n{\"cut\":[{\n"), "1:{\"b\":2}|2:{\"cut\":[{|");
    expect(SPLIT_JSON, SV("{\"a\":\"\\"), "1:{\"a\":\"\\|");
}

static void test_array(void **state)
{
    (void)state;
    expect(SPLIT_JSON, SV("[{\"a\":1}, {\"b\":[2]},\n 3,\"x,]\" ,[4]]\n"),
           "1:0:{\"a\":1}|1:1:{\"b\":[2]}|2:2:3|2:3:\"x,]\"|2:4:[4]|");
    expect(SPLIT_JSON, SV("[\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": 2\n  }\n]\n{\"z\":0}"),
           "2:0:{\n    \"a\": 1\n  }|5:1:{\n    \"b\": 2\n  }|9:{\"z\":0}|");
    expect(SPLIT_JSON, SV("[]\n[ ]\n[1]\n[2]"), "3:0:1|4:0:2|");
    expect(SPLIT_JSON, SV("[ \t{x\n \"y"), "1:0:{x|2:1:\"y|");
    expect(SPLIT_JSON, SV("[12"), "1:0:12|");
}

static void test_array_broken(void **state)
{
    (void)state;
    expect(SPLIT_JSON, SV("[{\"a\":1},{\"b\":},{\"c\":3}]"), "1:0:{\"a\":1}|1:1:{\"b\":}|1:2:{\"c\":3}|");
    expect(SPLIT_JSON, SV("[\n{\"a\":1},\n{\"b\":1,\n{\"c\":3},\n{\"d\":4}\n]\n{\"e\":5}"),
           "2:0:{\"a\":1}|3:1:{\"b\":1|4:2:{\"c\":3}|5:3:{\"d\":4}|7:{\"e\":5}|");
    expect(SPLIT_JSON, SV("[1,foo,3]{}"), "1:0:1|1:1:foo|1:2:3|1:{}|");
    expect(SPLIT_JSON, SV("[\n {\n \"a\": oops\n },\n {}\n]"), "2:0:{\n \"a\": oops\n }|5:1:{}|");
}

static void test_records(void **state)
{
    (void)state;
    expect(SPLIT_JSON, SV("{\"Records\":[{\"a\":1},{\"b\":2}]}\n{\"c\":3}"),
           "1:0:{\"a\":1}|1:1:{\"b\":2}|2:{\"c\":3}|");
    expect(SPLIT_JSON,
           SV("{\n \"x\": {\"Records\": 1},\n \"Records\" : [\n  {\"a\":1},\n  {}\n ],\n \"y\": "
              "[\"]}\"]\n}{\"c\":3}"),
           "4:0:{\"a\":1}|5:1:{}|8:{\"c\":3}|");
    expect(SPLIT_JSON,
           SV("{\"Records\":[]}\n{\"Records\":[1]}\n{\"m\":{\"Records\":[{}]}}\n{\"v\":\"Records\"}\n"),
           "1:{\"Records\":[]}|2:{\"Records\":[1]}|3:{\"m\":{\"Records\":[{}]}}|4:{\"v\":\"Records\"}|");
    expect(SPLIT_JSON, SV("{\"Records\":[{\"a\":1},{bad},{\"b\":2}]}"),
           "1:0:{\"a\":1}|1:1:{bad}|1:2:{\"b\":2}|");
    expect(SPLIT_JSON, SV("{\"Records\":[{\"a\":1}]\n{\"b\":2}\n"), "1:0:{\"a\":1}|2:{\"b\":2}|");
}

/* --- records that are too long --- */

struct generated { /* head, then n times `fill`, then tail */
    struct sv head, tail;
    char fill;
    uint64_t n, at;
    size_t largest;
};

static int64_t generated_read(void *context, void *to, size_t n, struct err *err)
{
    struct generated *g = context;
    uint64_t total = g->head.n + g->n + g->tail.n;
    (void)err;
    n = (size_t)TC_MIN((uint64_t)n, total - g->at);
    for (size_t i = 0; i < n; i++, g->at++)
        ((char *)to)[i] = g->at < g->head.n          ? g->head.p[g->at]
                          : g->at < g->head.n + g->n ? g->fill
                                                     : g->tail.p[g->at - g->head.n - g->n];
    return (int64_t)n;
}

static void expect_long(enum split_mode mode, struct generated g, const char *expected)
{
    struct splitter *splitter = splitter_new(mode, generated_read, &g);
    struct split_record record;
    struct buf out;
    buf_init(&out, 1 << 20);
    while (splitter_next(splitter, &record, NULL) > 0) {
        assert_true(record.raw.n <= TC_EVENT_RAW_MAX);
        if (record.raw.n > 100 && !record.cut)
            record.raw = SV("long");
        describe(&record, &out);
    }
    buf_char(&out, '\0');
    assert_string_equal(out.p, expected);
    buf_free(&out);
    splitter_free(&splitter);
}

static void test_long(void **state)
{
    (void)state;
    enum { MIB = 1 << 20 };
    expect_long(SPLIT_LINES, (struct generated){SV("a\n"), SV("\r\nz\n"), 'x', MIB, 0, 0}, "1:a|2:long|3:z|");
    expect_long(SPLIT_LINES, (struct generated){SV("a\n"), SV("\r\nz\n"), 'x', MIB + 1, 0, 0},
                "1:a|2:CUT1048577|3:z|");
    expect_long(SPLIT_LINES, (struct generated){SV("a\n"), SV(""), 'x', 20 * MIB, 0, 0},
                "1:a|2:CUT20971520|");
    expect_long(SPLIT_JSON, (struct generated){SV("{}\n{\"a\":\""), SV("\"}\n{\"b\":2}"), 'x', 3 * MIB, 0, 0},
                "1:{}|2:CUT3145736|3:{\"b\":2}|");
    /* a brace that was lost in a long line */
    expect_long(SPLIT_JSON,
                (struct generated){SV("{\"a\":\""), SV("\"\n{\"b\":2}\n{\"c\":3}"), 'x', 3 * MIB, 0, 0},
                "1:CUT3145735|2:{\"b\":2}|3:{\"c\":3}|");
    expect_long(SPLIT_JSON, (struct generated){SV("[{\"a\":\""), SV("\"},{\"b\":2}]{}"), 'x', 3 * MIB, 0, 0},
                "1:0:CUT3145736|1:1:{\"b\":2}|1:{}|");
    expect_long(SPLIT_JSON, (struct generated){SV("[{\"a\":"), SV("1},{\"b\":2}]{}"), '\n', 2 * MIB, 0, 0},
                "1:0:CUT2097159|2097153:1:{\"b\":2}|2097153:{}|");
}

static void test_cut_hash(void **state)
{
    (void)state;
    size_t n = TC_EVENT_RAW_MAX + 5;
    char *text = malloc(n + 1);
    memset(text, 'y', n);
    text[n] = '\n';
    struct split_record record;
    uint8_t sha256[TC_SHA256_BYTES];
    for (size_t piece = 1000; piece <= n + 1; piece *= 7) {
        struct source source = {sv_make(text, n + 1), piece, false};
        struct splitter *splitter = splitter_new(SPLIT_LINES, source_read, &source);
        assert_int_equal(splitter_next(splitter, &record, NULL), 1);
        hash_sha256(sv_make(text, n), sha256);
        assert_true(record.cut);
        assert_int_equal(record.raw.n, TC_EVENT_CUT_BYTES);
        assert_int_equal(record.full_bytes, n);
        assert_memory_equal(record.sha256, sha256, sizeof sha256);
        assert_int_equal(splitter_next(splitter, &record, NULL), 0);
        splitter_free(&splitter);
    }
    free(text);
}

/* What came before a read error is delivered; then the error, and again when asked again. */
static void test_read_error(void **state)
{
    (void)state;
    struct source source = {SV("{\"a\":1}\n{\"b\":"), 5, true};
    struct splitter *splitter = splitter_new(SPLIT_JSON, source_read, &source);
    struct split_record record;
    struct err err;
    assert_int_equal(splitter_next(splitter, &record, &err), 1);
    assert_int_equal(splitter_next(splitter, &record, &err), 1);
    assert_true(sv_is(record.raw, "{\"b\":"));
    assert_int_equal(splitter_next(splitter, &record, &err), TC_EIO);
    assert_string_equal(err.text, "the cable was pulled");
    assert_int_equal(splitter_next(splitter, &record, &err), TC_EIO);
    splitter_free(&splitter);
}

static void test_peek(void **state)
{
    (void)state;
    struct source source = {SV("{\"a\":1}\n"), 3, false};
    struct splitter *splitter = splitter_new(SPLIT_LINES, source_read, &source);
    struct sv head;
    struct split_record record;
    assert_int_equal(splitter_peek(splitter, &head, NULL), 0);
    assert_true(sv_is(head, "{\"a\":1}\n"));
    splitter_set_mode(splitter, SPLIT_JSON);
    assert_int_equal(splitter_next(splitter, &record, NULL), 1);
    assert_true(sv_is(record.raw, "{\"a\":1}"));
    splitter_free(&splitter);
    struct source empty = {SV(""), 3, true};
    struct err err;
    splitter = splitter_new(SPLIT_LINES, source_read, &empty);
    assert_int_equal(splitter_peek(splitter, &head, &err), TC_EIO);
    splitter_free(&splitter);
}

/* Random mixtures of good and bad pieces: the pieces of the reads must not matter, and no byte may be lost
 * (other than white space, commas and the brackets of arrays). */
static void test_random(void **state)
{
    (void)state;
    static const char *const parts[] = {"{\"a\":1}",        "\n", "{",  "}", "[", "]", ",", "\"s\"", ":",
                                        "{\"Records\":[{}", "1",  "\n", "x"};
    uint32_t seed = 1;
    struct buf a, b;
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    for (int round = 0; round < 20000; round++) {
        char text[256];
        size_t n = 0;
        while (n < 60) {
            seed = seed * 1664525 + 1013904223;
            const char *part = parts[(seed >> 16) % TC_ARRAY_LEN(parts)];
            memcpy(text + n, part, strlen(part));
            n += strlen(part);
        }
        split(SPLIT_JSON, sv_make(text, n), 1000, &a);
        for (size_t piece = 1; piece < 12; piece += 2) {
            split(SPLIT_JSON, sv_make(text, n), piece, &b);
            if (!sv_eq(buf_view(&a), buf_view(&b)))
                print_error("pieces of %zu of <%.*s>:\n<%.*s>\n<%.*s>\n", piece, (int)n, text,
                            SV_FMT(buf_view(&a)), SV_FMT(buf_view(&b)));
            assert_true(sv_eq(buf_view(&a), buf_view(&b)));
        }
    }
    buf_free(&a);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_json_lines_broken),
        cmocka_unit_test(test_array),
        cmocka_unit_test(test_array_broken),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_cut_hash),
        cmocka_unit_test(test_read_error),
        cmocka_unit_test(test_peek),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
