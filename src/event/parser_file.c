/*
 * Reading parser files; see parser_file.h, docs/parsers.md for the keys.
 *
 * A file becomes the same tables that the built-in patterns are written in (pattern.h), so there is one
 * mechanism. Every complaint names file, line and column.
 */
#include "event/parser_file.h"

#include "base/buf.h"
#include "base/num.h"
#include "base/yaml.h"
#include "event/parser_file_priv.h"
#include "event/time_format.h"

#include <stdlib.h>

enum {
    PATTERNS_OF_FILE_MAX = 1024,
    DEFINITIONS_MAX = 64,
    LIST_MAX = 256,
    INCLUDES_MAX = 256,
    EXAMPLES_MAX = 1024,
    INCLUDE_DEPTH_MAX = 4,
    REGEX_BYTES_MAX = 8192,
    EXAMPLE_YEAR = 2000
};

struct definition {
    struct sv name, regex;
};

/* What is being read. */
struct reading {
    struct parser_library *library;
    struct arena *arena;
    const char *file;
    struct err *err;
    struct declared_parser *parser;
    const struct yaml_node *root;
    struct definition definitions[DEFINITIONS_MAX];
    size_t definition_count;
};

static int bad(const struct reading *r, const struct yaml_node *node, const char *what)
{
    return err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "%.*s%s%s", SV_FMT(node->key),
                  node->key.n > 0 ? ": " : "", what);
}

/* Puts the place of `node` to what a library below said. */
static int bad_because(const struct reading *r, const struct yaml_node *node, const struct err *inner)
{
    return err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "%s", inner->text);
}

static int read_text(const struct reading *r, const struct yaml_node *node, struct sv *ret)
{
    if (node->type != YAML_SCALAR || (node->text.n == 0 && !node->quoted) || yaml_is_null(node))
        return bad(r, node, "a text is expected here");
    if (memchr(node->text.p, '\0', node->text.n) != NULL)
        return bad(r, node, "a text without NUL is expected here");
    *ret = arena_sv(r->arena, node->text);
    return 0;
}

/* One text or a list of them. */
static int read_texts(const struct reading *r, const struct yaml_node *node, struct sv **ret,
                      size_t *ret_count)
{
    bool is_list = node->type == YAML_LIST;
    size_t count = is_list ? node->count : 1;
    if (node->type == YAML_MAP || count > LIST_MAX || count == 0)
        return bad(r, node, "a text or a list (of at most 256) is expected here");
    struct sv *texts = ARENA_ARRAY(r->arena, struct sv, count);
    const struct yaml_node *n = is_list ? node->first : node;
    for (size_t i = 0; i < count; i++, n = n->next) {
        int rc = read_text(r, n, &texts[i]);
        if (rc != 0)
            return rc;
    }
    *ret = texts;
    *ret_count = count;
    return 0;
}

static int check_map(const struct reading *r, const struct yaml_node *node, const char *const known[])
{
    if (node->type != YAML_MAP)
        return bad(r, node, "a map is expected here");
    return yaml_check_keys(node, r->file, known, r->err);
}

static const char *text_or_null(struct sv text)
{
    return text.n == 0 ? NULL : text.p;
}

/* An optional text of a map; *ret stays as it is where it is absent. */
static int read_member(const struct reading *r, const struct yaml_node *map, const char *key, struct sv *ret)
{
    const struct yaml_node *node = yaml_get(map, key);
    return node == NULL ? 0 : read_text(r, node, ret);
}

/* --- fixed fields ----------------------------------------------------------------------------------------
 */

static int add_fixed(const struct reading *r, const struct yaml_node *node, struct pattern_field *set,
                     struct sv name, struct sv value)
{
    size_t n = 0;
    while (n < TC_PATTERN_SET_MAX && set[n].name != NULL && !sv_is(name, set[n].name))
        n++;
    if (n == TC_PATTERN_SET_MAX)
        return bad(r, node, "more than 12 fixed fields");
    set[n] = (struct pattern_field){name.p, value.p};
    return 0;
}

/* `event`, `outcome` and `set` of a map; a name that is there already gets the new value. */
static int read_fixed(const struct reading *r, const struct yaml_node *map, struct pattern_field *set)
{
    static const char *const words[] = {"success", "failure", "unknown", NULL};
    const struct yaml_node *event = yaml_get(map, "event"), *outcome = yaml_get(map, "outcome"),
                           *fields = yaml_get(map, "set");
    struct sv text = {0};
    int rc = 0;
    if (event != NULL && (rc = read_text(r, event, &text)) == 0 &&
        (rc = add_fixed(r, event, set, SV("event_type"), text)) == 0)
        rc = add_fixed(r, event, set, SV("event.action"), text);
    if (rc == 0 && outcome != NULL && (rc = read_text(r, outcome, &text)) == 0) {
        size_t i = 0;
        while (words[i] != NULL && !sv_is(text, words[i]))
            i++;
        rc = words[i] == NULL ? bad(r, outcome, "success, failure or unknown is expected here")
                              : add_fixed(r, outcome, set, SV("event.outcome"), text);
    }
    if (rc != 0 || fields == NULL)
        return rc;
    if (fields->type != YAML_MAP)
        return bad(r, fields, "a map of fields and values is expected here");
    for (const struct yaml_node *n = fields->first; rc == 0 && n != NULL; n = n->next)
        if ((rc = read_text(r, n, &text)) == 0)
            rc = add_fixed(r, n, set, arena_sv(r->arena, n->key), text);
    return rc;
}

/* --- which group becomes which field ---------------------------------------------------------------------
 */

static const struct {
    const char *word;
    uint8_t type;
} types[] = {{"string", FIELD_STRING}, {"number", FIELD_NUMBER}, {"ip", CAPTURE_IP}, {"time", CAPTURE_TIME}};

/* What a group's name means where the file says nothing of it. */
static const struct pattern_capture well_known[] = {
    {"ip", "source.ip", CAPTURE_IP},
    {"host", "source.domain", FIELD_STRING},
    {"port", "source.port", FIELD_NUMBER},
    {"destination_ip", "destination.ip", CAPTURE_IP},
    {"destination_port", "destination.port", FIELD_NUMBER},
    {"user", "user.name", FIELD_STRING},
    {"reason", "event.reason", FIELD_STRING},
    {"message", "message", FIELD_STRING},
    {"level", "log.level", FIELD_STRING},
    {"hostname", "host.name", FIELD_STRING},
    {"program", "process.name", FIELD_STRING},
    {"pid", "process.pid", FIELD_NUMBER},
    {"thread", "process.thread.id", FIELD_NUMBER},
    {"logger", "log.logger", FIELD_STRING},
    {"url", "url.original", FIELD_STRING},
    {"method", "http.request.method", FIELD_STRING},
    {"status", "http.response.status_code", FIELD_NUMBER},
    {"agent", "user_agent.original", FIELD_STRING},
    {"time", "time", CAPTURE_TIME},
};

static int read_type(const struct reading *r, const struct yaml_node *map, uint8_t *ret)
{
    const struct yaml_node *node = yaml_get(map, "type");
    if (node == NULL)
        return 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(types) && node->type == YAML_SCALAR; i++)
        if (sv_is(node->text, types[i].word)) {
            *ret = types[i].type;
            return 0;
        }
    return bad(r, node, "string, number, ip or time is expected here");
}

/* `fields` of a parser or a pattern: what `group` is declared as there. */
static int find_declared(const struct reading *r, const struct yaml_node *map, const char *group,
                         struct pattern_capture *ret)
{
    static const char *const known[] = {"field", "type", NULL};
    const struct yaml_node *fields = yaml_get(map, "fields"),
                           *node = fields == NULL ? NULL : yaml_get(fields, group);
    struct sv field = sv_of(ret->field);
    if (node == NULL)
        return 0;
    if (node->type == YAML_SCALAR) {
        int rc = read_text(r, node, &field);
        ret->field = field.p;
        return rc;
    }
    int rc = check_map(r, node, known);
    if (rc == 0)
        rc = read_member(r, node, "field", &field);
    ret->field = field.p;
    return rc != 0 ? rc : read_type(r, node, &ret->type);
}

static int add_capture(const struct reading *r, const struct yaml_node *map, struct sv group,
                       struct pattern *pattern, size_t *count)
{
    struct pattern_capture capture = {.group = arena_str(r->arena, group), .type = FIELD_STRING};
    capture.field = capture.group;
    for (size_t i = 0; i < TC_ARRAY_LEN(well_known); i++)
        if (sv_is(group, well_known[i].group)) {
            capture.field = well_known[i].field;
            capture.type = well_known[i].type;
        }
    int rc = find_declared(r, r->root, capture.group, &capture);
    if (rc == 0)
        rc = find_declared(r, map, capture.group, &capture);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < *count; i++)
        if (strcmp(pattern->captures[i].group, capture.group) == 0)
            return 0;
    if (*count == TC_PATTERN_CAPTURES_MAX)
        return bad(r, map, "more than 32 named groups");
    pattern->captures[(*count)++] = capture;
    return 0;
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Every (?<name>…) and (?P<name>…) of an expression; PCRE2 itself says later whether they are well formed. */
static int read_captures(const struct reading *r, const struct yaml_node *map, struct sv regex,
                         struct pattern *pattern)
{
    size_t count = 0;
    for (size_t i = 0; i + 3 < regex.n; i++) {
        if (regex.p[i] == '\\') {
            i++;
            continue;
        }
        if (regex.p[i] != '(' || regex.p[i + 1] != '?')
            continue;
        size_t at = i + 2 + (regex.p[i + 2] == 'P');
        size_t end = at + 1;
        if (at >= regex.n || regex.p[at] != '<')
            continue;
        while (end < regex.n && is_word_byte(regex.p[end]))
            end++;
        if (end == at + 1 || end == regex.n || regex.p[end] != '>')
            continue;
        int rc = add_capture(r, map, sv_make(regex.p + at + 1, end - at - 1), pattern, &count);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- expressions -----------------------------------------------------------------------------------------
 */

#define OCTETS "\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}"
static const struct {
    const char *name, *regex;
} built_in_definitions[] = {
    {"IP", "(?:(?:::[fF]{4}:)?" OCTETS "|[0-9A-Fa-f]*:[0-9A-Fa-f:]*(?:%[\\w.-]+)?)"},
    {"ADDRESS",
     "(?:\\[?(?<ip>(?:::[fF]{4}:)?" OCTETS "(?![\\w-]|\\.\\w)"
     "|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:%[\\w.-]+)?)\\]?|(?<host>[A-Za-z0-9_][\\w.-]*))"},
};

static struct sv definition_of(const struct reading *r, struct sv name)
{
    for (size_t i = 0; i < r->definition_count; i++)
        if (sv_eq(r->definitions[i].name, name))
            return r->definitions[i].regex;
    for (size_t i = 0; i < TC_ARRAY_LEN(built_in_definitions); i++)
        if (sv_is(name, built_in_definitions[i].name))
            return sv_of(built_in_definitions[i].regex);
    return (struct sv){0};
}

/* %{NAME} in an expression becomes what NAME is defined as. */
static int expand(const struct reading *r, const struct yaml_node *node, struct sv text, struct sv *ret)
{
    struct buf out;
    int rc = 0;
    buf_init(&out, REGEX_BYTES_MAX);
    while (rc == 0 && text.n > 0) {
        size_t at = sv_find(text, SV("%{")), end = sv_find_char(sv_from(text, at), '}');
        buf_sv(&out, sv_head(text, at));
        text = sv_from(text, at);
        if (text.n == 0)
            break;
        struct sv name = sv_make(text.p + 2, end > 2 && end < text.n ? end - 2 : 0);
        struct sv regex = definition_of(r, name);
        if (regex.n == 0)
            rc = err_at(r->err, TC_EINPUT, r->file, node->line, node->column,
                        "%%{%.*s} is not defined: `definitions` has no such name", SV_FMT(name));
        buf_sv(&out, regex);
        text = sv_from(text, end + 1);
    }
    if (rc == 0 && out.overflow)
        rc = bad(r, node, "the expression is longer than 8192 bytes");
    if (rc == 0)
        *ret = arena_sv(r->arena, buf_view(&out));
    buf_free(&out);
    return rc;
}

static int read_definitions(struct reading *r)
{
    const struct yaml_node *map = yaml_get(r->root, "definitions");
    if (map == NULL)
        return 0;
    if (map->type != YAML_MAP || map->count > DEFINITIONS_MAX)
        return bad(r, map, "a map of at most 64 names and expressions is expected here");
    for (const struct yaml_node *n = map->first; n != NULL; n = n->next) {
        struct sv text;
        int rc = read_text(r, n, &text);
        if (rc == 0)
            rc = expand(r, n, text, &text);
        if (rc != 0)
            return rc;
        r->definitions[r->definition_count++] = (struct definition){arena_sv(r->arena, n->key), text};
    }
    return 0;
}

/* --- patterns --------------------------------------------------------------------------------------------
 */

static int read_programs(const struct reading *r, const struct yaml_node *map, struct pattern *pattern)
{
    const struct yaml_node *node = yaml_get(map, "programs");
    struct sv *texts;
    size_t count;
    if (node == NULL)
        return 0;
    int rc = read_texts(r, node, &texts, &count);
    if (rc != 0)
        return rc;
    const char **programs = ARENA_ARRAY(r->arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        programs[i] = texts[i].p;
    pattern->programs = programs;
    return 0;
}

/* Which texts a pattern is tried on. */
enum pattern_of { OF_MESSAGE = 1, OF_LINE = 2 };

static int read_of(const struct reading *r, const struct yaml_node *map, unsigned *ret)
{
    static const struct {
        const char *word;
        unsigned of;
    } words[] = {{"message", OF_MESSAGE}, {"line", OF_LINE}, {"both", OF_MESSAGE | OF_LINE}};
    const struct yaml_node *node = yaml_get(map, "of");
    *ret = r->parser->in_syslog ? OF_MESSAGE : OF_LINE;
    if (node == NULL)
        return 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(words) && node->type == YAML_SCALAR; i++)
        if (sv_is(node->text, words[i].word) && (r->parser->in_syslog || words[i].of == OF_LINE)) {
            *ret = words[i].of;
            return 0;
        }
    return bad(r, node, "line is expected here; message or both where the parser says `inside: syslog`");
}

static int read_pattern(const struct reading *r, const struct yaml_node *node, size_t number,
                        unsigned *ret_of, struct pattern *pattern)
{
    static const char *const known[] = {"name",  "of",      "programs", "starts", "contains", "regex",
                                        "event", "outcome", "set",      "fields", NULL};
    struct sv name = arena_printf(r->arena, "%s %zu", r->parser->parser.name, number), starts = {0},
              contains = {0}, regex = {0};
    int rc = check_map(r, node, known);
    if (rc != 0 || (rc = read_of(r, node, ret_of)) != 0 || (rc = read_member(r, node, "name", &name)) != 0 ||
        (rc = read_member(r, node, "starts", &starts)) != 0 ||
        (rc = read_member(r, node, "contains", &contains)) != 0 ||
        (rc = read_member(r, node, "regex", &regex)) != 0 || (rc = read_programs(r, r->root, pattern)) != 0 ||
        (rc = read_programs(r, node, pattern)) != 0)
        return rc;
    if (regex.n == 0 && starts.n == 0 && contains.n == 0)
        return bad(r, node, "a pattern needs a regex, or a text it `starts` with or `contains`");
    const struct yaml_node *at = yaml_get(node, "regex");
    if (regex.n > 0 && (rc = expand(r, at, regex, &regex)) != 0)
        return rc;
    pattern->name = name.p;
    pattern->starts = text_or_null(starts);
    pattern->literal = text_or_null(contains);
    pattern->regex = text_or_null(regex);
    if ((rc = read_fixed(r, r->root, pattern->set)) != 0 || (rc = read_fixed(r, node, pattern->set)) != 0)
        return rc;
    return read_captures(r, node, regex, pattern);
}

/* One pattern alone, so that an expression that does not compile is told at its place. */
static int check_compiles(const struct reading *r, const struct yaml_node *node,
                          const struct pattern *pattern)
{
    struct err err = {0};
    struct pattern_set *set = pattern_set_new(pattern, 1, &err);
    if (set == NULL) {
        const struct yaml_node *at = yaml_get(node, "regex");
        return bad_because(r, at == NULL ? node : at, &err);
    }
    pattern_set_free(&set);
    return 0;
}

static void patterns_add(struct declared_patterns *to, const struct pattern *pattern,
                         const struct declared_parser *owner)
{
    to->patterns[to->count] = *pattern;
    to->owners[to->count++] = owner;
}

static void patterns_room(struct arena *arena, struct declared_patterns *to, size_t count)
{
    to->patterns = ARENA_ARRAY(arena, struct pattern, count + 1);
    to->owners = ARENA_ARRAY(arena, const struct declared_parser *, count + 1);
}

static int library_find(struct parser_library *library, struct sv name, struct declared_parser **ret,
                        struct err *err);

/* The parsers whose patterns this one takes over behind its own. */
static int read_includes(const struct reading *r, struct declared_parser **ret, size_t *ret_count)
{
    const struct yaml_node *node = yaml_get(r->root, "include");
    struct sv *names;
    size_t count;
    *ret_count = 0;
    if (node == NULL)
        return 0;
    int rc = read_texts(r, node, &names, &count);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        struct err err = {0};
        struct declared_parser *included;
        rc = sv_is(names[i], r->parser->parser.name)
                 ? err_set(&err, TC_EINPUT, "include: a parser cannot include itself")
                 : library_find(r->library, names[i], &included, &err);
        if (rc != 0)
            return err.file[0] != '\0' ? (r->err != NULL ? (*r->err = err, rc) : rc)
                                       : bad_because(r, node, &err);
        if (included->kind != DECLARED_PATTERN || included->in_syslog != r->parser->in_syslog)
            return bad(r, node, "only parsers of kind pattern, and of the same `inside`, can be included");
        ret[(*ret_count)++] = included;
    }
    return 0;
}

static int compile_sets(const struct reading *r, const struct yaml_node *at)
{
    struct declared_patterns *both[] = {&r->parser->message, &r->parser->line};
    for (size_t i = 0; i < TC_ARRAY_LEN(both); i++) {
        struct err err = {0};
        if (both[i]->count == 0)
            continue;
        both[i]->set = pattern_set_new(both[i]->patterns, both[i]->count, &err);
        if (both[i]->set == NULL)
            return bad_because(r, at, &err);
    }
    return 0;
}

static int read_patterns(const struct reading *r)
{
    const struct yaml_node *list = yaml_get(r->root, "patterns");
    struct declared_parser *p = r->parser, *includes[INCLUDES_MAX];
    size_t include_count, count = list == NULL ? 0 : list->count, message = count, line = count, number = 0;
    if (list != NULL && (list->type != YAML_LIST || count > PATTERNS_OF_FILE_MAX))
        return bad(r, list, "a list (of at most 1024 patterns) is expected here");
    int rc = read_includes(r, includes, &include_count);
    if (rc != 0)
        return rc;
    if (count == 0 && include_count == 0)
        return err_at(r->err, TC_EINPUT, r->file, r->root->line, r->root->column,
                      "a parser of kind pattern needs `patterns`, or `include`");
    for (size_t i = 0; i < include_count; i++) {
        message += includes[i]->message.count;
        line += includes[i]->line.count;
    }
    if (message > TC_PATTERNS_MAX || line > TC_PATTERNS_MAX)
        return bad(r, r->root, "more than 4096 patterns with those that it includes");
    patterns_room(r->arena, &p->message, message);
    patterns_room(r->arena, &p->line, line);
    for (const struct yaml_node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next) {
        struct pattern pattern = {0};
        unsigned of = 0;
        rc = read_pattern(r, n, ++number, &of, &pattern);
        if (rc == 0)
            rc = check_compiles(r, n, &pattern);
        if (rc != 0)
            return rc;
        if (of & OF_MESSAGE)
            patterns_add(&p->message, &pattern, p);
        pattern.programs = NULL; /* a whole line has none that is known */
        if (of & OF_LINE)
            patterns_add(&p->line, &pattern, p);
    }
    for (size_t i = 0; i < include_count; i++) {
        for (size_t j = 0; j < includes[i]->message.count; j++)
            patterns_add(&p->message, &includes[i]->message.patterns[j], includes[i]->message.owners[j]);
        for (size_t j = 0; j < includes[i]->line.count; j++)
            patterns_add(&p->line, &includes[i]->line.patterns[j], includes[i]->line.owners[j]);
        p->parser.flags &= (uint8_t)(includes[i]->parser.flags | ~PARSER_STATELESS);
    }
    return compile_sets(r, list == NULL ? r->root : list);
}

/* --- time ------------------------------------------------------------------------------------------------
 */

/* "UTC", "+02:00": by what a time in that zone means. */
static bool zone_of(struct arena *arena, struct sv text, int *ret_offset_s)
{
    int64_t ns;
    if (sv_is(text, "UTC"))
        text = SV("Z");
    struct sv probe = arena_printf(arena, "1970-01-02T00:00:00%.*s", SV_FMT(text));
    if (text.n == 0 || !clk_parse_rfc3339(probe, 0, &ns))
        return false;
    *ret_offset_s = (int)(86400 - ns / TC_SECOND_NS);
    return true;
}

static int read_forms(const struct reading *r, const struct yaml_node *node, struct declared_time *time)
{
    struct sv *forms;
    size_t count;
    int rc = read_texts(r, node, &forms, &count);
    if (rc == 0 && count > TC_PARSER_TIME_FORMS_MAX)
        rc = bad(r, node, "more than 8 forms of time");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct err err = {0};
        if (time_format_check(forms[i], &err) != 0)
            return bad_because(r, node, &err);
        if (time_format_lacks_year(forms[i]))
            r->parser->parser.flags &= (uint8_t)~PARSER_STATELESS;
        time->forms[time->form_count++] = forms[i];
    }
    return rc;
}

static int read_time(const struct reading *r)
{
    static const char *const known[] = {"formats", "zone", "from", NULL};
    const struct yaml_node *map = yaml_get(r->root, "time"), *node;
    struct declared_time *time = &r->parser->time;
    if (map == NULL)
        return 0;
    int rc = check_map(r, map, known);
    if (rc == 0 && (node = yaml_get(map, "formats")) != NULL)
        rc = read_forms(r, node, time);
    if (rc != 0 || (node = yaml_get(map, "zone")) == NULL)
        return rc;
    time->zone_given = true;
    return node->type == YAML_SCALAR && zone_of(r->arena, node->text, &time->zone_offset_s)
               ? 0
               : bad(r, node, "UTC or an offset such as +02:00 is expected here");
}

/* --- JSON ------------------------------------------------------------------------------------------------
 */

static int read_values(const struct reading *r, const struct yaml_node *map, struct declared_copy *copy)
{
    if (map->type != YAML_MAP || map->count > LIST_MAX)
        return bad(r, map, "a map (of at most 256 values) is expected here");
    copy->when = ARENA_ARRAY(r->arena, struct sv, map->count + 1);
    copy->then = ARENA_ARRAY(r->arena, struct sv, map->count + 1);
    for (const struct yaml_node *n = map->first; n != NULL; n = n->next) {
        copy->when[copy->value_count] = arena_sv(r->arena, n->key);
        int rc = read_text(r, n, &copy->then[copy->value_count++]);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_copy(const struct reading *r, const struct yaml_node *node, struct declared_copy *copy)
{
    static const char *const known[] = {"from", "type", "values", NULL};
    const struct yaml_node *from = node, *values = NULL;
    int rc = 0;
    copy->to = arena_sv(r->arena, node->key);
    copy->type = FIELD_STRING;
    for (size_t i = 0; i < TC_ARRAY_LEN(well_known); i++)
        if (sv_is(copy->to, well_known[i].field) && well_known[i].type == CAPTURE_IP)
            copy->type = CAPTURE_IP;
    if (node->type == YAML_MAP) {
        if ((rc = check_map(r, node, known)) != 0 || (rc = read_type(r, node, &copy->type)) != 0)
            return rc;
        from = yaml_get(node, "from");
        values = yaml_get(node, "values");
        if (from == NULL)
            return bad(r, node, "a path is expected here, as `from`");
    }
    rc = read_texts(r, from, &copy->from, &copy->from_count);
    return rc == 0 && values != NULL ? read_values(r, values, copy) : rc;
}

static int read_paths(const struct reading *r)
{
    struct declared_parser *p = r->parser;
    const struct yaml_node *fields = yaml_get(r->root, "fields"), *time = yaml_get(r->root, "time"),
                           *from = time == NULL ? NULL : yaml_get(time, "from");
    struct pattern_field set[TC_PATTERN_SET_MAX + 1] = {0};
    int rc = read_fixed(r, r->root, set);
    if (rc != 0)
        return rc;
    p->set = ARENA_ARRAY(r->arena, struct field, TC_PATTERN_SET_MAX);
    for (; set[p->set_count].name != NULL; p->set_count++) {
        struct sv name = sv_of(set[p->set_count].name);
        p->set[p->set_count] =
            pattern_make_field(name, event_name_hash(name), sv_of(set[p->set_count].value), FIELD_STRING);
        p->set[p->set_count].flags = FIELD_DERIVED;
    }
    if (fields != NULL && (fields->type != YAML_MAP || fields->count >= TC_PARSER_COPIES_MAX))
        return bad(r, fields, "a map of fewer than 64 fields is expected here");
    p->copies = ARENA_ARRAY(r->arena, struct declared_copy, TC_PARSER_COPIES_MAX);
    for (const struct yaml_node *n = fields == NULL ? NULL : fields->first; n != NULL; n = n->next)
        if ((rc = read_copy(r, n, &p->copies[p->copy_count++])) != 0)
            return rc;
    if (from == NULL)
        return 0;
    struct declared_copy *copy = &p->copies[p->copy_count++];
    copy->type = CAPTURE_TIME;
    return read_texts(r, from, &copy->from, &copy->from_count);
}

/* --- examples --------------------------------------------------------------------------------------------
 */

static int read_example(const struct reading *r, const struct yaml_node *node,
                        struct declared_example *example)
{
    static const char *const known[] = {"line", "fields", "time", "text", "year", NULL};
    const struct yaml_node *line, *fields, *year, *text;
    uint64_t number;
    int rc = check_map(r, node, known);
    if (rc != 0)
        return rc;
    line = yaml_get(node, "line"), fields = yaml_get(node, "fields"), year = yaml_get(node, "year");
    if (line == NULL)
        return bad(r, node, "an example needs a line");
    example->at_line = line->line;
    example->at_column = line->column;
    if ((rc = read_text(r, line, &example->line)) != 0 ||
        (rc = read_member(r, node, "time", &example->time)) != 0)
        return rc;
    if ((text = yaml_get(node, "text")) != NULL && !yaml_bool(text, &example->text))
        return bad(r, text, "true or false is expected here");
    if (year != NULL && (year->type != YAML_SCALAR || !num_u64(year->text, 1970, 2261, &number)))
        return bad(r, year, "a year from 1970 to 2261 is expected here");
    example->year = year == NULL ? EXAMPLE_YEAR : (int)number;
    if (fields == NULL)
        return 0;
    if (fields->type != YAML_MAP || fields->count > LIST_MAX)
        return bad(r, fields, "a map of fields and values is expected here");
    example->names = ARENA_ARRAY(r->arena, struct sv, fields->count + 1);
    example->values = ARENA_ARRAY(r->arena, struct sv, fields->count + 1);
    for (const struct yaml_node *n = fields->first; n != NULL; n = n->next, example->count++) {
        example->names[example->count] = arena_sv(r->arena, n->key);
        if (n->type != YAML_SCALAR)
            return bad(r, n, "a value is expected here");
        if (!yaml_is_null(n)) /* null: the field must be absent */
            example->values[example->count] = arena_sv(r->arena, n->text);
    }
    return 0;
}

static int read_examples(const struct reading *r)
{
    const struct yaml_node *list = yaml_get(r->root, "examples");
    struct declared_parser *p = r->parser;
    if (list == NULL)
        return 0;
    if (list->type != YAML_LIST || list->count > EXAMPLES_MAX)
        return bad(r, list, "a list (of at most 1024 examples) is expected here");
    p->examples = ARENA_ARRAY(r->arena, struct declared_example, list->count + 1);
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        int rc = read_example(r, n, &p->examples[p->example_count++]);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- one parser ------------------------------------------------------------------------------------------
 */

static int read_name(const struct reading *r)
{
    const struct yaml_node *node = yaml_get(r->root, "name");
    struct sv name;
    if (node == NULL)
        return err_at(r->err, TC_EINPUT, r->file, r->root->line, r->root->column, "a parser needs a name");
    int rc = read_text(r, node, &name);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < name.n; i++)
        if (!is_word_byte(name.p[i]) && (name.p[i] != '-' || i == 0))
            return bad(r, node, "a name has letters, digits, _ and - only");
    if (parser_find(name) != NULL || sv_is(name, "auto"))
        return bad(r, node, "this is the name of a built-in parser");
    for (size_t i = 0; i < r->library->count; i++)
        if (sv_is(name, r->library->parsers[i]->parser.name))
            return err_at(r->err, TC_EINPUT, r->file, node->line, node->column,
                          "name: %.*s is declared in %s already", SV_FMT(name), r->library->parsers[i]->file);
    r->parser->parser.name = name.p;
    return 0;
}

static int read_word(const struct reading *r, const char *key, const char *const words[], size_t *ret)
{
    const struct yaml_node *node = yaml_get(r->root, key);
    if (node == NULL)
        return 0;
    for (size_t i = 0; words[i] != NULL && node->type == YAML_SCALAR; i++)
        if (sv_is(node->text, words[i])) {
            *ret = i;
            return 0;
        }
    return err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "%s: %s%s%s is expected here", key,
                  words[0], words[1] == NULL ? "" : " or ", words[1] == NULL ? "" : words[1]);
}

static int read_kind(const struct reading *r)
{
    static const char *const kinds[] = {"pattern", "json", NULL}, *const envelopes[] = {"syslog", NULL};
    struct declared_parser *p = r->parser;
    const struct yaml_node *node = yaml_get(r->root, "kind");
    size_t kind = 0, envelope = 0;
    if (node == NULL)
        return err_at(r->err, TC_EINPUT, r->file, r->root->line, r->root->column,
                      "a parser needs a kind: pattern or json");
    int rc = read_word(r, "kind", kinds, &kind);
    if (rc == 0)
        rc = read_word(r, "inside", envelopes, &envelope);
    p->kind = kind == 1 ? DECLARED_JSON : DECLARED_PATTERN;
    p->in_syslog = yaml_get(r->root, "inside") != NULL;
    p->parser.flags = p->in_syslog ? 0 : PARSER_STATELESS;
    p->parser.flags |= p->kind == DECLARED_JSON ? PARSER_JSON : 0;
    return rc;
}

static int read_head(const struct reading *r)
{
    static const char *const pattern_keys[] = {
        "name", "kind", "version", "description", "inside",  "programs", "logsource", "event", "outcome",
        "set",  "time", "fields",  "definitions", "include", "patterns", "examples",  NULL};
    static const char *const json_keys[] = {"name",    "kind", "version", "description", "logsource", "event",
                                            "outcome", "set",  "time",    "fields",      "examples",  NULL};
    static const char *const source_keys[] = {"product", "category", "service", NULL};
    struct declared_parser *p = r->parser;
    const struct yaml_node *version = yaml_get(r->root, "version"), *source = yaml_get(r->root, "logsource");
    struct sv description = {0};
    uint64_t number = 1;
    int rc;
    if ((rc = read_kind(r)) != 0 ||
        (rc = yaml_check_keys(r->root, r->file, p->kind == DECLARED_JSON ? json_keys : pattern_keys,
                              r->err)) != 0 ||
        (rc = read_name(r)) != 0 || (rc = read_member(r, r->root, "description", &description)) != 0)
        return rc;
    if (version != NULL && (version->type != YAML_SCALAR || !num_u64(version->text, 1, UINT16_MAX, &number)))
        return bad(r, version, "a whole number from 1 to 65535 is expected here");
    p->parser.version = (uint16_t)number;
    if (source == NULL)
        return 0;
    if ((rc = check_map(r, source, source_keys)) != 0 ||
        (rc = read_member(r, source, "product", &p->product)) != 0 ||
        (rc = read_member(r, source, "category", &p->category)) != 0)
        return rc;
    return read_member(r, source, "service", &p->service);
}

static int read_parser(struct parser_library *library, const char *file, const struct yaml_node *root,
                       struct err *err)
{
    struct declared_parser *p = ARENA_NEW(&library->arena, struct declared_parser);
    struct reading *r = tc_alloc(sizeof *r);
    *r = (struct reading){
        .library = library, .arena = &library->arena, .file = file, .err = err, .parser = p, .root = root};
    p->file = file;
    p->parser.parse = declared_parse;
    int rc;
    if (root->type != YAML_MAP)
        rc = err_at(err, TC_EINPUT, file, root->line, root->column, "a parser is a map of keys");
    else if (library->count == TC_PARSERS_MAX)
        rc = err_at(err, TC_EBOUND, file, root->line, root->column, "more than 1024 parsers");
    else if ((rc = read_head(r)) == 0 && (rc = read_time(r)) == 0 && (rc = read_definitions(r)) == 0 &&
             (rc = read_examples(r)) == 0)
        rc = p->kind == DECLARED_JSON ? read_paths(r) : read_patterns(r);
    free(r);
    if (rc != 0) {
        pattern_set_free(&p->message.set);
        pattern_set_free(&p->line.set);
        return rc;
    }
    library->parsers[library->count++] = p;
    return 0;
}

static int read_source(struct parser_library *library, const struct parser_source *source, struct err *err)
{
    struct yaml_doc *docs;
    const char *file = arena_str(&library->arena, sv_of(source->file));
    if (source->bytes.n > TC_PARSER_FILE_BYTES_MAX)
        return err_at(err, TC_EINPUT, file, 0, 0, "larger than 1 MiB");
    int rc = yaml_parse(&library->arena, file, source->bytes, &docs, err);
    for (; rc == 0 && docs != NULL; docs = docs->next)
        if (docs->root != NULL)
            rc = read_parser(library, file, docs->root, err);
    return rc;
}

/* --- the library -----------------------------------------------------------------------------------------
 */

static struct declared_parser *library_at(const struct parser_library *library, struct sv name)
{
    for (size_t i = 0; i < library->count; i++)
        if (sv_is(name, library->parsers[i]->parser.name))
            return library->parsers[i];
    return NULL;
}

/* "…/NAME.yml" */
static bool is_file_of(const char *file, struct sv name)
{
    struct sv path = sv_of(file), ending = SV(".yml");
    const char *slash = strrchr(file, '/');
    if (slash != NULL)
        path = sv_from(path, (size_t)(slash - file) + 1);
    return sv_ends(path, ending) && sv_eq(sv_head(path, path.n - ending.n), name);
}

static int library_find(struct parser_library *library, struct sv name, struct declared_parser **ret,
                        struct err *err)
{
    *ret = library_at(library, name);
    for (size_t i = 0; *ret == NULL && i < library->shipped_count; i++)
        if (is_file_of(library->shipped[i].file, name)) {
            int rc = library->depth == INCLUDE_DEPTH_MAX
                         ? err_set(err, TC_EINPUT, "include: %.*s is nested deeper than %d", SV_FMT(name),
                                   INCLUDE_DEPTH_MAX)
                         : 0;
            library->depth++;
            if (rc == 0)
                rc = read_source(library, &library->shipped[i], err);
            library->depth--;
            if (rc != 0)
                return rc;
            *ret = library_at(library, name);
        }
    return *ret != NULL ? 0 : err_set(err, TC_ENOTFOUND, "there is no parser %.*s", SV_FMT(name));
}

int parser_library_new(const struct parser_source *sources, size_t count, const struct parser_source *shipped,
                       size_t shipped_count, struct parser_library **ret, struct err *err)
{
    struct parser_library *library = tc_alloc(sizeof *library);
    int rc = 0;
    library->shipped = shipped;
    library->shipped_count = shipped_count;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = read_source(library, &sources[i], err);
    if (rc != 0)
        parser_library_free(&library);
    else
        *ret = library;
    return rc;
}

void parser_library_free(struct parser_library **library_at_)
{
    struct parser_library *library = *library_at_;
    if (library == NULL)
        return;
    for (size_t i = 0; i < library->count; i++) {
        pattern_set_free(&library->parsers[i]->message.set);
        pattern_set_free(&library->parsers[i]->line.set);
    }
    arena_free(&library->arena);
    free(library);
    *library_at_ = NULL;
}

int parser_library_find(struct parser_library *library, struct sv name, const struct parser **ret,
                        struct err *err)
{
    struct declared_parser *declared;
    const struct parser *built_in = parser_find(name);
    if (built_in != NULL) {
        *ret = built_in;
        return 0;
    }
    int rc = library_find(library, name, &declared, err);
    if (rc == 0)
        *ret = &declared->parser;
    return rc;
}

size_t parser_library_count(const struct parser_library *library)
{
    return library->count;
}

uint64_t parser_library_limit_hits(const struct parser_library *library)
{
    uint64_t hits = 0;
    for (size_t i = 0; i < library->count; i++) {
        const struct declared_parser *p = library->parsers[i];
        hits += p->message.set == NULL ? 0 : pattern_limit_hits(p->message.set);
        hits += p->line.set == NULL ? 0 : pattern_limit_hits(p->line.set);
    }
    return hits;
}
