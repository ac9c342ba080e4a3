/*
 * Regular expressions of Go's kind (RE2's syntax, https://github.com/google/re2/wiki/Syntax) on PCRE2.
 *
 * What RE2 has no word for (back-references, look-around, possessive and atomic groups) is refused, so that
 * an expression that works here works in Prometheus and Alertmanager, too; a match limit stands where RE2 is
 * linear by construction. Compiled once, immutable, any thread may match.
 */
#ifndef BASE_RE2_H
#define BASE_RE2_H

#include "base/buf.h"
#include "base/err.h"

struct re2;

/* `anchored`: the whole text must match, as in label matchers. Text that is not UTF-8 is matched byte by
 * byte. TC_EINPUT with Go's lead "error parsing regexp: " where the expression is refused. At most 64 KiB.
 * Free with re2_free. */
int re2_compile(struct sv expression, bool anchored, struct re2 **ret, struct err *err);
void re2_free(struct re2 *re2);
/* A match that would take more steps than the limit counts as none. */
bool re2_matches(const struct re2 *re2, struct sv text);
/* regexp.ReplaceAllString: $1, ${1}, ${name}, $$ in `replacement`. */
void re2_replace_all(const struct re2 *re2, struct sv text, struct sv replacement, struct buf *out);

/* The expression has a named group. */
bool re2_has_names(const struct re2 *re2);
/* On a match calls `each` for every named group in the order of their numbers; one that took no part has
 * p == NULL. False where there is no match. */
bool re2_match_names(const struct re2 *re2, struct sv text,
                     void (*each)(void *context, struct sv name, struct sv value), void *context);

#endif
