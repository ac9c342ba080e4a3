/*
 * Rule files with their side files; see prometheus_file.h.
 */
#include "cli/prometheus_file.h"

#include "base/fs.h"

#include <stdlib.h>

static const char *const endings[] = {".yml", ".yaml"};

bool prometheus_is_side(const char *path)
{
    return sv_ends(sv_of(path), SV(".tocsin.yml")) || sv_ends(sv_of(path), SV(".tocsin.yaml"));
}

/* The path of the side file where there is one; to be freed. */
static char *find_side(const char *path)
{
    struct arena arena = {0};
    struct fs_stat stat;
    char *found = NULL;
    for (size_t i = 0; found == NULL && i < TC_ARRAY_LEN(endings); i++) {
        struct sv ending = sv_of(endings[i]);
        if (!sv_ends(sv_of(path), ending))
            continue;
        struct sv side =
            arena_printf(&arena, "%.*s.tocsin%s", (int)(strlen(path) - ending.n), path, endings[i]);
        if (fs_system.stat(&fs_system, side.p, &stat) == 0 && !stat.is_dir)
            found = tc_strdup(side.p);
    }
    arena_free(&arena);
    return found;
}

int prometheus_file_load(const char *path, unsigned refused, struct prometheus_file *ret)
{
    struct buf bytes;
    struct err err = {0};
    *ret = (struct prometheus_file){0};
    buf_init(&bytes, RULE_FILE_BYTES_MAX);
    if (fs_read_file(&fs_system, path, &bytes, &err) == 0) {
        rule_file_read_refusing(sv_of(path), buf_view(&bytes), refused, &ret->rules);
    } else {
        rule_file_read_refusing(sv_of(path), SV(""), refused, &ret->rules);
        rule_problem_add(&ret->rules.problems, false, 0, 0, "%s", err.text);
    }
    if (ret->rules.problems.errors == 0)
        ret->side_path = find_side(path);
    buf_clear(&bytes);
    if (ret->side_path != NULL && fs_read_file(&fs_system, ret->side_path, &bytes, &err) == 0) {
        side_file_apply(buf_view(&bytes), &ret->rules, &ret->side);
    } else if (ret->side_path != NULL) {
        side_file_apply(SV(""), &ret->rules, &ret->side);
        rule_problem_add(&ret->side.problems, false, 0, 0, "%s", err.text);
    }
    buf_free(&bytes);
    return ret->rules.problems.errors + ret->side.problems.errors > 0 ? TC_EINPUT : 0;
}

void prometheus_file_free(struct prometheus_file *file)
{
    rule_file_free(&file->rules);
    side_file_free(&file->side);
    free(file->side_path);
    *file = (struct prometheus_file){0};
}
