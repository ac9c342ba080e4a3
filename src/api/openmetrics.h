/*
 * /metrics in OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/), made of the text
 * format that the rooms write.
 */
#ifndef API_OPENMETRICS_H
#define API_OPENMETRICS_H

#include "base/buf.h"

#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Whether an Accept header prefers it to the text format. */
bool openmetrics_wanted(struct sv accept);
/* Appends `text` (format 0.0.4, as this program writes it: each family in one piece, its HELP and TYPE first)
 * with its end mark. A counter whose name does not end with _total becomes of type unknown. */
void openmetrics_from_text(struct sv text, struct buf *out);

#endif
