/*
 * Feature flags of PromQL; see features.h.
 */
#include "metrics/promql/features.h"

static const struct feature {
    const char *name;
    struct promql_features adds;
} table[] = {
    {"promql-experimental-functions", {.extensions = PROMQL_EXPERIMENTAL_FUNCTIONS}},
    {"promql-binop-fill-modifiers", {.extensions = PROMQL_FILL_MODIFIERS}},
    {"promql-delayed-name-removal", {.delayed_name_removal = true}},
    {"use-start-timestamps", {.use_start_timestamps = true}},
    {"promql-duration-expr", {0}}, /* always on, here as in Prometheus */
    {"promql-extended-range-selectors", {0}},
};

static const struct feature *find(struct sv name)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(table); i++)
        if (sv_is(name, table[i].name))
            return &table[i];
    return NULL;
}

int promql_features_enable(struct promql_features *features, struct sv names, struct err *err)
{
    while (names.n > 0) {
        struct sv name = sv_trim(sv_cut(&names, ','));
        const struct feature *feature = find(name);
        if (feature == NULL && name.n > 0)
            return err_set(
                err, TC_EINPUT,
                "there is no feature %.*s: there are promql-experimental-functions, "
                "promql-binop-fill-modifiers, promql-delayed-name-removal, use-start-timestamps, and, "
                "always on, promql-duration-expr, promql-extended-range-selectors",
                SV_FMT(sv_head(name, 100)));
        if (feature == NULL)
            continue;
        features->extensions |= feature->adds.extensions;
        features->delayed_name_removal |= feature->adds.delayed_name_removal;
        features->use_start_timestamps |= feature->adds.use_start_timestamps;
    }
    return 0;
}

static bool is_enabled(const struct promql_features *features, const struct promql_features *part)
{
    return (features->extensions & part->extensions) != 0 ||
           (features->delayed_name_removal && part->delayed_name_removal) ||
           (features->use_start_timestamps && part->use_start_timestamps);
}

void promql_features_print(struct buf *out, const struct promql_features *features)
{
    const char *separator = "";
    for (size_t i = 0; i < TC_ARRAY_LEN(table); i++)
        if (is_enabled(features, &table[i].adds)) {
            buf_printf(out, "%s%s", separator, table[i].name);
            separator = ",";
        }
}
