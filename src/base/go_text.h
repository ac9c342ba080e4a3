/*
 * Numbers and quoted strings in the text forms of Go's strconv and fmt (https://pkg.go.dev/strconv).
 *
 * Everything appends to a bounded buffer or fills the caller's value; nothing depends on the locale.
 */
#ifndef BASE_GO_TEXT_H
#define BASE_GO_TEXT_H

#include "base/buf.h"

enum { GO_PRECISION_MAX = 1000, GO_FLOAT_MAX = 512 }; /* a float's text without its precision */

/* strconv.FormatFloat(v, verb, precision, 64): verb one of e E f g G; precision -1 is the shortest that reads
 * back. A precision is bounded to GO_PRECISION_MAX. */
void go_format_float(struct buf *out, double v, char verb, int precision);
/* The shortest decimal that reads back the same, without exponent ("0.1", "+Inf", "NaN"). */
void go_float_f(struct buf *out, double v);
/* The same as `%g` and `%v` print it: with an exponent below 1e-4 and from 1e21 or six digits on ("1e+06").
 */
void go_float_g(struct buf *out, double v);
/* OpenMetrics: as go_float_g, with ".0" after a whole number. */
void go_float_openmetrics(struct buf *out, double v);

/* Reads a float as strconv.ParseFloat does (underscores only in `0x` forms aside): decimal, hexadecimal,
 * "inf", "+Infinity", "nan". The whole text must be the number. */
TC_MUST_USE bool go_parse_float(struct sv text, double *ret);
/* strconv.ParseInt(text, 0, 64): 0x, 0o, 0b, octal, underscores between digits. */
TC_MUST_USE bool go_parse_int(struct sv text, int64_t *ret);
/* Number of PromQL: an integer in any of Go's bases, `1_000`, or a float. */
TC_MUST_USE bool go_parse_number(struct sv text, double *ret);

/* Appends `text` in double quotes with Go's escapes (strconv.Quote). */
void go_quote(struct buf *out, struct sv text);
/* One rune as it stands between those quotes. */
void go_quote_rune(struct buf *out, uint32_t rune, char quote);
/* Undoes "…", '…' and `…` with Go's escapes into `out` (appended). False where the text is not a quoted
 * string. */
TC_MUST_USE bool go_unquote(struct sv text, struct buf *out);

#endif
