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
            !sv_ends(path, SV(".yml")))
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
