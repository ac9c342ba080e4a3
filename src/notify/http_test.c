/*
 * What a server may answer, and what becomes of the message.
 */
#include "notify/courier_kit.h"

static void expect_refused(struct fixture *f, const char *answer, const char *said)
{
    mock_otherwise(&f->mocks[0], answer);
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    pass(f, 3600 * TC_SECOND_NS);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    expect_counts(f, 0, 0, 1);
    expect_said(f, said);
    expect_said(f, "log warn: channel soc: notification a1-1:soc is given up");
}

static void test_404_is_final(void **state)
{
    expect_refused(*state,
                   "HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\nConnection: close\r\n\r\nno_service",
                   "receipt a1-1:soc failed: HTTP status 404: no_service");
}

static void test_an_echo_of_the_url_is_not_repeated(void **state)
{
    expect_refused(*state, "HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\nConnection: close\r\n\r\nservices",
                   "receipt a1-1:soc failed: HTTP status 403\n");
}

static void expect_retried(struct fixture *f, const char *answer)
{
    mock_script(&f->mocks[0], answer);
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    expect_counts(f, 1, 0, 0);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
    pass(f, 1201 * ms);
    expect_counts(f, 0, 1, 0);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
}

static void test_408_is_tried_again(void **state)
{
    expect_retried(*state, MOCK_STATUS("408 Request Timeout", ""));
}
static void test_425_is_tried_again(void **state)
{
    expect_retried(*state, MOCK_STATUS("425 Too Early", ""));
}
static void test_429_without_retry_after_is_tried_again(void **state)
{
    expect_retried(*state, MOCK_STATUS("429 Too Many Requests", ""));
}
static void test_503_is_tried_again(void **state)
{
    expect_retried(*state, MOCK_STATUS("503 Service Unavailable", "Retry-After: never\r\n"));
}
static void test_nonsense_is_tried_again(void **state)
{
    expect_retried(*state, "SSH-2.0-OpenSSH_9.2\r\n");
}
static void test_a_cut_answer_is_tried_again(void **state)
{
    expect_retried(*state, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
}
static void test_a_web_page_is_no_success(void **state)
{
    expect_retried(*state,
                   "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n<html>log in</html>\n");
}

static void test_redirects_are_not_followed(void **state)
{
    struct fixture *f = *state;
    char answer[256];
    snprintf(answer, sizeof answer,
             "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:%u/\r\nContent-Length: 0\r\n"
             "Connection: close\r\n\r\n",
             f->mocks[1].port);
    expect_retried(f, answer);
    assert_int_equal(mock_count(&f->mocks[1]), 0);
}

static void test_a_long_answer_is_hung_up_on(void **state)
{
    struct fixture *f = *state;
    static char answer[1 << 20];
    memset(answer, 'o', sizeof answer - 1);
    memcpy(answer, "HTTP/1.1 200 OK\r\n\r\n", 19);
    mock_script(&f->mocks[0], answer);
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    expect_counts(f, 0, 1, 0);
    expect_said(f, "receipt a1-1:soc sent: HTTP status 200\n");
}

static void test_silence_is_timed_out(void **state)
{
    struct fixture *f = *state;
    f->options.timeout_ns =
        500 * ms; /* the second attempt has to be answered within it, on a busy machine, too */
    expect_retried(f, MOCK_HOLD);
}

static void test_a_key_cannot_end_its_header(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct outbox_row row = {.key = SV("k\r\nX-Evil: 1\r\n\r\n\xff"),
                             .channel = SV("soc"),
                             .alert_id = SV("x"),
                             .payload = SV("{\"alert\":{\"id\":\"x\"}}"),
                             .position = 1};
    assert_int_equal(store_outbox_put(f->store, &row, &f->err), 0);
    notifier_wake(f->notifier);
    settle(f);
    expect_key(&f->mocks[0], 0, "k%0D%0AX-Evil:%201%0D%0A%0D%0A%FF");
    expect_counts(f, 0, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_404_is_final),
        CASE(test_an_echo_of_the_url_is_not_repeated),
        CASE(test_408_is_tried_again),
        CASE(test_425_is_tried_again),
        CASE(test_429_without_retry_after_is_tried_again),
        CASE(test_503_is_tried_again),
        CASE(test_nonsense_is_tried_again),
        CASE(test_a_cut_answer_is_tried_again),
        CASE(test_a_web_page_is_no_success),
        CASE(test_redirects_are_not_followed),
        CASE(test_a_long_answer_is_hung_up_on),
        CASE(test_silence_is_timed_out),
        CASE(test_a_key_cannot_end_its_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
