/*
 * Groups of alerts, their timers, and what is told of them; see dispatch.h. What was told is in told.c.
 */
#include "alert/alertmanager/dispatch_priv.h"

#include "base/clk.h"

#include <stdlib.h>

enum { ALERTS_MAX = 100000, GROUPS_MAX = 100000, KEY_MAX_BYTES = 1 << 20 };

/* --- the heap of timers --- */

static bool due_before(const struct group *a, const struct group *b)
{
    return a->next_ns != b->next_ns ? a->next_ns < b->next_ns : a->sequence < b->sequence;
}

static void heap_set(struct am_dispatch *d, size_t at, struct group *group)
{
    d->heap[at] = group;
    group->heap_index = at;
}

/* Puts the group where it belongs, from its place up or down. */
void dispatch_heap_move(struct am_dispatch *d, struct group *group)
{
    size_t at = group->heap_index;
    while (at > 0 && due_before(group, d->heap[(at - 1) / 2])) {
        heap_set(d, at, d->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < d->heap_count && due_before(d->heap[child + 1], d->heap[child]))
            child++;
        if (child >= d->heap_count || !due_before(d->heap[child], group))
            break;
        heap_set(d, at, d->heap[child]);
        at = child;
    }
    heap_set(d, at, group);
}

static void heap_add(struct am_dispatch *d, struct group *group)
{
    if (d->heap_count == d->heap_capacity) {
        d->heap_capacity = TC_MAX(64, d->heap_capacity * 2);
        d->heap = tc_realloc(d->heap, d->heap_capacity * sizeof(struct group *));
    }
    group->heap_index = d->heap_count++;
    dispatch_heap_move(d, group);
}

void dispatch_heap_remove(struct am_dispatch *d, struct group *group)
{
    struct group *last = d->heap[--d->heap_count];
    if (last == group)
        return;
    last->heap_index = group->heap_index;
    dispatch_heap_move(d, last);
}

/* --- alerts and groups --- */

static struct am_labels copy_labels(struct arena *arena, struct am_labels labels)
{
    struct am_label *items = ARENA_ARRAY(arena, struct am_label, labels.count + 1);
    for (size_t i = 0; i < labels.count; i++)
        items[i] =
            (struct am_label){arena_sv(arena, labels.items[i].name), arena_sv(arena, labels.items[i].value)};
    return (struct am_labels){items, labels.count};
}

/* Its name in the notification log: the same after a restart. */
static uint64_t hash_labels(struct am_labels labels)
{
    struct buf text;
    buf_init(&text, KEY_MAX_BYTES);
    am_labels_print(labels, &text);
    uint64_t hash = hash_64(buf_view(&text));
    buf_free(&text);
    return hash;
}

void dispatch_free_group(struct group *group)
{
    free(group->members);
    arena_free(&group->arena);
    free(group);
}

bool stored_is_firing(const struct stored *stored, int64_t now_ns)
{
    return stored->ends_at_ns > now_ns;
}

static void join(struct group *group, struct stored *stored)
{
    for (size_t i = 0; i < stored->group_count; i++)
        if (stored_groups(stored)[i] == group)
            return;
    if (group->count == group->capacity) {
        group->capacity = group->capacity == 0 ? 1 : group->capacity + group->capacity / 2 + 1;
        group->members = tc_realloc(group->members, group->capacity * sizeof(struct stored *));
    }
    group->members[group->count++] = stored;
    stored_join(stored, group);
}

/* --- who may inhibit --- */

static void drop_source(struct am_dispatch *d, struct stored *stored)
{
    if (stored->source == UINT32_MAX)
        return;
    d->sources[stored->source] = d->sources[--d->source_count];
    d->sources[stored->source]->source = stored->source;
    stored->source = UINT32_MAX;
}

static bool may_inhibit(const struct am_config *config, struct am_labels labels)
{
    for (size_t i = 0; i < config->inhibit_rule_count; i++)
        if (am_matchers_match(config->inhibit_rules[i].source, labels))
            return true;
    return false;
}

static void judge_source(struct am_dispatch *d, struct stored *stored, struct am_labels labels)
{
    drop_source(d, stored);
    if (!may_inhibit(d->config, labels))
        return;
    if (d->source_count == d->source_capacity) {
        d->source_capacity = TC_MAX((size_t)64, 2 * d->source_capacity);
        d->sources = tc_realloc(d->sources, d->source_capacity * sizeof(struct stored *));
    }
    stored->source = (uint32_t)d->source_count;
    d->sources[d->source_count++] = stored;
}

/* One more of its name; false past the limit. */
static bool count_in(struct am_dispatch *d, struct am_labels labels)
{
    struct sv name = am_labels_get(labels, SV("alertname"));
    uint64_t *count = d->per_name == 0 ? NULL : map_put(&d->names, name, NULL);
    if (count == NULL || *count >= d->per_name)
        return d->per_name == 0;
    ++*count;
    return true;
}

static void forget_alert(struct am_dispatch *d, struct stored *stored)
{
    struct arena arena = {0};
    if (d->per_name > 0) {
        struct sv name = am_labels_get(alert_store_view(&d->alerts, stored, &arena).labels, SV("alertname"));
        uint64_t *count = map_get(&d->names, name);
        if (count != NULL && --*count == 0)
            (void)map_remove(&d->names, name);
    }
    drop_source(d, stored);
    alert_store_remove(&d->alerts, stored);
    arena_free(&arena);
}

/* The alert has left the group; the last one out forgets it. */
void dispatch_leave(struct am_dispatch *d, struct group *group, struct stored *stored)
{
    stored_leave(stored, group);
    if (stored->group_count == 0)
        forget_alert(d, stored);
}

static void name_group(struct group *group)
{
    struct buf text;
    buf_init(&text, KEY_MAX_BYTES);
    am_route_id(group->route, &text);
    buf_char(&text, ':');
    am_labels_print(group->labels, &text);
    group->id = arena_sv(&group->arena, buf_view(&text));
    buf_clear(&text);
    am_group_key(group->route, group->labels, &text);
    group->key = arena_sv(&group->arena, buf_view(&text));
    buf_free(&text);
}

/* Was anybody told in this group that the alert fires? */
static bool anyone_told(const struct am_dispatch *d, const struct group *group, uint64_t hash)
{
    const struct am_receiver *receiver = am_config_receiver(d->config, group->route->receiver);
    bool told = false;
    for (const struct am_receiver_kind *kind = am_receiver_kinds; kind->name != NULL && !told; kind++) {
        size_t count = am_get(receiver->object, kind->field)->count;
        for (size_t i = 0; i < count && !told; i++) {
            struct sv name = told_name(receiver->name, kind->name, i, group->key);
            told = told_fired(told_find(&d->told, name), hash);
            told_name_free(name);
        }
    }
    return told;
}

/* The group of the alert under a route, made if it is not there. `before`: the groups of the configuration
 * before, whose timers hold on; may be NULL. `end_of`: the hash of an alert that is heard of for the first
 * time, and has ended; *ret is NULL where that says nothing to anybody. NULL: any other alert. */
static int find_group(struct am_dispatch *d, const struct am_route *route, struct am_labels of,
                      const struct map *before, const uint64_t *end_of, int64_t now_ns, struct group **ret,
                      struct err *err)
{
    struct group *group = tc_alloc(sizeof *group);
    struct am_label *labels = ARENA_ARRAY(&group->arena, struct am_label, of.count + 1);
    size_t count = am_route_group_labels(route, of, labels);
    group->route = route;
    group->labels = copy_labels(&group->arena, (struct am_labels){labels, count});
    name_group(group);
    if (end_of != NULL && !anyone_told(d, group, *end_of)) {
        dispatch_free_group(group);
        *ret = NULL;
        return 0;
    }
    uint64_t *found = map_get(&d->groups, group->id);
    if (found != NULL) {
        dispatch_free_group(group);
        *ret = (struct group *)(uintptr_t)*found;
        return 0;
    }
    uint64_t *slot = map_put(&d->groups, group->id, NULL);
    if (slot == NULL) {
        dispatch_free_group(group);
        return err_set(err, TC_EBOUND, "more than %d groups of alerts", GROUPS_MAX);
    }
    *slot = (uintptr_t)group;
    const uint64_t *old = before == NULL ? NULL : map_get(before, group->id);
    const struct group *kept = old == NULL ? NULL : (const struct group *)(uintptr_t)*old;
    group->on_the_way = kept != NULL ? kept->on_the_way : 0;
    group->failed = kept != NULL && kept->failed;
    if (d->restart_timers)
        kept = NULL;
    group->sequence = kept != NULL ? kept->sequence : d->sequence++;
    group->looked = kept != NULL && kept->looked;
    group->looked_ns = kept != NULL ? kept->looked_ns : 0;
    group->next_ns = kept != NULL ? kept->next_ns : TC_MAX(now_ns + route->group_wait_ns, d->hold_until_ns);
    heap_add(d, group);
    *ret = group;
    return 0;
}

static int route_alert(struct am_dispatch *d, struct stored *stored, struct am_labels labels,
                       const struct map *before, bool is_new, int64_t now_ns, struct err *err)
{
    const uint64_t *end_of = is_new && !stored_is_firing(stored, now_ns) ? &stored->hash : NULL;
    size_t max = d->config->route_count;
    const struct am_route **routes = tc_alloc(max * sizeof(struct am_route *));
    size_t count = am_route_match(d->config->route, labels, routes, max);
    int rc = 0;
    stored->route_count = (uint32_t)count;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct group *group = NULL;
        rc = find_group(d, routes[i], labels, before, end_of, now_ns, &group, err);
        if (rc != 0)
            break;
        if (group == NULL)
            continue;
        join(group, stored);
        /* An alert that has waited long enough elsewhere does not wait here, but kept timers hold. */
        bool kept = before != NULL && !d->restart_timers && map_get(before, group->id) != NULL;
        if (!kept && !group->looked && stored->starts_at_ns + routes[i]->group_wait_ns < now_ns) {
            group->next_ns = TC_MAX(now_ns, d->hold_until_ns);
            dispatch_heap_move(d, group);
        }
    }
    free(routes);
    return rc;
}

/* --- the door --- */

struct am_dispatch *am_dispatch_new(void)
{
    struct am_dispatch *d = tc_alloc(sizeof *d);
    alert_store_init(&d->alerts);
    map_init(&d->groups, GROUPS_MAX);
    told_init(&d->told);
    map_init(&d->on_the_way, GROUPS_MAX);
    map_init(&d->names, ALERTS_MAX);
    return d;
}

void dispatch_free_on_the_way(struct on_the_way *told)
{
    free(told->now.firing);
    free(told->now.resolved);
    free(told);
}

static void free_groups(struct map *groups)
{
    struct map_entry *entry;
    for (size_t i = 0; map_next(groups, &i, &entry);)
        dispatch_free_group((struct group *)(uintptr_t)entry->value);
    map_free(groups);
}

void am_dispatch_free(struct am_dispatch *d)
{
    struct map_entry *entry;
    if (d == NULL)
        return;
    free_groups(&d->groups);
    alert_store_free(&d->alerts);
    free(d->sources);
    told_free(&d->told);
    for (size_t i = 0; map_next(&d->on_the_way, &i, &entry);)
        dispatch_free_on_the_way((struct on_the_way *)(uintptr_t)entry->value);
    map_free(&d->on_the_way);
    map_free(&d->names);
    free(d->heap);
    free(d);
}

int am_dispatch_configure(struct am_dispatch *d, const struct am_config *config, int64_t now_ns,
                          struct err *err)
{
    struct map before = d->groups;
    struct arena arena = {0};
    int rc = 0;
    d->config = config;
    d->heap_count = 0;
    map_init(&d->groups, GROUPS_MAX);
    for (size_t i = 0; i < d->alerts.count; i++) {
        struct stored *stored = d->alerts.list[i];
        stored_leave_all(stored);
        arena_reset(&arena);
        struct am_labels labels = alert_store_view(&d->alerts, stored, &arena).labels;
        judge_source(d, stored, labels);
        if (rc == 0)
            rc = route_alert(d, stored, labels, &before, false, now_ns, err);
    }
    arena_free(&arena);
    free_groups(&before);
    return rc;
}

/* Of two reports of one episode the earliest start holds, and an end that the sender gave before one that was
 * only assumed. */
static void merge(const struct stored *old, struct am_alert *alert, bool *timed_out, int64_t now_ns)
{
    const struct stored *was = old;
    bool overlap = (alert->ends_at_ns > was->starts_at_ns && alert->ends_at_ns < was->ends_at_ns) ||
                   (alert->starts_at_ns > was->starts_at_ns && alert->starts_at_ns < was->ends_at_ns);
    if (!overlap)
        return;
    alert->starts_at_ns = TC_MIN(alert->starts_at_ns, was->starts_at_ns);
    bool ended = alert->ends_at_ns <= now_ns, had_ended = was->ends_at_ns <= now_ns;
    if (was->ends_at_ns > alert->ends_at_ns && (ended ? had_ended : !old->timed_out)) {
        alert->ends_at_ns = was->ends_at_ns;
        *timed_out = old->timed_out;
    }
}

/* One of its groups has not been looked at yet: what came now may have waited long enough elsewhere. */
static bool starts_sooner(const struct stored *stored, int64_t now_ns)
{
    for (size_t i = 0; i < stored->group_count; i++) {
        const struct group *group = stored_groups(stored)[i];
        if (!group->looked && stored->starts_at_ns + group->route->group_wait_ns < now_ns)
            return true;
    }
    return false;
}

/* NULL: err says why. */
static struct stored *new_alert(struct am_dispatch *d, const struct am_alert *alert, int *rc, struct err *err)
{
    if (d->alerts.count >= ALERTS_MAX) {
        *rc = err_set(err, TC_EBOUND, "more than %d alerts at once", ALERTS_MAX);
        return NULL;
    }
    if (!count_in(d, alert->labels)) {
        *rc = err_set(err, TC_EAGAIN, "more than %zu alerts of its alertname at once", d->per_name);
        return NULL;
    }
    struct stored *stored = alert_store_add(&d->alerts, alert);
    if (stored == NULL) {
        *rc = err_set(err, TC_EBOUND, "an alert has more than %d labels or annotations", UINT16_MAX);
        return NULL;
    }
    stored->hash = hash_labels(alert->labels);
    judge_source(d, stored, alert->labels);
    return stored;
}

int am_dispatch_alert(struct am_dispatch *d, const struct am_alert *given, int64_t now_ns, struct err *err)
{
    tc_assert(d->config != NULL);
    struct am_alert alert = *given;
    bool timed_out = alert.ends_at_ns == 0;
    int rc = 0;
    if (alert.starts_at_ns == 0)
        alert.starts_at_ns = alert.ends_at_ns != 0 ? TC_MIN(now_ns, alert.ends_at_ns) : now_ns;
    if (timed_out)
        alert.ends_at_ns = now_ns + d->config->resolve_timeout_ns;
    struct stored *stored = alert_store_find(&d->alerts, alert.labels);
    bool is_new = stored == NULL;
    if (is_new) {
        stored = new_alert(d, &alert, &rc, err);
    } else {
        merge(stored, &alert, &timed_out, now_ns);
        (void)alert_store_change(&d->alerts, stored, &alert); /* past the bound it keeps what it had */
    }
    if (stored == NULL)
        return rc;
    stored->starts_at_ns = alert.starts_at_ns;
    stored->ends_at_ns = alert.ends_at_ns;
    stored->timed_out = timed_out;
    stored->updated_ns = now_ns;
    /* an alert that is known is in its groups, unless it has left one after its end */
    if (is_new || stored->group_count < stored->route_count || starts_sooner(stored, now_ns))
        rc = route_alert(d, stored, alert.labels, NULL, is_new, now_ns, err);
    if (stored->group_count == 0) /* an error, or an end that nobody waits for */
        forget_alert(d, stored);
    return rc;
}

void am_dispatch_restart_timers(struct am_dispatch *d, bool restart)
{
    d->restart_timers = restart;
}

void am_dispatch_limit(struct am_dispatch *d, size_t per_name)
{
    d->per_name = per_name;
}

void am_dispatch_hold(struct am_dispatch *d, int64_t until_ns)
{
    d->hold_until_ns = until_ns;
}

int64_t am_dispatch_next_ns(const struct am_dispatch *d)
{
    return d->heap_count == 0 ? INT64_MAX : TC_MAX(d->heap[0]->next_ns, d->busy_until_ns);
}

size_t am_dispatch_alert_count(const struct am_dispatch *d)
{
    return d->alerts.count;
}

size_t am_dispatch_group_count(const struct am_dispatch *d)
{
    return d->groups.live;
}
