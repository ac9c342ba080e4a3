/*
 * Pipelines: reading them, and leading a rule through their items; see pipeline.h.
 */
#include "detect/pipeline_priv.h"

#include "base/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct pipelines {
    struct pipeline_item items[PIPELINE_ITEMS_MAX];
    size_t count;
    struct map known; /* id or name to struct logsource; 0 where two rules bear one name */
    struct regex_scratch *regexes;
};

int pipeline_refuse(struct sigma *sigma, const struct yaml_node *at, const char *format, ...)
{
    char text[TC_ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(at), "pipeline", "%s", text);
}

/* --- trees
 * --------------------------------------------------------------------------------------------------------------
 */

static const char any_key[] = ""; /* known by its address */

bool line_is_any(const struct yaml_node *line)
{
    return line->key.p == any_key;
}

void line_becomes_any(struct yaml_node *line)
{
    struct yaml_node old = *line;
    *line = (struct yaml_node){.type = YAML_LIST,
                               .line = old.line,
                               .column = old.column,
                               .key = {any_key, 0},
                               .key_line = old.key_line,
                               .key_column = old.key_column,
                               .next = old.next};
}

struct sv line_field(const struct yaml_node *line)
{
    return sv_head(line->key, sv_find_char(line->key, '|'));
}

struct yaml_node *tree_scalar(struct pipeline_run *run, struct sv text, const struct yaml_node *like)
{
    struct yaml_node *node = ARENA_NEW(run->sigma->scratch, struct yaml_node);
    *node = (struct yaml_node){.type = YAML_SCALAR,
                               .text = arena_sv(run->sigma->scratch, text),
                               .quoted = true,
                               .line = like->line,
                               .column = like->column,
                               .key_line = like->line,
                               .key_column = like->column};
    return node;
}

struct yaml_node *tree_copy(struct pipeline_run *run, const struct yaml_node *from)
{
    struct yaml_node *node = ARENA_NEW(run->sigma->scratch, struct yaml_node), **last = &node->first;
    *node = *from;
    node->next = NULL;
    node->first = NULL;
    for (const struct yaml_node *kid = from->first; kid != NULL; kid = kid->next) {
        *last = tree_copy(run, kid);
        last = &(*last)->next;
    }
    return node;
}

struct yaml_node *tree_get(struct yaml_node *map, struct sv key)
{
    struct yaml_node *n = map == NULL || map->type != YAML_MAP ? NULL : map->first;
    while (n != NULL && !sv_eq(n->key, key))
        n = n->next;
    return n;
}

void tree_append(struct yaml_node *parent, struct yaml_node *kid)
{
    struct yaml_node **last = &parent->first;
    while (*last != NULL)
        last = &(*last)->next;
    *last = kid;
    kid->next = NULL;
    parent->count++;
}

void tree_put(struct yaml_node *map, struct sv key, struct yaml_node *value)
{
    struct yaml_node *old = tree_get(map, key);
    value->key = key;
    if (old == NULL) {
        tree_append(map, value);
        return;
    }
    struct yaml_node *next = old->next;
    *old = *value;
    old->next = next;
}

void tree_remove(struct yaml_node *parent, const struct yaml_node *kid)
{
    struct yaml_node **at = &parent->first;
    while (*at != kid)
        at = &(*at)->next;
    *at = kid->next;
    parent->count--;
}

/* --- lines
 * --------------------------------------------------------------------------------------------------------------
 */

static bool walk_selection(struct yaml_node *node, line_fn each, void *context)
{
    struct yaml_node *next;
    if (node->type == YAML_SCALAR)
        return each(context, &(struct pipeline_subject){node, SV("")});
    for (struct yaml_node *n = node->first; n != NULL; n = next) {
        next = n->next;
        bool done;
        if (node->type == YAML_LIST || line_is_any(n))
            done = walk_selection(n, each, context);
        else
            done = each(context, &(struct pipeline_subject){n, line_field(n)});
        if (done)
            return true;
    }
    return false;
}

static bool is_selection(const struct yaml_node *node)
{
    return !sv_is(node->key, "condition") && !sv_is(node->key, "timeframe") && !sv_is(node->key, "rules");
}

static struct yaml_node *detection_of(struct yaml_node *root)
{
    struct yaml_node *detection = tree_get(root, SV("detection"));
    if (detection == NULL)
        detection = tree_get(root, SV("filter"));
    return detection == NULL || detection->type != YAML_MAP ? NULL : detection;
}

bool lines_walk(struct yaml_node *root, line_fn each, void *context)
{
    struct yaml_node *detection = detection_of(root);
    for (struct yaml_node *n = detection == NULL ? NULL : detection->first; n != NULL; n = n->next)
        if (is_selection(n) && walk_selection(n, each, context))
            return true;
    return false;
}

/* --- log sources
 * -------------------------------------------------------------------------------------------------------------
 */

static struct sv text_of(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = map == NULL ? NULL : yaml_get(map, key);
    return node == NULL || node->type != YAML_SCALAR || yaml_is_null(node) ? SV("") : node->text;
}

struct logsource logsource_of(const struct yaml_node *root)
{
    const struct yaml_node *map = yaml_get(root, "logsource");
    return (struct logsource){text_of(map, "product"), text_of(map, "category"), text_of(map, "service")};
}

static void know_by(struct pipelines *p, struct sv name, const struct logsource *logsource)
{
    bool fresh = false;
    uint64_t *slot = name.n == 0 ? NULL : map_put(&p->known, name, &fresh);
    if (slot != NULL)
        *slot = fresh ? (uint64_t)(uintptr_t)logsource : 0;
}

void pipelines_know(struct pipelines *p, struct sigma *sigma, const struct yaml_node *root)
{
    if (root == NULL || root->type != YAML_MAP || yaml_get(root, "detection") == NULL)
        return;
    struct logsource *own = ARENA_NEW(sigma->arena, struct logsource);
    struct logsource found = logsource_of(root);
    *own = (struct logsource){arena_sv(sigma->arena, found.product), arena_sv(sigma->arena, found.category),
                              arena_sv(sigma->arena, found.service)};
    know_by(p, text_of(root, "id"), own);
    know_by(p, text_of(root, "name"), own);
}

bool any_logsource(const struct pipeline_run *run, bool (*each)(const void *context, struct logsource),
                   const void *context)
{
    if (!run->correlation)
        return each(context, logsource_of(run->root));
    const struct yaml_node *rules = yaml_get(yaml_get(run->root, "correlation"), "rules");
    bool one = rules != NULL && rules->type == YAML_SCALAR;
    for (const struct yaml_node *n = rules == NULL || one ? rules : rules->first; n != NULL;
         n = one ? NULL : n->next) {
        const uint64_t *slot = n->type != YAML_SCALAR ? NULL : map_get(&run->pipelines->known, n->text);
        if (slot != NULL && *slot != 0 && each(context, *(const struct logsource *)(uintptr_t)*slot))
            return true;
    }
    return false;
}

/* --- reading
 * --------------------------------------------------------------------------------------------------------------
 */

bool sigma_is_pipeline(const struct yaml_node *root)
{
    return root->type == YAML_MAP && yaml_get(root, "transformations") != NULL &&
           yaml_get(root, "detection") == NULL && yaml_get(root, "correlation") == NULL;
}

struct pipelines *pipelines_new(void)
{
    struct pipelines *p = tc_alloc(sizeof *p);
    map_init(&p->known, 1 << 20);
    p->regexes = regex_scratch_new();
    return p;
}

void pipelines_free(struct pipelines **pipelines)
{
    if (*pipelines == NULL)
        return;
    map_free(&(*pipelines)->known);
    regex_scratch_free(&(*pipelines)->regexes);
    free(*pipelines);
    *pipelines = NULL;
}

bool pipelines_any(const struct pipelines *p)
{
    return p != NULL && p->count > 0;
}

static int check_item_keys(struct sigma *sigma, const struct yaml_node *map,
                           const struct transformation *kind)
{
    static const char *const common[] = {"id",
                                         "type",
                                         "rule_conditions",
                                         "rule_cond_op",
                                         "rule_cond_not",
                                         "rule_cond_expr",
                                         "detection_item_conditions",
                                         "detection_item_cond_op",
                                         "detection_item_cond_not",
                                         "detection_item_cond_expr",
                                         "field_name_conditions",
                                         "field_name_cond_op",
                                         "field_name_cond_not",
                                         "field_name_cond_expr",
                                         NULL};
    const char *known[40];
    size_t n = 0;
    for (size_t i = 0; common[i] != NULL; i++)
        known[n++] = common[i];
    for (size_t i = 0; kind->keys != NULL && kind->keys[i] != NULL; i++)
        known[n++] = kind->keys[i];
    known[n] = NULL;
    int rc = yaml_check_keys(map, sigma->file, known, sigma->err);
    if (rc != 0)
        sigma->construct = "pipeline";
    return rc;
}

static int read_item(struct sigma *sigma, const struct yaml_node *map, struct pipeline_item *item)
{
    if (map->type != YAML_MAP)
        return pipeline_refuse(sigma, map, "a transformation is a map with a `type`");
    const struct yaml_node *type = yaml_get(map, "type");
    if (type == NULL || type->type != YAML_SCALAR)
        return pipeline_refuse(sigma, map, "a transformation needs a type, such as field_name_mapping");
    item->node = map;
    item->file = sigma->file;
    item->id = text_of(map, "id");
    item->kind = transformation_find(type->text);
    if (item->kind == NULL)
        return sigma_refuse(sigma, TC_EUNSUPPORTED, SIGMA_AT(type), "pipeline",
                            "the transformation \"%.*s\" is not known here", SV_FMT(sv_head(type->text, 60)));
    int rc = check_item_keys(sigma, map, item->kind);
    for (enum condition_level level = 0; rc == 0 && level < CONDITION_LEVELS; level++)
        rc = condition_group_read(sigma, map, level, &item->groups[level]);
    if (rc == 0 && item->kind->check != NULL)
        rc = item->kind->check(sigma, item);
    return rc;
}

/* Of what is done to queries after rules were turned into text there is nothing here. */
static int check_top(struct sigma *sigma, const struct yaml_node *root)
{
    static const char *const known[] = {"name",
                                        "priority",
                                        "transformations",
                                        "vars",
                                        "description",
                                        "author",
                                        "allowed_backends",
                                        "postprocessing",
                                        "finalizers",
                                        "id",
                                        "date",
                                        NULL};
    static const char *const of_queries[] = {"postprocessing", "finalizers"};
    int rc = yaml_check_keys(root, sigma->file, known, sigma->err);
    if (rc != 0)
        sigma->construct = "pipeline";
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(of_queries); i++) {
        const struct yaml_node *node = yaml_get(root, of_queries[i]);
        if (node != NULL && node->count > 0)
            rc = sigma_refuse(sigma, TC_EUNSUPPORTED, SIGMA_AT_KEY(node), "pipeline",
                              "%s is for queries as text, which there are none of here", of_queries[i]);
    }
    return rc;
}

int pipelines_add(struct pipelines *p, struct sigma *sigma, const struct yaml_node *root)
{
    const struct yaml_node *list = yaml_get(root, "transformations"), *node = yaml_get(root, "priority");
    const struct yaml_node *vars = yaml_get(root, "vars");
    int64_t priority = 0;
    int rc = check_top(sigma, root);
    if (rc == 0 && node != NULL && (node->type != YAML_SCALAR || !num_i64(node->text, &priority)))
        rc = pipeline_refuse(sigma, node, "priority must be a whole number");
    if (rc == 0 && vars != NULL && vars->type != YAML_MAP)
        rc = pipeline_refuse(sigma, vars, "vars must be a map of names to values");
    if (rc == 0 && list->type != YAML_LIST)
        rc = pipeline_refuse(sigma, list, "transformations must be a list");
    for (const struct yaml_node *n = rc == 0 ? list->first : NULL; rc == 0 && n != NULL; n = n->next) {
        if (p->count == PIPELINE_ITEMS_MAX)
            return sigma_refuse(sigma, TC_EBOUND, SIGMA_AT(n), "pipeline",
                                "more than %d transformations in all", PIPELINE_ITEMS_MAX);
        struct pipeline_item *item = &p->items[p->count];
        *item = (struct pipeline_item){.priority = priority, .order = (uint32_t)p->count, .vars = vars};
        rc = read_item(sigma, n, item);
        p->count++;
    }
    return rc;
}

static int compare_items(const void *a, const void *b)
{
    const struct pipeline_item *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

void pipelines_sort(struct pipelines *p)
{
    qsort(p->items, p->count, sizeof p->items[0], compare_items);
}

/* --- running
 * --------------------------------------------------------------------------------------------------------------
 */

static bool subject_passes(const struct pipeline_run *run, const struct pipeline_item *item,
                           const struct pipeline_subject *subject)
{
    return (subject->line == NULL || condition_group_holds(&item->groups[CONDITION_ITEM], run, subject)) &&
           condition_group_holds(&item->groups[CONDITION_FIELD], run, subject);
}

static void trace(struct pipeline_run *run, const struct pipeline_item *item, const struct yaml_node *line)
{
    struct pipeline_trace *t = ARENA_NEW(run->sigma->scratch, struct pipeline_trace);
    if (item->id.n == 0)
        return;
    *t = (struct pipeline_trace){line, item->id, run->traces};
    run->traces = t;
}

static bool is_fieldref(struct sv key)
{
    struct sv rest = key;
    for (struct sv word = sv_cut(&rest, '|'); word.n > 0; word = sv_cut(&rest, '|'))
        if (sv_is(word, "fieldref"))
            return true;
    return false;
}

static int rename_text(struct pipeline_run *run, const struct pipeline_item *item, struct yaml_node *node);

/* The fields that a line with `fieldref` compares with. */
static int rename_references(struct pipeline_run *run, const struct pipeline_item *item,
                             struct yaml_node *line)
{
    int rc = 0;
    if (line->type == YAML_SCALAR)
        return rename_text(run, item, line);
    for (struct yaml_node *n = line->first; rc == 0 && n != NULL; n = n->next)
        rc = rename_text(run, item, n);
    return rc;
}

/* One name: the key is another one. Several: the line becomes an OR of lines. */
static int rename_line(struct pipeline_run *run, const struct pipeline_item *item,
                       const struct pipeline_subject *subject)
{
    struct arena *arena = run->sigma->scratch;
    struct yaml_node *line = subject->line;
    const struct sv *names;
    size_t count = 0;
    int rc = item->kind->on_field(run, item, subject->field, &names, &count);
    if (rc != 0 || count == 0)
        return rc;
    struct sv modifiers = sv_from(line->key, subject->field.n);
    trace(run, item, line);
    if (count == 1) {
        line->key = arena_printf(arena, "%.*s%.*s", SV_FMT(names[0]), SV_FMT(modifiers));
        return 0;
    }
    struct yaml_node old = *line;
    line_becomes_any(line);
    for (size_t i = 0; i < count; i++) {
        struct yaml_node *one = tree_copy(run, &old), *map = tree_scalar(run, SV(""), &old);
        map->type = YAML_MAP;
        one->key = arena_printf(arena, "%.*s%.*s", SV_FMT(names[i]), SV_FMT(modifiers));
        trace(run, item, one);
        tree_append(map, one);
        tree_append(line, map);
    }
    return 0;
}

/* The selection's kids, in place; what is dropped goes out of `parent`. */
static int run_on_selection(struct pipeline_run *run, const struct pipeline_item *item,
                            struct yaml_node *parent, struct yaml_node *node);

static int run_on_line(struct pipeline_run *run, const struct pipeline_item *item, struct yaml_node *parent,
                       const struct pipeline_subject *subject)
{
    enum item_outcome outcome = ITEM_KEEP;
    if (item->kind->on_field != NULL && is_fieldref(subject->line->key)) {
        int failed = rename_references(run, item, subject->line);
        if (failed != 0)
            return failed;
    }
    if (!subject_passes(run, item, subject))
        return 0;
    if (item->kind->on_field != NULL)
        return subject->field.n == 0 ? 0 : rename_line(run, item, subject);
    int rc = item->kind->on_line(run, item, subject, &outcome);
    trace(run, item, subject->line);
    if (rc == 0 && outcome == ITEM_DROP) {
        tree_remove(parent, subject->line);
        if (parent->count == 0)
            return sigma_refuse(run->sigma, TC_EINPUT, SIGMA_AT(parent), "pipeline",
                                "a pipeline drops all that stands here (%s:%u)", item->file,
                                item->node->line);
    }
    return rc;
}

static int run_on_selection(struct pipeline_run *run, const struct pipeline_item *item,
                            struct yaml_node *parent, struct yaml_node *node)
{
    struct yaml_node *next;
    int rc = 0;
    if (node->type == YAML_SCALAR)
        return run_on_line(run, item, parent, &(struct pipeline_subject){node, SV("")});
    for (struct yaml_node *n = node->first; rc == 0 && n != NULL; n = next) {
        next = n->next;
        if (node->type == YAML_LIST || line_is_any(n))
            rc = run_on_selection(run, item, node, n);
        else
            rc = run_on_line(run, item, node, &(struct pipeline_subject){n, line_field(n)});
    }
    return rc;
}

/* --- fields that stand elsewhere: what correlations and new_value group by and count
 * --------------------------------------------------------------------------------------- */

/* A field of its own: only one name can take its place. */
static int rename_text(struct pipeline_run *run, const struct pipeline_item *item, struct yaml_node *node)
{
    struct pipeline_subject subject = {NULL, node->text};
    const struct sv *names;
    size_t count = 0;
    if (node->type != YAML_SCALAR || yaml_is_null(node) || !subject_passes(run, item, &subject))
        return 0;
    int rc = item->kind->on_field(run, item, node->text, &names, &count);
    if (rc == 0 && count > 1)
        return sigma_refuse(run->sigma, TC_EINPUT, SIGMA_AT(node), "pipeline",
                            "a pipeline gives several names to a field that can have one here (%s:%u)",
                            item->file, item->node->line);
    if (rc == 0 && count == 1)
        node->text = arena_sv(run->sigma->scratch, names[0]);
    return rc;
}

static int rename_texts(struct pipeline_run *run, const struct pipeline_item *item, struct yaml_node *node,
                        const struct yaml_node *aliases)
{
    int rc = 0;
    if (node == NULL)
        return 0;
    if (node->type == YAML_SCALAR)
        return tree_get((struct yaml_node *)(uintptr_t)aliases, node->text) != NULL
                   ? 0
                   : rename_text(run, item, node);
    for (struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        rc = rename_texts(run, item, n, aliases);
    return rc;
}

static int run_on_fields(struct pipeline_run *run, const struct pipeline_item *item)
{
    struct yaml_node *c = tree_get(run->root, SV("correlation"));
    struct yaml_node *own = tree_get(tree_get(run->root, SV("tocsin")), SV("new_value"));
    struct yaml_node *aliases = tree_get(c, SV("aliases"));
    int rc = rename_texts(run, item, tree_get(c, SV("group-by")), aliases);
    if (rc == 0)
        rc = rename_texts(run, item, tree_get(tree_get(c, SV("condition")), SV("field")), aliases);
    for (struct yaml_node *n = aliases == NULL ? NULL : aliases->first; rc == 0 && n != NULL; n = n->next)
        rc = rename_texts(run, item, n, NULL);
    if (rc == 0)
        rc = rename_texts(run, item, tree_get(own, SV("field")), NULL);
    if (rc == 0)
        rc = rename_texts(run, item, tree_get(own, SV("group-by")), NULL);
    static const char *const grouped[] = {"absence", "travel", "baseline"};
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(grouped); i++) {
        own = tree_get(tree_get(run->root, SV("tocsin")), sv_of(grouped[i]));
        rc = rename_texts(run, item, tree_get(own, SV("group-by")), NULL);
        if (rc == 0)
            rc = rename_texts(run, item, tree_get(own, SV("field")), NULL);
    }
    return rc;
}

/* --- a rule
 * --------------------------------------------------------------------------------------------------------------
 */

static int run_item(struct pipeline_run *run, const struct pipeline_item *item)
{
    int rc = 0;
    if (!condition_group_holds(&item->groups[CONDITION_RULE], run, NULL))
        return 0;
    if (item->kind->on_rule != NULL)
        rc = item->kind->on_rule(run, item);
    if (rc == 0 && item->kind->on_field != NULL)
        rc = run_on_fields(run, item);
    struct yaml_node *detection = item->kind->on_rule != NULL ? NULL : detection_of(run->root);
    for (struct yaml_node *n = detection == NULL ? NULL : detection->first; rc == 0 && n != NULL; n = n->next)
        if (is_selection(n))
            rc = run_on_selection(run, item, detection, n);
    if (item->id.n > 0)
        run->applied[run->applied_count++] = item->id;
    return rc;
}

int pipelines_run(struct pipelines *p, struct sigma *sigma, const struct yaml_node *root,
                  const struct yaml_node **ret)
{
    int rc = 0;
    struct pipeline_run *run = tc_alloc(sizeof *run);
    *run = (struct pipeline_run){.sigma = sigma, .pipelines = p, .regexes = p->regexes};
    run->root = tree_copy(run, root);
    run->correlation = yaml_get(root, "correlation") != NULL;
    for (size_t i = 0; rc == 0 && i < p->count; i++)
        rc = run_item(run, &p->items[i]);
    *ret = run->root;
    free(run);
    return rc;
}
