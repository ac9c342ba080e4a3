/*
 * What the dispatcher keeps: alerts, groups, and what integrations were last told of each group
 * (Alertmanager's notification log).
 */
#ifndef ALERT_ALERTMANAGER_DISPATCH_PRIV_H
#define ALERT_ALERTMANAGER_DISPATCH_PRIV_H

#include "alert/alertmanager/alert_store.h"
#include "alert/alertmanager/silence_index.h"
#include "base/hash.h"
#include "base/map.h"

struct told; /* one entry */

struct told_log {
    struct map entries; /* name -> address */
    int64_t expire_next_ns;
};

/* What would be told now: hashes of alerts; told_keep sorts them. */
struct told_now {
    uint64_t *firing, *resolved;
    size_t firing_count, resolved_count;
};

void told_init(struct told_log *log);
void told_free(struct told_log *log);
/* The name of an entry; freed with told_name_free. */
struct sv told_name(struct sv receiver, const char *kind, size_t index, struct sv group_key);
void told_name_free(struct sv name);
struct told *told_find(const struct told_log *log, struct sv name); /* NULL where nothing was told */
bool told_fired(const struct told *told, uint64_t hash);            /* was told that it fires */
enum am_reason told_reason(const struct told *told, const struct told_now *now, bool send_resolved,
                           int64_t now_ns, int64_t repeat_interval_ns);
/* What is new to who was told `told`: am_notification's key. `now` is sorted by it. */
void told_key(const struct told *told, struct sv name, struct told_now *now, char ret[33]);
/* `remember` is copied. */
void told_keep(struct told_log *log, struct sv name, const struct told_now *now, struct sv remember,
               int64_t now_ns);
struct sv told_remembered(const struct told *told);
/* The group is still there: its entry holds for `keep_ns` from now. */
void told_seen(struct told_log *log, struct sv name, int64_t now_ns, int64_t keep_ns);
/* One entry as bytes of ours, and back; false where they are none. What is read holds until `expires_ns`. */
void told_write(const struct told *told, struct buf *out);
bool told_read(struct told_log *log, struct sv name, struct sv bytes, int64_t expires_ns);
/* Forgets what nobody has seen for its time; looks at most once a minute. */
void told_expire(struct told_log *log, int64_t now_ns);

struct group {
    const struct am_route *route;
    struct arena arena;
    struct am_labels labels;
    struct sv id;  /* the route's, and the labels: the same over a reload */
    struct sv key; /* as Alertmanager prints it */
    int64_t next_ns;
    uint64_t sequence; /* of those that are due at the same time the oldest is first */
    size_t heap_index;
    bool looked;         /* for the first time */
    unsigned on_the_way; /* notifications whose end is not known yet */
    bool failed;         /* one of them */
    int64_t looked_ns;
    struct stored **members;
    size_t count, capacity;
};

struct am_dispatch {
    const struct am_config *config;
    struct am_alert_store alerts;
    struct map groups;       /* id -> address */
    struct stored **sources; /* that may inhibit others, in no order */
    size_t source_count, source_capacity;
    struct group **heap;
    size_t heap_count, heap_capacity;
    uint64_t sequence;
    struct told_log told;
    struct map on_the_way; /* name -> address of what is being told */
    int64_t hold_until_ns;
    int64_t busy_until_ns; /* no group is looked at before */
    bool restart_timers;
    size_t per_name;  /* 0: any number */
    struct map names; /* alertname -> how many there are */
    am_told_fn *kept; /* may be NULL */
    void *kept_context;
};

/* What a notification says whose end is not known yet. */
struct on_the_way {
    struct told_now now;
    int64_t at_ns, keep_ns;
    bool anew; /* nothing is remembered from before */
};

/* --- dispatch.c --- */

/* Puts the group where its next_ns belongs among the timers. */
void dispatch_heap_move(struct am_dispatch *dispatch, struct group *group);
void dispatch_heap_remove(struct am_dispatch *dispatch, struct group *group);
/* The alert has left the group; the last one out forgets it. */
void dispatch_leave(struct am_dispatch *dispatch, struct group *group, struct stored *stored);
void dispatch_free_group(struct group *group);
void dispatch_free_on_the_way(struct on_the_way *told);
bool stored_is_firing(const struct stored *stored, int64_t now_ns);

#endif
