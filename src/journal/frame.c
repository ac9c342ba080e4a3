/*
 * Frame bytes; see frame.h.
 *
 * The header has a checksum of its own beside the payload's, which it covers. So a search through torn bytes
 * judges each candidate by 128 bytes: a payload full of magic numbers cannot make a restart slow.
 */
#include "journal/frame.h"

enum {
    AT_MAGIC = 0,
    AT_HEADER_BYTES = 4,
    AT_VERSION = 6,
    AT_KIND = 7,
    AT_PAYLOAD_BYTES = 8,
    AT_COUNT = 12,
    AT_FIRST = 16,
    AT_COMMIT = 24,
    AT_DURABLE_BEFORE = 32,
    AT_RECEIVED = 40,
    AT_CONSUMED = 48,
    AT_FLAGS = 56,
    AT_ZERO = 60,
    AT_KEY = 64,
    AT_HEAD = 80,
    AT_PAYLOAD_CHECKSUM = 112,
    AT_HEADER_CHECKSUM = 120,
};
_Static_assert((int)AT_HEAD == (int)FRAME_CHAINED_BYTES, "the chain covers all that stands before its head");
_Static_assert((int)AT_HEADER_CHECKSUM + 8 == (int)FRAME_HEADER_BYTES, "the checksum ends the header");

static const char magic[4] = {'T', 'c', 'F', 0x1e};
enum { FLAG_KEY = 1, FLAGS_KNOWN = FLAG_KEY };

size_t frame_bytes(size_t payload_bytes)
{
    size_t n = FRAME_HEADER_BYTES + payload_bytes;
    return (n + FRAME_ALIGN - 1) & ~(size_t)(FRAME_ALIGN - 1);
}

void frame_encode(const struct frame *f, char *to)
{
    memset(to, 0, FRAME_HEADER_BYTES);
    memcpy(to + AT_MAGIC, magic, sizeof magic);
    store_u16(to + AT_HEADER_BYTES, FRAME_HEADER_BYTES);
    to[AT_VERSION] = FRAME_VERSION;
    to[AT_KIND] = (char)f->kind;
    store_u32(to + AT_PAYLOAD_BYTES, f->payload_bytes);
    store_u32(to + AT_COUNT, f->count);
    store_u64(to + AT_FIRST, f->first);
    store_u64(to + AT_COMMIT, f->commit);
    store_u64(to + AT_DURABLE_BEFORE, f->durable_before);
    store_u64(to + AT_RECEIVED, (uint64_t)f->received.ns);
    store_u64(to + AT_CONSUMED, f->consumed);
    store_u32(to + AT_FLAGS, f->has_key ? FLAG_KEY : 0);
    if (f->has_key)
        memcpy(to + AT_KEY, f->key, sizeof f->key);
}

void frame_seal(char *to, size_t bytes, const uint8_t head[TC_SHA256_BYTES], uint64_t seed, uint64_t offset)
{
    memcpy(to + AT_HEAD, head, TC_SHA256_BYTES);
    struct sv payload = sv_make(to + FRAME_HEADER_BYTES, bytes - FRAME_HEADER_BYTES);
    store_u64(to + AT_PAYLOAD_CHECKSUM, hash_64_seed(payload, seed + offset));
    store_u64(to + AT_HEADER_CHECKSUM, hash_64_seed(sv_make(to, AT_HEADER_CHECKSUM), seed + offset));
}

static const char *check_fields(const char *p, const struct frame *f, uint64_t offset)
{
    static const char zeros[16];
    if (load_u16(p + AT_HEADER_BYTES) != FRAME_HEADER_BYTES || p[AT_VERSION] != FRAME_VERSION)
        return "a frame of another format version";
    if (f->kind < BATCH_INPUT || f->kind > FRAME_MARK || (load_u32(p + AT_FLAGS) & ~(uint32_t)FLAGS_KNOWN) ||
        load_u32(p + AT_ZERO) != 0 || (!f->has_key && memcmp(p + AT_KEY, zeros, sizeof zeros) != 0))
        return "a frame header with values that this format does not have";
    if (f->bytes > FRAME_MAX_BYTES || (f->kind == FRAME_MARK) != (f->count == 0) ||
        f->payload_bytes / (TC_RECORD_HEADER_BYTES + TC_RECORD_SALT_BYTES) < f->count ||
        (f->count == 0 && f->payload_bytes != 0))
        return "a frame header whose length and count cannot be";
    if (f->first == 0 || f->first > UINT64_MAX - f->count || f->durable_before > offset)
        return "a frame header whose position or commit cannot be";
    return NULL;
}

const char *frame_decode(const char *p, uint64_t seed, uint64_t offset, struct frame *ret)
{
    if (memcmp(p + AT_MAGIC, magic, sizeof magic) != 0)
        return "no frame begins here";
    if (load_u64(p + AT_HEADER_CHECKSUM) != hash_64_seed(sv_make(p, AT_HEADER_CHECKSUM), seed + offset))
        return "the checksum of the frame header does not match";
    struct frame f = {.kind = (uint8_t)p[AT_KIND],
                      .has_key = load_u32(p + AT_FLAGS) & FLAG_KEY,
                      .payload_bytes = load_u32(p + AT_PAYLOAD_BYTES),
                      .count = load_u32(p + AT_COUNT),
                      .first = load_u64(p + AT_FIRST),
                      .commit = load_u64(p + AT_COMMIT),
                      .durable_before = load_u64(p + AT_DURABLE_BEFORE),
                      .received = {(int64_t)load_u64(p + AT_RECEIVED)},
                      .consumed = load_u64(p + AT_CONSUMED),
                      .payload_checksum = load_u64(p + AT_PAYLOAD_CHECKSUM)};
    memcpy(f.key, p + AT_KEY, sizeof f.key);
    memcpy(f.head, p + AT_HEAD, sizeof f.head);
    f.bytes = frame_bytes(f.payload_bytes);
    const char *why = check_fields(p, &f, offset);
    if (why == NULL)
        *ret = f;
    return why;
}

const char *frame_check_payload(const struct frame *f, struct sv bytes, uint64_t seed, uint64_t offset)
{
    if (hash_64_seed(bytes, seed + offset) != f->payload_checksum)
        return "the checksum of the frame's records does not match";
    for (size_t i = f->payload_bytes; i < bytes.n; i++)
        if (bytes.p[i] != 0)
            return "the frame's padding is not zero";
    struct sv rest = sv_head(bytes, f->payload_bytes);
    for (uint32_t i = 0; i < f->count; i++) {
        size_t n = record_length(rest);
        if (n == 0)
            return "the frame holds fewer records than its header says";
        rest = sv_from(rest, n);
    }
    return rest.n == 0 ? NULL : "the frame holds more bytes than its records have";
}

void chain_first_head(uint64_t epoch, uint8_t out[TC_SHA256_BYTES])
{
    char bytes[8 + 16];
    store_u64(bytes, epoch);
    memcpy(bytes + 8, "tocsin-journal-1", 16);
    hash_sha256(sv_make(bytes, sizeof bytes), out);
}

void chain_begin(struct chain *chain, const uint8_t head[TC_SHA256_BYTES], const char *frame_header)
{
    sha256_init(&chain->context);
    sha256_update(&chain->context, 1, (const uint8_t *)"\1");
    sha256_update(&chain->context, TC_SHA256_BYTES, head);
    sha256_update(&chain->context, FRAME_CHAINED_BYTES, (const uint8_t *)frame_header);
}

void chain_leaves(struct chain *chain, struct sv blocks, uint32_t count)
{
    uint8_t leaves[2][TC_SHA256_BYTES];
    for (; count >= 2; count -= 2) {
        size_t first = record_length(blocks), second = record_length(sv_from(blocks, first));
        const struct sv two[2] = {sv_head(blocks, first), sv_head(sv_from(blocks, first), second)};
        record_leaf_hash_two(two, leaves);
        chain_leaf_hash(chain, leaves[0]);
        chain_leaf_hash(chain, leaves[1]);
        blocks = sv_from(blocks, first + second);
    }
    if (count > 0) {
        record_leaf_hash(sv_head(blocks, record_length(blocks)), leaves[0]);
        chain_leaf_hash(chain, leaves[0]);
    }
}

void chain_leaf_hash(struct chain *chain, const uint8_t leaf[TC_SHA256_BYTES])
{
    sha256_update(&chain->context, TC_SHA256_BYTES, leaf);
}

void chain_end(struct chain *chain, uint8_t out[TC_SHA256_BYTES])
{
    hash_sha256_final(&chain->context, out);
}
