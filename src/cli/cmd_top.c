/*
 * `tocsin top rules`: which rules of a running server cost most.
 */
#include "base/arena.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/finding_out.h"
#include "event/json.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default " TC_SERVER_URL ")"},
    {"limit", OPTION_VALUE, "N", "print so many (default 20)"},
    {"format", OPTION_VALUE, "table|json", "how they are printed; json is one object a line"},
    {0}};

enum { LIMIT_MAX = 1000000, LIMIT_DEFAULT = 20 };

struct top {
    uint64_t limit, printed, total;
    bool as_json;
    struct buf out;
};

static uint64_t number(const struct event *rule, const char *name)
{
    uint64_t value = 0;
    return num_u64(event_value(rule, name), 0, UINT64_MAX, &value) ? value : 0;
}

static void print_rule(struct top *top, const struct event *rule)
{
    uint64_t work = number(rule, "work");
    buf_printf(&top->out, "%5.1f%% %16llu %12llu %12llu %9llu  %-2.*s  ",
               top->total == 0 ? 0.0 : 100.0 * (double)work / (double)top->total, (unsigned long long)work,
               (unsigned long long)number(rule, "tried"), (unsigned long long)number(rule, "matched"),
               (unsigned long long)number(rule, "groups"), SV_FMT(event_value(rule, "severity")));
    terminal_text(&top->out, event_value(rule, "title"));
    buf_str(&top->out, " (");
    terminal_text(&top->out, event_value(rule, "file"));
    buf_str(&top->out, ")\n");
}

/* Twice through the answer: the share needs the sum. */
static void each_rule(struct top *top, struct sv body, bool print)
{
    struct sv member;
    while (client_member(&body, &member)) {
        struct arena arena = {0};
        struct event rule = {.time = {TC_NO_TIME}};
        if (json_parse_event(member, &arena, &rule, NULL) == 0) {
            event_index(&rule, &arena);
            if (!print) {
                top->total += number(&rule, "work");
            } else if (top->printed++ < top->limit) {
                if (top->as_json)
                    buf_printf(&top->out, "%.*s\n", SV_FMT(member));
                else
                    print_rule(top, &rule);
            }
        }
        arena_free(&arena);
    }
}

static void print_top(struct top *top, struct sv body)
{
    buf_init(&top->out, 2ul * TC_CLIENT_BODY_MAX);
    if (!top->as_json)
        buf_printf(&top->out, "%6s %16s %12s %12s %9s  rule\n", "share", "work", "tried", "matched",
                   "groups");
    each_rule(top, body, false);
    each_rule(top, body, true);
    fwrite(top->out.p, 1, top->out.n, stdout);
    buf_free(&top->out);
}

static enum cli_exit top_run(const struct cli_args *args)
{
    bool ok;
    struct top top = {.as_json = cli_wants_json(args, false, &ok)};
    const char *const *words;
    struct buf url, body;
    struct err err;
    long status = 0;
    cli_operands(args, &words);
    if (!ok || !cli_number(args, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &top.limit))
        return CLI_USAGE;
    if (strcmp(words[0], "rules") != 0)
        return cli_fail(args, CLI_USAGE, "it is `top rules`");
    buf_init(&url, 8192);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_printf(&url, "%s/v1/rules", cli_value(args, "url", TC_SERVER_URL));
    buf_char(&url, '\0');
    enum cli_exit code = url.overflow ? cli_fail(args, CLI_USAGE, "the URL is too long")
                         : client_request(&(struct client_call){.url = url.p}, &body, &status, &err) != 0
                             ? cli_fail_err(args, &err)
                             : client_exit(args, status, buf_view(&body));
    if (code == CLI_DONE)
        print_top(&top, buf_view(&body));
    buf_free(&url);
    buf_free(&body);
    return code;
}

const struct verb verb_top = {
    .name = "top",
    .operands = "rules",
    .summary = "show which rules of a running server cost most",
    .details =
        "Since the rules were put in force: work (bytes of values that were looked at, those by regular\n"
        "expressions eightfold), events tried (that the index could not rule out), events matched, and\n"
        "groups that a correlation keeps. `scan --top N` shows the same for files.",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = top_run,
};
