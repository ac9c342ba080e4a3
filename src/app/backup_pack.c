/*
 * The two shapes of a backup: a directory, or a tar archive packed with zstd (libarchive). Both are written
 * beside their place and renamed when they are whole and synced; both bear the same files in the same order,
 * manifest and sums first, so that what is unpacked is bounded by what these announce.
 */
#include "app/backup_priv.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int sys(struct err *err, int negative_errno, const char *what, const char *path)
{
    errno = -negative_errno;
    return err_sys(err, "cannot %s %s", what, path);
}

static int changed(struct err *err, const char *path)
{
    return err_set(err, TC_EAGAIN, "%s changed while it was copied: make the backup again", path);
}

/* --- reading what is kept
 * ------------------------------------------------------------------------------------------- */

typedef int (*chunk_fn)(void *context, const char *bytes, size_t n, struct err *err);

/* The first `bytes` of a file, chunk by chunk, with their hash. */
static int read_prefix(const struct fs *fs, const char *path, uint64_t bytes, chunk_fn each, void *context,
                       uint8_t hash[TC_SHA256_BYTES], struct err *err)
{
    struct sha256_ctx sha;
    int file = fs->open(fs, path, FS_READ), rc = 0;
    if (file < 0)
        return sys(err, file, "open", path);
    char *chunk = tc_alloc(BACKUP_COPY_BYTES);
    sha256_init(&sha);
    for (uint64_t at = 0; rc == 0 && at < bytes;) {
        int64_t n = fs->read_at(fs, file, chunk, (size_t)TC_MIN(bytes - at, (uint64_t)BACKUP_COPY_BYTES), at);
        if (n <= 0) {
            rc = n < 0 ? sys(err, (int)n, "read", path) : changed(err, path);
            break;
        }
        sha256_update(&sha, (size_t)n, (const uint8_t *)chunk);
        rc = each == NULL ? 0 : each(context, chunk, (size_t)n, err);
        at += (uint64_t)n;
    }
    hash_sha256_final(&sha, hash);
    free(chunk);
    fs->close(fs, file);
    return rc;
}

int pack_hash(const struct fs *fs, const char *path, uint64_t bytes, uint8_t ret[TC_SHA256_BYTES],
              struct err *err)
{
    return read_prefix(fs, path, bytes, NULL, NULL, ret, err);
}

/* Hands an item's bytes on; TC_EAGAIN where they are others than those that were hashed. */
static int copy_item(const struct fs *fs, const struct backup_item *item, chunk_fn each, void *context,
                     struct err *err)
{
    uint8_t hash[TC_SHA256_BYTES];
    if (item->path == NULL)
        return each(context, item->text.p, item->text.n, err);
    int rc = read_prefix(fs, item->path, item->bytes, each, context, hash, err);
    return rc == 0 && memcmp(hash, item->sha256, sizeof hash) != 0 ? changed(err, item->path) : rc;
}

/* --- a directory
 * -------------------------------------------------------------------------------------------------- */

struct out_file {
    const struct fs *fs;
    const char *path;
    int file;
    uint64_t at;
};

static int write_chunk(void *context, const char *bytes, size_t n, struct err *err)
{
    struct out_file *out = context;
    int rc = fs_write_all(out->fs, out->file, bytes, n, out->at);
    out->at += n;
    return rc < 0 ? sys(err, rc, "write", out->path) : 0;
}

static int open_out(struct out_file *out, const struct fs *fs, const char *path, struct err *err)
{
    char *folder = tc_strdup(path), *slash = strrchr(folder, '/');
    *out = (struct out_file){.fs = fs, .path = path};
    *slash = '\0';
    int rc = fs_make_dirs(fs, folder, err);
    free(folder);
    if (rc != 0)
        return rc;
    out->file = fs->open(fs, path, FS_WRITE | FS_CREATE | FS_EXCLUSIVE);
    return out->file < 0 ? sys(err, out->file, "make", path) : 0;
}

static int close_out(struct out_file *out, int rc, struct err *err)
{
    int synced = rc == 0 ? out->fs->sync(out->fs, out->file) : 0;
    out->fs->close(out->fs, out->file);
    return rc == 0 && synced < 0 ? sys(err, synced, "sync", out->path) : rc;
}

static const char *const folders[] = {"", "/journal", "/objects", "/vault", "/config"};

static int sync_folders(const struct fs *fs, const char *dir, struct err *err)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(folders); i++) {
        char path[2 * BACKUP_PATH_MAX];
        struct fs_stat st;
        snprintf(path, sizeof path, "%s%s", dir, folders[i]);
        int rc = fs->stat(fs, path, &st) == 0 ? fs->sync_dir(fs, path) : 0;
        if (rc < 0)
            return sys(err, rc, "sync", path);
    }
    return 0;
}

static int sync_above(const struct fs *fs, const char *path, struct err *err)
{
    char *folder = tc_strdup(path), *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder] = '\0';
    int rc = fs->sync_dir(fs, slash == NULL ? "." : folder);
    free(folder);
    return rc < 0 ? sys(err, rc, "sync the directory of", path) : 0;
}

static int put_item(const struct fs *fs, const char *dir, const struct backup_item *item, struct err *err)
{
    char path[2 * BACKUP_PATH_MAX];
    struct out_file out;
    snprintf(path, sizeof path, "%s/%s", dir, item->name);
    int rc = open_out(&out, fs, path, err);
    return rc == 0 ? close_out(&out, copy_item(fs, item, write_chunk, &out, err), err) : rc;
}

int pack_directory(const struct fs *fs, const char *to, const struct backup_item *items, size_t count,
                   struct err *err)
{
    char part[BACKUP_PATH_MAX];
    struct fs_stat st;
    if ((size_t)snprintf(part, sizeof part, "%s.part", to) >= sizeof part)
        return err_set(err, TC_EINPUT, "the path is too long");
    if (fs->stat(fs, part, &st) == 0)
        return err_set(err, TC_EEXIST, "%s is in the way: another backup runs, or one was cut off; remove it",
                       part);
    int rc = fs_make_dirs(fs, part, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = put_item(fs, part, &items[i], err);
    if (rc == 0)
        rc = sync_folders(fs, part, err);
    int renamed = rc == 0 ? fs->rename(fs, part, to) : 0;
    if (renamed < 0)
        rc = sys(err, renamed, "put in its place", to);
    if (rc != 0)
        pack_remove(part);
    return rc == 0 ? sync_above(fs, to, err) : rc;
}

/* --- an archive
 * --------------------------------------------------------------------------------------------------- */

static int bad_archive(struct archive *a, const char *what, const char *path, struct err *err)
{
    const char *why = archive_error_string(a);
    return err_set(err, TC_EIO, "cannot %s %s: %s", what, path,
                   why != NULL ? why : "the archive library gave no reason");
}

struct out_entry {
    struct archive *archive;
    const char *path;
};

static int archive_chunk(void *context, const char *bytes, size_t n, struct err *err)
{
    const struct out_entry *out = context;
    return archive_write_data(out->archive, bytes, n) == (la_ssize_t)n
               ? 0
               : bad_archive(out->archive, "write", out->path, err);
}

static int archive_item(const struct fs *fs, struct out_entry *out, const struct backup_item *item,
                        int64_t now_ns, struct err *err)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, item->name);
    archive_entry_set_size(entry, (la_int64_t)item->bytes);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_mtime(entry, now_ns / TC_SECOND_NS, 0);
    int rc = archive_write_header(out->archive, entry) == ARCHIVE_OK
                 ? 0
                 : bad_archive(out->archive, "write", out->path, err);
    archive_entry_free(entry);
    return rc == 0 ? copy_item(fs, item, archive_chunk, out, err) : rc;
}

static int write_archive(const struct fs *fs, int fd, const char *path, const struct backup_item *items,
                         size_t count, int64_t now_ns, struct err *err)
{
    struct archive *a = archive_write_new();
    struct out_entry out = {a, path};
    archive_write_set_bytes_in_last_block(a, 1); /* no zeros behind the packed stream, a pipe's neither */
    int rc = archive_write_set_format_pax_restricted(a) == ARCHIVE_OK &&
                     archive_write_add_filter_zstd(a) == ARCHIVE_OK &&
                     archive_write_open_fd(a, fd) == ARCHIVE_OK
                 ? 0
                 : bad_archive(a, "begin", path, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = archive_item(fs, &out, &items[i], now_ns, err);
    if (rc == 0 && archive_write_close(a) != ARCHIVE_OK)
        rc = bad_archive(a, "finish", path, err);
    archive_write_free(a);
    return rc;
}

int pack_archive(const struct fs *fs, const char *to, const struct backup_item *items, size_t count,
                 int64_t now_ns, struct err *err)
{
    char part[BACKUP_PATH_MAX];
    if (strcmp(to, "-") == 0)
        return write_archive(fs, STDOUT_FILENO, "standard output", items, count, now_ns, err);
    if ((size_t)snprintf(part, sizeof part, "%s.part", to) >= sizeof part)
        return err_set(err, TC_EINPUT, "the path is too long");
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST
                   ? err_set(err, TC_EEXIST,
                             "%s is in the way: another backup runs, or one was cut off; remove it", part)
                   : err_sys(err, "cannot make %s", part);
    int rc = write_archive(fs, fd, to, items, count, now_ns, err);
    if (rc == 0 && fsync(fd) != 0)
        rc = err_sys(err, "cannot sync %s", part);
    close(fd);
    if (rc == 0 && rename(part, to) != 0)
        rc = err_sys(err, "cannot put %s in its place", to);
    if (rc != 0)
        unlink(part);
    return rc == 0 ? sync_above(fs, to, err) : rc;
}

/* --- unpacking
 * ---------------------------------------------------------------------------------------------------- */

struct bounds { /* what may still come */
    uint64_t files, bytes;
};

static int extract(struct archive *a, const struct fs *fs, const char *name, const char *to,
                   uint64_t max_bytes, struct err *err)
{
    char path[2 * BACKUP_PATH_MAX];
    struct out_file out;
    const void *bytes;
    size_t n;
    la_int64_t offset;
    snprintf(path, sizeof path, "%s/%s", to, name);
    int rc = open_out(&out, fs, path, err), read;
    if (rc != 0)
        return rc;
    while (rc == 0 && (read = archive_read_data_block(a, &bytes, &n, &offset)) != ARCHIVE_EOF) {
        if (read != ARCHIVE_OK)
            rc = err_set(err, TC_ECORRUPT, "the archive is damaged in %s: %s", name, archive_error_string(a));
        else if ((uint64_t)offset != out.at || out.at + n > max_bytes)
            rc = err_set(err, TC_ECORRUPT, "%s is longer than the backup announces, or has holes", name);
        else
            rc = write_chunk(&out, bytes, n, err);
    }
    return close_out(&out, rc, err);
}

static int read_bounds(const struct fs *fs, const char *to, struct bounds *ret, struct err *err)
{
    char path[2 * BACKUP_PATH_MAX];
    uint8_t sums[TC_SHA256_BYTES];
    struct backup_summary s;
    struct buf json;
    buf_init(&json, BACKUP_MANIFEST_MAX);
    snprintf(path, sizeof path, "%s/" BACKUP_MANIFEST, to);
    int rc = fs_read_file(fs, path, &json, err);
    if (rc == 0)
        rc = backup_read_manifest(buf_view(&json), &s, sums, err);
    if (rc == 0)
        *ret = (struct bounds){s.files + 1, s.bytes};
    buf_free(&json);
    return rc;
}

static int take_entry(struct archive *a, struct archive_entry *entry, const struct fs *fs, const char *to,
                      size_t at, struct bounds *left, struct err *err)
{
    static const char *const heads[] = {BACKUP_MANIFEST, BACKUP_SUMS};
    const char *name = archive_entry_pathname(entry);
    if (name == NULL || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != NULL)
        return err_set(err, TC_ECORRUPT, "the archive holds something that is no regular file");
    if (at < TC_ARRAY_LEN(heads) ? strcmp(name, heads[at]) != 0 : !backup_name_is_ours(sv_of(name)))
        return err_set(err, TC_ECORRUPT, "the archive holds %.100s, which no backup has at that place", name);
    if (at == 0) {
        int rc = extract(a, fs, name, to, BACKUP_MANIFEST_MAX, err);
        return rc == 0 ? read_bounds(fs, to, left, err) : rc;
    }
    uint64_t max = at == 1 ? BACKUP_SUMS_MAX : left->bytes, size = (uint64_t)archive_entry_size(entry);
    if (left->files-- == 0 || size > max)
        return err_set(err, TC_ECORRUPT, "the archive holds more than its manifest announces");
    if (at > 1)
        left->bytes -= size;
    return extract(a, fs, name, to, size, err);
}

static int unpack_archive(const struct fs *fs, const char *from, const char *to, struct err *err)
{
    struct archive *a = archive_read_new();
    struct archive_entry *entry;
    struct bounds left = {0};
    archive_read_support_filter_zstd(a);
    archive_read_support_format_tar(a);
    int read, rc = archive_read_open_filename(a, strcmp(from, "-") == 0 ? NULL : from, BACKUP_COPY_BYTES) ==
                           ARCHIVE_OK
                       ? 0
                       : bad_archive(a, "read", from, err);
    size_t at = 0;
    while (rc == 0 && (read = archive_read_next_header(a, &entry)) != ARCHIVE_EOF)
        rc = read == ARCHIVE_OK
                 ? take_entry(a, entry, fs, to, at++, &left, err)
                 : err_set(err, TC_ECORRUPT, "%s is damaged: %s", from, archive_error_string(a));
    archive_read_free(a);
    return rc == 0 && at < 2 ? err_set(err, TC_ECORRUPT, "%s is no backup, or empty", from) : rc;
}

static int copy_named(const struct fs *fs, const char *from, const char *to, const char *name,
                      struct err *err)
{
    char in[2 * BACKUP_PATH_MAX];
    struct fs_stat st;
    struct backup_item item = {.name = name, .path = in};
    snprintf(in, sizeof in, "%s/%s", from, name);
    if (fs->stat(fs, in, &st) != 0 || st.is_dir)
        return err_set(err, TC_ECORRUPT, "%s is missing", in);
    item.bytes = st.size_bytes;
    int rc = pack_hash(fs, in, item.bytes, item.sha256, err);
    return rc == 0 ? put_item(fs, to, &item, err) : rc;
}

static int copy_directory(const struct fs *fs, const char *from, const char *to, struct err *err)
{
    char path[2 * BACKUP_PATH_MAX];
    struct buf sums;
    uint8_t hash[TC_SHA256_BYTES];
    buf_init(&sums, BACKUP_SUMS_MAX);
    snprintf(path, sizeof path, "%s/" BACKUP_SUMS, from);
    int rc = copy_named(fs, from, to, BACKUP_MANIFEST, err);
    if (rc == 0)
        rc = copy_named(fs, from, to, BACKUP_SUMS, err);
    if (rc == 0)
        rc = fs_read_file(fs, path, &sums, err);
    struct sv rest = buf_view(&sums), name;
    bool bad = false;
    while (rc == 0 && backup_next_sum(&rest, &name, hash, &bad)) {
        char in[256];
        snprintf(in, sizeof in, "%.*s", SV_FMT(name));
        rc = copy_named(fs, from, to, in, err);
    }
    if (rc == 0 && bad)
        rc = err_set(err, TC_ECORRUPT, "%s holds a line that no backup has", path);
    buf_free(&sums);
    return rc;
}

bool pack_is_directory(const struct fs *fs, const char *path)
{
    struct fs_stat st;
    return strcmp(path, "-") != 0 && fs->stat(fs, path, &st) == 0 && st.is_dir;
}

int pack_unpack(const struct fs *fs, const char *from, const char *to, struct err *err)
{
    struct fs_stat st;
    if (strcmp(from, "-") != 0 && fs->stat(fs, from, &st) != 0)
        return err_set(err, TC_ENOTFOUND, "there is no backup %s", from);
    int rc = fs_make_dirs(fs, to, err);
    if (rc == 0)
        rc = pack_is_directory(fs, from) ? copy_directory(fs, from, to, err)
                                         : unpack_archive(fs, from, to, err);
    return rc == 0 ? sync_folders(fs, to, err) : rc;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    remove(path);
    return 0;
}

void pack_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
