/*
 * What metrics are: type, help and unit of names, as senders and targets told.
 *
 * One name may have several descriptions, one for each way in which it was told; they are kept until the end
 * of the process. Bounded by METADATA_ENTRIES_MAX and METADATA_BYTES_MAX: past either, new descriptions are
 * counted and forgotten. Any thread may call any function.
 */
#ifndef METRICS_METADATA_H
#define METRICS_METADATA_H

#include "base/arena.h"

enum {
    METADATA_ENTRIES_MAX = 100000,
    METADATA_BYTES_MAX = 32 << 20,
    METADATA_TEXT_MAX = 4096, /* of a help text; the rest is cut off */
};

struct metadata_entry {
    struct sv name, type, help, unit; /* type: "counter", "gauge" … or "unknown" */
};

struct metadata;
struct metadata *metadata_new(void);
void metadata_free(struct metadata **metadata);

/* The number of a description, the same for equal ones; UINT32_MAX where there is no room. */
uint32_t metadata_put(struct metadata *metadata, const struct metadata_entry *entry);
/* What metadata_put numbered; its texts live as long as the store. */
struct metadata_entry metadata_get(struct metadata *metadata, uint32_t number);
/* All, in the order in which they were first told; `each` returns false to stop. The store is locked
 * meanwhile. */
void metadata_each(struct metadata *metadata, bool (*each)(void *context, const struct metadata_entry *entry),
                   void *context);

struct metadata_stats {
    uint64_t entries, bytes, refused;
};
struct metadata_stats metadata_stats(struct metadata *metadata);

#endif
