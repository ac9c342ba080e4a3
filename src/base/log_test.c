/*
 * The log's lines: their schema as JSON, journald's prefixes, order over threads, and what a flood becomes.
 */
#include "base/log.h"

#include "base/buf.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static FILE *sink;
static struct sim_clk sim;

static void begin(enum log_format format, enum log_level min_level)
{
    sink = tmpfile();
    sim_clk_init(&sim, 1795252646 * TC_SECOND_NS);
    log_start(&(struct log_options){format, min_level, fileno(sink), &sim.clk});
}

/* All that was written, as a string of the caller. */
static char *end(void)
{
    log_stop();
    long n = lseek(fileno(sink), 0, SEEK_END);
    char *text = calloc(1, (size_t)n + 1);
    assert_int_equal(pread(fileno(sink), text, (size_t)n, 0), n);
    fclose(sink);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void test_json_lines_have_the_stated_members(void **state)
{
    struct err err;
    (void)state;
    begin(LOG_JSON, LOG_INFO_LEVEL);
    log_debug("core", "below the level");
    log_warn("core", "a \"quote\"\nand a line");
    err_at(&err, TC_ECORRUPT, "a/b", 7, 3, "is damaged");
    log_err(LOG_ERROR_LEVEL, "store", &err, "cannot %s", "go on");
    char *text = end();
    assert_string_equal(
        text, "{\"time\":\"2026-11-21T09:17:26Z\",\"level\":\"warn\",\"component\":\"core\","
              "\"message\":\"a \\\"quote\\\"\\nand a line\"}\n"
              "{\"time\":\"2026-11-21T09:17:26Z\",\"level\":\"error\",\"component\":\"store\","
              "\"message\":\"cannot go on\",\"error\":{\"text\":\"is damaged\",\"code\":\"corrupt\","
              "\"file\":\"a/b\",\"line\":7,\"column\":3}}\n");
    free(text);
}

static void test_text_and_journal_lines(void **state)
{
    struct err err;
    (void)state;
    begin(LOG_TEXT, LOG_DEBUG_LEVEL);
    log_debug("core", "one\ntwo\x1b[31m");
    char *text = end();
    assert_string_equal(text, "tocsin: debug: core: one two [31m\n");
    free(text);
    begin(LOG_JOURNAL, LOG_INFO_LEVEL);
    err_set(&err, TC_EIO, "no room");
    log_err(LOG_WARN_LEVEL, "journal", &err, "input is refused");
    log_error("journal", "stopped");
    log_info("journal", "on");
    text = end();
    assert_string_equal(text, "<4>journal: input is refused: no room\n<3>journal: stopped\n<6>journal: on\n");
    free(text);
}

static void flood(int n)
{
    for (int i = 0; i < n; i++)
        log_warn("syslog", "line %d", i);
}

static void test_a_flood_becomes_a_count(void **state)
{
    (void)state;
    begin(LOG_JSON, LOG_INFO_LEVEL);
    flood(1000);
    log_info("core", "another place talks on");
    sim.now_ns += TC_LOG_WINDOW_NS;
    flood(1);
    char *text = end();
    assert_int_equal(count_lines(text), TC_LOG_BURST + 2);
    assert_non_null(strstr(text, "another place talks on"));
    assert_non_null(strstr(text, "\"message\":\"line 0\",\"suppressed\":990}"));
    free(text);
}

static void test_a_count_is_told_when_the_window_has_ended(void **state)
{
    (void)state;
    begin(LOG_JSON, LOG_INFO_LEVEL);
    flood(13);
    log_flush_suppressed();
    sim.now_ns += TC_LOG_WINDOW_NS;
    log_flush_suppressed();
    log_flush_suppressed();
    flood(12);
    char *text = end();
    assert_int_equal(count_lines(text), TC_LOG_BURST + 1 + TC_LOG_BURST + 1);
    assert_non_null(strstr(text,
                           "\"level\":\"warn\",\"component\":\"syslog\",\"message\":\"lines like earlier "
                           "ones were left out\",\"suppressed\":3}"));
    assert_non_null(strstr(text, "\"suppressed\":2}"));
    free(text);
}

enum { THREADS = 4, LINES = 500 };

static void *talk(void *context)
{
    /* without a clock nothing is suppressed */
    for (int i = 0; i < LINES; i++)
        log_info("core", "%d %d %0200d", *(int *)context, i, 0);
    return NULL;
}

static void test_lines_of_threads_come_out_whole_and_in_order(void **state)
{
    pthread_t threads[THREADS];
    int numbers[THREADS], next[THREADS] = {0};
    (void)state;
    begin(LOG_TEXT, LOG_INFO_LEVEL);
    log_start(&(struct log_options){LOG_TEXT, LOG_INFO_LEVEL, fileno(sink), NULL});
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, talk, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    char *text = end();
    assert_int_equal(count_lines(text), THREADS * LINES);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        int thread, i, zeros;
        assert_int_equal(sscanf(line, "tocsin: info: core: %d %d %n", &thread, &i, &zeros), 2);
        assert_int_equal(strlen(line + zeros), 200);
        assert_int_equal(i, next[thread]++);
    }
    free(text);
}

static void test_levels_have_names(void **state)
{
    enum log_level level;
    (void)state;
    assert_true(log_level_of("warn", &level));
    assert_int_equal(level, LOG_WARN_LEVEL);
    assert_false(log_level_of("loud", &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_lines_have_the_stated_members),
        cmocka_unit_test(test_text_and_journal_lines),
        cmocka_unit_test(test_a_flood_becomes_a_count),
        cmocka_unit_test(test_a_count_is_told_when_the_window_has_ended),
        cmocka_unit_test(test_lines_of_threads_come_out_whole_and_in_order),
        cmocka_unit_test(test_levels_have_names),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
