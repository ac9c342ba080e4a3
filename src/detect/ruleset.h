/*
 * The compiled rule set, for the files of this room only (the door is detect.h).
 *
 * Two halves meet here. sigma_*.c read YAML and fill this; match.c answers "does this rule's detection hold
 * for this event?"; corr.c and detector.c keep windows and order findings. Everything is immutable after
 * ruleset_new and lives in `ruleset.arena`; any number of threads may read it.
 */
#ifndef DETECT_RULESET_H
#define DETECT_RULESET_H

#include "base/num.h"
#include "detect/detect.h"
#include "detect/step_condition.h"

enum rule_kind { RULE_DETECTION, RULE_CORRELATION };
enum corr_type {
    CORR_EVENT_COUNT,
    CORR_VALUE_COUNT,
    CORR_TEMPORAL,
    CORR_TEMPORAL_ORDERED,
    CORR_VALUE_SUM,
    CORR_VALUE_AVG,
    CORR_VALUE_PERCENTILE,
    CORR_VALUE_MEDIAN,
    CORR_NEW_VALUE, /* of a detection that has a memory (memory.h), not of a `correlation:` document */
    CORR_ABSENCE,   /* likewise, as those below */
    CORR_TRAVEL,
    CORR_BASELINE,
};
enum {
    CORR_STEPS_MAX = 64,      /* rules of a temporal_ordered */
    CORR_LAYERS_MAX = 16,     /* correlations upon correlations */
    CORR_COUNT_MAX = 1 << 25, /* largest number in a condition: what a group can hold */
};
enum corr_op { CORR_GT, CORR_GTE, CORR_LT, CORR_LTE, CORR_EQ, CORR_NEQ };

struct corr_test {
    enum corr_op op;
    int64_t value;
};

struct name_ref { /* a field name with its hash, ready for event_find */
    struct sv name;
    uint32_t hash;
};

struct correlation {
    enum corr_type type;
    const uint32_t *rules; /* ordinals of the referenced rules, resolved by id or name; distinct; ascending,
                              but as listed in a temporal_ordered. A rule's place in it is its step. */
    size_t rule_count;
    const struct name_ref *group_by; /* may be empty: one global group */
    size_t group_count;
    int64_t timespan_ns;
    const struct corr_test *tests; /* all must hold; at least one */
    size_t test_count;
    const num_amount *amounts; /* types that look at numbers (measure.h): one for each test, in place of its
                                  value */
    const struct step_condition *steps; /* temporal: the condition in words, in place of tests; NULL: none */
    const struct travel_spec *travel;   /* travel, baseline: memory.h's */
    const struct baseline_spec *baseline;
    uint32_t percentile;           /* value_percentile: 0 to 100 */
    const struct name_ref *fields; /* value_count, new_value: one name, or several (distinct tuples);
                                      value_sum      and its like: one */
    size_t field_count;
    /* Where the names of group_by, then those of `fields`, stand in what each of `rules` matched
     * (group_count + field_count for each): aliases resolved. NULL: no alias, each under its own name. */
    const struct name_ref *lookups;
    uint32_t layer; /* 0: of detections alone; else one more than the highest correlation that it refers to */
    bool generate;  /* the referenced rules also emit on their own */
};

struct detection; /* match.c's: predicates and condition */
struct match_node;

/* One more condition under which what the rule finds is more severe (tocsin: raise). */
struct rule_raise {
    enum severity severity;
    const struct match_node *condition; /* a detection: over its selections, of the event at hand */
    const struct corr_test *tests;      /* a correlation: over the value that met its condition */
    const num_amount *amounts;          /* types that look at numbers: in place of the tests' values */
    size_t test_count;
    struct sv written; /* for explaining */
};

struct rule {
    struct rule_info info;
    enum rule_kind kind;
    struct sv product, category, service; /* n == 0: any */
    const struct detection *detection;
    const struct correlation *correlation; /* of a detection: its memory; only what that finds is a finding */
    bool silent;         /* makes no finding of its own: referenced by a correlation without generate, or a
                            building block */
    uint8_t content[16]; /* hash of its id and meaning (and of those it refers to): equal content = same rule
                            after a reload */
    const struct name_ref
        *reads; /* fields it reads, in the rule's order, distinct; a correlation: its group-by and fields */
    size_t read_count;
    const uint32_t *used_by; /* ordinals of correlations that refer to it, ascending */
    const uint32_t *steps;   /* its step in each of them */
    size_t used_by_count;
    const struct rule_raise *raises; /* the most severe first */
    size_t raise_count;
    const uint32_t
        *resets; /* ordinals of the rules whose windows and alerts it ends; it says nothing itself */
    size_t reset_count;
};

struct ruleset {
    struct arena arena;
    struct rule *rules; /* by ordinal */
    size_t count;
    struct rule_note *notes;
    size_t note_count;
    struct sv *field_names;
    size_t field_name_count;
    struct rule_index *index; /* index.h's: which rules could match an event */
    const struct calendar **calendars;
    size_t calendar_count;
    struct regex *regexes; /* match_regex.c's: a list through all compiled expressions, to free them by */
};

/* Memory of one thread for matching: regular-expression match data, folded copies. */
struct match_scratch;
struct match_scratch *match_scratch_new(void);
void match_scratch_free(struct match_scratch **scratch);
/*
 * A scratch remembers the folded values of the event that it saw last, which it knows by its address, its
 * position, its fields' and its raw text's addresses. Call this where another event may stand at the very
 * same addresses with the same position (positions rise in a detector, so only tests and tools need it).
 */
void match_scratch_forget(struct match_scratch *scratch);
uint64_t match_scratch_limit_hits(
    const struct match_scratch *scratch); /* regex limits hit so far: an outcome, never a silent no */
/* Whether that rule hit one since it was last asked. */
bool match_scratch_take_limited(struct match_scratch *scratch, uint32_t ordinal);

/* Bytes of values looked at so far, as rule_cost has it. */
uint64_t match_scratch_work(const struct match_scratch *scratch);

/* Does the logsource let this event through? Skipped only where both name a dimension and differ. */
bool rule_applies(const struct rule *rule, const struct event *event);
/* Does the detection hold? Only for RULE_DETECTION. No allocation on the way after warm-up. */
bool rule_matches(const struct rule *rule, const struct event *event, struct match_scratch *scratch);
/* How severe what a detection found is: the most severe of its raises that hold for the event, or
 * SEVERITY_NONE. raise.c's. */
enum severity rule_raised(const struct rule *rule, const struct event *event, struct match_scratch *scratch);
/*
 * The detections that could match: every rule that applies and matches is among them, few others are.
 * Ordinals rise; they are good until the next call with this scratch.
 */
size_t rule_candidates(const struct ruleset *ruleset, const struct event *event,
                       struct match_scratch *scratch, const uint32_t **ret_ordinals);

#endif
