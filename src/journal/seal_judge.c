/*
 * Judging the order and the signatures of checkpoints; see seal_judge.h.
 */
#include "journal/seal_judge.h"

#include <stdio.h>
#include <string.h>

void seal_judge_init(struct seal_judge *j, const struct note_keys *trusted)
{
    *j = (struct seal_judge){.has_keys = trusted != NULL, .last = {TC_NO_TIME}, .sealed_until = {TC_NO_TIME}};
    if (trusted != NULL)
        j->trusted = *trusted;
}

void seal_judge_wipe(struct seal_judge *j)
{
    note_keys_wipe(&j->trusted);
}

static void trust(struct note_keys *trusted, const struct note_keys *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (note_keys_find(trusted, &keys->key[i]) != NULL)
            continue;
        if (trusted->n == NOTE_KEYS_MAX) { /* the oldest goes, but not the one that was given */
            memmove(&trusted->key[1], &trusted->key[2], (NOTE_KEYS_MAX - 2) * sizeof trusted->key[0]);
            trusted->n--;
        }
        trusted->key[trusted->n++] = keys->key[i];
    }
}

static const struct note_series *series_of(const struct seal_judge *j, const struct note_period *p)
{
    for (size_t i = 0; p->is_set && i < j->trusted.series_count; i++)
        if (memcmp(j->trusted.series[i].id, p->series, sizeof p->series) == 0)
            return &j->trusted.series[i];
    return NULL;
}

static bool is_present(const struct seal_judge *j, const struct note_period *p)
{
    return j->series != NULL && memcmp(j->series->id, p->series, sizeof p->series) == 0 &&
           j->period.number == p->number;
}

static bool is_begun(const struct seal_judge *j, const struct note_series *series)
{
    return j->begun[series - j->trusted.series];
}

/* The period after the present one, or the first of a series that is new. */
static bool follows(const struct seal_judge *j, const struct note_period *next)
{
    const struct note_series *series = series_of(j, next);
    return series == j->series ? j->ended && next->number == j->period.number + 1
                               : next->number == 0 && !is_begun(j, series);
}

bool seal_judge_misses(const struct seal_judge *j, const struct note_period *next)
{
    return series_of(j, next) != NULL && !is_present(j, next) && !(follows(j, next) && next->opens);
}

bool seal_judge_expects(const struct seal_judge *j, const struct note_period *found)
{
    if (series_of(j, found) == NULL)
        return false;
    return is_present(j, found) ? found->ends && !j->ended : found->opens && follows(j, found);
}

/* Why the period of a note does not follow; NULL: it does. */
static const char *judge_order(struct seal_judge *j, const struct note_series *series,
                               const struct note_period *p)
{
    uint32_t next = series == j->series ? j->period.number + 1 : 0;
    if (is_present(j, p))
        return j->ended ? "a period's key, which it had ended, signed the checkpoint" : NULL;
    if (series != j->series && is_begun(j, series))
        return "the key of a series that was over signed the checkpoint";
    if (series == j->series && p->number < next)
        return "the key of a period that was over signed the checkpoint";
    if (p->number > next + 1)
        snprintf(j->why, sizeof j->why, "the seals of periods %u to %u are missing before the checkpoint",
                 next, p->number - 1);
    else if (p->number > next)
        snprintf(j->why, sizeof j->why, "the seals of period %u are missing before the checkpoint", next);
    else if (series == j->series && !j->ended)
        snprintf(j->why, sizeof j->why, "the last seal of period %u is missing before the checkpoint",
                 j->period.number);
    else
        return p->opens ? NULL : "the first seal of its period is missing before the checkpoint";
    return j->why;
}

/* A key of a series has signed, or must have. */
static const char *judge_period(struct seal_judge *j, const struct note *note)
{
    const struct checkpoint *c = &note->checkpoint;
    const struct note_period *p = &c->period;
    const struct note_series *series = series_of(j, p);
    if (series == NULL)
        return p->is_set ? "a key of a series that is not trusted signed the checkpoint"
                         : "no key of a period signed the checkpoint";
    const char *why = judge_order(j, series, p);
    if (why != NULL)
        return why;
    if (p->opens && !note_series_holds(series, p))
        return "a key that does not belong to the series signed the checkpoint";
    bool begins = !is_present(j, p);
    if (!note_is_signed(note, begins ? &p->key : &j->period.key))
        return "the key of its period did not sign the checkpoint";
    if (begins) {
        j->series = series;
        j->begun[series - j->trusted.series] = true;
        j->period = *p;
        j->began = c->time;
        j->periods++;
        j->sealed_until = p->number > 0 ? j->last : (struct receive_time){TC_NO_TIME};
        j->sealed_size = p->number > 0 ? j->last_size : 0; /* by the note before, the last of its key */
    }
    j->ended = p->ends;
    return NULL;
}

static void watch_clock(struct seal_judge *j, struct receive_time time)
{
    if (j->last.ns != TC_NO_TIME && time.ns < j->last.ns && j->back_from.ns == j->back_to.ns) {
        j->back_from = j->last;
        j->back_to = time;
    }
    if (j->last.ns != TC_NO_TIME && time.ns - j->last.ns > j->gap_to.ns - j->gap_from.ns) {
        j->gap_from = j->last;
        j->gap_to = time;
    }
    j->last = time;
}

const char *seal_judge_note(struct seal_judge *j, const struct note *note)
{
    const char *why = NULL;
    bool by_period = j->series != NULL || series_of(j, &note->checkpoint.period) != NULL || j->trusted.n == 0;
    if (j->has_keys && by_period)
        why = judge_period(j, note);
    else if (j->has_keys && note_signer(note, &j->trusted) == NULL)
        why = "no trusted key signed the checkpoint";
    if (why != NULL)
        return why;
    if (j->has_keys)
        trust(&j->trusted, &note->checkpoint.keys);
    watch_clock(j, note->checkpoint.time);
    j->last_size = note->checkpoint.size;
    return NULL;
}

const char *seal_judge_end(struct seal_judge *j)
{
    return j->has_keys && j->trusted.series_count > 0 && j->series == NULL
               ? "no checkpoint is signed by a key of the series that is trusted: its seals are missing"
               : NULL;
}
