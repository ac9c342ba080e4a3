/*
 * The cursor: walks the frames of one segment file, checking each, and judges a bad one.
 *
 * Reads through a window of a quarter MiB (or one frame, where that is longer). Works on files that a live
 * journal is appending to: what is bad now may be good at the next call. Not thread-safe.
 */
#ifndef JOURNAL_CURSOR_H
#define JOURNAL_CURSOR_H

#include "journal/segment.h"

struct cursor {
    const struct fs *fs;
    int file; /* -1 = closed */
    char path[SEGMENT_PATH_MAX];
    struct segment_header header;
    uint64_t offset;   /* of the next frame */
    uint64_t position; /* of the next record */
    uint64_t commit;   /* number of the last frame's commit; header.commit - 1 before the first */
    uint64_t durable;  /* the last frame's durable_before */
    const char *why;   /* after CURSOR_BAD: what is wrong at `offset` */
    struct buf window; /* file bytes from window_at on */
    uint64_t window_at;
};

enum cursor_step {
    CURSOR_END = 0,
    CURSOR_FRAME = 1,
    CURSOR_BAD = 2,
    CURSOR_TORN_HEADER = 3 /* cursor_open only: the file's creation was not finished */
};

/* CURSOR_FRAME: opened and its header is valid. CURSOR_TORN_HEADER: not opened. Negative: an error
 * (TC_ENOTFOUND where there is no such segment). */
int cursor_open(struct cursor *cursor, const struct fs *fs, const char *dir, uint64_t first, struct err *err);
void cursor_close(struct cursor *cursor); /* an all-zero cursor and a closed one are fine */
/*
 * The frame at `offset`; on CURSOR_FRAME the cursor stands behind it. *ret_bytes (NULL: the payload is
 * skipped unread and unchecked) is the whole frame with its header, lent until the next call. CURSOR_END: the
 * file ends at `offset`. CURSOR_BAD: what stands there is not the next frame; the cursor does not move and a
 * later call looks at the file again.
 */
int cursor_next(struct cursor *cursor, struct frame *ret, struct sv *ret_bytes, struct err *err);
/*
 * As cursor_next, but a bad frame is judged: CURSOR_BAD is a torn tail then, and damage is TC_ECORRUPT.
 * `sealed`: a later segment exists, so that all of this one was durable. Reads to the end of the file to
 * judge.
 */
int cursor_next_judged(struct cursor *cursor, bool sealed, struct frame *ret, struct sv *ret_bytes,
                       struct err *err);
/* TC_ECORRUPT with file, offset and remedy. */
int cursor_damaged(const struct cursor *cursor, const char *why, struct err *err);
int cursor_size(const struct cursor *cursor, uint64_t *ret_bytes, struct err *err);

#endif
