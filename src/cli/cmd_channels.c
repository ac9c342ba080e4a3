/*
 * `tocsin channels`: the channels of a running server, and a test message through one of them.
 */
#include "base/arena.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/finding_out.h"
#include "event/json.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

static const struct option_spec options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default http://127.0.0.1:9797)"},
    {"wait", OPTION_VALUE, "DURATION", "test: how long to wait for the receipt (default 30s)"},
    {"format", OPTION_VALUE, "table|json", "how channels and receipts are printed"},
    {0}};

enum { POLL_MS = 200 };

static void print_channel(struct sv json, struct buf *out)
{
    static const char *const shown[] = {"type",   "failing", "pending", "sent",
                                        "failed", "retries", "diverted"};
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    if (json_parse_event(json, &arena, &e, NULL) == 0) {
        event_index(&e, &arena);
        terminal_text(out, event_value(&e, "name"));
        for (size_t i = 0; i < TC_ARRAY_LEN(shown); i++)
            buf_printf(out, " %s=%.*s", shown[i], SV_FMT(event_value(&e, shown[i])));
        buf_char(out, '\n');
    }
    arena_free(&arena);
}

static void print_all(struct sv body, bool as_json, void (*each)(struct sv json, struct buf *out))
{
    struct buf out;
    struct sv member;
    buf_init(&out, 2ul * TC_CLIENT_BODY_MAX);
    while (client_member(&body, &member)) {
        if (!as_json) {
            each(member, &out);
            continue;
        }
        buf_sv(&out, member);
        buf_char(&out, '\n');
    }
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static enum cli_exit ask(const struct cli_args *args, const char *path, const char *post, struct buf *body)
{
    struct buf url;
    struct err err;
    long status = 0;
    buf_init(&url, 8192);
    buf_clear(body);
    buf_printf(&url, "%s%s", cli_value(args, "url", "http://127.0.0.1:9797"), path);
    buf_char(&url, '\0');
    enum cli_exit code =
        url.overflow ? cli_fail(args, CLI_USAGE, "the URL is too long")
        : client_request(&(struct client_call){.url = url.p, .post = post, .bearer = client_token()}, body,
                         &status, &err) != 0
            ? cli_fail_err(args, &err)
            : client_exit(args, status, buf_view(body));
    buf_free(&url);
    return code;
}

static bool is_settled(struct sv body, bool *ret_sent)
{
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    struct sv member, status = {0};
    if (client_member(&body, &member) && json_parse_event(member, &arena, &e, NULL) == 0) {
        event_index(&e, &arena);
        status = event_value(&e, "status");
    }
    bool sent = *ret_sent = sv_is(status, "sent"), failed = sv_is(status, "failed");
    arena_free(&arena);
    return sent || failed;
}

static void print_delivery(struct sv json, struct buf *out)
{
    deliveries_out(json, out);
}

/* 0 sent, 1 not sent (given up, or no receipt in time: it is tried on). */
static enum cli_exit await_receipt(const struct cli_args *args, struct sv id, int64_t wait_ns, bool as_json,
                                   struct buf *body)
{
    char path[256];
    bool sent = false;
    enum cli_exit code = CLI_DONE;
    snprintf(path, sizeof path, "/v1/alerts/%.*s/deliveries", (int)TC_MIN(id.n, (size_t)64), id.p);
    for (int64_t waited_ns = 0; code == CLI_DONE; waited_ns += POLL_MS * (TC_SECOND_NS / 1000)) {
        code = ask(args, path, NULL, body);
        if (code != CLI_DONE || is_settled(buf_view(body), &sent) || waited_ns >= wait_ns)
            break;
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    if (code != CLI_DONE)
        return code;
    print_all(buf_view(body), as_json, print_delivery);
    return sent ? CLI_DONE : CLI_FOUND;
}

static bool fits_in_a_path(const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("-._~#@:+", *c) == NULL)
            return false;
    return name[0] != '\0' && strlen(name) <= 64;
}

static enum cli_exit test_channel(const struct cli_args *args, const char *name, bool as_json,
                                  struct buf *body)
{
    char path[400] = "/v1/channels/";
    int64_t wait_ns;
    struct err err;
    if (clk_parse_duration(sv_of(cli_value(args, "wait", "30s")), &wait_ns, &err) != 0)
        return cli_fail_err(args, &err);
    if (!fits_in_a_path(name))
        return cli_fail(args, CLI_USAGE, "\"%s\" is not the name of a channel", name);
    size_t n = strlen(path);
    for (const char *c = name; *c != '\0'; c++)
        n += (size_t)snprintf(path + n, sizeof path - n, *c == '#' || *c == '+' ? "%%%02X" : "%c", *c);
    snprintf(path + n, sizeof path - n, "/test");
    enum cli_exit code = ask(args, path, client_token() != NULL ? "{}" : "{\"by\":\"cli\"}", body);
    if (code != CLI_DONE)
        return code;
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    struct sv id = {0};
    if (json_parse_event(arena_sv(&arena, buf_view(body)), &arena, &e, NULL) == 0) {
        event_index(&e, &arena);
        id = event_value(&e, "id");
    }
    code = id.n == 0 ? cli_fail(args, CLI_FAILED, "the server's answer names no message")
                     : await_receipt(args, id, wait_ns, as_json, body);
    arena_free(&arena);
    return code;
}

static enum cli_exit channels_run(const struct cli_args *args)
{
    bool ok, as_json = cli_wants_json(args, false, &ok);
    const char *const *words;
    size_t count = cli_operands(args, &words);
    struct buf body;
    enum cli_exit code;
    if (!ok)
        return CLI_USAGE;
    buf_init(&body, TC_CLIENT_BODY_MAX);
    if (count == 0 || (count == 1 && strcmp(words[0], "list") == 0)) {
        code = ask(args, "/v1/channels", NULL, &body);
        if (code == CLI_DONE)
            print_all(buf_view(&body), as_json, print_channel);
    } else if (count == 2 && strcmp(words[0], "test") == 0) {
        code = test_channel(args, words[1], as_json, &body);
    } else {
        code = cli_fail(args, CLI_USAGE, "it is `channels list` or `channels test NAME`");
    }
    buf_free(&body);
    return code;
}

const struct verb verb_channels = {
    .name = "channels",
    .operands = "[list|test] [NAME]",
    .summary = "list the channels of a running server, send a test message through one",
    .details =
        "`channels test NAME` sends a message that says that it is a test, the way every notification\n"
        "goes, and prints its receipt. Exit code 1: there was none in time, or it was given up.",
    .options = options,
    .min_operands = 0,
    .max_operands = 2,
    .run = channels_run,
};
