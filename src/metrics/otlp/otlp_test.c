/*
 * OTLP: names as Prometheus' receiver makes them, and what becomes of each kind of data point.
 */
#include "metrics/otlp/otlp.h"

#include "metrics/tsdb/tsdb_kit.h"

#include <math.h>

#include <string.h>

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *unit;
        enum otlp_kind kind;
        const char *want;
    } cases[] = {
        {"http.server.duration", "s", OTLP_OTHER, "http_server_duration_seconds"},
        {"system.io", "By", OTLP_COUNTER, "system_io_bytes_total"},
        {"system.network.io", "By/s", OTLP_COUNTER, "system_network_io_bytes_per_second_total"},
        {"requests.total", "1", OTLP_COUNTER, "requests_total"},
        {"broken total here", "", OTLP_COUNTER, "broken_here_total"},
        {"hw.gpu.memory.utilization", "1", OTLP_GAUGE, "hw_gpu_memory_utilization_ratio"},
        {"queue.size", "{messages}", OTLP_GAUGE, "queue_size"},
        {"queue.rate", "{messages}/s", OTLP_GAUGE, "queue_rate_per_second"},
        {"redis.memory.usage", "By", OTLP_GAUGE, "redis_memory_usage_bytes"},
        {"memory_bytes_used", "By", OTLP_GAUGE, "memory_bytes_used"},
        {"42.answers", "", OTLP_GAUGE, "_42_answers"},
        {"a__b..c", "furlong", OTLP_GAUGE, "a_b_c_furlong"},
        {"level", "[degF]", OTLP_GAUGE, "level_degF_"},
        {"...", "s", OTLP_GAUGE, ""},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct sv got = otlp_metric_name(&arena, sv_of(cases[i].name), sv_of(cases[i].unit), cases[i].kind);
        if (!sv_is(got, cases[i].want))
            fail_msg("%s [%s]: %.*s, not %s", cases[i].name, cases[i].unit, SV_FMT(got), cases[i].want);
    }
    assert_true(sv_is(otlp_label_name(&arena, SV("http.route")), "http_route"));
    assert_true(sv_is(otlp_label_name(&arena, SV("1st")), "key_1st"));
    assert_true(sv_is(otlp_label_name(&arena, SV("_own")), "key_own"));
    assert_true(sv_is(otlp_label_name(&arena, SV("__x")), "__x"));
    arena_free(&arena);
}

static void read_json(const char *json, struct sample_list *list)
{
    struct buf message;
    struct err err = {0};
    buf_init(&message, 1 << 20);
    if (otlp_from_json(sv_of(json), &message, &err) != 0 ||
        otlp_read(arena_sv(&list->arena, buf_view(&message)), NULL, list, &err) != 0)
        fail_msg("%s", err.text);
    buf_free(&message);
}

#define METRIC(text) "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[" text "]}]}]}"

/* Scale 9 is finer than the store's finest: pairs of buckets meet. */
static void test_exponential(void **state)
{
    (void)state;
    struct sample_list list = {0};
    read_json(
        METRIC("{\"name\":\"e\",\"exponentialHistogram\":{\"aggregationTemporality\":2,\"dataPoints\":[{"
               "\"timeUnixNano\":\"5000000\",\"count\":\"10\",\"sum\":3.5,\"scale\":9,\"zeroCount\":1,"
               "\"positive\":{\"offset\":-3,\"bucketCounts\":[1,2,0,4]},\"negative\":{\"offset\":0,"
               "\"bucketCounts\":[2]}},{\"timeUnixNano\":1,\"scale\":-5}]}}"),
        &list);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.refused_points, 1);
    const struct histogram *h = list.items[0].histogram;
    assert_int_equal(list.items[0].t_ms, 5);
    assert_int_equal(h->schema, 8);
    assert_int_equal(h->positive.n, 3);
    /* buckets -3, -2, 0 become -2, -1, 0, and each is numbered by its upper bound */
    assert_int_equal(h->positive.index[0], -1);
    assert_int_equal(h->positive.index[1], 0);
    assert_int_equal(h->positive.index[2], 1);
    assert_true(h->positive.count[0] == 1 && h->positive.count[1] == 2 && h->positive.count[2] == 4);
    assert_int_equal(h->negative.index[0], 1);
    assert_true(h->count == 10 && h->sum == 3.5 && h->zero_count == 1);
    sample_list_free(&list);
}

static void test_refused(void **state)
{
    (void)state;
    struct sample_list list = {0};
    read_json(
        METRIC(
            "{\"name\":\"h\",\"histogram\":{\"aggregationTemporality\":2,\"dataPoints\":[{\"timeUnixNano\":1,"
            "\"count\":1,\"bucketCounts\":[1,2],\"explicitBounds\":[1,2]}]}},"
            "{\"name\":\"n\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":1}]}},"
            "{\"name\":\"t\",\"sum\":{\"dataPoints\":[{\"asInt\":1},{\"asInt\":2}]}},"
            "{\"name\":\"e\",\"exponentialHistogram\":{\"aggregationTemporality\":2,\"dataPoints\":[{"
            "\"timeUnixNano\":1,\"positive\":{\"offset\":\"9223372036854775807\",\"bucketCounts\":[1,1]}}]}},"
            "{\"name\":\"gone\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":1,\"flags\":1}]}}"),
        &list);
    assert_int_equal(list.refused_points, 5);
    assert_string_equal(list.first, "a data point of h has 2 buckets for 2 bounds");
    assert_int_equal(list.n, 1);
    assert_true(is_stale(list.items[0].value));
    sample_list_free(&list);
}

/* A message may come in several parts, which are one: four parts of a resource with service names. */
static void test_parts(void **state)
{
    (void)state;
    static const char part[] = "\x0a\x16\x0a\x14\x0a\x0c"
                               "service.name"
                               "\x12\x04\x0a\x02"
                               "ab";
    static const char scope[] =
        "\x12\x14\x12\x12\x0a\x01g\x2a\x0d\x0a\x0b\x19\x01\x00\x00\x00\x00\x00\x00\x00\x30\x00";
    struct sample_list list = {0};
    struct buf inner, message;
    struct err err = {0};
    buf_init(&inner, 4096);
    buf_init(&message, 4096);
    for (int i = 0; i < 4; i++)
        buf_add(&inner, part, sizeof part - 1);
    buf_add(&inner, scope, sizeof scope - 1);
    buf_u8(&message, 0x0a);
    buf_u8(&message, (uint8_t)inner.n);
    buf_sv(&message, buf_view(&inner));
    assert_true(inner.n < 128);
    assert_int_equal(otlp_read(buf_view(&message), NULL, &list, &err), 0);
    assert_int_equal(list.refused + list.n, 1);
    sample_list_free(&list);
    buf_free(&inner);
    buf_free(&message);
}

static void test_delta(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    struct sim_rng rng;
    struct tsdb *tsdb;
    struct err err = {0};
    struct kit_samples got;
    sim_rng_init(&rng, 1);
    assert_int_equal(tsdb_open(&(struct tsdb_options){.fs = sim_fs_seam(sim), .rng = &rng.rng, .dir = "/d"},
                               &tsdb, NULL, &err),
                     0);
    struct delta_state *deltas = delta_state_new();
    struct sample_target target = {.tsdb = tsdb, .deltas = deltas, .now_ms = 100 * KIT_HOUR};
    for (int i = 1; i <= 5; i++) {
        struct sample_list list = {0};
        struct label labels[] = {{SV("a"), SV("b")}, {METRIC_NAME, SV("m")}};
        struct sample sample = {.labels = labels,
                                .label_count = 2,
                                .t_ms = 100 * KIT_HOUR + (i == 5 ? 3 : i),
                                .value = i == 2 ? NAN : 2,
                                .delta = true};
        sample_list_add_sample(&list, &sample);
        assert_int_equal(sample_list_append(&list, &target, NULL, NULL, &err), 0);
        assert_int_equal(list.refused, i == 2 || i == 5); /* no number; a time that has been */
        sample_list_free(&list);
    }
    assert_int_equal(kit_read(tsdb, MATCH_EQUAL, "m", 0, INT64_MAX / 2, &got, &err), 0);
    assert_int_equal(got.n, 3);
    assert_true(got.f[0] == 2 && got.f[1] == 4 && got.f[2] == 6);
    assert_int_equal(delta_state_stats(deltas).series, 1);
    kit_samples_free(&got);
    delta_state_free(&deltas);
    tsdb_close(&tsdb);
    sim_fs_free(&sim);
}

/* What a small body may unfold to is bounded. */
static void test_labels_are_bounded(void **state)
{
    (void)state;
    struct label labels[] = {{METRIC_NAME, SV("m")}, {SV("a"), SV("b")}};
    struct sample_list list = {.labels = SAMPLES_LABELS_MAX - 3};
    sample_list_add(&list, labels, 2, 1, 1);
    sample_list_add(&list, labels, 2, 2, 1);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.refused, 1);
    assert_string_equal(list.first, "samples with more than 16000000 labels in all at once");
    sample_list_reset(&list);
    sample_list_add(&list, labels, 2, 3, 1);
    assert_int_equal(list.n, 1);
    sample_list_free(&list);
}

/* A clock that was wrong for a moment must not keep the series from ever counting again. */
static void test_delta_of_the_future(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    struct sim_rng rng;
    struct tsdb *tsdb;
    struct err err = {0};
    sim_rng_init(&rng, 1);
    assert_int_equal(tsdb_open(&(struct tsdb_options){.fs = sim_fs_seam(sim), .rng = &rng.rng, .dir = "/d"},
                               &tsdb, NULL, &err),
                     0);
    struct delta_state *deltas = delta_state_new();
    struct sample_target target = {.tsdb = tsdb, .deltas = deltas, .now_ms = 100 * KIT_HOUR};
    for (int any_order = 0; any_order < 2; any_order++) {
        const char *name = any_order ? "any" : "rising";
        struct label labels[] = {{METRIC_NAME, sv_of(name)}};
        const int64_t times[] = {100 * KIT_HOUR, 124 * KIT_HOUR, 100 * KIT_HOUR + 1};
        struct sample_list list = {0};
        struct kit_samples got;
        for (size_t i = 0; i < TC_ARRAY_LEN(times); i++)
            sample_list_add_sample(&list, &(struct sample){.labels = labels,
                                                           .label_count = 1,
                                                           .t_ms = times[i],
                                                           .value = 2,
                                                           .delta = true,
                                                           .any_order = any_order});
        assert_int_equal(sample_list_append(&list, &target, NULL, NULL, &err), 0);
        assert_int_equal(list.refused, 1);
        assert_int_equal(kit_read(tsdb, MATCH_EQUAL, name, 0, INT64_MAX / 2, &got, &err), 0);
        assert_int_equal(got.n, 2);
        assert_true(got.f[0] == 2 && got.f[1] == 4 && got.t[1] == times[2]);
        kit_samples_free(&got);
        sample_list_free(&list);
    }
    delta_state_free(&deltas);
    tsdb_close(&tsdb);
    sim_fs_free(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"names get Prometheus' suffixes", test_names, NULL, NULL, NULL},
        {"exponential histograms become native ones", test_exponential, NULL, NULL, NULL},
        {"bad data points are refused by themselves", test_refused, NULL, NULL, NULL},
        {"a resource in several parts", test_parts, NULL, NULL, NULL},
        {"deltas are added up, and one that repeats is refused", test_delta, NULL, NULL, NULL},
        {"labels of a list are bounded", test_labels_are_bounded, NULL, NULL, NULL},
        {"a delta of the future is refused, and the next one counts", test_delta_of_the_future, NULL, NULL,
         NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
