/*
 * `tocsin check`: says what is wrong with a configuration or with rules before they are used.
 */
#include "app/app.h"

#include "api/api.h"
#include "app/config.h"
#include "app/oncall_files.h"
#include "base/json_out.h"
#include "cli/alertmanager_file.h"
#include "cli/check_prometheus.h"
#include "cli/journal_seen.h"
#include "cli/parsers.h"
#include "cli/promql_option.h"
#include "cli/rules.h"
#include "event/policy.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"config", OPTION_VALUE, "FILE", "check this configuration"},
    {"parsers", OPTION_LIST, "PATH",
     "check these files of parsers and run their examples (a file, or a directory with *.yml and *.yaml)"},
    {"shipped-parsers", OPTION_FLAG, NULL, "check the parsers that the program ships in the same way"},
    {"rules", OPTION_LIST, "FILE", "check this file of Prometheus rules (may be repeated)"},
    {"alertmanager", OPTION_VALUE, "FILE", "check this alertmanager.yml as Alertmanager would"},
    {"enable-feature", OPTION_VALUE, "FEATURE",
     "as the flag of the name, with --alertmanager: classic-mode or utf8-strict-mode; with --rules: "
     "Prometheus' feature flags of PromQL, parted by commas (docs/promql.md)"},
    {"profile", OPTION_LIST, "FILE|NAME", RULES_PROFILE_HELP},
    {"pipeline", OPTION_LIST, "FILE|NAME", RULES_PIPELINE_HELP},
    {"data", OPTION_VALUE, "DIR",
     "warn of log sources and fields that rules ask and that no event in this data directory's journal has"},
    {"format", OPTION_VALUE, "table|json",
     "how what is found is told: lines on standard error (table), or one JSON object a line on standard "
     "output"},
    {"strict", OPTION_FLAG, NULL, "exit code 1 also for warnings"},
    {"reference", OPTION_FLAG, NULL, "print the reference of all configuration keys (Markdown)"},
    {0}};

struct under { /* what rules are judged under */
    struct sv policy_text;
    const char *const *pipelines;
    size_t pipeline_count;
    const char *const *profiles;
    size_t profile_count;
    bool packs; /* with the shipped ones, which the profiles may name */
};

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

/* --data: what the rules ask that nobody sends. */
static int check_seen(const struct cli_args *args, struct ruleset *ruleset, struct err *err)
{
    const char *dir = cli_value(args, "data", NULL);
    if (dir == NULL)
        return 0;
    struct seen *seen = seen_new();
    int rc = journal_seen(dir, seen, err);
    if (rc == 0 && seen_events(seen) == 0)
        rc = err_set(err, TC_EINPUT, "%s: its journal holds no event, so it says nothing about fields", dir);
    if (rc == 0)
        seen_lint(seen, ruleset);
    seen_free(&seen);
    return rc;
}

static void add_packs(struct arena *arena, struct rule_source **io_sources, size_t *io_count)
{
    struct rule_source *packs;
    size_t count = rules_shipped(arena, &packs);
    struct rule_source *all = ARENA_ARRAY(arena, struct rule_source, *io_count + count + 1);
    if (*io_count > 0)
        memcpy(all, *io_sources, *io_count * sizeof all[0]);
    memcpy(all + *io_count, packs, count * sizeof packs[0]);
    *io_sources = all;
    *io_count += count;
}

static enum cli_exit check_rules(const struct cli_args *args, const char *const *paths, size_t count,
                                 const struct under *under)
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
    if (rc == 0 && under->packs)
        add_packs(&arena, &sources, &source_count);
    struct policy *policy = NULL;
    if (rc == 0)
        rc = rules_pipelines(under->pipelines, under->pipeline_count, &arena, &sources, &source_count, &err);
    if (rc == 0)
        rc = rules_profiles(under->profiles, under->profile_count, &arena, &sources, &source_count, &err);
    if (rc == 0)
        rc = policy_new(under->policy_text, &policy, &err);
    if (rc == 0)
        rc = ruleset_new_under(sources, source_count, policy, &ruleset, &err);
    if (rc == 0)
        rc = check_seen(args, ruleset, &err);
    policy_free(&policy);
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
    struct under under = {config->policy_text, config->pipelines,     config->pipeline_count,
                          config->profiles,    config->profile_count, false};
    under.packs = config->shipped_packs && config->profile_count > 0;
    enum cli_exit code = count > 0 || under.packs ? check_rules(args, paths, count, &under) : CLI_DONE;
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

static int check_parser_files(const struct cli_args *args, struct parser_files *own, size_t *ret_examples,
                              struct err *err)
{
    const char *const *paths;
    size_t count = cli_list(args, "parsers", &paths);
    int rc = parsers_open(paths, count, own, err);
    if (rc == 0 && cli_flag(args, "shipped-parsers"))
        rc = parsers_read_shipped(own, err);
    return rc == 0 ? parser_library_check(own->library, ret_examples, err) : rc;
}

static enum cli_exit check_parsers(const struct cli_args *args)
{
    struct parser_files own = {0};
    struct err err;
    size_t examples = 0;
    int rc = check_parser_files(args, &own, &examples, &err);
    if (rc == 0)
        printf("%zu parsers, %zu examples hold\n", parser_library_count(own.library), examples);
    else
        cli_fail_err(args, &err);
    parsers_close(&own);
    return rc == 0 ? CLI_DONE : CLI_USAGE;
}

/* The packs that `run` would load, under the policy: only what is wrong is told. */
static enum cli_exit check_shipped(const struct cli_args *args, struct sv policy_text)
{
    struct arena arena = {0};
    struct rule_source *sources;
    struct ruleset *ruleset = NULL;
    struct policy *policy = NULL;
    struct err err;
    size_t count = rules_shipped(&arena, &sources), refused = 0;
    int rc = policy_new(policy_text, &policy, &err);
    if (rc == 0)
        rc = ruleset_new_under(sources, count, policy, &ruleset, &err);
    if (rc == 0)
        refused = rules_report(ruleset, false);
    ruleset_free(&ruleset);
    policy_free(&policy);
    arena_free(&arena);
    return rc != 0 ? cli_fail_err(args, &err) : refused > 0 ? CLI_USAGE : CLI_DONE;
}

/* `metrics.rule_files`, with promtool's words. */
static enum cli_exit check_metric_rules(const struct cli_args *args, const struct config *config)
{
    struct arena arena = {0};
    struct err err = {0};
    const char *const *paths;
    size_t count;
    enum cli_exit code;
    if (metric_rule_files_find(config->metric_rules.files, config->metric_rules.file_count, &arena, &paths,
                               &count, &err) != 0)
        code = cli_fail_err(args, &err);
    else
        code = check_prometheus(paths, count, &config->metric_rules.features, cli_flag(args, "strict"));
    arena_free(&arena);
    return code;
}

static void say_gap(void *context, const struct oncall_schedule *schedule, int64_t from_ns, int64_t to_ns)
{
    char from[TC_RFC3339_MAX], to[TC_RFC3339_MAX];
    clk_rfc3339(from_ns, from);
    clk_rfc3339(to_ns, to);
    fprintf(stderr, "%s:%u: warning: schedule %.*s has nobody from %s to %s\n", (const char *)context,
            schedule->line, SV_FMT(schedule->name), from, to);
}

/* People and policies as `run` would read them; hours without anybody are warnings. */
static enum cli_exit check_oncall(const struct cli_args *args, const struct config *config)
{
    struct arena arena = {0};
    struct oncall_files files;
    struct oncall *oncall = NULL;
    struct err err;
    int rc = oncall_files_read(config, &arena, &files, &err);
    if (rc == 0)
        rc = oncall_files_parse(&files, &oncall, &err);
    enum cli_exit code = rc == 0 ? CLI_DONE : cli_fail_err(args, &err);
    size_t gaps = rc != 0 || config->oncall == NULL ? 0
                                                    : oncall_gaps(oncall, clk_now(&clk_system).ns, say_gap,
                                                                  (void *)(uintptr_t)config->oncall);
    oncall_free(&oncall);
    arena_free(&arena);
    return gaps > 0 && cli_flag(args, "strict") ? TC_MAX(code, CLI_FOUND) : code;
}

/* Errors have refused the configuration already: what is left are sections of a Prometheus file that are not
 * read. */
static enum cli_exit check_scrape(const struct cli_args *args, const struct config *config)
{
    const struct rule_problems *problems = &config->scrape.problems;
    for (const struct rule_problem *p = problems->first; p != NULL; p = p->next)
        fprintf(stderr, "%s:%u:%u: warning: %.*s\n",
                config->prometheus_config == NULL ? "scrape_configs" : config->prometheus_config, p->line,
                p->column, SV_FMT(p->text));
    return problems->warnings > 0 && cli_flag(args, "strict") ? CLI_FOUND : CLI_DONE;
}

/* As `run` would take it: who may come in, and the rules that it names. */
static enum cli_exit check_meaning(const struct cli_args *args, const struct config *config)
{
    struct err err;
    struct api_options door = {.listen = config->listen,
                               .store_path = "",
                               .console_url = config->console_url,
                               .tokens = config->tokens,
                               .token_count = config->token_count,
                               .people = config->people,
                               .person_count = config->person_count};
    if (api_check(&door, &err) != 0) {
        cli_fail_err(args, &err);
        return CLI_USAGE;
    }
    size_t examples;
    if (parser_library_check(config->parsers.library, &examples, &err) != 0) {
        cli_fail_err(args, &err);
        return CLI_USAGE;
    }
    if (!check_geoip(args, config))
        return CLI_USAGE;
    static enum cli_exit (*const checks[])(const struct cli_args *, const struct config *) = {
        check_metric_rules, check_oncall, check_config_rules, check_scrape};
    enum cli_exit code = CLI_DONE;
    for (size_t i = 0; i < TC_ARRAY_LEN(checks); i++) {
        enum cli_exit one = checks[i](args, config);
        if (one == CLI_USAGE || one == CLI_FAILED)
            return one;
        code = TC_MAX(code, one);
    }
    if (config->rule_count == 0 && config->shipped_packs) {
        enum cli_exit shipped = check_shipped(args, config->policy_text);
        code = TC_MAX(code, shipped);
    }
    return code;
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

/* Alertmanager's verdict, in its words; remarks do not refuse the file. */
static enum cli_exit check_alertmanager(const struct cli_args *args, const char *path)
{
    struct am_config *config = NULL;
    struct err err = {0};
    enum am_matcher_mode mode;
    enum cli_exit code = CLI_DONE;
    if (!alertmanager_file_mode(args, &mode))
        return CLI_USAGE;
    int rc = alertmanager_file_read(args, path, &config, &err);
    if (rc == 0)
        rc = alertmanager_file_templates(config, path, &err);
    if (rc != 0) {
        code = cli_fail_err(args, &err);
    } else {
        for (const struct am_warning *w = config->warnings; w != NULL; w = w->next)
            fprintf(stderr, "%s:%u: warning: %s\n", path, w->line, w->text);
        code = config->warnings != NULL && cli_flag(args, "strict") ? CLI_FOUND : CLI_DONE;
        printf("%s: good: %zu receivers, %zu routes, %zu inhibit rules, %zu time intervals\n", path,
               config->receiver_count, config->route_count, config->inhibit_rule_count,
               config->interval_count);
    }
    am_config_free(config);
    return code;
}

/* What may be asked for, each by its own options; the worst verdict is the verb's. */
static bool asks_parsers(const struct cli_args *args)
{
    const char *const *paths;
    return cli_list(args, "parsers", &paths) > 0 || cli_flag(args, "shipped-parsers");
}

static bool asks_promql_rules(const struct cli_args *args)
{
    const char *const *files;
    return cli_list(args, "rules", &files) > 0;
}

/* Operands beside --rules are rule files, too. */
static enum cli_exit check_the_promql_rules(const struct cli_args *args)
{
    const char *const *files;
    size_t count = cli_list(args, "rules", &files);
    struct promql_features features = {0};
    struct err err = {0};
    if (promql_option_features(args, &features, &err) != 0)
        return cli_fail_err(args, &err);
    enum cli_exit named = check_prometheus(files, count, &features, cli_flag(args, "strict")),
                  more = CLI_DONE;
    count = cli_operands(args, &files);
    if (count > 0)
        more = check_prometheus(files, count, &features, cli_flag(args, "strict"));
    return TC_MAX(named, more);
}

static bool asks_config(const struct cli_args *args)
{
    return cli_value(args, "config", NULL) != NULL;
}

static enum cli_exit check_the_config(const struct cli_args *args)
{
    return check_config(args, cli_value(args, "config", NULL));
}

static bool asks_alertmanager(const struct cli_args *args)
{
    return cli_value(args, "alertmanager", NULL) != NULL;
}

static enum cli_exit check_the_alertmanager(const struct cli_args *args)
{
    return check_alertmanager(args, cli_value(args, "alertmanager", NULL));
}

static bool asks_paths(const struct cli_args *args)
{
    const char *const *paths;
    return cli_operands(args, &paths) > 0 && !asks_promql_rules(args);
}

static enum cli_exit check_the_paths(const struct cli_args *args)
{
    const char *const *paths;
    size_t count = cli_operands(args, &paths);
    struct under under = {0};
    under.pipeline_count = cli_list(args, "pipeline", &under.pipelines);
    under.profile_count = cli_list(args, "profile", &under.profiles);
    return check_rules(args, paths, count, &under);
}

static const struct {
    bool (*asked)(const struct cli_args *args);
    enum cli_exit (*check)(const struct cli_args *args);
} checks[] = {
    {asks_promql_rules, check_the_promql_rules},
    {asks_config, check_the_config},
    {asks_parsers, check_parsers},
    {asks_alertmanager, check_the_alertmanager},
    {asks_paths, check_the_paths},
};

static enum cli_exit check_run(const struct cli_args *args)
{
    bool any = false;
    enum cli_exit worst = CLI_DONE;
    if (cli_flag(args, "reference")) {
        struct buf out;
        buf_init(&out, 1 << 20);
        config_reference(&out);
        fwrite(out.p, 1, out.n, stdout);
        buf_free(&out);
        return CLI_DONE;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(checks); i++)
        if (checks[i].asked(args)) {
            enum cli_exit code = checks[i].check(args);
            worst = TC_MAX(worst, code);
            any = true;
        }
    return any ? worst
               : cli_fail(args, CLI_USAGE,
                          "nothing to check: give --config FILE, --rules FILE, --alertmanager FILE, "
                          "--parsers PATH, or paths of rules");
}

const struct verb verb_check = {
    .name = "check",
    .operands = "[PATH...]",
    .summary =
        "check a configuration, rules of Sigma or Prometheus, an alertmanager.yml, or files of parsers",
    .options = options,
    .min_operands = 0,
    .max_operands = 100000,
    .run = check_run,
};
