/*
 * A file of several documents with actions: `global`, `repeat` and `reset` (Sigma's rule collections).
 *
 * Specification 2 has no word of them, but rules of before it do and pySigma reads them, so this does what
 * pySigma does: the content of a `global` document is added to all detections that follow, until a `reset` or
 * another `global`; a `repeat` is the rule before it with its own content added. Maps are joined, key by key;
 * where both say something else about a key, that of the `global` counts, or that of the `repeat`.
 * Correlations, filters and documents that are no rules take nothing.
 *
 * Trees are copied where they are joined; nodes keep the place where they were written.
 */
#include "detect/pipeline.h"
#include "detect/ruleset_priv.h"

enum {
    COPIED_MAX = 1000000, /* nodes of a file's joined documents, as many as YAML may have itself */
    LOOKED_MAX = 100 << 20,
    DEPTH_MAX = 64, /* of maps in maps: aliases nest deeper than YAML's text may */
};

struct collection {
    struct arena *arena;
    size_t copied, looked; /* nodes; keys that were compared */
    bool too_deep;
    const struct yaml_node *global;   /* NULL: none is in force */
    const struct yaml_node *previous; /* what a repeat adds to; NULL: nothing yet */
};

static struct yaml_node *copy_head(struct collection *c, const struct yaml_node *node)
{
    struct yaml_node *copy = ARENA_NEW(c->arena, struct yaml_node);
    *copy = *node;
    copy->next = NULL;
    c->copied++;
    return copy;
}

static bool too_large(const struct collection *c)
{
    return c->copied > COPIED_MAX || c->looked > LOOKED_MAX || c->too_deep;
}

/* The place of `key` among the first `count` entries of the map; that after them where it is none of these.
 */
static struct yaml_node **find(struct collection *c, struct yaml_node *map, size_t count, struct sv key)
{
    struct yaml_node **at = &map->first;
    for (; count > 0 && !sv_eq((*at)->key, key); count--, c->looked++)
        at = &(*at)->next;
    return at;
}

/* The map `to` with the entries of `from`, which count where both have a key and not both of them a map.
 * Aliases share nodes, so that few of them can stand for very many: what is too large is left as it is, for
 * the caller to refuse. */
static struct yaml_node *joined(struct collection *c, const struct yaml_node *to,
                                const struct yaml_node *from, unsigned depth)
{
    struct yaml_node *map = copy_head(c, to), **tail = &map->first;
    c->too_deep = c->too_deep || depth > DEPTH_MAX;
    if (too_large(c))
        return map;
    for (const struct yaml_node *kid = to->first; kid != NULL; kid = kid->next) {
        *tail = copy_head(c, kid);
        tail = &(*tail)->next;
    }
    for (const struct yaml_node *kid = from->first; kid != NULL && !too_large(c); kid = kid->next) {
        struct yaml_node **at = find(c, map, to->count, kid->key), *own = *at, *put;
        bool is_own = own != NULL && sv_eq(own->key, kid->key);
        if (!is_own)
            at = tail;
        bool both_maps = is_own && own->type == YAML_MAP && kid->type == YAML_MAP;
        put = both_maps ? joined(c, own, kid, depth + 1) : copy_head(c, kid);
        put->next = is_own ? own->next : NULL;
        map->count += !is_own;
        *at = put;
        if (put->next == NULL)
            tail = &put->next;
    }
    return map;
}

static struct yaml_node *without_action(struct collection *c, const struct yaml_node *root)
{
    struct yaml_node *map = copy_head(c, root), **tail = &map->first;
    *tail = NULL;
    map->count = 0;
    for (const struct yaml_node *kid = root->first; kid != NULL; kid = kid->next) {
        if (sv_is(kid->key, "action"))
            continue;
        *tail = copy_head(c, kid);
        tail = &(*tail)->next;
        map->count++;
    }
    return map;
}

static bool takes_part(const struct yaml_node *root)
{
    return yaml_get(root, "correlation") == NULL && yaml_get(root, "filter") == NULL &&
           !sigma_is_placeholders(root) && !sigma_is_pipeline(root) && !sigma_is_calendar(root) &&
           !ruleset_is_profile(root);
}

/* What a document without an action comes to. */
static struct yaml_node *plain(struct collection *c, struct yaml_node *root)
{
    if (root->type != YAML_MAP || !takes_part(root))
        return root;
    if (c->global != NULL)
        root = joined(c, root, c->global, 0);
    c->previous = root;
    return root;
}

static struct yaml_node *resolve(struct collection *c, struct yaml_node *root)
{
    const struct yaml_node *action = yaml_get(root, "action");
    if (action == NULL)
        return plain(c, root);
    if (action->type != YAML_SCALAR)
        return root; /* its reader refuses it */
    if (sv_is(action->text, "global")) {
        c->global = c->previous = without_action(c, root);
        return NULL;
    }
    if (sv_is(action->text, "reset")) {
        c->global = NULL;
        return NULL;
    }
    if (!sv_is(action->text, "repeat") || c->previous == NULL)
        return root;
    struct yaml_node *rule = joined(c, c->previous, without_action(c, root), 0);
    rule->line = root->line;
    rule->column = root->column;
    c->previous = rule;
    return rule;
}

int sigma_parse_file(struct arena *arena, const char *file, struct sv bytes, struct yaml_doc **ret_docs,
                     struct err *err)
{
    int rc = yaml_parse(arena, file, bytes, ret_docs, err);
    if (rc != 0 || sv_find(bytes, SV("action")) == bytes.n)
        return rc;
    struct collection collection = {.arena = arena};
    for (struct yaml_doc *doc = *ret_docs; doc != NULL; doc = doc->next) {
        const struct yaml_node *written = doc->root;
        if (written != NULL)
            doc->root = resolve(&collection, doc->root);
        if (too_large(&collection))
            return err_at(err, TC_EBOUND, file, written->line, written->column,
                          collection.too_deep
                              ? "the actions of this file join maps nested deeper than 64 levels"
                              : "the actions of this file make more than 1,000,000 values");
    }
    return 0;
}
