/*
 * `tocsin alerts`: lists and changes the alerts of a running server over its HTTP API.
 */
#include "alert/alert.h"
#include "base/arena.h"
#include "base/json_out.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/finding_out.h"
#include "event/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct option_spec options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default http://127.0.0.1:9797)"},
    {"state", OPTION_VALUE, "open|ended", "list: only these (default open)"},
    {"by", OPTION_VALUE, "NAME", "who does it (default: the login name)"},
    {"note", OPTION_VALUE, "TEXT", "a note for the alert's history; closing a P1 or P2 needs one"},
    {"disposition", OPTION_VALUE, "WORD", "close: true_positive, false_positive or benign"},
    {"format", OPTION_VALUE, "table|json", "how alerts are printed"},
    {0}};

/* Members of a JSON array of objects, one after another. */
static bool next_member(struct sv *rest, struct sv *ret)
{
    *rest = sv_trim(*rest);
    while (rest->n > 0 && (rest->p[0] == '[' || rest->p[0] == ',')) {
        *rest = sv_trim(sv_from(*rest, 1));
    }
    if (rest->n == 0 || rest->p[0] != '{')
        return false;
    size_t n = json_value_length(*rest);
    if (n == 0)
        return false;
    *ret = sv_head(*rest, n);
    *rest = sv_from(*rest, n);
    return true;
}

static void print_one(struct sv json, bool as_json, struct buf *out)
{
    struct arena arena = {0};
    struct alert alert;
    struct err err;
    if (as_json) {
        buf_sv(out, json);
        buf_char(out, '\n');
    } else if (alert_from_json(json, &arena, &alert, &err) == 0) {
        alert_out_table(&alert, out);
    }
    arena_free(&arena);
}

static void print_list(struct sv body, bool as_json)
{
    struct buf out;
    buf_init(&out, CLIENT_BODY_MAX * 2ul);
    struct sv member;
    if (!as_json)
        alert_out_table_head(&out);
    while (next_member(&body, &member))
        print_one(member, as_json, &out);
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static void print_details(struct sv json)
{
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    struct err err;
    struct buf out;
    buf_init(&out, CLIENT_BODY_MAX * 2ul);
    if (json_parse_event(json, &arena, &e, &err) == 0)
        for (uint32_t i = 0; i < e.field_count; i++) {
            const struct field *f = &e.fields[i];
            if (f->type == FIELD_OBJECT || f->type == FIELD_ARRAY || f->value.n == 0)
                continue;
            buf_printf(&out, "%-28.*s ", SV_FMT(f->exact));
            terminal_text(&out, f->value);
            buf_char(&out, '\n');
        }
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
    arena_free(&arena);
}

static void command_body(const struct cli_args *args, struct buf *out)
{
    struct json_out json = json_out_to(out);
    const char *by = cli_value(args, "by", NULL), *login = getlogin();
    const char *note = cli_value(args, "note", NULL), *disposition = cli_value(args, "disposition", NULL);
    json_object(&json);
    json_kv_str(&json, "by", by != NULL ? by : login != NULL ? login : "cli");
    if (note != NULL)
        json_kv_str(&json, "note", note);
    if (disposition != NULL)
        json_kv_str(&json, "disposition", disposition);
    json_object_end(&json);
    buf_char(out, '\0');
}

static enum cli_exit talk(const struct cli_args *args, const char *verb, const char *id, bool as_json)
{
    struct buf url, body, post;
    buf_init(&url, 8192);
    buf_init(&body, CLIENT_BODY_MAX);
    buf_init(&post, 1 << 20);
    bool list = strcmp(verb, "list") == 0, show = strcmp(verb, "show") == 0;
    buf_printf(&url, "%s/v1/alerts", cli_value(args, "url", "http://127.0.0.1:9797"));
    if (list)
        buf_printf(&url, "?state=%s", cli_value(args, "state", "open"));
    else
        buf_printf(&url, "/%s%s%s", id, show ? "" : "/", show ? "" : verb);
    buf_char(&url, '\0');
    if (!list && !show)
        command_body(args, &post);
    struct err err;
    long status = 0;
    enum cli_exit code;
    if (url.overflow || post.overflow)
        code = cli_fail(args, CLI_USAGE, "the URL or the note is too long");
    else if (client_request(url.p, post.n > 0 ? post.p : NULL, &body, &status, &err) != 0)
        code = cli_fail_err(args, &err);
    else if ((code = client_answer(args, status, buf_view(&body))) == CLI_DONE) {
        if (list)
            print_list(buf_view(&body), as_json);
        else if (show && !as_json)
            print_details(buf_view(&body));
        else
            print_list(buf_view(&body), as_json);
    }
    buf_free(&url);
    buf_free(&body);
    buf_free(&post);
    return code;
}

static bool is_id(const char *text)
{
    size_t n = strlen(text);
    return n >= 6 && n <= 32 && strspn(text, "0123456789abcdef") == n;
}

static enum cli_exit alerts_run(const struct cli_args *args)
{
    static const char *const verbs[] = {"list", "show", "ack", "resolve", "close", NULL};
    bool ok, as_json = cli_wants_json(args, false, &ok);
    const char *const *words;
    size_t count = cli_operands(args, &words);
    const char *verb = count == 0 ? "list" : words[0];
    size_t i = 0;
    if (!ok)
        return CLI_USAGE;
    while (verbs[i] != NULL && strcmp(verbs[i], verb) != 0)
        i++;
    if (verbs[i] == NULL)
        return cli_fail(args, CLI_USAGE, "\"%s\": it is list, show, ack, resolve or close", verb);
    const char *state = cli_value(args, "state", "open");
    if (strcmp(state, "open") != 0 && strcmp(state, "ended") != 0)
        return cli_fail(args, CLI_USAGE, "--state %s: it is open or ended", state);
    if (i == 0)
        return talk(args, verb, NULL, as_json);
    if (count < 2 || !is_id(words[1]))
        return cli_fail(args, CLI_USAGE,
                        "%s needs the id of an alert (6 or more of its hexadecimal digits): `tocsin alerts "
                        "list` shows them",
                        verb);
    return talk(args, verb, words[1], as_json);
}

const struct verb verb_alerts = {
    .name = "alerts",
    .operands = "[list|show|ack|resolve|close] [ID]",
    .summary = "list, acknowledge, resolve and close alerts of a running server",
    .options = options,
    .min_operands = 0,
    .max_operands = 2,
    .run = alerts_run,
};
