/*
 * What one scrape puts into the store: samples, relabelling, stale markers, `up`, and what is refused.
 */
#include "metrics/scrape/scrape_append.h"

#include "metrics/tsdb/tsdb_kit.h"

#include <string.h>

#define T0      (100 * KIT_HOUR)
#define STEP_MS 15000

struct fixture {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct sim_clk clk;
    struct tsdb *tsdb;
    struct scrape_config config;
    struct arena arena, scratch;
    struct target_made target;
    struct scrape_memory memory;
    struct scrape_result result;
    int64_t t_ms;
};

static void begin(struct fixture *f, const char *job)
{
    struct err err = {0};
    *f = (struct fixture){.sim = sim_fs_new(0), .t_ms = T0};
    sim_rng_init(&f->rng, 1);
    sim_clk_init(&f->clk, 0);
    struct tsdb_options o = {
        .fs = sim_fs_seam(f->sim), .rng = &f->rng.rng, .dir = "/data/metrics", .series_max = 20};
    char text[2048];
    snprintf(text, sizeof text, "scrape_configs:\n- {job_name: j, static_configs: [{targets: ['h:1']}]%s}\n",
             job);
    if (tsdb_open(&o, &f->tsdb, NULL, &err) != 0 ||
        scrape_config_parse(sv_of(text), "p.yml", &f->config, &err) != 0)
        fail_msg("%s", err.text);
    const struct target_group *group = &f->config.jobs[0].statics[0].items[0];
    assert_int_equal(target_make(&f->config.jobs[0], group, 0, &f->arena, &f->target, &err), 0);
    scrape_memory_init(&f->memory);
}

static void end(struct fixture *f)
{
    scrape_memory_free(&f->memory);
    scrape_config_free(&f->config);
    arena_free(&f->arena);
    arena_free(&f->scratch);
    tsdb_close(&f->tsdb);
    sim_fs_free(&f->sim);
}

static struct scrape_input input(struct fixture *f, const char *body)
{
    return (struct scrape_input){.tsdb = f->tsdb,
                                 .job = &f->config.jobs[0],
                                 .target = &f->target,
                                 .t_ms = f->t_ms,
                                 .clk = &f->clk.clk,
                                 .started_mono_ns = -2000000000,
                                 .body = sv_of(body)};
}

/* One scrape with that body; NULL: a failed one. */
static void scrape(struct fixture *f, const char *body)
{
    struct scrape_input in = input(f, body);
    struct err err = {0};
    in.failure = body == NULL ? "nobody is there" : NULL;
    arena_reset(&f->scratch);
    f->t_ms += STEP_MS;
    in.t_ms = f->t_ms;
    assert_int_equal(scrape_append(&f->memory, &in, &f->scratch, &f->result, &err), 0);
}

/* The samples of a metric as one text: values, and S for a stale marker. */
static void expect(struct fixture *f, const char *metric, const char *want)
{
    struct kit_samples s;
    struct err err = {0};
    char got[256] = "";
    assert_int_equal(kit_read(f->tsdb, MATCH_EQUAL, metric, INT64_MIN / 2, INT64_MAX / 2, &s, &err), 0);
    for (size_t i = 0; i < s.n; i++) {
        size_t n = strlen(got);
        if (is_stale(s.f[i]))
            snprintf(got + n, sizeof got - n, "S ");
        else
            snprintf(got + n, sizeof got - n, "%g ", s.f[i]);
    }
    assert_string_equal(got, want);
    kit_samples_free(&s);
}

static void test_stale(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "");
    scrape(&f, "a 1\nb 1\n");
    assert_int_equal(f.result.added, 2);
    scrape(&f, "a 2\n");
    assert_int_equal(f.result.added, 0);
    scrape(&f, "a 3\nb 3\n");
    scrape(&f, NULL);
    assert_string_equal(f.result.error, "nobody is there");
    scrape(&f, "a 5\n{ broken\n");
    assert_false(f.result.up);
    scrape(&f, "a 6\n");
    expect(&f, "a", "1 2 3 S 6 ");
    expect(&f, "b", "1 S 3 S ");
    expect(&f, "up", "1 1 1 0 0 1 ");
    expect(&f, "scrape_samples_scraped", "2 1 2 0 1 1 ");
    expect(&f, "scrape_duration_seconds", "2 2 2 2 2 2 ");
    struct scrape_input in = input(&f, NULL);
    struct err err = {0};
    in.t_ms = f.t_ms + STEP_MS;
    assert_int_equal(scrape_append_end(&f.memory, &in, &f.scratch, &err), 0);
    expect(&f, "a", "1 2 3 S 6 S ");
    expect(&f, "up", "1 1 1 0 0 1 S ");
    end(&f);
}

static void test_own_times(void **state)
{
    (void)state;
    struct fixture f;
    char line[64];
    begin(&f, "");
    snprintf(line, sizeof line, "a 1 %lld\n", (long long)T0);
    scrape(&f, line);
    scrape(&f, "c 1\n"); /* what bears its own time goes without a marker */
    expect(&f, "a", "1 ");
    end(&f);
    begin(&f, ", honor_timestamps: false");
    scrape(&f, line);
    scrape(&f, "c 1\n");
    expect(&f, "a", "1 S ");
    end(&f);
}

static void test_limits(void **state)
{
    (void)state;
    struct fixture f;
    begin(
        &f,
        ", sample_limit: 2, metric_relabel_configs: [{source_labels: [__name__], regex: x.*, action: drop}]");
    scrape(&f, "a 1\nxa 1\nb 1\nxb 1\n");
    assert_true(f.result.up && f.result.scraped == 4 && f.result.kept == 2);
    scrape(&f, "a 2\nb 2\nc 2\n");
    assert_string_equal(f.result.error, "sample limit exceeded");
    expect(&f, "a", "1 S ");
    expect(&f, "c", "");
    expect(&f, "scrape_samples_post_metric_relabeling", "2 3 ");
    end(&f);
    begin(&f, ", label_value_length_limit: 5");
    scrape(&f, "a{b=\"123456\"} 1\n");
    assert_non_null(
        strstr(f.result.error, "label_value_length_limit exceeded (metric: a, label name: b, length: 6"));
    end(&f);
}

/* Y-10, H-01: what the store does not take is counted, the rest is kept. */
static void test_refused(void **state)
{
    (void)state;
    struct fixture f;
    char body[4096] = "a{user=\"jane.doe@example.com\"} 1\nb{unit=\"getty@tty1.service\"} 2\n";
    begin(&f, "");
    scrape(&f, body);
    assert_true(f.result.up);
    assert_int_equal(f.result.refused, 1);
    assert_int_equal(f.result.first_refused, TSDB_PERSONAL);
    expect(&f, "a", "");
    expect(&f, "b", "2 ");
    for (int i = 0; i < 40; i++)
        snprintf(body + strlen(body), sizeof body - strlen(body), "c{i=\"%d\"} 1\n", i);
    scrape(&f, body);
    assert_true(f.result.refused > 20 && f.result.up);
    assert_int_equal(tsdb_stats(f.tsdb).outcomes[TSDB_PERSONAL], 2);
    end(&f);
}

static void test_labels(void **state)
{
    (void)state;
    struct fixture f;
    struct matcher m;
    struct err err = {0};
    begin(&f, "");
    scrape(&f, "a{job=\"x\",instance=\"\",exported_job=\"y\"} 1\n");
    assert_string_equal(f.result.error, "");
    assert_int_equal(matcher_init(&m, MATCH_EQUAL, METRIC_NAME, SV("a"), &err), 0);
    struct tsdb_querier *q = tsdb_querier_open(f.tsdb);
    struct series_source source = tsdb_querier_source(q);
    struct source_series *series;
    size_t n;
    assert_int_equal(source.select(source.context, &m, 1, 0, INT64_MAX / 2, &f.arena, &series, &n, &err), 0);
    assert_int_equal(n, 1);
    struct buf text;
    buf_init(&text, 4096);
    labels_format_series(&text, series[0].labels);
    buf_char(&text, '\0');
    assert_string_equal(text.p,
                        "a{exported_exported_job=\"x\", exported_job=\"y\", instance=\"h:1\", job=\"j\"}");
    buf_free(&text);
    tsdb_querier_close(&q);
    matcher_free(&m);
    end(&f);
}

static void test_exemplars(void **state)
{
    (void)state;
    struct fixture f;
    struct tsdb_exemplar_series *found;
    size_t n;
    begin(&f, "");
    struct scrape_input in = input(&f, "# TYPE a counter\na_total 1 # {trace_id=\"x\"} 0.5\nb_total 2 # "
                                       "{user=\"jane.doe@example.com\"} 1\n# EOF\n");
    struct err err = {0};
    struct matcher m;
    in.content_type = SV("application/openmetrics-text; version=1.0.0");
    assert_int_equal(scrape_append(&f.memory, &in, &f.scratch, &f.result, &err), 0);
    assert_string_equal(f.result.error, "");
    assert_int_equal(matcher_init(&m, MATCH_EQUAL, SV("job"), SV("j"), &err), 0);
    tsdb_exemplars(f.tsdb, &(struct tsdb_selector){&m, 1}, 1, 0, INT64_MAX / 2, &f.arena, &found, &n);
    assert_int_equal(n, 1);
    assert_true(found[0].n == 1 && found[0].items[0].v == 0.5 && found[0].items[0].t == T0);
    matcher_free(&m);
    end(&f);
}

static void test_fallback_protocol(void **state)
{
    (void)state;
    static const struct {
        const char *job, *type;
        bool openmetrics;
    } cases[] = {{"", "", false},
                 {", fallback_scrape_protocol: OpenMetricsText1.0.0", "", true},
                 {", fallback_scrape_protocol: OpenMetricsText1.0.0", "application/octet-stream", true},
                 {", fallback_scrape_protocol: OpenMetricsText1.0.0", "text/plain; version=0.0.4", false},
                 {", fallback_scrape_protocol: PrometheusText0.0.4", "", false}};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct fixture f;
        struct err err = {0};
        begin(&f, cases[i].job);
        struct scrape_input in = input(&f, "a 1\n"); /* OpenMetrics ends with # EOF */
        in.content_type = sv_of(cases[i].type);
        assert_int_equal(scrape_append(&f.memory, &in, &f.scratch, &f.result, &err), 0);
        assert_int_equal(f.result.up, !cases[i].openmetrics);
        end(&f);
    }
}

/* What discovery found may go while its targets stay. */
static void test_own_texts(void **state)
{
    (void)state;
    struct fixture f;
    struct target_made made;
    struct err err = {0};
    char address[] = "h:2", name[] = "zone", value[] = "a";
    struct sv addresses[] = {sv_of(address)};
    struct label labels[] = {{sv_of(name), sv_of(value)}};
    begin(&f, "");
    assert_int_equal(target_make(&f.config.jobs[0], &(struct target_group){addresses, NULL, 1, labels, 1}, 0,
                                 &f.arena, &made, &err),
                     0);
    memset(address, 'x', 3);
    memset(name, 'x', 4);
    value[0] = 'x';
    assert_int_equal(made.label_count, 3);
    assert_true(sv_is(made.labels[0].name, "instance") && sv_is(made.labels[0].value, "h:2"));
    assert_true(sv_is(made.labels[2].name, "zone") && sv_is(made.labels[2].value, "a"));
    assert_true(sv_is(made.discovered[0].value, "h:2"));
    assert_string_equal(made.url, "http://h:2/metrics");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"A-11 vanished series and failed scrapes leave stale markers", test_stale, NULL, NULL, NULL},
        {"A-11 samples that bear times", test_own_times, NULL, NULL, NULL},
        {"A-11 limits refuse a scrape as a whole", test_limits, NULL, NULL, NULL},
        {"A-11 labels of target and sample meet", test_labels, NULL, NULL, NULL},
        {"a target's labels are its own", test_own_texts, NULL, NULL, NULL},
        {"a body of no known type is what fallback_scrape_protocol says", test_fallback_protocol, NULL, NULL,
         NULL},
        {"exemplars go with their samples, H-01 but those that hold personal data", test_exemplars, NULL,
         NULL, NULL},
        {"H-01 Y-10 refused samples are counted, and the rest is kept", test_refused, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
