/*
 * The configuration as it is in force and may be shown: what was written, what goes without saying (defaults,
 * and what receivers have from `global`), and <secret> for each secret. The schema says what is one, so a
 * field that is new there is masked here, too. Read again, it is the same configuration but for the secrets.
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

/* A word that cannot be read as anything but a text: no number, and none of YAML's names of values. */
static bool is_word(struct sv text)
{
    static const char *const names[] = {"y",  "n",   "yes",  "no",   "true", "false",
                                        "on", "off", "null", ".inf", ".nan"};
    char first = text.n > 0 ? (char)(text.p[0] | 0x20) : '\0';
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++)
        if (sv_eq_nocase(text, sv_of(names[i])))
            return false;
    return first >= 'a' && first <= 'z';
}

static bool is_secret(const struct am_field *field)
{
    return field->kind == AM_KIND_SECRET || field->kind == AM_KIND_SECRET_OR_NONE ||
           field->kind == AM_KIND_SECRET_URL || field->kind == AM_KIND_TEMPLATE_URL;
}

/* Defaults that stay unsaid: amtool reads this strictly, and one that is older than such a field (Debian's is
 * 0.25) would refuse all of it for a word that changes nothing. */
static bool is_unsaid(const struct am_field *field, const struct am_value *value)
{
    static const char *const newer[] = {"slack_app_url", "rocketchat_api_url", "app_url", "smtp_tls_config"};
    for (size_t i = 0; i < TC_ARRAY_LEN(newer); i++)
        if (strcmp(field->name, newer[i]) == 0)
            return !value->given;
    return false;
}

struct showing {
    struct arena *arena;
    struct buf *out;
};

/* --- what is shown as it was written: parts that no table describes, and times --- */

static void show_node(struct showing *s, const struct yaml_node *node, unsigned depth, bool in_list)
{
    if (node->type == YAML_SCALAR) {
        buf_char(s->out, ' ');
        write_text(s->out, address_shown_url(s->arena, node->text), node->quoted);
        buf_char(s->out, '\n');
        return;
    }
    if (node->first == NULL) {
        buf_str(s->out, node->type == YAML_MAP ? " {}\n" : " []\n");
        return;
    }
    buf_char(s->out, in_list && node->type == YAML_MAP ? ' ' : '\n');
    for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
        if (child != node->first || !in_list || node->type == YAML_LIST)
            indent(s->out, depth);
        if (node->type == YAML_LIST) {
            buf_char(s->out, '-');
        } else {
            write_text(s->out, child->key, child->key_quoted);
            buf_char(s->out, ':');
        }
        show_node(s, child, depth + 1, node->type == YAML_LIST);
    }
}

/* --- what the tables describe --- */

static void show_object(struct showing *s, const struct am_object *object, unsigned depth, bool in_list);

static void show_text(struct showing *s, struct sv text, bool secret)
{
    buf_char(s->out, ' ');
    if (secret && text.n > 0)
        buf_str(s->out, "<secret>");
    else
        write_text(s->out, address_shown_url(s->arena, text), !is_word(text));
    buf_char(s->out, '\n');
}

static void show_number(struct showing *s, enum am_kind kind, const struct am_value *value)
{
    buf_char(s->out, ' ');
    if (kind == AM_KIND_BOOL)
        buf_str(s->out, value->number != 0 ? "true" : "false");
    else if (kind == AM_KIND_DURATION)
        prom_duration(s->out, value->number);
    else if (kind == AM_KIND_GO_DURATION || kind == AM_KIND_TEXT_DURATION)
        go_format_duration(s->out, value->number);
    else if (kind == AM_KIND_FLOAT)
        buf_printf(s->out, "%.17g", value->real);
    else
        buf_printf(s->out, "%lld", (long long)value->number);
    buf_char(s->out, '\n');
}

static void show_texts(struct showing *s, const struct am_value *list, unsigned depth, bool secret)
{
    buf_str(s->out, list->count == 0 ? " []\n" : "\n");
    for (size_t i = 0; i < list->count; i++) {
        indent(s->out, depth);
        buf_char(s->out, '-');
        show_text(s, list->items[i].text, secret);
    }
}

static void show_map(struct showing *s, const struct am_field *field, const struct am_value *map,
                     unsigned depth, bool secret)
{
    buf_str(s->out, map->count == 0 ? " {}\n" : "\n");
    for (size_t i = 0; i < map->count; i++) {
        const struct am_value *item = &map->items[i];
        indent(s->out, depth);
        write_text(s->out, item->key, !is_word(item->key));
        buf_char(s->out, ':');
        if (field->kind == AM_KIND_OBJECT_MAP && item->object != NULL)
            show_object(s, item->object, depth + 1, false);
        else if (field->kind == AM_KIND_OBJECT_MAP)
            buf_str(s->out, " null\n");
        else if (field->kind == AM_KIND_STRING_LIST_MAP)
            show_texts(s, item, depth + 1, secret);
        else
            show_text(s, item->text, secret);
    }
}

static void show_objects(struct showing *s, const struct am_value *list, unsigned depth)
{
    buf_str(s->out, list->count == 0 ? " []\n" : "\n");
    for (size_t i = 0; i < list->count; i++) {
        indent(s->out, depth);
        buf_char(s->out, '-');
        if (list->items[i].object == NULL)
            buf_str(s->out, " null\n");
        else
            show_object(s, list->items[i].object, depth + 1, true);
    }
}

/* Behind "key:", to the end of the last line. */
static void show_value(struct showing *s, const struct am_field *field, const struct am_value *value,
                       unsigned depth, bool secret)
{
    switch (field->kind) {
    case AM_KIND_STRINGS:
    case AM_KIND_MATCHERS:
        show_texts(s, value, depth, secret);
        break;
    case AM_KIND_STRING_MAP:
    case AM_KIND_LABEL_MAP:
    case AM_KIND_STRING_LIST_MAP:
    case AM_KIND_OBJECT_MAP:
    case AM_KIND_REGEXP_MAP:
        show_map(s, field, value, depth, secret);
        break;
    case AM_KIND_OBJECT:
    case AM_KIND_STRING_OR_OBJECT:
        show_object(s, value->object, depth, false);
        break;
    case AM_KIND_OBJECTS:
        show_objects(s, value, depth);
        break;
    case AM_KIND_BOOL:
    case AM_KIND_INTEGER:
    case AM_KIND_UNSIGNED:
    case AM_KIND_FLOAT:
    case AM_KIND_DURATION:
    case AM_KIND_GO_DURATION:
    case AM_KIND_TEXT_DURATION:
        show_number(s, field->kind, value);
        break;
    case AM_KIND_ANY:
    case AM_KIND_ANY_MAP:
    case AM_KIND_LOCATION:
    case AM_KIND_TIME_RANGES:
    case AM_KIND_WEEKDAYS:
    case AM_KIND_DAYS_OF_MONTH:
    case AM_KIND_MONTHS:
    case AM_KIND_YEARS:
        show_node(s, value->node, depth, false);
        break;
    default:
        show_text(s, value->text, secret);
    }
}

/* What is given, and what goes without saying where it is not nothing. */
static bool is_shown(const struct am_field *field, const struct am_value *value)
{
    if (is_unsaid(field, value))
        return false;
    switch (field->kind) {
    case AM_KIND_OBJECT:
    case AM_KIND_STRING_OR_OBJECT:
        return value->object != NULL;
    case AM_KIND_ANY:
    case AM_KIND_ANY_MAP:
    case AM_KIND_LOCATION:
    case AM_KIND_TIME_RANGES:
    case AM_KIND_WEEKDAYS:
    case AM_KIND_DAYS_OF_MONTH:
    case AM_KIND_MONTHS:
    case AM_KIND_YEARS:
        return value->given && value->node != NULL;
    default:
        return value->given || value->text.n > 0 || value->number != 0 || value->count > 0 ||
               (field->kind == AM_KIND_BOOL && field->fallback != NULL);
    }
}

static bool has_members(const struct am_object *object)
{
    const struct am_field *fields = object->schema->fields;
    for (size_t i = 0; fields[i].name != NULL; i++)
        if (is_shown(&fields[i], &object->values[i]))
            return true;
    return false;
}

static void show_object(struct showing *s, const struct am_object *object, unsigned depth, bool in_list)
{
    const struct am_field *fields = object->schema->fields;
    bool first = true;
    if (!has_members(object)) {
        buf_str(s->out, " {}\n");
        return;
    }
    buf_char(s->out, in_list ? ' ' : '\n');
    for (size_t i = 0; fields[i].name != NULL; i++) {
        const struct am_value *value = &object->values[i];
        if (!is_shown(&fields[i], value))
            continue;
        bool secret = is_secret(&fields[i]) ||
                      (object->schema == &am_schema_headers && strcmp(fields[i].name, "secrets") == 0);
        if (!first || !in_list)
            indent(s->out, depth);
        first = false;
        buf_printf(s->out, "%s:", fields[i].name);
        show_value(s, &fields[i], value, depth + 1, secret);
    }
}

void am_show_config(const struct am_config *config, struct buf *out)
{
    struct arena arena = {0};
    struct showing s = {&arena, out};
    const struct am_field *fields = config->root->schema->fields;
    buf_init(out, SHOWN_MAX_BYTES);
    for (size_t i = 0; fields[i].name != NULL; i++)
        if (is_shown(&fields[i], &config->root->values[i])) {
            buf_printf(out, "%s:", fields[i].name);
            show_value(&s, &fields[i], &config->root->values[i], 1, false);
        }
    arena_free(&arena);
}
