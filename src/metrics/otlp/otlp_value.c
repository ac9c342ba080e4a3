/*
 * Values of attributes (AnyValue of OTLP) as texts of labels; see otlp.h.
 */
#include "metrics/otlp/otlp.h"

#include "base/go_text.h"
#include "base/json_out.h"
#include "metrics/remote/protobuf.h"

#include <sodium.h>

enum { VALUE_DEPTH_MAX = 16, VALUE_BYTES_MAX = TSDB_LABEL_BYTES_MAX };

static void put_value(struct json_out *json, struct sv bytes, unsigned depth, bool *bad);

static void put_map(struct json_out *json, struct sv bytes, unsigned depth, bool *bad)
{
    struct proto in = proto_of(bytes), pair;
    struct proto_field f, g;
    json_object(json);
    while (proto_next(&in, &f)) {
        struct sv key = {0}, value = {0};
        pair = proto_of(f.bytes);
        while (f.number == 1 && proto_next(&pair, &g))
            *(g.number == 1 ? &key : &value) = g.bytes;
        *bad = *bad || pair.bad;
        if (f.number != 1)
            continue;
        json_key(json, key);
        put_value(json, value, depth + 1, bad);
    }
    json_object_end(json);
    *bad = *bad || in.bad;
}

static void put_list(struct json_out *json, struct sv bytes, unsigned depth, bool *bad)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    json_array(json);
    while (proto_next(&in, &f))
        if (f.number == 1)
            put_value(json, f.bytes, depth + 1, bad);
    json_array_end(json);
    *bad = *bad || in.bad;
}

static void put_base64(struct buf *out, struct sv bytes)
{
    size_t n = sodium_base64_encoded_len(bytes.n, sodium_base64_VARIANT_ORIGINAL);
    char *room = buf_reserve(out, n);
    if (room == NULL)
        return;
    sodium_bin2base64(room, n, (const unsigned char *)bytes.p, bytes.n, sodium_base64_VARIANT_ORIGINAL);
    out->n += n - 1; /* without its NUL */
}

/* Inside of lists and maps: JSON. */
static void put_value(struct json_out *json, struct sv bytes, unsigned depth, bool *bad)
{
    struct proto in = proto_of(bytes);
    struct proto_field f = {0}, last = {0};
    if (depth > VALUE_DEPTH_MAX) {
        *bad = true;
        return;
    }
    while (proto_next(&in, &f))
        last = f;
    *bad = *bad || in.bad;
    switch (last.number) {
    case 1:
    case 7:
        json_string(json, last.bytes);
        break;
    case 2:
        json_bool(json, last.value != 0);
        break;
    case 3:
        json_i64(json, (int64_t)last.value);
        break;
    case 4:
        json_double(json, proto_double(&last));
        break;
    case 5:
        put_list(json, last.bytes, depth, bad);
        break;
    case 6:
        put_map(json, last.bytes, depth, bad);
        break;
    default:
        json_null(json);
    }
}

/* A value as a label's: texts as they are, numbers in decimal, lists and maps as JSON. */
struct sv otlp_value_text(struct arena *arena, struct sv bytes, bool *bad)
{
    struct proto in = proto_of(bytes);
    struct proto_field f, last = {0};
    struct buf out;
    while (proto_next(&in, &f))
        last = f;
    *bad = *bad || in.bad;
    if (last.number == 1)
        return last.bytes;
    buf_init(&out, VALUE_BYTES_MAX);
    struct json_out json = json_out_to(&out);
    if (last.number == 4)
        go_float_f(&out, proto_double(&last));
    else if (last.number == 7)
        put_base64(&out, last.bytes);
    else if (last.number != 0)
        put_value(&json, bytes, 0, bad);
    struct sv text = arena_sv(arena, buf_view(&out));
    buf_free(&out);
    return text;
}
