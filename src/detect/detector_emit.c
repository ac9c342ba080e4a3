/*
 * Findings out of matches and outcomes: the one merge by (position, rule, order), and the copying of texts
 * into the list's arena.
 */
#include "detect/detector_priv.h"

#include <stdlib.h>

/* --- fields
 * ------------------------------------------------------------------------------------------------------------
 */

struct field_list {
    struct arena *arena;
    struct finding_field *items;
    size_t count, capacity;
};

static void add_field(struct field_list *list, struct sv name, struct sv value, uint8_t type)
{
    if (list->count == list->capacity) {
        size_t capacity = TC_MAX(list->capacity * 2, (size_t)8);
        struct finding_field *items = ARENA_ARRAY(list->arena, struct finding_field, capacity);
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof items[0]);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = (struct finding_field){name, value, type};
}

static bool has_name(const struct field_list *list, struct sv name)
{
    for (size_t i = 0; i < list->count; i++)
        if (sv_eq(list->items[i].name, name))
            return true;
    return false;
}

/* All values of a name; a container's raw text only where it holds no value of that name itself. */
static void read_field(struct field_list *list, const struct name_ref *name, const struct event *event)
{
    const struct field *container = NULL;
    size_t before = list->count;
    if (has_name(list, name->name))
        return;
    for (const struct field *f = event_find(event, name->name, name->hash); f != NULL;
         f = event_next(event, f)) {
        if (f->type == FIELD_OBJECT || f->type == FIELD_ARRAY)
            container = container == NULL ? f : container;
        else
            add_field(list, name->name, arena_sv(list->arena, f->value), f->type);
    }
    if (list->count == before && container != NULL)
        add_field(list, name->name, arena_sv(list->arena, container->value), container->type);
}

static void read_rule(struct field_list *list, const struct rule *rule, const struct event *event)
{
    for (size_t i = 0; i < rule->read_count; i++)
        read_field(list, &rule->reads[i], event);
}

static void set_fields(struct finding *f, struct field_list *list)
{
    f->fields = list->items;
    f->field_count = list->count;
}

/* --- one finding
 * ------------------------------------------------------------------------------------------------------- */

struct emit { /* one call's merge */
    struct detector *detector;
    struct finding_list *findings;
    uint64_t position;
    struct receive_time received;
    const struct rule_info *last_rule; /* for numbering findings of one rule and position */
    uint32_t last_event, ordinal;
};

static struct finding *begin(struct emit *e, enum finding_kind kind, const struct rule *rule, uint32_t event)
{
    e->ordinal = e->last_rule == &rule->info && e->last_event == event ? e->ordinal + 1 : 0;
    e->last_rule = &rule->info;
    e->last_event = event;
    struct finding *f = finding_add(e->findings);
    f->kind = kind;
    f->rule = &rule->info;
    f->ordinal = e->ordinal;
    f->position = e->position;
    f->received = e->received;
    if (event < e->detector->event_count) {
        f->position = e->detector->events[event]->position;
        f->received = e->detector->events[event]->received;
    }
    return f;
}

/* Threads have done their part: the first one's scratch is free. */
static enum severity raised_by(const struct detector *d, const struct rule *rule, const struct event *event)
{
    return rule->raise_count == 0 ? SEVERITY_NONE : rule_raised(rule, event, d->scratch[0]);
}

static bool raise_holds(const struct rule_raise *raise, bool measured, const struct corr_outcome *o)
{
    for (size_t i = 0; i < raise->test_count; i++) {
        num_amount value = measured ? o->amount : (num_amount)o->value;
        num_amount limit = measured ? raise->amounts[i] : (num_amount)raise->tests[i].value;
        const bool answers[] = {
            [CORR_GT] = value > limit,   [CORR_GTE] = value >= limit, [CORR_LT] = value < limit,
            [CORR_LTE] = value <= limit, [CORR_EQ] = value == limit,  [CORR_NEQ] = value != limit};
        if (!answers[raise->tests[i].op])
            return false;
    }
    return true;
}

static enum severity raised_to(const struct corr_spec *spec, const struct corr_outcome *o)
{
    for (size_t i = 0; i < spec->rule->raise_count; i++)
        if (raise_holds(&spec->rule->raises[i], spec->measured, o))
            return spec->rule->raises[i].severity;
    return SEVERITY_NONE;
}

static void set_group(struct finding *f, const struct correlation *c, struct sv key, struct arena *arena)
{
    struct reader reader = reader_of(key);
    struct finding_field *group = ARENA_ARRAY(arena, struct finding_field, c->group_count + 1);
    for (size_t i = 0; i < c->group_count; i++)
        group[i] = (struct finding_field){c->group_by[i].name, arena_sv(arena, corr_key_value(&reader)),
                                          FIELD_STRING};
    f->group = group;
    f->group_count = c->group_count;
}

static void set_time(struct finding *f, const struct detector *d, uint32_t at)
{
    const struct event *event = d->events[at];
    f->time.ns = d->moments[at].time_ns;
    if (f->time.ns == TC_NO_TIME)
        f->time = event->time;
    f->episode_start = f->time;
    f->weight = TC_MAX(event->repeat, 1u);
    f->event = event;
}

/* One for each rule that is reset, as far as the event says which of its groups. */
static void emit_resets(struct emit *e, const struct match *m, const struct rule *rule)
{
    const struct detector *d = e->detector;
    for (size_t i = 0; i < rule->reset_count; i++) {
        const struct rule *to = &d->ruleset->rules[rule->resets[i]];
        struct sv key = SV("");
        if (to->correlation != NULL &&
            !detector_reset_key(d, to, d->events[m->event], e->findings->arena, &key))
            continue;
        struct finding *f =
            begin(e, to->correlation != NULL ? FINDING_CORRELATION : FINDING_DETECTION, rule, m->event);
        f->resets = &to->info;
        set_time(f, d, m->event);
        if (to->correlation != NULL)
            set_group(f, to->correlation, key, e->findings->arena);
    }
}

static void emit_match(struct emit *e, const struct match *m)
{
    const struct detector *d = e->detector;
    const struct rule *rule = &d->ruleset->rules[m->rule];
    if (rule->reset_count > 0) {
        emit_resets(e, m, rule);
        return;
    }
    const struct event *event = d->events[m->event];
    struct finding *f = begin(e, FINDING_DETECTION, rule, m->event);
    set_time(f, d, m->event);
    f->severity = raised_by(d, rule, event);
    struct field_list list = {.arena = e->findings->arena};
    read_rule(&list, rule, event);
    set_fields(f, &list);
    e->detector->stats.findings++;
}

static void set_why(struct finding *f, const struct corr_spec *spec, const struct corr_outcome *o,
                    struct arena *arena)
{
    struct buf why;
    if (spec->memory->tell == NULL)
        return;
    buf_init(&why, 1024);
    spec->memory->tell(&spec->window, o->facts, &why);
    f->why = arena_sv(arena, buf_view(&why));
    buf_free(&why);
}

static void emit_outcome(struct emit *e, const struct corr_outcome *o)
{
    struct detector *d = e->detector;
    const struct corr_spec *spec = &d->specs[o->spec];
    if (spec->rule->silent)
        return;
    struct finding *f = begin(e, FINDING_CORRELATION, spec->rule, o->event);
    struct field_list list = {.arena = e->findings->arena};
    f->repeat = o->repeat;
    f->time.ns = o->time_ns;
    f->episode_start.ns = o->episode_ns;
    f->weight = o->weight;
    f->count = (uint32_t)TC_MIN(o->value, (uint64_t)UINT32_MAX);
    if (spec->measured) {
        char text[NUM_AMOUNT_TEXT_BYTES];
        f->value = arena_sv(e->findings->arena, num_amount_text(o->amount, text));
    }
    if (o->facts != NULL)
        set_why(f, spec, o, e->findings->arena);
    set_group(f, spec->correlation, o->key, e->findings->arena);
    if (spec->rule->kind == RULE_CORRELATION)
        f->severity = raised_to(spec, o);
    if (o->rule != UINT32_MAX) {
        f->event = d->events[o->event];
        if (spec->rule->kind == RULE_DETECTION)
            f->severity = raised_by(d, spec->rule, f->event);
        read_rule(&list, spec->rule, f->event);
        read_rule(&list, &d->ruleset->rules[o->rule], f->event);
        for (const struct corr_outcome *from = o->from; from != NULL; from = from->from)
            read_rule(&list, &d->ruleset->rules[from->rule], f->event);
        set_fields(f, &list);
    }
    d->stats.findings += !o->repeat;
}

/* --- the merge
 * ----------------------------------------------------------------------------------------------------------
 */

/* Of one event and correlation: with aliases they may come from several lanes; those of one hit do not. */
static int compare_hits(const struct ordered *x, const struct ordered *y)
{
    if (x->outcome->step != y->outcome->step)
        return x->outcome->step < y->outcome->step ? -1 : 1;
    if (x->outcome->order != y->outcome->order)
        return x->outcome->order < y->outcome->order ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Windows that end at one record come from many lanes: they stand in order of (end, group). */
static int compare(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    if (x->outcome->event != y->outcome->event)
        return x->outcome->event < y->outcome->event ? -1 : 1;
    if (x->rule != y->rule)
        return x->rule < y->rule ? -1 : 1;
    if (x->outcome->rule != UINT32_MAX)
        return compare_hits(x, y);
    if (x->outcome->time_ns != y->outcome->time_ns)
        return x->outcome->time_ns < y->outcome->time_ns ? -1 : 1;
    return sv_cmp(x->outcome->key, y->outcome->key);
}

struct ordered *detector_sort_outcomes(const struct detector *d, bool fresh, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < CORR_SHARDS; i++)
        count += d->lanes[i].outcome_count - (fresh ? d->lanes[i].passed_on : 0);
    *ret_count = count;
    if (count == 0)
        return NULL;
    struct ordered *all = tc_alloc(count * sizeof all[0]);
    count = 0;
    for (size_t i = 0; i < CORR_SHARDS; i++)
        for (size_t k = fresh ? d->lanes[i].passed_on : 0; k < d->lanes[i].outcome_count; k++) {
            const struct corr_outcome *o = &d->lanes[i].outcomes[k];
            all[count++] = (struct ordered){o, d->specs[o->spec].rule->info.ordinal, (uint32_t)k};
        }
    qsort(all, count, sizeof all[0], compare);
    return all;
}

static bool comes_before(const struct ordered *o, const struct match *m)
{
    return o->outcome->event != m->event ? o->outcome->event < m->event : o->rule < m->rule;
}

void detector_emit(struct detector *d, uint64_t position, struct receive_time received,
                   struct finding_list *findings)
{
    struct emit e = {.detector = d, .findings = findings, .position = position, .received = received};
    size_t count, next = 0;
    struct ordered *outcomes = detector_sort_outcomes(d, false, &count);
    for (size_t i = 0; i < DETECTOR_SLICES; i++)
        for (size_t k = 0; k < d->slices[i].match_count; k++) {
            while (next < count && comes_before(&outcomes[next], &d->slices[i].matches[k]))
                emit_outcome(&e, outcomes[next++].outcome);
            emit_match(&e, &d->slices[i].matches[k]);
        }
    while (next < count)
        emit_outcome(&e, outcomes[next++].outcome);
    free(outcomes);
}
