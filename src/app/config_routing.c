/*
 * Who is told, by the configuration: `routing` with its routes, and `digest`.
 *
 * An alert goes by the first route that fits it; for a priority that this route does not name, and where none
 * fits, by `routing` itself, and where that names nobody, by the channels' own severities. So a team gets its
 * own rooms (ledger E-09, X-18, D-18) without every priority having to be written out for it.
 */
#include "app/config_priv.h"

#include "alert/oncall/oncall.h"
#include "base/num.h"

enum { ROUTES_MAX = 100, ROUTE_TAGS_MAX = 32 };

/* --- routing
 * -------------------------------------------------------------------------------------------------------- */

static int read_names(struct reading *r, const struct yaml_node *node, struct routing *routing)
{
    routing->given = true;
    return setting_names(r, node, LIST_MAX, &routing->names, &routing->count);
}

static int read_priority(struct reading *r, const struct yaml_node *node, enum severity severity)
{
    return read_names(r, node, &r->config->routing[severity]);
}
SEVERITY_SETTING(priority, P1, read_priority)
SEVERITY_SETTING(priority, P2, read_priority)
SEVERITY_SETTING(priority, P3, read_priority)
SEVERITY_SETTING(priority, P4, read_priority)

static int route_match(struct reading *r, const struct yaml_node *node)
{
    struct team_route *which = &((struct config_route *)r->item)->which;
    struct sv text;
    struct err why;
    int rc = setting_text(r, node, &text);
    if (rc != 0)
        return rc;
    if (am_matchers_parse(&r->config->route_pool, AM_MATCHERS_FALLBACK, text, &which->matchers, NULL, &why) !=
        0)
        return setting_bad(r, node, why.text);
    return 0;
}

static int route_tags(struct reading *r, const struct yaml_node *node)
{
    struct team_route *which = &((struct config_route *)r->item)->which;
    return setting_names(r, node, ROUTE_TAGS_MAX, &which->tags, &which->tag_count);
}

static int route_priority(struct reading *r, const struct yaml_node *node, enum severity severity)
{
    return read_names(r, node, &((struct config_route *)r->item)->routing[severity]);
}
SEVERITY_SETTING(route, P1, route_priority)
SEVERITY_SETTING(route, P2, route_priority)
SEVERITY_SETTING(route, P3, route_priority)
SEVERITY_SETTING(route, P4, route_priority)

const struct setting config_route_settings[] = {
    {"match",
     "Alertmanager's matchers, over an alert's labels and `owner`: alertname=\"SCAN\", owner=~\"platform.*\"",
     "any", route_match},
    {"tags", "tags of rules, of which one must be there; `attack.*` stands for all that begin so", "any",
     route_tags},
    {"P1", "channels told of critical alerts that fit", "as `routing` has it", route_P1},
    {"P2", "channels told of high ones", "as `routing` has it", route_P2},
    {"P3", "channels told of medium ones", "as `routing` has it", route_P3},
    {"P4", "channels told of low ones at once", "as `routing` has it", route_P4},
    {0}};

static int read_routes(struct reading *r, const struct yaml_node *node)
{
    struct config *c = r->config;
    int rc = setting_list(r, node);
    if (rc == 0 && node->count > ROUTES_MAX)
        rc = setting_bad(r, node, "at most 100 are possible");
    if (rc != 0)
        return rc;
    c->routes = ARENA_ARRAY(&c->arena, struct config_route, node->count + 1);
    c->route_count = node->count;
    rc = setting_rows(r, node, config_route_settings, c->routes, sizeof c->routes[0]);
    for (size_t i = 0; rc == 0 && i < c->route_count; i++)
        if (c->routes[i].which.matchers.count == 0 && c->routes[i].which.tag_count == 0)
            rc = setting_bad(
                r, node, "every route needs `match` or `tags`: what is for all alerts stands in `routing`");
    return rc;
}

const struct setting config_routing_settings[] = {
    {"P1", "channels told of critical alerts", "every channel", priority_P1},
    {"P2", "channels told of high ones", "by min_severity of each channel", priority_P2},
    {"P3", "channels told of medium ones", "by min_severity of each channel", priority_P3},
    {"P4", "channels told of low ones at once", "by min_severity of each channel", priority_P4},
    {"routes", "alerts that go elsewhere: the first route that fits", "none", read_routes},
    {0}};

int config_read_routing(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, config_routing_settings);
}

/* --- digest
 * -------------------------------------------------------------------------------------------------------- */

static int digest_at(struct reading *r, const struct yaml_node *node)
{
    struct sv text = node->text;
    uint64_t hour, minute;
    if (node->type != YAML_SCALAR || text.n != 5 || text.p[2] != ':' ||
        !num_u64(sv_head(text, 2), 0, 23, &hour) || !num_u64(sv_from(text, 3), 0, 59, &minute))
        return setting_bad(r, node, "a time of day is expected here, such as \"08:00\"");
    r->config->digest_at_s = (int)(hour * 3600 + minute * 60);
    return 0;
}

static int digest_channels(struct reading *r, const struct yaml_node *node)
{
    r->config->digest.given = true;
    return setting_names(r, node, LIST_MAX, &r->config->digest.names, &r->config->digest.count);
}

static int digest_review(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    r->config->review_days = 0;
    if (rc != 0 || sv_is(text, "none"))
        return rc;
    return oncall_days_read(text, &r->config->review_days)
               ? 0
               : setting_bad(r, node, "a day is expected here, such as mon, or mon-fri, or none");
}

const struct setting config_digest_settings[] = {
    {"at", "time of day (in `timezone`) of the daily digest of P4 alerts", "08:00", digest_at},
    {"review", "day of the week, or days (mon-fri), whose digest also lists every open alert; none", "mon",
     digest_review},
    {"channels", "who gets it; []: nobody", "every channel of type email", digest_channels},
    {0}};

int config_read_digest(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, config_digest_settings);
}

/* --- names of channels
 * ------------------------------------------------------------------------------------------------------- */

bool config_is_channel(const struct config *config, struct sv name)
{
    for (size_t i = 0; i < config->channel_count; i++)
        if (sv_eq(config->channels[i].name, name))
            return true;
    return false;
}

static int check_routing(const struct config *c, const char *file, const struct routing *routing,
                         const char *what, struct err *err)
{
    for (size_t i = 0; i < routing->count; i++)
        if (!config_is_channel(c, routing->names[i]))
            return err_at(err, TC_EINPUT, file, 0, 0, "%s: there is no channel \"%.*s\"", what,
                          SV_FMT(sv_head(routing->names[i], 64)));
    return 0;
}

int config_check_routing(const struct config *c, const char *file, struct err *err)
{
    int rc = check_routing(c, file, &c->digest, "digest", err);
    const struct routing asks = {.names = &c->confirmation_channel, .count = c->confirmation_channel.n > 0};
    rc = rc == 0 ? check_routing(c, file, &asks, "alerts.confirmation", err) : rc;
    for (int i = SEVERITY_P1; rc == 0 && i <= SEVERITY_P4; i++)
        rc = check_routing(c, file, &c->routing[i], "routing", err);
    for (size_t k = 0; rc == 0 && k < c->route_count; k++)
        for (int i = SEVERITY_P1; rc == 0 && i <= SEVERITY_P4; i++)
            rc = check_routing(c, file, &c->routes[k].routing[i], "routing.routes", err);
    return rc;
}

/* Where nobody was named, mail is the channel for digests (D-04). */
void config_fill_digest(struct config *c)
{
    if (c->digest.given)
        return;
    struct sv *names = ARENA_ARRAY(&c->arena, struct sv, c->channel_count + 1);
    c->digest.names = names;
    c->digest.count = 0;
    for (size_t i = 0; i < c->channel_count; i++)
        if (sv_is(c->channels[i].type, "email"))
            names[c->digest.count++] = c->channels[i].name;
}

/* --- who is told
 * -------------------------------------------------------------------------------------------------------- */

const struct config_route *config_route_of(const struct config *config, const struct alert *alert)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (team_route_fits(&config->routes[i].which, alert))
            return &config->routes[i];
    return NULL;
}

const struct routing *config_routing_of(const struct config *config, const struct alert *alert,
                                        enum severity severity)
{
    const struct config_route *route = config_route_of(config, alert);
    return route != NULL && route->routing[severity].given ? &route->routing[severity]
                                                           : &config->routing[severity];
}

bool config_routes(const struct routing *routing, const struct channel_config *channel,
                   enum severity severity, struct sv reason)
{
    if (!routing->given)
        return notify_takes(channel, severity, reason);
    /* Named: its own severity no longer counts, what it has words for does. */
    struct channel_config all = *channel;
    all.min_severity = SEVERITY_P4;
    for (size_t i = 0; i < routing->count; i++)
        if (sv_eq(routing->names[i], channel->name))
            return notify_takes(&all, severity, reason);
    return false;
}
