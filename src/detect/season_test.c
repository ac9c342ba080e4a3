/*
 * Buckets and slots through both changes of the clock, in zones of half hours, and before 1970; and that a
 * slot's next bucket is what walking from bucket to bucket finds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/season.h"

#include <string.h>
#include <unistd.h>

enum { HOUR = 3600 };

static struct season season_in(const char *zone, enum season_kind kind, int64_t bucket_s)
{
    struct season s = {.kind = kind, .bucket_s = bucket_s};
    struct err err;
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) {
        print_message("skipped: no time zone database (package tzdata)\n");
        skip();
    }
    assert_int_equal(0, zone_get(sv_of(zone), &s.zone, &err));
    return s;
}

static void test_the_hour_that_comes_twice_is_two_buckets_of_one_slot(void **state)
{
    const int64_t second_two = 1792890000; /* 2026-10-25T01:00:00Z: 02:00 again, in winter time */
    (void)state;
    struct season s = season_in("Europe/Berlin", SEASON_WEEK, HOUR);
    assert_int_equal(season_slot(&s, second_two - HOUR), season_slot(&s, second_two));
    assert_int_equal(6 * 24 + 2, season_slot(&s, second_two));
    assert_int_equal(second_two, season_bucket(&s, second_two + 1800));
    assert_int_equal(second_two - HOUR, season_bucket(&s, second_two - 1));
    assert_int_equal(second_two, season_next(&s, second_two - HOUR));
}

static void test_the_hour_that_is_left_out_has_no_bucket(void **state)
{
    const int64_t three = 1774746000; /* 2026-03-29T01:00:00Z: 03:00 in summer time */
    (void)state;
    struct season s = season_in("Europe/Berlin", SEASON_WEEK, HOUR);
    assert_int_equal(6 * 24 + 3, season_slot(&s, three));
    assert_int_equal(6 * 24 + 1, season_slot(&s, three - HOUR));
    int64_t two_before = three - HOUR - 7 * SEASON_DAY_S + HOUR; /* 02:00 a week before */
    assert_int_equal(6 * 24 + 2, season_slot(&s, two_before));
    assert_int_equal(two_before + 14 * SEASON_DAY_S - HOUR, season_next(&s, two_before));
}

static void test_days_have_23_to_25_hours(void **state)
{
    (void)state;
    struct season s = season_in("Europe/Berlin", SEASON_WEEK, SEASON_DAY_S);
    int64_t sunday = season_bucket(&s, 1774746000); /* the change of March */
    assert_int_equal(23 * HOUR, season_bucket_end(&s, sunday) - sunday);
    sunday = season_bucket(&s, 1792890000);
    assert_int_equal(25 * HOUR, season_bucket_end(&s, sunday) - sunday);
    assert_int_equal(6, season_slot(&s, sunday));
    assert_int_equal(season_bucket(&s, sunday + 7 * SEASON_DAY_S + 12 * HOUR), season_next(&s, sunday));
    s = season_in("America/Sao_Paulo", SEASON_WEEK, SEASON_DAY_S); /* its midnight was left out, 2018-11-04 */
    sunday = season_bucket(&s, 1541300400 + 5 * HOUR);
    assert_int_equal(6, season_slot(&s, sunday));
    assert_int_equal(sunday, season_bucket(&s, season_bucket_end(&s, sunday) - 1));
    assert_int_equal(0, season_slot(&s, season_bucket_end(&s, sunday)));
}

static void test_zones_of_half_hours_and_times_before_1970(void **state)
{
    (void)state;
    struct season s = season_in("Asia/Kolkata", SEASON_DAY, HOUR);
    assert_int_equal(1700001000 - (1700001000 + 19800) % HOUR, season_bucket(&s, 1700001000));
    assert_int_equal(0, (season_bucket(&s, -12345) + 19800) % HOUR);
    assert_true(season_bucket(&s, -12345) <= -12345 && season_bucket(&s, -12345) > -12345 - HOUR);
    assert_true(season_slot(&s, season_bucket(&s, -12345)) < 24);
}

/* Every bucket of two years: they join, and the next of a slot is the next that walking finds. */
static void test_walking_finds_the_same(void **state)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata",
                                        "America/Sao_Paulo"};
    static const struct {
        enum season_kind kind;
        int64_t bucket_s;
    } kinds[] = {{SEASON_WEEK, HOUR},
                 {SEASON_DAY, HOUR},
                 {SEASON_WEEK, SEASON_DAY_S},
                 {SEASON_NONE, SEASON_DAY_S},
                 {SEASON_DAY, HOUR / 4}};
    (void)state;
    for (size_t z = 0; z < TC_ARRAY_LEN(zones); z++)
        for (size_t k = 0; k < TC_ARRAY_LEN(kinds); k++) {
            struct season s = season_in(zones[z], kinds[k].kind, kinds[k].bucket_s);
            int64_t promised[SEASON_SLOTS_MAX] = {0};
            int64_t start = season_bucket(&s, 1530000000);
            while (start < 1590000000) {
                uint32_t slot = season_slot(&s, start);
                int64_t end = season_bucket_end(&s, start);
                assert_true(slot < SEASON_SLOTS_MAX && end > start);
                assert_int_equal(start, season_bucket(&s, end - 1));
                if (promised[slot] != 0 && promised[slot] != start)
                    fail_msg("%s: slot %u at %lld, promised %lld", zones[z], slot, (long long)start,
                             (long long)promised[slot]);
                promised[slot] = season_next(&s, start);
                start = end;
            }
        }
}

/* Lord Howe moves its clock by half an hour: a bucket there is cut, and none is looked for for ever. */
static void test_a_clock_that_moves_by_half_an_hour(void **state)
{
    (void)state;
    struct season s = season_in("Australia/Lord_Howe", SEASON_WEEK, HOUR);
    for (int64_t at = 1530000000; at < 1590000000; at += HOUR / 2) {
        int64_t start = season_bucket(&s, at);
        assert_true(start <= at && at < season_bucket_end(&s, start));
        assert_true(season_next(&s, start) > start);
    }
}

static void test_for_people(void **state)
{
    char text[64];
    (void)state;
    struct season s = season_in("Europe/Berlin", SEASON_WEEK, HOUR);
    struct buf out = {.p = text, .capacity = sizeof text, .max_bytes = sizeof text};
    season_text(&s, 1774746000, &out);
    s.kind = SEASON_DAY;
    season_text(&s, 1774746000, &out);
    s.kind = SEASON_NONE;
    season_text(&s, 1774746000, &out);
    assert_true(sv_is(buf_view(&out), " on Sundays at 03:00 at 03:00"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_hour_that_comes_twice_is_two_buckets_of_one_slot),
        cmocka_unit_test(test_the_hour_that_is_left_out_has_no_bucket),
        cmocka_unit_test(test_days_have_23_to_25_hours),
        cmocka_unit_test(test_zones_of_half_hours_and_times_before_1970),
        cmocka_unit_test(test_walking_finds_the_same),
        cmocka_unit_test(test_a_clock_that_moves_by_half_an_hour),
        cmocka_unit_test(test_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
