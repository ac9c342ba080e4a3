/*
 * Prometheus' language for testing PromQL engines: load, clear, eval, with expectations.
 *
 * A file is read whole and run command by command, as the engine's own tests run: all extensions on, start
 * timestamps used. Each instant eval is also run with every selector pinned by @, at other times, and as a
 * range query.
 */
#ifndef METRICS_PROMQL_TEST_LANGUAGE_H
#define METRICS_PROMQL_TEST_LANGUAGE_H

#include "base/err.h"
#include "base/sv.h"
#include "metrics/memory_store.h"

struct promql_test_report {
    size_t passed, failed; /* evals */
    /* One failed eval, with the line of the file. `text` is lent. */
    void (*on_failure)(void *context, unsigned line, const char *text);
    void *context;
};

/* 0 where the file could be run to its end, whatever failed; else `err` names the line. */
int promql_test_run(struct sv text, const char *file, struct promql_test_report *report, struct err *err);
/* Only `load` commands, into a store. */
int promql_test_load(struct sv text, const char *file, struct memory_store *store, struct err *err);

#endif
