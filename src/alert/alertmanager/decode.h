/*
 * Reads a YAML tree by a schema (schema.h) as Go's yaml.UnmarshalStrict would fill Alertmanager's types, with
 * the same complaints: what is unknown, doubled or of the wrong type is collected and told together, and the
 * first value that is well-formed but not meaningful ends the reading with its own words.
 *
 * Bounds: 1,000,000 values after aliases are followed, depth 100, and 64 KiB of collected complaints (of
 * which an error shows the first kilobyte).
 */
#ifndef ALERT_ALERTMANAGER_DECODE_H
#define ALERT_ALERTMANAGER_DECODE_H

#include "alert/alertmanager/schema.h"

struct am_warning; /* config.h */

struct am_decoder {
    struct arena *arena; /* = &pool->arena */
    struct am_pool *pool;
    enum am_matcher_mode mode;
    struct buf complaints; /* "\n  line 3: field x not found in type config.plain" */
    size_t complaint_count, values, warning_count;
    unsigned depth;
    struct am_warning *warnings, **warnings_tail;
    struct err *err;
};

/*
 * Reads `root` (NULL: empty) as an object of `schema`. The object lives in pool->arena. TC_EINPUT with
 * Alertmanager's words, TC_EBOUND past a bound.
 */
int am_decode(struct am_pool *pool, enum am_matcher_mode mode, const struct yaml_node *root,
              const struct am_schema *schema, struct am_object **ret, struct am_warning **ret_warnings,
              struct err *err);

/* Is `text` a template of Go's, with Go's own functions only? TC_EINPUT with Go's words where it is a broken
 * one. */
int am_check_template(struct sv text, bool *ret_templated, struct err *err);

#endif
