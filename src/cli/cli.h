/*
 * The command line: a table of verbs, each with a table of options. Parsing, --help, shell completion's words
 * and the man page's list all come from these tables.
 *
 * Exit codes of every verb: 0 done; 1 found or failed something, only where that was asked for; 2 wrong use
 * or input; 3 could not do it.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/err.h"
#include "base/sv.h"

enum cli_exit { CLI_DONE = 0, CLI_FOUND = 1, CLI_USAGE = 2, CLI_FAILED = 3 };

enum option_kind { OPTION_FLAG, OPTION_VALUE, OPTION_LIST };

struct option_spec {
    const char *name; /* without dashes */
    enum option_kind kind;
    const char *argument; /* "FILE" for the help text; NULL for a flag */
    const char *help;
};

struct cli_args;

struct verb {
    const char *name;
    const char *operands;              /* "FILE..." for the usage line */
    const char *summary;               /* one line */
    const char *details;               /* paragraphs for --help and the man page; may be NULL */
    const struct option_spec *options; /* ends with name NULL */
    size_t min_operands, max_operands;
    enum cli_exit (*run)(const struct cli_args *args);
};

/* Parses argv after the verb and runs it. `verbs` ends with name NULL. Returns the process's exit code. */
int cli_main(const struct verb *const verbs[], int argc, char **argv);

bool cli_flag(const struct cli_args *args, const char *option);
/* The last value given, or `fallback`. */
const char *cli_value(const struct cli_args *args, const char *option, const char *fallback);
size_t cli_list(const struct cli_args *args, const char *option, const char *const **ret_values);
/* The whole table, for verbs about verbs. */
const struct verb *const *cli_verbs(const struct cli_args *args);
size_t cli_operands(const struct cli_args *args, const char *const **ret_operands);

/* "tocsin VERB: text" on standard error. Returns `code`. */
enum cli_exit cli_fail(const struct cli_args *args, enum cli_exit code, const char *format, ...)
    TC_PRINTF(3, 4);
/* As cli_fail with err's text and place; TC_EIO and friends become CLI_FAILED, bad input CLI_USAGE. */
enum cli_exit cli_fail_err(const struct cli_args *args, const struct err *err);
/* --format table|json (default given): true for JSON. *ret_ok false where the word is neither (it has been
 * reported). */
bool cli_wants_json(const struct cli_args *args, bool default_json, bool *ret_ok);
/* Durations and times in options; on failure the sentence has been printed. */
bool cli_duration(const struct cli_args *args, const char *option, int64_t fallback_ns, int64_t *ret_ns);
bool cli_number(const struct cli_args *args, const char *option, uint64_t min, uint64_t max,
                uint64_t fallback, uint64_t *ret);

/* The man page in roff, made from the tables; for `tocsin help --man`. */
void cli_man_page(const struct verb *const verbs[]);

/* clang-format off */
extern const struct verb verb_scan;
extern const struct verb verb_test;
extern const struct verb verb_template;
extern const struct verb verb_alerts;
extern const struct verb verb_query;
extern const struct verb verb_verify;
extern const struct verb verb_seal;
extern const struct verb verb_parse;
extern const struct verb verb_health;
extern const struct verb verb_completion;
extern const struct verb verb_vault;
extern const struct verb verb_channels;
extern const struct verb verb_promql;
extern const struct verb verb_explain;
extern const struct verb verb_replay;
extern const struct verb verb_top;
extern const struct verb verb_profile;
extern const struct verb verb_silence;
extern const struct verb verb_hold;
extern const struct verb verb_archive;
extern const struct verb verb_incident;
extern const struct verb verb_drill;
extern const struct verb verb_oncall;
extern const struct verb verb_policy;
/* clang-format on */

#endif
