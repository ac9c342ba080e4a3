/*
 * Collecting and reporting rules; see rules.h.
 */
#include "cli/rules.h"

#include "base/embedded.h"

#include <stdio.h>

int rules_collect(const char *const *paths, size_t path_count, struct arena *arena, struct rule_source **ret,
                  size_t *ret_count, struct err *err)
{
    struct rule_source *all = NULL;
    size_t count = 0;
    for (size_t i = 0; i < path_count; i++) {
        struct rule_source *some = NULL;
        size_t n = 0;
        int rc = rule_files_collect(&fs_system, paths[i], arena, &some, &n, err);
        if (rc != 0)
            return rc;
        struct rule_source *joined = ARENA_ARRAY(arena, struct rule_source, count + n + 1);
        if (count > 0)
            memcpy(joined, all, count * sizeof all[0]);
        if (n > 0)
            memcpy(joined + count, some, n * sizeof some[0]);
        all = joined;
        count += n;
    }
    *ret = all;
    *ret_count = count;
    return 0;
}

static bool is_path(struct sv name)
{
    return sv_find_char(name, '/') < name.n || sv_ends(name, SV(".yml")) || sv_ends(name, SV(".yaml"));
}

/* What stands among the rules and is none: a pipeline, a profile. */
struct named_kind {
    const char *noun, *folder, *key; /* folder: of those that the program carries, with / */
};

static int shipped(const struct named_kind *kind, struct sv name, struct arena *arena,
                   struct rule_source *ret, struct err *err)
{
    char known[256] = "";
    size_t folder = strlen(kind->folder);
    struct sv wanted = arena_printf(arena, "%s%.*s.yml", kind->folder, SV_FMT(name));
    for (size_t i = 0; embedded_files[i].path != NULL; i++) {
        struct sv path = sv_of(embedded_files[i].path);
        size_t n = strlen(known);
        if (!sv_starts(path, sv_of(kind->folder)))
            continue;
        *ret =
            (struct rule_source){.path = path,
                                 .bytes = sv_make((const char *)embedded_files[i].begin,
                                                  (size_t)(embedded_files[i].end - embedded_files[i].begin))};
        if (sv_eq(path, wanted))
            return 0;
        struct sv stem = sv_make(path.p + folder, path.n - folder - 4);
        snprintf(known + n, sizeof known - n, "%s%.*s", n > 0 ? ", " : "", SV_FMT(stem));
    }
    return err_set(err, TC_EINPUT, "no %s is named \"%.*s\": the program carries %s; a file has a / or .yml",
                   kind->noun, SV_FMT(sv_head(name, 60)), known);
}

static int add_named(const struct named_kind *kind, const char *const *names, size_t name_count,
                     struct arena *arena, struct rule_source **io_sources, size_t *io_count, struct err *err)
{
    struct rule_source *all = ARENA_ARRAY(arena, struct rule_source, *io_count + name_count + 1);
    if (*io_count > 0)
        memcpy(all, *io_sources, *io_count * sizeof all[0]);
    *io_sources = all;
    for (size_t i = 0; i < name_count; i++) {
        struct rule_source *own = NULL;
        size_t count = 0;
        int rc = is_path(sv_of(names[i])) ? rule_files_collect(&fs_system, names[i], arena, &own, &count, err)
                                          : shipped(kind, sv_of(names[i]), arena, &all[*io_count], err);
        if (rc == 0 && own != NULL && count != 1)
            rc = err_set(err, TC_EINPUT, "a %s must be one file: %s", kind->noun, names[i]);
        if (rc != 0)
            return rc;
        if (own != NULL)
            all[*io_count] = own[0];
        if (sv_find(all[*io_count].bytes, sv_of(kind->key)) == all[*io_count].bytes.n)
            return err_at(err, TC_EINPUT, names[i], 0, 0, "is not a %s: it has no top-level key `%s`",
                          kind->noun, kind->key);
        ++*io_count;
    }
    return 0;
}

int rules_pipelines(const char *const *names, size_t name_count, struct arena *arena,
                    struct rule_source **io_sources, size_t *io_count, struct err *err)
{
    static const struct named_kind kind = {"pipeline", "pipelines/", "transformations"};
    return add_named(&kind, names, name_count, arena, io_sources, io_count, err);
}

int rules_profiles(const char *const *names, size_t name_count, struct arena *arena,
                   struct rule_source **io_sources, size_t *io_count, struct err *err)
{
    static const struct named_kind kind = {"profile", "profiles/", "profile"};
    return add_named(&kind, names, name_count, arena, io_sources, io_count, err);
}

size_t rules_shipped_profiles(struct arena *arena, struct rule_profile **ret)
{
    const struct sv folder = SV("profiles/");
    size_t total = 0, count = 0;
    while (embedded_files[total].path != NULL)
        total++;
    struct rule_profile *profiles = ARENA_ARRAY(arena, struct rule_profile, total + 1);
    for (size_t i = 0; i < total; i++) {
        struct sv path = sv_of(embedded_files[i].path);
        if (!sv_starts(path, folder) || !sv_ends(path, SV(".yml")))
            continue;
        profiles[count++] = (struct rule_profile){
            .name = sv_make(path.p + folder.n, path.n - folder.n - 4),
            .source = {.path = path,
                       .bytes = sv_make((const char *)embedded_files[i].begin,
                                        (size_t)(embedded_files[i].end - embedded_files[i].begin))}};
    }
    *ret = profiles;
    return count;
}

size_t rules_shipped(struct arena *arena, struct rule_source **ret)
{
    size_t total = 0, count = 0;
    while (embedded_files[total].path != NULL)
        total++;
    struct rule_source *sources = ARENA_ARRAY(arena, struct rule_source, total + 1);
    for (size_t i = 0; i < total; i++) {
        struct sv path = sv_of(embedded_files[i].path);
        if (!sv_starts(path, SV("packs/")) || sv_starts(path, SV("packs/parsers/")) ||
            sv_find(path, SV("/tests/")) < path.n || sv_ends(path, SV("/pack.yml")) ||
            (!sv_ends(path, SV(".yml")) && !sv_ends(path, SV(".list"))))
            continue;
        sources[count++] = (struct rule_source){
            .path = path,
            .bytes = sv_make((const char *)embedded_files[i].begin,
                             (size_t)(embedded_files[i].end - embedded_files[i].begin)),
            .in_pack = true,
        };
    }
    *ret = sources;
    return count;
}

size_t rules_report(const struct ruleset *ruleset, bool warnings)
{
    size_t refused = 0;
    for (size_t i = 0; i < ruleset_note_count(ruleset); i++) {
        const struct rule_note *note = ruleset_note(ruleset, i);
        char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
        refused += note->verdict == RULE_REFUSED;
        if (note->verdict == RULE_REFUSED)
            fprintf(stderr, "tocsin: refused: %s [%s]\n", err_format(&note->err, text, sizeof text),
                    note->construct);
        else if (note->verdict == RULE_WARNING && warnings)
            fprintf(stderr, "tocsin: warning: %s [%s]\n", err_format(&note->err, text, sizeof text),
                    note->construct);
    }
    return refused;
}
