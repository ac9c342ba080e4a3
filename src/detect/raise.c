/*
 * How severe what a detection found is, of the event that it found (tocsin: raise).
 */
#include "detect/match.h"

enum severity rule_raised(const struct rule *rule, const struct event *event, struct match_scratch *scratch)
{
    for (size_t i = 0; i < rule->raise_count; i++)
        if (match_node_holds(rule->raises[i].condition, event, scratch))
            return rule->raises[i].severity;
    return SEVERITY_NONE;
}
