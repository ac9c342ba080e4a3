/*
 * relabel_configs and metric_relabel_configs, as strict as Prometheus reads them and in its words.
 */
#ifndef METRICS_SCRAPE_RELABEL_READ_H
#define METRICS_SCRAPE_RELABEL_READ_H

#include "metrics/rules/typed_yaml.h"
#include "metrics/scrape/relabel.h"

struct relabel_list {
    struct relabel_rule *rules;
    size_t n;
};

/* Problems go to yaml->problems. The list lives in yaml->arena, its expressions until relabel_list_free. */
void relabel_list_read(struct typed_yaml *yaml, const struct typed_list *list, struct relabel_list *ret);
void relabel_list_free(struct relabel_list *list);

#endif
