/*
 * Typed reading of YAML; see typed_yaml.h. Fields are found by tables, so that a map costs a table and no
 * code.
 */
#include "metrics/rules/typed_yaml.h"

#include "base/go_text.h"
#include "base/map.h"
#include "base/num.h"
#include "metrics/prom_duration.h"

#include <stdlib.h>

enum { MERGE_DEPTH_MAX = 100, NAMES_MAX = 128 };

struct entries {
    const struct yaml_node **items;
    size_t n, capacity;
    struct map keys; /* of those in `items` */
};

static const char *node_kind(const struct yaml_node *node)
{
    return node->type == YAML_MAP ? "a map" : node->type == YAML_LIST ? "a list" : "a text";
}

bool typed_is_null(const struct yaml_node *node)
{
    return node->type == YAML_SCALAR && yaml_is_null(node);
}

static bool is_merge(const struct yaml_node *node)
{
    return !node->key_quoted && sv_is(node->key, "<<");
}

bool typed_parse(struct typed_yaml *yaml, struct sv bytes, struct yaml_node **ret_root)
{
    struct yaml_fault fault;
    struct err err = {0};
    if (yaml_parse_first(yaml->arena, bytes, ret_root, &fault, &err) == 0) {
        if (*ret_root != NULL && typed_is_null(*ret_root))
            *ret_root = NULL;
        return true;
    }
    /* libyaml names no problem's line where it means the context's */
    unsigned line = fault.syntax ? TC_MAX(fault.problem_line, fault.context_line) + 1 : err.line;
    rule_problem_add(yaml->problems, false, line, err.column, "not YAML: %s", err.text);
    return false;
}

unsigned typed_second_document(struct sv bytes)
{
    bool content = false;
    for (unsigned line = 1; bytes.n > 0; line++) {
        struct sv text = sv_cut(&bytes, '\n');
        bool marker = sv_starts(text, SV("---")) && (text.n == 3 || strchr(" \t\r", text.p[3]) != NULL);
        if (marker && content)
            return line;
        struct sv rest = sv_trim(marker ? sv_from(text, 3) : text);
        content |= rest.n > 0 && rest.p[0] != '#' && !(rest.p == text.p && rest.p[0] == '%');
    }
    return 0;
}

/* --- entries of a map --- */

static bool count_entry(struct typed_yaml *yaml, const struct yaml_node *at)
{
    if (++yaml->entries < TYPED_ENTRIES_MAX)
        return true;
    if (yaml->entries == TYPED_ENTRIES_MAX)
        rule_problem_add(yaml->problems, false, at->line, at->column,
                         "more than %d values with all aliases unfolded", TYPED_ENTRIES_MAX);
    return false;
}

static void push(struct typed_yaml *yaml, struct entries *entries, const struct yaml_node *node)
{
    if (entries->n == entries->capacity) {
        size_t capacity = TC_MAX((size_t)16, entries->capacity * 2);
        const struct yaml_node **items = ARENA_ARRAY(yaml->arena, const struct yaml_node *, capacity);
        if (entries->n > 0)
            memcpy(items, entries->items, entries->n * sizeof(struct yaml_node *));
        entries->items = items;
        entries->capacity = capacity;
    }
    entries->items[entries->n++] = node;
}

static void collect(struct typed_yaml *yaml, const struct yaml_node *map, unsigned depth,
                    struct entries *ret);

static void collect_merge(struct typed_yaml *yaml, const struct yaml_node *value, unsigned depth,
                          struct entries *ret)
{
    bool good = value->type == YAML_MAP || value->type == YAML_LIST;
    if (depth == MERGE_DEPTH_MAX) {
        rule_problem_add(yaml->problems, false, value->line, value->column,
                         "merge keys (<<) nest deeper than %d levels", MERGE_DEPTH_MAX);
        return;
    }
    if (value->type == YAML_MAP)
        collect(yaml, value, depth + 1, ret);
    for (const struct yaml_node *n = value->first; value->type == YAML_LIST && n != NULL; n = n->next) {
        good &= n->type == YAML_MAP;
        if (n->type == YAML_MAP)
            collect(yaml, n, depth + 1, ret);
    }
    if (!good)
        rule_problem_add(yaml->problems, false, value->line, value->column,
                         "a merge key (<<) takes a map or a list of maps");
}

/* Explicit keys first, then what is merged in and not there yet. */
static void collect(struct typed_yaml *yaml, const struct yaml_node *map, unsigned depth, struct entries *ret)
{
    for (const struct yaml_node *n = map->first; n != NULL && count_entry(yaml, n); n = n->next) {
        bool fresh = true;
        if (n->complex_key != NULL) {
            rule_problem_add(yaml->problems, false, n->complex_key->line, n->complex_key->column,
                             "a key must be a plain word, not a list or map");
            continue;
        }
        uint64_t *slot = is_merge(n) ? NULL : map_put(&ret->keys, n->key, &fresh);
        if (slot != NULL && fresh) {
            *slot = n->key_line;
            push(yaml, ret, n);
        } else if (slot != NULL && depth == 0) {
            rule_problem_add(yaml->problems, false, n->key_line, n->key_column,
                             "mapping key \"%.*s\" already defined at line %llu",
                             SV_FMT(sv_head(n->key, 100)), (unsigned long long)*slot);
        }
    }
    for (const struct yaml_node *n = map->first; n != NULL && count_entry(yaml, n); n = n->next)
        if (is_merge(n))
            collect_merge(yaml, n, depth, ret);
}

static void open_entries(struct typed_yaml *yaml, const struct yaml_node *map, struct entries *ret)
{
    *ret = (struct entries){0};
    map_init(&ret->keys, TYPED_ENTRIES_MAX);
    collect(yaml, map, 0, ret);
    map_free(&ret->keys);
}

const struct yaml_node *typed_get(const struct yaml_node *map, const char *key)
{
    return map == NULL || map->type != YAML_MAP ? NULL : yaml_get(map, key);
}

/* --- values --- */

static void expected(struct typed_yaml *yaml, const struct yaml_node *node, const char *name,
                     const char *what)
{
    if (node->type == YAML_SCALAR)
        rule_problem_add(yaml->problems, false, node->line, node->column,
                         "%s: %s is expected here, not \"%.*s\"", name, what,
                         SV_FMT(sv_head(node->text, 100)));
    else
        rule_problem_add(yaml->problems, false, node->line, node->column, "%s: %s is expected here, not %s",
                         name, what, node_kind(node));
}

void typed_text_of(struct typed_yaml *yaml, const struct yaml_node *node, const char *name,
                   struct typed_text *ret)
{
    if (node->type != YAML_SCALAR)
        expected(yaml, node, name, "a text");
    else
        *ret = (struct typed_text){typed_is_null(node) ? SV("") : node->text, node->line, node->column};
}

static void read_duration(struct typed_yaml *yaml, const struct yaml_node *node, const char *name,
                          struct typed_duration *ret)
{
    struct err err = {0};
    if (node->type != YAML_SCALAR)
        expected(yaml, node, name, "a duration");
    else if (prom_parse_duration(node->text, &ret->ns, &err) != 0)
        rule_problem_add(yaml->problems, false, node->line, node->column, "%s: %s", name, err.text);
    else
        ret->set = true;
}

/* Go's ParseInt with base 0, after underscores are taken out. */
static bool integer_of(struct sv text, int64_t *ret)
{
    char digits[72];
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '_')
            continue;
        if (n == sizeof digits - 1)
            return false;
        digits[n++] = text.p[i];
    }
    digits[n] = '\0';
    bool negative = digits[0] == '-';
    const char *at = digits + (negative || digits[0] == '+');
    int base = 10;
    if (at[0] == '0' && at[1] != '\0') {
        static const struct {
            char letter;
            int base;
        } bases[] = {{'x', 16}, {'o', 8}, {'b', 2}};
        base = 8;
        for (size_t i = 0; i < TC_ARRAY_LEN(bases); i++)
            if ((at[1] | 0x20) == bases[i].letter) {
                base = bases[i].base;
                at += 2;
                break;
            }
    }
    uint64_t value = 0, most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    if (*at == '\0')
        return false;
    for (; *at != '\0'; at++) {
        int c = *at | 0x20, digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
        if (digit >= base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value) || value > most)
            return false;
    }
    *ret = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static bool float_of(const struct yaml_node *node, double *ret)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{".nan", __builtin_nan("")}, {".NaN", __builtin_nan("")}, {".NAN", __builtin_nan("")},
                 {".inf", __builtin_inf()},   {".Inf", __builtin_inf()},   {".INF", __builtin_inf()},
                 {"+.inf", __builtin_inf()},  {"+.Inf", __builtin_inf()},  {"+.INF", __builtin_inf()},
                 {"-.inf", -__builtin_inf()}, {"-.Inf", -__builtin_inf()}, {"-.INF", -__builtin_inf()}};
    int64_t integer;
    if (node->quoted)
        return false;
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (sv_is(node->text, words[i].word)) {
            *ret = words[i].value;
            return true;
        }
    if (integer_of(node->text, &integer)) {
        *ret = (double)integer;
        return true;
    }
    return (yaml_is_float(node) || yaml_is_integer(node)) && go_parse_float(node->text, ret);
}

static void read_integer(struct typed_yaml *yaml, const struct yaml_node *node, const char *name,
                         int64_t *ret)
{
    double number;
    if (node->type != YAML_SCALAR || node->quoted)
        expected(yaml, node, name, "a whole number");
    else if (integer_of(node->text, ret))
        return;
    else if (float_of(node, &number) && number < 0x1p63 && number >= -0x1p63)
        *ret = (int64_t)number;
    else
        expected(yaml, node, name, "a whole number");
}

static void read_float(struct typed_yaml *yaml, const struct yaml_node *node, const char *name, double *ret)
{
    if (node->type != YAML_SCALAR || !float_of(node, ret))
        expected(yaml, node, name, "a number");
}

static void read_bool(struct typed_yaml *yaml, const struct yaml_node *node, const char *name, bool *ret)
{
    bool short_form = node->type == YAML_SCALAR && !node->quoted && node->text.n == 1;
    if (short_form && strchr("yYnN", node->text.p[0]) != NULL)
        *ret = (node->text.p[0] | 0x20) == 'y';
    else if (node->type != YAML_SCALAR || !yaml_bool(node, ret))
        expected(yaml, node, name, "true or false");
}

static int by_name(const void *a, const void *b)
{
    return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static void read_labels(struct typed_yaml *yaml, const struct yaml_node *node, const char *name,
                        struct typed_labels *ret)
{
    struct entries entries;
    if (node->type != YAML_MAP) {
        expected(yaml, node, name, "a map");
        return;
    }
    open_entries(yaml, node, &entries);
    ret->items = ARENA_ARRAY(yaml->arena, struct label, entries.n + 1);
    ret->n = 0;
    for (size_t i = 0; i < entries.n; i++) {
        struct typed_text text = {0};
        typed_text_of(yaml, entries.items[i], name, &text);
        ret->items[ret->n++] = (struct label){entries.items[i]->key, text.text};
    }
    qsort(ret->items, ret->n, sizeof *ret->items, by_name);
}

static void read_list(struct typed_yaml *yaml, const struct yaml_node *node, const char *name,
                      struct typed_list *ret)
{
    if (node->type != YAML_LIST)
        expected(yaml, node, name, "a list");
    else
        *ret = (struct typed_list){node->first, node->count};
}

static void read_value(struct typed_yaml *yaml, const struct yaml_node *node, const struct typed_field *field,
                       void *to)
{
    void *at = (char *)to + field->offset;
    if (typed_is_null(node) && field->kind != TYPED_TEXT)
        return;
    switch (field->kind) {
    case TYPED_TEXT:
        typed_text_of(yaml, node, field->name, at);
        break;
    case TYPED_DURATION:
        read_duration(yaml, node, field->name, at);
        break;
    case TYPED_INTEGER:
        read_integer(yaml, node, field->name, at);
        break;
    case TYPED_FLOAT:
        read_float(yaml, node, field->name, at);
        break;
    case TYPED_BOOL:
        read_bool(yaml, node, field->name, at);
        break;
    case TYPED_LABELS:
        read_labels(yaml, node, field->name, at);
        break;
    case TYPED_LIST:
        read_list(yaml, node, field->name, at);
        break;
    case TYPED_NODE:
        ((struct typed_node *)at)->node = node;
        break;
    case TYPED_IGNORED:
        break;
    }
}

static void unknown(struct typed_yaml *yaml, const struct yaml_node *node, const struct typed_field fields[],
                    const char *what)
{
    const char *names[NAMES_MAX] = {0};
    for (size_t i = 0; fields[i].name != NULL && i + 1 < NAMES_MAX; i++)
        names[i] = fields[i].name;
    const char *near = yaml_did_you_mean(node->key, names);
    rule_problem_add(yaml->problems, false, node->key_line, node->key_column,
                     "field %.*s not found in %s%s%s%s", SV_FMT(sv_head(node->key, 100)), what,
                     near != NULL ? ": did you mean \"" : "", near != NULL ? near : "",
                     near != NULL ? "\"?" : "");
}

void typed_map(struct typed_yaml *yaml, const struct yaml_node *node, const struct typed_field fields[],
               const char *what, void *to)
{
    struct entries entries;
    if (typed_is_null(node))
        return;
    if (node->type != YAML_MAP) {
        rule_problem_add(yaml->problems, false, node->line, node->column, "%s is a map, not %s", what,
                         node_kind(node));
        return;
    }
    open_entries(yaml, node, &entries);
    for (size_t i = 0; i < entries.n; i++) {
        size_t at = 0;
        while (fields[at].name != NULL && !sv_is(entries.items[i]->key, fields[at].name))
            at++;
        if (fields[at].name == NULL)
            unknown(yaml, entries.items[i], fields, what);
        else
            read_value(yaml, entries.items[i], &fields[at], to);
    }
}
