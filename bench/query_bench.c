/*
 * Measures one range query over the store: `sum by (job) (rate(m[5m]))` over an hour of samples at 15 s, the
 * same data as bench/metrics.py. build/bench/query_bench DIR [SERIES] [QUERY]
 *
 * Parts are timed by themselves as well: selecting, reading without evaluating.
 */
#include "metrics/promql/query.h"
#include "metrics/tsdb/tsdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STEPS = 241, STEP_MS = 15000, JOBS = 50, PATTERNS = 200, ROUNDS = 5, SLICE = 61 };
#define BEGIN_MS INT64_C(1800000000000)

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t series_of(struct tsdb_appender *a, unsigned i)
{
    char instance[40], job[16], path[40], zone[16];
    snprintf(instance, sizeof instance, "10.0.%u.%u:%u", i >> 8 & 255, i & 255, 9000 + (i >> 16));
    snprintf(job, sizeof job, "job%u", i % JOBS);
    snprintf(path, sizeof path, "/api/v1/items/%u", i % 97);
    snprintf(zone, sizeof zone, "eu-%u", i % 3);
    struct label labels[] = {{METRIC_NAME, SV("m")},
                             {SV("instance"), sv_of(instance)},
                             {SV("job"), sv_of(job)},
                             {SV("path"), sv_of(path)},
                             {SV("zone"), sv_of(zone)}};
    uint32_t series = 0;
    tc_assert(tsdb_series(a, labels, TC_ARRAY_LEN(labels), &series) == TSDB_OK);
    return series;
}

static void load(struct tsdb *tsdb, unsigned series)
{
    struct err err = {0};
    for (unsigned first = 0; first < STEPS; first += SLICE)
        for (unsigned at = 0; at < series; at += 500) {
            struct tsdb_appender a;
            while (tsdb_begin(tsdb, 0, INT64_MAX, &a, &err) == TC_EAGAIN)
                nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            for (unsigned i = at; i < TC_MIN(at + 500, series); i++) {
                uint32_t id = series_of(&a, i);
                unsigned pattern = i % PATTERNS;
                for (unsigned k = first; k < TC_MIN(first + SLICE, (unsigned)STEPS); k++)
                    tc_assert(tsdb_float(&a, id, BEGIN_MS + k * STEP_MS + pattern * 7,
                                         (double)(pattern * 13 + k * (1 + pattern % 17) + k * k % 7),
                                         0) == TSDB_OK);
            }
            tsdb_commit(&a, NULL, NULL);
        }
}

static void read_all(struct tsdb *tsdb)
{
    struct tsdb_querier *querier = tsdb_querier_open(tsdb);
    struct series_source source = tsdb_querier_source(querier);
    struct arena arena = {0}, scratch = {0};
    struct matcher matcher;
    struct source_series *series;
    struct err err = {0};
    size_t count, samples = 0;
    tc_assert(matcher_init(&matcher, MATCH_EQUAL, METRIC_NAME, SV("m"), &err) == 0);
    int64_t until = BEGIN_MS + STEPS * STEP_MS;
    double t0 = seconds(CLOCK_MONOTONIC);
    tc_assert(source.select(source.context, &matcher, 1, BEGIN_MS, until, &arena, &series, &count, &err) ==
              0);
    double t1 = seconds(CLOCK_MONOTONIC);
    for (size_t i = 0; i < count; i++) {
        struct series_samples got;
        arena_reset(&scratch);
        tc_assert(source.read(source.context, series[i].ref, BEGIN_MS, until, &scratch, &got, &err) == 0);
        samples += got.n;
    }
    double t2 = seconds(CLOCK_MONOTONIC);
    printf("select %.3f s, read %.3f s (%.1f ns a sample)\n", t1 - t0, t2 - t1,
           (t2 - t1) / (double)samples * 1e9);
    matcher_free(&matcher);
    arena_free(&arena);
    arena_free(&scratch);
    tsdb_querier_close(&querier);
}

static void ask(struct tsdb *tsdb, const char *text, struct pool *pool)
{
    struct promql_options options = {.start_ms = BEGIN_MS,
                                     .end_ms = BEGIN_MS + (STEPS - 1) * STEP_MS,
                                     .step_ms = STEP_MS,
                                     .ignore_start_timestamps = true,
                                     .pool = pool};
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct promql_result result = {0};
        struct err err = {0};
        double w = seconds(CLOCK_MONOTONIC), c = seconds(CLOCK_PROCESS_CPUTIME_ID);
        struct tsdb_querier *querier = tsdb_querier_open(tsdb);
        struct series_source source = tsdb_querier_source(querier);
        if (promql_query(&source, sv_of(text), &options, &result, &err) != 0)
            fprintf(stderr, "%s\n", err.text);
        double sum = 0;
        for (size_t k = 0; k < result.count; k++)
            for (size_t n = 0; n < result.series[k].n; n++)
                sum += result.series[k].f[n];
        size_t count = result.count;
        promql_result_free(&result);
        tsdb_querier_close(&querier);
        printf("%s: %.3f s, CPU %.3f s; %zu series, sum %.17g\n", text, seconds(CLOCK_MONOTONIC) - w,
               seconds(CLOCK_PROCESS_CPUTIME_ID) - c, count, sum);
    }
}

/* A sample that is hours later: what was there before goes into blocks. */
static void age(struct tsdb *tsdb)
{
    struct tsdb_appender a;
    struct err err = {0};
    tc_assert(tsdb_begin(tsdb, 0, INT64_MAX, &a, &err) == 0);
    tc_assert(tsdb_float(&a, series_of(&a, 0), BEGIN_MS + INT64_C(6) * 3600 * 1000, 0, 0) == TSDB_OK);
    tsdb_commit(&a, NULL, NULL);
    double began = seconds(CLOCK_MONOTONIC);
    tc_assert(tsdb_maintain(tsdb, &err) == 0);
    printf("into blocks: %.2f s\n", seconds(CLOCK_MONOTONIC) - began);
}

int main(int argc, char **argv)
{
    struct tsdb_options o = {
        .fs = &fs_system, .rng = &rng_system, .dir = argv[1], .background = true, .retention_ms = -1};
    unsigned series = argc > 2 ? (unsigned)atoi(argv[2]) : 20000;
    struct tsdb *tsdb;
    struct err err = {0};
    if (argc < 2 || tsdb_open(&o, &tsdb, NULL, &err) != 0) {
        fprintf(stderr, "usage: query_bench DIR [SERIES] [QUERY]  %s\n", err.text);
        return 2;
    }
    load(tsdb, series);
    read_all(tsdb);
    const char *query = argc > 3 ? argv[3] : "sum by (job) (rate(m[5m]))";
    for (unsigned threads = 1; threads <= pool_processors(); threads++) {
        struct pool *pool = pool_new(threads);
        printf("%u threads\n", threads);
        ask(tsdb, query, pool);
        pool_free(&pool);
    }
    age(tsdb);
    read_all(tsdb);
    ask(tsdb, query, NULL);
    tsdb_close(&tsdb);
    return 0;
}
