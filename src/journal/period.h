/*
 * Keys that evolve: the private side of a series (note.h). One key signs in a period; when the period ends,
 * its secret is replaced by the next one's, which is made from it by a hash that nobody can run backwards,
 * and is overwritten. Who takes this machine finds the key of the present period and those to come; for what
 * was sealed in periods before he has none. docs/format/checkpoint.md has the bytes and the reasons.
 *
 * FILE holds the secret, FILE.next the next one while it takes FILE's place, FILE.tree the hashes of all
 * public keys (no secret; the root is what auditors have). At every moment FILE or FILE.next is whole.
 * One thread at a time; one process (the lock of the data directory sees to that).
 */
#ifndef JOURNAL_PERIOD_H
#define JOURNAL_PERIOD_H

#include "base/clk.h"
#include "base/rng.h"
#include "journal/note.h"

/* Makes FILE and FILE.tree, and their folder where it is missing, with 2^levels keys, which takes about 20 µs
 * each. TC_EEXIST where FILE is there; TC_EINPUT: the name, or levels not in 1..NOTE_PERIOD_LEVELS_MAX. */
int period_make(const struct fs *fs, const char *path, const char *name, unsigned levels,
                const struct rng *rng, struct receive_time now, struct note_series *ret, struct err *err);

struct period_key; /* in memory that is not swapped out and is wiped */

/* Finishes what a crash left half done. TC_ENOTFOUND, TC_EINPUT (no such file), TC_ECORRUPT (the secret and
 * the tree do not fit). */
int period_open(const struct fs *fs, const char *path, struct period_key **ret, struct err *err);
/* NULL is allowed. */
void period_close(struct period_key **period);

const struct note_series *period_series(const struct period_key *period);
uint32_t period_number(const struct period_key *period);
/* When this period began, by the clock of its time. */
struct receive_time period_since(const struct period_key *period);
/* How many periods there will be after this one; 0: this key signs for good. */
uint32_t period_left(const struct period_key *period);
/* What a checkpoint says of it; with key and path where `opens`. */
void period_describe(const struct period_key *period, bool opens, bool ends, struct note_period *ret);
/* The key with its seed; lent. */
const struct note_key *period_signer(const struct period_key *period);

/* Whether FILE.tree leads from the key of the next period to the series (0 < left): without it that key can
 * be told to nobody, and this one is better kept. TC_EIO, TC_ECORRUPT. */
int period_check_next(const struct period_key *period, struct err *err);
/* Puts the key of period `number` (later than this one; 0 < number - now <= left) beside this one, durably.
 */
int period_prepare(struct period_key *period, uint32_t number, struct receive_time now, struct err *err);
/* Overwrites the key in use and puts the prepared one in its place, durably. Where that fails the key in
 * memory stays; call it again, or open anew. */
int period_advance(struct period_key *period, struct err *err);
/* Evolves past what the newest checkpoint says: where it ended this period, or a copy of the key from before
 * came back. Does nothing where it is of another series or of none. */
int period_settle(struct period_key *period, const struct note_period *newest, struct receive_time now,
                  struct err *err);

#endif
