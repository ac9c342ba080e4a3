/*
 * Tests of server-sent events: what a listener gets, that a slow one is dropped, and that all end with the
 * server.
 */
#include "api/api_testkit.h"

#include <sched.h>

static int ask_to_listen(struct kit *kit)
{
    char request[256];
    int fd = kit_connect(kit);
    snprintf(request, sizeof request, "GET /v1/stream HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", kit->port);
    kit_send(fd, sv_of(request));
    return fd;
}

static int listen_to(struct kit *kit, struct buf *got)
{
    int fd = ask_to_listen(kit);
    buf_clear(got);
    assert_true(kit_read_until(fd, got, ": connected\n\n"));
    return fd;
}

static bool contains(const struct buf *got, const char *text)
{
    struct sv have = buf_view(got);
    return sv_find(have, sv_of(text)) < have.n;
}

static void test_publish(void **state)
{
    struct kit *kit = kit_start();
    struct buf one, two;
    (void)state;
    buf_init(&one, 1 << 20);
    buf_init(&two, 1 << 20);
    int a = listen_to(kit, &one), b = listen_to(kit, &two);
    assert_int_equal(kit_status(&one), 200);
    assert_true(contains(&one, "Content-Type: text/event-stream\r\n"));
    assert_int_equal(stream_clients(kit->api->stream), 2);
    api_publish(kit->api, SV("{\"id\":\"first\"}"));
    assert_true(kit_read_until(a, &one, "event: alert\ndata: {\"id\":\"first\"}\n\n"));
    assert_true(kit_read_until(b, &two, "event: alert\ndata: {\"id\":\"first\"}\n\n"));
    api_publish(kit->api, SV("{\n\"id\":\"second\"}"));
    assert_true(kit_read_until(a, &one, "event: alert\ndata: {\ndata: \"id\":\"second\"}\n\n"));
    stream_heartbeat(kit->api->stream);
    assert_true(kit_read_until(a, &one, ": heartbeat\n\n"));
    assert_int_equal(kit_get(kit, "/metrics"), 200);
    assert_true(kit_has(kit, "\ntocsin_stream_clients 2\n"));
    close(a);
    close(b);
    kit_stop(kit);
    buf_free(&one);
    buf_free(&two);
}

static void test_slow_listener_is_dropped(void **state)
{
    struct kit *kit = kit_start();
    struct buf got;
    char *text = tc_alloc(64 << 10);
    (void)state;
    buf_init(&got, 1 << 20);
    int fd = listen_to(kit, &got);
    memset(text, 'x', 64 << 10);
    for (int i = 0; i < 1000 && stream_dropped(kit->api->stream) == 0; i++)
        api_publish(kit->api, sv_make(text, 64 << 10));
    assert_int_equal(stream_dropped(kit->api->stream), 1);
    struct buf rest;
    buf_init(&rest, 128 << 20);
    assert_true(kit_read_until(fd, &rest, NULL)); /* what was on its way, then the end */
    buf_free(&rest);
    close(fd);
    free(text);
    buf_free(&got);
    kit_stop(kit);
}

static void test_event_that_is_too_long(void **state)
{
    struct kit *kit = kit_start();
    struct buf got;
    char *text = tc_alloc(TC_API_STREAM_QUEUE_BYTES);
    (void)state;
    buf_init(&got, 1 << 20);
    int fd = listen_to(kit, &got);
    memset(text, 'x', TC_API_STREAM_QUEUE_BYTES);
    api_publish(kit->api, sv_make(text, TC_API_STREAM_QUEUE_BYTES));
    assert_true(kit_read_until(fd, &got, "event: refetch\ndata: {}\n\n"));
    close(fd);
    free(text);
    buf_free(&got);
    kit_stop(kit);
}

static void test_too_many_listeners(void **state)
{
    struct kit *kit = kit_start();
    struct buf got;
    int fds[TC_API_STREAM_CLIENTS_MAX];
    (void)state;
    buf_init(&got, 1 << 20);
    for (size_t i = 0; i < TC_ARRAY_LEN(fds); i++)
        fds[i] = listen_to(kit, &got);
    assert_int_equal(kit_get(kit, "/v1/stream"), 503);
    assert_true(kit_has(kit, "Retry-After: 1\r\n"));
    assert_int_equal(kit_request(kit, "HEAD", "/v1/stream", "", (struct sv){0}), 200);
    for (size_t i = 0; i < TC_ARRAY_LEN(fds); i++)
        close(fds[i]);
    /* The gone are found by the next heartbeats, once the server's threads have their turn; then there is
     * room again. The harness ends a test that hangs. */
    while (stream_clients(kit->api->stream) > 0) {
        stream_heartbeat(kit->api->stream);
        sched_yield();
    }
    close(listen_to(kit, &got));
    buf_free(&got);
    kit_stop(kit);
}

static void test_stop_ends_streams(void **state)
{
    struct kit *kit = kit_start();
    struct buf got;
    (void)state;
    buf_init(&got, 1 << 20);
    kit->api->stop_grace_ns = TC_API_STOP_S * TC_SECOND_NS; /* a listener must not use it up */
    int fd = listen_to(kit, &got);
    api_stop(&kit->api);
    assert_true(kit_read_until(fd, &got, NULL));
    close(fd);
    buf_free(&got);
    kit_stop(kit);
}

struct chatter {
    struct kit *kit;
    atomic_bool over;
};

static void *chat(void *context)
{
    struct chatter *chatter = context;
    while (!chatter->over)
        api_publish(chatter->kit->api, SV("{\"id\":\"x\"}"));
    return NULL;
}

/* Publishing while listeners come and go; some are dropped, for the chatter outruns them. */
static void test_publish_among_comings_and_goings(void **state)
{
    struct chatter chatter = {.kit = kit_start()};
    struct buf got;
    pthread_t threads[2];
    (void)state;
    buf_init(&got, 4 << 20);
    for (size_t i = 0; i < TC_ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, chat, &chatter);
    for (int i = 0; i < 30; i++) {
        int fd = ask_to_listen(chatter.kit);
        buf_clear(&got);
        (void)kit_read_until(fd, &got, "event: alert\ndata: {\"id\":\"x\"}\n\n");
        assert_int_equal(kit_status(&got), 200);
        close(fd);
    }
    chatter.over = true;
    for (size_t i = 0; i < TC_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    buf_free(&got);
    kit_stop(chatter.kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_slow_listener_is_dropped),
        cmocka_unit_test(test_event_that_is_too_long),
        cmocka_unit_test(test_too_many_listeners),
        cmocka_unit_test(test_stop_ends_streams),
        cmocka_unit_test(test_publish_among_comings_and_goings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
