/*
 * Notifications that are about no alert: test sends, and what becomes of an incident (ledger F-22). Their
 * records look like those of alerts (address.c), so that every channel can tell them; what stands in them for
 * the alert has no more than a title and a message.
 */
#include "app/core_priv.h"

#include "alert/incident.h"
#include "base/json_out.h"

#include <stdio.h>

/* --- what all have */

void intent_begin(struct json_out *json, uint64_t position, enum notify_reason reason, struct sv key,
                  uint64_t count)
{
    json_object(json);
    json_kv_u64(json, "position", position);
    json_kv_str(json, "what", notify_reason_name(reason));
    json_kv_str(json, "by", "tocsin");
    json_kv_string(json, "key", key);
    json_kv_str(json, "reason", notify_reason_name(reason));
    json_kv_u64(json, "count", count);
}

void intent_channels(struct json_out *json, const struct sv *channels, size_t count)
{
    json_key(json, SV("channels"));
    json_array(json);
    for (size_t i = 0; i < count; i++)
        json_string(json, channels[i]);
    json_array_end(json);
}

void intent_subject(struct json_out *json, const struct intent_subject *subject)
{
    json_key(json, SV("alert"));
    json_object(json);
    json_kv_string(json, "id", subject->id);
    json_kv_str(json, "title", subject->title);
    json_kv_str(json, "severity", severity_name(subject->severity));
    json_kv_string(json, "message", subject->message);
    json_kv_string(json, "description", subject->description);
    json_key(json, SV("labels"));
    json_object(json);
    json_kv_str(json, "alertname", subject->title);
    json_kv_str(json, "severity", severity_name(subject->severity));
    json_object_end(json);
    json_kv_time(json, "first_seen", subject->from_ns);
    json_kv_time(json, "last_seen", subject->to_ns);
    json_object_end(json);
    json_object_end(json);
}

/* --- test sends */

void intent_of_test(const struct event *command, struct sv channel, struct sv by, struct buf *out)
{
    char id[64], text[400];
    struct json_out json = json_out_to(out);
    snprintf(id, sizeof id, "test-%llu", (unsigned long long)command->position);
    int n = snprintf(text, sizeof text, "a message to see that channel %.*s works; asked for by %.*s",
                     (int)TC_MIN(channel.n, (size_t)64), channel.p, (int)TC_MIN(by.n, (size_t)100), by.p);
    intent_begin(&json, command->position, NOTIFY_TEST, sv_of(id), 1);
    intent_channels(&json, &channel, 1);
    intent_subject(&json,
                   &(struct intent_subject){.id = sv_of(id),
                                            .title = "TEST",
                                            .severity = SEVERITY_P4,
                                            .message = sv_make(text, (size_t)TC_MIN(n, (int)sizeof text - 1)),
                                            .from_ns = command->received.ns,
                                            .to_ns = command->received.ns});
}

/* --- incidents */

static struct sv incident_says(const struct incident *incident, const struct alert_command *command,
                               struct arena *arena)
{
    const unsigned number = incident->number;
    if (sv_is(command->verb, "incident_open"))
        return arena_printf(arena, "Incident %u opened, commander %.*s: %.*s", number,
                            SV_FMT(incident->commander), SV_FMT(incident->title));
    if (sv_is(command->verb, "incident_phase"))
        return arena_printf(arena, "Incident %u goes on to %s: %.*s", number,
                            incident_phase_name(incident->phase), SV_FMT(incident->title));
    if (sv_is(command->verb, "incident_command"))
        return arena_printf(arena, "Incident %u is commanded by %.*s: %.*s", number,
                            SV_FMT(incident->commander), SV_FMT(incident->title));
    if (sv_is(command->verb, "incident_close"))
        return arena_printf(arena, "Incident %u is closed: %.*s", number, SV_FMT(incident->title));
    return (struct sv){0};
}

bool intent_of_incident(struct core *core, const struct event *record, const struct alert_command *command,
                        struct buf *out)
{
    struct sv number = command->alert_id;
    if (sv_is(command->verb, "incident_open"))
        number = arena_printf(&core->batch, "%u", core->incidents.next_number);
    const struct incident *incident = incident_find(&core->incidents, number);
    struct sv says = incident == NULL ? (struct sv){0} : incident_says(incident, command, &core->batch);
    if (says.n == 0)
        return false;
    struct sv id = arena_printf(&core->batch, "incident-%u", incident->number);
    struct sv key = arena_printf(&core->batch, "%.*s-%llu", SV_FMT(id), (unsigned long long)record->position);
    struct json_out json = json_out_to(out);
    const struct alert_label labels[] = {{SV("alertname"), SV("INCIDENT")}};
    const struct alert alert = {
        .title = SV("INCIDENT"), .severity = SEVERITY_P1, .labels = labels, .label_count = 1};
    intent_begin(&json, record->position, NOTIFY_INCIDENT, key, 1);
    address_people(core, &alert, NOTIFY_INCIDENT, &incident->commander, 1, record->received.ns, &json);
    intent_subject(&json, &(struct intent_subject){.id = id,
                                                   .title = "INCIDENT",
                                                   .severity = SEVERITY_P1,
                                                   .message = says,
                                                   .description = command->note,
                                                   .from_ns = incident->phase_ns[INCIDENT_DETECTION],
                                                   .to_ns = record->received.ns});
    return true;
}
