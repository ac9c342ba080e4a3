/*
 * UTF-8 decoding and case folding; see utf8.h. The table of utf8_fold_table.h is generated
 * (tools/fold-table.py) from the Unicode character database.
 */
#include "base/utf8.h"

#include "base/utf8_fold_table.h"

size_t utf8_decode(struct sv text, uint32_t *ret_rune)
{
    const unsigned char *p = (const unsigned char *)text.p;
    if (text.n == 0)
        return 0;
    if (p[0] < 0x80) {
        *ret_rune = p[0];
        return 1;
    }
    size_t length = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || text.n < length)
        return 0;
    uint32_t rune = p[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        rune = rune << 6 | (p[i] & 0x3F);
    }
    if ((length == 3 && (rune < 0x800 || (rune >= 0xD800 && rune < 0xE000))) ||
        (length == 4 && (rune < 0x10000 || rune > 0x10FFFF)))
        return 0;
    *ret_rune = rune;
    return length;
}

size_t utf8_encode(uint32_t rune, char out[4])
{
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (char)(0xC0 | rune >> 6);
        out[1] = (char)(0x80 | (rune & 0x3F));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (char)(0xE0 | rune >> 12);
        out[1] = (char)(0x80 | (rune >> 6 & 0x3F));
        out[2] = (char)(0x80 | (rune & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | rune >> 18);
    out[1] = (char)(0x80 | (rune >> 12 & 0x3F));
    out[2] = (char)(0x80 | (rune >> 6 & 0x3F));
    out[3] = (char)(0x80 | (rune & 0x3F));
    return 4;
}

size_t utf8_valid(struct sv text)
{
    size_t at = 0;
    while (at < text.n) {
        /* eight plain ASCII bytes at a time: the common case by far */
        while (text.n - at >= 8 && (load_u64(text.p + at) & UINT64_C(0x8080808080808080)) == 0)
            at += 8;
        if (at == text.n)
            break;
        uint32_t rune;
        size_t length = utf8_decode(sv_from(text, at), &rune);
        if (length == 0)
            return at;
        at += length;
    }
    return text.n;
}

uint32_t utf8_fold_rune(uint32_t rune)
{
    if (rune < 0x80)
        return rune >= 'A' && rune <= 'Z' ? rune + 32 : rune;
    size_t low = 0, high = TC_ARRAY_LEN(utf8_fold_table);
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct utf8_fold_range *range = &utf8_fold_table[middle];
        if (rune < range->first)
            high = middle;
        else if (rune > range->last)
            low = middle + 1;
        else
            return (rune - range->first) % range->stride == 0 ? (uint32_t)((int32_t)rune + range->delta)
                                                              : rune;
    }
    return rune;
}

void utf8_fold(struct buf *buf, struct sv text)
{
    /* folding lengthens a code point by one byte at most (U+023A and U+023E: two bytes become three) */
    char *to = buf_reserve(buf, text.n + text.n / 2 + 4);
    if (to == NULL)
        return;
    char *start = to;
    for (size_t i = 0; i < text.n;) {
        unsigned char c = (unsigned char)text.p[i];
        uint32_t rune;
        size_t length;
        if (c < 0x80) {
            *to++ = c >= 'A' && c <= 'Z' ? (char)(c + 32) : (char)c;
            i++;
        } else if ((length = utf8_decode(sv_from(text, i), &rune)) == 0) {
            *to++ = (char)c;
            i++;
        } else {
            to += utf8_encode(utf8_fold_rune(rune), to);
            i += length;
        }
    }
    buf->n += (size_t)(to - start);
}
