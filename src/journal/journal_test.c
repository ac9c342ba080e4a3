/*
 * The journal on a real directory with its thread: appending from many threads, following readers, repeats,
 * back-pressure, closing.
 */
#include "journal/journal_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct place {
    char dir[64];
    struct sim_clk clk;
};

static int setup(void **state)
{
    struct place *p = tc_alloc(sizeof *p);
    snprintf(p->dir, sizeof p->dir, "/tmp/tocsin-journal-XXXXXX");
    sim_clk_init(&p->clk, KIT_NOW);
    *state = p;
    return mkdtemp(p->dir) == NULL;
}

static void remove_name(void *context, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    fs_system.unlink(&fs_system, path);
}

static int teardown(void **state)
{
    struct place *p = *state;
    char journal_dir[128];
    snprintf(journal_dir, sizeof journal_dir, "%s/journal", p->dir);
    fs_system.list(&fs_system, journal_dir, remove_name, journal_dir);
    rmdir(journal_dir);
    fs_system.list(&fs_system, p->dir, remove_name, p->dir);
    rmdir(p->dir);
    free(p);
    return 0;
}

static struct journal *open_it(struct place *p, const struct fs *fs, uint64_t segment_bytes,
                               uint64_t queue_bytes)
{
    struct journal *journal = NULL;
    struct err err = {0};
    struct journal_options options = {.fs = fs,
                                      .clk = &p->clk.clk,
                                      .rng = &rng_system,
                                      .dir = p->dir,
                                      .segment_bytes = segment_bytes,
                                      .queue_bytes = queue_bytes,
                                      .reserve_bytes = 1};
    if (journal_open(&options, &journal, NULL, &err) != 0)
        fail_msg("%s", err.text);
    return journal;
}

static uint64_t append_wait(struct journal *journal, unsigned number)
{
    struct kit_batch k;
    uint64_t first = 0;
    kit_make(&k, number, 2, 20);
    assert_int_equal(journal_append_wait(journal, &k.batch, &first, NULL), 0);
    buf_free(&k.blocks);
    return first;
}

static void test_appends_and_reads_back(void **state)
{
    struct place *p = *state;
    struct journal *journal = open_it(p, &fs_system, 0, 0);
    uint64_t epoch = journal_epoch(journal);
    assert_true(epoch != 0);
    assert_int_equal(journal_end(journal), 1);
    assert_int_equal(append_wait(journal, 1), 1);
    assert_int_equal(append_wait(journal, 2), 3);
    assert_int_equal(journal_end(journal), 5);
    struct kit_found found;
    assert_int_equal(kit_read(&fs_system, p->dir, &found, NULL), 0); /* beside the live one */
    assert_int_equal(found.n, 2);
    struct journal *second = NULL;
    struct err err;
    struct journal_options options = {
        .fs = &fs_system, .clk = &p->clk.clk, .rng = &rng_system, .dir = p->dir};
    assert_int_equal(journal_open(&options, &second, NULL, &err), TC_ESTATE);
    journal_close(&journal);
    assert_null(journal);
    struct journal_recovery recovery;
    assert_int_equal(journal_open(&options, &journal, &recovery, &err), 0);
    assert_int_equal(recovery.records, 4);
    assert_int_equal(recovery.torn_bytes, 0);
    assert_false(recovery.fresh);
    assert_int_equal(journal_epoch(journal), epoch);
    assert_int_equal(append_wait(journal, 3), 5);
    journal_close(&journal);
}

/* Epoch, class and sequence make the id of a record. */
static void test_records_are_sealed(void **state)
{
    struct place *p = *state;
    struct journal *journal = open_it(p, &fs_system, 0, 0);
    struct journal_reader *reader;
    struct journal_frame frame;
    struct event e;
    for (unsigned b = 1; b <= 4; b++) /* classes 1, 2, 0, 1; two records each */
        append_wait(journal, b);
    assert_int_equal(journal_reader_open(&fs_system, p->dir, 7, journal, &reader, NULL), 0);
    assert_int_equal(journal_reader_next(reader, &frame, NULL), 1);
    assert_int_equal(frame.first, 7);
    struct sv second = sv_from(frame.blocks, record_length(frame.blocks));
    assert_int_equal(record_decode_envelope(second, &e, NULL), 0);
    assert_int_equal(e.epoch, journal_epoch(journal));
    assert_int_equal(e.class, CLASS_AUDIT);
    assert_int_equal(e.sequence, 4);
    static const char no_salt[TC_RECORD_SALT_BYTES];
    assert_memory_not_equal(second.p + TC_RECORD_HEADER_BYTES + 4, no_salt, sizeof no_salt);
    assert_int_equal(journal_reader_next(reader, &frame, NULL), 0);
    journal_reader_close(&reader);
    journal_close(&journal);
}

struct told {
    _Atomic int calls, rc;
    _Atomic uint64_t first;
};

static void tell(void *context, int rc, uint64_t first)
{
    struct told *told = context;
    atomic_store(&told->rc, rc);
    atomic_store(&told->first, first);
    atomic_fetch_add(&told->calls, 1);
}

static void test_repeats_are_recognised(void **state)
{
    struct place *p = *state;
    struct journal *journal = open_it(p, &fs_system, 0, 0);
    struct kit_batch k;
    struct told told = {0};
    uint64_t first = 0;
    assert_int_equal(append_wait(journal, 1), 1);
    kit_make(&k, 1, 2, 20);
    assert_int_equal(journal_append(journal, &k.batch, tell, &told, &first, NULL), TC_EEXIST);
    assert_int_equal(first, 1);
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.rc, 0);
    assert_int_equal(told.first, 1);
    k.batch.received.ns += 901 * TC_SECOND_NS; /* 15 minutes later it is a new batch */
    assert_int_equal(journal_append_wait(journal, &k.batch, &first, NULL), 0);
    assert_int_equal(first, 3);
    struct journal_stats stats;
    journal_stats(journal, &stats);
    assert_int_equal(stats.batches, 2);
    assert_int_equal(stats.records, 4);
    assert_int_equal(stats.duplicates, 1);
    assert_int_equal(stats.queued_bytes, 0);
    buf_free(&k.blocks);
    journal_close(&journal);
}

static void test_bad_batches_are_refused(void **state)
{
    struct place *p = *state;
    struct journal *journal = open_it(p, &fs_system, 0, 0);
    struct kit_batch k;
    struct err err;
    kit_make(&k, 1, 3, 10);
    struct journal_batch good = k.batch, b = good;
    b.count = 2;
    assert_int_equal(journal_append_wait(journal, &b, NULL, &err), TC_EINPUT);
    b.count = 4;
    assert_int_equal(journal_append_wait(journal, &b, NULL, &err), TC_EINPUT);
    b = good;
    b.count = 0;
    assert_int_equal(journal_append_wait(journal, &b, NULL, &err), TC_EINPUT);
    b = good;
    b.kind = (enum batch_kind)4;
    b.has_key = false;
    assert_int_equal(journal_append_wait(journal, &b, NULL, &err), TC_EINPUT);
    b = good;
    b.kind = BATCH_DECISION;
    assert_int_equal(journal_append_wait(journal, &b, NULL, &err), TC_EINPUT);
    k.blocks.p[10] = 9; /* no such class */
    assert_int_equal(journal_append_wait(journal, &good, NULL, &err), TC_EINPUT);
    assert_int_equal(journal_end(journal), 1);
    buf_free(&k.blocks);
    journal_close(&journal);
}

/* --- a disk whose syncs wait until they are let ----------------------------------------------------------
 */

struct gate {
    struct fs fs;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool closed, reached;
    int answer; /* of the next sync: 0 = really sync */
};

static int gated_sync(const struct fs *fs, int file)
{
    struct gate *g = fs->context;
    pthread_mutex_lock(&g->mutex);
    g->reached = true;
    pthread_cond_broadcast(&g->cond);
    while (g->closed)
        pthread_cond_wait(&g->cond, &g->mutex);
    int answer = g->answer;
    pthread_mutex_unlock(&g->mutex);
    return answer != 0 ? answer : fs_system.sync(&fs_system, file);
}

static void gate_init(struct gate *g)
{
    *g = (struct gate){.fs = fs_system, .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    g->fs.context = g;
    g->fs.sync = gated_sync;
}

static void gate_set(struct gate *g, bool closed, int answer)
{
    pthread_mutex_lock(&g->mutex);
    g->closed = closed;
    g->reached = false;
    g->answer = answer;
    pthread_cond_broadcast(&g->cond);
    pthread_mutex_unlock(&g->mutex);
}

static void gate_await(struct gate *g)
{
    pthread_mutex_lock(&g->mutex);
    while (!g->reached)
        pthread_cond_wait(&g->cond, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
}

static int append_number(struct journal *journal, unsigned number, enum batch_kind kind, struct told *told,
                         uint64_t *ret_first)
{
    struct kit_batch k;
    kit_make(&k, number, 1, 500);
    if (kind != BATCH_INPUT) {
        k.batch.kind = kind;
        k.batch.has_key = false;
    }
    int rc = journal_append(journal, &k.batch, told == NULL ? NULL : tell, told, ret_first, NULL);
    buf_free(&k.blocks);
    return rc;
}

/* While one sync runs: positions are known at once, nothing is told or read before it is durable, what came
 * meanwhile shares the next sync, and a repeat of it is told when that is durable. */
static void test_group_commit(void **state)
{
    struct place *p = *state;
    struct gate gate;
    gate_init(&gate);
    struct journal *journal = open_it(p, &gate.fs, 0, 0);
    struct told told[4] = {0};
    struct journal_reader *reader;
    struct journal_frame frame;
    struct journal_stats before, after;
    uint64_t first;
    journal_stats(journal, &before);
    gate_set(&gate, true, 0);
    assert_int_equal(append_number(journal, 1, BATCH_INPUT, &told[0], &first), 0);
    assert_int_equal(first, 1);
    gate_await(&gate);
    for (unsigned b = 2; b <= 3; b++) {
        assert_int_equal(append_number(journal, b, BATCH_INPUT, &told[b - 1], &first), 0);
        assert_int_equal(first, b);
    }
    assert_int_equal(append_number(journal, 2, BATCH_INPUT, &told[3], &first), TC_EEXIST);
    assert_int_equal(first, 2);
    assert_int_equal(journal_end(journal), 1);
    assert_int_equal(journal_wait(journal, 1, 0), 1);
    assert_int_equal(journal_reader_open(&gate.fs, p->dir, 0, journal, &reader, NULL), 0);
    assert_int_equal(journal_reader_next(reader, &frame, NULL), 0); /* written, but not durable */
    assert_int_equal(told[0].calls + told[1].calls + told[3].calls, 0);
    gate_set(&gate, false, 0);
    assert_int_equal(journal_wait(journal, 3, 60 * TC_SECOND_NS), 4);
    struct kit_batch k;
    kit_make(&k, 4, 1, 0);
    assert_int_equal(journal_append_wait(journal, &k.batch, NULL, NULL), 0); /* so all before are told */
    buf_free(&k.blocks);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(told[i].calls, 1);
        assert_int_equal(told[i].rc, 0);
        assert_int_equal(told[i].first, i == 3 ? 2 : i + 1);
    }
    journal_stats(journal, &after);
    assert_int_equal(after.syncs - before.syncs, 3); /* 1; 2 and 3; 4 */
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(journal_reader_next(reader, &frame, NULL), 1);
        assert_int_equal(frame.first, i);
    }
    journal_reader_close(&reader);
    journal_close(&journal);
}

static void test_a_full_queue_pushes_back(void **state)
{
    struct place *p = *state;
    struct gate gate;
    gate_init(&gate);
    struct journal *journal = open_it(p, &gate.fs, 0, 8192);
    gate_set(&gate, true, 0);
    unsigned input = 0, decisions = 0;
    while (append_number(journal, 1 + input, BATCH_INPUT, NULL, NULL) == 0)
        input++;
    assert_in_range(input, 5, 12);
    assert_int_equal(append_number(journal, 1 + input, BATCH_INPUT, NULL, NULL), TC_EAGAIN);
    while (append_number(journal, 100, BATCH_DECISION, NULL, NULL) == 0) /* a second queue on top */
        decisions++;
    assert_in_range(decisions, 5, 12);
    struct journal_stats stats;
    journal_stats(journal, &stats);
    assert_int_equal(stats.rejected, 3);
    gate_set(&gate, false, 0);
    uint64_t end = 1 + input + decisions;
    assert_int_equal(journal_wait(journal, end - 1, 60 * TC_SECOND_NS), end);
    assert_int_equal(append_number(journal, 1 + input, BATCH_INPUT, NULL, NULL), 0);
    journal_close(&journal);
}

static void test_a_failed_sync_stops_for_good(void **state)
{
    struct place *p = *state;
    struct gate gate;
    gate_init(&gate);
    struct journal *journal = open_it(p, &gate.fs, 0, 0);
    struct told told[2] = {0};
    struct err err;
    struct kit_batch k;
    append_wait(journal, 1);
    gate_set(&gate, true, 0);
    assert_int_equal(append_number(journal, 2, BATCH_INPUT, &told[0], NULL), 0);
    gate_await(&gate);
    assert_int_equal(append_number(journal, 3, BATCH_INPUT, &told[1], NULL), 0);
    gate_set(&gate, false, -5);
    kit_make(&k, 4, 1, 0);
    assert_int_equal(journal_append_wait(journal, &k.batch, NULL, &err), TC_EIO);
    gate_set(&gate, false, 0); /* the disk is well again: the journal is not */
    assert_int_equal(journal_append_wait(journal, &k.batch, NULL, &err), TC_EIO);
    assert_non_null(strstr(err.text, "stopped"));
    buf_free(&k.blocks);
    assert_int_equal(journal_failed(journal), TC_EIO);
    assert_int_equal(journal_end(journal), 3);
    journal_close(&journal);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(told[i].calls, 1);
        assert_int_equal(told[i].rc, TC_EIO);
    }
    struct kit_found found;
    assert_int_equal(kit_read(&fs_system, p->dir, &found, NULL), 0);
    assert_int_equal(found.n, 1);
    journal = open_it(p, &fs_system, 0, 0);
    assert_int_equal(append_wait(journal, 2), 3);
    journal_close(&journal);
}

/* --- many threads ----------------------------------------------------------------------------------------
 */

enum { THREADS = 4, PER_THREAD = 60 };

struct appender {
    struct journal *journal;
    unsigned number; /* of the thread */
    uint64_t first[PER_THREAD];
};

static void *append_many(void *context)
{
    struct appender *a = context;
    struct kit_batch k;
    for (unsigned i = 0; i < PER_THREAD; i++) {
        kit_make(&k, a->number * PER_THREAD + i, 2, 30);
        if (journal_append_wait(a->journal, &k.batch, &a->first[i], NULL) != 0)
            a->first[i] = 0;
        buf_free(&k.blocks);
    }
    return NULL;
}

struct follower {
    struct journal *journal;
    const char *dir;
    bool with_limit;
    uint64_t records;
    unsigned seen[THREADS * PER_THREAD];
    bool in_order;
    int rc;
};

static void *follow(void *context)
{
    struct follower *f = context;
    struct journal_reader *reader;
    struct journal_frame frame;
    struct err err = {0};
    f->in_order = true;
    f->rc = journal_reader_open(&fs_system, f->dir, 0, f->with_limit ? f->journal : NULL, &reader, &err);
    while (f->rc == 0 && f->records < 2 * THREADS * PER_THREAD) {
        while ((f->rc = journal_reader_next(reader, &frame, &err)) > 0) {
            unsigned number = kit_number(&frame);
            f->in_order = f->in_order && frame.first == f->records + 1 && number < THREADS * PER_THREAD;
            if (!f->in_order)
                break;
            f->seen[number]++;
            f->records += frame.count;
        }
        if (f->rc < 0)
            print_message("%s: %s\n", err.file, err.text);
        if (!f->in_order)
            break;
        journal_wait(f->journal, f->records, TC_SECOND_NS);
    }
    journal_reader_close(&reader);
    return NULL;
}

static void test_many_appenders_and_followers(void **state)
{
    struct place *p = *state;
    struct journal *journal = open_it(p, &fs_system, 20000, 30000);
    struct appender appenders[THREADS];
    struct follower followers[2];
    pthread_t threads[THREADS + 2];
    for (unsigned i = 0; i < 2; i++) {
        followers[i] = (struct follower){.journal = journal, .dir = p->dir, .with_limit = i == 0};
        pthread_create(&threads[THREADS + i], NULL, follow, &followers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        appenders[i] = (struct appender){.journal = journal, .number = i};
        pthread_create(&threads[i], NULL, append_many, &appenders[i]);
    }
    for (unsigned i = 0; i < THREADS + 2; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < THREADS; i++)
        for (unsigned k = 0; k < PER_THREAD; k++) {
            assert_int_not_equal(appenders[i].first[k], 0);
            assert_true(k == 0 || appenders[i].first[k] > appenders[i].first[k - 1]);
        }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(followers[i].rc, 0);
        assert_true(followers[i].in_order);
        for (unsigned b = 0; b < THREADS * PER_THREAD; b++)
            assert_int_equal(followers[i].seen[b], 1);
    }
    journal_close(&journal);
    struct journal_verify_report report;
    assert_int_equal(journal_verify(&fs_system, p->dir, &report, NULL), 0);
    assert_int_equal(report.records, 2 * THREADS * PER_THREAD);
    assert_true(report.segments > 2);
}

/* A reader that stands in a segment which retention removes goes on with the next that is there. */
static void test_segments_may_vanish_behind_a_reader(void **state)
{
    struct place *p = *state;
    struct journal *journal = open_it(p, &fs_system, 600, 0);
    struct journal_reader *reader;
    struct journal_frame frame;
    char path[256];
    for (unsigned b = 1; b <= 12; b++)
        append_wait(journal, b);
    assert_int_equal(journal_reader_open(&fs_system, p->dir, 0, journal, &reader, NULL), 0);
    assert_int_equal(journal_reader_next(reader, &frame, NULL), 1);
    for (uint64_t first = 1; first < 12; first++) {
        snprintf(path, sizeof path, "%s/journal/%020llu.seg", p->dir, (unsigned long long)first);
        fs_system.unlink(&fs_system, path);
    }
    uint64_t last = 0;
    int rc;
    while ((rc = journal_reader_next(reader, &frame, NULL)) > 0) {
        assert_true(frame.first > last);
        last = frame.first;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(last, 23);
    journal_reader_close(&reader);
    journal_close(&journal);
}

static void test_reader_without_a_journal(void **state)
{
    struct place *p = *state;
    struct journal_reader *reader;
    struct journal_frame frame;
    struct journal_verify_report report;
    struct err err;
    char path[256];
    assert_int_equal(journal_reader_open(&fs_system, p->dir, 0, NULL, &reader, &err), TC_ENOTFOUND);
    assert_int_equal(journal_verify(&fs_system, p->dir, &report, &err), TC_ENOTFOUND);
    snprintf(path, sizeof path, "%s/journal", p->dir);
    fs_system.mkdir(&fs_system, path);
    assert_int_equal(journal_reader_open(&fs_system, p->dir, 0, NULL, &reader, &err), 0);
    assert_int_equal(journal_reader_next(reader, &frame, &err), 0);
    struct journal *journal = open_it(p, &fs_system, 0, 0);
    append_wait(journal, 1);
    assert_int_equal(journal_reader_next(reader, &frame, &err), 1); /* it looks again */
    journal_reader_close(&reader);
    journal_close(&journal);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_appends_and_reads_back),
        TEST(test_records_are_sealed),
        TEST(test_repeats_are_recognised),
        TEST(test_bad_batches_are_refused),
        TEST(test_group_commit),
        TEST(test_a_full_queue_pushes_back),
        TEST(test_a_failed_sync_stops_for_good),
        TEST(test_many_appenders_and_followers),
        TEST(test_segments_may_vanish_behind_a_reader),
        TEST(test_reader_without_a_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
