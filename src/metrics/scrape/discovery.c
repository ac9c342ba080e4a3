/*
 * The thread of discovery; see discovery.h. What each mechanism does is in discovery_file.c, discovery_dns.c
 * and discovery_http.c.
 */
#include "metrics/scrape/discovery_priv.h"

#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define FILE_LOOK_NS TC_SECOND_NS

struct discovery {
    struct discovery_options options;
    struct provider *providers;
    size_t provider_count;
    pthread_mutex_t lock;
    pthread_cond_t end;
    atomic_bool ending;
    bool runs;
    pthread_t thread;
    atomic_ullong refreshes, failures;
};

void held_groups_free(struct held_groups **held)
{
    if (*held == NULL)
        return;
    arena_free(&(*held)->arena);
    free(*held);
    *held = NULL;
}

static const char *kind_name(const struct provider *p)
{
    return p->kind == PROVIDER_FILE ? "file_sd" : p->kind == PROVIDER_DNS ? "dns_sd" : "http_sd";
}

static void refresh(struct discovery *d, struct provider *p)
{
    struct held_groups *got = NULL;
    struct err err = {0};
    int rc = p->kind == PROVIDER_FILE ? discovery_refresh_files(p, d->options.fs, &got, &err)
             : p->kind == PROVIDER_DNS
                 ? discovery_refresh_dns(p->config, &d->ending, &got, &err)
                 : discovery_refresh_http(p->config, d->options.fs, &d->ending, &got, &err);
    const struct scrape_job *job = &d->options.config->jobs[p->job];
    char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX];
    if (rc != 0) {
        atomic_fetch_add(&d->failures, 1);
        if (!p->complained)
            log_warn("scrape", "%s of job %.*s: %s; what was known stays in force", kind_name(p),
                     SV_FMT(job->name), err_format(&err, text, sizeof text));
    }
    p->complained = rc != 0;
    atomic_fetch_add(&d->refreshes, 1);
    pthread_mutex_lock(&d->lock);
    bool tell = got != NULL || !p->settled;
    p->settled = true;
    if (got != NULL) {
        held_groups_free(&p->fresh);
        p->fresh = got;
    }
    pthread_mutex_unlock(&d->lock);
    if (tell)
        d->options.changed(d->options.context);
}

static void *run(void *context)
{
    struct discovery *d = context;
    pthread_mutex_lock(&d->lock);
    while (!atomic_load(&d->ending)) {
        int64_t now = clk_monotonic_ns(d->options.clk), next = now + FILE_LOOK_NS;
        for (size_t i = 0; i < d->provider_count && !atomic_load(&d->ending); i++) {
            struct provider *p = &d->providers[i];
            if (p->due_mono_ns <= now) {
                pthread_mutex_unlock(&d->lock);
                refresh(d, p);
                pthread_mutex_lock(&d->lock);
                p->due_mono_ns = clk_monotonic_ns(d->options.clk) +
                                 (p->kind == PROVIDER_FILE ? FILE_LOOK_NS : p->refresh_ns);
            }
            next = TC_MIN(next, p->due_mono_ns);
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t wait = TC_MAX(next - clk_monotonic_ns(d->options.clk), TC_SECOND_NS / 100) + until.tv_nsec;
        until.tv_sec += wait / TC_SECOND_NS;
        until.tv_nsec = wait % TC_SECOND_NS;
        if (!atomic_load(&d->ending))
            pthread_cond_timedwait(&d->end, &d->lock, &until);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

static void add(struct discovery *d, enum provider_kind kind, size_t job, const void *config,
                int64_t refresh_ns)
{
    d->providers[d->provider_count++] = (struct provider){
        .kind = kind, .job = job, .config = config, .refresh_ns = TC_MAX(refresh_ns, TC_SECOND_NS)};
}

static void add_providers(struct discovery *d)
{
    const struct scrape_config *config = d->options.config;
    size_t count = 0;
    for (size_t i = 0; i < config->job_count; i++)
        count += config->jobs[i].file_count + config->jobs[i].dns_count + config->jobs[i].http_count;
    d->providers = tc_alloc((count + 1) * sizeof *d->providers);
    for (size_t i = 0; i < config->job_count; i++) {
        const struct scrape_job *job = &config->jobs[i];
        for (size_t k = 0; k < job->file_count; k++)
            add(d, PROVIDER_FILE, i, &job->files[k], job->files[k].refresh_ns);
        for (size_t k = 0; k < job->dns_count; k++)
            add(d, PROVIDER_DNS, i, &job->dns[k], job->dns[k].refresh_ns);
        for (size_t k = 0; k < job->http_count; k++)
            add(d, PROVIDER_HTTP, i, &job->https[k], job->https[k].refresh_ns);
    }
}

int discovery_start(const struct discovery_options *options, struct discovery **ret, struct err *err)
{
    struct discovery *d = tc_alloc(sizeof *d);
    pthread_condattr_t attributes;
    d->options = *options;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->end, &attributes);
    pthread_condattr_destroy(&attributes);
    add_providers(d);
    d->runs = d->provider_count > 0;
    if (d->runs && pthread_create(&d->thread, NULL, run, d) != 0) {
        d->runs = false;
        discovery_stop(&d);
        return err_set(err, TC_EIO, "cannot start the thread that discovers targets");
    }
    *ret = d;
    return 0;
}

void discovery_stop(struct discovery **discovery)
{
    struct discovery *d = *discovery;
    if (d == NULL)
        return;
    if (d->runs) {
        pthread_mutex_lock(&d->lock);
        atomic_store(&d->ending, true); /* which ends what is being asked, too */
        pthread_cond_signal(&d->end);
        pthread_mutex_unlock(&d->lock);
        pthread_join(d->thread, NULL);
    }
    for (size_t i = 0; i < d->provider_count; i++) {
        discovery_files_free(&d->providers[i]);
        held_groups_free(&d->providers[i].fresh);
        held_groups_free(&d->providers[i].current);
    }
    free(d->providers);
    pthread_cond_destroy(&d->end);
    pthread_mutex_destroy(&d->lock);
    free(d);
    *discovery = NULL;
}

bool discovery_take(struct discovery *d, size_t job)
{
    bool news = false;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->provider_count; i++) {
        struct provider *p = &d->providers[i];
        if (p->job != job || p->fresh == NULL)
            continue;
        held_groups_free(&p->current);
        p->current = p->fresh;
        p->fresh = NULL;
        news = true;
    }
    pthread_mutex_unlock(&d->lock);
    return news;
}

void discovery_each(const struct discovery *d, size_t job,
                    void (*each)(void *context, const struct target_groups *groups), void *context)
{
    for (size_t i = 0; i < d->provider_count; i++)
        if (d->providers[i].job == job && d->providers[i].current != NULL)
            each(context, &d->providers[i].current->groups);
}

bool discovery_is_settled(const struct discovery *d)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&d->lock;
    bool settled = true;
    pthread_mutex_lock(lock);
    for (size_t i = 0; i < d->provider_count; i++)
        settled = settled && d->providers[i].settled;
    pthread_mutex_unlock(lock);
    return settled;
}

struct discovery_stats discovery_stats(const struct discovery *d)
{
    return (struct discovery_stats){atomic_load(&d->refreshes), atomic_load(&d->failures)};
}
