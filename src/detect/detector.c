/*
 * The detector: events in, findings out, in an order that depends on nothing but the events.
 *
 * A call is worked off in chunks, each in four steps:
 * 1. in order of position, each event gets its time, and the watermark moves (detector_time);
 * 2. slices of the chunk are matched against all detections by any thread; what correlations count becomes
 *    hits, each with its group's key and hash (match_slice);
 * 3. each of 64 shards takes its hits in order of position, whichever thread works on it (work_lane); nothing
 *    that a shard does is seen by another. Correlations of correlations have their turn after those that they
 *    count, layer by layer, with what those found as their hits (detector_chain.c);
 * 4. one thread merges what was found by (position, rule, order within the shard) (detector_emit.c).
 * Where a call or a chunk ends shows nowhere: every decision is bound to a record.
 */
#include "detect/detector_priv.h"

#include <stdlib.h>

/* --- life
 * -------------------------------------------------------------------------------------------------------------
 */

static void sort_rules(struct detector *d)
{
    const struct ruleset *set = d->ruleset;
    d->specs = tc_alloc((set->count + 1) * sizeof d->specs[0]);
    d->spec_of = tc_alloc((set->count + 1) * sizeof d->spec_of[0]);
    d->detections = tc_alloc((set->count + 1) * sizeof d->detections[0]);
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->rules[i].kind == RULE_DETECTION)
            d->detections[d->detection_count++] = i;
        if (set->rules[i].correlation == NULL)
            continue;
        struct corr_spec *spec = &d->specs[d->spec_count];
        corr_spec_init(spec, &set->rules[i], d->options.max_groups, d->options.max_group_entries);
        d->closing |= spec->closing;
        d->layers = TC_MAX(d->layers, spec->correlation->layer + 1);
        d->steps |= spec->ordered;
        d->spec_of[i] = d->spec_count++;
    }
}

struct detector *detector_new(const struct ruleset *ruleset, const struct detector_options *options)
{
    struct detector *d = tc_alloc(sizeof *d);
    d->ruleset = ruleset;
    d->options = *options;
    sort_rules(d);
    d->tables = tc_alloc((size_t)(d->spec_count + 1) * CORR_SHARDS * sizeof d->tables[0]);
    watermark_init(&d->watermark, options->lateness_ns, options->receive_time_stands_in);
    d->workers = options->pool == NULL ? 1 : pool_threads(options->pool);
    d->scratch = tc_alloc(d->workers * sizeof(struct match_scratch *));
    d->costs = tc_alloc(d->workers * sizeof d->costs[0]);
    for (unsigned i = 0; i < d->workers; i++) {
        d->scratch[i] = match_scratch_new();
        d->costs[i] = tc_alloc((ruleset->count + 1) * sizeof d->costs[i][0]);
    }
    for (size_t i = 0; i < DETECTOR_SLICES; i++) /* keys and tuples are parts of one event */
        buf_init(&d->slices[i].scratch, (size_t)64 << 20);
    buf_init(&d->chain.scratch, (size_t)64 << 20);
    return d;
}

void detector_free_tables(const struct detector *d, struct corr_table *tables)
{
    for (size_t i = 0; i < (size_t)d->spec_count * CORR_SHARDS; i++)
        corr_table_free(&tables[i], &d->specs[i / CORR_SHARDS]);
    free(tables);
}

static void free_work(struct detector *d)
{
    for (size_t i = 0; i < DETECTOR_SLICES; i++) {
        arena_free(&d->slices[i].keys);
        buf_free(&d->slices[i].scratch);
        free(d->slices[i].matches);
        free(d->slices[i].hits);
    }
    for (size_t i = 0; i < CORR_SHARDS; i++) {
        arena_free(&d->lanes[i].keys);
        free(d->lanes[i].hits);
        free(d->lanes[i].outcomes);
    }
    arena_free(&d->chain.arena);
    buf_free(&d->chain.scratch);
    free(d->chain.hits);
}

void detector_free(struct detector **detector)
{
    struct detector *d = *detector;
    if (d == NULL)
        return;
    free_work(d);
    detector_free_tables(d, d->tables);
    watermark_fini(&d->watermark);
    for (unsigned i = 0; i < d->workers; i++) {
        match_scratch_free(&d->scratch[i]);
        free(d->costs[i]);
    }
    free(d->scratch);
    free(d->costs);
    free(d->specs);
    free(d->spec_of);
    free(d->detections);
    free(d);
    *detector = NULL;
}

/* --- step 1: times
 * ------------------------------------------------------------------------------------------------------- */

static int64_t detector_time(const struct detector *d, const struct event *event)
{
    if (event->time.ns != TC_NO_TIME && (event->flags & EVENT_SUSPECT_TIME) == 0)
        return event->time.ns;
    return d->options.receive_time_stands_in ? event->received.ns : TC_NO_TIME;
}

static void take_times(struct detector *d)
{
    for (size_t i = 0; i < d->event_count; i++) {
        const struct event *event = d->events[i];
        struct moment *m = &d->moments[i];
        int64_t floor_ns = d->watermark.floor_ns;
        m->time_ns = detector_time(d, event);
        m->in_windows = m->time_ns != TC_NO_TIME &&
                        watermark_take(&d->watermark, event->source, m->time_ns, event->received);
        m->floor_ns = d->watermark.floor_ns;
        m->floor_moved = m->floor_ns != floor_ns;
        d->stats.late_events += m->time_ns != TC_NO_TIME && !m->in_windows;
        d->position = event->position;
        d->received = event->received;
    }
    d->stats.events += d->event_count;
}

/* --- step 2: matching
 * ----------------------------------------------------------------------------------------------------- */

static void add_match(struct slice *s, uint32_t event, uint32_t rule)
{
    s->matches = detector_grown(s->matches, s->match_count, &s->match_capacity, sizeof s->matches[0]);
    s->matches[s->match_count++] = (struct match){event, rule};
}

bool detector_hit(const struct detector *d, struct arena *arena, struct buf *scratch,
                  const struct corr_subject *subject, struct corr_hit *hit)
{
    const struct corr_spec *spec = &d->specs[hit->spec];
    if (!corr_value(spec, subject, scratch, hit))
        return false;
    buf_clear(scratch);
    if (!corr_key(spec, subject, scratch))
        return false;
    hit->key = arena_sv(arena, buf_view(scratch));
    hit->hash = corr_key_hash(spec, hit->key);
    hit->step = subject->step;
    hit->from = subject->from;
    return true;
}

/* `by`: the ordinal of the correlation that counts it. */
static void add_hit(const struct detector *d, struct slice *s, uint32_t at, const struct rule *rule,
                    uint32_t by, uint32_t step)
{
    const struct event *event = d->events[at];
    struct corr_subject subject = {.event = event, .step = step};
    struct corr_hit hit = {.event = at,
                           .spec = d->spec_of[by],
                           .rule = rule->info.ordinal,
                           .weight = TC_MAX(event->repeat, 1u),
                           .time_ns = d->moments[at].time_ns};
    if (!detector_hit(d, &s->keys, &s->scratch, &subject, &hit))
        return;
    s->hits = detector_grown(s->hits, s->hit_count, &s->hit_capacity, sizeof s->hits[0]);
    s->hits[s->hit_count++] = hit;
}

/* The group of `rule`, which is to be reset, that an event is of: by the names that any of the rules which it
 * counts has for its fields. */
static bool reset_key(const struct detector *d, const struct rule *rule, const struct event *event,
                      struct buf *out)
{
    const struct correlation *c = rule->correlation;
    struct corr_subject subject = {.event = event};
    for (; subject.step == 0 || (c->lookups != NULL && subject.step < c->rule_count); subject.step++) {
        buf_clear(out);
        if (corr_key(&d->specs[d->spec_of[rule->info.ordinal]], &subject, out))
            return true;
    }
    return false;
}

bool detector_reset_key(const struct detector *d, const struct rule *rule, const struct event *event,
                        struct arena *arena, struct sv *ret)
{
    struct buf key;
    buf_init(&key, (size_t)64 << 20);
    bool found = reset_key(d, rule, event, &key);
    *ret = found ? arena_sv(arena, buf_view(&key)) : SV("");
    buf_free(&key);
    return found;
}

/* After all that the event itself counts. */
static void add_resets(const struct detector *d, struct slice *s, uint32_t at, const struct rule *rule)
{
    for (size_t i = 0; i < rule->reset_count; i++) {
        const struct rule *to = &d->ruleset->rules[rule->resets[i]];
        struct corr_hit hit = {.event = at, .step = UINT32_MAX, .clears = true};
        if (to->correlation == NULL || !detector_reset_key(d, to, d->events[at], &s->keys, &hit.key))
            continue;
        hit.spec = d->spec_of[to->info.ordinal];
        hit.hash = corr_key_hash(&d->specs[hit.spec], hit.key);
        s->hits = detector_grown(s->hits, s->hit_count, &s->hit_capacity, sizeof s->hits[0]);
        s->hits[s->hit_count++] = hit;
    }
}

/* As rule_matches, and what it cost. */
static bool try_rule(const struct rule *rule, const struct event *event, struct match_scratch *scratch,
                     struct rule_cost *cost)
{
    uint64_t before = match_scratch_work(scratch);
    bool matches = rule_matches(rule, event, scratch);
    cost->tried++;
    cost->matched += matches;
    cost->work += match_scratch_work(scratch) - before;
    return matches;
}

static void match_event(const struct detector *d, struct slice *s, uint32_t at, unsigned worker)
{
    struct match_scratch *scratch = d->scratch[worker];
    const struct event *event = d->events[at];
    const uint32_t *ordinals = d->detections;
    size_t count = d->detection_count, matched = s->match_count;
    if (!d->options.no_index)
        count = rule_candidates(d->ruleset, event, scratch, &ordinals);
    for (size_t i = 0; i < count; i++) {
        uint32_t ordinal = ordinals[i];
        const struct rule *rule = &d->ruleset->rules[ordinal];
        if (d->options.no_index && !rule_applies(rule, event))
            continue; /* candidates apply */
        if (!try_rule(rule, event, scratch, &d->costs[worker][ordinal]))
            continue;
        if (rule->correlation != NULL) { /* its memory speaks for it, and is what others count */
            if (d->moments[at].in_windows)
                add_hit(d, s, at, rule, ordinal, 0);
            continue;
        }
        if (!rule->silent || rule->reset_count > 0)
            add_match(s, at, ordinal);
        for (size_t k = 0; k < rule->used_by_count && d->moments[at].in_windows; k++)
            add_hit(d, s, at, rule, rule->used_by[k], rule->steps[k]);
    }
    for (; matched < s->match_count && d->moments[at].in_windows; matched++)
        add_resets(d, s, at, &d->ruleset->rules[s->matches[matched].rule]);
}

static void match_slice(void *context, unsigned part, unsigned worker)
{
    struct detector *d = context;
    struct slice *s = &d->slices[part];
    size_t end = TC_MIN(((size_t)part + 1) * DETECTOR_SLICE, d->event_count);
    for (size_t at = (size_t)part * DETECTOR_SLICE; at < end; at++)
        match_event(d, s, (uint32_t)at, worker);
}

/* --- step 3: shards
 * ------------------------------------------------------------------------------------------------------ */

static void deal_hit(struct detector *d, const struct corr_hit *hit)
{
    struct lane *lane = &d->lanes[hit->hash % CORR_SHARDS];
    if (d->specs[hit->spec].correlation->layer != d->layer)
        return;
    lane->hits = detector_grown(lane->hits, lane->hit_count, &lane->hit_capacity, sizeof lane->hits[0]);
    lane->hits[lane->hit_count++] = hit;
}

/* By event, and those that one correlation takes of it by step. */
static int compare_hits(const void *a, const void *b)
{
    const struct corr_hit *x = *(const struct corr_hit *const *)a, *y = *(const struct corr_hit *const *)b;
    if (x->event != y->event)
        return x->event < y->event ? -1 : 1;
    if (x->spec != y->spec)
        return x->spec < y->spec ? -1 : 1;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* The hits of the layer at work. */
static void deal_hits(struct detector *d, size_t slices)
{
    for (size_t i = 0; i < CORR_SHARDS; i++)
        d->lanes[i].hit_count = 0;
    for (size_t i = 0; i < slices; i++)
        for (size_t k = 0; k < d->slices[i].hit_count; k++)
            deal_hit(d, &d->slices[i].hits[k]);
    for (size_t i = 0; i < d->chain.hit_count; i++)
        deal_hit(d, d->chain.hits[i]);
    for (size_t i = 0; (d->steps || d->layer > 0) && i < CORR_SHARDS; i++)
        if (d->lanes[i].hit_count > 1)
            qsort(d->lanes[i].hits, d->lanes[i].hit_count, sizeof d->lanes[i].hits[0], compare_hits);
}

static void keep_outcome(void *context, const struct corr_outcome *outcome)
{
    struct lane *lane = context;
    lane->outcomes = detector_grown(lane->outcomes, lane->outcome_count, &lane->outcome_capacity,
                                    sizeof lane->outcomes[0]);
    struct corr_outcome *kept = &lane->outcomes[lane->outcome_count++];
    *kept = *outcome;
    if (outcome->facts != NULL) { /* lent for the call */
        int64_t *facts = ARENA_ARRAY(&lane->keys, int64_t, WINDOW_FACTS);
        memcpy(facts, outcome->facts, WINDOW_FACTS * sizeof facts[0]);
        kept->facts = facts;
    }
}

struct closing {
    struct lane *lane;
    uint32_t spec;
};

static void keep_closed(void *context, const struct corr_outcome *outcome)
{
    struct closing *c = context;
    struct corr_outcome kept = *outcome;
    kept.spec = c->spec;
    kept.key = arena_sv(&c->lane->keys, outcome->key);
    keep_outcome(c->lane, &kept);
}

static void close_windows(struct detector *d, unsigned shard, int64_t floor_ns, uint32_t event)
{
    for (uint32_t i = 0; i < d->spec_count; i++) {
        if (!d->specs[i].closing || d->specs[i].correlation->layer != d->layer)
            continue;
        struct closing c = {&d->lanes[shard], i};
        corr_table_close(detector_table(d, i, shard), &d->specs[i], floor_ns, event, keep_closed, &c);
    }
}

static void work_lane(void *context, unsigned shard, unsigned worker)
{
    struct detector *d = context;
    struct lane *lane = &d->lanes[shard];
    size_t closed = 0; /* events whose floor was looked at */
    (void)worker;
    for (size_t i = 0; i < lane->hit_count; i++) {
        const struct corr_hit *hit = lane->hits[i];
        for (; d->closing && closed <= hit->event; closed++)
            if (d->moments[closed].floor_moved)
                close_windows(d, shard, d->moments[closed].floor_ns, (uint32_t)closed);
        struct corr_table *table = detector_table(d, hit->spec, shard);
        if (hit->clears)
            corr_table_forget(table, &d->specs[hit->spec], hit->hash, hit->key);
        else
            corr_table_hit(table, &d->specs[hit->spec], hit, d->moments[hit->event].floor_ns, keep_outcome,
                           lane);
    }
    for (; d->closing && closed < d->event_count; closed++)
        if (d->moments[closed].floor_moved)
            close_windows(d, shard, d->moments[closed].floor_ns, (uint32_t)closed);
}

/* --- the call
 * ------------------------------------------------------------------------------------------------------------
 */

static void run_parts(struct detector *d, unsigned parts, pool_part_fn work)
{
    /* a few events are sooner done here than handed out */
    if (d->options.pool != NULL && d->event_count > DETECTOR_SLICE) {
        pool_run(d->options.pool, parts, work, d);
        return;
    }
    for (unsigned i = 0; i < parts; i++)
        work(d, i, 0);
}

static void clear_work(struct detector *d)
{
    for (size_t i = 0; i < DETECTOR_SLICES; i++) {
        arena_reset(&d->slices[i].keys);
        d->slices[i].match_count = d->slices[i].hit_count = 0;
    }
    for (size_t i = 0; i < CORR_SHARDS; i++) {
        arena_reset(&d->lanes[i].keys);
        d->lanes[i].hit_count = d->lanes[i].outcome_count = d->lanes[i].passed_on = 0;
    }
    arena_reset(&d->chain.arena);
    d->chain.hit_count = 0;
    d->event_count = 0;
}

static void judge_chunk(struct detector *d, const struct event *const *events, size_t count,
                        struct finding_list *findings)
{
    unsigned slices = (unsigned)((count + DETECTOR_SLICE - 1) / DETECTOR_SLICE);
    d->events = events;
    d->event_count = count;
    take_times(d);
    run_parts(d, slices, match_slice);
    for (d->layer = 0; d->layer < d->layers; d->layer++) {
        deal_hits(d, slices);
        run_parts(d, CORR_SHARDS, work_lane);
        detector_chain(d);
    }
    detector_emit(d, d->position, d->received, findings);
    clear_work(d);
}

void detector_judge(struct detector *d, const struct event *const *events, size_t count,
                    struct finding_list *findings)
{
    for (unsigned i = 0; i < d->workers; i++) /* another event may stand where one stood in the last call */
        match_scratch_forget(d->scratch[i]);
    for (size_t i = 0; i < count; i += DETECTOR_CHUNK)
        judge_chunk(d, events + i, TC_MIN(count - i, (size_t)DETECTOR_CHUNK), findings);
}

static void close_all(struct detector *d, uint64_t position, struct receive_time received,
                      struct finding_list *findings)
{
    for (d->layer = 0; d->layer < d->layers; d->layer++)
        for (unsigned shard = 0; d->closing && shard < CORR_SHARDS; shard++)
            close_windows(d, shard, d->watermark.floor_ns, 0);
    detector_emit(d, position, received, findings);
    clear_work(d);
}

bool detector_waits(const struct detector *d)
{
    for (uint32_t i = 0; d->closing && i < d->spec_count; i++)
        for (uint32_t shard = 0; d->specs[i].closing && shard < CORR_SHARDS; shard++)
            if (detector_table(d, i, shard)->count > 0)
                return true;
    return false;
}

void detector_tick(struct detector *d, uint64_t position, struct receive_time now,
                   struct finding_list *findings)
{
    watermark_tick(&d->watermark, now);
    d->position = position;
    d->received = now;
    close_all(d, position, now, findings);
}

void detector_finish(struct detector *d, struct finding_list *findings)
{
    watermark_finish(&d->watermark);
    close_all(d, d->position, d->received, findings);
}

void detector_stats(const struct detector *d, struct detector_stats *ret)
{
    struct detector_stats stats = d->stats;
    for (size_t i = 0; i < (size_t)d->spec_count * CORR_SHARDS; i++) {
        stats.groups += d->tables[i].count;
        stats.evicted_groups += d->tables[i].evicted;
        stats.lost_entries += d->tables[i].lost_entries;
    }
    for (unsigned i = 0; i < d->workers; i++)
        stats.regex_limit_hits += match_scratch_limit_hits(d->scratch[i]);
    *ret = stats;
}

void detector_rule_cost(const struct detector *d, size_t ordinal, struct rule_cost *ret)
{
    tc_assert(ordinal < d->ruleset->count);
    *ret = (struct rule_cost){0};
    for (unsigned i = 0; i < d->workers; i++) {
        ret->tried += d->costs[i][ordinal].tried;
        ret->matched += d->costs[i][ordinal].matched;
        ret->work += d->costs[i][ordinal].work;
    }
    if (d->ruleset->rules[ordinal].correlation == NULL)
        return;
    for (size_t shard = 0; shard < CORR_SHARDS; shard++)
        ret->groups += d->tables[(size_t)d->spec_of[ordinal] * CORR_SHARDS + shard].count;
}
void detector_take_limited(struct detector *d, void (*each)(void *context, const struct rule_info *rule),
                           void *context)
{
    uint64_t hits = 0;
    for (unsigned i = 0; i < d->workers; i++)
        hits += match_scratch_limit_hits(d->scratch[i]);
    if (hits == d->limit_hits_taken)
        return;
    d->limit_hits_taken = hits;
    for (uint32_t ordinal = 0; ordinal < d->ruleset->count; ordinal++) {
        bool limited = false;
        for (unsigned i = 0; i < d->workers; i++)
            limited = match_scratch_take_limited(d->scratch[i], ordinal) || limited;
        if (limited)
            each(context, &d->ruleset->rules[ordinal].info);
    }
}

bool detector_has_limited(const struct detector *d)
{
    uint64_t hits = 0;
    for (unsigned i = 0; i < d->workers; i++)
        hits += match_scratch_limit_hits(d->scratch[i]);
    return hits != d->limit_hits_taken;
}
