/*
 * The configuration as it is shown: in the order of the schema, with what was left out as Alertmanager fills
 * it in (defaults, and what receivers take from `global`), and every secret as <secret>. The schema says what
 * is one, so a field that is new there is masked here, too. What was written is shown as it was written, but
 * for durations.
 */
#include "api/alertmanager/server_priv.h"

#include "base/address.h"
#include "metrics/prom_duration.h"
#include "template/go_format.h"

enum { SHOWN_MAX_BYTES = 32 << 20 };

static void indent(struct buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_str(out, "  ");
}

/* A text that YAML reads back as the same: plain where it is surely plain, else as JSON writes it. */
static void write_text(struct buf *out, struct sv text, bool quoted)
{
    bool plain = !quoted && text.n > 0;
    for (size_t i = 0; i < text.n && plain; i++) {
        char c = text.p[i];
        plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                c == '/' ||
                (i > 0 && (c == '.' || c == '-' || c == '+' || c == '@' || c == '<' || c == '>')) ||
                (c == ':' && i + 1 < text.n) || (c == ' ' && i > 0 && text.p[i - 1] != ':' && i + 1 < text.n);
    }
    if (plain || (text.n == 0 && !quoted)) {
        buf_sv(out, text);
        return;
    }
    struct json_out json = json_out_to(out);
    json_string(&json, text);
}

static bool is_secret(const struct am_field *field)
{
    return field->kind == AM_KIND_SECRET || field->kind == AM_KIND_SECRET_OR_NONE ||
           field->kind == AM_KIND_SECRET_URL || field->kind == AM_KIND_TEMPLATE_URL;
}

static void show(const struct yaml_node *node, const struct am_schema *schema, bool secret, unsigned depth,
                 bool in_list, struct arena *arena, struct buf *out);

static const struct am_field *field_of(const struct am_schema *schema, struct sv name)
{
    for (const struct am_field *field = schema == NULL ? NULL : schema->fields;
         field != NULL && field->name != NULL; field++)
        if (sv_is(name, field->name))
            return field;
    return NULL;
}

static void show_member(const struct yaml_node *child, const struct am_schema *schema, bool secret,
                        unsigned depth, struct arena *arena, struct buf *out)
{
    const struct am_field *field = field_of(schema, child->key);
    const struct am_schema *inner = field == NULL ? NULL : field->schema;
    bool hidden = secret || (field != NULL && (is_secret(field) || (schema == &am_schema_headers &&
                                                                    strcmp(field->name, "secrets") == 0)));
    write_text(out, child->key, child->key_quoted);
    buf_char(out, ':');
    if (field != NULL && field->kind == AM_KIND_OBJECT_MAP && child->type == YAML_MAP &&
        child->first != NULL) {
        buf_char(out, '\n');
        for (const struct yaml_node *item = child->first; item != NULL; item = item->next) {
            indent(out, depth + 1);
            write_text(out, item->key, item->key_quoted);
            buf_char(out, ':');
            show(item, inner, hidden, depth + 2, false, arena, out);
        }
        return;
    }
    show(child, inner, hidden, depth + 1, false, arena, out);
}

/* What stands behind "key:" or "-", up to the end of its last line. */
static void show(const struct yaml_node *node, const struct am_schema *schema, bool secret, unsigned depth,
                 bool in_list, struct arena *arena, struct buf *out)
{
    if (node->type == YAML_SCALAR) {
        buf_char(out, ' ');
        if (secret && node->text.n > 0)
            buf_str(out, "<secret>");
        else
            write_text(out, address_shown_url(arena, node->text), node->quoted);
        buf_char(out, '\n');
    } else if (node->first == NULL) {
        buf_str(out, node->type == YAML_MAP ? " {}\n" : " []\n");
    } else if (node->type == YAML_MAP) {
        buf_char(out, in_list ? ' ' : '\n');
        for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
            if (child != node->first || !in_list)
                indent(out, depth);
            show_member(child, schema, secret, depth, arena, out);
        }
    } else {
        buf_char(out, '\n');
        for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
            indent(out, depth);
            buf_char(out, '-');
            show(child, schema, secret, depth + 1, true, arena, out);
        }
    }
}

/* --- what was left out --- */

/* Members that Alertmanager shows even where they are zero. */
static bool is_always_shown(const char *name)
{
    static const char *const names[] = {
        "continue",         "send_resolved",   "short_fields", "link_names",           "update_message",
        "timeout",          "max_alerts",      "url_file",     "message_type",         "state_message",
        "routing_key",      "room_id",         "enable_http2", "insecure_skip_verify", "templates",
        "follow_redirects", "smtp_require_tls"};
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_zero(const struct am_value *value)
{
    return value->text.n == 0 && value->number == 0 && value->real == 0 && value->object == NULL &&
           value->count == 0;
}

/* Shown in their canonical form however they were written: 90s is 1m30s. */
static bool is_duration(enum am_kind kind)
{
    return kind == AM_KIND_DURATION || kind == AM_KIND_GO_DURATION || kind == AM_KIND_TEXT_DURATION;
}

/* Behind "key:"; a value of a kind that has a text or a number. */
static void show_plain(const struct am_value *value, const struct am_field *field, struct arena *arena,
                       struct buf *out)
{
    buf_char(out, ' ');
    switch (field->kind) {
    case AM_KIND_BOOL:
        buf_str(out, value->number != 0 ? "true" : "false");
        break;
    case AM_KIND_INTEGER:
    case AM_KIND_UNSIGNED:
        buf_printf(out, "%lld", (long long)value->number);
        break;
    case AM_KIND_DURATION:
        prom_duration(out, value->number);
        break;
    case AM_KIND_GO_DURATION:
    case AM_KIND_TEXT_DURATION:
        go_format_duration(out, value->number);
        break;
    default:
        if (is_secret(field))
            buf_str(out, "<secret>");
        else
            write_text(out, address_shown_url(arena, value->text), value->text.n == 0);
    }
    buf_char(out, '\n');
}

static void show_pairs(const struct am_value *value, unsigned depth, struct buf *out)
{
    buf_char(out, '\n');
    for (size_t i = 0; i < value->count; i++) {
        indent(out, depth + 1);
        write_text(out, value->items[i].key, false);
        buf_str(out, ": ");
        write_text(out, value->items[i].text, true);
        buf_char(out, '\n');
    }
}

static const struct yaml_node *member_of(const struct yaml_node *map, const char *name)
{
    const struct yaml_node *child = map == NULL || map->type != YAML_MAP ? NULL : map->first;
    while (child != NULL && !sv_is(child->key, name))
        child = child->next;
    return child;
}

static void show_object(const struct am_object *object, const struct yaml_node *node, unsigned depth,
                        bool in_list, struct arena *arena, struct buf *out);

/* "key:" has been written. */
static void show_objects(const struct am_value *value, const struct yaml_node *node, unsigned depth,
                         struct arena *arena, struct buf *out)
{
    const struct yaml_node *item = node == NULL || node->type != YAML_LIST ? NULL : node->first;
    buf_char(out, '\n');
    for (size_t i = 0; i < value->count; i++) {
        indent(out, depth + 1);
        buf_char(out, '-');
        if (value->items[i].object != NULL)
            show_object(value->items[i].object, item, depth + 2, true, arena, out);
        else
            buf_str(out, " null\n");
        item = item == NULL ? NULL : item->next;
    }
}

/* False: there is nothing to show. */
static bool show_value(const struct am_value *value, const struct am_schema *schema, size_t at,
                       const struct yaml_node *node, unsigned depth, struct arena *arena, struct buf *out)
{
    const struct am_field *field = &schema->fields[at];
    bool written = node != NULL && !(node->type == YAML_SCALAR && node->text.n == 0 && !node->quoted);
    if (!written && is_zero(value) && !is_always_shown(field->name))
        return false;
    if (field->kind == AM_KIND_OBJECT && value->object != NULL) {
        buf_printf(out, "%s:", field->name);
        show_object(value->object, node, depth + 1, false, arena, out);
    } else if (field->kind == AM_KIND_OBJECTS && value->count > 0) {
        buf_printf(out, "%s:", field->name);
        show_objects(value, node, depth, arena, out);
    } else if (written && !is_duration(field->kind)) {
        show_member(node, schema, false, depth, arena, out);
    } else if (field->kind == AM_KIND_STRINGS && value->count == 0) {
        buf_printf(out, "%s: []\n", field->name);
    } else if (field->kind == AM_KIND_STRING_MAP || field->kind == AM_KIND_LABEL_MAP) {
        buf_printf(out, "%s:", field->name);
        show_pairs(value, depth, out);
    } else if (field->kind <= AM_KIND_TRACING_CLIENT) {
        buf_printf(out, "%s:", field->name);
        show_plain(value, field, arena, out);
    } else {
        return false; /* no default is of another kind */
    }
    return true;
}

/* The members of an object, behind "key:" or "-". */
static void show_object(const struct am_object *object, const struct yaml_node *node, unsigned depth,
                        bool in_list, struct arena *arena, struct buf *out)
{
    const struct am_field *field = object->schema->fields;
    size_t start = out->n;
    buf_char(out, in_list ? ' ' : '\n');
    bool any = false;
    for (size_t i = 0; field[i].name != NULL; i++) {
        size_t before = out->n;
        if (any || !in_list)
            indent(out, depth);
        if (show_value(&object->values[i], object->schema, i, member_of(node, field[i].name), depth, arena,
                       out))
            any = true;
        else
            out->n = before;
    }
    if (!any) {
        out->n = start;
        buf_str(out, " {}\n");
    }
}

int am_show_config(const struct am_config *config, struct sv yaml, struct buf *out, struct err *err)
{
    struct arena arena = {0};
    struct yaml_node *root = NULL;
    struct yaml_fault fault;
    buf_init(out, SHOWN_MAX_BYTES);
    int rc = yaml_parse_first(&arena, yaml, &root, &fault, err);
    const struct am_schema *schema = config->root->schema;
    for (size_t i = 0; rc == 0 && schema->fields[i].name != NULL; i++) {
        struct am_value value = config->root->values[i];
        if (schema->fields[i].schema == &am_schema_global && value.object == NULL)
            value.object = (struct am_object *)(uintptr_t)config->global; /* only looked at */
        (void)show_value(&value, schema, i, member_of(root, schema->fields[i].name), 0, &arena, out);
    }
    arena_free(&arena);
    return rc;
}
