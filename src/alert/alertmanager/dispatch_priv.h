/*
 * What integrations were last told of each group (Alertmanager's notification log), for the dispatcher.
 */
#ifndef ALERT_ALERTMANAGER_DISPATCH_PRIV_H
#define ALERT_ALERTMANAGER_DISPATCH_PRIV_H

#include "alert/alertmanager/dispatch.h"
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
void told_keep(struct told_log *log, struct sv name, const struct told_now *now, int64_t now_ns);
/* The group is still there: its entry holds for `keep_ns` from now. */
void told_seen(struct told_log *log, struct sv name, int64_t now_ns, int64_t keep_ns);
/* Forgets what nobody has seen for its time; looks at most once a minute. */
void told_expire(struct told_log *log, int64_t now_ns);

#endif
