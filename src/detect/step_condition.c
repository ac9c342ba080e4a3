/*
 * Answers conditions over steps; the stack is the bits of one word. See step_condition.h.
 */
#include "detect/step_condition.h"

size_t step_condition_depth(const struct step_condition *c)
{
    size_t depth = 0, deepest = 0;
    for (size_t i = 0; i < c->count; i++) {
        size_t takes = c->terms[i].kind == STEP_SEEN ? 0 : c->terms[i].kind == STEP_NOT ? 1 : 2;
        if (depth < takes || (takes == 0 && c->terms[i].step >= STEP_CONDITION_STEPS))
            return 0;
        depth = depth - takes + 1;
        deepest = TC_MAX(deepest, depth);
    }
    return depth == 1 ? deepest : 0;
}

bool step_condition_negates(const struct step_condition *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->terms[i].kind == STEP_NOT)
            return true;
    return false;
}

bool step_condition_holds(const struct step_condition *c, uint64_t seen)
{
    uint64_t stack = 0; /* the top is bit 0 */
    for (size_t i = 0; i < c->count; i++) {
        const struct step_term *t = &c->terms[i];
        uint64_t top = stack & 1, below = stack >> 1;
        switch (t->kind) {
        case STEP_SEEN:
            stack = stack << 1 | (seen >> t->step & 1);
            break;
        case STEP_NOT:
            stack ^= 1;
            break;
        case STEP_AND:
            stack = below & (top | ~UINT64_C(1));
            break;
        case STEP_OR:
            stack = below | top;
            break;
        }
    }
    return stack & 1;
}
