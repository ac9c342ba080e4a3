/*
 * Any bytes as a packed column (what is read is written again and must come back), and as the parts of a
 * block's index.
 */
#include "metrics/tsdb/block_layout.h"
#include "metrics/tsdb/packed.h"

#include "base/arena.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void column(struct sv in, size_t n)
{
    int64_t v[PACKED_MAX], again[PACKED_MAX];
    struct buf out;
    if (!packed_get(&in, v, n))
        return;
    for (size_t i = 0; i < n; i++)
        if (v[i] > INT64_C(1) << 53 || v[i] < -(INT64_C(1) << 53))
            return;
    buf_init(&out, 1 << 20);
    packed_put(&out, v, n);
    for (size_t i = 0; i < PACKED_SLACK; i++)
        buf_u8(&out, 0);
    struct sv view = sv_make(out.p, out.n - PACKED_SLACK);
    tc_assert(packed_get(&view, again, n) && view.n == 0 && memcmp(v, again, n * sizeof *v) == 0);
    buf_free(&out);
}

static void parts(struct sv in)
{
    struct buf symbols, times, series;
    buf_init(&symbols, 1 << 24);
    buf_init(&times, 1 << 24);
    buf_init(&series, 1 << 24);
    (void)block_symbols_get(in, &symbols);
    bool good = block_times_get(in, &times);
    (void)block_series_get(in, good ? buf_view(&times) : SV(""), &series);
    buf_free(&symbols);
    buf_free(&times);
    buf_free(&series);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 16)
        return 0;
    size_t n = 1 + (data[0] | (size_t)data[1] << 8) % PACKED_MAX;
    char *exact = tc_alloc(size - 2 + PACKED_SLACK);
    memcpy(exact, data + 2, size - 2);
    column(sv_make(exact, size - 2), n);
    parts(sv_make(exact, size - 2));
    free(exact);
    return 0;
}
