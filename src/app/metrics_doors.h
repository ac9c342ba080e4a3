/*
 * What /metrics says of the doors that are open, the vault, each channel, and reloads.
 */
#ifndef APP_METRICS_DOORS_H
#define APP_METRICS_DOORS_H

#include "app/metrics.h"
#include "ingest/journald_source.h"
#include "ingest/tail.h"
#include "notify/callback.h"
#include "store/vault.h"

void metrics_tail(const struct tail_stats *stats, struct buf *out);
void metrics_journald(const struct journald_stats *stats, struct buf *out);
void metrics_vault(const struct vault_stats *vault, uint64_t revealed, uint64_t erased, struct buf *out);
void metrics_reload(bool successful, int64_t success_ns, struct buf *out);
void metrics_callbacks(struct callbacks *callbacks, struct buf *out);
/* A row for each channel. */
void metrics_channels(struct notifier *notifier, struct buf *out);

#endif
