/*
 * `tocsin query`: prints what the journal holds, oldest first. Read-only: needs neither the server nor a
 * recovery, and also reads a directory left by a crash.
 */
#include "base/json_out.h"
#include "cli/cli.h"
#include "cli/finding_out.h"
#include "cli/logql.h"
#include "journal/journal.h"
#include "query/record_out.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"data", OPTION_VALUE, "DIR", "the data directory"},
    {"from", OPTION_VALUE, "TIME",
     "events at or after this time (RFC 3339), by event time, else receive time"},
    {"to", OPTION_VALUE, "TIME", "events before this time"},
    {"after", OPTION_VALUE, "POSITION",
     "only records behind this position of the journal (the last one that was printed): it never changes"},
    {"limit", OPTION_VALUE, "N", "print at most N"},
    {"all", OPTION_FLAG, NULL,
     "also records of tocsin itself: ticks, findings, decisions, commands, receipts"},
    {"format", OPTION_VALUE, "json|ndjson|csv|table", "json (default) and ndjson: one object a line"},
    {"follow", OPTION_FLAG, NULL, "go on with what arrives from now on (with --from: from then on)"},
    {"newest", OPTION_FLAG, NULL, "with EXPR: newest first, so that --limit keeps the newest"},
    {"step", OPTION_VALUE, "DURATION", "with numbers: a value every DURATION from --from to --to"},
    {"count-by", OPTION_VALUE, "FIELD", "how many events there are of each value of FIELD, most first"},
    {"top", OPTION_VALUE, "N", "with --count-by: the N most frequent values"},
    {"histogram", OPTION_VALUE, "DURATION",
     "how many events there are in each DURATION from --from on; with --count-by for each value"},
    {0}};

struct query {
    int64_t from_ns, to_ns;
    uint64_t after, limit, printed;
    bool all, json;
    struct buf out;
};

static void print_json(struct query *q, const struct event *e)
{
    struct json_out json = json_out_to(&q->out);
    json_object(&json);
    record_out_members(&json, e);
    json_object_end(&json);
    buf_char(&q->out, '\n');
}

static void print_table(struct query *q, const struct event *e)
{
    char time[TC_RFC3339_MAX];
    clk_rfc3339(e->time.ns != TC_NO_TIME ? e->time.ns : e->received.ns, time);
    buf_printf(&q->out, "%-30s ", time);
    terminal_text(&q->out, e->source);
    buf_char(&q->out, ' ');
    terminal_text(&q->out, e->raw);
    buf_char(&q->out, '\n');
}

static bool wanted(const struct query *q, const struct event *e)
{
    int64_t ns = e->time.ns != TC_NO_TIME ? e->time.ns : e->received.ns;
    bool outside = e->type == REC_EVENT && !sv_is(e->source, "self");
    return (q->all || outside) && record_out_type(e->type) != NULL && e->class < CLASS_COUNT &&
           e->position > q->after && ns >= q->from_ns && ns < q->to_ns;
}

static int print_frame(struct query *q, const struct journal_frame *frame, struct err *err)
{
    struct sv rest = frame->blocks;
    for (uint64_t i = 0; i < frame->count && q->printed < q->limit; i++) {
        size_t length = record_length(rest);
        struct event event;
        if (length == 0)
            return err_set(err, TC_ECORRUPT, "a frame at position %llu holds fewer records than it says",
                           (unsigned long long)frame->first);
        int rc = record_decode_envelope(sv_head(rest, length), &event, err);
        if (rc != 0)
            return rc;
        rest = sv_from(rest, length);
        event.position = frame->first + i;
        if (!wanted(q, &event))
            continue;
        q->printed++;
        if (q->json)
            print_json(q, &event);
        else
            print_table(q, &event);
        fwrite(q->out.p, 1, q->out.n, stdout);
        buf_clear(&q->out);
    }
    return 0;
}

static bool read_time(const struct cli_args *args, const char *option, int64_t fallback, int64_t *ret)
{
    const char *text = cli_value(args, option, NULL);
    *ret = fallback;
    if (text == NULL || clk_parse_rfc3339(sv_of(text), 0, ret))
        return true;
    cli_fail(args, CLI_USAGE, "--%s %s: it is a time such as 2026-11-21T09:00:00Z", option, text);
    return false;
}

/* Damage is found, as by verify; the rest could not be done. */
static enum cli_exit failed(const struct cli_args *args, int rc, const struct err *err)
{
    cli_fail_err(args, err);
    return rc == TC_ECORRUPT ? CLI_FOUND : CLI_FAILED;
}

/* On a running server's directory the tail may be the commit that is being written. */
static void tell_torn(const struct journal_reader *reader)
{
    const char *file;
    uint64_t offset;
    if (journal_reader_torn(reader, &file, &offset))
        fprintf(stderr, "tocsin query: torn tail: what stands in %s from offset %llu on was not finished\n",
                file, (unsigned long long)offset);
}

static enum cli_exit query_run(const struct cli_args *args)
{
    struct query q = {.all = cli_flag(args, "all")};
    const char *const *operands;
    if (cli_operands(args, &operands) > 0 || cli_flag(args, "follow") ||
        cli_value(args, "count-by", NULL) != NULL || cli_value(args, "histogram", NULL) != NULL ||
        strcmp(cli_value(args, "format", "json"), "csv") == 0)
        return query_logql(args);
    bool ok = true;
    q.json = sv_is(sv_of(cli_value(args, "format", "json")), "ndjson") || cli_wants_json(args, true, &ok);
    if (!ok || !read_time(args, "from", INT64_MIN, &q.from_ns) ||
        !read_time(args, "to", INT64_MAX, &q.to_ns) ||
        !cli_number(args, "after", 0, UINT64_MAX - 1, 0, &q.after) ||
        !cli_number(args, "limit", 0, UINT64_MAX, UINT64_MAX, &q.limit))
        return CLI_USAGE;
    const char *dir = cli_value(args, "data", NULL);
    if (dir == NULL)
        return cli_fail(args, CLI_USAGE, "no data directory named: give --data DIR");
    struct journal_reader *reader;
    struct err err;
    struct journal_want want = {.from_ns = q.from_ns, .to_ns = q.to_ns};
    int rc = journal_reader_open_for(&fs_system, dir, q.after + 1, NULL, &want, &reader, &err);
    if (rc != 0)
        return failed(args, rc, &err) == CLI_FOUND ? CLI_FOUND : CLI_USAGE;
    buf_init(&q.out, 64 << 20);
    struct journal_frame frame;
    while (q.printed < q.limit && (rc = journal_reader_next(reader, &frame, &err)) > 0)
        if ((rc = print_frame(&q, &frame, &err)) < 0)
            break;
    enum cli_exit exit_code = rc < 0 ? failed(args, rc, &err) : CLI_DONE;
    if (rc == 0)
        tell_torn(reader);
    journal_reader_close(&reader);
    buf_free(&q.out);
    return exit_code;
}

const struct verb verb_query = {
    .name = "query",
    .operands = "[EXPR]",
    .summary = "print stored events, oldest first, or what a LogQL expression says of them",
    .details = "EXPR is LogQL, as Grafana Loki has it: '{source=~\"http:.+\"} |= \"Failed\"', or\n"
               "'topk(10, sum by (source_ip) (count_over_time({product=\"linux\"} [24h])))'.\n"
               "docs/query.md has the language, the labels, and what is not in it.\n\n"
               "Without options every event from outside is printed as one JSON object a line, with its raw "
               "text. Works on the directory of\n"
               "a running server and on one left by a crash: an unfinished tail is reported and is no "
               "failure. Exit code 1 "
               "where what\n"
               "is stored is damaged, with file and offset, after the events that stand before it.",
    .options = options,
    .min_operands = 0,
    .max_operands = 1,
    .run = query_run,
};
