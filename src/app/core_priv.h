/*
 * The core's insides, for core.c (life and threads), fold.c (records to decisions), project.c (decisions to
 * the store), activate.c (what is in force) and checkpoint.c only.
 */
#ifndef APP_CORE_PRIV_H
#define APP_CORE_PRIV_H

#include "alert/incident.h"
#include "app/core.h"
#include "app/positions.h"
#include "app/watchdog.h"
#include "base/json_out.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    CORE_BATCH_RECORDS = 4096, /* records folded before decisions are written */
    CORE_BATCH_BYTES = 8 << 20,
    CORE_DECISION_BYTES = 8 << 20, /* of decisions: past it they leave in a frame, wherever the fold stands */
    CORE_JSON_BYTES = 8 << 20,     /* bound of one record's JSON */
};

struct waiter { /* somebody waits for the outcome of a command */
    struct waiter *next;
    uint64_t position;
    bool done, told; /* by the core; by the journal */
    struct core *core;
    int rc;
    struct err err;
    struct buf *json;
};

struct core {
    struct core_options options;
    struct journal *journal;
    struct journal_reader *reader;
    struct store *store;
    struct pool *pool;

    /* the fold: all of it follows from records 1..position */
    struct ruleset *ruleset;
    struct detector *detector;
    struct book *book;
    struct positions positions;
    struct oncall *oncall; /* written under oncall_lock by the core's thread, read under it by others */
    struct oncall_overrides overrides; /* likewise */
    struct incidents incidents;        /* likewise */
    struct holds holds;                /* likewise */
    struct buf silences_shown;         /* the list as JSON; likewise */
    int64_t silences_mono_ns;          /* when it was made */
    pthread_mutex_t oncall_lock;       /* taken after `lock`, or alone */
    struct buf activated;              /* JSON of the newest REC_ACTIVATED, empty before the first */
    uint64_t position;                 /* last record folded */
    uint64_t said;                     /* decisions caused at or before this are durable */
    uint64_t half_said;                /* and, of those caused at this position, the first half_count */
    uint64_t half_count;
    struct watchdog watchdog;
    struct delivery_state delivery;
    bool delivery_moved; /* and nobody was told yet */

    /* the batch being folded; reset with each */
    struct arena batch;
    struct event *events;
    const struct event **run; /* a run of events between control records */
    size_t event_count;
    size_t batch_bytes;
    struct finding_list findings;
    struct decision_list decisions;
    struct buf blocks; /* decision records being made */
    struct buf json;   /* scratch for one record's JSON */
    uint32_t block_count;

    /* projection */
    struct buf news;    /* alerts changed in this transaction, strings; told when it is committed */
    uint64_t projected; /* frames up to here were in the store when it was opened */
    uint64_t own_from;  /* decisions from here on are this core's, shown when they were made */
    bool in_transaction;
    size_t unsettled; /* frames looked at in the open transaction */
    uint64_t shown;   /* the store reflects all up to here */
    bool store_behind, behind_told;
    int64_t behind_mono_ns; /* when it was last tried */
    bool store_dirty;       /* counts changed that the store does not show yet */
    int64_t flushed_mono_ns, pruned_mono_ns;

    int64_t folded_tick_ns; /* receive time of the newest tick folded: part of the fold */
    int64_t last_tick_ns, last_checkpoint_mono_ns;
    uint64_t checkpoint_position;
    struct journal_recovery recovery;

    pthread_t thread;
    bool thread_started;
    atomic_bool stop, ready;
    int64_t stop_mono_ns; /* when the thread saw `stop` */
    struct {
        uint64_t events, findings, decisions, intents;
    } counts; /* the core thread's; take_stats copies them for others */

    pthread_mutex_t reloading; /* one at a time; taken before `lock` */
    pthread_mutex_t lock;      /* waiters, stats, failed, prepared */
    pthread_cond_t changed;
    struct waiter *waiters;
    struct ruleset *prepared; /* compiled for the REC_ACTIVATED that is on its way; under lock */
    struct buf prepared_json; /* its text */
    struct core_stats stats;
    struct buf source_json; /* of core_sources_json, likewise */
    struct {                /* a copy of what the rules cost, made on the core's thread; under lock */
        const struct ruleset *of;
        struct rule_cost *items; /* by ordinal */
        int64_t mono_ns;
    } costs;
    struct buf source_text; /* of core_source_metrics, made on the core's thread; under lock */
    int64_t source_text_mono_ns;
    struct { /* intents that are not receipted, for the latency; under lock */
        uint64_t key;
        int64_t mono_ns;
    } sending[1024];
    size_t sending_at;
    struct delivery_state delivery_shown; /* a copy for other threads */
    bool failed;
};

/* rules_shown.c */
/* Copies what the rules have cost so far, once a second. On the core's thread, with core->lock held. */
void rules_take_costs(struct core *core);

/* fold.c */
int fold_add(struct core *core, const struct journal_frame *frame,
             struct err *err); /* copies a frame's records into the batch */
int fold_flush(struct core *core,
               struct err *err); /* judges the batch, makes decisions durable, projects them */

/* drill.c: the finding that a drill's alert is made of. TC_EINPUT where its priority is none. */
int drill_finding(const struct event *record, const struct alert_command *command, struct finding_list *out,
                  struct err *err);

/* core_oncall.c: makes the list of silences anew, for those who ask. */
void core_show_silences(struct core *core, int64_t now_ns);

/* address.c */
/* Writes of a notification's record who is told and how it begins: key, reason, count, prefix, channels,
 * targets. */
void address_intent(struct core *core, const struct decision *decision, enum notify_reason reason,
                    struct sv key, struct json_out *json);
/* The channels that the alert is routed to for this reason, and with them those of `names` whom the file of
 * `oncall` knows as a person, a role or a schedule: channels, targets. */
void address_people(struct core *core, const struct alert *alert, enum notify_reason reason,
                    const struct sv *names, size_t count, int64_t now_ns, struct json_out *json);
/* Calls `each` for every channel and target that the record names. `to` is where on that channel; n == 0: the
 * channel's own recipients. Stops where it does not return 0. */
typedef int (*address_fn)(void *context, struct sv channel, struct sv to, struct sv row_key);
int address_each(struct core *core, const struct event *record_json, struct arena *arena, address_fn each,
                 void *context);

/* digest.c */
/* Whether this tick has passed a digest's moment with something to tell; *out is then its intent. Once per
 * tick, before the book sees it. */
bool digest_of(struct core *core, const struct event *tick, struct buf *out);
/* Whether a tick now would pass such a moment. */
bool digest_waits(const struct core *core, int64_t now_ns);

/* intent.c: notifications that are about no alert. Their records are begun, then addressed (intent_channels,
 * or address_people), and their subject ends them. */
struct intent_subject { /* what stands in such a record for the alert */
    struct sv id;
    const char *title;
    enum severity severity;
    struct sv message, description;
    int64_t from_ns, to_ns;
};
void intent_begin(struct json_out *json, uint64_t position, enum notify_reason reason, struct sv key,
                  uint64_t count);
void intent_channels(struct json_out *json, const struct sv *channels, size_t count);
void intent_subject(struct json_out *json, const struct intent_subject *subject);
/* The intent of a test message. */
void intent_of_test(const struct event *command, struct sv channel, struct sv by, struct buf *out);
/* What a command about an incident, that was just carried out, tells: its commander and the channels of P1.
 * False: nothing. */
bool intent_of_incident(struct core *core, const struct event *record, const struct alert_command *command,
                        struct buf *out);

/* core_sources.c; core->lock is held. */
void core_show_sources(struct core *core);

/* project.c */
/* Shows a frame, in a transaction that is still open then; a frame with nothing to show opens none. */
int project_frame(struct core *core, const struct journal_frame *frame, struct err *err);
/* Ends that transaction; the store then says that it reflects all up to `applied`. While the core is not
 * ready (recovery) only many frames together are worth it. */
int project_settle(struct core *core, uint64_t applied, struct err *err);
/* Alerts whose counts moved; the store reflects all that was folded then. */
int project_changed(struct core *core, bool all, struct err *err);
/*
 * Once the core is ready, a store that fails (its disk is full, another program holds it) ends nothing: the
 * three above do nothing more and return 0, until this has found it able to write again. The caller then
 * shows it all frames after core->shown.
 */
bool project_is_able(struct core *core);
/* Drops from the store what was sent, and alerts that ended, before these times. */
int project_prune(struct core *core, int64_t sent_before_ns, int64_t ended_before_ns, struct err *err);

/* activate.c */
/* Describes what `wanted` asks for; writes missing objects. Any thread. */
int activate_json(struct core *core, const struct core_options *wanted, struct buf *out, struct err *err);
int activate_apply(struct core *core, struct sv json,
                   struct err *err); /* makes it the state in force, keeping what can be kept */

/* core.c */
/* Makes a control record durable and, but with inline_commit, waits until it was folded. ret_json: what the
 * core answers to a command; may be NULL. */
int core_control(struct core *core, enum record_type type, struct sv json, struct buf *ret_json,
                 uint64_t *ret_position, struct err *err);

/* checkpoint.c */
int checkpoint_write(struct core *core, struct err *err);
int checkpoint_read(struct core *core, struct err *err); /* 1 = loaded, 0 = none that fits */

#endif
