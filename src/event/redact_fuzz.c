/*
 * Any bytes, as text and as JSON: JSON that was valid stays valid, a second pass changes nothing, and a
 * failure leaves nothing behind.
 */
#include "event/redact.h"

#include "event/json.h"
#include "event/policy.h"

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

/* As an event under a policy: JSON stays JSON, and a second pass changes nothing. */
static void check_policy(struct redactor *redactor, struct sv raw, struct arena *arena, struct buf room[2])
{
    struct event event = {0};
    if (json_check(raw, NULL) != 0 || json_parse_event(raw, arena, &event, NULL) != 0)
        return;
    event.raw = raw;
    buf_clear(&room[0]);
    if (redact_event(redactor, &event, true, arena, &room[0]) != REDACT_CHANGED)
        return;
    struct sv kept = buf_view(&room[0]);
    struct event again = {0};
    if (json_check(kept, NULL) != 0 || json_parse_event(kept, arena, &again, NULL) != 0)
        abort();
    again.raw = kept;
    buf_clear(&room[1]);
    if (redact_event(redactor, &again, true, arena, &room[1]) != REDACT_CLEAN)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy *policy;
    static struct redactor *redactor;
    static struct arena arena;
    static struct buf room[2];
    static const uint8_t key[TC_REDACT_KEY_BYTES];
    if (redactor == NULL) {
        redactor = redactor_new(key);
        if (policy_new(SV("a drop\nb token\nc* mask\nd truncate 3\n*.e hash\nsql sql\n"), &policy, NULL) != 0)
            abort();
        buf_init(&room[0], 8 << 20);
        buf_init(&room[1], 8 << 20);
    }
    struct sv raw = sv_make((const char *)data, size);
    check(redactor, raw, false, &arena, room);
    check(redactor, raw, true, &arena, room);
    redactor_use_policy(redactor, policy);
    check_policy(redactor, raw, &arena, room);
    redactor_use_policy(redactor, NULL);
    arena_reset(&arena);
    return 0;
}
