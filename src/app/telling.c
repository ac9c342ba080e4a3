/*
 * Whom the daily digest tells and when, and who asks users: a part of what is in force, so that it changes
 * while the core runs, at a definite place of the journal, and a replay of old ticks makes the digests of
 * their time.
 */
#include "app/core_priv.h"

#include "base/json_out.h"
#include "base/num.h"

void telling_json(struct json_out *json, const struct core_options *o)
{
    json_key(json, SV("digest"));
    json_object(json);
    json_kv_i64(json, "at_s", o->digest_at_s);
    json_kv_u64(json, "review_days", o->review_days);
    json_key(json, SV("channels"));
    json_array(json);
    for (size_t i = 0; i < o->digest_channel_count; i++)
        json_string(json, o->digest_channels[i]);
    json_array_end(json);
    json_object_end(json);
    json_kv_string(json, "confirmation_channel", o->confirmation_channel);
}

static void take_channels(struct telling *telling, const struct sv *names, size_t count)
{
    telling->digest_channels = ARENA_ARRAY(&telling->arena, struct sv, count + 1);
    telling->digest_channel_count = count;
    for (size_t i = 0; i < count; i++)
        telling->digest_channels[i] = arena_sv(&telling->arena, names[i]);
}

void telling_of_options(struct core *core)
{
    const struct core_options *o = &core->options;
    struct telling *telling = &core->telling;
    arena_reset(&telling->arena);
    take_channels(telling, o->digest_channels, o->digest_channel_count);
    telling->digest_at_s = o->digest_at_s;
    telling->review_days = o->review_days;
    telling->confirmation_channel = arena_sv(&telling->arena, o->confirmation_channel);
}

void telling_take(struct core *core, const struct event *json)
{
    struct telling *telling = &core->telling;
    struct sv names[TELLING_CHANNELS_MAX];
    uint64_t at_s, days;
    size_t count = 0;
    if (!num_u64(event_value(json, "digest.at_s"), 0, 86399, &at_s) ||
        !num_u64(event_value(json, "digest.review_days"), 0, 127, &days)) {
        telling_of_options(core);
        return;
    }
    const struct field *f = event_find(json, SV("digest.channels"), event_name_hash(SV("digest.channels")));
    for (; f != NULL && count < TC_ARRAY_LEN(names); f = event_next(json, f))
        if (f->type == FIELD_STRING)
            names[count++] = f->value;
    arena_reset(&telling->arena);
    take_channels(telling, names, count);
    telling->digest_at_s = (int)at_s;
    telling->review_days = (unsigned)days;
    telling->confirmation_channel = arena_sv(&telling->arena, event_value(json, "confirmation_channel"));
}
