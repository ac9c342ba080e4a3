/*
 * Finding card numbers; see redact_card.h.
 *
 * A number has at least 13 digits, so a run of digits, spaces and dashes that holds one covers at least one
 * of every 13 bytes: only these are looked at until a run turns up. Nanoseconds, order numbers and other long
 * numbers pass Luhn's check one time in ten; that is why the issuer's prefix and length are asked, too
 * (nanoseconds since 1970 begin with 1 until 2033). Prefixes that would take in too much are left out: 1 with
 * 15 digits (air travel cards).
 */
#include "event/redact_card.h"

enum {
    CARD_MIN = 13,
    CARD_MAX = 19,
    GROUPS_MAX = 6,
    GROUP_MIN = 3,
    GROUP_MAX = 8,
    FIRST_GROUP_MIN = 4,
};

#define LENGTH(n)        (1U << (n))
#define LENGTHS_16_TO_19 (LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19))

static const struct issuer {
    uint32_t low, high; /* first digits, both ends count */
    uint8_t digits;     /* how many these are */
    uint32_t lengths;
} issuers[] = {
    {4, 4, 1, LENGTH(13) | LENGTH(16) | LENGTH(18) | LENGTH(19)}, /* Visa */
    {51, 55, 2, LENGTH(16)},                                      /* Mastercard */
    {2221, 2720, 4, LENGTH(16)},                                  /* Mastercard */
    {34, 34, 2, LENGTH(15)},                                      /* American Express */
    {37, 37, 2, LENGTH(15)},                                      /* American Express */
    {300, 305, 3, LENGTH(14) | LENGTH(16) | LENGTH(19)},          /* Diners Club */
    {36, 36, 2, LENGTH(14) | LENGTH(16) | LENGTH(19)},            /* Diners Club */
    {38, 39, 2, LENGTH(14) | LENGTH(16) | LENGTH(19)},            /* Diners Club */
    {6011, 6011, 4, LENGTH(16) | LENGTH(19)},                     /* Discover */
    {644, 649, 3, LENGTH(16) | LENGTH(19)},                       /* Discover */
    {65, 65, 2, LENGTH(16) | LENGTH(19)},                         /* Discover */
    {35, 35, 2, LENGTHS_16_TO_19},                           /* JCB (3528-3589; test data takes all of 35) */
    {2131, 2131, 4, LENGTH(15)},                             /* JCB */
    {1800, 1800, 4, LENGTH(15)},                             /* JCB */
    {62, 62, 2, LENGTH(14) | LENGTH(15) | LENGTHS_16_TO_19}, /* UnionPay */
    {81, 81, 2, LENGTHS_16_TO_19},                           /* UnionPay */
    {2200, 2204, 4, LENGTHS_16_TO_19},                       /* Mir */
    {50, 50, 2, LENGTH(13) | LENGTH(14) | LENGTH(15) | LENGTHS_16_TO_19}, /* Maestro, Elo, Verve */
    {56, 58, 2, LENGTH(13) | LENGTH(14) | LENGTH(15) | LENGTHS_16_TO_19}, /* Maestro */
    {63, 63, 2, LENGTH(13) | LENGTH(14) | LENGTH(15) | LENGTHS_16_TO_19}, /* Maestro, Hiper, Elo */
    {67, 67, 2, LENGTH(13) | LENGTH(14) | LENGTH(15) | LENGTHS_16_TO_19}, /* Maestro */
    {9792, 9792, 4, LENGTH(16)},                                          /* Troy */
    {606282, 606282, 6, LENGTH(16)},                                      /* Hipercard */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool in_run(char c)
{
    return is_digit(c) || c == ' ' || c == '-';
}

static bool luhn_holds(const char *digits, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(digits[n - 1 - i] - '0');
        unsigned doubled = digit * 2;
        sum += i % 2 == 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
    }
    return sum % 10 == 0;
}

static bool issuer_known(const char *digits, size_t n)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(issuers); i++) {
        uint32_t prefix = 0;
        for (size_t k = 0; k < issuers[i].digits; k++)
            prefix = prefix * 10 + (uint32_t)(digits[k] - '0');
        if (prefix >= issuers[i].low && prefix <= issuers[i].high && (issuers[i].lengths & LENGTH(n)))
            return true;
    }
    return false;
}

static bool is_card(const char *digits, size_t n)
{
    return n >= CARD_MIN && n <= CARD_MAX && issuer_known(digits, n) && luhn_holds(digits, n);
}

bool redact_card_is(struct sv digits)
{
    for (size_t i = 0; i < digits.n; i++)
        if (!is_digit(digits.p[i]))
            return false;
    return is_card(digits.p, digits.n);
}

/* A decimal fraction at `at` (but for ".0": that is the same number). */
static bool is_fraction(struct sv text, size_t at)
{
    size_t end = at + 1;
    while (end < text.n && text.p[end] == '0')
        end++;
    return at < text.n && text.p[at] == '.' && end < text.n && is_digit(text.p[end]);
}

/* Nothing beside it that makes it part of something longer. */
static bool edges_are_clear(struct sv text, size_t from, size_t to, bool dashed)
{
    char before = from > 0 ? text.p[from - 1] : ' ', after = to < text.n ? text.p[to] : ' ';
    char before2 = from > 1 ? text.p[from - 2] : ' ', after2 = to + 1 < text.n ? text.p[to + 1] : ' ';
    if (is_word(before) || is_word(after))
        return false;
    if ((before == '.' && is_digit(before2)) || is_fraction(text, to))
        return false;
    return !dashed || !((before == '-' && is_word(before2)) || (after == '-' && is_word(after2)));
}

/* A card number that starts with the group of digits at `from`; *ret_to behind it. */
static bool card_from(struct sv text, size_t from, size_t *ret_to)
{
    char digits[CARD_MAX];
    size_t n = 0, at = from;
    bool dashed = false;
    for (size_t group = 0; group < GROUPS_MAX; group++) {
        size_t start = at;
        while (at < text.n && is_digit(text.p[at])) {
            if (n == CARD_MAX)
                return false;
            digits[n++] = text.p[at++];
        }
        size_t size = at - start;
        if (size == 0)
            return false;
        if (is_card(digits, n) && edges_are_clear(text, from, at, dashed)) {
            *ret_to = at;
            return true;
        }
        if (size < (group == 0 ? FIRST_GROUP_MIN : GROUP_MIN) || size > GROUP_MAX || at + 1 >= text.n ||
            (text.p[at] != ' ' && text.p[at] != '-'))
            return false;
        dashed |= text.p[at] == '-';
        at++;
    }
    return false;
}

/* The first card number that starts in the run [low, high). */
static bool card_in_run(struct sv text, size_t low, size_t high, size_t *ret_from, size_t *ret_to)
{
    for (size_t i = low; i + CARD_MIN <= high; i++) {
        if (!is_digit(text.p[i]))
            continue;
        if (card_from(text, i, ret_to)) {
            *ret_from = i;
            return true;
        }
        while (i < high && is_digit(text.p[i])) /* no number starts inside a group of digits */
            i++;
    }
    return false;
}

bool redact_card_next(struct sv text, size_t *at, size_t *ret_from, size_t *ret_to)
{
    size_t floor = *at; /* nothing before it belongs to a run any more */
    for (size_t i = floor + CARD_MIN - 1; i < text.n;) {
        if (TC_LIKELY(!in_run(text.p[i]))) {
            i += CARD_MIN;
            continue;
        }
        size_t low = i, high = i + 1;
        while (low > floor && in_run(text.p[low - 1]))
            low--;
        while (high < text.n && in_run(text.p[high]))
            high++;
        if (high - low >= CARD_MIN && card_in_run(text, low, high, ret_from, ret_to)) {
            *at = *ret_to;
            return true;
        }
        floor = high;
        i = high + CARD_MIN;
    }
    *at = text.n;
    return false;
}
