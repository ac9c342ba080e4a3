/*
 * Go's regular expressions run by PCRE2; see re2.h.
 *
 * Both are leftmost-first, so a match that PCRE2 finds is RE2's. What differs is the cost of some
 * expressions: PCRE2 tries one way after another. Its compiled code and a limit of steps come first, as
 * nearly all expressions are quick that way; past the limit its other matcher, which follows all ways at
 * once, says whether there is a match.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/re2.h"

#include "base/arena.h"
#include "base/re2_syntax.h"
#include "base/utf8.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    EXPRESSION_MAX_BYTES = 64 << 10,
    STEPS_MAX = 1000000,
    DEPTH_MAX = 1000,          /* of groups, as re2_syntax.c lets them through */
    WORKSPACE_INTS = 64 << 10, /* of the matcher that follows all ways at once */
};

struct re2 {
    pcre2_code *code; /* NULL: the words decide */
    pcre2_match_context *limits;
    _Atomic(pcre2_match_data *) spare; /* taken by who matches; a second one at the time makes its own */
    size_t groups;
    struct sv *names; /* of group 1, 2, … */
    bool has_names;
    struct sv *words; /* a|b|c, where the whole text must match */
    size_t word_count;
    char *text; /* what names and words point into */
};

static const struct {
    const char *before, *after;             /* what Go reads */
    const char *pcre2_before, *pcre2_after; /* what is put around what has been read */
} scopes[] = {
    [RE2_ANYWHERE] = {"", "", "", ""},
    [RE2_WHOLE] = {"^(?:", ")$", "", ""},
    [RE2_WHOLE_DOTALL] = {"^(?s:", ")$", "", ""},
    [RE2_MATCHER] = {"", "", "\\A(?s:", ")\\z"},
};

/* --- making --- */

/* Alternatives without any operator need no machine. */
static bool only_words(struct sv expression)
{
    for (size_t i = 0; i < expression.n; i++)
        if (memchr(".+*?()[]{}^$\\", expression.p[i], 13) != NULL)
            return false;
    return true;
}

static void keep_words(struct re2 *re2, struct sv expression)
{
    size_t count = 1;
    for (size_t i = 0; i < expression.n; i++)
        count += expression.p[i] == '|';
    re2->text = tc_alloc(expression.n + 1);
    if (expression.n > 0)
        memcpy(re2->text, expression.p, expression.n);
    re2->words = tc_alloc(count * sizeof *re2->words);
    struct sv rest = sv_make(re2->text, expression.n);
    while (re2->word_count < count)
        re2->words[re2->word_count++] = sv_cut(&rest, '|');
}

static void keep_names(struct re2 *re2, const struct re2_syntax *syntax)
{
    re2->groups = syntax->groups;
    re2->has_names = syntax->names.n > 0;
    re2->text = tc_alloc(syntax->names.n + 1);
    re2->names = tc_alloc((syntax->groups + 1) * sizeof *re2->names);
    if (syntax->names.n > 0)
        memcpy(re2->text, syntax->names.p, syntax->names.n);
    for (size_t i = 0, start = 0; i < syntax->groups; start = syntax->name_ends[i++])
        re2->names[i] = sv_make(re2->text + start, syntax->name_ends[i] - start);
}

static int compile(struct re2 *re2, const struct re2_syntax *syntax, enum re2_scope scope, struct sv shown,
                   struct err *err)
{
    int problem;
    PCRE2_SIZE at;
    struct buf pattern;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    tc_assert(context != NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 2 * DEPTH_MAX);
    buf_init(&pattern, SIZE_MAX);
    buf_str(&pattern, scopes[scope].pcre2_before);
    buf_sv(&pattern, buf_view(&syntax->pattern));
    buf_str(&pattern, scopes[scope].pcre2_after);
    re2->code =
        pcre2_compile((PCRE2_SPTR)(pattern.n == 0 ? "" : pattern.p), pattern.n,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX, &problem, &at, context);
    pcre2_compile_context_free(context);
    buf_free(&pattern);
    if (re2->code == NULL) {
        PCRE2_UCHAR text[200];
        if (problem == PCRE2_ERROR_UNKNOWN_UNICODE_PROPERTY)
            return re2_refuse(err, "invalid character class range", syntax->property);
        pcre2_get_error_message(problem, text, sizeof text);
        return re2_refuse(err, (const char *)text, shown);
    }
    (void)pcre2_jit_compile(re2->code, PCRE2_JIT_COMPLETE); /* without it, it is only slower */
    re2->limits = pcre2_match_context_create(NULL);
    tc_assert(re2->limits != NULL);
    pcre2_set_match_limit(re2->limits, STEPS_MAX);
    return 0;
}

int re2_compile(struct sv expression, enum re2_scope scope, struct re2 **ret, struct err *err)
{
    if (expression.n > EXPRESSION_MAX_BYTES)
        return err_set(err, TC_EBOUND, "a regular expression of %zu bytes; at most %d are allowed",
                       expression.n, EXPRESSION_MAX_BYTES);
    struct buf shown;
    struct re2_syntax syntax;
    struct re2 *re2 = tc_alloc(sizeof *re2);
    buf_init(&shown, EXPRESSION_MAX_BYTES + 16);
    buf_str(&shown, scopes[scope].before);
    buf_sv(&shown, expression);
    buf_str(&shown, scopes[scope].after);
    int rc = re2_syntax_read(buf_view(&shown), &syntax, err);
    if (rc == 0 && scope != RE2_ANYWHERE && only_words(expression)) {
        keep_words(re2, expression);
    } else if (rc == 0) {
        keep_names(re2, &syntax);
        rc = compile(re2, &syntax, scope, buf_view(&shown), err);
    }
    re2_syntax_free(&syntax);
    buf_free(&shown);
    if (rc == 0)
        *ret = re2;
    else
        re2_free(&re2);
    return rc;
}

void re2_free(struct re2 **re2)
{
    if (*re2 == NULL)
        return;
    pcre2_code_free((*re2)->code);
    pcre2_match_context_free((*re2)->limits);
    pcre2_match_data_free(atomic_load(&(*re2)->spare));
    free((*re2)->names);
    free((*re2)->words);
    free((*re2)->text);
    free(*re2);
    *re2 = NULL;
}

bool re2_has_names(const struct re2 *re2)
{
    return re2->has_names;
}

/* --- one match --- */

/* A text on its way through one expression. */
struct subject {
    const struct re2 *re2;
    struct sv given, text; /* as the caller has it; in UTF-8 */
    struct buf repaired;
    uint32_t *offsets; /* where each byte of `repaired` comes from in `given` */
    pcre2_match_data *data;
};

/* Stray bytes become U+FFFD. */
static void subject_repair(struct subject *s)
{
    buf_init(&s->repaired, SIZE_MAX);
    s->offsets = tc_alloc((3 * s->given.n + 1) * sizeof *s->offsets);
    for (size_t at = 0, step; at < s->given.n; at += step) {
        uint32_t rune;
        size_t from = s->repaired.n;
        step = utf8_decode(sv_from(s->given, at), &rune);
        buf_sv(&s->repaired, step == 0 ? SV("\xEF\xBF\xBD") : sv_make(s->given.p + at, step));
        while (from < s->repaired.n)
            s->offsets[from++] = (uint32_t)at;
        step = TC_MAX(step, (size_t)1);
    }
    s->offsets[s->repaired.n] = (uint32_t)s->given.n;
    s->text = buf_view(&s->repaired);
}

static void subject_init(struct subject *s, const struct re2 *re2, struct sv text)
{
    *s = (struct subject){.re2 = re2, .given = text, .text = text};
    if (utf8_valid(text) < text.n)
        subject_repair(s);
    if (s->text.n == 0)
        s->text = SV("");
    /* The spare is not part of what callers see as constant. */
    if (re2->code != NULL)
        s->data = atomic_exchange(&((struct re2 *)(uintptr_t)re2)->spare, NULL);
    if (re2->code != NULL && s->data == NULL)
        s->data = pcre2_match_data_create_from_pattern(re2->code, NULL);
    tc_assert(re2->code == NULL || s->data != NULL);
}

static void subject_fini(struct subject *s)
{
    if (s->data != NULL)
        pcre2_match_data_free(atomic_exchange(&((struct re2 *)(uintptr_t)s->re2)->spare, s->data));
    buf_free(&s->repaired);
    free(s->offsets);
}

/* Where an offset of `text` lies in `given`. */
static size_t given_offset(const struct subject *s, size_t offset)
{
    return s->offsets == NULL ? offset : s->offsets[offset];
}

static int match_from(const struct subject *s, size_t at)
{
    const struct re2 *re2 = s->re2;
    PCRE2_SPTR text = (PCRE2_SPTR)s->text.p;
    int found = pcre2_match(re2->code, text, s->text.n, at, PCRE2_NO_UTF_CHECK, s->data, re2->limits);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(re2->code, text, s->text.n, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, s->data,
                            re2->limits);
    return found;
}

static bool matches_all_ways(const struct subject *s)
{
    int *workspace = tc_alloc(WORKSPACE_INTS * sizeof *workspace);
    int found =
        pcre2_dfa_match(s->re2->code, (PCRE2_SPTR)s->text.p, s->text.n, 0,
                        PCRE2_DFA_SHORTEST | PCRE2_NO_UTF_CHECK, s->data, NULL, workspace, WORKSPACE_INTS);
    free(workspace);
    return found >= 0;
}

static bool is_word(const struct re2 *re2, struct sv text)
{
    for (size_t i = 0; i < re2->word_count; i++)
        if (sv_eq(re2->words[i], text))
            return true;
    return false;
}

bool re2_matches(const struct re2 *re2, struct sv text)
{
    if (re2->code == NULL)
        return is_word(re2, text);
    struct subject s;
    subject_init(&s, re2, text);
    int found = match_from(&s, 0);
    bool yes = found >= 0 || (found != PCRE2_ERROR_NOMATCH && matches_all_ways(&s));
    subject_fini(&s);
    return yes;
}

/* What a group took; p == NULL where it took no part, or is none. Group 0 is the match. */
static struct sv group_text(const struct subject *s, size_t group)
{
    if (s->re2->code == NULL)
        return group == 0 ? s->given : (struct sv){0};
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s->data);
    if (group > s->re2->groups || ends[2 * group] == PCRE2_UNSET)
        return (struct sv){0};
    size_t start = given_offset(s, ends[2 * group]), end = given_offset(s, ends[2 * group + 1]);
    return sv_make(s->given.n == 0 ? "" : s->given.p + start, end - start);
}

/* --- replacing --- */

/* Of several groups of one name the first that took part. */
static struct sv named_group(const struct subject *s, struct sv name)
{
    for (size_t i = 0; i < s->re2->groups; i++)
        if (sv_eq(s->re2->names[i], name) && group_text(s, i + 1).p != NULL)
            return group_text(s, i + 1);
    return (struct sv){0};
}

static struct sv referred(const struct subject *s, struct sv name)
{
    size_t number = 0;
    for (size_t i = 0; i < name.n; i++) {
        if (!isdigit((unsigned char)name.p[i]))
            return named_group(s, name);
        number = TC_MIN(number * 10 + (size_t)(name.p[i] - '0'), (size_t)EXPRESSION_MAX_BYTES);
    }
    return name.n > 1 && name.p[0] == '0' ? named_group(s, name) : group_text(s, number);
}

/* One reference behind a $ at the front of `rest`: its name, and the bytes that it takes (0: it is none). */
static size_t reference(struct sv rest, struct sv *ret_name)
{
    bool braces = rest.n > 1 && rest.p[1] == '{';
    size_t from = braces ? 2 : 1, at = from;
    while (at < rest.n && (isalnum((unsigned char)rest.p[at]) || rest.p[at] == '_'))
        at++;
    if (at == from || (braces && (at >= rest.n || rest.p[at] != '}')))
        return 0;
    *ret_name = sv_make(rest.p + from, at - from);
    return at + braces;
}

static void put_replacement(const struct subject *s, struct sv replacement, struct buf *out)
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
            buf_sv(out, referred(s, name));
        } else {
            buf_char(out, '$');
            used = 1;
        }
        replacement = sv_from(replacement, used);
    }
}

bool re2_expand(const struct re2 *re2, struct sv text, struct sv replacement, struct buf *out)
{
    struct subject s;
    subject_init(&s, re2, text);
    bool found = re2->code == NULL ? is_word(re2, text) : match_from(&s, 0) >= 0;
    if (found)
        put_replacement(&s, replacement, out);
    subject_fini(&s);
    return found;
}

void re2_replace_all(const struct re2 *re2, struct sv text, struct sv replacement, struct buf *out)
{
    struct subject s;
    subject_init(&s, re2, text);
    if (re2->code == NULL) {
        if (is_word(re2, text))
            put_replacement(&s, replacement, out);
        else
            buf_sv(out, text);
        subject_fini(&s);
        return;
    }
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s.data);
    size_t at = 0, copied = 0;
    while (at <= s.text.n && !out->overflow && match_from(&s, at) >= 0) {
        size_t start = ends[0], end = ends[1];
        /* As in Go, an empty match directly behind the one before does not count. */
        if (start < end || start != copied || copied == 0 || at == 0) {
            size_t from = given_offset(&s, copied);
            buf_sv(out, sv_make(text.n == 0 ? "" : text.p + from, given_offset(&s, start) - from));
            put_replacement(&s, replacement, out);
            copied = end;
        }
        uint32_t rune;
        at = start < end ? end : end + TC_MAX(utf8_decode(sv_from(s.text, end), &rune), (size_t)1);
    }
    buf_sv(out, sv_from(text, given_offset(&s, copied)));
    subject_fini(&s);
}

bool re2_match_names(const struct re2 *re2, struct sv text,
                     void (*each)(void *context, struct sv name, struct sv value), void *context)
{
    struct subject s;
    subject_init(&s, re2, text);
    bool found = re2->code == NULL ? is_word(re2, text) : match_from(&s, 0) >= 0;
    for (size_t i = 0; found && i < re2->groups; i++)
        if (re2->names[i].n > 0)
            each(context, re2->names[i], group_text(&s, i + 1));
    subject_fini(&s);
    return found;
}
