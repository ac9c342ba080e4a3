/*
 * The section `metrics.remote_store`. Its own keys are settings; those of the HTTP client are Prometheus'
 * own, read as in scrape_configs. See config_priv.h.
 */
#include "app/config_priv.h"

enum { QUEUE_BYTES_MIN = 1 << 20 };

static int read_url(struct reading *r, const struct yaml_node *node, const char **ret)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && !sv_starts(text, SV("http://")) && !sv_starts(text, SV("https://")))
        rc = setting_bad(r, node, "a URL that begins with http:// or https:// is expected here");
    if (rc == 0)
        *ret = arena_str(&r->config->arena, text);
    return rc;
}

static int query_url(struct reading *r, const struct yaml_node *node)
{
    return read_url(r, node, &r->config->remote_store.query_url);
}

static int write_url(struct reading *r, const struct yaml_node *node)
{
    return read_url(r, node, &r->config->remote_store.write_url);
}

static int queue_bytes(struct reading *r, const struct yaml_node *node)
{
    return setting_number(r, node, QUEUE_BYTES_MIN, INT64_MAX / 2, &r->config->remote_store.queue_bytes);
}

static int timeout(struct reading *r, const struct yaml_node *node, int64_t *ret_ms)
{
    int64_t ns = 0;
    int rc = setting_duration(r, node, &ns);
    if (rc == 0 && (ns < TC_SECOND_NS / 10 || ns > 600 * TC_SECOND_NS))
        rc = setting_bad(r, node, "between 100ms and 10m");
    *ret_ms = rc == 0 ? ns / 1000000 : *ret_ms;
    return rc;
}

static int write_timeout(struct reading *r, const struct yaml_node *node)
{
    return timeout(r, node, &r->config->remote_store.write_timeout_ms);
}

static int query_timeout(struct reading *r, const struct yaml_node *node)
{
    return timeout(r, node, &r->config->remote_store.query_timeout_ms);
}

/* Read by read_client. */
static int of_client(struct reading *r, const struct yaml_node *node)
{
    (void)r;
    (void)node;
    return 0;
}

const struct setting config_remote_store_settings[] = {
    {"query_url", "below which /api/v1/query is, as http://metrics.example:9090", "required", query_url},
    {"write_url", "that takes remote write, as http://metrics.example:9090/api/v1/write", "required",
     write_url},
    {"queue_bytes", "bytes of the log that may wait to be sent; past it samples are refused (429)",
     "4294967296", queue_bytes},
    {"write_timeout", "how long a message may take", "30s", write_timeout},
    {"query_timeout", "how long a question may take", "2m", query_timeout},
    {"basic_auth", "username, password_file …, as in Prometheus", "none", of_client},
    {"authorization", "type, credentials_file …, as in Prometheus", "none", of_client},
    {"bearer_token", "as in Prometheus", "none", of_client},
    {"bearer_token_file", "as in Prometheus", "none", of_client},
    {"tls_config", "ca_file, cert_file, key_file, server_name …, as in Prometheus", "none", of_client},
    {"follow_redirects", "as in Prometheus", "true", of_client},
    {"enable_http2", "as in Prometheus", "true", of_client},
    {"proxy_url", "as in Prometheus", "none", of_client},
    {"no_proxy", "as in Prometheus", "none", of_client},
    {"proxy_from_environment", "as in Prometheus", "false", of_client},
    {0}};

struct client_section {
    struct http_client_fields client;
};

static const struct typed_field client_fields[] = {HTTP_CLIENT_FIELDS(struct client_section, client),
                                                   {"query_url", TYPED_IGNORED, 0},
                                                   {"write_url", TYPED_IGNORED, 0},
                                                   {"queue_bytes", TYPED_IGNORED, 0},
                                                   {"write_timeout", TYPED_IGNORED, 0},
                                                   {"query_timeout", TYPED_IGNORED, 0},
                                                   {0}};

static int read_client(struct reading *r, const struct yaml_node *node)
{
    struct rule_problems problems = {.arena = &r->config->arena};
    struct typed_yaml yaml = {.arena = &r->config->arena, .problems = &problems};
    struct client_section section = {.client = HTTP_CLIENT_DEFAULTS};
    typed_map(&yaml, node, client_fields, "remote_store", &section);
    http_client_read(&yaml, &section.client, "", &r->config->remote_store.client);
    return rule_problems_err(&problems, r->file, r->err);
}

int config_remote_store(struct reading *r, const struct yaml_node *node)
{
    struct remote_store_config *c = &r->config->remote_store;
    *c = (struct remote_store_config){
        .queue_bytes = UINT64_C(4) << 30, .write_timeout_ms = 30000, .query_timeout_ms = 120000};
    int rc = setting_section(r, node, config_remote_store_settings);
    if (rc == 0 && (c->query_url == NULL || c->write_url == NULL))
        rc = setting_bad(r, node, "it needs query_url and write_url");
    return rc != 0 ? rc : read_client(r, node);
}
