/*
 * Rules on metrics on a simulated disk and a virtual clock: what becomes of alerts from sample to decision,
 * and what holds of it when the power is cut at any file call. The core, the store of samples and the rules
 * share the disk; a restart opens all of them again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/core_priv.h"
#include "app/metric_rules.h"
#include "base/log.h"
#include "base/map.h"
#include "base/sim_fs.h"
#include "event/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { INTERVAL_S = 10, RESTARTS_MAX = 8 };
#define START_NS (INT64_C(1790000000) * TC_SECOND_NS)

static const char two_levels[] =
    "groups:\n- name: g\n  interval: 10s\n  rules:\n"
    "  - {record: 'age:max', expr: 'max(age)'}\n"
    "  - {alert: Age, expr: 'age:max > 30', labels: {severity: warning, team: a},\n"
    "     annotations: {summary: 'at {{ $value }}', description: d, runbook_url: 'https://r'}}\n";
static const char side[] = "alerts:\n- {alert: Age, severity: [{is: critical, when: age > 90}]}\n";
static const char twice[] = "groups:\n- name: a\n  interval: 10s\n  rules:\n"
                            "  - {alert: Same, expr: 'max(age) > 30'}\n"
                            "- name: b\n  interval: 10s\n  rules:\n"
                            "  - {alert: Same, expr: 'max(age) > 50'}\n";

struct world {
    struct sim_fs *disk;
    struct sim_clk clk;
    struct sim_rng rng;
    char folder[64]; /* of the rule files */
    struct core *core;
    struct tsdb *tsdb;
    struct metric_rules *rules;
    struct metric_rule_settings settings;
    const char *patterns[1];
    char pattern[128];
    int refuse; /* what the journal says to records */
    int at;     /* the step that the run stands at */
};

static size_t route(void *context, const struct alert *alert, enum severity severity,
                    enum notify_reason reason, const struct sv **ret)
{
    static const struct sv names[] = {{"test", 4}};
    (void)context, (void)alert;
    (void)severity;
    (void)reason;
    *ret = names;
    return 1;
}

static int append(void *context, struct sv blocks, uint32_t count, struct err *err)
{
    struct world *w = context;
    return w->refuse != 0 ? err_set(err, w->refuse, "the journal says no")
                          : core_rule_states(w->core, blocks, count, err);
}

static void put_file(const struct world *w, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct metric_rule_files *read_files(const struct world *w)
{
    struct metric_rule_files *files;
    struct err err = {0};
    if (metric_rule_files_read(w->patterns, 1, 0, &files, &err) != 0)
        fail_msg("%s", err.text);
    return files;
}

static int world_open(struct world *w)
{
    struct err err = {0};
    uint64_t cut;
    struct core_options core = {.fs = sim_fs_seam(w->disk),
                                .clk = &w->clk.clk,
                                .rng = &w->rng.rng,
                                .dir = "data",
                                .store_path = ":memory:",
                                .lateness_ns = 3600 * TC_SECOND_NS,
                                .dedup_window_ns = 60 * TC_SECOND_NS,
                                .threads = 1,
                                .inline_commit = true,
                                .segment_bytes = 1 << 16,
                                .checkpoint_every_ns = 40 * TC_SECOND_NS,
                                .context = w,
                                .route = route};
    struct tsdb_options tsdb = {
        .fs = sim_fs_seam(w->disk), .rng = &w->rng.rng, .dir = "data/metrics", .segment_bytes = 1 << 16};
    int rc = core_open(&core, &w->core, &err);
    if (rc == 0)
        rc = tsdb_open(&tsdb, &w->tsdb, &cut, &err);
    if (rc != 0)
        return rc;
    struct metric_rule_files *files = read_files(w);
    w->rules = metric_rules_new(
        &(struct metric_rules_options){.clk = &w->clk.clk, .tsdb = w->tsdb, .append = append, .context = w},
        &w->settings, &files);
    core_each_firing(w->core, metric_rules_know, w->rules);
    metric_rules_step(w->rules); /* finds the first slots */
    return 0;
}

static void world_close(struct world *w)
{
    metric_rules_stop(&w->rules);
    tsdb_close(&w->tsdb);
    core_abandon(&w->core);
}

static void world_begin(struct world *w, uint64_t seed, const char *rules, const char *side_text)
{
    *w = (struct world){0};
    w->disk = sim_fs_new(0);
    sim_clk_init(&w->clk, START_NS);
    sim_rng_init(&w->rng, seed);
    snprintf(w->folder, sizeof w->folder, "/tmp/tocsin-rules-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->pattern, sizeof w->pattern, "%s/*.yml", w->folder);
    w->patterns[0] = w->pattern;
    w->settings = (struct metric_rule_settings){.files = w->patterns,
                                                .file_count = 1,
                                                .evaluation_interval_ns = INTERVAL_S * TC_SECOND_NS,
                                                .windows_bytes = WINDOWS_BYTES};
    put_file(w, "r.yml", rules);
    if (side_text != NULL)
        put_file(w, "r.tocsin.yml", side_text);
}

static void drop_file(const struct world *w, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    unlink(path);
}

static void world_end(struct world *w)
{
    world_close(w);
    sim_fs_free(&w->disk);
    drop_file(w, "r.yml");
    drop_file(w, "r.tocsin.yml");
    rmdir(w->folder);
}

static void restart(struct world *w)
{
    world_close(w);
    sim_fs_crash(w->disk, 1, SIM_FS_KEEP);
    assert_int_equal(0, world_open(w));
}

static int put_sample(struct world *w, double v)
{
    struct tsdb_appender a;
    struct label labels[] = {{METRIC_NAME, SV("age")}};
    uint32_t series;
    int rc = tsdb_begin(w->tsdb, 0, INT64_MAX, &a, NULL);
    if (rc != 0)
        return rc;
    if (tsdb_series(&a, labels, 1, &series) == TSDB_OK)
        tsdb_float(&a, series, w->clk.now_ns / 1000000, v, 0); /* a repeat is a duplicate */
    tsdb_commit(&a, NULL, NULL);
    return 0;
}

/* One interval with this value: every group is evaluated once. */
static int tick(struct world *w, double v)
{
    struct err err = {0};
    w->clk.now_ns += INTERVAL_S * TC_SECOND_NS;
    int rc = put_sample(w, v);
    metric_rules_step(w->rules);
    return rc == 0 ? core_step(w->core, &err) : rc;
}

static void ticks(struct world *w, int count, double v)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(0, tick(w, v));
}

static const struct alert *newest(struct world *w)
{
    size_t count = book_count(w->core->book);
    assert_true(count > 0);
    return book_at(w->core->book, count - 1);
}

/* What the journal holds of one kind, one text a line: keys of intents, else `what` and severity. */
static void journal_text(struct world *w, enum record_type type, const char *a, const char *b,
                         struct buf *out)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    struct err err = {0};
    assert_int_equal(0, journal_reader_open(sim_fs_seam(w->disk), "data", 0, NULL, &reader, &err));
    while (journal_reader_next(reader, &frame, &err) > 0) {
        struct sv rest = frame.blocks;
        for (uint64_t i = 0; i < frame.count; i++) {
            struct arena arena = {0};
            struct event e, json = {.time = {TC_NO_TIME}};
            size_t n = record_length(rest);
            assert_int_equal(0, record_decode_envelope(sv_head(rest, n), &e, &err));
            if (e.type == type && json_parse_event(e.raw, &arena, &json, &err) == 0) {
                event_index(&json, &arena);
                buf_printf(out, "%.*s %.*s\n", SV_FMT(event_value(&json, a)), SV_FMT(event_value(&json, b)));
            }
            arena_free(&arena);
            rest = sv_from(rest, n);
        }
    }
    journal_reader_close(&reader);
}

static void assert_journal(struct world *w, enum record_type type, const char *a, const char *b,
                           const char *expected)
{
    struct buf got;
    buf_init(&got, 1 << 20);
    journal_text(w, type, a, b, &got);
    buf_char(&got, '\0');
    assert_string_equal(expected, got.p);
    buf_free(&got);
}

/* --- one after the other */

static void test_D_13_from_sample_to_alert_and_back(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1, two_levels, side);
    assert_int_equal(0, world_open(&w));
    ticks(&w, 3, 10);
    assert_int_equal(0, book_count(w.core->book));
    ticks(&w, 3, 40);
    const struct alert *alert = newest(&w);
    assert_int_equal(ALERT_FIRING, alert->state);
    assert_int_equal(SEVERITY_P3, alert->severity);
    assert_int_equal(1, alert->count);
    assert_true(sv_is(alert->message, "at 40") && sv_is(alert->description, "d") &&
                sv_is(alert->runbook, "https://r") && sv_is(alert->owner, "a"));
    ticks(&w, 2, 95); /* critical */
    assert_int_equal(SEVERITY_P1, newest(&w)->severity);
    ticks(&w, 2, 40); /* a fall is no news, nor is the raise to where it was */
    ticks(&w, 2, 95);
    ticks(&w, 3, 5);
    assert_int_equal(ALERT_RESOLVED, newest(&w)->state);
    assert_int_equal(1, book_count(w.core->book));
    assert_journal(&w, REC_METRIC, "state", "level",
                   "firing warning\nfiring critical\nfiring warning\nfiring critical\nresolved \n");
    assert_journal(&w, REC_INTENT, "reason", "what", "new created\nseverity_raised severity\n");
    ticks(&w, 2, 50); /* another one, within the hour in which Sigma's would be the same */
    assert_int_equal(2, book_count(w.core->book));
    world_end(&w);
}

/* The alerts, each with its severity. */
static void assert_alerts(struct world *w, const char *expected)
{
    struct buf got;
    buf_init(&got, 4096);
    for (size_t i = 0; i < book_count(w->core->book); i++) {
        const struct alert *alert = book_at(w->core->book, i);
        buf_printf(&got, "%.*s %s %s;", SV_FMT(alert->title), severity_name(alert->severity),
                   alert_state_name(alert->state));
    }
    buf_char(&got, '\0');
    assert_string_equal(expected, got.p);
    buf_free(&got);
}

/* Throttles alone are medium, with another condition beside them they are high. */
static void test_C_08_C_09_severity_depends_on_a_second_expression(void **state)
{
    static const char rules[] =
        "groups:\n- name: g\n  interval: 10s\n  rules:\n"
        "  - {alert: Throttles, expr: 'age > 0', for: 1m, labels: {severity: medium}}\n";
    static const char modifier[] =
        "alerts:\n- {alert: Throttles, severity: [{is: high, when: 'deriv(age[2m]) > 0'}]}\n";
    struct world w;
    (void)state;
    world_begin(&w, 1, rules, modifier);
    assert_int_equal(0, world_open(&w));
    ticks(&w, 20, 7);
    assert_alerts(&w, "Throttles P3 firing;");
    for (int i = 0; i < 6; i++)
        ticks(&w, 1, 8 + i); /* and now it rises */
    assert_alerts(&w, "Throttles P2 firing;");
    ticks(&w, 20, 14);
    assert_alerts(&w, "Throttles P3 firing;");
    assert_journal(&w, REC_INTENT, "reason", "what", "new created\nseverity_raised severity\n");
    world_end(&w);
}

static void test_Y_03_a_flapping_metric_is_one_alert(void **state)
{
    static const char rules[] = "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                                "  - {alert: Age, expr: 'age > 30', keep_firing_for: 1m}\n";
    struct world w;
    (void)state;
    world_begin(&w, 1, rules, NULL);
    assert_int_equal(0, world_open(&w));
    for (int i = 0; i < 20; i++)
        ticks(&w, 1, i % 3 == 0 ? 40 : 20);
    assert_alerts(&w, "Age P3 firing;");
    ticks(&w, 10, 20);
    assert_alerts(&w, "Age P3 resolved;");
    world_end(&w);
}

/* Quiet does not end it: its rule does. */
static void test_an_alert_stays_as_long_as_its_rule_says(void **state)
{
    struct world w;
    struct err err;
    (void)state;
    world_begin(&w, 1, two_levels, NULL);
    assert_int_equal(0, world_open(&w));
    ticks(&w, 2, 40);
    w.clk.now_ns += INT64_C(30) * 3600 * TC_SECOND_NS;
    assert_int_equal(0, core_step(w.core, &err));
    assert_int_equal(0, core_step(w.core, &err));
    assert_int_equal(ALERT_FIRING, newest(&w)->state);
    ticks(&w, 2, 5);
    assert_int_equal(ALERT_RESOLVED, newest(&w)->state);
    world_end(&w);
}

static void test_what_a_person_ended_stays_ended_until_it_begins_anew(void **state)
{
    struct world w;
    struct buf json;
    struct err err;
    (void)state;
    buf_init(&json, 1 << 20);
    world_begin(&w, 1, two_levels, NULL);
    assert_int_equal(0, world_open(&w));
    ticks(&w, 2, 40);
    struct alert_command command = {
        .verb = SV("resolve"), .alert_id = sv_of(newest(&w)->id), .by = SV("ann")};
    assert_int_equal(0, core_command(w.core, &command, &json, &err));
    ticks(&w, 3, 40);
    restart(&w);
    ticks(&w, 3, 40);
    assert_int_equal(1, book_count(w.core->book));
    assert_int_equal(ALERT_RESOLVED, newest(&w)->state);
    ticks(&w, 2, 5);
    ticks(&w, 2, 40);
    assert_int_equal(2, book_count(w.core->book));
    assert_int_equal(ALERT_FIRING, newest(&w)->state);
    world_end(&w);
    buf_free(&json);
}

static void test_a_record_that_cannot_be_kept_is_tried_again(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1, two_levels, NULL);
    assert_int_equal(0, world_open(&w));
    w.refuse = TC_EAGAIN;
    ticks(&w, 3, 40);
    assert_int_equal(0, book_count(w.core->book));
    w.refuse = 0;
    ticks(&w, 1, 40);
    assert_int_equal(1, book_count(w.core->book));
    w.refuse = TC_EAGAIN;
    ticks(&w, 2, 5);
    assert_int_equal(ALERT_FIRING, newest(&w)->state);
    w.refuse = 0;
    ticks(&w, 1, 5);
    assert_int_equal(ALERT_RESOLVED, newest(&w)->state);
    world_end(&w);
}

/* Two rules, one label set: one alert, as long as one of them fires; whichever was the first. */
static void test_two_rules_of_one_label_set_make_one_alert(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1, twice, NULL);
    assert_int_equal(0, world_open(&w));
    ticks(&w, 3, 60);
    assert_int_equal(1, book_count(w.core->book));
    ticks(&w, 3, 40);
    assert_int_equal(ALERT_FIRING, newest(&w)->state);
    ticks(&w, 3, 5);
    assert_int_equal(ALERT_RESOLVED, newest(&w)->state);
    assert_int_equal(1, book_count(w.core->book));
    world_end(&w);
}

/* --- restarts and reloads */

static void test_an_alert_that_ended_while_it_was_down_ends(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1, two_levels, NULL);
    assert_int_equal(0, world_open(&w));
    ticks(&w, 3, 40);
    restart(&w);
    ticks(&w, 1, 5); /* the first evaluation is not believed */
    assert_int_equal(ALERT_FIRING, newest(&w)->state);
    ticks(&w, 2, 5);
    assert_int_equal(ALERT_RESOLVED, newest(&w)->state);
    world_end(&w);
}

static void test_a_rule_in_error_ends_nothing(void **state)
{
    static const char broken[] = "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                                 "  - {alert: Age, expr: 'label_replace(age, \"x\", \"(\", \"y\", \"(\")',\n"
                                 "     labels: {severity: warning, team: a}}\n";
    struct world w;
    (void)state;
    world_begin(&w, 1, two_levels, NULL);
    assert_int_equal(0, world_open(&w));
    ticks(&w, 3, 40);
    put_file(&w, "r.yml", broken);
    restart(&w);
    ticks(&w, 5, 40);
    assert_int_equal(ALERT_FIRING, newest(&w)->state);
    put_file(&w, "r.yml", two_levels);
    struct metric_rule_files *files = read_files(&w);
    metric_rules_replace(w.rules, &w.settings, &files);
    ticks(&w, 4, 5);
    assert_int_equal(ALERT_RESOLVED, newest(&w)->state);
    world_end(&w);
}

/* Past its group's limit a rule forgets its alerts; those that are over by the time it is back end then. */
static void test_alerts_past_a_limit_are_not_left_open(void **state)
{
    static const char limited[] =
        "groups:\n- name: g\n  interval: 10s\n  limit: 1\n  rules:\n"
        "  - {alert: Age, expr: 'age > 30 or label_replace(age > 90, \"x\", \"y\", \"\", \"\")'}\n";
    struct world w;
    (void)state;
    world_begin(&w, 1, limited, NULL);
    assert_int_equal(0, world_open(&w));
    ticks(&w, 3, 40);
    assert_alerts(&w, "Age P3 firing;");
    ticks(&w, 3, 95); /* two */
    assert_alerts(&w, "Age P3 firing;");
    ticks(&w, 2, 5);
    assert_alerts(&w, "Age P3 resolved;");
    world_end(&w);
}

/* Also where no rule is left at all. */
static void test_a_rule_that_is_gone_ends_its_alerts(void **state)
{
    static const char *const left[] = {"groups: []\n", "groups:\n- name: o\n  interval: 10s\n  rules:\n"
                                                       "  - {record: 'o', expr: 'max(age)'}\n"};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(left); i++) {
        struct world w;
        world_begin(&w, 1, two_levels, NULL);
        assert_int_equal(0, world_open(&w));
        ticks(&w, 3, 40);
        put_file(&w, "r.yml", left[i]);
        struct metric_rule_files *files = read_files(&w);
        metric_rules_replace(w.rules, &w.settings, &files);
        ticks(&w, 4, 40);
        assert_int_equal(ALERT_RESOLVED, newest(&w)->state);
        world_end(&w);
    }
}

static void ticks_of_new_starts(struct world *w, int count)
{
    for (int i = 0; i < count; i++) {
        struct tsdb_appender a;
        struct label labels[] = {{METRIC_NAME, SV("age")}};
        uint32_t series;
        struct err err = {0};
        w->clk.now_ns += INTERVAL_S * TC_SECOND_NS;
        int64_t now_ms = w->clk.now_ns / 1000000;
        assert_int_equal(tsdb_begin(w->tsdb, 0, INT64_MAX, &a, NULL), 0);
        assert_int_equal(tsdb_series(&a, labels, 1, &series), TSDB_OK);
        assert_int_equal(tsdb_float(&a, series, now_ms, 7, now_ms - 1), TSDB_OK);
        tsdb_commit(&a, NULL, NULL);
        metric_rules_step(w->rules);
        assert_int_equal(core_step(w->core, &err), 0);
    }
}

/* What windows keep follows from the settings, also from those that come with a reload. */
static void test_a_reload_changes_windows(void **state)
{
    static const char resets[] = "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                                 "  - {alert: Age, expr: 'resets(age[2m]) > 0'}\n";
    struct world w;
    (void)state;
    world_begin(&w, 1, resets, NULL);
    assert_int_equal(0, world_open(&w));
    ticks_of_new_starts(&w, 5);
    assert_alerts(&w, "");
    w.settings.features.use_start_timestamps = true;
    struct metric_rule_files *files = read_files(&w);
    metric_rules_replace(w.rules, &w.settings, &files);
    ticks_of_new_starts(&w, 3);
    assert_alerts(&w, "Age P3 firing;");
    world_end(&w);
}

/* `for` goes on where ALERTS_FOR_STATE says that it was. */
static void test_a_restart_does_not_make_it_wait_anew(void **state)
{
    static const char waits[] = "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                                "  - {alert: Slow, expr: 'age > 30', for: 20m}\n";
    struct world w;
    (void)state;
    world_begin(&w, 1, waits, NULL);
    w.settings.grace_period_ns = 30 * TC_SECOND_NS;
    assert_int_equal(0, world_open(&w));
    ticks(&w, 110, 40); /* 18 of the 20 minutes */
    assert_int_equal(0, book_count(w.core->book));
    restart(&w);
    ticks(&w, 20, 40);
    assert_int_equal(1, book_count(w.core->book));
    world_end(&w);
}

/* A clock that was set back by a day does not stop the evaluations for a day. */
static void test_a_clock_that_was_set_back_stops_nothing(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1, two_levels, NULL);
    assert_int_equal(0, world_open(&w));
    ticks(&w, 3, 5);
    w.clk.now_ns -= INT64_C(86400) * TC_SECOND_NS;
    metric_rules_step(w.rules);
    assert_true(metric_rules_next_ns(w.rules) <= w.clk.now_ns + INTERVAL_S * TC_SECOND_NS);
    world_end(&w);
}

static void test_external_labels_are_part_of_the_alert(void **state)
{
    const struct label external[] = {{SV("cluster"), SV("eu")}, {SV("team"), SV("z")}};
    struct world w;
    (void)state;
    world_begin(&w, 1, two_levels, NULL);
    w.settings.external_labels = external;
    w.settings.external_label_count = 2;
    assert_int_equal(0, world_open(&w));
    ticks(&w, 2, 40);
    const struct alert *alert = newest(&w);
    struct buf labels;
    buf_init(&labels, 4096);
    for (size_t i = 0; i < alert->label_count; i++)
        buf_printf(&labels, "%.*s=%.*s;", SV_FMT(alert->labels[i].name), SV_FMT(alert->labels[i].value));
    assert_true(sv_is(buf_view(&labels), "alertname=Age;cluster=eu;severity=warning;team=a;"));
    buf_free(&labels);
    world_end(&w);
}

/* --- the power is cut at every call */

static double value_at(int step)
{
    static const double values[] = {5, 40, 95, 5, 50, 5};
    return values[TC_MIN((size_t)step / 6, TC_ARRAY_LEN(values) - 1)];
}

enum { STEPS = 36 };

static int run(struct world *w)
{
    int rc = world_open(w);
    for (; rc == 0 && w->at < STEPS; w->at++)
        rc = tick(w, value_at(w->at));
    return rc;
}

/* "new", "P1", "resolved" … of each alert, in order; a key stands once. */
static void notices(struct world *w, struct buf *out)
{
    struct buf keys;
    struct map seen;
    buf_init(&keys, 1 << 20);
    map_init(&seen, 1000);
    journal_text(w, REC_INTENT, "key", "none", &keys);
    journal_text(w, REC_DECISION, "key", "what", &keys);
    for (struct sv rest = buf_view(&keys); rest.n > 0;) {
        struct sv line = sv_cut(&rest, '\n'), key = sv_cut(&line, ' ');
        bool fresh = true;
        if (key.n == 0)
            continue;
        map_put(&seen, key, &fresh);
        assert_true(fresh);
        buf_printf(out, "%.*s\n", SV_FMT(sv_from(key, 33)));
    }
    map_free(&seen);
    buf_free(&keys);
}

static void cut_everywhere(enum sim_fs_mode mode, uint64_t seed, uint64_t stride)
{
    struct world calm;
    struct buf expected, got;
    buf_init(&expected, 1 << 16);
    buf_init(&got, 1 << 16);
    world_begin(&calm, 1, two_levels, side);
    assert_int_equal(0, run(&calm));
    uint64_t calls = sim_fs_calls(calm.disk), cuts = 0;
    notices(&calm, &expected);
    assert_int_equal(2, book_count(calm.core->book));
    for (uint64_t at = 1 + seed % stride; at <= calls; at += stride, cuts++) {
        struct world w;
        world_begin(&w, seed + at, two_levels, side);
        sim_fs_cut_at(w.disk, at);
        int rc = run(&w), restarts = 0;
        while (rc != 0 || sim_fs_is_cut(w.disk)) {
            assert_true(restarts++ < RESTARTS_MAX);
            world_close(&w);
            sim_fs_crash(w.disk, seed * 31 + at, mode);
            rc = run(&w);
        }
        sim_fs_cut_at(w.disk, 0);
        buf_clear(&got);
        notices(&w, &got);
        if (!sv_eq(buf_view(&expected), buf_view(&got)))
            fail_msg("cut at call %llu, mode %d: expected\n%.*sgot\n%.*s", (unsigned long long)at, (int)mode,
                     SV_FMT(buf_view(&expected)), SV_FMT(buf_view(&got)));
        assert_int_equal(2, book_count(w.core->book));
        world_end(&w);
    }
    print_message("%llu cut points\n", (unsigned long long)cuts);
    world_end(&calm);
    buf_free(&expected);
    buf_free(&got);
}

static void test_D_08_cut_at_every_call_nothing_is_told_twice_or_lost(void **state)
{
    (void)state;
    cut_everywhere(SIM_FS_DROP, 11, 2);
    cut_everywhere(SIM_FS_KEEP, 12, 3);
    cut_everywhere(SIM_FS_SOME, 13, 3);
}

static void no_log(void *context, enum log_level level, const char *room, const char *text)
{
    (void)context;
    (void)level;
    (void)room;
    (void)text;
}

int main(void)
{
    log_set_sink(no_log, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_13_from_sample_to_alert_and_back),
        cmocka_unit_test(test_C_08_C_09_severity_depends_on_a_second_expression),
        cmocka_unit_test(test_Y_03_a_flapping_metric_is_one_alert),
        cmocka_unit_test(test_an_alert_stays_as_long_as_its_rule_says),
        cmocka_unit_test(test_what_a_person_ended_stays_ended_until_it_begins_anew),
        cmocka_unit_test(test_a_record_that_cannot_be_kept_is_tried_again),
        cmocka_unit_test(test_two_rules_of_one_label_set_make_one_alert),
        cmocka_unit_test(test_an_alert_that_ended_while_it_was_down_ends),
        cmocka_unit_test(test_a_rule_in_error_ends_nothing),
        cmocka_unit_test(test_alerts_past_a_limit_are_not_left_open),
        cmocka_unit_test(test_a_rule_that_is_gone_ends_its_alerts),
        cmocka_unit_test(test_a_reload_changes_windows),
        cmocka_unit_test(test_a_restart_does_not_make_it_wait_anew),
        cmocka_unit_test(test_a_clock_that_was_set_back_stops_nothing),
        cmocka_unit_test(test_external_labels_are_part_of_the_alert),
        cmocka_unit_test(test_D_08_cut_at_every_call_nothing_is_told_twice_or_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
