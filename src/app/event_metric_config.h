/*
 * Metrics that are made of events, as the configuration declares them: when an event counts (Sigma's
 * detection), what of it is the value, and which of its fields are labels.
 */
#ifndef APP_EVENT_METRIC_CONFIG_H
#define APP_EVENT_METRIC_CONFIG_H

#include "base/arena.h"
#include "base/re2.h"
#include "base/yaml.h"
#include "detect/detect.h"
#include "metrics/labels.h"

enum { EVENT_METRICS_MAX = 256, EVENT_METRIC_LABELS_MAX = 16 };

enum event_metric_type {
    EVENT_METRIC_COUNTER,
    EVENT_METRIC_GAUGE,
    EVENT_METRIC_HISTOGRAM,
    EVENT_METRIC_LINES, /* the text of an event is NAME VALUE EPOCH */
};

struct event_metric {
    struct sv name, help, unit;
    enum event_metric_type type;
    struct sv value_field;      /* n == 0: each event counts 1 */
    struct re2 *value_pattern;  /* its first group in the field is the value; NULL: the field is */
    const struct label *labels; /* name: of the label; value: of the field */
    size_t label_count;
    unsigned line, column;
};

struct event_metrics_config {
    struct event_metric *items;
    size_t n;
    struct ruleset *rules; /* one for each item; rule_info.file is its number in decimal */
    bool emf;              /* CloudWatch's embedded metric format in events becomes series */
};

/* Reads the list `node`; the rest of *ret stays. TC_EINPUT with file:line:column. Names live in `arena`. */
int event_metrics_config_read(const struct yaml_node *node, const char *file, struct arena *arena,
                              struct event_metrics_config *ret, struct err *err);
void event_metrics_config_free(struct event_metrics_config *config);

#endif
