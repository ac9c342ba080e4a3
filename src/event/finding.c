/*
 * The growing list of findings; see finding.h.
 */
#include "event/finding.h"

struct finding *finding_add(struct finding_list *list)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct finding *items = ARENA_ARRAY(list->arena, struct finding, capacity);
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof items[0]);
        list->items = items;
        list->capacity = capacity;
    }
    struct finding *fresh = &list->items[list->count++];
    *fresh = (struct finding){.weight = 1, .count = 1};
    return fresh;
}
