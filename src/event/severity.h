/*
 * Severity P1 to P4, and the one table that maps every source's words to it (ledger D-01).
 */
#ifndef EVENT_SEVERITY_H
#define EVENT_SEVERITY_H

#include "base/sv.h"

enum severity { SEVERITY_NONE, SEVERITY_P1, SEVERITY_P2, SEVERITY_P3, SEVERITY_P4 };

/*
 * "critical", "HIGH", "warning", "P2", "informational", "emerg", … without case. An empty word (a missing
 * level) is P3, as Sigma's own default of medium. SEVERITY_NONE for an unknown word.
 */
enum severity severity_of(struct sv word);
const char *severity_name(enum severity severity); /* "P1" … "P4" */
/* Sigma's word for it: critical, high, medium, low. */
const char *severity_word(enum severity severity);

#endif
