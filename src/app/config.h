/*
 * The configuration: one strict YAML file. Unknown keys are errors with file:line:column and "did you mean";
 * secrets are written as env:NAME or file:PATH and never stand in the file itself. docs/configuration.md is
 * made from the same tables.
 */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include "alert/team_route.h"
#include "api/api.h"
#include "app/event_metric_config.h"
#include "app/forward.h"
#include "app/metric_rules.h"
#include "app/sources.h"
#include "base/arena.h"
#include "base/err.h"
#include "cli/parsers.h"
#include "ingest/intake.h"
#include "ingest/tail.h"
#include "journal/retention.h"
#include "metrics/scrape/scrape_config.h"
#include "notify/notify.h"

enum { CONFIG_KEYS_MAX = 64 };

struct config {
    struct arena arena;   /* all texts below */
    struct config_print { /* what the file says for each top-level key, as a hash; 0: nothing */
        const char *key;
        uint64_t print;
    } prints[CONFIG_KEYS_MAX];
    size_t print_count;
    const char *listen;       /* "127.0.0.1:9797" */
    const char *data;         /* NULL: not set */
    const char *console_url;  /* NULL: http:// + listen */
    const char *oncall;       /* file of people, schedules and policies; NULL: the built-in policies */
    const char *const *rules; /* paths; none: the shipped packs */
    size_t rule_count;
    const char *const *pipelines; /* processing pipelines: files, or names of shipped ones */
    size_t pipeline_count;
    const char *const *profiles; /* which rules speak: files, or names of shipped ones; none: all */
    size_t profile_count;
    const char *const *placeholders; /* files of values for `expand` */
    size_t placeholder_count;
    const char *const *geoip; /* MMDB files */
    size_t geoip_count;
    bool shipped_packs; /* load the packs that the binary carries (default: true where no rules are named) */
    struct parser_files parsers;        /* of the files below, and those that the program ships */
    const struct parser *syslog_parser; /* of messages that come by syslog */
    int64_t lateness_ns;                /* of sources that declare none of their own */
    int zone_offset_s;
    unsigned threads;
    size_t max_body_bytes;
    bool sandbox;                        /* refuse itself the system calls that it does not need */
    const char *syslog_udp, *syslog_tcp; /* ADDRESS:PORT; NULL: not listened on */
    bool syslog_allow_plaintext;         /* also where it is not loopback */
    int64_t syslog_lateness_ns;          /* -1: lateness_ns */
    struct tail_source *files;           /* followed */
    size_t file_count;
    bool journald;                  /* the system's journal is read */
    const char *journald_directory; /* NULL: where the system keeps it */
    bool journald_from_beginning;
    int64_t journald_lateness_ns; /* -1: lateness_ns */
    struct sv heartbeat_url;      /* a secret; n == 0: none */
    int64_t heartbeat_interval_ns;
    bool heartbeat_get;
    const char *seal_key_path; /* NULL: the journal is not sealed */
    int64_t seal_interval_ns;
    const char *seal_witness_file; /* NULL: none */
    struct sv seal_witness_url;    /* a secret; n == 0: none */
    bool seal_witness_log;
    int64_t retention_keep_ns[CLASS_COUNT]; /* 0: for ever */
    int64_t retention_cold_after_ns, retention_segment_age_ns, retention_distrust_ns;
    const char *retention_archive; /* NULL: none */
    struct retention_hold *retention_holds;
    size_t retention_hold_count;
    struct intake_class *retention_classes; /* which class events get */
    size_t retention_class_count;
    struct source_watch *watch;
    size_t watch_count;
    struct api_token *tokens;
    size_t token_count;
    struct intake_lateness *sender_lateness; /* of those senders that declare one */
    size_t sender_lateness_count;
    bool standard_input;                /* is read */
    int64_t standard_input_lateness_ns; /* -1: lateness_ns */
    struct channel_config *channels;
    size_t channel_count;
    struct routing {
        const struct sv *names;
        size_t count;
        bool given; /* not: by the channels' own severities */
    } routing[SEVERITY_P4 + 1];
    struct config_route { /* before it: the first that fits an alert, for the priorities that it names */
        struct team_route which;
        struct routing routing[SEVERITY_P4 + 1];
    } * routes;
    size_t route_count;
    struct am_pool route_pool;
    struct forward_config forwards[TC_FORWARDS_MAX];
    size_t forward_count;
    struct routing digest; /* not given: all email channels */
    int digest_at_s;       /* after midnight */
    unsigned review_days;  /* whose digest lists what is open; bit 0: Sunday */
    int64_t dedup_window_ns, resolve_after_ns;
    const uint64_t *count_steps; /* ends with 0 */
    int64_t acknowledge_within_ns;
    int64_t overdue_after_ns[SEVERITY_P4 + 1]; /* 0: any time */
    uint64_t notify_count;                     /* 0, 1: told at once */
    int64_t notify_within_ns;
    uint64_t flap_count; /* 0: flapping is not looked for */
    int64_t flap_within_ns, flap_stable_ns;
    struct sv confirmation_channel; /* who asks users whether that was them; n == 0: nobody can be asked */
    int64_t answer_within_ns;
    bool silence_is_no_objection;
    enum severity raise_to;
    const char *vault_key_path; /* NULL: in the data directory */
    struct sv policy_text;      /* policy.h's lines */
    struct api_person *people;
    size_t person_count;
    struct api_token *officers; /* `source` is the name */
    size_t officer_count;
    bool metrics; /* keep a store of metrics, and take remote write */
    uint64_t series_limit, source_series_limit;
    int64_t metrics_retention_ns, metrics_trend_retention_ns, metrics_out_of_order_ns;
    uint64_t metrics_retention_bytes; /* 0: no bound */
    struct metric_rule_settings metric_rules;
    struct scrape_defaults scrape_defaults;
    struct scrape_config scrape; /* no jobs: nothing is scraped */
    struct event_metrics_config event_metrics;
    struct label *metric_aliases; /* name -> the name under which its series are kept; sorted */
    size_t metric_alias_count;
    const char *graphite_tcp; /* NULL: not listened on */
    bool graphite_allow_plaintext;
    const char *statsd_udp, *statsd_path; /* NULL: not listened on */
    bool statsd_allow_plaintext, statsd_absolute_gauges;
    int64_t statsd_flush_ns;
    const char *prometheus_config; /* NULL: scrape configurations stand in this file, if anywhere */
};

/* The first of `routes` that fits; NULL: none. */
const struct config_route *config_route_of(const struct config *config, const struct alert *alert);
/* By what an alert is routed that is told as one of `severity` (its own, or a higher one that was told). */
const struct routing *config_routing_of(const struct config *config, const struct alert *alert,
                                        enum severity severity);
/* Whether the channel is told of an alert of that severity for that reason (new, acknowledged, …). */
bool config_routes(const struct routing *routing, const struct channel_config *channel,
                   enum severity severity, struct sv reason);

/* Defaults only; channels: stdout, and Slack where SLACK_SECURITY_WEBHOOK is set in the environment. */
void config_defaults(struct config *config);
/* Reads `path` over the defaults. */
int config_load(const char *path, struct config *config, struct err *err);
/* The longest lateness that any source declares: so long windows wait. */
int64_t config_longest_lateness(const struct config *config);
void config_free(struct config *config);
/* The keys that only a restart puts in force and for which `fresh` says other things than `running`, in
 * order. Returns how many. */
size_t config_restart_needed(const struct config *running, const struct config *fresh,
                             const char *ret_keys[CONFIG_KEYS_MAX]);
/* The reference of all keys as Markdown, from the tables. */
void config_reference(struct buf *out);

#endif
