/*
 * Many at once: a writer, readers from the first record on, verifiers, and retention, which packs each
 * segment as soon as it is closed and drops debug records. Nobody sees a position twice, out of order, or a
 * record that is not whole; security and audit records are all there. Meant for VARIANT=tsan as well.
 */
#include "journal/journal_kit.h"
#include "journal/retention.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

enum { BATCHES = 600, READERS = 2 };

struct shared {
    const struct fs *fs;
    struct journal *journal;
    struct retention *retention;
    atomic_bool written, stopped;
    atomic_uint dropped, made;
};

/* The system's clock, years ahead: behind the time that the kit's records bear. */
static struct receive_time late_now(const struct clk *clk)
{
    (void)clk;
    return (struct receive_time){clk_now(&clk_system).ns + KIT_NOW};
}

static int64_t late_monotonic(const struct clk *clk)
{
    (void)clk;
    return clk_monotonic_ns(&clk_system);
}

static const struct clk late = {.now = late_now, .monotonic_ns = late_monotonic};

static void *write_all(void *context)
{
    struct shared *s = context;
    struct err err;
    for (unsigned i = 0; i < BATCHES; i++) {
        struct kit_batch k;
        kit_make(&k, i, 3, 60);
        if (journal_append_wait(s->journal, &k.batch, NULL, &err) != 0)
            fail_msg("%s", err.text);
        buf_free(&k.blocks);
    }
    atomic_store(&s->written, true);
    return NULL;
}

static int announce(void *context, const struct retention_drop *drop, struct err *err)
{
    (void)drop;
    (void)err;
    atomic_fetch_add(&((struct shared *)context)->dropped, 1);
    return 0;
}

static void *keep_all(void *context)
{
    struct shared *s = context;
    struct err err;
    for (bool last = false; !last;) {
        last = atomic_load(&s->written);
        int rc;
        while ((rc = retention_step(s->retention, &err)) == 1)
            atomic_fetch_add(&s->made, 1);
        if (rc != 0)
            fail_msg("%s", err.text);
    }
    atomic_store(&s->stopped, true);
    return NULL;
}

/* From the first record to the journal's end: how many there are of those that must be kept. */
static uint64_t read_once(struct shared *s)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    struct err err;
    uint64_t next = 1, kept = 0;
    int rc;
    if (journal_reader_open(s->fs, "/d", 0, s->journal, &reader, &err) != 0)
        fail_msg("%s", err.text);
    while ((rc = journal_reader_next(reader, &frame, &err)) > 0) {
        struct sv rest = frame.blocks;
        assert_true(frame.first >= next);
        for (uint64_t i = 0; i < frame.count; i++) {
            struct event e;
            struct sv block = sv_head(rest, record_length(rest));
            assert_int_equal(record_decode_envelope(block, &e, &err), 0);
            assert_int_equal(e.class, (frame.first + i - 1) / 3 % CLASS_COUNT);
            kept += e.class != CLASS_DEBUG;
            rest = sv_from(rest, block.n);
        }
        next = frame.first + frame.count;
    }
    if (rc != 0)
        fail_msg("%s", err.text);
    journal_reader_close(&reader);
    return kept;
}

static void *read_all(void *context)
{
    struct shared *s = context;
    while (!atomic_load(&s->stopped)) {
        uint64_t end = journal_end(s->journal), kept = read_once(s);
        assert_true(kept >= (end - 1) / 9 * 6); /* of each nine records six are kept */
    }
    return NULL;
}

static void *verify_all(void *context)
{
    struct shared *s = context;
    while (!atomic_load(&s->stopped)) {
        struct journal_snapshot snapshot; /* looks again where the end is being written */
        struct err err;
        if (journal_snapshot(s->fs, "/d", &snapshot, &err) != 0)
            fail_msg("%s", err.text);
        journal_snapshot_free(&snapshot);
    }
    return NULL;
}

static void test_many_at_once(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    struct shared s = {.fs = sim_fs_seam(sim)};
    struct journal_options o = {
        .fs = s.fs, .clk = &late, .rng = &rng_system, .dir = "/d", .segment_bytes = 8192};
    struct err err;
    pthread_t threads[READERS + 3];
    assert_int_equal(journal_open(&o, &s.journal, NULL, &err), 0);
    s.retention = retention_new(&(struct retention_options){
        .fs = s.fs, .clk = &late, .dir = "/d", .keep_ns = {0, 0, 1}, .announce = announce, .context = &s});
    pthread_create(&threads[0], NULL, write_all, &s);
    pthread_create(&threads[1], NULL, keep_all, &s);
    pthread_create(&threads[2], NULL, verify_all, &s);
    for (size_t i = 0; i < READERS; i++)
        pthread_create(&threads[3 + i], NULL, read_all, &s);
    for (size_t i = 0; i < READERS + 3; i++)
        pthread_join(threads[i], NULL);
    assert_true(atomic_load(&s.made) > 20 && atomic_load(&s.dropped) > 10);
    assert_int_equal(read_once(&s), BATCHES / 3 * 2 * 3);
    retention_free(&s.retention);
    journal_close(&s.journal);
    sim_fs_free(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_at_once)};
    return cmocka_run_group_tests_name("J-06 reader, writer and retention at once", tests, NULL, NULL);
}
