/*
 * The simulated disk; see sim_fs.h.
 *
 * A file is two images, `now` (what reads see) and `disk` (what a crash leaves), and the list of changes
 * between them. A directory is a set of paths; the visible and the durable set differ by the list of pending
 * entry changes. Everything is a linear list: a simulation has a handful of files.
 */
#include "base/sim_fs.h"

#include "base/arena.h"
#include "base/rng.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { HANDLES_MAX = 1024, PATH_BYTES = 4200 };

struct image {
    char *p;
    size_t n, capacity;
};

struct change { /* of a file: a write, or a truncation where bytes is NULL */
    uint64_t offset;
    char *bytes;
    size_t n;
    bool lost; /* by a failed sync */
};

struct node {
    bool is_dir, used;
    struct image now, disk;
    struct change *changes;
    size_t n, capacity;
    int64_t modified_ns;
};

struct entry {
    char *path;
    size_t node;
};

struct entries {
    struct entry *p;
    size_t n, capacity;
};

struct entry_change { /* node SIZE_MAX: the entry goes; from: it moves from there to path */
    char *path, *from;
    size_t node;
    bool lost;
};

struct handle {
    bool used, is_lock;
    int flags;
    size_t node;
};

struct sim_fs {
    struct fs seam;
    pthread_mutex_t mutex;
    struct node *nodes;
    size_t node_count, node_capacity;
    struct entries now, disk;
    struct entry_change *changes;
    size_t change_count, change_capacity;
    struct handle handles[HANDLES_MAX];
    uint64_t capacity_bytes, calls;
    uint64_t cut_at, fail_at, short_at; /* absolute call numbers, 0 = never */
    int fail_errno;
    bool is_cut, fail_syncs;
};

/* --- images and entries --------------------------------------------------------------------------------- */

static void image_resize(struct image *image, size_t n)
{
    if (n > image->capacity) {
        image->capacity = TC_MAX(n, 2 * image->capacity);
        image->p = tc_realloc(image->p, image->capacity);
    }
    if (n > image->n)
        memset(image->p + image->n, 0, n - image->n);
    image->n = n;
}

static void image_write(struct image *image, uint64_t offset, const char *bytes, size_t n)
{
    if (n == 0)
        return;
    if (offset + n > image->n)
        image_resize(image, offset + n);
    memcpy(image->p + offset, bytes, n);
}

static void image_copy(struct image *to, const struct image *from)
{
    image_resize(to, from->n);
    if (from->n > 0)
        memcpy(to->p, from->p, from->n);
}

/* Doubled and trailing slashes go. */
static const char *tidy(const char *path, char out[PATH_BYTES])
{
    size_t n = 0;
    for (; *path != '\0' && n + 1 < PATH_BYTES; path++)
        if (*path != '/' || n == 0 || out[n - 1] != '/')
            out[n++] = *path;
    if (n > 1 && out[n - 1] == '/')
        n--;
    out[n] = '\0';
    return out;
}

static void parent_of(const char *path, char out[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        snprintf(out, PATH_BYTES, ".");
    else
        snprintf(out, PATH_BYTES, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static bool is_in(const char *path, const char *dir)
{
    char parent[PATH_BYTES];
    parent_of(path, parent);
    return strcmp(parent, dir) == 0 && strcmp(path, dir) != 0;
}

static struct entry *find(const struct entries *entries, const char *path)
{
    for (size_t i = 0; i < entries->n; i++)
        if (strcmp(entries->p[i].path, path) == 0)
            return &entries->p[i];
    return NULL;
}

static void entries_set(struct entries *entries, const char *path, size_t node)
{
    struct entry *e = find(entries, path);
    if (e == NULL) {
        if (entries->n == entries->capacity) {
            entries->capacity = TC_MAX((size_t)16, 2 * entries->capacity);
            entries->p = tc_realloc(entries->p, entries->capacity * sizeof entries->p[0]);
        }
        e = &entries->p[entries->n++];
        e->path = tc_strdup(path);
    }
    e->node = node;
}

static void entries_remove(struct entries *entries, const char *path)
{
    struct entry *e = find(entries, path);
    if (e == NULL)
        return;
    free(e->path);
    *e = entries->p[--entries->n];
}

static void entries_clear(struct entries *entries)
{
    for (size_t i = 0; i < entries->n; i++)
        free(entries->p[i].path);
    entries->n = 0;
}

static void apply_entry(struct entries *entries, const struct entry_change *c)
{
    if (c->from != NULL)
        entries_remove(entries, c->from);
    if (c->node == SIZE_MAX)
        entries_remove(entries, c->path);
    else
        entries_set(entries, c->path, c->node);
}

static void change_entry(struct sim_fs *s, const char *path, const char *from, size_t node)
{
    if (s->change_count == s->change_capacity) {
        s->change_capacity = TC_MAX((size_t)16, 2 * s->change_capacity);
        s->changes = tc_realloc(s->changes, s->change_capacity * sizeof s->changes[0]);
    }
    struct entry_change *c = &s->changes[s->change_count++];
    *c = (struct entry_change){
        .path = tc_strdup(path), .from = from == NULL ? NULL : tc_strdup(from), .node = node};
    apply_entry(&s->now, c);
}

static void forget_entry_change(struct sim_fs *s, size_t i)
{
    free(s->changes[i].path);
    free(s->changes[i].from);
    memmove(&s->changes[i], &s->changes[i + 1], (--s->change_count - i) * sizeof s->changes[0]);
}

/* --- nodes ---------------------------------------------------------------------------------------------- */

static size_t new_node(struct sim_fs *s, bool is_dir)
{
    size_t i = 0;
    while (i < s->node_count && s->nodes[i].used)
        i++;
    if (i == s->node_count) {
        if (s->node_count == s->node_capacity) {
            s->node_capacity = TC_MAX((size_t)16, 2 * s->node_capacity);
            s->nodes = tc_realloc(s->nodes, s->node_capacity * sizeof s->nodes[0]);
        }
        s->node_count++;
    }
    s->nodes[i] = (struct node){.is_dir = is_dir, .used = true};
    return i;
}

static void forget_changes(struct node *node)
{
    for (size_t i = 0; i < node->n; i++)
        free(node->changes[i].bytes);
    node->n = 0;
}

static void free_node(struct node *node)
{
    forget_changes(node);
    free(node->changes);
    free(node->now.p);
    free(node->disk.p);
    *node = (struct node){0};
}

static bool is_referenced(const struct sim_fs *s, size_t node)
{
    for (size_t i = 0; i < s->now.n; i++)
        if (s->now.p[i].node == node)
            return true;
    for (size_t i = 0; i < s->disk.n; i++)
        if (s->disk.p[i].node == node)
            return true;
    for (size_t i = 0; i < s->change_count; i++)
        if (s->changes[i].node == node)
            return true;
    for (size_t i = 0; i < HANDLES_MAX; i++)
        if (s->handles[i].used && s->handles[i].node == node)
            return true;
    return false;
}

static void collect(struct sim_fs *s)
{
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].used && !is_referenced(s, i))
            free_node(&s->nodes[i]);
}

/* Notes a change and makes it visible. Takes a copy of the bytes; NULL = truncation to `offset`. */
static void change_node(struct sim_fs *s, struct node *node, uint64_t offset, const void *bytes, size_t n)
{
    if (node->n == node->capacity) {
        node->capacity = TC_MAX((size_t)16, 2 * node->capacity);
        node->changes = tc_realloc(node->changes, node->capacity * sizeof node->changes[0]);
    }
    struct change *c = &node->changes[node->n++];
    *c = (struct change){.offset = offset, .n = n};
    node->modified_ns = (int64_t)s->calls;
    if (bytes == NULL) {
        image_resize(&node->now, offset);
        return;
    }
    c->bytes = tc_realloc(NULL, n);
    memcpy(c->bytes, bytes, n);
    image_write(&node->now, offset, bytes, n);
}

static void apply_change(struct image *image, const struct change *c)
{
    if (c->bytes == NULL)
        image_resize(image, c->offset);
    else
        image_write(image, c->offset, c->bytes, c->n);
}

static void sync_node(struct node *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->n; i++) {
        if (node->changes[i].lost) {
            node->changes[kept++] = node->changes[i];
            continue;
        }
        apply_change(&node->disk, &node->changes[i]);
        free(node->changes[i].bytes);
    }
    node->n = kept;
}

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

static int new_handle(struct sim_fs *s, size_t node, int flags, bool is_lock)
{
    for (int i = 0; i < HANDLES_MAX; i++)
        if (!s->handles[i].used) {
            s->handles[i] = (struct handle){.used = true, .is_lock = is_lock, .flags = flags, .node = node};
            return i;
        }
    return -EMFILE;
}

static bool parent_exists(struct sim_fs *s, const char *path)
{
    char parent[PATH_BYTES];
    parent_of(path, parent);
    const struct entry *e = find(&s->now, parent);
    return e != NULL && s->nodes[e->node].is_dir;
}

static int open_locked(struct sim_fs *s, const char *path, int flags, bool is_lock)
{
    struct entry *e = find(&s->now, path);
    if (e != NULL && (flags & FS_CREATE) && (flags & FS_EXCLUSIVE))
        return -EEXIST;
    if (e != NULL && s->nodes[e->node].is_dir)
        return -EISDIR;
    if (e == NULL && (!(flags & FS_CREATE) || !parent_exists(s, path)))
        return -ENOENT;
    size_t node = e != NULL ? e->node : new_node(s, false);
    if (e == NULL)
        change_entry(s, path, NULL, node);
    else if (flags & FS_TRUNCATE)
        change_node(s, &s->nodes[node], 0, NULL, 0);
    return new_handle(s, node, flags, is_lock);
}

static int sim_open(const struct fs *fs, const char *path, int flags)
{
    struct sim_fs *s = sim_of(fs);
    char clean[PATH_BYTES];
    int64_t rc;
    if (pending_at_best(s, &rc)) {
        int opened = open_locked(s, tidy(path, clean), flags, false);
        if (rc < 0 && opened >= 0)
            s->handles[opened].used = false;
        rc = rc < 0 ? rc : opened;
    }
    return (int)leave(s, rc);
}

static int sim_close(const struct fs *fs, int file)
{
    struct sim_fs *s = sim_of(fs);
    pthread_mutex_lock(&s->mutex);
    struct handle *h = handle_of(s, file);
    if (h != NULL)
        h->used = false;
    return (int)leave(s, h == NULL ? -EBADF : 0);
}

static int64_t sim_read_at(const struct fs *fs, int file, void *to, size_t n, uint64_t offset)
{
    struct sim_fs *s = sim_of(fs);
    int64_t rc;
    if (plain(s, &rc)) {
        const struct handle *h = handle_of(s, file);
        if (h == NULL || !(h->flags & FS_READ))
            return leave(s, -EBADF);
        const struct image *now = &s->nodes[h->node].now;
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
    for (size_t i = 0; i < s->node_count; i++)
        sum += s->nodes[i].used ? s->nodes[i].now.n : 0;
    return sum;
}

/* How much of a write still fits. */
static size_t room_for(const struct sim_fs *s, const struct node *node, size_t n, uint64_t offset)
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
    struct node *node = &s->nodes[h->node];
    size_t fits = room_for(s, node, n, offset);
    if (fault == FAULT_FAIL || (fault == FAULT_SHORT && n > 1))
        fits = TC_MIN(fits, n / 2);
    if (fits > 0)
        change_node(s, node, offset, from, fits);
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
    struct node *node = &s->nodes[h->node];
    if (fault != FAULT_FAIL && !s->fail_syncs) {
        sync_node(node);
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
        change_node(s, &s->nodes[h->node], size, NULL, 0);
    }
    return (int)leave(s, rc);
}

static int sim_stat(const struct fs *fs, const char *path, struct fs_stat *ret)
{
    struct sim_fs *s = sim_of(fs);
    char clean[PATH_BYTES];
    int64_t rc;
    if (plain(s, &rc)) {
        const struct entry *e = find(&s->now, tidy(path, clean));
        if (e == NULL)
            return (int)leave(s, -ENOENT);
        const struct node *node = &s->nodes[e->node];
        *ret = (struct fs_stat){
            .size_bytes = node->now.n, .modified_ns = node->modified_ns, .is_dir = node->is_dir};
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
        *ret_bytes = s->nodes[h->node].now.n;
    }
    return (int)leave(s, rc);
}

static int sim_rename(const struct fs *fs, const char *from, const char *to)
{
    struct sim_fs *s = sim_of(fs);
    char clean_from[PATH_BYTES], clean_to[PATH_BYTES];
    int64_t rc;
    tidy(from, clean_from);
    tidy(to, clean_to);
    if (pending_at_best(s, &rc)) {
        const struct entry *e = find(&s->now, clean_from);
        if (e == NULL || !parent_exists(s, clean_to))
            return (int)leave(s, -ENOENT);
        if (strcmp(clean_from, clean_to) != 0)
            change_entry(s, clean_to, clean_from, e->node);
    }
    return (int)leave(s, rc);
}

static int sim_unlink(const struct fs *fs, const char *path)
{
    struct sim_fs *s = sim_of(fs);
    char clean[PATH_BYTES];
    int64_t rc;
    if (pending_at_best(s, &rc)) {
        const struct entry *e = find(&s->now, tidy(path, clean));
        if (e == NULL || s->nodes[e->node].is_dir)
            return (int)leave(s, e == NULL ? -ENOENT : -EISDIR);
        change_entry(s, clean, NULL, SIZE_MAX);
    }
    return (int)leave(s, rc);
}

static int sim_mkdir(const struct fs *fs, const char *path)
{
    struct sim_fs *s = sim_of(fs);
    char clean[PATH_BYTES];
    int64_t rc;
    if (pending_at_best(s, &rc)) {
        const struct entry *e = find(&s->now, tidy(path, clean));
        if (e != NULL && !s->nodes[e->node].is_dir)
            return (int)leave(s, -EEXIST);
        if (e == NULL && !parent_exists(s, clean))
            return (int)leave(s, -ENOENT);
        if (e == NULL)
            change_entry(s, clean, NULL, new_node(s, true));
    }
    return (int)leave(s, rc);
}

static bool concerns(const struct entry_change *c, const char *dir)
{
    return is_in(c->path, dir) || (c->from != NULL && is_in(c->from, dir));
}

static int sim_sync_dir(const struct fs *fs, const char *path)
{
    struct sim_fs *s = sim_of(fs);
    char clean[PATH_BYTES];
    enum fault fault = enter(s);
    tidy(path, clean);
    if (s->is_cut)
        return (int)leave(s, -EIO);
    if (find(&s->now, clean) == NULL)
        return (int)leave(s, -ENOENT);
    if (fault == FAULT_FAIL || s->fail_syncs)
        return (int)leave(s, fault == FAULT_FAIL ? s->fail_errno : -EIO);
    for (size_t i = 0; i < s->change_count;) {
        if (!concerns(&s->changes[i], clean)) {
            i++;
            continue;
        }
        apply_entry(&s->disk, &s->changes[i]);
        forget_entry_change(s, i);
    }
    collect(s);
    return (int)leave(s, 0);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int sim_list(const struct fs *fs, const char *path, fs_name_fn each, void *context)
{
    struct sim_fs *s = sim_of(fs);
    char clean[PATH_BYTES];
    int64_t rc;
    tidy(path, clean);
    if (!plain(s, &rc))
        return (int)leave(s, rc);
    const struct entry *dir = find(&s->now, clean);
    if (dir == NULL || !s->nodes[dir->node].is_dir)
        return (int)leave(s, dir == NULL ? -ENOENT : -ENOTDIR);
    char **names = tc_alloc((s->now.n + 1) * sizeof names[0]);
    size_t n = 0;
    for (size_t i = 0; i < s->now.n; i++)
        if (is_in(s->now.p[i].path, clean)) {
            const char *slash = strrchr(s->now.p[i].path, '/');
            names[n++] = tc_strdup(slash == NULL ? s->now.p[i].path : slash + 1);
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

static int sim_lock(const struct fs *fs, const char *path)
{
    struct sim_fs *s = sim_of(fs);
    char clean[PATH_BYTES];
    int64_t rc;
    if (!pending_at_best(s, &rc))
        return (int)leave(s, rc);
    int file = open_locked(s, tidy(path, clean), FS_READ | FS_WRITE | FS_CREATE, false);
    for (int i = 0; file >= 0 && i < HANDLES_MAX; i++)
        if (s->handles[i].used && s->handles[i].is_lock && s->handles[i].node == s->handles[file].node) {
            s->handles[file].used = false;
            file = -EAGAIN;
        }
    if (file >= 0)
        s->handles[file].is_lock = s->handles[file].used = rc == 0;
    return (int)leave(s, rc < 0 ? rc : file);
}

static int sim_free_bytes(const struct fs *fs, const char *path, uint64_t *ret_bytes)
{
    struct sim_fs *s = sim_of(fs);
    int64_t rc;
    (void)path;
    if (plain(s, &rc)) {
        uint64_t used = used_bytes(s);
        *ret_bytes = s->capacity_bytes == 0     ? UINT64_MAX / 2
                     : used > s->capacity_bytes ? 0
                                                : s->capacity_bytes - used;
    }
    return (int)leave(s, rc);
}

/* --- the crash ------------------------------------------------------------------------------------------ */

enum fate { FATE_KEEP, FATE_DROP, FATE_SHRED };

static enum fate fate_of(const struct rng *rng, enum sim_fs_mode mode)
{
    uint64_t dice = rng_u64(rng) >> 32;
    switch (mode) {
    case SIM_FS_KEEP:
        return FATE_KEEP;
    case SIM_FS_DROP:
        return FATE_DROP;
    case SIM_FS_SOME:
        return dice % 2 == 0 ? FATE_KEEP : FATE_DROP;
    case SIM_FS_SHRED:
        break;
    }
    return dice % 3 == 0 ? FATE_KEEP : dice % 3 == 1 ? FATE_DROP : FATE_SHRED;
}

static void shred(const struct rng *rng, struct image *disk, uint64_t offset, const char *bytes, size_t n)
{
    uint64_t how = rng_u64(rng) % 3;
    if (offset + n > disk->n)
        image_resize(disk, offset + n);
    if (how == 0)
        rng_fill(rng, disk->p + offset, n);
    else if (how == 1)
        memset(disk->p + offset, 0, n);
    else
        memcpy(disk->p + offset, bytes, n / 2); /* half new, half old */
}

static void decide_write(const struct rng *rng, enum sim_fs_mode mode, size_t grain, struct image *disk,
                         const struct change *c)
{
    for (size_t at = 0; at < c->n;) {
        uint64_t offset = c->offset + at;
        size_t n = TC_MIN(c->n - at, grain - (size_t)(offset % grain));
        enum fate fate = fate_of(rng, mode);
        if (fate == FATE_KEEP)
            image_write(disk, offset, c->bytes + at, n);
        else if (fate == FATE_SHRED)
            shred(rng, disk, offset, c->bytes + at, n);
        at += n;
    }
    if (mode >= SIM_FS_SOME && c->offset + c->n > disk->n && rng_u64(rng) % 2 == 0)
        image_resize(disk, c->offset + c->n); /* the size came, the bytes did not */
}

static void decide_node(const struct rng *rng, enum sim_fs_mode mode, struct node *node)
{
    size_t grain = rng_u64(rng) % 2 == 0 ? 512 : 4096;
    for (size_t i = 0; i < node->n; i++) {
        const struct change *c = &node->changes[i];
        if (c->lost)
            continue;
        if (c->bytes != NULL)
            decide_write(rng, mode, grain, &node->disk, c);
        else if (fate_of(rng, mode) == FATE_KEEP)
            apply_change(&node->disk, c);
    }
    forget_changes(node);
    image_copy(&node->now, &node->disk);
}

/* An entry below a directory that was lost is lost as well. */
static void drop_orphans(struct sim_fs *s)
{
    char parent[PATH_BYTES];
    for (size_t i = 0; i < s->disk.n;) {
        parent_of(s->disk.p[i].path, parent);
        if (find(&s->disk, parent) != NULL) {
            i++;
            continue;
        }
        entries_remove(&s->disk, s->disk.p[i].path);
        i = 0;
    }
}

static void start_again(struct sim_fs *s)
{
    memset(s->handles, 0, sizeof s->handles);
    collect(s);
    s->calls = s->cut_at = s->fail_at = s->short_at = 0;
    s->is_cut = s->fail_syncs = false;
}

void sim_fs_crash(struct sim_fs *s, uint64_t seed, enum sim_fs_mode mode)
{
    struct sim_rng rng;
    sim_rng_init(&rng, seed);
    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].used)
            decide_node(&rng.rng, mode, &s->nodes[i]);
    while (s->change_count > 0) {
        if (fate_of(&rng.rng, mode) == FATE_KEEP)
            apply_entry(&s->disk, &s->changes[0]);
        forget_entry_change(s, 0);
    }
    drop_orphans(s);
    entries_clear(&s->now);
    for (size_t i = 0; i < s->disk.n; i++)
        entries_set(&s->now, s->disk.p[i].path, s->disk.p[i].node);
    start_again(s);
    pthread_mutex_unlock(&s->mutex);
}

void sim_fs_kill(struct sim_fs *s)
{
    pthread_mutex_lock(&s->mutex);
    start_again(s);
    pthread_mutex_unlock(&s->mutex);
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
    static const char *const roots[] = {"/", "."};
    for (size_t i = 0; i < TC_ARRAY_LEN(roots); i++) {
        size_t node = new_node(s, true);
        entries_set(&s->now, roots[i], node);
        entries_set(&s->disk, roots[i], node);
    }
    return s;
}

void sim_fs_free(struct sim_fs **sim)
{
    struct sim_fs *s = *sim;
    if (s == NULL)
        return;
    while (s->change_count > 0)
        forget_entry_change(s, s->change_count - 1);
    for (size_t i = 0; i < s->node_count; i++)
        free_node(&s->nodes[i]);
    entries_clear(&s->now);
    entries_clear(&s->disk);
    free(s->now.p);
    free(s->disk.p);
    free(s->changes);
    free(s->nodes);
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
    s->capacity_bytes = capacity_bytes;
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

bool sim_fs_flip(struct sim_fs *s, const char *path, uint64_t offset, uint8_t bits)
{
    char clean[PATH_BYTES];
    const struct entry *e = find(&s->now, tidy(path, clean));
    struct node *node = e == NULL ? NULL : &s->nodes[e->node];
    if (node == NULL || offset >= node->now.n)
        return false;
    node->now.p[offset] = (char)(node->now.p[offset] ^ bits);
    if (offset < node->disk.n)
        node->disk.p[offset] = (char)(node->disk.p[offset] ^ bits);
    return true;
}

static void put_dirs(struct sim_fs *s, const char *path)
{
    char parent[PATH_BYTES];
    parent_of(path, parent);
    if (find(&s->now, parent) != NULL)
        return;
    put_dirs(s, parent);
    size_t node = new_node(s, true);
    entries_set(&s->now, parent, node);
    entries_set(&s->disk, parent, node);
}

void sim_fs_put(struct sim_fs *s, const char *path, struct sv bytes)
{
    char clean[PATH_BYTES];
    tidy(path, clean);
    put_dirs(s, clean);
    const struct entry *e = find(&s->now, clean);
    size_t node = e != NULL ? e->node : new_node(s, false);
    entries_set(&s->now, clean, node);
    entries_set(&s->disk, clean, node);
    forget_changes(&s->nodes[node]);
    image_resize(&s->nodes[node].disk, 0);
    image_write(&s->nodes[node].disk, 0, bytes.p, bytes.n);
    image_copy(&s->nodes[node].now, &s->nodes[node].disk);
}
