/*
 * Why an alert was or was not told, and what comes next: the explanation behind `tocsin explain alert`. Each
 * stage that an alert goes through says its part: identity, counting, state, silence, channels, escalation.
 *
 * It reads the alert as the projection has it, and the configuration and the people in force now: what was
 * told before a reload was told by what was in force then; the deliveries have it.
 */
#include "app/service.h"

#include "base/json_out.h"

static void stage(struct json_out *json, const char *name, struct sv says)
{
    json_object(json);
    json_kv_str(json, "stage", name);
    json_kv_string(json, "says", says);
    json_object_end(json);
}

static void identity(const struct alert *a, struct json_out *json, struct arena *arena)
{
    struct buf labels;
    buf_init(&labels, 64 << 10);
    for (size_t i = 0; i < a->label_count; i++)
        buf_printf(&labels, "%s%.*s=%.*s", i == 0 ? "" : ", ", SV_FMT(a->labels[i].name),
                   SV_FMT(a->labels[i].value));
    stage(json, "identity",
          arena_printf(arena, "one alert for rule %.*s, %s and these labels: %.*s", SV_FMT(a->rule_id),
                       severity_name(a->severity), SV_FMT(buf_view(&labels))));
    buf_free(&labels);
}

static void counting(const struct service *s, const struct alert *a, struct json_out *json,
                     struct arena *arena)
{
    const uint64_t *step = s->config.count_steps;
    static const uint64_t defaults[] = {10, 50, 100, 0};
    char window[TC_RFC3339_MAX];
    clk_format_duration(s->config.dedup_window_ns, window);
    for (step = step == NULL ? defaults : step; *step != 0 && *step <= a->count; step++)
        ;
    stage(json, "count",
          *step == 0
              ? arena_printf(arena, "%llu occurrences within %s of the first; no further count is told",
                             (unsigned long long)a->count, window)
              : arena_printf(arena,
                             "%llu occurrences within %s of the first; told again at %llu, while it fires",
                             (unsigned long long)a->count, window, (unsigned long long)*step));
}

static void state(const struct alert *a, struct json_out *json, struct arena *arena)
{
    static const char *const says[] = {
        [ALERT_FIRING] = "nobody has taken it: counts and escalation are told",
        [ALERT_ACKNOWLEDGED] = "somebody investigates: nothing more is told but its end",
        [ALERT_RESOLVED] = "it is over: nothing more is told",
        [ALERT_CLOSED] = "it is over: nothing more is told",
        [ALERT_PENDING] = "its user was asked: nothing is told until the answer, or its time",
        [ALERT_SNOOZED] = "put off: nothing is told until then",
    };
    char until[TC_RFC3339_MAX] = "";
    int64_t until_ns = a->state == ALERT_SNOOZED   ? a->life->snoozed_until_ns
                       : a->state == ALERT_PENDING ? a->life->answer_due_ns
                                                   : TC_NO_TIME;
    if (until_ns != TC_NO_TIME)
        clk_rfc3339(until_ns, until);
    stage(json, "state",
          arena_printf(arena, "%s: %s%s%s", alert_state_name(a->state), says[a->state],
                       until[0] != '\0' ? ", " : "", until));
    stage(json, "silence",
          a->silenced == 0
              ? SV("no silence hides it")
              : arena_printf(arena, "silence %u hides it: it is told when that ends, if it fires still",
                             a->silenced));
}

static void waiting(const struct alert *a, struct json_out *json, struct arena *arena)
{
    char within[TC_RFC3339_MAX];
    if (a->waiting == NULL)
        return;
    clk_format_duration(a->waiting->within_ns, within);
    stage(
        json, "waiting",
        arena_printf(arena,
                     "nobody was told yet: %u of %u occurrences have come within %s (notify_after); channels "
                     "and escalation wait for the rest, or for a higher severity",
                     a->waiting->come, a->waiting->needed, within));
}

static void flapping(const struct alert *a, struct json_out *json, struct arena *arena)
{
    char stable[TC_RFC3339_MAX], over[TC_RFC3339_MAX];
    if (a->flapping == NULL) {
        stage(json, "flapping", SV("it does not flap"));
        return;
    }
    clk_rfc3339(a->flapping->stable_ns, stable);
    if (a->flapping->over_ns != TC_NO_TIME)
        clk_rfc3339(a->flapping->over_ns, over);
    stage(json, "flapping",
          a->flapping->over_ns != TC_NO_TIME
              ? arena_printf(arena,
                             "it began %llu times: told once, then no more; over since %s, and resolved at "
                             "%s if it does not begin again",
                             (unsigned long long)a->flapping->times, over, stable)
              : arena_printf(arena,
                             "it began %llu times: told once, then no more; it fires, and is told again at "
                             "%s if it goes on to",
                             (unsigned long long)a->flapping->times, stable));
}

/* Why a channel is told of a new alert of this priority, or not. */
static struct sv why_channel(const struct routing *routing, struct sv by,
                             const struct channel_config *channel, enum severity severity, bool told,
                             struct arena *arena)
{
    if (routing->given)
        return arena_printf(arena, "routing %s it for %s%.*s", told ? "names" : "does not name",
                            severity_name(severity), SV_FMT(by));
    return arena_printf(arena, "%s is %s its lowest priority (min_severity, or what its type %.*s has)",
                        severity_name(severity), told ? "within" : "below", SV_FMT(channel->type));
}

static void channels(const struct service *s, const struct alert *a, struct json_out *json,
                     struct arena *arena)
{
    const struct config_route *route = config_route_of(&s->config, a);
    const struct routing *routing = config_routing_of(&s->config, a, a->severity);
    struct sv by = {0};
    if (route != NULL && routing == &route->routing[a->severity])
        by = arena_printf(arena, ", by the %zu. of its routes", (size_t)(route - s->config.routes) + 1);
    for (size_t i = 0; i < s->config.channel_count; i++) {
        const struct channel_config *channel = &s->config.channels[i];
        bool told = config_routes(routing, channel, a->severity, SV("new"));
        stage(json, "channel",
              arena_printf(arena, "%.*s is %s: %.*s", SV_FMT(channel->name), told ? "told" : "not told",
                           SV_FMT(why_channel(routing, by, channel, a->severity, told, arena))));
    }
}

void service_explain(void *context, const struct alert *alert, struct buf *out)
{
    const struct service *s = context;
    struct arena arena = {0};
    struct json_out json = json_out_to(out);
    struct buf escalation;
    buf_init(&escalation, 64 << 10);
    core_explain_escalation(s->core, alert, &escalation);
    json_array(&json);
    identity(alert, &json, &arena);
    counting(s, alert, &json, &arena);
    state(alert, &json, &arena);
    waiting(alert, &json, &arena);
    flapping(alert, &json, &arena);
    channels(s, alert, &json, &arena);
    stage(&json, "escalation", buf_view(&escalation));
    json_array_end(&json);
    buf_free(&escalation);
    arena_free(&arena);
}
