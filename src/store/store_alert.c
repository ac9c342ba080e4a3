/*
 * Alerts and their history, as queries see them; see store.h. Rows are replaced whole: the journal's decision
 * is the truth, this is how it was last seen.
 */
#include "store/statement.h"

#include "base/clk.h"
#include "base/json_out.h"

enum { LIMIT_DEFAULT = 1000 };

static int check_row(const struct alert_row *row, struct err *err)
{
    const struct {
        struct sv text;
        size_t max_bytes;
        const char *what;
    } parts[] = {
        {row->id, STORE_KEY_MAX, "an alert's id"},
        {row->fingerprint, STORE_KEY_MAX, "an alert's fingerprint"},
        {row->state, STORE_KEY_MAX, "an alert's state"},
        {row->severity, STORE_KEY_MAX, "an alert's severity"},
        {row->json, STORE_JSON_MAX, "an alert's JSON"},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(parts); i++)
        rc = statement_check(parts[i].text, parts[i].max_bytes, parts[i].what, err);
    return rc;
}

int store_put_alert(struct store *store, const struct alert_row *row, struct err *err)
{
    sqlite3_stmt *s;
    int rc = check_row(row, err);
    if (rc == 0)
        rc = statement_get(store, STATEMENT_ALERT_PUT,
                           "INSERT INTO alert(id, fingerprint, state, severity, rule_id, title, first_ns,"
                           " last_ns, ended_ns, count, json) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
                           " ?11) ON CONFLICT(id) DO UPDATE SET fingerprint = ?2, state = ?3, severity = ?4,"
                           " rule_id = ?5, title = ?6, first_ns = ?7, last_ns = ?8, ended_ns = ?9,"
                           " count = ?10, json = ?11",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, row->id);
    statement_text(s, 2, row->fingerprint);
    statement_text(s, 3, row->state);
    statement_text(s, 4, row->severity);
    statement_text(s, 5, statement_words(row->rule_id));
    statement_text(s, 6, statement_words(row->title));
    statement_i64(s, 7, row->first_ns);
    statement_i64(s, 8, row->last_ns);
    if (row->ended_ns != TC_NO_TIME)
        statement_i64(s, 9, row->ended_ns);
    statement_i64(s, 10, (int64_t)TC_MIN(row->count, (uint64_t)INT64_MAX));
    statement_text(s, 11, row->json);
    return statement_run(store, s, err, "putting an alert");
}

int store_add_history(struct store *store, uint64_t position, uint32_t ordinal, struct sv alert_id,
                      int64_t time_ns, struct sv what, struct sv by, struct sv note, struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_check(alert_id, STORE_KEY_MAX, "an alert's id", err);
    if (rc == 0 && position > INT64_MAX)
        rc = err_set(err, TC_EBOUND, "a position above 2^63 - 1");
    if (rc == 0)
        rc = statement_get(store, STATEMENT_HISTORY_ADD,
                           "INSERT INTO history(position, ordinal, alert_id, time_ns, what, who, note)"
                           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_i64(s, 1, (int64_t)position);
    statement_i64(s, 2, ordinal);
    statement_text(s, 3, alert_id);
    statement_i64(s, 4, time_ns);
    statement_text(s, 5, statement_words(what));
    statement_text(s, 6, statement_words(by));
    statement_text(s, 7, statement_words(note));
    return statement_run(store, s, err, "adding to an alert's history");
}

#define ALERT_COLUMNS                                                                                        \
    "SELECT id, fingerprint, state, severity, rule_id, title, first_ns, last_ns, ended_ns, count, json"      \
    " FROM alert"

static struct alert_row read_row(sqlite3_stmt *s)
{
    bool open = sqlite3_column_type(s, 8) == SQLITE_NULL;
    return (struct alert_row){.id = statement_column(s, 0),
                              .fingerprint = statement_column(s, 1),
                              .state = statement_column(s, 2),
                              .severity = statement_column(s, 3),
                              .rule_id = statement_column(s, 4),
                              .title = statement_column(s, 5),
                              .first_ns = sqlite3_column_int64(s, 6),
                              .last_ns = sqlite3_column_int64(s, 7),
                              .ended_ns = open ? TC_NO_TIME : sqlite3_column_int64(s, 8),
                              .count = (uint64_t)sqlite3_column_int64(s, 9),
                              .json = statement_column(s, 10)};
}

/* A statement per question, so that each has its index. ?1 is the limit, ?2 the earliest end. */
static int list_statement(struct store *store, const struct alert_filter *filter, sqlite3_stmt **ret,
                          struct err *err)
{
    if (filter->open_only)
        return statement_get(store, STATEMENT_ALERT_OPEN,
                             ALERT_COLUMNS " WHERE ended_ns IS NULL ORDER BY last_ns DESC, id DESC LIMIT ?1",
                             ret, err);
    if (filter->ended_only)
        return statement_get(store, STATEMENT_ALERT_ENDED,
                             ALERT_COLUMNS " WHERE ended_ns IS NOT NULL AND ended_ns >= ?2"
                                           " ORDER BY ended_ns DESC, id DESC LIMIT ?1",
                             ret, err);
    return statement_get(store, STATEMENT_ALERT_ALL, ALERT_COLUMNS " ORDER BY last_ns DESC, id DESC LIMIT ?1",
                         ret, err);
}

int store_each_alert(struct store *store, const struct alert_filter *filter, alert_row_fn each, void *context,
                     struct err *err)
{
    sqlite3_stmt *s;
    if (filter->open_only && filter->ended_only)
        return err_set(err, TC_EINPUT, "an alert is either open or ended: ask for one of them");
    int rc = list_statement(store, filter, &s, err);
    if (rc != 0)
        return rc;
    size_t limit = filter->limit == 0 ? LIMIT_DEFAULT : filter->limit;
    statement_i64(s, 1, (int64_t)TC_MIN(limit, (size_t)INT64_MAX));
    if (filter->ended_only)
        statement_i64(s, 2, filter->ended_since_ns);
    while ((rc = statement_step(store, s, err, "reading alerts")) == 1) {
        struct alert_row row = read_row(s);
        if (each(context, &row) != 0)
            break;
    }
    statement_done(s);
    return rc < 0 ? rc : 0;
}

static int take_json(sqlite3_stmt *s, int column, struct buf *out, struct err *err)
{
    size_t before = out->n;
    buf_sv(out, statement_column(s, column));
    if (!out->overflow)
        return 0;
    out->n = before;
    return err_set(err, TC_EBOUND, "the alert is longer than the %zu bytes of the answer", out->max_bytes);
}

static int get_exact(struct store *store, struct sv id, struct buf *out, struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_ALERT_EXACT, "SELECT json FROM alert WHERE id = ?1", &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, id);
    rc = statement_step(store, s, err, "reading an alert");
    if (rc == 1)
        rc = take_json(s, 0, out, err);
    else if (rc == 0)
        rc = TC_ENOTFOUND;
    statement_done(s);
    return rc;
}

static int get_prefix(struct store *store, struct sv prefix, struct buf *out, struct err *err)
{
    sqlite3_stmt *s;
    int rc = statement_get(store, STATEMENT_ALERT_PREFIX,
                           "SELECT json FROM alert WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 2", &s, err);
    if (rc != 0)
        return rc;
    struct buf beyond; /* the prefix with a byte that sorts after all text */
    buf_init(&beyond, STORE_KEY_MAX + 1);
    buf_sv(&beyond, prefix);
    buf_char(&beyond, (char)0xff);
    statement_text(s, 1, prefix);
    statement_text(s, 2, buf_view(&beyond));
    size_t before = out->n;
    rc = statement_step(store, s, err, "reading an alert");
    if (rc == 0)
        rc = err_set(err, TC_ENOTFOUND, "no alert has the id %.*s", SV_FMT(sv_head(prefix, 100)));
    else if (rc == 1 && (rc = take_json(s, 0, out, err)) == 0 &&
             (rc = statement_step(store, s, err, "reading an alert")) == 1) {
        out->n = before;
        rc = err_set(err, TC_EINPUT, "several alerts have an id that starts with %.*s: write more of it",
                     SV_FMT(sv_head(prefix, 100)));
    }
    statement_done(s);
    buf_free(&beyond);
    return rc;
}

int store_get_alert(struct store *store, struct sv id_or_prefix, struct buf *ret_json, struct err *err)
{
    if (id_or_prefix.n == 0)
        return err_set(err, TC_EINPUT, "an alert's id, or the start of one, is needed");
    if (id_or_prefix.n > STORE_KEY_MAX)
        return err_set(err, TC_ENOTFOUND, "no alert has so long an id");
    int rc = get_exact(store, id_or_prefix, ret_json, err);
    return rc == TC_ENOTFOUND ? get_prefix(store, id_or_prefix, ret_json, err) : rc;
}

int store_history_json(struct store *store, struct sv alert_id, struct buf *ret_json, struct err *err)
{
    sqlite3_stmt *s;
    size_t before = ret_json->n;
    int rc = statement_get(store, STATEMENT_HISTORY_LIST,
                           "SELECT time_ns, what, who, note FROM history WHERE alert_id = ?1"
                           " ORDER BY position, ordinal",
                           &s, err);
    if (rc != 0)
        return rc;
    statement_text(s, 1, alert_id);
    struct json_out json = json_out_to(ret_json);
    json_array(&json);
    while ((rc = statement_step(store, s, err, "reading an alert's history")) == 1 && !ret_json->overflow) {
        json_object(&json);
        json_kv_time(&json, "time", sqlite3_column_int64(s, 0));
        json_kv_string(&json, "what", statement_column(s, 1));
        json_kv_string(&json, "by", statement_column(s, 2));
        json_kv_string(&json, "note", statement_column(s, 3));
        json_object_end(&json);
    }
    json_array_end(&json);
    statement_done(s);
    if (rc >= 0 && ret_json->overflow)
        rc = err_set(err, TC_EBOUND, "the history is longer than the %zu bytes of the answer",
                     ret_json->max_bytes);
    if (rc < 0)
        ret_json->n = before;
    return rc < 0 ? rc : 0;
}
