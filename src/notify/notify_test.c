/*
 * The courier against servers on loopback, one step at a time under a clock that stands still.
 *
 * The fixture plays app/: it puts rows, takes receipts, and applies them to the store (or does not).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/log.h"
#include "notify/mock_http.h"
#include "notify/pump.h"
#include "store/statement.h"

#include <fcntl.h>
#include <sys/stat.h>

#define SECRET "T0KEN-s3cr3t"
#define NOW    (INT64_C(784111777) * TC_SECOND_NS) /* Sun, 06 Nov 1994 08:49:37 GMT */

struct fixture {
    char dir[64], path[128], file[128], url[2][128];
    struct store *store;
    struct mock mocks[2];
    struct sim_clk clk;
    struct sim_rng rng;
    struct channel_config channels[3];
    size_t channel_count;
    struct notifier_options options;
    struct notifier *notifier;
    struct err err;
    uint64_t position;
    bool refuse_receipts, keep_receipts; /* not durable; durable but not applied yet */
    size_t receipts;
    struct buf said; /* all texts that left the room: receipts and log lines */
    pthread_mutex_t lock;
};

static void apply(struct fixture *f, struct sv key, struct sv status, struct sv detail)
{
    struct err err;
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_outbox_done(f->store, key, status, f->clk.now_ns, detail, &err), 0);
    assert_int_equal(store_commit(f->store, ++f->position, 1, &err), 0);
}

static int take_receipt(void *context, struct sv key, struct sv status, struct sv detail)
{
    struct fixture *f = context;
    int rc = -1;
    pthread_mutex_lock(&f->lock);
    if (!f->refuse_receipts) {
        rc = 0;
        f->receipts++;
        buf_printf(&f->said, "receipt %.*s %.*s: %.*s\n", SV_FMT(key), SV_FMT(status), SV_FMT(detail));
        if (!f->keep_receipts)
            apply(f, key, status, detail);
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static void take_log(void *context, enum log_level level, const char *room, const char *text)
{
    struct fixture *f = context;
    (void)room;
    pthread_mutex_lock(&f->lock);
    buf_printf(&f->said, "log %s: %s\n", log_level_name(level), text);
    pthread_mutex_unlock(&f->lock);
}

static int setup(void **state)
{
    struct fixture *f = tc_alloc(sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/tocsin-notify-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/state.sqlite", f->dir);
    snprintf(f->file, sizeof f->file, "%s/alerts.ndjson", f->dir);
    assert_int_equal(store_open(f->path, &f->store, &f->err), 0);
    pthread_mutex_init(&f->lock, NULL);
    buf_init(&f->said, 1 << 16);
    sim_clk_init(&f->clk, NOW);
    sim_rng_init(&f->rng, 7);
    for (int i = 0; i < 2; i++) {
        mock_open(&f->mocks[i], 0);
        snprintf(f->url[i], sizeof f->url[i], "http://127.0.0.1:%u/services/" SECRET "\n",
                 f->mocks[i].port); /* as read from a file */
    }
    f->channels[0] = (struct channel_config){.name = SV("soc"), .type = SV("slack"), .url = sv_of(f->url[0])};
    f->channels[1] = (struct channel_config){.name = SV("noc"), .type = SV("slack"), .url = sv_of(f->url[1])};
    f->channels[2] = (struct channel_config){.name = SV("log"), .type = SV("file"), .path = sv_of(f->file)};
    f->options = (struct notifier_options){.clk = &f->clk.clk,
                                           .rng = &f->rng.rng,
                                           .store_path = f->path,
                                           .console_url = "http://127.0.0.1:9797",
                                           .channels = f->channels,
                                           .channel_count = 3,
                                           .receipt = take_receipt,
                                           .context = f};
    log_set_sink(take_log, f);
    *state = f;
    return 0;
}

static void expect_no_secret(const struct fixture *f)
{
    char command[256];
    assert_int_equal(sv_find(buf_view(&f->said), SV(SECRET)), f->said.n);
    snprintf(command, sizeof command, "grep -rqa %s %s", SECRET, f->dir); /* what is on disk */
    assert_int_equal(WEXITSTATUS(system(command)), 1);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    notifier_free(&f->notifier);
    log_set_sink(NULL, NULL);
    expect_no_secret(f); /* after every test */
    for (int i = 0; i < 2; i++)
        mock_close(&f->mocks[i]);
    store_close(&f->store);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    buf_free(&f->said);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    assert_int_equal(notifier_new(&f->options, &f->notifier, &f->err), 0);
}

static void put(struct fixture *f, const char *channel, const char *alert, unsigned count)
{
    char key[128], payload[1024];
    snprintf(key, sizeof key, "%s-%u:%s", alert, count, channel);
    snprintf(
        payload, sizeof payload,
        "{\"key\":\"%s-%u\",\"reason\":\"%s\",\"count\":%u,\"alert\":{\"id\":\"%s\",\"title\":"
        "\"BRUTE_FORCE_ATTACK\",\"severity\":\"P2\",\"message\":\"six of them\",\"labels\":{\"alertname\":"
        "\"BRUTE_FORCE_ATTACK\",\"severity\":\"P2\",\"source.ip\":\"203.0.113.7\"},\"last_seen\":"
        "\"2026-11-21T09:17:26Z\"}}",
        alert, count, count == 1 ? "new" : "count_step", count, alert);
    struct outbox_row row = {
        .key = sv_of(key), .channel = sv_of(channel), .alert_id = sv_of(alert), .payload = sv_of(payload)};
    pthread_mutex_lock(&f->lock);
    row.position = ++f->position;
    assert_int_equal(store_begin(f->store, &f->err), 0);
    assert_int_equal(store_outbox_put(f->store, &row, &f->err), 0);
    assert_int_equal(store_commit(f->store, row.position, 1, &f->err), 0);
    pthread_mutex_unlock(&f->lock);
    if (f->notifier != NULL)
        notifier_wake(f->notifier);
}

/* Steps until nothing more is to be done at this time. Real waiting is only for what libcurl has under way.
 */
static void settle(struct fixture *f)
{
    for (int i = 0; i < 2000; i++)
        if (!notifier_step(f->notifier, 10) && notifier_sending(f->notifier) == 0)
            return;
    fail_msg("it never came to rest");
}

static void step_until_seen(struct fixture *f, struct mock *mock, size_t count)
{
    for (int i = 0; i < 2000 && mock_count(mock) < count; i++)
        notifier_step(f->notifier, 10);
    assert_int_equal(mock_count(mock), count);
}

static void pass(struct fixture *f, int64_t ns)
{
    f->clk.now_ns += ns;
    settle(f);
}

static void expect_counts(struct fixture *f, uint64_t pending, uint64_t sent, uint64_t failed)
{
    uint64_t p, s, x;
    assert_int_equal(store_outbox_counts(f->store, &p, &s, &x, &f->err), 0);
    assert_int_equal(p, pending);
    assert_int_equal(s, sent);
    assert_int_equal(x, failed);
}

static void expect_key(struct mock *mock, size_t at, const char *key)
{
    char line[256];
    snprintf(line, sizeof line, "\r\nIdempotency-Key: %s\r\n", key);
    if (strstr(mock_seen(mock, at), line) == NULL)
        fail_msg("request %zu does not bear the key %s: %s", at, key, mock_seen(mock, at));
}

static void expect_said(const struct fixture *f, const char *text)
{
    if (sv_find(buf_view(&f->said), sv_of(text)) == f->said.n)
        fail_msg("nobody said \"%s\", but: %.*s", text, SV_FMT(buf_view(&f->said)));
}

static const int64_t ms = TC_SECOND_NS / 1000;

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
    f->options.timeout_ns = 30 * ms;
    expect_retried(f, MOCK_HOLD);
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

static void read_lines(const struct fixture *f, struct buf *out)
{
    struct err err;
    buf_init(out, 1 << 16);
    assert_int_equal(fs_read_file(&fs_system, f->file, out, &err), 0);
    buf_char(out, '\0');
}

#define LINE(count, reason)                                                                                  \
    "{\"key\":\"a1-" count ":log\",\"reason\":\"" reason "\",\"count\":" count                               \
    ",\"alert\":{\"id\":\"a1\",\"title\":\"BRUTE_FORCE_ATTACK\",\"severity\":\"P2\",\"message\":"            \
    "\"six of them\",\"labels\":{\"alertname\":\"BRUTE_FORCE_ATTACK\",\"severity\":\"P2\",\"source.ip\":"    \
    "\"203.0.113.7\"},\"last_seen\":\"2026-11-21T09:17:26Z\"}}\n"

static void test_file_appends_whole_lines(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    struct buf lines;
    start(f);
    put(f, "log", "a1", 1);
    settle(f);
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *file = fopen(f->file, "a"); /* power went while a line was written */
    assert_non_null(file);
    fputs("{\"key\":\"a1-", file);
    fclose(file);
    put(f, "log", "a1", 10);
    settle(f);
    read_lines(f, &lines);
    assert_string_equal(lines.p, LINE("1", "new") "{\"key\":\"a1-\n" LINE("10", "count_step"));
    buf_free(&lines);
    expect_counts(f, 0, 2, 0);
}

static void test_file_waits_for_its_directory(void **state)
{
    struct fixture *f = *state;
    char dir[128], path[160];
    snprintf(dir, sizeof dir, "%s/later", f->dir);
    snprintf(path, sizeof path, "%s/alerts", dir);
    f->channels[2].path = sv_of(path);
    start(f);
    put(f, "log", "a1", 1);
    settle(f);
    expect_counts(f, 1, 0, 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    pass(f, 1201 * ms);
    expect_counts(f, 0, 1, 0);
}

static void test_file_is_a_regular_file(void **state)
{
    struct fixture *f = *state;
    f->options.max_attempts = 1;
    assert_int_equal(mkfifo(f->file, 0600), 0);
    start(f);
    put(f, "log", "a1", 1);
    settle(f);
    expect_counts(f, 0, 0, 1);
}

static void stdout_line(const char *payload, const char *key, const char *want)
{
    const struct channel *channel = channel_find(SV("stdout"));
    struct buf out;
    struct err err;
    buf_init(&out, 1 << 16);
    assert_int_equal(channel->body(&(struct channel_config){0}, sv_of(key), sv_of(payload), NULL, &out, &err),
                     0);
    buf_char(&out, '\0');
    assert_string_equal(out.p, want);
    buf_free(&out);
}

static void test_stdout_line(void **state)
{
    (void)state;
    stdout_line(
        "{\"reason\":\"count_step\",\"count\":10,\"alert\":{\"id\":\"a1\",\"title\":\"BRUTE_FORCE_ATTACK\","
        "\"severity\":\"P2\",\"last_seen\":\"2026-11-21T09:17:26Z\",\"labels\":{\"alertname\":\"x\","
        "\"rule_id\":\"y\",\"severity\":\"P2\",\"source.ip\":\"203.0.113.7\"}}}",
        "k1:out",
        "2026-11-21T09:17:26Z P2 BRUTE_FORCE_ATTACK source.ip=203.0.113.7 (10 occurrences) id=a1 "
        "key=k1:out\n");
    stdout_line("{\"reason\":\"resolved\",\"alert\":{\"id\":\"a1\",\"title\":\"T\\u001b[2J\\nx\\u202e\","
                "\"severity\":\"critical\",\"labels\":{\"user.name\":\"a \\\"b\\\" "
                "c\",\"empty\":\"\",\"u\":\"\\u009b\"}}}",
                "k",
                "- P1 T?[2J x? user.name=\"a \\\"b\\\" c\" empty=\"\" u=? reason=resolved id=a1 key=k\n");
}

static void test_stdout_line_is_bounded(void **state)
{
    const struct channel *channel = channel_find(SV("stdout"));
    struct buf payload, out;
    struct err err;
    (void)state;
    buf_init(&payload, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_str(&payload, "{\"alert\":{\"id\":\"a1\",\"title\":\"");
    for (int i = 0; i < 5000; i++)
        buf_str(&payload, "\xff");
    buf_str(&payload, "\",\"labels\":{");
    for (int i = 0; i < 500; i++) {
        buf_printf(&payload, "%s\"l%d\":\"", i == 0 ? "" : ",", i);
        for (int j = 0; j < 300; j++)
            buf_str(&payload, "\"\\\"" + 1);
        buf_str(&payload, "\"");
    }
    buf_str(&payload, "}}}");
    char key[2000];
    memset(key, 'k', sizeof key);
    assert_int_equal(channel->body(&(struct channel_config){0}, sv_make(key, sizeof key), buf_view(&payload),
                                   NULL, &out, &err),
                     0);
    assert_true(out.n <= 4096);
    assert_ptr_equal(memchr(out.p, '\n', out.n), out.p + out.n - 1);
    buf_free(&payload);
    buf_free(&out);
}

static void test_stdout_does_not_block_on_a_full_pipe(void **state)
{
    struct fixture *f = *state;
    int ends[2], saved = dup(STDOUT_FILENO);
    char noise[4096] = {0};
    f->channels[2] = (struct channel_config){.name = SV("out"), .type = SV("stdout")};
    start(f);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], noise, sizeof noise) > 0)
        ;
    fcntl(ends[1], F_SETFL, 0); /* blocking, as a shell hands it over */
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    put(f, "out", "a1", 1);
    settle(f);
    while (read(ends[0], noise, sizeof noise) > 0)
        ;
    pass(f, 1201 * ms);
    dup2(saved, STDOUT_FILENO);
    ssize_t n = read(ends[0], noise, sizeof noise - 1);
    assert_true(n > 0);
    noise[n] = '\0';
    assert_string_equal(noise, "2026-11-21T09:17:26Z P2 BRUTE_FORCE_ATTACK source.ip=203.0.113.7 id=a1 "
                               "key=a1-1:out\n");
    expect_counts(f, 0, 1, 0);
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

static void test_route(void **state)
{
    struct fixture *f = *state;
    const struct sv *names;
    f->channels[0].min_severity = SEVERITY_P1;
    f->channels[1].min_severity = SEVERITY_P2;
    start(f);
    assert_int_equal(notifier_route(f->notifier, SEVERITY_P1, &names), 3);
    assert_true(sv_is(names[0], "soc") && sv_is(names[1], "noc") && sv_is(names[2], "log"));
    assert_int_equal(notifier_route(f->notifier, SEVERITY_P2, &names), 2);
    assert_true(sv_is(names[0], "noc") && sv_is(names[1], "log"));
    assert_int_equal(notifier_route(f->notifier, SEVERITY_P3, &names), 1);
    assert_int_equal(notifier_route(f->notifier, SEVERITY_P4, &names), 1);
    assert_int_equal(notifier_route(f->notifier, SEVERITY_NONE, &names), 1);
    assert_true(sv_is(names[0], "log"));
}

static void test_channels_are_checked(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct channel_config config;
        const char *text;
    } rows[] = {
        {{.type = SV("file"), .path = SV("x")}, "needs a name"},
        {{.name = SV("a b"), .type = SV("file"), .path = SV("x")}, "needs a name"},
        {{.name = SV("soc"), .type = SV("stdout")}, "channel soc: there are two"},
        {{.name = SV("x"), .type = SV("pigeon")}, "channel x: its type \"pigeon\" is not known"},
        {{.name = SV("x"), .type = SV("file")}, "channel x: a file channel needs a path"},
        {{.name = SV("x"), .type = SV("file"), .path = SV("a\0b")}, "channel x: the path"},
        {{.name = SV("x"), .type = SV("slack")}, "channel x: a slack channel needs a url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV("ftp://h/" SECRET)}, "channel x: its url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV("file:///" SECRET)}, "channel x: its url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV(SECRET)}, "channel x: its url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV("http://h/" SECRET "\0")}, "channel x: its url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV("http://h/" SECRET " x")}, "channel x: its url"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++) {
        f->channels[1] = rows[i].config;
        assert_int_equal(notifier_new(&f->options, &f->notifier, &f->err), TC_EINPUT);
        assert_null(f->notifier);
        if (strstr(f->err.text, rows[i].text) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", f->err.text, rows[i].text);
        assert_null(strstr(f->err.text, SECRET));
    }
    f->options.channel_count = TC_LANES_MAX + 1;
    assert_int_equal(notifier_new(&f->options, &f->notifier, &f->err), TC_EBOUND);
    f->options.channel_count = 0;
    start(f);
    settle(f);
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

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_E_01_on_the_wire),
        CASE(test_E_02_retry_after_seconds_order_kept),
        CASE(test_retry_after_date_on_a_single_message),
        CASE(test_500_backs_off_and_doubles),
        CASE(test_connection_refused_until_it_comes_up),
        CASE(test_a_dead_destination_is_probed_with_one_message),
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
        CASE(test_given_up_after_max_attempts),
        CASE(test_crash_between_send_and_receipt_repeats_the_key),
        CASE(test_a_refused_receipt_does_not_send_again),
        CASE(test_a_busy_store_does_not_send_again),
        CASE(test_a_receipt_that_is_not_applied_yet_does_not_send_again),
        CASE(test_a_slow_channel_delays_no_other),
        CASE(test_one_message_of_an_alert_at_a_time),
        CASE(test_what_is_no_intent_is_given_up),
        CASE(test_a_key_cannot_end_its_header),
        CASE(test_file_appends_whole_lines),
        CASE(test_file_waits_for_its_directory),
        CASE(test_file_is_a_regular_file),
        CASE(test_stdout_line),
        CASE(test_stdout_line_is_bounded),
        CASE(test_stdout_does_not_block_on_a_full_pipe),
        CASE(test_route),
        CASE(test_channels_are_checked),
        CASE(test_rows_of_unknown_channels_wait_and_are_named),
        CASE(test_its_thread_sends_and_ends_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
