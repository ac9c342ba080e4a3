/*
 * Unpacking gzip and zstd streams; see unpack.h. Whether a stream is packed is seen from its first bytes, so
 * a file's name does not matter. A "bomb" is refused by the ratio of what came out to what went in, after the
 * first MiB.
 */
#include "base/unpack.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum kind { KIND_UNKNOWN, KIND_PLAIN, KIND_GZIP, KIND_ZSTD };

enum { IN_BYTES = 1 << 17, MAGIC_BYTES = 4, FREE_BYTES = 1 << 20, DEFAULT_RATIO = 100, FILE_RATIO = 2000 };

struct unpack {
    unpack_read_fn read;
    void *context;
    uint64_t max_ratio, packed, unpacked;
    enum kind kind;
    int file; /* of unpack_open, else -1 */
    char in[IN_BYTES];
    size_t at, have;
    bool end;
    bool between; /* a gzip member has ended */
    bool inside;  /* a zstd frame has begun and not ended */
    z_stream gzip;
    ZSTD_DStream *zstd;
};

struct unpack *unpack_new(unpack_read_fn read, void *context, uint64_t max_ratio)
{
    struct unpack *u = tc_realloc(NULL, sizeof *u);
    memset(u, 0, offsetof(struct unpack, in));
    memset((char *)u + offsetof(struct unpack, at), 0, sizeof *u - offsetof(struct unpack, at));
    u->read = read;
    u->context = context;
    u->max_ratio = max_ratio == 0 ? DEFAULT_RATIO : max_ratio;
    u->file = -1;
    return u;
}

static int64_t read_file(void *context, void *to, size_t n, struct err *err)
{
    struct unpack *u = context;
    for (;;) {
        ssize_t got = read(u->file, to, n);
        if (got >= 0)
            return got;
        if (errno != EINTR)
            return err_sys(err, "cannot read");
    }
}

int unpack_open(const char *path, struct unpack **ret, struct err *err)
{
    int file = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        int rc = err_sys(err, "cannot open %s", path);
        return rc;
    }
    posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL);
    struct unpack *u = unpack_new(read_file, NULL, FILE_RATIO);
    u->context = u;
    u->file = file;
    *ret = u;
    return 0;
}

uint64_t unpack_packed(const struct unpack *u)
{
    return u->packed;
}

void unpack_free(struct unpack **unpack_at)
{
    struct unpack *u = *unpack_at;
    if (u == NULL)
        return;
    if (u->kind == KIND_GZIP)
        inflateEnd(&u->gzip);
    ZSTD_freeDStream(u->zstd);
    if (u->file >= 0)
        close(u->file);
    free(u);
    *unpack_at = NULL;
}

/* Until `want` bytes are there or the input ends. */
static int fill(struct unpack *u, size_t want, struct err *err)
{
    if (u->at > 0 && u->have - u->at < want) {
        memmove(u->in, u->in + u->at, u->have - u->at);
        u->have -= u->at;
        u->at = 0;
    }
    while (u->have - u->at < want && !u->end) {
        int64_t got = u->read(u->context, u->in + u->have, sizeof u->in - u->have, err);
        if (got < 0)
            return (int)got;
        u->end = got == 0;
        u->have += (size_t)got;
        u->packed += (uint64_t)got;
    }
    return 0;
}

static enum kind recognise(const struct unpack *u)
{
    const unsigned char *p = (const unsigned char *)u->in + u->at;
    size_t n = u->have - u->at;
    if (n >= 2 && p[0] == 0x1F && p[1] == 0x8B)
        return KIND_GZIP;
    /* a zstd frame, or a skippable one */
    if (n >= 4 && p[1] == 0xB5 && p[2] == 0x2F && p[3] == 0xFD && p[0] == 0x28)
        return KIND_ZSTD;
    return n >= 4 && (p[0] & 0xF0) == 0x50 && p[1] == 0x2A && p[2] == 0x4D && p[3] == 0x18 ? KIND_ZSTD
                                                                                           : KIND_PLAIN;
}

static int begin(struct unpack *u, struct err *err)
{
    int rc = fill(u, MAGIC_BYTES, err);
    if (rc != 0)
        return rc;
    u->kind = recognise(u);
    if (u->kind == KIND_GZIP && inflateInit2(&u->gzip, 15 + 16) != Z_OK)
        return err_set(err, TC_EIO, "no memory for gzip");
    if (u->kind == KIND_ZSTD &&
        ((u->zstd = ZSTD_createDStream()) == NULL || ZSTD_isError(ZSTD_initDStream(u->zstd))))
        return err_set(err, TC_EIO, "no memory for zstd");
    return 0;
}

static int64_t read_plain(struct unpack *u, void *to, size_t n, struct err *err)
{
    if (u->at < u->have) {
        size_t part = TC_MIN(n, u->have - u->at);
        memcpy(to, u->in + u->at, part);
        u->at += part;
        return (int64_t)part;
    }
    if (u->end)
        return 0;
    int64_t got = u->read(u->context, to, n, err);
    u->end = got == 0;
    u->packed += got > 0 ? (uint64_t)got : 0;
    return got;
}

/* Behind a member: another one, zeros (as tapes and block devices leave them), or the end. Returns 1 where a
 * member begins. */
static int next_member(struct unpack *u, struct err *err)
{
    int rc = fill(u, 2, err);
    if (rc == 0 && recognise(u) == KIND_GZIP) {
        inflateReset(&u->gzip);
        u->between = false;
        return 1;
    }
    while (rc == 0 && (rc = fill(u, 1, err)) == 0 && u->at < u->have)
        if (u->in[u->at++] != 0)
            rc = err_set(err, TC_EINPUT, "what follows the gzip data is not gzip");
    return rc;
}

static int64_t read_gzip(struct unpack *u, void *to, size_t n, struct err *err)
{
    u->gzip.next_out = to;
    u->gzip.avail_out = (uInt)TC_MIN(n, (size_t)1 << 30);
    uInt room = u->gzip.avail_out;
    while (u->gzip.avail_out == room) {
        int rc = u->between ? next_member(u, err) : 1;
        if (rc == 1 && (rc = fill(u, 1, err)) == 0)
            rc = 1;
        if (rc != 1)
            return rc;
        if (u->at == u->have)
            return err_set(err, TC_EINPUT, "the gzip data ends too early");
        u->gzip.next_in = (Bytef *)u->in + u->at;
        u->gzip.avail_in = (uInt)(u->have - u->at);
        int z = inflate(&u->gzip, Z_NO_FLUSH);
        u->at = u->have - u->gzip.avail_in;
        u->between = z == Z_STREAM_END;
        bool damaged = z != Z_OK && z != Z_BUF_ERROR && z != Z_STREAM_END;
        if (damaged && u->gzip.avail_out == room) /* else what is good goes first; zlib says it again */
            return err_set(err, TC_EINPUT, "the gzip data is damaged: %s",
                           u->gzip.msg != NULL ? u->gzip.msg : "unknown reason");
    }
    return (int64_t)(room - u->gzip.avail_out);
}

static int64_t read_zstd(struct unpack *u, void *to, size_t n, struct err *err)
{
    ZSTD_outBuffer out = {to, n, 0};
    while (out.pos == 0) {
        int rc = fill(u, 1, err);
        if (rc != 0)
            return rc;
        if (u->at == u->have && !u->inside)
            return 0;
        ZSTD_inBuffer in = {u->in + u->at, u->have - u->at, 0};
        size_t before = in.size;
        size_t hint = ZSTD_decompressStream(u->zstd, &out, &in);
        if (ZSTD_isError(hint))
            return err_set(err, TC_EINPUT, "the zstd data is damaged: %s", ZSTD_getErrorName(hint));
        u->at += in.pos;
        u->inside = hint != 0;
        if (before == 0 && out.pos == 0 && u->inside)
            return err_set(err, TC_EINPUT, "the zstd data ends too early");
    }
    return (int64_t)out.pos;
}

int64_t unpack_read(void *unpack, void *to, size_t n, struct err *err)
{
    struct unpack *u = unpack;
    if (u->kind == KIND_UNKNOWN) {
        int rc = begin(u, err);
        if (rc != 0)
            return rc;
    }
    if (u->kind == KIND_PLAIN)
        return read_plain(u, to, n, err);
    int64_t got = u->kind == KIND_GZIP ? read_gzip(u, to, n, err) : read_zstd(u, to, n, err);
    if (got > 0) {
        u->unpacked += (uint64_t)got;
        uint64_t used = u->packed - (u->have - u->at);
        if (u->unpacked > FREE_BYTES && u->unpacked / u->max_ratio > used)
            return err_set(err, TC_EINPUT, "it unpacks to more than %llu times its size: refused",
                           (unsigned long long)u->max_ratio);
    }
    return got;
}

static int64_t read_memory(void *context, void *to, size_t n, struct err *err)
{
    struct sv *rest = context;
    (void)err;
    n = TC_MIN(n, rest->n);
    if (n > 0)
        memcpy(to, rest->p, n);
    *rest = sv_from(*rest, n);
    return (int64_t)n;
}

int unpack_bytes(struct sv packed, uint64_t max_ratio, struct buf *out, struct err *err)
{
    struct unpack *u = unpack_new(read_memory, &packed, max_ratio);
    int64_t got = 1;
    while (got > 0) {
        char *room = buf_reserve(out, IN_BYTES);
        size_t n = IN_BYTES;
        char extra;
        if (room == NULL) { /* the last bytes before the bound, and one more to see whether it is passed */
            out->overflow = false;
            n = out->max_bytes - out->n;
            room = n > 0 ? buf_reserve(out, n) : &extra;
            n = n > 0 ? n : 1;
        }
        got = unpack_read(u, room, n, err);
        if (got > 0 && room == &extra)
            got = err_set(err, TC_EBOUND, "it unpacks to more than %zu bytes", out->max_bytes);
        else if (got > 0)
            out->n += (size_t)got;
    }
    unpack_free(&u);
    return (int)got;
}
