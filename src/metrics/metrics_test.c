/*
 * The room's basics: label sets, expressions of RE2, Go's text forms, histograms, the text format.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/go_text.h"
#include "metrics/exposition/load.h"
#include "metrics/memory_store.h"
#include "metrics/prom_duration.h"

#include <math.h>
#include <stdio.h>

/* --- label sets --- */

static void equal_sets_are_one(void **state)
{
    (void)state;
    struct labels_table table;
    labels_table_init(&table);
    struct label a[] = {{SV("b"), SV("2")}, {SV("a"), SV("1")}, {SV("c"), SV("")}};
    struct label b[] = {{SV("a"), SV("1")}, {SV("b"), SV("2")}};
    const struct labels *x = labels_intern(&table, a, 3), *y = labels_intern(&table, b, 2);
    assert_ptr_equal(x, y);
    assert_ptr_equal(labels_set(&table, labels_set(&table, x, SV("aa"), SV("z")), SV("aa"), SV("")), x);
    const struct sv keep = SV("a");
    assert_ptr_equal(labels_keep(&table, x, &keep, 1),
                     labels_set(&table, labels_empty(&table), SV("a"), SV("1")));
    assert_true(labels_compare(x, labels_empty(&table)) > 0);
    labels_table_free(&table);
}

static void many_sets_keep_their_numbers(void **state)
{
    (void)state;
    struct labels_table table;
    labels_table_init(&table);
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 5000; i++) {
            char text[16];
            snprintf(text, sizeof text, "%u", i);
            struct label label = {SV("i"), sv_of(text)};
            assert_int_equal(labels_intern(&table, &label, 1)->id, i);
        }
    labels_table_free(&table);
}

/* --- text --- */

static void numbers_are_written_as_go_does(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *f, *g;
    } cases[] = {
        {1, "1", "1"},
        {0.1, "0.1", "0.1"},
        {1e21, "1000000000000000000000", "1e+21"},
        {123456789, "123456789", "1.23456789e+08"},
        {-0.00001, "-0.00001", "-1e-05"},
        {INFINITY, "+Inf", "+Inf"},
        {5e-324, NULL, "5e-324"},
        {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, 1024);
        go_float_g(&b, cases[i].v);
        assert_true(sv_is(buf_view(&b), cases[i].g));
        buf_clear(&b);
        go_float_f(&b, cases[i].v);
        assert_true(cases[i].f == NULL || sv_is(buf_view(&b), cases[i].f));
        buf_free(&b);
    }
}

static void numbers_are_read_as_go_does(void **state)
{
    (void)state;
    double v;
    assert_true(go_parse_number(SV("0x1F"), &v) && v == 31);
    assert_true(go_parse_number(SV("1_000"), &v) && v == 1000);
    assert_true(go_parse_number(SV("010"), &v) && v == 8);
    assert_true(go_parse_number(SV("-Inf"), &v) && isinf(v) && v < 0);
    assert_false(go_parse_number(SV("1__0"), &v));
    assert_false(go_parse_number(SV("abc"), &v));
    assert_false(go_parse_float(SV("1 "), &v));
    assert_false(go_parse_float(SV(""), &v));
}

static void durations_go_from_large_to_small(void **state)
{
    (void)state;
    int64_t ns;
    struct buf b;
    buf_init(&b, 256);
    assert_int_equal(prom_parse_duration(SV("1h30m"), &ns, NULL), 0);
    prom_duration(&b, ns);
    assert_true(sv_is(buf_view(&b), "1h30m"));
    assert_int_not_equal(prom_parse_duration(SV("30m1h"), &ns, NULL), 0);
    assert_int_not_equal(prom_parse_duration(SV("1x"), &ns, NULL), 0);
    assert_int_not_equal(prom_parse_duration(SV("294y"), &ns, NULL), 0);
    buf_free(&b);
}

/* --- histograms --- */

static struct histogram *exponential(struct arena *arena, int32_t schema, int32_t first, const double *counts,
                                     size_t n)
{
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    h->schema = schema;
    h->positive = (struct histogram_side){ARENA_ARRAY(arena, int32_t, n), ARENA_ARRAY(arena, double, n), n};
    for (size_t i = 0; i < n; i++) {
        h->positive.index[i] = first + (int32_t)i;
        h->positive.count[i] = counts[i];
        h->count += counts[i];
    }
    return h;
}

static void sums_take_the_coarser_schema(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct histogram_note note = {0};
    struct histogram *fine = exponential(&arena, 1, 1, (double[]){1, 2, 3, 4}, 4);
    struct histogram *coarse = exponential(&arena, 0, 1, (double[]){10, 20}, 2);
    assert_true(histogram_add(&arena, fine, coarse, 1, &note));
    assert_int_equal(fine->schema, 0);
    assert_int_equal(fine->positive.n, 2);
    assert_true(fine->positive.count[0] == 13 && fine->positive.count[1] == 27 && fine->count == 40);
    arena_free(&arena);
}

static void custom_bounds_are_reconciled(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct histogram_note note = {0};
    struct histogram *a = exponential(&arena, HISTOGRAM_CUSTOM_SCHEMA, 0, (double[]){1, 2, 3}, 3);
    struct histogram *b = exponential(&arena, HISTOGRAM_CUSTOM_SCHEMA, 0, (double[]){1, 1}, 2);
    a->bounds = (double[]){1, 5};
    a->bound_count = 2;
    b->bounds = (double[]){5};
    b->bound_count = 1;
    assert_true(histogram_add(&arena, a, b, 1, &note));
    assert_true(note.bounds_reconciled);
    assert_int_equal(a->bound_count, 1);
    assert_true(a->positive.count[0] == 4 && a->positive.count[1] == 4);
    struct histogram *c = exponential(&arena, 0, 0, (double[]){1}, 1);
    assert_false(histogram_add(&arena, a, c, 1, &note));
    arena_free(&arena);
}

static void a_smaller_bucket_is_a_reset(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct histogram *a = exponential(&arena, 0, 0, (double[]){3, 2}, 2);
    struct histogram *b = exponential(&arena, 0, 0, (double[]){2, 5}, 2);
    assert_true(histogram_detect_reset(&arena, b, a));
    b->hint = HINT_NOT_RESET;
    assert_false(histogram_detect_reset(&arena, b, a));
    assert_false(histogram_detect_reset(&arena, a, a));
    arena_free(&arena);
}

/* --- the text format --- */

static void samples_are_read(void **state)
{
    (void)state;
    struct memory_store *store = memory_store_new();
    struct err err = {0};
    struct arena arena = {0};
    struct series_source source = memory_store_source(store);
    struct source_series *series;
    struct series_samples samples;
    struct matcher matcher;
    size_t n;
    assert_int_equal(
        exposition_load(SV("# TYPE a counter\na{b=\"x\\\"y\",} 1.5 1000\na{b=\"x\\\"y\"} 2 2000\n\n"), "f", 0,
                        store, &err),
        0);
    assert_int_equal(exposition_load(SV("c 7 1.5 # {t=\"1\"} 3\n# EOF\n"), "f", 0, store, &err), 0);
    matcher_init(&matcher, MATCH_EQUAL, SV("b"), SV("x\"y"), NULL);
    assert_int_equal(source.select(source.context, &matcher, 1, 0, 5000, &arena, &series, &n, &err), 0);
    assert_int_equal(n, 1);
    source.read(source.context, series[0].ref, 0, 5000, &arena, &samples, &err);
    assert_int_equal(samples.n, 2);
    assert_true(samples.t[1] == 2000 && samples.f[0] == 1.5);
    assert_int_not_equal(exposition_load(SV("x\n\na{b=} 1\n"), "f", 0, store, &err), 0);
    assert_int_equal(err.line, 1);
    err = (struct err){0};
    assert_int_not_equal(exposition_load(SV("d 1 9\n# a comment\nd 1 8\n"), "f", 0, store, &err), 0);
    assert_int_equal(err.line, 3);
    assert_string_equal(err.file, "f");
    arena_free(&arena);
    memory_store_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_sets_are_one),
        cmocka_unit_test(many_sets_keep_their_numbers),
        cmocka_unit_test(numbers_are_written_as_go_does),
        cmocka_unit_test(numbers_are_read_as_go_does),
        cmocka_unit_test(durations_go_from_large_to_small),
        cmocka_unit_test(sums_take_the_coarser_schema),
        cmocka_unit_test(custom_bounds_are_reconciled),
        cmocka_unit_test(a_smaller_bucket_is_a_reset),
        cmocka_unit_test(samples_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
