/*
 * What an exposition must be beyond its form; see `strict` in exposition.h. Each returns NULL, or what is
 * wrong.
 *
 * For OpenMetrics all of the specification's demands on families, groups, values and exemplars; for the text
 * format what its reference parser refuses (a second TYPE, one after samples, negative populations).
 */
#ifndef METRICS_EXPOSITION_CHECK_H
#define METRICS_EXPOSITION_CHECK_H

#include "metrics/exposition/exposition.h"

struct check;
struct check *check_new(bool open_metrics);
void check_free(struct check **check);
/* kind: 'T', 'H' or 'U'. */
const char *check_meta(struct check *check, char kind, struct sv name, enum metric_type type, struct sv text);
const char *check_sample(struct check *check, const struct exposition_sample *sample);
const char *check_end(struct check *check);

#endif
