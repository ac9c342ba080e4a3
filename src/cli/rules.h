/*
 * Rules named on the command line or in the configuration: files are collected, shipped packs are taken from
 * the binary, the set is compiled and its notes are told. Shared by scan, test, check and run.
 */
#ifndef CLI_RULES_H
#define CLI_RULES_H

#include "base/arena.h"
#include "base/err.h"
#include "detect/detect.h"

/* What --profile and --pipeline say of themselves. */
#define RULES_PROFILE_HELP                                                                                   \
    "of the rules, only those that this profile names speak: a file, or one that the program carries (may "  \
    "be given again)"
#define RULES_PIPELINE_HELP                                                                                  \
    "change the rules by this processing pipeline before they are read: a file, or one that the program "    \
    "carries (may be given again)"

/* Rule files below each path, in the order of the paths. */
int rules_collect(const char *const *paths, size_t path_count, struct arena *arena, struct rule_source **ret,
                  size_t *ret_count, struct err *err);
/* Adds processing pipelines to the sources: each is a file, or the name of one that the binary carries. */
int rules_pipelines(const char *const *names, size_t name_count, struct arena *arena,
                    struct rule_source **io_sources, size_t *io_count, struct err *err);
/* Adds profiles, which choose the rules that speak, in the same way. */
int rules_profiles(const char *const *names, size_t name_count, struct arena *arena,
                   struct rule_source **io_sources, size_t *io_count, struct err *err);
struct rule_profile { /* one that the program carries */
    struct sv name;
    struct rule_source source;
};
/* In order of name. */
size_t rules_shipped_profiles(struct arena *arena, struct rule_profile **ret);
/* The rules of the packs that the binary carries, tests and manifests left out. */
size_t rules_shipped(struct arena *arena, struct rule_source **ret);
/* Prints refusals (and warnings where `warnings`) on standard error, one line each; returns how many files
 * were refused. */
size_t rules_report(const struct ruleset *ruleset, bool warnings);

#endif
