/*
 * `tocsin check`: says what is wrong with a configuration or with rules before they are used.
 */
#include "app/app.h"

#include "api/api.h"
#include "app/config.h"
#include "cli/promql_rules.h"
#include "cli/rules.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"config", OPTION_VALUE, "FILE", "check this configuration"},
    {"rules", OPTION_LIST, "FILE", "check this file of Prometheus rules (may be repeated)"},
    {"strict", OPTION_FLAG, NULL, "exit code 1 also for warnings"},
    {"reference", OPTION_FLAG, NULL, "print the reference of all configuration keys (Markdown)"},
    {0}};

static enum cli_exit check_rules(const struct cli_args *args, const char *const *paths, size_t count)
{
    struct arena arena = {0};
    struct ruleset *ruleset = NULL;
    struct rule_source *sources;
    size_t source_count;
    struct err err;
    enum cli_exit code = CLI_DONE;
    int rc = rules_collect(paths, count, &arena, &sources, &source_count, &err);
    if (rc == 0)
        rc = ruleset_new(sources, source_count, &ruleset, &err);
    if (rc != 0) {
        cli_fail_err(args, &err);
        code = CLI_USAGE;
    } else {
        size_t refused = rules_report(ruleset, true), warnings = ruleset_note_count(ruleset) - refused;
        printf("%zu files, %zu rules loaded, %zu refused, %zu warnings\n", source_count,
               ruleset_count(ruleset), refused, warnings);
        code = refused > 0 ? CLI_USAGE : warnings > 0 && cli_flag(args, "strict") ? CLI_FOUND : CLI_DONE;
    }
    ruleset_free(&ruleset);
    arena_free(&arena);
    return code;
}

/* As `run` would take it: who may come in, and the rules that it names. */
static enum cli_exit check_meaning(const struct cli_args *args, const struct config *config)
{
    struct err err;
    struct api_options door = {.listen = config->listen,
                               .store_path = "",
                               .console_url = config->console_url,
                               .tokens = config->tokens,
                               .token_count = config->token_count};
    if (api_check(&door, &err) != 0) {
        cli_fail_err(args, &err);
        return CLI_USAGE;
    }
    return config->rule_count > 0 ? check_rules(args, config->rules, config->rule_count) : CLI_DONE;
}

static enum cli_exit check_config(const struct cli_args *args, const char *path)
{
    struct config config;
    struct err err;
    enum cli_exit code = CLI_USAGE;
    config_defaults(&config);
    if (config_load(path, &config, &err) != 0)
        cli_fail_err(args, &err);
    else
        code = check_meaning(args, &config);
    config_free(&config);
    if (code == CLI_DONE)
        printf("%s: good\n", path);
    return code;
}

static enum cli_exit check_run(const struct cli_args *args)
{
    const char *const *paths, *const *rule_files;
    size_t count = cli_operands(args, &paths), rule_count = cli_list(args, "rules", &rule_files);
    const char *config = cli_value(args, "config", NULL);
    if (cli_flag(args, "reference")) {
        struct buf out;
        buf_init(&out, 1 << 20);
        config_reference(&out);
        fwrite(out.p, 1, out.n, stdout);
        buf_free(&out);
        return CLI_DONE;
    }
    if (config == NULL && count == 0 && rule_count == 0)
        return cli_fail(args, CLI_USAGE,
                        "nothing to check: give --config FILE, --rules FILE, or paths of rules");
    enum cli_exit code = check_promql_rules(args, rule_files, rule_count), config_code = CLI_DONE;
    if (config != NULL)
        config_code = check_config(args, config);
    code = TC_MAX(code, config_code);
    if (count > 0) {
        enum cli_exit rules = check_rules(args, paths, count);
        code = TC_MAX(code, rules);
    }
    return code;
}

const struct verb verb_check = {
    .name = "check",
    .operands = "[PATH...]",
    .summary = "check a configuration, or Sigma rule files and directories",
    .options = options,
    .min_operands = 0,
    .max_operands = 100000,
    .run = check_run,
};
