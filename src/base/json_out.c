/*
 * The JSON writer; see json_out.h.
 */
#include "base/json_out.h"

#include "base/clk.h"
#include "base/num.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>

static void item(struct json_out *out)
{
    if (out->after_key) {
        out->after_key = false;
        return;
    }
    uint64_t bit = UINT64_C(1) << out->depth;
    if (out->has_item & bit)
        buf_char(out->buf, ',');
    out->has_item |= bit;
}

static void open_level(struct json_out *out, char c)
{
    item(out);
    buf_char(out->buf, c);
    tc_assert(out->depth < 63);
    out->depth++;
    out->has_item &= ~(UINT64_C(1) << out->depth);
}

static void close_level(struct json_out *out, char c)
{
    tc_assert(out->depth > 0);
    out->depth--;
    buf_char(out->buf, c);
}

void json_object(struct json_out *out)
{
    open_level(out, '{');
}

void json_object_end(struct json_out *out)
{
    close_level(out, '}');
}

void json_array(struct json_out *out)
{
    open_level(out, '[');
}

void json_array_end(struct json_out *out)
{
    close_level(out, ']');
}

/* Do eight bytes stand for themselves: ASCII, neither control characters nor quotes nor backslashes? May say
 * no where they do. */
static bool is_plain(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\';
    return (((w - ones * 0x20) | (quote - ones) | (backslash - ones) | w) & high) == 0;
}

void json_escape(struct buf *buf, struct sv text)
{
    size_t clean = 0; /* start of the run that can be copied as it is */
    if (text.n == 0)  /* its pointer may be NULL */
        return;
    for (size_t i = 0; i < text.n;) {
        if (text.n - i >= 8 && is_plain(load_u64(text.p + i))) {
            i += 8;
            continue;
        }
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        uint32_t rune;
        size_t length = c < 0x80 ? 1 : utf8_decode(sv_from(text, i), &rune);
        if (c >= 0x80 && length > 0) {
            i += length;
            continue;
        }
        buf_add(buf, text.p + clean, i - clean);
        switch (c) {
        case '"':
            buf_str(buf, "\\\"");
            break;
        case '\\':
            buf_str(buf, "\\\\");
            break;
        case '\n':
            buf_str(buf, "\\n");
            break;
        case '\r':
            buf_str(buf, "\\r");
            break;
        case '\t':
            buf_str(buf, "\\t");
            break;
        default:
            if (c < 0x20)
                buf_printf(buf, "\\u%04x", c);
            else
                buf_str(buf, "\xEF\xBF\xBD");
        }
        clean = ++i;
    }
    buf_add(buf, text.p + clean, text.n - clean);
}

void json_string(struct json_out *out, struct sv text)
{
    item(out);
    buf_char(out->buf, '"');
    json_escape(out->buf, text);
    buf_char(out->buf, '"');
}

void json_key(struct json_out *out, struct sv key)
{
    json_string(out, key);
    buf_char(out->buf, ':');
    out->after_key = true;
}

static void digits(struct buf *buf, uint64_t v)
{
    char text[20], *end = text + sizeof text, *at = end;
    do
        *--at = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    buf_add(buf, at, (size_t)(end - at));
}

void json_i64(struct json_out *out, int64_t v)
{
    item(out);
    if (v < 0)
        buf_char(out->buf, '-');
    digits(out->buf, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_u64(struct json_out *out, uint64_t v)
{
    item(out);
    digits(out->buf, v);
}

void json_double(struct json_out *out, double v)
{
    if (!isfinite(v)) {
        json_null(out);
        return;
    }
    char text[32];
    for (int precision = 15; precision <= 17; precision++) {
        double back = 0;
        int n = snprintf(text, sizeof text, "%.*g", precision, v);
        if (num_double(sv_make(text, (size_t)n), &back) && back == v)
            break;
    }
    item(out);
    buf_str(out->buf, text);
}

void json_bool(struct json_out *out, bool v)
{
    item(out);
    buf_str(out->buf, v ? "true" : "false");
}

void json_null(struct json_out *out)
{
    item(out);
    buf_str(out->buf, "null");
}

void json_time(struct json_out *out, int64_t ns)
{
    char text[TC_RFC3339_MAX];
    if (ns == TC_NO_TIME)
        json_null(out);
    else
        json_string(out, sv_make(text, clk_rfc3339(ns, text)));
}

void json_raw(struct json_out *out, struct sv json)
{
    item(out);
    buf_sv(out->buf, json);
}

void json_kv_string(struct json_out *out, const char *key, struct sv text)
{
    json_key(out, sv_of(key));
    json_string(out, text);
}

void json_kv_str(struct json_out *out, const char *key, const char *text)
{
    json_kv_string(out, key, sv_of(text));
}

void json_kv_i64(struct json_out *out, const char *key, int64_t v)
{
    json_key(out, sv_of(key));
    json_i64(out, v);
}

void json_kv_u64(struct json_out *out, const char *key, uint64_t v)
{
    json_key(out, sv_of(key));
    json_u64(out, v);
}

void json_kv_bool(struct json_out *out, const char *key, bool v)
{
    json_key(out, sv_of(key));
    json_bool(out, v);
}

void json_kv_time(struct json_out *out, const char *key, int64_t ns)
{
    json_key(out, sv_of(key));
    json_time(out, ns);
}
