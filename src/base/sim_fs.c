/*
 * The simulated disk's calls, and what is made to go wrong in them; see sim_fs.h. What the disk holds is in
 * sim_disk.c.
 */
#include "base/sim_fs.h"

#include "base/arena.h"
#include "base/sim_disk.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { HANDLES_MAX = 1024 };

struct handle {
    bool used, is_lock;
    int flags;
    size_t node;
};

struct sim_fs {
    struct fs seam;
    pthread_mutex_t mutex;
    struct sim_disk disk;
    struct handle handles[HANDLES_MAX];
    uint64_t capacity_bytes, calls;
    uint64_t cut_at, fail_at, short_at; /* absolute call numbers, 0 = never */
    int fail_errno;
    bool is_cut, fail_syncs;
};

/* --- faults --------------------------------------------------------------------------------------------- */

enum fault { FAULT_NONE, FAULT_CUT, FAULT_FAIL, FAULT_SHORT };

/* Locks; counts the call; what is to go wrong in it. A dead machine answers nothing but -EIO. */
static enum fault enter(struct sim_fs *s)
{
    pthread_mutex_lock(&s->mutex);
    s->calls++;
    if (s->is_cut)
        return FAULT_FAIL;
    if (s->calls == s->cut_at) {
        s->is_cut = true;
        return FAULT_CUT;
    }
    return s->calls == s->fail_at ? FAULT_FAIL : s->calls == s->short_at ? FAULT_SHORT : FAULT_NONE;
}

static int64_t leave(struct sim_fs *s, int64_t result)
{
    pthread_mutex_unlock(&s->mutex);
    return result;
}

static int fault_code(const struct sim_fs *s)
{
    return s->is_cut ? -EIO : s->fail_errno;
}

/* For calls that change nothing, or nothing when they fail: false = failed, *ret holds the code. */
static bool plain(struct sim_fs *s, int64_t *ret)
{
    enum fault fault = enter(s);
    *ret = fault == FAULT_CUT || fault == FAULT_FAIL ? fault_code(s) : 0;
    return *ret == 0;
}

/* For changes of entries, which a power cut leaves pending: the caller goes on where this returns true, and
 * returns *ret unless it is 0. */
static bool pending_at_best(struct sim_fs *s, int64_t *ret)
{
    enum fault fault = enter(s);
    *ret = fault == FAULT_CUT || fault == FAULT_FAIL ? fault_code(s) : 0;
    return fault != FAULT_FAIL;
}

static struct sim_fs *sim_of(const struct fs *fs)
{
    return fs->context;
}

static struct handle *handle_of(struct sim_fs *s, int file)
{
    return file < 0 || file >= HANDLES_MAX || !s->handles[file].used ? NULL : &s->handles[file];
}

/* --- the calls ------------------------------------------------------------------------------------------ */

static int new_handle(struct sim_fs *s, size_t node, int flags)
{
    for (int i = 0; i < HANDLES_MAX; i++)
        if (!s->handles[i].used) {
            s->handles[i] = (struct handle){.used = true, .flags = flags, .node = node};
            s->disk.nodes[node].handles++;
            return i;
        }
    return -EMFILE;
}

static void free_handle(struct sim_fs *s, struct handle *h)
{
    if (h->used)
        s->disk.nodes[h->node].handles--;
    *h = (struct handle){0};
}

static int open_locked(struct sim_fs *s, const char *path, int flags)
{
    size_t index;
    struct sim_node *node = sim_disk_find(&s->disk, path, &index);
    if (node != NULL && (flags & FS_CREATE) && (flags & FS_EXCLUSIVE))
        return -EEXIST;
    if (node != NULL && node->is_dir)
        return -EISDIR;
    if (node == NULL && (!(flags & FS_CREATE) || !sim_disk_parent_exists(&s->disk, path)))
        return -ENOENT;
    if (node == NULL) {
        index = sim_disk_new_node(&s->disk, false);
        sim_disk_change_entry(&s->disk, path, NULL, index);
    } else if (flags & FS_TRUNCATE) {
        sim_disk_change_node(&s->disk, node, 0, NULL, 0);
    }
    return new_handle(s, index, flags);
}

static int sim_open(const struct fs *fs, const char *path, int flags)
{
    struct sim_fs *s = sim_of(fs);
    char clean[SIM_PATH_BYTES];
    int64_t rc;
    if (pending_at_best(s, &rc)) {
        int opened = open_locked(s, sim_disk_tidy(path, clean), flags);
        if (rc < 0 && opened >= 0)
            free_handle(s, &s->handles[opened]);
        rc = rc < 0 ? rc : opened;
    }
    return (int)leave(s, rc);
}

static int sim_close(const struct fs *fs, int file)
{
    struct sim_fs *s = sim_of(fs);
    pthread_mutex_lock(&s->mutex);
    struct handle *h = handle_of(s, file);
    if (h == NULL)
        return (int)leave(s, -EBADF);
    free_handle(s, h);
    return (int)leave(s, 0);
}

static int64_t sim_read_at(const struct fs *fs, int file, void *to, size_t n, uint64_t offset)
{
    struct sim_fs *s = sim_of(fs);
    int64_t rc;
    if (plain(s, &rc)) {
        const struct handle *h = handle_of(s, file);
        if (h == NULL || !(h->flags & FS_READ))
            return leave(s, -EBADF);
        const struct sim_image *now = &s->disk.nodes[h->node].now;
        size_t got = offset >= now->n ? 0 : TC_MIN(n, now->n - (size_t)offset);
        if (got > 0)
            memcpy(to, now->p + offset, got);
        rc = (int64_t)got;
    }
    return leave(s, rc);
}

static uint64_t used_bytes(const struct sim_fs *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->disk.node_count; i++)
        sum += s->disk.nodes[i].used ? s->disk.nodes[i].now.n : 0;
    return sum;
}

/* How much of a write still fits. */
static size_t room_for(const struct sim_fs *s, const struct sim_node *node, size_t n, uint64_t offset)
{
    uint64_t end = offset + n, used = used_bytes(s);
    if (s->capacity_bytes == 0 || end <= node->now.n)
        return n;
    uint64_t left = used >= s->capacity_bytes ? 0 : s->capacity_bytes - used;
    uint64_t fits_to = node->now.n + left;
    return end <= fits_to ? n : fits_to <= offset ? 0 : (size_t)(fits_to - offset);
}

static int64_t sim_write_at(const struct fs *fs, int file, const void *from, size_t n, uint64_t offset)
{
    struct sim_fs *s = sim_of(fs);
    enum fault fault = enter(s);
    struct handle *h = handle_of(s, file);
    if (fault == FAULT_FAIL && s->is_cut)
        return leave(s, -EIO);
    if (h == NULL || !(h->flags & FS_WRITE))
        return leave(s, -EBADF);
    struct sim_node *node = &s->disk.nodes[h->node];
    size_t fits = room_for(s, node, n, offset);
    if (fault == FAULT_FAIL || (fault == FAULT_SHORT && n > 1))
        fits = TC_MIN(fits, n / 2);
    if (fits > 0)
        sim_disk_change_node(&s->disk, node, offset, from, fits);
    if (fault == FAULT_CUT || fault == FAULT_FAIL)
        return leave(s, fault_code(s));
    return leave(s, fits == 0 && n > 0 ? -ENOSPC : (int64_t)fits);
}

static int sim_sync(const struct fs *fs, int file)
{
    struct sim_fs *s = sim_of(fs);
    enum fault fault = enter(s);
    struct handle *h = handle_of(s, file);
    if (s->is_cut)
        return (int)leave(s, -EIO);
    if (h == NULL)
        return (int)leave(s, -EBADF);
    struct sim_node *node = &s->disk.nodes[h->node];
    if (fault != FAULT_FAIL && !s->fail_syncs) {
        sim_disk_sync_node(node);
        return (int)leave(s, 0);
    }
    for (size_t i = 0; i < node->n; i++)
        node->changes[i].lost = node->changes[i].bytes != NULL; /* the size is metadata: it is tried again */
    return (int)leave(s, fault == FAULT_FAIL ? s->fail_errno : -EIO);
}

static int sim_truncate(const struct fs *fs, int file, uint64_t size)
{
    struct sim_fs *s = sim_of(fs);
    int64_t rc;
    if (pending_at_best(s, &rc)) {
        struct handle *h = handle_of(s, file);
        if (h == NULL || !(h->flags & FS_WRITE))
            return (int)leave(s, -EBADF);
        sim_disk_change_node(&s->disk, &s->disk.nodes[h->node], size, NULL, 0);
    }
    return (int)leave(s, rc);
}

static int sim_stat(const struct fs *fs, const char *path, struct fs_stat *ret)
{
    struct sim_fs *s = sim_of(fs);
    char clean[SIM_PATH_BYTES];
    int64_t rc;
    if (plain(s, &rc)) {
        size_t index;
        const struct sim_node *node = sim_disk_find(&s->disk, sim_disk_tidy(path, clean), &index);
        if (node == NULL)
            return (int)leave(s, -ENOENT);
        *ret = (struct fs_stat){.size_bytes = node->now.n,
                                .modified_ns = node->modified_ns,
                                .is_dir = node->is_dir,
                                .is_file = !node->is_dir,
                                .device = 1,
                                .inode = index + 1};
    }
    return (int)leave(s, rc);
}

static int sim_size(const struct fs *fs, int file, uint64_t *ret_bytes)
{
    struct sim_fs *s = sim_of(fs);
    int64_t rc;
    if (plain(s, &rc)) {
        const struct handle *h = handle_of(s, file);
        if (h == NULL)
            return (int)leave(s, -EBADF);
        *ret_bytes = s->disk.nodes[h->node].now.n;
    }
    return (int)leave(s, rc);
}

static int sim_rename(const struct fs *fs, const char *from, const char *to)
{
    struct sim_fs *s = sim_of(fs);
    char clean_from[SIM_PATH_BYTES], clean_to[SIM_PATH_BYTES];
    int64_t rc;
    sim_disk_tidy(from, clean_from);
    sim_disk_tidy(to, clean_to);
    if (pending_at_best(s, &rc)) {
        size_t node;
        if (sim_disk_find(&s->disk, clean_from, &node) == NULL || !sim_disk_parent_exists(&s->disk, clean_to))
            return (int)leave(s, -ENOENT);
        if (strcmp(clean_from, clean_to) != 0)
            sim_disk_change_entry(&s->disk, clean_to, clean_from, node);
    }
    return (int)leave(s, rc);
}

static int sim_unlink(const struct fs *fs, const char *path)
{
    struct sim_fs *s = sim_of(fs);
    char clean[SIM_PATH_BYTES];
    int64_t rc;
    if (pending_at_best(s, &rc)) {
        const struct sim_node *node = sim_disk_find(&s->disk, sim_disk_tidy(path, clean), NULL);
        if (node == NULL || node->is_dir)
            return (int)leave(s, node == NULL ? -ENOENT : -EISDIR);
        sim_disk_change_entry(&s->disk, clean, NULL, SIZE_MAX);
    }
    return (int)leave(s, rc);
}

static int sim_mkdir(const struct fs *fs, const char *path)
{
    struct sim_fs *s = sim_of(fs);
    char clean[SIM_PATH_BYTES];
    int64_t rc;
    if (pending_at_best(s, &rc)) {
        const struct sim_node *node = sim_disk_find(&s->disk, sim_disk_tidy(path, clean), NULL);
        if (node != NULL && !node->is_dir)
            return (int)leave(s, -EEXIST);
        if (node == NULL && !sim_disk_parent_exists(&s->disk, clean))
            return (int)leave(s, -ENOENT);
        if (node == NULL)
            sim_disk_change_entry(&s->disk, clean, NULL, sim_disk_new_node(&s->disk, true));
    }
    return (int)leave(s, rc);
}

static int sim_sync_dir(const struct fs *fs, const char *path)
{
    struct sim_fs *s = sim_of(fs);
    char clean[SIM_PATH_BYTES];
    enum fault fault = enter(s);
    sim_disk_tidy(path, clean);
    if (s->is_cut)
        return (int)leave(s, -EIO);
    if (sim_disk_find(&s->disk, clean, NULL) == NULL)
        return (int)leave(s, -ENOENT);
    if (fault == FAULT_FAIL || s->fail_syncs)
        return (int)leave(s, fault == FAULT_FAIL ? s->fail_errno : -EIO);
    sim_disk_sync_dir(&s->disk, clean);
    return (int)leave(s, 0);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int sim_list(const struct fs *fs, const char *path, fs_name_fn each, void *context)
{
    struct sim_fs *s = sim_of(fs);
    char clean[SIM_PATH_BYTES];
    int64_t rc;
    sim_disk_tidy(path, clean);
    if (!plain(s, &rc))
        return (int)leave(s, rc);
    const struct sim_node *dir = sim_disk_find(&s->disk, clean, NULL);
    if (dir == NULL || !dir->is_dir)
        return (int)leave(s, dir == NULL ? -ENOENT : -ENOTDIR);
    const struct sim_entries *now = &s->disk.now;
    char **names = tc_alloc((now->n + 1) * sizeof names[0]);
    size_t n = 0;
    for (size_t i = 0; i < now->n; i++)
        if (sim_disk_is_in(now->p[i].path, clean)) {
            const char *slash = strrchr(now->p[i].path, '/');
            names[n++] = tc_strdup(slash == NULL ? now->p[i].path : slash + 1);
        }
    qsort(names, n, sizeof names[0], by_bytes);
    leave(s, 0); /* the callback may call us */
    for (size_t i = 0; i < n; i++) {
        each(context, names[i]);
        free(names[i]);
    }
    free(names);
    return 0;
}

static bool is_locked(const struct sim_fs *s, size_t node)
{
    for (int i = 0; i < HANDLES_MAX; i++)
        if (s->handles[i].used && s->handles[i].is_lock && s->handles[i].node == node)
            return true;
    return false;
}

static int sim_lock(const struct fs *fs, const char *path)
{
    struct sim_fs *s = sim_of(fs);
    char clean[SIM_PATH_BYTES];
    int64_t rc;
    if (!pending_at_best(s, &rc))
        return (int)leave(s, rc);
    int file = open_locked(s, sim_disk_tidy(path, clean), FS_READ | FS_WRITE | FS_CREATE);
    if (file >= 0 && is_locked(s, s->handles[file].node)) {
        free_handle(s, &s->handles[file]);
        file = -EAGAIN;
    }
    if (file >= 0 && rc < 0)
        free_handle(s, &s->handles[file]);
    else if (file >= 0)
        s->handles[file].is_lock = true;
    return (int)leave(s, rc < 0 ? rc : file);
}

static int sim_free_bytes(const struct fs *fs, const char *path, uint64_t *ret_free, uint64_t *ret_total)
{
    struct sim_fs *s = sim_of(fs);
    int64_t rc;
    (void)path;
    if (plain(s, &rc)) {
        uint64_t used = used_bytes(s);
        *ret_total = s->capacity_bytes == 0 ? UINT64_MAX / 2 : s->capacity_bytes;
        *ret_free = s->capacity_bytes == 0     ? UINT64_MAX / 2
                    : used > s->capacity_bytes ? 0
                                               : s->capacity_bytes - used;
    }
    return (int)leave(s, rc);
}

/* --- making and steering -------------------------------------------------------------------------------- */

static const struct fs seam = {
    .open = sim_open,
    .close = sim_close,
    .read_at = sim_read_at,
    .write_at = sim_write_at,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .stat = sim_stat,
    .size = sim_size,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .lock = sim_lock,
    .free_bytes = sim_free_bytes,
};

struct sim_fs *sim_fs_new(uint64_t capacity_bytes)
{
    struct sim_fs *s = tc_alloc(sizeof *s);
    s->seam = seam;
    s->seam.context = s;
    s->capacity_bytes = capacity_bytes;
    pthread_mutex_init(&s->mutex, NULL);
    sim_disk_init(&s->disk);
    return s;
}

void sim_fs_free(struct sim_fs **sim)
{
    struct sim_fs *s = *sim;
    if (s == NULL)
        return;
    sim_disk_fini(&s->disk);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    *sim = NULL;
}

const struct fs *sim_fs_seam(struct sim_fs *s)
{
    return &s->seam;
}

void sim_fs_set_capacity(struct sim_fs *s, uint64_t capacity_bytes)
{
    pthread_mutex_lock(&s->mutex); /* a writer's thread may be at work */
    s->capacity_bytes = capacity_bytes;
    pthread_mutex_unlock(&s->mutex);
}

uint64_t sim_fs_calls(const struct sim_fs *s)
{
    return s->calls;
}

void sim_fs_cut_at(struct sim_fs *s, uint64_t n)
{
    s->cut_at = n == 0 ? 0 : s->calls + n;
}

bool sim_fs_is_cut(const struct sim_fs *s)
{
    return s->is_cut;
}

void sim_fs_fail_at(struct sim_fs *s, uint64_t n, int negative_errno)
{
    s->fail_at = n == 0 ? 0 : s->calls + n;
    s->fail_errno = negative_errno;
}

void sim_fs_short_at(struct sim_fs *s, uint64_t n)
{
    s->short_at = n == 0 ? 0 : s->calls + n;
}

void sim_fs_fail_syncs(struct sim_fs *s, bool fail)
{
    s->fail_syncs = fail;
}

static void start_again(struct sim_fs *s)
{
    for (int i = 0; i < HANDLES_MAX; i++)
        free_handle(s, &s->handles[i]);
    sim_disk_collect(&s->disk);
    s->calls = s->cut_at = s->fail_at = s->short_at = 0;
    s->is_cut = s->fail_syncs = false;
}

void sim_fs_crash(struct sim_fs *s, uint64_t seed, enum sim_fs_mode mode)
{
    pthread_mutex_lock(&s->mutex);
    sim_disk_crash(&s->disk, seed, mode);
    start_again(s);
    pthread_mutex_unlock(&s->mutex);
}

void sim_fs_kill(struct sim_fs *s)
{
    pthread_mutex_lock(&s->mutex);
    start_again(s);
    pthread_mutex_unlock(&s->mutex);
}

bool sim_fs_flip(struct sim_fs *s, const char *path, uint64_t offset, uint8_t bits)
{
    char clean[SIM_PATH_BYTES];
    struct sim_node *node = sim_disk_find(&s->disk, sim_disk_tidy(path, clean), NULL);
    if (node == NULL || offset >= node->now.n)
        return false;
    node->now.p[offset] = (char)(node->now.p[offset] ^ bits);
    if (offset < node->disk.n)
        node->disk.p[offset] = (char)(node->disk.p[offset] ^ bits);
    return true;
}

void sim_fs_put(struct sim_fs *s, const char *path, struct sv bytes)
{
    char clean[SIM_PATH_BYTES];
    sim_disk_put(&s->disk, sim_disk_tidy(path, clean), bytes);
}
