/*
 * `tocsin promql`: checks, prints and evaluates one PromQL expression over files.
 */
#include "base/clk.h"
#include "base/fs.h"
#include "base/go_text.h"
#include "cli/cli.h"
#include "cli/promql_option.h"
#include "metrics/exposition/load.h"
#include "metrics/prom_duration.h"
#include "metrics/promql/result_json.h"
#include "metrics/promql/test_language.h"

#include <math.h>
#include <stdio.h>

enum { DATA_FILE_MAX = 256 << 20, DATA_PATH_MAX = 4096, PROMQL_OUT_MAX = 256 << 20 };

static const struct option_spec options[] = {
    {"check", OPTION_FLAG, NULL, "only check the expression"},
    {"print", OPTION_FLAG, NULL, "print the expression in its canonical form"},
    {"data", OPTION_VALUE, "PATH", "a file with samples, or a directory of them"},
    {"at", OPTION_VALUE, "TIME", "evaluate at that time: seconds, or RFC 3339 (default 0)"},
    {"start", OPTION_VALUE, "TIME", "with --end and --step: evaluate over a range"},
    {"end", OPTION_VALUE, "TIME", "the range's end"},
    {"step", OPTION_VALUE, "DURATION", "the range's step: 15s, 1m"},
    {"enable-feature", OPTION_VALUE, "NAME",
     "promql-delayed-name-removal: names of metrics go at the very end"},
    {"format", OPTION_VALUE, "WORD", "table (default) or json, in the shape of Prometheus' HTTP API"},
    {0},
};

/* --- data --- */

struct data {
    const struct cli_args *args;
    struct memory_store *store;
    int64_t default_ms;
    const char *dir;
    int rc;
};

static int load_path(struct data *data, const char *path, bool named);

static void visit(void *context, const char *name)
{
    struct data *data = context;
    char path[DATA_PATH_MAX];
    if (data->rc == 0 && name[0] != '.' &&
        (size_t)snprintf(path, sizeof path, "%s/%s", data->dir, name) < sizeof path)
        data->rc = load_path(data, path, false);
}

static int load_file(struct data *data, const char *path)
{
    struct err err = {0};
    struct buf text;
    buf_init(&text, DATA_FILE_MAX);
    int rc = fs_read_file(&fs_system, path, &text, &err);
    bool test = sv_ends(sv_of(path), SV(".test")) || sv_starts(sv_trim(buf_view(&text)), SV("load"));
    if (rc == 0)
        rc = test ? promql_test_load(buf_view(&text), path, data->store, &err)
                  : exposition_load(buf_view(&text), path, data->default_ms, data->store, &err);
    buf_free(&text);
    if (rc != 0)
        cli_fail_err(data->args, &err);
    return rc;
}

/* Directories are not walked: only their own files are read. */
static int load_path(struct data *data, const char *path, bool named)
{
    struct fs_stat st;
    if (fs_system.stat(&fs_system, path, &st) != 0) {
        cli_fail(data->args, CLI_USAGE, "%s: no such file or directory", path);
        return TC_EINPUT;
    }
    if (!st.is_dir)
        return load_file(data, path);
    if (!named)
        return 0;
    data->dir = path;
    fs_system.list(&fs_system, path, visit, data);
    return data->rc;
}

/* --- times --- */

static bool take_time(const struct cli_args *args, const char *option, int64_t *ret_ms)
{
    const char *text = cli_value(args, option, "0");
    int64_t ns;
    double seconds;
    if (go_parse_float(sv_of(text), &seconds) && fabs(seconds) < 1e12) {
        *ret_ms = (int64_t)round(seconds * 1000);
        return true;
    }
    if (clk_parse_rfc3339(sv_of(text), 0, &ns)) {
        *ret_ms = ns / 1000000;
        return true;
    }
    cli_fail(args, CLI_USAGE, "--%s %s: it is a time in seconds or RFC 3339", option, text);
    return false;
}

static bool take_range(const struct cli_args *args, struct promql_options *o)
{
    const char *step = cli_value(args, "step", NULL);
    int64_t ns;
    struct err err = {0};
    if (step == NULL) {
        bool ok = take_time(args, "at", &o->start_ms);
        o->end_ms = o->start_ms;
        return ok;
    }
    if (!take_time(args, "start", &o->start_ms) || !take_time(args, "end", &o->end_ms))
        return false;
    if (prom_parse_duration(sv_of(step), &ns, &err) != 0 || ns < 1000000) {
        cli_fail(args, CLI_USAGE, "--step %s: it is a duration of a millisecond or more, such as 15s", step);
        return false;
    }
    o->step_ms = ns / 1000000;
    return true;
}

static bool take_features(const struct cli_args *args, struct promql_options *o)
{
    struct promql_features features = {0};
    struct err err = {0};
    if (promql_option_features(args, &features, &err) != 0) {
        cli_fail_err(args, &err);
        return false;
    }
    o->delayed_name_removal = features.delayed_name_removal; /* all else is on anyway */
    return true;
}

/* --- the answer --- */

static void print_table(const struct promql_result *r)
{
    struct buf out;
    buf_init(&out, PROMQL_OUT_MAX);
    if (r->type == VALUE_SCALAR)
        go_float_f(&out, r->scalar);
    else if (r->type == VALUE_STRING)
        go_quote(&out, r->string);
    for (size_t i = 0; i < r->count; i++) {
        const struct promql_series *s = &r->series[i];
        labels_format_series(&out, s->labels);
        buf_str(&out, " =>");
        for (size_t k = 0; k < s->n; k++) {
            buf_char(&out, r->type == VALUE_MATRIX ? '\n' : ' ');
            if (s->h != NULL && s->h[k] != NULL)
                histogram_format(&out, s->h[k]);
            else
                go_float_f(&out, s->f[k]);
            buf_printf(&out, " @[%lld]", (long long)s->t[k]);
        }
        buf_char(&out, '\n');
    }
    if (r->type == VALUE_SCALAR || r->type == VALUE_STRING)
        buf_char(&out, '\n');
    printf("%.*s", SV_FMT(buf_view(&out)));
    buf_free(&out);
    for (size_t i = 0; i < r->warning_count; i++)
        fprintf(stderr, "%.*s\n", SV_FMT(r->warnings[i]));
    for (size_t i = 0; i < r->info_count; i++)
        fprintf(stderr, "%.*s\n", SV_FMT(r->infos[i]));
}

static void print_json(const struct promql_result *r, int64_t at_ms)
{
    struct buf text;
    buf_init(&text, PROMQL_OUT_MAX);
    struct json_out out = json_out_to(&text);
    json_object(&out);
    json_kv_str(&out, "status", "success");
    json_key(&out, SV("data"));
    json_object(&out);
    promql_result_json(&out, r, at_ms, 0);
    json_object_end(&out);
    promql_annotations_json(&out, r, SIZE_MAX, SV(""));
    json_object_end(&out);
    printf("%.*s\n", SV_FMT(buf_view(&text)));
    buf_free(&text);
}

static enum cli_exit evaluate(const struct cli_args *args, struct sv expr)
{
    struct promql_options o = {0};
    struct promql_result result = {0};
    struct err err = {0};
    bool ok, as_json = cli_wants_json(args, false, &ok);
    if (!ok || !take_range(args, &o) || !take_features(args, &o))
        return CLI_USAGE;
    struct data data = {.args = args, .store = memory_store_new(), .default_ms = o.end_ms};
    const char *path = cli_value(args, "data", NULL);
    enum cli_exit code = path != NULL && load_path(&data, path, true) != 0 ? CLI_USAGE : CLI_DONE;
    struct series_source source = memory_store_source(data.store);
    if (code == CLI_DONE && promql_query(&source, expr, &o, &result, &err) != 0)
        code = cli_fail_err(args, &err);
    else if (code == CLI_DONE && as_json)
        print_json(&result, o.start_ms);
    else if (code == CLI_DONE)
        print_table(&result);
    promql_result_free(&result);
    memory_store_free(&data.store);
    return code;
}

static enum cli_exit promql_run(const struct cli_args *args)
{
    const char *const *operands;
    struct promql_parse parse = {0};
    struct err err = {0};
    cli_operands(args, &operands);
    if (!cli_flag(args, "check") && !cli_flag(args, "print"))
        return evaluate(args, sv_of(operands[0]));
    enum cli_exit code = CLI_DONE;
    if (promql_parse(&parse, sv_of(operands[0]), &err) != 0) {
        code = cli_fail_err(args, &err);
    } else if (cli_flag(args, "print")) {
        struct buf out;
        buf_init(&out, PROMQL_OUT_MAX);
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
    .details =
        "The language is that of Prometheus 3 with its extensions. --data names a file or a directory of "
        "files: samples in\n"
        "Prometheus' text format or OpenMetrics with timestamps, or `load` blocks of Prometheus' test "
        "language. Write -- before\n"
        "an expression that begins with a dash. Exit code 2 with line and column where the expression is "
        "wrong.",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = promql_run,
};
