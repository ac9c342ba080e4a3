/*
 * Reading an alertmanager.yml: YAML to objects (decode.c, where the file is judged), objects to what routing,
 * inhibition and time intervals work with. See config.h.
 */
#include "alert/alertmanager/config_priv.h"

#include <stdlib.h>

/* libyaml's complaint as Go's YAML shows it, with the line that Go would name. */
static int syntax_error(const struct yaml_fault *fault, struct err *err)
{
    unsigned line = fault->problem_line != 0 ? fault->problem_line + fault->scanner : fault->context_line;
    return fault->syntax && line != 0 ? err_while(err, "yaml: line %u", line) : err_while(err, "yaml");
}

static int build_receivers(struct am_config *config)
{
    const struct am_value *list = am_get(config->root, "receivers");
    config->receivers = ARENA_ARRAY(&config->pool.arena, struct am_receiver, list->count + 1);
    config->receiver_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        const struct am_object *object = list->items[i].object;
        const struct am_value *labels = am_get(object, "labels");
        struct am_label *own = ARENA_ARRAY(&config->pool.arena, struct am_label, labels->count + 1);
        for (size_t k = 0; k < labels->count; k++)
            own[k] = (struct am_label){labels->items[k].key, labels->items[k].text};
        own[labels->count] = (struct am_label){SV("name"), am_get_text(object, "name")};
        config->receivers[i] = (struct am_receiver){
            am_get_text(object, "name"), {own, am_labels_sort(own, labels->count + 1)}, object};
    }
    return 0;
}

static void build_interval(const struct am_object *object, struct am_time_interval *ret)
{
    static const char *const parts[AM_TIME_PARTS] = {[AM_TIMES] = "times",
                                                     [AM_WEEKDAYS] = "weekdays",
                                                     [AM_DAYS_OF_MONTH] = "days_of_month",
                                                     [AM_MONTHS] = "months",
                                                     [AM_YEARS] = "years"};
    if (object == NULL)
        return; /* null: nothing restricts it */
    for (size_t i = 0; i < AM_TIME_PARTS; i++)
        ret->parts[i] = am_get(object, parts[i])->ranges;
    ret->zone = am_get(object, "location")->zone;
}

static void build_named_interval(struct am_config *config, const struct am_object *object,
                                 struct am_named_interval *ret)
{
    if (object == NULL)
        return;
    const struct am_value *list = am_get(object, "time_intervals");
    ret->name = am_get_text(object, "name");
    ret->items = ARENA_ARRAY(&config->pool.arena, struct am_time_interval, list->count + 1);
    ret->count = list->count;
    for (size_t i = 0; i < list->count; i++)
        build_interval(list->items[i].object, &ret->items[i]);
}

static int build_intervals(struct am_config *config)
{
    const struct am_value *lists[] = {am_get(config->root, "mute_time_intervals"),
                                      am_get(config->root, "time_intervals")};
    size_t count = 0;
    config->intervals =
        ARENA_ARRAY(&config->pool.arena, struct am_named_interval, lists[0]->count + lists[1]->count + 1);
    for (size_t k = 0; k < TC_ARRAY_LEN(lists); k++)
        for (size_t i = 0; i < lists[k]->count; i++)
            build_named_interval(config, lists[k]->items[i].object, &config->intervals[count++]);
    config->interval_count = count;
    return 0;
}

static int build_inhibit_rules(struct am_config *config, struct err *err)
{
    const struct am_value *list = am_get(config->root, "inhibit_rules");
    config->inhibit_rules = ARENA_ARRAY(&config->pool.arena, struct am_inhibit_rule, list->count + 1);
    config->inhibit_rule_count = list->count;
    int rc = 0;
    for (size_t i = 0; i < list->count && rc == 0; i++)
        if (list->items[i].object != NULL) /* a null rule has no matchers and no labels: it matches all */
            rc = am_inhibit_build(&config->pool, list->items[i].object, &config->inhibit_rules[i], err);
    return rc;
}

static int build(struct am_config *config, struct err *err)
{
    const struct am_value *templates = am_get(config->root, "templates");
    struct sv *globs = ARENA_ARRAY(&config->pool.arena, struct sv, templates->count + 1);
    for (size_t i = 0; i < templates->count; i++)
        globs[i] = templates->items[i].text;
    config->templates = globs;
    config->template_count = templates->count;
    config->global = am_get_object(config->root, "global");
    config->resolve_timeout_ns = am_get(config->global, "resolve_timeout")->number;
    int rc = build_receivers(config);
    if (rc == 0)
        rc = build_intervals(config);
    if (rc == 0)
        rc = build_inhibit_rules(config, err);
    if (rc == 0)
        rc = am_route_build(&config->pool, am_get_object(config->root, "route"), &config->route,
                            &config->route_count, err);
    return rc;
}

static int read_root(struct am_config *config, struct sv yaml, enum am_matcher_mode mode, struct err *err)
{
    struct yaml_fault fault;
    struct yaml_node *root = NULL;
    struct am_object *object = NULL;
    struct am_warning *warnings = NULL;
    int rc = yaml_parse_first(&config->pool.arena, yaml, &root, &fault, err);
    if (rc != 0)
        return syntax_error(&fault, err);
    if (root == NULL || (root->type == YAML_SCALAR && yaml_is_null(root)))
        return err_set(err, TC_EINPUT, "no route provided in config");
    rc = am_decode(&config->pool, mode, root, &am_schema_config, &object, &warnings, err);
    if (rc != 0)
        return rc;
    if (am_is_set(object, "route.continue"))
        return err_set(err, TC_EINPUT, "cannot have continue in root route");
    config->root = object;
    config->warnings = warnings;
    return 0;
}

int am_config_read(struct sv yaml, enum am_matcher_mode mode, struct am_config **ret, struct err *err)
{
    struct am_config *config = tc_alloc(sizeof *config);
    struct err own = {0};
    int rc = read_root(config, yaml, mode, &own);
    if (rc == 0)
        rc = build(config, &own);
    if (rc != 0) {
        am_config_free(config);
        if (err != NULL)
            *err = own;
        return rc;
    }
    *ret = config;
    return 0;
}

void am_config_free(struct am_config *config)
{
    if (config == NULL)
        return;
    am_pool_free(&config->pool);
    free(config);
}

const struct am_receiver *am_config_receiver(const struct am_config *config, struct sv name)
{
    for (size_t i = 0; i < config->receiver_count; i++)
        if (sv_eq(config->receivers[i].name, name))
            return &config->receivers[i];
    return NULL;
}

const struct am_named_interval *am_config_interval(const struct am_config *config, struct sv name)
{
    for (size_t i = 0; i < config->interval_count; i++)
        if (sv_eq(config->intervals[i].name, name))
            return &config->intervals[i];
    return NULL;
}

/* The first of the names whose interval contains the instant, or NULL. */
static const struct sv *find_containing(const struct am_config *config, const struct sv *names, size_t count,
                                        int64_t seconds)
{
    for (size_t i = 0; i < count; i++) {
        const struct am_named_interval *interval = am_config_interval(config, names[i]);
        for (size_t k = 0; interval != NULL && k < interval->count; k++)
            if (am_time_interval_contains(&interval->items[k], seconds))
                return &names[i];
    }
    return NULL;
}

enum am_route_state am_route_state_at(const struct am_config *config, const struct am_route *route,
                                      int64_t seconds, struct sv *ret_interval)
{
    const struct sv *mutes =
        find_containing(config, route->mute_intervals, route->mute_interval_count, seconds);
    if (ret_interval != NULL)
        *ret_interval = mutes != NULL ? *mutes : SV("");
    if (route->active_interval_count > 0 &&
        find_containing(config, route->active_intervals, route->active_interval_count, seconds) == NULL)
        return AM_ROUTE_INACTIVE;
    return mutes != NULL ? AM_ROUTE_MUTED : AM_ROUTE_ACTIVE;
}
