/*
 * Who is told: the addresses of a notification, written into its record, and read from it when the record
 * becomes rows of the outbox.
 *
 * The record names channels, and persons by name. Where a person is reached is looked up only when the row is
 * made, so that telephone numbers and mail addresses of the team do not stand in the journal for ever. The
 * one address that does stand there is that of a user who was asked whether that was them (ledger D-16): it
 * is what the operator did.
 */
#include "app/core_priv.h"

#include "base/json_out.h"

#include <stdio.h>

/* All three keys always, so that a reader can go through them side by side. */
static void target_json(struct json_out *json, struct sv channel, struct sv person, struct sv address)
{
    json_object(json);
    json_kv_string(json, "channel", channel);
    json_kv_string(json, "person", person);
    json_kv_string(json, "address", address);
    json_object_end(json);
}

static void question_json(struct core *core, const struct alert *alert, struct json_out *json)
{
    intent_channels(json, NULL, 0);
    json_key(json, SV("targets"));
    json_array(json);
    target_json(json, core->options.confirmation_channel, (struct sv){0}, alert->life->asked);
    json_array_end(json);
}

/* "P1 alert not acknowledged after 15 min: " (ledger D-10). */
static struct sv escalation_prefix(struct core *core, const struct decision *d)
{
    const struct oncall_step *step = oncall_step_at(core->oncall, d->alert->severity, d->step);
    int64_t seconds = step == NULL ? 0 : step->after_ns / TC_SECOND_NS;
    char after[TC_RFC3339_MAX];
    if (seconds % 3600 == 0 && seconds > 0)
        snprintf(after, sizeof after, "%lld h", (long long)(seconds / 3600));
    else if (seconds % 60 == 0)
        snprintf(after, sizeof after, "%lld min", (long long)(seconds / 60));
    else
        snprintf(after, sizeof after, "%lld s", (long long)seconds);
    return seconds == 0 ? arena_printf(&core->batch, "%s alert: ", severity_name(d->alert->severity))
                        : arena_printf(&core->batch, "%s alert not acknowledged after %s: ",
                                       severity_name(d->alert->severity), after);
}

/* "P1 alert open for more than 24h (platform team): " (ledger D-20). */
static struct sv overdue_prefix(struct core *core, const struct alert *alert)
{
    struct sv whose = alert->life->assigned.n > 0 ? alert->life->assigned : alert->owner;
    char goal[TC_RFC3339_MAX];
    clk_format_duration(alert->life->overdue_ns - alert->history[0].time_ns, goal);
    return arena_printf(&core->batch,
                        "%s alert open for more than %s (%.*s): ", severity_name(alert->severity), goal,
                        SV_FMT(whose.n > 0 ? whose : SV("nobody's")));
}

/* What a notification's headline begins with where the reason alone does not say it. */
static struct sv prefix_of(struct core *core, const struct decision *d, enum notify_reason reason)
{
    struct arena *arena = &core->batch;
    switch (reason) {
    case NOTIFY_ESCALATED:
        return escalation_prefix(core, d);
    case NOTIFY_REMINDER:
        return SV("Still firing: ");
    case NOTIFY_FLAPPING:
        return arena_printf(arena, "Flapping (began %llu times): ", (unsigned long long)d->step);
    case NOTIFY_SEVERITY_RAISED:
        return arena_printf(arena, "Raised to %s: ", severity_name(d->alert->severity));
    case NOTIFY_OVERDUE:
        return overdue_prefix(core, d->alert);
    case NOTIFY_TASK_DUE:
        return arena_printf(arena, "Task %llu is due (%.*s): ", (unsigned long long)d->step,
                            SV_FMT(sv_head(d->alert->life->tasks[d->step - 1].what, 200)));
    default:
        return (struct sv){0};
    }
}

/* Who is told by a step of the policy, or as owner. */
static const struct oncall_targets *resolve(struct core *core, const struct oncall_step *step, int64_t now_ns)
{
    struct oncall_targets *targets = ARENA_NEW(&core->batch, struct oncall_targets);
    if (step != NULL)
        oncall_resolve(core->oncall, &core->overrides, step, core->options.channels,
                       core->options.channel_count, now_ns, targets);
    return targets;
}

/* The channels among the targets, behind the `count` of `first` that are told anyway; then the persons. */
static void targets_json(struct core *core, const struct sv *first, size_t count,
                         const struct oncall_targets *targets, struct json_out *json)
{
    struct sv *channels = ARENA_ARRAY(&core->batch, struct sv, count + ONCALL_TARGETS_MAX);
    if (count > 0)
        memcpy(channels, first, count * sizeof first[0]);
    for (size_t i = 0; i < targets->count; i++)
        if (targets->items[i].person.n == 0) /* one that is told anyway becomes the same row */
            channels[count++] = targets->items[i].channel;
    intent_channels(json, channels, count);
    json_key(json, SV("targets"));
    json_array(json);
    for (size_t i = 0; i < targets->count; i++)
        if (targets->items[i].person.n > 0)
            target_json(json, targets->items[i].channel, targets->items[i].person, (struct sv){0});
    json_array_end(json);
}

/* Whom the step of the policy names now; where it leads to nobody, the channels that the priority has anyway:
 * an escalation never ends in silence. */
static void escalation_json(struct core *core, const struct decision *d, struct json_out *json)
{
    const struct oncall_targets *targets =
        resolve(core, oncall_step_at(core->oncall, d->alert->severity, d->step), d->now_ns);
    const struct sv *routed;
    size_t count =
        core->options.route(core->options.context, d->alert, d->alert->severity, d->reason, &routed);
    targets_json(core, routed, targets->count > 0 ? 0 : count, targets, json);
}

void address_people(struct core *core, const struct alert *alert, enum notify_reason reason,
                    const struct sv *names, size_t count, int64_t now_ns, struct json_out *json)
{
    struct oncall_step step = {.refs = ARENA_ARRAY(&core->batch, struct oncall_ref, count)};
    const struct sv *routed;
    for (size_t i = 0; i < count; i++)
        step.ref_count += oncall_ref_of(core->oncall, names[i], &step.refs[step.ref_count]);
    size_t routed_count = core->options.route(core->options.context, alert, alert->severity, reason, &routed);
    targets_json(core, routed, routed_count, resolve(core, &step, now_ns), json);
}

void address_intent(struct core *core, const struct decision *d, enum notify_reason reason, struct sv key,
                    struct json_out *json)
{
    const struct sv *channels;
    struct sv prefix = prefix_of(core, d, reason);
    json_kv_string(json, "key", key);
    json_kv_str(json, "reason", notify_reason_name(reason));
    json_kv_u64(json, "count", d->alert->count);
    if (prefix.n > 0)
        json_kv_string(json, "prefix", prefix);
    if (reason == NOTIFY_QUESTION) {
        question_json(core, d->alert, json);
        return;
    }
    if (reason == NOTIFY_ESCALATED) {
        escalation_json(core, d, json);
        return;
    }
    if (reason == NOTIFY_OVERDUE) {
        const struct sv owners[] = {d->alert->life->assigned, d->alert->owner, d->alert->secondary_owner};
        address_people(core, d->alert, reason, owners, TC_ARRAY_LEN(owners), d->now_ns, json);
        return;
    }
    size_t count = core->options.route(core->options.context, d->alert, d->severity, reason, &channels);
    intent_channels(json, channels, count);
}

/* --- reading it again */

static const struct field *first(const struct event *json, const char *name)
{
    struct sv key = sv_of(name);
    return event_find(json, key, event_name_hash(key));
}

int address_each(struct core *core, const struct event *json, struct arena *arena, address_fn each,
                 void *context)
{
    struct sv key = event_value(json, "key");
    int rc = 0;
    for (const struct field *f = first(json, "channels"); rc == 0 && f != NULL; f = event_next(json, f))
        if (f->type == FIELD_STRING)
            rc = each(context, f->value, (struct sv){0},
                      arena_printf(arena, "%.*s:%.*s", SV_FMT(key), SV_FMT(f->value)));
    const struct field *channel = first(json, "targets.channel"), *person = first(json, "targets.person"),
                       *address = first(json, "targets.address");
    while (rc == 0 && channel != NULL && person != NULL && address != NULL) {
        struct sv to = address->value.n > 0 ? address->value
                                            : oncall_address(core->oncall, person->value, channel->value);
        if (to.n > 0)
            rc = each(context, channel->value, to,
                      arena_printf(arena, "%.*s:%.*s/%.*s", SV_FMT(key), SV_FMT(channel->value),
                                   SV_FMT(person->value)));
        channel = event_next(json, channel);
        person = event_next(json, person);
        address = event_next(json, address);
    }
    return rc;
}
