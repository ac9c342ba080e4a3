/*
 * What the tests of correlations and of the detector share: a rule set made by hand, with a matcher of four
 * lines in place of the real one, so that these tests stand apart from the reading of Sigma. A "detection" of
 * this kit is a name: it holds for events whose field `kind` contains it ("ab" matches rules a and b).
 *
 * Include once, in the file that has main: it defines rule_matches and its like.
 */
#ifndef DETECT_CORR_TESTKIT_H
#define DETECT_CORR_TESTKIT_H

#include "base/hash.h"
#include "base/rng.h"
#include "detect/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KIT_SECOND TC_SECOND_NS
#define KIT_START  INT64_C(1700000000000000000)

struct detection {
    char letter;
};
struct match_scratch {
    int unused;
};

struct match_scratch *match_scratch_new(void)
{
    return tc_alloc(sizeof(struct match_scratch));
}
void match_scratch_free(struct match_scratch **scratch)
{
    free(*scratch);
    *scratch = NULL;
}
uint64_t match_scratch_limit_hits(const struct match_scratch *scratch)
{
    (void)scratch;
    return 0;
}
uint64_t match_scratch_work(const struct match_scratch *scratch)
{
    (void)scratch;
    return 0;
}
bool match_scratch_take_limited(struct match_scratch *scratch, uint32_t ordinal)
{
    (void)scratch;
    (void)ordinal;
    return false;
}
void match_scratch_forget(struct match_scratch *scratch)
{
    (void)scratch;
}
bool rule_applies(const struct rule *rule, const struct event *event)
{
    (void)rule;
    (void)event;
    return true;
}
bool rule_matches(const struct rule *rule, const struct event *event, struct match_scratch *scratch)
{
    struct sv kind = event_value(event, "kind");
    scratch->unused++;
    return sv_find_char(kind, rule->detection->letter) < kind.n;
}
enum severity rule_raised(const struct rule *rule, const struct event *event, struct match_scratch *scratch)
{
    (void)rule, (void)event, (void)scratch;
    return SEVERITY_NONE;
}
size_t rule_candidates(const struct ruleset *ruleset, const struct event *event,
                       struct match_scratch *scratch, const uint32_t **ret_ordinals)
{
    static _Thread_local uint32_t all[32];
    size_t n = 0;
    for (size_t i = 0; i < ruleset->count; i++)
        if (ruleset->rules[i].kind == RULE_DETECTION && rule_matches(&ruleset->rules[i], event, scratch))
            all[n++] = (uint32_t)i;
    *ret_ordinals = all;
    return n;
}

/* --- rules by hand
 * --------------------------------------------------------------------------------------------------- */

struct kit {
    struct arena arena;
    struct ruleset set;
    const struct event **events; /* in order of arrival */
    size_t event_count, event_capacity;
    struct arena found_arena;
    struct finding_list found;
    struct detector_options options;
    const char *source; /* of events made from now on */
};

static inline struct name_ref *kit_names(struct kit *kit, const char *const *names, size_t *ret_count)
{
    size_t count = 0;
    while (names != NULL && names[count] != NULL)
        count++;
    struct name_ref *refs = ARENA_ARRAY(&kit->arena, struct name_ref, count + 1);
    for (size_t i = 0; i < count; i++)
        refs[i] = (struct name_ref){sv_of(names[i]), event_name_hash(sv_of(names[i]))};
    *ret_count = count;
    return refs;
}

#define KIT_NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline struct rule *kit_rule(struct kit *kit, enum rule_kind kind, const char *id)
{
    if (kit->set.rules == NULL)
        kit->set.rules = ARENA_ARRAY(&kit->arena, struct rule, 32);
    tc_assert(kit->set.count < 32);
    struct rule *rule = &kit->set.rules[kit->set.count];
    rule->info.id = rule->info.title = sv_of(id);
    rule->info.ordinal = (uint32_t)kit->set.count++;
    rule->kind = kind;
    struct hash_128 hash = hash_128(sv_of(id));
    memcpy(rule->content, &hash, sizeof rule->content);
    return rule;
}

/* A rule that holds for events whose `kind` has the letter. Returns its ordinal. */
static inline uint32_t kit_detection(struct kit *kit, char letter)
{
    char id[2] = {letter, 0};
    struct rule *rule = kit_rule(kit, RULE_DETECTION, arena_str(&kit->arena, sv_of(id)));
    struct detection *detection = ARENA_NEW(&kit->arena, struct detection);
    detection->letter = letter;
    rule->detection = detection;
    rule->reads = kit_names(kit, KIT_NAMES("kind"), &rule->read_count);
    return rule->info.ordinal;
}

struct kit_correlation {
    const char *id;
    const uint32_t *rules;
    size_t rule_count;
    const char *const *group_by, *const *fields; /* fields: value_count */
    int64_t timespan_s;
    struct corr_test tests[3];
    size_t test_count;
    bool generate;
    enum corr_type type;        /* temporal types; else fields say which */
    const char *const *lookups; /* aliases: names of group_by and fields for each rule, one after another */
};

static inline uint32_t kit_correlation(struct kit *kit, const struct kit_correlation *wish)
{
    struct rule *rule = kit_rule(kit, RULE_CORRELATION, wish->id);
    struct correlation *c = ARENA_NEW(&kit->arena, struct correlation);
    struct corr_test *tests = ARENA_ARRAY(&kit->arena, struct corr_test, 3);
    uint32_t *rules = ARENA_ARRAY(&kit->arena, uint32_t, wish->rule_count);
    memcpy(tests, wish->tests, sizeof wish->tests);
    memcpy(rules, wish->rules, wish->rule_count * sizeof rules[0]);
    c->type = wish->type != CORR_EVENT_COUNT ? wish->type
              : wish->fields == NULL         ? CORR_EVENT_COUNT
                                             : CORR_VALUE_COUNT;
    c->rules = rules;
    c->rule_count = wish->rule_count;
    c->group_by = kit_names(kit, wish->group_by, &c->group_count);
    c->fields = kit_names(kit, wish->fields, &c->field_count);
    c->timespan_ns = wish->timespan_s * KIT_SECOND;
    c->tests = tests;
    c->test_count = wish->test_count;
    c->generate = wish->generate;
    if (wish->lookups != NULL)
        c->lookups = kit_names(kit, wish->lookups, &(size_t){0});
    if (wish->test_count == 0) { /* temporal: all rules */
        tests[0] = (struct corr_test){CORR_GTE, (int64_t)wish->rule_count};
        c->test_count = 1;
    }
    rule->correlation = c;
    rule->reads = c->group_by;
    rule->read_count = c->group_count;
    for (size_t i = 0; i < wish->rule_count; i++) {
        struct rule *to = &kit->set.rules[wish->rules[i]];
        uint32_t *used_by = ARENA_ARRAY(&kit->arena, uint32_t, to->used_by_count + 1);
        uint32_t *steps = ARENA_ARRAY(&kit->arena, uint32_t, to->used_by_count + 1);
        if (to->used_by_count > 0) {
            memcpy(used_by, to->used_by, to->used_by_count * sizeof used_by[0]);
            memcpy(steps, to->steps, to->used_by_count * sizeof steps[0]);
        }
        steps[to->used_by_count] = (uint32_t)i;
        used_by[to->used_by_count++] = rule->info.ordinal;
        to->used_by = used_by;
        to->steps = steps;
        if (to->correlation != NULL)
            c->layer = TC_MAX(c->layer, to->correlation->layer + 1);
        to->silent |= !wish->generate;
    }
    return rule->info.ordinal;
}

/* --- events by hand
 * -------------------------------------------------------------------------------------------------- */

/* `fields`: name, value, name, value …, NULL. A value of NULL is JSON's null. time_s TC_NO_TIME: none. */
static inline struct event *kit_event_at(struct kit *kit, int64_t time_ns, const char *const *fields)
{
    struct event *event = ARENA_NEW(&kit->arena, struct event);
    event->position = kit->event_count + 1;
    event->type = REC_EVENT;
    event->repeat = 1;
    event->time.ns = time_ns;
    event->received.ns = time_ns == TC_NO_TIME ? KIT_START : time_ns;
    event->source = sv_of(kit->source == NULL ? "test" : kit->source);
    event->fields = ARENA_ARRAY(&kit->arena, struct field, 8);
    for (size_t i = 0; fields[i] != NULL; i += 2) {
        struct field *f = &event->fields[event->field_count++];
        f->name = f->exact = sv_of(fields[i]);
        f->value = sv_of(fields[i + 1]);
        f->type = fields[i + 1] == NULL ? FIELD_NULL : FIELD_STRING;
        f->name_hash = event_name_hash(f->name);
    }
    event_index(event, &kit->arena);
    if (kit->event_count == kit->event_capacity) {
        kit->event_capacity = TC_MAX(kit->event_capacity * 2, (size_t)64);
        kit->events = tc_realloc(kit->events, kit->event_capacity * sizeof kit->events[0]);
    }
    kit->events[kit->event_count++] = event;
    return event;
}

#define KIT_EVENT(kit, second, ...)                                                                          \
    kit_event_at((kit), KIT_START + (int64_t)(second)*KIT_SECOND, ((const char *const[]){__VA_ARGS__, NULL}))

/* --- judging
 * ---------------------------------------------------------------------------------------------------------
 */

/* All events in one call, then the end of the input. */
static inline struct detector_stats kit_judge(struct kit *kit)
{
    struct detector_stats stats;
    struct detector *detector = detector_new(&kit->set, &kit->options);
    kit->found = (struct finding_list){.arena = &kit->found_arena};
    detector_judge(detector, kit->events, kit->event_count, &kit->found);
    detector_finish(detector, &kit->found);
    detector_stats(detector, &stats);
    detector_free(&detector);
    return stats;
}

static inline void kit_clear_events(struct kit *kit)
{
    kit->event_count = 0;
    arena_reset(&kit->found_arena);
}

static inline void kit_free(struct kit *kit)
{
    free(kit->events);
    arena_free(&kit->arena);
    arena_free(&kit->found_arena);
    *kit = (struct kit){0};
}

static inline void kit_print_fields(struct buf *out, const char *what, const struct finding_field *fields,
                                    size_t count)
{
    buf_printf(out, " %s{", what);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%.*s=%.*s(%u) ", SV_FMT(fields[i].name), SV_FMT(fields[i].value), fields[i].type);
    buf_char(out, '}');
}

/* All of a finding as text, for comparing runs byte for byte. */
static inline void kit_print(struct buf *out, const struct finding_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct finding *f = &list->items[i];
        buf_printf(out,
                   "%llu %.*s #%u kind%d %s time %lld start %lld received %lld weight %u count %u event %d",
                   (unsigned long long)f->position, SV_FMT(f->rule->id), f->ordinal, f->kind,
                   f->repeat ? "repeat" : "first", (long long)f->time.ns, (long long)f->episode_start.ns,
                   (long long)f->received.ns, f->weight, f->count, f->event != NULL);
        kit_print_fields(out, "group", f->group, f->group_count);
        kit_print_fields(out, "fields", f->fields, f->field_count);
        buf_char(out, '\n');
    }
}

/* Seconds at which the rule fired anew, as text: "60 120". */
static inline const char *kit_fired(struct kit *kit, uint32_t rule)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < kit->found.count; i++) {
        const struct finding *f = &kit->found.items[i];
        if (f->rule->ordinal == rule && !f->repeat)
            buf_printf(&out, "%s%lld", out.n > 0 ? " " : "",
                       (long long)((f->time.ns - KIT_START) / KIT_SECOND));
    }
    const char *text = arena_str(&kit->arena, buf_view(&out));
    buf_free(&out);
    return text;
}

static inline size_t kit_repeats(const struct kit *kit, uint32_t rule)
{
    size_t count = 0;
    for (size_t i = 0; i < kit->found.count; i++)
        count += kit->found.items[i].rule->ordinal == rule && kit->found.items[i].repeat;
    return count;
}

#endif
