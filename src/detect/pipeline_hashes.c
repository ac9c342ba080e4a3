/*
 * The transformation hashes_fields: `Hashes|contains: ['MD5=…', 'SHA256=…']`, as Sysmon writes them, becomes
 * an OR of lines, one field for each algorithm (`FileMD5: …`). A value without the name of its algorithm is
 * told by its length; one of an algorithm that is not among `valid_hash_algos` goes, and where none is left
 * the rule is refused. With `all` the lines are an AND.
 */
#include "detect/pipeline_priv.h"

enum { ALGORITHM_MAX = 32 };

static const struct {
    size_t length;
    const char *name;
} by_length[] = {{32, "MD5"}, {40, "SHA1"}, {64, "SHA256"}, {128, "SHA512"}};

static bool lists(const struct yaml_node *list, struct sv text)
{
    for (const struct yaml_node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next)
        if (sv_eq_nocase(n->text, text))
            return true;
    return false;
}

static bool is_for(const struct pipeline_item *item, struct sv field)
{
    const struct yaml_node *fields = yaml_get(item->node, "field_to_parse");
    if (fields != NULL)
        return lists(fields, field);
    return sv_is(field, "Hashes") || sv_is(field, "Hash");
}

static struct sv without_wildcards(struct sv text)
{
    while (text.n > 0 && (text.p[0] == '*' || text.p[0] == '?'))
        text = sv_from(text, 1);
    while (text.n > 0 && (text.p[text.n - 1] == '*' || text.p[text.n - 1] == '?'))
        text = sv_head(text, text.n - 1);
    return text;
}

/* "MD5=…" or "MD5|…" into both parts; the name by the length where there is none. */
static bool take_apart(const struct pipeline_item *item, struct sv text, struct sv *algorithm,
                       struct sv *hash)
{
    text = without_wildcards(text);
    size_t bar = sv_find_char(text, '|'), sign = bar < text.n ? bar : sv_find_char(text, '=');
    *hash = sign < text.n ? sv_from(text, sign + 1) : text;
    *algorithm = sign < text.n ? sv_head(text, sign) : SV("");
    for (size_t i = 0; sign == text.n && i < TC_ARRAY_LEN(by_length); i++)
        if (hash->n == by_length[i].length)
            *algorithm = sv_of(by_length[i].name);
    return algorithm->n > 0 && algorithm->n < ALGORITHM_MAX && hash->n > 0 &&
           lists(yaml_get(item->node, "valid_hash_algos"), *algorithm);
}

/* The name as the list has it: field names have a case. */
static struct sv as_listed(const struct pipeline_item *item, struct sv algorithm)
{
    for (const struct yaml_node *n = yaml_get(item->node, "valid_hash_algos")->first; n != NULL; n = n->next)
        if (sv_eq_nocase(n->text, algorithm))
            return n->text;
    return algorithm;
}

static struct sv field_of(struct pipeline_run *run, const struct pipeline_item *item, struct sv algorithm)
{
    const struct yaml_node *prefix = yaml_get(item->node, "field_prefix");
    const struct yaml_node *drop = yaml_get(item->node, "drop_algo_prefix");
    bool dropped = false;
    if (drop != NULL)
        yaml_bool(drop, &dropped);
    return arena_printf(run->sigma->scratch, "%.*s%.*s", SV_FMT(prefix == NULL ? SV("") : prefix->text),
                        SV_FMT(dropped ? SV("") : as_listed(item, algorithm)));
}

int hashes_check(struct sigma *sigma, struct pipeline_item *item)
{
    static const char *const list_keys[] = {"valid_hash_algos", "field_to_parse"};
    const struct yaml_node *drop = yaml_get(item->node, "drop_algo_prefix");
    const struct yaml_node *prefix = yaml_get(item->node, "field_prefix");
    bool truth;
    for (size_t i = 0; i < TC_ARRAY_LEN(list_keys); i++) {
        const struct yaml_node *list = yaml_get(item->node, list_keys[i]);
        if (list == NULL && i == 0)
            return pipeline_refuse(sigma, item->node, "hashes_fields needs valid_hash_algos");
        if (list != NULL && (list->type != YAML_LIST || list->count == 0))
            return pipeline_refuse(sigma, list, "%s must be a list", list_keys[i]);
        for (const struct yaml_node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next)
            if (n->type != YAML_SCALAR || n->text.n == 0)
                return pipeline_refuse(sigma, n, "a name is expected here");
    }
    if (drop != NULL && !yaml_bool(drop, &truth))
        return pipeline_refuse(sigma, drop, "drop_algo_prefix must be true or false");
    if (prefix != NULL && prefix->type != YAML_SCALAR)
        return pipeline_refuse(sigma, prefix, "field_prefix must be a text");
    if (drop != NULL && truth && (prefix == NULL || prefix->text.n == 0))
        return pipeline_refuse(
            sigma, drop, "without the algorithm there must be a field_prefix: the field would have no name");
    return 0;
}

/* Is every modifier one that a field of its own for each hash makes needless? *ret_all: `all` is among them.
 * Of another kind (neq, re) the line would come to mean something else. */
static bool read_modifiers(struct sv key, bool *ret_all)
{
    static const char *const needless[] = {"contains", "startswith", "endswith", "all"};
    struct sv rest = key;
    sv_cut(&rest, '|');
    *ret_all = false;
    for (struct sv word = sv_cut(&rest, '|'); word.n > 0; word = sv_cut(&rest, '|')) {
        size_t i = 0;
        while (i < TC_ARRAY_LEN(needless) && !sv_is(word, needless[i]))
            i++;
        if (i == TC_ARRAY_LEN(needless))
            return false;
        *ret_all = *ret_all || sv_is(word, "all");
    }
    return true;
}

int hashes_split(struct pipeline_run *run, const struct pipeline_item *item,
                 const struct pipeline_subject *subject, enum item_outcome *ret)
{
    struct yaml_node *line = subject->line;
    bool truth, all;
    (void)ret;
    if (!is_for(item, subject->field))
        return 0;
    const struct yaml_node *first = line->type == YAML_SCALAR ? line : line->first;
    for (const struct yaml_node *n = first; n != NULL; n = line->type == YAML_SCALAR ? NULL : n->next)
        if (n->type != YAML_SCALAR || yaml_is_null(n) || yaml_bool(n, &truth))
            return 0; /* no list of texts: not ours */
    if (!read_modifiers(line->key, &all))
        return pipeline_refuse(run->sigma, line,
                               "hashes_fields changes lines without modifiers, or with contains, startswith, "
                               "endswith and all: write this one for the fields that there are");
    struct yaml_node old = *line;
    line_becomes_any(line);
    struct yaml_node *map = NULL;
    for (const struct yaml_node *n = old.type == YAML_SCALAR ? &old : old.first; n != NULL;
         n = old.type == YAML_SCALAR ? NULL : n->next) {
        struct sv algorithm, hash;
        if (!take_apart(item, n->text, &algorithm, &hash))
            continue;
        struct sv field = field_of(run, item, algorithm);
        struct yaml_node *one = tree_scalar(run, hash, n);
        one->key = field;
        one->key_line = old.key_line;
        one->key_column = old.key_column;
        one->quoted = true; /* digits alone are a text, too */
        if (map == NULL || !all || tree_get(map, field) != NULL) {
            map = tree_scalar(run, SV(""), &old);
            map->type = YAML_MAP;
            tree_append(line, map);
        }
        tree_append(map, one);
    }
    if (line->count == 0)
        return pipeline_refuse(run->sigma, &old, "no hash of an algorithm that %s:%u names", item->file,
                               item->node->line);
    return 0;
}
