/*
 * Reading the configuration; see config.h.
 *
 * Each section is a table of settings (key, what it is for, default in words, reader), which serves the
 * reader, the "did you mean" of unknown keys and the reference page, so these cannot disagree.
 */
#include "app/config_priv.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/num.h"
#include "cli/inputs.h"
#include "event/policy.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONFIG_FILE_MAX = 1 << 20, STEPS_MAX = 16 };

#define DAY_NS (INT64_C(86400) * TC_SECOND_NS)

/* --- alerts
 * ---------------------------------------------------------------------------------------------------------
 */

static int alerts_dedup(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->dedup_window_ns);
}

static int alerts_resolve(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->resolve_after_ns);
}

static int alerts_steps(struct reading *r, const struct yaml_node *node)
{
    if (node->type != YAML_LIST || node->count > STEPS_MAX)
        return setting_bad(r, node, "a list of at most 16 rising numbers is expected here");
    uint64_t *steps = ARENA_ARRAY(&r->config->arena, uint64_t, node->count + 1), last = 1;
    size_t i = 0;
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next, i++) {
        if (n->type != YAML_SCALAR || !num_u64(n->text, last + 1, UINT32_MAX, &steps[i]))
            return setting_bad(r, node, "a list of at most 16 rising numbers above 1 is expected here");
        last = steps[i];
    }
    r->config->count_steps = steps;
    return 0;
}

static int alerts_acknowledge(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->acknowledge_within_ns);
}

static int confirmation_channel(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &r->config->confirmation_channel);
}

static int confirmation_timeout(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_duration(r, node, &r->config->answer_within_ns);
    return rc == 0 && r->config->answer_within_ns < 60 * TC_SECOND_NS
               ? setting_bad(r, node, "a minute at least")
               : rc;
}

static int confirmation_silence(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && !sv_is(text, "raise") && !sv_is(text, "keep"))
        return setting_bad(r, node, "raise or keep is expected here");
    r->config->silence_is_no_objection = sv_is(text, "keep");
    return rc;
}

static int confirmation_raise_to(struct reading *r, const struct yaml_node *node)
{
    r->config->raise_to = node->type == YAML_SCALAR ? severity_of(node->text) : SEVERITY_NONE;
    return r->config->raise_to == SEVERITY_NONE ? setting_bad(r, node, "P1 to P4 is expected here") : 0;
}

static const struct setting confirmation_settings[] = {
    {"channel", "channel of type email that asks a user whether that was them (`tocsin alerts confirm`)",
     "none: nobody can be asked", confirmation_channel},
    {"timeout", "how long an answer is waited for", "24h", confirmation_timeout},
    {"silence", "no answer in time: `raise` as after a \"no\", or `keep` as it was", "raise",
     confirmation_silence},
    {"raise_to", "severity after a \"no\"", "P1", confirmation_raise_to},
    {0}};

static int alerts_confirmation(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, confirmation_settings);
}

static int alerts_time(struct reading *r, const struct yaml_node *node, int64_t *ret_ns)
{
    int rc = setting_duration(r, node, ret_ns);
    return rc == 0 && (*ret_ns < TC_SECOND_NS || *ret_ns > DAY_NS)
               ? setting_bad(r, node, "a second to a day is expected here")
               : rc;
}

static int notify_count(struct reading *r, const struct yaml_node *node)
{
    return setting_number(r, node, 1, ALERT_WAIT_MAX, &r->config->notify_count);
}

static int notify_within(struct reading *r, const struct yaml_node *node)
{
    return alerts_time(r, node, &r->config->notify_within_ns);
}

static const struct setting notify_after_settings[] = {
    {"count", "occurrences before an alert of a rule on events is told, 1 to 100", "1: at once",
     notify_count},
    {"within", "the time that they come in, a day at most", "10m", notify_within},
    {0}};

static int alerts_notify_after(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, notify_after_settings);
}

static int flapping_count(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_number(r, node, 0, ALERT_FLAPS_MAX, &r->config->flap_count);
    return rc == 0 && r->config->flap_count == 1 ? setting_bad(r, node, "2 to 32, or 0 for off") : rc;
}

static int flapping_within(struct reading *r, const struct yaml_node *node)
{
    return alerts_time(r, node, &r->config->flap_within_ns);
}

static int flapping_stable(struct reading *r, const struct yaml_node *node)
{
    return alerts_time(r, node, &r->config->flap_stable_ns);
}

static const struct setting flapping_settings[] = {
    {"count", "begins of one alert that make it flap, 2 to 32; 0: flapping is not looked for", "5",
     flapping_count},
    {"within", "the time that they come in, a day at most", "1h", flapping_within},
    {"stable", "how long it must be left as it is, over or firing, until it flaps no more", "30m",
     flapping_stable},
    {0}};

static int alerts_flapping(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, flapping_settings);
}

static int read_overdue(struct reading *r, const struct yaml_node *node, enum severity severity)
{
    int64_t *ret_ns = &r->config->overdue_after_ns[severity];
    int rc = setting_duration(r, node, ret_ns);
    return rc == 0 && (*ret_ns < 0 || *ret_ns > 366 * DAY_NS)
               ? setting_bad(r, node, "a duration of a year at most is expected here; 0: any time")
               : rc;
}
SEVERITY_SETTING(overdue, P1, read_overdue)
SEVERITY_SETTING(overdue, P2, read_overdue)
SEVERITY_SETTING(overdue, P3, read_overdue)
SEVERITY_SETTING(overdue, P4, read_overdue)

static const struct setting overdue_settings[] = {
    {"P1", "how long a critical alert may be open; 0: any time", "24h", overdue_P1},
    {"P2", "a high one", "168h (7 days)", overdue_P2},
    {"P3", "a medium one", "any time", overdue_P3},
    {"P4", "a low one", "any time", overdue_P4},
    {0}};

static int alerts_overdue(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, overdue_settings);
}

static const struct setting alerts_settings[] = {
    {"dedup_window", "occurrences within this time after the first belong to one alert", "1h", alerts_dedup},
    {"count_steps", "counts at which an open alert is told again", "[10, 50, 100]", alerts_steps},
    {"acknowledge_within", "goal of the first step of a response to a P1 or P2: missed, it is noted; 0: none",
     "5m", alerts_acknowledge},
    {"overdue_after", "how long alerts may be open, by priority, before their owners are reminded",
     "P1: 24h, P2: 168h", alerts_overdue},
    {"confirmation", "asking the user that an alert is about: channel, timeout, silence, raise_to", "off",
     alerts_confirmation},
    {"notify_after", "what must come before anybody is told of an alert: count, within", "told at once",
     alerts_notify_after},
    {"flapping", "when an alert that begins and ends again and again is told once: count, within, stable",
     "on", alerts_flapping},
    {"resolve_after", "an alert without occurrences for so long resolves itself", "24h", alerts_resolve},
    {0}};

static int read_alerts(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, alerts_settings);
}

/* --- heartbeat
 * ------------------------------------------------------------------------------------------------------ */

static int heartbeat_url(struct reading *r, const struct yaml_node *node)
{
    return setting_secret(r, node, &r->config->heartbeat_url);
}

static int heartbeat_interval(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_duration(r, node, &r->config->heartbeat_interval_ns);
    return rc == 0 && r->config->heartbeat_interval_ns < TC_SECOND_NS
               ? setting_bad(r, node, "a second at least")
               : rc;
}

static int heartbeat_method(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && !sv_is(text, "GET") && !sv_is(text, "POST"))
        rc = setting_bad(r, node, "GET or POST is expected here");
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
    int rc = setting_section(r, node, heartbeat_settings);
    return rc == 0 && r->config->heartbeat_url.n == 0 ? setting_bad(r, node, "a heartbeat needs a url") : rc;
}

/* --- seal
 * ------------------------------------------------------------------------------------------------------------
 */

static int seal_key(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    r->config->seal_key_path = rc == 0 ? text.p : NULL;
    return rc;
}

static int seal_interval(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_duration(r, node, &r->config->seal_interval_ns);
    return rc == 0 && r->config->seal_interval_ns < TC_SECOND_NS ? setting_bad(r, node, "a second at least")
                                                                 : rc;
}

static int seal_witness_file(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    r->config->seal_witness_file = rc == 0 ? text.p : NULL;
    return rc;
}

static int seal_witness_url(struct reading *r, const struct yaml_node *node)
{
    return setting_secret(r, node, &r->config->seal_witness_url);
}

static int seal_witness_log(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->seal_witness_log);
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
    int rc = setting_section(r, node, seal_settings);
    return rc == 0 && r->config->seal_key_path == NULL ? setting_bad(r, node, "sealing needs a key") : rc;
}

/* --- privacy
 * ---------------------------------------------------------------------------------------------------------
 */

/* SQL is shown without its literals (ledger H-04) unless the policy says otherwise. */
#define DEFAULT_POLICY "db.statement sql\ndb.query.text sql\nsql sql\nsql_text sql\nsql_query sql\n"

static int privacy_key(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0)
        r->config->vault_key_path = text.p;
    return rc;
}

/* Each element is "PATTERN ACTION"; the policy's own reader judges it. */
static int privacy_fields(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_list(r, node);
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
    bool strict = false;
    int rc = setting_bool(r, node, &strict);
    if (rc == 0 && strict)
        r->config->policy_text =
            arena_printf(&r->config->arena, "%.*sstrict\n", SV_FMT(r->config->policy_text));
    return rc;
}

static const struct setting officer_settings[] = {
    {"name", "who it is; stands in audit records", "required", setting_token_name},
    {"token", "bearer token of the officer, as env:NAME or file:PATH", "required", setting_token_secret},
    {0}};

static int privacy_officers(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    c->officer_count = node->count;
    c->officers = ARENA_ARRAY(&c->arena, struct api_token, node->count + 1);
    rc = setting_rows(r, node, officer_settings, c->officers, sizeof c->officers[0]);
    for (size_t i = 0; rc == 0 && i < c->officer_count; i++)
        if (c->officers[i].source.n == 0 || c->officers[i].secret.n < 16)
            rc = setting_bad(r, node, "every officer needs a name and a token of 16 characters or more");
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
    return setting_section(r, node, privacy_settings);
}

/* --- top level
 * ------------------------------------------------------------------------------------------------------ */

static int read_listen(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && sv_find_char(text, ':') == text.n)
        rc = setting_bad(r, node, "an address and a port are expected here, such as 127.0.0.1:9797");
    if (rc == 0)
        r->config->listen = text.p;
    return rc;
}

static int read_data(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0)
        r->config->data = text.p;
    return rc;
}

static int read_console(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && !sv_starts(text, SV("http://")) && !sv_starts(text, SV("https://")))
        rc = setting_bad(r, node, "a URL is expected here");
    if (rc == 0)
        r->config->console_url = text.p;
    return rc;
}

int setting_paths(struct reading *r, const struct yaml_node *node, const char *const **ret, size_t *ret_count)
{
    int rc = setting_list(r, node);
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
    return setting_paths(r, node, &r->config->rules, &r->config->rule_count);
}

static int read_placeholders(struct reading *r, const struct yaml_node *node)
{
    return setting_paths(r, node, &r->config->placeholders, &r->config->placeholder_count);
}

static int read_pipelines(struct reading *r, const struct yaml_node *node)
{
    return setting_paths(r, node, &r->config->pipelines, &r->config->pipeline_count);
}

static int read_profiles(struct reading *r, const struct yaml_node *node)
{
    return setting_paths(r, node, &r->config->profiles, &r->config->profile_count);
}

static int read_geoip(struct reading *r, const struct yaml_node *node)
{
    return setting_paths(r, node, &r->config->geoip, &r->config->geoip_count);
}

static int read_parsers(struct reading *r, const struct yaml_node *node)
{
    const char *paths[LIST_MAX] = {0};
    size_t count = 0;
    int rc = setting_list(r, node);
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

/* `shipped_packs` stands after `rules`, whose reader sets its default. */
static int read_packs(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->shipped_packs);
}

static int read_lateness(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->lateness_ns);
}

static int read_timezone(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && !inputs_zone(text.p, &r->config->zone_offset_s))
        rc = setting_bad(r, node, "UTC or an offset such as +02:00 is expected here");
    return rc;
}

static int read_threads(struct reading *r, const struct yaml_node *node)
{
    uint64_t v;
    int rc = setting_number(r, node, 1, 64, &v);
    if (rc == 0)
        r->config->threads = (unsigned)v;
    return rc;
}

static int read_max_body(struct reading *r, const struct yaml_node *node)
{
    uint64_t v;
    int rc = setting_number(r, node, 1024, 1u << 30, &v);
    if (rc == 0)
        r->config->max_body_bytes = v;
    return rc;
}

static int read_sandbox(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->sandbox);
}

static int read_oncall(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    r->config->oncall = rc == 0 ? text.p : NULL;
    return rc;
}

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
    {"profiles",
     "of the rules, only those that these profiles name speak: files, or names of those that the program "
     "carries (`tocsin profile list`)",
     "none: all", read_profiles},
    {"geoip", "MMDB files (GeoLite2, GeoIP2, DB-IP) that tell country, city and network of addresses", "none",
     read_geoip},
    {"sources", "senders and their tokens; where none is named, loopback needs no token", "none",
     config_read_sources},
    {"people", "who has a token of their own, so that nobody else commands in their name (docs/http-api.md)",
     "nobody: whoever commands names themselves", config_read_people},
    {"channels", "where alerts are sent", "stdout, and Slack where SLACK_SECURITY_WEBHOOK is set",
     config_read_channels},
    {"routing", "which channels are told of which priority", "by min_severity of each channel",
     config_read_routing},
    {"forward", "which events go to a SIEM", "none", config_read_forward},
    {"digest", "the daily digest of P4 alerts", "to email channels, at 08:00", config_read_digest},
    {"alerts", "how occurrences become alerts", "", read_alerts},
    {"oncall",
     "file of people, roles, schedules and policies of escalation (docs/oncall.md, docs/escalation.md)",
     "none: the built-in policy doc4", read_oncall},
    {"parsers", "files of parsers of your own, or directories with *.yml and *.yaml (docs/parsers.md)",
     "none", read_parsers},
    {"privacy", "what is replaced, and who may see behind it", "", read_privacy},
    {"heartbeat", "call a dead man's switch while everything works", "none", read_heartbeat},
    {"seal", "sign checkpoints of the journal (docs/evidence.md)", "none", read_seal},
    {"retention", "how long what is kept (docs/retention.md)", "", config_read_retention},
    {"watch", "sources whose silence is an alert", "none", config_read_watch},
    {"heartbeats", "jobs that say that they are alive, and whose silence is an alert", "none",
     config_read_heartbeats},
    {"syslog", "listen for syslog messages (RFC 5424, RFC 3164)", "none", config_read_syslog},
    {"files", "log files that are followed", "none", config_read_files},
    {"journald", "read the journal of systemd", "none", config_read_journald},
    {"stdin", "read standard input", "none", config_read_stdin},
    {"metrics", "a store of metrics, for Prometheus' senders and readers", "off", config_read_metrics},
    {"lateness",
     "events older than this when they arrive are marked suspect and judged by their receive time; of "
     "sources that "
     "declare none of their own",
     "1h", read_lateness},
    {"timezone", "zone of times that bear none", "UTC", read_timezone},
    {"threads", "worker threads of detection, 1 to 64", "one per processor", read_threads},
    {"max_body_bytes",
     "largest unpacked body of a request that brings events or samples, in bytes: 1024 to 1073741824",
     "33554432", read_max_body},
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
                              .journald_lateness_ns = -1,
                              .standard_input_lateness_ns = -1,
                              .syslog_parser = parser_find(SV("syslog")),
                              .policy_text = SV(DEFAULT_POLICY),
                              .heartbeat_interval_ns = 60 * TC_SECOND_NS,
                              .metric_rules = {.evaluation_interval_ns = 60 * TC_SECOND_NS},
                              .metrics_retention_ns = INT64_C(15) * 86400 * TC_SECOND_NS,
                              .metrics_trend_retention_ns = INT64_C(396) * 86400 * TC_SECOND_NS,
                              .statsd_flush_ns = 10 * TC_SECOND_NS,
                              .seal_interval_ns = 60 * TC_SECOND_NS,
                              .retention_keep_ns = {395 * DAY_NS, 2557 * DAY_NS, 30 * DAY_NS},
                              .retention_cold_after_ns = 3600 * TC_SECOND_NS,
                              .retention_segment_age_ns = DAY_NS,
                              .retention_distrust_ns = DAY_NS,
                              .dedup_window_ns = 3600 * TC_SECOND_NS,
                              .digest_at_s = 8 * 3600,
                              .review_days = 1u << 1,
                              .resolve_after_ns = 86400 * TC_SECOND_NS,
                              .acknowledge_within_ns = 300 * TC_SECOND_NS,
                              .overdue_after_ns = {[SEVERITY_P1] = DAY_NS, [SEVERITY_P2] = 7 * DAY_NS},
                              .answer_within_ns = 86400 * TC_SECOND_NS,
                              .raise_to = SEVERITY_P1,
                              .notify_within_ns = 600 * TC_SECOND_NS,
                              .flap_count = 5,
                              .flap_within_ns = 3600 * TC_SECOND_NS,
                              .flap_stable_ns = 1800 * TC_SECOND_NS};
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
    bool metrics = sv_is(node->key, "metrics"); /* some of its keys are read anew by a reload */
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next)
        if (!metrics || !config_metrics_is_reloaded(n->key))
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
        if (node != NULL && strcmp(top_settings[i].key, "metrics") == 0)
            c->prints[i].print ^= c->scrape.print; /* and so is metrics.prometheus_config */
    }
}

size_t config_restart_needed(const struct config *running, const struct config *fresh,
                             const char *ret_keys[CONFIG_KEYS_MAX])
{
    static const char *const read_anew[] = {
        "rules",  "shipped_packs", "placeholders", "pipelines",  "profiles", "geoip",
        "alerts", "watch",         "oncall",       "heartbeats", NULL};
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
    rc = setting_section(&r, docs->root, top_settings);
    take_prints(config, docs->root);
    if (rc == 0)
        rc = config_check_names(config, path, err);
    if (rc == 0)
        config_fill_digest(config);
    return rc;
}

int64_t config_longest_lateness(const struct config *c)
{
    int64_t longest_ns = TC_MAX(c->lateness_ns, TC_MAX(c->syslog_lateness_ns, c->journald_lateness_ns));
    longest_ns = TC_MAX(longest_ns, c->standard_input_lateness_ns);
    for (size_t i = 0; i < c->file_count; i++)
        longest_ns = TC_MAX(longest_ns, c->files[i].lateness_ns);
    for (size_t i = 0; i < c->sender_lateness_count; i++)
        longest_ns = TC_MAX(longest_ns, c->sender_lateness[i].lateness_ns);
    return longest_ns;
}

void config_free(struct config *config)
{
    parsers_close(&config->parsers);
    scrape_config_free(&config->scrape);
    event_metrics_config_free(&config->event_metrics);
    am_pool_free(&config->route_pool);
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
    reference_table(out, "sources (a list)", config_source_settings);
    reference_table(out, "people (a list)", config_person_settings);
    reference_table(out, "channels (a list)", config_channel_settings);
    reference_table(out, "mentions (of a channel)", config_mention_settings);
    reference_table(out, "routing", config_routing_settings);
    reference_table(out, "routing.routes (a list)", config_route_settings);
    reference_table(out, "forward (a list)", config_forward_settings);
    reference_table(out, "digest", config_digest_settings);
    reference_table(out, "alerts", alerts_settings);
    reference_table(out, "alerts.overdue_after", overdue_settings);
    reference_table(out, "alerts.confirmation", confirmation_settings);
    reference_table(out, "alerts.notify_after", notify_after_settings);
    reference_table(out, "alerts.flapping", flapping_settings);
    reference_table(out, "privacy", privacy_settings);
    reference_table(out, "privacy.officers (a list)", officer_settings);
    reference_table(out, "heartbeat", heartbeat_settings);
    reference_table(out, "seal", seal_settings);
    reference_table(out, "retention", config_retention_settings);
    reference_table(out, "retention.classes (a list)", config_class_settings);
    reference_table(out, "retention.holds (a list)", config_hold_settings);
    reference_table(out, "watch (a list)", config_watch_settings);
    reference_table(out, "heartbeats (a list)", config_heartbeat_settings);
    reference_table(out, "syslog", config_syslog_settings);
    reference_table(out, "files (a list)", config_file_settings);
    reference_table(out, "journald", config_journald_settings);
    reference_table(out, "stdin", config_stdin_settings);
    reference_table(out, "metrics", config_metrics_settings);
    reference_table(out, "metrics.graphite", config_graphite_settings);
    reference_table(out, "metrics.statsd", config_statsd_settings);
}
