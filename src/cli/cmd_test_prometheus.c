/*
 * `tocsin test rules FILE...`: unit tests of Prometheus rules, as `promtool test rules` runs them.
 */
#include "cli/cmd_test_prometheus.h"

#include "base/fs.h"
#include "cli/prometheus_file.h"
#include "cli/promql_option.h"
#include "metrics/rules/unit_test.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

enum { UNIT_TEST_FILE_MAX = 8 << 20, UNIT_TEST_RULE_FILES_MAX = 10000, UNIT_TEST_WHY_MAX = 16 << 20 };

struct prometheus_tests {
    const struct cli_args *args;
    struct promql_features features;
    bool quiet, unusable;
    size_t passed, failed;
};

/* The rule files of one test file. */
struct rule_list {
    unsigned refused; /* extensions of PromQL */
    struct prometheus_file **items;
    size_t n, capacity;
};

static void free_rules(struct rule_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        prometheus_file_free(list->items[i]);
        free(list->items[i]);
    }
    free(list->items);
}

static void load_rule_file(struct rule_list *list, const char *path)
{
    if (prometheus_is_side(path))
        return; /* a pattern took it along; it comes with its rule file */
    for (size_t i = 0; i < list->n; i++)
        if (sv_is(list->items[i]->rules.path, path))
            return;
    if (list->n == list->capacity) {
        list->capacity = TC_MAX((size_t)8, list->capacity * 2);
        list->items = tc_realloc(list->items, list->capacity * sizeof *list->items);
    }
    struct prometheus_file *file = list->items[list->n++] = tc_alloc(sizeof *file);
    prometheus_file_load(path, list->refused, file); /* its errors fail the tests */
    for (const struct rule_problem *p = file->side.problems.first; p != NULL; p = p->next)
        rule_problem_add(&file->rules.problems, p->warning, 0, 0, "%s:%u:%u: %.*s", file->side_path, p->line,
                         p->column, SV_FMT(p->text));
}

static int load_pattern(struct rule_list *list, const char *test_path, struct sv pattern, struct err *err)
{
    struct arena arena = {0};
    glob_t found = {0};
    const char *slash = strrchr(test_path, '/');
    struct sv folder = slash == NULL ? SV("") : sv_make(test_path, (size_t)(slash - test_path) + 1);
    bool relative = pattern.n > 0 && pattern.p[0] != '/';
    struct sv path = relative ? arena_printf(&arena, "%.*s%.*s", SV_FMT(folder), SV_FMT(pattern)) : pattern;
    int rc = 0;
    if (glob(arena_str(&arena, path), 0, NULL, &found) == GLOB_NOSPACE)
        rc = err_set(err, TC_EBOUND, "%.*s: too many files", SV_FMT(pattern));
    else if (found.gl_pathc == 0)
        fprintf(stderr, "%s: warning: no file match pattern %.*s\n", test_path, SV_FMT(path));
    if (rc == 0 && list->n + found.gl_pathc > UNIT_TEST_RULE_FILES_MAX)
        rc = err_set(err, TC_EBOUND, "more than %d rule files", UNIT_TEST_RULE_FILES_MAX);
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
        load_rule_file(list, found.gl_pathv[i]);
    globfree(&found);
    arena_free(&arena);
    return rc;
}

static void report_unusable(struct prometheus_tests *run, const struct err *err)
{
    run->unusable = true;
    cli_fail_err(run->args, err);
}

static void run_tests(struct prometheus_tests *run, const char *path, const struct unit_test_file *file,
                      const struct rule_list *rules)
{
    const struct rule_file **files = tc_alloc((rules->n + 1) * sizeof *files);
    struct buf why;
    buf_init(&why, UNIT_TEST_WHY_MAX);
    for (size_t i = 0; i < rules->n; i++)
        files[i] = &rules->items[i]->rules;
    for (size_t i = 0; i < file->test_count; i++) {
        const struct unit_test *test = &file->tests[i];
        buf_clear(&why);
        unit_test_run(file, test, files, rules->n, &why);
        if (why.n > 0) {
            run->failed++;
            printf("FAILED %s:%u: %.*s\n%.*s", path, test->line, SV_FMT(test->name), SV_FMT(buf_view(&why)));
        } else {
            run->passed++;
            if (!run->quiet)
                printf("ok     %s: %.*s\n", path, SV_FMT(test->name));
        }
    }
    buf_free(&why);
    free(files);
}

static void run_bytes(struct prometheus_tests *run, const char *path, struct sv bytes)
{
    struct unit_test_file file;
    struct rule_list rules = {.refused = promql_features_refused(&run->features)};
    struct err err = {0};
    if (unit_test_file_read(bytes, &file) != 0) {
        for (const struct rule_problem *p = file.problems.first; p != NULL; p = p->next) {
            err_at(&err, TC_EINPUT, path, p->line, p->column, "%.*s", SV_FMT(p->text));
            report_unusable(run, &err);
        }
        unit_test_file_free(&file);
        return;
    }
    int rc = 0;
    file.features = run->features;
    for (size_t i = 0; rc == 0 && i < file.rule_file_count; i++)
        rc = load_pattern(&rules, path, file.rule_files[i], &err);
    if (rc != 0)
        report_unusable(run, &err);
    else
        run_tests(run, path, &file, &rules);
    free_rules(&rules);
    unit_test_file_free(&file);
}

enum cli_exit cmd_test_prometheus(const struct cli_args *args)
{
    struct prometheus_tests run = {.args = args, .quiet = cli_flag(args, "quiet")};
    const char *const *files;
    size_t count = cli_operands(args, &files);
    struct err wrong = {0};
    if (promql_option_features(args, &run.features, &wrong) != 0)
        return cli_fail_err(args, &wrong);
    for (size_t i = 1; i < count; i++) {
        struct buf bytes;
        struct err err = {0};
        buf_init(&bytes, UNIT_TEST_FILE_MAX);
        if (fs_read_file(&fs_system, files[i], &bytes, &err) != 0)
            report_unusable(&run, &err);
        else
            run_bytes(&run, files[i], buf_view(&bytes));
        buf_free(&bytes);
    }
    printf("%zu passed, %zu failed\n", run.passed, run.failed);
    return run.unusable ? CLI_USAGE : run.failed > 0 ? CLI_FOUND : CLI_DONE;
}
