/*
 * Groups and their times; see engine.h. What an evaluation does is evaluate.c's.
 */
#include "metrics/rules/engine_priv.h"

#include "base/hash.h"

#include <stdlib.h>

#define MINUTE_NS (60LL * 1000000000)
enum { PLANNED_MAX = 1 << 20 };

static struct sv url_path(struct sv url)
{
    size_t scheme = sv_find(url, SV("://"));
    struct sv rest = scheme < url.n ? sv_from(url, scheme + 3) : SV("");
    return sv_from(rest, sv_find_char(rest, '/'));
}

static void keep_options(struct rule_engine *engine, const struct rule_engine_options *from)
{
    struct rule_engine_options *o = &engine->options;
    *o = *from;
    struct label *labels = ARENA_ARRAY(&engine->arena, struct label, o->external_label_count + 1);
    for (size_t i = 0; i < o->external_label_count; i++)
        labels[i] = (struct label){arena_sv(&engine->arena, o->external_labels[i].name),
                                   arena_sv(&engine->arena, o->external_labels[i].value)};
    o->external_labels = labels;
    o->external_url = arena_sv(&engine->arena, o->external_url);
    o->interval_ns = o->interval_ns > 0 ? o->interval_ns : MINUTE_NS;
    o->subquery_step_ms =
        o->subquery_step_ms > 0 ? o->subquery_step_ms : TC_MAX(o->interval_ns / NS_PER_MS, INT64_C(1));
    o->outage_tolerance_ns = o->outage_tolerance_ns > 0 ? o->outage_tolerance_ns : 60 * MINUTE_NS;
    o->grace_period_ns = o->grace_period_ns > 0 ? o->grace_period_ns : 10 * MINUTE_NS;
    engine->path_prefix = url_path(o->external_url);
}

static void plan_expression(struct group_state *group, struct sv text)
{
    struct promql_planned *planned;
    bool fresh = false;
    uint64_t *slot = text.n == 0 ? NULL : map_put(&group->planned, text, &fresh);
    if (fresh && promql_plan_add(group->plan, text, &planned, NULL) == 0)
        *slot = (uint64_t)(uintptr_t)planned; /* a bad one is an error of each evaluation */
}

static void plan_rules(struct group_state *group)
{
    group->plan = promql_plan_new();
    map_init(&group->planned, PLANNED_MAX);
    for (size_t i = 0; i < group->group->rule_count; i++) {
        const struct rule *rule = &group->group->rules[i];
        const struct rule_extra *extra = rule->extra;
        plan_expression(group, rule->expr);
        if (extra == NULL)
            continue;
        plan_expression(group, extra->data);
        plan_expression(group, extra->recover);
        for (size_t k = 0; k < extra->severity_count; k++)
            plan_expression(group, extra->severities[k].when);
    }
}

static void open_group(struct rule_engine *engine, const struct rule_file *file,
                       const struct rule_group *group, struct group_state *ret)
{
    int64_t interval = group->interval_ns > 0 ? group->interval_ns : engine->options.interval_ns;
    uint64_t hash = hash_64_seed(group->name, hash_64(file->path));
    *ret =
        (struct group_state){.group = group,
                             .file = file->path,
                             .rules = ARENA_ARRAY(&engine->arena, struct rule_state, group->rule_count + 1),
                             .interval_ns = interval,
                             .offset_ns = (int64_t)(hash % (uint64_t)interval),
                             .next_ns = TC_NO_TIME,
                             .timing.last_ns = TC_NO_TIME};
    struct map names;
    plan_rules(ret);
    map_init(&ret->gone, RULE_INSTANCES_MAX);
    map_init(&names, group->rule_count + 1);
    for (size_t i = 0; i < group->rule_count; i++) {
        struct rule_state *state = &ret->rules[i];
        *state = (struct rule_state){
            .rule = &group->rules[i], .restored = !engine->options.restore, .timing.last_ns = TC_NO_TIME};
        uint64_t *before = map_put(&names, state->rule->name, NULL);
        rule_info_fill(&engine->arena, ret, i, (*before)++, engine->rule_count++, &state->info);
        map_init(&state->active, RULE_INSTANCES_MAX);
        map_init(&state->previous, RULE_INSTANCES_MAX * 2);
    }
    map_free(&names);
}

struct rule_engine *rule_engine_new(const struct rule_file *const *files, size_t count,
                                    const struct rule_engine_options *options)
{
    struct rule_engine *engine = tc_alloc(sizeof *engine);
    size_t groups = 0;
    keep_options(engine, options);
    for (size_t i = 0; i < count; i++)
        groups += files[i]->group_count;
    engine->groups = ARENA_ARRAY(&engine->arena, struct group_state, groups + 1);
    for (size_t i = 0; i < count; i++)
        for (size_t g = 0; g < files[i]->group_count; g++)
            open_group(engine, files[i], &files[i]->groups[g], &engine->groups[engine->group_count++]);
    return engine;
}

void rule_engine_free(struct rule_engine **engine)
{
    struct rule_engine *e = *engine;
    if (e == NULL)
        return;
    for (size_t g = 0; g < e->group_count; g++) {
        map_free(&e->groups[g].gone);
        map_free(&e->groups[g].planned);
        promql_plan_free(&e->groups[g].plan);
        for (size_t i = 0; i < e->groups[g].group->rule_count; i++) {
            struct rule_state *state = &e->groups[g].rules[i];
            alerts_free(&state->active);
            map_free(&state->previous);
            free(state->error);
        }
    }
    arena_free(&e->arena);
    free(e);
    *engine = NULL;
}

/* --- taking over --- */

static void move_keys(struct map *from, struct map *to)
{
    struct map_entry *entry;
    for (size_t at = 0; map_next(from, &at, &entry);)
        map_put(to, entry->key, NULL);
    map_clear(from);
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
    bool same = a->alerting == b->alerting && sv_eq(a->name, b->name) && a->label_count == b->label_count;
    for (size_t i = 0; same && i < a->label_count; i++)
        same = sv_eq(a->labels[i].name, b->labels[i].name) && sv_eq(a->labels[i].value, b->labels[i].value);
    return same;
}

static void swap_maps(struct map *a, struct map *b)
{
    struct map other = *a;
    *a = *b;
    *b = other;
}

/* The old rules' texts may be gone soon: nothing may point there. */
static void forget_severities(struct map *active)
{
    struct map_entry *entry;
    for (size_t at = 0; map_next(active, &at, &entry);)
        ((struct active_alert *)(uintptr_t)entry->value)->severity = NULL;
}

/* Of equal rules the first goes to the first, the second to the second. */
static void adopt_group(struct group_state *group, struct group_state *old)
{
    size_t count = old->group->rule_count;
    bool *taken = tc_alloc(count + 1);
    for (size_t i = 0; i < group->group->rule_count; i++) {
        struct rule_state *state = &group->rules[i];
        for (size_t k = 0; k < count; k++) {
            if (taken[k] || !same_rule(state->rule, old->rules[k].rule))
                continue;
            taken[k] = true;
            swap_maps(&state->active, &old->rules[k].active);
            swap_maps(&state->previous, &old->rules[k].previous);
            forget_severities(&state->active);
            state->restored = old->rules[k].restored;
            state->timing = old->rules[k].timing;
            state->error = old->rules[k].error;
            old->rules[k].error = NULL;
            break;
        }
    }
    if (group->interval_ns == old->interval_ns)
        group->next_ns = old->next_ns;
    group->timing = old->timing;
    group->missed = old->missed;
    move_keys(&old->gone, &group->gone);
    for (size_t k = 0; k < count; k++)
        if (!taken[k])
            move_keys(&old->rules[k].previous, &group->gone);
    free(taken);
}

void rule_engine_adopt(struct rule_engine *engine, struct rule_engine *old)
{
    bool *taken = tc_alloc(old->group_count + 1);
    for (size_t g = 0; g < engine->group_count; g++) {
        struct group_state *group = &engine->groups[g];
        for (size_t k = 0; k < old->group_count; k++)
            if (!taken[k] && sv_eq(group->file, old->groups[k].file) &&
                sv_eq(group->group->name, old->groups[k].group->name)) {
                taken[k] = true;
                adopt_group(group, &old->groups[k]);
                break;
            }
    }
    /* what nobody writes any more ends with the first group that is evaluated */
    for (size_t k = 0; k < old->group_count; k++)
        for (size_t i = 0; !taken[k] && engine->group_count > 0 && i < old->groups[k].group->rule_count; i++)
            move_keys(&old->groups[k].rules[i].previous, &engine->groups[0].gone);
    engine->missed = old->missed;
    free(taken);
}

/* --- time --- */

int64_t ns_to_ms(int64_t ns)
{
    int64_t ms = ns / NS_PER_MS;
    return ms * NS_PER_MS > ns ? ms - 1 : ms;
}

int64_t group_query_offset_ns(const struct rule_engine *engine, const struct group_state *group)
{
    return group->group->has_query_offset ? group->group->query_offset_ns : engine->options.query_offset_ns;
}

static void evaluate_group(struct rule_engine *engine, struct group_state *group, int64_t time_ns)
{
    int64_t began_ns = timing_begin(engine, &group->timing, time_ns);
    promql_plan_begin(group->plan);
    for (size_t i = 0; i < group->group->rule_count; i++)
        rule_evaluate(engine, group, &group->rules[i], time_ns);
    group_mark_gone(engine, group, time_ns);
    /* the first evaluation may lack samples that came with the start; the second has them */
    if (group->timing.evaluations >= 2 && engine->options.restore)
        group_restore(engine, group, time_ns);
    timing_end(engine, &group->timing, began_ns);
}

void rule_engine_evaluate(struct rule_engine *engine, size_t group, int64_t time_ns)
{
    evaluate_group(engine, &engine->groups[group], time_ns);
}

/* The newest slot that is not after `now_ns`. */
static int64_t slot_at(const struct group_state *group, int64_t now_ns)
{
    int64_t past = (now_ns - group->offset_ns) % group->interval_ns;
    return now_ns - (past < 0 ? past + group->interval_ns : past);
}

/* The group whose slot comes first; of equal slots the first group. NULL where none is due. */
static struct group_state *first_due(struct rule_engine *engine, int64_t now_ns, int64_t *ret_slot_ns)
{
    struct group_state *first = NULL;
    for (size_t g = 0; g < engine->group_count; g++) {
        struct group_state *group = &engine->groups[g];
        bool set_back = group->next_ns != TC_NO_TIME && group->next_ns - group->interval_ns > now_ns;
        if (group->next_ns == TC_NO_TIME || set_back) /* the clock was; its time has to come again */
            group->next_ns = slot_at(group, now_ns) + group->interval_ns;
        if (now_ns < group->next_ns)
            continue;
        int64_t slot = slot_at(group, now_ns);
        if (first == NULL || slot < *ret_slot_ns) {
            first = group;
            *ret_slot_ns = slot;
        }
    }
    return first;
}

bool rule_engine_step(struct rule_engine *engine, int64_t now_ns)
{
    int64_t slot = now_ns;
    struct group_state *group = first_due(engine, now_ns, &slot);
    if (group == NULL)
        return false;
    uint64_t missed = (uint64_t)((slot - group->next_ns) / group->interval_ns);
    group->missed += missed;
    engine->missed += missed;
    group->next_ns = slot + group->interval_ns;
    evaluate_group(engine, group, slot);
    return true;
}

void rule_engine_advance(struct rule_engine *engine, int64_t now_ns)
{
    while (rule_engine_step(engine, now_ns)) {
    }
}

void rule_engine_retire(struct rule_engine *engine, int64_t time_ns)
{
    for (size_t g = 0; g < engine->group_count; g++) {
        struct group_state *group = &engine->groups[g];
        for (size_t i = 0; i < group->group->rule_count; i++)
            move_keys(&group->rules[i].previous, &group->gone);
        group_mark_gone(engine, group, time_ns);
    }
}

int64_t rule_engine_next_ns(const struct rule_engine *engine)
{
    int64_t next = INT64_MAX;
    for (size_t g = 0; g < engine->group_count; g++)
        next = TC_MIN(next, engine->groups[g].next_ns);
    return next;
}

uint64_t rule_engine_missed(const struct rule_engine *engine)
{
    return engine->missed;
}

/* --- looking in --- */

size_t rule_engine_group_count(const struct rule_engine *engine)
{
    return engine->group_count;
}

const struct rule_group *rule_engine_group(const struct rule_engine *engine, size_t group)
{
    return engine->groups[group].group;
}

struct sv rule_engine_group_file(const struct rule_engine *engine, size_t group)
{
    return engine->groups[group].file;
}

const char *rule_engine_error(const struct rule_engine *engine, size_t group, size_t rule)
{
    return engine->groups[group].rules[rule].error;
}

struct rule_timing rule_engine_rule_timing(const struct rule_engine *engine, size_t group, size_t rule)
{
    return engine->groups[group].rules[rule].timing;
}

struct rule_group_timing rule_engine_group_timing(const struct rule_engine *engine, size_t group)
{
    const struct group_state *g = &engine->groups[group];
    return (struct rule_group_timing){.timing = g->timing,
                                      .interval_ns = g->interval_ns,
                                      .query_offset_ns = group_query_offset_ns(engine, g),
                                      .missed = g->missed};
}

struct promql_plan_stats rule_engine_plan_stats(const struct rule_engine *engine)
{
    struct promql_plan_stats sum = {0};
    for (size_t g = 0; g < engine->group_count; g++) {
        struct promql_plan_stats one = promql_plan_stats(engine->groups[g].plan);
        sum.queries += one.queries;
        sum.shared += one.shared;
        sum.worked_out += one.worked_out;
        sum.used_again += one.used_again;
    }
    return sum;
}

const struct rule_info *rule_engine_info(const struct rule_engine *engine, size_t group, size_t rule)
{
    return &engine->groups[group].rules[rule].info;
}

void rule_engine_alerts(const struct rule_engine *engine, size_t group, size_t rule,
                        void (*each)(void *context, const struct rule_alert_view *alert), void *context)
{
    const struct group_state *g = &engine->groups[group];
    const struct rule_state *state = &g->rules[rule];
    struct arena arena = {0};
    struct map_entry *entry;
    for (size_t at = 0; map_next(&state->active, &at, &entry);) {
        const struct active_alert *alert = (const struct active_alert *)(uintptr_t)entry->value;
        struct rule_alert_view view;
        if (alert->state == RULE_ALERT_INACTIVE)
            continue;
        alert_view(g, state, entry->key, alert, &arena, &view);
        each(context, &view);
        arena_reset(&arena);
    }
    arena_free(&arena);
}
