/*
 * The compiled form of a detection, and the small matchers that judge one value each; for this room only.
 *
 * sigma_*.c build these structures in the rule set's arena, match.c walks them. All of it is read-only while
 * events are judged; what a thread needs to remember lives in its `struct match_scratch`.
 *
 *   detection = a tree of nodes            and, or, not, item, calendar
 *   item      = field|modifiers: values    OR over values (AND with |all), negated by |neq
 *   value     = alternatives               OR always: base64offset and windash make several of one value
 *   predicate = one question to one value  text pattern, number, comparison, regex, network, …
 */
#ifndef DETECT_MATCH_H
#define DETECT_MATCH_H

#include "detect/calendar.h"
#include "detect/list.h"
#include "detect/ruleset.h"

/* --- text patterns (match_string.c)
 * --------------------------------------------------------------------------------------------- */

enum token_kind {
    TOKEN_TEXT, /* these bytes */
    TOKEN_STAR, /* any run, also an empty one, also across lines */
    TOKEN_ONE,  /* one code point (or one byte that is not UTF-8) */
    TOKEN_DASH, /* one of - / U+2013 U+2014 U+2015 */
};
struct token {
    enum token_kind kind;
    struct sv text; /* TOKEN_TEXT: never empty */
};

enum pattern_shape { SHAPE_EXACT, SHAPE_PREFIX, SHAPE_SUFFIX, SHAPE_CONTAINS, SHAPE_ANY, SHAPE_GENERAL };
struct pattern {
    enum pattern_shape shape; /* all but SHAPE_GENERAL are answered from `text` alone */
    bool cased;
    struct sv text;
    const struct token *tokens; /* no two stars in a row, no two texts in a row */
    size_t count;
};

/* Folds (where not cased), joins neighbours and finds the shape. `tokens` may be scratch memory of the
 * caller's. */
void pattern_compile(struct arena *arena, const struct token *tokens, size_t count, bool cased,
                     struct pattern *ret);
/* `value` must be folded where the pattern is not cased. */
bool pattern_matches(const struct pattern *pattern, struct sv value);

/* --- networks (match_cidr.c)
 * ---------------------------------------------------------------------------------------------------- */

struct network {
    uint8_t address[16]; /* IPv4 stands as its mapped IPv6 address, so that both forms of it are one */
    uint8_t bits;        /* 0..128; an IPv4 prefix + 96 */
    bool v4;             /* an IPv4 network never holds an IPv6 address, nor the reverse */
};

/* TC_EINPUT with a sentence where `text` is no network, or has bits set beyond its prefix. */
int network_parse(struct sv text, struct network *ret, struct err *err);
/* The address that a value is, as above; false where it is none. The zone of a link-local one is left out. */
bool network_address(struct sv value, uint8_t ret[16], bool *ret_v4);
bool network_holds(const struct network *network, struct sv value);

/* --- numbers and dates (match_number.c)
 * ----------------------------------------------------------------------------------------- */

enum compare_op { COMPARE_EQ, COMPARE_LT, COMPARE_LTE, COMPARE_GT, COMPARE_GTE };
bool number_compare(enum compare_op op, struct sv value, struct sv number);
/* A key that equal numbers share, however they are written (and hardly any others); false: not a number. */
bool number_key(struct sv value, uint64_t *ret);

enum date_part { DATE_MINUTE, DATE_HOUR, DATE_DAY, DATE_WEEK, DATE_MONTH, DATE_YEAR };
/*
 * The part as it stands in the text, without conversion of zones: 2024-03-01T10:20:30Z, 2024/03/01 10:20,
 * 2024-03-01, 10:20:30. The week is ISO 8601's (1..53). False where the text has no such part.
 */
bool date_part_of(enum date_part part, struct sv value, int64_t *ret);

/* --- regular expressions (match_regex.c)
 * ---------------------------------------------------------------------------------------- */

struct regex;
enum regex_flags { REGEX_NOCASE = 1, REGEX_MULTILINE = 2, REGEX_DOTALL = 4 };
/* Compiles in `arena` and links the result into *list, which regex_free_list frees. */
int regex_compile(struct arena *arena, struct sv text, unsigned flags, struct regex **list,
                  const struct regex **ret, struct err *err);
void regex_free_list(struct regex **list);
/* A text that the folded form of every value contains that the expression matches; may be empty. */
struct sv regex_required(const struct regex *regex);
/* That of an expression's text; see regex_literal.c. */
struct sv regex_literal(struct arena *arena, struct sv text);

/* The value with every match replaced; \\1 and \\g<name> in the replacement stand for groups. False where it
 * cannot be done (no such group, a limit, more than 1 MiB). */
bool regex_replace(const struct regex *regex, struct sv value, struct sv replacement, struct arena *arena,
                   struct sv *ret);

struct regex_scratch; /* match data, stack for compiled code, limits; one thread's */
struct regex_scratch *regex_scratch_new(void);
void regex_scratch_free(struct regex_scratch **scratch);
/* Searches unanchored. A limit that is hit is no match and adds one to *limit_hits. */
bool regex_matches(const struct regex *regex, struct sv value, struct regex_scratch *scratch,
                   uint64_t *limit_hits);

/* --- predicates and trees
 * ------------------------------------------------------------------------------------------------------- */

enum predicate_kind {
    PREDICATE_PATTERN,
    PREDICATE_NUMBER, /* a number of the rule: equal by value, compared by value */
    PREDICATE_NULL,   /* missing, or JSON null */
    PREDICATE_EXISTS, /* present, whatever its value */
    PREDICATE_REGEX,
    PREDICATE_NETWORK,
    PREDICATE_FIELD, /* compared with another field of the same event */
    PREDICATE_DATE,  /* a part of a date */
    PREDICATE_LIST,  /* in a list of values (list.h) */
};

struct predicate {
    enum predicate_kind kind;
    union {
        struct pattern pattern;
        struct {
            enum compare_op op;
            enum date_part part; /* PREDICATE_DATE */
            struct sv value;
        } number;
        bool exists;
        const struct regex *regex;
        struct network network;
        struct {
            struct name_ref name;
            bool cased, open_start, open_end; /* open: anything may stand before, after */
        } field;
        struct {
            const struct list_table *table;
            enum list_question question;
            bool cased;
        } list;
    };
};

struct match_value {
    const struct predicate *alternatives;
    size_t count;
    struct sv written; /* as in the rule's file */
};

struct match_item {
    struct name_ref field; /* name.n == 0: keywords, searched in the whole event */
    bool all, negated;
    const struct match_value *values;
    size_t count;
    struct sv key; /* field and modifiers as written, and where */
    unsigned line, column;
};

struct match_calendar { /* is it open at the event's time? */
    const struct calendar *calendar;
    struct sv key; /* as written, and where */
    unsigned line;
};

enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_ITEM, NODE_CALENDAR };
struct match_node {
    enum node_kind kind;
    const struct match_item *item;
    const struct match_calendar *calendar;
    const struct match_node *const *kids; /* NODE_NOT: one */
    size_t count;
};

struct detection_selection { /* for explaining; the root has them all in it */
    struct sv name;
    const struct match_node *root;
    unsigned line;
    bool used; /* by the condition */
};

struct detection {
    const struct match_node *root;
    struct sv condition; /* as written; several joined by "or" */
    unsigned condition_line;
    const struct detection_selection *selections;
    size_t selection_count;
};

/* One item, and any part of a detection; for explaining. `value`: its number, or SIZE_MAX for the whole. */
bool match_item_holds(const struct match_item *item, size_t value, const struct event *event,
                      struct match_scratch *scratch);
bool match_node_holds(const struct match_node *node, const struct event *event,
                      struct match_scratch *scratch);

/* --- what the index shares with the interpreter (match.c)
 * ----------------------------------------------------------------------------------------- */

/* Has the field a text of its own? null is no value; an object or array stands as its members. */
static inline bool field_is_value(const struct field *field)
{
    return field->type != FIELD_NULL && field->type != FIELD_OBJECT && field->type != FIELD_ARRAY;
}
enum { MATCH_FOLD_MAX_BYTES = 4 << 20 }; /* longer values stand as they are sent in place of folded */
/* Are keywords searched in the raw text, too? */
bool raw_is_searched(const struct event *event);
/* The folded value of the field at `at`, or at field_count of the raw text; good until the next call. */
struct sv match_scratch_folded(struct match_scratch *scratch, const struct event *event, size_t at);
/* The folded values of all fields that keywords are searched in, one behind the other, a zero byte behind
 * each; false where that is too much. Good until the next call. */
bool match_scratch_all_folded(struct match_scratch *scratch, const struct event *event, struct sv *ret);

#endif
