/*
 * Folding many bytes at a time against folding one by one: every length, bytes beyond ASCII at every place,
 * in memory that ends where the value ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"
#include "detect/fold.h"

enum { LENGTH_MAX = 100 };

static size_t fold_plainly(char *to, struct sv value)
{
    size_t n = 0;
    for (; n < value.n && (unsigned char)value.p[n] < 0x80; n++)
        to[n] = value.p[n] >= 'A' && value.p[n] <= 'Z' ? (char)(value.p[n] + 32) : value.p[n];
    return n;
}

static void check(struct sv text)
{
    char *value = tc_alloc(text.n + (text.n == 0)), *fast = tc_alloc(text.n + (text.n == 0)),
         plain[LENGTH_MAX + 1];
    if (text.n > 0)
        memcpy(value, text.p, text.n);
    size_t n = fold_plainly(plain, text);
    assert_int_equal(fold_ascii(fast, sv_make(value, text.n)), n);
    assert_memory_equal(fast, plain, n);
    free(value);
    free(fast);
}

static void test_fold_as_byte_by_byte(void **state)
{
    (void)state;
    struct sim_rng rng;
    char text[LENGTH_MAX];
    sim_rng_init(&rng, 4);
    for (size_t round = 0; round < 40; round++)
        for (size_t n = 0; n <= LENGTH_MAX; n++) {
            for (size_t i = 0; i < n; i++)
                text[i] = (char)(rng_u64(&rng.rng) % 128);
            check(sv_make(text, n));
            for (size_t i = 0; i < n; i += 1 + round) { /* one byte that is not ASCII */
                char was = text[i];
                text[i] = (char)(0x80 + rng_u64(&rng.rng) % 128);
                check(sv_make(text, n));
                text[i] = was;
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fold_as_byte_by_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
