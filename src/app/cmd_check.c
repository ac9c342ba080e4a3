/*
 * `tocsin check`: says what is wrong with a configuration or with rules before they are used.
 */
#include "app/app.h"

#include "api/api.h"
#include "app/config.h"
#include "base/json_out.h"
#include "cli/rules.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"config", OPTION_VALUE, "FILE", "check this configuration"},
    {"pipeline", OPTION_LIST, "FILE|NAME",
     "change the rules by this processing pipeline before they are read: a file, or one that the program "
     "carries "
     "(may be given again)"},
    {"format", OPTION_VALUE, "table|json",
     "how what is found is told: lines on standard error (table), or one JSON object a line on standard "
     "output"},
    {"strict", OPTION_FLAG, NULL, "exit code 1 also for warnings"},
    {"reference", OPTION_FLAG, NULL, "print the reference of all configuration keys (Markdown)"},
    {0}};

/* Returns how many are refusals. */
static size_t notes_json(const struct ruleset *ruleset)
{
    struct buf out;
    size_t refused = 0;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < ruleset_note_count(ruleset); i++) {
        const struct rule_note *note = ruleset_note(ruleset, i);
        struct json_out json = json_out_to(&out);
        refused += note->verdict == RULE_REFUSED;
        buf_clear(&out);
        json_object(&json);
        json_kv_str(&json, "verdict", note->verdict == RULE_REFUSED ? "error" : "warning");
        json_kv_str(&json, "construct", note->construct);
        json_kv_str(&json, "file", note->err.file);
        json_kv_u64(&json, "line", note->err.line);
        json_kv_u64(&json, "column", note->err.column);
        json_kv_str(&json, "text", note->err.text);
        json_object_end(&json);
        buf_char(&out, '\n');
        fwrite(out.p, 1, out.n, stdout);
    }
    buf_free(&out);
    return refused;
}

static enum cli_exit check_rules(const struct cli_args *args, const char *const *paths, size_t count,
                                 const char *const *pipelines, size_t pipeline_count)
{
    struct arena arena = {0};
    struct ruleset *ruleset = NULL;
    struct rule_source *sources;
    size_t source_count;
    struct err err;
    enum cli_exit code = CLI_DONE;
    bool ok, as_json = cli_wants_json(args, false, &ok);
    if (!ok)
        return CLI_USAGE;
    int rc = rules_collect(paths, count, &arena, &sources, &source_count, &err);
    if (rc == 0)
        rc = rules_pipelines(pipelines, pipeline_count, &arena, &sources, &source_count, &err);
    if (rc == 0)
        rc = ruleset_new(sources, source_count, &ruleset, &err);
    if (rc != 0) {
        cli_fail_err(args, &err);
        code = CLI_USAGE;
    } else {
        size_t refused = as_json ? notes_json(ruleset) : rules_report(ruleset, true),
               warnings = ruleset_note_count(ruleset) - refused;
        fprintf(as_json ? stderr : stdout, "%zu files, %zu rules loaded, %zu refused, %zu warnings\n",
                source_count, ruleset_count(ruleset), refused, warnings);
        code = refused > 0 ? CLI_USAGE : warnings > 0 && cli_flag(args, "strict") ? CLI_FOUND : CLI_DONE;
    }
    ruleset_free(&ruleset);
    arena_free(&arena);
    return code;
}

static enum cli_exit check_config_rules(const struct cli_args *args, const struct config *config)
{
    struct arena arena = {0};
    size_t count = config->rule_count + config->placeholder_count;
    const char **paths = ARENA_ARRAY(&arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        paths[i] = i < config->rule_count ? config->rules[i] : config->placeholders[i - config->rule_count];
    enum cli_exit code =
        count > 0 ? check_rules(args, paths, count, config->pipelines, config->pipeline_count) : CLI_DONE;
    arena_free(&arena);
    return code;
}

static bool check_geoip(const struct cli_args *args, const struct config *config)
{
    struct geoip_files *files;
    struct err err;
    if (geoip_files_open(&fs_system, config->geoip, config->geoip_count, &files, &err) != 0) {
        cli_fail_err(args, &err);
        return false;
    }
    geoip_files_close(&files);
    return true;
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
    return check_geoip(args, config) ? check_config_rules(args, config) : CLI_USAGE;
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
    const char *const *paths;
    size_t count = cli_operands(args, &paths);
    const char *config = cli_value(args, "config", NULL);
    if (cli_flag(args, "reference")) {
        struct buf out;
        buf_init(&out, 1 << 20);
        config_reference(&out);
        fwrite(out.p, 1, out.n, stdout);
        buf_free(&out);
        return CLI_DONE;
    }
    if (config == NULL && count == 0)
        return cli_fail(args, CLI_USAGE, "nothing to check: give --config FILE, or paths of rules");
    enum cli_exit code = config != NULL ? check_config(args, config) : CLI_DONE;
    if (count > 0) {
        const char *const *pipelines;
        size_t pipeline_count = cli_list(args, "pipeline", &pipelines);
        enum cli_exit rules = check_rules(args, paths, count, pipelines, pipeline_count);
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
