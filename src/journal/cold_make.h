/*
 * Making cold segments: from a closed segment, and from a cold one of which something is to be dropped.
 *
 * The source is verified on the way (checksums, leaves, chain). The new file is written as <first>.cold.new,
 * synced, read back and judged whole, and only then takes the old one's place by one rename; a segment is
 * unlinked after the rename is durable. At any moment a reader finds one of the two, whole. Left-overs of
 * what was cut off are removed by cold_clean. For one process at a time, the one that holds the directory's
 * lock.
 */
#ifndef JOURNAL_COLD_MAKE_H
#define JOURNAL_COLD_MAKE_H

#include "journal/cold.h"

/* False drops the record. */
typedef bool (*cold_keep_fn)(void *context, uint64_t position, struct sv block);

struct cold_drop {
    cold_keep_fn keep;
    void *context;
    bool whole[CLASS_COUNT];     /* of these classes nothing is dropped: their salts' seed stays */
    uint32_t stage[CLASS_COUNT]; /* what the new header notes, as `wish` */
    uint64_t wish;
};

/* A closed segment becomes cold: never the last one of a journal. TC_ECORRUPT where it is damaged: it stays
 * then. */
int cold_make(const struct fs *fs, const char *dir, uint64_t first, struct receive_time now, struct err *err);
/* The cold segment anew, without what `drop` does not keep. *ret: its header after. */
int cold_drop_records(const struct fs *fs, const char *dir, uint64_t first, const struct cold_drop *drop,
                      struct receive_time now, struct cold_header *ret, struct err *err);
/* Removes unfinished files, and segments that are cold already. */
int cold_clean(const struct fs *fs, const char *dir, struct err *err);

#endif
