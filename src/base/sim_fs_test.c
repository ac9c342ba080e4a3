/*
 * The simulated disk keeps its own promises: what is synced survives, what is not may not, by the seed.
 */
#include "base/sim_fs.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

static const int write_flags = FS_READ | FS_WRITE | FS_CREATE;

static int put(const struct fs *fs, const char *path, const char *text, bool sync)
{
    int file = fs->open(fs, path, write_flags);
    assert_true(file >= 0);
    assert_int_equal(fs_write_all(fs, file, text, strlen(text), 0), 0);
    if (sync)
        assert_int_equal(fs->sync(fs, file), 0);
    return file;
}

static bool holds(const struct fs *fs, const char *path, const char *text)
{
    struct buf got;
    buf_init(&got, 1 << 20);
    bool same = fs_read_file(fs, path, &got, NULL) == 0 && sv_is(buf_view(&got), text);
    buf_free(&got);
    return same;
}

static bool is_there(const struct fs *fs, const char *path)
{
    struct fs_stat st;
    return fs->stat(fs, path, &st) == 0;
}

static void test_only_what_is_synced_survives(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    const struct fs *fs = sim_fs_seam(sim);
    put(fs, "/whole", "abc", true);
    put(fs, "/no_bytes", "abc", false);
    assert_int_equal(fs->sync_dir(fs, "/"), 0);
    int file = put(fs, "/whole", "XYZ", false);
    put(fs, "/no_entry", "abc", true);
    assert_true(holds(fs, "/whole", "XYZ")); /* all is visible before the crash */
    assert_true(holds(fs, "/no_entry", "abc"));
    sim_fs_crash(sim, 1, SIM_FS_DROP);
    assert_true(holds(fs, "/whole", "abc"));
    assert_true(holds(fs, "/no_bytes", ""));
    assert_false(is_there(fs, "/no_entry"));
    assert_int_equal(fs->sync(fs, file), -EBADF); /* handles do not survive */
    sim_fs_free(&sim);
}

static void test_kill_keeps_what_is_visible(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    const struct fs *fs = sim_fs_seam(sim);
    put(fs, "/a", "abc", false);
    assert_true(fs->lock(fs, "/lock") >= 0);
    assert_int_equal(fs->lock(fs, "/lock"), -EAGAIN);
    sim_fs_kill(sim);
    assert_true(holds(fs, "/a", "abc"));
    assert_true(fs->lock(fs, "/lock") >= 0);
    sim_fs_crash(sim, 1, SIM_FS_DROP);
    assert_false(is_there(fs, "/a"));
    sim_fs_free(&sim);
}

static void test_a_rename_is_whole_or_absent(void **state)
{
    (void)state;
    int renamed = 0, kept = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct sim_fs *sim = sim_fs_new(0);
        const struct fs *fs = sim_fs_seam(sim);
        assert_int_equal(fs_replace_file(fs, "/f", SV("old"), NULL), 0);
        put(fs, "/f.new", "new", true);
        assert_int_equal(fs->rename(fs, "/f.new", "/f"), 0);
        assert_true(holds(fs, "/f", "new"));
        sim_fs_crash(sim, seed, SIM_FS_SOME);
        bool is_new = holds(fs, "/f", "new");
        assert_true(is_new || holds(fs, "/f", "old"));
        renamed += is_new;
        kept += !is_new;
        sim_fs_free(&sim);
    }
    assert_true(renamed > 5 && kept > 5);
}

/* Pieces of one write have fates of their own, and nothing outside of it changes. */
static void test_a_write_is_torn_inside_its_range_only(void **state)
{
    (void)state;
    enum { SIZE = 20000, FROM = 3000, TO = 17001 };
    static char old[SIZE], fresh[SIZE], got[SIZE];
    memset(old, 'o', sizeof old);
    memset(fresh, 'n', sizeof fresh);
    int kinds[3] = {0};
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct sim_fs *sim = sim_fs_new(0);
        const struct fs *fs = sim_fs_seam(sim);
        sim_fs_put(sim, "/f", sv_make(old, SIZE));
        int file = fs->open(fs, "/f", write_flags);
        assert_int_equal(fs_write_all(fs, file, fresh, TO - FROM, FROM), 0);
        sim_fs_crash(sim, seed, SIM_FS_SHRED);
        file = fs->open(fs, "/f", FS_READ);
        assert_int_equal(fs->read_at(fs, file, got, SIZE, 0), SIZE);
        assert_memory_equal(got, old, FROM);
        assert_memory_equal(got + TO, old + TO, SIZE - TO);
        for (size_t i = FROM; i < TO; i++)
            kinds[got[i] == 'n' ? 0 : got[i] == 'o' ? 1 : 2]++;
        sim_fs_free(&sim);
    }
    for (int i = 0; i < 3; i++)
        assert_true(kinds[i] > 10000);
}

static void test_what_a_failed_sync_lost_stays_lost(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    const struct fs *fs = sim_fs_seam(sim);
    assert_int_equal(fs_replace_file(fs, "/f", SV("old"), NULL), 0);
    int file = put(fs, "/f", "new", false);
    sim_fs_fail_syncs(sim, true);
    assert_int_equal(fs->sync(fs, file), -EIO);
    sim_fs_fail_syncs(sim, false);
    assert_int_equal(fs->sync(fs, file), 0); /* lies, as Linux does */
    assert_true(holds(fs, "/f", "new"));
    sim_fs_crash(sim, 1, SIM_FS_KEEP);
    assert_true(holds(fs, "/f", "old"));
    sim_fs_free(&sim);
}

static void test_faults_hit_the_nth_call(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    const struct fs *fs = sim_fs_seam(sim);
    int file = put(fs, "/f", "", false);
    sim_fs_fail_at(sim, 2, -ENOSPC);
    assert_int_equal(fs->write_at(fs, file, "abcd", 4, 0), 4);
    assert_int_equal(fs->write_at(fs, file, "efgh", 4, 4), -ENOSPC);
    assert_true(holds(fs, "/f", "abcdef")); /* half was written */
    sim_fs_short_at(sim, 1);
    assert_int_equal(fs->write_at(fs, file, "wxyz", 4, 0), 2);
    assert_int_equal(fs->sync(fs, file), 0);
    assert_int_equal(fs->sync_dir(fs, "/"), 0);
    sim_fs_cut_at(sim, 1);
    assert_false(sim_fs_is_cut(sim));
    assert_int_equal(fs->write_at(fs, file, "!!", 2, 0), -EIO);
    assert_true(sim_fs_is_cut(sim));
    assert_int_equal(fs->sync(fs, file), -EIO);
    sim_fs_crash(sim, 1, SIM_FS_KEEP); /* the write of the cut was under way */
    assert_true(holds(fs, "/f", "!!cdef"));
    sim_fs_free(&sim);
}

static void test_capacity(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(10);
    const struct fs *fs = sim_fs_seam(sim);
    uint64_t left, total;
    int file = put(fs, "/f", "12345678", true);
    assert_int_equal(fs->free_bytes(fs, "/", &left, &total), 0);
    assert_int_equal(left, 2);
    assert_int_equal(total, 10);
    assert_int_equal(fs->write_at(fs, file, "abcd", 4, 8), 2);
    assert_int_equal(fs->write_at(fs, file, "cd", 2, 10), -ENOSPC);
    assert_int_equal(fs->write_at(fs, file, "zz", 2, 0), 2); /* over what is there */
    assert_int_equal(fs->truncate(fs, file, 4), 0);
    assert_int_equal(fs->free_bytes(fs, "/", &left, &total), 0);
    assert_int_equal(left, 6);
    sim_fs_free(&sim);
}

static void collect_names(void *context, const char *name)
{
    struct buf *out = context;
    buf_str(out, name);
    buf_char(out, ' ');
}

static void test_directories(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    const struct fs *fs = sim_fs_seam(sim);
    struct buf names;
    buf_init(&names, 1000);
    assert_int_equal(fs->open(fs, "/no/file", write_flags), -ENOENT);
    assert_int_equal(fs->mkdir(fs, "/a"), 0);
    assert_int_equal(fs->mkdir(fs, "/a/b"), 0);
    assert_int_equal(fs->mkdir(fs, "/a//b/c/"), 0);
    assert_int_equal(fs->mkdir(fs, "/a/b"), 0);
    put(fs, "/a/b/z", "", false);
    put(fs, "/a/b/y", "", false);
    assert_int_equal(fs->list(fs, "/a/b", collect_names, &names), 0);
    assert_true(sv_is(buf_view(&names), "c y z "));
    assert_int_equal(fs->unlink(fs, "/a/b/y"), 0);
    assert_int_equal(fs->unlink(fs, "/a/b/y"), -ENOENT);
    assert_int_equal(fs->open(fs, "/a/b/z", FS_CREATE | FS_EXCLUSIVE | FS_WRITE), -EEXIST);
    assert_int_equal(fs->sync_dir(fs, "/a/b"), 0);
    sim_fs_crash(sim, 1, SIM_FS_DROP);
    assert_false(is_there(fs, "/a")); /* its own entry was not synced, so all below is gone */
    assert_false(is_there(fs, "/a/b/z"));
    assert_int_equal(fs_make_dirs(fs, "/made/durable/", NULL), 0); /* syncs each entry */
    sim_fs_crash(sim, 2, SIM_FS_DROP);
    assert_true(is_there(fs, "/made/durable"));
    buf_free(&names);
    sim_fs_free(&sim);
}

/* A hash over what a busy crash leaves. */
static uint64_t outcome(uint64_t seed)
{
    struct sim_fs *sim = sim_fs_new(0);
    const struct fs *fs = sim_fs_seam(sim);
    static char bytes[9000];
    struct buf all;
    buf_init(&all, 1 << 20);
    memset(bytes, 'b', sizeof bytes);
    for (char name[] = "/a"; name[1] < 'i'; name[1]++) {
        int file = put(fs, name, "first", name[1] % 2 == 0);
        assert_int_equal(fs_write_all(fs, file, bytes, sizeof bytes, 100), 0);
    }
    sim_fs_crash(sim, seed, SIM_FS_SHRED);
    for (char name[] = "/a"; name[1] < 'i'; name[1]++)
        if (fs_read_file(fs, name, &all, NULL) == 0)
            buf_str(&all, name);
    uint64_t hash = hash_64(buf_view(&all));
    buf_free(&all);
    sim_fs_free(&sim);
    return hash;
}

static void test_a_seed_repeats(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        assert_int_equal(outcome(seed), outcome(seed));
        assert_int_not_equal(outcome(seed), outcome(seed + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_is_synced_survives),
        cmocka_unit_test(test_kill_keeps_what_is_visible),
        cmocka_unit_test(test_a_rename_is_whole_or_absent),
        cmocka_unit_test(test_a_write_is_torn_inside_its_range_only),
        cmocka_unit_test(test_what_a_failed_sync_lost_stays_lost),
        cmocka_unit_test(test_faults_hit_the_nth_call),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_a_seed_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
