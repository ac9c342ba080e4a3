/*
 * One line of Graphite's plaintext protocol: NAME VALUE EPOCH, the name with tags or not (a.b;host=x).
 * https://graphite.readthedocs.io/en/stable/feeding-carbon.html
 */
#ifndef METRICS_GRAPHITE_GRAPHITE_LINE_H
#define METRICS_GRAPHITE_GRAPHITE_LINE_H

#include "metrics/intake/samples.h"

enum { GRAPHITE_LINE_MAX = 4096, GRAPHITE_TAGS_MAX = 64 };

/* Adds the line's sample; an epoch of -1, or none, is `now_ms`. False where it is no such line. Texts are
 * copied into the list. */
bool graphite_read(struct sv line, int64_t now_ms, struct sample_list *list);

#endif
