/*
 * The whole pipeline on a simulated disk, for tests of power cuts: a play of events is acted out, the power
 * is cut at every file call of it, unsynced writes are kept, dropped or shredded, and after the restart the
 * same must hold as without a cut: what was acknowledged is there once, the chain verifies, the alerts are
 * those of an uninterrupted run, each was told, and nothing was made twice.
 */
#ifndef APP_CORE_SIM_TESTKIT_H
#define APP_CORE_SIM_TESTKIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/core_priv.h"
#include "base/log.h"
#include "base/sim_fs.h"
#include "event/json.h"
#include "event/parse.h"
#include "journal/cold_make.h"
#include "store/statement.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS_MAX = 64, TOLD_MAX = 64, RESTARTS_MAX = 8 };
#define START_NS (INT64_C(1790000000) * TC_SECOND_NS)

/* What happens: rules, and the events of each step. */
struct play {
    const char *rules, *changed; /* before and after a reload */
    int steps, events_a_step;
    int64_t step_ns;
    size_t least_alerts; /* of an undisturbed run */
    /* Event i of a step, as JSON; *time_ns comes with the step's time, *repeat as 1. Returns the length. */
    size_t (*event)(int number, int i, int64_t *time_ns, uint32_t *repeat, char *out, size_t n);
};

/* What outlives a crash: the disk, the sender's memory of what was acknowledged, the receiver's of what it
 * was told. */
struct world {
    const struct play *play;
    struct sim_fs *disk;
    struct sim_clk clk;
    struct sim_rng rng;
    int acknowledged;        /* batches, in order */
    char told[TOLD_MAX][96]; /* keys of notifications, each time one arrived */
    size_t told_count;
    size_t decision_bytes;    /* of the core's options */
    int reload_at;            /* batches before other rules are put in force; 0: never */
    bool files_changed;       /* what a start reads */
    bool packs;               /* closed segments become cold as soon as they are closed */
    const char *digest_rules; /* in place of the play's, with a digest at 08:00, two hours east; or NULL */
    unsigned review_days;     /* of the core's options */
    struct core *core;
};

static inline size_t route(void *context, const struct alert *alert, enum severity severity,
                           enum notify_reason reason, const struct sv **ret)
{
    static const struct sv names[] = {{"test", 4}};
    (void)context, (void)alert;
    (void)severity;
    *ret = names;
    return reason == NOTIFY_NEW || reason == NOTIFY_COUNT_STEP;
}

static inline struct rule_source rules_of(const struct world *w)
{
    const char *text = w->digest_rules != NULL ? w->digest_rules
                       : w->files_changed      ? w->play->changed
                                               : w->play->rules;
    return (struct rule_source){.path = SV("rules.yml"), .bytes = sv_of(text)};
}

static inline int core_begin(struct world *w)
{
    struct rule_source rules[1];
    struct err err;
    rules[0] = rules_of(w);
    static const struct sv digest_channels[] = {{"mail", 4}};
    struct core_options o = {.fs = sim_fs_seam(w->disk),
                             .clk = &w->clk.clk,
                             .rng = &w->rng.rng,
                             .dir = "data",
                             .store_path = ":memory:",
                             .rules = rules,
                             .rule_count = 1,
                             .lateness_ns = 3600 * TC_SECOND_NS,
                             .dedup_window_ns = 3600 * TC_SECOND_NS,
                             .threads = 1,
                             .inline_commit = true,
                             .segment_bytes = 4096,
                             .decision_bytes = w->decision_bytes,
                             .checkpoint_every_ns = 4 * w->play->step_ns,
                             .digest_channels = digest_channels,
                             .digest_channel_count = w->digest_rules != NULL ? 1 : 0,
                             .digest_at_s = 8 * 3600,
                             .review_days = w->review_days,
                             .zone_offset_s = 2 * 3600,
                             .context = w,
                             .route = route};
    return core_open(&o, &w->core, &err);
}

/* Events of one batch; their times follow from the number alone, so a repeat after a crash is the same. */
static inline void batch_blocks(const struct play *play, int number, struct buf *out)
{
    struct arena arena = {0};
    for (int i = 0; i < play->events_a_step; i++) {
        char text[256];
        int64_t time_ns = START_NS + number * play->step_ns + i;
        uint32_t repeat = 1;
        struct parse_state state;
        struct event event;
        size_t n = play->event(number, i, &time_ns, &repeat, text, sizeof text);
        assert_true(n < sizeof text);
        parse_state_init(&state, 0, 0, 0);
        parse_record(parser_find(SV("json")), &state, sv_make(text, n), &arena, &event);
        event.source = SV("http:test");
        event.time.ns = time_ns;
        event.repeat = repeat;
        event.received.ns = START_NS + number * play->step_ns;
        record_encode(&event, out);
    }
    arena_free(&arena);
}

/* The sender: posts a batch with its key; a repeat of one that was stored counts as acknowledged. */
static inline int send_batch(struct world *w, int number)
{
    struct buf blocks;
    struct err err;
    buf_init(&blocks, 1 << 20);
    batch_blocks(w->play, number, &blocks);
    struct journal_batch batch = {.kind = BATCH_INPUT,
                                  .received = {START_NS + number * w->play->step_ns},
                                  .has_key = true,
                                  .blocks = buf_view(&blocks),
                                  .count = (uint32_t)w->play->events_a_step};
    memcpy(batch.key, &number, sizeof number);
    int rc = journal_append_wait(core_journal(w->core), &batch, &(uint64_t){0}, &err);
    buf_free(&blocks);
    return rc == TC_EEXIST ? 0 : rc;
}

static inline int tell(void *context, const struct outbox_row *row)
{
    struct world *w = context;
    assert_true(w->told_count < TOLD_MAX);
    snprintf(w->told[w->told_count++], sizeof w->told[0], "%.*s", SV_FMT(row->key));
    return 0;
}

/* The courier: delivers what is due (the receiver has it from then on), then makes the receipts durable. */
static inline int deliver(struct world *w)
{
    int64_t next;
    struct err err;
    size_t before = w->told_count;
    int rc = store_outbox_due(w->core->store, w->clk.now_ns, 16, tell, w, &next, &err);
    for (size_t i = before; rc == 0 && i < w->told_count; i++)
        rc = core_receipt(w->core, &(struct receipt){.key = sv_of(w->told[i]), .status = SV("sent")});
    return rc;
}

static inline int step(struct world *w)
{
    struct err err;
    int rc = core_step(w->core, &err);
    if (rc == 0)
        rc = deliver(w);
    return rc == 0 ? core_step(w->core, &err) : rc;
}

static inline int reload(struct world *w)
{
    struct core_reloaded reloaded;
    struct err err;
    w->files_changed = true;
    struct rule_source rules[1] = {rules_of(w)};
    struct core_options wanted = {.rules = rules, .rule_count = 1, .dedup_window_ns = 3600 * TC_SECOND_NS};
    int rc = core_reload(w->core, &wanted, &reloaded, &err);
    return rc == 0 ? step(w) : rc;
}

/* All closed segments become cold; a second life begins with what the first one left lying. */
static inline int make_cold(struct world *w)
{
    struct segment_list list;
    struct err err;
    const struct fs *fs = sim_fs_seam(w->disk);
    int rc = cold_clean(fs, "data", &err);
    if (rc == 0)
        rc = segment_list_read(fs, "data", &list, &err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i + 1 < list.n; i++) {
        rc = cold_make(fs, "data", list.first[i], clk_now(&w->clk.clk), &err);
        rc = rc == TC_ENOTFOUND ? 0 : rc; /* it is already */
    }
    segment_list_free(&list);
    return rc;
}

/* Goes on from where the sender stands until everything is acknowledged and judged, or the power is cut. */
static inline int run(struct world *w)
{
    int rc = core_begin(w);
    while (rc == 0 && w->acknowledged < w->play->steps) {
        w->clk.now_ns = START_NS + w->acknowledged * w->play->step_ns;
        if (w->reload_at > 0 && w->acknowledged == w->reload_at && !w->files_changed)
            rc = reload(w);
        if (rc == 0)
            rc = send_batch(w, w->acknowledged);
        if (rc == 0) {
            w->acknowledged++;
            rc = step(w);
        }
        if (rc == 0 && w->packs)
            rc = make_cold(w);
    }
    if (rc == 0)
        rc = step(w);
    return rc;
}

/* All alerts of the book, without what depends on receive times. */
static inline void alerts_text(struct world *w, struct buf *out)
{
    for (size_t i = 0; i < book_count(w->core->book); i++) {
        const struct alert *a = book_at(w->core->book, i);
        buf_printf(out, "%s %.*s %s count %llu %lld..%lld\n", a->id, SV_FMT(a->title),
                   alert_state_name(a->state), (unsigned long long)a->count, (long long)a->first_ns,
                   (long long)a->last_ns);
    }
}

static inline bool says_created(struct sv decision)
{
    struct arena arena = {0};
    struct event json = {.time = {TC_NO_TIME}};
    struct err err;
    assert_int_equal(0, json_parse_event(decision, &arena, &json, &err));
    event_index(&json, &arena);
    bool created = sv_is(event_value(&json, "what"), "created");
    arena_free(&arena);
    return created;
}

static inline void check_journal(struct world *w)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    struct err err;
    bool seen[STEPS_MAX] = {false};
    uint64_t created = 0;
    if (journal_reader_open(sim_fs_seam(w->disk), "data", 0, NULL, &reader, &err) != 0)
        fail_msg("%s", err.text);
    int rc;
    while ((rc = journal_reader_next(reader, &frame, &err)) > 0) {
        if (frame.kind == BATCH_INPUT) {
            int number;
            memcpy(&number, frame.key, sizeof number);
            assert_true(number >= 0 && number < w->play->steps);
            assert_false(seen[number]); /* once */
            assert_int_equal(w->play->events_a_step, frame.count);
            seen[number] = true;
        }
        struct sv rest = frame.blocks;
        for (uint64_t i = 0; i < frame.count; i++) {
            struct event e;
            size_t n = record_length(rest);
            assert_int_equal(0, record_decode_envelope(sv_head(rest, n), &e, &err));
            created += e.type == REC_DECISION && says_created(e.raw);
            rest = sv_from(rest, n);
        }
    }
    assert_int_equal(0, rc);
    journal_reader_close(&reader);
    for (int i = 0; i < w->acknowledged; i++)
        assert_true(seen[i]);
    assert_int_equal(book_count(w->core->book), created); /* no alert was decided twice */
    struct journal_verify_report report;
    assert_int_equal(0, journal_verify(sim_fs_seam(w->disk), "data", &report, &err));
}

static inline void check_told(const struct world *w, const struct world *calm)
{
    for (size_t i = 0; i < calm->told_count; i++) {
        bool found = false;
        for (size_t j = 0; j < w->told_count; j++)
            found |= strcmp(calm->told[i], w->told[j]) == 0;
        assert_true(found);
    }
    for (size_t j = 0; j < w->told_count; j++) { /* and nothing else was said: a repeat bears the same key */
        bool known = false;
        for (size_t i = 0; i < calm->told_count; i++)
            known |= strcmp(calm->told[i], w->told[j]) == 0;
        assert_true(known);
    }
}

static inline void world_begin(struct world *w, const struct play *play, uint64_t seed)
{
    *w = (struct world){.play = play};
    w->disk = sim_fs_new(0);
    sim_clk_init(&w->clk, START_NS);
    sim_rng_init(&w->rng, seed);
}

static inline void world_end(struct world *w)
{
    core_abandon(&w->core);
    sim_fs_free(&w->disk);
}

static inline uint64_t calm_run(struct world *calm, const struct play *play, size_t decision_bytes,
                                int reload_at, bool packs, struct buf *alerts)
{
    world_begin(calm, play, 1);
    calm->packs = packs;
    calm->decision_bytes = decision_bytes;
    calm->reload_at = reload_at;
    assert_int_equal(0, run(calm));
    uint64_t calls = sim_fs_calls(calm->disk);
    alerts_text(calm, alerts);
    assert_true(book_count(calm->core->book) >= play->least_alerts);
    check_journal(calm);
    return calls;
}

static inline void cut_everywhere(const struct play *play, enum sim_fs_mode mode, uint64_t seed,
                                  size_t decision_bytes, int reload_at, bool packs)
{
    struct world calm;
    struct buf expected, got;
    buf_init(&expected, 1 << 20);
    buf_init(&got, 1 << 20);
    uint64_t calls = calm_run(&calm, play, decision_bytes, reload_at, packs, &expected);
    uint64_t cuts = 0;
    assert_true(calls > 100);
    for (uint64_t at = 1; at <= calls; at++, cuts++) {
        struct world w;
        world_begin(&w, play, seed + at);
        w.decision_bytes = decision_bytes;
        w.reload_at = reload_at;
        w.packs = packs;
        sim_fs_cut_at(w.disk, at);
        int rc = run(&w), restarts = 0;
        /* a failure of the last calls may not matter to the run, but the disk is dead */
        while (rc != 0 || sim_fs_is_cut(w.disk)) {
            assert_true(restarts++ < RESTARTS_MAX);
            core_abandon(&w.core);
            sim_fs_crash(w.disk, seed * 31 + at, mode);
            rc = run(&w);
        }
        sim_fs_cut_at(w.disk, 0); /* a run after a crash may be shorter than the calm one */
        buf_clear(&got);
        alerts_text(&w, &got);
        if (!sv_eq(buf_view(&expected), buf_view(&got))) {
            print_message("cut at call %llu, mode %d: expected\n%.*sgot\n%.*s", (unsigned long long)at,
                          (int)mode, SV_FMT(buf_view(&expected)), SV_FMT(buf_view(&got)));
            fail();
        }
        check_journal(&w);
        check_told(&w, &calm);
        world_end(&w);
    }
    print_message("%llu cut points\n", (unsigned long long)cuts);
    world_end(&calm);
    buf_free(&expected);
    buf_free(&got);
}

/* Torn tails are what these tests make: their warnings would drown the rest. */
static inline void no_log(void *context, enum log_level level, const char *room, const char *text)
{
    (void)context;
    (void)level;
    (void)room;
    (void)text;
}

#endif
