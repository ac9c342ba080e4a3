/*
 * Correlations of correlations: what one layer found becomes the hits of those above.
 *
 * A finding counts as one event at the finding's own time; repeats do not count. Its group and values are
 * read, by name, from what the correlations on the way grouped by, else from the event that completed it;
 * both are at hand, since the higher layer has its turn while that event is judged. So nothing is carried
 * from one event to the next but the windows themselves.
 */
#include "detect/detector_priv.h"

#include <stdlib.h>

static void pass_on(struct detector *d, const struct corr_outcome *from, const struct rule *rule, size_t use)
{
    struct chain *c = &d->chain;
    struct corr_subject subject = {.event = d->events[from->event], .from = from, .step = rule->steps[use]};
    struct corr_hit hit = {.event = from->event,
                           .spec = d->spec_of[rule->used_by[use]],
                           .rule = rule->info.ordinal,
                           .order = (uint32_t)c->hit_count,
                           .weight = 1,
                           .time_ns = from->time_ns};
    if (!detector_hit(d, &c->arena, &c->scratch, &subject, &hit))
        return;
    struct corr_hit *kept = ARENA_NEW(&c->arena, struct corr_hit);
    *kept = hit;
    c->hits = detector_grown(c->hits, c->hit_count, &c->hit_capacity, sizeof c->hits[0]);
    c->hits[c->hit_count++] = kept;
}

static void chain_outcome(struct detector *d, const struct corr_outcome *outcome)
{
    const struct rule *rule = d->specs[outcome->spec].rule;
    if (outcome->repeat || outcome->rule == UINT32_MAX || rule->used_by_count == 0)
        return;
    struct corr_outcome *kept = ARENA_NEW(&d->chain.arena, struct corr_outcome); /* lanes' lists may move */
    *kept = *outcome;
    for (size_t use = 0; use < rule->used_by_count; use++)
        pass_on(d, kept, rule, use);
}

void detector_chain(struct detector *d)
{
    size_t count;
    if (d->layer + 1 == d->layers)
        return;
    struct ordered *fresh = detector_sort_outcomes(d, true, &count);
    for (size_t i = 0; i < count; i++)
        chain_outcome(d, fresh[i].outcome);
    free(fresh);
    for (size_t i = 0; i < CORR_SHARDS; i++)
        d->lanes[i].passed_on = d->lanes[i].outcome_count;
}
