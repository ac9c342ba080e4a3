/*
 * Blocks by themselves: what is packed, what is shared, and what is refused.
 */
#include "base/hash.h"
#include "base/rng.h"
#include "base/sim_fs.h"
#include "metrics/tsdb/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SERIES = 300, SAMPLES = 480 };
#define BEGIN INT64_C(1800000000000)

struct kit {
    struct sim_fs *sim;
    struct arena arena;
    struct chunk_columns columns;
    struct block_writer *writer;
    struct block_info info;
    struct block *block;
};

static int set_up(void **state)
{
    struct kit *k = tc_alloc(sizeof *k);
    k->sim = sim_fs_new(0);
    const struct fs *fs = sim_fs_seam(k->sim);
    assert_int_equal(fs->mkdir(fs, "/b"), 0);
    chunk_columns_init(&k->columns, &k->arena, 3 * SAMPLES);
    assert_int_equal(block_writer_new(fs, "/b", 1, BEGIN, BEGIN + 7200000, 1, 0, &k->writer, NULL), 0);
    *state = k;
    return 0;
}

static int tear_down(void **state)
{
    struct kit *k = *state;
    if (k->block != NULL)
        block_unpin(k->block);
    block_unref(&k->block);
    block_writer_abort(&k->writer);
    sim_fs_free(&k->sim);
    arena_free(&k->arena);
    free(k);
    return 0;
}

static void begin(struct kit *k, unsigned i)
{
    char text[16];
    snprintf(text, sizeof text, "%04u", i);
    const struct label labels[] = {{METRIC_NAME, SV("m")}, {SV("i"), sv_of(text)}};
    block_writer_series(k->writer, labels, 2);
    k->columns.n = 0;
}

static void add(struct kit *k, int64_t t, double f, int64_t start_t)
{
    struct chunk_columns *c = &k->columns;
    c->t[c->n] = t;
    c->f[c->n] = f;
    c->st[c->n] = start_t;
    c->h[c->n++] = NULL;
}

static void finish(struct kit *k)
{
    assert_int_equal(block_writer_finish(&k->writer, &k->info, NULL), 0);
    assert_int_equal(block_open(sim_fs_seam(k->sim), "/b", 1, &k->block, NULL), 0);
    assert_int_equal(block_pin(k->block, NULL), 0);
}

/* All samples of a series into the kit's columns; returns the number of its chunks. */
static uint32_t read_all(struct kit *k, uint32_t series)
{
    uint32_t n = block_chunk_count(k->block, series);
    k->columns.n = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct block_chunk chunk = block_chunk_at(k->block, series, i);
        struct sv bytes;
        size_t from = k->columns.n;
        assert_int_equal(block_read_chunk(k->block, &chunk, &k->arena, &bytes, NULL), 0);
        assert_int_equal(chunk_decode(bytes, &k->arena, &k->columns, NULL), 0);
        assert_int_equal(k->columns.n - from, chunk.count);
        assert_int_equal(k->columns.t[from], chunk.min_t);
        assert_int_equal(k->columns.t[k->columns.n - 1], chunk.max_t);
    }
    return n;
}

static int64_t time_of(struct sim_rng *rng, unsigned i)
{
    return BEGIN + 15000 * (int64_t)i + (int64_t)(rng_u64(&rng->rng) % 10);
}

static void test_series_of_one_target_share_their_times(void **state)
{
    struct kit *k = *state;
    struct sim_rng rng;
    int64_t t[SAMPLES];
    sim_rng_init(&rng, 1);
    for (unsigned i = 0; i < SAMPLES; i++)
        t[i] = time_of(&rng, i);
    for (unsigned s = 0; s < SERIES; s++) {
        begin(k, s);
        for (unsigned i = 0; i < SAMPLES; i++)
            add(k, t[i], (double)(s + i * (s % 7)) / 4, 0);
        block_writer_samples(k->writer, &k->columns);
    }
    finish(k);
    assert_int_equal(k->info.samples, SERIES * SAMPLES);
    /* times once, and of each series where it begins and how it rises */
    assert_true(k->info.bytes < 300 + 1000 + SERIES * 24);
    for (unsigned s = 0; s < SERIES; s++) {
        assert_int_equal(read_all(k, s), 1);
        assert_int_equal(k->columns.n, SAMPLES);
        for (unsigned i = 0; i < SAMPLES; i++) {
            assert_int_equal(k->columns.t[i], t[i]);
            assert_true(k->columns.f[i] == (double)(s + i * (s % 7)) / 4);
        }
    }
}

static void test_chunks_that_come_are_packed_together(void **state)
{
    struct kit *k = *state;
    struct chunk_writer w = {0};
    unsigned mode;
    begin(k, 1);
    for (unsigned i = 0, from = 0; i <= SAMPLES; i++) {
        int64_t t = BEGIN + 15000 * (int64_t)i;
        if (i < SAMPLES && w.p != NULL && chunk_float_add(&w, t, i * 2, 0, &mode))
            continue;
        if (w.p != NULL) {
            struct sv bytes = chunk_take(&w);
            block_writer_chunk(k->writer, BEGIN + 15000 * (int64_t)from, t - 15000, i - from, bytes);
            free((char *)(uintptr_t)bytes.p);
        }
        from = i;
        if (i < SAMPLES)
            chunk_float_begin(&w, 0, t, i * 2, 0);
    }
    finish(k);
    assert_int_equal(read_all(k, 0), 1);
    assert_int_equal(k->columns.n, SAMPLES);
    assert_true(k->columns.f[SAMPLES - 1] == (SAMPLES - 1) * 2);
}

/* Staleness markers, numbers that are no decimals, start times: as exact as everything. */
static void test_what_does_not_pack_is_kept_beside(void **state)
{
    struct kit *k = *state;
    double f[] = {1, 2.5, 3, stale_nan(), 7, 1.0 / 3, 1e300, -0.0, 5, INFINITY, 6};
    begin(k, 1);
    for (unsigned i = 0; i < TC_ARRAY_LEN(f); i++)
        add(k, BEGIN + i * 1000, f[i], 0);
    block_writer_samples(k->writer, &k->columns);
    k->columns.n = 0;
    for (unsigned i = 0; i < 5; i++)
        add(k, BEGIN + 20000 + i * 1000, i, BEGIN + 19000);
    block_writer_samples(k->writer, &k->columns);
    finish(k);
    (void)read_all(k, 0);
    assert_int_equal(k->columns.n, TC_ARRAY_LEN(f) + 5);
    assert_memory_equal(k->columns.f, f, sizeof f);
    for (unsigned i = 0; i < TC_ARRAY_LEN(f); i++)
        assert_int_equal(k->columns.t[i], BEGIN + i * 1000);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(k->columns.st[TC_ARRAY_LEN(f) + i], BEGIN + 19000);
}

static void test_labels_are_found_by_their_postings(void **state)
{
    struct kit *k = *state;
    for (unsigned s = 0; s < SERIES; s++) {
        begin(k, s);
        add(k, BEGIN, s, 0);
        block_writer_samples(k->writer, &k->columns);
    }
    finish(k);
    struct index_view view = block_view(k->block);
    uint32_t name, value;
    assert_true(view.symbol(view.context, SV("i"), &name));
    assert_true(view.symbol(view.context, SV("0123"), &value));
    struct posting_list list = view.posting(view.context, name, value);
    assert_int_equal(list.n, 1);
    (void)read_all(k, list.ids[0]);
    assert_true(k->columns.f[0] == 123);
    assert_true(view.symbol(view.context, METRIC_NAME, &name));
    assert_true(view.symbol(view.context, SV("m"), &value));
    assert_int_equal(view.posting(view.context, name, value).n, SERIES);
}

static void test_another_version_is_refused_by_name(void **state)
{
    struct kit *k = *state;
    const struct fs *fs = sim_fs_seam(k->sim);
    struct err err = {0};
    struct block *block;
    char head[BLOCK_HEADER_BYTES];
    begin(k, 1);
    add(k, BEGIN, 1, 0);
    block_writer_samples(k->writer, &k->columns);
    finish(k);
    int file = fs->open(fs, "/b/00000001.block", FS_READ | FS_WRITE);
    assert_int_equal(fs->read_at(fs, file, head, sizeof head, 0), sizeof head);
    store_u32(head + 4, 1);
    store_u64(head + 56, hash_64(sv_make(head, 56)));
    assert_int_equal(fs_write_all(fs, file, head, sizeof head, 0), 0);
    fs->close(fs, file);
    assert_int_equal(block_open(fs, "/b", 1, &block, &err), TC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "format version 1, and this program knows 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_series_of_one_target_share_their_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chunks_that_come_are_packed_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_does_not_pack_is_kept_beside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_labels_are_found_by_their_postings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_version_is_refused_by_name, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
