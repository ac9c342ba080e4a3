/*
 * What officers ask of the store of metrics by Prometheus' admin API: each is an audit record first, durable
 * before anything is done; selectors are redacted in it as any text that people write. See service.h.
 */
#include "app/service.h"

#include "metrics/tsdb/tsdb.h"

#include <stdio.h>
#include <time.h>

/* --- waiting for the log --- */

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    int rc;
};

static void durable(void *context, int rc)
{
    struct waiting *w = context;
    pthread_mutex_lock(&w->lock);
    w->is_done = true;
    w->rc = rc;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

static int wait_durable(struct waiting *w, struct err *err)
{
    pthread_mutex_lock(&w->lock);
    while (!w->is_done)
        pthread_cond_wait(&w->done, &w->lock);
    pthread_mutex_unlock(&w->lock);
    if (w->rc == 0)
        return 0;
    return err_set(err, w->rc,
                   w->rc == TC_EBOUND
                       ? "the disk is full: the deletion is in force, and may be gone after a restart"
                       : "the log of samples could not keep the deletion: see Tocsin's log");
}

static int delete_series(struct service *s, const struct api_metrics_admin *what, struct err *err)
{
    struct waiting w = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    uint64_t series;
    int rc = tsdb_delete(metrics_room_tsdb(s->metrics), what->selectors, what->selector_count, what->min_ms,
                         what->max_ms, &series, durable, &w, err);
    if (rc == 0)
        rc = wait_durable(&w, err);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.done);
    return rc;
}

/* As Prometheus names them: 20171210T211224Z-2be650b6d019eb54. */
static int copy_store(struct service *s, const struct api_metrics_admin *what, struct buf *ret_name,
                      struct err *err)
{
    char dir[SERVICE_PATH_BYTES + 64], stamp[32];
    time_t now = (time_t)(clk_now(&clk_system).ns / TC_SECOND_NS);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &parts);
    buf_printf(ret_name, "%s-%016llx", stamp, (unsigned long long)rng_u64(&rng_system));
    snprintf(dir, sizeof dir, "%s/metrics/snapshots", s->config.data);
    int rc = fs_make_dirs(&fs_system, dir, err);
    snprintf(dir, sizeof dir, "%s/metrics/snapshots/%.*s", s->config.data, SV_FMT(buf_view(ret_name)));
    return rc != 0 ? rc : metrics_room_copy(s->metrics, dir, !what->skip_head, err);
}

static int audit(struct service *s, const struct api_metrics_admin *what, struct err *err)
{
    static const char *const verbs[] = {[API_METRICS_DELETE] = "metrics_delete_series",
                                        [API_METRICS_CLEAN] = "metrics_clean_tombstones",
                                        [API_METRICS_SNAPSHOT] = "metrics_snapshot"};
    struct arena arena = {0};
    struct sv range = SV("");
    if (what->verb == API_METRICS_DELETE)
        range = arena_printf(&arena, "samples from %lld to %lld ms", (long long)what->min_ms,
                             (long long)what->max_ms);
    int rc = core_audit(s->core, sv_of(verbs[what->verb]), SV("match"),
                        privacy_clean(&s->privacy, what->text, &arena), what->by, range, err);
    arena_free(&arena);
    return rc;
}

int service_metrics_admin(void *context, const struct api_metrics_admin *what, struct buf *ret_name,
                          struct err *err)
{
    struct service *s = context;
    int rc = audit(s, what, err);
    if (rc != 0)
        return rc;
    switch (what->verb) {
    case API_METRICS_DELETE:
        return delete_series(s, what, err);
    case API_METRICS_CLEAN:
        return metrics_room_clean(s->metrics, err);
    case API_METRICS_SNAPSHOT:
        return copy_store(s, what, ret_name, err);
    }
    return 0;
}
