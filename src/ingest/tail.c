/*
 * The file door: its rounds, its thread, and what it tells; see tail.h.
 *
 * A round looks at names where that is due, then reads at most a MiB of each file, and hands on. Of files
 * that were one name, the older is read to its end before the younger, so that lines come in their order.
 * inotify only shortens the wait: whatever it does not tell (another host's writes, a full queue) is seen by
 * looking.
 */
#include "ingest/tail_priv.h"

#include "base/json_out.h"
#include "base/log.h"
#include "event/record.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { FULL_WAIT_MS = 50, NAMES_APART_MS = 50, ROUNDS_APART_MS = 5 };
#define KEY_FILE   "tail:file:"
#define KEY_SOURCE "tail:source:"

int64_t tail_now(const struct tail *tail)
{
    return clk_monotonic_ns(tail->options.clk);
}

void tail_watch(struct tail *tail, const char *dir)
{
    if (tail->notify_fd >= 0) /* a directory that is watched already stays so */
        inotify_add_watch(tail->notify_fd, dir,
                          IN_CREATE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
}

/* --- what it tells ---------------------------------------------------------------------------------------
 */

void tail_say_loss(struct tail *tail, const struct tail_file *file, const char *what, uint64_t bytes)
{
    struct buf text;
    struct json_out json = json_out_to(&text);
    buf_init(&text, 64 << 10);
    tail->lost_bytes += bytes;
    log_warn("tail", "%s %s: at least %llu bytes were never read", file->path, what,
             (unsigned long long)bytes);
    json_object(&json);
    json_kv_str(&json, "event.action", "log_lost");
    json_kv_str(&json, "event.module", "tocsin");
    json_kv_str(&json, "file.path", file->path);
    json_kv_u64(&json, "tocsin.tail.lost_bytes", bytes);
    json_kv_str(&json, "message", what);
    json_object_end(&json);
    struct split_record record = {.raw = buf_view(&text), .line = 1, .full_bytes = text.n};
    /* where the outlet is full the log line and the counter remain */
    outlet_take(tail->outlet, parser_find(SV("json")), SV("self"), 0, 0, &record);
    buf_free(&text);
}

static void say_unreadable(struct tail_file *file, int rc)
{
    file->is_unreadable = rc != 0 && rc != -ENOENT && rc != -EMFILE;
    if (file->is_unreadable && !file->is_told)
        log_warn("tail", "%s cannot be read: %s; trying again", file->path, strerror(-rc));
    else if (rc == 0 && file->is_told)
        log_info("tail", "%s can be read again", file->path);
    file->is_told = file->is_unreadable;
}

/* --- positions -------------------------------------------------------------------------------------------
 */

static void put_position(struct intake_batch *batch, struct sv key, struct sv value)
{
    record_encode_plain(REC_POSITION, CLASS_DEBUG, key, batch->received, (struct event_time){TC_NO_TIME},
                        value, &batch->blocks);
    batch->count++;
}

static void seal_file(struct tail *tail, struct tail_file *file, struct intake_batch *batch)
{
    char key[64];
    struct buf value;
    snprintf(key, sizeof key, KEY_FILE "%llu", (unsigned long long)file->serial);
    buf_init(&value, 64 << 10);
    tail_file_save(file, &value);
    put_position(batch, sv_of(key), buf_view(&value));
    buf_free(&value);
    file->is_dirty = file->is_moved = false;
    tail->dirty--;
}

static struct sv source_key(const struct tail_source *source, char *to, size_t size)
{
    int n = snprintf(to, size, KEY_SOURCE "%.*s%s%s", SV_FMT(source->name), source->name.n > 0 ? "" : "path ",
                     source->name.n > 0 ? "" : source->paths[0]);
    return sv_make(to, TC_MIN((size_t)n, size - 1));
}

/* Files whose lines are in the batch first; that a source's first scan is done, only with or after its files.
 */
static void seal(void *context, struct intake_batch *batch)
{
    struct tail *tail = context;
    char key[TAIL_PATH_BYTES];
    size_t left = TAIL_DIRTY_MAX;
    if (batch->count == 0)
        batch->received = clk_now(tail->options.clk);
    for (int moved = 1; moved >= 0; moved--)
        for (size_t i = 0; tail->dirty > 0 && left > 0 && i < tail->count; i++)
            if (tail->files[i]->is_dirty && tail->files[i]->is_moved == moved) {
                seal_file(tail, tail->files[i], batch);
                left--;
            }
    for (size_t i = 0; tail->dirty == 0 && i < tail->options.source_count; i++)
        if (tail->source_dirty[i]) {
            put_position(batch, source_key(&tail->options.sources[i], key, sizeof key),
                         SV("{\"started\":true}"));
            tail->source_dirty[i] = false;
        }
}

void tail_restore(struct tail *tail, struct sv key, struct sv value)
{
    char own[TAIL_PATH_BYTES];
    uint64_t serial = 0;
    for (size_t i = 0; i < tail->options.source_count; i++)
        tail->source_started[i] |= sv_eq(key, source_key(&tail->options.sources[i], own, sizeof own));
    if (!sv_starts(key, SV(KEY_FILE)))
        return;
    for (size_t i = sizeof KEY_FILE - 1; i < key.n; i++)
        serial = serial * 10 + (uint64_t)(key.p[i] - '0');
    if (!tail_file_load(tail, serial, value))
        log_warn("tail", "a position of a file is not understood and is passed over");
}

/* --- rounds ----------------------------------------------------------------------------------------------
 */

/* Room for one more open file: of those that are read to their end, the one that was quiet for longest. */
static void close_quiet(struct tail *tail)
{
    struct tail_file *quiet = NULL;
    for (size_t i = 0; i < tail->count; i++) {
        struct tail_file *file = tail->files[i];
        if (file->handle >= 0 && file->offset == file->size && file->missing_ns == 0 &&
            (quiet == NULL || file->changed_ns < quiet->changed_ns))
            quiet = file;
    }
    if (quiet != NULL)
        tail_file_close(tail, quiet);
}

static bool open_file(struct tail *tail, struct tail_file *file)
{
    if (file->is_packed || file->handle >= 0)
        return true;
    if (tail->open_files >= tail->options.open_max)
        close_quiet(tail);
    int rc = tail_file_open(tail, file);
    if (rc == 0) {
        tail_file_replaced(tail, file);
        rc = tail_file_open(tail, file);
    }
    say_unreadable(file, rc < 0 ? rc : 0);
    return rc == 1;
}

/* Whether there is something to do for it at all. */
static bool wants_turn(const struct tail *tail, const struct tail_file *file)
{
    if (file->is_gone || file->source == NULL || file->is_done || (file->missing_ns != 0 && file->handle < 0))
        return false;
    if (file->is_packed)
        return true;
    bool lives = strcmp(file->path, file->base) == 0;
    return file->handle >= 0 || lives || file->size != file->offset ||
           tail_now(tail) - file->changed_ns < TC_TAIL_QUIET_S * TC_SECOND_NS;
}

static void close_finished(struct tail *tail, struct tail_file *file)
{
    bool rotated = strcmp(file->path, file->base) != 0;
    if (rotated && file->missing_ns == 0 && file->offset == file->size &&
        tail_now(tail) - file->changed_ns > 2 * TC_TAIL_QUIET_S * TC_SECOND_NS)
        tail_file_close(tail, file);
}

/* Returns whether there is more to read at once. */
static bool read_files(struct tail *tail)
{
    bool more = false;
    const char *held = NULL; /* of files of this name an older one is not read to its end */
    uint64_t behind = 0;
    for (size_t i = 0, count = tail->count; i < count; i++) {
        struct tail_file *file = tail->files[i];
        /* Also what cannot be read yet is held open: then it may be deleted. */
        bool is_open = wants_turn(tail, file) && open_file(tail, file);
        bool turn = is_open && tail->state == OUTLET_OPEN && !(held != NULL && strcmp(held, file->base) == 0);
        enum tail_turn ret = turn ? tail_read(tail, file) : TURN_DRY;
        if (ret != TURN_DRY) {
            held = file->base;
            more = true;
        }
        if (ret == TURN_STUCK || tail->dirty >= TAIL_DIRTY_MAX)
            tail->state = outlet_flush(tail->outlet);
        close_finished(tail, file);
        if (!file->is_packed && !file->is_gone && file->size > file->offset)
            behind += file->size - file->offset;
    }
    tail->behind_bytes = behind;
    return more;
}

bool tail_step(struct tail *tail, bool scan)
{
    int64_t now = tail_now(tail);
    tail->state = outlet_flush(tail->outlet);
    int64_t apart_ms = scan || tail->scan_wanted ? NAMES_APART_MS : TC_TAIL_SCAN_MS;
    if (scan || tail->scanned_ns == 0 || now - tail->scanned_ns >= apart_ms * (TC_SECOND_NS / 1000)) {
        tail->scan_wanted = false;
        tail_scan(tail);
        tail->scanned_ns = now == 0 ? 1 : now;
    }
    bool more = read_files(tail);
    tail->state = outlet_flush(tail->outlet);
    tail_sweep(tail);
    tail->file_count = tail->count;
    tail->waiting = tail->state == OUTLET_FULL;
    return (more || tail->dirty > 0) && tail->state == OUTLET_OPEN;
}

/* --- thread ----------------------------------------------------------------------------------------------
 */

static void empty_notify(struct tail *tail)
{
    char bytes[16384] __attribute__((aligned(8)));
    ssize_t n;
    while ((n = read(tail->notify_fd, bytes, sizeof bytes)) > 0)
        for (ssize_t at = 0; at < n;) {
            struct inotify_event event;
            memcpy(&event, bytes + at, sizeof event);
            tail->scan_wanted |= (event.mask & ~(uint32_t)IN_MODIFY) != 0;
            at += (ssize_t)(sizeof event + event.len);
        }
}

static void wait_for_news(struct tail *tail, bool more)
{
    uint64_t count;
    struct pollfd fds[] = {{.fd = tail->wake_fd, .events = POLLIN},
                           {.fd = tail->state == OUTLET_OPEN ? tail->notify_fd : -1, .events = POLLIN}};
    int timeout_ms = more                         ? 0
                     : tail->state == OUTLET_FULL ? FULL_WAIT_MS
                     : tail->scan_wanted          ? NAMES_APART_MS
                                                  : TC_TAIL_POLL_MS;
    poll(fds, TC_ARRAY_LEN(fds), timeout_ms);
    ssize_t got = read(tail->wake_fd, &count, sizeof count);
    (void)got; /* nothing to read is fine */
    if (tail->notify_fd >= 0)
        empty_notify(tail);
}

static void *tail_main(void *context)
{
    struct tail *tail = context;
    while (!atomic_load(&tail->stop)) {
        bool more = tail_step(tail, false);
        wait_for_news(tail, more);
        if (!more && !atomic_load(&tail->stop)) /* a line at a time would be a sync of the disk a line */
            poll(NULL, 0, ROUNDS_APART_MS);
    }
    outlet_flush(tail->outlet);
    return NULL;
}

int tail_start(struct tail *tail, struct err *err)
{
    int rc = pthread_create(&tail->thread, NULL, tail_main, tail);
    if (rc != 0) {
        errno = rc;
        return err_sys(err, "cannot start the thread that follows files");
    }
    tail->thread_started = true;
    return 0;
}

int tail_check_pattern(struct sv pattern, struct err *err)
{
    if (pattern.n == 0 || pattern.n >= TAIL_PATH_BYTES)
        return err_set(err, TC_EINPUT, "a path of 1 to %d bytes is expected here", TAIL_PATH_BYTES - 1);
    if (pattern.p[0] != '/')
        return err_set(err, TC_EINPUT,
                       "an absolute path is expected here, so that it means the same file wherever "
                       "the program is started");
    if (sv_find(pattern, SV("**")) < pattern.n)
        return err_set(err, TC_EINPUT, "** is not understood: name each depth, as /var/log/*/*.log");
    return 0;
}

int tail_new(const struct tail_options *options, struct tail **ret, struct err *err)
{
    for (size_t i = 0; i < options->source_count; i++)
        for (size_t j = 0; j < options->sources[i].path_count; j++) {
            int rc = tail_check_pattern(sv_of(options->sources[i].paths[j]), err);
            if (rc != 0)
                return rc;
        }
    int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd < 0)
        return err_sys(err, "cannot make what wakes the thread that follows files");
    struct tail *tail = tc_alloc(sizeof *tail);
    tail->options = *options;
    if (tail->options.files_max == 0)
        tail->options.files_max = TC_TAIL_FILES;
    if (tail->options.open_max == 0)
        tail->options.open_max = TC_TAIL_OPEN;
    tail->files = tc_alloc((tail->options.files_max + 1) * sizeof tail->files[0]);
    tail->source_started = tc_alloc(options->source_count + 1);
    tail->source_dirty = tc_alloc(options->source_count + 1);
    tail->room = tc_alloc(TAIL_LAST_BYTES + TAIL_LINE_BYTES);
    tail->next_serial = 1;
    tail->wake_fd = wake_fd;
    tail->notify_fd =
        options->fs == &fs_system ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1; /* -1: looking is enough */
    tail->outlet = outlet_new(&(struct outlet_options){.intake = options->intake,
                                                       .append = options->append,
                                                       .seal = seal,
                                                       .seal_context = tail,
                                                       .context = options->context,
                                                       .wake_fd = wake_fd,
                                                       .room = "tail"});
    *ret = tail;
    return 0;
}

void tail_free(struct tail **tail_at)
{
    struct tail *tail = *tail_at;
    if (tail == NULL)
        return;
    if (tail->thread_started) {
        atomic_store(&tail->stop, true);
        ssize_t written = write(tail->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
        (void)written; /* a counter that is full has woken already */
        pthread_join(tail->thread, NULL);
    }
    outlet_free(&tail->outlet);
    for (size_t i = 0; i < tail->count; i++)
        tail_file_free(tail, tail->files[i]);
    close(tail->wake_fd);
    if (tail->notify_fd >= 0)
        close(tail->notify_fd);
    arena_free(&tail->scratch);
    free(tail->files);
    free(tail->source_started);
    free(tail->source_dirty);
    free(tail->room);
    free(tail);
    *tail_at = NULL;
}

void tail_stats(const struct tail *tail, struct tail_stats *ret)
{
    *ret = (struct tail_stats){.lines = tail->lines,
                               .bytes = tail->bytes,
                               .truncations = tail->truncations,
                               .vanished = tail->vanished,
                               .lost_bytes = tail->lost_bytes,
                               .refused_files = tail->refused_files,
                               .files = tail->file_count,
                               .open_files = tail->open_files,
                               .unreadable = tail->unreadable,
                               .behind_bytes = tail->behind_bytes,
                               .waiting = tail->waiting};
    outlet_stats(tail->outlet, &ret->outlet);
}
