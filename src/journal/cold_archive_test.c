/*
 * Putting back from the archive: the very bytes come back, any changed byte of a copy is refused, and a power
 * cut or a failure at any call leaves one of the two files, whole.
 */
#include "journal/cold_archive.h"
#include "journal/cold_make.h"
#include "journal/journal_kit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { BATCHES = 12, SEGMENT_BYTES = 4096 };

struct world {
    struct sim_fs *sim;
    const struct fs *fs;
    struct sim_clk clk;
    struct sim_rng rng;
    struct buf whole, left; /* the cold file, before and after the drop */
};

static void read_file(const struct world *w, const char *dir, struct buf *ret)
{
    char path[SEGMENT_PATH_MAX];
    struct err err;
    assert_true(cold_path(dir, 1, path));
    buf_init(ret, 1 << 20);
    if (fs_read_file(w->fs, path, ret, &err) != 0)
        fail_msg("%s", err.text);
}

static void write_journal(struct world *w)
{
    struct journal *journal;
    struct err err;
    struct journal_options o = {.fs = w->fs,
                                .clk = &w->clk.clk,
                                .rng = &w->rng.rng,
                                .dir = "/d",
                                .segment_bytes = SEGMENT_BYTES,
                                .inline_commit = true};
    if (journal_open(&o, &journal, NULL, &err) != 0)
        fail_msg("%s", err.text);
    for (unsigned i = 0; i < BATCHES; i++) {
        struct kit_batch k;
        kit_make(&k, i, 3, 200);
        assert_int_equal(journal_append_wait(journal, &k.batch, NULL, &err), 0);
        buf_free(&k.blocks);
    }
    journal_close(&journal);
}

static bool not_debug(void *context, uint64_t position, struct sv block)
{
    struct event e;
    (void)context;
    (void)position;
    return record_decode_envelope(block, &e, NULL) == 0 && e.class != CLASS_DEBUG;
}

static void put_copy(struct world *w, struct sv bytes)
{
    char path[SEGMENT_PATH_MAX];
    struct err err;
    assert_true(cold_path("/a", 1, path));
    assert_int_equal(fs_make_dirs(w->fs, "/a/journal", &err), 0);
    if (fs_replace_file(w->fs, path, bytes, &err) != 0)
        fail_msg("%s", err.text);
}

/* A journal whose first segment is cold, with a copy in the archive, and a class dropped from it since. */
static void begin(struct world *w)
{
    struct err err;
    struct cold_header header;
    struct cold_drop drop = {.keep = not_debug};
    *w = (struct world){.sim = sim_fs_new(0)};
    w->fs = sim_fs_seam(w->sim);
    sim_clk_init(&w->clk, KIT_NOW);
    sim_rng_init(&w->rng, 7);
    write_journal(w);
    assert_int_equal(cold_make(w->fs, "/d", 1, (struct receive_time){KIT_NOW}, &err), 0);
    read_file(w, "/d", &w->whole);
    put_copy(w, buf_view(&w->whole));
    assert_int_equal(cold_drop_records(w->fs, "/d", 1, &drop, (struct receive_time){KIT_NOW}, &header, &err),
                     0);
    read_file(w, "/d", &w->left);
    assert_true(header.classes[CLASS_DEBUG].dropped > 0);
}

static void end(struct world *w)
{
    buf_free(&w->whole);
    buf_free(&w->left);
    sim_fs_free(&w->sim);
}

static bool is_file(const struct world *w, const struct buf *expected)
{
    struct buf now;
    read_file(w, "/d", &now);
    bool same = sv_eq(buf_view(&now), buf_view(expected));
    buf_free(&now);
    return same;
}

static void test_J_06_the_very_bytes_come_back(void **state)
{
    struct world w;
    struct err err;
    struct journal_verify_report report;
    (void)state;
    begin(&w);
    assert_int_equal(cold_archive_restore(w.fs, "/d", "/a", 1, &err), 0);
    assert_true(is_file(&w, &w.whole));
    assert_int_equal(journal_verify(w.fs, "/d", &report, &err), 0);
    assert_int_equal(report.dropped, 0);
    assert_int_equal(cold_archive_restore(w.fs, "/d", "/a", 1000, &err), TC_ENOTFOUND);
    end(&w);
}

static void test_J_06_any_changed_byte_is_refused(void **state)
{
    struct world w;
    struct err err;
    (void)state;
    begin(&w);
    for (size_t at = 0; at < w.whole.n; at++) {
        w.whole.p[at] = (char)(w.whole.p[at] ^ 0x10);
        put_copy(&w, buf_view(&w.whole));
        int rc = cold_archive_restore(w.fs, "/d", "/a", 1, &err);
        if (rc != TC_ECORRUPT && rc != TC_EUNSUPPORTED)
            fail_msg("a changed byte at %zu is put back", at);
        w.whole.p[at] = (char)(w.whole.p[at] ^ 0x10);
    }
    assert_true(is_file(&w, &w.left));
    end(&w);
}

/* False: it came to its end before the n-th call. */
static bool run_with_fault(enum kit_fault fault, uint64_t n, enum sim_fs_mode mode)
{
    struct world w;
    struct err err;
    begin(&w);
    uint64_t before = sim_fs_calls(w.sim);
    kit_fault_at(w.sim, fault, n);
    cold_archive_restore(w.fs, "/d", "/a", 1, &err);
    bool hit = sim_fs_calls(w.sim) - before >= n;
    kit_fault_end(w.sim, fault, n, mode, hit);
    assert_true(is_file(&w, &w.whole) || is_file(&w, &w.left));
    assert_int_equal(cold_archive_restore(w.fs, "/d", "/a", 1, &err), 0); /* the next time it goes through */
    assert_true(is_file(&w, &w.whole));
    end(&w);
    return hit;
}

static void test_J_06_a_fault_at_any_call_leaves_one_of_the_two(void **state)
{
    (void)state;
    kit_every_fault(run_with_fault, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_J_06_the_very_bytes_come_back),
        cmocka_unit_test(test_J_06_any_changed_byte_is_refused),
        cmocka_unit_test(test_J_06_a_fault_at_any_call_leaves_one_of_the_two),
    };
    return cmocka_run_group_tests_name("cold_archive", tests, NULL, NULL);
}
