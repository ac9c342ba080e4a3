/*
 * Splitting a stream of bytes into records, in bounded memory.
 *
 * JSON inputs: NDJSON, concatenated or pretty-printed values, a top-level array (one record per member), an
 * object whose only array member "Records" holds objects (CloudTrail files; one record per member). Lines:
 * text up to \n (\r\n). A record longer than TC_EVENT_RAW_MAX is delivered as its first TC_EVENT_CUT_BYTES
 * with its full length and SHA-256; it is then text, not JSON. Broken JSON in a stream of lines costs the
 * line it is on, never the rest.
 */
#ifndef EVENT_SPLIT_H
#define EVENT_SPLIT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "event/event.h"

struct split_record {
    struct sv raw;  /* lent until the next call */
    uint64_t line;  /* 1-based, in the unpacked text, where the record starts */
    uint64_t index; /* 0-based in its array or Records[]; 0 for lines */
    bool in_array;
    bool cut; /* raw is the first TC_EVENT_CUT_BYTES of full_bytes */
    uint64_t full_bytes;
    uint8_t sha256[TC_SHA256_BYTES]; /* of the full record, only where cut */
};

enum split_mode { SPLIT_LINES, SPLIT_JSON };

/* Reads up to n bytes; 0 = end; negative enum err_code with *err. */
typedef int64_t (*split_read_fn)(void *context, void *to, size_t n, struct err *err);

struct splitter;
struct splitter *splitter_new(enum split_mode mode, split_read_fn read, void *context);
void splitter_free(struct splitter **splitter);
/* 1 with *ret, 0 at the end, negative on a read error. */
int splitter_next(struct splitter *splitter, struct split_record *ret, struct err *err);
/* The first bytes of the stream (up to 64 KiB), for parser_recognise, before the first splitter_next. */
int splitter_peek(struct splitter *splitter, struct sv *ret_head, struct err *err);
/* May be changed once, after splitter_peek and before the first splitter_next. */
void splitter_set_mode(struct splitter *splitter, enum split_mode mode);
uint64_t splitter_bytes(const struct splitter *splitter); /* unpacked bytes consumed */

#endif
