/*
 * Who is on call, which silences hold, what incidents there are, for whoever asks the running core; see
 * core.h. The answer is computed under oncall_lock: what it takes is bounded by the question's bounds.
 */
#include "app/core_priv.h"

#include "base/json_out.h"

#include <stdlib.h>

enum { SHIFTS_MAX = 10 * 1000 };
#define RANGE_MAX_NS (366 * 24 * INT64_C(3600) * TC_SECOND_NS)

struct writing {
    const struct oncall *oncall;
    const struct oncall_schedule *schedule;
    struct json_out *json;
    size_t count;
};

static bool write_shift(void *context, const struct oncall_shift *shift)
{
    struct writing *w = context;
    const struct oncall_person *person = oncall_person(w->oncall, shift->person);
    json_object(w->json);
    json_kv_string(w->json, "schedule", w->schedule->name);
    json_kv_time(w->json, "from", shift->from_ns);
    json_kv_time(w->json, "to", shift->to_ns);
    json_kv_string(w->json, "person", shift->person);
    json_kv_string(w->json, "name", person == NULL ? shift->person : person->name);
    json_kv_string(w->json, "layer", shift->layer);
    json_kv_u64(w->json, "override", shift->override == NULL ? 0 : shift->override->number);
    json_object_end(w->json);
    return ++w->count < SHIFTS_MAX;
}

static void write_schedule(struct core *core, const struct oncall_schedule *schedule,
                           const struct core_oncall_question *q, struct json_out *json, size_t *count)
{
    struct writing w = {core->oncall, schedule, json, *count};
    struct oncall_shift shift;
    if (q->from_ns == q->to_ns) {
        oncall_who(schedule, &core->overrides, q->from_ns, &shift);
        write_shift(&w, &shift);
    } else {
        oncall_each_shift(schedule, &core->overrides, q->from_ns, q->to_ns, write_shift, &w);
    }
    *count = w.count;
}

static int answer(struct core *core, const struct core_oncall_question *q, struct buf *out, struct err *err)
{
    const struct oncall_schedule *named = oncall_schedule(core->oncall, q->schedule);
    if ((q->schedule.n > 0 || q->as_calendar) && named == NULL)
        return err_set(err, TC_ENOTFOUND, "there is no schedule \"%.*s\"", SV_FMT(sv_head(q->schedule, 64)));
    if (q->to_ns < q->from_ns || q->to_ns - q->from_ns > RANGE_MAX_NS)
        return err_set(err, TC_EINPUT, "a range of at most 366 days is expected");
    if (q->as_calendar) {
        oncall_ical_write(core->oncall, named, &core->overrides, q->from_ns, q->to_ns, q->from_ns, out);
        return 0;
    }
    struct json_out json = json_out_to(out);
    size_t count = 0;
    json_array(&json);
    for (size_t i = 0; i < core->oncall->schedule_count && count < SHIFTS_MAX; i++)
        if (named == NULL || named == &core->oncall->schedules[i])
            write_schedule(core, &core->oncall->schedules[i], q, &json, &count);
    json_array_end(&json);
    return 0;
}

int core_oncall(struct core *core, const struct core_oncall_question *question, struct buf *out,
                struct err *err)
{
    pthread_mutex_lock(&core->oncall_lock);
    int rc = answer(core, question, out, err);
    pthread_mutex_unlock(&core->oncall_lock);
    return rc;
}

void core_holds(struct core *core, struct holds *ret)
{
    pthread_mutex_lock(&core->oncall_lock);
    *ret = (struct holds){.items = tc_alloc((core->holds.count + 1) * sizeof ret->items[0]),
                          .count = core->holds.count};
    if (ret->count > 0)
        memcpy(ret->items, core->holds.items, ret->count * sizeof ret->items[0]);
    pthread_mutex_unlock(&core->oncall_lock);
}

void core_overrides_json(struct core *core, struct buf *out)
{
    pthread_mutex_lock(&core->oncall_lock);
    buf_char(out, '[');
    for (size_t i = 0; i < core->overrides.count; i++) {
        buf_str(out, i == 0 ? "" : ",");
        oncall_override_json(&core->overrides.items[i], out);
    }
    buf_char(out, ']');
    pthread_mutex_unlock(&core->oncall_lock);
}

void core_show_silences(struct core *core, int64_t now_ns)
{
    pthread_mutex_lock(&core->oncall_lock);
    buf_clear(&core->silences_shown);
    silence_list_json(core->book, now_ns, &core->silences_shown);
    core->silences_mono_ns = clk_monotonic_ns(core->options.clk);
    pthread_mutex_unlock(&core->oncall_lock);
}

void core_silences_json(struct core *core, struct buf *out)
{
    pthread_mutex_lock(&core->oncall_lock);
    buf_sv(out, buf_view(&core->silences_shown));
    pthread_mutex_unlock(&core->oncall_lock);
}

static void all_incidents(const struct incidents *incidents, struct buf *out)
{
    buf_char(out, '[');
    for (size_t i = 0; i < incidents->count; i++) {
        buf_str(out, i == 0 ? "" : ",");
        incident_to_json(incidents->items[i], out);
    }
    buf_char(out, ']');
}

int core_incidents(struct core *core, struct sv number, bool markdown, struct buf *out, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&core->oncall_lock);
    const struct incident *one = incident_find(&core->incidents, number);
    if (number.n == 0)
        all_incidents(&core->incidents, out);
    else if (one == NULL)
        rc = err_set(err, TC_ENOTFOUND, "there is no incident %.*s", SV_FMT(sv_head(number, 16)));
    else if (markdown)
        incident_to_markdown(one, out);
    else
        incident_to_json(one, out);
    pthread_mutex_unlock(&core->oncall_lock);
    return rc;
}

/* --- why, and what comes next */

static void explain_step(struct core *core, const struct alert *alert, struct buf *out)
{
    const struct oncall_step *step =
        oncall_step_at(core->oncall, alert->severity, alert->escalation_step + 1);
    struct oncall_targets *targets = tc_alloc(sizeof *targets);
    char due[TC_RFC3339_MAX];
    clk_rfc3339(alert->escalation_next_ns, due);
    buf_printf(out, "; step %u is due at %s and tells", alert->escalation_step + 1, due);
    if (step != NULL)
        oncall_resolve(core->oncall, &core->overrides, step, core->options.channels,
                       core->options.channel_count, alert->escalation_next_ns, targets);
    for (size_t i = 0; i < targets->count; i++)
        buf_printf(out, "%s %.*s%s%.*s (%.*s)", i == 0 ? "" : ",", SV_FMT(targets->items[i].channel),
                   targets->items[i].person.n > 0 ? " to " : "", SV_FMT(targets->items[i].person),
                   SV_FMT(targets->items[i].why));
    if (targets->count == 0)
        buf_str(out, " the channels of its priority, because nobody else is named");
    free(targets);
}

void core_explain_escalation(struct core *core, const struct alert *alert, struct buf *out)
{
    pthread_mutex_lock(&core->oncall_lock);
    const struct oncall_policy *policy = core->oncall->escalate[alert->severity];
    if (policy == NULL || oncall_step_at(core->oncall, alert->severity, 1) == NULL) {
        buf_printf(out, "no policy escalates %s", severity_name(alert->severity));
    } else {
        buf_printf(out, "by policy %.*s; %u steps were told", SV_FMT(policy->name), alert->escalation_step);
        if (alert->escalation_next_ns != TC_NO_TIME)
            explain_step(core, alert, out);
        else if (alert->waiting != NULL)
            buf_str(out, "; it begins when the alert is told");
        else if (alert->silenced > 0 || alert->state == ALERT_SNOOZED || alert->state == ALERT_PENDING)
            buf_str(out, "; it pauses");
        else
            buf_str(out, alert->state == ALERT_FIRING ? "; there is no further step"
                                                      : "; it has stopped, because nobody waits any more");
    }
    pthread_mutex_unlock(&core->oncall_lock);
}
