/*
 * What the mechanisms of discovery share: each refreshes a provider of its own kind.
 */
#ifndef METRICS_SCRAPE_DISCOVERY_PRIV_H
#define METRICS_SCRAPE_DISCOVERY_PRIV_H

#include "metrics/scrape/discovery.h"

#include <stdatomic.h>

struct held_groups {
    struct arena arena;
    struct target_groups groups;
};

/* A file as it was read last. */
struct file_state {
    char *path;
    struct fs_stat stat;
    struct held_groups *good; /* NULL: it was never good */
    bool seen;
};

enum provider_kind { PROVIDER_FILE, PROVIDER_DNS, PROVIDER_HTTP };
struct provider {
    enum provider_kind kind;
    size_t job;
    const void *config; /* struct file_sd, dns_sd, http_sd */
    int64_t refresh_ns, due_mono_ns;
    bool complained;
    struct file_state *files; /* PROVIDER_FILE */
    size_t file_count;
    bool settled;                        /* under the discovery's lock, as `fresh` */
    struct held_groups *fresh, *current; /* current: of the thread that takes */
};

enum { DISCOVERY_FILES_MAX = 1000, DISCOVERY_TARGETS_MAX = 10000 };

/*
 * Each asks once. 0 with *ret (the caller's), or *ret NULL where nothing has changed; else the error, which
 * leaves what was known in force. Once *ending, asking is given up, within a second over HTTP.
 */
int discovery_refresh_files(struct provider *provider, const struct fs *fs, struct held_groups **ret,
                            struct err *err);
int discovery_refresh_dns(const struct dns_sd *config, const atomic_bool *ending, struct held_groups **ret,
                          struct err *err);
int discovery_refresh_http(const struct http_sd *config, const struct fs *fs, const atomic_bool *ending,
                           struct held_groups **ret, struct err *err);
void discovery_files_free(struct provider *provider);
void held_groups_free(struct held_groups **held);

#endif
