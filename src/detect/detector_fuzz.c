/*
 * Fuzzes detector_load: saved windows come from disk and may be anything. What is taken must be state that
 * the detector can go on with, and that saves to bytes that load again.
 */
#include "detect/detect.h"

#include "event/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "title: a\nid: a\nname: a\nlogsource: {category: x}\ndetection:\n  s:\n    k: v\n"
    "  condition: s\n"
    "---\ntitle: b\nid: b\ncorrelation:\n  type: event_count\n  rules: [a]\n"
    "  group-by: [u]\n  timespan: 10s\n  condition:\n    gte: 3\n"
    "---\ntitle: c\nid: c\ncorrelation:\n  type: value_count\n  rules: [a]\n"
    "  timespan: 10s\n  condition:\n    field: u\n    gte: 3\n"
    "---\ntitle: d\nid: d\ncorrelation:\n  type: event_count\n  rules: [a]\n"
    "  group-by: [u]\n  timespan: 10s\n  condition:\n    lt: 3\n"
    "---\ntitle: e\nid: e\nlogsource: {category: x}\ndetection:\n  s:\n    k: w\n"
    "  condition: s\n"
    "---\ntitle: f\nid: f\ncorrelation:\n  type: temporal_ordered\n"
    "  rules: [e, a]\n  group-by: [u]\n  timespan: 10s\n"
    "---\ntitle: g\nid: g\ncorrelation:\n  type: temporal\n  rules: [a, e]\n"
    "  group-by: [z]\n  timespan: 10s\n  aliases: {z: {a: u, e: k}}\n"
    "---\ntitle: h\nid: h\ncorrelation:\n  type: temporal_ordered\n"
    "  rules: [f, b]\n  timespan: 10s\n"
    "---\ntitle: i\nid: i\nlogsource: {category: x}\ndetection:\n  s:\n    k: v\n"
    "  condition: s\ntocsin: {owner: o, runbook: r, absence: {group-by: [u], timespan: 10s}}\n"
    "---\ntitle: j\nid: j\nlogsource: {category: x}\ndetection:\n  s:\n    k: v\n"
    "  condition: s\ntocsin: {owner: o, runbook: r, new_value: {field: w, group-by: [u], timespan: 10s}}\n"
    "---\ntitle: k\nid: k\ncorrelation:\n  type: value_median\n  rules: [a]\n"
    "  group-by: [u]\n  timespan: 10s\n  condition:\n    gte: 2\n    field: w\n"
    "---\ntitle: l\nid: l\ncorrelation:\n  type: value_sum\n  rules: [a]\n"
    "  group-by: [u]\n  timespan: 10s\n  condition:\n    lt: 2\n    field: w\n"
    "---\ntitle: m\nid: m\nlogsource: {category: x}\ndetection:\n  s:\n    k: v\n"
    "  condition: s\ntocsin: {owner: o, runbook: r, travel: {group-by: [u], place: g, timespan: 10s}}\n"
    "---\ntitle: n\nid: n\nlogsource: {category: x}\ndetection:\n  s:\n    k: v\n"
    "  condition: s\ntocsin: {owner: o, runbook: r, baseline: {group-by: [u], bucket: 1m, season: none, "
    "learn: 2m, history: 1h, least: 0}}\n";

static const struct ruleset *ruleset(void)
{
    static struct ruleset *set;
    struct rule_source source = {.path = SV("fuzz.yml"), .bytes = sv_of(rules)};
    struct err err;
    if (set == NULL)
        tc_assert(ruleset_new(&source, 1, &set, &err) == 0 && ruleset_count(set) == 14);
    return set;
}

static void judge(struct detector *detector, struct arena *arena)
{
    struct finding_list findings = {.arena = arena};
    for (int i = 0; i < 8; i++) {
        struct event event = {.position = 1000 + (uint64_t)i, .type = REC_EVENT, .repeat = 1};
        struct err err;
        event.raw = arena_printf(
            arena, "{\"k\":\"%c\",\"u\":\"%d\",\"w\":%d,\"g.location.lat\":%d,\"g.location.lon\":0}",
            "vwv"[i % 3], i % 2, i, i * 10);
        event.source = SV("s");
        tc_assert(json_parse_event(event.raw, arena, &event, &err) == 0);
        event_index(&event, arena);
        event.time.ns = i * TC_SECOND_NS;
        const struct event *one = &event;
        detector_judge(detector, &one, 1, &findings);
    }
    detector_finish(detector, &findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct detector_options options = {
        .lateness_ns = 3 * TC_SECOND_NS, .max_groups = 256, .max_group_entries = 16};
    struct detector *detector = detector_new(ruleset(), &options);
    struct arena arena = {0};
    struct buf saved;
    struct err err;
    buf_init(&saved, 1 << 24);
    if (detector_load(detector, sv_make((const char *)data, size), &err) == 0) {
        detector_save(detector, &saved);
        tc_assert(detector_load(detector, buf_view(&saved), &err) == 0);
    }
    judge(detector, &arena);
    buf_free(&saved);
    arena_free(&arena);
    detector_free(&detector);
    return 0;
}
