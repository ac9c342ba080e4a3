/*
 * The cursor over one segment's frames (cursor.h), and the question that recovery hangs on: is a bad frame
 * the torn end of what was being written, or damage to what was promised?
 *
 * Every frame says up to which offset its segment was synced when its group commit began. So a later frame
 * header that is valid (its checksum is seeded with a secret of the segment and its own offset) and says so
 * of an offset past the bad bytes proves that they were durable: damage. Without such a witness nobody was
 * told that they are kept: torn.
 */
#include "journal/cursor.h"

#include <errno.h>

enum { WINDOW_BYTES = 256 << 10 };

int cursor_open(struct cursor *c, const struct fs *fs, const char *dir, uint64_t first, struct err *err)
{
    *c = (struct cursor){.fs = fs, .file = -1};
    char bytes[SEGMENT_HEADER_BYTES];
    uint64_t size = 0;
    if (!segment_path(dir, first, c->path))
        return err_set(err, TC_EINPUT, "the path of the data directory is too long");
    int file = fs->open(fs, c->path, FS_READ);
    if (file == -ENOENT)
        return err_at(err, TC_ENOTFOUND, c->path, 0, 0, "there is no such segment");
    if (file < 0)
        return segment_sys(err, file, "cannot open", c->path);
    /* the size first: a live writer syncs the header before the file grows past it */
    int rc = fs->size(fs, file, &size);
    int64_t n = rc < 0 ? rc : fs->read_at(fs, file, bytes, sizeof bytes, 0);
    rc = n < 0 ? segment_sys(err, (int)n, "cannot read", c->path)
               : segment_decode(sv_make(bytes, (size_t)n), first, c->path, &c->header, err);
    if (rc != 0) {
        fs->close(fs, file);
        return rc == TC_ECORRUPT && size <= SEGMENT_HEADER_BYTES ? CURSOR_TORN_HEADER : rc;
    }
    c->file = file;
    c->offset = SEGMENT_HEADER_BYTES;
    c->position = first;
    c->commit = c->header.commit - 1;
    buf_init(&c->window, FRAME_MAX_BYTES + WINDOW_BYTES);
    return CURSOR_FRAME;
}

void cursor_close(struct cursor *c)
{
    if (c->fs != NULL && c->file >= 0)
        c->fs->close(c->fs, c->file);
    buf_free(&c->window);
    c->file = -1;
}

int cursor_size(const struct cursor *c, uint64_t *ret_bytes, struct err *err)
{
    int rc = c->fs->size(c->fs, c->file, ret_bytes);
    return rc < 0 ? segment_sys(err, rc, "cannot look at", c->path) : 0;
}

static void forget_window(struct cursor *c)
{
    buf_clear(&c->window);
    c->window_at = 0;
}

/* The n bytes at `offset`, or fewer at the end of the file. */
static int bytes_at(struct cursor *c, uint64_t offset, size_t n, struct sv *ret, struct err *err)
{
    if (offset < c->window_at || offset + n > c->window_at + c->window.n) {
        size_t want = TC_MAX(n, (size_t)WINDOW_BYTES);
        forget_window(c);
        char *to = buf_reserve(&c->window, want);
        int64_t got = c->fs->read_at(c->fs, c->file, to, want, offset);
        if (got < 0)
            return segment_sys(err, (int)got, "cannot read", c->path);
        c->window_at = offset;
        c->window.n = (size_t)got;
    }
    *ret = sv_head(sv_from(buf_view(&c->window), (size_t)(offset - c->window_at)), n);
    return 0;
}

/* What the header alone cannot know: whether the frame follows the one before. */
static const char *check_order(const struct cursor *c, const struct frame *f)
{
    if (f->first != c->position)
        return "the frame's position does not follow the one before";
    if (f->commit == c->commit ? f->durable_before != c->durable
                               : f->commit < c->commit || f->durable_before != c->offset)
        return "the frame's commit does not follow the one before";
    return NULL;
}

static int bad(struct cursor *c, const char *why)
{
    c->why = why;
    forget_window(c); /* a live writer may be filling these bytes right now */
    return CURSOR_BAD;
}

int cursor_next(struct cursor *c, struct frame *ret, struct sv *ret_bytes, struct err *err)
{
    struct sv bytes;
    struct frame f;
    int rc = bytes_at(c, c->offset, FRAME_HEADER_BYTES, &bytes, err);
    if (rc != 0)
        return rc;
    if (bytes.n == 0)
        return CURSOR_END;
    if (bytes.n < FRAME_HEADER_BYTES)
        return bad(c, "the file ends within a frame header");
    const char *why = frame_decode(bytes.p, c->header.checksum_seed, c->offset, &f);
    if (why == NULL)
        why = check_order(c, &f);
    if (why != NULL)
        return bad(c, why);
    if (ret_bytes != NULL) {
        rc = bytes_at(c, c->offset, f.bytes, &bytes, err);
        if (rc != 0)
            return rc;
        if (bytes.n < f.bytes)
            return bad(c, "the file ends within a frame");
        why = frame_check_payload(&f, sv_from(bytes, FRAME_HEADER_BYTES), c->header.checksum_seed, c->offset);
        if (why != NULL)
            return bad(c, why);
        *ret_bytes = bytes;
    }
    c->offset += f.bytes;
    c->position += f.count;
    c->commit = f.commit;
    c->durable = f.durable_before;
    *ret = f;
    return CURSOR_FRAME;
}

/* 1 = a later header is witness that the bytes at `offset` were durable; 0 = none is. */
static int find_witness(struct cursor *c, struct err *err)
{
    struct sv bytes;
    struct frame f;
    for (uint64_t at = c->offset + FRAME_ALIGN;; at += FRAME_ALIGN) {
        int rc = bytes_at(c, at, FRAME_HEADER_BYTES, &bytes, err);
        if (rc != 0)
            return rc;
        if (bytes.n < FRAME_HEADER_BYTES)
            break;
        if (frame_decode(bytes.p, c->header.checksum_seed, at, &f) == NULL && f.durable_before > c->offset) {
            forget_window(c);
            return 1;
        }
    }
    forget_window(c);
    return 0;
}

int cursor_next_judged(struct cursor *c, bool sealed, struct frame *ret, struct sv *ret_bytes,
                       struct err *err)
{
    int rc = cursor_next(c, ret, ret_bytes, err);
    if (rc != CURSOR_BAD)
        return rc;
    int witness = sealed ? 1 : find_witness(c, err);
    if (witness <= 0)
        return witness < 0 ? witness : CURSOR_BAD;
    /* a live writer may have finished these bytes and gone on while we searched: look once more */
    rc = cursor_next(c, ret, ret_bytes, err);
    return rc == CURSOR_BAD ? cursor_damaged(c, c->why, err) : rc;
}

int cursor_damaged(const struct cursor *c, const char *why, struct err *err)
{
    return err_at(err, TC_ECORRUPT, c->path, 0, 0,
                  "damaged at offset %llu (position %llu): %s; `tocsin verify` shows what is left, `tocsin "
                  "restore` puts a backup back",
                  (unsigned long long)c->offset, (unsigned long long)c->position, why);
}
