/*
 * Regular expressions as RE2 and Go understand them, run by PCRE2.
 *
 * What RE2 refuses (look-around, back references, possessive repetition) is refused here with Go's words, and
 * the match limit keeps time bounded. Alternations of plain words never reach PCRE2. An expression is
 * read-only after it is made, but matching uses its own scratch: one thread at a time.
 */
#ifndef METRICS_REGEX_H
#define METRICS_REGEX_H

#include "base/buf.h"
#include "base/err.h"

struct regex;

/* `whole`: the text must match from end to end, and dot matches a newline, too. The text of an error begins
 * with "error parsing regexp: ". */
int regex_new(struct sv pattern, bool whole, struct regex **ret, struct err *err);
void regex_free(struct regex **regex);
bool regex_match(const struct regex *regex, struct sv text);
/* Expands $1, ${1}, ${name} and $name of `replacement` for the first match into `out`. False without a match.
 */
bool regex_expand(const struct regex *regex, struct sv text, struct sv replacement, struct buf *out);

#endif
