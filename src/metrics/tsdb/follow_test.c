/*
 * Following series: what is told, what is not, and what happens when nobody listens.
 */
#include "metrics/tsdb/follow.h"
#include "metrics/tsdb/tsdb_kit.h"

struct fixture {
    struct sim_fs *sim;
    struct tsdb *tsdb;
    struct series_feed feed;
    struct arena arena;
    const struct labels *found[8];
    uint32_t numbers[8];
    size_t count;
};

static void fixture_init(struct fixture *f, int64_t out_of_order_ms)
{
    struct tsdb_options options = {.fs = NULL,
                                   .rng = &rng_system,
                                   .dir = "/m",
                                   .out_of_order_ms = out_of_order_ms,
                                   .block_ms = KIT_HOUR};
    *f = (struct fixture){.sim = sim_fs_new(0)};
    options.fs = sim_fs_seam(f->sim);
    assert_int_equal(tsdb_open(&options, &f->tsdb, NULL, NULL), 0);
    f->feed = tsdb_feed(f->tsdb);
}

static void fixture_free(struct fixture *f)
{
    tsdb_close(&f->tsdb);
    sim_fs_free(&f->sim);
    arena_free(&f->arena);
}

static void note(void *to, uint32_t series, const struct labels *labels)
{
    struct fixture *f = to;
    f->found[f->count] = labels;
    f->numbers[f->count++] = series;
}

static size_t take(struct fixture *f, const struct fed_sample **ret)
{
    size_t n;
    assert_true(f->feed.take(f->feed.context, ret, &n));
    return n;
}

static void test_what_is_told(void **state)
{
    struct fixture f;
    const struct fed_sample *samples;
    (void)state;
    fixture_init(&f, 600000);
    assert_int_equal(kit_append(f.tsdb, "a", 1000000, 1, NULL), TSDB_OK);
    assert_int_equal(kit_append(f.tsdb, "b", 1000000, 1, NULL), TSDB_OK);
    f.feed.each_new(f.feed.context, 0, &f.arena, note, &f);
    assert_int_equal(f.count, 2);
    assert_true(sv_is(labels_name(f.found[1]), "b"));
    assert_int_equal(f.feed.follow(f.feed.context, f.found[1]), f.numbers[1]);
    assert_int_equal(take(&f, &samples), 0);
    assert_int_equal(kit_append(f.tsdb, "a", 1001000, 2, NULL), TSDB_OK);
    assert_int_equal(kit_append(f.tsdb, "b", 1001000, 3, NULL), TSDB_OK);
    assert_int_equal(kit_append(f.tsdb, "b", 1001000, 3, NULL), TSDB_OK); /* nothing new */
    assert_int_equal(kit_append(f.tsdb, "b", 1001000, 4, NULL), TSDB_DUPLICATE);
    assert_int_equal(kit_append(f.tsdb, "b", 1000500, 5, NULL), TSDB_OK); /* late */
    assert_int_equal(tsdb_stats(f.tsdb).follow_notes, 2);
    assert_int_equal(take(&f, &samples), 2);
    assert_int_equal(samples[0].t, 1001000);
    assert_true(samples[0].series == f.numbers[1] && samples[0].v == 3 && !samples[0].histogram &&
                !samples[0].started);
    assert_int_equal(samples[1].t, 1000500);
    assert_int_equal(take(&f, &samples), 0);
    f.feed.unfollow(f.feed.context, f.numbers[1]);
    assert_int_equal(kit_append(f.tsdb, "b", 1002000, 6, NULL), TSDB_OK);
    assert_int_equal(take(&f, &samples), 0);
    fixture_free(&f);
}

/* A deletion changes what was read before; and a late sample may be hidden by it. */
static void test_deletions(void **state)
{
    struct fixture f;
    const struct fed_sample *samples;
    struct matcher m;
    int acknowledged = -100;
    uint64_t deleted;
    (void)state;
    fixture_init(&f, 600000);
    for (int64_t t = 1000000; t <= 1010000; t += 1000)
        assert_int_equal(kit_append(f.tsdb, "a", t, 1, NULL), TSDB_OK);
    f.feed.each_new(f.feed.context, 0, &f.arena, note, &f);
    assert_int_equal(f.feed.follow(f.feed.context, f.found[0]), f.numbers[0]);
    assert_int_equal(kit_append(f.tsdb, "a", 1000100, 2, NULL), TSDB_OK); /* late, and nothing is deleted */
    assert_int_equal(take(&f, &samples), 1);
    uint64_t history = f.feed.state(f.feed.context, 0, INT64_MAX).history;
    assert_int_equal(matcher_init(&m, MATCH_EQUAL, METRIC_NAME, SV("a"), NULL), 0);
    assert_int_equal(tsdb_delete(f.tsdb, &(struct tsdb_selector){&m, 1}, 1, 1000000, 1005000, &deleted,
                                 kit_acknowledge, &acknowledged, NULL),
                     0);
    assert_int_equal(acknowledged, 0);
    matcher_free(&m);
    assert_true(f.feed.state(f.feed.context, 0, INT64_MAX).history != history);
    assert_int_equal(kit_append(f.tsdb, "a", 1011000, 3, NULL), TSDB_OK);
    assert_int_equal(take(&f, &samples), 1);
    assert_int_equal(kit_append(f.tsdb, "a", 1002500, 4, NULL), TSDB_OK);
    assert_int_equal(take(&f, &samples), 0); /* the store hides it */
    assert_int_equal(kit_append(f.tsdb, "a", 1005500, 4, NULL), TSDB_OK);
    assert_int_equal(take(&f, &samples), 1);
    fixture_free(&f);
}

/* While a query that is older than the erasing holds on to tombstones: what comes into a deleted time is
 * hidden as long as they are there, of a series that was made again, too, and seen when they go. */
static void test_what_comes_into_a_deleted_time(void **state)
{
    struct fixture f;
    const struct fed_sample *samples;
    const int64_t end = 4 * KIT_HOUR;
    uint64_t deleted;
    bool more;
    (void)state;
    fixture_init(&f, 600000);
    for (int64_t t = KIT_HOUR / 4; t <= end; t += KIT_HOUR / 4)
        assert_int_equal(kit_append(f.tsdb, "a", t, 1, NULL), TSDB_OK);
    assert_int_equal(tsdb_maintain(f.tsdb, NULL), 0);
    struct tsdb_querier *old = tsdb_querier_open(f.tsdb);
    assert_int_equal(kit_delete(f.tsdb, "a", 0, end, &deleted, NULL), 0);
    assert_int_equal(deleted, 1);
    assert_int_equal(tsdb_clean(f.tsdb, &more, NULL), 0);
    assert_true(more);
    assert_int_equal(kit_append(f.tsdb, "a", end - 2000, 2, NULL), TSDB_OK);
    f.feed.each_new(f.feed.context, 0, &f.arena, note, &f);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.feed.follow(f.feed.context, f.found[0]), f.numbers[0]);
    assert_int_equal(kit_append(f.tsdb, "a", end - 1000, 3, NULL), TSDB_OK); /* the store hides it */
    assert_int_equal(take(&f, &samples), 0);
    uint64_t history = f.feed.state(f.feed.context, 0, INT64_MAX).history;
    tsdb_querier_close(&old);
    assert_int_equal(tsdb_clean(f.tsdb, &more, NULL), 0);
    assert_false(more);
    struct kit_samples seen;
    assert_int_equal(kit_read(f.tsdb, MATCH_EQUAL, "a", 0, INT64_MAX, &seen, NULL), 0);
    assert_int_equal(seen.n, 2);
    kit_samples_free(&seen);
    assert_true(f.feed.state(f.feed.context, 0, INT64_MAX).history > history);
    fixture_free(&f);
}

static void test_kinds(void **state)
{
    struct fixture f;
    struct tsdb_appender a;
    const struct fed_sample *samples;
    struct histogram h = {.count = 1, .sum = 7, .zero_count = 1};
    (void)state;
    fixture_init(&f, 0);
    assert_int_equal(kit_append(f.tsdb, "a", 1000000, 1, NULL), TSDB_OK);
    f.feed.each_new(f.feed.context, 0, &f.arena, note, &f);
    assert_int_equal(f.feed.follow(f.feed.context, f.found[0]), f.numbers[0]);
    assert_int_equal(tsdb_begin(f.tsdb, 0, INT64_MAX, &a, NULL), 0);
    assert_int_equal(tsdb_float(&a, f.numbers[0], 1001000, 2, 1000500), TSDB_OK);
    assert_int_equal(tsdb_histogram(&a, f.numbers[0], 1002000, &h, 0), TSDB_OK);
    tsdb_commit(&a, NULL, NULL);
    assert_int_equal(take(&f, &samples), 2);
    assert_true(samples[0].started && !samples[0].histogram);
    assert_true(samples[1].histogram && !samples[1].started && samples[1].v == 7);
    fixture_free(&f);
}

/* New series, and what a range touches, show in the state. */
static void test_state(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f, 0);
    struct feed_state empty = f.feed.state(f.feed.context, 0, KIT_HOUR);
    assert_int_equal(kit_append(f.tsdb, "a", 1000, 1, NULL), TSDB_OK);
    struct feed_state one = f.feed.state(f.feed.context, 0, KIT_HOUR);
    assert_true(one.next_series > empty.next_series && one.parts != empty.parts);
    for (int64_t t = 1; t < 20; t++)
        assert_int_equal(kit_append(f.tsdb, "b", t * KIT_HOUR / 4, 1, NULL), TSDB_OK);
    struct feed_state before = f.feed.state(f.feed.context, 0, KIT_HOUR);
    assert_int_equal(tsdb_maintain(f.tsdb, NULL), 0);
    struct feed_state after = f.feed.state(f.feed.context, 0, KIT_HOUR);
    assert_true(after.history > before.history);
    assert_true(after.parts != f.feed.state(f.feed.context, 4 * KIT_HOUR, 5 * KIT_HOUR).parts);
    f.feed.each_new(f.feed.context, 0, &f.arena, note, &f);
    assert_int_equal(f.count, 1); /* "a" has gone into a block */
    assert_true(sv_is(labels_name(f.found[0]), "b"));
    fixture_free(&f);
}

static void test_nobody_listens(void **state)
{
    struct fixture f;
    struct tsdb_appender a;
    const struct fed_sample *samples;
    size_t n;
    (void)state;
    fixture_init(&f, 0);
    assert_int_equal(kit_append(f.tsdb, "a", 0, 1, NULL), TSDB_OK);
    f.feed.each_new(f.feed.context, 0, &f.arena, note, &f);
    assert_int_equal(f.feed.follow(f.feed.context, f.found[0]), f.numbers[0]);
    assert_int_equal(tsdb_begin(f.tsdb, 0, INT64_MAX, &a, NULL), 0);
    for (int64_t i = 1; i <= TSDB_FOLLOW_MAX + 1; i++)
        assert_int_equal(tsdb_float(&a, f.numbers[0], i, 1, 0), TSDB_OK);
    tsdb_commit(&a, NULL, NULL);
    assert_false(f.feed.take(f.feed.context, &samples, &n));
    assert_int_equal(n, 0);
    assert_int_equal(kit_append(f.tsdb, "a", TSDB_FOLLOW_MAX + 2, 2, NULL), TSDB_OK);
    assert_int_equal(take(&f, &samples), 1); /* from now on all is told again */
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_told),
                                       cmocka_unit_test(test_deletions),
                                       cmocka_unit_test(test_what_comes_into_a_deleted_time),
                                       cmocka_unit_test(test_kinds),
                                       cmocka_unit_test(test_state),
                                       cmocka_unit_test(test_nobody_listens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
