/*
 * What the section `metrics` says of where samples come from: what is scraped. See config_priv.h.
 */
#include "app/config_priv.h"

#include "base/fs.h"

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
