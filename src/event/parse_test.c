/*
 * Recognising formats, the time and source of JSON events, derived fields, and what happens to what no parser
 * understands.
 */
#include "event/parse.h"

#include "event/ecs.h"
#include "event/names.h"
#include "event/parse_json.h"
#include "event/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct event parsed(const char *parser, struct sv raw, enum parse_outcome outcome)
{
    struct event event;
    struct parse_state parse_state;
    parse_state_init(&parse_state, 0, 2026, 0);
    assert_int_equal(parse_record(parser_find(sv_of(parser)), &parse_state, raw, &arena, &event), outcome);
    return event;
}

static struct event parsed_json(const char *text)
{
    return parsed("json", sv_of(text), PARSE_OK);
}

static void assert_value(const struct event *event, const char *name, const char *value)
{
    struct sv got = event_value(event, name);
    if (value == NULL ? got.p != NULL : !sv_is(got, value))
        print_error("%s is \"%.*s\"\n", name, SV_FMT(got));
    assert_true(value == NULL ? got.p == NULL : sv_is(got, value));
}

static void test_find(void **state)
{
    (void)state;
    assert_string_equal(parser_find(SV("ndjson"))->name, "json");
    assert_string_equal(parser_find(SV("json"))->name, "json");
    assert_string_equal(parser_find(SV("sshd"))->name, "sshd");
    assert_string_equal(parser_find(SV("text"))->name, "text");
    assert_null(parser_find(SV("JSON")));
    assert_null(parser_find(SV("")));
}

static void test_recognise(void **state)
{
    (void)state;
    static const struct {
        const char *head, *name;
    } cases[] = {
        {"", "text"},
        {"hello\nworld\n", "text"},
        {"{\"a\":1}\n{\"b\":2}\n", "json"},
        {"\xEF\xBB\xBF \n {\"a\":", "json"},
        {"[\n  {\n", "json"},
        {"[]", "json"},
        {"{\"a\":\n{\"b\":2}\n", "json"},
        {"{broken\n{\"b\":2}\n", "json"},
        {"{foo} bar\n", "text"},
        {"[Sun Dec 04 04:47:44 2005] [error] mod_jk child\n", "apache"},
        {"[1234] starting\n", "text"},
        {"Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186\n", "sshd"},
        {"Jul  1 09:00:55 calvisitor-10-105 kernel[0]: IOThunderbolt\n", "sshd"},
        {"<38>Dec 10 06:55:46 host su: pam\n", "sshd"},
        {"2026-11-21T09:17:26.123456+01:00 host sshd[1]: x\n", "sshd"},
        {"Dec 10 06:55:46 host no colon here\n", "text"},
        {"Foo 10 06:55:46 host sshd[1]: x\n", "text"},
        {"2026-11-21T09:17:26Z INFO something: x y\n", "sshd"},
        {"2026-11-21T09:17:26Z INFO starting up now: x\n", "text"},
        {"2026-11-21T09:17:26+0100 host sshd[1]: x\n", "sshd"},
        {"2026-11-21 09:17:26 host sshd[1]: x\n", "sshd"},
        {"2026-11-21 09:17:26,123 host sshd[1]: x\n", "sshd"},
        {"2026-11-21 09:17:26 INFO server: x\n", "text"},
        {"2026-11-21 09:17:26 UTC [123] LOG:  x\n", "text"},
        {"2026 Dec 10 06:55:46 host sshd[1]: x\n", "sshd"},
        {"Jan 1 06:55:46 host sshd[1]: x\n", "sshd"},
        {"Jan  1 06:55:46.123 host sshd[1]: x\n", "sshd"},
        {"Jan  1 06:55:46 sshd[1]: x\n", "sshd"},
        {"<34>1 2026-11-21T09:17:26Z host sshd 1 - - x\n", "sshd"},
        {"<34>1 - host sshd 1 - - x\n", "sshd"},
        {"\xEF\xBB\xBF"
         "Dec 10 06:55:46 host sshd[1]: x\n",
         "sshd"},
        {"-- Boot 1f --\nDec 10 06:55:46 host sshd[1]: x\n", "sshd"},
        {"# one\n# two\nDec 10 06:55:46 host sshd[1]: x\n", "sshd"},
        {"cut line\nDec 10 06:55:46 host sshd[1]: x\nDec 10 06:55:46 host sshd[1]: x\n", "sshd"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        const char *name = parser_recognise(sv_of(cases[i].head))->name;
        if (strcmp(name, cases[i].name) != 0)
            print_error("%s", cases[i].head);
        assert_string_equal(name, cases[i].name);
    }
}

static void test_recognise_real_files(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name;
    } cases[] = {
        {"../shared/data/loghub/OpenSSH/OpenSSH_2k.log", "sshd"},
        {"../shared/data/loghub/Mac/Mac_2k.log", "sshd"},
        {"../shared/data/loghub/Apache/Apache_2k.log", "apache"},
        {"../shared/data/cloudtrail/sigma-matches.jsonl", "json"},
    };
    char *head = malloc(65536);
    unsigned seen = 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        FILE *file = fopen(cases[i].path, "rb");
        if (file == NULL)
            continue;
        size_t n = fread(head, 1, 65536, file);
        fclose(file);
        assert_string_equal(parser_recognise(sv_make(head, n))->name, cases[i].name);
        seen++;
    }
    free(head);
    if (seen == 0) {
        print_message("skipped: ../shared/data is not there\n");
        skip();
    }
}

static void test_text(void **state)
{
    (void)state;
    struct event event = parsed("text", SV("a line\xFF"), PARSE_OK);
    assert_int_equal(event.flags, EVENT_BAD_UTF8);
    assert_int_equal(event.field_count, 1);
    assert_value(&event, "message", "a line\xEF\xBF\xBD");
    assert_true(event.time.ns == TC_NO_TIME && event.repeat == 1 && event.type == REC_EVENT);
    event = parsed("json", SV("{\"a\":1,\"ip\":\"10.0.0.1\""), PARSE_TEXT);
    assert_int_equal(event.flags, EVENT_TEXT);
    assert_int_equal(event.field_count, 1);
    assert_value(&event, "message", "{\"a\":1,\"ip\":\"10.0.0.1\"");
    parsed("json", SV(" \t\r\n"), PARSE_SKIP);
    parsed("text", SV(""), PARSE_SKIP);
}

static void test_json_event(void **state)
{
    (void)state;
    struct event event = parsed_json("{\"a\":\"b\"}");
    assert_int_equal(event.class, CLASS_SECURITY);
    assert_int_equal(event.flags, 0);
    assert_true(sv_is(event.raw, "{\"a\":\"b\"}"));
    assert_true(event.product.n == 0 && event.category.n == 0 && event.service.n == 0);
    event = parsed_json("{\"logsource\":{\"product\":\"p\",\"category\":\"c\"},\"logsource.service\":\"s\"}");
    assert_true(sv_is(event.product, "p") && sv_is(event.category, "c") && sv_is(event.service, "s"));
    assert_int_equal(event.field_count, 4);
}

static void test_event_time(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int64_t ns;
    } cases[] = {
        {"{\"timestamp\":\"2020-12-10T06:55:46Z\"}", INT64_C(1607583346000000000)},
        {"{\"time\":\"2020-12-10 06:55:46.123\"}", INT64_C(1607583346123000000)},
        {"{\"ts\":1607583346}", INT64_C(1607583346000000000)},
        {"{\"ts\":1607583346.123456789}", INT64_C(1607583346123456789)},
        {"{\"ts\":\"1607583346.1\"}", INT64_C(1607583346100000000)},
        {"{\"ts\":1.6075833461e9}", INT64_C(1607583346100000000)},
        {"{\"ts\":1607583346123}", INT64_C(1607583346123000000)},
        {"{\"ts\":1607583346123.5}", INT64_C(1607583346123500000)},
        {"{\"ts\":1607583346123456}", INT64_C(1607583346123456000)},
        {"{\"ts\":1607583346123456789}", INT64_C(1607583346123456789)},
        {"{\"ts\":1607583346.12345678999}", INT64_C(1607583346123456789)},
        {"{\"ts\":100000000}", INT64_C(100000000000000000)},
        {"{\"TimeCreated\":\"\\/Date(1607583346123)\\/\"}", INT64_C(1607583346123000000)},
        {"{\"Event\":{\"System\":{\"TimeCreated\":{\"#attributes\":{\"SystemTime\":\"2020-12-10T06:55:46Z\"}}"
         "}}}",
         INT64_C(1607583346000000000)},
        {"{\"date\":\"2020-12-10\"}", INT64_C(1607558400000000000)},
        /* not times: durations, huge numbers, words */
        {"{\"time\":35}", TC_NO_TIME},
        {"{\"time\":99999999.9}", TC_NO_TIME},
        {"{\"ts\":-1607583346}", TC_NO_TIME},
        {"{\"ts\":99999999999}", TC_NO_TIME},
        {"{\"ts\":9999999999999999999999}", TC_NO_TIME},
        {"{\"ts\":1e400}", TC_NO_TIME},
        {"{\"time\":\"noon\"}", TC_NO_TIME},
        {"{\"time\":null}", TC_NO_TIME},
        {"{\"a\":1607583346}", TC_NO_TIME},
        /* the first of the table that is a time, wherever it stands */
        {"{\"ts\":1,\"date\":\"2020-12-10\",\"time\":\"soon\"}", INT64_C(1607558400000000000)},
        {"{\"date\":\"2020-12-10\",\"@timestamp\":\"2020-12-10T06:55:46Z\"}", INT64_C(1607583346000000000)},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct event event = parsed_json(cases[i].json);
        if (event.time.ns != cases[i].ns)
            print_error("%s\n", cases[i].json);
        assert_true(event.time.ns == cases[i].ns);
    }
}

static void test_time_zone(void **state)
{
    (void)state;
    struct parse_state parse_state;
    struct event event;
    parse_state_init(&parse_state, 7200, 0, INT64_C(1607583346000000000));
    assert_int_equal(parse_state.year, 2020);
    struct sv local = SV("{\"time\":\"2020-12-10 08:55:46\"}"),
              utc = SV("{\"UtcTime\":\"2020-12-10 06:55:46\"}");
    parse_record(parser_find(SV("json")), &parse_state, local, &arena, &event);
    assert_true(event.time.ns == INT64_C(1607583346000000000));
    parse_record(parser_find(SV("json")), &parse_state, utc, &arena, &event);
    assert_true(event.time.ns == INT64_C(1607583346000000000));
    /* the year that it is there: an hour before midnight UTC of New Year's Eve */
    parse_state_init(&parse_state, 7200, 0, INT64_C(1609455600000000000));
    assert_int_equal(parse_state.year, 2021);
    assert_false(parse_state.year_given);
}

/* Ledger A-02: the authentication events, under whatever name the type is sent. */
static void test_A_02_auth_events(void **state)
{
    (void)state;
    static const char *const names[] = {"type", "event", "action", "eventType", "event_name"};
    static const char *const types[] = {
        "login_success", "login_failed",    "account_locked",  "lockout_attempt_while_locked",
        "token_refresh", "api_key_created", "api_key_revoked", "api_key_used",
        "mfa_enabled",   "PASSWORD_RESET",  "password_reset"};
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++)
        for (size_t j = 0; j < TC_ARRAY_LEN(types); j++) {
            char text[128];
            snprintf(text, sizeof text, "{\"%s\":\"%s\"}", names[i], types[j]);
            struct event event = parsed_json(text);
            assert_value(&event, "event_type", types[j]);
        }
    struct event event = parsed_json("{\"type\":\"something\"}");
    assert_value(&event, "event_type", NULL);
    event = parsed_json("{\"type\":\"login_failed\",\"event_type\":\"mine\"}");
    assert_value(&event, "event_type", "mine");
    assert_value(&event, "event.outcome", "failure");
}

static void test_derived(void **state)
{
    (void)state;
    struct event event = parsed_json(
        "{\"action\":\"logon\",\"result\":\"DENIED\",\"ip\":\"not one\",\"client_ip\":\"2001:db8::1\","
        "\"username\":\"bob\",\"hostname\":\"h1\",\"app\":\"shop\"}");
    assert_value(&event, "event.action", "logon");
    assert_value(&event, "event.outcome", "failure");
    assert_value(&event, "source.ip", "2001:db8::1");
    assert_value(&event, "user.name", "bob");
    assert_value(&event, "host.name", "h1");
    assert_value(&event, "service.name", "shop");
    for (uint32_t i = 0; i < event.field_count; i++)
        assert_int_equal((event.fields[i].flags & FIELD_DERIVED) != 0, i >= 7);
    /* what was sent stays, in either form, whatever its value */
    event = parsed_json("{\"source\":{\"ip\":null},\"ip\":\"10.0.0.1\",\"user.name\":\"\",\"user\":\"x\"}");
    assert_value(&event, "source.ip", "");
    assert_value(&event, "user.name", "");
    assert_int_equal(event.field_count, 5);
    /* objects and dashes are no names */
    event = parsed_json(
        "{\"user\":{\"id\":7},\"account\":\"-\",\"host\":{},\"userIdentity\":{\"userName\":\"u\"}}");
    assert_value(&event, "user.name", "u");
    assert_value(&event, "host.name", NULL);
    event = parsed_json(
        "{\"eventName\":\"GetObject\",\"errorCode\":\"AccessDenied\",\"sourceIPAddress\":\"1.2.3.4\","
        "\"eventSource\":\"s3.amazonaws.com\"}");
    assert_value(&event, "event.outcome", "failure");
    assert_value(&event, "event.action", "GetObject");
    assert_value(&event, "source.ip", "1.2.3.4");
    assert_value(&event, "service.name", "s3.amazonaws.com");
}

static void test_address(void **state)
{
    (void)state;
    static const char *const good[] = {"1.2.3.4", "::1", "[::1]", "::ffff:1.2.3.4", "2001:db8::"};
    static const char *const bad[] = {
        "",          "1.2.3",     "1.2.3.4.5",
        "1.2.3.256", "localhost", "1.2.3.4:80",
        "[]",        "::g",       "1234567890123456789012345678901234567890123456789"};
    for (size_t i = 0; i < TC_ARRAY_LEN(good); i++)
        assert_true(ecs_is_address(sv_of(good[i])));
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++)
        assert_false(ecs_is_address(sv_of(bad[i])));
    assert_false(ecs_is_address(SV("1.2.3.4\0")));
}

/* All limits at once: an event that is full still gets its derived fields. */
static void test_full_event(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_str(&text, "{\"ip\":\"10.0.0.1\",\"user\":\"u\",\"logsource\":{\"product\":\"p\"}");
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, ",\"f%d\":%d", i, i);
    buf_char(&text, '}');
    struct event event = parsed("json", buf_view(&text), PARSE_OK);
    assert_true(event.flags & EVENT_FIELDS_CUT);
    assert_value(&event, "source.ip", "10.0.0.1");
    assert_value(&event, "user.name", "u");
    buf_free(&text);
}

static void test_cut(void **state)
{
    (void)state;
    struct split_record record = {.cut = true, .full_bytes = 2000000, .sha256 = {0xAB}};
    struct event event = parsed("json", SV("{\"a\":\"the first of many"), PARSE_TEXT);
    parse_cut(&record, &arena, &event);
    assert_int_equal(event.flags, EVENT_TEXT | EVENT_CUT);
    assert_value(&event, "tocsin.cut.length", "2000000");
    assert_int_equal(event_value(&event, "tocsin.cut.sha256").n, 64);
    assert_value(&event, "message", "{\"a\":\"the first of many");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_recognise),
        cmocka_unit_test(test_recognise_real_files),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json_event),
        cmocka_unit_test(test_event_time),
        cmocka_unit_test(test_time_zone),
        cmocka_unit_test(test_A_02_auth_events),
        cmocka_unit_test(test_derived),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_full_event),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
