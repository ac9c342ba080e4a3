/*
 * The configuration: one strict YAML file. Unknown keys are errors with file:line:column and "did you mean";
 * secrets are written as env:NAME or file:PATH and never stand in the file itself. docs/configuration.md is
 * made from the same tables.
 */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include "api/api.h"
#include "base/arena.h"
#include "base/err.h"
#include "notify/notify.h"

struct config {
    struct arena arena;       /* all texts below */
    const char *listen;       /* "127.0.0.1:9797" */
    const char *data;         /* NULL: not set */
    const char *console_url;  /* NULL: http:// + listen */
    const char *const *rules; /* paths; none: the shipped packs */
    size_t rule_count;
    bool shipped_packs; /* load the packs that the binary carries (default: true where no rules are named) */
    int64_t lateness_ns;
    int zone_offset_s;
    unsigned threads;
    size_t max_body_bytes;
    bool sandbox;                        /* refuse itself the system calls that it does not need */
    const char *syslog_udp, *syslog_tcp; /* ADDRESS:PORT; NULL: not listened on */
    bool syslog_allow_plaintext;         /* also where it is not loopback */
    int64_t syslog_lateness_ns;          /* -1: lateness_ns */
    struct api_token *tokens;
    size_t token_count;
    struct channel_config *channels;
    size_t channel_count;
    int64_t dedup_window_ns, resolve_after_ns;
    const uint64_t *count_steps; /* ends with 0 */
    bool metrics;                /* keep a store of metrics, and take remote write */
    uint64_t series_limit, source_series_limit;
    int64_t metrics_retention_ns, metrics_out_of_order_ns;
    uint64_t metrics_retention_bytes; /* 0: no bound */
};

/* Defaults only; channels: stdout, and Slack where SLACK_SECURITY_WEBHOOK is set in the environment. */
void config_defaults(struct config *config);
/* Reads `path` over the defaults. */
int config_load(const char *path, struct config *config, struct err *err);
void config_free(struct config *config);
/* The reference of all keys as Markdown, from the tables. */
void config_reference(struct buf *out);

#endif
