/*
 * Walking a cold segment whose checksums are good and whose directory lies: it is told, and nothing that was
 * lent is touched.
 */
#include "journal/cold_write.h"
#include "journal/journal_kit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct cold_record make_record(enum record_class class, size_t raw_bytes, struct buf *out)
{
    char *raw = tc_alloc(raw_bytes);
    memset(raw, 'x', raw_bytes);
    struct event e = {.type = REC_EVENT,
                      .class = (uint8_t) class,
                      .source = SV("self"),
                      .received = {KIT_NOW},
                      .time = {TC_NO_TIME},
                      .raw = sv_make(raw, raw_bytes),
                      .repeat = 1};
    buf_init(out, raw_bytes + 4096);
    record_encode(&e, out);
    free(raw);
    return (struct cold_record){.bytes = buf_view(out)};
}

static void add(struct cold_writer *w, uint64_t first, struct cold_record *records, uint32_t count)
{
    static const uint8_t head[TC_SHA256_BYTES];
    struct cold_item item = {.frame = {.kind = BATCH_INPUT, .first = first, .count = count},
                             .records = records};
    struct err err;
    item.frame.commit = 1;
    assert_int_equal(cold_writer_add(w, &item, head, &err), 0);
}

/* A frame of three records, of which a class has the first in one chunk and the third in another; its second
 * one stands under another class, too. */
static void test_chunk_within_a_frame(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    const struct fs *fs = sim_fs_seam(sim);
    struct segment_header segment = {.epoch = 1, .first = 1, .commit = 1, .created = {KIT_NOW}};
    struct cold_header header = {.segment = segment, .next = 4, .commit = 1};
    struct cold_writer w;
    struct cold_walk walk;
    struct cold_item item;
    struct err err;
    struct buf bytes[4];
    struct cold_record long_one = make_record(CLASS_AUDIT, COLD_CHUNK_BYTES, &bytes[0]),
                       other = make_record(CLASS_SECURITY, 10, &bytes[1]),
                       two[] = {make_record(CLASS_AUDIT, 20, &bytes[2]),
                                make_record(CLASS_AUDIT, 20, &bytes[3])};
    assert_int_equal(fs->mkdir(fs, "/d"), 0);
    assert_int_equal(cold_writer_begin(&w, fs, "/d/x", &segment, &err), 0);
    add(&w, 1, &long_one, 1); /* closes its chunk */
    add(&w, 2, &other, 1);
    add(&w, 2, two, 2);
    buf_clear(&w.frames);
    w.rows = cold_rows_begin(&segment);
    cold_rows_put(&w.rows,
                  &(struct cold_item){.frame = {.kind = BATCH_INPUT,
                                                .first = 1,
                                                .count = 3,
                                                .commit = 1,
                                                .received = {KIT_NOW},
                                                .payload_bytes = COLD_CHUNK_BYTES + 1000}},
                  &w.frames);
    assert_int_equal(cold_writer_end(&w, &header, &err), 0);
    cold_writer_free(&w);
    assert_int_equal(cold_walk_open_path(&walk, fs, "/d/x", 1, true, &err), 0);
    assert_int_equal(cold_walk_next(&walk, 0, &item, &err), TC_ECORRUPT);
    assert_non_null(strstr(err.text, "a chunk ends within a frame"));
    cold_walk_close(&walk);
    for (size_t i = 0; i < TC_ARRAY_LEN(bytes); i++)
        buf_free(&bytes[i]);
    sim_fs_free(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"J-06 a cold segment's directory that lies is told", test_chunk_within_a_frame, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("cold_walk", tests, NULL, NULL);
}
