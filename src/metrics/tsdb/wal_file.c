/*
 * Files of frames; see wal.h.
 *
 * Frame: u32 magic, u8 kind, 3 zero bytes, u32 payload bytes, u32 zero, u64 durable-before, u64 checksum over
 * the 24 bytes before and the payload; payload, zeros to a multiple of 8.
 */
#include "base/arena.h"
#include "base/hash.h"
#include "metrics/tsdb/wal.h"

#include <errno.h>
#include <stdio.h>

enum { FILE_MAGIC = 0x4d574354, FRAME_MAGIC = 0x1e4d6354, OUT_BYTES = 1 << 20 };

int wal_sys(struct err *err, int negative_errno, const char *what, const char *path)
{
    errno = -negative_errno;
    return err_sys(err, "%s %s", what, path);
}

static uint64_t frame_sum(const char *head, struct sv payload, uint64_t seed, uint64_t offset)
{
    return hash_64_seed(payload, hash_64_seed(sv_make(head, 24), seed + offset));
}

int wal_file_create(const struct fs *fs, const struct rng *rng, const char *path, struct wal_file *ret)
{
    *ret = (struct wal_file){.fs = fs, .file = -1};
    buf_init(&ret->out, (size_t)WAL_PAYLOAD_MAX + 4 * OUT_BYTES);
    ret->file = fs->open(fs, path, FS_READ | FS_WRITE | FS_CREATE | FS_TRUNCATE);
    if (ret->file < 0) {
        buf_free(&ret->out);
        return ret->file;
    }
    char head[WAL_HEADER_BYTES] = {0};
    ret->seed = rng_u64(rng);
    store_u32(head, FILE_MAGIC);
    store_u32(head + 4, WAL_VERSION);
    store_u64(head + 8, ret->seed);
    store_u64(head + 24, hash_64(sv_make(head, 24)));
    ret->offset = WAL_HEADER_BYTES;
    ret->rc = fs_write_all(fs, ret->file, head, sizeof head, 0);
    return ret->rc;
}

static void flush(struct wal_file *f)
{
    if (f->rc == 0 && f->out.n > 0)
        f->rc = fs_write_all(f->fs, f->file, f->out.p, f->out.n, f->offset);
    f->offset += f->out.n;
    buf_clear(&f->out);
}

void wal_frame_add(struct buf *out, unsigned kind, struct sv payload, uint64_t seed, uint64_t offset,
                   uint64_t durable_before)
{
    char head[WAL_FRAME_BYTES] = {0};
    static const char zeros[8];
    store_u32(head, FRAME_MAGIC);
    head[4] = (char)kind;
    store_u32(head + 8, (uint32_t)payload.n);
    store_u64(head + 16, durable_before);
    store_u64(head + 24, frame_sum(head, payload, seed, offset));
    buf_add(out, head, sizeof head);
    buf_sv(out, payload);
    buf_add(out, zeros, (0 - payload.n) & 7);
}

void wal_file_put(struct wal_file *f, unsigned kind, struct sv payload)
{
    wal_frame_add(&f->out, kind, payload, f->seed, f->offset + f->out.n, 0);
    if (f->out.n >= OUT_BYTES)
        flush(f);
}

int wal_file_finish(struct wal_file *f)
{
    flush(f);
    if (f->rc == 0)
        f->rc = f->fs->sync(f->fs, f->file);
    int closed = f->fs->close(f->fs, f->file);
    buf_free(&f->out);
    return f->rc != 0 ? f->rc : TC_MIN(closed, 0);
}

/* 1: a frame, with kind and payload; 0: none that is good here; negative errno. */
static int read_frame(struct wal_reader *c, uint64_t offset, unsigned *ret_kind, struct sv *ret_payload,
                      uint64_t *ret_durable_before)
{
    char head[WAL_FRAME_BYTES];
    if (offset + WAL_FRAME_BYTES > c->size)
        return 0;
    int64_t r = c->fs->read_at(c->fs, c->file, head, sizeof head, offset);
    if (r < (int64_t)sizeof head)
        return r < 0 ? (int)r : 0;
    uint32_t n = load_u32(head + 8);
    if (load_u32(head) != FRAME_MAGIC || n > WAL_PAYLOAD_MAX || offset + WAL_FRAME_BYTES + n > c->size)
        return 0;
    buf_clear(&c->bytes);
    char *room = buf_reserve(&c->bytes, n + 1);
    r = c->fs->read_at(c->fs, c->file, room, n, offset + WAL_FRAME_BYTES);
    if (r < (int64_t)n)
        return r < 0 ? (int)r : 0;
    if (load_u64(head + 24) != frame_sum(head, sv_make(room, n), c->seed, offset))
        return 0;
    *ret_kind = (uint8_t)head[4];
    *ret_payload = sv_make(room, n);
    *ret_durable_before = load_u64(head + 16);
    return 1;
}

/* Is there, after the bad place, a frame that was written when that place was durable? Then it is no torn
 * tail. */
static int is_damage(struct wal_reader *c, uint64_t bad, bool *ret)
{
    unsigned kind;
    struct sv payload;
    uint64_t durable;
    *ret = false;
    for (uint64_t at = bad + 8; at + WAL_FRAME_BYTES <= c->size && !*ret;) {
        enum { STEP = 64 << 10 };
        static const size_t overlap = 4;
        char window[STEP];
        int64_t n = c->fs->read_at(c->fs, c->file, window, STEP, at);
        if (n < 0)
            return (int)n;
        for (size_t i = 0; i + overlap <= (size_t)n && !*ret; i += 8) {
            if (load_u32(window + i) != FRAME_MAGIC)
                continue;
            int rc = read_frame(c, at + i, &kind, &payload, &durable);
            if (rc < 0)
                return rc;
            *ret = rc == 1 && durable > bad;
        }
        at += STEP;
    }
    return 0;
}

static int walk(struct wal_reader *c, const char *path, bool last, wal_frame_fn each, void *context,
                uint64_t *ret_good, struct err *err)
{
    uint64_t offset = WAL_HEADER_BYTES;
    for (;;) {
        unsigned kind;
        struct sv payload;
        uint64_t durable;
        int rc = read_frame(c, offset, &kind, &payload, &durable);
        if (rc < 0)
            return wal_sys(err, rc, "cannot read", path);
        if (rc == 0)
            break;
        rc = each(context, kind, payload, err);
        if (rc != 0)
            return rc;
        offset += WAL_FRAME_BYTES + ((payload.n + 7) & ~(size_t)7);
    }
    *ret_good = offset;
    bool damage = !last && offset < c->size;
    int rc = offset < c->size && last ? is_damage(c, offset, &damage) : 0;
    if (rc < 0)
        return wal_sys(err, rc, "cannot read", path);
    if (damage)
        return err_set(
            err, TC_ECORRUPT,
            "%s is damaged at byte %llu, before samples that are whole: restore it, or move it away "
            "and lose the samples after that place",
            path, (unsigned long long)offset);
    return 0;
}

/* 0, or what is wrong with the header; `last`: a short file is a torn one, with *ret_torn. */
static int read_header(struct wal_reader *c, const char *path, bool last, bool *ret_torn, struct err *err)
{
    char head[WAL_HEADER_BYTES];
    int64_t r = c->fs->size(c->fs, c->file, &c->size);
    if (r >= 0)
        r = c->fs->read_at(c->fs, c->file, head, sizeof head, 0);
    if (r < 0)
        return wal_sys(err, (int)r, "cannot read", path);
    if (r < (int64_t)sizeof head || load_u32(head) != FILE_MAGIC ||
        load_u64(head + 24) != hash_64(sv_make(head, 24))) {
        *ret_torn = last && c->size <= WAL_HEADER_BYTES;
        return *ret_torn ? 0 : err_set(err, TC_ECORRUPT, "%s does not begin as a file of samples does", path);
    }
    if (load_u32(head + 4) != WAL_VERSION)
        return err_set(err, TC_EUNSUPPORTED, "%s has format version %u, and this program knows %d", path,
                       load_u32(head + 4), WAL_VERSION);
    c->seed = load_u64(head + 8);
    c->offset = WAL_HEADER_BYTES;
    return 0;
}

int wal_file_read(const struct fs *fs, const char *path, bool last, wal_frame_fn each, void *context,
                  uint64_t *ret_good, uint64_t *ret_size, struct err *err)
{
    struct wal_reader c = {.fs = fs, .file = fs->open(fs, path, FS_READ)};
    if (c.file < 0)
        return wal_sys(err, c.file, "cannot open", path);
    bool torn = false;
    *ret_good = 0;
    int rc = read_header(&c, path, last, &torn, err);
    *ret_size = c.size;
    if (rc == 0 && !torn) {
        buf_init(&c.bytes, (size_t)WAL_PAYLOAD_MAX + 64);
        rc = walk(&c, path, last, each, context, ret_good, err);
        buf_free(&c.bytes);
    }
    fs->close(fs, c.file);
    return rc;
}

int wal_reader_open(const struct fs *fs, const char *dir, uint64_t number, uint64_t offset,
                    struct wal_reader *ret, bool *ret_missing, struct err *err)
{
    char path[WAL_PATH_MAX];
    bool torn = false;
    snprintf(path, sizeof path, "%s/%08llu.wal", dir, (unsigned long long)number);
    *ret = (struct wal_reader){.fs = fs, .file = fs->open(fs, path, FS_READ)};
    if (ret_missing != NULL)
        *ret_missing = ret->file == -ENOENT;
    if (ret->file < 0)
        return wal_sys(err, ret->file, "cannot open", path);
    int rc = read_header(ret, path, false, &torn, err);
    if (rc != 0) {
        fs->close(fs, ret->file);
        ret->file = -1;
        return rc;
    }
    ret->offset = TC_MAX(ret->offset, offset);
    buf_init(&ret->bytes, (size_t)WAL_PAYLOAD_MAX + 64);
    return 0;
}

int wal_reader_next(struct wal_reader *reader, uint64_t end, unsigned *ret_kind, struct sv *ret_payload,
                    struct err *err)
{
    uint64_t durable;
    if (reader->offset >= end)
        return 0;
    reader->size = end;
    int rc = read_frame(reader, reader->offset, ret_kind, ret_payload, &durable);
    if (rc < 0)
        return wal_sys(err, rc, "cannot read", "the log of samples");
    if (rc == 0)
        return err_set(err, TC_ECORRUPT, "the log of samples is damaged at byte %llu of a file",
                       (unsigned long long)reader->offset);
    reader->offset += WAL_FRAME_BYTES + ((ret_payload->n + 7) & ~(size_t)7);
    return 1;
}

void wal_reader_close(struct wal_reader *reader)
{
    if (reader->file >= 0) {
        reader->fs->close(reader->fs, reader->file);
        buf_free(&reader->bytes);
    }
    reader->file = -1;
}
