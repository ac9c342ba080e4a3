/*
 * Detectors of things that are known by their form: e-mail addresses, tokens, keys. See redact_find.h.
 */
#include "event/redact_phone.h"
#include "event/redact_priv.h"

enum {
    EMAIL_LOCAL_MAX = 256, /* RFC 5321 says 64; a longer one is still somebody's */
    EMAIL_DOMAIN_MAX = 255,
    BEARER_MIN = 8,
    BEARER_PLAIN_MIN = 20, /* of letters alone, so that "bearer authentication" stays */
    URL_USER_MAX = 256,
    JWT_PART_MIN = 4,
};

/* --- e-mail --- */

/* Non-ASCII bytes belong to names, save for punctuation: U+0080-U+00BF, U+2000-U+206F, U+3000-U+303F and
 * U+FF00-U+FF0F. Looks at the code point that starts, or continues, at `at`. */
static bool is_foreign_letter(struct sv text, size_t at)
{
    size_t lead = at;
    while (lead > 0 && at - lead < 3 && ((uint8_t)text.p[lead] & 0xC0) == 0x80)
        lead--;
    uint8_t a = (uint8_t)text.p[lead], b = lead + 1 < text.n ? (uint8_t)text.p[lead + 1] : 0;
    if (a < 0xC2)
        return false; /* ASCII, or not UTF-8 */
    uint8_t c = lead + 2 < text.n ? (uint8_t)text.p[lead + 2] : 0;
    bool punctuation = a == 0xC2 || (a == 0xE2 && (b == 0x80 || b == 0x81)) || (a == 0xE3 && b == 0x80) ||
                       (a == 0xEF && b == 0xBC && c < 0x90);
    return !punctuation;
}

static bool is_part(struct sv text, size_t at, unsigned class)
{
    return (uint8_t)text.p[at] < 0x80 ? is(text.p[at], class) : is_foreign_letter(text, at);
}

static size_t quoted_local_from(struct sv text, size_t at)
{
    size_t from = at - 1; /* the closing quote */
    while (from > 0 && at - from < EMAIL_LOCAL_MAX) {
        from--;
        if (text.p[from] == '"' && (from == 0 || text.p[from - 1] != '\\'))
            return at - from > 2 ? from : at;
        if (text.p[from] == '\n')
            break;
    }
    return at;
}

/* Where the local part before `at` starts; `at` where there is none. */
static size_t local_from(struct sv text, size_t at)
{
    size_t from = at;
    if (at > 0 && text.p[at - 1] == '"')
        return quoted_local_from(text, at);
    while (from > 0 && at - from < EMAIL_LOCAL_MAX && is_part(text, from - 1, B_LOCAL))
        from--;
    size_t own = from;
    while (own < at && one_of(text.p[own], ".'-*#~!$^+%")) /* a quote or a dash before it is not its own */
        own++;
    return own < at ? own : from;
}

/* A label that may be the top one: letters only, two or more, or punycode. */
static bool is_top_label(struct sv label)
{
    if (label.n > 4 && redact_has(label, 0, SV("xn--"), true))
        return true;
    for (size_t i = 0; i < label.n; i++)
        if ((uint8_t)label.p[i] < 0x80 && !is(label.p[i], B_ALPHA))
            return false;
    return label.n >= 2;
}

/* Where the domain at `at` ends: behind the last label that may be a top one and has a label before it. */
static size_t domain_to(struct sv text, size_t at)
{
    size_t end = at, start = at, best = at, labels = 0;
    while (end < text.n && end - at < EMAIL_DOMAIN_MAX && is_part(text, end, B_DOMAIN))
        end++;
    for (size_t i = at; i <= end; i++) {
        if (i < end && text.p[i] != '.')
            continue;
        struct sv label = sv_make(text.p + start, i - start);
        size_t dash = sv_find_char(label, '-'); /* "example.com-4111": the top label ends before the dash */
        struct sv head = redact_has(label, 0, SV("xn--"), true) ? label : sv_head(label, dash);
        if (label.n == 0)
            break;
        if (labels > 0 && is_top_label(head))
            best = start + head.n;
        labels++;
        start = i + 1;
    }
    return best;
}

void redact_email(struct search *search, size_t at, struct sv literal)
{
    /* what was found before it (the password of a URL) is not its local part */
    size_t from = TC_MAX(local_from(search->text, at), search->resume);
    size_t domain = at + literal.n, to = from >= at ? domain : domain_to(search->text, domain);
    if (to > domain)
        redact_found(search, from, to, REDACT_EMAIL);
}

/* An address in raw JSON; an escape in its domain leaves it open. */
bool redact_address_announced(struct sv text, size_t at)
{
    if (at == 0 || (text.p[at - 1] != '"' && !is_part(text, at - 1, B_LOCAL)))
        return false;
    size_t end = at + 1;
    while (end < text.n && end - at < EMAIL_DOMAIN_MAX && is_part(text, end, B_DOMAIN))
        end++;
    return (end < text.n && text.p[end] == '\\') || domain_to(text, at + 1) > at + 1;
}

/* --- tokens and keys --- */

static bool has_of(struct sv text, unsigned class, bool upper)
{
    for (size_t i = 0; i < text.n; i++)
        if (is(text.p[i], class) || (upper && text.p[i] >= 'A' && text.p[i] <= 'Z'))
            return true;
    return false;
}

/* "Bearer abc123…": a word behind it that is no word of a language. */
void redact_bearer(struct search *search, size_t at, struct sv literal)
{
    struct sv text = search->text;
    size_t from = at + literal.n;
    while (from < text.n && from - at < literal.n + TC_REDACT_GAP_MAX &&
           (text.p[from] == ' ' || text.p[from] == '\t'))
        from++;
    struct sv token = sv_make(text.p + from, redact_run(text, from, B_TOKEN));
    bool plain = !has_of(token, B_DIGIT, true);
    if (from > at + literal.n && token.n >= (plain ? BEARER_PLAIN_MIN : BEARER_MIN))
        redact_found(search, from, from + token.n, REDACT_TOKEN);
}

/* eyJ….eyJ….signature; the signature may be empty, an encrypted one has five parts. */
void redact_jwt(struct search *search, size_t at, struct sv literal)
{
    (void)literal;
    struct sv text = search->text;
    if (at < search->jwt_skip)
        return;
    size_t end = at + redact_run(text, at, B_WORD), parts = 1;
    search->jwt_skip = end;
    while (end < text.n && text.p[end] == '.' && parts < 5) {
        size_t next = redact_run(text, end + 1, B_WORD);
        if (parts == 1 && next < JWT_PART_MIN)
            break;
        end += 1 + next;
        parts++;
    }
    if (parts >= 3)
        redact_found(search, at, end, REDACT_TOKEN);
}

void redact_private_key(struct search *search, size_t at, struct sv literal)
{
    static const struct sv mark = {"PRIVATE KEY", 11}, finish = {"-----END", 8}, dashes = {"-----", 5};
    struct sv text = search->text, label = sv_head(sv_from(text, at + literal.n), 64);
    size_t key = sv_find(label, mark);
    if (key == label.n || sv_find(sv_head(label, key), dashes) < key)
        return;
    struct sv rest = sv_from(text, at + literal.n);
    size_t end = sv_find(rest, finish), to = text.n; /* without an end, all that follows is the key */
    if (end < rest.n) {
        struct sv tail = sv_from(rest, end + finish.n);
        size_t close = sv_find(tail, dashes);
        to = close < tail.n ? (size_t)(tail.p - text.p) + close + dashes.n : text.n;
    }
    redact_found(search, at, to, REDACT_KEY);
}

/* Keys that their issuer made recognisable: a prefix, then so many bytes of one alphabet. */
struct key_form {
    struct sv prefix;
    const char *alphabet; /* beside letters and digits */
    size_t min;
    bool digit; /* asks for a digit in it: prefixes that begin ordinary words */
};
static const struct key_form key_forms[] = {
    {{"AKIA", 4}, "", 16, false},
    {{"ASIA", 4}, "", 16, false},
    {{"ghp_", 4}, "", 36, false},
    {{"gho_", 4}, "", 36, false},
    {{"ghu_", 4}, "", 36, false},
    {{"ghs_", 4}, "", 36, false},
    {{"ghr_", 4}, "", 36, false},
    {{"github_pat_", 11}, "_", 22, false},
    {{"glpat-", 6}, "_-", 20, false},
    {{"xoxb-", 5}, "-", 10, false},
    {{"xoxa-", 5}, "-", 10, false},
    {{"xoxp-", 5}, "-", 10, false},
    {{"xoxr-", 5}, "-", 10, false},
    {{"xoxs-", 5}, "-", 10, false},
    {{"xapp-", 5}, "-", 10, false},
    {{"sk_live_", 8}, "_", 16, false},
    {{"sk_test_", 8}, "_", 16, false},
    {{"rk_live_", 8}, "_", 16, false},
    {{"whsec_", 6}, "", 24, false},
    {{"sk-", 3}, "_-", 20, true},
    {{"AIza", 4}, "_-", 35, false},
    {{"npm_", 4}, "", 36, false},
    {{"SG.", 3}, "_-.", 32, false},
    {{"dop_v1_", 7}, "", 64, false},
    {{"hf_", 3}, "", 30, false},
    {{"shpat_", 6}, "", 32, false},
    {{"pypi-AgEIcHlwaS5vcmc", 20}, "_-", 50, false},
};

static bool in_alphabet(char c, const char *more)
{
    return is(c, B_ALPHA | B_DIGIT) || one_of(c, more);
}

void redact_api_key(struct search *search, size_t at, struct sv literal)
{
    struct sv text = search->text;
    if (at > 0 && is(text.p[at - 1], B_ALPHA | B_DIGIT))
        return;
    for (size_t i = 0; i < TC_ARRAY_LEN(key_forms); i++) {
        const struct key_form *form = &key_forms[i];
        if (!sv_eq(form->prefix, literal))
            continue;
        size_t from = at + form->prefix.n, to = from;
        while (to < text.n && in_alphabet(text.p[to], form->alphabet))
            to++;
        if (to - from >= form->min &&
            (!form->digit || has_of(sv_make(text.p + from, to - from), B_DIGIT, false)))
            redact_found(search, at, to, REDACT_KEY);
    }
}

void redact_slack_hook(struct search *search, size_t at, struct sv literal)
{
    struct sv text = search->text;
    size_t from = at + literal.n, to = from;
    while (to < text.n && in_alphabet(text.p[to], "/_-:@"))
        to++;
    if (to - from >= 8)
        redact_found(search, from, to, REDACT_KEY);
}

/* --- telephone numbers --- */

void redact_announced_phone(struct search *search, size_t at, struct sv literal)
{
    size_t from, to;
    bool inside = at > 0 && is(search->text.p[at - 1], B_ALPHA) && literal.n < 5; /* "intel." */
    if (!inside &&
        redact_phone_announced(search->text, at, literal.n - !is(literal.p[literal.n - 1], B_ALPHA), &from,
                               &to) &&
        from >= search->resume)
        redact_found(search, from, to, REDACT_PHONE);
}

void redact_plus_phone(struct search *search, size_t at, struct sv literal)
{
    size_t to = redact_phone_plus(search->text, at, literal.n);
    if (to > at)
        redact_found(search, at, to, REDACT_PHONE);
}

/* --- in URLs --- */

/* scheme://user:password@host */
void redact_url_password(struct search *search, size_t at, struct sv literal)
{
    struct sv text = sv_head(search->text, at + literal.n + URL_USER_MAX);
    size_t from = at + literal.n, colon = 0, to = from;
    while (to < text.n && !one_of(text.p[to], "@/?# \t\n\"'<>\\")) {
        if (text.p[to] == ':' && colon == 0)
            colon = to;
        to++;
    }
    if (colon > 0 && to < text.n && text.p[to] == '@' && to > colon + 1)
        redact_found(search, from, to, REDACT_SECRET);
}
