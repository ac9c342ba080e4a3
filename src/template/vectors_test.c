/*
 * The templates of others, with the results that their own engines gave: tables out of Alertmanager's and
 * Prometheus' tests, amtool's renderings, and Alertmanager's default templates beside ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fs.h"
#include "template/alertmanager.h"
#include "template/common.h"
#include "template/prometheus.h"

#include <stdio.h>
#include <unistd.h>

#define DATA "../shared/data/"

static const int64_t prometheus_now_ns = INT64_C(1353755652) * 1000000000;

static void skip_without_data(void)
{
    if (access(DATA "vectors/am-template.jsonl", R_OK) == 0)
        return;
    print_message("skipped: no third-party data at " DATA "vectors\n");
    skip();
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

static struct template_value parse_json(struct arena *arena, struct sv json)
{
    struct template_value value;
    struct err err = {0};
    if (template_from_json(arena, json, &value, &err) != 0)
        fail_msg("%s", err.text);
    return value;
}

static struct sv text_of(struct template_value of, const char *name)
{
    const struct template_value *found = template_get(of, sv_of(name));
    return found == NULL || found->kind != TEMPLATE_STRING ? SV("") : found->as.text;
}

static bool truth_of(struct template_value of, const char *name)
{
    const struct template_value *found = template_get(of, sv_of(name));
    return found != NULL && template_is_true(*found);
}

static struct template_set *alertmanager(void)
{
    struct template_set *set;
    struct err err = {0};
    if (template_alertmanager_set(&set, &err) != 0)
        fail_msg("%s", err.text);
    return set;
}

/* Renders and compares; the failures are counted and shown, so that one run tells all of them. */
static unsigned check(const struct template_set *set, struct sv name, struct sv text,
                      struct template_value data, bool html, bool fails, struct sv expected,
                      struct arena *arena)
{
    struct template_run run = {.html = html, .missing_key = MISSING_KEY_ZERO};
    struct buf out;
    struct err err = {0};
    buf_init(&out, 1 << 20);
    int done = template_execute_text(set, name, text, data, &run, arena, &out, &err);
    bool good = fails ? done != 0 : done == 0 && sv_eq(buf_view(&out), expected);
    if (!good)
        print_message("%.*s\n  expected %s%.*s\n  got      %.*s%s\n", SV_FMT(text), fails ? "a failure" : "",
                      SV_FMT(expected), SV_FMT(buf_view(&out)), err.text);
    buf_free(&out);
    return !good;
}

static void alertmanager_table(void **state)
{
    (void)state;
    skip_without_data();
    struct arena arena = {0};
    struct template_set *set = alertmanager();
    struct sv lines = read_whole(&arena, DATA "vectors/am-template.jsonl");
    unsigned failed = 0, count = 0;
    while (lines.n > 0) {
        struct template_value row = parse_json(&arena, sv_cut(&lines, '\n')), data = template_none();
        const struct template_value *given = template_get(row, SV("data"));
        struct err err = {0};
        if (given != NULL)
            assert_int_equal(template_alertmanager_data(&arena, *given, &data, &err), 0);
        failed += check(set, SV(""), text_of(row, "in"), data, truth_of(row, "html"), truth_of(row, "fail"),
                        text_of(row, "exp"), &arena);
        count++;
    }
    print_message("%u of %u\n", count - failed, count);
    assert_int_equal(failed, 0);
    assert_true(count > 10);
    template_set_free(set);
    arena_free(&arena);
}

static void amtool_renderings(void **state)
{
    (void)state;
    skip_without_data();
    struct arena arena = {0};
    struct template_set *set = alertmanager();
    struct template_value all =
        parse_json(&arena, read_whole(&arena, DATA "vectors/am-template-amtool/data.json"));
    struct sv lines = read_whole(&arena, DATA "vectors/am-template-amtool/expected.jsonl");
    unsigned failed = 0, count = 0;
    while (lines.n > 0) {
        struct template_value row = parse_json(&arena, sv_cut(&lines, '\n')), data;
        struct err err = {0};
        const struct template_value *json = template_get(all, text_of(row, "data"));
        assert_non_null(json);
        assert_int_equal(template_alertmanager_data(&arena, *json, &data, &err), 0);
        failed += check(set, SV(""), text_of(row, "template"), data, sv_is(text_of(row, "type"), "html"),
                        !truth_of(row, "ok"), text_of(row, "output"), &arena);
        count++;
    }
    print_message("%u of %u\n", count - failed, count);
    assert_int_equal(failed, 0);
    assert_true(count > 100);
    template_set_free(set);
    arena_free(&arena);
}

/* Every template that Alertmanager's file defines gives the same text by ours. */
static void default_templates(void **state)
{
    (void)state;
    skip_without_data();
    struct arena arena = {0};
    struct template_set *ours = alertmanager(), *theirs = alertmanager();
    struct sv text = read_whole(&arena, DATA "alertmanager/template/default.tmpl"), rest = text;
    struct template_value all =
        parse_json(&arena, read_whole(&arena, DATA "vectors/am-template-amtool/data.json"));
    struct err err = {0};
    assert_int_equal(template_parse(theirs, SV("default.tmpl"), text, &err), 0);
    unsigned failed = 0, count = 0;
    while (sv_find(rest, SV("define \"")) < rest.n) {
        rest = sv_from(rest, sv_find(rest, SV("define \"")) + 8);
        struct sv name = sv_head(rest, sv_find_char(rest, '"'));
        assert_true(template_defined(ours, name));
        for (size_t i = 0; i < all.as.pairs->n; i++) {
            struct template_run run = {.missing_key = MISSING_KEY_ZERO};
            struct template_value data;
            struct buf want, got;
            buf_init(&want, 1 << 20);
            buf_init(&got, 1 << 20);
            assert_int_equal(template_alertmanager_data(&arena, *all.as.pairs->items[i].value, &data, &err),
                             0);
            int done = template_execute(theirs, name, data, &run, &arena, &want, NULL);
            int same = template_execute(ours, name, data, &run, &arena, &got, NULL);
            bool good = (done == 0) == (same == 0) && (done != 0 || sv_eq(buf_view(&want), buf_view(&got)));
            if (!good)
                print_message("%.*s\n--- theirs\n%.*s\n--- ours\n%.*s\n---\n", SV_FMT(name),
                              SV_FMT(buf_view(&want)), SV_FMT(buf_view(&got)));
            failed += !good;
            count++;
            buf_free(&want);
            buf_free(&got);
        }
    }
    print_message("%u of %u\n", count - failed, count);
    assert_int_equal(failed, 0);
    assert_true(count > 200);
    template_set_free(ours);
    template_set_free(theirs);
    arena_free(&arena);
}

/* --- Prometheus --- */

struct canned {
    struct template_value rows;
};

static int canned_query(void *context, struct sv expression, struct arena *arena,
                        struct template_sample **ret_samples, size_t *ret_count, struct err *err)
{
    const struct canned *canned = context;
    (void)expression, (void)err;
    size_t n = canned->rows.kind == TEMPLATE_LIST ? canned->rows.as.list->n : 0;
    *ret_samples = ARENA_ARRAY(arena, struct template_sample, n + 1);
    *ret_count = n;
    for (size_t i = 0; i < n; i++) {
        struct template_value row = canned->rows.as.list->items[i];
        const struct template_value *metric = template_get(row, SV("Metric")),
                                    *value = template_get(row, SV("F"));
        (*ret_samples)[i] = (struct template_sample){
            metric == NULL
                ? template_prometheus_labels(arena, NULL, NULL, 0)
                : template_map(arena, &template_type_text_map, metric->as.pairs->items, metric->as.pairs->n),
            value->as.number};
    }
    return 0;
}

/* JSON cannot tell Go's int from its float64: whole numbers of a list without fractions are ints, as in the
 * table's source. */
static struct template_value with_ints(struct arena *arena, struct template_value list)
{
    if (list.kind != TEMPLATE_LIST)
        return list;
    struct template_value *items = ARENA_ARRAY(arena, struct template_value, list.as.list->n + 1);
    bool whole = true;
    for (size_t i = 0; i < list.as.list->n; i++) {
        items[i] = list.as.list->items[i];
        whole &= items[i].kind == TEMPLATE_FLOAT &&
                 items[i].as.number == (double)(int64_t)items[i].as.number && items[i].as.number < 9e18;
    }
    for (size_t i = 0; i < list.as.list->n && whole; i++)
        items[i] = template_int((int64_t)items[i].as.number);
    return template_list(arena, NULL, items, list.as.list->n);
}

static void prometheus_table(void **state)
{
    (void)state;
    skip_without_data();
    static const struct template_function *const functions[] = {template_prometheus_functions,
                                                                template_common_functions, NULL};
    struct arena arena = {0};
    struct sv lines = read_whole(&arena, DATA "vectors/prom-template.jsonl");
    unsigned failed = 0, count = 0;
    while (lines.n > 0) {
        struct template_value row = parse_json(&arena, sv_cut(&lines, '\n')), input = template_none();
        const struct template_value *given = template_get(row, SV("input")),
                                    *rows = template_get(row, SV("queryResult"));
        const struct template_value *missing = template_get(row, SV("options"));
        struct canned canned = {rows == NULL ? template_none() : *rows};
        struct template_prometheus prometheus = {canned_query, &canned,
                                                 SV("http://testhost:9090/path/prefix"), SV("/path/prefix")};
        struct template_run run = {.html = truth_of(row, "html"),
                                   .missing_key = missing != NULL && missing->as.list->n > 0
                                                      ? MISSING_KEY_ERROR
                                                  : missing != NULL ? MISSING_KEY_DEFAULT
                                                                    : MISSING_KEY_ZERO,
                                   .now_ns = prometheus_now_ns,
                                   .context = &prometheus};
        if (given != NULL)
            input = with_ints(&arena, *given);
        struct template_set *set = template_set_new(functions);
        struct buf out;
        struct err err = {0};
        buf_init(&out, 1 << 20);
        int done =
            template_execute_text(set, SV("test"), text_of(row, "text"), input, &run, &arena, &out, &err);
        bool good = truth_of(row, "shouldFail")
                        ? done != 0 && (text_of(row, "errorMsg").n == 0 ||
                                        sv_ends(text_of(row, "errorMsg"), sv_of(err.text)))
                        : done == 0 && sv_eq(buf_view(&out), text_of(row, "output"));
        if (!good)
            print_message("%.*s\n  expected %.*s%.*s\n  got      %.*s%s\n", SV_FMT(text_of(row, "text")),
                          SV_FMT(text_of(row, "output")), SV_FMT(text_of(row, "errorMsg")),
                          SV_FMT(buf_view(&out)), err.text);
        failed += !good;
        count++;
        buf_free(&out);
        template_set_free(set);
    }
    print_message("%u of %u\n", count - failed, count);
    assert_int_equal(failed, 0);
    assert_true(count > 40);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alertmanager_table),
        cmocka_unit_test(amtool_renderings),
        cmocka_unit_test(default_templates),
        cmocka_unit_test(prometheus_table),
    };
    return cmocka_run_group_tests_name("template vectors", tests, NULL, NULL);
}
