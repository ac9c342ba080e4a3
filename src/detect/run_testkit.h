/*
 * What the tests of rules with a memory share: a detector over the rules of a kit, and events that it is
 * given one by one. run_end ends all of it.
 */
#ifndef DETECT_RUN_TESTKIT_H
#define DETECT_RUN_TESTKIT_H

#include "detect/detect_testkit.h"

struct run {
    struct kit kit;
    struct detector *detector;
    struct finding_list found; /* all since the beginning */
    size_t fired;              /* of them, those that are no repeats */
};

static inline void run_begin(struct run *run, const char *yaml, const struct detector_options *options)
{
    *run = (struct run){0};
    kit_load(&run->kit, yaml);
    kit_show_notes(&run->kit);
    run->detector = detector_new(run->kit.set, options);
    run->found = (struct finding_list){.arena = &run->kit.arena};
}

static inline void run_end(struct run *run)
{
    detector_free(&run->detector);
    kit_free(&run->kit);
}

static inline struct event *run_event(struct run *run, int64_t second, const char *json)
{
    struct event *event = ARENA_NEW(&run->kit.arena, struct event);
    *event = kit_event(&run->kit, json);
    event->time.ns = second * TC_SECOND_NS;
    event->source = SV("test");
    return event;
}

/* How many findings this event brings about. */
static inline size_t run_judge(struct run *run, const struct event *event)
{
    size_t before = run->found.count;
    detector_judge(run->detector, &event, 1, &run->found);
    for (size_t i = before; i < run->found.count; i++)
        run->fired += !run->found.items[i].repeat;
    return run->found.count - before;
}

#endif
