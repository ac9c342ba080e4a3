/*
 * The scrape manager: asks every target when its time has come, and puts what it shows into the store.
 *
 * One thread drives all transfers (libcurl's multi interface) and reads all bodies; a second one discovers
 * targets (discovery.h). Each target's scrapes are an interval apart, from an offset that comes of its hash,
 * so that load is spread and the offset stays over restarts.
 *
 * Bounds: SCRAPE_TARGETS_MAX targets, SCRAPE_TRANSFERS_MAX transfers at a time (others wait, which shows as
 * tocsin_scrape_late_total), SCRAPE_BODIES_BYTES_MAX of bodies under way; a scrape past the latter fails.
 */
#ifndef METRICS_SCRAPE_MANAGER_H
#define METRICS_SCRAPE_MANAGER_H

#include "metrics/scrape/discovery.h"
#include "metrics/scrape/scrape_append.h"

enum {
    SCRAPE_TARGETS_MAX = 10000,
    SCRAPE_TRANSFERS_MAX = 256,
    SCRAPE_BODIES_BYTES_MAX = 512 << 20,
    SCRAPE_DROPPED_SHOWN_MAX = 1000, /* dropped targets of a job that are kept to be shown */
};

struct scrape_options {
    const struct fs *fs;
    const struct clk *clk;
    struct tsdb *tsdb;
    struct metadata *metadata;          /* NULL: descriptions are not kept */
    const struct scrape_config *config; /* outlives the manager */
};

struct scrape_manager;
int scrape_manager_start(const struct scrape_options *options, struct scrape_manager **ret, struct err *err);
/* Transfers under way are given up; nothing is marked stale, as the targets are still there. */
void scrape_manager_stop(struct scrape_manager **manager);

/* The `data` of /api/v1/targets. `state`: "active", "dropped", "any" or empty; `pool`: a job's name or empty.
 */
void scrape_manager_targets(struct scrape_manager *manager, struct sv state, struct sv pool, struct buf *out);
/* The `data` of /api/v1/scrape_pools: the names of all jobs, sorted. */
void scrape_manager_pools(struct scrape_manager *manager, struct buf *out);
/* The `data` of /api/v1/targets/metadata: of targets that all matchers fit, of `metric` where it is not
 * empty, at most `limit` entries. */
void scrape_manager_metadata(struct scrape_manager *manager, const struct matcher *matchers, size_t count,
                             struct sv metric, size_t limit, struct buf *out);
/* In Prometheus' text format, names tocsin_scrape_*. */
void scrape_manager_metrics(struct scrape_manager *manager, struct buf *out);

#endif
