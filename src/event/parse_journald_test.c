/*
 * Entries of the journal of systemd as journalctl prints them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "event/parse.h"

static struct arena arena;

static struct event parsed(const char *line, enum parse_outcome outcome)
{
    struct event event;
    struct parse_state state;
    parse_state_init(&state, 0, 2026, 0);
    assert_int_equal(parse_record(parser_find(SV("journald")), &state, sv_of(line), &arena, &event), outcome);
    return event;
}

static void assert_value(const struct event *event, const char *name, const char *value)
{
    struct sv got = event_value(event, name);
    if (!sv_is(got, value))
        print_error("%s is \"%.*s\"\n", name, SV_FMT(got));
    assert_true(sv_is(got, value));
}

static void test_a_message_means_what_it_means_in_syslog(void **state)
{
    struct event event = parsed(
        "{\"__CURSOR\":\"s=1\",\"__REALTIME_TIMESTAMP\":\"1790000000000002\",\"_SOURCE_REALTIME_TIMESTAMP\":"
        "\"1790000000000001\",\"MESSAGE\":\"Failed password for invalid user eve from 192.0.2.1 port 22 "
        "ssh2\","
        "\"SYSLOG_IDENTIFIER\":\"sshd\",\"SYSLOG_FACILITY\":\"10\",\"PRIORITY\":\"6\",\"_PID\":\"7\",\"_"
        "HOSTNAME\":"
        "\"web\",\"_SYSTEMD_UNIT\":\"ssh.service\",\"_UID\":\"0\"}",
        PARSE_OK);
    (void)state;
    assert_value(&event, "event_type", "login_failed");
    assert_value(&event, "source.ip", "192.0.2.1");
    assert_value(&event, "user.name", "eve");
    assert_value(&event, "host.name", "web");
    assert_value(&event, "process.name", "sshd");
    assert_value(&event, "process.pid", "7");
    assert_value(&event, "log.syslog.facility.code", "10");
    assert_value(&event, "_SYSTEMD_UNIT", "ssh.service");
    assert_true(event_logsource_is(event.service, SV("sshd")));
    assert_int_equal(event.time.ns, INT64_C(1790000000000001) * 1000);
}

static void test_what_an_entry_may_lack(void **state)
{
    (void)state;
    struct event event =
        parsed("{\"__REALTIME_TIMESTAMP\":\"1790000000000002\",\"MESSAGE\":\"session opened\","
               "\"_COMM\":\"a b\"}",
               PARSE_OK);
    assert_value(&event, "message", "session opened");
    assert_value(&event, "process.name", "a_b");
    assert_int_equal(event.time.ns, INT64_C(1790000000000002) * 1000);
    event = parsed("{\"MESSAGE\":null,\"__REALTIME_TIMESTAMP\":\"soon\"}", PARSE_OK);
    assert_int_equal(event.time.ns, TC_NO_TIME);
    event = parsed("{}", PARSE_OK);
    parsed("no entry", PARSE_TEXT);
    parsed(" ", PARSE_SKIP);
}

static void test_a_message_of_bytes_is_joined(void **state)
{
    (void)state;
    struct event event = parsed("{\"MESSAGE\":[72, 105,255],\"SYSLOG_IDENTIFIER\":\"x\"}", PARSE_OK);
    assert_value(&event, "message", "Hi\xEF\xBF\xBD");
    parsed("{\"MESSAGE\":[72,1005]}", PARSE_OK);
    parsed("{\"MESSAGE\":[]}", PARSE_OK);
    parsed("{\"MESSAGE\":[[1],2]}", PARSE_OK);
}

static void test_it_is_recognised(void **state)
{
    (void)state;
    assert_string_equal(
        parser_recognise(SV("{\"__CURSOR\":\"s=1\",\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":\"m\"}\n"))
            ->name,
        "journald");
    assert_string_equal(parser_recognise(SV("{\"MESSAGE\":\"m\"}\n"))->name, "json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_means_what_it_means_in_syslog),
        cmocka_unit_test(test_what_an_entry_may_lack),
        cmocka_unit_test(test_a_message_of_bytes_is_joined),
        cmocka_unit_test(test_it_is_recognised),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
