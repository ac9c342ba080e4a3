/*
 * `tocsin replay`: what rules would have found in the journal's events, had they been in force.
 *
 * The records are judged in their order, ticks and declared lateness included, by a detector of its own with
 * all processors: what a server with these rules from the beginning on found is what comes out. Events
 * before --from are judged as well, since windows reach back; only findings of the wanted time are printed.
 * Read-only; also on the directory of a running server.
 */
#include "base/clk.h"
#include "base/num.h"
#include "base/pool.h"
#include "cli/cli.h"
#include "cli/finding_out.h"
#include "cli/noise.h"
#include "cli/rules.h"
#include "event/json.h"
#include "journal/journal.h"

#include <stdio.h>
#include <stdlib.h>

static const struct option_spec options[] = {
    {"rules", OPTION_LIST, "PATH", "rule files, or directories of them (may be given again)"},
    {"profile", OPTION_LIST, "FILE|NAME", RULES_PROFILE_HELP},
    {"pipeline", OPTION_LIST, "FILE|NAME", RULES_PIPELINE_HELP},
    {"data", OPTION_VALUE, "DIR", "the data directory"},
    {"from", OPTION_VALUE, "TIME", "findings at or after this time (RFC 3339)"},
    {"to", OPTION_VALUE, "TIME", "findings before this time"},
    {"noise", OPTION_VALUE, "N",
     "in place of findings, how often each rule fired, per day of events; exit code 1 where one fired more "
     "than N times a day"},
    {"format", OPTION_VALUE, "table|json", "how findings are printed; json is one object a line"},
    {"threads", OPTION_VALUE, "N", "worker threads; default: one per processor"},
    {0}};

enum { REPLAY_RECORDS = 8192, REPLAY_BYTES = 16 << 20, REPLAY_OUT_BYTES = 64 << 20 };

struct replay {
    const struct cli_args *args;
    struct arena rules, batch;
    struct ruleset *ruleset;
    struct detector_options options;
    struct detector *detector;
    int64_t from_ns, to_ns;
    bool json;
    struct event *events; /* of the batch, all of them REC_EVENT */
    const struct event **run;
    size_t count, bytes;
    struct finding_list findings;
    uint64_t judged, found;
    bool count_noise;
    struct noise noise;
    struct buf out;
};

static void print_findings(struct replay *r)
{
    for (size_t i = 0; i < r->findings.count; i++) {
        const struct finding *f = &r->findings.items[i];
        if (f->repeat || f->resets != NULL || f->time.ns < r->from_ns || f->time.ns >= r->to_ns)
            continue;
        r->found++;
        if (r->count_noise) {
            noise_finding(&r->noise, f);
            continue;
        }
        char *source = f->event == NULL ? NULL : arena_str(&r->batch, f->event->source);
        uint64_t line = f->event == NULL ? 0 : f->event->source_position;
        if (r->json)
            finding_out_json(f, source, line, 0, &r->out);
        else
            finding_out_table(f, source, line, &r->out);
        fwrite(r->out.p, 1, r->out.n, stdout);
        buf_clear(&r->out);
    }
    r->findings.count = 0;
}

static void flush(struct replay *r)
{
    detector_judge(r->detector, r->run, r->count, &r->findings);
    print_findings(r);
    for (size_t i = 0; i < r->count && r->count_noise; i++)
        if (event_judged_ns(r->run[i]) >= r->from_ns && event_judged_ns(r->run[i]) < r->to_ns)
            noise_event(&r->noise, event_judged_ns(r->run[i]));
    r->judged += r->count;
    r->count = r->bytes = 0;
    arena_reset(&r->batch);
    r->findings = (struct finding_list){.arena = &r->batch};
}

/* The server's lateness may be another after a restart; windows go on, as there. */
static int set_lateness(struct replay *r, const struct event *record, struct err *err)
{
    struct event e = {.time = {TC_NO_TIME}};
    int64_t lateness_ns;
    if (json_parse_event(record->raw, &r->batch, &e, NULL) != 0)
        return 0;
    event_index(&e, &r->batch);
    if (!num_i64(event_value(&e, "lateness_ns"), &lateness_ns) || lateness_ns == r->options.lateness_ns)
        return 0;
    struct buf saved;
    buf_init(&saved, (size_t)1 << 32);
    detector_save(r->detector, &saved);
    detector_free(&r->detector);
    r->options.lateness_ns = lateness_ns;
    r->detector = detector_new(r->ruleset, &r->options);
    int rc = r->judged > 0 ? detector_load(r->detector, buf_view(&saved), err) : 0;
    buf_free(&saved);
    return rc;
}

static int take_control(struct replay *r, const struct event *record, struct err *err)
{
    int rc = 0;
    if (record->type != REC_TICK && record->type != REC_ACTIVATED)
        return 0; /* results, not causes */
    if (record->type == REC_ACTIVATED)
        rc = set_lateness(r, record, err);
    else
        detector_tick(r->detector, record->position, record->received, &r->findings);
    print_findings(r);
    return rc;
}

static int take_record(struct replay *r, struct sv block, uint64_t position, struct err *err)
{
    struct event head;
    int known = record_decode_envelope(block, &head, err);
    if (known == 0 && head.type != REC_EVENT) {
        if (head.type == REC_TICK || head.type == REC_ACTIVATED)
            flush(r); /* what came before it is judged before it */
        head.position = position;
        return take_control(r, &head, err);
    }
    char *copy = arena_alloc_raw(&r->batch, block.n, 8); /* a frame is lent until the next one */
    struct event *event = &r->events[r->count];
    memcpy(copy, block.p, block.n);
    int rc = record_decode(sv_make(copy, block.n), &r->batch, event, err);
    if (rc != 0)
        return err_while(err, "record %llu of the journal", (unsigned long long)position);
    event->position = position;
    if (event->flags & EVENT_QUARANTINED)
        return 0;
    r->run[r->count++] = event;
    r->bytes += block.n;
    if (r->count == REPLAY_RECORDS || r->bytes > REPLAY_BYTES)
        flush(r);
    return 0;
}

static int take_frame(struct replay *r, const struct journal_frame *frame, struct err *err)
{
    struct sv rest = frame->blocks;
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < frame->count; i++) {
        size_t length = record_length(rest);
        if (length == 0)
            return err_set(err, TC_ECORRUPT, "a frame at position %llu holds fewer records than it says",
                           (unsigned long long)frame->first);
        rc = take_record(r, sv_head(rest, length), frame->first + i, err);
        rest = sv_from(rest, length);
    }
    return rc;
}

static int load_rules(struct replay *r, struct err *err)
{
    const char *const *paths, *const *pipelines, *const *profiles;
    size_t path_count = cli_list(r->args, "rules", &paths), count;
    size_t pipeline_count = cli_list(r->args, "pipeline", &pipelines);
    size_t profile_count = cli_list(r->args, "profile", &profiles);
    struct rule_source *sources;
    int rc = rules_collect(paths, path_count, &r->rules, &sources, &count, err);
    if (rc == 0)
        rc = rules_pipelines(pipelines, pipeline_count, &r->rules, &sources, &count, err);
    if (rc == 0)
        rc = rules_profiles(profiles, profile_count, &r->rules, &sources, &count, err);
    if (rc == 0)
        rc = ruleset_new(sources, count, &r->ruleset, err);
    if (rc == 0 && rules_report(r->ruleset, false) > 0)
        rc = err_set(err, TC_EINPUT, "rules were refused");
    return rc;
}

static int replay(struct replay *r, const char *dir, struct err *err)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    int rc = journal_reader_open(&fs_system, dir, 0, NULL, &reader, err);
    if (rc != 0)
        return rc;
    r->detector = detector_new(r->ruleset, &r->options);
    r->events = tc_alloc(REPLAY_RECORDS * sizeof r->events[0]);
    r->run = tc_alloc(REPLAY_RECORDS * sizeof r->run[0]);
    r->findings = (struct finding_list){.arena = &r->batch};
    while ((rc = journal_reader_next(reader, &frame, err)) > 0)
        if ((rc = take_frame(r, &frame, err)) < 0)
            break;
    if (rc == 0)
        flush(r);
    journal_reader_close(&reader);
    detector_free(&r->detector);
    free(r->events);
    free(r->run);
    return rc;
}

static bool read_time(const struct cli_args *args, const char *option, int64_t fallback, int64_t *ret)
{
    const char *text = cli_value(args, option, NULL);
    *ret = fallback;
    if (text == NULL || clk_parse_rfc3339(sv_of(text), 0, ret))
        return true;
    cli_fail(args, CLI_USAGE, "--%s %s: it is a time such as 2026-11-21T09:00:00Z", option, text);
    return false;
}

static enum cli_exit report_noise(struct replay *r, uint64_t budget)
{
    size_t above = noise_report(&r->noise, r->ruleset, budget, r->json, &r->out);
    fwrite(r->out.p, 1, r->out.n, stdout);
    return above > 0 ? CLI_FOUND : CLI_DONE;
}

static enum cli_exit replay_run(const struct cli_args *args)
{
    struct replay r = {.args = args, .options = {.receive_time_stands_in = true}};
    uint64_t threads, budget;
    const char *const *paths, *dir = cli_value(args, "data", NULL);
    bool ok;
    struct err err;
    r.json = cli_wants_json(args, false, &ok);
    if (!ok || !read_time(args, "from", INT64_MIN, &r.from_ns) ||
        !read_time(args, "to", INT64_MAX, &r.to_ns) ||
        !cli_number(args, "threads", 1, 64, pool_processors(), &threads) ||
        !cli_number(args, "noise", 0, 1000000000, 0, &budget))
        return CLI_USAGE;
    r.count_noise = cli_value(args, "noise", NULL) != NULL;
    if (dir == NULL || cli_list(args, "rules", &paths) == 0)
        return cli_fail(args, CLI_USAGE,
                        "give the rules with --rules PATH and the data directory with --data DIR");
    int rc = load_rules(&r, &err);
    enum cli_exit code = CLI_DONE;
    if (rc == 0) {
        r.options.pool = threads > 1 ? pool_new((unsigned)threads) : NULL;
        buf_init(&r.out, REPLAY_OUT_BYTES);
        noise_init(&r.noise, r.ruleset);
        rc = replay(&r, dir, &err);
        if (rc == 0 && r.count_noise)
            code = report_noise(&r, budget);
        noise_free(&r.noise);
        buf_free(&r.out);
        pool_free(&r.options.pool);
        if (rc == 0)
            fprintf(stderr, "%llu events judged, %llu findings\n", (unsigned long long)r.judged,
                    (unsigned long long)r.found);
    }
    if (rc != 0) {
        cli_fail_err(args, &err);
        code = rc == TC_ECORRUPT ? CLI_FOUND : CLI_USAGE;
    }
    ruleset_free(&r.ruleset);
    arena_free(&r.rules);
    arena_free(&r.batch);
    return code;
}

const struct verb verb_replay = {
    .name = "replay",
    .operands = "",
    .summary = "what rules would have found in the events that are kept",
    .details = "Judges the journal of a data directory by the rules named, as a server with them would have "
               "done from the\n"
               "beginning on. Findings of the time from --from to --to are printed; nothing is changed. A "
               "running server is not disturbed.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = replay_run,
};
