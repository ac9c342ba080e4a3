/*
 * Fuzzes what a cold segment's chunk and header may hold: any bytes give records that are whole, or are
 * refused; and what is unpacked and packed again is the same.
 */
#include "journal/cold.h"
#include "journal/cold_chunk.h"
#include "journal/cold_columns.h"
#include "journal/cold_pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct sv blocks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t n = record_length(blocks);
        if (n == 0)
            return; /* told by the content's checksum */
        blocks = sv_from(blocks, n);
    }
}

/* The file that a chunk is read from. */
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

static void look_into(struct cold_chunk *chunk, const struct cold_entry *entry)
{
    struct cold_ids ids;
    const int64_t *times;
    const struct field *fields;
    struct buf positions, blocks;
    uint32_t count, *records = tc_alloc((entry->count + 1) * sizeof records[0]);
    struct sv *values = tc_alloc((entry->count + 1) * sizeof values[0]);
    buf_init(&positions, 1 << 20);
    buf_init(&blocks, 16 << 20);
    if (cold_chunk_ids(chunk, &ids, NULL) == 0) {
        int32_t *field = tc_alloc((ids.shape_count + 1) * sizeof field[0]);
        cold_chunk_times(chunk, &times, NULL);
        for (uint32_t s = 1; s <= ids.shape_count; s++)
            field[s] = cold_chunk_fields(chunk, s, &fields, &count, NULL) == 1 && count > 0
                           ? (int32_t)count - 1
                           : -1;
        cold_chunk_values(chunk, field, values, NULL);
        if (cold_chunk_find(chunk, SV("a1"), records, &count, NULL) == 1)
            cold_chunk_records(chunk, records, count, &positions, &blocks, NULL);
        free(field);
    }
    buf_free(&positions);
    buf_free(&blocks);
    free(values);
    free(records);
}

static void check_chunk(struct sv bytes, uint32_t count)
{
    const struct fs fs = {.read_at = read_file};
    const struct cold cold = {.fs = &fs, .path = "fuzz"};
    struct cold_entry entry = {.kind = COLD_RECORDS,
                               .coding = COLD_COLUMNS,
                               .count = count,
                               .part = {0, bytes.n, count * 1000, hash_64(bytes)}};
    struct cold_chunk *chunk;
    file = bytes;
    if (cold_chunk_open(&cold, &entry, &chunk, NULL) == 0)
        look_into(chunk, &entry);
    cold_chunk_close(&chunk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf positions, blocks;
    struct cold_header header;
    uint8_t seed[SALTS_SEED_BYTES];
    if (size < 4)
        return 0;
    uint32_t count = data[0];
    struct sv bytes = sv_make((const char *)data + 1, size - 1);
    buf_init(&positions, 1 << 20);
    buf_init(&blocks, 16 << 20);
    if (cold_columns_read(bytes, count, &positions, &blocks, seed))
        check(buf_view(&blocks), count);
    check_chunk(bytes, count);
    cold_unpack_records(COLD_PLAIN, bytes, size * 4, count, &positions, &blocks, NULL);
    cold_decode_header(bytes, 1, "fuzz", &header, NULL);
    struct segment_header segment = {.first = 1, .commit = 1};
    struct cold_rows rows = cold_rows_begin(&segment);
    struct reader in = reader_of(bytes);
    struct cold_item item;
    while (cold_rows_get(&rows, &in, &item) == 1)
        ;
    buf_free(&positions);
    buf_free(&blocks);
    return 0;
}
