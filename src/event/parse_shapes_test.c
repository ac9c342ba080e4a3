/*
 * Shapes of logs that are seldom met and still meant: each line here is one that a real writer writes.
 */
#include "event/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;
static struct parse_state parse_state;

static int setup(void **state)
{
    (void)state;
    parse_state_init(&parse_state, 0, 2026, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

struct expected {
    const char *name, *value; /* NULL: absent */
};

static struct event check(const char *parser, const char *line, const struct expected *expected)
{
    struct event event;
    const struct parser *found = parser_find(sv_of(parser));
    assert_non_null(found);
    if (parse_record(found, &parse_state, sv_of(line), &arena, &event) != PARSE_OK)
        fail_msg("%s: text", line);
    for (; expected->name != NULL; expected++) {
        struct sv got = event_value(&event, expected->name);
        if (expected->value == NULL ? got.p != NULL : !sv_is(got, expected->value))
            fail_msg("%s: %s is \"%.*s\"", line, expected->name, SV_FMT(got));
    }
    return event;
}

#define CHECK(parser, line, ...) check(parser, line, (const struct expected[]){__VA_ARGS__, {NULL, NULL}})

static bool has_time(const struct event *event, const char *rfc3339)
{
    int64_t ns;
    return clk_parse_rfc3339(sv_of(rfc3339), 0, &ns) && event->time.ns == ns;
}

static void test_A_04_syslog_without_a_header(void **state)
{
    (void)state;
    struct event event = CHECK("syslog", "<34>prog[7]: hello", {"process.name", "prog"}, {"process.pid", "7"},
                               {"message", "hello"}, {"log.syslog.facility.code", "4"}, {"host.name", NULL});
    assert_int_equal(event.time.ns, TC_NO_TIME);
    CHECK("syslog", "<13>only words here", {"message", "only words here"}, {"process.name", NULL});
    CHECK("syslog", "<34>1234: x", {"message", "x"});
    struct event text;
    assert_int_equal(parse_record(parser_find(SV("syslog")), &parse_state, SV("<999>prog: x"), &arena, &text),
                     PARSE_TEXT); /* no priority */
    assert_int_equal(parse_record(parser_find(SV("syslog")), &parse_state,
                                  SV("<34>1 2026-13-11T22:14:15Z host app - - - x"), &arena, &text),
                     PARSE_TEXT);
}

static void test_A_04_cisco(void **state)
{
    (void)state;
    static const char said[] = "%SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)";
    static const char *const heads[] = {
        "<189>29: *Mar  1 18:46:11: ", "<189>29: .Mar  1 18:46:11 UTC: ",
        "<189>000029: Mar  1 18:46:11.000 CEST: ", "<189>29: r1: Mar  1 18:46:11: ",
        "<189>29: r1: 30: *Mar  1 18:46:11: "};
    for (size_t i = 0; i < TC_ARRAY_LEN(heads); i++) {
        struct sv line = arena_printf(&arena, "%s%s", heads[i], said);
        struct event event = CHECK("syslog", line.p, {"message", said}, {"log.syslog.severity.code", "5"},
                                   {"host.name", i > 2 ? "r1" : NULL});
        assert_true(has_time(&event, "2026-03-01T18:46:11Z"));
        assert_true(sv_is(event.product, "cisco"));
    }
    struct event event = CHECK("syslog", "<189>Mar  1 18:46:11 r1 %SYS-5-CONFIG_I: x", {"host.name", "r1"});
    assert_true(sv_is(event.product, "cisco"));
    event = CHECK("syslog", "<189>Mar  1 18:46:11 h 100%-5-x", {"host.name", "h"});
    assert_true(sv_is(event.product, "linux"));
}

static void test_A_04_message_id(void **state)
{
    (void)state;
    CHECK("syslog", "<34>1 2026-10-11T22:14:15Z h su 123 ID47 - x", {"log.syslog.msgid", "ID47"},
          {"message", "x"});
    CHECK("syslog", "<34>1 2026-10-11T22:14:15Z h su - - [a@1 k=\"v\"] x", {"log.syslog.msgid", NULL},
          {"log.syslog.structured_data.a@1.k", "v"});
}

static void test_A_06_windows_data_elements(void **state)
{
    (void)state;
    struct event event = CHECK("windows",
                               "{\"Event\":{\"System\":{\"Provider\":{\"@Name\":\"Microsoft-Windows-Sysmon\"}"
                               ",\"EventID\":\"1\",\"TimeCreated\":"
                               "{\"@SystemTime\":\"2026-10-11T22:14:15Z\"},\"Channel\":\"Microsoft-Windows-"
                               "Sysmon/Operational\",\"Computer\":"
                               "\"pc\"},\"EventData\":{\"Data\":[{\"@Name\":\"Image\",\"#text\":\"C:\\\\x."
                               "exe\"},{\"@Name\":\"Empty\"},"
                               "{\"#text\":\"nameless\"},{\"@Name\":\"User\",\"#text\":\"bob\"}]}}}",
                               {"Provider_Name", "Microsoft-Windows-Sysmon"}, {"Image", "C:\\x.exe"},
                               {"User", "bob"}, {"Empty", NULL});
    assert_true(sv_is(event.category, "process_creation"));
    assert_true(has_time(&event, "2026-10-11T22:14:15Z"));
    event = CHECK(
        "windows",
        "{\"Event\":{\"System\":{\"Provider_attributes\":{\"Name\":\"Microsoft-Windows-Sysmon\"},\"EventID\":"
        "1,"
        "\"TimeCreated_attributes\":{\"SystemTime\":\"2026-10-11T22:14:15Z\"},\"Channel\":"
        "\"Microsoft-Windows-Sysmon/Operational\",\"Computer\":\"pc\"},\"EventData\":{\"Image\":\"x\"}}}",
        {"Provider_Name", "Microsoft-Windows-Sysmon"}, {"Image", "x"});
    assert_true(has_time(&event, "2026-10-11T22:14:15Z"));
    event = CHECK(
        "windows",
        "{\"Event\":{\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"X\"}},\"EventID\":1,\"Channel\":"
        "\"Security\",\"Computer\":\"pc\"},\"EventData\":{\"Data\":{\"#attributes\":{\"Name\":\"One\"},\"#"
        "text\":1}}}}",
        {"One", "1"});
    CHECK("windows",
          "{\"TimeCreated\":\"/Date(1760220855123)/"
          "\",\"Id\":4625,\"LogName\":\"Security\",\"ProviderName\":\"P\"}",
          {"EventID", "4625"}, {"Channel", "Security"}, {"Provider_Name", "P"});
}

static void test_A_06_journal_fields_that_are_lists(void **state)
{
    (void)state;
    CHECK("journald",
          "{\"_HOSTNAME\":\"h\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"_PID\":[\"12\",\"13\"],\"MESSAGE\":["
          "\"Failed password for "
          "root from 192.0.2.1 port 22 ssh2\",\"b\"]}",
          {"process.pid", "12"}, {"source.ip", "192.0.2.1"}, {"event_type", "login_failed"});
    CHECK("journald", "{\"_HOSTNAME\":\"h\",\"SYSLOG_IDENTIFIER\":\"x\",\"MESSAGE\":null}",
          {"process.name", "x"}, {"host.name", "h"});
    CHECK("journald", "{\"SYSLOG_IDENTIFIER\":[\"x\",\"y\"],\"MESSAGE\":[72,105]}", {"process.name", "x"},
          {"message", "Hi"});
}

static void test_A_06_addresses_in_brackets(void **state)
{
    (void)state;
    CHECK("alb",
          "h2 2026-07-02T22:23:00.186641Z app/lb/1 [2001:db8::1]:2817 [2001:db8::2]:80 0.0 0.0 0.0 200 200 "
          "34 366 "
          "\"GET https://www.example.com:443/ HTTP/2.0\" \"curl\" - - - \"Root=1-5\" \"d.example\" \"-\" 0 "
          "2026-07-02T22:22:48.364000Z \"forward\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\" TID_1",
          {"source.ip", "2001:db8::1"}, {"source.port", "2817"}, {"target", "2001:db8::2"},
          {"target_port", "80"});
    CHECK("json", "{\"client_ip\":\"[2001:db8::1]\"}", {"source.ip", "2001:db8::1"},
          {"client_ip", "[2001:db8::1]"});
}

static void test_A_06_other_corners(void **state)
{
    (void)state;
    CHECK("logfmt", "uni=\"\\u00e9 \\ud83d\\ude00 \\ud83d x \\u12\" b=1",
          {"uni", "\xC3\xA9 \xF0\x9F\x98\x80 ud83d x u12"}, {"b", "1"});
    CHECK("apache", "192.0.2.1 - \"\" [11/Oct/2026:22:14:15 +0200] \"GET / HTTP/1.0\" 401 5",
          {"source.ip", "192.0.2.1"}, {"user.name", NULL}, {"http.response.status_code", "401"});
    CHECK("cef", "<34>Oct 11 22:14:15 fw CEF:0|V|P|1|2|N|Low|src=192.0.2.1", {"host.name", "fw"},
          {"source.ip", "192.0.2.1"});
    CHECK("cef", "Oct 11 22:14:15 relay CEF:0|V|P|1|2|N|Low|dvchost=fw rt=1760220855000",
          {"host.name", "fw"});
    CHECK("auditd",
          "type=EXECVE msg=audit(1760220860.001:107): argc=2 a0=\"x\" a1_len=12 a1[0]=666F6F a1[1]=\"bar\"",
          {"a1_len", "12"}, {"a1[0]", "foo"}, {"a1[1]", "bar"});
    CHECK("auditd",
          "node=web type=USER_LOGIN msg=audit(1760220856.000:102): pid=1 msg='op=login acct=\"bob\" "
          "hostname=peer "
          "addr=192.0.2.1 res=failed'",
          {"host.name", "web"}, {"hostname", "peer"});
    CHECK("auditd",
          "type=USER_LOGIN msg=audit(1760220856.000:102): pid=1 msg='op=login hostname=peer res=failed'",
          {"host.name", NULL});
}

/* Very many parameters: memory as the message is long, not as its square. */
static void test_many_parameters_of_structured_data_take_little(void **state)
{
    (void)state;
    enum { PARAMETERS = 4000 };
    static const char end[] = " k=\"\\\\\\\"\" e=\"\\";
    char line[64 + PARAMETERS * 6 + sizeof end];
    size_t n = (size_t)snprintf(line, sizeof line, "<34>1 - h app 7 id [x@1");
    for (size_t i = 0; i < PARAMETERS; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, " a=\"b\"");
    n += (size_t)snprintf(line + n, sizeof line - n, "%s", end);
    struct event event;
    assert_int_equal(parse_record(parser_find(SV("syslog")), &parse_state, sv_make(line, n), &arena, &event),
                     PARSE_OK);
    assert_true(arena.used_bytes < 200 * n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_A_04_syslog_without_a_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_A_04_cisco, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_parameters_of_structured_data_take_little, setup, teardown),
        cmocka_unit_test_setup_teardown(test_A_04_message_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_A_06_windows_data_elements, setup, teardown),
        cmocka_unit_test_setup_teardown(test_A_06_journal_fields_that_are_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_A_06_addresses_in_brackets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_A_06_other_corners, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
