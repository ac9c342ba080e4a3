/*
 * `tocsin promql`: checks, prints and evaluates one PromQL expression.
 */
#include "cli/cli.h"

#include "metrics/promql/parser.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"check", OPTION_FLAG, NULL, "only check the expression"},
    {"print", OPTION_FLAG, NULL, "print the expression in its canonical form"},
    {0},
};

static enum cli_exit promql_run(const struct cli_args *args)
{
    const char *const *operands;
    struct promql_parse parse = {0};
    struct err err = {0};
    cli_operands(args, &operands);
    enum cli_exit code = CLI_DONE;
    if (promql_parse(&parse, sv_of(operands[0]), &err) != 0)
        code = cli_fail_err(args, &err);
    else if (cli_flag(args, "print")) {
        struct buf out;
        buf_init(&out, 16 << 20);
        promql_print(&out, parse.expr);
        printf("%.*s\n", SV_FMT(buf_view(&out)));
        buf_free(&out);
    }
    promql_parse_free(&parse);
    return code;
}

const struct verb verb_promql = {
    .name = "promql",
    .operands = "EXPR",
    .summary = "check, print or evaluate a PromQL expression",
    .details = NULL,
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = promql_run,
};
