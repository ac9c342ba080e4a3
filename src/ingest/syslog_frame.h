/*
 * Framing of syslog over a byte stream (RFC 6587): where one message ends and the next begins.
 *
 * Decided anew for each message: a decimal count, a space and '<' begin an octet-counted message
 * (MSG-LEN SP SYSLOG-MSG); anything else is a message that ends at a newline. A count has no leading zero and
 * at most TC_SYSLOG_COUNT_DIGITS digits. That '<' must follow keeps a text line such as "2024 requests" from
 * being read as a count of 2024 bytes; a SYSLOG-MSG begins with its priority in both RFCs.
 *
 * Holds at most TC_EVENT_RAW_MAX bytes of an unfinished message. A longer one is delivered as its first
 * TC_EVENT_CUT_BYTES with full length and SHA-256, and its rest is read past, not kept. Not thread-safe.
 */
#ifndef INGEST_SYSLOG_FRAME_H
#define INGEST_SYSLOG_FRAME_H

#include "base/buf.h"
#include "event/split.h"

enum { TC_SYSLOG_COUNT_DIGITS = 8 };

enum syslog_framing { SYSLOG_UNDECIDED, SYSLOG_COUNTED, SYSLOG_LINE };

struct syslog_frame {
    enum syslog_framing framing; /* of the message that has begun */
    struct buf held;             /* its bytes so far, unless cut; while undecided, the digits */
    uint64_t want;               /* SYSLOG_COUNTED: bytes still to come */
    uint64_t full_bytes;         /* of the message so far */
    uint64_t messages;           /* delivered since the start */
    bool cut, delivered;         /* delivered: `held` was lent and is to be emptied first */
    struct sha256_ctx sha256;    /* only where cut */
};

void syslog_frame_init(struct syslog_frame *frame);
void syslog_frame_free(struct syslog_frame *frame); /* may be all zero */
/*
 * Takes bytes off *bytes until a message is whole: 1 with *ret (lent until the next call; it may point into
 * *bytes), 0 where more bytes are needed (*bytes is empty then). Empty messages are passed over.
 */
int syslog_frame_next(struct syslog_frame *frame, struct sv *bytes, struct split_record *ret);
/* The stream has ended: 1 with what had come of an unfinished message (*ret_broken: an octet-counted one, so
 * something is missing), 0 where nothing had. */
int syslog_frame_end(struct syslog_frame *frame, struct split_record *ret, bool *ret_broken);
/* True where a message has begun that is not whole. */
bool syslog_frame_unfinished(const struct syslog_frame *frame);
/* Gives the memory of a long message back, where none has begun. What was lent is gone. */
void syslog_frame_release(struct syslog_frame *frame);

#endif
