/*
 * Any bytes as lines of a syslog file: no crash, fields inside their bounds, a name or address never longer
 * than the line, times that are none or fit.
 */
#include "event/parse_sshd.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct event *event, struct sv line)
{
    if (event->repeat < 1 || event->repeat > TC_REPEAT_MAX || event->field_count == 0)
        abort();
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *field = &event->fields[i];
        if (field->name.n == 0 || field->value.n > line.n * 3 + 32 ||
            event_find(event, field->name, field->name_hash) == NULL)
            abort();
    }
}

/* The first byte chooses zone and year, the rest are the lines. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    if (size == 0)
        return 0;
    struct parse_state state;
    parse_state_init(&state, (data[0] % 27 - 13) * 3600, data[0] & 1 ? 1900 + data[0] : 0,
                     (int64_t)data[0] * 10000000 * TC_SECOND_NS);
    struct sv rest = sv_make((const char *)data + 1, size - 1);
    while (rest.n > 0) {
        struct event event;
        struct sv line = sv_cut(&rest, '\n');
        if (parse_record(&parser_sshd, &state, line, &arena, &event) != PARSE_SKIP)
            check(&event, line);
    }
    arena_reset(&arena);
    return 0;
}
