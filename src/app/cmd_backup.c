/*
 * `tocsin backup`, `tocsin restore` and `tocsin release`; see backup.h and delivery.h.
 */
#include "app/app.h"

#include "app/backup.h"
#include "base/json_out.h"
#include "cli/client.h"
#include "cli/finding_out.h"
#include "event/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- backup and restore
 * ------------------------------------------------------------------------------------------- */

static const struct option_spec backup_options[] = {
    {"data", OPTION_VALUE, "DIR", "the data directory; its server may run"},
    {"to", OPTION_VALUE, "PATH", "a new directory, NAME.tar.zst, or - for an archive on standard output"},
    {"config", OPTION_VALUE, "FILE",
     "keep this configuration with it (secrets are not in it: keep them elsewhere)"},
    {"without-keys", OPTION_FLAG, NULL,
     "leave out the keys of pseudonyms and of the vault: a restore then makes other ones"},
    {"with-vault", OPTION_FLAG, NULL,
     "also the sealed values of persons, so that tokens can still be revealed"},
    {"format", OPTION_VALUE, "table|json", "how the report is printed"},
    {0}};

static const struct option_spec restore_options[] = {
    {"from", OPTION_VALUE, "PATH", "the backup: a directory, NAME.tar.zst, or - for standard input"},
    {"data", OPTION_VALUE, "DIR", "where to: absent, or empty"},
    {"check", OPTION_FLAG, NULL, "only verify the backup: manifest, hashes, the journal's chain"},
    {"work", OPTION_VALUE, "DIR",
     "check: where an archive is unpacked for a while (default: TMPDIR, or /tmp)"},
    {"deliver", OPTION_FLAG, NULL, "do not hold notifications back"},
    {"erased", OPTION_VALUE, "FILE",
     "vault/erased of the installation that is replaced: what was erased since the backup stays erased"},
    {"format", OPTION_VALUE, "table|json", "how the report is printed"},
    {0}};

static void summary_json(struct json_out *json, const struct backup_summary *s)
{
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%016llx", (unsigned long long)s->epoch);
    json_kv_time(json, "created", s->created_ns);
    json_kv_str(json, "made_by", s->made_by);
    json_kv_str(json, "epoch", epoch);
    json_kv_u64(json, "position", s->position);
    json_kv_str(json, "head", s->head);
    json_kv_u64(json, "files", s->files);
    json_kv_u64(json, "bytes", s->bytes);
    json_kv_bool(json, "keys", s->has_keys);
}

static void print_summary(FILE *to, const char *what, const struct backup_summary *s)
{
    char at[TC_RFC3339_MAX];
    clk_rfc3339(s->created_ns, at);
    fprintf(to, "%s: %llu records up to position %llu, %llu files, %llu bytes, of %s, %s\nchain head: %s\n",
            what, (unsigned long long)s->position, (unsigned long long)s->position,
            (unsigned long long)s->files, (unsigned long long)s->bytes, at,
            s->has_keys ? "with keys: keep it secret" : "without keys", s->head);
}

static void print_json_line(struct buf *out)
{
    printf("%.*s\n", SV_FMT(buf_view(out)));
    buf_free(out);
}

static enum cli_exit backup_run(const struct cli_args *args)
{
    bool ok, as_json = cli_wants_json(args, false, &ok);
    struct backup_options o = {.fs = &fs_system,
                               .clk = &clk_system,
                               .data = cli_value(args, "data", NULL),
                               .to = cli_value(args, "to", NULL),
                               .config = cli_value(args, "config", NULL),
                               .without_keys = cli_flag(args, "without-keys"),
                               .with_vault = cli_flag(args, "with-vault")};
    struct backup_summary summary;
    struct err err;
    if (!ok)
        return CLI_USAGE;
    if (o.data == NULL || o.to == NULL)
        return cli_fail(args, CLI_USAGE, "name the data directory and the backup: --data DIR --to PATH");
    bool to_stdout = strcmp(o.to, "-") == 0;
    if (to_stdout && isatty(STDOUT_FILENO))
        return cli_fail(args, CLI_USAGE,
                        "standard output is a terminal: send the archive to a file or a program");
    int rc = backup_make(&o, &summary, &err);
    if (rc != 0) {
        cli_fail_err(args, &err);
        return rc == TC_EEXIST || rc == TC_ENOTFOUND || rc == TC_EINPUT ? CLI_USAGE : CLI_FAILED;
    }
    if (!as_json || to_stdout) {
        print_summary(to_stdout ? stderr : stdout, o.to, &summary);
        return CLI_DONE;
    }
    struct buf out;
    buf_init(&out, 1 << 16);
    struct json_out json = json_out_to(&out);
    json_object(&json);
    json_kv_str(&json, "to", o.to);
    summary_json(&json, &summary);
    json_object_end(&json);
    print_json_line(&out);
    return CLI_DONE;
}

static enum cli_exit failed(const struct cli_args *args, int rc, const struct err *err)
{
    cli_fail_err(args, err);
    return rc == TC_ECORRUPT                                                                   ? CLI_FOUND
           : rc == TC_EEXIST || rc == TC_ENOTFOUND || rc == TC_EINPUT || rc == TC_EUNSUPPORTED ? CLI_USAGE
                                                                                               : CLI_FAILED;
}

static enum cli_exit check(const struct cli_args *args, const char *from, bool as_json)
{
    struct backup_summary summary;
    struct err err;
    const char *tmp = getenv("TMPDIR");
    const char *work = cli_value(args, "work", tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
    int rc = backup_check(&fs_system, from, work, &summary, &err);
    if (rc != 0)
        return failed(args, rc, &err);
    if (!as_json) {
        print_summary(stdout, "the backup is whole", &summary);
        return CLI_DONE;
    }
    struct buf out;
    buf_init(&out, 1 << 16);
    struct json_out json = json_out_to(&out);
    json_object(&json);
    json_kv_bool(&json, "intact", true);
    summary_json(&json, &summary);
    json_object_end(&json);
    print_json_line(&out);
    return CLI_DONE;
}

static void print_restored(const struct restore_report *r, const struct restore_options *o, bool as_json)
{
    struct buf out;
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%016llx", (unsigned long long)r->epoch);
    if (as_json) {
        buf_init(&out, 1 << 20);
        struct json_out json = json_out_to(&out);
        json_object(&json);
        json_kv_str(&json, "data", o->data);
        json_kv_str(&json, "new_epoch", epoch);
        json_kv_bool(&json, "held", !o->deliver);
        json_kv_u64(&json, "pending", r->pending);
        json_key(&json, SV("preview"));
        json_array(&json);
        for (size_t i = 0; i < r->preview_count; i++)
            json_string(&json, r->preview[i]);
        json_array_end(&json);
        json_key(&json, SV("backup"));
        json_object(&json);
        summary_json(&json, &r->summary);
        json_object_end(&json);
        json_object_end(&json);
        print_json_line(&out);
        return;
    }
    print_summary(stdout, o->data, &r->summary);
    printf("new epoch: %s\n%llu notifications were decided and are not known to be sent%s\n", epoch,
           (unsigned long long)r->pending, r->preview_count > 0 ? ":" : "");
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < r->preview_count; i++) {
        buf_str(&out, "  ");
        terminal_text(&out, r->preview[i]);
        buf_char(&out, '\n');
    }
    printf("%.*s", SV_FMT(buf_view(&out)));
    buf_free(&out);
    if (!o->deliver)
        printf(
            "delivery is held: start the server, look at `tocsin release --list`, then `tocsin release`\n");
    if (!r->summary.has_keys)
        printf("the backup has no keys: pseudonyms will be others than before\n");
}

static enum cli_exit restore_run(const struct cli_args *args)
{
    bool ok, as_json = cli_wants_json(args, false, &ok);
    struct restore_options o = {.fs = &fs_system,
                                .clk = &clk_system,
                                .rng = &rng_system,
                                .from = cli_value(args, "from", NULL),
                                .data = cli_value(args, "data", NULL),
                                .erased = cli_value(args, "erased", NULL),
                                .deliver = cli_flag(args, "deliver")};
    struct restore_report report;
    struct err err;
    if (!ok)
        return CLI_USAGE;
    if (o.from == NULL || (o.data == NULL) != cli_flag(args, "check"))
        return cli_fail(args, CLI_USAGE,
                        "name the backup and where to: --from PATH --data DIR, or --from PATH --check");
    if (o.data == NULL)
        return check(args, o.from, as_json);
    int rc = backup_restore(&o, &report, &err);
    enum cli_exit code = rc == 0 ? CLI_DONE : failed(args, rc, &err);
    if (rc == 0)
        print_restored(&report, &o, as_json);
    arena_free(&report.arena);
    return code;
}

const struct verb verb_backup = {
    .name = "backup",
    .operands = "",
    .summary = "copy a data directory, while its server runs, into a directory or an archive",
    .details =
        "Everything that was acknowledged before is in it. The backup holds what the journal holds, and the "
        "key "
        "of pseudonyms: it\nis as secret as the data directory. `--to - | age -r …` encrypts it on its way.",
    .options = backup_options,
    .run = backup_run,
};

const struct verb verb_restore = {
    .name = "restore",
    .operands = "",
    .summary = "verify a backup, or make a data directory of it",
    .details =
        "What is restored begins a new epoch, and its notifications are held back until `tocsin release`: "
        "what was "
        "sent after the\nbackup was taken is not known to it. Exit code 1 where the backup is damaged.",
    .options = restore_options,
    .run = restore_run,
};

/* --- release
 * ------------------------------------------------------------------------------------------------------ */

static const struct option_spec release_options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default http://127.0.0.1:9797)"},
    {"list", OPTION_FLAG, NULL, "only show whether delivery is held, and what would be sent"},
    {"discard", OPTION_FLAG, NULL, "give up what was decided before now, and send only what comes"},
    {"by", OPTION_VALUE, "NAME", "who does it (default: the login name)"},
    {"note", OPTION_VALUE, "TEXT", "why; stands in the journal"},
    {0}};

static void release_body(const struct cli_args *args, struct buf *out)
{
    struct json_out json = json_out_to(out);
    const char *by = client_by(args), *note = cli_value(args, "note", NULL);
    json_object(&json);
    if (by != NULL)
        json_kv_str(&json, "by", by);
    if (note != NULL)
        json_kv_str(&json, "note", note);
    if (cli_flag(args, "discard"))
        json_kv_str(&json, "disposition", "discard");
    json_object_end(&json);
    buf_char(out, '\0');
}

static enum cli_exit release_run(const struct cli_args *args)
{
    struct buf url, post, body;
    struct err err;
    long status = 0;
    bool list = cli_flag(args, "list");
    buf_init(&url, 8192);
    buf_init(&post, 1 << 16);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_printf(&url, "%s/api/v1/delivery%s", cli_value(args, "url", "http://127.0.0.1:9797"),
               list ? "" : "/release");
    buf_char(&url, '\0');
    release_body(args, &post);
    enum cli_exit code;
    if (url.overflow || post.overflow)
        code = cli_fail(args, CLI_USAGE, "the URL or the note is too long");
    else if (client_request(
                 &(struct client_call){.url = url.p, .post = list ? NULL : post.p, .bearer = client_token()},
                 &body, &status, &err) != 0)
        code = cli_fail_err(args, &err);
    else if ((code = client_exit(args, status, buf_view(&body))) == CLI_DONE)
        printf("%.*s\n", SV_FMT(buf_view(&body)));
    buf_free(&url);
    buf_free(&post);
    buf_free(&body);
    return code;
}

const struct verb verb_release = {
    .name = "release",
    .operands = "",
    .summary = "let notifications go that are held back since a restore",
    .options = release_options,
    .run = release_run,
};
