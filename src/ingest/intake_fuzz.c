/*
 * Fuzz target: HTTP bodies. The first byte chooses the door (strict or lenient) and whether the rest is
 * unpacked first; then intake must neither crash nor let out a block that does not decode, and the record
 * whose marker the redactor fails on must never be in the batch.
 */
#include "base/unpack.h"
#include "event/record.h"
#include "ingest/intake.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MARKER "FUZZ-POISON"

static struct sim_clk sim_clock;
static struct intake *intake;
static struct intake_batch batch;
static struct buf unpacked;
static struct arena arena;

static void start(void)
{
    static const uint8_t key[TC_REDACT_KEY_BYTES] = {7};
    sim_clk_init(&sim_clock, INT64_C(1780000000) * TC_SECOND_NS);
    struct redactor *redactor = redactor_new(key);
    redactor_fail_on(redactor, MARKER);
    intake = intake_new(&(struct intake_options){
        .clk = &sim_clock.clk, .redactor = redactor, .lateness_ns = TC_SECOND_NS, .max_records = 2000});
    intake_batch_init(&batch, 8 << 20);
    buf_init(&unpacked, 2 << 20);
}

static void check_blocks(void)
{
    struct sv rest = buf_view(&batch.blocks);
    uint32_t count = 0;
    for (; rest.n > 0; count++) {
        struct event event;
        size_t n = record_length(rest);
        tc_assert(n > 0 && record_decode(sv_head(rest, n), &arena, &event, NULL) == 0);
        tc_assert(sv_find(event.raw, SV(MARKER)) == event.raw.n);
        rest = sv_from(rest, n);
        arena_reset(&arena);
    }
    tc_assert(count == batch.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (intake == NULL)
        start();
    if (size == 0)
        return 0;
    struct sv body = sv_make((const char *)data + 1, size - 1);
    if ((data[0] & 2) != 0) {
        buf_clear(&unpacked);
        if (unpack_bytes(body, 100, &unpacked, NULL) != 0)
            return 0;
        body = buf_view(&unpacked);
    }
    if (intake_body(intake, SV("http:fuzz"), (data[0] & 1) != 0 ? INTAKE_LENIENT : INTAKE_JSON_STRICT, body,
                    &batch, NULL) == 0)
        check_blocks();
    return 0;
}
