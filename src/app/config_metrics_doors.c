/*
 * What the section `metrics` says of where samples come from: what is scraped, and what is
 * listened for. See config_priv.h.
 */
#include "app/config_priv.h"

#include "base/address.h"
#include "base/fs.h"
#include "metrics/intake/samples.h"

#include <stdlib.h>

static int needs_store(struct reading *r, const struct yaml_node *node)
{
    return r->config->metrics
               ? 0
               : setting_bad(r, node, "it needs `enabled: true`, as metrics are off by default");
}

int config_scrape_interval(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->scrape_defaults.interval_ns);
}

int config_scrape_timeout(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->scrape_defaults.timeout_ns);
}

int config_scrape_configs(struct reading *r, const struct yaml_node *node)
{
    int rc = needs_store(r, node);
    return rc != 0 ? rc
                   : scrape_config_read_list(node, r->file, &r->config->scrape_defaults, &r->config->scrape,
                                             r->err);
}

int config_prometheus_config(struct reading *r, const struct yaml_node *node)
{
    struct sv path;
    int rc = needs_store(r, node);
    if (rc == 0)
        rc = setting_text(r, node, &path);
    if (rc == 0 && r->config->scrape.job_count > 0)
        rc = setting_bad(r, node, "scrape_configs stand in this file already: use one of both");
    if (rc != 0)
        return rc;
    r->config->prometheus_config = path.p;
    rc = scrape_config_read(&fs_system, path.p, &r->config->scrape, r->err);
    return rc == TC_EIO ? setting_bad(r, node, "the file cannot be read") : rc;
}

/* --- metrics.statsd --- */

static int read_address(struct reading *r, const struct yaml_node *node, const char **ret)
{
    struct sv text;
    struct address address;
    struct err err = {0};
    int rc = setting_text(r, node, &text);
    if (rc == 0 && address_parse(text, &address, &err) != 0)
        rc = setting_bad(r, node, err.text);
    if (rc == 0)
        *ret = text.p;
    return rc;
}

static int statsd_udp(struct reading *r, const struct yaml_node *node)
{
    return read_address(r, node, &r->config->statsd_udp);
}

static int statsd_path(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0)
        r->config->statsd_path = text.p;
    return rc;
}

static int statsd_allow_plaintext(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->statsd_allow_plaintext);
}

static int statsd_flush_interval(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_duration(r, node, &r->config->statsd_flush_ns);
    return rc == 0 && r->config->statsd_flush_ns < TC_SECOND_NS / 10 ? setting_bad(r, node, "100ms at least")
                                                                     : rc;
}

static int statsd_gauge_signs(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && !sv_is(text, "relative") && !sv_is(text, "absolute"))
        rc = setting_bad(r, node, "relative or absolute is expected here");
    if (rc == 0)
        r->config->statsd_absolute_gauges = sv_is(text, "absolute");
    return rc;
}

const struct setting config_statsd_settings[] = {
    {"udp", "address and port for StatsD and DogStatsD over UDP, as 127.0.0.1:8125", "none", statsd_udp},
    {"path", "a datagram socket in the file system for the same", "none", statsd_path},
    {"allow_plaintext", "listen on an address that is not loopback", "false", statsd_allow_plaintext},
    {"flush_interval", "how often what came is written to the store", "10s", statsd_flush_interval},
    {"gauge_signs",
     "what +3 and -3 do to a gauge: relative changes it (StatsD), absolute is its value (DogStatsD)",
     "relative", statsd_gauge_signs},
    {0}};

int config_statsd(struct reading *r, const struct yaml_node *node)
{
    int rc = needs_store(r, node);
    if (rc == 0)
        rc = setting_section(r, node, config_statsd_settings);
    return rc == 0 && r->config->statsd_udp == NULL && r->config->statsd_path == NULL
               ? setting_bad(r, node, "StatsD needs `udp`, `path`, or both")
               : rc;
}

/* --- metrics.graphite --- */

static int graphite_tcp(struct reading *r, const struct yaml_node *node)
{
    return read_address(r, node, &r->config->graphite_tcp);
}

static int graphite_allow_plaintext(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->graphite_allow_plaintext);
}

const struct setting config_graphite_settings[] = {
    {"tcp", "address and port for lines NAME VALUE EPOCH over TCP, as 127.0.0.1:2003", "required",
     graphite_tcp},
    {"allow_plaintext", "listen on an address that is not loopback", "false", graphite_allow_plaintext},
    {0}};

int config_graphite(struct reading *r, const struct yaml_node *node)
{
    int rc = needs_store(r, node);
    if (rc == 0)
        rc = setting_section(r, node, config_graphite_settings);
    return rc == 0 && r->config->graphite_tcp == NULL ? setting_bad(r, node, "Graphite needs `tcp`") : rc;
}

/* --- metrics.from_events, metrics.emf --- */

int config_from_events(struct reading *r, const struct yaml_node *node)
{
    int rc = needs_store(r, node);
    return rc == 0 ? event_metrics_config_read(node, r->file, &r->config->arena, &r->config->event_metrics,
                                               r->err)
                   : rc;
}

int config_emf(struct reading *r, const struct yaml_node *node)
{
    int rc = needs_store(r, node);
    return rc == 0 ? setting_bool(r, node, &r->config->event_metrics.emf) : rc;
}

/* --- metrics.aliases --- */

static int by_alias(const void *a, const void *b)
{
    return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

int config_metric_aliases(struct reading *r, const struct yaml_node *node)
{
    struct config *c = r->config;
    if (node->type != YAML_MAP || node->count > LIST_MAX)
        return setting_bad(r, node, "a map of at most 256 names to names is expected here");
    c->metric_aliases = ARENA_ARRAY(&c->arena, struct label, node->count + 1);
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        if (n->type != YAML_SCALAR || n->text.n == 0 || n->key.n == 0 ||
            yaml_get(node, arena_str(&c->arena, n->text)) != NULL)
            return setting_bad(r, n, "the name of a metric is expected here that is no alias itself");
        struct sv name = sample_name(&c->arena, arena_sv(&c->arena, n->key)),
                  kept = sample_name(&c->arena, arena_sv(&c->arena, n->text));
        c->metric_aliases[c->metric_alias_count++] = (struct label){name, kept};
    }
    qsort(c->metric_aliases, c->metric_alias_count, sizeof *c->metric_aliases, by_alias);
    return 0;
}
