/*
 * `tocsin verify`: recomputes every checksum, leaf and the hash chain of a journal. Read-only.
 */
#include "base/json_out.h"
#include "cli/cli.h"
#include "journal/journal.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"format", OPTION_VALUE, "table|json", "how the report is printed"}, {0}};

static void print_json(const struct journal_verify_report *r, const char *damage)
{
    struct buf out;
    char head[TC_SHA256_HEX];
    buf_init(&out, 1 << 16);
    struct json_out json = json_out_to(&out);
    hash_hex(r->head, sizeof r->head, head);
    json_object(&json);
    json_kv_bool(&json, "intact", damage == NULL);
    json_kv_u64(&json, "segments", r->segments);
    json_kv_u64(&json, "frames", r->frames);
    json_kv_u64(&json, "records", r->records);
    json_kv_u64(&json, "bytes", r->bytes);
    json_kv_u64(&json, "torn_bytes", r->torn_bytes);
    json_kv_str(&json, "torn_file", r->torn_file);
    json_kv_str(&json, "head", head);
    json_kv_time(&json, "first", r->records > 0 ? r->first.ns : TC_NO_TIME);
    json_kv_time(&json, "last", r->records > 0 ? r->last.ns : TC_NO_TIME);
    json_key(&json, SV("damage"));
    if (damage != NULL)
        json_string(&json, sv_of(damage));
    else
        json_null(&json);
    json_object_end(&json);
    printf("%.*s\n", SV_FMT(buf_view(&out)));
    buf_free(&out);
}

static void print_table(const struct journal_verify_report *r)
{
    char head[TC_SHA256_HEX];
    hash_hex(r->head, sizeof r->head, head);
    printf("intact: %llu records in %llu frames, %llu segments, %llu bytes\nchain head: %s\n",
           (unsigned long long)r->records, (unsigned long long)r->frames, (unsigned long long)r->segments,
           (unsigned long long)r->bytes, head);
    if (r->torn_bytes > 0)
        printf("torn tail: %llu bytes at the end of %s were being written when the process ended; nobody was "
               "told that they are kept\n",
               (unsigned long long)r->torn_bytes, r->torn_file);
}

static enum cli_exit verify_run(const struct cli_args *args)
{
    bool ok, as_json = cli_wants_json(args, false, &ok);
    if (!ok)
        return CLI_USAGE;
    const char *const *dirs;
    cli_operands(args, &dirs);
    struct journal_verify_report report = {0};
    struct err err = {0};
    int rc = journal_verify(&fs_system, dirs[0], &report, &err);
    char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
    if (rc == 0 || rc == TC_ECORRUPT) {
        if (as_json)
            print_json(&report, rc == 0 ? NULL : err_format(&err, text, sizeof text));
        else if (rc == 0)
            print_table(&report);
    }
    if (rc == 0)
        return CLI_DONE;
    cli_fail_err(args, &err);
    return rc == TC_ECORRUPT ? CLI_FOUND : rc == TC_EIO && err.sys == 0 ? CLI_FAILED : CLI_USAGE;
}

const struct verb verb_verify = {
    .name = "verify",
    .operands = "DIR",
    .summary = "prove that a data directory's journal is whole and unchanged",
    .details = "Exit code 1 and a message with file and offset where something is damaged. An unfinished "
               "tail, as a crash leaves it, is\n"
               "reported and is not damage.",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = verify_run,
};
