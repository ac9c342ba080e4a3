/*
 * Regular expressions as Go and RE2 understand them (https://github.com/google/re2/wiki/Syntax), run by
 * PCRE2.
 *
 * An expression is read as Go's regexp/syntax reads it, refused with Go's words where Go refuses it, and
 * written anew for PCRE2, so that what works here works in Prometheus, Alertmanager and Loki, and means the
 * same. (One thing that Go takes is refused: a repetition behind (?i), which repeats what stands before it.)
 * Where backtracking takes too many steps, whether there is a match is found without backtracking.
 *
 * Compiled once, immutable; any thread may match. Text that is not UTF-8 is matched as Go matches it: each
 * stray byte is one character, U+FFFD.
 */
#ifndef BASE_RE2_H
#define BASE_RE2_H

#include "base/buf.h"
#include "base/err.h"

struct re2;

/* What has to match, and what Go puts around the expression for it, which its errors show. */
enum re2_scope {
    RE2_ANYWHERE,     /* a part of the text will do */
    RE2_WHOLE,        /* the whole text: ^(?:…)$, as Alertmanager's matchers */
    RE2_WHOLE_DOTALL, /* ^(?s:…)$, as Prometheus' relabelling and label_replace */
    RE2_MATCHER,      /* the same, but errors show the expression alone: Prometheus' label matchers */
};

/* TC_EINPUT with Go's words ("error parsing regexp: …") where the expression is refused; TC_EBOUND past 64
 * KiB. Free with re2_free. */
int re2_compile(struct sv expression, enum re2_scope scope, struct re2 **ret, struct err *err);
void re2_free(struct re2 **re2); /* *re2 may be NULL */

bool re2_matches(const struct re2 *re2, struct sv text);

/* The three below count a match that takes more than a million steps as none. In a replacement $1, ${1},
 * $name, ${name} and $$ stand for what they stand for in Go. */
/* Regexp.Expand of the first match. False without one, with nothing written. */
bool re2_expand(const struct re2 *re2, struct sv text, struct sv replacement, struct buf *out);
/* Regexp.ReplaceAllString. */
void re2_replace_all(const struct re2 *re2, struct sv text, struct sv replacement, struct buf *out);
/* On a match calls `each` for every named group in order; one that took no part has p == NULL. */
bool re2_match_names(const struct re2 *re2, struct sv text,
                     void (*each)(void *context, struct sv name, struct sv value), void *context);

bool re2_has_names(const struct re2 *re2);

#endif
