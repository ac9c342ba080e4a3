/*
 * Formatting as Go's fmt package does it (https://pkg.go.dev/fmt, "Printing").
 *
 * Values are formatted into a bounded buffer; widths and precisions are bounded to 1,000 (Go: a million).
 */
#ifndef TEMPLATE_GO_FORMAT_H
#define TEMPLATE_GO_FORMAT_H

#include "base/go_text.h"
#include "template/value.h"

/* A time.Duration's String(): "1h2m3.5s". */
void go_format_duration(struct buf *out, int64_t ns);

/* fmt.Sprint, fmt.Sprintln, fmt.Sprintf. Mistakes in a format show in the text, as there: "%!d(string=x)". */
void go_print(struct buf *out, const struct template_value *args, size_t n);
void go_println(struct buf *out, const struct template_value *args, size_t n);
void go_printf(struct buf *out, struct sv format, const struct template_value *args, size_t n);
/* %v of one value. */
void go_print_value(struct buf *out, struct template_value value);

#endif
