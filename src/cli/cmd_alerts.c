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
    {"url", OPTION_VALUE, "URL", "the server (default " TC_SERVER_URL ")"},
    {"state", OPTION_VALUE, "open|ended", "list: only these (default open)"},
    {"by", OPTION_VALUE, "NAME", "who does it (default: the login name)"},
    {"note", OPTION_VALUE, "TEXT", "a note for the alert's history; closing a P1 or P2 needs one"},
    {"disposition", OPTION_VALUE, "WORD", "close: true_positive, false_positive or benign"},
    {"to", OPTION_VALUE, "WHOM", "assign, task: to whom; confirm: mail address of the user who is asked"},
    {"until", OPTION_VALUE, "TIME",
     "snooze: its end; task: when it is due; a time (RFC 3339) or a duration (4h)"},
    {"what", OPTION_VALUE, "TEXT", "task: what is to be done; done: the task's number"},
    {"impact", OPTION_VALUE, "LEVEL", "assess: low, medium, high or critical"},
    {"urgency", OPTION_VALUE, "LEVEL", "assess: likewise"},
    {"reason", OPTION_VALUE, "TEXT", "reveal: why; it goes into the audit record"},
    {"format", OPTION_VALUE, "table|json", "how alerts are printed"},
    {0}};

#define ALERT_VERBS                                                                                          \
    "list, show, export, events, of, ack, snooze, wake, assign, note, confirm, assess, respond, resolve, "   \
    "close, "                                                                                                \
    "document, "                                                                                             \
    "task, done or reveal"

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
    buf_init(&out, TC_CLIENT_BODY_MAX * 2ul);
    struct sv member;
    if (!as_json)
        alert_out_table_head(&out);
    while (client_member(&body, &member))
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
    buf_init(&out, TC_CLIENT_BODY_MAX * 2ul);
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

static void print_markdown(struct sv json)
{
    struct arena arena = {0};
    struct alert alert;
    struct err err;
    struct buf out;
    buf_init(&out, TC_CLIENT_BODY_MAX * 2ul);
    if (alert_from_json(json, &arena, &alert, &err) == 0)
        alert_to_markdown(&alert, &out);
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
    arena_free(&arena);
}

/* The member of that name, an array, of a JSON object; its texts in `arena`. */
static struct sv member_array(struct sv json, const char *name, struct arena *arena)
{
    struct event e = {.time = {TC_NO_TIME}};
    if (json_parse_event(json, arena, &e, NULL) != 0)
        return (struct sv){0};
    event_index(&e, arena);
    return event_value(&e, name);
}

static void print_event(struct sv json, struct buf *out)
{
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    if (json_parse_event(json, &arena, &e, NULL) == 0) {
        event_index(&e, &arena);
        struct sv time = event_value(&e, "time"), received = event_value(&e, "received");
        bool dropped = event_value(&e, "dropped").n > 0;
        buf_printf(out, "%-10.*s %-30.*s ", SV_FMT(event_value(&e, "position")),
                   SV_FMT(time.n > 0 ? time : received));
        terminal_text(out, event_value(&e, "source"));
        buf_char(out, ' ');
        terminal_text(out, dropped ? SV("(dropped by retention)") : event_value(&e, "raw"));
        buf_char(out, '\n');
    }
    arena_free(&arena);
}

static void print_alert_of_event(struct sv json, struct buf *out)
{
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    if (json_parse_event(json, &arena, &e, NULL) == 0) {
        event_index(&e, &arena);
        buf_printf(out, "%.*s %.*s ", SV_FMT(event_value(&e, "id")), SV_FMT(event_value(&e, "rule_id")));
        terminal_text(out, event_value(&e, "title"));
        buf_char(out, '\n');
    }
    arena_free(&arena);
}

/* `events ID` and `of POSITION`: each member of the answer's array on a line. */
static void print_links(struct sv body, bool events, bool as_json)
{
    struct arena arena = {0};
    struct buf out;
    struct sv rest = member_array(body, events ? "events" : "alerts", &arena), member;
    buf_init(&out, TC_CLIENT_BODY_MAX * 2ul);
    while (client_member(&rest, &member)) {
        if (as_json) {
            buf_sv(&out, member);
            buf_char(&out, '\n');
        } else if (events) {
            print_event(member, &out);
        } else {
            print_alert_of_event(member, &out);
        }
    }
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
    if (events && sv_ends(sv_trim(body), SV("\"truncated\":true}")))
        fprintf(stderr, "tocsin alerts: there are more events than these\n");
    arena_free(&arena);
}

/* What became of the alert's notifications: a line each. A server that cannot say is no reason to fail. */
static void print_deliveries(const struct cli_args *args, struct sv alert_json)
{
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    struct buf url, body, out;
    struct err err;
    long status = 0;
    buf_init(&url, 8192);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_init(&out, TC_CLIENT_BODY_MAX);
    if (json_parse_event(alert_json, &arena, &e, &err) == 0) {
        event_index(&e, &arena);
        buf_printf(&url, "%s/v1/alerts/%.*s/deliveries", cli_value(args, "url", "http://127.0.0.1:9797"),
                   SV_FMT(event_value(&e, "id")));
        buf_char(&url, '\0');
        if (!url.overflow && client_request(&(struct client_call){.url = url.p}, &body, &status, &err) == 0 &&
            status == 200)
            deliveries_out(buf_view(&body), &out);
        fwrite(out.p, 1, out.n, stdout);
    }
    buf_free(&url);
    buf_free(&body);
    buf_free(&out);
    arena_free(&arena);
}

static void command_body(const struct cli_args *args, struct buf *out)
{
    static const char *const members[] = {"note", "disposition", "to", "until", "what", "impact", "urgency"};
    struct json_out json = json_out_to(out);
    const char *by = client_by(args);
    json_object(&json);
    if (by != NULL)
        json_kv_str(&json, "by", by);
    for (size_t i = 0; i < TC_ARRAY_LEN(members); i++)
        if (cli_value(args, members[i], NULL) != NULL)
            json_kv_str(&json, members[i], cli_value(args, members[i], NULL));
    json_object_end(&json);
    buf_char(out, '\0');
}

static void reveal_body(const struct cli_args *args, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_str(&json, "reason", cli_value(args, "reason", ""));
    json_object_end(&json);
    buf_char(out, '\0');
}

static enum cli_exit talk(const struct cli_args *args, const char *verb, const char *id, bool as_json)
{
    struct buf url, body, post;
    buf_init(&url, 8192);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_init(&post, 1 << 20);
    bool list = strcmp(verb, "list") == 0, export = strcmp(verb, "export") == 0;
    bool show = export || strcmp(verb, "show") == 0;
    bool reveal = strcmp(verb, "reveal") == 0;
    bool events = strcmp(verb, "events") == 0, of = strcmp(verb, "of") == 0;
    const char *bearer = reveal ? getenv("TOCSIN_PRIVACY_TOKEN") : client_token();
    buf_printf(&url, "%s/v1/%s", cli_value(args, "url", "http://127.0.0.1:9797"), of ? "events" : "alerts");
    if (list)
        buf_printf(&url, "?state=%s", cli_value(args, "state", "open"));
    else
        buf_printf(&url, "/%s%s%s", id, show || of ? "" : "/", show || of ? "" : verb);
    buf_char(&url, '\0');
    if (reveal)
        reveal_body(args, &post);
    else if (!list && !show && !events && !of)
        command_body(args, &post);
    struct err err;
    long status = 0;
    enum cli_exit code;
    if (url.overflow || post.overflow)
        code = cli_fail(args, CLI_USAGE, "the URL or the note is too long");
    else if (client_request(
                 &(struct client_call){.url = url.p, .post = post.n > 0 ? post.p : NULL, .bearer = bearer},
                 &body, &status, &err) != 0)
        code = cli_fail_err(args, &err);
    else if ((code = client_exit(args, status, buf_view(&body))) == CLI_DONE) {
        if (list)
            print_list(buf_view(&body), as_json);
        else if (events || of)
            print_links(buf_view(&body), events, as_json);
        else if (export)
            print_markdown(buf_view(&body));
        else if ((show || reveal) && !as_json) {
            print_details(buf_view(&body));
            print_deliveries(args, buf_view(&body));
        } else
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
    static const char *const verbs[] = {
        "list",    "show",   "export",  "events",  "of",    "ack",      "snooze", "wake", "assign", "note",
        "confirm", "assess", "respond", "resolve", "close", "document", "task",   "done", "reveal", NULL};
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
        return cli_fail(args, CLI_USAGE, "\"%s\": it is " ALERT_VERBS, verb);
    const char *state = cli_value(args, "state", "open");
    if (strcmp(state, "open") != 0 && strcmp(state, "ended") != 0)
        return cli_fail(args, CLI_USAGE, "--state %s: it is open or ended", state);
    if (i == 0)
        return talk(args, verb, NULL, as_json);
    if (strcmp(verb, "of") == 0) {
        if (count < 2 || words[1][strspn(words[1], "0123456789")] != '\0')
            return cli_fail(args, CLI_USAGE,
                            "of needs the position of an event, as `tocsin query` prints it");
        return talk(args, verb, words[1], as_json);
    }
    if (count < 2 || !is_id(words[1]))
        return cli_fail(args, CLI_USAGE,
                        "%s needs the id of an alert (6 or more of its hexadecimal digits): `tocsin alerts "
                        "list` shows them",
                        verb);
    return talk(args, verb, words[1], as_json);
}

const struct verb verb_alerts = {
    .name = "alerts",
    .operands = "[list|show|export|events|of|ack|snooze|wake|assign|note|confirm|assess|respond|resolve|"
                "close|document|"
                "task|done|reveal] [ID|POSITION]",
    .summary = "list alerts of a running server, and do with them what people do",
    .details =
        "docs/alerts.md tells what each word does and when it can be done. `export` prints a post-mortem to\n"
        "go on from, in Markdown. `events` prints the events behind an alert, `of` the alerts that an event\n"
        "belongs to.\n"
        "`reveal` shows an alert with the values behind its tokens. It needs a reason, and the token of "
        "a privacy officer in the\n"
        "environment as TOCSIN_PRIVACY_TOKEN.",
    .options = options,
    .min_operands = 0,
    .max_operands = 2,
    .run = alerts_run,
};
