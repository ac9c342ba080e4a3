/*
 * Holds that people make while Tocsin runs (`tocsin hold`), beside those of the configuration: what must not
 * be dropped by retention until somebody releases it.
 *
 * A state of the fold, moved by records (verbs `hold_add` and `hold_release` of REC_COMMAND), so that it
 * outlives a restart and the journal says who held what when, and why. Not to be confused with delivery.h,
 * which holds notifications back.
 */
#ifndef APP_HOLDS_H
#define APP_HOLDS_H

#include "alert/alert.h"
#include "journal/retention.h"

enum { HOLD_TEXT_MAX = 256, HOLD_NOTE_MAX = 1024, HOLDS_MAX = RETENTION_HOLDS_MAX };

struct hold { /* holds no pointers: a copy is whole */
    char name[HOLD_TEXT_MAX];
    char source[HOLD_TEXT_MAX], text[HOLD_TEXT_MAX]; /* of the records; empty: any */
    char by[HOLD_TEXT_MAX], note[HOLD_NOTE_MAX];
    int64_t made_ns;        /* receive time of the record */
    int64_t from_ns, to_ns; /* as retention_hold's */
    uint32_t classes;
};

struct holds { /* in order of making */
    struct hold *items;
    size_t count;
};

bool holds_is_command(struct sv verb);
/*
 * hold_add: alert_id is the hold's name; from, until (RFC 3339), class, source, text say what is held, all
 * that are given must fit; note (why) is needed. hold_release: alert_id, note. Appends the hold as JSON.
 * TC_EINPUT, TC_ESTATE (the name is taken, or there are too many), TC_ENOTFOUND: nothing has changed.
 */
int holds_command(struct holds *holds, const struct alert_command *command, struct receive_time at,
                  struct buf *ret_json, struct err *err);
void holds_free(struct holds *holds);
void holds_save(const struct holds *holds, struct buf *out);
bool holds_load(struct holds *holds, struct sv saved); /* false: malformed, *holds is as it was */
/* What retention asks; lent by the hold. */
struct retention_hold hold_retention(const struct hold *hold);
/* {"name", "from", "to", "classes", "source", "text", "made", "by", "note", "configured"}; of a hold of the
 * configuration `made` is null, `by` and `note` are empty. */
void hold_json(const struct retention_hold *what, const struct hold *made, struct buf *out);

#endif
