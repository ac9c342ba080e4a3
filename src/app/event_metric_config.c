/*
 * Reading the declarations of metrics from events; see event_metric_config.h. The part that is Sigma's is
 * written out as a rule and compiled by the reader of rules, so that conditions mean what they mean there.
 */
#include "app/event_metric_config.h"

#include "base/json_out.h"

#include <stdio.h>
#include <stdlib.h>

enum { RULE_BYTES_MAX = 256 << 10, DEPTH_MAX = 40 };

struct reading {
    const char *file;
    struct arena *arena;
    struct err *err;
};

static int bad(struct reading *r, const struct yaml_node *node, const char *what)
{
    return err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "%s", what);
}

/* YAML as JSON; texts stay texts, plain numbers and words what they are. */
static void put_json(struct json_out *json, const struct yaml_node *node, unsigned depth)
{
    bool word;
    if (depth > DEPTH_MAX) {
        json_null(json);
    } else if (node->type == YAML_MAP) {
        json_object(json);
        for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
            json_key(json, n->key);
            put_json(json, n, depth + 1);
        }
        json_object_end(json);
    } else if (node->type == YAML_LIST) {
        json_array(json);
        for (const struct yaml_node *n = node->first; n != NULL; n = n->next)
            put_json(json, n, depth + 1);
        json_array_end(json);
    } else if (yaml_is_null(node)) {
        json_null(json);
    } else if (!node->quoted && yaml_bool(node, &word)) {
        json_bool(json, word);
    } else if (yaml_is_integer(node) || yaml_is_float(node)) {
        json_raw(json, node->text);
    } else {
        json_string(json, node->text);
    }
}

static int read_text(struct reading *r, const struct yaml_node *map, const char *key, bool required,
                     struct sv *ret)
{
    const struct yaml_node *node = yaml_get(map, key);
    char text[128];
    snprintf(text, sizeof text, "%s: a text is expected", key);
    if (node == NULL)
        return required ? bad(r, map, text) : 0;
    if (node->type != YAML_SCALAR || node->text.n == 0)
        return bad(r, node, text);
    *ret = arena_sv(r->arena, node->text);
    return 0;
}

static int read_type(struct reading *r, const struct yaml_node *map, struct event_metric *m)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "lines"};
    struct sv text = {0};
    int rc = read_text(r, map, "type", true, &text);
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(types); i++)
        if (sv_is(text, types[i])) {
            m->type = (enum event_metric_type)i;
            return 0;
        }
    return rc != 0 ? rc
                   : bad(r, yaml_get(map, "type"), "type: counter, gauge, histogram or lines is expected");
}

/* A field, or {field, pattern}. */
static int read_value(struct reading *r, const struct yaml_node *map, struct event_metric *m)
{
    static const char *const known[] = {"field", "pattern", NULL};
    const struct yaml_node *node = yaml_get(map, "value");
    struct sv pattern = {0};
    struct err why = {0};
    if (node == NULL)
        return m->type == EVENT_METRIC_GAUGE || m->type == EVENT_METRIC_HISTOGRAM
                   ? bad(r, map, "a gauge or histogram needs a value: the name of a field")
                   : 0;
    if (node->type != YAML_MAP)
        return read_text(r, map, "value", true, &m->value_field);
    int rc = yaml_check_keys(node, r->file, known, r->err);
    if (rc == 0)
        rc = read_text(r, node, "field", true, &m->value_field);
    if (rc == 0)
        rc = read_text(r, node, "pattern", true, &pattern);
    if (rc == 0 && re2_compile(pattern, RE2_ANYWHERE, &m->value_pattern, &why) != 0)
        rc = bad(r, yaml_get(node, "pattern"), why.text);
    return rc;
}

static int read_labels(struct reading *r, const struct yaml_node *map, struct event_metric *m)
{
    const struct yaml_node *node = yaml_get(map, "labels");
    if (node == NULL)
        return 0;
    if (node->type != YAML_MAP || node->count > EVENT_METRIC_LABELS_MAX)
        return bad(r, node, "labels: a map of at most 16 names of labels to names of fields is expected");
    struct label *labels = ARENA_ARRAY(r->arena, struct label, node->count + 1);
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        if (n->type != YAML_SCALAR || n->text.n == 0 || !label_name_is_legacy(n->key) ||
            sv_starts(n->key, SV("__")))
            return bad(r, n, "labels: NAME: FIELD is expected");
        labels[m->label_count++] = (struct label){arena_sv(r->arena, n->key), arena_sv(r->arena, n->text)};
    }
    m->labels = labels;
    return 0;
}

static int read_item(struct reading *r, const struct yaml_node *node, struct event_metric *m)
{
    static const char *const known[] = {"name",   "type",      "help",      "unit", "value",
                                        "labels", "logsource", "detection", NULL};
    int rc = node->type == YAML_MAP ? yaml_check_keys(node, r->file, known, r->err)
                                    : bad(r, node, "a map of name, type, detection … is expected");
    m->line = node->line;
    m->column = node->column;
    if (rc == 0)
        rc = read_type(r, node, m);
    if (rc == 0)
        rc = read_text(r, node, "name", m->type != EVENT_METRIC_LINES, &m->name);
    if (rc == 0)
        rc = read_text(r, node, "help", false, &m->help);
    if (rc == 0)
        rc = read_text(r, node, "unit", false, &m->unit);
    if (rc == 0)
        rc = read_value(r, node, m);
    if (rc == 0)
        rc = read_labels(r, node, m);
    if (rc == 0 && yaml_get(node, "detection") == NULL)
        rc = bad(r, node, "detection: Sigma's map of selections and a condition is expected");
    return rc;
}

static struct rule_source rule_of(struct reading *r, const struct yaml_node *node, size_t number)
{
    const struct yaml_node *logsource = yaml_get(node, "logsource");
    char title[32];
    struct buf text;
    buf_init(&text, RULE_BYTES_MAX);
    struct json_out json = json_out_to(&text);
    snprintf(title, sizeof title, "metric %zu", number);
    json_object(&json);
    json_kv_str(&json, "title", title);
    json_kv_str(&json, "name", title);
    json_key(&json, SV("logsource"));
    if (logsource != NULL) {
        put_json(&json, logsource, 0);
    } else {
        json_object(&json);
        json_object_end(&json);
    }
    json_key(&json, SV("detection"));
    put_json(&json, yaml_get(node, "detection"), 0);
    json_object_end(&json);
    struct rule_source source = {.path = arena_printf(r->arena, "%zu", number),
                                 .bytes = arena_sv(r->arena, buf_view(&text))};
    buf_free(&text);
    return source;
}

/* A rule that was refused is named by its place in the configuration. */
static int check_rules(struct reading *r, const struct event_metrics_config *config)
{
    for (size_t i = 0; i < ruleset_note_count(config->rules); i++) {
        const struct rule_note *note = ruleset_note(config->rules, i);
        size_t at = (size_t)strtoul(note->err.file, NULL, 10);
        if (note->verdict == RULE_REFUSED && at < config->n)
            return err_at(r->err, TC_EINPUT, r->file, config->items[at].line, config->items[at].column,
                          "from_events: %s", note->err.text);
    }
    return ruleset_count(config->rules) == config->n
               ? 0
               : err_at(r->err, TC_EINPUT, r->file, 0, 0, "from_events: two entries are the same");
}

int event_metrics_config_read(const struct yaml_node *node, const char *file, struct arena *arena,
                              struct event_metrics_config *ret, struct err *err)
{
    struct reading r = {file, arena, err};
    if (node->type != YAML_LIST || node->count > EVENT_METRICS_MAX)
        return bad(&r, node, "from_events: a list of at most 256 metrics is expected");
    struct rule_source *sources = ARENA_ARRAY(arena, struct rule_source, node->count + 1);
    ret->items = ARENA_ARRAY(arena, struct event_metric, node->count + 1);
    int rc = 0;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        rc = read_item(&r, n, &ret->items[ret->n]);
        if (rc == 0)
            sources[ret->n] = rule_of(&r, n, ret->n);
        ret->n++;
    }
    if (rc == 0)
        rc = ruleset_new(sources, ret->n, &ret->rules, err);
    return rc == 0 ? check_rules(&r, ret) : rc;
}

void event_metrics_config_free(struct event_metrics_config *config)
{
    for (size_t i = 0; i < config->n; i++)
        re2_free(&config->items[i].value_pattern);
    if (config->rules != NULL)
        ruleset_free(&config->rules);
    *config = (struct event_metrics_config){0};
}
