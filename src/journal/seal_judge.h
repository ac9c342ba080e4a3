/*
 * Whether checkpoints are to be believed: who signed each, and whether the keys that evolve (period.h) follow
 * one another without a gap. What they say of the journal is evidence.h's to judge.
 *
 * The rules for a series, which make that who has the key of a period can neither change nor leave out what
 * periods before it sealed: it begins with period 0; each next period is the number after; before it stands a
 * checkpoint that ended the one before; each period's first checkpoint proves its key by a path to the
 * series' root; and once a period has begun, none is believed without such a key.
 */
#ifndef JOURNAL_SEAL_JUDGE_H
#define JOURNAL_SEAL_JUDGE_H

#include "journal/note.h"

struct seal_judge {
    bool has_keys; /* else all notes are believed */
    struct note_keys trusted;
    bool begun[NOTE_SERIES_MAX];      /* of trusted.series */
    const struct note_series *series; /* whose period it is; NULL: none has begun */
    struct note_period period;        /* that period, opened: key and path */
    bool ended;
    struct receive_time began, last; /* of the period: by its first checkpoint; of the newest note */
    /* what a report tells */
    uint64_t periods;                 /* begun */
    struct receive_time sealed_until; /* by keys that are gone, of the present series; TC_NO_TIME: nothing */
    uint64_t sealed_size, last_size;  /* records; of the newest note */
    struct receive_time back_from, back_to; /* the first time that the clock went back; equal: it did not */
    struct receive_time gap_from, gap_to;   /* the longest time without a checkpoint */
    char why[192];
};

/* `trusted` is copied; NULL: signatures are not judged. */
void seal_judge_init(struct seal_judge *judge, const struct note_keys *trusted);
void seal_judge_wipe(struct seal_judge *judge);
/* NULL: it is believed. Else why not, so that "of <its time>" can be added; lives as long as the judge. */
const char *seal_judge_note(struct seal_judge *judge, const struct note *note);
/* At the end of the file, as above: whether a series was trusted and never seen. */
const char *seal_judge_end(struct seal_judge *judge);
/* Whether a checkpoint that ended or began a period is missing before one of period `next` can be believed (a
 * witness may have been away then); and whether one of period `found` is that checkpoint. */
bool seal_judge_misses(const struct seal_judge *judge, const struct note_period *next);
bool seal_judge_expects(const struct seal_judge *judge, const struct note_period *found);

#endif
