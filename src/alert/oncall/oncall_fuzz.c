/*
 * Files of people and policies, and calendars, from strangers: what is read can be asked at any time, and
 * what is written as a calendar can be read.
 *
 * The first byte chooses: even, the rest is a file; odd, it is a calendar.
 */
#include "alert/oncall/oncall.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool give(void *context, struct sv path, struct sv *ret)
{
    (void)path;
    *ret = *(struct sv *)context;
    return true;
}

static bool check_shift(void *context, const struct oncall_shift *shift)
{
    int64_t *end_ns = context;
    tc_assert(shift->from_ns < shift->to_ns && (*end_ns == 0 || *end_ns == shift->from_ns));
    *end_ns = shift->to_ns;
    return true;
}

static void ask(const struct oncall *oncall)
{
    const int64_t day_ns = INT64_C(86400) * TC_SECOND_NS, from_ns = INT64_C(20500) * day_ns; /* 2026 */
    struct oncall_targets *targets = tc_alloc(sizeof *targets);
    struct alert_ladder ladders[SEVERITY_P4 + 1];
    oncall_ladders(oncall, ladders);
    for (size_t i = 0; i < oncall->schedule_count && i < 4; i++) {
        int64_t end_ns = 0;
        oncall_each_shift(&oncall->schedules[i], NULL, from_ns, from_ns + 20 * day_ns, check_shift, &end_ns);
        tc_assert(end_ns == from_ns + 20 * day_ns);
    }
    for (int severity = SEVERITY_P1; severity <= SEVERITY_P4; severity++) {
        const struct oncall_step *step = oncall_step_at(oncall, (enum severity)severity, 1);
        if (step != NULL)
            oncall_resolve(oncall, NULL, step, NULL, 0, from_ns, targets);
    }
    free(targets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char file[] =
        "people: {a: {}, b: {name: B}}\nschedules: {s: {timezone: Europe/Berlin, ical: x}}\n";
    struct oncall *oncall;
    struct err err;
    if (size == 0)
        return 0;
    struct sv rest = sv_make((const char *)data + 1, size - 1), none = SV("BEGIN:VCALENDAR\n");
    bool is_calendar = data[0] % 2 == 1;
    if (oncall_read("f", is_calendar ? sv_of(file) : rest, give, is_calendar ? &rest : &none, &oncall,
                    &err) == 0)
        ask(oncall);
    oncall_free(&oncall);
    return 0;
}
