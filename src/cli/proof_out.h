/*
 * The proof that a record belongs to a signed checkpoint, as files that sha256sum and openssl can judge
 * (docs/evidence.md).
 */
#ifndef CLI_PROOF_OUT_H
#define CLI_PROOF_OUT_H

#include "journal/evidence.h"

/* Makes `folder`, whose parent is there, and fills it. The report must have found its record, and keys. */
int proof_write(const struct fs *fs, const char *folder, const struct evidence_report *report,
                struct err *err);

#endif
