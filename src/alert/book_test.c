/*
 * The fold: merging, counting, telling, ending by time, bounds (D-05 to D-09, D-21, X-27).
 */
#include "alert/alert_testkit.h"

#include <stdio.h>
#include <string.h>

static const struct finding_field no_field;

struct scene { /* one rule, one address, and a book */
    struct kit kit;
    struct rule_info rule;
    struct finding_field ip;
};

static void scene_init(struct scene *s, const struct alert_options *options)
{
    kit_init(&s->kit, options);
    s->rule = kit_rule("r-1", "BRUTE_FORCE_ATTACK", SEVERITY_P2);
    s->ip = kit_ip("203.0.113.7");
}

static struct finding hit(const struct scene *s, int64_t time_ns)
{
    return kit_finding(&s->rule, &s->ip, time_ns);
}

static struct finding repeat_hit(const struct scene *s, int64_t time_ns)
{
    struct finding f = hit(s, time_ns);
    f.repeat = true;
    f.episode_start.ns = KIT_T0;
    return f;
}

static void test_D_05_repeats_raise_the_count(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    size_t told = 0;
    for (int i = 0; i < 9; i++) {
        kit_give(&s.kit, hit(&s, KIT_T0 + i * KIT_MINUTE));
        told += kit_intents(&s.kit);
        if (i == 0) {
            assert_int_equal(s.kit.out.count, 2);
            assert_int_equal(s.kit.out.items[0].kind, DECIDE_ALERT);
            assert_true(sv_is(s.kit.out.items[0].what, "created"));
            assert_int_equal(s.kit.out.items[1].reason, NOTIFY_NEW);
            assert_int_equal(s.kit.out.items[1].alert->count, 1);
        } else {
            assert_int_equal(s.kit.out.count, 0);
        }
    }
    const struct alert *alert = book_at(s.kit.book, 0);
    assert_int_equal(told, 1);
    assert_int_equal(book_count(s.kit.book), 1);
    assert_int_equal(alert->count, 9);
    assert_int_equal(alert->first_ns, KIT_T0);
    assert_int_equal(alert->last_ns, KIT_T0 + 8 * KIT_MINUTE);
    kit_free(&s.kit);
}

static void test_D_06_told_at_1_10_50_100(void **state)
{
    (void)state;
    static const char *const keys[] = {"new", "10", "50", "100"};
    static const uint64_t counts[] = {1, 10, 50, 100};
    struct scene s;
    scene_init(&s, NULL);
    size_t told = 0;
    for (int i = 0; i < 120; i++) {
        kit_give(&s.kit, hit(&s, KIT_T0 + i * TC_SECOND_NS));
        for (size_t j = 0; j < s.kit.out.count; j++) {
            const struct decision *d = &s.kit.out.items[j];
            if (d->kind != DECIDE_INTENT)
                continue;
            char key[80];
            assert_true(told < 4);
            snprintf(key, sizeof key, "%s-%s", d->alert->id, keys[told]);
            assert_string_equal(d->key, key);
            assert_int_equal(d->alert->count, counts[told]);
            assert_int_equal(d->reason, told == 0 ? NOTIFY_NEW : NOTIFY_COUNT_STEP);
            told++;
        }
    }
    assert_int_equal(told, 4);
    assert_int_equal(book_at(s.kit.book, 0)->count, 120);
    kit_free(&s.kit);
}

static void test_D_06_thresholds_are_configurable(void **state)
{
    (void)state;
    static const uint64_t steps[] = {2, 3, 0};
    struct scene s;
    scene_init(&s, &(struct alert_options){.count_steps = steps});
    size_t told = 0;
    for (int i = 0; i < 20; i++) {
        kit_give(&s.kit, hit(&s, KIT_T0 + i));
        told += kit_intents(&s.kit);
    }
    assert_int_equal(told, 3);
    kit_free(&s.kit);
}

static void test_D_06_a_jump_over_steps_is_told_once(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    kit_give(&s.kit, hit(&s, KIT_T0));
    struct finding f = hit(&s, KIT_T0 + 1);
    f.weight = 60;
    kit_give(&s.kit, f);
    assert_int_equal(kit_intents(&s.kit), 1);
    assert_non_null(strstr(s.kit.out.items[1].key, "-50"));
    assert_int_equal(s.kit.out.items[1].alert->count, 61);
    f.weight = 38;
    f.time.ns++;
    kit_give(&s.kit, f);
    assert_int_equal(kit_intents(&s.kit), 0); /* 99 */
    f.weight = 1;
    kit_give(&s.kit, f);
    assert_int_equal(kit_intents(&s.kit), 1); /* 100 */
    f.weight = UINT32_MAX;
    kit_give(&s.kit, f);
    assert_int_equal(s.kit.out.count, 0);
    kit_free(&s.kit);
}

static void test_D_06_a_heavy_first_is_told_once(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    struct finding f = hit(&s, KIT_T0);
    f.weight = 12;
    kit_give(&s.kit, f);
    assert_int_equal(kit_intents(&s.kit), 1);
    assert_int_equal(s.kit.out.items[1].reason, NOTIFY_NEW);
    assert_int_equal(s.kit.out.items[1].alert->count, 12);
    f.weight = 1;
    kit_give(&s.kit, f);
    assert_int_equal(kit_intents(&s.kit), 0);
    kit_free(&s.kit);
}

static void test_D_07_other_entity_severity_or_rule_is_another_alert(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    kit_give(&s.kit, hit(&s, KIT_T0));
    struct finding_field other_ip = kit_ip("203.0.113.8");
    struct finding f = hit(&s, KIT_T0);
    f.group = &other_ip;
    kit_give(&s.kit, f);
    assert_int_equal(kit_intents(&s.kit), 1);
    struct rule_info raised = s.rule, other = s.rule;
    raised.severity = SEVERITY_P1;
    other.id = SV("r-2");
    f = hit(&s, KIT_T0);
    f.rule = &raised;
    kit_give(&s.kit, f);
    f.rule = &other;
    kit_give(&s.kit, f);
    assert_int_equal(kit_intents(&s.kit), 1);
    f.group = &no_field;
    f.group_count = 0;
    kit_give(&s.kit, f);
    assert_int_equal(kit_intents(&s.kit), 1);
    assert_int_equal(book_count(s.kit.book), 5);
    kit_free(&s.kit);
}

static void test_D_09_acknowledged_is_not_told_again(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    kit_give(&s.kit, hit(&s, KIT_T0));
    kit_command(&s.kit, "ack", book_at(s.kit.book, 0)->id, "", "", KIT_T0 + 1);
    size_t told = 0;
    for (int i = 0; i < 120; i++) {
        kit_give(&s.kit, hit(&s, KIT_T0 + 2 + i));
        told += kit_intents(&s.kit);
    }
    const struct alert *alert = book_at(s.kit.book, 0);
    assert_int_equal(told, 0);
    assert_int_equal(alert->count, 121);
    assert_int_equal(alert->state, ALERT_ACKNOWLEDGED);
    assert_true(sv_is(alert->history[2].what, "count")); /* but it says so in history */
    assert_non_null(memmem(alert->history[2].note.p, alert->history[2].note.n, "not told", 8));
    kit_free(&s.kit);
}

static void test_X_27_past_the_window_is_a_new_alert(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    kit_give(&s.kit, hit(&s, KIT_T0));
    kit_give(&s.kit, hit(&s, KIT_T0 + 50 * KIT_MINUTE));
    kit_give(&s.kit, hit(&s, KIT_T0 + KIT_HOUR - 1));
    assert_int_equal(book_count(s.kit.book), 1); /* from the first, not from the last */
    kit_give(&s.kit, hit(&s, KIT_T0 + KIT_HOUR));
    assert_int_equal(kit_intents(&s.kit), 1);
    assert_int_equal(s.kit.out.items[1].reason, NOTIFY_NEW);
    assert_int_equal(book_count(s.kit.book), 2);
    assert_int_equal(book_at(s.kit.book, 0)->count, 3);
    assert_int_equal(book_at(s.kit.book, 0)->state, ALERT_FIRING);
    assert_string_not_equal(book_at(s.kit.book, 0)->id, book_at(s.kit.book, 1)->id);
    kit_give(&s.kit, repeat_hit(&s, KIT_T0 + KIT_HOUR + 1));
    assert_int_equal(book_at(s.kit.book, 1)->count, 2);
    kit_give(&s.kit, repeat_hit(&s, KIT_T0 + 2 * KIT_HOUR)); /* a repeat, too */
    assert_int_equal(kit_intents(&s.kit), 1);
    assert_int_equal(book_count(s.kit.book), 3);
    kit_free(&s.kit);
}

static void test_a_late_event_joins(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    kit_give(&s.kit, hit(&s, KIT_T0));
    kit_give(&s.kit, hit(&s, KIT_T0 - 30 * TC_SECOND_NS));
    assert_int_equal(book_count(s.kit.book), 1);
    assert_int_equal(book_at(s.kit.book, 0)->first_ns, KIT_T0);
    assert_int_equal(book_at(s.kit.book, 0)->last_ns, KIT_T0);
    kit_free(&s.kit);
}

static void test_no_time_at_all(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    struct finding f = hit(&s, TC_NO_TIME);
    kit_give(&s.kit, f);
    kit_give(&s.kit, f);
    assert_int_equal(book_count(s.kit.book), 1);
    assert_int_equal(book_at(s.kit.book, 0)->count, 2);
    f.received.ns = KIT_T0; /* the receive time stands in */
    f.group_count = 0;
    kit_give(&s.kit, f);
    assert_int_equal(book_at(s.kit.book, 1)->first_ns, KIT_T0);
    kit_free(&s.kit);
}

static void end_by_hand(struct scene *s, const char *verb)
{
    kit_command(&s->kit, verb, book_at(s->kit.book, 0)->id, "benign", "seen", KIT_T0 + KIT_MINUTE);
    assert_int_equal(s->kit.out.items[0].kind, DECIDE_ALERT);
}

static void test_after_the_end_a_repeat_counts_and_is_silent(void **state)
{
    (void)state;
    static const char *const verbs[] = {"resolve", "close"};
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        scene_init(&s, NULL);
        kit_give(&s.kit, hit(&s, KIT_T0));
        end_by_hand(&s, verbs[i]);
        for (int j = 0; j < 20; j++) {
            kit_give(&s.kit, repeat_hit(&s, KIT_T0 + 2 * KIT_MINUTE));
            assert_int_equal(s.kit.out.count, 0);
        }
        assert_int_equal(book_count(s.kit.book), 1);
        assert_int_equal(book_at(s.kit.book, 0)->count, 21);
        assert_int_equal(book_at(s.kit.book, 0)->state, i == 0 ? ALERT_RESOLVED : ALERT_CLOSED);
        kit_give(&s.kit, hit(&s, KIT_T0 + 3 * KIT_MINUTE)); /* a new episode is news */
        assert_int_equal(kit_intents(&s.kit), 1);
        assert_int_equal(book_count(s.kit.book), 2);
        kit_free(&s.kit);
    }
}

static void test_after_the_end_a_repeat_past_the_window_is_news(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    kit_give(&s.kit, hit(&s, KIT_T0));
    end_by_hand(&s, "resolve");
    kit_give(&s.kit, repeat_hit(&s, KIT_T0 + KIT_HOUR));
    assert_int_equal(kit_intents(&s.kit), 1);
    kit_free(&s.kit);
}

static void test_a_new_alert_at_the_same_instant_has_its_own_id(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    kit_give(&s.kit, hit(&s, KIT_T0));
    end_by_hand(&s, "resolve");
    kit_give(&s.kit, hit(&s, KIT_T0));
    assert_int_equal(book_count(s.kit.book), 2);
    assert_string_not_equal(book_at(s.kit.book, 0)->id, book_at(s.kit.book, 1)->id);
    kit_free(&s.kit);
}

static void test_D_14_quiet_alerts_resolve_on_a_tick(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, &(struct alert_options){.resolve_after_ns = 30 * KIT_MINUTE});
    kit_give(&s.kit, hit(&s, KIT_T0));
    kit_give(&s.kit, hit(&s, KIT_T0 + 10 * KIT_MINUTE));
    kit_tick(&s.kit, KIT_T0 + 40 * KIT_MINUTE - 1);
    assert_int_equal(s.kit.out.count, 0);
    kit_tick(&s.kit, KIT_T0 + 40 * KIT_MINUTE);
    assert_int_equal(s.kit.out.count, 1); /* and nobody is told */
    assert_true(sv_is(s.kit.out.items[0].what, "resolved"));
    assert_true(sv_is(s.kit.out.items[0].by, "tocsin"));
    assert_int_equal(s.kit.out.items[0].alert->state, ALERT_RESOLVED);
    assert_int_equal(s.kit.out.items[0].alert->ended_ns, KIT_T0 + 40 * KIT_MINUTE);
    kit_tick(&s.kit, KIT_T0 + 41 * KIT_MINUTE);
    assert_int_equal(s.kit.out.count, 0);
    /* nobody saw it end: a repeat within the window is news all the same */
    kit_give(&s.kit, repeat_hit(&s, KIT_T0 + 45 * KIT_MINUTE));
    assert_int_equal(kit_intents(&s.kit), 1);
    kit_free(&s.kit);
}

static void test_quiet_is_measured_in_receive_time(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    struct finding f = hit(&s, KIT_T0 - 90 * 24 * KIT_HOUR); /* an old log, read today */
    f.received.ns = KIT_T0;
    kit_give(&s.kit, f);
    kit_tick(&s.kit, KIT_T0 + KIT_HOUR);
    assert_int_equal(s.kit.out.count, 0);
    kit_tick(&s.kit, KIT_T0 + 24 * KIT_HOUR);
    assert_int_equal(s.kit.out.count, 1);
    kit_free(&s.kit);
}

static void test_ended_alerts_are_forgotten(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, &(struct alert_options){.forget_after_ns = KIT_HOUR});
    kit_give(&s.kit, hit(&s, KIT_T0));
    end_by_hand(&s, "resolve");
    kit_give(&s.kit, repeat_hit(&s, KIT_T0 + 2 * KIT_MINUTE));
    kit_tick(&s.kit, KIT_T0 + KIT_HOUR + KIT_MINUTE - 1);
    assert_int_equal(book_count(s.kit.book), 1);
    kit_tick(&s.kit, KIT_T0 + KIT_HOUR + KIT_MINUTE);
    assert_int_equal(book_count(s.kit.book), 0);
    assert_int_equal(s.kit.out.count, 1); /* it had counted on after its end: the last word */
    assert_int_equal(s.kit.out.items[0].alert->count, 2);
    kit_give(&s.kit, repeat_hit(&s, KIT_T0 + KIT_HOUR + 2 * KIT_MINUTE));
    assert_int_equal(kit_intents(&s.kit), 1);
    kit_free(&s.kit);
}

static void test_never_forget(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, &(struct alert_options){.forget_after_ns = INT64_MAX, .resolve_after_ns = INT64_MAX});
    kit_give(&s.kit, hit(&s, KIT_T0));
    end_by_hand(&s, "resolve");
    kit_tick(&s.kit, KIT_T0 + 1000 * 24 * KIT_HOUR);
    assert_int_equal(book_count(s.kit.book), 1);
    kit_free(&s.kit);
}

static void give_ip(struct scene *s, unsigned number, int64_t time_ns)
{
    char text[32];
    snprintf(text, sizeof text, "10.%u.%u.%u", number >> 16, number >> 8 & 255, number & 255);
    struct finding_field ip = kit_ip(text);
    struct finding f = hit(s, time_ns);
    f.group = &ip;
    kit_give(&s->kit, f);
}

static void test_bound_evicts_the_longest_ended(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, &(struct alert_options){.max_open = 3});
    char ids[3][33];
    for (unsigned i = 0; i < 3; i++) {
        give_ip(&s, i, KIT_T0 + i);
        memcpy(ids[i], s.kit.out.items[0].alert->id, 33);
    }
    kit_command(&s.kit, "resolve", ids[2], "", "", KIT_T0 + 5);
    kit_command(&s.kit, "resolve", ids[0], "", "", KIT_T0 + 6);
    give_ip(&s, 7, KIT_T0 + 7);
    struct err err;
    assert_int_equal(book_count(s.kit.book), 3);
    assert_null(book_find(s.kit.book, sv_of(ids[2]), &err));
    assert_int_equal(err.code, TC_ENOTFOUND);
    assert_non_null(book_find(s.kit.book, sv_of(ids[0]), &err));
    kit_free(&s.kit);
}

static void test_full_of_open_ones_shares_an_overflow_alert(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, &(struct alert_options){.max_open = 3});
    size_t told = 0;
    for (unsigned i = 0; i < 3 + 60; i++) {
        give_ip(&s, i, KIT_T0 + i);
        told += kit_intents(&s.kit);
    }
    assert_int_equal(book_count(s.kit.book), 4);
    assert_int_equal(told, 3 + 3); /* the overflow: new, 10, 50 */
    const struct alert *overflow = book_at(s.kit.book, 3);
    assert_int_equal(overflow->count, 60);
    bool labelled = false;
    for (size_t i = 0; i < overflow->label_count; i++)
        labelled |= sv_is(overflow->labels[i].name, "overflow") && sv_is(overflow->labels[i].value, "true");
    assert_true(labelled);
    give_ip(&s, 1, KIT_T0 + KIT_MINUTE); /* known ones still count for themselves */
    assert_int_equal(book_at(s.kit.book, 1)->count, 2);
    for (unsigned hour = 1; hour < 50; hour++) /* one overflow alert at a time, however long it lasts */
        give_ip(&s, 1000 + hour, KIT_T0 + hour * KIT_HOUR + 10);
    assert_int_equal(book_count(s.kit.book), 4);
    assert_true(sv_is(s.kit.out.items[0].what, "resolved"));
    assert_int_equal(kit_intents(&s.kit), 1);
    kit_free(&s.kit);
}

static void test_prefixes(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    give_ip(&s, 1, KIT_T0);
    const struct alert *alert = book_at(s.kit.book, 0);
    struct err err;
    for (size_t n = 6; n <= 32; n++)
        assert_ptr_equal(book_find(s.kit.book, sv_make(alert->id, n), &err), alert);
    char upper[33];
    for (size_t i = 0; i < 33; i++)
        upper[i] = alert->id[i] >= 'a' ? (char)(alert->id[i] - 'a' + 'A') : alert->id[i];
    assert_ptr_equal(book_find(s.kit.book, sv_of(upper), &err), alert);
    for (unsigned i = 2; i < 20000; i++) /* more than 2^24 pairs: some share six digits */
        give_ip(&s, i, KIT_T0);
    size_t ambiguous = 0;
    for (size_t i = 0; i + 1 < book_count(s.kit.book); i++) {
        const struct alert *a = book_at(s.kit.book, i), *b = book_at(s.kit.book, i + 1);
        if (memcmp(a->id, b->id, 6) != 0)
            continue;
        assert_null(book_find(s.kit.book, sv_make(a->id, 6), &err));
        assert_int_equal(err.code, TC_EINPUT);
        assert_ptr_equal(book_find(s.kit.book, sv_of(a->id), &err), a);
        ambiguous++;
    }
    assert_true(ambiguous > 0);
    kit_free(&s.kit);
}

static void collect(void *context, const struct alert *alert)
{
    buf_printf(context, "%.*s=%llu ", SV_FMT(alert->labels[alert->label_count - 1].value),
               (unsigned long long)alert->count);
}

static void test_each_changed(void **state)
{
    (void)state;
    struct scene s;
    struct buf seen;
    buf_init(&seen, 4096);
    scene_init(&s, NULL);
    give_ip(&s, 2, KIT_T0 + 2);
    give_ip(&s, 1, KIT_T0 + 1);
    give_ip(&s, 2, KIT_T0 + 3);
    book_each_changed(s.kit.book, false, collect, &seen);
    assert_true(sv_is(buf_view(&seen), "10.0.0.1=1 10.0.0.2=2 "));
    buf_clear(&seen);
    book_each_changed(s.kit.book, false, collect, &seen);
    assert_int_equal(seen.n, 0);
    give_ip(&s, 1, KIT_T0 + 4);
    book_each_changed(s.kit.book, false, collect, &seen);
    assert_true(sv_is(buf_view(&seen), "10.0.0.1=2 "));
    buf_clear(&seen);
    book_each_changed(s.kit.book, true, collect, &seen);
    assert_true(sv_is(buf_view(&seen), "10.0.0.1=2 10.0.0.2=2 "));
    buf_free(&seen);
    kit_free(&s.kit);
}

static void test_D_21_the_alert_bears_what_the_rule_says(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, NULL);
    const struct sv actions[] = {SV("block the address"), SV("tell the owner")};
    s.rule.actions = actions;
    s.rule.action_count = 2;
    s.rule.owner = SV("security");
    s.rule.runbook = SV("runbooks/brute-force.md");
    s.rule.description = SV("more than five failed logins in five minutes");
    kit_give(&s.kit, hit(&s, KIT_T0));
    s.rule = (struct rule_info){0}; /* the rule set may go; the alert stays */
    const struct alert *alert = book_at(s.kit.book, 0);
    assert_true(sv_is(alert->owner, "security"));
    assert_true(sv_is(alert->runbook, "runbooks/brute-force.md"));
    assert_true(sv_is(alert->description, "more than five failed logins in five minutes"));
    assert_int_equal(alert->action_count, 2);
    assert_true(sv_is(alert->actions[0], "block the address"));
    assert_true(sv_is(alert->actions[1], "tell the owner"));
    assert_true(sv_is(alert->message, "BRUTE_FORCE_ATTACK: source.ip=203.0.113.7 (count 6)"));
    assert_true(sv_is(alert->history[0].what, "created"));
    kit_free(&s.kit);
}

static void test_100_000_alerts(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct scene s;
    scene_init(&s, NULL);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < MANY; i++)
            give_ip(&s, i, KIT_T0 + round * KIT_MINUTE + i);
    for (int i = 0; i < 3600; i++)
        kit_tick(&s.kit, KIT_T0 + i * TC_SECOND_NS);
    assert_int_equal(book_count(s.kit.book), MANY);
    assert_int_equal(book_at(s.kit.book, MANY - 1)->count, 3);
    kit_tick(&s.kit, KIT_T0 + 25 * KIT_HOUR);
    assert_int_equal(s.kit.out.count, MANY);
    kit_tick(&s.kit, KIT_T0 + 100 * KIT_HOUR);
    assert_int_equal(book_count(s.kit.book), 0);
    kit_free(&s.kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_05_repeats_raise_the_count),
        cmocka_unit_test(test_D_06_told_at_1_10_50_100),
        cmocka_unit_test(test_D_06_thresholds_are_configurable),
        cmocka_unit_test(test_D_06_a_jump_over_steps_is_told_once),
        cmocka_unit_test(test_D_06_a_heavy_first_is_told_once),
        cmocka_unit_test(test_D_07_other_entity_severity_or_rule_is_another_alert),
        cmocka_unit_test(test_D_09_acknowledged_is_not_told_again),
        cmocka_unit_test(test_X_27_past_the_window_is_a_new_alert),
        cmocka_unit_test(test_a_late_event_joins),
        cmocka_unit_test(test_no_time_at_all),
        cmocka_unit_test(test_after_the_end_a_repeat_counts_and_is_silent),
        cmocka_unit_test(test_after_the_end_a_repeat_past_the_window_is_news),
        cmocka_unit_test(test_a_new_alert_at_the_same_instant_has_its_own_id),
        cmocka_unit_test(test_D_14_quiet_alerts_resolve_on_a_tick),
        cmocka_unit_test(test_quiet_is_measured_in_receive_time),
        cmocka_unit_test(test_ended_alerts_are_forgotten),
        cmocka_unit_test(test_never_forget),
        cmocka_unit_test(test_bound_evicts_the_longest_ended),
        cmocka_unit_test(test_full_of_open_ones_shares_an_overflow_alert),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_each_changed),
        cmocka_unit_test(test_D_21_the_alert_bears_what_the_rule_says),
        cmocka_unit_test(test_100_000_alerts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
