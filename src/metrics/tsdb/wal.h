/*
 * The write-ahead log of the head: DIR/wal/<number, 8 digits>.wal, a header and then frames.
 *
 * Appending queues a frame; a commit writes all that is queued with one write and one sync (group commit) and
 * then tells those who wait. A thread commits where `background` is set, else the appender does. A full disk
 * keeps the queue and tries again; any other failure ends the log until a restart: nothing is acknowledged
 * any more.
 *
 * A frame's checksum is seeded with a random number of the file plus its offset, and names how far the file
 * was durable when it was written. So a torn tail, which is cut off, is told from damage before it, which is
 * an error. docs/format/metrics.md has the bytes. Snapshots of the head are files of the same frames.
 */
#ifndef METRICS_TSDB_WAL_H
#define METRICS_TSDB_WAL_H

#include "base/fs.h"
#include "base/rng.h"

enum {
    WAL_HEADER_BYTES = 32,
    WAL_FRAME_BYTES = 32,
    WAL_PAYLOAD_MAX = 64 << 20,
    WAL_PATH_MAX = 4096,
    WAL_VERSION = 1,
};

/* rc 0: durable. Else a negative err_code: the log has ended, or the disk is full (it may become durable
 * yet). */
typedef void (*wal_done_fn)(void *context, int rc);

struct wal;
struct wal_options {
    const struct fs *fs;
    const struct rng *rng;
    const char *dir; /* exists */
    uint64_t segment_bytes;
    size_t queue_bytes; /* past it wal_has_room is false */
    bool background;
};

struct wal_position {
    uint64_t segment, offset; /* of a frame in its file */
};

struct wal_stats {
    uint64_t segments, bytes, commits, queued_bytes;
    struct wal_position end; /* of what is durable */
    bool failed, full;
};

/* Frames of a file in order; `payload` is lent. Nonzero stops. */
typedef int (*wal_frame_fn)(void *context, unsigned kind, struct sv payload, struct err *err);

/* Reads DIR/<first>.wal and all after it, cuts a torn tail off the last, and opens a new segment for
 * appending. *ret_cut_bytes: what was cut. */
int wal_open(const struct wal_options *options, uint64_t first, wal_frame_fn each, void *context,
             struct wal **ret, uint64_t *ret_cut_bytes, struct err *err);
void wal_close(struct wal **wal); /* commits what is queued */
bool wal_has_room(struct wal *wal);
/* Queues a frame (copied). */
void wal_put(struct wal *wal, unsigned kind, struct sv payload);
/* `done` once all that was put so far is durable; it may come before this returns. Without `background`, the
 * commit happens here. */
void wal_wait(struct wal *wal, wal_done_fn done, void *context);
/* All that is put from now on goes into a new segment; its number. Negative err_code. */
int wal_roll(struct wal *wal, uint64_t *ret_number, struct err *err);
/* Removes the segments before `number`. */
int wal_remove_before(struct wal *wal, uint64_t number, struct err *err);
struct wal_stats wal_stats(struct wal *wal);

/* --- files of frames that are written once --- */
struct wal_file {
    const struct fs *fs;
    int file;
    uint64_t seed, offset;
    struct buf out;
    int rc; /* sticks */
};
int wal_file_create(const struct fs *fs, const struct rng *rng, const char *path, struct wal_file *ret);
void wal_file_put(struct wal_file *file, unsigned kind, struct sv payload);
/* Flushes, syncs, closes; 0 or the first negative errno. */
int wal_file_finish(struct wal_file *file);
/* Reads a file whole. `last`: a torn tail is no error; *ret_good is then where it begins. */
int wal_file_read(const struct fs *fs, const char *path, bool last, wal_frame_fn each, void *context,
                  uint64_t *ret_good, uint64_t *ret_size, struct err *err);

/* --- a segment, frame by frame, while it grows --- */
struct wal_reader {
    const struct fs *fs;
    int file; /* -1: none is open */
    uint64_t seed, size, offset;
    struct buf bytes; /* of one frame */
};
/* Frames from `offset` on (0: from the first). *ret_missing (may be NULL): there is no such file. */
int wal_reader_open(const struct fs *fs, const char *dir, uint64_t number, uint64_t offset,
                    struct wal_reader *ret, bool *ret_missing, struct err *err);
/* 1: a frame that ends at `end` or before, stepped over; its payload is lent until the next call. 0: there is
 * none. A negative err_code: it cannot be read, or is damaged. */
int wal_reader_next(struct wal_reader *reader, uint64_t end, unsigned *ret_kind, struct sv *ret_payload,
                    struct err *err);
void wal_reader_close(struct wal_reader *reader);

/* Appends a frame that will stand at `offset` of a file with this seed. */
void wal_frame_add(struct buf *out, unsigned kind, struct sv payload, uint64_t seed, uint64_t offset,
                   uint64_t durable_before);

/* Fills err from a negative errno of the file seam. */
int wal_sys(struct err *err, int negative_errno, const char *what, const char *path);

#endif
