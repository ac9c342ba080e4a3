/*
 * The `detection:` map: selections and the condition over them.
 *
 * A map is AND of its lines, a list of maps OR of them, a list of texts keywords (OR); the two may be mixed.
 * `timeframe` belongs to the old aggregation syntax; without an aggregation it means nothing and is let pass.
 */
#include "detect/pipeline_priv.h"

static int read_selection(struct sigma *sigma, const struct yaml_node *node, unsigned depth,
                          struct name_list *reads, const struct match_node **ret);

static int read_map(struct sigma *sigma, const struct yaml_node *map, unsigned depth, struct name_list *reads,
                    const struct match_node **ret)
{
    const struct match_node **kids = ARENA_ARRAY(sigma->arena, const struct match_node *, map->count);
    size_t n = 0;
    for (const struct yaml_node *line = map->first; line != NULL; line = line->next) {
        if (line_is_any(line)) { /* a pipeline's several names for one field */
            int rc = read_selection(sigma, line, depth + 1, reads, &kids[n++]);
            if (rc != 0)
                return rc;
            continue;
        }
        const struct yaml_node **values =
            ARENA_ARRAY(sigma->scratch, const struct yaml_node *, line->count + 1);
        size_t count = 0;
        if (line->type == YAML_LIST)
            for (const struct yaml_node *v = line->first; v != NULL; v = v->next)
                values[count++] = v;
        else
            values[count++] = line;
        int rc = sigma_read_item(sigma, line->key, line, values, count, reads, &kids[n++]);
        if (rc != 0)
            return rc;
    }
    *ret = sigma_node(sigma, NODE_AND, kids, n);
    return 0;
}

/* Neighbouring keywords of a list become one item; *at moves past them. */
static int read_keywords(struct sigma *sigma, const struct yaml_node **at, struct name_list *reads,
                         const struct match_node **ret)
{
    const struct yaml_node *first = *at;
    size_t count = 0;
    for (const struct yaml_node *n = first; n != NULL && n->type == YAML_SCALAR; n = n->next)
        count++;
    const struct yaml_node **values = ARENA_ARRAY(sigma->scratch, const struct yaml_node *, count);
    for (size_t i = 0; i < count; i++, *at = (*at)->next)
        values[i] = *at;
    return sigma_read_item(sigma, SV(""), first, values, count, reads, ret);
}

static int read_list(struct sigma *sigma, const struct yaml_node *list, unsigned depth,
                     struct name_list *reads, const struct match_node **ret)
{
    const struct match_node **kids = ARENA_ARRAY(sigma->arena, const struct match_node *, list->count);
    size_t n = 0;
    for (const struct yaml_node *at = list->first; at != NULL;) {
        int rc;
        if (at->type == YAML_SCALAR) {
            rc = read_keywords(sigma, &at, reads, &kids[n++]);
        } else {
            rc = read_selection(sigma, at, depth + 1, reads, &kids[n++]);
            at = at->next;
        }
        if (rc != 0)
            return rc;
    }
    *ret = sigma_node(sigma, NODE_OR, kids, n);
    return 0;
}

static int read_selection(struct sigma *sigma, const struct yaml_node *node, unsigned depth,
                          struct name_list *reads, const struct match_node **ret)
{
    const struct yaml_node *at = node;
    if (depth > SIGMA_DEPTH_MAX)
        return sigma_refuse(sigma, TC_EBOUND, SIGMA_AT(node), "too large", "nested too deeply");
    if (node->type == YAML_SCALAR) {
        struct yaml_node alone = *node;
        alone.next = NULL;
        at = &alone;
        return read_keywords(sigma, &at, reads, ret);
    }
    if (node->count == 0)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "empty selection",
                            "a selection without anything in it");
    return node->type == YAML_MAP ? read_map(sigma, node, depth, reads, ret)
                                  : read_list(sigma, node, depth, reads, ret);
}

static bool is_selection(const struct yaml_node *node, bool of_filter)
{
    return !sv_is(node->key, "condition") && !sv_is(node->key, "timeframe") &&
           !(of_filter && sv_is(node->key, "rules"));
}

/* The fields of the selections that the condition uses, in the order written. */
static int gather_reads(struct sigma *sigma, const struct selection *selections, size_t count,
                        const struct yaml_node *place, struct rule *rule)
{
    struct name_list all = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; selections[i].used && k < selections[i].reads.count; k++) {
            int rc = sigma_add_name(sigma, &all, selections[i].reads.names[k].name, place);
            if (rc != 0)
                return rc;
        }
    rule->reads = all.names;
    rule->read_count = all.count;
    return 0;
}

static struct sv condition_text(struct sigma *sigma, const struct yaml_node *condition)
{
    struct sv text = arena_sv(sigma->arena, condition->text);
    for (const struct yaml_node *n = condition->first; n != NULL; n = n->next)
        text =
            arena_printf(sigma->arena, "%.*s%s%.*s", SV_FMT(text), text.n > 0 ? " or " : "", SV_FMT(n->text));
    return text;
}

int sigma_read_detection(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *ret)
{
    if (map->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "detection", "detection must be a map");
    const struct yaml_node *condition = yaml_get(map, "condition");
    if (condition == NULL)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(map), "no condition",
                            "detection has no condition");
    struct selection *selections = ARENA_ARRAY(sigma->scratch, struct selection, map->count);
    size_t count = 0;
    for (const struct yaml_node *n = map->first; n != NULL; n = n->next) {
        if (!is_selection(n, ret->is_filter))
            continue;
        struct selection *s = &selections[count++];
        s->name = n->key;
        s->line = n->key_line;
        s->column = n->key_column;
        s->node = n;
        int rc = read_selection(sigma, n, 0, &s->reads, &s->root);
        if (rc != 0)
            return rc;
    }
    struct detection *detection = ARENA_NEW(sigma->arena, struct detection);
    struct detection_selection *kept = ARENA_ARRAY(sigma->arena, struct detection_selection, count + 1);
    int rc = sigma_read_condition(sigma, condition, selections, count, &detection->root);
    for (size_t i = 0; i < count; i++)
        selections[i].used_by_condition = selections[i].used;
    for (size_t i = 0; i < count; i++)
        kept[i] = (struct detection_selection){arena_sv(sigma->arena, selections[i].name), selections[i].root,
                                               selections[i].line, selections[i].used};
    detection->selections = kept;
    detection->selection_count = count;
    detection->condition = condition_text(sigma, condition);
    detection->condition_line = condition->line;
    if (rc == 0)
        rc = sigma_read_raises(sigma, ret, selections, count);
    if (rc == 0)
        sigma_lint_detection(sigma, map, selections, count, detection->root, ret);
    if (rc == 0)
        rc = gather_reads(sigma, selections, count, map, &ret->rule);
    ret->rule.kind = RULE_DETECTION;
    ret->rule.detection = detection;
    return rc;
}
