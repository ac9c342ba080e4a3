/*
 * Reading the configuration; see config.h.
 *
 * Each section is a table of settings (key, what it is for, default in words, reader), which serves the
 * reader, the "did you mean" of unknown keys and the reference page, so these cannot disagree.
 */
#include "app/config.h"

#include "base/address.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/yaml.h"
#include "cli/inputs.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONFIG_FILE_MAX = 1 << 20, SECRET_MAX = 8192, STEPS_MAX = 16, LIST_MAX = 256 };

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
    const char *known[32] = {0};
    if (map->type != YAML_MAP)
        return bad(r, map, "a map of settings is expected here");
    for (size_t i = 0; settings[i].key != NULL; i++)
        known[i] = settings[i].key;
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
    if (rc == 0 && !sv_is(channel->type, "slack") && !sv_is(channel->type, "file") &&
        !sv_is(channel->type, "stdout"))
        rc = bad(r, node, "the type of a channel is slack, file or stdout");
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

static const struct setting channel_settings[] = {
    {"name", "name of the channel", "required", channel_name},
    {"type", "slack, file or stdout", "required", channel_type},
    {"url", "slack: the incoming webhook, as env:NAME or file:PATH", "required for slack", channel_url},
    {"path", "file: where to append one JSON object a line", "required for file", channel_path},
    {"slack_channel", "slack: the channel named in the message", "#security-incidents",
     channel_slack_channel},
    {"username", "slack: the name shown", "Security Bot", channel_username},
    {"icon_emoji", "slack: the icon shown", ":rotating_light:", channel_icon},
    {"min_severity", "only alerts of this severity or a higher one", "all", channel_min_severity},
    {0}};

static int read_channels(struct reading *r, const struct yaml_node *node)
{
    int rc = check_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    c->channel_count = node->count;
    c->channels = ARENA_ARRAY(&c->arena, struct channel_config, node->count + 1);
    rc = read_rows(r, node, channel_settings, c->channels, sizeof c->channels[0]);
    for (size_t i = 0; rc == 0 && i < c->channel_count; i++) {
        const struct channel_config *channel = &c->channels[i];
        if (channel->name.n == 0 || channel->type.n == 0)
            rc = bad(r, node, "every channel needs a name and a type");
        else if (sv_is(channel->type, "slack") && channel->url.n == 0)
            rc = bad(r, node, "a channel of type slack needs a url");
        else if (sv_is(channel->type, "file") && channel->path.n == 0)
            rc = bad(r, node, "a channel of type file needs a path");
        for (size_t j = 0; rc == 0 && j < i; j++)
            if (sv_eq(c->channels[j].name, channel->name))
                rc = bad(r, node, "two channels have the same name");
    }
    return rc;
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

static const struct setting syslog_settings[] = {
    {"udp", "address and port for syslog over UDP, as 127.0.0.1:5514", "none", syslog_udp},
    {"tcp", "address and port for syslog over TCP (octet-counted or a line a message)", "none", syslog_tcp},
    {"allow_plaintext", "also listen where others than this machine can reach it, unencrypted", "false",
     syslog_plaintext},
    {"lateness", "as `lateness` of the top level, for messages that came by syslog", "`lateness`",
     syslog_lateness},
    {0}};

static int read_syslog(struct reading *r, const struct yaml_node *node)
{
    return read_section(r, node, syslog_settings);
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

static int read_rules(struct reading *r, const struct yaml_node *node)
{
    int rc = check_list(r, node);
    if (rc != 0)
        return rc;
    const char **paths = ARENA_ARRAY(&r->config->arena, const char *, node->count + 1);
    size_t count = 0;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        struct sv text = {0};
        if (n->type != YAML_SCALAR || n->text.n == 0)
            rc = err_at(r->err, TC_EINPUT, r->file, n->line, n->column, "rules: a path is expected here");
        else
            text = arena_sv(&r->config->arena, n->text);
        paths[count++] = text.p;
    }
    r->config->rules = paths;
    r->config->rule_count = count;
    r->config->shipped_packs = false;
    return rc;
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
    {"sources", "senders and their tokens; where none is named, loopback needs no token", "none",
     read_sources},
    {"channels", "where alerts are sent", "stdout, and Slack where SLACK_SECURITY_WEBHOOK is set",
     read_channels},
    {"alerts", "how occurrences become alerts", "", read_alerts},
    {"syslog", "listen for syslog messages (RFC 5424, RFC 3164)", "none", read_syslog},
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
                              .metrics_retention_ns = INT64_C(15) * 86400 * TC_SECOND_NS,
                              .dedup_window_ns = 3600 * TC_SECOND_NS,
                              .resolve_after_ns = 86400 * TC_SECOND_NS};
    config->channels = ARENA_ARRAY(&config->arena, struct channel_config, 2);
    config->channels[config->channel_count++] =
        (struct channel_config){.name = SV("stdout"), .type = SV("stdout")};
    const char *slack = getenv("SLACK_SECURITY_WEBHOOK");
    if (slack != NULL && slack[0] != '\0')
        config->channels[config->channel_count++] = (struct channel_config){
            .name = SV("slack"), .type = SV("slack"), .url = arena_sv(&config->arena, sv_of(slack))};
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
    return read_section(&r, docs->root, top_settings);
}

void config_free(struct config *config)
{
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
    reference_table(out, "alerts", alerts_settings);
    reference_table(out, "syslog", syslog_settings);
}
