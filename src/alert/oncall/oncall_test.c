/*
 * Who is on call (D-18): rotations across both changes of the clocks, layers, hours, overrides, calendars in
 * and out, gaps; whom a step of a policy tells (D-10 to D-12); what a file must not say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "alert/oncall/oncall.h"

#include <stdio.h>
#include <stdlib.h>

static const char team[] = "people:\n"
                           "  anna: {name: Anna Berg, contacts: [{channel: mail, address: anna@example.com}, "
                           "{channel: sms, address: '+491'}]}\n"
                           "  ben: {contacts: [{channel: mail, address: ben@example.com}]}\n"
                           "  carla: {contacts: [{channel: voice, address: '+493'}, {channel: pager}]}\n"
                           "schedules:\n"
                           "  weekly:\n"
                           "    timezone: Europe/Berlin\n"
                           "    layers: [{people: [anna, ben], start: 2026-01-05T09:00, every: 1w}]\n"
                           "  nightly:\n"
                           "    timezone: Europe/Berlin\n"
                           "    layers: [{people: [anna, ben, carla], start: 2026-01-01T02:30, every: 1d}]\n"
                           "  layered:\n"
                           "    timezone: Europe/Berlin\n"
                           "    layers:\n"
                           "      - {name: base, people: [anna], start: 2026-01-05T00:00, every: 1w}\n"
                           "      - {name: nights, people: [ben], start: 2026-01-05T00:00, every: 1w, "
                           "restrict: [{from: '22:00', to: '06:00'}]}\n"
                           "      - {name: weekend, people: [carla], start: 2026-01-05T00:00, every: 1w, "
                           "restrict: [{days: [sat, sun]}]}\n"
                           "  office:\n"
                           "    timezone: Europe/Berlin\n"
                           "    layers: [{people: [anna], start: 2026-01-05T00:00, every: 1d, restrict: "
                           "[{days: mon-fri, from: '09:00', to: "
                           "'17:00'}]}]\n"
                           "roles:\n"
                           "  security_oncall: [{schedule: weekly}]\n"
                           "  executives: [{person: carla}, {channel: exec-room}]\n"
                           "  manager: [{person: ben}]\n"
                           "  everybody: [{role: security_oncall}, {role: executives}, {person: anna}]\n";

static struct oncall *read_text(const char *text)
{
    struct oncall *o;
    struct err err = {0};
    int rc = oncall_read("oncall.yml", sv_of(text), NULL, NULL, &o, &err);
    if (rc != 0)
        print_message("%s:%u:%u: %s\n", err.file, err.line, err.column, err.text);
    assert_int_equal(rc, 0);
    return o;
}

static int64_t at(const char *time)
{
    int64_t ns;
    assert_true(clk_parse_rfc3339(sv_of(time), 0, &ns));
    return ns;
}

static const char *who(const struct oncall *o, const char *schedule, const struct oncall_overrides *overrides,
                       const char *time)
{
    static char name[64];
    struct oncall_shift shift;
    oncall_who(oncall_schedule(o, sv_of(schedule)), overrides, at(time), &shift);
    snprintf(name, sizeof name, "%.*s", SV_FMT(shift.person));
    return name;
}

static void test_D_18_a_weekly_hand_over(void **state)
{
    (void)state;
    struct oncall *o = read_text(team);
    assert_string_equal(who(o, "weekly", NULL, "2026-01-05T08:59:59+01:00"), ""); /* before the first turn */
    assert_string_equal(who(o, "weekly", NULL, "2026-01-05T09:00:00+01:00"), "anna");
    assert_string_equal(who(o, "weekly", NULL, "2026-01-12T08:59:59+01:00"), "anna");
    assert_string_equal(who(o, "weekly", NULL, "2026-01-12T09:00:00+01:00"), "ben");
    assert_string_equal(who(o, "weekly", NULL, "2026-01-19T09:00:00+01:00"), "anna");
    oncall_free(&o);
}

/* 2026-03-29 02:00 -> 03:00 and 2026-10-25 03:00 -> 02:00: the hand-over stays at nine by the wall clock. */
static void test_D_18_hand_over_across_both_changes_of_the_clocks(void **state)
{
    (void)state;
    struct oncall *o = read_text(team);
    assert_string_equal(who(o, "weekly", NULL, "2026-03-30T06:59:59Z"), "ben");
    assert_string_equal(who(o, "weekly", NULL, "2026-03-30T07:00:00Z"), "anna"); /* 09:00 CEST */
    assert_string_equal(who(o, "weekly", NULL, "2026-10-26T07:59:59Z"), "ben");
    assert_string_equal(who(o, "weekly", NULL, "2026-10-26T08:00:00Z"), "anna"); /* 09:00 CET */
    oncall_free(&o);
}

struct listed {
    char text[8192];
    size_t n;
    int64_t end_ns;
    bool contiguous;
};

static bool list_shift(void *context, const struct oncall_shift *shift)
{
    struct listed *l = context;
    char from[TC_RFC3339_MAX];
    clk_rfc3339(shift->from_ns, from);
    l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "%s %.*s\n", from,
                             SV_FMT(shift->person.n > 0 ? shift->person : SV("-")));
    l->contiguous = l->contiguous && (l->end_ns == 0 || l->end_ns == shift->from_ns);
    l->end_ns = shift->to_ns;
    return true;
}

static void list(const struct oncall *o, const char *schedule, const struct oncall_overrides *overrides,
                 const char *from, const char *to, struct listed *ret)
{
    *ret = (struct listed){.contiguous = true};
    oncall_each_shift(oncall_schedule(o, sv_of(schedule)), overrides, at(from), at(to), list_shift, ret);
    assert_true(ret->contiguous);
    assert_int_equal(ret->end_ns, at(to));
}

static void test_D_18_a_hand_over_in_the_hour_that_comes_twice_happens_once(void **state)
{
    (void)state;
    struct oncall *o = read_text(team);
    struct listed l;
    list(o, "nightly", NULL, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", &l);
    assert_string_equal(l.text, "2026-10-24T12:00:00Z carla\n"
                                "2026-10-25T00:30:00Z anna\n" /* 02:30 CEST, the first of the two */
                                "2026-10-26T01:30:00Z ben\n");
    /* and one in the hour that is left out is as if the clocks had not gone forward yet */
    list(o, "nightly", NULL, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", &l);
    assert_string_equal(l.text, "2026-03-28T12:00:00Z carla\n"
                                "2026-03-29T01:30:00Z anna\n"
                                "2026-03-30T00:30:00Z ben\n");
    oncall_free(&o);
}

static void test_D_18_later_layers_win(void **state)
{
    (void)state;
    struct oncall *o = read_text(team);
    struct listed l;
    list(o, "layered", NULL, "2026-06-04T12:00:00Z", "2026-06-08T12:00:00Z", &l); /* Thursday to Monday */
    assert_string_equal(l.text, "2026-06-04T12:00:00Z anna\n"
                                "2026-06-04T20:00:00Z ben\n"
                                "2026-06-05T04:00:00Z anna\n"
                                "2026-06-05T20:00:00Z ben\n"
                                "2026-06-05T22:00:00Z carla\n" /* Saturday begins, by the wall clock */
                                "2026-06-07T22:00:00Z ben\n"
                                "2026-06-08T04:00:00Z anna\n");
    oncall_free(&o);
}

static void test_D_18_hours_leave_gaps(void **state)
{
    (void)state;
    struct oncall *o = read_text(team);
    struct listed l;
    list(o, "office", NULL, "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z",
         &l); /* Friday to Monday, over a change */
    assert_string_equal(l.text, "2026-03-27T12:00:00Z anna\n"
                                "2026-03-27T16:00:00Z -\n"
                                "2026-03-30T07:00:00Z anna\n");
    oncall_free(&o);
}

static void test_D_18_overrides_win_and_the_later_one_of_two(void **state)
{
    (void)state;
    struct oncall *o = read_text(team);
    struct oncall_override items[] = {{.number = 1,
                                       .schedule = SV("weekly"),
                                       .person = SV("carla"),
                                       .from_ns = at("2026-01-06T10:00:00Z"),
                                       .to_ns = at("2026-01-06T20:00:00Z")},
                                      {.number = 2,
                                       .schedule = SV("weekly"),
                                       .person = SV("ben"),
                                       .from_ns = at("2026-01-06T12:00:00.5Z"),
                                       .to_ns = at("2026-01-06T13:00:00Z")},
                                      {.number = 3,
                                       .schedule = SV("layered"),
                                       .person = SV("ben"),
                                       .from_ns = at("2026-01-01T00:00:00Z"),
                                       .to_ns = at("2027-01-01T00:00:00Z")}};
    struct oncall_overrides overrides = {.items = items, .count = 3};
    struct listed l;
    list(o, "weekly", &overrides, "2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z", &l);
    assert_string_equal(l.text, "2026-01-06T00:00:00Z anna\n"
                                "2026-01-06T10:00:00Z carla\n"
                                "2026-01-06T12:00:00.5Z ben\n"
                                "2026-01-06T13:00:00Z carla\n"
                                "2026-01-06T20:00:00Z anna\n");
    struct oncall_shift shift;
    oncall_who(oncall_schedule(o, SV("weekly")), &overrides, at("2026-01-06T11:00:00Z"), &shift);
    assert_int_equal(shift.override->number, 1);
    assert_int_equal(shift.to_ns, at("2026-01-06T12:00:00.5Z"));
    oncall_free(&o);
}

/* At every instant that is looked at, the shift that the walk gives is the one that the question gives. */
static void test_D_18_shifts_and_questions_agree(void **state)
{
    (void)state;
    struct oncall *o = read_text(team);
    for (size_t s = 0; s < o->schedule_count; s++)
        for (int64_t t = at("2026-03-20T00:00:00Z"); t < at("2026-04-05T00:00:00Z");
             t += 1799 * TC_SECOND_NS) {
            struct oncall_shift shift, again;
            oncall_who(&o->schedules[s], NULL, t, &shift);
            assert_true(shift.from_ns <= t && t < shift.to_ns);
            oncall_who(&o->schedules[s], NULL, shift.to_ns - 1, &again);
            assert_true(sv_eq(shift.person, again.person));
            assert_true(sv_eq(shift.person, oncall_now(&o->schedules[s], NULL, t)));
            assert_int_equal(again.to_ns, shift.to_ns);
        }
    oncall_free(&o);
}

/* --- calendars */

static bool give_calendar(void *context, struct sv path, struct sv *ret)
{
    assert_true(sv_is(path, "shifts.ics"));
    *ret = sv_of(context);
    return true;
}

static int read_calendar(const char *calendar, struct oncall **ret, struct err *err)
{
    static const char text[] = "people: {anna: {name: Anna Berg}, ben: {}}\n"
                               "schedules: {s: {timezone: Europe/Berlin, ical: shifts.ics}}\n";
    return oncall_read("oncall.yml", sv_of(text), give_calendar, (void *)(uintptr_t)calendar, ret, err);
}

static void assert_calendar_lists(const char *calendar, const char *from, const char *to, const char *shifts)
{
    struct oncall *o;
    struct err err = {0};
    struct listed l;
    assert_int_equal(read_calendar(calendar, &o, &err), 0);
    list(o, "s", NULL, from, to, &l);
    assert_string_equal(l.text, shifts);
    oncall_free(&o);
}

static void test_D_18_a_calendar_comes_in(void **state)
{
    (void)state;
    assert_calendar_lists("BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nDTSTART:19700101T000000\r\nEND:VTIMEZONE\r\n"
                          "BEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20260323T090000\r\n"
                          "DTEND;TZID=\"Europe/Berlin\":20260330T090000\r\nSUMMARY:Anna\r\n  Berg\r\n"
                          "RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=2\r\nEND:VEVENT\r\n"
                          "BEGIN:VEVENT\r\nDTSTART:20260402T100000Z\r\nDTEND:20260402T120000Z\r\n"
                          "SUMMARY:ben\r\nX-A:b\r\nEND:VEVENT\r\n"
                          "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260404\r\nSUMMARY:BEN\r\nEND:VEVENT\r\n"
                          "END:VCALENDAR\r\n",
                          "2026-03-20T00:00:00Z", "2026-05-01T00:00:00Z",
                          "2026-03-20T00:00:00Z -\n"
                          "2026-03-23T08:00:00Z anna\n"
                          "2026-03-30T07:00:00Z -\n"
                          "2026-04-02T10:00:00Z ben\n"
                          "2026-04-02T12:00:00Z -\n"
                          "2026-04-03T22:00:00Z ben\n"
                          "2026-04-04T22:00:00Z -\n"
                          "2026-04-06T07:00:00Z anna\n"
                          "2026-04-13T07:00:00Z -\n");
}

/* However it is written that an event begins, there is room for it. */
static void test_events_of_a_calendar_are_many(void **state)
{
    (void)state;
    struct buf text;
    struct oncall *o;
    struct err err = {0};
    buf_init(&text, ONCALL_ICAL_BYTES);
    buf_str(&text, "BEGIN:VCALENDAR\n");
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "BEGIN;X=1:VEV\n ENT\nDTSTART;VALUE=DATE:20%02d%02d%02d\nSUMMARY:ben\nEND:VEVENT\n",
                   i / 336, i / 28 % 12 + 1, i % 28 + 1);
    buf_str(&text, "END:VCALENDAR\n");
    buf_char(&text, '\0');
    assert_int_equal(read_calendar(text.p, &o, &err), 0);
    assert_int_equal(o->schedules[0].event_count, 3000);
    assert_string_equal(o->schedules[0].events[0].person.p, "ben");
    oncall_free(&o);
    buf_free(&text);
}

/* An alarm has a duration and words of its own, a cancelled event puts nobody on call. */
static void test_D_18_alarms_and_cancelled_events_of_a_calendar(void **state)
{
    (void)state;
    assert_calendar_lists(
        "BEGIN:VCALENDAR\n"
        "BEGIN:VEVENT\nDTSTART:20260402T100000Z\nDTEND:20260402T120000Z\nSUMMARY:ben\n"
        "BEGIN:VALARM\nTRIGGER:-PT30M\nREPEAT:2\nDURATION:PT15M\nACTION:EMAIL\nSUMMARY:Soon\n"
        "END:VALARM\nSTATUS:CONFIRMED\nEND:VEVENT\n"
        "BEGIN:VEVENT\nSTATUS:CANCELLED\nDTSTART:20260402T110000Z\nDTEND:20260402T130000Z\n"
        "SUMMARY:anna\nEND:VEVENT\nEND:VCALENDAR\n",
        "2026-04-01T00:00:00Z", "2026-04-03T00:00:00Z",
        "2026-04-01T00:00:00Z -\n"
        "2026-04-02T10:00:00Z ben\n"
        "2026-04-02T12:00:00Z -\n");
}

/* UNTIL without a Z is by the clock of the event: its last day belongs to it, also west of Greenwich. */
static void test_D_18_the_last_day_of_a_recurring_event(void **state)
{
    (void)state;
    assert_calendar_lists(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nRRULE:FREQ=DAILY;UNTIL=20260302T090000\n"
        "DTSTART;TZID=America/New_York:20260301T090000\n"
        "DTEND;TZID=America/New_York:20260301T100000\nSUMMARY:ben\nEND:VEVENT\nEND:VCALENDAR\n",
        "2026-03-01T00:00:00Z", "2026-03-05T00:00:00Z",
        "2026-03-01T00:00:00Z -\n"
        "2026-03-01T14:00:00Z ben\n"
        "2026-03-01T15:00:00Z -\n"
        "2026-03-02T14:00:00Z ben\n"
        "2026-03-02T15:00:00Z -\n");
}

/* Thousands of rules that ended long ago, or go on for ever, do not hold up who asks for the person. */
static void test_a_calendar_of_thousands_of_rules(void **state)
{
    (void)state;
    struct buf text;
    struct oncall *o;
    struct err err = {0};
    buf_init(&text, ONCALL_ICAL_BYTES);
    buf_str(&text, "BEGIN:VCALENDAR\n");
    for (int i = 0; i < ONCALL_EVENTS_MAX; i++)
        buf_printf(&text,
                   "BEGIN:VEVENT\nDTSTART:1980%02d%02dT%02d%02d00Z\nDTEND:1981%02d%02dT000000Z\nSUMMARY:ben\n"
                   "RRULE:FREQ=DAILY%s\nEND:VEVENT\n",
                   i % 12 + 1, i % 28 + 1, i % 24, i / 24 % 60, i % 12 + 1, i % 28 + 1,
                   i % 2 == 0 ? ";UNTIL=19820101" : "");
    buf_str(&text, "END:VCALENDAR\n");
    buf_char(&text, '\0');
    assert_int_equal(read_calendar(text.p, &o, &err), 0);
    for (int day = 0; day < 50; day++)
        assert_true(sv_is(oncall_now(&o->schedules[0], NULL,
                                     at("2026-03-01T00:00:00Z") + day * INT64_C(86400) * TC_SECOND_NS),
                          "ben"));
    oncall_free(&o);
    buf_free(&text);
}

static void test_calendars_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"DTSTART:2026", "no time"},
        {"DTSTART;TZID=Mars/Olympus:20260323T090000", "time zone"},
        {"RRULE:FREQ=MONTHLY", "recurrence"},
        {"RRULE:FREQ=WEEKLY;BYDAY=MO", "recurrence"},
        {"EXDATE:20260323T090000Z", "not supported"},
        {"SUMMARY:Zoe", "nobody's"},
        {"DTEND:20200101T000000Z", "ends before"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        char text[512];
        struct oncall *o;
        struct err err = {0};
        snprintf(text, sizeof text,
                 "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260323T090000Z\nDTEND:20260324T090000Z\nSUMMARY:"
                 "anna\n%s\n"
                 "END:VEVENT\nEND:VCALENDAR\n",
                 bad[i].line);
        assert_int_equal(read_calendar(text, &o, &err), TC_EINPUT);
        assert_non_null(strstr(err.text, bad[i].says));
        assert_string_equal(err.file, "shifts.ics");
        assert_true(err.line >= 6);
        assert_null(o);
    }
    struct oncall *o;
    struct err err = {0};
    assert_int_equal(read_calendar("<html>", &o, &err), TC_EINPUT);
}

static void test_D_18_what_goes_out_comes_in_again(void **state)
{
    (void)state;
    struct oncall *o = read_text(team), *again;
    struct buf out;
    struct err err = {0};
    struct listed before, after;
    buf_init(&out, 1 << 20);
    oncall_ical_write(o, oncall_schedule(o, SV("weekly")), NULL, at("2026-03-20T00:00:00Z"),
                      at("2026-05-01T00:00:00Z"), at("2026-01-01T00:00:00Z"), &out);
    list(o, "weekly", NULL, "2026-03-20T00:00:00Z", "2026-05-01T00:00:00Z", &before);
    buf_char(&out, '\0');
    assert_non_null(strstr(out.p, "SUMMARY:Anna Berg\r\n"));
    for (const char *line = out.p, *end; (end = strstr(line, "\r\n")) != NULL; line = end + 2)
        assert_true(end - line <= 75);
    assert_int_equal(read_calendar(out.p, &again, &err), 0);
    list(again, "s", NULL, "2026-03-20T00:00:00Z", "2026-05-01T00:00:00Z", &after);
    assert_string_equal(before.text, after.text);
    oncall_free(&o);
    oncall_free(&again);
    buf_free(&out);
}

/* --- policies */

static const struct oncall_channel channels[] = {{{"mail", 4}, {"email", 5}},
                                                 {{"sms", 3}, {"sms", 3}},
                                                 {{"voice", 5}, {"voice", 5}},
                                                 {{"pager", 5}, {"pagerduty", 9}},
                                                 {{"exec-room", 9}, {"slack", 5}}};

static const char *told(const struct oncall *o, enum severity severity, uint64_t step, const char *time)
{
    static char text[1024];
    struct oncall_targets targets;
    size_t n = 0;
    const struct oncall_step *s = oncall_step_at(o, severity, step);
    text[0] = '\0';
    if (s == NULL)
        return "no step";
    oncall_resolve(o, NULL, s, channels, TC_ARRAY_LEN(channels), at(time), &targets);
    for (size_t i = 0; i < targets.count; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s=%.*s ", SV_FMT(targets.items[i].channel),
                              SV_FMT(targets.items[i].address));
    return text;
}

static void test_D_10_the_default_policy(void **state)
{
    (void)state;
    struct oncall *o = read_text(team);
    struct alert_ladder ladders[SEVERITY_P4 + 1];
    oncall_ladders(o, ladders);
    assert_int_equal(ladders[SEVERITY_P1].count, 1);
    assert_int_equal(ladders[SEVERITY_P1].after_ns[0], 15 * 60 * TC_SECOND_NS);
    assert_int_equal(ladders[SEVERITY_P2].count, 1);
    assert_int_equal(ladders[SEVERITY_P2].after_ns[0], 3600 * TC_SECOND_NS);
    assert_int_equal(ladders[SEVERITY_P3].count + ladders[SEVERITY_P4].count, 0);
    assert_string_equal(told(o, SEVERITY_P1, 1, "2026-01-06T00:00:00Z"), "voice=+493 exec-room= ");
    assert_string_equal(told(o, SEVERITY_P2, 1, "2026-01-06T00:00:00Z"), "mail=ben@example.com ");
    assert_string_equal(told(o, SEVERITY_P3, 1, "2026-01-06T00:00:00Z"), "no step");
    oncall_free(&o);
    /* without a team, the channels of those types */
    o = read_text("");
    assert_string_equal(told(o, SEVERITY_P1, 1, "2026-01-06T00:00:00Z"), "sms= voice= ");
    oncall_free(&o);
}

static void test_D_11_D_12_the_other_ladders(void **state)
{
    (void)state;
    char text[4096];
    struct alert_ladder ladders[SEVERITY_P4 + 1];
    static const int doc3[] = {0, 5, 15, 60}, pagerduty[] = {15, 30, 60};
    snprintf(text, sizeof text, "%sescalate: {P1: doc3, P2: none, P3: pagerduty}\n", team);
    struct oncall *o = read_text(text);
    oncall_ladders(o, ladders);
    assert_int_equal(ladders[SEVERITY_P1].count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ladders[SEVERITY_P1].after_ns[i], doc3[i] * 60 * TC_SECOND_NS);
    assert_int_equal(ladders[SEVERITY_P2].count, 0);
    assert_int_equal(ladders[SEVERITY_P3].count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ladders[SEVERITY_P3].after_ns[i], pagerduty[i] * 60 * TC_SECOND_NS);
    assert_string_equal(told(o, SEVERITY_P1, 2, "2026-01-06T00:00:00Z"), "sms=+491 "); /* anna's week */
    assert_string_equal(told(o, SEVERITY_P1, 2, "2026-01-13T00:00:00Z"), "");          /* ben has no SMS */
    assert_string_equal(told(o, SEVERITY_P1, 4, "2026-01-13T00:00:00Z"), "voice=+493 pager= exec-room= ");
    oncall_free(&o);
}

static void test_a_policy_of_ones_own(void **state)
{
    (void)state;
    char text[4096];
    snprintf(
        text, sizeof text,
        "%spolicies:\n  doc4: {repeats: 2, repeat_every: 1h, steps: [{after: 1m, tell: [{role: everybody}]},"
        " {after: 10m, only: [P2], tell: [{person: ben, by: [email]}]}]}\n",
        team);
    struct oncall *o = read_text(text);
    struct alert_ladder ladders[SEVERITY_P4 + 1];
    oncall_ladders(o, ladders);
    assert_false(oncall_policy(o, SV("doc4"))->built_in);
    assert_true(oncall_policy(o, SV("pagerduty"))->built_in);
    assert_int_equal(ladders[SEVERITY_P1].count, 1);
    assert_int_equal(ladders[SEVERITY_P2].count, 2);
    assert_int_equal(ladders[SEVERITY_P2].repeats, 2);
    /* anna by the schedule and by name: told once by each channel */
    assert_string_equal(told(o, SEVERITY_P1, 1, "2026-01-06T00:00:00Z"),
                        "mail=anna@example.com sms=+491 voice=+493 pager= exec-room= ");
    assert_string_equal(told(o, SEVERITY_P1, 3, "2026-01-06T00:00:00Z"),
                        told(o, SEVERITY_P1, 1, "2026-01-06T00:00:00Z"));
    assert_string_equal(told(o, SEVERITY_P2, 4, "2026-01-06T00:00:00Z"), "mail=ben@example.com ");
    oncall_free(&o);
}

static void test_files_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
        unsigned line;
    } bad[] = {
        {"poeple: {}", "people", 1},
        {"people: {a: {contacts: [{address: x}]}}", "channel", 1},
        {"people: {a: {}}\nschedules: {s: {timezone: Mars, layers: []}}", "time zone", 2},
        {"people: {a: {}}\nschedules: {s: {layers: []}}", "timezone", 2},
        {"people: {a: {}}\nschedules: {s: {timezone: UTC, layers: [{people: [b], start: 2026-01-01T00:00, "
         "every: 1d}]}}",
         "no such person", 2},
        {"people: {a: {}}\nschedules: {s: {timezone: UTC, layers: [{people: [], start: 2026-01-01T00:00, "
         "every: 1d}]}}",
         "somebody", 2},
        {"people: {a: {}}\nschedules: {s: {timezone: UTC, layers: [{people: [a], start: soon, every: 1d}]}}",
         "date", 2},
        {"people: {a: {}}\nschedules: {s: {timezone: UTC, layers: [{people: [a], start: 2026-01-01T00:00, "
         "every: 5m}]}}",
         "an hour", 2},
        {"roles: {r: [{person: x}]}", "no such", 1},
        {"roles: {r: [{person: x, role: r}]}", "", 1},
        {"policies: {p: {steps: [{after: 5m, tell: []}, {after: 1m, tell: []}]}}", "order of time", 1},
        {"policies: {p: {steps: [{after: 5m}]}}", "after and tell", 1},
        {"policies: {p: {repeats: 3, steps: [{after: 5m, tell: []}]}}", "repeat_every", 1},
        {"escalate: {P1: nothing}", "no such policy", 1},
        {"escalate: {P9: doc4}", "P1 to P4", 1},
        {"- a", "a map", 1},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        struct oncall *o;
        struct err err = {0};
        assert_int_equal(oncall_read("oncall.yml", sv_of(bad[i].text), NULL, NULL, &o, &err), TC_EINPUT);
        if (strstr(err.text, bad[i].says) == NULL || err.line != bad[i].line)
            fail_msg("%s: line %u: %s", bad[i].text, err.line, err.text);
        assert_null(o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_18_a_weekly_hand_over),
        cmocka_unit_test(test_D_18_hand_over_across_both_changes_of_the_clocks),
        cmocka_unit_test(test_D_18_a_hand_over_in_the_hour_that_comes_twice_happens_once),
        cmocka_unit_test(test_D_18_later_layers_win),
        cmocka_unit_test(test_D_18_hours_leave_gaps),
        cmocka_unit_test(test_D_18_overrides_win_and_the_later_one_of_two),
        cmocka_unit_test(test_D_18_shifts_and_questions_agree),
        cmocka_unit_test(test_D_18_a_calendar_comes_in),
        cmocka_unit_test(test_events_of_a_calendar_are_many),
        cmocka_unit_test(test_D_18_alarms_and_cancelled_events_of_a_calendar),
        cmocka_unit_test(test_D_18_the_last_day_of_a_recurring_event),
        cmocka_unit_test(test_a_calendar_of_thousands_of_rules),
        cmocka_unit_test(test_calendars_that_are_refused),
        cmocka_unit_test(test_D_18_what_goes_out_comes_in_again),
        cmocka_unit_test(test_D_10_the_default_policy),
        cmocka_unit_test(test_D_11_D_12_the_other_ladders),
        cmocka_unit_test(test_a_policy_of_ones_own),
        cmocka_unit_test(test_files_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
