/*
 * Folding ASCII; see fold.h. No byte outside of the value is read: its last bytes are taken with those before
 * them where there are enough, which folds some twice, to the same.
 */
#include "detect/fold.h"

#include "base/buf.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BYTES_OF(byte) (UINT64_C(0x0101010101010101) * (byte))

/* A word of ASCII bytes in lower case. */
static inline uint64_t lower_word(uint64_t w)
{
    uint64_t capitals = ((w + BYTES_OF(0x80 - 'A')) ^ (w + BYTES_OF(0x7F - 'Z'))) & BYTES_OF(0x80);
    return w | capitals >> 2;
}

#ifdef __SSE2__
/* False where one of the sixteen bytes is not ASCII. */
static inline bool fold_block(char *to, const char *p)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i above = _mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)),
                  below = _mm_cmplt_epi8(v, _mm_set1_epi8('Z' + 1));
    const __m128i bit = _mm_and_si128(_mm_and_si128(above, below), _mm_set1_epi8(0x20));
    _mm_storeu_si128((__m128i *)(void *)to, _mm_or_si128(v, bit));
    return _mm_movemask_epi8(v) == 0;
}
#else
static inline bool fold_block(char *to, const char *p)
{
    uint64_t a = load_u64(p), b = load_u64(p + 8);
    store_u64(to, lower_word(a & BYTES_OF(0x7F)));
    store_u64(to + 8, lower_word(b & BYTES_OF(0x7F)));
    return ((a | b) & BYTES_OF(0x80)) == 0;
}
#endif

size_t fold_ascii(char *to, struct sv value)
{
    enum { BLOCK = 16, WORD = 8 };
    size_t at = 0;
    while (value.n - at >= BLOCK && fold_block(to + at, value.p + at))
        at += BLOCK;
    if (at == value.n)
        return at;
    if (at > 0 && value.n - at < BLOCK && fold_block(to + value.n - BLOCK, value.p + value.n - BLOCK))
        return value.n;
    if (value.n >= WORD && value.n < BLOCK) {
        uint64_t first = load_u64(value.p), last = load_u64(value.p + value.n - WORD);
        store_u64(to, lower_word(first & BYTES_OF(0x7F)));
        store_u64(to + value.n - WORD, lower_word(last & BYTES_OF(0x7F)));
        if (((first | last) & BYTES_OF(0x80)) == 0)
            return value.n;
    }
    for (; at < value.n && (unsigned char)value.p[at] < 0x80; at++)
        to[at] = value.p[at] >= 'A' && value.p[at] <= 'Z' ? (char)(value.p[at] + 32) : value.p[at];
    return at;
}
