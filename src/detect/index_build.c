/*
 * Building the index: rules to witnesses, witnesses to numbered predicates, predicates to tables by field.
 *
 * Equal atoms of different rules are one predicate ("Image ends with \powershell.exe" stands in over a
 * hundred rules). Everything is numbered in order of rules, so that the same rules give the same tables.
 */
#include "base/buf.h"
#include "base/map.h"
#include "detect/index_priv.h"

#include <stdlib.h>

enum { PREDICATES_MAX = 1 << 28, FIELDS_MAX = 1 << 24 };

struct built_predicate {
    uint32_t field;
    struct atom atom;
    uint32_t postings, last; /* number, and the latest */
};

struct posting {
    uint32_t predicate, rule_clause;
};

struct building {
    struct arena *arena;  /* the rule set's */
    struct arena scratch; /* of the building */
    struct index_tables *tables;
    struct map fields, predicates; /* name without spaces; field, kind, text: to numbers */
    struct name_ref *field_names;
    size_t field_capacity;
    struct built_predicate *built;
    size_t built_capacity;
    struct posting *postings;
    size_t posting_count, posting_capacity;
    struct buf key;
    uint32_t rule_clause; /* at work */
};

static void *room_for(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = TC_MAX(*capacity * 2, (size_t)64);
    return tc_realloc(items, *capacity * size);
}

/* --- predicates
 * ---------------------------------------------------------------------------------------------------------------
 */

static uint32_t field_number(struct building *b, const struct name_ref *field)
{
    bool fresh;
    buf_clear(&b->key);
    for (size_t i = 0; i < field->name.n; i++)
        if (field->name.p[i] != ' ')
            buf_char(&b->key, field->name.p[i]);
    uint64_t *number = map_put(&b->fields, buf_view(&b->key), &fresh);
    tc_assert(number != NULL);
    if (fresh) {
        *number = ++b->tables->field_count;
        b->field_names = room_for(b->field_names, *number, &b->field_capacity, sizeof b->field_names[0]);
        b->field_names[*number] = *field;
    }
    return (uint32_t)*number;
}

static uint32_t predicate_number(struct building *b, uint32_t field, const struct atom *atom)
{
    bool fresh;
    buf_clear(&b->key);
    buf_u32(&b->key, field);
    buf_u8(&b->key, (uint8_t)atom->kind);
    buf_sv(&b->key, atom->text);
    uint64_t *number = map_put(&b->predicates, buf_view(&b->key), &fresh);
    tc_assert(number != NULL);
    if (fresh) {
        *number = ++b->tables->predicate_count;
        b->built = room_for(b->built, *number, &b->built_capacity, sizeof b->built[0]);
        b->built[*number] = (struct built_predicate){.field = field, .atom = *atom, .last = UINT32_MAX};
        b->built[*number].atom.text = arena_sv(b->arena, atom->text);
    }
    return (uint32_t)*number;
}

static void add_atom(void *context, const struct name_ref *field, const struct atom *atom)
{
    struct building *b = context;
    uint32_t number = predicate_number(b, field == NULL ? 0 : field_number(b, field), atom);
    if (b->built[number].last == b->rule_clause)
        return; /* said twice in one clause */
    b->built[number].last = b->rule_clause;
    b->built[number].postings++;
    b->postings = room_for(b->postings, b->posting_count, &b->posting_capacity, sizeof b->postings[0]);
    b->postings[b->posting_count++] = (struct posting){number, b->rule_clause};
}

static void add_rule(struct building *b, const struct rule *rule, uint32_t number)
{
    struct witness witness;
    arena_reset(&b->scratch);
    witness_of(&b->scratch, rule->detection, &witness);
    if (witness.count == 0)
        b->tables->open[number / 64] |= UINT64_C(1) << (number % 64);
    b->tables->needed[number] = (uint8_t)((1u << witness.count) - 1);
    for (uint32_t i = 0; i < witness.count; i++) {
        b->rule_clause = number * WITNESS_CLAUSES_MAX + i;
        clause_atoms(witness.clauses[i], &b->scratch, add_atom, b);
    }
}

/* A list by predicate, each in order of rules. */
static void place_postings(struct building *b)
{
    struct index_tables *tables = b->tables;
    uint32_t at = 0;
    tables->predicates = ARENA_ARRAY(b->arena, struct index_predicate, (size_t)tables->predicate_count + 1);
    tables->postings = ARENA_ARRAY(b->arena, uint32_t, b->posting_count + 1);
    for (uint32_t i = 1; i <= tables->predicate_count; i++) {
        tables->predicates[i] = (struct index_predicate){.text = b->built[i].atom.text, .first = at};
        at += b->built[i].postings;
    }
    for (size_t i = 0; i < b->posting_count; i++) {
        struct index_predicate *p = &tables->predicates[b->postings[i].predicate];
        tables->postings[p->first + p->count++] = b->postings[i].rule_clause;
    }
}

/* --- fields
 * -------------------------------------------------------------------------------------------------------------------
 */

/* Starts and ends are hashed by the most of so many bytes. */
static uint8_t anchor_bytes(size_t n)
{
    static const uint8_t steps[] = {INDEX_ANCHOR_MAX_BYTES, 12, 8, 6, 4, 3, 2, 1};
    for (size_t i = 0; i < TC_ARRAY_LEN(steps); i++)
        if (n >= steps[i])
            return steps[i];
    return 0;
}

static void note_probe(struct field_index *field, struct index_probe probe)
{
    for (size_t i = 0; i < field->probe_count; i++)
        if (field->probes[i].kind == probe.kind && field->probes[i].bytes == probe.bytes)
            return;
    tc_assert(field->probe_count < INDEX_PROBES_MAX);
    field->probes[field->probe_count++] = probe;
}

static uint64_t predicate_hash(struct field_index *field, const struct atom *atom)
{
    struct index_probe probe = {.kind = (uint8_t)atom->kind};
    struct sv text = atom->text;
    uint64_t number = 0;
    switch (atom->kind) {
    case ATOM_NUMBER:
        field->has_numbers = true;
        tc_assert(number_key(text, &number));
        return index_number_hash(number);
    case ATOM_PREFIX:
        probe.bytes = anchor_bytes(text.n);
        text = sv_head(text, probe.bytes);
        break;
    case ATOM_SUFFIX:
        probe.bytes = anchor_bytes(text.n);
        text = sv_from(text, text.n - probe.bytes);
        break;
    default:
        field->exact_lengths |= UINT64_C(1) << (text.n % 64);
        return index_exact_hash(text);
    }
    note_probe(field, probe);
    return index_anchor_hash(text.p, probe);
}

static void add_slot(struct field_index *field, uint32_t predicate, const struct atom *atom)
{
    uint64_t hash = predicate_hash(field, atom);
    uint32_t slot = (uint32_t)hash & field->slot_mask;
    while (field->slots[slot].predicate != INDEX_NONE)
        slot = (slot + 1) & field->slot_mask;
    field->slots[slot] = (struct index_slot){(uint32_t)(hash >> 32), predicate};
}

/* `numbers` are all predicates, by field. */
static void build_field(struct building *b, struct field_index *field, const uint32_t *numbers, size_t count)
{
    struct needle *needles = tc_alloc((count + 1) * sizeof needles[0]);
    size_t needle_count = 0, hashed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct atom *atom = &b->built[numbers[i]].atom;
        if (atom->kind == ATOM_PRESENT)
            field->present = numbers[i];
        else if (atom->kind == ATOM_CONTAINS)
            needles[needle_count++] = (struct needle){atom->text, numbers[i]};
        else
            hashed++;
    }
    field->needles = needles_new(b->arena, needles, needle_count);
    free(needles);
    if (hashed == 0)
        return;
    field->slot_mask = 3;
    while (field->slot_mask < hashed * 3)
        field->slot_mask = field->slot_mask * 2 + 1;
    field->slots = ARENA_ARRAY(b->arena, struct index_slot, (size_t)field->slot_mask + 1);
    for (size_t i = 0; i < count; i++) {
        const struct atom *atom = &b->built[numbers[i]].atom;
        if (atom->kind != ATOM_PRESENT && atom->kind != ATOM_CONTAINS)
            add_slot(field, numbers[i], atom);
    }
}

static void build_fields(struct building *b)
{
    struct index_tables *tables = b->tables;
    size_t fields = (size_t)tables->field_count + 1;
    uint32_t *starts = tc_alloc((fields + 1) * sizeof starts[0]);
    uint32_t *numbers = tc_alloc(((size_t)tables->predicate_count + 1) * sizeof numbers[0]);
    for (uint32_t i = 1; i <= tables->predicate_count; i++)
        starts[b->built[i].field + 1]++;
    for (size_t i = 0; i < fields; i++)
        starts[i + 1] += starts[i];
    for (uint32_t i = 1; i <= tables->predicate_count; i++)
        numbers[starts[b->built[i].field]++] = i; /* now each start is its field's end */
    tables->fields = ARENA_ARRAY(b->arena, struct field_index, fields);
    for (size_t i = 0; i < fields; i++) {
        if (i > 0)
            tables->fields[i] =
                (struct field_index){.name = b->field_names[i].name, .name_hash = b->field_names[i].hash};
        uint32_t first = i == 0 ? 0 : starts[i - 1];
        build_field(b, &tables->fields[i], numbers + first, starts[i] - first);
    }
    free(starts);
    free(numbers);
}

static void build_names(struct building *b)
{
    struct index_tables *tables = b->tables;
    tables->name_mask = 15;
    while (tables->name_mask < tables->field_count * 4)
        tables->name_mask = tables->name_mask * 2 + 1;
    tables->names = ARENA_ARRAY(b->arena, uint32_t, (size_t)tables->name_mask + 1);
    for (uint32_t i = 1; i <= tables->field_count; i++) {
        uint32_t slot = tables->fields[i].name_hash & tables->name_mask;
        while (tables->names[slot] != INDEX_NONE)
            slot = (slot + 1) & tables->name_mask;
        tables->names[slot] = i;
    }
}

/* --- the door
 * -----------------------------------------------------------------------------------------------------------------
 */

void index_tables_build(struct arena *arena, const struct rule *const *rules, size_t count,
                        struct index_tables *ret)
{
    struct building b = {.arena = arena, .tables = ret};
    tc_assert(count < UINT32_MAX / WITNESS_CLAUSES_MAX);
    *ret = (struct index_tables){.rule_count = (uint32_t)count, .words = count / 64 + 1};
    map_init(&b.fields, FIELDS_MAX);
    map_init(&b.predicates, PREDICATES_MAX);
    buf_init(&b.key, (size_t)64 << 20);
    ret->open = ARENA_ARRAY(arena, uint64_t, ret->words);
    ret->ordinals = ARENA_ARRAY(arena, uint32_t, count + 1);
    ret->needed = ARENA_ARRAY(arena, uint8_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        ret->ordinals[i] = rules[i]->info.ordinal;
        add_rule(&b, rules[i], (uint32_t)i);
    }
    place_postings(&b);
    build_fields(&b);
    build_names(&b);
    map_free(&b.fields);
    map_free(&b.predicates);
    buf_free(&b.key);
    arena_free(&b.scratch);
    free(b.field_names);
    free(b.built);
    free(b.postings);
}
