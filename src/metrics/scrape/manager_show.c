/*
 * What others see of the scrape manager: /api/v1/targets, /api/v1/targets/metadata, /metrics.
 */
#include "metrics/scrape/manager_priv.h"

#include "base/json_out.h"
#include "base/metric_text.h"
#include "metrics/prom_duration.h"

#include <stdlib.h>

static void show_labels(struct json_out *json, const char *key, const struct label *labels, size_t n)
{
    json_key(json, sv_of(key));
    json_object(json);
    for (size_t i = 0; i < n; i++) {
        json_key(json, labels[i].name);
        json_string(json, labels[i].value);
    }
    json_object_end(json);
}

static void show_duration(struct json_out *json, const char *key, int64_t ns)
{
    struct buf text;
    buf_init(&text, 64);
    prom_duration(&text, ns);
    json_kv_string(json, key, buf_view(&text));
    buf_free(&text);
}

static void show_active(struct json_out *json, const struct scrape_target *t)
{
    static const char *const names[] = {"unknown", "up", "down"};
    json_object(json);
    show_labels(json, "discoveredLabels", t->made.discovered, t->made.discovered_count);
    show_labels(json, "labels", t->made.labels, t->made.label_count);
    json_kv_string(json, "scrapePool", t->job->config->name);
    json_kv_str(json, "scrapeUrl", t->made.url);
    json_kv_str(json, "globalUrl", t->made.url);
    json_kv_str(json, "lastError", t->last_error);
    if (t->last_scrape_ns == 0)
        json_kv_str(json, "lastScrape", "0001-01-01T00:00:00Z");
    else
        json_kv_time(json, "lastScrape", t->last_scrape_ns);
    json_key(json, SV("lastScrapeDuration"));
    json_double(json, (double)t->last_duration_ns / 1e9);
    json_kv_str(json, "health", names[t->health]);
    show_duration(json, "scrapeInterval", t->made.interval_ns);
    show_duration(json, "scrapeTimeout", t->made.timeout_ns);
    json_object_end(json);
}

static bool is_asked(const struct job_state *job, struct sv pool)
{
    return pool.n == 0 || sv_eq(job->config->name, pool);
}

static void show_dropped(struct scrape_manager *m, struct json_out *json, bool wanted, struct sv pool)
{
    json_key(json, SV("droppedTargets"));
    json_array(json);
    for (size_t j = 0; wanted && j < m->options.config->job_count; j++)
        for (size_t i = 0; is_asked(&m->jobs[j], pool) && i < m->jobs[j].dropped_shown; i++) {
            json_object(json);
            show_labels(json, "discoveredLabels", m->jobs[j].dropped[i].discovered,
                        m->jobs[j].dropped[i].discovered_count);
            json_kv_string(json, "scrapePool", m->jobs[j].config->name);
            json_object_end(json);
        }
    json_array_end(json);
    json_key(json, SV("droppedTargetCounts"));
    json_object(json);
    for (size_t j = 0; wanted && j < m->options.config->job_count; j++)
        if (is_asked(&m->jobs[j], pool)) {
            json_key(json, m->jobs[j].config->name);
            json_u64(json, m->jobs[j].dropped_count);
        }
    json_object_end(json);
}

void scrape_manager_targets(struct scrape_manager *m, struct sv state, struct sv pool, struct buf *out)
{
    struct json_out json = json_out_to(out);
    bool any = state.n == 0 || sv_is(state, "any");
    json_object(&json);
    json_key(&json, SV("activeTargets"));
    json_array(&json);
    pthread_mutex_lock(&m->lock);
    for (size_t j = 0; (any || sv_is(state, "active")) && j < m->options.config->job_count; j++)
        for (size_t i = 0; is_asked(&m->jobs[j], pool) && i < m->jobs[j].target_count; i++)
            show_active(&json, m->jobs[j].targets[i]);
    json_array_end(&json);
    show_dropped(m, &json, any || sv_is(state, "dropped"), pool);
    pthread_mutex_unlock(&m->lock);
    json_object_end(&json);
}

static int by_name(const void *a, const void *b)
{
    return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

/* The jobs of the configuration stay what they are while the manager runs. */
void scrape_manager_pools(struct scrape_manager *m, struct buf *out)
{
    struct arena arena = {0};
    struct json_out json = json_out_to(out);
    size_t n = m->options.config->job_count;
    struct sv *names = ARENA_ARRAY(&arena, struct sv, n + 1);
    for (size_t i = 0; i < n; i++)
        names[i] = m->jobs[i].config->name;
    qsort(names, n, sizeof *names, by_name);
    json_object(&json);
    json_key(&json, SV("scrapePools"));
    json_array(&json);
    for (size_t i = 0; i < n; i++)
        json_string(&json, names[i]);
    json_array_end(&json);
    json_object_end(&json);
    arena_free(&arena);
}

/* --- descriptions --- */

static struct sv label_of(const struct target_made *made, struct sv name)
{
    for (size_t i = 0; i < made->label_count; i++)
        if (sv_eq(made->labels[i].name, name))
            return made->labels[i].value;
    return (struct sv){0};
}

static bool fits(const struct target_made *made, const struct matcher *matchers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!matcher_matches(&matchers[i], label_of(made, matchers[i].name)))
            return false;
    return true;
}

/* Returns how many entries it showed. */
static size_t show_metadata(struct json_out *json, struct scrape_manager *m, const struct scrape_target *t,
                            struct sv metric, size_t limit)
{
    size_t shown = 0;
    for (size_t i = 0; i < t->memory.metadata_count && shown < limit; i++) {
        struct metadata_entry entry = metadata_get(m->options.metadata, t->memory.metadata[i]);
        if (metric.n > 0 && !sv_eq(metric, entry.name))
            continue;
        json_object(json);
        show_labels(json, "target", t->made.labels, t->made.label_count);
        if (metric.n == 0)
            json_kv_string(json, "metric", entry.name);
        json_kv_string(json, "type", entry.type);
        json_kv_string(json, "help", entry.help);
        json_kv_string(json, "unit", entry.unit);
        json_object_end(json);
        shown++;
    }
    return shown;
}

void scrape_manager_metadata(struct scrape_manager *m, const struct matcher *matchers, size_t count,
                             struct sv metric, size_t limit, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_array(&json);
    pthread_mutex_lock(&m->lock);
    for (size_t j = 0; m->options.metadata != NULL && j < m->options.config->job_count; j++)
        for (size_t i = 0; i < m->jobs[j].target_count && limit > 0; i++)
            if (fits(&m->jobs[j].targets[i]->made, matchers, count))
                limit -= show_metadata(&json, m, m->jobs[j].targets[i], metric, limit);
    pthread_mutex_unlock(&m->lock);
    json_array_end(&json);
}

void scrape_manager_metrics(struct scrape_manager *m, struct buf *out)
{
    struct discovery_stats found = discovery_stats(m->discovery);
    const struct metric rows[] = {
        {"tocsin_scrape_targets", "gauge", "Targets that are scraped.",
         (double)atomic_load(&m->target_count)},
        {"tocsin_scrape_targets_limit", "gauge", "Targets that there may be.", SCRAPE_TARGETS_MAX},
        {"tocsin_scrape_refused_targets_total", "counter", "Targets that were one too many.",
         (double)atomic_load(&m->refused_targets)},
        {"tocsin_scrape_transfers", "gauge", "Scrapes under way.", (double)atomic_load(&m->transfers_now)},
        {"tocsin_scrape_transfers_limit", "gauge", "Scrapes that may be under way.", SCRAPE_TRANSFERS_MAX},
        {"tocsin_scrape_scrapes_total", "counter", "Scrapes, failed ones included.",
         (double)atomic_load(&m->scrapes)},
        {"tocsin_scrape_failed_total", "counter", "Scrapes that gave no samples (up is 0).",
         (double)atomic_load(&m->failed)},
        {"tocsin_scrape_late_total", "counter", "Scrapes that began more than a second late.",
         (double)atomic_load(&m->late)},
        {"tocsin_scrape_lost_total", "counter", "Scrapes that the store did not take at all.",
         (double)atomic_load(&m->lost)},
        {"tocsin_scrape_refused_samples_total", "counter", "Samples of scrapes that the store did not take.",
         (double)atomic_load(&m->refused_samples)},
        {"tocsin_scrape_discoveries_total", "counter",
         "Times that files, DNS or HTTP were asked for targets.", (double)found.refreshes},
        {"tocsin_scrape_discoveries_failed_total", "counter", "Times that gave no answer.",
         (double)found.failures},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}
