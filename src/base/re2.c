/*
 * RE2's syntax on PCRE2; see re2.h.
 *
 * One pass over the expression refuses what RE2 does not know before PCRE2 sees it; both are leftmost-first,
 * so what is left matches alike.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/re2.h"

#include "base/arena.h"
#include "base/utf8.h"

#include <pcre2.h>
#include <stdlib.h>

enum { EXPRESSION_MAX_BYTES = 65536, MATCH_LIMIT = 1000000, REPEAT_MAX = 1000, GROUPS_MAX = 100 };

struct re2 {
    pcre2_code *unicode, *bytes; /* for texts that are UTF-8, and those that are not */
};

static int refuse(struct err *err, const char *problem, struct sv part)
{
    return err_set(err, TC_EINPUT, "error parsing regexp: %s: `%.*s`", problem, SV_FMT(part));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of {n}, {n,} or {n,m} at the front of `rest`, 0 where it is plain text; false past RE2's bound. */
static bool repeat_length(struct sv rest, size_t *ret_length)
{
    size_t at = 1, digits = 0;
    unsigned v = 0;
    *ret_length = 0;
    for (; at < rest.n && (is_digit(rest.p[at]) || (rest.p[at] == ',' && digits > 0)); at++) {
        if (rest.p[at] == ',') {
            v = 0;
            digits++;
            continue;
        }
        digits++;
        v = v > REPEAT_MAX ? v : v * 10 + (unsigned)(rest.p[at] - '0');
        if (v > REPEAT_MAX)
            return false;
    }
    if (digits > 0 && at < rest.n && rest.p[at] == '}')
        *ret_length = at + 1;
    return true;
}

static int check_group(struct sv rest, struct err *err)
{
    static const char *const refused[] = {"(?=", "(?!", "(?<=", "(?<!", "(?>", "(?|", "(?#",
                                          "(?R", "(?&", "(?P>", "(?P=", "(?(", "(*"};
    for (size_t i = 0; i < TC_ARRAY_LEN(refused); i++)
        if (sv_starts(rest, sv_of(refused[i]))) {
            if (refused[i][1] == '*')
                return refuse(err, "missing argument to repetition operator", SV("*"));
            return refuse(err, "invalid or unsupported Perl syntax", sv_of(refused[i]));
        }
    if (sv_starts(rest, SV("(?")) && rest.n > 2 && (is_digit(rest.p[2]) || rest.p[2] == '\''))
        return refuse(err, "invalid or unsupported Perl syntax", sv_head(rest, 3));
    return 0;
}

static int check_escape(struct sv rest, struct err *err)
{
    if (rest.n < 2)
        return err_set(err, TC_EINPUT, "error parsing regexp: trailing backslash at end of expression: ``");
    /* Letters and digits that are escapes of PCRE2 and not of RE2. */
    if (strchr("123456789ceghklouGKNORXZHVLUyY", rest.p[1]) != NULL && rest.p[1] != '\0')
        return refuse(err, "invalid escape sequence", sv_head(rest, 2));
    return 0;
}

/* Where the character class begins that nobody closes. */
static struct sv open_class(struct sv text)
{
    size_t start = text.n;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\') {
            i++;
        } else if (start < text.n) {
            if (text.p[i] == ']' && i > start + 1 + (text.p[start + 1] == '^'))
                start = text.n;
        } else if (text.p[i] == '[') {
            start = i;
        }
    }
    return sv_from(text, start);
}

/* PCRE2's complaint in Go's words, where there are some. Go anchors by writing ^(?: )$ around the expression,
 * and shows that. */
static int refuse_compiled(int problem, size_t at, struct sv expression, bool anchored, struct err *err)
{
    static const struct {
        int problem;
        const char *words;
    } whole[] = {{PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS, "missing closing )"},
                 {PCRE2_ERROR_UNMATCHED_CLOSING_PARENTHESIS, "unexpected )"}};
    const char *before = anchored ? "^(?:" : "", *after = anchored ? ")$" : "";
    char text[200];
    at = TC_MIN(at, expression.n);
    if (problem == PCRE2_ERROR_MISSING_SQUARE_BRACKET)
        return err_set(err, TC_EINPUT, "error parsing regexp: missing closing ]: `%.*s%s`",
                       SV_FMT(open_class(expression)), after);
    if (problem == PCRE2_ERROR_QUANTIFIER_INVALID && expression.n > 0)
        return refuse(err, "missing argument to repetition operator",
                      sv_make(expression.p + (at > 0 ? at - 1 : 0), 1));
    if (problem == PCRE2_ERROR_CLASS_RANGE_ORDER && at >= 2 && at < expression.n)
        return refuse(err, "invalid character class range", sv_make(expression.p + at - 2, 3));
    pcre2_get_error_message(problem, (PCRE2_UCHAR *)text, sizeof text);
    const char *words = text;
    for (size_t i = 0; i < TC_ARRAY_LEN(whole); i++)
        if (whole[i].problem == problem)
            words = whole[i].words;
    return err_set(err, TC_EINPUT, "error parsing regexp: %s: `%s%.*s%s`", words, before, SV_FMT(expression),
                   after);
}

static int check_syntax(struct sv text, bool anchored, struct err *err)
{
    bool in_class = false;
    for (size_t i = 0; i < text.n; i++) {
        struct sv rest = sv_from(text, i);
        char c = text.p[i];
        size_t length;
        int done = 0;
        if (c == '\\') {
            if (!in_class && sv_starts(rest, SV("\\Q"))) {
                i += sv_find(rest, SV("\\E")) + 1;
                continue;
            }
            done = anchored && rest.n == 1 /* Go's own parenthesis behind it would be escaped */
                       ? refuse_compiled(PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS, 0, text, anchored, err)
                       : check_escape(rest, err);
            i++;
        } else if (in_class) {
            if (sv_starts(rest, SV("[:")))
                i += TC_MIN(sv_find(rest, SV(":]")), rest.n - 1);
            in_class = c != ']';
        } else if (c == '[') {
            in_class = true;
            if (i + 1 < text.n && text.p[i + 1] == '^')
                i++;
            if (i + 1 < text.n && text.p[i + 1] == ']')
                i++;
        } else if (c == '(') {
            done = check_group(rest, err);
        } else if (c == '*' || c == '+' || c == '?' || c == '{') {
            size_t used = 1;
            if (c == '{') {
                if (!repeat_length(rest, &length))
                    return refuse(err, "invalid repeat count", sv_head(rest, sv_find_char(rest, '}') + 1));
                if (length == 0)
                    continue;
                used = length;
            }
            if (i + used < text.n && text.p[i + used] == '?')
                used++;
            char after = i + used < text.n ? text.p[i + used] : '\0';
            if (after == '*' || after == '+' || after == '?')
                return refuse(err, "invalid nested repetition operator", sv_head(rest, used + 1));
            i += used - 1;
        }
        if (done != 0)
            return done;
    }
    return 0;
}

int re2_compile(struct sv expression, bool anchored, struct re2 **ret, struct err *err)
{
    if (expression.n > EXPRESSION_MAX_BYTES)
        return err_set(err, TC_EBOUND, "a regular expression of %zu bytes; at most %d are allowed",
                       expression.n, EXPRESSION_MAX_BYTES);
    if (utf8_valid(expression) != expression.n)
        return err_set(err, TC_EINPUT, "error parsing regexp: invalid UTF-8");
    int done = check_syntax(expression, anchored, err);
    if (done != 0)
        return done;
    struct re2 re2 = {0};
    pcre2_code **const codes[] = {&re2.unicode, &re2.bytes};
    for (size_t i = 0; i < TC_ARRAY_LEN(codes); i++) {
        int problem;
        PCRE2_SIZE at;
        uint32_t options =
            PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | (i == 0 ? PCRE2_UTF : PCRE2_NEVER_UTF);
        if (anchored)
            options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
        *codes[i] = pcre2_compile((PCRE2_SPTR)(expression.n == 0 ? "" : expression.p), expression.n, options,
                                  &problem, &at, NULL);
        if (*codes[i] == NULL && i == 0)
            return refuse_compiled(problem, at, expression, anchored, err);
        if (*codes[i] != NULL) /* without compiled code it is only slower */
            (void)pcre2_jit_compile(*codes[i], PCRE2_JIT_COMPLETE);
    }
    *ret = tc_alloc(sizeof **ret);
    **ret = re2;
    return 0;
}

void re2_free(struct re2 *re2)
{
    if (re2 == NULL)
        return;
    pcre2_code_free(re2->unicode);
    pcre2_code_free(re2->bytes);
    free(re2);
}

static const pcre2_code *code_for(const struct re2 *re2, struct sv text)
{
    return re2->bytes == NULL || utf8_valid(text) == text.n ? re2->unicode : re2->bytes;
}

static int match_at(const pcre2_code *code, struct sv text, size_t at, uint32_t options,
                    pcre2_match_data *data)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    tc_assert(context != NULL);
    pcre2_set_match_limit(context, MATCH_LIMIT);
    int found =
        pcre2_match(code, (PCRE2_SPTR)(text.n == 0 ? "" : text.p), text.n, at, options, data, context);
    pcre2_match_context_free(context);
    return found;
}

bool re2_matches(const struct re2 *re2, struct sv text)
{
    const pcre2_code *code = code_for(re2, text);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    tc_assert(data != NULL);
    bool found = match_at(code, text, 0, 0, data) >= 0;
    pcre2_match_data_free(data);
    return found;
}

/* One reference behind a $ at the front of `rest`: its name, and the bytes that it takes (0: it is none). */
static size_t reference(struct sv rest, struct sv *ret_name)
{
    bool braces = rest.n > 1 && rest.p[1] == '{';
    size_t from = braces ? 2 : 1, at = from;
    while (at < rest.n && (is_digit(rest.p[at]) || rest.p[at] == '_' ||
                           ((rest.p[at] | 0x20) >= 'a' && (rest.p[at] | 0x20) <= 'z')))
        at++;
    if (at == from || (braces && (at >= rest.n || rest.p[at] != '}')))
        return 0;
    *ret_name = sv_make(rest.p + from, at - from);
    return at + braces;
}

static void put_group(const pcre2_code *code, struct sv text, struct sv name, const PCRE2_SIZE *ends,
                      int groups, struct buf *out)
{
    int group = 0;
    bool number = true;
    for (size_t i = 0; i < name.n && number; i++) {
        number = is_digit(name.p[i]) && group < 1000;
        group = group * 10 + (name.p[i] - '0');
    }
    if (!number) {
        char text_name[64];
        if (name.n >= sizeof text_name)
            return;
        memcpy(text_name, name.p, name.n);
        text_name[name.n] = '\0';
        group = pcre2_substring_number_from_name(code, (PCRE2_SPTR)text_name);
    }
    if (group >= 0 && group < groups && ends[2 * group] != PCRE2_UNSET)
        buf_add(out, text.p + ends[2 * group], ends[2 * group + 1] - ends[2 * group]);
}

static void put_replacement(const pcre2_code *code, struct sv text, struct sv replacement,
                            const PCRE2_SIZE *ends, int groups, struct buf *out)
{
    while (replacement.n > 0) {
        size_t plain = sv_find_char(replacement, '$'), used;
        struct sv name;
        buf_sv(out, sv_head(replacement, plain));
        replacement = sv_from(replacement, plain);
        if (replacement.n == 0)
            return;
        if (sv_starts(replacement, SV("$$"))) {
            buf_char(out, '$');
            used = 2;
        } else if ((used = reference(replacement, &name)) > 0) {
            put_group(code, text, name, ends, groups, out);
        } else {
            buf_char(out, '$');
            used = 1;
        }
        replacement = sv_from(replacement, used);
    }
}

void re2_replace_all(const struct re2 *re2, struct sv text, struct sv replacement, struct buf *out)
{
    const pcre2_code *code = code_for(re2, text);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    tc_assert(data != NULL);
    size_t copied = 0, at = 0;
    while (at <= text.n && !out->overflow) {
        int groups = match_at(code, text, at, 0, data);
        if (groups <= 0)
            break;
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
        bool empty = ends[0] == ends[1];
        /* As in Go, an empty match directly behind the one before does not count. */
        if (!empty || ends[0] != copied || copied == 0 || at == 0) {
            buf_add(out, text.p + copied, ends[0] - copied);
            put_replacement(code, text, replacement, ends, groups, out);
            copied = ends[1];
        }
        uint32_t rune;
        size_t step = utf8_decode(sv_from(text, ends[1]), &rune);
        at = empty ? ends[1] + (step == 0 ? 1 : step) : ends[1];
    }
    buf_sv(out, sv_from(text, copied));
    pcre2_match_data_free(data);
}

bool re2_has_names(const struct re2 *re2)
{
    uint32_t count = 0;
    pcre2_pattern_info(re2->unicode, PCRE2_INFO_NAMECOUNT, &count);
    return count > 0;
}

/* The name table is sorted by name; groups are told by number. */
static struct sv name_of_group(const pcre2_code *code, unsigned group)
{
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &table);
    for (uint32_t i = 0; i < count; i++, table += size)
        if (((unsigned)table[0] << 8 | table[1]) == group)
            return sv_of((const char *)table + 2);
    return (struct sv){0};
}

bool re2_match_names(const struct re2 *re2, struct sv text,
                     void (*each)(void *context, struct sv name, struct sv value), void *context)
{
    const pcre2_code *code = code_for(re2, text);
    uint32_t groups = 0;
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    tc_assert(data != NULL);
    int found = match_at(code, text, 0, 0, data);
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    for (unsigned group = 1; found > 0 && group <= groups; group++) {
        struct sv name = name_of_group(code, group);
        bool took_part = group < (unsigned)found && ends[2 * group] != PCRE2_UNSET;
        if (name.p != NULL)
            each(context, name,
                 took_part ? sv_make(text.p + ends[2 * group], ends[2 * group + 1] - ends[2 * group])
                           : (struct sv){0});
    }
    pcre2_match_data_free(data);
    return found > 0;
}
