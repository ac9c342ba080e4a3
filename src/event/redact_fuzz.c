/*
 * Any bytes, as text and as JSON: JSON that was valid stays valid, a second pass changes nothing, and a
 * failure leaves nothing behind.
 */
#include "event/redact.h"

#include "event/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct redactor *redactor, struct sv raw, bool is_json, struct arena *arena,
                  struct buf room[2])
{
    buf_clear(&room[0]);
    buf_clear(&room[1]);
    enum redact_outcome outcome = redact_raw(redactor, raw, is_json, arena, &room[0]);
    if (outcome != REDACT_CHANGED) {
        if (room[0].n != 0)
            abort();
        return;
    }
    struct sv kept = buf_view(&room[0]);
    if (is_json && json_check(raw, NULL) == 0 && json_check(kept, NULL) != 0)
        abort();
    if (redact_raw(redactor, kept, is_json, arena, &room[1]) != REDACT_CLEAN)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct redactor *redactor;
    static struct arena arena;
    static struct buf room[2];
    static const uint8_t key[TC_REDACT_KEY_BYTES];
    if (redactor == NULL) {
        redactor = redactor_new(key);
        buf_init(&room[0], 8 << 20);
        buf_init(&room[1], 8 << 20);
    }
    struct sv raw = sv_make((const char *)data, size);
    check(redactor, raw, false, &arena, room);
    check(redactor, raw, true, &arena, room);
    arena_reset(&arena);
    return 0;
}
