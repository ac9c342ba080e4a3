/*
 * Links between alerts and records: from findings and from decisions, in order of the journal, with what
 * retention has taken away, and bounded.
 */
#include "query/pivot.h"

#include "journal/cold_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START (INT64_C(1800000000) * TC_SECOND_NS)
#define ALERT "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"

struct world {
    char dir[64];
    struct sim_clk clk;
    struct journal *journal;
    struct buf out;
};

static void begin(struct world *w)
{
    struct err err = {0};
    struct journal_recovery recovery;
    *w = (struct world){0};
    snprintf(w->dir, sizeof w->dir, "/tmp/tocsin-pivot-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    sim_clk_init(&w->clk, START);
    struct journal_options options = {
        .fs = &fs_system, .clk = &w->clk.clk, .rng = &rng_system, .dir = w->dir, .inline_commit = true};
    if (journal_open(&options, &w->journal, &recovery, &err) != 0)
        fail_msg("%s", err.text);
    buf_init(&w->out, 1 << 20);
}

static void end(struct world *w)
{
    char command[128];
    journal_close(&w->journal);
    buf_free(&w->out);
    snprintf(command, sizeof command, "rm -r %s", w->dir);
    assert_int_equal(system(command), 0);
}

static uint64_t append(struct world *w, enum batch_kind kind, enum record_type type, uint64_t cause,
                       const char *text)
{
    struct buf block;
    struct err err = {0};
    uint64_t first = 0;
    struct event record = {.type = (uint8_t)type,
                           .class = kind == BATCH_INPUT ? CLASS_DEBUG : CLASS_SECURITY,
                           .source = SV("test"),
                           .source_position = cause,
                           .received = {START},
                           .time = {TC_NO_TIME},
                           .raw = sv_of(text),
                           .repeat = 1};
    buf_init(&block, 1 << 20);
    record_encode(&record, &block);
    struct journal_batch batch = {.kind = kind,
                                  .received = {START},
                                  .consumed = kind == BATCH_DECISION ? cause - 1 : 0, /* more may follow */
                                  .blocks = buf_view(&block),
                                  .count = 1};
    if (journal_append_wait(w->journal, &batch, &first, &err) != 0)
        fail_msg("%s", err.text);
    buf_free(&block);
    return first;
}

static uint64_t event(struct world *w, const char *text)
{
    return append(w, BATCH_INPUT, REC_EVENT, 0, text);
}

static void finding(struct world *w, uint64_t cause, const char *alert)
{
    char text[256];
    snprintf(text, sizeof text, "{\"alert\":\"%s\",\"rule\":{\"id\":\"r\",\"title\":\"T\"}}", alert);
    append(w, BATCH_DECISION, REC_FINDING, cause, text);
}

static void decision(struct world *w, uint64_t cause, const char *what, const char *alert)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"what\":\"%s\",\"alert\":{\"id\":\"%s\",\"rule_id\":\"r\",\"title\":\"T\"}}", what, alert);
    append(w, BATCH_DECISION, REC_DECISION, cause, text);
}

static const char *events_of(struct world *w, const char *alert, size_t limit)
{
    struct err err = {0};
    const struct query_source source = {.fs = &fs_system, .dir = w->dir};
    buf_clear(&w->out);
    if (pivot_alert_events(&source, sv_of(alert), limit, &w->out, &err) != 0)
        fail_msg("%s", err.text);
    buf_char(&w->out, '\0');
    return w->out.p;
}

static size_t occurrences(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

static void test_Y_05_findings_and_decisions_link(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    uint64_t first = event(&w, "one"), second = event(&w, "two"), third = event(&w, "three");
    uint64_t tick = append(&w, BATCH_CONTROL, REC_TICK, 0, "{}");
    finding(&w, first, ALERT);
    decision(&w, first, "created", ALERT); /* the same record: one link */
    finding(&w, second, OTHER);
    decision(&w, third, "count", ALERT);
    decision(&w, tick, "count", ALERT);     /* a count that a tick says is not behind it */
    decision(&w, third, "resolved", OTHER); /* nor is what ended it */
    const char *json = events_of(&w, ALERT, 10);
    assert_int_equal(occurrences(json, "\"raw\""), 2);
    assert_true(strstr(json, "\"raw\":\"one\"") < strstr(json, "\"raw\":\"three\""));
    assert_non_null(strstr(json, "\"truncated\":false"));
    json = events_of(&w, ALERT, 1);
    assert_int_equal(occurrences(json, "\"raw\""), 1);
    assert_non_null(strstr(json, "\"truncated\":true"));
    json = events_of(&w, "00000000000000000000000000000000", 10);
    assert_non_null(strstr(json, "\"events\":[]"));
    end(&w);
}

static void test_Y_05_an_event_names_its_alerts_once(void **state)
{
    struct world w;
    struct err err = {0};
    (void)state;
    begin(&w);
    const struct query_source source = {.fs = &fs_system, .dir = w.dir};
    uint64_t first = event(&w, "one"), second = event(&w, "two");
    finding(&w, first, ALERT);
    decision(&w, first, "created", ALERT);
    finding(&w, first, OTHER);
    finding(&w, second, ALERT);
    assert_int_equal(pivot_event_alerts(&source, first, &w.out, &err), 0);
    buf_char(&w.out, '\0');
    assert_int_equal(occurrences(w.out.p, ALERT), 1);
    assert_int_equal(occurrences(w.out.p, OTHER), 1);
    buf_clear(&w.out);
    assert_int_equal(pivot_event_alerts(&source, 1000, &w.out, &err), TC_ENOTFOUND);
    assert_int_equal(pivot_alert_events(&source, SV("0123"), 10, &w.out, &err), TC_EINPUT);
    end(&w);
}

static bool keep_findings(void *context, uint64_t position, struct sv block)
{
    struct event e;
    (void)context;
    (void)position;
    return record_decode_envelope(block, &e, NULL) == 0 && e.class != CLASS_DEBUG;
}

static void test_Y_05_a_dropped_event_is_said_to_be(void **state)
{
    struct world w;
    struct err err = {0};
    struct cold_header header;
    struct cold_drop plan = {.keep = keep_findings, .stage = {[CLASS_DEBUG] = 1}};
    (void)state;
    begin(&w);
    uint64_t gone = event(&w, "one");
    finding(&w, gone, ALERT);
    journal_close(&w.journal);
    assert_int_equal(cold_make(&fs_system, w.dir, 1, (struct receive_time){START}, &err), 0);
    plan.whole[CLASS_SECURITY] = plan.whole[CLASS_AUDIT] = true;
    assert_int_equal(
        cold_drop_records(&fs_system, w.dir, 1, &plan, (struct receive_time){START}, &header, &err), 0);
    const char *json = events_of(&w, ALERT, 10);
    assert_int_equal(occurrences(json, "\"dropped\":true"), 1);
    assert_int_equal(occurrences(json, "\"raw\""), 0);
    buf_clear(&w.out);
    const struct query_source source = {.fs = &fs_system, .dir = w.dir};
    assert_int_equal(pivot_event_alerts(&source, gone, &w.out, &err), TC_ENOTFOUND);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_Y_05_findings_and_decisions_link),
        cmocka_unit_test(test_Y_05_an_event_names_its_alerts_once),
        cmocka_unit_test(test_Y_05_a_dropped_event_is_said_to_be),
    };
    return cmocka_run_group_tests_name("pivot", tests, NULL, NULL);
}
