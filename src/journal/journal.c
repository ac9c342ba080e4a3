/*
 * The journal's door: opening, the queue, the idempotency table, the writer thread, waiting; see journal.h.
 *
 * Order is decided once, under the mutex: the order of the queue is the order of the log, so a batch knows
 * its positions when it is queued. The writer thread takes all that is queued, makes it durable (writer.c)
 * and tells; what came meanwhile is the next group. There is no timer: a lone batch is synced at once, many
 * share a sync.
 */
#include "base/arena.h"
#include "base/log.h"
#include "journal/datadir.h"
#include "journal/recover.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DEFAULT_SEGMENT_BYTES = 128 << 20, DEFAULT_QUEUE_BYTES = 64 << 20, DEFAULT_RESERVE_BYTES = 64 << 20 };
#define FULL_RETRY_NS (TC_SECOND_NS / 2)
enum { RESERVE_FILE_SHARE = 16 };
enum { RESERVE_SHARE = 4 }; /* of a small file system no more than this part is kept back */

struct journal {
    struct journal_options options;
    char *dir;            /* owned */
    int lock_file;        /* holds DIR/lock */
    struct writer writer; /* the writer thread's; with inline_commit, the appending thread's */
    pthread_t thread;
    _Atomic uint64_t end; /* position after the last durable record; stored under `mutex` */
    _Atomic int failed;
    uint64_t epoch; /* constant after open */

    pthread_mutex_t mutex;  /* guards all below */
    pthread_cond_t work;    /* the queue is not empty, or stopping */
    pthread_cond_t changed; /* `end`, `failed` or room in the queue changed */
    struct writer_entry *head, **tail;
    uint64_t next_position;
    uint64_t queued_bytes; /* queued or being committed */
    bool stopping, committing;
    struct keys keys;
    struct err why; /* what stopped the journal */
    uint64_t free_bytes, reserve_bytes, reserve_file_bytes;
    bool has_reserve_file; /* the writer thread's */
    bool full;             /* a commit waits for room on the disk */
    bool no_waiting;       /* journal_wait_no_more */
    int64_t free_asked_ns; /* monotonic */
    struct journal_stats stats;
};

/* --- the reserve file ------------------------------------------------------------------------------------
 */

static void reserve_path(const struct journal *j, char out[SEGMENT_PATH_MAX])
{
    snprintf(out, SEGMENT_PATH_MAX, "%s/reserve", j->dir);
}

static int write_reserve(const struct journal *j, const char *path, uint64_t want)
{
    enum { PIECE = 1 << 16 };
    static const char zeros[PIECE];
    const struct fs *fs = j->options.fs;
    int file = fs->open(fs, path, FS_WRITE | FS_CREATE);
    int rc = file < 0 ? file : 0;
    for (uint64_t at = 0; rc >= 0 && at < want; at += PIECE)
        rc = fs_write_all(fs, file, zeros, (size_t)TC_MIN((uint64_t)PIECE, want - at), at);
    if (rc >= 0)
        rc = fs->sync(fs, file);
    if (file >= 0)
        fs->close(fs, file);
    return rc;
}

/* Where the disk has room for it and for the reserve beside it; without it only the start of a full disk is
 * harder. */
static void make_reserve(struct journal *j)
{
    char path[SEGMENT_PATH_MAX];
    struct fs_stat st;
    if (j->options.reserve_file_bytes == 0 || j->has_reserve_file)
        return;
    pthread_mutex_lock(&j->mutex);
    uint64_t want = j->reserve_file_bytes, free_bytes = j->free_bytes, keep = j->reserve_bytes;
    pthread_mutex_unlock(&j->mutex);
    reserve_path(j, path);
    if (j->options.fs->stat(j->options.fs, path, &st) == 0 && st.size_bytes == want) {
        j->has_reserve_file = true;
    } else if (free_bytes / 4 > want && free_bytes - want > keep) {
        j->has_reserve_file = write_reserve(j, path, want) >= 0;
        if (!j->has_reserve_file)
            j->options.fs->unlink(j->options.fs, path);
    }
}

/* True: there is room now that was not there before. */
static bool give_reserve(struct journal *j)
{
    char path[SEGMENT_PATH_MAX];
    if (!j->has_reserve_file)
        return false;
    const struct fs *fs = j->options.fs;
    reserve_path(j, path);
    j->has_reserve_file = false;
    int file = fs->open(fs, path, FS_WRITE | FS_TRUNCATE); /* its room is free whoever has it open */
    if (file >= 0)
        fs->close(fs, file);
    return fs->unlink(fs, path) == 0;
}

/* --- opening and closing -------------------------------------------------------------------------------- */

static void refresh_free_bytes(struct journal *j)
{
    uint64_t n, total;
    /* where the system cannot say, the last answer stands; a disk that is full says so at the write */
    if (j->options.fs->free_bytes(j->options.fs, j->dir, &n, &total) == 0) {
        j->free_bytes = n;
        j->reserve_bytes = TC_MIN(j->options.reserve_bytes, total / RESERVE_SHARE);
        j->reserve_file_bytes = TC_MIN(j->options.reserve_file_bytes, total / RESERVE_FILE_SHARE);
    }
    j->free_asked_ns = clk_monotonic_ns(j->options.clk);
}

static struct journal *new_journal(const struct journal_options *o)
{
    struct journal *j = tc_alloc(sizeof *j);
    pthread_condattr_t attributes;
    j->options = *o;
    j->dir = tc_strdup(o->dir);
    j->options.dir = j->dir;
    if (o->segment_bytes == 0)
        j->options.segment_bytes = DEFAULT_SEGMENT_BYTES;
    if (o->queue_bytes == 0)
        j->options.queue_bytes = DEFAULT_QUEUE_BYTES;
    if (o->reserve_bytes == 0)
        j->options.reserve_bytes = DEFAULT_RESERVE_BYTES;
    j->lock_file = -1;
    j->tail = &j->head;
    j->free_bytes = UINT64_MAX;
    writer_init(&j->writer, &j->options);
    pthread_mutex_init(&j->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&j->changed, &attributes);
    pthread_cond_init(&j->work, &attributes);
    pthread_condattr_destroy(&attributes);
    return j;
}

static void free_journal(struct journal *j)
{
    writer_fini(&j->writer);
    if (j->lock_file >= 0)
        j->options.fs->close(j->options.fs, j->lock_file);
    keys_free(&j->keys);
    pthread_cond_destroy(&j->work);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->mutex);
    free(j->dir);
    free(j);
}

static void *run_writer(void *context);

static int start_writer(struct journal *j, struct err *err)
{
    j->epoch = j->writer.header.epoch;
    j->next_position = j->writer.position;
    atomic_store(&j->end, j->writer.position);
    refresh_free_bytes(j);
    make_reserve(j);
    if (j->options.inline_commit)
        return 0;
    int rc = pthread_create(&j->thread, NULL, run_writer, j);
    return rc == 0 ? 0 : segment_sys(err, -rc, "cannot start the writer thread of", j->dir);
}

int journal_open(const struct journal_options *options, struct journal **ret,
                 struct journal_recovery *ret_recovery, struct err *err)
{
    struct journal *j = new_journal(options);
    const struct journal_options *o = &j->options;
    struct journal_recovery recovery = {0};
    int rc = datadir_make(o->fs, o->dir, err);
    if (rc == 0)
        rc = datadir_lock(o->fs, o->dir, &j->lock_file, err);
    if (rc == 0)
        rc = recover_journal(&j->writer, &j->keys, &recovery, err);
    if (rc == 0)
        rc = start_writer(j, err);
    if (rc != 0) {
        free_journal(j);
        return rc;
    }
    if (ret_recovery != NULL)
        *ret_recovery = recovery;
    *ret = j;
    return 0;
}

int journal_begin_epoch(const struct journal_options *options, uint64_t *ret_epoch, struct err *err)
{
    struct journal *j = new_journal(options);
    struct writer *w = &j->writer;
    struct journal_recovery recovery = {0};
    uint64_t before;
    int rc = datadir_lock(options->fs, options->dir, &j->lock_file, err);
    if (rc == 0)
        rc = recover_journal(w, &j->keys, &recovery, err);
    if (rc == 0 && w->position == w->header.first)
        rc = err_set(err, TC_ESTATE, "the last segment of %s holds no record: there is nothing to go on from",
                     options->dir);
    if (rc == 0) {
        before = w->header.epoch;
        while (w->header.epoch == before || w->header.epoch == 0)
            w->header.epoch = rng_u64(w->rng);
        rc = writer_roll(w, err);
    }
    if (rc == 0)
        *ret_epoch = w->header.epoch;
    free_journal(j);
    return rc;
}

void journal_close(struct journal **journal)
{
    struct journal *j = *journal;
    if (j == NULL)
        return;
    pthread_mutex_lock(&j->mutex);
    j->stopping = true;
    pthread_cond_broadcast(&j->work);
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mutex);
    if (!j->options.inline_commit)
        pthread_join(j->thread, NULL);
    /* an error here is nobody's: all that was promised is durable already */
    if (atomic_load(&j->failed) == 0)
        writer_mark(&j->writer, NULL);
    free_journal(j);
    *journal = NULL;
}

/* --- committing ----------------------------------------------------------------------------------------- */

static void free_entry(struct writer_entry *e)
{
    free(e->bytes);
    free(e);
}

static size_t cost(const struct writer_entry *e)
{
    return sizeof *e + e->n;
}

/* Tells and frees the entries before `rest`. */
static void tell(struct writer_entry *from, const struct writer_entry *rest, int rc)
{
    while (from != rest) {
        struct writer_entry *next = from->next;
        if (from->done != NULL)
            from->done(from->context, rc, from->frame.first);
        free_entry(from);
        from = next;
    }
}

static void publish(struct journal *j, const struct writer_entry *from, const struct writer_entry *rest)
{
    const struct writer *w = &j->writer;
    int64_t now_ns = clk_monotonic_ns(j->options.clk);
    pthread_mutex_lock(&j->mutex);
    for (const struct writer_entry *e = from; e != rest; e = e->next) {
        j->queued_bytes -= cost(e);
        j->stats.batches += e->bytes != NULL;
        if (j->options.durable != NULL && e->frame.kind == BATCH_INPUT)
            duration_histogram_observe(j->options.durable, now_ns - e->queued_ns);
        j->stats.records += e->bytes != NULL ? e->frame.count : 0;
    }
    j->stats.bytes = w->bytes;
    j->stats.commits = w->commits;
    j->stats.syncs = w->syncs;
    j->stats.sync_ns_total = w->sync_ns_total;
    j->stats.sync_ns_max = w->sync_ns_max;
    refresh_free_bytes(j);
    if (j->full)
        log_info("journal", "there is room on the disk again: going on");
    j->full = false;
    atomic_store(&j->end, w->position);
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mutex);
    make_reserve(j);
}

static void stop_for_good(struct journal *j, const struct writer_entry *from, int rc, const struct err *why)
{
    pthread_mutex_lock(&j->mutex);
    if (atomic_load(&j->failed) == 0) {
        j->why = *why;
        atomic_store(&j->failed, rc);
    }
    for (const struct writer_entry *e = from; e != NULL; e = e->next)
        j->queued_bytes -= cost(e);
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mutex);
}

static struct timespec deadline_in(int64_t ns)
{
    /* the condition variables wait by the system's monotonic clock, whatever clock the options bring */
    int64_t at = clk_monotonic_ns(&clk_system);
    at = ns > INT64_MAX - at ? INT64_MAX : at + ns;
    return (struct timespec){.tv_sec = (time_t)(at / TC_SECOND_NS), .tv_nsec = (long)(at % TC_SECOND_NS)};
}

/* The disk is full. True: a moment has passed, try again; false: nobody may wait any more. */
static bool wait_for_room(struct journal *j, const struct err *why)
{
    struct timespec deadline = deadline_in(FULL_RETRY_NS);
    int rc = 0;
    if (j->options.inline_commit)
        return false;
    pthread_mutex_lock(&j->mutex);
    if (give_reserve(j)) {
        j->full = true;
        pthread_mutex_unlock(&j->mutex);
        log_warn("journal", "%s: input is refused, and alerts use the reserve", why->text);
        return true;
    }
    if (!j->full)
        log_warn("journal", "%s: input is refused, and alerts wait for room", why->text);
    j->full = true;
    while (rc == 0 && !j->stopping && !j->no_waiting)
        rc = pthread_cond_timedwait(&j->work, &j->mutex, &deadline);
    bool again = !j->stopping && !j->no_waiting;
    pthread_mutex_unlock(&j->mutex);
    return again;
}

/* All that is queued; the mutex is held. */
static struct writer_entry *take_queue(struct journal *j)
{
    struct writer_entry *all = j->head;
    j->head = NULL;
    j->tail = &j->head;
    return all;
}

static bool is_refused(const struct journal *j, const struct writer_entry *e)
{
    bool is_kept_repeat = e->bytes == NULL && e->frame.first < j->writer.position;
    return e->refuse_when_full && !is_kept_repeat;
}

/* The mutex is held. */
static void move_up(struct journal *j, struct writer_entry *e, uint64_t *position)
{
    const struct key_entry *seen;
    if (e->bytes == NULL) {
        seen = keys_find(&j->keys, e->frame.key, e->frame.received);
        e->frame.first = seen != NULL ? seen->first : e->frame.first;
        return;
    }
    e->frame.first = *position;
    *position += e->frame.count;
    if (e->frame.has_key)
        keys_add(&j->keys, e->frame.key, e->frame.first, e->frame.received);
}

/*
 * The disk is full, and some of what is queued belongs to people who can send it again: they are told now,
 * not when there is room, which may be never. What is left moves up; nobody has been told its position yet.
 * Returns what is left of `entries` and the queue.
 */
static struct writer_entry *refuse_what_can_wait(struct journal *j, struct writer_entry *entries)
{
    struct writer_entry *kept = NULL, **kept_tail = &kept, *refused = NULL, **refused_tail = &refused;
    uint64_t position = j->writer.position;
    pthread_mutex_lock(&j->mutex);
    keys_take_back(&j->keys, position);
    struct writer_entry **end = &entries;
    while (*end != NULL)
        end = &(*end)->next;
    *end = take_queue(j);
    for (struct writer_entry *e = entries, *next; e != NULL; e = next) {
        next = e->next;
        e->next = NULL;
        if (is_refused(j, e)) {
            j->queued_bytes -= cost(e);
            j->stats.rejected += e->bytes != NULL;
            *refused_tail = e;
            refused_tail = &e->next;
            continue;
        }
        move_up(j, e, &position);
        *kept_tail = e;
        kept_tail = &e->next;
    }
    j->next_position = position;
    refresh_free_bytes(j);
    if (kept == NULL)
        j->full = false; /* nothing waits: the next batch asks the disk */
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mutex);
    tell(refused, NULL, TC_EBOUND);
    return kept;
}

static void commit(struct journal *j, struct writer_entry *entries)
{
    while (entries != NULL) {
        struct err err = {0};
        struct writer_entry *rest = NULL;
        int rc =
            j->options.before_commit == NULL ? 0 : j->options.before_commit(j->options.before_context, &err);
        if (rc == 0)
            rc = writer_commit(&j->writer, entries, &rest, &err);
        if (rc == TC_EBOUND && wait_for_room(j, &err)) {
            entries = refuse_what_can_wait(j, entries);
            continue;
        }
        if (rc == 0) {
            publish(j, entries, rest);
        } else {
            rc = rc == TC_EBOUND ? TC_EIO : rc;
            stop_for_good(j, entries, rc, &err);
            rc = TC_EIO;
        }
        tell(entries, rest, rc);
        entries = rest;
    }
}

static void *run_writer(void *context)
{
    struct journal *j = context;
    pthread_mutex_lock(&j->mutex);
    for (;;) {
        while (j->head == NULL && !j->stopping)
            pthread_cond_wait(&j->work, &j->mutex);
        struct writer_entry *all = take_queue(j);
        if (all == NULL)
            break;
        pthread_mutex_unlock(&j->mutex);
        commit(j, all);
        pthread_mutex_lock(&j->mutex);
    }
    pthread_mutex_unlock(&j->mutex);
    return NULL;
}

/* Without the thread: what `done` callbacks append while a commit runs is the next group. */
static void commit_inline(struct journal *j)
{
    pthread_mutex_lock(&j->mutex);
    while (!j->committing && j->head != NULL) {
        struct writer_entry *all = take_queue(j);
        j->committing = true;
        pthread_mutex_unlock(&j->mutex);
        commit(j, all);
        pthread_mutex_lock(&j->mutex);
        j->committing = false;
    }
    pthread_mutex_unlock(&j->mutex);
}

/* --- appending ------------------------------------------------------------------------------------------ */

static int check_batch(const struct journal_batch *b, struct err *err)
{
    struct sv rest = b->blocks;
    struct event e;
    if (b->kind < BATCH_INPUT || b->kind > BATCH_CONTROL || b->count == 0 ||
        (b->has_key && b->kind != BATCH_INPUT) || (b->refuse_when_full && b->kind == BATCH_DECISION))
        return err_set(err, TC_EINPUT,
                       "a batch needs a kind and records, only input has a key, and no decision is refused");
    if (rest.n > FRAME_MAX_BYTES - FRAME_HEADER_BYTES)
        return err_set(err, TC_EINPUT, "a batch of %zu bytes: %d MiB at most; send it in parts", rest.n,
                       FRAME_MAX_BYTES >> 20);
    for (uint32_t i = 0; i < b->count; i++) {
        struct sv block = sv_head(rest, record_length(rest));
        if (record_decode_envelope(block, &e, NULL) != 0)
            return err_set(err, TC_EINPUT, "record %u of the batch is missing or malformed", i);
        rest = sv_from(rest, block.n);
    }
    return rest.n == 0 ? 0 : err_set(err, TC_EINPUT, "the batch has more bytes than its records");
}

static struct writer_entry *new_entry(const struct journal_batch *b, journal_done_fn done, void *context)
{
    struct writer_entry *e = tc_alloc(sizeof *e);
    *e = (struct writer_entry){.done = done, .context = context, .n = frame_bytes(b->blocks.n)};
    e->frame = (struct frame){.kind = (uint8_t)b->kind,
                              .has_key = b->has_key,
                              .payload_bytes = (uint32_t)b->blocks.n,
                              .count = b->count,
                              .received = b->received,
                              .consumed = b->consumed};
    memcpy(e->frame.key, b->key, sizeof e->frame.key);
    e->refuse_when_full = b->refuse_when_full;
    e->bytes = tc_realloc(NULL, e->n);
    memset(e->bytes + e->n - FRAME_ALIGN, 0, FRAME_ALIGN); /* the padding is within the last of these */
    memcpy(e->bytes + FRAME_HEADER_BYTES, b->blocks.p, b->blocks.n);
    return e;
}

static int stopped(const struct journal *j, struct err *err)
{
    if (atomic_load(&j->failed) != 0)
        return err_set(err, TC_EIO,
                       "the journal has stopped (%.900s): free or replace the disk and start again",
                       j->why.text);
    return j->stopping ? err_set(err, TC_ESTATE, "the journal is closing") : 0;
}

static int check_queue(struct journal *j, const struct writer_entry *e, struct err *err)
{
    uint64_t limit = e->frame.kind == BATCH_INPUT ? j->options.queue_bytes : 2 * j->options.queue_bytes;
    bool waits =
        j->full && e->frame.kind == BATCH_CONTROL; /* a tick that is late by then, a person's command */
    if (!waits && (j->queued_bytes == 0 || j->queued_bytes + cost(e) <= limit))
        return 0;
    j->stats.rejected++;
    return waits ? err_set(err, TC_EAGAIN, "the disk of %s is full: free space, try again", j->dir)
                 : err_set(err, TC_EAGAIN, "the journal's queue is full: try again");
}

static int check_disk(struct journal *j, const struct writer_entry *e, struct err *err)
{
    uint64_t need = j->reserve_bytes + j->queued_bytes + cost(e);
    if (e->frame.kind != BATCH_INPUT)
        return 0;
    if (j->free_bytes < need && clk_monotonic_ns(j->options.clk) - j->free_asked_ns >= TC_SECOND_NS)
        refresh_free_bytes(j);
    if (!j->full && j->free_bytes >= need)
        return 0;
    j->stats.rejected++;
    return err_set(err, TC_EBOUND, "the disk of %s is nearly full: input is refused until space is free",
                   j->dir);
}

static void enqueue(struct journal *j, struct writer_entry *e)
{
    j->queued_bytes += cost(e);
    e->queued_ns = clk_monotonic_ns(j->options.clk);
    *j->tail = e;
    j->tail = &e->next;
    pthread_cond_signal(&j->work);
}

/* A batch that was seen before. 1 = its promise is kept already, and `e` is still the caller's to tell. */
static int repeat(struct journal *j, struct writer_entry *e, uint64_t first, struct err *err)
{
    bool is_durable = first < atomic_load(&j->end);
    int rc = is_durable ? 1 : check_queue(j, e, err);
    if (!is_durable && j->full)
        rc = err_set(err, TC_EBOUND, "the disk of %s is full: the batch before this one waits for room",
                     j->dir);
    if (rc < 0)
        return rc;
    free(e->bytes);
    e->bytes = NULL;
    e->n = 0;
    e->frame.first = first;
    j->stats.duplicates++;
    if (!is_durable)
        enqueue(j, e); /* behind the first one, so it is told after that is durable */
    return rc;
}

static int accept(struct journal *j, struct writer_entry *e, struct err *err)
{
    int rc = check_queue(j, e, err);
    if (rc == 0)
        rc = check_disk(j, e, err);
    if (rc != 0)
        return rc;
    e->frame.first = j->next_position;
    j->next_position += e->frame.count;
    if (e->frame.has_key) {
        keys_add(&j->keys, e->frame.key, e->frame.first, e->frame.received);
        j->stats.keys_forgotten = j->keys.forgotten;
    }
    enqueue(j, e);
    return 0;
}

/* As journal_append; with `wait` a full queue is waited for. */
static int append(struct journal *j, const struct journal_batch *batch, bool wait, journal_done_fn done,
                  void *context, uint64_t *ret_first, struct err *err)
{
    int rc = check_batch(batch, err);
    if (rc != 0)
        return rc;
    struct writer_entry *e = new_entry(batch, done, context);
    const struct key_entry *seen = NULL;
    uint64_t first = 0;
    pthread_mutex_lock(&j->mutex);
    while ((rc = stopped(j, err)) == 0) {
        seen = e->frame.has_key ? keys_find(&j->keys, e->frame.key, e->frame.received) : NULL;
        if (seen != NULL && memcmp(seen->key, e->frame.key, sizeof e->frame.key) != 0)
            rc = err_set(err, TC_EDENIED, "this key was used for another body");
        else
            rc = seen != NULL ? repeat(j, e, seen->first, err) : accept(j, e, err);
        if (rc != TC_EAGAIN || !wait || j->options.inline_commit)
            break;
        pthread_cond_wait(&j->changed, &j->mutex);
    }
    if (rc >= 0)
        first = e->frame.first;
    pthread_mutex_unlock(&j->mutex);
    if (rc < 0) {
        free_entry(e);
        return rc;
    }
    if (rc == 1)
        tell(e, NULL, 0);
    if (ret_first != NULL)
        *ret_first = first;
    if (j->options.inline_commit)
        commit_inline(j);
    return seen != NULL ? err_set(err, TC_EEXIST, "this batch was received before") : 0;
}

int journal_append(struct journal *j, const struct journal_batch *batch, journal_done_fn done, void *context,
                   uint64_t *ret_first, struct err *err)
{
    return append(j, batch, false, done, context, ret_first, err);
}

struct waiting {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool told;
    int rc;
    uint64_t first;
};

static void wake(void *context, int rc, uint64_t first)
{
    struct waiting *w = context;
    pthread_mutex_lock(&w->mutex);
    w->told = true;
    w->rc = rc;
    w->first = first;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

int journal_append_wait(struct journal *j, const struct journal_batch *batch, uint64_t *ret_first,
                        struct err *err)
{
    struct waiting w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    int rc = append(j, batch, true, wake, &w, NULL, err);
    if (rc == 0 || rc == TC_EEXIST) {
        pthread_mutex_lock(&w.mutex);
        while (!w.told)
            pthread_cond_wait(&w.cond, &w.mutex);
        pthread_mutex_unlock(&w.mutex);
        if (w.rc == TC_EBOUND) {
            rc = err_set(err, TC_EBOUND, "the disk of %s is full: nothing of this was kept", j->dir);
        } else if (w.rc != 0) {
            pthread_mutex_lock(&j->mutex);
            rc = stopped(j, err);
            pthread_mutex_unlock(&j->mutex);
        } else if (ret_first != NULL) {
            *ret_first = w.first;
        }
    }
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.mutex);
    return rc;
}

/* --- asking --------------------------------------------------------------------------------------------- */

uint64_t journal_end(const struct journal *j)
{
    return atomic_load(&j->end);
}

uint64_t journal_epoch(const struct journal *j)
{
    return j->epoch;
}

void journal_wait_no_more(struct journal *j)
{
    pthread_mutex_lock(&j->mutex);
    j->no_waiting = true;
    pthread_cond_broadcast(&j->work);
    pthread_mutex_unlock(&j->mutex);
}

int journal_failed(const struct journal *j)
{
    return atomic_load(&j->failed);
}

uint64_t journal_wait(struct journal *j, uint64_t position, int64_t timeout_ns)
{
    if (timeout_ns <= 0 || j->options.inline_commit)
        return journal_end(j);
    struct timespec deadline = deadline_in(timeout_ns);
    int rc = 0;
    pthread_mutex_lock(&j->mutex);
    while (rc == 0 && atomic_load(&j->end) <= position && atomic_load(&j->failed) == 0 && !j->stopping)
        rc = pthread_cond_timedwait(&j->changed, &j->mutex, &deadline);
    pthread_mutex_unlock(&j->mutex);
    return journal_end(j);
}

void journal_stats(const struct journal *journal, struct journal_stats *ret)
{
    struct journal *j = (struct journal *)(uintptr_t)journal; /* only the mutex is touched */
    pthread_mutex_lock(&j->mutex);
    *ret = j->stats;
    ret->queued_bytes = j->queued_bytes;
    ret->full = j->full;
    if (clk_monotonic_ns(j->options.clk) - j->free_asked_ns >= TC_SECOND_NS)
        refresh_free_bytes(j);
    ret->queue_limit_bytes = j->options.queue_bytes;
    ret->free_bytes = j->free_bytes;
    ret->reserve_bytes = j->reserve_bytes;
    pthread_mutex_unlock(&j->mutex);
}
