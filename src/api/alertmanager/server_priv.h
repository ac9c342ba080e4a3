/*
 * What the files of the Alertmanager's server share. One lock guards all state; it is held for the time of a
 * request or a look at the timers, never over the network.
 */
#ifndef API_ALERTMANAGER_SERVER_PRIV_H
#define API_ALERTMANAGER_SERVER_PRIV_H

#include "alert/alertmanager/config.h"
#include "alert/alertmanager/dispatch.h"
#include "alert/alertmanager/silence.h"
#include "api/alertmanager/server.h"
#include "api/alertmanager/web_config.h"
#include "api/receiver/courier.h"
#include "base/json_out.h"
#include "template/alertmanager.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

/* The Alertmanager whose API and metrics these are, as a semantic version: karma ends itself over any other
 * text, and amtool warns where its own minor version is another one. Who asks sees us behind the plus. */
#define AM_SPEAKS "0.34.0+tocsin." TC_VERSION

enum {
    AM_BODY_MAX_BYTES = 32 << 20,
    AM_BODIES_MAX_BYTES = 256 << 20, /* of all requests under way */
    AM_REPLY_MAX_BYTES = 256 << 20,
    AM_TOLD_MAX_BYTES = 256 << 20,
    AM_KINDS_MAX = 32,
};

struct am_counts { /* since the start; under the lock */
    uint64_t firing, resolved, invalid, limited, reloads_failed;
    uint64_t notifications[AM_KINDS_MAX], failed[AM_KINDS_MAX]; /* by kind's row */
};

struct am_server {
    struct am_server_options options;
    char address[80], external[512], host_name[256], prefix[256], name[64], cluster_address[128];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    struct am_config *config;
    struct template_set *templates;
    struct buf shown; /* the configuration without its secrets */
    uint64_t hash;    /* of the file */
    bool reloaded;    /* the last time it was tried */
    int64_t started_ns, reloaded_ns;
    struct am_dispatch *dispatch;
    struct am_silences *silences;
    struct courier *courier;
    struct MHD_Daemon *daemon;
    struct am_web_config *web; /* may be NULL */
    int listen_fd;
    atomic_ullong body_bytes; /* of all requests under way */
    pthread_t timer;
    bool timer_runs;
    struct am_counts counts;
    int lock_file, log_file; /* of the storage path */
    uint64_t log_bytes, snapshot_bytes;
    struct buf told;       /* entries of the notification log that are not on disk yet */
    int64_t maintained_ns; /* monotonic */
    bool log_broken;
};

struct am_reply {
    unsigned status;
    const char *content_type; /* NULL: application/json */
    struct buf body;
    const char *allow; /* of 405 */
};

struct am_request {
    struct am_server *server;
    struct MHD_Connection *connection;
    struct sv body;
    struct sv id; /* the last part of the path, where it is one */
    int64_t now_ns;
    struct arena *arena;
};

void am_log(const struct am_server *server, enum log_level level, const char *message, ...)
    __attribute__((sentinel));

/* --- answers.c --- */
/* A text as a JSON string, and the status. */
void am_reply_text(struct am_reply *reply, unsigned status, const char *format, ...) TC_PRINTF(3, 4);
/* {"code": ..., "message": ...}, for what does not fit the API's description. */
void am_reply_invalid(struct am_reply *reply, unsigned status, int code, const char *format, ...)
    TC_PRINTF(4, 5);
struct sv am_query(const struct am_request *request, const char *name); /* p NULL where absent */
bool am_query_bool(const struct am_request *request, const char *name); /* true where absent */
/* All matchers of a parameter that may be repeated; TC_EINPUT with Alertmanager's words. */
int am_query_matchers(const struct am_request *request, const char *name, struct am_pool *pool,
                      struct am_matchers *ret, struct err *err);
/* Alertmanager's filter: as matching, but an empty value also stands for a label that is not there. */
bool am_filter_labels(struct am_matchers matchers, struct am_labels labels);
void am_json_labels(struct json_out *json, const char *key, struct am_labels labels);
void am_json_time(struct json_out *json, const char *key, int64_t ns); /* milliseconds, as the API has them */
/* An object of texts; the labels are sorted. TC_EINPUT names what is wrong. */
int am_read_labels(struct arena *arena, struct template_value value, struct am_labels *ret, struct err *err);
/* RFC 3339, 0 for Go's zero time or where there is none. */
int am_read_time(struct template_value object, const char *name, int64_t *ret_ns, struct err *err);
struct sv am_read_text(struct template_value object, const char *name);

/* --- handlers, under the lock --- */
typedef void am_handler(struct am_request *request, struct am_reply *reply);
am_handler am_get_alerts, am_post_alerts, am_get_groups, am_get_receivers, am_get_silences, am_post_silences,
    am_get_silence, am_delete_silence, am_get_status, am_get_metrics;

/* --- web.c, metrics.c --- */
int am_web_start(struct am_server *server, struct err *err);
void am_web_stop(struct am_server *server);

/* --- tell.c --- */
am_tell_fn am_tell; /* context: the server */
courier_done_fn am_sent;
size_t am_kind_row(const struct am_receiver_kind *kind);

/* --- state.c --- */
int am_state_open(struct am_server *server, struct err *err);
/* Puts an entry of the notification log where am_state_flush makes it durable, with all others. */
am_told_fn am_state_told;
void am_state_flush(struct am_server *server);
/* Makes changed silences durable. */
int am_state_silences(struct am_server *server, struct err *err);
/* A new snapshot, where it is time for one (or `now`). */
void am_state_maintain(struct am_server *server, bool now);
void am_state_close(struct am_server *server);

/* --- shown.c --- */
/* The configuration as YAML, with defaults, secrets as <secret>; `config` was read of `yaml`. */
int am_show_config(const struct am_config *config, struct sv yaml, struct buf *out, struct err *err);

#endif
