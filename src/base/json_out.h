/*
 * A JSON writer (RFC 8259) over a bounded buffer: commas and escapes are its business.
 *
 * Bytes that are not UTF-8 become U+FFFD, so that the output is always valid JSON. Nesting up to 64. Check
 * `out->overflow` of the buffer once at the end.
 */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

#include "base/buf.h"

struct json_out {
    struct buf *buf;
    unsigned depth;
    uint64_t has_item; /* bit per depth: a comma is due */
    bool after_key;
};

static inline struct json_out json_out_to(struct buf *buf)
{
    return (struct json_out){.buf = buf};
}
void json_object(struct json_out *out);
void json_object_end(struct json_out *out);
void json_array(struct json_out *out);
void json_array_end(struct json_out *out);
void json_key(struct json_out *out, struct sv key);
void json_string(struct json_out *out, struct sv text);
void json_i64(struct json_out *out, int64_t v);
void json_u64(struct json_out *out, uint64_t v);
void json_double(struct json_out *out,
                 double v); /* shortest text that reads back the same; NaN and infinities: null */
void json_bool(struct json_out *out, bool v);
void json_null(struct json_out *out);
void json_time(struct json_out *out, int64_t ns); /* RFC 3339 string, or null for TC_NO_TIME */
/* Text that is JSON already, taken as it stands. */
void json_raw(struct json_out *out, struct sv json);

/* Key and value in one; key is a literal. */
void json_kv_string(struct json_out *out, const char *key, struct sv text);
void json_kv_str(struct json_out *out, const char *key, const char *text);
void json_kv_i64(struct json_out *out, const char *key, int64_t v);
void json_kv_u64(struct json_out *out, const char *key, uint64_t v);
void json_kv_bool(struct json_out *out, const char *key, bool v);
void json_kv_time(struct json_out *out, const char *key, int64_t ns);

/* Appends `text` with JSON's escapes but without quotes. */
void json_escape(struct buf *buf, struct sv text);

#endif
