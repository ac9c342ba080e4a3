/*
 * Unpacking: every way of cutting the packed bytes into reads, several members and frames, damage, and bombs.
 */
#include "base/unpack.h"

#include "base/arena.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

static void pack_gzip(struct sv text, struct buf *out)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, text.n) + 64;
    char *to = buf_reserve(out, bound);
    z.next_in = (Bytef *)(uintptr_t)text.p;
    z.avail_in = (uInt)text.n;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += bound - z.avail_out;
    deflateEnd(&z);
}

static void pack_zstd(struct sv text, struct buf *out)
{
    size_t bound = ZSTD_compressBound(text.n);
    char *to = buf_reserve(out, bound);
    out->n += ZSTD_compress(to, bound, text.p, text.n, 3);
}

static void pack_plain(struct sv text, struct buf *out)
{
    buf_sv(out, text);
}

typedef void (*pack_fn)(struct sv text, struct buf *out);
static const pack_fn packs[] = {pack_plain, pack_gzip, pack_zstd};

struct source {
    struct sv rest;
    size_t piece;
    bool fails;
};

static int64_t source_read(void *context, void *to, size_t n, struct err *err)
{
    struct source *source = context;
    n = TC_MIN(TC_MIN(n, source->piece), source->rest.n);
    if (n == 0 && source->fails)
        return err_set(err, TC_EIO, "the cable was pulled");
    if (n > 0)
        memcpy(to, source->rest.p, n);
    source->rest = sv_from(source->rest, n);
    return (int64_t)n;
}

/* Reads all; returns the last result of unpack_read. */
static int64_t read_all(struct source source, size_t step, struct buf *out, struct err *err)
{
    struct unpack *unpack = unpack_new(source_read, &source, 100);
    int64_t got;
    buf_clear(out);
    do {
        char *to = buf_reserve(out, step);
        assert_non_null(to);
        got = unpack_read(unpack, to, step, err);
        out->n += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    unpack_free(&unpack);
    assert_null(unpack);
    return got;
}

static struct sv sample(struct buf *text)
{
    buf_init(text, 1 << 22);
    uint32_t seed = 1;
    for (int i = 0; i < 3000; i++) {
        seed = seed * 1664525 + 1013904223;
        buf_printf(text, "line %d of %u\n", i, seed);
    }
    return buf_view(text);
}

static void test_pieces(void **state)
{
    (void)state;
    struct buf text, packed, out;
    struct sv whole = sample(&text);
    static const size_t pieces[] = {1, 2, 3, 1000, 1 << 20};
    buf_init(&packed, 1 << 22);
    buf_init(&out, 1 << 24);
    for (size_t k = 0; k < TC_ARRAY_LEN(packs); k++)
        for (size_t i = 0; i < TC_ARRAY_LEN(pieces); i++)
            for (size_t j = 0; j < TC_ARRAY_LEN(pieces); j++) {
                buf_clear(&packed);
                packs[k](whole, &packed);
                assert_int_equal(
                    read_all((struct source){buf_view(&packed), pieces[i], false}, pieces[j], &out, NULL), 0);
                assert_true(sv_eq(buf_view(&out), whole));
            }
    buf_free(&text);
    buf_free(&packed);
    buf_free(&out);
}

static void test_small(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "ab", "abc", "\x1F", "(\xB5/"};
    struct buf packed, out;
    buf_init(&packed, 1 << 20);
    buf_init(&out, 1 << 20);
    for (size_t k = 0; k < TC_ARRAY_LEN(packs); k++)
        for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++) {
            buf_clear(&packed);
            packs[k](sv_of(texts[i]), &packed);
            assert_int_equal(read_all((struct source){buf_view(&packed), 1, false}, 100, &out, NULL), 0);
            assert_true(sv_is(buf_view(&out), texts[i]));
        }
    buf_free(&packed);
    buf_free(&out);
}

/* Members of gzip and frames of zstd one after another, empty ones, too. */
static void test_members(void **state)
{
    (void)state;
    struct buf packed, out;
    buf_init(&packed, 1 << 20);
    buf_init(&out, 1 << 20);
    for (size_t k = 1; k < TC_ARRAY_LEN(packs); k++)
        for (size_t piece = 1; piece < 200; piece += 13) {
            buf_clear(&packed);
            packs[k](SV("one\n"), &packed);
            packs[k](SV(""), &packed);
            packs[k](SV("two\n"), &packed);
            if (k == 2) /* a skippable frame */
                buf_add(&packed, "\x50\x2A\x4D\x18\x03\0\0\0xyz", 11);
            assert_int_equal(read_all((struct source){buf_view(&packed), piece, false}, 3, &out, NULL), 0);
            assert_true(sv_is(buf_view(&out), "one\ntwo\n"));
        }
    buf_free(&packed);
    buf_free(&out);
}

/* Zeros behind the last member are padding; anything else is an error, not silently lost. */
static void test_what_follows_gzip(void **state)
{
    (void)state;
    struct buf packed, out;
    struct err err = {0};
    buf_init(&packed, 1 << 20);
    buf_init(&out, 1 << 20);
    pack_gzip(SV("one\n"), &packed);
    size_t n = packed.n;
    buf_add(&packed, "\0\0\0\0", 4);
    assert_int_equal(read_all((struct source){buf_view(&packed), 5, false}, 100, &out, &err), 0);
    packed.n = n;
    buf_str(&packed, "plain text\n");
    assert_int_equal(read_all((struct source){buf_view(&packed), 5, false}, 100, &out, &err), TC_EINPUT);
    assert_non_null(strstr(err.text, "not gzip"));
    assert_true(sv_is(buf_view(&out), "one\n"));
    buf_free(&packed);
    buf_free(&out);
}

/* What was good is delivered, then a clear error; at every place of a cut. */
static void test_truncated(void **state)
{
    (void)state;
    struct buf text, packed, out;
    struct sv whole = sample(&text);
    buf_init(&packed, 1 << 22);
    buf_init(&out, 1 << 22);
    for (size_t k = 1; k < TC_ARRAY_LEN(packs); k++) {
        buf_clear(&packed);
        packs[k](whole, &packed);
        for (size_t n = 4; n < packed.n; n += 97) {
            struct err err = {0};
            assert_int_equal(read_all((struct source){sv_make(packed.p, n), 4096, false}, 4096, &out, &err),
                             TC_EINPUT);
            assert_true(err.text[0] != '\0' && out.n <= whole.n);
            assert_memory_equal(out.p, whole.p, out.n);
        }
    }
    buf_free(&text);
    buf_free(&packed);
    buf_free(&out);
}

static void test_damaged(void **state)
{
    (void)state;
    struct buf text, packed, out;
    struct sv whole = sample(&text);
    buf_init(&packed, 1 << 22);
    buf_init(&out, 1 << 24);
    for (size_t k = 1; k < TC_ARRAY_LEN(packs); k++) {
        buf_clear(&packed);
        packs[k](whole, &packed);
        for (size_t i = 4; i < packed.n; i += 61) {
            struct err err = {0};
            packed.p[i] = (char)(packed.p[i] ^ 0x55);
            int64_t got = read_all((struct source){buf_view(&packed), 4096, false}, 4096, &out, &err);
            assert_true(got < 0 ? err.text[0] != '\0' : true);
            packed.p[i] = (char)(packed.p[i] ^ 0x55);
        }
    }
    buf_free(&text);
    buf_free(&packed);
    buf_free(&out);
}

static void test_bomb(void **state)
{
    (void)state;
    struct buf packed, out;
    size_t n = 32 << 20;
    char *zeros = tc_alloc(n);
    buf_init(&packed, 64 << 20);
    buf_init(&out, 64 << 20);
    for (size_t k = 1; k < TC_ARRAY_LEN(packs); k++) {
        struct err err = {0};
        buf_clear(&packed);
        packs[k](sv_make(zeros, n), &packed);
        assert_true(packed.n < n / 100);
        assert_true(read_all((struct source){buf_view(&packed), 4096, false}, 1 << 16, &out, &err) < 0);
        assert_non_null(strstr(err.text, "100 times"));
        assert_true(out.n >= 1 << 20 && out.n < n);
        /* the first MiB is free */
        buf_clear(&packed);
        packs[k](sv_make(zeros, 1 << 20), &packed);
        assert_int_equal(read_all((struct source){buf_view(&packed), 4096, false}, 1 << 16, &out, &err), 0);
    }
    free(zeros);
    buf_free(&packed);
    buf_free(&out);
}

static void test_bytes(void **state)
{
    (void)state;
    struct buf text, packed, out;
    struct sv whole = sample(&text);
    struct err err;
    for (size_t k = 0; k < TC_ARRAY_LEN(packs); k++) {
        buf_init(&packed, 1 << 22);
        packs[k](whole, &packed);
        buf_init(&out, whole.n);
        assert_int_equal(unpack_bytes(buf_view(&packed), 100, &out, &err), 0);
        assert_true(sv_eq(buf_view(&out), whole));
        buf_free(&out);
        buf_init(&out, whole.n - 1);
        assert_int_equal(unpack_bytes(buf_view(&packed), 100, &out, &err), TC_EBOUND);
        buf_free(&out);
        buf_free(&packed);
    }
    buf_free(&text);
}

static void test_read_error(void **state)
{
    (void)state;
    struct buf packed, out;
    buf_init(&packed, 1 << 20);
    buf_init(&out, 1 << 20);
    for (size_t k = 0; k < TC_ARRAY_LEN(packs); k++) {
        struct err err = {0};
        buf_clear(&packed);
        packs[k](SV("some text"), &packed);
        assert_int_equal(read_all((struct source){sv_make(packed.p, 6), 6, true}, 100, &out, &err), TC_EIO);
        assert_string_equal(err.text, "the cable was pulled");
    }
    buf_free(&packed);
    buf_free(&out);
}

static void test_open(void **state)
{
    (void)state;
    struct unpack *unpack = NULL;
    struct err err;
    assert_int_equal(unpack_open("/nonexistent/file", &unpack, &err), TC_EIO);
    assert_null(unpack);
    char path[] = "/tmp/unpack_test_XXXXXX", text[16];
    int file = mkstemp(path);
    struct buf packed;
    buf_init(&packed, 8 << 20);
    pack_gzip(SV("hello"), &packed);
    assert_int_equal(write(file, packed.p, packed.n), packed.n);
    close(file);
    assert_int_equal(unpack_open(path, &unpack, &err), 0);
    assert_int_equal(unpack_read(unpack, text, sizeof text, &err), 5);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(unpack_read(unpack, text, sizeof text, &err), 0);
    unpack_free(&unpack);
    /* a recording that repeats itself is no bomb */
    char *log = tc_alloc(4 << 20);
    for (size_t i = 0; i < 4 << 20; i += 32)
        memcpy(log + i, "the same line again and again..\n", 32);
    buf_clear(&packed);
    pack_gzip(sv_make(log, 4 << 20), &packed);
    assert_true(packed.n < (4 << 20) / 200);
    assert_int_equal(truncate(path, 0), 0);
    file = open(path, O_WRONLY);
    assert_int_equal(write(file, packed.p, packed.n), packed.n);
    close(file);
    assert_int_equal(unpack_open(path, &unpack, &err), 0);
    int64_t got, sum = 0;
    while ((got = unpack_read(unpack, log, 1 << 16, &err)) > 0)
        sum += got;
    assert_int_equal(got, 0);
    assert_int_equal(sum, 4 << 20);
    unpack_free(&unpack);
    free(log);
    unlink(path);
    buf_free(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),     cmocka_unit_test(test_small),
        cmocka_unit_test(test_members),    cmocka_unit_test(test_what_follows_gzip),
        cmocka_unit_test(test_truncated),  cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_bomb),       cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_read_error), cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
