/*
 * `tocsin health`: asks a running server how it is, and says so with the exit code: what a container's health
 * check and a monitoring script call.
 */
#include "base/clk.h"
#include "cli/cli.h"
#include "cli/client.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default " TC_SERVER_URL ")"},
    {"ready", OPTION_FLAG, NULL, "ask only whether it has recovered and takes events in"},
    {"timeout", OPTION_VALUE, "DURATION", "how long to wait for the answer (default 3s)"},
    {"format", OPTION_VALUE, "table|json", "how the answer is printed; json as the server sends it"},
    {"quiet", OPTION_FLAG, NULL, "print nothing on standard output"},
    {0}};

enum { ANSWER_MAX_BYTES = 1 << 16 };

/* {"a":true,"b":"c"} as lines; the server's own answer, which is flat. */
static void print_answer(struct sv json, bool as_json)
{
    json = sv_trim(json);
    if (as_json) {
        printf("%.*s\n", SV_FMT(json));
        return;
    }
    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        if (c == ':')
            putchar(' ');
        else if (c == ',')
            putchar('\n');
        else if (c != '{' && c != '}' && c != '"' && (unsigned char)c >= 0x20 && c != 0x7F)
            putchar(c);
    }
    putchar('\n');
}

static enum cli_exit health_run(const struct cli_args *args)
{
    bool ok, as_json = cli_wants_json(args, false, &ok);
    int64_t timeout_ns;
    char url[2048];
    long status = 0;
    struct buf body;
    struct err err;
    if (!ok || !cli_duration(args, "timeout", 3 * TC_SECOND_NS, &timeout_ns))
        return CLI_USAGE;
    if (timeout_ns < TC_SECOND_NS)
        return cli_fail(args, CLI_USAGE, "--timeout: it is 1s or more");
    struct sv base = sv_of(cli_value(args, "url", TC_SERVER_URL));
    while (sv_ends(base, SV("/")))
        base.n--;
    if ((size_t)snprintf(url, sizeof url, "%.*s%s", SV_FMT(base),
                         cli_flag(args, "ready") ? "/ready" : "/health") >= sizeof url)
        return cli_fail(args, CLI_USAGE, "--url is too long");
    buf_init(&body, ANSWER_MAX_BYTES);
    int rc = client_request(&(struct client_call){.url = url, .timeout_s = (long)(timeout_ns / TC_SECOND_NS)},
                            &body, &status, &err);
    if (rc == 0 && !cli_flag(args, "quiet"))
        print_answer(buf_view(&body), as_json);
    buf_free(&body);
    if (rc != 0)
        return cli_fail_err(args, &err);
    if (status != 200 && status != 503)
        return cli_fail(args, CLI_FAILED,
                        "%s answers with HTTP status %ld: it is no Tocsin, or one of another version", url,
                        status);
    return status == 200 ? CLI_DONE : CLI_FOUND;
}

const struct verb verb_health = {
    .name = "health",
    .operands = "",
    .summary = "ask a running server whether it is healthy",
    .details = "Exit code 0: it judges, has recovered, and can write its journal and its store. 1: it says "
               "that one of "
               "these does not\n"
               "hold, and which. 3: it does not answer.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = health_run,
};
