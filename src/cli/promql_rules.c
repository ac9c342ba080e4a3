/*
 * `tocsin check --rules FILE`: Prometheus' rule files, as promtool judges them.
 */
#include "cli/promql_rules.h"

#include "base/arena.h"
#include "base/fs.h"
#include "metrics/promql/rule_file.h"

#include <stdio.h>
#include <stdlib.h>

enum { RULE_FILE_MAX = 8 << 20 };

static void show_error(void *context, const char *text)
{
    fprintf(stderr, "%s: %s\n", (const char *)context, text);
}

enum cli_exit check_promql_rules(const struct cli_args *args, const char *const *files, size_t count)
{
    enum cli_exit code = CLI_DONE;
    for (size_t i = 0; i < count; i++) {
        char *name = tc_strdup(files[i]);
        struct rule_file_report report = {.on_error = show_error, .context = name};
        struct err err = {0};
        struct buf text;
        buf_init(&text, RULE_FILE_MAX);
        int rc = fs_read_file(&fs_system, files[i], &text, &err);
        if (rc == 0)
            rc = rule_file_check(buf_view(&text), files[i], &report, &err);
        if (rc != 0)
            cli_fail_err(args, &err);
        else if (report.errors == 0)
            printf("%s: %zu rules found\n", files[i], report.rules);
        else
            printf("%s: %zu errors\n", files[i], report.errors);
        if (rc != 0 || report.errors > 0)
            code = CLI_USAGE;
        buf_free(&text);
        free(name);
    }
    return code;
}
