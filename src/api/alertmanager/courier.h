/*
 * POSTs that are tried until they are taken, refused, or too late: one thread over libcurl's multi handle.
 *
 * As Alertmanager's retry stage: 2xx is taken, 5xx and no answer are tried again with growing pauses (0.5 s,
 * times 1.5, to 60 s, +-50 %), all else is refused. Bounds: 10,000 POSTs under way (TC_EAGAIN).
 */
#ifndef API_ALERTMANAGER_COURIER_H
#define API_ALERTMANAGER_COURIER_H

#include "base/arena.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/rng.h"

struct courier_job { /* made by courier_job_new; texts in its arena */
    struct arena arena;
    struct sv url, body, bearer_token, username, password, ca_file, proxy_url;
    const struct sv *headers; /* whole lines */
    size_t header_count;
    bool follow_redirects, skip_verify;
    int64_t timeout_ns;        /* of an attempt; 0: what is left */
    int64_t given_up_after_ns; /* from courier_send on */
    struct sv name, group_id;  /* the sender's */
    struct sv receiver, integration;
    /* the courier's: */
    void *transfer;
    int64_t due_mono_ns, end_mono_ns, pause_ns, begun_mono_ns;
    unsigned attempts;
    char detail[200];
    struct courier_job *next;
};

struct courier_counts { /* since the start */
    uint64_t requests, failed_requests;
};

struct courier;
/* `done` is called on the courier's thread when a job has ended; detail: why it was not taken. */
typedef void courier_done_fn(void *context, const struct courier_job *job, bool taken);
int courier_start(const struct clk *clk, const struct rng *rng, courier_done_fn *done, void *context,
                  struct courier **ret, struct err *err);
struct courier_job *courier_job_new(void);
void courier_job_free(struct courier_job *job);
/* Takes the job over, also where it fails. Never blocks on the network. */
int courier_send(struct courier *courier, struct courier_job *job);
struct courier_counts courier_counts(struct courier *courier);
/* Gives up what is under way; `done` is not called for it. */
void courier_stop(struct courier **courier);

#endif
