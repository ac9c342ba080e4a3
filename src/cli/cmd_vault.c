/*
 * `tocsin vault`: reveals and erases what stands behind tokens, on a running server over its HTTP API.
 */
#include "base/json_out.h"
#include "cli/cli.h"
#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_spec options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default http://127.0.0.1:9797)"},
    {"reason", OPTION_VALUE, "TEXT", "why; it goes into the audit record"},
    {0}};

static enum cli_exit talk(const struct cli_args *args, const char *verb, const char *subject)
{
    struct buf url, body, post;
    struct err err;
    long status = 0;
    enum cli_exit code;
    buf_init(&url, 8192);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_init(&post, 1 << 16);
    buf_printf(&url, "%s/v1/vault/%s", cli_value(args, "url", "http://127.0.0.1:9797"), verb);
    buf_char(&url, '\0');
    struct json_out json = json_out_to(&post);
    json_object(&json);
    json_kv_str(&json, "token", subject);
    json_kv_str(&json, "reason", cli_value(args, "reason", ""));
    json_object_end(&json);
    buf_char(&post, '\0');
    if (url.overflow || post.overflow)
        code = cli_fail(args, CLI_USAGE, "the URL, the value or the reason is too long");
    else if (client_request(&(struct client_call){.url = url.p,
                                                  .post = post.p,
                                                  .bearer = getenv("TOCSIN_PRIVACY_TOKEN")},
                            &body, &status, &err) != 0)
        code = cli_fail_err(args, &err);
    else if ((code = client_exit(args, status, buf_view(&body))) == CLI_DONE)
        printf("%.*s\n", (int)body.n, body.p);
    buf_free(&url);
    buf_free(&body);
    buf_free(&post);
    return code;
}

/* A line of standard input in place of a value that should stay out of the process list. */
static bool subject_of(const char *operand, char *out, size_t size)
{
    if (strcmp(operand, "-") != 0)
        return (size_t)snprintf(out, size, "%s", operand) < size;
    if (fgets(out, (int)size, stdin) == NULL)
        return false;
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

static enum cli_exit vault_run(const struct cli_args *args)
{
    char subject[4096];
    const char *const *words;
    cli_operands(args, &words);
    if (strcmp(words[0], "reveal") != 0 && strcmp(words[0], "erase") != 0)
        return cli_fail(args, CLI_USAGE, "\"%s\": it is reveal or erase", words[0]);
    if (cli_value(args, "reason", NULL) == NULL)
        return cli_fail(args, CLI_USAGE, "a reason is needed: --reason TEXT");
    if (!subject_of(words[1], subject, sizeof subject))
        return cli_fail(args, CLI_USAGE, "there is no value, or it is too long");
    return talk(args, words[0], subject);
}

const struct verb verb_vault = {
    .name = "vault",
    .operands = "reveal|erase TOKEN|VALUE",
    .summary = "reveal what stands behind a token, or erase it for ever",
    .details =
        "`reveal` takes a token such as <email:0123456789abcdef>; `erase` takes a token or a value. Both "
        "need a reason, and the\n"
        "token of a privacy officer in the environment as TOCSIN_PRIVACY_TOKEN. - reads the value from "
        "standard input.",
    .options = options,
    .min_operands = 2,
    .max_operands = 2,
    .run = vault_run,
};
