/*
 * Parsers by name, for every verb that takes one: built-in ones, those of the user's files, and those that
 * the program ships. docs/parsers.md tells what is in such a file.
 */
#ifndef CLI_PARSERS_H
#define CLI_PARSERS_H

#include "base/arena.h"
#include "cli/cli.h"
#include "event/parser_file.h"

struct parser_files {
    struct arena arena; /* the files' bytes */
    struct parser_library *library;
    uint64_t print; /* of the paths and contents of the user's files */
};

/* The words that --input takes, for help texts. */
#define PARSERS_INPUT_HELP                                                                                   \
    "auto (looks at each file's first bytes), json, ndjson, cloudtrail, windows, sshd, syslog, nginx, "      \
    "apache, logfmt, kv, cef, auditd, alb, vpcflow, journald, text, or the name of a shipped or declared "   \
    "parser"
#define PARSERS_FILES_HELP                                                                                   \
    "parsers of your own: a file, or a directory with *.yml and *.yaml (may be given again)"

/* Reads the files at `paths` (a file, or the *.yml and *.yaml of a directory in byte order). Zeroed *ret is
 * enough for parsers_close. TC_EINPUT with the place of what is wrong. */
int parsers_open(const char *const *paths, size_t count, struct parser_files *ret, struct err *err);
void parsers_close(struct parser_files *own);
/* The parser that --input names, with the files of --parsers; NULL for auto. CLI_USAGE after the sentence has
 * been printed. */
enum cli_exit parsers_of_args(const struct cli_args *args, struct parser_files *own,
                              const struct parser **ret_parser);
/* Reads every shipped parser, too, so that parser_library_check looks at them. */
int parsers_read_shipped(struct parser_files *own, struct err *err);

#endif
