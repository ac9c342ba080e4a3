/*
 * What exporters show, read from a file into the store in memory, for queries over files.
 *
 * A text that ends with `# EOF` is OpenMetrics, where times are seconds; any other is the text format, where
 * they are milliseconds. Samples without a time get `default_ms`. Types, help and exemplars are passed over.
 */
#ifndef METRICS_EXPOSITION_LOAD_H
#define METRICS_EXPOSITION_LOAD_H

#include "metrics/memory_store.h"

/* An error names the file and the line; the samples before it are in the store. */
int exposition_load(struct sv text, const char *file, int64_t default_ms, struct memory_store *store,
                    struct err *err);

#endif
