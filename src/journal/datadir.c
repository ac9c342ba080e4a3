/*
 * The data directory; see datadir.h.
 */
#include "journal/datadir.h"

#include "base/arena.h"
#include "journal/segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Syncs the directory that holds `path`'s entry. Where we may not (it is not ours, or is read-only), whoever
 * made that entry has to have done it. */
static int sync_above(const struct fs *fs, const char *path, struct err *err)
{
    char *parent = tc_strdup(path), *slash = strrchr(parent, '/');
    if (slash != NULL)
        slash[slash == parent ? 1 : 0] = '\0';
    int rc = fs->sync_dir(fs, slash == NULL ? "." : parent);
    if (rc == -EACCES || rc == -EPERM || rc == -EROFS || rc == -EINVAL)
        rc = 0;
    if (rc < 0)
        rc = segment_sys(err, rc, "cannot sync the directory above", path);
    free(parent);
    return rc;
}

/* DIR/journal and all above it, each of whose entries must survive a power cut as well; an earlier start may
 * have made them and not have come to sync them. */
int datadir_make(const struct fs *fs, const char *dir, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    if (!segment_dir(dir, path) || strlen(path) + 64 > sizeof path)
        return err_set(err, TC_EINPUT, "the path of the data directory is too long");
    int rc = fs_make_dirs(fs, path, err);
    for (char *slash; rc == 0; *slash = '\0') {
        rc = sync_above(fs, path, err);
        slash = strrchr(path, '/');
        if (slash == NULL || slash == path)
            break;
    }
    return rc;
}

int datadir_lock(const struct fs *fs, const char *dir, int *ret_file, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", dir);
    int file = fs->lock(fs, path);
    if (file == -EAGAIN)
        return err_set(err, TC_ESTATE,
                       "%s is in use by another tocsin: stop that one, or name another directory", dir);
    if (file < 0)
        return segment_sys(err, file, "cannot lock", path);
    *ret_file = file;
    return 0;
}
