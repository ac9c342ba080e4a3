/*
 * The courier, one step at a time: order, back-off, Retry-After, crashes, isolation, its thread.
 */
#include "notify/courier_kit.h"

static void test_E_01_on_the_wire(void **state)
{
    struct fixture *f = *state;
    struct buf body;
    buf_init(&body, 1 << 16);
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    const char *seen = mock_seen(&f->mocks[0], 0);
    assert_ptr_equal(strstr(seen, "POST /services/" SECRET " HTTP/1.1\r\n"), seen);
    assert_non_null(strstr(seen, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(seen, "\r\nUser-Agent: tocsin/" TC_VERSION "\r\n"));
    expect_key(&f->mocks[0], 0, "a1-1:soc");
    assert_non_null(
        strstr(seen, "\r\n\r\n{\"channel\":\"#security-incidents\",\"username\":\"Security Bot\""));
    assert_non_null(strstr(seen, "\"url\":\"http://127.0.0.1:9797/alerts/a1\""));
    expect_counts(f, 0, 1, 0);
    expect_said(f, "receipt a1-1:soc sent: HTTP status 200: ok");
    settle(f);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    buf_free(&body);
}

static void test_E_02_retry_after_seconds_order_kept(void **state)
{
    struct fixture *f = *state;
    mock_script(&f->mocks[0], MOCK_STATUS("429 Too Many Requests", "Retry-After: 2\r\n"));
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    put(f, "soc", "a1", 10);
    put(f, "soc", "b1", 1);
    put(f, "noc", "b1", 1);
    pass(f, 1999 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 1); /* the whole channel keeps quiet */
    assert_int_equal(mock_count(&f->mocks[1]), 1); /* the other does not care */
    pass(f, 1 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 4);
    expect_key(&f->mocks[0], 0, "a1-1:soc");
    expect_key(&f->mocks[0], 1, "a1-1:soc"); /* first, and alone until it is through */
    expect_counts(f, 0, 4, 0);
}

static void test_retry_after_date_on_a_single_message(void **state)
{
    struct fixture *f = *state;
    mock_script(&f->mocks[0], MOCK_STATUS("500 Oops", "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n"));
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    put(f, "soc", "b1", 1);
    settle(f);
    assert_int_equal(mock_count(&f->mocks[0]), 2); /* a 500 is about one message: b1 went out */
    pass(f, 29999 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
    pass(f, 1 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 3);
    expect_key(&f->mocks[0], 2, "a1-1:soc");
}

static void test_500_backs_off_and_doubles(void **state)
{
    struct fixture *f = *state;
    uint64_t sent, retries, failed;
    for (int i = 0; i < 3; i++)
        mock_script(&f->mocks[0], MOCK_STATUS("500 Oops", ""));
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    for (int64_t wait_ms = 1000; wait_ms <= 4000; wait_ms *= 2) {
        size_t before = mock_count(&f->mocks[0]);
        pass(f, wait_ms * 79 / 100 * ms);
        assert_int_equal(mock_count(&f->mocks[0]), before);
        pass(f, wait_ms * 42 / 100 * ms);
        assert_int_equal(mock_count(&f->mocks[0]), before + 1);
    }
    expect_key(&f->mocks[0], 3, "a1-1:soc");
    assert_string_equal(mock_seen(&f->mocks[0], 3), mock_seen(&f->mocks[0], 0)); /* the same to the byte */
    expect_counts(f, 0, 1, 0);
    notifier_stats(f->notifier, &sent, &retries, &failed);
    assert_int_equal(sent, 1);
    assert_int_equal(retries, 3);
    assert_int_equal(failed, 0);
}

static void test_connection_refused_until_it_comes_up(void **state)
{
    struct fixture *f = *state;
    uint16_t port = f->mocks[0].port;
    mock_close(&f->mocks[0]);
    start(f);
    put(f, "soc", "a1", 1);
    put(f, "log", "a1", 1);
    settle(f);
    expect_counts(f, 1, 1, 0);
    mock_open(&f->mocks[0], port);
    pass(f, 1201 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    expect_counts(f, 0, 2, 0);
}

static void test_a_dead_destination_is_probed_with_one_message(void **state)
{
    struct fixture *f = *state;
    uint16_t port = f->mocks[0].port;
    uint64_t sent, retries, failed, before;
    mock_close(&f->mocks[0]);
    start(f);
    for (unsigned i = 0; i < 20; i++) {
        char alert[8];
        snprintf(alert, sizeof alert, "a%u", i);
        put(f, "soc", alert, 1);
    }
    settle(f);
    notifier_stats(f->notifier, &sent, &before, &failed);
    assert_true(before >= 1 && before <= TC_CHANNEL_IN_FLIGHT_MAX);
    for (int i = 0; i < 5; i++)
        pass(f, 1000 * ms);
    notifier_stats(f->notifier, &sent, &retries, &failed);
    assert_int_equal(retries, before + 5);
    mock_open(&f->mocks[0], port);
    for (int i = 0; i < 20; i++)
        pass(f, 1000 * ms);
    expect_counts(f, 0, 20, 0);
}

static void test_given_up_after_max_attempts(void **state)
{
    struct fixture *f = *state;
    mock_otherwise(&f->mocks[0], MOCK_STATUS("500 Oops", ""));
    f->options.max_attempts = 3;
    start(f);
    put(f, "soc", "a1", 1);
    put(f, "soc", "a1", 10);
    for (int i = 0; i < 10; i++)
        pass(f, 5 * TC_SECOND_NS);
    assert_int_equal(mock_count(&f->mocks[0]), 6); /* the second got its turn when the first was given up */
    expect_key(&f->mocks[0], 2, "a1-1:soc");
    expect_key(&f->mocks[0], 3, "a1-10:soc");
    expect_counts(f, 0, 0, 2);
    expect_said(f, "receipt a1-1:soc failed: given up after 3 attempts; the last: HTTP status 500");
    uint64_t sent, retries, failed;
    notifier_stats(f->notifier, &sent, &retries, &failed);
    assert_int_equal(sent, 0);
    assert_int_equal(retries, 4);
    assert_int_equal(failed, 2);
}

static void test_crash_between_send_and_receipt_repeats_the_key(void **state)
{
    struct fixture *f = *state;
    f->refuse_receipts = true; /* it dies before the journal has it */
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    expect_counts(f, 1, 0, 0);
    notifier_free(&f->notifier);
    f->refuse_receipts = false;
    start(f);
    settle(f);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
    assert_string_equal(mock_seen(&f->mocks[0], 0), mock_seen(&f->mocks[0], 1));
    expect_key(&f->mocks[0], 1, "a1-1:soc");
    expect_counts(f, 0, 1, 0);
}

static void test_a_refused_receipt_does_not_send_again(void **state)
{
    struct fixture *f = *state;
    f->refuse_receipts = true;
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    for (int i = 0; i < 5; i++)
        pass(f, TC_SECOND_NS);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    f->refuse_receipts = false;
    pass(f, TC_SECOND_NS);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    assert_int_equal(f->receipts, 1);
    expect_counts(f, 0, 1, 0);
}

/* Another writer has the store: neither the outcome nor the message is lost or doubled. */
static void test_a_busy_store_does_not_send_again(void **state)
{
    struct fixture *f = *state;
    mock_script(&f->mocks[0], MOCK_STATUS("500 Oops", ""));
    start(f);
    sqlite3_busy_timeout(f->notifier->store->db, 1);
    put(f, "soc", "a1", 1);
    assert_int_equal(store_begin(f->store, &f->err), 0);
    settle(f);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    pass(f, 3 * TC_SECOND_NS); /* past its time, which could not be stored */
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    expect_said(f, "log warn: channel soc: the time of the next attempt is not stored yet");
    store_rollback(f->store);
    pass(f, 2 * TC_SECOND_NS);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
    expect_counts(f, 0, 1, 0);
}

static void test_a_receipt_that_is_not_applied_yet_does_not_send_again(void **state)
{
    struct fixture *f = *state;
    f->keep_receipts = true;
    start(f);
    put(f, "soc", "a1", 1);
    put(f, "soc", "a1", 10);
    settle(f);
    for (int i = 0; i < 5; i++) {
        notifier_wake(f->notifier);
        pass(f, TC_SECOND_NS);
    }
    assert_int_equal(mock_count(&f->mocks[0]), 1); /* nor is the alert's next one begun */
    assert_int_equal(f->receipts, 1);
    f->keep_receipts = false;
    apply(f, SV("a1-1:soc"), SV("sent"), SV(""));
    notifier_wake(f->notifier);
    pass(f, TC_SECOND_NS);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
    pass(f, TC_SECOND_NS);
    assert_int_equal(f->notifier->handed.live, 0);
}

static void test_a_slow_channel_delays_no_other(void **state)
{
    struct fixture *f = *state;
    mock_otherwise(&f->mocks[0], MOCK_HOLD);
    start(f);
    for (unsigned i = 0; i < 30; i++) {
        char alert[8];
        snprintf(alert, sizeof alert, "a%u", i);
        put(f, "soc", alert, 1);
        put(f, "noc", alert, 1);
        put(f, "log", alert, 1);
    }
    for (int i = 0; i < 2000 && (mock_count(&f->mocks[1]) < 30 || f->receipts < 60); i++)
        notifier_step(f->notifier, 10);
    expect_counts(f, 30, 60, 0);
    assert_int_equal(mock_count(&f->mocks[0]), TC_CHANNEL_IN_FLIGHT_MAX); /* and no more are begun */
    mock_otherwise(&f->mocks[0], MOCK_OK);
    mock_release(&f->mocks[0]);
    settle(f);
    expect_counts(f, 0, 90, 0);
    assert_true(f->mocks[1].most_open <= TC_CHANNEL_IN_FLIGHT_MAX + 1);
}

static void test_one_message_of_an_alert_at_a_time(void **state)
{
    struct fixture *f = *state;
    mock_otherwise(&f->mocks[0], MOCK_HOLD);
    start(f);
    put(f, "soc", "a1", 1);
    put(f, "soc", "a1", 10);
    put(f, "soc", "b1", 1);
    step_until_seen(f, &f->mocks[0], 2);
    for (int i = 0; i < 5; i++)
        notifier_step(f->notifier, 1);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
    mock_otherwise(&f->mocks[0], MOCK_OK);
    mock_release(&f->mocks[0]);
    settle(f);
    expect_key(&f->mocks[0], 2, "a1-10:soc");
    expect_counts(f, 0, 3, 0);
}

static void test_what_is_no_intent_is_given_up(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"soc", "log"};
    start(f);
    for (size_t i = 0; i < 2; i++) {
        struct outbox_row row = {.key = sv_of(names[i]),
                                 .channel = sv_of(names[i]),
                                 .alert_id = SV("x"),
                                 .payload = SV("{\"alert\":"),
                                 .position = i + 1};
        assert_int_equal(store_outbox_put(f->store, &row, &f->err), 0);
    }
    notifier_wake(f->notifier);
    settle(f);
    expect_counts(f, 0, 0, 2);
    expect_said(f, "receipt soc failed: reading a notification: ");
    assert_int_equal(mock_count(&f->mocks[0]), 0);
}

static void test_rows_of_unknown_channels_wait_and_are_named(void **state)
{
    struct fixture *f = *state;
    put(f, "renamed", "a1", 1);
    put(f, "renamed", "b1", 1);
    start(f);
    settle(f);
    expect_counts(f, 2, 0, 0);
    expect_said(f, "log warn: 2 notifications wait for channel renamed, which is not in the configuration");
}

static size_t receipts_of(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    size_t count = f->receipts;
    pthread_mutex_unlock(&f->lock);
    return count;
}

/* Waits (for the thread under test, never for time to pass) with a generous end. */
#define WAIT_FOR(condition)                                                                                  \
    for (int tries_ = 0; !(condition); tries_++) {                                                           \
        if (tries_ == 20000)                                                                                 \
            fail_msg("%s never came true", #condition);                                                      \
        poll(NULL, 0, 1);                                                                                    \
    }

static void test_its_thread_sends_and_ends_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    f->options.clk = &clk_system;
    f->options.rng = &rng_system;
    start(f);
    assert_int_equal(notifier_start(f->notifier, &f->err), 0);
    for (unsigned i = 0; i < 10; i++) {
        char alert[8];
        snprintf(alert, sizeof alert, "a%u", i);
        put(f, "soc", alert, 1);
        put(f, "log", alert, 1);
    }
    WAIT_FOR(receipts_of(f) == 20);
    mock_otherwise(&f->mocks[0], MOCK_HOLD);
    put(f, "soc", "late", 1);
    WAIT_FOR(mock_count(&f->mocks[0]) == 11);
    mock_release(&f->mocks[0]); /* the answer comes while it is being stopped, or just before */
    notifier_free(&f->notifier);
    expect_counts(f, 0, 21, 0);
}

/* --- receipts, fallback, limits */

static void test_E_13_a_receipt_bears_attempts_and_code(void **state)
{
    struct fixture *f = *state;
    mock_script(&f->mocks[0], MOCK_STATUS("500 Oops", ""));
    mock_script(&f->mocks[0], "HTTP/1.1 202 Accepted\r\nContent-Length: 19\r\nConnection: close\r\n\r\n"
                              "{\"dedup_key\":\"k 1\"}");
    mock_script(&f->mocks[0], "HTTP/1.1 202 Accepted\r\nContent-Length: 18\r\nConnection: close\r\n\r\n"
                              "{\"dedup_key\":\"k1\"}");
    f->channels[0].type = SV("pagerduty");
    f->channels[0].routing_key = SV(SECRET);
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    pass(f, 1201 * ms);
    expect_counts(f, 0, 1, 0);
    assert_int_equal(f->last_attempts, 2);
    assert_int_equal(f->last_code, 202);
    assert_string_equal(f->last_id, ""); /* no plain word */
    put(f, "soc", "b1", 1);
    settle(f);
    assert_int_equal(f->last_attempts, 1);
    assert_string_equal(f->last_id, "k1");
}

static void test_E_13_a_broken_channel_falls_back_once(void **state)
{
    struct fixture *f = *state;
    struct channel_stats stats;
    uint16_t port = f->mocks[0].port;
    mock_close(&f->mocks[0]);
    f->channels[0].fallback = SV("noc");
    start(f);
    for (unsigned i = 0; i < 20; i++) {
        char alert[8];
        snprintf(alert, sizeof alert, "a%u", i);
        put(f, "soc", alert, 1);
    }
    settle(f);
    for (int i = 0; i < 29; i++)
        pass(f, 1000 * ms);
    assert_int_equal(mock_count(&f->mocks[1]), 0); /* not before 30 s */
    assert_int_equal(f->troubles, 0);
    for (int i = 0; i < 10; i++)
        pass(f, 1000 * ms);
    assert_int_equal(mock_count(&f->mocks[1]), 20);
    expect_key(&f->mocks[1], 0, "a0-1:soc>noc");
    assert_int_equal(f->troubles, 1);
    expect_counts(f, 20, 20, 0); /* the channel's own rows wait on */
    notifier_channel_stats(f->notifier, 0, &stats);
    assert_true(stats.failing);
    assert_int_equal(stats.pending, 20);
    mock_open(&f->mocks[0], port);
    for (int i = 0; i < 400; i++)
        pass(f, 1000 * ms);
    expect_counts(f, 0, 40, 0);
    assert_int_equal(mock_count(&f->mocks[1]), 20);
    assert_int_equal(f->troubles, 1);
    notifier_channel_stats(f->notifier, 0, &stats);
    assert_false(stats.failing);
}

static void test_E_13_a_refusal_for_good_falls_back_at_once(void **state)
{
    struct fixture *f = *state;
    f->channels[0].fallback = SV("noc");
    f->channels[1].fallback = SV("soc");
    mock_otherwise(&f->mocks[0], MOCK_STATUS("404 Gone", ""));
    mock_otherwise(&f->mocks[1], MOCK_STATUS("403 Forbidden", ""));
    start(f);
    put(f, "soc", "a1", 1);
    put(f, "soc", "b1", 1);
    for (int i = 0; i < 5; i++)
        pass(f, 1000 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
    assert_int_equal(mock_count(&f->mocks[1]), 2); /* what came by a fallback goes nowhere else */
    expect_counts(f, 0, 0, 4);
    assert_int_equal(f->troubles, 2); /* once for each channel */
}

static void test_max_per_minute(void **state)
{
    struct fixture *f = *state;
    f->channels[0].max_per_minute = 12; /* two at once, then one each five seconds */
    start(f);
    for (unsigned i = 0; i < 6; i++) {
        char alert[8];
        snprintf(alert, sizeof alert, "a%u", i);
        put(f, "soc", alert, 1);
    }
    put(f, "noc", "a0", 1);
    settle(f);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
    assert_int_equal(mock_count(&f->mocks[1]), 1);
    pass(f, 4999 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
    pass(f, 1 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 3);
    for (int i = 0; i < 15; i++)
        pass(f, 1000 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_E_01_on_the_wire),
        CASE(test_E_02_retry_after_seconds_order_kept),
        CASE(test_retry_after_date_on_a_single_message),
        CASE(test_500_backs_off_and_doubles),
        CASE(test_connection_refused_until_it_comes_up),
        CASE(test_a_dead_destination_is_probed_with_one_message),
        CASE(test_given_up_after_max_attempts),
        CASE(test_crash_between_send_and_receipt_repeats_the_key),
        CASE(test_a_refused_receipt_does_not_send_again),
        CASE(test_a_busy_store_does_not_send_again),
        CASE(test_a_receipt_that_is_not_applied_yet_does_not_send_again),
        CASE(test_a_slow_channel_delays_no_other),
        CASE(test_one_message_of_an_alert_at_a_time),
        CASE(test_what_is_no_intent_is_given_up),
        CASE(test_rows_of_unknown_channels_wait_and_are_named),
        CASE(test_its_thread_sends_and_ends_what_is_under_way),
        CASE(test_E_13_a_receipt_bears_attempts_and_code),
        CASE(test_E_13_a_broken_channel_falls_back_once),
        CASE(test_E_13_a_refusal_for_good_falls_back_at_once),
        CASE(test_max_per_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
