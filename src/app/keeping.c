/*
 * Keeping the journal in shape; see keeping.h.
 */
#include "app/keeping.h"

#include "base/json_out.h"
#include "base/log.h"
#include "base/metric_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum {
    NAP_MS = 200,
    ROUND_S_MAX = 60,
    BACKGROUND_NICE = 10,
    RECORD_BYTES_MAX = 1 << 20,
    TROUBLE_ROUNDS = 10
};

static const char *const class_names[CLASS_COUNT] = {"security", "audit", "debug"};

struct keeping_room {
    const struct config *config;
    keeping_trouble_fn trouble;
    void *context;
    struct core *core;
    struct journal *journal;
    struct retention *retention;
    pthread_t thread;
    atomic_bool stop;
    int64_t round_ns;
    bool policy_is_told;
    unsigned failed_rounds; /* in a row */

    pthread_mutex_t stepping;     /* held for each step */
    struct holds made;            /* by people: a copy, as of the last step */
    struct retention_hold *holds; /* the configuration's, these, and one more for the commands behind them */
    size_t hold_count;            /* without that one */

    pthread_mutex_t lock; /* of what follows */
    struct retention_stats stats;
    uint64_t failures, holds_made;
};

/* --- records
 * ------------------------------------------------------------------------------------------------------------
 */

/* An event of Tocsin itself, of the class audit: so it is kept as long as what people did. */
static int say(struct keeping_room *k, struct sv json, struct err *err)
{
    struct buf block;
    struct receive_time now = clk_now(&clk_system);
    buf_init(&block, 2 * RECORD_BYTES_MAX);
    record_encode_plain(REC_EVENT, CLASS_AUDIT, SV("self"), now, (struct event_time){TC_NO_TIME}, json,
                        &block);
    struct journal_batch batch = {
        .kind = BATCH_CONTROL, .received = now, .blocks = buf_view(&block), .count = 1};
    int rc = journal_append_wait(k->journal, &batch, NULL, err);
    buf_free(&block);
    return rc;
}

static void begin(struct buf *text, struct json_out *json, const char *event_type)
{
    buf_init(text, RECORD_BYTES_MAX);
    *json = json_out_to(text);
    json_object(json);
    json_kv_str(json, "event_type", event_type);
}

static int announce(void *context, const struct retention_drop *drop, struct err *err)
{
    struct keeping_room *k = context;
    struct buf text;
    struct json_out json;
    begin(&text, &json, "retention_drop");
    json_kv_u64(&json, "first_position", drop->first);
    json_kv_u64(&json, "last_position", drop->next - 1);
    json_key(&json, SV("classes"));
    json_array(&json);
    for (int i = 0; i < CLASS_COUNT; i++)
        if (drop->classes[i])
            json_string(&json, sv_of(class_names[i]));
    json_array_end(&json);
    for (int i = 0; i < CLASS_COUNT; i++)
        if (drop->classes[i]) {
            char key[64];
            snprintf(key, sizeof key, "%s_newest", class_names[i]);
            json_kv_time(&json, key, drop->newest[i].ns);
        }
    json_object_end(&json);
    int rc = say(k, buf_view(&text), err);
    if (rc == 0)
        log_info("retention", "dropping: %.*s", SV_FMT(buf_view(&text)));
    buf_free(&text);
    return rc;
}

/* What is kept how long, and what is held, once after each start: an auditor reads it in the journal. */
static int tell_policy(struct keeping_room *k, struct err *err)
{
    const struct config *c = k->config;
    struct buf text;
    struct json_out json;
    begin(&text, &json, "retention_policy");
    for (int i = 0; i < CLASS_COUNT; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s_seconds", class_names[i]);
        json_kv_u64(&json, key, (uint64_t)(c->retention_keep_ns[i] / TC_SECOND_NS));
    }
    json_key(&json, SV("holds"));
    json_array(&json);
    for (size_t i = 0; i < k->hold_count; i++) {
        struct buf hold;
        buf_init(&hold, 64 << 10);
        hold_json(&k->holds[i],
                  i < c->retention_hold_count ? NULL : &k->made.items[i - c->retention_hold_count], &hold);
        json_raw(&json, buf_view(&hold));
        buf_free(&hold);
    }
    json_array_end(&json);
    json_object_end(&json);
    int rc = text.overflow ? 0 : say(k, buf_view(&text), err);
    buf_free(&text);
    return rc;
}

/* --- the round
 * ------------------------------------------------------------------------------------------------------------
 */

/* The holds of now. The commands that made those of people are held, too: a core that recovers without a
 * checkpoint, years later, must come to the same holds. */
static void take_holds(struct keeping_room *k)
{
    const struct config *c = k->config;
    struct holds made;
    size_t n = 0;
    core_holds(k->core, &made);
    struct retention_hold *all = tc_alloc((c->retention_hold_count + made.count + 1) * sizeof all[0]);
    for (size_t i = 0; i < c->retention_hold_count; i++)
        all[n++] = c->retention_holds[i];
    for (size_t i = 0; i < made.count; i++)
        all[n++] = hold_retention(&made.items[i]);
    all[n] = (struct retention_hold){.name = "commands of holds",
                                     .from_ns = INT64_MIN,
                                     .to_ns = INT64_MAX,
                                     .classes = 1U << CLASS_AUDIT,
                                     .source = SV("self"),
                                     .text = SV("\"verb\":\"hold_")};
    retention_set_holds(k->retention, all, made.count > 0 ? n + 1 : n);
    free(k->holds);
    holds_free(&k->made);
    k->holds = all;
    k->hold_count = n;
    k->made = made;
}

static int step_holding(struct keeping_room *k, struct err *err)
{
    pthread_mutex_lock(&k->stepping);
    take_holds(k);
    int rc = k->policy_is_told ? 0 : tell_policy(k, err);
    k->policy_is_told = rc == 0;
    if (rc == 0)
        rc = retention_step(k->retention, err);
    pthread_mutex_unlock(&k->stepping);
    return rc;
}

static bool step(struct keeping_room *k)
{
    struct err err;
    int rc = step_holding(k, &err);
    if (rc < 0)
        log_err(LOG_ERROR_LEVEL, "retention", &err, "a segment was not packed, or nothing dropped from it");
    k->failed_rounds = rc < 0 ? k->failed_rounds + 1 : 0;
    if (k->failed_rounds == TROUBLE_ROUNDS) {
        char why[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
        k->trouble(k->context, sv_of(err_format(&err, why, sizeof why)));
    }
    pthread_mutex_lock(&k->lock);
    retention_stats(k->retention, &k->stats);
    k->failures += rc < 0;
    k->holds_made = k->made.count;
    pthread_mutex_unlock(&k->lock);
    return rc == 1;
}

static void *keeping_main(void *context)
{
    struct keeping_room *k = context;
    int64_t next_ns = clk_monotonic_ns(&clk_system) + k->round_ns;
    setpriority(PRIO_PROCESS, 0,
                BACKGROUND_NICE); /* of this thread alone, as Linux has it; refused: no matter */
    while (!atomic_load(&k->stop)) {
        struct timespec nap = {.tv_nsec = NAP_MS * 1000000L};
        int64_t now_ns = clk_monotonic_ns(&clk_system);
        if (now_ns >= next_ns && !step(k))
            next_ns = now_ns + k->round_ns;
        nanosleep(&nap, NULL);
    }
    return NULL;
}

/* A quarter of the shortest time that matters, between a second and a minute. */
static int64_t choose_round(const struct config *c)
{
    int64_t shortest_ns = TC_MIN(c->retention_segment_age_ns, c->retention_cold_after_ns);
    for (int i = 0; i < CLASS_COUNT; i++)
        if (c->retention_keep_ns[i] > 0)
            shortest_ns = TC_MIN(shortest_ns, c->retention_keep_ns[i]);
    return TC_MAX(TC_SECOND_NS, TC_MIN(shortest_ns / 4, ROUND_S_MAX * TC_SECOND_NS));
}

static void release(struct keeping_room *k)
{
    retention_free(&k->retention);
    holds_free(&k->made);
    free(k->holds);
    pthread_mutex_destroy(&k->stepping);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

int keeping_start(const struct config *config, struct core *core, keeping_trouble_fn trouble, void *context,
                  struct keeping_room **ret, struct err *err)
{
    struct keeping_room *k = tc_alloc(sizeof *k);
    struct core_stats stats;
    core_stats(core, &stats);
    *k = (struct keeping_room){.config = config,
                               .trouble = trouble,
                               .context = context,
                               .core = core,
                               .journal = core_journal(core),
                               .round_ns = choose_round(config)};
    struct retention_options o = {.fs = &fs_system,
                                  .clk = &clk_system,
                                  .dir = config->data,
                                  .cold_after_ns = config->retention_cold_after_ns,
                                  .distrust_ns = config->retention_distrust_ns,
                                  .newest = stats.recovery.newest,
                                  .archive = config->retention_archive,
                                  .announce = announce,
                                  .context = k};
    memcpy(o.keep_ns, config->retention_keep_ns, sizeof o.keep_ns);
    k->retention = retention_new(&o);
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->stepping, NULL);
    errno = pthread_create(&k->thread, NULL, keeping_main, k);
    if (errno != 0) {
        int rc = err_sys(err, "cannot start the thread of retention");
        release(k);
        return rc;
    }
    *ret = k;
    return 0;
}

void keeping_stop(struct keeping_room **keeping)
{
    struct keeping_room *k = *keeping;
    if (k == NULL)
        return;
    atomic_store(&k->stop, true);
    pthread_join(k->thread, NULL);
    release(k);
    *keeping = NULL;
}

void keeping_settle(struct keeping_room *k)
{
    if (k == NULL)
        return;
    pthread_mutex_lock(&k->stepping);
    pthread_mutex_unlock(&k->stepping);
}

void keeping_metrics(struct keeping_room *k, struct buf *out)
{
    pthread_mutex_lock(&k->lock);
    struct retention_stats s = k->stats;
    uint64_t failures = k->failures, holds_made = k->holds_made;
    pthread_mutex_unlock(&k->lock);
    const struct metric figures[] = {
        {"tocsin_journal_segments", "gauge", "Segments of the journal, cold ones with them.",
         (double)s.segments},
        {"tocsin_journal_cold_segments", "gauge", "Segments that are packed.", (double)s.cold_segments},
        {"tocsin_journal_cold_bytes", "gauge", "Bytes that the packed segments take.", (double)s.cold_bytes},
        {"tocsin_journal_cold_source_bytes", "gauge", "Bytes that they took before.",
         (double)s.segment_bytes},
        {"tocsin_retention_packed_total", "counter", "Segments that were packed.", (double)s.made_cold},
        {"tocsin_retention_drops_total", "counter", "Times that something was dropped from a segment.",
         (double)s.drops},
        {"tocsin_retention_dropped_records_total", "counter", "Records that were dropped.",
         (double)s.records_dropped},
        {"tocsin_retention_archived_total", "counter", "Segments that were copied to the archive.",
         (double)s.archived},
        {"tocsin_retention_failures_total", "counter", "Rounds that failed.", (double)failures},
        {"tocsin_retention_clock_distrusted", "gauge",
         "1: the clock jumped ahead, and nothing is dropped for a while.", (double)s.distrusts},
        {"tocsin_retention_holds", "gauge",
         "Holds that people made at run time; those of the configuration are not counted.",
         (double)holds_made},
        {"tocsin_retention_holds_limit", "gauge", "And how many there may be.", HOLDS_MAX},
    };
    metric_rows(out, figures, TC_ARRAY_LEN(figures));
}
