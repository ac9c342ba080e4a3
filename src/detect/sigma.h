/*
 * Reading Sigma, for the sigma_*.c files and ruleset.c only: from YAML trees to what match.h and ruleset.h
 * describe.
 *
 * Every function here returns 0, or a negative code after sigma_refuse() has noted why: a place, a sentence,
 * and a fixed word (the construct) to list refusals by. Nothing is ever dropped in silence.
 */
#ifndef DETECT_SIGMA_H
#define DETECT_SIGMA_H

#include "base/hash.h"
#include "base/map.h"
#include "base/yaml.h"
#include "detect/match.h"

enum {
    SIGMA_DOCUMENT_NODES_MAX = 100000,
    SIGMA_FIELDS_MAX = 1000,
    SIGMA_DEPTH_MAX = 64,
    SIGMA_WARNINGS_MAX = 16
};

/* Field names in the order written, distinct. */
struct name_list {
    struct name_ref *names;
    size_t count, capacity;
};

/* Values for `expand`, of all documents of the rule set. */
struct placeholders {
    struct map names;              /* to struct placeholder, in the rule set's arena */
    uint8_t hash[TC_SHA256_BYTES]; /* of all of them */
};

/* What reading one document needs. */
struct sigma {
    struct arena *arena;    /* the rule set's: what stays */
    struct arena *scratch;  /* dies with the loading */
    struct regex **regexes; /* the rule set's list */
    const char *file;
    struct placeholders *placeholders; /* NULL: none */
    struct pipelines *pipelines;       /* NULL: none */
    bool expanded;                     /* one of them was asked */
    const char *construct;             /* of a refusal */
    struct err *err;                   /* of a refusal */
};

/* A warning met on the way; ruleset.c turns it into a note. */
struct sigma_warning {
    const char *construct;
    const char *text;
    unsigned line, column; /* 0: the document's */
};

/* An alias of a correlation: another name for a field, in the events of each rule. */
struct sigma_rule;
struct alias_field {
    struct sv ref; /* as written */
    struct name_ref field;
    const struct sigma_rule *to; /* ruleset.c's */
};
struct sigma_alias {
    struct sv name;
    struct alias_field *fields;
    size_t field_count;
};

/* One readable document. Texts live in the rule set's arena. */
struct sigma_rule {
    struct rule rule;
    unsigned column;
    bool has_keywords;
    bool refused;   /* by ruleset.c, later */
    bool is_filter; /* a condition more for the rules of `refs`, or of its log source where any_rule */
    bool any_rule;
    struct correlation *correlation;
    const struct sv *refs; /* a correlation's or filter's rules as written */
    size_t ref_count;
    const struct sigma_alias *aliases;
    size_t alias_count;
    const struct yaml_node *own; /* the tocsin: map while the document is read; NULL: none */
    const struct sv *resets;     /* ids or names, as written */
    size_t reset_count;
    uint8_t document_hash[TC_SHA256_BYTES];            /* all of it */
    uint8_t meaning_hash[TC_SHA256_BYTES];             /* what decides whether it matches, and its windows */
    struct sigma_warning warnings[SIGMA_WARNINGS_MAX]; /* what is over is left out */
    size_t warning_count;
};

int sigma_refuse(struct sigma *sigma, int code, unsigned line, unsigned column, const char *construct,
                 const char *format, ...) TC_PRINTF(6, 7);
#define SIGMA_AT(node)     (node)->line, (node)->column
#define SIGMA_AT_KEY(node) (node)->key_line, (node)->key_column

/* --- sigma_collection.c: all documents of a file, as yaml_parse, with `action: global|repeat|reset` done; a
 * document that is only such an action has no root. */
int sigma_parse_file(struct arena *arena, const char *file, struct sv bytes, struct yaml_doc **ret_docs,
                     struct err *err);

/* --- sigma_read.c: one document */
int sigma_read(struct sigma *sigma, const struct yaml_node *root, bool in_pack, struct sigma_rule *ret);
/* Documents of placeholders are read before all others. */
bool sigma_is_placeholders(const struct yaml_node *root);
int sigma_read_values(struct sigma *sigma, const struct yaml_node *root);
/* Adds a name (copied) unless it is there. */
int sigma_add_name(struct sigma *sigma, struct name_list *list, struct sv name, const struct yaml_node *at);
/* A list of texts (or one text, or nothing) into the rule set's arena. */
int sigma_texts(struct sigma *sigma, const struct yaml_node *node, const char *what, const struct sv **ret,
                size_t *ret_count);

/* --- sigma_info.c: title, id, level, tags, the tocsin: map */
int sigma_read_info(struct sigma *sigma, const struct yaml_node *root, bool in_pack, struct sigma_rule *ret);

/* --- sigma_detection.c: selections and condition */
struct selection {
    struct sv name;
    const struct match_node *root;
    const struct yaml_node *node;
    struct name_list reads;
    unsigned line, column;
    bool used; /* by the condition, or by one of raise */
    bool used_by_condition;
};
int sigma_read_detection(struct sigma *sigma, const struct yaml_node *detection, struct sigma_rule *ret);

/* --- sigma_tocsin.c: the tocsin: map; the detection or correlation was read */
int sigma_read_tocsin(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *ret);
/* A scalar's text, or nothing where the key is absent or null. */
int sigma_read_text(struct sigma *sigma, const struct yaml_node *map, const char *key, struct sv *ret);
int sigma_read_severity(struct sigma *sigma, const struct yaml_node *map, const char *key,
                        struct sv *ret_word, enum severity *ret);

/* --- sigma_raise.c: `raise` of the tocsin: map. Of a detection it is read while its selections are at hand,
 * of a correlation once that was read; sigma_check_raises when the rule's own severity is known. */
int sigma_read_raises(struct sigma *sigma, struct sigma_rule *rule, struct selection *selections,
                      size_t count);
int sigma_check_raises(struct sigma *sigma, struct sigma_rule *rule);

/* --- sigma_lint.c: what can be read but is hardly meant */
void sigma_warn(struct sigma *sigma, struct sigma_rule *rule, unsigned line, unsigned column,
                const char *construct, const char *format, ...) TC_PRINTF(6, 7);
void sigma_lint_detection(struct sigma *sigma, const struct yaml_node *map,
                          const struct selection *selections, size_t count, const struct match_node *root,
                          struct sigma_rule *rule);
/* Once its log source is known. */
void sigma_lint_rule(struct sigma *sigma, const struct yaml_node *root, struct sigma_rule *rule);

/* --- sigma_string.c: token lists while modifiers work on them; all in sigma->scratch */
struct token_list {
    struct token *tokens;
    size_t count;
};
struct token_list sigma_string(struct arena *arena, struct sv text); /* wildcards and escapes */
struct token_list sigma_text(struct arena *arena, struct sv text);   /* literal */
struct token_list sigma_open(struct arena *arena, struct token_list list, bool start, bool end);
struct token_list sigma_windash(struct arena *arena, struct token_list list);
bool sigma_has_wildcard(struct token_list list);
size_t sigma_dash_count(struct token_list list);
/* The list with its dashes replaced: the number `at` of 5^dashes combinations. */
struct token_list sigma_dashes_chosen(struct arena *arena, struct token_list list, size_t at);
enum utf16_form { UTF16_LE, UTF16_BE, UTF16_BOM };
struct token_list sigma_utf16(struct arena *arena, struct token_list list, enum utf16_form form);
struct sv sigma_base64(struct arena *arena, struct sv bytes);
/* What is the same of `bytes` in base64 wherever they begin at a multiple of 3 plus `offset`; may be empty.
 */
struct sv sigma_base64_offset(struct arena *arena, struct sv bytes, size_t offset);

/* --- sigma_value.c: one field|modifiers: values */
/* `key` is empty and `list` the values where they are keywords without a key. */
int sigma_read_item(struct sigma *sigma, struct sv key, const struct yaml_node *place,
                    const struct yaml_node *const *values, size_t count, struct name_list *reads,
                    const struct match_node **ret);

/* --- sigma_placeholder.c */
struct placeholders *placeholders_new(struct arena *arena);
void placeholders_free(struct placeholders *placeholders);
/* A list gives the placeholder of its name its values. One of a pack gives way to one that is not. */
int sigma_add_list(struct sigma *sigma, struct sv name, struct list *list);
/* The same of calendars. */
int sigma_add_calendar(struct sigma *sigma, struct calendar *calendar, const struct yaml_node *at);
/* Each list, in the order in which they came. */
void placeholders_each_list(const struct placeholders *placeholders,
                            void (*each)(void *context, const struct list *list), void *context);
/* The same of calendars. */
void placeholders_each_calendar(const struct placeholders *placeholders,
                                void (*each)(void *context, const struct calendar *calendar), void *context);
/* `map`: that of the key `placeholders`; into sigma->placeholders. */
int sigma_read_placeholders(struct sigma *sigma, const struct yaml_node *map,
                            const uint8_t document_hash[TC_SHA256_BYTES]);

/* --- sigma_calendar.c: documents of calendars, read before all others; lines that ask one */
bool sigma_is_calendar(const struct yaml_node *root);
int sigma_read_calendar(struct sigma *sigma, const struct yaml_node *root, bool in_pack);
bool sigma_asks_calendar(const struct sigma *sigma, const struct yaml_node *const *values, size_t count);
int sigma_read_calendar_line(struct sigma *sigma, struct sv key, const struct yaml_node *place,
                             const struct yaml_node *const *values, size_t count, struct name_list *reads,
                             const struct match_node **ret);

/* --- sigma_condition.c */
int sigma_read_condition(struct sigma *sigma, const struct yaml_node *condition, struct selection *selections,
                         size_t count, const struct match_node **ret);
const struct match_node *sigma_node(struct sigma *sigma, enum node_kind kind,
                                    const struct match_node *const *kids, size_t count);

/* --- sigma_correlation.c */
int sigma_read_correlation(struct sigma *sigma, const struct yaml_node *root, const struct yaml_node *map,
                           struct sigma_rule *ret);
/* Names of fields, or of one; none where `node` is NULL. `what` is the key, for errors. */
int sigma_read_names(struct sigma *sigma, const struct yaml_node *node, const char *what,
                     const struct name_ref **ret, size_t *ret_count);
int sigma_read_timespan(struct sigma *sigma, const struct yaml_node *map, struct correlation *ret);
/* A duration such as 15m, ten years at most, under any key; *ret is left alone where the key is absent. */
int sigma_read_duration(struct sigma *sigma, const struct yaml_node *map, const char *key, int64_t *ret_ns);
/* The tests of a condition's map, such as {gte: 10}; other keys than `but` (NULL-terminated) are refused. */
int sigma_read_tests(struct sigma *sigma, const struct yaml_node *condition, enum corr_type type,
                     const char *const but[], const struct corr_test **ret, const num_amount **ret_amounts,
                     size_t *ret_count);

/* --- sigma_steps.c: a temporal correlation's condition in words; rule->refs were read, or are then taken
 * from it. Steps are places in rule->refs until ruleset_link.c knows ordinals. */
/* A condition in words over `names`; used[i]: it speaks of that name. */
int sigma_read_words(struct sigma *sigma, const struct yaml_node *node, const struct sv *names, size_t count,
                     bool *used, const struct step_condition **ret);
int sigma_read_steps(struct sigma *sigma, const struct yaml_node *node, struct correlation *c,
                     struct sigma_rule *rule);

/* --- sigma_new_value.c: that key of the tocsin: map; the rule's detection was read */
int sigma_read_new_value(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *rule);
/* Its findings show whose they are, and what was remembered: the rule reads these fields first. */
int sigma_read_memory_fields(struct sigma *sigma, const struct yaml_node *map, const struct correlation *c,
                             struct rule *rule);

/* --- sigma_travel.c: the same */
int sigma_read_travel(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *rule);

/* --- sigma_baseline.c: the same */
int sigma_read_baseline(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *rule);

/* --- sigma_absence.c: the same */
/* The map of such a key: a map of the known keys, of a detection that has no other memory. */
int sigma_check_memory(struct sigma *sigma, const struct yaml_node *map, const char *const known[],
                       const struct sigma_rule *rule);
/* A decimal number of at least `least`, in millionths; *ret is left alone where the key is absent. */
int sigma_read_decimal(struct sigma *sigma, const struct yaml_node *map, const char *key, int64_t least,
                       int64_t *ret);
int sigma_read_absence(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *rule);

#endif
