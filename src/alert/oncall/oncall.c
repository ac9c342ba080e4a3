/*
 * Whose turn it is; see oncall.h.
 *
 * Hand-overs are wall-clock times turned into instants, each on its own, so a turn is an hour shorter when
 * the clocks go forward in it and an hour longer when they go back, and a hand-over that falls into the hour
 * that comes twice happens once, the first time. Everything else follows from instants alone: where a shift
 * ends is where the next edge of any layer, restriction, override or event lies.
 */
#include "alert/oncall/oncall.h"

#define DAY_S INT64_C(86400)

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t local_of(const struct zone *zone, int64_t at_s)
{
    return at_s + zone_at(zone, at_s).east_s;
}

/* --- rotation */

static int64_t hand_over(const struct oncall_layer *layer, const struct zone *zone, int64_t turn)
{
    return zone_from_local(zone, layer->start_s + turn * layer->every_s);
}

/* The turn that the instant falls into; negative before the first. */
static int64_t turn_at(const struct oncall_layer *layer, const struct zone *zone, int64_t at_s)
{
    int64_t turn = floor_div(local_of(zone, at_s) - layer->start_s, layer->every_s);
    while (hand_over(layer, zone, turn + 1) <= at_s)
        turn++;
    while (hand_over(layer, zone, turn) > at_s)
        turn--;
    return turn;
}

/* --- restriction to hours */

struct span {
    int64_t from_s, to_s;
};

/* The hours that begin on the local day `day` (days since 1970). */
static struct span hours_on(const struct oncall_hours *hours, const struct zone *zone, int64_t day)
{
    int64_t end_day = hours->to_s <= hours->from_s ? day + 1 : day;
    return (struct span){zone_from_local(zone, day * DAY_S + hours->from_s),
                         zone_from_local(zone, end_day * DAY_S + hours->to_s)};
}

static bool is_day(const struct oncall_hours *hours, int64_t day)
{
    int weekday = (int)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    return (hours->days >> weekday & 1u) != 0;
}

static bool hold(const struct oncall_hours *hours, const struct zone *zone, int64_t at_s)
{
    int64_t today = floor_div(local_of(zone, at_s), DAY_S);
    for (int64_t day = today - 1; day <= today; day++) {
        struct span span = hours_on(hours, zone, day);
        if (is_day(hours, day) && at_s >= span.from_s && at_s < span.to_s)
            return true;
    }
    return false;
}

static bool in_hours(const struct oncall_layer *layer, const struct zone *zone, int64_t at_s)
{
    for (size_t i = 0; i < layer->hours_count; i++)
        if (hold(&layer->hours[i], zone, at_s))
            return true;
    return layer->hours_count == 0;
}

/* --- edges: the first after an instant at which something may change */

static void edge(int64_t candidate_s, int64_t after_s, int64_t *next_s)
{
    if (candidate_s > after_s && candidate_s < *next_s)
        *next_s = candidate_s;
}

static void hours_edges(const struct oncall_hours *hours, const struct zone *zone, int64_t at_s,
                        int64_t *next_s)
{
    int64_t today = floor_div(local_of(zone, at_s), DAY_S);
    for (int64_t day = today - 1; day <= today + 7; day++)
        if (is_day(hours, day)) {
            struct span span = hours_on(hours, zone, day);
            edge(span.from_s, at_s, next_s);
            edge(span.to_s, at_s, next_s);
        }
}

static void layer_edges(const struct oncall_layer *layer, const struct zone *zone, int64_t at_s,
                        int64_t *next_s)
{
    int64_t start_s = zone_from_local(zone, layer->start_s);
    edge(start_s, at_s, next_s);
    if (layer->end_s != INT64_MAX)
        edge(zone_from_local(zone, layer->end_s), at_s, next_s);
    if (at_s >= start_s)
        edge(hand_over(layer, zone, turn_at(layer, zone, at_s) + 1), at_s, next_s);
    for (size_t i = 0; i < layer->hours_count; i++)
        hours_edges(&layer->hours[i], zone, at_s, next_s);
}

static struct span occurrence(const struct oncall_event *event, int64_t number)
{
    return (struct span){zone_from_local(event->zone, event->from_s + number * event->every_s),
                         zone_from_local(event->zone, event->to_s + number * event->every_s)};
}

/* The occurrence that began last at or before the instant; -1: none has. */
static int64_t occurrence_at(const struct oncall_event *event, int64_t at_s)
{
    if (occurrence(event, 0).from_s > at_s)
        return -1;
    if (event->every_s == 0)
        return 0;
    int64_t number = floor_div(local_of(event->zone, at_s) - event->from_s, event->every_s);
    number = TC_MAX(number, INT64_C(0));
    while (occurrence(event, number + 1).from_s <= at_s)
        number++;
    while (number > 0 && occurrence(event, number).from_s > at_s)
        number--;
    if (event->times > 0)
        number = TC_MIN(number, (int64_t)event->times - 1);
    if (event->until_s < at_s) { /* near it, so that a rule that ended long ago costs no more than another */
        int64_t last = floor_div(local_of(event->zone, event->until_s) - event->from_s, event->every_s);
        number = TC_MIN(number, TC_MAX(last + 1, INT64_C(0)));
    }
    while (number > 0 && occurrence(event, number).from_s > event->until_s)
        number--;
    return number;
}

static void event_edges(const struct oncall_event *event, int64_t at_s, int64_t *next_s)
{
    int64_t number = occurrence_at(event, at_s);
    if (number >= 0)
        edge(occurrence(event, number).to_s, at_s, next_s);
    bool more =
        number < 0 || (event->every_s > 0 && (event->times == 0 || number + 1 < (int64_t)event->times));
    if (more && occurrence(event, number + 1).from_s <= event->until_s)
        edge(occurrence(event, number + 1).from_s, at_s, next_s);
}

/* --- who */

static bool by_override(const struct oncall_schedule *schedule, const struct oncall_overrides *overrides,
                        int64_t at_ns, struct oncall_shift *ret)
{
    for (size_t i = overrides == NULL ? 0 : overrides->count; i > 0; i--) {
        const struct oncall_override *o = &overrides->items[i - 1];
        if (!sv_eq(o->schedule, schedule->name) || at_ns < o->from_ns || at_ns >= o->to_ns)
            continue;
        ret->person = o->person;
        ret->layer = SV("override");
        ret->override = o;
        return true;
    }
    return false;
}

static bool by_layer(const struct oncall_schedule *schedule, int64_t at_s, struct oncall_shift *ret)
{
    for (size_t i = schedule->layer_count; i > 0; i--) {
        const struct oncall_layer *layer = &schedule->layers[i - 1];
        if (at_s < zone_from_local(schedule->zone, layer->start_s) ||
            (layer->end_s != INT64_MAX && at_s >= zone_from_local(schedule->zone, layer->end_s)) ||
            !in_hours(layer, schedule->zone, at_s))
            continue;
        int64_t turn = turn_at(layer, schedule->zone, at_s);
        ret->person = layer->people[(uint64_t)turn % layer->person_count];
        ret->layer = layer->name;
        return true;
    }
    return false;
}

/* Of events that overlap, the one that began last. */
static bool by_event(const struct oncall_schedule *schedule, int64_t at_s, struct oncall_shift *ret)
{
    int64_t newest_s = INT64_MIN;
    for (size_t i = 0; i < schedule->event_count; i++) {
        const struct oncall_event *event = &schedule->events[i];
        int64_t number = occurrence_at(event, at_s);
        struct span span = number < 0 ? (struct span){0, 0} : occurrence(event, number);
        if (number < 0 || at_s >= span.to_s || span.from_s < newest_s)
            continue;
        newest_s = span.from_s;
        ret->person = event->person;
        ret->layer = SV("calendar");
    }
    return newest_s != INT64_MIN;
}

static int64_t floor_s(int64_t ns)
{
    return floor_div(ns, TC_SECOND_NS);
}

bool oncall_hours_hold(const struct oncall_hours *hours, const struct zone *zone, int64_t at_ns)
{
    return hold(hours, zone, floor_s(at_ns));
}

int64_t oncall_hours_edge_ns(const struct oncall_hours *hours, const struct zone *zone, int64_t at_ns)
{
    int64_t next_s = INT64_MAX;
    hours_edges(hours, zone, floor_s(at_ns), &next_s);
    return next_s > INT64_MAX / TC_SECOND_NS ? INT64_MAX : next_s * TC_SECOND_NS;
}

/* Of this very instant; from and to are left alone. */
static void look(const struct oncall_schedule *schedule, const struct oncall_overrides *overrides,
                 int64_t at_ns, struct oncall_shift *ret)
{
    int64_t at_s = floor_s(at_ns);
    ret->person = ret->layer = (struct sv){0};
    ret->override = NULL;
    if (!by_override(schedule, overrides, at_ns, ret) && !by_layer(schedule, at_s, ret))
        by_event(schedule, at_s, ret);
}

/* Past the year 2200 nothing changes any more. */
#define END_S INT64_C(7258118400)

static int64_t next_change_ns(const struct oncall_schedule *schedule,
                              const struct oncall_overrides *overrides, int64_t at_ns)
{
    int64_t at_s = floor_s(at_ns), next_s = END_S;
    for (size_t i = 0; i < schedule->layer_count; i++)
        layer_edges(&schedule->layers[i], schedule->zone, at_s, &next_s);
    for (size_t i = 0; i < schedule->event_count; i++)
        event_edges(&schedule->events[i], at_s, &next_s);
    int64_t next_ns = next_s * TC_SECOND_NS;
    for (size_t i = 0; overrides != NULL && i < overrides->count; i++)
        if (sv_eq(overrides->items[i].schedule, schedule->name)) {
            edge(overrides->items[i].from_ns, at_ns, &next_ns);
            edge(overrides->items[i].to_ns, at_ns, &next_ns);
        }
    return next_ns;
}

static bool same(const struct oncall_shift *a, const struct oncall_shift *b)
{
    return sv_eq(a->person, b->person) && sv_eq(a->layer, b->layer) && a->override == b->override;
}

void oncall_each_shift(const struct oncall_schedule *schedule, const struct oncall_overrides *overrides,
                       int64_t from_ns, int64_t to_ns, oncall_shift_fn each, void *context)
{
    struct oncall_shift shift = {.from_ns = from_ns}, next;
    look(schedule, overrides, from_ns, &shift);
    for (int64_t at_ns = from_ns; at_ns < to_ns && at_ns < END_S * TC_SECOND_NS;) {
        at_ns = TC_MIN(next_change_ns(schedule, overrides, at_ns), to_ns);
        shift.to_ns = at_ns;
        next = (struct oncall_shift){.from_ns = at_ns};
        look(schedule, overrides, at_ns, &next);
        if (at_ns < to_ns && same(&shift, &next))
            continue;
        if (!each(context, &shift))
            return;
        shift = next;
    }
}

struct sv oncall_now(const struct oncall_schedule *schedule, const struct oncall_overrides *overrides,
                     int64_t at_ns)
{
    struct oncall_shift shift;
    look(schedule, overrides, at_ns, &shift);
    return shift.person;
}

struct found {
    struct oncall_shift shift;
    int64_t at_ns;
};

static bool take_covering(void *context, const struct oncall_shift *shift)
{
    struct found *found = context;
    if (shift->from_ns > found->at_ns)
        return false;
    found->shift = *shift;
    return true;
}

/* A shift may have begun long before: it is looked for within a fortnight around, which is enough to say
 * since and until when in all but the longest turns. */
void oncall_who(const struct oncall_schedule *schedule, const struct oncall_overrides *overrides,
                int64_t at_ns, struct oncall_shift *ret)
{
    const int64_t around_ns = 14 * DAY_S * TC_SECOND_NS;
    struct found found = {.at_ns = at_ns};
    oncall_each_shift(schedule, overrides, at_ns - around_ns, at_ns + around_ns, take_covering, &found);
    *ret = found.shift;
}
