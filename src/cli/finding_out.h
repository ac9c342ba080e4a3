/*
 * How findings and alerts are printed: JSON (one object a line) and tables. The JSON shape of a finding is a
 * promise (README, man page): kind, rule{id,title,level}, severity, time, file, line, index, event{},
 * group{}.
 */
#ifndef CLI_FINDING_OUT_H
#define CLI_FINDING_OUT_H

#include "alert/alert.h"
#include "base/buf.h"
#include "event/finding.h"

/* `file` NULL: no place is known (null in JSON). Appends one line with its newline. */
void finding_out_json(const struct finding *finding, const char *file, uint64_t line, uint64_t index,
                      struct buf *out);
void finding_out_table(const struct finding *finding, const char *file, uint64_t line, struct buf *out);
void alert_out_table_head(struct buf *out);
void alert_out_table(const struct alert *alert, struct buf *out);
/* Appends `text` made safe for a terminal: control characters and bytes that are not UTF-8 become '?'. */
void terminal_text(struct buf *out, struct sv text);
/* An alert's deliveries (GET /v1/alerts/ID/deliveries) for people, a line each. */
void deliveries_out(struct sv json, struct buf *out);

#endif
