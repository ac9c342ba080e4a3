/*
 * Time zones: what the system's database says about well-known instants, changes of the clock, names that are
 * none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/zone.h"

#include <string.h>
#include <unistd.h>

static void skip_without_database(void)
{
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0)
        return;
    print_message("skipped: no time zone database (package tzdata)\n");
    skip();
}

static void well_known_instants(void **state)
{
    (void)state;
    skip_without_database();
    static const struct {
        const char *zone;
        int64_t at;
        int32_t east_s;
        const char *abbreviation;
    } cases[] = {
        {"UTC", 0, 0, "UTC"},
        {"Europe/Berlin", 1700000000, 3600, "CET"},
        {"Europe/Berlin", 1711846799, 3600, "CET"}, /* 2024-03-31 00:59:59Z, the second before */
        {"Europe/Berlin", 1711846800, 7200, "CEST"},
        {"Europe/Berlin", 1729990799, 7200, "CEST"}, /* 2024-10-27 */
        {"Europe/Berlin", 1729990800, 3600, "CET"},
        {"America/New_York", 1710053999, -18000, "EST"},
        {"America/New_York", 1710054000, -14400, "EDT"},
        {"Asia/Kolkata", 1700000000, 19800, "IST"},
        {"Australia/Lord_Howe", 1704067200, 39600, "+11"},
        {"Australia/Sydney", 4102444800, 39600, "AEDT"}, /* 2100-01-01: past every table, by the footer */
        {"Europe/Berlin", 4118083200, 7200, "CEST"},     /* 2100-07-01 */
        {"America/Sao_Paulo", 1700000000, -10800, "-03"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct zone *zone;
        struct err err = {0};
        assert_int_equal(zone_get(sv_of(cases[i].zone), &zone, &err), 0);
        struct zone_offset offset = zone_at(zone, cases[i].at);
        assert_int_equal(offset.east_s, cases[i].east_s);
        assert_string_equal(offset.abbreviation, cases[i].abbreviation);
    }
}

static void local_times(void **state)
{
    (void)state;
    skip_without_database();
    const struct zone *berlin;
    assert_int_equal(zone_get(SV("Europe/Berlin"), &berlin, NULL), 0);
    /* 2024-01-15 12:00 local; 2024-10-27 02:30 stands twice: the first; 2024-03-31 02:30 does not exist. */
    assert_int_equal(zone_from_local(berlin, 1705320000), 1705320000 - 3600);
    assert_int_equal(zone_from_local(berlin, 1729996200), 1729996200 - 7200);
    assert_int_equal(zone_from_local(berlin, 1711852200), 1711852200 - 3600);
    for (int64_t at = 1672531200; at < 1735689600; at += 1799) { /* every half hour of two years comes back */
        int64_t local = at + zone_at(berlin, at).east_s, back = zone_from_local(berlin, local);
        assert_int_equal(back + zone_at(berlin, back).east_s, local);
    }
}

static void names_that_are_none(void **state)
{
    (void)state;
    static const char *const names[] = {"Nowhere", "../../etc/passwd", "/etc/passwd", "Europe",
                                        "a b",     "Europe/Berlin\n"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct zone *zone;
        struct err err = {0};
        assert_true(zone_get(sv_of(names[i]), &zone, &err) < 0);
        assert_true(strlen(err.text) > 0);
    }
    struct zone *zone;
    assert_int_equal(zone_read(SV("x"), SV("TZif2 is cut"), &zone, NULL), TC_EINPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_known_instants),
        cmocka_unit_test(local_times),
        cmocka_unit_test(names_that_are_none),
    };
    return cmocka_run_group_tests_name("time zones", tests, NULL, NULL);
}
