/*
 * Tests of the bounds on connections: deadlines by a clock that is told, addresses, and that a socket is
 * really shut down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/connections.h"
#include "base/clk.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

static struct sockaddr_in v4(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
    return address;
}

static void test_one_address_cannot_take_all(void **state)
{
    struct connections c;
    struct sockaddr_in one = v4("203.0.113.7"), other = v4("203.0.113.8"), local = v4("127.0.0.1");
    struct connection *last = NULL;
    (void)state;
    connections_init(&c);
    for (int i = 0; i < TC_API_PER_ADDRESS; i++) {
        assert_true(connections_admit(&c, (const struct sockaddr *)&one));
        last = connections_add(&c, -1, (const struct sockaddr *)&one, 0);
        connections_add(&c, -1, (const struct sockaddr *)&local, 0);
    }
    assert_false(connections_admit(&c, (const struct sockaddr *)&one));
    assert_true(connections_admit(&c, (const struct sockaddr *)&other));
    assert_true(connections_admit(&c, (const struct sockaddr *)&local)); /* a proxy's */
    assert_int_equal(c.refused, 1);
    connections_remove(&c, last);
    assert_true(connections_admit(&c, (const struct sockaddr *)&one));
    connections_fini(&c);
}

struct open {
    struct connections c;
    struct connection *one;
    int pair[2];
};

static void begin(struct open *o)
{
    struct sockaddr_in address = v4("127.0.0.1");
    connections_init(&o->c);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, o->pair), 0);
    o->one = connections_add(&o->c, o->pair[0], (const struct sockaddr *)&address, 0);
}

static bool is_cut(struct open *o, int64_t at_s)
{
    char byte;
    connections_sweep(&o->c, at_s * TC_SECOND_NS);
    return recv(o->pair[1], &byte, 1, MSG_DONTWAIT) == 0;
}

static void end(struct open *o)
{
    connections_fini(&o->c);
    close(o->pair[0]);
    close(o->pair[1]);
}

static void test_a_head_has_its_time(void **state)
{
    struct open o;
    (void)state;
    begin(&o);
    assert_false(is_cut(&o, TC_API_HEAD_TIME_S - 1));
    assert_true(is_cut(&o, TC_API_HEAD_TIME_S));
    assert_true(is_cut(&o, TC_API_HEAD_TIME_S + 1));
    assert_int_equal(o.c.timed_out, 1);
    end(&o);
}

static void test_a_body_must_come_at_a_rate(void **state)
{
    struct open o;
    (void)state;
    begin(&o);
    connections_stage(&o.c, o.one, CONNECTION_BODY, 5 * TC_SECOND_NS);
    connections_bytes(&o.c, o.one, 20 * TC_API_BODY_RATE);
    assert_false(is_cut(&o, 5 + 20));
    assert_true(is_cut(&o, 5 + 21)); /* 20 KiB in 21 s */
    end(&o);
}

static void test_one_that_waits_for_us_is_not_cut(void **state)
{
    struct open o;
    (void)state;
    begin(&o);
    connections_stage(&o.c, o.one, CONNECTION_ANSWER, 0);
    assert_false(is_cut(&o, 100000)); /* a stream */
    connections_stage(&o.c, o.one, CONNECTION_KEPT, 100000 * TC_SECOND_NS);
    assert_false(is_cut(&o, 100000 + TC_API_KEPT_TIME_S - 1));
    assert_true(is_cut(&o, 100000 + TC_API_KEPT_TIME_S));
    end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_address_cannot_take_all),
        cmocka_unit_test(test_a_head_has_its_time),
        cmocka_unit_test(test_a_body_must_come_at_a_rate),
        cmocka_unit_test(test_one_that_waits_for_us_is_not_cut),
    };
    return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
