/*
 * Rewriting records so that nothing of what redact_find.h names is left; see redact.h.
 *
 * JSON is walked token by token, without a tree: each string is decoded beside a map back to its raw bytes,
 * examined decoded, and only the raw bytes of a finding are replaced; all else stays as it was sent. A text
 * that claims to be JSON but cannot be walked is treated as text.
 *
 * What was rewritten is examined again until nothing is found: that makes redaction idempotent by
 * construction, and a detector that would find its own traces for ever becomes a failure, which is closed.
 */
#include "event/redact.h"

#include "base/hash.h"
#include "base/utf8.h"
#include "event/redact_find.h"

#include <nettle/hmac.h>
#include <stdlib.h>

enum { ROUNDS_MAX = 4, PSEUDONYM_BYTES = 8 };

struct redactor {
    struct hmac_sha256_ctx keyed; /* copied for each pseudonym */
    char *fail_on;
};

struct redactor *redactor_new(const uint8_t key[TC_REDACT_KEY_BYTES])
{
    struct redactor *redactor = tc_alloc(sizeof *redactor);
    hmac_sha256_set_key(&redactor->keyed, TC_REDACT_KEY_BYTES, key);
    return redactor;
}

void redactor_free(struct redactor **redactor_at)
{
    if (*redactor_at == NULL)
        return;
    free((*redactor_at)->fail_on);
    explicit_bzero(*redactor_at, sizeof **redactor_at);
    free(*redactor_at);
    *redactor_at = NULL;
}

void redactor_fail_on(struct redactor *redactor, const char *marker)
{
    free(redactor->fail_on);
    redactor->fail_on = marker == NULL ? NULL : tc_strdup(marker);
}

/* --- replacing --- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* An address has one pseudonym however it is written: in capitals, with %40 or \u0040. */
static void pseudonym(const struct redactor *redactor, struct sv address, struct buf *out)
{
    static const struct sv forms[] = {{"%40", 3}, {"\\u0040", 6}};
    struct hmac_sha256_ctx keyed = redactor->keyed;
    uint8_t hash[PSEUDONYM_BYTES];
    char hex[2 * PSEUDONYM_BYTES + 1];
    for (size_t i = 0; i < address.n;) {
        struct sv rest = sv_from(address, i);
        size_t n = sv_starts(rest, forms[0]) ? forms[0].n : sv_starts(rest, forms[1]) ? forms[1].n : 1;
        uint8_t byte = n == 1 ? (uint8_t)lower(rest.p[0]) : (uint8_t)'@';
        hmac_sha256_update(&keyed, 1, &byte);
        i += n;
    }
    hmac_sha256_digest(&keyed, sizeof hash, hash);
    hash_hex(hash, sizeof hash, hex);
    buf_printf(out, "<email:%s>", hex);
}

static void replacement(const struct redactor *redactor, struct sv text, enum redact_kind kind,
                        struct buf *out)
{
    static const char *const marks[] = {[REDACT_SECRET] = "<secret>",
                                        [REDACT_KEY] = "<key>",
                                        [REDACT_TOKEN] = "<token>",
                                        [REDACT_CARD] = "<card>"};
    if (kind == REDACT_EMAIL)
        pseudonym(redactor, text, out);
    else
        buf_str(out, marks[kind]);
}

/* A pass over one record. */
struct walk {
    const struct redactor *redactor;
    struct arena *scratch;
    struct sv raw;
    struct buf *out;
    size_t copied; /* raw bytes before it are dealt with */
    bool changed;
    size_t depth;
    size_t secret_depth; /* of the array that a secret's name is the key of; 0: none */
    int pending;         /* the value that comes next has a secret's name (redact_is_secret_name) */
};

/* Replaces raw[from, to); `text` is what these bytes mean. */
static void replace(struct walk *walk, size_t from, size_t to, struct sv text, enum redact_kind kind)
{
    buf_add(walk->out, walk->raw.p + walk->copied, from - walk->copied);
    replacement(walk->redactor, text, kind, walk->out);
    walk->copied = to;
    walk->changed = true;
}

static void walk_text(struct walk *walk)
{
    struct redact_spans spans;
    redact_find(walk->raw, walk->scratch, &spans);
    for (size_t i = 0; i < spans.count; i++) {
        struct redact_span s = spans.items[i];
        replace(walk, s.from, s.to, sv_make(walk->raw.p + s.from, s.to - s.from), s.kind);
    }
}

/* --- strings of JSON --- */

/* A decoded string; byte i of it comes from raw byte at + map[i] (map NULL: at + i). map has n + 1 entries.
 */
struct decoded {
    struct sv text;
    size_t at;
    uint32_t *map;
};

static size_t raw_offset(const struct decoded *string, size_t i)
{
    return string->at + (string->map == NULL ? i : string->map[i]);
}

/* The closing quote of the string whose first byte is at `at`; raw.n where there is none. */
static size_t string_end(struct sv raw, size_t at)
{
    while (at < raw.n && raw.p[at] != '"')
        at += raw.p[at] == '\\' ? 2 : 1;
    return TC_MIN(at, raw.n);
}

static bool hex4(struct sv raw, size_t at, uint32_t *ret)
{
    uint8_t bytes[2];
    if (raw.n < at + 4 || !hash_unhex(sv_make(raw.p + at, 4), bytes, sizeof bytes))
        return false;
    *ret = (uint32_t)bytes[0] << 8 | bytes[1];
    return true;
}

/* One escape, raw.p[at] being its backslash: the code point (a lone surrogate as it is); its length, 0 if
 * bad. */
static size_t decode_escape(struct sv raw, size_t at, uint32_t *ret)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    uint32_t low;
    if (at + 1 >= raw.n)
        return 0;
    const char *letter = raw.p[at + 1] == '\0' ? NULL : strchr(letters, raw.p[at + 1]);
    if (letter != NULL) {
        *ret = (uint8_t)values[letter - letters];
        return 2;
    }
    if (raw.p[at + 1] != 'u' || !hex4(raw, at + 2, ret))
        return 0;
    bool pair = *ret >= 0xD800 && *ret < 0xDC00 && raw.n > at + 7 && raw.p[at + 6] == '\\' &&
                raw.p[at + 7] == 'u' && hex4(raw, at + 8, &low) && low >= 0xDC00 && low < 0xE000;
    if (!pair)
        return 6;
    *ret = 0x10000 + ((*ret - 0xD800) << 10) + (low - 0xDC00);
    return 12;
}

/* UTF-8, also of a lone surrogate: it only has to be some bytes that are no ASCII. */
static size_t encode(uint32_t rune, char out[4])
{
    if (rune < 0xD800 || rune > 0xDFFF)
        return utf8_encode(rune, out);
    out[0] = (char)(0xE0 | rune >> 12);
    out[1] = (char)(0x80 | (rune >> 6 & 0x3F));
    out[2] = (char)(0x80 | (rune & 0x3F));
    return 3;
}

static bool decode_string(struct walk *walk, size_t from, size_t to, struct decoded *ret)
{
    struct sv inner = sv_make(walk->raw.p + from, to - from);
    *ret = (struct decoded){.text = inner, .at = from};
    if (sv_find_char(inner, '\\') == inner.n)
        return true;
    char *text = arena_alloc_raw(walk->scratch, inner.n + 4, 1);
    uint32_t *map = arena_alloc_raw(walk->scratch, (inner.n + 5) * sizeof map[0], 4);
    size_t n = 0;
    for (size_t i = 0; i < inner.n;) {
        uint32_t rune = 0;
        size_t length = 1, made = 1;
        if (inner.p[i] == '\\') {
            if ((length = decode_escape(inner, i, &rune)) == 0)
                return false;
            made = encode(rune, text + n);
        } else {
            text[n] = inner.p[i];
        }
        for (size_t k = 0; k < made; k++)
            map[n + k] = (uint32_t)i;
        n += made;
        i += length;
    }
    map[n] = (uint32_t)inner.n;
    *ret = (struct decoded){.text = {text, n}, .at = from, .map = map};
    return true;
}

static void examine_string(struct walk *walk, const struct decoded *string)
{
    struct redact_spans spans;
    redact_find(string->text, walk->scratch, &spans);
    for (size_t i = 0; i < spans.count; i++) {
        struct redact_span s = spans.items[i];
        struct sv text = sv_make(string->text.p + s.from, s.to - s.from);
        replace(walk, raw_offset(string, s.from), raw_offset(string, s.to), text, s.kind);
    }
}

static bool is_key(struct sv raw, size_t after_quote)
{
    size_t at = after_quote;
    while (at < raw.n && (raw.p[at] == ' ' || raw.p[at] == '\t' || raw.p[at] == '\n' || raw.p[at] == '\r'))
        at++;
    return at < raw.n && raw.p[at] == ':';
}

/* The string whose opening quote is at `at`. Returns where it ends, 0 where it is none. */
static size_t walk_string(struct walk *walk, size_t at)
{
    size_t end = string_end(walk->raw, at + 1);
    struct decoded string;
    if (end >= walk->raw.n || !decode_string(walk, at + 1, end, &string))
        return 0;
    bool key = is_key(walk->raw, end + 1);
    bool secret = !key && (walk->pending > 0 || walk->secret_depth > 0);
    if (secret && !redact_is_harmless(string.text))
        replace(walk, at + 1, end, string.text, REDACT_SECRET);
    else
        examine_string(walk, &string);
    walk->pending = key ? redact_is_secret_name(string.text) : 0;
    return end + 1;
}

/* --- the other tokens --- */

/* "4111111111111111", also with ".0" behind it. */
static bool is_card_number(struct sv number)
{
    size_t point = sv_find_char(number, '.');
    for (size_t i = point + 1; i < number.n; i++)
        if (number.p[i] != '0')
            return false;
    return redact_is_card(sv_head(number, point));
}

/* A number that has to go becomes a string, which is JSON as well. */
static size_t walk_number(struct walk *walk, size_t at)
{
    size_t end = at;
    while (end < walk->raw.n && walk->raw.p[end] != '\0' &&
           strchr("+-.0123456789eE", walk->raw.p[end]) != NULL)
        end++;
    struct sv number = sv_make(walk->raw.p + at, end - at);
    bool secret = walk->pending == 2, card = is_card_number(number);
    if (secret || card) {
        buf_add(walk->out, walk->raw.p + walk->copied, at - walk->copied);
        walk->copied = at;
        buf_char(walk->out, '"');
        replace(walk, at, end, number, secret ? REDACT_SECRET : REDACT_CARD);
        buf_char(walk->out, '"');
    }
    walk->pending = 0;
    return end;
}

/* Objects under a secret's name are looked into, not replaced ("authorization": {"action": …}); arrays hold
 * secrets. */
static void walk_bracket(struct walk *walk, char c)
{
    bool opens = c == '[' || c == '{';
    if (!opens && walk->depth == walk->secret_depth)
        walk->secret_depth = 0;
    if (opens)
        walk->depth++;
    else if (walk->depth > 0)
        walk->depth--;
    if (c == '[' && walk->pending > 0 && walk->secret_depth == 0)
        walk->secret_depth = walk->depth;
    walk->pending = 0;
}

/* False where this is not JSON. */
static bool walk_json(struct walk *walk)
{
    for (size_t at = 0; at < walk->raw.n;) {
        char c = walk->raw.p[at];
        if (c == '"') {
            if ((at = walk_string(walk, at)) == 0)
                return false;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            at = walk_number(walk, at);
        } else {
            if (c == '{' || c == '[' || c == '}' || c == ']')
                walk_bracket(walk, c);
            else if (c >= 'a' && c <= 'z') /* true, false, null */
                walk->pending = 0;
            at++;
        }
    }
    return true;
}

/* --- the whole --- */

/* One pass from `raw` into `out` (cleared first); true where something was replaced. */
static bool pass(const struct redactor *redactor, struct sv raw, bool is_json, struct arena *scratch,
                 struct buf *out)
{
    struct walk walk = {.redactor = redactor, .scratch = scratch, .raw = raw, .out = out};
    buf_clear(out);
    if (!is_json || !walk_json(&walk)) {
        buf_clear(out);
        walk = (struct walk){.redactor = redactor, .scratch = scratch, .raw = raw, .out = out};
        walk_text(&walk);
    }
    if (walk.changed)
        buf_add(out, raw.p + walk.copied, raw.n - walk.copied);
    return walk.changed;
}

/* Passes until one finds nothing; the text that it found nothing in is *ret. */
static enum redact_outcome settle(const struct redactor *redactor, struct sv raw, bool is_json,
                                  struct arena *scratch, struct buf room[2], struct sv *ret)
{
    *ret = raw;
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        struct buf *out = &room[round % 2];
        if (!pass(redactor, *ret, is_json, scratch, out))
            return round == 0 ? REDACT_CLEAN : REDACT_CHANGED;
        if (out->overflow)
            return REDACT_FAILED;
        *ret = buf_view(out);
    }
    return REDACT_FAILED;
}

enum redact_outcome redact_raw(const struct redactor *redactor, struct sv raw, bool is_json,
                               struct arena *scratch, struct buf *out)
{
    if (redactor->fail_on != NULL && sv_find(raw, sv_of(redactor->fail_on)) < raw.n)
        return REDACT_FAILED;
    if (raw.n == 0 || (is_json && !redact_suspicious(raw)))
        return REDACT_CLEAN;
    size_t left = out->max_bytes > out->n ? out->max_bytes - out->n : 0;
    struct buf room[2];
    struct sv final;
    buf_init(&room[0], left);
    buf_init(&room[1], left);
    enum redact_outcome outcome = settle(redactor, raw, is_json, scratch, room, &final);
    if (outcome == REDACT_CHANGED)
        buf_sv(out, final);
    buf_free(&room[0]);
    buf_free(&room[1]);
    return outcome == REDACT_CHANGED && out->overflow ? REDACT_FAILED : outcome;
}
