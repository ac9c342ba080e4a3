/*
 * An arena: memory of one lifetime (a batch, a query, a rule set), freed or reset as a whole.
 *
 * Allocation is a pointer bump; chunks double up to 1 MiB. The program ends with a clear message where the
 * system gives no memory (every input is bounded, so that is a broken machine, not a case). Not thread-safe:
 * one arena, one thread.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/sv.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *chunk; /* newest first */
    char *at, *end;            /* free room of the newest chunk */
    size_t used_bytes;         /* sum of what was handed out since the last reset */
};

/* An all-zero struct arena is ready for use. */
void *arena_alloc(struct arena *arena, size_t bytes); /* zeroed, aligned to 16 */
void *arena_alloc_raw(struct arena *arena, size_t bytes,
                      size_t align); /* not zeroed; align a power of two <= 16 */
#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (count)))
/* Copies with a terminating zero that is not counted. */
struct sv arena_sv(struct arena *arena, struct sv text);
char *arena_str(struct arena *arena, struct sv text);
struct sv arena_printf(struct arena *arena, const char *format, ...) TC_PRINTF(2, 3);
/* Forgets everything but keeps the largest chunk for reuse. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

/* malloc family that never returns NULL; for long-lived tables with a stated bound. */
void *tc_alloc(size_t bytes); /* zeroed */
void *tc_realloc(void *old, size_t bytes);
char *tc_strdup(const char *text);

#endif
