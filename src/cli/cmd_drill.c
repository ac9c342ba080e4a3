/*
 * `tocsin drill`: an alert that is marked as a drill, through the real way of a running server. Waits until
 * every channel that was told has a receipt, and, where that is asked for, until somebody acknowledges; then
 * resolves it, and prints how long each channel took (ledger I-02).
 */
#include "alert/alert.h"
#include "base/arena.h"
#include "base/json_out.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "event/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { POLL_MS = 200 };

static const struct option_spec options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default " TC_SERVER_URL ")"},
    {"priority", OPTION_VALUE, "P1-P4", "of the drill's alert, which decides who is told (default P1)"},
    {"wait", OPTION_VALUE, "TIME",
     "how long to wait for receipts, and for the acknowledgement (default 60s)"},
    {"ack", OPTION_FLAG, NULL, "wait until somebody acknowledges"},
    {"by", OPTION_VALUE, "NAME", "who asks for it (default: the login name)"},
    {"format", OPTION_VALUE, "table|json", "how the result is printed"},
    {0}};

struct drill {
    const struct cli_args *args;
    struct arena arena;
    char id[33];
    int64_t begun_ns; /* the server's clock: when the alert was made */
    int64_t acknowledged_ns;
    struct buf body;
    bool as_json;
};

static enum cli_exit talk(struct drill *d, const char *suffix, const char *post)
{
    char path[128];
    arena_free(&d->arena); /* of the answer before */
    snprintf(path, sizeof path, "/v1/alerts/%s%s", d->id, suffix);
    buf_clear(&d->body);
    return client_talk(d->args, path, post, &d->body);
}

static bool take_alert(struct drill *d)
{
    struct alert alert;
    struct err err;
    if (alert_from_json(buf_view(&d->body), &d->arena, &alert, &err) != 0)
        return false;
    memcpy(d->id, alert.id, sizeof d->id);
    d->begun_ns = alert.history_count > 0 ? alert.history[0].time_ns : alert.first_ns;
    d->acknowledged_ns = alert.acknowledged_ns;
    return true;
}

static enum cli_exit begin(struct drill *d)
{
    struct buf post;
    buf_init(&post, 1 << 16);
    client_command_body(d->args, (const struct client_member_option[]){{"priority", "what"}, {0}}, &post);
    enum cli_exit code = client_talk(d->args, "/v1/drill", post.p, &d->body);
    if (code == CLI_DONE && !take_alert(d))
        code = cli_fail(d->args, CLI_FAILED, "the server's answer is no alert");
    buf_free(&post);
    return code;
}

/* --- receipts */

struct receipt_line {
    struct sv channel, status, error;
    int64_t at_ns;
};

/* Of the first notification only: what follows from the drill's own acknowledgement and end is no part of it.
 */
static bool next_receipt(struct drill *d, struct sv *rest, struct receipt_line *ret)
{
    struct sv member, key;
    struct event e;
    do {
        e = (struct event){.time = {TC_NO_TIME}};
        if (!client_member(rest, &member) || json_parse_event(member, &d->arena, &e, NULL) != 0)
            return false;
        event_index(&e, &d->arena);
        key = event_value(&e, "key");
    } while (sv_find(key, SV("-new:")) == key.n);
    *ret = (struct receipt_line){event_value(&e, "channel"), event_value(&e, "status"),
                                 event_value(&e, "error"), TC_NO_TIME};
    if (!clk_parse_rfc3339(event_value(&e, "at"), 0, &ret->at_ns))
        ret->at_ns = TC_NO_TIME;
    return true;
}

/* Of the answer in d->body: how many rows there are, and how many have no receipt. */
static size_t count_pending(struct drill *d, size_t *ret_rows)
{
    struct sv rest = buf_view(&d->body);
    struct receipt_line line;
    size_t pending = 0;
    for (*ret_rows = 0; next_receipt(d, &rest, &line); ++*ret_rows)
        pending += sv_is(line.status, "pending");
    return pending;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static enum cli_exit wait_receipts(struct drill *d, int64_t until_ns)
{
    size_t rows = 0;
    for (;;) {
        enum cli_exit code = talk(d, "/deliveries", NULL);
        if (code != CLI_DONE)
            return code;
        if ((count_pending(d, &rows) == 0 && rows > 0) || clk_monotonic_ns(&clk_system) >= until_ns)
            return CLI_DONE;
        sleep_ms(POLL_MS);
    }
}

static enum cli_exit wait_acknowledged(struct drill *d, int64_t until_ns)
{
    for (;;) {
        enum cli_exit code = talk(d, "", NULL);
        if (code != CLI_DONE || !take_alert(d))
            return code != CLI_DONE ? code : CLI_FAILED;
        if (d->acknowledged_ns != TC_NO_TIME || clk_monotonic_ns(&clk_system) >= until_ns)
            return CLI_DONE;
        sleep_ms(POLL_MS);
    }
}

/* --- the report */

static void print_line(const struct drill *d, struct sv what, struct sv status, int64_t at_ns,
                       struct sv error)
{
    double seconds = at_ns == TC_NO_TIME ? -1 : (double)(at_ns - d->begun_ns) / 1e9;
    if (!d->as_json) {
        if (seconds < 0)
            printf("%-24.*s %-10.*s %10s  %.*s\n", SV_FMT(what), SV_FMT(status), "-", SV_FMT(error));
        else
            printf("%-24.*s %-10.*s %9.3fs  %.*s\n", SV_FMT(what), SV_FMT(status), seconds, SV_FMT(error));
        return;
    }
    struct buf out;
    buf_init(&out, 16 << 10);
    struct json_out json = json_out_to(&out);
    json_object(&json);
    json_kv_string(&json, "channel", what);
    json_kv_string(&json, "status", status);
    json_key(&json, SV("seconds"));
    if (seconds < 0)
        json_null(&json);
    else
        json_double(&json, seconds);
    json_kv_string(&json, "error", error);
    json_object_end(&json);
    printf("%.*s\n", SV_FMT(buf_view(&out)));
    buf_free(&out);
}

/* Returns whether every channel has it. */
static bool report(struct drill *d)
{
    struct sv rest = buf_view(&d->body);
    struct receipt_line line;
    bool all = true, any = false;
    while (next_receipt(d, &rest, &line)) {
        bool sent = sv_is(line.status, "sent");
        print_line(d, line.channel, line.status, sent ? line.at_ns : TC_NO_TIME, line.error);
        all = all && sent;
        any = true;
    }
    return all && any;
}

static enum cli_exit watch(struct drill *d, int64_t until_ns)
{
    enum cli_exit code = wait_receipts(d, until_ns);
    if (code != CLI_DONE)
        return code;
    bool good = report(d);
    if (cli_flag(d->args, "ack")) {
        code = wait_acknowledged(d, until_ns);
        if (code != CLI_DONE)
            return code;
        bool acknowledged = d->acknowledged_ns != TC_NO_TIME;
        print_line(d, SV("(acknowledgement)"), acknowledged ? SV("done") : SV("missing"), d->acknowledged_ns,
                   SV(""));
        good = good && acknowledged;
    }
    return good ? CLI_DONE : CLI_FOUND;
}

static enum cli_exit run(struct drill *d, int64_t wait_ns)
{
    int64_t until_ns = clk_monotonic_ns(&clk_system) + wait_ns;
    enum cli_exit code = begin(d);
    if (code != CLI_DONE)
        return code;
    code = watch(d, until_ns);
    /* also where that failed: an alert that stays open goes on paging people */
    enum cli_exit end =
        talk(d, "/resolve",
             client_token() != NULL ? "{\"note\":\"the drill is over\"}" /* by whose token it is */
                                    : "{\"by\":\"drill\",\"note\":\"the drill is over\"}");
    if (end != CLI_DONE)
        fprintf(stderr, "the drill's alert could not be ended: tocsin alerts show %s\n", d->id);
    return code == CLI_DONE || code == CLI_FOUND ? TC_MAX(code, end) : code;
}

static enum cli_exit drill_run(const struct cli_args *args)
{
    struct drill d = {.args = args};
    int64_t wait_ns;
    bool ok;
    d.as_json = cli_wants_json(args, false, &ok);
    if (!ok || !cli_duration(args, "wait", 60 * TC_SECOND_NS, &wait_ns))
        return CLI_USAGE;
    buf_init(&d.body, TC_CLIENT_BODY_MAX);
    enum cli_exit code = run(&d, wait_ns);
    buf_free(&d.body);
    arena_free(&d.arena);
    return code;
}

const struct verb verb_drill = {
    .name = "drill",
    .operands = "",
    .summary = "try the way of an alert to the people, and say how long each channel took",
    .details = "Makes an alert that is marked as a drill, waits for the receipt of every channel that it was "
               "told to,\n"
               "with --ack also for somebody to acknowledge, and resolves it. Exit code 1: a channel did not "
               "deliver,\n"
               "or nobody acknowledged in time.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = drill_run,
};
