/*
 * What positioned sources have read so far: the newest REC_POSITION of each, by the name in its source.
 *
 * A part of the fold (fold.c puts, checkpoint.c saves), opaque here: a door writes a value in the frame of
 * the events that it read up to there, and gets the newest back at the next start. So what was read and what
 * is kept cannot disagree. At most TC_POSITIONS_MAX names, of which doors keep far fewer; past it a new name
 * is not kept, and its source is read again from its beginning after a restart. Not thread-safe.
 */
#ifndef APP_POSITIONS_H
#define APP_POSITIONS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

enum { TC_POSITIONS_MAX = 65536, TC_POSITION_BYTES = 16384 };

struct positions {
    struct map index;  /* name -> 1 + index into values */
    struct sv *values; /* owned; n == 0 where free */
    size_t count, capacity;
    uint64_t refused; /* past a bound */
};

void positions_init(struct positions *positions);
void positions_free(struct positions *positions);
void positions_clear(struct positions *positions);
/* An empty value forgets the name. */
void positions_put(struct positions *positions, struct sv name, struct sv value);
/* Visits them in no stated order; `name` and `value` are lent. */
void positions_each(const struct positions *positions,
                    void (*each)(void *context, struct sv name, struct sv value), void *context);
void positions_save(const struct positions *positions, struct buf *out);
/* In place of what is there. TC_ECORRUPT where the bytes are not what positions_save wrote. */
int positions_load(struct positions *positions, struct sv bytes, struct err *err);

#endif
