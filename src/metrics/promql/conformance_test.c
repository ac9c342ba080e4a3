/*
 * Third-party tables: what Prometheus' parser accepts and refuses, how its printer writes, and its own engine
 * tests.
 *
 * The data lies beside the repository; without it the tests skip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/go_text.h"
#include "metrics/prom_duration.h"
#include "metrics/promql/query.h"
#include "metrics/promql/test_language.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VECTORS "../shared/data/vectors/"
#define TESTS   "../shared/data/prometheus/promqltest"

static struct arena arena;

static void skip_without(const char *path)
{
    if (access(path, R_OK) == 0)
        return;
    print_message("skipped: no third-party data at %s\n", path);
    skip();
}

static struct sv read_whole(const char *path)
{
    struct buf buf;
    struct err err = {0};
    buf_init(&buf, 64 << 20);
    if (fs_read_file(&fs_system, path, &buf, &err) != 0)
        fail_msg("%s", err.text);
    struct sv text = arena_sv(&arena, buf_view(&buf));
    buf_free(&buf);
    return text;
}

/* The text of a member of a flat JSON object in one line; false where it is not there. */
static bool member(struct sv line, const char *name, struct sv *ret)
{
    struct sv key = arena_printf(&arena, "\"%s\": ", name);
    size_t at = sv_find(line, key);
    if (at == line.n)
        return false;
    struct sv rest = sv_from(line, at + key.n);
    if (rest.p[0] != '"') {
        size_t n = 0;
        while (n < rest.n && strchr(",}", rest.p[n]) == NULL)
            n++;
        *ret = sv_head(rest, n);
        return true;
    }
    size_t end = 1;
    while (rest.p[end] != '"')
        end += rest.p[end] == '\\' ? 2 : 1;
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_true(go_unquote(sv_head(rest, end + 1), &b));
    *ret = arena_sv(&arena, buf_view(&b));
    buf_free(&b);
    return true;
}

static void parser_agrees(void **state)
{
    (void)state;
    skip_without(VECTORS "promql-parse.jsonl");
    struct sv text = read_whole(VECTORS "promql-parse.jsonl");
    size_t n = 0, wrong = 0;
    for (; text.n > 0; n++) {
        struct sv line = sv_cut(&text, '\n'), input, ok, error;
        struct promql_parse parse = {0};
        struct err err = {0};
        assert_true(member(line, "input", &input) && member(line, "ok", &ok));
        bool good = promql_parse(&parse, input, &err) == 0;
        bool fits = good == sv_is(ok, "true");
        if (fits && !good && member(line, "error", &error))
            fits = sv_find(parse.error, error) < parse.error.n || sv_eq(parse.error, error);
        long start, end;
        size_t at = sv_find(line, SV("\"pos\": ["));
        if (fits && !good && at < line.n && sscanf(line.p + at, "\"pos\": [%ld, %ld]", &start, &end) == 2)
            fits = parse.error_start == start && parse.error_end == end;
        if (!fits)
            print_message("%.*s\n  -> %s (%d-%d)\n", SV_FMT(line), err.text, parse.error_start,
                          parse.error_end);
        wrong += !fits;
        promql_parse_free(&parse);
    }
    print_message("%zu of %zu parser cases\n", n - wrong, n);
    assert_int_equal(wrong, 0);
}

static void printer_agrees(void **state)
{
    (void)state;
    skip_without(VECTORS "promql-printer.jsonl");
    struct sv text = read_whole(VECTORS "promql-printer.jsonl");
    size_t n = 0;
    for (; text.n > 0; n++) {
        struct sv line = sv_cut(&text, '\n'), in, out;
        struct promql_parse parse = {0};
        struct buf b;
        buf_init(&b, 1 << 20);
        assert_true(member(line, "in", &in) && member(line, "out", &out));
        assert_int_equal(promql_parse(&parse, in, NULL), 0);
        promql_print(&b, parse.expr);
        if (!sv_eq(buf_view(&b), out))
            fail_msg("%.*s is printed %.*s, not %.*s", SV_FMT(in), SV_FMT(buf_view(&b)), SV_FMT(out));
        buf_free(&b);
        promql_parse_free(&parse);
    }
    print_message("%zu printer cases\n", n);
    assert_true(n > 0);
}

static void series_agree(void **state)
{
    (void)state;
    skip_without(VECTORS "promql-series-desc.jsonl");
    struct sv text = read_whole(VECTORS "promql-series-desc.jsonl");
    size_t n = 0;
    for (; text.n > 0; n++) {
        struct sv line = sv_cut(&text, '\n'), input, ok;
        struct promql_parse parse = {0};
        struct series_description d;
        assert_true(member(line, "input", &input) && member(line, "ok", &ok));
        bool good = promql_parse_series(&parse, input, &d, NULL) == 0;
        if (good != sv_is(ok, "true"))
            fail_msg("%.*s", SV_FMT(line));
        size_t at = sv_find(line, SV("\"values\": ["));
        struct sv rest = sv_from(line, at + 11);
        for (size_t i = 0; good && i < d.value_count; i++) {
            double v;
            struct sv number = sv_trim(sv_cut(&rest, i + 1 < d.value_count ? ',' : ']'));
            assert_true(go_parse_float(number, &v));
            assert_true(d.values[i].value == v);
        }
        promql_parse_free(&parse);
    }
    print_message("%zu series descriptions\n", n);
}

static void durations_agree(void **state)
{
    (void)state;
    skip_without(VECTORS "prom-duration.jsonl");
    struct sv text = read_whole(VECTORS "prom-duration.jsonl");
    while (text.n > 0) {
        struct sv line = sv_cut(&text, '\n'), in, out;
        int64_t ns;
        assert_true(member(line, "in", &in) && member(line, "out", &out));
        assert_int_equal(prom_parse_duration(in, &ns, NULL), 0);
        assert_int_equal(ns, strtoll(out.p, NULL, 10));
    }
}

static void print_failure(void *context, unsigned line, const char *text)
{
    print_message("%s:%u: %s\n", (const char *)context, line, text);
}

struct totals {
    size_t passed, failed, files;
};

static void run_file(void *context, const char *name)
{
    struct totals *totals = context;
    if (!sv_ends(sv_of(name), SV(".test")))
        return;
    struct sv path = arena_printf(&arena, "%s/%s", TESTS, name);
    char *shown = arena_str(&arena, sv_of(name));
    struct promql_test_report report = {.on_failure = print_failure, .context = shown};
    struct err err = {0};
    if (promql_test_run(read_whole(path.p), shown, &report, &err) != 0)
        fail_msg("%s:%u: %s", err.file, err.line, err.text);
    totals->passed += report.passed;
    totals->failed += report.failed;
    totals->files++;
}

static void engine_tests_pass(void **state)
{
    (void)state;
    struct totals totals = {0};
    skip_without(TESTS);
    fs_system.list(&fs_system, TESTS, run_file, &totals);
    print_message("%zu evals passed, %zu failed in %zu files\n", totals.passed, totals.failed, totals.files);
    assert_int_equal(totals.failed, 0);
    assert_true(totals.passed > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parser_agrees),     cmocka_unit_test(printer_agrees),
        cmocka_unit_test(series_agree),      cmocka_unit_test(durations_agree),
        cmocka_unit_test(engine_tests_pass),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
