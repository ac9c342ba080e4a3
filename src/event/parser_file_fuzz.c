/*
 * Fuzz target: any bytes as a file of parsers. One that is accepted is put to work on lines of its own text,
 * and its examples are run: no event may be broken.
 */
#include "base/utf8.h"
#include "event/parser_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_lines(const struct parser *parser, struct sv text)
{
    struct arena arena = {0};
    struct parse_state state;
    parse_state_init(&state, 0, 2026, 0);
    for (unsigned lines = 0; text.n > 0 && lines < 8; lines++) {
        struct event event;
        if (parse_record(parser, &state, sv_cut(&text, '\n'), &arena, &event) == PARSE_SKIP)
            continue;
        for (uint32_t i = 0; i < event.field_count; i++)
            if (utf8_valid(event.fields[i].value) != event.fields[i].value.n)
                abort();
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv bytes = sv_make((const char *)data, size);
    struct parser_source source = {"fuzz.yml", bytes};
    struct parser_library *library = NULL;
    struct err err;
    size_t examples;
    if (parser_library_new(&source, 1, NULL, 0, &library, &err) != 0) {
        if (err.text[0] == '\0')
            abort();
        return 0;
    }
    parser_library_check(library, &examples, &err);
    const struct parser *parser;
    if (parser_library_find(library, SV("demo"), &parser, &err) == 0)
        parse_lines(parser, bytes);
    parser_library_free(&library);
    return 0;
}
