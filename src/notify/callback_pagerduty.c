/*
 * PagerDuty's webhooks v3: an incident (or alert) of ours was acknowledged or resolved there. What they call
 * incident_key or alert_key is the dedup_key that we sent, the alert's id.
 *
 * X-PagerDuty-Signature bears one or more "v1=" HMAC-SHA256 of the body, separated by commas. What we caused
 * ourselves comes back, too; it finds the alert as it should be and changes nothing.
 */
#include "notify/callback_priv.h"

#include "base/clk.h"
#include "event/json.h"

#include <stdio.h>

#define AGE_MAX_NS   (INT64_C(86400) * TC_SECOND_NS)
#define AHEAD_MAX_NS (INT64_C(300) * TC_SECOND_NS)

static bool is_signed(const struct channel_config *config, const struct callback_request *request)
{
    struct sv list = request->header(request->context, "X-PagerDuty-Signature");
    char hex[TC_SHA256_HEX];
    bool good = false;
    callback_hmac(config->signing_secret, &request->body, 1, hex);
    while (list.n > 0) {
        struct sv one = sv_trim(sv_cut(&list, ','));
        good |= sv_starts(one, SV("v1=")) && callback_same(sv_from(one, 3), hex);
    }
    return good;
}

static bool is_ours(struct sv id)
{
    bool ok = id.n == 32;
    for (size_t i = 0; i < id.n; i++)
        ok = ok && ((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'f'));
    return ok;
}

bool callback_pagerduty(const struct channel_config *config, const struct callback_request *request,
                        struct arena *arena, struct callback *ret)
{
    static const struct {
        const char *event, *verb;
    } verbs[] = {{"incident.acknowledged", "ack"},
                 {"alert.acknowledged", "ack"},
                 {"incident.resolved", "resolve"},
                 {"alert.resolved", "resolve"}};
    struct event said = {0};
    int64_t at_ns;
    if (config->signing_secret.n == 0)
        return callback_refuse(ret, 404, "this channel has no signing_secret");
    if (!is_signed(config, request))
        return callback_refuse(ret, 401, "X-PagerDuty-Signature does not fit");
    if (json_parse_event(request->body, arena, &said, NULL) != 0)
        return callback_refuse(ret, 400, "the body is no JSON");
    event_index(&said, arena);
    snprintf(ret->text, sizeof ret->text, "nothing to do");
    if (!clk_parse_rfc3339(event_value(&said, "event.occurred_at"), 0, &at_ns) ||
        request->now_ns - at_ns > AGE_MAX_NS || at_ns - request->now_ns > AHEAD_MAX_NS)
        return callback_refuse(ret, 401, "event.occurred_at is no time of the last 24 hours");
    struct sv key = event_value(&said, "event.data.incident_key"), id = event_value(&said, "event.agent.id");
    if (key.n == 0)
        key = event_value(&said, "event.data.alert_key");
    struct sv person = callback_person(config, id);
    if (person.n == 0)
        person = event_value(&said, "event.agent.summary");
    ret->seen_as = hash_64(event_value(&said, "event.id"));
    for (size_t i = 0; i < TC_ARRAY_LEN(verbs); i++)
        if (sv_is(event_value(&said, "event.event_type"), verbs[i].event) && is_ours(key)) {
            callback_command(ret, verbs[i].verb, key, person.n > 0 ? person : SV("PagerDuty"));
            snprintf(ret->note, sizeof ret->note, "in PagerDuty");
            snprintf(ret->text, sizeof ret->text, "done");
        }
    return true;
}
