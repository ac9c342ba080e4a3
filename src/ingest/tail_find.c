/*
 * Names to files: which files there are, which of them are known, and what became of those that are not where
 * they were; see tail_priv.h.
 *
 * A scan first lists what the patterns name and what rotations made of it (the candidates), each with its
 * identity. Then, in this order:
 *
 *   known by device and inode      it was renamed, or stayed; other bytes than those read: it was replaced
 *   the bytes of a file that is    it is its copy, or its compressed form: reading goes on there
 *     not there any more
 *   a rotated name with the bytes  a copy in the making (copytruncate, gzip): left alone, looked at again
 *     of a file that is there
 *   else                           a new file: read from its beginning
 *
 * At the very first scan of a source, rotated files that no pattern names are old: they are noted as read, so
 * that later the ones that are not noted are known to be new.
 */
#include "ingest/tail_priv.h"

#include "base/log.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

/* --- names -----------------------------------------------------------------------------------------------
 */

static const char *const packed_ends[] = {".gz", ".zst"};

bool tail_is_packed_name(struct sv name)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(packed_ends); i++)
        if (sv_ends(name, sv_of(packed_ends[i])) && name.n > strlen(packed_ends[i]))
            return true;
    return false;
}

static struct sv without_packed_end(struct sv name)
{
    return tail_is_packed_name(name) ? sv_head(name, name.n - (sv_ends(name, SV(".gz")) ? 3 : 4)) : name;
}

/* "1", "20260101", "2026-01-01T00:00:00Z", "20260101.2" */
static bool is_number_or_date(struct sv text)
{
    if (text.n == 0 || text.n > 40 || text.p[0] < '0' || text.p[0] > '9')
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\0' || strchr("0123456789-_.:TZ+", text.p[i]) == NULL)
            return false;
    return true;
}

static bool is_separator(char c)
{
    return c == '.' || c == '-' || c == '_';
}

/* NAME.1, NAME-20260101, NAME.old, compressed or not */
static bool is_suffixed_name(struct sv base, struct sv name)
{
    name = without_packed_end(name);
    if (!sv_starts(name, base) || name.n <= base.n + 1 || !is_separator(name.p[base.n]))
        return false;
    struct sv rest = sv_from(name, base.n + 1);
    return is_number_or_date(rest) || sv_is(rest, "old");
}

bool tail_is_rotated_name(struct sv base, struct sv name)
{
    if (is_suffixed_name(base, name))
        return true;
    name = without_packed_end(name);
    if (sv_eq(name, base))
        return false;
    size_t dot = base.n; /* STEM.EXT: STEM1.EXT, STEM-20260101.EXT */
    while (dot > 0 && base.p[dot - 1] != '.')
        dot--;
    if (dot <= 1)
        return false;
    struct sv stem = sv_head(base, dot - 1), end = sv_from(base, dot - 1);
    if (!sv_starts(name, stem) || !sv_ends(name, end) || name.n <= stem.n + end.n)
        return false;
    struct sv middle = sv_make(name.p + stem.n, name.n - stem.n - end.n);
    return is_number_or_date(is_separator(middle.p[0]) ? sv_from(middle, 1) : middle);
}

/* --- one scan --------------------------------------------------------------------------------------------
 */

struct listing { /* one directory's names */
    struct listing *next;
    const char *dir;
    const char **names;
    size_t count, capacity;
    bool failed;
    uint64_t device;
};

struct candidate {
    const struct tail_source *source;
    const char *path, *base;
    struct fs_stat st;
    bool is_named;   /* a pattern names it */
    bool is_rotated; /* by its name */
    uint64_t directory_device;
    struct tail_file *file;
};

struct scan {
    struct tail *tail;
    struct listing *listings;
    struct candidate *candidates;
    size_t count, capacity;
    uint64_t unreadable;
};

static void add_name(void *context, const char *name)
{
    void **pair = context;
    struct listing *listing = pair[0];
    struct arena *arena = pair[1];
    if (listing->count >= TC_TAIL_NAMES)
        return;
    if (listing->count == listing->capacity) {
        size_t capacity = TC_MAX(listing->capacity * 2, (size_t)64);
        const char **names = ARENA_ARRAY(arena, const char *, capacity);
        if (listing->count > 0)
            memcpy(names, listing->names, listing->count * sizeof names[0]);
        listing->names = names;
        listing->capacity = capacity;
    }
    listing->names[listing->count++] = arena_str(arena, sv_of(name));
}

static void note_unreadable(struct scan *scan, const char *path, int rc)
{
    if (!scan->tail->unreadable_told)
        log_warn("tail", "%s cannot be looked at: %s; trying again", path, strerror(-rc));
    scan->tail->unreadable_told = true;
    scan->unreadable++;
}

static const char *dir_of(struct scan *scan, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return ".";
    return slash == path ? "/" : arena_str(&scan->tail->scratch, sv_make(path, (size_t)(slash - path)));
}

/* Of the nearest directory above that is there: tells a directory that was removed from a file system that is
 * not mounted. */
static uint64_t device_above(struct scan *scan, const char *dir)
{
    struct fs_stat st;
    while (strcmp(dir, "/") != 0 && strcmp(dir, ".") != 0) {
        dir = dir_of(scan, dir);
        if (scan->tail->options.fs->stat(scan->tail->options.fs, dir, &st) == 0)
            return st.device;
    }
    return 0;
}

static const struct listing *list_dir(struct scan *scan, const char *dir)
{
    struct tail *tail = scan->tail;
    for (struct listing *l = scan->listings; l != NULL; l = l->next)
        if (strcmp(l->dir, dir) == 0)
            return l;
    struct listing *listing = ARENA_NEW(&tail->scratch, struct listing);
    struct fs_stat st = {0};
    void *pair[] = {listing, &tail->scratch};
    listing->dir = arena_str(&tail->scratch, sv_of(dir));
    int rc = tail->options.fs->stat(tail->options.fs, dir, &st);
    if (rc == 0 && st.is_dir) {
        listing->device = st.device;
        tail_watch(tail, dir);
        rc = tail->options.fs->list(tail->options.fs, dir, add_name, pair);
    }
    if (rc == -ENOENT)
        listing->device = device_above(scan, listing->dir);
    listing->failed = rc != -ENOENT && (rc != 0 || !st.is_dir);
    if (rc != 0 && rc != -ENOENT)
        note_unreadable(scan, dir, rc);
    listing->next = scan->listings;
    return scan->listings = listing;
}

static struct sv name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return sv_of(slash == NULL ? path : slash + 1);
}

static const char *join(struct scan *scan, const char *dir, const char *name)
{
    struct arena *arena = &scan->tail->scratch;
    if (strcmp(dir, ".") == 0)
        return name;
    return arena_printf(arena, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name).p;
}

/* The same file twice (two patterns, a hard link): the first name stands, unless it is a rotated one. */
static void add_candidate(struct scan *scan, const struct tail_source *source, const char *path,
                          const char *base, bool is_named)
{
    struct tail *tail = scan->tail;
    struct fs_stat st;
    int rc = tail->options.fs->stat(tail->options.fs, path, &st);
    if (rc != 0 && rc != -ENOENT)
        note_unreadable(scan, path, rc);
    if (rc != 0 || !st.is_file)
        return;
    for (size_t i = 0; i < scan->count; i++)
        if (scan->candidates[i].st.device == st.device && scan->candidates[i].st.inode == st.inode)
            return;
    if (scan->count == scan->capacity) {
        size_t capacity = TC_MAX(scan->capacity * 2, (size_t)64);
        struct candidate *wider = ARENA_ARRAY(&tail->scratch, struct candidate, capacity);
        if (scan->count > 0)
            memcpy(wider, scan->candidates, scan->count * sizeof wider[0]);
        scan->candidates = wider;
        scan->capacity = capacity;
    }
    scan->candidates[scan->count++] = (struct candidate){.source = source,
                                                         .path = path,
                                                         .base = base,
                                                         .st = st,
                                                         .is_named = is_named,
                                                         .is_rotated = path != base};
}

/* `done` is a directory without patterns, "" at first; `rest` what is to be matched below it. */
static void expand(struct scan *scan, const struct tail_source *source, const char *done, const char *rest)
{
    struct sv left = sv_of(rest);
    while (left.n > 0 && left.p[0] == '/')
        left = sv_from(left, 1);
    const char *here = done[0] != '\0' ? done : rest[0] == '/' ? "/" : ".";
    const char *part = arena_str(&scan->tail->scratch, sv_cut(&left, '/'));
    if (left.n > 0 && strpbrk(part, "*?[") == NULL) {
        expand(scan, source, join(scan, here, part), left.p);
        return;
    }
    const struct listing *listing = list_dir(scan, here);
    for (size_t i = 0; i < listing->count; i++) {
        if (fnmatch(part, listing->names[i], FNM_PERIOD) != 0)
            continue;
        const char *path = join(scan, here, listing->names[i]);
        struct fs_stat st;
        if (left.n == 0)
            add_candidate(scan, source, path, path, true);
        else if (scan->tail->options.fs->stat(scan->tail->options.fs, path, &st) == 0 && st.is_dir)
            expand(scan, source, path, left.p);
    }
}

static bool same_dir(const char *a, const char *b)
{
    size_t n = strlen(a) - name_of(a).n;
    return n == strlen(b) - name_of(b).n && memcmp(a, b, n) == 0;
}

/* What the patterns name may be what a rotation made of another name. (STEM1.EXT that is named may as well be
 * the log of a second worker: it stands for itself.) */
static const char *base_among(const struct scan *scan, const char *path)
{
    struct sv name = without_packed_end(name_of(path));
    char last = name.n == 0 ? '\0' : name.p[name.n - 1];
    if (!(last >= '0' && last <= '9') && last != 'Z' && !sv_ends(name, SV(".old")))
        return NULL; /* most names: not worth a walk over all others */
    for (size_t i = 0; i < scan->count; i++)
        if (same_dir(scan->candidates[i].path, path) &&
            is_suffixed_name(name_of(scan->candidates[i].path), name_of(path)))
            return scan->candidates[i].path;
    for (size_t i = 0; i < scan->tail->count; i++)
        if (scan->tail->files[i]->source != NULL && same_dir(scan->tail->files[i]->base, path) &&
            is_suffixed_name(name_of(scan->tail->files[i]->base), name_of(path)))
            return arena_str(&scan->tail->scratch,
                             sv_of(scan->tail->files[i]->base)); /* the file's may change */
    return NULL;
}

static void find_bases(struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++) {
        const char *base = base_among(scan, scan->candidates[i].path);
        if (base == NULL)
            continue;
        scan->candidates[i].base = base;
        scan->candidates[i].is_rotated = true;
    }
}

static void find_rotated_of(struct scan *scan, const struct tail_source *source, const char *base)
{
    const char *dir = dir_of(scan, base);
    const struct listing *listing = list_dir(scan, dir);
    for (size_t i = 0; i < listing->count; i++)
        if (tail_is_rotated_name(name_of(base), sv_of(listing->names[i])))
            add_candidate(scan, source, join(scan, dir, listing->names[i]), base, false);
}

static void find_rotated(struct scan *scan)
{
    size_t named = scan->count;
    for (size_t i = 0; i < named; i++)
        if (!scan->candidates[i].is_rotated)
            find_rotated_of(scan, scan->candidates[i].source, scan->candidates[i].path);
    for (size_t i = 0; i < scan->tail->count; i++) {
        const struct tail_file *file = scan->tail->files[i];
        if (file->source != NULL && (i == 0 || strcmp(file->base, scan->tail->files[i - 1]->base) != 0))
            find_rotated_of(scan, file->source, arena_str(&scan->tail->scratch, sv_of(file->base)));
    }
}

/* --- candidates to files ---------------------------------------------------------------------------------
 */

static struct tail_file *by_inode(const struct tail *tail, const struct fs_stat *st)
{
    for (size_t i = 0; i < tail->count; i++)
        if (tail->files[i]->inode == st->inode && tail->files[i]->device == st->device && st->inode != 0 &&
            !tail->files[i]->is_gone)
            return tail->files[i];
    return NULL;
}

static void seen(struct tail *tail, struct tail_file *file, const struct candidate *c)
{
    file->is_found = true;
    file->missing_ns = 0;
    file->modified_ns = c->st.modified_ns;
    if (c->directory_device != 0)
        file->directory_device = c->directory_device;
    if (file->source == NULL || strcmp(file->base, c->base) != 0) {
        /* the base of a known file stays, unless it is not followed any more or nothing was read of it */
        if (file->source == NULL || file->head_bytes == 0) {
            free(file->base);
            file->base = tc_strdup(c->base);
            file->source = c->source;
        }
    }
    if (strcmp(file->path, c->path) != 0) {
        free(file->path);
        file->path = tc_strdup(c->path);
        file->changed_ns = tail_now(tail);
        tail_file_dirty(tail, file, false);
    }
}

/* A closed file that was written since its bytes were compared, or never: is it what was read? */
static void check(struct tail *tail, struct tail_file *file, const struct candidate *c)
{
    if (file->handle >= 0 || file->checked_modified_ns == c->st.modified_ns)
        return;
    bool same = file->is_packed == tail_is_packed_name(name_of(c->path)) &&
                (file->is_packed ? file->size == c->st.size_bytes : c->st.size_bytes >= file->offset);
    if (same && (file->head_bytes > 0 || file->last_bytes > 0)) {
        struct fs_stat st;
        int handle = tail->options.fs->open(tail->options.fs, c->path, FS_READ | FS_NO_WAIT);
        if (handle < 0)
            return; /* not readable now: it is tried again */
        tail->options.fs->close(tail->options.fs, handle);
        if (tail->options.fs->stat(tail->options.fs, c->path, &st) != 0 || st.inode != c->st.inode)
            return;
        same = tail_file_matches(tail, file, c->path, false) || (file->is_packed && file->head_bytes == 0);
    }
    if (!same)
        tail_file_replaced(tail, file);
    file->checked_modified_ns = c->st.modified_ns;
}

static void match_known(struct scan *scan)
{
    struct tail *tail = scan->tail;
    for (size_t i = 0; i < scan->count; i++) {
        struct candidate *c = &scan->candidates[i];
        c->file = by_inode(tail, &c->st);
        c->directory_device = list_dir(scan, dir_of(scan, c->path))->device;
        if (c->file != NULL) {
            seen(tail, c->file, c);
            check(tail, c->file, c);
            c->file = c->file->is_found ? c->file : NULL;
            /* an open file's size is looked at with its bytes, unless nothing is read now */
            if (c->file != NULL && !c->file->is_packed && (c->file->handle < 0 || tail->state != OUTLET_OPEN))
                c->file->size = TC_MAX(c->file->size, c->st.size_bytes);
        }
    }
}

/* The file whose bytes `c` has at its front; `there`: among those that are found, or among the missing ones.
 */
static struct tail_file *by_bytes(struct tail *tail, const struct candidate *c, bool there)
{
    bool packed = tail_is_packed_name(name_of(c->path));
    for (size_t i = 0; i < tail->count; i++) {
        struct tail_file *file = tail->files[i];
        bool is_copy = file->source != NULL && !file->is_gone && file->is_found == there &&
                       !file->is_packed && same_dir(file->base, c->path) &&
                       (packed || c->st.size_bytes >= file->offset) &&
                       (c->is_rotated || file->head_bytes == TAIL_HEAD_BYTES);
        if (is_copy && tail_file_matches(tail, file, c->path, packed))
            return file;
    }
    return NULL;
}

/* A copy that has not reached yet what was read of the original: its bytes are those of the original. */
static bool is_copy_begun(struct tail *tail, const struct candidate *c)
{
    const struct fs *fs = tail->options.fs;
    char copy[TAIL_HEAD_BYTES], original[TAIL_HEAD_BYTES];
    size_t n = (size_t)TC_MIN(c->st.size_bytes, (uint64_t)TAIL_HEAD_BYTES);
    const uint64_t places[] = {0, c->st.size_bytes - n};
    if (n == 0)
        return true;
    for (size_t i = 0; i < tail->count; i++) {
        const struct tail_file *file = tail->files[i];
        if (!file->is_found || file->is_packed || file->offset <= c->st.size_bytes ||
            strcmp(file->base, c->base) != 0)
            continue;
        int from = fs->open(fs, file->path, FS_READ | FS_NO_WAIT),
            to = fs->open(fs, c->path, FS_READ | FS_NO_WAIT);
        bool same = from >= 0 && to >= 0;
        for (size_t j = 0; same && j < TC_ARRAY_LEN(places); j++)
            same = fs->read_at(fs, from, original, n, places[j]) == (int64_t)n &&
                   fs->read_at(fs, to, copy, n, places[j]) == (int64_t)n && memcmp(original, copy, n) == 0;
        if (from >= 0)
            fs->close(fs, from);
        if (to >= 0)
            fs->close(fs, to);
        if (same)
            return true;
    }
    return false;
}

static void adopt(struct tail *tail, struct tail_file *file, struct candidate *c)
{
    if (tail_is_packed_name(name_of(c->path))) {
        tail_file_become_packed(tail, file, c->path, &c->st);
    } else {
        tail_file_close(tail, file);
        file->device = c->st.device;
        file->inode = c->st.inode;
        file->size = c->st.size_bytes;
        tail_file_dirty(tail, file, false);
    }
    file->checked_modified_ns = c->st.modified_ns;
    seen(tail, file, c);
}

static void add_new(struct tail *tail, struct candidate *c, bool is_read)
{
    bool packed = tail_is_packed_name(name_of(c->path));
    bool first = !tail->source_started[c->source - tail->options.sources];
    struct tail_file *file = tail_file_add(tail, c->source, c->base, c->path);
    if (file == NULL) {
        if (!tail->full_told)
            log_warn("tail", "%s is not followed: %zu files are known already", c->path,
                     tail->options.files_max);
        tail->full_told = true;
        return;
    }
    file->device = c->st.device;
    file->inode = c->st.inode;
    bool skip = first && (c->source->from_end || !c->is_named);
    if (packed) {
        tail_file_become_packed(tail, file, c->path, &c->st);
        file->is_done = skip || is_read;
    } else if (skip) {
        if (tail_file_open(tail, file) == 1) {
            file->offset = file->size = c->st.size_bytes;
            tail_file_take_hashes(tail, file);
        } else {
            file->offset = file->size = c->st.size_bytes;
        }
    }
    file->checked_modified_ns = c->st.modified_ns;
    seen(tail, file, c);
    tail_file_dirty(tail, file, false);
}

static bool has_unpacked(struct scan *scan, const struct candidate *c)
{
    struct sv plain = without_packed_end(sv_of(c->path));
    struct fs_stat st;
    return scan->tail->options.fs->stat(scan->tail->options.fs, arena_str(&scan->tail->scratch, plain),
                                        &st) == 0;
}

static void take_unknown(struct scan *scan)
{
    struct tail *tail = scan->tail;
    for (size_t i = 0; i < scan->count; i++) {
        struct candidate *c = &scan->candidates[i];
        if (c->file != NULL)
            continue;
        bool packed = tail_is_packed_name(name_of(c->path));
        if (packed && has_unpacked(scan, c))
            continue; /* it is being written; its original is read */
        struct tail_file *file = by_bytes(tail, c, false);
        if (file != NULL)
            adopt(tail, file, c);
        else if (c->is_rotated && !packed && (by_bytes(tail, c, true) != NULL || is_copy_begun(tail, c)))
            continue;
        else
            add_new(tail, c, packed && c->is_rotated && by_bytes(tail, c, true) != NULL);
    }
}

/* --- what is not there -----------------------------------------------------------------------------------
 */

/* Moved to a name that no rotation gives: found by its inode, in its own directory. */
static void look_everywhere(struct scan *scan, struct tail_file *file)
{
    const struct listing *listing = list_dir(scan, dir_of(scan, file->base));
    for (size_t i = 0; i < listing->count; i++) {
        struct candidate c = {.source = file->source,
                              .path = join(scan, listing->dir, listing->names[i]),
                              .base = file->base,
                              .is_rotated = true};
        if (scan->tail->options.fs->stat(scan->tail->options.fs, c.path, &c.st) == 0 && c.st.is_file &&
            c.st.device == file->device && c.st.inode == file->inode &&
            (file->handle >= 0 || tail_file_matches(scan->tail, file, c.path, false))) {
            seen(scan->tail, file, &c);
            return;
        }
    }
}

static void gone(struct tail *tail, struct tail_file *file)
{
    bool unread = file->is_packed ? !file->is_done : file->size > file->offset;
    if (unread) {
        tail->vanished++;
        tail_say_loss(tail, file, "is gone before it was read to its end",
                      file->is_packed ? 0 : file->size - file->offset);
    }
    tail_file_forget(tail, file);
}

static void settle_missing(struct scan *scan)
{
    struct tail *tail = scan->tail;
    int64_t now = tail_now(tail);
    for (size_t i = 0, count = tail->count; i < count; i++) {
        struct tail_file *file = tail->files[i];
        if (file->is_gone || file->source == NULL || file->is_found)
            continue;
        const struct listing *listing = list_dir(scan, dir_of(scan, file->base));
        if (listing->failed || (file->directory_device != 0 && listing->device != file->directory_device))
            continue; /* its file system is not there: wait for it */
        if (file->missing_ns == 0)
            file->missing_ns = now;
        if (file->inode != 0)
            look_everywhere(scan, file);
        bool unread = !file->is_packed && file->handle >= 0 && file->offset < file->size;
        if (!file->is_found && !unread && now - file->missing_ns > TC_TAIL_MISSING_S * TC_SECOND_NS)
            gone(tail, file);
    }
}

static int by_age(const void *a, const void *b)
{
    const struct tail_file *x = *(struct tail_file *const *)a, *y = *(struct tail_file *const *)b;
    int rc = strcmp(x->base, y->base);
    bool x_lives = strcmp(x->path, x->base) == 0 && x->missing_ns == 0;
    bool y_lives = strcmp(y->path, y->base) == 0 && y->missing_ns == 0;
    if (rc == 0)
        rc = x_lives - y_lives;
    if (rc == 0)
        rc = (x->modified_ns > y->modified_ns) - (x->modified_ns < y->modified_ns);
    return rc != 0 ? rc : (x->serial > y->serial) - (x->serial < y->serial);
}

void tail_scan(struct tail *tail)
{
    struct scan scan = {.tail = tail};
    for (size_t i = 0; i < tail->count; i++)
        tail->files[i]->is_found = false;
    for (size_t i = 0; i < tail->options.source_count; i++)
        for (size_t j = 0; j < tail->options.sources[i].path_count; j++)
            expand(&scan, &tail->options.sources[i], "", tail->options.sources[i].paths[j]);
    find_bases(&scan);
    find_rotated(&scan);
    match_known(&scan);
    take_unknown(&scan);
    settle_missing(&scan);
    for (size_t i = 0; i < tail->options.source_count; i++) {
        tail->source_dirty[i] |= !tail->source_started[i];
        tail->source_started[i] = true;
    }
    tail->unreadable_told = scan.unreadable > 0;
    for (size_t i = 0; i < tail->count; i++)
        scan.unreadable += tail->files[i]->is_unreadable;
    tail->unreadable = scan.unreadable;
    qsort(tail->files, tail->count, sizeof tail->files[0], by_age);
    arena_reset(&tail->scratch);
}
