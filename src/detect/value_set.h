/*
 * The distinct values of one group: how often each stands in the window, and the times of its newest two
 * entries. Open addressing by the value's hash, which is the key.
 */
#ifndef DETECT_VALUE_SET_H
#define DETECT_VALUE_SET_H

#include "base/tc.h"

struct value_record {
    uint64_t hash;             /* 0: free */
    int64_t last_ns, prior_ns; /* newest and second newest entry; VALUE_NO_TIME where there is none */
    uint32_t in_window;        /* entries in the window */
    uint32_t kept;             /* entries at all */
};
#define VALUE_NO_TIME INT64_MIN

struct value_set {
    struct value_record *records;
    uint32_t slots, count; /* slots: a power of two */
};

struct value_set *value_set_new(void);
void value_set_free(struct value_set **set);
/* NULL where absent. Pointers are good until the next put or remove. */
struct value_record *value_set_get(const struct value_set *set, uint64_t hash);
struct value_record *value_set_put(struct value_set *set, uint64_t hash);
void value_set_remove(struct value_set *set, uint64_t hash);
size_t value_set_bytes(const struct value_set *set);

#endif
