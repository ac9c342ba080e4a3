/*
 * What each integration was last told of each group, and whether it must be told again
 * (alertmanager/notify/dedup_stage.go, nflog). Unlike there an entry lives as long as its group is looked at:
 * a repeat_interval longer than a retention does not repeat early.
 */
#include "alert/alertmanager/dispatch_priv.h"

#include "base/clk.h"

#include <stdlib.h>

enum { ENTRIES_MAX = 1000000 };

struct told {
    int64_t told_ns, expires_ns;
    size_t firing_count, resolved_count;
    uint64_t *firing, *resolved; /* sorted */
    char *remembered;            /* the receiver's; NULL: nothing */
    size_t remembered_bytes;
};

const char *am_reason_text(enum am_reason reason)
{
    static const char *const words[] = {"",
                                        "first notification",
                                        "new alerts added",
                                        "some alerts resolved",
                                        "all alerts resolved",
                                        "repeat interval elapsed"};
    return words[reason];
}

void told_init(struct told_log *log)
{
    map_init(&log->entries, ENTRIES_MAX);
    log->expire_next_ns = INT64_MIN;
}

static void free_entry(struct told *told)
{
    free(told->firing);
    free(told->resolved);
    free(told->remembered);
    free(told);
}

void told_free(struct told_log *log)
{
    struct map_entry *entry;
    for (size_t i = 0; map_next(&log->entries, &i, &entry);)
        free_entry((struct told *)(uintptr_t)entry->value);
    map_free(&log->entries);
}

struct sv told_name(struct sv receiver, const char *kind, size_t index, struct sv group_key)
{
    struct buf name;
    buf_init(&name, 4 << 20);
    buf_string(&name, receiver);
    buf_string(&name, sv_of(kind));
    buf_u64(&name, index);
    buf_sv(&name, group_key);
    return buf_view(&name);
}

void told_name_free(struct sv name)
{
    free((void *)(uintptr_t)name.p);
}

struct told *told_find(const struct told_log *log, struct sv name)
{
    const uint64_t *found = map_get(&log->entries, name);
    return found == NULL ? NULL : (struct told *)(uintptr_t)*found;
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool contains(const uint64_t *sorted, size_t count, uint64_t hash)
{
    return count > 0 && bsearch(&hash, sorted, count, sizeof hash, compare_hashes) != NULL;
}

bool told_fired(const struct told *told, uint64_t hash)
{
    return told != NULL && contains(told->firing, told->firing_count, hash);
}

static bool contains_all(const uint64_t *sorted, size_t count, const uint64_t *hashes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!contains(sorted, count, hashes[i]))
            return false;
    return true;
}

enum am_reason told_reason(const struct told *told, const struct told_now *now, bool send_resolved,
                           int64_t now_ns, int64_t repeat_interval_ns)
{
    if (told == NULL)
        return now->firing_count > 0 ? AM_REASON_FIRST : AM_REASON_NONE;
    if (!contains_all(told->firing, told->firing_count, now->firing, now->firing_count))
        return told->firing_count == 0 ? AM_REASON_FIRST : AM_REASON_NEW_ALERTS;
    if (now->firing_count == 0)
        return told->firing_count > 0 ? AM_REASON_ALL_RESOLVED : AM_REASON_NONE;
    if (send_resolved &&
        !contains_all(told->resolved, told->resolved_count, now->resolved, now->resolved_count))
        return AM_REASON_SOME_RESOLVED;
    return now_ns - told->told_ns > repeat_interval_ns ? AM_REASON_REPEAT : AM_REASON_NONE;
}

static uint64_t *copy_sorted(const uint64_t *hashes, size_t count)
{
    uint64_t *copy = tc_alloc((count + 1) * sizeof(uint64_t));
    if (count > 0)
        memcpy(copy, hashes, count * sizeof(uint64_t));
    qsort(copy, count, sizeof(uint64_t), compare_hashes);
    return copy;
}

static char *copy_bytes(struct sv bytes)
{
    if (bytes.n == 0)
        return NULL;
    char *copy = tc_alloc(bytes.n);
    memcpy(copy, bytes.p, bytes.n);
    return copy;
}

struct sv told_remembered(const struct told *told)
{
    return told == NULL ? SV("") : sv_make(told->remembered, told->remembered_bytes);
}

void told_keep(struct told_log *log, struct sv name, const struct told_now *now, struct sv remember,
               int64_t now_ns)
{
    bool is_new;
    uint64_t *slot = map_put(&log->entries, name, &is_new);
    if (slot == NULL)
        return; /* past the bound: it may be told twice, but not lost */
    struct told *told = tc_alloc(sizeof *told);
    *told = (struct told){.told_ns = now_ns,
                          .expires_ns = INT64_MAX,
                          .firing_count = now->firing_count,
                          .resolved_count = now->resolved_count,
                          .firing = copy_sorted(now->firing, now->firing_count),
                          .resolved = copy_sorted(now->resolved, now->resolved_count),
                          .remembered = copy_bytes(remember),
                          .remembered_bytes = remember.n};
    if (!is_new) /* after the copies: what is remembered may be its own */
        free_entry((struct told *)(uintptr_t)*slot);
    *slot = (uintptr_t)told;
}

void told_seen(struct told_log *log, struct sv name, int64_t now_ns, int64_t keep_ns)
{
    struct told *told = told_find(log, name);
    if (told != NULL)
        told->expires_ns = now_ns > INT64_MAX - keep_ns ? INT64_MAX : now_ns + keep_ns;
}

void told_expire(struct told_log *log, int64_t now_ns)
{
    struct map_entry *entry;
    if (now_ns < log->expire_next_ns)
        return;
    log->expire_next_ns = now_ns + 60 * TC_SECOND_NS;
    for (size_t i = 0; map_next(&log->entries, &i, &entry);) {
        struct told *told = (struct told *)(uintptr_t)entry->value;
        if (told->expires_ns >= now_ns)
            continue;
        (void)map_remove(&log->entries, entry->key);
        free_entry(told);
    }
}

void told_write(const struct told *told, struct buf *out)
{
    buf_u64(out, (uint64_t)told->told_ns);
    buf_u32(out, (uint32_t)told->firing_count);
    for (size_t i = 0; i < told->firing_count; i++)
        buf_u64(out, told->firing[i]);
    buf_u32(out, (uint32_t)told->resolved_count);
    for (size_t i = 0; i < told->resolved_count; i++)
        buf_u64(out, told->resolved[i]);
    buf_sv(out, told_remembered(told)); /* the rest */
}

static bool read_hashes(struct reader *reader, uint64_t **ret, size_t *ret_count)
{
    uint32_t count = reader_u32(reader);
    if (reader->bad || (uint64_t)count * sizeof(uint64_t) > reader->rest.n)
        return false;
    *ret = tc_alloc((count + 1) * sizeof(uint64_t));
    *ret_count = count;
    for (uint32_t i = 0; i < count; i++)
        (*ret)[i] = reader_u64(reader);
    return !reader->bad;
}

bool told_read(struct told_log *log, struct sv name, struct sv bytes, int64_t expires_ns)
{
    struct reader reader = reader_of(bytes);
    struct told_now now = {0};
    int64_t told_ns = (int64_t)reader_u64(&reader);
    bool good = read_hashes(&reader, &now.firing, &now.firing_count) &&
                read_hashes(&reader, &now.resolved, &now.resolved_count);
    if (good) {
        told_keep(log, name, &now, reader.rest, told_ns);
        struct told *told = told_find(log, name);
        if (told != NULL)
            told->expires_ns = expires_ns;
    }
    free(now.firing);
    free(now.resolved);
    return good;
}
