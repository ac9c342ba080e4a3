/*
 * An answer does not depend on whether a segment is packed: records of many kinds (JSON with and without the
 * labels of a stream, numbers beside texts, arrays, labels of their own, text with fields in it, records
 * without fields) are asked for before and after.
 */
#include "event/parse.h"
#include "journal/cold_make.h"
#include "journal/segment.h"
#include "query/metric.h"
#include "query/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START (INT64_C(1800000000) * TC_SECOND_NS) /* 2027-01-15 08:00:00 */
enum { PER_BATCH = 25, BATCHES = 24, KINDS = 6 };

struct world {
    char dir[64];
    struct sim_clk clk;
    struct journal *journal;
    struct arena arena;
    unsigned written;
};

static void begin(struct world *w)
{
    struct err err = {0};
    struct journal_recovery recovery;
    *w = (struct world){0};
    snprintf(w->dir, sizeof w->dir, "/tmp/tocsin-scan-cold-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    sim_clk_init(&w->clk, START);
    struct journal_options options = {.fs = &fs_system,
                                      .clk = &w->clk.clk,
                                      .rng = &rng_system,
                                      .dir = w->dir,
                                      .segment_bytes = 64 << 10,
                                      .inline_commit = true};
    if (journal_open(&options, &w->journal, &recovery, &err) != 0)
        fail_msg("%s", err.text);
}

static void end(struct world *w)
{
    char command[128];
    journal_close(&w->journal);
    arena_free(&w->arena);
    snprintf(command, sizeof command, "rm -r %s", w->dir);
    assert_int_equal(system(command), 0);
}

static void line_of(unsigned kind, unsigned i, char *to, size_t n)
{
    unsigned s = i / 10 % 60;
    switch (kind) {
    case 0:
        snprintf(to, n,
                 "{\"@timestamp\":\"2027-01-15T08:00:%02uZ\",\"level\":\"info\",\"service\":\"s%u\",\"host\":"
                 "{\"name\":\"h%u\"},\"n\":%u,\"tags\":[\"a\",\"b%u\"],\"id\":\"%08x%08x\"}",
                 s, i % 3, i % 4, i * 7, i % 5, i * 2654435761U, i);
        return;
    case 1:
        snprintf(to, n,
                 "{\"@timestamp\":\"2027-01-15T08:00:%02uZ\",\"msg\":\"%u items of twelve\",\"n\":%u.5,"
                 "\"logsource\":{\"service\":\"x%u\"},\"service\":\"hidden\",\"level\":\"\"}",
                 s, i, i, i % 2);
        return;
    case 2:
        snprintf(to, n,
                 "{\"severity\":\"warn\",\"hostname\":\"k%u\",\"a\":{\"b "
                 "c\":\"\\u0041%u\\n\"},\"x\":[%u,%u],\"ok\":true}",
                 i % 3, i, i, i + 1);
        return;
    case 3:
        snprintf(to, n,
                 "Jan 15 08:00:%02u web%u sshd[%u]: Failed password for root from 10.0.%u.%u port %u ssh2", s,
                 i % 3, 1000 + i, i % 200, i % 7, 1024 + i);
        return;
    case 4:
        snprintf(to, n, "{\"labels\":{\"app\":\"a%u\",\"service\":\"mine\"},\"service\":\"own\",\"n\":%u}",
                 i % 2, i);
        return;
    default:
        snprintf(to, n, "n=%u and nothing that a parser knows", i);
        return;
    }
}

static void put_record(struct world *w, unsigned kind, struct buf *blocks)
{
    static char text[512];
    struct parse_state state;
    struct event event = {0};
    unsigned i = w->written++;
    line_of(kind, i, text, sizeof text);
    struct sv raw = sv_of(text);
    const struct parser *parser = parser_recognise(raw);
    parse_state_init(&state, 0, 2027, START);
    parse_record(parser, &state, raw, &w->arena, &event);
    if (kind == 5)
        event.field_count = 0;
    event.source = kind % 2 == 0 ? SV("http:json") : SV("file:/var/log/auth.log");
    event.class = i % 11 == 0 ? CLASS_DEBUG : CLASS_SECURITY;
    event.received = (struct receive_time){START + (int64_t)i * TC_SECOND_NS / 10};
    record_encode(&event, blocks);
}

/* The first third holds kinds 0 to 2, which columns can tell all of; then more kinds come. */
static void write_all(struct world *w)
{
    for (unsigned b = 0; b < BATCHES; b++) {
        struct buf blocks;
        struct err err = {0};
        buf_init(&blocks, 1 << 20);
        unsigned kinds = b < BATCHES / 3 ? 3 : b < 2 * BATCHES / 3 ? 4 : KINDS;
        for (unsigned i = 0; i < PER_BATCH; i++)
            put_record(w, i * 5 % kinds, &blocks);
        struct journal_batch batch = {
            .kind = BATCH_INPUT, .received = {START}, .blocks = buf_view(&blocks), .count = PER_BATCH};
        if (journal_append_wait(w->journal, &batch, NULL, &err) != 0)
            fail_msg("%s", err.text);
        buf_free(&blocks);
    }
}

static void pack_all(struct world *w)
{
    struct segment_list list;
    struct err err = {0};
    assert_int_equal(segment_list_read(&fs_system, w->dir, &list, &err), 0);
    assert_true(list.n > 4);
    for (size_t i = 0; i + 1 < list.n; i++)
        if (cold_make(&fs_system, w->dir, list.first[i], (struct receive_time){START}, &err) != 0)
            fail_msg("%s", err.text);
    segment_list_free(&list);
}

/* --- answers as text */

static void say_lines(const struct query_source *source, const struct logql *query, struct buf *out,
                      uint64_t *ret_bytes)
{
    struct query_answer answer;
    struct err err = {0};
    if (query_search(source, query, START - 100 * TC_SECOND_NS, START + 1000 * TC_SECOND_NS, 1000, false,
                     &answer, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < answer.count; i++) {
        const struct query_found *found = answer.found[i];
        buf_printf(out, "%lld %llu %.*s ", (long long)found->ns, (unsigned long long)found->position,
                   SV_FMT(found->line));
        query_labels_print(found->labels, found->label_count, out);
        buf_char(out, '\n');
    }
    assert_true(answer.count > 0 || sv_find(query->text, SV("no such text")) < query->text.n);
    buf_printf(out, "%llu matched\n", (unsigned long long)answer.stats.matched);
    *ret_bytes = answer.stats.bytes;
    query_answer_free(&answer);
}

static void say_numbers(const struct query_source *source, const struct logql *query, struct buf *out,
                        uint64_t *ret_bytes)
{
    struct query_scan_stats stats = {0};
    struct query_matrix matrix;
    struct err err = {0};
    if (query_metric(source, query, START, START + 60 * TC_SECOND_NS, 20 * TC_SECOND_NS, &matrix, &stats,
                     &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < matrix.count; i++) {
        query_labels_print(matrix.series[i].labels, matrix.series[i].label_count, out);
        for (size_t k = 0; k < matrix.steps; k++)
            buf_printf(out, " %g", matrix.series[i].present[k] ? matrix.series[i].values[k] : -1.0);
        buf_char(out, '\n');
    }
    buf_printf(out, "%llu matched\n", (unsigned long long)stats.matched);
    *ret_bytes = stats.bytes;
    query_matrix_free(&matrix);
}

static void ask(const struct world *w, const char *text, uint64_t after, struct buf *out, uint64_t *ret_bytes)
{
    struct logql *query;
    struct err err = {0};
    struct query_source source = {.fs = &fs_system, .dir = w->dir, .limit_to = w->journal, .after = after};
    if (logql_parse(sv_of(text), &query, &err) != 0)
        fail_msg("%s", err.text);
    if (query->root->kind == LOGQL_LOG)
        say_lines(&source, query, out, ret_bytes);
    else
        say_numbers(&source, query, out, ret_bytes);
    logql_free(&query);
}

/* `fewer`: less is read once the segments are packed. */
static const struct {
    const char *text;
    bool fewer;
} questions[] = {
    {"sum by (service) (count_over_time({source=~\".+\"}[5m]))", true},
    {"sum by (service, level, host) (count_over_time({source=\"http:json\"}[5m]))", true},
    {"sum by (class) (rate({source=~\".+\"}[10s]))", true},
    {"sum by (class, source) (count_over_time({class=\"debug\"}[17s]))", true},
    {"sum(count_over_time({level=\"info\"}[30s] offset 5s))", true},
    {"sum by (service) (count_over_time({source=~\".+\", service!=\"x0\", host=~\"h.|\"}[5m]))", true},
    {"sum by (n) (count_over_time({source=~\".+\"}[5m]))", true},
    {"sum by (tags) (count_over_time({source=~\".+\"}[5m]))", true},
    {"sum by (a_b_c, x, ok, app) (count_over_time({source=~\".+\"}[5m]))", true},
    {"sum by (app) (count_over_time({app=~\"a.\"}[5m]))", true},
    {"sum by (nobody) (count_over_time({nobody=\"x\"}[5m]))", true},
    {"absent_over_time({source=\"nowhere\"}[5m])", true},
    {"sum by (service) (bytes_over_time({source=~\".+\"}[5m]))", false},
    {"sum without (service) (count_over_time({source=~\".+\"}[5m]))", false},
    {"count_over_time({source=\"http:json\"}[5m])", false},
    {"{source=~\".+\"} |= \"000000c8\"", true},
    {"{source=~\".+\"} |= \"items of twelve\"", false},
    {"{source=~\".+\"} |= \"01 items of twelve\"", true},
    {"{source=~\".+\"} |= \"password for root from 10.0.1\"", false},
    {"{source=~\".+\"} |= \"\\\"ok\\\":true\"", false},
    {"{source=~\".+\"} |= \"101,102\"", false},
    {"{source=~\".+\"} |= \"u004119\"", false},
    {"{source=~\".+\"} |= \"that a parser knows\"", false},
    {"{source=~\".+\"} |= \"there is no such text in here\"", true},
    {"{source=~\"http.*\"} |= \"00000190\"", false},
};

static void test_packed_or_not(void **state)
{
    (void)state;
    enum { COUNT = sizeof questions / sizeof questions[0], PLACES = 2 };
    static const uint64_t after[PLACES] = {0, 60};
    static struct buf before[COUNT][PLACES];
    uint64_t bytes[COUNT][PLACES], packed_bytes;
    struct world w;
    begin(&w);
    write_all(&w);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < PLACES; k++) {
            buf_init(&before[i][k], 4 << 20);
            ask(&w, questions[i].text, after[k], &before[i][k], &bytes[i][k]);
        }
    pack_all(&w);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < PLACES; k++) {
            struct buf now;
            buf_init(&now, 4 << 20);
            ask(&w, questions[i].text, after[k], &now, &packed_bytes);
            buf_char(&now, '\0');
            buf_char(&before[i][k], '\0');
            if (strcmp(now.p, before[i][k].p) != 0)
                fail_msg("%s\n%s\nbut packed:\n%s", questions[i].text, before[i][k].p, now.p);
            if (questions[i].fewer && packed_bytes >= bytes[i][k])
                fail_msg("%s: %llu bytes, packed %llu", questions[i].text, (unsigned long long)bytes[i][k],
                         (unsigned long long)packed_bytes);
            buf_free(&now);
            buf_free(&before[i][k]);
        }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_packed_or_not)};
    return cmocka_run_group_tests_name("query: answers from cold segments", tests, NULL, NULL);
}
