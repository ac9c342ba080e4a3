/*
 * Salts of records: from a secret seed for each segment and class, so that a packed chunk holds 32 bytes in
 * place of 16 for each record. The seeds stand beside their segment, DIR/journal/<first>.salts, and go with
 * it; where the file is lost, salts are merely kept as they are. When records are dropped, the seed of their
 * class goes with them: what is left keeps its salts one by one, and no salt of a dropped record can be made
 * again.
 */
#ifndef JOURNAL_SALTS_H
#define JOURNAL_SALTS_H

#include "base/fs.h"
#include "base/rng.h"
#include "event/record.h"

enum { SALTS_SEED_BYTES = 32 };

struct salts {
    bool known;
    uint8_t seeds[CLASS_COUNT][SALTS_SEED_BYTES];
};

/* SHA-256(seed, sequence as u64), its first 16 bytes. */
void salts_derive(const uint8_t seed[SALTS_SEED_BYTES], uint64_t sequence, uint8_t out[TC_RECORD_SALT_BYTES]);
/* DIR/journal/<first>.salts; false where the path is too long. */
bool salts_path(const char *dir, uint64_t first, char *out, size_t size);
/* Draws seeds and writes them, synced; the directory's entry is the caller's to sync. Not `known` where that
 * fails: no matter. */
void salts_make(const struct fs *fs, const struct rng *rng, const char *dir, uint64_t first,
                struct salts *ret);
/* Not `known` where there are none. */
void salts_read(const struct fs *fs, const char *dir, uint64_t first, struct salts *ret);

#endif
