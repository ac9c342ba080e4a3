/*
 * Arenas; see arena.h. A chunk's header stands before its bytes; a request larger than the next chunk size
 * gets a chunk of its own.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t bytes; /* usable, after this header */
};

enum { ARENA_FIRST = 4096, ARENA_MAX = 1 << 20, ARENA_ALIGN = 16 };

static void out_of_memory(size_t bytes)
{
    fprintf(
        stderr,
        "tocsin: no memory for %zu bytes: give the machine more, or lower the limits in the configuration\n",
        bytes);
    abort();
}

void *tc_alloc(size_t bytes)
{
    void *p = calloc(1, bytes == 0 ? 1 : bytes);
    if (p == NULL)
        out_of_memory(bytes);
    return p;
}

void *tc_realloc(void *old, size_t bytes)
{
    void *p = realloc(old, bytes == 0 ? 1 : bytes);
    if (p == NULL)
        out_of_memory(bytes);
    return p;
}

char *tc_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(tc_realloc(NULL, n), text, n);
}

static void *chunk_bytes(struct arena_chunk *chunk)
{
    return (char *)chunk + ((sizeof *chunk + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1));
}

static void arena_grow(struct arena *arena, size_t need)
{
    size_t bytes = arena->chunk == NULL ? ARENA_FIRST : TC_MIN(arena->chunk->bytes * 2, (size_t)ARENA_MAX);
    bytes = TC_MAX(bytes, need + ARENA_ALIGN);
    struct arena_chunk *chunk = tc_realloc(NULL, bytes + sizeof *chunk + ARENA_ALIGN);
    chunk->bytes = bytes;
    chunk->next = arena->chunk;
    arena->chunk = chunk;
    arena->at = chunk_bytes(chunk);
    arena->end = arena->at + bytes;
}

void *arena_alloc_raw(struct arena *arena, size_t bytes, size_t align)
{
    uintptr_t pad = (0 - (uintptr_t)arena->at) & (align - 1);
    if (arena->at == NULL || (size_t)(arena->end - arena->at) < bytes + pad) {
        arena_grow(arena, bytes);
        pad = 0;
    }
    char *p = arena->at + pad;
    arena->at = p + bytes;
    arena->used_bytes += bytes;
    return p;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    return memset(arena_alloc_raw(arena, bytes, ARENA_ALIGN), 0, bytes);
}

struct sv arena_sv(struct arena *arena, struct sv text)
{
    return (struct sv){arena_str(arena, text), text.n};
}

char *arena_str(struct arena *arena, struct sv text)
{
    char *p = arena_alloc_raw(arena, text.n + 1, 1);
    if (text.n > 0)
        memcpy(p, text.p, text.n);
    p[text.n] = '\0';
    return p;
}

struct sv arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = arena_alloc_raw(arena, (size_t)n + 1, 1);
    va_start(args, format);
    vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return (struct sv){p, (size_t)n};
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *keep = arena->chunk;
    for (struct arena_chunk *c = arena->chunk; c != NULL; c = c->next)
        if (c->bytes > keep->bytes)
            keep = c;
    for (struct arena_chunk *c = arena->chunk, *next; c != NULL; c = next) {
        next = c->next;
        if (c != keep)
            free(c);
    }
    arena->chunk = keep;
    arena->used_bytes = 0;
    if (keep != NULL) {
        keep->next = NULL;
        arena->at = chunk_bytes(keep);
        arena->end = arena->at + keep->bytes;
    }
}

void arena_free(struct arena *arena)
{
    for (struct arena_chunk *c = arena->chunk, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    *arena = (struct arena){0};
}
