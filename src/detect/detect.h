/*
 * Detection: Sigma rules in, findings out. A compiled rule set is immutable and shared; a detector is the
 * run-time state (windows, episodes) that goes with one.
 *
 * A plain interpreter of the specification (Sigma 2.1) decides; it is the oracle, so it prefers being
 * obviously right to being fast. An index in front of it names the few rules that could match an event.
 * Events of a batch are matched in parallel; correlations run in 64 virtual shards by hash of (rule, group),
 * whatever the thread count; findings leave in order of (position, rule ordinal, ordinal).
 */
#ifndef DETECT_DETECT_H
#define DETECT_DETECT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/pool.h"
#include "event/event.h"
#include "event/finding.h"

/* --- rule sets
 * ------------------------------------------------------------------------------------------------------ */

struct rule_source { /* one file */
    struct sv path;  /* as given; errors and rule_info.file bear it */
    struct sv bytes;
    bool in_pack; /* D-19 binds: owner and runbook required */
};

enum rule_verdict { RULE_LOADED, RULE_REFUSED, RULE_WARNING };
struct rule_note { /* what loading has to say; in order of file and line */
    enum rule_verdict verdict;
    const char *construct; /* a short fixed word to list by: "expand without values", "aggregation (|)",
                              "unknown modifier" … */
    struct err err;        /* file, line, column, sentence */
};

struct ruleset;
/*
 * Compiles. A refused document costs itself (and correlations that refer to it), never the others; every
 * refusal is a note. Fails only for a processing pipeline (a document with the top-level key
 * `transformations` in any of the sources; pipeline.h) that cannot be done in full, and for a profile (key
 * `profile`; ruleset_profile.c) that names what is not there. `sources` need not
 * outlive the call. Duplicate ids are refused (second one). Deterministic in the contents, not in the order
 * of `sources` (rules are ordered by id).
 */
int ruleset_new(const struct rule_source *sources, size_t count, struct ruleset **ret, struct err *err);
/* The same under a policy (event/policy.h; NULL: none; lent for the call): a rule that reads a replaced field
 * in a way that cannot work is refused. */
struct policy;
int ruleset_new_under(const struct rule_source *sources, size_t count, const struct policy *policy,
                      struct ruleset **ret, struct err *err);
void ruleset_free(struct ruleset **ruleset);
size_t ruleset_count(const struct ruleset *ruleset); /* loaded rules, correlations among them */
size_t ruleset_note_count(const struct ruleset *ruleset);
const struct rule_note *ruleset_note(const struct ruleset *ruleset, size_t at);
const struct rule_info *ruleset_rule(const struct ruleset *ruleset, size_t ordinal);
/* The calendar of that name (calendar.h) among the documents; NULL: there is none. It lives as the set does.
 */
struct calendar;
const struct calendar *ruleset_calendar(const struct ruleset *ruleset, struct sv name);
/* What becomes of the rules of `old` where `new` takes its place: a rule is the same by its id and its
 * meaning (detection, correlation, log source), whatever its texts, tags and severity. */
struct ruleset_difference {
    size_t unchanged, changed, added, removed;
};
void ruleset_compare(const struct ruleset *old, const struct ruleset *new, struct ruleset_difference *ret);
/* Names of all fields that any loaded rule reads, as written; for parsers and lints. */
size_t ruleset_fields(const struct ruleset *ruleset, const struct sv **ret_names);

/* Collects *.yml, *.yaml and lists (NAME.list, list.h) below `path` (a file, or a directory walked in byte
 * order) into `arena`. Test files (top-level key `tests`), pack manifests (top-level key `pack`), parser
 * files
 * (`kind`), processing pipelines (`transformations`), profiles (`profile`) and files below a folder named
 * `tests` are not rules; hidden files and folders are left out. A file that is named itself is taken. What
 * lies in or below a folder with a pack manifest is in_pack. A named path that is missing is an error. */
int rule_files_collect(const struct fs *fs, const char *path, struct arena *arena,
                       struct rule_source **sources, size_t *count, struct err *err);

/* --- detectors
 * ------------------------------------------------------------------------------------------------------ */

struct detector_options {
    int64_t lateness_ns;         /* declared lateness of sources: 0 for files */
    bool receive_time_stands_in; /* an event without (or with suspect) time takes its receive time (run);
                                    scan: false, no part in windows */
    size_t max_groups;           /* per correlation rule, over all shards; 0 = 100,000 */
    size_t max_group_entries;    /* times kept per group; 0 = 10,000; beyond: saturated */
    struct pool *pool;           /* NULL = this thread alone */
    bool no_index; /* every event is tried against every rule: the same findings, slowly (tests) */
};

struct detector;
struct detector *detector_new(const struct ruleset *ruleset, const struct detector_options *options);
void detector_free(struct detector **detector);
/*
 * Judges events in position order (callers may cut batches anywhere: results do not depend on it). Findings
 * are appended in order of (position, rule, ordinal); their texts live in findings->arena.
 */
void detector_judge(struct detector *detector, const struct event *const *events, size_t count,
                    struct finding_list *findings);
/* Time has passed without events: lets idle sources' watermarks go on (run) or ends the input (scan:
 * detector_finish). */
/* Whether a tick could say something: windows stand open that are judged at their end. */
bool detector_waits(const struct detector *detector);
void detector_tick(struct detector *detector, uint64_t position, struct receive_time now,
                   struct finding_list *findings);
void detector_finish(struct detector *detector, struct finding_list *findings);
/* State at a point between batches, versioned; restoring with other rules keeps the state of rules whose
 * content is the same. */
void detector_save(const struct detector *detector, struct buf *out);
int detector_load(struct detector *detector, struct sv saved, struct err *err);

struct detector_stats {
    uint64_t events, findings; /* findings without repeats */
    uint64_t late_events;      /* took no part in windows */
    uint64_t groups, evicted_groups;
    uint64_t lost_entries; /* times or values that full groups had no room for: their counts are at least */
    uint64_t regex_limit_hits;
};
void detector_stats(const struct detector *detector, struct detector_stats *ret);
/* Calls `each` for the rules, in order, whose patterns hit a limit since the last call. */
void detector_take_limited(struct detector *detector,
                           void (*each)(void *context, const struct rule_info *rule), void *context);
bool detector_has_limited(const struct detector *detector); /* whether it would be called */

/* Calls `each` for the rules, in order, whose groups, times or values had to make room since the last call,
 * and how many. */
void detector_take_losses(struct detector *detector,
                          void (*each)(void *context, const struct rule_info *rule, uint64_t count),
                          void *context);
bool detector_has_losses(const struct detector *detector); /* whether it would be called */

/* What a rule has cost since the detector was made. No clock: the same events give the same numbers. */
struct rule_cost {
    uint64_t tried;   /* events that the index could not rule out */
    uint64_t matched; /* of them */
    uint64_t work;    /* bytes of values that were looked at, those by regular expressions eightfold */
    uint64_t groups;  /* a correlation, or a detection with a memory: groups that it keeps now */
};
void detector_rule_cost(const struct detector *detector, size_t ordinal, struct rule_cost *ret);

#endif
