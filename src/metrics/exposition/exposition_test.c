/*
 * The text formats: what is read from small bodies, and agreement with the collected cases of others.
 */
#include "metrics/exposition/exposition.h"

#include "base/fs.h"
#include "template/common.h"
#include "template/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DATA "../shared/data/"

struct heard {
    struct buf text;
    size_t samples;
};

static int hear(void *context, const struct exposition_sample *s, struct err *err)
{
    struct heard *h = context;
    (void)err;
    h->samples++;
    for (size_t i = 0; i < s->count; i++) {
        buf_sv(&h->text, s->labels[i].name);
        buf_char(&h->text, '=');
        buf_sv(&h->text, s->labels[i].value);
        buf_char(&h->text, ' ');
    }
    buf_printf(&h->text, "%g", s->value);
    if (s->has_t)
        buf_printf(&h->text, " @%lld", (long long)s->t_ms);
    if (s->exemplar != NULL)
        buf_printf(&h->text, " # %g", s->exemplar->value);
    buf_char(&h->text, '\n');
    return 0;
}

static int read_body(struct sv body, enum exposition_format format, bool strict, struct heard *heard,
                     struct err *err)
{
    buf_init(&heard->text, 64 << 20);
    heard->samples = 0;
    struct exposition_handler handler = {.context = heard, .sample = hear};
    return exposition_parse(body, format, strict, &handler, err);
}

static void expect(const char *body, enum exposition_format format, const char *want)
{
    struct heard heard;
    struct err err = {0};
    if (read_body(sv_of(body), format, true, &heard, &err) != 0)
        fail_msg("%s: line %u: %s", body, err.line, err.text);
    buf_char(&heard.text, '\0');
    assert_string_equal(heard.text.p, want);
    buf_free(&heard.text);
}

static void test_text(void **state)
{
    (void)state;
    expect("# a comment\n#\n# TYPE name counter\nname{a=\"v1\",b=\"x\\\"\\\\\\n\"} NaN\nname {a=\"v\"} 0.23 "
           "1234567890\n\n"
           " # HELP  name2  \tdoc\n  #    TYPE    name2 gauge\nname2{a=\"v2\"\t,b   =   \"w\"\t\t} +Inf "
           "-5\nname2{ a = "
           "\"v1\" , }-Inf\n{\"dotted.name\",\"dotted.label\"=\"x\"} 1",
           EXPOSITION_TEXT,
           "__name__=name a=v1 b=x\"\\\n nan\n__name__=name a=v 0.23 @1234567890\n__name__=name2 a=v2 b=w "
           "inf @-5\n"
           "__name__=name2 a=v1 -inf\n__name__=dotted.name dotted.label=x 1\n");
    expect("", EXPOSITION_TEXT, "");
}

static void test_open_metrics(void **state)
{
    (void)state;
    expect("# TYPE a counter\n# HELP a help\na_total{x=\"1\"} 5 1.5 # {trace=\"t\"} 0.5 "
           "1.2\na_created{x=\"1\"} 1 1.5\n"
           "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2 # {} 3\nh_count 2\nh_sum 4\n# "
           "EOF\n",
           EXPOSITION_OPENMETRICS,
           "__name__=a_total x=1 5 @1500 # 0.5\n__name__=a_created x=1 1 @1500\n__name__=h_bucket le=1 1\n"
           "__name__=h_bucket le=+Inf 2 # 3\n__name__=h_count 2\n__name__=h_sum 4\n");
}

static void test_error_line(void **state)
{
    (void)state;
    struct heard heard;
    struct err err = {0};
    assert_int_equal(read_body(SV("a 1\nb 2\nc{ 3\n"), EXPOSITION_TEXT, false, &heard, &err), TC_EINPUT);
    assert_int_equal(err.line, 3);
    assert_int_equal(heard.samples, 2);
    buf_free(&heard.text);
}

/* --- collected cases --- */

static struct sv unhex(struct sv hex, struct arena *arena)
{
    char *out = arena_alloc(arena, hex.n / 2 + 1);
    for (size_t i = 0; i + 1 < hex.n; i += 2) {
        unsigned v;
        char two[3] = {hex.p[i], hex.p[i + 1], 0};
        assert_int_equal(sscanf(two, "%x", &v), 1);
        out[i / 2] = (char)v;
    }
    return sv_make(out, hex.n / 2);
}

static struct sv read_whole(struct arena *arena, const char *path)
{
    struct buf bytes;
    struct err err = {0};
    buf_init(&bytes, 16 << 20);
    if (fs_read_file(&fs_system, path, &bytes, &err) != 0)
        fail_msg("%s", err.text);
    struct sv text = arena_sv(arena, buf_view(&bytes));
    buf_free(&bytes);
    return text;
}

static struct sv body_of(struct arena *arena, struct template_value row, const char *key)
{
    const struct template_value *in = template_get(row, sv_of(key));
    assert_non_null(in);
    if (in->kind == TEMPLATE_STRING)
        return in->as.text;
    const struct template_value *hex = template_get(*in, SV("_bytes_hex"));
    assert_non_null(hex);
    return unhex(hex->as.text, arena);
}

/* Rows whose body must be refused, or read where the error expected is empty or "EOF". */
static size_t run_table(const char *path, const char *in, const char *error, enum exposition_format format,
                        bool strict, size_t *ret_wrong)
{
    struct arena arena = {0};
    struct sv rest = read_whole(&arena, path);
    size_t rows = 0;
    while (rest.n > 0) {
        struct sv line = sv_cut(&rest, '\n');
        struct template_value row;
        struct err err = {0};
        struct heard heard;
        if (line.n == 0)
            continue;
        assert_int_equal(template_from_json(&arena, line, &row, &err), 0);
        const struct template_value *want = error == NULL ? NULL : template_get(row, sv_of(error));
        bool good = want == NULL || want->as.text.n == 0 || sv_is(want->as.text, "EOF");
        int rc = read_body(body_of(&arena, row, in), format, strict, &heard, &err);
        if ((rc == 0) != good) {
            print_message("%s row %zu: %s: %.*s\n", path, rows + 1, good ? err.text : "was read",
                          SV_FMT(line));
            ++*ret_wrong;
        }
        buf_free(&heard.text);
        rows++;
    }
    arena_free(&arena);
    return rows;
}

static void test_tables(void **state)
{
    (void)state;
    if (access(DATA "vectors/prom-text-errors.jsonl", R_OK) != 0) {
        print_message("skipped: no third-party data at " DATA "vectors\n");
        skip();
    }
    size_t wrong = 0, rows = 0;
    rows += run_table(DATA "vectors/prom-text-errors.jsonl", "input", "err", EXPOSITION_TEXT, false, &wrong);
    rows += run_table(DATA "vectors/prom-text-families-errors.jsonl", "in", "errUTF8", EXPOSITION_TEXT, true,
                      &wrong);
    rows += run_table(DATA "vectors/prom-text-families.jsonl", "in", NULL, EXPOSITION_TEXT, true, &wrong);
    rows += run_table(DATA "vectors/openmetrics-text-errors.jsonl", "input", "err", EXPOSITION_OPENMETRICS,
                      false, &wrong);
    print_message("  %zu rows, %zu wrong\n", rows, wrong);
    assert_int_equal(wrong, 0);
}

static void test_parser_cases(void **state)
{
    (void)state;
    static const char folder[] = DATA "prometheus/exposition/openmetrics-parsers";
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        print_message("skipped: no third-party data at %s\n", folder);
        skip();
    }
    struct arena arena = {0};
    size_t cases = 0, wrong = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[1024];
        struct err err = {0};
        struct template_value test;
        struct heard heard;
        snprintf(path, sizeof path, "%s/%s/test.json", folder, e->d_name);
        if (e->d_name[0] == '.' || access(path, R_OK) != 0)
            continue;
        assert_int_equal(template_from_json(&arena, read_whole(&arena, path), &test, &err), 0);
        snprintf(path, sizeof path, "%s/%s/metrics", folder, e->d_name);
        const struct template_value *should = template_get(test, SV("shouldParse"));
        int rc = read_body(read_whole(&arena, path), EXPOSITION_OPENMETRICS, true, &heard, &err);
        if ((rc == 0) != template_is_true(*should)) {
            print_message("%s: %s (line %u)\n", e->d_name, rc == 0 ? "was read" : err.text, err.line);
            wrong++;
        }
        buf_free(&heard.text);
        cases++;
    }
    closedir(dir);
    arena_free(&arena);
    print_message("  %zu cases, %zu wrong\n", cases, wrong);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"the text format", test_text, NULL, NULL, NULL},
        {"OpenMetrics", test_open_metrics, NULL, NULL, NULL},
        {"an error has its line", test_error_line, NULL, NULL, NULL},
        {"A-11: Prometheus' tables of what parses", test_tables, NULL, NULL, NULL},
        {"A-11: OpenMetrics' cases for parsers", test_parser_cases, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
