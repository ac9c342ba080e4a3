/*
 * Fuzz target: the JSON parser's doors agree with each other, whatever the bytes.
 */
#include "event/json.h"

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = sv_make((const char *)data, size);
    struct arena arena = {0};
    struct event event = {0};
    struct err err = {0};
    size_t at = 0;
    bool good = json_check(text, &err) == 0, parsed = json_parse_event(text, &arena, &event, &err) == 0;
    enum json_scan scan = json_scan(text, &at);
    tc_assert(!good || parsed);
    tc_assert(!parsed || scan == JSON_WHOLE);
    tc_assert(at <= size && json_value_length(text) <= size);
    tc_assert(parsed || err.line > 0);
    if (parsed) {
        event_index(&event, &arena);
        for (uint32_t i = 0; i < event.field_count; i++) {
            const struct field *field = &event.fields[i];
            tc_assert(utf8_valid(field->value) == field->value.n && utf8_valid(field->name) == field->name.n);
            tc_assert(field->name_hash == event_name_hash(field->name));
            tc_assert(event_find(&event, field->name, field->name_hash) != NULL);
        }
    }
    arena_free(&arena);
    return 0;
}
