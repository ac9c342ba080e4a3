/*
 * The parts of the alert room, for its own files only (the door is alert.h).
 *
 * A `held` alert is what the book keeps: the struct alert that the door shows, and beside it what only the
 * fold needs (merge key, timers, which count step was told). Texts that all alerts of a rule share stand in a
 * `card`, counted by reference; the others lie in one block per alert, made at birth, and in a short list of
 * later texts (notes, names). So 100,000 alerts cost their own labels and little more.
 */
#ifndef ALERT_ALERT_PRIV_H
#define ALERT_ALERT_PRIV_H

#include "alert/alert.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/map.h"

#include <stdarg.h>

enum {
    ALERT_TEXT_MAX = 1024, /* bytes of a label's value, a title, an owner, an action */
    ALERT_DESCRIPTION_MAX = 4096,
    ALERT_MESSAGE_MAX = 2048,
    ALERT_NOTE_MAX = 4096,
    ALERT_BY_MAX = 256,
    ALERT_ACTIONS_MAX = 32,
    ALERT_TAGS_MAX = 32,
    ALERT_ENTITY_MAX = 16, /* entity labels; further parts still count for the key */
    ALERT_LABELS_MAX = ALERT_ENTITY_MAX + 4,
    ALERT_HISTORY_MAX = 1000,
    ALERT_HISTORY_SPARE = 8, /* of these, kept free for what people do */
    ALERT_ID_DIGITS = 32,
    ALERT_PREFIX_MIN = 6,
    ALERT_TASKS_MAX = 32,
    BOOK_STEPS_MAX = 64,
    BOOK_MAX_OPEN = TC_ALERTS_MAX,
};

/* --- lifecycle.c: the states, and who may follow whom */
bool lifecycle_allows(enum alert_state from, enum alert_state to);
static inline bool lifecycle_open(enum alert_state state)
{
    return state != ALERT_RESOLVED && state != ALERT_CLOSED;
}
enum {
    LIFECYCLE_ENDED = 1u << ALERT_RESOLVED | 1u << ALERT_CLOSED,
    LIFECYCLE_OPEN = ((1u << ALERT_STATES) - 1) & ~(unsigned)LIFECYCLE_ENDED,
};
struct held;
/* A snooze ends: back to the state that it came from. */
void lifecycle_wake(struct held *held, int64_t now_ns);
/* "true_positive" for "True-Positive" and so on; n == 0 where it is none of the three. */
struct sv lifecycle_disposition(struct sv word);

/* --- fingerprint.c: `labels` sorted by name */
void fingerprint_of(const struct alert_label *labels, size_t count, char ret[17]);

/* --- text.c: valid UTF-8 of at most max_bytes, cut between code points; bad bytes become U+FFFD */
struct sv text_clean(struct arena *arena, struct sv text, size_t max_bytes);
/* As above, with control characters turned into spaces: for texts of one line. */
struct sv text_line(struct arena *arena, struct sv text, size_t max_bytes);

/* --- entity.c: what an alert is about */
struct entity { /* names as rules write them ("source.ip"), values whole; lent by the finding or its arena */
    const struct alert_label *parts;
    size_t count;
    bool overflow; /* the book is full: one alert for the rest of this rule */
};
void entity_of(const struct finding *finding, struct arena *arena, struct entity *ret);
/* The merge key's: the entity, or what the rule names under tocsin: dedup, as far as the finding has any. */
void entity_of_key(const struct finding *finding, const struct entity *entity, struct arena *arena,
                   struct entity *ret);
/* The merge key: rule, the rule's severity and entity. SHA-256, because the values are the attacker's to
 * choose. */
void entity_key(struct sv rule_id, enum severity severity, const struct entity *entity,
                uint8_t ret[TC_SHA256_BYTES]);
/* alertname, severity, rule_id and the entity's, sorted by name, names fit for Prometheus, values cleaned. */
size_t entity_labels(const struct rule_info *rule, enum severity severity, const struct entity *entity,
                     struct arena *arena, struct alert_label ret[ALERT_LABELS_MAX]);
/* Of an alert of a rule on metrics: its own label set, at most ALERT_LABELS_MAX of it. */
size_t entity_metric_labels(const struct finding *finding, struct arena *arena,
                            struct alert_label ret[ALERT_LABELS_MAX]);
/* "<title>: source.ip=203.0.113.7 (count 6)"; of a rule on metrics its annotation `summary`, or `message` */
struct sv entity_message(const struct finding *finding, const struct entity *entity, struct arena *arena);

/* --- card.c: what all alerts of a rule share */
struct card {
    size_t refs;
    struct sv packed; /* its canonical bytes: key in the map of cards, and what is saved */
    struct sv rule_id, title, description, owner, secondary_owner, runbook;
    int64_t quiet_ns; /* 0: as the options have it */
    const struct sv *actions;
    size_t action_count;
    const struct sv *tags;
    size_t tag_count;
};
void card_pack(const struct rule_info *rule, struct arena *scratch, struct buf *out);
/* A card of an older version of the saved book lacks what came later: the same card with nothing in it. */
void card_complete(uint32_t version, struct buf *packed);
/* The card of these bytes, one more reference; NULL where they are no card. */
struct card *card_take(struct map *cards, struct sv packed);
void card_drop(struct map *cards, struct card **card);

/* --- held.c: one alert and the memory it owns */
struct held {
    struct alert alert; /* stands first: see held_of */
    struct card *card;
    char *block; /* labels, message: fixed at birth */
    struct held_text *texts;
    struct alert_life *life; /* as the alert's, to write to */
    struct held_flap *flap;  /* begins of its key (book_flap.c); NULL: it has none before it */
    struct alert_event *history;
    size_t history_capacity;
    uint8_t key[TC_SHA256_BYTES];
    uint64_t serial;        /* 0.. in order of making, over the life of the book */
    uint64_t end_serial;    /* in order of ending */
    uint64_t told_step;     /* highest count step that was passed */
    uint64_t said_count;    /* the count when it was last decided upon */
    int64_t touched_ns;     /* receive time of the last occurrence; once ended, of the end */
    int64_t ladder_from_ns; /* when escalation and the goal began to count: the making, or the last raise */
    int64_t paused_ns;      /* how long escalation was paused since then */
    int64_t paused_at_ns;   /* since when it is; TC_NO_TIME: it is not */
    uint32_t reminders;     /* told so far */
    bool told;              /* a notification was decided: only then its end is one, too */
    bool owed;              /* a silence kept a notification back: due when it ends */
    bool gone;              /* no longer in the book */
    bool current;           /* the newest of its key: the one that counts */
    bool overflow;
    bool ended_by_hand;          /* by a person, not by time */
    bool rule_fires;             /* its rule says that it does, and will say when it ends (book_change) */
    enum severity told_severity; /* the highest that was told; of such an alert */
    size_t at;                   /* in book->all */
    size_t heap_at;              /* in book->due; SIZE_MAX: not there */
    size_t changed_at;           /* in book->changed; SIZE_MAX: not there */
    int64_t due_ns;              /* where the heap believes its timer to be; never later than the truth */
    struct held *older, *newer;  /* neighbours in the list of ended ones; newer: also the list of the dying */
};
struct held_birth {
    const char *id;
    const struct alert_label *labels;
    size_t label_count;
    struct sv message;
    struct card *card; /* the reference goes over to the alert */
    enum severity severity;
};
struct held *held_new(const struct held_birth *birth);
void held_raise(struct held *held, enum severity severity); /* and its label, so its fingerprint */
void held_free(struct map *cards, struct held **held);
struct alert_life *held_life(struct held *held); /* made when it is first asked for */
/* A task of the next number, all else empty; the caller has seen to ALERT_TASKS_MAX. */
struct alert_task *held_add_task(struct held *held);
struct sv held_copy(struct held *held, struct sv text); /* lives as long as the alert */
/* `what` must be a literal or of held_copy; by and note are copied. Past ALERT_HISTORY_MAX nothing is added.
 */
void held_history(struct held *held, int64_t time_ns, struct sv what, struct sv by, struct sv note);
static inline struct held *held_of(const struct alert *alert)
{
    return (struct held *)(uintptr_t)alert;
}

/* --- book_index.c: finding an alert by id, key, age, or timer */
struct silences;
struct book_order { /* (first_ns, id) order for book_at, made when asked for */
    struct held **items;
    size_t count, capacity;
    bool valid;
};
struct book {
    struct alert_options options; /* no zeroes left in it; count_steps points at steps */
    uint64_t steps[BOOK_STEPS_MAX + 1];
    struct held **all;
    size_t count, capacity;
    struct held **due; /* binary heap by due_ns */
    size_t due_count, due_capacity;
    struct held **changed; /* since book_each_changed; its reader's cursor, no part of the fold's state */
    size_t changed_count, changed_capacity;
    struct map by_id, by_key, cards;
    struct held *ended_oldest, *ended_newest;
    struct held *dying; /* left the book in this call; decisions may still point at them */
    uint64_t next_serial, next_end_serial;
    struct book_order *order;
    struct silences *silences;
    int64_t silence_due_ns; /* when one of them begins or ends, or may end with its alerts */
    struct arena scratch;   /* of one call */
};
int64_t book_add_ns(int64_t a, int64_t b); /* saturating */
void book_enter(struct book *book);        /* start of every changing call: frees the dying, resets scratch */
void book_insert(struct book *book, struct held *held);
void book_remove(struct book *book, struct held *held); /* to the dying */
struct held *book_current(const struct book *book, const uint8_t key[TC_SHA256_BYTES]);
void book_make_current(struct book *book, struct held *held);
void book_mark_ended(struct book *book, struct held *held);
void book_mark_changed(struct book *book, struct held *held);
/* How long an alert is left open without an occurrence: as its rule says, else as the options do. */
static inline int64_t book_quiet_ns(const struct book *book, const struct held *held)
{
    return held->card->quiet_ns > 0 ? held->card->quiet_ns : book->options.resolve_after_ns;
}
/* The next alert whose timer has passed, taken off the heap; NULL when there is none. */
struct held *book_pop_due(struct book *book, int64_t now_ns);
void book_schedule(struct book *book, struct held *held);
int book_compare_serial(const void *a, const void *b); /* for qsort of struct held * */

/* --- book_command.c: a command on its way through the book */
struct order {
    struct book *book;
    struct held *held;
    const struct alert_command *given; /* cleaned and bounded; lives as long as the call */
    uint64_t position;
    int64_t now_ns;
    const char *what;       /* of the history's line and the decision: a literal */
    struct sv history_note; /* starts as the given note */
    bool tells;             /* a notification follows */
    enum notify_reason reason;
    uint64_t step;
};
typedef int (*command_fn)(struct order *order, struct err *err);
/* The command's `until`, which must lie within `most_ns` from now. */
int order_time(const struct order *order, int64_t most_ns, int64_t *ret_ns, struct err *err);
/* What history says of it, before the note that was given. */
void order_note(struct order *order, const char *format, ...) TC_PRINTF(2, 3);
static inline void order_tell(struct order *order, enum notify_reason reason, uint64_t step)
{
    order->tells = true;
    order->reason = reason;
    order->step = step;
}

/* Of NOTIFY_SEVERITY_RAISED: the severity, or this where a question brought the raise: each is told, also
 * where the severity was as high before. */
static inline uint64_t book_step_of_question(const struct alert_life *life)
{
    return (uint64_t)SEVERITY_P4 + life->asks;
}

/* --- book_response.c: commands that leave the state as it is */
int response_assign(struct order *order, struct err *err);
int response_note(struct order *order, struct err *err);
int response_assess(struct order *order, struct err *err);
int response_respond(struct order *order, struct err *err);
int response_document(struct order *order, struct err *err);
int response_task(struct order *order, struct err *err);
int response_done(struct order *order, struct err *err);

/* --- book_timer.c: what time does */
#define BOOK_LATE_NS (60 * TC_SECOND_NS) /* a step of the escalation past its time by so much is overdue */
int64_t book_timer_ns(const struct book *book, const struct held *held); /* the alert's next timer */
/* When the next step of the escalation is due; INT64_MAX: none while the alert is as it is. */
int64_t book_step_due_ns(const struct book *book, const struct held *held);
/* The alert shows when that is. */
void book_show_step(const struct book *book, struct held *held);
void book_pause(struct held *held, int64_t now_ns);
void book_unpause(struct held *held, int64_t now_ns); /* nothing where it was not paused */
/* To the severity of the options, if it is not as high already; the caller tells of it. */
void book_raise(struct book *book, struct held *held, int64_t now_ns);
/* The same to this severity. */
void book_raise_to(struct held *held, enum severity to, int64_t now_ns);
/* Its escalation begins at its first step. */
void book_escalate_anew(struct held *held, int64_t now_ns);
uint32_t book_next_reminder(struct held *held); /* its number, for the key */

/* --- book_silence.c */
void silence_new_alert(struct book *book, struct held *held, int64_t now_ns); /* before it is told of */
void silence_tick(struct book *book, uint64_t position, int64_t now_ns, struct decision_list *out);

/* --- book_flap.c */
/* Before the new alert is made current: takes over the begins of its key. True: with this one it flaps. */
bool flap_new_alert(struct book *book, struct held *held, int64_t now_ns);
/* The alert is about to end, by no person: true where it flaps, and stays open for now. */
bool flap_holds_end(struct book *book, struct held *held, int64_t now_ns);
/* It fires again; nothing where it does not flap, or was not over. */
void flap_begins_again(struct book *book, struct held *held, int64_t now_ns);
int64_t flap_due_ns(const struct book *book, const struct held *held); /* when it is stable */
void flap_forget(struct held *held);                                   /* it flaps no more */
void flap_save(const struct held *held, struct buf *out);
bool flap_load(struct held *held, struct reader *reader); /* false where the bytes contradict it */

/* --- book_wait.c */
/* True: nobody is to be told of the new alert yet. */
bool wait_new_alert(const struct book *book, struct held *held, const struct finding *finding);
/* Of one that waits: further occurrences; true: enough have come. */
bool wait_counts(struct held *held, uint64_t weight, int64_t now_ns);
/* It is told now, so escalation begins; nothing where it did not wait. */
void wait_end(struct book *book, struct held *held, int64_t now_ns);
void wait_forget(struct held *held);
void wait_save(const struct held *held, struct buf *out);
bool wait_load(struct held *held, struct reader *reader); /* false where the bytes contradict it */

/* --- book_save_life.c */
void book_save_life(const struct held *held, struct buf *out);
/* Of a book saved as this version, 2 at least; false where the bytes contradict it. */
bool book_load_life(struct held *held, uint32_t version, struct reader *reader);

/* --- book.c */
/* DECIDE_INTENT: a notification; `step` is part of its key (of a raise: the severity). */
void book_tell(struct book *book, struct decision_list *out, uint64_t position, int64_t now_ns,
               struct held *held, enum notify_reason reason, uint64_t step);
/* Lets an alert leave memory. Where it counted on after it had ended, its last count goes out first. */
void book_forget(struct book *book, struct held *held, uint64_t position, struct decision_list *out);
struct decision *book_decide(struct decision_list *out, enum decision_kind kind, uint64_t position,
                             const struct held *held, struct sv what, struct sv by);
/* DECIDE_ALERT: a snapshot for the projection. */
void book_snapshot(struct book *book, struct decision_list *out, uint64_t position, struct held *held,
                   struct sv what, struct sv by);
/* A new alert of this key, told. */
struct held *book_add_alert(struct book *book, const struct finding *finding, const struct entity *entity,
                            const uint8_t key[TC_SHA256_BYTES], struct decision_list *out);
/* Lets the longest ended leave; false where all are open. */
bool book_make_room(struct book *book, uint64_t position, struct decision_list *out);
/* No room: counts on the overflow alert of the rule. */
struct held *book_overflow(struct book *book, const struct finding *finding, struct decision_list *out);
/* Ends an alert: state, times, list of the ended, timer. */
void book_end(struct book *book, struct held *held, enum alert_state state, int64_t now_ns, struct sv by,
              bool by_hand);

#endif
