/*
 * The core: the fold over the journal. One thread reads records in order, judges events, keeps the book of
 * alerts, writes decisions back, and projects them into the store.
 *
 * Order of commit: input durable -> decision durable -> send -> receipt. A decision frame bears the position
 * of the last record that it is the result of (`consumed`). Recovery loads the newest checkpoint, replays
 * what follows, and swallows decisions whose cause is at or before the last `consumed`: they were said
 * already. What was not yet said is said now. The store is only a projection: while it fails, the core goes
 * on and shows it later what it missed.
 *
 * What is in force (rules, lateness, windows of alerts) is a record too (REC_ACTIVATED, contents in
 * DIR/objects/<sha256>), so a replay judges old records by the rules of their time.
 */
#ifndef APP_CORE_H
#define APP_CORE_H

#include "alert/alert.h"
#include "app/delivery.h"
#include "app/sources.h"
#include "base/histogram.h"
#include "detect/detect.h"
#include "journal/journal.h"
#include "store/store.h"

struct latencies { /* filled by the core and its journal */
    struct histogram durable, decided, sent;
};

struct core_options {
    const struct fs *fs;
    const struct clk *clk;
    const struct rng *rng;
    const char *dir;
    const char *store_path;          /* DIR/state.sqlite, or ":memory:" in simulations */
    const struct rule_source *rules; /* what is to be in force from now on */
    size_t rule_count;
    int64_t lateness_ns, dedup_window_ns, resolve_after_ns;
    const uint64_t *count_steps;      /* ends with 0; NULL = 10, 50, 100 */
    const struct source_watch *watch; /* sources whose silence is told */
    size_t watch_count;
    unsigned threads;
    bool inline_commit;          /* simulation: no threads at all; the caller drives core_step */
    struct latencies *latencies; /* NULL: nobody asks */
    uint64_t reserve_file_bytes; /* see journal.h */
    uint64_t segment_bytes;      /* 0: the journal's default */
    size_t decision_bytes;       /* decisions past it leave in a frame of their own; 0 = 8 MiB */
    int64_t checkpoint_every_ns; /* 0 = 30 s */
    void *context;               /* of the callbacks, called on the core's thread */
    /* Names of the channels that take this severity, in order. */
    size_t (*route)(void *context, enum severity severity, const struct sv **ret_channels);
    void (*outbox_filled)(void *context);                 /* rows are due */
    void (*changed)(void *context, struct sv alert_json); /* an alert changed; NULL: nobody listens */
    void (*delivery)(void *context, bool held); /* delivery is held back, or let go; NULL: nobody asks */
};

struct core;
/* Opens the journal, recovers to its end, activates the rules. ret_notes: what was refused is in
 * core_ruleset's notes. */
int core_open(const struct core_options *options, struct core **ret, struct err *err);
/* Starts the thread (not with inline_commit). */
int core_start(struct core *core, struct err *err);
/* Ends the thread after what is durable has been judged, or after 5 s of it (the next start goes on from
 * there), writes a checkpoint, closes. NULL is allowed. */
void core_close(struct core **core);
/* As a crash would: closes files without a checkpoint. For simulations. */
void core_abandon(struct core **core);

struct journal *core_journal(struct core *core);
const struct ruleset *core_ruleset(const struct core *core);
bool core_ready(const struct core *core);
/* Stopped after an error: nothing is judged until a restart. */
bool core_failed(struct core *core);
/* Judges all that is durable and not judged yet, in batches; between them ticks, counts and checkpoints that
 * are due, so that a core that lags behind does not go without. Called by the thread, or by a simulation.
 * After a failure every call fails. */
int core_step(struct core *core, struct err *err);
int core_checkpoint(struct core *core, struct err *err);

/* Makes the command a record and waits until it is applied. Any thread but the core's. */
int core_command(struct core *core, const struct alert_command *command, struct buf *ret_json,
                 struct err *err);
/* Whether delivery is held back, since when and why. Any thread. */
void core_delivery(struct core *core, struct delivery_state *ret);
/* Makes a receipt durable (notify's callback). Any thread but the core's. */
int core_receipt(struct core *core, struct sv key, struct sv status, struct sv detail);

struct core_stats {
    uint64_t position, events, findings, decisions, intents, alerts_in_memory, lag;
    uint64_t sources, sources_silent;
    bool store_behind; /* the store fails: lists and notifications wait for it, judging does not */
    struct detector_stats detector;
    struct journal_recovery recovery;
};
/* Appends per-source counters, Prometheus text format; at most a second old. */
void core_source_metrics(struct core *core, struct buf *out);
void core_stats(struct core *core, struct core_stats *ret);

#endif
