/*
 * Between the dispatcher and the courier: a notification that is due becomes a job, and a job that has ended
 * becomes an entry of the notification log.
 */
#include "api/alertmanager/server_priv.h"

#include "api/receiver/receiver.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

/* As Alertmanager's: a receiver has at least so long. */
#define GIVE_UP_MIN_NS (10 * TC_SECOND_NS)

_Static_assert((int)AM_KINDS_MAX <= (int)COURIER_KINDS_MAX, "each kind is counted");

size_t am_kind_row(const struct am_receiver_kind *kind)
{
    size_t row = (size_t)(kind - am_receiver_kinds);
    return TC_MIN(row, (size_t)AM_KINDS_MAX - 1);
}

static bool refuse(struct am_server *server, const struct am_notification *note, const char *why)
{
    char receiver[256];
    snprintf(receiver, sizeof receiver, "%.*s", SV_FMT(sv_head(note->receiver->name, 200)));
    am_log(server, LOG_ERROR_LEVEL, "Notify for alerts failed", "receiver", receiver, "integration",
           note->kind->name, "err", why, NULL);
    server->counts.failed[am_kind_row(note->kind)]++;
    return false;
}

static uint64_t lane_of(const struct am_notification *note)
{
    return hash_64_seed(note->receiver->name, am_kind_row(note->kind) << 32 | note->index);
}

bool am_tell(void *context, const struct am_notification *note)
{
    struct am_server *server = context;
    struct err err = {0};
    if (courier_is_full(server->courier)) {
        *note->busy = true;
        return false;
    }
    server->counts.notifications[am_kind_row(note->kind)]++;
    struct receiver_world world = {.templates = server->templates,
                                   .fs = server->options.fs,
                                   .rng = server->options.rng,
                                   .config_file = server->options.config_file,
                                   .external_url = server->external,
                                   .host_name = server->host_name,
                                   .now_ns = clk_now(server->options.clk).ns};
    struct courier_job *job = courier_job_new();
    if (receiver_prepare(&world, note, job, &err) != 0) {
        courier_job_free(job);
        return refuse(server, note, err.text);
    }
    job->given_up_after_ns = TC_MAX(note->route->group_interval_ns, GIVE_UP_MIN_NS);
    job->name = arena_sv(&job->arena, note->name);
    job->group_id = arena_sv(&job->arena, note->group_id);
    job->receiver = arena_sv(&job->arena, note->receiver->name);
    job->integration = sv_of(note->kind->name);
    job->kind = (unsigned)am_kind_row(note->kind);
    job->lane = lane_of(note);
    if (courier_send(server->courier, job) != 0)
        return refuse(server, note, "too many notifications are under way");
    *note->later = true;
    return true;
}

void am_sent(void *context, struct courier_job *jobs)
{
    struct am_server *server = context;
    pthread_mutex_lock(&server->lock);
    for (const struct courier_job *job = jobs; job != NULL; job = job->next) {
        server->counts.failed[job->kind] += !job->taken;
        am_dispatch_told(server->dispatch, job->name, job->group_id, job->taken, job->remember);
    }
    am_state_flush(server);
    pthread_cond_broadcast(&server->wake);
    pthread_mutex_unlock(&server->lock);
    for (const struct courier_job *job = jobs; job != NULL; job = job->next) {
        char attempts[16];
        snprintf(attempts, sizeof attempts, "%u", job->attempts);
        am_log(server, job->taken ? LOG_DEBUG_LEVEL : LOG_ERROR_LEVEL,
               job->taken ? "Notify success" : "Notify for alerts failed", "receiver", job->receiver.p,
               "integration", job->integration.p, "attempts", attempts, job->taken ? NULL : "err",
               job->detail, NULL);
    }
}
