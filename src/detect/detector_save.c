/*
 * The detector's state as bytes, and back.
 *
 * u32 magic, u32 version, u64 position, i64 received, watermark (watermark.c), u32 count of correlations,
 * then for each by ordinal: 16 bytes of the rule's content hash, u32 number of groups, u64 bytes that they
 * take, the groups (corr.c), by shard, rank and age. Little-endian. Equal state gives equal bytes. A rule is
 * found again by its content, so that one that was edited loses its own windows only. Bytes may be anything:
 * they are read into tables of their own, which take the old ones' place when all of it made sense.
 */
#include "detect/detector_priv.h"

#include <stdlib.h>

enum { SAVE_MAGIC = 0x4B534D54, SAVE_VERSION = 3, CONTENT_BYTES = 16 };

static void save_spec(const struct detector *d, uint32_t spec, struct buf *out)
{
    uint32_t groups = 0;
    buf_add(out, d->specs[spec].rule->content, CONTENT_BYTES);
    for (uint32_t shard = 0; shard < CORR_SHARDS; shard++)
        groups += detector_table(d, spec, shard)->count;
    buf_u32(out, groups);
    size_t size_at = out->n;
    buf_u64(out, 0);
    for (uint32_t shard = 0; shard < CORR_SHARDS; shard++)
        corr_table_save(detector_table(d, spec, shard), &d->specs[spec], out);
    if (!out->overflow)
        store_u64(out->p + size_at, out->n - size_at - 8);
}

void detector_save(const struct detector *d, struct buf *out)
{
    buf_u32(out, SAVE_MAGIC);
    buf_u32(out, SAVE_VERSION);
    buf_u64(out, d->position);
    buf_u64(out, (uint64_t)d->received.ns);
    watermark_save(&d->watermark, out);
    buf_u32(out, d->spec_count);
    for (uint32_t i = 0; i < d->spec_count; i++)
        save_spec(d, i, out);
}

/* --- back
 * -------------------------------------------------------------------------------------------------------------
 */

static bool same_content(const struct corr_spec *spec, struct sv content)
{
    return sv_eq(sv_make((const char *)spec->rule->content, CONTENT_BYTES), content);
}

/* Reads one correlation's groups; those of a rule that is no longer there are passed over. */
static bool load_spec(const struct detector *d, struct corr_table *tables, bool *seen, struct reader *from)
{
    struct sv content = reader_bytes(from, CONTENT_BYTES);
    uint32_t groups = reader_u32(from);
    uint64_t size = reader_u64(from);
    if (from->bad || size > from->rest.n)
        return false;
    struct reader part = reader_of(reader_bytes(from, (size_t)size));
    uint32_t spec = 0;
    while (spec < d->spec_count && !same_content(&d->specs[spec], content))
        spec++;
    if (spec == d->spec_count)
        return true;
    if (seen[spec])
        return false;
    seen[spec] = true;
    for (uint32_t i = 0; i < groups; i++)
        if (!corr_table_load(&tables[(size_t)spec * CORR_SHARDS], &d->specs[spec], &part))
            return false;
    return part.rest.n == 0;
}

struct restored {
    uint64_t position;
    struct receive_time received;
    struct watermark watermark;
    struct corr_table *tables;
};

static bool load_all(const struct detector *d, struct restored *r, struct reader *from)
{
    r->position = reader_u64(from);
    r->received.ns = (int64_t)reader_u64(from);
    if (!watermark_load(&r->watermark, from))
        return false;
    uint32_t specs = reader_u32(from);
    bool *seen = tc_alloc(d->spec_count + 1);
    bool ok = !from->bad;
    for (uint32_t i = 0; ok && i < specs; i++)
        ok = load_spec(d, r->tables, seen, from);
    free(seen);
    return ok && from->rest.n == 0;
}

int detector_load(struct detector *d, struct sv saved, struct err *err)
{
    struct reader from = reader_of(saved);
    uint32_t magic = reader_u32(&from), version = reader_u32(&from);
    if (from.bad || magic != SAVE_MAGIC)
        return err_set(err, TC_ECORRUPT, "these are not a detector's saved windows");
    if (version != SAVE_VERSION)
        return err_set(err, TC_EUNSUPPORTED, "saved windows of version %u; this program reads version %u",
                       version, SAVE_VERSION);
    size_t tables = (size_t)d->spec_count * CORR_SHARDS;
    struct restored r = {.tables = tc_alloc((tables + 1) * sizeof r.tables[0])};
    watermark_init(&r.watermark, d->options.lateness_ns, d->options.receive_time_stands_in);
    bool ok = load_all(d, &r, &from);
    if (ok) {
        struct restored old = {.watermark = d->watermark, .tables = d->tables};
        d->watermark = r.watermark;
        d->tables = r.tables;
        for (uint32_t i = 0; i < d->spec_count; i++) /* the tables begin to count anew */
            d->losses_taken[i] = 0;
        d->position = r.position;
        d->received = r.received;
        r = old;
    }
    watermark_fini(&r.watermark);
    detector_free_tables(d, r.tables);
    return ok ? 0 : err_set(err, TC_ECORRUPT, "the saved windows are damaged");
}
