/*
 * Filling objects from a YAML tree by their schemas; see decode.h. One function reads one kind of value, and
 * a table says which.
 */
#include "alert/alertmanager/config_priv.h"

#include "alert/alertmanager/go_values.h"
#include "alert/alertmanager/matcher_priv.h"
#include "base/clk.h"
#include "base/map.h"
#include "template/go_format.h"
#include "template/template.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { VALUES_MAX = 1000000, DEPTH_MAX = 100, COMPLAINTS_MAX_BYTES = 65536, WARNINGS_MAX = 1000 };
/* What readers answer beside a negative error: the value is filled, or a complaint was collected. */
enum { GOOD = 0, COMPLAINED = 1 };

typedef int read_fn(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                    struct am_value *ret);

struct kind_reader {
    const char *go_type; /* what a complaint names; NULL: the field's own */
    read_fn *read;
};
static const struct kind_reader readers[AM_KINDS];

/* --- plain scalars, as YAML 1.1 of Go's resolves them --- */

enum scalar_class { SCALAR_NULL, SCALAR_BOOL, SCALAR_INT, SCALAR_UINT, SCALAR_FLOAT, SCALAR_STRING };

struct scalar {
    enum scalar_class class;
    int64_t integer; /* or 0, 1 */
    uint64_t uinteger;
    double real;
};

static bool is_word(struct sv text, const char *const words[])
{
    for (size_t i = 0; words[i] != NULL; i++)
        if (sv_is(text, words[i]))
            return true;
    return false;
}

static bool is_number_text(struct sv text)
{
    struct yaml_node as_node = {.type = YAML_SCALAR, .text = text};
    return yaml_is_integer(&as_node) || yaml_is_float(&as_node);
}

static bool resolve_number(struct sv text, struct scalar *ret)
{
    char plain[128];
    size_t n = 0;
    if (text.n >= sizeof plain || strchr("0123456789+-.", text.p[0]) == NULL)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '_')
            plain[n++] = text.p[i];
    struct sv digits = sv_make(plain, n);
    struct sv whole = sv_from(digits, n > 0 && plain[0] == '+');
    if (go_parse_int(whole, &ret->integer)) {
        ret->class = SCALAR_INT;
        return true;
    }
    if (!is_number_text(digits) || !go_parse_float(digits, &ret->real))
        return false;
    ret->class = SCALAR_FLOAT;
    if (ret->real >= 9223372036854775808.0 && ret->real < 18446744073709551616.0 &&
        sv_find_char(digits, '.') == n) {
        ret->class = SCALAR_UINT;
        ret->uinteger = (uint64_t)ret->real;
    }
    return true;
}

static struct scalar resolve(const struct yaml_node *node)
{
    static const char *const yes[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON",  NULL};
    static const char *const no[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};
    static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
    static const char *const infinite[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
                                           "+.INF", "-.inf", "-.Inf", "-.INF", NULL};
    struct scalar got = {.class = SCALAR_STRING};
    if (node->quoted)
        return got;
    if (yaml_is_null(node)) {
        got.class = SCALAR_NULL;
    } else if (is_word(node->text, yes) || is_word(node->text, no)) {
        got.class = SCALAR_BOOL;
        got.integer = is_word(node->text, yes);
    } else if (is_word(node->text, nan) || is_word(node->text, infinite)) {
        got.class = SCALAR_FLOAT;
        got.real = is_word(node->text, nan) ? (double)NAN : (double)INFINITY;
    } else {
        (void)resolve_number(node->text, &got);
    }
    return got;
}

/* --- complaints --- */

static int complain(struct am_decoder *d, unsigned line, const char *format, ...) TC_PRINTF(3, 4);

static int complain(struct am_decoder *d, unsigned line, const char *format, ...)
{
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    d->complaint_count++;
    buf_printf(&d->complaints, "\n  line %u: %s", line, text);
    return COMPLAINED;
}

/* "cannot unmarshal !!str `x` into []string" */
static int wrong_type(struct am_decoder *d, const struct yaml_node *node, const char *go_type)
{
    static const char *const tags[] = {"!!null", "!!bool", "!!int", "!!int", "!!float", "!!str"};
    if (node->type != YAML_SCALAR)
        return complain(d, node->line, "cannot unmarshal %s into %s",
                        node->type == YAML_MAP ? "!!map" : "!!seq", go_type);
    bool cut = node->text.n > 10;
    return complain(d, node->line, "cannot unmarshal %s `%.*s%s` into %s", tags[resolve(node).class],
                    SV_FMT(sv_head(node->text, cut ? 7 : 10)), cut ? "..." : "", go_type);
}

static int field_type_wrong(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node)
{
    const char *own = readers[field->kind].go_type;
    return wrong_type(d, node, field->go_type != NULL ? field->go_type : own);
}

static int quoted_error(struct err *err, const char *before, struct sv text, const char *after)
{
    struct buf words;
    buf_init(&words, 4096);
    buf_str(&words, before);
    go_quote(&words, sv_head(text, 512));
    buf_str(&words, after);
    int rc = err_set(err, TC_EINPUT, "%.*s", SV_FMT(buf_view(&words)));
    buf_free(&words);
    return rc;
}

static int count_value(struct am_decoder *d)
{
    if (++d->values > VALUES_MAX)
        return err_set(d->err, TC_EBOUND, "yaml: document contains excessive aliasing");
    return 0;
}

static bool is_null(const struct yaml_node *node)
{
    return node->type == YAML_SCALAR && yaml_is_null(node);
}

/* --- kinds of one scalar --- */

static int read_text(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                     struct am_value *ret)
{
    if (node->type != YAML_SCALAR)
        return field_type_wrong(d, field, node);
    ret->text = node->text;
    return GOOD;
}

static int read_bool(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                     struct am_value *ret)
{
    struct scalar scalar = {.class = SCALAR_STRING};
    if (node->type == YAML_SCALAR)
        scalar = resolve(node);
    if (scalar.class != SCALAR_BOOL)
        return field_type_wrong(d, field, node);
    ret->number = scalar.integer;
    return GOOD;
}

static int read_number(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                       struct am_value *ret)
{
    struct scalar scalar = {.class = SCALAR_STRING};
    bool is_unsigned = field->kind == AM_KIND_UNSIGNED;
    if (node->type == YAML_SCALAR)
        scalar = resolve(node);
    if (scalar.class == SCALAR_INT && (scalar.integer >= 0 || !is_unsigned))
        ret->number = scalar.integer;
    else if (scalar.class == SCALAR_UINT && is_unsigned)
        ret->number = INT64_MAX;
    else if (scalar.class == SCALAR_FLOAT && fabs(scalar.real) < 9.2e18 && (scalar.real >= 0 || !is_unsigned))
        ret->number = (int64_t)scalar.real;
    else if (field->kind == AM_KIND_GO_DURATION && scalar.class == SCALAR_STRING &&
             node->type == YAML_SCALAR && go_duration_parse(node->text, &ret->number, NULL) == 0)
        return GOOD;
    else
        return field_type_wrong(d, field, node);
    return GOOD;
}

static int read_float(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                      struct am_value *ret)
{
    struct scalar scalar = {.class = SCALAR_STRING};
    if (node->type == YAML_SCALAR)
        scalar = resolve(node);
    if (scalar.class == SCALAR_INT)
        ret->real = (double)scalar.integer;
    else if (scalar.class == SCALAR_UINT || scalar.class == SCALAR_FLOAT)
        ret->real = scalar.class == SCALAR_UINT ? (double)scalar.uinteger : scalar.real;
    else
        return field_type_wrong(d, field, node);
    return GOOD;
}

static int read_duration(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                         struct am_value *ret)
{
    if (node->type != YAML_SCALAR)
        return field_type_wrong(d, field, node);
    return prometheus_duration_parse(node->text, &ret->number, d->err);
}

static int read_text_duration(struct am_decoder *d, const struct am_field *field,
                              const struct yaml_node *node, struct am_value *ret)
{
    if (node->type != YAML_SCALAR)
        return field_type_wrong(d, field, node);
    return go_duration_parse(node->text, &ret->number, d->err);
}

static int read_url(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                    struct am_value *ret)
{
    struct go_url url;
    int rc = read_text(d, field, node, ret);
    if (rc != GOOD || (field->kind == AM_KIND_SECRET_URL && sv_is(ret->text, "<secret>")))
        return rc;
    if (field->kind == AM_KIND_ANY_URL)
        return go_url_parse(ret->text, true, &url, d->err); /* a proxy's may bear a password */
    return go_http_url_parse(ret->text, field->kind == AM_KIND_SECRET_URL, d->err);
}

static int read_template_url(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                             struct am_value *ret)
{
    bool templated;
    int rc = read_text(d, field, node, ret);
    if (rc != GOOD || ret->text.n == 0 || sv_is(ret->text, "<secret>"))
        return rc;
    if (am_check_template(ret->text, &templated, d->err) != 0)
        return err_while(d->err, "invalid template syntax");
    if (!templated && go_http_url_parse(ret->text, true, d->err) != 0)
        return err_while(d->err, "invalid URL");
    return GOOD;
}

static int read_host_port(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                          struct am_value *ret)
{
    int rc = read_text(d, field, node, ret);
    return rc != GOOD || ret->text.n == 0 ? rc : go_host_port_parse(ret->text, d->err);
}

static int read_tls_version(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                            struct am_value *ret)
{
    int rc = read_text(d, field, node, ret);
    if (rc != GOOD || is_word(ret->text, (const char *const[]){"TLS10", "TLS11", "TLS12", "TLS13", NULL}))
        return rc;
    return err_set(d->err, TC_EINPUT, "unknown TLS version: %.*s", SV_FMT(sv_head(ret->text, 200)));
}

static int read_tracing_client(struct am_decoder *d, const struct am_field *field,
                               const struct yaml_node *node, struct am_value *ret)
{
    int rc = read_text(d, field, node, ret);
    if (rc != GOOD || sv_is(ret->text, "http") || sv_is(ret->text, "grpc"))
        return rc;
    return err_set(d->err, TC_EINPUT, "expected tracing client type to be to be http or grpc, but got %.*s",
                   SV_FMT(sv_head(ret->text, 200)));
}

static int read_location(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                         struct am_value *ret)
{
    int rc = read_text(d, field, node, ret);
    return rc != GOOD ? rc : am_location_parse(ret->text, &ret->zone, d->err);
}

/* --- lists and maps --- */

static const struct am_field string_item = {.name = "", .kind = AM_KIND_STRING};
static const struct am_field strings_item = {.name = "", .kind = AM_KIND_STRINGS};
static const struct am_field label_item = {.name = "", .kind = AM_KIND_STRING, .go_type = "model.LabelValue"};
static const struct am_field regexp_item = {.name = "", .kind = AM_KIND_STRING};

/* One value of a list or map; null is the zero value. */
static int read_item(struct am_decoder *d, const struct am_field *field, read_fn *read,
                     const struct yaml_node *node, struct am_value *ret)
{
    *ret = (struct am_value){.node = node};
    int rc = count_value(d);
    if (rc != 0 || is_null(node))
        return rc;
    ret->given = true;
    return read(d, field, node, ret);
}

static int read_list(struct am_decoder *d, const struct am_field *field, const struct am_field *item,
                     read_fn *read, const struct yaml_node *node, struct am_value *ret)
{
    if (node->type != YAML_LIST)
        return field_type_wrong(d, field, node);
    int worst = GOOD;
    ret->items = ARENA_ARRAY(d->arena, struct am_value, node->count + 1);
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        int rc = read_item(d, item, read, n, &ret->items[ret->count]);
        if (rc < 0)
            return rc;
        worst = TC_MAX(worst, rc);
        ret->count += rc == GOOD;
    }
    return worst;
}

static int read_strings(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                        struct am_value *ret)
{
    return read_list(d, field, &string_item, read_text, node, ret);
}

/* `merged`: the entry comes by way of "<<". */
typedef int entry_fn(struct am_decoder *d, const struct yaml_node *entry, bool merged, void *context);

static int each_entry(struct am_decoder *d, const struct yaml_node *map, bool merged, entry_fn *each,
                      void *context);

static bool is_merge(const struct yaml_node *entry)
{
    return entry->complex_key == NULL && !entry->key_quoted && sv_is(entry->key, "<<");
}

/* What "<<" names: a map, or a list of maps, of which the first one holds and so is read last. */
static int merge(struct am_decoder *d, const struct yaml_node *value, entry_fn *each, void *context)
{
    static const char problem[] = "yaml: map merge requires map or sequence of maps as the value";
    if (value->type == YAML_MAP)
        return each_entry(d, value, true, each, context);
    if (value->type == YAML_SCALAR)
        return err_set(d->err, TC_EINPUT, "%s", problem);
    const struct yaml_node **maps = ARENA_ARRAY(d->arena, const struct yaml_node *, value->count + 1);
    size_t count = 0;
    int worst = GOOD;
    for (const struct yaml_node *n = value->first; n != NULL; n = n->next)
        maps[count++] = n;
    while (count-- > 0) {
        int rc = maps[count]->type == YAML_MAP ? each_entry(d, maps[count], true, each, context)
                                               : err_set(d->err, TC_EINPUT, "%s", problem);
        if (rc < 0)
            return rc;
        worst = TC_MAX(worst, rc);
    }
    return worst;
}

/* The entries of a map in order, with those that it merges at their place. */
static int each_entry(struct am_decoder *d, const struct yaml_node *map, bool merged, entry_fn *each,
                      void *context)
{
    int worst = GOOD;
    if (++d->depth > DEPTH_MAX)
        return err_set(d->err, TC_EBOUND, "yaml: nested deeper than %d levels", DEPTH_MAX);
    for (const struct yaml_node *n = map->first; n != NULL; n = n->next) {
        int rc = count_value(d);
        if (rc == 0 && n->complex_key != NULL)
            rc = wrong_type(d, n->complex_key, "string");
        else if (rc == 0)
            rc = is_merge(n) ? merge(d, n, each, context) : each(d, n, merged, context);
        if (rc < 0)
            return rc;
        worst = TC_MAX(worst, rc);
    }
    d->depth--;
    return worst;
}

static size_t count_entries(const struct yaml_node *map, unsigned depth)
{
    size_t count = map->count;
    for (const struct yaml_node *n = map->first; n != NULL && depth < DEPTH_MAX; n = n->next) {
        if (is_merge(n) && n->type == YAML_MAP)
            count += count_entries(n, depth + 1);
        for (const struct yaml_node *m = is_merge(n) && n->type == YAML_LIST ? n->first : NULL; m != NULL;
             m = m->next)
            count += m->type == YAML_MAP ? count_entries(m, depth + 1) : 0;
        if (count > VALUES_MAX)
            break;
    }
    return TC_MIN(count, (size_t)VALUES_MAX + 1);
}

struct map_reading {
    const struct am_field *item;
    read_fn *read;
    bool label_names;
    struct am_value *ret;
    struct map seen; /* keys */
};

static int read_entry(struct am_decoder *d, const struct yaml_node *entry, bool merged, void *context)
{
    struct map_reading *reading = context;
    struct am_value value;
    bool is_new;
    (void)merged; /* a key that stands here and comes by merging, too, stands twice */
    if (reading->label_names && !am_label_name_valid(AM_MATCHERS_UTF8, entry->key))
        return quoted_error(d->err, "", entry->key, " is not a valid label name");
    int rc = read_item(d, reading->item, reading->read, entry, &value);
    if (rc != GOOD)
        return rc;
    value.key = entry->key;
    if (map_put(&reading->seen, entry->key, &is_new) == NULL)
        return err_set(d->err, TC_EBOUND, "yaml: too many keys in one map");
    if (!is_new) {
        struct buf words;
        buf_init(&words, 1024);
        go_quote(&words, sv_head(entry->key, 200));
        rc = complain(d, entry->line, "key %.*s already set in map", SV_FMT(buf_view(&words)));
        buf_free(&words);
        return rc;
    }
    reading->ret->items[reading->ret->count++] = value;
    return GOOD;
}

static int read_map(struct am_decoder *d, const struct am_field *field, const struct am_field *item,
                    read_fn *read, const struct yaml_node *node, struct am_value *ret)
{
    if (node->type != YAML_MAP)
        return field_type_wrong(d, field, node);
    struct map_reading reading = {item, read, field->kind == AM_KIND_LABEL_MAP, ret, {0}};
    ret->items = ARENA_ARRAY(d->arena, struct am_value, count_entries(node, 0) + 1);
    map_init(&reading.seen, VALUES_MAX);
    int rc = each_entry(d, node, false, read_entry, &reading);
    map_free(&reading.seen);
    return rc;
}

static int read_string_map(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                           struct am_value *ret)
{
    const struct am_field *item = field->kind == AM_KIND_LABEL_MAP ? &label_item : &string_item;
    return read_map(d, field, item, read_text, node, ret);
}

static int read_string_list_map(struct am_decoder *d, const struct am_field *field,
                                const struct yaml_node *node, struct am_value *ret)
{
    return read_map(d, field, &strings_item, read_strings, node, ret);
}

/* Anything: only keys that stand twice are wrong. */
static int read_any(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                    struct am_value *ret)
{
    if (node->type == YAML_MAP) {
        struct am_value map = {0};
        int rc = read_map(d, field, field, read_any, node, &map);
        ret->count = map.count;
        return rc;
    }
    int rc = GOOD;
    if (++d->depth > DEPTH_MAX)
        return err_set(d->err, TC_EBOUND, "yaml: nested deeper than %d levels", DEPTH_MAX);
    for (const struct yaml_node *n = node->type == YAML_LIST ? node->first : NULL; n != NULL; n = n->next) {
        struct am_value item;
        int one = read_item(d, field, read_any, n, &item);
        if (one < 0)
            return one;
        rc = TC_MAX(rc, one);
    }
    d->depth--;
    return rc;
}

static int read_any_map(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                        struct am_value *ret)
{
    return node->type == YAML_MAP ? read_any(d, field, node, ret) : field_type_wrong(d, field, node);
}

/* --- objects --- */

static void set_default(struct arena *arena, const struct am_field *field, struct am_value *value)
{
    if (field->fallback == NULL)
        return;
    struct yaml_node written = {.type = YAML_SCALAR, .text = sv_of(field->fallback)};
    struct scalar scalar = resolve(&written);
    switch (field->kind) {
    case AM_KIND_BOOL:
        value->number = scalar.integer;
        break;
    case AM_KIND_DURATION:
    case AM_KIND_TEXT_DURATION:
        tc_assert(prometheus_duration_parse(written.text, &value->number, NULL) == 0);
        break;
    case AM_KIND_STRING_OR_OBJECT:
        value->object = am_object_new(arena, field->schema);
        value->object->values[0].text = written.text;
        break;
    default:
        value->text = written.text;
    }
}

struct am_object *am_object_new(struct arena *arena, const struct am_schema *schema)
{
    struct am_object *object = ARENA_NEW(arena, struct am_object);
    size_t count = 0;
    while (schema->fields[count].name != NULL)
        count++;
    object->schema = schema;
    object->values = ARENA_ARRAY(arena, struct am_value, count + 1);
    for (size_t i = 0; i < count; i++)
        set_default(arena, &schema->fields[i], &object->values[i]);
    return object;
}

enum { FIELDS_MAX = 64 };

struct object_reading {
    struct am_object *object;
    bool done[FIELDS_MAX];
};

static int read_field(struct am_decoder *d, const struct yaml_node *entry, bool merged, void *context)
{
    struct object_reading *reading = context;
    const struct am_schema *schema = reading->object->schema;
    size_t i = 0;
    while (schema->fields[i].name != NULL && !sv_is(entry->key, schema->fields[i].name))
        i++;
    const struct am_field *field = &schema->fields[i];
    if (field->name == NULL)
        return complain(d, entry->key_line, "field %.*s not found in type %s",
                        SV_FMT(sv_head(entry->key, 200)), schema->go_type);
    tc_assert(i < FIELDS_MAX);
    if (reading->done[i] && !merged)
        return complain(d, entry->key_line, "field %s already set in type %s", field->name, schema->go_type);
    reading->done[i] = reading->done[i] || !merged; /* what is merged may be overwritten */
    return read_item(d, field, readers[field->kind].read, entry, &reading->object->values[i]);
}

static int read_object_of(struct am_decoder *d, const struct am_schema *schema, const struct yaml_node *node,
                          struct am_object **ret)
{
    if (node->type != YAML_MAP)
        return wrong_type(d, node, schema->go_type);
    struct object_reading reading = {.object = am_object_new(d->arena, schema)};
    size_t before = d->complaint_count;
    reading.object->line = node->line;
    int rc = each_entry(d, node, false, read_field, &reading);
    if (rc < 0)
        return rc;
    if (d->complaint_count > before)
        return COMPLAINED;
    *ret = reading.object;
    return am_object_check(d, reading.object, d->err);
}

static int read_object(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                       struct am_value *ret)
{
    return read_object_of(d, field->schema, node, &ret->object);
}

static int read_string_or_object(struct am_decoder *d, const struct am_field *field,
                                 const struct yaml_node *node, struct am_value *ret)
{
    if (node->type != YAML_SCALAR)
        return read_object(d, field, node, ret);
    ret->object = am_object_new(d->arena, field->schema);
    ret->object->line = node->line;
    ret->object->values[0].text = node->text;
    return GOOD;
}

static int read_objects(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                        struct am_value *ret)
{
    return read_list(d, field, field, read_object, node, ret);
}

static int read_object_map(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                           struct am_value *ret)
{
    return read_map(d, field, field, read_object, node, ret);
}

/* --- matchers and times --- */

static void warn(struct am_decoder *d, unsigned line, const char *text)
{
    if (d->warning_count++ >= WARNINGS_MAX)
        return;
    struct am_warning *warning = ARENA_NEW(d->arena, struct am_warning);
    *warning = (struct am_warning){NULL, line, text};
    *d->warnings_tail = warning;
    d->warnings_tail = &warning->next;
}

static int read_matchers(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                         struct am_value *ret)
{
    int rc = read_strings(d, field, node, ret);
    for (size_t i = 0; i < ret->count && rc == GOOD; i++) {
        struct am_matchers line = {0};
        const char *warning;
        rc = am_matchers_parse(d->pool, d->mode, ret->items[i].text, &line, &warning, d->err);
        if (rc == GOOD && warning != NULL)
            warn(d, ret->items[i].node->line, warning);
        for (size_t k = 0; k < line.count && rc == GOOD; k++)
            rc = am_matchers_add(d->pool, &ret->matchers, line.items[k], d->err);
    }
    am_matchers_sort(&ret->matchers);
    return rc;
}

/* The older way to say =~; a matcher's value is the whole expression there. */
static int read_regexp(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                       struct am_value *ret)
{
    struct am_matcher *matcher = ARENA_NEW(d->arena, struct am_matcher);
    int rc = read_text(d, field, node, ret);
    if (rc != GOOD)
        return rc;
    rc = am_matcher_make(d->pool, AM_REGEXP, node->key, ret->text, matcher, d->err);
    matcher->value = arena_printf(d->arena, "^(?:%.*s)$", SV_FMT(ret->text));
    ret->matchers = (struct am_matchers){matcher, 1};
    return rc;
}

static int read_regexp_map(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                           struct am_value *ret)
{
    size_t before = d->complaint_count;
    int rc = read_map(d, field, &regexp_item, read_regexp, node, ret);
    if (rc < 0 || d->complaint_count > before)
        return rc;
    for (size_t i = 0; i < ret->count && rc == GOOD; i++) {
        if (!am_label_name_is_classic(ret->items[i].key))
            return quoted_error(d->err, "invalid label name ", ret->items[i].key, "");
        if (ret->items[i].matchers.count == 0)
            return quoted_error(d->err, "invalid regexp value for ", ret->items[i].key, "");
        rc = am_matchers_add(d->pool, &ret->matchers, ret->items[i].matchers.items[0], d->err);
    }
    return rc;
}

static int read_range(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                      struct am_value *ret)
{
    static const struct am_field text = {.name = "",
                                         .kind = AM_KIND_LOCATION}; /* a complaint says "string" */
    struct am_range *range = ARENA_NEW(d->arena, struct am_range);
    enum am_time_part part = AM_WEEKDAYS + (enum am_time_part)(field->kind - AM_KIND_WEEKDAYS);
    int rc = read_text(d, &text, node, ret);
    ret->ranges = (struct am_ranges){true, range, 1};
    return rc != GOOD ? rc : am_range_parse(part, ret->text, range, d->err);
}

static const struct am_field time_range_fields[] = {
    {.name = "start_time", .kind = AM_KIND_STRING}, {.name = "end_time", .kind = AM_KIND_STRING}, {0}};
static const struct am_schema time_range = {"timeinterval.yamlTimeRange", time_range_fields, NULL};

static int read_time_range(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                           struct am_value *ret)
{
    struct am_range *range = ARENA_NEW(d->arena, struct am_range);
    struct am_object *object = NULL;
    (void)field;
    int rc = read_object_of(d, &time_range, node, &object);
    ret->ranges = (struct am_ranges){true, range, 1};
    return rc != GOOD ? rc
                      : am_time_range_parse(am_get_text(object, "start_time"),
                                            am_get_text(object, "end_time"), range, d->err);
}

static int read_ranges(struct am_decoder *d, const struct am_field *field, const struct yaml_node *node,
                       struct am_value *ret)
{
    int rc = read_list(d, field, field, field->kind == AM_KIND_TIME_RANGES ? read_time_range : read_range,
                       node, ret);
    ret->ranges =
        (struct am_ranges){true, ARENA_ARRAY(d->arena, struct am_range, ret->count + 1), ret->count};
    for (size_t i = 0; i < ret->count; i++)
        if (ret->items[i].ranges.count > 0) /* null is 0:0 */
            ret->ranges.items[i] = ret->items[i].ranges.items[0];
    return rc;
}

/* --- the table --- */

static const struct kind_reader readers[AM_KINDS] = {
    [AM_KIND_STRING] = {"string", read_text},
    [AM_KIND_SECRET] = {"config.plain", read_text},
    [AM_KIND_SECRET_OR_NONE] = {"config.plain", read_text},
    [AM_KIND_BOOL] = {"bool", read_bool},
    [AM_KIND_INTEGER] = {"int", read_number},
    [AM_KIND_UNSIGNED] = {"uint64", read_number},
    [AM_KIND_FLOAT] = {"float64", read_float},
    [AM_KIND_DURATION] = {"string", read_duration},
    [AM_KIND_GO_DURATION] = {"time.Duration", read_number},
    [AM_KIND_TEXT_DURATION] = {"pushover.duration", read_text_duration},
    [AM_KIND_URL] = {"string", read_url},
    [AM_KIND_SECRET_URL] = {"string", read_url},
    [AM_KIND_TEMPLATE_URL] = {"common.plain", read_template_url},
    [AM_KIND_ANY_URL] = {"string", read_url},
    [AM_KIND_HOST_PORT] = {"string", read_host_port},
    [AM_KIND_TLS_VERSION] = {"string", read_tls_version},
    [AM_KIND_TRACING_CLIENT] = {"tracing.plain", read_tracing_client},
    [AM_KIND_STRINGS] = {"[]string", read_strings},
    [AM_KIND_STRING_MAP] = {"map[string]string", read_string_map},
    [AM_KIND_LABEL_MAP] = {"model.LabelSet", read_string_map},
    [AM_KIND_STRING_LIST_MAP] = {"config.ProxyHeader", read_string_list_map},
    [AM_KIND_ANY] = {"interface {}", read_any},
    [AM_KIND_ANY_MAP] = {"map[string]interface {}", read_any_map},
    [AM_KIND_OBJECT] = {NULL, read_object},
    [AM_KIND_STRING_OR_OBJECT] = {NULL, read_string_or_object},
    [AM_KIND_OBJECTS] = {NULL, read_objects},
    [AM_KIND_OBJECT_MAP] = {NULL, read_object_map},
    [AM_KIND_REGEXP_MAP] = {"common.plain", read_regexp_map},
    [AM_KIND_MATCHERS] = {"[]string", read_matchers},
    [AM_KIND_LOCATION] = {"string", read_location},
    [AM_KIND_TIME_RANGES] = {"[]timeinterval.TimeRange", read_ranges},
    [AM_KIND_WEEKDAYS] = {"[]timeinterval.WeekdayRange", read_ranges},
    [AM_KIND_DAYS_OF_MONTH] = {"[]timeinterval.DayOfMonthRange", read_ranges},
    [AM_KIND_MONTHS] = {"[]timeinterval.MonthRange", read_ranges},
    [AM_KIND_YEARS] = {"[]timeinterval.YearRange", read_ranges},
};

int am_decode(struct am_pool *pool, enum am_matcher_mode mode, const struct yaml_node *root,
              const struct am_schema *schema, struct am_object **ret, struct am_warning **ret_warnings,
              struct err *err)
{
    struct err own = {0};
    struct am_decoder d = {.arena = &pool->arena, .pool = pool, .mode = mode, .err = &own};
    struct am_object *object = NULL;
    d.warnings_tail = &d.warnings;
    buf_init(&d.complaints, COMPLAINTS_MAX_BYTES);
    int rc = root == NULL ? GOOD : read_object_of(&d, schema, root, &object);
    if (rc == COMPLAINED)
        rc = err_set(&own, TC_EINPUT, "yaml: unmarshal errors:%.*s",
                     SV_FMT(sv_head(buf_view(&d.complaints), 900)));
    buf_free(&d.complaints);
    if (rc != 0) {
        if (err != NULL)
            *err = own;
        return rc;
    }
    *ret = object != NULL ? object : am_object_new(&pool->arena, schema);
    *ret_warnings = d.warnings;
    return 0;
}

int am_check_template(struct sv text, bool *ret_templated, struct err *err)
{
    static const struct template_function *const none[] = {NULL};
    *ret_templated = sv_find(text, SV("{{")) < text.n;
    if (!*ret_templated)
        return 0;
    struct template_set *set = template_set_new(none);
    int rc = template_parse(set, SV(""), text, err);
    template_set_free(set);
    return rc;
}
