/*
 * `tocsin test promql FILE...`: runs files in Prometheus' language for testing PromQL engines.
 */
#include "cli/cmd_test_promql.h"

#include "base/fs.h"
#include "metrics/promql/test_language.h"

#include <stdio.h>

enum { PROMQL_TEST_FILE_MAX = 64 << 20 };

struct shown {
    const char *file;
};

static void show_failure(void *context, unsigned line, const char *text)
{
    const struct shown *shown = context;
    printf("FAILED %s:%u: %s\n", shown->file, line, text);
}

enum cli_exit cmd_test_promql(const struct cli_args *args)
{
    const char *const *files;
    size_t count = cli_operands(args, &files), passed = 0, failed = 0;
    bool unusable = count < 2;
    if (unusable)
        cli_fail(args, CLI_USAGE, "too few operands: usage: tocsin test promql FILE...");
    for (size_t i = 1; i < count; i++) {
        struct shown shown = {files[i]};
        struct promql_test_report report = {.on_failure = show_failure, .context = &shown};
        struct err err = {0};
        struct buf text;
        buf_init(&text, PROMQL_TEST_FILE_MAX);
        int rc = fs_read_file(&fs_system, files[i], &text, &err);
        if (rc == 0)
            rc = promql_test_run(buf_view(&text), files[i], &report, &err);
        buf_free(&text);
        if (rc != 0) {
            cli_fail_err(args, &err);
            unusable = true;
        }
        passed += report.passed;
        failed += report.failed;
    }
    printf("%zu passed, %zu failed\n", passed, failed);
    return unusable ? CLI_USAGE : failed > 0 ? CLI_FOUND : CLI_DONE;
}
