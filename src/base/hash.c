/*
 * Thin names over xxHash and nettle; see hash.h.
 */
#include "base/hash.h"

#include "base/rng.h"

#include <xxhash.h>

uint64_t hash_64(struct sv bytes)
{
    return XXH3_64bits(bytes.n == 0 ? "" : bytes.p, bytes.n);
}

uint64_t hash_64_seed(struct sv bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.n == 0 ? "" : bytes.p, bytes.n, seed);
}

enum { SECRET_BYTES = 192 };
static uint8_t secret[SECRET_BYTES];
static bool has_secret;

void hash_table_key(const struct rng *rng)
{
    rng_fill(rng, secret, sizeof secret);
    has_secret = true;
}

uint64_t hash_table_64(struct sv bytes)
{
    return has_secret ? XXH3_64bits_withSecret(bytes.n == 0 ? "" : bytes.p, bytes.n, secret, sizeof secret)
                      : hash_64(bytes);
}

struct hash_128 hash_128(struct sv bytes)
{
    XXH128_hash_t h = XXH3_128bits(bytes.n == 0 ? "" : bytes.p, bytes.n);
    return (struct hash_128){h.low64, h.high64};
}

struct hash_128 hash_128_seed(struct sv bytes, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(bytes.n == 0 ? "" : bytes.p, bytes.n, seed);
    return (struct hash_128){h.low64, h.high64};
}

void hash_sha256_final(struct sha256_ctx *context, uint8_t out[TC_SHA256_BYTES])
{
    sha256_digest(context, TC_SHA256_BYTES, out);
}

void hash_sha256(struct sv bytes, uint8_t out[TC_SHA256_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, bytes.n, (const uint8_t *)bytes.p);
    hash_sha256_final(&context, out);
}

void hash_hex(const void *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hash_unhex(struct sv text, void *out, size_t n)
{
    if (text.n != 2 * n)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (hex_value(text.p[i]) < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)(hex_value(text.p[2 * i]) << 4 | hex_value(text.p[2 * i + 1]));
    return true;
}
