/*
 * What messages of remote write say of metrics (types, helps, units); see remote_write.h. In 1.0 it stands by
 * itself, under the name of the family; in 2.0 with each series, by numbers of symbols, so neighbours that
 * say the same of one name, as the series of a scrape do, are looked at once.
 */
#include "metrics/remote/protobuf.h"
#include "metrics/remote/remote_write.h"

#include <stdlib.h>

static const char *const types[] = {"unknown",        "counter", "gauge", "histogram",
                                    "gaugehistogram", "summary", "info",  "stateset"};

static struct sv type_name(uint64_t type)
{
    return sv_of(types[type < TC_ARRAY_LEN(types) ? type : 0]);
}

/* --- 1.0 --- */

static void read_entry(struct sv bytes, struct metadata *metadata)
{
    struct metadata_entry entry = {.type = type_name(0)};
    struct proto in = proto_of(bytes);
    struct proto_field f;
    while (proto_next(&in, &f)) {
        if (f.number == 1 && f.wire == PROTO_VARINT)
            entry.type = type_name(f.value);
        else if (f.number == 2)
            entry.name = f.bytes;
        else if (f.number == 4)
            entry.help = f.bytes;
        else if (f.number == 5)
            entry.unit = f.bytes;
    }
    if (!in.bad && entry.name.n > 0)
        (void)metadata_put(metadata, &entry);
}

/* --- 2.0 --- */

enum { MESSAGE_SYMBOL = 4, MESSAGE_SERIES = 5, SERIES_LABELS = 1, SERIES_METADATA = 5 };

/* Numbers of symbols; 0 is the empty one. */
struct description {
    uint64_t name, type, help, unit;
};

struct symbols {
    struct sv *items;
    size_t n;
};

static struct symbols read_symbols(struct sv message)
{
    struct symbols symbols = {0};
    struct proto in = proto_of(message);
    struct proto_field f;
    while (proto_next(&in, &f))
        symbols.n += f.number == MESSAGE_SYMBOL;
    symbols.items = tc_alloc((symbols.n + 1) * sizeof *symbols.items);
    symbols.n = 0;
    for (in = proto_of(message); proto_next(&in, &f);)
        if (f.number == MESSAGE_SYMBOL)
            symbols.items[symbols.n++] = f.bytes;
    return symbols;
}

static struct sv symbol(const struct symbols *symbols, uint64_t number)
{
    return number < symbols->n ? symbols->items[number] : SV("");
}

/* The number of the metric's name among numbers of names and values by turns, or 0. */
static uint64_t name_among(struct sv packed, const struct symbols *symbols)
{
    struct proto refs = proto_of(packed);
    while (refs.p < refs.end && !refs.bad) {
        uint64_t name = proto_varint(&refs), value = proto_varint(&refs);
        if (!refs.bad && sv_eq(symbol(symbols, name), METRIC_NAME))
            return value;
    }
    return 0;
}

static bool read_description(struct sv bytes, struct description *ret)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    while (proto_next(&in, &f)) {
        if (f.wire != PROTO_VARINT)
            continue;
        if (f.number == 1)
            ret->type = f.value;
        else if (f.number == 3)
            ret->help = f.value;
        else if (f.number == 4)
            ret->unit = f.value;
    }
    return !in.bad && (ret->type != 0 || ret->help != 0 || ret->unit != 0);
}

/* What a series says; false: nothing. */
static bool describe_series(struct sv bytes, const struct symbols *symbols, struct description *ret)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    bool described = false;
    *ret = (struct description){0};
    while (proto_next(&in, &f)) {
        if (f.number == SERIES_LABELS && f.wire == PROTO_BYTES && ret->name == 0)
            ret->name = name_among(f.bytes, symbols);
        else if (f.number == SERIES_METADATA)
            described = read_description(f.bytes, ret);
    }
    return described && ret->name != 0;
}

/* Series of classic histograms and summaries bear the family's name with an ending. */
static struct sv family_of(struct sv name, struct sv type)
{
    static const char *const endings[] = {"_bucket", "_sum", "_count"};
    bool has_parts = sv_is(type, "histogram") || sv_is(type, "gaugehistogram") || sv_is(type, "summary");
    for (size_t i = 0; has_parts && i < TC_ARRAY_LEN(endings); i++)
        if (sv_ends(name, sv_of(endings[i])))
            return sv_head(name, name.n - strlen(endings[i]));
    return name;
}

static void read_series(struct sv message, struct metadata *metadata)
{
    struct symbols symbols = read_symbols(message);
    struct description last = {0}, now;
    struct proto in = proto_of(message);
    struct proto_field f;
    while (proto_next(&in, &f)) {
        if (f.number != MESSAGE_SERIES || !describe_series(f.bytes, &symbols, &now) ||
            memcmp(&now, &last, sizeof now) == 0)
            continue;
        last = now;
        struct metadata_entry entry = {.type = type_name(now.type),
                                       .help = symbol(&symbols, now.help),
                                       .unit = symbol(&symbols, now.unit)};
        entry.name = family_of(symbol(&symbols, now.name), entry.type);
        if (entry.name.n > 0)
            (void)metadata_put(metadata, &entry);
    }
    free(symbols.items);
}

void remote_write_metadata(enum remote_write_version version, struct sv message, struct metadata *metadata)
{
    struct proto in = proto_of(message);
    struct proto_field f;
    if (version == REMOTE_WRITE_2)
        read_series(message, metadata);
    while (version == REMOTE_WRITE_1 && proto_next(&in, &f))
        if (f.number == 3 && f.wire == PROTO_BYTES)
            read_entry(f.bytes, metadata);
}
