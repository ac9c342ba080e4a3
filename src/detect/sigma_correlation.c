/*
 * The `correlation:` map.
 *
 * Types and keys that are not of the specification are refused by name: a correlation that counted something
 * else than its file says would be worse than none. Which rules it and its aliases refer to is
 * resolved by ruleset.c once all files are read.
 */
#include "base/num.h"
#include "detect/measure.h"
#include "detect/sigma.h"

static const struct {
    const char *name;
    enum corr_type type;
} types[] = {
    {"event_count", CORR_EVENT_COUNT},
    {"value_count", CORR_VALUE_COUNT},
    {"temporal", CORR_TEMPORAL},
    {"temporal_ordered", CORR_TEMPORAL_ORDERED},
    {"value_sum", CORR_VALUE_SUM},
    {"value_avg", CORR_VALUE_AVG},
    {"value_percentile", CORR_VALUE_PERCENTILE},
    {"value_median", CORR_VALUE_MEDIAN},
};

static int read_type(struct sigma *sigma, const struct yaml_node *map, struct correlation *c)
{
    const struct yaml_node *node = yaml_get(map, "type");
    if (node == NULL || node->type != YAML_SCALAR)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node == NULL ? map : node), "correlation type",
                            "a correlation needs a type, such as event_count");
    for (size_t i = 0; i < TC_ARRAY_LEN(types); i++)
        if (sv_is(node->text, types[i].name)) {
            c->type = types[i].type;
            return 0;
        }
    return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "correlation type",
                        "\"%.*s\" is no type of correlation", SV_FMT(sv_head(node->text, 60)));
}

static int check_keys(struct sigma *sigma, const struct yaml_node *map)
{
    static const char *const known[] = {"type",     "rules",     "aliases",  "group-by",
                                        "timespan", "condition", "generate", NULL};
    int rc = yaml_check_keys(map, sigma->file, known, sigma->err);
    if (rc != 0)
        sigma->construct = "unknown correlation key";
    return rc;
}

/* --- timespan
 * ------------------------------------------------------------------------------------------------------------------
 */

static const struct {
    char unit;
    int64_t seconds;
} units[] = {
    {'s', 1},      {'m', 60},      {'h', 3600},     {'d', 86400},
    {'w', 604800}, {'M', 2629746}, {'y', 31556952}, /* mean month and year of the Gregorian calendar */
};
enum { TIMESPAN_MAX_S = 31556952 * 10 };

int sigma_read_duration(struct sigma *sigma, const struct yaml_node *map, const char *key, int64_t *ret_ns)
{
    const struct yaml_node *node = yaml_get(map, key);
    uint64_t n;
    if (node == NULL)
        return 0;
    struct sv text = node->text;
    for (size_t i = 0; node->type == YAML_SCALAR && text.n > 1 && i < TC_ARRAY_LEN(units); i++)
        if (text.p[text.n - 1] == units[i].unit &&
            num_u64(sv_head(text, text.n - 1), 1, TIMESPAN_MAX_S / (uint64_t)units[i].seconds, &n)) {
            *ret_ns = (int64_t)n * units[i].seconds * INT64_C(1000000000);
            return 0;
        }
    return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "timespan",
                        "a %s is a number and s, m, h, d, w, M or y, ten years at most, such as 15m", key);
}

int sigma_read_timespan(struct sigma *sigma, const struct yaml_node *map, struct correlation *c)
{
    if (yaml_get(map, "timespan") == NULL)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "timespan",
                            "a timespan is missing, such as 15m");
    return sigma_read_duration(sigma, map, "timespan", &c->timespan_ns);
}

/* --- condition
 * -----------------------------------------------------------------------------------------------------------------
 */

static const char *const operators[] = {
    [CORR_GT] = "gt",   [CORR_GTE] = "gte", [CORR_LT] = "lt",
    [CORR_LTE] = "lte", [CORR_EQ] = "eq",   [CORR_NEQ] = "neq",
};

int sigma_read_names(struct sigma *sigma, const struct yaml_node *node, const char *what,
                     const struct name_ref **ret, size_t *ret_count)
{
    const struct sv *texts;
    size_t count;
    struct name_list list = {0};
    int rc = sigma_texts(sigma, node, what, &texts, &count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = texts[i].n > 0 ? sigma_add_name(sigma, &list, texts[i], node)
                            : sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "wrong type",
                                           "%s holds an empty name", what);
    *ret = list.names;
    *ret_count = list.count;
    return rc;
}

static int read_number(struct sigma *sigma, const struct yaml_node *node, enum corr_type type,
                       struct corr_test *test, num_amount *amount)
{
    const char *name = operators[test->op];
    if (measure_is_for(type)) {
        if (node->type == YAML_SCALAR && num_millionths(node->text, amount))
            return 0;
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "correlation condition",
                            "%s needs a number, 10^18 at most", name);
    }
    if (node->type != YAML_SCALAR || !num_i64(node->text, &test->value) || test->value < 0)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "correlation condition",
                            "%s needs a whole number, 0 or more", name);
    return test->value <= CORR_COUNT_MAX
               ? 0
               : sigma_refuse(sigma, TC_EBOUND, SIGMA_AT(node), "correlation condition",
                              "a correlation counts to %d at most", CORR_COUNT_MAX);
}

static int read_test(struct sigma *sigma, const struct yaml_node *node, enum corr_type type,
                     struct corr_test *test, num_amount *amount)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(operators); i++)
        if (sv_is(node->key, operators[i])) {
            test->op = (enum corr_op)i;
            return read_number(sigma, node, type, test, amount);
        }
    return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(node), "correlation condition",
                        "unknown key \"%.*s\" in a correlation's condition", SV_FMT(sv_head(node->key, 60)));
}

static bool is_one_of(struct sv key, const char *const names[])
{
    for (size_t i = 0; names[i] != NULL; i++)
        if (sv_is(key, names[i]))
            return true;
    return false;
}

int sigma_read_tests(struct sigma *sigma, const struct yaml_node *condition, enum corr_type type,
                     const char *const but[], const struct corr_test **ret, const num_amount **ret_amounts,
                     size_t *ret_count)
{
    struct corr_test *tests = ARENA_ARRAY(sigma->arena, struct corr_test, condition->count + 1);
    num_amount *amounts = ARENA_ARRAY(sigma->arena, num_amount, condition->count + 1);
    size_t n = 0;
    int rc = 0;
    for (const struct yaml_node *node = condition->first; rc == 0 && node != NULL; node = node->next) {
        if (is_one_of(node->key, but))
            continue;
        rc = read_test(sigma, node, type, &tests[n], &amounts[n]);
        n++;
    }
    if (rc == 0 && n == 0)
        rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(condition), "correlation condition",
                          "the condition has no threshold: gt, gte, lt, lte, eq or neq");
    *ret = tests;
    *ret_amounts = amounts;
    *ret_count = n;
    return rc;
}

static int read_field(struct sigma *sigma, const struct yaml_node *map, struct correlation *c)
{
    const struct yaml_node *field = yaml_get(map, "field");
    bool measured = measure_is_for(c->type), wanted = c->type == CORR_VALUE_COUNT || measured;
    if (field != NULL && !wanted)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(field), "correlation condition",
                            "a field is for value_count and other types that look at values");
    int rc = sigma_read_names(sigma, field, "field", &c->fields, &c->field_count);
    if (rc == 0 && wanted && c->field_count == 0)
        rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "correlation condition",
                          "this type of correlation needs a field in its condition");
    if (rc == 0 && measured && c->field_count > 1)
        rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(field), "correlation condition",
                          "several fields are for value_count: this type needs one");
    return rc;
}

/* The specification's example has none, and means a rarity that no two readers take for the same. */
static int read_percentile(struct sigma *sigma, const struct yaml_node *map, struct correlation *c)
{
    const struct yaml_node *node = yaml_get(map, "percentile");
    uint64_t percentile;
    if (node == NULL && c->type != CORR_VALUE_PERCENTILE)
        return 0;
    if (node == NULL)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "correlation condition",
                            "value_percentile needs to be told which, such as percentile: 95");
    if (c->type != CORR_VALUE_PERCENTILE)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(node), "correlation condition",
                            "a percentile is for value_percentile");
    if (node->type != YAML_SCALAR || !num_u64(node->text, 0, 100, &percentile))
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "correlation condition",
                            "percentile needs a whole number from 0 to 100");
    c->percentile = (uint32_t)percentile;
    return 0;
}

static bool is_temporal(const struct correlation *c)
{
    return c->type == CORR_TEMPORAL || c->type == CORR_TEMPORAL_ORDERED;
}

static bool is_in_words(const struct yaml_node *condition, const struct correlation *c)
{
    return is_temporal(c) && condition != NULL && condition->type == YAML_SCALAR && !yaml_is_null(condition);
}

static int read_condition(struct sigma *sigma, const struct yaml_node *map, struct correlation *c,
                          struct sigma_rule *ret)
{
    const struct yaml_node *condition = yaml_get(map, "condition");
    if (is_in_words(condition, c))
        return sigma_read_steps(sigma, condition, c, ret);
    if (is_temporal(c) && (condition == NULL || yaml_is_null(condition)))
        return 0; /* all of its rules */
    if (condition == NULL || condition->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(condition == NULL ? map : condition),
                            "correlation condition", "a correlation needs a condition such as {gte: 10}");
    int rc = read_field(sigma, condition, c);
    if (rc == 0)
        rc = read_percentile(sigma, condition, c);
    static const char *const others[] = {"field", "percentile", NULL};
    if (rc == 0)
        rc = sigma_read_tests(sigma, condition, c->type, others, &c->tests, &c->amounts, &c->test_count);
    return rc;
}

/* --- the rest
 * -----------------------------------------------------------------------------------------------------------------
 */

static int read_generate(struct sigma *sigma, const struct yaml_node *map, struct correlation *c)
{
    const struct yaml_node *node = yaml_get(map, "generate");
    bool generate = false;
    if (node == NULL)
        return 0;
    if (!yaml_bool(node, &generate))
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "wrong type", "generate must be true or false");
    c->generate |= generate;
    return 0;
}

static int read_references(struct sigma *sigma, const struct yaml_node *map, const struct correlation *c,
                           struct sigma_rule *ret)
{
    if (yaml_get(map, "rules") == NULL && is_in_words(yaml_get(map, "condition"), c))
        return 0; /* those that it names */

    int rc = sigma_texts(sigma, yaml_get(map, "rules"), "rules", &ret->refs, &ret->ref_count);
    if (rc == 0 && ret->ref_count == 0)
        rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "no rules",
                          "a correlation needs the rules that it counts");
    return rc;
}

static int read_alias(struct sigma *sigma, const struct yaml_node *map, struct sigma_alias *alias)
{
    if (map->type != YAML_MAP || map->count == 0 || map->key.n == 0)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "aliases",
                            "an alias is a map of rules to field names");
    alias->name = arena_sv(sigma->arena, map->key);
    alias->fields = ARENA_ARRAY(sigma->arena, struct alias_field, map->count);
    for (const struct yaml_node *n = map->first; n != NULL; n = n->next) {
        if (n->type != YAML_SCALAR || yaml_is_null(n) || n->text.n == 0)
            return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(n), "aliases", "an alias needs a field name here");
        struct sv field = arena_sv(sigma->arena, n->text);
        alias->fields[alias->field_count++] = (struct alias_field){.ref = arena_sv(sigma->arena, n->key),
                                                                   .field = {field, event_name_hash(field)}};
    }
    return 0;
}

static int read_aliases(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *ret)
{
    const struct yaml_node *node = yaml_get(map, "aliases");
    int rc = 0;
    if (node == NULL || yaml_is_null(node))
        return 0;
    if (node->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "aliases",
                            "aliases must be a map of names to maps of rules to field names");
    struct sigma_alias *aliases = ARENA_ARRAY(sigma->arena, struct sigma_alias, node->count + 1);
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        rc = read_alias(sigma, n, &aliases[ret->alias_count++]);
    ret->aliases = aliases;
    return rc;
}

/* The fields that a name may stand for. */
static int gather_name(struct sigma *sigma, const struct yaml_node *map, const struct sigma_rule *r,
                       struct sv name, struct name_list *all)
{
    int rc = 0;
    for (size_t i = 0; i < r->alias_count; i++) {
        if (!sv_eq(r->aliases[i].name, name))
            continue;
        for (size_t k = 0; rc == 0 && k < r->aliases[i].field_count; k++)
            rc = sigma_add_name(sigma, all, r->aliases[i].fields[k].field.name, map);
        return rc;
    }
    return sigma_add_name(sigma, all, name, map);
}

/* What it reads: its groups, then what it counts. */
static int gather_reads(struct sigma *sigma, const struct yaml_node *map, const struct correlation *c,
                        struct sigma_rule *r)
{
    struct name_list all = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->group_count; i++)
        rc = gather_name(sigma, map, r, c->group_by[i].name, &all);
    for (size_t i = 0; rc == 0 && i < c->field_count; i++)
        rc = gather_name(sigma, map, r, c->fields[i].name, &all);
    r->rule.reads = all.names;
    r->rule.read_count = all.count;
    return rc;
}

int sigma_read_correlation(struct sigma *sigma, const struct yaml_node *root, const struct yaml_node *map,
                           struct sigma_rule *ret)
{
    struct correlation *c = ARENA_NEW(sigma->arena, struct correlation);
    if (map->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "correlation type", "correlation must be a map");
    int rc = read_type(sigma, map, c);
    if (rc == 0)
        rc = check_keys(sigma, map);
    if (rc == 0)
        rc = read_references(sigma, map, c, ret);
    if (rc == 0)
        rc = sigma_read_names(sigma, yaml_get(map, "group-by"), "group-by", &c->group_by, &c->group_count);
    if (rc == 0)
        rc = sigma_read_timespan(sigma, map, c);
    if (rc == 0)
        rc = read_condition(sigma, map, c, ret);
    if (rc == 0)
        rc = read_generate(sigma, map, c);
    if (rc == 0) /* the specification's list of attributes has it at the top */
        rc = read_generate(sigma, root, c);
    if (rc == 0)
        rc = read_aliases(sigma, map, ret);
    if (rc == 0)
        rc = gather_reads(sigma, map, c, ret);
    ret->rule.kind = RULE_CORRELATION;
    ret->rule.correlation = c;
    ret->correlation = c;
    return rc == 0 ? sigma_read_raises(sigma, ret, NULL, 0) : rc;
}
