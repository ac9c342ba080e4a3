/*
 * Framing: both kinds mixed in one stream, any split of the bytes, hostile counts, long messages, and the
 * messages of the shared vectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fs.h"
#include "event/json.h"
#include "event/parse.h"
#include "ingest/syslog_frame.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGES_MAX = 4096 };

struct got {
    struct syslog_frame frame;
    struct arena arena;
    struct split_record records[MESSAGES_MAX];
    size_t count;
    bool broken;
};

static struct got *start(void)
{
    struct got *g = tc_alloc(sizeof *g);
    syslog_frame_init(&g->frame);
    return g;
}

static void keep(struct got *g, struct split_record record)
{
    assert_true(g->count < MESSAGES_MAX);
    record.raw = arena_sv(&g->arena, record.raw);
    g->records[g->count++] = record;
}

/* In parts of `step` bytes, each copied apart so that a read past one is seen. */
static void feed(struct got *g, struct sv bytes, size_t step)
{
    struct split_record record;
    while (bytes.n > 0) {
        struct sv part = sv_head(bytes, step);
        char *copy = malloc(part.n);
        memcpy(copy, part.p, part.n);
        struct sv rest = {copy, part.n};
        while (syslog_frame_next(&g->frame, &rest, &record) == 1)
            keep(g, record);
        assert_int_equal(rest.n, 0);
        free(copy);
        bytes = sv_from(bytes, part.n);
    }
}

static void end(struct got *g)
{
    struct split_record record;
    if (syslog_frame_end(&g->frame, &record, &g->broken) == 1)
        keep(g, record);
    assert_false(syslog_frame_unfinished(&g->frame));
}

static void finish(struct got *g)
{
    syslog_frame_free(&g->frame);
    arena_free(&g->arena);
    free(g);
}

static void check(struct sv bytes, size_t step, const char *const *expected, size_t count, bool broken)
{
    struct got *g = start();
    feed(g, bytes, step);
    end(g);
    assert_int_equal(g->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(g->records[i].raw.n, strlen(expected[i]));
        assert_memory_equal(g->records[i].raw.p, expected[i], strlen(expected[i]));
        assert_int_equal(g->records[i].line, i + 1);
        assert_false(g->records[i].cut);
    }
    assert_int_equal(g->broken, broken);
    finish(g);
}

static void check_all_steps(struct sv bytes, const char *const *expected, size_t count, bool broken)
{
    for (size_t step = 1; step <= bytes.n + 1; step++)
        check(bytes, step, expected, count, broken);
}

#define CHECK(bytes, broken, ...)                                                                            \
    check_all_steps(SV(bytes), (const char *const[]){__VA_ARGS__},                                           \
                    TC_ARRAY_LEN(((const char *const[]){__VA_ARGS__})), broken)

/* --- both framings ---------------------------------------------------------------------------------------
 */

static void test_A_15_newline(void **state)
{
    (void)state;
    CHECK("<1>a\n<2>b\r\n\n\n<3>c\n", false, "<1>a", "<2>b", "<3>c");
    CHECK("<1>a\n<2>no end", false, "<1>a", "<2>no end");
}

static void test_A_15_octet_counted(void **state)
{
    (void)state;
    CHECK("4 <1>a4 <2>b8 <3>c\nd\ne", false, "<1>a", "<2>b", "<3>c\nd\ne");
    CHECK("5 <1>a\n5 <2>b\n", false, "<1>a", "<2>b"); /* counted, and a newline of its own */
}

static void test_A_15_mixed_per_message(void **state)
{
    (void)state;
    CHECK("4 <1>a<2>b\n4 <3>c\n<4>d\n10 <5>\n\n\n\n\n\ne<6>f\n", false, "<1>a", "<2>b", "<3>c", "<4>d",
          "<5>\n\n\n\n\n\ne", "<6>f");
}

static void test_A_15_lines_that_look_counted(void **state)
{
    (void)state;
    CHECK("2024 requests\n2024-01-01 x\n0 <1>a\n12\n7", false, "2024 requests", "2024-01-01 x", "0 <1>a",
          "12", "7");
    CHECK("123456789 <1>too many digits\n<2>b\n", false, "123456789 <1>too many digits", "<2>b");
    CHECK("18446744073709551617 <1>a\n", false, "18446744073709551617 <1>a");
    CHECK("-5 <1>a\n+5 <1>a\n5  <1>a\n5\t<1>a\n", false, "-5 <1>a", "+5 <1>a", "5  <1>a", "5\t<1>a");
}

static void test_a_counted_message_that_never_ends_is_kept_and_told(void **state)
{
    (void)state;
    CHECK("4 <1>a99999999 <2>b", true, "<1>a", "<2>b");
    check_all_steps(SV("5 "), (const char *const[]){"5 "}, 1, false);
    check_all_steps(SV("\n\r\n"), NULL, 0, false);
}

/* --- length ----------------------------------------------------------------------------------------------
 */

static struct sv long_line(struct arena *arena, size_t n)
{
    char *p = arena_alloc(arena, n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)('a' + i % 23);
    p[0] = '<';
    return (struct sv){p, n};
}

static void check_length(size_t n, size_t step, bool counted)
{
    struct got *g = start();
    struct arena arena = {0};
    struct sv message = long_line(&arena, n), head = arena_printf(&arena, "%zu ", n);
    uint8_t sha256[TC_SHA256_BYTES];
    hash_sha256(message, sha256);
    if (counted)
        feed(g, head, step);
    feed(g, message, step);
    assert_true(g->frame.held.n <= TC_EVENT_RAW_MAX);
    if (!counted)
        feed(g, SV("\n"), 1);
    feed(g, SV("<1>next\n"), step);
    assert_int_equal(g->count, 2);
    assert_true(sv_is(g->records[1].raw, "<1>next"));
    assert_int_equal(g->records[0].full_bytes, n);
    assert_int_equal(g->records[0].cut, n > TC_EVENT_RAW_MAX);
    assert_int_equal(g->records[0].raw.n, n > TC_EVENT_RAW_MAX ? TC_EVENT_CUT_BYTES : n);
    assert_memory_equal(g->records[0].raw.p, message.p, g->records[0].raw.n);
    if (g->records[0].cut)
        assert_memory_equal(g->records[0].sha256, sha256, sizeof sha256);
    syslog_frame_release(&g->frame);
    assert_true(g->frame.held.capacity <= TC_EVENT_CUT_BYTES);
    arena_free(&arena);
    finish(g);
}

static void test_A_15_long_messages_are_cut_with_length_and_hash(void **state)
{
    (void)state;
    const size_t lengths[] = {TC_EVENT_RAW_MAX - 1, TC_EVENT_RAW_MAX, TC_EVENT_RAW_MAX + 1,
                              3 * TC_EVENT_RAW_MAX + 7};
    const size_t steps[] = {1000, 65536, 2 * TC_EVENT_RAW_MAX, 5 * TC_EVENT_RAW_MAX};
    for (size_t i = 0; i < TC_ARRAY_LEN(lengths); i++)
        for (size_t j = 0; j < TC_ARRAY_LEN(steps); j++) {
            check_length(lengths[i], steps[j], false);
            check_length(lengths[i], steps[j], true);
        }
}

static void test_an_endless_line_takes_bounded_memory(void **state)
{
    (void)state;
    struct got *g = start();
    struct arena arena = {0};
    struct sv part = long_line(&arena, 65536);
    for (int i = 0; i < 1000; i++) {
        feed(g, part, part.n);
        assert_true(g->frame.held.capacity <= TC_EVENT_RAW_MAX);
    }
    end(g);
    assert_int_equal(g->count, 1);
    assert_true(g->records[0].cut);
    assert_int_equal(g->records[0].full_bytes, 1000 * 65536);
    arena_free(&arena);
    finish(g);
}

/* --- messages of others ----------------------------------------------------------------------------------
 */

static struct sv field(const struct event *event, const char *name)
{
    for (size_t i = 0; i < event->field_count; i++)
        if (sv_is(event->fields[i].name, name))
            return event->fields[i].value;
    return (struct sv){0};
}

/* Each message counted, one after another, in small parts: each comes out as it went in. What is valid is
 * understood by the parser as a syslog message. */
static size_t check_vectors(const char *path, size_t *ret_understood)
{
    struct buf file, stream;
    struct arena arena = {0};
    struct sv inputs[256];
    size_t count = 0;
    buf_init(&file, 1 << 20);
    buf_init(&stream, 1 << 20);
    assert_int_equal(fs_read_file(&fs_system, path, &file, NULL), 0);
    struct sv rest = buf_view(&file);
    while (rest.n > 0 && count < TC_ARRAY_LEN(inputs)) {
        struct event row = {0}, event = {0};
        struct parse_state parse_state;
        assert_int_equal(json_parse_event(sv_cut(&rest, '\n'), &arena, &row, NULL), 0);
        struct sv input = field(&row, "input");
        bool valid = sv_is(field(&row, "valid"), "true");
        /* The grammar allows versions up to 999, of which one is defined. */
        struct sv rest_of = input, priority = sv_cut(&rest_of, '>');
        if (strstr(path, "rfc5424") != NULL)
            sv_cut(&rest_of, ' ');
        struct sv first = strstr(path, "rfc5424") == NULL
                              ? input
                              : arena_printf(&arena, "%.*s>1 %.*s", SV_FMT(priority), SV_FMT(rest_of));
        parse_state_init(&parse_state, 0, 0, INT64_C(1780000000) * TC_SECOND_NS);
        enum parse_outcome outcome =
            parse_record(parser_find(SV("syslog")), &parse_state, first, &arena, &event);
        *ret_understood += valid && outcome == PARSE_OK;
        if (input.n == 0 || input.p[0] != '<' || !sv_eq(input, sv_trim(input)))
            continue; /* no SYSLOG-MSG; the newline framing's business */
        inputs[count++] = input;
        buf_printf(&stream, "%zu ", input.n);
        buf_sv(&stream, input);
    }
    for (size_t step = 1; step < 70; step += 17) {
        struct got *g = start();
        feed(g, buf_view(&stream), step);
        end(g);
        assert_int_equal(g->count, count);
        for (size_t i = 0; i < count; i++)
            assert_true(sv_eq(g->records[i].raw, inputs[i]));
        assert_false(g->broken);
        finish(g);
    }
    arena_free(&arena);
    buf_free(&stream);
    buf_free(&file);
    return count;
}

static void test_A_15_shared_vectors(void **state)
{
    (void)state;
    size_t understood = 0;
    FILE *there = fopen("../shared/data/syslog/rfc5424-go-syslog.jsonl", "r");
    if (there == NULL) {
        printf("skipped: the syslog vectors of the shared data are not here\n");
        skip();
    }
    fclose(there);
    assert_true(check_vectors("../shared/data/syslog/rfc5424-go-syslog.jsonl", &understood) >= 40);

    assert_int_equal(understood, 12); /* all that are valid */
    understood = 0;
    assert_int_equal(check_vectors("../shared/data/syslog/rfc3164-go-syslog.jsonl", &understood), 2);
    assert_int_equal(understood, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A_15_newline),
        cmocka_unit_test(test_A_15_octet_counted),
        cmocka_unit_test(test_A_15_mixed_per_message),
        cmocka_unit_test(test_A_15_lines_that_look_counted),
        cmocka_unit_test(test_a_counted_message_that_never_ends_is_kept_and_told),
        cmocka_unit_test(test_A_15_long_messages_are_cut_with_length_and_hash),
        cmocka_unit_test(test_an_endless_line_takes_bounded_memory),
        cmocka_unit_test(test_A_15_shared_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
