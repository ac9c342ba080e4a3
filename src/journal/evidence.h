/*
 * Evidence: whether a journal is what signed checkpoints say that it was, and the proof that one record
 * belongs to it.
 *
 * Checkpoints come as a file of notes (note.h): DIR/seal/checkpoints, or better a witness's copy, which
 * whoever can write the data directory cannot reach.
 */
#ifndef JOURNAL_EVIDENCE_H
#define JOURNAL_EVIDENCE_H

#include "journal/journal.h"
#include "journal/merkle.h"
#include "journal/note.h"
#include "journal/seal_judge.h"

enum evidence_state {
    EVIDENCE_NONE,   /* no checkpoints were given */
    EVIDENCE_AGREES, /* all of them */
    EVIDENCE_FAILS,  /* `why` tells what, where, since when */
};

struct evidence_wish { /* the record to prove; all zero: none */
    uint64_t position; /* or else: */
    bool by_id;
    uint64_t epoch, sequence;
    uint8_t class;
};

struct evidence_report {
    enum evidence_state state;
    uint64_t checkpoints;     /* in the file, whole */
    uint64_t passed;          /* of these, within what retention has dropped: only later ones can tell */
    uint64_t agreed;          /* of these, signed by a trusted key (where keys were given) and right */
    uint64_t torn_bytes;      /* at the end of the file of checkpoints: one that was being written */
    bool signatures_judged;   /* keys were given */
    uint64_t size;            /* of the newest checkpoint that agrees: records 1..size are proven */
    struct receive_time time; /* and when it was signed */
    char signer[NOTE_NAME_MAX + 1];
    char why[512];
    /* where a series of keys that evolve is trusted and has begun (has_period) */
    bool has_period;
    uint32_t period;           /* of the newest checkpoint that is believed */
    struct receive_time began; /* that period */
    uint64_t periods;          /* that were begun */
    uint64_t sealed_size;      /* records 1..sealed_size, which agree, were sealed by keys that are gone, */
    struct receive_time sealed_until;       /* until then; TC_NO_TIME: none */
    struct receive_time back_from, back_to; /* where the clock first went back; equal: it did not */
    struct receive_time gap_from, gap_to;   /* the longest time between two checkpoints */
    /* the proof, where it was wished for */
    bool found; /* the record, in a checkpoint that agrees */
    uint64_t position;
    bool dropped;      /* the record at that position was dropped by retention */
    struct buf record; /* the bytes whose SHA-256 is the leaf; owned */
    uint8_t leaf[TC_SHA256_BYTES];
    struct merkle_proof path;     /* to the root of the newest checkpoint that agrees */
    struct buf note;              /* that checkpoint; owned */
    struct note_key key;          /* public; that signed it */
    struct merkle_proof key_path; /* from its leaf (note_period_leaf) to the series' root */
    bool has_key_path;
};

/*
 * Verifies the journal (as journal_verify: *ret_journal, and its code returned) and judges the checkpoints of
 * the file at `checkpoints` (NULL or absent: EVIDENCE_NONE) by `trusted` (NULL: signatures are not judged).
 * `threads` verify segments side by side. Keys that a trusted checkpoint names are trusted from it on; where
 * `trusted` has series, keys must evolve as seal_judge.h says. What a witness missed of that is taken from
 * DIR/seal/checkpoints. Where the journal is damaged, *ret tells what is proven before that place. Free with
 * evidence_free in any case.
 */
int evidence_verify(const struct fs *fs, const char *dir, const char *checkpoints,
                    const struct note_keys *trusted, const struct evidence_wish *wish, unsigned threads,
                    struct journal_verify_report *ret_journal, struct evidence_report *ret, struct err *err);
void evidence_free(struct evidence_report *report);

#endif
