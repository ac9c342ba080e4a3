/*
 * The archive: copies of cold segments as they were before retention dropped something of them, in
 * ARCHIVE/journal; and putting one back into a data directory that no process has open.
 *
 * A copy is put back only where it is proven to be this journal's: its header names the same segment, with
 * the same chain head before and behind it, and its own bytes, read back from the data directory's disk, make
 * that chain. So what is put back is what was there, whoever had the archive meanwhile. A copy that lacks
 * whole frames already proves that of its rest only with checkpoints, and is refused.
 */
#ifndef JOURNAL_COLD_ARCHIVE_H
#define JOURNAL_COLD_ARCHIVE_H

#include "journal/cold.h"

struct cold_archived {
    uint64_t first, next; /* positions [first, next) */
    uint64_t there, here; /* records of it in the archive and in the data directory */
    struct receive_time oldest, newest;
    bool is_cold_here; /* else it is not packed yet, or not there: nothing is to be put back */
};

/* Copies from the beginning of one open file to another, and syncs. *ret_n: how many bytes. Negative errno.
 */
int cold_copy_bytes(const struct fs *fs, int from, int to, uint64_t *ret_n);

/* What the archive has, in order of positions; both directories are only read. `each` ends the walk with
 * what is not 0, which is given back. TC_ENOTFOUND where there is no archive. */
typedef int (*cold_archived_fn)(void *context, const struct cold_archived *one, struct err *err);
int cold_archive_each(const struct fs *fs, const char *dir, const char *archive, cold_archived_fn each,
                      void *context, struct err *err);
/* Puts the segment that begins at `first` back. The caller holds the data directory's lock. TC_ECORRUPT: the
 * copy is damaged, or another; TC_ENOTFOUND: one of the two is not there; TC_EUNSUPPORTED: it lacks frames.
 * The file in the data directory is replaced whole, or stays as it is. */
int cold_archive_restore(const struct fs *fs, const char *dir, const char *archive, uint64_t first,
                         struct err *err);

#endif
