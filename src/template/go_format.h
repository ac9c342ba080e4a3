/*
 * Formatting as Go's fmt and strconv packages do it (https://pkg.go.dev/fmt, "Printing").
 *
 * Values are formatted into a bounded buffer; widths and precisions are bounded to 1,000 (Go: a million).
 */
#ifndef TEMPLATE_GO_FORMAT_H
#define TEMPLATE_GO_FORMAT_H

#include "template/value.h"

enum { GO_FLOAT_MAX = 512 };

/* strconv.FormatFloat(v, verb, precision, 64): verb one of e E f g G; precision -1 is the shortest that reads
 * back. */
void go_format_float(struct buf *out, double v, char verb, int precision);
/* strconv.Quote. */
void go_quote_text(struct buf *out, struct sv text);
/* A time.Duration's String(): "1h2m3.5s". */
void go_format_duration(struct buf *out, int64_t ns);

/* fmt.Sprint, fmt.Sprintln, fmt.Sprintf. Mistakes in a format show in the text, as there: "%!d(string=x)". */
void go_print(struct buf *out, const struct template_value *args, size_t n);
void go_println(struct buf *out, const struct template_value *args, size_t n);
void go_printf(struct buf *out, struct sv format, const struct template_value *args, size_t n);
/* %v of one value. */
void go_print_value(struct buf *out, struct template_value value);

/* strconv.ParseFloat: decimal, hexadecimal, underscores not allowed, inf/infinity/nan without case. False:
 * bad syntax. */
bool go_float_from(struct sv text, double *ret);
/* strconv.ParseInt(text, 0, 64) for literals: 0x, 0o, 0b, octal, underscores between digits. */
bool go_parse_int(struct sv text, int64_t *ret);

#endif
