/*
 * Two lanes of SHA-256 (FIPS 180-4) side by side; see sha256_two.h.
 *
 * A lane gives its text block by block, where it lies if a block lies in one part. As long as both have
 * blocks they go through the rounds together; what one has more goes alone.
 */
#include "base/sha256_two.h"

void hash_sha256_two_plain(const struct sha256_text texts[2], uint8_t out[2][TC_SHA256_BYTES])
{
    for (size_t i = 0; i < 2; i++) {
        struct sha256_ctx context;
        sha256_init(&context);
        for (size_t k = 0; k < TC_SHA256_PARTS_MAX; k++)
            if (texts[i].parts[k].n > 0)
                sha256_update(&context, texts[i].parts[k].n, (const uint8_t *)texts[i].parts[k].p);
        hash_sha256_final(&context, out[i]);
    }
}

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

enum { BLOCK = 64, LENGTH_BYTES = 8 };
#define SHA __attribute__((target("sha,sse4.1")))

static const uint32_t round_constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

struct lane {
    const struct sha256_text *text;
    size_t part, at;       /* where the next byte is */
    size_t length, blocks; /* of all; still to come */
    bool ended;            /* the one bit behind the text has been given */
    __m128i abef, cdgh;
    uint8_t room[BLOCK];
};

static void lane_begin(struct lane *lane, const struct sha256_text *text)
{
    *lane = (struct lane){.text = text};
    for (size_t i = 0; i < TC_SHA256_PARTS_MAX; i++)
        lane->length += text->parts[i].n;
    lane->blocks = (lane->length + 1 + LENGTH_BYTES + BLOCK - 1) / BLOCK;
    lane->abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c);
    lane->cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
}

/* The next block that is not in one part, or holds the end. */
static const uint8_t *gather(struct lane *lane)
{
    size_t n = 0;
    while (n < BLOCK && lane->part < TC_SHA256_PARTS_MAX) {
        struct sv rest = sv_from(lane->text->parts[lane->part], lane->at);
        size_t take = TC_MIN(rest.n, BLOCK - n);
        if (take > 0)
            memcpy(lane->room + n, rest.p, take);
        n += take;
        lane->at += take;
        if (take == rest.n) {
            lane->part++;
            lane->at = 0;
        }
    }
    for (size_t i = n; i < BLOCK; i++)
        lane->room[i] = i > n || lane->ended ? 0 : 0x80;
    lane->ended = lane->ended || n < BLOCK;
    for (size_t i = 0; lane->blocks == 1 && i < LENGTH_BYTES; i++)
        lane->room[BLOCK - 1 - i] = (uint8_t)((uint64_t)lane->length * 8 >> (8 * i));
    return lane->room;
}

static const uint8_t *next_block(struct lane *lane)
{
    const uint8_t *block;
    if (lane->part < TC_SHA256_PARTS_MAX && lane->text->parts[lane->part].n - lane->at >= BLOCK) {
        block = (const uint8_t *)lane->text->parts[lane->part].p + lane->at;
        lane->at += BLOCK;
    } else {
        block = gather(lane);
    }
    lane->blocks--;
    return block;
}

/* One block of each of `count` lanes, in step. */
SHA static inline __attribute__((always_inline)) void compress(struct lane *lanes[], size_t count)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i words[2][4], abef[2], cdgh[2];
    for (size_t k = 0; k < count; k++) {
        const uint8_t *block = next_block(lanes[k]);
        for (size_t i = 0; i < 4; i++)
            words[k][i] =
                _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i)), swap);
        abef[k] = lanes[k]->abef;
        cdgh[k] = lanes[k]->cdgh;
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        const __m128i constants = _mm_load_si128((const __m128i *)(const void *)(round_constants + 4 * i));
#pragma GCC unroll 2
        for (size_t k = 0; k < count; k++) {
            __m128i *w = words[k];
            if (i >= 4) {
                __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]),
                                            _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
                w[i % 4] = _mm_sha256msg2_epu32(sum, w[(i + 3) % 4]);
            }
            __m128i added = _mm_add_epi32(w[i % 4], constants);
            cdgh[k] = _mm_sha256rnds2_epu32(cdgh[k], abef[k], added);
            abef[k] = _mm_sha256rnds2_epu32(abef[k], cdgh[k], _mm_shuffle_epi32(added, 0x0e));
        }
    }
    for (size_t k = 0; k < count; k++) {
        lanes[k]->abef = _mm_add_epi32(lanes[k]->abef, abef[k]);
        lanes[k]->cdgh = _mm_add_epi32(lanes[k]->cdgh, cdgh[k]);
    }
}

SHA static void put_digest(const struct lane *lane, uint8_t out[TC_SHA256_BYTES])
{
    const __m128i swap = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    __m128i abcd = _mm_unpackhi_epi64(lane->cdgh, lane->abef),
            efgh = _mm_unpacklo_epi64(lane->cdgh, lane->abef);
    _mm_storeu_si128((__m128i *)(void *)out, _mm_shuffle_epi8(abcd, swap));
    _mm_storeu_si128((__m128i *)(void *)(out + 16), _mm_shuffle_epi8(efgh, swap));
}

SHA static void two_lanes(const struct sha256_text texts[2], uint8_t out[2][TC_SHA256_BYTES])
{
    struct lane room[2], *lanes[2] = {&room[0], &room[1]};
    lane_begin(lanes[0], &texts[0]);
    lane_begin(lanes[1], &texts[1]);
    while (room[0].blocks > 0 && room[1].blocks > 0)
        compress(lanes, 2);
    for (size_t k = 0; k < 2; k++) {
        while (room[k].blocks > 0)
            compress(&lanes[k], 1);
        put_digest(&room[k], out[k]);
    }
}

static bool has_instructions(void)
{
    static int known; /* 0: not asked yet; the answer is the same for all threads */
    int is = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (is == 0) {
        unsigned a, b, c, d, extended = 0, basic = 0;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
            extended = b;
        if (__get_cpuid(1, &a, &b, &c, &d))
            basic = c;
        is = (extended >> 29 & 1) != 0 && (basic & bit_SSE4_1) != 0 ? 1 : -1;
        __atomic_store_n(&known, is, __ATOMIC_RELAXED);
    }
    return is > 0;
}

void hash_sha256_two(const struct sha256_text texts[2], uint8_t out[2][TC_SHA256_BYTES])
{
    if (has_instructions())
        two_lanes(texts, out);
    else
        hash_sha256_two_plain(texts, out);
}
#else
void hash_sha256_two(const struct sha256_text texts[2], uint8_t out[2][TC_SHA256_BYTES])
{
    hash_sha256_two_plain(texts, out);
}
#endif
