/*
 * Relabelling, as Prometheus does it to targets, samples and alerts: rules that keep, drop and rewrite a
 * label set.
 */
#ifndef METRICS_SCRAPE_RELABEL_H
#define METRICS_SCRAPE_RELABEL_H

#include "base/re2.h"
#include "metrics/labels.h"

enum relabel_action {
    RELABEL_REPLACE,
    RELABEL_KEEP,
    RELABEL_DROP,
    RELABEL_KEEPEQUAL,
    RELABEL_DROPEQUAL,
    RELABEL_HASHMOD,
    RELABEL_LABELMAP,
    RELABEL_LABELDROP,
    RELABEL_LABELKEEP,
    RELABEL_LOWERCASE,
    RELABEL_UPPERCASE,
    RELABEL_ACTIONS,
};
extern const char *const relabel_action_names[RELABEL_ACTIONS];

enum { RELABEL_LABELS_MAX = 256, RELABEL_TEXT_MAX = 64 << 10 };

struct relabel_rule {
    enum relabel_action action;
    const struct sv *source_labels;
    size_t source_count;
    struct sv separator;    /* ";" where the configuration names none */
    struct re2 *regex;      /* whole; (.*) where the configuration names none; owned by who made the rule */
    struct sv target_label; /* may hold $1 for replace */
    struct sv replacement;  /* "$1" where the configuration names none */
    uint64_t modulus;
};

/* Applies the rules in order to `labels` (unsorted, room for RELABEL_LABELS_MAX); texts that are new are in
 * `arena`. False: the set is dropped. Labels set to nothing are gone. */
TC_MUST_USE bool relabel(const struct relabel_rule *rules, size_t count, struct label *labels,
                         size_t *label_count, struct arena *arena);

#endif
