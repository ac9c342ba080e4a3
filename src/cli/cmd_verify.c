/*
 * `tocsin verify`: recomputes every checksum, leaf and the hash chain of a journal, judges it by signed
 * checkpoints, and writes the proof of a record. Read-only.
 */
#include "base/json_out.h"
#include "base/num.h"
#include "base/pool.h"
#include "cli/cli.h"
#include "cli/cloudtrail.h"
#include "cli/proof_out.h"
#include "journal/evidence.h"
#include "journal/sealer.h"

#include <stdio.h>
#include <string.h>

static const struct option_spec options[] = {
    {"key", OPTION_VALUE, "FILE", "public keys that checkpoints are believed by (`tocsin seal` makes them)"},
    {"checkpoints", OPTION_VALUE, "FILE",
     "a witness's copy of the checkpoints (default DIR/seal/checkpoints)"},
    {"sealed-within", OPTION_VALUE, "DURATION",
     "fail where the newest checkpoint that agrees is older (needs --key): sealing was stopped, or cut off"},
    {"prove", OPTION_VALUE, "ID", "write the proof of this record, as `tocsin query` names it"},
    {"proof", OPTION_VALUE, "FOLDER", "where the proof goes (made; default: proof-ID)"},
    {"cloudtrail", OPTION_VALUE, "DIR",
     "in place of a journal: a copy of CloudTrail's bucket, log files by its digests (needs --public-key)"},
    {"public-key", OPTION_VALUE, "FILE", "output of `aws cloudtrail list-public-keys`, or a key as PEM"},
    {"format", OPTION_VALUE, "table|json", "how the report is printed"},
    {0}};

static const char *const states[] = {
    [EVIDENCE_NONE] = "none", [EVIDENCE_AGREES] = "agree", [EVIDENCE_FAILS] = "fail"};

static void period_json(struct json_out *json, const struct evidence_report *e)
{
    json_key(json, SV("period"));
    json_object(json);
    json_kv_u64(json, "number", e->period);
    json_kv_time(json, "began", e->began.ns);
    json_kv_u64(json, "periods", e->periods);
    json_kv_u64(json, "sealed_records", e->sealed_size);
    json_kv_time(json, "sealed_until", e->sealed_until.ns);
    json_object_end(json);
}

static bool clock_went_back(const struct evidence_report *e)
{
    return e->back_to.ns != e->back_from.ns;
}

static void evidence_json(struct json_out *json, const struct evidence_report *e)
{
    json_key(json, SV("checkpoints"));
    json_object(json);
    json_kv_str(json, "state", states[e->state]);
    json_kv_u64(json, "count", e->checkpoints);
    json_kv_u64(json, "agreed", e->agreed);
    json_kv_u64(json, "within_dropped", e->passed);
    json_kv_bool(json, "signatures_judged", e->signatures_judged);
    json_kv_u64(json, "proven_records", e->size);
    json_kv_time(json, "proven_time", e->agreed > 0 ? e->time.ns : TC_NO_TIME);
    json_kv_str(json, "signer", e->signer);
    json_kv_u64(json, "torn_bytes", e->torn_bytes);
    json_kv_str(json, "why", e->why);
    if (e->has_period)
        period_json(json, e);
    bool has_gap = e->gap_to.ns != e->gap_from.ns;
    json_kv_time(json, "longest_gap_from", has_gap ? e->gap_from.ns : TC_NO_TIME);
    json_kv_time(json, "longest_gap_to", has_gap ? e->gap_to.ns : TC_NO_TIME);
    json_kv_time(json, "clock_back_from", clock_went_back(e) ? e->back_from.ns : TC_NO_TIME);
    json_kv_time(json, "clock_back_to", clock_went_back(e) ? e->back_to.ns : TC_NO_TIME);
    json_object_end(json);
}

static void print_json(const struct journal_verify_report *r, const struct evidence_report *e,
                       const char *damage)
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
    json_kv_u64(&json, "cold_segments", r->cold_segments);
    json_kv_u64(&json, "dropped_records", r->dropped);
    json_kv_time(&json, "dropped_last", r->dropped > 0 ? r->dropped_last.ns : TC_NO_TIME);
    json_kv_u64(&json, "torn_bytes", r->torn_bytes);
    json_kv_str(&json, "torn_file", r->torn_file);
    json_kv_str(&json, "head", head);
    json_kv_time(&json, "first", r->records > 0 ? r->first.ns : TC_NO_TIME);
    json_kv_time(&json, "last", r->records > 0 ? r->last.ns : TC_NO_TIME);
    evidence_json(&json, e);
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
    if (r->dropped > 0) {
        char time[TC_RFC3339_MAX];
        clk_rfc3339(r->dropped_last.ns, time);
        printf("dropped by retention: %llu records, the last at %s; their hashes are in place\n",
               (unsigned long long)r->dropped, time);
    }
    if (r->torn_bytes > 0)
        printf("torn tail: %llu bytes at the end of %s were being written when the process ended; nobody was "
               "told that they are kept\n",
               (unsigned long long)r->torn_bytes, r->torn_file);
}

/* What keys that evolve add: what nobody can have rewritten who took the machine since. */
static void print_period(const struct evidence_report *e)
{
    char time[TC_RFC3339_MAX], began[TC_RFC3339_MAX];
    clk_rfc3339(e->began.ns, began);
    printf("periods: %llu without a gap, the key of period %u signs since %s\n",
           (unsigned long long)e->periods, e->period, began);
    if (e->sealed_until.ns == TC_NO_TIME)
        return;
    clk_rfc3339(e->sealed_until.ns, time);
    printf("periods: records 1 to %llu were sealed until %s by keys that are erased: who took the machine "
           "later cannot have changed them\n",
           (unsigned long long)e->sealed_size, time);
}

static void print_times(const struct evidence_report *e)
{
    char from[TC_RFC3339_MAX], to[TC_RFC3339_MAX];
    if (e->gap_to.ns != e->gap_from.ns) {
        clk_rfc3339(e->gap_from.ns, from);
        clk_rfc3339(e->gap_to.ns, to);
        printf("checkpoints: the longest time without one is %s to %s\n", from, to);
    }
    if (clock_went_back(e)) {
        clk_rfc3339(e->back_from.ns, from);
        clk_rfc3339(e->back_to.ns, to);
        printf("checkpoints: the clock went back from %s to %s\n", from, to);
    }
}

static void print_evidence(const struct evidence_report *e)
{
    char time[TC_RFC3339_MAX];
    if (e->agreed > 0) {
        clk_rfc3339(e->time.ns, time);
        printf("checkpoints: %llu of %llu agree, records 1 to %llu are as they were at %s%s%s\n",
               (unsigned long long)e->agreed, (unsigned long long)e->checkpoints, (unsigned long long)e->size,
               time, e->signatures_judged ? ", signed by " : "; signatures were not judged (--key)",
               e->signer);
    }
    if (e->has_period)
        print_period(e);
    print_times(e);
    if (e->passed > 0)
        printf("checkpoints: %llu end within what retention dropped, later ones cover them\n",
               (unsigned long long)e->passed);
    if (e->torn_bytes > 0)
        printf("checkpoints: the last %llu bytes of the file are no whole checkpoint\n",
               (unsigned long long)e->torn_bytes);
}

/* <epoch>-<class>-<sequence>, or a position. */
static bool read_wish(const char *text, struct evidence_wish *ret)
{
    static const char *const classes[] = {"security", "audit", "debug"};
    struct sv rest = sv_of(text), epoch = sv_cut(&rest, '-'), name = sv_cut(&rest, '-');
    uint8_t bytes[8];
    if (num_u64(sv_of(text), 1, UINT64_MAX, &ret->position))
        return true;
    if (!hash_unhex(epoch, bytes, sizeof bytes) || !num_u64(rest, 1, UINT64_MAX, &ret->sequence))
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        ret->epoch = ret->epoch << 8 | bytes[i];
    for (size_t i = 0; i < TC_ARRAY_LEN(classes); i++)
        if (sv_is(name, classes[i])) {
            ret->class = (uint8_t)i;
            ret->by_id = true;
        }
    return ret->by_id;
}

static enum cli_exit prove(const struct cli_args *args, const char *id, const struct journal_verify_report *r,
                           const struct evidence_report *e)
{
    char time[TC_RFC3339_MAX];
    char folder[4096];
    struct err err;
    const char *wanted = cli_value(args, "proof", NULL);
    if (wanted == NULL && (size_t)snprintf(folder, sizeof folder, "proof-%s", id) >= sizeof folder)
        return cli_fail(args, CLI_USAGE, "--prove: the name is too long");
    clk_rfc3339(r->dropped_last.ns, time);
    if (e->position == 0 && r->dropped > 0)
        return cli_fail(args, CLI_FOUND,
                        e->dropped
                            ? "--prove %s: dropped by retention, at %s or before"
                            : "--prove %s: the journal holds no such record; it may be one of those that "
                              "retention dropped until %s",
                        id, time);
    if (e->position == 0)
        return cli_fail(args, CLI_FOUND, "--prove %s: the journal holds no such record", id);
    if (!e->found)
        return cli_fail(args, CLI_FOUND,
                        "--prove %s: no checkpoint that agrees was signed after it: try again later", id);
    if (proof_write(&fs_system, wanted != NULL ? wanted : folder, e, &err) != 0)
        return cli_fail_err(args, &err);
    fprintf(stderr, "tocsin verify: the proof of position %llu is in %s\n", (unsigned long long)e->position,
            wanted != NULL ? wanted : folder);
    return CLI_DONE;
}

struct verifying {
    const char *dir, *checkpoints, *prove;
    char own_checkpoints[4096];
    struct note_keys keys;
    struct evidence_wish wish;
    int64_t within_ns; /* 0: any age */
    bool has_keys, as_json;
};

static enum cli_exit read_wishes(const struct cli_args *args, struct verifying *v)
{
    const char *const *dirs;
    struct err err;
    bool ok;
    v->as_json = cli_wants_json(args, false, &ok);
    if (!ok)
        return CLI_USAGE;
    cli_operands(args, &dirs);
    v->dir = dirs[0];
    v->checkpoints = cli_value(args, "checkpoints", NULL);
    v->prove = cli_value(args, "prove", NULL);
    struct fs_stat st;
    if (v->checkpoints != NULL && fs_system.stat(&fs_system, v->checkpoints, &st) != 0)
        return cli_fail(args, CLI_USAGE, "--checkpoints %s: there is no such file", v->checkpoints);
    if (v->checkpoints == NULL &&
        seal_path(v->dir, "checkpoints", v->own_checkpoints, sizeof v->own_checkpoints))
        v->checkpoints = v->own_checkpoints;
    const char *key = cli_value(args, "key", NULL);
    v->has_keys = key != NULL;
    if (key != NULL && note_keys_read(&fs_system, key, &v->keys, &err) != 0) {
        cli_fail_err(args, &err);
        return CLI_USAGE;
    }
    if (!cli_duration(args, "sealed-within", 0, &v->within_ns))
        return CLI_USAGE;
    if (v->within_ns > 0 && !v->has_keys)
        return cli_fail(args, CLI_USAGE, "--sealed-within needs the public key: --key FILE");
    if (v->prove != NULL && !v->has_keys)
        return cli_fail(args, CLI_USAGE, "--prove needs the public key: --key FILE");
    if (v->prove != NULL && !read_wish(v->prove, &v->wish))
        return cli_fail(args, CLI_USAGE, "--prove %s: an id such as 910a2dec89025cc1-security-1 is expected",
                        v->prove);
    return CLI_DONE;
}

static enum cli_exit tell(const struct cli_args *args, const struct verifying *v, int rc,
                          const struct journal_verify_report *report, const struct evidence_report *evidence,
                          const struct err *err)
{
    char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
    if (rc == 0 || rc == TC_ECORRUPT) {
        if (v->as_json)
            print_json(report, evidence, rc == 0 ? NULL : err_format(err, text, sizeof text));
        else if (rc == 0)
            print_table(report);
        if (!v->as_json)
            print_evidence(evidence);
    }
    if (rc != 0) {
        cli_fail_err(args, err);
        return rc == TC_ECORRUPT ? CLI_FOUND : rc == TC_EIO && err->sys == 0 ? CLI_FAILED : CLI_USAGE;
    }
    if (evidence->state == EVIDENCE_FAILS)
        return cli_fail(args, CLI_FOUND, "%s: %s", v->checkpoints, evidence->why);
    if (v->has_keys && evidence->agreed == 0)
        return cli_fail(args, CLI_FOUND, "%s: there is no checkpoint to judge by", v->checkpoints);
    if (v->within_ns > 0 && clk_now(&clk_system).ns - evidence->time.ns > v->within_ns) {
        char time[TC_RFC3339_MAX];
        clk_rfc3339(evidence->time.ns, time);
        return cli_fail(args, CLI_FOUND, "%s: no seal since %s", v->checkpoints, time);
    }
    return v->prove != NULL ? prove(args, v->prove, report, evidence) : CLI_DONE;
}

static void print_cloudtrail(const struct cloudtrail_report *r, bool as_json)
{
    if (!as_json) {
        printf("%llu digests, %llu of them proven by a signature; %llu of %llu log files are as they were\n",
               (unsigned long long)r->digests, (unsigned long long)r->proven,
               (unsigned long long)r->logs_good, (unsigned long long)r->logs);
        return;
    }
    struct buf out;
    buf_init(&out, 4096);
    struct json_out json = json_out_to(&out);
    json_object(&json);
    json_kv_u64(&json, "digests", r->digests);
    json_kv_u64(&json, "digests_proven", r->proven);
    json_kv_u64(&json, "log_files", r->logs);
    json_kv_u64(&json, "log_files_intact", r->logs_good);
    json_kv_u64(&json, "problems", r->problems);
    json_object_end(&json);
    printf("%.*s\n", SV_FMT(buf_view(&out)));
    buf_free(&out);
}

static enum cli_exit verify_cloudtrail(const struct cli_args *args, const char *dir)
{
    const char *keys = cli_value(args, "public-key", NULL), *const * operands;
    struct cloudtrail_report report;
    struct err err;
    bool ok, as_json = cli_wants_json(args, false, &ok);
    if (!ok)
        return CLI_USAGE;
    if (keys == NULL || cli_operands(args, &operands) > 0)
        return cli_fail(args, CLI_USAGE, "--cloudtrail DIR needs --public-key FILE, and no other directory");
    int rc = cloudtrail_verify(dir, keys, &report, &err);
    enum cli_exit code = rc != 0 ? cli_fail_err(args, &err) : report.problems > 0 ? CLI_FOUND : CLI_DONE;
    if (rc == 0) {
        print_cloudtrail(&report, as_json);
        fprintf(stderr, "%.*s", SV_FMT(buf_view(&report.text)));
    }
    cloudtrail_free(&report);
    return code;
}

static enum cli_exit verify_run(const struct cli_args *args)
{
    struct verifying v = {0};
    const char *const *operands, *cloudtrail = cli_value(args, "cloudtrail", NULL);
    if (cloudtrail != NULL)
        return verify_cloudtrail(args, cloudtrail);
    if (cli_operands(args, &operands) == 0)
        return cli_fail(args, CLI_USAGE, "which data directory? (tocsin verify DIR)");
    enum cli_exit code = read_wishes(args, &v);
    if (code != CLI_DONE)
        return code;
    struct journal_verify_report report = {0};
    struct evidence_report evidence = {0};
    struct err err = {0};
    int rc = evidence_verify(&fs_system, v.dir, v.checkpoints, v.has_keys ? &v.keys : NULL,
                             v.prove != NULL ? &v.wish : NULL, pool_processors(), &report, &evidence, &err);
    code = tell(args, &v, rc, &report, &evidence, &err);
    note_keys_wipe(&v.keys);
    evidence_free(&evidence);
    return code;
}

const struct verb verb_verify = {
    .name = "verify",
    .operands = "[DIR]",
    .summary = "prove that a data directory's journal is whole and unchanged",
    .details =
        "Exit code 1 and a message with file and offset where something is damaged. An unfinished "
        "tail, as a crash leaves it, is\n"
        "reported and is not damage. With --key the signed checkpoints are judged, too: which records are "
        "proven, by whose\n"
        "signature, and since when they are not; where a series of keys that evolve is given, also whether "
        "each period is there. docs/evidence.md shows how to check a proof without "
        "this program.",
    .options = options,
    .min_operands = 0,
    .max_operands = 1,
    .run = verify_run,
};
