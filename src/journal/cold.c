/*
 * The file of a cold segment: header, directory of chunks, parts with their checksums; see cold.h.
 */
#include "journal/cold.h"

#include "journal/cold_pack.h"

#include "base/arena.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char magic[8] = {'T', 'o', 'c', 's', 'i', 'n', 'C', 0x1e};

bool cold_path(const char *dir, uint64_t first, char out[SEGMENT_PATH_MAX])
{
    int n = snprintf(out, SEGMENT_PATH_MAX, "%s/journal/%020llu.cold", dir, (unsigned long long)first);
    return n > 0 && n < SEGMENT_PATH_MAX;
}

bool cold_names_cause(const struct event *e)
{
    return e->type == REC_FINDING || e->type == REC_DECISION || e->type == REC_INTENT;
}

/* --- the header
 * -------------------------------------------------------------------------------------------------------- */

static void put_part(struct buf *out, const struct cold_part *part)
{
    buf_u64(out, part->offset);
    buf_u64(out, part->bytes);
    buf_u64(out, part->raw_bytes);
    buf_u64(out, part->checksum);
}

static struct cold_part get_part(struct reader *in)
{
    struct cold_part p = {.offset = reader_u64(in)};
    p.bytes = reader_u64(in);
    p.raw_bytes = reader_u64(in);
    p.checksum = reader_u64(in);
    return p;
}

void cold_encode_header(const struct cold_header *h, char to[COLD_HEADER_BYTES])
{
    struct buf out;
    buf_init(&out, COLD_HEADER_BYTES);
    buf_add(&out, magic, sizeof magic);
    buf_u32(&out, COLD_VERSION);
    buf_u32(&out, COLD_HEADER_BYTES);
    buf_u64(&out, h->segment.epoch);
    buf_u64(&out, h->segment.first);
    buf_u64(&out, h->segment.previous);
    buf_u64(&out, h->segment.commit);
    buf_u64(&out, (uint64_t)h->segment.created.ns);
    for (int i = 0; i < CLASS_COUNT; i++)
        buf_u64(&out, h->segment.sequences[i]);
    buf_add(&out, h->segment.head, TC_SHA256_BYTES);
    buf_u64(&out, h->next);
    buf_u64(&out, h->commit);
    for (int i = 0; i < CLASS_COUNT; i++)
        buf_u64(&out, h->sequences[i]);
    buf_add(&out, h->head, TC_SHA256_BYTES);
    buf_u64(&out, h->segment_bytes);
    buf_u64(&out, (uint64_t)h->sealed.ns);
    buf_u64(&out, (uint64_t)h->oldest.ns);
    buf_u64(&out, (uint64_t)h->newest.ns);
    buf_u64(&out, h->wish);
    for (int i = 0; i < CLASS_COUNT; i++) {
        buf_u64(&out, h->classes[i].kept);
        buf_u64(&out, h->classes[i].dropped);
        buf_u64(&out, (uint64_t)h->classes[i].newest.ns);
        buf_u64(&out, (uint64_t)h->classes[i].dropped_at.ns);
        buf_u64(&out, h->classes[i].stage);
    }
    put_part(&out, &h->frames);
    put_part(&out, &h->directory);
    put_part(&out, &h->causes);
    tc_assert(!out.overflow && out.n <= COLD_HEADER_BYTES - 8);
    memset(to, 0, COLD_HEADER_BYTES);
    memcpy(to, out.p, out.n);
    store_u64(to + COLD_HEADER_BYTES - 8, hash_64(sv_make(to, COLD_HEADER_BYTES - 8)));
    buf_free(&out);
}

static int bad_header(struct err *err, const char *path, const char *why)
{
    return err_at(err, TC_ECORRUPT, path, 0, 0,
                  "damaged at offset 0: %s; `tocsin verify` shows what is left; restore the directory from a "
                  "backup",
                  why);
}

static struct receive_time get_time(struct reader *in)
{
    return (struct receive_time){(int64_t)reader_u64(in)};
}

int cold_decode_header(struct sv bytes, uint64_t first, const char *path, struct cold_header *ret,
                       struct err *err)
{
    if (bytes.n < COLD_HEADER_BYTES || memcmp(bytes.p, magic, sizeof magic) != 0)
        return bad_header(err, path, "no header of a cold segment");
    if (load_u32(bytes.p + 8) > COLD_VERSION)
        return err_at(err, TC_EUNSUPPORTED, path, 0, 0,
                      "a cold segment of a later format version: it was written by a newer program; read it "
                      "with that one (this is version %s)",
                      TC_VERSION);
    if (load_u64(bytes.p + COLD_HEADER_BYTES - 8) != hash_64(sv_head(bytes, COLD_HEADER_BYTES - 8)))
        return bad_header(err, path, "the checksum of the header does not match");
    struct reader in = reader_of(sv_from(sv_head(bytes, COLD_HEADER_BYTES - 8), 16));
    struct cold_header h = {.segment = {.epoch = reader_u64(&in)}};
    h.segment.first = reader_u64(&in);
    h.segment.previous = reader_u64(&in);
    h.segment.commit = reader_u64(&in);
    h.segment.created = get_time(&in);
    for (int i = 0; i < CLASS_COUNT; i++)
        h.segment.sequences[i] = reader_u64(&in);
    memcpy(h.segment.head, reader_bytes(&in, TC_SHA256_BYTES).p, TC_SHA256_BYTES);
    h.next = reader_u64(&in);
    h.commit = reader_u64(&in);
    for (int i = 0; i < CLASS_COUNT; i++)
        h.sequences[i] = reader_u64(&in);
    memcpy(h.head, reader_bytes(&in, TC_SHA256_BYTES).p, TC_SHA256_BYTES);
    h.segment_bytes = reader_u64(&in);
    h.sealed = get_time(&in);
    h.oldest = get_time(&in);
    h.newest = get_time(&in);
    h.wish = reader_u64(&in);
    for (int i = 0; i < CLASS_COUNT; i++) {
        h.classes[i].kept = reader_u64(&in);
        h.classes[i].dropped = reader_u64(&in);
        h.classes[i].newest = get_time(&in);
        h.classes[i].dropped_at = get_time(&in);
        h.classes[i].stage = (uint32_t)reader_u64(&in);
    }
    h.frames = get_part(&in);
    h.directory = get_part(&in);
    h.causes = get_part(&in);
    tc_assert(!in.bad);
    if (h.segment.first != first || first == 0 || h.segment.previous >= first || h.next < first ||
        h.segment.commit == 0 || load_u32(bytes.p + 12) != COLD_HEADER_BYTES)
        return bad_header(err, path, "the header's position is not that of the file's name");
    *ret = h;
    return 0;
}

/* --- the file
 * -------------------------------------------------------------------------------------------------------- */

int cold_damaged(const struct cold *c, uint64_t offset, const char *why, struct err *err)
{
    return err_at(err, TC_ECORRUPT, c->path, 0, 0,
                  "damaged at offset %llu (within positions %llu to %llu): %s; `tocsin verify` shows what is "
                  "left, `tocsin restore` puts a backup back",
                  (unsigned long long)offset, (unsigned long long)c->header.segment.first,
                  (unsigned long long)c->header.next - 1, why);
}

int cold_read(const struct cold *c, const struct cold_part *part, bool packed, struct buf *out,
              struct err *err)
{
    struct buf stored;
    buf_clear(out);
    if (part->bytes > COLD_RAW_MAX_BYTES || part->raw_bytes > COLD_RAW_MAX_BYTES)
        return cold_damaged(c, part->offset, "a part that is longer than any is", err);
    buf_init(&stored, COLD_RAW_MAX_BYTES + 1);
    char *to = buf_reserve(packed ? &stored : out, (size_t)part->bytes + 1);
    int64_t got =
        to == NULL ? -ENOMEM : c->fs->read_at(c->fs, c->file, to, (size_t)part->bytes, part->offset);
    int rc = got < 0 ? segment_sys(err, (int)got, "cannot read", c->path) : 0;
    if (rc == 0 && ((uint64_t)got != part->bytes || hash_64(sv_make(to, (size_t)got)) != part->checksum))
        rc = cold_damaged(c, part->offset, "the checksum of a part does not match", err);
    if (rc == 0 && !packed)
        out->n += (size_t)got;
    else if (rc == 0 && !cold_unpack_bytes(sv_make(to, (size_t)got), (size_t)part->raw_bytes, out))
        rc = cold_damaged(c, part->offset, "a part cannot be unpacked", err);
    buf_free(&stored);
    return rc;
}

static int read_header(struct cold *c, uint64_t first, struct err *err)
{
    char bytes[COLD_HEADER_BYTES];
    int64_t got = c->fs->read_at(c->fs, c->file, bytes, sizeof bytes, 0);
    if (got < 0)
        return segment_sys(err, (int)got, "cannot read", c->path);
    return cold_decode_header(sv_make(bytes, (size_t)got), first, c->path, &c->header, err);
}

static bool read_entries(struct cold *c, struct sv bytes)
{
    struct reader in = reader_of(bytes);
    uint64_t before = 0;
    c->n = bytes.n / COLD_ENTRY_BYTES;
    if (bytes.n % COLD_ENTRY_BYTES != 0 || c->n > COLD_ENTRIES_MAX)
        return false;
    c->entries = tc_alloc(c->n * sizeof c->entries[0] + 1);
    for (size_t i = 0; i < c->n; i++) {
        struct cold_entry *e = &c->entries[i];
        e->kind = reader_u8(&in);
        e->class = reader_u8(&in);
        e->coding = reader_u8(&in);
        reader_u8(&in);
        e->count = reader_u32(&in);
        e->first = reader_u64(&in);
        e->last = reader_u64(&in);
        e->min_ns = (int64_t)reader_u64(&in);
        e->max_ns = (int64_t)reader_u64(&in);
        e->part = get_part(&in);
        e->content = reader_u64(&in);
        e->words = get_part(&in);
        if (e->kind < COLD_RECORDS || e->kind > COLD_LEAVES || e->class >= CLASS_COUNT || e->count == 0 ||
            e->first < c->header.segment.first || e->first > e->last || e->last >= c->header.next ||
            e->first < before || e->last - e->first < e->count - 1)
            return false;
        before = e->first;
    }
    return true;
}

int cold_open_path(struct cold *c, const struct fs *fs, const char *path, uint64_t first, struct err *err)
{
    *c = (struct cold){.fs = fs, .file = -1};
    snprintf(c->path, sizeof c->path, "%s", path);
    int file = fs->open(fs, path, FS_READ);
    if (file < 0)
        return file == -ENOENT ? err_at(err, TC_ENOTFOUND, path, 0, 0, "there is no such segment")
                               : segment_sys(err, file, "cannot open", path);
    c->file = file;
    struct buf directory;
    buf_init(&directory, COLD_RAW_MAX_BYTES + 1);
    int rc = read_header(c, first, err);
    if (rc == 0)
        rc = cold_read(c, &c->header.directory, false, &directory, err);
    if (rc == 0 && !read_entries(c, buf_view(&directory)))
        rc = cold_damaged(c, c->header.directory.offset, "a directory with values that cannot be", err);
    buf_free(&directory);
    if (rc != 0)
        cold_close(c);
    return rc;
}

int cold_open(struct cold *c, const struct fs *fs, const char *dir, uint64_t first, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    if (!cold_path(dir, first, path))
        return err_set(err, TC_EINPUT, "the path of the data directory is too long");
    return cold_open_path(c, fs, path, first, err);
}

void cold_close(struct cold *c)
{
    if (c->fs != NULL && c->file >= 0)
        c->fs->close(c->fs, c->file);
    free(c->entries);
    c->entries = NULL;
    c->n = 0;
    c->file = -1;
}

void cold_put_entry(const struct cold_entry *e, struct buf *out)
{
    buf_u8(out, e->kind);
    buf_u8(out, e->class);
    buf_u8(out, e->coding);
    buf_u8(out, 0);
    buf_u32(out, e->count);
    buf_u64(out, e->first);
    buf_u64(out, e->last);
    buf_u64(out, (uint64_t)e->min_ns);
    buf_u64(out, (uint64_t)e->max_ns);
    put_part(out, &e->part);
    buf_u64(out, e->content);
    put_part(out, &e->words);
}
