/*
 * A copy of the store in another directory; see tsdb.h. It is made under another name and renamed at the end.
 */
#include "metrics/tsdb/tsdb_priv.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEP_BYTES = 1 << 20, PATH_BYTES = WAL_PATH_MAX + 64 };

static int copy_bytes(const struct fs *fs, int from, int to)
{
    char *step = tc_alloc(STEP_BYTES);
    uint64_t offset = 0;
    int64_t n = 0;
    int rc = 0;
    while (rc == 0 && (n = fs->read_at(fs, from, step, STEP_BYTES, offset)) > 0) {
        rc = fs_write_all(fs, to, step, (size_t)n, offset);
        offset += (uint64_t)n;
    }
    free(step);
    return rc == 0 && n < 0 ? (int)n : rc;
}

static int copy_block(struct tsdb *tsdb, uint64_t number, const char *dir, struct err *err)
{
    const struct fs *fs = tsdb->options.fs;
    char from[PATH_BYTES], to[PATH_BYTES];
    snprintf(from, sizeof from, "%.4000s/%08llu.block", tsdb->blocks_dir, (unsigned long long)number);
    snprintf(to, sizeof to, "%.4000s/%08llu.block", dir, (unsigned long long)number);
    int in = fs->open(fs, from, FS_READ);
    if (in < 0)
        return wal_sys(err, in, "cannot open", from);
    int out = fs->open(fs, to, FS_WRITE | FS_CREATE | FS_EXCLUSIVE);
    int rc = out < 0 ? out : copy_bytes(fs, in, out);
    if (rc == 0)
        rc = fs->sync(fs, out);
    if (out >= 0)
        fs->close(fs, out);
    fs->close(fs, in);
    return rc < 0 ? wal_sys(err, rc, "cannot write", to) : 0;
}

static int copy_all(struct tsdb *tsdb, const char *dir, bool with_head, struct err *err)
{
    const struct fs *fs = tsdb->options.fs;
    char blocks[PATH_BYTES], wal[PATH_BYTES];
    snprintf(blocks, sizeof blocks, "%.4000s/blocks", dir);
    snprintf(wal, sizeof wal, "%.4000s/wal", dir);
    int rc = fs_make_dirs(fs, blocks, err);
    if (rc == 0)
        rc = fs_make_dirs(fs, wal, err);
    for (size_t i = 0; i < tsdb->block_count && rc == 0; i++)
        rc = copy_block(tsdb, block_info(tsdb->blocks[i])->number, blocks, err);
    if (rc == 0)
        rc = snapshot_write(tsdb, wal, 1, with_head, err);
    int synced = rc == 0 ? fs->sync_dir(fs, blocks) : 0;
    return synced < 0 ? wal_sys(err, synced, "cannot sync", blocks) : rc;
}

static void drop(struct tsdb *tsdb, const char *dir)
{
    char path[PATH_BYTES];
    for (size_t i = 0; i < tsdb->block_count; i++) {
        snprintf(path, sizeof path, "%.4000s/blocks/%08llu.block", dir,
                 (unsigned long long)block_info(tsdb->blocks[i])->number);
        (void)tsdb->options.fs->unlink(tsdb->options.fs, path);
    }
}

int tsdb_copy(struct tsdb *tsdb, const char *dir, bool with_head, struct err *err)
{
    const struct fs *fs = tsdb->options.fs;
    char fresh[WAL_PATH_MAX], parent[WAL_PATH_MAX];
    snprintf(fresh, sizeof fresh, "%.4000s.new", dir);
    snprintf(parent, sizeof parent, "%s", dir);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        return err_set(err, TC_EINPUT, "%s is no absolute path", dir);
    *slash = '\0';
    int rc = copy_all(tsdb, fresh, with_head, err);
    if (rc != 0) {
        drop(tsdb, fresh); /* directories may stay: they hold nothing */
        return rc;
    }
    rc = fs->rename(fs, fresh, dir);
    if (rc == 0)
        rc = fs->sync_dir(fs, parent);
    return rc < 0 ? wal_sys(err, rc, "cannot make", dir) : 0;
}
