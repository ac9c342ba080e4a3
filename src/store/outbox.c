/*
 * The outbox: what is to be sent, what was, and what was given up; see store.h.
 *
 *   absent ──put──► pending ──done──► sent | failed
 *                    │   ▲
 *                    └───┘ retry (attempts, next_ns, error)
 *
 * Invariants: a key is put once, whatever its state; a row that is done is not pending again; "failed" may
 * still become "sent" (a repeat after a crash got through), never the reverse. Only a pending row holds its
 * payload: the journal keeps it for good.
 *
 * Rows of one channel and one alert go out in the order of their intents. So a row is not due while an
 * earlier one of the two is pending, even where that one waits for its next attempt.
 */
#include "store/statement.h"

#include "base/json_out.h"

/* No wait is longer (see notify/retry.h). A row that should wait beyond it was written under a clock that has
 * since been set back, and is due. */
#define HORIZON_NS (INT64_C(7200) * 1000000000)

static int check_outbox_row(const struct outbox_row *row, struct err *err)
{
    int rc = statement_check(row->key, STORE_KEY_MAX, "a notification's key", err);
    if (rc == 0)
        rc = statement_check(row->channel, STORE_KEY_MAX, "a channel's name", err);
    if (rc == 0)
        rc = statement_check(row->alert_id, STORE_KEY_MAX, "an alert's id", err);
    if (rc == 0)
        rc = statement_check(row->payload, STORE_JSON_MAX, "a notification", err);
    if (rc == 0 && row->position > INT64_MAX)
        rc = err_set(err, TC_EBOUND, "a position above 2^63 - 1");
    return rc;
}

int store_outbox_put(struct store *store, const struct outbox_row *row, struct err *err)
{
    sqlite3_stmt *s;
    int rc = check_outbox_row(row, err);
    if (rc == 0)
        rc = statement_get(store, STATEMENT_OUTBOX_PUT,
                           "INSERT INTO outbox(key, channel, alert_id, payload, position, attempts, next_ns)"
                           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, row->key);
    statement_text(s, 2, row->channel);
    statement_text(s, 3, row->alert_id);
    statement_text(s, 4, row->payload);
    statement_i64(s, 5, (int64_t)row->position);
    statement_i64(s, 6, row->attempts);
    statement_i64(s, 7, row->next_ns);
    return statement_run(store, s, err, "putting a notification");
}

#define DUE_COLUMNS                                                                                          \
    "SELECT o.key, o.channel, o.alert_id, o.payload, o.position, o.attempts, o.next_ns, o.error FROM "       \
    "outbox AS o"
#define DUE_WHERE                                                                                            \
    " WHERE o.status = 'pending' AND (o.next_ns <= ?1 OR o.next_ns > ?2) AND NOT EXISTS(SELECT 1"            \
    " FROM outbox AS e WHERE e.status = 'pending' AND e.channel = o.channel AND e.alert_id = o.alert_id"     \
    " AND (e.position, e.key) < (o.position, o.key))"
#define DUE_ORDER " ORDER BY o.position, o.key LIMIT ?3"

static struct outbox_row read_row(sqlite3_stmt *s)
{
    return (struct outbox_row){.key = statement_column(s, 0),
                               .channel = statement_column(s, 1),
                               .alert_id = statement_column(s, 2),
                               .payload = statement_column(s, 3),
                               .position = (uint64_t)sqlite3_column_int64(s, 4),
                               .attempts = (uint32_t)sqlite3_column_int64(s, 5),
                               .next_ns = sqlite3_column_int64(s, 6),
                               .error = statement_column(s, 7)};
}

static int64_t horizon(int64_t now_ns)
{
    int64_t sum;
    return __builtin_add_overflow(now_ns, HORIZON_NS, &sum) ? INT64_MAX : sum;
}

/* `due` bears ?1 now, ?2 horizon, ?3 limit, perhaps ?4 channel; `next` ?1 and ?4. */
static int each_due(struct store *store, sqlite3_stmt *due, sqlite3_stmt *next, int64_t now_ns, size_t limit,
                    int (*each)(void *context, const struct outbox_row *row), void *context,
                    int64_t *ret_next_ns, struct err *err)
{
    int rc;
    statement_i64(due, 1, now_ns);
    statement_i64(due, 2, horizon(now_ns));
    statement_i64(due, 3, (int64_t)TC_MIN(limit, (size_t)INT64_MAX));
    while ((rc = statement_step(store, due, err, "reading due notifications")) == 1) {
        struct outbox_row row = read_row(due);
        if (each(context, &row) != 0)
            break;
    }
    statement_done(due);
    if (rc < 0) {
        statement_done(next);
        return rc;
    }
    statement_i64(next, 1, now_ns);
    rc = statement_step(store, next, err, "reading when the next notification is due");
    if (rc == 1 && ret_next_ns != NULL)
        *ret_next_ns =
            sqlite3_column_type(next, 0) == SQLITE_NULL ? INT64_MAX : sqlite3_column_int64(next, 0);
    statement_done(next);
    return rc < 0 ? rc : 0;
}

int store_outbox_due(struct store *store, int64_t now_ns, size_t limit,
                     int (*each)(void *context, const struct outbox_row *row), void *context,
                     int64_t *ret_next_ns, struct err *err)
{
    sqlite3_stmt *due, *next;
    int rc = statement_get(store, STATEMENT_OUTBOX_DUE, DUE_COLUMNS DUE_WHERE DUE_ORDER, &due, err);
    if (rc == 0)
        rc = statement_get(store, STATEMENT_OUTBOX_NEXT,
                           "SELECT min(next_ns) FROM outbox WHERE status = 'pending' AND next_ns > ?1", &next,
                           err);
    return rc != 0 ? rc : each_due(store, due, next, now_ns, limit, each, context, ret_next_ns, err);
}

int store_outbox_due_for(struct store *store, struct sv channel, int64_t now_ns, size_t limit,
                         int (*each)(void *context, const struct outbox_row *row), void *context,
                         int64_t *ret_next_ns, struct err *err)
{
    sqlite3_stmt *due, *next;
    int rc = statement_get(store, STATEMENT_OUTBOX_DUE_FOR,
                           DUE_COLUMNS DUE_WHERE " AND o.channel = ?4" DUE_ORDER, &due, err);
    if (rc == 0)
        rc = statement_get(store, STATEMENT_OUTBOX_NEXT_FOR,
                           "SELECT min(next_ns) FROM outbox WHERE status = 'pending' AND channel = ?4"
                           " AND next_ns > ?1",
                           &next, err);
    if (rc != 0)
        return rc;
    statement_text(due, 4, channel);
    statement_text(next, 4, channel);
    return each_due(store, due, next, now_ns, limit, each, context, ret_next_ns, err);
}

int store_outbox_pending(struct store *store, struct sv key, bool *ret, struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_OUTBOX_PENDING,
                           "SELECT 1 FROM outbox WHERE key = ?1 AND status = 'pending'", &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, key);
    rc = statement_step(store, s, err, "reading a notification's state");
    statement_done(s);
    if (rc >= 0)
        *ret = rc == 1;
    return rc < 0 ? rc : 0;
}

int store_outbox_channels(struct store *store,
                          int (*each)(void *context, struct sv channel, uint64_t pending), void *context,
                          struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_OUTBOX_CHANNELS,
                           "SELECT channel, count(*) FROM outbox WHERE status = 'pending' GROUP BY channel"
                           " ORDER BY channel",
                           &s, err);
    if (rc != 0)
        return rc;
    while ((rc = statement_step(store, s, err, "counting notifications")) == 1)
        if (each(context, statement_column(s, 0), (uint64_t)sqlite3_column_int64(s, 1)) != 0)
            break;
    statement_done(s);
    return rc < 0 ? rc : 0;
}

int store_outbox_retry(struct store *store, struct sv key, uint32_t attempts, int64_t next_ns,
                       struct sv error, struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_OUTBOX_RETRY,
                           "UPDATE outbox SET attempts = ?2, next_ns = ?3, error = ?4"
                           " WHERE key = ?1 AND status = 'pending'",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, key);
    statement_i64(s, 2, attempts);
    statement_i64(s, 3, next_ns);
    statement_text(s, 4, statement_words(error));
    return statement_run(store, s, err, "postponing a notification");
}

int store_outbox_done(struct store *store, struct sv key, struct sv status, int64_t time_ns, struct sv detail,
                      struct err *err)
{
    sqlite3_stmt *s;
    if (!sv_is(status, "sent") && !sv_is(status, "failed"))
        return err_set(err, TC_EINPUT, "\"%.*s\" is not an outcome of a notification: sent or failed",
                       SV_FMT(sv_head(status, 100)));
    int rc = statement_get(store, STATEMENT_OUTBOX_DONE,
                           "UPDATE outbox SET status = ?2, done_ns = ?3, detail = ?4, payload = ''"
                           " WHERE key = ?1 AND (status = 'pending' OR (status = 'failed' AND ?2 = 'sent'))",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, key);
    statement_text(s, 2, status);
    statement_i64(s, 3, time_ns);
    statement_text(s, 4, statement_words(detail));
    return statement_run(store, s, err, "noting a receipt");
}

int store_outbox_discard(struct store *store, uint64_t position, int64_t time_ns, struct sv detail,
                         struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_OUTBOX_DISCARD,
                           "UPDATE outbox SET status = 'failed', done_ns = ?2, detail = ?3, payload = ''"
                           " WHERE status = 'pending' AND position < ?1",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_i64(s, 1, (int64_t)TC_MIN(position, (uint64_t)INT64_MAX));
    statement_i64(s, 2, time_ns);
    statement_text(s, 3, statement_words(detail));
    return statement_run(store, s, err, "giving up notifications");
}

int store_outbox_each_pending(struct store *store, size_t limit,
                              int (*each)(void *context, const struct outbox_row *row), void *context,
                              struct err *err)
{
    sqlite3_stmt *s;
    int rc =
        statement_get(store, STATEMENT_OUTBOX_EACH_PENDING,
                      DUE_COLUMNS " WHERE o.status = 'pending' ORDER BY o.position, o.key LIMIT ?1", &s, err);
    if (rc != 0)
        return rc;
    statement_i64(s, 1, (int64_t)TC_MIN(limit, (size_t)INT64_MAX));
    while ((rc = statement_step(store, s, err, "reading pending notifications")) == 1) {
        struct outbox_row row = read_row(s);
        if (each(context, &row) != 0)
            break;
    }
    statement_done(s);
    return rc < 0 ? rc : 0;
}

int store_outbox_counts(struct store *store, uint64_t *ret_pending, uint64_t *ret_sent, uint64_t *ret_failed,
                        struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_OUTBOX_COUNTS,
                           "SELECT (SELECT count(*) FROM outbox WHERE status = 'pending'),"
                           " (SELECT count(*) FROM outbox WHERE status = 'sent'),"
                           " (SELECT count(*) FROM outbox WHERE status = 'failed')",
                           &s, err);
    if (rc != 0)
        return rc;
    rc = statement_step(store, s, err, "counting notifications");
    if (rc == 1) {
        *ret_pending = (uint64_t)sqlite3_column_int64(s, 0);
        *ret_sent = (uint64_t)sqlite3_column_int64(s, 1);
        *ret_failed = (uint64_t)sqlite3_column_int64(s, 2);
    }
    statement_done(s);
    return rc < 0 ? rc : 0;
}

/* --- receipts and fallbacks ------------------------------------------------------------------------------
 */

int store_outbox_note(struct store *store, struct sv key, uint32_t attempts, uint32_t code,
                      struct sv provider_id, struct sv error, struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_OUTBOX_NOTE,
                           "UPDATE outbox SET attempts = ?2, code = ?3, provider_id = ?4, error = ?5"
                           " WHERE key = ?1 AND status <> 'sent'",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, key);
    statement_i64(s, 2, attempts);
    statement_i64(s, 3, code);
    statement_text(s, 4, statement_words(provider_id));
    statement_text(s, 5, statement_words(error));
    return statement_run(store, s, err, "noting a receipt");
}

int store_outbox_divert(struct store *store, struct sv key, struct sv to_channel, struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(
        store, STATEMENT_OUTBOX_COPY,
        "INSERT INTO outbox(key, channel, alert_id, payload, position, attempts, next_ns, diverted)"
        " SELECT key || '>' || ?2, ?2, alert_id, payload, position, 0, 0, 1 FROM outbox"
        " WHERE key = ?1 AND status = 'pending' AND diverted = 0 ON CONFLICT DO NOTHING",
        &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, key);
    statement_text(s, 2, to_channel);
    rc = statement_run(store, s, err, "diverting a notification");
    if (rc == 0)
        rc = statement_get(store, STATEMENT_OUTBOX_MARK, "UPDATE outbox SET diverted = 1 WHERE key = ?1", &s,
                           err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, key);
    return statement_run(store, s, err, "diverting a notification");
}

int store_outbox_undiverted(struct store *store, struct sv channel, size_t limit,
                            int (*each)(void *context, struct sv key), void *context, struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_OUTBOX_UNDIVERTED,
                           "SELECT key FROM outbox WHERE status = 'pending' AND channel = ?1 AND diverted = 0"
                           " ORDER BY position, key LIMIT ?2",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, channel);
    statement_i64(s, 2, (int64_t)TC_MIN(limit, (size_t)INT64_MAX));
    while ((rc = statement_step(store, s, err, "reading what a fallback should have")) == 1)
        if (each(context, statement_column(s, 0)) != 0)
            break;
    statement_done(s);
    return rc < 0 ? rc : 0;
}

int store_outbox_first_id(struct store *store, struct sv channel, struct sv alert_id, char *ret, size_t size,
                          struct err *err)
{
    sqlite3_stmt *s;
    ret[0] = '\0';
    int rc = statement_get(store, STATEMENT_OUTBOX_FIRST_ID,
                           "SELECT provider_id FROM outbox WHERE alert_id = ?1 AND channel = ?2 AND"
                           " status = 'sent' AND provider_id <> '' ORDER BY position, key LIMIT 1",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, alert_id);
    statement_text(s, 2, channel);
    rc = statement_step(store, s, err, "reading the name of an alert's first message");
    struct sv id = rc == 1 ? statement_column(s, 0) : (struct sv){0};
    if (id.n < size && id.n > 0) {
        memcpy(ret, id.p, id.n);
        ret[id.n] = '\0';
    }
    statement_done(s);
    return rc < 0 ? rc : 0;
}

int store_outbox_beginning(struct store *store, struct sv alert_id, struct sv beginning,
                           int (*each)(void *context, struct sv key), void *context, struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_OUTBOX_BEGINNING,
                           "SELECT key FROM outbox WHERE alert_id = ?1 AND substr(key, 1, length(?2)) = ?2"
                           " ORDER BY position, key",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, alert_id);
    statement_text(s, 2, beginning);
    while ((rc = statement_step(store, s, err, "reading an alert's notifications")) == 1)
        if (each(context, statement_column(s, 0)) != 0)
            break;
    statement_done(s);
    return rc < 0 ? rc : 0;
}

static void delivery_json(sqlite3_stmt *s, struct json_out *json)
{
    json_object(json);
    json_kv_string(json, "channel", statement_column(s, 0));
    json_kv_string(json, "key", statement_column(s, 1));
    json_kv_string(json, "status", statement_column(s, 2));
    json_kv_i64(json, "attempts", sqlite3_column_int64(s, 3));
    json_kv_i64(json, "code", sqlite3_column_int64(s, 4));
    json_kv_string(json, "provider_id", statement_column(s, 5));
    json_kv_string(json, "detail", statement_column(s, 6));
    json_kv_string(json, "error", statement_column(s, 7));
    json_kv_time(json, "at",
                 sqlite3_column_type(s, 8) == SQLITE_NULL ? INT64_MIN : sqlite3_column_int64(s, 8));
    bool waits = sv_is(statement_column(s, 2), "pending") && sqlite3_column_int64(s, 9) > 0;
    json_kv_time(json, "next_at", waits ? sqlite3_column_int64(s, 9) : INT64_MIN);
    json_object_end(json);
}

int store_deliveries_json(struct store *store, struct sv alert_id, struct buf *ret_json, struct err *err)
{
    sqlite3_stmt *s;
    size_t before = ret_json->n;
    int rc = statement_get(store, STATEMENT_OUTBOX_DELIVERIES,
                           "SELECT channel, key, status, attempts, code, provider_id, detail, error, done_ns,"
                           " next_ns FROM outbox WHERE alert_id = ?1 ORDER BY position, key LIMIT 10000",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, alert_id);
    struct json_out json = json_out_to(ret_json);
    json_array(&json);
    while ((rc = statement_step(store, s, err, "reading an alert's deliveries")) == 1 && !ret_json->overflow)
        delivery_json(s, &json);
    json_array_end(&json);
    statement_done(s);
    if (rc >= 0 && ret_json->overflow)
        rc = err_set(err, TC_EBOUND, "the deliveries are longer than the %zu bytes of the answer",
                     ret_json->max_bytes);
    if (rc < 0)
        ret_json->n = before;
    return rc < 0 ? rc : 0;
}
