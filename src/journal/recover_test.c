/*
 * Torn tail or damage: made by hand, byte by byte, on the simulated disk.
 */
#include "journal/cursor.h"
#include "journal/journal_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char dir[] = "/d";

struct rig {
    struct sim_fs *sim;
    struct sim_clk clk;
    struct sim_rng rng;
    struct journal *journal;
};

static struct journal_options options_of(struct rig *rig, uint64_t segment_bytes)
{
    return (struct journal_options){.fs = sim_fs_seam(rig->sim),
                                    .clk = &rig->clk.clk,
                                    .rng = &rig->rng.rng,
                                    .dir = dir,
                                    .segment_bytes = segment_bytes,
                                    .inline_commit = true};
}

static int rig_open(struct rig *rig, uint64_t segment_bytes, struct journal_recovery *ret, struct err *err)
{
    struct journal_options options = options_of(rig, segment_bytes);
    return journal_open(&options, &rig->journal, ret, err);
}

static void append_one(struct rig *rig, unsigned number)
{
    struct kit_batch k;
    kit_make(&k, number, 1 + number % 2, 40);
    assert_int_equal(journal_append_wait(rig->journal, &k.batch, NULL, NULL), 0);
    buf_free(&k.blocks);
}

static void append_next(void *context, int rc, uint64_t first)
{
    (void)rc;
    (void)first;
    struct kit_batch k;
    for (unsigned b = 0; b < 3; b++) {
        kit_make(&k, 100 + b, 1, 40);
        assert_int_equal(journal_append(context, &k.batch, NULL, NULL, NULL, NULL), 0);
        buf_free(&k.blocks);
    }
}

/* Batches 1..n, each a group commit of its own; `group`: then 99, and 100, 101, 102 in one. Left as kill -9
 * leaves it (no mark), or closed. */
static void rig_fill(struct rig *rig, uint64_t segment_bytes, unsigned n, bool group, bool close)
{
    struct kit_batch k;
    *rig = (struct rig){.sim = sim_fs_new(0)};
    sim_clk_init(&rig->clk, KIT_NOW);
    sim_rng_init(&rig->rng, 5);
    assert_int_equal(rig_open(rig, segment_bytes, NULL, NULL), 0);
    for (unsigned b = 1; b <= n; b++)
        append_one(rig, b);
    if (group) {
        kit_make(&k, 99, 1, 40);
        assert_int_equal(journal_append(rig->journal, &k.batch, append_next, rig->journal, NULL, NULL), 0);
        buf_free(&k.blocks);
    }
    if (!close)
        sim_fs_cut_at(rig->sim, 1);
    journal_close(&rig->journal);
    if (!close)
        sim_fs_crash(rig->sim, 1, SIM_FS_DROP);
}

struct place {
    uint64_t offset, bytes;
};

/* Where the frames of the segment that begins at `first` lie. */
static size_t places(struct rig *rig, uint64_t first, struct place *ret, size_t max)
{
    struct cursor c;
    struct frame f;
    size_t n = 0;
    assert_int_equal(cursor_open(&c, sim_fs_seam(rig->sim), dir, first, NULL), CURSOR_FRAME);
    for (uint64_t at = c.offset; n < max && cursor_next(&c, &f, NULL, NULL) == CURSOR_FRAME; at = c.offset)
        ret[n++] = (struct place){at, f.bytes};
    cursor_close(&c);
    return n;
}

static const char first_segment[] = "/d/journal/00000000000000000001.seg";

static struct buf slurp(struct rig *rig, const char *path)
{
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(fs_read_file(sim_fs_seam(rig->sim), path, &bytes, NULL), 0);
    return bytes;
}

/* Reader, verify and open agree: a torn tail with `batches` before it. */
static void require_torn(struct rig *rig, size_t batches, const char *what)
{
    struct journal_verify_report report;
    struct journal_recovery recovery;
    struct kit_found found;
    struct err err = {0};
    const struct fs *fs = sim_fs_seam(rig->sim);
    if (journal_verify(fs, dir, &report, &err) != 0 || report.torn_bytes == 0)
        fail_msg("%s: verify: %s", what, err.text);
    if (kit_read(fs, dir, &found, &err) != 0 || found.n != batches)
        fail_msg("%s: read %zu batches: %s", what, found.n, err.text);
    if (rig_open(rig, 0, &recovery, &err) != 0)
        fail_msg("%s: open: %s", what, err.text);
    assert_int_equal(recovery.torn_bytes, report.torn_bytes);
    assert_string_equal(recovery.torn_file, report.torn_file);
    assert_int_equal(recovery.records, report.records);
    append_one(rig, 200);
    journal_close(&rig->journal);
    assert_int_equal(journal_verify(fs, dir, &report, &err), 0);
    assert_int_equal(report.torn_bytes, 0);
}

static void require_damage(struct rig *rig, const char *what)
{
    struct journal_verify_report report;
    struct kit_found found;
    struct err err = {0}, open_err = {0};
    const struct fs *fs = sim_fs_seam(rig->sim);
    if (journal_verify(fs, dir, &report, &err) != TC_ECORRUPT)
        fail_msg("%s: verify took it", what);
    assert_non_null(strstr(err.file, ".seg"));
    assert_non_null(strstr(err.text, "offset "));
    if (kit_read(fs, dir, &found, &err) != TC_ECORRUPT)
        fail_msg("%s: the reader took it", what);
    assert_true(kit_is_ordered(&found));
    if (rig_open(rig, 0, NULL, &open_err) != TC_ECORRUPT)
        fail_msg("%s: open took it", what);
    assert_non_null(strstr(open_err.text, "tocsin verify"));
}

static void test_torn_at_every_length(void **state)
{
    (void)state;
    struct rig rig;
    struct place at[8];
    rig_fill(&rig, 0, 4, false, false);
    assert_int_equal(places(&rig, 1, at, 8), 4);
    struct buf whole = slurp(&rig, first_segment);
    for (uint64_t n = at[3].offset + 1; n < whole.n; n++) {
        sim_fs_put(rig.sim, first_segment, sv_head(buf_view(&whole), n));
        require_torn(&rig, 3, "cut");
    }
    buf_free(&whole);
    sim_fs_free(&rig.sim);
}

/* Zeros behind the end, as a disk leaves that knew the size but not the bytes. */
static void test_zeros_are_a_torn_tail(void **state)
{
    (void)state;
    struct rig rig;
    rig_fill(&rig, 0, 3, false, false);
    struct buf whole = slurp(&rig, first_segment);
    for (size_t zeros = 1; zeros < 9000; zeros = zeros * 2 + 1) {
        struct buf longer;
        buf_init(&longer, 1 << 20);
        buf_sv(&longer, buf_view(&whole));
        memset(buf_reserve(&longer, zeros), 0, zeros);
        longer.n += zeros;
        sim_fs_put(rig.sim, first_segment, buf_view(&longer));
        require_torn(&rig, 3, "zeros");
        buf_free(&longer);
    }
    buf_free(&whole);
    sim_fs_free(&rig.sim);
}

/* The last commit wrote three frames at once: any subset of them may be garbage, and nobody was told. */
static void test_shredded_group_is_a_torn_tail(void **state)
{
    (void)state;
    struct rig rig;
    struct place at[16];
    rig_fill(&rig, 0, 3, true, false);
    assert_int_equal(places(&rig, 1, at, 16), 7); /* 1 2 3 99 and 100 101 102 */
    struct buf whole = slurp(&rig, first_segment);
    for (unsigned mask = 1; mask < 8; mask++) {
        sim_fs_put(rig.sim, first_segment, buf_view(&whole));
        size_t good = 0;
        for (unsigned i = 0; i < 3; i++)
            if (mask & 1u << i)
                sim_fs_flip(rig.sim, first_segment, at[4 + i].offset + at[4 + i].bytes / 2, 0xff);
        while (!(mask & 1u << good))
            good++;
        require_torn(&rig, 4 + good, "shredded group");
    }
    buf_free(&whole);
    sim_fs_free(&rig.sim);
}

/* Before the last commit everything was promised: each byte that changes is damage. */
static void test_damage_in_the_middle(void **state)
{
    (void)state;
    struct rig rig;
    struct place at[16];
    rig_fill(&rig, 0, 3, true, false);
    places(&rig, 1, at, 16);
    for (uint64_t offset = 0; offset < at[4].offset; offset++) {
        char what[40];
        snprintf(what, sizeof what, "byte %llu", (unsigned long long)offset);
        assert_true(sim_fs_flip(rig.sim, first_segment, offset, 0x10));
        require_damage(&rig, what);
        sim_fs_flip(rig.sim, first_segment, offset, 0x10);
    }
    sim_fs_free(&rig.sim);
}

/* A journal that was closed says so: then no record's damage can pass for a torn tail. */
static void test_damage_after_an_orderly_end(void **state)
{
    (void)state;
    struct rig rig;
    struct place at[16];
    rig_fill(&rig, 0, 3, true, true);
    size_t n = places(&rig, 1, at, 16);
    assert_int_equal(n, 8);
    for (uint64_t offset = 0; offset < at[7].offset; offset += 3) {
        assert_true(sim_fs_flip(rig.sim, first_segment, offset, 0x01));
        require_damage(&rig, "closed journal");
        sim_fs_flip(rig.sim, first_segment, offset, 0x01);
    }
    sim_fs_flip(rig.sim, first_segment, at[7].offset + 9, 0x01); /* the mark itself holds nothing */
    require_torn(&rig, 7, "mark");
    sim_fs_free(&rig.sim);
}

static void test_damage_in_an_earlier_segment(void **state)
{
    (void)state;
    struct rig rig;
    struct place at[32];
    rig_fill(&rig, 600, 12, false, false);
    size_t n = places(&rig, 1, at, 32);
    assert_true(n > 0 && n < 12);
    /* the last frame of a segment that has a successor was durable, although nothing follows it in its file
     */
    uint64_t offset = at[n - 1].offset + 20;
    sim_fs_flip(rig.sim, first_segment, offset, 0x10);
    require_damage(&rig, "earlier segment");
    sim_fs_flip(rig.sim, first_segment, offset, 0x10);
    struct buf whole = slurp(&rig, first_segment);
    sim_fs_put(rig.sim, first_segment, sv_head(buf_view(&whole), at[n - 1].offset));
    require_damage(&rig, "earlier segment cut short at a frame");
    sim_fs_put(rig.sim, first_segment, buf_view(&whole));
    struct journal_verify_report report;
    assert_int_equal(journal_verify(sim_fs_seam(rig.sim), dir, &report, NULL), 0);
    buf_free(&whole);
    sim_fs_free(&rig.sim);
}

struct names {
    char path[64][64];
    size_t n;
};

static void note_name(void *context, const char *name)
{
    struct names *names = context;
    if (!sv_ends(sv_of(name), SV(".seg")))
        return; /* salts, which nothing hangs on */
    snprintf(names->path[names->n++], sizeof names->path[0], "/d/journal/%.40s", name);
}

static void test_missing_segment(void **state)
{
    (void)state;
    struct rig rig;
    struct names names = {.n = 0};
    struct journal_verify_report report;
    rig_fill(&rig, 600, 12, false, false);
    const struct fs *fs = sim_fs_seam(rig.sim);
    fs->list(fs, "/d/journal", note_name, &names);
    assert_true(names.n > 3);
    fs->unlink(fs, names.path[1]);
    require_damage(&rig, "missing segment");
    rig.clk.now_ns += 3600 * TC_SECOND_NS; /* also where no key is looked for that far back */
    require_damage(&rig, "missing segment, later");
    /* the oldest may go: that is what retention does */
    fs->unlink(fs, names.path[0]);
    assert_int_equal(journal_verify(fs, dir, &report, NULL), 0);
    struct journal_reader *reader;
    struct journal_frame frame;
    struct err err = {0};
    assert_int_equal(journal_reader_open(fs, dir, 0, NULL, &reader, &err), 0);
    assert_int_equal(journal_reader_next(reader, &frame, &err), 1);
    assert_true(frame.first > 1);
    journal_reader_close(&reader);
    assert_int_equal(rig_open(&rig, 600, NULL, &err), 0);
    append_one(&rig, 50);
    journal_close(&rig.journal);
    sim_fs_free(&rig.sim);
}

/* A segment's creation cut off before its header was synced: whatever the header's bytes are, it is removed,
 * and the segment before it is whole. */
static void test_unfinished_segment(void **state)
{
    (void)state;
    for (size_t n = 0; n <= SEGMENT_HEADER_BYTES; n += 36) {
        struct rig rig;
        char garbage[SEGMENT_HEADER_BYTES];
        memset(garbage, 'g', sizeof garbage);
        rig_fill(&rig, 0, 3, false, false);
        struct kit_found found;
        assert_int_equal(kit_read(sim_fs_seam(rig.sim), dir, &found, NULL), 0);
        char next[64];
        snprintf(next, sizeof next, "/d/journal/%020llu.seg", (unsigned long long)found.end);
        sim_fs_put(rig.sim, next, sv_make(garbage, n));
        /* it was begun, so all before it was synced: what looks like a torn tail there is damage */
        struct place at[8];
        size_t frames = places(&rig, 1, at, 8);
        sim_fs_flip(rig.sim, first_segment, at[frames - 1].offset + 5, 0x10);
        struct journal_verify_report report;
        struct err err;
        assert_int_equal(journal_verify(sim_fs_seam(rig.sim), dir, &report, &err), TC_ECORRUPT);
        assert_int_equal(rig_open(&rig, 0, NULL, &err), TC_ECORRUPT);
        sim_fs_flip(rig.sim, first_segment, at[frames - 1].offset + 5, 0x10);
        sim_fs_put(rig.sim, next, sv_make(garbage, n));
        require_torn(&rig, 3, "unfinished segment");
        sim_fs_free(&rig.sim);
    }
}

static void test_lock_and_newer_format(void **state)
{
    (void)state;
    struct rig rig, other;
    struct err err;
    rig_fill(&rig, 0, 2, false, false);
    assert_int_equal(rig_open(&rig, 0, NULL, &err), 0);
    other = rig;
    assert_int_equal(rig_open(&other, 0, NULL, &err), TC_ESTATE);
    assert_non_null(strstr(err.text, "in use"));
    journal_close(&rig.journal);
    sim_fs_flip(rig.sim, first_segment, 8, 0x02);  /* version 3 */
    sim_fs_flip(rig.sim, first_segment, 12, 0x40); /* with another header length */
    assert_int_equal(rig_open(&rig, 0, NULL, &err), TC_EUNSUPPORTED);
    struct journal_verify_report report;
    assert_int_equal(journal_verify(sim_fs_seam(rig.sim), dir, &report, &err), TC_EUNSUPPORTED);
    sim_fs_free(&rig.sim);
}

/* Keys are found again from as many segments back as the 15 minutes reach, by receive time. */
static void test_keys_over_segments(void **state)
{
    (void)state;
    struct rig rig;
    struct kit_batch k;
    uint64_t first;
    rig = (struct rig){.sim = sim_fs_new(0)};
    sim_clk_init(&rig.clk, KIT_NOW);
    sim_rng_init(&rig.rng, 5);
    assert_int_equal(rig_open(&rig, 600, NULL, NULL), 0);
    for (unsigned b = 1; b <= 30; b++) { /* one a minute */
        kit_make(&k, b, 1, 100);
        k.batch.received = (struct receive_time){rig.clk.now_ns};
        assert_int_equal(journal_append_wait(rig.journal, &k.batch, NULL, NULL), 0);
        buf_free(&k.blocks);
        rig.clk.now_ns += 60 * TC_SECOND_NS;
    }
    journal_close(&rig.journal);
    assert_int_equal(rig_open(&rig, 600, NULL, NULL), 0);
    for (unsigned b = 1; b <= 30;
         b++) { /* it is minute 30 now: 15 to 29 are known, which are batches 16 to 30 */
        kit_make(&k, b, 1, 100);
        k.batch.received = (struct receive_time){rig.clk.now_ns};
        int rc = journal_append_wait(rig.journal, &k.batch, &first, NULL);
        assert_int_equal(rc, b >= 16 ? TC_EEXIST : 0);
        assert_int_equal(first, b >= 16 ? b : 30 + b);
        buf_free(&k.blocks);
    }
    journal_close(&rig.journal);
    sim_fs_free(&rig.sim);
}

/* Somebody who can compute checksums changes a record: the chain still tells. */
static void test_chain_tells_a_resealed_change(void **state)
{
    (void)state;
    struct rig rig;
    struct place at[8];
    struct err err;
    struct journal_verify_report report;
    rig_fill(&rig, 0, 4, false, false);
    places(&rig, 1, at, 8);
    struct buf whole = slurp(&rig, first_segment);
    struct segment_header header;
    assert_int_equal(segment_decode(buf_view(&whole), 1, "f", &header, &err), 0);
    char *frame = whole.p + at[1].offset;
    struct frame f;
    assert_null(frame_decode(frame, header.checksum_seed, at[1].offset, &f));
    frame[FRAME_HEADER_BYTES + TC_RECORD_HEADER_BYTES + 4 + TC_RECORD_SALT_BYTES + 20] ^=
        1; /* in the raw text */
    frame_seal(frame, f.bytes, f.head, header.checksum_seed, at[1].offset);
    sim_fs_put(rig.sim, first_segment, buf_view(&whole));
    assert_int_equal(journal_verify(sim_fs_seam(rig.sim), dir, &report, &err), TC_ECORRUPT);
    assert_non_null(strstr(err.text, "chain"));
    assert_int_equal(report.frames, 1);
    assert_int_equal(rig_open(&rig, 0, NULL, &err), TC_ECORRUPT);
    buf_free(&whole);
    sim_fs_free(&rig.sim);
}

/* A frame that is valid at its place but does not follow the one before it is not read as if it did. */
static void test_order_is_checked(void **state)
{
    (void)state;
    static const struct {
        uint64_t first, commit, durable_before;
    } wrong[] = {{1, 1, 0}, {UINT64_MAX, 1, 0}, {0, 0, 0}, {0, 1, 8}, {0, 1, UINT64_MAX - 7}};
    for (size_t i = 0; i < TC_ARRAY_LEN(wrong); i++) {
        struct rig rig;
        struct place at[8];
        struct segment_header header;
        struct frame f;
        struct journal_reader *reader;
        struct journal_frame frame;
        rig_fill(&rig, 0, 3, false, false);
        places(&rig, 1, at, 8);
        struct buf whole = slurp(&rig, first_segment);
        assert_int_equal(segment_decode(buf_view(&whole), 1, "f", &header, NULL), 0);
        assert_null(frame_decode(whole.p + at[1].offset, header.checksum_seed, at[1].offset, &f));
        f.first += wrong[i].first;
        f.commit = wrong[i].commit == 0 ? f.commit - 1 : f.commit;
        f.durable_before += wrong[i].durable_before;
        if (f.durable_before > at[1].offset)
            f.durable_before = SEGMENT_HEADER_BYTES;
        frame_encode(&f, whole.p + at[1].offset);
        frame_seal(whole.p + at[1].offset, f.bytes, f.head, header.checksum_seed, at[1].offset);
        sim_fs_put(rig.sim, first_segment, buf_view(&whole));
        assert_int_equal(journal_reader_open(sim_fs_seam(rig.sim), dir, 0, NULL, &reader, NULL), 0);
        assert_int_equal(journal_reader_next(reader, &frame, NULL), 1);
        assert_int_equal(journal_reader_next(reader, &frame, NULL), TC_ECORRUPT);
        journal_reader_close(&reader);
        buf_free(&whole);
        sim_fs_free(&rig.sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torn_at_every_length),
        cmocka_unit_test(test_zeros_are_a_torn_tail),
        cmocka_unit_test(test_shredded_group_is_a_torn_tail),
        cmocka_unit_test(test_damage_in_the_middle),
        cmocka_unit_test(test_damage_after_an_orderly_end),
        cmocka_unit_test(test_damage_in_an_earlier_segment),
        cmocka_unit_test(test_missing_segment),
        cmocka_unit_test(test_unfinished_segment),
        cmocka_unit_test(test_lock_and_newer_format),
        cmocka_unit_test(test_keys_over_segments),
        cmocka_unit_test(test_order_is_checked),
        cmocka_unit_test(test_chain_tells_a_resealed_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
