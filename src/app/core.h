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
#include "alert/oncall/oncall.h"
#include "app/delivery.h"
#include "app/holds.h"
#include "app/sources.h"
#include "base/duration_histogram.h"
#include "detect/detect.h"
#include "journal/journal.h"
#include "notify/notify.h"
#include "store/store.h"

struct core_data_file { /* named in the record of what is in force; not needed to replay */
    struct sv what;     /* "geoip" */
    struct sv path, sha256;
};

struct core_text { /* a file's contents that are in force: kept in DIR/objects, named in the record */
    struct sv path, bytes;
};

struct latencies { /* filled by the core and its journal */
    struct duration_histogram durable, decided, sent;
};

struct core_options {
    const struct fs *fs;
    const struct clk *clk;
    const struct rng *rng;
    const char *dir;
    const char *store_path;          /* DIR/state.sqlite, or ":memory:" in simulations */
    const struct rule_source *rules; /* what is to be in force from now on */
    size_t rule_count;
    struct sv policy; /* event/policy.h's lines: rules are judged by it; empty: none */
    int64_t lateness_ns, dedup_window_ns, resolve_after_ns;
    const uint64_t *count_steps; /* ends with 0; NULL = 10, 50, 100 */
    struct core_text oncall;     /* people, schedules, policies (alert/oncall); no path: nothing escalates */
    const struct core_text *calendars; /* that its schedules name */
    size_t calendar_count;
    struct alert_options response; /* what people are to do in what time: from acknowledge_within_ns on */
    const struct core_data_file *files; /* other files that facts of events come from */
    size_t file_count;
    const struct source_watch *watch; /* sources whose silence is told */
    size_t watch_count;
    unsigned threads;
    bool inline_commit;          /* simulation: no threads at all; the caller drives core_step */
    struct latencies *latencies; /* NULL: nobody asks */
    uint64_t reserve_file_bytes; /* see journal.h */
    uint64_t segment_bytes;      /* 0: the journal's default */
    int64_t segment_age_ns;      /* 0: any */
    /* journal_options.before_commit; called with `context` on the journal's thread. NULL: nothing to do */
    int (*before_commit)(void *context, struct err *err);
    size_t decision_bytes;       /* decisions past it leave in a frame of their own; 0 = 8 MiB */
    int64_t checkpoint_every_ns; /* 0 = 30 s */
    void *context;               /* of the callbacks, called on the core's thread */
    /* Names of the channels that are told of this alert, as one of this severity, for this reason, in order.
     */
    size_t (*route)(void *context, const struct alert *alert, enum severity severity,
                    enum notify_reason reason, const struct sv **ret_channels);
    const struct oncall_channel *channels; /* that there are, for policies of escalation */
    size_t channel_count;
    struct sv confirmation_channel;   /* by which users are asked whether that was them; n == 0: none */
    const struct sv *digest_channels; /* who gets the daily digest of P4 alerts; count 0: nobody */
    size_t digest_channel_count;
    unsigned review_days;           /* bit 0: Sunday; whose digest also lists every open alert (D-20) */
    int digest_at_s, zone_offset_s; /* its time: seconds after midnight of a zone (seconds east of UTC) */
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
/* What core_open put in force. Before core_start only: a reload frees it. */
const struct ruleset *core_ruleset(const struct core *core);
bool core_ready(const struct core *core);
/* Stopped after an error: nothing is judged until a restart. */
bool core_failed(struct core *core);
/* Judges all that is durable and not judged yet, in batches; between them ticks, counts and checkpoints that
 * are due, so that a core that lags behind does not go without. Called by the thread, or by a simulation.
 * After a failure every call fails. */
int core_step(struct core *core, struct err *err);
int core_checkpoint(struct core *core, struct err *err);

/*
 * Puts other rules (and windows of alerts, and files) in force while the core runs: `wanted` as for
 * core_open, of which only `rules`, `policy`, `dedup_window_ns`, `resolve_after_ns`, `count_steps`,
 * `response`, `oncall`, `calendars` and `files` are read. Rules are compiled on the calling thread; the
 * record of what is in force then goes into the journal, and the core changes over when it comes to it,
 * between two records. Rules that are the same (ruleset_compare) keep their windows and episodes; changed
 * ones begin anew; alerts stay as they are, also those of rules that are gone.
 *
 * A rule file that is refused refuses all: TC_EINPUT with its place, and nothing changes; but one that was
 * refused when it was put in force already (as a start allows) does not stand in the way. Waits until the
 * rules are in force (with inline_commit until the record is durable: the next core_step changes over). Any
 * thread but the core's; one at a time, others wait.
 */
struct core_reloaded {
    struct ruleset_difference rules;
    size_t rule_count;
    uint64_t position; /* of the record; 0: all of it was in force already */
};
int core_reload(struct core *core, const struct core_options *wanted, struct core_reloaded *ret,
                struct err *err);

/* Makes the command a record and waits until it is applied. Any thread but the core's. */
int core_command(struct core *core, const struct alert_command *command, struct buf *ret_json,
                 struct err *err);
/* Whether delivery is held back, since when and why. Any thread. */
void core_delivery(struct core *core, struct delivery_state *ret);
/* Makes a receipt durable (notify's callback). Any thread but the core's. */
int core_receipt(struct core *core, const struct receipt *receipt);

/* What positioned sources have read so far (REC_POSITION), the newest of each: a part of the fold, so it
 * agrees with the events that are kept. Before core_start only. `key` and `value` are lent. */
typedef void (*core_position_fn)(void *context, struct sv key, struct sv value);
void core_each_position(const struct core *core, core_position_fn each, void *context);

/* Makes records of rules on metrics (metric_record.h) durable: whole record blocks, one frame. Does not wait
 * for room on a full disk: TC_EAGAIN. Any thread but the core's. */
int core_rule_states(struct core *core, struct sv blocks, uint32_t count, struct err *err);
/* book_each_firing of the book as recovered. Before core_start only. */
void core_each_firing(const struct core *core, book_firing_fn each, void *context);

/* Makes an audit record {"verb", NAME: subject, "by", "note"} durable. `verb` begins with "vault_", and is
 * nothing to the book of alerts. Any thread but the core's. */
int core_audit(struct core *core, struct sv verb, struct sv name, struct sv subject, struct sv by,
               struct sv note, struct err *err);

/*
 * Who is on call. `schedule` empty: all. From `from_ns` to `to_ns` (a year at most, 10,000 shifts): a JSON
 * array of {schedule, from, to, person, name, layer, override}; from == to: who it is at that instant. Or as
 * a calendar (schedule is then needed). TC_ENOTFOUND, TC_EINPUT. Any thread.
 */
struct core_oncall_question {
    struct sv schedule;
    int64_t from_ns, to_ns;
    bool as_calendar;
};
int core_oncall(struct core *core, const struct core_oncall_question *question, struct buf *out,
                struct err *err);
/* The overrides that there are, the silences (at most a second old): JSON arrays. Any thread. */
void core_overrides_json(struct core *core, struct buf *out);
void core_silences_json(struct core *core, struct buf *out);
/* All incidents as a JSON array, or the one of that number as JSON or Markdown. TC_ENOTFOUND. Any thread. */
int core_incidents(struct core *core, struct sv number, bool markdown, struct buf *out, struct err *err);

/* A copy of the holds that people made at run time; holds_free is the caller's. Any thread. */
void core_holds(struct core *core, struct holds *ret);

/* In a sentence: by which policy the alert escalates, and whom its next step tells when. Any thread. */
void core_explain_escalation(struct core *core, const struct alert *alert, struct buf *out);

struct core_stats {
    uint64_t position, events, findings, decisions, intents, alerts_in_memory, lag;
    uint64_t rules; /* in force */
    uint64_t sources, sources_silent;
    uint64_t overrides; /* of schedules */
    uint64_t incidents, silences;
    bool store_behind; /* the store fails: lists and notifications wait for it, judging does not */
    struct detector_stats detector;
    struct journal_recovery recovery;
};
/* Appends per-source counters, Prometheus text format; at most a second old. */
void core_source_metrics(struct core *core, struct buf *out);
/* For /v1/sources: a JSON array, at most a second old. */
void core_sources_json(struct core *core, struct buf *out);
void core_stats(struct core *core, struct core_stats *ret);

/* The rules in force as a JSON array, those that cost most first: id, name, title, severity, level, file,
 * line, and what detect.h's rule_cost has, since these rules were put in force (a start, or a reload that
 * changed something) and at most a second old. Any thread; waits while rules are being changed. */
void core_rules_json(struct core *core, struct buf *out);

#endif
