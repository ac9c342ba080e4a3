/*
 * The HTTP server: a table of routes over libmicrohttpd, thin adapters, no logic. What it needs of the core
 * is handed in.
 *
 * Loopback is not trust: Host must be ours (the listen address, localhost, 127.0.0.1, [::1] with our port); a
 * request with a foreign Origin is refused; bodies need a JSON content type (or none); changes that come from
 * a browser (an Origin or Sec-Fetch-Site header is there) need the per-start secret that the page carries.
 * Anything but loopback needs tokens.
 */
#ifndef API_API_H
#define API_API_H

#include "alert/alert.h"
#include "base/clk.h"
#include "base/err.h"
#include "ingest/intake.h"
#include "journal/journal.h"
#include "metrics/promql/features.h"

struct delta_state;
struct json_out;
struct label;
struct rule_engine;
struct metadata;
struct scrape_manager;
struct remote_store;
struct tsdb;
struct tsdb_selector;
struct callbacks;
struct posted_alert;

/* What only app/ knows of what Prometheus' API tells. Callbacks may be NULL: there is nothing then; they are
 * called with the options' context. */
struct api_prometheus {
    int64_t lookback_ms; /* 0: 5 minutes */
    struct promql_features features;
    unsigned query_threads;     /* that work on one query together; 0: 1 */
    const char *retention;      /* "15d" */
    const char *cwd, *hostname; /* of the process */
    /* Calls `look` once with the rules, which stand still meanwhile. */
    void (*look_at_rules)(void *context, void (*look)(void *look_context, const struct rule_engine *engine),
                          void *look_context);
    void (*config)(void *context, struct buf *out); /* the configuration, as Prometheus writes it (YAML) */
    void (*flags)(void *context, struct json_out *out); /* members of an object of texts */
    /* Sorted by name; texts in `arena`. */
    void (*external_labels)(void *context, struct arena *arena, const struct label **ret, size_t *ret_count);
    void (*last_reload)(void *context, bool *ret_successful, int64_t *ret_success_ns);
};

struct api_token {    /* bearer token of one source */
    struct sv source; /* events bear source "http:" + this */
    struct sv secret;
};

struct api_person { /* a person's own token */
    struct sv name, secret;
    bool looks_only; /* and commands nothing */
};

struct api_delivery { /* whether notifications are held back */
    bool held;
    int64_t since_ns; /* TC_NO_TIME where that was never so */
    char by[128], note[512];
};

/* What Prometheus' admin API asks of the store of metrics. */
enum api_metrics_verb { API_METRICS_DELETE, API_METRICS_CLEAN, API_METRICS_SNAPSHOT };
struct api_metrics_admin {
    enum api_metrics_verb verb;
    struct sv by; /* the officer's name */
    /* of a deletion: */
    const struct tsdb_selector *selectors;
    size_t selector_count;
    struct sv text; /* as it was asked, for the audit record */
    int64_t min_ms, max_ms;
    bool skip_head; /* of a snapshot */
};

struct api_oncall_question { /* who is on call from, to; the same instant: who it is then */
    struct sv schedule;      /* empty: all */
    int64_t from_ns, to_ns;
    bool as_calendar; /* iCal, of one schedule */
    bool overrides;   /* the list of overrides in place of all that */
};

struct api_options {
    const char *listen;            /* "127.0.0.1:9797", "[::1]:0" (0: any free port) */
    const char *store_path;        /* it opens its own reading connection */
    const struct fs *fs;           /* for queries */
    const char *data_dir;          /* whose journal queries read; NULL: there is nothing to query */
    const struct journal *journal; /* bounds what they see to what is durable; NULL: the directory as it is */
    const char *console_url;       /* NULL: http:// + listen address */
    const struct clk *clk;
    const struct rng *rng;
    struct intake *intake;
    const struct api_token
        *tokens; /* for /v1/events; none on loopback: source "http:default", no token needed */
    size_t token_count;
    const struct api_person
        *people; /* nobody commands in their names but by their tokens; read at the start */
    size_t person_count;
    const struct api_token
        *officers; /* who may reveal and erase (`source` is their name); lent; none: nobody */
    size_t officer_count;
    size_t max_body_bytes; /* unpacked; 0 = 32 MiB */
    unsigned threads;      /* 0 = 2 */
    void *context;         /* of the callbacks below; they are called on the server's threads */
    bool (*ready)(void *context);
    bool (*writable)(void *context); /* journal and store take what they are given; NULL: always true */
    void (*delivery)(void *context, struct api_delivery *ret); /* NULL: never held */
    const char *(*trouble)(
        void *context);           /* one sentence while events are refused or alerts wait; NULL: fine */
    bool (*alive)(void *context); /* false: nothing is judged until a restart; NULL: always true */
    /* journal_append's contract; done may come on any thread, also before append returns */
    int (*append)(void *context, const struct journal_batch *batch, journal_done_fn done, void *done_context,
                  uint64_t *ret_first, struct err *err);
    /* Makes the command a record, waits until it is applied; called on a thread of its own, one at a time,
     * which may wait as long as the core is behind. *ret_json: the alert after it. TC_ENOTFOUND, TC_ESTATE,
     * TC_EINPUT. */
    int (*command)(void *context, const struct alert_command *command, struct buf *ret_json, struct err *err);
    /* Whether `token` is that of a question about this alert, and of which one; NULL: nobody is asked. */
    bool (*question)(void *context, struct sv alert_id, struct sv token, uint64_t *ret_number);
    /* Reads rules and what goes with them anew and puts them in force; on the thread of commands. *ret_json:
     * what changed. Refused: nothing changed, err says which file and place. NULL: 404 to those who ask. */
    int (*reload)(void *context, struct buf *ret_json, struct err *err);
    /* Appends what only the core knows to the text of /metrics (Prometheus text format 0.0.4). */
    void (*metrics)(void *context, struct buf *out);
    /* JSON, or a calendar. TC_ENOTFOUND, TC_EINPUT; NULL: 404 to those who ask. */
    int (*oncall)(void *context, const struct api_oncall_question *question, struct buf *out,
                  struct err *err);
    void (*explain)(void *context, const struct alert *alert, struct buf *out); /* JSON; NULL: 404 */
    void (*silences)(void *context, struct buf *out);                           /* JSON array; NULL: none */
    void (*holds)(void *context, struct buf *out); /* of retention; JSON array; NULL: none */
    /* All incidents (number empty), or one, as JSON or Markdown. TC_ENOTFOUND; NULL: 404 to those who ask. */
    int (*incidents)(void *context, struct sv number, bool markdown, struct buf *out, struct err *err);
    void (*rules)(void *context, struct buf *out);    /* JSON array for /v1/rules; NULL: none */
    void (*channels)(void *context, struct buf *out); /* JSON array for /v1/channels; NULL: none */
    void (*sources)(void *context, struct buf *out);  /* JSON array for /v1/sources; NULL: none */
    struct tsdb *tsdb;                                /* the store of metrics; NULL: metrics are off */
    struct remote_store *remote; /* that answers in place of `tsdb`, which takes samples still; NULL: none */
    struct api_prometheus prometheus;
    /* Durable, or done, when it returns; called on a thread of its own. *ret_name: of a snapshot. NULL: the
     * admin API is off. */
    int (*metrics_admin)(void *context, const struct api_metrics_admin *what, struct buf *ret_name,
                         struct err *err);
    struct metadata *metadata;     /* what metrics are; NULL with tsdb */
    struct scrape_manager *scrape; /* NULL: nothing is scraped */
    struct delta_state *deltas;    /* of what comes as deltas; NULL with tsdb */
    /* Takes alerts that others post; `done` once they are durable, not where it fails. NULL: 404. */
    int (*post_alerts)(void *context, struct sv source, const struct posted_alert *alerts, size_t count,
                       journal_done_fn done, void *done_context, struct err *err);
    struct callbacks *callbacks; /* what vendors send back; lent; NULL: nothing comes back */
    /* A recipient of that channel wants no more messages; on the server's threads. NULL: nobody listens. */
    void (*opted_out)(void *context, struct sv channel);
    /* Sends `body` (JSON) there, once, without a receipt; NULL: not sent. */
    void (*say)(void *context, struct sv channel, struct sv url, struct sv body);
    const struct sv *receivers; /* names of channels, for /api/v2/alerts */
    size_t receiver_count;
};

struct api;
int api_start(const struct api_options *options, struct api **ret, struct err *err);
/* What api_start would say of listen, console_url and tokens, without listening. */
int api_check(const struct api_options *options, struct err *err);
/* Whether POST /v1/heartbeats takes a job's name: 1 to 64 letters, digits, dots, dashes or underscores. */
bool api_is_heartbeat(struct sv name);
/* Address really in use, "127.0.0.1:9797". */
const char *api_address(const struct api *api);
/* An alert changed: tells the pages that listen (server-sent events). `json` as alert_to_json. Any thread;
 * never blocks. */
void api_publish(struct api *api, struct sv json);
/* No new requests; those under way finish (bounded by 5 s). */
void api_stop(struct api **api);

#endif
