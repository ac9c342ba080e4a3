/*
 * What the files of this room share: the server, one request on its way, and the reply that a handler fills.
 *
 * Life of a request, all of it on one thread of the HTTP server:
 *   head read   -> route found, auth_check, route->begin     a refusal is kept until the body has gone by
 *   body read   -> bounded by route->body_max, by the sum of all bodies, and by TC_API_BODY_TIME_S
 *   all read    -> route->handle fills the reply, or says `later` and is called again once resumed
 *   completed   -> request_free, also where the client has gone
 */
#ifndef API_API_PRIV_H
#define API_API_PRIV_H

#include "api/api.h"
#include "api/auth.h"
#include "api/connections.h"
#include "api/router.h"
#include "api/workers.h"
#include "store/store.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    TC_API_CONNECTIONS_MAX = 1000,
    TC_API_IDLE_S = 30,           /* a connection without a byte for so long is closed */
    TC_API_BODY_TIME_S = 300,     /* a body must be in after so long */
    TC_API_HEAD_BYTES = 32 << 10, /* request line and headers; past it 431 */
    TC_API_COMMAND_BODY = 64 << 10,
    TC_API_COMMANDS_MAX = 64, /* waiting for the core */
    TC_API_SEARCHES_MAX = 32, /* waiting for the thread that searches */
    TC_API_SEARCH_S = 60,     /* a query is ended after so long */
    TC_API_ASIDE_THREADS = 2, /* that run queries on metrics */
    TC_API_ASIDES_MAX = 64,   /* queries on metrics, waiting or running */
    TC_API_FORM_BYTES = 128 << 10,
    TC_API_STREAM_CLIENTS_MAX = 64,
    TC_API_STREAM_QUEUE_BYTES = 1 << 20, /* unsent events of one client; past it the client is dropped */
    TC_API_HEARTBEAT_S = 15,
    TC_API_STOP_S = 5,
    TC_API_REPLY_BYTES = 64 << 20,
    TC_API_HEARTBEAT_NAME = 64,
    TC_API_LIST_MAX = 10 * 1000, /* alerts in one answer */
    TC_REPLY_HEADERS_MAX = 8,
};
#define TC_API_DRAIN_BYTES (UINT64_C(2) << 30) /* of a refused body that are read and forgotten */

struct reply_header {
    const char *name;
    char value[256];
};

struct reply {
    unsigned status; /* 0: nothing said yet */
    bool later;      /* the connection is suspended; the handler is called again */
    const char *content_type;
    struct buf body;
    struct MHD_Response *response; /* instead of body: static bytes, or a stream */
    struct reply_header headers[TC_REPLY_HEADERS_MAX];
    size_t header_count;
};

/* A batch that waits for the journal, or a command for the core. Lives until the request and the journal's
 * callback have let go of it.
 */
struct pending {
    pthread_mutex_t lock;
    unsigned refs;                     /* under lock, as all below */
    struct MHD_Connection *connection; /* NULL once the request is over */
    bool suspended, done, abandoned;
    int rc;
    /* Of the request's thread only: */
    bool replayed;
    uint32_t accepted;
    struct pending *previous, *next; /* in api->pending, under api->lock */
};

/* What became of a message of remote write. */
struct write_result {
    bool version_2;
    uint64_t samples, histograms, exemplars, refused;
};

/* The doors that bodies of samples come by (samples_door.c). */
enum samples_kind { SAMPLES_OTLP, SAMPLES_CLOUDWATCH, SAMPLES_METRIC_STREAM, SAMPLES_DATADOG, SAMPLES_KINDS };

/* What became of a body of samples. */
struct samples_result {
    uint64_t taken, refused, refused_points;
    char first[320]; /* why the first was refused */
};

struct search_job;
struct request {
    struct api *api;
    struct MHD_Connection *connection;
    struct route_match match;
    struct sv method;
    const char *source; /* ROLE_SOURCE */
    const char *person; /* whose own token it bears; NULL: nobody's */
    bool unknown_token; /* it bears one, people have tokens, and it is none of theirs */
    char heartbeat[TC_API_HEARTBEAT_NAME + 16]; /* the source of one, where it is one */
    bool refused; /* reply is filled; the rest of the body is read and forgotten */
    struct reply reply;
    struct buf body;
    uint64_t body_seen; /* bytes, forgotten ones too */
    uint64_t body_held; /* bytes counted in api->body_bytes */
    int64_t started_ns; /* monotonic */
    bool is_stream;     /* not waited for when stopping */
    struct connection *connection_held;
    struct pending *pending;
    struct write_result write;
    struct samples_result samples;
    struct buf answer;         /* body of the 200 that waits for the journal */
    struct callback *callback; /* what a vendor sent */
    struct command *command;   /* what the core was asked to do, and its answer */
    struct search_job *search; /* what is looked for in the journal, and what was found */
    struct aside *aside;       /* what runs beside the server's threads */
};

/* Scratch of one parse; as many as threads ask at a time. */
struct workbench {
    struct intake_batch batch;
    struct buf unpacked;
    struct workbench *next;
};

enum { TC_API_CODES = 24, TC_API_ROUTES_MAX = 160 };

struct stream;
struct search_job;
struct query_index;
struct api {
    struct api_options options;
    struct auth auth;
    struct MHD_Daemon *daemon;
    int listen_fd;
    char address[80];
    char console[256];  /* for links, without a slash at the end */
    int64_t started_ns; /* wall clock */
    int64_t stop_grace_ns;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* active fell, or stopping */
    bool stopping, cut_off; /* under lock: no new requests; no new suspensions */
    unsigned active;        /* under lock: requests under way, streams not counted */
    struct pending *pending;
    struct workbench *benches; /* idle ones */
    pthread_t pulse;           /* beats for the streams */
    bool pulse_runs;

    pthread_mutex_t store_lock; /* one reading connection, used in turn */
    struct store *store;

    struct workers commands, searches, asides;
    pthread_cond_t aside_done; /* with `lock` */
    struct query_index *index; /* of the thread of `searches` */

    struct stream *stream;
    struct connections connections;

    atomic_ullong body_bytes; /* of all requests under way */
    atomic_ullong samples_taken[SAMPLES_KINDS], samples_refused[SAMPLES_KINDS];
    atomic_ullong bad_tokens, accepted, replays, bytes_received;
    atomic_ullong answers[TC_API_ROUTES_MAX + 1][TC_API_CODES]; /* last row: no route */
};

extern const struct route api_routes[];
extern const unsigned api_codes[TC_API_CODES]; /* ends with 0: any other */

/* --- server.c --- */
/* The value of a request header; p == NULL where absent. */
struct sv request_header(const struct request *request, const char *name);
/* Walks query parameters, decoded. `each` returns false to stop; the walk then returns false, as for a
 * parameter that is not properly encoded. */
bool request_query(const struct request *request,
                   bool (*each)(void *context, struct sv name, struct sv value), void *context);
uint64_t api_body_budget(const struct api *api);
/* Starts the library's threads on api->listen_fd; NULL where it cannot. */
struct MHD_Daemon *server_start(struct api *api);

/* --- reply.c --- */
/* {"error": text}, and the status. */
void reply_error(struct reply *reply, unsigned status, const char *format, ...) TC_PRINTF(3, 4);
/* The status that fits an error of the core, its text as body. */
void reply_err(struct reply *reply, const struct err *err);
void reply_header(struct reply *reply, const char *name, const char *value);
/* A body that lives as long as the process. */
void reply_static(struct reply *reply, const char *content_type, struct sv bytes);
void reply_json(struct reply *reply, unsigned status);
/* Packs a body of text of up to `max_bytes` by gzip where the client's Accept-Encoding takes it and it gets
 * shorter. */
void reply_pack(struct reply *reply, struct sv accept_encoding, size_t max_bytes);
/* Sends it, and empties it. */
enum MHD_Result reply_send(struct reply *reply, struct MHD_Connection *connection);
void reply_free(struct reply *reply);

/* --- pending.c --- */
struct pending *pending_new(struct api *api, struct request *request);
/* journal_done_fn; context is the pending, of which it lets go. */
void pending_done(void *context, int rc, uint64_t first);
/* The journal took nothing, `pending_done` will not come. */
void pending_cancel(struct pending *pending);
enum pending_state { PENDING_LATER, PENDING_DONE, PENDING_ABANDONED };
/* On the request's thread: suspends the connection where it is not done yet. */
enum pending_state pending_wait(struct api *api, struct pending *pending, int *ret_rc);
/* The request is over. */
void pending_release(struct api *api, struct pending **pending);
/* Wakes all with PENDING_ABANDONED. */
void pending_abandon_all(struct api *api);

/* --- command.c --- */
int command_start(struct api *api, struct err *err);
/* Waits for the commands that the core was given; no request is under way any more. */
void command_stop(struct api *api);
/* Queues a command, or fills the reply (429). The texts are copied. */
void command_begin(struct api *api, struct request *request, const struct alert_command *what,
                   struct reply *reply);
void command_begin_reload(struct api *api, struct request *request, struct reply *reply);
/* The reply, or `later`. */
void command_finish(struct api *api, struct request *request, struct reply *reply);
/* Of a command that is over: code 0, or why not. */
const struct err *command_error(const struct request *request);
void command_release(struct api *api, struct command **command);

/* --- stream_route.c --- */
struct stream *stream_new(void);
void stream_free(struct stream **stream);
void stream_publish(struct stream *stream, struct sv json);
void stream_heartbeat(struct stream *stream);
void stream_close(struct stream *stream); /* all clients end; no new ones */
unsigned stream_clients(const struct stream *stream);
uint64_t stream_dropped(const struct stream *stream);

/* --- alerts_route.c --- */
/* The reading connection, opened when it is first needed; 0 with the lock held, to be given back. */
int alerts_store_take(struct api *api, struct store **ret, struct err *err);
void alerts_store_give(struct api *api);

/* --- events_route.c --- */
/* Rewrites an unpacked body into events as NDJSON; false where it has filled the reply. */
typedef bool (*events_convert_fn)(struct request *request, struct sv body, struct buf *out,
                                  struct reply *reply);
/* All of taking a body in; `convert` may be NULL. */
void events_take(struct api *api, struct request *request, events_convert_fn convert, struct reply *reply);

/* --- search.c --- */
int search_start(struct api *api, struct err *err);
/* No request is under way any more; what is being searched is ended. */
void search_stop(struct api *api);
/* The client has gone, or has its answer. */
void search_release(struct api *api, struct search_job **job);

/* --- aside.c --- */
int aside_start(struct api *api, struct err *err);
/* No request is under way any more. */
void aside_stop(struct api *api);
/* A handler's whole work, on each call of it: runs `handle` on a thread of its own, with a copy of the
 * request. */
void aside_run(struct api *api, struct request *request, route_fn handle, struct reply *reply);
void aside_release(struct api *api, struct aside **aside);

/* --- samples_door.c --- */
struct sample_list;
struct samples_door {
    enum samples_kind kind;
    /* Reads the unpacked body; false where it has filled the reply. The list's samples may point into it. */
    bool (*read)(struct api *api, struct request *request, struct sv body, struct sample_list *list,
                 struct reply *reply);
    /* All is durable: request->samples says what was taken. */
    void (*answer)(struct request *request, struct reply *reply);
    /* In the door's own form: (400, 413) the sender's fault, (429, 503) it may try again. NULL: reply_error.
     */
    void (*refuse)(struct request *request, struct reply *reply, unsigned status, const char *text);
};
/* Head: metrics are on, and the encoding is one that is unpacked (none, gzip, deflate, zstd). */
void samples_begin(struct api *api, struct request *request, struct reply *reply);
/* All of taking samples in, from the body to the answer, on each call of the handler. */
void samples_take(struct api *api, struct request *request, const struct samples_door *door,
                  struct reply *reply);
void samples_metrics(const struct api *api, struct buf *out);

/* --- handlers --- */
void cloudwatch_rpc(struct api *api, struct request *request, struct reply *reply);
void cloudwatch_root(struct api *api, struct request *request, struct reply *reply);
void metric_stream(struct api *api, struct request *request, struct reply *reply);
void datadog_series(struct api *api, struct request *request, struct reply *reply);
void datadog_validate(struct api *api, struct request *request, struct reply *reply);
void otlp_metrics_begin(struct api *api, struct request *request, struct reply *reply);
void otlp_metrics(struct api *api, struct request *request, struct reply *reply);
void loki_push_begin(struct api *api, struct request *request, struct reply *reply);
void loki_push(struct api *api, struct request *request, struct reply *reply);
void loki_search(struct api *api, struct request *request, struct reply *reply);
void loki_format(struct api *api, struct request *request, struct reply *reply);
void loki_build(struct api *api, struct request *request, struct reply *reply);
void loki_tail(struct api *api, struct request *request, struct reply *reply);
void events_begin(struct api *api, struct request *request, struct reply *reply);
void events_handle(struct api *api, struct request *request, struct reply *reply);
void write_begin(struct api *api, struct request *request, struct reply *reply);
void write_handle(struct api *api, struct request *request, struct reply *reply);
void promql_query_route(struct api *api, struct request *request, struct reply *reply);
void promql_range_route(struct api *api, struct request *request, struct reply *reply);
void promql_series_route(struct api *api, struct request *request, struct reply *reply);
void promql_labels_route(struct api *api, struct request *request, struct reply *reply);
void promql_values_route(struct api *api, struct request *request, struct reply *reply);
void promql_exemplars_route(struct api *api, struct request *request, struct reply *reply);
void promql_format_route(struct api *api, struct request *request, struct reply *reply);
void promql_parse_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_alerts_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_alertmanagers_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_rules_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_config_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_flags_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_runtime_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_build_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_tsdb_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_replay_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_metadata_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_features_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_notifications_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_admin_route(struct api *api, struct request *request, struct reply *reply);
void prometheus_federate_route(struct api *api, struct request *request, struct reply *reply);
void targets_list(struct api *api, struct request *request, struct reply *reply);
void targets_metadata(struct api *api, struct request *request, struct reply *reply);
void targets_pools(struct api *api, struct request *request, struct reply *reply);
void workbench_free_all(struct api *api);
void alerts_list(struct api *api, struct request *request, struct reply *reply);
void alerts_show(struct api *api, struct request *request, struct reply *reply);
void alerts_deliveries(struct api *api, struct request *request, struct reply *reply);
void channels_list(struct api *api, struct request *request, struct reply *reply);
void sources_list(struct api *api, struct request *request, struct reply *reply);
void oncall_list(struct api *api, struct request *request, struct reply *reply);
void oncall_show(struct api *api, struct request *request, struct reply *reply);
void oncall_overrides(struct api *api, struct request *request, struct reply *reply);
/* A command of that verb about `subject`, with what the body says. Called again once it is done. */
void command_route(struct api *api, struct request *request, struct sv verb, struct sv subject,
                   struct reply *reply);
void drill_command(struct api *api, struct request *request, struct reply *reply);
void other_command(struct api *api, struct request *request, struct reply *reply);
void silences_list(struct api *api, struct request *request, struct reply *reply);
void silences_preview(struct api *api, struct request *request, struct reply *reply);
void holds_list(struct api *api, struct request *request, struct reply *reply);
void holds_handle(struct api *api, struct request *request, struct reply *reply);
void incidents_show(struct api *api, struct request *request, struct reply *reply);
void heartbeat_handle(struct api *api, struct request *request, struct reply *reply);
void alerts_events(struct api *api, struct request *request, struct reply *reply);
void events_show(struct api *api, struct request *request, struct reply *reply);
void alerts_explain(struct api *api, struct request *request, struct reply *reply);
void confirm_show(struct api *api, struct request *request, struct reply *reply);
void confirm_answer(struct api *api, struct request *request, struct reply *reply);
void alerts_command(struct api *api, struct request *request, struct reply *reply);
void alertmanager_alerts(struct api *api, struct request *request, struct reply *reply);
void alertmanager_status(struct api *api, struct request *request, struct reply *reply);
void alertmanager_receivers(struct api *api, struct request *request, struct reply *reply);
void vault_command(struct api *api, struct request *request, struct reply *reply);
void rules_list(struct api *api, struct request *request, struct reply *reply);
void delivery_show(struct api *api, struct request *request, struct reply *reply);
void posted_handle(struct api *api, struct request *request, struct reply *reply);
void callback_begin(struct api *api, struct request *request, struct reply *reply);
void callback_handle(struct api *api, struct request *request, struct reply *reply);
void stream_begin(struct api *api, struct request *request, struct reply *reply);
void stream_handle(struct api *api, struct request *request, struct reply *reply);
void page_index(struct api *api, struct request *request, struct reply *reply);
void page_asset(struct api *api, struct request *request, struct reply *reply);
void page_runbook(struct api *api, struct request *request, struct reply *reply);
void health_live(struct api *api, struct request *request, struct reply *reply);
void health_ready(struct api *api, struct request *request, struct reply *reply);
void health_all(struct api *api, struct request *request, struct reply *reply);
void health_ready_json(struct api *api, struct request *request, struct reply *reply);
void health_metrics(struct api *api, struct request *request, struct reply *reply);
void reload_handle(struct api *api, struct request *request, struct reply *reply);

#endif
