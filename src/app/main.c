/*
 * Entry point: the table of all verbs.
 */
#include "app/app.h"

#include "cli/cli.h"

/* One line each, so that a new one is one line of a change. */
/* clang-format off */
static const struct verb *const verbs[] = {
    &verb_run,
    &verb_scan,
    &verb_test,
    &verb_check,
    &verb_template,
    &verb_alerts,
    &verb_query,
    &verb_verify,
    &verb_seal,
    &verb_parse,
    &verb_health,
    &verb_completion,
    &verb_vault,
    &verb_channels,
    &verb_backup,
    &verb_restore,
    &verb_release,
    &verb_promql,
    &verb_routes,
    &verb_explain,
    &verb_replay,
    &verb_top,
    &verb_alertmanager,
    NULL,
};
/* clang-format on */

int main(int argc, char **argv)
{
    return cli_main(verbs, argc, argv);
}
