/*
 * Two texts at once give what nettle gives for each: every length around the borders of blocks, parts cut
 * anywhere, and pairs of different length.
 */
#include "base/sha256_two.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BYTES = 1500 };
static char bytes[BYTES];

static struct sha256_text cut(size_t from, size_t n, unsigned seed)
{
    struct sv rest = sv_make(bytes + from, n);
    struct sha256_text text = {0};
    for (size_t i = 0; i + 1 < TC_SHA256_PARTS_MAX; i++) {
        size_t take = rest.n == 0 ? 0 : (seed = seed * 1103515245 + 12345) / 65536 % (rest.n + 1);
        text.parts[i] = sv_head(rest, take);
        rest = sv_from(rest, take);
    }
    text.parts[TC_SHA256_PARTS_MAX - 1] = rest;
    return text;
}

static void test_as_nettle(void **state)
{
    (void)state;
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * 131 + i / 7);
    for (size_t n = 0; n < 300; n++)
        for (unsigned seed = 1; seed < 8; seed++) {
            size_t other = (n * 37 + seed * 101) % 1000;
            struct sha256_text texts[2] = {cut(seed, n, seed), cut(0, other, seed + 77)};
            uint8_t out[2][TC_SHA256_BYTES], plain[2][TC_SHA256_BYTES], one[TC_SHA256_BYTES];
            hash_sha256_two(texts, out);
            hash_sha256_two_plain(texts, plain);
            assert_memory_equal(out, plain, sizeof out);
            hash_sha256(sv_make(bytes + seed, n), one);
            assert_memory_equal(out[0], one, sizeof one);
            hash_sha256(sv_make(bytes, other), one);
            assert_memory_equal(out[1], one, sizeof one);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_nettle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
