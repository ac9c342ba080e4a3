/*
 * Functions that Alertmanager's and Prometheus' templates share, and the small conversions under them.
 */
#ifndef TEMPLATE_COMMON_H
#define TEMPLATE_COMMON_H

#include "template/template.h"

/* toUpper toLower title trimSpace join match reReplaceAll safeHtml humanizeDuration stringSlice; ends with
 * name NULL. */
extern const struct template_function template_common_functions[];

/* A number, text that is one, or a duration in seconds, as Prometheus converts them; TC_EINPUT with Go's
 * words. */
int template_to_float(struct template_value value, double *ret, struct err *err);
/* Puts the text into the arena and frees it; TC_EBOUND where it overflowed. */
int template_text_result(struct template_call *call, struct buf *text, struct template_value *ret,
                         struct err *err);
enum { TEMPLATE_RESULT_MAX = 1 << 20 };

#endif
