/*
 * Sigma filters: a condition more for rules that stand elsewhere.
 *
 * A filter is for the detections that it names by id or name (or for any), as far as its log source is theirs
 * or a wider one. Its condition must hold beside the rule's own. So `condition: not selection` takes away
 * what is known to be harmless. It is part of what the rule means: a rule begins anew where its filters
 * change.
 */
#include "detect/ruleset_priv.h"

/* What the filter says nothing of, or the same. */
static bool covers(struct sv filter, struct sv rule)
{
    return filter.n == 0 || sv_eq_nocase(filter, rule);
}

static bool is_for(const struct sigma_rule *filter, const struct sigma_rule *r)
{
    return r->rule.kind == RULE_DETECTION && !r->refused && covers(filter->rule.product, r->rule.product) &&
           covers(filter->rule.category, r->rule.category) && covers(filter->rule.service, r->rule.service);
}

static void add_meaning(struct sigma_rule *r, const struct sigma_rule *filter)
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, sizeof r->meaning_hash, r->meaning_hash);
    sha256_update(&context, sizeof filter->meaning_hash, filter->meaning_hash);
    hash_sha256_final(&context, r->meaning_hash);
}

/* For explaining: the filter's selections stand behind the rule's. */
static void tell(struct loading *l, const struct sigma_rule *filter, const struct detection *own,
                 struct detection *both)
{
    struct arena *arena = &l->set->arena;
    const struct detection *more = filter->rule.detection;
    struct detection_selection *all =
        ARENA_ARRAY(arena, struct detection_selection, own->selection_count + more->selection_count + 1);
    for (size_t i = 0; i < own->selection_count; i++)
        all[i] = own->selections[i];
    for (size_t i = 0; i < more->selection_count; i++) {
        all[own->selection_count + i] = more->selections[i];
        all[own->selection_count + i].name = arena_printf(
            arena, "%.*s: %.*s", SV_FMT(filter->rule.info.title), SV_FMT(more->selections[i].name));
    }
    both->selections = all;
    both->selection_count = own->selection_count + more->selection_count;
    both->condition = arena_printf(arena, "(%.*s) and filter \"%.*s\" (%.*s)", SV_FMT(own->condition),
                                   SV_FMT(filter->rule.info.title), SV_FMT(more->condition));
    both->condition_line = own->condition_line;
}

static void apply(struct loading *l, const struct sigma_rule *filter, struct sigma_rule *r)
{
    struct sigma sigma = {.arena = &l->set->arena, .scratch = &l->scratch};
    const struct match_node *kids[] = {r->rule.detection->root, filter->rule.detection->root};
    struct detection *both = ARENA_NEW(&l->set->arena, struct detection);
    both->root = sigma_node(&sigma, NODE_AND, kids, 2);
    tell(l, filter, r->rule.detection, both);
    r->rule.detection = both;
    add_meaning(r, filter);
}

/* The named rule, or NULL. */
static struct sigma_rule *find(const struct loading *l, struct sv ref)
{
    const uint64_t *slot = map_get(&l->ids, ref);
    if (slot == NULL)
        slot = map_get(&l->names, ref);
    return slot == NULL || *slot == 0 ? NULL : l->rules[*slot - 1];
}

static bool listed_before(const struct loading *l, const struct sigma_rule *filter, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (find(l, filter->refs[i]) == find(l, filter->refs[at]))
            return true;
    return false;
}

static void apply_to_listed(struct loading *l, const struct sigma_rule *filter)
{
    for (size_t i = 0; i < filter->ref_count; i++) {
        struct sigma_rule *r = find(l, filter->refs[i]);
        if (r == NULL)
            ruleset_warn(l, filter, "filter", "no loaded rule has this id or name", filter->refs[i]);
        else if (!is_for(filter, r))
            ruleset_warn(l, filter, "filter", "the filter's log source is not this rule's", filter->refs[i]);
        else if (!listed_before(l, filter, i))
            apply(l, filter, r);
    }
}

void ruleset_filter(struct loading *l)
{
    for (size_t i = 0; i < l->filter_count; i++) {
        if (!l->filters[i]->any_rule) {
            apply_to_listed(l, l->filters[i]);
            continue;
        }
        for (size_t k = 0; k < l->count; k++)
            if (is_for(l->filters[i], l->rules[k]))
                apply(l, l->filters[i], l->rules[k]);
    }
}
