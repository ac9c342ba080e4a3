/*
 * Finding telephone numbers; see redact_phone.h. Every function looks at a bounded piece of text.
 */
#include "event/redact_phone.h"

enum {
    DIGITS_MIN = 7,
    DIGITS_MAX = 15, /* E.164 */
    GAP_MAX = 32,    /* between an announcing word and its number */
    EXTENSION_MAX = 6,
    GROUPS_MAX = 10,
};

/* Calling codes in use and how many digits may follow them. */
static const struct calling_code {
    uint16_t code;
    uint8_t min, max;
} calling_codes[] = {
    {1, 10, 10},   {7, 10, 14},   {20, 8, 10},   {27, 5, 10},  {30, 10, 12}, {31, 5, 11},  {32, 8, 9},
    {33, 9, 9},    {34, 9, 9},    {36, 8, 9},    {39, 6, 12},  {40, 6, 9},   {41, 9, 9},   {43, 4, 13},
    {44, 7, 10},   {45, 8, 8},    {46, 6, 10},   {47, 5, 8},   {48, 6, 10},  {49, 4, 15},  {51, 8, 9},
    {52, 10, 10},  {53, 6, 10},   {54, 10, 11},  {55, 8, 11},  {56, 9, 11},  {57, 8, 11},  {58, 10, 10},
    {60, 8, 10},   {61, 5, 12},   {62, 7, 17},   {63, 6, 13},  {64, 5, 10},  {65, 8, 11},  {66, 8, 13},
    {81, 8, 17},   {82, 5, 14},   {84, 7, 10},   {86, 7, 12},  {90, 7, 13},  {91, 8, 13},  {92, 8, 12},
    {93, 9, 9},    {94, 9, 9},    {95, 6, 10},   {98, 4, 10},  {211, 9, 9},  {212, 9, 9},  {213, 8, 9},
    {216, 8, 8},   {218, 9, 9},   {220, 7, 7},   {221, 9, 9},  {222, 8, 8},  {223, 8, 8},  {224, 8, 9},
    {225, 10, 10}, {226, 8, 8},   {227, 8, 8},   {228, 8, 8},  {229, 8, 10}, {230, 7, 10}, {231, 7, 9},
    {232, 8, 8},   {233, 8, 9},   {234, 10, 14}, {235, 8, 8},  {236, 8, 8},  {237, 8, 9},  {238, 7, 7},
    {239, 7, 7},   {240, 9, 9},   {241, 7, 8},   {242, 9, 9},  {243, 7, 10}, {244, 9, 9},  {245, 7, 9},
    {246, 7, 7},   {247, 5, 6},   {248, 7, 7},   {249, 9, 9},  {250, 8, 9},  {251, 9, 9},  {252, 6, 9},
    {253, 8, 8},   {254, 7, 10},  {255, 9, 9},   {256, 9, 9},  {257, 8, 8},  {258, 8, 9},  {260, 9, 9},
    {261, 9, 9},   {262, 9, 9},   {263, 5, 10},  {264, 8, 9},  {265, 7, 9},  {266, 8, 8},  {267, 7, 10},
    {268, 8, 9},   {269, 7, 7},   {290, 4, 5},   {291, 7, 7},  {297, 7, 7},  {298, 6, 6},  {299, 6, 6},
    {350, 8, 8},   {351, 9, 9},   {352, 4, 11},  {353, 7, 10}, {354, 7, 9},  {355, 6, 9},  {356, 8, 8},
    {357, 8, 8},   {358, 5, 12},  {359, 6, 12},  {370, 8, 8},  {371, 8, 8},  {372, 7, 10}, {373, 8, 8},
    {374, 8, 8},   {375, 6, 11},  {376, 6, 9},   {377, 8, 9},  {378, 8, 10}, {380, 9, 10}, {381, 6, 12},
    {382, 8, 9},   {383, 8, 12},  {385, 7, 9},   {386, 5, 8},  {387, 8, 9},  {389, 8, 8},  {420, 9, 9},
    {421, 6, 9},   {423, 7, 9},   {500, 5, 5},   {501, 7, 11}, {502, 8, 11}, {503, 7, 11}, {504, 8, 11},
    {505, 8, 8},   {506, 8, 10},  {507, 7, 11},  {508, 6, 9},  {509, 8, 8},  {590, 9, 9},  {591, 8, 9},
    {592, 7, 7},   {593, 8, 11},  {594, 9, 9},   {595, 6, 11}, {596, 9, 9},  {597, 6, 7},  {598, 4, 13},
    {599, 7, 8},   {670, 7, 8},   {672, 6, 6},   {673, 7, 7},  {674, 7, 7},  {675, 7, 8},  {676, 5, 7},
    {677, 5, 7},   {678, 5, 7},   {679, 7, 11},  {680, 7, 7},  {681, 6, 9},  {682, 5, 5},  {683, 4, 7},
    {685, 5, 10},  {686, 5, 8},   {687, 6, 6},   {688, 5, 7},  {689, 6, 9},  {690, 4, 7},  {691, 7, 7},
    {692, 7, 7},   {800, 8, 8},   {808, 8, 8},   {850, 8, 10}, {852, 5, 11}, {853, 7, 8},  {855, 8, 10},
    {856, 8, 10},  {870, 9, 12},  {878, 12, 12}, {880, 6, 10}, {881, 9, 10}, {882, 7, 12}, {883, 8, 12},
    {886, 7, 11},  {888, 11, 11}, {960, 7, 10},  {961, 7, 8},  {962, 8, 9},  {963, 8, 9},  {964, 8, 10},
    {965, 7, 8},   {966, 9, 10},  {967, 7, 9},   {968, 7, 9},  {970, 8, 10}, {971, 5, 12}, {972, 7, 12},
    {973, 8, 8},   {974, 7, 11},  {975, 7, 8},   {976, 8, 10}, {977, 8, 11}, {979, 9, 9},  {992, 9, 9},
    {993, 8, 8},   {994, 9, 9},   {995, 9, 9},   {996, 9, 10}, {998, 9, 9},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (uint8_t)c >= 0x80;
}

static bool is_separator(char c)
{
    return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')';
}

static char at_or_blank(struct sv text, size_t at)
{
    return at < text.n ? text.p[at] : ' ';
}

/* A number cannot end here: it goes on as something else. */
static bool goes_on(struct sv text, size_t at)
{
    char c = at_or_blank(text, at);
    if (is_word(c) || c == '@' || c == '%')
        return true;
    return (c == '.' || c == '-' || c == ':') && is_digit(at_or_blank(text, at + 1));
}

/* Behind "x4587", " ext. 12", or `at` where there is no extension. */
static size_t extension_to(struct sv text, size_t at)
{
    size_t i = at;
    while (i < text.n && i - at < 2 && text.p[i] == ' ')
        i++;
    struct sv rest = sv_head(sv_from(text, i), 4);
    if (sv_starts(rest, SV("ext")))
        i += rest.n == 4 && rest.p[3] == '.' ? 4 : 3;
    else if (sv_starts(rest, SV("x")))
        i++;
    else
        return at;
    while (i < text.n && text.p[i] == ' ')
        i++;
    size_t from = i;
    while (i < text.n && i - from <= EXTENSION_MAX && is_digit(text.p[i]))
        i++;
    return i > from && i - from <= EXTENSION_MAX && !is_word(at_or_blank(text, i)) ? i : at;
}

/* Groups of digits with one or two separators between them. */
struct groups {
    char digits[DIGITS_MAX + 1];
    size_t count;                /* of digits */
    size_t ends[GROUPS_MAX];     /* where each group ends in the text */
    size_t sizes[GROUPS_MAX];    /* digits up to there */
    char separators[GROUPS_MAX]; /* the last one before each group; 0: none */
    size_t group_count;
};

static void read_groups(struct sv text, size_t at, struct groups *ret)
{
    *ret = (struct groups){0};
    char separator = '\0';
    while (at < text.n && ret->group_count < GROUPS_MAX) {
        size_t from = at;
        while (at < text.n && is_digit(text.p[at]) && ret->count <= DIGITS_MAX)
            ret->digits[ret->count < DIGITS_MAX ? ret->count : DIGITS_MAX] = text.p[at], ret->count++, at++;
        if (at == from)
            return;
        if (ret->count > DIGITS_MAX)
            return; /* the group before is the last one */
        ret->ends[ret->group_count] = at;
        ret->separators[ret->group_count] = separator;
        ret->sizes[ret->group_count++] = ret->count;
        size_t gap = at;
        while (gap < text.n && gap - at < 3 && is_separator(text.p[gap]))
            separator = text.p[gap++];
        if (gap == at || gap - at > 2 + (size_t)(separator == '('))
            return;
        at = gap;
    }
}

/* --- international --- */

static bool is_north_american(const char *national)
{
    return national[0] >= '2' && national[3] >= '2';
}

static bool is_international(const struct groups *groups, size_t digits)
{
    unsigned code = 0;
    if (digits < DIGITS_MIN || digits > DIGITS_MAX || groups->digits[0] == '0')
        return false;
    for (size_t n = 1; n <= 3; n++) {
        code = code * 10 + (unsigned)(groups->digits[n - 1] - '0');
        for (size_t i = 0; i < TC_ARRAY_LEN(calling_codes); i++) {
            const struct calling_code *c = &calling_codes[i];
            if (c->code != code)
                continue;
            size_t national = digits - n;
            /* people write the trunk prefix 0, too: +44 (0)20 … */
            bool trunk = groups->digits[n] == '0' && national == (size_t)c->max + 1;
            return (trunk || (national >= c->min && national <= c->max)) &&
                   (code != 1 || is_north_american(groups->digits + 1));
        }
    }
    return false;
}

size_t redact_phone_plus(struct sv text, size_t at, size_t sign)
{
    struct groups groups;
    char before = at > 0 ? text.p[at - 1] : ' ';
    size_t from = at + sign;
    if (is_word(before) || before == '+' || before == '/')
        return 0;
    while (from < text.n && from - at < sign + 2 && (text.p[from] == '(' || text.p[from] == ' '))
        from++;
    read_groups(text, from, &groups);
    for (size_t i = groups.group_count; i-- > 0;)
        if (is_international(&groups, groups.sizes[i])) {
            size_t end = groups.ends[i], extended = extension_to(text, end);
            return extended > end ? extended : goes_on(text, end) ? 0 : end;
        }
    return 0;
}

/* --- North American groups --- */

static bool three(struct sv text, size_t at, char least)
{
    return at + 3 <= text.n && text.p[at] >= least && is_digit(text.p[at]) && is_digit(text.p[at + 1]) &&
           is_digit(text.p[at + 2]);
}

/* Where the three digits of the area code start whose last separator ends before `at`. */
static bool area_from(struct sv text, size_t at, char separator, size_t *ret)
{
    char c = text.p[at - 1];
    size_t close = c == ' ' && at >= 2 ? at - 2 : at - 1;
    if (text.p[close] == ')' && close >= 4 && text.p[close - 4] == '(' && three(text, close - 3, '2')) {
        *ret = close - 4;
        return true;
    }
    if (c != separator || at < 4 || !three(text, at - 4, '2'))
        return false;
    *ret = at - 4;
    return true;
}

bool redact_phone_groups(struct sv text, size_t at, size_t *ret_from, size_t *ret_to)
{
    size_t from, end = at + 5;
    if (at < 7 || end > text.n || !three(text, at - 3, '2') || !three(text, at + 1, '0') ||
        !is_digit(text.p[at + 4]) || !area_from(text, at - 3, text.p[at], &from))
        return false;
    static const struct sv prefixes[] = {{"001-", 4}, {"1-", 2}, {"1.", 2}, {"1 ", 2}};
    for (size_t i = 0; i < TC_ARRAY_LEN(prefixes); i++) {
        size_t n = prefixes[i].n;
        if (from >= n && memcmp(text.p + from - n, prefixes[i].p, n) == 0) {
            from -= n;
            break;
        }
    }
    char before = from > 0 ? text.p[from - 1] : ' ', before2 = from > 1 ? text.p[from - 2] : ' ';
    if (is_word(before) || ((before == '-' || before == '.') && is_word(before2)))
        return false;
    size_t extended = extension_to(text, end);
    if (extended == end && goes_on(text, end))
        return false;
    *ret_from = from;
    *ret_to = extended;
    return true;
}

/* --- announced --- */

/* "2026-11-21", "21.11.2026", "192.0.2.1": numbers of another kind. */
static bool is_other(const struct groups *groups, size_t last)
{
    size_t sizes[4], before = 0;
    if (last > 3)
        return false;
    for (size_t i = 0; i <= last; i++) {
        sizes[i] = groups->sizes[i] - before;
        before = groups->sizes[i];
    }
    char separator = last > 0 ? groups->separators[1] : '\0';
    if (last == 3)
        return separator == '.' && groups->separators[2] == '.' && groups->separators[3] == '.' &&
               sizes[0] <= 3 && sizes[1] <= 3 && sizes[2] <= 3 && sizes[3] <= 3;
    return last == 2 && ((sizes[0] == 4 && sizes[1] == 2 && sizes[2] == 2) ||
                         (sizes[0] == 2 && sizes[1] == 2 && sizes[2] == 4));
}

/* A number that starts at `at`, of any country: where it ends, else 0. */
static size_t any_to(struct sv text, size_t at)
{
    struct groups groups;
    size_t from = at;
    if (at_or_blank(text, from) == '+')
        from++;
    if (at_or_blank(text, from) == '(')
        from++;
    read_groups(text, from, &groups);
    for (size_t i = groups.group_count; i-- > 0;) {
        size_t end = groups.ends[i], extended = extension_to(text, end);
        if (groups.sizes[i] < DIGITS_MIN || groups.sizes[i] > DIGITS_MAX || is_other(&groups, i))
            continue;
        if (extended > end || !goes_on(text, end))
            return extended;
    }
    return 0;
}

/* A word that may stand between the announcing one and the number; its length, else 0. */
static size_t filler(struct sv text, size_t at)
{
    static const struct sv words[] = {{"number", 6}, {"numbers", 7}, {"no", 2}, {"nr", 2},
                                      {"num", 3},    {"is", 2},      {"at", 2}, {"on", 2},
                                      {"me", 2},     {"us", 2},      {"to", 2}};
    size_t n = 0;
    while (at + n < text.n && n < 8 &&
           ((text.p[at + n] >= 'a' && text.p[at + n] <= 'z') ||
            (text.p[at + n] >= 'A' && text.p[at + n] <= 'Z')))
        n++;
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (sv_eq_nocase(sv_make(text.p + at, n), words[i]))
            return n;
    return 0;
}

static bool is_gap(char c)
{
    return c != '\0' && strchr(" \t\r\n:=\"'#._-\\>", c) != NULL;
}

bool redact_phone_announced(struct sv text, size_t at, size_t n, size_t *ret_from, size_t *ret_to)
{
    size_t i = at + n, most = TC_MIN(text.n, at + n + GAP_MAX);
    while (i < most && !is_digit(text.p[i]) && text.p[i] != '+' && text.p[i] != '(') {
        size_t word = is_gap(text.p[i]) ? 1 : filler(text, i);
        if (word == 0)
            return false;
        i += word;
    }
    if (i >= most || i == at + n)
        return false;
    *ret_from = i;
    *ret_to = any_to(text, i);
    return *ret_to > i;
}

bool redact_phone_is(struct sv value)
{
    value = sv_trim(value);
    return value.n > 0 && any_to(value, 0) == value.n;
}
