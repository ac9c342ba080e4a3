/*
 * Times of syslog lines: forms, zones, and the rules of the year.
 */
#include "event/syslog_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int64_t at(const char *rfc3339)
{
    int64_t ns;
    assert_true(clk_parse_rfc3339(sv_of(rfc3339), 0, &ns));
    return ns;
}

static struct parse_state file_of(const char *modified, int year, int zone_offset_s)
{
    struct parse_state state;
    parse_state_init(&state, zone_offset_s, year, at(modified));
    return state;
}

/* The time of `line` is `expected` (RFC 3339; NULL: no time) and its stamp is `bytes` long. */
static void expect(struct parse_state *state, const char *line, size_t bytes, const char *expected)
{
    int64_t ns = 42;
    char text[TC_RFC3339_MAX] = "none";
    assert_int_equal(syslog_time_scan(state, sv_of(line), &ns), bytes);
    if (bytes == 0) {
        assert_int_equal(ns, 42);
        return;
    }
    if (ns != TC_NO_TIME)
        clk_rfc3339(ns, text);
    assert_string_equal(text, expected == NULL ? "none" : expected);
}

static void test_forms(void **state)
{
    (void)state;
    struct parse_state s = file_of("2015-12-20T00:00:00Z", 0, 0);
    expect(&s, "Dec 10 06:55:46 LabSZ sshd[1]: x", 15, "2015-12-10T06:55:46Z");
    expect(&s, "Dec  1 06:55:46 LabSZ", 15, "2015-12-01T06:55:46Z");
    expect(&s, "Dec 1 06:55:46 LabSZ", 14, "2015-12-01T06:55:46Z");
    expect(&s, "Dec 01 06:55:46", 15, "2015-12-01T06:55:46Z");
    expect(&s, "Dec 10 06:55:46.25 LabSZ", 18, "2015-12-10T06:55:46.25Z");
    expect(&s, "Dec 10 06:55:46: LabSZ", 15, "2015-12-10T06:55:46Z");
    expect(&s, "Dec 10 2013 06:55:46 x", 20, "2013-12-10T06:55:46Z");
    expect(&s, "2013 Dec 10 06:55:46 x", 20, "2013-12-10T06:55:46Z");
    expect(&s, "2013-12-10T06:55:46Z x", 20, "2013-12-10T06:55:46Z");
    expect(&s, "2013-12-10T06:55:46.5+02:00 x", 27, "2013-12-10T04:55:46.5Z");
    expect(&s, "2013-12-10 06:55:46 x", 19, "2013-12-10T06:55:46Z");
}

static void test_what_is_no_stamp(void **state)
{
    (void)state;
    struct parse_state s = file_of("2015-12-20T00:00:00Z", 0, 0);
    static const char *const lines[] = {"",
                                        "Dec",
                                        "Dec 10",
                                        "Dec 10 06:55",
                                        "Dez 10 06:55:46 x",
                                        "Dec 10 24:00:00 x",
                                        "Dec 10 06:60:00 x",
                                        "Dec 10 06:00:61 x",
                                        "Dec 32 06:00:00 x",
                                        "Dec 00 06:00:00 x",
                                        "Dec 10 06:55:46x y",
                                        "Dec x0 06:55:46 x",
                                        "dec 10 06:55:46 x",
                                        "2013-13-10T06:55:46Z x",
                                        "Failed password for root",
                                        "Dec 10 aa:bb:cc x",
                                        "2013 Dec",
                                        "20135Dec 10 06:55:46 x",
                                        "Dec 10 2013 06:5"};
    for (size_t i = 0; i < TC_ARRAY_LEN(lines); i++)
        expect(&s, lines[i], 0, NULL);
    assert_int_equal(s.last_ns, TC_NO_TIME);
    expect(&s, "Apr 31 06:00:00 x", 15, NULL); /* a stamp of a day that never was */
}

static void test_zone(void **state)
{
    (void)state;
    struct parse_state s = file_of("2015-12-31T23:30:00Z", 0, 3600);
    expect(&s, "Jan  1 00:20:00 x", 15,
           "2015-12-31T23:20:00Z"); /* the year is that of the zone: 2016 there */
    s = file_of("2015-12-20T00:00:00Z", 0, 3600);
    expect(&s, "Dec 10 06:55:46 x", 15, "2015-12-10T05:55:46Z");
    expect(&s, "2015-12-10T06:55:46-01:00 x", 25, "2015-12-10T07:55:46Z");
    expect(&s, "2015-12-10T06:55:46 x", 19, "2015-12-10T05:55:46Z");
}

static void test_year_from_the_modification_time(void **state)
{
    (void)state;
    struct parse_state s = file_of("2015-03-10T12:00:00Z", 0, 0);
    expect(&s, "Mar 11 12:00:00 x", 15, "2015-03-11T12:00:00Z"); /* exactly 24 h after it still counts */
    s = file_of("2015-03-10T12:00:00Z", 0, 0);
    expect(&s, "Mar 11 12:00:01 x", 15, "2014-03-11T12:00:01Z");
    s = file_of("2015-03-10T12:00:00Z", 0, 0);
    expect(&s, "Dec 10 06:55:46 x", 15, "2014-12-10T06:55:46Z");
}

static void test_new_year_inside_a_file(void **state)
{
    (void)state;
    struct parse_state s = file_of("2015-01-05T00:00:00Z", 0, 0);
    expect(&s, "Dec 31 23:59:59 x", 15, "2014-12-31T23:59:59Z");
    expect(&s, "Jan  1 00:00:01 x", 15, "2015-01-01T00:00:01Z");
    expect(&s, "Dec 31 23:59:58 x", 15, "2014-12-31T23:59:58Z"); /* a straggler */
    expect(&s, "Jan  1 00:00:02 x", 15, "2015-01-01T00:00:02Z");
}

static void test_given_year_and_steps_back(void **state)
{
    (void)state;
    struct parse_state s = file_of("2026-11-21T00:00:00Z", 2014, 0);
    expect(&s, "Dec 10 06:55:46 x", 15, "2014-12-10T06:55:46Z");
    expect(&s, "Jan  7 17:13:28 x", 15, "2015-01-07T17:13:28Z");
    s = file_of("2026-11-21T00:00:00Z", 2014, 0);
    expect(&s, "Jul  1 00:00:00 x", 15, "2014-07-01T00:00:00Z");
    expect(&s, "Jan  2 00:00:00 x", 15, "2014-01-02T00:00:00Z"); /* 180 days: no new year */
    s = file_of("2026-11-21T00:00:00Z", 2014, 0);
    expect(&s, "Jul  1 00:00:01 x", 15, "2014-07-01T00:00:01Z");
    expect(&s, "Jan  2 00:00:00 x", 15, "2015-01-02T00:00:00Z"); /* 180 days and a second */
    s = file_of("2010-01-01T00:00:00Z", 2014, 0);                /* a given year does not look at the file */
    expect(&s, "Dec 10 06:55:46 x", 15, "2014-12-10T06:55:46Z");
}

static void test_live_source_whose_modified_time_stands_still(void **state)
{
    (void)state;
    struct parse_state s = file_of("2026-11-21T10:00:00Z", 0, 0);
    expect(&s, "Nov 21 10:00:00 x", 15, "2026-11-21T10:00:00Z");
    expect(&s, "Nov 25 10:00:00 x", 15, "2026-11-25T10:00:00Z");
    expect(&s, "Jan  2 10:00:00 x", 15, "2027-01-02T10:00:00Z");
    expect(&s, "Nov 30 10:00:00 x", 15, "2026-11-30T10:00:00Z"); /* late by a month, not early by eleven */
}

static void test_more_than_a_year_in_a_file(void **state)
{
    (void)state;
    struct parse_state s = file_of("2014-01-10T00:00:00Z", 0, 0);
    expect(&s, "Nov 20 00:00:00 x", 15, "2013-11-20T00:00:00Z");
    expect(&s, "Jan  5 00:00:00 x", 15, "2014-01-05T00:00:00Z");
}

static void test_leap_day(void **state)
{
    (void)state;
    struct parse_state s = file_of("2016-12-20T00:00:00Z", 0, 0);
    expect(&s, "Feb 29 12:00:00 x", 15, "2016-02-29T12:00:00Z");
    s = file_of("2017-01-20T00:00:00Z", 0, 0);
    expect(&s, "Feb 29 12:00:00 x", 15, "2016-02-29T12:00:00Z");
    s = file_of("2017-01-20T00:00:00Z", 2015, 0);
    expect(&s, "Feb 29 12:00:00 x", 15, "2016-02-29T12:00:00Z");
    s = file_of("2017-01-20T00:00:00Z", 2014, 0);
    expect(&s, "Feb 29 12:00:00 x", 15, NULL);
    expect(&s, "Mar  1 12:00:00 x", 15, "2014-03-01T12:00:00Z");
}

static void test_times_at_the_edge_of_what_fits(void **state)
{
    (void)state;
    struct parse_state s;
    parse_state_init(&s, -86400, 2262, INT64_MAX);
    expect(&s, "Dec 31 23:59:59 x", 15, NULL);
    parse_state_init(&s, 86400, 0, INT64_MIN + 1);
    int64_t ns;
    assert_int_equal(syslog_time_scan(&s, SV("Dec 31 23:59:59 x"), &ns), 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_what_is_no_stamp),
        cmocka_unit_test(test_zone),
        cmocka_unit_test(test_year_from_the_modification_time),
        cmocka_unit_test(test_new_year_inside_a_file),
        cmocka_unit_test(test_given_year_and_steps_back),
        cmocka_unit_test(test_live_source_whose_modified_time_stands_still),
        cmocka_unit_test(test_more_than_a_year_in_a_file),
        cmocka_unit_test(test_leap_day),
        cmocka_unit_test(test_times_at_the_edge_of_what_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
