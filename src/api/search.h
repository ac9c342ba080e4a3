/*
 * What is looked for in the journal by HTTP: a job, and its parameters as Loki's API names them.
 */
#ifndef API_SEARCH_H
#define API_SEARCH_H

#include "api/api_priv.h"
#include "query/answer.h"

enum search_kind {
    SEARCH_INSTANT,
    SEARCH_RANGE,
    SEARCH_LABELS,
    SEARCH_VALUES,
    SEARCH_SERIES,
    SEARCH_STATS,
    SEARCH_ALERT_EVENTS, /* query/pivot.h: of `label` */
    SEARCH_EVENT_ALERTS, /* of `position` */
};

struct search_parameters {
    enum search_kind kind;
    int64_t start_ns, end_ns, step_ns;
    uint64_t limit;
    bool backward;
    struct sv label; /* of SEARCH_VALUES; an alert's id */
    uint64_t position;
    size_t query_count;
    struct logql *queries[16]; /* the query, or selectors (match[]); none: everything */
};

struct search_job {
    struct work work;
    struct api *api;
    unsigned refs; /* under api->lock */
    struct arena arena;
    struct search_parameters what;
    atomic_bool cancelled;
    int64_t until_ns; /* monotonic */
    struct pending *pending;
    /* Written by the thread, read by the request once `pending` is done: */
    struct buf json;
    struct err err;
    int rc; /* of the thread only: `pending` carries it */
};

/* Queues the job that request->search is, or fills the reply (429). */
void search_begin(struct api *api, struct request *request, struct reply *reply);
/* The reply, or `later`. */
void search_finish(struct api *api, struct request *request, struct reply *reply);

#endif
