/*
 * Groups of targets: addresses with the labels that they share, as static_configs, files and HTTP bodies of
 * service discovery write them.
 */
#ifndef METRICS_SCRAPE_TARGET_GROUP_H
#define METRICS_SCRAPE_TARGET_GROUP_H

#include "metrics/rules/typed_yaml.h"

enum { TARGET_GROUPS_MAX = 10000, TARGET_GROUP_BYTES_MAX = 16 << 20 };

struct target_labels { /* of one target, when more than its address is known of it */
    const struct label *items;
    size_t n;
};

struct target_group {
    const struct sv *addresses;
    const struct target_labels *own; /* by address; NULL: none has labels of its own */
    size_t address_count;
    const struct label *labels; /* of all */
    size_t label_count;
};

struct target_groups {
    struct target_group *items;
    size_t n;
};

/* A list of {targets: [...], labels: {...}}; problems go to yaml->problems, texts live as the nodes do.
 * `extra` (may be NULL) is added to the labels of each group. */
void target_groups_read(struct typed_yaml *yaml, const struct yaml_node *list, const struct label *extra,
                        struct target_groups *ret);
/* The same from the bytes of a file or a body: YAML, or JSON. Lives in `arena`. */
int target_groups_parse(struct arena *arena, struct sv bytes, const char *name, const struct label *extra,
                        struct target_groups *ret, struct err *err);
/* A copy with all texts in `arena`. */
struct target_groups target_groups_copy(struct arena *arena, const struct target_groups *groups);

#endif
