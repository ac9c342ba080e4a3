/*
 * The `tocsin:` map of a rule: what Sigma has no word for. Other programs pass it over; here it is read
 * strictly, since a misspelt key would be a page that never comes.
 */
#include "detect/sigma.h"

#include "base/num.h"

static int read_owners(struct sigma *sigma, const struct yaml_node *map, struct rule_info *info)
{
    int rc = sigma_read_text(sigma, map, "owner", &info->owner);
    if (rc == 0)
        rc = sigma_read_text(sigma, map, "secondary_owner", &info->secondary_owner);
    if (rc == 0)
        rc = sigma_read_text(sigma, map, "runbook", &info->runbook);
    if (rc == 0)
        rc = sigma_texts(sigma, yaml_get(map, "actions"), "actions", &info->actions, &info->action_count);
    return rc;
}

/* What the rule's alerts are about, which findings are one alert, and for how long. */
static int read_identity(struct sigma *sigma, const struct yaml_node *map, struct rule_info *info)
{
    static const char *const known[] = {"by", "within", NULL};
    const struct yaml_node *dedup = yaml_get(map, "dedup");
    int rc = sigma_texts(sigma, yaml_get(map, "entity"), "entity", &info->entity_fields,
                         &info->entity_field_count);
    if (rc == 0)
        rc = sigma_read_duration(sigma, map, "quiet", &info->quiet_ns);
    if (rc != 0 || dedup == NULL)
        return rc;
    if (dedup->type != YAML_MAP || dedup->count == 0)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(dedup), "tocsin map",
                            "dedup must be a map of by (fields) and within (a duration), or one of them");
    rc = yaml_check_keys(dedup, sigma->file, known, sigma->err);
    if (rc != 0)
        sigma->construct = "tocsin map";
    if (rc == 0)
        rc = sigma_texts(sigma, yaml_get(dedup, "by"), "by", &info->dedup_fields, &info->dedup_field_count);
    return rc == 0 ? sigma_read_duration(sigma, dedup, "within", &info->dedup_ns) : rc;
}

/* How much must come before anybody is told of an alert of the rule. */
static int read_notify_after(struct sigma *sigma, const struct yaml_node *map, struct rule_info *info)
{
    static const char *const known[] = {"count", "within", NULL};
    const struct yaml_node *after = yaml_get(map, "notify_after");
    uint64_t count;
    if (after == NULL)
        return 0;
    if (after->type != YAML_MAP || yaml_get(after, "count") == NULL || yaml_get(after, "within") == NULL)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(after), "tocsin map",
                            "notify_after must be a map of count (occurrences) and within (a duration)");
    int rc = yaml_check_keys(after, sigma->file, known, sigma->err);
    if (rc != 0) {
        sigma->construct = "tocsin map";
        return rc;
    }
    const struct yaml_node *node = yaml_get(after, "count");
    if (node->type != YAML_SCALAR || !num_u64(node->text, 1, RULE_NOTIFY_COUNT_MAX, &count))
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "tocsin map",
                            "count is a number of occurrences, 1 to %d", RULE_NOTIFY_COUNT_MAX);
    info->notify_count = (uint32_t)count;
    return sigma_read_duration(sigma, after, "within", &info->notify_within_ns);
}

/* A building block is counted by correlations and says nothing itself, whatever they generate. */
static int read_building_block(struct sigma *sigma, const struct yaml_node *map, struct rule *rule)
{
    const struct yaml_node *node = yaml_get(map, "building_block");
    if (node != NULL && !yaml_bool(node, &rule->silent))
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "wrong type",
                            "building_block must be true or false");
    return 0;
}

/* `action: reset`: what it matches ends the windows and alerts of `resets`, in the same group. */
static int read_action(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *ret)
{
    const struct yaml_node *action = yaml_get(map, "action"), *resets = yaml_get(map, "resets");
    bool is_reset = action != NULL && sv_is(action->text, "reset");
    if (action != NULL && !is_reset && !sv_is(action->text, "alert"))
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(action), "action",
                            "action is alert (what goes without saying) or reset");
    if (is_reset != (resets != NULL))
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(is_reset ? action : resets), "action",
                            is_reset ? "action: reset needs the rules that it resets, under resets"
                                     : "resets is for action: reset");
    if (is_reset && (ret->rule.kind != RULE_DETECTION || ret->rule.correlation != NULL))
        return sigma_refuse(sigma, TC_EUNSUPPORTED, SIGMA_AT_KEY(action), "action",
                            "action: reset is for detections that remember nothing");
    int rc = sigma_texts(sigma, resets, "resets", &ret->resets, &ret->reset_count);
    if (rc == 0 && is_reset && ret->reset_count == 0)
        rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(resets), "action", "resets lists no rule");
    return rc;
}

/* Kinds of rules that remember; a rule is of one of them at most. */
static const struct {
    const char *key;
    int (*read)(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *rule);
} memories[] = {
    {"new_value", sigma_read_new_value},
    {"absence", sigma_read_absence},
    {"travel", sigma_read_travel},
    {"baseline", sigma_read_baseline},
};

static int read_memory(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *ret)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(memories); i++)
        if (yaml_get(map, memories[i].key) != NULL)
            rc = memories[i].read(sigma, yaml_get(map, memories[i].key), ret);
    return rc;
}

int sigma_read_tocsin(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *ret)
{
    static const char *const known[] = {
        "owner",   "secondary_owner", "runbook", "actions",        "severity",     "entity",
        "dedup",   "quiet",           "raise",   "building_block", "action",       "resets",
        "absence", "new_value",       "travel",  "baseline",       "notify_after", NULL};
    struct rule_info *info = &ret->rule.info;
    struct sv word;
    if (map->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "tocsin map", "tocsin must be a map");
    int rc = yaml_check_keys(map, sigma->file, known, sigma->err);
    if (rc != 0) {
        sigma->construct = "tocsin map";
        return rc;
    }
    rc = read_owners(sigma, map, info);
    if (rc == 0 && yaml_get(map, "severity") != NULL)
        rc = sigma_read_severity(sigma, map, "severity", &word, &info->severity);
    if (rc == 0)
        rc = read_identity(sigma, map, info);
    if (rc == 0)
        rc = read_notify_after(sigma, map, info);
    if (rc == 0)
        rc = read_building_block(sigma, map, &ret->rule);
    if (rc == 0)
        rc = read_memory(sigma, map, ret);
    return rc == 0 ? read_action(sigma, map, ret) : rc;
}
