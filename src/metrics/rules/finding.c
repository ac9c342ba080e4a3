/*
 * From a change of an alert to a finding, which is all that alert/ knows of rules.
 */
#include "metrics/rules/engine_priv.h"

#include "base/go_text.h"

static struct sv label_of(const struct label *items, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (sv_is(items[i].name, name))
            return items[i].value;
    return SV("");
}

static enum severity severity_of_level(struct sv level)
{
    enum severity severity = severity_of(level);
    return severity == SEVERITY_NONE ? severity_of(SV("")) : severity;
}

void rule_info_fill(struct arena *arena, const struct group_state *group, size_t rule, uint64_t before,
                    uint32_t ordinal, struct rule_info *ret)
{
    const struct rule *r = &group->group->rules[rule];
    struct sv id = arena_printf(arena, "prometheus:%.*s/%.*s", SV_FMT(group->group->name), SV_FMT(r->name));
    if (before > 0)
        id = arena_printf(arena, "%.*s#%llu", SV_FMT(id), (unsigned long long)before + 1);
    struct sv level = label_of(r->labels, r->label_count, "severity");
    *ret = (struct rule_info){.id = id,
                              .name = r->name,
                              .title = r->name,
                              .level = level,
                              .severity = severity_of_level(level),
                              .file = group->file,
                              .line = r->line,
                              .ordinal = ordinal};
}

/* The rule as this instance has it: its labels and annotations may be templates. */
static const struct rule_info *instance_info(struct arena *arena, const struct rule_alert_view *alert)
{
    struct rule_info *info = ARENA_NEW(arena, struct rule_info);
    *info = *alert->info;
    info->level = arena_sv(
        arena, alert->level.n > 0 ? alert->level : label_of(alert->labels, alert->label_count, "severity"));
    info->severity = severity_of_level(info->level);
    info->description = arena_sv(arena, label_of(alert->annotations, alert->annotation_count, "description"));
    info->runbook = arena_sv(arena, label_of(alert->annotations, alert->annotation_count, "runbook_url"));
    info->owner = arena_sv(arena, label_of(alert->labels, alert->label_count, "team"));
    return info;
}

static struct finding_field *copy_fields(struct arena *arena, const struct label *items, size_t count,
                                         size_t room)
{
    struct finding_field *fields = ARENA_ARRAY(arena, struct finding_field, count + room + 1);
    for (size_t i = 0; i < count; i++)
        fields[i] = (struct finding_field){arena_sv(arena, items[i].name), arena_sv(arena, items[i].value),
                                           FIELD_STRING};
    return fields;
}

bool rule_change_finding(const struct rule_change *change, uint64_t position, struct finding_list *out)
{
    const struct rule_alert_view *alert = &change->alert;
    struct buf value;
    if (change->kind != RULE_CHANGE_FIRING && change->kind != RULE_CHANGE_GOES_ON)
        return false;
    struct finding *f = finding_add(out);
    f->kind = FINDING_METRIC;
    f->repeat = change->kind == RULE_CHANGE_GOES_ON;
    f->rule = instance_info(out->arena, alert);
    f->position = position;
    f->time.ns = f->received.ns = change->time_ns;
    f->episode_start.ns = alert->fired_at_ns;
    f->weight = f->count = 1;
    f->group = copy_fields(out->arena, alert->labels, alert->label_count, 0);
    f->group_count = alert->label_count;
    struct finding_field *fields = copy_fields(out->arena, alert->annotations, alert->annotation_count, 1);
    buf_init(&value, 64);
    go_float_g(&value, alert->value);
    fields[alert->annotation_count] =
        (struct finding_field){SV("value"), arena_sv(out->arena, buf_view(&value)), FIELD_NUMBER};
    buf_free(&value);
    f->fields = fields;
    f->field_count = alert->annotation_count + 1;
    return true;
}
