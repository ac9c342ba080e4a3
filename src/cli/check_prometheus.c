/*
 * `tocsin check --rules FILE...`: Prometheus rule files, one after another.
 */
#include "cli/check_prometheus.h"

#include "cli/prometheus_file.h"

#include <stdio.h>

static void print_problems(const char *path, const struct rule_problems *problems)
{
    size_t found = problems->errors + problems->warnings;
    for (const struct rule_problem *p = problems->first; p != NULL; p = p->next) {
        fprintf(stderr, "%s:", path);
        if (p->line > 0)
            fprintf(stderr, "%u:", p->line);
        if (p->column > 0)
            fprintf(stderr, "%u:", p->column);
        fprintf(stderr, " %s%.*s\n", p->warning ? "warning: " : "", SV_FMT(p->text));
    }
    if (found > RULE_PROBLEMS_MAX)
        fprintf(stderr, "%s: and %zu more\n", path, found - RULE_PROBLEMS_MAX);
}

/* Rules of one name and equal labels overwrite each other's samples. Returns how many. */
static size_t print_duplicates(const struct rule_file *file)
{
    struct arena arena = {0};
    struct rule_duplicate *found;
    size_t n = rule_file_duplicates(file, &arena, &found);
    if (n > 0)
        fprintf(stderr, "%.*s: warning: %zu duplicate rule(s) found.\n", SV_FMT(file->path), n);
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, "Metric: %.*s\nLabel(s):\n", SV_FMT(found[i].name));
        for (size_t k = 0; k < found[i].label_count; k++)
            fprintf(stderr, "\t%.*s: %.*s\n", SV_FMT(found[i].labels[k].name),
                    SV_FMT(found[i].labels[k].value));
    }
    if (n > 0)
        fprintf(stderr, "Might cause inconsistency while recording expressions\n");
    arena_free(&arena);
    return n;
}

static void check_file(const char *path, unsigned refused, size_t *errors, size_t *warnings)
{
    struct prometheus_file file;
    bool good = prometheus_file_load(path, refused, &file) == 0;
    if (!good)
        fprintf(stderr, "  FAILED:\n");
    print_problems(path, &file.rules.problems);
    if (file.side_path != NULL)
        print_problems(file.side_path, &file.side.problems);
    *warnings += file.rules.problems.warnings + file.side.problems.warnings;
    if (good) {
        *warnings += print_duplicates(&file.rules);
        printf("  SUCCESS: %zu rules found\n", file.rules.rule_count);
        if (file.side_path != NULL)
            printf("  SUCCESS: %zu alerts in %s\n", file.side.alerts, file.side_path);
    }
    *errors += !good;
    prometheus_file_free(&file);
}

enum cli_exit check_prometheus(const char *const *files, size_t count, const struct promql_features *features,
                               bool strict)
{
    size_t errors = 0, warnings = 0;
    for (size_t i = 0; i < count; i++) {
        if (prometheus_is_side(files[i]))
            continue; /* checked with its rule file */
        printf("Checking %s\n", files[i]);
        fflush(stdout);
        check_file(files[i], promql_features_refused(features), &errors, &warnings);
        printf("\n");
        fflush(stdout);
    }
    return errors > 0 ? CLI_USAGE : strict && warnings > 0 ? CLI_FOUND : CLI_DONE;
}
