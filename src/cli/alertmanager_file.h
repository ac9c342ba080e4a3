/*
 * An alertmanager.yml from a file, for the verbs that take one.
 */
#ifndef CLI_ALERTMANAGER_FILE_H
#define CLI_ALERTMANAGER_FILE_H

#include "alert/alertmanager/config.h"
#include "cli/cli.h"

/* The word that goes with Alertmanager's flag of the same name; put this row into the verb's table. */
#define ALERTMANAGER_FEATURE_OPTION                                                                          \
    {                                                                                                        \
        "enable-feature", OPTION_VALUE, "FEATURE",                                                           \
            "with --alertmanager: classic-mode or utf8-strict-mode, as Alertmanager's flag of the name"      \
    }

/* Reads it with the --enable-feature that was given. err->file is `path`. */
int alertmanager_file_read(const struct cli_args *args, const char *path, struct am_config **ret,
                           struct err *err);
/* --enable-feature; false: the word is neither (it has been reported). */
bool alertmanager_file_mode(const struct cli_args *args, enum am_matcher_mode *ret);
/* Parses the template files that the configuration's globs name, beside the default ones; globs that match
 * nothing are good, as in Alertmanager. err->file is the template's. */
int alertmanager_file_templates(const struct am_config *config, const char *path, struct err *err);

#endif
