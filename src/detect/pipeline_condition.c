/*
 * What a pipeline's item asks before it does anything: of the rule, of a line, of a field's name.
 */
#include "detect/pipeline_priv.h"

struct condition_kind {
    const char *name;
    enum condition_level level;
    const char *const *keys; /* beside `type`, NULL-terminated */
    const char *needed[3];   /* of them, NULL-terminated */
    bool (*holds)(const struct pipeline_condition *condition, const struct pipeline_run *run,
                  const struct pipeline_subject *subject);
};

static struct sv text(const struct pipeline_condition *c, const char *key)
{
    const struct yaml_node *node = yaml_get(c->node, key);
    return node == NULL || node->type != YAML_SCALAR ? SV("") : node->text;
}

/* --- of the rule
 * -------------------------------------------------------------------------------------------------------------
 */

static bool fits(struct sv wanted, struct sv is)
{
    return wanted.n == 0 || sv_eq(wanted, is);
}

static bool logsource_fits(const void *context, struct logsource is)
{
    const struct logsource *wanted = context;
    return fits(wanted->product, is.product) && fits(wanted->category, is.category) &&
           fits(wanted->service, is.service);
}

static bool holds_logsource(const struct pipeline_condition *c, const struct pipeline_run *run,
                            const struct pipeline_subject *subject)
{
    struct logsource wanted = {text(c, "product"), text(c, "category"), text(c, "service")};
    (void)subject;
    return any_logsource(run, logsource_fits, &wanted);
}

static bool has_value(const struct yaml_node *line, struct sv value)
{
    if (line->type == YAML_SCALAR)
        return sv_eq(line->text, value);
    for (const struct yaml_node *n = line->first; n != NULL; n = n->next)
        if (n->type == YAML_SCALAR && sv_eq(n->text, value))
            return true;
    return false;
}

struct wanted_line {
    struct sv field, value;
    bool any_value;
};

static bool is_wanted(void *context, const struct pipeline_subject *subject)
{
    const struct wanted_line *w = context;
    return sv_eq(subject->field, w->field) && (w->any_value || has_value(subject->line, w->value));
}

static bool holds_contains_item(const struct pipeline_condition *c, const struct pipeline_run *run,
                                const struct pipeline_subject *subject)
{
    (void)subject;
    return lines_walk(run->root, is_wanted, &(struct wanted_line){text(c, "field"), text(c, "value"), false});
}

static bool holds_contains_field(const struct pipeline_condition *c, const struct pipeline_run *run,
                                 const struct pipeline_subject *subject)
{
    (void)subject;
    return lines_walk(run->root, is_wanted, &(struct wanted_line){text(c, "field"), SV(""), true});
}

static bool holds_is_rule(const struct pipeline_condition *c, const struct pipeline_run *run,
                          const struct pipeline_subject *subject)
{
    (void)c, (void)subject;
    return !run->correlation;
}

static bool holds_is_correlation(const struct pipeline_condition *c, const struct pipeline_run *run,
                                 const struct pipeline_subject *subject)
{
    (void)c, (void)subject;
    return run->correlation;
}

static bool holds_rule_applied(const struct pipeline_condition *c, const struct pipeline_run *run,
                               const struct pipeline_subject *subject)
{
    (void)subject;
    for (size_t i = 0; i < run->applied_count; i++)
        if (sv_eq(run->applied[i], text(c, "processing_item_id")))
            return true;
    return false;
}

static bool holds_state(const struct pipeline_condition *c, const struct pipeline_run *run,
                        const struct pipeline_subject *subject)
{
    (void)subject;
    for (size_t i = 0; i < run->state_count; i++)
        if (sv_eq(run->states[i].key, text(c, "key")))
            return sv_eq(run->states[i].value, text(c, "val"));
    return false;
}

static bool holds_tag(const struct pipeline_condition *c, const struct pipeline_run *run,
                      const struct pipeline_subject *subject)
{
    const struct yaml_node *tags = yaml_get(run->root, "tags");
    (void)subject;
    return tags != NULL && has_value(tags, text(c, "tag"));
}

static bool holds_attribute(const struct pipeline_condition *c, const struct pipeline_run *run,
                            const struct pipeline_subject *subject)
{
    const struct yaml_node *node = yaml_get(run->root, text(c, "attribute").p);
    (void)subject;
    return node != NULL && node->type == YAML_SCALAR && sv_eq(node->text, text(c, "value"));
}

/* --- of a line
 * -------------------------------------------------------------------------------------------------------------
 */

static bool line_applied(const struct pipeline_condition *c, const struct pipeline_run *run,
                         const struct pipeline_subject *subject)
{
    for (const struct pipeline_trace *t = run->traces; t != NULL; t = t->next)
        if (t->line == subject->line && sv_eq(t->item, text(c, "processing_item_id")))
            return true;
    return false;
}

typedef bool (*value_fn)(const struct pipeline_condition *c, const struct pipeline_run *run,
                         const struct yaml_node *value);

/* `cond`: any or all of the values. */
static bool values_hold(const struct pipeline_condition *c, const struct pipeline_run *run,
                        const struct pipeline_subject *subject, value_fn holds)
{
    bool all = sv_is(text(c, "cond"), "all");
    const struct yaml_node *line = subject->line;
    if (line == NULL)
        return false;
    if (line->type == YAML_SCALAR)
        return holds(c, run, line);
    for (const struct yaml_node *n = line->first; n != NULL; n = n->next)
        if (holds(c, run, n) != all)
            return !all;
    return all;
}

static bool value_matches(const struct pipeline_condition *c, const struct pipeline_run *run,
                          const struct yaml_node *value)
{
    uint64_t limits = 0;
    bool negate = sv_is(text(c, "negate"), "true");
    return value->type == YAML_SCALAR &&
           regex_matches(c->regex, value->text, run->regexes, &limits) != negate;
}

static bool holds_match_string(const struct pipeline_condition *c, const struct pipeline_run *run,
                               const struct pipeline_subject *subject)
{
    return values_hold(c, run, subject, value_matches);
}

static bool value_equals(const struct pipeline_condition *c, const struct pipeline_run *run,
                         const struct yaml_node *value)
{
    (void)run;
    return value->type == YAML_SCALAR && sv_eq(value->text, text(c, "value"));
}

static bool holds_match_value(const struct pipeline_condition *c, const struct pipeline_run *run,
                              const struct pipeline_subject *subject)
{
    return values_hold(c, run, subject, value_equals);
}

static bool value_is_null(const struct pipeline_condition *c, const struct pipeline_run *run,
                          const struct yaml_node *value)
{
    (void)c, (void)run;
    return value->type == YAML_SCALAR && yaml_is_null(value);
}

static bool holds_is_null(const struct pipeline_condition *c, const struct pipeline_run *run,
                          const struct pipeline_subject *subject)
{
    return values_hold(c, run, subject, value_is_null);
}

static bool value_has_wildcard(const struct pipeline_condition *c, const struct pipeline_run *run,
                               const struct yaml_node *value)
{
    (void)c;
    return value->type == YAML_SCALAR && sigma_has_wildcard(sigma_string(run->sigma->scratch, value->text));
}

static bool holds_wildcard(const struct pipeline_condition *c, const struct pipeline_run *run,
                           const struct pipeline_subject *subject)
{
    return values_hold(c, run, subject, value_has_wildcard);
}

/* --- of a field's name
 * -------------------------------------------------------------------------------------------------------------
 */

static bool is_listed(const struct pipeline_condition *c, const struct pipeline_run *run,
                      const struct pipeline_subject *subject)
{
    size_t i = 0;
    uint64_t limits = 0;
    for (const struct yaml_node *n = yaml_get(c->node, "fields")->first; n != NULL; n = n->next, i++)
        if (c->regexes != NULL ? regex_matches(c->regexes[i], subject->field, run->regexes, &limits)
                               : sv_eq(n->text, subject->field))
            return true;
    return false;
}

static bool holds_include(const struct pipeline_condition *c, const struct pipeline_run *run,
                          const struct pipeline_subject *subject)
{
    return subject->field.n > 0 && is_listed(c, run, subject);
}

static bool holds_exclude(const struct pipeline_condition *c, const struct pipeline_run *run,
                          const struct pipeline_subject *subject)
{
    return subject->field.n == 0 || !is_listed(c, run, subject);
}

/* --- the table
 * -------------------------------------------------------------------------------------------------------------
 */

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct condition_kind kinds[] = {
    {"logsource", CONDITION_RULE, KEYS("category", "product", "service"), {NULL}, holds_logsource},
    {"contains_detection_item",
     CONDITION_RULE,
     KEYS("field", "value"),
     {"field", "value", NULL},
     holds_contains_item},
    {"contains_field", CONDITION_RULE, KEYS("field"), {"field", NULL}, holds_contains_field},
    {"is_sigma_rule", CONDITION_RULE, KEYS(NULL), {NULL}, holds_is_rule},
    {"is_sigma_correlation_rule", CONDITION_RULE, KEYS(NULL), {NULL}, holds_is_correlation},
    {"processing_item_applied",
     CONDITION_RULE,
     KEYS("processing_item_id"),
     {"processing_item_id", NULL},
     holds_rule_applied},
    {"processing_state", CONDITION_RULE, KEYS("key", "val"), {"key", "val", NULL}, holds_state},
    {"tag", CONDITION_RULE, KEYS("tag"), {"tag", NULL}, holds_tag},
    {"rule_attribute",
     CONDITION_RULE,
     KEYS("attribute", "value"),
     {"attribute", "value", NULL},
     holds_attribute},
    {"match_string",
     CONDITION_ITEM,
     KEYS("cond", "pattern", "negate"),
     {"cond", "pattern", NULL},
     holds_match_string},
    {"match_value", CONDITION_ITEM, KEYS("cond", "value"), {"cond", "value", NULL}, holds_match_value},
    {"contains_wildcard", CONDITION_ITEM, KEYS("cond"), {"cond", NULL}, holds_wildcard},
    {"is_null", CONDITION_ITEM, KEYS("cond"), {"cond", NULL}, holds_is_null},
    {"processing_item_applied",
     CONDITION_ITEM,
     KEYS("processing_item_id"),
     {"processing_item_id", NULL},
     line_applied},
    {"processing_state", CONDITION_ITEM, KEYS("key", "val"), {"key", "val", NULL}, holds_state},
    {"include_fields", CONDITION_FIELD, KEYS("fields", "mode"), {NULL}, holds_include},
    {"exclude_fields", CONDITION_FIELD, KEYS("fields", "mode"), {NULL}, holds_exclude},
    {"processing_item_applied",
     CONDITION_FIELD,
     KEYS("processing_item_id"),
     {"processing_item_id", NULL},
     line_applied},
    {"processing_state", CONDITION_FIELD, KEYS("key", "val"), {"key", "val", NULL}, holds_state},
};

/* --- reading
 * -------------------------------------------------------------------------------------------------------------
 */

static int compile(struct sigma *sigma, const struct yaml_node *node, const struct regex **ret)
{
    struct err err = {0};
    if (node->type != YAML_SCALAR)
        return pipeline_refuse(sigma, node, "a regular expression is expected here");
    struct sv anchored = arena_printf(sigma->arena, "\\A(?:%.*s)", SV_FMT(node->text));
    if (regex_compile(sigma->arena, anchored, 0, sigma->regexes, ret, &err) != 0)
        return pipeline_refuse(sigma, node, "%s", err.text);
    return 0;
}

static int read_fields(struct sigma *sigma, struct pipeline_condition *c)
{
    const struct yaml_node *fields = yaml_get(c->node, "fields"), *mode = yaml_get(c->node, "mode");
    if (fields == NULL || fields->type != YAML_LIST)
        return pipeline_refuse(sigma, c->node, "%s needs a list of fields", c->kind->name);
    for (const struct yaml_node *n = fields->first; n != NULL; n = n->next)
        if (n->type != YAML_SCALAR)
            return pipeline_refuse(sigma, n, "a field's name is expected here");
    if (mode == NULL || sv_is(mode->text, "plain"))
        return 0;
    if (!sv_is(mode->text, "re"))
        return pipeline_refuse(sigma, mode, "mode is plain or re");
    const struct regex **regexes = ARENA_ARRAY(sigma->arena, const struct regex *, fields->count + 1);
    size_t i = 0;
    int rc = 0;
    for (const struct yaml_node *n = fields->first; rc == 0 && n != NULL; n = n->next)
        rc = compile(sigma, n, &regexes[i++]);
    c->regexes = regexes;
    return rc;
}

static int check_values(struct sigma *sigma, struct pipeline_condition *c)
{
    const struct yaml_node *cond = yaml_get(c->node, "cond");
    int rc = 0;
    for (size_t i = 0; rc == 0 && c->kind->needed[i] != NULL; i++) {
        const struct yaml_node *node = yaml_get(c->node, c->kind->needed[i]);
        if (node == NULL || node->type != YAML_SCALAR)
            rc = pipeline_refuse(sigma, c->node, "the condition %s needs %s", c->kind->name,
                                 c->kind->needed[i]);
    }
    if (rc == 0 && cond != NULL && !sv_is(cond->text, "any") && !sv_is(cond->text, "all"))
        rc = pipeline_refuse(sigma, cond, "cond is any or all");
    if (rc == 0 && c->kind->holds == holds_match_string)
        rc = compile(sigma, yaml_get(c->node, "pattern"), &c->regex);
    if (rc == 0 && (c->kind->holds == holds_include || c->kind->holds == holds_exclude))
        rc = read_fields(sigma, c);
    return rc;
}

static int check_condition_keys(struct sigma *sigma, const struct pipeline_condition *c)
{
    const char *known[8];
    size_t n = 0;
    known[n++] = "type";
    for (size_t i = 0; c->kind->keys[i] != NULL; i++)
        known[n++] = c->kind->keys[i];
    known[n] = NULL;
    int rc = yaml_check_keys(c->node, sigma->file, known, sigma->err);
    if (rc != 0)
        sigma->construct = "pipeline";
    return rc;
}

static int read_one(struct sigma *sigma, const struct yaml_node *map, enum condition_level level,
                    struct pipeline_condition *ret)
{
    const struct yaml_node *type = map->type == YAML_MAP ? yaml_get(map, "type") : NULL;
    if (type == NULL || type->type != YAML_SCALAR)
        return pipeline_refuse(sigma, map, "a condition is a map with a `type`");
    ret->node = map;
    for (size_t i = 0; i < TC_ARRAY_LEN(kinds); i++)
        if (kinds[i].level == level && sv_is(type->text, kinds[i].name))
            ret->kind = &kinds[i];
    if (ret->kind == NULL)
        return sigma_refuse(sigma, TC_EUNSUPPORTED, SIGMA_AT(type), "pipeline",
                            "the condition \"%.*s\" is not known here", SV_FMT(sv_head(type->text, 60)));
    int rc = check_condition_keys(sigma, ret);
    return rc == 0 ? check_values(sigma, ret) : rc;
}

static const struct {
    const char *conditions, *op, *negated, *words;
} names[CONDITION_LEVELS] = {
    [CONDITION_RULE] = {"rule_conditions", "rule_cond_op", "rule_cond_not", "rule_cond_expr"},
    [CONDITION_ITEM] = {"detection_item_conditions", "detection_item_cond_op", "detection_item_cond_not",
                        "detection_item_cond_expr"},
    [CONDITION_FIELD] = {"field_name_conditions", "field_name_cond_op", "field_name_cond_not",
                         "field_name_cond_expr"},
};

static int read_op(struct sigma *sigma, const struct yaml_node *item, enum condition_level level,
                   struct condition_group *ret)
{
    const struct yaml_node *op = yaml_get(item, names[level].op),
                           *negated = yaml_get(item, names[level].negated);
    if (op != NULL && !sv_is(op->text, "and") && !sv_is(op->text, "or"))
        return pipeline_refuse(sigma, op, "%s is and or or", names[level].op);
    ret->any = op != NULL && sv_is(op->text, "or");
    if (negated != NULL && !yaml_bool(negated, &ret->negated))
        return pipeline_refuse(sigma, negated, "%s is true or false", names[level].negated);
    return 0;
}

/* Conditions with names are for an expression, and the other way round. */
static int read_words(struct sigma *sigma, const struct yaml_node *item, const struct yaml_node *map,
                      enum condition_level level, struct condition_group *ret)
{
    const struct yaml_node *words = yaml_get(item, names[level].words);
    if (words == NULL && (map == NULL || map->type != YAML_MAP))
        return 0;
    if (words == NULL || map == NULL || map->type != YAML_MAP)
        return pipeline_refuse(sigma, words != NULL ? words : map, "%s and %s with names belong together",
                               names[level].words, names[level].conditions);
    if (yaml_get(item, names[level].op) != NULL)
        return pipeline_refuse(sigma, words, "%s and %s: one of them", names[level].words, names[level].op);
    struct sv *all = ARENA_ARRAY(sigma->scratch, struct sv, map->count + 1);
    bool *used = ARENA_ARRAY(sigma->scratch, bool, map->count + 1);
    size_t n = 0;
    for (const struct yaml_node *c = map->first; c != NULL; c = c->next)
        all[n++] = c->key;
    return sigma_read_words(sigma, words, all, n, used, &ret->words);
}

int condition_group_read(struct sigma *sigma, const struct yaml_node *item, enum condition_level level,
                         struct condition_group *ret)
{
    const struct yaml_node *list = yaml_get(item, names[level].conditions);
    int rc = read_op(sigma, item, level, ret);
    if (rc == 0)
        rc = read_words(sigma, item, list, level, ret);
    if (rc != 0 || list == NULL)
        return rc;
    if (list->type == YAML_SCALAR)
        return pipeline_refuse(sigma, list, "%s must be a list", names[level].conditions);
    struct pipeline_condition *all = ARENA_ARRAY(sigma->arena, struct pipeline_condition, list->count + 1);
    for (const struct yaml_node *n = list->first; rc == 0 && n != NULL; n = n->next)
        rc = read_one(sigma, n, level, &all[ret->count++]);
    ret->all = all;
    return rc;
}

bool condition_group_holds(const struct condition_group *group, const struct pipeline_run *run,
                           const struct pipeline_subject *subject)
{
    uint64_t held = 0;
    bool any = false, all = true;
    for (size_t i = 0; i < group->count; i++) {
        bool one = group->all[i].kind->holds(&group->all[i], run, subject);
        held |= (uint64_t)one << (i & 63);
        any |= one;
        all &= one;
    }
    if (group->count == 0)
        return true;
    bool holds = group->words != NULL ? step_condition_holds(group->words, held) : group->any ? any : all;
    return holds != group->negated;
}
