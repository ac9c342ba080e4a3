/*
 * `tocsin hold`: records that retention must not drop until somebody releases them. Asks a running server.
 */
#include "cli/cli.h"
#include "cli/client.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default " TC_SERVER_URL ")"},
    {"from", OPTION_VALUE, "TIME", "add: records from this time on (RFC 3339; the event's, else of receipt)"},
    {"to", OPTION_VALUE, "TIME", "add: and before this one"},
    {"class", OPTION_VALUE, "security|audit|debug", "add: of this class"},
    {"source", OPTION_VALUE, "SOURCE", "add: from this source; a * at its end stands for any rest"},
    {"text", OPTION_VALUE, "TEXT", "add: in whose raw text this occurs"},
    {"note", OPTION_VALUE, "TEXT", "add, release: why; needed"},
    {"by", OPTION_VALUE, "NAME", "who does it (default: the login name)"},
    {0}};

static const struct client_member_option members[] = {{"from", "from"},
                                                      {"to", "until"},
                                                      {"class", "class"},
                                                      {"source", "source"},
                                                      {"text", "text"},
                                                      {"note", "note"},
                                                      {0}};

static enum cli_exit list(const struct cli_args *args)
{
    struct buf body;
    buf_init(&body, TC_CLIENT_BODY_MAX);
    enum cli_exit code = client_talk(args, "/v1/holds", NULL, &body);
    struct sv rest = buf_view(&body), member;
    while (code == CLI_DONE && client_member(&rest, &member))
        printf("%.*s\n", SV_FMT(member));
    buf_free(&body);
    return code;
}

static enum cli_exit change(const struct cli_args *args, const char *name, bool release)
{
    struct buf path, post, body;
    buf_init(&path, 4096);
    buf_init(&post, 64 << 10);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_str(&path, "/v1/holds/");
    client_encode(&path, name);
    buf_str(&path, release ? "/release" : "");
    buf_char(&path, '\0');
    client_command_body(args, members, &post);
    enum cli_exit code = path.overflow || post.overflow ? cli_fail(args, CLI_USAGE, "that is too long")
                                                        : client_talk(args, path.p, post.p, &body);
    if (code == CLI_DONE)
        printf("%.*s\n", SV_FMT(buf_view(&body)));
    buf_free(&path);
    buf_free(&post);
    buf_free(&body);
    return code;
}

static enum cli_exit hold_run(const struct cli_args *args)
{
    const char *const *words;
    size_t count = cli_operands(args, &words);
    const char *verb = count == 0 ? "list" : words[0];
    bool add = strcmp(verb, "add") == 0, release = strcmp(verb, "release") == 0;
    if (strcmp(verb, "list") == 0)
        return list(args);
    if ((!add && !release) || count < 2 || words[1][0] == '\0')
        return cli_fail(args, CLI_USAGE, "it is list, add NAME or release NAME");
    return change(args, words[1], release);
}

const struct verb verb_hold = {
    .name = "hold",
    .operands = "[list|add|release] [NAME]",
    .summary = "keep records from being dropped by retention",
    .details = "What is named must all fit: `add 'case 2026-7' --from 2026-11-01T00:00:00Z --source 'file:*' "
               "--note why`.\n"
               "A hold is in force once the command has returned. docs/retention.md has the rules. To hold "
               "notifications back is\n"
               "another thing: see release.",
    .options = options,
    .min_operands = 0,
    .max_operands = 2,
    .run = hold_run,
};
