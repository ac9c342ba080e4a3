/*
 * The file seam: every file operation of the journal, of checkpoints and of content-addressed files goes
 * through here, so that a test can cut the power at any call, fill the disk, or tear a write (sim_fs.h).
 * SQLite keeps its own files: they are a projection that can be deleted.
 *
 * All functions return 0 or more on success and a negative errno on failure (no struct err: callers know what
 * they were doing). Paths are relative to the process or absolute. EINTR is retried inside; short writes are
 * completed inside `fs_write_all`, never silently accepted.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include "base/buf.h"
#include "base/err.h"

enum fs_open_flags {
    FS_READ = 1,
    FS_WRITE = 2,
    FS_CREATE = 4,    /* create if absent (mode 0600) */
    FS_EXCLUSIVE = 8, /* with FS_CREATE: fail with -EEXIST if present */
    FS_TRUNCATE = 16,
    FS_NO_WAIT = 32, /* do not wait for a peer where the path turns out to be a pipe */
};

struct fs_stat {
    uint64_t size_bytes;
    int64_t modified_ns;  /* wall clock */
    bool is_dir, is_file; /* neither: a socket, a pipe, a device */
    uint64_t device,
        inode; /* together the file's identity while it exists; an inode may be used again later */
};

typedef void (*fs_name_fn)(void *context, const char *name);

struct fs {
    void *context;
    int (*open)(const struct fs *fs, const char *path, int flags); /* a handle >= 0 */
    int (*close)(const struct fs *fs, int file);
    int64_t (*read_at)(const struct fs *fs, int file, void *to, size_t n,
                       uint64_t offset); /* short only at end of file */
    int64_t (*write_at)(const struct fs *fs, int file, const void *from, size_t n,
                        uint64_t offset);       /* may be short */
    int (*sync)(const struct fs *fs, int file); /* fdatasync, with the size */
    int (*truncate)(const struct fs *fs, int file, uint64_t size);
    int (*stat)(const struct fs *fs, const char *path, struct fs_stat *ret);
    int (*size)(const struct fs *fs, int file, uint64_t *ret_bytes);
    int (*rename)(const struct fs *fs, const char *from, const char *to);
    int (*unlink)(const struct fs *fs, const char *path);
    int (*mkdir)(const struct fs *fs, const char *path); /* mode 0700; 0 also where it is there already */
    int (*sync_dir)(const struct fs *fs, const char *path);
    int (*list)(const struct fs *fs, const char *path, fs_name_fn each,
                void *context); /* names in byte order, without . and .. */
    /* Takes the kernel's lock on `path` (created if absent) until the handle is closed; -EAGAIN where another
     * has it. */
    int (*lock)(const struct fs *fs, const char *path);
    /* What may still be written to the file system of `path`, and how large it is. */
    int (*free_bytes)(const struct fs *fs, const char *path, uint64_t *ret_free, uint64_t *ret_total);
};

extern const struct fs fs_system;

/* Writes all n bytes at `offset`, or returns a negative errno (some may have been written). */
int fs_write_all(const struct fs *fs, int file, const void *from, size_t n, uint64_t offset);
/* Appends the whole file to `to` (its maximum is the bound). */
int fs_read_file(const struct fs *fs, const char *path, struct buf *to, struct err *err);
/* Atomically replaces `path`: writes path.new, syncs it, renames, syncs the directory. */
int fs_replace_file(const struct fs *fs, const char *path, struct sv bytes, struct err *err);
/* mkdir -p, durable: the entry of each directory that is made is synced. */
int fs_make_dirs(const struct fs *fs, const char *path, struct err *err);

#endif
