/*
 * `tocsin archive`: what the archive of retention has, and putting it back into a stopped data directory.
 */
#include "base/json_out.h"
#include "base/num.h"
#include "cli/cli.h"
#include "journal/cold_archive.h"
#include "journal/datadir.h"

#include <stdio.h>
#include <stdlib.h>

static const struct option_spec options[] = {
    {"data", OPTION_VALUE, "DIR", "the data directory"},
    {"from", OPTION_VALUE, "ARCHIVE", "the archive (retention.archive of the configuration)"},
    {"at", OPTION_VALUE, "POSITION", "restore: only the segment that has this record"},
    {"format", OPTION_VALUE, "table|json", "how segments are printed"},
    {0}};

struct archive_run {
    const struct cli_args *args;
    const char *data, *archive;
    uint64_t at; /* 0: all */
    bool restores, as_json;
    size_t listed, restored;
    struct buf out;
};

static void print(struct archive_run *run, const struct cold_archived *one, bool restored)
{
    if (run->as_json) {
        struct json_out json = json_out_to(&run->out);
        json_object(&json);
        json_kv_u64(&json, "first_position", one->first);
        json_kv_u64(&json, "last_position", one->next - 1);
        json_kv_time(&json, "oldest", one->oldest.ns);
        json_kv_time(&json, "newest", one->newest.ns);
        json_kv_u64(&json, "archived_records", one->there);
        json_kv_u64(&json, "records", restored ? one->there : one->here);
        json_kv_bool(&json, "restored", restored);
        json_object_end(&json);
        buf_char(&run->out, '\n');
    } else {
        char oldest[TC_RFC3339_MAX], newest[TC_RFC3339_MAX];
        clk_rfc3339(one->oldest.ns, oldest);
        clk_rfc3339(one->newest.ns, newest);
        buf_printf(&run->out, "%llu-%llu  %s to %s  %llu records in the archive, %llu here%s\n",
                   (unsigned long long)one->first, (unsigned long long)one->next - 1, oldest, newest,
                   (unsigned long long)one->there, (unsigned long long)(restored ? one->there : one->here),
                   restored ? ", put back" : "");
    }
    fwrite(run->out.p, 1, run->out.n, stdout);
    buf_clear(&run->out);
}

static int take(void *context, const struct cold_archived *one, struct err *err)
{
    struct archive_run *run = context;
    bool named = run->at == 0 || (run->at >= one->first && run->at < one->next);
    if (!named)
        return 0;
    run->listed++;
    bool due = run->restores && one->is_cold_here && one->there > one->here;
    int rc = due ? cold_archive_restore(&fs_system, run->data, run->archive, one->first, err) : 0;
    if (rc == 0 && (due || !run->restores))
        print(run, one, due);
    run->restored += rc == 0 && due;
    return rc;
}

static int run_all(struct archive_run *run, struct err *err)
{
    int lock = -1;
    int rc = run->restores ? datadir_lock(&fs_system, run->data, &lock, err) : 0;
    if (rc == 0)
        rc = cold_archive_each(&fs_system, run->data, run->archive, take, run, err);
    if (lock >= 0)
        fs_system.close(&fs_system, lock);
    if (rc == 0 && run->at != 0 && run->listed == 0)
        rc = err_set(err, TC_ENOTFOUND, "the archive has no segment with position %llu",
                     (unsigned long long)run->at);
    return rc;
}

static enum cli_exit archive_run(const struct cli_args *args)
{
    const char *const *words;
    size_t count = cli_operands(args, &words);
    const char *verb = count == 0 ? "list" : words[0];
    bool ok = true;
    struct err err;
    struct archive_run run = {.args = args,
                              .data = cli_value(args, "data", NULL),
                              .archive = cli_value(args, "from", NULL),
                              .restores = strcmp(verb, "restore") == 0,
                              .as_json = cli_wants_json(args, false, &ok)};
    if (!ok || !cli_number(args, "at", 1, UINT64_MAX - 1, 0, &run.at))
        return CLI_USAGE;
    if (!run.restores && strcmp(verb, "list") != 0)
        return cli_fail(args, CLI_USAGE, "\"%s\": it is list or restore", verb);
    if (run.data == NULL || run.archive == NULL)
        return cli_fail(args, CLI_USAGE, "give --data DIR and --from ARCHIVE");
    buf_init(&run.out, 1 << 16);
    int rc = run_all(&run, &err);
    buf_free(&run.out);
    if (rc == 0 && run.restores && !run.as_json)
        printf("%zu segments put back\n", run.restored);
    if (rc == TC_ECORRUPT)
        cli_fail_err(args, &err);
    return rc == 0 ? CLI_DONE : rc == TC_ECORRUPT ? CLI_FOUND : cli_fail_err(args, &err);
}

const struct verb verb_archive = {
    .name = "archive",
    .operands = "[list|restore]",
    .summary = "list what the archive of retention has, and put it back",
    .details =
        "`restore` needs a data directory that no server has open. Each copy is put back only where its "
        "own bytes make the\n"
        "hash chain that the journal has at that place; else nothing of it is touched (exit code 1). "
        "Make a hold first\n"
        "(`tocsin hold`, or retention.holds), or the next start drops it again.",
    .options = options,
    .min_operands = 0,
    .max_operands = 1,
    .run = archive_run,
};
