/*
 * file_sd_configs: files of target groups, found by patterns with one * in the last part of the path. A file
 * is read again when its size, time or identity changes. See discovery_priv.h.
 */
#include "metrics/scrape/discovery_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct finding {
    struct provider *provider;
    const struct fs *fs;
    struct sv folder;        /* of the pattern, with its slash */
    struct sv before, after; /* the * */
    bool changed;
    int rc;
    struct err *err;
};

static bool same_file(const struct fs_stat *a, const struct fs_stat *b)
{
    return a->size_bytes == b->size_bytes && a->modified_ns == b->modified_ns && a->inode == b->inode &&
           a->device == b->device;
}

static struct file_state *state_of(struct provider *p, const char *path)
{
    for (size_t i = 0; i < p->file_count; i++)
        if (strcmp(p->files[i].path, path) == 0)
            return &p->files[i];
    if (p->file_count == DISCOVERY_FILES_MAX)
        return NULL;
    p->files = tc_realloc(p->files, (p->file_count + 1) * sizeof *p->files);
    p->files[p->file_count] = (struct file_state){.path = tc_strdup(path)};
    return &p->files[p->file_count++];
}

static int read_file(struct finding *f, struct file_state *state)
{
    struct held_groups *held = tc_alloc(sizeof *held);
    struct buf bytes;
    buf_init(&bytes, TARGET_GROUP_BYTES_MAX);
    int rc = fs_read_file(f->fs, state->path, &bytes, f->err);
    if (rc == 0) {
        struct label from = {SV("__meta_filepath"), arena_sv(&held->arena, sv_of(state->path))};
        rc = target_groups_parse(&held->arena, arena_sv(&held->arena, buf_view(&bytes)), state->path, &from,
                                 &held->groups, f->err);
    }
    buf_free(&bytes);
    if (rc != 0) {
        held_groups_free(&held);
        return rc;
    }
    held_groups_free(&state->good);
    state->good = held;
    f->changed = true;
    return 0;
}

static void look_at(struct finding *f, const char *path)
{
    struct fs_stat stat;
    if (f->fs->stat(f->fs, path, &stat) != 0 || !stat.is_file)
        return;
    struct file_state *state = state_of(f->provider, path);
    if (state == NULL) {
        f->rc = err_set(f->err, TC_EBOUND, "more than %d files of targets", DISCOVERY_FILES_MAX);
        return;
    }
    state->seen = true;
    if (same_file(&state->stat, &stat))
        return;
    int rc = read_file(f, state);
    if (rc == 0)
        state->stat = stat;
    else
        f->rc = rc;
}

static void take_name(void *context, const char *name)
{
    struct finding *f = context;
    struct sv text = sv_of(name);
    char path[4096];
    if (text.n < f->before.n + f->after.n || !sv_starts(text, f->before) || !sv_ends(text, f->after))
        return;
    if ((size_t)snprintf(path, sizeof path, "%.*s%s", SV_FMT(f->folder), name) < sizeof path)
        look_at(f, path);
}

static void look_for(struct finding *f, const char *pattern)
{
    const char *star = strchr(pattern, '*'), *slash = strrchr(pattern, '/');
    if (star == NULL) {
        look_at(f, pattern);
        return;
    }
    const char *name = slash == NULL ? pattern : slash + 1;
    char *dir = tc_strdup(slash == NULL ? "." : pattern);
    if (slash != NULL)
        dir[TC_MAX(slash - pattern, 1)] = '\0';
    f->folder = sv_make(pattern, (size_t)(name - pattern));
    f->before = sv_make(name, (size_t)(star - name));
    f->after = sv_of(star + 1);
    f->fs->list(f->fs, dir, take_name, f);
    free(dir);
}

static void forget_vanished(struct finding *f)
{
    struct provider *p = f->provider;
    size_t kept = 0;
    for (size_t i = 0; i < p->file_count; i++) {
        struct file_state *state = &p->files[i];
        if (state->seen) {
            p->files[kept++] = *state;
            continue;
        }
        f->changed = true;
        free(state->path);
        held_groups_free(&state->good);
    }
    p->file_count = kept;
}

static struct held_groups *all_groups(const struct provider *p)
{
    struct held_groups *all = tc_alloc(sizeof *all);
    size_t count = 0;
    for (size_t i = 0; i < p->file_count; i++)
        count += p->files[i].good == NULL ? 0 : p->files[i].good->groups.n;
    all->groups.items = ARENA_ARRAY(&all->arena, struct target_group, count + 1);
    for (size_t i = 0; i < p->file_count; i++) {
        if (p->files[i].good == NULL)
            continue;
        struct target_groups copy = target_groups_copy(&all->arena, &p->files[i].good->groups);
        for (size_t g = 0; g < copy.n; g++)
            all->groups.items[all->groups.n++] = copy.items[g];
    }
    return all;
}

int discovery_refresh_files(struct provider *p, const struct fs *fs, struct held_groups **ret,
                            struct err *err)
{
    const struct file_sd *config = p->config;
    struct finding f = {.provider = p, .fs = fs, .err = err, .changed = !p->settled};
    for (size_t i = 0; i < p->file_count; i++)
        p->files[i].seen = false;
    for (size_t i = 0; i < config->pattern_count; i++)
        look_for(&f, config->patterns[i]);
    forget_vanished(&f);
    *ret = f.changed ? all_groups(p) : NULL;
    return f.rc;
}

void discovery_files_free(struct provider *p)
{
    for (size_t i = 0; i < p->file_count; i++) {
        free(p->files[i].path);
        held_groups_free(&p->files[i].good);
    }
    free(p->files);
    p->files = NULL;
    p->file_count = 0;
}
