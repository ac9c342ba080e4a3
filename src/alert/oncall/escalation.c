/*
 * Policies of escalation: when, for the book of alerts; and whom, when a step has come; see oncall.h.
 */
#include "alert/oncall/oncall.h"

void oncall_ladders(const struct oncall *oncall, struct alert_ladder ret[SEVERITY_P4 + 1])
{
    memset(ret, 0, (SEVERITY_P4 + 1) * sizeof ret[0]);
    for (int severity = SEVERITY_P1; severity <= SEVERITY_P4; severity++) {
        const struct oncall_policy *policy = oncall->escalate[severity];
        struct alert_ladder *ladder = &ret[severity];
        for (size_t i = 0; policy != NULL && i < policy->step_count; i++)
            if (policy->steps[i].severities >> severity & 1u)
                ladder->after_ns[ladder->count++] = policy->steps[i].after_ns;
        if (ladder->count > 0) {
            ladder->repeats = policy->repeats;
            ladder->repeat_every_ns = policy->repeat_every_ns;
        }
    }
}

const struct oncall_step *oncall_step_at(const struct oncall *oncall, enum severity severity, uint64_t number)
{
    const struct oncall_policy *policy = oncall->escalate[severity];
    size_t count = 0, at = 0;
    for (size_t i = 0; policy != NULL && i < policy->step_count; i++)
        count += policy->steps[i].severities >> severity & 1u;
    if (count == 0 || number == 0)
        return NULL;
    size_t wanted = (size_t)((number - 1) % count);
    for (size_t i = 0;; i++)
        if ((policy->steps[i].severities >> severity & 1u) && at++ == wanted)
            return &policy->steps[i];
}

/* --- whom */

struct resolving {
    const struct oncall *oncall;
    const struct oncall_overrides *overrides;
    const struct oncall_channel *channels;
    size_t channel_count;
    int64_t at_ns;
    struct oncall_targets *to;
};

static void add(struct resolving *r, struct oncall_target target)
{
    for (size_t i = 0; i < r->to->count; i++)
        if (sv_eq(r->to->items[i].channel, target.channel) && sv_eq(r->to->items[i].person, target.person))
            return;
    if (r->to->count < ONCALL_TARGETS_MAX)
        r->to->items[r->to->count++] = target;
}

/* `by` names a channel, or a type of channel. */
static bool is_by(const struct resolving *r, struct sv channel, const struct oncall_ref *by)
{
    for (size_t i = 0; i < by->by_count; i++) {
        if (sv_eq(by->by[i], channel))
            return true;
        for (size_t k = 0; k < r->channel_count; k++)
            if (sv_eq(r->channels[k].name, channel) && sv_eq(r->channels[k].type, by->by[i]))
                return true;
    }
    return by->by_count == 0;
}

static bool is_channel(const struct resolving *r, struct sv name)
{
    for (size_t i = 0; i < r->channel_count; i++)
        if (sv_eq(r->channels[i].name, name))
            return true;
    return false;
}

static void tell_person(struct resolving *r, struct sv id, const struct oncall_ref *by, struct sv why)
{
    const struct oncall_person *person = oncall_person(r->oncall, id);
    for (size_t i = 0; person != NULL && i < person->contact_count; i++) {
        const struct oncall_contact *contact = &person->contacts[i];
        if (!is_channel(r, contact->channel) || !is_by(r, contact->channel, by))
            continue;
        add(r, (struct oncall_target){.channel = contact->channel,
                                      .person = contact->address.n > 0 ? person->id : (struct sv){0},
                                      .address = contact->address,
                                      .why = why});
    }
}

static void tell_ref(struct resolving *r, const struct oncall_ref *ref, const struct oncall_ref *by,
                     struct sv why, unsigned depth);

static void tell_role(struct resolving *r, const struct oncall_ref *ref, const struct oncall_ref *by,
                      struct sv why, unsigned depth)
{
    const struct oncall_role *role = oncall_role(r->oncall, ref->name);
    for (size_t i = 0; role != NULL && depth < 4 && i < role->ref_count; i++)
        tell_ref(r, &role->refs[i], role->refs[i].by_count > 0 ? &role->refs[i] : by, why, depth + 1);
    for (size_t i = 0; role == NULL && by->by_count > 0 && i < r->channel_count; i++)
        if (is_by(r, r->channels[i].name, by))
            add(r, (struct oncall_target){.channel = r->channels[i].name, .why = why});
}

static void tell_ref(struct resolving *r, const struct oncall_ref *ref, const struct oncall_ref *by,
                     struct sv why, unsigned depth)
{
    const struct oncall_schedule *schedule;
    switch (ref->kind) {
    case ONCALL_PERSON:
        tell_person(r, ref->name, by, why);
        break;
    case ONCALL_CHANNEL:
        if (is_channel(r, ref->name))
            add(r, (struct oncall_target){.channel = ref->name, .why = why});
        break;
    case ONCALL_SCHEDULE:
        schedule = oncall_schedule(r->oncall, ref->name);
        if (schedule != NULL)
            tell_person(r, oncall_now(schedule, r->overrides, r->at_ns), by, why);
        break;
    case ONCALL_ROLE:
        tell_role(r, ref, by, why, depth);
        break;
    }
}

void oncall_resolve(const struct oncall *oncall, const struct oncall_overrides *overrides,
                    const struct oncall_step *step, const struct oncall_channel *channels,
                    size_t channel_count, int64_t at_ns, struct oncall_targets *ret)
{
    struct resolving r = {oncall, overrides, channels, channel_count, at_ns, ret};
    ret->count = ret->unmet = 0;
    for (size_t i = 0; i < step->ref_count; i++) {
        size_t before = ret->count;
        tell_ref(&r, &step->refs[i], &step->refs[i], step->refs[i].name, 0);
        ret->unmet += ret->count == before;
    }
}

bool oncall_ref_of(const struct oncall *oncall, struct sv name, struct oncall_ref *ret)
{
    *ret = (struct oncall_ref){.name = name};
    if (oncall == NULL || name.n == 0)
        return false;
    if (oncall_person(oncall, name) != NULL)
        ret->kind = ONCALL_PERSON;
    else if (oncall_role(oncall, name) != NULL)
        ret->kind = ONCALL_ROLE;
    else if (oncall_schedule(oncall, name) != NULL)
        ret->kind = ONCALL_SCHEDULE;
    else
        return false;
    return true;
}

struct sv oncall_address(const struct oncall *oncall, struct sv id, struct sv channel)
{
    const struct oncall_person *person = oncall == NULL ? NULL : oncall_person(oncall, id);
    for (size_t i = 0; person != NULL && i < person->contact_count; i++)
        if (sv_eq(person->contacts[i].channel, channel))
            return person->contacts[i].address;
    return (struct sv){0};
}
