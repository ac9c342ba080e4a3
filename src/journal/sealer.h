/*
 * The sealer: follows the journal, keeps the Merkle tree over its records, and writes signed checkpoints of
 * it to DIR/seal/checkpoints. docs/format/checkpoint.md has the bytes.
 *
 * It stands beside the journal, not in its way: it reads what is durable, so that a slow or failing sealer
 * holds up nothing. Its state (DIR/seal/tree) is a cache: where it is lost or does not fit, the tree is made
 * anew from the records. A checkpoint is synced before anybody is shown it. One thread at a time.
 */
#ifndef JOURNAL_SEALER_H
#define JOURNAL_SEALER_H

#include "journal/journal.h"
#include "journal/merkle.h"
#include "journal/note.h"
#include "journal/period.h"

struct sealer;

struct sealer_options {
    const struct fs *fs;
    const char *dir;
    const struct journal *journal; /* bounds what is read; NULL: nobody writes */
    const struct note_keys *keys;  /* copied; the first names the log, all sign; may be none with `period` */
    struct period_key *period;     /* signs, too, and evolves; NULL: no key does */
    struct receive_time now;       /* for a period that a crash kept from ending */
};

/* Finishes an evolution that the newest checkpoint tells of. TC_ECORRUPT: the journal ends before what was
 * sealed, or DIR/seal/checkpoints is damaged (with file and offset). */
int sealer_open(const struct sealer_options *options, struct sealer **ret, struct err *err);
void sealer_close(struct sealer **sealer);
/* Takes in up to about `max_records` durable records: 1 = there may be more; 0 = that was all; negative. */
int sealer_step(struct sealer *sealer, uint64_t max_records, struct err *err);
/* Records in the tree. */
uint64_t sealer_size(const struct sealer *sealer);
/* Writes a checkpoint of what was taken in, durably; also where nothing came since the last: that silence is
 * signed, too. *ret_note (cleared first) gets its text as a witness should keep it. After a failure the
 * sealer is to be closed and opened anew. */
int sealer_checkpoint(struct sealer *sealer, struct receive_time now, struct buf *ret_note, struct err *err);

/* As sealer_checkpoint, and it is the last one that this period's key signs: the key is then erased, and the
 * next period's signs from here on. As sealer_checkpoint where no period is left. */
int sealer_end_period(struct sealer *sealer, struct receive_time now, struct buf *ret_note, struct err *err);

/* DIR/seal/NAME; false where the path is too long. */
bool seal_path(const char *dir, const char *name, char *out, size_t size);

#endif
