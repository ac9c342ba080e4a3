/*
 * From an alert to the records behind it, and from a record to its alerts.
 *
 * The journal has the links: a record that says what a rule found (REC_FINDING) or what became of an alert
 * (REC_DECISION) bears the position of the record that it came from, and names the alert. So nothing is kept
 * beside the journal, and a link goes back as far as the journal does, over cold segments as over others.
 *
 * What a link is not: of a correlation the record that completed it is linked, not those that it counted
 * before; and a further hit of an episode that was told already is counted in the alert without a finding of
 * its own, so only those of them are linked at which the count passed a step.
 *
 * Reads the journal as scan.h does: on the caller's thread, without a lock, ended by the source's `stop`.
 */
#ifndef QUERY_PIVOT_H
#define QUERY_PIVOT_H

#include "query/scan.h"

enum { PIVOT_LIMIT_MAX = 5000, PIVOT_ID_BYTES = 32 };

/*
 * Appends {"alert", "events": [{…record…, "rule_id"}], "truncated"}: the first `limit` (at most
 * PIVOT_LIMIT_MAX) records behind the alert, in order of the journal. One that retention has dropped is
 * {"position", "dropped": true}. `alert_id` is the whole id. TC_EINPUT where it is none, TC_ECORRUPT,
 * TC_ESTATE (stopped).
 */
int pivot_alert_events(const struct query_source *source, struct sv alert_id, size_t limit, struct buf *out,
                       struct err *err);
/* Appends the record as an object, with "alerts": [{"id", "rule_id", "title"}] in order of their findings.
 * TC_ENOTFOUND: no record has that position, or it was dropped. */
int pivot_event_alerts(const struct query_source *source, uint64_t position, struct buf *out,
                       struct err *err);

#endif
