/*
 * Chunks that nobody wrote: numbers in them that no bytes stand for are refused, by whichever way they are
 * looked at.
 */
#include "journal/cold_chunk.h"
#include "journal/cold_columns.h"
#include "journal/cold_pack.h"
#include "journal/cold_reading.h"

#include "base/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sv file;

static int64_t read_file(const struct fs *fs, int handle, void *to, size_t n, uint64_t offset)
{
    (void)fs;
    (void)handle;
    (void)offset;
    n = TC_MIN(n, file.n);
    memcpy(to, file.p, n);
    return (int64_t)n;
}

static void put_plain(struct buf *out, struct sv bytes)
{
    buf_varint(out, bytes.n);
    buf_varint(out, 0);
    buf_sv(out, bytes);
}

/* One record of one shape, and one column of two streams. */
static void make_chunk(struct sv shape, enum cold_values coding, uint64_t n, struct sv first,
                       struct sv second, struct buf *out)
{
    static const char seed[SALTS_SEED_BYTES];
    char envelope[COLD_ENVELOPE_FIXED] = {0};
    struct buf part[COLD_STREAMS], names;
    for (size_t i = 0; i < COLD_STREAMS; i++)
        buf_init(&part[i], 1 << 10);
    buf_init(&names, 1 << 10);
    buf_varint(&part[COLD_POSITIONS], 1);
    buf_string(&part[COLD_ENVELOPES], sv_make(envelope, sizeof envelope));
    buf_varint(&part[COLD_ENVELOPE], 0);
    buf_varint(&part[COLD_SEQUENCE], 0);
    buf_varint(&part[COLD_RECEIVED], 1);
    buf_varint(&part[COLD_RECEIVED], 0);
    buf_varint(&part[COLD_SOURCE_POSITION], 0);
    buf_varint(&part[COLD_SHAPES], shape.n);
    buf_sv(&part[COLD_SHAPES], shape);
    buf_varint(&part[COLD_SHAPE], 1);
    buf_varint(&names, 1);
    buf_string(&names, SV("column"));
    buf_u8(&names, coding);
    buf_varint(&names, n);
    buf_add(out, seed, sizeof seed);
    for (size_t i = 0; i < COLD_STREAMS; i++) {
        put_plain(out, buf_view(&part[i]));
        buf_free(&part[i]);
    }
    put_plain(out, buf_view(&names));
    put_plain(out, first);
    put_plain(out, second);
    buf_free(&names);
}

/* Opens it, finds "12345678" in it, and puts its record together. */
static int look_into(struct sv bytes, struct sv literal, struct buf *blocks)
{
    const struct fs fs = {.read_at = read_file};
    const struct cold cold = {.fs = &fs, .path = "test"};
    const struct cold_entry entry = {
        .kind = COLD_RECORDS, .coding = COLD_COLUMNS, .count = 1, .part = {0, bytes.n, 1000, hash_64(bytes)}};
    const uint32_t all[1] = {0};
    uint32_t found[1], count = 0;
    struct cold_chunk *chunk;
    struct buf positions;
    struct err err = {0};
    file = bytes;
    int rc = cold_chunk_open(&cold, &entry, &chunk, &err);
    if (rc != 0)
        return rc;
    buf_init(&positions, 1 << 10);
    rc = literal.n > 0 ? cold_chunk_find(chunk, literal, found, &count, &err) : 0;
    if (rc >= 0)
        rc = cold_chunk_records(chunk, all, 1, &positions, blocks, &err);
    buf_free(&positions);
    cold_chunk_close(&chunk);
    return rc;
}

/* A hole, no table, no fields. */
#define HOLE sv_make("\x01\x01\x00\x00\x00", 5)

static void counts_beyond_the_bytes(void **state)
{
    (void)state;
    static const struct {
        enum cold_values coding;
        uint64_t n;
        const char *first, *second;
        const char *literal;
        int rc;
    } cases[] = {
        {COLD_IPV4, 1, "", "\x01\x02\x03\x04", "", 0},
        {COLD_IPV4, (UINT64_C(1) << 62) + 1, "", "\x01\x02\x03\x04", "", TC_ECORRUPT},
        {COLD_SAME_LENGTH, 1, "\x08", "12345678", "12345678", 0},
        {COLD_SAME_LENGTH, (UINT64_C(1) << 61) + 1, "\x08", "12345678", "", TC_ECORRUPT},
        {COLD_SAME_LENGTH, (UINT64_C(1) << 61) + 1, "\x08", "12345678", "87654321", TC_ECORRUPT},
        {COLD_DICTIONARY, (UINT64_C(1) << 63) + 1, "", "12", "", TC_ECORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf bytes, blocks;
        buf_init(&bytes, 1 << 12);
        buf_init(&blocks, 1 << 12);
        make_chunk(HOLE, cases[i].coding, cases[i].n, sv_of(cases[i].first), sv_of(cases[i].second), &bytes);
        int rc = look_into(buf_view(&bytes), sv_of(cases[i].literal), &blocks);
        if (rc != cases[i].rc)
            fail_msg("case %zu: %d", i, rc);
        assert_int_equal(rc == 0, blocks.n > 0);
        buf_free(&bytes);
        buf_free(&blocks);
    }
}

/* A packed stream of few bytes may say that it is half a gigabyte: no room is made for as many values. */
static void counts_beyond_a_chunk(void **state)
{
    (void)state;
    struct buf bytes, many;
    struct cold_reading reading;
    buf_init(&bytes, 1 << 12);
    buf_init(&many, 1 << 12);
    make_chunk(HOLE, COLD_DICTIONARY, (uint64_t)COLD_RAW_MAX_BYTES + 1, SV(""), SV(""), &bytes);
    buf_sv(&many, sv_head(buf_view(&bytes), bytes.n - 2)); /* without the last, empty stream */
    buf_varint(&many, (uint64_t)COLD_RAW_MAX_BYTES + 1);
    buf_varint(&many, 1);
    buf_u8(&many, 0);
    cold_reading_begin(&reading, buf_view(&many), 1);
    assert_true(reading.bad);
    cold_reading_end(&reading);
    buf_free(&bytes);
    buf_free(&many);
}

/* Records of such a shape would have no field for who puts them together, and one for who looks at columns.
 */
static void fields_without_a_table(void **state)
{
    (void)state;
    struct buf shape, bytes, blocks;
    buf_init(&shape, 1 << 10);
    buf_init(&bytes, 1 << 12);
    buf_init(&blocks, 1 << 12);
    buf_add(&shape, "\x01\x01\x00\x00\x01", 5);         /* a hole; no table; a field: */
    buf_add(&shape, "\x00\x00\x03\x00\x00\x00\x00", 7); /* type, flags, all in strings, hash */
    buf_add(&shape, "\x01\x00k\x00", 4);                /* its name, and the column */
    make_chunk(buf_view(&shape), COLD_IPV4, 1, SV(""), SV("\x01\x02\x03\x04"), &bytes);
    assert_int_equal(look_into(buf_view(&bytes), SV(""), &blocks), TC_ECORRUPT);
    buf_free(&shape);
    buf_free(&bytes);
    buf_free(&blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_beyond_the_bytes),
                                       cmocka_unit_test(counts_beyond_a_chunk),
                                       cmocka_unit_test(fields_without_a_table)};
    return cmocka_run_group_tests_name("journal: chunks looked at by columns", tests, NULL, NULL);
}
