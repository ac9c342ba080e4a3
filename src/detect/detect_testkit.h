/*
 * What the tests of this room share: a rule set from YAML text, an event from JSON text, one question to
 * both. Everything lives in the kit; kit_free ends it.
 */
#ifndef DETECT_TESTKIT_H
#define DETECT_TESTKIT_H

#include "detect/ruleset.h"
#include "event/json.h"

#include <stdio.h>
#include <stdlib.h>

struct kit {
    struct arena arena;
    struct ruleset *set;
    struct match_scratch *scratch;
};

static inline void kit_load(struct kit *kit, const char *yaml)
{
    struct rule_source source = {.path = SV("test.yml"), .bytes = sv_of(yaml)};
    struct err err;
    ruleset_free(&kit->set);
    tc_assert(ruleset_new(&source, 1, &kit->set, &err) == 0);
    if (kit->scratch == NULL)
        kit->scratch = match_scratch_new();
}

static inline void kit_free(struct kit *kit) /* may be used again */
{
    ruleset_free(&kit->set);
    match_scratch_free(&kit->scratch);
    arena_free(&kit->arena);
}

static inline struct event kit_event(struct kit *kit, const char *json)
{
    static _Thread_local uint64_t position;
    struct err err = {0};
    struct event event = {.position = ++position, .type = REC_EVENT, .repeat = 1};
    event.raw = arena_sv(&kit->arena, sv_of(json));
    if (json_parse_event(event.raw, &kit->arena, &event, &err) != 0) {
        fprintf(stderr, "%s: %s\n", json, err.text);
        abort();
    }
    event_index(&event, &kit->arena);
    return event;
}

/* The construct of the first refusal, or "" where there is none. */
static inline const char *kit_refusal(const struct kit *kit)
{
    for (size_t i = 0; i < ruleset_note_count(kit->set); i++)
        if (ruleset_note(kit->set, i)->verdict == RULE_REFUSED)
            return ruleset_note(kit->set, i)->construct;
    return "";
}

static inline void kit_show_notes(const struct kit *kit)
{
    char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX];
    for (size_t i = 0; i < ruleset_note_count(kit->set); i++)
        if (ruleset_note(kit->set, i)->verdict == RULE_REFUSED)
            fprintf(stderr, "refused: %s\n", err_format(&ruleset_note(kit->set, i)->err, text, sizeof text));
}

/* Wraps a `detection:` map (its lines indented by four spaces) in a rule. */
static inline void kit_detection(struct kit *kit, const char *detection)
{
    struct sv yaml =
        arena_printf(&kit->arena, "title: t\nid: i\nlogsource: {product: any}\ndetection:\n%s", detection);
    kit_load(kit, yaml.p);
}

/* Does the only rule of the kit match? Aborts with the reason where it did not load. */
static inline bool kit_matches(struct kit *kit, const char *json)
{
    struct event event = kit_event(kit, json);
    if (kit->set->count != 1) {
        kit_show_notes(kit);
        abort();
    }
    return rule_matches(&kit->set->rules[0], &event, kit->scratch);
}

/* A rule of one selection of one line, such as "a|contains: b". */
static inline bool kit_line(struct kit *kit, const char *line, const char *json)
{
    struct sv detection = arena_printf(&kit->arena, "    s:\n        %s\n    condition: s\n", line);
    kit_detection(kit, detection.p);
    return kit_matches(kit, json);
}

static inline const char *kit_line_refusal(struct kit *kit, const char *line)
{
    struct sv detection = arena_printf(&kit->arena, "    s:\n        %s\n    condition: s\n", line);
    kit_detection(kit, detection.p);
    return kit_refusal(kit);
}

#endif
