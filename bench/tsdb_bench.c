/*
 * Measures the store of metrics: remote write messages into a store on a real disk, memory per series, bytes
 * per sample.  build/bench/tsdb_bench DIR [SERIES] [ROUNDS]
 *
 * Series look like an exporter's (10 labels, 600 counters, 360 buckets, 40 gauges a target); times have 10 ms
 * of jitter per target. Messages hold 2,000 series with one sample each, as Prometheus sends them.
 */
#include "bench.h"

#include "base/clk.h"
#include "metrics/remote/remote_write.h"
#include "metrics/remote/snappy.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PER_MESSAGE = 2000, PER_TARGET = 1000 };

static void varint(struct buf *out, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        buf_u8(out, (uint8_t)(v | 128));
    buf_u8(out, (uint8_t)v);
}

static void add_label(struct buf *out, const char *name, const char *value)
{
    size_t n = strlen(name), m = strlen(value);
    varint(out, 1 << 3 | 2);
    varint(out, n + m + 4);
    varint(out, 1 << 3 | 2);
    varint(out, n);
    buf_add(out, name, n);
    varint(out, 2 << 3 | 2);
    varint(out, m);
    buf_add(out, value, m);
}

static uint64_t random_of(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

static double value_of(unsigned series, unsigned round)
{
    unsigned kind = series % PER_TARGET;
    uint64_t r = random_of(series * UINT64_C(1000003) + round);
    if (kind < 600)
        return (double)(round * (series % 97) + r % 50 * (kind % 3 == 0));
    if (kind < 960)
        return (double)(round * (kind % 36) / 4);
    return 20 + (double)(r % 1000) / 100;
}

static void make_message(unsigned first, unsigned count, unsigned round, struct buf *out)
{
    struct buf s;
    char text[64];
    buf_init(&s, 4096);
    buf_clear(out);
    for (unsigned i = first; i < first + count; i++) {
        buf_clear(&s);
        unsigned target = i / PER_TARGET, kind = i % PER_TARGET;
        sprintf(text, "app_metric_%u_total", kind / 12);
        add_label(&s, "__name__", text);
        add_label(&s, "cluster", "production-eu-1");
        sprintf(text, "10.1.%u.%u:9100", target / 250, target % 250);
        add_label(&s, "instance", text);
        add_label(&s, "job", "application");
        sprintf(text, "%u", kind % 12);
        add_label(&s, "le", text);
        add_label(&s, "method", kind % 2 ? "GET" : "POST");
        add_label(&s, "namespace", "default");
        sprintf(text, "app-%u", target);
        add_label(&s, "pod", text);
        sprintf(text, "/api/v1/resource/%u", kind / 24);
        add_label(&s, "route", text);
        add_label(&s, "service", "frontend");
        int64_t t =
            INT64_C(1800000000000) + round * 15000LL + (int64_t)(random_of(target * 7919 + round) % 10);
        double v = value_of(i, round);
        uint64_t bits;
        memcpy(&bits, &v, 8);
        varint(&s, 2 << 3 | 2);
        varint(&s, 9 + 7);
        varint(&s, 1 << 3 | 1);
        buf_u64(&s, bits);
        varint(&s, 2 << 3);
        varint(&s, (uint64_t)t);
        varint(out, 1 << 3 | 2);
        varint(out, s.n);
        buf_sv(out, buf_view(&s));
    }
    buf_free(&s);
}

/* Literals only: unpacking is measured by itself with a real block elsewhere. */
static void pack(struct sv raw, struct buf *out)
{
    buf_clear(out);
    varint(out, raw.n);
    for (size_t i = 0; i < raw.n; i += 65536) {
        size_t n = TC_MIN(raw.n - i, (size_t)65536);
        buf_u8(out, 61 << 2);
        buf_u16(out, (uint16_t)(n - 1));
        buf_add(out, raw.p + i, n);
    }
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned waiting;

static void durable(void *context, int rc)
{
    (void)context;
    tc_assert(rc == 0);
    pthread_mutex_lock(&lock);
    waiting--;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

int main(int argc, char **argv)
{
    unsigned series = argc > 2 ? (unsigned)atoi(argv[2]) : 100000,
             rounds = argc > 3 ? (unsigned)atoi(argv[3]) : 40;
    struct tsdb_options o = {
        .fs = &fs_system, .rng = &rng_system, .dir = argv[1], .background = true, .retention_ms = -1};
    struct tsdb *tsdb;
    struct err err = {0};
    size_t before = resident_bytes();
    if (argc < 2 || tsdb_open(&o, &tsdb, NULL, &err) != 0) {
        fprintf(stderr, "usage: tsdb_bench DIR [SERIES] [ROUNDS]  %s\n", err.text);
        return 2;
    }
    struct buf message, packed, unpacked;
    buf_init(&message, 8 << 20);
    buf_init(&packed, 8 << 20);
    buf_init(&unpacked, 8 << 20);
    double in_unpack = 0, in_check = 0, in_append = 0, wall = 0;
    uint64_t samples = 0;
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned first = 0; first < series; first += PER_MESSAGE) {
            struct remote_write result;
            struct tsdb_appender a;
            make_message(first, TC_MIN(PER_MESSAGE, series - first), round, &message);
            pack(buf_view(&message), &packed);
            double t0 = seconds(CLOCK_THREAD_CPUTIME_ID), w0 = seconds(CLOCK_MONOTONIC);
            tc_assert(snappy_unpack(buf_view(&packed), &unpacked, &err) == 0);
            double t1 = seconds(CLOCK_THREAD_CPUTIME_ID);
            tc_assert(remote_write_check(REMOTE_WRITE_1, buf_view(&unpacked), &err) == 0);
            double t2 = seconds(CLOCK_THREAD_CPUTIME_ID);
            while (tsdb_begin(tsdb, 0, INT64_MAX, &a, &err) == TC_EAGAIN)
                usleep(1000);
            remote_write_append(REMOTE_WRITE_1, buf_view(&unpacked), &a, &result);
            pthread_mutex_lock(&lock);
            waiting++;
            pthread_mutex_unlock(&lock);
            tsdb_commit(&a, durable, NULL);
            double t3 = seconds(CLOCK_THREAD_CPUTIME_ID);
            tc_assert(result.refused == 0);
            wall += seconds(CLOCK_MONOTONIC) - w0;
            if (round > 0) { /* the first makes the series */
                in_unpack += t1 - t0;
                in_check += t2 - t1;
                in_append += t3 - t2;
                samples += result.samples;
            }
        }
        if (round == 0)
            printf("after the first sample of %u series: %.1f MB resident, %.0f bytes a series\n", series,
                   (double)(resident_bytes() - before) / 1e6, (double)(resident_bytes() - before) / series);
    }
    double w0 = seconds(CLOCK_MONOTONIC);
    pthread_mutex_lock(&lock);
    while (waiting > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    wall += seconds(CLOCK_MONOTONIC) - w0;
    double n = (double)samples, all = in_unpack + in_check + in_append;
    printf("%.1f M samples: unpack %.0f ns, check %.0f ns, append %.0f ns a sample; %.2f M samples/s per "
           "core (CPU of "
           "the thread that takes them); all durable after %.2f s of wall time\n",
           n / 1e6, in_unpack / n * 1e9, in_check / n * 1e9, in_append / n * 1e9, n / all / 1e6, wall);
    struct tsdb_stats stats = tsdb_stats(tsdb);
    printf("resident %.1f MB, %.0f bytes a series; own estimate %.1f MB; log %.1f bytes a sample, %llu "
           "commits\n",
           (double)(resident_bytes() - before) / 1e6, (double)(resident_bytes() - before) / series,
           (double)stats.head_bytes / 1e6, (double)stats.wal.bytes / (double)stats.samples_appended,
           (unsigned long long)stats.wal.commits);
    double m0 = seconds(CLOCK_MONOTONIC);
    if (tsdb_maintain(tsdb, &err) != 0)
        fprintf(stderr, "%s\n", err.text);
    stats = tsdb_stats(tsdb);
    uint64_t kept = stats.blocks > 0 ? (uint64_t)series * TC_MIN(rounds, 480U) : 0;
    printf("maintenance %.2f s: %llu blocks, %.2f bytes a sample with the index (%.2f M samples a block at "
           "most)\n",
           seconds(CLOCK_MONOTONIC) - m0, (unsigned long long)stats.blocks,
           kept == 0 ? 0 : (double)stats.block_bytes / (double)kept / (double)stats.blocks,
           (double)kept / 1e6);
    tsdb_close(&tsdb);
    double r0 = seconds(CLOCK_MONOTONIC);
    if (tsdb_open(&o, &tsdb, NULL, &err) != 0)
        fprintf(stderr, "%s\n", err.text);
    else
        printf("open again: %.2f s\n", seconds(CLOCK_MONOTONIC) - r0);
    tsdb_close(&tsdb);
    buf_free(&message);
    buf_free(&packed);
    buf_free(&unpacked);
    return 0;
}
