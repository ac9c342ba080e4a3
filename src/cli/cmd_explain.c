/*
 * `tocsin explain rule`: why a rule matches an event, or does not.
 *
 * The event is JSON on the command line, or the events of a file, read as `scan` reads them. What is printed
 * is detect/explain.h's: every part with its verdict.
 */
#include "base/clk.h"
#include "base/json_out.h"
#include "cli/cli.h"
#include "cli/explain_alert.h"
#include "cli/finding_out.h"
#include "cli/inputs.h"
#include "cli/rules.h"
#include "detect/explain.h"
#include "event/json.h"

#include <stdio.h>
#include <string.h>

static const struct option_spec options[] = {
    {"url", OPTION_VALUE, "URL", "alert: the server (default http://127.0.0.1:9797)"},
    {"rules", OPTION_LIST, "PATH",
     "rule files, or directories of them (default: the packs that the program carries; may be given again)"},
    {"pipeline", OPTION_LIST, "FILE|NAME", RULES_PIPELINE_HELP},
    {"input", OPTION_VALUE, "FORMAT", "how the file is read, as of scan (default auto)"},
    {"format", OPTION_VALUE, "table|json", "table (default), or json: one object for each event"},
    {0}};

enum { EXPLAIN_OUT_MAX = 64 << 20, EXPLAIN_SHOWN_BYTES = 200 };

struct explain_run {
    const struct cli_args *args;
    struct arena arena;
    struct ruleset *ruleset;
    size_t rule;
    bool as_json, matched;
    struct buf out;
    struct json_out json;
    unsigned open; /* objects that have begun, each with its list of parts */
};

static const char *const kinds[] = {
    [EXPLAIN_RULE] = "rule",           [EXPLAIN_LOGSOURCE] = "logsource", [EXPLAIN_CONDITION] = "condition",
    [EXPLAIN_SELECTION] = "selection", [EXPLAIN_GROUP] = "group",         [EXPLAIN_LINE] = "line",
    [EXPLAIN_VALUE] = "value",         [EXPLAIN_FIELD] = "field",         [EXPLAIN_RAISE] = "raise",
    [EXPLAIN_MEMORY] = "memory"};

static void close_to(struct explain_run *run, unsigned depth)
{
    for (; run->open > depth; run->open--) {
        json_array_end(&run->json);
        json_object_end(&run->json);
    }
}

static void step_json(struct explain_run *run, const struct explain_step *step)
{
    struct json_out *json = &run->json;
    close_to(run, step->depth);
    json_object(json);
    json_kv_str(json, "kind", kinds[step->kind]);
    json_kv_string(json, "text", step->text);
    json_kv_bool(json, "holds", step->holds);
    if (step->why != NULL)
        json_kv_str(json, "why", step->why);
    if (step->value_count > 0) {
        json_kv_string(json, "value", step->value);
        json_kv_u64(json, "values", step->value_count);
    }
    if (step->file != NULL)
        json_kv_str(json, "file", step->file);
    if (step->line > 0)
        json_kv_u64(json, "line", step->line);
    json_key(json, SV("parts"));
    json_array(json);
    run->open++;
}

static void step_table(struct explain_run *run, const struct explain_step *step)
{
    struct buf *out = &run->out;
    buf_printf(out, "%s %*s%s ", step->holds ? "yes" : "no ", (int)TC_MIN(step->depth, 40u) * 2, "",
               kinds[step->kind]);
    terminal_text(out, sv_head(step->text, EXPLAIN_SHOWN_BYTES));
    if (step->why != NULL)
        buf_printf(out, ": %s", step->why);
    if (step->value_count > 0) {
        buf_str(out, " [");
        terminal_text(out, sv_head(step->value, EXPLAIN_SHOWN_BYTES));
        if (step->value_count > 1)
            buf_printf(out, ", and %zu more", step->value_count - 1);
        buf_char(out, ']');
    }
    if (step->file != NULL)
        buf_printf(out, " (%s:%u)", step->file, step->line);
    else if (step->line > 0)
        buf_printf(out, " (line %u)", step->line);
    buf_char(out, '\n');
}

static void take_step(void *context, const struct explain_step *step)
{
    struct explain_run *run = context;
    if (run->as_json)
        step_json(run, step);
    else
        step_table(run, step);
}

static void explain_event(struct explain_run *run, const struct event *event)
{
    buf_clear(&run->out);
    run->json = json_out_to(&run->out);
    run->open = 0;
    run->matched |= explain_rule(run->ruleset, run->rule, event, take_step, run);
    if (run->as_json) {
        close_to(run, 0);
        buf_char(&run->out, '\n');
    }
    fwrite(run->out.p, 1, run->out.n, stdout);
}

static enum cli_exit explain_text(struct explain_run *run, const char *text, const struct parser *parser)
{
    struct event event = {.time = {TC_NO_TIME}, .repeat = 1};
    struct parse_state state;
    struct err err = {0};
    if (parser == NULL) {
        parser = parser_find(SV("json"));
        if (json_check(sv_of(text), &err) != 0) {
            cli_fail_err(run->args, &err);
            return CLI_USAGE;
        }
    }
    parse_state_init(&state, 0, 0, clk_now(&clk_system).ns);
    parse_record(parser, &state, sv_of(text), &run->arena, &event);
    explain_event(run, &event);
    return CLI_DONE;
}

static enum cli_exit explain_file(struct explain_run *run, const char *file, const struct parser *parser)
{
    struct inputs_options in = {
        .files = &file, .file_count = 1, .parser = parser, .now_ns = clk_now(&clk_system).ns};
    struct inputs *inputs;
    struct err err;
    const struct input_event *const *events;
    size_t count;
    int rc;
    if (inputs_open(&in, &inputs, &err) != 0) {
        cli_fail_err(run->args, &err);
        return CLI_USAGE;
    }
    while ((rc = inputs_next(inputs, &events, &count, &err)) > 0)
        for (size_t i = 0; i < count; i++)
            explain_event(run, &events[i]->event);
    if (rc < 0)
        cli_fail_err(run->args, &err);
    inputs_close(&inputs);
    return rc < 0 ? CLI_USAGE : CLI_DONE;
}

static int load(struct explain_run *run, struct err *err)
{
    const char *const *paths, *const *pipelines;
    size_t path_count = cli_list(run->args, "rules", &paths), count;
    size_t pipeline_count = cli_list(run->args, "pipeline", &pipelines);
    struct rule_source *sources;
    int rc = 0;
    if (path_count > 0)
        rc = rules_collect(paths, path_count, &run->arena, &sources, &count, err);
    else
        count = rules_shipped(&run->arena, &sources);
    if (rc == 0)
        rc = rules_pipelines(pipelines, pipeline_count, &run->arena, &sources, &count, err);
    return rc == 0 ? ruleset_new(sources, count, &run->ruleset, err) : rc;
}

static enum cli_exit explain(struct explain_run *run, const char *rule, const char *event)
{
    const char *input = cli_value(run->args, "input", "auto");
    const struct parser *parser = strcmp(input, "auto") == 0 ? NULL : parser_find(sv_of(input));
    struct err err;
    if (parser == NULL && strcmp(input, "auto") != 0)
        return cli_fail(run->args, CLI_USAGE, "--input %s: there is no such format", input);
    if (load(run, &err) != 0) {
        cli_fail_err(run->args, &err);
        return CLI_USAGE;
    }
    run->rule = explain_find(run->ruleset, sv_of(rule));
    if (run->rule == SIZE_MAX) {
        rules_report(run->ruleset, false);
        return cli_fail(run->args, CLI_USAGE, "no loaded rule has the id, name or title \"%s\"", rule);
    }
    if (event[0] == '{')
        return explain_text(run, event, parser);
    return explain_file(run, event, parser);
}

static enum cli_exit explain_run(const struct cli_args *args)
{
    const char *const *operands;
    bool ok;
    struct explain_run run = {.args = args};
    cli_operands(args, &operands);
    run.as_json = cli_wants_json(args, false, &ok);
    if (!ok)
        return CLI_USAGE;
    if (strcmp(operands[0], "alert") == 0)
        return explain_alert(args, operands[1], run.as_json);
    if (strcmp(operands[0], "rule") != 0 || cli_operands(args, &operands) < 3)
        return cli_fail(args, CLI_USAGE, "explain %s: it is explain rule RULE EVENT, or explain alert ID",
                        operands[0]);
    buf_init(&run.out, EXPLAIN_OUT_MAX);
    enum cli_exit code = explain(&run, operands[1], operands[2]);
    buf_free(&run.out);
    ruleset_free(&run.ruleset);
    arena_free(&run.arena);
    return code != CLI_DONE ? code : run.matched ? CLI_DONE : CLI_FOUND;
}

const struct verb verb_explain = {
    .name = "explain",
    .operands = "rule|alert RULE|ID [EVENT]",
    .summary = "why a rule matches an event, or an alert was told to somebody, or not",
    .details = "RULE is an id, a name or a title; EVENT is a JSON object, or a file whose events are each "
               "explained. Every\n"
               "selection, line and value is shown with its verdict. Exit code 1 where no event matches.\n"
               "`alert` asks a running server: each stage says why, and when the next step of the escalation "
               "is due.",
    .options = options,
    .min_operands = 2,
    .max_operands = 3,
    .run = explain_run,
};
