/*
 * From an address that discovery found to what is scraped: labels after relabelling, the URL, the times.
 */
#ifndef METRICS_SCRAPE_TARGET_H
#define METRICS_SCRAPE_TARGET_H

#include "base/hash.h"
#include "metrics/scrape/scrape_config.h"

struct target_made {
    bool dropped; /* by relabelling, or it was left without an address: only `discovered` is filled */
    const struct label *labels; /* sorted; without those that begin with "__" */
    size_t label_count;
    const struct label *discovered; /* sorted; before relabelling */
    size_t discovered_count;
    const char *url;
    int64_t interval_ns, timeout_ns;
    struct hash_128 id; /* of labels and URL: equal ones are one target */
};

/* Texts are in `arena`. TC_EINPUT for labels that no target may have; then nothing is made. */
int target_make(const struct scrape_job *job, const struct target_group *group, size_t address,
                struct arena *arena, struct target_made *ret, struct err *err);

#endif
