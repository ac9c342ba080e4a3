/*
 * The tables of /metrics; see metrics.h. Metrics of the process bear the names that Prometheus' own clients
 * give them.
 */
#include "app/metrics.h"

#include "alert/incident.h"
#include "alert/silence.h"
#include "base/metric_text.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- the pipeline
 * -------------------------------------------------------------------------------------------------- */

static void pipeline(const struct metrics_view *v, struct buf *out)
{
    const struct metric rows[] = {
        {"tocsin_journal_records_total", "counter", "Records made durable since the start.",
         (double)v->journal.records},
        {"tocsin_journal_bytes_total", "counter", "Bytes written to the journal since the start.",
         (double)v->journal.bytes},
        {"tocsin_journal_syncs_total", "counter", "Times the journal was synced to the disk.",
         (double)v->journal.syncs},
        {"tocsin_journal_sync_seconds_total", "counter", "Time spent syncing.",
         (double)v->journal.sync_ns_total / 1e9},
        {"tocsin_journal_queue_bytes", "gauge", "Bytes waiting to be written.",
         (double)v->journal.queued_bytes},
        {"tocsin_journal_rejected_total", "counter",
         "Batches refused because the queue or the disk was full.", (double)v->journal.rejected},
        {"tocsin_journal_repeats_total", "counter", "Batches recognised as repeats.",
         (double)v->journal.duplicates},
        {"tocsin_journal_failed", "gauge", "1 where the journal has stopped after an error.",
         v->journal_failed},
        {"tocsin_journal_full", "gauge", "1 while the disk is full: input is refused, alerts wait.",
         v->journal.full},
        {"tocsin_store_behind", "gauge", "1 while the store cannot be written: lists and notifications wait.",
         v->core.store_behind},
        {"tocsin_core_lag_records", "gauge", "Durable records that are not judged yet.", (double)v->core.lag},
        {"tocsin_detect_events_total", "counter", "Events judged since the start, replayed ones included.",
         (double)v->core.events},
        {"tocsin_detect_findings_total", "counter", "Findings made.", (double)v->core.findings},
        {"tocsin_detect_late_events_total", "counter", "Events too late for their windows.",
         (double)v->core.detector.late_events},
        {"tocsin_detect_groups", "gauge", "Groups kept by correlations.", (double)v->core.detector.groups},
        {"tocsin_detect_evicted_groups_total", "counter", "Groups given up at their bound.",
         (double)v->core.detector.evicted_groups},
        {"tocsin_detect_regex_limit_hits_total", "counter", "Patterns given up at their match limit.",
         (double)v->core.detector.regex_limit_hits},
        {"tocsin_delivery_held", "gauge", "1 while notifications are held back, as after a restore.",
         v->delivery_held},
        {"tocsin_alerts_in_memory", "gauge", "Alerts open or lately ended.",
         (double)v->core.alerts_in_memory},
        {"tocsin_alert_decisions_total", "counter", "Decisions written to the journal.",
         (double)v->core.decisions},
        {"tocsin_notifications_sent_total", "counter", "Notifications delivered.", (double)v->sent},
        {"tocsin_notification_retries_total", "counter", "Deliveries that are tried again.",
         (double)v->retries},
        {"tocsin_notifications_failed_total", "counter", "Notifications given up.", (double)v->failed},
        {"tocsin_journal_queue_bytes_limit", "gauge",
         "Bound of tocsin_journal_queue_bytes for input; decisions may use as much again.",
         (double)v->journal.queue_limit_bytes},
        {"tocsin_journal_disk_bytes", "gauge", "Bytes of the journal's segments.",
         (double)v->journal_disk_bytes},
        {"tocsin_journal_keys_forgotten_total", "counter",
         "Idempotency keys dropped before their 15 minutes, for want of room.",
         (double)v->journal.keys_forgotten},
        {"tocsin_disk_free_bytes", "gauge", "Room on the disk of the data directory.",
         (double)v->journal.free_bytes},
        {"tocsin_disk_reserve_bytes", "gauge",
         "Below so much room events are refused: it is kept for alerts.", (double)v->journal.reserve_bytes},
        {"tocsin_store_bytes", "gauge", "Bytes of the store's files.", (double)v->store_bytes},
        {"tocsin_outbox_pending", "gauge", "Notifications that wait to be sent.", (double)v->outbox_pending},
        {"tocsin_outbox_rows", "gauge", "Notifications that the store remembers, sent ones included.",
         (double)v->outbox_rows},
        {"tocsin_alerts_in_memory_limit", "gauge", "Bound of tocsin_alerts_in_memory.", TC_ALERTS_MAX},
        {"tocsin_rules", "gauge", "Rules in force, correlations included.", (double)v->core.rules},
        {"tocsin_sources", "gauge", "Sources that are counted apart.", (double)v->core.sources},
        {"tocsin_oncall_overrides", "gauge", "Overrides of schedules that are kept.",
         (double)v->core.overrides},
        {"tocsin_oncall_overrides_limit", "gauge", "Bound of tocsin_oncall_overrides.", ONCALL_OVERRIDES_MAX},
        {"tocsin_incidents", "gauge", "Incidents that are kept, open and closed.", (double)v->core.incidents},
        {"tocsin_incidents_limit", "gauge", "Bound of tocsin_incidents.", INCIDENTS_MAX},
        {"tocsin_silences", "gauge", "Silences that are kept: active, waiting, lately ended.",
         (double)v->core.silences},
        {"tocsin_silences_limit", "gauge", "Bound of tocsin_silences.", SILENCES_MAX},
        {"tocsin_sources_limit", "gauge", "Bound of tocsin_sources for sources that are not watched.",
         SOURCES_MAX},
        {"tocsin_sources_silent", "gauge", "Watched sources that have fallen silent.",
         (double)v->core.sources_silent},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

static void syslog(const struct metrics_view *v, struct buf *out)
{
    const struct metric rows[] = {
        {"tocsin_syslog_udp_messages_total", "counter", "Syslog messages taken over UDP.",
         (double)v->syslog.udp_messages},
        {"tocsin_syslog_tcp_messages_total", "counter", "Syslog messages taken over TCP.",
         (double)v->syslog.tcp_messages},
        {"tocsin_syslog_udp_dropped_total", "counter", "Datagrams given up while the journal was full.",
         (double)v->syslog.udp_dropped},
        {"tocsin_syslog_udp_kernel_dropped_total", "counter",
         "Datagrams that the kernel dropped, its buffer being full.", (double)v->syslog.udp_kernel_dropped},
        {"tocsin_syslog_connections", "gauge", "Syslog connections, of at most 1000.",
         (double)v->syslog.connections},
        {"tocsin_syslog_connections_accepted_total", "counter", "Syslog connections accepted.",
         (double)v->syslog.connections_accepted},
        {"tocsin_syslog_connections_refused_total", "counter", "Syslog connections refused at the bound.",
         (double)v->syslog.connections_refused},
        {"tocsin_syslog_connections_timed_out_total", "counter", "Syslog connections closed for silence.",
         (double)v->syslog.connections_timed_out},
        {"tocsin_syslog_connections_over_bound_total", "counter",
         "Syslog connections closed because unfinished messages took too much memory.",
         (double)v->syslog.connections_over_bound},
        {"tocsin_syslog_held_bytes", "gauge", "Memory of unfinished syslog messages, of at most 134217728.",
         (double)v->syslog.held_bytes},
        {"tocsin_syslog_broken_frames_total", "counter", "Octet-counted messages that never came to an end.",
         (double)v->syslog.broken_frames},
        {"tocsin_syslog_other_sources_total", "counter",
         "Messages and connections whose address was past the table of 4096 sources.",
         (double)v->syslog.other_sources},
        {"tocsin_syslog_waiting", "gauge", "1 while nothing is read because the journal is behind.",
         (double)v->syslog.waiting},
        {"tocsin_syslog_batches_total", "counter", "Batches handed to the journal.",
         (double)v->syslog.outlet.batches},
        {"tocsin_syslog_batches_in_flight", "gauge", "Batches on their way to the disk, of at most 4.",
         v->syslog.outlet.in_flight},
        {"tocsin_syslog_refused_total", "counter", "Times that the journal refused a batch (it is kept).",
         (double)v->syslog.outlet.refused},
        {"tocsin_syslog_lost_total", "counter", "Messages lost because the journal could not write them.",
         (double)v->syslog.outlet.lost},
        {"tocsin_syslog_oversized_total", "counter", "Messages given up because no batch can hold them.",
         (double)v->syslog.outlet.oversized},
        {"tocsin_syslog_connections_limit", "gauge", "Bound of tocsin_syslog_connections.",
         TC_SYSLOG_CONNECTIONS},
        {"tocsin_syslog_held_bytes_limit", "gauge", "Bound of tocsin_syslog_held_bytes.",
         TC_SYSLOG_HELD_BYTES},
        {"tocsin_syslog_batches_in_flight_limit", "gauge", "Bound of tocsin_syslog_batches_in_flight.",
         TC_OUTLET_FLIGHTS},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

static void sentinel(const struct metrics_view *v, struct buf *out)
{
    const struct sentinel_stats *s = &v->sentinel;
    const struct metric rows[] = {
        {"tocsin_emergencies_total", "counter", "Times that the disk or the core failed, or ran out of room.",
         (double)s->emergencies},
        {"tocsin_emergency_messages_total", "counter", "Emergency messages that are out.",
         (double)s->messages},
        {"tocsin_emergency_message_failures_total", "counter", "Attempts at emergency messages that failed.",
         (double)s->message_failures},
        {"tocsin_heartbeats_total", "counter", "Heartbeats that the dead man's switch took.",
         (double)s->heartbeats},
        {"tocsin_heartbeat_failures_total", "counter", "Heartbeats that it did not take.",
         (double)s->heartbeat_failures},
        {"tocsin_heartbeats_withheld_total", "counter",
         "Heartbeats not sent: an event did not get through in time.", (double)s->heartbeats_withheld},
        {"tocsin_heartbeat_last_timestamp_seconds", "gauge",
         "When the last heartbeat was taken; 0: none yet.", (double)s->last_heartbeat_ns / 1e9},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

/* --- the process
 * ------------------------------------------------------------------------------------------------------ */

static unsigned open_files(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ., .., and the walk's own */
}

/* Pages of virtual and resident memory. */
static void memory(unsigned long long *virtual_pages, unsigned long long *resident_pages)
{
    FILE *file = fopen("/proc/self/statm", "re");
    *virtual_pages = *resident_pages = 0;
    if (file == NULL)
        return;
    if (fscanf(file, "%llu %llu", virtual_pages, resident_pages) != 2)
        *virtual_pages = *resident_pages = 0;
    fclose(file);
}

static void process(const struct metrics_view *v, struct buf *out)
{
    struct rusage usage = {0};
    struct rlimit files = {0};
    unsigned long long virtual_pages, resident_pages;
    double page = (double)sysconf(_SC_PAGESIZE);
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &files);
    memory(&virtual_pages, &resident_pages);
    const struct metric rows[] = {
        {"process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
         (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6},
        {"process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
         (double)resident_pages * page},
        {"process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
         (double)virtual_pages * page},
        {"process_open_fds", "gauge", "Number of open file descriptors.", open_files()},
        {"process_max_fds", "gauge", "Maximum number of open file descriptors.", (double)files.rlim_cur},
        {"process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
         (double)v->started_ns / 1e9},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
    metric_head(out, "tocsin_build_info", "gauge", "What runs here; always 1.");
    metric_labelled(out, "tocsin_build_info", "version", SV(TC_VERSION), 1);
}

static void histograms(const struct latencies *l, struct buf *out)
{
    if (l == NULL)
        return;
    duration_histogram_print(&l->durable, "tocsin_ingest_to_durable_seconds",
                             "From an input batch's place in the queue to its sync.", out);
    duration_histogram_print(
        &l->decided, "tocsin_receive_to_decision_seconds",
        "From the receipt of the oldest event of a batch to its decisions being durable.", out);
    duration_histogram_print(&l->sent, "tocsin_decision_to_send_seconds",
                             "From a durable decision to the receipt of its notification.", out);
}

void metrics_print(const struct metrics_view *v, struct buf *out)
{
    pipeline(v, out);
    if (v->has_syslog)
        syslog(v, out);
    if (v->has_sentinel)
        sentinel(v, out);
    histograms(v->latencies, out);
    process(v, out);
}

/* --- files
 * ---------------------------------------------------------------------------------------------------------
 */

struct measuring {
    const struct fs *fs;
    const char *dir;
    uint64_t bytes;
};

static void add_size(void *context, const char *name)
{
    struct measuring *m = context;
    char path[4096];
    struct fs_stat st;
    snprintf(path, sizeof path, "%s/%s", m->dir, name);
    if (m->fs->stat(m->fs, path, &st) == 0 && !st.is_dir)
        m->bytes += st.size_bytes;
}

void metrics_measure(const struct fs *fs, const char *data, struct metrics_view *view)
{
    static const char *const store[] = {"state.sqlite", "state.sqlite-wal", "state.sqlite-shm"};
    char path[4096];
    struct measuring journal = {fs, path, 0}, files = {fs, data, 0};
    snprintf(path, sizeof path, "%s/journal", data);
    fs->list(fs, path, add_size, &journal);
    for (size_t i = 0; i < TC_ARRAY_LEN(store); i++)
        add_size(&files, store[i]);
    view->journal_disk_bytes = journal.bytes;
    view->store_bytes = files.bytes;
}
