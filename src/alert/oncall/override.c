/*
 * Overrides: somebody takes a shift, for a time; see oncall.h.
 */
#include "alert/oncall/oncall.h"

#include "alert/alert_priv.h"
#include "base/json_out.h"
#include "base/num.h"

#include <stdlib.h>

#define YEAR_NS (366 * 24 * INT64_C(3600) * TC_SECOND_NS)

static struct sv copy(struct sv text)
{
    struct sv head = sv_head(text, ALERT_TEXT_MAX);
    char *bytes = tc_alloc(head.n + 1);
    if (head.n > 0)
        memcpy(bytes, head.p, head.n);
    return sv_make(bytes, head.n);
}

static void drop(struct oncall_overrides *all, size_t at)
{
    struct oncall_override *o = &all->items[at];
    const struct sv texts[] = {o->schedule, o->person, o->by, o->note};
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++)
        free((char *)(uintptr_t)texts[i].p);
    all->count--;
    memmove(o, o + 1, (all->count - at) * sizeof *o);
}

static void append(struct oncall_overrides *all, const struct oncall_override *fresh)
{
    all->items = tc_realloc(all->items, (all->count + 1) * sizeof all->items[0]);
    struct oncall_override *o = &all->items[all->count++];
    *o = *fresh;
    o->schedule = copy(fresh->schedule);
    o->person = copy(fresh->person);
    o->by = copy(fresh->by);
    o->note = copy(fresh->note);
}

void oncall_overrides_free(struct oncall_overrides *all)
{
    while (all->count > 0)
        drop(all, all->count - 1);
    free(all->items);
    *all = (struct oncall_overrides){0};
}

void oncall_override_json(const struct oncall_override *o, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_u64(&json, "number", o->number);
    json_kv_string(&json, "schedule", o->schedule);
    json_kv_string(&json, "person", o->person);
    json_kv_time(&json, "from", o->from_ns);
    json_kv_time(&json, "to", o->to_ns);
    json_kv_string(&json, "by", o->by);
    json_kv_string(&json, "note", o->note);
    json_object_end(&json);
}

bool oncall_is_command(struct sv verb)
{
    return sv_is(verb, "override") || sv_is(verb, "override_remove");
}

/* A time, or a duration from `base_ns`. */
static bool time_of(struct sv text, int64_t base_ns, int64_t *ret_ns)
{
    int64_t duration_ns;
    if (clk_parse_rfc3339(text, 0, ret_ns))
        return true;
    if (text.n == 0 || clk_parse_duration(text, &duration_ns, NULL) != 0)
        return false;
    *ret_ns = book_add_ns(base_ns, duration_ns);
    return true;
}

static int add(struct oncall_overrides *all, const struct oncall *oncall, const struct alert_command *command,
               int64_t now_ns, struct buf *ret_json, struct err *err)
{
    struct oncall_override fresh = {.number = all->next_number + 1,
                                    .schedule = command->alert_id,
                                    .person = command->to,
                                    .by = command->by,
                                    .note = command->note,
                                    .from_ns = now_ns};
    if (oncall_schedule(oncall, fresh.schedule) == NULL)
        return err_set(err, TC_ENOTFOUND, "there is no schedule \"%.*s\"",
                       SV_FMT(sv_head(fresh.schedule, 64)));
    if (oncall_person(oncall, fresh.person) == NULL)
        return err_set(err, TC_EINPUT, "\"to\" is the person who takes over: there is no \"%.*s\"",
                       SV_FMT(sv_head(fresh.person, 64)));
    if (command->what.n > 0 && !time_of(command->what, now_ns, &fresh.from_ns))
        return err_set(err, TC_EINPUT, "\"what\" is when it begins: a time (RFC 3339), or nothing for now");
    if (!time_of(command->until, fresh.from_ns, &fresh.to_ns) || fresh.to_ns <= fresh.from_ns ||
        fresh.to_ns <= now_ns || fresh.to_ns > book_add_ns(fresh.from_ns, YEAR_NS))
        return err_set(err, TC_EINPUT,
                       "\"until\" is when it ends: a time (RFC 3339) ahead, or a duration, a year at most");
    for (size_t i = all->count; i > 0; i--)
        if (book_add_ns(all->items[i - 1].to_ns, YEAR_NS) < now_ns)
            drop(all, i - 1);
    if (all->count >= ONCALL_OVERRIDES_MAX)
        return err_set(err, TC_EBOUND, "there are %d overrides already: remove some", ONCALL_OVERRIDES_MAX);
    append(all, &fresh);
    all->next_number++;
    oncall_override_json(&all->items[all->count - 1], ret_json);
    return 0;
}

static int removed(struct oncall_overrides *all, const struct alert_command *command, struct buf *ret_json,
                   struct err *err)
{
    uint64_t number = 0;
    bool is_number = num_u64(command->what, 1, UINT32_MAX, &number);
    for (size_t i = 0; is_number && i < all->count; i++)
        if (all->items[i].number == number && sv_eq(all->items[i].schedule, command->alert_id)) {
            oncall_override_json(&all->items[i], ret_json);
            drop(all, i);
            return 0;
        }
    return err_set(err, TC_ENOTFOUND, "the schedule has no override of that number");
}

int oncall_command(struct oncall_overrides *all, const struct oncall *oncall,
                   const struct alert_command *command, struct receive_time now, struct buf *ret_json,
                   struct err *err)
{
    return sv_is(command->verb, "override") ? add(all, oncall, command, now.ns, ret_json, err)
                                            : removed(all, command, ret_json, err);
}

void oncall_overrides_save(const struct oncall_overrides *all, struct buf *out)
{
    buf_u32(out, all->next_number);
    buf_u32(out, (uint32_t)all->count);
    for (size_t i = 0; i < all->count; i++) {
        const struct oncall_override *o = &all->items[i];
        buf_u32(out, o->number);
        buf_string(out, o->schedule);
        buf_string(out, o->person);
        buf_string(out, o->by);
        buf_string(out, o->note);
        buf_u64(out, (uint64_t)o->from_ns);
        buf_u64(out, (uint64_t)o->to_ns);
    }
}

bool oncall_overrides_load(struct oncall_overrides *all, struct sv saved)
{
    struct reader r = reader_of(saved);
    oncall_overrides_free(all);
    all->next_number = reader_u32(&r);
    uint32_t count = reader_u32(&r);
    for (uint32_t i = 0; i < count && i < ONCALL_OVERRIDES_MAX && !r.bad; i++) {
        struct oncall_override o = {.number = reader_u32(&r)};
        o.schedule = reader_string(&r);
        o.person = reader_string(&r);
        o.by = reader_string(&r);
        o.note = reader_string(&r);
        o.from_ns = (int64_t)reader_u64(&r);
        o.to_ns = (int64_t)reader_u64(&r);
        if (!r.bad)
            append(all, &o);
    }
    return !r.bad && r.rest.n == 0 && all->count == count;
}
