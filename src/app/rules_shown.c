/*
 * The rules in force and what each has cost, for `tocsin top rules` and GET /v1/rules.
 *
 * Counters belong to the threads that judge, so the core's thread copies them once a second, between batches.
 * Whoever asks holds `reloading`, while which the rules themselves stay as they are, and joins both.
 */
#include "app/core_priv.h"

#include "base/json_out.h"

#include <stdlib.h>

struct shown {
    const struct rule_info *rule;
    struct rule_cost cost;
};

void rules_take_costs(struct core *core)
{
    int64_t now_ns = clk_monotonic_ns(core->options.clk);
    size_t count = ruleset_count(core->ruleset);
    if (core->costs.of == core->ruleset && now_ns - core->costs.mono_ns < TC_SECOND_NS)
        return;
    core->costs.items = tc_realloc(core->costs.items, (count + 1) * sizeof core->costs.items[0]);
    for (size_t i = 0; i < count; i++)
        detector_rule_cost(core->detector, i, &core->costs.items[i]);
    core->costs.of = core->ruleset;
    core->costs.mono_ns = now_ns;
}

static int by_work(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;
    if (x->cost.work != y->cost.work)
        return x->cost.work > y->cost.work ? -1 : 1;
    if (x->cost.groups != y->cost.groups)
        return x->cost.groups > y->cost.groups ? -1 : 1;
    return (x->rule->ordinal > y->rule->ordinal) - (x->rule->ordinal < y->rule->ordinal);
}

static void write_rule(struct json_out *json, const struct shown *shown)
{
    const struct rule_info *rule = shown->rule;
    json_object(json);
    json_kv_string(json, "id", rule->id);
    json_kv_string(json, "name", rule->name);
    json_kv_string(json, "title", rule->title);
    json_kv_str(json, "severity", severity_name(rule->severity));
    json_kv_string(json, "level", rule->level);
    json_kv_string(json, "file", rule->file);
    json_kv_u64(json, "line", rule->line);
    json_kv_u64(json, "tried", shown->cost.tried);
    json_kv_u64(json, "matched", shown->cost.matched);
    json_kv_u64(json, "work", shown->cost.work);
    json_kv_u64(json, "groups", shown->cost.groups);
    json_object_end(json);
}

void core_rules_json(struct core *core, struct buf *out)
{
    struct json_out json = json_out_to(out);
    pthread_mutex_lock(&core->reloading);
    size_t count = ruleset_count(core->ruleset);
    struct shown *all = tc_alloc((count + 1) * sizeof all[0]);
    pthread_mutex_lock(&core->lock);
    for (size_t i = 0; i < count; i++) {
        all[i].rule = ruleset_rule(core->ruleset, i);
        if (core->costs.of == core->ruleset)
            all[i].cost = core->costs.items[i];
    }
    pthread_mutex_unlock(&core->lock);
    qsort(all, count, sizeof all[0], by_work);
    json_array(&json);
    for (size_t i = 0; i < count; i++)
        write_rule(&json, &all[i]);
    json_array_end(&json);
    pthread_mutex_unlock(&core->reloading);
    free(all);
}
