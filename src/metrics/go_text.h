/*
 * Numbers, durations and quoted strings in the text forms that Prometheus uses: those of Go's strconv and
 * fmt, and of Prometheus' own durations.
 *
 * Everything appends to a bounded buffer or fills the caller's value; nothing depends on the locale.
 */
#ifndef METRICS_GO_TEXT_H
#define METRICS_GO_TEXT_H

#include "base/buf.h"
#include "base/err.h"

/* The shortest decimal that reads back the same, without exponent ("0.1", "+Inf", "NaN"). */
void go_float_f(struct buf *out, double v);
/* The same as `%g` and `%v` print it: with an exponent below 1e-4 and from 1e21 or six digits on ("1e+06").
 */
void go_float_g(struct buf *out, double v);
/* `%.Ng` with N significant digits. */
void go_float_digits(struct buf *out, double v, int digits);
/* OpenMetrics: as go_float_g, with ".0" after a whole number. */
void go_float_openmetrics(struct buf *out, double v);

/* Reads a float as strconv.ParseFloat does (underscores only in `0x` forms aside): decimal, hexadecimal,
 * "inf",
 * "+Infinity", "nan". The whole text must be the number. */
TC_MUST_USE bool go_parse_float(struct sv text, double *ret);
/* Number of PromQL: an integer in any of Go's bases, `1_000`, or a float. */
TC_MUST_USE bool go_parse_number(struct sv text, double *ret);

/* Appends `text` in double quotes with Go's escapes (strconv.Quote). */
void go_quote(struct buf *out, struct sv text);
/* Undoes "…", '…' and `…` with Go's escapes into `out` (appended). False where the text is not a quoted
 * string. */
TC_MUST_USE bool go_unquote(struct sv text, struct buf *out);

/* "1h30m", "15s", "1d", "0". Nanoseconds; sets `err` to Prometheus' words. */
int prom_parse_duration(struct sv text, int64_t *ret_ns, struct err *err);
/* The canonical form in milliseconds and larger units ("1h30m", "0s"). `ns` is not negative. */
void prom_duration(struct buf *out, int64_t ns);

#endif
