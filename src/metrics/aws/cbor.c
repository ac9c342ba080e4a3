/*
 * Reading CBOR; see cbor.h.
 */
#include "metrics/aws/cbor.h"

#include "metrics/grow.h"

#include <math.h>
#include <string.h>

enum major { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };
enum { INDEFINITE = 31, FALSE_WORD = 20, TRUE_WORD = 21, HALF = 25, SINGLE = 26, DOUBLE = 27 };

struct reader_of_cbor {
    const uint8_t *p, *end;
    struct arena *arena;
    size_t items;
    bool bad;
};

struct head {
    enum major major;
    unsigned info;
    uint64_t value;
};

static bool read_head(struct reader_of_cbor *r, struct head *ret)
{
    if (r->p >= r->end || ++r->items > CBOR_ITEMS_MAX)
        return !(r->bad = true);
    uint8_t first = *r->p++;
    ret->major = (enum major)(first >> 5);
    ret->info = first & 31;
    ret->value = ret->info;
    if (ret->info < 24 || ret->info == INDEFINITE)
        return true;
    size_t n = ret->info > 27 ? 0 : (size_t)1 << (ret->info - 24);
    if (n == 0 || (size_t)(r->end - r->p) < n)
        return !(r->bad = true);
    ret->value = 0;
    for (size_t i = 0; i < n; i++)
        ret->value = ret->value << 8 | *r->p++;
    return true;
}

static bool at_break(struct reader_of_cbor *r)
{
    if (r->p < r->end && *r->p != 0xff)
        return false;
    r->bad = r->bad || r->p >= r->end;
    r->p += r->p < r->end;
    return true;
}

static double half_float(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double mantissa = (double)(bits & 1023);
    double v = exponent == 0    ? ldexp(mantissa, -24)
               : exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                                : ldexp(mantissa + 1024, exponent - 25);
    return bits & 0x8000 ? -v : v;
}

static double number_of(const struct head *h)
{
    if (h->info == HALF)
        return half_float(h->value);
    if (h->info == SINGLE) {
        uint32_t bits = (uint32_t)h->value;
        float v;
        memcpy(&v, &bits, sizeof v);
        return v;
    }
    double v;
    memcpy(&v, &h->value, sizeof v);
    return v;
}

static struct template_value read_value(struct reader_of_cbor *r, unsigned depth);

static struct sv read_text(struct reader_of_cbor *r, const struct head *h)
{
    if (h->info != INDEFINITE) {
        if (h->value > (size_t)(r->end - r->p)) {
            r->bad = true;
            return (struct sv){0};
        }
        struct sv text = sv_make((const char *)r->p, h->value);
        r->p += h->value;
        return text;
    }
    struct buf out;
    struct head part;
    buf_init(&out, (size_t)(r->end - r->p) + 1);
    while (!r->bad && !at_break(r))
        if (read_head(r, &part)) {
            if (part.major != h->major || part.info == INDEFINITE)
                r->bad = true;
            else
                buf_sv(&out, read_text(r, &part));
        }
    struct sv text = arena_sv(r->arena, buf_view(&out));
    buf_free(&out);
    return text;
}

static struct template_value read_array(struct reader_of_cbor *r, const struct head *h, unsigned depth)
{
    struct template_value *items = NULL;
    size_t n = 0, capacity = 0;
    while (!r->bad && (h->info == INDEFINITE ? !at_break(r) : n < h->value)) {
        struct template_value item = read_value(r, depth + 1);
        items = grow(r->arena, items, n, &capacity, sizeof *items);
        items[n++] = item;
    }
    return template_list(r->arena, NULL, items, n);
}

static struct template_value read_map(struct reader_of_cbor *r, const struct head *h, unsigned depth)
{
    struct template_pair *pairs = NULL;
    size_t n = 0, capacity = 0;
    while (!r->bad && (h->info == INDEFINITE ? !at_break(r) : n < h->value)) {
        struct template_value key = read_value(r, depth + 1);
        struct template_value *value = ARENA_NEW(r->arena, struct template_value);
        *value = read_value(r, depth + 1);
        r->bad = r->bad || key.kind != TEMPLATE_STRING;
        pairs = grow(r->arena, pairs, n, &capacity, sizeof *pairs);
        pairs[n++] = (struct template_pair){r->bad ? (struct sv){0} : key.as.text, value};
    }
    return template_map(r->arena, NULL, pairs, n);
}

static struct template_value read_value(struct reader_of_cbor *r, unsigned depth)
{
    struct head h = {0};
    if (depth > CBOR_DEPTH_MAX || !read_head(r, &h)) {
        r->bad = true;
        return template_none();
    }
    if (h.info == INDEFINITE && (h.major < BYTES || h.major > MAP)) {
        r->bad = true;
        return template_none();
    }
    switch (h.major) {
    case UNSIGNED:
        return h.value <= INT64_MAX ? template_int((int64_t)h.value) : template_float((double)h.value);
    case NEGATIVE:
        return h.value <= INT64_MAX ? template_int(-1 - (int64_t)h.value)
                                    : template_float(-1 - (double)h.value);
    case BYTES:
    case TEXT:
        return template_text(read_text(r, &h));
    case ARRAY:
        return read_array(r, &h, depth);
    case MAP:
        return read_map(r, &h, depth);
    case TAG:
        return read_value(r, depth + 1);
    case SIMPLE:
        if (h.info == HALF || h.info == SINGLE || h.info == DOUBLE)
            return template_float(number_of(&h));
        if (h.info == FALSE_WORD || h.info == TRUE_WORD)
            return template_bool(h.info == TRUE_WORD);
        return template_none();
    }
    return template_none();
}

int cbor_read(struct sv bytes, struct arena *arena, struct template_value *ret, struct err *err)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    struct reader_of_cbor r = {p, p == NULL ? NULL : p + bytes.n, arena, 0, false};
    struct template_value value = read_value(&r, 0);
    if (r.bad || r.p != r.end)
        return err_set(err, TC_EINPUT, "the body is not CBOR");
    *ret = value;
    return 0;
}
