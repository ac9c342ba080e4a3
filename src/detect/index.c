/*
 * Asking the index: one pass over the event's fields, each value looked at once for all rules.
 *
 * A predicate that holds marks the clauses that it stands in; a rule, all of whose clauses are marked, is a
 * candidate, if the log sources do not contradict. So cost follows the event: fields that no rule names cost
 * one look-up (and, where rules have keywords, one search), rules that nothing points to cost nothing. A
 * predicate counts once an event, so that a value that repeats a needle a thousand times costs no more.
 */
#include "detect/index_priv.h"

#include <stdlib.h>

/* --- scratch
 * ------------------------------------------------------------------------------------------------------------------
 */

struct index_scratch {
    uint32_t now;   /* number of the event, for `seen` */
    uint32_t *seen; /* by predicate: the event that it held for last */
    size_t seen_capacity;
    uint8_t *marks; /* by rule: clauses seen; all zero between events */
    uint32_t *touched, *candidates;
    uint64_t *bits;
    size_t rule_capacity;
    uint32_t touched_count;
    bool everything; /* a value that is too long to be folded: no rule can be left out */
    struct index_recent recent[INDEX_RECENT];
};

struct index_scratch *index_scratch_new(void)
{
    return tc_alloc(sizeof(struct index_scratch));
}

void index_scratch_free(struct index_scratch **scratch)
{
    struct index_scratch *s = *scratch;
    if (s == NULL)
        return;
    free(s->seen);
    free(s->marks);
    free(s->touched);
    free(s->candidates);
    free(s->bits);
    free(s);
    *scratch = NULL;
}

static void scratch_fit(struct index_scratch *s, const struct index_tables *tables)
{
    if (tables->predicate_count >= s->seen_capacity) {
        s->seen_capacity = (size_t)tables->predicate_count + 1;
        free(s->seen);
        s->seen = tc_alloc(s->seen_capacity * sizeof s->seen[0]);
        s->now = 0;
    }
    if (tables->rule_count >= s->rule_capacity) {
        s->rule_capacity = (size_t)tables->rule_count + 1;
        s->touched = tc_realloc(s->touched, s->rule_capacity * sizeof s->touched[0]);
        s->candidates = tc_realloc(s->candidates, s->rule_capacity * sizeof s->candidates[0]);
        s->bits = tc_realloc(s->bits, (s->rule_capacity / 64 + 1) * sizeof s->bits[0]);
        free(s->marks);
        s->marks = tc_alloc(s->rule_capacity);
    }
    if (++s->now == 0) { /* after four thousand million events */
        memset(s->seen, 0, s->seen_capacity * sizeof s->seen[0]);
        s->now = 1;
    }
    s->touched_count = 0;
    s->everything = false;
}

/* --- predicates
 * ---------------------------------------------------------------------------------------------------------------
 */

struct asking {
    const struct index_tables *tables;
    struct index_scratch *scratch;
};

static void predicate_holds(void *context, uint32_t number)
{
    const struct asking *a = context;
    struct index_scratch *s = a->scratch;
    if (s->seen[number] == s->now)
        return;
    s->seen[number] = s->now;
    const struct index_predicate *p = &a->tables->predicates[number];
    const uint32_t *postings = a->tables->postings + p->first;
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t rule = postings[i] / WITNESS_CLAUSES_MAX;
        if (s->marks[rule] == 0)
            s->touched[s->touched_count++] = rule;
        s->marks[rule] |= (uint8_t)(1u << (postings[i] % WITNESS_CLAUSES_MAX));
    }
}

static bool text_fits(enum atom_kind kind, struct sv value, struct sv text)
{
    switch (kind) {
    case ATOM_EXACT:
        return sv_eq(value, text);
    case ATOM_PREFIX:
        return sv_starts(value, text);
    case ATOM_SUFFIX:
        return sv_ends(value, text);
    default:
        return true;
    }
}

/* Predicates of one hash; a text of another kind that has the same hash is caught, or costs a candidate. */
static void ask_slots(struct asking *a, const struct field_index *field, uint64_t hash, enum atom_kind kind,
                      struct sv value)
{
    for (uint32_t slot = (uint32_t)hash & field->slot_mask;; slot = (slot + 1) & field->slot_mask) {
        const struct index_slot *at = &field->slots[slot];
        if (at->predicate == INDEX_NONE)
            return;
        if (at->tag == (uint32_t)(hash >> 32) &&
            text_fits(kind, value, a->tables->predicates[at->predicate].text))
            predicate_holds(a, at->predicate);
    }
}

static void ask_probe(struct asking *a, const struct field_index *field, struct index_probe probe,
                      struct sv value)
{
    if (value.n < probe.bytes)
        return;
    const char *part = probe.kind == ATOM_PREFIX ? value.p : value.p + value.n - probe.bytes;
    ask_slots(a, field, index_anchor_hash(part, probe), (enum atom_kind)probe.kind, value);
}

/* `value` is as sent, `folded` its folded form. */
static void ask_value(struct asking *a, const struct field_index *field, struct sv value, struct sv folded)
{
    uint64_t number;
    if (field->has_numbers && number_key(value, &number))
        ask_slots(a, field, index_number_hash(number), ATOM_NUMBER, value);
    if (field->exact_lengths >> (folded.n % 64) & 1)
        ask_slots(a, field, index_exact_hash(folded), ATOM_EXACT, folded);
    for (size_t i = 0; i < field->probe_count; i++)
        ask_probe(a, field, field->probes[i], folded);
    if (field->needles != NULL)
        needles_search(field->needles, folded, predicate_holds, a);
}

/* --- the event
 * ----------------------------------------------------------------------------------------------------------------
 */

static const struct field_index *field_of(const struct index_tables *tables, const struct field *field)
{
    for (uint32_t slot = field->name_hash & tables->name_mask;; slot = (slot + 1) & tables->name_mask) {
        uint32_t number = tables->names[slot];
        if (number == INDEX_NONE)
            return NULL;
        const struct field_index *found = &tables->fields[number];
        if (found->name_hash == field->name_hash && event_name_eq(found->name, field->name))
            return found;
    }
}

static void ask_field(struct asking *a, const struct event *event, struct match_scratch *folds,
                      const struct field *field, const struct field_index *own)
{
    if (own->present != INDEX_NONE)
        predicate_holds(a, own->present);
    if (!field_is_value(field))
        return;
    a->scratch->everything |= field->value.n > MATCH_FOLD_MAX_BYTES;
    ask_value(a, own, field->value, match_scratch_folded(folds, event, (size_t)(field - event->fields)));
}

/* Keywords are searched in all values at once: what would join two of them holds a zero byte, and a rule that
 * is woken by that is still judged. */
static void ask_keywords(struct asking *a, const struct event *event, struct match_scratch *folds)
{
    const struct needles *keywords = a->tables->fields[0].needles;
    if (keywords == NULL)
        return;
    struct sv all;
    if (match_scratch_all_folded(folds, event, &all))
        needles_search(keywords, all, predicate_holds, a);
    else
        a->scratch->everything = true;
    if (raw_is_searched(event))
        needles_search(keywords, match_scratch_folded(folds, event, event->field_count), predicate_holds, a);
}

/* The rules whose clauses are all marked become bits, so that they come out in order. */
static void gather(const struct index_tables *tables, struct index_scratch *s)
{
    memcpy(s->bits, tables->open, tables->words * sizeof s->bits[0]);
    for (uint32_t i = 0; i < s->touched_count; i++) {
        uint32_t rule = s->touched[i];
        if (s->marks[rule] == tables->needed[rule])
            s->bits[rule / 64] |= UINT64_C(1) << (rule % 64);
        s->marks[rule] = 0;
    }
    for (uint32_t rule = 0; s->everything && rule < tables->rule_count; rule++)
        s->bits[rule / 64] |= UINT64_C(1) << (rule % 64);
}

static size_t list_candidates(const struct index_tables *tables, struct index_scratch *s)
{
    size_t n = 0;
    for (size_t w = 0; w < tables->words; w++)
        for (uint64_t bits = s->bits[w]; bits != 0; bits &= bits - 1)
            s->candidates[n++] = tables->ordinals[w * 64 + (size_t)__builtin_ctzll(bits)];
    return n;
}

static void ask_every_field(struct asking *a, const struct event *event, struct match_scratch *folds)
{
    for (size_t i = 0; i < event->field_count; i++) {
        const struct field_index *own = field_of(a->tables, &event->fields[i]);
        if (own != NULL)
            ask_field(a, event, folds, &event->fields[i], own);
    }
}

/* For few rules: only the fields that they name. */
static void ask_named_fields(struct asking *a, const struct event *event, struct match_scratch *folds)
{
    for (size_t i = 1; i <= a->tables->field_count; i++) {
        const struct field_index *own = &a->tables->fields[i];
        for (const struct field *f = event_find(event, own->name, own->name_hash); f != NULL;
             f = event_next(event, f))
            ask_field(a, event, folds, f, own);
    }
}

size_t index_ask(struct rule_index *index, const struct event *event, struct match_scratch *folds,
                 struct index_scratch *scratch, const uint32_t **ret_ordinals)
{
    bool exact;
    const struct index_tables *tables = &index_view_of(index, event, scratch->recent, &exact)->tables;
    struct asking asking = {tables, scratch};
    scratch_fit(scratch, tables);
    ask_keywords(&asking, event, folds);
    if (tables->field_count < event->field_count)
        ask_named_fields(&asking, event, folds);
    else
        ask_every_field(&asking, event, folds);
    scratch->everything |= event->raw.n > MATCH_FOLD_MAX_BYTES;
    gather(tables, scratch);
    size_t count = list_candidates(tables, scratch);
    *ret_ordinals = scratch->candidates;
    return exact ? count : index_leave_out(index, event, scratch->candidates, count);
}
