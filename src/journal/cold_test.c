/*
 * Cold segments: what is read is the same, byte for byte; what is dropped leaves head and root as they were;
 * a power cut or a failure at any call leaves one of the two, whole.
 */
#include "journal/cold_make.h"
#include "journal/evidence.h"
#include "journal/journal_kit.h"
#include "journal/literals.h"
#include "journal/sealer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { BATCHES = 60, SEGMENT_BYTES = 4096 };

struct world {
    struct sim_fs *sim;
    const struct fs *fs;
    struct sim_clk clk;
    struct sim_rng rng;
};

static void open_world(struct world *w)
{
    w->sim = sim_fs_new(0);
    w->fs = sim_fs_seam(w->sim);
    sim_clk_init(&w->clk, KIT_NOW);
    sim_rng_init(&w->rng, 7);
}

static struct journal *open_journal(struct world *w)
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
    return journal;
}

/* Batches of three records, each of another class in turn; every fifth has records of all. */
static void mixed(struct kit_batch *k, unsigned number)
{
    kit_make(k, number, 3, number % 7 * 40);
    if (number % 5 == 0) {
        char *p = k->blocks.p;
        for (unsigned i = 0; i < 3; i++, p += load_u32(p))
            p[10] = (char)i;
    }
}

/* Batches numbered from `from` on. */
static void write_more(struct world *w, unsigned from, unsigned batches)
{
    struct journal *journal = open_journal(w);
    struct err err;
    for (unsigned i = from; i < from + batches; i++) {
        struct kit_batch k;
        mixed(&k, i);
        assert_int_equal(journal_append_wait(journal, &k.batch, NULL, &err), 0);
        buf_free(&k.blocks);
    }
    journal_close(&journal);
}

static void write_journal(struct world *w, unsigned batches)
{
    write_more(w, 0, batches);
}

/* All that a reader gives, as one text: position, bytes. */
static void read_all(struct world *w, const struct journal_want *want, struct buf *out)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    struct err err;
    int rc;
    buf_init(out, 64 << 20);
    assert_int_equal(journal_reader_open_for(w->fs, "/d", 0, NULL, want, &reader, &err), 0);
    while ((rc = journal_reader_next(reader, &frame, &err)) > 0) {
        struct sv rest = frame.blocks;
        for (uint64_t i = 0; i < frame.count; i++) {
            size_t n = record_length(rest);
            buf_u64(out, frame.first + i);
            buf_u64(out, frame.consumed);
            buf_add(out, frame.key, sizeof frame.key);
            buf_u64(out, (uint64_t)frame.received.ns);
            buf_sv(out, sv_head(rest, n));
            rest = sv_from(rest, n);
        }
        assert_int_equal(rest.n, 0);
    }
    if (rc != 0)
        fail_msg("%s", err.text);
    journal_reader_close(&reader);
}

struct roots {
    struct merkle tree;
    uint64_t gone;
};
static void root_record(void *context, uint64_t position, struct sv block, const uint8_t *leaf)
{
    struct roots *r = context;
    assert_int_equal(r->tree.size + 1, position);
    r->gone += block.n == 0;
    merkle_add(&r->tree, leaf, NULL);
}
static void root_dropped(void *context, uint64_t position, unsigned level, const uint8_t *node)
{
    struct roots *r = context;
    assert_int_equal(r->tree.size + 1, position);
    r->gone += UINT64_C(1) << level;
    assert_true(merkle_add_subtree(&r->tree, level, node, NULL));
}
static void root_frame(void *context, uint64_t last, const uint8_t *head)
{
    (void)head;
    assert_int_equal(((struct roots *)context)->tree.size, last);
}

/* Verifies; root of the tree and head of the chain. */
static struct journal_verify_report judge(struct world *w, uint8_t root[TC_SHA256_BYTES], uint64_t *ret_gone)
{
    struct roots roots = {0};
    struct journal_watch watch = {
        .context = &roots, .record = root_record, .dropped = root_dropped, .frame = root_frame};
    struct journal_verify_report report;
    struct err err;
    if (journal_verify_watched(w->fs, "/d", &watch, &report, &err) != 0)
        fail_msg("%s", err.text);
    merkle_root(&roots.tree, NULL, root);
    /* side by side gives the same */
    struct roots again = {0};
    struct journal_verify_report beside;
    watch.context = &again;
    watch.threads = 3;
    if (journal_verify_watched(w->fs, "/d", &watch, &beside, &err) != 0)
        fail_msg("%s", err.text);
    assert_memory_equal(&roots.tree, &again.tree, sizeof roots.tree);
    assert_memory_equal(&report, &beside, sizeof report);
    if (ret_gone != NULL)
        *ret_gone = roots.gone;
    return report;
}

static size_t make_all(struct world *w)
{
    struct segment_list list;
    struct err err;
    assert_int_equal(segment_list_read(w->fs, "/d", &list, &err), 0);
    size_t n = list.n;
    for (size_t i = 0; i + 1 < n; i++)
        if (cold_make(w->fs, "/d", list.first[i], (struct receive_time){KIT_NOW}, &err) != 0)
            fail_msg("%s", err.text);
    segment_list_free(&list);
    return n - 1;
}

static bool not_debug(void *context, uint64_t position, struct sv block)
{
    (void)context;
    (void)position;
    return block.p[10] != CLASS_DEBUG;
}

static bool nothing(void *context, uint64_t position, struct sv block)
{
    (void)context;
    (void)position;
    (void)block;
    return false;
}

static void drop_all(struct world *w, cold_keep_fn keep)
{
    struct segment_list list;
    struct cold_header header;
    struct err err;
    struct cold_drop drop = {.keep = keep};
    assert_int_equal(segment_list_read(w->fs, "/d", &list, &err), 0);
    for (size_t i = 0; i + 1 < list.n; i++)
        if (cold_drop_records(w->fs, "/d", list.first[i], &drop, (struct receive_time){KIT_NOW}, &header,
                              &err) != 0)
            fail_msg("%s", err.text);
    segment_list_free(&list);
}

static void test_same(void **state)
{
    (void)state;
    struct world w;
    struct buf before, after;
    uint8_t root[TC_SHA256_BYTES], cold_root[TC_SHA256_BYTES];
    open_world(&w);
    write_journal(&w, BATCHES);
    read_all(&w, NULL, &before);
    struct journal_verify_report hot = judge(&w, root, NULL);
    assert_true(make_all(&w) > 5);
    read_all(&w, NULL, &after);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.p, after.p, before.n);
    struct journal_verify_report cold = judge(&w, cold_root, NULL);
    assert_memory_equal(root, cold_root, sizeof root);
    assert_memory_equal(hot.head, cold.head, sizeof hot.head);
    assert_int_equal(cold.records, hot.records);
    assert_int_equal(cold.cold_segments, hot.segments - 1);
    /* and it is written on */
    struct journal *journal = open_journal(&w);
    assert_int_equal(journal_end(journal), hot.records + 1);
    /* and repeats are known, though what they repeat is cold */
    struct kit_batch repeat;
    struct err err;
    uint64_t first;
    mixed(&repeat, 1);
    assert_int_equal(journal_append_wait(journal, &repeat.batch, &first, &err), TC_EEXIST);
    assert_int_equal(first, 4);
    buf_free(&repeat.blocks);
    journal_close(&journal);
    buf_free(&before);
    buf_free(&after);
    sim_fs_free(&w.sim);
}

/* Segments of an older program, which drew each salt by itself. */
static void test_without_seeds(void **state)
{
    (void)state;
    struct world w;
    struct buf before, after;
    struct segment_list list;
    struct err err;
    char path[SEGMENT_PATH_MAX];
    uint8_t root[TC_SHA256_BYTES], cold_root[TC_SHA256_BYTES];
    open_world(&w);
    write_journal(&w, BATCHES);
    assert_int_equal(segment_list_read(w.fs, "/d", &list, &err), 0);
    for (size_t i = 0; i < list.n; i++)
        assert_true(salts_path("/d", list.first[i], path, sizeof path) && w.fs->unlink(w.fs, path) == 0);
    segment_list_free(&list);
    read_all(&w, NULL, &before);
    judge(&w, root, NULL);
    make_all(&w);
    read_all(&w, NULL, &after);
    judge(&w, cold_root, NULL);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.p, after.p, before.n);
    assert_memory_equal(root, cold_root, sizeof root);
    write_more(&w, BATCHES, 5); /* and goes on */
    judge(&w, root, NULL);
    buf_free(&before);
    buf_free(&after);
    sim_fs_free(&w.sim);
}

/* After a drop nothing is left that salts of dropped records could be made from. */
static void test_seed_goes(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    struct cold_walk walk;
    struct cold_item item;
    static const uint8_t none[SALTS_SEED_BYTES];
    open_world(&w);
    write_journal(&w, 12);
    make_all(&w);
    drop_all(&w, not_debug);
    assert_int_equal(cold_walk_open(&walk, w.fs, "/d", 1, NULL, true, &err), 0);
    while (cold_walk_next(&walk, 0, &item, &err) == 1)
        ;
    for (int i = 0; i < CLASS_COUNT; i++)
        assert_memory_equal(walk.lanes[i].seed, none, sizeof none);
    cold_walk_close(&walk);
    sim_fs_free(&w.sim);
}

static void test_drop(void **state)
{
    (void)state;
    struct world w;
    struct buf before, after, expected;
    uint8_t root[TC_SHA256_BYTES], dropped_root[TC_SHA256_BYTES];
    uint64_t gone;
    open_world(&w);
    write_journal(&w, BATCHES);
    make_all(&w);
    read_all(&w, NULL, &before);
    struct journal_verify_report whole = judge(&w, root, NULL);
    drop_all(&w, not_debug);
    struct journal_verify_report less = judge(&w, dropped_root, &gone);
    assert_memory_equal(root, dropped_root, sizeof root);
    assert_memory_equal(whole.head, less.head, sizeof whole.head);
    assert_int_equal(less.records + less.dropped, whole.records);
    assert_int_equal(less.dropped, gone);
    assert_true(gone > 20);
    /* what is left is what was there, without the debug records of cold segments */
    read_all(&w, NULL, &after);
    buf_init(&expected, before.max_bytes);
    struct segment_list list;
    struct err err;
    assert_int_equal(segment_list_read(w.fs, "/d", &list, &err), 0);
    for (size_t at = 0; at < before.n;) {
        const char *p = before.p + at;
        size_t n = 40 + load_u32(p + 40);
        if (p[40 + 10] != CLASS_DEBUG || load_u64(p) >= list.first[list.n - 1])
            buf_add(&expected, p, n);
        at += n;
    }
    segment_list_free(&list);
    assert_int_equal(expected.n, after.n);
    assert_memory_equal(expected.p, after.p, after.n);
    drop_all(&w, nothing); /* all that is left in them is a row of hashes */
    judge(&w, dropped_root, &gone);
    assert_memory_equal(root, dropped_root, sizeof root);
    struct cold cold;
    assert_int_equal(cold_open(&cold, w.fs, "/d", 1, &err), 0);
    assert_int_equal(cold.n, 0);
    assert_int_equal(cold.header.classes[0].kept, 0);
    cold_close(&cold);
    buf_free(&before);
    buf_free(&after);
    buf_free(&expected);
    sim_fs_free(&w.sim);
}

/* A checkpoint from before the drop agrees with what is left, and a record that is left is proven by it. */
static void test_proof(void **state)
{
    (void)state;
    struct world w;
    struct note_keys keys = {.n = 1};
    struct sealer *sealer;
    struct buf note;
    struct err err;
    open_world(&w);
    assert_int_equal(note_key_make("test", &w.rng.rng, &keys.key[0], &err), 0);
    struct sealer_options o = {.fs = w.fs, .dir = "/d", .keys = &keys};
    buf_init(&note, 2 * NOTE_MAX_BYTES);
    for (unsigned part = 0; part < 3; part++) {
        write_more(&w, part * 20, 20);
        assert_int_equal(sealer_open(&o, &sealer, &err), 0);
        while (sealer_step(sealer, 1000, &err) == 1)
            ;
        assert_int_equal(sealer_checkpoint(sealer, (struct receive_time){KIT_NOW}, &note, &err), 0);
        sealer_close(&sealer);
    }
    make_all(&w);
    drop_all(&w, not_debug);
    struct journal_verify_report journal;
    struct evidence_report evidence;
    struct evidence_wish wish = {.position = 4}; /* batch 1: audit */
    assert_int_equal(
        evidence_verify(w.fs, "/d", "/d/seal/checkpoints", &keys, &wish, 3, &journal, &evidence, &err), 0);
    if (evidence.state != EVIDENCE_AGREES)
        fail_msg("%s", evidence.why);
    assert_int_equal(evidence.agreed + evidence.passed, 3);
    assert_true(evidence.agreed >= 1);
    assert_true(evidence.found);
    evidence_free(&evidence);
    wish.position = 7; /* batch 2: debug */
    assert_int_equal(
        evidence_verify(w.fs, "/d", "/d/seal/checkpoints", &keys, &wish, 1, &journal, &evidence, &err), 0);
    assert_false(evidence.found);
    assert_true(evidence.dropped);
    evidence_free(&evidence);
    /* the tree is made anew from what is left */
    assert_int_equal(w.fs->unlink(w.fs, "/d/seal/tree"), 0);
    assert_int_equal(sealer_open(&o, &sealer, &err), 0);
    while (sealer_step(sealer, 1000, &err) == 1)
        ;
    assert_int_equal(sealer_checkpoint(sealer, (struct receive_time){KIT_NOW}, &note, &err), 0);
    sealer_close(&sealer);
    assert_int_equal(
        evidence_verify(w.fs, "/d", "/d/seal/checkpoints", &keys, NULL, 1, &journal, &evidence, &err), 0);
    if (evidence.state != EVIDENCE_AGREES)
        fail_msg("%s", evidence.why);
    evidence_free(&evidence);
    buf_free(&note);
    sim_fs_free(&w.sim);
}

/* Every byte of a cold segment matters: a flipped one is told by verify. */
static void test_rot(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    open_world(&w);
    write_journal(&w, 12);
    make_all(&w);
    char path[SEGMENT_PATH_MAX];
    struct fs_stat st;
    cold_path("/d", 1, path);
    assert_int_equal(w.fs->stat(w.fs, path, &st), 0);
    for (uint64_t at = 0; at < st.size_bytes; at++) {
        char byte, other;
        int file = w.fs->open(w.fs, path, FS_READ | FS_WRITE);
        assert_int_equal(w.fs->read_at(w.fs, file, &byte, 1, at), 1);
        other = (char)(byte ^ 0x10);
        assert_int_equal(w.fs->write_at(w.fs, file, &other, 1, at), 1);
        struct journal_verify_report report;
        int rc = journal_verify(w.fs, "/d", &report, &err);
        if (rc != TC_ECORRUPT && rc != TC_EUNSUPPORTED)
            fail_msg("a changed byte at %llu is not told", (unsigned long long)at);
        assert_true(strstr(err.file, ".cold") != NULL);
        assert_int_equal(w.fs->write_at(w.fs, file, &byte, 1, at), 1);
        w.fs->close(w.fs, file);
    }
    sim_fs_free(&w.sim);
}

/* What must hold whatever happened: opened again, all is there (or what a drop left), and it verifies. */
static void judge_after(struct world *w, const struct buf *all, const struct buf *left, const uint8_t *root,
                        bool clean)
{
    struct err err;
    struct buf now;
    uint8_t got[TC_SHA256_BYTES];
    if (clean)
        assert_int_equal(cold_clean(w->fs, "/d", &err), 0);
    judge(w, got, NULL);
    assert_memory_equal(got, root, TC_SHA256_BYTES);
    read_all(w, NULL, &now);
    bool is_all = now.n == all->n && memcmp(now.p, all->p, now.n) == 0;
    bool is_left = now.n == left->n && memcmp(now.p, left->p, now.n) == 0;
    assert_true(is_all || is_left);
    buf_free(&now);
}

/* Makes the first segment cold, then drops from it, with a fault at the n-th call. False: there was none. */
static bool run_with_fault(enum kit_fault fault, uint64_t n, enum sim_fs_mode mode)
{
    struct world w;
    struct err err;
    struct buf all, left;
    uint8_t root[TC_SHA256_BYTES];
    struct cold_header header;
    struct cold_drop drop = {.keep = not_debug};
    struct receive_time now = {KIT_NOW};
    open_world(&w); /* what it should come to */
    write_journal(&w, 12);
    judge(&w, root, NULL);
    read_all(&w, NULL, &all);
    assert_int_equal(cold_make(w.fs, "/d", 1, now, &err), 0);
    assert_int_equal(cold_drop_records(w.fs, "/d", 1, &drop, now, &header, &err), 0);
    read_all(&w, NULL, &left);
    sim_fs_free(&w.sim);
    open_world(&w);
    write_journal(&w, 12);
    uint64_t before = sim_fs_calls(w.sim);
    kit_fault_at(w.sim, fault, n);
    int rc = cold_make(w.fs, "/d", 1, now, &err);
    if (rc == 0)
        rc = cold_drop_records(w.fs, "/d", 1, &drop, now, &header, &err);
    bool hit = sim_fs_calls(w.sim) - before >= n;
    kit_fault_end(w.sim, fault, n, mode, hit);
    judge_after(&w, &all, &left, root, false);
    judge_after(&w, &all, &left, root, true);
    /* the next time it goes through */
    rc = cold_make(w.fs, "/d", 1, now, &err);
    assert_true(rc == 0 || rc == TC_ENOTFOUND); /* it was made before */
    assert_int_equal(cold_drop_records(w.fs, "/d", 1, &drop, now, &header, &err), 0);
    judge_after(&w, &left, &left, root, true);
    struct journal *journal = open_journal(&w);
    journal_close(&journal);
    buf_free(&all);
    buf_free(&left);
    sim_fs_free(&w.sim);
    return hit;
}

static void test_faults(void **state)
{
    (void)state;
    kit_every_fault(run_with_fault, 20);
}

static void test_literals(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    struct journal *journal;
    struct buf blocks;
    open_world(&w);
    journal = open_journal(&w);
    buf_init(&blocks, 64 << 20);
    for (unsigned i = 0; i < 400; i++) {
        char text[128];
        int n = snprintf(text, sizeof text, "Request %u from Client-%08x finished", i, i * 2654435761U);
        buf_clear(&blocks);
        record_encode_plain(REC_EVENT, CLASS_SECURITY, SV("test"), (struct receive_time){KIT_NOW + i},
                            (struct event_time){TC_NO_TIME}, sv_make(text, (size_t)n), &blocks);
        struct journal_batch b = {
            .kind = BATCH_INPUT, .received = {KIT_NOW + i}, .blocks = buf_view(&blocks), .count = 1};
        assert_int_equal(journal_append_wait(journal, &b, NULL, &err), 0);
    }
    journal_close(&journal);
    size_t segments = make_all(&w), holding = 0;
    /* every text that is there is found, in any case of letters, wherever it begins */
    struct segment_list list;
    assert_int_equal(segment_list_read(w.fs, "/d", &list, &err), 0);
    for (size_t i = 0; i < segments; i++) {
        struct cold_walk walk;
        struct cold_item item;
        assert_int_equal(cold_walk_open(&walk, w.fs, "/d", list.first[i], NULL, true, &err), 0);
        while (cold_walk_next(&walk, 0, &item, &err) == 1) {
            if (item.frame.count == 0)
                continue;
            struct event e;
            assert_int_equal(record_decode_envelope(item.records[0].bytes, &e, &err), 0);
            for (size_t at = 0; at + LITERAL_MIN <= e.raw.n; at++)
                assert_int_equal(literals_may_hold(&walk.cold, &walk.cold.entries[0],
                                                   sv_make(e.raw.p + at, LITERAL_MIN), &err),
                                 1);
        }
        holding += (size_t)literals_may_hold(&walk.cold, &walk.cold.entries[0],
                                             SV("client-9e3779b1 FINISHED"), &err);
        cold_walk_close(&walk);
    }
    segment_list_free(&list);
    assert_int_equal(holding, 1); /* record 1, and nowhere else */
    assert_true(segments > 10);
    /* a reader that wants it reads little more than it */
    struct buf found;
    read_all(&w, &(struct journal_want){INT64_MIN, INT64_MAX, SV("Client-9e3779b1 finished"), 0}, &found);
    struct buf all;
    read_all(&w, NULL, &all);
    assert_true(found.n > 0 && found.n < all.n / 2);
    buf_free(&all);
    buf_free(&found);
    buf_free(&blocks);
    sim_fs_free(&w.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),          cmocka_unit_test(test_drop),      cmocka_unit_test(test_proof),
        cmocka_unit_test(test_without_seeds), cmocka_unit_test(test_seed_goes), cmocka_unit_test(test_rot),
        cmocka_unit_test(test_literals),      cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests_name("J-06 X-13 cold segments", tests, NULL, NULL);
}
