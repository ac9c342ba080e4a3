/*
 * The values that templates work on: Go's dynamic values as far as text/template can tell them apart.
 *
 * A value is passed by value and points into an arena, which must outlive it. Lists, maps and objects are
 * immutable once made. A `type` gives a value its Go name (for error texts and %T) and its methods; where it
 * is NULL the kind's own name holds.
 */
#ifndef TEMPLATE_VALUE_H
#define TEMPLATE_VALUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum template_kind {
    TEMPLATE_NONE, /* no value: a missing key, nil */
    TEMPLATE_BOOL,
    TEMPLATE_INT,
    TEMPLATE_FLOAT,
    TEMPLATE_STRING,
    TEMPLATE_LIST,
    TEMPLATE_MAP,    /* keys are strings, sorted by bytes */
    TEMPLATE_OBJECT, /* a Go struct: fields in order */
    TEMPLATE_TIME,
    TEMPLATE_DURATION, /* nanoseconds, in `integer` */
};

/* Strings that html/template takes as safe in one context. */
enum template_content { CONTENT_PLAIN, CONTENT_HTML, CONTENT_URL };

struct template_type;
struct template_value;
struct zone;

struct template_list {
    size_t n;
    struct template_value *items;
};

struct template_pair {
    struct sv name;
    const struct template_value *value;
};

struct template_pairs { /* of a map (sorted) or an object (in order) */
    size_t n;
    struct template_pair *items;
};

/* An instant with the zone that it is shown in (NULL: UTC). Seconds since 1970, so that Go's zero time (year
 * 1) has its place. */
struct template_time {
    int64_t seconds;
    int32_t nanoseconds;
    const struct zone *zone;
};

struct template_value {
    enum template_kind kind;
    enum template_content content; /* of a string */
    const struct template_type *type;
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct sv text;
        const struct template_list *list;
        const struct template_pairs *pairs;
        const struct template_time *time;
    } as;
};

struct template_call;
/* A method or function: `args` are checked against the signature. Fills *ret, or returns an error with err
 * set. */
typedef int (*template_fn)(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err);

/*
 * A function's signature: a letter for each parameter, `*` behind the last one where it takes any number:
 *   a anything   s string   i integer   t time   d duration   S []string   l list of anything   m map
 *   q the list of samples that a query gives (Prometheus)   p one such sample
 */
struct template_function {
    const char *name;
    const char *signature;
    template_fn call;
};

struct template_type {
    const char *name;                        /* Go's: "template.KV" */
    const struct template_function *methods; /* ends with name NULL; first argument is the value itself and
                                                does not stand in the signature; may be NULL */
    bool zero_is_text;  /* a map whose missing entries are "" (map[string]string), where missing keys are zero
                         */
    bool text_elements; /* a []string: fits the parameter S */
    void (*print)(struct buf *out,
                  struct template_value value); /* its String(); NULL: as its kind is shown */
    struct sv (*json_name)(struct sv field);    /* of an object's field in JSON; NULL: its own name */
};

extern const struct template_type template_type_strings;  /* []string */
extern const struct template_type template_type_anys;     /* []interface {} */
extern const struct template_type template_type_text_map; /* map[string]string */
extern const struct template_type template_type_any_map;  /* map[string]interface {} */
extern const struct template_type template_type_int64;    /* int64, where a method gives one */

static inline struct template_value template_none(void)
{
    return (struct template_value){.kind = TEMPLATE_NONE};
}
static inline struct template_value template_bool(bool v)
{
    return (struct template_value){.kind = TEMPLATE_BOOL, .as.boolean = v};
}
static inline struct template_value template_int(int64_t v)
{
    return (struct template_value){.kind = TEMPLATE_INT, .as.integer = v};
}
static inline struct template_value template_float(double v)
{
    return (struct template_value){.kind = TEMPLATE_FLOAT, .as.number = v};
}
static inline struct template_value template_text(struct sv text)
{
    return (struct template_value){.kind = TEMPLATE_STRING, .as.text = text};
}
static inline struct template_value template_duration(int64_t ns)
{
    return (struct template_value){.kind = TEMPLATE_DURATION, .as.integer = ns};
}
struct template_value template_time(struct arena *arena, int64_t seconds, int32_t nanoseconds,
                                    const struct zone *zone);
/* `items` must lie in the arena; not copied. `type` NULL is []interface {}. */
struct template_value template_list(struct arena *arena, const struct template_type *type,
                                    struct template_value *items, size_t n);
/* Sorts `items` (in the arena, not copied) by name; of equal names the last holds. `type` NULL is
 * map[string]interface {}. `items` NULL is Go's nil map, which is empty, and null in JSON. */
struct template_value template_map(struct arena *arena, const struct template_type *type,
                                   struct template_pair *items, size_t n);
struct template_value template_object(struct arena *arena, const struct template_type *type,
                                      struct template_pair *items, size_t n);
/* NULL where the map or object has no such entry. */
const struct template_value *template_get(struct template_value of, struct sv name);

/* Reads one JSON value: objects become map[string]interface {}, numbers float64, as Go's encoding/json makes
 * them. Depth to 64. */
int template_from_json(struct arena *arena, struct sv json, struct template_value *ret, struct err *err);
/* Appends the value as encoding/json writes it (HTML's characters escaped as there). False for what JSON
 * cannot say. */
bool template_to_json(struct buf *out, struct template_value value);

/* Go's name of the value's type: "string", "template.KV", "<nil>". */
const char *template_type_name(struct template_value value);
/* text/template's truth: not empty, not zero, not nil. */
bool template_is_true(struct template_value value);

#endif
