/*
 * Loki's patterns: literals with <name> and <_> between them, as `| pattern` and `|>` take them.
 */
#ifndef QUERY_CAPTURE_H
#define QUERY_CAPTURE_H

#include "base/arena.h"
#include "base/err.h"

struct capture_part {
    struct sv text; /* a literal, or a capture's name ("_": none) */
    bool is_capture;
};
struct capture_pattern {
    struct capture_part *parts;
    size_t count;
};

/* Parts point into `text` and the arena. TC_EINPUT: two captures side by side, or nothing but literals where
 * `names` must be there. */
int capture_parse(struct sv text, bool names, struct arena *arena, struct capture_pattern *ret,
                  struct err *err);
/* Calls `each` for every named part, from the front; a literal that is missing ends it, and the capture
 * before it takes the rest. */
void capture_match(const struct capture_pattern *pattern, struct sv line,
                   void (*each)(void *context, struct sv name, struct sv value), void *context);
/* The whole line is of this form. */
bool capture_test(const struct capture_pattern *pattern, struct sv line);

#endif
