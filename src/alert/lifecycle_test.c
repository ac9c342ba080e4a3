/*
 * The state machine (D-14): every move, allowed or not, through the book's door; closing rules (D-15); the
 * fields of an acknowledgement (D-09).
 */
#include "alert/alert_testkit.h"

#include <string.h>

static const enum alert_state all_states[] = {ALERT_FIRING, ALERT_ACKNOWLEDGED, ALERT_RESOLVED,
                                              ALERT_CLOSED, ALERT_PENDING,      ALERT_SNOOZED};
_Static_assert(TC_ARRAY_LEN(all_states) == ALERT_STATES, "every state is tried");

/* An alert of severity `severity` brought to `state`; returns its id in `id`. */
static void bring(struct kit *kit, enum severity severity, enum alert_state state, char id[33])
{
    kit_init(kit, NULL);
    struct rule_info rule = kit_rule("r-1", "T", severity);
    struct finding_field ip = kit_ip("203.0.113.7");
    kit_give(kit, kit_finding(&rule, &ip, KIT_T0));
    memcpy(id, book_at(kit->book, 0)->id, 33);
    if (state == ALERT_ACKNOWLEDGED)
        kit_command(kit, "ack", id, "", "", KIT_T0 + 1);
    if (state == ALERT_RESOLVED)
        kit_command(kit, "resolve", id, "", "", KIT_T0 + 1);
    if (state == ALERT_CLOSED)
        kit_command(kit, "close", id, "benign", "a test", KIT_T0 + 1);
    if (state == ALERT_PENDING)
        kit_do(kit, "confirm", id, (struct alert_command){.to = SV("u@example.org")}, KIT_T0 + 1);
    if (state == ALERT_SNOOZED)
        kit_do(kit, "snooze", id, (struct alert_command){.until = SV("1h")}, KIT_T0 + 1);
    assert_int_equal(book_at(kit->book, 0)->state, state);
}

static void test_D_14_every_move(void **state)
{
    (void)state;
    static const struct {
        const char *verb;
        enum alert_state to;
        bool allowed[ALERT_STATES]; /* from each state */
    } moves[] = {
        {"ack", ALERT_ACKNOWLEDGED, {true, false, false, false, true, true}},
        {"resolve", ALERT_RESOLVED, {true, true, false, false, true, true}},
        {"close", ALERT_CLOSED, {true, true, true, false, true, true}},
        {"confirm", ALERT_PENDING, {true, true, false, false, false, false}},
        {"snooze", ALERT_SNOOZED, {true, true, false, false, false, false}},
    };
    for (size_t m = 0; m < TC_ARRAY_LEN(moves); m++)
        for (size_t from = 0; from < TC_ARRAY_LEN(all_states); from++) {
            struct kit kit;
            char id[33];
            bring(&kit, SEVERITY_P2, all_states[from], id);
            const struct alert *alert = book_at(kit.book, 0);
            size_t history = alert->history_count;
            kit_do(&kit, moves[m].verb, id,
                   (struct alert_command){.disposition = SV("benign"),
                                          .note = SV("why"),
                                          .to = SV("u@example.org"),
                                          .until = SV("2h")},
                   KIT_T0 + 2);
            assert_int_equal(lifecycle_allows(all_states[from], moves[m].to), moves[m].allowed[from]);
            if (moves[m].allowed[from]) {
                assert_int_equal(kit.out.count, moves[m].to == ALERT_PENDING ? 2 : 1);
                assert_int_equal(kit.out.items[0].kind, DECIDE_ALERT);
                assert_int_equal(alert->state, moves[m].to);
                assert_int_equal(alert->history_count, history + 1);
            } else {
                assert_int_equal(kit_refused(&kit)->code, TC_ESTATE);
                assert_int_equal(alert->state, all_states[from]);
                assert_int_equal(alert->history_count, history);
            }
            kit_free(&kit);
        }
}

static void test_D_14_what_has_ended_opens_no_more(void **state)
{
    (void)state;
    for (size_t from = 0; from < TC_ARRAY_LEN(all_states); from++)
        for (size_t to = 0; to < TC_ARRAY_LEN(all_states); to++)
            if (!lifecycle_open(all_states[from]) && lifecycle_open(all_states[to]))
                assert_false(lifecycle_allows(all_states[from], all_states[to]));
}

static void test_D_14_dispositions(void **state)
{
    (void)state;
    static const char *const good[][2] = {{"true_positive", "true_positive"},
                                          {"False-Positive", "false_positive"},
                                          {" BENIGN ", "benign"},
                                          {"true positive", "true_positive"}};
    for (size_t i = 0; i < TC_ARRAY_LEN(good); i++) {
        struct kit kit;
        char id[33];
        bring(&kit, SEVERITY_P3, ALERT_FIRING, id);
        kit_command(&kit, "close", id, good[i][0], "", KIT_T0 + 2);
        assert_int_equal(kit.out.items[0].kind, DECIDE_ALERT);
        assert_true(sv_is(book_at(kit.book, 0)->disposition, good[i][1]));
        kit_free(&kit);
    }
    static const char *const bad[] = {"", "maybe", "true_positive2",
                                      "a word that is far too long for any of them"};
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        struct kit kit;
        char id[33];
        bring(&kit, SEVERITY_P3, ALERT_FIRING, id);
        kit_command(&kit, "close", id, bad[i], "", KIT_T0 + 2);
        assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
        assert_non_null(strstr(kit_refused(&kit)->text, "false_positive"));
        kit_free(&kit);
    }
}

static void test_D_15_closing_p1_p2_needs_a_note(void **state)
{
    (void)state;
    for (enum severity severity = SEVERITY_P1; severity <= SEVERITY_P4; severity++) {
        struct kit kit;
        char id[33];
        bring(&kit, severity, ALERT_RESOLVED, id);
        kit_command(&kit, "close", id, "benign", "  ", KIT_T0 + 2);
        if (severity <= SEVERITY_P2) {
            assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
            assert_non_null(strstr(kit_refused(&kit)->text, "note"));
            kit_command(&kit, "close", id, "benign", "the scanner of the auditors", KIT_T0 + 3);
            assert_true(sv_is(book_at(kit.book, 0)->note, "the scanner of the auditors"));
        }
        assert_int_equal(kit.out.items[0].kind, DECIDE_ALERT);
        assert_int_equal(book_at(kit.book, 0)->state, ALERT_CLOSED);
        kit_free(&kit);
    }
}

static void test_D_09_acknowledge_sets_fields(void **state)
{
    (void)state;
    struct kit kit;
    char id[33];
    bring(&kit, SEVERITY_P1, ALERT_FIRING, id);
    assert_int_equal(book_at(kit.book, 0)->acknowledged_ns, TC_NO_TIME);
    kit_command(&kit, "ack", id, "", "on it", KIT_T0 + 5);
    const struct alert *alert = kit.out.items[0].alert;
    assert_true(sv_is(kit.out.items[0].what, "acknowledged"));
    assert_true(sv_is(kit.out.items[0].by, "alice"));
    assert_int_equal(alert->acknowledged_ns, KIT_T0 + 5);
    assert_true(sv_is(alert->acknowledged_by, "alice"));
    assert_int_equal(alert->ended_ns, TC_NO_TIME);
    assert_true(sv_is(alert->history[1].what, "acknowledged"));
    assert_true(sv_is(alert->history[1].note, "on it"));
    kit_command(&kit, "ack", id, "", "", KIT_T0 + 6);
    assert_int_equal(kit_refused(&kit)->code, TC_ESTATE);
    assert_string_equal(kit_refused(&kit)->text, "already acknowledged by alice");
    kit_free(&kit);
}

static void test_closing_keeps_the_time_of_the_end(void **state)
{
    (void)state;
    struct kit kit;
    char id[33];
    bring(&kit, SEVERITY_P3, ALERT_FIRING, id);
    kit_command(&kit, "resolve", id, "", "", KIT_T0 + 5);
    kit_command(&kit, "close", id, "benign", "", KIT_T0 + 9);
    const struct alert *alert = book_at(kit.book, 0);
    assert_int_equal(alert->ended_ns, KIT_T0 + 5);
    assert_int_equal(alert->history_count, 3);
    assert_int_equal(alert->history[2].time_ns, KIT_T0 + 9);
    kit_free(&kit);
}

static void test_commands_that_make_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *id;
        int code;
    } bad[] = {
        {"reopen", NULL, TC_EINPUT},
        {"", NULL, TC_EINPUT},
        {"ack", "12345", TC_EINPUT},
        {"ack", "", TC_EINPUT},
        {"ack", "not hexadecimal", TC_EINPUT},
        {"ack", "000000000000000000000000000000000", TC_EINPUT},
        {"ack", "00000000000000000000000000000000", TC_ENOTFOUND},
        {"ack", "000000", TC_ENOTFOUND},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        struct kit kit;
        char id[33];
        bring(&kit, SEVERITY_P2, ALERT_FIRING, id);
        kit_command(&kit, bad[i].verb, bad[i].id == NULL ? id : bad[i].id, "benign", "", KIT_T0 + 2);
        assert_int_equal(kit_refused(&kit)->code, bad[i].code);
        kit_free(&kit);
    }
}

static void test_note_and_name_are_bounded(void **state)
{
    (void)state;
    struct kit kit;
    char id[33];
    static char long_note[ALERT_NOTE_MAX + 2], long_name[2000];
    memset(long_note, 'x', sizeof long_note - 1);
    memset(long_name, 'y', sizeof long_name - 1);
    bring(&kit, SEVERITY_P2, ALERT_FIRING, id);
    kit_command(&kit, "ack", id, "", long_note, KIT_T0 + 2);
    assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
    kit_clear(&kit);
    struct alert_command command = {.verb = SV("ack"), .alert_id = sv_of(id), .by = sv_of(long_name)};
    book_command(kit.book, 9, (struct receive_time){KIT_T0 + 3}, &command, &kit.out);
    assert_int_equal(kit.out.items[0].kind, DECIDE_ALERT);
    assert_int_equal(kit.out.items[0].alert->acknowledged_by.n, ALERT_BY_MAX);
    kit_free(&kit);
}

static void test_state_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(all_states); i++) {
        enum alert_state back = ALERT_CLOSED;
        assert_true(alert_state_of(sv_of(alert_state_name(all_states[i])), &back));
        assert_int_equal(back, all_states[i]);
    }
    enum alert_state untouched = ALERT_RESOLVED;
    assert_false(alert_state_of(SV("open"), &untouched));
    assert_int_equal(untouched, ALERT_RESOLVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_14_every_move),
        cmocka_unit_test(test_D_14_what_has_ended_opens_no_more),
        cmocka_unit_test(test_D_14_dispositions),
        cmocka_unit_test(test_D_15_closing_p1_p2_needs_a_note),
        cmocka_unit_test(test_D_09_acknowledge_sets_fields),
        cmocka_unit_test(test_closing_keeps_the_time_of_the_end),
        cmocka_unit_test(test_commands_that_make_no_sense),
        cmocka_unit_test(test_note_and_name_are_bounded),
        cmocka_unit_test(test_state_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
