/*
 * Measures correlations alone: events that are parsed already into one detector, on one thread.
 *   build/bench/corr_bench count | distinct | groups [EVENTS]
 *
 * count      event_count over 10,000 users, 5 minutes: every event is a hit
 * distinct   value_count of one group with 100,000 distinct values in each window
 * groups     event_count with as many groups as events, all of them live: bytes a group, and bytes a time
 * when each has come twenty times more Prints one line of JSON: events, CPU seconds, findings, groups,
 * resident bytes before and after.
 */
#include "bench.h"

#include "base/buf.h"
#include "detect/detect.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1024, FIELDS = 2, ROUNDS_OF_TIMES = 20 };

struct workload {
    const char *name;
    const char *correlation; /* what stands under `correlation:` */
    uint64_t users, addresses;
    int64_t step_ns; /* from event to event */
    size_t events;
};

static const struct workload workloads[] = {
    {"count", "type: event_count, rules: [a], group-by: [user], timespan: 5m, condition: {gte: 100000}",
     10000, 1, TC_SECOND_NS / 1000, 4000000},
    {"distinct",
     "type: value_count, rules: [a], group-by: [host], timespan: 100s, condition: {gte: 1000000, field: "
     "user}",
     100000, 1, TC_SECOND_NS / 1000, 2000000},
    {"groups", "type: event_count, rules: [a], group-by: [user], timespan: 30d, condition: {gte: 100000}",
     UINT64_MAX, 1, 1000, 1000000},
};

static struct ruleset *rules_of(const struct workload *w)
{
    struct ruleset *set;
    struct err err = {0};
    char text[1024];
    int n = snprintf(
        text, sizeof text,
        "title: a\nid: a\nlogsource: {product: x}\ndetection: {s: {kind: login}, condition: s}\n---\n"
        "title: b\nid: b\ncorrelation: {%s}\n",
        w->correlation);
    struct rule_source source = {.path = SV("bench.yml"), .bytes = sv_make(text, (size_t)n)};
    if (ruleset_new(&source, 1, &set, &err) != 0 || ruleset_count(set) != 2) {
        fprintf(stderr, "%s: %s\n", w->name,
                ruleset_note_count(set) > 0 ? ruleset_note(set, 0)->err.text : err.text);
        exit(3);
    }
    return set;
}

struct maker { /* of a batch of events, made anew for each */
    struct arena arena;
    struct event events[BATCH];
    const struct event *list[BATCH];
};

static void add_field(struct field *field, struct sv name, struct sv value)
{
    *field = (struct field){.name = name, .exact = name, .value = value, .name_hash = event_name_hash(name)};
}

static void make_batch(struct maker *m, const struct workload *w, uint64_t first, uint64_t users)
{
    arena_reset(&m->arena);
    for (uint64_t i = 0; i < BATCH; i++) {
        uint64_t at = first + i;
        struct event *e = &m->events[i];
        *e = (struct event){.position = at + 1, .repeat = 1, .source = SV("bench")};
        e->time.ns = INT64_C(1700000000) * TC_SECOND_NS + (int64_t)at * w->step_ns;
        e->received.ns = e->time.ns;
        e->fields = ARENA_ARRAY(&m->arena, struct field, FIELDS + 1);
        e->field_count = FIELDS + 1;
        add_field(&e->fields[0], SV("kind"), SV("login"));
        add_field(&e->fields[1], SV("user"),
                  arena_printf(&m->arena, "user%llu", (unsigned long long)(at % users)));
        add_field(&e->fields[2], SV("host"), SV("h"));
        event_index(e, &m->arena);
        m->list[i] = e;
    }
}

/* CPU seconds of the detector alone. */
static double judge(struct maker *m, struct detector *detector, const struct workload *w, uint64_t first,
                    size_t events, uint64_t users)
{
    struct arena found_arena = {0};
    double spent = 0;
    for (uint64_t at = first; at < first + events; at += BATCH) {
        struct finding_list found = {.arena = &found_arena};
        make_batch(m, w, at, users);
        double start = seconds(CLOCK_PROCESS_CPUTIME_ID);
        detector_judge(detector, m->list, BATCH, &found);
        spent += seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        arena_reset(&found_arena);
    }
    arena_free(&found_arena);
    return spent;
}

int main(int count, char **arguments)
{
    const struct workload *w = NULL;
    for (size_t i = 0; count >= 2 && i < TC_ARRAY_LEN(workloads); i++)
        if (strcmp(arguments[1], workloads[i].name) == 0)
            w = &workloads[i];
    if (w == NULL) {
        fprintf(stderr, "usage: corr_bench count|distinct|groups [EVENTS]\n");
        return 2;
    }
    size_t events = count > 2 ? strtoul(arguments[2], NULL, 10) : w->events;
    uint64_t users = TC_MIN(w->users, (uint64_t)events);
    struct ruleset *set = rules_of(w);
    struct detector_options options = {.max_groups = 4 * events, .max_group_entries = 1 << 20};
    struct detector *detector = detector_new(set, &options);
    struct maker *maker = tc_alloc(sizeof *maker);
    struct detector_stats stats;
    make_batch(maker, w, 0, users);
    size_t before = resident_bytes();
    double spent = judge(maker, detector, w, 0, events, users);
    size_t after = resident_bytes(), later = 0;
    if (w->users == UINT64_MAX) {
        judge(maker, detector, w, events, events * ROUNDS_OF_TIMES, users);
        later = resident_bytes();
    }
    detector_stats(detector, &stats);
    printf("{\"workload\": \"%s\", \"events\": %zu, \"cpu_s\": %.3f, \"findings\": %llu, \"groups\": %llu, "
           "\"bytes\": %zu, "
           "\"times\": %zu, \"bytes_of_times\": %zu}\n",
           w->name, events, spent, (unsigned long long)stats.findings, (unsigned long long)stats.groups,
           after - before, later > 0 ? events * ROUNDS_OF_TIMES : (size_t)0,
           later > 0 ? later - after : (size_t)0);
    detector_free(&detector);
    ruleset_free(&set);
    arena_free(&maker->arena);
    free(maker);
    return 0;
}
