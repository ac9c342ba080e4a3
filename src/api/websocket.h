/*
 * The server's side of WebSocket (RFC 6455): the answer to a handshake, frames out, and reading what a client
 * sends, of which only its pings and its farewell matter here. Nothing of sockets; no memory beyond the
 * structs.
 */
#ifndef API_WEBSOCKET_H
#define API_WEBSOCKET_H

#include "base/buf.h"

enum websocket_opcode {
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum { WEBSOCKET_ACCEPT_BYTES = 29, WEBSOCKET_CONTROL_MAX = 125 };

/* What Sec-WebSocket-Accept says to this Sec-WebSocket-Key (section 4.2.2). False: the key is not 16 bytes in
 * base64. */
bool websocket_accept(struct sv key, char out[WEBSOCKET_ACCEPT_BYTES]);

/* Appends a whole frame. A control frame's payload is at most WEBSOCKET_CONTROL_MAX bytes. */
void websocket_frame(enum websocket_opcode opcode, struct sv payload, struct buf *out);

struct websocket_reader { /* zeroed: before the first byte */
    uint8_t head[14];
    unsigned head_bytes;
    uint64_t left; /* of the payload */
    uint8_t control[WEBSOCKET_CONTROL_MAX];
    unsigned control_bytes;
};

enum websocket_event {
    WEBSOCKET_MORE,   /* *in is used up */
    WEBSOCKET_PINGED, /* answer with a pong of reader->control */
    WEBSOCKET_CLOSED, /* the client says farewell */
    WEBSOCKET_BROKEN, /* not masked, too long a control frame, reserved bits: end it */
};
/* Takes from the front of *in up to the next event. Data frames are passed over, whatever their length. */
enum websocket_event websocket_read(struct websocket_reader *reader, struct sv *in);

#endif
