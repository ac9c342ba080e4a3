/*
 * Fuzz target: a record block of any bytes; one that decodes must survive being encoded and decoded again.
 */
#include "event/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv block = sv_make((const char *)data, size);
    struct arena arena = {0};
    struct event event, again;
    struct buf out;
    uint8_t leaf[TC_SHA256_BYTES];
    buf_init(&out, 64 << 20);
    record_leaf_hash(block, leaf);
    tc_assert(record_length(block) <= size);
    if (record_decode(block, &arena, &event, NULL) == 0) {
        record_encode(&event, &out);
        bool same = !out.overflow && record_decode(buf_view(&out), &arena, &again, NULL) == 0;
        tc_assert(out.overflow ||
                  (same && again.field_count == event.field_count && sv_eq(again.raw, event.raw)));
        for (uint32_t i = 0; same && i < event.field_count; i++)
            tc_assert(sv_eq(again.fields[i].name, event.fields[i].name) &&
                      sv_eq(again.fields[i].value, event.fields[i].value));
    }
    buf_free(&out);
    arena_free(&arena);
    return 0;
}
