/*
 * What the files of store/ share: the connection, its cached statements, and SQLite's outcomes as error
 * values. Not for other rooms.
 *
 * A statement is compiled once per connection and kept in its slot; between uses it is reset and holds no
 * bindings, so no borrowed bytes outlive the call that bound them.
 */
#ifndef STORE_STATEMENT_H
#define STORE_STATEMENT_H

#include "store/store.h"

#include <sqlite3.h>

enum statement_slot {
    STATEMENT_META_GET,
    STATEMENT_META_SET,
    STATEMENT_ALERT_PUT,
    STATEMENT_ALERT_ALL,
    STATEMENT_ALERT_OPEN,
    STATEMENT_ALERT_ENDED,
    STATEMENT_ALERT_EXACT,
    STATEMENT_ALERT_PREFIX,
    STATEMENT_HISTORY_ADD,
    STATEMENT_HISTORY_LIST,
    STATEMENT_OUTBOX_PUT,
    STATEMENT_OUTBOX_DUE,
    STATEMENT_OUTBOX_NEXT,
    STATEMENT_OUTBOX_DUE_FOR,
    STATEMENT_OUTBOX_NEXT_FOR,
    STATEMENT_OUTBOX_PENDING,
    STATEMENT_OUTBOX_CHANNELS,
    STATEMENT_OUTBOX_RETRY,
    STATEMENT_OUTBOX_DONE,
    STATEMENT_OUTBOX_COUNTS,
    STATEMENT_OUTBOX_NOTE,
    STATEMENT_OUTBOX_COPY,
    STATEMENT_OUTBOX_MARK,
    STATEMENT_OUTBOX_UNDIVERTED,
    STATEMENT_OUTBOX_BEGINNING,
    STATEMENT_OUTBOX_DELIVERIES,
    STATEMENT_OUTBOX_DISCARD,
    STATEMENT_OUTBOX_EACH_PENDING,
    STATEMENT_OUTBOX_FIRST_ID,
    STATEMENT_PRUNE_OUTBOX,
    STATEMENT_PRUNE_HISTORY,
    STATEMENT_PRUNE_ALERT,
    STATEMENT_COUNT
};

struct store {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

/* Bounds. A name or key beyond its bound is refused (TC_EBOUND); words for people are cut, since the journal
 * keeps them whole. */
enum {
    STORE_KEY_MAX = 1024,
    STORE_WORDS_MAX = 16 << 10,
    STORE_JSON_MAX = 4 << 20,
};

/* Fills *err from the connection's last outcome. Returns the code. */
int statement_error(const struct store *store, int sqlite_rc, struct err *err, const char *doing);
/* The statement of `slot`, compiled from `sql` at first use. TC_ESTATE where it is running: a callback may
 * not call the function that called it. */
int statement_get(struct store *store, enum statement_slot slot, const char *sql, sqlite3_stmt **ret,
                  struct err *err);
/* Bound bytes must stay until statement_done or statement_run. */
void statement_text(sqlite3_stmt *statement, int at, struct sv text);
void statement_i64(sqlite3_stmt *statement, int at, int64_t value);
/* 1 = a row, 0 = the end, negative = failed. */
int statement_step(struct store *store, sqlite3_stmt *statement, struct err *err, const char *doing);
struct sv statement_column(sqlite3_stmt *statement, int at); /* lent until the next step */
void statement_done(sqlite3_stmt *statement);
/* One step that gives no rows, then done. */
int statement_run(struct store *store, sqlite3_stmt *statement, struct err *err, const char *doing);

/* 0, or TC_EBOUND naming `what`. */
int statement_check(struct sv text, size_t max_bytes, const char *what, struct err *err);
/* Cut to STORE_WORDS_MAX between code points. */
struct sv statement_words(struct sv text);

/* One step of the schema per element; user_version counts those done. Each runs in one transaction. For
 * tests: store.c holds the real list. */
int store_migrate(struct store *store, const char *const *steps, int count, struct err *err);

#endif
