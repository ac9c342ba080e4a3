/*
 * Checkpoints: the fold's state at a position, so that a start need not replay everything. Only decisions
 * that are durable are behind it, because it is taken between batches. A checkpoint that does not fit (other
 * epoch, damaged, of another version) is passed over: the journal is the truth, the replay only takes longer.
 *
 * DIR/checkpoint: "TOCSINCK", u32 version, u64 epoch, u64 position, i64 last tick, strings (u32 length,
 * bytes): activated, detector, book, since version 2 positions (positions.h), delivery, watchdog, and since
 * version 3 overrides (override.c), incidents, since version 4 holds (holds.h), since version 5 i64 moment of
 * the last digest; u64 XXH3 of all before. Little-endian.
 */
#include "app/core_priv.h"

#include "base/log.h"

#include <stdio.h>

enum { CHECKPOINT_VERSION = 5, CHECKPOINT_VERSION_OLDEST = 1 };
#define CHECKPOINT_MAGIC     SV("TOCSINCK")
#define CHECKPOINT_MAX_BYTES ((size_t)2 << 30)

static void checkpoint_path(const struct core *core, char *out, size_t size)
{
    snprintf(out, size, "%s/checkpoint", core->options.dir);
}

static void put_string(struct buf *out, void (*save)(void *context, struct buf *to), void *context)
{
    size_t at = out->n;
    buf_u32(out, 0);
    save(context, out);
    if (!out->overflow)
        store_u32(out->p + at, (uint32_t)(out->n - at - 4));
}

static void save_detector(void *context, struct buf *to)
{
    detector_save(context, to);
}

static void save_delivery(void *context, struct buf *to)
{
    delivery_save(context, to);
}

static void save_watchdog(void *context, struct buf *to)
{
    struct core *core = context;
    watchdog_gather(&core->watchdog, core->detector);
    watchdog_save(&core->watchdog, to);
}

static void save_book(void *context, struct buf *to)
{
    book_save(context, to);
}

static void save_overrides(void *context, struct buf *to)
{
    oncall_overrides_save(context, to);
}

static void save_incidents(void *context, struct buf *to)
{
    incidents_save(context, to);
}

static void save_holds(void *context, struct buf *to)
{
    holds_save(context, to);
}

static void save_positions(void *context, struct buf *to)
{
    positions_save(context, to);
}

int checkpoint_write(struct core *core, struct err *err)
{
    char path[4096];
    struct buf out;
    if (core->detector == NULL || core->position == core->checkpoint_position)
        return 0;
    buf_init(&out, CHECKPOINT_MAX_BYTES);
    buf_sv(&out, CHECKPOINT_MAGIC);
    buf_u32(&out, CHECKPOINT_VERSION);
    buf_u64(&out, journal_epoch(core->journal));
    buf_u64(&out, core->position);
    buf_u64(&out, (uint64_t)core->folded_tick_ns);
    buf_string(&out, buf_view(&core->activated));
    put_string(&out, save_detector, core->detector);
    put_string(&out, save_book, core->book);
    put_string(&out, save_positions, &core->positions);
    put_string(&out, save_delivery, &core->delivery);
    put_string(&out, save_watchdog, core);
    put_string(&out, save_overrides, &core->overrides);
    put_string(&out, save_incidents, &core->incidents);
    put_string(&out, save_holds, &core->holds);
    buf_u64(&out, (uint64_t)core->digest_ns);
    buf_u64(&out, hash_64(buf_view(&out)));
    checkpoint_path(core, path, sizeof path);
    int rc = out.overflow ? err_set(err, TC_EBOUND, "the state is too large for a checkpoint")
                          : fs_replace_file(core->options.fs, path, buf_view(&out), err);
    buf_free(&out);
    if (rc == 0)
        core->checkpoint_position = core->position;
    return rc;
}

static int restore(struct core *core, struct sv bytes, struct err *err)
{
    struct reader r = reader_of(bytes);
    if (bytes.n < 16 || load_u64(bytes.p + bytes.n - 8) != hash_64(sv_head(bytes, bytes.n - 8)))
        return err_set(err, TC_ECORRUPT, "its checksum does not hold");
    bool ours = sv_eq(reader_bytes(&r, CHECKPOINT_MAGIC.n), CHECKPOINT_MAGIC);
    uint32_t version = reader_u32(&r);
    if (!ours || version < CHECKPOINT_VERSION_OLDEST || version > CHECKPOINT_VERSION)
        return err_set(err, TC_EUNSUPPORTED, "it is of another version");
    uint64_t epoch = reader_u64(&r), position = reader_u64(&r), tick = reader_u64(&r);
    struct sv activated = reader_string(&r), detector = reader_string(&r), book = reader_string(&r);
    struct sv positions = version > 1 ? reader_string(&r) : (struct sv){0};
    struct delivery_state delivery = {0};
    if (version > 1 && !delivery_load(&delivery, reader_string(&r)))
        return err_set(err, TC_ECORRUPT, "its state of delivery is malformed");
    struct sv watchdog = version > 1 ? reader_string(&r) : (struct sv){0};
    if (r.bad || epoch != journal_epoch(core->journal) || position >= journal_end(core->journal))
        return err_set(err, TC_ESTATE, "it belongs to another journal");
    int rc = activated.n > 0 ? activate_apply(core, activated, err) : 0;
    if (rc == 0)
        rc = detector_load(core->detector, detector, err);
    if (rc == 0)
        rc = book_load(core->book, book, err);
    if (rc == 0)
        rc = positions_load(&core->positions, positions, err);
    if (rc == 0 && watchdog.n > 0 && !watchdog_load(&core->watchdog, watchdog))
        rc = err_set(err, TC_ECORRUPT, "its state of sources is malformed");
    if (rc == 0 && version > 2 && !oncall_overrides_load(&core->overrides, reader_string(&r)))
        rc = err_set(err, TC_ECORRUPT, "its overrides are malformed");
    if (rc == 0 && version > 2 && !incidents_load(&core->incidents, reader_string(&r)))
        rc = err_set(err, TC_ECORRUPT, "its incidents are malformed");
    if (rc == 0 && version > 3 && !holds_load(&core->holds, reader_string(&r)))
        rc = err_set(err, TC_ECORRUPT, "its holds are malformed");
    uint64_t digest = rc == 0 && version > 4 ? reader_u64(&r) : 0;
    if (rc == 0 && r.bad)
        rc = err_set(err, TC_ECORRUPT, "it is cut short");
    if (rc != 0)
        return rc;
    core->position = core->checkpoint_position = position;
    core->last_tick_ns = core->folded_tick_ns = (int64_t)tick;
    core->digest_ns = (int64_t)digest;
    core->delivery = delivery;
    return 1;
}

int checkpoint_read(struct core *core, struct err *err)
{
    char path[4096];
    struct buf bytes;
    struct err why;
    struct fs_stat st;
    checkpoint_path(core, path, sizeof path);
    if (core->options.fs->stat(core->options.fs, path, &st) != 0)
        return 0;
    buf_init(&bytes, CHECKPOINT_MAX_BYTES);
    int rc = fs_read_file(core->options.fs, path, &bytes, &why);
    if (rc == 0)
        rc = restore(core, buf_view(&bytes), &why);
    buf_free(&bytes);
    if (rc == 1)
        return 1;
    log_warn("core", "the checkpoint is not used: %s; replaying the journal from its start", why.text);
    /* whatever was half restored is made anew */
    detector_free(&core->detector);
    book_free(&core->book);
    ruleset_free(&core->ruleset);
    buf_clear(&core->activated);
    positions_clear(&core->positions);
    core->position = core->checkpoint_position = 0;
    core->last_tick_ns = core->folded_tick_ns = core->digest_ns = 0;
    core->delivery = (struct delivery_state){0};
    oncall_free(&core->oncall);
    oncall_overrides_free(&core->overrides);
    incidents_free(&core->incidents);
    holds_free(&core->holds);
    watchdog_free(&core->watchdog);
    watchdog_init(&core->watchdog);
    (void)err;
    return 0;
}
