/*
 * Reading the configuration; see config.h.
 *
 * Each section is a table of settings (key, what it is for, default in words, reader), which serves the
 * reader, the "did you mean" of unknown keys and the reference page, so these cannot disagree.
 */
#include "app/config.h"

#include "base/address.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/yaml.h"
#include "cli/inputs.h"
#include "event/policy.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONFIG_FILE_MAX = 1 << 20, SECRET_MAX = 8192, STEPS_MAX = 16, LIST_MAX = 256, SETTINGS_MAX = 64 };

struct reading {
    struct config *config;
    const char *file;
    struct err *err;
    void *item; /* the row that is being filled: a token, a channel */
};

typedef int (*setting_fn)(struct reading *r, const struct yaml_node *node);
struct setting {
    const char *key, *about, *fallback;
    setting_fn read;
};

static int bad(struct reading *r, const struct yaml_node *node, const char *what)
{
    return err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "%.*s: %s", SV_FMT(node->key), what);
}

static int read_text(struct reading *r, const struct yaml_node *node, struct sv *ret)
{
    if (node->type != YAML_SCALAR || yaml_is_null(node) || node->text.n == 0)
        return bad(r, node, "a text is expected here");
    *ret = arena_sv(&r->config->arena, node->text);
    return 0;
}

static int read_duration(struct reading *r, const struct yaml_node *node, int64_t *ret)
{
    struct err err;
    if (node->type != YAML_SCALAR || clk_parse_duration(node->text, ret, &err) != 0)
        return bad(r, node, "a duration is expected here, such as 30s, 5m or 1h30m");
    return 0;
}

static int read_number(struct reading *r, const struct yaml_node *node, uint64_t min, uint64_t max,
                       uint64_t *ret)
{
    if (node->type == YAML_SCALAR && num_u64(node->text, min, max, ret))
        return 0;
    char text[96];
    snprintf(text, sizeof text, "a whole number from %llu to %llu is expected here", (unsigned long long)min,
             (unsigned long long)max);
    return bad(r, node, text);
}

/* A secret is named, never written: env:NAME or file:PATH. Its value stays out of every message. */
static int read_secret(struct reading *r, const struct yaml_node *node, struct sv *ret)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc != 0)
        return rc;
    if (sv_starts(text, SV("env:"))) {
        const char *value = getenv(text.p + 4);
        if (value == NULL || value[0] == '\0')
            return err_at(r->err, TC_EINPUT, r->file, node->line, node->column,
                          "%.*s: the environment variable %s is not set", SV_FMT(node->key), text.p + 4);
        *ret = arena_sv(&r->config->arena, sv_trim(sv_of(value)));
        return 0;
    }
    if (!sv_starts(text, SV("file:")))
        return bad(r, node, "secrets are not written here: name one as env:NAME or file:PATH");
    struct buf bytes;
    struct err err;
    buf_init(&bytes, SECRET_MAX);
    rc = fs_read_file(&fs_system, text.p + 5, &bytes, &err);
    if (rc != 0)
        rc = err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "%.*s: %s", SV_FMT(node->key),
                    err.text);
    else if (sv_trim(buf_view(&bytes)).n == 0)
        rc = bad(r, node, "the secret's file is empty");
    else
        *ret = arena_sv(&r->config->arena, sv_trim(buf_view(&bytes)));
    buf_free(&bytes);
    return rc;
}

static int read_section(struct reading *r, const struct yaml_node *map, const struct setting *settings)
{
    const char *known[SETTINGS_MAX] = {0};
    if (map->type != YAML_MAP)
        return bad(r, map, "a map of settings is expected here");
    for (size_t i = 0; settings[i].key != NULL; i++) {
        tc_assert(i + 1 < SETTINGS_MAX);
        known[i] = settings[i].key;
    }
    int rc = yaml_check_keys(map, r->file, known, r->err);
    for (size_t i = 0; rc == 0 && settings[i].key != NULL; i++) {
        const struct yaml_node *node = yaml_get(map, settings[i].key);
        if (node != NULL)
            rc = settings[i].read(r, node);
    }
    return rc;
}

/* Each element of a list of maps is read by `settings` into rows[i]. */
static int read_rows(struct reading *r, const struct yaml_node *list, const struct setting *settings,
                     void *rows, size_t row_bytes)
{
    int rc = 0;
    size_t i = 0;
    for (const struct yaml_node *n = list->first; rc == 0 && n != NULL; n = n->next, i++) {
        r->item = (char *)rows + i * row_bytes;
        rc = read_section(r, n, settings);
    }
    return rc;
}

static int check_list(struct reading *r, const struct yaml_node *node)
{
    if (node->type != YAML_LIST || node->count > LIST_MAX)
        return bad(r, node, "a list (of at most 256) is expected here");
    return 0;
}

/* --- sources
 * -------------------------------------------------------------------------------------------------------- */

static int source_name(struct reading *r, const struct yaml_node *node)
{
    return read_text(r, node, &((struct api_token *)r->item)->source);
}

static int source_token(struct reading *r, const struct yaml_node *node)
{
    return read_secret(r, node, &((struct api_token *)r->item)->secret);
}

static const struct setting source_settings[] = {
    {"name", "name of the sender; its events bear the source http:NAME", "required", source_name},
    {"token", "bearer token of the sender, as env:NAME or file:PATH", "required", source_token},
    {0}};

static const struct setting officer_settings[] = {
    {"name", "who it is; stands in audit records", "required", source_name},
    {"token", "bearer token of the officer, as env:NAME or file:PATH", "required", source_token},
    {0}};

static int read_sources(struct reading *r, const struct yaml_node *node)
{
    int rc = check_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    c->token_count = node->count;
    c->tokens = ARENA_ARRAY(&c->arena, struct api_token, node->count + 1);
    rc = read_rows(r, node, source_settings, c->tokens, sizeof c->tokens[0]);
    for (size_t i = 0; rc == 0 && i < c->token_count; i++)
        if (c->tokens[i].source.n == 0 || c->tokens[i].secret.n == 0)
            rc = bad(r, node, "every source needs a name and a token");
    return rc;
}

/* --- channels
 * ------------------------------------------------------------------------------------------------------- */

static int channel_name(struct reading *r, const struct yaml_node *node)
{
    return read_text(r, node, &((struct channel_config *)r->item)->name);
}

static int channel_type(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    int rc = read_text(r, node, &channel->type);
    return rc;
}

static int channel_url(struct reading *r, const struct yaml_node *node)
{
    return read_secret(r, node, &((struct channel_config *)r->item)->url);
}

static int channel_path(struct reading *r, const struct yaml_node *node)
{
    return read_text(r, node, &((struct channel_config *)r->item)->path);
}

static int channel_slack_channel(struct reading *r, const struct yaml_node *node)
{
    return read_text(r, node, &((struct channel_config *)r->item)->slack_channel);
}

static int channel_username(struct reading *r, const struct yaml_node *node)
{
    return read_text(r, node, &((struct channel_config *)r->item)->username);
}

static int channel_icon(struct reading *r, const struct yaml_node *node)
{
    return read_text(r, node, &((struct channel_config *)r->item)->icon_emoji);
}

static int channel_min_severity(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    channel->min_severity =
        node->type == YAML_SCALAR && node->text.n > 0 ? severity_of(node->text) : SEVERITY_NONE;
    return channel->min_severity == SEVERITY_NONE
               ? bad(r, node, "a severity is expected here: P1 to P4, or critical, high, medium, low")
               : 0;
}

static int channel_reveal(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    return node->type == YAML_SCALAR && reveal_of(node->text, &channel->reveal)
               ? 0
               : bad(r, node, "none, addresses or all is expected here");
}

/* Settings of one shape, by the member that they fill. */
#define CHANNEL_TEXT(member)                                                                                 \
    static int channel_##member(struct reading *r, const struct yaml_node *node)                             \
    {                                                                                                        \
        return read_text(r, node, &((struct channel_config *)r->item)->member);                              \
    }
#define CHANNEL_SECRET(member)                                                                               \
    static int channel_##member(struct reading *r, const struct yaml_node *node)                             \
    {                                                                                                        \
        return read_secret(r, node, &((struct channel_config *)r->item)->member);                            \
    }
CHANNEL_TEXT(smarthost)
CHANNEL_TEXT(from)
CHANNEL_TEXT(hello)
CHANNEL_TEXT(auth_username)
CHANNEL_TEXT(ca_file)
CHANNEL_TEXT(fallback)
CHANNEL_SECRET(auth_password)
CHANNEL_SECRET(bearer_token)
CHANNEL_SECRET(routing_key)

static int read_names(struct reading *r, const struct yaml_node *node, size_t max, const struct sv **ret,
                      size_t *ret_count)
{
    if (node->type == YAML_LIST && node->count > max)
        return bad(r, node, "the list is too long");
    if (node->type != YAML_LIST && node->type != YAML_SCALAR)
        return bad(r, node, "a list is expected here");
    struct sv *names = ARENA_ARRAY(&r->config->arena, struct sv, node->count + 1);
    int rc = 0;
    size_t count = 0;
    if (node->type == YAML_SCALAR)
        rc = read_text(r, node, &names[count++]);
    for (const struct yaml_node *n = node->first; rc == 0 && node->type == YAML_LIST && n != NULL;
         n = n->next)
        rc = n->type == YAML_SCALAR && n->text.n > 0
                 ? (names[count++] = arena_sv(&r->config->arena, n->text), 0)
                 : bad(r, node, "a list of texts is expected here");
    *ret = names;
    *ret_count = count;
    return rc;
}

static int channel_to(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    return read_names(r, node, TC_RECIPIENTS_MAX, &channel->to, &channel->to_count);
}

static int channel_require_tls(struct reading *r, const struct yaml_node *node)
{
    return yaml_bool(node, &((struct channel_config *)r->item)->require_tls)
               ? 0
               : bad(r, node, "true or false is expected here");
}

static int channel_emergency(struct reading *r, const struct yaml_node *node)
{
    return yaml_bool(node, &((struct channel_config *)r->item)->emergency)
               ? 0
               : bad(r, node, "true or false is expected here");
}

static int channel_implicit_tls(struct reading *r, const struct yaml_node *node)
{
    return yaml_bool(node, &((struct channel_config *)r->item)->implicit_tls)
               ? 0
               : bad(r, node, "true or false is expected here");
}

static int channel_send_resolved(struct reading *r, const struct yaml_node *node)
{
    bool yes;
    if (!yaml_bool(node, &yes))
        return bad(r, node, "true or false is expected here");
    ((struct channel_config *)r->item)->send_resolved = yes ? CHOICE_YES : CHOICE_NO;
    return 0;
}

static int channel_timeout(struct reading *r, const struct yaml_node *node)
{
    int64_t *timeout_ns = &((struct channel_config *)r->item)->timeout_ns;
    int rc = read_duration(r, node, timeout_ns);
    return rc == 0 && (*timeout_ns < TC_SECOND_NS || *timeout_ns > 300 * TC_SECOND_NS)
               ? bad(r, node, "1s to 5m is possible here")
               : rc;
}

static int channel_fallback_after(struct reading *r, const struct yaml_node *node)
{
    return read_duration(r, node, &((struct channel_config *)r->item)->fallback_after_ns);
}

static int channel_max_per_minute(struct reading *r, const struct yaml_node *node)
{
    uint64_t v;
    int rc = read_number(r, node, 1, 60000, &v);
    if (rc == 0)
        ((struct channel_config *)r->item)->max_per_minute = (uint32_t)v;
    return rc;
}

static int channel_signing_keys(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    if (node->type != YAML_LIST)
        return read_secret(r, node, &channel->signing_keys[0]);
    if (node->count < 1 || node->count > TC_ARRAY_LEN(channel->signing_keys))
        return bad(r, node,
                   "one key or two are expected here: the one in use, then the one that comes or goes");
    int rc = 0;
    size_t i = 0;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        rc = read_secret(r, n, &channel->signing_keys[i++]);
    return rc;
}

/* A value may be a secret, named as one. */
static int channel_headers(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    if (node->type != YAML_MAP || node->count > TC_HEADERS_MAX)
        return bad(r, node, "a map of at most 16 headers is expected here");
    struct channel_header *headers = ARENA_ARRAY(&r->config->arena, struct channel_header, node->count + 1);
    int rc = 0;
    channel->headers = headers;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        struct channel_header *header = &headers[channel->header_count++];
        bool secret =
            n->type == YAML_SCALAR && (sv_starts(n->text, SV("env:")) || sv_starts(n->text, SV("file:")));
        header->name = arena_sv(&r->config->arena, n->key);
        rc = secret ? read_secret(r, n, &header->value) : read_text(r, n, &header->value);
    }
    return rc;
}

#define SEVERITY_SETTING(set, severity, read)                                                                \
    static int set##_##severity(struct reading *r, const struct yaml_node *node)                             \
    {                                                                                                        \
        return read(r, node, SEVERITY_##severity);                                                           \
    }

static int read_mention(struct reading *r, const struct yaml_node *node, enum severity severity)
{
    return read_text(r, node, &((struct channel_config *)r->item)->mentions[severity]);
}
SEVERITY_SETTING(mention, P1, read_mention)
SEVERITY_SETTING(mention, P2, read_mention)
SEVERITY_SETTING(mention, P3, read_mention)
SEVERITY_SETTING(mention, P4, read_mention)

static const struct setting mention_settings[] = {{"P1", "whom to call", "@channel", mention_P1},
                                                  {"P2", "whom to call", "nobody", mention_P2},
                                                  {"P3", "whom to call", "nobody", mention_P3},
                                                  {"P4", "whom to call", "nobody", mention_P4},
                                                  {0}};

static int channel_mentions(struct reading *r, const struct yaml_node *node)
{
    return read_section(r, node, mention_settings);
}

static const struct setting channel_settings[] = {
    {"name", "name of the channel", "required", channel_name},
    {"type", "slack, email, webhook, pagerduty, file or stdout", "required", channel_type},
    {"url",
     "slack: the incoming webhook; webhook: where to; pagerduty: another endpoint; as env:NAME or file:PATH",
     "required for slack and webhook", channel_url},
    {"path", "file: where to append one JSON object a line", "required for file", channel_path},
    {"slack_channel", "slack: the channel named in the message", "#security-incidents",
     channel_slack_channel},
    {"username", "slack: the name shown", "Security Bot", channel_username},
    {"icon_emoji", "slack: the icon shown", ":rotating_light:", channel_icon},
    {"reveal", "what it may know of persons: none, addresses (IP addresses, no account names) or all",
     "all for stdout and file, else none", channel_reveal},
    {"mentions",
     "slack: whom to call, by priority: a map of P1 to P4; @channel, @here, the id of a group (S012…) or "
     "person",
     "P1: @channel", channel_mentions},
    {"smarthost", "email: the mail server, as mail.example.com:587", "required for email", channel_smarthost},
    {"from", "email: the sender, as soc@example.com or Security <soc@example.com>", "required for email",
     channel_from},
    {"to", "email: recipients, at most 64", "required for email", channel_to},
    {"hello", "email: the name to greet the mail server with", "localhost", channel_hello},
    {"require_tls", "email: send nothing unless the server does STARTTLS", "true", channel_require_tls},
    {"implicit_tls", "email: TLS from the first byte, as on port 465", "false", channel_implicit_tls},
    {"auth_username", "email, webhook: name for the login", "none", channel_auth_username},
    {"auth_password", "email, webhook: its password, as env:NAME or file:PATH", "none",
     channel_auth_password},
    {"bearer_token", "webhook: sent as Authorization: Bearer, as env:NAME or file:PATH", "none",
     channel_bearer_token},
    {"signing_keys", "webhook: one or two keys of the HMAC-SHA256 signature, as env:NAME or file:PATH",
     "not signed", channel_signing_keys},
    {"headers", "webhook: more headers, a map; a value may be env:NAME or file:PATH", "none",
     channel_headers},
    {"routing_key", "pagerduty: the integration's key, as env:NAME or file:PATH", "required for pagerduty",
     channel_routing_key},
    {"ca_file",
     "email, webhook, slack, pagerduty: PEM file of certificates to trust in place of the system's",
     "the system's", channel_ca_file},
    {"min_severity", "only alerts of this priority or a higher one, where `routing` does not name it",
     "slack, pagerduty: P2; email: P3; others: P4", channel_min_severity},
    {"send_resolved", "also tell when an alert has ended", "webhook, pagerduty: true; others: false",
     channel_send_resolved},
    {"fallback", "name of the channel that is told as well once this one is broken", "none",
     channel_fallback},
    {"fallback_after", "how long it must have failed to be called broken", "30s", channel_fallback_after},
    {"timeout", "of one attempt", "10s", channel_timeout},
    {"max_per_minute", "no more messages than this in a minute; the others wait", "no limit",
     channel_max_per_minute},
    {"emergency",
     "also told, from memory, when the disk fails or is full; where no channel says so, all but files "
     "are",
     "false", channel_emergency},
    {0}};

static int read_channels(struct reading *r, const struct yaml_node *node)
{
    int rc = check_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    struct err why;
    c->channel_count = node->count;
    c->channels = ARENA_ARRAY(&c->arena, struct channel_config, node->count + 1);
    for (size_t i = 0; i < c->channel_count; i++)
        c->channels[i].require_tls = true;
    rc = read_rows(r, node, channel_settings, c->channels, sizeof c->channels[0]);
    for (size_t i = 0; rc == 0 && i < c->channel_count; i++) {
        const struct channel_config *channel = &c->channels[i];
        if (channel->name.n == 0 || channel->type.n == 0)
            rc = bad(r, node, "every channel needs a name and a type");
        else if (notify_check_channel(channel, &why) != 0)
            rc = err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "channels: %.*s: %s",
                        SV_FMT(channel->name), why.text);
        for (size_t j = 0; rc == 0 && j < i; j++)
            if (sv_eq(c->channels[j].name, channel->name))
                rc = bad(r, node, "two channels have the same name");
    }
    return rc;
}

/* --- routing and digest
 * -------------------------------------------------------------------------------------------------------- */

static int read_route(struct reading *r, const struct yaml_node *node, enum severity severity)
{
    struct routing *routing = &r->config->routing[severity];
    routing->given = true;
    return read_names(r, node, LIST_MAX, &routing->names, &routing->count);
}
SEVERITY_SETTING(route, P1, read_route)
SEVERITY_SETTING(route, P2, read_route)
SEVERITY_SETTING(route, P3, read_route)
SEVERITY_SETTING(route, P4, read_route)

static const struct setting routing_settings[] = {
    {"P1", "channels told of critical alerts", "every channel", route_P1},
    {"P2", "channels told of high ones", "by min_severity of each channel", route_P2},
    {"P3", "channels told of medium ones", "by min_severity of each channel", route_P3},
    {"P4", "channels told of low ones at once", "by min_severity of each channel", route_P4},
    {0}};

static int read_routing(struct reading *r, const struct yaml_node *node)
{
    return read_section(r, node, routing_settings);
}

static int digest_at(struct reading *r, const struct yaml_node *node)
{
    struct sv text = node->text;
    uint64_t hour, minute;
    if (node->type != YAML_SCALAR || text.n != 5 || text.p[2] != ':' ||
        !num_u64(sv_head(text, 2), 0, 23, &hour) || !num_u64(sv_from(text, 3), 0, 59, &minute))
        return bad(r, node, "a time of day is expected here, such as \"08:00\"");
    r->config->digest_at_s = (int)(hour * 3600 + minute * 60);
    return 0;
}

static int digest_channels(struct reading *r, const struct yaml_node *node)
{
    r->config->digest.given = true;
    return read_names(r, node, LIST_MAX, &r->config->digest.names, &r->config->digest.count);
}

static const struct setting digest_settings[] = {
    {"at", "time of day (in `timezone`) of the daily digest of P4 alerts", "08:00", digest_at},
    {"channels", "who gets it; []: nobody", "every channel of type email", digest_channels},
    {0}};

static int read_digest(struct reading *r, const struct yaml_node *node)
{
    return read_section(r, node, digest_settings);
}

static bool is_channel(const struct config *config, struct sv name)
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
        if (!is_channel(c, routing->names[i]))
            return err_at(err, TC_EINPUT, file, 0, 0, "%s: there is no channel \"%.*s\"", what,
                          SV_FMT(sv_head(routing->names[i], 64)));
    return 0;
}

/* Names may stand before what they name: they are looked up once all is read. */
static int check_names(struct config *c, const char *file, struct err *err)
{
    int rc = check_routing(c, file, &c->digest, "digest", err);
    for (int i = SEVERITY_P1; rc == 0 && i <= SEVERITY_P4; i++)
        rc = check_routing(c, file, &c->routing[i], "routing", err);
    for (size_t i = 0; rc == 0 && i < c->channel_count; i++) {
        struct sv fallback = c->channels[i].fallback;
        if (fallback.n > 0 && (sv_eq(fallback, c->channels[i].name) || !is_channel(c, fallback)))
            rc = err_at(err, TC_EINPUT, file, 0, 0,
                        "channels: the fallback \"%.*s\" of %.*s is no other channel",
                        SV_FMT(sv_head(fallback, 64)), SV_FMT(c->channels[i].name));
    }
    return rc;
}

/* Where nobody was named, mail is the channel for digests (D-04). */
static void fill_digest(struct config *c)
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

bool config_routes(const struct config *config, const struct channel_config *channel, enum severity severity,
                   struct sv reason)
{
    const struct routing *routing = &config->routing[severity];
    if (!routing->given)
        return notify_takes(channel, severity, reason);
    struct channel_config all =
        *channel; /* named: its own severity no longer counts, what it has words for does */
    all.min_severity = SEVERITY_P4;
    for (size_t i = 0; i < routing->count; i++)
        if (sv_eq(routing->names[i], channel->name))
            return notify_takes(&all, severity, reason);
    return false;
}

/* --- alerts
 * ---------------------------------------------------------------------------------------------------------
 */

static int alerts_dedup(struct reading *r, const struct yaml_node *node)
{
    return read_duration(r, node, &r->config->dedup_window_ns);
}

static int alerts_resolve(struct reading *r, const struct yaml_node *node)
{
    return read_duration(r, node, &r->config->resolve_after_ns);
}

static int alerts_steps(struct reading *r, const struct yaml_node *node)
{
    if (node->type != YAML_LIST || node->count > STEPS_MAX)
        return bad(r, node, "a list of at most 16 rising numbers is expected here");
    uint64_t *steps = ARENA_ARRAY(&r->config->arena, uint64_t, node->count + 1), last = 1;
    size_t i = 0;
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next, i++) {
        if (n->type != YAML_SCALAR || !num_u64(n->text, last + 1, UINT32_MAX, &steps[i]))
            return bad(r, node, "a list of at most 16 rising numbers above 1 is expected here");
        last = steps[i];
    }
    r->config->count_steps = steps;
    return 0;
}

static const struct setting alerts_settings[] = {
    {"dedup_window", "occurrences within this time after the first belong to one alert", "1h", alerts_dedup},
    {"count_steps", "counts at which an open alert is told again", "[10, 50, 100]", alerts_steps},
    {"resolve_after", "an alert without occurrences for so long resolves itself", "24h", alerts_resolve},
    {0}};

static int read_alerts(struct reading *r, const struct yaml_node *node)
{
    return read_section(r, node, alerts_settings);
}

/* --- heartbeat
 * ------------------------------------------------------------------------------------------------------ */

static int heartbeat_url(struct reading *r, const struct yaml_node *node)
{
    return read_secret(r, node, &r->config->heartbeat_url);
}

static int heartbeat_interval(struct reading *r, const struct yaml_node *node)
{
    int rc = read_duration(r, node, &r->config->heartbeat_interval_ns);
    return rc == 0 && r->config->heartbeat_interval_ns < TC_SECOND_NS ? bad(r, node, "a second at least")
                                                                      : rc;
}

static int heartbeat_method(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc == 0 && !sv_is(text, "GET") && !sv_is(text, "POST"))
        rc = bad(r, node, "GET or POST is expected here");
    if (rc == 0)
        r->config->heartbeat_get = sv_is(text, "GET");
    return rc;
}

static const struct setting heartbeat_settings[] = {
    {"url",
     "what is called while the whole pipeline is alive (a dead man's switch outside), as env:NAME or "
     "file:PATH",
     "required", heartbeat_url},
    {"interval", "how often; an event must get through all within this time", "1m", heartbeat_interval},
    {"method", "POST or GET", "POST", heartbeat_method},
    {0}};

static int read_heartbeat(struct reading *r, const struct yaml_node *node)
{
    int rc = read_section(r, node, heartbeat_settings);
    return rc == 0 && r->config->heartbeat_url.n == 0 ? bad(r, node, "a heartbeat needs a url") : rc;
}

/* --- seal
 * ------------------------------------------------------------------------------------------------------------
 */

static int seal_key(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    r->config->seal_key_path = rc == 0 ? text.p : NULL;
    return rc;
}

static int seal_interval(struct reading *r, const struct yaml_node *node)
{
    int rc = read_duration(r, node, &r->config->seal_interval_ns);
    return rc == 0 && r->config->seal_interval_ns < TC_SECOND_NS ? bad(r, node, "a second at least") : rc;
}

static int seal_witness_file(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    r->config->seal_witness_file = rc == 0 ? text.p : NULL;
    return rc;
}

static int seal_witness_url(struct reading *r, const struct yaml_node *node)
{
    return read_secret(r, node, &r->config->seal_witness_url);
}

static int seal_witness_log(struct reading *r, const struct yaml_node *node)
{
    return yaml_bool(node, &r->config->seal_witness_log) ? 0 : bad(r, node, "true or false is expected here");
}

static const struct setting seal_settings[] = {
    {"key",
     "file of the private keys that sign checkpoints (`tocsin seal init FILE`); not in the data directory",
     "required", seal_key},
    {"interval", "how often a checkpoint is signed, also when nothing came", "1m", seal_interval},
    {"witness_file", "file outside of this host's reach that each checkpoint is appended to", "none",
     seal_witness_file},
    {"witness_url", "where each checkpoint is posted to, as env:NAME or file:PATH", "none", seal_witness_url},
    {"witness_log", "print each checkpoint in the log", "false", seal_witness_log},
    {0}};

static int read_seal(struct reading *r, const struct yaml_node *node)
{
    int rc = read_section(r, node, seal_settings);
    return rc == 0 && r->config->seal_key_path == NULL ? bad(r, node, "sealing needs a key") : rc;
}

/* --- watch
 * ----------------------------------------------------------------------------------------------------------
 */

static int watch_source(struct reading *r, const struct yaml_node *node)
{
    return read_text(r, node, &((struct source_watch *)r->item)->source);
}

static int watch_interval(struct reading *r, const struct yaml_node *node)
{
    struct source_watch *row = r->item;
    if (node->type == YAML_SCALAR && sv_is(node->text, "learn"))
        return 0;
    int rc = read_duration(r, node, &row->interval_ns);
    return rc == 0 && row->interval_ns < TC_SECOND_NS ? bad(r, node, "a second at least, or the word learn")
                                                      : rc;
}

static const struct setting watch_settings[] = {
    {"source", "name of the source as its events bear it, such as http:default or syslog:tcp:10.0.0.7",
     "required", watch_source},
    {"interval",
     "it sends at least this often; after two of them without an event SOURCE_SILENT is raised. learn: "
     "the longest gap of late",
     "learn", watch_interval},
    {0}};

static int read_watch(struct reading *r, const struct yaml_node *node)
{
    int rc = check_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    c->watch_count = node->count;
    c->watch = ARENA_ARRAY(&c->arena, struct source_watch, node->count + 1);
    rc = read_rows(r, node, watch_settings, c->watch, sizeof c->watch[0]);
    for (size_t i = 0; rc == 0 && i < c->watch_count; i++) {
        if (c->watch[i].source.n == 0)
            rc = bad(r, node, "every row needs a source");
        for (size_t j = 0; rc == 0 && j < i; j++)
            if (sv_eq(c->watch[j].source, c->watch[i].source))
                rc = bad(r, node, "two rows name the same source");
    }
    return rc;
}

/* --- syslog
 * ---------------------------------------------------------------------------------------------------------
 */

static int read_address(struct reading *r, const struct yaml_node *node, const char **ret)
{
    struct sv text;
    struct address address;
    struct err err;
    int rc = read_text(r, node, &text);
    if (rc == 0 && address_parse(text, &address, &err) != 0)
        rc = bad(r, node, err.text);
    if (rc == 0)
        *ret = text.p;
    return rc;
}

static int syslog_udp(struct reading *r, const struct yaml_node *node)
{
    return read_address(r, node, &r->config->syslog_udp);
}

static int syslog_tcp(struct reading *r, const struct yaml_node *node)
{
    return read_address(r, node, &r->config->syslog_tcp);
}

static int syslog_plaintext(struct reading *r, const struct yaml_node *node)
{
    return yaml_bool(node, &r->config->syslog_allow_plaintext)
               ? 0
               : bad(r, node, "true or false is expected here");
}

static int syslog_lateness(struct reading *r, const struct yaml_node *node)
{
    return read_duration(r, node, &r->config->syslog_lateness_ns);
}

/* `parsers` stands before `syslog` in the table of the top level, so the library is open. */
static int syslog_parser(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    struct err err;
    int rc = read_text(r, node, &text);
    if (rc == 0 &&
        parser_library_find(r->config->parsers.library, text, &r->config->syslog_parser, &err) != 0)
        rc = bad(r, node, err.text);
    return rc;
}

static const struct setting syslog_settings[] = {
    {"udp", "address and port for syslog over UDP, as 127.0.0.1:5514", "none", syslog_udp},
    {"tcp", "address and port for syslog over TCP (octet-counted or a line a message)", "none", syslog_tcp},
    {"allow_plaintext", "also listen where others than this machine can reach it, unencrypted", "false",
     syslog_plaintext},
    {"lateness", "as `lateness` of the top level, for messages that came by syslog", "`lateness`",
     syslog_lateness},
    {"parser", "what reads the messages: syslog, or a shipped or declared parser (docs/parsers.md)", "syslog",
     syslog_parser},
    {0}};

static int read_syslog(struct reading *r, const struct yaml_node *node)
{
    return read_section(r, node, syslog_settings);
}

/* --- files
 * ---------------------------------------------------------------------------------------------------------
 */

static int file_name(struct reading *r, const struct yaml_node *node)
{
    return read_text(r, node, &((struct tail_source *)r->item)->name);
}

static int file_paths(struct reading *r, const struct yaml_node *node)
{
    struct tail_source *source = r->item;
    int rc = check_list(r, node);
    if (rc != 0)
        return rc;
    const char **paths = ARENA_ARRAY(&r->config->arena, const char *, node->count + 1);
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        struct err err;
        if (n->type != YAML_SCALAR)
            return err_at(r->err, TC_EINPUT, r->file, n->line, n->column, "paths: a path is expected here");
        if (tail_check_pattern(n->text, &err) != 0)
            return err_at(r->err, TC_EINPUT, r->file, n->line, n->column, "paths: %s", err.text);
        paths[source->path_count++] = arena_sv(&r->config->arena, n->text).p;
    }
    source->paths = paths;
    return 0;
}

static int file_format(struct reading *r, const struct yaml_node *node)
{
    struct tail_source *source = r->item;
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc != 0 || sv_is(text, "auto"))
        return rc;
    struct err err; /* `parsers` stands before `files`, too */
    if (parser_library_find(r->config->parsers.library, text, &source->parser, &err) != 0)
        rc = bad(r, node, err.text);
    return rc;
}

static int read_start(struct reading *r, const struct yaml_node *node, bool *ret_from_end)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc == 0 && !sv_is(text, "beginning") && !sv_is(text, "end"))
        rc = bad(r, node, "beginning or end is expected here");
    if (rc == 0)
        *ret_from_end = sv_is(text, "end");
    return rc;
}

static int file_start(struct reading *r, const struct yaml_node *node)
{
    return read_start(r, node, &((struct tail_source *)r->item)->from_end);
}

static const struct setting file_settings[] = {
    {"name", "their events bear the source file:NAME", "file: and the path", file_name},
    {"paths", "absolute paths, each part of which may hold the patterns * ? [...]", "required", file_paths},
    {"format", "how a line is read: json, syslog, nginx … or a shipped or declared parser (docs/parsers.md)",
     "auto", file_format},
    {"start", "beginning or end: where files begin that are there when this source is first followed", "end",
     file_start},
    {0}};

static int read_files(struct reading *r, const struct yaml_node *node)
{
    int rc = check_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    c->file_count = node->count;
    c->files = ARENA_ARRAY(&c->arena, struct tail_source, node->count + 1);
    for (size_t i = 0; i < c->file_count; i++)
        c->files[i].from_end = true;
    rc = read_rows(r, node, file_settings, c->files, sizeof c->files[0]);
    for (size_t i = 0; rc == 0 && i < c->file_count; i++) {
        if (c->files[i].path_count == 0)
            rc = bad(r, node, "every source of files needs paths");
        for (size_t j = 0; rc == 0 && j < i; j++)
            if (c->files[i].name.n > 0 && sv_eq(c->files[i].name, c->files[j].name))
                rc = bad(r, node, "two sources of files have the same name");
    }
    return rc;
}

/* --- journald
 * ---------------------------------------------------------------------------------------------------------
 */

static int journald_directory(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc == 0)
        r->config->journald_directory = text.p;
    return rc;
}

static int journald_start(struct reading *r, const struct yaml_node *node)
{
    bool from_end = true;
    int rc = read_start(r, node, &from_end);
    r->config->journald_from_beginning = !from_end;
    return rc;
}

static int journald_enabled(struct reading *r, const struct yaml_node *node)
{
    return yaml_bool(node, &r->config->journald) ? 0 : bad(r, node, "true or false is expected here");
}

static const struct setting journald_settings[] = {
    {"enabled", "read the journal of systemd", "true where this section stands", journald_enabled},
    {"directory", "where its files lie", "the system's own", journald_directory},
    {"start", "beginning or end: where to begin at the first start", "end", journald_start},
    {0}};

static int read_journald(struct reading *r, const struct yaml_node *node)
{
    r->config->journald = true;
    return read_section(r, node, journald_settings);
}

/* --- privacy
 * ---------------------------------------------------------------------------------------------------------
 */

/* SQL is shown without its literals (ledger H-04) unless the policy says otherwise. */
#define DEFAULT_POLICY "db.statement sql\ndb.query.text sql\nsql sql\nsql_text sql\nsql_query sql\n"

static int privacy_key(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc == 0)
        r->config->vault_key_path = text.p;
    return rc;
}

/* Each element is "PATTERN ACTION"; the policy's own reader judges it. */
static int privacy_fields(struct reading *r, const struct yaml_node *node)
{
    int rc = check_list(r, node);
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        struct policy *policy;
        struct err err;
        if (n->type != YAML_SCALAR || n->text.n == 0)
            return err_at(r->err, TC_EINPUT, r->file, n->line, n->column,
                          "fields: \"NAME ACTION\" is expected");
        if (policy_new(n->text, &policy, &err) != 0)
            return err_at(r->err, TC_EINPUT, r->file, n->line, n->column, "fields: %s", err.text);
        policy_free(&policy);
        r->config->policy_text =
            arena_printf(&r->config->arena, "%.*s%.*s\n", SV_FMT(r->config->policy_text), SV_FMT(n->text));
    }
    return rc;
}

static int privacy_strict(struct reading *r, const struct yaml_node *node)
{
    bool strict;
    if (!yaml_bool(node, &strict))
        return bad(r, node, "true or false is expected here");
    if (strict)
        r->config->policy_text =
            arena_printf(&r->config->arena, "%.*sstrict\n", SV_FMT(r->config->policy_text));
    return 0;
}

static int privacy_officers(struct reading *r, const struct yaml_node *node)
{
    int rc = check_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    c->officer_count = node->count;
    c->officers = ARENA_ARRAY(&c->arena, struct api_token, node->count + 1);
    rc = read_rows(r, node, officer_settings, c->officers, sizeof c->officers[0]);
    for (size_t i = 0; rc == 0 && i < c->officer_count; i++)
        if (c->officers[i].source.n == 0 || c->officers[i].secret.n < 16)
            rc = bad(r, node, "every officer needs a name and a token of 16 characters or more");
    return rc;
}

static const struct setting privacy_settings[] = {
    {"vault_key", "file of the key that seals the vault; made where it is missing",
     "vault.key in the data directory", privacy_key},
    {"fields",
     "what becomes of fields, first match wins: \"NAME keep\", token, mask, hash, drop, sql, \"truncate N\"; "
     "* stands for anything",
     "SQL without literals", privacy_fields},
    {"strict", "drop every field that `fields` does not name", "false", privacy_strict},
    {"officers", "who may reveal and erase, and their tokens", "nobody", privacy_officers},
    {0}};

static int read_privacy(struct reading *r, const struct yaml_node *node)
{
    r->config->policy_text = yaml_get(node, "fields") != NULL ? (struct sv){0} : r->config->policy_text;
    return read_section(r, node, privacy_settings);
}

/* --- top level
 * ------------------------------------------------------------------------------------------------------ */

static int read_listen(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc == 0 && sv_find_char(text, ':') == text.n)
        rc = bad(r, node, "an address and a port are expected here, such as 127.0.0.1:9797");
    if (rc == 0)
        r->config->listen = text.p;
    return rc;
}

static int read_data(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc == 0)
        r->config->data = text.p;
    return rc;
}

static int read_console(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc == 0 && !sv_starts(text, SV("http://")) && !sv_starts(text, SV("https://")))
        rc = bad(r, node, "a URL is expected here");
    if (rc == 0)
        r->config->console_url = text.p;
    return rc;
}

static int read_paths(struct reading *r, const struct yaml_node *node, const char *const **ret,
                      size_t *ret_count)
{
    int rc = check_list(r, node);
    if (rc != 0)
        return rc;
    const char **paths = ARENA_ARRAY(&r->config->arena, const char *, node->count + 1);
    size_t count = 0;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        struct sv text = {0};
        if (n->type != YAML_SCALAR || n->text.n == 0)
            rc = err_at(r->err, TC_EINPUT, r->file, n->line, n->column, "%.*s: a path is expected here",
                        SV_FMT(node->key));
        else
            text = arena_sv(&r->config->arena, n->text);
        paths[count++] = text.p;
    }
    *ret = paths;
    *ret_count = count;
    return rc;
}

static int read_rules(struct reading *r, const struct yaml_node *node)
{
    r->config->shipped_packs = false;
    return read_paths(r, node, &r->config->rules, &r->config->rule_count);
}

static int read_placeholders(struct reading *r, const struct yaml_node *node)
{
    return read_paths(r, node, &r->config->placeholders, &r->config->placeholder_count);
}

static int read_pipelines(struct reading *r, const struct yaml_node *node)
{
    return read_paths(r, node, &r->config->pipelines, &r->config->pipeline_count);
}

static int read_geoip(struct reading *r, const struct yaml_node *node)
{
    return read_paths(r, node, &r->config->geoip, &r->config->geoip_count);
}

static int read_parsers(struct reading *r, const struct yaml_node *node)
{
    const char *paths[LIST_MAX] = {0};
    size_t count = 0;
    int rc = check_list(r, node);
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        struct sv text;
        if (n->type != YAML_SCALAR || n->text.n == 0)
            return err_at(r->err, TC_EINPUT, r->file, n->line, n->column, "parsers: a path is expected here");
        text = arena_sv(&r->config->arena, n->text);
        paths[count++] = text.p;
    }
    if (rc != 0)
        return rc;
    parsers_close(&r->config->parsers);
    return parsers_open(paths, count, &r->config->parsers, r->err);
}

static int read_packs(struct reading *r, const struct yaml_node *node)
{
    return yaml_bool(node, &r->config->shipped_packs) ? 0 : bad(r, node, "true or false is expected here");
}

static int read_lateness(struct reading *r, const struct yaml_node *node)
{
    return read_duration(r, node, &r->config->lateness_ns);
}

static int read_timezone(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = read_text(r, node, &text);
    if (rc == 0 && !inputs_zone(text.p, &r->config->zone_offset_s))
        rc = bad(r, node, "UTC or an offset such as +02:00 is expected here");
    return rc;
}

static int read_threads(struct reading *r, const struct yaml_node *node)
{
    uint64_t v;
    int rc = read_number(r, node, 1, 64, &v);
    if (rc == 0)
        r->config->threads = (unsigned)v;
    return rc;
}

static int read_max_body(struct reading *r, const struct yaml_node *node)
{
    uint64_t v;
    int rc = read_number(r, node, 1024, 1u << 30, &v);
    if (rc == 0)
        r->config->max_body_bytes = v;
    return rc;
}

static int read_sandbox(struct reading *r, const struct yaml_node *node)
{
    return yaml_bool(node, &r->config->sandbox) ? 0 : bad(r, node, "true or false is expected here");
}

/* --- metrics
 * -----------------------------------------------------------------------------------------------------------
 */

static int metrics_enabled(struct reading *r, const struct yaml_node *node)
{
    return yaml_bool(node, &r->config->metrics) ? 0 : bad(r, node, "true or false is expected here");
}

static int metrics_series(struct reading *r, const struct yaml_node *node)
{
    return read_number(r, node, 1000, 100 * 1000 * 1000, &r->config->series_limit);
}

static int metrics_source_series(struct reading *r, const struct yaml_node *node)
{
    return read_number(r, node, 1, 100 * 1000 * 1000, &r->config->source_series_limit);
}

static int metrics_retention(struct reading *r, const struct yaml_node *node)
{
    return read_duration(r, node, &r->config->metrics_retention_ns);
}

static int metrics_retention_bytes(struct reading *r, const struct yaml_node *node)
{
    return read_number(r, node, 1 << 20, INT64_MAX, &r->config->metrics_retention_bytes);
}

static int metrics_out_of_order(struct reading *r, const struct yaml_node *node)
{
    int rc = read_duration(r, node, &r->config->metrics_out_of_order_ns);
    return rc == 0 && r->config->metrics_out_of_order_ns > 3600 * TC_SECOND_NS ? bad(r, node, "at most 1h")
                                                                               : rc;
}

static const struct setting metrics_settings[] = {
    {"enabled", "keep metrics: take Prometheus remote write, answer PromQL", "false", metrics_enabled},
    {"series_limit", "series in memory; new ones past it are refused", "2000000", metrics_series},
    {"source_series_limit", "series in memory that one source may have", "`series_limit`",
     metrics_source_series},
    {"retention", "how long samples are kept", "15d", metrics_retention},
    {"retention_bytes", "bytes of all blocks past which the oldest go", "no bound", metrics_retention_bytes},
    {"out_of_order", "how late a sample may come, at most 1h", "0 (refused, as Prometheus does)",
     metrics_out_of_order},
    {0}};

static int read_metrics(struct reading *r, const struct yaml_node *node)
{
    return read_section(r, node, metrics_settings);
}

/* `shipped_packs` stands after `rules`, whose reader sets its default. */
static const struct setting top_settings[] = {
    {"listen", "address and port of the HTTP server", "127.0.0.1:9797", read_listen},
    {"data", "the data directory", "--data", read_data},
    {"console_url", "how people reach the page; links in notifications begin with it",
     "http:// and the listen address", read_console},
    {"rules", "Sigma rule files, or directories walked for *.yml and *.yaml", "none", read_rules},
    {"shipped_packs", "also load the packs that the program carries", "true, or false where rules are named",
     read_packs},
    {"placeholders",
     "files with values for `expand` (top-level key `placeholders`), beside those among the rules", "none",
     read_placeholders},
    {"pipelines",
     "processing pipelines that change rules before they are read: files, or names of those that the program "
     "carries",
     "none", read_pipelines},
    {"geoip", "MMDB files (GeoLite2, GeoIP2, DB-IP) that tell country, city and network of addresses", "none",
     read_geoip},
    {"sources", "senders and their tokens; where none is named, loopback needs no token", "none",
     read_sources},
    {"channels", "where alerts are sent", "stdout, and Slack where SLACK_SECURITY_WEBHOOK is set",
     read_channels},
    {"routing", "which channels are told of which priority", "by min_severity of each channel", read_routing},
    {"digest", "the daily digest of P4 alerts", "to email channels, at 08:00", read_digest},
    {"alerts", "how occurrences become alerts", "", read_alerts},
    {"parsers", "files of parsers of your own, or directories with *.yml and *.yaml (docs/parsers.md)",
     "none", read_parsers},
    {"privacy", "what is replaced, and who may see behind it", "", read_privacy},
    {"heartbeat", "call a dead man's switch while everything works", "none", read_heartbeat},
    {"seal", "sign checkpoints of the journal (docs/evidence.md)", "none", read_seal},
    {"watch", "sources whose silence is an alert", "none", read_watch},
    {"syslog", "listen for syslog messages (RFC 5424, RFC 3164)", "none", read_syslog},
    {"files", "log files that are followed", "none", read_files},
    {"journald", "read the journal of systemd", "none", read_journald},
    {"metrics", "a store of metrics, for Prometheus' senders and readers", "off", read_metrics},
    {"lateness",
     "events older than this when they arrive are marked suspect and judged by their receive time", "1h",
     read_lateness},
    {"timezone", "zone of times that bear none", "UTC", read_timezone},
    {"threads", "worker threads of detection, 1 to 64", "one per processor", read_threads},
    {"max_body_bytes", "largest unpacked body of a request, in bytes: 1024 to 1073741824", "33554432",
     read_max_body},
    {"sandbox", "refuse itself, once it runs, the system calls that it does not need; false only to debug",
     "true", read_sandbox},
    {0}};

void config_defaults(struct config *config)
{
    *config = (struct config){.listen = "127.0.0.1:9797",
                              .shipped_packs = true,
                              .lateness_ns = 3600 * TC_SECOND_NS,
                              .threads = pool_processors(),
                              .max_body_bytes = 32 << 20,
                              .sandbox = true,
                              .syslog_lateness_ns = -1,
                              .syslog_parser = parser_find(SV("syslog")),
                              .policy_text = SV(DEFAULT_POLICY),
                              .heartbeat_interval_ns = 60 * TC_SECOND_NS,
                              .metrics_retention_ns = INT64_C(15) * 86400 * TC_SECOND_NS,
                              .seal_interval_ns = 60 * TC_SECOND_NS,
                              .dedup_window_ns = 3600 * TC_SECOND_NS,
                              .digest_at_s = 8 * 3600,
                              .resolve_after_ns = 86400 * TC_SECOND_NS};
    int rc = parsers_open(NULL, 0, &config->parsers, NULL);
    tc_assert(rc == 0); /* without files of the user nothing is read */
    config->channels = ARENA_ARRAY(&config->arena, struct channel_config, 2);
    config->channels[config->channel_count++] =
        (struct channel_config){.name = SV("stdout"), .type = SV("stdout")};
    const char *slack = getenv("SLACK_SECURITY_WEBHOOK");
    if (slack != NULL && slack[0] != '\0')
        config->channels[config->channel_count++] = (struct channel_config){
            .name = SV("slack"), .type = SV("slack"), .url = arena_sv(&config->arena, sv_of(slack))};
}

/* --- what a reload leaves to a restart
 * -------------------------------------------------------------------------------------- */

static uint64_t print_of(const struct yaml_node *node)
{
    uint64_t print = hash_64_seed(node->key, hash_64_seed(node->text, (uint64_t)node->type + 1));
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next)
        print = hash_64_seed(sv_make((const char *)&print, sizeof print), print_of(n));
    return print;
}

static void take_prints(struct config *c, const struct yaml_node *root)
{
    for (size_t i = 0; top_settings[i].key != NULL; i++) {
        const struct yaml_node *node = root == NULL ? NULL : yaml_get(root, top_settings[i].key);
        tc_assert(i < CONFIG_KEYS_MAX);
        c->prints[c->print_count++] =
            (struct config_print){top_settings[i].key, node == NULL ? 0 : print_of(node)};
        if (node != NULL && strcmp(top_settings[i].key, "parsers") == 0)
            c->prints[i].print ^= c->parsers.print; /* the files are read at the start, too */
    }
}

size_t config_restart_needed(const struct config *running, const struct config *fresh,
                             const char *ret_keys[CONFIG_KEYS_MAX])
{
    static const char *const read_anew[] = {"rules", "shipped_packs", "placeholders", "pipelines",
                                            "geoip", "alerts",        "watch",        NULL};
    size_t count = 0;
    for (size_t i = 0; top_settings[i].key != NULL; i++) {
        uint64_t before = i < running->print_count ? running->prints[i].print : 0;
        uint64_t now = i < fresh->print_count ? fresh->prints[i].print : 0;
        bool anew = false;
        for (size_t k = 0; read_anew[k] != NULL; k++)
            anew = anew || strcmp(read_anew[k], top_settings[i].key) == 0;
        if (!anew && before != now)
            ret_keys[count++] = top_settings[i].key;
    }
    return count;
}

int config_load(const char *path, struct config *config, struct err *err)
{
    struct buf bytes;
    struct yaml_doc *docs;
    struct reading r = {.config = config, .file = path, .err = err};
    buf_init(&bytes, CONFIG_FILE_MAX);
    int rc = fs_read_file(&fs_system, path, &bytes, err);
    if (rc == TC_EIO && err != NULL)
        rc = err->code = TC_EINPUT; /* a named file that cannot be read is the user's to mend */
    if (rc == 0)
        rc = yaml_parse(&config->arena, path, buf_view(&bytes), &docs, err);
    buf_free(&bytes);
    if (rc != 0)
        return rc;
    if (docs == NULL || docs->root == NULL)
        return 0;
    if (docs->next != NULL)
        return err_at(err, TC_EINPUT, path, 0, 0, "holds several documents: a configuration is one");
    if (docs->root->type != YAML_MAP)
        return err_at(err, TC_EINPUT, path, docs->root->line, docs->root->column,
                      "a map of settings is expected here");
    rc = read_section(&r, docs->root, top_settings);
    take_prints(config, docs->root);
    if (rc == 0)
        rc = check_names(config, path, err);
    if (rc == 0)
        fill_digest(config);
    return rc;
}

void config_free(struct config *config)
{
    parsers_close(&config->parsers);
    arena_free(&config->arena);
    *config = (struct config){0};
}

static void reference_table(struct buf *out, const char *title, const struct setting *settings)
{
    buf_printf(out, "## %s\n\n| key | what it is for | default |\n|---|---|---|\n", title);
    for (size_t i = 0; settings[i].key != NULL; i++)
        buf_printf(out, "| `%s` | %s | %s |\n", settings[i].key, settings[i].about, settings[i].fallback);
    buf_str(out, "\n");
}

void config_reference(struct buf *out)
{
    buf_str(out, "# Configuration\n\nOne YAML file, named with `--config`. Unknown keys are errors. `tocsin "
                 "check --config FILE` checks one. This page is\n"
                 "printed by `tocsin check --reference`.\n\n");
    reference_table(out, "Top level", top_settings);
    reference_table(out, "sources (a list)", source_settings);
    reference_table(out, "channels (a list)", channel_settings);
    reference_table(out, "mentions (of a channel)", mention_settings);
    reference_table(out, "routing", routing_settings);
    reference_table(out, "digest", digest_settings);
    reference_table(out, "alerts", alerts_settings);
    reference_table(out, "privacy", privacy_settings);
    reference_table(out, "privacy.officers (a list)", officer_settings);
    reference_table(out, "heartbeat", heartbeat_settings);
    reference_table(out, "seal", seal_settings);
    reference_table(out, "watch (a list)", watch_settings);
    reference_table(out, "syslog", syslog_settings);
    reference_table(out, "files (a list)", file_settings);
    reference_table(out, "journald", journald_settings);
}
