/*
 * The record block: what was encoded is decoded, and no block of any bytes makes the decoder read outside of
 * it.
 */
#include "event/record.h"

#include "event/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char json[] =
    "{\"@timestamp\":\"2026-11-21T09:00:00Z\",\"type\":\"login_failed\",\"ip\":\"10.0.0.1\","
    "\"user\":{\"name\":\"b\\u00f6b\"},\"tags\":[\"a\",{\"k\":1}],\"tags\":2,\"n\":null,"
    "\"logsource\":{\"product\":\"shop\"}}";

static struct event example(struct arena *arena)
{
    struct event event;
    struct parse_state state;
    parse_state_init(&state, 0, 2026, 0);
    assert_int_equal(parse_record(parser_find(SV("json")), &state, sv_of(json), arena, &event), PARSE_OK);
    event.source = SV("http:default");
    event.source_position = 7;
    event.received.ns = 12345;
    event.repeat = 3;
    return event;
}

static void assert_same(const struct event *a, const struct event *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->class, b->class);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->parser_version, b->parser_version);
    assert_int_equal(a->time.ns, b->time.ns);
    assert_int_equal(a->received.ns, b->received.ns);
    assert_int_equal(a->source_position, b->source_position);
    assert_int_equal(a->repeat, b->repeat);
    assert_true(sv_eq(a->source, b->source) && sv_eq(a->raw, b->raw));
    assert_true(sv_eq(a->product, b->product) && sv_eq(a->service, b->service));
    assert_int_equal(a->field_count, b->field_count);
    for (uint32_t i = 0; i < a->field_count; i++) {
        const struct field *x = &a->fields[i], *y = &b->fields[i];
        assert_true(sv_eq(x->name, y->name) && sv_eq(x->exact, y->exact) && sv_eq(x->value, y->value));
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->flags, y->flags);
        assert_int_equal(x->name_hash, y->name_hash);
        assert_int_equal(x->next_same, y->next_same);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event event = example(&arena), decoded;
    struct buf out;
    struct err err;
    buf_init(&out, 1 << 20);
    record_encode(&event, &out);
    assert_int_equal(record_length(buf_view(&out)), out.n);
    assert_int_equal(record_decode(buf_view(&out), &arena, &decoded, &err), 0);
    assert_same(&event, &decoded);
    assert_true(decoded.flags & EVENT_DUPLICATE_KEYS);
    assert_true(sv_is(event_value(&decoded, "source.ip"), "10.0.0.1"));
    assert_true(sv_is(decoded.product, "shop"));
    buf_free(&out);
    arena_free(&arena);
}

static void test_plain(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event tick;
    struct buf out;
    struct err err;
    buf_init(&out, 4096);
    buf_str(&out, "before");
    record_encode_plain(REC_TICK, CLASS_AUDIT, SV("self"), (struct receive_time){5},
                        (struct event_time){TC_NO_TIME}, SV(""), &out);
    struct sv block = sv_from(buf_view(&out), 6);
    assert_int_equal(record_decode(block, &arena, &tick, &err), 0);
    assert_int_equal(tick.type, REC_TICK);
    assert_int_equal(tick.class, CLASS_AUDIT);
    assert_int_equal(tick.received.ns, 5);
    assert_true(tick.time.ns == TC_NO_TIME && tick.raw.n == 0 && tick.field_count == 0 && tick.repeat == 1);
    assert_null(event_find(&tick, SV("a"), event_name_hash(SV("a"))));
    assert_int_equal(record_decode_envelope(block, &tick, &err), 0);
    assert_true(sv_is(tick.source, "self"));
    buf_free(&out);
    arena_free(&arena);
}

static void test_overflow(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event event = example(&arena);
    struct buf whole;
    buf_init(&whole, 1 << 20);
    record_encode(&event, &whole);
    for (size_t max = 0; max <= whole.n; max++) {
        struct buf out;
        buf_init(&out, max);
        record_encode(&event, &out);
        assert_int_equal(out.overflow, max < whole.n);
        buf_free(&out);
    }
    buf_free(&whole);
    arena_free(&arena);
}

static void test_seal_and_leaf(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event event = example(&arena), decoded;
    struct buf out;
    uint8_t before[TC_SHA256_BYTES], sealed[TC_SHA256_BYTES], expected[TC_SHA256_BYTES];
    static const uint8_t salt[TC_RECORD_SALT_BYTES] = "0123456789abcde";
    buf_init(&out, 1 << 20);
    record_encode(&event, &out);
    record_leaf_hash(buf_view(&out), before);
    record_seal(out.p, 11, 22, salt);
    record_leaf_hash(buf_view(&out), sealed);
    assert_memory_not_equal(before, sealed, sizeof sealed);
    assert_int_equal(record_decode(buf_view(&out), &arena, &decoded, NULL), 0);
    assert_int_equal(decoded.epoch, 11);
    assert_int_equal(decoded.sequence, 22);
    /* by the words of record.h: 0x00, salt, bytes 8 .. end of source, raw */
    struct buf leaf;
    buf_init(&leaf, 1 << 20);
    buf_u8(&leaf, 0);
    buf_add(&leaf, salt, sizeof salt);
    buf_add(&leaf, out.p + 8, TC_RECORD_HEADER_BYTES - 8 + event.source.n);
    buf_sv(&leaf, event.raw);
    hash_sha256(buf_view(&leaf), expected);
    assert_memory_equal(sealed, expected, sizeof sealed);
    out.p[out.n - 1] ^= 1; /* the field table is not hashed */
    record_leaf_hash(buf_view(&out), before);
    assert_memory_equal(sealed, before, sizeof sealed);
    buf_free(&leaf);
    buf_free(&out);
    arena_free(&arena);
}

/* Touches every byte that a decoded event shows. */
static uint64_t touch(const struct event *event)
{
    uint64_t sum = event->source.n > 0 ? hash_64(event->source) : 0;
    sum += hash_64(event->raw) + hash_64(event->product);
    for (uint32_t i = 0; i < event->field_count; i++)
        sum += hash_64(event->fields[i].name) + hash_64(event->fields[i].exact) +
               hash_64(event->fields[i].value);
    return sum;
}

static void decode_hostile(struct sv block, struct arena *arena, unsigned *decoded)
{
    struct event event;
    struct err err = {0};
    uint8_t leaf[TC_SHA256_BYTES];
    arena_reset(arena);
    int rc = record_decode(block, arena, &event, &err);
    assert_true(rc == 0 || err.text[0] != '\0');
    if (rc == 0 && touch(&event) != 1)
        ++*decoded;
    record_decode_envelope(block, &event, NULL);
    record_leaf_hash(block, leaf);
    record_length(block);
}

static void test_truncated_and_flipped(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct event event = example(&arena);
    struct buf out;
    unsigned decoded = 0;
    buf_init(&out, 1 << 20);
    record_encode(&event, &out);
    arena_free(&arena);
    for (size_t n = 0; n < out.n; n++) {
        char *cut = malloc(n + 1);
        memcpy(cut, out.p, n);
        decode_hostile(sv_make(cut, n), &arena, &decoded);
        if (n >= 4) { /* with a length that fits, too */
            store_u32(cut, (uint32_t)n);
            decode_hostile(sv_make(cut, n), &arena, &decoded);
        }
        free(cut);
    }
    assert_int_equal(decoded, 0);
    char *copy = malloc(out.n);
    memcpy(copy, out.p, out.n);
    static const unsigned char flips[] = {0x01, 0x80, 0xFF, 0x40};
    for (size_t at = 0; at < out.n; at++)
        for (size_t i = 0; i < TC_ARRAY_LEN(flips); i++) {
            copy[at] = (char)(copy[at] ^ flips[i]);
            decode_hostile(sv_make(copy, out.n), &arena, &decoded);
            copy[at] = out.p[at];
        }
    assert_true(decoded > 0); /* most bytes are text */
    free(copy);
    buf_free(&out);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_seal_and_leaf),
        cmocka_unit_test(test_truncated_and_flipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
