/*
 * The running service: what `tocsin run` puts together. cmd_run.c reads the configuration, starts and stops;
 * service_start.c wires core, API, courier and sentinel; service_doors.c what events come in by;
 * service_hooks.c is what the rooms call back; service_reload.c reads rules anew; service_metrics.c answers
 * /metrics and the lists of channels.
 *
 * Threads: all is made and freed on the main thread. `lock` guards what threads of the core, the API and the
 * courier look at while it comes and goes.
 */
#ifndef APP_SERVICE_H
#define APP_SERVICE_H

#include "app/config.h"
#include "app/core.h"
#include "app/event_metrics.h"
#include "app/keeping.h"
#include "app/metric_rules.h"
#include "app/metrics_room.h"
#include "app/oncall_files.h"
#include "app/privacy.h"
#include "app/sealing.h"
#include "app/sentinel.h"
#include "app/stdin_source.h"
#include "base/arena.h"
#include "cli/cli.h"
#include "ingest/journald_source.h"
#include "ingest/syslog_listener.h"
#include "ingest/tail.h"
#include "notify/callback.h"
#include "notify/question.h"

#include <pthread.h>

enum { SERVICE_PATH_BYTES = 4096, SERVICE_CHANNELS_MAX = 256 };

struct wishes { /* what the configuration wants in force, read from its files */
    struct arena arena;
    struct rule_source *rules;
    size_t rule_count;
    struct geoip_files *geoip_files;
    struct core_data_file *files;
    size_t file_count;
    struct metric_rule_files *metric_rules; /* NULL: metrics are off */
    struct oncall_files oncall;
};

struct service {
    const struct cli_args *args;
    struct config config;
    struct wishes wishes; /* of the start */
    struct geoip *geoip;
    pthread_mutex_t reloading;
    struct reload_outcome {
        bool successful;
        int64_t success_ns;
    } last_reload; /* under `lock` */
    char store_path[SERVICE_PATH_BYTES];
    struct sv channel_names[SERVICE_CHANNELS_MAX];
    struct oncall_channel channels[SERVICE_CHANNELS_MAX]; /* as the core knows them */
    struct core *core;
    struct privacy privacy;
    struct intake *intake;
    pthread_mutex_t lock; /* the four below come and go while other threads call them */
    struct notifier *notifier;
    struct callbacks *callbacks; /* made before the API, freed after it */
    struct api *api;
    struct sentinel *sentinel;
    struct sealing *sealing; /* NULL: off */
    struct keeping_room *keeping;
    struct forwarding *forwarding;                                       /* NULL: nothing is forwarded */
    char cwd[SERVICE_PATH_BYTES], hostname[256], metrics_retention[128]; /* as Prometheus' API shows them */
    uint8_t question_key[TC_QUESTION_KEY_BYTES];
    struct latencies latencies;
    int64_t started_ns;
    struct stdin_source *stdin_source;
    struct intake *syslog_intake;
    struct metrics_room *metrics;        /* NULL: off */
    struct metric_rules *metric_rules;   /* likewise; under `lock` while it comes and goes */
    struct event_metrics *event_metrics; /* NULL: no metric is made of events */
    struct tail *_Atomic tail;
    struct journald_source *_Atomic journald;
    struct syslog_listener *_Atomic syslog; /* set while the API's threads may look for /metrics */
};

/* service_start.c. What was started when it fails is stopped by service_stop, which takes any state. */
int service_start(struct service *service, struct err *err);
void service_stop(struct service *service);

/* service_doors.c. Files and the journal of systemd are made before the core goes on, because where they
 * stand is a part of the recovered fold; doors are opened last. */
int service_make_doors(struct service *service, struct err *err);
int service_open_doors(struct service *service, struct err *err);
void service_close_doors(struct service *service);

/* service_reload.c */
/* What the configuration says of people's part in an alert's life (core_options.response). */
struct alert_options service_response(const struct config *config);
int service_load_config(const struct cli_args *args, struct config *config, struct err *err);
int service_read_wishes(const struct cli_args *args, const struct config *config, struct wishes *ret,
                        struct err *err);
void service_wishes_free(struct wishes *wishes);
/* The API's callback, and SIGHUP. On any thread; one at a time, others wait. */
int service_reload(void *context, struct buf *ret_json, struct err *err);

/* service_hooks.c: `context` is the service. Which of the core's, the API's, the courier's and the sentinel's
 * threads calls is said by their options. */
size_t service_route(void *context, const struct alert *alert, enum severity severity,
                     enum notify_reason reason, const struct sv **ret_channels);
void service_outbox_filled(void *context);
void service_alert_changed(void *context, struct sv json);
int service_take_receipt(void *context, const struct receipt *receipt);
void service_take_trouble(void *context, struct sv channel, struct sv detail);
void service_take_retention_trouble(void *context, struct sv detail);
int service_post_alerts(void *context, struct sv source, const struct posted_alert *alerts, size_t count,
                        journal_done_fn done, void *done_context, struct err *err);
void service_opted_out(void *context, struct sv channel);
void service_say(void *context, struct sv channel, struct sv url, struct sv body);
void service_delivery_moved(void *context, bool held);
void service_delivery(void *context, struct api_delivery *ret);
bool service_is_ready(void *context);
bool service_is_alive(void *context);
bool service_is_writable(void *context);
int service_append(void *context, const struct journal_batch *batch, journal_done_fn done, void *done_context,
                   uint64_t *ret_first, struct err *err);
int service_append_live(void *context, const struct intake_batch *batch, outlet_done_fn done,
                        void *done_context, struct err *err);
int service_command(void *context, const struct alert_command *what, struct buf *ret_json, struct err *err);
int service_oncall(void *context, const struct api_oncall_question *question, struct buf *out,
                   struct err *err);
/* explain_alert.c: why an alert was told or not, as a JSON array of stages. */
void service_explain(void *context, const struct alert *alert, struct buf *out);
void service_silences(void *context, struct buf *out);
void service_holds(void *context, struct buf *out);
int service_incidents(void *context, struct sv number, bool markdown, struct buf *out, struct err *err);
bool service_is_question(void *context, struct sv alert_id, struct sv token, uint64_t *ret_number);
int service_before_commit(void *context, struct err *err);
enum sentinel_state service_look(void *context);
const char *service_trouble(void *context);
uint64_t service_send_beat(void *context);
int service_rule_states(void *context, struct sv blocks, uint32_t count, struct err *err);
bool service_is_judged(void *context, uint64_t position);
uint64_t service_courier_turns(void *context);

/* service_prometheus.c: what Prometheus' API shows of the service */
void service_prometheus(struct service *service, struct api_prometheus *ret);

/* service_metrics.c: the API's callbacks */
void service_metrics(void *context, struct buf *out);
void service_channels_json(void *context, struct buf *out);
void service_sources_json(void *context, struct buf *out);
void service_rules_json(void *context, struct buf *out);

#endif
