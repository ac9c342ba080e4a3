/*
 * Label matchers; see matcher.h.
 */
#include "metrics/matcher.h"

#include "base/go_text.h"

#include <stdlib.h>

int matcher_init(struct matcher *matcher, enum match_type type, struct sv name, struct sv value,
                 struct err *err)
{
    *matcher = (struct matcher){type, name, value, NULL};
    return type == MATCH_REGEXP || type == MATCH_NOT_REGEXP
               ? re2_compile(value, RE2_MATCHER, &matcher->regex, err)
               : 0;
}

void matcher_free(struct matcher *matcher)
{
    re2_free(&matcher->regex);
}

bool matcher_matches(const struct matcher *matcher, struct sv value)
{
    bool same = matcher->regex != NULL ? re2_matches(matcher->regex, value) : sv_eq(matcher->value, value);
    return same == (matcher->type == MATCH_EQUAL || matcher->type == MATCH_REGEXP);
}

bool matchers_match(const struct matcher *matchers, size_t count, const struct labels *labels)
{
    for (size_t i = 0; i < count; i++)
        if (!matcher_matches(&matchers[i], labels_get(labels, matchers[i].name)))
            return false;
    return true;
}

static int by_text(const void *a, const void *b)
{
    const struct matcher *x = a, *y = b;
    int c = sv_cmp(x->name, y->name);
    c = c != 0 ? c : (int)x->type - (int)y->type;
    return c != 0 ? c : sv_cmp(x->value, y->value);
}

void matchers_sort(struct matcher *matchers, size_t count)
{
    if (count > 1)
        qsort(matchers, count, sizeof *matchers, by_text);
}

void matcher_format(struct buf *out, const struct matcher *matcher)
{
    static const char *const operators[] = {"=", "!=", "=~", "!~"};
    if (label_name_is_legacy(matcher->name))
        buf_sv(out, matcher->name);
    else
        go_quote(out, matcher->name);
    buf_str(out, operators[matcher->type]);
    go_quote(out, matcher->value);
}
