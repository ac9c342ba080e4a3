/*
 * Opening, migrating and committing; see store.h.
 *
 * The schema is a list of SQL steps; user_version counts those that are done, so a step that has shipped is
 * never edited, only followed by another. A file of a newer tocsin is refused, not guessed at.
 *
 * `meta` has one row: the journal position and epoch that the rest of the file reflects. It is written in the
 * transaction that makes it true.
 */
#include "store/statement.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUSY_TIMEOUT_MS = 5000, APPLICATION_ID = 0x54435331 /* "TCS1" */ };

static const char *const schema[] = {
    "CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), applied_pos INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL);" /* the epoch's 64 bits as a signed number */
    "INSERT INTO meta VALUES(1, 0, 0);"
    "CREATE TABLE alert(id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, state TEXT NOT NULL,"
    " severity TEXT NOT NULL, rule_id TEXT NOT NULL, title TEXT NOT NULL, first_ns INTEGER NOT NULL,"
    " last_ns INTEGER NOT NULL, ended_ns INTEGER, count INTEGER NOT NULL, json TEXT NOT NULL);"
    "CREATE INDEX alert_last ON alert(last_ns, id);"
    "CREATE INDEX alert_open ON alert(last_ns, id) WHERE ended_ns IS NULL;"
    "CREATE INDEX alert_ended ON alert(ended_ns, id) WHERE ended_ns IS NOT NULL;"
    "CREATE TABLE history(position INTEGER NOT NULL, ordinal INTEGER NOT NULL, alert_id TEXT NOT NULL,"
    " time_ns INTEGER NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL, note TEXT NOT NULL,"
    " PRIMARY KEY(position, ordinal)) WITHOUT ROWID;"
    "CREATE INDEX history_alert ON history(alert_id, position, ordinal);"
    "CREATE TABLE outbox(key TEXT PRIMARY KEY, channel TEXT NOT NULL, alert_id TEXT NOT NULL,"
    " payload TEXT NOT NULL, position INTEGER NOT NULL, attempts INTEGER NOT NULL, next_ns INTEGER NOT NULL,"
    " status TEXT NOT NULL DEFAULT 'pending', error TEXT NOT NULL DEFAULT '', done_ns INTEGER,"
    " detail TEXT NOT NULL DEFAULT '');"
    "CREATE INDEX outbox_order ON outbox(channel, position, key, next_ns) WHERE status = 'pending';"
    "CREATE INDEX outbox_next ON outbox(channel, next_ns) WHERE status = 'pending';"
    "CREATE INDEX outbox_alert ON outbox(channel, alert_id, position, key) WHERE status = 'pending';"
    "CREATE INDEX outbox_status ON outbox(status);",
    "ALTER TABLE outbox ADD COLUMN code INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE outbox ADD COLUMN provider_id TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE outbox ADD COLUMN diverted INTEGER NOT NULL DEFAULT 0;" /* the fallback is told, or is it */
    "CREATE INDEX outbox_deliveries ON outbox(alert_id, position, key);",
};

static int run(struct store *store, const char *sql, struct err *err, const char *doing)
{
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : statement_error(store, rc, err, doing);
}

static int pragma_number(struct store *store, const char *sql, int64_t *ret, struct err *err)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return statement_error(store, rc, err, "reading the schema's version");
    rc = statement_step(store, statement, err, "reading the schema's version");
    if (rc == 1)
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return rc < 0 ? rc : 0;
}

static int check_version(struct store *store, int count, int64_t *ret_version, struct err *err)
{
    int64_t version = 0, application = 0, tables = 0;
    int rc = pragma_number(store, "PRAGMA user_version", &version, err);
    if (rc == 0)
        rc = pragma_number(store, "PRAGMA application_id", &application, err);
    if (rc == 0)
        rc = pragma_number(store, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (rc != 0)
        return rc;
    if (application != APPLICATION_ID && (application != 0 || tables != 0))
        return err_set(err, TC_EINPUT, "%s is a database of another program; name another data directory",
                       store->path);
    if (version > count)
        return err_set(err, TC_EUNSUPPORTED,
                       "%s was written by a newer tocsin (schema %lld, this one knows %d): run that one, or "
                       "delete the file and it is made anew from the journal",
                       store->path, (long long)version, count);
    *ret_version = version;
    return 0;
}

static int migrate_step(struct store *store, const char *sql, int to_version, struct err *err)
{
    char mark[96];
    int rc = run(store, sql, err, "changing the schema");
    if (rc != 0)
        return rc;
    sqlite3_snprintf(sizeof mark, mark, "PRAGMA user_version = %d; PRAGMA application_id = %d", to_version,
                     APPLICATION_ID);
    return run(store, mark, err, "changing the schema");
}

int store_migrate(struct store *store, const char *const *steps, int count, struct err *err)
{
    int64_t version = 0;
    int rc = check_version(store, count, &version, err);
    if (rc != 0 || version == count)
        return rc;
    rc = run(store, "BEGIN IMMEDIATE", err, "changing the schema");
    if (rc != 0)
        return rc;
    rc = check_version(store, count, &version, err); /* another connection may have been first */
    for (; rc == 0 && version < count; version++)
        rc = migrate_step(store, steps[version], (int)version + 1, err);
    if (rc == 0)
        rc = run(store, "COMMIT", err, "changing the schema");
    if (rc != 0)
        store_rollback(store);
    return rc;
}

/* SQLite would create it readable for all. Only a file that is new is touched: closing a descriptor of one
 * that another connection has open would drop that connection's locks. */
static int create_private(const char *path, struct err *err)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno != EEXIST)
        return err_sys(err, "cannot create %s", path);
    if (file >= 0)
        close(file);
    return 0;
}

static int open_file(const char *path, int flags, struct store **ret, struct err *err)
{
    struct store *store = tc_alloc(sizeof *store);
    store->path = tc_strdup(path);
    int rc = sqlite3_open_v2(path, &store->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK) {
        rc = statement_error(store, rc, err, "opening it");
        store_close(&store);
        return rc;
    }
    sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, STORE_JSON_MAX + (1 << 20));
    *ret = store;
    return 0;
}

int store_open(const char *path, struct store **ret, struct err *err)
{
    struct store *store = NULL;
    int64_t version = 0;
    int rc = sv_is(sv_of(path), ":memory:") ? 0 : create_private(path, err);
    if (rc == 0)
        rc = open_file(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &store, err);
    if (rc == 0)
        rc = check_version(store, (int)TC_ARRAY_LEN(schema), &version, err); /* touch nothing of others' */
    if (rc == 0)
        rc = run(store,
                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;"
                 "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;"
                 "PRAGMA journal_size_limit = 67108864",
                 err, "preparing it");
    if (rc == 0)
        rc = store_migrate(store, schema, (int)TC_ARRAY_LEN(schema), err);
    if (rc != 0)
        store_close(&store);
    else
        *ret = store;
    return rc;
}

int store_open_reader(const char *path, struct store **ret, struct err *err)
{
    struct store *store = NULL;
    int64_t version = 0;
    if (access(path, F_OK) != 0)
        return err_set(err, TC_ENOTFOUND, "%s is not there: it is made by `tocsin run`", path);
    int rc = open_file(path, SQLITE_OPEN_READONLY, &store, err);
    if (rc == 0)
        rc = run(store, "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY",
                 err, "preparing it");
    if (rc == 0)
        rc = check_version(store, (int)TC_ARRAY_LEN(schema), &version, err);
    if (rc == 0 && version < (int64_t)TC_ARRAY_LEN(schema))
        rc = err_set(err, TC_ESTATE, "%s is of an older tocsin: start `tocsin run` once to migrate it", path);
    if (rc != 0)
        store_close(&store);
    else
        *ret = store;
    return rc;
}

void store_close(struct store **store)
{
    struct store *s = *store;
    if (s == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db); /* an open transaction is rolled back */
    free(s->path);
    free(s);
    *store = NULL;
}

int store_applied(struct store *store, uint64_t *ret_position, uint64_t *ret_epoch, struct err *err)
{
    sqlite3_stmt *statement;
    int rc = statement_get(store, STATEMENT_META_GET, "SELECT applied_pos, epoch FROM meta", &statement, err);
    if (rc != 0)
        return rc;
    rc = statement_step(store, statement, err, "reading the applied position");
    if (rc == 1) {
        *ret_position = (uint64_t)sqlite3_column_int64(statement, 0);
        *ret_epoch = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    statement_done(statement);
    if (rc == 0)
        return err_set(err, TC_ECORRUPT, "%s: its applied position is missing; delete the file", store->path);
    return rc < 0 ? rc : 0;
}

int store_begin(struct store *store, struct err *err)
{
    if (!sqlite3_get_autocommit(store->db))
        return err_set(err, TC_ESTATE, "%s: a transaction is open already", store->path);
    return run(store, "BEGIN IMMEDIATE", err, "beginning a transaction");
}

int store_commit(struct store *store, uint64_t applied_position, uint64_t epoch, struct err *err)
{
    sqlite3_stmt *statement;
    if (sqlite3_get_autocommit(store->db))
        return err_set(err, TC_ESTATE, "%s: no transaction is open", store->path);
    int rc = statement_get(store, STATEMENT_META_SET, "UPDATE meta SET applied_pos = ?1, epoch = ?2",
                           &statement, err);
    if (rc == 0) {
        statement_i64(statement, 1, (int64_t)applied_position);
        statement_i64(statement, 2, (int64_t)epoch);
        rc = statement_run(store, statement, err, "noting the applied position");
    }
    if (rc == 0)
        rc = run(store, "COMMIT", err, "committing");
    if (rc != 0)
        store_rollback(store);
    return rc;
}

void store_rollback(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}
