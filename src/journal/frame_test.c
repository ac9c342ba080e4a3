/*
 * Frames, segment headers and the key table by themselves.
 */
#include "journal/journal_kit.h"
#include "journal/keys.h"
#include "journal/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SEED = 77, OFFSET = 4096 };

/* A sealed frame of two records at OFFSET. */
static struct buf make_frame(struct frame *ret)
{
    struct kit_batch k;
    struct buf out;
    uint8_t head[TC_SHA256_BYTES];
    kit_make(&k, 5, 2, 3);
    *ret = (struct frame){.kind = BATCH_INPUT,
                          .has_key = true,
                          .payload_bytes = (uint32_t)k.blocks.n,
                          .count = 2,
                          .first = 9,
                          .commit = 4,
                          .durable_before = 1024,
                          .received = {KIT_NOW},
                          .consumed = 3};
    memcpy(ret->key, k.batch.key, sizeof ret->key);
    memset(head, 0xab, sizeof head);
    buf_init(&out, 1 << 20);
    size_t n = frame_bytes(k.blocks.n);
    memset(buf_reserve(&out, n), 0, n);
    out.n = n;
    frame_encode(ret, out.p);
    memcpy(out.p + FRAME_HEADER_BYTES, k.blocks.p, k.blocks.n);
    frame_seal(out.p, n, head, SEED, OFFSET);
    buf_free(&k.blocks);
    return out;
}

static const char *judge(const struct buf *bytes, uint64_t offset, struct frame *ret)
{
    const char *why = frame_decode(bytes->p, SEED, offset, ret);
    return why != NULL ? why
                       : frame_check_payload(ret, sv_from(buf_view(bytes), FRAME_HEADER_BYTES), SEED, offset);
}

static void test_frame_round_trip(void **state)
{
    (void)state;
    struct frame made, got;
    struct buf bytes = make_frame(&made);
    assert_null(judge(&bytes, OFFSET, &got));
    assert_int_equal(got.kind, made.kind);
    assert_true(got.has_key);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.first, 9);
    assert_int_equal(got.commit, 4);
    assert_int_equal(got.durable_before, 1024);
    assert_int_equal(got.received.ns, KIT_NOW);
    assert_int_equal(got.consumed, 3);
    assert_int_equal(got.bytes, bytes.n);
    assert_int_equal(bytes.n % FRAME_ALIGN, 0);
    assert_memory_equal(got.key, made.key, 16);
    buf_free(&bytes);
}

static void test_frame_every_bit_counts(void **state)
{
    (void)state;
    struct frame made, got;
    struct buf bytes = make_frame(&made);
    for (size_t i = 0; i < bytes.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes.p[i] = (char)(bytes.p[i] ^ 1 << bit);
            if (judge(&bytes, OFFSET, &got) == NULL)
                fail_msg("byte %zu, bit %d: not noticed", i, bit);
            bytes.p[i] = (char)(bytes.p[i] ^ 1 << bit);
        }
    assert_null(judge(&bytes, OFFSET, &got));
    buf_free(&bytes);
}

/* A copy of a frame at another place, or under another segment's seed, is none. */
static void test_frame_is_bound_to_its_place(void **state)
{
    (void)state;
    struct frame made, got;
    struct buf bytes = make_frame(&made);
    assert_non_null(judge(&bytes, OFFSET + 8, &got));
    assert_non_null(frame_decode(bytes.p, SEED + 1, OFFSET, &got));
    buf_free(&bytes);
}

static void test_frame_refuses_what_cannot_be(void **state)
{
    (void)state;
    static const uint8_t head[TC_SHA256_BYTES];
    static const struct frame bad[] = {
        {.kind = 0, .first = 1, .count = 1, .payload_bytes = 200},
        {.kind = 5, .first = 1, .count = 1, .payload_bytes = 200},
        {.kind = BATCH_INPUT, .first = 0, .count = 1, .payload_bytes = 200},
        {.kind = BATCH_INPUT, .first = 1, .count = 0, .payload_bytes = 200},
        {.kind = BATCH_INPUT,
         .first = 1,
         .count = 3,
         .payload_bytes = 200}, /* records are longer than that */
        {.kind = BATCH_INPUT, .first = 1, .count = 1, .payload_bytes = FRAME_MAX_BYTES},
        {.kind = BATCH_INPUT, .first = 1, .count = 1, .payload_bytes = 200, .durable_before = OFFSET + 8},
        {.kind = BATCH_INPUT, .first = UINT64_MAX, .count = 1, .payload_bytes = 200},
        {.kind = FRAME_MARK, .first = 1, .count = 1, .payload_bytes = 200},
        {.kind = FRAME_MARK, .first = 1, .count = 0, .payload_bytes = 8},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        char bytes[FRAME_HEADER_BYTES];
        struct frame got = {.kind = 99};
        frame_encode(&bad[i], bytes);
        frame_seal(bytes, sizeof bytes, head, SEED, OFFSET);
        if (frame_decode(bytes, SEED, OFFSET, &got) == NULL)
            fail_msg("header %zu was taken", i);
        assert_int_equal(got.kind, 99); /* untouched on failure */
    }
}

static struct segment_header a_header(void)
{
    struct segment_header h = {.epoch = 11,
                               .first = 500,
                               .previous = 20,
                               .commit = 7,
                               .checksum_seed = 99,
                               .sequences = {1, 2, 3},
                               .created = {KIT_NOW}};
    memset(h.head, 0x5a, sizeof h.head);
    return h;
}

static void test_segment_header(void **state)
{
    (void)state;
    char bytes[SEGMENT_HEADER_BYTES];
    struct segment_header made = a_header(), got;
    struct err err;
    segment_encode(&made, bytes);
    assert_int_equal(segment_decode(sv_make(bytes, sizeof bytes), 500, "f", &got, &err), 0);
    assert_int_equal(got.epoch, 11);
    assert_int_equal(got.previous, 20);
    assert_int_equal(got.commit, 7);
    assert_int_equal(got.checksum_seed, 99);
    assert_int_equal(got.sequences[2], 3);
    assert_memory_equal(got.head, made.head, sizeof got.head);
    assert_int_equal(segment_decode(sv_make(bytes, sizeof bytes), 501, "f", &got, &err), TC_ECORRUPT);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 4;
        assert_int_equal(segment_decode(sv_make(bytes, sizeof bytes), 500, "f", &got, &err), TC_ECORRUPT);
        bytes[i] ^= 4;
    }
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(segment_decode(sv_make(bytes, n), 500, "f", &got, &err), TC_ECORRUPT);
}

/* What a newer program wrote is refused by name, or read, as its flags say. */
static void test_segment_flags(void **state)
{
    (void)state;
    char bytes[SEGMENT_HEADER_BYTES];
    struct segment_header made = a_header(), got;
    struct err err;
    made.compatible = 1;
    segment_encode(&made, bytes);
    assert_int_equal(segment_decode(sv_make(bytes, sizeof bytes), 500, "f", &got, &err), 0);
    assert_int_equal(got.compatible, 1);
    made.incompatible = 1;
    segment_encode(&made, bytes);
    assert_int_equal(segment_decode(sv_make(bytes, sizeof bytes), 500, "f", &got, &err), TC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "newer program"));
}

static void key_of(uint8_t key[16], uint64_t i)
{
    memset(key, 0, 16);
    store_u64(key, i << 20); /* crowds the index on purpose */
    store_u64(key + 8, i);
}

static struct receive_time second(int64_t s)
{
    return (struct receive_time){s * TC_SECOND_NS};
}

static void test_keys_window(void **state)
{
    (void)state;
    struct keys keys = {0};
    uint8_t key[16];
    key_of(key, 1);
    assert_null(keys_find(&keys, key, second(0)));
    keys_add(&keys, key, 42, second(1000));
    assert_int_equal(keys_find(&keys, key, second(1000 + 900))->first, 42);
    assert_null(keys_find(&keys, key, second(1000 + 901)));
    keys_add(&keys, key, 43, second(1901)); /* too old: it may come again, as a new batch */
    assert_int_equal(keys.n, 1);
    assert_int_equal(keys_find(&keys, key, second(1901))->first, 43);
    keys_free(&keys);
}

static void test_keys_against_a_list(void **state)
{
    (void)state;
    struct keys keys = {0};
    uint8_t key[16];
    for (int64_t i = 0; i < 20000; i++) { /* 10 a second: 9001 in the window */
        key_of(key, (uint64_t)i);
        keys_add(&keys, key, (uint64_t)i + 1, second(i / 10));
        if (i % 500 != 0)
            continue;
        for (int64_t k = 0; k <= i; k += 7) {
            key_of(key, (uint64_t)k);
            const struct key_entry *e = keys_find(&keys, key, second(i / 10));
            assert_int_equal(e != NULL, k / 10 >= i / 10 - 900);
            assert_true(e == NULL || e->first == (uint64_t)k + 1);
        }
    }
    keys_free(&keys);
}

static void test_keys_bound(void **state)
{
    (void)state;
    struct keys keys = {0};
    uint8_t key[16];
    for (uint64_t i = 0; i < TC_KEYS_MAX + 10; i++) {
        store_u64(key, i * UINT64_C(0x9E3779B97F4A7C15));
        store_u64(key + 8, i);
        keys_add(&keys, key, i + 1, second(5));
    }
    assert_int_equal(keys.n, TC_KEYS_MAX);
    assert_int_equal(keys.forgotten, 10);
    assert_int_equal(keys_find(&keys, key, second(5))->first, TC_KEYS_MAX + 10);
    keys_free(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_round_trip),
        cmocka_unit_test(test_frame_every_bit_counts),
        cmocka_unit_test(test_frame_is_bound_to_its_place),
        cmocka_unit_test(test_frame_refuses_what_cannot_be),
        cmocka_unit_test(test_segment_header),
        cmocka_unit_test(test_segment_flags),
        cmocka_unit_test(test_keys_window),
        cmocka_unit_test(test_keys_against_a_list),
        cmocka_unit_test(test_keys_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
