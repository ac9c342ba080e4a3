/*
 * For the tests of this room: a server on a free port with a fake core, and a client of raw bytes.
 *
 * The fake journal keeps what was appended and says `done` when the test says so: at once (before append
 * returns), when released, or never. Requests go over real sockets; nothing sleeps, waits are for events.
 */
#ifndef API_API_TESTKIT_H
#define API_API_TESTKIT_H

#include "api/api_priv.h"

#include "base/arena.h"
#include "base/rng.h"
#include "event/record.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define KIT_NOW_NS (INT64_C(1780000000) * TC_SECOND_NS)
enum { KIT_HELD_MAX = 4096, KIT_WAIT_MS = 20000, KIT_ANSWER_BYTES = 8 << 20 };

enum kit_done { KIT_AT_ONCE, KIT_WHEN_RELEASED };

struct kit {
    struct sim_clk clock;
    struct redactor *redactor;
    struct intake *intake;
    char store_path[64];
    struct store *store;
    struct api *api;
    unsigned port;
    struct buf answer; /* of the last exchange, head and body */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* All below under lock. */
    bool not_ready, not_writable;
    enum kit_done when;
    int append_rc, done_rc; /* what the fake journal answers */
    size_t appended;        /* batches taken */
    uint64_t records;
    bool has_key;
    uint8_t key[16]; /* of the last batch */
    char source[128];
    struct {
        journal_done_fn done;
        void *context;
    } held[KIT_HELD_MAX];
    size_t held_count;
    int command_code;
    bool dead;          /* the fake core has failed */
    bool hold_commands; /* the fake core is behind */
    char command[512];  /* "verb id by note disposition" of the last one */
};

/* --- the fake core ---------------------------------------------------------------------------------------
 */

static bool kit_ready(void *context)
{
    struct kit *kit = context;
    pthread_mutex_lock(&kit->lock);
    bool ready = !kit->not_ready;
    pthread_mutex_unlock(&kit->lock);
    return ready;
}

static bool kit_writable(void *context)
{
    struct kit *kit = context;
    pthread_mutex_lock(&kit->lock);
    bool writable = !kit->not_writable;
    pthread_mutex_unlock(&kit->lock);
    return writable;
}

static bool kit_alive(void *context)
{
    struct kit *kit = context;
    pthread_mutex_lock(&kit->lock);
    bool alive = !kit->dead;
    pthread_mutex_unlock(&kit->lock);
    return alive;
}

static int kit_append(void *context, const struct journal_batch *batch, journal_done_fn done,
                      void *done_context, uint64_t *ret_first, struct err *err)
{
    struct kit *kit = context;
    struct event event;
    pthread_mutex_lock(&kit->lock);
    int rc = kit->append_rc;
    bool taken = rc == 0 || rc == TC_EEXIST, at_once = kit->when == KIT_AT_ONCE;
    int done_rc = kit->done_rc;
    *ret_first = kit->records;
    if (taken) {
        struct sv block = sv_head(batch->blocks, record_length(batch->blocks));
        tc_assert(record_decode_envelope(block, &event, NULL) == 0); /* cmocka's asserts need its thread */
        snprintf(kit->source, sizeof kit->source, "%.*s", SV_FMT(event.source));
        kit->appended++;
        kit->records += batch->count;
        kit->has_key = batch->has_key;
        memcpy(kit->key, batch->key, sizeof kit->key);
    }
    if (taken && !at_once) {
        tc_assert(kit->held_count < KIT_HELD_MAX);
        kit->held[kit->held_count].done = done;
        kit->held[kit->held_count++].context = done_context;
    }
    pthread_cond_broadcast(&kit->changed);
    pthread_mutex_unlock(&kit->lock);
    if (taken && at_once)
        done(done_context, done_rc, *ret_first);
    return taken ? rc : err_set(err, rc, "the fake journal refuses");
}

/* Says `done` for all that is held; returns for how many. */
static inline size_t kit_release(struct kit *kit)
{
    pthread_mutex_lock(&kit->lock);
    size_t count = kit->held_count;
    for (size_t i = 0; i < count; i++)
        kit->held[i].done(kit->held[i].context, kit->done_rc, i);
    kit->held_count = 0;
    pthread_mutex_unlock(&kit->lock);
    return count;
}

static inline void kit_wait_appended(struct kit *kit, size_t count)
{
    pthread_mutex_lock(&kit->lock);
    while (kit->appended < count)
        pthread_cond_wait(&kit->changed, &kit->lock);
    pthread_mutex_unlock(&kit->lock);
}

static inline void kit_set(struct kit *kit, enum kit_done when, int append_rc, int done_rc)
{
    pthread_mutex_lock(&kit->lock);
    kit->when = when;
    kit->append_rc = append_rc;
    kit->done_rc = done_rc;
    pthread_mutex_unlock(&kit->lock);
}

static int kit_command(void *context, const struct alert_command *command, struct buf *ret_json,
                       struct err *err)
{
    struct kit *kit = context;
    pthread_mutex_lock(&kit->lock);
    while (kit->hold_commands)
        pthread_cond_wait(&kit->changed, &kit->lock);
    int rc = kit->command_code;
    snprintf(kit->command, sizeof kit->command, "%.*s|%.*s|%.*s|%.*s|%.*s", SV_FMT(command->verb),
             SV_FMT(command->alert_id), SV_FMT(command->by), SV_FMT(command->note),
             SV_FMT(command->disposition));
    pthread_mutex_unlock(&kit->lock);
    if (rc != 0)
        return err_set(err, rc, "the fake core refuses");
    buf_str(ret_json, "{\"id\":\"the alert\"}");
    return 0;
}

static void kit_metrics(void *context, struct buf *out)
{
    (void)context;
    buf_str(out, "# TYPE tocsin_fake_total counter\ntocsin_fake_total 7\n");
}

/* --- start and stop --------------------------------------------------------------------------------------
 */

static inline void kit_options(struct kit *kit, struct api_options *ret)
{
    static const struct sv receivers[] = {{"slack-security", 14}, {"file", 4}};
    *ret = (struct api_options){.listen = "127.0.0.1:0",
                                .store_path = kit->store_path,
                                .clk = &kit->clock.clk,
                                .rng = &rng_system,
                                .intake = kit->intake,
                                .max_body_bytes = 2 << 20,
                                .context = kit,
                                .ready = kit_ready,
                                .alive = kit_alive,
                                .writable = kit_writable,
                                .append = kit_append,
                                .command = kit_command,
                                .metrics = kit_metrics,
                                .receivers = receivers,
                                .receiver_count = 2};
}

static inline struct kit *kit_new(void)
{
    struct kit *kit = tc_alloc(sizeof *kit);
    sim_clk_init(&kit->clock, KIT_NOW_NS);
    kit->redactor = redactor_new((const uint8_t[TC_REDACT_KEY_BYTES]){9});
    kit->intake = intake_new(&(struct intake_options){
        .clk = &kit->clock.clk, .redactor = kit->redactor, .lateness_ns = TC_SECOND_NS, .max_records = 5000});
    strcpy(kit->store_path, "/tmp/tocsin-api-test-XXXXXX");
    assert_non_null(mkdtemp(kit->store_path));
    strcat(kit->store_path, "/state.sqlite");
    assert_int_equal(store_open(kit->store_path, &kit->store, NULL), 0);
    pthread_mutex_init(&kit->lock, NULL);
    pthread_cond_init(&kit->changed, NULL);
    buf_init(&kit->answer, KIT_ANSWER_BYTES);
    return kit;
}

static inline struct kit *kit_start_with(const struct api_token *tokens, size_t token_count)
{
    struct kit *kit = kit_new();
    struct api_options options;
    struct err err = {0};
    kit_options(kit, &options);
    options.tokens = tokens;
    options.token_count = token_count;
    if (api_start(&options, &kit->api, &err) != 0)
        print_message("%s\n", err.text);
    assert_non_null(kit->api);
    kit->port = kit->api->auth.port;
    kit->api->stop_grace_ns = 1000 * 1000; /* what is left open on purpose is not waited for */
    return kit;
}

static inline struct kit *kit_start(void)
{
    return kit_start_with(NULL, 0);
}

static inline void kit_stop(struct kit *kit)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[128];
    api_stop(&kit->api);
    kit_release(kit);
    store_close(&kit->store);
    for (size_t i = 0; i < TC_ARRAY_LEN(suffixes); i++) {
        snprintf(path, sizeof path, "%s%s", kit->store_path, suffixes[i]);
        unlink(path);
    }
    *strrchr(kit->store_path, '/') = '\0';
    rmdir(kit->store_path);
    intake_free(&kit->intake);
    redactor_free(&kit->redactor);
    buf_free(&kit->answer);
    pthread_mutex_destroy(&kit->lock);
    pthread_cond_destroy(&kit->changed);
    free(kit);
}

/* --- the client ------------------------------------------------------------------------------------------
 */

static inline int kit_connect(const struct kit *kit)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)kit->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Sends as much as the server takes; it may close while we send. */
static inline void kit_send(int fd, struct sv bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes = sv_from(bytes, (size_t)n);
    }
}

static inline bool kit_readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

/* Appends what arrives until `mark` is in it, or the server closes (mark NULL). False at a time-out. */
static inline bool kit_read_until(int fd, struct buf *to, const char *mark)
{
    for (;;) {
        struct sv have = buf_view(to);
        if (mark != NULL && sv_find(have, sv_of(mark)) < have.n)
            return true;
        if (!kit_readable(fd, KIT_WAIT_MS))
            return false;
        char *room = buf_reserve(to, 65536);
        assert_non_null(room);
        ssize_t n = recv(fd, room, 65536, 0);
        if (n <= 0)
            return mark == NULL;
        to->n += (size_t)n;
    }
}

static inline unsigned kit_status(const struct buf *answer)
{
    struct sv text = buf_view(answer);
    return sv_starts(text, SV("HTTP/1.1 ")) && text.n > 12 ? (unsigned)atoi(text.p + 9) : 0;
}

/* The body of kit->answer. */
static inline struct sv kit_body(const struct kit *kit)
{
    struct sv text = buf_view(&kit->answer);
    return sv_from(text, sv_find(text, SV("\r\n\r\n")) + 4);
}

static inline bool kit_has(const struct kit *kit, const char *text)
{
    struct sv answer = buf_view(&kit->answer);
    bool has = sv_find(answer, sv_of(text)) < answer.n;
    if (!has)
        print_message("no \"%s\" in: %.*s\n", text, SV_FMT(sv_head(answer, 4000)));
    return has;
}

/* One request of raw bytes on a connection of its own, the answer in kit->answer; its status. */
static inline unsigned kit_raw(struct kit *kit, struct sv bytes)
{
    int fd = kit_connect(kit);
    kit_send(fd, bytes);
    buf_clear(&kit->answer);
    assert_true(kit_read_until(fd, &kit->answer, NULL));
    close(fd);
    return kit_status(&kit->answer);
}

/* `headers`: lines that end with \r\n, or "". */
static inline unsigned kit_request(struct kit *kit, const char *method, const char *path, const char *headers,
                                   struct sv body)
{
    struct buf text;
    buf_init(&text, 64 << 20);
    buf_printf(&text, "%s %s HTTP/1.1\r\nConnection: close\r\n%s", method, path, headers);
    if (strstr(headers, "Host:") == NULL)
        buf_printf(&text, "Host: 127.0.0.1:%u\r\n", kit->port);
    if (body.p != NULL && strstr(headers, "Transfer-Encoding:") == NULL)
        buf_printf(&text, "Content-Length: %zu\r\n", body.n);
    buf_str(&text, "\r\n");
    buf_sv(&text, body);
    unsigned status = kit_raw(kit, buf_view(&text));
    buf_free(&text);
    return status;
}

static inline unsigned kit_post(struct kit *kit, const char *headers, const char *body)
{
    return kit_request(kit, "POST", "/v1/events", headers, sv_of(body));
}

static inline unsigned kit_get(struct kit *kit, const char *path)
{
    return kit_request(kit, "GET", path, "", (struct sv){0});
}

#endif
