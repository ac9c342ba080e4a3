/*
 * Test files, command by command; see test_language.h.
 */
#include "metrics/promql/test_language.h"

#include "metrics/promql/test_language_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEST_LINES_MAX = 1 << 20, TEST_WHY_MAX = 1 << 16 };

int test_error(const struct test_file *t, size_t line, struct err *err, const char *format, ...)
{
    char text[700];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return err_at(err, TC_EINPUT, t->name, (unsigned)line + 1, 0, "%s", text);
}

struct sv test_word(struct sv *rest)
{
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    struct sv word = sv_head(*rest, n);
    *rest = sv_trim(sv_from(*rest, n));
    return word;
}

int test_series(struct test_file *t, struct sv line, size_t number, struct series_description *ret,
                struct err *err)
{
    if (t->parse_count == t->parse_capacity) {
        t->parse_capacity = TC_MAX((size_t)16, t->parse_capacity * 2);
        t->parses = tc_realloc(t->parses, t->parse_capacity * sizeof *t->parses);
    }
    struct promql_parse *parse = t->parses[t->parse_count++] = tc_alloc(sizeof *parse);
    struct err inner = {0};
    if (promql_parse_series(parse, line, ret, &inner) != 0)
        return test_error(t, number, err, "%s", inner.text);
    return 0;
}

static void command_done(struct test_file *t)
{
    for (size_t i = 0; i < t->parse_count; i++) {
        promql_parse_free(t->parses[i]);
        free(t->parses[i]);
    }
    t->parse_count = 0;
    arena_reset(&t->arena);
    labels_table_free(&t->labels);
    labels_table_init(&t->labels);
}

static void run_eval(struct test_file *t, struct eval_command *command)
{
    struct buf why;
    buf_init(&why, TEST_WHY_MAX);
    test_eval(t, command, &why);
    if (why.n == 0) {
        t->report->passed++;
    } else {
        t->report->failed++;
        buf_char(&why, '\0');
        why.p[why.n - 1] = '\0';
        if (t->report->on_failure != NULL)
            t->report->on_failure(t->report->context, command->line, why.p);
    }
    buf_free(&why);
}

static int run_command(struct test_file *t, bool only_load, struct err *err)
{
    struct sv rest = t->lines[t->at], word = test_word(&rest);
    struct eval_command command;
    int rc = 0;
    if (sv_starts(word, SV("load"))) {
        rc = test_load(t, err);
    } else if (!only_load && sv_eq_nocase(word, SV("clear"))) {
        memory_store_clear(t->store);
        t->at++;
    } else if (!only_load && sv_starts(word, SV("eval"))) {
        rc = test_read_eval(t, &command, err);
        if (rc == 0)
            run_eval(t, &command);
        for (struct expectation *e = command.expectations; e != NULL; e = e->next)
            re2_free(&e->regex);
    } else {
        rc = test_error(t, t->at, err, "invalid command \"%.*s\"", SV_FMT(t->lines[t->at]));
    }
    command_done(t);
    return rc;
}

static int split_lines(struct test_file *t, struct sv text, struct err *err)
{
    size_t count = 1;
    for (size_t i = 0; i < text.n; i++)
        count += text.p[i] == '\n';
    if (count > TEST_LINES_MAX)
        return err_at(err, TC_EBOUND, t->name, 0, 0, "has more than %d lines", TEST_LINES_MAX);
    t->lines = tc_alloc(count * sizeof *t->lines);
    while (t->line_count < count) {
        struct sv line = sv_trim(sv_cut(&text, '\n'));
        if (line.n > 0 && line.p[0] == '#')
            line = SV("");
        t->lines[t->line_count++] = line;
    }
    return 0;
}

static int run_file(struct test_file *t, struct sv text, bool only_load, struct err *err)
{
    labels_table_init(&t->labels);
    int rc = split_lines(t, text, err);
    while (rc == 0 && t->at < t->line_count) {
        if (t->lines[t->at].n == 0)
            t->at++;
        else
            rc = run_command(t, only_load, err);
    }
    labels_table_free(&t->labels);
    arena_free(&t->arena);
    free(t->parses);
    free(t->lines);
    return rc;
}

int promql_test_run(struct sv text, const char *file, struct promql_test_report *report, struct err *err)
{
    struct test_file t = {.name = file, .report = report, .store = memory_store_new()};
    int rc = run_file(&t, text, false, err);
    memory_store_free(&t.store);
    return rc;
}

int promql_test_load(struct sv text, const char *file, struct memory_store *store, struct err *err)
{
    struct test_file t = {.name = file, .store = store};
    return run_file(&t, text, true, err);
}
