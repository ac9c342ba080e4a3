/*
 * A metric rule's change of state as bytes; see metric_record.h.
 */
#include "app/metric_record.h"

#include "base/hash.h"
#include "base/json_out.h"
#include "base/num.h"
#include "event/json.h"

static void text(struct json_out *json, const char *key, struct sv value)
{
    json_kv_string(json, key, sv_head(value, METRIC_RECORD_TEXT_MAX));
}

static void pairs(struct json_out *json, const char *key, const struct finding_field *items, size_t count)
{
    json_key(json, sv_of(key));
    json_object(json);
    for (size_t i = 0; i < count; i++) {
        json_key(json, sv_head(items[i].name, METRIC_RECORD_TEXT_MAX));
        json_string(json, sv_head(items[i].value, METRIC_RECORD_TEXT_MAX));
    }
    json_object_end(json);
}

void metric_record_write(bool firing, const uint8_t identity[TC_SHA256_BYTES], const struct finding *finding,
                         struct buf *out)
{
    struct json_out json = json_out_to(out);
    const struct rule_info *rule = finding->rule;
    char hex[TC_SHA256_HEX];
    hash_hex(identity, TC_SHA256_BYTES, hex);
    json_object(&json);
    json_kv_str(&json, "state", firing ? "firing" : "resolved");
    json_kv_str(&json, "identity", hex);
    text(&json, "rule_id", rule->id);
    if (firing) {
        /* the last of the fields is the value, what stands before are annotations */
        size_t annotations = finding->field_count - 1;
        text(&json, "title", rule->title);
        text(&json, "level", rule->level);
        text(&json, "description", rule->description);
        text(&json, "runbook", rule->runbook);
        text(&json, "owner", rule->owner);
        text(&json, "file", rule->file);
        json_kv_u64(&json, "line", rule->line);
        text(&json, "value", finding->fields[annotations].value);
        pairs(&json, "labels", finding->group,
              TC_MIN(finding->group_count, (size_t)METRIC_RECORD_LABELS_MAX));
        pairs(&json, "annotations", finding->fields,
              TC_MIN(annotations, (size_t)METRIC_RECORD_ANNOTATIONS_MAX));
    }
    json_object_end(&json);
}

/* The fields below PREFIX, without it. */
static struct finding_field *members(const struct event *e, struct arena *arena, struct sv prefix,
                                     size_t *ret_count)
{
    struct finding_field *found = ARENA_ARRAY(arena, struct finding_field, e->field_count + 2);
    size_t n = 0;
    for (uint32_t i = 0; i < e->field_count; i++)
        if (sv_starts(e->fields[i].exact, prefix) && e->fields[i].type == FIELD_STRING)
            found[n++] = (struct finding_field){sv_from(e->fields[i].exact, prefix.n), e->fields[i].value,
                                                FIELD_STRING};
    *ret_count = n;
    return found;
}

static struct finding *read_finding(const struct event *record, const struct event *e, struct arena *arena)
{
    struct finding *f = ARENA_NEW(arena, struct finding);
    struct rule_info *rule = ARENA_NEW(arena, struct rule_info);
    uint64_t line = 0;
    enum severity severity = severity_of(event_value(e, "level"));
    if (!num_u64(event_value(e, "line"), 0, UINT32_MAX, &line))
        line = 0;
    *rule = (struct rule_info){.id = event_value(e, "rule_id"),
                               .name = event_value(e, "title"),
                               .title = event_value(e, "title"),
                               .level = event_value(e, "level"),
                               .severity = severity == SEVERITY_NONE ? severity_of(SV("")) : severity,
                               .description = event_value(e, "description"),
                               .runbook = event_value(e, "runbook"),
                               .owner = event_value(e, "owner"),
                               .file = event_value(e, "file"),
                               .line = (unsigned)line};
    *f = (struct finding){.kind = FINDING_METRIC,
                          .rule = rule,
                          .position = record->position,
                          .time = record->time,
                          .received = record->received,
                          .episode_start = record->time,
                          .weight = 1,
                          .count = 1};
    f->group = members(e, arena, SV("labels."), &f->group_count);
    struct finding_field *fields = members(e, arena, SV("annotations."), &f->field_count);
    struct sv value = event_value(e, "value");
    if (value.n > 0)
        fields[f->field_count++] = (struct finding_field){SV("value"), value, FIELD_STRING};
    f->fields = fields;
    return f;
}

bool metric_record_read(const struct event *record, struct arena *arena, struct alert_change *ret)
{
    struct event e = {.time = {TC_NO_TIME}};
    if (json_parse_event(record->raw, arena, &e, NULL) != 0)
        return false;
    event_index(&e, arena);
    struct sv state = event_value(&e, "state");
    *ret = (struct alert_change){.firing = sv_is(state, "firing")};
    ret->finding = read_finding(record, &e, arena);
    return (ret->firing || sv_is(state, "resolved")) &&
           hash_unhex(event_value(&e, "identity"), ret->identity, sizeof ret->identity);
}
