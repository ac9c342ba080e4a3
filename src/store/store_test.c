/*
 * The store: migration, the applied position, idempotent puts, who sees what when, and what it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clk.h"
#include "store/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char dir[64], path[128];
    struct store *store;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = tc_alloc(sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/tocsin-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/state.sqlite", f->dir);
    assert_int_equal(store_open(f->path, &f->store, &f->err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char path[160];
    store_close(&f->store);
    for (size_t i = 0; i < TC_ARRAY_LEN(endings); i++) {
        snprintf(path, sizeof path, "%s%s", f->path, endings[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static struct alert_row row_of(struct sv id, int64_t last_ns, int64_t ended_ns)
{
    return (struct alert_row){.id = id,
                              .fingerprint = SV("00000000000000ff"),
                              .state = ended_ns == TC_NO_TIME ? SV("firing") : SV("resolved"),
                              .severity = SV("P2"),
                              .rule_id = SV("r"),
                              .title = SV("BRUTE_FORCE_ATTACK"),
                              .json = id,
                              .first_ns = 1,
                              .last_ns = last_ns,
                              .ended_ns = ended_ns,
                              .count = 6};
}

static void put(struct fixture *f, const struct alert_row *row)
{
    assert_int_equal(store_begin(f->store, &f->err), 0);
    assert_int_equal(store_put_alert(f->store, row, &f->err), 0);
    assert_int_equal(store_commit(f->store, 1, 7, &f->err), 0);
}

static int collect(void *context, const struct alert_row *row)
{
    struct buf *out = context;
    buf_sv(out, row->id);
    buf_char(out, ' ');
    return 0;
}

static void expect_list(struct store *store, struct alert_filter filter, const char *ids)
{
    struct buf out;
    struct err err;
    buf_init(&out, 4096);
    assert_int_equal(store_each_alert(store, &filter, collect, &out, &err), 0);
    buf_char(&out, '\0');
    assert_string_equal(out.p, ids);
    buf_free(&out);
}

static void expect_applied(struct store *store, uint64_t position, uint64_t epoch)
{
    uint64_t p = 99, e = 99;
    struct err err;
    assert_int_equal(store_applied(store, &p, &e, &err), 0);
    assert_int_equal(p, position);
    assert_int_equal(e, epoch);
}

static void test_applied_position_is_of_the_transaction(void **state)
{
    struct fixture *f = *state;
    expect_applied(f->store, 0, 0);
    assert_int_equal(store_begin(f->store, &f->err), 0);
    assert_int_equal(store_commit(f->store, 41, UINT64_MAX - 2, &f->err), 0);
    expect_applied(f->store, 41, UINT64_MAX - 2);
    struct alert_row row = row_of(SV("aa"), 5, TC_NO_TIME);
    assert_int_equal(store_begin(f->store, &f->err), 0);
    assert_int_equal(store_put_alert(f->store, &row, &f->err), 0);
    store_rollback(f->store);
    store_rollback(f->store); /* harmless */
    expect_applied(f->store, 41, UINT64_MAX - 2);
    expect_list(f->store, (struct alert_filter){0}, "");
    store_close(&f->store); /* and it outlives the connection */
    assert_int_equal(store_open(f->path, &f->store, &f->err), 0);
    expect_applied(f->store, 41, UINT64_MAX - 2);
}

static void test_begin_and_commit_come_in_pairs(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_commit(f->store, 1, 1, &f->err), TC_ESTATE);
    assert_int_equal(store_begin(f->store, &f->err), 0);
    assert_int_equal(store_begin(f->store, &f->err), TC_ESTATE);
    assert_int_equal(store_commit(f->store, 1, 1, &f->err), 0);
}

static void test_open_transaction_dies_with_its_connection(void **state)
{
    struct fixture *f = *state;
    struct alert_row row = row_of(SV("aa"), 5, TC_NO_TIME);
    assert_int_equal(store_begin(f->store, &f->err), 0);
    assert_int_equal(store_put_alert(f->store, &row, &f->err), 0);
    store_close(&f->store);
    assert_int_equal(store_open(f->path, &f->store, &f->err), 0);
    expect_list(f->store, (struct alert_filter){0}, "");
}

static void test_reader_sees_only_what_is_committed(void **state)
{
    struct fixture *f = *state;
    struct store *reader;
    struct alert_row row = row_of(SV("aa"), 5, TC_NO_TIME);
    assert_int_equal(store_open_reader(f->path, &reader, &f->err), 0);
    assert_int_equal(store_begin(f->store, &f->err), 0);
    assert_int_equal(store_put_alert(f->store, &row, &f->err), 0);
    expect_list(reader, (struct alert_filter){0}, "");
    assert_int_equal(store_commit(f->store, 9, 1, &f->err), 0);
    expect_list(reader, (struct alert_filter){0}, "aa ");
    expect_applied(reader, 9, 1);
    assert_int_equal(store_put_alert(reader, &row, &f->err), TC_EDENIED);
    assert_int_not_equal(store_begin(reader, &f->err), 0);
    store_close(&reader);
}

static void test_puts_replace_and_lists_are_newest_first(void **state)
{
    struct fixture *f = *state;
    struct alert_row rows[] = {row_of(SV("aa1"), 10, TC_NO_TIME), row_of(SV("aa2"), 30, TC_NO_TIME),
                               row_of(SV("bb1"), 20, 25), row_of(SV("bb2"), 5, 50)};
    for (int twice = 0; twice < 2; twice++)
        for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++)
            put(f, &rows[i]);
    expect_list(f->store, (struct alert_filter){0}, "aa2 bb1 aa1 bb2 ");
    expect_list(f->store, (struct alert_filter){.limit = 2}, "aa2 bb1 ");
    expect_list(f->store, (struct alert_filter){.open_only = true}, "aa2 aa1 ");
    expect_list(f->store, (struct alert_filter){.ended_only = true}, "bb2 bb1 ");
    expect_list(f->store, (struct alert_filter){.ended_only = true, .ended_since_ns = 26}, "bb2 ");
    rows[0].ended_ns = 60;
    put(f, &rows[0]);
    expect_list(f->store, (struct alert_filter){.open_only = true}, "aa2 ");
    expect_list(f->store, (struct alert_filter){.ended_only = true, .ended_since_ns = TC_NO_TIME},
                "aa1 bb2 bb1 ");
    assert_int_equal(store_each_alert(f->store, &(struct alert_filter){.open_only = true, .ended_only = true},
                                      collect, NULL, &f->err),
                     TC_EINPUT);
}

static int check_all(void *context, const struct alert_row *row)
{
    const struct alert_row *want = context;
    assert_true(sv_eq(row->id, want->id) && sv_eq(row->fingerprint, want->fingerprint));
    assert_true(sv_eq(row->state, want->state) && sv_eq(row->severity, want->severity));
    assert_true(sv_eq(row->rule_id, want->rule_id) && sv_eq(row->title, want->title));
    assert_true(sv_eq(row->json, want->json));
    assert_int_equal(row->first_ns, want->first_ns);
    assert_int_equal(row->last_ns, want->last_ns);
    assert_int_equal(row->ended_ns, want->ended_ns);
    assert_int_equal(row->count, want->count);
    return 0;
}

static void test_every_byte_is_kept(void **state)
{
    struct fixture *f = *state;
    struct alert_row row = row_of(SV("a\0b"), INT64_MIN + 1, TC_NO_TIME);
    row.title = SV("\0 \xff\xfe'\"; DROP TABLE alert; --");
    row.json = SV("{\"a\":\"\xc3\xa9\0\"}");
    row.rule_id = (struct sv){NULL, 0};
    row.first_ns = INT64_MIN;
    row.count = INT64_MAX;
    put(f, &row);
    assert_int_equal(store_each_alert(f->store, &(struct alert_filter){0}, check_all, &row, &f->err), 0);
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(store_get_alert(f->store, SV("a\0b"), &out, &f->err), 0);
    assert_true(sv_eq(buf_view(&out), row.json));
    assert_int_equal(store_get_alert(f->store, SV("a\0c"), &out, &f->err), TC_ENOTFOUND);
    buf_free(&out);
}

static void expect_get(struct fixture *f, struct sv id, int rc, const char *json)
{
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(store_get_alert(f->store, id, &out, &f->err), rc);
    assert_true(sv_is(buf_view(&out), json));
    buf_free(&out);
}

static void test_an_alert_is_found_by_id_or_unique_prefix(void **state)
{
    struct fixture *f = *state;
    static const char *const ids[] = {"abc1", "abc2", "abc", "d%_9"};
    for (size_t i = 0; i < TC_ARRAY_LEN(ids); i++) {
        struct alert_row row = row_of(sv_of(ids[i]), 1, TC_NO_TIME);
        put(f, &row);
    }
    expect_get(f, SV("abc1"), 0, "abc1");
    expect_get(f, SV("abc"), 0, "abc"); /* exact wins over being a prefix */
    expect_get(f, SV("d"), 0, "d%_9");
    expect_get(f, SV("ab"), TC_EINPUT, "");
    expect_get(f, SV("d_"), TC_ENOTFOUND, ""); /* no wildcards */
    expect_get(f, SV("%"), TC_ENOTFOUND, "");
    expect_get(f, SV("zz"), TC_ENOTFOUND, "");
    expect_get(f, SV(""), TC_EINPUT, "");
    struct buf small;
    buf_init(&small, 2);
    assert_int_equal(store_get_alert(f->store, SV("abc1"), &small, &f->err), TC_EBOUND);
    assert_int_equal(small.n, 0);
    buf_free(&small);
}

static void test_history_is_once_per_position_and_in_order(void **state)
{
    struct fixture *f = *state;
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(store_begin(f->store, &f->err), 0);
        assert_int_equal(store_add_history(f->store, 7, 1, SV("aa"), TC_SECOND_NS, SV("acknowledged"),
                                           SV("eve"), SV("say \"hi\""), &f->err),
                         0);
        assert_int_equal(
            store_add_history(f->store, 7, 0, SV("aa"), 0, SV("created"), SV("tocsin"), SV(""), &f->err), 0);
        assert_int_equal(
            store_add_history(f->store, 8, 0, SV("bb"), 0, SV("created"), SV("tocsin"), SV(""), &f->err), 0);
        assert_int_equal(store_commit(f->store, 8, 1, &f->err), 0);
    }
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(store_history_json(f->store, SV("aa"), &out, &f->err), 0);
    buf_char(&out, '\0');
    assert_string_equal(
        out.p, "[{\"time\":\"1970-01-01T00:00:00Z\",\"what\":\"created\",\"by\":\"tocsin\",\"note\":\"\"},"
               "{\"time\":\"1970-01-01T00:00:01Z\",\"what\":\"acknowledged\",\"by\":\"eve\","
               "\"note\":\"say \\\"hi\\\"\"}]");
    buf_clear(&out);
    assert_int_equal(store_history_json(f->store, SV("none"), &out, &f->err), 0);
    assert_true(sv_is(buf_view(&out), "[]"));
    buf_free(&out);
    buf_init(&out, 20);
    assert_int_equal(store_history_json(f->store, SV("aa"), &out, &f->err), TC_EBOUND);
    assert_int_equal(out.n, 0);
    buf_free(&out);
}

static void test_bounds(void **state)
{
    struct fixture *f = *state;
    char *big = tc_alloc(STORE_JSON_MAX + 1);
    memset(big, 'x', STORE_JSON_MAX + 1);
    struct alert_row row = row_of(SV("aa"), 1, TC_NO_TIME);
    row.json = sv_make(big, STORE_JSON_MAX + 1);
    assert_int_equal(store_put_alert(f->store, &row, &f->err), TC_EBOUND);
    row.json = sv_make(big, STORE_JSON_MAX);
    row.title = sv_make(big, STORE_JSON_MAX);
    put(f, &row);
    row.title = sv_make(big, STORE_WORDS_MAX); /* words are cut */
    assert_int_equal(store_each_alert(f->store, &(struct alert_filter){0}, check_all, &row, &f->err), 0);
    row.id = sv_make(big, STORE_KEY_MAX + 1);
    assert_int_equal(store_put_alert(f->store, &row, &f->err), TC_EBOUND);
    assert_int_equal(store_add_history(f->store, UINT64_MAX, 0, SV("a"), 0, SV(""), SV(""), SV(""), &f->err),
                     TC_EBOUND);
    memcpy(big + STORE_WORDS_MAX - 1, "\xc3\xa9", 2); /* cut between code points */
    assert_int_equal(statement_words(sv_make(big, STORE_WORDS_MAX + 10)).n, STORE_WORDS_MAX - 1);
    free(big);
}

static int ask_again(void *context, const struct alert_row *row)
{
    struct fixture *f = context;
    (void)row;
    assert_int_equal(store_each_alert(f->store, &(struct alert_filter){0}, ask_again, f, &f->err), TC_ESTATE);
    return 1;
}

static void test_a_callback_cannot_ask_its_own_question_again(void **state)
{
    struct fixture *f = *state;
    struct alert_row row = row_of(SV("aa"), 1, TC_NO_TIME);
    put(f, &row);
    assert_int_equal(store_each_alert(f->store, &(struct alert_filter){0}, ask_again, f, &f->err), 0);
    expect_list(f->store, (struct alert_filter){0}, "aa ");
}

static int64_t number(struct store *store, const char *sql)
{
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t v = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return v;
}

static const char *const steps[] = {"CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(1)",
                                    "ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 5",
                                    "INSERT INTO t VALUES(2, 6); INSERT INTO missing VALUES(1)"};

static struct store *bare(const char *path)
{
    struct store *store = tc_alloc(sizeof *store);
    store->path = tc_strdup(path);
    assert_int_equal(sqlite3_open(path, &store->db), SQLITE_OK);
    return store;
}

static void test_migration_goes_forward_step_by_step(void **state)
{
    struct fixture *f = *state;
    struct store *store = bare(":memory:");
    assert_int_equal(store_migrate(store, steps, 1, &f->err), 0);
    assert_int_equal(store_migrate(store, steps, 1, &f->err), 0); /* once only */
    assert_int_equal(number(store, "SELECT count(*) FROM t"), 1);
    assert_int_equal(store_migrate(store, steps, 2, &f->err), 0);
    assert_int_equal(number(store, "SELECT b FROM t"), 5); /* old rows are there */
    assert_int_equal(number(store, "PRAGMA user_version"), 2);
    assert_int_not_equal(store_migrate(store, steps, 3, &f->err), 0); /* a step that fails leaves nothing */
    assert_int_equal(number(store, "SELECT count(*) FROM t"), 1);
    assert_int_equal(number(store, "PRAGMA user_version"), 2);
    assert_int_equal(store_migrate(store, steps, 1, &f->err), TC_EUNSUPPORTED);
    store_close(&store);
}

static void test_newer_schema_is_refused_with_the_remedy(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    assert_int_equal(sqlite3_exec(f->store->db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_open(f->path, &other, &f->err), TC_EUNSUPPORTED);
    assert_non_null(strstr(f->err.text, "schema 99"));
    assert_non_null(strstr(f->err.text, "newer tocsin"));
    assert_int_equal(store_open_reader(f->path, &other, &f->err), TC_EUNSUPPORTED);
    assert_int_equal(sqlite3_exec(f->store->db, "PRAGMA user_version = 0", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_open_reader(f->path, &other, &f->err), TC_ESTATE);
    assert_null(other);
}

static void write_file(const char *path, const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void test_what_is_not_ours_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    char path[160], noise[4096];
    snprintf(path, sizeof path, "%s/other", f->dir);
    assert_int_equal(store_open_reader(path, &other, &f->err), TC_ENOTFOUND);
    memset(noise, 'n', sizeof noise);
    write_file(path, noise, sizeof noise);
    assert_int_equal(store_open(path, &other, &f->err), TC_ECORRUPT);
    assert_non_null(strstr(f->err.text, "delete this file"));
    unlink(path);
    struct store *foreign = bare(path);
    sqlite3_exec(foreign->db, "CREATE TABLE bookmarks(a)", NULL, NULL, NULL);
    store_close(&foreign);
    assert_int_equal(store_open(path, &other, &f->err), TC_EINPUT);
    unlink(path);
    snprintf(path, sizeof path, "%s/no/such/dir", f->dir);
    assert_int_equal(store_open(path, &other, &f->err), TC_EIO);
    assert_null(other);
}

static void test_settings_of_the_file(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(number(f->store, "PRAGMA synchronous"), 2); /* FULL */
    assert_int_equal(number(f->store, "PRAGMA foreign_keys"), 0);
    assert_int_equal(number(f->store, "PRAGMA busy_timeout"), 5000);
    assert_int_equal(number(f->store, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_applied_position_is_of_the_transaction),
        CASE(test_begin_and_commit_come_in_pairs),
        CASE(test_open_transaction_dies_with_its_connection),
        CASE(test_reader_sees_only_what_is_committed),
        CASE(test_puts_replace_and_lists_are_newest_first),
        CASE(test_every_byte_is_kept),
        CASE(test_an_alert_is_found_by_id_or_unique_prefix),
        CASE(test_history_is_once_per_position_and_in_order),
        CASE(test_bounds),
        CASE(test_a_callback_cannot_ask_its_own_question_again),
        CASE(test_migration_goes_forward_step_by_step),
        CASE(test_newer_schema_is_refused_with_the_remedy),
        CASE(test_what_is_not_ours_is_refused),
        CASE(test_settings_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
