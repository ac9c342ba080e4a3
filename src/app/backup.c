/*
 * Collecting a backup: what belongs to it, how much of each file, and its hashes; see backup.h.
 *
 * Two passes. The first fixes names, lengths and hashes, so that the manifest can stand at the front; the
 * second copies and compares. The journal goes first and the objects after it: an object is written before
 * the record that names it, so none that the journal names is missing.
 */
#include "app/backup_priv.h"

#include "base/json_out.h"
#include "base/num.h"
#include "event/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { COPY_TRIES = 5, ITEMS_MAX = 1 << 20 };

struct collecting {
    const struct backup_options *options;
    struct arena arena;
    struct backup_item *items;
    size_t count, capacity;
    struct journal_snapshot snapshot;
    bool has_keys;
};

static int add(struct collecting *c, const char *name, const char *path, uint64_t bytes, struct err *err)
{
    if (c->count == ITEMS_MAX)
        return err_set(err, TC_EBOUND, "more than %d files", ITEMS_MAX);
    if (c->count == c->capacity) {
        c->capacity = c->capacity == 0 ? 64 : 2 * c->capacity;
        c->items = tc_realloc(c->items, c->capacity * sizeof c->items[0]);
    }
    struct backup_item *item = &c->items[c->count];
    *item = (struct backup_item){
        .name = arena_str(&c->arena, sv_of(name)), .path = arena_str(&c->arena, sv_of(path)), .bytes = bytes};
    int rc = pack_hash(c->options->fs, path, bytes, item->sha256, err);
    c->count += rc == 0;
    return rc;
}

static bool is_gone(const struct collecting *c, const char *path)
{
    struct fs_stat st;
    return c->options->fs->stat(c->options->fs, path, &st) == -ENOENT;
}

static int add_journal(struct collecting *c, const char *name, struct err *err)
{
    const struct backup_options *o = c->options;
    int rc = journal_snapshot(o->fs, o->data, &c->snapshot, err);
    if (rc == 0 && c->snapshot.position == 0)
        rc = err_set(err, TC_ENOTFOUND, "the journal of %s holds no record: there is nothing to keep",
                     o->data);
    for (size_t i = 0; rc == 0 && i < c->snapshot.count; i++) {
        const struct journal_part *part = &c->snapshot.parts[i];
        char in[128], path[BACKUP_PATH_MAX];
        snprintf(in, sizeof in, "%s/%020llu.%s", name, (unsigned long long)part->first,
                 part->is_cold ? "cold" : "seg");
        snprintf(path, sizeof path, "%s/%s", o->data, in);
        rc = add(c, in, path, part->bytes, err);
        if (rc != 0 && is_gone(c, path))
            rc = TC_EAGAIN; /* it became cold meanwhile */
    }
    return rc;
}

struct listing {
    struct collecting *c;
    const char *name;
    struct err *err;
    int rc;
};

static void add_listed(void *context, const char *entry)
{
    struct listing *l = context;
    const struct backup_options *o = l->c->options;
    char in[BACKUP_PATH_MAX], path[2 * BACKUP_PATH_MAX];
    struct fs_stat st;
    snprintf(in, sizeof in, "%s/%s", l->name, entry);
    snprintf(path, sizeof path, "%s/%s", o->data, in);
    if (l->rc != 0 || !backup_name_is_ours(sv_of(in))) /* a file that was being written is none of ours */
        return;
    int rc = o->fs->stat(o->fs, path, &st);
    if (rc == 0)
        l->rc = add(l->c, in, path, st.size_bytes, l->err);
}

static int add_objects(struct collecting *c, const char *name, struct err *err)
{
    char path[BACKUP_PATH_MAX];
    struct listing l = {.c = c, .name = name, .err = err};
    snprintf(path, sizeof path, "%s/%s", c->options->data, name);
    c->options->fs->list(c->options->fs, path, add_listed, &l);
    return l.rc;
}

/* Without it, what is sent after a restore bears other pseudonyms than before: see docs/backup.md. */
static int add_key(struct collecting *c, const char *name, struct err *err)
{
    char path[BACKUP_PATH_MAX];
    struct fs_stat st;
    snprintf(path, sizeof path, "%s/%s", c->options->data, name);
    if (c->options->without_keys || c->options->fs->stat(c->options->fs, path, &st) != 0)
        return 0;
    c->has_keys = true;
    return add(c, name, path, st.size_bytes, err);
}

static int add_config(struct collecting *c, const char *name, struct err *err)
{
    struct fs_stat st;
    const char *path = c->options->config;
    if (path == NULL)
        return 0;
    int rc = c->options->fs->stat(c->options->fs, path, &st);
    if (rc != 0)
        return err_set(err, TC_EINPUT, "cannot read the configuration %s", path);
    return add(c, name, path, st.size_bytes, err);
}

/* Sealed values of persons leave the machine only when that is asked for. Copied after the journal, so that
 * every token in that has its value here. */
static int add_vault(struct collecting *c, const char *name, struct err *err)
{
    char path[BACKUP_PATH_MAX];
    struct fs_stat st;
    snprintf(path, sizeof path, "%s/%s", c->options->data, name);
    if (!c->options->with_vault || c->options->fs->stat(c->options->fs, path, &st) != 0)
        return 0;
    return add(c, name, path, st.size_bytes, err);
}

/* Which tokens were erased: always, so that nothing erased comes back. */
static int add_erased(struct collecting *c, const char *name, struct err *err)
{
    char path[BACKUP_PATH_MAX];
    struct fs_stat st;
    snprintf(path, sizeof path, "%s/%s", c->options->data, name);
    return c->options->fs->stat(c->options->fs, path, &st) == 0 ? add(c, name, path, st.size_bytes, err) : 0;
}

/*
 * What a data directory has that a backup keeps, in the order in which it is copied. A new kind of data is a
 * row here, with its rule: what may be copied while it is in use, and whether it holds keys (which
 * --without-keys leaves out).
 */
static const struct {
    const char *name;
    bool is_folder;
    int (*add)(struct collecting *c, const char *name, struct err *err);
} kinds[] = {
    {"journal", true, add_journal},           {"objects", true, add_objects},
    {"redact.key", false, add_key},           {"vault.key", false, add_key},
    {"vault/entries", false, add_vault},      {"vault/erased", false, add_erased},
    {"config/tocsin.yml", false, add_config},
};

bool backup_name_is_ours(struct sv name)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(kinds); i++) {
        struct sv kind = sv_of(kinds[i].name), rest = sv_from(name, kind.n);
        if (!sv_starts(name, kind) || (rest.n == 0) == kinds[i].is_folder)
            continue;
        if (rest.n == 0)
            return true;
        bool good = rest.n > 1 && rest.n < 128 && rest.p[0] == '/' && rest.p[1] != '.';
        bool hex = true; /* a folder's files have numbers or hashes for names */
        for (size_t at = 1; at < rest.n; at++)
            hex = hex && strchr("0123456789abcdef", rest.p[at]) != NULL && rest.p[at] != '\0';
        bool segment = kinds[i].add == add_journal &&
                       (sv_is(sv_from(rest, 21), ".seg") || sv_is(sv_from(rest, 21), ".cold"));
        for (size_t at = 1; segment && at < 21; at++)
            segment = rest.p[at] >= '0' && rest.p[at] <= '9';
        if (good && (kinds[i].add == add_journal ? segment : hex && rest.n == 65))
            return true;
    }
    return false;
}

/* --- manifest
 * ---------------------------------------------------------------------------------------------------------
 */

static void write_manifest(const struct backup_summary *s, const uint8_t sums[TC_SHA256_BYTES],
                           struct buf *out)
{
    struct json_out json = json_out_to(out);
    char hex[TC_SHA256_HEX], epoch[24];
    hash_hex(sums, TC_SHA256_BYTES, hex);
    snprintf(epoch, sizeof epoch, "%016llx", (unsigned long long)s->epoch);
    json_object(&json);
    json_kv_str(&json, "format", "tocsin-backup");
    json_kv_u64(&json, "version", BACKUP_VERSION);
    json_kv_str(&json, "made_by", s->made_by);
    json_kv_time(&json, "created", s->created_ns);
    json_kv_str(&json, "epoch", epoch);
    json_kv_u64(&json, "position", s->position);
    json_kv_str(&json, "head", s->head);
    json_kv_bool(&json, "keys", s->has_keys);
    json_kv_u64(&json, "files", s->files);
    json_kv_u64(&json, "bytes", s->bytes);
    json_kv_str(&json, "sums_sha256", hex);
    json_object_end(&json);
    buf_char(out, '\n');
}

static bool read_epoch(struct sv hex, uint64_t *ret)
{
    uint8_t bytes[8];
    *ret = 0;
    if (!hash_unhex(hex, bytes, sizeof bytes))
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        *ret = *ret << 8 | bytes[i];
    return true;
}

int backup_read_manifest(struct sv json, struct backup_summary *ret, uint8_t sums[TC_SHA256_BYTES],
                         struct err *err)
{
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    uint64_t version = 0;
    struct sv head, made_by;
    struct backup_summary s = {0};
    int rc = json_parse_event(sv_trim(json), &arena, &e, err) == 0 ? 0 : TC_ECORRUPT;
    if (rc == 0) {
        event_index(&e, &arena);
        if (!sv_is(event_value(&e, "format"), "tocsin-backup"))
            rc = TC_ECORRUPT;
        else if (!num_u64(event_value(&e, "version"), 1, UINT32_MAX, &version) || version > BACKUP_VERSION)
            rc = TC_EUNSUPPORTED;
    }
    head = rc == 0 ? event_value(&e, "head") : (struct sv){0};
    if (rc == 0 && (!num_u64(event_value(&e, "position"), 1, INT64_MAX, &s.position) ||
                    !num_u64(event_value(&e, "files"), 1, ITEMS_MAX, &s.files) ||
                    !num_u64(event_value(&e, "bytes"), 1, INT64_MAX, &s.bytes) ||
                    !read_epoch(event_value(&e, "epoch"), &s.epoch) || head.n != TC_SHA256_HEX - 1 ||
                    !hash_unhex(event_value(&e, "sums_sha256"), sums, TC_SHA256_BYTES) ||
                    !clk_parse_rfc3339(event_value(&e, "created"), 0, &s.created_ns)))
        rc = TC_ECORRUPT;
    if (rc == 0) {
        made_by = event_value(&e, "made_by");
        s.has_keys = sv_is(event_value(&e, "keys"), "true");
        memcpy(s.head, head.p, head.n);
        snprintf(s.made_by, sizeof s.made_by, "%.*s", SV_FMT(sv_head(made_by, sizeof s.made_by - 1)));
        *ret = s;
    }
    arena_free(&arena);
    if (rc == TC_EUNSUPPORTED)
        return err_set(err, rc,
                       BACKUP_MANIFEST " is of version %llu, this program reads up to %d: use a newer one",
                       (unsigned long long)version, BACKUP_VERSION);
    return rc == 0 ? 0 : err_set(err, rc, BACKUP_MANIFEST " is not that of a Tocsin backup, or is damaged");
}

bool backup_next_sum(struct sv *sums, struct sv *ret_name, uint8_t sha256[TC_SHA256_BYTES], bool *ret_bad)
{
    enum { HEX = TC_SHA256_HEX - 1 };
    if (sums->n == 0)
        return false;
    struct sv line = sv_cut(sums, '\n');
    *ret_bad = line.n < HEX + 3 || line.p[HEX] != ' ' || line.p[HEX + 1] != ' ' ||
               !hash_unhex(sv_head(line, HEX), sha256, TC_SHA256_BYTES);
    *ret_name = *ret_bad ? line : sv_from(line, HEX + 2);
    *ret_bad = *ret_bad || !backup_name_is_ours(*ret_name);
    return !*ret_bad;
}

/* --- the whole
 * -------------------------------------------------------------------------------------------------------- */

static int collect(struct collecting *c, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(kinds); i++)
        rc = kinds[i].add(c, kinds[i].name, err);
    return rc;
}

static int write_all(struct collecting *c, struct backup_summary *s, struct err *err)
{
    const struct backup_options *o = c->options;
    struct buf sums, manifest;
    uint8_t hash[TC_SHA256_BYTES];
    buf_init(&sums, BACKUP_SUMS_MAX);
    buf_init(&manifest, BACKUP_MANIFEST_MAX);
    *s = (struct backup_summary){.epoch = c->snapshot.epoch,
                                 .position = c->snapshot.position,
                                 .files = c->count,
                                 .created_ns = clk_now(o->clk).ns,
                                 .has_keys = c->has_keys,
                                 .made_by = "tocsin " TC_VERSION};
    hash_hex(c->snapshot.report.head, TC_SHA256_BYTES, s->head);
    for (size_t i = 0; i < c->count; i++) {
        char hex[TC_SHA256_HEX];
        hash_hex(c->items[i].sha256, TC_SHA256_BYTES, hex);
        buf_printf(&sums, "%s  %s\n", hex, c->items[i].name);
        s->bytes += c->items[i].bytes;
    }
    hash_sha256(buf_view(&sums), hash);
    write_manifest(s, hash, &manifest);
    struct backup_item *items = tc_alloc((c->count + 2) * sizeof items[0]);
    items[0] =
        (struct backup_item){.name = BACKUP_MANIFEST, .text = buf_view(&manifest), .bytes = manifest.n};
    items[1] = (struct backup_item){.name = BACKUP_SUMS, .text = buf_view(&sums), .bytes = sums.n};
    memcpy(items + 2, c->items, c->count * sizeof items[0]);
    struct sv to = sv_of(o->to);
    bool archive = sv_is(to, "-") || sv_ends(to, SV(".tar.zst"));
    int rc = sums.overflow || manifest.overflow ? err_set(err, TC_EBOUND, "too many files for one backup")
             : archive ? pack_archive(o->fs, o->to, items, c->count + 2, s->created_ns, err)
                       : pack_directory(o->fs, o->to, items, c->count + 2, err);
    for (size_t i = 0; rc != 0 && rc != TC_EAGAIN && i < c->count; i++)
        if (is_gone(c, c->items[i].path))
            rc = TC_EAGAIN;
    free(items);
    buf_free(&sums);
    buf_free(&manifest);
    return rc;
}

int backup_make(const struct backup_options *options, struct backup_summary *ret, struct err *err)
{
    struct fs_stat st;
    int rc = TC_EAGAIN;
    if (strcmp(options->to, "-") != 0 && options->fs->stat(options->fs, options->to, &st) == 0)
        return err_set(err, TC_EEXIST, "%s exists already: name a place for a new backup", options->to);
    for (int tries = 0; rc == TC_EAGAIN && tries < COPY_TRIES; tries++) {
        struct collecting c = {.options = options};
        rc = collect(&c, err);
        if (rc == 0)
            rc = write_all(&c, ret, err);
        if (strcmp(options->to, "-") == 0 && rc == TC_EAGAIN)
            rc = err_set(err, TC_EIO,
                         "the journal changed its end while it was copied: the archive that was "
                         "written is not whole, make it again");
        journal_snapshot_free(&c.snapshot);
        free(c.items);
        arena_free(&c.arena);
    }
    return rc;
}
