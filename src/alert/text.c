/*
 * Texts from outside, made fit to keep: valid UTF-8 and no longer than stated.
 *
 * Cleaning happens once, when an alert is made, so that the alert in memory, its JSON and its fingerprint
 * speak of the same bytes.
 */
#include "alert/alert_priv.h"

#include "base/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

static struct sv text_make(struct arena *arena, struct sv text, size_t max_bytes, bool one_line)
{
    char *to = arena_alloc_raw(arena, max_bytes + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        uint32_t rune = 0;
        size_t length = utf8_decode(sv_from(text, i), &rune);
        bool control = rune < 0x20 || (rune >= 0x7F && rune < 0xA0);
        struct sv piece = length == 0           ? SV(REPLACEMENT)
                          : one_line && control ? SV(" ")
                                                : sv_make(text.p + i, length);
        if (n + piece.n > max_bytes)
            break;
        memcpy(to + n, piece.p, piece.n);
        n += piece.n;
        i += length == 0 ? 1 : length;
    }
    to[n] = '\0';
    return sv_make(to, n);
}

struct sv text_clean(struct arena *arena, struct sv text, size_t max_bytes)
{
    if (text.n <= max_bytes && utf8_valid(text) == text.n)
        return text;
    return text_make(arena, text, max_bytes, false);
}

struct sv text_line(struct arena *arena, struct sv text, size_t max_bytes)
{
    return text_make(arena, text, TC_MIN(max_bytes, text.n * 3), true);
}
