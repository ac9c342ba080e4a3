/*
 * VictorOps' (Splunk On-Call's) REST endpoint; the key is a part of the address.
 */
#include "api/receiver/receiver.h"

enum { STATE_MESSAGE_MAX_RUNES = 20480, FIXED = 5 };

static struct sv message_type(struct receiver_draft *d)
{
    static const char *const known[] = {"INFO", "WARNING", "CRITICAL"};
    struct sv type = receiver_text(d, d->own, "message_type");
    if (!receiver_is_firing(d))
        return SV("RECOVERY");
    for (size_t i = 0; i < TC_ARRAY_LEN(known); i++)
        if (sv_is(type, known[i]))
            return type;
    return SV("CRITICAL");
}

void receiver_victorops(struct receiver_draft *d)
{
    const struct am_value *custom = am_get(d->own, "custom_fields");
    const struct template_pair fixed[FIXED] = {{.name = SV("message_type")},
                                               {.name = SV("entity_id")},
                                               {.name = SV("entity_display_name")},
                                               {.name = SV("state_message")},
                                               {.name = SV("monitoring_tool")}};
    const struct sv texts[FIXED] = {
        message_type(d), receiver_group_hash(d), receiver_text(d, d->own, "entity_display_name"),
        receiver_cut_runes(d, receiver_text(d, d->own, "state_message"), STATE_MESSAGE_MAX_RUNES),
        receiver_text(d, d->own, "monitoring_tool")};
    size_t n = FIXED + custom->count;
    struct template_pair *pairs = ARENA_ARRAY(d->arena, struct template_pair, n);
    struct template_value *values = ARENA_ARRAY(d->arena, struct template_value, n);
    for (size_t i = 0; i < n; i++) {
        bool own = i >= FIXED;
        values[i] = template_text(own ? receiver_render(d, custom->items[i - FIXED].text) : texts[i]);
        pairs[i] = (struct template_pair){own ? custom->items[i - FIXED].key : fixed[i].name, &values[i]};
    }
    receiver_json_value(d, template_map(d->arena, NULL, pairs, n));
    struct sv key = receiver_secret(d, d->own, "api_key"), route = receiver_text(d, d->own, "routing_key");
    struct sv path = arena_printf(d->arena, "%.*s/%.*s", SV_FMT(key), SV_FMT(route));
    receiver_post_json(d,
                       receiver_url(d, am_get_text(d->own, "api_url"), receiver_escape_path(d, path), NULL));
}
