/*
 * --enable-feature; see promql_option.h.
 */
#include "cli/promql_option.h"

int promql_option_features(const struct cli_args *args, struct promql_features *io_features, struct err *err)
{
    const char *const *names;
    size_t count = cli_list(args, "enable-feature", &names);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = promql_features_enable(io_features, sv_of(names[i]), err);
    return rc;
}
