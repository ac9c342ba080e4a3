/*
 * Label matchers as Alertmanager has them: name=value, name!=value, name=~regex, name!~regex.
 *
 * Two syntaxes: the classic one (tolerant, ASCII names) and the UTF-8 one (names and values may be any UTF-8
 * in quotes, escapes are Go's). By default both read the text: where they disagree, or only the classic one
 * can read it, the classic result holds and a warning is due
 * (https://prometheus.io/docs/alerting/latest/configuration/#label-matchers).
 *
 * Bounds: an input is at most 64 KiB, with at most 1,000 matchers. Everything here is immutable once made;
 * any thread may match.
 */
#ifndef ALERT_ALERTMANAGER_MATCHER_H
#define ALERT_ALERTMANAGER_MATCHER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/re2.h"

/* A label set is an array sorted by name without repeats; a label that is absent is empty. */
struct am_label {
    struct sv name, value;
};
struct am_labels {
    const struct am_label *items;
    size_t count;
};

/* Sorts by name in place and keeps the last of equal names. Returns how many are left. */
size_t am_labels_sort(struct am_label *items, size_t count);
struct sv am_labels_get(struct am_labels labels, struct sv name); /* empty where absent */
/* {a="b", c="d"}, as Prometheus' LabelSet prints itself. */
void am_labels_print(struct am_labels labels, struct buf *out);

/* Owns what matchers are made of: texts in the arena, and compiled expressions. All zero is ready. */
struct am_pool {
    struct arena arena;
    struct re2 **expressions;
    size_t count, capacity;
};
void am_pool_free(struct am_pool *pool);

enum am_match_type { AM_EQUAL, AM_NOT_EQUAL, AM_REGEXP, AM_NOT_REGEXP }; /* in Alertmanager's order */

struct am_matcher {
    enum am_match_type type;
    struct sv name, value;
    const struct re2 *re2; /* of the last two types */
};
struct am_matchers {
    struct am_matcher *items;
    size_t count;
};

enum am_matcher_mode {
    AM_MATCHERS_FALLBACK, /* the default */
    AM_MATCHERS_CLASSIC,  /* --enable-feature=classic-mode */
    AM_MATCHERS_UTF8,     /* --enable-feature=utf8-strict-mode */
};

/* Texts are copied into the pool. TC_EINPUT with Go's words where the expression is refused. */
int am_matcher_make(struct am_pool *pool, enum am_match_type type, struct sv name, struct sv value,
                    struct am_matcher *ret, struct err *err);
/*
 * Reads zero or more matchers. TC_EINPUT with Alertmanager's words. *ret_warning (may be NULL) becomes NULL,
 * or a sentence (static, or in the pool) where the two syntaxes do not agree on the text.
 */
int am_matchers_parse(struct am_pool *pool, enum am_matcher_mode mode, struct sv input,
                      struct am_matchers *ret, const char **ret_warning, struct err *err);
/* Exactly one matcher, without braces. */
int am_matcher_parse(struct am_pool *pool, enum am_matcher_mode mode, struct sv input, struct am_matcher *ret,
                     struct err *err);

/* By name, value, type: the order in which they are printed and are part of a route's key. */
void am_matchers_sort(struct am_matchers *matchers);
bool am_matcher_matches(const struct am_matcher *matcher, struct sv value);
/* All of them; none match everything. */
bool am_matchers_match(struct am_matchers matchers, struct am_labels labels);
void am_matcher_print(const struct am_matcher *matcher, struct buf *out);
void am_matchers_print(struct am_matchers matchers, struct buf *out); /* {a="b",c=~"d"} */

/* Is that a label's name? Classic: [a-zA-Z_][a-zA-Z0-9_]*; else any UTF-8 that is not empty. */
bool am_label_name_is_classic(struct sv name);
bool am_label_name_valid(enum am_matcher_mode mode, struct sv name);

#endif
