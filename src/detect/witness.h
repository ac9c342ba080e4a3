/*
 * Witnesses: what must be true of an event for a detection to hold; for this room only.
 *
 * A detection is reduced to clauses, each an OR of atoms, each atom a question that the index answers for all
 * rules at once. Where one clause has no atom that holds, the detection cannot hold. The reverse is not
 * promised: clauses only over-approximate, and a detection may have none (it is "open": always judged).
 */
#ifndef DETECT_WITNESS_H
#define DETECT_WITNESS_H

#include "detect/match.h"

enum atom_kind {
    ATOM_EXACT, /* a value of the field, folded, equals, starts with, ends with, contains the text */
    ATOM_PREFIX,
    ATOM_SUFFIX,
    ATOM_CONTAINS,
    ATOM_NUMBER,  /* a value of the field is this number */
    ATOM_PRESENT, /* the field is there, whatever its value */
};

struct atom {
    enum atom_kind kind;
    struct sv text; /* folded; never empty but for ATOM_EXACT and ATOM_PRESENT */
};

struct clause;
enum { WITNESS_CLAUSES_MAX = 8 };
struct witness {
    const struct clause *clauses[WITNESS_CLAUSES_MAX]; /* best first */
    size_t count;                                      /* 0: open */
};

/* The result points into `arena` and into the detection. */
void witness_of(struct arena *arena, const struct detection *detection, struct witness *ret);

/* Calls `each` for every atom of the clause; `field` is NULL for keywords. Texts live in `arena` or in the
 * detection. */
typedef void (*atom_fn)(void *context, const struct name_ref *field, const struct atom *atom);
void clause_atoms(const struct clause *clause, struct arena *arena, atom_fn each, void *context);

#endif
