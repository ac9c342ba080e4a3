/*
 * Bounded retention of the projection; see store.h. The journal keeps all.
 */
#include "store/statement.h"

#define OLD_ALERTS "SELECT id FROM alert WHERE ended_ns < ?1 ORDER BY ended_ns, id LIMIT ?2"

static const struct {
    enum statement_slot slot;
    const char *sql, *doing;
    bool of_outbox;
} steps[] = {
    {STATEMENT_PRUNE_OUTBOX,
     "DELETE FROM outbox WHERE key IN (SELECT key FROM outbox WHERE status IN ('sent', 'failed') AND done_ns "
     "< ?1"
     " LIMIT ?2)",
     "dropping notifications that are done", true},
    {STATEMENT_PRUNE_HISTORY, "DELETE FROM history WHERE alert_id IN (" OLD_ALERTS ")",
     "dropping the history of old alerts", false},
    {STATEMENT_PRUNE_ALERT, "DELETE FROM alert WHERE id IN (" OLD_ALERTS ")", "dropping old alerts", false},
};

int store_prune(struct store *store, int64_t done_before_ns, int64_t ended_before_ns, size_t limit,
                struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(steps); i++) {
        sqlite3_stmt *s;
        rc = statement_get(store, steps[i].slot, steps[i].sql, &s, err);
        if (rc != 0)
            break;
        statement_i64(s, 1, steps[i].of_outbox ? done_before_ns : ended_before_ns);
        statement_i64(s, 2, (int64_t)TC_MIN(limit, (size_t)INT64_MAX));
        rc = statement_run(store, s, err, steps[i].doing);
    }
    return rc;
}
