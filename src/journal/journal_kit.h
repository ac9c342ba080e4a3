/*
 * For the journal's tests: making batches whose records can be recognised, and judging what a directory
 * holds.
 *
 * Batch number b holds records "b.0", "b.1" …, so that a reader can tell which batches are there, whole, once
 * and in order.
 */
#ifndef JOURNAL_JOURNAL_KIT_H
#define JOURNAL_JOURNAL_KIT_H

#include "base/arena.h"
#include "base/num.h"
#include "base/sim_fs.h"
#include "journal/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define KIT_NOW (INT64_C(1800000000) * TC_SECOND_NS)

struct kit_batch {
    struct buf blocks;
    struct journal_batch batch;
};

/* `pad` bytes are added to each record's text. Free with buf_free(&k.blocks). */
static inline void kit_make(struct kit_batch *k, unsigned number, unsigned count, size_t pad)
{
    char *text = tc_alloc(pad + 64);
    buf_init(&k->blocks, 64 << 20);
    for (unsigned i = 0; i < count; i++) {
        size_t n = (size_t)sprintf(text, "%u.%u ", number, i);
        memset(text + n, 'x', pad);
        record_encode_plain(REC_EVENT, (enum record_class)(number % CLASS_COUNT), SV("test"),
                            (struct receive_time){KIT_NOW}, (struct event_time){TC_NO_TIME},
                            sv_make(text, n + pad), &k->blocks);
    }
    free(text);
    k->batch = (struct journal_batch){.kind = BATCH_INPUT,
                                      .received = {KIT_NOW},
                                      .has_key = true,
                                      .blocks = buf_view(&k->blocks),
                                      .count = count};
    store_u64(k->batch.key, number * UINT64_C(0x9E3779B97F4A7C15));
    store_u64(k->batch.key + 8, number);
}

enum { KIT_BATCHES_MAX = 256 };
struct kit_found {
    unsigned order[KIT_BATCHES_MAX]; /* batch numbers as they come */
    uint64_t first[KIT_BATCHES_MAX];
    size_t n;
    uint64_t end; /* position after the last record */
};

/* The batch number of a frame whose records are "b.0", "b.1" … exactly; UINT32_MAX where they are not. */
static inline unsigned kit_number(const struct journal_frame *frame)
{
    struct sv rest = frame->blocks;
    unsigned number = UINT32_MAX;
    for (uint64_t i = 0; i < frame->count; i++) {
        struct event e;
        struct sv block = sv_head(rest, record_length(rest));
        if (record_decode_envelope(block, &e, NULL) != 0)
            return UINT32_MAX;
        uint64_t b, at;
        struct sv tail = e.raw, head = sv_cut(&tail, '.');
        if (!num_u64(head, 0, UINT32_MAX, &b) || !num_u64(sv_cut(&tail, ' '), 0, UINT32_MAX, &at) ||
            at != i || (i > 0 && b != number))
            return UINT32_MAX;
        number = (unsigned)b;
        rest = sv_from(rest, block.n);
    }
    return rest.n == 0 ? number : UINT32_MAX;
}

/* Reads all of a directory. 0, or what the reader said; TC_ESTATE where a frame is not a batch of ours. */
static inline int kit_read(const struct fs *fs, const char *dir, struct kit_found *ret, struct err *err)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    *ret = (struct kit_found){.end = 1};
    int rc = journal_reader_open(fs, dir, 0, NULL, &reader, err);
    if (rc != 0)
        return rc;
    while ((rc = journal_reader_next(reader, &frame, err)) > 0) {
        unsigned number = kit_number(&frame);
        if (number == UINT32_MAX || frame.first != ret->end || ret->n == KIT_BATCHES_MAX) {
            rc =
                err_set(err, TC_ESTATE, "a frame at %llu that nobody wrote", (unsigned long long)frame.first);
            break;
        }
        ret->order[ret->n] = number;
        ret->first[ret->n++] = frame.first;
        ret->end = frame.first + frame.count;
    }
    journal_reader_close(&reader);
    return rc;
}

static inline bool kit_has(const struct kit_found *found, unsigned number)
{
    for (size_t i = 0; i < found->n; i++)
        if (found->order[i] == number)
            return true;
    return false;
}

/* Rising numbers: order kept, nothing twice. */
static inline bool kit_is_ordered(const struct kit_found *found)
{
    for (size_t i = 1; i < found->n; i++)
        if (found->order[i] <= found->order[i - 1])
            return false;
    return true;
}

/* A fault at the n-th call from now on: the power is cut, the call fails, or it writes only a part. */
enum kit_fault { FAULT_CUT, FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT, FAULT_COUNT };

static inline void kit_fault_at(struct sim_fs *sim, enum kit_fault fault, uint64_t n)
{
    if (fault == FAULT_CUT)
        sim_fs_cut_at(sim, n);
    else if (fault == FAULT_SHORT)
        sim_fs_short_at(sim, n);
    else
        sim_fs_fail_at(sim, n, fault == FAULT_EIO ? -EIO : -ENOSPC);
}

/* No more faults; where the power was cut, the disk is what `mode` leaves of it. hit: the n-th call came. */
static inline void kit_fault_end(struct sim_fs *sim, enum kit_fault fault, uint64_t n, enum sim_fs_mode mode,
                                 bool hit)
{
    sim_fs_fail_at(sim, 0, 0);
    sim_fs_short_at(sim, 0);
    if (!hit)
        sim_fs_cut_at(sim, 0);
    if (fault == FAULT_CUT && hit)
        sim_fs_crash(sim, n, mode);
}

/* Runs with every fault at every call, until `run` says that it came to its end before the n-th; that it
 * makes more than `least` calls is asserted. */
static inline void kit_every_fault(bool (*run)(enum kit_fault fault, uint64_t n, enum sim_fs_mode mode),
                                   uint64_t least)
{
    for (int fault = 0; fault < FAULT_COUNT; fault++)
        for (int mode = SIM_FS_KEEP; mode <= (fault == FAULT_CUT ? SIM_FS_SHRED : SIM_FS_KEEP); mode++) {
            uint64_t n = 1;
            while (run((enum kit_fault)fault, n, (enum sim_fs_mode)mode))
                n++;
            tc_assert(n > least);
        }
}

#endif
