/*
 * Incidents (F-22): opened, walked through their phases, closed; refusals; saved and loaded; exported.
 */
#include "alert/incident.h"

#include "alert/alert_testkit.h"

#include <string.h>

struct world {
    struct kit kit;
    struct incidents incidents;
    struct buf json;
    struct err err;
};

static void begin(struct world *w)
{
    *w = (struct world){0};
    struct rule_info rule = kit_rule("r-1", "T", SEVERITY_P1);
    kit_init(&w->kit, NULL);
    kit_give(&w->kit, kit_finding(&rule, NULL, KIT_T0));
    buf_init(&w->json, 1 << 20);
}

static void end(struct world *w)
{
    incidents_free(&w->incidents);
    kit_free(&w->kit);
    buf_free(&w->json);
}

static int give(struct world *w, const char *verb, const char *number, const char *what, const char *to,
                const char *note)
{
    struct alert_command command = {.verb = sv_of(verb),
                                    .alert_id = sv_of(number),
                                    .what = sv_of(what),
                                    .to = sv_of(to),
                                    .note = sv_of(note),
                                    .by = SV("alice")};
    buf_clear(&w->json);
    w->err = (struct err){0};
    assert_true(incident_is_command(command.verb));
    return incident_command(&w->incidents, w->kit.book, &command, (struct receive_time){KIT_T0 + KIT_MINUTE},
                            &w->json, &w->err);
}

static void walk(struct world *w)
{
    assert_int_equal(give(w, "incident_open", "", "stolen <key>", "bob", ""), 0);
    assert_int_equal(give(w, "incident_link", "1", book_at(w->kit.book, 0)->id, "", ""), 0);
    for (int phase = INCIDENT_ASSESSMENT; phase < INCIDENT_PHASES; phase++)
        assert_int_equal(
            give(w, "incident_phase", "1", incident_phase_name((enum incident_phase)phase), "", "n"), 0);
}

static void test_F_22_open_walk_close_export(void **state)
{
    (void)state;
    struct world w;
    struct buf text;
    begin(&w);
    walk(&w);
    assert_int_equal(give(&w, "incident_command", "1", "", "carla", ""), 0);
    assert_int_equal(give(&w, "incident_note", "1", "", "", "called the customer"), 0);
    assert_int_equal(give(&w, "incident_close", "1", "", "", ""), TC_EINPUT);
    assert_int_equal(give(&w, "incident_close", "1", "", "", "rotate keys"), 0);
    assert_int_equal(give(&w, "incident_note", "1", "", "", "too late"), TC_ESTATE);
    const struct incident *one = incident_find(&w.incidents, SV("1"));
    assert_true(sv_is(one->commander, "carla"));
    assert_int_equal(one->closed_ns, KIT_T0 + KIT_MINUTE);
    assert_int_equal(one->line_count, 9);
    buf_init(&text, 1 << 20);
    incident_to_markdown(one, &text);
    buf_char(&text, '\0');
    assert_non_null(strstr(text.p, "# Incident 1: stolen \\<key\\>\n"));
    assert_non_null(strstr(text.p, "| lessons | 2026-11-21T10:01:00Z |"));
    assert_non_null(strstr(text.p, book_at(w.kit.book, 0)->id));
    assert_non_null(strstr(text.p, "noted by alice: called the customer"));
    buf_free(&text);
    end(&w);
}

static void test_F_22_what_is_refused(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    assert_int_equal(give(&w, "incident_open", "", "", "bob", ""), TC_EINPUT);
    assert_int_equal(give(&w, "incident_open", "", "x", "", ""), TC_EINPUT);
    assert_int_equal(give(&w, "incident_phase", "1", "assessment", "", ""), TC_ENOTFOUND);
    assert_int_equal(give(&w, "incident_open", "", "x", "bob", ""), 0);
    assert_int_equal(give(&w, "incident_phase", "1", "recovery", "", ""), TC_ESTATE);
    assert_non_null(strstr(w.err.text, "after detection comes assessment"));
    assert_int_equal(give(&w, "incident_close", "1", "", "", "n"), TC_ESTATE);
    assert_int_equal(give(&w, "incident_link", "1", "000000", "", ""), TC_ENOTFOUND);
    assert_int_equal(give(&w, "incident_link", "1", book_at(w.kit.book, 0)->id, "", ""), 0);
    assert_int_equal(give(&w, "incident_link", "1", book_at(w.kit.book, 0)->id, "", ""), TC_ESTATE);
    assert_int_equal(give(&w, "incident_unlink", "1", book_at(w.kit.book, 0)->id, "", ""), 0);
    assert_int_equal(give(&w, "incident_unlink", "1", book_at(w.kit.book, 0)->id, "", ""), TC_ENOTFOUND);
    assert_int_equal(give(&w, "incident_burn", "1", "", "", ""), TC_EINPUT);
    assert_int_equal(incident_find(&w.incidents, SV("1"))->line_count, 3);
    end(&w);
}

static void test_F_22_saved_and_loaded(void **state)
{
    (void)state;
    struct world w;
    struct buf saved, again;
    struct incidents other = {0};
    begin(&w);
    walk(&w);
    buf_init(&saved, 1 << 20);
    buf_init(&again, 1 << 20);
    incidents_save(&w.incidents, &saved);
    assert_true(incidents_load(&other, buf_view(&saved)));
    incidents_save(&other, &again);
    assert_true(sv_eq(buf_view(&saved), buf_view(&again)));
    for (size_t n = 0; n < saved.n; n++) /* cut anywhere, it is no such state */
        assert_false(incidents_load(&other, sv_head(buf_view(&saved), n)));
    incidents_free(&other);
    buf_free(&saved);
    buf_free(&again);
    end(&w);
}

static void test_F_22_the_bound_forgets_what_was_closed(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    walk(&w);
    for (int i = 1; i < INCIDENTS_MAX; i++)
        assert_int_equal(give(&w, "incident_open", "", "x", "bob", ""), 0);
    assert_int_equal(give(&w, "incident_open", "", "x", "bob", ""), TC_EBOUND);
    assert_int_equal(give(&w, "incident_close", "1", "", "", "n"), 0);
    assert_int_equal(give(&w, "incident_open", "", "x", "bob", ""), 0);
    assert_null(incident_find(&w.incidents, SV("1")));
    assert_non_null(incident_find(&w.incidents, SV("1001")));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F_22_open_walk_close_export),
        cmocka_unit_test(test_F_22_what_is_refused),
        cmocka_unit_test(test_F_22_saved_and_loaded),
        cmocka_unit_test(test_F_22_the_bound_forgets_what_was_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
