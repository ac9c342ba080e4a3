/*
 * Fuzz target: a body in any of the shapes that others post. What is taken is bounded, and the event that is
 * made of it is JSON. The first byte says which shape.
 */
#include "event/json.h"
#include "ingest/posted_alert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct posted_alert *alert)
{
    struct buf out;
    buf_init(&out, 4 << 20);
    tc_assert(alert->label_count <= TC_POSTED_LABELS_MAX);
    posted_event(alert, &out);
    tc_assert(!out.overflow && json_check(buf_view(&out), NULL) == 0);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct posted_alert one, *many;
    struct sv token;
    struct err err;
    size_t count = 0;
    if (size == 0)
        return 0;
    struct sv body = sv_make((const char *)data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        if (posted_pagerduty(body, &arena, &one, &token, &err) == 0)
            check(&one);
        break;
    case 1:
        if (posted_opsgenie(body, (struct sv){0}, (struct sv){0}, &arena, &one, &err) == 0)
            check(&one);
        break;
    case 2:
        if (posted_opsgenie(body, SV("a"), SV("close"), &arena, &one, &err) == 0)
            check(&one);
        break;
    default:
        if (posted_alertmanager(body, &arena, &many, &count, &err) == 0)
            for (size_t i = 0; i < count; i++)
                check(&many[i]);
    }
    arena_free(&arena);
    return 0;
}
