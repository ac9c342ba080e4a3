/*
 * Tests of POST /v1/events over real sockets: what is answered to what, and that a 2xx never comes before the
 * journal's word.
 */
#include "api/api_testkit.h"

#include <zlib.h>
#include <zstd.h>

#define OK_ONE "{\"accepted\":1,\"errors\":[]}"

static void test_A_01_bodies(void **state)
{
    static const struct {
        const char *headers, *body, *answer;
    } cases[] = {
        {"Content-Type: application/json\r\n", "{\"n\":1}", OK_ONE},
        {"Content-Type: application/json; charset=utf-8\r\n", "{\"n\":1}", OK_ONE},
        {"Content-Type: APPLICATION/JSON\r\n", "{\"n\":1}", OK_ONE},
        {"Content-Type: application/x-ndjson\r\n", "{\"n\":1}\n{\"n\":2}\n",
         "{\"accepted\":2,\"errors\":[]}"},
        {"Content-Type: application/ndjson\r\n", "{\"n\":1}", OK_ONE},
        {"Content-Type: application/jsonl\r\n", "{\"n\":1}", OK_ONE},
        {"", "[{\"n\":1},{\"n\":2}]", "{\"accepted\":2,\"errors\":[]}"},
        {"Content-Encoding: identity\r\n", "{\"n\":1}", OK_ONE},
        {"Idempotency-Key: one\r\n", "{\"n\":1}", OK_ONE},
    };
    struct kit *kit = kit_start();
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        assert_int_equal(kit_post(kit, cases[i].headers, cases[i].body), 200);
        assert_true(sv_is(kit_body(kit), cases[i].answer));
        assert_string_equal(kit->source, "http:default");
    }
    assert_int_equal(kit->appended, TC_ARRAY_LEN(cases));
    assert_true(kit_has(kit, "Content-Type: application/json\r\n"));
    kit_stop(kit);
}

/* The answer waits for the journal: before `done` there is none. */
static void test_A_01_answer_only_when_durable(void **state)
{
    struct kit *kit = kit_start();
    char request[256];
    (void)state;
    kit_set(kit, KIT_WHEN_RELEASED, 0, 0);
    snprintf(request, sizeof request,
             "POST /v1/events HTTP/1.1\r\nHost: localhost:%u\r\nContent-Length: 7\r\nConnection: "
             "close\r\n\r\n{\"n\":1}",
             kit->port);
    int fd = kit_connect(kit);
    kit_send(fd, sv_of(request));
    kit_wait_appended(kit, 1);
    assert_int_equal(kit_get(kit, "/-/healthy"), 200); /* the server goes on meanwhile */
    assert_false(kit_readable(fd, 0));
    assert_int_equal(kit_release(kit), 1);
    buf_clear(&kit->answer);
    assert_true(kit_read_until(fd, &kit->answer, NULL));
    close(fd);
    assert_int_equal(kit_status(&kit->answer), 200);
    assert_true(sv_is(kit_body(kit), OK_ONE));
    kit_stop(kit);
}

static void test_client_gone_before_durable(void **state)
{
    struct kit *kit = kit_start();
    char request[256];
    (void)state;
    kit_set(kit, KIT_WHEN_RELEASED, 0, 0);
    snprintf(request, sizeof request,
             "POST /v1/events HTTP/1.1\r\nHost: localhost:%u\r\nContent-Length: 7\r\n\r\n{\"n\":1}",
             kit->port);
    for (size_t i = 1; i <= 8; i++) {
        int fd = kit_connect(kit);
        kit_send(fd, sv_of(request));
        kit_wait_appended(kit, i);
        close(fd);
    }
    assert_int_equal(kit_release(kit), 8);
    assert_int_equal(kit_get(kit, "/-/healthy"), 200);
    kit_stop(kit);
}

/* Stopping while the journal has not answered: the client is told that nobody knows; `done` may come later.
 */
static void test_stop_before_durable(void **state)
{
    struct kit *kit = kit_start();
    char request[256];
    (void)state;
    kit_set(kit, KIT_WHEN_RELEASED, 0, 0);
    snprintf(request, sizeof request,
             "POST /v1/events HTTP/1.1\r\nHost: localhost:%u\r\nContent-Length: 7\r\nConnection: "
             "close\r\n\r\n{\"n\":1}",
             kit->port);
    int fd = kit_connect(kit);
    kit_send(fd, sv_of(request));
    kit_wait_appended(kit, 1);
    api_stop(&kit->api);
    buf_clear(&kit->answer);
    kit_read_until(fd, &kit->answer, NULL);
    close(fd);
    assert_true(kit_status(&kit->answer) == 503 || kit->answer.n == 0);
    assert_int_equal(kit_release(kit), 1);
    kit_stop(kit);
}

static void test_refused_heads(void **state)
{
    static const struct {
        const char *method, *path, *headers, *body;
        unsigned status;
        const char *text; /* in the answer */
    } cases[] = {
        {"POST", "/v1/events", "Content-Type: text/plain\r\n", "{\"n\":1}", 415,
         "send Content-Type application/json"},
        {"POST", "/v1/events", "Content-Type: application/x-www-form-urlencoded\r\n", "a=1", 415,
         "\"error\""},
        {"POST", "/v1/events", "Content-Encoding: br\r\n", "{}", 415, "Accept-Encoding: gzip, zstd"},
        {"POST", "/v1/events", "Content-Encoding: gzip, gzip\r\n", "{}", 415, "\"error\""},
        {"POST", "/v1/events", "Content-Encoding: gzip\r\n", "{\"n\":1}", 400,
         "says gzip, but the body is not"},
        {"POST", "/v1/events", "Content-Encoding: gzip\r\n", "\x1f\x8b broken", 400, "damaged"},
        {"POST", "/v1/events", "Content-Encoding: zstd\r\n", "\x28\xb5\x2f\xfd broken", 400, "damaged"},
        {"POST", "/v1/events", "Idempotency-Key: \r\n", "{}", 400, "Idempotency-Key must be"},
        {"POST", "/v1/events", "Idempotency-Key: a\xc3\xa4\r\n", "{}", 400, "Idempotency-Key must be"},
        {"POST", "/v1/events", "", "", 400, "the body holds no event"},
        {"POST", "/v1/events", "", " \n ", 400, "the body holds no event"},
        {"POST", "/v1/events", "", "[]", 400,
         "{\"error\":\"the body holds no event: send a JSON object, an array of "
         "them, or one a line\",\"accepted\":0,\"errors\":[]}"},
        {"POST", "/v1/events", "", "{\"n\":", 400,
         "\"accepted\":0,\"errors\":[{\"index\":0,\"error\":\"line 1, column"},
        {"POST", "/v1/events", "", "7", 400, "an event must be a JSON object"},
        {"GET", "/v1/events", "", NULL, 405, "Allow: POST\r\n"},
        {"PUT", "/v1/events", "", "{}", 405, "Allow: POST\r\n"},
        {"OPTIONS", "/v1/alerts", "", NULL, 405, "Allow: GET, HEAD\r\n"},
        {"GET", "/nowhere", "", NULL, 404, "nothing is served here"},
        {"GET", "/v1/alerts/%zz", "", NULL, 400, "percent-encoded"},
        {"GET", "/-/healthy", "", "a body", 413, "takes no body"},
        {"POST", "/v1/events", "Host: evil.example\r\n", "{}", 403, "the Host header"},
        {"POST", "/v1/events", "Origin: http://evil.example\r\n", "{}", 403, "the Origin"},
        {"POST", "/v1/events", "Sec-Fetch-Site: same-origin\r\n", "{}", 403, "X-Tocsin-Secret"},
        {"GET", "/v1/alerts", "Host: evil.example\r\n", NULL, 403, "the Host header"},
    };
    struct kit *kit = kit_start();
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        unsigned status =
            kit_request(kit, cases[i].method, cases[i].path, cases[i].headers, sv_of(cases[i].body));
        if (status != cases[i].status)
            print_message("case %zu: %u %.*s\n", i, status, SV_FMT(buf_view(&kit->answer)));
        assert_int_equal(status, cases[i].status);
        assert_true(kit_has(kit, cases[i].text));
        assert_true(sv_starts(kit_body(kit), SV("{\"error\":\"")));
    }
    assert_int_equal(kit->appended, 0);
    kit_stop(kit);
}

static void test_A_32_bad_http(void **state)
{
    static const char *const requests[] = {
        "",
        "\r\n\r\n",
        "GET\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"n\":1}",
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}",
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
        "chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
        "chunked\r\n\r\nffffffffffffffffff\r\n{}",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    struct kit *kit = kit_start();
    int fds[TC_ARRAY_LEN(requests)];
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(requests); i++) {
        fds[i] = kit_connect(kit);
        kit_send(fds[i], sv_of(requests[i]));
        shutdown(fds[i], SHUT_WR);
        assert_int_equal(kit_get(kit, "/-/healthy"), 200);
    }
    api_stop(&kit->api); /* all that was sent is answered, or closed */
    for (size_t i = 0; i < TC_ARRAY_LEN(requests); i++) {
        buf_clear(&kit->answer);
        kit_read_until(fds[i], &kit->answer, NULL);
        assert_int_not_equal(kit_status(&kit->answer), 200);
        close(fds[i]);
    }
    assert_int_equal(kit->appended, 0);
    kit_stop(kit);
}

static void test_A_32_cut_body_is_not_taken(void **state)
{
    struct kit *kit = kit_start();
    char request[256];
    (void)state;
    snprintf(
        request, sizeof request,
        "POST /v1/events HTTP/1.1\r\nHost: localhost:%u\r\nContent-Length: 100\r\n\r\n{\"n\":1}\n{\"n\":2}\n",
        kit->port);
    int fd = kit_connect(kit);
    kit_send(fd, sv_of(request));
    close(fd);
    assert_int_equal(kit_get(kit, "/-/healthy"), 200);
    api_stop(&kit->api);
    assert_int_equal(kit->appended, 0);
    kit_stop(kit);
}

static void test_chunked_and_pipelined(void **state)
{
    struct kit *kit = kit_start();
    char request[1024];
    (void)state;
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "Transfer-Encoding: chunked\r\n",
                                 SV("3\r\n{\"n\r\n4;x=y\r\n\":1}\r\n0\r\n\r\n")),
                     200);
    assert_true(sv_find(kit_body(kit), SV(OK_ONE)) < kit_body(kit).n);
    snprintf(request, sizeof request,
             "POST /v1/events HTTP/1.1\r\nHost: localhost:%u\r\nContent-Length: 7\r\n\r\n{\"n\":1}"
             "POST /v1/events HTTP/1.1\r\nHost: localhost:%u\r\nContent-Length: 7\r\n\r\n{\"n\":"
             "2}GET /v1/nothing HTTP/1.1\r\nHost: localhost:%u\r\nConnection: close\r\n\r\n",
             kit->port, kit->port, kit->port);
    kit_raw(kit, sv_of(request));
    struct sv rest = buf_view(&kit->answer);
    size_t answers = 0;
    for (size_t at; (at = sv_find(rest, SV("HTTP/1.1 200"))) < rest.n; answers++)
        rest = sv_from(rest, at + 12);
    assert_int_equal(answers, 2);
    assert_true(kit_has(kit, "HTTP/1.1 404"));
    assert_int_equal(kit->appended, 3);
    kit_stop(kit);
}

static struct sv gzip_of(struct sv plain, char *out, size_t size)
{
    z_stream z = {0};
    union {
        const char *from;
        Bytef *to;
    } p = {.from = plain.p};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = p.to;
    z.avail_in = (uInt)plain.n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return sv_make(out, z.total_out);
}

static unsigned post_packed(struct kit *kit, const char *encoding, struct sv packed)
{
    char headers[64];
    snprintf(headers, sizeof headers, "Content-Encoding: %s\r\n", encoding);
    return kit_request(kit, "POST", "/v1/events", headers, packed);
}

static void test_A_01_gzip_and_zstd(void **state)
{
    static char packed[1 << 20];
    struct kit *kit = kit_start();
    struct sv plain = SV("{\"n\":1}\n{\"n\":2}\n");
    (void)state;
    assert_int_equal(post_packed(kit, "gzip", gzip_of(plain, packed, sizeof packed)), 200);
    assert_true(sv_is(kit_body(kit), "{\"accepted\":2,\"errors\":[]}"));
    struct sv cut = gzip_of(plain, packed, sizeof packed);
    assert_int_equal(post_packed(kit, "gzip", sv_head(cut, cut.n - 6)), 400);
    size_t n = ZSTD_compress(packed, sizeof packed, plain.p, plain.n, 3);
    assert_int_equal(post_packed(kit, "zstd", sv_make(packed, n)), 200);
    assert_int_equal(post_packed(kit, "zstd", sv_make(packed, n - 4)), 400);
    assert_int_equal(kit->appended, 2);
    kit_stop(kit);
}

static void test_A_32_gzip_bomb(void **state)
{
    static char packed[1 << 20];
    struct kit *kit = kit_start();
    char *plain = tc_alloc(64 << 20);
    (void)state;
    memset(plain, ' ', 64 << 20);
    unsigned status = post_packed(kit, "gzip", gzip_of(sv_make(plain, 64 << 20), packed, sizeof packed));
    assert_true(status == 413 || status == 400);
    memcpy(plain, "{\"n\":1}", 7);
    status = post_packed(kit, "gzip", gzip_of(sv_make(plain, (2 << 20) + 1), packed, sizeof packed));
    assert_true(status == 413 || status == 400);
    assert_int_equal(kit->appended, 0);
    free(plain);
    kit_stop(kit);
}

static void test_A_32_long_bodies(void **state)
{
    struct kit *kit = kit_start();
    struct buf body;
    (void)state;
    buf_init(&body, 16 << 20);
    buf_str(&body, "{\"a\":\"");
    while (body.n < (1 << 20) + 100)
        buf_char(&body, 'x');
    buf_str(&body, "\"}");
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "", buf_view(&body)), 200); /* cut, kept */
    while (body.n < (2 << 20) + 1)
        buf_char(&body, ' ');
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "", buf_view(&body)), 413);
    assert_true(
        kit_has(kit, "{\"error\":\"the body is longer than 2097152 bytes: send it in smaller parts\"}"));
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "Expect: 100-continue\r\n", buf_view(&body)),
                     413);
    struct buf chunked;
    buf_init(&chunked, 16 << 20);
    buf_printf(&chunked, "%zx\r\n", body.n);
    buf_sv(&chunked, buf_view(&body));
    buf_str(&chunked, "\r\n0\r\n\r\n");
    assert_int_equal(
        kit_request(kit, "POST", "/v1/events", "Transfer-Encoding: chunked\r\n", buf_view(&chunked)), 413);
    buf_clear(&body);
    buf_str(&body, "[{}");
    for (int i = 0; i < 5000; i++)
        buf_str(&body, ",{}");
    buf_str(&body, "]");
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "", buf_view(&body)), 413);
    assert_true(kit_has(kit, "more than 5000 records"));
    assert_int_equal(kit->appended, 1);
    assert_int_equal(kit->api->body_bytes, 0);
    buf_free(&chunked);
    buf_free(&body);
    kit_stop(kit);
}

static void test_A_32_odd_contents(void **state)
{
    struct kit *kit = kit_start();
    struct buf deep;
    (void)state;
    buf_init(&deep, 1 << 20);
    for (int i = 0; i < 500; i++)
        buf_str(&deep, "{\"a\":");
    buf_str(&deep, "1");
    for (int i = 0; i < 500; i++)
        buf_str(&deep, "}");
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "", buf_view(&deep)), 200);
    buf_clear(&deep);
    for (int i = 0; i < 100000; i++)
        buf_char(&deep, '[');
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "", buf_view(&deep)), 400);
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "", sv_make("{\"a\":\"x\0y\"}", 11)), 400);
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "", sv_make("\0\0\0\0", 4)), 400);
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "", SV("{\"a\":\"\xff\xfe\"}")), 200);
    assert_int_equal(kit_request(kit, "POST", "/v1/events", "", SV("{\"a\":\"\\ud800\"}")), 200);
    buf_free(&deep);
    kit_stop(kit);
}

static void test_A_31_invalid_tokens(void **state)
{
    static const struct api_token tokens[] = {{{"web", 3}, {"right-token", 11}}};
    struct kit *kit = kit_start_with(tokens, 1);
    (void)state;
    for (int i = 0; i < 21; i++)
        assert_int_equal(kit_post(kit, "Authorization: Bearer wrong-token\r\n", "{\"a\":\"smuggled\"}"), 401);
    assert_true(kit_has(kit, "WWW-Authenticate: Bearer"));
    assert_int_equal(kit->appended, 0);
    assert_int_equal(kit_get(kit, "/metrics"), 200);
    assert_true(kit_has(kit, "\nauth_invalid_token_total 21\n"));
    assert_int_equal(kit_post(kit, "Authorization: Bearer right-token\r\n", "{\"a\":1}"), 200);
    assert_string_equal(kit->source, "http:web");
    assert_int_equal(kit->appended, 1);
    kit_stop(kit);
}

static void test_idempotency(void **state)
{
    struct kit *kit = kit_start();
    uint8_t first[16], body_key[16];
    (void)state;
    assert_int_equal(kit_post(kit, "Idempotency-Key: k1\r\n", "{\"n\":1}"), 200);
    assert_true(kit->has_key);
    memcpy(first, kit->key, 16);
    assert_int_equal(kit_post(kit, "Idempotency-Key: k2\r\n", "{\"n\":1}"), 200);
    assert_memory_not_equal(first, kit->key, 16);
    kit_set(kit, KIT_AT_ONCE, TC_EEXIST, 0);
    assert_int_equal(kit_post(kit, "Idempotency-Key: k1\r\n", "{\"n\":1}\n{\n"), 200);
    assert_memory_equal(first, kit->key, 8); /* the key names the same batch, with another body */
    assert_memory_not_equal(first + 8, kit->key + 8, 8);
    assert_true(kit_has(kit, "Idempotent-Replayed: true\r\n"));
    assert_true(kit_has(kit, "{\"accepted\":1,\"errors\":[{\"index\":1,"));
    kit_set(kit, KIT_AT_ONCE, 0, 0);
    assert_int_equal(kit_post(kit, "", "{\"n\":1}"), 200);
    assert_false(kit->has_key); /* equal bodies without a time are two events */
    assert_int_equal(kit_post(kit, "", "{\"@timestamp\":\"2026-01-01T00:00:00Z\"}"), 200);
    assert_true(kit->has_key);
    memcpy(body_key, kit->key, 16);
    assert_int_equal(kit_post(kit, "", "{\"@timestamp\":\"2026-01-01T00:00:01Z\"}"), 200);
    assert_memory_not_equal(body_key, kit->key, 16);
    assert_int_equal(kit_post(kit, "", "{\"@timestamp\":\"2026-01-01T00:00:00Z\"}"), 200);
    assert_memory_equal(body_key, kit->key, 16);
    char long_key[600] = "Idempotency-Key: ";
    memset(long_key + 17, 'k', 256);
    memcpy(long_key + 17 + 256, "\r\n", 3);
    assert_int_equal(kit_post(kit, long_key, "{}"), 400);
    memcpy(long_key + 17 + 255, "\r\n", 3);
    assert_int_equal(kit_post(kit, long_key, "{}"), 200);
    kit_stop(kit);
}

static void test_journal_refuses(void **state)
{
    static const struct {
        int append_rc, done_rc;
        unsigned status;
        const char *text;
    } cases[] = {
        {TC_EAGAIN, 0, 429, "Retry-After: 1\r\n"},    {TC_EBOUND, 0, 507, "Retry-After: 10\r\n"},
        {TC_EIO, 0, 503, "the fake journal refuses"}, {0, TC_EIO, 503, "could not keep"},
        {TC_EDENIED, 0, 422, "another body"},         {0, TC_EBOUND, 507, "the disk is nearly full"},
        {TC_EEXIST, TC_EIO, 503, "could not keep"},
    };
    struct kit *kit = kit_start();
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        kit_set(kit, KIT_AT_ONCE, cases[i].append_rc, cases[i].done_rc);
        assert_int_equal(kit_post(kit, "", "{\"n\":1}"), cases[i].status);
        assert_true(kit_has(kit, cases[i].text));
        assert_true(sv_starts(kit_body(kit), SV("{\"error\":\"")));
    }
    kit->not_ready = true;
    assert_int_equal(kit_post(kit, "", "{\"n\":1}"), 503);
    kit_stop(kit);
}

/* A body that comes too slowly is given up by the clock, whatever the library's own time-out. */
static void test_body_has_a_deadline(void **state)
{
    struct kit *kit = kit_start();
    char request[256];
    (void)state;
    snprintf(request, sizeof request,
             "POST /v1/events HTTP/1.1\r\nHost: localhost:%u\r\nContent-Length: 7\r\nExpect: "
             "100-continue\r\n\r\n",
             kit->port);
    int fd = kit_connect(kit);
    kit_send(fd, sv_of(request));
    buf_clear(&kit->answer);
    assert_true(kit_read_until(fd, &kit->answer, "100 Continue\r\n\r\n"));
    pthread_mutex_lock(&kit->api->lock);
    kit->clock.now_ns += (TC_API_BODY_TIME_S + 1) * TC_SECOND_NS;
    pthread_mutex_unlock(&kit->api->lock);
    kit_send(fd, SV("{\"n\":1}"));
    buf_clear(&kit->answer);
    kit_read_until(fd, &kit->answer, NULL);
    assert_int_equal(kit->answer.n, 0);
    assert_int_equal(kit->appended, 0);
    close(fd);
    kit_stop(kit);
}

struct hammer {
    struct kit *kit;
    atomic_bool over;
    atomic_uint answered;
};

static void *hammer_post(void *context)
{
    struct hammer *hammer = context;
    struct kit own = {.port = hammer->kit->port};
    buf_init(&own.answer, 1 << 20);
    for (int i = 0; i < 40; i++)
        hammer->answered += kit_post(&own, "", "{\"n\":1}\n{\"n\":2}\n") == 200;
    buf_free(&own.answer);
    return NULL;
}

static void *hammer_release(void *context)
{
    struct hammer *hammer = context;
    while (!hammer->over)
        kit_release(hammer->kit);
    return NULL;
}

static void test_A_01_many_at_once(void **state)
{
    struct hammer hammer = {.kit = kit_start()};
    pthread_t posts[6], release;
    (void)state;
    kit_set(hammer.kit, KIT_WHEN_RELEASED, 0, 0);
    pthread_create(&release, NULL, hammer_release, &hammer);
    for (size_t i = 0; i < TC_ARRAY_LEN(posts); i++)
        pthread_create(&posts[i], NULL, hammer_post, &hammer);
    for (size_t i = 0; i < TC_ARRAY_LEN(posts); i++)
        pthread_join(posts[i], NULL);
    hammer.over = true;
    pthread_join(release, NULL);
    assert_int_equal(hammer.answered, 240);
    assert_int_equal(hammer.kit->records, 480);
    assert_int_equal(kit_get(hammer.kit, "/metrics"), 200);
    assert_true(kit_has(hammer.kit, "\ntocsin_events_accepted_total 480\n"));
    kit_stop(hammer.kit);
}

static void test_start_refuses(void **state)
{
    struct kit *kit = kit_start();
    struct api_options options;
    struct api *other = NULL;
    struct err err;
    char taken[64];
    (void)state;
    kit_options(kit, &options);
    snprintf(taken, sizeof taken, "%s", api_address(kit->api));
    options.listen = taken;
    assert_int_equal(api_start(&options, &other, &err), TC_EIO);
    assert_non_null(strstr(err.text, "another program has it"));
    options.listen = "0.0.0.0:0";
    assert_int_equal(api_start(&options, &other, &err), TC_EINPUT);
    assert_non_null(strstr(err.text, "configure a token"));
    options.listen = "somewhere";
    assert_int_equal(api_start(&options, &other, &err), TC_EINPUT);
    assert_null(other);
    kit_stop(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A_01_bodies),
        cmocka_unit_test(test_A_01_answer_only_when_durable),
        cmocka_unit_test(test_client_gone_before_durable),
        cmocka_unit_test(test_stop_before_durable),
        cmocka_unit_test(test_refused_heads),
        cmocka_unit_test(test_A_32_bad_http),
        cmocka_unit_test(test_A_32_cut_body_is_not_taken),
        cmocka_unit_test(test_chunked_and_pipelined),
        cmocka_unit_test(test_A_01_gzip_and_zstd),
        cmocka_unit_test(test_A_32_gzip_bomb),
        cmocka_unit_test(test_A_32_long_bodies),
        cmocka_unit_test(test_A_32_odd_contents),
        cmocka_unit_test(test_A_31_invalid_tokens),
        cmocka_unit_test(test_idempotency),
        cmocka_unit_test(test_journal_refuses),
        cmocka_unit_test(test_body_has_a_deadline),
        cmocka_unit_test(test_A_01_many_at_once),
        cmocka_unit_test(test_start_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
