/*
 * The alerts that the dispatcher keeps, small: label names, values and annotations are texts that are stored
 * once and counted, an alert is a block of their numbers. A view gives it back as everybody else reads it.
 *
 * Order of walking is that of insertion while nothing is removed, and never depends on addresses. One thread.
 * The number of alerts is bounded by the caller, that of texts by it, too: each has a holder.
 */
#ifndef ALERT_ALERTMANAGER_ALERT_STORE_H
#define ALERT_ALERTMANAGER_ALERT_STORE_H

#include "alert/alertmanager/dispatch.h"

struct group;
struct am_text;

struct am_texts {
    struct am_text **items; /* by number; NULL: free */
    uint32_t *slots;        /* number + 1; 0: free */
    size_t count, capacity, slot_count;
    uint32_t free_number; /* first of the chain of free ones; UINT32_MAX: none */
    uint32_t *free_next;  /* as long as `items` */
};

struct stored {
    int64_t starts_at_ns, ends_at_ns, updated_ns; /* updated: when it was last heard of */
    uint64_t hash; /* of its printed labels: its name in the notification log */
    union {
        struct group *one;
        struct group **many;
    } groups;                          /* `one` where group_count is 0 or 1 */
    uint32_t group_count, route_count; /* route_count: how many groups it belongs to */
    uint32_t index;                    /* in the store's list */
    uint32_t source;                   /* in the dispatcher's list of sources; UINT32_MAX: it is none */
    uint32_t generator_url;            /* a text */
    uint16_t label_count, annotation_count;
    uint16_t room;    /* for so many annotations behind the labels */
    bool timed_out;   /* the end is resolve_timeout's, not the sender's */
    uint32_t *apart;  /* the annotations, where they do not fit in there; NULL: they do */
    uint32_t pairs[]; /* texts: names and values in turn, labels before annotations */
};

struct am_alert_store {
    struct am_texts texts;
    struct stored **list;
    uint32_t *slots; /* index + 1; 0: free */
    size_t count, capacity, slot_count;
};

void alert_store_init(struct am_alert_store *store);
void alert_store_free(struct am_alert_store *store);

/* NULL where there is none of these labels. */
struct stored *alert_store_find(const struct am_alert_store *store, struct am_labels labels);
/* A new one, of labels that are not there yet; its times and hash are zero. NULL where it has more than
 * 65,535 labels or annotations. */
struct stored *alert_store_add(struct am_alert_store *store, const struct am_alert *alert);
/* Takes annotations and the generator's URL anew; false, and nothing is changed, where there are too many.
 * The alert stays where it is, so that its groups need not be searched for it. */
bool alert_store_change(struct am_alert_store *store, struct stored *stored, const struct am_alert *alert);
void alert_store_remove(struct am_alert_store *store, struct stored *stored);

/* Its labels, annotations and times; the arrays lie in the arena, the texts live as long as the alert. */
struct am_alert alert_store_view(const struct am_alert_store *store, const struct stored *stored,
                                 struct arena *arena);

/* Its groups. */
struct group *const *stored_groups(const struct stored *stored);
void stored_join(struct stored *stored, struct group *group);
void stored_leave(struct stored *stored, const struct group *group);
void stored_leave_all(struct stored *stored);

#endif
