/*
 * Reading samples in Prometheus' text format and in OpenMetrics into the store in memory, for queries over
 * files.
 *
 * One line, one sample: `name{label="value"} 1.5 1700000000000`. Times are milliseconds; in OpenMetrics (a
 * file that ends with `# EOF`) they are seconds. Lines without a time get `default_ms`. Comments, types and
 * exemplars are passed over.
 */
#ifndef METRICS_EXPOSITION_TEXT_H
#define METRICS_EXPOSITION_TEXT_H

#include "metrics/memory_store.h"

enum { EXPOSITION_LABELS_MAX = 256 };

/* An error names the line. */
int exposition_text_load(struct sv text, const char *file, int64_t default_ms, struct memory_store *store,
                         struct err *err);

#endif
