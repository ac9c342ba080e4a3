/*
 * The record of a metric rule's change of state (REC_METRIC): an alert began to fire, fires with another
 * severity, or ended. It holds all that alert/ needs, so that a replay asks no store of samples.
 *
 * JSON: state ("firing", "resolved"), identity (64 hex digits), rule_id, and while it fires title, level,
 * description, runbook, owner, file, line, value, labels {}, annotations {}.
 */
#ifndef APP_METRIC_RECORD_H
#define APP_METRIC_RECORD_H

#include "alert/alert.h"
#include "event/event.h"

enum { METRIC_RECORD_TEXT_MAX = 4096, METRIC_RECORD_LABELS_MAX = 128, METRIC_RECORD_ANNOTATIONS_MAX = 64 };

/* Appends the JSON. Texts past the bounds are cut: the identity speaks for the whole labels. `finding` is one
 * of rule_change_finding; of an end only its rule's id is read. */
void metric_record_write(bool firing, const uint8_t identity[TC_SHA256_BYTES], const struct finding *finding,
                         struct buf *out);
/* What book_change takes; all in `arena` or lent by the record. False for what is no such record. */
bool metric_record_read(const struct event *record, struct arena *arena, struct alert_change *ret);

#endif
