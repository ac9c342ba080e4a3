/*
 * Parser files and the names of parsers; see parsers.h.
 */
#include "cli/parsers.h"

#include "base/embedded.h"
#include "base/fs.h"
#include "base/hash.h"

enum { FILES_MAX = 1024 };

struct collecting {
    struct arena *arena;
    const char *folder;
    struct parser_source *sources;
    size_t count;
    int rc;
    struct err *err;
};

static void collect_file(struct collecting *c, const char *path)
{
    struct buf bytes;
    if (c->rc != 0)
        return;
    if (c->count == FILES_MAX) {
        c->rc = err_at(c->err, TC_EBOUND, path, 0, 0, "more than %d files of parsers", FILES_MAX);
        return;
    }
    buf_init(&bytes, TC_PARSER_FILE_BYTES_MAX);
    c->rc = fs_read_file(&fs_system, path, &bytes, c->err);
    if (c->rc == TC_EIO && c->err != NULL)
        c->rc = c->err->code = TC_EINPUT; /* a named file that cannot be read is the user's to mend */
    if (c->rc == 0)
        c->sources[c->count++] =
            (struct parser_source){arena_str(c->arena, sv_of(path)), arena_sv(c->arena, buf_view(&bytes))};
    buf_free(&bytes);
}

static void collect_entry(void *context, const char *name)
{
    struct collecting *c = context;
    struct sv text = sv_of(name);
    if (name[0] != '.' && (sv_ends(text, SV(".yml")) || sv_ends(text, SV(".yaml"))))
        collect_file(c, arena_printf(c->arena, "%s/%s", c->folder, name).p);
}

static void collect_path(struct collecting *c, const char *path)
{
    struct fs_stat st;
    if (fs_system.stat(&fs_system, path, &st) != 0 || !st.is_dir) {
        collect_file(c, path);
        return;
    }
    c->folder = path;
    fs_system.list(&fs_system, path, collect_entry, c);
}

static size_t shipped(struct arena *arena, struct parser_source **ret)
{
    size_t total = 0, count = 0;
    while (embedded_files[total].path != NULL)
        total++;
    struct parser_source *sources = ARENA_ARRAY(arena, struct parser_source, total + 1);
    for (size_t i = 0; i < total; i++) {
        const struct embedded_file *file = &embedded_files[i];
        if (sv_starts(sv_of(file->path), SV("packs/parsers/")) && sv_ends(sv_of(file->path), SV(".yml")))
            sources[count++] = (struct parser_source){
                file->path, sv_make((const char *)file->begin, (size_t)(file->end - file->begin))};
    }
    *ret = sources;
    return count;
}

int parsers_open(const char *const *paths, size_t count, struct parser_files *ret, struct err *err)
{
    struct collecting c = {.arena = &ret->arena, .err = err};
    struct parser_source *ships;
    size_t ship_count = shipped(&ret->arena, &ships);
    c.sources = ARENA_ARRAY(&ret->arena, struct parser_source, FILES_MAX);
    for (size_t i = 0; i < count; i++)
        collect_path(&c, paths[i]);
    if (c.rc != 0)
        return c.rc;
    for (size_t i = 0; i < c.count; i++)
        ret->print = hash_64_seed(c.sources[i].bytes, hash_64_seed(sv_of(c.sources[i].file), ret->print));
    return parser_library_new(c.sources, c.count, ships, ship_count, &ret->library, err);
}

void parsers_close(struct parser_files *own)
{
    parser_library_free(&own->library);
    arena_free(&own->arena);
}

enum cli_exit parsers_of_args(const struct cli_args *args, struct parser_files *own,
                              const struct parser **ret_parser)
{
    const char *const *paths, *input = cli_value(args, "input", "auto");
    size_t count = cli_list(args, "parsers", &paths);
    struct err err;
    if (parsers_open(paths, count, own, &err) != 0) {
        cli_fail_err(args, &err);
        return CLI_USAGE;
    }
    *ret_parser = NULL;
    if (strcmp(input, "auto") == 0)
        return CLI_DONE;
    int rc = parser_library_find(own->library, sv_of(input), ret_parser, &err);
    if (rc == TC_ENOTFOUND)
        return cli_fail(args, CLI_USAGE, "--input %s: it is " PARSERS_INPUT_HELP, input);
    if (rc != 0)
        cli_fail_err(args, &err);
    return rc == 0 ? CLI_DONE : CLI_USAGE;
}

int parsers_read_shipped(struct parser_files *own, struct err *err)
{
    struct parser_source *ships;
    size_t count = shipped(&own->arena, &ships);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct parser *parser;
        struct sv name = sv_from(sv_of(ships[i].file), sizeof "packs/parsers/" - 1);
        name.n -= 4;
        rc = parser_library_find(own->library, name, &parser, err);
    }
    return rc;
}
