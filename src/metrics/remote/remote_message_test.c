/*
 * Remote write as it is sent: our own reader takes it for what it was, bit for bit; answers of a query API
 * come back as results.
 */
#include "base/sim_fs.h"
#include "metrics/remote/remote_message.h"
#include "metrics/remote/remote_result.h"
#include "metrics/remote/remote_write.h"
#include "metrics/remote/snappy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct store {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct tsdb *tsdb;
};

static void store_open(struct store *s)
{
    *s = (struct store){.sim = sim_fs_new(0)};
    sim_rng_init(&s->rng, 1);
    assert_int_equal(
        tsdb_open(&(struct tsdb_options){.fs = sim_fs_seam(s->sim), .rng = &s->rng.rng, .dir = "/m"},
                  &s->tsdb, NULL, NULL),
        0);
}

static void store_free(struct store *s)
{
    tsdb_close(&s->tsdb);
    sim_fs_free(&s->sim);
}

static void store_take(struct store *s, struct sv packed, struct remote_write *ret)
{
    struct tsdb_appender a;
    struct buf message;
    buf_init(&message, 1 << 20);
    assert_int_equal(snappy_unpack(packed, &message, NULL), 0);
    assert_int_equal(remote_write_check(REMOTE_WRITE_1, buf_view(&message), NULL), 0);
    assert_int_equal(tsdb_begin(s->tsdb, 0, INT64_MAX, &a, NULL), 0);
    remote_write_append(REMOTE_WRITE_1, buf_view(&message), &a, ret);
    tsdb_commit(&a, NULL, NULL);
    buf_free(&message);
}

static void read_back(struct store *s, const char *name, struct arena *arena, struct series_samples *ret)
{
    struct tsdb_querier *q = tsdb_querier_open(s->tsdb);
    struct series_source source = tsdb_querier_source(q);
    struct source_series *series;
    struct matcher m;
    size_t n;
    assert_int_equal(matcher_init(&m, MATCH_EQUAL, METRIC_NAME, sv_of(name), NULL), 0);
    assert_int_equal(source.select(source.context, &m, 1, 0, INT64_MAX / 4, arena, &series, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(source.read(source.context, series[0].ref, 0, INT64_MAX / 4, arena, ret, NULL), 0);
    tsdb_querier_close(&q);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const struct label floats[] = {{{"__name__", 8}, {"x", 1}}, {{"path", 4}, {"/a\"b", 4}}},
                              sizes[] = {{{"__name__", 8}, {"sizes", 5}}},
                              trace[] = {{{"trace_id", 8}, {"abc", 3}}};
    int32_t positive[] = {-3, -2, 5, 6, 7, 100}, negative[] = {0, 2};
    double counts[] = {1, 2.5, 0, 4, 5, 6}, less[] = {7, 8};
    const struct histogram h = {.hint = HINT_GAUGE,
                                .schema = -2,
                                .zero_threshold = 0.001,
                                .zero_count = 3,
                                .count = 36.5,
                                .sum = -7.25,
                                .positive = {positive, counts, 6},
                                .negative = {negative, less, 2}};
    const struct outgoing_sample values[] = {{1000, 1.5, NULL},         {2000, -0.0, NULL},
                                             {3000, 0, NULL},           {4000, NAN, NULL},
                                             {5000, stale_nan(), NULL}, {6000, -INFINITY, NULL}},
                                 histograms[] = {{1000, 0, &h}};
    const struct outgoing_series series[] = {
        {.labels = floats, .label_count = 2, .samples = values, .sample_count = TC_ARRAY_LEN(values)},
        {.labels = sizes, .label_count = 1, .samples = histograms, .sample_count = 1},
        {.labels = floats,
         .label_count = 2,
         .exemplar_labels = trace,
         .exemplar_label_count = 1,
         .exemplar = {1500, 0.25, NULL}}};
    struct buf message, packed;
    struct store s;
    struct remote_write result;
    struct arena arena = {0};
    struct series_samples got;
    buf_init(&message, 1 << 20);
    buf_init(&packed, 1 << 20);
    for (size_t i = 0; i < TC_ARRAY_LEN(series); i++)
        remote_message_series(&message, &series[i]);
    assert_int_equal(remote_message_pack(buf_view(&message), &packed, NULL), 0);
    store_open(&s);
    store_take(&s, buf_view(&packed), &result);
    assert_int_equal(result.refused, 0);
    read_back(&s, "x", &arena, &got);
    assert_int_equal(got.n, TC_ARRAY_LEN(values));
    for (size_t i = 0; i < got.n; i++) {
        assert_int_equal(got.t[i], values[i].t);
        assert_memory_equal(&got.f[i], &values[i].v, sizeof(double));
    }
    read_back(&s, "sizes", &arena, &got);
    assert_int_equal(got.n, 1);
    assert_true(got.h != NULL && histogram_equal(got.h[0], &h));
    assert_int_equal(tsdb_stats(s.tsdb).exemplars, 1);
    store_free(&s);
    arena_free(&arena);
    buf_free(&message);
    buf_free(&packed);
}

/* --- answers --- */

static int answer(long status, const char *json, struct promql_result *result, struct labels_table *labels,
                  struct err *err)
{
    *result = (struct promql_result){0};
    *err = (struct err){0};
    labels_table_init(labels);
    return remote_result_read(status, sv_of(json), labels, result, err);
}

static void done(struct promql_result *result, struct labels_table *labels)
{
    promql_result_free(result);
    labels_table_free(labels);
}

static void test_answers(void **state)
{
    (void)state;
    struct promql_result r;
    struct labels_table l;
    struct err err;
    assert_int_equal(
        answer(200,
               "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":"
               "{\"__name__\":\"x\",\"a\":\"\\u00e9\"},\"value\":[1795293672.781,\"-Inf\"]}]}}",
               &r, &l, &err),
        0);
    assert_true(r.type == VALUE_VECTOR && r.count == 1 && r.series[0].n == 1);
    assert_int_equal(r.series[0].t[0], 1795293672781);
    assert_true(isinf(r.series[0].f[0]) && r.series[0].f[0] < 0);
    assert_true(sv_is(labels_get(r.series[0].labels, SV("a")), "\xc3\xa9"));
    done(&r, &l);
    assert_int_equal(
        answer(200,
               "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},"
               "\"values\":[[1,\"1\"],[2.5,\"2e3\"]]}]}}",
               &r, &l, &err),
        0);
    assert_true(r.type == VALUE_MATRIX && r.series[0].n == 2 && r.series[0].t[1] == 2500 &&
                r.series[0].f[1] == 2000);
    done(&r, &l);
    assert_int_equal(
        answer(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"2\"]}}", &r,
               &l, &err),
        0);
    assert_true(r.type == VALUE_SCALAR && r.scalar == 2);
    done(&r, &l);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *json;
        int rc;
        const char *words;
    } cases[] = {
        {400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}", TC_EINPUT,
         "answered 400: parse error"},
        {503, "{\"status\":\"error\",\"error\":\"busy\"}", TC_EIO, "answered 503: busy"},
        {502, "<html>Bad Gateway</html>", TC_EIO, "502: <html>"},
        {200, "{\"status\":\"success\"}", TC_EIO, "200"},
        {200,
         "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":["
         "1]}]}}",
         TC_EIO, "not one of Prometheus' API"},
        {200,
         "{\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"a\":1},\"value\":[1,\"1\"]}]}}",
         TC_EIO, "not one of Prometheus' API"},
        {200, "{\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"x\"]}]}}",
         TC_EIO, "not one of Prometheus' API"},
        {200, "{\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"histogram\":[1,{}]}]}}",
         TC_EUNSUPPORTED, "histogram_quantile"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct promql_result r;
        struct labels_table l;
        struct err err;
        assert_int_equal(answer(cases[i].status, cases[i].json, &r, &l, &err), cases[i].rc);
        if (strstr(err.text, cases[i].words) == NULL)
            fail_msg("%zu: %s", i, err.text);
        assert_int_equal(r.count, 0);
        done(&r, &l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"what is sent is what was there", test_round_trip, NULL, NULL, NULL},
        {"answers of a query API are results", test_answers, NULL, NULL, NULL},
        {"what is no answer is refused with its words", test_refusals, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
