/*
 * For the store's tests: appending by name, and reading back what a store says.
 */
#ifndef METRICS_TSDB_TSDB_KIT_H
#define METRICS_TSDB_TSDB_KIT_H

#include "base/sim_fs.h"
#include "metrics/tsdb/tsdb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define KIT_HOUR INT64_C(3600000)

static inline void kit_acknowledge(void *context, int rc)
{
    *(int *)context = rc;
}

static inline enum tsdb_outcome kit_add(struct tsdb_appender *a, const char *name, const char *instance,
                                        int64_t t, double v)
{
    struct label labels[] = {{METRIC_NAME, sv_of(name)}, {SV("instance"), sv_of(instance)}};
    uint32_t series;
    enum tsdb_outcome outcome = tsdb_series(a, labels, 2, &series);
    return outcome == TSDB_OK ? tsdb_float(a, series, t, v, 0) : outcome;
}

/* One sample, one commit; *ret_rc (may be NULL): what was acknowledged. */
static inline enum tsdb_outcome kit_append(struct tsdb *tsdb, const char *name, int64_t t, double v,
                                           int *ret_rc)
{
    struct tsdb_appender a;
    int rc = -100;
    if (tsdb_begin(tsdb, 0, INT64_MAX, &a, NULL) != 0) {
        if (ret_rc != NULL)
            *ret_rc = TC_EIO;
        return TSDB_OK;
    }
    enum tsdb_outcome outcome = kit_add(&a, name, "i", t, v);
    tsdb_commit(&a, kit_acknowledge, &rc);
    if (ret_rc != NULL)
        *ret_rc = rc;
    return outcome;
}

/* Of the series whose names match; 0 once it is durable. */
static inline int kit_delete(struct tsdb *tsdb, const char *pattern, int64_t min_t, int64_t max_t,
                             uint64_t *ret_series, struct err *err)
{
    struct matcher m;
    int acknowledged = -100;
    assert_int_equal(matcher_init(&m, MATCH_REGEXP, METRIC_NAME, sv_of(pattern), err), 0);
    int rc = tsdb_delete(tsdb, &(struct tsdb_selector){&m, 1}, 1, min_t, max_t, ret_series, kit_acknowledge,
                         &acknowledged, err);
    matcher_free(&m);
    return rc != 0 ? rc : acknowledged;
}

struct kit_samples {
    int64_t *t;
    double *f;
    size_t n, series;
};

static inline void kit_samples_free(struct kit_samples *s)
{
    free(s->t);
    free(s->f);
    *s = (struct kit_samples){0};
}

/* All samples of the series with this name, one series after another. */
static inline int kit_read(struct tsdb *tsdb, enum match_type type, const char *name, int64_t min_t,
                           int64_t max_t, struct kit_samples *ret, struct err *err)
{
    struct tsdb_querier *q = tsdb_querier_open(tsdb);
    struct series_source source = tsdb_querier_source(q);
    struct arena arena = {0}, scratch = {0};
    struct matcher m;
    struct source_series *series;
    size_t n;
    *ret = (struct kit_samples){0};
    int rc = matcher_init(&m, type, METRIC_NAME, sv_of(name), err);
    if (rc == 0)
        rc = source.select(source.context, &m, 1, min_t, max_t, &arena, &series, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct series_samples got;
        arena_reset(&scratch);
        rc = source.read(source.context, series[i].ref, min_t, max_t, &scratch, &got, err);
        if (rc != 0)
            break;
        ret->series++;
        ret->t = tc_realloc(ret->t, (ret->n + got.n + 1) * sizeof *ret->t);
        ret->f = tc_realloc(ret->f, (ret->n + got.n + 1) * sizeof *ret->f);
        for (size_t k = 0; k < got.n; k++) {
            assert_true(k == 0 || got.t[k] > got.t[k - 1]);
            if (got.t[k] < min_t || got.t[k] > max_t)
                continue;
            ret->t[ret->n] = got.t[k];
            ret->f[ret->n++] = got.f[k];
        }
    }
    matcher_free(&m);
    tsdb_querier_close(&q);
    arena_free(&arena);
    arena_free(&scratch);
    return rc;
}

#endif
