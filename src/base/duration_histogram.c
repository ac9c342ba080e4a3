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

/* `labels`: "", or a label and its value with a comma behind them. */
static void print_samples(const struct duration_histogram *h, const char *name, struct sv labels,
                          struct buf *out)
{
    unsigned long long sum = 0;
    struct sv alone = labels.n > 0 ? sv_head(labels, labels.n - 1) : labels;
    const char *open = labels.n > 0 ? "{" : "", *close = labels.n > 0 ? "}" : "";
    for (size_t i = 0; i < TC_HISTOGRAM_BOUNDS; i++) {
        sum += atomic_load(&h->counts[i]);
        buf_printf(out, "%s_bucket{%.*sle=\"%g\"} %llu\n", name, SV_FMT(labels), bounds_s[i], sum);
    }
    sum += atomic_load(&h->counts[TC_HISTOGRAM_BOUNDS]);
    buf_printf(out, "%s_bucket{%.*sle=\"+Inf\"} %llu\n", name, SV_FMT(labels), sum);
    buf_printf(out, "%s_sum%s%.*s%s %.9g\n", name, open, SV_FMT(alone), close,
               (double)atomic_load(&h->sum_ns) / 1e9);
    buf_printf(out, "%s_count%s%.*s%s %llu\n", name, open, SV_FMT(alone), close, sum);
}

void duration_histogram_print(const struct duration_histogram *h, const char *name, const char *help,
                              struct buf *out)
{
    metric_head(out, name, "histogram", help);
    print_samples(h, name, SV(""), out);
}

void duration_histogram_print_labelled(const struct duration_histogram *h, const char *name,
                                       const char *label, struct sv value, struct buf *out)
{
    struct buf labels;
    buf_init(&labels, 4096);
    buf_printf(&labels, "%s=\"", label);
    metric_label_value(&labels, value);
    buf_str(&labels, "\",");
    print_samples(h, name, buf_view(&labels), out);
    buf_free(&labels);
}
