/*
 * The detectors; see redact_find.h.
 */
#include "event/redact_find.h"

#include "event/redact_card.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    EMAIL_LOCAL_MAX = 256, /* RFC 5321 says 64; a longer one is still somebody's */
    EMAIL_DOMAIN_MAX = 255,
    BEARER_MIN = 8,
    BEARER_PLAIN_MIN = 20, /* of letters alone, so that "bearer authentication" stays */
    URL_USER_MAX = 256,
    GAP_MAX = 8, /* spaces, quotes and backslashes between a name and its value */
    JWT_PART_MIN = 4,
};

/* --- bytes -----------------------------------------------------------------------------------------------
 */

enum byte_class {
    B_DIGIT = 1,
    B_ALPHA = 2,
    B_WORD = 4,    /* letters, digits, _ and -: base64url */
    B_LOCAL = 8,   /* local part of an e-mail address, without what separates it from its surroundings */
    B_DOMAIN = 16, /* letters, digits, - and . */
    B_TOKEN = 32,  /* RFC 6750 */
};
static uint8_t classes[256];

static bool is(char c, unsigned class)
{
    return (classes[(uint8_t)c] & class) != 0;
}

static void add_class(const char *bytes, unsigned class)
{
    for (; *bytes != '\0'; bytes++)
        classes[(uint8_t)*bytes] |= (uint8_t) class;
}

static void make_classes(void)
{
    for (int c = '0'; c <= '9'; c++)
        classes[c] |= B_DIGIT | B_WORD | B_LOCAL | B_DOMAIN | B_TOKEN;
    for (int c = 'a'; c <= 'z'; c++) {
        classes[c] |= B_ALPHA | B_WORD | B_LOCAL | B_DOMAIN | B_TOKEN;
        classes[c - 'a' + 'A'] |= B_ALPHA | B_WORD | B_LOCAL | B_DOMAIN | B_TOKEN;
    }
    add_class("_-", B_WORD);
    add_class("._%+-~!#$^*'", B_LOCAL);
    add_class("-.", B_DOMAIN);
    add_class("-._~+/=", B_TOKEN);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static size_t run(struct sv text, size_t at, unsigned class)
{
    size_t n = at;
    while (n < text.n && is(text.p[n], class))
        n++;
    return n - at;
}

static bool has(struct sv text, size_t at, struct sv literal, bool nocase)
{
    if (at > text.n || text.n - at < literal.n)
        return false;
    if (!nocase)
        return memcmp(text.p + at, literal.p, literal.n) == 0;
    for (size_t i = 0; i < literal.n; i++)
        if (lower(text.p[at + i]) != literal.p[i])
            return false;
    return true;
}

/* --- our own replacements ---------------------------------------------------------------------------------
 */

static const struct sv replacements[] = {{"<secret>", 8}, {"<key>", 5}, {"<token>", 7}, {"<card>", 6}};
enum { EMAIL_TOKEN_BYTES = 24, EMAIL_TOKEN_HEX = 16 }; /* "<email:" 16 hex ">" */

/* Length of a replacement at `at`, 0 where there is none. */
static size_t replacement_at(struct sv text, size_t at)
{
    if (at >= text.n || text.p[at] != '<')
        return 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(replacements); i++)
        if (has(text, at, replacements[i], false))
            return replacements[i].n;
    if (!has(text, at, SV("<email:"), false) || text.n - at < EMAIL_TOKEN_BYTES ||
        text.p[at + EMAIL_TOKEN_BYTES - 1] != '>')
        return 0;
    for (size_t i = 0; i < EMAIL_TOKEN_HEX; i++) {
        char c = text.p[at + 7 + i];
        if (!is(c, B_DIGIT) && !(c >= 'a' && c <= 'f'))
            return 0;
    }
    return EMAIL_TOKEN_BYTES;
}

static bool is_replacement(struct sv text)
{
    return text.n > 0 && replacement_at(text, 0) == text.n;
}

/* --- what the detectors share ------------------------------------------------------------------------------
 */

struct search {
    struct sv text;
    struct arena *arena;
    struct redact_spans *spans;
    size_t resume;   /* nothing before it is looked at again */
    size_t jwt_skip; /* no JWT starts before it */
};

static void found(struct search *search, size_t from, size_t to, enum redact_kind kind)
{
    struct redact_spans *spans = search->spans;
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity == 0 ? 8 : spans->capacity * 2;
        struct redact_span *items = arena_alloc_raw(search->arena, capacity * sizeof items[0], 16);
        if (spans->count > 0)
            memcpy(items, spans->items, spans->count * sizeof items[0]);
        spans->items = items;
        spans->capacity = capacity;
    }
    spans->items[spans->count++] = (struct redact_span){from, to, kind};
    search->resume = TC_MAX(search->resume, to);
}

/* --- e-mail
 * ------------------------------------------------------------------------------------------------- */

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
    if (label.n > 4 && has(label, 0, SV("xn--"), true))
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
        struct sv head = has(label, 0, SV("xn--"), true) ? label : sv_head(label, dash);
        if (label.n == 0)
            break;
        if (labels > 0 && is_top_label(head))
            best = start + head.n;
        labels++;
        start = i + 1;
    }
    return best;
}

static void find_email(struct search *search, size_t at, struct sv literal)
{
    /* what was found before it (the password of a URL) is not its local part */
    size_t from = TC_MAX(local_from(search->text, at), search->resume);
    size_t domain = at + literal.n, to = from >= at ? domain : domain_to(search->text, domain);
    if (to > domain)
        found(search, from, to, REDACT_EMAIL);
}

/* --- tokens and keys
 * ---------------------------------------------------------------------------------------- */

static bool has_of(struct sv text, unsigned class, bool upper)
{
    for (size_t i = 0; i < text.n; i++)
        if (is(text.p[i], class) || (upper && text.p[i] >= 'A' && text.p[i] <= 'Z'))
            return true;
    return false;
}

/* "Bearer abc123…": a word behind it that is no word of a language. */
static void find_bearer(struct search *search, size_t at, struct sv literal)
{
    struct sv text = search->text;
    size_t from = at + literal.n;
    while (from < text.n && from - at < literal.n + GAP_MAX && (text.p[from] == ' ' || text.p[from] == '\t'))
        from++;
    struct sv token = sv_make(text.p + from, run(text, from, B_TOKEN));
    bool plain = !has_of(token, B_DIGIT, true);
    if (from > at + literal.n && token.n >= (plain ? BEARER_PLAIN_MIN : BEARER_MIN))
        found(search, from, from + token.n, REDACT_TOKEN);
}

/* eyJ….eyJ….signature; the signature may be empty, an encrypted one has five parts. */
static void find_jwt(struct search *search, size_t at, struct sv literal)
{
    (void)literal;
    struct sv text = search->text;
    if (at < search->jwt_skip)
        return;
    size_t end = at + run(text, at, B_WORD), parts = 1;
    search->jwt_skip = end;
    while (end < text.n && text.p[end] == '.' && parts < 5) {
        size_t next = run(text, end + 1, B_WORD);
        if (parts == 1 && next < JWT_PART_MIN)
            break;
        end += 1 + next;
        parts++;
    }
    if (parts >= 3)
        found(search, at, end, REDACT_TOKEN);
}

static void find_private_key(struct search *search, size_t at, struct sv literal)
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
    found(search, at, to, REDACT_KEY);
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

static void find_key(struct search *search, size_t at, struct sv literal)
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
            found(search, at, to, REDACT_KEY);
    }
}

static void find_slack_hook(struct search *search, size_t at, struct sv literal)
{
    struct sv text = search->text;
    size_t from = at + literal.n, to = from;
    while (to < text.n && in_alphabet(text.p[to], "/_-"))
        to++;
    if (to - from >= 8)
        found(search, from, to, REDACT_KEY);
}

/* scheme://user:password@host */
static void find_url_password(struct search *search, size_t at, struct sv literal)
{
    struct sv text = sv_head(search->text, at + literal.n + URL_USER_MAX);
    size_t from = at + literal.n, colon = 0, to = from;
    while (to < text.n && !one_of(text.p[to], "@/?# \t\n\"'<>\\")) {
        if (text.p[to] == ':' && colon == 0)
            colon = to;
        to++;
    }
    if (colon > 0 && to < text.n && text.p[to] == '@' && to > colon + 1)
        found(search, from, to, REDACT_SECRET);
}

/* --- secrets by name
 * ------------------------------------------------------------------------------------------ */

/* As names are compared: lower case, without '_' and '-'. */
static const char *const secret_names[] = {
    "password",          "passwd",       "passphrase",         "secret",       "apikey",     "accesstoken",
    "refreshtoken",      "clientsecret", "authorization",      "sessiontoken", "secretkey",  "privatekey",
    "secretaccesskey",   "xapikey",      "proxyauthorization", "authtoken",    "accountkey", "xauthtoken",
    "xamzsecuritytoken", "idtoken"};

enum { SECRET_NAME_MAX = 64 };

int redact_is_secret_name(struct sv name)
{
    char plain[SECRET_NAME_MAX];
    size_t n = 0, at = name.n; /* read from the end: it is the last words that count */
    bool boundary[SECRET_NAME_MAX + 1] = {false};
    while (at > 0 && n < SECRET_NAME_MAX && name.p[at - 1] != '.') {
        char c = name.p[--at];
        if (c == '_' || c == '-' || c == ' ') {
            boundary[n] = true;
            continue;
        }
        plain[n++] = lower(c);
        /* fooPassword: a word begins at its capital letter */
        boundary[n] |= c >= 'A' && c <= 'Z' && at > 0 && name.p[at - 1] >= 'a' && name.p[at - 1] <= 'z';
    }
    bool whole = at == 0 || name.p[at - 1] == '.';
    for (size_t i = 0; i < TC_ARRAY_LEN(secret_names); i++) {
        size_t length = strlen(secret_names[i]), k = 0;
        while (k < length && k < n && plain[k] == secret_names[i][length - 1 - k])
            k++;
        if (k == length && k == n && whole)
            return 2;
        if (k == length && boundary[k])
            return 1;
    }
    return 0;
}

static bool is_one_of(struct sv text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq_nocase(text, sv_of(words[i])))
            return true;
    return false;
}

bool redact_is_harmless(struct sv value)
{
    static const char *const words[] = {"true", "false", "null", "none", "nil", "yes", "no"};
    return value.n == 0 || is_replacement(value) || is_one_of(value, words, TC_ARRAY_LEN(words));
}

/* A quote at `at` ends a value that was opened behind `depth` backslashes (JSON in a string has some). */
static bool closes(struct sv text, size_t from, size_t at, size_t depth)
{
    size_t slashes = 0;
    while (at - slashes > from && text.p[at - slashes - 1] == '\\')
        slashes++;
    return slashes <= depth || (depth == 0 && slashes % 2 == 0);
}

/* Where a value that starts at `from` ends: at its quote, or at what separates fields. */
static size_t value_to(struct sv text, size_t from, char quote, size_t depth)
{
    size_t to = from;
    while (to < text.n && (quote != '\0' ? text.p[to] != quote || !closes(text, from, to, depth)
                                         : !one_of(text.p[to], " \t\r\n,;&\"'")))
        to++;
    while (quote != '\0' && to < text.n && depth > 0 && to > from && text.p[to - 1] == '\\') {
        to--;
        depth--;
    }
    return to;
}

/* "Basic dXNlcjpw", "AWS4-HMAC-SHA256 Credential=…, Signature=…": a scheme and its parameters, to the end of
 * the line. */
static size_t authorization_to(struct sv text, size_t from, size_t to, char quote)
{
    struct sv scheme = sv_make(text.p + from, to - from);
    static const char *const schemes[] = {"basic",     "bearer", "token", "digest",
                                          "negotiate", "ntlm",   "apikey"};
    if (quote != '\0' || to >= text.n || text.p[to] != ' ')
        return to;
    bool many = has(scheme, 0, SV("aws4-"), true) || sv_eq_nocase(scheme, SV("digest"));
    if (many) {
        struct sv rest = sv_from(text, to);
        return to + sv_find_char(rest, '\n');
    }
    if (!is_one_of(scheme, schemes, TC_ARRAY_LEN(schemes)))
        return to;
    return value_to(text, to + 1, '\0', 0);
}

static size_t skip_bytes(struct sv text, size_t at, const char *bytes)
{
    size_t most = TC_MIN(text.n, at + GAP_MAX);
    while (at < most && one_of(text.p[at], bytes))
        at++;
    return at;
}

/* The name around the literal at `at`: "db_password". Not longer than a name of ours can be told from. */
static struct sv name_around(struct sv text, size_t at, size_t n)
{
    size_t from = at;
    while (from > 0 && at - from < SECRET_NAME_MAX && is(text.p[from - 1], B_WORD))
        from--;
    size_t to = at + n + run(sv_head(text, at + n + SECRET_NAME_MAX), at + n, B_WORD);
    return sv_make(text.p + from, to - from);
}

/* name = value, "name": "value", name: value, \"name\":\"value\" (JSON in a string), :name=>"value" */
static void find_named_secret(struct search *search, size_t at, struct sv literal)
{
    struct sv text = search->text, name = name_around(text, at, literal.n);
    size_t name_to = (size_t)(name.p - text.p) + name.n, sign = skip_bytes(text, name_to, " \t\"'\\]");
    int sure = redact_is_secret_name(name);
    if (sure == 0 || sign >= text.n || (text.p[sign] != '=' && text.p[sign] != ':'))
        return;
    size_t from = skip_bytes(text, sign + 1, " \t=>"), quoted = skip_bytes(text, from, "\\");
    char quote = quoted < text.n && (text.p[quoted] == '"' || text.p[quoted] == '\'') ? text.p[quoted] : '\0';
    size_t depth = quoted - from;
    if (quote != '\0')
        from = quoted + 1;
    size_t to = value_to(text, from, quote, depth);
    if (to == from || (quote == '\0' && one_of(text.p[from], "{[")))
        return;
    if (name.n >= 13 && has(name, name.n - 13, SV("authorization"), true))
        to = authorization_to(text, from, to, quote);
    struct sv value = sv_make(text.p + from, to - from);
    bool number = run(value, 0, B_DIGIT) == value.n;
    if (!redact_is_harmless(value) && (sure == 2 || quote != '\0' || !number))
        found(search, from, to, REDACT_SECRET);
}

/* --- the table
 * ------------------------------------------------------------------------------------------------- */

typedef void (*find_fn)(struct search *search, size_t at, struct sv literal);

/* `literal` in lower case where nocase. The pass knows it by the two bytes at `pair`: choose rare ones. */
struct detector {
    struct sv literal;
    uint8_t pair;
    bool nocase;
    find_fn find;
};
#define D(text, pair, nocase, find)                                                                          \
    {                                                                                                        \
        {text, sizeof(text) - 1}, pair, nocase, find                                                         \
    }
static const struct detector detectors[] = {
    D("%40", 0, false, find_email),
    D("://", 0, false, find_url_password),
    D(":\\/\\/", 0, false, find_url_password),
    D("bearer", 0, true, find_bearer),
    D("eyJ", 1, false, find_jwt),
    D("-----BEGIN ", 4, false, find_private_key),
    D("password", 3, true, find_named_secret),
    D("passwd", 3, true, find_named_secret),
    D("passphrase", 3, true, find_named_secret),
    D("secret", 2, true, find_named_secret),
    D("apikey", 2, true, find_named_secret),
    D("api_key", 3, true, find_named_secret),
    D("api-key", 3, true, find_named_secret),
    D("access_key", 6, true, find_named_secret),
    D("private_key", 7, true, find_named_secret),
    D("privatekey", 6, true, find_named_secret),
    D("accountkey", 6, true, find_named_secret),
    D("token", 1, true, find_named_secret),
    D("authorization", 6, true, find_named_secret),
    D("AKIA", 0, false, find_key),
    D("ASIA", 0, false, find_key),
    D("ghp_", 0, false, find_key),
    D("gho_", 0, false, find_key),
    D("ghu_", 0, false, find_key),
    D("ghs_", 0, false, find_key),
    D("ghr_", 0, false, find_key),
    D("github_pat_", 5, false, find_key),
    D("glpat-", 0, false, find_key),
    D("xoxb-", 0, false, find_key),
    D("xoxa-", 0, false, find_key),
    D("xoxp-", 0, false, find_key),
    D("xoxr-", 0, false, find_key),
    D("xoxs-", 0, false, find_key),
    D("xapp-", 0, false, find_key),
    D("sk_live_", 1, false, find_key),
    D("sk_test_", 1, false, find_key),
    D("rk_live_", 1, false, find_key),
    D("whsec_", 4, false, find_key),
    D("sk-", 1, false, find_key),
    D("AIza", 1, false, find_key),
    D("npm_", 2, false, find_key),
    D("SG.", 1, false, find_key),
    D("dop_v1_", 3, false, find_key),
    D("hf_", 1, false, find_key),
    D("shpat_", 1, false, find_key),
    D("pypi-AgEIcHlwaS5vcmc", 4, false, find_key),
    D("slack.com/services/", 0, false, find_slack_hook),
    D("slack.com\\/services\\/", 0, false, find_slack_hook),
};

enum { PAIRS = 1 << 16, AT_SIGN = 255, ESCAPE = 254 };
/* For two bytes of text: 0 nothing, AT_SIGN, ESCAPE (of JSON), else number + 1 of the first detector to ask.
 * Detectors whose pairs are equal but for case form one list. */
static uint8_t first_of_pair[PAIRS];
static uint8_t next_of_pair[TC_ARRAY_LEN(detectors)];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;
_Static_assert(TC_ARRAY_LEN(detectors) < ESCAPE, "detectors are numbered in a byte");

static size_t pair_index(char a, char b)
{
    return (uint8_t)a | (size_t)(uint8_t)b << 8; /* as a little-endian load of two bytes */
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* A pair leads to the last detector of its list that was linked, so all are linked before any pair is set. */
static void make_tables(void)
{
    static uint8_t head[PAIRS];
    make_classes();
    for (size_t i = TC_ARRAY_LEN(detectors); i-- > 0;) {
        const char *pair = detectors[i].literal.p + detectors[i].pair;
        uint8_t *first = &head[pair_index(lower(pair[0]), lower(pair[1]))];
        next_of_pair[i] = *first;
        *first = (uint8_t)(i + 1);
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(detectors); i++) {
        char a = detectors[i].literal.p[detectors[i].pair], b = detectors[i].literal.p[detectors[i].pair + 1];
        uint8_t first = head[pair_index(lower(a), lower(b))];
        first_of_pair[pair_index(a, b)] = first;
        if (detectors[i].nocase)
            first_of_pair[pair_index(upper(a), b)] = first_of_pair[pair_index(a, upper(b))] =
                first_of_pair[pair_index(upper(a), upper(b))] = first;
    }
    for (int b = 0; b < 256; b++)
        first_of_pair[pair_index('@', (char)b)] = AT_SIGN;
    first_of_pair[pair_index('\\', 'u')] = ESCAPE;
}

/* --- the pass
 * -------------------------------------------------------------------------------------------------- */

/* The next place from `at` on whose two bytes announce something; text.n where there is none. */
static size_t next_place(struct sv text, size_t at, uint8_t *ret_first)
{
    for (; at + 1 < text.n; at++) {
        uint16_t pair;
        memcpy(&pair, text.p + at, sizeof pair);
        *ret_first = first_of_pair[pair];
        if (TC_UNLIKELY(*ret_first != 0))
            return at;
    }
    return text.n;
}

/* Asks the detectors whose literal stands around the pair at `at`. */
static void ask_detectors(struct search *search, size_t at, uint8_t first)
{
    for (; first != 0; first = next_of_pair[first - 1]) {
        const struct detector *d = &detectors[first - 1];
        if (at >= d->pair && at - d->pair >= search->resume &&
            has(search->text, at - d->pair, d->literal, d->nocase))
            d->find(search, at - d->pair, d->literal);
    }
}

static void find_cards(struct search *search)
{
    size_t at = 0, from, to;
    while (redact_card_next(search->text, &at, &from, &to)) {
        size_t token =
            from >= 7 ? replacement_at(search->text, from - 7) : 0; /* sixteen digits of a pseudonym */
        if (token == 0)
            found(search, from, to, REDACT_CARD);
    }
}

static int by_from(const void *a, const void *b)
{
    const struct redact_span *x = a, *y = b;
    return x->from != y->from ? (x->from < y->from ? -1 : 1) : (x->to > y->to) - (x->to < y->to);
}

/* Overlapping spans become one, of the stronger kind. */
static void merge(struct redact_spans *spans)
{
    size_t n = 0;
    if (spans->count > 1)
        qsort(spans->items, spans->count, sizeof spans->items[0], by_from);
    for (size_t i = 0; i < spans->count; i++) {
        struct redact_span *last = n > 0 ? &spans->items[n - 1] : NULL, *next = &spans->items[i];
        if (last == NULL || next->from >= last->to) {
            spans->items[n++] = *next;
            continue;
        }
        last->to = TC_MAX(last->to, next->to);
        last->kind = TC_MIN(last->kind, next->kind);
    }
    spans->count = n;
}

void redact_find(struct sv text, struct arena *arena, struct redact_spans *ret)
{
    struct search search = {.text = text, .arena = arena, .spans = ret};
    uint8_t first;
    *ret = (struct redact_spans){0};
    pthread_once(&tables_once, make_tables);
    for (size_t at = next_place(text, 0, &first); at < text.n; at = next_place(text, at + 1, &first)) {
        if (first == AT_SIGN && at >= search.resume)
            find_email(&search, at, SV("@"));
        else if (first == ESCAPE && at >= search.resume && has(text, at, SV("\\u0040"), false))
            find_email(&search, at, SV("\\u0040"));
        else if (first != AT_SIGN && first != ESCAPE)
            ask_detectors(&search, at, first);
    }
    find_cards(&search);
    merge(ret);
}

/* The literal of a detector is there. A URL is too common for that alone to count. */
static bool is_announced(struct search *search, size_t at, uint8_t first)
{
    for (; first != 0; first = next_of_pair[first - 1]) {
        const struct detector *d = &detectors[first - 1];
        if (at < d->pair || !has(search->text, at - d->pair, d->literal, d->nocase))
            continue;
        if (d->find != find_url_password || d->literal.n > 3)
            return true;
        find_url_password(search, at - d->pair, d->literal);
        if (search->spans->count > 0)
            return true;
    }
    return false;
}

bool redact_suspicious(struct sv text)
{
    struct redact_span room[1];
    struct redact_spans spans = {room, 0, 1};
    struct search search = {.text = text, .spans = &spans};
    size_t card = 0, from, to;
    uint8_t first;
    pthread_once(&tables_once, make_tables);
    for (size_t at = next_place(text, 0, &first); at < text.n; at = next_place(text, at + 1, &first)) {
        if (first == AT_SIGN  ? at > 0 && at + 1 < text.n && text.p[at - 1] != ' ' && text.p[at + 1] != ' '
            : first == ESCAPE ? has(text, at, SV("\\u00"), false)
                              : is_announced(&search, at, first))
            return true;
    }
    return redact_card_next(text, &card, &from, &to);
}

bool redact_is_card(struct sv digits)
{
    return redact_card_is(digits);
}
