/*
 * Back-off and Retry-After as numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clk.h"
#include "notify/retry.h"

static const int64_t s = TC_SECOND_NS;

static void test_backoff_doubles_to_its_maximum_within_a_fifth(void **state)
{
    static const int64_t want_s[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    struct sim_rng rng;
    int64_t low = INT64_MAX, high = 0;
    (void)state;
    sim_rng_init(&rng, 1);
    for (uint32_t attempt = 1; attempt <= TC_ARRAY_LEN(want_s); attempt++)
        for (int i = 0; i < 200; i++) {
            int64_t got = retry_backoff(attempt, s, 300 * s, &rng.rng);
            assert_true(got >= want_s[attempt - 1] * s * 8 / 10 && got <= want_s[attempt - 1] * s * 12 / 10);
            if (attempt == 1) {
                low = TC_MIN(low, got);
                high = TC_MAX(high, got);
            }
        }
    assert_true(low < s * 85 / 100 && high > s * 115 / 100); /* it does jitter */
}

static void test_backoff_takes_any_numbers(void **state)
{
    struct sim_rng rng;
    (void)state;
    sim_rng_init(&rng, 2);
    assert_true(retry_backoff(UINT32_MAX, s, 300 * s, &rng.rng) <= 360 * s);
    assert_true(retry_backoff(UINT32_MAX, INT64_MAX, INT64_MAX, &rng.rng) <= TC_RETRY_AFTER_MAX_NS);
    assert_true(retry_backoff(0, 1, 1, &rng.rng) == 1);
    assert_true(retry_backoff(5, 10 * s, s, &rng.rng) <= s * 12 / 10);
}

static void test_retry_after_forms(void **state)
{
    int64_t now_ns = 784111777 * s; /* Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 */
    const struct {
        const char *header;
        int64_t want_ns;
    } rows[] = {
        {"2", 2 * s},
        {" 120 ", 120 * s},
        {"0", 0},
        {"3600", 3600 * s},
        {"3601", TC_RETRY_AFTER_MAX_NS},
        {"18446744073709551615", TC_RETRY_AFTER_MAX_NS},
        {"99999999999999999999999", -1},
        {"-1", -1},
        {"1.5", -1},
        {"", -1},
        {"soon", -1},
        {"Sun, 06 Nov 1994 08:50:07 GMT", 30 * s},
        {"Sunday, 06-Nov-94 08:50:07 GMT", 30 * s},
        {"Sun Nov  6 08:50:07 1994", 30 * s},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sat, 05 Nov 1994 08:49:37 GMT", 0},
        {"Fri, 31 Dec 2099 23:59:59 GMT", TC_RETRY_AFTER_MAX_NS},
        {"Fri, 31 Dec 9999 23:59:59 GMT", TC_RETRY_AFTER_MAX_NS},
        {"Fri, 32 Foo 1994 08:49:37 GMT", -1},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++) {
        int64_t got = retry_after(sv_of(rows[i].header), now_ns);
        if (got != rows[i].want_ns)
            fail_msg("\"%s\": %lld, not %lld", rows[i].header, (long long)got, (long long)rows[i].want_ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff_doubles_to_its_maximum_within_a_fifth),
        cmocka_unit_test(test_backoff_takes_any_numbers),
        cmocka_unit_test(test_retry_after_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
