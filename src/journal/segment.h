/*
 * Segment files: DIR/journal/<first position, 20 digits>.seg, a header and then frames.
 *
 * A segment is begun only when all before it is synced, and its header is synced (file and directory) before
 * its first frame is written. So an earlier segment never has a torn tail, and only a file no longer than a
 * header can have a torn header.
 */
#ifndef JOURNAL_SEGMENT_H
#define JOURNAL_SEGMENT_H

#include "base/fs.h"
#include "journal/frame.h"

enum {
    SEGMENT_HEADER_BYTES = 144,
    SEGMENT_VERSION = 1,
    SEGMENT_COMPATIBLE = 0,   /* flags known: unknown ones may be read past, but not written to */
    SEGMENT_INCOMPATIBLE = 0, /* flags known: unknown ones forbid reading */
    SEGMENT_PATH_MAX = 4096,
    SEGMENT_LIST_MAX = 1 << 20,
};

struct segment_header {
    uint32_t compatible, incompatible;
    uint64_t epoch;
    uint64_t first;    /* position of its first record */
    uint64_t previous; /* first position of the segment before, 0 = none: a missing one is noticed */
    uint64_t commit;   /* number of its first group commit */
    uint64_t checksum_seed;
    uint64_t sequences[CLASS_COUNT]; /* the next one, per class */
    struct receive_time created;
    uint8_t head[TC_SHA256_BYTES]; /* of the chain, before its first frame */
};

void segment_encode(const struct segment_header *header, char to[SEGMENT_HEADER_BYTES]);
/* 0, TC_ECORRUPT or TC_EUNSUPPORTED; `path` is for the message. `bytes` may be shorter than a header. */
int segment_decode(struct sv bytes, uint64_t first, const char *path, struct segment_header *ret,
                   struct err *err);

/* DIR/journal and DIR/journal/<first>.seg; false where the path is too long. */
bool segment_dir(const char *dir, char out[SEGMENT_PATH_MAX]);
bool segment_path(const char *dir, uint64_t first, char out[SEGMENT_PATH_MAX]);

struct segment_list {
    uint64_t *first; /* rising */
    size_t n;
};
/* Cold ones (cold.h), too. Other names in the directory are ignored. TC_ENOTFOUND where DIR/journal is
 * absent. */
int segment_list_read(const struct fs *fs, const char *dir, struct segment_list *ret, struct err *err);
void segment_list_free(struct segment_list *list);

/* Creates, writes and syncs a segment's file and its directory; the handle goes to *ret_file. */
int segment_create(const struct fs *fs, const char *dir, const struct segment_header *header, int *ret_file,
                   struct err *err);

/* Fills err from a negative errno of the file seam. */
int segment_sys(struct err *err, int negative_errno, const char *what, const char *path);

#endif
