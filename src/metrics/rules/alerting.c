/*
 * Alerting rules: what an evaluation's result makes of the instances of an alert (pending, firing, resolved),
 * and the series that tell of them.
 */
#include "metrics/rules/engine_priv.h"

#include "template/prometheus.h"

#include <stdlib.h>

enum { TEMPLATE_TEXT_MAX = 1 << 20 };

/* --- templates --- */

struct template_values {
    struct evaluation *e;
    struct sv name; /* of the templates, in errors */
    struct template_value labels, external_labels, value;
};

static struct template_value template_labels(struct arena *arena, const struct label *items, size_t count)
{
    struct sv *names = ARENA_ARRAY(arena, struct sv, count + 1),
              *values = ARENA_ARRAY(arena, struct sv, count + 1);
    for (size_t i = 0; i < count; i++) {
        names[i] = arena_sv(arena, items[i].name);
        values[i] = arena_sv(arena, items[i].value);
    }
    return template_prometheus_labels(arena, names, values, count);
}

/* `query` in a template: at the time of the evaluation, without the query offset. */
static int template_query(void *context, struct sv expression, struct arena *arena,
                          struct template_sample **ret_samples, size_t *ret_count, struct err *err)
{
    struct evaluation *e = context;
    struct promql_result result = {0};
    struct promql_series *series;
    size_t count;
    int rc = rule_query(e->engine, expression, e->time_ns, &result, &series, &count, err);
    if (rc == 0) {
        *ret_samples = ARENA_ARRAY(arena, struct template_sample, count + 1);
        *ret_count = count;
        for (size_t i = 0; i < count; i++) {
            (*ret_samples)[i].labels =
                template_labels(arena, series[i].labels->items, series[i].labels->count);
            (*ret_samples)[i].value = series[i].f[0];
        }
    }
    promql_result_free(&result);
    return rc;
}

static struct sv expand(const struct template_values *v, struct sv text)
{
    struct evaluation *e = v->e;
    if (sv_find(text, SV("{{")) == text.n)
        return text; /* nothing to expand: the common case */
    struct template_prometheus prometheus = {.query = template_query,
                                             .context = e,
                                             .external_url = e->engine->options.external_url,
                                             .path_prefix = e->engine->path_prefix};
    struct template_run run = {.missing_key = MISSING_KEY_ZERO, .now_ns = e->time_ns, .context = &prometheus};
    struct buf out;
    buf_init(&out, TEMPLATE_TEXT_MAX);
    /* where it fails, the text says so, as Prometheus' does */
    template_prometheus_expand(v->name, text, v->labels, v->external_labels, v->value, &run, &e->arena, &out,
                               NULL);
    struct sv expanded = arena_sv(&e->arena, buf_view(&out));
    buf_free(&out);
    return expanded;
}

static struct template_value sample_value(struct evaluation *e, const struct promql_series *series)
{
    struct buf text;
    if (series->h == NULL || series->h[0] == NULL)
        return template_float(series->f[0]);
    buf_init(&text, TEMPLATE_TEXT_MAX);
    histogram_format(&text, series->h[0]);
    struct sv kept = arena_sv(&e->arena, buf_view(&text));
    buf_free(&text);
    return template_text(kept);
}

/* --- instances --- */

void alerts_free(struct map *active)
{
    struct map_entry *entry;
    for (size_t at = 0; map_next(active, &at, &entry);) {
        struct active_alert *alert = (struct active_alert *)(uintptr_t)entry->value;
        free(alert->annotations);
        free(alert);
    }
    map_free(active);
}

static struct active_alert *alert_of(const struct map_entry *entry)
{
    return (struct active_alert *)(uintptr_t)entry->value;
}

/* One element of the result, with its labels and annotations expanded. */
struct instance {
    const struct labels *labels;
    struct sv key, annotations;
    double value;
    bool stands_for_no_data;
};

static void make_instance(struct evaluation *e, const struct promql_series *series, struct instance *ret)
{
    const struct rule *rule = e->state->rule;
    const struct rule_engine_options *options = &e->engine->options;
    struct template_values v = {
        .e = e,
        .name = arena_printf(&e->arena, "__alert_%.*s", SV_FMT(rule->name)),
        .labels = template_labels(&e->arena, series->labels->items, series->labels->count),
        .external_labels =
            template_labels(&e->arena, options->external_labels, options->external_label_count),
        .value = sample_value(e, series),
    };
    const struct labels *labels =
        labels_set(&e->labels, labels_import(&e->labels, series->labels), METRIC_NAME, SV(""));
    for (size_t i = 0; i < rule->label_count; i++)
        labels = labels_set(&e->labels, labels, rule->labels[i].name, expand(&v, rule->labels[i].value));
    labels = labels_set(&e->labels, labels, SV("alertname"), rule->name);
    struct label *annotations = ARENA_ARRAY(&e->arena, struct label, rule->annotation_count + 1);
    for (size_t i = 0; i < rule->annotation_count; i++)
        annotations[i] = (struct label){rule->annotations[i].name, expand(&v, rule->annotations[i].value)};
    struct buf text;
    buf_init(&text, LABEL_KEY_MAX);
    label_key(&text, labels->items, labels->count);
    ret->key = arena_sv(&e->arena, buf_view(&text));
    buf_clear(&text);
    label_key(&text, annotations, rule->annotation_count);
    ret->annotations = arena_sv(&e->arena, text.overflow ? SV("") : buf_view(&text));
    buf_free(&text);
    ret->labels = labels;
    ret->value = series->f[0];
    ret->stands_for_no_data = false;
}

static int make_instances(struct evaluation *e, const struct promql_series *series, size_t count,
                          struct instance **ret, struct err *err)
{
    struct map seen;
    int rc = 0;
    *ret = ARENA_ARRAY(&e->arena, struct instance, count + 1);
    map_init(&seen, RULE_INSTANCES_MAX);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool fresh = true;
        make_instance(e, &series[i], &(*ret)[i]);
        if (map_put(&seen, (*ret)[i].key, &fresh) == NULL)
            rc = err_set(err, TC_EBOUND, "more than %d alerts of one rule", RULE_INSTANCES_MAX);
        else if (!fresh)
            rc = err_set(err, TC_EINPUT,
                         "vector contains metrics with the same labelset after applying alert labels");
    }
    map_free(&seen);
    return rc;
}

static void keep_annotations(struct active_alert *alert, struct sv annotations)
{
    alert->annotations = tc_realloc(alert->annotations, annotations.n + 1);
    if (annotations.n > 0)
        memcpy(alert->annotations, annotations.p, annotations.n);
    alert->annotation_bytes = annotations.n;
}

static void note_instance(struct evaluation *e, const struct instance *instance)
{
    uint64_t *slot = map_put(&e->state->active, instance->key, NULL);
    if (slot == NULL)
        return; /* too many with those that are resolved: this one has to wait */
    struct active_alert *alert = (struct active_alert *)(uintptr_t)*slot;
    if (alert == NULL) {
        alert = tc_alloc(sizeof *alert);
        alert->active_at_ns = alert->fired_at_ns = TC_NO_TIME;
        alert->resolved_at_ns = alert->keep_firing_since_ns = TC_NO_TIME;
        *slot = (uint64_t)(uintptr_t)alert;
    }
    alert->value = instance->value;
    alert->given = e->state->timing.evaluations;
    alert->stands_for_no_data = instance->stands_for_no_data;
    keep_annotations(alert, instance->annotations);
}

/* The condition is true of it: it becomes pending, or goes on as what it was. */
static void begin_instance(struct evaluation *e, struct active_alert *alert)
{
    alert->keep_firing_since_ns = TC_NO_TIME;
    if (alert->state != RULE_ALERT_INACTIVE)
        return;
    alert->state = RULE_ALERT_PENDING;
    alert->active_at_ns = e->time_ns;
    alert->fired_at_ns = alert->resolved_at_ns = TC_NO_TIME;
}

static void release(struct map *active, const struct map_entry *entry)
{
    struct active_alert *alert = alert_of(entry);
    map_remove(active, entry->key);
    free(alert->annotations);
    free(alert);
}

/* The condition is not true of it any more. True where it stays active nevertheless. */
static bool end_instance(struct evaluation *e, struct active_alert *alert)
{
    int64_t keep_ns = e->state->rule->keep_firing_for_ns;
    if (alert->state == RULE_ALERT_FIRING && keep_ns > 0) {
        if (alert->keep_firing_since_ns == TC_NO_TIME)
            alert->keep_firing_since_ns = e->time_ns;
        if (e->time_ns - alert->keep_firing_since_ns < keep_ns)
            return true;
    }
    if (alert->state != RULE_ALERT_INACTIVE) {
        alert->state = RULE_ALERT_INACTIVE;
        alert->resolved_at_ns = e->time_ns;
    }
    return false;
}

static void age_instance(struct evaluation *e, struct active_alert *alert)
{
    int64_t age_ns = e->time_ns - alert->active_at_ns, hold_ns = e->state->rule->for_ns;
    if (alert->state == RULE_ALERT_PENDING && age_ns >= hold_ns) {
        alert->state = RULE_ALERT_FIRING;
        alert->fired_at_ns = e->time_ns;
    }
    /* `for` became longer */
    if (alert->state == RULE_ALERT_FIRING && age_ns < hold_ns) {
        alert->state = RULE_ALERT_PENDING;
        alert->fired_at_ns = alert->keep_firing_since_ns = TC_NO_TIME;
    }
}

static bool has_label(const struct label *items, size_t count, struct sv name)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq(items[i].name, name))
            return true;
    return false;
}

/* ALERTS and ALERTS_FOR_STATE: the instance's labels over the rule's as they are written. */
static void add_samples(struct evaluation *e, struct sv key, const struct active_alert *alert)
{
    const struct rule *rule = e->state->rule;
    struct label *own, *all;
    size_t own_count, n = 0;
    int64_t active_at_s = alert->active_at_ns / 1000000000;
    active_at_s -= active_at_s * 1000000000 > alert->active_at_ns;
    label_key_read(key, &e->arena, &own, &own_count);
    all = ARENA_ARRAY(&e->arena, struct label, rule->label_count + own_count + 1);
    for (size_t i = 0; i < own_count; i++)
        all[n++] = own[i];
    for (size_t i = 0; i < rule->label_count; i++)
        if (!has_label(own, own_count, rule->labels[i].name))
            all[n++] = rule->labels[i];
    all[n++] = (struct label){METRIC_NAME, SV("ALERTS_FOR_STATE")};
    const struct labels *for_state = labels_intern(&e->labels, all, n);
    const struct labels *state = labels_set(&e->labels, for_state, METRIC_NAME, SV("ALERTS"));
    state = labels_set(&e->labels, state, SV("alertstate"),
                       alert->state == RULE_ALERT_FIRING ? SV("firing") : SV("pending"));
    evaluation_add(e, state, 1, NULL);
    evaluation_add(e, for_state, (double)active_at_s, NULL);
}

static int64_t update_instances(struct evaluation *e, const struct extra_answers *answers)
{
    struct map_entry *entry;
    int64_t count = 0;
    for (size_t at = 0; map_next(&e->state->active, &at, &entry);) {
        struct active_alert *alert = alert_of(entry);
        bool hold;
        if (extra_judge(e, answers, entry->key, alert, &hold))
            begin_instance(e, alert);
        else if (!end_instance(e, alert))
            continue;
        count++;
        if (!hold)
            age_instance(e, alert);
        if (e->state->restored)
            add_samples(e, entry->key, alert);
    }
    return count;
}

/* What stands for data that is not there: the rule's own labels, and one that says so. */
static void note_no_data(struct evaluation *e)
{
    struct label items[] = {{SV("no_data"), SV("true")}};
    double value = __builtin_nan("");
    struct promql_series series = {.labels = labels_intern(&e->labels, items, 1), .n = 1, .f = &value};
    struct instance instance;
    make_instance(e, &series, &instance);
    instance.stands_for_no_data = true;
    note_instance(e, &instance);
}

static int judge_instances(struct evaluation *e, const struct instance *instances, size_t count,
                           const struct extra_answers *answers, struct err *err)
{
    int64_t limit = e->group->group->limit;
    for (size_t i = 0; i < count; i++)
        note_instance(e, &instances[i]);
    if (extra_wants_no_data_alert(e, answers))
        note_no_data(e);
    int64_t active = update_instances(e, answers);
    if (limit <= 0 || active <= limit)
        return 0;
    alerts_free(&e->state->active);
    return err_set(err, TC_EBOUND, "exceeded limit of %lld with %lld alerts", (long long)limit,
                   (long long)active);
}

int alerting_evaluate(struct evaluation *e, struct err *err)
{
    struct promql_series *series;
    struct instance *instances;
    struct extra_answers answers = {0};
    size_t count;
    int rc = evaluation_query(e, e->state->rule->expr, &e->result, &series, &count, err);
    if (rc == 0)
        rc = make_instances(e, series, count, &instances, err);
    if (rc != 0)
        return rc;
    rc = extra_ask(e, &answers, err);
    if (rc == 0)
        rc = judge_instances(e, instances, count, &answers, err);
    extra_free(e, &answers);
    return rc;
}

/* --- telling --- */

void alert_view(const struct group_state *group, const struct rule_state *state, struct sv key,
                const struct active_alert *alert, struct arena *arena, struct rule_alert_view *ret)
{
    struct label *labels, *annotations;
    *ret = (struct rule_alert_view){.group = group->group,
                                    .rule = state->rule,
                                    .info = &state->info,
                                    .state = alert->state,
                                    .level = alert->severity != NULL ? alert->severity->level : SV(""),
                                    .value = alert->value,
                                    .active_at_ns = alert->active_at_ns,
                                    .fired_at_ns = alert->fired_at_ns,
                                    .resolved_at_ns = alert->resolved_at_ns,
                                    .keep_firing_since_ns = alert->keep_firing_since_ns};
    label_key_read(key, arena, &labels, &ret->label_count);
    label_key_read(sv_make(alert->annotations, alert->annotation_bytes), arena, &annotations,
                   &ret->annotation_count);
    ret->labels = labels;
    ret->annotations = annotations;
}

/* What is worth telling when a state follows another; -1: nothing. */
static int change_of(enum rule_alert_state before, enum rule_alert_state now)
{
    static const int changes[3][3] = {
        [RULE_ALERT_INACTIVE] = {-1, RULE_CHANGE_PENDING, RULE_CHANGE_FIRING},
        [RULE_ALERT_PENDING] = {RULE_CHANGE_CLEARED, -1, RULE_CHANGE_FIRING},
        [RULE_ALERT_FIRING] = {RULE_CHANGE_RESOLVED, RULE_CHANGE_PENDING, RULE_CHANGE_GOES_ON},
    };
    return changes[before][now];
}

void alerting_tell(struct evaluation *e)
{
    const struct rule_engine_options *options = &e->engine->options;
    struct map_entry *entry;
    for (size_t at = 0; map_next(&e->state->active, &at, &entry);) {
        struct active_alert *alert = alert_of(entry);
        int kind = change_of(alert->before, alert->state);
        if (kind >= 0 && options->on_change != NULL) {
            struct rule_change change = {.kind = (enum rule_change_kind)kind, .time_ns = e->time_ns};
            alert_view(e->group, e->state, entry->key, alert, &e->arena, &change.alert);
            options->on_change(options->change_context, &change);
        }
        bool forget = alert->state == RULE_ALERT_INACTIVE && alert->history == 0 &&
                      (alert->resolved_at_ns == TC_NO_TIME || alert->before == RULE_ALERT_PENDING ||
                       e->time_ns - alert->resolved_at_ns > RULE_RESOLVED_KEPT_NS);
        alert->before = alert->state;
        if (forget)
            release(&e->state->active, entry);
    }
}
