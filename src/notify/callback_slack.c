/*
 * Slack's interaction callbacks: somebody clicked a button of a message of ours (block_actions), whose value
 * is the alert's id. `people` says who a Slack user is here; a click of anybody else does nothing.
 *
 * The signature (X-Slack-Signature) is over "v0:", X-Slack-Request-Timestamp, ":" and the body.
 */
#include "notify/callback_priv.h"

#include "base/clk.h"
#include "base/num.h"
#include "event/json.h"

#include <stdio.h>

#define SKEW_S INT64_C(300)

static bool is_signed(const struct channel_config *config, const struct callback_request *request)
{
    struct sv time = request->header(request->context, "X-Slack-Request-Timestamp");
    struct sv given = request->header(request->context, "X-Slack-Signature");
    struct sv parts[] = {SV("v0:"), time, SV(":"), request->body};
    char hex[TC_SHA256_HEX];
    uint64_t at_s;
    if (!num_u64(time, 0, INT64_MAX / TC_SECOND_NS, &at_s) || !sv_starts(given, SV("v0=")))
        return false;
    callback_hmac(config->signing_secret, parts, TC_ARRAY_LEN(parts), hex);
    int64_t off_s = request->now_ns / TC_SECOND_NS - (int64_t)at_s;
    return callback_same(sv_from(given, 3), hex) && off_s <= SKEW_S && off_s >= -SKEW_S;
}

/* Only Slack's own addresses, whatever a payload says. */
static struct sv reply_url(const struct channel_config *config, const struct event *said)
{
    struct sv url = event_value(said, "response_url");
    struct sv own = config->api_url.n > 0 ? config->api_url : SV("https://hooks.slack.com");
    while (sv_ends(own, SV("/")))
        own.n--;
    return sv_starts(url, own) && sv_starts(sv_from(url, own.n), SV("/")) ? url : (struct sv){0};
}

bool callback_slack(const struct channel_config *config, const struct callback_request *request,
                    struct arena *arena, struct callback *ret)
{
    static const struct {
        const char *action, *verb;
    } actions[] = {{"tocsin_ack", "ack"}, {"tocsin_resolve", "resolve"}};
    struct callback_form_pairs *form = ARENA_NEW(arena, struct callback_form_pairs);
    struct event said = {0};
    if (config->signing_secret.n == 0)
        return callback_refuse(ret, 404, "this channel has no signing_secret");
    if (!is_signed(config, request))
        return callback_refuse(ret, 401, "X-Slack-Signature does not fit, or is older than five minutes");
    if (!callback_read_form(request->body, arena, form) ||
        json_parse_event(callback_form_value(form, "payload"), arena, &said, NULL) != 0)
        return callback_refuse(ret, 400, "the body is no form with a payload that is JSON");
    event_index(&said, arena);
    ret->seen_as = hash_64(request->body);
    if (!sv_is(event_value(&said, "type"), "block_actions"))
        return true;
    struct sv person = callback_person(config, event_value(&said, "user.id"));
    if (person.n == 0) {
        snprintf(ret->text, sizeof ret->text,
                 "You are not linked to a person of Tocsin yet: ask for `people: {%.*s: your name}` in its "
                 "channel %.*s.",
                 SV_FMT(sv_head(event_value(&said, "user.id"), 40)), SV_FMT(config->name));
        snprintf(ret->reply_url, sizeof ret->reply_url, "%.*s",
                 SV_FMT(sv_head(reply_url(config, &said), sizeof ret->reply_url - 1)));
        return true;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(actions); i++)
        if (sv_is(event_value(&said, "actions.action_id"), actions[i].action)) {
            callback_command(ret, actions[i].verb, event_value(&said, "actions.value"), person);
            snprintf(ret->note, sizeof ret->note, "in Slack");
            snprintf(ret->text, sizeof ret->text, "done");
        }
    return true;
}
