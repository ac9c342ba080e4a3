/*
 * Template values: making them, looking into them, and JSON both ways; see value.h.
 */
#include "template/value.h"

#include "base/json_out.h"
#include "base/num.h"
#include "event/json.h"
#include "event/json_lex.h"
#include "template/go_format.h"
#include "template/go_time.h"

#include <math.h>
#include <stdlib.h>

enum { JSON_DEPTH_MAX = 64 };

const struct template_type template_type_strings = {.name = "[]string", .text_elements = true};
const struct template_type template_type_anys = {.name = "[]interface {}"};
const struct template_type template_type_text_map = {.name = "map[string]string", .zero_is_text = true};
const struct template_type template_type_any_map = {.name = "map[string]interface {}"};
const struct template_type template_type_int64 = {.name = "int64"};

struct template_value template_time(struct arena *arena, int64_t seconds, int32_t nanoseconds,
                                    const struct zone *zone)
{
    struct template_time *time = ARENA_NEW(arena, struct template_time);
    *time = (struct template_time){seconds, nanoseconds, zone};
    return (struct template_value){.kind = TEMPLATE_TIME, .as.time = time};
}

struct template_value template_list(struct arena *arena, const struct template_type *type,
                                    struct template_value *items, size_t n)
{
    struct template_list *list = ARENA_NEW(arena, struct template_list);
    *list = (struct template_list){n, items};
    return (struct template_value){
        .kind = TEMPLATE_LIST, .type = type == NULL ? &template_type_anys : type, .as.list = list};
}

struct sortable {
    struct template_pair pair;
    size_t order;
};

static int compare_sortable(const void *a, const void *b)
{
    const struct sortable *x = a, *y = b;
    int order = sv_cmp(x->pair.name, y->pair.name);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static struct template_value pairs_value(struct arena *arena, enum template_kind kind,
                                         const struct template_type *type, struct template_pair *items,
                                         size_t n)
{
    struct template_pairs *pairs = ARENA_NEW(arena, struct template_pairs);
    *pairs = (struct template_pairs){n, items};
    return (struct template_value){.kind = kind, .type = type, .as.pairs = pairs};
}

struct template_value template_map(struct arena *arena, const struct template_type *type,
                                   struct template_pair *items, size_t n)
{
    struct sortable *sorted = n > 1 ? ARENA_ARRAY(arena, struct sortable, n) : NULL;
    size_t kept = n;
    for (size_t i = 0; i < n && sorted != NULL; i++)
        sorted[i] = (struct sortable){items[i], i};
    if (sorted != NULL) {
        qsort(sorted, n, sizeof *sorted, compare_sortable);
        kept = 0;
        for (size_t i = 0; i < n; i++) {
            if (i + 1 < n && sv_eq(sorted[i].pair.name, sorted[i + 1].pair.name))
                continue; /* a later one of the same name holds */
            items[kept++] = sorted[i].pair;
        }
    }
    return pairs_value(arena, TEMPLATE_MAP, type == NULL ? &template_type_any_map : type, items, kept);
}

struct template_value template_object(struct arena *arena, const struct template_type *type,
                                      struct template_pair *items, size_t n)
{
    return pairs_value(arena, TEMPLATE_OBJECT, type, items, n);
}

const struct template_value *template_get(struct template_value of, struct sv name)
{
    if (of.kind != TEMPLATE_MAP && of.kind != TEMPLATE_OBJECT)
        return NULL;
    const struct template_pairs *pairs = of.as.pairs;
    if (of.kind == TEMPLATE_OBJECT) {
        for (size_t i = 0; i < pairs->n; i++)
            if (sv_eq(pairs->items[i].name, name))
                return pairs->items[i].value;
        return NULL;
    }
    size_t low = 0, high = pairs->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = sv_cmp(pairs->items[middle].name, name);
        if (order == 0)
            return pairs->items[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const char *template_type_name(struct template_value value)
{
    static const char *const names[] = {
        [TEMPLATE_NONE] = "<nil>",
        [TEMPLATE_BOOL] = "bool",
        [TEMPLATE_INT] = "int",
        [TEMPLATE_FLOAT] = "float64",
        [TEMPLATE_STRING] = "string",
        [TEMPLATE_LIST] = "[]interface {}",
        [TEMPLATE_MAP] = "map[string]interface {}",
        [TEMPLATE_OBJECT] = "struct {}",
        [TEMPLATE_TIME] = "time.Time",
        [TEMPLATE_DURATION] = "time.Duration",
    };
    return value.type != NULL ? value.type->name : names[value.kind];
}

bool template_is_true(struct template_value value)
{
    switch (value.kind) {
    case TEMPLATE_NONE:
        return false;
    case TEMPLATE_BOOL:
        return value.as.boolean;
    case TEMPLATE_INT:
    case TEMPLATE_DURATION:
        return value.as.integer != 0;
    case TEMPLATE_FLOAT:
        return value.as.number != 0;
    case TEMPLATE_STRING:
        return value.as.text.n > 0;
    case TEMPLATE_LIST:
        return value.as.list->n > 0;
    case TEMPLATE_MAP:
        return value.as.pairs->n > 0;
    case TEMPLATE_OBJECT:
    case TEMPLATE_TIME:
        return true;
    }
    return false;
}

/* --- JSON in --- */

static bool read_json(struct arena *arena, struct json_lex *lex, unsigned depth, struct template_value *ret);

/* Grows an array of the arena by doubling; `n` items are in use. */
static void *grow(struct arena *arena, void *items, size_t n, size_t item_bytes)
{
    if (n != 0 && (n < 8 || (n & (n - 1)) != 0))
        return items;
    void *wider = arena_alloc(arena, (n == 0 ? 8 : n * 2) * item_bytes);
    if (n > 0)
        memcpy(wider, items, n * item_bytes);
    return wider;
}

static bool json_text(struct arena *arena, struct json_lex *lex, struct sv *ret)
{
    struct json_string string;
    lex->at++;
    if (!json_lex_string(lex, &string))
        return false;
    *ret = string.escapes ? json_unescape(arena, string.bytes) : string.bytes;
    return true;
}

static bool read_list(struct arena *arena, struct json_lex *lex, unsigned depth, struct template_value *ret)
{
    struct template_value *items = NULL;
    size_t n = 0;
    lex->at++;
    if (json_lex_next(lex) == ']') {
        lex->at++;
    } else {
        for (;;) {
            items = grow(arena, items, n, sizeof *items);
            if (!read_json(arena, lex, depth + 1, &items[n++]))
                return false;
            char c = json_lex_next(lex);
            if (c != ',' && c != ']')
                return json_lex_fail(lex, lex->at, "a comma or ] is expected here");
            lex->at++;
            if (c == ']')
                break;
        }
    }
    *ret = template_list(arena, NULL, items, n);
    return true;
}

static bool read_map(struct arena *arena, struct json_lex *lex, unsigned depth, struct template_value *ret)
{
    struct template_pair *items = NULL;
    size_t n = 0;
    lex->at++;
    if (json_lex_next(lex) == '}') {
        items = ARENA_NEW(arena, struct template_pair); /* empty is not nil */
        lex->at++;
    } else {
        for (;;) {
            items = grow(arena, items, n, sizeof *items);
            struct template_value *value = ARENA_NEW(arena, struct template_value);
            if (json_lex_next(lex) != '"')
                return json_lex_fail(lex, lex->at, "a member's name in quotes is expected here");
            if (!json_text(arena, lex, &items[n].name))
                return false;
            if (json_lex_next(lex) != ':')
                return json_lex_fail(lex, lex->at, "a colon is expected here");
            lex->at++;
            if (!read_json(arena, lex, depth + 1, value))
                return false;
            items[n++].value = value;
            char c = json_lex_next(lex);
            if (c != ',' && c != '}')
                return json_lex_fail(lex, lex->at, "a comma or } is expected here");
            lex->at++;
            if (c == '}')
                break;
        }
    }
    *ret = template_map(arena, NULL, items, n);
    return true;
}

static bool read_json(struct arena *arena, struct json_lex *lex, unsigned depth, struct template_value *ret)
{
    struct sv text;
    if (depth > JSON_DEPTH_MAX)
        return json_lex_fail(lex, lex->at, "nested too deeply");
    switch (json_lex_next(lex)) {
    case '{':
        return read_map(arena, lex, depth, ret);
    case '[':
        return read_list(arena, lex, depth, ret);
    case '"':
        if (!json_text(arena, lex, &text))
            return false;
        *ret = template_text(text);
        return true;
    case 't':
    case 'f':
        *ret = template_bool(json_lex_peek(lex) == 't');
        return json_lex_word(lex, ret->as.boolean ? SV("true") : SV("false"), &text);
    case 'n':
        *ret = template_none();
        return json_lex_word(lex, SV("null"), &text);
    default: {
        double number;
        size_t at = lex->at;
        if (!json_lex_number(lex, &text))
            return false;
        if (!num_double(text, &number))
            return json_lex_fail(lex, at, "a number out of range");
        *ret = template_float(number);
        return true;
    }
    }
}

int template_from_json(struct arena *arena, struct sv json, struct template_value *ret, struct err *err)
{
    struct json_lex lex = {.text = json};
    struct template_value value;
    bool good = read_json(arena, &lex, 0, &value);
    if (good && json_lex_next(&lex) != '\0')
        good = json_lex_fail(&lex, lex.at, "more after the value");
    if (!good) {
        unsigned line = 1, column = 1;
        for (size_t i = 0; i < lex.problem_at && i < json.n; i++) {
            column = json.p[i] == '\n' ? 1 : column + 1;
            line += json.p[i] == '\n';
        }
        return err_at(err, TC_EINPUT, NULL, line, column, "not JSON: %s", lex.problem);
    }
    *ret = value;
    return 0;
}

/* --- JSON out --- */

/* encoding/json escapes what could end a script element or a line of JavaScript. */
static void json_quoted(struct buf *out, struct sv text)
{
    struct buf escaped;
    buf_init(&escaped, out->max_bytes);
    json_escape(&escaped, text);
    buf_char(out, '"');
    for (size_t i = 0; i < escaped.n; i++) {
        unsigned char c = (unsigned char)escaped.p[i];
        if (c == '<' || c == '>' || c == '&')
            buf_printf(out, "\\u%04x", c);
        else if (c == 0xE2 && i + 2 < escaped.n && (unsigned char)escaped.p[i + 1] == 0x80 &&
                 ((unsigned char)escaped.p[i + 2] & 0xFE) == 0xA8) {
            buf_printf(out, "\\u202%c", (unsigned char)escaped.p[i + 2] == 0xA8 ? '8' : '9');
            i += 2;
        } else
            buf_char(out, (char)c);
    }
    buf_char(out, '"');
    out->overflow |= escaped.overflow;
    buf_free(&escaped);
}

/* encoding/json's float: like %g's shortest, but exponents only below 1e-6 and from 1e21, and "e-7" not
 * "e-07". */
static bool json_float(struct buf *out, double v)
{
    if (!isfinite(v))
        return false;
    double size = fabs(v);
    if (size == 0 || (size >= 1e-6 && size < 1e21)) {
        go_format_float(out, v, 'f', -1);
        return true;
    }
    char text[GO_FLOAT_MAX];
    struct buf number;
    buf_init(&number, sizeof text);
    go_format_float(&number, v, 'e', -1);
    size_t n = number.n;
    if (n >= 4 && number.p[n - 4] == 'e' && number.p[n - 3] == '-' && number.p[n - 2] == '0') {
        number.p[n - 2] = number.p[n - 1];
        n--;
    }
    buf_add(out, number.p, n);
    buf_free(&number);
    return true;
}

bool template_to_json(struct buf *out, struct template_value value)
{
    switch (value.kind) {
    case TEMPLATE_NONE:
        buf_str(out, "null");
        return true;
    case TEMPLATE_BOOL:
        buf_str(out, value.as.boolean ? "true" : "false");
        return true;
    case TEMPLATE_INT:
    case TEMPLATE_DURATION:
        buf_printf(out, "%lld", (long long)value.as.integer);
        return true;
    case TEMPLATE_FLOAT:
        return json_float(out, value.as.number);
    case TEMPLATE_STRING:
        json_quoted(out, value.as.text);
        return true;
    case TEMPLATE_TIME:
        buf_char(out, '"');
        go_time_format(out, *value.as.time, SV("2006-01-02T15:04:05.999999999Z07:00"));
        buf_char(out, '"');
        return true;
    case TEMPLATE_LIST:
        buf_char(out, '[');
        for (size_t i = 0; i < value.as.list->n; i++) {
            if (i > 0)
                buf_char(out, ',');
            if (!template_to_json(out, value.as.list->items[i]))
                return false;
        }
        buf_char(out, ']');
        return true;
    case TEMPLATE_MAP:
    case TEMPLATE_OBJECT:
        if (value.as.pairs->items == NULL) {
            buf_str(out, "null");
            return true;
        }
        buf_char(out, '{');
        for (size_t i = 0; i < value.as.pairs->n; i++) {
            struct sv name = value.as.pairs->items[i].name;
            if (i > 0)
                buf_char(out, ',');
            if (value.kind == TEMPLATE_OBJECT && name.n > 0 && value.type != NULL &&
                value.type->json_name != NULL)
                name = value.type->json_name(name);
            json_quoted(out, name);
            buf_char(out, ':');
            if (!template_to_json(out, *value.as.pairs->items[i].value))
                return false;
        }
        buf_char(out, '}');
        return true;
    }
    return false;
}
