/*
 * Many at once: appenders, queries, deletions and the maintainer, with the log's own thread. Every query sees
 * each series' samples without a gap up to the newest that it sees, and nothing that was deleted before it
 * began; whoever follows a series is told each of its samples once.
 */
#include "metrics/tsdb/follow.h"
#include "metrics/tsdb/tsdb_kit.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SAMPLES = 1500, STEP_MS = 10000 };

struct shared {
    struct tsdb *tsdb;
    atomic_int running;
    atomic_int acknowledged;
    atomic_llong deleted_to; /* no sample of "gone" up to here may be seen */
};

static void count(void *context, int rc)
{
    if (rc == 0)
        atomic_fetch_add((atomic_int *)context, 1);
}

static void *append_all(void *context)
{
    struct shared *shared = context;
    for (int i = 0; i < SAMPLES; i++) {
        struct tsdb_appender a;
        if (tsdb_begin(shared->tsdb, 0, INT64_MAX, &a, NULL) != 0)
            break;
        (void)kit_add(&a, "series0", "i", (int64_t)i * STEP_MS, i);
        (void)kit_add(&a, "gone", "i", (int64_t)i * STEP_MS, i);
        tsdb_commit(&a, count, &shared->acknowledged);
    }
    atomic_fetch_sub(&shared->running, 1);
    return NULL;
}

static void *query_all(void *context)
{
    struct shared *shared = context;
    while (atomic_load(&shared->running) > 0) {
        struct kit_samples s;
        struct err err = {0};
        if (kit_read(shared->tsdb, MATCH_EQUAL, "series0", 0, INT64_MAX / 2, &s, &err) != 0)
            fail_msg("%s", err.text);
        for (size_t i = 0; i < s.n; i++)
            assert_true(s.t[i] == (int64_t)i * STEP_MS && s.f[i] == (double)i);
        kit_samples_free(&s);
        int64_t deleted_to = atomic_load(&shared->deleted_to);
        if (kit_read(shared->tsdb, MATCH_EQUAL, "gone", 0, INT64_MAX / 2, &s, &err) != 0)
            fail_msg("%s", err.text);
        assert_true(s.n == 0 || s.t[0] > deleted_to);
        kit_samples_free(&s);
    }
    return NULL;
}

static void *delete_all(void *context)
{
    struct shared *shared = context;
    while (atomic_load(&shared->running) > 0) {
        int64_t to = tsdb_stats(shared->tsdb).max_t;
        struct matcher m;
        uint64_t series;
        struct err err = {0};
        assert_int_equal(matcher_init(&m, MATCH_EQUAL, METRIC_NAME, SV("gone"), &err), 0);
        if (to >= 0 && tsdb_delete(shared->tsdb, &(struct tsdb_selector){&m, 1}, 1, 0, to, &series, NULL,
                                   NULL, &err) == 0)
            atomic_store(&shared->deleted_to, to);
        matcher_free(&m);
    }
    return NULL;
}

struct found {
    uint32_t series;
    const struct labels *labels;
};

/* The series that stays. */
static void find(void *to, uint32_t series, const struct labels *labels)
{
    if (!sv_is(labels_name(labels), "gone"))
        *(struct found *)to = (struct found){series, labels};
}

/* From the first sample that it is told of on, all. */
static void *follow_all(void *context)
{
    struct shared *shared = context;
    struct series_feed feed = tsdb_feed(shared->tsdb);
    struct arena arena = {0};
    struct found found = {0};
    bool last = false;
    while (found.labels == NULL)
        feed.each_new(feed.context, 0, &arena, find, &found);
    assert_int_equal(feed.follow(feed.context, found.labels), found.series);
    for (double next = -1; !last;) {
        const struct fed_sample *samples;
        size_t n;
        last = atomic_load(&shared->running) == 0;
        assert_true(feed.take(feed.context, &samples, &n));
        for (size_t i = 0; i < n; i++) {
            assert_true(next < 0 || samples[i].v == next);
            next = samples[i].v + 1;
        }
        assert_true(!last || next < 0 || next == SAMPLES);
        (void)feed.state(feed.context, 0, INT64_MAX / 2);
    }
    arena_free(&arena);
    return NULL;
}

static void test_many_at_once(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    struct tsdb_options options = {.fs = sim_fs_seam(sim),
                                   .rng = &rng_system,
                                   .dir = "/m",
                                   .block_ms = 200 * STEP_MS,
                                   .retention_ms = -1,
                                   .background = true};
    struct shared shared = {.running = 1, .deleted_to = -1};
    assert_int_equal(tsdb_open(&options, &shared.tsdb, NULL, NULL), 0);
    pthread_t appender, other, reader, deleter, follower;
    bool more;
    pthread_create(&appender, NULL, append_all, &shared);
    pthread_create(&reader, NULL, query_all, &shared);
    pthread_create(&other, NULL, query_all, &shared);
    pthread_create(&deleter, NULL, delete_all, &shared);
    pthread_create(&follower, NULL, follow_all, &shared);
    while (atomic_load(&shared.running) > 0) {
        struct err err = {0};
        if (tsdb_maintain(shared.tsdb, &err) != 0)
            fail_msg("%s", err.text);
        if (tsdb_clean(shared.tsdb, &more, &err) != 0)
            fail_msg("%s", err.text);
        (void)tsdb_stats(shared.tsdb);
    }
    pthread_join(appender, NULL);
    pthread_join(reader, NULL);
    pthread_join(other, NULL);
    pthread_join(deleter, NULL);
    pthread_join(follower, NULL);
    assert_int_equal(tsdb_maintain(shared.tsdb, NULL), 0);
    assert_true(tsdb_stats(shared.tsdb).blocks >= 1);
    tsdb_close(&shared.tsdb);
    assert_int_equal(atomic_load(&shared.acknowledged), SAMPLES);
    sim_fs_free(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"appending, querying and cutting blocks at once", test_many_at_once, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
