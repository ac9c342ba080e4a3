/*
 * Finding account numbers; see redact_iban.h.
 *
 * Whether whole or in groups of four, at least four of any five bytes of one are capitals or digits; so of
 * any two bytes seven apart in it one is at least. Only such places are looked at.
 */
#include "event/redact_iban.h"

enum { IBAN_MIN = 15, IBAN_MAX = 34, STEP = 7 };

static const struct {
    char country[3];
    uint8_t length;
} countries[] = {
    {"AD", 24},
    {"AE", 23},
    {"AL", 28},
    {"AT", 20},
    {"AZ", 28},
    {"BA", 20},
    {"BE", 16},
    {"BG", 22},
    {"BH", 22},
    {"BI", 27},
    {"BR", 29},
    {"BY", 28},
    {"CH", 21},
    {"CR", 22},
    {"CY", 28},
    {"CZ", 24},
    {"DE", 22},
    {"DJ", 27},
    {"DK", 18},
    {"DO", 28},
    {"EE", 20},
    {"EG", 29},
    {"ES", 24},
    {"FI", 18},
    {"FK", 18},
    {"FO", 18},
    {"FR", 27},
    {"GB", 22},
    {"GE", 22},
    {"GI", 23},
    {"GL", 18},
    {"GR", 27},
    {"GT", 28},
    {"HN", 28},
    {"HR", 21},
    {"HU", 28},
    {"IE", 22},
    {"IL", 23},
    {"IQ", 23},
    {"IS", 26},
    {"IT", 27},
    {"JO", 30},
    {"KW", 30},
    {"KZ", 20},
    {"LB", 28},
    {"LC", 32},
    {"LI", 21},
    {"LT", 20},
    {"LU", 20},
    {"LV", 21},
    {"LY", 25},
    {"MC", 27},
    {"MD", 24},
    {"ME", 22},
    {"MK", 19},
    {"MN", 20},
    {"MR", 27},
    {"MT", 31},
    {"MU", 30},
    {"NI", 28},
    {"NL", 18},
    {"NO", 15},
    {"OM", 23},
    {"PK", 24},
    {"PL", 28},
    {"PS", 29},
    {"PT", 25},
    {"QA", 29},
    {"RO", 24},
    {"RS", 22},
    {"RU", 33},
    {"SA", 24},
    {"SC", 31},
    {"SD", 18},
    {"SE", 24},
    {"SI", 19},
    {"SK", 24},
    {"SM", 27},
    {"SO", 23},
    {"ST", 25},
    {"SV", 28},
    {"TL", 23},
    {"TN", 24},
    {"TR", 26},
    {"UA", 29},
    {"VA", 22},
    {"VG", 24},
    {"XK", 20},
    {"YE", 30},
    {"AO", 25},
    {"BJ", 28},
    {"CV", 25},
    {"IR", 26},
    {"ML", 28},
    {"BF", 28},
    /* territories of France */
    {"BL", 27},
    {"GF", 27},
    {"GP", 27},
    {"MF", 27},
    {"MQ", 27},
    {"NC", 27},
    {"PF", 27},
    {"PM", 27},
    {"RE", 27},
    {"TF", 27},
    {"WF", 27},
    {"YT", 27},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_part(char c)
{
    return is_digit(c) || is_capital(c);
}

static bool is_word(char c)
{
    return is_part(c) || (c >= 'a' && c <= 'z') || (uint8_t)c >= 0x80;
}

static size_t length_of(const char *country)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(countries); i++)
        if (memcmp(countries[i].country, country, 2) == 0)
            return countries[i].length;
    return 0;
}

static bool check_holds(const char *iban, size_t n)
{
    unsigned rest = 0;
    for (size_t i = 0; i < n; i++) {
        char c = iban[(i + 4) % n];
        rest = is_digit(c) ? (rest * 10 + (unsigned)(c - '0')) % 97
                           : (rest * 100 + (unsigned)(c - 'A') + 10) % 97;
    }
    return rest == 1;
}

/* A number that starts at `from`. */
static bool iban_from(struct sv text, size_t from, size_t *ret_to)
{
    char iban[IBAN_MAX];
    size_t n = 0, at = from;
    if (from + IBAN_MIN > text.n || !is_capital(text.p[from]) || !is_capital(text.p[from + 1]) ||
        !is_digit(text.p[from + 2]) || !is_digit(text.p[from + 3]) || (from > 0 && is_word(text.p[from - 1])))
        return false;
    size_t length = length_of(text.p + from);
    while (at < text.n && n < length) {
        bool gap = n > 0 && n % 4 == 0 && (text.p[at] == ' ' || text.p[at] == '-');
        if (gap)
            at++;
        if (at >= text.n || !is_part(text.p[at]))
            return false;
        iban[n++] = text.p[at++];
    }
    *ret_to = at;
    return n >= IBAN_MIN && n == length && (at == text.n || !is_word(text.p[at])) && check_holds(iban, n);
}

bool redact_iban_next(struct sv text, size_t *at, size_t *ret_from, size_t *ret_to)
{
    size_t floor = *at;
    for (size_t i = floor + STEP; i < text.n; i += STEP) {
        if (TC_LIKELY(!is_part(text.p[i]) && !is_part(text.p[i - 1])))
            continue;
        size_t low = i > floor + STEP + 1 ? i - STEP - 1 : floor;
        for (size_t from = low; from <= i; from++)
            if (is_capital(text.p[from]) && iban_from(text, from, ret_to)) {
                *ret_from = from;
                *at = *ret_to;
                return true;
            }
    }
    *at = text.n;
    return false;
}
