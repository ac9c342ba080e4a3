/*
 * What labels and fields there are in a time range, and how many values each has, as Grafana's pages for
 * looking around in logs ask Loki for it.
 */
#ifndef API_DETECTED_H
#define API_DETECTED_H

#include "api/search.h"

/* SEARCH_DETECTED_LABELS, _FIELDS, _VALUES (of the field `label`): fills job->json. Fields are looked for in
 * the first `line_limit` lines that pass; beyond 100,000 different values no more are counted. */
int detected_find(struct search_job *job, const struct query_source *source);

#endif
