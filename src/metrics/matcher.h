/*
 * Label matchers: =, !=, =~, !~. An absent label has the empty value.
 */
#ifndef METRICS_MATCHER_H
#define METRICS_MATCHER_H

#include "base/re2.h"
#include "metrics/labels.h"

enum match_type { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEXP, MATCH_NOT_REGEXP };

struct matcher {
    enum match_type type;
    struct sv name, value;
    struct re2 *regex; /* owned by whoever made the matcher; NULL for = and != */
};

/* Compiles the expression where there is one. Texts are lent. */
int matcher_init(struct matcher *matcher, enum match_type type, struct sv name, struct sv value,
                 struct err *err);
void matcher_free(struct matcher *matcher);
bool matcher_matches(const struct matcher *matcher, struct sv value);
bool matchers_match(const struct matcher *matchers, size_t count, const struct labels *labels);
/* Into an order of their own: what they select does not depend on it. */
void matchers_sort(struct matcher *matchers, size_t count);
/* name=~"value" */
void matcher_format(struct buf *out, const struct matcher *matcher);

#endif
