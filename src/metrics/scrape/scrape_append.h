/*
 * One scrape's outcome into the store: the samples of a body, or the fact that there was none.
 *
 * A body counts whole or not at all: it is read, relabelled and held against the job's limits before the
 * first sample is appended. With its samples go stale markers for series that the scrape before had and this
 * one has not, and what Prometheus tells of each scrape (up, scrape_duration_seconds …).
 *
 * What a target showed last is remembered by hashes of the series' text, so that a scrape of known series
 * reads no labels.
 */
#ifndef METRICS_SCRAPE_SCRAPE_APPEND_H
#define METRICS_SCRAPE_SCRAPE_APPEND_H

#include "base/clk.h"
#include "base/map.h"
#include "metrics/metadata.h"
#include "metrics/scrape/target.h"
#include "metrics/tsdb/tsdb.h"

enum { SCRAPE_SERIES_MAX = 1000000 /* of one target */ };

struct scrape_memory { /* of one target */
    struct map series; /* hash of the text -> when it was seen, and what became of it */
    uint32_t scrape;   /* number of the last one */
    uint64_t metadata_hash;
    uint32_t *metadata; /* numbers of what the last scrape described */
    size_t metadata_count;
};
void scrape_memory_init(struct scrape_memory *memory);
void scrape_memory_free(struct scrape_memory *memory);

struct scrape_input {
    struct tsdb *tsdb;
    unsigned source;           /* tsdb_source */
    struct metadata *metadata; /* NULL: descriptions are not kept */
    const struct scrape_job *job;
    const struct target_made *target;
    int64_t t_ms;
    const struct clk *clk; /* for scrape_duration_seconds: reading and appending count, too */
    int64_t started_mono_ns;
    const char *failure; /* why there is no body; NULL: there is one */
    struct sv body, content_type;
};

struct scrape_result {
    bool up;
    char error[TC_ERR_TEXT_MAX];   /* where not up */
    uint64_t scraped, kept, added; /* samples; after relabelling; series that were new */
    uint64_t refused;              /* samples that the store did not take */
    enum tsdb_outcome first_refused;
    int64_t duration_ns;
};

/* TC_EAGAIN, TC_EIO: the store takes nothing now; nothing was remembered. */
int scrape_append(struct scrape_memory *memory, const struct scrape_input *input, struct arena *scratch,
                  struct scrape_result *ret, struct err *err);
/* The target is gone: stale markers for all that it had, and for `up` and its kin. */
int scrape_append_end(struct scrape_memory *memory, const struct scrape_input *input, struct arena *scratch,
                      struct err *err);

#endif
