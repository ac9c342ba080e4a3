/*
 * What /metrics says of doors, the vault, channels and reloads; see metrics_doors.h.
 */
#include "app/metrics_doors.h"

#include "base/metric_text.h"

#include <stddef.h>

void metrics_tail(const struct tail_stats *stats, struct buf *out)
{
    const struct metric rows[] = {
        {"tocsin_tail_lines_total", "counter", "Lines taken from files.", (double)stats->lines},
        {"tocsin_tail_bytes_total", "counter", "Bytes of lines taken from files.", (double)stats->bytes},
        {"tocsin_tail_files", "gauge", "Files that are known, read ones included, of at most 4096.",
         (double)stats->files},
        {"tocsin_tail_open_files", "gauge", "Files held open, of at most 1024.", (double)stats->open_files},
        {"tocsin_tail_refused_files_total", "counter", "Times a file was not followed because of the bound.",
         (double)stats->refused_files},
        {"tocsin_tail_behind_bytes", "gauge", "Bytes that are in files and not read yet.",
         (double)stats->behind_bytes},
        {"tocsin_tail_unreadable", "gauge", "Files and directories that the system refuses.",
         (double)stats->unreadable},
        {"tocsin_tail_truncations_total", "counter",
         "Files that were truncated or replaced under their name.", (double)stats->truncations},
        {"tocsin_tail_vanished_total", "counter", "Files gone before they were read to their end.",
         (double)stats->vanished},
        {"tocsin_tail_lost_bytes_total", "counter",
         "Bytes of files that were never read, as far as is known.", (double)stats->lost_bytes},
        {"tocsin_tail_waiting", "gauge", "1 while nothing is read because the journal is behind.",
         (double)stats->waiting},
        {"tocsin_tail_batches_in_flight", "gauge", "Batches on their way to the disk, of at most 4.",
         stats->outlet.in_flight},
        {"tocsin_tail_oversized_total", "counter", "Lines given up because no batch can hold them.",
         (double)stats->outlet.oversized},
        {"tocsin_tail_files_limit", "gauge", "Bound of tocsin_tail_files.", TC_TAIL_FILES},
        {"tocsin_tail_open_files_limit", "gauge", "Bound of tocsin_tail_open_files.", TC_TAIL_OPEN},
        {"tocsin_tail_batches_in_flight_limit", "gauge", "Bound of tocsin_tail_batches_in_flight.",
         TC_OUTLET_FLIGHTS},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

void metrics_journald(const struct journald_stats *stats, struct buf *out)
{
    const struct metric rows[] = {
        {"tocsin_journald_entries_total", "counter", "Entries taken from the journal of systemd.",
         (double)stats->entries},
        {"tocsin_journald_gaps_total", "counter", "Times that entries were gone before they were read.",
         (double)stats->gaps},
        {"tocsin_journald_skipped_total", "counter", "Entries that could not be read.",
         (double)stats->skipped},
        {"tocsin_journald_up", "gauge", "1 while the journal of systemd can be read.", (double)stats->up},
        {"tocsin_journald_waiting", "gauge", "1 while nothing is read because the journal is behind.",
         (double)stats->waiting},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

void metrics_vault(const struct vault_stats *vault, uint64_t revealed, uint64_t erased, struct buf *out)
{
    const struct metric rows[] = {
        {"tocsin_vault_values", "gauge", "Personal values in the vault, of at most 2000000.",
         (double)vault->entries},
        {"tocsin_vault_values_limit", "gauge", "Bound of tocsin_vault_values.", TC_VAULT_ENTRIES_MAX},
        {"tocsin_vault_refused_total", "counter",
         "Values that the vault had no room for: they cannot be revealed.", (double)vault->refused},
        {"tocsin_vault_revealed_total", "counter", "Values revealed since the start.", (double)revealed},
        {"tocsin_vault_erased_total", "counter", "Values erased since the start.", (double)erased},
        {"tocsin_vault_damaged_bytes", "gauge", "Bytes of the vault that are no entries.",
         (double)vault->damaged_bytes},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

void metrics_reload(bool successful, int64_t success_ns, struct buf *out)
{
    const struct metric rows[] = {
        {"tocsin_config_last_reload_successful", "gauge", "1 unless the last reload was refused.",
         successful},
        {"tocsin_config_last_reload_success_timestamp_seconds", "gauge",
         "When the configuration was last read with success.", (double)success_ns / 1e9},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

void metrics_callbacks(struct callbacks *callbacks, struct buf *out)
{
    struct callback_stats stats;
    callbacks_stats(callbacks, &stats);
    metric_head(out, "tocsin_callbacks_total", "counter",
                "Callbacks of vendors: carried out, repeats of such, refused.");
    metric_labelled(out, "tocsin_callbacks_total", "outcome", SV("done"), (double)stats.carried_out);
    metric_labelled(out, "tocsin_callbacks_total", "outcome", SV("repeated"), (double)stats.repeated);
    metric_labelled(out, "tocsin_callbacks_total", "outcome", SV("refused"), (double)stats.refused);
    const struct metric rows[] = {
        {"tocsin_callbacks_remembered", "gauge", "Callbacks whose repeats are known.",
         (double)stats.remembered},
        {"tocsin_callbacks_remembered_limit", "gauge",
         "Bound of tocsin_callbacks_remembered; past it the oldest is forgotten.", TC_CALLBACKS_SEEN},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

void metrics_channels(struct notifier *notifier, struct buf *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t offset;
    } rows[] = {
        {"tocsin_channel_sent_total", "counter", "Notifications delivered.",
         offsetof(struct channel_stats, sent)},
        {"tocsin_channel_retries_total", "counter", "Attempts that failed and are made again.",
         offsetof(struct channel_stats, retries)},
        {"tocsin_channel_failed_total", "counter", "Notifications given up.",
         offsetof(struct channel_stats, failed)},
        {"tocsin_channel_diverted_total", "counter", "Notifications that the fallback was told as well.",
         offsetof(struct channel_stats, diverted)},
        {"tocsin_channel_pending", "gauge", "Notifications that wait.",
         offsetof(struct channel_stats, pending)},
    };
    const struct metric asides[] = {
        {"tocsin_notify_asides", "gauge", "Words to one person that wait or are under way.",
         (double)notifier_asides(notifier)},
        {"tocsin_notify_asides_limit", "gauge",
         "Bound of tocsin_notify_asides; past it a new one is dropped.", TC_ASIDES_MAX},
    };
    struct channel_stats stats;
    size_t count = notifier_channel_count(notifier);
    metric_rows(out, asides, TC_ARRAY_LEN(asides));
    for (size_t r = 0; r < TC_ARRAY_LEN(rows); r++) {
        metric_head(out, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < count; i++) {
            notifier_channel_stats(notifier, i, &stats);
            const uint64_t *value = (const uint64_t *)(const void *)((const char *)&stats + rows[r].offset);
            metric_labelled(out, rows[r].name, "channel", stats.name, (double)*value);
        }
    }
    metric_head(out, "tocsin_channel_attempt_seconds", "histogram", "Time that attempts took.");
    for (size_t i = 0; i < count; i++) {
        struct buf name;
        notifier_channel_stats(notifier, i, &stats);
        buf_init(&name, 1024);
        metric_label_value(&name, stats.name);
        for (size_t j = 0; j < TC_LATENCY_BUCKETS; j++) {
            buf_printf(out, "tocsin_channel_attempt_seconds_bucket{channel=\"%.*s\",le=\"",
                       SV_FMT(buf_view(&name)));
            if (j + 1 < TC_LATENCY_BUCKETS)
                buf_printf(out, "%g", notify_latency_bounds[j]);
            else
                buf_str(out, "+Inf");
            buf_printf(out, "\"} %llu\n", (unsigned long long)stats.latency[j]);
        }
        buf_printf(out,
                   "tocsin_channel_attempt_seconds_sum{channel=\"%.*s\"} %.9g\n"
                   "tocsin_channel_attempt_seconds_count{channel=\"%.*s\"} %llu\n",
                   SV_FMT(buf_view(&name)), (double)stats.latency_ns_total / 1e9, SV_FMT(buf_view(&name)),
                   (unsigned long long)stats.attempts);
        buf_free(&name);
    }
}
