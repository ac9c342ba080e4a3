/*
 * The projection: alerts, their history and the outbox in SQLite, for queries and for the sender. It can be
 * deleted: app/ rebuilds it from the journal. Each transaction stores `applied_pos`, the journal position it
 * reflects; what is not above it is not applied again.
 *
 * WAL mode, synchronous=FULL. One connection for writing (the core thread) and one per reading thread; the
 * file is DIR/state.sqlite. Schema versions migrate forward; a newer file is refused with the remedy.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/err.h"

struct store;
/* Opens, creates or migrates. `path` may be ":memory:" for tests. */
int store_open(const char *path, struct store **ret, struct err *err);
/* A second connection for another thread; read only. */
int store_open_reader(const char *path, struct store **ret, struct err *err);
void store_close(struct store **store);
int store_applied(struct store *store, uint64_t *ret_position, uint64_t *ret_epoch,
                  struct err *err); /* 0,0 when new */

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

/* Callbacks return 0 to go on. Rows are lent for the call. */
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
    int64_t next_ns; /* not before (wall clock); 0 = now */
};
int store_outbox_put(struct store *store, const struct outbox_row *row,
                     struct err *err); /* absent keys only */
int store_outbox_due(struct store *store, int64_t now_ns, size_t limit,
                     int (*each)(void *context, const struct outbox_row *row), void *context,
                     int64_t *ret_next_ns, struct err *err);
int store_outbox_retry(struct store *store, struct sv key, uint32_t attempts, int64_t next_ns,
                       struct sv error, struct err *err);
/* status: "sent" or "failed" (given up). The row stays as receipt. */
int store_outbox_done(struct store *store, struct sv key, struct sv status, int64_t time_ns, struct sv detail,
                      struct err *err);
int store_outbox_counts(struct store *store, uint64_t *ret_pending, uint64_t *ret_sent, uint64_t *ret_failed,
                        struct err *err);

#endif
