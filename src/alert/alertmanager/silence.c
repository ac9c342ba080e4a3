/*
 * Silences; see silence.h.
 */
#include "alert/alertmanager/silence.h"

#include "base/clk.h"
#include "base/map.h"
#include "base/utf8.h"
#include "template/go_format.h"

#include <stdio.h>
#include <stdlib.h>

enum { SILENCES_MAX = 100000, SILENCE_BYTES_MAX = 1 << 20 };

struct am_silences {
    enum am_matcher_mode mode;
    size_t max;
    const struct rng *rng;
    struct am_silence_record **items;
    size_t count, capacity;
    struct map by_id; /* -> address */
    struct am_silence *flat;
};

const char *am_silence_state_text(enum am_silence_state state)
{
    static const char *const words[] = {"active", "pending", "expired"};
    return words[state];
}

enum am_silence_state am_silence_state_at(const struct am_silence *silence, int64_t now_ns)
{
    return now_ns < silence->starts_at_ns ? AM_SILENCE_PENDING
           : now_ns < silence->ends_at_ns ? AM_SILENCE_ACTIVE
                                          : AM_SILENCE_EXPIRED;
}

struct am_silences *am_silences_new(enum am_matcher_mode mode, size_t max, const struct rng *rng)
{
    struct am_silences *s = tc_alloc(sizeof *s);
    s->mode = mode;
    s->max = max == 0 || max > SILENCES_MAX ? SILENCES_MAX : max;
    s->rng = rng;
    map_init(&s->by_id, SILENCES_MAX + 1);
    return s;
}

static void free_record(struct am_silence_record *record)
{
    am_pool_free(&record->pool);
    free(record);
}

void am_silences_free(struct am_silences *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        free_record(s->items[i]);
    map_free(&s->by_id);
    free(s->items);
    free(s->flat);
    free(s);
}

static struct am_silence_record *find(const struct am_silences *s, struct sv id)
{
    const uint64_t *found = map_get(&s->by_id, id);
    return found == NULL ? NULL : (struct am_silence_record *)(uintptr_t)*found;
}

const struct am_silence_record *am_silences_find(const struct am_silences *s, struct sv id)
{
    return find(s, id);
}

const struct am_silence_record *const *am_silences_all(const struct am_silences *s, size_t *ret_count)
{
    *ret_count = s->count;
    return (const struct am_silence_record *const *)s->items;
}

const struct am_silence *am_silences_flat(struct am_silences *s, size_t *ret_count)
{
    s->flat = tc_realloc(s->flat, (s->count + 1) * sizeof *s->flat);
    for (size_t i = 0; i < s->count; i++)
        s->flat[i] = s->items[i]->silence;
    *ret_count = s->count;
    return s->flat;
}

/* --- making one --- */

static bool matches_empty(const struct am_matcher *m)
{
    return (m->type == AM_EQUAL || m->type == AM_REGEXP) && am_matcher_matches(m, SV(""));
}

static int refuse_matcher(struct err *err, size_t index, const char *what, struct sv text, const char *why)
{
    struct buf quoted;
    buf_init(&quoted, 600);
    go_quote(&quoted, sv_head(text, 100));
    int rc = err_set(err, TC_EINPUT, "invalid silence: invalid label matcher %zu in set 0: %s %.*s%s%s",
                     index, what, SV_FMT(buf_view(&quoted)), why[0] != '\0' ? ": " : "", why);
    buf_free(&quoted);
    return rc;
}

static int make_matchers(const struct am_silences *s, const struct am_silence_draft *draft,
                         struct am_silence_record *record, struct err *err)
{
    struct am_matchers *made = &record->silence.matchers;
    bool all_empty = true;
    if (draft->matcher_count == 0)
        return err_set(err, TC_EINPUT, "invalid silence: matcher set 0 is empty");
    made->items = ARENA_ARRAY(&record->pool.arena, struct am_matcher, draft->matcher_count);
    for (size_t i = 0; i < draft->matcher_count; i++) {
        const struct am_matcher *m = &draft->matchers[i];
        struct err why = {0};
        if (!am_label_name_valid(s->mode, m->name))
            return refuse_matcher(err, i, "invalid label name", m->name, "");
        if (utf8_valid(m->value) != m->value.n)
            return refuse_matcher(err, i, "invalid label value", m->value, "");
        if (am_matcher_make(&record->pool, m->type, m->name, m->value, &made->items[i], &why) != 0)
            return refuse_matcher(err, i, "invalid regular expression", m->value, why.text);
        made->count++;
        all_empty = all_empty && matches_empty(&made->items[i]);
    }
    return all_empty
               ? err_set(err, TC_EINPUT,
                         "invalid silence: matcher set 0: at least one matcher must not match the empty "
                         "string")
               : 0;
}

static int make_record(const struct am_silences *s, const struct am_silence_draft *draft,
                       struct am_silence_record **ret, struct err *err)
{
    struct am_silence_record *record = tc_alloc(sizeof *record);
    struct arena *arena = &record->pool.arena;
    int rc = make_matchers(s, draft, record, err);
    if (rc == 0 && draft->ends_at_ns < draft->starts_at_ns)
        rc = err_set(err, TC_EINPUT, "invalid silence: end time must not be before start time");
    if (rc != 0) {
        free_record(record);
        return rc;
    }
    struct am_label *annotations = ARENA_ARRAY(arena, struct am_label, draft->annotations.count + 1);
    for (size_t i = 0; i < draft->annotations.count; i++)
        annotations[i] = (struct am_label){arena_sv(arena, draft->annotations.items[i].name),
                                           arena_sv(arena, draft->annotations.items[i].value)};
    record->annotations = (struct am_labels){annotations, draft->annotations.count};
    record->silence.starts_at_ns = draft->starts_at_ns;
    record->silence.ends_at_ns = draft->ends_at_ns;
    record->created_by = arena_sv(arena, draft->created_by);
    record->comment = arena_sv(arena, draft->comment);
    *ret = record;
    return 0;
}

static void name_record(struct am_silence_record *record, struct sv id)
{
    snprintf(record->id, sizeof record->id, "%.*s", SV_FMT(id));
    record->silence.id = sv_of(record->id);
}

/* RFC 9562, version 4. */
static void new_id(const struct rng *rng, char ret[AM_SILENCE_ID_BYTES])
{
    uint8_t b[16];
    rng_fill(rng, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(ret, AM_SILENCE_ID_BYTES, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

/* Puts the record in, in place of one of its id. */
static void put(struct am_silences *s, struct am_silence_record *record)
{
    bool is_new;
    uint64_t *slot = map_put(&s->by_id, record->silence.id, &is_new);
    tc_assert(slot != NULL); /* the callers have counted */
    for (size_t i = 0; !is_new && i < s->count; i++)
        if (s->items[i] == (struct am_silence_record *)(uintptr_t)*slot) {
            free_record(s->items[i]);
            s->items[i] = record;
        }
    *slot = (uintptr_t)record;
    if (!is_new)
        return;
    if (s->count == s->capacity) {
        s->capacity = TC_MAX(16, s->capacity * 2);
        s->items = tc_realloc(s->items, s->capacity * sizeof *s->items);
    }
    s->items[s->count++] = record;
}

static bool same_matchers(struct am_matchers a, struct am_matchers b)
{
    bool same = a.count == b.count;
    for (size_t i = 0; same && i < a.count; i++)
        same = a.items[i].type == b.items[i].type && sv_eq(a.items[i].name, b.items[i].name) &&
               sv_eq(a.items[i].value, b.items[i].value);
    return same;
}

/* Would the change leave history as it was? */
static bool can_update(const struct am_silence *was, const struct am_silence *next, int64_t now_ns)
{
    if (!same_matchers(was->matchers, next->matchers))
        return false;
    switch (am_silence_state_at(was, now_ns)) {
    case AM_SILENCE_ACTIVE:
        return was->starts_at_ns / TC_SECOND_NS == next->starts_at_ns / TC_SECOND_NS &&
               next->ends_at_ns >= now_ns;
    case AM_SILENCE_PENDING:
        return next->starts_at_ns >= now_ns;
    case AM_SILENCE_EXPIRED:
        break;
    }
    return false;
}

static void expire(struct am_silence_record *record, int64_t now_ns)
{
    enum am_silence_state state = am_silence_state_at(&record->silence, now_ns);
    if (state == AM_SILENCE_EXPIRED)
        return;
    if (state == AM_SILENCE_PENDING)
        record->silence.starts_at_ns = now_ns;
    record->silence.ends_at_ns = now_ns;
    record->updated_at_ns = now_ns;
    record->changed = true;
}

int am_silences_set(struct am_silences *s, const struct am_silence_draft *draft, int64_t now_ns,
                    char ret_id[AM_SILENCE_ID_BYTES], struct err *err)
{
    struct am_silence_record *record = NULL, *was = NULL;
    int rc = make_record(s, draft, &record, err);
    if (rc != 0)
        return rc;
    was = draft->id.n == 0 ? NULL : find(s, draft->id);
    if (draft->id.n != 0 && was == NULL)
        rc = err_set(err, TC_ENOTFOUND, "silence not found");
    bool update = was != NULL && can_update(&was->silence, &record->silence, now_ns);
    if (rc == 0 && !update && s->count >= s->max)
        rc = err_set(err, TC_EBOUND, "exceeded maximum number of silences: %zu (limit: %zu)", s->count,
                     s->max);
    if (rc != 0) {
        free_record(record);
        return rc;
    }
    if (update) {
        name_record(record, was->silence.id);
    } else {
        char id[AM_SILENCE_ID_BYTES];
        new_id(s->rng, id);
        name_record(record, sv_of(id));
        record->silence.starts_at_ns = TC_MAX(record->silence.starts_at_ns, now_ns);
        if (was != NULL)
            expire(was, now_ns);
    }
    record->updated_at_ns = now_ns;
    record->changed = true;
    snprintf(ret_id, AM_SILENCE_ID_BYTES, "%s", record->id);
    put(s, record);
    return 0;
}

int am_silences_expire(struct am_silences *s, struct sv id, int64_t now_ns, struct err *err)
{
    struct am_silence_record *record = find(s, id);
    if (record == NULL)
        return err_set(err, TC_ENOTFOUND, "silence not found");
    expire(record, now_ns);
    return 0;
}

void am_silences_forget(struct am_silences *s, int64_t ended_before_ns)
{
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct am_silence_record *record = s->items[i];
        if (record->silence.ends_at_ns >= ended_before_ns) {
            s->items[left++] = record;
            continue;
        }
        (void)map_remove(&s->by_id, record->silence.id);
        free_record(record);
    }
    s->count = left;
}

/* --- kept --- */

static void write_labels(struct am_labels labels, struct buf *out)
{
    buf_u32(out, (uint32_t)labels.count);
    for (size_t i = 0; i < labels.count; i++) {
        buf_string(out, labels.items[i].name);
        buf_string(out, labels.items[i].value);
    }
}

void am_silence_write(const struct am_silence_record *record, struct buf *out)
{
    const struct am_silence *silence = &record->silence;
    buf_string(out, silence->id);
    buf_u64(out, (uint64_t)silence->starts_at_ns);
    buf_u64(out, (uint64_t)silence->ends_at_ns);
    buf_u64(out, (uint64_t)record->updated_at_ns);
    buf_string(out, record->created_by);
    buf_string(out, record->comment);
    write_labels(record->annotations, out);
    buf_u32(out, (uint32_t)silence->matchers.count);
    for (size_t i = 0; i < silence->matchers.count; i++) {
        buf_u8(out, (uint8_t)silence->matchers.items[i].type);
        buf_string(out, silence->matchers.items[i].name);
        buf_string(out, silence->matchers.items[i].value);
    }
}

bool am_silence_load(struct am_silences *s, struct sv bytes)
{
    struct reader r = reader_of(bytes);
    struct arena arena = {0};
    struct am_silence_draft draft = {.id = reader_string(&r)};
    struct am_silence_record *record = NULL;
    draft.starts_at_ns = (int64_t)reader_u64(&r);
    draft.ends_at_ns = (int64_t)reader_u64(&r);
    int64_t updated_ns = (int64_t)reader_u64(&r);
    draft.created_by = reader_string(&r);
    draft.comment = reader_string(&r);
    uint32_t count = reader_u32(&r);
    bool good = !r.bad && count <= r.rest.n;
    struct am_label *labels = good ? ARENA_ARRAY(&arena, struct am_label, count + 1) : NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        labels[i].name = reader_string(&r);
        labels[i].value = reader_string(&r);
    }
    draft.annotations = (struct am_labels){labels, good ? count : 0};
    uint32_t matcher_count = reader_u32(&r);
    good = good && !r.bad && matcher_count <= r.rest.n;
    struct am_matcher *matchers = good ? ARENA_ARRAY(&arena, struct am_matcher, matcher_count + 1) : NULL;
    for (uint32_t i = 0; good && i < matcher_count; i++) {
        uint8_t type = reader_u8(&r);
        good = type <= AM_NOT_REGEXP;
        matchers[i].type = (enum am_match_type)type;
        matchers[i].name = reader_string(&r);
        matchers[i].value = reader_string(&r);
    }
    draft.matchers = matchers;
    draft.matcher_count = matcher_count;
    good = good && !r.bad && r.rest.n == 0 && draft.id.n == AM_SILENCE_ID_BYTES - 1 &&
           (s->count < SILENCES_MAX || find(s, draft.id) != NULL) &&
           make_record(s, &draft, &record, NULL) == 0;
    if (good) {
        name_record(record, draft.id);
        record->updated_at_ns = updated_ns;
        put(s, record);
    }
    arena_free(&arena);
    return good;
}

void am_silences_changed(struct am_silences *s,
                         void (*each)(void *context, const struct am_silence_record *record), void *context)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i]->changed) {
            each(context, s->items[i]);
            s->items[i]->changed = false;
        }
}
