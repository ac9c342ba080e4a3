/*
 * What an alertmanager.yml may say, as tables: every object is a list of fields (name, kind, default), and a
 * list of checks that Alertmanager makes once the object has been read. The reader (decode.h) walks these
 * tables; nothing about a single receiver is written in code, but for the few checks that are functions.
 *
 * The tables follow Alertmanager 0.34 (config/, notify/<receiver>/config.go, prometheus/common/config). The
 * order of checks is theirs, because the first one that fails is what the user is told.
 */
#ifndef ALERT_ALERTMANAGER_SCHEMA_H
#define ALERT_ALERTMANAGER_SCHEMA_H

#include "alert/alertmanager/matcher.h"
#include "alert/alertmanager/time_interval.h"
#include "base/yaml.h"

/* What a value may be. What is kept of it, and in which member of struct am_value, stands behind it. */
enum am_kind {
    AM_KIND_STRING,           /* text */
    AM_KIND_SECRET,           /* text; shown to nobody */
    AM_KIND_SECRET_OR_NONE,   /* text; an empty one counts as given */
    AM_KIND_BOOL,             /* number 0 or 1 */
    AM_KIND_INTEGER,          /* number */
    AM_KIND_UNSIGNED,         /* number */
    AM_KIND_FLOAT,            /* real */
    AM_KIND_DURATION,         /* number: ns; Prometheus' syntax, "1h30m" */
    AM_KIND_GO_DURATION,      /* number: ns; Go's syntax, "1.5h", or a plain number of ns */
    AM_KIND_TEXT_DURATION,    /* number: ns; Go's syntax only */
    AM_KIND_URL,              /* text: http or https, with a host */
    AM_KIND_SECRET_URL,       /* text; the same, or "<secret>" */
    AM_KIND_TEMPLATE_URL,     /* text; secret; the same, or a template */
    AM_KIND_ANY_URL,          /* text: whatever Go's url.Parse takes */
    AM_KIND_HOST_PORT,        /* text */
    AM_KIND_TLS_VERSION,      /* text */
    AM_KIND_TRACING_CLIENT,   /* text */
    AM_KIND_STRINGS,          /* items of text */
    AM_KIND_STRING_MAP,       /* items with key and text */
    AM_KIND_LABEL_MAP,        /* the same; keys are label names */
    AM_KIND_STRING_LIST_MAP,  /* items with key, each with items of text */
    AM_KIND_ANY,              /* node */
    AM_KIND_ANY_MAP,          /* node; a map */
    AM_KIND_OBJECT,           /* object, NULL where absent or null */
    AM_KIND_STRING_OR_OBJECT, /* object; a plain text is its first field */
    AM_KIND_OBJECTS,          /* items with object (NULL: the item is null) */
    AM_KIND_OBJECT_MAP,       /* items with key and object */
    AM_KIND_REGEXP_MAP,       /* items with key and text; matchers, of type AM_REGEXP */
    AM_KIND_MATCHERS,         /* matchers, sorted */
    AM_KIND_LOCATION,         /* zone */
    AM_KIND_TIME_RANGES,      /* ranges, and so are the next four */
    AM_KIND_WEEKDAYS,
    AM_KIND_DAYS_OF_MONTH,
    AM_KIND_MONTHS,
    AM_KIND_YEARS,
    AM_KINDS,
};

struct am_schema;
struct am_object;
struct am_decoder;

struct am_field {
    const char *name;
    enum am_kind kind;
    const char *fallback;           /* the default, as it would be written; NULL: the kind's zero */
    const struct am_schema *schema; /* of objects */
    const char *go_type;            /* of lists of objects: the type that Alertmanager's complaint names */
};

/*
 * A check looks at fields by name. `names` is words, each one or more names joined by '|' (any of them);
 * a name may be a path ("http_config.authorization").
 */
enum am_check_kind {
    AM_CHECK_AT_MOST_ONE, /* more than one of the words is set */
    AM_CHECK_ANY,         /* none of the words is set */
    AM_CHECK_CALL,        /* the function says */
};
struct am_check {
    enum am_check_kind kind;
    const char *names;
    const char *problem;
    int (*call)(const struct am_decoder *decoder, struct am_object *object, struct err *err);
};

struct am_schema {
    const char *go_type;           /* "config.plain" */
    const struct am_field *fields; /* ends with name NULL */
    const struct am_check *checks; /* ends with problem and call NULL; may be NULL */
};

struct am_value {
    bool given; /* stands in the file and is not null */
    struct sv key, text;
    int64_t number;
    double real;
    struct am_object *object;
    struct am_value *items;
    size_t count;
    const struct yaml_node *node;
    struct am_matchers matchers;
    struct am_ranges ranges;
    const struct zone *zone;
};

struct am_object {
    const struct am_schema *schema;
    unsigned line;           /* 1-based; 0 where it is made of defaults alone */
    struct am_value *values; /* one for each field of the schema */
};

extern const struct am_schema am_schema_config, am_schema_route, am_schema_receiver, am_schema_global,
    am_schema_inhibit_rule, am_schema_time_interval;
extern const struct am_schema am_schema_http, am_schema_tls, am_schema_headers;
/* The receivers' kinds in the order in which Alertmanager builds them: "webhook", "email", ... */
struct am_receiver_kind {
    const char *name;  /* "webhook" */
    const char *field; /* "webhook_configs" */
};
extern const struct am_receiver_kind am_receiver_kinds[]; /* ends with name NULL */
extern const struct am_field am_receiver_fields[];

/* The value of a field; asking for a name that the schema does not have is a mistake of ours. */
struct am_value *am_get(const struct am_object *object, const char *name);
struct sv am_get_text(const struct am_object *object, const char *name);
struct am_object *am_get_object(const struct am_object *object, const char *name);
/* By path; is it set to something that is not its kind's zero (or, for pointers in Go, at all)? */
bool am_is_set(const struct am_object *object, const char *path);
/* An object of defaults alone. */
struct am_object *am_object_new(struct arena *arena, const struct am_schema *schema);
/* The checks of its schema, in order. */
int am_object_check(const struct am_decoder *decoder, struct am_object *object, struct err *err);

#endif
