/*
 * Collecting rule files below a path, through the file seam.
 *
 * Directories are walked in byte order. What lies beside rules and is none is left out: test files, pack
 * manifests, parser files, processing pipelines and profiles (told by their top-level keys), anything below a
 * folder named `tests`, hidden files and folders. A file that was named itself is always taken. A folder with
 * a manifest makes all below it `in_pack`. Lists of values (NAME.list) are taken with the rules.
 */
#include "detect/detect.h"
#include "detect/list.h"

#include <errno.h>

enum { RULE_FILE_MAX_BYTES = 8 << 20, RULE_FILES_MAX = 100000, RULE_DIRS_DEPTH_MAX = 32 };

struct collecting {
    const struct fs *fs;
    struct arena *arena;
    struct rule_source *sources;
    size_t count, capacity;
    struct err *err;
};

struct names {
    struct arena *arena;
    struct sv *items;
    size_t count, capacity;
};

static void add_name(void *context, const char *name)
{
    struct names *names = context;
    if (names->count == names->capacity) {
        size_t capacity = TC_MAX(names->capacity * 2, 32);
        struct sv *items = ARENA_ARRAY(names->arena, struct sv, capacity);
        if (names->count > 0)
            memcpy(items, names->items, names->count * sizeof items[0]);
        names->items = items;
        names->capacity = capacity;
    }
    names->items[names->count++] = arena_sv(names->arena, sv_of(name));
}

/* Does the line begin with `key:` in its first column? No line inside of a top-level value can. */
static bool is_top_key(struct sv line, const char *key)
{
    size_t n = strlen(key);
    return line.n > n && memcmp(line.p, key, n) == 0 && line.p[n] == ':' &&
           (line.n == n + 1 || line.p[n + 1] == ' ' || line.p[n + 1] == '\t' || line.p[n + 1] == '\r');
}

static bool has_top_key(struct sv bytes, const char *key)
{
    while (bytes.n > 0)
        if (is_top_key(sv_cut(&bytes, '\n'), key))
            return true;
    return false;
}

static bool is_rule_text(struct sv bytes)
{
    static const char *const others[] = {"tests", "pack", "kind", "transformations", "profile"};
    bool other = false;
    while (bytes.n > 0) {
        struct sv line = sv_cut(&bytes, '\n');
        if (line.n == 0 || line.p[0] < 'a' || line.p[0] > 'z')
            continue;
        if (is_top_key(line, "detection") || is_top_key(line, "correlation"))
            return true;
        for (size_t i = 0; i < TC_ARRAY_LEN(others); i++)
            other = other || is_top_key(line, others[i]);
    }
    return !other;
}

static bool is_rule_name(struct sv name)
{
    return sv_ends(name, SV(".yml")) || sv_ends(name, SV(".yaml")) || list_name(name).n > 0;
}

static int add_source(struct collecting *c, struct sv path, struct sv bytes, bool in_pack)
{
    if (c->count == RULE_FILES_MAX)
        return err_set(c->err, TC_EBOUND, "%.*s: more than %d rule files", SV_FMT(path), RULE_FILES_MAX);
    if (c->count == c->capacity) {
        size_t capacity = TC_MAX(c->capacity * 2, 64);
        struct rule_source *sources = ARENA_ARRAY(c->arena, struct rule_source, capacity);
        if (c->count > 0)
            memcpy(sources, c->sources, c->count * sizeof sources[0]);
        c->sources = sources;
        c->capacity = capacity;
    }
    c->sources[c->count++] = (struct rule_source){path, bytes, in_pack};
    return 0;
}

static int read_file(struct collecting *c, struct sv path, size_t max_bytes, struct buf *buf)
{
    buf_init(buf, max_bytes);
    int rc = fs_read_file(c->fs, path.p, buf, c->err);
    if (rc == 0 && buf->overflow)
        rc = err_set(c->err, TC_EBOUND, "%.*s: a file of more than %zu MiB among the rules", SV_FMT(path),
                     max_bytes >> 20);
    if (rc != 0)
        buf_free(buf);
    return rc;
}

static int collect_file(struct collecting *c, struct sv path, bool named, bool in_pack)
{
    struct buf buf;
    bool is_list = list_name(path).n > 0;
    int rc = read_file(c, path, is_list ? LIST_FILE_MAX_BYTES : RULE_FILE_MAX_BYTES, &buf);
    if (rc != 0)
        return rc;
    if (named || is_list || is_rule_text(buf_view(&buf)))
        rc = add_source(c, path, arena_sv(c->arena, buf_view(&buf)), in_pack);
    buf_free(&buf);
    return rc;
}

static struct sv join(struct arena *arena, struct sv dir, struct sv name)
{
    return arena_printf(arena, sv_ends(dir, SV("/")) ? "%.*s%.*s" : "%.*s/%.*s", SV_FMT(dir), SV_FMT(name));
}

/* A folder is a pack where it holds a manifest. */
static bool has_manifest(struct collecting *c, struct sv dir, const struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!sv_is(names->items[i], "pack.yml") && !sv_is(names->items[i], "pack.yaml"))
            continue;
        struct buf buf;
        struct collecting quiet = {.fs = c->fs, .arena = c->arena};
        if (read_file(&quiet, join(c->arena, dir, names->items[i]), RULE_FILE_MAX_BYTES, &buf) != 0)
            continue;
        bool manifest = has_top_key(buf_view(&buf), "pack");
        buf_free(&buf);
        if (manifest)
            return true;
    }
    return false;
}

static int collect_dir(struct collecting *c, struct sv dir, bool in_pack, unsigned depth);

static int collect_entry(struct collecting *c, struct sv dir, struct sv name, bool in_pack, unsigned depth)
{
    struct sv path = join(c->arena, dir, name);
    struct fs_stat stat;
    if (name.n == 0 || name.p[0] == '.' || c->fs->stat(c->fs, path.p, &stat) != 0)
        return 0; /* hidden; or a link to nothing, or removed since it was listed */
    if (stat.is_dir)
        return sv_is(name, "tests") ? 0 : collect_dir(c, path, in_pack, depth + 1);
    return is_rule_name(name) ? collect_file(c, path, false, in_pack) : 0;
}

static int collect_dir(struct collecting *c, struct sv dir, bool in_pack, unsigned depth)
{
    struct names names = {.arena = c->arena};
    if (depth > RULE_DIRS_DEPTH_MAX)
        return err_set(c->err, TC_EBOUND, "%.*s: folders nested deeper than %d", SV_FMT(dir),
                       RULE_DIRS_DEPTH_MAX);
    int rc = c->fs->list(c->fs, dir.p, add_name, &names);
    if (rc < 0) {
        errno = -rc;
        return err_sys(c->err, "cannot list %.*s", SV_FMT(dir));
    }
    in_pack = in_pack || has_manifest(c, dir, &names);
    rc = 0;
    for (size_t i = 0; rc == 0 && i < names.count; i++)
        rc = collect_entry(c, dir, names.items[i], in_pack, depth);
    return rc;
}

int rule_files_collect(const struct fs *fs, const char *path, struct arena *arena,
                       struct rule_source **sources, size_t *count, struct err *err)
{
    struct collecting c = {.fs = fs, .arena = arena, .err = err};
    struct sv start = arena_sv(arena, sv_of(path));
    struct fs_stat stat;
    int rc = fs->stat(fs, path, &stat);
    if (rc == -ENOENT)
        return err_set(err, TC_ENOTFOUND, "no rules at %s: there is no such file or folder", path);
    if (rc < 0) {
        errno = -rc;
        return err_sys(err, "cannot read the rules at %s", path);
    }
    rc = stat.is_dir ? collect_dir(&c, start, false, 0) : collect_file(&c, start, true, false);
    if (rc != 0)
        return rc;
    *sources = c.sources;
    *count = c.count;
    return 0;
}
