/*
 * What the progress line says of figures.
 */
#include "cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect(uint64_t done, uint64_t total, int64_t elapsed_ns, uint64_t findings, const char *text)
{
    char line[160];
    progress_line(done, total, elapsed_ns, findings, line, sizeof line);
    assert_string_equal(line, text);
}

static void test_lines(void **state)
{
    (void)state;
    expect(0, 0, 0, 0, "0 B, 0 B/s, 0 findings");
    expect(0, 1000, TC_SECOND_NS, 0, "  0% 0 B of 1000 B, 0 B/s, 0 findings");
    expect(512 << 10, 2 << 20, TC_SECOND_NS, 7,
           " 25% 512.0 KiB of 2.0 MiB, 512.0 KiB/s, 0:00:03 left, 7 findings");
    expect(5 << 20, 5 << 20, 2 * TC_SECOND_NS, 1,
           "100% 5.0 MiB of 5.0 MiB, 2.5 MiB/s, 0:00:00 left, 1 findings");
    /* a file that grew meanwhile */
    expect(2048, 1024, TC_SECOND_NS, 1, "100% 2.0 KiB of 1.0 KiB, 2.0 KiB/s, 1 findings");
    expect(1, UINT64_C(1) << 50, 3600 * TC_SECOND_NS, 0,
           "  0% 1 B of 1.0 PiB, 0 B/s, 99:59:59 left, 0 findings");
    expect(3 << 20, 0, TC_SECOND_NS, 12, "3.0 MiB, 3.0 MiB/s, 12 findings");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
