/*
 * The power fails at random calls to the disk, while alerts come and go, are told, and silences are made.
 * After each crash a new server starts on what the disk kept, the sender posts again all that fires and all
 * that has ended (as Prometheus does for 15 minutes), and in the end the receiver must know the truth, must
 * have been told nothing twice but under the same key, and every silence that was acknowledged must be there.
 *
 * TOCSIN_CRASH_POINTS says how many points are tried (1,000 unless it is set).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/alertmanager/server_priv.h"
#include "base/map.h"
#include "base/sim_fs.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALERTS = 8, GROUPS = 3, STEPS = 60, CALM_STEPS = 40, KEYS_MAX = 4096, JOBS_MAX = 64 };

#define STEP_NS (7 * TC_SECOND_NS)
static const int64_t start_ns = INT64_C(1795262400) * TC_SECOND_NS;

static const char config_text[] =
    "route: {receiver: r, group_by: [g], group_wait: 10s, group_interval: 20s, repeat_interval: 24h}\n"
    "receivers: [{name: r, webhook_configs: [{url: 'http://x/'}]}]\n";

struct job { /* on its way to the receiver */
    char name[256], group_id[256], key[33];
    size_t name_bytes, group_bytes;
    unsigned group, firing, ended; /* bits by alert */
    int64_t since_ns[ALERTS];      /* which of its episodes each alert was in */
};

struct world {
    struct sim_fs *disk;
    struct sim_clk clk;
    struct sim_rng rng;
    struct am_config *config;
    struct am_server *server; /* NULL: down */
    struct job jobs[JOBS_MAX];
    size_t job_count;
    /* the sender: */
    unsigned firing; /* bits */
    int64_t since_ns[ALERTS], ended_ns[ALERTS];
    /* the receiver: */
    struct map keys;              /* key -> firing and ended bits */
    unsigned known_firing;        /* what it believes */
    int64_t known_end_ns[ALERTS]; /* since of the episode whose end it was told last */
    size_t notifications, repeats, crashes;
    /* silences that were acknowledged: */
    char silences[STEPS][AM_SILENCE_ID_BYTES];
    size_t silence_count;
};

static unsigned bit_of(struct am_labels labels)
{
    return 1u << (am_labels_get(labels, SV("n")).p[0] - '0');
}

static bool tell(void *context, const struct am_notification *note)
{
    struct world *w = context;
    struct job *job = &w->jobs[w->job_count++];
    assert_true(w->job_count < JOBS_MAX && note->name.n < sizeof job->name &&
                note->group_id.n < sizeof job->group_id);
    *job = (struct job){.name_bytes = note->name.n, .group_bytes = note->group_id.n};
    memcpy(job->name, note->name.p, note->name.n);
    memcpy(job->group_id, note->group_id.p, note->group_id.n);
    snprintf(job->key, sizeof job->key, "%.*s", SV_FMT(note->key));
    job->group = (unsigned)(am_labels_get(note->group_labels, SV("g")).p[0] - '0');
    for (size_t i = 0; i < note->count; i++)
        *(note->alerts[i].firing ? &job->firing : &job->ended) |= bit_of(note->alerts[i].alert->labels);
    memcpy(job->since_ns, w->since_ns, sizeof job->since_ns);
    *note->later = true;
    return true;
}

/* --- the server --- */

static void start(struct world *w)
{
    struct am_server *server = tc_alloc(sizeof *server);
    struct err err = {0};
    server->options = (struct am_server_options){.storage_path = "data",
                                                 .fs = sim_fs_seam(w->disk),
                                                 .clk = &w->clk.clk,
                                                 .rng = &w->rng.rng,
                                                 .retention_ns = 3600 * TC_SECOND_NS,
                                                 .maintenance_ns = 60 * TC_SECOND_NS};
    server->log_file = server->lock_file = -1;
    buf_init(&server->told, AM_TOLD_MAX_BYTES);
    server->dispatch = am_dispatch_new();
    server->silences = am_silences_new(AM_MATCHERS_FALLBACK, 0, &w->rng.rng);
    w->server = server;
    assert_int_equal(am_dispatch_configure(server->dispatch, w->config, w->clk.now_ns, &err), 0);
    int rc = am_state_open(server, &err);
    if (rc != 0 && !sim_fs_is_cut(w->disk))
        fail_msg("%s", err.text);
    am_dispatch_on_told(server->dispatch, am_state_told, server);
}

static void stop(struct world *w)
{
    am_state_close(w->server);
    am_dispatch_free(w->server->dispatch);
    am_silences_free(w->server->silences);
    buf_free(&w->server->told);
    free(w->server);
    w->server = NULL;
    w->job_count = 0; /* what was under way is gone */
}

/* --- sender and receiver --- */

static void post(struct world *w, unsigned alert)
{
    char n[2] = {(char)('0' + alert)}, g[2] = {(char)('0' + alert % GROUPS)};
    struct am_label labels[] = {{SV("g"), sv_of(g)}, {SV("n"), sv_of(n)}};
    bool fires = (w->firing & 1u << alert) != 0;
    struct am_alert given = {.labels = {labels, 2},
                             .starts_at_ns = w->since_ns[alert],
                             .ends_at_ns = fires ? w->clk.now_ns + 3600 * TC_SECOND_NS : w->ended_ns[alert]};
    assert_int_equal(am_dispatch_alert(w->server->dispatch, &given, w->clk.now_ns, NULL), 0);
}

static void post_all(struct world *w)
{
    for (unsigned i = 0; i < ALERTS; i++)
        if (w->since_ns[i] != 0)
            post(w, i);
}

static void change_one(struct world *w)
{
    unsigned alert = (unsigned)(rng_u64(&w->rng.rng) % ALERTS);
    if ((w->firing & 1u << alert) != 0)
        w->ended_ns[alert] = w->clk.now_ns;
    else
        w->since_ns[alert] = w->clk.now_ns;
    w->firing ^= 1u << alert;
}

static unsigned of_group(unsigned group)
{
    unsigned bits = 0;
    for (unsigned i = group; i < ALERTS; i += GROUPS)
        bits |= 1u << i;
    return bits;
}

/* The receiver takes it: a key that it knows is a repeat of what it knows, any other is news. */
static void receive(struct world *w, const struct job *job)
{
    bool is_new;
    uint64_t *known = map_put(&w->keys, sv_of(job->key), &is_new);
    unsigned news = (w->known_firing & of_group(job->group)) ^ job->firing;
    assert_non_null(known);
    w->notifications++;
    if (!is_new) {
        w->repeats++;
        assert_int_equal(*known, job->firing); /* the same key says the same */
        return;
    }
    *known = job->firing;
    for (unsigned i = 0; i < ALERTS; i++)
        if ((job->ended & 1u << i) != 0 && w->known_end_ns[i] != job->since_ns[i]) {
            w->known_end_ns[i] = job->since_ns[i];
            news |= 1u << i;
        }
    if (news == 0)
        fail_msg("told twice under two keys: group %u, firing %x", job->group, job->firing);
    w->known_firing = (w->known_firing & ~of_group(job->group)) | job->firing;
}

/* Some of what is on its way arrives; of that, some fails, and for some the receipt is applied. */
static void deliver(struct world *w, bool calm)
{
    size_t left = 0;
    for (size_t i = 0; i < w->job_count; i++) {
        struct job *job = &w->jobs[i];
        uint64_t dice = calm ? 9 : rng_u64(&w->rng.rng) % 10;
        if (dice == 0) {
            w->jobs[left++] = *job;
            continue;
        }
        if (dice > 1)
            receive(w, job);
        am_dispatch_told(w->server->dispatch, sv_make(job->name, job->name_bytes),
                         sv_make(job->group_id, job->group_bytes), dice > 1, SV(""));
    }
    w->job_count = left;
    am_state_flush(w->server);
}

static void silence(struct world *w)
{
    struct am_matcher matcher = {.type = AM_EQUAL, .name = SV("nobody"), .value = SV("has it")};
    struct am_silence_draft draft = {.matchers = &matcher,
                                     .matcher_count = 1,
                                     .starts_at_ns = w->clk.now_ns,
                                     .ends_at_ns = w->clk.now_ns + 100000 * TC_SECOND_NS,
                                     .created_by = SV("me"),
                                     .comment = SV("works")};
    char id[AM_SILENCE_ID_BYTES];
    struct err err;
    assert_int_equal(am_silences_set(w->server->silences, &draft, w->clk.now_ns, id, &err), 0);
    if (am_state_silences(w->server, &err) == 0)
        memcpy(w->silences[w->silence_count++], id, sizeof id);
}

/* --- a run --- */

static void step(struct world *w, unsigned number, bool calm)
{
    w->clk.now_ns += STEP_NS;
    am_dispatch_run(w->server->dispatch, w->clk.now_ns, NULL, 0, tell, w);
    if (!calm && rng_u64(&w->rng.rng) % 3 == 0)
        change_one(w);
    post_all(w);
    deliver(w, calm);
    if (!calm && number % 10 == 3)
        silence(w);
    am_state_maintain(w->server, false);
}

static void recover(struct world *w, uint64_t seed)
{
    w->crashes++;
    stop(w);
    sim_fs_crash(w->disk, seed, (enum sim_fs_mode)(seed % 4));
    start(w);
    for (size_t i = 0; i < w->silence_count; i++)
        assert_non_null(am_silences_find(w->server->silences, sv_of(w->silences[i])));
    post_all(w);
}

static uint64_t run(uint64_t seed, uint64_t cut_at)
{
    struct world *w = tc_alloc(sizeof *w);
    struct err err = {0};
    w->disk = sim_fs_new(0);
    sim_clk_init(&w->clk, start_ns);
    sim_rng_init(&w->rng, seed);
    map_init(&w->keys, KEYS_MAX);
    assert_int_equal(am_config_read(sv_of(config_text), AM_MATCHERS_FALLBACK, &w->config, &err), 0);
    start(w);
    sim_fs_cut_at(w->disk, cut_at);
    for (unsigned i = 0; i < STEPS; i++) {
        step(w, i, false);
        if (sim_fs_is_cut(w->disk))
            recover(w, seed * 7919 + cut_at);
    }
    uint64_t calls = sim_fs_calls(w->disk);
    sim_fs_cut_at(w->disk, 0);
    for (unsigned i = 0; i < CALM_STEPS; i++)
        step(w, i, true);
    if (w->known_firing != w->firing)
        fail_msg("seed %llu, cut at call %llu: %x fire, the receiver knows of %x", (unsigned long long)seed,
                 (unsigned long long)cut_at, w->firing, w->known_firing);
    assert_int_equal(w->crashes, cut_at > 0);
    assert_true(w->notifications > 5);
    stop(w);
    am_config_free(w->config);
    map_free(&w->keys);
    sim_fs_free(&w->disk);
    free(w);
    return calls;
}

static void power_fails_anywhere(void **state)
{
    enum { SEEDS = 10 };
    const char *wanted = getenv("TOCSIN_CRASH_POINTS");
    size_t points = wanted == NULL ? 1000 : strtoul(wanted, NULL, 10);
    struct sim_rng rng;
    uint64_t calls[SEEDS];
    (void)state;
    sim_rng_init(&rng, 4711);
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        calls[seed] = run(seed + 1, 0);
    for (size_t i = 0; i < points; i++) {
        uint64_t seed = rng_u64(&rng.rng) % SEEDS;
        run(seed + 1, 1 + rng_u64(&rng.rng) % (calls[seed] - 40));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(power_fails_anywhere)};
    return cmocka_run_group_tests_name("Alertmanager's state under power failures", tests, NULL, NULL);
}
