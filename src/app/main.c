/*
 * Entry point: the table of all verbs.
 */
#include "app/app.h"

#include "cli/cli.h"

static const struct verb *const verbs[] = {
    &verb_run,    &verb_scan,  &verb_test,    &verb_check,  &verb_alerts, &verb_query,
    &verb_verify, &verb_parse, &verb_explain, &verb_replay, NULL,
};

int main(int argc, char **argv)
{
    return cli_main(verbs, argc, argv);
}
