/*
 * Fuzz target: any bytes through the parser of any text format, and through recognising.
 *
 * The first byte chooses the parser, the rest are lines. Every event must be whole: each field is found by
 * its name, is UTF-8 and bounded by the line it came from.
 */
#include "base/utf8.h"
#include "event/parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct event *event, struct sv line)
{
    if (event->field_count > TC_EVENT_FIELDS_MAX + TC_EVENT_EXTRA_MAX)
        abort();
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *field = &event->fields[i];
        if (field->value.n > line.n * 3 + 64 || utf8_valid(field->value) != field->value.n ||
            utf8_valid(field->name) != field->name.n ||
            event_find(event, field->name, field->name_hash) == NULL)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    struct parse_state state;
    size_t count = 0;
    if (size == 0)
        return 0;
    while (parsers[count].name != NULL)
        count++;
    struct sv rest = sv_make((const char *)data + 1, size - 1);
    const struct parser *parser = &parsers[data[0] % count];
    if (parser_recognise(rest) == NULL)
        abort();
    parse_state_init(&state, 0, 2026, 0);
    while (rest.n > 0) {
        struct event event;
        struct sv line = sv_cut(&rest, '\n');
        if (parse_record(parser, &state, line, &arena, &event) != PARSE_SKIP)
            check(&event, line);
    }
    arena_reset(&arena);
    return 0;
}
