/*
 * What the simulated disk holds; see sim_disk.h.
 *
 * A file is two images, `now` (what reads see) and `disk` (what a crash leaves), and the list of changes
 * between them. A directory is a set of paths; the visible and the durable set differ by the list of pending
 * entry changes. Everything is a linear list: a simulation has a handful of files.
 */
#include "base/sim_disk.h"

#include "base/arena.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>

/* --- images and entries --------------------------------------------------------------------------------- */

static void image_resize(struct sim_image *image, size_t n)
{
    if (n > image->capacity) {
        image->capacity = TC_MAX(n, 2 * image->capacity);
        image->p = tc_realloc(image->p, image->capacity);
    }
    if (n > image->n)
        memset(image->p + image->n, 0, n - image->n);
    image->n = n;
}

static void image_write(struct sim_image *image, uint64_t offset, const char *bytes, size_t n)
{
    if (n == 0)
        return;
    if (offset + n > image->n)
        image_resize(image, offset + n);
    memcpy(image->p + offset, bytes, n);
}

static void image_copy(struct sim_image *to, const struct sim_image *from)
{
    image_resize(to, from->n);
    if (from->n > 0)
        memcpy(to->p, from->p, from->n);
}

/* Doubled and trailing slashes go. */
const char *sim_disk_tidy(const char *path, char out[SIM_PATH_BYTES])
{
    size_t n = 0;
    for (; *path != '\0' && n + 1 < SIM_PATH_BYTES; path++)
        if (*path != '/' || n == 0 || out[n - 1] != '/')
            out[n++] = *path;
    if (n > 1 && out[n - 1] == '/')
        n--;
    out[n] = '\0';
    return out;
}

static void parent_of(const char *path, char out[SIM_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        snprintf(out, SIM_PATH_BYTES, ".");
    else
        snprintf(out, SIM_PATH_BYTES, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

bool sim_disk_is_in(const char *path, const char *dir)
{
    char parent[SIM_PATH_BYTES];
    parent_of(path, parent);
    return strcmp(parent, dir) == 0 && strcmp(path, dir) != 0;
}

static struct sim_entry *find(const struct sim_entries *entries, const char *path)
{
    for (size_t i = 0; i < entries->n; i++)
        if (strcmp(entries->p[i].path, path) == 0)
            return &entries->p[i];
    return NULL;
}

static void entries_set(struct sim_entries *entries, const char *path, size_t node)
{
    struct sim_entry *e = find(entries, path);
    if (e == NULL) {
        if (entries->n == entries->capacity) {
            entries->capacity = TC_MAX((size_t)16, 2 * entries->capacity);
            entries->p = tc_realloc(entries->p, entries->capacity * sizeof entries->p[0]);
        }
        e = &entries->p[entries->n++];
        e->path = tc_strdup(path);
    }
    e->node = node;
}

static void entries_remove(struct sim_entries *entries, const char *path)
{
    struct sim_entry *e = find(entries, path);
    if (e == NULL)
        return;
    free(e->path);
    *e = entries->p[--entries->n];
}

static void entries_clear(struct sim_entries *entries)
{
    for (size_t i = 0; i < entries->n; i++)
        free(entries->p[i].path);
    entries->n = 0;
}

static void apply_entry(struct sim_entries *entries, const struct sim_entry_change *c)
{
    if (c->from != NULL)
        entries_remove(entries, c->from);
    if (c->node == SIZE_MAX)
        entries_remove(entries, c->path);
    else
        entries_set(entries, c->path, c->node);
}

void sim_disk_change_entry(struct sim_disk *s, const char *path, const char *from, size_t node)
{
    if (s->change_count == s->change_capacity) {
        s->change_capacity = TC_MAX((size_t)16, 2 * s->change_capacity);
        s->changes = tc_realloc(s->changes, s->change_capacity * sizeof s->changes[0]);
    }
    struct sim_entry_change *c = &s->changes[s->change_count++];
    *c = (struct sim_entry_change){
        .path = tc_strdup(path), .from = from == NULL ? NULL : tc_strdup(from), .node = node};
    apply_entry(&s->now, c);
}

static void forget_entry_change(struct sim_disk *s, size_t i)
{
    free(s->changes[i].path);
    free(s->changes[i].from);
    memmove(&s->changes[i], &s->changes[i + 1], (--s->change_count - i) * sizeof s->changes[0]);
}

/* --- nodes ---------------------------------------------------------------------------------------------- */

size_t sim_disk_new_node(struct sim_disk *s, bool is_dir)
{
    size_t i = 0;
    while (i < s->node_count && s->nodes[i].used)
        i++;
    if (i == s->node_count) {
        if (s->node_count == s->node_capacity) {
            s->node_capacity = TC_MAX((size_t)16, 2 * s->node_capacity);
            s->nodes = tc_realloc(s->nodes, s->node_capacity * sizeof s->nodes[0]);
        }
        s->node_count++;
    }
    s->nodes[i] = (struct sim_node){.is_dir = is_dir, .used = true};
    return i;
}

static void forget_changes(struct sim_node *node)
{
    for (size_t i = 0; i < node->n; i++)
        free(node->changes[i].bytes);
    node->n = 0;
}

static void free_node(struct sim_node *node)
{
    forget_changes(node);
    free(node->changes);
    free(node->now.p);
    free(node->disk.p);
    *node = (struct sim_node){0};
}

static bool is_referenced(const struct sim_disk *s, size_t node)
{
    for (size_t i = 0; i < s->now.n; i++)
        if (s->now.p[i].node == node)
            return true;
    for (size_t i = 0; i < s->disk.n; i++)
        if (s->disk.p[i].node == node)
            return true;
    for (size_t i = 0; i < s->change_count; i++)
        if (s->changes[i].node == node)
            return true;
    return s->nodes[node].handles > 0;
}

void sim_disk_collect(struct sim_disk *s)
{
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].used && !is_referenced(s, i))
            free_node(&s->nodes[i]);
}

/* Notes a change and makes it visible. Takes a copy of the bytes; NULL = truncation to `offset`. */
void sim_disk_change_node(struct sim_disk *s, struct sim_node *node, uint64_t offset, const void *bytes,
                          size_t n)
{
    if (node->n == node->capacity) {
        node->capacity = TC_MAX((size_t)16, 2 * node->capacity);
        node->changes = tc_realloc(node->changes, node->capacity * sizeof node->changes[0]);
    }
    struct sim_change *c = &node->changes[node->n++];
    *c = (struct sim_change){.offset = offset, .n = n};
    node->modified_ns = ++s->changes_made;
    if (bytes == NULL) {
        image_resize(&node->now, offset);
        return;
    }
    c->bytes = tc_realloc(NULL, n);
    memcpy(c->bytes, bytes, n);
    image_write(&node->now, offset, bytes, n);
}

static void apply_change(struct sim_image *image, const struct sim_change *c)
{
    if (c->bytes == NULL)
        image_resize(image, c->offset);
    else
        image_write(image, c->offset, c->bytes, c->n);
}

void sim_disk_sync_node(struct sim_node *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->n; i++) {
        if (node->changes[i].lost) {
            node->changes[kept++] = node->changes[i];
            continue;
        }
        apply_change(&node->disk, &node->changes[i]);
        free(node->changes[i].bytes);
    }
    node->n = kept;
}

bool sim_disk_parent_exists(struct sim_disk *s, const char *path)
{
    char parent[SIM_PATH_BYTES];
    parent_of(path, parent);
    const struct sim_entry *e = find(&s->now, parent);
    return e != NULL && s->nodes[e->node].is_dir;
}

static bool concerns(const struct sim_entry_change *c, const char *dir)
{
    return sim_disk_is_in(c->path, dir) || (c->from != NULL && sim_disk_is_in(c->from, dir));
}

/* --- the crash ------------------------------------------------------------------------------------------ */

enum fate { FATE_KEEP, FATE_DROP, FATE_SHRED };

static enum fate fate_of(const struct rng *rng, enum sim_fs_mode mode)
{
    uint64_t dice = rng_u64(rng) >> 32;
    switch (mode) {
    case SIM_FS_KEEP:
        return FATE_KEEP;
    case SIM_FS_DROP:
        return FATE_DROP;
    case SIM_FS_SOME:
        return dice % 2 == 0 ? FATE_KEEP : FATE_DROP;
    case SIM_FS_SHRED:
        break;
    }
    return dice % 3 == 0 ? FATE_KEEP : dice % 3 == 1 ? FATE_DROP : FATE_SHRED;
}

static void shred(const struct rng *rng, struct sim_image *disk, uint64_t offset, const char *bytes, size_t n)
{
    uint64_t how = rng_u64(rng) % 3;
    if (offset + n > disk->n)
        image_resize(disk, offset + n);
    if (how == 0)
        rng_fill(rng, disk->p + offset, n);
    else if (how == 1)
        memset(disk->p + offset, 0, n);
    else
        memcpy(disk->p + offset, bytes, n / 2); /* half new, half old */
}

static void decide_write(const struct rng *rng, enum sim_fs_mode mode, size_t grain, struct sim_image *disk,
                         const struct sim_change *c)
{
    for (size_t at = 0; at < c->n;) {
        uint64_t offset = c->offset + at;
        size_t n = TC_MIN(c->n - at, grain - (size_t)(offset % grain));
        enum fate fate = fate_of(rng, mode);
        if (fate == FATE_KEEP)
            image_write(disk, offset, c->bytes + at, n);
        else if (fate == FATE_SHRED)
            shred(rng, disk, offset, c->bytes + at, n);
        at += n;
    }
    if (mode >= SIM_FS_SOME && c->offset + c->n > disk->n && rng_u64(rng) % 2 == 0)
        image_resize(disk, c->offset + c->n); /* the size came, the bytes did not */
}

static void decide_node(const struct rng *rng, enum sim_fs_mode mode, struct sim_node *node)
{
    size_t grain = rng_u64(rng) % 2 == 0 ? 512 : 4096;
    for (size_t i = 0; i < node->n; i++) {
        const struct sim_change *c = &node->changes[i];
        if (c->lost)
            continue;
        if (c->bytes != NULL)
            decide_write(rng, mode, grain, &node->disk, c);
        else if (fate_of(rng, mode) == FATE_KEEP)
            apply_change(&node->disk, c);
    }
    forget_changes(node);
    image_copy(&node->now, &node->disk);
}

/* An entry below a directory that was lost is lost as well. */
static void drop_orphans(struct sim_disk *s)
{
    char parent[SIM_PATH_BYTES];
    for (size_t i = 0; i < s->disk.n;) {
        parent_of(s->disk.p[i].path, parent);
        if (find(&s->disk, parent) != NULL) {
            i++;
            continue;
        }
        entries_remove(&s->disk, s->disk.p[i].path);
        i = 0;
    }
}

void sim_disk_sync_dir(struct sim_disk *s, const char *dir)
{
    for (size_t i = 0; i < s->change_count;) {
        if (!concerns(&s->changes[i], dir)) {
            i++;
            continue;
        }
        apply_entry(&s->disk, &s->changes[i]);
        forget_entry_change(s, i);
    }
    sim_disk_collect(s);
}

struct sim_node *sim_disk_find(struct sim_disk *s, const char *path, size_t *ret_index)
{
    const struct sim_entry *e = find(&s->now, path);
    if (e != NULL && ret_index != NULL)
        *ret_index = e->node;
    return e == NULL ? NULL : &s->nodes[e->node];
}

void sim_disk_crash(struct sim_disk *s, uint64_t seed, enum sim_fs_mode mode)
{
    struct sim_rng rng;
    sim_rng_init(&rng, seed);
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].used)
            decide_node(&rng.rng, mode, &s->nodes[i]);
    while (s->change_count > 0) {
        if (fate_of(&rng.rng, mode) == FATE_KEEP)
            apply_entry(&s->disk, &s->changes[0]);
        forget_entry_change(s, 0);
    }
    drop_orphans(s);
    entries_clear(&s->now);
    for (size_t i = 0; i < s->disk.n; i++)
        entries_set(&s->now, s->disk.p[i].path, s->disk.p[i].node);
}

/* --- outside of the simulation ----------------------------------------------------------------------------
 */

static void set_both(struct sim_disk *s, const char *path, size_t node)
{
    entries_set(&s->now, path, node);
    entries_set(&s->disk, path, node);
}

void sim_disk_init(struct sim_disk *s)
{
    *s = (struct sim_disk){0};
    set_both(s, "/", sim_disk_new_node(s, true));
    set_both(s, ".", sim_disk_new_node(s, true));
}

void sim_disk_fini(struct sim_disk *s)
{
    while (s->change_count > 0)
        forget_entry_change(s, s->change_count - 1);
    for (size_t i = 0; i < s->node_count; i++)
        free_node(&s->nodes[i]);
    entries_clear(&s->now);
    entries_clear(&s->disk);
    free(s->now.p);
    free(s->disk.p);
    free(s->changes);
    free(s->nodes);
}

static void put_dirs(struct sim_disk *s, const char *path)
{
    char parent[SIM_PATH_BYTES];
    parent_of(path, parent);
    if (find(&s->now, parent) != NULL)
        return;
    put_dirs(s, parent);
    set_both(s, parent, sim_disk_new_node(s, true));
}

void sim_disk_put(struct sim_disk *s, const char *path, struct sv bytes)
{
    put_dirs(s, path);
    const struct sim_entry *e = find(&s->now, path);
    size_t node = e != NULL ? e->node : sim_disk_new_node(s, false);
    set_both(s, path, node);
    forget_changes(&s->nodes[node]);
    image_resize(&s->nodes[node].disk, 0);
    image_write(&s->nodes[node].disk, 0, bytes.p, bytes.n);
    image_copy(&s->nodes[node].now, &s->nodes[node].disk);
}
