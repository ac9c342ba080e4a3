/*
 * The condition of a temporal correlation in words, over which of its rules were seen: "a and b and not c".
 * Terms in postfix order; a step stands for one rule.
 */
#ifndef DETECT_STEP_CONDITION_H
#define DETECT_STEP_CONDITION_H

#include "base/tc.h"

enum {
    STEP_CONDITION_STEPS = 64,  /* rules that a condition can speak of */
    STEP_CONDITION_TERMS = 512, /* longest condition */
    STEP_CONDITION_DEPTH = 64,  /* of the stack that answers it */
};

enum step_term_kind { STEP_SEEN, STEP_NOT, STEP_AND, STEP_OR };
struct step_term {
    enum step_term_kind kind;
    uint32_t step; /* STEP_SEEN: below STEP_CONDITION_STEPS */
};

struct step_condition {
    const struct step_term *terms;
    size_t count;
};

/* The stack that the terms need, or 0 where they make no sense. */
size_t step_condition_depth(const struct step_condition *condition);
/* Can what holds stop to hold where one more rule is seen? */
bool step_condition_negates(const struct step_condition *condition);
/* `seen`: bit n is set where step n was. */
bool step_condition_holds(const struct step_condition *condition, uint64_t seen);

#endif
