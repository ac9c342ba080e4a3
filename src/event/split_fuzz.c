/*
 * Fuzz target: a stream of any bytes gives the same records however it is cut into reads, in both modes. The
 * first byte of the input is the mode and the size of the reads.
 */
#include "event/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
    struct sv rest;
    size_t piece;
};

static int64_t source_read(void *context, void *to, size_t n, struct err *err)
{
    struct source *source = context;
    (void)err;
    n = TC_MIN(TC_MIN(n, source->piece), source->rest.n);
    if (n > 0)
        memcpy(to, source->rest.p, n);
    source->rest = sv_from(source->rest, n);
    return (int64_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum split_mode mode = data[0] & 1 ? SPLIT_JSON : SPLIT_LINES;
    struct sv text = sv_make((const char *)data + 1, size - 1);
    struct source whole = {text, size}, pieces = {text, (size_t)data[0] / 2 % 17 + 1};
    struct splitter *a = splitter_new(mode, source_read, &whole),
                    *b = splitter_new(mode, source_read, &pieces);
    struct split_record x, y;
    for (;;) {
        int got = splitter_next(a, &x, NULL), other = splitter_next(b, &y, NULL);
        tc_assert(got == other);
        if (got <= 0)
            break;
        tc_assert(sv_eq(x.raw, y.raw) && x.line == y.line && x.index == y.index && x.in_array == y.in_array);
    }
    tc_assert(splitter_bytes(a) == text.n && splitter_bytes(b) == text.n);
    splitter_free(&a);
    splitter_free(&b);
    return 0;
}
