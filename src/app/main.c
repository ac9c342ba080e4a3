/*
 * Entry point: the table of all verbs.
 */
#include "app/app.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/rng.h"
#include "cli/cli.h"

#include <stdlib.h>

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
    &verb_archive,
    &verb_release,
    &verb_promql,
    &verb_routes,
    &verb_explain,
    &verb_replay,
    &verb_top,
    &verb_silence,
    &verb_hold,
    &verb_incident,
    &verb_drill,
    &verb_oncall,
    &verb_policy,
    &verb_profile,
    &verb_alertmanager,
    NULL,
};
/* clang-format on */

/* Called by the name of what it stands in for, the program is that verb. */
static int run_as(const char *verb, int argc, char **argv)
{
    char **words = tc_alloc(((size_t)argc + 2) * sizeof *words);
    bool version = argc > 1 && strcmp(argv[1], "--version") == 0;
    words[0] = argv[0];
    words[1] = version ? argv[1] : (char *)(uintptr_t)verb;
    for (int i = 1; i < argc; i++)
        words[i + 1] = argv[i];
    int code = cli_main(verbs, argc + 1, words);
    free(words);
    return code;
}

int main(int argc, char **argv)
{
    hash_table_key(&rng_system); /* before the first table is made */
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    if (argc > 0 && strcmp(slash == NULL ? argv[0] : slash + 1, "alertmanager") == 0)
        return run_as("alertmanager", argc, argv);
    return cli_main(verbs, argc, argv);
}
