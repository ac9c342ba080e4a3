/*
 * Finding and reading files of rules; see metric_rule_files.h.
 */
#include "app/metric_rule_files.h"

#include "base/map.h"
#include "cli/prometheus_file.h"

#include <glob.h>
#include <stdlib.h>

struct metric_rule_files {
    struct prometheus_file *files;
    const struct rule_file **items;
    size_t count, rules;
};

static int add_found(const glob_t *found, struct arena *arena, struct map *seen, const char **paths,
                     size_t *count, struct err *err)
{
    for (size_t i = 0; i < found->gl_pathc; i++) {
        bool fresh;
        if (prometheus_is_side(found->gl_pathv[i]))
            continue; /* it comes with its rule file */
        if (*count == METRIC_RULE_FILES_MAX)
            return err_set(err, TC_EBOUND, "rule_files: more than %d files", METRIC_RULE_FILES_MAX);
        map_put(seen, sv_of(found->gl_pathv[i]), &fresh);
        if (fresh)
            paths[(*count)++] = arena_str(arena, sv_of(found->gl_pathv[i]));
    }
    return 0;
}

int metric_rule_files_find(const char *const *patterns, size_t count, struct arena *arena,
                           const char *const **ret, size_t *ret_count, struct err *err)
{
    const char **paths = ARENA_ARRAY(arena, const char *, METRIC_RULE_FILES_MAX + 1);
    struct map seen;
    int rc = 0;
    size_t n = 0;
    map_init(&seen, SIZE_MAX);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        glob_t found = {0};
        int globbed = glob(patterns[i], 0, NULL, &found);
        if (globbed == GLOB_NOSPACE)
            rc = err_set(err, TC_EBOUND, "rule_files: %s: too many files", patterns[i]);
        else if (globbed != 0 && strchr(patterns[i], '*') == NULL)
            rc =
                err_set(err, TC_EINPUT, "rule_files: \"%s\" does not point to an existing file", patterns[i]);
        if (rc == 0)
            rc = add_found(&found, arena, &seen, paths, &n, err);
        globfree(&found);
    }
    map_free(&seen);
    *ret = paths;
    *ret_count = n;
    return rc;
}

static int read_one(struct prometheus_file *file, const char *path, unsigned refused, struct err *err)
{
    if (prometheus_file_load(path, refused, file) == 0)
        return 0;
    int rc = rule_problems_err(&file->rules.problems, path, err);
    return rc != 0 ? rc : rule_problems_err(&file->side.problems, file->side_path, err);
}

int metric_rule_files_read(const char *const *patterns, size_t count, unsigned refused,
                           struct metric_rule_files **ret, struct err *err)
{
    struct arena arena = {0};
    struct metric_rule_files *files = tc_alloc(sizeof *files);
    const char *const *paths;
    size_t n;
    int rc = metric_rule_files_find(patterns, count, &arena, &paths, &n, err);
    if (rc == 0) {
        files->files = tc_alloc((n + 1) * sizeof *files->files);
        files->items = tc_alloc((n + 1) * sizeof(struct rule_file *));
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        files->items[i] = &files->files[i].rules;
        files->count++;
        rc = read_one(&files->files[i], paths[i], refused, err);
        files->rules += files->files[i].rules.rule_count;
    }
    arena_free(&arena);
    if (rc != 0)
        metric_rule_files_free(&files);
    *ret = files;
    return rc;
}

void metric_rule_files_free(struct metric_rule_files **files)
{
    struct metric_rule_files *f = *files;
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->count; i++)
        prometheus_file_free(&f->files[i]);
    free(f->files);
    free(f->items);
    free(f);
    *files = NULL;
}

const struct rule_file *const *metric_rule_files_items(const struct metric_rule_files *files,
                                                       size_t *ret_count)
{
    *ret_count = files->count;
    return files->items;
}

size_t metric_rule_files_rules(const struct metric_rule_files *files)
{
    return files->rules;
}
