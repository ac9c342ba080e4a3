/*
 * Cached statements and SQLite's outcomes; see statement.h.
 */
#include "store/statement.h"

static const struct {
    int sqlite, code;
    const char *remedy;
} outcomes[] = {
    {SQLITE_BUSY, TC_EAGAIN, ""},
    {SQLITE_LOCKED, TC_EAGAIN, ""},
    {SQLITE_CORRUPT, TC_ECORRUPT,
     "; stop tocsin and delete this file: it is made anew from the journal at the next start"},
    {SQLITE_NOTADB, TC_ECORRUPT,
     "; stop tocsin and delete this file: it is made anew from the journal at the next start"},
    {SQLITE_TOOBIG, TC_EBOUND, ""},
    {SQLITE_READONLY, TC_EDENIED, ""},
    {SQLITE_PERM, TC_EDENIED, ""},
    {SQLITE_MISUSE, TC_ESTATE, ""},
};

int statement_error(const struct store *store, int sqlite_rc, struct err *err, const char *doing)
{
    int code = TC_EIO;
    const char *remedy = "";
    for (size_t i = 0; i < TC_ARRAY_LEN(outcomes); i++)
        if (outcomes[i].sqlite == (sqlite_rc & 0xff)) {
            code = outcomes[i].code;
            remedy = outcomes[i].remedy;
        }
    const char *why = store->db != NULL ? sqlite3_errmsg(store->db) : sqlite3_errstr(sqlite_rc);
    err_set(err, code, "%s: %s: %s%s", store->path, doing, why, remedy);
    if (err != NULL && code == TC_EIO && store->db != NULL)
        err->sys = sqlite3_system_errno(store->db);
    return code;
}

int statement_get(struct store *store, enum statement_slot slot, const char *sql, sqlite3_stmt **ret,
                  struct err *err)
{
    sqlite3_stmt **cached = &store->statements[slot];
    if (*cached == NULL) {
        int rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, cached, NULL);
        if (rc != SQLITE_OK)
            return statement_error(store, rc, err, "preparing a statement");
    }
    if (sqlite3_stmt_busy(*cached))
        return err_set(err, TC_ESTATE, "%s: asked again from within its own answer", store->path);
    *ret = *cached;
    return 0;
}

void statement_text(sqlite3_stmt *statement, int at, struct sv text)
{
    sqlite3_bind_text64(statement, at, text.n == 0 ? "" : text.p, text.n, SQLITE_STATIC, SQLITE_UTF8);
}

void statement_i64(sqlite3_stmt *statement, int at, int64_t value)
{
    sqlite3_bind_int64(statement, at, value);
}

int statement_step(struct store *store, sqlite3_stmt *statement, struct err *err, const char *doing)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : statement_error(store, rc, err, doing);
}

struct sv statement_column(sqlite3_stmt *statement, int at)
{
    const void *bytes = sqlite3_column_blob(statement, at); /* text as it was bound, with its zeros */
    size_t n = (size_t)sqlite3_column_bytes(statement, at);
    return (struct sv){n == 0 ? "" : bytes, n};
}

void statement_done(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

int statement_run(struct store *store, sqlite3_stmt *statement, struct err *err, const char *doing)
{
    int rc = statement_step(store, statement, err, doing);
    statement_done(statement);
    return rc < 0 ? rc : 0;
}

int statement_check(struct sv text, size_t max_bytes, const char *what, struct err *err)
{
    if (text.n <= max_bytes)
        return 0;
    return err_set(err, TC_EBOUND, "%s of %zu bytes is longer than the %zu that the store takes", what,
                   text.n, max_bytes);
}

struct sv statement_words(struct sv text)
{
    if (text.n <= STORE_WORDS_MAX)
        return text;
    size_t n = STORE_WORDS_MAX;
    while (n > STORE_WORDS_MAX - 4 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    return sv_head(text, n);
}
