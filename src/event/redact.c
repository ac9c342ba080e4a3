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
#include "base/json_out.h"
#include "base/utf8.h"
#include "event/policy.h"
#include "event/redact_find.h"
#include "event/redact_phone.h"

#include <nettle/hmac.h>
#include <stdlib.h>

enum { ROUNDS_MAX = 4, PSEUDONYM_BYTES = 8 };

struct redactor {
    struct hmac_sha256_ctx keyed; /* copied for each pseudonym */
    redact_token_fn token;        /* NULL: keyed hashes */
    void *token_context;
    const struct policy *policy; /* NULL: none */
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

void redactor_use_tokens(struct redactor *redactor, redact_token_fn token, void *context)
{
    redactor->token = token;
    redactor->token_context = context;
}

void redactor_use_policy(struct redactor *redactor, const struct policy *policy)
{
    redactor->policy = policy_is_empty(policy) ? NULL : policy;
}

/* --- replacing --- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void redact_canonical(const char *kind, struct sv value, struct buf *out)
{
    static const struct sv forms[] = {{"%40", 3}, {"\\u0040", 6}};
    buf_clear(out);
    if (kind[0] == 'p' && kind[1] == 'h') {
        for (size_t i = sv_starts(value, SV("%")) ? 3 : 0; i < value.n; i++)
            if (value.p[i] >= '0' && value.p[i] <= '9')
                buf_char(out, value.p[i]);
    } else if (kind[0] == 'e') { /* however it is written: in capitals, with %40 or \u0040 */
        for (size_t i = 0; i < value.n;) {
            struct sv rest = sv_from(value, i);
            size_t n = sv_starts(rest, forms[0]) ? forms[0].n : sv_starts(rest, forms[1]) ? forms[1].n : 1;
            buf_char(out, n == 1 ? lower(rest.p[0]) : '@');
            i += n;
        }
    } else {
        buf_sv(out, value);
    }
}

static void keyed_token(const struct redactor *redactor, const char *kind, struct sv value, char ret[17])
{
    struct hmac_sha256_ctx keyed = redactor->keyed;
    uint8_t hash[PSEUDONYM_BYTES];
    if (kind[0] != 'e') { /* those of addresses were there first */
        hmac_sha256_update(&keyed, strlen(kind), (const uint8_t *)kind);
        hmac_sha256_update(&keyed, 1, (const uint8_t *)"");
    }
    hmac_sha256_update(&keyed, value.n, (const uint8_t *)value.p);
    hmac_sha256_digest(&keyed, sizeof hash, hash);
    hash_hex(hash, sizeof hash, ret);
}

/* Appends "<kind:…>"; false where nothing of the record may be kept. */
static bool put_token(const struct redactor *redactor, const char *kind, struct sv value, struct buf *out)
{
    char token[2 * PSEUDONYM_BYTES + 1];
    struct buf canonical;
    buf_init(&canonical, value.n + 1);
    redact_canonical(kind, value, &canonical);
    struct sv known = buf_view(&canonical);
    int rc = redactor->token == NULL ? 1 : redactor->token(redactor->token_context, kind, known, token);
    if (rc > 0)
        keyed_token(redactor, kind, known, token);
    buf_free(&canonical);
    buf_printf(out, "<%s:%s>", kind, rc < 0 ? "" : token);
    return rc >= 0;
}

static bool replacement(const struct redactor *redactor, struct sv text, enum redact_kind kind,
                        struct buf *out)
{
    static const char *const marks[] = {
        [REDACT_SECRET] = "<secret>", [REDACT_KEY] = "<key>",   [REDACT_TOKEN] = "<token>",
        [REDACT_CARD] = "<card>",     [REDACT_IBAN] = "<iban>", [REDACT_PHONE] = NULL};
    if (kind == REDACT_EMAIL || kind == REDACT_PHONE)
        return put_token(redactor, kind == REDACT_EMAIL ? "email" : "phone", text, out);
    buf_str(out, marks[kind]);
    return true;
}

/* A field that the policy names. */
struct touched {
    struct sv name;
    struct policy_verdict verdict;
};

/* A pass over one record. */
struct walk {
    const struct redactor *redactor;
    struct arena *scratch;
    struct sv raw;
    struct buf *out;
    size_t copied; /* raw bytes before it are dealt with */
    bool changed, failed;
    size_t depth;
    size_t secret_depth;           /* of the array that a secret's name is the key of; 0: none */
    int pending;                   /* the value that comes next has a secret's name (redact_is_secret_name) */
    bool name_key;                 /* the key before was "name": the value says what a "value" beside it is */
    int named;                     /* that value, as a secret's name */
    size_t named_depth;            /* of the object that both stand in */
    bool phone;                    /* or that of a telephone number */
    const struct policy *policy;   /* asked by path: the event has more fields than were parsed */
    struct touched here;           /* its answer */
    const struct touched *touched; /* by the policy; JSON only */
    size_t touched_count;
    struct buf path;                              /* dotted, of the value that comes next */
    uint16_t path_ends[TC_EVENT_FIELD_DEPTH_MAX]; /* of the containers around it */
};

/* Replaces raw[from, to); `text` is what these bytes mean. */
static void replace(struct walk *walk, size_t from, size_t to, struct sv text, enum redact_kind kind)
{
    buf_add(walk->out, walk->raw.p + walk->copied, from - walk->copied);
    walk->failed |= !replacement(walk->redactor, text, kind, walk->out);
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

/* --- the policy, by the path of what the walk is at --- */

/* Only kept where the policy touches something. */
static void path_key(struct walk *walk, struct sv key)
{
    if (walk->touched_count == 0 && walk->policy == NULL)
        return;
    size_t level = TC_MIN(walk->depth, (size_t)TC_EVENT_FIELD_DEPTH_MAX);
    walk->path.n = level == 0 ? 0 : walk->path_ends[level - 1];
    if (walk->path.n > 0)
        buf_char(&walk->path, '.');
    buf_sv(&walk->path, key);
}

static void path_bracket(struct walk *walk, char c)
{
    if (walk->touched_count == 0 && walk->policy == NULL)
        return;
    if ((c == '{' || c == '[') && walk->depth < TC_EVENT_FIELD_DEPTH_MAX)
        walk->path_ends[walk->depth] = (uint16_t)TC_MIN(walk->path.n, (size_t)UINT16_MAX);
    else if ((c == '}' || c == ']') && walk->depth > 0 && walk->depth <= TC_EVENT_FIELD_DEPTH_MAX)
        walk->path.n = walk->path_ends[walk->depth - 1];
}

static const struct touched *touched_here(struct walk *walk)
{
    if (walk->policy != NULL) {
        walk->here.verdict = policy_of(walk->policy, buf_view(&walk->path));
        return walk->here.verdict.action == POLICY_KEEP ? NULL : &walk->here;
    }
    for (size_t i = 0; i < walk->touched_count; i++)
        if (sv_eq(walk->touched[i].name, buf_view(&walk->path)))
            return &walk->touched[i];
    return NULL;
}

static struct sv first_characters(struct sv text, unsigned characters)
{
    size_t n = 0;
    for (unsigned i = 0; i < characters && n < text.n; i++) {
        uint32_t rune;
        size_t length = utf8_decode(sv_from(text, n), &rune);
        n += TC_MAX(length, (size_t)1);
    }
    return sv_head(text, n);
}

/* SQL without what it was asked with: '…' and numbers become ?. Comments stay: they say who asks. */
static void put_sql(struct sv text, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        char c = text.p[i], before = i > 0 ? text.p[i - 1] : ' ';
        bool in_word = before == '_' || (before >= '0' && before <= '9') ||
                       (before >= 'a' && before <= 'z') || (before >= 'A' && before <= 'Z');
        if (c == '\'' || c == '"') {
            size_t end = i + 1;
            while (end < text.n && (text.p[end] != c || (end + 1 < text.n && text.p[end + 1] == c && ++end)))
                end += text.p[end] == '\\' ? 2 : 1;
            if (c == '\'')
                buf_char(out, '?');
            else
                buf_sv(out, sv_make(text.p + i, TC_MIN(end + 1, text.n) - i)); /* a quoted name */
            i = TC_MIN(end + 1, text.n);
        } else if (c >= '0' && c <= '9' && !in_word) {
            while (i < text.n && ((text.p[i] >= '0' && text.p[i] <= '9') || text.p[i] == '.'))
                i++;
            buf_char(out, '?');
        } else {
            buf_char(out, c);
            i++;
        }
    }
}

enum { SQL_CHARACTERS = 100 };

/* Appends what becomes of a value. False: nothing of the record may be kept. What is kept of the value itself
 * is looked at by the detectors in the next pass. */
static bool put_verdict(const struct redactor *redactor, struct sv value, struct policy_verdict verdict,
                        struct buf *out)
{
    struct buf sql;
    char token[2 * PSEUDONYM_BYTES + 1];
    switch (verdict.action) {
    case POLICY_TOKEN:
        return put_token(redactor, "person", value, out);
    case POLICY_HASH:
        keyed_token(redactor, "hash", value, token);
        buf_printf(out, "<hash:%s>", token);
        return true;
    case POLICY_MASK:
        buf_str(out, "<masked>");
        return true;
    case POLICY_TRUNCATE:
        buf_sv(out, first_characters(value, verdict.characters));
        return true;
    case POLICY_SQL:
        buf_init(&sql, value.n + 2);
        put_sql(value, &sql);
        buf_sv(out, first_characters(buf_view(&sql), SQL_CHARACTERS));
        buf_free(&sql);
        return true;
    default:
        return true;
    }
}

/* Nothing is to be done to this value any more: the policy has been here. */
static bool is_settled(struct sv value, struct policy_verdict verdict)
{
    if (value.n == 0 || (verdict.action != POLICY_DROP && redact_is_harmless(value)))
        return verdict.action != POLICY_DROP || value.n == 0;
    if (verdict.action == POLICY_TRUNCATE)
        return first_characters(value, verdict.characters).n == value.n;
    return verdict.action == POLICY_KEEP;
}

/* raw[from, to) is the whole token, with its quotes where it is a string, and means `value`. */
static void apply_policy(struct walk *walk, size_t from, size_t to, struct sv value, bool is_string,
                         const struct touched *touched)
{
    struct buf text;
    if (is_settled(value, touched->verdict))
        return;
    buf_init(&text, value.n + 64);
    walk->failed |= !put_verdict(walk->redactor, value, touched->verdict, &text);
    if (is_string && touched->verdict.action == POLICY_SQL && sv_eq(value, buf_view(&text))) {
        buf_free(&text);
        return;
    }
    buf_add(walk->out, walk->raw.p + walk->copied, from - walk->copied);
    if (touched->verdict.action == POLICY_DROP) {
        buf_str(walk->out, "null");
    } else {
        struct json_out json = json_out_to(walk->out);
        json_string(&json, buf_view(&text));
    }
    walk->copied = to;
    walk->changed = true;
    buf_free(&text);
}

static bool is_key(struct sv raw, size_t after_quote)
{
    size_t at = after_quote;
    while (at < raw.n && (raw.p[at] == ' ' || raw.p[at] == '\t' || raw.p[at] == '\n' || raw.p[at] == '\r'))
        at++;
    return at < raw.n && raw.p[at] == ':';
}

static bool is_one(struct sv text, const char *const names[3])
{
    bool is = false;
    for (size_t i = 0; i < 3; i++)
        is = is || sv_eq_nocase(text, sv_of(names[i]));
    return is;
}

/* {"name": "Cookie", "value": "a=b"}: as lists of headers are written (AWS WAF, HAR); {"@Name": "Password",
 * "#text": "x"}: as Windows' event data are, of which fields of that name are made. */
static void note_pair(struct walk *walk, struct sv text, bool key)
{
    static const char *const names[] = {"name", "key", "@Name"}, *const values[] = {"value", "#text",
                                                                                    "@Value"};
    if (key && walk->named != 0 && walk->named_depth == walk->depth && is_one(text, values))
        walk->pending = walk->named;
    if (!key && walk->name_key) {
        walk->named = redact_is_secret_name(text);
        walk->named_depth = walk->depth;
    }
    walk->name_key = key && is_one(text, names);
}

/* The string whose opening quote is at `at`. Returns where it ends, 0 where it is none. */
static size_t walk_string(struct walk *walk, size_t at)
{
    size_t end = string_end(walk->raw, at + 1);
    struct decoded string;
    if (end >= walk->raw.n || !decode_string(walk, at + 1, end, &string))
        return 0;
    bool key = is_key(walk->raw, end + 1);
    bool secret = !key && (redact_is_secret_value(walk->pending, string.text) || walk->secret_depth > 0);
    const struct touched *touched = key ? NULL : touched_here(walk);
    if (secret && !redact_is_harmless(string.text))
        replace(walk, at + 1, end, string.text, REDACT_SECRET);
    else if (touched != NULL)
        apply_policy(walk, at, end + 1, string.text, true, touched);
    else if (!key && walk->phone && redact_phone_is(string.text))
        replace(walk, at + 1, end, string.text, REDACT_PHONE);
    else
        examine_string(walk, &string);
    walk->pending = key ? redact_is_secret_name(string.text) : 0;
    note_pair(walk, string.text, key);
    walk->phone = key && redact_is_phone_name(string.text);
    if (key)
        path_key(walk, string.text);
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
    bool phone = walk->phone && redact_phone_is(number);
    const struct touched *touched = touched_here(walk);
    if (touched != NULL && !secret && !card) {
        apply_policy(walk, at, end, number, false, touched);
    } else if (secret || card || phone) {
        buf_add(walk->out, walk->raw.p + walk->copied, at - walk->copied);
        walk->copied = at;
        buf_char(walk->out, '"');
        replace(walk, at, end, number, secret ? REDACT_SECRET : card ? REDACT_CARD : REDACT_PHONE);
        buf_char(walk->out, '"');
    }
    walk->pending = 0;
    walk->phone = false;
    return end;
}

/* true, false, null, or what a text that is no JSON has there. */
static size_t walk_word(struct walk *walk, size_t at)
{
    size_t end = at;
    while (end < walk->raw.n && walk->raw.p[end] >= 'a' && walk->raw.p[end] <= 'z')
        end++;
    struct sv word = sv_make(walk->raw.p + at, end - at);
    const struct touched *touched = touched_here(walk);
    if (touched != NULL && !sv_is(word, "null"))
        apply_policy(walk, at, end, word, false, touched);
    walk->pending = 0;
    walk->phone = false;
    return end;
}

/* Objects under a secret's name are looked into, not replaced ("authorization": {"action": …}); arrays hold
 * secrets. */
static void walk_bracket(struct walk *walk, char c)
{
    bool opens = c == '[' || c == '{';
    path_bracket(walk, c);
    walk->named = 0; /* ends with its object */
    walk->name_key = false;
    if (!opens && walk->depth == walk->secret_depth)
        walk->secret_depth = 0;
    if (opens)
        walk->depth++;
    else if (walk->depth > 0)
        walk->depth--;
    if (c == '[' && redact_is_secret_list(walk->pending) && walk->secret_depth == 0)
        walk->secret_depth = walk->depth;
    walk->pending = 0;
    walk->phone = walk->phone && c == '[';
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
            else if (c >= 'a' && c <= 'z') { /* true, false, null */
                at = walk_word(walk, at);
                continue;
            }
            at++;
        }
    }
    return true;
}

/* --- the whole --- */

/* What one record is redacted by. */
struct task {
    const struct redactor *redactor;
    struct arena *scratch;
    bool is_json;
    const struct policy *policy;
    const struct touched *touched;
    size_t touched_count;
};

/* One pass from `raw` into `out` (cleared first): 1 where something was replaced, 0 where nothing was, -1
 * where nothing may be kept. */
static int pass(const struct task *task, struct sv raw, struct buf *out)
{
    const struct walk fresh = {.redactor = task->redactor, .scratch = task->scratch, .raw = raw, .out = out};
    struct walk walk = fresh;
    walk.policy = task->policy;
    walk.touched = task->touched;
    walk.touched_count = task->touched_count;
    buf_init(&walk.path, UINT16_MAX);
    buf_clear(out);
    bool walked = task->is_json && walk_json(&walk);
    bool failed = walk.failed || walk.path.overflow;
    buf_free(&walk.path);
    if (failed || (!walked && (task->touched_count > 0 || task->policy != NULL)))
        return -1;
    if (!walked) {
        buf_clear(out);
        walk = fresh;
        walk_text(&walk);
    }
    if (walk.changed)
        buf_add(out, raw.p + walk.copied, raw.n - walk.copied);
    return walk.failed ? -1 : walk.changed;
}

/* Passes until one finds nothing; the text that it found nothing in is *ret. */
static enum redact_outcome settle(const struct task *task, struct sv raw, struct buf room[2], struct sv *ret)
{
    *ret = raw;
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        struct buf *out = &room[round % 2];
        int changed = pass(task, *ret, out);
        if (changed == 0)
            return round == 0 ? REDACT_CLEAN : REDACT_CHANGED;
        if (changed < 0 || out->overflow)
            return REDACT_FAILED;
        *ret = buf_view(out);
    }
    return REDACT_FAILED;
}

static enum redact_outcome run(const struct task *task, struct sv raw, struct buf *out)
{
    size_t left = out->max_bytes > out->n ? out->max_bytes - out->n : 0;
    struct buf room[2];
    struct sv final;
    buf_init(&room[0], left);
    buf_init(&room[1], left);
    enum redact_outcome outcome = settle(task, raw, room, &final);
    if (outcome == REDACT_CHANGED)
        buf_sv(out, final);
    buf_free(&room[0]);
    buf_free(&room[1]);
    return outcome == REDACT_CHANGED && out->overflow ? REDACT_FAILED : outcome;
}

static bool must_fail(const struct redactor *redactor, struct sv raw)
{
    return redactor->fail_on != NULL && sv_find(raw, sv_of(redactor->fail_on)) < raw.n;
}

enum redact_outcome redact_raw(const struct redactor *redactor, struct sv raw, bool is_json,
                               struct arena *scratch, struct buf *out)
{
    if (must_fail(redactor, raw))
        return REDACT_FAILED;
    if (raw.n == 0 || (is_json && !redact_suspicious(raw)))
        return REDACT_CLEAN;
    return run(&(struct task){.redactor = redactor, .scratch = scratch, .is_json = is_json}, raw, out);
}

/* --- private keys over several lines --- */

enum { KEY_LINES_MAX = 200, KEY_WORD_MIN = 16 };

static bool is_base64(struct sv text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
              c == '/' || c == '='))
            return false;
    }
    return text.n > 0;
}

/* What a log puts before a line (time, host, program) is followed by a blank; a key's line has none. */
static struct sv last_word(struct sv text)
{
    size_t from = text.n;
    while (from > 0 && text.p[from - 1] != ' ' && text.p[from - 1] != '\t')
        from--;
    return sv_from(text, from);
}

struct sv redact_key_line(uint8_t *left, struct sv raw, struct arena *scratch)
{
    const struct sv end = SV("-----END"), begin = SV("-----BEGIN ");
    size_t begins = sv_find(raw, begin);
    if (begins < raw.n) {
        struct sv rest = sv_from(raw, begins);
        bool opens = sv_find(sv_head(rest, 80), SV("PRIVATE KEY")) < TC_MIN(rest.n, (size_t)80);
        *left = opens && sv_find(rest, end) == rest.n ? KEY_LINES_MAX : 0;
        return raw;
    }
    if (*left == 0)
        return raw;
    struct sv text = sv_trim(raw), word = last_word(text);
    size_t ends = sv_find(text, end);
    if (ends < text.n) {
        *left = 0;
        return arena_printf(scratch, "%.*s<key>", SV_FMT(sv_head(text, ends)));
    }
    bool whole = word.n == text.n;
    if (!is_base64(word) || (!whole && word.n < KEY_WORD_MIN)) {
        bool header = sv_find(text, SV("Proc-Type:")) < text.n || sv_find(text, SV("DEK-Info:")) < text.n ||
                      text.n == 0;
        *left = header ? *left : 0;
        return raw;
    }
    (*left)--;
    return arena_printf(scratch, "%.*s<key>", SV_FMT(sv_head(text, text.n - word.n)));
}

/* --- events, by the policy --- */

static bool is_container(const struct field *field)
{
    return field->type == FIELD_OBJECT || field->type == FIELD_ARRAY;
}

/* Fields of ours about the event, which hold nothing that was sent. */
static bool is_ours(struct sv name)
{
    return sv_starts(name, SV("logsource.")) || sv_starts(name, SV("tocsin."));
}

/* The fields that the policy touches. A derived field is a copy: what it was copied from is touched with it.
 */
static size_t find_touched(const struct policy *policy, const struct event *event, struct arena *scratch,
                           struct touched **ret)
{
    size_t count = 0;
    *ret = NULL;
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *field = &event->fields[i];
        if (is_container(field) || field->value.n == 0 || is_ours(field->name))
            continue;
        struct policy_verdict verdict = policy_of(policy, field->name);
        if (verdict.action == POLICY_KEEP || ((field->flags & FIELD_DERIVED) && verdict.by_default))
            continue;
        if (*ret == NULL)
            *ret = ARENA_ARRAY(scratch, struct touched, 2 * (TC_EVENT_FIELDS_MAX + TC_EVENT_EXTRA_MAX));
        if (!(field->flags & FIELD_DERIVED)) {
            (*ret)[count++] = (struct touched){field->name, verdict};
            continue;
        }
        for (uint32_t k = 0; k < event->field_count && count < TC_EVENT_FIELDS_MAX; k++)
            if (!(event->fields[k].flags & FIELD_DERIVED) && !is_container(&event->fields[k]) &&
                sv_eq(event->fields[k].value, field->value))
                (*ret)[count++] = (struct touched){event->fields[k].name, verdict};
    }
    return count;
}

struct piece {
    size_t from, to;
    struct policy_verdict verdict;
};

static int by_place(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static bool piece_of(struct sv raw, struct sv value, struct policy_verdict verdict, struct piece *ret)
{
    size_t from = value.p >= raw.p && value.p + value.n <= raw.p + raw.n ? (size_t)(value.p - raw.p)
                                                                         : sv_find(raw, value);
    *ret = (struct piece){from, from + value.n, verdict};
    return from < raw.n;
}

/* Text: the values' own bytes are replaced where they stand. */
static bool rewrite_text(const struct redactor *redactor, const struct event *event, struct arena *scratch,
                         struct buf *out, bool *ret_changed)
{
    struct piece *pieces = NULL;
    size_t count = 0, copied = 0;
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *field = &event->fields[i];
        struct policy_verdict verdict = policy_of(redactor->policy, field->name);
        if (verdict.action == POLICY_KEEP || is_ours(field->name) ||
            ((field->flags & FIELD_DERIVED) && verdict.by_default) || is_settled(field->value, verdict))
            continue;
        if (pieces == NULL)
            pieces = ARENA_ARRAY(scratch, struct piece, event->field_count);
        if (!piece_of(event->raw, field->value, verdict, &pieces[count++]))
            return false;
    }
    *ret_changed = count > 0;
    if (count > 1)
        qsort(pieces, count, sizeof pieces[0], by_place);
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        if (pieces[i].to <= copied)
            continue; /* within the one before, as a copy of it */
        size_t from = TC_MAX(pieces[i].from, copied);
        buf_add(out, event->raw.p + copied, from - copied);
        good =
            put_verdict(redactor, sv_make(event->raw.p + from, pieces[i].to - from), pieces[i].verdict, out);
        copied = pieces[i].to;
    }
    buf_add(out, event->raw.p + copied, event->raw.n - copied);
    return good && !out->overflow;
}

static enum redact_outcome redact_text_event(const struct redactor *redactor, const struct event *event,
                                             struct arena *scratch, struct buf *out)
{
    struct buf text;
    bool changed = false;
    struct task task = {.redactor = redactor, .scratch = scratch};
    buf_init(&text, out->max_bytes);
    enum redact_outcome outcome = REDACT_FAILED;
    if (rewrite_text(redactor, event, scratch, &text, &changed)) {
        outcome = run(&task, changed ? buf_view(&text) : event->raw, out);
        if (outcome == REDACT_CLEAN && changed) {
            buf_sv(out, buf_view(&text));
            outcome = out->overflow ? REDACT_FAILED : REDACT_CHANGED;
        }
    }
    buf_free(&text);
    return outcome;
}

enum redact_outcome redact_event(const struct redactor *redactor, const struct event *event, bool is_json,
                                 struct arena *scratch, struct buf *out)
{
    struct task task = {.redactor = redactor, .scratch = scratch, .is_json = is_json};
    struct touched *touched = NULL;
    if (redactor->policy == NULL || event->raw.n == 0)
        return redact_raw(redactor, event->raw, is_json, scratch, out);
    if (must_fail(redactor, event->raw))
        return REDACT_FAILED;
    if (!is_json && policy_is_personal(redactor->policy) && sv_starts(sv_trim(event->raw), SV("{")))
        return REDACT_FAILED; /* JSON that is broken or cut: its fields cannot be told from each other */
    if (!is_json)
        return redact_text_event(redactor, event, scratch, out);
    if (event->flags & EVENT_FIELDS_CUT) {
        task.policy = redactor->policy;
        return run(&task, event->raw, out);
    }
    task.touched_count = find_touched(redactor->policy, event, scratch, &touched);
    task.touched = touched;
    if (task.touched_count == 0)
        return redact_raw(redactor, event->raw, true, scratch, out);
    return run(&task, event->raw, out);
}
