/*
 * What a hit's group and value are: read from the event, or from the groups of the correlations that it came
 * through. See corr.h.
 */
#include "detect/corr.h"

#include "base/hash.h"

#include <arpa/inet.h>

/*
 * An address is the same however it is written: IPv4-mapped IPv6 is its IPv4 address, other IPv6 its shortest
 * form. What only looks like one is text. `text` has room for INET6_ADDRSTRLEN bytes.
 */
static struct sv plain_value(struct sv value, char *text)
{
    struct in6_addr address;
    if (TC_LIKELY(value.n < 2 || value.n >= INET6_ADDRSTRLEN || memchr(value.p, ':', value.n) == NULL))
        return value;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    if (strlen(text) != value.n || inet_pton(AF_INET6, text, &address) != 1)
        return value;
    bool mapped = IN6_IS_ADDR_V4MAPPED(&address);
    const void *bytes = mapped ? &address.s6_addr[12] : address.s6_addr;
    return sv_of(inet_ntop(mapped ? AF_INET : AF_INET6, bytes, text, INET6_ADDRSTRLEN));
}

static bool first_value(const struct event *event, const struct name_ref *name, struct sv *ret)
{
    for (const struct field *f = event_find(event, name->name, name->hash); f != NULL;
         f = event_next(event, f)) {
        if (f->type == FIELD_NULL || f->type == FIELD_OBJECT || f->type == FIELD_ARRAY)
            continue;
        *ret = f->value;
        return true;
    }
    return false;
}

/* What a correlation on the way grouped by is the same for all of its group; the innermost is asked last. */
static bool carried_value(const struct corr_outcome *from, const struct name_ref *name, struct sv *ret)
{
    for (; from != NULL; from = from->from) {
        struct reader key = reader_of(from->key);
        for (size_t i = 0; i < from->correlation->group_count; i++) {
            struct sv value = corr_key_value(&key);
            if (!sv_eq(from->correlation->group_by[i].name, name->name))
                continue;
            *ret = value;
            return true;
        }
    }
    return false;
}

/* `at`: of the names of group_by and, after them, of `fields`. */
static bool subject_value(const struct correlation *c, const struct corr_subject *subject, size_t at,
                          struct sv *ret)
{
    const struct name_ref *name = at < c->group_count ? &c->group_by[at] : &c->fields[at - c->group_count];
    if (c->lookups != NULL)
        name = &c->lookups[subject->step * (c->group_count + c->field_count) + at];
    return carried_value(subject->from, name, ret) || first_value(subject->event, name, ret);
}

static void add_key_value(struct buf *out, struct sv value)
{
    enum { DIGEST_BYTES = 17 };
    char digest[DIGEST_BYTES + 1], text[INET6_ADDRSTRLEN];
    value = plain_value(value, text);
    if (value.n <= CORR_VALUE_BYTES) {
        buf_string(out, value);
        return;
    }
    uint64_t hash = hash_64(value);
    digest[0] = '~';
    hash_hex(&hash, sizeof hash, digest + 1);
    buf_u32(out, CORR_VALUE_BYTES);
    buf_add(out, value.p, CORR_VALUE_BYTES - DIGEST_BYTES);
    buf_add(out, digest, DIGEST_BYTES);
}

bool corr_key(const struct corr_spec *spec, const struct corr_subject *subject, struct buf *out)
{
    struct sv value;
    for (size_t i = 0; i < spec->correlation->group_count; i++) {
        if (!subject_value(spec->correlation, subject, i, &value))
            return false;
        add_key_value(out, value);
    }
    return !out->overflow;
}

struct sv corr_key_value(struct reader *key)
{
    return reader_string(key);
}

bool corr_key_valid(const struct corr_spec *spec, struct sv key)
{
    struct reader reader = reader_of(key);
    for (size_t i = 0; i < spec->correlation->group_count; i++)
        if (corr_key_value(&reader).n > CORR_VALUE_BYTES)
            return false;
    return !reader.bad && reader.rest.n == 0;
}

uint64_t corr_key_hash(const struct corr_spec *spec, struct sv key)
{
    return hash_64_seed(key, spec->seed);
}

/* The fields are latitude, longitude and, where the event has it, the radius in kilometres. */
static bool travel_value(const struct correlation *c, const struct corr_subject *subject,
                         struct corr_hit *hit)
{
    struct sv latitude, longitude, radius;
    num_amount lat, lon;
    if (!subject_value(c, subject, c->group_count, &latitude) || !num_millionths(latitude, &lat) ||
        !subject_value(c, subject, c->group_count + 1, &longitude) || !num_millionths(longitude, &lon))
        return false;
    hit->amount = 0;
    if (subject_value(c, subject, c->group_count + 2, &radius) && !num_millionths(radius, &hit->amount))
        hit->amount = 0;
    return memory_place(lat, lon, &hit->value);
}

bool corr_value(const struct corr_spec *spec, const struct corr_subject *subject, struct buf *scratch,
                struct corr_hit *hit)
{
    const struct correlation *c = spec->correlation;
    struct sv value;
    char text[INET6_ADDRSTRLEN];
    hit->value = 1;
    if (c->type == CORR_TEMPORAL) /* 0 marks a dropped entry */
        hit->value = subject->step | CORR_STEP;
    if (c->type == CORR_TRAVEL)
        return travel_value(c, subject, hit);
    hit->amount = 1000000; /* baseline: an event is one */
    if (c->type == CORR_BASELINE && c->field_count > 0)
        return subject_value(c, subject, c->group_count, &value) && num_millionths(value, &hit->amount) &&
               hit->amount >= 0;
    if (spec->measured)
        return subject_value(c, subject, c->group_count, &value) && num_millionths(value, &hit->amount);
    if (c->type != CORR_VALUE_COUNT && c->type != CORR_NEW_VALUE)
        return true;
    buf_clear(scratch);
    for (size_t i = 0; i < c->field_count; i++) {
        if (!subject_value(c, subject, c->group_count + i, &value))
            return false;
        buf_string(scratch, plain_value(value, text));
    }
    hit->value = hash_64(buf_view(scratch)) | UINT64_C(1) << 63;
    return !scratch->overflow;
}
