/*
 * Readers over hostile segment bytes, through the simulated disk.
 *
 * The first byte chooses. Even: the rest is the segment file as it is. Odd: the rest is cut into frames that
 * get a right header and right checksums, so that the fuzzer comes past them to what lies behind: a length, a
 * kind, a count, then that many bytes of records. Reader, verify and open must not crash, must not run for
 * ever, and must agree: what verify takes, the reader reads to the same end.
 */
#include "base/sim_fs.h"
#include "journal/segment.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char path[] = "/d/journal/00000000000000000001.seg";
enum { EPOCH = 7, SEED = 3, INPUT_MAX = 1 << 16 };

static void put_header(struct buf *out)
{
    struct segment_header h = {
        .epoch = EPOCH, .first = 1, .commit = 1, .checksum_seed = SEED, .sequences = {1, 1, 1}};
    char bytes[SEGMENT_HEADER_BYTES];
    chain_first_head(EPOCH, h.head);
    segment_encode(&h, bytes);
    buf_add(out, bytes, sizeof bytes);
}

static void put_frame(struct buf *out, struct reader *r, struct frame *f)
{
    uint8_t head[TC_SHA256_BYTES] = {0};
    size_t at = out->n, wanted = reader_u16(r) % 4096;
    f->kind = (uint8_t)(1 + reader_u8(r) % 4);
    f->count = reader_u8(r);
    struct sv payload = reader_bytes(r, TC_MIN(wanted, r->rest.n));
    f->payload_bytes = (uint32_t)payload.n;
    f->durable_before = at;
    char *to = buf_reserve(out, frame_bytes(payload.n));
    if (r->bad || to == NULL)
        return;
    memset(to, 0, frame_bytes(payload.n));
    frame_encode(f, to);
    if (payload.n > 0)
        memcpy(to + FRAME_HEADER_BYTES, payload.p, payload.n);
    frame_seal(to, frame_bytes(payload.n), head, SEED, at);
    out->n += frame_bytes(payload.n);
    f->first += f->count;
    f->commit++;
}

static void make_file(struct sv data, struct buf *out)
{
    struct reader r = reader_of(sv_from(data, 1));
    struct frame f = {.first = 1, .commit = 1};
    put_header(out);
    while (r.rest.n > 0 && !r.bad)
        put_frame(out, &r, &f);
}

static int64_t read_all(const struct fs *fs)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    int64_t records = 0;
    int rc = journal_reader_open(fs, "/d", 0, NULL, &reader, NULL);
    if (rc != 0)
        return rc;
    while ((rc = journal_reader_next(reader, &frame, NULL)) > 0) {
        struct sv rest = frame.blocks;
        for (uint64_t i = 0; i < frame.count; i++) {
            size_t n = record_length(rest);
            tc_assert(n > 0); /* a reader's frames hold what they say */
            rest = sv_from(rest, n);
        }
        tc_assert(rest.n == 0);
        records += (int64_t)frame.count;
    }
    journal_reader_close(&reader);
    return rc < 0 ? rc : records;
}

static void open_and_close(const struct fs *fs, struct sim_clk *clk)
{
    struct sim_rng rng;
    struct journal *journal;
    sim_rng_init(&rng, 1);
    struct journal_options options = {
        .fs = fs, .clk = &clk->clk, .rng = &rng.rng, .dir = "/d", .inline_commit = true};
    if (journal_open(&options, &journal, NULL, NULL) == 0) {
        journal_close(&journal);
        struct journal_verify_report report;
        tc_assert(journal_verify(fs, "/d", &report, NULL) == 0); /* what opens is whole afterwards */
        tc_assert(report.torn_bytes == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX)
        return 0;
    struct sim_fs *sim = sim_fs_new(0);
    struct sim_clk clk;
    struct buf file;
    struct journal_verify_report report;
    struct sv input = sv_make((const char *)data, size);
    sim_clk_init(&clk, 0);
    buf_init(&file, 1 << 20);
    if (data[0] % 2 == 0)
        buf_sv(&file, sv_from(input, 1));
    else
        make_file(input, &file);
    sim_fs_put(sim, path, buf_view(&file));
    const struct fs *fs = sim_fs_seam(sim);
    int rc = journal_verify(fs, "/d", &report, NULL);
    int64_t records = read_all(fs);
    tc_assert(rc != 0 || records == (int64_t)report.records);
    open_and_close(fs, &clk);
    buf_free(&file);
    sim_fs_free(&sim);
    return 0;
}
