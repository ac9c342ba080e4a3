/*
 * The vault's file and its index; see vault.h.
 *
 * Entry, little-endian:
 *
 *    0  u32 magic "TVE1"                4  u32 length of the entry
 *    8  u64 checksum (XXH3) of what follows, seeded with the length
 *   16  u8 kind (0: erased)            17  7 bytes of zero
 *   24  8 bytes token                  32  16 bytes keyed hash of kind and value
 *   48  24 bytes nonce                 72  value sealed by XChaCha20-Poly1305 (16 bytes longer); what stands
 *                                          from 16 to 48 is authenticated with it
 *
 * Why a file of its own kind and not SQLite: it goes through the file seam, so that the order towards the
 * journal is tested by cutting the power at every call; an erased value is overwritten where it lies, not
 * left in a free page or a write-ahead log.
 *
 * Two locks: `index` is held for memory only; `file` over every call of the disk. `file` is taken first.
 */
#include "store/vault.h"

#include "base/hash.h"
#include "base/map.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PATH_BYTES = 4096,
    HEADER_BYTES = 64,
    ENTRY_HEAD = 72,
    LOOKUP_AT = 32,
    LOOKUP_BYTES = 16,
    NONCE_AT = 48,
    ENTRY_MAX = ENTRY_HEAD + TC_VAULT_VALUE_MAX + crypto_aead_xchacha20poly1305_ietf_ABYTES,
    PENDING_MAX = 64 << 20,
    ERASED_MAX = 64 << 20,
    READ_BYTES = 1 << 20,
    SUBKEY_LOOKUP = 1,
    SUBKEY_SEAL = 2,
    SUBKEY_CHECK = 3,
};
_Static_assert(READ_BYTES > 2 * ENTRY_MAX, "a window holds a whole entry");

static const char header_magic[8] = "TCVAULT1", kdf_context[crypto_kdf_CONTEXTBYTES + 1] = "tc-vault";
static const uint32_t entry_magic = 0x31455654; /* "TVE1" */

struct vault {
    const struct fs *fs;
    const struct rng *rng;
    size_t max_entries;
    char entries_path[PATH_BYTES], erased_path[PATH_BYTES];
    uint8_t master[crypto_kdf_KEYBYTES], seal_key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
    uint8_t lookup_key[crypto_generichash_KEYBYTES];

    pthread_mutex_t file_lock;
    int file;
    uint64_t end;   /* of what is in the file or on its way there */
    struct buf out; /* written, or to be written, at `end`; not synced */
    int failed;     /* a negative code: after a failed sync */

    pthread_mutex_t index_lock;
    struct map by_value, by_token; /* keyed hash -> token; token -> offset of its entry */
    struct buf pending;            /* entries that `out` has not taken */
    uint64_t next;                 /* offset of the next entry */
    uint64_t erased, damaged_bytes, refused;
};

const char *vault_kind_name(enum vault_kind kind)
{
    static const char *const names[] = {NULL, "email", "phone", "person"};
    return kind > 0 && kind < VAULT_KIND_COUNT ? names[kind] : NULL;
}

static int sys(struct err *err, int negative_errno, const char *what, const char *path)
{
    errno = -negative_errno;
    int rc = err_sys(err, "cannot %s %s", what, path);
    return negative_errno == -ENOSPC || negative_errno == -EDQUOT
               ? err_set(err, TC_EBOUND, "cannot %s %s: the disk is full", what, path)
               : rc;
}

/* --- keys ------------------------------------------------------------------------------------------------
 */

void vault_subkey(const struct vault *v, uint64_t number, uint8_t ret[TC_VAULT_SUBKEY_BYTES])
{
    crypto_kdf_derive_from_key(ret, TC_VAULT_SUBKEY_BYTES, number, kdf_context, v->master);
}

static int read_key(struct vault *v, const char *path, bool has_entries, struct err *err)
{
    struct fs_stat st;
    if (v->fs->stat(v->fs, path, &st) != 0) {
        if (has_entries)
            return err_set(err, TC_ESTATE,
                           "the vault's key %s is missing, but %s is there: restore the key, or remove the "
                           "directory of the latter to give its values up",
                           path, v->entries_path);
        rng_fill(v->rng, v->master, sizeof v->master);
        return fs_replace_file(v->fs, path, sv_make((const char *)v->master, sizeof v->master), err);
    }
    struct buf bytes;
    buf_init(&bytes, sizeof v->master);
    int rc = fs_read_file(v->fs, path, &bytes, err);
    if (rc != 0 || bytes.n != sizeof v->master)
        rc = err_set(err, TC_ECORRUPT, "the vault's key %s is not 32 bytes: restore it from a backup", path);
    else
        memcpy(v->master, bytes.p, sizeof v->master);
    if (bytes.p != NULL)
        sodium_memzero(bytes.p, bytes.capacity);
    buf_free(&bytes);
    return rc;
}

static void lookup_of(const struct vault *v, enum vault_kind kind, struct sv value, char ret[LOOKUP_BYTES])
{
    crypto_generichash_state state;
    uint8_t first = (uint8_t)kind;
    crypto_generichash_init(&state, v->lookup_key, sizeof v->lookup_key, LOOKUP_BYTES);
    crypto_generichash_update(&state, &first, 1);
    crypto_generichash_update(&state, (const uint8_t *)value.p, value.n);
    crypto_generichash_final(&state, (uint8_t *)ret, LOOKUP_BYTES);
}

/* --- entries ---------------------------------------------------------------------------------------------
 */

static uint64_t checksum(const char *entry, size_t n)
{
    return hash_64_seed(sv_make(entry + 16, n - 16), n);
}

static void put_entry(struct vault *v, enum vault_kind kind, struct sv value, const char token[8],
                      const char lookup[LOOKUP_BYTES], struct buf *out)
{
    size_t n = ENTRY_HEAD + value.n + crypto_aead_xchacha20poly1305_ietf_ABYTES;
    char *entry = buf_reserve(out, n);
    tc_assert(entry != NULL); /* the caller has looked at the bound */
    memset(entry, 0, ENTRY_HEAD);
    store_u32(entry, entry_magic);
    store_u32(entry + 4, (uint32_t)n);
    entry[16] = (char)kind;
    memcpy(entry + 24, token, TC_VAULT_TOKEN_BYTES);
    memcpy(entry + LOOKUP_AT, lookup, LOOKUP_BYTES);
    rng_fill(v->rng, entry + NONCE_AT, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt((uint8_t *)entry + ENTRY_HEAD, NULL, (const uint8_t *)value.p,
                                               value.n, (const uint8_t *)entry + 16, NONCE_AT - 16, NULL,
                                               (const uint8_t *)entry + NONCE_AT, v->seal_key);
    store_u64(entry + 8, checksum(entry, n));
    out->n += n;
}

/* The length of the whole entry at the start of `bytes`; 0 where there is none. */
static size_t entry_length(struct sv bytes)
{
    if (bytes.n < ENTRY_HEAD || load_u32(bytes.p) != entry_magic)
        return 0;
    size_t n = load_u32(bytes.p + 4);
    if (n < ENTRY_HEAD + crypto_aead_xchacha20poly1305_ietf_ABYTES || n > ENTRY_MAX || n > bytes.n)
        return 0;
    return load_u64(bytes.p + 8) == checksum(bytes.p, n) ? n : 0;
}

static bool learn(struct vault *v, const char *entry, uint64_t offset)
{
    uint64_t token;
    memcpy(&token, entry + 24, sizeof token);
    uint64_t *by_token = map_put(&v->by_token, sv_make(entry + 24, TC_VAULT_TOKEN_BYTES), NULL);
    uint64_t *by_value = map_put(&v->by_value, sv_make(entry + LOOKUP_AT, LOOKUP_BYTES), NULL);
    if (by_token == NULL || by_value == NULL)
        return false;
    *by_token = offset;
    *by_value = token;
    return true;
}

static void unlearn(struct vault *v, const char *entry)
{
    struct sv lookup = sv_make(entry + LOOKUP_AT, LOOKUP_BYTES);
    uint64_t token, *known = map_get(&v->by_value, lookup);
    memcpy(&token, entry + 24, sizeof token);
    if (known != NULL && *known == token)
        map_remove(&v->by_value, lookup);
    map_remove(&v->by_token, sv_make(entry + 24, TC_VAULT_TOKEN_BYTES));
}

/* --- opening ---------------------------------------------------------------------------------------------
 */

static int write_header(struct vault *v, struct err *err)
{
    char header[HEADER_BYTES] = {0};
    uint8_t check[TC_VAULT_SUBKEY_BYTES];
    memcpy(header, header_magic, sizeof header_magic);
    vault_subkey(v, SUBKEY_CHECK, check);
    memcpy(header + 32, check, sizeof check);
    return fs_replace_file(v->fs, v->entries_path, sv_make(header, sizeof header), err);
}

static int check_header(const struct vault *v, const char *header, struct err *err)
{
    uint8_t check[TC_VAULT_SUBKEY_BYTES];
    if (memcmp(header, header_magic, sizeof header_magic) != 0)
        return err_set(err, TC_ECORRUPT, "%s is no vault of this version: restore it from a backup",
                       v->entries_path);
    vault_subkey(v, SUBKEY_CHECK, check);
    if (sodium_memcmp(header + 32, check, sizeof check) != 0)
        return err_set(err, TC_ESTATE, "%s was sealed with another key than the one that is given",
                       v->entries_path);
    return 0;
}

static int read_erased(const struct fs *fs, const char *path, struct map *ret, struct err *err)
{
    struct fs_stat st;
    struct buf bytes;
    if (fs->stat(fs, path, &st) != 0)
        return 0;
    buf_init(&bytes, ERASED_MAX);
    int rc = fs_read_file(fs, path, &bytes, err);
    struct sv rest = buf_view(&bytes), line;
    char token[TC_VAULT_TOKEN_HEX];
    while (rc == 0 && rest.n > 0) {
        line = sv_head(rest, sv_find_char(rest, '\n'));
        rest = sv_from(rest, line.n + 1 > rest.n ? rest.n : line.n + 1);
        if (vault_parse_token(line, token))
            map_put(ret, sv_make(token, 16), NULL);
    }
    buf_free(&bytes);
    return rc;
}

/* Zeroes all of an entry but what is needed to step over it. */
static int wipe(struct vault *v, uint64_t offset, size_t n)
{
    char entry[ENTRY_MAX] = {0};
    store_u32(entry, entry_magic);
    store_u32(entry + 4, (uint32_t)n);
    store_u64(entry + 8, checksum(entry, n));
    int rc = fs_write_all(v->fs, v->file, entry, n, offset);
    return rc < 0 ? rc : v->fs->sync(v->fs, v->file);
}

/* One whole entry, found at `offset`. */
static int take_entry(struct vault *v, const struct map *erased, const char *entry, size_t n, uint64_t offset,
                      struct err *err)
{
    char hex[TC_VAULT_TOKEN_HEX];
    if (entry[16] == 0) {
        v->erased++;
        return 0;
    }
    hash_hex(entry + 24, TC_VAULT_TOKEN_BYTES, hex);
    if (map_get(erased, sv_make(hex, 16)) != NULL) {
        int rc = wipe(v, offset, n);
        v->erased++;
        return rc < 0 ? sys(err, rc, "erase in", v->entries_path) : 0;
    }
    return learn(v, entry, offset)
               ? 0
               : err_set(err, TC_EBOUND, "%s holds more than %zu values", v->entries_path, v->max_entries);
}

/* Where the next entry may begin in `bytes`, behind a place that is none. */
static size_t next_magic(struct sv bytes)
{
    for (size_t i = 1; i + sizeof entry_magic <= bytes.n; i++)
        if (load_u32(bytes.p + i) == entry_magic)
            return i;
    return bytes.n < sizeof entry_magic ? bytes.n : bytes.n - sizeof entry_magic + 1;
}

static int read_entries(struct vault *v, const struct map *erased, uint64_t size, struct err *err)
{
    char *window = tc_alloc(READ_BYTES);
    uint64_t at = HEADER_BYTES;
    int rc = 0;
    while (rc == 0 && at < size) {
        int64_t got = v->fs->read_at(v->fs, v->file, window, READ_BYTES, at);
        if (got <= 0) {
            rc = got < 0 ? sys(err, (int)got, "read", v->entries_path) : 0;
            break;
        }
        struct sv rest = sv_make(window, (size_t)got);
        bool last = at + rest.n >= size;
        while (rc == 0 && (rest.n >= ENTRY_MAX || (last && rest.n > 0))) {
            size_t n = entry_length(rest);
            if (n > 0) {
                rc = take_entry(v, erased, rest.p, n, at, err);
            } else {
                n = TC_MAX(next_magic(rest), (size_t)1);
                v->damaged_bytes += n;
            }
            rest = sv_from(rest, n);
            at += n;
        }
    }
    free(window);
    return rc;
}

static int open_entries(struct vault *v, struct err *err)
{
    char header[HEADER_BYTES];
    struct map erased;
    int rc = v->fs->open(v->fs, v->entries_path, FS_READ | FS_WRITE);
    if (rc < 0)
        return sys(err, rc, "open", v->entries_path);
    v->file = rc;
    rc = v->fs->size(v->fs, v->file, &v->end);
    if (rc < 0)
        return sys(err, rc, "read", v->entries_path);
    int64_t got = v->fs->read_at(v->fs, v->file, header, sizeof header, 0);
    if (got < 0)
        return sys(err, (int)got, "read", v->entries_path);
    memset(header + got, 0, sizeof header - (size_t)got);
    rc = check_header(v, header, err);
    map_init(&erased, ERASED_MAX / 17);
    if (rc == 0)
        rc = read_erased(v->fs, v->erased_path, &erased, err);
    if (rc == 0)
        rc = read_entries(v, &erased, v->end, err);
    map_free(&erased);
    v->next = v->end;
    return rc;
}

int vault_open(const struct vault_options *o, struct vault **ret, struct err *err)
{
    char dir[PATH_BYTES], key_path[PATH_BYTES];
    struct fs_stat st;
    if (sodium_init() < 0)
        return err_set(err, TC_EIO, "libsodium does not start");
    if (strlen(o->dir) + 32 > PATH_BYTES || (o->key_path != NULL && strlen(o->key_path) >= PATH_BYTES))
        return err_set(err, TC_EINPUT, "the path of the vault is too long");
    struct vault *v = tc_alloc(sizeof *v);
    v->fs = o->fs;
    v->rng = o->rng;
    v->file = -1;
    v->max_entries = o->max_entries > 0 ? o->max_entries : TC_VAULT_ENTRIES_MAX;
    map_init(&v->by_value, v->max_entries);
    map_init(&v->by_token, v->max_entries);
    buf_init(&v->pending, PENDING_MAX);
    buf_init(&v->out, PENDING_MAX);
    pthread_mutex_init(&v->file_lock, NULL);
    pthread_mutex_init(&v->index_lock, NULL);
    snprintf(dir, sizeof dir, "%s/vault", o->dir);
    snprintf(v->entries_path, sizeof v->entries_path, "%s/vault/entries", o->dir);
    snprintf(v->erased_path, sizeof v->erased_path, "%s/vault/erased", o->dir);
    snprintf(key_path, sizeof key_path, "%s/vault.key", o->dir);
    bool has_entries = v->fs->stat(v->fs, v->entries_path, &st) == 0;
    int rc = fs_make_dirs(v->fs, dir, err);
    if (rc == 0)
        rc = read_key(v, o->key_path != NULL ? o->key_path : key_path, has_entries, err);
    if (rc == 0) {
        vault_subkey(v, SUBKEY_SEAL, v->seal_key);
        vault_subkey(v, SUBKEY_LOOKUP, v->lookup_key);
        rc = has_entries ? 0 : write_header(v, err);
    }
    if (rc == 0)
        rc = open_entries(v, err);
    if (rc != 0)
        vault_close(&v);
    *ret = v;
    return rc;
}

void vault_close(struct vault **at)
{
    struct vault *v = *at;
    if (v == NULL)
        return;
    if (v->file >= 0)
        v->fs->close(v->fs, v->file);
    map_free(&v->by_value);
    map_free(&v->by_token);
    buf_free(&v->pending);
    buf_free(&v->out);
    pthread_mutex_destroy(&v->file_lock);
    pthread_mutex_destroy(&v->index_lock);
    sodium_memzero(v, sizeof *v);
    free(v);
    *at = NULL;
}

/* --- tokens ----------------------------------------------------------------------------------------------
 */

bool vault_parse_token(struct sv text, char ret[TC_VAULT_TOKEN_HEX])
{
    uint8_t bytes[TC_VAULT_TOKEN_BYTES];
    text = sv_trim(text);
    if (sv_starts(text, SV("<")) && sv_ends(text, SV(">"))) {
        size_t colon = sv_find_char(text, ':');
        text = colon == text.n ? (struct sv){0} : sv_from(sv_head(text, text.n - 1), colon + 1);
    }
    if (text.n != 16 || !hash_unhex(text, bytes, sizeof bytes))
        return false;
    hash_hex(bytes, sizeof bytes, ret);
    return true;
}

/* The index is locked. */
static int mint(struct vault *v, enum vault_kind kind, struct sv value, const char lookup[LOOKUP_BYTES],
                char token[TC_VAULT_TOKEN_BYTES], struct err *err)
{
    if (v->by_token.live >= v->max_entries) {
        v->refused++;
        return err_set(err, TC_EBOUND, "the vault holds %zu values already", v->max_entries);
    }
    if (v->pending.n + ENTRY_MAX > PENDING_MAX)
        return err_set(err, TC_EAGAIN, "too many new values wait for the disk");
    do
        rng_fill(v->rng, token, TC_VAULT_TOKEN_BYTES);
    while (map_get(&v->by_token, sv_make(token, TC_VAULT_TOKEN_BYTES)) != NULL);
    size_t from = v->pending.n;
    put_entry(v, kind, value, token, lookup, &v->pending);
    if (!learn(v, v->pending.p + from, v->next)) {
        unlearn(v, v->pending.p + from);
        v->pending.n = from;
        v->refused++;
        return err_set(err, TC_EBOUND, "the vault's index is full");
    }
    v->next += v->pending.n - from;
    return 0;
}

int vault_token(struct vault *v, enum vault_kind kind, struct sv value, char ret[TC_VAULT_TOKEN_HEX],
                struct err *err)
{
    char lookup[LOOKUP_BYTES], token[TC_VAULT_TOKEN_BYTES];
    int rc = 0;
    if (value.n == 0 || value.n > TC_VAULT_VALUE_MAX)
        return err_set(err, TC_EINPUT, "a value of the vault has 1 to %d bytes", TC_VAULT_VALUE_MAX);
    lookup_of(v, kind, value, lookup);
    pthread_mutex_lock(&v->index_lock);
    const uint64_t *known = map_get(&v->by_value, sv_make(lookup, sizeof lookup));
    if (known != NULL)
        memcpy(token, known, sizeof token);
    else
        rc = mint(v, kind, value, lookup, token, err);
    pthread_mutex_unlock(&v->index_lock);
    if (rc == 0)
        hash_hex(token, sizeof token, ret);
    return rc;
}

int vault_find(struct vault *v, enum vault_kind kind, struct sv value, char ret[TC_VAULT_TOKEN_HEX],
               struct err *err)
{
    char lookup[LOOKUP_BYTES];
    lookup_of(v, kind, value, lookup);
    pthread_mutex_lock(&v->index_lock);
    const uint64_t *known = map_get(&v->by_value, sv_make(lookup, sizeof lookup));
    if (known != NULL)
        hash_hex(known, TC_VAULT_TOKEN_BYTES, ret);
    pthread_mutex_unlock(&v->index_lock);
    return known != NULL ? 0 : err_set(err, TC_ENOTFOUND, "the vault has no such value");
}

/* The file is locked. What a full disk left in `out` is written first, at the same place. */
static int write_out(struct vault *v, struct err *err)
{
    int rc;
    if (v->failed != 0)
        return err_set(err, TC_EIO, "the vault has stopped after an earlier error");
    if (v->out.n == 0) {
        pthread_mutex_lock(&v->index_lock);
        struct buf taken = v->pending;
        v->pending = v->out;
        v->out = taken;
        pthread_mutex_unlock(&v->index_lock);
    }
    if (v->out.n == 0)
        return 0;
    rc = fs_write_all(v->fs, v->file, v->out.p, v->out.n, v->end);
    if (rc < 0)
        return sys(err, rc, "write", v->entries_path);
    rc = v->fs->sync(v->fs, v->file);
    if (rc < 0) {
        v->failed = TC_EIO;
        return sys(err, rc, "sync", v->entries_path);
    }
    v->end += v->out.n;
    buf_clear(&v->out);
    return 1; /* there may be more */
}

static int commit_locked(struct vault *v, struct err *err)
{
    int rc;
    do
        rc = write_out(v, err);
    while (rc > 0);
    return rc;
}

int vault_commit(struct vault *v, struct err *err)
{
    pthread_mutex_lock(&v->file_lock);
    int rc = commit_locked(v, err);
    pthread_mutex_unlock(&v->file_lock);
    return rc;
}

/* --- reveal and erase ------------------------------------------------------------------------------------
 */

/* Reads the entry of a token into `entry` (ENTRY_MAX bytes); the file is locked. */
static int read_entry(struct vault *v, const char token[TC_VAULT_TOKEN_HEX], char *entry, size_t *ret_n,
                      uint64_t *ret_offset, struct err *err)
{
    uint8_t bytes[TC_VAULT_TOKEN_BYTES];
    int rc = commit_locked(v, err);
    if (rc != 0)
        return rc;
    if (!hash_unhex(sv_of(token), bytes, sizeof bytes))
        return err_set(err, TC_EINPUT, "a token has 16 hexadecimal digits");
    pthread_mutex_lock(&v->index_lock);
    const uint64_t *offset = map_get(&v->by_token, sv_make((const char *)bytes, sizeof bytes));
    if (offset != NULL)
        *ret_offset = *offset;
    pthread_mutex_unlock(&v->index_lock);
    if (offset == NULL)
        return err_set(
            err, TC_ENOTFOUND,
            "the vault has nothing behind this token: it was erased, or is not of this installation");
    int64_t got = v->fs->read_at(v->fs, v->file, entry, ENTRY_MAX, *ret_offset);
    if (got < 0)
        return sys(err, (int)got, "read", v->entries_path);
    *ret_n = entry_length(sv_make(entry, (size_t)got));
    if (*ret_n == 0 || memcmp(entry + 24, bytes, sizeof bytes) != 0)
        return err_set(err, TC_ECORRUPT, "the entry of this token in %s is damaged", v->entries_path);
    return 0;
}

int vault_reveal(struct vault *v, const char token[TC_VAULT_TOKEN_HEX], enum vault_kind *ret_kind,
                 struct buf *out, struct err *err)
{
    char entry[ENTRY_MAX];
    uint8_t value[TC_VAULT_VALUE_MAX];
    size_t n = 0;
    uint64_t offset = 0;
    unsigned long long length = 0;
    pthread_mutex_lock(&v->file_lock);
    int rc = read_entry(v, token, entry, &n, &offset, err);
    pthread_mutex_unlock(&v->file_lock);
    if (rc != 0)
        return rc;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(value, &length, NULL, (const uint8_t *)entry + ENTRY_HEAD,
                                                   n - ENTRY_HEAD, (const uint8_t *)entry + 16, NONCE_AT - 16,
                                                   (const uint8_t *)entry + NONCE_AT, v->seal_key) != 0)
        return err_set(err, TC_ECORRUPT, "the entry of this token in %s does not open with this key",
                       v->entries_path);
    *ret_kind = (enum vault_kind)entry[16];
    buf_add(out, value, (size_t)length);
    sodium_memzero(value, sizeof value);
    return 0;
}

/* Appends to the list of erased tokens, durably. A line that was cut before is ended first. */
static int append_erased(const struct fs *fs, const char *path, struct sv lines, struct err *err)
{
    uint64_t size = 0;
    int file = fs->open(fs, path, FS_READ | FS_WRITE);
    if (file == -ENOENT) {
        return fs_replace_file(fs, path, lines, err);
    }
    if (file < 0)
        return sys(err, file, "open", path);
    int rc = fs->size(fs, file, &size);
    if (rc >= 0 && size > 0)
        rc = fs_write_all(fs, file, "\n", 1, size++);
    if (rc >= 0)
        rc = fs_write_all(fs, file, lines.p, lines.n, size);
    if (rc >= 0)
        rc = fs->sync(fs, file);
    fs->close(fs, file);
    return rc < 0 ? sys(err, rc, "write", path) : 0;
}

int vault_erase(struct vault *v, const char token[TC_VAULT_TOKEN_HEX], struct err *err)
{
    char entry[ENTRY_MAX], line[TC_VAULT_TOKEN_HEX + 1];
    size_t n = 0;
    uint64_t offset = 0;
    pthread_mutex_lock(&v->file_lock);
    int rc = read_entry(v, token, entry, &n, &offset, err);
    if (rc == 0) {
        snprintf(line, sizeof line, "%s\n", token);
        rc = append_erased(v->fs, v->erased_path, sv_of(line), err);
    }
    if (rc == 0) {
        pthread_mutex_lock(&v->index_lock);
        unlearn(v, entry);
        v->erased++;
        pthread_mutex_unlock(&v->index_lock);
        rc = wipe(v, offset, n);
        if (rc < 0)
            rc = sys(err, rc, "erase in", v->entries_path);
    }
    pthread_mutex_unlock(&v->file_lock);
    return rc;
}

int vault_merge_erased(const struct fs *fs, const char *dir, struct sv lines, struct err *err)
{
    char path[PATH_BYTES], vault_dir[PATH_BYTES], token[TC_VAULT_TOKEN_HEX];
    struct buf good;
    if (strlen(dir) + 32 > PATH_BYTES)
        return err_set(err, TC_EINPUT, "the path of the vault is too long");
    snprintf(vault_dir, sizeof vault_dir, "%s/vault", dir);
    snprintf(path, sizeof path, "%s/vault/erased", dir);
    buf_init(&good, ERASED_MAX);
    while (lines.n > 0) {
        struct sv line = sv_head(lines, sv_find_char(lines, '\n'));
        lines = sv_from(lines, TC_MIN(line.n + 1, lines.n));
        if (vault_parse_token(line, token))
            buf_printf(&good, "%s\n", token);
    }
    int rc = good.overflow ? err_set(err, TC_EBOUND, "the list of erased tokens is too long")
                           : fs_make_dirs(fs, vault_dir, err);
    if (rc == 0 && good.n > 0)
        rc = append_erased(fs, path, buf_view(&good), err);
    buf_free(&good);
    return rc;
}

void vault_stats(struct vault *v, struct vault_stats *ret)
{
    pthread_mutex_lock(&v->index_lock);
    *ret = (struct vault_stats){v->by_token.live, v->erased, v->damaged_bytes, v->refused};
    pthread_mutex_unlock(&v->index_lock);
}
