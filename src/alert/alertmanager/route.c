/*
 * The tree of routes: built from the configuration, matched, and named. See route.h.
 */
#include "alert/alertmanager/config_priv.h"
#include "alert/alertmanager/matcher_priv.h"
#include "base/clk.h"

#include <stdlib.h>

int am_collect_matchers(struct am_pool *pool, const struct am_object *object, const char *match,
                        const char *match_re, const char *matchers, struct am_matchers *ret, struct err *err)
{
    const struct am_value *equal = am_get(object, match);
    int rc = 0;
    for (size_t i = 0; i < equal->count && rc == 0; i++) {
        struct am_matcher matcher;
        rc = am_matcher_make(pool, AM_EQUAL, equal->items[i].key, equal->items[i].text, &matcher, err);
        if (rc == 0)
            rc = am_matchers_add(pool, ret, matcher, err);
    }
    const struct am_matchers lists[] = {am_get(object, match_re)->matchers,
                                        am_get(object, matchers)->matchers};
    for (size_t i = 0; i < TC_ARRAY_LEN(lists); i++)
        for (size_t k = 0; k < lists[i].count && rc == 0; k++)
            rc = am_matchers_add(pool, ret, lists[i].items[k], err);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

static const struct sv *take_names(struct arena *arena, const struct am_value *list, size_t *ret_count)
{
    struct sv *names = ARENA_ARRAY(arena, struct sv, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        names[i] = list->items[i].text;
    *ret_count = list->count;
    return names;
}

/* An empty list groups by nothing; no list at all inherits. */
static void take_group_by(struct arena *arena, const struct am_object *object, struct am_route *route)
{
    const struct am_value *list = am_get(object, "group_by");
    bool all = list->count > 0 && sv_is(list->items[0].text, "...");
    if (all)
        route->group_by_all = true;
    if (all || !list->given)
        return;
    struct sv *names = ARENA_ARRAY(arena, struct sv, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        names[i] = list->items[i].text;
    qsort(names, list->count, sizeof names[0], compare_names);
    route->group_by = names;
    route->group_by_count = list->count;
    route->group_by_all = false;
}

static void take_labels(struct arena *arena, const struct am_object *object, struct am_route *route)
{
    const struct am_value *own = am_get(object, "labels");
    size_t count = route->labels.count;
    if (own->count == 0)
        return;
    struct am_label *all = ARENA_ARRAY(arena, struct am_label, count + own->count);
    if (count > 0)
        memcpy(all, route->labels.items, count * sizeof all[0]);
    for (size_t i = 0; i < own->count; i++)
        all[count++] = (struct am_label){own->items[i].key, own->items[i].text};
    route->labels = (struct am_labels){all, am_labels_sort(all, count)};
}

static void take_options(struct arena *arena, const struct am_object *object, struct am_route *route)
{
    static const struct {
        const char *name;
        size_t offset;
    } timers[] = {{"group_wait", offsetof(struct am_route, group_wait_ns)},
                  {"group_interval", offsetof(struct am_route, group_interval_ns)},
                  {"repeat_interval", offsetof(struct am_route, repeat_interval_ns)}};
    for (size_t i = 0; i < TC_ARRAY_LEN(timers); i++)
        if (am_get(object, timers[i].name)->given)
            *(int64_t *)(void *)((char *)route + timers[i].offset) = am_get(object, timers[i].name)->number;
    if (am_is_set(object, "receiver"))
        route->receiver = am_get_text(object, "receiver");
    route->continue_matching = am_get(object, "continue")->number != 0;
    take_group_by(arena, object, route);
    take_labels(arena, object, route);
    route->mute_intervals =
        take_names(arena, am_get(object, "mute_time_intervals"), &route->mute_interval_count);
    route->active_intervals =
        take_names(arena, am_get(object, "active_time_intervals"), &route->active_interval_count);
}

static int build(struct am_pool *pool, const struct am_object *object, const struct am_route *parent,
                 size_t *count, struct am_route **ret, struct err *err)
{
    struct am_route *route = ARENA_NEW(&pool->arena, struct am_route);
    const struct am_value *children = am_get(object, "routes");
    *route = parent != NULL ? *parent
                            : (struct am_route){.group_wait_ns = 30 * TC_SECOND_NS,
                                                .group_interval_ns = 300 * TC_SECOND_NS,
                                                .repeat_interval_ns = 14400 * TC_SECOND_NS};
    route->parent = parent;
    route->line = object->line;
    route->matchers = (struct am_matchers){0};
    take_options(&pool->arena, object, route);
    int rc = am_collect_matchers(pool, object, "match", "match_re", "matchers", &route->matchers, err);
    am_matchers_sort(&route->matchers);
    route->routes = ARENA_ARRAY(&pool->arena, struct am_route *, children->count + 1);
    route->route_count = children->count;
    for (size_t i = 0; i < children->count && rc == 0; i++) {
        rc = build(pool, children->items[i].object, route, count, &route->routes[i], err);
        if (rc == 0)
            route->routes[i]->position = i;
    }
    route->index = (*count)++;
    *ret = route;
    return rc;
}

int am_route_build(struct am_pool *pool, const struct am_object *object, struct am_route **ret,
                   size_t *ret_count, struct err *err)
{
    *ret_count = 0;
    return build(pool, object, NULL, ret_count, ret, err);
}

static size_t match(const struct am_route *route, struct am_labels labels, const struct am_route **routes,
                    size_t max, size_t found)
{
    size_t before = found;
    if (!am_matchers_match(route->matchers, labels))
        return found;
    for (size_t i = 0; i < route->route_count; i++) {
        size_t after = match(route->routes[i], labels, routes, max, found);
        bool matched = after > found;
        found = after;
        if (matched && !route->routes[i]->continue_matching)
            break;
    }
    if (found > before)
        return found;
    if (found < max)
        routes[found] = route;
    return found + 1;
}

size_t am_route_match(const struct am_route *root, struct am_labels labels, const struct am_route **routes,
                      size_t max)
{
    return match(root, labels, routes, max, 0);
}

void am_route_key(const struct am_route *route, struct buf *out)
{
    if (route->parent != NULL) {
        am_route_key(route->parent, out);
        buf_char(out, '/');
    }
    am_matchers_print(route->matchers, out);
}

void am_route_id(const struct am_route *route, struct buf *out)
{
    if (route->parent != NULL) {
        am_route_id(route->parent, out);
        buf_char(out, '/');
    }
    am_matchers_print(route->matchers, out);
    if (route->parent != NULL)
        buf_printf(out, "/%zu", route->position);
}

size_t am_route_group_labels(const struct am_route *route, struct am_labels labels, struct am_label *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < labels.count; i++)
        if (route->group_by_all || (route->group_by_count > 0 &&
                                    bsearch(&labels.items[i].name, route->group_by, route->group_by_count,
                                            sizeof route->group_by[0], compare_names) != NULL))
            ret[count++] = labels.items[i];
    return count;
}

void am_group_key(const struct am_route *route, struct am_labels group_labels, struct buf *out)
{
    am_route_key(route, out);
    buf_char(out, ':');
    am_labels_print(group_labels, out);
}
