/*
 * The writer; see writer.h.
 *
 * Epoch, sequence, salt, leaf and chain are made here, at commit, because the order is only final here. The
 * cap that hashing sets (one core of SHA-256) is far above what one disk's syncs let through.
 */
#include "journal/writer.h"

#include <errno.h>
#include <stdlib.h>

enum { WRITE_BYTES = 1 << 20 };

void writer_init(struct writer *w, const struct journal_options *o)
{
    *w = (struct writer){.fs = o->fs,
                         .rng = o->rng,
                         .clk = o->clk,
                         .dir = tc_strdup(o->dir),
                         .segment_bytes = o->segment_bytes,
                         .segment_age_ns = o->segment_age_ns,
                         .file = -1};
    buf_init(&w->out, WRITE_BYTES);
}

void writer_fini(struct writer *w)
{
    if (w->file >= 0)
        w->fs->close(w->fs, w->file);
    buf_free(&w->out);
    free(w->dir);
    *w = (struct writer){.file = -1};
}

int writer_roll(struct writer *w, struct err *err)
{
    struct segment_header h = {.epoch = w->header.epoch,
                               .first = w->position,
                               .previous = w->header.first,
                               .commit = w->commit,
                               .created = clk_now(w->clk),
                               .checksum_seed = rng_u64(w->rng)};
    memcpy(h.sequences, w->sequences, sizeof h.sequences);
    memcpy(h.head, w->head, sizeof h.head);
    struct salts salts;
    salts_make(w->fs, w->rng, w->dir, h.first, &salts); /* its entry is synced with the segment's */
    int file, rc = segment_create(w->fs, w->dir, &h, &file, err);
    if (rc != 0)
        return rc;
    if (w->file >= 0)
        w->fs->close(w->fs, w->file);
    w->file = file;
    w->header = h;
    w->salts = salts;
    w->offset = w->out_at = SEGMENT_HEADER_BYTES;
    w->bytes += SEGMENT_HEADER_BYTES;
    w->must_roll = false;
    return 0;
}

static int write_out(struct writer *w, const char *bytes, size_t n)
{
    int rc = fs_write_all(w->fs, w->file, bytes, n, w->out_at);
    w->out_at += n;
    w->bytes += n;
    return rc;
}

static int flush(struct writer *w)
{
    int rc = w->out.n == 0 ? 0 : write_out(w, w->out.p, w->out.n);
    buf_clear(&w->out);
    return rc;
}

/* Small frames gather into one write; a large one goes by itself. */
static int put(struct writer *w, const char *bytes, size_t n)
{
    int rc = w->out.n + n > WRITE_BYTES ? flush(w) : 0;
    if (rc < 0 || n > WRITE_BYTES)
        return rc < 0 ? rc : write_out(w, bytes, n);
    buf_add(&w->out, bytes, n);
    return 0;
}

static void seal_records(struct writer *w, struct writer_entry *e)
{
    struct chain chain;
    struct sv rest = sv_make(e->bytes + FRAME_HEADER_BYTES, e->frame.payload_bytes);
    char *block = e->bytes + FRAME_HEADER_BYTES;
    for (uint32_t i = 0; i < e->frame.count; i++) {
        uint8_t salt[TC_RECORD_SALT_BYTES];
        size_t n = record_length(rest);
        uint8_t class = (uint8_t)block[10];
        uint64_t sequence = w->sequences[class]++;
        if (w->salts.known)
            salts_derive(w->salts.seeds[class], sequence, salt);
        else
            rng_fill(w->rng, salt, sizeof salt);
        record_seal(block, w->header.epoch, sequence, salt);
        rest = sv_from(rest, n);
        block += n;
    }
    chain_begin(&chain, w->head, e->bytes);
    chain_leaves(&chain, sv_make(e->bytes + FRAME_HEADER_BYTES, e->frame.payload_bytes), e->frame.count);
    chain_end(&chain, w->head);
}

static int add_frame(struct writer *w, struct writer_entry *e, uint64_t durable_before)
{
    tc_assert(e->frame.first == w->position);
    e->frame.commit = w->commit;
    e->frame.durable_before = durable_before;
    frame_encode(&e->frame, e->bytes);
    seal_records(w, e);
    frame_seal(e->bytes, e->n, w->head, w->header.checksum_seed, w->offset);
    w->offset += e->n;
    w->position += e->frame.count;
    return put(w, e->bytes, e->n);
}

static int sync_out(struct writer *w)
{
    int64_t start = clk_monotonic_ns(w->clk);
    int rc = w->fs->sync(w->fs, w->file);
    int64_t took = clk_monotonic_ns(w->clk) - start;
    w->syncs++;
    w->sync_ns_total += took;
    w->sync_ns_max = TC_MAX(w->sync_ns_max, took);
    return rc;
}

/*
 * Nothing is tried again: the journal is over until a restart. But what nobody was told about is cut off
 * where the disk still lets us, because after a failed sync the page cache may show bytes that the disk never
 * got, and the next start would take them for durable.
 */
static void give_up(struct writer *w, uint64_t durable_before)
{
    w->failed = true;
    if (w->fs->truncate(w->fs, w->file, durable_before) == 0)
        w->fs->sync(w->fs, w->file);
}

/* What a commit moves on. */
struct before {
    uint64_t offset, position, out_at, bytes;
    uint64_t sequences[CLASS_COUNT];
    uint8_t head[TC_SHA256_BYTES];
};

static struct before before_commit(const struct writer *w)
{
    struct before b = {.offset = w->offset, .position = w->position, .out_at = w->out_at, .bytes = w->bytes};
    memcpy(b.sequences, w->sequences, sizeof b.sequences);
    memcpy(b.head, w->head, sizeof b.head);
    return b;
}

static bool is_no_room(int rc)
{
    return rc == -ENOSPC || rc == -EDQUOT;
}

/*
 * A write that found no room is no damage, and nothing of the commit was synced: it is cut off again,
 * durably, so that frames which the next try seals anew are not mixed with these. True: as if it had not been
 * tried.
 */
static bool take_back(struct writer *w, const struct before *b)
{
    buf_clear(&w->out);
    w->offset = b->offset;
    w->position = b->position;
    w->out_at = b->out_at;
    w->bytes = b->bytes;
    memcpy(w->sequences, b->sequences, sizeof w->sequences);
    memcpy(w->head, b->head, sizeof w->head);
    return w->fs->truncate(w->fs, w->file, b->offset) == 0 && w->fs->sync(w->fs, w->file) == 0;
}

static bool is_full(const struct writer *w)
{
    bool is_old = w->segment_age_ns > 0 && clk_now(w->clk).ns - w->header.created.ns >= w->segment_age_ns;
    return w->must_roll || ((is_old || w->offset >= w->segment_bytes) && w->position > w->header.first);
}

static int begin(struct writer *w, struct err *err)
{
    if (w->failed)
        return err_set(err, TC_EIO, "the journal has stopped after an earlier error");
    struct err why = {0};
    int rc = is_full(w) ? writer_roll(w, &why) : 0;
    if (rc != 0 && err != NULL)
        *err = why;
    if (rc == TC_EIO && is_no_room(-why.sys))
        return TC_EBOUND; /* the new file is gone again */
    w->failed = rc != 0;
    return rc;
}

static int finish(struct writer *w, uint64_t durable_before, int rc, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    if (rc == 0)
        rc = flush(w);
    if (rc == 0)
        rc = sync_out(w);
    if (rc == 0) {
        w->commit++;
        w->commits++;
        return 0;
    }
    give_up(w, durable_before);
    return segment_path(w->dir, w->header.first, path)
               ? segment_sys(err, rc, "cannot write the journal's", path)
               : rc;
}

int writer_commit(struct writer *w, struct writer_entry *entries, struct writer_entry **ret_rest,
                  struct err *err)
{
    int rc = begin(w, err);
    if (rc != 0)
        return rc;
    const struct before before = before_commit(w);
    uint64_t durable_before = w->offset;
    struct writer_entry *e = entries;
    int written = 0;
    for (; e != NULL && written == 0; e = e->next) {
        if (e->bytes == NULL)
            continue;
        if (e != entries && is_full(w))
            break;
        written = add_frame(w, e, durable_before);
    }
    if (w->offset > durable_before) {
        written = written == 0 ? flush(w) : written;
        if (is_no_room(written) && take_back(w, &before))
            return err_set(err, TC_EBOUND, "the disk of %s is full", w->dir);
        rc = finish(w, durable_before, written, err);
        if (rc != 0)
            return rc;
    }
    *ret_rest = e;
    return 0;
}

int writer_mark(struct writer *w, struct err *err)
{
    if (w->failed || w->must_roll)
        return err_set(err, TC_EIO, "the journal has stopped after an earlier error");
    char bytes[FRAME_HEADER_BYTES];
    uint64_t durable_before = w->offset;
    struct writer_entry e = {.frame = {.kind = FRAME_MARK, .first = w->position, .received = clk_now(w->clk)},
                             .bytes = bytes,
                             .n = sizeof bytes};
    return finish(w, durable_before, add_frame(w, &e, durable_before), err);
}
