/*
 * Rules against the policy: one that asks a replaced field what its replacement cannot answer would never
 * fire, so it is refused by name.
 *
 *   token, hash   equal values stay equal: presence, comparison with a field that is replaced alike, grouping
 *                 and counting work. Whatever asks for the text, a number or a network of it does not.
 *   mask, drop    only presence can be asked; groups would all be one
 *   truncate N    exact values, beginnings and parts longer than N cannot be found
 *   sql, keep     nothing is refused
 */
#include "detect/measure.h"
#include "detect/ruleset_priv.h"

struct check {
    const struct policy *policy;
    const char *reason; /* NULL: nothing to refuse yet */
    struct sv field;
};

static bool is_alike(const struct policy *policy, struct sv name, enum policy_action action)
{
    return policy_of(policy, name).action == action;
}

static size_t characters(struct sv text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((uint8_t)text.p[i] & 0xC0) != 0x80;
    return n;
}

static const char *judge_truncated(const struct predicate *p, unsigned most)
{
    if (p->kind == PREDICATE_PATTERN && characters(p->pattern.text) > most)
        return "the policy keeps fewer characters of the field than the value has";
    if (p->kind == PREDICATE_LIST && list_longest(p->list.table) > most)
        return "the policy keeps fewer characters of the field than the list has in an entry";
    if ((p->kind == PREDICATE_PATTERN && p->pattern.shape == SHAPE_SUFFIX) ||
        (p->kind == PREDICATE_LIST && p->list.question == LIST_ENDS))
        return "the policy cuts the end of the field off";
    return NULL;
}

/* Why the predicate cannot be answered; NULL where it can. */
static const char *judge(const struct policy *policy, struct policy_verdict verdict,
                         const struct predicate *p)
{
    if (verdict.action == POLICY_TRUNCATE)
        return judge_truncated(p, verdict.characters);
    if (verdict.action == POLICY_KEEP || verdict.action == POLICY_SQL || p->kind == PREDICATE_EXISTS ||
        p->kind == PREDICATE_NULL || (p->kind == PREDICATE_PATTERN && p->pattern.shape == SHAPE_ANY))
        return NULL;
    bool comparable = verdict.action == POLICY_TOKEN || verdict.action == POLICY_HASH;
    if (!comparable)
        return verdict.action == POLICY_MASK ? "the policy masks the field" : "the policy drops the field";
    if (p->kind == PREDICATE_FIELD && !p->field.open_start && !p->field.open_end &&
        is_alike(policy, p->field.name.name, verdict.action))
        return NULL;
    return verdict.action == POLICY_TOKEN ? "the policy replaces the field by random tokens"
                                          : "the policy replaces the field by hashes";
}

static void check_item(struct check *c, const struct match_item *item)
{
    if (item->field.name.n == 0)
        return; /* keywords: the whole event is searched */
    struct policy_verdict verdict = policy_of(c->policy, item->field.name);
    for (size_t i = 0; i < item->count; i++)
        for (size_t k = 0; k < item->values[i].count && c->reason == NULL; k++) {
            const struct predicate *p = &item->values[i].alternatives[k];
            c->reason = judge(c->policy, verdict, p);
            c->field = item->field.name;
            if (c->reason == NULL && p->kind == PREDICATE_FIELD &&
                !is_alike(c->policy, p->field.name.name, verdict.action)) {
                c->reason = "the policy replaces one of the two fields that are compared";
                c->field = p->field.name.name;
            }
        }
}

/* The time zone that a calendar goes by stands in the field, by name. */
static void check_calendar(struct check *c, const struct calendar *calendar)
{
    if (calendar->zone_field.n == 0 || policy_of(c->policy, calendar->zone_field).action == POLICY_KEEP)
        return;
    c->field = calendar->zone_field;
    c->reason = "the policy replaces the field that names a calendar's time zone";
}

static void check_node(struct check *c, const struct match_node *node)
{
    if (node->kind == NODE_CALENDAR)
        check_calendar(c, node->calendar->calendar);
    if (node->kind == NODE_ITEM)
        check_item(c, node->item);
    for (size_t i = 0; node->kind != NODE_ITEM && i < node->count && c->reason == NULL; i++)
        check_node(c, node->kids[i]);
}

/* Groups and counted values: equality is enough. */
static void check_names(struct check *c, const struct name_ref *names, size_t count)
{
    for (size_t i = 0; i < count && c->reason == NULL; i++) {
        enum policy_action action = policy_of(c->policy, names[i].name).action;
        c->field = names[i].name;
        if (action == POLICY_MASK || action == POLICY_DROP)
            c->reason = "the policy masks or drops the field, so all its values are one";
    }
}

/* Sums, places and baselines look at the numbers themselves. */
static void check_numbers(struct check *c, const struct name_ref *names, size_t count)
{
    for (size_t i = 0; i < count && c->reason == NULL; i++) {
        enum policy_action action = policy_of(c->policy, names[i].name).action;
        c->field = names[i].name;
        if (action != POLICY_KEEP && action != POLICY_TRUNCATE)
            c->reason = "the policy replaces the field, whose numbers are asked";
    }
}

/* Of a correlation, or of what a detection remembers. */
static void check_correlation(struct check *c, const struct correlation *correlation)
{
    bool numbers = measure_is_for(correlation->type) || correlation->type == CORR_TRAVEL ||
                   correlation->type == CORR_BASELINE;
    check_names(c, correlation->group_by, correlation->group_count);
    (numbers ? check_numbers : check_names)(c, correlation->fields, correlation->field_count);
}

void ruleset_check_policy(struct loading *l, const struct policy *policy)
{
    for (size_t i = 0; i < l->count; i++) {
        struct sigma_rule *r = l->rules[i];
        struct check check = {.policy = policy};
        if (r->refused)
            continue;
        if (r->rule.detection != NULL)
            check_node(&check, r->rule.detection->root);
        for (size_t k = 0; k < r->rule.raise_count && r->rule.raises[k].condition != NULL; k++)
            check_node(&check, r->rule.raises[k].condition);
        if (r->rule.correlation != NULL)
            check_correlation(&check, r->rule.correlation);
        if (check.reason != NULL)
            ruleset_refuse(l, r, TC_EUNSUPPORTED, "field replaced by the policy", check.reason, check.field);
    }
}
