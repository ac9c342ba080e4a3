/*
 * Exposition into the store in memory; see load.h.
 */
#include "metrics/exposition/load.h"

#include "metrics/exposition/exposition.h"

struct loading {
    struct memory_store *store;
    int64_t default_ms;
};

static int keep_sample(void *context, const struct exposition_sample *sample, struct err *err)
{
    const struct loading *loading = context;
    struct label labels[EXPOSITION_LABELS_MAX];
    memcpy(labels, sample->labels, sample->count * sizeof *labels); /* the store sorts them */
    struct memory_sample one = {.t = sample->has_t ? sample->t_ms : loading->default_ms, .f = sample->value};
    int rc = memory_store_append(loading->store, labels, sample->count, &one, 1, err);
    if (rc != 0)
        err->line = sample->line;
    return rc;
}

int exposition_load(struct sv text, const char *file, int64_t default_ms, struct memory_store *store,
                    struct err *err)
{
    bool openmetrics = sv_ends(sv_trim(text), SV("# EOF"));
    struct loading loading = {store, default_ms};
    struct exposition_handler handler = {.context = &loading, .sample = keep_sample};
    struct err inner = {0};
    int rc = exposition_parse(text, openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT, false, &handler,
                              &inner);
    return rc == 0 ? 0 : err_at(err, rc, file, inner.line, 0, "%s", inner.text);
}
