/*
 * The configuration as it may be shown: as it was written, but every secret is <secret>. The schema says what
 * is one, so a field that is new there is masked here, too.
 */
#include "api/alertmanager/server_priv.h"

#include "base/address.h"

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

int am_show_config(struct sv yaml, struct buf *out, struct err *err)
{
    struct arena arena = {0};
    struct yaml_node *root = NULL;
    struct yaml_fault fault;
    buf_init(out, SHOWN_MAX_BYTES);
    int rc = yaml_parse_first(&arena, yaml, &root, &fault, err);
    if (rc == 0 && root != NULL && root->type == YAML_MAP)
        for (const struct yaml_node *child = root->first; child != NULL; child = child->next)
            show_member(child, &am_schema_config, false, 0, &arena, out);
    arena_free(&arena);
    return rc;
}
