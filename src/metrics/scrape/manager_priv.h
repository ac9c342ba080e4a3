/*
 * What the files of the manager share: manager.c the targets and their times, transfer.c one HTTP exchange,
 * manager_show.c what others see of it.
 */
#ifndef METRICS_SCRAPE_MANAGER_PRIV_H
#define METRICS_SCRAPE_MANAGER_PRIV_H

#include "metrics/scrape/manager.h"

#include <pthread.h>
#include <stdatomic.h>

enum scrape_health { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN };

struct scrape_transfer { /* all zero while none is under way */
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct buf body;
    size_t body_max;
    bool added;             /* to the multi handle */
    bool too_long, no_room; /* why its body was given up */
    char reason[64];        /* "404 Not Found" */
    char error[CURL_ERROR_SIZE];
    int64_t started_mono_ns, t_ms;
};

struct scrape_target {
    struct scrape_manager *manager;
    struct job_state *job;
    struct arena arena; /* of `made` */
    struct target_made made;
    struct scrape_memory memory;
    int64_t due_mono_ns, due_ns; /* the next scrape, on both clocks */
    struct scrape_transfer transfer;
    bool kept; /* while targets are made anew */
    /* under the manager's lock: */
    enum scrape_health health;
    char last_error[TC_ERR_TEXT_MAX];
    int64_t last_scrape_ns, last_duration_ns;
};

struct job_state {
    const struct scrape_job *config;
    unsigned source; /* tsdb_source */
    /* under the manager's lock: */
    struct scrape_target **targets;
    size_t target_count;
    struct arena dropped_arena;
    struct target_made *dropped; /* those that are shown */
    size_t dropped_shown, dropped_count;
    char limit_error[160]; /* target_limit is exceeded: no scrape counts */
};

struct scrape_manager {
    struct scrape_options options;
    struct discovery *discovery;
    CURLM *multi;
    struct job_state *jobs;
    struct arena scratch; /* of one scrape */
    pthread_mutex_t lock;
    pthread_t thread;
    bool runs;
    atomic_bool ending, news;
    unsigned under_way;
    size_t body_bytes; /* of transfers under way */
    atomic_ullong scrapes, failed, late, lost, refused_samples, refused_targets, target_count, transfers_now;
};

/* transfer.c. On the manager's thread. */
int transfer_start(struct scrape_target *target, int64_t t_ms, struct err *err);
/* What became of it: NULL, or why there is no body, in text[size]. The body stays until transfer_end. */
const char *transfer_failure(struct scrape_target *target, CURLcode code, char *text, size_t size);
struct sv transfer_content_type(const struct scrape_target *target);
void transfer_end(struct scrape_target *target);

#endif
