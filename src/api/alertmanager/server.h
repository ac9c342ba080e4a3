/*
 * An Alertmanager in this process: its HTTP API (version 2), its configuration file, its timers in a thread,
 * webhooks out, silences and the notification log on disk. What is due when is alert/alertmanager/dispatch.h.
 *
 * One node: it lists itself as its only peer. Without a web configuration there is no authentication, as in
 * Alertmanager: who can reach the address may do everything. Bodies must be application/json, so that a page
 * of another site cannot post in a browser's name.
 */
#ifndef API_ALERTMANAGER_SERVER_H
#define API_ALERTMANAGER_SERVER_H

#include "alert/alertmanager/matcher.h"
#include "base/clk.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/rng.h"

/* A line for the log; `pairs` are names and values in turn, NULL at the end. Any thread. */
typedef void am_log_fn(void *context, enum log_level level, const char *message, const char *const *pairs);

struct am_server_options {
    const char *config_file;
    const char *storage_path;
    const char *listen;         /* "127.0.0.1:9093", ":9093" (all addresses), "[::1]:0" (0: any free port) */
    const char *web_config;     /* a file (web_config.h); NULL: no TLS, no logins */
    const char *external_url;   /* NULL: http://host:port */
    const char *route_prefix;   /* NULL: the path of external_url */
    const char *cluster_listen; /* as given; "": clustering is off */
    const char *cluster_name;   /* NULL: one is made */
    enum am_matcher_mode mode;
    int64_t retention_ns;        /* of expired silences, and of the notification log after a start */
    int64_t maintenance_ns;      /* between snapshots */
    int64_t start_delay_ns;      /* no notification before so long after the start */
    size_t max_silences;         /* 0: 100,000 */
    size_t max_alerts_of_a_name; /* 0: any number */
    bool keep_timers;            /* a reload keeps the timers of groups; Alertmanager starts them anew */
    bool systemd_socket;         /* listens on the socket that systemd hands over, not on `listen` */
    const struct clk *clk;
    const struct rng *rng;
    const struct fs *fs;
    am_log_fn *log;
    void *log_context;
};

struct am_server;
/* Reads the configuration and what is kept, and listens. `options` are copied, their texts lent. */
int am_server_start(const struct am_server_options *options, struct am_server **ret, struct err *err);
const char *am_server_address(const struct am_server *server); /* "127.0.0.1:9093" */
/* Reads the configuration anew; refused: what was in force stays so. Any thread. */
int am_server_reload(struct am_server *server, struct err *err);
/* Keeps what must survive, and ends; notifications under way are given up (and told after the next start). */
void am_server_stop(struct am_server **server);

#endif
