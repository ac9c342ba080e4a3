/*
 * Looking at a group: who of its alerts is held back, what each integration is told, and what becomes of
 * that; see dispatch.h.
 */
#include "alert/alertmanager/dispatch_priv.h"

#include "base/clk.h"

#include <stdlib.h>

#define WAIT_FOR_END_NS (TC_SECOND_NS / 10)

struct run {
    struct am_dispatch *dispatch;
    const struct am_silence *silences;
    size_t silence_count;
    am_tell_fn *tell;
    void *context;
    bool busy;                     /* nobody can be told now */
    struct am_silence_index index; /* made when it is first asked */
    bool indexed;
    struct arena arena; /* views of the alerts of the group that is looked at */
};

struct member {
    struct stored *stored;
    struct am_alert alert; /* a view */
    bool firing, held;     /* held back: inhibited, silenced, or the route's time is wrong */
};

static int compare_label(struct am_labels a, struct am_labels b, struct sv name)
{
    struct sv x = am_labels_get(a, name), y = am_labels_get(b, name);
    if (x.n == 0 || y.n == 0)
        return (x.n == 0) - (y.n == 0); /* absent comes last */
    return sv_cmp(x, y);
}

/* By job, by instance, then the smaller set first, then label by label. */
static int compare_members(const void *left, const void *right)
{
    struct am_labels a = ((const struct member *)left)->alert.labels,
                     b = ((const struct member *)right)->alert.labels;
    int c = compare_label(a, b, SV("job"));
    if (c == 0)
        c = compare_label(a, b, SV("instance"));
    if (c == 0)
        c = (a.count > b.count) - (a.count < b.count);
    for (size_t i = 0; i < a.count && c == 0; i++) {
        /* of two sets the one that has not the first name that differs is before the other */
        c = -sv_cmp(a.items[i].name, b.items[i].name);
        if (c == 0)
            c = sv_cmp(a.items[i].value, b.items[i].value);
    }
    return c;
}

static bool is_silenced(struct run *run, struct am_labels labels, int64_t now_ns)
{
    if (run->silence_count == 0)
        return false;
    if (!run->indexed)
        am_silence_index_init(&run->index, run->silences, run->silence_count);
    run->indexed = true;
    return am_silence_index_find(&run->index, labels, now_ns, NULL, 0) > 0;
}

struct am_labels *am_dispatch_sources(const struct am_dispatch *d, int64_t now_ns, struct arena *arena,
                                      size_t *ret_count)
{
    struct am_labels *list = ARENA_ARRAY(arena, struct am_labels, d->source_count + 1);
    *ret_count = 0;
    for (size_t i = 0; i < d->source_count; i++)
        if (stored_is_firing(d->sources[i], now_ns))
            list[(*ret_count)++] = alert_store_view(&d->alerts, d->sources[i], arena).labels;
    return list;
}

static struct member *collect(struct run *run, const struct group *group, int64_t now_ns)
{
    struct am_dispatch *d = run->dispatch;
    struct member *members = tc_alloc((group->count + 1) * sizeof(struct member));
    bool wrong_time =
        am_route_state_at(d->config, group->route, now_ns / TC_SECOND_NS, NULL) != AM_ROUTE_ACTIVE;
    size_t source_count;
    struct am_labels *firing = am_dispatch_sources(d, now_ns, &run->arena, &source_count);
    for (size_t i = 0; i < group->count; i++) {
        struct am_alert alert = alert_store_view(&d->alerts, group->members[i], &run->arena);
        members[i] = (struct member){group->members[i], alert, stored_is_firing(group->members[i], now_ns),
                                     wrong_time || is_silenced(run, alert.labels, now_ns) ||
                                         am_inhibited(d->config->inhibit_rules, d->config->inhibit_rule_count,
                                                      alert.labels, firing, source_count, NULL, NULL)};
    }
    qsort(members, group->count, sizeof members[0], compare_members);
    return members;
}

static int64_t kept_for_ns(const struct am_route *route)
{
    int64_t longest_ns = TC_MAX(route->repeat_interval_ns, route->group_interval_ns);
    return longest_ns > INT64_MAX / 4 ? longest_ns : 2 * longest_ns;
}

static void keep(struct am_dispatch *d, struct sv name, const struct told_now *now, struct sv remember,
                 int64_t at_ns)
{
    told_keep(&d->told, name, now, remember, at_ns);
    struct told *told = told_find(&d->told, name);
    if (d->kept == NULL || told == NULL)
        return;
    struct buf bytes;
    buf_init(&bytes, 16 << 20);
    told_write(told, &bytes);
    if (!bytes.overflow)
        d->kept(d->kept_context, name, buf_view(&bytes));
    buf_free(&bytes);
}

/* Takes over the arrays of `now`. */
static void send_off(struct am_dispatch *d, struct group *group, struct sv name, const struct told_now *now,
                     int64_t at_ns, bool anew)
{
    struct on_the_way *told = tc_alloc(sizeof *told);
    *told = (struct on_the_way){*now, at_ns, kept_for_ns(group->route), anew};
    uint64_t *slot = map_put(&d->on_the_way, name, NULL);
    if (slot == NULL) { /* past the bound: what becomes of it is not heard */
        keep(d, name, now, SV(""), at_ns);
        dispatch_free_on_the_way(told);
        return;
    }
    *slot = (uintptr_t)told;
    group->on_the_way++;
}

/* One integration: is something due, and if so, was it taken? False: it must be offered again. */
static bool tell_integration(struct run *run, struct group *group, const struct member *members,
                             struct am_notification *note)
{
    struct am_dispatch *d = run->dispatch;
    bool send_resolved = am_get(note->integration, "send_resolved")->number != 0, taken = true;
    struct sv name = told_name(note->receiver->name, note->kind->name, note->index, group->key);
    struct told *told = told_find(&d->told, name);
    struct told_now now = {.firing = tc_alloc((group->count + 1) * sizeof(uint64_t)),
                           .resolved = tc_alloc((group->count + 1) * sizeof(uint64_t))};
    struct am_told_alert *alerts = tc_alloc((group->count + 1) * sizeof(struct am_told_alert));
    size_t kept = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct member *member = &members[i];
        uint64_t hash = member->stored->hash;
        if (member->held && (member->firing || !told_fired(told, hash)))
            continue;
        kept++;
        if (member->firing)
            now.firing[now.firing_count++] = hash;
        else
            now.resolved[now.resolved_count++] = hash;
        if (member->firing || send_resolved)
            alerts[note->count++] = (struct am_told_alert){&member->alert, member->firing};
    }
    note->alerts = alerts;
    note->firing_count = now.firing_count;
    note->reason =
        kept == 0 ? AM_REASON_NONE
                  : told_reason(told, &now, send_resolved, note->at_ns, group->route->repeat_interval_ns);
    if (note->reason != AM_REASON_NONE) {
        /* who does not want to hear of ends is told nothing where all has ended, but that is kept */
        bool silent = !send_resolved && now.firing_count == 0;
        bool later = false;
        note->name = name;
        note->group_id = group->id;
        note->later = &later;
        note->busy = &run->busy;
        char key[33];
        told_key(told, name, &now, key);
        note->key = sv_of(key);
        bool anew = note->reason == AM_REASON_FIRST;
        note->remembered = anew ? SV("") : told_remembered(told);
        /* routes of the same matchers and receiver have one name: one after the other */
        taken = silent || (map_get(&d->on_the_way, name) == NULL && run->tell(run->context, note));
        if (taken && later) {
            send_off(d, group, name, &now, note->at_ns, anew);
            now = (struct told_now){0};
        } else if (taken) {
            keep(d, name, &now, note->remembered, note->at_ns);
        }
    }
    told_seen(&d->told, name, note->at_ns, kept_for_ns(group->route));
    told_name_free(name);
    free(now.firing);
    free(now.resolved);
    free(alerts);
    return taken;
}

static bool tell_receiver(struct run *run, struct group *group, const struct member *members, int64_t at_ns)
{
    const struct am_receiver *receiver = am_config_receiver(run->dispatch->config, group->route->receiver);
    bool taken = true;
    for (const struct am_receiver_kind *kind = am_receiver_kinds; kind->name != NULL; kind++) {
        const struct am_value *list = am_get(receiver->object, kind->field);
        for (size_t i = 0; i < list->count; i++) {
            struct am_notification note = {.route = group->route,
                                           .receiver = receiver,
                                           .kind = kind,
                                           .index = i,
                                           .integration = list->items[i].object,
                                           .group_key = group->key,
                                           .group_labels = group->labels,
                                           .at_ns = at_ns};
            taken = tell_integration(run, group, members, &note) && taken;
        }
    }
    return taken;
}

/* What has ended and was told goes; where telling failed it stays for the next look. */
static void tidy(struct am_dispatch *d, struct group *group)
{
    size_t left = 0, count = group->count;
    for (size_t i = 0; i < count; i++) {
        struct stored *stored = group->members[i];
        if (!group->failed && !stored_is_firing(stored, group->looked_ns) &&
            stored->updated_ns < group->looked_ns) /* at the same instant it may have come after the look */
            dispatch_leave(d, group, stored);
        else
            group->members[left++] = stored;
    }
    group->count = left;
    if (left > 0)
        return;
    dispatch_heap_remove(d, group);
    (void)map_remove(&d->groups, group->id);
    dispatch_free_group(group);
}

static void look(struct run *run, struct group *group, int64_t at_ns)
{
    struct am_dispatch *d = run->dispatch;
    struct member *members = collect(run, group, at_ns);
    bool taken = tell_receiver(run, group, members, at_ns);
    free(members);
    arena_reset(&run->arena);
    if (run->busy) /* as if it had not been looked at */
        return;
    group->looked = true;
    group->looked_ns = at_ns;
    group->failed = !taken;
    group->next_ns = at_ns > INT64_MAX - group->route->group_interval_ns
                         ? INT64_MAX
                         : at_ns + group->route->group_interval_ns;
    dispatch_heap_move(d, group);
    if (group->on_the_way == 0)
        tidy(d, group);
}

void am_dispatch_told(struct am_dispatch *d, struct sv name, struct sv group_id, bool told,
                      struct sv remember)
{
    uint64_t *found = map_get(&d->on_the_way, name);
    if (found == NULL)
        return;
    struct on_the_way *sent = (struct on_the_way *)(uintptr_t)*found;
    if (told) {
        if (remember.n == 0 && !sent->anew)
            remember = told_remembered(told_find(&d->told, name));
        keep(d, name, &sent->now, remember, sent->at_ns);
        told_seen(&d->told, name, sent->at_ns, sent->keep_ns);
    }
    dispatch_free_on_the_way(sent);
    (void)map_remove(&d->on_the_way, name);
    found = map_get(&d->groups, group_id);
    if (found == NULL)
        return;
    struct group *group = (struct group *)(uintptr_t)*found;
    group->failed = group->failed || !told;
    if (group->on_the_way > 0 && --group->on_the_way == 0)
        tidy(d, group);
}

void am_dispatch_run(struct am_dispatch *d, int64_t now_ns, const struct am_silence *silences,
                     size_t silence_count, am_tell_fn *tell, void *context)
{
    struct run run = {.dispatch = d,
                      .silences = silences,
                      .silence_count = silence_count,
                      .tell = tell,
                      .context = context};
    while (d->heap_count > 0 && d->heap[0]->next_ns <= now_ns && now_ns >= d->busy_until_ns) {
        struct group *group = d->heap[0];
        if (group->on_the_way > 0) { /* what was told last must have ended */
            group->next_ns = now_ns + WAIT_FOR_END_NS;
            dispatch_heap_move(d, group);
            continue;
        }
        /* Who comes late by more than an interval looks once, not once for each that was missed. */
        bool late = now_ns - group->next_ns >= group->route->group_interval_ns;
        look(&run, group, late ? now_ns : group->next_ns);
        if (run.busy)
            d->busy_until_ns = now_ns + WAIT_FOR_END_NS;
    }
    told_expire(&d->told, now_ns);
    if (run.indexed)
        am_silence_index_free(&run.index);
    arena_free(&run.arena);
}
