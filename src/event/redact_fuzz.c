/*
 * Any bytes, as text and as JSON: JSON that was valid stays valid, a second pass changes nothing, a failure
 * leaves nothing behind, and the quick look misses nothing that the walk finds.
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

/* JSON that was clean at a quick look: beside an address, it is walked, and must be clean still. */
static void check_clean(const struct redactor *redactor, struct sv raw, struct arena *arena,
                        struct buf room[2])
{
    if (json_check(raw, NULL) != 0 || redact_raw(redactor, raw, true, arena, &room[0]) != REDACT_CLEAN)
        return;
    buf_clear(&room[0]);
    buf_clear(&room[1]);
    buf_char(&room[0], '[');
    buf_sv(&room[0], raw);
    struct sv head = buf_view(&room[0]);
    buf_str(&room[0], ",\"a@b.cc\"]");
    head.p = room[0].p;
    if (redact_raw(redactor, buf_view(&room[0]), true, arena, &room[1]) != REDACT_CHANGED ||
        !sv_starts(buf_view(&room[1]), head))
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
    buf_clear(&room[0]);
    check_clean(redactor, raw, &arena, room);
    arena_reset(&arena);
    return 0;
}
