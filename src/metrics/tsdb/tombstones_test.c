/*
 * Deletion: what is deleted is seen by nobody, from memory, from blocks, after a restart; what comes later is
 * seen; cleaning takes it off the disk. tombstones_crash_test.c has disks that fail.
 */
#include "metrics/tsdb/tombstones.h"
#include "metrics/tsdb/tsdb_kit.h"
#include "metrics/tsdb/tsdb_priv.h"

enum { STEP_MS = 60000 };

struct fixture {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct tsdb_options options;
    struct tsdb *tsdb;
};

static void fixture_open(struct fixture *f)
{
    struct err err = {0};
    f->options.fs = sim_fs_seam(f->sim);
    f->options.rng = &f->rng.rng;
    f->options.dir = "/data/metrics";
    if (tsdb_open(&f->options, &f->tsdb, NULL, &err) != 0)
        fail_msg("%s", err.text);
}

static void fixture_init(struct fixture *f)
{
    f->sim = sim_fs_new(0);
    sim_rng_init(&f->rng, 1);
    fixture_open(f);
}

static void fixture_free(struct fixture *f)
{
    tsdb_close(&f->tsdb);
    sim_fs_free(&f->sim);
}

static void reopen(struct fixture *f)
{
    tsdb_close(&f->tsdb);
    fixture_open(f);
}

static void maintain(struct fixture *f)
{
    struct err err = {0};
    if (tsdb_maintain(f->tsdb, &err) != 0)
        fail_msg("%s", err.text);
}

static void add(struct fixture *f, const char *name, int64_t from, int64_t to)
{
    for (int64_t t = from; t <= to; t += STEP_MS)
        assert_int_equal(kit_append(f->tsdb, name, t, (double)(t / STEP_MS), NULL), TSDB_OK);
}

static void delete_good(struct fixture *f, const char *pattern, int64_t min_t, int64_t max_t, uint64_t series)
{
    struct err err = {0};
    uint64_t deleted = 0;
    if (kit_delete(f->tsdb, pattern, min_t, max_t, &deleted, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(deleted, series);
}

/* Of a series, the samples of [from, to] but those of [gap, gap_end] are there. */
static void expect(struct fixture *f, const char *name, int64_t from, int64_t to, int64_t gap,
                   int64_t gap_end)
{
    struct kit_samples s;
    struct err err = {0};
    size_t at = 0;
    if (kit_read(f->tsdb, MATCH_EQUAL, name, INT64_MIN / 2, INT64_MAX / 2, &s, &err) != 0)
        fail_msg("%s", err.text);
    for (int64_t t = from; t <= to; t += STEP_MS) {
        if (t >= gap && t <= gap_end)
            continue;
        assert_true(at < s.n);
        assert_int_equal(s.t[at], t);
        assert_true(s.f[at++] == (double)(t / STEP_MS));
    }
    assert_int_equal(at, s.n);
    kit_samples_free(&s);
}

static void clean(struct fixture *f)
{
    struct err err = {0};
    bool more = true;
    if (tsdb_clean(f->tsdb, &more, &err) != 0)
        fail_msg("%s", err.text);
    assert_false(more);
    assert_int_equal(tsdb_stats(f->tsdb).tombstones, 0);
}

/* Whether a file of the store has these bytes. */
struct searching {
    struct fixture *f;
    const char *dir;
    struct sv text;
    bool found;
};

static void search_file(void *context, const char *name)
{
    struct searching *s = context;
    struct buf bytes;
    char path[256];
    buf_init(&bytes, 64 << 20);
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    assert_int_equal(fs_read_file(s->f->options.fs, path, &bytes, NULL), 0);
    s->found = s->found || sv_find(buf_view(&bytes), s->text) < bytes.n;
    buf_free(&bytes);
}

static bool on_disk(struct fixture *f, const char *text)
{
    static const char *const dirs[] = {"/data/metrics/wal", "/data/metrics/blocks"};
    struct searching s = {.f = f, .text = sv_of(text)};
    for (size_t i = 0; i < TC_ARRAY_LEN(dirs); i++) {
        s.dir = dirs[i];
        f->options.fs->list(f->options.fs, s.dir, search_file, &s);
    }
    return s.found;
}

static void test_head(void **state)
{
    (void)state;
    struct fixture f = {0};
    int64_t t = 1000 * KIT_HOUR, end = t + KIT_HOUR / 2;
    fixture_init(&f);
    add(&f, "a", t, end);
    add(&f, "b", t, end);
    delete_good(&f, "a", t + 5 * STEP_MS, t + 9 * STEP_MS, 1);
    expect(&f, "a", t, end, t + 5 * STEP_MS, t + 9 * STEP_MS);
    expect(&f, "b", t, end, 1, 0);
    delete_good(&f, "nothing", INT64_MIN / 4, INT64_MAX / 4, 0);
    delete_good(&f, "a", end + 1, INT64_MAX / 4, 0); /* it has no samples there */
    reopen(&f);
    expect(&f, "a", t, end, t + 5 * STEP_MS, t + 9 * STEP_MS);
    assert_int_equal(tsdb_stats(f.tsdb).tombstones, 1);
    clean(&f);
    expect(&f, "a", t, end, t + 5 * STEP_MS, t + 9 * STEP_MS);
    reopen(&f);
    expect(&f, "a", t, end, t + 5 * STEP_MS, t + 9 * STEP_MS);
    fixture_free(&f);
}

/* As Prometheus clamps a deletion to what the series has: what is sent afterwards is seen. */
static void test_later_samples(void **state)
{
    (void)state;
    struct fixture f = {.options.out_of_order_ms = KIT_HOUR};
    int64_t t = 1000 * KIT_HOUR;
    fixture_init(&f);
    add(&f, "a", t, t + 20 * STEP_MS);
    delete_good(&f, "a", INT64_MIN / 4, t + KIT_HOUR, 1);
    expect(&f, "a", 1, 0, 1, 0);
    /* the same again is nothing new, another value is refused */
    assert_int_equal(kit_append(f.tsdb, "a", t + 20 * STEP_MS, (double)((t + 20 * STEP_MS) / STEP_MS), NULL),
                     TSDB_OK);
    assert_int_equal(kit_append(f.tsdb, "a", t + 20 * STEP_MS, 1, NULL), TSDB_DUPLICATE);
    expect(&f, "a", 1, 0, 1, 0);
    add(&f, "a", t + 21 * STEP_MS, t + 30 * STEP_MS); /* within the hour that was asked */
    expect(&f, "a", t + 21 * STEP_MS, t + 30 * STEP_MS, 1, 0);
    /* out of order into what is deleted: hidden with it */
    assert_int_equal(kit_append(f.tsdb, "a", t + 5 * STEP_MS + 1, 7, NULL), TSDB_OK);
    expect(&f, "a", t + 21 * STEP_MS, t + 30 * STEP_MS, 1, 0);
    reopen(&f);
    expect(&f, "a", t + 21 * STEP_MS, t + 30 * STEP_MS, 1, 0);
    fixture_free(&f);
}

static void test_blocks(void **state)
{
    (void)state;
    struct fixture f = {0};
    int64_t t = 1200 * KIT_HOUR, end = t + 13 * KIT_HOUR, gap = t + KIT_HOUR, gap_end = t + 9 * KIT_HOUR;
    fixture_init(&f);
    for (int64_t at = t; at <= end; at += STEP_MS) {
        add(&f, "a", at, at);
        add(&f, "b", at, at);
        if (at % KIT_HOUR == 0)
            maintain(&f);
    }
    uint64_t blocks = tsdb_stats(f.tsdb).blocks;
    assert_true(blocks >= 2);
    delete_good(&f, "a", gap, gap_end, 1);
    expect(&f, "a", t, end, gap, gap_end);
    expect(&f, "b", t, end, 1, 0);
    reopen(&f);
    expect(&f, "a", t, end, gap, gap_end);
    uint64_t before = tsdb_stats(f.tsdb).compactions;
    clean(&f);
    assert_true(tsdb_stats(f.tsdb).compactions > before);
    assert_int_equal(tsdb_stats(f.tsdb).blocks, blocks);
    expect(&f, "a", t, end, gap, gap_end);
    reopen(&f);
    assert_int_equal(tsdb_stats(f.tsdb).tombstones, 0);
    expect(&f, "a", t, end, gap, gap_end);
    expect(&f, "b", t, end, 1, 0);
    /* and all of it goes on: cutting, joining */
    for (int64_t at = end + STEP_MS; at <= end + 12 * KIT_HOUR; at += STEP_MS) {
        add(&f, "a", at, at);
        if (at % KIT_HOUR == 0)
            maintain(&f);
    }
    expect(&f, "a", t, end + 12 * KIT_HOUR, gap, gap_end);
    fixture_free(&f);
}

/* A block is cut, joined and thinned while something is deleted that nobody cleans. */
static void test_carried(void **state)
{
    (void)state;
    struct fixture f = {.options.retention_ms = 10 * KIT_HOUR, .options.trend_retention_ms = 1000 * KIT_HOUR};
    int64_t t = 1200 * KIT_HOUR, gap_end = t + KIT_HOUR;
    fixture_init(&f);
    add(&f, "a", t, t + KIT_HOUR);
    delete_good(&f, "a", t, gap_end, 1);
    for (int64_t at = t + KIT_HOUR + STEP_MS; at <= t + 30 * KIT_HOUR; at += STEP_MS) {
        add(&f, "a", at, at);
        if (at % KIT_HOUR == 0)
            maintain(&f);
    }
    struct tsdb_stats stats = tsdb_stats(f.tsdb);
    assert_true(stats.blocks_thinned > 0);
    assert_int_equal(stats.tombstones, 0); /* it left the disk with the first block */
    struct kit_samples s;
    assert_int_equal(kit_read(f.tsdb, MATCH_EQUAL, "a", INT64_MIN / 2, INT64_MAX / 2, &s, NULL), 0);
    assert_true(s.n > 0 && s.t[0] > gap_end);
    kit_samples_free(&s);
    fixture_free(&f);
}

/* What turned out personal is in no file any more. */
static void test_erased_from_disk(void **state)
{
    (void)state;
    struct fixture f = {0};
    int64_t t = 1200 * KIT_HOUR, end = t + 5 * KIT_HOUR;
    fixture_init(&f);
    for (int64_t at = t; at <= end; at += STEP_MS) {
        add(&f, "metric_of_anna", at, at);
        add(&f, "other", at, at);
        if (at % KIT_HOUR == 0)
            maintain(&f);
    }
    assert_true(on_disk(&f, "metric_of_anna"));
    delete_good(&f, "metric_of_anna", INT64_MIN / 4, INT64_MAX / 4, 1);
    clean(&f);
    assert_false(on_disk(&f, "metric_of_anna"));
    struct tsdb_querier *q = tsdb_querier_open(f.tsdb);
    struct arena arena = {0};
    struct sv *values;
    size_t n;
    assert_int_equal(
        tsdb_label_values(q, METRIC_NAME, NULL, 0, INT64_MIN / 4, INT64_MAX / 4, &arena, &values, &n, NULL),
        0);
    assert_int_equal(n, 1);
    arena_free(&arena);
    tsdb_querier_close(&q);
    expect(&f, "other", t, end, 1, 0);
    fixture_free(&f);
}

/* A query that began before keeps its blocks, and the tombstones with them. */
static void test_query_under_way(void **state)
{
    (void)state;
    struct fixture f = {0};
    int64_t t = 1200 * KIT_HOUR;
    struct err err = {0};
    bool more = false;
    fixture_init(&f);
    for (int64_t at = t; at <= t + 5 * KIT_HOUR; at += STEP_MS) {
        add(&f, "a", at, at);
        if (at % KIT_HOUR == 0)
            maintain(&f);
    }
    delete_good(&f, "a", t, t + KIT_HOUR, 1);
    struct tsdb_querier *q = tsdb_querier_open(f.tsdb);
    assert_int_equal(tsdb_clean(f.tsdb, &more, &err), 0);
    assert_true(more);
    struct arena arena = {0};
    struct matcher m;
    struct source_series *series;
    struct series_samples got;
    size_t n;
    struct series_source source = tsdb_querier_source(q);
    assert_int_equal(matcher_init(&m, MATCH_EQUAL, METRIC_NAME, SV("a"), &err), 0);
    assert_int_equal(source.select(source.context, &m, 1, t, t + 2 * KIT_HOUR, &arena, &series, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(source.read(source.context, series[0].ref, t, t + 2 * KIT_HOUR, &arena, &got, &err), 0);
    assert_true(got.n > 0 && got.t[0] > t + KIT_HOUR);
    arena_free(&arena);
    tsdb_querier_close(&q);
    clean(&f);
    expect(&f, "a", t, t + 5 * KIT_HOUR, t, t + KIT_HOUR);
    fixture_free(&f);
}

static void test_exemplars(void **state)
{
    (void)state;
    struct fixture f = {0};
    int64_t t = 1000 * KIT_HOUR;
    fixture_init(&f);
    add(&f, "a", t, t + 10 * STEP_MS);
    struct tsdb_appender a;
    struct label labels[] = {{METRIC_NAME, SV("a")}, {SV("instance"), SV("i")}};
    uint32_t series;
    assert_int_equal(tsdb_begin(f.tsdb, 0, INT64_MAX, &a, NULL), 0);
    assert_int_equal(tsdb_series(&a, labels, 2, &series), TSDB_OK);
    for (int i = 0; i < 10; i++) {
        struct label trace[] = {{SV("trace_id"), SV("x")}};
        assert_int_equal(tsdb_exemplar(&a, series, trace, 1, t + i * STEP_MS, i), TSDB_OK);
    }
    tsdb_commit(&a, NULL, NULL);
    delete_good(&f, "a", t, t + 3 * STEP_MS, 1);
    assert_int_equal(tsdb_stats(f.tsdb).exemplars, 6);
    reopen(&f);
    assert_int_equal(tsdb_stats(f.tsdb).exemplars, 6);
    fixture_free(&f);
}

static void test_copy(void **state)
{
    (void)state;
    struct fixture f = {0};
    int64_t t = 1200 * KIT_HOUR, end = t + 5 * KIT_HOUR;
    struct err err = {0};
    char root[64] = "/tmp/tocsin-copy-XXXXXX", dir[80];
    assert_non_null(mkdtemp(root));
    snprintf(dir, sizeof dir, "%s/store", root);
    sim_rng_init(&f.rng, 1);
    f.options = (struct tsdb_options){.fs = &fs_system, .rng = &f.rng.rng, .dir = dir};
    assert_int_equal(tsdb_open(&f.options, &f.tsdb, NULL, &err), 0);
    for (int64_t at = t; at <= end; at += STEP_MS) {
        add(&f, "a", at, at);
        if (at % KIT_HOUR == 0)
            maintain(&f);
    }
    delete_good(&f, "a", t, t + KIT_HOUR, 1);
    struct tsdb *whole = f.tsdb;
    for (int with_head = 0; with_head < 2; with_head++) {
        char to[80];
        snprintf(to, sizeof to, "%s/copy%d", root, with_head);
        if (tsdb_copy(whole, to, with_head, &err) != 0)
            fail_msg("%s", err.text);
        struct tsdb_options o = f.options;
        o.dir = to;
        assert_int_equal(tsdb_open(&o, &f.tsdb, NULL, &err), 0);
        struct kit_samples s;
        assert_int_equal(kit_read(f.tsdb, MATCH_EQUAL, "a", INT64_MIN / 2, INT64_MAX / 2, &s, &err), 0);
        assert_true(s.n > 0 && s.t[0] == t + KIT_HOUR + STEP_MS);
        assert_true(with_head ? s.t[s.n - 1] == end : s.t[s.n - 1] < end);
        kit_samples_free(&s);
        tsdb_close(&f.tsdb);
    }
    tsdb_close(&whole);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

static void test_bound(void **state)
{
    (void)state;
    struct tombstones t;
    struct chunk_columns c;
    struct arena arena = {0};
    struct label labels[] = {{METRIC_NAME, SV("a")}};
    tombstones_init(&t);
    static const struct stretch stretches[] = {{10, 20}, {40, 50}, {21, 22}, {60, 60}, {0, 9}, {23, 39}};
    for (size_t i = 0; i < TC_ARRAY_LEN(stretches); i++)
        tombstones_add(&t, labels, 1, stretches[i]);
    assert_int_equal(t.stretches, 2); /* 0-50, 60 */
    const struct tombstone *s = tombstones_find(&t, labels, 1, labels_items_hash(labels, 1));
    assert_true(tombstone_covers(s, 0, 50) && !tombstone_covers(s, 0, 51) && tombstone_overlaps(s, 51, 60));
    chunk_columns_init(&c, &arena, 100);
    for (int i = 0; i < 100; i++) {
        c.t[i] = i;
        c.f[i] = i;
        c.h[i] = NULL;
    }
    c.n = 100;
    tombstone_apply(s, &c);
    assert_int_equal(c.n, 48);
    assert_int_equal(c.t[0], 51);
    assert_int_equal(c.t[9], 61);
    arena_free(&arena);
    tombstones_free(&t);
}

/* A deletion that the next start could not read is refused. */
static void test_bound_of_bytes(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct err err = {0};
    int64_t t = 1000 * KIT_HOUR, end = t + KIT_HOUR / 2;
    uint64_t deleted;
    fixture_init(&f);
    add(&f, "a", t, end);
    delete_good(&f, "a", t, t + STEP_MS, 1);
    uint64_t bytes = tsdb_stats(f.tsdb).tombstone_bytes;
    assert_int_equal(bytes, 2 * sizeof(struct label) + strlen("__name__a") + strlen("instancei"));
    delete_good(&f, "a", t + 9 * STEP_MS, t + 10 * STEP_MS, 1);
    assert_int_equal(tsdb_stats(f.tsdb).tombstone_bytes, bytes); /* of the series once */
    f.tsdb->tombstones.bytes = TOMBSTONES_BYTES_MAX - bytes + 1;
    assert_int_equal(kit_delete(f.tsdb, "a", t, end, &deleted, &err), TC_EBOUND);
    f.tsdb->tombstones.bytes--;
    delete_good(&f, "a", t, end, 1);
    clean(&f);
    assert_int_equal(tsdb_stats(f.tsdb).tombstone_bytes, 0);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"what is deleted from memory stays deleted", test_head, NULL, NULL, NULL},
        {"what comes after a deletion is seen", test_later_samples, NULL, NULL, NULL},
        {"what is deleted from blocks stays deleted, and leaves them", test_blocks, NULL, NULL, NULL},
        {"cutting, joining and thinning leave out what is deleted", test_carried, NULL, NULL, NULL},
        {"cleaning leaves no byte of a series", test_erased_from_disk, NULL, NULL, NULL},
        {"a query under way sees nothing that was deleted", test_query_under_way, NULL, NULL, NULL},
        {"exemplars go with their series", test_exemplars, NULL, NULL, NULL},
        {"a copy is a store, without what was deleted", test_copy, NULL, NULL, NULL},
        {"stretches that touch are one", test_bound, NULL, NULL, NULL},
        {"labels of deleted series are bounded", test_bound_of_bytes, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
