/*
 * UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF) and Unicode simple case folding, without
 * locale.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

/* Bytes of the first code point (1-4) with *ret_rune set, or 0 where the bytes are not UTF-8 (or `text` is
 * empty). */
size_t utf8_decode(struct sv text, uint32_t *ret_rune);
/* Writes 1-4 bytes; `rune` must be a scalar value. */
size_t utf8_encode(uint32_t rune, char out[4]);
/* Offset of the first byte that is not valid UTF-8, or text.n. */
size_t utf8_valid(struct sv text);
/* Unicode simple case folding (CaseFolding.txt, status C and S). */
uint32_t utf8_fold_rune(uint32_t rune);
/* Appends `text` folded, for comparison without case. Bytes that are not UTF-8 are kept as they are. */
void utf8_fold(struct buf *buf, struct sv text);

#endif
