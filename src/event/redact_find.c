/*
 * The table of detectors and the pass that asks them; see redact_find.h. The detectors themselves are in
 * redact_detect.c and redact_secret.c.
 *
 * To add one: write its function there, give it a line (or one per literal) in the table.
 */
#include "event/redact_find.h"

#include "event/redact_account.h"
#include "event/redact_card.h"
#include "event/redact_iban.h"
#include "event/redact_phone.h"
#include "event/redact_priv.h"

#include <pthread.h>
#include <stdlib.h>

/* --- bytes --- */

uint8_t redact_classes[256];

static void add_class(const char *bytes, unsigned class)
{
    for (; *bytes != '\0'; bytes++)
        redact_classes[(uint8_t)*bytes] |= (uint8_t) class;
}

void redact_make_classes(void)
{
    for (int c = '0'; c <= '9'; c++)
        redact_classes[c] |= B_DIGIT | B_WORD | B_LOCAL | B_DOMAIN | B_TOKEN;
    for (int c = 'a'; c <= 'z'; c++) {
        redact_classes[c] |= B_ALPHA | B_WORD | B_LOCAL | B_DOMAIN | B_TOKEN;
        redact_classes[c - 'a' + 'A'] |= B_ALPHA | B_WORD | B_LOCAL | B_DOMAIN | B_TOKEN;
    }
    add_class("_-", B_WORD);
    add_class("._%+-~!#$^*'", B_LOCAL);
    add_class("-.", B_DOMAIN);
    add_class("-._~+/=", B_TOKEN);
}

size_t redact_run(struct sv text, size_t at, unsigned class)
{
    size_t n = at;
    while (n < text.n && is(text.p[n], class))
        n++;
    return n - at;
}

bool redact_has(struct sv text, size_t at, struct sv literal, bool nocase)
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

/* --- our own replacements --- */

static const struct sv replacements[] = {{"<secret>", 8}, {"<key>", 5},  {"<token>", 7},
                                         {"<card>", 6},   {"<iban>", 6}, {"<masked>", 8}};
/* Followed by 16 hexadecimal digits and ">". */
static const struct sv tokens[] = {{"<email:", 7}, {"<phone:", 7}, {"<person:", 8}, {"<hash:", 6}};
enum { TOKEN_HEX = 16 };

/* Length of a replacement at `at`, 0 where there is none. */
size_t redact_replacement_at(struct sv text, size_t at)
{
    if (at >= text.n || text.p[at] != '<')
        return 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(replacements); i++)
        if (redact_has(text, at, replacements[i], false))
            return replacements[i].n;
    size_t head = 0;
    for (size_t i = 0; head == 0 && i < TC_ARRAY_LEN(tokens); i++)
        if (redact_has(text, at, tokens[i], false))
            head = tokens[i].n;
    if (head == 0 || text.n - at < head + TOKEN_HEX + 1 || text.p[at + head + TOKEN_HEX] != '>')
        return 0;
    for (size_t i = 0; i < TOKEN_HEX; i++) {
        char c = text.p[at + head + i];
        if (!is(c, B_DIGIT) && !(c >= 'a' && c <= 'f'))
            return 0;
    }
    return head + TOKEN_HEX + 1;
}

/* The sixteen digits at `from` are a token's. */
static bool is_in_token(struct sv text, size_t from)
{
    for (size_t n = 6; n <= 8; n++)
        if (from >= n && redact_replacement_at(text, from - n) > n)
            return true;
    return false;
}

/* --- what the detectors share --- */

void redact_found(struct search *search, size_t from, size_t to, enum redact_kind kind)
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

/* --- the table --- */

/* `literal` in lower case where nocase. The pass knows it by the two bytes at `pair`: choose rare ones. */
struct detector {
    struct sv literal;
    uint8_t pair;
    bool nocase;
    redact_find_fn find;
};
#define D(text, pair, nocase, find)                                                                          \
    {                                                                                                        \
        {text, sizeof(text) - 1}, pair, nocase, find                                                         \
    }
static const struct detector detectors[] = {
    D("%40", 0, false, redact_email),
    D("://", 0, false, redact_url_password),
    D(":\\/\\/", 0, false, redact_url_password),
    D("bearer", 0, true, redact_bearer),
    D("eyJ", 1, false, redact_jwt),
    D("-----BEGIN ", 4, false, redact_private_key),
    D("password", 3, true, redact_named_secret),
    D("passwd", 3, true, redact_named_secret),
    D("passphrase", 3, true, redact_named_secret),
    D("secret", 2, true, redact_named_secret),
    D("apikey", 2, true, redact_named_secret),
    D("api_key", 3, true, redact_named_secret),
    D("api-key", 3, true, redact_named_secret),
    D("access_key", 6, true, redact_named_secret),
    D("private_key", 7, true, redact_named_secret),
    D("privatekey", 6, true, redact_named_secret),
    D("accountkey", 6, true, redact_named_secret),
    D("token", 1, true, redact_named_secret),
    D("cookie", 3, true, redact_named_secret),
    D("pwd", 1, true, redact_named_secret),
    D("authorization", 6, true, redact_named_secret),
    D("AKIA", 0, false, redact_api_key),
    D("ASIA", 0, false, redact_api_key),
    D("ghp_", 0, false, redact_api_key),
    D("gho_", 0, false, redact_api_key),
    D("ghu_", 0, false, redact_api_key),
    D("ghs_", 0, false, redact_api_key),
    D("ghr_", 0, false, redact_api_key),
    D("github_pat_", 5, false, redact_api_key),
    D("glpat-", 0, false, redact_api_key),
    D("xoxb-", 0, false, redact_api_key),
    D("xoxa-", 0, false, redact_api_key),
    D("xoxp-", 0, false, redact_api_key),
    D("xoxr-", 0, false, redact_api_key),
    D("xoxs-", 0, false, redact_api_key),
    D("xapp-", 0, false, redact_api_key),
    D("sk_live_", 1, false, redact_api_key),
    D("sk_test_", 1, false, redact_api_key),
    D("rk_live_", 1, false, redact_api_key),
    D("whsec_", 4, false, redact_api_key),
    D("sk-", 1, false, redact_api_key),
    D("AIza", 1, false, redact_api_key),
    D("npm_", 2, false, redact_api_key),
    D("SG.", 1, false, redact_api_key),
    D("dop_v1_", 3, false, redact_api_key),
    D("hf_", 1, false, redact_api_key),
    D("shpat_", 1, false, redact_api_key),
    D("pypi-AgEIcHlwaS5vcmc", 4, false, redact_api_key),
    D("slack.com/services/", 0, false, redact_slack_hook),
    D("slack.com\\/services\\/", 0, false, redact_slack_hook),
    D("slack.com/workflows/", 10, false, redact_slack_hook),
    D("slack.com/triggers/", 10, false, redact_slack_hook),
    D("/api/webhooks/", 5, false, redact_slack_hook), /* Discord */
    D(".office.com/webhook", 11, false, redact_slack_hook),
    D("zapier.com/hooks/catch/", 0, false, redact_slack_hook),
    D("api.telegram.org/bot", 4, false, redact_slack_hook),
    D("phone", 0, true, redact_announced_phone),
    D("mobile", 1, true, redact_announced_phone),
    D("msisdn", 2, true, redact_announced_phone),
    D("fax", 1, true, redact_announced_phone),
    D("sms", 0, true, redact_announced_phone),
    D("tel:", 2, true, redact_announced_phone),
    D("tel.", 2, true, redact_announced_phone),
    D("tel\"", 2, true, redact_announced_phone),
    D("tel=", 2, true, redact_announced_phone),
    D("cell:", 3, true, redact_announced_phone),
    D("desk:", 3, true, redact_announced_phone),
    D("call me", 4, true, redact_announced_phone),
    D("call us", 4, true, redact_announced_phone),
    D("answering", 5, true, redact_announced_phone),
    D("messages", 4, true, redact_announced_phone),
    D("%2b", 0, false, redact_plus_phone),
    D("%2B", 0, false, redact_plus_phone),
};

/* For two bytes of text: what a place may be that no literal names. */
enum { PAIRS = 1 << 16, AT_SIGN = 255, ESCAPE = 254, PLUS = 253, GROUPS = 252, QUERY = 251, SEPARATOR = 250 };
/* 0 nothing, AT_SIGN, ESCAPE (of JSON) … SEPARATOR, else number + 1 of the first detector to ask. Detectors
 * whose pairs are equal but for case form one list. */
static uint8_t first_of_pair[PAIRS];
static uint8_t next_of_pair[TC_ARRAY_LEN(detectors)];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;
_Static_assert(TC_ARRAY_LEN(detectors) < SEPARATOR, "detectors are numbered in a byte");

static size_t pair_index(char a, char b)
{
    return (uint8_t)a | (size_t)(uint8_t)b << 8; /* as a little-endian load of two bytes */
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static void set_special(char a, char b, uint8_t special)
{
    uint8_t *first = &first_of_pair[pair_index(a, b)];
    tc_assert(*first == 0); /* a literal's pair would hide it: choose another for the literal */
    *first = special;
}

static void make_special_pairs(void)
{
    for (int b = 0; b < 256; b++)
        set_special('@', (char)b, AT_SIGN);
    for (const char *c = "u/ntrbf"; *c != '\0'; c++)
        set_special('\\', *c, ESCAPE);
    for (char digit = '0'; digit <= '9'; digit++) {
        set_special('-', digit, GROUPS);
        set_special('.', digit, GROUPS);
        if (digit > '0')
            set_special('+', digit, PLUS);
    }
    set_special('+', '(', PLUS);
    for (char letter = 'a'; letter <= 'z'; letter++)
        for (int capital = 0; capital < 2; capital++) {
            char c = capital ? upper(letter) : letter;
            set_special('?', c, QUERY);
            set_special('&', c, QUERY);
            if (first_of_pair[pair_index('_', c)] == 0) /* a literal there knows the name itself */
                set_special('_', c, SEPARATOR);
            if (first_of_pair[pair_index('-', c)] == 0)
                set_special('-', c, SEPARATOR);
        }
}

/* A pair leads to the last detector of its list that was linked, so all are linked before any pair is set. */
static void make_tables(void)
{
    static uint8_t head[PAIRS];
    redact_make_classes();
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
    make_special_pairs();
}

/* --- the pass --- */

/* The next place from `at` on whose two bytes announce something; text.n where there is none. */
static size_t next_place(struct sv text, size_t at, uint8_t *ret_first)
{
    for (; at + 4 < text.n; at += 4) { /* four at a time as long as they announce nothing */
        uint32_t four;
        memcpy(&four, text.p + at, sizeof four);
        uint16_t last;
        memcpy(&last, text.p + at + 3, sizeof last);
        if (TC_UNLIKELY((first_of_pair[four & 0xffff] | first_of_pair[four >> 8 & 0xffff] |
                         first_of_pair[four >> 16] | first_of_pair[last]) != 0))
            break;
    }
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
            redact_has(search->text, at - d->pair, d->literal, d->nocase))
            d->find(search, at - d->pair, d->literal);
    }
}

static void find_accounts(struct search *search)
{
    size_t at = 0, from, to;
    struct redact_possible possible = redact_account_possible(search->text);
    while (possible.card && redact_card_next(search->text, &at, &from, &to)) {
        if (!is_in_token(search->text, from))
            redact_found(search, from, to, REDACT_CARD);
    }
    for (at = 0; possible.iban && redact_iban_next(search->text, &at, &from, &to);)
        redact_found(search, from, to, REDACT_IBAN);
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

/* What is found by its form around the pair at `at`. */
static void ask_special(struct search *search, size_t at, uint8_t special)
{
    size_t from, to;
    switch (special) {
    case AT_SIGN:
        redact_email(search, at, SV("@"));
        break;
    case ESCAPE:
        if (redact_has(search->text, at, SV("\\u0040"), false))
            redact_email(search, at, SV("\\u0040"));
        break;
    case PLUS:
        redact_plus_phone(search, at, SV("+"));
        break;
    case GROUPS:
        if (redact_phone_groups(search->text, at, &from, &to) && from >= search->resume)
            redact_found(search, from, to, REDACT_PHONE);
        break;
    case QUERY:
        redact_query_secret(search, at + 1);
        break;
    default:
        if (redact_separated_announced(search->text, at))
            redact_named_secret(search, at, SV("_"));
        break;
    }
}

void redact_find(struct sv text, struct arena *arena, struct redact_spans *ret)
{
    struct search search = {.text = text, .arena = arena, .spans = ret};
    uint8_t first;
    *ret = (struct redact_spans){0};
    pthread_once(&tables_once, make_tables);
    for (size_t at = next_place(text, 0, &first); at < text.n; at = next_place(text, at + 1, &first)) {
        if (first < SEPARATOR)
            ask_detectors(&search, at, first);
        else if (at >= search.resume)
            ask_special(&search, at, first);
    }
    find_accounts(&search);
    merge(ret);
}

/* A detector's literal in raw JSON. Names and URLs are common for themselves, so these are looked at. */
static bool is_announced_by(struct search *search, size_t at, const struct detector *d)
{
    if (d->find == redact_named_secret)
        return redact_secret_announced(search->text, at, d->literal.n);
    bool asks = (d->find == redact_url_password && d->literal.n <= 3) || d->find == redact_announced_phone ||
                d->find == redact_plus_phone;
    if (!asks)
        return true;
    d->find(search, at, d->literal);
    return search->spans->count > 0;
}

static bool is_announced(struct search *search, size_t at, uint8_t first)
{
    for (; first != 0; first = next_of_pair[first - 1]) {
        const struct detector *d = &detectors[first - 1];
        if (at >= d->pair && redact_has(search->text, at - d->pair, d->literal, d->nocase) &&
            is_announced_by(search, at - d->pair, d))
            return true;
    }
    return false;
}

static bool is_special_announced(struct search *search, size_t at, uint8_t special)
{
    if (special == ESCAPE) /* it may hide a sign or a word's beginning: decoded it will show */
        return true;
    if (special == AT_SIGN)
        return redact_address_announced(search->text, at);
    if (special == SEPARATOR)
        return redact_separated_announced(search->text, at);
    ask_special(search, at, special);
    return search->spans->count > 0;
}

bool redact_suspicious(struct sv text)
{
    struct redact_span room[1];
    struct redact_spans spans = {room, 0, 1};
    struct search search = {.text = text, .spans = &spans};
    size_t card = 0, iban = 0, from, to;
    uint8_t first;
    pthread_once(&tables_once, make_tables);
    for (size_t at = next_place(text, 0, &first); at < text.n; at = next_place(text, at + 1, &first)) {
        if (first < SEPARATOR ? is_announced(&search, at, first) : is_special_announced(&search, at, first))
            return true;
    }
    struct redact_possible possible = redact_account_possible(text);
    return (possible.card && redact_card_next(text, &card, &from, &to)) ||
           (possible.iban && redact_iban_next(text, &iban, &from, &to));
}

bool redact_is_card(struct sv digits)
{
    return redact_card_is(digits);
}
