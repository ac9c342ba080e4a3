/*
 * The outbox: which rows are due, in what order, what their ends are, and two writers at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "store/statement.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char dir[64], path[128];
    struct store *store;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = tc_alloc(sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/tocsin-outbox-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/state.sqlite", f->dir);
    assert_int_equal(store_open(f->path, &f->store, &f->err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[160];
    store_close(&f->store);
    unlink(f->path);
    snprintf(path, sizeof path, "%s-wal", f->path);
    unlink(path);
    snprintf(path, sizeof path, "%s-shm", f->path);
    unlink(path);
    rmdir(f->dir);
    free(f);
    return 0;
}

static void put(struct fixture *f, const char *key, const char *channel, const char *alert, uint64_t position,
                int64_t next_ns)
{
    struct outbox_row row = {.key = sv_of(key),
                             .channel = sv_of(channel),
                             .alert_id = sv_of(alert),
                             .payload = SV("{\"a\":\"\0\"}"),
                             .position = position,
                             .next_ns = next_ns};
    assert_int_equal(store_outbox_put(f->store, &row, &f->err), 0);
}

static int collect(void *context, const struct outbox_row *row)
{
    struct buf *out = context;
    assert_true(sv_eq(row->payload, SV("{\"a\":\"\0\"}")));
    buf_sv(out, row->key);
    if (row->attempts > 0)
        buf_printf(out, "(%u)", row->attempts);
    buf_char(out, ' ');
    return 0;
}

static void expect_due(struct fixture *f, const char *channel, int64_t now_ns, size_t limit, const char *keys,
                       int64_t next_ns)
{
    struct buf out;
    int64_t next = 0;
    buf_init(&out, 4096);
    int rc = channel == NULL ? store_outbox_due(f->store, now_ns, limit, collect, &out, &next, &f->err)
                             : store_outbox_due_for(f->store, sv_of(channel), now_ns, limit, collect, &out,
                                                    &next, &f->err);
    assert_int_equal(rc, 0);
    buf_char(&out, '\0');
    assert_string_equal(out.p, keys);
    assert_int_equal(next, next_ns);
    buf_free(&out);
}

static void expect_counts(struct fixture *f, uint64_t pending, uint64_t sent, uint64_t failed)
{
    uint64_t p, s, x;
    assert_int_equal(store_outbox_counts(f->store, &p, &s, &x, &f->err), 0);
    assert_int_equal(p, pending);
    assert_int_equal(s, sent);
    assert_int_equal(x, failed);
}

static void done(struct fixture *f, const char *key, const char *status)
{
    assert_int_equal(store_outbox_done(f->store, sv_of(key), sv_of(status), 9, SV("d"), &f->err), 0);
}

static void test_due_rows_by_position_and_time(void **state)
{
    struct fixture *f = *state;
    put(f, "k3", "slack", "a3", 3, 0);
    put(f, "k1", "slack", "a1", 1, 0);
    put(f, "k2", "slack", "a2", 2, 100);
    put(f, "k4", "file", "a1", 1, 0);
    expect_due(f, NULL, 50, 10, "k1 k4 k3 ", 100);
    expect_due(f, NULL, 50, 2, "k1 k4 ", 100);
    expect_due(f, NULL, 100, 10, "k1 k4 k2 k3 ", INT64_MAX);
    expect_due(f, "slack", 50, 10, "k1 k3 ", 100);
    expect_due(f, "file", 50, 10, "k4 ", INT64_MAX);
    expect_due(f, "none", 50, 10, "", INT64_MAX);
}

static void test_a_key_is_put_once_whatever_became_of_it(void **state)
{
    struct fixture *f = *state;
    put(f, "k1", "slack", "a1", 1, 0);
    put(f, "k1", "slack", "a1", 1, 0);
    expect_counts(f, 1, 0, 0);
    done(f, "k1", "sent");
    put(f, "k1", "slack", "a1", 1, 0);
    expect_counts(f, 0, 1, 0);
    expect_due(f, NULL, 50, 10, "", INT64_MAX);
}

static void test_an_alert_is_told_in_order_per_channel(void **state)
{
    struct fixture *f = *state;
    bool pending = false;
    put(f, "first", "slack", "a1", 1, 0);
    put(f, "second", "slack", "a1", 2, 0);
    put(f, "other", "slack", "a2", 3, 0);
    put(f, "elsewhere", "file", "a1", 2, 0);
    expect_due(f, "slack", 50, 10, "first other ", INT64_MAX);
    assert_int_equal(store_outbox_retry(f->store, SV("first"), 1, 90, SV("500"), &f->err), 0);
    expect_due(f, "slack", 50, 10, "other ", 90); /* the second waits with it */
    expect_due(f, "file", 50, 10, "elsewhere ", INT64_MAX);
    expect_due(f, "slack", 90, 10, "first(1) other ", INT64_MAX);
    assert_int_equal(store_outbox_pending(f->store, SV("first"), &pending, &f->err), 0);
    assert_true(pending);
    done(f, "first", "failed");
    assert_int_equal(store_outbox_pending(f->store, SV("first"), &pending, &f->err), 0);
    assert_false(pending);
    assert_int_equal(store_outbox_pending(f->store, SV("unheard of"), &pending, &f->err), 0);
    assert_false(pending);
    expect_due(f, "slack", 90, 10, "second other ", INT64_MAX);
}

static void test_sent_is_final(void **state)
{
    struct fixture *f = *state;
    put(f, "k1", "slack", "a1", 1, 0);
    done(f, "k1", "failed");
    expect_counts(f, 0, 0, 1);
    done(f, "k1", "sent");
    expect_counts(f, 0, 1, 0);
    done(f, "k1", "failed");
    expect_counts(f, 0, 1, 0);
    assert_int_equal(store_outbox_retry(f->store, SV("k1"), 3, 0, SV(""), &f->err), 0);
    expect_counts(f, 0, 1, 0);
    done(f, "unheard of", "sent"); /* a receipt for a row of a projection that was deleted */
    expect_counts(f, 0, 1, 0);
    assert_int_equal(store_outbox_done(f->store, SV("k1"), SV("pending"), 1, SV(""), &f->err), TC_EINPUT);
}

static void test_a_clock_set_back_does_not_strand_a_row(void **state)
{
    struct fixture *f = *state;
    int64_t hour = INT64_C(3600) * 1000000000;
    put(f, "k1", "slack", "a1", 1, 30 * hour);
    expect_due(f, "slack", 29 * hour, 10, "", 30 * hour);
    expect_due(f, "slack", 28 * hour - 1, 10, "k1 ", 30 * hour);
    expect_due(f, "slack", INT64_MAX, 10, "k1 ", INT64_MAX);
}

static int count_channel(void *context, struct sv channel, uint64_t pending)
{
    buf_printf(context, "%.*s=%llu ", SV_FMT(channel), (unsigned long long)pending);
    return 0;
}

static void test_pending_rows_are_counted_per_channel(void **state)
{
    struct fixture *f = *state;
    struct buf out;
    buf_init(&out, 100);
    put(f, "k1", "slack", "a1", 1, 0);
    put(f, "k2", "slack", "a1", 2, 0);
    put(f, "k3", "file", "a1", 2, 0);
    put(f, "k4", "gone", "a1", 2, 0);
    done(f, "k4", "sent");
    assert_int_equal(store_outbox_channels(f->store, count_channel, &out, &f->err), 0);
    assert_true(sv_is(buf_view(&out), "file=1 slack=2 "));
    buf_free(&out);
}

static void test_bounds(void **state)
{
    struct fixture *f = *state;
    char *big = tc_alloc(STORE_JSON_MAX + 1);
    struct outbox_row row = {.key = sv_make(big, STORE_KEY_MAX + 1), .position = 1};
    assert_int_equal(store_outbox_put(f->store, &row, &f->err), TC_EBOUND);
    row.key = SV("k");
    row.payload = sv_make(big, STORE_JSON_MAX + 1);
    assert_int_equal(store_outbox_put(f->store, &row, &f->err), TC_EBOUND);
    row.payload = sv_make(big, STORE_JSON_MAX);
    assert_int_equal(store_outbox_put(f->store, &row, &f->err), 0);
    row.key = SV("k2");
    row.position = UINT64_MAX;
    assert_int_equal(store_outbox_put(f->store, &row, &f->err), TC_EBOUND);
    expect_counts(f, 1, 0, 0);
    free(big);
}

static void test_old_rows_leave_and_pending_ones_stay(void **state)
{
    struct fixture *f = *state;
    const struct alert_row open = {
        .id = SV("open"), .state = SV("firing"), .json = SV("{}"), .ended_ns = INT64_MIN};
    const struct alert_row old = {.id = SV("old"), .state = SV("resolved"), .json = SV("{}"), .ended_ns = 50};
    struct buf json;
    buf_init(&json, 1 << 16);
    put(f, "k1", "slack", "a1", 1, 0);
    put(f, "k2", "slack", "a2", 2, 0);
    put(f, "k3", "slack", "a3", 3, 0);
    assert_int_equal(store_outbox_done(f->store, SV("k1"), SV("sent"), 10, SV(""), &f->err), 0);
    assert_int_equal(store_outbox_done(f->store, SV("k2"), SV("sent"), 200, SV(""), &f->err), 0);
    assert_int_equal(store_put_alert(f->store, &open, &f->err), 0);
    assert_int_equal(store_put_alert(f->store, &old, &f->err), 0);
    assert_int_equal(store_prune(f->store, 100, 50, 10, &f->err), 0);
    expect_counts(f, 1, 1, 0);
    assert_int_equal(store_get_alert(f->store, SV("old"), &json, &f->err),
                     0); /* it ended at 50, not before */
    assert_int_equal(store_prune(f->store, 100, 51, 10, &f->err), 0);
    assert_int_equal(store_get_alert(f->store, SV("old"), &json, &f->err), TC_ENOTFOUND);
    assert_int_equal(store_get_alert(f->store, SV("open"), &json, &f->err), 0);
    assert_int_equal(store_outbox_discard(f->store, 3, 300, SV("late"), &f->err), 0);
    expect_counts(f, 1, 1, 0); /* k3 is of position 3 itself */
    assert_int_equal(store_outbox_discard(f->store, 4, 300, SV("late"), &f->err), 0);
    expect_counts(f, 0, 1, 1);
    buf_free(&json);
}

static int stop_at_once(void *context, const struct outbox_row *row)
{
    (void)row;
    ++*(int *)context;
    return 1;
}

static void test_a_walk_can_be_ended(void **state)
{
    struct fixture *f = *state;
    int calls = 0;
    int64_t next = 0;
    put(f, "k1", "slack", "a1", 1, 0);
    put(f, "k2", "slack", "a2", 2, 0);
    assert_int_equal(store_outbox_due(f->store, 1, 10, stop_at_once, &calls, &next, &f->err), 0);
    assert_int_equal(calls, 1);
}

/* The courier's connection writes while the core's does; neither may fail. */
static void *postpone(void *context)
{
    struct fixture *f = context;
    struct store *mine;
    struct err err;
    assert_int_equal(store_open(f->path, &mine, &err), 0);
    for (uint32_t i = 1; i <= 50; i++)
        assert_int_equal(store_outbox_retry(mine, SV("k0"), i, i, SV("again"), &err), 0);
    store_close(&mine);
    return NULL;
}

static void test_two_writers(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    put(f, "k0", "slack", "a0", 1, 0);
    assert_int_equal(pthread_create(&thread, NULL, postpone, f), 0);
    for (uint64_t i = 1; i <= 50; i++) {
        char key[24];
        snprintf(key, sizeof key, "n%llu", (unsigned long long)i);
        assert_int_equal(store_begin(f->store, &f->err), 0);
        put(f, key, "file", key, i, 0);
        assert_int_equal(store_commit(f->store, i, 1, &f->err), 0);
    }
    pthread_join(thread, NULL);
    expect_counts(f, 51, 0, 0);
    expect_due(f, "slack", 50, 10, "k0(50) ", INT64_MAX);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_due_rows_by_position_and_time),
        CASE(test_a_key_is_put_once_whatever_became_of_it),
        CASE(test_an_alert_is_told_in_order_per_channel),
        CASE(test_sent_is_final),
        CASE(test_a_clock_set_back_does_not_strand_a_row),
        CASE(test_pending_rows_are_counted_per_channel),
        CASE(test_bounds),
        CASE(test_a_walk_can_be_ended),
        CASE(test_old_rows_leave_and_pending_ones_stay),
        CASE(test_two_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
