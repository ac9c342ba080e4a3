/*
 * What people do about an alert, and what time does then: assignment, notes, the five steps (D-15), tasks
 * (D-17), snoozes, the question to the user (D-16), the ladder of escalation (D-10 to D-12); and that a book
 * which was saved and loaded anywhere goes on as one that was not (D-08).
 */
#include "alert/alert_testkit.h"

#include <stdlib.h>
#include <string.h>

#define COMMAND(...) ((struct alert_command){__VA_ARGS__})

static const struct alert_options options = {
    .resolve_after_ns = 30 * 24 * KIT_HOUR,
    .acknowledge_within_ns = 5 * KIT_MINUTE,
    .answer_within_ns = 2 * KIT_HOUR,
    .ladders = {[SEVERITY_P1] = {.after_ns = {15 * KIT_MINUTE, 60 * KIT_MINUTE},
                                 .count = 2,
                                 .repeats = 1,
                                 .repeat_every_ns = 2 * KIT_HOUR},
                [SEVERITY_P2] = {.after_ns = {60 * KIT_MINUTE}, .count = 1}},
};

static const struct alert *bring(struct kit *kit, enum severity severity)
{
    kit_init(kit, &options);
    struct rule_info rule = kit_rule("r-1", "T", severity);
    struct finding_field ip = kit_ip("203.0.113.7");
    kit_give(kit, kit_finding(&rule, &ip, KIT_T0));
    return book_at(kit->book, 0);
}

static struct sv last_what(const struct alert *alert)
{
    return alert->history[alert->history_count - 1].what;
}

static struct sv last_note(const struct alert *alert)
{
    return alert->history[alert->history_count - 1].note;
}

static void test_D_15_five_steps_in_order(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P1);
    kit_do(&kit, "assess", a->id, COMMAND(.impact = SV("high"), .urgency = SV("low")), KIT_T0 + 1);
    assert_int_equal(kit_refused(&kit)->code, TC_ESTATE);
    assert_non_null(strstr(kit_refused(&kit)->text, "acknowledge"));
    kit_do(&kit, "ack", a->id, COMMAND(0), KIT_T0 + 2);
    kit_do(&kit, "respond", a->id, COMMAND(0), KIT_T0 + 3);
    assert_non_null(strstr(kit_refused(&kit)->text, "assess"));
    kit_do(&kit, "assess", a->id, COMMAND(.impact = SV("huge"), .urgency = SV("low")), KIT_T0 + 3);
    assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
    kit_do(&kit, "assess", a->id, COMMAND(.impact = SV("HIGH"), .urgency = SV("low")), KIT_T0 + 4);
    assert_true(sv_is(a->life->impact, "high"));
    kit_do(&kit, "respond", a->id, COMMAND(.by = SV("bob")), KIT_T0 + 5);
    kit_do(&kit, "document", a->id, COMMAND(.note = SV("wiki/42")), KIT_T0 + 6);
    assert_non_null(strstr(kit_refused(&kit)->text, "resolve or close"));
    kit_do(&kit, "resolve", a->id, COMMAND(.note = SV("a stolen key")), KIT_T0 + 7);
    kit_do(&kit, "document", a->id, COMMAND(0), KIT_T0 + 8);
    assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
    kit_do(&kit, "document", a->id, COMMAND(.note = SV("wiki/42")), KIT_T0 + 9);
    assert_int_equal(a->acknowledged_ns, KIT_T0 + 2);
    assert_int_equal(a->life->assessed_ns, KIT_T0 + 4);
    assert_int_equal(a->life->responded_ns, KIT_T0 + 5);
    assert_true(sv_is(a->life->responded_by, "bob"));
    assert_int_equal(a->ended_ns, KIT_T0 + 7);
    assert_int_equal(a->life->documented_ns, KIT_T0 + 9);
    assert_true(sv_is(a->life->document, "wiki/42"));
    assert_int_equal(a->life->breached_ns, TC_NO_TIME);
    kit_free(&kit);
}

static void test_D_15_breach_at_five_minutes(void **state)
{
    (void)state;
    for (enum severity severity = SEVERITY_P1; severity <= SEVERITY_P3; severity++) {
        struct kit kit;
        const struct alert *a = bring(&kit, severity);
        kit_tick(&kit, KIT_T0 + 5 * KIT_MINUTE - 1);
        assert_int_equal(kit.out.count, 0);
        kit_tick(&kit, KIT_T0 + 5 * KIT_MINUTE);
        assert_int_equal(kit.out.count, severity <= SEVERITY_P2 ? 1 : 0);
        if (severity <= SEVERITY_P2) {
            assert_true(sv_is(kit.out.items[0].what, "breached"));
            assert_int_equal(a->life->breached_ns, KIT_T0 + 5 * KIT_MINUTE);
            assert_true(sv_is(last_note(a), "nobody acknowledged within 5m"));
        }
        kit_tick(&kit, KIT_T0 + 6 * KIT_MINUTE);
        assert_int_equal(kit.out.count, 0);
        kit_free(&kit);
    }
}

/* 24 hours for P1, 7 days for P2, whatever was done meanwhile; once; and not past the end. */
static void test_D_20_overdue_to_the_minute(void **state)
{
    static const struct alert_options o = {
        .overdue_after_ns = {[SEVERITY_P1] = 24 * KIT_HOUR, [SEVERITY_P2] = 7 * 24 * KIT_HOUR},
        .resolve_after_ns = 1000 * KIT_HOUR};
    (void)state;
    for (enum severity severity = SEVERITY_P1; severity <= SEVERITY_P3; severity++) {
        struct kit kit;
        struct rule_info rule = kit_rule("r-1", "T", severity);
        int64_t due_ns = KIT_T0 + o.overdue_after_ns[severity];
        kit_init(&kit, &o);
        kit_give(&kit, kit_finding(&rule, NULL, KIT_T0));
        kit_do(&kit, "ack", book_at(kit.book, 0)->id, COMMAND(0), KIT_T0 + KIT_MINUTE);
        if (severity == SEVERITY_P3) { /* has no such clock */
            kit_tick(&kit, KIT_T0 + 900 * KIT_HOUR);
            assert_int_equal(kit_intents(&kit), 0);
            kit_free(&kit);
            continue;
        }
        kit_tick(&kit, due_ns - KIT_MINUTE);
        assert_int_equal(kit.out.count, 0);
        kit_save_and_load(&kit, &o);
        kit_tick(&kit, due_ns + KIT_MINUTE);
        assert_int_equal(kit_intent(&kit)->reason, NOTIFY_OVERDUE);
        const struct alert *a = book_at(kit.book, 0);
        assert_int_equal(a->life->overdue_ns, due_ns);
        assert_true(sv_is(last_what(a), "overdue"));
        assert_true(sv_is(last_note(a),
                          severity == SEVERITY_P1 ? "open for longer than 1d" : "open for longer than 1w"));
        kit_save_and_load(&kit, &o);
        kit_tick(&kit, due_ns + 48 * KIT_HOUR);
        assert_int_equal(kit.out.count, 0);
        kit_free(&kit);
    }
}

static void test_D_20_what_has_ended_is_not_overdue(void **state)
{
    static const struct alert_options o = {.overdue_after_ns = {[SEVERITY_P1] = 24 * KIT_HOUR}};
    struct kit kit;
    struct rule_info rule = kit_rule("r-1", "T", SEVERITY_P1);
    (void)state;
    kit_init(&kit, &o);
    kit_give(&kit, kit_finding(&rule, NULL, KIT_T0));
    kit_do(&kit, "resolve", book_at(kit.book, 0)->id, COMMAND(0), KIT_T0 + 23 * KIT_HOUR);
    kit_tick(&kit, KIT_T0 + 25 * KIT_HOUR);
    assert_int_equal(kit.out.count, 0);
    kit_free(&kit);
}

static void test_Y_16_assign_and_note(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P3);
    kit_do(&kit, "assign", a->id, COMMAND(.to = SV("bob"), .note = SV("he knows")), KIT_T0 + 1);
    assert_true(sv_is(a->life->assigned, "bob"));
    assert_true(sv_is(last_what(a), "assigned"));
    assert_true(sv_is(last_note(a), "to bob: he knows"));
    kit_do(&kit, "assign", a->id, COMMAND(0), KIT_T0 + 2);
    assert_int_equal(a->life->assigned.n, 0);
    kit_do(&kit, "note", a->id, COMMAND(0), KIT_T0 + 3);
    assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
    kit_do(&kit, "close", a->id, COMMAND(.disposition = SV("benign")), KIT_T0 + 4);
    kit_do(&kit, "note", a->id, COMMAND(.note = SV("after all")), KIT_T0 + 5);
    assert_true(sv_is(last_note(a), "after all"));
    kit_do(&kit, "assign", a->id, COMMAND(.to = SV("bob")), KIT_T0 + 6);
    assert_int_equal(kit_refused(&kit)->code, TC_ESTATE);
    kit_free(&kit);
}

static void test_D_17_tasks_remind_once(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P3);
    char id[33];
    memcpy(id, a->id, sizeof id);
    kit_do(&kit, "task", id, COMMAND(.what = SV("monitor_24h"), .to = SV("bob")), KIT_T0);
    kit_do(&kit, "task", id, COMMAND(.what = SV("call them"), .until = SV("2h")), KIT_T0);
    kit_do(&kit, "task", id, COMMAND(.what = SV("whenever")), KIT_T0);
    assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
    assert_int_equal(a->life->task_count, 2);
    kit_do(&kit, "resolve", id, COMMAND(0), KIT_T0 + 1);
    kit_tick(&kit, KIT_T0 + 2 * KIT_HOUR - 1);
    assert_int_equal(kit_intents(&kit), 0);
    kit_tick(&kit, KIT_T0 + 2 * KIT_HOUR);
    assert_non_null(kit_intent(&kit));
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_TASK_DUE);
    assert_int_equal(kit_intent(&kit)->step, 2);
    assert_non_null(strstr(kit_intent(&kit)->key, "-task_due-2"));
    kit_do(&kit, "done", id, COMMAND(.what = SV("2")), KIT_T0 + 3 * KIT_HOUR);
    kit_do(&kit, "done", id, COMMAND(.what = SV("2")), KIT_T0 + 3 * KIT_HOUR);
    assert_non_null(strstr(kit_refused(&kit)->text, "done by alice"));
    kit_do(&kit, "done", id, COMMAND(.what = SV("3")), KIT_T0 + 3 * KIT_HOUR);
    assert_int_equal(kit_refused(&kit)->code, TC_ENOTFOUND);
    kit_tick(&kit, KIT_T0 + 24 * KIT_HOUR);
    assert_int_equal(kit_intents(&kit), 1);
    /* what is not done keeps the alert within reach: longer than the 48 hours after the end */
    kit_tick(&kit, KIT_T0 + 29 * 24 * KIT_HOUR);
    assert_int_equal(kit_intents(&kit), 0);
    kit_do(&kit, "done", id, COMMAND(.what = SV("1")), KIT_T0 + 29 * 24 * KIT_HOUR);
    assert_int_equal(kit.out.items[0].kind, DECIDE_ALERT);
    kit_tick(&kit, KIT_T0 + 30 * 24 * KIT_HOUR);
    assert_int_equal(book_count(kit.book), 0);
    kit_free(&kit);
}

static void test_D_17_next_business_day(void **state)
{
    (void)state;
    /* KIT_T0 is Saturday, 2026-11-21T10:00Z; the zone is UTC */
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P3);
    char due[TC_RFC3339_MAX];
    kit_do(&kit, "task", a->id, COMMAND(.what = SV("verify_next_business_day")), KIT_T0);
    clk_rfc3339(a->life->tasks[0].due_ns, due);
    assert_string_equal(due, "2026-11-23T09:00:00Z");
    assert_int_equal(clk_weekday(a->life->tasks[0].due_ns), 1);
    kit_free(&kit);
}

static void test_D_17_tasks_are_bounded(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P3);
    for (int i = 0; i < ALERT_TASKS_MAX; i++)
        kit_do(&kit, "task", a->id, COMMAND(.what = SV("monitor_24h")), KIT_T0);
    kit_do(&kit, "task", a->id, COMMAND(.what = SV("monitor_24h")), KIT_T0);
    assert_int_equal(kit_refused(&kit)->code, TC_EBOUND);
    kit_free(&kit);
}

static void test_snooze_ends_where_it_began(void **state)
{
    (void)state;
    for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
        struct kit kit;
        const struct alert *a = bring(&kit, SEVERITY_P2);
        if (acknowledged)
            kit_do(&kit, "ack", a->id, COMMAND(0), KIT_T0 + 1);
        kit_do(&kit, "snooze", a->id, COMMAND(.until = SV("2026-11-21T10:30:00Z")), KIT_T0 + 2);
        assert_int_equal(a->state, ALERT_SNOOZED);
        assert_int_equal(a->life->snoozed_until_ns, KIT_T0 + 30 * KIT_MINUTE);
        kit_tick(&kit, KIT_T0 + 30 * KIT_MINUTE - 1);
        assert_int_equal(kit.out.count, 0);
        kit_tick(&kit, KIT_T0 + 30 * KIT_MINUTE);
        assert_int_equal(a->state, acknowledged ? ALERT_ACKNOWLEDGED : ALERT_FIRING);
        assert_int_equal(kit_intents(&kit), acknowledged ? 0 : 1);
        if (!acknowledged)
            assert_int_equal(kit_intent(&kit)->reason, NOTIFY_REMINDER);
        kit_free(&kit);
    }
}

static void test_snooze_refuses_what_makes_no_sense(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P2);
    static const char *const bad[] = {"", "soon", "0", "31d", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"};
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        kit_do(&kit, "snooze", a->id, COMMAND(.until = sv_of(bad[i])), KIT_T0);
        assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
    }
    kit_do(&kit, "wake", a->id, COMMAND(0), KIT_T0);
    assert_int_equal(kit_refused(&kit)->code, TC_ESTATE);
    kit_free(&kit);
}

static void test_D_16_yes_resolves_once(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P3);
    kit_do(&kit, "confirm", a->id, COMMAND(0), KIT_T0);
    assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
    kit_do(&kit, "confirm", a->id, COMMAND(.to = SV("u@example.org")), KIT_T0);
    assert_int_equal(a->state, ALERT_PENDING);
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_QUESTION);
    kit_do(&kit, "answer", a->id, COMMAND(.what = SV("yes"), .to = SV("2")), KIT_T0 + 1);
    assert_int_equal(kit_refused(&kit)->code, TC_ESTATE);
    kit_do(&kit, "answer", a->id, COMMAND(.what = SV("maybe"), .to = SV("1")), KIT_T0 + 1);
    assert_int_equal(kit_refused(&kit)->code, TC_EINPUT);
    kit_do(&kit, "answer", a->id, COMMAND(.what = SV("yes"), .to = SV("1")), KIT_T0 + 2);
    assert_int_equal(a->state, ALERT_RESOLVED);
    assert_true(sv_is(kit.out.items[0].what, "resolved"));
    kit_do(&kit, "answer", a->id, COMMAND(.what = SV("no"), .to = SV("1")), KIT_T0 + 3);
    assert_int_equal(kit_refused(&kit)->code, TC_ESTATE);
    kit_free(&kit);
}

static void test_D_16_no_raises(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P3);
    kit_do(&kit, "confirm", a->id, COMMAND(.to = SV("u@example.org")), KIT_T0);
    kit_do(&kit, "answer", a->id, COMMAND(.what = SV("no"), .to = SV("1")), KIT_T0 + KIT_HOUR);
    assert_int_equal(a->state, ALERT_FIRING);
    assert_int_equal(a->severity, SEVERITY_P1);
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_SEVERITY_RAISED);
    /* and the ladder of P1 begins then */
    kit_tick(&kit, KIT_T0 + KIT_HOUR + 15 * KIT_MINUTE - 1);
    assert_int_equal(kit_intents(&kit), 0);
    kit_tick(&kit, KIT_T0 + KIT_HOUR + 15 * KIT_MINUTE);
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_ESCALATED);
    kit_free(&kit);
}

static void test_D_16_silence(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        struct kit kit;
        struct alert_options o = options;
        o.silence_is_no_objection = keep;
        o.raise_to = SEVERITY_P2;
        kit_init(&kit, &o);
        struct rule_info rule = kit_rule("r-1", "T", SEVERITY_P3);
        kit_give(&kit, kit_finding(&rule, NULL, KIT_T0));
        const struct alert *a = book_at(kit.book, 0);
        kit_do(&kit, "confirm", a->id, COMMAND(.to = SV("u@example.org")), KIT_T0);
        kit_tick(&kit, KIT_T0 + 2 * KIT_HOUR - 1);
        assert_int_equal(a->state, ALERT_PENDING);
        kit_tick(&kit, KIT_T0 + 2 * KIT_HOUR);
        assert_int_equal(a->state, ALERT_FIRING);
        assert_int_equal(a->severity, keep ? SEVERITY_P3 : SEVERITY_P2);
        assert_int_equal(kit_intent(&kit)->reason, keep ? NOTIFY_REMINDER : NOTIFY_SEVERITY_RAISED);
        kit_do(&kit, "answer", a->id, COMMAND(.what = SV("yes"), .to = SV("1")), KIT_T0 + 3 * KIT_HOUR);
        assert_int_equal(kit_refused(&kit)->code, TC_ESTATE);
        kit_free(&kit);
    }
}

static void test_D_10_edges_of_a_step(void **state)
{
    (void)state;
    struct kit kit;
    bring(&kit, SEVERITY_P1);
    kit_tick(&kit, KIT_T0 + 14 * KIT_MINUTE + 59 * TC_SECOND_NS);
    assert_int_equal(kit_intents(&kit), 0);
    kit_save_and_load(&kit, &options);
    kit_tick(&kit, KIT_T0 + 15 * KIT_MINUTE + TC_SECOND_NS);
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_ESCALATED);
    assert_int_equal(kit_intent(&kit)->step, 1);
    kit_save_and_load(&kit, &options);
    kit_tick(&kit, KIT_T0 + 59 * KIT_MINUTE + 59 * TC_SECOND_NS);
    assert_int_equal(kit_intents(&kit), 0);
    kit_tick(&kit, KIT_T0 + 60 * KIT_MINUTE + TC_SECOND_NS);
    assert_int_equal(kit_intent(&kit)->step, 2);
    /* the second round, two hours after the first's begin */
    kit_tick(&kit, KIT_T0 + 2 * KIT_HOUR + 14 * KIT_MINUTE);
    assert_int_equal(kit_intents(&kit), 0);
    kit_tick(&kit, KIT_T0 + 2 * KIT_HOUR + 15 * KIT_MINUTE);
    assert_int_equal(kit_intent(&kit)->step, 3);
    kit_tick(&kit, KIT_T0 + 3 * KIT_HOUR);
    assert_int_equal(kit_intent(&kit)->step, 4);
    kit_tick(&kit, KIT_T0 + 100 * KIT_HOUR);
    assert_int_equal(kit_intents(&kit), 0);
    kit_free(&kit);
}

static void test_D_09_acknowledging_stops_the_ladder(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P1);
    kit_tick(&kit, KIT_T0 + 16 * KIT_MINUTE);
    assert_int_equal(kit_intents(&kit), 1);
    kit_do(&kit, "ack", a->id, COMMAND(0), KIT_T0 + 17 * KIT_MINUTE);
    kit_tick(&kit, KIT_T0 + 10 * KIT_HOUR);
    assert_int_equal(kit_intents(&kit), 0);
    kit_free(&kit);
}

static void test_snooze_pauses_the_ladder(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P1);
    kit_do(&kit, "snooze", a->id, COMMAND(.until = SV("1h")), KIT_T0 + 10 * KIT_MINUTE);
    assert_non_null(strstr(last_note(a).p, "escalation pauses"));
    kit_tick(&kit, KIT_T0 + 70 * KIT_MINUTE); /* wakes; ten of fifteen minutes had passed before */
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_REMINDER);
    kit_tick(&kit, KIT_T0 + 75 * KIT_MINUTE - 1);
    assert_int_equal(kit_intents(&kit), 0);
    kit_tick(&kit, KIT_T0 + 75 * KIT_MINUTE);
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_ESCALATED);
    kit_free(&kit);
}

static void test_steps_after_a_standstill_say_how_late_they_are(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = bring(&kit, SEVERITY_P1);
    kit_tick(&kit, KIT_T0 + 61 * KIT_MINUTE);
    assert_int_equal(kit_intents(&kit), 2);
    const struct sv late = a->history[a->history_count - 2].note;
    assert_true(sv_is(late, "step 1: not acknowledged after 15m; told 46m late"));
    kit_free(&kit);
}

static void test_D_10_a_new_policy_pages_for_nothing_old(void **state)
{
    (void)state;
    struct kit kit;
    struct buf saved;
    struct err err;
    bring(&kit, SEVERITY_P3); /* no ladder yet */
    kit_tick(&kit, KIT_T0 + 20 * KIT_MINUTE);
    struct alert_options o = options;
    o.ladders[SEVERITY_P3] =
        (struct alert_ladder){.after_ns = {15 * KIT_MINUTE, 30 * KIT_MINUTE}, .count = 2};
    struct book *fresh = book_new(&o);
    buf_init(&saved, 1 << 20);
    book_save(kit.book, &saved);
    assert_int_equal(book_load(fresh, buf_view(&saved), &err), 0);
    book_pass_steps(fresh, kit.book, KIT_T0 + 20 * KIT_MINUTE);
    book_free(&kit.book);
    kit.book = fresh;
    kit_tick(&kit, KIT_T0 + 21 * KIT_MINUTE);
    assert_int_equal(kit_intents(&kit), 0);
    kit_tick(&kit, KIT_T0 + 30 * KIT_MINUTE);
    assert_int_equal(kit_intent(&kit)->step, 2);
    buf_free(&saved);
    kit_free(&kit);
}

/* --- a saved book goes on as it was */

static uint64_t roll_state;
static uint64_t roll(uint64_t below)
{
    roll_state = roll_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (roll_state >> 33) % below;
}

static void one_step(struct kit *kit, uint64_t kind, uint64_t pick, int64_t now_ns)
{
    static const char *const verbs[] = {"ack",     "snooze", "wake",    "assign",  "note",
                                        "confirm", "answer", "assess",  "respond", "document",
                                        "task",    "done",   "resolve", "close"};
    static const char *const times[] = {"20m", "3h", "2d"};
    struct rule_info rule = kit_rule("r-1", "T", (enum severity)(SEVERITY_P1 + pick % 3));
    struct finding_field ip = kit_ip(pick % 2 ? "203.0.113.7" : "203.0.113.8");
    size_t count = book_count(kit->book);
    if (kind < 3) {
        kit_give(kit, kit_finding(&rule, &ip, now_ns));
    } else if (kind < 6 || count == 0) {
        kit_tick(kit, now_ns);
    } else {
        struct alert_command command = {.note = SV("n"),
                                        .until = sv_of(times[pick % 3]),
                                        .to = pick % 5 ? SV("1") : SV("2"),
                                        .what = pick % 3 ? SV("1") : SV("no"),
                                        .impact = SV("low"),
                                        .urgency = SV("high"),
                                        .disposition = SV("benign")};
        kit_do(kit, verbs[pick % TC_ARRAY_LEN(verbs)], book_at(kit->book, pick % count)->id, command, now_ns);
    }
}

static void test_D_08_saved_anywhere_goes_on_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct kit through, broken;
        int64_t now_ns = KIT_T0;
        kit_init(&through, &options);
        kit_init(&broken, &options);
        roll_state = seed;
        for (int i = 0; i < 300; i++) {
            now_ns += (int64_t)roll(20 * (uint64_t)KIT_MINUTE);
            uint64_t kind = roll(10), pick = roll(1000);
            one_step(&through, kind, pick, now_ns);
            one_step(&broken, kind, pick, now_ns);
            struct buf x, y;
            buf_init(&x, 16 << 20);
            buf_init(&y, 16 << 20);
            kit_transcribe(&through.out, &x);
            kit_transcribe(&broken.out, &y);
            assert_int_equal(x.n, y.n);
            assert_true(x.n == 0 || memcmp(x.p, y.p, x.n) == 0);
            buf_free(&x);
            buf_free(&y);
            if (roll(5) == 0)
                kit_save_and_load(&broken, &options);
        }
        kit_free(&through);
        kit_free(&broken);
    }
}

/* --- its JSON and its Markdown */

static const struct alert *with_all(struct kit *kit)
{
    const struct alert *a = bring(kit, SEVERITY_P1);
    kit_do(kit, "ack", a->id, COMMAND(0), KIT_T0 + 1);
    kit_do(kit, "assess", a->id, COMMAND(.impact = SV("high"), .urgency = SV("critical")), KIT_T0 + 2);
    kit_do(kit, "task", a->id, COMMAND(.what = SV("fix <b>it</b>"), .until = SV("1d"), .to = SV("bob")),
           KIT_T0);
    kit_do(kit, "note", a->id, COMMAND(.note = SV("# not a heading | <script>")), KIT_T0 + 3);
    kit_do(kit, "snooze", a->id, COMMAND(.until = SV("1h")), KIT_T0 + 4);
    return a;
}

static void test_json_there_and_back(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = with_all(&kit);
    struct arena arena = {0};
    struct alert back;
    struct err err;
    struct buf json, again;
    buf_init(&json, 1 << 20);
    buf_init(&again, 1 << 20);
    alert_to_json(a, &json);
    assert_int_equal(alert_from_json(buf_view(&json), &arena, &back, &err), 0);
    alert_to_json(&back, &again);
    assert_int_equal(json.n, again.n);
    assert_memory_equal(json.p, again.p, json.n);
    arena_free(&arena);
    buf_free(&json);
    buf_free(&again);
    kit_free(&kit);
}

static void test_Y_16_markdown(void **state)
{
    (void)state;
    struct kit kit;
    const struct alert *a = with_all(&kit);
    struct buf text;
    buf_init(&text, 1 << 20);
    alert_to_markdown(a, &text);
    buf_char(&text, '\0');
    assert_non_null(strstr(text.p, "# T\n"));
    assert_non_null(strstr(text.p, "| Assess | 2026-11-21T10:00:00.000000002Z | 0s | alice | "));
    assert_non_null(strstr(text.p, "- [ ] fix \\<b\\>it\\</b\\>, due 2026-11-22T10:00:00Z, bob"));
    assert_non_null(strstr(text.p, "\\# not a heading \\| \\<script\\>"));
    assert_null(strstr(text.p, "<script>"));
    buf_free(&text);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_15_five_steps_in_order),
        cmocka_unit_test(test_D_15_breach_at_five_minutes),
        cmocka_unit_test(test_D_20_overdue_to_the_minute),
        cmocka_unit_test(test_D_20_what_has_ended_is_not_overdue),
        cmocka_unit_test(test_Y_16_assign_and_note),
        cmocka_unit_test(test_D_17_tasks_remind_once),
        cmocka_unit_test(test_D_17_next_business_day),
        cmocka_unit_test(test_D_17_tasks_are_bounded),
        cmocka_unit_test(test_snooze_ends_where_it_began),
        cmocka_unit_test(test_snooze_refuses_what_makes_no_sense),
        cmocka_unit_test(test_D_16_yes_resolves_once),
        cmocka_unit_test(test_D_16_no_raises),
        cmocka_unit_test(test_D_16_silence),
        cmocka_unit_test(test_D_10_edges_of_a_step),
        cmocka_unit_test(test_D_09_acknowledging_stops_the_ladder),
        cmocka_unit_test(test_snooze_pauses_the_ladder),
        cmocka_unit_test(test_steps_after_a_standstill_say_how_late_they_are),
        cmocka_unit_test(test_D_10_a_new_policy_pages_for_nothing_old),
        cmocka_unit_test(test_D_08_saved_anywhere_goes_on_the_same),
        cmocka_unit_test(test_json_there_and_back),
        cmocka_unit_test(test_Y_16_markdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
