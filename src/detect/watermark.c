/*
 * Watermarks of sources; see watermark.h.
 */
#include "detect/watermark.h"

#include "detect/window.h"

#include <stdlib.h>

void watermark_init(struct watermark *wm, int64_t lateness_ns, bool by_receive_time)
{
    *wm = (struct watermark){.lateness_ns = TC_MAX(lateness_ns, 0),
                             .by_receive_time = by_receive_time,
                             .floor_ns = INT64_MIN,
                             .received_ns = INT64_MIN,
                             .lowest = SIZE_MAX};
    wm->sources = tc_alloc(WATERMARK_SOURCES * sizeof wm->sources[0]);
    map_init(&wm->by_name, WATERMARK_SOURCES);
}

void watermark_fini(struct watermark *wm)
{
    for (size_t i = 0; i < wm->count; i++)
        free((void *)(uintptr_t)wm->sources[i].name.p);
    free(wm->sources);
    map_free(&wm->by_name);
    *wm = (struct watermark){0};
}

/* --- the table of sources
 * ------------------------------------------------------------------------------------------------- */

static void name_source(struct watermark *wm, size_t at, struct sv name)
{
    char *copy = tc_alloc(name.n + 1);
    memcpy(copy, name.n == 0 ? "" : name.p, name.n);
    wm->sources[at].name = sv_make(copy, name.n);
    *map_put(&wm->by_name, wm->sources[at].name, NULL) = at;
}

static size_t longest_unheard(const struct watermark *wm)
{
    size_t at = 0;
    for (size_t i = 1; i < wm->count; i++)
        if (wm->sources[i].heard < wm->sources[at].heard)
            at = i;
    return at;
}

static size_t add_source(struct watermark *wm, struct sv name, int64_t time_ns)
{
    size_t at = wm->count;
    if (wm->count < WATERMARK_SOURCES) {
        wm->count++;
    } else {
        at = longest_unheard(wm);
        map_remove(&wm->by_name, wm->sources[at].name);
        free((void *)(uintptr_t)wm->sources[at].name.p);
        wm->lowest = SIZE_MAX;
    }
    wm->sources[at] = (struct watermark_source){.newest_ns = time_ns};
    name_source(wm, at, name);
    return at;
}

/* --- the floor
 * -----------------------------------------------------------------------------------------------------------
 */

static bool idle(const struct watermark *wm, size_t at)
{
    return wm->events - wm->sources[at].heard > WATERMARK_IDLE_EVENTS;
}

static void find_lowest(struct watermark *wm)
{
    wm->lowest = SIZE_MAX;
    for (size_t i = 0; i < wm->count; i++)
        if (!idle(wm, i) &&
            (wm->lowest == SIZE_MAX || wm->sources[i].newest_ns < wm->sources[wm->lowest].newest_ns))
            wm->lowest = i;
}

static void move_floor(struct watermark *wm)
{
    int64_t floor_ns = wm->lowest == SIZE_MAX ? INT64_MAX : wm->sources[wm->lowest].newest_ns;
    if (wm->by_receive_time)
        floor_ns = TC_MIN(floor_ns, wm->received_ns);
    if (floor_ns != INT64_MAX)
        wm->floor_ns = TC_MAX(wm->floor_ns, window_before(floor_ns, wm->lateness_ns));
}

bool watermark_take(struct watermark *wm, struct sv source, int64_t time_ns, struct receive_time received)
{
    source = sv_head(source, WATERMARK_NAME_BYTES);
    wm->events++;
    wm->received_ns = TC_MAX(wm->received_ns, received.ns);
    uint64_t *known = map_get(&wm->by_name, source);
    size_t at = known != NULL ? (size_t)*known : add_source(wm, source, time_ns);
    struct watermark_source *s = &wm->sources[at];
    bool late = time_ns < wm->floor_ns || time_ns < window_before(s->newest_ns, wm->lateness_ns);
    bool was_lowest = wm->lowest == at && time_ns > s->newest_ns;
    s->newest_ns = TC_MAX(s->newest_ns, time_ns);
    s->heard = wm->events;
    s->since_tick = true;
    if (wm->lowest == SIZE_MAX || was_lowest || idle(wm, wm->lowest))
        find_lowest(wm);
    else if (s->newest_ns < wm->sources[wm->lowest].newest_ns)
        wm->lowest = at;
    move_floor(wm);
    return !late;
}

void watermark_tick(struct watermark *wm, struct receive_time now)
{
    if (!wm->by_receive_time)
        return;
    wm->received_ns = TC_MAX(wm->received_ns, now.ns);
    for (size_t i = 0; i < wm->count; i++) {
        if (!wm->sources[i].since_tick)
            wm->sources[i].newest_ns = TC_MAX(wm->sources[i].newest_ns, now.ns);
        wm->sources[i].since_tick = false;
    }
    find_lowest(wm);
    move_floor(wm);
}

void watermark_finish(struct watermark *wm)
{
    wm->floor_ns = INT64_MAX;
}

/* --- keeping it
 * ----------------------------------------------------------------------------------------------------------
 */

void watermark_save(const struct watermark *wm, struct buf *out)
{
    buf_u64(out, wm->events);
    buf_u64(out, (uint64_t)wm->floor_ns);
    buf_u64(out, (uint64_t)wm->received_ns);
    buf_u32(out, (uint32_t)wm->count);
    for (size_t i = 0; i < wm->count; i++) {
        buf_string(out, wm->sources[i].name);
        buf_u64(out, (uint64_t)wm->sources[i].newest_ns);
        buf_u64(out, wm->sources[i].heard);
        buf_u8(out, wm->sources[i].since_tick);
    }
}

bool watermark_load(struct watermark *wm, struct reader *from)
{
    wm->events = reader_u64(from);
    wm->floor_ns = (int64_t)reader_u64(from);
    wm->received_ns = (int64_t)reader_u64(from);
    uint32_t count = reader_u32(from);
    if (from->bad || count > WATERMARK_SOURCES)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct sv name = reader_string(from);
        int64_t newest_ns = (int64_t)reader_u64(from);
        uint64_t heard = reader_u64(from);
        bool since_tick = reader_u8(from) != 0;
        if (from->bad || name.n > WATERMARK_NAME_BYTES || heard > wm->events ||
            map_get(&wm->by_name, name) != NULL)
            return false;
        size_t at = add_source(wm, name, newest_ns);
        wm->sources[at].heard = heard;
        wm->sources[at].since_tick = since_tick;
    }
    find_lowest(wm);
    return true;
}
