/*
 * Parser files: what they declare is what events get, and what is wrong is told with its place.
 */
#include "event/parser_file.h"

#include "event/time_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct parser_library *library_of(const char *text)
{
    struct parser_source source = {"t.yml", sv_of(text)};
    struct parser_library *library = NULL;
    struct err err = {0};
    if (parser_library_new(&source, 1, NULL, 0, &library, &err) != 0)
        print_error("%s:%u:%u: %s\n", err.file, err.line, err.column, err.text);
    assert_non_null(library);
    return library;
}

static struct event parsed(struct parser_library *library, const char *line, enum parse_outcome outcome)
{
    const struct parser *parser;
    struct parse_state state;
    struct event event;
    parse_state_init(&state, 0, 2026, 0);
    assert_int_equal(parser_library_find(library, SV("demo"), &parser, NULL), 0);
    assert_int_equal(parse_record(parser, &state, sv_of(line), &arena, &event), outcome);
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

static void test_patterns(void **state)
{
    (void)state;
    struct parser_library *library = library_of(
        "name: demo\n"
        "kind: pattern\n"
        "version: 7\n"
        "logsource: {product: linux, service: demo}\n"
        "time: {formats: ['%Y-%m-%d %H:%M:%S'], zone: '+02:00'}\n"
        "outcome: failure\n"
        "fields: {code: {field: error.code, type: number}}\n"
        "definitions: {PRE: '^(?<time>\\S+ \\S+) '}\n"
        "patterns:\n"
        "  - {event: login_failed, regex: '%{PRE}(?<user>.*) failed from %{ADDRESS} (?<code>\\d+)$'}\n"
        "  - {event: bye, outcome: success, starts: bye, set: {reason: asked}}\n");
    struct event event = parsed(library, "2026-01-02 03:04:05 eve failed from ::ffff:192.0.2.1 7", PARSE_OK);
    assert_value(&event, "user.name", "eve");
    assert_value(&event, "source.ip", "192.0.2.1");
    assert_value(&event, "source.domain", NULL);
    assert_value(&event, "error.code", "7");
    assert_value(&event, "event_type", "login_failed");
    assert_value(&event, "event.outcome", "failure");
    assert_value(&event, "logsource.service", "demo");
    assert_int_equal(event.parser_version, 7);
    assert_time(&event, "2026-01-02T01:04:05Z");
    event = parsed(library, "2026-01-02 03:04:05 eve failed from host.example 7", PARSE_OK);
    assert_value(&event, "source.domain", "host.example");
    assert_value(&event, "source.ip", NULL);
    event = parsed(library, "bye bye", PARSE_OK);
    assert_value(&event, "event.outcome", "success");
    assert_value(&event, "reason", "asked");
    event = parsed(library, "something else", PARSE_TEXT);
    assert_true(event.flags & EVENT_TEXT);
    assert_value(&event, "message", "something else");
    parsed(library, "  ", PARSE_SKIP);
    parser_library_free(&library);
}

static void test_inside_syslog(void **state)
{
    (void)state;
    struct parser_library *library =
        library_of("name: demo\nkind: pattern\ninside: syslog\nprograms: [demod]\n"
                   "patterns:\n"
                   "  - {event: no, regex: '^no (?<user>\\w+)$'}\n"
                   "  - {event: line, of: line, regex: '^LINE (?<user>\\w+)$'}\n");
    struct event event = parsed(library, "Feb  3 04:05:06 h demod[7]: no eve", PARSE_OK);
    assert_value(&event, "event_type", "no");
    assert_value(&event, "user.name", "eve");
    assert_value(&event, "host.name", "h");
    assert_value(&event, "process.pid", "7");
    assert_time(&event, "2026-02-03T04:05:06Z");
    event = parsed(library, "Feb  3 04:05:06 h other[7]: no eve", PARSE_OK);
    assert_value(&event, "event_type", NULL);
    assert_value(&event, "message", "no eve");
    event = parsed(library, "LINE eve", PARSE_OK);
    assert_value(&event, "event_type", "line");
    parsed(library, "no eve", PARSE_TEXT);
    event = parsed(library, "Feb  3 04:05:06 h sshd[7]: Failed password for a from 192.0.2.1 port 1 ssh2",
                   PARSE_OK);
    assert_value(&event, "event_type", "login_failed"); /* the built-in patterns still speak */
    parser_library_free(&library);
}

static void test_json(void **state)
{
    (void)state;
    struct parser_library *library =
        library_of("name: demo\nkind: json\nlogsource: {product: shop}\n"
                   "time: {from: [when.at, at], formats: [epoch, rfc3339]}\n"
                   "set: {event.category: authentication}\n"
                   "fields:\n"
                   "  source.ip: [client.ip, peer]\n"
                   "  event.outcome: {from: ok, values: {'true': success, 'false': failure}}\n"
                   "  user.name: who\n");
    struct event event = parsed(library,
                                "{\"when\":{\"at\":1767322845},\"peer\":\"[2001:db8::1]\",\"ok\":false,"
                                "\"user.name\":\"sent\",\"who\":\"x\"}",
                                PARSE_OK);
    assert_value(&event, "source.ip", "2001:db8::1");
    assert_value(&event, "event.outcome", "failure");
    assert_value(&event, "user.name", "sent"); /* what was sent is never replaced */
    assert_value(&event, "event.category", "authentication");
    assert_value(&event, "logsource.product", "shop");
    assert_value(&event, "ok", "false");
    assert_time(&event, "2026-01-02T03:00:45Z");
    parsed(library, "no JSON", PARSE_TEXT);
    parser_library_free(&library);
}

static void test_include(void **state)
{
    (void)state;
    struct parser_library *library =
        library_of("name: one\nkind: pattern\nlogsource: {service: one}\npatterns: [{event: a, starts: a}]\n"
                   "---\nname: demo\nkind: pattern\nlogsource: {service: two}\ninclude: one\n"
                   "patterns: [{event: b, starts: b}]\n");
    struct event event = parsed(library, "a", PARSE_OK);
    assert_value(&event, "logsource.service", "one");
    event = parsed(library, "b", PARSE_OK);
    assert_value(&event, "logsource.service", "two");
    assert_int_equal(parser_library_count(library), 2);
    parser_library_free(&library);
}

static void test_a_hostile_pattern_is_bounded(void **state)
{
    (void)state;
    struct parser_library *library =
        library_of("name: demo\nkind: pattern\npatterns: [{regex: '^(a|aa|aaa)+$'}]\n");
    char line[4096];
    memset(line, 'a', sizeof line - 1);
    line[sizeof line - 2] = 'b';
    line[sizeof line - 1] = '\0';
    parsed(library, line, PARSE_TEXT);
    assert_int_equal(parser_library_limit_hits(library), 1);
    parser_library_free(&library);
}

static void test_bad_files_tell_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } cases[] = {
        {"kind: pattern\n", 1, 1, "needs a name"},
        {"name: demo\n", 1, 1, "needs a kind"},
        {"name: demo\nkind: patern\n", 2, 7, "pattern or json"},
        {"name: demo\nkind: pattern\n", 1, 1, "needs `patterns`"},
        {"name: demo\nkind: pattern\npaterns: []\n", 3, 1, "patterns"},
        {"name: nginx\nkind: pattern\npatterns: [{starts: a}]\n", 1, 7, "built-in"},
        {"name: a b\nkind: pattern\npatterns: [{starts: a}]\n", 1, 7, "letters"},
        {"name: demo\nkind: pattern\npatterns:\n  - regex: 'a('\n", 4, 12, "parenthesis"},
        {"name: demo\nkind: pattern\npatterns:\n  - regex: '%{NO}'\n", 4, 12, "not defined"},
        {"name: demo\nkind: pattern\ntime: {formats: ['%q']}\npatterns: [{starts: a}]\n", 3, 17,
         "unknown letter"},
        {"name: demo\nkind: pattern\npatterns: [{name: a}]\n", 3, 12, "needs a regex"},
        {"name: demo\nkind: pattern\noutcome: fine\npatterns: [{starts: a}]\n", 3, 10, "success, failure"},
        {"name: demo\nkind: pattern\ninclude: demo\n", 3, 10, "itself"},
        {"name: demo\nkind: pattern\ninclude: nobody\n", 3, 10, "no parser nobody"},
        {"name: a\nkind: pattern\npatterns: [{starts: a}]\n---\nname: a\nkind: json\n", 5, 7, "already"},
        {"name: demo\nkind: json\npatterns: []\n", 3, 1, "patterns"},
        {"- 1\n", 1, 1, "map"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct parser_source source = {"t.yml", sv_of(cases[i].text)};
        struct parser_library *library = NULL;
        struct err err = {0};
        assert_int_equal(parser_library_new(&source, 1, NULL, 0, &library, &err), TC_EINPUT);
        if (err.line != cases[i].line || err.column != cases[i].column ||
            strstr(err.text, cases[i].says) == NULL)
            print_error("case %zu: %s:%u:%u: %s\n", i, err.file, err.line, err.column, err.text);
        assert_string_equal(err.file, "t.yml");
        assert_int_equal(err.line, cases[i].line);
        assert_int_equal(err.column, cases[i].column);
        assert_non_null(strstr(err.text, cases[i].says));
    }
}

static void test_examples(void **state)
{
    (void)state;
    static const char good[] = "name: demo\nkind: pattern\npatterns: [{regex: '^a (?<user>.*)'}]\nexamples:\n"
                               "  - {line: a bc, fields: {user.name: bc, nothing: null}}\n"
                               "  - {line: else, text: true}\n";
    static const char bad[] = "name: demo\nkind: pattern\npatterns: [{regex: '^a (?<user>.*)'}]\nexamples:\n"
                              "  - line: a bc\n    fields: {user.name: x}\n";
    struct parser_library *library = library_of(good);
    struct err err = {0};
    size_t count;
    assert_int_equal(parser_library_check(library, &count, &err), 0);
    assert_int_equal(count, 2);
    parser_library_free(&library);
    library = library_of(bad);
    assert_int_equal(parser_library_check(library, &count, &err), TC_EINPUT);
    assert_int_equal(err.line, 5);
    assert_non_null(strstr(err.text, "user.name is \"bc\", not \"x\""));
    parser_library_free(&library);
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *form, *text, *time; /* time NULL: not read */
    } cases[] = {
        {"%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"},
        {"%Y-%m-%d %H:%M:%S", "2000-01-02 03:04:05,678", "2000-01-02T03:04:05.678Z"},
        {"%F %T.%f%Z", "2000-01-02 03:04:05.5+02:00", "2000-01-02T01:04:05.5Z"},
        {"%m/%d/%y %I:%M:%S %p", "12/31/99 12:00:01 AM", "1999-12-31T00:00:01Z"},
        {"%D %I:%M %p", "12/31/68 1:30 pm", "2068-12-31T13:30:00Z"},
        {"%A %d %B %Y %H:%M", "Sunday  5 March 2000 06:07", "2000-03-05T06:07:00Z"},
        {"%b %e %H:%M:%S", "Mar  5 06:07:08", "2026-03-05T06:07:08Z"},
        {"%s.%f", "1386543323.25", "2013-12-08T22:55:23.25Z"},
        {"%H%%%M %d", "06%07 5", "2026-01-05T06:07:00Z"},
        {"epoch", "1386543323250", "2013-12-08T22:55:23.25Z"},
        {"rfc3339", "2000-01-02T03:04:05+01:00", "2000-01-02T02:04:05Z"},
        {"auto", "Sun Dec 04 04:47:44 2005", "2005-12-04T04:47:44Z"},
        {"%Y-%m-%d %H:%M:%S", "2000-02-30 00:00:00", NULL},
        {"%Y-%m-%d %H:%M:%S", "2000-01-02 03:04:05 x", NULL},
        {"%Y-%m-%d %H:%M:%S", "", NULL},
        {"%b %e %H:%M:%S", "Foo  5 06:07:08", NULL},
        {"%s", "99999999999999999999", NULL},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct parse_state zone;
        int64_t got = 0, wanted = 0;
        parse_state_init(&zone, 0, 2026, 0);
        assert_int_equal(time_format_check(sv_of(cases[i].form), NULL), 0);
        bool read = time_format_read(sv_of(cases[i].form), sv_of(cases[i].text), &zone, &got);
        if (read != (cases[i].time != NULL))
            print_error("%s: %s\n", cases[i].form, cases[i].text);
        assert_int_equal(read, cases[i].time != NULL);
        if (!read)
            continue;
        assert_true(clk_parse_rfc3339(sv_of(cases[i].time), 0, &wanted));
        if (got != wanted)
            print_error("%s: %s\n", cases[i].form, cases[i].text);
        assert_int_equal(got, wanted);
    }
    assert_int_equal(time_format_check(SV("%Y"), NULL), TC_EINPUT);
    assert_int_equal(time_format_check(SV("%d %H %"), NULL), TC_EINPUT);
    assert_true(time_format_lacks_year(SV("%b %d %H")));
    assert_false(time_format_lacks_year(SV("%F %T")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns),
                                       cmocka_unit_test(test_inside_syslog),
                                       cmocka_unit_test(test_json),
                                       cmocka_unit_test(test_include),
                                       cmocka_unit_test(test_a_hostile_pattern_is_bounded),
                                       cmocka_unit_test(test_bad_files_tell_the_place),
                                       cmocka_unit_test(test_examples),
                                       cmocka_unit_test(test_times)};
    return cmocka_run_group_tests(tests, NULL, teardown);
}
