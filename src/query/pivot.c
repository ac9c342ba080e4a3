/*
 * From an alert to the records behind it, and back; see pivot.h.
 *
 * Decisions stand behind what they come from, in order, and each frame of them says how far into the input
 * the fold had come: so the alerts of a record are known at the first frame that has come past it.
 */
#include "query/pivot.h"

#include "event/json.h"
#include "query/record_out.h"

#include <stdlib.h>

enum { REOPEN_DISTANCE = 100 * 1000 }; /* records that are read over rather than looked up */

/* --- walking ---------------------------------------------------------------------------------------------
 */

/* 0: go on; 1: enough; negative: an error. */
typedef int (*record_fn)(void *context, const struct event *record, struct err *err);
typedef int (*frame_fn)(void *context, const struct journal_frame *frame, struct err *err);

struct walk {
    uint64_t from;     /* position */
    struct sv literal; /* records without it are of no use; n == 0: all are */
    record_fn each;
    frame_fn behind; /* told after a frame's records; NULL: nobody */
    void *context;
};

static int walk_frame(const struct walk *w, const struct journal_frame *frame, struct err *err)
{
    struct sv rest = frame->blocks;
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < frame->count; i++) {
        size_t length = record_length(rest);
        struct event record;
        if (length == 0)
            return err_set(err, TC_ECORRUPT, "a frame at position %llu holds fewer records than it says",
                           (unsigned long long)frame->first);
        rc = record_decode_envelope(sv_head(rest, length), &record, err);
        rest = sv_from(rest, length);
        record.position = frame->first + i;
        if (rc == 0 && record.position >= w->from)
            rc = w->each(w->context, &record, err);
    }
    return rc == 0 && w->behind != NULL ? w->behind(w->context, frame, err) : rc;
}

/* 0 also where somebody had enough. */
static int walk(const struct query_source *source, const struct walk *w, struct err *err)
{
    struct journal_want want = {.from_ns = INT64_MIN, .to_ns = INT64_MAX, .literal = w->literal};
    struct journal_reader *reader;
    struct journal_frame frame;
    int rc = journal_reader_open_for(source->fs, source->dir, w->from, source->limit_to, &want, &reader, err);
    if (rc != 0)
        return rc;
    bool more = true;
    while (more && (rc = journal_reader_next(reader, &frame, err)) > 0) {
        if (source->stop != NULL && source->stop(source->context))
            rc = err_set(err, TC_ESTATE, "the search was stopped");
        else
            rc = walk_frame(w, &frame, err);
        more = rc == 0;
    }
    journal_reader_close(&reader);
    return rc < 0 ? rc : 0;
}

/* --- what a record says of alerts ------------------------------------------------------------------------
 */

struct saying {
    struct sv alert_id, rule_id, title; /* alert_id.n == 0: nothing */
};

/* Of a finding, or of a decision that something was found: created, counted, raised. Texts in `arena`. */
static struct saying read_saying(const struct event *record, struct arena *arena)
{
    struct event e = {.time = {TC_NO_TIME}};
    bool finding = record->type == REC_FINDING;
    if ((!finding && record->type != REC_DECISION) || json_parse_event(record->raw, arena, &e, NULL) != 0)
        return (struct saying){0};
    event_index(&e, arena);
    if (finding)
        return (struct saying){event_value(&e, "alert"), event_value(&e, "rule.id"),
                               event_value(&e, "rule.title")};
    struct sv what = event_value(&e, "what");
    if (!sv_is(what, "created") && !sv_is(what, "count") && !sv_is(what, "severity"))
        return (struct saying){0};
    return (struct saying){event_value(&e, "alert.id"), event_value(&e, "alert.rule_id"),
                           event_value(&e, "alert.title")};
}

/* --- the records behind an alert -------------------------------------------------------------------------
 */

struct link {
    uint64_t position;
    bool found; /* by a finding; else only a decision came from it, so that it may be a tick */
    struct sv rule_id;
};

struct links {
    struct sv alert_id;
    size_t limit, count, capacity;
    struct link *items; /* rising by position, each once */
    bool truncated;
    struct arena texts, scratch;
};

static int add_link(struct links *l, uint64_t position, const struct saying *said, bool found)
{
    size_t at = l->count;
    while (at > 0 && l->items[at - 1].position > position) /* nearly always none */
        at--;
    if (at > 0 && l->items[at - 1].position == position) {
        l->items[at - 1].found |= found;
        return 0;
    }
    if (l->count == l->limit) {
        l->truncated = true;
        return 1;
    }
    if (l->count == l->capacity) {
        l->capacity = TC_MAX((size_t)64, 2 * l->capacity);
        l->items = tc_realloc(l->items, l->capacity * sizeof l->items[0]);
    }
    memmove(&l->items[at + 1], &l->items[at], (l->count - at) * sizeof l->items[0]);
    l->items[at] = (struct link){position, found, arena_sv(&l->texts, said->rule_id)};
    l->count++;
    return 0;
}

static int take_link(void *context, const struct event *record, struct err *err)
{
    struct links *l = context;
    (void)err;
    if ((record->type != REC_FINDING && record->type != REC_DECISION) ||
        sv_find(record->raw, l->alert_id) >= record->raw.n)
        return 0;
    struct saying said = read_saying(record, &l->scratch);
    int rc = sv_eq(said.alert_id, l->alert_id)
                 ? add_link(l, record->source_position, &said, record->type == REC_FINDING)
                 : 0;
    arena_reset(&l->scratch);
    return rc;
}

struct showing {
    const struct links *links;
    size_t at; /* the link that comes next */
    struct json_out json;
};

static void show_dropped(struct showing *s)
{
    json_object(&s->json);
    json_kv_u64(&s->json, "position", s->links->items[s->at++].position);
    json_kv_bool(&s->json, "dropped", true);
    json_object_end(&s->json);
}

static int show_link(void *context, const struct event *record, struct err *err)
{
    struct showing *s = context;
    (void)err;
    while (s->at < s->links->count && s->links->items[s->at].position < record->position)
        show_dropped(s);
    if (s->at == s->links->count)
        return 1;
    const struct link *link = &s->links->items[s->at];
    if (link->position > record->position) /* far ahead: it is looked up */
        return link->position - record->position > REOPEN_DISTANCE;
    s->at++;
    bool behind_it = link->found || record->type == REC_EVENT || record->type == REC_METRIC;
    if (!behind_it || record_out_type(record->type) == NULL || record->class >= CLASS_COUNT)
        return 0;
    json_object(&s->json);
    record_out_members(&s->json, record);
    json_kv_string(&s->json, "rule_id", link->rule_id);
    json_object_end(&s->json);
    return 0;
}

static int show_links(const struct query_source *source, struct showing *s, struct err *err)
{
    int rc = 0;
    while (rc == 0 && s->at < s->links->count) {
        size_t before = s->at;
        const struct walk w = {.from = s->links->items[s->at].position, .each = show_link, .context = s};
        rc = walk(source, &w, err);
        if (rc == 0 && s->at == before) /* neither it nor anything behind it is there */
            show_dropped(s);
    }
    return rc;
}

static bool is_id(struct sv text)
{
    bool good = text.n == PIVOT_ID_BYTES;
    for (size_t i = 0; good && i < text.n; i++)
        good = (text.p[i] >= '0' && text.p[i] <= '9') || (text.p[i] >= 'a' && text.p[i] <= 'f');
    return good;
}

int pivot_alert_events(const struct query_source *source, struct sv alert_id, size_t limit, struct buf *out,
                       struct err *err)
{
    if (!is_id(alert_id))
        return err_set(err, TC_EINPUT, "an alert's whole id is %d hexadecimal digits", PIVOT_ID_BYTES);
    struct links links = {.alert_id = alert_id, .limit = TC_MIN(limit, (size_t)PIVOT_LIMIT_MAX)};
    const struct walk w = {.literal = alert_id, .each = take_link, .context = &links};
    struct showing s = {.links = &links, .json = json_out_to(out)};
    int rc = walk(source, &w, err);
    json_object(&s.json);
    json_kv_string(&s.json, "alert", alert_id);
    json_key(&s.json, SV("events"));
    json_array(&s.json);
    if (rc == 0)
        rc = show_links(source, &s, err);
    json_array_end(&s.json);
    json_kv_bool(&s.json, "truncated", links.truncated);
    json_object_end(&s.json);
    free(links.items);
    arena_free(&links.texts);
    arena_free(&links.scratch);
    return rc;
}

/* --- the alerts of a record ------------------------------------------------------------------------------
 */

enum { ALERTS_MAX = 1000 }; /* of one record: as many rules would have to find it */

struct alerts {
    uint64_t position;
    bool seen;
    struct json_out json;
    struct sv ids[ALERTS_MAX];
    size_t count;
    struct arena texts, scratch;
};

static void add_alert(struct alerts *a, const struct saying *said)
{
    for (size_t i = 0; i < a->count; i++)
        if (sv_eq(a->ids[i], said->alert_id))
            return;
    if (a->count == ALERTS_MAX)
        return;
    a->ids[a->count++] = arena_sv(&a->texts, said->alert_id);
    json_object(&a->json);
    json_kv_string(&a->json, "id", said->alert_id);
    json_kv_string(&a->json, "rule_id", said->rule_id);
    json_kv_string(&a->json, "title", said->title);
    json_object_end(&a->json);
}

static int take_alert(void *context, const struct event *record, struct err *err)
{
    struct alerts *a = context;
    if (!a->seen) { /* the first that comes: the one that was asked for, or it is not there */
        a->seen = record->position == a->position && record_out_type(record->type) != NULL &&
                  record->class < CLASS_COUNT;
        if (!a->seen)
            return err_set(err, TC_ENOTFOUND, "no record has position %llu, or retention has dropped it",
                           (unsigned long long)a->position);
        json_object(&a->json);
        record_out_members(&a->json, record);
        json_key(&a->json, SV("alerts"));
        json_array(&a->json);
        return 0;
    }
    if (record->source_position != a->position)
        return 0;
    struct saying said = read_saying(record, &a->scratch);
    if (said.alert_id.n > 0)
        add_alert(a, &said);
    arena_reset(&a->scratch);
    return 0;
}

static int judged(void *context, const struct journal_frame *frame, struct err *err)
{
    const struct alerts *a = context;
    (void)err;
    return frame->kind == BATCH_DECISION && frame->consumed >= a->position;
}

int pivot_event_alerts(const struct query_source *source, uint64_t position, struct buf *out, struct err *err)
{
    struct alerts *a = tc_alloc(sizeof *a);
    *a = (struct alerts){.position = position, .json = json_out_to(out)};
    const struct walk w = {.from = position, .each = take_alert, .behind = judged, .context = a};
    int rc = walk(source, &w, err);
    if (rc == 0 && !a->seen)
        rc = err_set(err, TC_ENOTFOUND, "no record has position %llu", (unsigned long long)position);
    if (rc == 0) {
        json_array_end(&a->json);
        json_object_end(&a->json);
    }
    arena_free(&a->texts);
    arena_free(&a->scratch);
    free(a);
    return rc;
}
