/*
 * Histograms of durations; see duration_histogram.h.
 */
#include "base/duration_histogram.h"

#include "base/metric_text.h"

static const double bounds_s[TC_HISTOGRAM_BOUNDS] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                     0.1,    0.25,  0.5,    1,     2.5,  10,    30};

void duration_histogram_observe(struct duration_histogram *h, int64_t duration_ns)
{
    uint64_t ns = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    size_t at = 0;
    while (at < TC_HISTOGRAM_BOUNDS && (double)ns > bounds_s[at] * 1e9)
        at++;
    atomic_fetch_add(&h->counts[at], 1);
    atomic_fetch_add(&h->sum_ns, ns);
}

void duration_histogram_print(const struct duration_histogram *h, const char *name, const char *help,
                              struct buf *out)
{
    unsigned long long sum = 0;
    metric_head(out, name, "histogram", help);
    for (size_t i = 0; i < TC_HISTOGRAM_BOUNDS; i++) {
        sum += atomic_load(&h->counts[i]);
        buf_printf(out, "%s_bucket{le=\"%g\"} %llu\n", name, bounds_s[i], sum);
    }
    sum += atomic_load(&h->counts[TC_HISTOGRAM_BOUNDS]);
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name, sum, name,
               (double)atomic_load(&h->sum_ns) / 1e9, name, sum);
}
