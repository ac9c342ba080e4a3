/*
 * Salts; see salts.h. The file: "TOCSINSA", a seed for each class, XXH3-64 of all before.
 */
#include "journal/salts.h"

#include <stdio.h>

#define MAGIC SV("TOCSINSA")
enum { FILE_BYTES = 8 + CLASS_COUNT * SALTS_SEED_BYTES + 8 };

void salts_derive(const uint8_t seed[SALTS_SEED_BYTES], uint64_t sequence, uint8_t out[TC_RECORD_SALT_BYTES])
{
    char bytes[SALTS_SEED_BYTES + 8];
    uint8_t hash[TC_SHA256_BYTES];
    memcpy(bytes, seed, SALTS_SEED_BYTES);
    store_u64(bytes + SALTS_SEED_BYTES, sequence);
    hash_sha256(sv_make(bytes, sizeof bytes), hash);
    memcpy(out, hash, TC_RECORD_SALT_BYTES);
}

bool salts_path(const char *dir, uint64_t first, char *out, size_t size)
{
    int n = snprintf(out, size, "%s/journal/%020llu.salts", dir, (unsigned long long)first);
    return n > 0 && (size_t)n < size;
}

void salts_make(const struct fs *fs, const struct rng *rng, const char *dir, uint64_t first,
                struct salts *ret)
{
    char path[4096], bytes[FILE_BYTES];
    *ret = (struct salts){0};
    if (!salts_path(dir, first, path, sizeof path))
        return;
    rng_fill(rng, ret->seeds, sizeof ret->seeds);
    memcpy(bytes, MAGIC.p, MAGIC.n);
    memcpy(bytes + MAGIC.n, ret->seeds, sizeof ret->seeds);
    store_u64(bytes + FILE_BYTES - 8, hash_64(sv_make(bytes, FILE_BYTES - 8)));
    int file = fs->open(fs, path, FS_WRITE | FS_CREATE | FS_TRUNCATE);
    int rc = file < 0 ? file : fs_write_all(fs, file, bytes, sizeof bytes, 0);
    if (rc == 0)
        rc = fs->sync(fs, file);
    if (file >= 0)
        fs->close(fs, file);
    ret->known = rc == 0;
}

void salts_read(const struct fs *fs, const char *dir, uint64_t first, struct salts *ret)
{
    char path[4096];
    struct buf bytes;
    *ret = (struct salts){0};
    buf_init(&bytes, 2 * FILE_BYTES);
    ret->known = salts_path(dir, first, path, sizeof path) && fs_read_file(fs, path, &bytes, NULL) == 0 &&
                 bytes.n == FILE_BYTES && sv_starts(buf_view(&bytes), MAGIC) &&
                 load_u64(bytes.p + FILE_BYTES - 8) == hash_64(sv_make(bytes.p, FILE_BYTES - 8));
    if (ret->known)
        memcpy(ret->seeds, bytes.p + MAGIC.n, sizeof ret->seeds);
    buf_free(&bytes);
}
