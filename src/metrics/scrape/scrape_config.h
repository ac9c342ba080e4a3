/*
 * What to scrape: Prometheus' scrape_configs, from its own configuration file or from a list of the same
 * form, as strict as Prometheus and in its words.
 *
 * A key of a scrape configuration that Prometheus knows and this program does not honour is an error that
 * names it, with its place. Other sections of a Prometheus file (rule_files, alerting, storage …) are none of
 * this reader's business: it says so as a warning; remote_write and remote_read are errors, as samples would
 * silently stay away from where they were meant to go.
 */
#ifndef METRICS_SCRAPE_SCRAPE_CONFIG_H
#define METRICS_SCRAPE_SCRAPE_CONFIG_H

#include "metrics/exposition/protobuf.h"
#include "metrics/scrape/http_client.h"
#include "metrics/scrape/relabel_read.h"
#include "metrics/scrape/target_group.h"

enum {
    SCRAPE_JOBS_MAX = 1000,
    SCRAPE_BODY_BYTES_MAX = 256 << 20, /* of one answer, whatever body_size_limit allows */
};

struct file_sd {
    const char **patterns;
    size_t pattern_count;
    int64_t refresh_ns;
};

enum dns_type { DNS_SRV, DNS_A, DNS_AAAA, DNS_MX, DNS_NS };
struct dns_sd {
    const char **names;
    size_t name_count;
    enum dns_type type;
    unsigned port;
    int64_t refresh_ns;
};

struct http_sd {
    const char *url, *shown; /* shown: without what it may hold of a user and password */
    struct http_client client;
    int64_t refresh_ns;
};

struct scrape_param {
    struct sv name;
    struct sv *values;
    size_t value_count;
};

struct scrape_job {
    struct sv name;
    int64_t interval_ns, timeout_ns;
    struct sv path, scheme;
    struct scrape_param *params;
    size_t param_count;
    bool honor_labels, honor_timestamps, track_timestamps_staleness, compression, extra_metrics;
    const char *accept;              /* value of the header */
    enum exposition_format fallback; /* what a body of no known Content-Type is */
    struct exposition_histograms histograms;
    struct http_client client;
    struct relabel_list relabel, metric_relabel;
    uint64_t sample_limit, label_limit, label_name_length_limit, label_value_length_limit, target_limit,
        keep_dropped_targets, body_size_limit; /* 0: none */
    struct target_groups *statics;             /* by static_configs entry */
    size_t static_count;
    struct file_sd *files;
    size_t file_count;
    struct dns_sd *dns;
    size_t dns_count;
    struct http_sd *https;
    size_t http_count;
};

struct scrape_config {
    struct arena arena;
    uint64_t print; /* of the file's bytes; 0: none was read */
    struct rule_problems problems;
    struct scrape_job *jobs;
    size_t job_count;
    const char *dir; /* that relative paths begin in; "" for none */
};

/* Where the lists of a file that is not Prometheus' own get their defaults from. */
struct scrape_defaults {
    int64_t interval_ns, timeout_ns; /* 0: 1m and 10s */
};

/* A whole Prometheus configuration file. Paths in it are relative to the directory of `path`. TC_EINPUT with
 * ret->problems filled where it has errors; warnings may be there with 0, too. Free it in either case. */
int scrape_config_read(const struct fs *fs, const char *path, struct scrape_config *ret, struct err *err);
/* The same from the file's bytes. */
int scrape_config_parse(struct sv bytes, const char *path, struct scrape_config *ret, struct err *err);
/* A list of scrape configurations that was parsed already (its nodes outlive *ret). */
int scrape_config_read_list(const struct yaml_node *list, const char *file,
                            const struct scrape_defaults *defaults, struct scrape_config *ret,
                            struct err *err);
void scrape_config_free(struct scrape_config *config);

#endif
