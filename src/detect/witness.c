/*
 * From a detection's tree to its clauses; see witness.h.
 *
 *   item      one clause: the OR over its values; with |all, one clause per value
 *   and       all clauses of all kids
 *   or        the kids' best clauses joined, the second best joined, …: each of them must hold
 *   not       turns and into or, or into and; what is left stands at items:
 *   neq, null, exists: false, a negated item   nothing can be said, but that "not null" needs the field
 *
 * Clauses are ranked by a guess of how often they hold on an ordinary event ("weight", in 1/10,000), because
 * a rule is judged only where all clauses that were kept hold, and each clause kept costs a little.
 *
 * Values are matched folded, cased patterns too: ASCII letters fold wherever they stand, so the ASCII runs of
 * a cased text are in the folded value where the text is in the value. Other code points may stand cut in a
 * cased text, so they are left out.
 */
#include "detect/witness.h"

#include <stdlib.h>

enum {
    WEIGHT_MAX = 1000000,
    WEIGHT_PRESENT = 5000,
    CLAUSE_ATOMS_MAX =
        1 << 17,         /* a clause of more says nothing: bounds the index, whatever a condition repeats */
    WEIGHT_SPARE = 1500, /* beyond its best, a rule keeps only clauses that say at least this much */
};

struct clause {
    uint32_t weight;
    size_t atoms;
    const struct match_item *item; /* a leaf: these of its values */
    size_t first, count;
    bool present;                     /* the leaf needs the item's field, and nothing else */
    const struct clause *const *kids; /* or the OR of these */
    size_t kid_count;
};

/* --- atoms
 * ---------------------------------------------------------------------------------------------------------------------
 */

static struct sv ascii_run(struct sv text)
{
    struct sv best = sv_head(text, 0);
    for (size_t i = 0; i < text.n;) {
        size_t n = 0;
        while (i + n < text.n && (unsigned char)text.p[i + n] < 0x80)
            n++;
        if (n > best.n)
            best = sv_make(text.p + i, n);
        i += n + 1;
    }
    return best;
}

static struct sv lower(struct arena *arena, struct sv text)
{
    struct sv copy = arena_sv(arena, text);
    char *p = arena_alloc_raw(arena, text.n + 1, 1);
    for (size_t i = 0; i < copy.n; i++)
        p[i] = copy.p[i] >= 'A' && copy.p[i] <= 'Z' ? (char)(copy.p[i] + 32) : copy.p[i];
    return sv_make(p, copy.n);
}

/* The longest text of a pattern with wildcards inside. */
static struct atom general_atom(const struct pattern *pattern)
{
    struct atom atom = {.kind = ATOM_CONTAINS};
    for (size_t i = 0; i < pattern->count; i++) {
        if (pattern->tokens[i].kind != TOKEN_TEXT || pattern->tokens[i].text.n <= atom.text.n)
            continue;
        atom.text = pattern->tokens[i].text;
        atom.kind = i == 0 ? ATOM_PREFIX : i + 1 == pattern->count ? ATOM_SUFFIX : ATOM_CONTAINS;
    }
    return atom;
}

static struct atom shaped_atom(const struct pattern *pattern)
{
    switch (pattern->shape) {
    case SHAPE_EXACT:
        return (struct atom){ATOM_EXACT, pattern->text};
    case SHAPE_PREFIX:
        return (struct atom){ATOM_PREFIX, pattern->text};
    case SHAPE_SUFFIX:
        return (struct atom){ATOM_SUFFIX, pattern->text};
    case SHAPE_CONTAINS:
        return (struct atom){ATOM_CONTAINS, pattern->text};
    case SHAPE_ANY:
        return (struct atom){ATOM_PRESENT, SV("")};
    case SHAPE_GENERAL:
        break;
    }
    return general_atom(pattern);
}

static struct atom pattern_atom(struct arena *arena, const struct pattern *pattern)
{
    struct atom atom = shaped_atom(pattern);
    if (pattern->cased && atom.kind != ATOM_PRESENT) {
        struct sv run = ascii_run(atom.text);
        if (run.n < atom.text.n)
            atom.kind = ATOM_CONTAINS;
        atom.text = lower(arena, run);
    }
    if (atom.text.n == 0 && atom.kind != ATOM_EXACT)
        return (struct atom){ATOM_PRESENT, SV("")};
    return atom;
}

/* What the predicate needs of the event; false: nothing. */
static bool predicate_atom(struct arena *arena, const struct predicate *p, bool keyword, struct atom *ret)
{
    *ret = (struct atom){ATOM_PRESENT, SV("")};
    if (p->kind == PREDICATE_NULL || (p->kind == PREDICATE_EXISTS && !p->exists))
        return false;
    if (p->kind == PREDICATE_PATTERN)
        *ret = pattern_atom(arena, &p->pattern);
    else if (p->kind == PREDICATE_NUMBER && p->number.op == COMPARE_EQ)
        *ret = (struct atom){ATOM_NUMBER, p->number.value};
    else if (p->kind == PREDICATE_REGEX && regex_required(p->regex).n > 0)
        *ret = (struct atom){ATOM_CONTAINS, regex_required(p->regex)};
    if (!keyword)
        return true;
    if (ret->text.n == 0 || ret->kind == ATOM_NUMBER || ret->kind == ATOM_PRESENT)
        return false;
    ret->kind = ATOM_CONTAINS; /* one matcher for all keywords */
    return true;
}

/* How often, in 1/10,000 of ordinary values: a guess that only order and cost depend on. */
static uint32_t atom_weight(const struct atom *atom, bool keyword)
{
    static const uint32_t by_length[] = {5000, 4000, 3000, 800, 150, 80, 30, 20, 10};
    size_t n = TC_MIN(atom->text.n, TC_ARRAY_LEN(by_length) - 1);
    switch (atom->kind) {
    case ATOM_EXACT:
        return n < 3 ? 300 : 10;
    case ATOM_NUMBER:
        return 60;
    case ATOM_PRESENT:
        return WEIGHT_PRESENT;
    default:
        return by_length[n] * (keyword ? 3 : 1);
    }
}

/* --- clauses
 * -------------------------------------------------------------------------------------------------------------------
 */

static void add_clause(struct witness *w, const struct clause *clause)
{
    size_t at = w->count;
    while (at > 0 && w->clauses[at - 1]->weight > clause->weight)
        at--;
    if (at == WITNESS_CLAUSES_MAX || clause->atoms > CLAUSE_ATOMS_MAX)
        return;
    w->count = TC_MIN(w->count + 1, (size_t)WITNESS_CLAUSES_MAX);
    for (size_t i = w->count - 1; i > at; i--)
        w->clauses[i] = w->clauses[i - 1];
    w->clauses[at] = clause;
}

/* The clause of some of an item's values; without effect where one of them needs nothing. */
static void add_values(struct arena *arena, const struct match_item *item, size_t first, size_t count,
                       struct witness *w)
{
    bool keyword = item->field.name.n == 0;
    uint32_t weight = 0;
    size_t atoms = 0;
    for (size_t i = first; i < first + count; i++)
        for (size_t k = 0; k < item->values[i].count; k++) {
            struct atom atom;
            if (!predicate_atom(arena, &item->values[i].alternatives[k], keyword, &atom))
                return;
            weight = TC_MIN(weight + atom_weight(&atom, keyword), (uint32_t)WEIGHT_MAX);
            atoms++;
        }
    struct clause *clause = ARENA_NEW(arena, struct clause);
    *clause = (struct clause){.weight = weight, .atoms = atoms, .item = item, .first = first, .count = count};
    add_clause(w, clause);
}

/* Where the predicate fails, must the field be there? */
static bool needs_field(const struct predicate *p)
{
    return p->kind == PREDICATE_NULL || (p->kind == PREDICATE_EXISTS && !p->exists);
}

/* None of the values holds (or, of |all, one does not). */
static void negated_item_witness(struct arena *arena, const struct match_item *item, struct witness *ret)
{
    if (item->field.name.n == 0 || (item->all && item->count > 1))
        return;
    for (size_t i = 0; i < item->count; i++)
        for (size_t k = 0; k < item->values[i].count; k++) {
            if (!needs_field(&item->values[i].alternatives[k]))
                continue;
            struct clause *clause = ARENA_NEW(arena, struct clause);
            *clause = (struct clause){.weight = WEIGHT_PRESENT, .atoms = 1, .item = item, .present = true};
            add_clause(ret, clause);
            return;
        }
}

static void item_witness(struct arena *arena, const struct match_item *item, bool negated,
                         struct witness *ret)
{
    if (negated != item->negated) {
        negated_item_witness(arena, item, ret);
        return;
    }
    if (!item->all) {
        add_values(arena, item, 0, item->count, ret);
        return;
    }
    for (size_t i = 0; i < item->count; i++)
        add_values(arena, item, i, 1, ret);
}

static void node_witness(struct arena *arena, const struct match_node *node, bool negated,
                         struct witness *ret);

static void and_witness(struct arena *arena, const struct match_node *node, bool negated, struct witness *ret)
{
    for (size_t i = 0; i < node->count; i++) {
        struct witness kid = {0};
        node_witness(arena, node->kids[i], negated, &kid);
        for (size_t k = 0; k < kid.count; k++)
            add_clause(ret, kid.clauses[k]);
    }
}

static void or_witness(struct arena *arena, const struct match_node *node, bool negated, struct witness *ret)
{
    struct witness *kids = ARENA_ARRAY(arena, struct witness, node->count + 1);
    size_t most = 0;
    for (size_t i = 0; i < node->count; i++) {
        node_witness(arena, node->kids[i], negated, &kids[i]);
        if (kids[i].count == 0)
            return;
        most = TC_MAX(most, kids[i].count);
    }
    for (size_t k = 0; k < most; k++) {
        const struct clause **all = ARENA_ARRAY(arena, const struct clause *, node->count);
        uint32_t weight = 0;
        size_t atoms = 0;
        for (size_t i = 0; i < node->count; i++) {
            all[i] = kids[i].clauses[TC_MIN(k, kids[i].count - 1)];
            weight = TC_MIN(weight + all[i]->weight, (uint32_t)WEIGHT_MAX);
            atoms += all[i]->atoms;
        }
        struct clause *clause = ARENA_NEW(arena, struct clause);
        *clause = (struct clause){.weight = weight, .atoms = atoms, .kids = all, .kid_count = node->count};
        add_clause(ret, clause);
    }
}

static void node_witness(struct arena *arena, const struct match_node *node, bool negated,
                         struct witness *ret)
{
    switch (node->kind) {
    case NODE_ITEM:
        item_witness(arena, node->item, negated, ret);
        break;
    case NODE_AND:
        (negated ? or_witness : and_witness)(arena, node, negated, ret);
        break;
    case NODE_OR:
        (negated ? and_witness : or_witness)(arena, node, negated, ret);
        break;
    case NODE_CALENDAR: /* about no field: no clause */
        break;
    case NODE_NOT:
        node_witness(arena, node->kids[0], !negated, ret);
        break;
    }
}

void witness_of(struct arena *arena, const struct detection *detection, struct witness *ret)
{
    *ret = (struct witness){0};
    node_witness(arena, detection->root, false, ret);
    size_t keep = TC_MIN(ret->count, (size_t)1);
    while (keep < ret->count &&
           (ret->clauses[keep]->weight <= WEIGHT_SPARE || ret->clauses[0]->weight >= WEIGHT_PRESENT))
        keep++;
    ret->count = keep;
}

void clause_atoms(const struct clause *clause, struct arena *arena, atom_fn each, void *context)
{
    for (size_t i = 0; i < clause->kid_count; i++)
        clause_atoms(clause->kids[i], arena, each, context);
    if (clause->item == NULL)
        return;
    bool keyword = clause->item->field.name.n == 0;
    if (clause->present)
        each(context, &clause->item->field, &(struct atom){ATOM_PRESENT, SV("")});
    for (size_t i = clause->first; i < clause->first + clause->count; i++)
        for (size_t k = 0; k < clause->item->values[i].count; k++) {
            struct atom atom;
            if (predicate_atom(arena, &clause->item->values[i].alternatives[k], keyword, &atom))
                each(context, keyword ? NULL : &clause->item->field, &atom);
        }
}
