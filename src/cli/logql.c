/*
 * LogQL on the command line; see logql.h. NDJSON: {"time","line","labels"} a line, or
 * {"metric","time","value"} a value. CSV: the same as columns, labels in LogQL's form. Reads only; needs no
 * server.
 */
#include "cli/logql.h"

#include "base/json_out.h"
#include "cli/finding_out.h"
#include "query/answer.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

enum format { FORMAT_JSON, FORMAT_CSV, FORMAT_TABLE };

struct run {
    const struct cli_args *args;
    struct query_source source;
    struct logql *query;
    int64_t from_ns, to_ns, step_ns;
    bool from_given, histogram; /* step_ns is then the width of its steps */
    uint64_t limit, printed;
    enum format format;
    struct buf out;
};

static volatile sig_atomic_t interrupted;
static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static bool should_stop(void *context)
{
    (void)context;
    return interrupted != 0;
}

static void put_csv(struct buf *out, struct sv text)
{
    buf_char(out, '"');
    while (text.n > 0) {
        size_t at = sv_find_char(text, '"');
        buf_sv(out, sv_head(text, at));
        buf_str(out, at < text.n ? "\"\"" : "");
        text = sv_from(text, at + 1);
    }
    buf_char(out, '"');
}

static void put_labels_text(const struct run *run, const struct query_label *labels, size_t count,
                            struct buf *out)
{
    struct buf text;
    buf_init(&text, 1 << 22);
    query_labels_print(labels, count, &text);
    if (run->format == FORMAT_CSV)
        put_csv(out, buf_view(&text));
    else
        terminal_text(out, buf_view(&text));
    buf_free(&text);
}

static void flush(struct run *run)
{
    buf_char(&run->out, '\n');
    fwrite(run->out.p, 1, run->out.n, stdout);
    buf_clear(&run->out);
    run->printed++;
}

static void print_line(struct run *run, int64_t ns, struct sv line, const struct query_label *labels,
                       size_t count)
{
    struct buf *out = &run->out;
    char time[TC_RFC3339_MAX];
    clk_rfc3339(ns, time);
    if (run->format == FORMAT_JSON) {
        struct json_out json = json_out_to(out);
        buf_printf(out, "{\"time\":\"%s\",\"line\":", time);
        json_string(&json, line);
        buf_str(out, ",\"labels\":");
        query_write_labels(labels, count, out);
        buf_char(out, '}');
    } else if (run->format == FORMAT_CSV) {
        buf_printf(out, "%s,", time);
        put_labels_text(run, labels, count, out);
        buf_char(out, ',');
        put_csv(out, line);
    } else {
        buf_printf(out, "%-30s ", time);
        terminal_text(out, line);
    }
    flush(run);
}

static void print_value(struct run *run, int64_t ns, double value, const struct query_series *series)
{
    struct buf *out = &run->out;
    char time[TC_RFC3339_MAX];
    clk_rfc3339(ns, time);
    if (run->format == FORMAT_JSON) {
        buf_str(out, "{\"metric\":");
        query_write_labels(series->labels, series->label_count, out);
        buf_printf(out, ",\"time\":\"%s\",\"value\":\"", time);
        query_write_number(value, out);
        buf_str(out, "\"}");
    } else if (run->format == FORMAT_CSV) {
        buf_printf(out, "%s,", time);
        put_labels_text(run, series->labels, series->label_count, out);
        buf_char(out, ',');
        query_write_number(value, out);
    } else {
        query_write_number(value, out);
        buf_char(out, '\t');
        put_labels_text(run, series->labels, series->label_count, out);
        if (run->step_ns > 0)
            buf_printf(out, "\t%s", time);
    }
    flush(run);
}

static int run_lines(struct run *run, struct err *err)
{
    struct query_answer answer;
    int rc = query_search(&run->source, run->query, run->from_ns, run->to_ns, run->limit,
                          cli_flag(run->args, "newest"), &answer, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < answer.count; i++) {
        const struct query_found *found = answer.found[i];
        print_line(run, found->ns, found->line, found->labels, found->label_count);
    }
    query_answer_free(&answer);
    return 0;
}

static int run_numbers(struct run *run, struct err *err)
{
    struct query_matrix matrix;
    struct query_scan_stats stats = {0};
    bool instant = run->step_ns == 0;
    int64_t start_ns = instant ? run->to_ns : run->from_ns, step_ns = instant ? 1 : run->step_ns;
    int64_t begin_ns = start_ns, end_ns = run->to_ns;
    if (run->histogram) { /* the value at the last moment of each step is that of the step */
        start_ns += step_ns - 1;
        end_ns += step_ns - 2; /* the end is not part of the range */
    }
    int rc = query_metric(&run->source, run->query, start_ns, end_ns, step_ns, &matrix, &stats, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < matrix.count; i++)
        for (size_t k = 0; k < matrix.steps && run->printed < run->limit; k++)
            if (matrix.series[i].present[k])
                print_value(run, begin_ns + (int64_t)k * step_ns, matrix.series[i].values[k],
                            &matrix.series[i]);
    query_matrix_free(&matrix);
    return 0;
}

/* --- following */

static int follow_line(void *context, struct query_line *line, struct err *err)
{
    struct run *run = context;
    struct query_label sorted[QUERY_LABELS_MAX];
    (void)err;
    if (run->printed < run->limit && query_pipeline(line, run->query, run->query->root->stages))
        print_line(run, line->ns, line->line, sorted, query_labels_sorted(line, sorted));
    return interrupted || run->printed >= run->limit ? TC_ESTATE : 0;
}

static bool follow_idle(void *context)
{
    const struct run *run = context;
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    fflush(stdout);
    if (!interrupted && run->printed < run->limit)
        nanosleep(&pause, NULL);
    return !interrupted && run->printed < run->limit;
}

static int run_follow(struct run *run, struct err *err)
{
    struct query_scan_stats stats = {0};
    int rc = query_follow(&run->source, run->query->root, run->from_ns, run->to_ns, !run->from_given,
                          follow_idle, follow_line, run, &stats, err);
    return rc == TC_ESTATE ? 0 : rc;
}

/* --- options */

static bool read_time(const struct cli_args *args, const char *option, int64_t fallback, int64_t *ret)
{
    const char *text = cli_value(args, option, NULL);
    *ret = fallback;
    if (text == NULL || clk_parse_rfc3339(sv_of(text), 0, ret))
        return true;
    cli_fail(args, CLI_USAGE, "--%s %s: it is a time such as 2026-11-21T09:00:00Z", option, text);
    return false;
}

static bool read_format(const struct cli_args *args, enum format *ret)
{
    static const struct {
        const char *name;
        enum format format;
    } formats[] = {
        {"json", FORMAT_JSON}, {"ndjson", FORMAT_JSON}, {"csv", FORMAT_CSV}, {"table", FORMAT_TABLE}};
    const char *word = cli_value(args, "format", "json");
    for (size_t i = 0; i < TC_ARRAY_LEN(formats); i++)
        if (strcmp(word, formats[i].name) == 0) {
            *ret = formats[i].format;
            return true;
        }
    cli_fail(args, CLI_USAGE, "--format %s: it is json, ndjson, csv or table", word);
    return false;
}

static bool read_histogram(struct run *run)
{
    run->histogram = cli_value(run->args, "histogram", NULL) != NULL;
    if (!run->histogram)
        return true;
    if (!cli_duration(run->args, "histogram", 0, &run->step_ns))
        return false;
    if (run->step_ns > 0 && run->from_given && cli_value(run->args, "step", NULL) == NULL &&
        cli_value(run->args, "top", NULL) == NULL && !cli_flag(run->args, "follow"))
        return true;
    cli_fail(run->args, CLI_USAGE,
             "--histogram DURATION needs --from, and goes without --step, --top and --follow");
    return false;
}

static bool read_options(struct run *run)
{
    const struct cli_args *args = run->args;
    run->from_given = cli_value(args, "from", NULL) != NULL;
    run->source.dir = cli_value(args, "data", NULL);
    if (run->source.dir == NULL) {
        cli_fail(args, CLI_USAGE, "no data directory named: give --data DIR");
        return false;
    }
    bool follows = cli_flag(args, "follow");
    return read_format(args, &run->format) && read_time(args, "from", 0, &run->from_ns) &&
           read_time(args, "to", follows ? INT64_MAX : clk_now(&clk_system).ns, &run->to_ns) &&
           cli_duration(args, "step", 0, &run->step_ns) && read_histogram(run) &&
           cli_number(args, "after", 0, UINT64_MAX - 1, 0, &run->source.after) &&
           cli_number(args, "limit", 1, UINT64_MAX, UINT64_MAX, &run->limit);
}

/* The expression, with what the short options put around it. */
static int read_query(struct run *run, struct err *err)
{
    const char *const *operands, *field = cli_value(run->args, "count-by", NULL);
    const char *expr = cli_operands(run->args, &operands) > 0 ? operands[0] : "{source=~\".+\"}";
    uint64_t top = 0;
    struct arena arena = {0};
    struct sv text = sv_of(expr);
    if (!cli_number(run->args, "top", 1, 1000000, 0, &top))
        return TC_ESTATE;
    if (run->histogram) {
        struct sv by =
            field == NULL ? SV("")
                          : arena_printf(&arena, "by (%.*s) ", SV_FMT(query_flat_name(sv_of(field), &arena)));
        text = arena_printf(&arena, "sum %.*s(count_over_time(%s [%lldns]))", SV_FMT(by), expr,
                            (long long)run->step_ns);
    } else if (field != NULL) {
        text = arena_printf(&arena, "sum by (%.*s) (count_over_time(%s [%lldns]))",
                            SV_FMT(query_flat_name(sv_of(field), &arena)), expr,
                            (long long)(run->to_ns - TC_MAX(run->from_ns, INT64_C(0))));
        text = top > 0 ? arena_printf(&arena, "sort_desc(topk(%llu, %.*s))", (unsigned long long)top,
                                      SV_FMT(text))
                       : arena_printf(&arena, "sort_desc(%.*s)", SV_FMT(text));
    }
    int rc = logql_parse(text, &run->query, err);
    arena_free(&arena);
    return rc;
}

enum cli_exit query_logql(const struct cli_args *args)
{
    struct run run = {
        .args = args,
        .source = {.fs = &fs_system, .own_records = cli_flag(args, "all"), .stop = should_stop}};
    struct err err = {0};
    if (!read_options(&run))
        return CLI_USAGE;
    int rc = read_query(&run, &err);
    if (rc != 0)
        return rc == TC_ESTATE ? CLI_USAGE : cli_fail(args, CLI_USAGE, "%s", err.text);
    buf_init(&run.out, 64 << 20);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    bool follows = cli_flag(args, "follow"), numbers = logql_is_metric(run.query);
    if (follows && numbers)
        rc = err_set(&err, TC_EINPUT, "--follow goes with lines, not with numbers");
    else
        rc = follows ? run_follow(&run, &err) : numbers ? run_numbers(&run, &err) : run_lines(&run, &err);
    buf_free(&run.out);
    logql_free(&run.query);
    return rc == 0             ? CLI_DONE
           : rc == TC_ECORRUPT ? (cli_fail_err(args, &err), CLI_FOUND)
                               : cli_fail_err(args, &err);
}
