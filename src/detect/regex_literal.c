/*
 * What a regular expression cannot do without: the longest text that every match contains, in lower case.
 *
 * A reader of the common part of PCRE2's syntax. It may know less than there is (a run of letters that it
 * does not see costs a few judgements), but never more: what it does not understand ends in no text at all.
 * Inside of an alternation, a group or letter that may be missing, a look-around, nothing is required.
 *
 * Only ASCII letters are taken. Where case does not count, PCRE2 lets k and s match U+212A and U+017F, which
 * base/utf8.h folds to them, too; so the text is in the folded value wherever the expression matches.
 */
#include "detect/match.h"

enum { LITERAL_MAX_BYTES = 64, GROUPS_MAX = 32 };

struct literal {
    char bytes[LITERAL_MAX_BYTES];
    size_t n;
};

struct regex_reader {
    struct sv rest;
    bool lost; /* something that is not understood */
};

static bool at_char(const struct regex_reader *r, char c)
{
    return r->rest.n > 0 && r->rest.p[0] == c;
}

static void skip(struct regex_reader *r, size_t n)
{
    r->rest = sv_from(r->rest, n);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* --- one atom: its literal character, or 0 where it is more than one character could be
 * ---------------------------------------------------------------------------- */

static char take_escape(struct regex_reader *r)
{
    skip(r, 1);
    if (r->rest.n == 0) {
        r->lost = true;
        return 0;
    }
    char c = r->rest.p[0];
    skip(r, 1);
    if (!is_letter(c) && !is_digit(c))
        return (unsigned char)c < 0x80 ? c : 0;
    /* kinds of characters and places; whatever takes an argument is not understood */
    r->lost |= memchr("dDsSwWbBAzZhHvVnrtf", c, 19) == NULL;
    return 0;
}

/* After `[`, at a member: over it. */
static void skip_member(struct regex_reader *r)
{
    if (at_char(r, '\\')) {
        char after = r->rest.n > 1 ? r->rest.p[1] : 'Q';
        r->lost |= after == 'Q' || after == 'E' || after == 'c';
        skip(r, 2);
    } else if (sv_starts(r->rest, SV("[:")) || sv_starts(r->rest, SV("[.")) || sv_starts(r->rest, SV("[="))) {
        char kind = r->rest.p[1];
        size_t end = 2;
        while (end + 1 < r->rest.n && !(r->rest.p[end] == kind && r->rest.p[end + 1] == ']'))
            end++;
        r->lost |= end + 1 >= r->rest.n;
        skip(r, end + 2);
    } else {
        skip(r, 1);
    }
}

/* A class; [Cc] is the letter c, as far as folded values go. */
static char take_class(struct regex_reader *r)
{
    skip(r, 1);
    struct sv members = r->rest;
    if (at_char(r, '^'))
        skip(r, 1);
    if (at_char(r, ']')) /* the first one is a member */
        skip(r, 1);
    while (r->rest.n > 0 && !r->lost && !at_char(r, ']'))
        skip_member(r);
    r->lost |= r->rest.n == 0;
    members.n -= r->rest.n;
    skip(r, 1);
    bool one = members.n == 2 && is_letter(members.p[0]) && to_lower(members.p[0]) == to_lower(members.p[1]);
    return one ? to_lower(members.p[0]) : 0;
}

/* --- how often
 * -------------------------------------------------------------------------------------------------------------------
 */

enum often { ONCE, MORE, MAYBE }; /* exactly once, at least once, perhaps never (or not known) */

/* {n}, {n,}, {n,m}, and what newer versions take, too. */
static size_t braces(struct sv rest)
{
    size_t n = 1;
    while (n < rest.n && (is_digit(rest.p[n]) || rest.p[n] == ',' || rest.p[n] == ' '))
        n++;
    return n > 1 && n < rest.n && rest.p[n] == '}' ? n + 1 : 0;
}

/* A second sign makes the first lazy or possessive; whatever it is, a sign that is not + makes us know less.
 */
static enum often take_often(struct regex_reader *r)
{
    enum often often = ONCE;
    for (;;) {
        bool lazy = often != ONCE && at_char(r, '?');
        size_t n = at_char(r, '{') ? braces(r->rest) : at_char(r, '*') || at_char(r, '+') || at_char(r, '?');
        if (n == 0)
            return often;
        if (!lazy)
            often = TC_MAX(often, at_char(r, '+') ? MORE : MAYBE);
        skip(r, n);
    }
}

/* --- sequences and groups
 * ---------------------------------------------------------------------------------------------------- */

static void keep_longer(struct literal *best, const struct literal *other)
{
    if (other->n > best->n)
        *best = *other;
}

static void end_run(struct literal *run, struct literal *best)
{
    keep_longer(best, run);
    run->n = 0;
}

static void add_literal(struct literal *run, struct literal *best, char c, enum often often)
{
    if (run->n == LITERAL_MAX_BYTES)
        end_run(run, best);
    if (often != MAYBE)
        run->bytes[run->n++] = to_lower(c);
    if (often != ONCE)
        end_run(run, best);
}

/* After `(`: is it a plain group? Flags alone, (?i), are no group: *ret_flags. */
static bool open_group(struct regex_reader *r, bool *ret_flags)
{
    *ret_flags = false;
    r->lost |= at_char(r, '*');
    if (!at_char(r, '?'))
        return true;
    size_t n = 1;
    while (n < r->rest.n && memchr("ims-", r->rest.p[n], 4) != NULL)
        n++;
    *ret_flags = n < r->rest.n && r->rest.p[n] == ')';
    r->lost |= n == r->rest.n || (r->rest.p[n] != ':' && r->rest.p[n] != ')');
    skip(r, n + 1);
    return !*ret_flags;
}

static void read_alternation(struct regex_reader *r, size_t depth, struct literal *best);

static void read_group(struct regex_reader *r, size_t depth, struct literal *best)
{
    struct literal inner = {.n = 0};
    bool flags;
    skip(r, 1);
    if (!open_group(r, &flags) || r->lost)
        return;
    read_alternation(r, depth + 1, &inner);
    r->lost |= !at_char(r, ')');
    skip(r, 1);
    if (take_often(r) != MAYBE)
        keep_longer(best, &inner);
}

/* Up to | or ) or the end. */
static void read_sequence(struct regex_reader *r, size_t depth, struct literal *best)
{
    struct literal run = {.n = 0};
    while (r->rest.n > 0 && !r->lost && !at_char(r, '|') && !at_char(r, ')')) {
        char c = r->rest.p[0];
        if (c == '(') {
            end_run(&run, best);
            read_group(r, depth, best);
            continue;
        }
        if (c == '\\')
            c = take_escape(r);
        else if (c == '[')
            c = take_class(r);
        else {
            skip(r, 1);
            if (memchr(".^${", c, 4) != NULL || (unsigned char)c >= 0x80)
                c = 0;
        }
        enum often often = take_often(r);
        if (c == 0)
            end_run(&run, best);
        else
            add_literal(&run, best, c, often);
    }
    end_run(&run, best);
}

static void read_alternation(struct regex_reader *r, size_t depth, struct literal *best)
{
    r->lost |= depth > GROUPS_MAX;
    if (r->lost)
        return;
    read_sequence(r, depth, best);
    while (!r->lost && at_char(r, '|')) {
        struct literal other = {.n = 0};
        skip(r, 1);
        read_sequence(r, depth, &other);
        best->n = 0; /* one or the other: neither is required */
    }
}

struct sv regex_literal(struct arena *arena, struct sv text)
{
    struct regex_reader reader = {.rest = text};
    struct literal best = {.n = 0};
    read_alternation(&reader, 0, &best);
    if (reader.lost || reader.rest.n > 0)
        return SV("");
    return arena_sv(arena, sv_make(best.bytes, best.n));
}
