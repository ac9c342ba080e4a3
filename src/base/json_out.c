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

void json_escape(struct buf *buf, struct sv text)
{
    size_t clean = 0; /* start of the run that can be copied as it is */
    if (text.n == 0)  /* its pointer may be NULL */
        return;
    for (size_t i = 0; i < text.n;) {
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

void json_i64(struct json_out *out, int64_t v)
{
    item(out);
    buf_printf(out->buf, "%lld", (long long)v);
}

void json_u64(struct json_out *out, uint64_t v)
{
    item(out);
    buf_printf(out->buf, "%llu", (unsigned long long)v);
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
