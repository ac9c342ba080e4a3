/*
 * A remote store that takes the place of ours: whatever speaks Prometheus' HTTP API (Prometheus,
 * VictoriaMetrics, Mimir, Thanos …). Samples go there by remote_sender.h; questions by this.
 *
 * Queries are computed there, whole: with its PromQL, its look-back, its limits. What is answered in native
 * histograms is relayed to whoever asks our API, and refused to rules, because text cannot give them back.
 * Staleness markers are not told by the API: a series that has ended shows its last sample to select and
 * read.
 */
#ifndef METRICS_REMOTE_REMOTE_STORE_H
#define METRICS_REMOTE_REMOTE_STORE_H

#include "metrics/remote/remote_http.h"
#include "metrics/series_source.h"

struct remote_store_config { /* all texts in the configuration's arena */
    const char *query_url;   /* below which /api/v1/query is; NULL: there is no remote store */
    const char *write_url;   /* that takes remote write */
    struct http_client client;
    int64_t write_timeout_ms, query_timeout_ms;
    uint64_t queue_bytes; /* of the log, that may wait to be sent */
};

struct remote_store;
/* Any number of threads may ask at once. `config` is lent. */
struct remote_store *remote_store_new(const struct remote_store_config *config, const struct fs *fs);
void remote_store_free(struct remote_store **store);
/* In Prometheus' text format, names tocsin_remote_query_*. */
void remote_store_metrics(struct remote_store *store, struct buf *out);

/* One who asks, of one thread; keeps what it was answered last. */
struct remote_querier;
/* `cancelled` may be NULL; true ends what is asked. */
struct remote_querier *remote_querier_open(struct remote_store *store, bool (*cancelled)(void *context),
                                           void *context);
void remote_querier_close(struct remote_querier **querier);
/* Queries are answered there; select and read see the samples of one range at a time, each series at its end.
 */
struct series_source remote_querier_source(struct remote_querier *querier);
/* POST of a form (`form`.p != NULL) or GET of `path`, "/api/v1/series", with its query string, below the
 * query URL; the answer is lent until the next request. */
int remote_querier_relay(struct remote_querier *querier, struct sv path, struct sv form,
                         struct remote_answer **answer, struct err *err);

#endif
