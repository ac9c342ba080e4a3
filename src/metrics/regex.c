/*
 * RE2's language on PCRE2; see regex.h.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "metrics/regex.h"

#include "base/arena.h"
#include "base/utf8.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdlib.h>

enum { REGEX_MATCH_LIMIT = 1000000, REGEX_REPEAT_MAX = 1000, REGEX_PATTERN_MAX = 1 << 16 };

struct regex {
    pcre2_code *code; /* NULL: the words decide */
    pcre2_match_data *match;
    pcre2_match_context *limits;
    struct sv *words;
    size_t word_count;
    char *text; /* owns the words */
};

static int bad(struct err *err, const char *what, struct sv where)
{
    return err_set(err, TC_EINPUT, "error parsing regexp: %s: `%.*s`", what, SV_FMT(where));
}

/* --- what RE2 does not know --- */

struct scan {
    struct sv text;
    size_t at;
    size_t open_groups;
    bool can_repeat;     /* something stands before that may be repeated */
    size_t repeat_start; /* of the repetition that ends here, or SIZE_MAX */
    struct err *err;
};

static int scan_escape(struct scan *s)
{
    if (s->at + 1 >= s->text.n)
        return err_set(s->err, TC_EINPUT,
                       "error parsing regexp: trailing backslash at end of expression: ``");
    char c = s->text.p[s->at + 1];
    if (isalnum((unsigned char)c) && strchr("AbBzdDsSwWpPQECafnrtvx01234567", c) == NULL)
        return bad(s->err, "invalid escape sequence", sv_make(s->text.p + s->at, 2));
    if (c >= '1' && c <= '7' &&
        !(s->at + 2 < s->text.n && s->text.p[s->at + 2] >= '0' && s->text.p[s->at + 2] <= '7'))
        return bad(s->err, "invalid escape sequence", sv_make(s->text.p + s->at, 2));
    if (c == 'Q') {
        size_t end = sv_find(sv_from(s->text, s->at + 2), SV("\\E"));
        s->at = TC_MIN(s->at + 2 + end + 2, s->text.n);
    } else {
        s->at += 2;
    }
    return 0;
}

static int scan_class(struct scan *s)
{
    size_t start = s->at++;
    if (s->at < s->text.n && s->text.p[s->at] == '^')
        s->at++;
    bool first = true;
    for (; s->at < s->text.n && (first || s->text.p[s->at] != ']'); first = false) {
        struct sv rest = sv_from(s->text, s->at);
        if (s->text.p[s->at] == '\\') {
            int rc = scan_escape(s);
            if (rc != 0)
                return rc;
        } else if (sv_starts(rest, SV("[:")) && sv_find(rest, SV(":]")) < rest.n) {
            s->at += sv_find(rest, SV(":]")) + 2;
        } else {
            s->at++;
        }
    }
    if (s->at >= s->text.n)
        return bad(s->err, "missing closing ]", sv_from(s->text, start));
    s->at++;
    return 0;
}

static int scan_group(struct scan *s)
{
    struct sv rest = sv_from(s->text, s->at);
    s->open_groups++;
    if (!sv_starts(rest, SV("(?"))) {
        s->at++;
        return 0;
    }
    if (sv_starts(rest, SV("(?P<")) ||
        (sv_starts(rest, SV("(?<")) && !sv_starts(rest, SV("(?<=")) && !sv_starts(rest, SV("(?<!")))) {
        size_t end = sv_find_char(rest, '>');
        if (end == rest.n)
            return bad(s->err, "invalid named capture", rest);
        s->at += end + 1;
        return 0;
    }
    size_t n = 2;
    while (n < rest.n && (rest.p[n] == '-' || memchr("imsU", rest.p[n], 4) != NULL))
        n++;
    if (n >= rest.n)
        return bad(s->err, "missing closing )", s->text);
    if (rest.p[n] != ':' && rest.p[n] != ')')
        return bad(s->err, "invalid or unsupported Perl syntax", sv_head(rest, n + 1));
    if (rest.p[n] == ')')
        s->open_groups--;
    s->at += n + 1;
    return 0;
}

/* {n}, {n,}, {n,m}; anything else is plain text. 0: not a repetition. */
static size_t repeat_length(struct sv text, bool *ret_large)
{
    size_t at = 1;
    unsigned long n[2] = {0, 0};
    for (int part = 0; part < 2; part++) {
        size_t digits = at;
        while (at < text.n && isdigit((unsigned char)text.p[at]) && n[part] < 100000)
            n[part] = n[part] * 10 + (unsigned long)(text.p[at++] - '0');
        if (part == 0 && (at == digits || at >= text.n))
            return 0;
        if (part == 0 && text.p[at] == '}')
            break;
        if (part == 0 && text.p[at++] != ',')
            return 0;
    }
    if (at >= text.n || text.p[at] != '}')
        return 0;
    *ret_large = n[0] > REGEX_REPEAT_MAX || n[1] > REGEX_REPEAT_MAX || (n[1] > 0 && n[1] < n[0]);
    return at + 1;
}

static int scan_repeat(struct scan *s, size_t length)
{
    size_t start = s->at;
    if (!s->can_repeat && s->repeat_start == SIZE_MAX)
        return bad(s->err, "missing argument to repetition operator", sv_make(s->text.p + start, length));
    s->at += length;
    if (s->at < s->text.n && s->text.p[s->at] == '?')
        s->at++;
    if (s->repeat_start != SIZE_MAX)
        return bad(s->err, "invalid nested repetition operator",
                   sv_make(s->text.p + s->repeat_start, s->at - s->repeat_start));
    s->repeat_start = start;
    s->can_repeat = false;
    return 0;
}

static int scan_one(struct scan *s)
{
    char c = s->text.p[s->at];
    bool large = false;
    size_t length = c == '*' || c == '+' || c == '?' ? 1
                    : c == '{'                       ? repeat_length(sv_from(s->text, s->at), &large)
                                                     : 0;
    if (large)
        return bad(s->err, "invalid repeat count", sv_make(s->text.p + s->at, length));
    if (length > 0)
        return scan_repeat(s, length);
    s->repeat_start = SIZE_MAX;
    s->can_repeat = true;
    switch (c) {
    case '\\':
        return scan_escape(s);
    case '[':
        return scan_class(s);
    case '(':
        s->can_repeat = false;
        return scan_group(s);
    case ')':
        if (s->open_groups == 0)
            return bad(s->err, "unexpected )", s->text);
        s->open_groups--;
        break;
    case '|':
        s->can_repeat = false;
        break;
    default:
        break;
    }
    s->at++;
    return 0;
}

static int scan_pattern(struct sv pattern, bool whole, struct err *err)
{
    struct scan s = {.text = pattern, .repeat_start = SIZE_MAX, .err = err};
    if (utf8_valid(pattern) != pattern.n)
        return bad(err, "invalid UTF-8", pattern);
    if (pattern.n > REGEX_PATTERN_MAX)
        return bad(err, "expression nests too deeply", sv_head(pattern, 20));
    int rc = 0;
    while (rc == 0 && s.at < pattern.n)
        rc = scan_one(&s);
    if (rc == 0 && s.open_groups > 0)
        return whole ? err_set(err, TC_EINPUT, "error parsing regexp: missing closing ): `^(?s:%.*s)$`",
                               SV_FMT(pattern))
                     : bad(err, "missing closing )", pattern);
    return rc;
}

/* --- making --- */

static bool only_words(struct sv pattern)
{
    for (size_t i = 0; i < pattern.n; i++)
        if (memchr(".+*?()[]{}^$\\", pattern.p[i], 13) != NULL)
            return false;
    return true;
}

static void split_words(struct regex *regex, struct sv pattern)
{
    size_t count = 1;
    for (size_t i = 0; i < pattern.n; i++)
        count += pattern.p[i] == '|';
    regex->text = tc_alloc(pattern.n + 1);
    if (pattern.n > 0)
        memcpy(regex->text, pattern.p, pattern.n);
    regex->words = tc_alloc(count * sizeof(struct sv));
    struct sv rest = sv_make(regex->text, pattern.n);
    while (regex->word_count < count)
        regex->words[regex->word_count++] = sv_cut(&rest, '|');
}

int regex_new(struct sv pattern, bool whole, struct regex **ret, struct err *err)
{
    int rc = scan_pattern(pattern, whole, err);
    if (rc != 0)
        return rc;
    struct regex *regex = tc_alloc(sizeof *regex);
    if (whole && only_words(pattern)) {
        split_words(regex, pattern);
        *ret = regex;
        return 0;
    }
    int code;
    PCRE2_SIZE at;
    struct buf b;
    buf_init(&b, (1 << 20));
    if (whole)
        buf_printf(&b, "\\A(?s:%.*s)\\z", SV_FMT(pattern));
    else
        buf_sv(&b, pattern);
    regex->code = pcre2_compile((PCRE2_SPTR)(b.p == NULL ? "" : b.p), b.n,
                                PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    buf_free(&b);
    if (regex->code == NULL) {
        PCRE2_UCHAR text[256];
        pcre2_get_error_message(code, text, sizeof text);
        free(regex);
        return bad(err, (const char *)text, pattern);
    }
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    regex->match = pcre2_match_data_create_from_pattern(regex->code, NULL);
    regex->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(regex->limits, REGEX_MATCH_LIMIT);
    *ret = regex;
    return 0;
}

void regex_free(struct regex **regex)
{
    if (*regex == NULL)
        return;
    pcre2_code_free((*regex)->code);
    pcre2_match_data_free((*regex)->match);
    pcre2_match_context_free((*regex)->limits);
    free((*regex)->words);
    free((*regex)->text);
    free(*regex);
    *regex = NULL;
}

static int run(const struct regex *regex, struct sv text)
{
    return pcre2_match(regex->code, (PCRE2_SPTR)(text.p == NULL ? "" : text.p), text.n, 0, 0, regex->match,
                       regex->limits);
}

bool regex_match(const struct regex *regex, struct sv text)
{
    if (regex->code != NULL)
        return run(regex, text) >= 0;
    for (size_t i = 0; i < regex->word_count; i++)
        if (sv_eq(regex->words[i], text))
            return true;
    return false;
}

/* --- replacing --- */

static void put_group(const struct regex *regex, struct sv text, struct sv name, struct buf *out)
{
    unsigned number = 0;
    bool digits = name.n > 0;
    for (size_t i = 0; i < name.n && digits; i++) {
        digits = isdigit((unsigned char)name.p[i]) != 0 && number < 10000;
        number = number * 10 + (unsigned)(name.p[i] - '0');
    }
    if (!digits) {
        char copy[64];
        if (regex->code == NULL || name.n >= sizeof copy)
            return;
        memcpy(copy, name.p, name.n);
        copy[name.n] = '\0';
        int found = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)copy);
        if (found < 0)
            return;
        number = (unsigned)found;
    }
    if (regex->code == NULL) {
        if (number == 0)
            buf_sv(out, text);
        return;
    }
    const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(regex->match);
    if (number < pcre2_get_ovector_count(regex->match) && ovector[2 * number] != PCRE2_UNSET && text.n > 0)
        buf_add(out, text.p + ovector[2 * number], ovector[2 * number + 1] - ovector[2 * number]);
}

bool regex_expand(const struct regex *regex, struct sv text, struct sv replacement, struct buf *out)
{
    if (regex->code == NULL ? !regex_match(regex, text) : run(regex, text) < 0)
        return false;
    for (size_t i = 0; i < replacement.n;) {
        if (replacement.p[i] != '$') {
            buf_char(out, replacement.p[i++]);
            continue;
        }
        struct sv rest = sv_from(replacement, i + 1);
        bool brace = rest.n > 0 && rest.p[0] == '{';
        size_t n = 0;
        struct sv name = sv_from(rest, brace);
        while (n < name.n && (isalnum((unsigned char)name.p[n]) || name.p[n] == '_'))
            n++;
        name = sv_head(name, n);
        if (rest.n > 0 && rest.p[0] == '$') {
            buf_char(out, '$');
            i += 2;
        } else if (n == 0 || (brace && (n + 1 >= rest.n || rest.p[n + 1] != '}'))) {
            buf_char(out, '$');
            i++;
        } else {
            put_group(regex, text, name, out);
            i += 1 + n + (brace ? 2 : 0);
        }
    }
    return true;
}
