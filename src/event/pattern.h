/*
 * Declarative text parsing: a table of patterns, tried in order on one line; the first that matches says
 * which fields the line has.
 *
 * A pattern is data: literals that must be there (so that most lines never reach the regular expression), a
 * PCRE2 expression with named groups, fixed fields to set, and which group becomes which field. The built-in
 * table of parse_sshd.c and tables read from users' files are the same thing.
 *
 * A set is compiled once and then read-only: any number of threads may match with it at once. All memory of a
 * match comes from the caller's arena. Expressions run on bytes, not on code points, under a match limit; a
 * limit that is hit is an outcome of its own, never a silent no.
 */
#ifndef EVENT_PATTERN_H
#define EVENT_PATTERN_H

#include "base/err.h"
#include "event/event.h"

enum {
    TC_PATTERN_SET_MAX = 12,      /* fixed fields of a pattern */
    TC_PATTERN_CAPTURES_MAX = 32, /* named groups that become fields */
    TC_PATTERN_FIELDS_MAX = TC_PATTERN_SET_MAX + TC_PATTERN_CAPTURES_MAX,
    TC_PATTERNS_MAX = 4096,        /* patterns of a set */
    TC_PATTERN_MATCH_LIMIT = 50000 /* PCRE2's count of internal steps for one line */
};

struct pattern_field {
    const char *name, *value;
};
struct pattern_capture {
    const char *group; /* (?<group>…); a group that took no part in the match gives no field */
    const char *field;
    uint8_t type; /* enum field_type: FIELD_STRING or FIELD_NUMBER */
};
/* Lists end with a NULL name; all texts must outlive the set. */
struct pattern {
    const char *name;            /* for people: errors, statistics, explanations */
    const char *program;         /* only lines of this program; NULL: any */
    const char *const *programs; /* only lines of one of these (ends with NULL); NULL: any */
    const char *starts;          /* the text must start with it; NULL: with anything */
    const char *literal;         /* the text must have it somewhere; NULL: nothing asked */
    const char *regex; /* PCRE2; searched, so write ^ and $ where they are meant; NULL: literals decide */
    struct pattern_field set[TC_PATTERN_SET_MAX];
    struct pattern_capture captures[TC_PATTERN_CAPTURES_MAX];
};

enum pattern_outcome {
    PATTERN_NONE,
    PATTERN_MATCH,
    PATTERN_LIMIT, /* some pattern ran into its limit before any matched: what the line is stays unknown */
};

struct pattern_set;
/* Returns NULL with *err where an expression does not compile or a capture names a group that is not there:
 * the text says which pattern and where in it. The table is not copied and must outlive the set. */
struct pattern_set *pattern_set_new(const struct pattern *patterns, size_t count, struct err *err);
void pattern_set_free(struct pattern_set **set);
/*
 * Tries the patterns in order. On PATTERN_MATCH writes up to TC_PATTERN_FIELDS_MAX fields (fixed ones first;
 * hashed, not indexed) to `fields`, their number to *ret_count and the pattern to *ret_pattern (may be NULL).
 * Values point into `text` and the table.
 */
enum pattern_outcome pattern_match(const struct pattern_set *set, struct sv program, struct sv text,
                                   struct arena *scratch, struct field *fields, uint32_t *ret_count,
                                   const struct pattern **ret_pattern);
/* How often a limit was hit since the set was made; any thread. */
uint64_t pattern_limit_hits(const struct pattern_set *set);

/* A field of static name, as pattern_match and the parsers beside it make them. */
static inline struct field pattern_make_field(struct sv name, uint32_t hash, struct sv value, uint8_t type)
{
    return (struct field){
        .name = name, .exact = name, .value = value, .name_hash = hash, .next_same = -1, .type = type};
}

#endif
