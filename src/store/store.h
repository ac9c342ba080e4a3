/*
 * The projection: alerts, their history and the outbox in SQLite, for queries and for the sender. It can be
 * deleted: app/ rebuilds it from the journal. Each transaction stores `applied_pos`, the journal position it
 * reflects; what is not above it is not applied again.
 *
 * WAL mode, synchronous=FULL. One connection for writing (the core thread), one for the notifier (it writes
 * retry state) and one per reading thread; writers wait up to 5 s for each other, then TC_EAGAIN. A
 * connection serves one thread at a time. The file is DIR/state.sqlite, mode 0600. Schema versions migrate
 * forward; a newer file is refused with the remedy.
 *
 * Bounds: ids, keys and channel names 1 KiB, JSON 4 MiB (beyond: TC_EBOUND); words for people (title, note,
 * error, detail) are cut at 16 KiB, the journal has them whole. Any byte is kept, zeros too. A damaged file
 * is TC_ECORRUPT.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/err.h"

struct store;
/* Opens, creates or migrates. `path` may be ":memory:" for tests. */
int store_open(const char *path, struct store **ret, struct err *err);
/* A second connection for another thread; read only. TC_ENOTFOUND where there is no file. */
int store_open_reader(const char *path, struct store **ret, struct err *err);
void store_close(struct store **store);
int store_applied(struct store *store, uint64_t *ret_position, uint64_t *ret_epoch,
                  struct err *err); /* 0,0 when new */

/* A failed commit is rolled back. Begin within a transaction and commit without one are TC_ESTATE. */
int store_begin(struct store *store, struct err *err);
int store_commit(struct store *store, uint64_t applied_position, uint64_t epoch, struct err *err);
void store_rollback(struct store *store);

struct alert_row { /* what lists are filtered and sorted by; `json` is the whole (alert_to_json) */
    struct sv id, fingerprint, state, severity, rule_id, title, json;
    int64_t first_ns, last_ns, ended_ns; /* INT64_MIN = open */
    uint64_t count;
};
int store_put_alert(struct store *store, const struct alert_row *row, struct err *err);
int store_add_history(struct store *store, uint64_t position, uint32_t ordinal, struct sv alert_id,
                      int64_t time_ns, struct sv what, struct sv by, struct sv note,
                      struct err *err); /* idempotent by position, ordinal */

/* Callbacks return 0 to go on; anything else ends the walk, which is no failure. Rows are lent for the call.
 * A callback must not use the same connection. Newest first: by last_ns, or by ended_ns with ended_only. */
typedef int (*alert_row_fn)(void *context, const struct alert_row *row);
struct alert_filter {
    bool open_only, ended_only;
    int64_t ended_since_ns; /* with ended_only */
    size_t limit;           /* 0 = 1,000 */
};
int store_each_alert(struct store *store, const struct alert_filter *filter, alert_row_fn each, void *context,
                     struct err *err);
/* Exact id or unique prefix. 0, TC_ENOTFOUND, or TC_EINPUT for an ambiguous prefix. */
int store_get_alert(struct store *store, struct sv id_or_prefix, struct buf *ret_json, struct err *err);
/* JSON array of {time, what, by, note}. */
int store_history_json(struct store *store, struct sv alert_id, struct buf *ret_json, struct err *err);

/* --- outbox: the contract between alert and notify
 * ------------------------------------------------------------------- */

struct outbox_row {
    struct sv key;     /* idempotency key of the intent + ":" + channel */
    struct sv channel; /* name in the configuration */
    struct sv alert_id;
    struct sv payload; /* intent JSON: {"alert":{…},"reason":…,"count":…}: all that a channel needs */
    uint64_t position; /* of the intent record */
    uint32_t attempts;
    struct sv error; /* of the last attempt; not read by put */
    int64_t next_ns; /* not before (wall clock); 0 = now */
};
int store_outbox_put(struct store *store, const struct outbox_row *row,
                     struct err *err); /* absent keys only */
/*
 * Pending rows whose time has come, by position. A row is not due while an earlier one of the same channel
 * and alert is pending, so that a channel hears of an alert in order. A next_ns more than 2 h ahead was
 * written under a clock since set back: due. *ret_next_ns (may be NULL) = the earliest next_ns of the pending
 * rows that wait, INT64_MAX where none does.
 */
int store_outbox_due(struct store *store, int64_t now_ns, size_t limit,
                     int (*each)(void *context, const struct outbox_row *row), void *context,
                     int64_t *ret_next_ns, struct err *err);
/* The same for one channel, so that a long queue of one does not hide the rows of another. */
int store_outbox_due_for(struct store *store, struct sv channel, int64_t now_ns, size_t limit,
                         int (*each)(void *context, const struct outbox_row *row), void *context,
                         int64_t *ret_next_ns, struct err *err);
/* Whether the row of that key is there and neither sent nor given up. */
int store_outbox_pending(struct store *store, struct sv key, bool *ret, struct err *err);
/* Channels that have pending rows, and how many. */
int store_outbox_channels(struct store *store,
                          int (*each)(void *context, struct sv channel, uint64_t pending), void *context,
                          struct err *err);
int store_outbox_retry(struct store *store, struct sv key, uint32_t attempts, int64_t next_ns,
                       struct sv error, struct err *err);
/* status: "sent" or "failed" (given up). The row stays as receipt, without its payload. Repeats and unknown
 * keys are no failure; "sent" is final. */
int store_outbox_done(struct store *store, struct sv key, struct sv status, int64_t time_ns, struct sv detail,
                      struct err *err);
/* What a receipt says beside its status; before store_outbox_done. Unknown keys are no failure. */
int store_outbox_note(struct store *store, struct sv key, uint32_t attempts, uint32_t code,
                      struct sv provider_id, struct sv error, struct err *err);
/* A pending row goes to another channel as well, under the key "KEY>CHANNEL", and is marked, so that it goes
 * there once; a row that came so itself goes nowhere else. Repeats and unknown keys are no failure. */
int store_outbox_divert(struct store *store, struct sv key, struct sv to_channel, struct err *err);
/* Keys of a channel's pending rows that were not diverted, by position. */
int store_outbox_undiverted(struct store *store, struct sv channel, size_t limit,
                            int (*each)(void *context, struct sv key), void *context, struct err *err);
/* The destination's name for the first message of this alert that the channel got through; "" where there is
 * none, or none that fits `size`. */
int store_outbox_first_id(struct store *store, struct sv channel, struct sv alert_id, char *ret, size_t size,
                          struct err *err);
/* Keys of an alert's rows, sent or not, that begin so, by position; `each` must not use the connection. */
int store_outbox_beginning(struct store *store, struct sv alert_id, struct sv beginning,
                           int (*each)(void *context, struct sv key), void *context, struct err *err);
/* JSON array, by position: {channel, key, status, attempts, code, provider_id, detail, error, at, next_at}.
 */
int store_deliveries_json(struct store *store, struct sv alert_id, struct buf *ret_json, struct err *err);
/* Gives up ("failed") what is pending of records before `position`. */
int store_outbox_discard(struct store *store, uint64_t position, int64_t time_ns, struct sv detail,
                         struct err *err);
/* Pending rows, due or not, the oldest first; what a person looks at before they go out. */
int store_outbox_each_pending(struct store *store, size_t limit,
                              int (*each)(void *context, const struct outbox_row *row), void *context,
                              struct err *err);
/* Deletes notifications that were sent or given up before the one time, and alerts (with their history) that
 * ended before the other: at most `limit` of each, the oldest first. Pending rows and open alerts stay. */
int store_prune(struct store *store, int64_t done_before_ns, int64_t ended_before_ns, size_t limit,
                struct err *err);
int store_outbox_counts(struct store *store, uint64_t *ret_pending, uint64_t *ret_sent, uint64_t *ret_failed,
                        struct err *err);

#endif
