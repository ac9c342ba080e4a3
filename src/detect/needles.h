/*
 * Many needles, one haystack: which of thousands of byte strings occur in a value? For this room only.
 *
 * A seam: what stands behind it may be exchanged (a library with vector code, say) without the index
 * noticing. Immutable once built, in its arena; any number of threads may search.
 */
#ifndef DETECT_NEEDLES_H
#define DETECT_NEEDLES_H

#include "base/arena.h"

struct needle {
    struct sv text; /* not empty; must outlive the needles */
    uint32_t id;    /* the caller's */
};

struct needles;
/* NULL where there are none. Deterministic in the list. */
const struct needles *needles_new(struct arena *arena, const struct needle *list, size_t count);
/*
 * Calls `found` for every needle that occurs in `text` (exact bytes), at least once, in no promised order;
 * several times where it occurs several times.
 */
void needles_search(const struct needles *needles, struct sv text, void (*found)(void *context, uint32_t id),
                    void *context);

#endif
