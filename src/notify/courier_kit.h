/*
 * What the courier's tests share: two servers on loopback, a store, a clock that stands still. The fixture
 * plays app/: it puts rows, takes receipts, and applies them to the store (or does not). Each test ends with
 * a search for the secret in all that was said and written. Header-only, included by test programs alone.
 */
#ifndef NOTIFY_COURIER_KIT_H
#define NOTIFY_COURIER_KIT_H

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
    size_t receipts, troubles;
    uint32_t last_attempts; /* of the last receipt */
    unsigned last_code;
    char last_id[80];
    struct buf said; /* all texts that left the room: receipts and log lines */
    pthread_mutex_t lock;
};

static inline void apply(struct fixture *f, struct sv key, struct sv status, struct sv detail)
{
    struct err err;
    assert_int_equal(store_begin(f->store, &err), 0);
    assert_int_equal(store_outbox_done(f->store, key, status, f->clk.now_ns, detail, &err), 0);
    assert_int_equal(store_commit(f->store, ++f->position, 1, &err), 0);
}

static inline int take_receipt(void *context, const struct receipt *receipt)
{
    struct sv key = receipt->key, status = receipt->status, detail = receipt->detail;
    struct fixture *f = context;
    int rc = -1;
    pthread_mutex_lock(&f->lock);
    if (!f->refuse_receipts) {
        rc = 0;
        f->receipts++;
        buf_printf(&f->said, "receipt %.*s %.*s: %.*s\n", SV_FMT(key), SV_FMT(status), SV_FMT(detail));
        f->last_attempts = receipt->attempts;
        f->last_code = receipt->code;
        snprintf(f->last_id, sizeof f->last_id, "%.*s", SV_FMT(receipt->provider_id));
        if (receipt->fallback.n > 0)
            assert_int_equal(store_outbox_divert(f->store, key, receipt->fallback, &f->err), 0);
        if (!f->keep_receipts && !sv_is(status, "diverted"))
            apply(f, key, status, detail);
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static inline void take_trouble(void *context, struct sv channel, struct sv detail)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    f->troubles++;
    buf_printf(&f->said, "trouble %.*s: %.*s\n", SV_FMT(channel), SV_FMT(detail));
    pthread_mutex_unlock(&f->lock);
}

static inline void take_log(void *context, enum log_level level, const char *room, const char *text)
{
    struct fixture *f = context;
    (void)room;
    pthread_mutex_lock(&f->lock);
    buf_printf(&f->said, "log %s: %s\n", log_level_name(level), text);
    pthread_mutex_unlock(&f->lock);
}

static inline int setup(void **state)
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
                                           .trouble = take_trouble,
                                           .context = f};
    log_set_sink(take_log, f);
    *state = f;
    return 0;
}

static inline void expect_no_secret(const struct fixture *f)
{
    char command[256];
    assert_int_equal(sv_find(buf_view(&f->said), SV(SECRET)), f->said.n);
    snprintf(command, sizeof command, "grep -rqa %s %s", SECRET, f->dir); /* what is on disk */
    assert_int_equal(WEXITSTATUS(system(command)), 1);
}

static inline int teardown(void **state)
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

static inline void start(struct fixture *f)
{
    assert_int_equal(notifier_new(&f->options, &f->notifier, &f->err), 0);
}

static inline void put(struct fixture *f, const char *channel, const char *alert, unsigned count)
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
static inline void settle(struct fixture *f)
{
    for (int i = 0; i < 2000; i++)
        if (!notifier_step(f->notifier, 10) && notifier_sending(f->notifier) == 0)
            return;
    fail_msg("it never came to rest");
}

static inline void step_until_seen(struct fixture *f, struct mock *mock, size_t count)
{
    for (int i = 0; i < 2000 && mock_count(mock) < count; i++)
        notifier_step(f->notifier, 10);
    assert_int_equal(mock_count(mock), count);
}

static inline void pass(struct fixture *f, int64_t ns)
{
    f->clk.now_ns += ns;
    settle(f);
}

static inline void expect_counts(struct fixture *f, uint64_t pending, uint64_t sent, uint64_t failed)
{
    uint64_t p, s, x;
    assert_int_equal(store_outbox_counts(f->store, &p, &s, &x, &f->err), 0);
    assert_int_equal(p, pending);
    assert_int_equal(s, sent);
    assert_int_equal(x, failed);
}

static inline void expect_key(struct mock *mock, size_t at, const char *key)
{
    char line[256];
    snprintf(line, sizeof line, "\r\nIdempotency-Key: %s\r\n", key);
    if (strstr(mock_seen(mock, at), line) == NULL)
        fail_msg("request %zu does not bear the key %s: %s", at, key, mock_seen(mock, at));
}

static inline void expect_said(const struct fixture *f, const char *text)
{
    if (sv_find(buf_view(&f->said), sv_of(text)) == f->said.n)
        fail_msg("nobody said \"%s\", but: %.*s", text, SV_FMT(buf_view(&f->said)));
}

static const int64_t ms = TC_SECOND_NS / 1000;

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
