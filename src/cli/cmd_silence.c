/*
 * `tocsin silence`: alerts that are not told for a time; `tocsin incident`: a response that several alerts
 * belong to. Both ask a running server.
 */
#include "base/json_out.h"
#include "cli/cli.h"
#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>

/* Each member of the server's list on a line of its own, or what it answered as it is. */
static void print(struct sv body, bool list)
{
    struct sv member;
    if (!list)
        printf("%.*s\n", SV_FMT(body));
    while (list && client_member(&body, &member))
        printf("%.*s\n", SV_FMT(member));
}

static enum cli_exit call(const struct cli_args *args, struct buf *path,
                          const struct client_member_option *members, bool list)
{
    struct buf body, post;
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_init(&post, 1 << 18);
    buf_char(path, '\0');
    if (members != NULL)
        client_command_body(args, members, &post);
    enum cli_exit code = path->overflow || post.overflow
                             ? cli_fail(args, CLI_USAGE, "that is too long")
                             : client_talk(args, path->p, members == NULL ? NULL : post.p, &body);
    if (code == CLI_DONE)
        print(buf_view(&body), list);
    buf_free(&body);
    buf_free(&post);
    return code;
}

/* --- silence */

static const struct option_spec silence_options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default " TC_SERVER_URL ")"},
    {"until", OPTION_VALUE, "TIME", "add: its end, a time (RFC 3339) or a duration (4h); 30 days at most"},
    {"until-resolved", OPTION_FLAG, NULL, "add: it ends with the last alert that it hides"},
    {"every", OPTION_VALUE, "HOURS",
     "add: only at these hours of the week, such as \"mon-fri 22:00-06:00 Europe/Berlin\""},
    {"note", OPTION_VALUE, "TEXT", "add: why; needed"},
    {"by", OPTION_VALUE, "NAME", "who does it (default: the login name)"},
    {0}};

static enum cli_exit add_silence(const struct cli_args *args, const char *matchers)
{
    struct client_member_option members[] = {{"note", "note"}, {"until", "until"}, {"every", "every"}, {0}};
    struct buf path, body, post, all;
    buf_init(&path, 64);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_init(&post, 1 << 18);
    buf_init(&all, 1 << 18);
    client_command_body(args, members, &post);
    struct json_out json = json_out_to(&all); /* what has no option of its own stands first */
    json_object(&json);
    json_kv_str(&json, "what", matchers);
    if (cli_flag(args, "until-resolved"))
        json_kv_str(&json, "disposition", "until_resolved");
    buf_char(&all, ',');
    buf_sv(&all, sv_from(buf_view(&post), 1));
    enum cli_exit code = client_talk(args, "/v1/silences", all.p, &body);
    if (code == CLI_DONE)
        print(buf_view(&body), false);
    buf_free(&path);
    buf_free(&body);
    buf_free(&post);
    buf_free(&all);
    return code;
}

static enum cli_exit silence_run(const struct cli_args *args)
{
    static const struct client_member_option by[] = {{0}};
    const char *const *words;
    size_t count = cli_operands(args, &words);
    const char *verb = count == 0 ? "list" : words[0];
    struct buf path;
    enum cli_exit code;
    buf_init(&path, 32 << 10);
    if (strcmp(verb, "list") == 0) {
        buf_str(&path, "/v1/silences");
        code = call(args, &path, NULL, true);
    } else if (count < 2) {
        code = cli_fail(args, CLI_USAGE, "it is list, preview MATCHERS, add MATCHERS or end NUMBER");
    } else if (strcmp(verb, "preview") == 0) {
        buf_str(&path, "/v1/silences/preview?matchers=");
        client_encode(&path, words[1]);
        code = call(args, &path, NULL, false);
    } else if (strcmp(verb, "end") == 0) {
        buf_str(&path, "/v1/silences/");
        client_encode(&path, words[1]);
        buf_str(&path, "/unsilence");
        code = call(args, &path, by, false);
    } else {
        code = strcmp(verb, "add") == 0
                   ? add_silence(args, words[1])
                   : cli_fail(args, CLI_USAGE, "\"%s\": it is list, preview, add or end", verb);
    }
    buf_free(&path);
    return code;
}

const struct verb verb_silence = {
    .name = "silence",
    .operands = "[list|preview|add|end] [MATCHERS|NUMBER]",
    .summary = "keep alerts from being told for a time",
    .details =
        "MATCHERS are Alertmanager's, such as 'alertname=\"SCAN\", source_ip=~\"10\\..*\"'. `preview` says "
        "how many\n"
        "alerts they would hide now, and would have hidden in the last week. docs/alerts.md has the rules.",
    .options = silence_options,
    .min_operands = 0,
    .max_operands = 2,
    .run = silence_run,
};

/* --- incident */

static const struct option_spec incident_options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default " TC_SERVER_URL ")"},
    {"what", OPTION_VALUE, "TEXT", "open: its title; phase: the next phase; link, unlink: an alert's id"},
    {"to", OPTION_VALUE, "PERSON", "open, command: the commander"},
    {"note", OPTION_VALUE, "TEXT", "for its timeline; closing needs one"},
    {"by", OPTION_VALUE, "NAME", "who does it (default: the login name)"},
    {0}};

static enum cli_exit incident_run(const struct cli_args *args)
{
    static const struct client_member_option members[] = {
        {"what", "what"}, {"to", "to"}, {"note", "note"}, {0}};
    static const char *const verbs[] = {"list", "show",   "export",  "open", "phase",
                                        "link", "unlink", "command", "note", "close"};
    const char *const *words;
    size_t count = cli_operands(args, &words), i = 0;
    const char *verb = count == 0 ? "list" : words[0];
    while (i < TC_ARRAY_LEN(verbs) && strcmp(verbs[i], verb) != 0)
        i++;
    bool list = i == 0, reads = i < 3, needs_number = i != 0 && i != 3;
    if (i == TC_ARRAY_LEN(verbs) || (needs_number && count < 2))
        return cli_fail(
            args, CLI_USAGE,
            "it is list, open, or with an incident's number show, export, phase, link, unlink, command, "
            "note or close");
    struct buf path;
    buf_init(&path, 4096);
    buf_str(&path, "/v1/incidents");
    if (needs_number) {
        buf_char(&path, '/');
        client_encode(&path, words[1]);
        buf_printf(&path, "%s%s", i == 2 ? ".md" : reads ? "" : "/", reads ? "" : verb);
    }
    enum cli_exit code = call(args, &path, reads ? NULL : members, list);
    buf_free(&path);
    return code;
}

const struct verb verb_incident = {
    .name = "incident",
    .operands = "[list|show|export|open|phase|link|unlink|command|note|close] [NUMBER]",
    .summary = "lead a response that several alerts belong to",
    .details = "Phases come in order: detection, assessment, containment, recovery, lessons. `export` prints "
               "the incident\n"
               "as Markdown. docs/alerts.md has the rules.",
    .options = incident_options,
    .min_operands = 0,
    .max_operands = 2,
    .run = incident_run,
};
