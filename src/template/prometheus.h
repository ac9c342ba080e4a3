/*
 * Prometheus' templates for labels and annotations of alerting rules (prometheus/template): functions, and
 * the data that they see.
 */
#ifndef TEMPLATE_PROMETHEUS_H
#define TEMPLATE_PROMETHEUS_H

#include "template/template.h"

extern const struct template_function template_prometheus_functions[];

/* A label set for $labels: map[string]string. `names` and `values` have n items, which must outlive the
 * value. */
struct template_value template_prometheus_labels(struct arena *arena, const struct sv *names,
                                                 const struct sv *values, size_t n);

/* One sample of a query's result. */
struct template_sample {
    struct template_value labels; /* template_prometheus_labels; with __name__ where the series has one */
    double value;
};

/* What the functions need of the caller; run->context points to it. */
struct template_prometheus {
    /* Runs an instant query at the time of the evaluation; the samples lie in `arena`. NULL: `query` fails.
     */
    int (*query)(void *context, struct sv expression, struct arena *arena,
                 struct template_sample **ret_samples, size_t *ret_count, struct err *err);
    void *context;
    struct sv external_url, path_prefix;
};

/*
 * Expands one text as Prometheus expands labels and annotations: $labels, $externalLabels, $externalURL and
 * $value are there. Appends to `out`; on failure appends "<error expanding template: ...>" as Prometheus
 * does, and returns the error.
 */
int template_prometheus_expand(struct sv name, struct sv text, struct template_value labels,
                               struct template_value external_labels, struct template_value value,
                               const struct template_run *run, struct arena *arena, struct buf *out,
                               struct err *err);
/* Would `text` parse there? TC_EINPUT with Go's words otherwise. */
int template_prometheus_check(struct sv name, struct sv text, struct err *err);

#endif
