/*
 * YAML trees over libyaml's event stream; see yaml.h. Events rather than libyaml's own document tree, because
 * only events keep the style of a scalar (quoted or not) and let the bounds act while reading.
 */
#include "base/yaml.h"

#include "base/map.h"

#include <yaml.h>

enum {
    YAML_MAX_BYTES = 8 << 20,
    YAML_MAX_DOCS = 10000,
    YAML_MAX_DEPTH = 64,
    YAML_MAX_NODES = 1000000,
    YAML_MAX_MERGE_LOOKS = 100 << 20
};

struct builder {
    yaml_parser_t parser;
    struct arena *arena;
    const char *file;
    struct map anchors;     /* name -> node address */
    size_t nodes, looks;    /* looks: keys that merges compared; one alias can stand for many */
    struct yaml_fault *raw; /* yaml_parse_first: leave duplicate and merge keys, report faults there */
    struct err *err;
};

static int fail(struct builder *b, yaml_mark_t mark, int code, const char *text)
{
    return err_at(b->err, code, b->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1, "%s", text);
}

static int next_event(struct builder *b, yaml_event_t *event)
{
    if (yaml_parser_parse(&b->parser, event))
        return 0;
    const yaml_parser_t *p = &b->parser;
    yaml_mark_t mark = p->problem_mark;
    if (b->raw != NULL) {
        *b->raw = (struct yaml_fault){.syntax = true,
                                      .scanner = p->error == YAML_SCANNER_ERROR,
                                      .problem_line = (unsigned)mark.line,
                                      .context_line = (unsigned)p->context_mark.line};
        return err_set(b->err, TC_EINPUT, "%s",
                       p->problem != NULL ? p->problem : "unknown problem parsing YAML content");
    }
    if (p->error == YAML_READER_ERROR)
        return err_at(b->err, TC_EINPUT, b->file, 0, 0, "not YAML: %s at byte %zu", p->problem,
                      p->problem_offset);
    return err_at(b->err, TC_EINPUT, b->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1,
                  "not YAML: %s%s%s", p->context != NULL ? p->context : "", p->context != NULL ? ", " : "",
                  p->problem);
}

static int build(struct builder *b, yaml_event_t *event, unsigned depth, struct yaml_node **ret);

static int remember(struct builder *b, const yaml_char_t *anchor, struct yaml_node *node)
{
    if (anchor == NULL)
        return 0;
    uint64_t *slot = map_put(&b->anchors, sv_of((const char *)anchor), NULL);
    if (slot == NULL)
        return err_at(b->err, TC_EBOUND, b->file, node->line, node->column, "too many anchors");
    *slot = (uintptr_t)node;
    return 0;
}

/* In raw mode a list or map that is not complete yet stands in the table as 0, so that a cycle is known. */
static int open_anchor(struct builder *b, const yaml_char_t *anchor, struct yaml_node *node)
{
    if (anchor == NULL || b->raw == NULL)
        return 0;
    int rc = remember(b, anchor, node);
    if (rc == 0)
        *map_get(&b->anchors, sv_of((const char *)anchor)) = 0;
    return rc;
}

static int resolve_alias(struct builder *b, yaml_event_t *event, struct yaml_node **ret)
{
    uint64_t *slot = map_get(&b->anchors, sv_of((const char *)event->data.alias.anchor));
    if (slot == NULL && b->raw != NULL)
        return err_set(b->err, TC_EINPUT, "unknown anchor '%s' referenced",
                       (const char *)event->data.alias.anchor);
    if (slot == NULL)
        return fail(b, event->start_mark, TC_EINPUT, "an alias without its anchor");
    if (*slot == 0)
        return err_set(b->err, TC_EINPUT, "anchor '%s' value contains itself",
                       (const char *)event->data.alias.anchor);
    /* a copy of the head, because `next` and `key` belong to this place; children are shared */
    struct yaml_node *node = ARENA_NEW(b->arena, struct yaml_node);
    *node = *(struct yaml_node *)(uintptr_t)*slot;
    node->next = NULL;
    *ret = node;
    return 0;
}

static int build_list(struct builder *b, unsigned depth, struct yaml_node *node)
{
    struct yaml_node **tail = &node->first;
    for (;;) {
        yaml_event_t event;
        int rc = next_event(b, &event);
        if (rc != 0)
            return rc;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        rc = build(b, &event, depth + 1, tail);
        yaml_event_delete(&event);
        if (rc != 0)
            return rc;
        tail = &(*tail)->next;
        node->count++;
    }
}

static int check_key(struct builder *b, const struct yaml_node *map, const struct yaml_node *key)
{
    if (b->raw != NULL)
        return 0;
    if (key->type != YAML_SCALAR)
        return err_at(b->err, TC_EINPUT, b->file, key->line, key->column,
                      "a key must be a plain word, not a list or map");
    for (const struct yaml_node *n = map->first; n != NULL; n = n->next)
        if (sv_eq(n->key, key->text))
            return err_at(b->err, TC_EINPUT, b->file, key->line, key->column,
                          "duplicate key \"%.*s\" (first on line %u)", SV_FMT(sv_head(key->text, 100)),
                          n->key_line);
    return 0;
}

static bool is_merge_key(const struct builder *b, const struct yaml_node *key)
{
    return b->raw == NULL && key->type == YAML_SCALAR && !key->quoted && sv_is(key->text, "<<");
}

/* The entries of `from` for keys that `map` does not have. */
static int merge_one(struct builder *b, struct yaml_node *map, const struct yaml_node *from)
{
    if (from->type != YAML_MAP)
        return err_at(b->err, TC_EINPUT, b->file, from->line, from->column,
                      "a merge key (<<) needs a map, or a list of maps");
    struct yaml_node **tail = &map->first;
    while (*tail != NULL)
        tail = &(*tail)->next;
    for (const struct yaml_node *entry = from->first; entry != NULL; entry = entry->next) {
        const struct yaml_node *own = map->first;
        for (; own != NULL && !sv_eq(own->key, entry->key); b->looks++)
            own = own->next;
        if (b->looks > YAML_MAX_MERGE_LOOKS)
            return err_at(b->err, TC_EBOUND, b->file, from->line, from->column,
                          "the merge keys (<<) of this file stand for too many entries");
        if (own != NULL)
            continue;
        if (++b->nodes > YAML_MAX_NODES)
            return err_at(b->err, TC_EBOUND, b->file, from->line, from->column,
                          "more than 1,000,000 values in one file");
        *tail = ARENA_NEW(b->arena, struct yaml_node);
        **tail = *entry;
        (*tail)->next = NULL;
        tail = &(*tail)->next;
        map->count++;
    }
    return 0;
}

/* "<<": of several maps the first that has a key counts; what the map says itself counts most. */
static int merge(struct builder *b, struct yaml_node *map, const struct yaml_node *value)
{
    if (value->type != YAML_LIST)
        return merge_one(b, map, value);
    int rc = 0;
    for (const struct yaml_node *from = value->first; rc == 0 && from != NULL; from = from->next)
        rc = merge_one(b, map, from);
    return rc;
}

static int build_merged(struct builder *b, unsigned depth, const struct yaml_node *key,
                        struct yaml_node **ret)
{
    yaml_event_t event;
    if (*ret != NULL)
        return err_at(b->err, TC_EINPUT, b->file, key->line, key->column,
                      "duplicate key \"<<\": give one merge key a list");
    int rc = next_event(b, &event);
    if (rc != 0)
        return rc;
    rc = build(b, &event, depth + 1, ret);
    yaml_event_delete(&event);
    return rc;
}

static int build_map(struct builder *b, unsigned depth, struct yaml_node *node)
{
    struct yaml_node **tail = &node->first, *merged = NULL;
    for (;;) {
        yaml_event_t event;
        struct yaml_node *key = NULL;
        int rc = next_event(b, &event);
        if (rc != 0)
            return rc;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return merged == NULL ? 0 : merge(b, node, merged);
        }
        rc = build(b, &event, depth + 1, &key);
        yaml_event_delete(&event);
        if (rc == 0 && is_merge_key(b, key)) {
            rc = build_merged(b, depth, key, &merged);
            if (rc != 0)
                return rc;
            continue;
        }
        if (rc == 0)
            rc = check_key(b, node, key);
        if (rc == 0)
            rc = next_event(b, &event);
        if (rc != 0)
            return rc;
        rc = build(b, &event, depth + 1, tail);
        yaml_event_delete(&event);
        if (rc != 0) {
            *tail = NULL;
            return rc;
        }
        (*tail)->key = key->text;
        (*tail)->key_quoted = key->quoted;
        (*tail)->complex_key = key->type != YAML_SCALAR ? key : NULL;
        (*tail)->key_line = key->line;
        (*tail)->key_column = key->column;
        tail = &(*tail)->next;
        node->count++;
    }
}

static int build(struct builder *b, yaml_event_t *event, unsigned depth, struct yaml_node **ret)
{
    if (depth > YAML_MAX_DEPTH)
        return fail(b, event->start_mark, TC_EBOUND, "nested deeper than 64 levels");
    if (++b->nodes > YAML_MAX_NODES)
        return fail(b, event->start_mark, TC_EBOUND, "more than 1,000,000 values in one file");
    if (event->type == YAML_ALIAS_EVENT)
        return resolve_alias(b, event, ret);
    struct yaml_node *node = ARENA_NEW(b->arena, struct yaml_node);
    node->line = (unsigned)event->start_mark.line + 1;
    node->column = (unsigned)event->start_mark.column + 1;
    int rc = 0;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node->type = YAML_SCALAR;
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        node->text =
            arena_sv(b->arena, sv_make((const char *)event->data.scalar.value, event->data.scalar.length));
        rc = remember(b, event->data.scalar.anchor, node);
        break;
    case YAML_SEQUENCE_START_EVENT:
        node->type = YAML_LIST;
        rc = open_anchor(b, event->data.sequence_start.anchor, node);
        if (rc == 0)
            rc = build_list(b, depth, node);
        if (rc == 0)
            rc = remember(b, event->data.sequence_start.anchor, node);
        break;
    case YAML_MAPPING_START_EVENT:
        node->type = YAML_MAP;
        rc = open_anchor(b, event->data.mapping_start.anchor, node);
        if (rc == 0)
            rc = build_map(b, depth, node);
        if (rc == 0)
            rc = remember(b, event->data.mapping_start.anchor, node);
        break;
    default:
        rc = fail(b, event->start_mark, TC_EINPUT, "not YAML: unexpected end");
    }
    if (rc == 0)
        *ret = node;
    return rc;
}

static int build_docs(struct builder *b, struct yaml_doc **ret_docs)
{
    struct yaml_doc *docs = NULL, **tail = &docs;
    size_t count = 0;
    for (bool end = false; !end;) {
        yaml_event_t event;
        int rc = next_event(b, &event);
        if (rc != 0)
            return rc;
        switch (event.type) {
        case YAML_STREAM_END_EVENT:
            end = true;
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (++count > YAML_MAX_DOCS) {
                rc = fail(b, event.start_mark, TC_EBOUND, "more than 10,000 documents in one file");
                break;
            }
            map_clear(&b->anchors);
            *tail = ARENA_NEW(b->arena, struct yaml_doc);
            break;
        case YAML_DOCUMENT_END_EVENT:
            tail = &(*tail)->next;
            break;
        case YAML_STREAM_START_EVENT:
            break;
        default:
            rc = build(b, &event, 0, &(*tail)->root);
            if (rc == 0 && (*tail)->root->type == YAML_SCALAR && yaml_is_null((*tail)->root))
                (*tail)->root = NULL;
        }
        yaml_event_delete(&event);
        if (rc != 0)
            return rc;
    }
    *ret_docs = docs;
    return 0;
}

static int start(struct builder *b, struct sv bytes)
{
    if (!yaml_parser_initialize(&b->parser))
        return err_set(b->err, TC_EIO, "no memory for the YAML parser");
    map_init(&b->anchors, 10000);
    if (sv_starts(bytes, SV("\xEF\xBB\xBF"))) /* libyaml takes it off only where it guesses the encoding */
        bytes = sv_from(bytes, 3);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)(bytes.n == 0 ? "" : bytes.p), bytes.n);
    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    return 0;
}

static void finish(struct builder *b)
{
    map_free(&b->anchors);
    yaml_parser_delete(&b->parser);
}

static int build_first(struct builder *b, struct yaml_node **ret_root)
{
    *ret_root = NULL;
    for (;;) {
        yaml_event_t event;
        int rc = next_event(b, &event);
        if (rc != 0)
            return rc;
        bool end = event.type == YAML_STREAM_END_EVENT || event.type == YAML_DOCUMENT_END_EVENT;
        if (!end && event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT)
            rc = build(b, &event, 0, ret_root);
        yaml_event_delete(&event);
        if (rc != 0 || end)
            return rc;
    }
}

int yaml_parse_first(struct arena *arena, struct sv bytes, struct yaml_node **ret_root,
                     struct yaml_fault *fault, struct err *err)
{
    *fault = (struct yaml_fault){0};
    if (bytes.n > YAML_MAX_BYTES)
        return err_set(err, TC_EBOUND, "a YAML file of %zu bytes: the most is 8 MiB", bytes.n);
    struct builder b = {.arena = arena, .raw = fault, .err = err};
    int rc = start(&b, bytes);
    if (rc != 0)
        return rc;
    rc = build_first(&b, ret_root);
    finish(&b);
    return rc;
}

int yaml_parse(struct arena *arena, const char *file, struct sv bytes, struct yaml_doc **ret_docs,
               struct err *err)
{
    if (bytes.n > YAML_MAX_BYTES)
        return err_at(err, TC_EBOUND, file, 0, 0, "a YAML file of %zu bytes: the most is 8 MiB", bytes.n);
    struct builder b = {.arena = arena, .file = file, .err = err};
    int rc = start(&b, bytes);
    if (rc != 0)
        return rc;
    rc = build_docs(&b, ret_docs);
    finish(&b);
    return rc;
}

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->type != YAML_MAP)
        return NULL;
    for (struct yaml_node *n = map->first; n != NULL; n = n->next)
        if (sv_is(n->key, key))
            return n;
    return NULL;
}

static bool plain_is_one_of(const struct yaml_node *node, const char *const words[])
{
    if (node->type != YAML_SCALAR || node->quoted)
        return false;
    for (size_t i = 0; words[i] != NULL; i++)
        if (sv_is(node->text, words[i]))
            return true;
    return false;
}

bool yaml_is_null(const struct yaml_node *node)
{
    return plain_is_one_of(node, (const char *const[]){"", "~", "null", "Null", "NULL", NULL});
}

bool yaml_bool(const struct yaml_node *node, bool *ret)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};
    if (plain_is_one_of(node, yes))
        *ret = true;
    else if (plain_is_one_of(node, no))
        *ret = false;
    else
        return false;
    return true;
}

static size_t digits_at(struct sv text, size_t at)
{
    size_t n = 0;
    while (at + n < text.n && text.p[at + n] >= '0' && text.p[at + n] <= '9')
        n++;
    return n;
}

bool yaml_is_integer(const struct yaml_node *node)
{
    if (node->type != YAML_SCALAR || node->quoted || node->text.n == 0)
        return false;
    size_t sign = node->text.p[0] == '-' || node->text.p[0] == '+';
    size_t n = digits_at(node->text, sign);
    return n > 0 && sign + n == node->text.n;
}

bool yaml_is_float(const struct yaml_node *node)
{
    if (node->type != YAML_SCALAR || node->quoted || node->text.n == 0)
        return false;
    struct sv t = node->text;
    size_t at = t.p[0] == '-' || t.p[0] == '+';
    size_t whole = digits_at(t, at), fraction = 0;
    at += whole;
    bool point = at < t.n && t.p[at] == '.';
    if (point) {
        fraction = digits_at(t, ++at);
        at += fraction;
    }
    if (whole + fraction == 0)
        return false;
    bool exponent = at < t.n && (t.p[at] == 'e' || t.p[at] == 'E');
    if (exponent) {
        at++;
        at += at < t.n && (t.p[at] == '-' || t.p[at] == '+');
        size_t n = digits_at(t, at);
        if (n == 0)
            return false;
        at += n;
    }
    return (point || exponent) && at == t.n;
}

enum { EDIT_MAX = 64 };

/* Levenshtein distance; words longer than EDIT_MAX are never near. */
static size_t edit_distance(struct sv a, struct sv b)
{
    size_t row[EDIT_MAX + 1];
    if (a.n > EDIT_MAX || b.n > EDIT_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t replace = diagonal + (a.p[i - 1] != b.p[j - 1]);
            diagonal = row[j];
            row[j] = TC_MIN(replace, TC_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.n];
}

const char *yaml_did_you_mean(struct sv word, const char *const known[])
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (size_t i = 0; known[i] != NULL; i++) {
        size_t distance = edit_distance(word, sv_of(known[i]));
        if (distance < best_distance && distance * 2 < strlen(known[i])) {
            best = known[i];
            best_distance = distance;
        }
    }
    return best;
}

int yaml_check_keys(const struct yaml_node *map, const char *file, const char *const known[], struct err *err)
{
    for (const struct yaml_node *n = map->first; n != NULL; n = n->next) {
        size_t i = 0;
        while (known[i] != NULL && !sv_is(n->key, known[i]))
            i++;
        if (known[i] != NULL)
            continue;
        const char *near = yaml_did_you_mean(n->key, known);
        return err_at(err, TC_EINPUT, file, n->key_line, n->key_column, "unknown key \"%.*s\"%s%s%s",
                      SV_FMT(sv_head(n->key, 100)), near != NULL ? ": did you mean \"" : "",
                      near != NULL ? near : "", near != NULL ? "\"?" : "");
    }
    return 0;
}
