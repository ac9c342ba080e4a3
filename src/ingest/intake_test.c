/*
 * Tests of intake: what comes out of a body, and that what is not safe to keep never does.
 */
#include "ingest/intake.h"

#include "base/rng.h"
#include "event/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_NS (INT64_C(1780000000) * TC_SECOND_NS)
enum { HOUR_S = 3600, DECODED_MAX = 200 };

struct fixture {
    struct sim_clk clock;
    struct redactor *redactor;
    struct intake *intake;
    struct intake_batch batch;
    struct arena arena;
    struct err err;
    struct event events[DECODED_MAX]; /* of the batch, after decode() */
    size_t count;
};

static struct fixture *setup(size_t max_records, size_t max_bytes)
{
    struct fixture *f = tc_alloc(sizeof *f);
    sim_clk_init(&f->clock, NOW_NS);
    f->redactor = redactor_new((const uint8_t[TC_REDACT_KEY_BYTES]){1, 2, 3});
    f->intake = intake_new(&(struct intake_options){.clk = &f->clock.clk,
                                                    .redactor = f->redactor,
                                                    .lateness_ns = HOUR_S * TC_SECOND_NS,
                                                    .max_records = max_records});
    intake_batch_init(&f->batch, max_bytes);
    return f;
}

static void teardown(struct fixture *f)
{
    intake_batch_free(&f->batch);
    intake_free(&f->intake);
    redactor_free(&f->redactor);
    arena_free(&f->arena);
    free(f);
}

static void decode(struct fixture *f)
{
    struct sv rest = buf_view(&f->batch.blocks);
    arena_reset(&f->arena);
    for (f->count = 0; rest.n > 0 && f->count < DECODED_MAX; f->count++) {
        size_t n = record_length(rest);
        assert_true(n > 0);
        assert_int_equal(record_decode(sv_head(rest, n), &f->arena, &f->events[f->count], &f->err), 0);
        rest = sv_from(rest, n);
    }
    assert_int_equal(f->count, f->batch.count);
}

static int take(struct fixture *f, enum intake_mode mode, struct sv body)
{
    int rc = intake_body(f->intake, SV("http:web"), mode, body, &f->batch, &f->err);
    decode(f);
    return rc;
}

static void test_A_01_object_array_ndjson(void **state)
{
    static const struct {
        const char *body;
        uint32_t accepted;
    } cases[] = {
        {"{\"n\":0}", 1},
        {" {\"n\":0} \n\n", 1},
        {"{\n  \"n\": 0,\n  \"m\": {\"a\": 1}\n}\n", 1},
        {"[{\"n\":0},{\"n\":1},\n{\"n\":2}]", 3},
        {"{\"n\":0}\n{\"n\":1}\r\n\n{\"n\":2}", 3},
        {"{\"n\":0}{\"n\":1}", 2},
        {"{\"Records\":[{\"n\":0},{\"n\":1}]}", 2},
        {"", 0},
        {" \r\n\t\n", 0},
        {"[]", 0},
    };
    struct fixture *f = setup(0, 1 << 20);
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        assert_int_equal(take(f, INTAKE_JSON_STRICT, sv_of(cases[i].body)), 0);
        if (f->batch.count != cases[i].accepted)
            print_message("%s\n", cases[i].body);
        assert_int_equal(f->batch.count, cases[i].accepted);
        assert_int_equal(f->batch.error_total, 0);
        for (size_t k = 0; k < f->count; k++) {
            assert_int_equal(f->events[k].source_position, k);
            assert_true(sv_is(event_value(&f->events[k], "n"), (const char *[]){"0", "1", "2"}[k]));
        }
    }
    teardown(f);
}

static void test_envelope(void **state)
{
    struct fixture *f = setup(0, 1 << 20);
    (void)state;
    assert_int_equal(take(f, INTAKE_JSON_STRICT, SV("{\"a\":1}")), 0);
    const struct event *e = &f->events[0];
    assert_true(sv_is(e->source, "http:web"));
    assert_true(sv_is(e->raw, "{\"a\":1}"));
    assert_int_equal(e->type, REC_EVENT);
    assert_int_equal(e->class, CLASS_SECURITY);
    assert_true(e->received.ns == NOW_NS);
    assert_true(e->time.ns == TC_NO_TIME);
    assert_int_equal(e->flags, 0);
    assert_int_equal(e->repeat, 1);
    assert_true(f->batch.received.ns == NOW_NS);
    assert_false(f->batch.all_have_time);
    teardown(f);
}

/* An item that is not JSON is told with its place; the good ones beside it are kept. */
static void test_A_32_errors_of_items(void **state)
{
    static const struct {
        const char *body;
        uint32_t accepted, errors;
        uint64_t index;   /* of the first error */
        const char *text; /* that it must contain */
    } cases[] = {
        {"{\"n\":1}\n{\"n\":\n{\"n\":3}\n", 2, 1, 1, "line 2, column "},
        {"{\"n\":1}\nnonsense\n{\"n\":3}\n", 2, 1, 1, "line 2, column 1"},
        {"{\"n\":", 0, 1, 0, "line 1, column 6"},
        {"[{\"n\":1},7,{\"n\":2}]", 2, 1, 1, "an event must be a JSON object"},
        {"[{\"n\":1},\"text\",null,[1],true]", 1, 4, 1, "an event must be a JSON object"},
        {"42", 0, 1, 0, "an event must be a JSON object"},
        {"\"text\"", 0, 1, 0, "an event must be a JSON object"},
        {"{\"n\":01}", 0, 1, 0, "line 1, column "},
        {"{'n':1}", 0, 1, 0, "line 1, column 2"},
        {"{\"n\":1}\n{\"n\":2,}\n", 1, 1, 1, "line 2, column "},
    };
    struct fixture *f = setup(0, 1 << 20);
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        assert_int_equal(take(f, INTAKE_JSON_STRICT, sv_of(cases[i].body)), 0);
        struct sv text = f->batch.error_count > 0 ? f->batch.errors[0].text : SV("");
        if (f->batch.count != cases[i].accepted || f->batch.error_total != cases[i].errors ||
            sv_find(text, sv_of(cases[i].text)) == text.n)
            print_message("%s: %u accepted, %llu errors: %.*s\n", cases[i].body, f->batch.count,
                          (unsigned long long)f->batch.error_total, SV_FMT(text));
        assert_int_equal(f->batch.count, cases[i].accepted);
        assert_int_equal(f->batch.error_total, cases[i].errors);
        assert_int_equal(f->batch.errors[0].index, cases[i].index);
        assert_true(sv_find(text, sv_of(cases[i].text)) < text.n);
    }
    teardown(f);
}

static void test_A_32_errors_are_bounded(void **state)
{
    struct fixture *f = setup(0, 1 << 20);
    struct buf body;
    (void)state;
    buf_init(&body, 1 << 20);
    buf_str(&body, "[1");
    for (int i = 0; i < 1500; i++)
        buf_str(&body, ",1");
    buf_str(&body, "]");
    assert_int_equal(take(f, INTAKE_JSON_STRICT, buf_view(&body)), 0);
    assert_int_equal(f->batch.error_total, 1501);
    assert_int_equal(f->batch.error_count, TC_INTAKE_ERRORS_MAX);
    struct intake_stats stats;
    intake_stats(f->intake, &stats);
    assert_int_equal(stats.errors, 1501);
    buf_free(&body);
    teardown(f);
}

static void test_lenient_keeps_text(void **state)
{
    struct fixture *f = setup(0, 1 << 20);
    struct intake_stats stats;
    (void)state;
    assert_int_equal(take(f, INTAKE_LENIENT, SV("one line\n\nanother\r\n")), 0);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->batch.error_total, 0);
    assert_true(sv_is(event_value(&f->events[0], "message"), "one line"));
    assert_true(sv_is(f->events[1].raw, "another"));
    assert_int_equal(take(f, INTAKE_LENIENT, SV("{\"n\":1}\n{\"n\":\n{\"n\":3}\n")), 0);
    assert_int_equal(f->count, 3);
    assert_true((f->events[0].flags & EVENT_TEXT) == 0);
    assert_true((f->events[1].flags & EVENT_TEXT) != 0);
    intake_stats(f->intake, &stats);
    assert_int_equal(stats.records, 5);
    assert_int_equal(stats.text, 1); /* a line of a text input is what it should be */
    teardown(f);
}

static void test_a_stream_declares_its_own_lateness(void **state)
{
    static const struct {
        int64_t lateness_s, offset_s; /* -1: the intake's */
        bool suspect;
    } cases[] = {{-1, -HOUR_S, false},
                 {-1, -HOUR_S - 1, true},
                 {2 * HOUR_S, -2 * HOUR_S, false},
                 {2 * HOUR_S, -2 * HOUR_S - 1, true},
                 {0, -1, true},
                 {0, 0, false},
                 {2 * HOUR_S, 301, true}};
    struct fixture *f = setup(0, 1 << 20);
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        char time[TC_RFC3339_MAX], body[128];
        struct parse_state stream;
        parse_state_init(&stream, 0, 0, NOW_NS);
        stream.lateness_ns = cases[i].lateness_s < 0 ? -1 : cases[i].lateness_s * TC_SECOND_NS;
        clk_rfc3339(NOW_NS + cases[i].offset_s * TC_SECOND_NS, time);
        snprintf(body, sizeof body, "{\"@timestamp\":\"%s\"}", time);
        intake_batch_clear(&f->batch);
        assert_int_equal(intake_line(f->intake, parser_find(SV("json")), &stream, SV("file:app"), 1,
                                     sv_of(body), &f->batch, &f->err),
                         0);
        decode(f);
        assert_int_equal((f->events[0].flags & EVENT_SUSPECT_TIME) != 0, cases[i].suspect);
    }
    teardown(f);
}

static void test_a_sender_of_bodies_declares_its_own_lateness(void **state)
{
    static const struct intake_lateness declared[] = {{{"http:slow", 9}, 2 * HOUR_S * TC_SECOND_NS},
                                                      {{"http:quick", 10}, 0},
                                                      {{"http:two", 8}, 60 * TC_SECOND_NS},
                                                      {{"http:two", 8}, 90 * TC_SECOND_NS}};
    static const struct {
        const char *source;
        int64_t offset_s;
        bool suspect;
    } cases[] = {{"http:slow", -2 * HOUR_S, false}, {"http:slow", -2 * HOUR_S - 1, true},
                 {"http:quick", 0, false},          {"http:quick", -1, true},
                 {"http:two", -90, false},          {"http:two", -91, true},
                 {"http:other", -HOUR_S, false},    {"http:other", -HOUR_S - 1, true},
                 {"http:slower", -HOUR_S, false},   {"http:slower", -HOUR_S - 1, true}};
    struct fixture *f = setup(0, 1 << 20);
    struct intake *intake = intake_new(&(struct intake_options){.clk = &f->clock.clk,
                                                                .redactor = f->redactor,
                                                                .lateness_ns = HOUR_S * TC_SECOND_NS,
                                                                .declared = declared,
                                                                .declared_count = TC_ARRAY_LEN(declared)});
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        char time[TC_RFC3339_MAX], body[128];
        clk_rfc3339(NOW_NS + cases[i].offset_s * TC_SECOND_NS, time);
        snprintf(body, sizeof body, "{\"@timestamp\":\"%s\"}", time);
        assert_int_equal(
            intake_body(intake, sv_of(cases[i].source), INTAKE_JSON_STRICT, sv_of(body), &f->batch, &f->err),
            0);
        decode(f);
        assert_int_equal(f->count, 1);
        assert_int_equal((f->events[0].flags & EVENT_SUSPECT_TIME) != 0, cases[i].suspect);
    }
    intake_free(&intake);
    teardown(f);
}

static void test_suspect_times(void **state)
{
    static const struct {
        int64_t offset_s;
        bool suspect;
    } cases[] = {
        {0, false},          {TC_INTAKE_FUTURE_S, false},  {TC_INTAKE_FUTURE_S + 1, true}, {-HOUR_S, false},
        {-HOUR_S - 1, true}, {INT64_C(-1000000000), true}, {INT64_C(4000000000), true},
    };
    struct fixture *f = setup(0, 1 << 20);
    uint64_t suspects = 0;
    struct intake_stats stats;
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        char time[TC_RFC3339_MAX], body[128];
        clk_rfc3339(NOW_NS + cases[i].offset_s * TC_SECOND_NS, time);
        snprintf(body, sizeof body, "{\"@timestamp\":\"%s\"}", time);
        assert_int_equal(take(f, INTAKE_JSON_STRICT, sv_of(body)), 0);
        assert_true(f->events[0].time.ns == NOW_NS + cases[i].offset_s * TC_SECOND_NS);
        assert_int_equal((f->events[0].flags & EVENT_SUSPECT_TIME) != 0, cases[i].suspect);
        assert_true(f->batch.all_have_time);
        suspects += cases[i].suspect;
    }
    intake_stats(f->intake, &stats);
    assert_int_equal(stats.suspect_time, suspects);
    assert_int_equal(take(f, INTAKE_JSON_STRICT, SV("[{\"@timestamp\":\"2026-01-01T00:00:00Z\"},{\"a\":1}]")),
                     0);
    assert_false(f->batch.all_have_time);
    teardown(f);
}

static void test_redaction_rewrites(void **state)
{
    struct fixture *f = setup(0, 1 << 20);
    struct intake_stats stats;
    (void)state;
    assert_int_equal(
        take(f, INTAKE_JSON_STRICT, SV("{\"user\":\"alice@example.com\",\"n\":1}\n{\"user\":\"bob\"}")), 0);
    struct sv blocks = buf_view(&f->batch.blocks);
    assert_int_equal(sv_find(blocks, SV("alice@example.com")), blocks.n);
    assert_true((f->events[0].flags & EVENT_REDACTED) != 0);
    assert_true((f->events[1].flags & EVENT_REDACTED) == 0);
    assert_true(sv_starts(event_value(&f->events[0], "user"), SV("<email:")));
    assert_true(sv_is(event_value(&f->events[0], "n"), "1"));
    intake_stats(f->intake, &stats);
    assert_int_equal(stats.redacted, 1);
    assert_int_equal(stats.redaction_failed, 0);
    teardown(f);
}

static void test_H_03_redactor_failed_is_quarantine(void **state)
{
    struct fixture *f = setup(0, 1 << 20);
    struct intake_stats stats;
    (void)state;
    redactor_fail_on(f->redactor, "poison");
    assert_int_equal(take(f, INTAKE_JSON_STRICT,
                          SV("[{\"a\":1},{\"secret\":\"poison\",\"@timestamp\":\"2026-01-01T00:00:00Z\"}]")),
                     0);
    assert_int_equal(f->batch.count, 2);
    assert_int_equal(f->batch.error_total, 0);
    const struct event *e = &f->events[1];
    assert_int_equal(e->flags, EVENT_QUARANTINED);
    assert_int_equal(e->raw.n, 0);
    assert_int_equal(e->field_count, 0);
    assert_int_equal(e->source_position, 1);
    assert_true(sv_is(e->source, "http:web"));
    assert_true(e->received.ns == NOW_NS);
    struct sv blocks = buf_view(&f->batch.blocks);
    assert_int_equal(sv_find(blocks, SV("poison")), blocks.n);
    assert_int_equal(sv_find(blocks, SV("secret")), blocks.n);
    intake_stats(f->intake, &stats);
    assert_int_equal(stats.redaction_failed, 1);
    teardown(f);
}

static struct sv long_record(struct buf *body, size_t n)
{
    buf_init(body, n + 64);
    buf_str(body, "{\"a\":\"");
    while (body->n < n)
        buf_char(body, 'x');
    buf_str(body, "\"}");
    return buf_view(body);
}

static void test_A_32_long_records_are_cut(void **state)
{
    struct fixture *f = setup(0, 16 << 20);
    struct buf body;
    char hex[TC_SHA256_HEX];
    uint8_t digest[TC_SHA256_BYTES];
    (void)state;
    struct sv text = long_record(&body, TC_EVENT_RAW_MAX + 10);
    hash_sha256(text, digest);
    hash_hex(digest, sizeof digest, hex);
    assert_int_equal(take(f, INTAKE_JSON_STRICT, text), 0);
    assert_int_equal(f->count, 1);
    assert_true((f->events[0].flags & EVENT_CUT) != 0);
    assert_int_equal(f->events[0].raw.n, TC_EVENT_CUT_BYTES);
    assert_true(sv_is(event_value(&f->events[0], "tocsin.cut.sha256"), hex));
    buf_free(&body);
    text = long_record(&body, TC_EVENT_RAW_MAX - 100);
    assert_int_equal(take(f, INTAKE_JSON_STRICT, text), 0);
    assert_true((f->events[0].flags & EVENT_CUT) == 0);
    buf_free(&body);
    teardown(f);
}

static void test_bounds(void **state)
{
    struct fixture *f = setup(3, 1 << 20);
    (void)state;
    assert_int_equal(take(f, INTAKE_JSON_STRICT, SV("[{},{},{}]")), 0);
    assert_int_equal(take(f, INTAKE_JSON_STRICT, SV("[{},{},{},{}]")), TC_EBOUND);
    assert_int_equal(f->batch.count, 0);
    assert_int_equal(f->batch.blocks.n, 0);
    assert_int_equal(take(f, INTAKE_JSON_STRICT, SV("[1,2,3,4]")), TC_EBOUND);
    struct intake_stats stats;
    intake_stats(f->intake, &stats);
    assert_int_equal(stats.records, 3);
    teardown(f);
    f = setup(0, 200);
    assert_int_equal(take(f, INTAKE_JSON_STRICT, SV("[{\"a\":1},{\"a\":1},{\"a\":1}]")), TC_EBOUND);
    assert_int_equal(f->batch.count, 0);
    teardown(f);
}

static void test_lines(void **state)
{
    struct fixture *f = setup(0, 700);
    struct parse_state parse = {0};
    const struct parser *json = parser_find(SV("json"));
    int rc = 0;
    uint64_t line = 0;
    (void)state;
    parse_state_init(&parse, 0, 0, NOW_NS);
    assert_int_equal(intake_line(f->intake, json, &parse, SV("stdin"), 1, SV(""), &f->batch, &f->err), 0);
    assert_int_equal(f->batch.count, 0);
    while (rc == 0 && line < 100)
        rc = intake_line(f->intake, json, &parse, SV("stdin"), ++line, SV("{\"n\":1}"), &f->batch, &f->err);
    assert_int_equal(rc, TC_EBOUND);
    assert_int_equal(f->batch.count, line - 1);
    decode(f); /* the batch is whole: what did not fit has left nothing */
    assert_int_equal(f->events[0].source_position, 1);
    intake_batch_clear(&f->batch);
    f->clock.now_ns += TC_SECOND_NS;
    assert_int_equal(
        intake_line(f->intake, json, &parse, SV("stdin"), line, SV("{\"n\":1}"), &f->batch, &f->err), 0);
    decode(f);
    assert_true(f->events[0].received.ns == NOW_NS + TC_SECOND_NS);
    teardown(f);
}

static void test_long_line_is_cut(void **state)
{
    struct fixture *f = setup(0, 4 << 20);
    struct parse_state parse = {0};
    struct buf body;
    (void)state;
    parse_state_init(&parse, 0, 0, NOW_NS);
    struct sv text = long_record(&body, TC_EVENT_RAW_MAX + 1);
    assert_int_equal(
        intake_line(f->intake, parser_find(SV("text")), &parse, SV("stdin"), 1, text, &f->batch, &f->err), 0);
    decode(f);
    assert_true((f->events[0].flags & EVENT_CUT) != 0);
    buf_free(&body);
    teardown(f);
}

/* Bytes of every kind: no crash, and whatever is accepted decodes. */
static void test_A_32_bad_bytes(void **state)
{
    static const char *const pieces[] = {"{",  "}",   "[",       "]",    "\"",        ":",    ",",  "\\",
                                         "\n", "\0",  "\xff",    "\xc3", "1",         "-",    "e9", "null",
                                         " ",  "\\u", "\\ud800", "a",    "{\"a\":1}", "[[[[", "\r"};
    struct fixture *f = setup(0, 1 << 20);
    struct sim_rng rng;
    (void)state;
    sim_rng_init(&rng, 32);
    for (int i = 0; i < 10000; i++) {
        char body[256];
        size_t n = 0, parts = rng_u64(&rng.rng) % 24;
        while (parts-- > 0) {
            const char *piece = pieces[rng_u64(&rng.rng) % TC_ARRAY_LEN(pieces)];
            size_t length = piece[0] == '\0' ? 1 : strlen(piece);
            memcpy(body + n, piece, length);
            n += length;
        }
        assert_int_equal(take(f, i % 2 == 0 ? INTAKE_JSON_STRICT : INTAKE_LENIENT, sv_make(body, n)), 0);
    }
    teardown(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A_01_object_array_ndjson),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_A_32_errors_of_items),
        cmocka_unit_test(test_A_32_errors_are_bounded),
        cmocka_unit_test(test_lenient_keeps_text),
        cmocka_unit_test(test_suspect_times),
        cmocka_unit_test(test_a_stream_declares_its_own_lateness),
        cmocka_unit_test(test_a_sender_of_bodies_declares_its_own_lateness),
        cmocka_unit_test(test_redaction_rewrites),
        cmocka_unit_test(test_H_03_redactor_failed_is_quarantine),
        cmocka_unit_test(test_A_32_long_records_are_cut),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_A_32_bad_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
