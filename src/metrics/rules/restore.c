/*
 * Taking up `for` after a restart: ALERTS_FOR_STATE holds since when each instance has been active, so an
 * alert does not have to wait all over again.
 */
#include "metrics/rules/engine_priv.h"

#include <math.h>

#define SECOND_NS 1000000000LL

struct restoring {
    struct rule_engine *engine;
    struct rule_state *state;
    int64_t time_ns;
    struct arena arena;
};

/* Labels of the rule that are templates differ from instance to instance, so they do not select. */
static struct matcher *matchers_of(struct restoring *r, size_t *ret_count)
{
    const struct rule *rule = r->state->rule;
    struct matcher *matchers = ARENA_ARRAY(&r->arena, struct matcher, rule->label_count + 2);
    size_t n = 0;
    matchers[n++] =
        (struct matcher){.type = MATCH_EQUAL, .name = METRIC_NAME, .value = SV("ALERTS_FOR_STATE")};
    matchers[n++] = (struct matcher){.type = MATCH_EQUAL, .name = SV("alertname"), .value = rule->name};
    for (size_t i = 0; i < rule->label_count; i++) {
        const struct label *label = &rule->labels[i];
        if (label->value.n > 0 && sv_find(label->value, SV("{{")) == label->value.n &&
            !sv_is(label->name, "alertname"))
            matchers[n++] = (struct matcher){.type = MATCH_EQUAL, .name = label->name, .value = label->value};
    }
    *ret_count = n;
    return matchers;
}

/* The newest sample between the two times. */
static bool newest_sample(struct restoring *r, uint64_t ref, int64_t min_ms, int64_t max_ms, int64_t *ret_ms,
                          double *ret_value)
{
    const struct series_source *source = &r->engine->options.storage.source;
    struct series_samples samples;
    if (source->read(source->context, ref, min_ms, max_ms, &r->arena, &samples, NULL) != 0)
        return false;
    for (size_t i = samples.n; i > 0; i--) {
        if (samples.t[i - 1] < min_ms || samples.t[i - 1] > max_ms)
            continue;
        *ret_ms = samples.t[i - 1];
        *ret_value = samples.f[i - 1];
        return samples.h == NULL || samples.h[i - 1] == NULL;
    }
    return false;
}

static void restore_alert(struct restoring *r, struct active_alert *alert, int64_t down_ms, double value)
{
    int64_t hold_ns = r->state->rule->for_ns, grace_ns = r->engine->options.grace_period_ns;
    int64_t down_at_ns = down_ms * NS_PER_MS;
    if (!isfinite(value) || fabs(value) > (double)(INT64_MAX / SECOND_NS))
        return; /* a staleness marker: it was not active */
    int64_t active_at_ns = (int64_t)value * SECOND_NS;
    int64_t remaining_ns = hold_ns - (down_at_ns - active_at_ns);
    if (remaining_ns > 0 && hold_ns < grace_ns)
        return; /* pending, and sooner over from the beginning than with grace */
    if (remaining_ns > 0 && remaining_ns < grace_ns)
        active_at_ns = r->time_ns + grace_ns - hold_ns;
    else if (remaining_ns > 0)
        active_at_ns += r->time_ns - down_at_ns; /* the time that we were down does not count */
    alert->active_at_ns = active_at_ns;
}

static void restore_series(struct restoring *r, const struct source_series *series, int64_t min_ms,
                           int64_t max_ms)
{
    struct label *items = ARENA_ARRAY(&r->arena, struct label, series->labels->count + 1);
    struct buf key;
    size_t n = 0;
    int64_t at_ms;
    double value;
    for (size_t i = 0; i < series->labels->count; i++)
        if (!sv_eq(series->labels->items[i].name, METRIC_NAME))
            items[n++] = series->labels->items[i];
    buf_init(&key, LABEL_KEY_MAX);
    label_key(&key, items, n);
    uint64_t *slot = map_get(&r->state->active, buf_view(&key));
    buf_free(&key);
    if (slot != NULL && newest_sample(r, series->ref, min_ms, max_ms, &at_ms, &value))
        restore_alert(r, (struct active_alert *)(uintptr_t)*slot, at_ms, value);
}

static void restore_rule(struct restoring *r)
{
    const struct series_source *source = &r->engine->options.storage.source;
    int64_t max_ms = ns_to_ms(r->time_ns),
            min_ms = ns_to_ms(r->time_ns - r->engine->options.outage_tolerance_ns);
    struct source_series *series;
    size_t matcher_count, count = 0;
    struct matcher *matchers = matchers_of(r, &matcher_count);
    /* a storage that cannot be read restores nothing: the alerts wait, and fire */
    if (source->select(source->context, matchers, matcher_count, min_ms, max_ms, &r->arena, &series, &count,
                       NULL) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        restore_series(r, &series[i], min_ms, max_ms);
}

void group_restore(struct rule_engine *engine, struct group_state *group, int64_t time_ns)
{
    if (engine->options.storage.refresh != NULL)
        engine->options.storage.refresh(engine->options.storage.context);
    for (size_t i = 0; i < group->group->rule_count; i++) {
        struct restoring r = {.engine = engine, .state = &group->rules[i], .time_ns = time_ns};
        if (r.state->rule->alerting && !r.state->restored)
            restore_rule(&r);
        r.state->restored = true;
        arena_free(&r.arena);
    }
}
