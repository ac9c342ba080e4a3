/*
 * What is known of each source; see sources.h.
 */
#include "app/sources.h"

#include <stdlib.h>

void sources_init(struct sources *s)
{
    *s = (struct sources){0};
    map_init(&s->index, SOURCES_MAX + SOURCES_WATCHED_MAX);
}

void sources_free(struct sources *s)
{
    map_free(&s->index);
    arena_free(&s->arena);
    free(s->items);
    free(s->watched);
    *s = (struct sources){0};
}

static struct source_state *find(const struct sources *s, struct sv name)
{
    const uint64_t *at = map_get(&s->index, name);
    return at == NULL ? NULL : &s->items[*at - 1];
}

static struct source_state *add(struct sources *s, struct sv name, int64_t at_ns)
{
    uint64_t *at = map_put(&s->index, name, NULL);
    if (s->count == s->capacity) {
        s->capacity = TC_MAX((size_t)16, 2 * s->capacity);
        s->items = tc_realloc(s->items, s->capacity * sizeof s->items[0]);
    }
    struct source_state *item = &s->items[s->count++];
    *item = (struct source_state){.name = arena_sv(&s->arena, name), .last_ns = at_ns};
    *at = s->count;
    return item;
}

void sources_watch(struct sources *s, const struct source_watch *rows, size_t count)
{
    struct source_watch *copy = tc_alloc((count + 1) * sizeof copy[0]);
    s->watched_count = TC_MIN(count, (size_t)SOURCES_WATCHED_MAX);
    for (size_t i = 0; i < s->watched_count; i++)
        copy[i] =
            (struct source_watch){arena_sv(&s->arena, rows[i].source), rows[i].interval_ns, rows[i].grace_ns};
    free(s->watched);
    s->watched = copy;
}

static void learn(struct source_state *item, int64_t gap_ns)
{
    gap_ns = TC_MAX(gap_ns, (int64_t)0);
    item->learned_ns -= item->learned_ns / 16;
    item->learned_ns = TC_MAX(item->learned_ns, gap_ns);
    item->gaps++;
}

struct source_state *sources_heard(struct sources *s, struct sv source, struct receive_time at)
{
    struct source_state *item = find(s, source);
    if (item == NULL && s->count >= SOURCES_MAX) {
        s->other_events++;
        return NULL;
    }
    if (item == NULL)
        item = add(s, source, at.ns);
    else if (!item->silent && item->events > 0) /* the silence itself is no gap to get used to */
        learn(item, at.ns - item->last_ns);
    bool was_silent = item->silent;
    item->events++;
    item->silent = false;
    item->last_ns = TC_MAX(item->last_ns, at.ns);
    return was_silent ? item : NULL;
}

void sources_tick(struct sources *s, struct receive_time now,
                  void (*silent)(void *context, const struct source_state *source, int64_t interval_ns),
                  void *context)
{
    for (size_t i = 0; i < s->watched_count; i++) {
        const struct source_watch *row = &s->watched[i];
        struct source_state *item = find(s, row->source);
        if (item == NULL)
            item = add(s, row->source, now.ns); /* it is waited for from now on */
        bool knows = row->interval_ns > 0 || item->gaps >= SOURCES_LEARN_AFTER;
        int64_t interval_ns =
            row->interval_ns > 0 ? row->interval_ns : TC_MAX(item->learned_ns, TC_SECOND_NS);
        int64_t patience_ns =
            row->grace_ns > 0 ? interval_ns + row->grace_ns : SOURCES_INTERVALS * interval_ns;
        if (item->silent || !knows || now.ns - item->last_ns < patience_ns)
            continue;
        item->silent = true;
        silent(context, item, interval_ns);
    }
}

void sources_save(const struct sources *s, struct buf *out)
{
    buf_u64(out, s->other_events);
    buf_u32(out, (uint32_t)s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct source_state *item = &s->items[i];
        buf_string(out, item->name);
        buf_u64(out, item->events);
        buf_u64(out, item->gaps);
        buf_u64(out, (uint64_t)item->last_ns);
        buf_u64(out, (uint64_t)item->learned_ns);
        buf_u8(out, item->silent);
    }
}

bool sources_load(struct sources *s, struct sv saved)
{
    struct reader r = reader_of(saved);
    s->other_events = reader_u64(&r);
    uint32_t count = reader_u32(&r);
    if (count > SOURCES_MAX + SOURCES_WATCHED_MAX)
        return false;
    for (uint32_t i = 0; i < count && !r.bad; i++) {
        struct sv name = reader_string(&r);
        if (r.bad || find(s, name) != NULL)
            return false;
        struct source_state *item = add(s, name, 0);
        item->events = reader_u64(&r);
        item->gaps = reader_u64(&r);
        item->last_ns = (int64_t)reader_u64(&r);
        item->learned_ns = (int64_t)reader_u64(&r);
        item->silent = reader_u8(&r) != 0;
    }
    return !r.bad && r.rest.n == 0;
}

bool sources_is_watched(const struct sources *s, struct sv name, int64_t *ret_interval_ns)
{
    *ret_interval_ns = 0;
    for (size_t i = 0; i < s->watched_count; i++) {
        if (!sv_eq(s->watched[i].source, name))
            continue;
        const struct source_state *item = find(s, name);
        *ret_interval_ns = s->watched[i].interval_ns;
        if (*ret_interval_ns == 0 && item != NULL && item->gaps >= SOURCES_LEARN_AFTER)
            *ret_interval_ns = item->learned_ns;
        return true;
    }
    return false;
}

const char *sources_class(struct sv name)
{
    static const struct {
        const char *prefix, *class;
    } classes[] = {{"http:", "confirmed"},     {"file:", "positioned"},
                   {"journald", "positioned"}, {"syslog:tcp:", "best_effort"},
                   {"stdin", "best_effort"},   {"syslog:udp:", "fire_and_forget"},
                   {"self", "internal"}};
    for (size_t i = 0; i < TC_ARRAY_LEN(classes); i++)
        if (sv_starts(name, sv_of(classes[i].prefix)))
            return classes[i].class;
    return "best_effort";
}
