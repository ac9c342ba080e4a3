/*
 * The candidate index: for an event, the few rules that could match; for this room only.
 *
 * It over-approximates: a rule that it does not name cannot match (nor be let through by its log source), a
 * rule that it names is still judged by rule_matches. So it never changes a result, only what it costs.
 *
 * Rules of one kind of log source have nothing to say about another's events, so there are tables for each
 * kind that events were seen of (a "view"), of the rules that apply to it alone. A view is built when the
 * first event of its kind comes, under a lock, and never changes after; any number of threads may ask. How
 * many there are is bounded by the rules, not by what events say (index_view.c). What an event leaves behind
 * lives in a thread's struct index_scratch. Ask through rule_candidates (ruleset.h).
 */
#ifndef DETECT_INDEX_H
#define DETECT_INDEX_H

#include "detect/ruleset.h"

struct rule_index;
/* Never NULL. The rules must outlive it. */
struct rule_index *index_new(const struct rule *rules, size_t count);
void index_free(struct rule_index **index);

struct index_scratch; /* good for any index, one event at a time */
struct index_scratch *index_scratch_new(void);
void index_scratch_free(struct index_scratch **scratch);

/* Ordinals, ascending, good until the next call with this scratch. `folds` is the match scratch that holds
 * the event's folded values (match.h). */
size_t index_ask(struct rule_index *index, const struct event *event, struct match_scratch *folds,
                 struct index_scratch *scratch, const uint32_t **ret_ordinals);

#endif
