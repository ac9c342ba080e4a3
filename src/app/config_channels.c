/*
 * The channels of the configuration, and which events are forwarded to some of them.
 */
#include "app/config_priv.h"

#include "base/num.h"

/* --- channels
 * ------------------------------------------------------------------------------------------------------- */

static int channel_name(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct channel_config *)r->item)->name);
}

static int channel_type(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    int rc = setting_text(r, node, &channel->type);
    return rc;
}

static int channel_url(struct reading *r, const struct yaml_node *node)
{
    return setting_secret(r, node, &((struct channel_config *)r->item)->url);
}

static int channel_path(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct channel_config *)r->item)->path);
}

static int channel_slack_channel(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct channel_config *)r->item)->slack_channel);
}

static int channel_username(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct channel_config *)r->item)->username);
}

static int channel_icon(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct channel_config *)r->item)->icon_emoji);
}

static int channel_min_severity(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    channel->min_severity =
        node->type == YAML_SCALAR && node->text.n > 0 ? severity_of(node->text) : SEVERITY_NONE;
    return channel->min_severity == SEVERITY_NONE
               ? setting_bad(r, node, "a severity is expected here: P1 to P4, or critical, high, medium, low")
               : 0;
}

static int channel_reveal(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    return node->type == YAML_SCALAR && reveal_of(node->text, &channel->reveal)
               ? 0
               : setting_bad(r, node, "none, addresses or all is expected here");
}

/* Settings of one shape, by the member that they fill. */
#define CHANNEL_TEXT(member)                                                                                 \
    static int channel_##member(struct reading *r, const struct yaml_node *node)                             \
    {                                                                                                        \
        return setting_text(r, node, &((struct channel_config *)r->item)->member);                           \
    }
#define CHANNEL_SECRET(member)                                                                               \
    static int channel_##member(struct reading *r, const struct yaml_node *node)                             \
    {                                                                                                        \
        return setting_secret(r, node, &((struct channel_config *)r->item)->member);                         \
    }
CHANNEL_TEXT(smarthost)
CHANNEL_TEXT(from)
CHANNEL_TEXT(hello)
CHANNEL_TEXT(auth_username)
CHANNEL_TEXT(ca_file)
CHANNEL_TEXT(fallback)
CHANNEL_TEXT(api_url)
CHANNEL_TEXT(account)
CHANNEL_TEXT(callback_url)
CHANNEL_TEXT(region)
CHANNEL_TEXT(index)
CHANNEL_TEXT(ticket_body)
CHANNEL_TEXT(project)
CHANNEL_TEXT(issue)
CHANNEL_TEXT(transition)
CHANNEL_SECRET(token)
CHANNEL_SECRET(signing_secret)
CHANNEL_SECRET(auth_password)
CHANNEL_SECRET(bearer_token)
CHANNEL_SECRET(routing_key)

static int channel_to(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    return setting_names(r, node, TC_RECIPIENTS_MAX, &channel->to, &channel->to_count);
}

static int channel_require_tls(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &((struct channel_config *)r->item)->require_tls);
}

static int channel_emergency(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &((struct channel_config *)r->item)->emergency);
}

static int channel_implicit_tls(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &((struct channel_config *)r->item)->implicit_tls);
}

static int channel_send_resolved(struct reading *r, const struct yaml_node *node)
{
    bool yes = false;
    int rc = setting_bool(r, node, &yes);
    if (rc == 0)
        ((struct channel_config *)r->item)->send_resolved = yes ? CHOICE_YES : CHOICE_NO;
    return rc;
}

static int channel_timeout(struct reading *r, const struct yaml_node *node)
{
    int64_t *timeout_ns = &((struct channel_config *)r->item)->timeout_ns;
    int rc = setting_duration(r, node, timeout_ns);
    return rc == 0 && (*timeout_ns < TC_SECOND_NS || *timeout_ns > 300 * TC_SECOND_NS)
               ? setting_bad(r, node, "1s to 5m is possible here")
               : rc;
}

static int channel_fallback_after(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &((struct channel_config *)r->item)->fallback_after_ns);
}

static int channel_max_per_minute(struct reading *r, const struct yaml_node *node)
{
    uint64_t v;
    int rc = setting_number(r, node, 1, 60000, &v);
    if (rc == 0)
        ((struct channel_config *)r->item)->max_per_minute = (uint32_t)v;
    return rc;
}

static int channel_signing_keys(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    if (node->type != YAML_LIST)
        return setting_secret(r, node, &channel->signing_keys[0]);
    if (node->count < 1 || node->count > TC_ARRAY_LEN(channel->signing_keys))
        return setting_bad(
            r, node, "one key or two are expected here: the one in use, then the one that comes or goes");
    int rc = 0;
    size_t i = 0;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        rc = setting_secret(r, n, &channel->signing_keys[i++]);
    return rc;
}

/* A value may be a secret, named as one. */
static int channel_headers(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    if (node->type != YAML_MAP || node->count > TC_HEADERS_MAX)
        return setting_bad(r, node, "a map of at most 16 headers is expected here");
    struct channel_header *headers = ARENA_ARRAY(&r->config->arena, struct channel_header, node->count + 1);
    int rc = 0;
    channel->headers = headers;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        struct channel_header *header = &headers[channel->header_count++];
        bool secret =
            n->type == YAML_SCALAR && (sv_starts(n->text, SV("env:")) || sv_starts(n->text, SV("file:")));
        header->name = arena_sv(&r->config->arena, n->key);
        rc = secret ? setting_secret(r, n, &header->value) : setting_text(r, n, &header->value);
    }
    return rc;
}

static int channel_people(struct reading *r, const struct yaml_node *node)
{
    struct channel_config *channel = r->item;
    if (node->type != YAML_MAP || node->count > TC_PEOPLE_MAX)
        return setting_bad(r, node, "a map of at most 256 is expected here: an id or number, and the person");
    struct channel_header *people = ARENA_ARRAY(&r->config->arena, struct channel_header, node->count + 1);
    int rc = 0;
    channel->people = people;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        struct channel_header *person = &people[channel->people_count++];
        person->name = arena_sv(&r->config->arena, n->key);
        rc = setting_text(r, n, &person->value);
    }
    return rc;
}

static int channel_segments(struct reading *r, const struct yaml_node *node)
{
    uint64_t v;
    int rc = setting_number(r, node, 1, 10, &v);
    if (rc == 0)
        ((struct channel_config *)r->item)->segments = (uint32_t)v;
    return rc;
}

static int read_mention(struct reading *r, const struct yaml_node *node, enum severity severity)
{
    return setting_text(r, node, &((struct channel_config *)r->item)->mentions[severity]);
}
SEVERITY_SETTING(mention, P1, read_mention)
SEVERITY_SETTING(mention, P2, read_mention)
SEVERITY_SETTING(mention, P3, read_mention)
SEVERITY_SETTING(mention, P4, read_mention)

const struct setting config_mention_settings[] = {{"P1", "whom to call", "@channel", mention_P1},
                                                  {"P2", "whom to call", "nobody", mention_P2},
                                                  {"P3", "whom to call", "nobody", mention_P3},
                                                  {"P4", "whom to call", "nobody", mention_P4},
                                                  {0}};

static int channel_mentions(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, config_mention_settings);
}

const struct setting config_channel_settings[] = {
    {"name", "name of the channel", "required", channel_name},
    {"type", "what it is: see [channels.md](channels.md)", "required", channel_type},
    {"url",
     "slack, teams, discord, mattermost: the incoming webhook; webhook, ticket: where to; pagerduty: another "
     "endpoint; as env:NAME or file:PATH",
     "required but for pagerduty", channel_url},
    {"path", "file: where to append one JSON object a line", "required for file", channel_path},
    {"slack_channel", "slack, slack_app, mattermost: the channel", "#security-incidents",
     channel_slack_channel},
    {"username", "slack, mattermost: the name shown", "Security Bot", channel_username},
    {"icon_emoji", "slack: the icon shown", ":rotating_light:", channel_icon},
    {"reveal", "what it may know of persons: none, addresses (IP addresses, no account names) or all",
     "all for stdout and file, else none", channel_reveal},
    {"mentions",
     "slack, slack_app, mattermost, discord: whom to call, by priority: a map of P1 to P4; @channel, @here, "
     "the id of a group "
     "(S012…) or "
     "person",
     "P1: @channel", channel_mentions},
    {"smarthost", "email: the mail server, as mail.example.com:587", "required for email", channel_smarthost},
    {"from",
     "email: the sender, as soc@example.com or Security <soc@example.com>; sms, voice: a number of the "
     "account",
     "required for email, sms and voice", channel_from},
    {"to",
     "who is told, at most 64: email: addresses; sms, voice: numbers, as +15005550006; telegram: chats; "
     "pushover: "
     "user keys; webex: rooms; sns: topics",
     "required there", channel_to},
    {"hello", "email: the name to greet the mail server with", "localhost", channel_hello},
    {"require_tls", "email: send nothing unless the server does STARTTLS", "true", channel_require_tls},
    {"implicit_tls", "email: TLS from the first byte, as on port 465", "false", channel_implicit_tls},
    {"auth_username", "email, webhook, elastic, jira, ticket: name for the login", "none",
     channel_auth_username},
    {"auth_password", "email, webhook, elastic, jira, ticket: its password, as env:NAME or file:PATH", "none",
     channel_auth_password},
    {"bearer_token", "webhook: sent as Authorization: Bearer, as env:NAME or file:PATH", "none",
     channel_bearer_token},
    {"signing_keys", "webhook: one or two keys of the HMAC-SHA256 signature, as env:NAME or file:PATH",
     "not signed", channel_signing_keys},
    {"headers", "webhook: more headers, a map; a value may be env:NAME or file:PATH", "none",
     channel_headers},
    {"routing_key", "pagerduty: the integration's key; victorops: the routing key; as env:NAME or file:PATH",
     "required for pagerduty", channel_routing_key},
    {"api_url", "the address of the service's API, in place of the vendor's: a proxy, a test", "the vendor's",
     channel_api_url},
    {"account", "sms, voice: the account's SID; sns: the access key's id", "required there", channel_account},
    {"token",
     "slack_app, telegram, webex: the bot's; sms, voice: the account's; pushover: the application's; "
     "opsgenie: the "
     "API key; victorops: the endpoint's key; sns: the secret access key; datadog: the API key; splunk_hec: "
     "the collector's; "
     "elastic: an API key; jira, ticket: a bearer token; as "
     "env:NAME "
     "or file:PATH",
     "required but for elastic, jira and ticket", channel_token},
    {"region", "sns: the region, as eu-west-1; datadog: the site, as datadoghq.eu", "required there",
     channel_region},
    {"index", "splunk_hec, elastic: where to write", "Splunk's default; tocsin-alerts, tocsin-events",
     channel_index},
    {"project", "jira: the project's key", "required there", channel_project},
    {"issue", "jira: the type of issue", "Task", channel_issue},
    {"transition", "jira: the id of the transition to make when an alert has ended", "none",
     channel_transition},
    {"segments", "sms: the longest that a message may be, 1 to 10 SMS; longer ones are cut", "3",
     channel_segments},
    {"body", "ticket: a Go template of the request's JSON, see [channels.md](channels.md)",
     "a shape of its own", channel_ticket_body},
    {"callback_url",
     "sms, voice: where the vendor reaches this program, as https://tocsin.example.com: people then "
     "acknowledge "
     "by reply or digit",
     "nothing comes back", channel_callback_url},
    {"signing_secret",
     "slack_app: the app's, pagerduty: the webhook's, as env:NAME or file:PATH: what is done there comes "
     "back",
     "nothing comes back", channel_signing_secret},
    {"people", "who is who: a map of a number or id over there to a person's name here", "nobody",
     channel_people},
    {"ca_file", "PEM file of certificates to trust in place of the system's", "the system's",
     channel_ca_file},
    {"min_severity", "only alerts of this priority or a higher one, where `routing` does not name it",
     "sms, voice, pushover: P1; email: P3; webhook, sns, file, stdout, SIEMs: P4; others: P2",
     channel_min_severity},
    {"send_resolved", "also tell when an alert has ended",
     "slack, email, sms, voice, stdout: false; others: true", channel_send_resolved},
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

int config_read_channels(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    struct err why;
    c->channel_count = node->count;
    c->channels = ARENA_ARRAY(&c->arena, struct channel_config, node->count + 1);
    for (size_t i = 0; i < c->channel_count; i++)
        c->channels[i].require_tls = true;
    rc = setting_rows(r, node, config_channel_settings, c->channels, sizeof c->channels[0]);
    for (size_t i = 0; rc == 0 && i < c->channel_count; i++) {
        const struct channel_config *channel = &c->channels[i];
        if (channel->name.n == 0 || channel->type.n == 0)
            rc = setting_bad(r, node, "every channel needs a name and a type");
        else if (notify_check_channel(channel, &why) != 0)
            rc = err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "channels: %.*s: %s",
                        SV_FMT(channel->name), why.text);
        for (size_t j = 0; rc == 0 && j < i; j++)
            if (sv_eq(c->channels[j].name, channel->name))
                rc = setting_bad(r, node, "two channels have the same name");
    }
    return rc;
}

/* --- forward
 * ------------------------------------------------------------------------------------------------------- */

static int forward_channel(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct forward_config *)r->item)->channel);
}

static int forward_select(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct forward_config *)r->item)->select);
}

const struct setting config_forward_settings[] = {
    {"channel", "name of a channel of type splunk_hec, datadog, elastic, cef or cef_udp, with `reveal: all`",
     "required", forward_channel},
    {"select", "which events: LogQL, such as {source=~\"http:.+\"} |= \"denied\"", "required",
     forward_select},
    {0}};

int config_read_forward(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_list(r, node);
    if (rc == 0 && node->count > TC_FORWARDS_MAX)
        rc = setting_bad(r, node, "at most 8 are possible");
    if (rc == 0)
        rc = setting_rows(r, node, config_forward_settings, r->config->forwards,
                          sizeof r->config->forwards[0]);
    r->config->forward_count = rc == 0 ? node->count : 0;
    return rc;
}

static int check_forwards(struct config *c, const char *file, struct err *err)
{
    struct err why;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->forward_count; i++) {
        struct forward_config *forward = &c->forwards[i];
        for (size_t j = 0; j < c->channel_count; j++)
            if (sv_eq(c->channels[j].name, forward->channel))
                forward->config = &c->channels[j];
        for (size_t j = 0; rc == 0 && j < i; j++)
            if (sv_eq(c->forwards[j].channel, forward->channel))
                rc = err_at(err, TC_EINPUT, file, 0, 0, "forward: channel %.*s is named twice",
                            SV_FMT(forward->channel));
        if (rc == 0 && forward_check(forward, &why) != 0)
            rc = err_at(err, TC_EINPUT, file, 0, 0, "forward: %s", why.text);
    }
    return rc;
}

/* Names may stand before what they name: they are looked up once all is read. */
int config_check_names(struct config *c, const char *file, struct err *err)
{
    int rc = config_check_routing(c, file, err);
    for (size_t i = 0; rc == 0 && i < c->channel_count; i++) {
        struct sv fallback = c->channels[i].fallback;
        if (fallback.n > 0 && (sv_eq(fallback, c->channels[i].name) || !config_is_channel(c, fallback)))
            rc = err_at(err, TC_EINPUT, file, 0, 0,
                        "channels: the fallback \"%.*s\" of %.*s is no other channel",
                        SV_FMT(sv_head(fallback, 64)), SV_FMT(c->channels[i].name));
    }
    return rc == 0 ? check_forwards(c, file, err) : rc;
}
