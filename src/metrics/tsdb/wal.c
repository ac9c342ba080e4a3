/*
 * The log's queue and its group commit; see wal.h.
 *
 * Two locks: `lock` for the queue, held for moments; `disk` for the file, held while it is written. A waiter
 * has a ticket, the number of bytes ever queued when it came: it is served once as many are durable.
 */
#include "metrics/tsdb/wal.h"

#include "base/arena.h"
#include "base/num.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ENTRY_BYTES = 8, FULL_RETRY_S = 1, WAITERS_MAX = 1 << 16 };
/* `queue_bytes` and one batch more: appenders see to it that a batch is far below. */
#define QUEUE_BYTES_MAX ((size_t)4 << 30)

struct waiter {
    uint64_t ticket;
    wal_done_fn done;
    void *context;
};

struct wal {
    struct wal_options options;
    char *dir;
    pthread_mutex_t lock, disk;
    pthread_cond_t due;
    pthread_t thread;
    bool runs, ending, failed, full;
    struct buf queue; /* entries: u32 kind, u32 bytes, payload */
    uint64_t put;     /* bytes ever queued */
    struct waiter *waiters;
    size_t waiter_count, waiter_capacity;
    struct wal_stats shown; /* of what is under `disk` */
    /* under `disk`: */
    struct buf writing; /* taken from the queue, not durable yet */
    struct buf out;
    uint64_t taken; /* of `put`: as far as `writing` goes */
    uint64_t number, first, seed, offset;
    int file;
    uint64_t bytes, commits;
};

static void path_of(const struct wal *w, uint64_t number, char out[WAL_PATH_MAX])
{
    snprintf(out, WAL_PATH_MAX, "%s/%08llu.wal", w->dir, (unsigned long long)number);
}

/* The next segment: header durable before its first frame. */
static int next_segment(struct wal *w)
{
    char path[WAL_PATH_MAX];
    path_of(w, w->number + 1, path);
    struct wal_file f;
    int rc = wal_file_create(w->options.fs, w->options.rng, path, &f);
    if (f.file < 0)
        return rc;
    if (rc == 0)
        rc = w->options.fs->sync(w->options.fs, f.file);
    if (rc == 0)
        rc = w->options.fs->sync_dir(w->options.fs, w->dir);
    buf_free(&f.out);
    if (rc < 0) {
        w->options.fs->close(w->options.fs, f.file);
        w->options.fs->unlink(w->options.fs, path);
        return rc;
    }
    if (w->file >= 0)
        w->options.fs->close(w->options.fs, w->file);
    w->file = f.file;
    w->seed = f.seed;
    w->offset = f.offset;
    w->number++;
    return 0;
}

/* What nobody was told about is cut off where the disk still lets us: after a failed sync the page cache may
 * show bytes that the disk never got. */
static int write_frames(struct wal *w)
{
    uint64_t start = w->offset, offset = start;
    int rc = 0;
    buf_clear(&w->out);
    for (size_t at = 0; at < w->writing.n && rc == 0;) {
        uint32_t n = load_u32(w->writing.p + at + 4);
        size_t before = w->out.n;
        wal_frame_add(&w->out, load_u32(w->writing.p + at), sv_make(w->writing.p + at + ENTRY_BYTES, n),
                      w->seed, offset, start);
        offset += w->out.n - before;
        at += ENTRY_BYTES + n;
        if (w->out.n >= (1 << 20) || at >= w->writing.n) {
            rc = fs_write_all(w->options.fs, w->file, w->out.p, w->out.n, offset - w->out.n);
            buf_clear(&w->out);
        }
    }
    bool no_room = rc == -ENOSPC || rc == -EDQUOT;
    if (rc == 0)
        rc = w->options.fs->sync(w->options.fs, w->file);
    if (rc == 0) {
        w->bytes += offset - start;
        w->offset = offset;
        w->commits++;
        return 0;
    }
    int cut = w->options.fs->truncate(w->options.fs, w->file, start);
    if (cut == 0)
        cut = w->options.fs->sync(w->options.fs, w->file);
    return no_room && cut == 0 ? -ENOSPC : -EIO;
}

/* Under `disk`. 0 or a negative errno. */
static int commit_queue(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    bool failed = w->failed;
    if (!failed && w->writing.n == 0) {
        struct buf swap = w->writing;
        w->writing = w->queue;
        w->queue = swap;
        buf_clear(&w->queue);
        w->taken = w->put;
    }
    pthread_mutex_unlock(&w->lock);
    if (failed)
        return -EIO;
    if (w->writing.n == 0)
        return 0;
    int rc = w->offset >= w->options.segment_bytes ? next_segment(w) : 0;
    if (rc == 0)
        rc = write_frames(w);
    if (rc == 0)
        buf_clear(&w->writing);
    return rc == -EDQUOT ? -ENOSPC : rc;
}

/* Tells those whose bytes are durable, or all, after a failure. */
static void serve(struct wal *w, int rc)
{
    int code = rc == 0 ? 0 : rc == -ENOSPC ? TC_EBOUND : TC_EIO;
    struct waiter *served = NULL;
    size_t n = 0, kept = 0;
    pthread_mutex_lock(&w->lock);
    w->shown = (struct wal_stats){.segments = w->number - w->first + 1,
                                  .bytes = w->bytes,
                                  .commits = w->commits,
                                  .end = {w->number, w->offset}};
    w->full = rc == -ENOSPC;
    w->failed |= rc != 0 && rc != -ENOSPC;
    if (w->waiter_count > 0)
        served = tc_alloc(w->waiter_count * sizeof *served);
    for (size_t i = 0; i < w->waiter_count; i++) {
        if (rc != 0 || w->waiters[i].ticket <= w->taken)
            served[n++] = w->waiters[i];
        else
            w->waiters[kept++] = w->waiters[i];
    }
    w->waiter_count = kept;
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < n; i++)
        if (served[i].done != NULL)
            served[i].done(served[i].context, code);
    free(served);
}

static int commit(struct wal *w)
{
    pthread_mutex_lock(&w->disk);
    int rc = commit_queue(w);
    serve(w, rc);
    pthread_mutex_unlock(&w->disk);
    return rc;
}

static void *work(void *context)
{
    struct wal *w = context;
    pthread_mutex_lock(&w->lock);
    while (!w->ending) {
        if (w->waiter_count == 0 && w->queue.n == 0 && !w->full) {
            pthread_cond_wait(&w->due, &w->lock);
            continue;
        }
        if (w->failed && w->waiter_count == 0) {
            pthread_cond_wait(&w->due, &w->lock);
            continue;
        }
        bool was_full = w->full;
        if (was_full) { /* in peace, not in a whirl */
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += FULL_RETRY_S;
            pthread_cond_timedwait(&w->due, &w->lock, &until);
        }
        pthread_mutex_unlock(&w->lock);
        commit(w);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct numbers {
    uint64_t *p;
    size_t n, capacity;
};

static void add_number(void *context, const char *name)
{
    struct numbers *list = context;
    uint64_t number;
    struct sv text = sv_of(name);
    if (text.n != 12 || !sv_ends(text, SV(".wal")) || !num_u64(sv_head(text, 8), 0, 99999999, &number))
        return;
    if (list->n == list->capacity) {
        list->capacity = TC_MAX((size_t)16, list->capacity * 2);
        list->p = tc_realloc(list->p, list->capacity * sizeof *list->p);
    }
    list->p[list->n++] = number;
}

/* Reads the segments from `first` on; the last one's torn tail goes. */
static int recover(struct wal *w, uint64_t first, wal_frame_fn each, void *context, uint64_t *ret_cut,
                   struct err *err)
{
    const struct fs *fs = w->options.fs;
    struct numbers list = {0};
    int rc = fs->list(fs, w->dir, add_number, &list);
    if (rc < 0)
        rc = wal_sys(err, rc, "cannot list", w->dir);
    w->number = first > 0 ? first - 1 : 0;
    w->first = first;
    bool begun = false;
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        char path[WAL_PATH_MAX];
        uint64_t good, size;
        path_of(w, list.p[i], path);
        if (list.p[i] < first) { /* left over from a snapshot that was made */
            rc = fs->unlink(fs, path);
            if (rc < 0)
                rc = wal_sys(err, rc, "cannot remove", path);
            continue;
        }
        bool last = i + 1 == list.n;
        if (list.p[i] != w->number + 1 && (begun || first > 0)) {
            rc = err_set(err, TC_ECORRUPT, "a file of samples before %s is missing", path);
            break;
        }
        if (!begun)
            w->first = list.p[i];
        begun = true;
        rc = wal_file_read(fs, path, last, each, context, &good, &size, err);
        w->number = list.p[i];
        if (rc != 0 || !last || (good == size && good > 0)) /* an empty one goes: it would be in the middle */
            continue;
        *ret_cut += size - good;
        int file = good == 0 ? 0 : fs->open(fs, path, FS_READ | FS_WRITE);
        int cut = file;
        if (good == 0) {
            cut = fs->unlink(fs, path);
            w->number--;
        } else if (file >= 0) {
            cut = fs->truncate(fs, file, good);
            if (cut == 0)
                cut = fs->sync(fs, file);
            fs->close(fs, file);
        }
        if (cut < 0)
            rc = wal_sys(err, cut, "cannot cut the torn end off", path);
    }
    free(list.p);
    return rc;
}

int wal_open(const struct wal_options *options, uint64_t first, wal_frame_fn each, void *context,
             struct wal **ret, uint64_t *ret_cut_bytes, struct err *err)
{
    struct wal *w = tc_alloc(sizeof *w);
    w->options = *options;
    w->dir = tc_strdup(options->dir);
    w->file = -1;
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->disk, NULL);
    pthread_cond_init(&w->due, NULL);
    buf_init(&w->queue, QUEUE_BYTES_MAX);
    buf_init(&w->writing, QUEUE_BYTES_MAX);
    buf_init(&w->out, (size_t)WAL_PAYLOAD_MAX + (2 << 20));
    *ret_cut_bytes = 0;
    int rc = recover(w, first, each, context, ret_cut_bytes, err);
    if (rc == 0) {
        rc = next_segment(w);
        if (rc < 0)
            rc = wal_sys(err, rc, "cannot begin a file of samples in", w->dir);
    }
    if (w->first == 0)
        w->first = w->number;
    w->shown.segments = w->number - w->first + 1;
    w->shown.end = (struct wal_position){w->number, w->offset};
    if (rc == 0 && options->background) {
        w->runs = pthread_create(&w->thread, NULL, work, w) == 0;
        if (!w->runs)
            rc = err_set(err, TC_EIO, "cannot start the thread that writes samples");
    }
    if (rc == 0)
        *ret = w;
    else
        wal_close(&w);
    return rc;
}

void wal_close(struct wal **wal)
{
    struct wal *w = *wal;
    if (w == NULL)
        return;
    if (w->runs) {
        pthread_mutex_lock(&w->lock);
        w->ending = true;
        pthread_cond_signal(&w->due);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    if (w->file >= 0) {
        commit(w);
        commit(w);
        w->options.fs->close(w->options.fs, w->file);
    }
    serve(w, -EIO);
    pthread_cond_destroy(&w->due);
    pthread_mutex_destroy(&w->disk);
    pthread_mutex_destroy(&w->lock);
    buf_free(&w->queue);
    buf_free(&w->writing);
    buf_free(&w->out);
    free(w->waiters);
    free(w->dir);
    free(w);
    *wal = NULL;
}

bool wal_has_room(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    bool room = !w->failed && w->queue.n < w->options.queue_bytes && w->waiter_count < WAITERS_MAX;
    pthread_mutex_unlock(&w->lock);
    return room;
}

void wal_put(struct wal *w, unsigned kind, struct sv payload)
{
    tc_assert(payload.n <= WAL_PAYLOAD_MAX);
    pthread_mutex_lock(&w->lock);
    buf_u32(&w->queue, kind);
    buf_u32(&w->queue, (uint32_t)payload.n);
    buf_sv(&w->queue, payload);
    tc_assert(!w->queue.overflow); /* wal_has_room was asked */
    w->put += ENTRY_BYTES + payload.n;
    pthread_mutex_unlock(&w->lock);
}

void wal_wait(struct wal *w, wal_done_fn done, void *context)
{
    pthread_mutex_lock(&w->lock);
    if (w->waiter_count == w->waiter_capacity) {
        w->waiter_capacity = TC_MAX((size_t)64, w->waiter_capacity * 2);
        w->waiters = tc_realloc(w->waiters, w->waiter_capacity * sizeof *w->waiters);
    }
    w->waiters[w->waiter_count++] = (struct waiter){w->put, done, context};
    pthread_cond_signal(&w->due);
    pthread_mutex_unlock(&w->lock);
    if (!w->runs && commit(w) == 0 && w->waiter_count > 0)
        commit(w); /* what a full disk had held back went first */
}

static bool is_empty(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    bool empty = w->queue.n == 0;
    pthread_mutex_unlock(&w->lock);
    return empty;
}

int wal_roll(struct wal *w, uint64_t *ret_number, struct err *err)
{
    pthread_mutex_lock(&w->disk);
    int rc = commit_queue(w);
    if (rc == 0 && !is_empty(w))
        rc = commit_queue(w);
    serve(w, rc);
    if (rc == 0)
        rc = next_segment(w);
    if (rc == 0)
        serve(w, 0);
    *ret_number = w->number;
    pthread_mutex_unlock(&w->disk);
    return rc < 0 ? wal_sys(err, rc, "cannot begin a file of samples in", w->dir) : 0;
}

int wal_remove_before(struct wal *w, uint64_t number, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&w->disk);
    for (; w->first < number && w->first < w->number && rc == 0; w->first++) {
        char path[WAL_PATH_MAX];
        path_of(w, w->first, path);
        rc = w->options.fs->unlink(w->options.fs, path);
        if (rc == -ENOENT)
            rc = 0;
        if (rc < 0)
            rc = wal_sys(err, rc, "cannot remove", path);
    }
    pthread_mutex_lock(&w->lock);
    w->shown.segments = w->number - w->first + 1;
    pthread_mutex_unlock(&w->lock);
    pthread_mutex_unlock(&w->disk);
    return rc;
}

struct wal_stats wal_stats(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    struct wal_stats stats = w->shown;
    stats.queued_bytes = w->queue.n;
    stats.failed = w->failed;
    stats.full = w->full;
    pthread_mutex_unlock(&w->lock);
    return stats;
}
