/*
 * Start, reload and stop of the Alertmanager's server, and the thread of its timers; see server.h.
 */
#include "api/alertmanager/server_priv.h"

#include "base/hash.h"

#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CONFIG_MAX_BYTES = 8 << 20, TEMPLATE_MAX_BYTES = 1 << 20, LOG_PAIRS_MAX = 16 };

void am_log(const struct am_server *server, enum log_level level, const char *message, ...)
{
    const char *pairs[LOG_PAIRS_MAX + 1] = {0};
    va_list list;
    va_start(list, message);
    for (size_t i = 0; i < LOG_PAIRS_MAX && (pairs[i] = va_arg(list, const char *)) != NULL; i++)
        ;
    va_end(list);
    if (server->options.log != NULL)
        server->options.log(server->options.log_context, level, message, pairs);
}

/* --- the configuration --- */

struct loaded {
    struct am_config *config;
    struct template_set *templates;
    struct buf shown;
    uint64_t hash;
};

static void loaded_free(struct loaded *loaded)
{
    if (loaded->config != NULL)
        am_config_free(loaded->config);
    template_set_free(loaded->templates);
    buf_free(&loaded->shown);
    *loaded = (struct loaded){0};
}

static int parse_templates(const struct am_server *server, const char *pattern, struct template_set *set,
                           struct err *err)
{
    glob_t found = {0};
    int rc = 0;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && rc == 0; i++) {
            struct buf bytes;
            buf_init(&bytes, TEMPLATE_MAX_BYTES);
            rc = fs_read_file(server->options.fs, found.gl_pathv[i], &bytes, err);
            if (rc == 0)
                rc = template_parse(set, SV(""), buf_view(&bytes), err);
            buf_free(&bytes);
        }
    globfree(&found);
    return rc;
}

static int load_templates(const struct am_server *server, struct loaded *ret, struct err *err)
{
    const char *file = server->options.config_file, *slash = strrchr(file, '/');
    int rc = template_alertmanager_set(&ret->templates, err);
    for (size_t i = 0; i < ret->config->template_count && rc == 0; i++) {
        char pattern[4096];
        struct sv written = ret->config->templates[i];
        int folder = slash == NULL || sv_starts(written, SV("/")) ? 0 : (int)(slash - file) + 1;
        snprintf(pattern, sizeof pattern, "%.*s%.*s", folder, file, SV_FMT(written));
        rc = parse_templates(server, pattern, ret->templates, err);
    }
    return rc;
}

static int load(const struct am_server *server, struct loaded *ret, struct err *err)
{
    struct buf bytes;
    *ret = (struct loaded){0};
    buf_init(&bytes, CONFIG_MAX_BYTES);
    int rc = fs_read_file(server->options.fs, server->options.config_file, &bytes, err);
    if (rc == 0)
        rc = am_config_read(buf_view(&bytes), server->options.mode, &ret->config, err);
    if (rc == 0)
        rc = load_templates(server, ret, err);
    if (rc == 0)
        am_show_config(ret->config, &ret->shown);
    ret->hash = hash_64(buf_view(&bytes));
    buf_free(&bytes);
    if (rc != 0)
        loaded_free(ret);
    return rc;
}

/* What the configuration may ask for and does not get. */
static void tell_undone(const struct am_server *server)
{
    static const struct {
        const char *section, *text;
    } undone[] = {{"tracing", "tracing is configured: this version does not trace"},
                  {"event_recorder", "event_recorder is configured: this version records no events"}};
    for (size_t i = 0; i < TC_ARRAY_LEN(undone); i++)
        if (am_get(server->config->root, undone[i].section)->given)
            am_log(server, LOG_WARN_LEVEL, undone[i].text, NULL);
}

static void tell_loaded(struct am_server *server)
{
    am_log(server, LOG_INFO_LEVEL, "Completed loading of configuration file", "file",
           server->options.config_file, NULL);
    for (const struct am_warning *warning = server->config->warnings; warning != NULL;
         warning = warning->next)
        am_log(server, LOG_WARN_LEVEL, warning->text, NULL);
    tell_undone(server);
}

int am_server_reload(struct am_server *server, struct err *err)
{
    struct loaded next;
    struct err problem = {0};
    am_log(server, LOG_INFO_LEVEL, "Loading configuration file", "file", server->options.config_file, NULL);
    int rc = load(server, &next, err != NULL ? err : &problem);
    if (rc != 0)
        am_log(server, LOG_ERROR_LEVEL, "Loading configuration file failed", "file",
               server->options.config_file, "err", err != NULL ? err->text : problem.text, NULL);
    pthread_mutex_lock(&server->lock);
    server->reloaded = rc == 0;
    if (rc == 0) {
        int64_t now_ns = clk_now(server->options.clk).ns;
        struct loaded old = {server->config, server->templates, server->shown, 0};
        server->config = next.config;
        server->templates = next.templates;
        server->shown = next.shown;
        server->hash = next.hash;
        server->reloaded_ns = now_ns;
        if (am_dispatch_configure(server->dispatch, server->config, now_ns, &problem) != 0)
            am_log(server, LOG_ERROR_LEVEL, "Some alerts cannot be routed", "err", problem.text, NULL);
        loaded_free(&old);
        tell_loaded(server);
    }
    pthread_cond_broadcast(&server->wake);
    pthread_mutex_unlock(&server->lock);
    return rc;
}

/* --- the timers --- */

static void wait_until(struct am_server *server, int64_t now_ns, int64_t next_ns)
{
    struct timespec until;
    int64_t wait_ns = next_ns <= now_ns ? 0 : TC_MIN(next_ns - now_ns, TC_SECOND_NS);
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + TC_MAX(wait_ns, TC_SECOND_NS / 1000);
    until.tv_sec += ns / TC_SECOND_NS;
    until.tv_nsec = ns % TC_SECOND_NS;
    pthread_cond_timedwait(&server->wake, &server->lock, &until);
}

static void *run_timers(void *context)
{
    struct am_server *server = context;
    pthread_mutex_lock(&server->lock);
    while (!server->stop) {
        int64_t now_ns = clk_now(server->options.clk).ns;
        size_t count;
        if (am_dispatch_next_ns(server->dispatch) <= now_ns) {
            const struct am_silence *silences = am_silences_flat(server->silences, &count);
            am_dispatch_run(server->dispatch, now_ns, silences, count, am_tell, server);
        }
        am_state_flush(server);
        am_state_maintain(server, false);
        wait_until(server, now_ns, am_dispatch_next_ns(server->dispatch));
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* --- start and stop --- */

/* A ULID (https://github.com/ulid/spec), as Alertmanager names its nodes. */
static void make_name(const struct am_server *server, char out[27])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t ms = (uint64_t)(clk_now(server->options.clk).ns / 1000000);
    uint8_t random[16];
    rng_fill(server->options.rng, random, sizeof random);
    for (int i = 9; i >= 0; i--, ms >>= 5)
        out[i] = digits[ms & 31];
    for (int i = 0; i < 16; i++)
        out[10 + i] = digits[random[i] & 31];
    out[26] = '\0';
}

static void name_node(struct am_server *server)
{
    const struct am_server_options *o = &server->options;
    if (o->cluster_name != NULL)
        snprintf(server->name, sizeof server->name, "%s", o->cluster_name);
    else
        make_name(server, server->name);
    snprintf(server->cluster_address, sizeof server->cluster_address, "%s", o->cluster_listen);
}

static void name_urls(struct am_server *server)
{
    const struct am_server_options *o = &server->options;
    const char *port = strrchr(server->address, ':');
    if (o->external_url != NULL && o->external_url[0] != '\0')
        snprintf(server->external, sizeof server->external, "%s", o->external_url);
    else
        snprintf(server->external, sizeof server->external, "%s://%s%s",
                 am_web_config_certificate(server->web) != NULL ? "https" : "http", server->host_name, port);
    size_t n = strlen(server->external);
    while (n > 0 && server->external[n - 1] == '/')
        server->external[--n] = '\0';
}

/* "/foo" out of --web.route-prefix, or else of --web.external-url; empty for none. */
static void name_prefix(struct am_server *server)
{
    const struct am_server_options *o = &server->options;
    struct sv path = sv_of(o->route_prefix);
    if (path.n == 0 && o->external_url != NULL) {
        struct sv rest = sv_of(o->external_url);
        size_t scheme = sv_find(rest, SV("://"));
        rest = sv_from(rest, scheme == rest.n ? rest.n : scheme + 3);
        path = sv_from(rest, sv_find_char(rest, '/'));
    }
    while (path.n > 0 && path.p[0] == '/')
        path = sv_from(path, 1);
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    snprintf(server->prefix, sizeof server->prefix, "%s%.*s", path.n > 0 ? "/" : "", SV_FMT(path));
}

static int start_timers(struct am_server *server, struct err *err)
{
    if (pthread_create(&server->timer, NULL, run_timers, server) != 0)
        return err_set(err, TC_EIO, "the thread of the timers cannot start");
    server->timer_runs = true;
    return 0;
}

static int start(struct am_server *server, struct err *err)
{
    struct loaded loaded;
    am_log(server, LOG_INFO_LEVEL, "Loading configuration file", "file", server->options.config_file, NULL);
    int rc = load(server, &loaded, err);
    if (rc != 0)
        return rc;
    server->config = loaded.config;
    server->templates = loaded.templates;
    server->shown = loaded.shown;
    server->hash = loaded.hash;
    server->reloaded = true;
    server->reloaded_ns = server->started_ns;
    rc = am_dispatch_configure(server->dispatch, server->config, server->started_ns, err);
    if (rc == 0)
        rc = am_state_open(server, err);
    am_dispatch_on_told(server->dispatch, am_state_told, server);
    if (rc == 0 && server->options.web_config != NULL)
        rc = am_web_config_read(server->options.fs, server->options.web_config, &server->web, err);
    if (rc == 0)
        rc = courier_start(server->options.clk, server->options.rng, am_sent, server, &server->courier, err);
    if (rc == 0)
        tell_loaded(server);
    pthread_mutex_lock(&server->lock); /* requests wait until all is named */
    if (rc == 0)
        rc = am_web_start(server, err);
    if (rc == 0)
        name_urls(server);
    pthread_mutex_unlock(&server->lock);
    return rc == 0 ? start_timers(server, err) : rc;
}

int am_server_start(const struct am_server_options *options, struct am_server **ret, struct err *err)
{
    struct am_server *server = tc_alloc(sizeof *server);
    pthread_condattr_t clock;
    server->options = *options;
    server->log_file = server->lock_file = -1;
    server->started_ns = clk_now(options->clk).ns;
    server->maintained_ns = clk_monotonic_ns(options->clk);
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&server->wake, &clock);
    pthread_condattr_destroy(&clock);
    server->dispatch = am_dispatch_new();
    am_dispatch_restart_timers(server->dispatch, !options->keep_timers);
    am_dispatch_limit(server->dispatch, options->max_alerts_of_a_name);
    am_dispatch_hold(server->dispatch, server->started_ns + options->start_delay_ns);
    server->silences = am_silences_new(options->mode, options->max_silences, options->rng);
    snprintf(server->host_name, sizeof server->host_name, "localhost");
    gethostname(server->host_name, sizeof server->host_name - 1);
    buf_init(&server->told, AM_TOLD_MAX_BYTES);
    name_prefix(server);
    name_node(server);
    int rc = start(server, err);
    if (rc != 0) {
        am_server_stop(&server);
        return rc;
    }
    *ret = server;
    return 0;
}

const char *am_server_address(const struct am_server *server)
{
    return server->address;
}

void am_server_stop(struct am_server **ret)
{
    struct am_server *server = *ret;
    if (server == NULL)
        return;
    am_web_stop(server);
    pthread_mutex_lock(&server->lock);
    server->stop = true;
    pthread_cond_broadcast(&server->wake);
    pthread_mutex_unlock(&server->lock);
    if (server->timer_runs)
        pthread_join(server->timer, NULL);
    courier_stop(&server->courier);
    if (server->log_file >= 0)
        am_state_maintain(server, true);
    am_state_close(server);
    am_dispatch_free(server->dispatch);
    am_silences_free(server->silences);
    buf_free(&server->told);
    am_web_config_free(server->web);
    struct loaded loaded = {server->config, server->templates, server->shown, 0};
    loaded_free(&loaded);
    pthread_cond_destroy(&server->wake);
    pthread_mutex_destroy(&server->lock);
    free(server);
    *ret = NULL;
}
