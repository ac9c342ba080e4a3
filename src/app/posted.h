/*
 * Alerts that others post, on their way into the fold: an event as evidence, redacted like any other, and a
 * record of its state, which is all that alert/ looks at. One is known by its source and its sender's key; it
 * is open until its sender, or a person, ends it.
 */
#ifndef APP_POSTED_H
#define APP_POSTED_H

#include "ingest/intake.h"
#include "ingest/posted_alert.h"
#include "journal/journal.h"

/* Rules of posted alerts: "posted:http:NAME". No rule on metrics ends what they began. */
#define POSTED_RULE_PREFIX "posted:"

/* `done` is called once all of it is durable; not where this fails. TC_EAGAIN, TC_EBOUND: later. Any thread.
 */
int posted_append(struct intake *intake, struct journal *journal, struct sv source,
                  const struct posted_alert *alerts, size_t count, journal_done_fn done, void *context,
                  struct err *err);

#endif
