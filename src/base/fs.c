/*
 * The file seam over the real system; see fs.h.
 */
#include "base/fs.h"

#include "base/arena.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int sys_open(const struct fs *fs, const char *path, int flags)
{
    (void)fs;
    int how = (flags & FS_WRITE) ? ((flags & FS_READ) ? O_RDWR : O_WRONLY) : O_RDONLY;
    how |= (flags & FS_CREATE ? O_CREAT : 0) | (flags & FS_EXCLUSIVE ? O_EXCL : 0) |
           (flags & FS_TRUNCATE ? O_TRUNC : 0) | (flags & FS_NO_WAIT ? O_NONBLOCK | O_NOCTTY : 0);
    int file;
    do
        file = open(path, how | O_CLOEXEC, 0600);
    while (file < 0 && errno == EINTR);
    return file < 0 ? -errno : file;
}

static int sys_close(const struct fs *fs, int file)
{
    (void)fs;
    return close(file) < 0 && errno != EINTR ? -errno : 0;
}

static int64_t sys_read_at(const struct fs *fs, int file, void *to, size_t n, uint64_t offset)
{
    (void)fs;
    size_t got = 0;
    while (got < n) {
        ssize_t r = pread(file, (char *)to + got, n - got, (off_t)(offset + got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (int64_t)got;
}

static int64_t sys_write_at(const struct fs *fs, int file, const void *from, size_t n, uint64_t offset)
{
    (void)fs;
    ssize_t r;
    do
        r = pwrite(file, from, n, (off_t)offset);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static int sys_sync(const struct fs *fs, int file)
{
    (void)fs;
    return fdatasync(file) < 0 ? -errno : 0;
}

static int sys_truncate(const struct fs *fs, int file, uint64_t size)
{
    (void)fs;
    return ftruncate(file, (off_t)size) < 0 ? -errno : 0;
}

static void fill_stat(const struct stat *st, struct fs_stat *ret)
{
    *ret = (struct fs_stat){.size_bytes = (uint64_t)st->st_size,
                            .modified_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
                            .is_dir = S_ISDIR(st->st_mode),
                            .is_file = S_ISREG(st->st_mode),
                            .device = (uint64_t)st->st_dev,
                            .inode = (uint64_t)st->st_ino};
}

static int sys_stat(const struct fs *fs, const char *path, struct fs_stat *ret)
{
    (void)fs;
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    fill_stat(&st, ret);
    return 0;
}

static int sys_size(const struct fs *fs, int file, uint64_t *ret_bytes)
{
    (void)fs;
    struct stat st;
    if (fstat(file, &st) < 0)
        return -errno;
    *ret_bytes = (uint64_t)st.st_size;
    return 0;
}

static int sys_rename(const struct fs *fs, const char *from, const char *to)
{
    (void)fs;
    return rename(from, to) < 0 ? -errno : 0;
}

static int sys_unlink(const struct fs *fs, const char *path)
{
    (void)fs;
    return unlink(path) < 0 ? -errno : 0;
}

static int sys_mkdir(const struct fs *fs, const char *path)
{
    (void)fs;
    struct stat st;
    if (mkdir(path, 0700) == 0)
        return 0;
    int saved = errno;
    return saved == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -saved;
}

static int sys_sync_dir(const struct fs *fs, const char *path)
{
    (void)fs;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    int rc = fsync(dir) < 0 ? -errno : 0;
    close(dir);
    return rc;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int sys_list(const struct fs *fs, const char *path, fs_name_fn each, void *context)
{
    (void)fs;
    struct dirent **names;
    int n = scandir(path, &names, NULL, by_bytes);
    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
            each(context, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return 0;
}

static int sys_lock(const struct fs *fs, const char *path)
{
    int file = sys_open(fs, path, FS_READ | FS_WRITE | FS_CREATE);
    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) < 0) {
        int saved = errno;
        close(file);
        return saved == EWOULDBLOCK ? -EAGAIN : -saved;
    }
    return file;
}

static int sys_free_bytes(const struct fs *fs, const char *path, uint64_t *ret_free, uint64_t *ret_total)
{
    (void)fs;
    struct statvfs st;
    if (statvfs(path, &st) < 0)
        return -errno;
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    *ret_total = (uint64_t)st.f_blocks * st.f_frsize;
    return 0;
}

const struct fs fs_system = {
    .open = sys_open,
    .close = sys_close,
    .read_at = sys_read_at,
    .write_at = sys_write_at,
    .sync = sys_sync,
    .truncate = sys_truncate,
    .stat = sys_stat,
    .size = sys_size,
    .rename = sys_rename,
    .unlink = sys_unlink,
    .mkdir = sys_mkdir,
    .sync_dir = sys_sync_dir,
    .list = sys_list,
    .lock = sys_lock,
    .free_bytes = sys_free_bytes,
};

int fs_write_all(const struct fs *fs, int file, const void *from, size_t n, uint64_t offset)
{
    size_t done = 0;
    while (done < n) {
        int64_t r = fs->write_at(fs, file, (const char *)from + done, n - done, offset + done);
        if (r < 0)
            return (int)r;
        if (r == 0)
            return -EIO;
        done += (size_t)r;
    }
    return 0;
}

static int fail(struct err *err, int negative_errno, const char *what, const char *path)
{
    errno = -negative_errno;
    return err_sys(err, "%s %s", what, path);
}

int fs_read_file(const struct fs *fs, const char *path, struct buf *to, struct err *err)
{
    int file = fs->open(fs, path, FS_READ);
    if (file < 0)
        return fail(err, file, "cannot open", path);
    enum { STEP = 65536 };
    uint64_t offset = 0;
    int64_t r = STEP;
    while (r == STEP) { /* what is short is the end */
        char *room = buf_reserve(to, STEP);
        if (room == NULL) {
            /* the last few bytes before the maximum may be less than a step */
            size_t left = to->max_bytes - to->n;
            char extra;
            to->overflow = false;
            room = buf_reserve(to, left);
            r = left == 0 ? 0 : fs->read_at(fs, file, room, left, offset);
            if (r >= 0) {
                to->n += (size_t)r;
                offset += (uint64_t)r;
                r = fs->read_at(fs, file, &extra, 1, offset);
                if (r > 0) {
                    fs->close(fs, file);
                    return err_set(err, TC_EBOUND, "%s is larger than %zu bytes", path, to->max_bytes);
                }
            }
            break;
        }
        r = fs->read_at(fs, file, room, STEP, offset);
        if (r > 0) {
            to->n += (size_t)r;
            offset += (uint64_t)r;
        }
    }
    fs->close(fs, file);
    return r < 0 ? fail(err, (int)r, "cannot read", path) : 0;
}

int fs_replace_file(const struct fs *fs, const char *path, struct sv bytes, struct err *err)
{
    struct arena scratch = {0};
    const char *fresh = arena_printf(&scratch, "%s.new", path).p;
    const char *slash = strrchr(path, '/');
    const char *dir =
        slash == NULL ? "." : arena_str(&scratch, sv_make(path, slash == path ? 1 : (size_t)(slash - path)));
    int rc = fs->open(fs, fresh, FS_WRITE | FS_CREATE | FS_TRUNCATE);
    if (rc >= 0) {
        int file = rc;
        rc = fs_write_all(fs, file, bytes.p, bytes.n, 0);
        if (rc == 0)
            rc = fs->sync(fs, file);
        fs->close(fs, file);
    }
    if (rc == 0)
        rc = fs->rename(fs, fresh, path);
    if (rc == 0)
        rc = fs->sync_dir(fs, dir);
    if (rc < 0)
        rc = fail(err, rc, "cannot write", path);
    arena_free(&scratch);
    return rc;
}

/* The directory that holds `path`: its entry is durable only when this one is synced. */
static int sync_parent(const struct fs *fs, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return fs->sync_dir(fs, ".");
    char *parent = tc_strdup(path);
    parent[slash == path ? 1 : slash - path] = '\0';
    int rc = fs->sync_dir(fs, parent);
    free(parent);
    return rc;
}

static int make_dir(const struct fs *fs, const char *path)
{
    struct fs_stat st;
    if (fs->stat(fs, path, &st) == 0 && st.is_dir)
        return 0;
    int rc = fs->mkdir(fs, path);
    return rc < 0 ? rc : sync_parent(fs, path);
}

int fs_make_dirs(const struct fs *fs, const char *path, struct err *err)
{
    char *copy = tc_strdup(path);
    int rc = 0;
    for (char *at = copy + 1; rc == 0 && *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        rc = make_dir(fs, copy);
        *at = '/';
    }
    if (rc == 0)
        rc = make_dir(fs, copy);
    free(copy);
    return rc < 0 ? fail(err, rc, "cannot make the directory", path) : 0;
}
