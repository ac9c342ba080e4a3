/*
 * What correlations refer to: found by id or name, checked, put in layers, turned into ordinals.
 *
 * A correlation may count findings of others. Its layer is one more than the highest that it refers to, so
 * that layers can have their turns one after another; those that cannot be given a layer refer to each other
 * in a circle and are refused.
 */
#include "detect/ruleset_priv.h"

#include <stdlib.h>

/* References as pointers, until ordinals are known: as listed, distinct. */
struct references {
    struct sigma_rule **rules;
    size_t count;
};

static bool is_live_correlation(const struct sigma_rule *r)
{
    return r->rule.kind == RULE_CORRELATION && !r->refused;
}

/* --- references
 * ----------------------------------------------------------------------------------------------------------
 */

static struct sigma_rule *resolve_reference(struct loading *l, struct sigma_rule *from, struct sv ref)
{
    const uint64_t *slot = map_get(&l->ids, ref);
    if (slot == NULL)
        slot = map_get(&l->names, ref);
    if (slot != NULL && *slot != 0)
        return l->rules[*slot - 1];
    if (slot == NULL)
        ruleset_refuse(l, from, TC_ENOTFOUND, "unknown rule", "no loaded rule has this id or name", ref);
    else
        ruleset_refuse(l, from, TC_EINPUT, "ambiguous name", "several rules have this name: refer by id",
                       ref);
    return NULL;
}

static bool has_reference(const struct references *refs, const struct sigma_rule *to)
{
    for (size_t i = 0; i < refs->count; i++)
        if (refs->rules[i] == to)
            return true;
    return false;
}

static void resolve_references(struct loading *l, struct sigma_rule *r, struct references *refs)
{
    bool ordered = r->correlation->type == CORR_TEMPORAL_ORDERED;
    refs->rules = ARENA_ARRAY(&l->kept, struct sigma_rule *, r->ref_count + 1);
    for (size_t i = 0; i < r->ref_count && !r->refused; i++) {
        struct sigma_rule *to = resolve_reference(l, r, r->refs[i]);
        if (to == NULL)
            return;
        if (!has_reference(refs, to))
            refs->rules[refs->count++] = to;
        else if (ordered)
            ruleset_refuse(l, r, TC_EUNSUPPORTED, "repeated rule",
                           "a temporal_ordered correlation may list a rule once", r->refs[i]);
    }
    if (ordered && refs->count > CORR_STEPS_MAX && !r->refused)
        ruleset_refuse(l, r, TC_EBOUND, "too many rules",
                       "a temporal_ordered correlation may list 64 rules at most", r->rule.info.title);
}

/* --- aliases
 * -------------------------------------------------------------------------------------------------------------
 */

static const struct sigma_alias *find_alias(const struct sigma_rule *r, struct sv name)
{
    for (size_t i = 0; i < r->alias_count; i++)
        if (sv_eq(r->aliases[i].name, name))
            return &r->aliases[i];
    return NULL;
}

static const struct alias_field *alias_field(const struct sigma_alias *alias, const struct sigma_rule *to)
{
    for (size_t i = 0; i < alias->field_count; i++)
        if (alias->fields[i].to == to)
            return &alias->fields[i];
    return NULL;
}

static void resolve_alias(struct loading *l, struct sigma_rule *r, const struct references *refs,
                          const struct sigma_alias *alias)
{
    for (size_t i = 0; i < alias->field_count && !r->refused; i++) {
        struct sigma_rule *to = resolve_reference(l, r, alias->fields[i].ref);
        if (to == NULL)
            return;
        if (!has_reference(refs, to) || alias_field(alias, to) != NULL) {
            ruleset_refuse(l, r, TC_EINPUT, "aliases",
                           "an alias names a rule that the correlation does not list, or one twice",
                           alias->fields[i].ref);
            return;
        }
        alias->fields[i].to = to;
    }
    /* a correlation may have grouped by the alias itself; an event has no such field */
    for (size_t i = 0; i < refs->count && !r->refused; i++)
        if (refs->rules[i]->rule.kind == RULE_DETECTION && alias_field(alias, refs->rules[i]) == NULL)
            ruleset_refuse(l, r, TC_EINPUT, "aliases", "an alias does not say its field in this rule",
                           refs->rules[i]->rule.info.id);
}

static const struct name_ref *lookup(const struct sigma_rule *r, const struct name_ref *name,
                                     const struct sigma_rule *to)
{
    const struct sigma_alias *alias = find_alias(r, name->name);
    const struct alias_field *field = alias == NULL ? NULL : alias_field(alias, to);
    return field == NULL ? name : &field->field;
}

/* For each rule, in order of steps, where each name stands. */
static void link_aliases(struct ruleset *set, const struct sigma_rule *r, const struct references *refs)
{
    struct correlation *c = r->correlation;
    size_t width = c->group_count + c->field_count;
    if (r->alias_count == 0)
        return;
    struct name_ref *lookups = ARENA_ARRAY(&set->arena, struct name_ref, refs->count * width + 1);
    for (size_t i = 0; i < refs->count; i++) {
        for (size_t k = 0; k < c->group_count; k++)
            lookups[i * width + k] = *lookup(r, &c->group_by[k], refs->rules[i]);
        for (size_t k = 0; k < c->field_count; k++)
            lookups[i * width + c->group_count + k] = *lookup(r, &c->fields[k], refs->rules[i]);
    }
    c->lookups = lookups;
}

/* --- conditions of temporal types
 * -------------------------------------------------------------------------------------- */

static bool test_holds(const struct corr_test *test, int64_t value)
{
    const bool answers[] = {[CORR_GT] = value > test->value,  [CORR_GTE] = value >= test->value,
                            [CORR_LT] = value < test->value,  [CORR_LTE] = value <= test->value,
                            [CORR_EQ] = value == test->value, [CORR_NEQ] = value != test->value};
    return answers[test->op];
}

static bool all_hold(const struct correlation *c, int64_t value)
{
    bool all = true;
    for (size_t i = 0; i < c->test_count; i++)
        all &= test_holds(&c->tests[i], value);
    return all;
}

/*
 * The number of different rules that were seen is 1 to all of them, so a condition that holds from some
 * number on is a threshold, however it is written. None given: all.
 */
static void settle_condition(struct loading *l, struct sigma_rule *r, int64_t rules)
{
    struct correlation *c = r->correlation;
    int64_t least = rules, top = rules;
    if ((c->type != CORR_TEMPORAL && c->type != CORR_TEMPORAL_ORDERED) || c->steps != NULL)
        return;
    if (!all_hold(c, rules)) {
        ruleset_refuse(l, r, TC_EINPUT, "correlation condition",
                       "the condition does not hold where all rules were seen", r->rule.info.title);
        return;
    }
    while (c->test_count > 0 && least > 1 && all_hold(c, least - 1))
        least--;
    if (c->type == CORR_TEMPORAL_ORDERED && least != top) {
        ruleset_refuse(l, r, TC_EUNSUPPORTED, "correlation condition",
                       "a temporal_ordered correlation needs all of its rules", r->rule.info.title);
        return;
    }
    for (int64_t below = least - 1; below > 0; below--)
        if (c->test_count > 0 && all_hold(c, below))
            return; /* holds, then not, then again: judged at the window's end */
    struct corr_test *test = ARENA_NEW(&l->set->arena, struct corr_test);
    *test = (struct corr_test){CORR_GTE, least};
    c->tests = test;
    c->test_count = 1;
}

/* --- layers
 * --------------------------------------------------------------------------------------------------------------
 */

static bool can_be_taken_back(const struct correlation *c)
{
    if (c->steps != NULL && step_condition_negates(c->steps))
        return true;
    for (size_t i = 0; i < c->test_count; i++)
        if (c->tests[i].op != CORR_GT && c->tests[i].op != CORR_GTE)
            return true;
    return false;
}

/* True where something is settled about the correlation: its layer, or that it is refused. */
static bool give_layer(struct loading *l, struct sigma_rule *r, struct references *refs)
{
    uint32_t layer = 0;
    for (size_t i = 0; i < refs->count; i++) {
        const struct sigma_rule *to = refs->rules[i];
        if (to->refused) {
            ruleset_refuse(l, r, TC_ENOTFOUND, "unknown rule", "the rule with this id was refused",
                           to->rule.info.id);
            return true;
        }
        if (to->rule.kind == RULE_DETECTION) {
            if (to->rule.correlation != NULL && to->rule.correlation->type == CORR_ABSENCE) {
                ruleset_refuse(l, r, TC_EUNSUPPORTED, "correlation of ended windows",
                               "an absence is known only after its time, too late to be counted",
                               to->rule.info.id);
                return true;
            }
            if (to->rule.correlation != NULL) /* its memory has its turn first */
                layer = TC_MAX(layer, 1u);
            continue;
        }
        layer = TC_MAX(layer, to->correlation->layer);
        if (to->correlation->layer == 0)
            return false;
        if (can_be_taken_back(to->correlation)) {
            ruleset_refuse(l, r, TC_EUNSUPPORTED, "correlation of ended windows",
                           "it counts a correlation with lt, lte, eq or neq, which is judged too late",
                           to->rule.info.id);
            return true;
        }
    }
    r->correlation->layer = layer + 1; /* while this goes on, 0 is not known */
    return true;
}

static void refuse_circles(struct loading *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (is_live_correlation(l->rules[i]) &&
            (l->rules[i]->correlation->layer == 0 || l->rules[i]->correlation->layer > CORR_LAYERS_MAX))
            ruleset_refuse(l, l->rules[i], TC_EINPUT, "reference cycle",
                           "its references lead in a circle, or through more than 16 correlations",
                           l->rules[i]->rule.info.title);
}

static void give_layers(struct loading *l)
{
    bool changed = true;
    /* a pass settles a layer at least; what is deeper is refused anyway */
    for (unsigned pass = 0; changed && pass <= 2 * CORR_LAYERS_MAX; pass++) {
        changed = false;
        for (size_t i = 0; i < l->count; i++)
            if (is_live_correlation(l->rules[i]) && l->rules[i]->correlation->layer == 0)
                changed |= give_layer(l, l->rules[i], &l->refs[i]);
    }
    refuse_circles(l);
    for (size_t i = 0; i < l->count; i++)
        if (is_live_correlation(l->rules[i]))
            l->rules[i]->correlation->layer--;
}

/* What `action: reset` names must be there; the correlations among it may be refused later. */
static void resolve_resets(struct loading *l)
{
    for (size_t i = 0; i < l->count; i++)
        for (size_t k = 0; k < l->rules[i]->reset_count && !l->rules[i]->refused; k++)
            if (resolve_reference(l, l->rules[i], l->rules[i]->resets[k]) == l->rules[i])
                ruleset_refuse(l, l->rules[i], TC_EINPUT, "action", "a rule cannot reset itself",
                               l->rules[i]->resets[k]);
}

void ruleset_resolve(struct loading *l)
{
    resolve_resets(l);
    l->refs = ARENA_ARRAY(&l->kept, struct references, l->count + 1);
    for (size_t i = 0; i < l->count; i++) {
        struct sigma_rule *r = l->rules[i];
        if (!is_live_correlation(r))
            continue;
        resolve_references(l, r, &l->refs[i]);
        for (size_t k = 0; k < r->alias_count && !r->refused; k++)
            resolve_alias(l, r, &l->refs[i], &r->aliases[k]);
        if (!r->refused)
            settle_condition(l, r, (int64_t)l->refs[i].count);
    }
    give_layers(l);
}

/* --- ordinals
 * ------------------------------------------------------------------------------------------------------------
 */

/* A correlation is what its document says and what the rules say that it counts. */
static void hash_correlation(struct ruleset *set, struct rule *rule)
{
    struct sha256_ctx context;
    uint8_t hash[TC_SHA256_BYTES];
    sha256_init(&context);
    sha256_update(&context, sizeof rule->content, rule->content);
    for (size_t i = 0; i < rule->correlation->rule_count; i++) {
        const struct rule *to = &set->rules[rule->correlation->rules[i]];
        sha256_update(&context, to->info.id.n, (const uint8_t *)to->info.id.p);
        sha256_update(&context, sizeof to->content, to->content);
    }
    hash_sha256_final(&context, hash);
    memcpy(rule->content, hash, sizeof rule->content);
}

static int compare_ordinals(const void *a, const void *b)
{
    const struct sigma_rule *x = *(struct sigma_rule *const *)a, *y = *(struct sigma_rule *const *)b;
    return (x->rule.info.ordinal > y->rule.info.ordinal) - (x->rule.info.ordinal < y->rule.info.ordinal);
}

/* From places in `refs` to places among the ordinals. A name and an id may be the same rule. */
static void link_steps(struct loading *l, struct sigma_rule *r, const uint32_t *ordinals, size_t count)
{
    const struct step_condition *old = r->correlation->steps;
    if (old == NULL)
        return;
    struct step_term *terms = ARENA_ARRAY(&l->set->arena, struct step_term, old->count);
    for (size_t i = 0; i < old->count; i++) {
        terms[i] = old->terms[i];
        if (terms[i].kind != STEP_SEEN)
            continue;
        uint32_t ordinal = resolve_reference(l, r, r->refs[terms[i].step])->rule.info.ordinal;
        for (terms[i].step = 0; terms[i].step < count && ordinals[terms[i].step] != ordinal; terms[i].step++)
            ;
    }
    struct step_condition *linked = ARENA_NEW(&l->set->arena, struct step_condition);
    *linked = (struct step_condition){terms, old->count};
    r->correlation->steps = linked;
}

static void link_correlation(struct loading *l, struct sigma_rule *r, const struct references *refs)
{
    struct ruleset *set = l->set;
    struct correlation *c = r->correlation;
    uint32_t *ordinals = ARENA_ARRAY(&set->arena, uint32_t, refs->count + 1);
    if (c->type != CORR_TEMPORAL_ORDERED)
        qsort(refs->rules, refs->count, sizeof refs->rules[0], compare_ordinals);
    for (size_t i = 0; i < refs->count; i++) {
        struct rule *to = &set->rules[refs->rules[i]->rule.info.ordinal];
        ordinals[i] = to->info.ordinal;
        to->silent |= !c->generate;
        to->used_by_count++;
    }
    link_steps(l, r, ordinals, refs->count);
    c->rules = ordinals;
    c->rule_count = refs->count;
    link_aliases(set, r, refs);
    hash_correlation(set, &set->rules[r->rule.info.ordinal]);
}

/* Ordinals of what it resets, distinct, in the order listed. */
static void link_resets(struct loading *l, const struct sigma_rule *r)
{
    struct rule *rule = &l->set->rules[r->rule.info.ordinal];
    uint32_t *ordinals = ARENA_ARRAY(&l->set->arena, uint32_t, r->reset_count);
    for (size_t i = 0; i < r->reset_count; i++) {
        const uint64_t *slot = map_get(&l->ids, r->resets[i]);
        slot = slot == NULL ? map_get(&l->names, r->resets[i]) : slot;
        const struct sigma_rule *to = l->rules[*slot - 1];
        bool twice = false;
        for (size_t k = 0; k < rule->reset_count; k++)
            twice |= ordinals[k] == to->rule.info.ordinal;
        if (to->refused)
            ruleset_warn(l, r, "action", "a rule that it resets was refused", r->resets[i]);
        else if (!twice)
            ordinals[rule->reset_count++] = to->rule.info.ordinal;
    }
    rule->resets = ordinals;
    rule->silent |= rule->reset_count == 0;
}

static void link_used_by(struct ruleset *set)
{
    struct uses {
        uint32_t *by, *steps;
    } *lists = tc_alloc(set->count * sizeof lists[0] + 1);
    for (size_t i = 0; i < set->count; i++) {
        struct rule *rule = &set->rules[i];
        rule->used_by = lists[i].by = ARENA_ARRAY(&set->arena, uint32_t, rule->used_by_count + 1);
        rule->steps = lists[i].steps = ARENA_ARRAY(&set->arena, uint32_t, rule->used_by_count + 1);
        rule->used_by_count = 0;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        const struct correlation *c = set->rules[i].correlation;
        for (uint32_t step = 0; c != NULL && step < c->rule_count; step++) {
            struct rule *to = &set->rules[c->rules[step]];
            lists[c->rules[step]].by[to->used_by_count] = i;
            lists[c->rules[step]].steps[to->used_by_count++] = step;
        }
    }
    free(lists);
}

void ruleset_link(struct loading *l)
{
    for (uint32_t layer = 0; layer < CORR_LAYERS_MAX; layer++) /* contents of lower layers go into the hash */
        for (size_t i = 0; i < l->count; i++)
            if (is_live_correlation(l->rules[i]) && l->rules[i]->correlation->layer == layer)
                link_correlation(l, l->rules[i], &l->refs[i]);
    for (size_t i = 0; i < l->count; i++)
        if (!l->rules[i]->refused && l->rules[i]->reset_count > 0)
            link_resets(l, l->rules[i]);
    link_used_by(l->set);
}
