/*
 * The notification pipeline in virtual time: every edge of its timers, what is told and what is not, what
 * holds alerts back and what happens when it no longer does, reloads, and receivers that do not answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "alert/alertmanager/dispatch.h"
#include "base/clk.h"

#include <stdio.h>
#include <stdlib.h>

#define S TC_SECOND_NS
/* Saturday, 21 November 2026, 12:00 UTC */
static const int64_t start_ns = INT64_C(1795262400) * S;

struct world {
    struct am_config *config;
    struct am_dispatch *dispatch;
    struct buf told; /* "30s r/webhook first notification a*b+c" a line; * fires, + ended */
    struct am_silence silences[4];
    size_t silence_count;
    int64_t now_ns;
    bool refuse, later, busy;
    char name[256], group_id[256], remembered[64]; /* of what is on its way */
    size_t name_bytes;
};

static bool tell(void *context, const struct am_notification *note)
{
    struct world *w = context;
    *note->busy = w->busy;
    if (w->refuse || w->busy)
        return false;
    buf_printf(&w->told, "%lds %.*s/%s%zu %s:", (long)((note->at_ns - start_ns) / S),
               SV_FMT(note->receiver->name), note->kind->name, note->index, am_reason_text(note->reason));
    for (size_t i = 0; i < note->count; i++)
        buf_printf(&w->told, " %.*s%s", SV_FMT(am_labels_get(note->alerts[i].alert->labels, SV("n"))),
                   note->alerts[i].firing ? "" : "+");
    buf_char(&w->told, '\n');
    *note->later = w->later;
    memcpy(w->name, note->name.p, note->name.n);
    w->name_bytes = note->name.n;
    snprintf(w->group_id, sizeof w->group_id, "%.*s", SV_FMT(note->group_id));
    snprintf(w->remembered, sizeof w->remembered, "%.*s", SV_FMT(note->remembered));
    return true;
}

static void ends(struct world *w, bool told)
{
    am_dispatch_told(w->dispatch, sv_make(w->name, w->name_bytes), sv_of(w->group_id), told, SV(""));
}

static struct am_config *read_config(const char *yaml)
{
    struct am_config *config;
    struct err err = {0};
    if (am_config_read(sv_of(yaml), AM_MATCHERS_FALLBACK, &config, &err) != 0)
        fail_msg("%s", err.text);
    return config;
}

static struct world *world_new(const char *yaml)
{
    struct world *w = tc_alloc(sizeof *w);
    w->config = read_config(yaml);
    w->dispatch = am_dispatch_new();
    w->now_ns = start_ns;
    buf_init(&w->told, 1 << 20);
    assert_int_equal(am_dispatch_configure(w->dispatch, w->config, start_ns, NULL), 0);
    return w;
}

static void world_free(struct world *w)
{
    am_dispatch_free(w->dispatch);
    am_config_free(w->config);
    buf_free(&w->told);
    free(w);
}

static void reload(struct world *w, const char *yaml)
{
    struct am_config *config = read_config(yaml);
    assert_int_equal(am_dispatch_configure(w->dispatch, config, w->now_ns, NULL), 0);
    am_config_free(w->config);
    w->config = config;
}

/* To that second; every timer on the way goes off at its own time. */
static void until(struct world *w, int64_t seconds)
{
    w->now_ns = start_ns + seconds * S;
    while (am_dispatch_next_ns(w->dispatch) <= w->now_ns)
        am_dispatch_run(w->dispatch, am_dispatch_next_ns(w->dispatch), w->silences, w->silence_count, tell,
                        w);
}

static void report(struct world *w, const char *n, const char *severity, int64_t starts_at_ns,
                   int64_t ends_at_ns)
{
    struct am_label labels[] = {{SV("n"), sv_of(n)}, {SV("severity"), sv_of(severity)}};
    struct am_alert given = {.labels = {labels, 2}, .starts_at_ns = starts_at_ns, .ends_at_ns = ends_at_ns};
    assert_int_equal(am_dispatch_alert(w->dispatch, &given, w->now_ns, NULL), 0);
}

/* It fires from now on, longer than any test runs; it ends now. */
static void fire(struct world *w, const char *n, const char *severity)
{
    report(w, n, severity, w->now_ns, start_ns + 1000000 * S);
}

static void end(struct world *w, const char *n, const char *severity)
{
    report(w, n, severity, w->now_ns - S, w->now_ns);
}

static void expect(struct world *w, const char *text)
{
    buf_char(&w->told, '\0');
    assert_string_equal(w->told.p, text);
    buf_clear(&w->told);
}

#define RECEIVER "receivers: [{name: r, webhook_configs: [{url: 'http://x/'}]}]\n"
#define PLAIN    "route: {receiver: r, group_wait: 30s, group_interval: 5m, repeat_interval: 1h}\n" RECEIVER

static void timers(void **state)
{
    struct world *w = world_new(PLAIN);
    (void)state;
    fire(w, "a", "");
    until(w, 29);
    expect(w, "");
    fire(w, "b", "");
    until(w, 30); /* group_wait, of the first alert */
    expect(w, "30s r/webhook0 first notification: a b\n");
    fire(w, "c", "");
    until(w, 329);
    expect(w, "");
    until(w, 330); /* group_interval */
    expect(w, "330s r/webhook0 new alerts added: a b c\n");
    until(w, 330 + 3600); /* not more than repeat_interval has gone by */
    expect(w, "");
    until(w, 330 + 3600 + 300);
    expect(w, "4230s r/webhook0 repeat interval elapsed: a b c\n");
    end(w, "b", "");
    until(w, 4530);
    expect(w, "4530s r/webhook0 some alerts resolved: a b+ c\n");
    until(w, 4830);
    expect(w, "");
    assert_int_equal(am_dispatch_alert_count(w->dispatch), 2);
    end(w, "a", "");
    end(w, "c", "");
    until(w, 5130);
    expect(w, "5130s r/webhook0 all alerts resolved: a+ c+\n");
    assert_int_equal(am_dispatch_alert_count(w->dispatch), 0);
    assert_int_equal(am_dispatch_group_count(w->dispatch), 0);
    assert_int_equal(am_dispatch_next_ns(w->dispatch), INT64_MAX);
    world_free(w);
}

static void old_alerts_do_not_wait(void **state)
{
    struct world *w = world_new(PLAIN);
    struct am_label label = {SV("n"), SV("a")};
    struct am_alert old = {.labels = {&label, 1}, .starts_at_ns = start_ns - 31 * S};
    (void)state;
    assert_int_equal(am_dispatch_alert(w->dispatch, &old, start_ns, NULL), 0);
    until(w, 0);
    expect(w, "0s r/webhook0 first notification: a\n");
    until(w, 300); /* resolve_timeout: not heard of again for five minutes */
    expect(w, "300s r/webhook0 all alerts resolved: a+\n");
    world_free(w);
}

static void short_alerts_are_not_told(void **state)
{
    struct world *w = world_new(PLAIN);
    (void)state;
    fire(w, "a", "");
    until(w, 29);
    end(w, "a", "");
    until(w, 1000);
    expect(w, "");
    assert_int_equal(am_dispatch_alert_count(w->dispatch), 0);
    world_free(w);
}

static void ends_only_for_who_wants_them(void **state)
{
    struct world *w = world_new("route: {receiver: r, group_wait: 0s, group_interval: 1m}\n"
                                "receivers: [{name: r, webhook_configs: [{url: 'http://x/', send_resolved: "
                                "false}, {url: 'http://y/'}]}]\n");
    (void)state;
    fire(w, "a", "");
    fire(w, "b", "");
    until(w, 0);
    expect(w, "0s r/webhook0 first notification: a b\n0s r/webhook1 first notification: a b\n");
    end(w, "a", "");
    until(w, 60);
    expect(w, "60s r/webhook1 some alerts resolved: a+ b\n");
    end(w, "b", "");
    until(w, 120);
    expect(w, "120s r/webhook1 all alerts resolved: b+\n");
    until(w, 130);
    fire(w, "b", ""); /* again: both are told, so the end was kept for both */
    until(w, 130);
    expect(w, "130s r/webhook0 first notification: b\n130s r/webhook1 first notification: b\n");
    world_free(w);
}

static void silences(void **state)
{
    struct world *w = world_new("route: {receiver: r, group_wait: 0s, group_interval: 1m}\n" RECEIVER);
    struct am_pool pool = {0};
    (void)state;
    assert_int_equal(
        am_matchers_parse(&pool, AM_MATCHERS_FALLBACK, SV("n=a"), &w->silences[0].matchers, NULL, NULL), 0);
    w->silences[0].starts_at_ns = start_ns;
    w->silences[0].ends_at_ns = start_ns + 120 * S;
    w->silence_count = 1;
    fire(w, "a", "");
    fire(w, "b", "");
    until(w, 119);
    expect(w, "0s r/webhook0 first notification: b\n");
    until(w, 120); /* the end is out: what still fires is told */
    expect(w, "120s r/webhook0 new alerts added: a b\n");
    w->silences[0].ends_at_ns = start_ns + 1000 * S;
    end(w, "a", "");
    until(w, 180); /* who was told that it fires is told that it ended */
    expect(w, "180s r/webhook0 some alerts resolved: a+ b\n");
    world_free(w);
    am_pool_free(&pool);
}

static void mute_intervals(void **state)
{
    struct world *w = world_new("route:\n  receiver: r\n  routes:\n"
                                "  - {matchers: [n=~.+], mute_time_intervals: [lunch], group_wait: 0s,\n"
                                "     group_interval: 1m, repeat_interval: 10m}\n"
                                "time_intervals:\n- name: lunch\n  time_intervals:\n"
                                "  - times: [{start_time: '12:10', end_time: '12:20'}]\n" RECEIVER);
    (void)state;
    fire(w, "a", "");
    until(w, 540);
    expect(w, "0s r/webhook0 first notification: a\n");
    fire(w, "b", "");
    until(w, 600);
    expect(w, ""); /* 12:10 is in */
    until(w, 1199);
    expect(w, "");
    until(w, 1200);
    expect(w, "1200s r/webhook0 new alerts added: a b\n");
    world_free(w);
}

static void inhibition(void **state)
{
    struct world *w =
        world_new("route: {receiver: r, group_by: [severity], group_wait: 10s, group_interval: 1m}\n"
                  "inhibit_rules:\n"
                  "- {source_matchers: [severity=critical], target_matchers: [severity=warning]}\n" RECEIVER);
    (void)state;
    fire(w, "w", "warning");
    fire(w, "c", "critical");
    until(w, 69);
    expect(w, "10s r/webhook0 first notification: c\n");
    end(w, "c", "critical");
    until(w, 70); /* both groups look now; the source has ended */
    expect(w, "70s r/webhook0 first notification: w\n70s r/webhook0 all alerts resolved: c+\n");
    world_free(w);
}

static void refusals_are_offered_again(void **state)
{
    struct world *w = world_new("route: {receiver: r, group_wait: 0s, group_interval: 1m}\n" RECEIVER);
    (void)state;
    w->refuse = true;
    fire(w, "a", "");
    until(w, 59);
    w->refuse = false;
    until(w, 60);
    expect(w, "60s r/webhook0 first notification: a\n");
    end(w, "a", "");
    w->refuse = true;
    until(w, 120);
    assert_int_equal(am_dispatch_alert_count(w->dispatch), 1);
    w->refuse = false;
    until(w, 180);
    expect(w, "180s r/webhook0 all alerts resolved: a+\n");
    assert_int_equal(am_dispatch_alert_count(w->dispatch), 0);
    world_free(w);
}

static void reloads_keep_timers(void **state)
{
    static const char before[] = "route:\n  receiver: r\n  group_wait: 30s\n  group_interval: 5m\n  routes:\n"
                                 "  - {matchers: [n=a]}\n  - {matchers: [n=b]}\n" RECEIVER;
    static const char after[] = "route:\n  receiver: r\n  group_wait: 10s\n  group_interval: 1m\n  routes:\n"
                                "  - {matchers: [n=a]}\n  - {matchers: [n=~b]}\n" RECEIVER;
    struct world *w = world_new(before);
    (void)state;
    fire(w, "a", "");
    fire(w, "b", "");
    until(w, 20);
    reload(w, after);
    until(w, 29); /* b is in a group of another key now, and has waited longer than that one's 10 s */
    expect(w, "20s r/webhook0 first notification: b\n");
    until(w, 30); /* a's group is the same, and so is its timer */
    expect(w, "30s r/webhook0 first notification: a\n");
    reload(w, before);
    until(w, 1000); /* a is known to have been told; b waits the 30 s of its new group */
    expect(w, "60s r/webhook0 first notification: b\n");
    world_free(w);
}

static void reloads_restart_timers(void **state)
{
    struct world *w = world_new(PLAIN);
    (void)state;
    am_dispatch_restart_timers(w->dispatch, true);
    fire(w, "a", "");
    until(w, 100);
    expect(w, "30s r/webhook0 first notification: a\n");
    reload(w, PLAIN); /* a has waited long enough, and is known to have been told */
    until(w, 110);
    fire(w, "b", "");
    until(
        w,
        399); /* five minutes from the first look, which was at 30 s, are over: they count from the reload */
    expect(w, "");
    until(w, 400);
    expect(w, "400s r/webhook0 new alerts added: a b\n");
    fire(w, "c", "");
    w->later = true;
    until(w, 700);
    expect(w, "700s r/webhook0 new alerts added: a b c\n");
    reload(w, PLAIN); /* while it is on its way: it is not sent twice */
    until(w, 760);
    expect(w, "");
    ends(w, true);
    until(w, 1400);
    expect(w, "");
    world_free(w);
}

static void a_limit_by_name(void **state)
{
    struct world *w = world_new(PLAIN);
    struct am_label labels[] = {{SV("alertname"), SV("flood")}, {SV("n"), SV("")}};
    struct am_alert given = {.labels = {labels, 2}, .starts_at_ns = start_ns};
    struct err err = {0};
    (void)state;
    am_dispatch_limit(w->dispatch, 2);
    for (char n[] = "a"; n[0] <= 'd'; n[0]++) {
        labels[1].value = sv_of(n);
        given.ends_at_ns = start_ns + (n[0] == 'a' ? 10 : 100000) * S;
        assert_int_equal(am_dispatch_alert(w->dispatch, &given, w->now_ns, &err),
                         n[0] <= 'b' ? 0 : TC_EAGAIN);
    }
    assert_string_equal(err.text, "more than 2 alerts of its alertname at once");
    fire(w, "other", "");
    assert_int_equal(am_dispatch_alert_count(w->dispatch), 3);
    until(w, 40); /* a has ended, and makes room */
    labels[1].value = SV("d");
    assert_int_equal(am_dispatch_alert(w->dispatch, &given, w->now_ns, &err), 0);
    labels[1].value = SV("e");
    assert_int_equal(am_dispatch_alert(w->dispatch, &given, w->now_ns, &err), TC_EAGAIN);
    world_free(w);
}

/* What a receiver wants to remember holds until its group begins anew, over a move of the log, too. */
static void receivers_remember(void **state)
{
    struct world *w = world_new(PLAIN);
    (void)state;
    w->later = true;
    fire(w, "a", "");
    until(w, 30);
    am_dispatch_told(w->dispatch, sv_make(w->name, w->name_bytes), sv_of(w->group_id), true, SV("C1 17.5"));
    fire(w, "b", "");
    until(w, 330);
    assert_string_equal(w->remembered, "C1 17.5");
    ends(w, true);
    end(w, "a", "");
    end(w, "b", "");
    until(w, 630);
    assert_string_equal(w->remembered, "C1 17.5");
    ends(w, true);
    until(w, 640);
    fire(w, "a", "");
    until(w, 700);
    assert_string_equal(w->remembered, "");
    world_free(w);
}

static void who_is_busy_is_asked_soon(void **state)
{
    struct world *w = world_new(PLAIN);
    (void)state;
    fire(w, "a", "");
    w->busy = true;
    until(w, 31);
    expect(w, "");
    w->busy = false;
    until(w, 32); /* not after group_interval */
    expect(w, "30s r/webhook0 first notification: a\n");
    until(w, 400);
    expect(w, "");
    world_free(w);
}

static void continue_goes_to_both(void **state)
{
    struct world *w = world_new("route:\n  receiver: r\n  group_wait: 0s\n  routes:\n"
                                "  - {matchers: [n=a], receiver: q, continue: true}\n"
                                "  - {matchers: [n=a], receiver: r}\n"
                                "receivers:\n- {name: r, webhook_configs: [{url: 'http://x/'}]}\n"
                                "- {name: q, pushover_configs: [{user_key: k, token: t}]}\n");
    (void)state;
    fire(w, "a", "");
    until(w, 0);
    expect(w, "0s q/pushover0 first notification: a\n0s r/webhook0 first notification: a\n");
    assert_int_equal(am_dispatch_group_count(w->dispatch), 2);
    assert_int_equal(am_dispatch_alert_count(w->dispatch), 1);
    world_free(w);
}

static void late_runs_look_once(void **state)
{
    struct world *w =
        world_new("route: {receiver: r, group_wait: 0s, group_interval: 1m, repeat_interval: 5m}\n" RECEIVER);
    (void)state;
    fire(w, "a", "");
    am_dispatch_run(w->dispatch, start_ns, NULL, 0, tell, w);
    am_dispatch_run(w->dispatch, start_ns + 86400 * S, NULL, 0, tell, w);
    expect(w, "0s r/webhook0 first notification: a\n86400s r/webhook0 repeat interval elapsed: a\n");
    world_free(w);
}

/* On its way: the group waits for the end; not told, it is offered again; told, ends leave the group. */
static void ends_come_later(void **state)
{
    struct world *w =
        world_new("route: {receiver: r, group_wait: 0s, group_interval: 1m, repeat_interval: 1h}\n" RECEIVER);
    (void)state;
    w->later = true;
    fire(w, "a", "");
    until(w, 0);
    expect(w, "0s r/webhook0 first notification: a\n");
    w->now_ns = start_ns + 60 * S; /* due, but the first has not ended */
    am_dispatch_run(w->dispatch, w->now_ns, NULL, 0, tell, w);
    expect(w, "");
    ends(w, false);
    until(w, 61);
    expect(w, "60s r/webhook0 first notification: a\n");
    ends(w, true);
    w->now_ns = start_ns + 90 * S;
    end(w, "a", "");
    until(w, 121);
    expect(w, "120s r/webhook0 all alerts resolved: a+\n");
    assert_int_equal(am_dispatch_alert_count(w->dispatch), 1); /* kept until it was told */
    ends(w, true);
    assert_int_equal(am_dispatch_alert_count(w->dispatch), 0);
    assert_int_equal(am_dispatch_group_count(w->dispatch), 0);
    ends(w, true); /* once more, of what is not there */
    world_free(w);
}

static void load_entry(void *context, struct sv name, struct sv entry)
{
    assert_true(am_dispatch_load_told(context, name, entry, start_ns + 3600 * S));
    for (size_t n = 0; n < entry.n; n++)
        assert_false(am_dispatch_load_told(context, SV("part"), sv_make(entry.p, n), 0));
}

/* What another process was told holds in this one. */
static void the_log_moves(void **state)
{
    const char *yaml =
        "route: {receiver: r, group_wait: 0s, group_interval: 1m, repeat_interval: 1h}\n" RECEIVER;
    struct world *w = world_new(yaml), *next = world_new(yaml);
    (void)state;
    fire(w, "a", "");
    until(w, 0);
    am_dispatch_each_told(w->dispatch, load_entry, next->dispatch);
    fire(next, "a", "");
    until(next, 100);
    expect(next, "");
    end(next, "a", "");
    until(next, 200);
    expect(next, "120s r/webhook0 all alerts resolved: a+\n");
    world_free(w);
    world_free(next);
}

/* With so many annotations, each of the text `note`. */
static void report_noted(struct world *w, unsigned n, size_t annotations, const char *note, bool ended)
{
    char name[16], names[4][8];
    snprintf(name, sizeof name, "%02u", n);
    struct am_label labels[] = {{SV("n"), sv_of(name)},
                                {SV("severity"), n % 2 == 0 ? SV("page") : SV("mail")}};
    struct am_label notes[4];
    for (size_t i = 0; i < annotations; i++) {
        snprintf(names[i], sizeof names[i], "a%zu", i);
        notes[i] = (struct am_label){sv_of(names[i]), sv_of(note)};
    }
    struct am_alert given = {.labels = {labels, 2},
                             .annotations = {notes, annotations},
                             .starts_at_ns = start_ns,
                             .ends_at_ns = ended ? w->now_ns : w->now_ns + 1000 * S};
    assert_int_equal(am_dispatch_alert(w->dispatch, &given, w->now_ns, NULL), 0);
}

static void alerts_keep_their_places_when_annotations_change(void **state)
{
    (void)state;
    struct world *w =
        world_new("route:\n"
                  "  receiver: r\n"
                  "  group_wait: 10s\n"
                  "  group_interval: 60s\n"
                  "  routes:\n"
                  "  - {receiver: r, continue: true, matchers: ['severity=\"page\"'], group_wait: 1s}\n"
                  "  - {receiver: r}\n"
                  "receivers: [{name: r, webhook_configs: [{url: 'http://127.0.0.1/'}]}]\n");
    for (unsigned n = 0; n < 8; n++)
        report_noted(w, n, n % 4, "first", false);
    until(w, 10);
    assert_true(buf_view(&w->told).n > 0);
    for (unsigned n = 0; n < 8; n++) /* some go with the next look, so that others move up */
        report_noted(w, n, (n + 2) % 5 % 4, "then", n == 1 || n == 2);
    until(w, 80);
    for (unsigned n = 0; n < 8; n++)
        if (n != 1 && n != 2)
            report_noted(w, n, (n + 1) % 4, "last", n == 7);
    buf_clear(&w->told);
    until(w, 140);
    if (!sv_is(buf_view(&w->told), "130s r/webhook0 some alerts resolved: 00 03 04 05 06 07+\n"))
        fail_msg("%.*s", SV_FMT(buf_view(&w->told)));
    struct am_group_view group;
    struct arena arena = {0};
    size_t seen = 0;
    for (size_t at = 0; am_dispatch_next_group(w->dispatch, &at, &group);)
        for (size_t i = 0; i < group.count; i++, seen++) {
            struct am_stored_alert stored = am_group_alert(w->dispatch, &group, i, &arena);
            for (size_t k = 0; k < stored.alert->annotations.count; k++)
                assert_true(sv_is(stored.alert->annotations.items[k].value, "last"));
        }
    assert_int_equal(seen, 3 + 5); /* 00, 04 and 06; and all but 01, 02 and 07 */
    arena_free(&arena);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers),
        cmocka_unit_test(old_alerts_do_not_wait),
        cmocka_unit_test(short_alerts_are_not_told),
        cmocka_unit_test(ends_only_for_who_wants_them),
        {"Y-02: a silence holds alerts back and ends at its time", silences, NULL, NULL, NULL},
        {"Y-02: a mute interval holds back, and what still fires is told when it ends", mute_intervals, NULL,
         NULL, NULL},
        {"Y-02: a source inhibits, and what still fires is told when it ends", inhibition, NULL, NULL, NULL},
        cmocka_unit_test(refusals_are_offered_again),
        cmocka_unit_test(reloads_keep_timers),
        cmocka_unit_test(reloads_restart_timers),
        cmocka_unit_test(a_limit_by_name),
        cmocka_unit_test(receivers_remember),
        cmocka_unit_test(who_is_busy_is_asked_soon),
        cmocka_unit_test(continue_goes_to_both),
        cmocka_unit_test(late_runs_look_once),
        cmocka_unit_test(ends_come_later),
        cmocka_unit_test(the_log_moves),
        cmocka_unit_test(alerts_keep_their_places_when_annotations_change),
    };
    return cmocka_run_group_tests_name("Alertmanager's pipeline", tests, NULL, NULL);
}
