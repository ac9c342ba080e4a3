/*
 * Sigma's strings as token lists, and the modifiers that rewrite them.
 *
 * A wildcard is a token, never the character *: so `contains` on a value that ends in a backslash cannot turn
 * into an escaped star, and an escaped star stays a star through every modifier.
 */
#include "base/utf8.h"
#include "detect/sigma.h"

/* --- building
 * -------------------------------------------------------------------------------------------------------------------
 */

/* A list under construction: text gathers in `text` until a token of another kind comes. */
struct builder {
    struct arena *arena;
    struct token *tokens;
    size_t count, capacity;
    char *text;
    size_t text_n;
};

/* `bytes` bounds the text of one token, `tokens` their number. */
static struct builder builder_of(struct arena *arena, size_t bytes, size_t tokens)
{
    return (struct builder){
        .arena = arena,
        .tokens = ARENA_ARRAY(arena, struct token, tokens + 1),
        .capacity = tokens + 1,
        .text = arena_alloc(arena, bytes + 1),
    };
}

static void flush_text(struct builder *b)
{
    if (b->text_n == 0)
        return;
    tc_assert(b->count < b->capacity);
    b->tokens[b->count++] = (struct token){TOKEN_TEXT, sv_make(b->text, b->text_n)};
    b->text += b->text_n;
    b->text_n = 0;
}

static void add_char(struct builder *b, char c)
{
    b->text[b->text_n++] = c;
}

static void add_token(struct builder *b, enum token_kind kind)
{
    flush_text(b);
    tc_assert(b->count < b->capacity);
    b->tokens[b->count++] = (struct token){.kind = kind};
}

static struct token_list finish(struct builder *b)
{
    flush_text(b);
    return (struct token_list){b->tokens, b->count};
}

/* --- reading
 * ------------------------------------------------------------------------------------------------------------------
 */

struct token_list sigma_string(struct arena *arena, struct sv text)
{
    struct builder b = builder_of(arena, text.n, text.n);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        char next = i + 1 < text.n ? text.p[i + 1] : '\0';
        if (c == '\\' && (next == '\\' || next == '*' || next == '?')) {
            add_char(&b, next);
            i++;
        } else if (c == '*') {
            add_token(&b, TOKEN_STAR);
        } else if (c == '?') {
            add_token(&b, TOKEN_ONE);
        } else {
            add_char(&b, c);
        }
    }
    return finish(&b);
}

struct token_list sigma_text(struct arena *arena, struct sv text)
{
    struct token_list list = {ARENA_NEW(arena, struct token), text.n > 0};
    list.tokens[0] = (struct token){TOKEN_TEXT, text};
    return list;
}

struct token_list sigma_open(struct arena *arena, struct token_list list, bool start, bool end)
{
    struct token_list open = {ARENA_ARRAY(arena, struct token, list.count + 2), 0};
    if (start)
        open.tokens[open.count++] = (struct token){.kind = TOKEN_STAR};
    for (size_t i = 0; i < list.count; i++)
        open.tokens[open.count++] = list.tokens[i];
    if (end)
        open.tokens[open.count++] = (struct token){.kind = TOKEN_STAR};
    return open;
}

bool sigma_has_wildcard(struct token_list list)
{
    for (size_t i = 0; i < list.count; i++)
        if (list.tokens[i].kind == TOKEN_STAR || list.tokens[i].kind == TOKEN_ONE)
            return true;
    return false;
}

/* --- windash
 * ------------------------------------------------------------------------------------------------------------------
 */

static const char *const dashes[] = {"-", "/", "\xE2\x80\x93", "\xE2\x80\x94", "\xE2\x80\x95"};

static size_t dash_at(struct sv text)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(dashes); i++)
        if (sv_starts(text, sv_of(dashes[i])))
            return strlen(dashes[i]);
    return 0;
}

/* A letter, digit or underscore; beyond ASCII all but the punctuation blocks. */
static bool is_word(uint32_t rune)
{
    if (rune < 0x80)
        return rune == '_' || (rune >= '0' && rune <= '9') || ((rune | 32) >= 'a' && (rune | 32) <= 'z');
    if (rune < 0xC0)
        return rune == 0xAA || rune == 0xB5 || rune == 0xBA;
    return rune != 0xD7 && rune != 0xF7 && !(rune >= 0x2000 && rune <= 0x206F) &&
           !(rune >= 0x2190 && rune <= 0x2BFF) && !(rune >= 0x3000 && rune <= 0x303F);
}

static bool word_follows(struct sv text)
{
    uint32_t rune;
    return utf8_decode(text, &rune) > 0 && is_word(rune);
}

/* A dash that begins an option: nothing or no word before it, a word after it. */
static void windash_text(struct builder *b, struct sv text)
{
    bool after_word = false;
    for (size_t i = 0; i < text.n;) {
        size_t n = dash_at(sv_from(text, i));
        if (n > 0 && !after_word && word_follows(sv_from(text, i + n))) {
            add_token(b, TOKEN_DASH);
        } else {
            uint32_t rune;
            n = utf8_decode(sv_from(text, i), &rune);
            after_word = n > 0 && is_word(rune);
            n = TC_MAX(n, 1);
            for (size_t k = 0; k < n; k++)
                add_char(b, text.p[i + k]);
        }
        i += n;
    }
}

static size_t text_bytes(struct token_list list)
{
    size_t n = 0;
    for (size_t i = 0; i < list.count; i++)
        n += list.tokens[i].text.n;
    return n;
}

struct token_list sigma_windash(struct arena *arena, struct token_list list)
{
    size_t bytes = text_bytes(list);
    struct builder b = builder_of(arena, bytes, list.count + bytes);
    for (size_t i = 0; i < list.count; i++)
        if (list.tokens[i].kind == TOKEN_TEXT) {
            windash_text(&b, list.tokens[i].text);
            flush_text(&b);
        } else {
            add_token(&b, list.tokens[i].kind);
        }
    return finish(&b);
}

size_t sigma_dash_count(struct token_list list)
{
    size_t n = 0;
    for (size_t i = 0; i < list.count; i++)
        n += list.tokens[i].kind == TOKEN_DASH;
    return n;
}

struct token_list sigma_dashes_chosen(struct arena *arena, struct token_list list, size_t at)
{
    struct builder b = builder_of(arena, text_bytes(list) + 3 * list.count, list.count);
    for (size_t i = 0; i < list.count; i++) {
        struct sv text = list.tokens[i].text;
        if (list.tokens[i].kind == TOKEN_DASH) {
            text = sv_of(dashes[at % TC_ARRAY_LEN(dashes)]);
            at /= TC_ARRAY_LEN(dashes);
        } else if (list.tokens[i].kind != TOKEN_TEXT) {
            add_token(&b, list.tokens[i].kind);
        }
        for (size_t k = 0; k < text.n; k++)
            add_char(&b, text.p[k]);
    }
    return finish(&b);
}

/* --- encodings
 * ----------------------------------------------------------------------------------------------------------------
 */

static void add_unit(struct builder *b, uint32_t unit, bool big)
{
    char low = (char)(unit & 0xFF), high = (char)(unit >> 8);
    add_char(b, big ? high : low);
    add_char(b, big ? low : high);
}

static void utf16_text(struct builder *b, struct sv text, bool big)
{
    for (size_t i = 0; i < text.n;) {
        uint32_t rune = (unsigned char)text.p[i];
        size_t n = utf8_decode(sv_from(text, i), &rune);
        if (rune >= 0x10000) {
            add_unit(b, 0xD800 + ((rune - 0x10000) >> 10), big);
            add_unit(b, 0xDC00 + ((rune - 0x10000) & 0x3FF), big);
        } else {
            add_unit(b, rune, big);
        }
        i += TC_MAX(n, 1);
    }
}

struct token_list sigma_utf16(struct arena *arena, struct token_list list, enum utf16_form form)
{
    struct builder b = builder_of(arena, 2 + 2 * text_bytes(list), list.count + 1);
    if (form == UTF16_BOM)
        add_unit(&b, 0xFEFF, false);
    for (size_t i = 0; i < list.count; i++)
        if (list.tokens[i].kind == TOKEN_TEXT)
            utf16_text(&b, list.tokens[i].text, form == UTF16_BE);
        else
            add_token(&b, list.tokens[i].kind);
    return finish(&b);
}

struct sv sigma_base64(struct arena *arena, struct sv bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = arena_alloc(arena, (bytes.n + 2) / 3 * 4 + 1);
    size_t n = 0;
    for (size_t i = 0; i < bytes.n; i += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (i + k < bytes.n ? (unsigned char)bytes.p[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            out[n++] = i + k <= bytes.n ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    return sv_make(out, n);
}

struct sv sigma_base64_offset(struct arena *arena, struct sv bytes, size_t offset)
{
    /* characters that the unknown bytes before and after have a part in, or the padding, are cut off */
    static const size_t cut_start[] = {0, 2, 3}, cut_end[] = {0, 3, 2};
    char *shifted = arena_alloc(arena, bytes.n + offset + 1);
    if (bytes.n > 0)
        memcpy(shifted + offset, bytes.p, bytes.n);
    struct sv encoded = sigma_base64(arena, sv_make(shifted, bytes.n + offset));
    size_t start = cut_start[offset], end = cut_end[(bytes.n + offset) % 3];
    if (encoded.n < start + end)
        return SV("");
    return sv_make(encoded.p + start, encoded.n - start - end);
}
