/*
 * One YAML document: is it a detection, a correlation or a filter, and what does it hash to?
 *
 * Before anything is read, the document is walked once: that gives its hashes (order of keys counts, comments
 * and quoting style of equal values do not) and bounds all later walks, because YAML's aliases can unfold a
 * small text into a huge tree.
 */
#include "detect/pipeline.h"

#include <stdarg.h>
#include <stdio.h>

int sigma_refuse(struct sigma *sigma, int code, unsigned line, unsigned column, const char *construct,
                 const char *format, ...)
{
    char text[TC_ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sigma->construct = construct;
    return err_at(sigma->err, code, sigma->file, line, column, "%s", text);
}

int sigma_add_name(struct sigma *sigma, struct name_list *list, struct sv name, const struct yaml_node *at)
{
    uint32_t hash = event_name_hash(name);
    for (size_t i = 0; i < list->count; i++)
        if (list->names[i].hash == hash && sv_eq(list->names[i].name, name))
            return 0;
    if (list->count == SIGMA_FIELDS_MAX)
        return sigma_refuse(sigma, TC_EBOUND, SIGMA_AT(at), "too large", "a rule may read %d fields at most",
                            SIGMA_FIELDS_MAX);
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        struct name_ref *names = ARENA_ARRAY(sigma->arena, struct name_ref, capacity);
        if (list->count > 0)
            memcpy(names, list->names, list->count * sizeof names[0]);
        list->names = names;
        list->capacity = capacity;
    }
    list->names[list->count++] = (struct name_ref){arena_sv(sigma->arena, name), hash};
    return 0;
}

int sigma_texts(struct sigma *sigma, const struct yaml_node *node, const char *what, const struct sv **ret,
                size_t *ret_count)
{
    *ret = NULL;
    *ret_count = 0;
    if (node == NULL || (node->type == YAML_SCALAR && yaml_is_null(node)))
        return 0;
    if (node->type == YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "wrong type", "%s must be a list of texts",
                            what);
    struct sv *texts = ARENA_ARRAY(sigma->arena, struct sv, node->count + 1);
    size_t n = 0;
    for (const struct yaml_node *one = node->type == YAML_LIST ? node->first : node; one != NULL;
         one = node->type == YAML_LIST ? one->next : NULL) {
        if (one->type != YAML_SCALAR || yaml_is_null(one))
            return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(one), "wrong type", "%s must be a list of texts",
                                what);
        texts[n++] = arena_sv(sigma->arena, one->text);
    }
    *ret = n > 0 ? texts : NULL;
    *ret_count = n;
    return 0;
}

/* --- the document's hash and size
 * -------------------------------------------------------------------------------------------- */

struct walk {
    struct sha256_ctx hash;
    size_t nodes;
};

static void walk_text(struct walk *w, struct sv text)
{
    uint8_t length[8];
    store_u64(length, text.n);
    sha256_update(&w->hash, sizeof length, length);
    if (text.n > 0)
        sha256_update(&w->hash, text.n, (const uint8_t *)text.p);
}

/* False where the tree is too large. */
static bool walk_node(struct walk *w, const struct yaml_node *node)
{
    /* "1" and 1 are different values to a rule; other quoting is style */
    bool typed =
        yaml_is_null(node) || yaml_is_integer(node) || yaml_is_float(node) || yaml_bool(node, &(bool){false});
    uint8_t head[2] = {(uint8_t)node->type, typed};
    if (++w->nodes > SIGMA_DOCUMENT_NODES_MAX)
        return false;
    sha256_update(&w->hash, sizeof head, head);
    if (node->type == YAML_SCALAR) {
        walk_text(w, node->text);
        return true;
    }
    uint8_t count[8];
    store_u64(count, node->count);
    sha256_update(&w->hash, sizeof count, count);
    for (const struct yaml_node *kid = node->first; kid != NULL; kid = kid->next) {
        if (node->type == YAML_MAP)
            walk_text(w, kid->key);
        if (!walk_node(w, kid))
            return false;
    }
    return true;
}

/*
 * What a rule does, apart from how it is told of: texts, tags, severity and owner may change without the rule
 * becoming another one, so that its windows go on across a reload.
 */
static void hash_meaning(const struct yaml_node *root, uint8_t ret[TC_SHA256_BYTES])
{
    static const char *const keys[] = {"logsource", "detection", "correlation", "generate", "filter"};
    static const char *const own_keys[] = {"building_block", "new_value"};
    /* Where these are not there they leave no trace: rules are the same as before there were such keys. */
    static const char *const later_keys[] = {"absence", "travel", "baseline"};
    struct walk walk = {.nodes = 0};
    const struct yaml_node *own = yaml_get(root, "tocsin");
    sha256_init(&walk.hash);
    for (size_t i = 0; i < TC_ARRAY_LEN(keys) + TC_ARRAY_LEN(own_keys); i++) {
        bool is_own = i >= TC_ARRAY_LEN(keys);
        const char *key = is_own ? own_keys[i - TC_ARRAY_LEN(keys)] : keys[i];
        const struct yaml_node *map = is_own ? own : root;
        const struct yaml_node *node = map == NULL || map->type != YAML_MAP ? NULL : yaml_get(map, key);
        walk_text(&walk, sv_of(node == NULL ? "" : key));
        if (node != NULL)
            walk_node(&walk, node); /* bounded: the whole document was */
    }
    for (size_t i = 0; own != NULL && own->type == YAML_MAP && i < TC_ARRAY_LEN(later_keys); i++) {
        const struct yaml_node *node = yaml_get(own, later_keys[i]);
        if (node == NULL)
            continue;
        walk_text(&walk, sv_of(later_keys[i]));
        walk_node(&walk, node);
    }
    hash_sha256_final(&walk.hash, ret);
}

static int hash_document(struct sigma *sigma, const struct yaml_node *root, uint8_t ret[TC_SHA256_BYTES])
{
    struct walk walk = {.nodes = 0};
    sha256_init(&walk.hash);
    if (!walk_node(&walk, root))
        return sigma_refuse(sigma, TC_EBOUND, SIGMA_AT(root), "too large",
                            "a document of more than %d values", SIGMA_DOCUMENT_NODES_MAX);
    hash_sha256_final(&walk.hash, ret);
    return 0;
}

/* --- the kinds of documents
 * --------------------------------------------------------------------------------------------------- */

static int refuse_by_name(struct sigma *sigma, const struct yaml_node *root)
{
    const struct yaml_node *action = yaml_get(root, "action");
    if (action != NULL && action->type == YAML_SCALAR && sv_is(action->text, "repeat"))
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(action), "action",
                            "nothing stands before this that could be repeated");
    if (action != NULL)
        return sigma_refuse(sigma, TC_EUNSUPPORTED, SIGMA_AT_KEY(action), "action",
                            "the actions of a collection are global, repeat and reset");
    return 0;
}

/* Rules by id or name, or the word `any`; then selections and a condition as of a detection. */
static int read_filter(struct sigma *sigma, const struct yaml_node *filter, struct sigma_rule *ret)
{
    ret->is_filter = true;
    if (filter->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(filter), "filter", "filter must be a map");
    const struct yaml_node *rules = yaml_get(filter, "rules");
    int rc = sigma_texts(sigma, rules, "rules", &ret->refs, &ret->ref_count);
    if (rc == 0 && ret->ref_count == 0)
        rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(filter), "filter",
                          "a filter needs the rules that it is for, or rules: any");
    ret->any_rule = rc == 0 && rules->type == YAML_SCALAR && sv_eq_nocase(rules->text, SV("any"));
    return rc == 0 ? sigma_read_detection(sigma, filter, ret) : rc;
}

static int read_body(struct sigma *sigma, const struct yaml_node *root, struct sigma_rule *ret)
{
    const struct yaml_node *detection = yaml_get(root, "detection");
    const struct yaml_node *correlation = yaml_get(root, "correlation");
    if (detection != NULL && correlation != NULL)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(correlation), "detection and correlation",
                            "one document has both a detection and a correlation: divide it by ---");
    if (detection == NULL && correlation == NULL && yaml_get(root, "filter") != NULL)
        return read_filter(sigma, yaml_get(root, "filter"), ret);
    if (detection != NULL)
        return sigma_read_detection(sigma, detection, ret);
    if (correlation != NULL)
        return sigma_read_correlation(sigma, root, correlation, ret);
    return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(root), "no detection",
                        "neither a detection, a correlation nor a filter: not a Sigma rule");
}

bool sigma_is_placeholders(const struct yaml_node *root)
{
    return root->type == YAML_MAP && yaml_get(root, "placeholders") != NULL &&
           yaml_get(root, "detection") == NULL && yaml_get(root, "correlation") == NULL;
}

int sigma_read_values(struct sigma *sigma, const struct yaml_node *root)
{
    uint8_t hash[TC_SHA256_BYTES];
    int rc = hash_document(sigma, root, hash);
    return rc == 0 ? sigma_read_placeholders(sigma, yaml_get(root, "placeholders"), hash) : rc;
}

/* A rule is another one where its placeholders stand for something else. */
static void add_placeholders(const struct sigma *sigma, struct sigma_rule *ret)
{
    struct sha256_ctx context;
    if (!sigma->expanded)
        return;
    sha256_init(&context);
    sha256_update(&context, sizeof ret->meaning_hash, ret->meaning_hash);
    sha256_update(&context, sizeof sigma->placeholders->hash, sigma->placeholders->hash);
    hash_sha256_final(&context, ret->meaning_hash);
}

int sigma_read(struct sigma *sigma, const struct yaml_node *root, bool in_pack, struct sigma_rule *ret)
{
    if (root->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(root), "no detection",
                            "a rule must be a map of keys and values");
    int rc = hash_document(sigma, root, ret->document_hash);
    if (rc == 0)
        rc = refuse_by_name(sigma, root);
    if (rc == 0 && pipelines_any(sigma->pipelines))
        rc = pipelines_run(sigma->pipelines, sigma, root, &root);
    if (rc == 0)
        hash_meaning(root, ret->meaning_hash);
    ret->own = yaml_get(root, "tocsin");
    if (rc == 0)
        rc = read_body(sigma, root, ret);
    if (rc == 0)
        add_placeholders(sigma, ret);
    if (rc == 0)
        rc = sigma_read_info(sigma, root, in_pack, ret);
    return rc;
}
