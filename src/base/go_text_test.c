/*
 * Go's shortest decimals: they read back the same, and nothing shorter does.
 */
#include "base/go_text.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The first of 1 to 17 correctly rounded digits that reads back, as it would be printed without an exponent's
 * form: what the name says, at any cost. */
static void shortest(double v, char *ret, size_t room)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(ret, room, "%.*e", digits - 1, v);
        if (strtod(ret, NULL) == v)
            return;
    }
}

static void check(double v)
{
    char want[64], got[64];
    struct buf out;
    shortest(v, want, sizeof want);
    buf_init(&out, GO_FLOAT_MAX);
    go_format_float(&out, v, 'e', -1);
    snprintf(got, sizeof got, "%.*s", SV_FMT(buf_view(&out)));
    buf_free(&out);
    if (strcmp(want, got) != 0)
        fail_msg("%a: %s, not %s", v, got, want);
}

static void test_nothing_shorter_reads_back(void **state)
{
    (void)state;
    static const double some[] = {1,
                                  0.1,
                                  1.0 / 3,
                                  2.0 / 3,
                                  0.3,
                                  1e21,
                                  1e-7,
                                  123456.789,
                                  9007199254740993.0,
                                  5e-324,
                                  2.2250738585072014e-308,
                                  1.7976931348623157e308,
                                  9.5,
                                  99999999999999995.0,
                                  0.00015};
    struct sim_rng rng;
    sim_rng_init(&rng, 5);
    for (size_t i = 0; i < TC_ARRAY_LEN(some); i++) {
        check(some[i]);
        check(-some[i]);
    }
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t bits = rng_u64(&rng.rng);
        double v, small = (double)(bits % 1000003);
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            check(v);
        check(small / 57);
        check(small / 285 * 1.0526315789473684);
        check(round(small) / 1000);
        check(small * 0.1 + 0.2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_shorter_reads_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
