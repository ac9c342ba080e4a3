/*
 * Reading scrape configurations; see scrape_config.h. Keys are in tables; what a table cannot say is checked
 * after it.
 */
#include "metrics/scrape/scrape_config.h"

#include "base/go_text.h"
#include "base/hash.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { CONFIG_BYTES_MAX = 8 << 20 };

#define ACCEPT_OPENMETRICS_1 "application/openmetrics-text;version=1.0.0"
#define ACCEPT_OPENMETRICS_0 "application/openmetrics-text;version=0.0.1"
#define ACCEPT_TEXT_1        "text/plain;version=1.0.0"
#define ACCEPT_TEXT_0        "text/plain;version=0.0.4"
#define ACCEPT_PROTOBUF                                                                                      \
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
#define ACCEPT_DEFAULT                                                                                       \
    ACCEPT_OPENMETRICS_1 ";q=0.6," ACCEPT_OPENMETRICS_0 ";q=0.5," ACCEPT_TEXT_1 ";q=0.4," ACCEPT_TEXT_0      \
                         ";q=0.3,*/*;q=0.2"

/* Where native histograms are wanted. */
#define ACCEPT_NATIVE ACCEPT_PROTOBUF ";q=0.7," ACCEPT_DEFAULT

struct global_fields {
    struct typed_duration scrape_interval, scrape_timeout;
    int64_t sample_limit, label_limit, label_name_length_limit, label_value_length_limit, target_limit,
        keep_dropped_targets;
    struct typed_text body_size_limit;
    struct typed_list scrape_protocols;
    bool extra_scrape_metrics, native_histograms, classic_always, to_custom;
};
static const struct typed_field global_fields[] = {
    {"scrape_interval", TYPED_DURATION, offsetof(struct global_fields, scrape_interval)},
    {"scrape_timeout", TYPED_DURATION, offsetof(struct global_fields, scrape_timeout)},
    {"scrape_protocols", TYPED_LIST, offsetof(struct global_fields, scrape_protocols)},
    {"sample_limit", TYPED_INTEGER, offsetof(struct global_fields, sample_limit)},
    {"label_limit", TYPED_INTEGER, offsetof(struct global_fields, label_limit)},
    {"label_name_length_limit", TYPED_INTEGER, offsetof(struct global_fields, label_name_length_limit)},
    {"label_value_length_limit", TYPED_INTEGER, offsetof(struct global_fields, label_value_length_limit)},
    {"target_limit", TYPED_INTEGER, offsetof(struct global_fields, target_limit)},
    {"keep_dropped_targets", TYPED_INTEGER, offsetof(struct global_fields, keep_dropped_targets)},
    {"body_size_limit", TYPED_TEXT, offsetof(struct global_fields, body_size_limit)},
    {"extra_scrape_metrics", TYPED_BOOL, offsetof(struct global_fields, extra_scrape_metrics)},
    {"scrape_native_histograms", TYPED_BOOL, offsetof(struct global_fields, native_histograms)},
    {"always_scrape_classic_histograms", TYPED_BOOL, offsetof(struct global_fields, classic_always)},
    {"convert_classic_histograms_to_nhcb", TYPED_BOOL, offsetof(struct global_fields, to_custom)},
    /* of evaluation, federation and logs: not of scraping */
    {"evaluation_interval", TYPED_IGNORED, 0},
    {"rule_query_offset", TYPED_IGNORED, 0},
    {"external_labels", TYPED_IGNORED, 0},
    {"query_log_file", TYPED_IGNORED, 0},
    {"metric_name_validation_scheme", TYPED_IGNORED, 0},
    {"metric_name_escaping_scheme", TYPED_IGNORED, 0},
    {0},
};

/* Sections of a Prometheus file that are not about scraping, and whether to pass over them would lose what
 * somebody counts on. */
struct file_fields {
    struct typed_node global, rule_files, alerting, storage, tracing, otlp, runtime, remote_write,
        remote_read, scrape_config_files;
    struct typed_list scrape_configs;
};
static const struct typed_field file_fields[] = {
    {"global", TYPED_NODE, offsetof(struct file_fields, global)},
    {"scrape_configs", TYPED_LIST, offsetof(struct file_fields, scrape_configs)},
    {"scrape_config_files", TYPED_NODE, offsetof(struct file_fields, scrape_config_files)},
    {"rule_files", TYPED_NODE, offsetof(struct file_fields, rule_files)},
    {"alerting", TYPED_NODE, offsetof(struct file_fields, alerting)},
    {"storage", TYPED_NODE, offsetof(struct file_fields, storage)},
    {"tracing", TYPED_NODE, offsetof(struct file_fields, tracing)},
    {"otlp", TYPED_NODE, offsetof(struct file_fields, otlp)},
    {"runtime", TYPED_NODE, offsetof(struct file_fields, runtime)},
    {"remote_write", TYPED_NODE, offsetof(struct file_fields, remote_write)},
    {"remote_read", TYPED_NODE, offsetof(struct file_fields, remote_read)},
    {0},
};

enum { UNSUPPORTED_MAX = 40 };
struct job_fields {
    struct typed_text job_name, metrics_path, scheme, body_size_limit, fallback_scrape_protocol,
        metric_name_validation_scheme, metric_name_escaping_scheme;
    struct typed_duration scrape_interval, scrape_timeout;
    struct typed_node params;
    struct typed_list scrape_protocols, static_configs, file_sd_configs, dns_sd_configs, http_sd_configs,
        relabel_configs, metric_relabel_configs;
    bool honor_labels, honor_timestamps, track_timestamps_staleness, enable_compression, extra_scrape_metrics,
        native_histograms, classic_always, to_custom;
    int64_t bucket_limit;
    double bucket_factor;
    int64_t sample_limit, label_limit, label_name_length_limit, label_value_length_limit, target_limit,
        keep_dropped_targets;
    struct http_client_fields http;
    struct typed_node unsupported[UNSUPPORTED_MAX];
};
#define UNSUPPORTED(key, at)                                                                                 \
    {                                                                                                        \
        key, TYPED_NODE, offsetof(struct job_fields, unsupported) + (at) * sizeof(struct typed_node)         \
    }
static const struct typed_field job_fields[] = {
    {"job_name", TYPED_TEXT, offsetof(struct job_fields, job_name)},
    {"scrape_interval", TYPED_DURATION, offsetof(struct job_fields, scrape_interval)},
    {"scrape_timeout", TYPED_DURATION, offsetof(struct job_fields, scrape_timeout)},
    {"metrics_path", TYPED_TEXT, offsetof(struct job_fields, metrics_path)},
    {"scheme", TYPED_TEXT, offsetof(struct job_fields, scheme)},
    {"params", TYPED_NODE, offsetof(struct job_fields, params)},
    {"honor_labels", TYPED_BOOL, offsetof(struct job_fields, honor_labels)},
    {"honor_timestamps", TYPED_BOOL, offsetof(struct job_fields, honor_timestamps)},
    {"track_timestamps_staleness", TYPED_BOOL, offsetof(struct job_fields, track_timestamps_staleness)},
    {"enable_compression", TYPED_BOOL, offsetof(struct job_fields, enable_compression)},
    {"extra_scrape_metrics", TYPED_BOOL, offsetof(struct job_fields, extra_scrape_metrics)},
    {"scrape_protocols", TYPED_LIST, offsetof(struct job_fields, scrape_protocols)},
    {"fallback_scrape_protocol", TYPED_TEXT, offsetof(struct job_fields, fallback_scrape_protocol)},
    {"metric_name_validation_scheme", TYPED_TEXT, offsetof(struct job_fields, metric_name_validation_scheme)},
    {"metric_name_escaping_scheme", TYPED_TEXT, offsetof(struct job_fields, metric_name_escaping_scheme)},
    {"sample_limit", TYPED_INTEGER, offsetof(struct job_fields, sample_limit)},
    {"label_limit", TYPED_INTEGER, offsetof(struct job_fields, label_limit)},
    {"label_name_length_limit", TYPED_INTEGER, offsetof(struct job_fields, label_name_length_limit)},
    {"label_value_length_limit", TYPED_INTEGER, offsetof(struct job_fields, label_value_length_limit)},
    {"target_limit", TYPED_INTEGER, offsetof(struct job_fields, target_limit)},
    {"keep_dropped_targets", TYPED_INTEGER, offsetof(struct job_fields, keep_dropped_targets)},
    {"body_size_limit", TYPED_TEXT, offsetof(struct job_fields, body_size_limit)},
    {"static_configs", TYPED_LIST, offsetof(struct job_fields, static_configs)},
    {"file_sd_configs", TYPED_LIST, offsetof(struct job_fields, file_sd_configs)},
    {"dns_sd_configs", TYPED_LIST, offsetof(struct job_fields, dns_sd_configs)},
    {"http_sd_configs", TYPED_LIST, offsetof(struct job_fields, http_sd_configs)},
    {"relabel_configs", TYPED_LIST, offsetof(struct job_fields, relabel_configs)},
    {"metric_relabel_configs", TYPED_LIST, offsetof(struct job_fields, metric_relabel_configs)},
    HTTP_CLIENT_FIELDS(struct job_fields, http),
    {"native_histogram_bucket_limit", TYPED_INTEGER, offsetof(struct job_fields, bucket_limit)},
    {"native_histogram_min_bucket_factor", TYPED_FLOAT, offsetof(struct job_fields, bucket_factor)},
    {"scrape_native_histograms", TYPED_BOOL, offsetof(struct job_fields, native_histograms)},
    {"always_scrape_classic_histograms", TYPED_BOOL, offsetof(struct job_fields, classic_always)},
    {"convert_classic_histograms_to_nhcb", TYPED_BOOL, offsetof(struct job_fields, to_custom)},
    UNSUPPORTED("scrape_failure_log_file", 3),
    UNSUPPORTED("azure_sd_configs", 4),
    UNSUPPORTED("consul_sd_configs", 5),
    UNSUPPORTED("digitalocean_sd_configs", 6),
    UNSUPPORTED("docker_sd_configs", 7),
    UNSUPPORTED("dockerswarm_sd_configs", 8),
    UNSUPPORTED("ec2_sd_configs", 9),
    UNSUPPORTED("eureka_sd_configs", 10),
    UNSUPPORTED("gce_sd_configs", 11),
    UNSUPPORTED("hetzner_sd_configs", 12),
    UNSUPPORTED("ionos_sd_configs", 13),
    UNSUPPORTED("kubernetes_sd_configs", 14),
    UNSUPPORTED("kuma_sd_configs", 15),
    UNSUPPORTED("lightsail_sd_configs", 16),
    UNSUPPORTED("linode_sd_configs", 17),
    UNSUPPORTED("marathon_sd_configs", 18),
    UNSUPPORTED("nerve_sd_configs", 19),
    UNSUPPORTED("nomad_sd_configs", 20),
    UNSUPPORTED("openstack_sd_configs", 21),
    UNSUPPORTED("ovhcloud_sd_configs", 22),
    UNSUPPORTED("puppetdb_sd_configs", 23),
    UNSUPPORTED("scaleway_sd_configs", 24),
    UNSUPPORTED("serverset_sd_configs", 25),
    UNSUPPORTED("stackit_sd_configs", 26),
    UNSUPPORTED("triton_sd_configs", 27),
    UNSUPPORTED("uyuni_sd_configs", 28),
    UNSUPPORTED("vultr_sd_configs", 29),
    UNSUPPORTED("aws_sd_configs", 30),
    {0},
};

struct reading {
    struct typed_yaml yaml;
    struct scrape_config *config;
    struct global_fields global;
    struct job_fields *fields; /* of the job that is being read */
    const struct yaml_node *node;
};

static void bad_at(struct reading *r, unsigned line, unsigned column, const char *text, struct sv value)
{
    struct buf b;
    buf_init(&b, 1024);
    if (value.p != NULL)
        go_quote(&b, sv_head(value, 150));
    rule_problem_add(&r->config->problems, false, line, column, "%s%.*s", text, SV_FMT(buf_view(&b)));
    buf_free(&b);
}

static void bad(struct reading *r, const char *text, struct sv value)
{
    bad_at(r, r->node->line, r->node->column, text, value);
}

/* --- kinds of value --- */

/* Prometheus' sizes: B, KB, KiB, MB …, all powers of two; "0" is no limit. */
static uint64_t read_size(struct reading *r, const struct typed_text *text)
{
    static const char units[] = "KMGTPE";
    struct sv t = text->text;
    size_t digits = 0;
    uint64_t n = 0;
    if (t.n == 0 || sv_is(t, "0"))
        return 0;
    for (; digits < t.n && t.p[digits] >= '0' && t.p[digits] <= '9'; digits++)
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(t.p[digits] - '0'), &n))
            break;
    struct sv unit = sv_from(t, digits);
    const char *at = unit.n >= 2 ? strchr(units, unit.p[0]) : NULL;
    unsigned shift = at == NULL ? 0 : 10 * (unsigned)(at - units + 1);
    bool known =
        sv_is(unit, "B") || (at != NULL && (sv_is(sv_from(unit, 1), "B") || sv_is(sv_from(unit, 1), "iB")));
    if (digits == 0 || !known || n > UINT64_MAX >> shift) {
        bad_at(r, text->line, text->column, "units: not a valid size (such as 10MB): ", t);
        return 0;
    }
    return n << shift;
}

static uint64_t limit_of(struct reading *r, int64_t own, int64_t global, const char *name)
{
    if (own < 0 || (own == 0 && global < 0)) {
        char text[128];
        snprintf(text, sizeof text, "%s: a number that is not negative is expected", name);
        bad(r, text, (struct sv){0});
        return 0;
    }
    return (uint64_t)(own > 0 ? own : global);
}

static const struct protocol {
    const char *name, *accept;
} protocols[] = {{"OpenMetricsText1.0.0", ACCEPT_OPENMETRICS_1},
                 {"OpenMetricsText0.0.1", ACCEPT_OPENMETRICS_0},
                 {"PrometheusText1.0.0", ACCEPT_TEXT_1},
                 {"PrometheusText0.0.4", ACCEPT_TEXT_0},
                 {"PrometheusProto", ACCEPT_PROTOBUF}};

static const struct protocol *protocol_of(struct reading *r, struct sv name, unsigned line, unsigned column)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(protocols); i++)
        if (sv_is(name, protocols[i].name))
            return &protocols[i];
    bad_at(r, line, column, "unknown scrape protocol ", name);
    return NULL;
}

static const char *read_accept(struct reading *r, const struct typed_list *list, bool native)
{
    struct buf out;
    if (list->n == 0)
        return native ? ACCEPT_NATIVE : ACCEPT_DEFAULT;
    buf_init(&out, 4096);
    unsigned weight = (unsigned)TC_MIN(list->n, (size_t)8) + 1;
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        const struct protocol *p = protocol_of(r, n->text, n->line, n->column);
        if (p != NULL)
            buf_printf(&out, "%s;q=0.%u,", p->accept, weight);
        weight = TC_MAX(weight - 1, 1U);
    }
    buf_str(&out, "*/*;q=0.1");
    const char *accept = arena_str(r->yaml.arena, buf_view(&out));
    buf_free(&out);
    return accept;
}

static void read_params(struct reading *r, const struct yaml_node *node, struct scrape_job *job)
{
    if (node == NULL)
        return;
    if (node->type != YAML_MAP) {
        bad_at(r, node->line, node->column, "params: a map of names to lists is expected", (struct sv){0});
        return;
    }
    job->params = ARENA_ARRAY(r->yaml.arena, struct scrape_param, node->count + 1);
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        struct scrape_param *p = &job->params[job->param_count++];
        if (n->type != YAML_LIST) {
            bad_at(r, n->line, n->column, "params: a list of texts is expected for ", n->key);
            continue;
        }
        p->name = n->key;
        p->values = ARENA_ARRAY(r->yaml.arena, struct sv, n->count + 1);
        for (const struct yaml_node *v = n->first; v != NULL; v = v->next)
            p->values[p->value_count++] = v->text;
    }
}

/* --- discovery --- */

struct file_sd_fields {
    struct typed_list files;
    struct typed_duration refresh_interval;
};
static const struct typed_field file_sd_fields[] = {
    {"files", TYPED_LIST, offsetof(struct file_sd_fields, files)},
    {"refresh_interval", TYPED_DURATION, offsetof(struct file_sd_fields, refresh_interval)},
    {0},
};

/* DIR/NAME.json, .yml or .yaml, with at most one * and that in the name. */
static bool pattern_is_good(struct sv p)
{
    size_t star = sv_find_char(p, '*');
    struct sv after = sv_from(p, star + 1);
    bool suffix = sv_ends(p, SV(".json")) || sv_ends(p, SV(".yml")) || sv_ends(p, SV(".yaml"));
    return suffix &&
           (star == p.n || (sv_find_char(after, '*') == after.n && sv_find_char(after, '/') == after.n));
}

static void read_file_sd(struct reading *r, const struct yaml_node *node, struct file_sd *ret)
{
    struct file_sd_fields f = {.refresh_interval = {.ns = 300 * INT64_C(1000000000)}};
    typed_map(&r->yaml, node, file_sd_fields, "a file_sd config", &f);
    ret->refresh_ns = f.refresh_interval.ns;
    ret->patterns = ARENA_ARRAY(r->yaml.arena, const char *, f.files.n + 1);
    if (f.files.n == 0)
        bad_at(r, node->line, node->column,
               "file service discovery config must contain at least one path name", (struct sv){0});
    for (const struct yaml_node *n = f.files.first; n != NULL; n = n->next) {
        if (n->type != YAML_SCALAR || !pattern_is_good(n->text))
            bad_at(r, n->line, n->column,
                   "path name is not valid for file discovery (*.json, *.yml, *.yaml): ", n->text);
        else
            ret->patterns[ret->pattern_count++] = http_client_path(r->yaml.arena, r->config->dir, n->text);
    }
}

struct dns_sd_fields {
    struct typed_list names;
    struct typed_text type;
    int64_t port;
    struct typed_duration refresh_interval;
};
static const struct typed_field dns_sd_fields[] = {
    {"names", TYPED_LIST, offsetof(struct dns_sd_fields, names)},
    {"type", TYPED_TEXT, offsetof(struct dns_sd_fields, type)},
    {"port", TYPED_INTEGER, offsetof(struct dns_sd_fields, port)},
    {"refresh_interval", TYPED_DURATION, offsetof(struct dns_sd_fields, refresh_interval)},
    {0},
};

static void read_dns_sd(struct reading *r, const struct yaml_node *node, struct dns_sd *ret)
{
    static const char *const types[] = {"SRV", "A", "AAAA", "MX", "NS"};
    struct dns_sd_fields f = {.refresh_interval = {.ns = 30 * INT64_C(1000000000)}};
    size_t type = 0;
    typed_map(&r->yaml, node, dns_sd_fields, "a dns_sd config", &f);
    if (f.names.n == 0)
        bad_at(r, node->line, node->column, "DNS-SD config must contain at least one SRV record name",
               (struct sv){0});
    while (f.type.text.n > 0 && type < TC_ARRAY_LEN(types) && !sv_eq_nocase(f.type.text, sv_of(types[type])))
        type++;
    if (type == TC_ARRAY_LEN(types))
        bad_at(r, f.type.line, f.type.column, "invalid DNS-SD records type ", f.type.text);
    else if (type != DNS_SRV && (f.port <= 0 || f.port > 65535))
        bad_at(r, node->line, node->column,
               "a port is required in DNS-SD configs for all record types except SRV", (struct sv){0});
    ret->type = type == TC_ARRAY_LEN(types) ? DNS_SRV : (enum dns_type)type;
    ret->port = (unsigned)f.port;
    ret->refresh_ns = f.refresh_interval.ns;
    ret->names = ARENA_ARRAY(r->yaml.arena, const char *, f.names.n + 1);
    for (const struct yaml_node *n = f.names.first; n != NULL; n = n->next)
        ret->names[ret->name_count++] = arena_str(r->yaml.arena, n->text);
}

struct http_sd_fields {
    struct typed_text url;
    struct typed_duration refresh_interval;
    struct http_client_fields http;
};
static const struct typed_field http_sd_fields[] = {
    {"url", TYPED_TEXT, offsetof(struct http_sd_fields, url)},
    {"refresh_interval", TYPED_DURATION, offsetof(struct http_sd_fields, refresh_interval)},
    HTTP_CLIENT_FIELDS(struct http_sd_fields, http),
    {0},
};

static const char *without_user(struct arena *arena, struct sv url)
{
    size_t host = sv_find(url, SV("://")) + 3;
    struct sv rest = sv_from(url, host), authority = sv_head(rest, sv_find_char(rest, '/'));
    size_t user = 0;
    for (size_t i = 0; i < authority.n; i++)
        user = authority.p[i] == '@' ? i + 1 : user;
    return arena_printf(arena, "%.*s%.*s", SV_FMT(sv_head(url, host)), SV_FMT(sv_from(rest, user))).p;
}

static void read_http_sd(struct reading *r, const struct yaml_node *node, struct http_sd *ret)
{
    struct http_sd_fields f = {.refresh_interval = {.ns = 60 * INT64_C(1000000000)},
                               .http = HTTP_CLIENT_DEFAULTS};
    typed_map(&r->yaml, node, http_sd_fields, "an http_sd config", &f);
    struct sv url = f.url.text;
    bool https = sv_starts(url, SV("https://")), http = sv_starts(url, SV("http://"));
    if (url.n == 0)
        bad_at(r, node->line, node->column, "URL is missing", (struct sv){0});
    else if (!http && !https)
        bad_at(r, f.url.line, f.url.column, "URL scheme must be 'http' or 'https'", (struct sv){0});
    else if (url.n == (https ? 8U : 7U) || url.p[https ? 8 : 7] == '/')
        bad_at(r, f.url.line, f.url.column, "host is missing in URL", (struct sv){0});
    ret->url = arena_str(r->yaml.arena, url);
    ret->shown = without_user(r->yaml.arena, url);
    ret->refresh_ns = f.refresh_interval.ns;
    http_client_read(&r->yaml, &f.http, r->config->dir, &ret->client);
}

static void read_discovery(struct reading *r, struct scrape_job *job)
{
    const struct job_fields *f = r->fields;
    struct arena *arena = r->yaml.arena;
    job->statics = ARENA_ARRAY(arena, struct target_groups, 1);
    job->static_count = 1;
    if (f->static_configs.first != NULL) {
        struct yaml_node list = {.type = YAML_LIST,
                                 .first = (struct yaml_node *)(uintptr_t)f->static_configs.first,
                                 .count = f->static_configs.n,
                                 .line = f->static_configs.first->line,
                                 .column = f->static_configs.first->column};
        target_groups_read(&r->yaml, &list, NULL, &job->statics[0]);
    }
    job->files = ARENA_ARRAY(arena, struct file_sd, f->file_sd_configs.n + 1);
    for (const struct yaml_node *n = f->file_sd_configs.first; n != NULL; n = n->next)
        read_file_sd(r, n, &job->files[job->file_count++]);
    job->dns = ARENA_ARRAY(arena, struct dns_sd, f->dns_sd_configs.n + 1);
    for (const struct yaml_node *n = f->dns_sd_configs.first; n != NULL; n = n->next)
        read_dns_sd(r, n, &job->dns[job->dns_count++]);
    job->https = ARENA_ARRAY(arena, struct http_sd, f->http_sd_configs.n + 1);
    for (const struct yaml_node *n = f->http_sd_configs.first; n != NULL; n = n->next)
        read_http_sd(r, n, &job->https[job->http_count++]);
}

/* --- a job --- */

static void refuse_unsupported(struct reading *r)
{
    for (size_t i = 0; i < UNSUPPORTED_MAX; i++) {
        const struct yaml_node *n = r->fields->unsupported[i].node;
        bool off = false;
        if (n == NULL || (n->type == YAML_SCALAR && yaml_bool(n, &off) && !off))
            continue;
        rule_problem_add(&r->config->problems, false, n->key_line, n->key_column, "%.*s is not supported%s",
                         SV_FMT(n->key),
                         sv_ends(n->key, SV("_sd_configs"))
                             ? ": discover by file_sd_configs, http_sd_configs or dns_sd_configs"
                             : "");
    }
    const struct typed_text *names = &r->fields->metric_name_validation_scheme;
    if (names->text.n > 0 && !sv_is(names->text, "utf8"))
        bad_at(r, names->line, names->column,
               "metric_name_validation_scheme is not supported but as utf8: ", names->text);
    const struct typed_text *escaping = &r->fields->metric_name_escaping_scheme;
    if (escaping->text.n > 0 && !sv_is(escaping->text, "allow-utf-8"))
        bad_at(r, escaping->line, escaping->column,
               "metric_name_escaping_scheme is not supported but as allow-utf-8: ", escaping->text);
}

static void read_times(struct reading *r, struct scrape_job *job)
{
    const struct job_fields *f = r->fields;
    const struct global_fields *g = &r->global;
    job->interval_ns = f->scrape_interval.ns > 0 ? f->scrape_interval.ns : g->scrape_interval.ns;
    if (f->scrape_timeout.ns > job->interval_ns)
        bad(r, "scrape timeout greater than scrape interval for scrape config with job name ", job->name);
    job->timeout_ns =
        f->scrape_timeout.ns > 0 ? f->scrape_timeout.ns : TC_MIN(g->scrape_timeout.ns, job->interval_ns);
}

static void read_histograms(struct reading *r, struct scrape_job *job)
{
    const struct job_fields *f = r->fields;
    job->histograms = (struct exposition_histograms){f->native_histograms, f->classic_always};
    if (f->to_custom)
        bad(r, "convert_classic_histograms_to_nhcb is not supported: classic histograms stay what they are",
            (struct sv){0});
    if (f->native_histograms && (f->bucket_limit != 0 || f->bucket_factor != 0))
        bad(r, "native_histogram_bucket_limit and native_histogram_min_bucket_factor are not supported",
            (struct sv){0});
}

static void read_job(struct reading *r, struct scrape_job *job)
{
    struct job_fields *f = r->fields;
    const struct global_fields *g = &r->global;
    job->name = f->job_name.text;
    if (job->name.n == 0)
        bad(r, "job_name is empty", (struct sv){0});
    for (const struct scrape_job *other = r->config->jobs; other < job; other++)
        if (sv_eq(other->name, job->name) && job->name.n > 0)
            bad(r, "found multiple scrape configs with job name ", job->name);
    read_times(r, job);
    job->path = f->metrics_path.text.n > 0 ? f->metrics_path.text : SV("/metrics");
    job->scheme = f->scheme.text.n > 0 ? f->scheme.text : SV("http");
    if (!sv_is(job->scheme, "http") && !sv_is(job->scheme, "https"))
        bad_at(r, f->scheme.line, f->scheme.column, "scheme is http or https, not ", job->scheme);
    read_params(r, f->params.node, job);
    job->honor_labels = f->honor_labels;
    job->honor_timestamps = f->honor_timestamps;
    job->track_timestamps_staleness = f->track_timestamps_staleness;
    job->compression = f->enable_compression;
    job->extra_metrics = f->extra_scrape_metrics;
    read_histograms(r, job);
    job->accept = read_accept(r, f->scrape_protocols.n > 0 ? &f->scrape_protocols : &g->scrape_protocols,
                              job->histograms.native);
    if (f->fallback_scrape_protocol.text.n > 0 &&
        protocol_of(r, f->fallback_scrape_protocol.text, f->fallback_scrape_protocol.line,
                    f->fallback_scrape_protocol.column) != NULL)
        job->fallback = sv_starts(f->fallback_scrape_protocol.text, SV("OpenMetrics"))
                            ? EXPOSITION_OPENMETRICS
                        : sv_is(f->fallback_scrape_protocol.text, "PrometheusProto") ? EXPOSITION_PROTOBUF
                                                                                     : EXPOSITION_TEXT;
    job->sample_limit = limit_of(r, f->sample_limit, g->sample_limit, "sample_limit");
    job->label_limit = limit_of(r, f->label_limit, g->label_limit, "label_limit");
    job->label_name_length_limit =
        limit_of(r, f->label_name_length_limit, g->label_name_length_limit, "label_name_length_limit");
    job->label_value_length_limit =
        limit_of(r, f->label_value_length_limit, g->label_value_length_limit, "label_value_length_limit");
    job->target_limit = limit_of(r, f->target_limit, g->target_limit, "target_limit");
    job->keep_dropped_targets =
        limit_of(r, f->keep_dropped_targets, g->keep_dropped_targets, "keep_dropped_targets");
    job->body_size_limit =
        read_size(r, f->body_size_limit.line > 0 ? &f->body_size_limit : &g->body_size_limit);
    refuse_unsupported(r);
    http_client_read(&r->yaml, &f->http, r->config->dir, &job->client);
    relabel_list_read(&r->yaml, &f->relabel_configs, &job->relabel);
    relabel_list_read(&r->yaml, &f->metric_relabel_configs, &job->metric_relabel);
    read_discovery(r, job);
}

static void read_jobs(struct reading *r, const struct yaml_node *first, size_t count)
{
    struct scrape_config *config = r->config;
    if (count > SCRAPE_JOBS_MAX) {
        bad_at(r, first->line, first->column, "more than 1000 scrape configs", (struct sv){0});
        return;
    }
    config->jobs = ARENA_ARRAY(&config->arena, struct scrape_job, count + 1);
    for (const struct yaml_node *n = first; n != NULL; n = n->next) {
        struct job_fields fields = {.honor_timestamps = true,
                                    .enable_compression = true,
                                    .extra_scrape_metrics = r->global.extra_scrape_metrics,
                                    .native_histograms = r->global.native_histograms,
                                    .classic_always = r->global.classic_always,
                                    .to_custom = r->global.to_custom,
                                    .http = HTTP_CLIENT_DEFAULTS};
        if (typed_is_null(n)) {
            bad_at(r, n->line, n->column, "empty or null scrape config section", (struct sv){0});
            continue;
        }
        r->fields = &fields;
        r->node = n;
        typed_map(&r->yaml, n, job_fields, "a scrape config", &fields);
        read_job(r, &config->jobs[config->job_count++]);
    }
}

static void complete_global(struct reading *r, unsigned line, unsigned column)
{
    struct global_fields *g = &r->global;
    if (g->scrape_interval.ns == 0)
        g->scrape_interval.ns = 60 * INT64_C(1000000000);
    if (g->scrape_timeout.ns > g->scrape_interval.ns)
        bad_at(r, line, column, "global scrape timeout greater than scrape interval", (struct sv){0});
    if (g->scrape_timeout.ns == 0)
        g->scrape_timeout.ns = TC_MIN(10 * INT64_C(1000000000), g->scrape_interval.ns);
}

/* --- a whole file --- */

static void tell_other_sections(struct reading *r, const struct file_fields *f)
{
    const struct {
        const struct yaml_node *node;
        bool error;
        const char *remedy;
    } sections[] = {
        {f->rule_files.node, false, "name rules in Tocsin's own configuration"},
        {f->alerting.node, false, "alerts go by Tocsin's own routing"},
        {f->storage.node, false, "see `metrics` of Tocsin's own configuration"},
        {f->tracing.node, false, "there are no traces"},
        {f->otlp.node, false, "OTLP is taken with names translated, and nothing else can be set"},
        {f->runtime.node, false, "it is of Go's runtime"},
        {f->remote_write.node, true, "samples are not sent on"},
        {f->remote_read.node, true, "samples are read from the store alone"},
        {f->scrape_config_files.node, true, "write the scrape configs into one file"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(sections); i++)
        if (sections[i].node != NULL && sections[i].node->type != YAML_SCALAR && sections[i].node->count > 0)
            rule_problem_add(&r->config->problems, !sections[i].error, sections[i].node->key_line,
                             sections[i].node->key_column, "%.*s is %s here: %s",
                             SV_FMT(sections[i].node->key), sections[i].error ? "not supported" : "not read",
                             sections[i].remedy);
}

static void read_file(struct reading *r, const struct yaml_node *root)
{
    struct file_fields f = {0};
    typed_map(&r->yaml, root, file_fields, "a Prometheus configuration", &f);
    if (f.global.node != NULL)
        typed_map(&r->yaml, f.global.node, global_fields, "global", &r->global);
    complete_global(r, f.global.node == NULL ? 1 : f.global.node->line, 1);
    tell_other_sections(r, &f);
    read_jobs(r, f.scrape_configs.first, f.scrape_configs.n);
}

static void open_config(struct scrape_config *config, struct reading *r)
{
    *config = (struct scrape_config){.dir = ""};
    config->problems.arena = &config->arena;
    *r = (struct reading){.yaml = {.arena = &config->arena, .problems = &config->problems}, .config = config};
}

int scrape_config_parse(struct sv bytes, const char *path, struct scrape_config *ret, struct err *err)
{
    struct reading r;
    struct yaml_node *root = NULL;
    const char *slash = strrchr(path, '/');
    open_config(ret, &r);
    ret->print = hash_64(bytes);
    if (slash != NULL)
        ret->dir = arena_str(&ret->arena, sv_make(path, (size_t)(slash - path)));
    if (typed_parse(&r.yaml, arena_sv(&ret->arena, bytes), &root) && root != NULL)
        read_file(&r, root);
    return rule_problems_err(&ret->problems, path, err);
}

int scrape_config_read(const struct fs *fs, const char *path, struct scrape_config *ret, struct err *err)
{
    struct buf bytes;
    *ret = (struct scrape_config){0};
    buf_init(&bytes, CONFIG_BYTES_MAX);
    int rc = fs_read_file(fs, path, &bytes, err);
    if (rc == 0)
        rc = scrape_config_parse(buf_view(&bytes), path, ret, err);
    buf_free(&bytes);
    return rc;
}

int scrape_config_read_list(const struct yaml_node *list, const char *file,
                            const struct scrape_defaults *defaults, struct scrape_config *ret,
                            struct err *err)
{
    struct reading r;
    open_config(ret, &r);
    r.global.scrape_interval.ns = defaults->interval_ns;
    r.global.scrape_timeout.ns = defaults->timeout_ns;
    complete_global(&r, list->line, list->column);
    if (list->type != YAML_LIST)
        bad_at(&r, list->line, list->column, "scrape_configs: a list is expected", (struct sv){0});
    else
        read_jobs(&r, list->first, list->count);
    return rule_problems_err(&ret->problems, file, err);
}

void scrape_config_free(struct scrape_config *config)
{
    for (size_t i = 0; i < config->job_count; i++) {
        relabel_list_free(&config->jobs[i].relabel);
        relabel_list_free(&config->jobs[i].metric_relabel);
    }
    arena_free(&config->arena);
    *config = (struct scrape_config){0};
}
