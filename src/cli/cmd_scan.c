/*
 * `tocsin scan`: judges logs that already exist, without a server.
 *
 * Standard output holds findings (or alerts) and nothing else; refusals, statistics and errors go to standard
 * error. The same files and rules give the same bytes whatever --threads says.
 */
#include "alert/alert.h"
#include "base/clk.h"
#include "cli/cli.h"
#include "cli/finding_out.h"
#include "cli/inputs.h"
#include "cli/parsers.h"
#include "cli/progress.h"
#include "cli/rules.h"

#include <stdio.h>
#include <stdlib.h>

static const struct option_spec options[] = {
    {"rules", OPTION_LIST, "PATH",
     "a Sigma rule file, or a directory walked for *.yml and *.yaml (may be given again)"},
    {"profile", OPTION_LIST, "FILE|NAME", RULES_PROFILE_HELP},
    {"pipeline", OPTION_LIST, "FILE|NAME", RULES_PIPELINE_HELP},
    {"format", OPTION_VALUE, "table|json", "how findings are printed; json is one object a line"},
    {"input", OPTION_VALUE, "FORMAT", PARSERS_INPUT_HELP},
    {"parsers", OPTION_LIST, "PATH", PARSERS_FILES_HELP},
    {"alerts", OPTION_FLAG, NULL, "print deduplicated alerts in place of findings"},
    {"stats", OPTION_FLAG, NULL, "print events, bytes, seconds, events/s, rules and findings at the end"},
    {"top", OPTION_VALUE, "N",
     "print the N rules that cost most at the end: work, events tried, events matched"},
    {"strict", OPTION_FLAG, NULL, "a refused rule file ends the run with exit code 2"},
    {"fail-on", OPTION_VALUE, "LEVEL", "exit code 1 where a finding has this level or a higher one"},
    {"timezone", OPTION_VALUE, "ZONE",
     "zone of times that bear none: UTC (default) or an offset such as +02:00"},
    {"year", OPTION_VALUE, "YEAR", "year of syslog times; default: from the file's modification time"},
    {"lateness", OPTION_VALUE, "DURATION",
     "how far an event may lie behind the newest before it is late for windows (default 0s)"},
    {"threads", OPTION_VALUE, "N", "worker threads; default: one per processor"},
    PROGRESS_OPTION,
    {0}};

struct scan {
    const struct cli_args *args;
    struct arena rules_arena, findings_arena;
    struct ruleset *ruleset;
    struct detector *detector;
    struct pool *pool;
    struct parser_files parsers;
    struct inputs *inputs;
    struct book *book; /* with --alerts */
    struct progress progress;
    struct buf out;
    bool json;
    enum severity fail_on;
    bool failed_on;
    uint64_t findings, top;
    int64_t last_tick_ns;
};

enum { OUT_FLUSH_BYTES = 1 << 16, OUT_MAX_BYTES = 64 << 20 };

static void flush_out(struct scan *s, bool all)
{
    if (s->out.n > 0 && (all || s->out.n >= OUT_FLUSH_BYTES)) {
        progress_wipe(&s->progress);
        fwrite(s->out.p, 1, s->out.n, stdout);
        buf_clear(&s->out);
    }
}

static void take_finding(struct scan *s, const struct finding *f)
{
    if (s->book != NULL) {
        struct arena scratch = {0};
        struct decision_list decisions = {.arena = &scratch};
        if (f->time.ns != TC_NO_TIME && f->time.ns > s->last_tick_ns) {
            s->last_tick_ns = f->time.ns;
            book_tick(s->book, f->position, (struct receive_time){f->time.ns}, &decisions);
        }
        struct finding timed = *f;
        timed.received = (struct receive_time){f->time.ns};
        book_finding(s->book, &timed, &decisions);
        arena_free(&scratch);
    }
    if (f->repeat || f->resets != NULL)
        return;
    s->findings++;
    if (s->fail_on != SEVERITY_NONE && finding_severity(f) <= s->fail_on)
        s->failed_on = true;
    if (s->book != NULL)
        return;
    const struct input_event *in = (const struct input_event *)f->event;
    const char *file = in == NULL ? NULL : in->file;
    if (s->json)
        finding_out_json(f, file, in == NULL ? 0 : in->line, in == NULL ? 0 : in->index, &s->out);
    else
        finding_out_table(f, file, in == NULL ? 0 : in->line, &s->out);
    flush_out(s, false);
}

static void take_findings(struct scan *s, struct finding_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        take_finding(s, &list->items[i]);
    arena_reset(&s->findings_arena);
}

static int judge_all(struct scan *s, struct err *err)
{
    const struct event **events = NULL;
    size_t capacity = 0;
    int rc;
    const struct input_event *const *batch;
    size_t count;
    while ((rc = inputs_next(s->inputs, &batch, &count, err)) > 0) {
        if (count > capacity) {
            capacity = count;
            events = tc_realloc(events, capacity * sizeof events[0]);
        }
        for (size_t i = 0; i < count; i++)
            events[i] = &batch[i]->event;
        struct finding_list list = {.arena = &s->findings_arena};
        detector_judge(s->detector, events, count, &list);
        take_findings(s, &list);
        progress_step(&s->progress, s->inputs, s->findings);
    }
    progress_wipe(&s->progress);
    free(events);
    struct finding_list list = {.arena = &s->findings_arena};
    detector_finish(s->detector, &list);
    take_findings(s, &list);
    return rc;
}

static void print_alerts(struct scan *s)
{
    if (!s->json)
        alert_out_table_head(&s->out);
    for (size_t i = 0; i < book_count(s->book); i++) {
        const struct alert *a = book_at(s->book, i);
        if (s->json) {
            alert_to_json(a, &s->out);
            buf_char(&s->out, '\n');
        } else {
            alert_out_table(a, &s->out);
        }
        flush_out(s, false);
    }
}

struct costly {
    const struct rule_info *rule;
    struct rule_cost cost;
};

static int by_work(const void *a, const void *b)
{
    const struct costly *x = a, *y = b;
    if (x->cost.work != y->cost.work)
        return x->cost.work > y->cost.work ? -1 : 1;
    return (x->rule->ordinal > y->rule->ordinal) - (x->rule->ordinal < y->rule->ordinal);
}

/* On standard error, as statistics are. */
static void print_top(const struct scan *s, size_t most)
{
    size_t count = ruleset_count(s->ruleset);
    struct costly *all = tc_alloc((count + 1) * sizeof all[0]);
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        all[i].rule = ruleset_rule(s->ruleset, i);
        detector_rule_cost(s->detector, i, &all[i].cost);
        total += all[i].cost.work;
    }
    qsort(all, count, sizeof all[0], by_work);
    fprintf(stderr, "%6s %16s %12s %12s  rule\n", "share", "work", "tried", "matched");
    for (size_t i = 0; i < TC_MIN(count, most) && all[i].cost.tried > 0; i++)
        fprintf(stderr, "%5.1f%% %16llu %12llu %12llu  %.*s (%.*s)\n",
                total == 0 ? 0.0 : 100.0 * (double)all[i].cost.work / (double)total,
                (unsigned long long)all[i].cost.work, (unsigned long long)all[i].cost.tried,
                (unsigned long long)all[i].cost.matched, SV_FMT(sv_head(all[i].rule->title, 120)),
                SV_FMT(all[i].rule->file));
    free(all);
}

static void print_stats(struct scan *s, int64_t elapsed_ns)
{
    struct inputs_stats in;
    inputs_stats(s->inputs, &in);
    struct detector_stats detector;
    detector_stats(s->detector, &detector);
    double seconds = (double)elapsed_ns / 1e9;
    fprintf(stderr,
            "events %llu\nbytes %llu\nseconds %.3f\nevents/s %.0f\nrules %zu\nfindings %llu\nkept as text "
            "%llu\nlate for windows %llu\n"
            "regex limits hit %llu\n",
            (unsigned long long)in.events, (unsigned long long)in.bytes, seconds,
            seconds > 0 ? (double)in.events / seconds : 0.0, ruleset_count(s->ruleset),
            (unsigned long long)s->findings, (unsigned long long)in.text,
            (unsigned long long)detector.late_events, (unsigned long long)detector.regex_limit_hits);
}

/* Compiles the rules; returns CLI_DONE where the run may go on. */
static enum cli_exit load_rules(struct scan *s)
{
    const char *const *paths;
    size_t path_count = cli_list(s->args, "rules", &paths);
    if (path_count == 0)
        return cli_fail(s->args, CLI_USAGE, "no rules named: give --rules PATH (shipped ones lie in packs/)");
    struct rule_source *sources;
    size_t count, pipeline_count, profile_count;
    struct err err;
    const char *const *pipelines, *const *profiles;
    profile_count = cli_list(s->args, "profile", &profiles);
    pipeline_count = cli_list(s->args, "pipeline", &pipelines);
    if (rules_collect(paths, path_count, &s->rules_arena, &sources, &count, &err) != 0 ||
        rules_pipelines(pipelines, pipeline_count, &s->rules_arena, &sources, &count, &err) != 0 ||
        rules_profiles(profiles, profile_count, &s->rules_arena, &sources, &count, &err) != 0)
        return cli_fail_err(s->args, &err) == CLI_FAILED ? CLI_USAGE : CLI_USAGE;
    if (ruleset_new(sources, count, &s->ruleset, &err) != 0)
        return cli_fail_err(s->args, &err);
    size_t refused = rules_report(s->ruleset, false);
    if (refused > 0 && cli_flag(s->args, "strict"))
        return cli_fail(s->args, CLI_USAGE, "%zu rule document%s refused, and --strict is on", refused,
                        refused == 1 ? " was" : "s were");
    if (ruleset_count(s->ruleset) == 0)
        return cli_fail(s->args, CLI_USAGE, "no rule was loaded from the paths given with --rules");
    return CLI_DONE;
}

static enum cli_exit read_options(struct scan *s, struct inputs_options *in, int64_t *ret_lateness_ns)
{
    bool ok;
    uint64_t threads, year;
    enum { TOP_MAX = 1000000 };
    s->json = cli_wants_json(s->args, false, &ok);
    if (!ok || !cli_duration(s->args, "lateness", 0, ret_lateness_ns) ||
        !cli_number(s->args, "threads", 1, 64, pool_processors(), &threads) ||
        !cli_number(s->args, "top", 1, TOP_MAX, 0, &s->top) ||
        !progress_start(&s->progress, s->args, &clk_system) ||
        !cli_number(s->args, "year", 1970, 2261, 0, &year))
        return CLI_USAGE;
    const char *level = cli_value(s->args, "fail-on", NULL);
    if (level != NULL && (level[0] == '\0' || (s->fail_on = severity_of(sv_of(level))) == SEVERITY_NONE))
        return cli_fail(s->args, CLI_USAGE,
                        "--fail-on %s: it is critical, high, medium, low, informational or P1 to P4", level);
    if (!inputs_zone(cli_value(s->args, "timezone", "UTC"), &in->zone_offset_s))
        return cli_fail(s->args, CLI_USAGE, "--timezone %s: it is UTC or an offset such as +02:00",
                        cli_value(s->args, "timezone", ""));
    const char *input = cli_value(s->args, "input", "auto");
    in->lines = strcmp(input, "ndjson") == 0;
    enum cli_exit code = parsers_of_args(s->args, &s->parsers, &in->parser);
    if (code != CLI_DONE)
        return code;
    in->year = (int)year;
    s->pool = threads > 1 ? pool_new((unsigned)threads) : NULL;
    in->pool = s->pool;
    return CLI_DONE;
}

static enum cli_exit scan_all(struct scan *s)
{
    struct inputs_options in = {.now_ns = clk_now(&clk_system).ns};
    int64_t lateness_ns;
    enum cli_exit code = read_options(s, &in, &lateness_ns);
    if (code == CLI_DONE)
        code = load_rules(s);
    if (code != CLI_DONE)
        return code;
    struct err err;
    in.file_count = cli_operands(s->args, &in.files);
    if (inputs_open(&in, &s->inputs, &err) != 0) {
        cli_fail_err(s->args, &err);
        return CLI_USAGE;
    }
    int64_t started_ns = clk_monotonic_ns(&clk_system);
    s->detector =
        detector_new(s->ruleset, &(struct detector_options){.lateness_ns = lateness_ns, .pool = s->pool});
    if (cli_flag(s->args, "alerts"))
        s->book = book_new(&(struct alert_options){.forget_after_ns = INT64_MAX});
    s->last_tick_ns = INT64_MIN;
    int rc = judge_all(s, &err);
    if (s->book != NULL)
        print_alerts(s);
    flush_out(s, true);
    if (cli_flag(s->args, "stats"))
        print_stats(s, clk_monotonic_ns(&clk_system) - started_ns);
    if (s->top > 0)
        print_top(s, (size_t)s->top);
    if (rc < 0) {
        cli_fail_err(s->args, &err);
        return CLI_USAGE;
    }
    return s->failed_on ? CLI_FOUND : CLI_DONE;
}

static enum cli_exit scan_run(const struct cli_args *args)
{
    struct scan s = {.args = args};
    buf_init(&s.out, OUT_MAX_BYTES);
    enum cli_exit code = scan_all(&s);
    inputs_close(&s.inputs);
    parsers_close(&s.parsers);
    detector_free(&s.detector);
    book_free(&s.book);
    ruleset_free(&s.ruleset);
    pool_free(&s.pool);
    arena_free(&s.rules_arena);
    arena_free(&s.findings_arena);
    buf_free(&s.out);
    return code;
}

const struct verb verb_scan = {
    .name = "scan",
    .operands = "FILE...",
    .summary = "judge logs that already exist by Sigma rules, without a server",
    .details = "Files may be JSON (one value a line, an array, CloudTrail's Records[], or pretty-printed), "
               "sshd/auth.log lines or any text;\n"
               "gzip and zstd are unpacked; - is standard input. Several files are merged by event time. "
               "Nothing is redacted.\n"
               "Findings alone never change the exit code, unless --fail-on asks for it.",
    .options = options,
    .min_operands = 1,
    .max_operands = 100000,
    .run = scan_run,
};
