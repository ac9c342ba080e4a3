/*
 * The index of an event's fields: names without their spaces, chains in the order of the event, duplicates.
 */
#include "event/event.h"

#include "event/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct event parsed(const char *json, struct arena *arena)
{
    struct event event = {0};
    assert_int_equal(json_parse_event(sv_of(json), arena, &event, NULL), 0);
    event_index(&event, arena);
    return event;
}

static const struct field *find(const struct event *event, const char *name)
{
    return event_find(event, sv_of(name), event_name_hash(sv_of(name)));
}

static void test_hash_ignores_spaces(void **state)
{
    (void)state;
    static const char *const names[] = {
        "", "a", "ab", "abc", "abcd", "abcdefg", "abcdefgh", "abcdefghi", "Threat Name of a long kind"};
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++) {
        char spaced[100], plain[100];
        size_t n = 0, m = 0;
        for (const char *p = names[i]; *p != '\0'; p++) {
            spaced[n++] = ' ';
            spaced[n++] = *p;
            if (*p != ' ')
                plain[m++] = *p;
        }
        spaced[n++] = ' ';
        assert_int_equal(event_name_hash(sv_make(spaced, n)), event_name_hash(sv_make(plain, m)));
        assert_true(event_name_eq(sv_make(spaced, n), sv_make(plain, m)));
    }
    assert_true(event_name_hash(SV("a")) != event_name_hash(SV("a\0")));
    assert_false(event_name_eq(SV("ab"), SV("a bc")));
    assert_false(event_name_eq(SV("ab"), SV("AB")));
}

static void test_find(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event event = parsed("{\"a\":{\"b\":1},\"Threat Name\":\"x\",\"c\":{}}", &arena);
    assert_true(sv_is(find(&event, "a.b")->value, "1"));
    assert_true(sv_is(event_value(&event, "ThreatName"), "x"));
    assert_true(sv_is(event_value(&event, "Threat Name"), "x"));
    assert_non_null(find(&event, "c"));
    assert_null(find(&event, "b"));
    assert_null(event_value(&event, "b").p);
    struct event empty = {0};
    assert_null(find(&empty, "a"));
    event_index(&empty, &arena);
    assert_null(find(&empty, "a"));
    arena_free(&arena);
}

static void test_chain_of_an_array(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event event = parsed("{\"a\":[{\"x\":1},{\"y\":0},{\"x\":2},{\"x\":3}],\"a.x\":4}", &arena);
    const struct field *field = find(&event, "a.x");
    for (char c = '1'; c <= '4'; c++, field = event_next(&event, field)) {
        assert_non_null(field);
        assert_int_equal(field->value.p[0], c);
    }
    assert_null(field);
    assert_false(event.flags & EVENT_DUPLICATE_KEYS);
    arena_free(&arena);
}

static unsigned duplicates(const struct event *event)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < event->field_count; i++)
        count += (event->fields[i].flags & FIELD_DUPLICATE) != 0;
    return count;
}

static void test_duplicates(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        unsigned count;
    } cases[] = {
        {"{\"a\":1,\"b\":2,\"a\":3}", 1},
        {"{\"a\":1,\"a\":2,\"a\":3}", 2},
        {"{\"a\":{\"b\":1},\"a\":{\"b\":2}}", 2},
        {"{\"a\":[{\"x\":1,\"x\":2}]}", 1},
        {"{\"a\":[{},{\"x\":[1],\"x\":[2]}]}", 2},
        {"{\"a\":[1,1,1],\"b\":1}", 0},
        {"{\"a b\":1,\"ab\":2}", 0},
        {"{\"a b\":1,\"ab\":2,\"a b\":3,\"ab\":4}", 2},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        struct event event = parsed(cases[i].json, &arena);
        assert_int_equal(duplicates(&event), cases[i].count);
        assert_int_equal((event.flags & EVENT_DUPLICATE_KEYS) != 0, cases[i].count > 0);
        event_index(&event, &arena); /* again: the same */
        assert_int_equal(duplicates(&event), cases[i].count);
        arena_free(&arena);
    }
}

/* Full to the last field, all of one name, then more that were derived. */
static void test_full(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event event = {.field_count = TC_EVENT_FIELDS_MAX,
                          .fields = ARENA_ARRAY(&arena, struct field, TC_EVENT_FIELDS_MAX)};
    struct field extra[TC_EVENT_EXTRA_MAX];
    for (uint32_t i = 0; i < TC_EVENT_FIELDS_MAX; i++)
        event.fields[i] = (struct field){.name = SV("a"),
                                         .exact = arena_printf(&arena, "a[%u]", i),
                                         .name_hash = event_name_hash(SV("a"))};
    for (uint32_t i = 0; i < TC_EVENT_EXTRA_MAX; i++) {
        struct sv name = arena_printf(&arena, "extra%u", i);
        extra[i] = (struct field){
            .name = name, .exact = name, .name_hash = event_name_hash(name), .flags = FIELD_DERIVED};
    }
    event_append(&event, &arena, extra, TC_EVENT_EXTRA_MAX);
    event_index(&event, &arena);
    assert_non_null(find(&event, "extra0"));
    assert_ptr_equal(find(&event, arena_printf(&arena, "extra%d", TC_EVENT_EXTRA_MAX - 1).p),
                     &event.fields[event.field_count - 1]);
    uint32_t count = 0;
    for (const struct field *f = find(&event, "a"); f != NULL; f = event_next(&event, f))
        count++;
    assert_int_equal(count, TC_EVENT_FIELDS_MAX);
    assert_int_equal(duplicates(&event), 0);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_ignores_spaces),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_chain_of_an_array),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
