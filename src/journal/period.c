/*
 * Keys that evolve; see period.h.
 *
 * The order that makes it safe: FILE.next is whole and synced, only then FILE is overwritten with zeros and
 * synced, only then FILE.next is renamed to FILE and the directory is synced. A start takes FILE where it is
 * whole; else FILE.next is, and the rest is done again. Neither is ever written beside and renamed: that
 * would leave copies.
 */
#include "journal/period.h"

#include "base/num.h"
#include "journal/merkle.h"
#include "journal/segment.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SECRET_BYTES = 32,
    TREE_VERSION = 1,
    TREE_HEAD_BYTES = 16,
    FILE_MAX = 1024,
    PACKED_BYTES = 1 + TC_SHA256_BYTES + SECRET_BYTES,
};
#define TREE_MAGIC SV("TOCSINPT")

struct secret { /* all of a key file */
    struct note_series series;
    uint32_t number;
    struct receive_time since;
    uint8_t bytes[SECRET_BYTES];
};

struct period_key {
    const struct fs *fs;
    struct secret now, next;
    struct note_key key; /* of `now` */
    uint8_t path[NOTE_PERIOD_LEVELS_MAX][TC_SHA256_BYTES];
    bool prepared; /* FILE.next holds `next`, and FILE may be gone */
    char file[SEGMENT_PATH_MAX], next_file[SEGMENT_PATH_MAX], tree_file[SEGMENT_PATH_MAX],
        folder[SEGMENT_PATH_MAX];
};

/* --- the chain of secrets
 * ------------------------------------------------------------------------------------------ */

static void derive(const char *what, const uint8_t secret[SECRET_BYTES], uint8_t out[SECRET_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, strlen(what), (const uint8_t *)what);
    sha256_update(&context, SECRET_BYTES, secret);
    hash_sha256_final(&context, out);
    sodium_memzero(&context, sizeof context);
}

static void step(uint8_t secret[SECRET_BYTES])
{
    uint8_t next[SECRET_BYTES];
    derive("tocsin-period-next", secret, next);
    memcpy(secret, next, SECRET_BYTES);
    sodium_memzero(next, sizeof next);
}

static void make_key(const char *name, const uint8_t secret[SECRET_BYTES], struct note_key *ret)
{
    uint8_t seed[SECRET_BYTES];
    derive("tocsin-period-seed", secret, seed);
    note_key_from_seed(name, seed, ret);
    sodium_memzero(seed, sizeof seed);
}

/* --- the key file: PERIOD+KEY+name+id+number+since+base64(levels ‖ root ‖ secret)
 * ----------------------------------------------------------------------------------------------------------
 */

static void write_secret(const struct secret *s, struct buf *out)
{
    uint8_t packed[PACKED_BYTES];
    char text[2 * PACKED_BYTES], id[2 * sizeof s->series.id + 1];
    packed[0] = s->series.levels;
    memcpy(packed + 1, s->series.root, TC_SHA256_BYTES);
    memcpy(packed + 1 + TC_SHA256_BYTES, s->bytes, SECRET_BYTES);
    hash_hex(s->series.id, sizeof s->series.id, id);
    note_base64(packed, sizeof packed, text, sizeof text);
    buf_printf(out, "%.*s%s+%s+%u+%lld+%s\n", SV_FMT(NOTE_PERIOD_PREFIX), s->series.name, id, s->number,
               (long long)(s->since.ns / TC_SECOND_NS), text);
    sodium_memzero(packed, sizeof packed);
    sodium_memzero(text, sizeof text);
}

static bool read_secret(struct sv text, struct secret *ret)
{
    struct sv rest = text, line = sv_cut(&rest, '\n');
    uint8_t packed[PACKED_BYTES], wanted[sizeof ret->series.id];
    uint64_t number, since;
    if (rest.n != 0 || text.n == line.n || !sv_starts(line, NOTE_PERIOD_PREFIX))
        return false;
    line = sv_from(line, NOTE_PERIOD_PREFIX.n);
    struct sv name = sv_cut(&line, '+'), id = sv_cut(&line, '+'), n = sv_cut(&line, '+'),
              at = sv_cut(&line, '+');
    if (!note_is_name(name) || !hash_unhex(id, wanted, sizeof wanted) ||
        !num_u64(n, 0, ((uint64_t)1 << NOTE_PERIOD_LEVELS_MAX) - 1, &number) ||
        !num_u64(at, 0, INT64_MAX / TC_SECOND_NS, &since) || !note_unbase64(line, packed, sizeof packed))
        return false;
    *ret = (struct secret){.number = (uint32_t)number, .since = {(int64_t)since * TC_SECOND_NS}};
    memcpy(ret->series.name, name.p, name.n);
    ret->series.levels = packed[0];
    memcpy(ret->series.root, packed + 1, TC_SHA256_BYTES);
    memcpy(ret->bytes, packed + 1 + TC_SHA256_BYTES, SECRET_BYTES);
    sodium_memzero(packed, sizeof packed);
    note_series_identify(&ret->series);
    return memcmp(ret->series.id, wanted, sizeof wanted) == 0 && ret->series.levels > 0 &&
           ret->series.levels <= NOTE_PERIOD_LEVELS_MAX && number >> ret->series.levels == 0;
}

/* 0; TC_ENOTFOUND: there is none; TC_EINPUT: it is not whole. */
static int load(const struct fs *fs, const char *path, struct secret *ret, struct err *err)
{
    struct buf bytes;
    struct fs_stat st;
    int rc = fs->stat(fs, path, &st);
    if (rc == -ENOENT)
        return err_at(err, TC_ENOTFOUND, path, 0, 0, "there is no such file (`tocsin seal evolve` makes it)");
    if (rc < 0)
        return segment_sys(err, rc, "cannot read", path);
    buf_init(&bytes, FILE_MAX);
    buf_reserve(&bytes, FILE_MAX); /* so that it never moves and leaves a copy */
    rc = fs_read_file(fs, path, &bytes, err);
    if (rc == 0 && !read_secret(buf_view(&bytes), ret))
        rc = err_at(err, TC_EINPUT, path, 0, 0, "holds no key of a series (`tocsin seal evolve` makes one)");
    if (bytes.p != NULL)
        sodium_memzero(bytes.p, bytes.n);
    buf_free(&bytes);
    return rc;
}

/* Over the bytes that are there, not in new blocks: what a try before left is the same secret. */
static int store(const struct fs *fs, const char *path, const char *folder, const struct secret *secret,
                 struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, FILE_MAX);
    buf_reserve(&bytes, FILE_MAX);
    write_secret(secret, &bytes);
    int file = fs->open(fs, path, FS_WRITE | FS_CREATE);
    int rc = file < 0 ? file : fs_write_all(fs, file, bytes.p, bytes.n, 0);
    if (rc >= 0)
        rc = fs->truncate(fs, file, bytes.n);
    if (rc >= 0)
        rc = fs->sync(fs, file);
    if (file >= 0)
        fs->close(fs, file);
    if (rc >= 0)
        rc = fs->sync_dir(fs, folder);
    sodium_memzero(bytes.p, bytes.n);
    buf_free(&bytes);
    return rc < 0 ? segment_sys(err, rc, "cannot write", path) : 0;
}

/* Zeros over all of it; what a device keeps of the blocks that were there is not in our hands. */
static int erase(const struct fs *fs, const char *path, struct err *err)
{
    static const char zeros[FILE_MAX];
    uint64_t size = 0;
    int file = fs->open(fs, path, FS_READ | FS_WRITE);
    if (file == -ENOENT)
        return 0;
    int rc = file < 0 ? file : fs->size(fs, file, &size);
    if (rc >= 0)
        rc = fs_write_all(fs, file, zeros, (size_t)TC_MIN(size, (uint64_t)sizeof zeros), 0);
    if (rc >= 0)
        rc = fs->sync(fs, file);
    if (file >= 0)
        fs->close(fs, file);
    return rc < 0 ? segment_sys(err, rc, "cannot overwrite", path) : 0;
}

/* --- the tree of public keys
 * --------------------------------------------------------------------------------------- */

static uint64_t nodes_of(unsigned levels)
{
    return ((uint64_t)2 << levels) - 1;
}

/* Leaves first, then each level above; the root is the last. */
static void fill_tree(struct secret s, uint8_t (*nodes)[TC_SHA256_BYTES])
{
    uint64_t width = (uint64_t)1 << s.series.levels;
    struct note_key key;
    for (uint64_t i = 0; i < width; i++, step(s.bytes)) {
        make_key(s.series.name, s.bytes, &key);
        note_period_leaf(key.public_key, nodes[i]);
    }
    sodium_memzero(&key, sizeof key);
    sodium_memzero(&s, sizeof s);
    for (uint8_t(*below)[TC_SHA256_BYTES] = nodes; width > 1; below += width, width /= 2)
        for (uint64_t i = 0; i < width / 2; i++)
            merkle_join(below[2 * i], below[2 * i + 1], below[width + i]);
}

static int make_tree(const struct fs *fs, const char *path, struct secret *s, struct err *err)
{
    const uint64_t nodes = nodes_of(s->series.levels);
    struct buf out;
    buf_init(&out, TREE_HEAD_BYTES + nodes * TC_SHA256_BYTES);
    buf_sv(&out, TREE_MAGIC);
    buf_u32(&out, TREE_VERSION);
    buf_u32(&out, s->series.levels);
    uint8_t(*to)[TC_SHA256_BYTES] = (void *)buf_reserve(&out, nodes * TC_SHA256_BYTES);
    fill_tree(*s, to);
    out.n += nodes * TC_SHA256_BYTES;
    memcpy(s->series.root, to[nodes - 1], TC_SHA256_BYTES);
    note_series_identify(&s->series);
    int rc = fs_replace_file(fs, path, buf_view(&out), err);
    buf_free(&out);
    return rc;
}

/* All that a checkpoint says of a period that it opens, but for the path. */
static void describe(const struct secret *s, const struct note_key *key, struct note_period *ret)
{
    ret->is_set = ret->opens = true;
    ret->number = s->number;
    memcpy(ret->series, s->series.id, sizeof ret->series);
    memcpy(ret->key.name, key->name, sizeof ret->key.name);
    memcpy(ret->key.id, key->id, sizeof ret->key.id);
    memcpy(ret->key.public_key, key->public_key, sizeof ret->key.public_key);
    ret->levels = s->series.levels;
}

/* What a checkpoint says that opens the period of a secret: its key, and the siblings that lead from it to
 * the root. The key is the caller's to wipe. */
static int look_up(const struct period_key *p, const struct secret *s, struct note_key *ret_key,
                   struct note_period *ret, struct err *err)
{
    const struct fs *fs = p->fs;
    int file = fs->open(fs, p->tree_file, FS_READ);
    int64_t got = file < 0 ? file : 0;
    uint64_t at = 0, width = (uint64_t)1 << s->series.levels;
    *ret = (struct note_period){0};
    for (unsigned level = 0; got >= 0 && level < s->series.levels; at += width, width /= 2, level++) {
        uint64_t node = at + ((s->number >> level) ^ 1);
        got = fs->read_at(fs, file, ret->path[level], TC_SHA256_BYTES,
                          TREE_HEAD_BYTES + node * TC_SHA256_BYTES);
        if (got >= 0 && got < TC_SHA256_BYTES)
            memset(ret->path[level], 0, TC_SHA256_BYTES);
    }
    if (file >= 0)
        fs->close(fs, file);
    if (got < 0)
        return segment_sys(err, (int)got, "cannot read", p->tree_file);
    make_key(s->series.name, s->bytes, ret_key);
    describe(s, ret_key, ret);
    return note_series_holds(&s->series, ret)
               ? 0
               : err_at(err, TC_ECORRUPT, p->tree_file, 0, 0,
                        "does not lead from the key of period %u to its series: put the file back that was "
                        "made with the key (it is no secret)",
                        s->number);
}

/* Its key signs from now on; where it cannot be told to anybody, all stays as it is. */
static int take_up(struct period_key *p, const struct secret *s, struct err *err)
{
    struct note_key key = {0};
    struct note_period told;
    int rc = look_up(p, s, &key, &told, err);
    if (rc == 0) {
        if (s != &p->now)
            p->now = *s;
        p->key = key;
        memcpy(p->path, told.path, sizeof p->path);
    }
    sodium_memzero(&key, sizeof key);
    return rc;
}

/* --- life
 * ----------------------------------------------------------------------------------------------------------
 */

static bool name_files(struct period_key *p, const char *path)
{
    const char *slash = strrchr(path, '/');
    int folder = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    return (size_t)snprintf(p->file, sizeof p->file, "%s", path) < sizeof p->file &&
           (size_t)snprintf(p->next_file, sizeof p->next_file, "%s.next", path) < sizeof p->next_file &&
           (size_t)snprintf(p->tree_file, sizeof p->tree_file, "%s.tree", path) < sizeof p->tree_file &&
           (size_t)snprintf(p->folder, sizeof p->folder, "%.*s", folder, slash == NULL ? "." : path) <
               sizeof p->folder;
}

/* In memory that stays out of swap and core dumps, as far as the system lets us. */
static int new_key(const struct fs *fs, const char *path, struct period_key **ret, struct err *err)
{
    struct period_key *p = sodium_init() < 0 ? NULL : sodium_malloc(sizeof *p);
    if (p == NULL)
        return err_set(err, TC_EBOUND, "no protected memory for the key of %s", path);
    *p = (struct period_key){.fs = fs};
    *ret = p;
    return name_files(p, path) ? 0 : err_set(err, TC_EINPUT, "the path of the key of periods is too long");
}

int period_make(const struct fs *fs, const char *path, const char *name, unsigned levels,
                const struct rng *rng, struct receive_time now, struct note_series *ret, struct err *err)
{
    struct period_key *p = NULL;
    struct fs_stat st;
    if (!note_is_name(sv_of(name)) || levels == 0 || levels > NOTE_PERIOD_LEVELS_MAX)
        return err_set(err, TC_EINPUT,
                       "a series has a name of 1 to %d characters of ASCII without blanks and plus signs, "
                       "and 2 to 2^%d keys",
                       NOTE_NAME_MAX, NOTE_PERIOD_LEVELS_MAX);
    int rc = new_key(fs, path, &p, err);
    if (rc == 0 && (fs->stat(fs, p->file, &st) == 0 || fs->stat(fs, p->next_file, &st) == 0))
        rc = err_at(err, TC_EEXIST, path, 0, 0, "is there already: a new series needs a new file");
    if (rc == 0) {
        snprintf(p->now.series.name, sizeof p->now.series.name, "%s", name);
        p->now.series.levels = (uint8_t)levels;
        p->now.since = now;
        rng_fill(rng, p->now.bytes, sizeof p->now.bytes);
        rc = fs_make_dirs(fs, p->folder, err);
    }
    if (rc == 0)
        rc = make_tree(fs, p->tree_file, &p->now, err);
    if (rc == 0)
        rc = store(fs, p->file, p->folder, &p->now, err);
    if (rc == 0)
        *ret = p->now.series;
    period_close(&p);
    return rc;
}

/* Also where an earlier try came as far as the rename: FILE is the new key then, and is not to be
 * overwritten.
 */
static int put_in_place(struct period_key *p, struct err *err)
{
    struct fs_stat st;
    int rc = p->fs->stat(p->fs, p->next_file, &st);
    if (rc >= 0) {
        rc = erase(p->fs, p->file, err);
        if (rc != 0)
            return rc;
        rc = p->fs->rename(p->fs, p->next_file, p->file);
    }
    if (rc >= 0 || rc == -ENOENT)
        rc = p->fs->sync_dir(p->fs, p->folder);
    return rc < 0 ? segment_sys(err, rc, "cannot replace", p->file) : 0;
}

int period_open(const struct fs *fs, const char *path, struct period_key **ret, struct err *err)
{
    struct period_key *p = NULL;
    int rc = new_key(fs, path, &p, err);
    if (rc == 0) {
        rc = load(fs, p->file, &p->now, err);
        bool is_gone = rc == TC_EINPUT || rc == TC_ENOTFOUND; /* not: it could not be read this time */
        if (is_gone && load(fs, p->next_file, &p->now, NULL) == 0)
            rc = put_in_place(p, err);
    }
    if (rc == 0) /* a rename that a power cut takes back would bring the old name back, not the old key */
        rc = take_up(p, &p->now, err);
    if (rc != 0) {
        period_close(&p);
        return rc;
    }
    *ret = p;
    return 0;
}

void period_close(struct period_key **period)
{
    if (*period != NULL)
        sodium_free(*period); /* wipes it */
    *period = NULL;
}

const struct note_series *period_series(const struct period_key *p)
{
    return &p->now.series;
}

uint32_t period_number(const struct period_key *p)
{
    return p->now.number;
}

struct receive_time period_since(const struct period_key *p)
{
    return p->now.since;
}

uint32_t period_left(const struct period_key *p)
{
    return (UINT32_C(1) << p->now.series.levels) - 1 - p->now.number;
}

const struct note_key *period_signer(const struct period_key *p)
{
    return &p->key;
}

void period_describe(const struct period_key *p, bool opens, bool ends, struct note_period *ret)
{
    *ret = (struct note_period){.is_set = true, .ends = ends, .number = p->now.number};
    memcpy(ret->series, p->now.series.id, sizeof ret->series);
    if (!opens)
        return;
    describe(&p->now, &p->key, ret);
    memcpy(ret->path, p->path, ret->levels * sizeof ret->path[0]);
}

/* --- evolving
 * ------------------------------------------------------------------------------------------------------ */

int period_check_next(const struct period_key *p, struct err *err)
{
    struct secret next = p->now;
    struct note_key key = {0};
    struct note_period told;
    tc_assert(period_left(p) > 0);
    next.number++;
    step(next.bytes);
    int rc = look_up(p, &next, &key, &told, err);
    sodium_memzero(&next, sizeof next);
    sodium_memzero(&key, sizeof key);
    return rc;
}

int period_prepare(struct period_key *p, uint32_t number, struct receive_time now, struct err *err)
{
    if (p->prepared) /* FILE may be overwritten already: FILE.next must stay as it is */
        return 0;
    tc_assert(number > p->now.number && number - p->now.number <= period_left(p));
    p->next = p->now;
    p->next.since.ns = TC_MAX(now.ns, INT64_C(0));
    for (; p->next.number < number; p->next.number++)
        step(p->next.bytes);
    int rc = store(p->fs, p->next_file, p->folder, &p->next, err);
    p->prepared = rc == 0;
    return rc;
}

int period_advance(struct period_key *p, struct err *err)
{
    tc_assert(p->prepared);
    int rc = put_in_place(p, err);
    if (rc != 0)
        return rc;
    p->prepared = false;
    sodium_memzero(&p->key, sizeof p->key);
    rc = take_up(p, &p->next, err);
    sodium_memzero(&p->next, sizeof p->next);
    return rc;
}

int period_settle(struct period_key *p, const struct note_period *newest, struct receive_time now,
                  struct err *err)
{
    uint32_t last = (UINT32_C(1) << p->now.series.levels) - 1;
    if (!newest->is_set || memcmp(newest->series, p->now.series.id, sizeof newest->series) != 0)
        return 0;
    uint32_t wanted = TC_MIN(newest->number + (newest->ends ? 1 : 0), last);
    if (wanted <= p->now.number)
        return 0;
    int rc = period_prepare(p, wanted, now, err);
    return rc == 0 ? period_advance(p, err) : rc;
}
