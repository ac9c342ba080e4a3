/*
 * The syslog door over real sockets on loopback, with a journal of the test's own that can refuse, hold back
 * and fail. Nothing sleeps: the tests wait for what the door does (a batch, a closed connection).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/address.h"
#include "event/record.h"
#include "ingest/syslog_listener.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct held {
    outlet_done_fn done;
    void *context;
};

/* A journal in memory. All under the lock. */
struct kit {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct intake *intake;
    struct syslog_listener *listener;
    struct buf text; /* "source raw\n" of every record */
    size_t records, batches, refusals;
    int refuse;  /* the code that append returns */
    int done_rc; /* what done is told */
    bool hold;   /* done is not called until release() */
    struct held held[TC_OUTLET_FLIGHTS];
    size_t held_count;
};

static void note_blocks(struct kit *k, struct sv blocks)
{
    while (blocks.n > 0) {
        struct event event;
        size_t n = record_length(blocks);
        assert_true(n > 0);
        assert_int_equal(record_decode_envelope(sv_head(blocks, n), &event, NULL), 0);
        buf_sv(&k->text, event.source);
        buf_char(&k->text, ' ');
        buf_sv(&k->text, sv_head(event.raw, 60));
        buf_char(&k->text, '\n');
        blocks = sv_from(blocks, n);
        k->records++;
    }
}

static int append(void *context, const struct intake_batch *batch, outlet_done_fn done, void *done_context,
                  struct err *err)
{
    struct kit *k = context;
    pthread_mutex_lock(&k->lock);
    int rc = k->refuse, done_rc = k->done_rc;
    bool hold = k->hold;
    if (rc != 0) {
        k->refusals++;
        err_set(err, rc, "the test says no");
    } else {
        note_blocks(k, buf_view(&batch->blocks));
        k->batches++;
        if (hold) {
            assert_true(k->held_count < TC_OUTLET_FLIGHTS);
            k->held[k->held_count++] = (struct held){done, done_context};
        }
    }
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    if (rc == 0 && !hold)
        done(done_context, done_rc, 0);
    return rc;
}

static void set_refuse(struct kit *k, int rc)
{
    pthread_mutex_lock(&k->lock);
    k->refuse = rc;
    pthread_mutex_unlock(&k->lock);
}

/* Waits until *what >= at_least; the harness ends a test that hangs. */
static void wait_for(struct kit *k, const size_t *what, size_t at_least)
{
    pthread_mutex_lock(&k->lock);
    while (*what < at_least)
        pthread_cond_wait(&k->changed, &k->lock);
    pthread_mutex_unlock(&k->lock);
}

static void release(struct kit *k)
{
    struct held held[TC_OUTLET_FLIGHTS];
    pthread_mutex_lock(&k->lock);
    size_t count = k->held_count;
    memcpy(held, k->held, sizeof held);
    k->held_count = 0;
    k->hold = false;
    pthread_mutex_unlock(&k->lock);
    for (size_t i = 0; i < count; i++)
        held[i].done(held[i].context, 0, 0);
}

static struct kit *start_with(struct syslog_options options)
{
    struct err err;
    struct kit *k = tc_alloc(sizeof *k);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    buf_init(&k->text, 256 << 20);
    k->intake = intake_new(&(struct intake_options){.clk = &clk_system, .lateness_ns = 3600 * TC_SECOND_NS});
    options.clk = &clk_system;
    options.intake = k->intake;
    options.parser = parser_find(SV("text"));
    options.udp = options.tcp = "127.0.0.1:0";
    options.append = append;
    options.context = k;
    assert_int_equal(syslog_listener_start(&options, &k->listener, &err), 0);
    return k;
}

static struct kit *start(void)
{
    return start_with((struct syslog_options){0});
}

static void finish(struct kit *k)
{
    syslog_listener_stop(&k->listener);
    intake_free(&k->intake);
    buf_free(&k->text);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static int connect_to(uint16_t port, int type)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const void *)&to, sizeof to), 0);
    return fd;
}

static int tcp(struct kit *k)
{
    return connect_to(syslog_listener_tcp_port(k->listener), SOCK_STREAM);
}

static int udp(struct kit *k)
{
    return connect_to(syslog_listener_udp_port(k->listener), SOCK_DGRAM);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void expect_text(struct kit *k, const char *expected)
{
    assert_int_equal(k->text.n, strlen(expected));
    assert_memory_equal(k->text.p, expected, k->text.n);
}

static struct syslog_stats stats(struct kit *k)
{
    struct syslog_stats s;
    syslog_listener_stats(k->listener, &s);
    return s;
}

/* --- what comes in ---------------------------------------------------------------------------------------
 */

static void test_A_15_tcp_both_framings(void **state)
{
    (void)state;
    struct kit *k = start();
    int fd = tcp(k);
    say(fd, "4 <1>a<2>b\n6 <3>c\nd<4>e");
    close(fd);
    wait_for(k, &k->records, 4);
    expect_text(k, "syslog:tcp:127.0.0.1 <1>a\nsyslog:tcp:127.0.0.1 <2>b\nsyslog:tcp:127.0.0.1 <3>c\nd\n"
                   "syslog:tcp:127.0.0.1 <4>e\n");
    assert_int_equal(stats(k).tcp_messages, 4);
    assert_int_equal(stats(k).broken_frames, 0);
    finish(k);
}

static void test_A_15_udp(void **state)
{
    (void)state;
    struct kit *k = start();
    int fd = udp(k);
    say(fd, "<1>a\n");
    say(fd, "<2>b\nc");
    say(fd, "\n");
    say(fd, "");
    say(fd, "4 <3>d");
    wait_for(k, &k->records, 3);
    expect_text(k, "syslog:udp:127.0.0.1 <1>a\nsyslog:udp:127.0.0.1 <2>b\nc\nsyslog:udp:127.0.0.1 4 <3>d\n");
    close(fd);
    finish(k);
}

static void test_stop_reads_out_what_was_written(void **state)
{
    (void)state;
    struct kit *k = start();
    int fd = tcp(k), datagrams = udp(k);
    for (int i = 0; i < 5000; i++)
        say(fd, "<1>a message of some length that was written before the door was told to stop\n");
    for (int i = 0; i < 20; i++)
        say(datagrams, "<1>datagram");
    syslog_listener_stop(&k->listener);
    assert_int_equal(k->records, 5020);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0); /* an end, not a reset */
    close(fd);
    close(datagrams);
    finish(k);
}

static void test_A_15_a_large_message_is_cut_and_a_full_batch_goes_on(void **state)
{
    (void)state;
    struct kit *k = start();
    int fd = tcp(k);
    size_t n = TC_EVENT_RAW_MAX - 10;
    char *line = tc_alloc(n + 1);
    memset(line, 'x', n);
    line[n] = '\n';
    for (int i = 0; i < 40; i++)
        for (size_t at = 0; at < n + 1;) {
            ssize_t sent = send(fd, line + at, n + 1 - at, MSG_NOSIGNAL);
            assert_true(sent > 0);
            at += (size_t)sent;
        }
    close(fd);
    wait_for(k, &k->records, 40);
    assert_true(k->batches > 5);
    free(line);
    finish(k);
}

/* --- back-pressure ---------------------------------------------------------------------------------------
 */

static void test_a_full_journal_holds_tcp_and_drops_udp_counted(void **state)
{
    (void)state;
    struct kit *k = start();
    int fd = tcp(k), datagrams = udp(k);
    set_refuse(k, TC_EAGAIN);
    say(fd, "<1>first\n");
    wait_for(k, &k->refusals, 1);
    say(fd, "<1>second\n");
    for (int i = 0; i < 10; i++)
        say(datagrams, "<1>dropped");
    pthread_mutex_lock(&k->lock);
    size_t asked = k->refusals;
    pthread_mutex_unlock(&k->lock);
    wait_for(k, &k->refusals, asked + 5); /* it asks again and again, and reads no stream meanwhile */
    assert_int_equal(stats(k).waiting, 1);
    assert_int_equal(stats(k).udp_dropped, 10);
    assert_int_equal(stats(k).tcp_messages, 1);
    assert_int_equal(k->records, 0);
    set_refuse(k, 0);
    wait_for(k, &k->records, 2);
    expect_text(k, "syslog:tcp:127.0.0.1 <1>first\nsyslog:tcp:127.0.0.1 <1>second\n");
    close(fd);
    close(datagrams);
    finish(k);
}

static void test_few_batches_are_on_their_way(void **state)
{
    (void)state;
    struct kit *k = start();
    int fd = tcp(k), datagrams = udp(k);
    pthread_mutex_lock(&k->lock);
    k->hold = true;
    pthread_mutex_unlock(&k->lock);
    for (size_t i = 1; i <= TC_OUTLET_FLIGHTS; i++) {
        say(fd, "<1>a\n");
        wait_for(k, &k->batches, i);
    }
    assert_int_equal(stats(k).outlet.in_flight, TC_OUTLET_FLIGHTS);
    say(fd, "<1>b\n"); /* gathered or unread, and neither lost nor handed on */
    say(datagrams, "<1>c");
    pthread_mutex_lock(&k->lock);
    assert_int_equal(k->batches, TC_OUTLET_FLIGHTS);
    pthread_mutex_unlock(&k->lock);
    release(k);
    wait_for(k, &k->records, TC_OUTLET_FLIGHTS + 2);
    assert_int_equal(stats(k).udp_dropped, 0);
    close(fd);
    close(datagrams);
    finish(k);
}

/* Many megabytes of small messages against a journal that refuses now and then: each once, in order. */
static void test_nothing_is_lost_or_doubled_when_the_journal_stutters(void **state)
{
    (void)state;
    struct kit *k = start();
    int fd = tcp(k);
    struct buf stream, expected;
    enum { COUNT = 60000 };
    buf_init(&stream, 16 << 20);
    buf_init(&expected, 16 << 20);
    for (int i = 0; i < COUNT; i++) {
        buf_printf(&stream, i % 3 == 0 ? "10 <1>%07d" : "<1>%07d\n", i);
        buf_printf(&expected, "syslog:tcp:127.0.0.1 <1>%07d\n", i);
    }
    size_t at = 0;
    for (int round = 0; at < stream.n; round++) {
        set_refuse(k, round % 3 == 0 ? TC_EAGAIN : 0);
        ssize_t sent = send(fd, stream.p + at, TC_MIN(stream.n - at, (size_t)20011), MSG_DONTWAIT);
        if (sent > 0)
            at += (size_t)sent;
        if (round % 3 == 0 && sent > 0)
            wait_for(k, &k->refusals, 1);
    }
    set_refuse(k, 0);
    close(fd);
    wait_for(k, &k->records, COUNT);
    assert_int_equal(k->text.n, expected.n);
    assert_memory_equal(k->text.p, expected.p, expected.n);
    buf_free(&stream);
    buf_free(&expected);
    finish(k);
}

static void test_a_batch_that_could_not_be_written_is_counted(void **state)
{
    (void)state;
    struct kit *k = start();
    int fd = tcp(k);
    pthread_mutex_lock(&k->lock);
    k->done_rc = TC_EIO;
    pthread_mutex_unlock(&k->lock);
    say(fd, "<1>a\n<2>b\n");
    wait_for(k, &k->records, 2);
    struct syslog_listener *l = k->listener;
    struct syslog_stats s = stats(k);
    while (s.outlet.in_flight > 0)
        syslog_listener_stats(l, &s);
    assert_int_equal(s.outlet.lost, 2);
    close(fd);
    finish(k);
}

/* --- bounds ----------------------------------------------------------------------------------------------
 */

static void test_a_silent_connection_is_closed(void **state)
{
    (void)state;
    struct kit *k = start_with((struct syslog_options){.idle_ns = 1});
    char byte;
    int idle = tcp(k);
    assert_int_equal(recv(idle, &byte, 1, 0), 0);
    assert_int_equal(stats(k).connections_timed_out, 1);
    close(idle);
    finish(k);
}

static void test_a_connection_stuck_in_a_message_is_closed_and_the_part_kept(void **state)
{
    (void)state;
    struct kit *k = start_with((struct syslog_options){.stuck_ns = 1});
    char byte;
    int silent = tcp(k), stuck = tcp(k);
    say(stuck, "500 <1>never whole");
    assert_int_equal(recv(stuck, &byte, 1, 0), 0);
    wait_for(k, &k->records, 1);
    assert_int_equal(stats(k).connections_timed_out, 1);
    assert_int_equal(stats(k).broken_frames, 1);
    expect_text(k, "syslog:tcp:127.0.0.1 <1>never whole\n");
    say(silent, "<1>still here\n");
    wait_for(k, &k->records, 2);
    close(silent);
    close(stuck);
    finish(k);
}

static void test_connections_past_the_bound_are_refused(void **state)
{
    (void)state;
    static int fds[TC_SYSLOG_CONNECTIONS + 1];
    struct kit *k = start();
    char byte;
    long open_max = sysconf(_SC_OPEN_MAX);
    if (open_max < 2 * TC_SYSLOG_CONNECTIONS + 100) {
        printf("skipped: only %ld descriptors may be open here\n", open_max);
        finish(k);
        skip();
    }
    for (size_t i = 0; i <= TC_SYSLOG_CONNECTIONS; i++)
        fds[i] = tcp(k);
    assert_int_equal(recv(fds[TC_SYSLOG_CONNECTIONS], &byte, 1, 0), 0);
    assert_int_equal(stats(k).connections_refused, 1);
    assert_int_equal(stats(k).connections, TC_SYSLOG_CONNECTIONS);
    say(fds[0], "<1>still heard\n");
    wait_for(k, &k->records, 1);
    for (size_t i = 0; i <= TC_SYSLOG_CONNECTIONS; i++)
        close(fds[i]);
    finish(k);
}

static void test_addresses(void **state)
{
    (void)state;
    struct syslog_listener *l = NULL;
    struct err err;
    struct syslog_options o = {.clk = &clk_system, .tcp = "0.0.0.0:0", .append = append};
    assert_int_equal(syslog_listener_start(&o, &l, &err), TC_EINPUT);
    assert_non_null(strstr(err.text, "allow_plaintext"));
    o.allow_plaintext = true;
    assert_int_equal(syslog_listener_start(&o, &l, &err), 0);
    syslog_listener_stop(&l);
    assert_null(l);
    const char *const wrong[] = {
        "",         "5514",      "127.0.0.1",        "127.0.0.1:",     "127.0.0.1:65536",
        "::1:5514", "[::1:5514", "[127.0.0.1]:5514", "somewhere:5514", "127.0.0.1:55 14"};
    for (size_t i = 0; i < TC_ARRAY_LEN(wrong); i++) {
        o.tcp = wrong[i];
        assert_int_equal(syslog_listener_start(&o, &l, &err), TC_EINPUT);
    }
    struct address address;
    char text[TC_ADDRESS_TEXT_MAX];
    assert_int_equal(address_parse(SV("[::ffff:192.0.2.1]:514"), &address, &err), 0);
    address_format(&address.storage, text);
    assert_string_equal(text, "192.0.2.1");
    assert_int_equal(address_port(&address.storage), 514);
    assert_int_equal(address_parse(SV("[::1]:1"), &address, &err), 0);
    assert_true(address_is_loopback(&address));
    assert_int_equal(address_parse(SV("[2001:db8::1]:1"), &address, &err), 0);
    assert_false(address_is_loopback(&address));
    syslog_listener_stop(&l); /* NULL is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A_15_tcp_both_framings),
        cmocka_unit_test(test_A_15_udp),
        cmocka_unit_test(test_stop_reads_out_what_was_written),
        cmocka_unit_test(test_A_15_a_large_message_is_cut_and_a_full_batch_goes_on),
        cmocka_unit_test(test_a_full_journal_holds_tcp_and_drops_udp_counted),
        cmocka_unit_test(test_few_batches_are_on_their_way),
        cmocka_unit_test(test_nothing_is_lost_or_doubled_when_the_journal_stutters),
        cmocka_unit_test(test_a_batch_that_could_not_be_written_is_counted),
        cmocka_unit_test(test_a_silent_connection_is_closed),
        cmocka_unit_test(test_a_connection_stuck_in_a_message_is_closed_and_the_part_kept),
        cmocka_unit_test(test_connections_past_the_bound_are_refused),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
