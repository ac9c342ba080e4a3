/*
 * `tocsin check --rules FILE...`: Prometheus rule files, one after another.
 */
#include "cli/check_prometheus.h"

#include "base/fs.h"
#include "metrics/rules/rule_file.h"

#include <stdio.h>

static void print_problem(const struct rule_file *file, const struct rule_problem *problem)
{
    fprintf(stderr, "%.*s:", SV_FMT(file->path));
    if (problem->line > 0)
        fprintf(stderr, "%u:", problem->line);
    if (problem->column > 0)
        fprintf(stderr, "%u:", problem->column);
    fprintf(stderr, " %s%.*s\n", problem->warning ? "warning: " : "", SV_FMT(problem->text));
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

static void check_bytes(const char *path, struct sv bytes, size_t *errors, size_t *warnings)
{
    struct rule_file file;
    bool good = rule_file_read(sv_of(path), bytes, &file) == 0;
    size_t duplicates = 0;
    if (!good)
        fprintf(stderr, "  FAILED:\n");
    for (const struct rule_problem *p = file.problems.first; p != NULL; p = p->next)
        print_problem(&file, p);
    size_t found = file.problems.errors + file.problems.warnings;
    if (found > RULE_PROBLEMS_MAX)
        fprintf(stderr, "%s: and %zu more\n", path, found - RULE_PROBLEMS_MAX);
    if (good) {
        duplicates = print_duplicates(&file);
        printf("  SUCCESS: %zu rules found\n", file.rule_count);
    }
    *errors += !good;
    *warnings += file.problems.warnings + duplicates;
    rule_file_free(&file);
}

enum cli_exit check_prometheus(const struct cli_args *args, const char *const *files, size_t count,
                               bool strict)
{
    size_t errors = 0, warnings = 0;
    for (size_t i = 0; i < count; i++) {
        struct buf bytes;
        struct err err = {0};
        printf("Checking %s\n", files[i]);
        fflush(stdout);
        buf_init(&bytes, RULE_FILE_BYTES_MAX);
        if (fs_read_file(&fs_system, files[i], &bytes, &err) != 0) {
            cli_fail_err(args, &err);
            errors++;
        } else {
            check_bytes(files[i], buf_view(&bytes), &errors, &warnings);
        }
        printf("\n");
        fflush(stdout);
        buf_free(&bytes);
    }
    return errors > 0 ? CLI_USAGE : strict && warnings > 0 ? CLI_FOUND : CLI_DONE;
}
