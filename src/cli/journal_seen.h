/*
 * What the events of a journal have, for `check --data`.
 */
#ifndef CLI_JOURNAL_SEEN_H
#define CLI_JOURNAL_SEEN_H

#include "detect/seen.h"

/* Every event of the journal below the data directory, quarantined ones left out. Also of a running server.
 */
int journal_seen(const char *dir, struct seen *seen, struct err *err);

#endif
