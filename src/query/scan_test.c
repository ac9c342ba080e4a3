/*
 * Answers over a journal: order, limits and times do not depend on segments, also where they rotate between
 * two questions, and what the index says of times changes nothing.
 */
#include "query/metric.h"
#include "query/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START (INT64_C(1800000000) * TC_SECOND_NS)

struct world {
    char dir[64];
    struct sim_clk clk;
    struct journal *journal;
    struct query_index *index;
    unsigned written;
};

static void begin(struct world *w, uint64_t segment_bytes)
{
    struct err err = {0};
    struct journal_recovery recovery;
    snprintf(w->dir, sizeof w->dir, "/tmp/tocsin-scan-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    sim_clk_init(&w->clk, START);
    struct journal_options options = {.fs = &fs_system,
                                      .clk = &w->clk.clk,
                                      .rng = &rng_system,
                                      .dir = w->dir,
                                      .segment_bytes = segment_bytes,
                                      .inline_commit = true};
    if (journal_open(&options, &w->journal, &recovery, &err) != 0)
        fail_msg("%s", err.text);
    w->index = query_index_new();
}

static void end(struct world *w)
{
    char command[128];
    journal_close(&w->journal);
    query_index_free(&w->index);
    snprintf(command, sizeof command, "rm -r %s", w->dir);
    assert_int_equal(system(command), 0);
}

/* Event i says "n=i" and is of second i ^ 1: neighbours arrive in the wrong order. */
static void write_events(struct world *w, unsigned count)
{
    struct buf blocks;
    struct err err = {0};
    buf_init(&blocks, 1 << 20);
    for (unsigned i = w->written; i < w->written + count; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "n=%u kind=%s", i, i % 3 == 0 ? "odd" : "even");
        record_encode_plain(REC_EVENT, CLASS_SECURITY, SV("test"), (struct receive_time){START},
                            (struct event_time){START + (int64_t)(i ^ 1) * TC_SECOND_NS},
                            sv_make(text, (size_t)n), &blocks);
    }
    w->written += count;
    struct journal_batch batch = {
        .kind = BATCH_INPUT, .received = {START}, .blocks = buf_view(&blocks), .count = count};
    if (journal_append_wait(w->journal, &batch, NULL, &err) != 0)
        fail_msg("%s", err.text);
    buf_free(&blocks);
}

static struct logql *parsed(const char *text)
{
    struct logql *query;
    struct err err = {0};
    if (logql_parse(sv_of(text), &query, &err) != 0)
        fail_msg("%s", err.text);
    return query;
}

static struct query_source source_of(const struct world *w, bool indexed)
{
    return (struct query_source){
        .fs = &fs_system, .dir = w->dir, .limit_to = w->journal, .index = indexed ? w->index : NULL};
}

/* Lines of seconds [from, to), as "n n n". */
static void expect_lines(const struct world *w, const char *text, unsigned from, unsigned to, uint64_t limit,
                         bool backward, const char *wanted)
{
    struct logql *query = parsed(text);
    for (unsigned round = 0; round < 3; round++) { /* without index, learning it, knowing it */
        struct query_source source = source_of(w, round > 0);
        struct query_answer answer;
        struct err err = {0};
        char got[512] = "";
        if (query_search(&source, query, START + from * TC_SECOND_NS, START + to * TC_SECOND_NS, limit,
                         backward, &answer, &err) != 0)
            fail_msg("%s", err.text);
        for (size_t i = 0; i < answer.count; i++) {
            struct sv line = answer.found[i]->line, number = sv_cut(&line, ' ');
            size_t n = strlen(got);
            snprintf(got + n, sizeof got - n, "%s%.*s", n == 0 ? "" : " ", SV_FMT(sv_from(number, 2)));
        }
        assert_string_equal(got, wanted);
        query_answer_free(&answer);
    }
    logql_free(&query);
}

static double number_of(const struct world *w, const char *text, unsigned at)
{
    struct logql *query = parsed(text);
    struct query_source source = source_of(w, true);
    struct query_scan_stats stats = {0};
    struct query_matrix matrix;
    struct err err = {0};
    int64_t ns = START + at * TC_SECOND_NS;
    if (query_metric(&source, query, ns, ns, 1, &matrix, &stats, &err) != 0)
        fail_msg("%s", err.text);
    double value = matrix.count == 1 && matrix.series[0].present[0] ? matrix.series[0].values[0] : -1;
    query_matrix_free(&matrix);
    logql_free(&query);
    return value;
}

static void questions(const struct world *w)
{
    expect_lines(w, "{source=\"test\"}", 4, 8, 100, false, "5 4 7 6");
    expect_lines(w, "{source=\"test\"}", 4, 8, 100, true, "6 7 4 5");
    expect_lines(w, "{source=\"test\"}", 0, 100, 3, false, "1 0 3");
    expect_lines(w, "{source=\"test\"} |= \"kind=odd\"", 0, 10, 100, false, "0 3 6 9");
    expect_lines(w, "{source=\"test\"} | logfmt | n < 4 | kind=\"even\"", 0, 100, 100, false, "1 2");
    expect_lines(w, "{source=\"other\"}", 0, 100, 100, false, "");
    assert_true(number_of(w, "sum(count_over_time({source=\"test\"}[10s]))", 13) == 10);
    assert_true(number_of(w, "sum(rate({source=\"test\"}[10s]))", 13) == 1);
    assert_true(number_of(w, "sum(count_over_time({source=\"test\"}[10s] offset 4s))", 13) == 10);
    assert_true(number_of(w, "sum(sum_over_time({source=\"test\"} | logfmt | unwrap n [4s]))", 7) == 22);
    assert_true(
        number_of(w, "quantile_over_time(0.5, {source=\"test\"} | logfmt | unwrap n [4s]) by (x)", 7) == 5.5);
    assert_true(number_of(w, "sum(count_over_time({source=\"other\"}[10s])) or vector(7)", 13) == 7);
    assert_true(number_of(w, "absent_over_time({source=\"other\"}[10s])", 13) == 1);
    assert_true(number_of(w,
                          "sum by (kind) (count_over_time({source=\"test\"} | logfmt | kind=\"odd\" [20s]))",
                          19) == 7);
}

static void rotation(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 700, 1 << 20};
    for (size_t s = 0; s < TC_ARRAY_LEN(sizes); s++) {
        struct world w = {0};
        begin(&w, sizes[s]);
        write_events(&w, 20);
        questions(&w);
        for (unsigned i = 0; i < 8; i++) { /* later events, a segment each where they are small */
            write_events(&w, 10);
            questions(&w);
        }
        end(&w);
    }
}

static bool at_once(void *context)
{
    (void)context;
    return true;
}

static void stopping(void **state)
{
    (void)state;
    struct world w = {0};
    begin(&w, 0);
    write_events(&w, 20);
    struct query_source source = source_of(&w, false);
    source.stop = at_once;
    struct logql *query = parsed("{source=\"test\"}");
    struct query_answer answer;
    struct err err = {0};
    assert_int_equal(query_search(&source, query, 0, INT64_MAX, 10, false, &answer, &err), TC_ESTATE);
    assert_null(answer.found);
    logql_free(&query);
    end(&w);
}

static bool nothing_more(void *context)
{
    (void)context;
    return false;
}

static int count_line(void *context, struct query_line *line, struct err *err)
{
    (void)line;
    (void)err;
    ++*(unsigned *)context;
    return 0;
}

/* Also where nothing of what is there is asked for, so that no line and no idle moment could end it. */
static void stopping_to_follow(void **state)
{
    (void)state;
    static const char *const texts[] = {"{source=\"test\"}", "{source=\"nobody\"}"};
    struct world w = {0};
    begin(&w, 0);
    write_events(&w, 20);
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++) {
        struct query_source source = source_of(&w, false);
        struct logql *query = parsed(texts[i]);
        struct query_scan_stats stats = {0};
        struct err err = {0};
        unsigned lines = 0;
        source.stop = at_once;
        assert_int_equal(query_follow(&source, query->root, INT64_MIN, INT64_MAX, false, nothing_more,
                                      count_line, &lines, &stats, &err),
                         TC_ESTATE);
        assert_int_equal(lines, 0);
        assert_int_equal(stats.frames, 0);
        logql_free(&query);
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotation),
        cmocka_unit_test(stopping),
        cmocka_unit_test(stopping_to_follow),
    };
    return cmocka_run_group_tests_name("query: answers over a journal", tests, NULL, NULL);
}
