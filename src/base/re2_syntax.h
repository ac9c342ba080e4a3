/* Go's regular expressions read, and written anew for PCRE2; only re2.c needs it. */
#ifndef BASE_RE2_SYNTAX_H
#define BASE_RE2_SYNTAX_H

#include "base/buf.h"
#include "base/err.h"

struct re2_syntax {
    struct buf pattern;  /* for PCRE2 with UTF, DOLLAR_ENDONLY and ALT_CIRCUMFLEX; groups have no names */
    struct buf names;    /* those of all groups, one after another */
    uint32_t *name_ends; /* of group 1, 2, …: where its name ends in `names`; empty where it has none */
    size_t groups;
    struct sv property; /* the last \p{…}, in the expression: whether there is such a one, PCRE2 knows */
};

/* TC_EINPUT with Go's words. Free in either case. */
int re2_syntax_read(struct sv expression, struct re2_syntax *ret, struct err *err);
void re2_syntax_free(struct re2_syntax *syntax);

/* "error parsing regexp: PROBLEM: `PART`" */
int re2_refuse(struct err *err, const char *problem, struct sv part);

#endif
