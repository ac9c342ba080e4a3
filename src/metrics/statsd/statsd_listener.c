/*
 * Receiving StatsD; see statsd_listener.h. One thread reads, adds up and flushes.
 */
#include "metrics/statsd/statsd_listener.h"

#include "base/datagrams.h"
#include "base/log.h"
#include "base/metric_text.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ROUND_DATAGRAMS = 1024, DOORS = 2 };

struct statsd_listener {
    struct statsd_options options;
    struct datagrams *doors[DOORS]; /* UDP, the path; NULL: closed */
    struct statsd_table *table;
    unsigned source;
    int wake_fd;
    atomic_bool ending;
    bool runs;
    pthread_t thread;
    int64_t flush_mono_ns; /* the next */
    atomic_ullong packets, lines, kernel_drops[DOORS], series, bytes, flushes, lost_flushes, refused_samples;
    atomic_ullong bad[STATSD_VERDICTS], refused[STATSD_OUTCOMES];
};

static int64_t now_ms(const struct statsd_listener *l)
{
    return clk_now(l->options.clk).ns / 1000000;
}

static void take_line(struct statsd_listener *l, struct sv text)
{
    struct statsd_line line;
    enum statsd_verdict verdict = statsd_read(text, &line);
    atomic_fetch_add(&l->lines, 1);
    if (verdict != STATSD_GOOD) {
        atomic_fetch_add(&l->bad[verdict], 1);
        return;
    }
    enum statsd_outcome outcome = statsd_table_add(l->table, &line, now_ms(l));
    if (outcome != STATSD_TAKEN)
        atomic_fetch_add(&l->refused[outcome], 1);
    if (outcome == STATSD_PERSONAL)
        tsdb_count_refused(l->options.tsdb, TSDB_PERSONAL);
}

static void take_datagram(struct statsd_listener *l, struct sv bytes)
{
    atomic_fetch_add(&l->packets, 1);
    while (bytes.n > 0) {
        struct sv line = sv_cut(&bytes, '\n');
        if (sv_ends(line, SV("\r")))
            line.n--;
        if (line.n > 0)
            take_line(l, line);
    }
}

static void receive(struct statsd_listener *l)
{
    const struct sockaddr_storage *peer;
    struct sv bytes;
    for (size_t d = 0; d < DOORS; d++) {
        if (l->doors[d] == NULL)
            continue;
        for (unsigned n = 0; datagrams_next(l->doors[d], n < ROUND_DATAGRAMS, &bytes, &peer) == 1; n++)
            take_datagram(l, bytes);
        atomic_store(&l->kernel_drops[d], datagrams_kernel_drops(l->doors[d]));
    }
    atomic_store(&l->series, statsd_table_series(l->table));
    atomic_store(&l->bytes, statsd_table_bytes(l->table));
}

static void flush(struct statsd_listener *l)
{
    struct sample_list list = {0};
    struct sample_target target = {.tsdb = l->options.tsdb, .source = l->source, .now_ms = now_ms(l)};
    struct err err = {0};
    statsd_table_flush(l->table, target.now_ms, &list);
    if (list.n > 0 && sample_list_append(&list, &target, NULL, NULL, &err) != 0) {
        atomic_fetch_add(&l->lost_flushes, 1);
        log_warn("statsd", "what came since the last time is not stored yet: %s", err.text);
    }
    atomic_fetch_add(&l->flushes, 1);
    atomic_fetch_add(&l->refused_samples, list.refused);
    if (list.refused > 0)
        log_warn("statsd", "%llu samples were not taken; the first: %s", (unsigned long long)list.refused,
                 list.first);
    sample_list_free(&list);
}

static void *run(void *context)
{
    struct statsd_listener *l = context;
    struct pollfd fds[DOORS + 1];
    while (!atomic_load(&l->ending)) {
        nfds_t n = 0;
        int64_t wait_ms = (l->flush_mono_ns - clk_monotonic_ns(l->options.clk) + 999999) / 1000000;
        fds[n++] = (struct pollfd){.fd = l->wake_fd, .events = POLLIN};
        for (size_t d = 0; d < DOORS; d++)
            if (l->doors[d] != NULL)
                fds[n++] = (struct pollfd){.fd = datagrams_fd(l->doors[d]), .events = POLLIN};
        (void)poll(fds, n, (int)TC_MIN(TC_MAX(wait_ms, (int64_t)0), (int64_t)60000));
        receive(l);
        if (clk_monotonic_ns(l->options.clk) >= l->flush_mono_ns) {
            flush(l);
            l->flush_mono_ns = clk_monotonic_ns(l->options.clk) + l->options.flush_ns;
        }
    }
    receive(l);
    flush(l);
    return NULL;
}

static int open_doors(struct statsd_listener *l, struct err *err)
{
    struct address address;
    int rc = 0;
    if (l->options.udp != NULL) {
        rc = address_parse(sv_of(l->options.udp), &address, err);
        if (rc == 0 && !address_is_loopback(&address) && !l->options.allow_plaintext)
            rc = err_set(err, TC_EINPUT,
                         "StatsD on %s would be open to everybody who reaches it, and is not encrypted: "
                         "listen on loopback, or "
                         "set metrics.statsd.allow_plaintext",
                         l->options.udp);
        if (rc == 0)
            rc = datagrams_open_udp(&address, &l->doors[0], err);
    }
    if (rc == 0 && l->options.path != NULL)
        rc = datagrams_open_unix(l->options.path, &l->doors[1], err);
    return rc == 0 ? 0 : err_while(err, "StatsD");
}

int statsd_listener_start(const struct statsd_options *options, struct statsd_listener **ret, struct err *err)
{
    struct statsd_listener *l = tc_alloc(sizeof *l);
    l->options = *options;
    l->table = statsd_table_new(
        &(struct statsd_table_options){.signed_gauges = options->signed_gauges, .idle_ms = STATSD_IDLE_MS});
    l->source = tsdb_source(options->tsdb, SV("statsd"));
    l->flush_mono_ns = clk_monotonic_ns(options->clk) + options->flush_ns;
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = l->wake_fd >= 0 ? open_doors(l, err) : err_sys(err, "cannot make an eventfd");
    if (rc == 0) {
        l->runs = pthread_create(&l->thread, NULL, run, l) == 0;
        rc = l->runs ? 0 : err_set(err, TC_EIO, "cannot start the thread of StatsD");
    }
    if (rc == 0)
        *ret = l;
    else
        statsd_listener_stop(&l);
    return rc;
}

void statsd_listener_stop(struct statsd_listener **listener)
{
    struct statsd_listener *l = *listener;
    if (l == NULL)
        return;
    atomic_store(&l->ending, true);
    if (l->runs) {
        uint64_t one = 1;
        ssize_t n = write(l->wake_fd, &one, sizeof one);
        (void)n; /* it is full where the thread is woken already */
        pthread_join(l->thread, NULL);
    }
    for (size_t d = 0; d < DOORS; d++)
        datagrams_close(&l->doors[d]);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    statsd_table_free(&l->table);
    free(l);
    *listener = NULL;
}

void statsd_listener_metrics(const struct statsd_listener *l, struct buf *out)
{
    const struct {
        const char *reason;
        unsigned long long count;
    } refused[] = {
        {"malformed", atomic_load(&l->bad[STATSD_MALFORMED]) + atomic_load(&l->refused[STATSD_BAD_VALUE])},
        {"event", atomic_load(&l->bad[STATSD_EVENT])},
        {"service_check", atomic_load(&l->bad[STATSD_SERVICE_CHECK])},
        {"too_many_tags", atomic_load(&l->bad[STATSD_TOO_MANY_TAGS])},
        {"name", atomic_load(&l->refused[STATSD_BAD_NAME])},
        {"limit", atomic_load(&l->refused[STATSD_NO_ROOM])},
        {"personal_data", atomic_load(&l->refused[STATSD_PERSONAL])},
        {"other_type", atomic_load(&l->refused[STATSD_OTHER_TYPE])},
    };
    const struct metric rows[] = {
        {"tocsin_statsd_packets_total", "counter", "Datagrams taken.", (double)atomic_load(&l->packets)},
        {"tocsin_statsd_lines_total", "counter", "Lines in them, refused ones included.",
         (double)atomic_load(&l->lines)},
        {"tocsin_statsd_kernel_dropped_total", "counter",
         "Datagrams that the kernel dropped, its buffer being full.",
         (double)(atomic_load(&l->kernel_drops[0]) + atomic_load(&l->kernel_drops[1]))},
        {"tocsin_statsd_series", "gauge", "Series that are added up.", (double)atomic_load(&l->series)},
        {"tocsin_statsd_series_limit", "gauge", "Series that may be added up.", STATSD_SERIES_MAX},
        {"tocsin_statsd_bytes", "gauge", "Bytes of their labels and of members of sets.",
         (double)atomic_load(&l->bytes)},
        {"tocsin_statsd_bytes_limit", "gauge", "Bytes that these may have.", STATSD_BYTES_MAX},
        {"tocsin_statsd_flushes_total", "counter", "Times that series were written to the store.",
         (double)atomic_load(&l->flushes)},
        {"tocsin_statsd_lost_flushes_total", "counter", "Times that the store took nothing.",
         (double)atomic_load(&l->lost_flushes)},
        {"tocsin_statsd_refused_samples_total", "counter", "Samples that the store did not take.",
         (double)atomic_load(&l->refused_samples)},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
    metric_head(out, "tocsin_statsd_refused_total", "counter", "Lines not taken, by reason.");
    for (size_t i = 0; i < TC_ARRAY_LEN(refused); i++)
        metric_labelled(out, "tocsin_statsd_refused_total", "reason", sv_of(refused[i].reason),
                        (double)refused[i].count);
}
