/*
 * The core's life: open and recover, the thread, commands and receipts from outside, close. See core.h for
 * the order of things.
 */
#include "app/core_priv.h"

#include "base/json_out.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_NS (INT64_C(86400) * TC_SECOND_NS)
enum {
    PRUNE_EVERY_S = 600,
    KEEP_SENT_DAYS = 7,
    KEEP_ENDED_DAYS = 90,
    CHECKPOINT_EVERY_S = 30,
    SHOW_COUNTS_EVERY_MS = 250,
    TICK_EVERY_S = 1,
    TICK_IDLE_S = 10,
    TRY_STORE_EVERY_S = 5,
    STOP_WITHIN_S = 5
};

/* --- opening and recovery
 * -------------------------------------------------------------------------------------------- */

static void blank(struct core *core)
{
    struct err err;
    struct detector_options options = {
        .lateness_ns = core->options.lateness_ns, .receive_time_stands_in = true, .pool = core->pool};
    tc_assert(ruleset_new(NULL, 0, &core->ruleset, &err) == 0);
    if (core->oncall == NULL)
        tc_assert(oncall_read("", SV(""), NULL, NULL, &core->oncall, &err) == 0);
    core->detector = detector_new(core->ruleset, &options);
    core->book = book_new(&(struct alert_options){0});
    positions_clear(&core->positions);
    telling_of_options(core);
    buf_clear(&core->activated);
}

static int open_journal(struct core *core, struct err *err)
{
    const struct core_options *o = &core->options;
    struct journal_options options = {.fs = o->fs,
                                      .clk = o->clk,
                                      .rng = o->rng,
                                      .dir = o->dir,
                                      .segment_bytes = o->segment_bytes,
                                      .segment_age_ns = o->segment_age_ns,
                                      .durable = o->latencies == NULL ? NULL : &o->latencies->durable,
                                      .reserve_file_bytes = o->reserve_file_bytes,
                                      .inline_commit = o->inline_commit,
                                      .before_commit = o->before_commit,
                                      .before_context = o->context};
    int rc = fs_make_dirs(o->fs, o->dir, err);
    if (rc == 0)
        rc = journal_open(&options, &core->journal, &core->recovery, err);
    if (rc == 0 && core->recovery.torn_bytes > 0)
        log_warn("journal",
                 "cut a torn tail of %llu bytes off %s: it was being written when the process ended, nobody "
                 "was told of it",
                 (unsigned long long)core->recovery.torn_bytes, core->recovery.torn_file);
    return rc;
}

static int open_store(struct core *core, struct err *err)
{
    uint64_t epoch;
    int rc = store_open(core->options.store_path, &core->store, err);
    if (rc == 0)
        rc = store_applied(core->store, &core->projected, &epoch, err);
    if (rc != 0)
        return rc;
    bool foreign = core->projected > 0 &&
                   (epoch != journal_epoch(core->journal) || core->projected >= journal_end(core->journal));
    core->own_from = journal_end(core->journal);
    if (!foreign)
        return 0;
    /* it shows another journal: the projection is made anew */
    log_warn("store", "%s does not belong to this journal; it is rebuilt", core->options.store_path);
    char path[4096];
    store_close(&core->store);
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < TC_ARRAY_LEN(endings); i++) {
        snprintf(path, sizeof path, "%s%s", core->options.store_path, endings[i]);
        fs_system.unlink(&fs_system, path);
    }
    core->projected = 0;
    return store_open(core->options.store_path, &core->store, err);
}

typedef int (*frame_fn)(struct core *core, const struct journal_frame *frame, struct err *err);

/* Every durable frame that holds records after `position`. */
static int each_frame(struct core *core, uint64_t position, frame_fn each, struct err *err)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    int rc =
        journal_reader_open(core->options.fs, core->options.dir, position + 1, core->journal, &reader, err);
    if (rc != 0)
        return rc;
    while ((rc = journal_reader_next(reader, &frame, err)) > 0) {
        int each_rc = frame.first + frame.count - 1 <= position ? 0 : each(core, &frame, err);
        if (each_rc != 0) {
            rc = each_rc;
            break;
        }
    }
    journal_reader_close(&reader);
    return rc;
}

static int note_said(struct core *core, const struct journal_frame *frame, struct err *err)
{
    if (frame->kind != BATCH_DECISION)
        return 0;
    core->said = TC_MAX(core->said, frame->consumed);
    struct sv rest = frame->blocks;
    for (uint64_t i = 0; i < frame->count; i++) { /* records that say more than `consumed` does */
        struct event record;
        int rc = record_decode_envelope(sv_head(rest, record_length(rest)), &record, err);
        if (rc != 0)
            return rc;
        uint64_t cause = record.source_position;
        if (cause > frame->consumed) {
            core->half_count = cause == core->half_said ? core->half_count + 1 : 1;
            core->half_said = cause;
        }
        rest = sv_from(rest, record_length(rest));
    }
    return 0;
}

/* What the checkpoint's fold has passed but the store does not show. */
static int catch_up(struct core *core, const struct journal_frame *frame, struct err *err)
{
    uint64_t last = frame->first + frame->count - 1;
    if (last > core->checkpoint_position)
        return 0;
    int rc = project_frame(core, frame, err);
    return rc == 0 ? project_settle(core, last, err) : rc;
}

static int fold_frame(struct core *core, const struct journal_frame *frame, struct err *err)
{
    if (frame->first + frame->count - 1 <= core->position)
        return 0;
    bool is_own = frame->kind == BATCH_DECISION && frame->first >= core->own_from;
    if (!is_own && frame->kind != BATCH_INPUT && frame->first + frame->count - 1 > core->projected) {
        int rc = project_frame(core, frame, err);
        if (rc != 0)
            return rc;
    }
    return fold_add(core, frame, err);
}

/* One batch, more or less, of what is durable. *ret_more: there may be more. */
static int read_some(struct core *core, bool *ret_more, struct err *err)
{
    struct journal_frame frame;
    uint64_t records = 0;
    int rc = 1;
    while (records < CORE_BATCH_RECORDS && (rc = journal_reader_next(core->reader, &frame, err)) > 0) {
        rc = fold_frame(core, &frame, err);
        if (rc != 0)
            return rc;
        records += frame.count;
    }
    *ret_more = records >= CORE_BATCH_RECORDS;
    return rc < 0 ? rc : fold_flush(core, err);
}

static int read_on(struct core *core, struct err *err)
{
    int rc = 0;
    for (bool more = true; rc == 0 && more;)
        rc = read_some(core, &more, err);
    return rc;
}

/* Makes what the options ask for the newest REC_ACTIVATED, unless it is that already. */
static int activate_wanted(struct core *core, struct err *err)
{
    struct buf json, block;
    buf_init(&json, CORE_JSON_BYTES);
    buf_init(&block, CORE_JSON_BYTES + 4096);
    int rc = activate_json(core, &core->options, &json, err);
    if (rc == 0 && !sv_eq(buf_view(&json), buf_view(&core->activated))) {
        struct receive_time now = clk_now(core->options.clk);
        record_encode_plain(REC_ACTIVATED, CLASS_AUDIT, SV("self"), now, (struct event_time){TC_NO_TIME},
                            buf_view(&json), &block);
        struct journal_batch batch = {
            .kind = BATCH_CONTROL, .received = now, .blocks = buf_view(&block), .count = 1};
        rc = journal_append_wait(core->journal, &batch, &(uint64_t){0}, err);
        if (rc == 0)
            rc = read_on(core, err);
    }
    buf_free(&json);
    buf_free(&block);
    return rc;
}

static int recover(struct core *core, struct err *err)
{
    int rc = checkpoint_read(core, err);
    if (rc == 0 && core->ruleset == NULL)
        blank(core);
    rc = each_frame(core, core->position, note_said, err);
    if (rc == 0 && core->projected < core->checkpoint_position)
        rc = each_frame(core, core->projected, catch_up, err);
    if (rc == 0)
        rc = journal_reader_open(core->options.fs, core->options.dir, core->position + 1, core->journal,
                                 &core->reader, err);
    if (rc == 0)
        rc = read_on(core, err);
    if (rc == 0)
        rc = activate_wanted(core, err);
    if (rc == 0)
        rc = project_changed(core, true, err);
    return rc;
}

static void take_stats(struct core *core)
{
    pthread_mutex_lock(&core->lock);
    core->stats.position = core->position;
    core->stats.rules = ruleset_count(core->ruleset);
    core->stats.alerts_in_memory = book_count(core->book);
    core->stats.store_behind = core->store_behind;
    core->stats.overrides = core->overrides.count;
    core->stats.incidents = core->incidents.count;
    core->stats.silences = book_silence_count(core->book);
    if (core->stats.silences > 0 &&
        clk_monotonic_ns(core->options.clk) - core->silences_mono_ns > TC_SECOND_NS)
        core_show_silences(core, clk_now(core->options.clk).ns);
    core->delivery_shown = core->delivery;
    core_show_sources(core);
    core->stats.events = core->counts.events;
    core->stats.findings = core->counts.findings;
    core->stats.decisions = core->counts.decisions;
    core->stats.intents = core->counts.intents;
    core->stats.recovery = core->recovery;
    detector_stats(core->detector, &core->stats.detector);
    rules_take_costs(core);
    pthread_mutex_unlock(&core->lock);
}

int core_open(const struct core_options *options, struct core **ret, struct err *err)
{
    struct core *core = tc_alloc(sizeof *core);
    core->options = *options;
    core->events = tc_alloc(CORE_BATCH_RECORDS * sizeof core->events[0]);
    core->run = tc_alloc(CORE_BATCH_RECORDS * sizeof core->run[0]);
    core->findings.arena = core->decisions.arena = &core->batch;
    positions_init(&core->positions);
    buf_init(&core->activated, CORE_JSON_BYTES);
    watchdog_init(&core->watchdog);
    buf_init(&core->source_text, 1 << 20);
    buf_init(&core->source_json, 4 << 20);
    if (core->options.decision_bytes == 0)
        core->options.decision_bytes = CORE_DECISION_BYTES;
    buf_init(&core->blocks, core->options.decision_bytes + CORE_JSON_BYTES + 4096);
    buf_init(&core->json, CORE_JSON_BYTES);
    buf_init(&core->news, CORE_JSON_BYTES);
    buf_init(&core->silences_shown, CORE_JSON_BYTES);
    buf_init(&core->prepared_json, CORE_JSON_BYTES);
    pthread_mutex_init(&core->reloading, NULL);
    pthread_mutex_init(&core->lock, NULL);
    pthread_mutex_init(&core->oncall_lock, NULL);
    pthread_cond_init(&core->changed, NULL);
    core->pool = options->threads > 1 ? pool_new(options->threads) : NULL;
    int rc = open_journal(core, err);
    if (rc == 0)
        rc = open_store(core, err);
    if (rc == 0) {
        blank(core);
        rc = recover(core, err);
    }
    if (rc != 0) {
        core_abandon(&core);
        return rc;
    }
    core->last_checkpoint_mono_ns = core->flushed_mono_ns = clk_monotonic_ns(options->clk);
    core_show_silences(core, clk_now(options->clk).ns);
    take_stats(core);
    atomic_store(&core->ready, true);
    *ret = core;
    return 0;
}

/* --- going on
 * -------------------------------------------------------------------------------------------------------- */

/*
 * Whether a timer may be about to fire, so that the next tick is due a second after the last. Where none is,
 * ticks are TICK_IDLE_S apart: each is a frame of 232 bytes, 20 MB a day at one a second. Whoever adds a
 * timer to the fold adds it here. (A replay does not ask: it has the ticks that were written.)
 */
static bool timer_waits(const struct core *core, int64_t now_ns)
{
    return detector_waits(core->detector) || book_due_ns(core->book) <= now_ns ||
           watchdog_waits(&core->watchdog, core->detector) || digest_waits(core, now_ns);
}

static int tick_if_due(struct core *core, struct err *err)
{
    struct receive_time now = clk_now(core->options.clk);
    /* a clock that was set back does not stop the ticks for long: the next one is due after a second of its
     * own time */
    int64_t since_ns = now.ns - core->last_tick_ns;
    if (since_ns >= 0 && since_ns < TICK_EVERY_S * TC_SECOND_NS)
        return 0;
    if (since_ns >= 0 && since_ns < TICK_IDLE_S * TC_SECOND_NS && !timer_waits(core, now.ns))
        return 0;
    struct buf block;
    buf_init(&block, 4096);
    record_encode_plain(REC_TICK, CLASS_DEBUG, SV("self"), now, (struct event_time){TC_NO_TIME},
                        (struct sv){0}, &block);
    struct journal_batch batch = {
        .kind = BATCH_CONTROL, .received = now, .blocks = buf_view(&block), .count = 1};
    int rc = journal_append(core->journal, &batch, NULL, NULL, NULL, err);
    core->last_tick_ns = now.ns;
    buf_free(&block);
    return rc == TC_EAGAIN ? 0 : rc;
}

int core_checkpoint(struct core *core, struct err *err)
{
    int rc = project_changed(core, false, err);
    return rc == 0 ? checkpoint_write(core, err) : rc;
}

static int show_counts_if_due(struct core *core, struct err *err)
{
    int64_t now_ns = clk_monotonic_ns(core->options.clk);
    if (!core->store_dirty || now_ns - core->flushed_mono_ns <= SHOW_COUNTS_EVERY_MS * (TC_SECOND_NS / 1000))
        return 0;
    core->flushed_mono_ns = now_ns;
    return project_changed(core, false, err);
}

/*
 * What was sent long ago and alerts that ended long ago leave the store; the journal keeps them. By the
 * journal's time, and a bounded number at once: the rest next time.
 */
static int prune_if_due(struct core *core, struct err *err)
{
    int64_t now_ns = clk_monotonic_ns(core->options.clk), tick_ns = core->last_tick_ns;
    if (core->store_behind || tick_ns == 0 || core->in_transaction ||
        (core->pruned_mono_ns != 0 && now_ns - core->pruned_mono_ns < PRUNE_EVERY_S * TC_SECOND_NS))
        return 0;
    core->pruned_mono_ns = TC_MAX(now_ns, (int64_t)1);
    return project_prune(core, tick_ns - KEEP_SENT_DAYS * DAY_NS, tick_ns - KEEP_ENDED_DAYS * DAY_NS, err);
}

/* Without a checkpoint the next start takes longer: no reason to stop judging. */
static int checkpoint_if_due(struct core *core, struct err *err)
{
    struct err why;
    int64_t every_ns = core->options.checkpoint_every_ns > 0 ? core->options.checkpoint_every_ns
                                                             : CHECKPOINT_EVERY_S * TC_SECOND_NS;
    int64_t now_ns = clk_monotonic_ns(core->options.clk);
    if (now_ns - core->last_checkpoint_mono_ns <= every_ns)
        return 0;
    core->last_checkpoint_mono_ns = now_ns;
    int rc =
        project_changed(core, false, err); /* so that the next start need not look far back for the store */
    if (rc == 0 && checkpoint_write(core, &why) != 0)
        log_warn("core", "no checkpoint: %s; trying again later", why.text);
    return rc;
}

/* Nobody who waits is left waiting. */
static void fail_waiters(struct core *core, const struct err *err)
{
    pthread_mutex_lock(&core->lock);
    core->failed = true;
    for (struct waiter *w = core->waiters; w != NULL; w = w->next) {
        w->done = true;
        w->rc = err->code;
        w->err = *err;
    }
    pthread_cond_broadcast(&core->changed);
    pthread_mutex_unlock(&core->lock);
}

/* The store failed: where it is able again, it is shown what it missed. */
static int show_missed_if_due(struct core *core, struct err *err)
{
    if (!core->store_behind ||
        clk_monotonic_ns(core->options.clk) - core->behind_mono_ns < TRY_STORE_EVERY_S * TC_SECOND_NS ||
        !project_is_able(core))
        return 0;
    int rc = each_frame(core, core->shown, project_frame, err);
    if (rc == 0)
        rc = project_changed(core, true, err);
    if (rc == 0 && !core->store_behind) {
        core->behind_told = false;
        log_info("store", "%s is written again and shows all", core->options.store_path);
    }
    return rc;
}

static bool must_end(struct core *core)
{
    if (!atomic_load(&core->stop))
        return false;
    int64_t now_ns = clk_monotonic_ns(core->options.clk);
    if (core->stop_mono_ns == 0)
        core->stop_mono_ns = now_ns;
    return now_ns - core->stop_mono_ns > STOP_WITHIN_S * TC_SECOND_NS;
}

int core_step(struct core *core, struct err *err)
{
    int rc = core->failed ? err_set(err, TC_EIO, "the core has stopped after an error: see the log") : 0;
    for (bool more = true; rc == 0 && more && !must_end(core);) {
        rc = tick_if_due(core, err);
        if (rc == 0)
            rc = read_some(core, &more, err);
        if (rc == 0)
            rc = show_missed_if_due(core, err);
        if (rc == 0)
            rc = show_counts_if_due(core, err);
        if (rc == 0)
            rc = prune_if_due(core, err);
        if (rc == 0)
            rc = checkpoint_if_due(core, err);
        take_stats(core);
    }
    if (rc != 0) {
        atomic_store(&core->ready, false);
        fail_waiters(core, err);
    }
    return rc;
}

static void *core_main(void *context)
{
    struct core *core = context;
    struct err err;
    for (bool stopping = false; !stopping;) {
        stopping =
            atomic_load(&core->stop); /* seen before the last step, so that step judges everything durable */
        if (core_step(core, &err) != 0) {
            log_error("core", "%s; no more alerts are made until this is mended and tocsin is restarted",
                      err.text);
            return NULL;
        }
        if (!stopping)
            journal_wait(core->journal, core->position + 1,
                         core->store_dirty ? TC_SECOND_NS / 10 : TC_SECOND_NS / 2);
    }
    return NULL;
}

int core_start(struct core *core, struct err *err)
{
    int rc = pthread_create(&core->thread, NULL, core_main, core);
    if (rc != 0) {
        errno = rc;
        return err_sys(err, "cannot start the core's thread");
    }
    core->thread_started = true;
    return 0;
}

/* --- from outside
 * ---------------------------------------------------------------------------------------------------- */

static void waiter_remove(struct core *core, struct waiter *waiter)
{
    struct waiter **at = &core->waiters;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
}

/* The journal's word; a record that it could not keep never comes to the core. */
static void note_told(void *context, int rc, uint64_t first)
{
    struct waiter *waiter = context;
    struct core *core = waiter->core;
    (void)first;
    pthread_mutex_lock(&core->lock);
    waiter->told = true;
    if (rc != 0 && !waiter->done) {
        waiter->done = true;
        waiter->rc = rc == TC_EBOUND
                         ? err_set(&waiter->err, TC_EAGAIN, "the disk is full: free space, try again")
                         : err_set(&waiter->err, rc, "the journal could not keep it: see the log");
    }
    pthread_cond_broadcast(&core->changed);
    pthread_mutex_unlock(&core->lock);
}

/* core->lock is held, also over the append, so that the core cannot answer before the waiter stands. */
static int append_and_wait(struct core *core, const struct journal_batch *batch, struct waiter *waiter,
                           struct err *err)
{
    int rc = core->failed ? err_set(err, TC_EIO, "the core has stopped after an error: see the log")
                          : journal_append(core->journal, batch, note_told, waiter, &waiter->position, err);
    if (rc != 0)
        return rc;
    waiter->next = core->waiters;
    core->waiters = waiter;
    while (!waiter->done || !waiter->told)
        pthread_cond_wait(&core->changed, &core->lock);
    waiter_remove(core, waiter);
    if (waiter->rc != 0 && err != NULL)
        *err = waiter->err;
    return waiter->rc;
}

int core_control(struct core *core, enum record_type type, struct sv json, struct buf *ret_json,
                 uint64_t *ret_position, struct err *err)
{
    struct buf block;
    struct waiter waiter = {.core = core, .json = ret_json};
    struct receive_time now = clk_now(core->options.clk);
    int rc;
    buf_init(&block, json.n + 4096);
    record_encode_plain(type, CLASS_AUDIT, SV("self"), now, (struct event_time){TC_NO_TIME}, json, &block);
    struct journal_batch batch = {.kind = BATCH_CONTROL,
                                  .received = now,
                                  .refuse_when_full = true,
                                  .blocks = buf_view(&block),
                                  .count = 1};
    if (core->options.inline_commit) {
        rc = journal_append_wait(core->journal, &batch, &waiter.position, err);
    } else {
        pthread_mutex_lock(&core->lock);
        rc = append_and_wait(core, &batch, &waiter, err);
        pthread_mutex_unlock(&core->lock);
    }
    *ret_position = waiter.position;
    buf_free(&block);
    return rc;
}

int core_command(struct core *core, const struct alert_command *command, struct buf *ret_json,
                 struct err *err)
{
    struct buf json;
    buf_init(&json, 1 << 20);
    struct json_out out = json_out_to(&json);
    json_object(&out);
    for (const struct alert_command_member *m = alert_command_members; m->name != NULL; m++)
        if (alert_command_at(command, m)->n > 0)
            json_kv_string(&out, m->name, *alert_command_at(command, m));
    json_object_end(&out);
    int rc = json.overflow ? err_set(err, TC_EINPUT, "the command is too long")
                           : core_control(core, REC_COMMAND, buf_view(&json), ret_json, &(uint64_t){0}, err);
    buf_free(&json);
    return rc;
}

/* The intent's key is what stands before the channel's name. */
static void note_sent(struct core *core, struct sv key)
{
    uint64_t hash = hash_64(sv_head(key, sv_find_char(key, ':')));
    int64_t now_ns = clk_monotonic_ns(core->options.clk);
    pthread_mutex_lock(&core->lock);
    for (size_t i = 0; i < TC_ARRAY_LEN(core->sending); i++)
        if (core->sending[i].key == hash && core->sending[i].mono_ns > 0) {
            duration_histogram_observe(&core->options.latencies->sent, now_ns - core->sending[i].mono_ns);
            break;
        }
    pthread_mutex_unlock(&core->lock);
}

int core_receipt(struct core *core, const struct receipt *receipt)
{
    if (core->options.latencies != NULL && sv_is(receipt->status, "sent"))
        note_sent(core, receipt->key);
    struct buf json, block;
    struct err err;
    buf_init(&json, 1 << 16);
    buf_init(&block, 1 << 17);
    struct json_out out = json_out_to(&json);
    json_object(&out);
    json_kv_string(&out, "key", receipt->key);
    json_kv_string(&out, "channel", receipt->channel);
    json_kv_string(&out, "status", receipt->status);
    json_kv_string(&out, "detail", sv_head(receipt->detail, 1024));
    json_kv_u64(&out, "attempts", receipt->attempts);
    json_kv_u64(&out, "code", receipt->code);
    json_kv_string(&out, "provider_id", receipt->provider_id);
    json_kv_string(&out, "error", sv_head(receipt->error, 1024));
    json_kv_string(&out, "fallback", receipt->fallback);
    json_object_end(&out);
    struct receive_time now = clk_now(core->options.clk);
    record_encode_plain(REC_RECEIPT, CLASS_AUDIT, SV("self"), now, (struct event_time){TC_NO_TIME},
                        buf_view(&json), &block);
    struct journal_batch batch = {
        .kind = BATCH_CONTROL, .received = now, .blocks = buf_view(&block), .count = 1};
    int rc = journal_append_wait(core->journal, &batch, &(uint64_t){0}, &err);
    buf_free(&json);
    buf_free(&block);
    return rc;
}

int core_rule_states(struct core *core, struct sv blocks, uint32_t count, struct err *err)
{
    struct journal_batch batch = {.kind = BATCH_CONTROL,
                                  .received = clk_now(core->options.clk),
                                  .refuse_when_full = true,
                                  .blocks = blocks,
                                  .count = count};
    struct waiter waiter = {.core = core};
    if (core->options.inline_commit)
        return journal_append_wait(core->journal, &batch, &(uint64_t){0}, err);
    pthread_mutex_lock(&core->lock);
    int rc = journal_append(core->journal, &batch, note_told, &waiter, NULL, err);
    while (rc == 0 && !waiter.told)
        pthread_cond_wait(&core->changed, &core->lock);
    pthread_mutex_unlock(&core->lock);
    if (rc == 0 && waiter.rc != 0 && err != NULL)
        *err = waiter.err;
    return rc == 0 ? waiter.rc : rc;
}

void core_each_firing(const struct core *core, book_firing_fn each, void *context)
{
    book_each_firing(core->book, each, context);
}

int core_audit(struct core *core, struct sv verb, struct sv name, struct sv subject, struct sv by,
               struct sv note, struct err *err)
{
    struct buf json, block;
    buf_init(&json, 1 << 20);
    buf_init(&block, (1 << 20) + 4096);
    struct json_out out = json_out_to(&json);
    json_object(&out);
    json_kv_string(&out, "verb", verb);
    json_key(&out, name);
    json_string(&out, subject);
    json_kv_string(&out, "by", by);
    json_kv_string(&out, "note", note);
    json_object_end(&out);
    struct receive_time now = clk_now(core->options.clk);
    record_encode_plain(REC_COMMAND, CLASS_AUDIT, SV("self"), now, (struct event_time){TC_NO_TIME},
                        buf_view(&json), &block);
    struct journal_batch batch = {
        .kind = BATCH_CONTROL, .received = now, .blocks = buf_view(&block), .count = 1};
    int rc = json.overflow || block.overflow
                 ? err_set(err, TC_EINPUT, "the command is too long")
                 : journal_append_wait(core->journal, &batch, &(uint64_t){0}, err);
    buf_free(&json);
    buf_free(&block);
    return rc;
}

struct journal *core_journal(struct core *core)
{
    return core->journal;
}

const struct ruleset *core_ruleset(const struct core *core)
{
    return core->ruleset;
}

bool core_ready(const struct core *core)
{
    return atomic_load(&core->ready);
}

bool core_failed(struct core *core)
{
    pthread_mutex_lock(&core->lock);
    bool failed = core->failed;
    pthread_mutex_unlock(&core->lock);
    return failed;
}

void core_each_position(const struct core *core, core_position_fn each, void *context)
{
    positions_each(&core->positions, each, context);
}

void core_delivery(struct core *core, struct delivery_state *ret)
{
    pthread_mutex_lock(&core->lock);
    *ret = core->delivery_shown;
    pthread_mutex_unlock(&core->lock);
}

void core_stats(struct core *core, struct core_stats *ret)
{
    pthread_mutex_lock(&core->lock);
    *ret = core->stats;
    pthread_mutex_unlock(&core->lock);
    uint64_t end = journal_end(core->journal);
    ret->lag = end > ret->position + 1 ? end - ret->position - 1 : 0;
}

/* --- the end
 * ---------------------------------------------------------------------------------------------------------
 */

void core_abandon(struct core **core_at)
{
    struct core *core = *core_at;
    if (core == NULL)
        return;
    journal_reader_close(&core->reader);
    journal_close(&core->journal);
    detector_free(&core->detector);
    book_free(&core->book);
    watchdog_free(&core->watchdog);
    ruleset_free(&core->ruleset);
    ruleset_free(&core->prepared);
    store_close(&core->store);
    pool_free(&core->pool);
    arena_free(&core->batch);
    buf_free(&core->activated);
    buf_free(&core->prepared_json);
    positions_free(&core->positions);
    oncall_free(&core->oncall);
    arena_free(&core->telling.arena);
    oncall_overrides_free(&core->overrides);
    incidents_free(&core->incidents);
    holds_free(&core->holds);
    buf_free(&core->silences_shown);
    buf_free(&core->source_text);
    buf_free(&core->source_json);
    free(core->costs.items);
    buf_free(&core->blocks);
    buf_free(&core->json);
    buf_free(&core->news);
    free(core->events);
    free(core->run);
    pthread_mutex_destroy(&core->reloading);
    pthread_mutex_destroy(&core->lock);
    pthread_mutex_destroy(&core->oncall_lock);
    pthread_cond_destroy(&core->changed);
    free(core);
    *core_at = NULL;
}

void core_close(struct core **core_at)
{
    struct core *core = *core_at;
    struct err err;
    if (core == NULL)
        return;
    atomic_store(&core->stop, true);
    if (core->thread_started)
        pthread_join(core->thread, NULL);
    if (!core->failed && core_checkpoint(core, &err) != 0)
        log_warn("core", "no checkpoint at the end: %s; the next start replays more", err.text);
    core_abandon(core_at);
}
