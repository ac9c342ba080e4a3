/*
 * A drill (ledger I-02): an alert that a person asks for, told and escalated as any other of its priority,
 * and marked as a drill in its title and in every message. Each is one of its own, so that a drill never
 * counts on the one before.
 */
#include "app/core_priv.h"

static const struct sv drill_actions[] = {
    {"This is a drill: acknowledge it, and say whether you got this message", 69},
};

#define DRILL_RULE(word, priority)                                                                           \
    {                                                                                                        \
        .id = {"tocsin-drill", 12}, .name = {"drill", 5}, .title = {"DRILL", 5},                             \
        .level = {word, sizeof word - 1}, .severity = priority, .notify_count = 1,                           \
        .description = {"This is a drill. Nothing is wrong; the way that alerts take is tried.", 69},        \
        .actions = drill_actions, .action_count = TC_ARRAY_LEN(drill_actions)                                \
    }

static const struct rule_info rules[] = {
    [SEVERITY_P1] = DRILL_RULE("critical", SEVERITY_P1),
    [SEVERITY_P2] = DRILL_RULE("high", SEVERITY_P2),
    [SEVERITY_P3] = DRILL_RULE("medium", SEVERITY_P3),
    [SEVERITY_P4] = DRILL_RULE("low", SEVERITY_P4),
};

int drill_finding(const struct event *record, const struct alert_command *command, struct finding_list *out,
                  struct err *err)
{
    enum severity severity = command->what.n == 0 ? SEVERITY_P1 : severity_of(command->what);
    if (severity == SEVERITY_NONE)
        return err_set(err, TC_EINPUT, "\"what\" is the drill's priority, P1 to P4 (it is \"%.*s\")",
                       SV_FMT(sv_head(command->what, 32)));
    struct finding_field *group = ARENA_ARRAY(out->arena, struct finding_field, 2);
    struct sv by = arena_sv(out->arena, sv_head(command->by, 100));
    group[0] = (struct finding_field){
        SV("drill"), arena_printf(out->arena, "%llu", (unsigned long long)record->position), FIELD_STRING};
    group[1] = (struct finding_field){SV("asked_by"), by, FIELD_STRING};
    *finding_add(out) = (struct finding){.kind = FINDING_CORRELATION,
                                         .rule = &rules[severity],
                                         .position = record->position,
                                         .time = {record->received.ns},
                                         .received = record->received,
                                         .episode_start = {record->received.ns},
                                         .weight = 1,
                                         .count = 1,
                                         .group = group,
                                         .group_count = 2};
    return 0;
}
