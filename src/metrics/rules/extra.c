/*
 * What a side file adds to the judgement of an instance: missing data, M of N datapoints, recovery, severity.
 *
 * Its expressions speak of an instance where every label of their sample is a label of the alert, so that
 * `sum(x) > 5` speaks of all.
 */
#include "metrics/rules/engine_priv.h"

#include <stdlib.h>

static int ask(struct evaluation *e, struct sv text, struct promql_result *result, struct err *err)
{
    struct promql_series *series;
    size_t count;
    if (text.n == 0)
        return 0;
    int rc = evaluation_query(e, text, result, &series, &count, err);
    result->series = series; /* a scalar's, too */
    result->count = rc == 0 ? count : 0;
    return rc;
}

int extra_ask(struct evaluation *e, struct extra_answers *ret, struct err *err)
{
    const struct rule_extra *extra = e->state->rule->extra;
    *ret = (struct extra_answers){0};
    if (extra == NULL)
        return 0;
    ret->severities = tc_alloc((extra->severity_count + 1) * sizeof *ret->severities);
    int rc = ask(e, extra->data, &ret->data, err);
    if (rc == 0)
        rc = ask(e, extra->recover, &ret->recover, err);
    for (size_t i = 0; rc == 0 && i < extra->severity_count; i++)
        rc = ask(e, extra->severities[i].when, &ret->severities[i], err);
    return rc;
}

void extra_free(struct evaluation *e, struct extra_answers *answers)
{
    const struct rule_extra *extra = e->state->rule->extra;
    if (extra == NULL)
        return;
    promql_result_free(&answers->data);
    promql_result_free(&answers->recover);
    for (size_t i = 0; i < extra->severity_count; i++)
        promql_result_free(&answers->severities[i]);
    free(answers->severities);
}

static bool speaks_of(const struct labels *sample, const struct label *items, size_t count)
{
    for (size_t i = 0; i < sample->count; i++) {
        const struct label *label = &sample->items[i];
        bool found = sv_eq(label->name, METRIC_NAME);
        for (size_t k = 0; !found && k < count; k++)
            found = sv_eq(items[k].name, label->name) && sv_eq(items[k].value, label->value);
        if (!found)
            return false;
    }
    return true;
}

static bool is_true(const struct promql_result *answer, const struct label *items, size_t count)
{
    for (size_t i = 0; i < answer->count; i++)
        if (speaks_of(answer->series[i].labels, items, count))
            return true;
    return false;
}

/* M of the last N. */
static bool enough_datapoints(const struct rule_extra *extra, struct active_alert *alert, bool given)
{
    uint64_t window = extra->of == 64 ? UINT64_MAX : (UINT64_C(1) << extra->of) - 1;
    alert->history = (alert->history << 1 | given) & window;
    return (unsigned)__builtin_popcountll(alert->history) >= extra->at_least;
}

/* Missing data is true of what is active, unless it is to be ignored; datapoints begin anew. */
static bool judge_no_data(const struct rule_extra *extra, struct active_alert *alert, bool *ret_hold)
{
    alert->history = 0;
    *ret_hold = extra->no_data == RULE_NO_DATA_KEEP;
    return extra->no_data != RULE_NO_DATA_OK && alert->state != RULE_ALERT_INACTIVE;
}

bool extra_judge(struct evaluation *e, const struct extra_answers *answers, struct sv key,
                 struct active_alert *alert, bool *ret_hold)
{
    const struct rule_extra *extra = e->state->rule->extra;
    bool given = alert->given == e->state->timing.evaluations, truth = given;
    struct label *items;
    size_t count;
    *ret_hold = false;
    if (extra == NULL || alert->stands_for_no_data)
        return given;
    label_key_read(key, &e->arena, &items, &count);
    if (!given && extra->data.n > 0 && !is_true(&answers->data, items, count))
        return judge_no_data(extra, alert, ret_hold);
    if (extra->of > 0)
        truth = enough_datapoints(extra, alert, given);
    if (!truth && extra->recover.n > 0 && alert->state == RULE_ALERT_FIRING)
        truth = !is_true(&answers->recover, items, count);
    if (!truth)
        return false;
    alert->severity = NULL;
    for (size_t i = 0; alert->severity == NULL && i < extra->severity_count; i++)
        if (is_true(&answers->severities[i], items, count))
            alert->severity = &extra->severities[i];
    return true;
}

bool extra_wants_no_data_alert(struct evaluation *e, const struct extra_answers *answers)
{
    const struct rule_extra *extra = e->state->rule->extra;
    struct map_entry *entry;
    if (extra == NULL || extra->no_data != RULE_NO_DATA_ALERT || answers->data.count > 0)
        return false;
    /* instances that are known stand for their own missing data */
    for (size_t at = 0; map_next(&e->state->active, &at, &entry);) {
        const struct active_alert *alert = (const struct active_alert *)(uintptr_t)entry->value;
        if (alert->state != RULE_ALERT_INACTIVE && !alert->stands_for_no_data)
            return false;
    }
    return true;
}
