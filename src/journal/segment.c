/*
 * Segment headers, names, listing and creation; see segment.h. The cursor is in cursor.c.
 */
#include "journal/segment.h"

#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    AT_VERSION = 8,
    AT_HEADER_BYTES = 12,
    AT_COMPATIBLE = 16,
    AT_INCOMPATIBLE = 20,
    AT_EPOCH = 24,
    AT_FIRST = 32,
    AT_PREVIOUS = 40,
    AT_COMMIT = 48,
    AT_SEED = 56,
    AT_CREATED = 64,
    AT_SEQUENCES = 72,
    AT_HEAD = 96,
    AT_ZERO = 128,
    AT_CHECKSUM = 136,
};
_Static_assert((int)AT_SEQUENCES + 8 * (int)CLASS_COUNT == (int)AT_HEAD, "one sequence for each class");
_Static_assert((int)AT_CHECKSUM + 8 == (int)SEGMENT_HEADER_BYTES, "the checksum ends the header");

static const char magic[8] = {'T', 'o', 'c', 's', 'i', 'n', 'J', 0x1e};
static const char suffix[] = ".seg", cold_suffix[] = ".cold";
enum { NAME_DIGITS = 20 };

void segment_encode(const struct segment_header *h, char to[SEGMENT_HEADER_BYTES])
{
    memset(to, 0, SEGMENT_HEADER_BYTES);
    memcpy(to, magic, sizeof magic);
    store_u32(to + AT_VERSION, SEGMENT_VERSION);
    store_u32(to + AT_HEADER_BYTES, SEGMENT_HEADER_BYTES);
    store_u32(to + AT_COMPATIBLE, h->compatible);
    store_u32(to + AT_INCOMPATIBLE, h->incompatible);
    store_u64(to + AT_EPOCH, h->epoch);
    store_u64(to + AT_FIRST, h->first);
    store_u64(to + AT_PREVIOUS, h->previous);
    store_u64(to + AT_COMMIT, h->commit);
    store_u64(to + AT_SEED, h->checksum_seed);
    store_u64(to + AT_CREATED, (uint64_t)h->created.ns);
    for (int i = 0; i < CLASS_COUNT; i++)
        store_u64(to + AT_SEQUENCES + 8 * i, h->sequences[i]);
    memcpy(to + AT_HEAD, h->head, TC_SHA256_BYTES);
    store_u64(to + AT_CHECKSUM, hash_64(sv_make(to, AT_CHECKSUM)));
}

static int refuse(struct err *err, const char *path, const char *what)
{
    return err_at(err, TC_EUNSUPPORTED, path, 0, 0,
                  "%s: it was written by a newer program; read it with that one (this is version %s)", what,
                  TC_VERSION);
}

static int bad_header(struct err *err, const char *path, const char *what)
{
    return err_at(
        err, TC_ECORRUPT, path, 0, 0,
        "damaged at offset 0: %s; `tocsin verify` shows what is left; restore the directory from a backup",
        what);
}

int segment_decode(struct sv bytes, uint64_t first, const char *path, struct segment_header *ret,
                   struct err *err)
{
    const char *p = bytes.p;
    if (bytes.n < SEGMENT_HEADER_BYTES || memcmp(p, magic, sizeof magic) != 0)
        return bad_header(err, path, "no segment header");
    /* a later version may have a longer header, so its version is looked at before its checksum */
    if (load_u32(p + AT_HEADER_BYTES) == SEGMENT_HEADER_BYTES &&
        load_u64(p + AT_CHECKSUM) != hash_64(sv_make(p, AT_CHECKSUM)))
        return bad_header(err, path, "the checksum of the segment header does not match");
    if (load_u32(p + AT_VERSION) > SEGMENT_VERSION)
        return refuse(err, path, "segment of a later format version");
    if (load_u32(p + AT_HEADER_BYTES) != SEGMENT_HEADER_BYTES || load_u32(p + AT_VERSION) != SEGMENT_VERSION)
        return bad_header(err, path, "a header of a wrong length or version");
    struct segment_header h = {.compatible = load_u32(p + AT_COMPATIBLE),
                               .incompatible = load_u32(p + AT_INCOMPATIBLE),
                               .epoch = load_u64(p + AT_EPOCH),
                               .first = load_u64(p + AT_FIRST),
                               .previous = load_u64(p + AT_PREVIOUS),
                               .commit = load_u64(p + AT_COMMIT),
                               .checksum_seed = load_u64(p + AT_SEED),
                               .created = {(int64_t)load_u64(p + AT_CREATED)}};
    for (int i = 0; i < CLASS_COUNT; i++)
        h.sequences[i] = load_u64(p + AT_SEQUENCES + 8 * i);
    memcpy(h.head, p + AT_HEAD, TC_SHA256_BYTES);
    if ((h.incompatible & ~(uint32_t)SEGMENT_INCOMPATIBLE) != 0)
        return refuse(err, path, "segment with features that this program does not know");
    if (h.first != first || h.first == 0 || h.previous >= h.first || h.commit == 0)
        return bad_header(err, path, "the header's position is not that of the file's name");
    *ret = h;
    return 0;
}

bool segment_dir(const char *dir, char out[SEGMENT_PATH_MAX])
{
    int n = snprintf(out, SEGMENT_PATH_MAX, "%s/journal", dir);
    return n > 0 && n < SEGMENT_PATH_MAX;
}

bool segment_path(const char *dir, uint64_t first, char out[SEGMENT_PATH_MAX])
{
    int n = snprintf(out, SEGMENT_PATH_MAX, "%s/journal/%0*llu%s", dir, NAME_DIGITS,
                     (unsigned long long)first, suffix);
    return n > 0 && n < SEGMENT_PATH_MAX;
}

int segment_sys(struct err *err, int negative_errno, const char *what, const char *path)
{
    errno = -negative_errno;
    return err_sys(err, "%s %s", what, path);
}

struct listing {
    struct segment_list list;
    size_t capacity;
    bool too_many;
};

static void take_name(void *context, const char *text)
{
    struct listing *l = context;
    struct sv name = sv_of(text);
    uint64_t first;
    struct sv rest = sv_from(name, NAME_DIGITS);
    if ((!sv_eq(rest, sv_of(suffix)) && !sv_eq(rest, sv_of(cold_suffix))) ||
        !num_u64(sv_head(name, NAME_DIGITS), 1, UINT64_MAX, &first))
        return;
    if (l->list.n > 0 && l->list.first[l->list.n - 1] == first)
        return; /* as a segment and cold: it is being replaced */
    l->too_many = l->too_many || l->list.n == SEGMENT_LIST_MAX;
    if (l->too_many)
        return;
    if (l->list.n == l->capacity) {
        l->capacity = TC_MAX((size_t)16, l->capacity * 2);
        l->list.first = tc_realloc(l->list.first, l->capacity * sizeof l->list.first[0]);
    }
    l->list.first[l->list.n++] = first; /* names come in byte order, which is the positions' order */
}

int segment_list_read(const struct fs *fs, const char *dir, struct segment_list *ret, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    struct listing l = {0};
    if (!segment_dir(dir, path))
        return err_set(err, TC_EINPUT, "the path of the data directory is too long");
    int rc = fs->list(fs, path, take_name, &l);
    if (rc == 0 && !l.too_many) {
        *ret = l.list;
        return 0;
    }
    free(l.list.first);
    if (rc == -ENOENT || rc == -ENOTDIR)
        return err_set(err, TC_ENOTFOUND, "%s holds no journal", dir);
    return rc < 0 ? segment_sys(err, rc, "cannot list", path)
                  : err_set(err, TC_EBOUND, "%s holds more than %d segments", path, SEGMENT_LIST_MAX);
}

void segment_list_free(struct segment_list *list)
{
    free(list->first);
    *list = (struct segment_list){0};
}

int segment_create(const struct fs *fs, const char *dir, const struct segment_header *header, int *ret_file,
                   struct err *err)
{
    char path[SEGMENT_PATH_MAX], bytes[SEGMENT_HEADER_BYTES];
    if (!segment_path(dir, header->first, path))
        return err_set(err, TC_EINPUT, "the path of the data directory is too long");
    segment_encode(header, bytes);
    int file = fs->open(fs, path, FS_READ | FS_WRITE | FS_CREATE | FS_EXCLUSIVE);
    if (file < 0)
        return segment_sys(err, file, "cannot create", path);
    int rc = fs_write_all(fs, file, bytes, sizeof bytes, 0);
    if (rc == 0)
        rc = fs->sync(fs, file);
    char journal_dir[SEGMENT_PATH_MAX];
    segment_dir(dir, journal_dir);
    if (rc == 0)
        rc = fs->sync_dir(fs, journal_dir);
    if (rc < 0) {
        /* after a failed sync the page cache may show a header that the disk never got: nobody may find it */
        fs->close(fs, file);
        fs->unlink(fs, path);
        return segment_sys(err, rc, "cannot write the segment", path);
    }
    *ret_file = file;
    return 0;
}
