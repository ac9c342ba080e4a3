/*
 * Holding delivery back: a state of the fold, moved by records (verbs `hold` and `release` of REC_COMMAND),
 * so that it outlives a restart. A restore begins held: nobody knows what was sent after the backup was
 * taken.
 *
 * While it is held everything is judged and decided as ever, and what is to be sent waits in the outbox.
 * A release lets it go; one that discards gives up what was decided before it, which then counts as failed.
 */
#ifndef APP_DELIVERY_H
#define APP_DELIVERY_H

#include "alert/alert.h"
#include "journal/journal.h"

struct delivery_state {
    bool held;
    int64_t since_ns;        /* receive time of the record */
    char by[128], note[512]; /* of the record */
};

/* Appends the record and waits until it is durable: hold, release, or restored (which changes nothing, and
 * says in the journal what happened). */
int delivery_record(struct journal *journal, const struct clk *clk, struct sv verb, struct sv by,
                    struct sv note, struct err *err);
/* Whether the command is one of these; then the state is moved. */
bool delivery_apply(struct delivery_state *state, const struct alert_command *command,
                    struct receive_time at);
/* Whether the command is a release that gives up what was decided before it. */
bool delivery_discards(const struct alert_command *command);
void delivery_save(const struct delivery_state *state, struct buf *out);
bool delivery_load(struct delivery_state *state, struct sv saved);

#endif
