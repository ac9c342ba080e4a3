/*
 * Silences: what they are, when they hold, whom they match; see silence.h. book_silence.c has what follows.
 */
#include "alert/silence.h"

#include "alert/alert_priv.h"
#include "base/json_out.h"

#include <stdlib.h>

#define DAY_NS (24 * INT64_C(3600) * TC_SECOND_NS)

/* --- making */

/* "mon-fri 22:00-06:00 Europe/Berlin"; the zone may be left out (UTC). */
static int read_every(struct silence *s, struct err *err)
{
    struct sv rest = s->every_text, days = sv_cut(&rest, ' '), hours = sv_cut(&rest, ' ');
    struct sv from = sv_cut(&hours, '-');
    if (!oncall_days_read(days, &s->hours.days) || !oncall_time_read(from, &s->hours.from_s) ||
        !oncall_time_read(hours, &s->hours.to_s))
        return err_set(
            err, TC_EINPUT,
            "\"every\" is days, hours and a time zone, such as \"mon-fri 22:00-06:00 Europe/Berlin\"");
    s->recurs = true;
    return zone_get(sv_trim(rest), &s->zone, err);
}

static int read_matchers(struct silence *s, struct err *err)
{
    const char *warning;
    int rc = am_matchers_parse(&s->pool, AM_MATCHERS_FALLBACK, s->matchers_text, &s->matchers, &warning, err);
    if (rc != 0)
        return err_while(err, "the silence's matchers");
    if (am_matchers_match(s->matchers, (struct am_labels){0}))
        return err_set(
            err, TC_EINPUT,
            "these matchers match every alert: name what is to be silent, such as alertname=\"X\"");
    return 0;
}

static int read_end(struct silence *s, struct sv until, int64_t now_ns, struct err *err)
{
    int64_t most_ns = book_add_ns(now_ns, (s->recurs ? 366 : 30) * DAY_NS), ns;
    if (clk_parse_rfc3339(until, 0, &ns))
        s->to_ns = ns;
    else if (until.n > 0 && clk_parse_duration(until, &ns, NULL) == 0)
        s->to_ns = book_add_ns(now_ns, ns);
    else if (until.n == 0 && s->until_resolved)
        s->to_ns = most_ns;
    else
        return err_set(err, TC_EINPUT, "\"until\" is needed: a time (RFC 3339) or a duration (4h)");
    if (s->to_ns <= now_ns || s->to_ns > most_ns)
        return err_set(err, TC_EINPUT, "a silence ends ahead, within %d days", s->recurs ? 366 : 30);
    return 0;
}

int silence_make(const struct alert_command *command, int64_t now_ns, struct silence **ret, struct err *err)
{
    struct silence *s = *ret = tc_alloc(sizeof *s);
    struct arena *arena = &s->pool.arena;
    s->matchers_text = arena_sv(arena, sv_trim(command->what));
    s->every_text = arena_sv(arena, text_line(arena, sv_trim(command->every), 256));
    s->comment = text_clean(arena, arena_sv(arena, sv_trim(command->note)), ALERT_NOTE_MAX);
    s->by = text_line(arena, arena_sv(arena, sv_trim(command->by)), ALERT_BY_MAX);
    s->until_resolved = sv_is(command->disposition, "until_resolved");
    s->from_ns = now_ns;
    int rc = s->comment.n > 0 ? 0 : err_set(err, TC_EINPUT, "\"note\" is needed: why it is silent");
    if (rc == 0 && s->matchers_text.n > ALERT_NOTE_MAX)
        rc = err_set(err, TC_EINPUT, "the matchers are longer than %d bytes", ALERT_NOTE_MAX);
    if (rc == 0)
        rc = read_matchers(s, err);
    if (rc == 0 && s->every_text.n > 0)
        rc = read_every(s, err);
    if (rc == 0)
        rc = read_end(s, sv_trim(command->until), now_ns, err);
    if (rc != 0)
        silence_free(ret);
    return rc;
}

/* --- the list */

void silence_free(struct silence **silence)
{
    struct silence *old = *silence;
    *silence = NULL;
    if (old == NULL)
        return;
    am_pool_free(&old->pool);
    free(old);
}

void silences_free(struct silences *all)
{
    for (size_t i = 0; i < all->count; i++)
        silence_free(&all->items[i]);
    free(all->items);
    *all = (struct silences){0};
}

void silences_add(struct silences *all, struct silence *silence)
{
    all->items = tc_realloc(all->items, (all->count + 1) * sizeof(struct silence *));
    all->items[all->count++] = silence;
}

struct silence *silences_find(const struct silences *all, uint64_t number)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i]->number == number)
            return all->items[i];
    return NULL;
}

void silences_forget(struct silences *all, int64_t ended_before_ns)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i]->to_ns < ended_before_ns)
            silence_free(&all->items[i]);
        else
            all->items[kept++] = all->items[i];
    all->count = kept;
}

/* --- holding and matching */

bool silence_active(const struct silence *s, int64_t now_ns)
{
    return now_ns >= s->from_ns && now_ns < s->to_ns &&
           (!s->recurs || oncall_hours_hold(&s->hours, s->zone, now_ns));
}

bool silence_matches(const struct silence *s, const struct alert *alert)
{
    struct am_label labels[ALERT_LABELS_MAX];
    size_t count = TC_MIN(alert->label_count, (size_t)ALERT_LABELS_MAX);
    for (size_t i = 0; i < count; i++)
        labels[i] = (struct am_label){alert->labels[i].name, alert->labels[i].value};
    return am_matchers_match(s->matchers, (struct am_labels){labels, count});
}

uint32_t silences_hide(const struct silences *all, const struct alert *alert, int64_t now_ns)
{
    for (size_t i = 0; i < all->count; i++)
        if (silence_active(all->items[i], now_ns) && silence_matches(all->items[i], alert))
            return all->items[i]->number;
    return 0;
}

int64_t silences_edge_ns(const struct silences *all, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    for (size_t i = 0; i < all->count; i++) {
        const struct silence *s = all->items[i];
        if (s->to_ns <= now_ns)
            continue;
        next_ns = TC_MIN(next_ns, s->to_ns);
        if (s->recurs)
            next_ns = TC_MIN(next_ns, oncall_hours_edge_ns(&s->hours, s->zone, now_ns));
    }
    return next_ns;
}

/* --- out, and the checkpoint */

void silence_to_json(const struct silence *s, int64_t now_ns, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_u64(&json, "number", s->number);
    json_kv_string(&json, "matchers", s->matchers_text);
    json_kv_time(&json, "from", s->from_ns);
    json_kv_time(&json, "to", s->to_ns);
    json_kv_string(&json, "every", s->every_text);
    json_kv_bool(&json, "until_resolved", s->until_resolved);
    json_kv_string(&json, "comment", s->comment);
    json_kv_string(&json, "by", s->by);
    json_kv_str(&json, "state",
                now_ns >= s->to_ns          ? "ended"
                : silence_active(s, now_ns) ? "active"
                                            : "waiting");
    json_object_end(&json);
}

void silences_save(const struct silences *all, struct buf *out)
{
    buf_u32(out, all->next_number);
    buf_u32(out, (uint32_t)all->count);
    for (size_t i = 0; i < all->count; i++) {
        const struct silence *s = all->items[i];
        buf_u32(out, s->number);
        buf_string(out, s->matchers_text);
        buf_string(out, s->every_text);
        buf_string(out, s->comment);
        buf_string(out, s->by);
        buf_u64(out, (uint64_t)s->from_ns);
        buf_u64(out, (uint64_t)s->to_ns);
        buf_u8(out, (uint8_t)((s->until_resolved ? 1 : 0) | (s->has_hidden ? 2 : 0)));
    }
}

static bool load_one(struct reader *r, struct silence *s)
{
    struct arena *arena = &s->pool.arena;
    s->number = reader_u32(r);
    s->matchers_text = arena_sv(arena, reader_string(r));
    s->every_text = arena_sv(arena, reader_string(r));
    s->comment = arena_sv(arena, reader_string(r));
    s->by = arena_sv(arena, reader_string(r));
    s->from_ns = (int64_t)reader_u64(r);
    s->to_ns = (int64_t)reader_u64(r);
    uint8_t flags = reader_u8(r);
    s->until_resolved = (flags & 1) != 0;
    s->has_hidden = (flags & 2) != 0;
    return !r->bad && flags <= 3 && s->matchers_text.n <= ALERT_NOTE_MAX && read_matchers(s, NULL) == 0 &&
           (s->every_text.n == 0 || read_every(s, NULL) == 0);
}

bool silences_load(struct silences *all, struct reader *r)
{
    silences_free(all);
    all->next_number = reader_u32(r);
    uint32_t count = reader_u32(r);
    bool good = !r->bad && count <= SILENCES_MAX;
    for (uint32_t i = 0; i < count && good; i++) {
        struct silence *s = tc_alloc(sizeof *s);
        silences_add(all, s);
        good = load_one(r, s);
    }
    return good;
}
