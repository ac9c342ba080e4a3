/*
 * A record as JSON; see record_out.h.
 */
#include "query/record_out.h"

#include "event/record.h"

#include <stdio.h>

static const char *const type_names[] = {
    [REC_EVENT] = "event",     [REC_TICK] = "tick",       [REC_ACTIVATED] = "activated",
    [REC_COMMAND] = "command", [REC_FINDING] = "finding", [REC_DECISION] = "decision",
    [REC_INTENT] = "intent",   [REC_RECEIPT] = "receipt", [REC_POSITION] = "position",
    [REC_METRIC] = "metric"};
static const char *const class_names[CLASS_COUNT] = {"security", "audit", "debug"};

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {EVENT_SUSPECT_TIME, "suspect_time"},
    {EVENT_TEXT, "text"},
    {EVENT_QUARANTINED, "quarantined"},
    {EVENT_DUPLICATE_KEYS, "duplicate_keys"},
    {EVENT_CUT, "cut"},
    {EVENT_BAD_UTF8, "bad_utf8"},
    {EVENT_REDACTED, "redacted"},
    {EVENT_FIELDS_CUT, "fields_cut"},
};

const char *record_out_type(uint8_t type)
{
    return type < TC_ARRAY_LEN(type_names) ? type_names[type] : NULL;
}

void record_out_members(struct json_out *json, const struct event *record)
{
    char id[80];
    snprintf(id, sizeof id, "%016llx-%s-%llu", (unsigned long long)record->epoch, class_names[record->class],
             (unsigned long long)record->sequence);
    json_kv_str(json, "id", id);
    json_kv_u64(json, "position", record->position);
    json_kv_str(json, "type", type_names[record->type]);
    json_kv_time(json, "time", record->time.ns);
    json_kv_time(json, "received", record->received.ns);
    json_kv_string(json, "source", record->source);
    json_key(json, SV("flags"));
    json_array(json);
    for (size_t i = 0; i < TC_ARRAY_LEN(flag_names); i++)
        if (record->flags & flag_names[i].flag)
            json_string(json, sv_of(flag_names[i].name));
    json_array_end(json);
    json_kv_string(json, "raw", record->raw);
}
