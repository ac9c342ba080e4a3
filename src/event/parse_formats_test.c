/*
 * The parsers of text formats and the recognised JSON dialects, on lines of one's own: what
 * test/e2e/parsers_e2e.py does on real data, here for the corners.
 */
#include "event/dialect.h"
#include "event/parse.h"
#include "event/text_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

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

static struct event parsed(const char *parser, const char *line, enum parse_outcome outcome)
{
    struct event event;
    assert_non_null(parser_find(sv_of(parser)));
    assert_int_equal(parse_record(parser_find(sv_of(parser)), &parse_state, sv_of(line), &arena, &event),
                     outcome);
    return event;
}

static void assert_value(const struct event *event, const char *name, const char *value)
{
    struct sv got = event_value(event, name);
    if (value == NULL ? got.p != NULL : !sv_is(got, value))
        print_error("%s is \"%.*s\"\n", name, SV_FMT(got));
    assert_true(value == NULL ? got.p == NULL : sv_is(got, value));
}

static void assert_time(const struct event *event, const char *rfc3339)
{
    int64_t ns;
    assert_true(clk_parse_rfc3339(sv_of(rfc3339), 0, &ns));
    assert_int_equal(event->time.ns, ns);
}

static void assert_source(const struct event *event, const char *product, const char *category,
                          const char *service)
{
    assert_true(sv_is(event->product, product));
    assert_true(sv_is(event->category, category));
    assert_true(sv_is(event->service, service));
}

static unsigned count_values(const struct event *event, const char *name)
{
    unsigned n = 0;
    const struct field *field = event_find(event, sv_of(name), event_name_hash(sv_of(name)));
    for (; field != NULL; field = event_next(event, field))
        n++;
    return n;
}

/* --- Windows --- */

static void test_evtx(void **state)
{
    (void)state;
    struct event event = parsed("windows",
                                "{\"Event\":{\"#attributes\":{\"xmlns\":\"x\"},\"System\":{\"Provider\":{\"#"
                                "attributes\":{\"Name\":\"Microsoft-Windows-Sysmon\"}},"
                                "\"EventID\":{\"#attributes\":{\"Qualifiers\":0},\"#text\":13},\"Channel\":"
                                "\"Microsoft-Windows-Sysmon/Operational\","
                                "\"Execution\":{\"#attributes\":{\"ProcessID\":7}},\"Computer\":\"pc\"},"
                                "\"EventData\":{\"EventType\":\"SetValue\","
                                "\"Target Object\":\"HKLM\"}}}",
                                PARSE_OK);
    assert_source(&event, "windows", "registry_set,registry_event", "sysmon");
    assert_value(&event, "Provider_Name", "Microsoft-Windows-Sysmon");
    assert_value(&event, "EventID", "13");
    assert_value(&event, "Execution_ProcessID", "7");
    assert_value(&event, "TargetObject", "HKLM");
    assert_value(&event, "host.name", "pc");
    assert_value(&event, "xmlns", NULL);
    assert_int_equal(count_values(&event, "Channel"), 1);
    assert_true(event_find(&event, SV("TargetObject"), event_name_hash(SV("TargetObject")))->flags &
                FIELD_DERIVED);
}

static void test_user_data(void **state)
{
    (void)state;
    struct event event =
        parsed("json",
               "{\"Event\":{\"System\":{\"Provider_Name\":\"x\",\"EventID\":104,\"Channel\":\"System\","
               "\"Computer\":\"pc\"},\"UserData\":{\"LogFileCleared\":{\"#attributes\":{\"xmlns\":\"u\"},"
               "\"SubjectUserName\":\"bob\"}}}}",
               PARSE_OK);
    assert_source(&event, "windows", "none", "system");
    assert_value(&event, "SubjectUserName", "bob");
    assert_value(&event, "user.name", "bob");
}

static void test_windows_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *json, *category, *service;
    } cases[] = {
        {"{\"Channel\":\"security\",\"EventID\":4688,\"Hostname\":\"h\",\"NewProcessName\":\"a\"}", "none",
         "security"},
        {"{\"winlog\":{\"channel\":\"Microsoft-Windows-PowerShell/"
         "Operational\",\"event_id\":\"4104\",\"provider_name\":\"p\","
         "\"event_data\":{\"ScriptBlockText\":\"x\"}}}",
         "ps_script", "powershell"},
        {"{\"log_name\":\"Windows PowerShell\",\"event_id\":400,\"source_name\":\"PowerShell\"}",
         "ps_classic_start", "powershell-classic"},
        {"{\"Channel\":\"ForwardedEvents\",\"EventID\":1,\"SourceName\":\"Microsoft-Windows-Sysmon\"}",
         "process_creation", "sysmon"},
        {"{\"Channel\":\"Application\",\"EventID\":1,\"SourceName\":\"Microsoft-Windows-Sysmon\"}", "none",
         "application"},
        {"{\"Channel\":\"Directory Service\",\"EventID\":1,\"Computer\":\"c\"}", "none", "Directory Service"},
        {"{\"Channel\":\"a\",\"EventID\":\"x\",\"Computer\":\"c\"}", "", ""},
        {"{\"Channel\":\"a\",\"EventID\":1}", "", ""},
        {"{\"Channel\":{\"a\":1},\"EventID\":1,\"Computer\":\"c\"}", "", ""},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct event event = parsed("json", cases[i].json, PARSE_OK);
        assert_source(&event, cases[i].service[0] == '\0' ? "" : "windows", cases[i].category,
                      cases[i].service);
    }
}

static void test_sent_logsource_wins(void **state)
{
    (void)state;
    struct event event = parsed(
        "json", "{\"logsource.product\":\"mine\",\"Channel\":\"Security\",\"EventID\":1,\"Computer\":\"c\"}",
        PARSE_OK);
    assert_source(&event, "mine", "", "");
}

/* More members than may be derived: the event stays whole, the rest keeps its own name. */
static void test_windows_many_fields(void **state)
{
    (void)state;
    char json[64 << 10];
    int n = snprintf(json, sizeof json,
                     "{\"Event\":{\"System\":{\"EventID\":1,\"Channel\":\"Security\",\"Computer\":\"c\"},"
                     "\"EventData\":{\"a\":1");
    for (int i = 0; i < 1900; i++)
        n += snprintf(json + n, sizeof json - (size_t)n, ",\"f%d\":1", i);
    snprintf(json + n, sizeof json - (size_t)n, "}}}");
    struct event event = parsed("json", json, PARSE_OK);
    assert_source(&event, "windows", "none", "security");
    assert_value(&event, "Event.EventData.f1899", "1");
    assert_value(&event, "f0", "1");
}

static void test_dialects(void **state)
{
    (void)state;
    static const struct {
        const char *json, *product, *service;
    } cases[] = {
        {"{\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"a\",\"awsRegion\":\"x\"}", "aws",
         "cloudtrail"},
        {"{\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"a\",\"eventVersion\":\"1\"}", "aws",
         "cloudtrail"},
        {"{\"eventSource\":\"mine\",\"eventName\":\"a\",\"eventVersion\":\"1\"}", "", ""},
        {"{\"auditID\":\"1\",\"apiVersion\":\"audit.k8s.io/v1\",\"verb\":\"get\"}", "kubernetes", "audit"},
        {"{\"protoPayload\":{\"@type\":\"type.googleapis.com/google.cloud.audit.AuditLog\"}}", "gcp",
         "gcp.audit"},
        {"{\"resourceId\":\"/tenants/1\",\"operationName\":\"o\",\"category\":\"SignInLogs\"}", "azure",
         "signinlogs"},
        {"{\"resourceId\":\"/SUBSCRIPTIONS/1\",\"operationName\":\"o\",\"category\":\"Administrative\"}",
         "azure", "activitylogs"},
        {"{\"resourceId\":7,\"operationName\":\"o\",\"category\":\"shoes\"}", "", ""},
        {"{\"_document_id\":\"1\",\"action\":\"repo.create\",\"actor\":\"a\"}", "github", "audit"},
        {"{\"action\":\"login\",\"actor\":\"a\"}", "", ""},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct event event = parsed("json", cases[i].json, PARSE_OK);
        assert_true(sv_is(event.product, cases[i].product) && sv_is(event.service, cases[i].service));
    }
}

static void test_logsource_words(void **state)
{
    (void)state;
    assert_true(event_logsource_is(SV("registry_set,registry_event"), SV("Registry_Event")));
    assert_true(event_logsource_is(SV("sysmon"), SV("sysmon")));
    assert_false(event_logsource_is(SV("registry_set,registry_event"), SV("registry")));
    assert_false(event_logsource_is(SV(""), SV("sysmon")));
}

/* --- text --- */

static void test_access(void **state)
{
    (void)state;
    struct event event = parsed("nginx",
                                "192.0.2.1 - alice [10/Oct/2000:13:55:36 -0700] \"GET /a/b?x=1&y=\\\"2 "
                                "HTTP/1.1\" 404 12 \"-\" \"curl/8\"",
                                PARSE_OK);
    assert_source(&event, "", "webserver", "nginx");
    assert_time(&event, "2000-10-10T20:55:36Z");
    assert_value(&event, "source.ip", "192.0.2.1");
    assert_value(&event, "user.name", "alice");
    assert_value(&event, "url.path", "/a/b");
    assert_value(&event, "cs-uri-stem", "/a/b");
    assert_value(&event, "cs-uri-query", "x=1&y=\\\"2");
    assert_int_equal(count_values(&event, "cs-uri-query"), 2);
    assert_value(&event, "sc-status", "404");
    assert_value(&event, "cs-user-agent", "curl/8");
    assert_value(&event, "cs-referer", NULL);
}

static void test_access_odd(void **state)
{
    (void)state;
    struct event event =
        parsed("apache", "::1 - - [10/Oct/2000:13:55:36 +0000] \"\\x16\\x03\" 400 -", PARSE_OK);
    assert_value(&event, "source.ip", "::1");
    assert_value(&event, "http.request.line", "\\x16\\x03");
    assert_value(&event, "http.response.body.bytes", NULL);
    event = parsed(
        "apache",
        "www.example.org:443 192.0.2.9 - John Smith [10/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.0\" 200 1",
        PARSE_OK);
    assert_value(&event, "source.ip", "192.0.2.9");
    assert_value(&event, "cs-host", "www.example.org");
    assert_value(&event, "user.name", "John Smith");
    event =
        parsed("nginx", "192.0.2.1 - - [99/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1", PARSE_TEXT);
    assert_true(event.flags & EVENT_TEXT);
    parsed("nginx", "", PARSE_SKIP);
}

static void test_web_errors(void **state)
{
    (void)state;
    struct event event =
        parsed("nginx",
               "2022/04/02 15:45:23 [error] 8#9: *15950 open() failed (2: No such file), client: 192.0.2.1, "
               "server: a.example, request: \"GET /x HTTP/1.1\", host: \"b.example\"",
               PARSE_OK);
    assert_value(&event, "message", "open() failed (2: No such file)");
    assert_value(&event, "source.ip", "192.0.2.1");
    assert_value(&event, "url.path", "/x");
    assert_value(&event, "cs-host", "b.example");
    event = parsed("apache",
                   "[Sun Dec 04 04:47:44.250 2005] [core:error] [pid 1:tid 2] [client 2001:db8::1:4711] no",
                   PARSE_OK);
    assert_time(&event, "2005-12-04T04:47:44.25Z");
    assert_value(&event, "log.level", "error");
    assert_value(&event, "source.port", "4711");
    assert_value(&event, "source.ip", "2001:db8::1");
}

static void test_pairs(void **state)
{
    (void)state;
    struct event event =
        parsed("logfmt",
               "time=2026-01-02T03:04:05Z level=info msg=\"a \\\"b\\\"\\nc\" done n=1.5 id=007 e=", PARSE_OK);
    assert_time(&event, "2026-01-02T03:04:05Z");
    assert_value(&event, "msg", "a \"b\"\nc");
    assert_value(&event, "done", "true");
    assert_int_equal(event_find(&event, SV("n"), event_name_hash(SV("n")))->type, FIELD_NUMBER);
    assert_int_equal(event_find(&event, SV("id"), event_name_hash(SV("id")))->type, FIELD_STRING);
    assert_value(&event, "e", "");
    event = parsed("kv", "user=alice, action='log in'; src=192.0.2.3", PARSE_OK);
    assert_value(&event, "action", "log in");
    assert_value(&event, "source.ip", "192.0.2.3");
    parsed("logfmt", "no pair at all", PARSE_TEXT);
    parsed("kv", "= = =", PARSE_TEXT);
}

static void test_cef(void **state)
{
    (void)state;
    struct event event = parsed("cef",
                                "<13>Sep 29 08:26:10 fw CEF:0|V|P\\|Q|1|100|n|5|src=192.0.2.1 msg=a b\\=c "
                                "act=blocked cs1=x cs1Label=Rule Name",
                                PARSE_OK);
    assert_time(&event, "2026-09-29T08:26:10Z");
    assert_value(&event, "deviceProduct", "P|Q");
    assert_value(&event, "msg", "a b=c");
    assert_value(&event, "event.action", "blocked");
    assert_value(&event, "Rule Name", "x");
    assert_value(&event, "source.ip", "192.0.2.1");
    event = parsed("cef", "CEF:0|V|P|1|1|n|5|rt=1600000000000 src=a", PARSE_OK);
    assert_time(&event, "2020-09-13T12:26:40Z");
    parsed("cef", "CEF:0|V|P|1", PARSE_TEXT);
}

static void test_auditd(void **state)
{
    (void)state;
    struct event event = parsed(
        "auditd", "node=h type=EXECVE msg=audit(1451781471.394:7): argc=2 a0=\"cat\" a1=2F6574632F7368 61",
        PARSE_OK);
    assert_source(&event, "linux", "none", "auditd");
    assert_time(&event, "2016-01-03T00:37:51.394Z");
    assert_value(&event, "a1", "/etc/sh");
    assert_value(&event, "host.name", "h");
    event = parsed("auditd",
                   "type=USER_LOGIN msg=audit(1451781471.394:8): pid=1 msg='op=login acct=\"bob\" "
                   "addr=192.0.2.1 res=failed'",
                   PARSE_OK);
    assert_value(&event, "user.name", "bob");
    assert_value(&event, "source.ip", "192.0.2.1");
    assert_value(&event, "event.outcome", "failure");
    event = parsed("auditd",
                   "type=SYSCALL msg=audit(1451781471.394:9): a0=10 exe=\"/bin/x\"\x1D"
                   "SYSCALL=execve",
                   PARSE_OK);
    assert_int_equal(event_find(&event, SV("a0"), event_name_hash(SV("a0")))->type, FIELD_STRING);
    assert_value(&event, "SYSCALL", "execve");
    parsed("auditd", "type=SYSCALL msg=audit(x:9): a0=10", PARSE_TEXT);
}

static void test_syslog(void **state)
{
    (void)state;
    struct event event = parsed(
        "syslog", "<34>1 2026-01-02T03:04:05Z h app 7 id [x@1 k=\"v\\\"w\"] {\"user\":\"bob\",\"n\":1}",
        PARSE_OK);
    assert_time(&event, "2026-01-02T03:04:05Z");
    assert_value(&event, "log.syslog.facility.code", "4");
    assert_value(&event, "log.syslog.severity.code", "2");
    assert_value(&event, "log.syslog.structured_data.x@1.k", "v\"w");
    assert_value(&event, "user.name", "bob");
    assert_value(&event, "host.name", "h");
    event = parsed("syslog", "Jan  2 03:04:05 h sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2",
                   PARSE_OK);
    assert_value(&event, "event_type", "login_failed");
    event = parsed("syslog", "Jan  2 03:04:05 h fw: {not json", PARSE_OK);
    assert_value(&event, "message", "{not json");
}

static void test_aws(void **state)
{
    (void)state;
    struct event event = parsed(
        "vpcflow", "2 123456789012 eni-1 192.0.2.1 192.0.2.2 1 443 6 48 21 1669842701 1669842702 ACCEPT OK",
        PARSE_OK);
    assert_value(&event, "destination.port", "443");
    assert_int_equal(event_find(&event, SV("account_id"), event_name_hash(SV("account_id")))->type,
                     FIELD_STRING);
    parsed("vpcflow", "srcaddr dstaddr action", PARSE_SKIP);
    event = parsed("vpcflow", "192.0.2.1 - REJECT", PARSE_OK);
    assert_value(&event, "source.ip", "192.0.2.1");
    assert_value(&event, "dstaddr", NULL);
    parsed("vpcflow", "192.0.2.1 REJECT", PARSE_TEXT);
    parsed("alb", "http 2018-11-30T22:23:00Z app", PARSE_TEXT);
}

static void test_times(void **state)
{
    (void)state;
    int64_t ns, wanted;
    assert_true(clk_parse_rfc3339(SV("2021-03-01T12:00:19Z"), 0, &wanted));
    static const char *const same[] = {"01/Mar/2021:12:00:19 +0000", "01/Mar/2021:14:00:19 +0200",
                                       "Mon Mar  1 12:00:19 2021",   "2021/03/01 12:00:19",
                                       "Mar 01 2021 12:00:19 UTC",   "1614600019"};
    for (size_t i = 0; i < TC_ARRAY_LEN(same); i++) {
        assert_true(text_event_time(sv_of(same[i]), 0, &ns));
        assert_int_equal(ns, wanted);
    }
    static const char *const none[] = {"", "31/Feb/2021:12:00:19 +0000", "01/Mar/2021:12:00",
                                       "2021/03/01 25:00:00", "x"};
    for (size_t i = 0; i < TC_ARRAY_LEN(none); i++)
        assert_false(text_event_time(sv_of(none[i]), 0, &ns));
}

static void test_recognise(void **state)
{
    (void)state;
    static const struct {
        const char *head, *parser;
    } cases[] = {
        {"CEF:0|V|P|1|1|n|5|src=a\n", "cef"},
        {"Sep 29 08:26:10 fw CEF:0|V|P|1|1|n|5|src=a\n", "cef"},
        {"Sep 29 08:26:10 fw sshd[1]: CEF: 1\n", "sshd"},
        {"type=SYSCALL msg=audit(1.0:1): a=b\n", "auditd"},
        {"2022/04/02 15:45:23 [error] 8#9: x\n", "nginx"},
        {"192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1\n", "nginx"},
        {"version account-id interface-id\n", "vpcflow"},
        {"level=info msg=x\n", "text"},
        {"a b c d\n192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1\nx\n", "text"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++)
        assert_string_equal(parser_recognise(sv_of(cases[i].head))->name, cases[i].parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evtx),
        cmocka_unit_test(test_user_data),
        cmocka_unit_test(test_windows_shapes),
        cmocka_unit_test(test_sent_logsource_wins),
        cmocka_unit_test(test_windows_many_fields),
        cmocka_unit_test(test_dialects),
        cmocka_unit_test(test_logsource_words),
        cmocka_unit_test(test_access),
        cmocka_unit_test(test_access_odd),
        cmocka_unit_test(test_web_errors),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_cef),
        cmocka_unit_test(test_auditd),
        cmocka_unit_test(test_syslog),
        cmocka_unit_test_setup(test_aws, setup),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_recognise),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
