/*
 * Evaluating rules on metrics while the server runs; see metric_rules.h.
 *
 * The engine is handed the store through the five functions of struct rule_storage: a querier is opened for
 * each rule, so that a rule sees what those before it wrote, and an appender stands around the samples of
 * each. Samples are durable as all others are: the log's thread commits them in groups.
 */
#include "app/metric_rules.h"

#include "app/posted.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/metric_text.h"
#include "metrics/prom_duration.h"
#include "metrics/tsdb/follow.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { QUERY_TIMEOUT_S = 120, SETTLE_MS = 2000, LOOK_AGAIN_S = 5 /* the wall clock may have been set */ };

struct metric_rules {
    struct metric_rules_options options;
    /* of one rule's evaluation */
    struct tsdb_querier *querier;  /* NULL until it is needed */
    struct windows *windows;       /* NULL where samples are elsewhere */
    struct remote_querier *remote; /* NULL: samples are here */
    bool wrote;                    /* since it was seen to that the remote store has all */
    struct tsdb_appender appender;
    unsigned source;
    int64_t deadline_ns; /* monotonic, of its queries */

    /* `gate` is held by whoever waits for `lock`, so that nobody takes it twice while another waits */
    pthread_mutex_t gate, lock;
    struct rule_engine *engine; /* under lock, as all below */
    struct metric_rule_files *files;
    struct metric_alerts *alerts;
    struct arena arena;                   /* of `settings` */
    struct metric_rule_settings settings; /* those in force */
    uint64_t evaluations, took_ns;
    bool records_fail; /* and the log says so */

    pthread_mutex_t sleep;
    pthread_cond_t wake;
    atomic_bool ending;
    bool woken;
    bool runs;
    pthread_t thread;
};

static void enter(struct metric_rules *r)
{
    pthread_mutex_lock(&r->gate);
    pthread_mutex_lock(&r->lock);
    pthread_mutex_unlock(&r->gate);
}

static void leave(struct metric_rules *r)
{
    pthread_mutex_unlock(&r->lock);
}

/* --- the store, as the engine sees it --- */

/* Most rules find all that they read in windows. */
static struct series_source querier_source(struct metric_rules *r)
{
    if (r->querier == NULL)
        r->querier = tsdb_querier_open(r->options.tsdb);
    return tsdb_querier_source(r->querier);
}

static int store_select(void *context, const struct matcher *matchers, size_t count, int64_t min_t,
                        int64_t max_t, struct arena *arena, struct source_series **ret, size_t *ret_count,
                        struct err *err)
{
    struct series_source source = querier_source(context);
    return source.select(source.context, matchers, count, min_t, max_t, arena, ret, ret_count, err);
}

static int store_read(void *context, uint64_t ref, int64_t min_t, int64_t max_t, struct arena *scratch,
                      struct series_samples *ret, struct err *err)
{
    struct series_source source = querier_source(context);
    return source.read(source.context, ref, min_t, max_t, scratch, ret, err);
}

static void store_refresh(void *context)
{
    struct metric_rules *r = context;
    tsdb_querier_close(&r->querier);
    if (r->remote != NULL && r->wrote)
        (void)remote_sender_settle(r->options.sender, SETTLE_MS); /* else the rule sees what was before */
    r->wrote = false;
    r->deadline_ns = clk_monotonic_ns(r->options.clk) + QUERY_TIMEOUT_S * TC_SECOND_NS;
}

static int store_begin(void *context, struct err *err)
{
    struct metric_rules *r = context;
    return tsdb_begin(r->options.tsdb, r->source, INT64_MAX, &r->appender, err);
}

static int store_append(void *context, const struct labels *labels, int64_t time_ms, double value,
                        const struct histogram *histogram, struct err *err)
{
    static const int codes[TSDB_OUTCOMES] = {[TSDB_DUPLICATE] = TC_EEXIST,
                                             [TSDB_OUT_OF_ORDER] = TC_ESTATE,
                                             [TSDB_TOO_OLD] = TC_ESTATE,
                                             [TSDB_OUT_OF_BOUNDS] = TC_ESTATE};
    struct metric_rules *r = context;
    struct label items[TSDB_LABELS_MAX];
    uint32_t series;
    enum tsdb_outcome outcome = TSDB_BAD_LABELS;
    if (labels->count <= TC_ARRAY_LEN(items)) {
        if (labels->count > 0)
            memcpy(items, labels->items, labels->count * sizeof *items);
        outcome = tsdb_series(&r->appender, items, labels->count, &series);
    }
    if (outcome == TSDB_OK)
        outcome = histogram != NULL ? tsdb_histogram(&r->appender, series, time_ms, histogram, 0)
                                    : tsdb_float(&r->appender, series, time_ms, value, 0);
    return outcome == TSDB_OK ? 0
                              : err_set(err, codes[outcome] != 0 ? codes[outcome] : TC_EBOUND, "%s",
                                        tsdb_outcome_text(outcome));
}

static void store_commit(void *context)
{
    struct metric_rules *r = context;
    tsdb_commit(&r->appender, NULL, NULL);
    r->wrote = true;
}

static bool is_late(void *context)
{
    struct metric_rules *r = context;
    return atomic_load(&r->ending) || clk_monotonic_ns(r->options.clk) > r->deadline_ns;
}

/* --- what is in force --- */

static struct rule_engine *make_engine(struct metric_rules *r, const struct metric_rule_settings *s,
                                       const struct metric_rule_files *files)
{
    size_t count;
    const struct rule_file *const *items = metric_rule_files_items(files, &count);
    struct rule_engine_options o = {
        .storage = {.source = r->remote != NULL ? remote_querier_source(r->remote)
                                                : (struct series_source){.context = r,
                                                                         .select = store_select,
                                                                         .read = store_read},
                    .windows = r->windows,
                    .renames = r->options.renames,
                    .append = store_append,
                    .context = r,
                    .refresh = store_refresh,
                    .begin = store_begin,
                    .commit = store_commit},
        .interval_ns = s->evaluation_interval_ns,
        .query_offset_ns = s->query_offset_ns,
        .lookback_ms = s->lookback_ns / 1000000,
        .refused = promql_features_refused(&s->features),
        .ignore_start_timestamps = !s->features.use_start_timestamps,
        .delayed_name_removal = s->features.delayed_name_removal,
        .cancelled = is_late,
        .cancel_context = r,
        .clk = r->options.clk,
        .external_labels = s->external_labels,
        .external_label_count = s->external_label_count,
        .external_url = s->external_url == NULL ? SV("") : sv_of(s->external_url),
        .restore = true,
        .outage_tolerance_ns = s->outage_tolerance_ns,
        .grace_period_ns = s->grace_period_ns,
        .on_change = metric_alerts_change,
        .change_context = r->alerts,
    };
    return rule_engine_new(items, count, &o);
}

static void keep_settings(struct metric_rules *r, const struct metric_rule_settings *s)
{
    struct arena *arena = &r->arena;
    struct label *labels = ARENA_ARRAY(arena, struct label, s->external_label_count + 1);
    const char **files = ARENA_ARRAY(arena, const char *, s->file_count + 1);
    for (size_t i = 0; i < s->external_label_count; i++)
        labels[i] = (struct label){arena_sv(arena, s->external_labels[i].name),
                                   arena_sv(arena, s->external_labels[i].value)};
    for (size_t i = 0; i < s->file_count; i++)
        files[i] = arena_str(arena, sv_of(s->files[i]));
    r->settings = *s;
    r->settings.files = files;
    r->settings.external_labels = labels;
    r->settings.external_url = NULL; /* the engine has it */
    metric_alerts_label(r->alerts, labels, s->external_label_count);
}

static struct windows *make_windows(struct metric_rules *r, const struct metric_rule_settings *s)
{
    if (s->windows_bytes == 0 || r->remote != NULL)
        return NULL;
    return windows_new(
        &(struct windows_options){.source = {.context = r, .select = store_select, .read = store_read},
                                  .feed = tsdb_feed(r->options.tsdb),
                                  .bytes_max = s->windows_bytes,
                                  .ignore_start_timestamps = !s->features.use_start_timestamps});
}

struct metric_rules *metric_rules_new(const struct metric_rules_options *options,
                                      const struct metric_rule_settings *settings,
                                      struct metric_rule_files **files)
{
    struct metric_rules *r = tc_alloc(sizeof *r);
    pthread_condattr_t attributes;
    r->options = *options;
    r->source = tsdb_source(options->tsdb, SV("rules"));
    if (options->remote != NULL)
        r->remote = remote_querier_open(options->remote, is_late, r);
    r->alerts = metric_alerts_new(&(struct metric_alerts_options){
        .clk = options->clk, .append = options->append, .context = options->context});
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->gate, NULL);
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->sleep, NULL);
    pthread_cond_init(&r->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    keep_settings(r, settings);
    r->files = *files;
    *files = NULL;
    r->windows = make_windows(r, settings);
    r->engine = make_engine(r, settings, r->files);
    return r;
}

void metric_rules_know(void *rules, const uint8_t identity[TC_SHA256_BYTES], const struct alert *alert)
{
    if (sv_starts(alert->rule_id, SV(POSTED_RULE_PREFIX)))
        return; /* its sender ends it, no rule of ours */
    metric_alerts_know(((struct metric_rules *)rules)->alerts, identity, alert->rule_id, alert->severity);
}

static void wake(struct metric_rules *r)
{
    pthread_mutex_lock(&r->sleep);
    r->woken = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->sleep);
}

void metric_rules_replace(struct metric_rules *r, const struct metric_rule_settings *settings,
                          struct metric_rule_files **files)
{
    enter(r);
    struct windows *before_windows = NULL;
    if (settings->windows_bytes != r->settings.windows_bytes ||
        settings->features.use_start_timestamps != r->settings.features.use_start_timestamps) {
        before_windows = r->windows; /* of the engine that still is */
        r->windows = make_windows(r, settings);
    }
    struct rule_engine *fresh = make_engine(r, settings, *files);
    rule_engine_adopt(fresh, r->engine);
    if (rule_engine_group_count(fresh) == 0) /* nobody is left to mark the old series stale */
        rule_engine_retire(r->engine, clk_now(r->options.clk).ns);
    rule_engine_free(&r->engine);
    windows_free(&before_windows);
    metric_rule_files_free(&r->files);
    r->engine = fresh;
    r->files = *files;
    *files = NULL;
    struct arena before = r->arena;
    r->arena = (struct arena){0};
    keep_settings(r, settings);
    arena_free(&before);
    metric_alerts_doubt(r->alerts);
    leave(r);
    wake(r);
}

/* --- evaluating --- */

static void settle(struct metric_rules *r)
{
    struct err err = {0};
    bool fail = metric_alerts_settle(r->alerts, r->engine, &err) != 0;
    if (fail && !r->records_fail)
        log_error("rules", "changes of alerts could not be kept, and are tried again: %s", err.text);
    r->records_fail = fail;
}

/* One group, or nothing where none is due. */
static bool step_once(struct metric_rules *r)
{
    enter(r);
    int64_t began_ns = clk_monotonic_ns(r->options.clk);
    bool stepped = !atomic_load(&r->ending) && rule_engine_step(r->engine, clk_now(r->options.clk).ns);
    if (!stepped && r->windows != NULL)
        windows_take_in(r->windows); /* groups may be far apart, and the notes are bounded */
    tsdb_querier_close(&r->querier);
    /* without a group there is nothing to wait for: what fired has ended with its rule */
    if (stepped || rule_engine_group_count(r->engine) == 0) {
        r->evaluations += stepped;
        r->took_ns += (uint64_t)(clk_monotonic_ns(r->options.clk) - began_ns);
        settle(r);
    }
    leave(r);
    return stepped;
}

void metric_rules_step(struct metric_rules *r)
{
    while (step_once(r)) {
    }
}

int64_t metric_rules_next_ns(struct metric_rules *r)
{
    enter(r);
    int64_t next_ns = rule_engine_next_ns(r->engine);
    leave(r);
    return next_ns;
}

static void wait_for_next(struct metric_rules *r)
{
    int64_t next_ns = metric_rules_next_ns(r), now_ns = clk_now(r->options.clk).ns;
    int64_t wait_ns = LOOK_AGAIN_S * TC_SECOND_NS;
    struct timespec until;
    if (next_ns < now_ns + wait_ns)
        wait_ns = TC_MAX(next_ns - now_ns, (int64_t)0);
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t sum_ns = until.tv_nsec + wait_ns;
    until.tv_sec += sum_ns / TC_SECOND_NS;
    until.tv_nsec = sum_ns % TC_SECOND_NS;
    pthread_mutex_lock(&r->sleep);
    while (!r->woken && !atomic_load(&r->ending) &&
           pthread_cond_timedwait(&r->wake, &r->sleep, &until) != ETIMEDOUT) {
    }
    r->woken = false;
    pthread_mutex_unlock(&r->sleep);
}

static void *run(void *context)
{
    struct metric_rules *r = context;
    while (!atomic_load(&r->ending)) {
        metric_rules_step(r);
        wait_for_next(r);
    }
    return NULL;
}

int metric_rules_start(struct metric_rules *r, struct err *err)
{
    r->runs = pthread_create(&r->thread, NULL, run, r) == 0;
    return r->runs ? 0 : err_set(err, TC_EIO, "cannot start the thread that evaluates rules on metrics");
}

void metric_rules_stop(struct metric_rules **rules)
{
    struct metric_rules *r = *rules;
    if (r == NULL)
        return;
    atomic_store(&r->ending, true);
    if (r->runs) {
        wake(r);
        pthread_join(r->thread, NULL);
    }
    tsdb_querier_close(&r->querier);
    remote_querier_close(&r->remote);
    rule_engine_free(&r->engine);
    windows_free(&r->windows);
    metric_rule_files_free(&r->files);
    metric_alerts_free(&r->alerts);
    arena_free(&r->arena);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->sleep);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->gate);
    free(r);
    *rules = NULL;
}

/* --- looking in --- */

void metric_rules_look(struct metric_rules *r, void (*look)(void *context, const struct rule_engine *engine),
                       void *context)
{
    enter(r);
    look(context, r->engine);
    leave(r);
}

void metric_rules_external_labels(struct metric_rules *r, struct arena *arena, const struct label **ret,
                                  size_t *ret_count)
{
    enter(r);
    struct label *labels = ARENA_ARRAY(arena, struct label, r->settings.external_label_count + 1);
    for (size_t i = 0; i < r->settings.external_label_count; i++)
        labels[i] = (struct label){arena_sv(arena, r->settings.external_labels[i].name),
                                   arena_sv(arena, r->settings.external_labels[i].value)};
    *ret = labels;
    *ret_count = r->settings.external_label_count;
    leave(r);
}

/* A text in double quotes, which JSON's escapes make one of YAML, too. */
static void yaml_text(struct buf *out, struct sv text)
{
    struct json_out json = json_out_to(out);
    json_string(&json, text);
}

void metric_rules_yaml(struct metric_rules *r, struct buf *out)
{
    enter(r);
    const struct metric_rule_settings *s = &r->settings;
    buf_str(out, "global:\n  evaluation_interval: ");
    prom_duration(out, s->evaluation_interval_ns);
    buf_str(out, "\n  rule_query_offset: ");
    prom_duration(out, s->query_offset_ns);
    buf_str(out, s->external_label_count > 0 ? "\n  external_labels:\n" : "\n");
    for (size_t i = 0; i < s->external_label_count; i++) {
        buf_str(out, "    ");
        yaml_text(out, s->external_labels[i].name);
        buf_str(out, ": ");
        yaml_text(out, s->external_labels[i].value);
        buf_char(out, '\n');
    }
    buf_str(out, s->file_count > 0 ? "rule_files:\n" : "");
    for (size_t i = 0; i < s->file_count; i++) {
        buf_str(out, "- ");
        yaml_text(out, sv_of(s->files[i]));
        buf_char(out, '\n');
    }
    leave(r);
}

void metric_rules_metrics(struct metric_rules *r, struct buf *out)
{
    uint64_t rules = 0, failing = 0;
    enter(r);
    for (size_t g = 0; g < rule_engine_group_count(r->engine); g++) {
        size_t count = rule_engine_group(r->engine, g)->rule_count;
        rules += count;
        for (size_t i = 0; i < count; i++)
            failing += rule_engine_error(r->engine, g, i) != NULL;
    }
    uint64_t groups = rule_engine_group_count(r->engine), missed = rule_engine_missed(r->engine);
    uint64_t evaluations = r->evaluations, took_ns = r->took_ns;
    struct metric_alerts_stats alerts = metric_alerts_stats(r->alerts);
    struct promql_plan_stats plans = rule_engine_plan_stats(r->engine);
    if (r->windows != NULL)
        windows_metrics(r->windows, out);
    leave(r);
    const struct metric of_rules[] = {
        {"tocsin_metric_rules", "gauge", "Rules on metrics in force.", (double)rules},
        {"tocsin_metric_rules_failing", "gauge", "Rules on metrics whose last evaluation failed.",
         (double)failing},
        {"tocsin_metric_rule_groups", "gauge", "Groups of rules on metrics in force.", (double)groups},
        {"tocsin_metric_rule_group_evaluations_total", "counter",
         "Evaluations of groups of rules on metrics.", (double)evaluations},
        {"tocsin_metric_rule_group_missed_total", "counter",
         "Evaluations of groups left out because those before took too long.", (double)missed},
    };
    const struct metric of_alerts[] = {
        {"tocsin_metric_rule_alerts", "gauge", "Alerts of rules on metrics that the journal has as firing.",
         (double)alerts.firing},
        {"tocsin_metric_rule_alerts_limit", "gauge", "Bound of tocsin_metric_rule_alerts.",
         METRIC_ALERTS_MAX},
        {"tocsin_metric_rule_alerts_refused_total", "counter",
         "Times that an alert could not be told because tocsin_metric_rule_alerts is at its bound.",
         (double)alerts.refused},
        {"tocsin_metric_rule_records_total", "counter", "Changes of alerts on metrics made durable.",
         (double)alerts.records},
        {"tocsin_metric_rule_record_failures_total", "counter",
         "Times that changes of alerts on metrics could not be kept and are tried again.",
         (double)alerts.failures},
    };
    metric_rows(out, of_rules, TC_ARRAY_LEN(of_rules));
    metric_head(out, "tocsin_metric_rule_evaluation_seconds_total", "counter",
                "Time spent on evaluating rules on metrics.");
    buf_printf(out, "tocsin_metric_rule_evaluation_seconds_total %.6f\n", (double)took_ns / 1e9);
    const struct metric of_expressions[] = {
        {"tocsin_metric_rule_expressions_shared", "gauge",
         "Expressions that stand in several rules of a group and are worked out once.", (double)plans.shared},
        {"tocsin_metric_rule_expressions_worked_out_total", "counter",
         "Times that such an expression was worked out.", (double)plans.worked_out},
        {"tocsin_metric_rule_expressions_used_again_total", "counter", "Times that one was there already.",
         (double)plans.used_again},
    };
    metric_rows(out, of_expressions, TC_ARRAY_LEN(of_expressions));
    metric_rows(out, of_alerts, TC_ARRAY_LEN(of_alerts));
}
