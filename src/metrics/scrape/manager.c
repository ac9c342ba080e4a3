/*
 * Targets and when they are scraped; see manager.h.
 */
#include "metrics/scrape/manager_priv.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MAX_MS = 1000, ALIGN_NS = 2 * 1000 * 1000, CONNECTIONS_MAX = 1024 };
#define LATE_NS TC_SECOND_NS

static int64_t mono(const struct scrape_manager *m)
{
    return clk_monotonic_ns(m->options.clk);
}

static int64_t wall(const struct scrape_manager *m)
{
    return clk_now(m->options.clk).ns;
}

/* --- one scrape --- */

static struct scrape_input input_of(const struct scrape_target *target, int64_t t_ms)
{
    const struct scrape_manager *m = target->manager;
    return (struct scrape_input){.tsdb = m->options.tsdb,
                                 .source = target->job->source,
                                 .metadata = m->options.metadata,
                                 .job = target->job->config,
                                 .target = &target->made,
                                 .clk = m->options.clk,
                                 .started_mono_ns = target->transfer.started_mono_ns,
                                 .t_ms = t_ms};
}

static void note(struct scrape_target *target, const struct scrape_result *result,
                 const struct scrape_input *in)
{
    struct scrape_manager *m = target->manager;
    target->health = result->up ? HEALTH_UP : HEALTH_DOWN;
    target->last_scrape_ns = in->t_ms * 1000000;
    target->last_duration_ns = result->duration_ns;
    memcpy(target->last_error, result->error, sizeof target->last_error);
    atomic_fetch_add(&m->scrapes, 1);
    atomic_fetch_add(&m->failed, !result->up);
    atomic_fetch_add(&m->refused_samples, result->refused);
    if (result->refused > 0)
        log_warn("scrape", "%s: %llu samples were not taken; the first: %s", target->made.url,
                 (unsigned long long)result->refused, tsdb_outcome_text(result->first_refused));
}

/* With a body, or the reason why there is none. */
static void keep_scrape(struct scrape_target *target, const char *failure)
{
    struct scrape_manager *m = target->manager;
    struct scrape_input in = input_of(target, target->transfer.t_ms);
    struct scrape_result result;
    struct err err = {0};
    in.failure = target->job->limit_error[0] != '\0' ? target->job->limit_error : failure;
    in.body = buf_view(&target->transfer.body);
    if (in.failure == NULL)
        in.content_type = transfer_content_type(target);
    arena_reset(&m->scratch);
    pthread_mutex_lock(&m->lock);
    int rc = scrape_append(&target->memory, &in, &m->scratch, &result, &err);
    if (rc == 0)
        note(target, &result, &in);
    pthread_mutex_unlock(&m->lock);
    if (rc != 0) {
        atomic_fetch_add(&m->lost, 1);
        log_warn("scrape", "a scrape of %s is lost: %s", target->made.url, err.text);
    }
    transfer_end(target);
}

static void finish_transfers(struct scrape_manager *m)
{
    int left;
    for (const CURLMsg *message; (message = curl_multi_info_read(m->multi, &left)) != NULL;) {
        struct scrape_target *target = NULL;
        char text[TC_ERR_TEXT_MAX];
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &target) != CURLE_OK)
            continue;
        keep_scrape(target, transfer_failure(target, code, text, sizeof text));
    }
}

/* --- when --- */

/* From now, the first time that lies on the target's grid: multiples of the interval, moved by its hash. */
static void schedule(struct scrape_target *target)
{
    struct scrape_manager *m = target->manager;
    int64_t interval = target->made.interval_ns, now = wall(m);
    int64_t offset = (int64_t)(target->made.id.low % (uint64_t)interval);
    int64_t wait = ((offset - now % interval) % interval + interval) % interval;
    target->due_mono_ns = mono(m) + wait;
    target->due_ns = now + wait;
}

/* The time on the grid where the clock agrees with it: even spaces between samples take less room. */
static int64_t sample_time_ms(const struct scrape_target *target)
{
    int64_t now = wall(target->manager), off = now - target->due_ns;
    int64_t most = TC_MIN((int64_t)ALIGN_NS, target->made.interval_ns / 100);
    return (off <= most && off >= -most ? target->due_ns : now) / 1000000;
}

static void start_scrape(struct scrape_target *target)
{
    struct scrape_manager *m = target->manager;
    struct err err = {0};
    int64_t now = mono(m), t_ms = sample_time_ms(target), interval = target->made.interval_ns;
    atomic_fetch_add(&m->late, now - target->due_mono_ns > LATE_NS);
    int64_t steps =
        (now - target->due_mono_ns) / interval + 1; /* those that were missed are not made up for */
    target->due_mono_ns += steps * interval;
    target->due_ns += steps * interval;
    if (transfer_start(target, t_ms, &err) != 0)
        keep_scrape(target, err.text);
}

/* Starts what is due. Returns when the next one is. */
static int64_t start_due(struct scrape_manager *m)
{
    int64_t now = mono(m), next = INT64_MAX;
    for (size_t j = 0; j < m->options.config->job_count; j++)
        for (size_t i = 0; i < m->jobs[j].target_count; i++) {
            struct scrape_target *target = m->jobs[j].targets[i];
            if (target->transfer.easy != NULL)
                continue;
            if (target->due_mono_ns <= now && m->under_way < SCRAPE_TRANSFERS_MAX)
                start_scrape(target);
            next = TC_MIN(next, target->due_mono_ns);
        }
    return next;
}

/* --- which --- */

struct rebuild {
    struct scrape_manager *manager;
    struct job_state *job;
    struct map by_id; /* id -> index into targets + 1 */
    struct scrape_target **targets;
    size_t n, capacity, dropped_capacity;
    struct arena dropped_arena;
    struct target_made *dropped;
    size_t dropped_shown, dropped_count;
};

static void target_free(struct scrape_target *target)
{
    transfer_end(target);
    scrape_memory_free(&target->memory);
    arena_free(&target->arena);
    free(target);
}

static void add_target(struct rebuild *r, struct scrape_target *target)
{
    if (r->n == r->capacity) {
        r->capacity = TC_MAX(r->capacity * 2, (size_t)16);
        r->targets = tc_realloc(r->targets, r->capacity * sizeof(struct scrape_target *));
    }
    target->kept = true;
    r->targets[r->n++] = target;
}

static void add_dropped(struct rebuild *r, const struct target_made *made)
{
    size_t limit =
        r->job->config->keep_dropped_targets > 0
            ? (size_t)TC_MIN(r->job->config->keep_dropped_targets, (uint64_t)SCRAPE_DROPPED_SHOWN_MAX)
            : SCRAPE_DROPPED_SHOWN_MAX;
    r->dropped_count++;
    if (r->dropped_shown == limit)
        return;
    if (r->dropped == NULL)
        r->dropped = ARENA_ARRAY(&r->dropped_arena, struct target_made, limit);
    struct target_made *to = &r->dropped[r->dropped_shown++];
    struct label *labels = ARENA_ARRAY(&r->dropped_arena, struct label, made->discovered_count + 1);
    for (size_t i = 0; i < made->discovered_count; i++)
        labels[i] = (struct label){arena_sv(&r->dropped_arena, made->discovered[i].name),
                                   arena_sv(&r->dropped_arena, made->discovered[i].value)};
    *to = (struct target_made){
        .dropped = true, .discovered = labels, .discovered_count = made->discovered_count};
}

/* A target that is there already stays what it is, with what was discovered of it now. */
static void take_target(struct rebuild *r, struct scrape_target *fresh)
{
    struct scrape_manager *m = r->manager;
    struct sv id = sv_make((const char *)&fresh->made.id, sizeof fresh->made.id);
    bool is_new = false;
    uint64_t *slot = map_put(&r->by_id, id, &is_new);
    if (slot == NULL || (is_new && atomic_load(&m->target_count) >= SCRAPE_TARGETS_MAX)) {
        if (slot != NULL)
            map_remove(&r->by_id, id);
        atomic_fetch_add(&m->refused_targets, 1);
        log_warn("scrape", "target %s is not scraped: there are %d targets, and no more are kept",
                 fresh->made.url, SCRAPE_TARGETS_MAX);
        target_free(fresh);
        return;
    }
    if (is_new) {
        *slot = UINT64_MAX;
        scrape_memory_init(&fresh->memory);
        schedule(fresh);
        atomic_fetch_add(&m->target_count, 1);
        add_target(r, fresh);
        return;
    }
    struct scrape_target *old = *slot == UINT64_MAX ? NULL : r->job->targets[*slot - 1];
    *slot = UINT64_MAX; /* once only */
    if (old != NULL) {
        struct arena arena = old->arena;
        struct target_made made = old->made;
        old->arena = fresh->arena;
        old->made = fresh->made;
        fresh->arena = arena;
        fresh->made = made;
        add_target(r, old);
    }
    target_free(fresh);
}

static void take_groups(void *context, const struct target_groups *groups)
{
    struct rebuild *r = context;
    for (size_t g = 0; g < groups->n; g++)
        for (size_t i = 0; i < groups->items[g].address_count; i++) {
            struct scrape_target *fresh = tc_alloc(sizeof *fresh);
            struct err err = {0};
            fresh->manager = r->manager;
            fresh->job = r->job;
            int rc = target_make(r->job->config, &groups->items[g], i, &fresh->arena, &fresh->made, &err);
            if (rc == 0 && !fresh->made.dropped) {
                take_target(r, fresh);
                continue;
            }
            if (rc != 0)
                log_warn("scrape", "job %.*s: target %.*s is left out: %s", SV_FMT(r->job->config->name),
                         SV_FMT(sv_head(groups->items[g].addresses[i], 200)), err.text);
            else
                add_dropped(r, &fresh->made);
            target_free(fresh);
        }
}

static void end_target(struct scrape_target *target)
{
    struct scrape_manager *m = target->manager;
    struct scrape_input in = input_of(target, wall(m) / 1000000);
    struct err err = {0};
    arena_reset(&m->scratch);
    if (scrape_append_end(&target->memory, &in, &m->scratch, &err) != 0)
        log_warn("scrape", "%s is gone, and its series are not marked so: %s", target->made.url, err.text);
    atomic_fetch_sub(&m->target_count, 1);
    target_free(target);
}

static void judge_target_limit(struct job_state *job)
{
    job->limit_error[0] = '\0';
    if (job->config->target_limit > 0 && job->target_count > job->config->target_limit)
        snprintf(job->limit_error, sizeof job->limit_error,
                 "target_limit exceeded (number of targets: %zu, limit: %llu)", job->target_count,
                 (unsigned long long)job->config->target_limit);
}

static void rebuild(struct scrape_manager *m, size_t index)
{
    struct job_state *job = &m->jobs[index];
    struct rebuild r = {.manager = m, .job = job};
    map_init(&r.by_id, (size_t)2 * SCRAPE_TARGETS_MAX); /* those that were, and those that come */
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < job->target_count; i++) {
        struct scrape_target *target = job->targets[i];
        uint64_t *slot =
            map_put(&r.by_id, sv_make((const char *)&target->made.id, sizeof target->made.id), NULL);
        target->kept = false;
        if (slot != NULL)
            *slot = i + 1;
    }
    for (size_t i = 0; i < job->config->static_count; i++)
        take_groups(&r, &job->config->statics[i]);
    discovery_each(m->discovery, index, take_groups, &r);
    struct scrape_target **before = job->targets;
    size_t before_count = job->target_count;
    arena_free(&job->dropped_arena);
    job->targets = r.targets;
    job->target_count = r.n;
    job->dropped_arena = r.dropped_arena;
    job->dropped = r.dropped;
    job->dropped_shown = r.dropped_shown;
    job->dropped_count = r.dropped_count;
    judge_target_limit(job);
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < before_count; i++)
        if (!before[i]->kept)
            end_target(before[i]);
    free(before);
    map_free(&r.by_id);
}

/* --- the thread --- */

static void hear_news(void *context)
{
    struct scrape_manager *m = context;
    atomic_store(&m->news, true);
    curl_multi_wakeup(m->multi);
}

static void *run(void *context)
{
    struct scrape_manager *m = context;
    for (size_t i = 0; i < m->options.config->job_count; i++)
        rebuild(m, i);
    while (!atomic_load(&m->ending)) {
        int running;
        if (atomic_exchange(&m->news, false))
            for (size_t i = 0; i < m->options.config->job_count; i++)
                if (discovery_take(m->discovery, i))
                    rebuild(m, i);
        int64_t next = start_due(m);
        curl_multi_perform(m->multi, &running);
        finish_transfers(m);
        atomic_store(&m->transfers_now, m->under_way);
        int64_t wait_ms = next == INT64_MAX ? WAIT_MAX_MS : (next - mono(m) + 999999) / 1000000;
        if (m->under_way == SCRAPE_TRANSFERS_MAX)
            wait_ms = WAIT_MAX_MS; /* one that ends makes room, and wakes us */
        curl_multi_poll(m->multi, NULL, 0, (int)TC_MAX(TC_MIN(wait_ms, (int64_t)WAIT_MAX_MS), (int64_t)0),
                        NULL);
    }
    return NULL;
}

int scrape_manager_start(const struct scrape_options *options, struct scrape_manager **ret, struct err *err)
{
    struct scrape_manager *m = tc_alloc(sizeof *m);
    const struct scrape_config *config = options->config;
    char source[TSDB_SOURCE_NAME_MAX];
    m->options = *options;
    pthread_mutex_init(&m->lock, NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    m->multi = curl_multi_init();
    m->jobs = tc_alloc((config->job_count + 1) * sizeof *m->jobs);
    for (size_t i = 0; i < config->job_count; i++) {
        snprintf(source, sizeof source, "scrape:%.*s", SV_FMT(sv_head(config->jobs[i].name, 200)));
        m->jobs[i] = (struct job_state){.config = &config->jobs[i],
                                        .source = tsdb_source(options->tsdb, sv_of(source))};
    }
    int rc = m->multi != NULL ? 0 : err_set(err, TC_EIO, "cannot start the scraper's transfers");
    struct discovery_options found = {
        .fs = options->fs, .clk = options->clk, .config = config, .context = m, .changed = hear_news};
    if (rc == 0) {
        curl_multi_setopt(m->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
        rc = discovery_start(&found, &m->discovery, err);
    }
    if (rc == 0) {
        m->runs = pthread_create(&m->thread, NULL, run, m) == 0;
        rc = m->runs ? 0 : err_set(err, TC_EIO, "cannot start the scraper's thread");
    }
    if (rc == 0)
        *ret = m;
    else
        scrape_manager_stop(&m);
    return rc;
}

void scrape_manager_stop(struct scrape_manager **manager)
{
    struct scrape_manager *m = *manager;
    if (m == NULL)
        return;
    atomic_store(&m->ending, true);
    discovery_stop(&m->discovery);
    if (m->runs) {
        curl_multi_wakeup(m->multi);
        pthread_join(m->thread, NULL);
    }
    for (size_t j = 0; j < m->options.config->job_count; j++) {
        for (size_t i = 0; i < m->jobs[j].target_count; i++)
            target_free(m->jobs[j].targets[i]);
        free(m->jobs[j].targets);
        arena_free(&m->jobs[j].dropped_arena);
    }
    free(m->jobs);
    if (m->multi != NULL)
        curl_multi_cleanup(m->multi);
    arena_free(&m->scratch);
    pthread_mutex_destroy(&m->lock);
    free(m);
    *manager = NULL;
}
