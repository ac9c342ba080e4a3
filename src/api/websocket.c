/*
 * WebSocket frames; see websocket.h. Section 5.2 has the bits.
 */
#include "api/websocket.h"

#include <nettle/sha1.h>
#include <sodium.h>
#include <string.h>

#define HANDSHAKE_WORDS SV("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")

bool websocket_accept(struct sv key, char out[WEBSOCKET_ACCEPT_BYTES])
{
    struct sha1_ctx context;
    uint8_t nonce[16], hash[SHA1_DIGEST_SIZE];
    size_t n;
    const int base64 = sodium_base64_VARIANT_ORIGINAL;
    if (sodium_base642bin(nonce, sizeof nonce, key.p, key.n, NULL, &n, NULL, base64) != 0 ||
        n != sizeof nonce)
        return false;
    sha1_init(&context);
    sha1_update(&context, key.n, (const uint8_t *)key.p);
    sha1_update(&context, HANDSHAKE_WORDS.n, (const uint8_t *)HANDSHAKE_WORDS.p);
    sha1_digest(&context, sizeof hash, hash);
    sodium_bin2base64(out, WEBSOCKET_ACCEPT_BYTES, hash, sizeof hash, base64);
    return true;
}

void websocket_frame(enum websocket_opcode opcode, struct sv payload, struct buf *out)
{
    const bool is_short = payload.n <= WEBSOCKET_CONTROL_MAX;
    const unsigned length_bytes = is_short ? 0 : payload.n <= UINT16_MAX ? 2 : 8;
    tc_assert(opcode < WEBSOCKET_CLOSE || is_short);
    buf_char(out, (char)(0x80 | opcode)); /* it is the last of its message */
    buf_char(out, (char)(is_short ? payload.n : length_bytes == 2 ? 126 : 127));
    for (unsigned i = length_bytes; i-- > 0;)
        buf_char(out, (char)((uint64_t)payload.n >> 8 * i));
    buf_sv(out, payload);
}

static unsigned length_bytes(const struct websocket_reader *r)
{
    unsigned length = r->head[1] & 0x7f;
    return length == 126 ? 2 : length == 127 ? 8 : 0;
}

static bool is_control(const struct websocket_reader *r)
{
    return (r->head[0] & 0x08) != 0;
}

/* The head is whole. */
static bool begin_payload(struct websocket_reader *r)
{
    r->left = r->head[1] & 0x7f;
    if (length_bytes(r) > 0)
        r->left = 0;
    for (unsigned i = 0; i < length_bytes(r); i++)
        r->left = r->left << 8 | r->head[2 + i];
    r->control_bytes = 0;
    /* no extension was agreed on; a control frame is whole and short */
    return (r->head[0] & 0x70) == 0 && r->left >> 63 == 0 &&
           (!is_control(r) || ((r->head[0] & 0x80) != 0 && r->left <= WEBSOCKET_CONTROL_MAX));
}

static void take_payload(struct websocket_reader *r, struct sv *in)
{
    struct sv part = sv_head(*in, (size_t)TC_MIN(r->left, (uint64_t)in->n));
    const uint8_t *mask = r->head + r->head_bytes - 4;
    for (size_t i = 0; is_control(r) && i < part.n; i++, r->control_bytes++)
        r->control[r->control_bytes] = (uint8_t)part.p[i] ^ mask[r->control_bytes % 4];
    r->left -= part.n;
    *in = sv_from(*in, part.n);
}

/* One more byte of the head; `whole` once it is the last. A client must mask, so that is seen at the second.
 */
static bool take_head(struct websocket_reader *r, uint8_t byte, bool *whole)
{
    r->head[r->head_bytes++] = byte;
    *whole = r->head_bytes >= 2 && r->head_bytes == 2 + length_bytes(r) + 4;
    if (r->head_bytes == 2 && (byte & 0x80) == 0)
        return false;
    return !*whole || begin_payload(r);
}

enum websocket_event websocket_read(struct websocket_reader *r, struct sv *in)
{
    bool whole = r->head_bytes >= 2 && r->head_bytes == 2 + length_bytes(r) + 4;
    for (;;) {
        for (; !whole; *in = sv_from(*in, 1))
            if (in->n == 0)
                return WEBSOCKET_MORE;
            else if (!take_head(r, (uint8_t)in->p[0], &whole))
                return WEBSOCKET_BROKEN;
        take_payload(r, in);
        if (r->left > 0)
            return WEBSOCKET_MORE;
        r->head_bytes = 0;
        whole = false;
        if ((r->head[0] & 0x0f) == WEBSOCKET_CLOSE)
            return WEBSOCKET_CLOSED;
        if ((r->head[0] & 0x0f) == WEBSOCKET_PING)
            return WEBSOCKET_PINGED;
    }
}
