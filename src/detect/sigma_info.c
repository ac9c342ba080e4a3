/*
 * What is known of a rule beside its logic: title, id, level, tags, log source, and who answers for it.
 *
 * Sigma lets files carry any key of their own, so unknown keys pass; but inside `tocsin:`, which is ours, an
 * unknown key is a mistake and refused. Ledger D-19: who is woken and what they do must stand in a rule that
 * comes in a pack or speaks to Tocsin; in other people's Sigma files it is only missed.
 */
#include "detect/sigma.h"

int sigma_read_text(struct sigma *sigma, const struct yaml_node *map, const char *key, struct sv *ret)
{
    const struct yaml_node *node = yaml_get(map, key);
    *ret = SV("");
    if (node == NULL || yaml_is_null(node))
        return 0;
    if (node->type != YAML_SCALAR)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "wrong type", "%s must be a text", key);
    *ret = arena_sv(sigma->arena, node->text);
    return 0;
}

static void warn(struct sigma_rule *rule, const char *construct, const char *text)
{
    if (rule->warning_count < TC_ARRAY_LEN(rule->warnings))
        rule->warnings[rule->warning_count++] = (struct sigma_warning){.construct = construct, .text = text};
}

static int read_identity(struct sigma *sigma, const struct yaml_node *root, struct sigma_rule *rule)
{
    struct rule_info *info = &rule->rule.info;
    int rc = sigma_read_text(sigma, root, "id", &info->id);
    if (rc == 0)
        rc = sigma_read_text(sigma, root, "name", &info->name);
    if (rc == 0)
        rc = sigma_read_text(sigma, root, "title", &info->title);
    if (rc == 0)
        rc = sigma_read_text(sigma, root, "description", &info->description);
    if (rc != 0)
        return rc;
    if (info->id.n == 0 && info->name.n > 0) {
        info->id = arena_printf(sigma->arena, "name:%.*s", SV_FMT(info->name));
    } else if (info->id.n == 0) {
        char hex[2 * TC_SHA256_BYTES + 1];
        hash_hex(rule->document_hash, TC_SHA256_BYTES, hex);
        info->id = arena_printf(sigma->arena, "sha256:%.16s", hex);
    }
    if (info->title.n == 0) {
        info->title = info->name.n > 0 ? info->name : info->id;
        warn(rule, "no title", "the rule has no title: its name or id stands in");
    }
    return 0;
}

int sigma_read_severity(struct sigma *sigma, const struct yaml_node *map, const char *key,
                        struct sv *ret_word, enum severity *ret)
{
    int rc = sigma_read_text(sigma, map, key, ret_word);
    if (rc != 0)
        return rc;
    *ret = severity_of(*ret_word);
    if (*ret != SEVERITY_NONE)
        return 0;
    const struct yaml_node *node = yaml_get(map, key);
    return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "unknown level",
                        "\"%.*s\" is no %s: use critical, high, medium, low or informational",
                        SV_FMT(sv_head(*ret_word, 60)), key);
}

static int read_logsource(struct sigma *sigma, const struct yaml_node *root, struct sigma_rule *rule)
{
    const struct yaml_node *map = yaml_get(root, "logsource");
    if (map == NULL || yaml_is_null(map)) {
        if (rule->rule.kind == RULE_DETECTION)
            warn(rule, "no logsource", "the rule has no logsource: it judges every event");
        return 0;
    }
    if (map->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "wrong type", "logsource must be a map");
    int rc = sigma_read_text(sigma, map, "product", &rule->rule.product);
    if (rc == 0)
        rc = sigma_read_text(sigma, map, "category", &rule->rule.category);
    if (rc == 0)
        rc = sigma_read_text(sigma, map, "service", &rule->rule.service);
    return rc;
}

static int require_owner(struct sigma *sigma, const struct yaml_node *root, bool required,
                         struct sigma_rule *rule)
{
    const struct rule_info *info = &rule->rule.info;
    if (sv_trim(info->owner).n > 0 && sv_trim(info->runbook).n > 0)
        return 0;
    if (required)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(root), "no owner or runbook",
                            "the rule \"%.*s\" needs an owner and a runbook in its tocsin: map",
                            SV_FMT(sv_head(info->title, 200)));
    warn(rule, "no owner or runbook", "nobody owns the rule or it has no runbook (tocsin: map)");
    return 0;
}

int sigma_read_info(struct sigma *sigma, const struct yaml_node *root, bool in_pack, struct sigma_rule *rule)
{
    struct rule_info *info = &rule->rule.info;
    const struct yaml_node *tocsin = yaml_get(root, "tocsin");
    size_t lints = rule->warning_count;
    info->file = sv_of(sigma->file);
    info->line = root->line;
    rule->column = root->column;
    int rc = read_identity(sigma, root, rule);
    if (rc == 0)
        rc = sigma_read_severity(sigma, root, "level", &info->level, &info->severity);
    if (rc == 0)
        rc = sigma_texts(sigma, yaml_get(root, "tags"), "tags", &info->tags, &info->tag_count);
    if (rc == 0)
        rc = read_logsource(sigma, root, rule);
    if (rc == 0 && tocsin != NULL)
        rc = sigma_read_tocsin(sigma, tocsin, rule);
    if (rc == 0)
        rc = sigma_check_raises(sigma, rule);
    if (rc == 0 && rule->is_filter) { /* it raises nothing that somebody would have to answer */
        rule->warning_count = lints;
        return 0;
    }
    if (rc == 0)
        sigma_lint_rule(sigma, root, rule);
    return rc == 0 ? require_owner(sigma, root, in_pack || tocsin != NULL, rule) : rc;
}
