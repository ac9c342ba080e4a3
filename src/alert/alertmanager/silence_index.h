/*
 * Which of many silences hold for an alert, without trying each: a silence with an equality (cluster="eu") is
 * looked up by it, the others are tried one by one.
 *
 * The silences are lent; an index is good as long as they are. Building costs one look at each.
 */
#ifndef ALERT_ALERTMANAGER_SILENCE_INDEX_H
#define ALERT_ALERTMANAGER_SILENCE_INDEX_H

#include "alert/alertmanager/dispatch.h"
#include "base/map.h"

struct am_silence_index {
    const struct am_silence *silences;
    size_t count;
    struct map by_label; /* name, zero, value -> first + 1 */
    uint32_t *next;      /* + 1, of the same label; 0: none */
    uint32_t *others;    /* those without an equality */
    size_t other_count;
};

void am_silence_index_init(struct am_silence_index *index, const struct am_silence *silences, size_t count);
void am_silence_index_free(struct am_silence_index *index);
/* Those that hold at that time, by their place in the list, ascending; returns how many, at most `max` of
 * which are written (some of them where there are more). */
size_t am_silence_index_find(const struct am_silence_index *index, struct am_labels labels, int64_t now_ns,
                             uint32_t *ret, size_t max);

#endif
