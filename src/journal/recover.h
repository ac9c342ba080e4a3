/*
 * Recovery: what journal_open does to a directory before anything is written.
 */
#ifndef JOURNAL_RECOVER_H
#define JOURNAL_RECOVER_H

#include "journal/keys.h"
#include "journal/writer.h"

/* Brings `writer` (initialised) to the end of the log, cutting a torn tail; begins the first segment of a new
 * journal; fills the idempotency keys. The lock is held. TC_ECORRUPT for damage. */
int recover_journal(struct writer *writer, struct keys *keys, struct journal_recovery *ret, struct err *err);

#endif
