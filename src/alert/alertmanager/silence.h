/*
 * Silences as Alertmanager keeps them (alertmanager/silence): made, changed, expired, and forgotten once they
 * have been expired for long enough.
 *
 * A change that would rewrite history (other matchers, another start of an active silence) expires the
 * silence and makes a new one. Time and randomness are arguments. One thread. Bounds: 100,000 silences, those
 * of matcher.h, 1 MiB of text a silence.
 */
#ifndef ALERT_ALERTMANAGER_SILENCE_H
#define ALERT_ALERTMANAGER_SILENCE_H

#include "alert/alertmanager/dispatch.h"
#include "base/rng.h"

enum am_silence_state { AM_SILENCE_ACTIVE, AM_SILENCE_PENDING, AM_SILENCE_EXPIRED };
const char *am_silence_state_text(enum am_silence_state state); /* "active", ... */

enum { AM_SILENCE_ID_BYTES = 37 };

struct am_silence_record {
    struct am_silence silence; /* its id points into `id` */
    char id[AM_SILENCE_ID_BYTES];
    int64_t updated_at_ns;
    struct sv created_by, comment;
    struct am_labels annotations;
    struct am_pool pool; /* what the texts and matchers are made of */
    bool changed;        /* since am_silences_saved */
};

/* What somebody asks for; lent. */
struct am_silence_draft {
    struct sv id;                      /* empty: a new one */
    const struct am_matcher *matchers; /* type, name and value count */
    size_t matcher_count;
    int64_t starts_at_ns, ends_at_ns;
    struct sv created_by, comment;
    struct am_labels annotations;
};

struct am_silences;
struct am_silences *am_silences_new(enum am_matcher_mode mode, size_t max, const struct rng *rng);
void am_silences_free(struct am_silences *silences);

/* Makes or changes one; *ret_id is its id then. TC_EINPUT, TC_ENOTFOUND, TC_EBOUND with Alertmanager's words.
 */
int am_silences_set(struct am_silences *silences, const struct am_silence_draft *draft, int64_t now_ns,
                    char ret_id[AM_SILENCE_ID_BYTES], struct err *err);
/* Ends it now; good where it has ended already. TC_ENOTFOUND. */
int am_silences_expire(struct am_silences *silences, struct sv id, int64_t now_ns, struct err *err);
/* Forgets those that ended before. */
void am_silences_forget(struct am_silences *silences, int64_t ended_before_ns);

enum am_silence_state am_silence_state_at(const struct am_silence *silence, int64_t now_ns);
const struct am_silence_record *am_silences_find(const struct am_silences *silences, struct sv id);
/* All of them, in the order in which they came; good until the next change. */
const struct am_silence_record *const *am_silences_all(const struct am_silences *silences, size_t *ret_count);
/* The same as the dispatcher takes them. */
const struct am_silence *am_silences_flat(struct am_silences *silences, size_t *ret_count);

/* One as bytes of ours, and back (replacing one of its id); false where they are none. */
void am_silence_write(const struct am_silence_record *record, struct buf *out);
bool am_silence_load(struct am_silences *silences, struct sv bytes);
/* What changed since the last call. */
void am_silences_changed(struct am_silences *silences,
                         void (*each)(void *context, const struct am_silence_record *record), void *context);

#endif
