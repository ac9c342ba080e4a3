/*
 * Exemplars: the ring, what is refused, selection, and that they outlive restarts, snapshots and power cuts.
 */
#include "metrics/tsdb/exemplars.h"
#include "metrics/tsdb/tsdb_kit.h"

static void add(struct exemplars *e, const char *name, const char *trace, int64_t t, double v,
                enum tsdb_outcome expected, bool expected_fresh)
{
    struct label series[] = {{METRIC_NAME, sv_of(name)}}, labels[] = {{SV("trace_id"), sv_of(trace)}};
    bool fresh;
    assert_int_equal(exemplars_add(e, series, 1, labels, 1, t, v, &fresh), expected);
    assert_int_equal(fresh, expected_fresh);
}

static size_t select_all(const struct exemplars *e, const char *regex, int64_t min_t, int64_t max_t,
                         struct arena *arena, struct tsdb_exemplar_series **ret)
{
    struct matcher m;
    size_t n;
    assert_int_equal(matcher_init(&m, MATCH_REGEXP, METRIC_NAME, sv_of(regex), NULL), 0);
    struct tsdb_selector selector = {&m, 1};
    exemplars_select(e, &selector, 1, min_t, max_t, arena, ret, &n);
    matcher_free(&m);
    return n;
}

static void test_ring(void **state)
{
    (void)state;
    struct exemplars *e = exemplars_new(3);
    struct arena arena = {0};
    struct tsdb_exemplar_series *got;
    add(e, "b", "1", 10, 1.5, TSDB_OK, true);
    add(e, "b", "1", 10, 1.5, TSDB_OK, false); /* the same again */
    add(e, "b", "2", 10, 1.5, TSDB_OUT_OF_ORDER, false);
    add(e, "b", "2", 9, 1.5, TSDB_OUT_OF_ORDER, false);
    add(e, "a", "3", 5, 2, TSDB_OK, true);
    add(e, "b", "4", 20, 3, TSDB_OK, true);
    assert_int_equal(select_all(e, ".*", 0, 100, &arena, &got), 2);
    assert_true(sv_is(labels_name(got[0].labels), "a") && got[0].n == 1 && got[1].n == 2);
    assert_true(got[1].items[0].t == 10 && got[1].items[1].t == 20 && got[1].items[1].v == 3);
    assert_true(sv_is(labels_get(got[1].items[1].labels, SV("trace_id")), "4"));
    assert_int_equal(select_all(e, "b", 11, 20, &arena, &got), 1);
    assert_int_equal(got[0].n, 1);
    assert_int_equal(select_all(e, "b", 21, 30, &arena, &got), 0);
    assert_int_equal(select_all(e, "none", 0, 100, &arena, &got), 0);
    add(e, "c", "5", 1, 4, TSDB_OK, true); /* the oldest goes: b's first */
    add(e, "d", "6", 1, 5, TSDB_OK, true); /* and a with its only one */
    assert_int_equal(exemplars_count(e), 3);
    assert_int_equal(select_all(e, ".*", 0, 100, &arena, &got), 3);
    assert_true(sv_is(labels_name(got[0].labels), "b") && got[0].n == 1);
    for (int i = 0; i < 100; i++) { /* series come and go */
        char name[16];
        sprintf(name, "s%d", i);
        add(e, name, "7", i, i, TSDB_OK, true);
    }
    assert_int_equal(select_all(e, "s(97|98|99)", 0, 100, &arena, &got), 3);
    exemplars_free(&e);
    arena_free(&arena);
}

static void test_length(void **state)
{
    (void)state;
    struct exemplars *e = exemplars_new(4);
    char text[200] = {0};
    memset(text, 'x', 120); /* and trace_id has eight */
    add(e, "a", text, 1, 1, TSDB_OK, true);
    text[120] = 'x';
    add(e, "a", text, 2, 1, TSDB_BAD_LABELS, false);
    memset(text, 0, sizeof text);
    for (int i = 0; i < 60; i++)
        memcpy(text + 2 * i, "\xC3\xA9", 2); /* characters count, not bytes */
    add(e, "a", text, 3, 1, TSDB_OK, true);
    add(e, "a", "\xFF", 4, 1, TSDB_BAD_LABELS, false);
    exemplars_free(&e);
}

struct store {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct tsdb *tsdb;
};

static void store_open(struct store *s)
{
    if (s->sim == NULL) {
        s->sim = sim_fs_new(0);
        sim_rng_init(&s->rng, 1);
    }
    struct tsdb_options options = {.fs = sim_fs_seam(s->sim),
                                   .rng = &s->rng.rng,
                                   .dir = "/data/metrics",
                                   .block_ms = KIT_HOUR,
                                   .exemplars_max = 50};
    assert_int_equal(tsdb_open(&options, &s->tsdb, NULL, NULL), 0);
}

static void append(struct store *s, int64_t t, const char *trace)
{
    struct tsdb_appender a;
    struct label labels[] = {{METRIC_NAME, SV("x")}, {SV("job"), SV("j")}};
    struct label example[] = {{SV("trace_id"), sv_of(trace)}, {SV("empty"), SV("")}};
    uint32_t series;
    int rc = -1;
    assert_int_equal(tsdb_begin(s->tsdb, 0, t + KIT_HOUR, &a, NULL), 0);
    assert_int_equal(tsdb_series(&a, labels, 2, &series), TSDB_OK);
    assert_int_equal(tsdb_float(&a, series, t, 1, 0), TSDB_OK);
    assert_int_equal(tsdb_exemplar(&a, series, example, 2, t, 0.25), TSDB_OK);
    assert_int_equal(tsdb_exemplar(&a, series, example, 1, t + 2 * KIT_HOUR, 0.25), TSDB_TOO_FAR);
    tsdb_commit(&a, kit_acknowledge, &rc);
    assert_int_equal(rc, 0);
}

static size_t held(struct store *s, int64_t *ret_newest)
{
    struct arena arena = {0};
    struct tsdb_exemplar_series *got;
    struct matcher m;
    size_t n;
    assert_int_equal(matcher_init(&m, MATCH_EQUAL, SV("job"), SV("j"), NULL), 0);
    struct tsdb_selector selector = {&m, 1};
    tsdb_exemplars(s->tsdb, &selector, 1, INT64_MIN, INT64_MAX, &arena, &got, &n);
    assert_int_equal(n, 1);
    size_t count = got[0].n;
    *ret_newest = got[0].items[count - 1].t;
    assert_int_equal(got[0].items[0].labels->count, 1);
    arena_free(&arena);
    return count;
}

static void test_they_are_durable(void **state)
{
    (void)state;
    struct store s = {0};
    int64_t newest;
    store_open(&s);
    for (int64_t i = 0; i < 40; i++)
        append(&s, i * 1000, "t");
    sim_fs_crash(s.sim, 7, SIM_FS_DROP);
    tsdb_close(&s.tsdb);
    store_open(&s);
    assert_int_equal(held(&s, &newest), 40);
    assert_int_equal(newest, 39000);
    for (int64_t i = 0; i < 30; i++) { /* blocks are cut, snapshots take the place of the log */
        append(&s, KIT_HOUR + i * 600000, "u");
        assert_int_equal(tsdb_maintain(s.tsdb, NULL), 0);
    }
    assert_true(tsdb_stats(s.tsdb).blocks > 1);
    assert_int_equal(tsdb_stats(s.tsdb).exemplars, 50);
    sim_fs_crash(s.sim, 9, SIM_FS_DROP);
    tsdb_close(&s.tsdb);
    store_open(&s);
    assert_int_equal(held(&s, &newest), 50);
    assert_int_equal(newest, KIT_HOUR + 29 * 600000);
    tsdb_close(&s.tsdb);
    sim_fs_free(&s.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"a ring over all series: the oldest goes, times rise in each", test_ring, NULL, NULL, NULL},
        {"labels have at most 128 characters", test_length, NULL, NULL, NULL},
        {"what was acknowledged is there after power cuts and snapshots", test_they_are_durable, NULL, NULL,
         NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
