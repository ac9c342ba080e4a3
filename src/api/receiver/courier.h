/*
 * Jobs that are tried until they are taken, refused, or too late: one thread over libcurl's multi handle.
 *
 * A job is one notification to one receiver: a mail, or a chain of HTTP requests (find the issue, change it,
 * move it). What an answer means and what comes next is the receiver's to say (courier_answered_fn); what is
 * to be tried again starts from its first request, with growing pauses as in Alertmanager's retry stage
 * (0.5 s, times 1.5, to 60 s, +-50 %, from the beginning of the try that failed).
 *
 * Jobs of one lane (a receiver's integration) wait for each other, and no lane waits for another. Bounds:
 * 10,000 jobs under way (TC_EAGAIN), 16 attempts at once in a lane, answers read to 1 MiB, 1,000 kept tokens.
 */
#ifndef API_RECEIVER_COURIER_H
#define API_RECEIVER_COURIER_H

#include "base/arena.h"
#include "base/clk.h"
#include "base/duration_histogram.h"
#include "base/err.h"
#include "base/rng.h"

enum { COURIER_JOBS_MAX = 10000, COURIER_REQUEST_HEADERS_MAX = 8, COURIER_KINDS_MAX = 32 };

struct courier;
struct courier_job;

/* Another door before the requests: a token is fetched (RFC 6749, client credentials) and kept until it
 * expires. */
struct courier_oauth2 {
    struct sv token_url, client_id, client_secret;
    struct sv form; /* scope and further parameters, encoded; may be empty */
    const struct courier_client *client;
};

/* What a receiver's http_config comes to. All texts lie in the job's arena. */
struct courier_client {
    struct sv ca_file, cert_file, key_file; /* paths */
    struct sv ca_pem, cert_pem, key_pem;    /* or what would stand there */
    struct sv server_name;                  /* of the certificate, where it is not the URL's host */
    unsigned min_tls, max_tls;              /* 10 to 13; 0: libcurl's choice */
    bool skip_verify, follow_redirects, no_http2, proxy_from_environment;
    struct sv proxy_url, no_proxy;
    const struct sv *headers, *proxy_headers; /* whole lines */
    size_t header_count, proxy_header_count;
    struct sv authorization; /* the header's value, where the request brings none of its own */
    const struct courier_oauth2 *oauth2;
};

struct courier_request {
    const char *method;
    struct sv url, body;
    const char *content_type;                       /* NULL: none */
    struct sv headers[COURIER_REQUEST_HEADERS_MAX]; /* whole lines */
    size_t header_count;
};

/* One mail over SMTP (RFC 5321), TLS before (RFC 8314) or by STARTTLS (RFC 3207). */
struct courier_mail {
    struct sv host, port, hello;
    struct sv from;      /* addresses alone */
    const struct sv *to; /* at least one */
    size_t to_count;
    struct sv message;                              /* headers and body, lines ending with CRLF */
    struct sv username, password, secret, identity; /* password: PLAIN and LOGIN; secret: CRAM-MD5 */
    bool implicit_tls, require_tls;
    struct courier_client tls; /* its TLS settings alone */
};

struct courier_answer {
    unsigned status; /* 0: there was none, `problem` says why */
    struct sv body, content_type;
    const char *problem;
};

enum courier_verdict {
    COURIER_TAKEN,
    COURIER_AGAIN,   /* job->detail says why */
    COURIER_REFUSED, /* the same */
    COURIER_NEXT,    /* job->request is the next request of the chain */
};
/* On the courier's thread. */
typedef enum courier_verdict courier_answered_fn(struct courier *courier, struct courier_job *job,
                                                 const struct courier_answer *answer);
/* Before each try of the chain: puts its first request into job->request. */
typedef void courier_begin_fn(struct courier *courier, struct courier_job *job);

struct courier_job { /* made by courier_job_new; texts in its arena */
    struct arena arena;
    struct courier_client client;
    struct courier_request first;
    const struct courier_mail *mail; /* in place of requests */
    courier_begin_fn *begin;         /* NULL: `first` it is */
    courier_answered_fn *answered;   /* NULL: courier_judge_status */
    unsigned again[2];               /* statuses beside 5xx that are tried again */
    void *plan;                      /* the receiver's own */
    unsigned step;                   /* of the chain, counted by the receiver; 0 at each try's begin */
    struct courier_request request;  /* the one that is under way */
    struct sv remember;              /* what the receiver wants to know at the group's next notification */
    int64_t timeout_ns;              /* of a try; 0: what is left */
    int64_t given_up_after_ns;       /* from courier_send on */
    uint64_t lane;                   /* any number: jobs of the same one wait for each other */
    unsigned kind;                   /* what it is counted under, below COURIER_KINDS_MAX */
    struct sv name, group_id, receiver, integration; /* the sender's */
    bool taken;                                      /* when it has ended */
    unsigned attempts;
    char detail[200];
    /* the courier's: */
    void *exchange;
    bool fetching_token, token_in_form;
    int64_t due_mono_ns, end_mono_ns, pause_ns, begun_mono_ns;
    struct courier_job *next, **before;
};

struct courier_counts { /* since the start, by job->kind */
    uint64_t requests[COURIER_KINDS_MAX], failed_requests[COURIER_KINDS_MAX];
    size_t jobs; /* now */
};

/* Called on the courier's thread with a list (by `next`) of jobs that have ended; they are freed after. */
typedef void courier_done_fn(void *context, struct courier_job *jobs);
int courier_start(const struct clk *clk, const struct rng *rng, courier_done_fn *done, void *context,
                  struct courier **ret, struct err *err);
struct courier_job *courier_job_new(void);
void courier_job_free(struct courier_job *job);
bool courier_is_full(struct courier *courier);
/* Takes the job over, also where it fails. Never blocks on the network. */
int courier_send(struct courier *courier, struct courier_job *job);
void courier_counts(struct courier *courier, struct courier_counts *ret);
/* How long attempts took, from their first request to the last answer; as long as the courier is there. */
const struct duration_histogram *courier_latency(const struct courier *courier, unsigned kind);
/* Gives up what is under way; `done` is not called for it. */
void courier_stop(struct courier **courier);

/* --- for receivers, on the courier's thread --- */

/* 2xx is taken, 5xx and those of job->again are tried again, all else is refused. */
enum courier_verdict courier_judge_status(struct courier_job *job, const struct courier_answer *answer);
/* Says why in job->detail; `words` are a stranger's: only plain ones are shown, and none that hold a secret
 * of the request. */
void courier_say(struct courier_job *job, const char *what, struct sv words);
/* The wall clock, for signatures. */
int64_t courier_now_ns(struct courier *courier);
/* A token that was fetched for `key` and has not expired; n is 0 where there is none. */
struct sv courier_token(struct courier *courier, struct sv key);
void courier_keep_token(struct courier *courier, struct sv key, struct sv token, int64_t expires_in_ns);
void courier_drop_token(struct courier *courier, struct sv key);

#endif
