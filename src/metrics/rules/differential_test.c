/*
 * Rules with windows that are kept and expressions worked out once, beside the batch evaluator: random rules
 * over random streams of samples. What each says must be the same to the bit, at every evaluation: series and
 * their order, values, errors, changes of alerts, samples that rules write.
 *
 * Two stores get the same samples. One is evaluated as the server does it: all rules in one group, over
 * windows. The other reads all anew: each rule in a group of its own, so that nothing is shared.
 */
#include "metrics/promql/plan.h"
#include "metrics/rules/windows_kit.h"

enum { SERIES = 36, RULES = 24, EXPRESSIONS = 24, TICK_MS = 15000, SIDES = 2, RULES_TEXT = 1 << 16 };
#define BEGIN_MS INT64_C(1800000000000)

struct side {
    struct test_store store;
    struct rule_file file;
    const struct rule_file *files[1];
    struct rule_engine *engine;
    struct buf told;
};

struct stage {
    struct sim_rng rng;
    struct side sides[SIDES];
    int64_t now_ms;
    unsigned generation[SERIES]; /* a series that goes may come back */
    double values[SERIES];
    char expressions[EXPRESSIONS][512];
    struct promql_plan *plan;
    struct promql_planned *planned[EXPRESSIONS];
    uint64_t bytes_max;
    struct tsdb_querier *old[SIDES]; /* queries that last, so that what was deleted cannot go */
};

static uint64_t roll(struct stage *s, uint64_t n)
{
    return rng_u64(&s->rng.rng) % n;
}

static void open_store(struct stage *s, struct side *side)
{
    test_store_open(&side->store,
                    &(struct tsdb_options){.block_ms = 8 * 60000,
                                           .retention_ms = 15 * 60000, /* less than some windows */
                                           .out_of_order_ms = 4 * 60000});
    if (side == &s->sides[0])
        test_store_keep_windows(&side->store, s->bytes_max);
}

/* --- samples --- */

static double next_value(struct stage *s, size_t k)
{
    static const double odd[] = {0.0, -0.0, 1e308, -1e308, 1e-320, 0.1, 9007199254740993.0};
    switch (roll(s, 40)) {
    case 0:
        return stale_nan();
    case 1:
        return __builtin_nan("");
    case 2:
        return __builtin_inf();
    case 3:
        return -__builtin_inf();
    case 4:
    case 5:
        return odd[roll(s, TC_ARRAY_LEN(odd))];
    case 6:
        return s->values[k] = 0; /* a reset */
    default:
        return s->values[k] += (double)roll(s, 1000) / (k % 3 == 0 ? 7 : 1);
    }
}

static size_t make_labels(struct stage *s, size_t k, struct label *items, char text[4][32])
{
    static const char *const names[] = {"c_total", "g", "h"};
    snprintf(text[0], sizeof text[0], "j%zu", k % 4);
    snprintf(text[1], sizeof text[1], "i%zu_%u", k, s->generation[k]);
    snprintf(text[2], sizeof text[2], "p%zu", k / 4 % 3);
    items[0] = (struct label){METRIC_NAME, sv_of(names[k % 12 == 11 ? 2 : k % 2])};
    items[1] = (struct label){SV("job"), sv_of(text[0])};
    items[2] = (struct label){SV("instance"), sv_of(text[1])};
    items[3] = (struct label){SV("path"), sv_of(text[2])};
    return 4;
}

static void put(struct stage *s, size_t k, int64_t t, double v, int64_t start_t, bool histogram)
{
    double counts[] = {1, 2};
    int32_t buckets[] = {0, 1};
    struct histogram h = {.count = 3, .sum = v, .positive = {.index = buckets, .count = counts, .n = 2}};
    for (size_t i = 0; i < SIDES; i++) {
        struct test_store *store = &s->sides[i].store;
        struct label items[4];
        char text[4][32];
        uint32_t series;
        size_t n = make_labels(s, k, items, text);
        assert_int_equal(tsdb_begin(store->tsdb, 0, INT64_MAX, &store->appender, NULL), 0);
        assert_int_equal(tsdb_series(&store->appender, items, n, &series), TSDB_OK);
        /* what is refused is refused by both */
        if (histogram)
            (void)tsdb_histogram(&store->appender, series, t, &h, start_t);
        else
            (void)tsdb_float(&store->appender, series, t, v, start_t);
        tsdb_commit(&store->appender, NULL, NULL);
    }
}

static void put_samples(struct stage *s)
{
    for (size_t k = 0; k < SERIES; k++) {
        uint64_t what = roll(s, 100);
        int64_t t = s->now_ms - (int64_t)roll(s, TICK_MS);
        double v = next_value(s, k);
        if (what < 12)
            continue; /* a gap */
        if (what == 12)
            s->generation[k] = (unsigned)roll(s, 3);
        if (what == 13)
            t -= (int64_t)roll(s, 6 * 60000); /* late */
        if (what == 14)
            t += (int64_t)roll(s, 2 * TICK_MS); /* from the future */
        put(s, k, t, v, what == 15 ? t - 1000 : 0, k % 12 == 11 && what > 40);
        if (what > 90)
            put(s, k, t + 1 + (int64_t)roll(s, 3000), v, 0, false); /* more than one a tick */
    }
}

/* --- deletions --- */

static void close_old(struct stage *s)
{
    for (size_t i = 0; i < SIDES; i++)
        tsdb_querier_close(&s->old[i]);
}

static void delete_some(struct stage *s)
{
    static const char *const patterns[] = {"c_total|g", "c_total", "g", "h", "rec", "ALERTS", ".*"};
    const char *pattern = patterns[roll(s, TC_ARRAY_LEN(patterns))];
    int64_t max_t = s->now_ms + TICK_MS - (int64_t)roll(s, 5 * 60000),
            min_t = max_t - (int64_t)roll(s, 900000);
    uint64_t deleted[SIDES];
    for (size_t i = 0; i < SIDES; i++)
        assert_int_equal(kit_delete(s->sides[i].store.tsdb, pattern, min_t, max_t, &deleted[i], NULL), 0);
    assert_int_equal(deleted[0], deleted[1]);
}

static void clean(struct stage *s)
{
    bool more[SIDES];
    for (size_t i = 0; i < SIDES; i++)
        assert_int_equal(tsdb_clean(s->sides[i].store.tsdb, &more[i], NULL), 0);
    assert_int_equal(more[0], more[1]);
}

/* --- expressions --- */

static const char *selector(struct stage *s)
{
    static const char *const selectors[] = {
        "c_total",
        "c_total{job=\"j1\"}",
        "c_total{job=~\"j[02]\",path!=\"p1\"}",
        "c_total{path!=\"p1\",job=~\"j[02]\"}",
        "g",
        "g{path=\"p2\"}",
        "g{instance=~\"i1.*\"}",
        "{__name__=~\"c.*|g\",job=\"j3\"}",
        "rec",
        "ALERTS{alertstate=\"firing\"}",
        "h",
        "absent_metric",
    };
    return selectors[roll(s, TC_ARRAY_LEN(selectors))];
}

static void vector_text(struct stage *s, struct buf *out, int depth)
{
    static const char *const functions[] = {
        "rate",           "rate",          "increase",         "delta",
        "irate",          "resets",        "changes",          "sum_over_time",
        "avg_over_time",  "max_over_time", "min_over_time",    "count_over_time",
        "last_over_time", "deriv",         "stddev_over_time", "present_over_time",
        "first_over_time"};
    static const char *const ranges[] = {"1m", "2m", "5m", "10m", "47s", "20m"};
    static const char *const offsets[] = {
        "", "", "", "", " offset 1m", " offset -30s", " offset 20m", " @ 1799999990"};
    static const char *const aggregations[] = {
        "sum by (job)", "avg by (job, path)", "max without (instance)", "count", "quantile by (path) (0.9,",
        "topk(2,",      "stddev by (job)",    "count_values(\"v\","};
    static const char *const operators[] = {">", "<=", "==", "!=", "+", "*", "> bool", "/"};
    static const char *const joins[] = {
        "and", "or", "unless", "+ on (instance, path)", "> on (job) group_left ()", "/ ignoring (path)"};
    switch (depth > 0 ? roll(s, 12) : roll(s, 4)) {
    case 0:
        buf_str(out, selector(s));
        buf_str(out, offsets[roll(s, TC_ARRAY_LEN(offsets))]);
        break;
    case 1:
    case 2:
    case 3:
        buf_printf(out, "%s(", functions[roll(s, TC_ARRAY_LEN(functions))]);
        buf_printf(out, "%s[%s]", selector(s), ranges[roll(s, TC_ARRAY_LEN(ranges))]);
        buf_printf(out, "%s)", offsets[roll(s, TC_ARRAY_LEN(offsets))]);
        break;
    case 4:
    case 5:
    case 6: {
        const char *a = aggregations[roll(s, TC_ARRAY_LEN(aggregations))];
        bool open = a[strlen(a) - 1] == ',';
        buf_printf(out, "%s%s", a, open ? "" : "(");
        vector_text(s, out, depth - 1);
        buf_str(out, ")");
        break;
    }
    case 7:
    case 8:
        buf_str(out, "(");
        vector_text(s, out, depth - 1);
        buf_printf(out, " %s %llu)", operators[roll(s, TC_ARRAY_LEN(operators))],
                   (unsigned long long)roll(s, 60));
        break;
    case 9:
        buf_str(out, "(");
        vector_text(s, out, depth - 1);
        buf_printf(out, " %s ", joins[roll(s, TC_ARRAY_LEN(joins))]);
        vector_text(s, out, depth - 1);
        buf_str(out, ")");
        break;
    case 10:
        buf_str(out, "max_over_time(");
        vector_text(s, out, 0);
        buf_str(out, "[3m:30s])");
        break;
    default:
        buf_str(out, roll(s, 2) == 0 ? "-" : "abs(");
        size_t at = out->n;
        vector_text(s, out, depth - 1);
        if (out->p[at - 1] == '(')
            buf_str(out, ")");
    }
}

/* From a small set, so that much stands in several. */
static void make_expressions(struct stage *s)
{
    char parts[8][160];
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < TC_ARRAY_LEN(parts); i++) {
        do {
            buf_clear(&b);
            vector_text(s, &b, 2);
        } while (b.n >= sizeof parts[i]);
        snprintf(parts[i], sizeof parts[i], "%.*s", (int)b.n, b.p);
    }
    for (size_t i = 0; i < EXPRESSIONS; i++) {
        const char *one = parts[roll(s, TC_ARRAY_LEN(parts))], *two = parts[roll(s, TC_ARRAY_LEN(parts))];
        int limit = (int)roll(s, 50);
        switch (roll(s, 6)) {
        case 0:
            snprintf(s->expressions[i], sizeof s->expressions[i], "%s", one);
            break;
        case 1:
            snprintf(s->expressions[i], sizeof s->expressions[i], "sum by (job) (%s) > %d", one, limit);
            break;
        case 2:
            snprintf(s->expressions[i], sizeof s->expressions[i], "%d < %s", limit, one);
            break;
        case 3:
            snprintf(s->expressions[i], sizeof s->expressions[i], "(%s) unless on (instance) (%s)", one, two);
            break;
        default:
            snprintf(s->expressions[i], sizeof s->expressions[i], "%s > %d", one, limit);
        }
    }
    buf_free(&b);
}

/* --- comparing --- */

static void put_result(struct buf *out, int rc, const struct err *err, const struct promql_result *result)
{
    if (rc != 0) {
        buf_printf(out, "error %s\n", err->text);
        return;
    }
    for (size_t i = 0; i < result->count; i++) {
        const struct promql_series *series = &result->series[i];
        uint64_t bits;
        labels_format_series(out, series->labels);
        memcpy(&bits, &series->f[0], sizeof bits);
        buf_printf(out, " %lld %016llx", (long long)series->t[0], (unsigned long long)bits);
        if (series->h != NULL && series->h[0] != NULL)
            histogram_format(out, series->h[0]);
        buf_char(out, '\n');
    }
}

static void assert_same(const struct stage *s, const char *what, const struct buf *kept,
                        const struct buf *batch)
{
    if (kept->n == batch->n && (kept->n == 0 || memcmp(kept->p, batch->p, kept->n) == 0))
        return;
    fail_msg("at %lld s: %s\n-- kept:\n%.*s\n-- batch:\n%.*s", (long long)((s->now_ms - BEGIN_MS) / 1000),
             what, (int)kept->n, kept->p, (int)batch->n, batch->p);
}

/* Samples and a deletion come while expressions are evaluated: what is said then is about neither, but what
 * is kept must be right afterwards. */
static void delete_under_way(struct stage *s)
{
    struct test_store *store = &s->sides[0].store;
    struct promql_options o = {.start_ms = s->now_ms, .end_ms = s->now_ms, .ignore_start_timestamps = true};
    struct series_source source = windows_source(store->windows);
    windows_refresh(store->windows, s->now_ms);
    put_samples(s);
    test_store_refresh(store);
    delete_some(s);
    for (size_t i = 0; i < EXPRESSIONS; i++) {
        struct promql_result result = {0};
        (void)promql_query(&source, sv_of(s->expressions[i]), &o, &result, NULL);
        promql_result_free(&result);
    }
}

/* The same expressions by a plan over windows, and one by one over the store. */
static void compare_expressions(struct stage *s)
{
    struct test_store *store = &s->sides[0].store;
    struct promql_options o = {.start_ms = s->now_ms, .end_ms = s->now_ms, .ignore_start_timestamps = true};
    struct series_source kept_source = windows_source(store->windows),
                         batch_source = test_store_source(store);
    struct buf kept, batch;
    buf_init(&kept, 1 << 22);
    buf_init(&batch, 1 << 22);
    test_store_refresh(store);
    windows_refresh(store->windows, s->now_ms);
    promql_plan_begin(s->plan);
    for (size_t i = 0; i < EXPRESSIONS; i++) {
        struct promql_result a = {0}, b = {0};
        struct err ea = {0}, eb = {0};
        buf_clear(&kept);
        buf_clear(&batch);
        struct series_source source = promql_planned_is_apart(s->planned[i]) ? batch_source : kept_source;
        put_result(&kept, promql_plan_evaluate(s->plan, s->planned[i], &source, &o, &a, &ea), &ea, &a);
        put_result(&batch, promql_query(&batch_source, sv_of(s->expressions[i]), &o, &b, &eb), &eb, &b);
        assert_same(s, s->expressions[i], &kept, &batch);
        promql_result_free(&a);
        promql_result_free(&b);
    }
    buf_free(&kept);
    buf_free(&batch);
}

/* What rules wrote, in both stores. */
static void compare_written(struct stage *s)
{
    struct buf texts[SIDES];
    for (size_t i = 0; i < SIDES; i++) {
        struct series_source source = test_store_source(&s->sides[i].store);
        struct promql_options o = {.start_ms = s->now_ms, .end_ms = s->now_ms};
        struct promql_result result = {0};
        struct err err = {0};
        test_store_refresh(&s->sides[i].store);
        buf_init(&texts[i], 1 << 22);
        put_result(&texts[i],
                   promql_query(&source,
                                SV("sort_by_label({__name__=~\"ALERTS.*|rec\"}, \"alertname\", \"job\", "
                                   "\"path\", \"instance\")"),
                                &o, &result, &err),
                   &err, &result);
        promql_result_free(&result);
    }
    assert_same(s, "written", &texts[0], &texts[1]);
    assert_same(s, "told", &s->sides[0].told, &s->sides[1].told);
    for (size_t i = 0; i < SIDES; i++) {
        buf_clear(&s->sides[i].told);
        buf_free(&texts[i]);
    }
}

/* --- rules --- */

static void on_change(void *context, const struct rule_change *change)
{
    struct side *side = context;
    uint64_t bits;
    memcpy(&bits, &change->alert.value, sizeof bits);
    buf_printf(&side->told, "%d %.*s %016llx", (int)change->kind, SV_FMT(change->alert.rule->name),
               (unsigned long long)bits);
    for (size_t i = 0; i < change->alert.label_count; i++)
        buf_printf(&side->told, " %.*s=%.*s", SV_FMT(change->alert.labels[i].name),
                   SV_FMT(change->alert.labels[i].value));
    buf_char(&side->told, '\n');
}

static void rules_text(struct stage *s, bool apart, struct buf *out)
{
    buf_clear(out);
    buf_str(out, "groups:\n");
    for (size_t i = 0; i < RULES; i++) {
        if (i == 0 || apart)
            buf_printf(out, "- name: g%zu\n  rules:\n", i);
        if (i % 6 == 0)
            buf_printf(out, "  - record: rec\n    labels: {rule: r%zu}\n", i % 12);
        else
            buf_printf(out, "  - alert: A%zu\n    for: %zus\n", i, i % 3 * 15);
        buf_printf(out, "    expr: '%s'\n", s->expressions[i % EXPRESSIONS]);
    }
}

static void load_rules(struct stage *s)
{
    struct buf text;
    buf_init(&text, RULES_TEXT);
    for (size_t i = 0; i < SIDES; i++) {
        struct side *side = &s->sides[i];
        struct rule_file old = side->file;
        struct rule_engine *old_engine = side->engine;
        rules_text(s, i == 1, &text);
        side->file = (struct rule_file){0};
        if (rule_file_read(SV("r.yml"), buf_view(&text), &side->file) != 0)
            fail_msg("%.*s\n%.*s", SV_FMT(side->file.problems.first->text), (int)text.n, text.p);
        side->files[0] = &side->file;
        side->engine = rule_engine_new(
            side->files, 1,
            &(struct rule_engine_options){.storage = {.source = test_store_source(&side->store),
                                                      .append = test_store_append,
                                                      .context = &side->store,
                                                      .refresh = test_store_refresh,
                                                      .begin = test_store_begin,
                                                      .commit = test_store_commit,
                                                      .windows = side->store.windows},
                                          .ignore_start_timestamps = true,
                                          .on_change = on_change,
                                          .change_context = side});
        if (old_engine != NULL)
            rule_engine_adopt(side->engine, old_engine);
        rule_engine_free(&old_engine);
        rule_file_free(&old);
    }
    buf_free(&text);
}

static void evaluate(struct stage *s)
{
    for (size_t i = 0; i < SIDES; i++)
        for (size_t g = 0; g < rule_engine_group_count(s->sides[i].engine); g++)
            rule_engine_evaluate(s->sides[i].engine, g, s->now_ms * 1000000);
    for (size_t i = 0; i < RULES; i++) {
        const char *kept = rule_engine_error(s->sides[0].engine, 0, i);
        const char *batch = rule_engine_error(s->sides[1].engine, i, 0);
        assert_string_equal(kept == NULL ? "" : kept, batch == NULL ? "" : batch);
    }
}

/* --- the run --- */

static void plan_expressions(struct stage *s)
{
    promql_plan_free(&s->plan);
    s->plan = promql_plan_new();
    for (size_t i = 0; i < EXPRESSIONS; i++) {
        struct err err = {0};
        if (promql_plan_add(s->plan, sv_of(s->expressions[i]), &s->planned[i], &err) != 0)
            fail_msg("%s: %s", s->expressions[i], err.text);
    }
}

static void restart(struct stage *s)
{
    close_old(s);
    for (size_t i = 0; i < SIDES; i++) {
        test_store_close(&s->sides[i].store);
        open_store(s, &s->sides[i]);
    }
    load_rules(s); /* its windows are others now */
}

static void happen(struct stage *s)
{
    struct err err = {0};
    for (size_t i = 0; i < SIDES; i++) /* how long what is deleted stays must be the same */
        test_store_refresh(&s->sides[i].store);
    if (roll(s, 10) == 0)
        close_old(s);
    else if (roll(s, 10) == 0 && s->old[0] == NULL)
        for (size_t i = 0; i < SIDES; i++)
            s->old[i] = tsdb_querier_open(s->sides[i].store.tsdb);
    if (roll(s, 12) == 0)
        delete_some(s);
    if (roll(s, 12) == 0)
        clean(s);
    if (roll(s, 12) == 0)
        for (size_t i = 0; i < SIDES; i++)
            if (tsdb_maintain(s->sides[i].store.tsdb, &err) != 0)
                fail_msg("%s", err.text);
    if (roll(s, 25) == 0)
        s->sides[0].store.overrun = true;
    if (roll(s, 40) == 0)
        restart(s);
    if (roll(s, 20) == 0) {
        make_expressions(s);
        plan_expressions(s);
        load_rules(s);
    }
    s->now_ms += roll(s, 15) == 0 ? (int64_t)roll(s, 20 * 60000) : TICK_MS;
    if (roll(s, 30) == 0)
        s->now_ms -= 2 * TICK_MS; /* the clock is set back */
}

static void run(uint64_t seed, uint64_t bytes_max, unsigned ticks)
{
    struct stage s = {.now_ms = BEGIN_MS, .bytes_max = bytes_max};
    sim_rng_init(&s.rng, seed);
    for (size_t i = 0; i < SIDES; i++) {
        buf_init(&s.sides[i].told, 1 << 22);
        open_store(&s, &s.sides[i]);
    }
    make_expressions(&s);
    plan_expressions(&s);
    load_rules(&s);
    for (unsigned i = 0; i < ticks; i++) {
        put_samples(&s);
        if (roll(&s, 10) == 0)
            delete_under_way(&s);
        compare_expressions(&s);
        evaluate(&s);
        compare_written(&s);
        happen(&s);
    }
    struct windows_stats stats = windows_stats(s.sides[0].store.windows);
    /* what is known of series that came since the last evaluation is not refused */
    assert_true(stats.bytes <= stats.bytes_max + stats.bytes_max / 8);
    promql_plan_free(&s.plan);
    close_old(&s);
    for (size_t i = 0; i < SIDES; i++) {
        rule_engine_free(&s.sides[i].engine);
        rule_file_free(&s.sides[i].file);
        test_store_close(&s.sides[i].store);
        sim_fs_free(&s.sides[i].store.sim);
        buf_free(&s.sides[i].told);
    }
}

static void test_kept_equals_batch(void **state)
{
    const char *given = getenv("DIFFERENTIAL_SEED"), *count = getenv("DIFFERENTIAL_SEEDS");
    uint64_t first = given != NULL ? strtoull(given, NULL, 10) : 1;
    uint64_t seeds = count != NULL ? strtoull(count, NULL, 10) : given != NULL ? 1 : 12;
    (void)state;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        if (given != NULL)
            print_message("seed %llu\n", (unsigned long long)seed);
        run(seed, seed % 4 == 3 ? 40000 : 0, 60);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept_equals_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
