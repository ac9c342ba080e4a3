/*
 * Calendars: hours, holidays and time zones through both changes of the clock (C-89), how rules ask them, how
 * explanations show them, and what is refused at its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/calendar.h"
#include "detect/detect_testkit.h"
#include "detect/explain.h"

#include <string.h>
#include <unistd.h>

#define CALENDAR                                                                                             \
    "calendar: office\ntime_zone: Europe/Berlin\n"                                                           \
    "hours:\n  monday-friday: [\"08:00-12:00\", \"13:00-18:00\"]\n  saturday: \"22:00-02:30\"\n"             \
    "holidays: [2026-12-25, \"01-01\", 2026-12-28..2026-12-31]\n---\n"
#define RULE                                                                                                 \
    "title: AFTER_HOURS_ACCESS\nid: r\nlogsource: {product: any}\ndetection:\n  access:\n"                   \
    "    sensitive: true\n  hours:\n    '@timestamp|expand': '%office%'\n  condition: access and not "       \
    "hours\n"

static void skip_without_database(void)
{
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0)
        return;
    print_message("skipped: no time zone database (package tzdata)\n");
    skip();
}

static struct event at(struct kit *kit, const char *time, const char *json)
{
    struct event event = kit_event(kit, json);
    assert_true(clk_parse_rfc3339(sv_of(time), 0, &event.time.ns));
    event.product = SV("any");
    return event;
}

static void test_C_89_after_hours_in_the_calendars_time_zone(void **state)
{
    static const struct {
        const char *time;
        bool fires;
    } cases[] = {
        {"2026-07-01T21:00:00Z", true},         /* 23:00 in Berlin */
        {"2026-07-01T08:00:00Z", false},        /* 10:00 */
        {"2026-07-01T05:59:59Z", true},         /* 07:59:59 in summer */
        {"2026-07-01T06:00:00Z", false},        /* 08:00 */
        {"2026-01-07T06:30:00Z", true},         /* 07:30 in winter */
        {"2026-01-07T07:00:00Z", false},        /* 08:00 */
        {"2026-07-01T12:30:00+02:00", true},    /* lunch */
        {"2026-07-01T18:00:00+02:00", true},    /* the end is not in it */
        {"2026-07-01T17:59:59.9+02:00", false}, /* but what is before it */
        {"2026-07-04T10:00:00+02:00", true},    /* Saturday */
        {"2026-07-04T23:00:00+02:00", false},   /* its night shift */
        {"2026-07-05T02:29:00+02:00", false},   /* which goes on into Sunday */
        {"2026-07-05T02:30:00+02:00", true},
        {"2026-12-25T10:00:00+01:00", true}, /* a holiday, a Friday */
        {"2026-12-30T10:00:00+01:00", true}, /* one of several in a row */
        {"2027-01-01T10:00:00+01:00", true}, /* of every year */
        {"2027-01-04T10:00:00+01:00", false},
        {"2027-01-01T00:30:00Z", true}, /* the holiday is the local day */
        {"2026-12-24T23:30:00Z", true},
        {"1969-12-31T10:00:00Z", false}, /* a Wednesday before the epoch */
    };
    struct kit kit = {0};
    (void)state;
    skip_without_database();
    kit_load(&kit, CALENDAR RULE);
    kit_show_notes(&kit);
    assert_int_equal(1, ruleset_count(kit.set));
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct event event = at(&kit, cases[i].time, "{\"sensitive\":true}");
        if (rule_matches(&kit.set->rules[0], &event, kit.scratch) != cases[i].fires)
            fail_msg("%s", cases[i].time);
        event = at(&kit, cases[i].time, "{\"sensitive\":false}");
        assert_false(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    }
    kit_free(&kit);
}

/* The night shift of Saturday lies over the change of Sunday: what the wall shows counts. */
static void test_C_89_the_clock_is_changed(void **state)
{
    static const struct {
        const char *time;
        bool fires;
    } cases[] = {
        {"2026-10-25T00:15:00Z", false}, /* 02:15 CEST */
        {"2026-10-25T00:45:00Z", true},  /* 02:45 CEST */
        {"2026-10-25T01:15:00Z", false}, /* 02:15 CET: the hour comes twice, and is open twice */
        {"2026-10-25T01:45:00Z", true},  {"2026-03-29T00:59:00Z", false}, /* 01:59 CET */
        {"2026-03-29T01:00:00Z", true},  /* 03:00 CEST: 02:00 to 02:30 never came */
        {"2026-03-30T06:00:00Z", false}, /* Monday 08:00 in summer already */
        {"2026-10-26T06:30:00Z", true},  /* Monday 07:30 in winter again */
    };
    struct kit kit = {0};
    (void)state;
    skip_without_database();
    kit_load(&kit, CALENDAR RULE);
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct event event = at(&kit, cases[i].time, "{\"sensitive\":true}");
        if (rule_matches(&kit.set->rules[0], &event, kit.scratch) != cases[i].fires)
            fail_msg("%s", cases[i].time);
    }
    kit_free(&kit);
}

static void test_C_89_the_time_zone_of_the_person(void **state)
{
    static const char rules[] = "calendar: office\ntime_zone: Europe/Berlin\n"
                                "time_zone_of: {field: user.zone, known: [America/New_York, Asia/Kolkata]}\n"
                                "hours: {monday-friday: \"08:00-18:00\"}\n---\n" RULE;
    static const struct {
        const char *json;
        bool fires;
    } cases[] = {/* Wednesday 08:00 UTC: 10:00 in Berlin, 04:00 in New York, 13:30 in Kolkata */
                 {"{\"sensitive\":true}", false},
                 {"{\"sensitive\":true,\"user\":{\"zone\":\"America/New_York\"}}", true},
                 {"{\"sensitive\":true,\"user\":{\"zone\":\"Asia/Kolkata\"}}", false},
                 {"{\"sensitive\":true,\"user\":{\"zone\":\"../../etc/passwd\"}}", false}};
    struct kit kit = {0};
    (void)state;
    skip_without_database();
    kit_load(&kit, rules);
    kit_show_notes(&kit);
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct event event = at(&kit, "2026-07-01T08:00:00Z", cases[i].json);
        if (rule_matches(&kit.set->rules[0], &event, kit.scratch) != cases[i].fires)
            fail_msg("%s", cases[i].json);
    }
    kit_free(&kit);
}

static void test_the_time_of_receipt_stands_in_and_no_time_is_in_no_hours(void **state)
{
    static const char rules[] = "calendar: office\nhours: {monday-sunday: \"08:00-09:00\"}\n---\n" RULE;
    struct kit kit = {0};
    (void)state;
    kit_load(&kit, rules);
    struct event event = at(&kit, "2026-07-01T08:30:00Z", "{\"sensitive\":true}");
    assert_false(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    event.flags |= EVENT_SUSPECT_TIME;
    event.received.ns = event.time.ns + 3600 * TC_SECOND_NS;
    assert_true(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    event.time.ns = TC_NO_TIME;
    event.received.ns = 0;
    assert_true(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    event.time.ns = INT64_MAX;
    (void)rule_matches(&kit.set->rules[0], &event, kit.scratch);
    event.time.ns = INT64_MIN + 1;
    (void)rule_matches(&kit.set->rules[0], &event, kit.scratch);
    kit_free(&kit);
}

/* D-17: over weekends, holidays one by one and in a row, and both changes of the clock. */
static void test_D_17_the_next_working_day(void **state)
{
    static const struct {
        const char *now, *begins;
    } cases[] = {
        {"2026-11-20T10:00:00+01:00", "2026-11-21T21:00:00Z"}, /* Friday: on Saturday is a night shift */
        {"2026-11-21T10:00:00+01:00", "2026-11-23T07:00:00Z"}, /* Sunday's hours are that night's */
        {"2026-11-22T23:59:59+01:00", "2026-11-23T07:00:00Z"},
        {"2026-11-23T00:00:00+01:00", "2026-11-24T07:00:00Z"}, /* never the same day */
        {"2026-12-24T12:00:00+01:00", "2026-12-26T21:00:00Z"}, /* the 25th, a Friday, is a holiday */
        {"2026-12-26T12:00:00+01:00", "2027-01-02T21:00:00Z"}, /* 28 to 31, and the first of every year */
        {"2027-03-27T12:00:00+01:00", "2027-03-29T06:00:00Z"}, /* summer begins on the Sunday */
        {"2026-10-24T12:00:00+02:00", "2026-10-26T07:00:00Z"}, /* and ends */
    };
    struct kit kit = {0};
    (void)state;
    skip_without_database();
    kit_load(&kit, CALENDAR RULE);
    const struct calendar *calendar = ruleset_calendar(kit.set, SV("office"));
    assert_non_null(calendar);
    assert_null(ruleset_calendar(kit.set, SV("offic")));
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        int64_t now_ns, begins_ns;
        char text[TC_RFC3339_MAX];
        assert_true(clk_parse_rfc3339(sv_of(cases[i].now), 0, &now_ns));
        assert_true(calendar_next_working_day(calendar, now_ns, &begins_ns));
        clk_rfc3339(begins_ns, text);
        assert_string_equal(text, cases[i].begins);
    }
    int64_t ns;
    (void)calendar_next_working_day(calendar, INT64_MAX, &ns);
    (void)calendar_next_working_day(calendar, INT64_MIN, &ns);
    kit_free(&kit);
    kit_load(
        &kit,
        "calendar: office\nhours: {monday-sunday: \"00:00-24:00\"}\nholidays: [2026-11-22]\n---\n"
        "calendar: never\nhours: {monday: \"08:00-09:00\"}\nholidays: [2000-01-01..2099-12-31]\n---\n" RULE);
    assert_true(clk_parse_rfc3339(SV("2026-11-21T10:00:00Z"), 0, &ns));
    assert_true(calendar_next_working_day(ruleset_calendar(kit.set, SV("office")), ns, &ns));
    char text[TC_RFC3339_MAX];
    clk_rfc3339(ns, text);
    assert_string_equal(text, "2026-11-23T00:00:00Z"); /* around the clock: at midnight */
    assert_false(calendar_next_working_day(ruleset_calendar(kit.set, SV("never")), ns, &ns));
    kit_free(&kit);
}

static void note_step(void *context, const struct explain_step *step)
{
    struct buf *out = context;
    if (step->kind == EXPLAIN_LINE)
        buf_printf(out, "%c %.*s: %s [%.*s]\n", step->holds ? '+' : '-', SV_FMT(step->text), step->why,
                   SV_FMT(step->value));
}

static void test_explain_shows_the_local_time_and_why(void **state)
{
    struct kit kit = {0};
    struct buf out;
    (void)state;
    skip_without_database();
    kit_load(&kit, CALENDAR RULE);
    buf_init(&out, 1 << 16);
    struct event event = at(&kit, "2026-12-25T21:00:00Z", "{\"sensitive\":true}");
    assert_true(explain_rule(kit.set, 0, &event, note_step, &out));
    event = at(&kit, "2026-07-01T21:00:00Z", "{\"sensitive\":true}");
    assert_true(explain_rule(kit.set, 0, &event, note_step, &out));
    event = at(&kit, "2026-07-01T09:00:00Z", "{\"sensitive\":true}");
    assert_false(explain_rule(kit.set, 0, &event, note_step, &out));
    buf_char(&out, '\0');
    assert_non_null(
        strstr(out.p, "- @timestamp|expand: a holiday of the calendar [Fri 2026-12-25 22:00 CET]"));
    assert_non_null(
        strstr(out.p, "- @timestamp|expand: outside of the calendar's hours [Wed 2026-07-01 23:00 CEST]"));
    assert_non_null(
        strstr(out.p, "+ @timestamp|expand: the calendar is open then [Wed 2026-07-01 11:00 CEST]"));
    buf_free(&out);
    kit_free(&kit);
}

/* With the index and without: a leaf that is about no field gives no clause. */
static void test_a_rule_of_a_calendar_alone_is_always_a_candidate(void **state)
{
    static const char rules[] = "calendar: office\nhours: {monday-sunday: \"08:00-09:00\"}\n---\n"
                                "title: t\nid: i\nlogsource: {product: any}\ndetection:\n  h:\n"
                                "    '@timestamp|expand': '%office%'\n  condition: h\n";
    struct kit kit = {0};
    (void)state;
    kit_load(&kit, rules);
    for (int hour = 7; hour < 10; hour++) {
        struct sv time = arena_printf(&kit.arena, "2026-07-01T%02d:30:00Z", hour);
        struct event event = at(&kit, time.p, "{\"a\":1}");
        const uint32_t *ordinals;
        match_scratch_forget(kit.scratch);
        assert_int_equal(1, rule_candidates(kit.set, &event, kit.scratch, &ordinals));
        assert_int_equal(hour == 8, rule_matches(&kit.set->rules[0], &event, kit.scratch));
    }
    kit_free(&kit);
}

static void test_ones_own_calendar_takes_the_place_of_a_packs(void **state)
{
    struct rule_source sources[] = {
        {SV("a.yml"), SV("calendar: office\nhours: {monday: \"00:00-24:00\"}\n"), .in_pack = true},
        {SV("b.yml"), SV("calendar: office\nhours: {tuesday: \"00:00-24:00\"}\n"), .in_pack = false},
        {SV("c.yml"), SV(RULE), .in_pack = false}};
    struct kit kit = {.scratch = match_scratch_new()};
    struct err err;
    (void)state;
    assert_int_equal(0, ruleset_new(sources, TC_ARRAY_LEN(sources), &kit.set, &err));
    assert_string_equal("", kit_refusal(&kit));
    struct event event = at(&kit, "2026-06-29T10:00:00Z", "{\"sensitive\":true}"); /* a Monday */
    assert_true(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    event = at(&kit, "2026-06-30T23:59:00Z", "{\"sensitive\":true}");
    assert_false(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    ruleset_free(&kit.set);
    sources[1].in_pack = true;
    assert_int_equal(0, ruleset_new(sources, TC_ARRAY_LEN(sources), &kit.set, &err));
    assert_string_equal("calendar", kit_refusal(&kit));
    kit_free(&kit);
}

static void refuses(const char *yaml, const char *construct, unsigned line)
{
    struct kit kit = {0};
    kit_load(&kit, yaml);
    if (strcmp(kit_refusal(&kit), construct) != 0)
        fail_msg("%s\n%s", yaml, kit_refusal(&kit));
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++)
        if (ruleset_note(kit.set, i)->verdict == RULE_REFUSED) {
            assert_int_equal(line, ruleset_note(kit.set, i)->err.line);
            assert_true(ruleset_note(kit.set, i)->err.column > 0);
            break;
        }
    kit_free(&kit);
}

static void test_what_is_wrong_is_refused_at_its_place(void **state)
{
    (void)state;
#define HOURS "hours: {monday: \"08:00-18:00\"}\n"
    refuses("calendar: a\n", "calendar", 1);
    refuses("calendar: a b\n" HOURS, "calendar", 1);
    refuses("calendar: a\nhours: {moonday: \"08:00-18:00\"}\n", "calendar", 2);
    refuses("calendar: a\nhours: {monday: \"8-18\"}\n", "calendar", 2);
    refuses("calendar: a\nhours: {monday: \"24:00-25:00\"}\n", "calendar", 2);
    refuses("calendar: a\nhours: {monday: []}\n", "calendar", 2);
    refuses("calendar: a\nholliday: []\n" HOURS, "calendar", 2);
    refuses("calendar: a\n" HOURS "holidays: [2026-02-30]\n", "calendar", 3);
    refuses("calendar: a\n" HOURS "holidays: [\"13-01\"]\n", "calendar", 3);
    refuses("calendar: a\n" HOURS "holidays: [2026-12-31..2026-12-01]\n", "calendar", 3);
    refuses("calendar: a\n" HOURS "time_zone: Europe/Atlantis\n", "calendar", 3);
    refuses("calendar: a\n" HOURS "time_zone_of: {field: x}\n", "calendar", 3);
    refuses("calendar: a\n" HOURS "---\ncalendar: a\n" HOURS, "calendar", 4);
#define ASK(line)                                                                                            \
    "calendar: a\n" HOURS "---\ntitle: t\nlogsource: {product: x}\ndetection:\n  s:\n    " line              \
    "\n  condition: s\n"
    refuses(ASK("start|expand: '%a%'"), "calendar", 8);
    refuses(ASK("'@timestamp|contains|expand': '%a%'"), "calendar", 8);
    refuses(ASK("'@timestamp|expand': ['%a%', x]"), "calendar", 8);
    refuses(ASK("'@timestamp|expand': 'before %a%'"), "calendar", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_89_after_hours_in_the_calendars_time_zone),
        cmocka_unit_test(test_C_89_the_clock_is_changed),
        cmocka_unit_test(test_C_89_the_time_zone_of_the_person),
        cmocka_unit_test(test_D_17_the_next_working_day),
        cmocka_unit_test(test_the_time_of_receipt_stands_in_and_no_time_is_in_no_hours),
        cmocka_unit_test(test_explain_shows_the_local_time_and_why),
        cmocka_unit_test(test_a_rule_of_a_calendar_alone_is_always_a_candidate),
        cmocka_unit_test(test_ones_own_calendar_takes_the_place_of_a_packs),
        cmocka_unit_test(test_what_is_wrong_is_refused_at_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
