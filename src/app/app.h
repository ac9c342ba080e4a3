/*
 * The verbs that need everything: they belong to app/ because only it may see the wiring.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include "cli/cli.h"

extern const struct verb verb_run, verb_check, verb_backup, verb_restore, verb_release, verb_alertmanager,
    verb_routes;

#endif
