/*
 * What the items of pipelines do. A row of the table for each transformation; the functions change the copy
 * of the rule's tree and nothing else.
 */
#include "detect/pipeline_priv.h"

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct sv text(const struct pipeline_item *item, const char *key)
{
    const struct yaml_node *node = yaml_get(item->node, key);
    return node == NULL || node->type != YAML_SCALAR || yaml_is_null(node) ? SV("") : node->text;
}

static int need(struct sigma *sigma, const struct pipeline_item *item, const char *key, enum yaml_type type)
{
    const struct yaml_node *node = yaml_get(item->node, key);
    if (node != NULL && node->type == type)
        return 0;
    return pipeline_refuse(sigma, node == NULL ? item->node : node, "%s needs %s, %s", item->kind->name, key,
                           type == YAML_MAP    ? "a map"
                           : type == YAML_LIST ? "a list"
                                               : "a text");
}

/* --- names of fields
 * -------------------------------------------------------------------------------------------------------------
 */

static int check_mapping(struct sigma *sigma, struct pipeline_item *item)
{
    int rc = need(sigma, item, "mapping", YAML_MAP);
    if (rc != 0)
        return rc;
    for (const struct yaml_node *n = yaml_get(item->node, "mapping")->first; n != NULL; n = n->next) {
        bool texts = n->type == YAML_SCALAR ? !yaml_is_null(n) && n->text.n > 0 : n->count > 0;
        for (const struct yaml_node *k = n->first; k != NULL; k = k->next)
            texts &= k->type == YAML_SCALAR;
        if (!texts || n->type == YAML_MAP)
            return pipeline_refuse(sigma, n, "the mapping of \"%.*s\" must be a text or a list of texts",
                                   SV_FMT(sv_head(n->key, 60)));
    }
    return 0;
}

static void texts_of(struct pipeline_run *run, const struct yaml_node *node, const struct sv **ret,
                     size_t *ret_count)
{
    struct sv *all = ARENA_ARRAY(run->sigma->scratch, struct sv, node->count + 1);
    size_t n = 0;
    if (node->type == YAML_SCALAR)
        all[n++] = node->text;
    for (const struct yaml_node *kid = node->first; kid != NULL; kid = kid->next)
        all[n++] = kid->text;
    *ret = all;
    *ret_count = n;
}

static int map_field(struct pipeline_run *run, const struct pipeline_item *item, struct sv field,
                     const struct sv **ret, size_t *ret_count)
{
    for (const struct yaml_node *n = yaml_get(item->node, "mapping")->first; n != NULL; n = n->next)
        if (sv_eq(n->key, field)) {
            texts_of(run, n, ret, ret_count);
            return 0;
        }
    return 0;
}

static int map_prefix(struct pipeline_run *run, const struct pipeline_item *item, struct sv field,
                      const struct sv **ret, size_t *ret_count)
{
    for (const struct yaml_node *n = yaml_get(item->node, "mapping")->first; n != NULL; n = n->next) {
        const struct sv *heads;
        if (!sv_starts(field, n->key))
            continue;
        texts_of(run, n, &heads, ret_count);
        struct sv *all = ARENA_ARRAY(run->sigma->scratch, struct sv, *ret_count);
        for (size_t i = 0; i < *ret_count; i++)
            all[i] = arena_printf(run->sigma->scratch, "%.*s%.*s", SV_FMT(heads[i]),
                                  SV_FMT(sv_from(field, n->key.n)));
        *ret = all;
        return 0;
    }
    return 0;
}

static int one_name(struct pipeline_run *run, struct sv name, const struct sv **ret, size_t *ret_count)
{
    struct sv *one = ARENA_NEW(run->sigma->scratch, struct sv);
    *one = name;
    *ret = one;
    *ret_count = 1;
    return 0;
}

static int check_prefix(struct sigma *sigma, struct pipeline_item *item)
{
    return need(sigma, item, "prefix", YAML_SCALAR);
}

static int add_prefix(struct pipeline_run *run, const struct pipeline_item *item, struct sv field,
                      const struct sv **ret, size_t *ret_count)
{
    return one_name(
        run, arena_printf(run->sigma->scratch, "%.*s%.*s", SV_FMT(text(item, "prefix")), SV_FMT(field)), ret,
        ret_count);
}

static int check_suffix(struct sigma *sigma, struct pipeline_item *item)
{
    return need(sigma, item, "suffix", YAML_SCALAR);
}

static int add_suffix(struct pipeline_run *run, const struct pipeline_item *item, struct sv field,
                      const struct sv **ret, size_t *ret_count)
{
    return one_name(
        run, arena_printf(run->sigma->scratch, "%.*s%.*s", SV_FMT(field), SV_FMT(text(item, "suffix"))), ret,
        ret_count);
}

/* --- values
 * -------------------------------------------------------------------------------------------------------------
 */

/* The values of a line: its elements, or itself. `*at`: NULL to begin; NULL is returned after the last. */
static struct yaml_node *next_value(const struct pipeline_subject *subject, struct yaml_node *at)
{
    if (subject->line->type == YAML_SCALAR)
        return at == NULL ? subject->line : NULL;
    return at == NULL ? subject->line->first : at->next;
}

static bool is_text(const struct yaml_node *value)
{
    return value->type == YAML_SCALAR && !yaml_is_null(value);
}

static void set_text(struct pipeline_run *run, struct yaml_node *value, struct sv new)
{
    value->text = arena_sv(run->sigma->scratch, new);
}

/* Several texts in place of one value of the line. */
static void set_texts(struct pipeline_run *run, const struct pipeline_subject *subject,
                      struct yaml_node *value, const struct sv *texts, size_t count)
{
    struct yaml_node *line = subject->line;
    set_text(run, value, texts[0]);
    if (count == 1)
        return;
    if (line == value) { /* becomes a list of what it was */
        struct yaml_node *first = tree_scalar(run, texts[0], line);
        first->quoted = line->quoted;
        line->type = YAML_LIST;
        line->first = value = first;
        line->count = 1;
    }
    for (size_t i = 1; i < count; i++) {
        struct yaml_node *more = tree_scalar(run, texts[i], value);
        more->quoted = value->quoted;
        more->next = value->next;
        value->next = more;
        value = more;
        line->count++;
    }
}

static int check_replace(struct sigma *sigma, struct pipeline_item *item)
{
    struct err err = {0};
    int rc = need(sigma, item, "regex", YAML_SCALAR);
    if (rc == 0)
        rc = need(sigma, item, "replacement", YAML_SCALAR);
    if (rc == 0 &&
        regex_compile(sigma->arena, text(item, "regex"), 0, sigma->regexes, &item->regex, &err) != 0)
        rc = pipeline_refuse(sigma, yaml_get(item->node, "regex"), "%s", err.text);
    return rc;
}

static int replace_string(struct pipeline_run *run, const struct pipeline_item *item,
                          const struct pipeline_subject *subject, enum item_outcome *ret)
{
    (void)ret;
    for (struct yaml_node *v = next_value(subject, NULL); v != NULL; v = next_value(subject, v)) {
        struct sv new;
        if (!is_text(v))
            continue;
        if (!regex_replace(item->regex, v->text, text(item, "replacement"), run->sigma->scratch, &new))
            return pipeline_refuse(run->sigma, v, "the replacement of %s:%u cannot be done here", item->file,
                                   item->node->line);
        v->text = new;
    }
    return 0;
}

static int map_string(struct pipeline_run *run, const struct pipeline_item *item,
                      const struct pipeline_subject *subject, enum item_outcome *ret)
{
    struct yaml_node *next;
    (void)ret;
    for (struct yaml_node *v = next_value(subject, NULL); v != NULL; v = next) {
        const struct sv *texts;
        size_t count = 0;
        next = next_value(subject, v);
        if (is_text(v))
            map_field(run, item, v->text, &texts, &count);
        if (count > 0)
            set_texts(run, subject, v, texts, count);
    }
    return 0;
}

static int check_value(struct sigma *sigma, struct pipeline_item *item)
{
    return need(sigma, item, "value", YAML_SCALAR);
}

static int set_value(struct pipeline_run *run, const struct pipeline_item *item,
                     const struct pipeline_subject *subject, enum item_outcome *ret)
{
    const struct yaml_node *value = yaml_get(item->node, "value");
    (void)ret;
    for (struct yaml_node *v = next_value(subject, NULL); v != NULL; v = next_value(subject, v)) {
        set_text(run, v, value->text);
        v->quoted = value->quoted;
    }
    return 0;
}

static int check_convert(struct sigma *sigma, struct pipeline_item *item)
{
    struct sv type = text(item, "target_type");
    return sv_is(type, "str") || sv_is(type, "num")
               ? 0
               : pipeline_refuse(sigma, item->node, "convert_type needs target_type, str or num");
}

static int convert_type(struct pipeline_run *run, const struct pipeline_item *item,
                        const struct pipeline_subject *subject, enum item_outcome *ret)
{
    (void)run, (void)ret;
    for (struct yaml_node *v = next_value(subject, NULL); v != NULL; v = next_value(subject, v))
        if (is_text(v))
            v->quoted = sv_is(text(item, "target_type"), "str");
    return 0;
}

static int check_case(struct sigma *sigma, struct pipeline_item *item)
{
    struct sv method = text(item, "method");
    return sv_is(method, "lower") || sv_is(method, "upper")
               ? 0
               : pipeline_refuse(sigma, item->node, "case needs method, lower or upper");
}

static int change_case(struct pipeline_run *run, const struct pipeline_item *item,
                       const struct pipeline_subject *subject, enum item_outcome *ret)
{
    bool upper = sv_is(text(item, "method"), "upper");
    (void)ret;
    for (struct yaml_node *v = next_value(subject, NULL); v != NULL; v = next_value(subject, v)) {
        if (!is_text(v))
            continue;
        char *new = arena_alloc(run->sigma->scratch, v->text.n + 1);
        for (size_t i = 0; i < v->text.n; i++) {
            char c = v->text.p[i];
            if (c >= (upper ? 'a' : 'A') && c <= (upper ? 'z' : 'Z'))
                c ^= 32;
            new[i] = c;
        }
        v->text = sv_make(new, v->text.n);
    }
    return 0;
}

static int drop_line(struct pipeline_run *run, const struct pipeline_item *item,
                     const struct pipeline_subject *subject, enum item_outcome *ret)
{
    (void)run, (void)item, (void)subject;
    *ret = ITEM_DROP;
    return 0;
}

/* --- placeholders: values of lines with `expand`
 * -------------------------------------------------------------------------------------------------------------
 */

static struct sv without_expand(struct pipeline_run *run, struct sv key)
{
    struct sv rest = key, new = sv_cut(&rest, '|');
    for (struct sv word = sv_cut(&rest, '|'); word.n > 0; word = sv_cut(&rest, '|'))
        if (!sv_is(word, "expand"))
            new = arena_printf(run->sigma->scratch, "%.*s|%.*s", SV_FMT(new), SV_FMT(word));
    return new;
}

static bool has_expand(struct sv key)
{
    struct sv rest = key;
    sv_cut(&rest, '|');
    for (struct sv word = sv_cut(&rest, '|'); word.n > 0; word = sv_cut(&rest, '|'))
        if (sv_is(word, "expand"))
            return true;
    return false;
}

static bool is_named(const struct pipeline_item *item, const char *key, struct sv name, bool otherwise)
{
    const struct yaml_node *list = yaml_get(item->node, key);
    if (list == NULL)
        return otherwise;
    for (const struct yaml_node *n = list->type == YAML_SCALAR ? list : list->first; n != NULL;
         n = list->type == YAML_SCALAR ? NULL : n->next)
        if (sv_eq(n->text, name))
            return true;
    return false;
}

/* The first placeholder from *at on that the item is for. */
static bool find_placeholder(const struct pipeline_item *item, struct sv value, size_t *at, struct sv *name)
{
    for (size_t i = *at; i < value.n; i++) {
        if (value.p[i] == '\\') {
            i++;
            continue;
        }
        if (value.p[i] != '%')
            continue;
        struct sv rest = sv_from(value, i + 1);
        *name = sv_head(rest, sv_find_char(rest, '%'));
        if (name->n == rest.n || name->n == 0)
            continue;
        if (is_named(item, "include", *name, true) && !is_named(item, "exclude", *name, false)) {
            *at = i;
            return true;
        }
        i += name->n + 1;
    }
    return false;
}

enum { PLACEHOLDER_TEXTS_MAX = 10000 };

struct expansion {
    struct sv *texts;
    size_t count;
};

/* Each text with the placeholder at its first place replaced by each of the values. */
static int expand_once(struct pipeline_run *run, const struct pipeline_item *item, struct expansion *e,
                       const struct yaml_node *place, bool *ret_more)
{
    struct arena *arena = run->sigma->scratch;
    size_t at = 0, count;
    struct sv name;
    const struct sv *values = &SV("*");
    *ret_more = find_placeholder(item, e->texts[0], &at, &name);
    if (!*ret_more)
        return 0;
    count = 1;
    if (sv_is(text(item, "type"), "value_placeholders")) {
        struct yaml_node *vars = (struct yaml_node *)(uintptr_t)item->vars;
        const struct yaml_node *node = tree_get(vars, name);
        if (node == NULL || node->type == YAML_MAP)
            return pipeline_refuse(run->sigma, place, "the placeholder %%%.*s%% is not among the vars of %s",
                                   SV_FMT(sv_head(name, 60)), item->file);
        texts_of(run, node, &values, &count);
    }
    if (count == 0 || count > PLACEHOLDER_TEXTS_MAX / e->count)
        return sigma_refuse(run->sigma, TC_EBOUND, SIGMA_AT(place), "too large",
                            "none, or more than %d combinations of placeholders", PLACEHOLDER_TEXTS_MAX);
    struct sv *all = ARENA_ARRAY(arena, struct sv, e->count * count);
    size_t n = 0;
    for (size_t i = 0; i < e->count; i++) {
        at = 0;
        find_placeholder(item, e->texts[i], &at, &name);
        for (size_t k = 0; k < count; k++)
            all[n++] = arena_printf(arena, "%.*s%.*s%.*s", SV_FMT(sv_head(e->texts[i], at)),
                                    SV_FMT(values[k]), SV_FMT(sv_from(e->texts[i], at + name.n + 2)));
    }
    *e = (struct expansion){all, n};
    return 0;
}

static bool any_placeholder(const struct pipeline_subject *subject)
{
    static const struct yaml_node nothing = {.type = YAML_MAP};
    struct pipeline_item all = {.node = &nothing};
    for (struct yaml_node *v = next_value(subject, NULL); v != NULL; v = next_value(subject, v)) {
        size_t at = 0;
        struct sv name;
        if (is_text(v) && find_placeholder(&all, v->text, &at, &name))
            return true;
    }
    return false;
}

static int expand_placeholders(struct pipeline_run *run, const struct pipeline_item *item,
                               const struct pipeline_subject *subject, enum item_outcome *ret)
{
    struct yaml_node *next;
    (void)ret;
    if (!has_expand(subject->line->key))
        return 0;
    for (struct yaml_node *v = next_value(subject, NULL); v != NULL; v = next) {
        struct expansion e = {&v->text, 1};
        bool more = is_text(v);
        next = next_value(subject, v);
        for (unsigned rounds = 0; more && rounds < 64; rounds++) {
            int rc = expand_once(run, item, &e, v, &more);
            if (rc != 0)
                return rc;
        }
        if (e.texts != &v->text)
            set_texts(run, subject, v, e.texts, e.count);
    }
    if (!any_placeholder(subject))
        subject->line->key = without_expand(run, subject->line->key);
    return 0;
}

/* --- the rule
 * -------------------------------------------------------------------------------------------------------------
 */

static int change_logsource(struct pipeline_run *run, const struct pipeline_item *item)
{
    static const char *const keys[] = {"category", "product", "service"};
    struct yaml_node *map = tree_scalar(run, SV(""), run->root);
    map->type = YAML_MAP;
    if (run->correlation)
        return 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(keys); i++)
        if (text(item, keys[i]).n > 0)
            tree_put(map, sv_of(keys[i]), tree_scalar(run, text(item, keys[i]), run->root));
    tree_put(run->root, SV("logsource"), map);
    return 0;
}

static int check_conditions(struct sigma *sigma, struct pipeline_item *item)
{
    const struct yaml_node *negated = yaml_get(item->node, "negated"),
                           *template = yaml_get(item->node, "template");
    int rc = need(sigma, item, "conditions", YAML_MAP);
    if (rc == 0 && yaml_get(item->node, "conditions")->count == 0)
        rc = pipeline_refuse(sigma, item->node, "add_condition needs conditions");
    if (rc == 0 && negated != NULL && !yaml_bool(negated, &(bool){false}))
        rc = pipeline_refuse(sigma, negated, "negated is true or false");
    if (rc == 0 && template != NULL && !yaml_bool(template, &(bool){false}))
        rc = pipeline_refuse(sigma, template, "template is true or false");
    return rc;
}

/* $category, $product and $service in a value of a template. */
static struct sv filled(struct pipeline_run *run, struct sv value)
{
    struct logsource is = logsource_of(run->root);
    const struct {
        struct sv name, value;
    } names[] = {{SV("$category"), is.category}, {SV("$product"), is.product}, {SV("$service"), is.service}};
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++) {
        size_t at = sv_find(value, names[i].name);
        if (at < value.n)
            value = arena_printf(run->sigma->scratch, "%.*s%.*s%.*s", SV_FMT(sv_head(value, at)),
                                 SV_FMT(names[i].value), SV_FMT(sv_from(value, at + names[i].name.n)));
    }
    return value;
}

static void fill(struct pipeline_run *run, struct yaml_node *node)
{
    if (node->type == YAML_SCALAR)
        node->text = filled(run, node->text);
    for (struct yaml_node *n = node->first; n != NULL; n = n->next)
        fill(run, n);
}

static void add_to_condition(struct pipeline_run *run, struct yaml_node *condition, struct sv name,
                             bool negated)
{
    if (condition->type == YAML_SCALAR)
        condition->text = arena_printf(run->sigma->scratch, "%s%.*s and (%.*s)", negated ? "not " : "",
                                       SV_FMT(name), SV_FMT(condition->text));
    for (struct yaml_node *n = condition->first; n != NULL; n = n->next)
        add_to_condition(run, n, name, negated);
}

/* What a pipeline adds stands where the rule begins: its own lines are of another file. */
static void place(struct yaml_node *node, const struct yaml_node *root)
{
    node->line = node->key_line = root->line;
    node->column = node->key_column = root->column;
    for (struct yaml_node *n = node->first; n != NULL; n = n->next)
        place(n, root);
}

/* One more selection, that the condition asks beside what it asked. Its name begins with an underscore, so
 * that `them` and patterns pass it over. */
static int add_condition(struct pipeline_run *run, const struct pipeline_item *item)
{
    struct yaml_node *detection = tree_get(run->root, SV("detection"));
    struct yaml_node *condition = tree_get(detection, SV("condition"));
    struct sv name = text(item, "name");
    bool negated = false, template = false;
    const struct yaml_node *node;
    if (condition == NULL)
        return 0;
    if ((node = yaml_get(item->node, "negated")) != NULL)
        (void)yaml_bool(node, &negated);
    if ((node = yaml_get(item->node, "template")) != NULL)
        (void)yaml_bool(node, &template);
    if (name.n == 0)
        name = arena_printf(run->sigma->scratch, "_added_%u", run->conditions++);
    if (tree_get(detection, name) != NULL)
        return pipeline_refuse(run->sigma, run->root, "the rule has a selection \"%.*s\", that %s:%u adds",
                               SV_FMT(sv_head(name, 60)), item->file, item->node->line);
    struct yaml_node *added = tree_copy(run, yaml_get(item->node, "conditions"));
    place(added, run->root);
    if (template)
        fill(run, added);
    tree_put(detection, name, added);
    add_to_condition(run, condition, name, negated);
    return 0;
}

static int check_state(struct sigma *sigma, struct pipeline_item *item)
{
    int rc = need(sigma, item, "key", YAML_SCALAR);
    return rc == 0 ? need(sigma, item, "val", YAML_SCALAR) : rc;
}

static int set_state(struct pipeline_run *run, const struct pipeline_item *item)
{
    size_t i = 0;
    while (i < run->state_count && !sv_eq(run->states[i].key, text(item, "key")))
        i++;
    if (i == PIPELINE_STATES_MAX)
        return pipeline_refuse(run->sigma, run->root, "more than %d states", PIPELINE_STATES_MAX);
    run->states[i] = (struct pipeline_state){text(item, "key"), text(item, "val")};
    run->state_count = TC_MAX(run->state_count, i + 1);
    return 0;
}

static int check_message(struct sigma *sigma, struct pipeline_item *item)
{
    return need(sigma, item, "message", YAML_SCALAR);
}

static int fail_rule(struct pipeline_run *run, const struct pipeline_item *item)
{
    return sigma_refuse(run->sigma, TC_EUNSUPPORTED, SIGMA_AT(run->root), "pipeline", "%.*s (%s:%u)",
                        SV_FMT(sv_head(text(item, "message"), 200)), item->file, item->node->line);
}

static int fail_line(struct pipeline_run *run, const struct pipeline_item *item,
                     const struct pipeline_subject *subject, enum item_outcome *ret)
{
    (void)ret;
    return sigma_refuse(run->sigma, TC_EUNSUPPORTED, SIGMA_AT(subject->line), "pipeline", "%.*s (%s:%u)",
                        SV_FMT(sv_head(text(item, "message"), 200)), item->file, item->node->line);
}

static int check_attribute(struct sigma *sigma, struct pipeline_item *item)
{
    static const char *const meaning[] = {"detection", "correlation", "filter", "logsource", "tocsin", "id"};
    int rc = need(sigma, item, "attribute", YAML_SCALAR);
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(meaning); i++)
        if (sv_is(text(item, "attribute"), meaning[i]))
            rc = pipeline_refuse(sigma, item->node, "set_custom_attribute cannot set %s", meaning[i]);
    return rc;
}

static int set_attribute(struct pipeline_run *run, const struct pipeline_item *item)
{
    const struct yaml_node *value = yaml_get(item->node, "value");
    if (value != NULL)
        tree_put(run->root, text(item, "attribute"), tree_copy(run, value));
    return 0;
}

/* The rule's list of fields to show: nothing here asks it, but tools that read rules do. */
static int check_fields(struct sigma *sigma, struct pipeline_item *item)
{
    return need(sigma, item, "fields", YAML_LIST);
}

static int set_fields(struct pipeline_run *run, const struct pipeline_item *item)
{
    tree_put(run->root, SV("fields"), tree_copy(run, yaml_get(item->node, "fields")));
    return 0;
}

static int check_field(struct sigma *sigma, struct pipeline_item *item)
{
    const struct yaml_node *field = yaml_get(item->node, "field");
    return field != NULL && field->type != YAML_MAP ? 0 : need(sigma, item, "field", YAML_SCALAR);
}

/* Each of the item's `field`, a text or a list, goes out of the rule's list, and comes in again at its end.
 */
static int change_fields(struct pipeline_run *run, const struct pipeline_item *item)
{
    const struct yaml_node *field = yaml_get(item->node, "field");
    struct yaml_node *list = tree_get(run->root, SV("fields"));
    if (list == NULL || list->type != YAML_LIST) {
        list = tree_scalar(run, SV(""), item->node);
        list->type = YAML_LIST;
        tree_put(run->root, SV("fields"), list);
    }
    bool is_list = field->type == YAML_LIST;
    for (const struct yaml_node *n = is_list ? field->first : field; n != NULL;
         n = is_list ? n->next : NULL) {
        struct yaml_node *own = list->first;
        while (own != NULL && !sv_eq(own->text, n->text))
            own = own->next;
        if (own != NULL)
            tree_remove(list, own);
        if (sv_is(text(item, "type"), "add_field"))
            tree_append(list, tree_scalar(run, n->text, item->node));
    }
    return 0;
}

/* --- the table
 * -------------------------------------------------------------------------------------------------------------
 */

static const struct transformation table[] = {
    {"field_name_mapping", KEYS("mapping"), check_mapping, NULL, NULL, map_field},
    {"field_name_prefix_mapping", KEYS("mapping"), check_mapping, NULL, NULL, map_prefix},
    {"field_name_prefix", KEYS("prefix"), check_prefix, NULL, NULL, add_prefix},
    {"field_name_suffix", KEYS("suffix"), check_suffix, NULL, NULL, add_suffix},
    {"drop_detection_item", NULL, NULL, NULL, drop_line, NULL},
    {"replace_string", KEYS("regex", "replacement"), check_replace, NULL, replace_string, NULL},
    {"map_string", KEYS("mapping"), check_mapping, NULL, map_string, NULL},
    {"set_value", KEYS("value"), check_value, NULL, set_value, NULL},
    {"convert_type", KEYS("target_type"), check_convert, NULL, convert_type, NULL},
    {"case", KEYS("method"), check_case, NULL, change_case, NULL},
    {"value_placeholders", KEYS("include", "exclude"), NULL, NULL, expand_placeholders, NULL},
    {"wildcard_placeholders", KEYS("include", "exclude"), NULL, NULL, expand_placeholders, NULL},
    {"detection_item_failure", KEYS("message"), check_message, NULL, fail_line, NULL},
    {"rule_failure", KEYS("message"), check_message, fail_rule, NULL, NULL},
    {"change_logsource", KEYS("category", "product", "service"), NULL, change_logsource, NULL, NULL},
    {"add_condition", KEYS("conditions", "name", "negated", "template"), check_conditions, add_condition,
     NULL, NULL},
    {"set_state", KEYS("key", "val"), check_state, set_state, NULL, NULL},
    {"set_custom_attribute", KEYS("attribute", "value"), check_attribute, set_attribute, NULL, NULL},
    {"set_field", KEYS("fields"), check_fields, set_fields, NULL, NULL},
    {"add_field", KEYS("field"), check_field, change_fields, NULL, NULL},
    {"remove_field", KEYS("field"), check_field, change_fields, NULL, NULL},
    {"hashes_fields", KEYS("valid_hash_algos", "field_prefix", "drop_algo_prefix", "field_to_parse"),
     hashes_check, NULL, hashes_split, NULL},
};

const struct transformation *transformation_find(struct sv name)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(table); i++)
        if (sv_is(name, table[i].name))
            return &table[i];
    return NULL;
}
