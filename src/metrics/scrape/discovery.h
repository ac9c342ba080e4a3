/*
 * Finding targets while the server runs: files that are watched, DNS, HTTP bodies. One thread asks them all
 * in turn, each as often as its refresh interval says, and keeps the last good answer of each: a file that is
 * broken for a moment, or a name server that is away, loses no target.
 *
 * Files are looked at each second, so that a change counts at once, as Prometheus' watching does.
 */
#ifndef METRICS_SCRAPE_DISCOVERY_H
#define METRICS_SCRAPE_DISCOVERY_H

#include "base/clk.h"
#include "metrics/scrape/scrape_config.h"

struct discovery_options {
    const struct fs *fs;
    const struct clk *clk;
    const struct scrape_config *config; /* outlives it */
    void *context;
    void (*changed)(void *context); /* on the discovery's thread: something new can be taken */
};

struct discovery_stats {
    uint64_t refreshes, failures; /* of all mechanisms */
};

struct discovery;
int discovery_start(const struct discovery_options *options, struct discovery **ret, struct err *err);
void discovery_stop(struct discovery **discovery);
/* Takes what is new since the last call; true where `job` (an index) has something new. One thread calls it.
 */
bool discovery_take(struct discovery *discovery, size_t job);
/* The groups of a job as of the last discovery_take: calls `each` for every mechanism, in the order of the
 * configuration. The groups are lent until the next discovery_take of that job. */
void discovery_each(const struct discovery *discovery, size_t job,
                    void (*each)(void *context, const struct target_groups *groups), void *context);
/* Whether every mechanism has answered or failed once. */
bool discovery_is_settled(const struct discovery *discovery);
struct discovery_stats discovery_stats(const struct discovery *discovery);

#endif
