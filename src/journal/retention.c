/*
 * Retention; see retention.h.
 *
 * The stage of a class in a cold segment says how far it went: 0 whole, 1 its own time is over, 2 that of
 * security is, too. A changed set of holds (`wish`) has a look at what is left anew.
 */
#include "journal/retention.h"

#include "journal/cold_archive.h"
#include "journal/cold_make.h"
#include "journal/cursor.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { STAGE_OWN = 1, STAGE_LAST = 2, CAUSES_MAX = 1 << 26 };
#define HOUR_NS (3600 * TC_SECOND_NS)
#define DAY_NS  (24 * HOUR_NS)

struct retention {
    struct retention_options options;
    uint64_t wish;             /* hash of the holds */
    int64_t wall_ns, mono_ns;  /* at the last step */
    int64_t distrust_until_ns; /* monotonic */
    bool stepped;
    uint64_t *damaged; /* first positions */
    size_t damaged_count;
    struct causes { /* of closed segments: positions that findings name, sorted */
        uint64_t first, *positions;
        size_t n;
    } * causes;
    size_t cause_count, cause_total;
    struct retention_stats stats;
};

static uint64_t hash_holds(const struct retention_options *o)
{
    struct buf text;
    buf_init(&text, 16 << 20);
    for (size_t i = 0; i < o->hold_count; i++) {
        const struct retention_hold *h = &o->holds[i];
        buf_str(&text, h->name);
        buf_u64(&text, (uint64_t)h->from_ns);
        buf_u64(&text, (uint64_t)h->to_ns);
        buf_u32(&text, h->classes);
        buf_string(&text, h->source);
        buf_string(&text, h->text);
    }
    uint64_t hash = hash_64(buf_view(&text));
    buf_free(&text);
    return hash;
}

struct retention *retention_new(const struct retention_options *options)
{
    struct retention *r = tc_alloc(sizeof *r);
    *r = (struct retention){.options = *options, .wish = hash_holds(options)};
    if (options->distrust_ns == 0)
        r->options.distrust_ns = DAY_NS;
    return r;
}

void retention_free(struct retention **retention)
{
    struct retention *r = *retention;
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->cause_count; i++)
        free(r->causes[i].positions);
    free(r->causes);
    free(r->damaged);
    free(r);
    *retention = NULL;
}

void retention_set_holds(struct retention *r, const struct retention_hold *holds, size_t count)
{
    r->options.holds = holds;
    r->options.hold_count = count;
    r->wish = hash_holds(&r->options);
}

void retention_stats(const struct retention *r, struct retention_stats *ret)
{
    *ret = r->stats;
}

/* --- what findings name
 * -------------------------------------------------------------------------------------------------------- */

static int by_position(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void add_cause(struct causes *c, size_t *capacity, struct sv block)
{
    struct event e;
    if (record_decode_envelope(block, &e, NULL) != 0 || !cold_names_cause(&e))
        return;
    if (c->n == *capacity) {
        *capacity = TC_MAX((size_t)64, 2 * *capacity);
        c->positions = tc_realloc(c->positions, *capacity * sizeof c->positions[0]);
    }
    c->positions[c->n++] = e.source_position;
}

static int read_cold_causes(const struct retention *r, uint64_t first, struct causes *ret, struct err *err)
{
    struct cold cold;
    struct buf bytes;
    int rc = cold_open(&cold, r->options.fs, r->options.dir, first, err);
    if (rc != 0)
        return rc;
    buf_init(&bytes, COLD_RAW_MAX_BYTES);
    if (cold.header.causes.bytes > 0)
        rc = cold_read(&cold, &cold.header.causes, true, &bytes, err);
    ret->n = rc == 0 ? bytes.n / 8 : 0;
    ret->positions = tc_alloc(bytes.n + 8);
    if (ret->n > 0)
        memcpy(ret->positions, bytes.p, ret->n * 8);
    buf_free(&bytes);
    cold_close(&cold);
    return rc;
}

static int read_causes(struct retention *r, uint64_t first, uint64_t end, struct causes *ret, struct err *err)
{
    const struct retention_options *o = &r->options;
    struct journal_reader *reader;
    struct journal_frame frame;
    size_t capacity = 0;
    *ret = (struct causes){.first = first};
    int rc = read_cold_causes(r, first, ret, err);
    if (rc != TC_ENOTFOUND)
        return rc;
    rc = journal_reader_open(o->fs, o->dir, first, NULL, &reader, err);
    if (rc != 0)
        return rc;
    while ((rc = journal_reader_next(reader, &frame, err)) > 0 && frame.first < end) {
        struct sv rest = frame.blocks;
        for (uint64_t i = 0; frame.kind == BATCH_DECISION && i < frame.count; i++) {
            size_t n = record_length(rest);
            add_cause(ret, &capacity, sv_head(rest, n));
            rest = sv_from(rest, n);
        }
    }
    journal_reader_close(&reader);
    if (rc < 0) {
        free(ret->positions);
        return rc;
    }
    if (ret->n > 0)
        qsort(ret->positions, ret->n, sizeof ret->positions[0], by_position);
    return 0;
}

static struct causes *find_causes(const struct retention *r, uint64_t first)
{
    for (size_t i = 0; i < r->cause_count; i++)
        if (r->causes[i].first == first)
            return &r->causes[i];
    return NULL;
}

/* Those of all segments from `from` on: closed ones are read once, the last one each time. */
static int gather_causes(struct retention *r, const struct segment_list *list, size_t from,
                         struct causes *ret_last, struct err *err)
{
    int rc = 0;
    for (size_t i = from; rc == 0 && i + 1 < list->n; i++) {
        struct causes fresh;
        if (find_causes(r, list->first[i]) != NULL)
            continue;
        rc = read_causes(r, list->first[i], list->first[i + 1], &fresh, err);
        if (rc != 0)
            return rc;
        r->cause_total += fresh.n;
        if (r->cause_total > CAUSES_MAX) {
            free(fresh.positions);
            return err_set(err, TC_EBOUND, "more than %d records caused findings: nothing is dropped",
                           CAUSES_MAX);
        }
        r->causes = tc_realloc(r->causes, (r->cause_count + 1) * sizeof r->causes[0]);
        r->causes[r->cause_count++] = fresh;
    }
    return rc == 0 ? read_causes(r, list->first[list->n - 1], UINT64_MAX, ret_last, err) : rc;
}

static bool is_among(const struct causes *c, uint64_t position)
{
    return c->n > 0 && bsearch(&position, c->positions, c->n, sizeof position, by_position) != NULL;
}

/* --- what is kept
 * -------------------------------------------------------------------------------------------------------- */

static bool source_fits(struct sv wanted, struct sv source)
{
    if (wanted.n > 0 && wanted.p[wanted.n - 1] == '*')
        return sv_starts(source, sv_head(wanted, wanted.n - 1));
    return wanted.n == 0 || sv_eq(wanted, source);
}

bool retention_holds(const struct retention_hold *hold, struct sv block)
{
    struct event e;
    if (record_decode_envelope(block, &e, NULL) != 0)
        return true;
    int64_t ns = e.time.ns != TC_NO_TIME ? e.time.ns : e.received.ns;
    return ns >= hold->from_ns && ns < hold->to_ns && (hold->classes >> e.class & 1) != 0 &&
           source_fits(hold->source, e.source) && (hold->text.n == 0 || sv_find(e.raw, hold->text) < e.raw.n);
}

struct keeping {
    const struct retention *r;
    uint32_t stage[CLASS_COUNT]; /* that a class comes to; what it is already at stays */
    bool due[CLASS_COUNT];
    struct causes last;
    struct map positions; /* a source that is followed -> its newest position record here */
};

static bool is_cause(const struct keeping *k, uint64_t position)
{
    for (size_t i = 0; i < k->r->cause_count; i++)
        if (is_among(&k->r->causes[i], position))
            return true;
    return is_among(&k->last, position);
}

static bool keep(void *context, uint64_t position, struct sv block)
{
    struct keeping *k = context;
    struct event e;
    if (record_decode_envelope(block, &e, NULL) != 0 || !k->due[e.class])
        return true;
    for (size_t i = 0; i < k->r->options.hold_count; i++)
        if (retention_holds(&k->r->options.holds[i], block))
            return true;
    if (k->stage[e.class] == STAGE_LAST)
        return false;
    const uint64_t *newest = e.type == REC_POSITION ? map_get(&k->positions, e.source) : NULL;
    return is_cause(k, position) || (newest != NULL && *newest == position);
}

/* --- what is due
 * -------------------------------------------------------------------------------------------------------- */

static bool is_over(int64_t newest_ns, int64_t keep_ns, int64_t now_ns)
{
    int64_t end;
    return keep_ns > 0 && !__builtin_add_overflow(newest_ns, keep_ns, &end) && end < now_ns;
}

static uint32_t stage_of(const struct retention *r, int class, const struct cold_class *c, int64_t now_ns)
{
    const int64_t *keep_ns = r->options.keep_ns;
    if (!is_over(c->newest.ns, keep_ns[class], now_ns))
        return 0;
    bool last = class == CLASS_SECURITY ||
                is_over(c->newest.ns, TC_MAX(keep_ns[class], keep_ns[CLASS_SECURITY]), now_ns);
    return last && (keep_ns[CLASS_SECURITY] > 0) ? STAGE_LAST : STAGE_OWN;
}

static bool find_due(const struct retention *r, const struct cold_header *h, int64_t now_ns,
                     struct keeping *k)
{
    bool any = false;
    for (int i = 0; i < CLASS_COUNT; i++) {
        const struct cold_class *c = &h->classes[i];
        uint32_t stage = stage_of(r, i, c, now_ns);
        k->due[i] = c->kept > 0 && stage > 0 && (stage > c->stage || h->wish != r->wish);
        k->stage[i] = TC_MAX(stage, c->stage);
        any = any || k->due[i];
    }
    return any;
}

/* The clock may not be believed. */
static bool distrusts(struct retention *r, int64_t now_ns)
{
    int64_t mono_ns = clk_monotonic_ns(r->options.clk), gone;
    int64_t newest = r->options.newest.ns;
    bool jumped = r->stepped ? !__builtin_sub_overflow(now_ns - r->wall_ns, mono_ns - r->mono_ns, &gone) &&
                                   gone > HOUR_NS
                             : newest > 0 && now_ns > newest && now_ns - newest > 7 * DAY_NS;
    if (jumped) {
        r->distrust_until_ns = mono_ns + r->options.distrust_ns;
        log_warn("retention",
                 "the clock went ahead: nothing is dropped for %lld s; put it right where it is wrong",
                 (long long)(r->options.distrust_ns / TC_SECOND_NS));
    }
    r->stepped = true;
    r->wall_ns = now_ns;
    r->mono_ns = mono_ns;
    r->stats.distrusts = mono_ns < r->distrust_until_ns;
    return r->stats.distrusts;
}

/* --- the archive
 * -------------------------------------------------------------------------------------------------------- */

/* A copy in ARCHIVE/journal, so that the archive is read as a data directory is. */
static int archive(struct retention *r, const struct cold *cold, struct err *err)
{
    const struct fs *fs = r->options.fs;
    char folder[SEGMENT_PATH_MAX], path[SEGMENT_PATH_MAX], new_path[SEGMENT_PATH_MAX + 8];
    struct fs_stat st;
    uint64_t n;
    if (!segment_dir(r->options.archive, folder) ||
        !cold_path(r->options.archive, cold->header.segment.first, path))
        return err_set(err, TC_EINPUT, "the path of the archive is too long");
    if (fs->stat(fs, path, &st) == 0)
        return 0; /* it is there from a time when more was left of it */
    int rc = fs_make_dirs(fs, folder, err);
    if (rc != 0)
        return rc;
    snprintf(new_path, sizeof new_path, "%s.new", path);
    int file = fs->open(fs, new_path, FS_WRITE | FS_CREATE | FS_TRUNCATE);
    rc = file < 0 ? file : cold_copy_bytes(fs, cold->file, file, &n);
    if (file >= 0)
        fs->close(fs, file);
    if (rc == 0)
        rc = fs->rename(fs, new_path, path);
    if (rc == 0)
        rc = fs->sync_dir(fs, folder);
    if (rc == 0)
        r->stats.archived++;
    return rc < 0 ? segment_sys(err, rc, "cannot archive to", path) : 0;
}

/* --- one piece of work
 * -------------------------------------------------------------------------------------------------------- */

static bool is_damaged(const struct retention *r, uint64_t first)
{
    for (size_t i = 0; i < r->damaged_count; i++)
        if (r->damaged[i] == first)
            return true;
    return false;
}

static int note_damage(struct retention *r, uint64_t first, int rc)
{
    if (rc == TC_ECORRUPT && !is_damaged(r, first)) {
        r->damaged = tc_realloc(r->damaged, (r->damaged_count + 1) * sizeof r->damaged[0]);
        r->damaged[r->damaged_count++] = first;
    }
    return rc;
}

static void note_position(struct keeping *k, uint64_t position, struct sv block)
{
    struct event e;
    if (record_decode_envelope(block, &e, NULL) != 0 || e.type != REC_POSITION)
        return;
    uint64_t *newest = map_put(&k->positions, e.source, NULL);
    if (newest != NULL)
        *newest = position;
}

static int find_positions(struct retention *r, uint64_t first, struct keeping *k, struct err *err)
{
    struct cold_walk walk;
    struct cold_item item;
    int rc = cold_walk_open(&walk, r->options.fs, r->options.dir, first, NULL, true, err);
    if (rc != 0)
        return rc;
    while ((rc = cold_walk_next(&walk, 0, &item, err)) == 1)
        for (uint32_t i = 0; !item.is_gap && i < item.frame.count; i++)
            if (item.records[i].bytes.n > 0)
                note_position(k, item.frame.first + i, item.records[i].bytes);
    cold_walk_close(&walk);
    return rc;
}

static int drop(struct retention *r, const struct segment_list *list, size_t at, const struct cold *cold,
                struct keeping *k, struct err *err)
{
    const struct cold_header *before = &cold->header;
    struct cold_header after;
    struct retention_drop told = {.first = before->segment.first, .next = before->next, .header = before};
    struct cold_drop plan = {.keep = keep, .context = k, .wish = r->wish};
    memcpy(plan.stage, k->stage, sizeof plan.stage);
    for (int i = 0; i < CLASS_COUNT; i++) {
        told.classes[i] = k->due[i];
        plan.whole[i] = !k->due[i];
        told.newest[i] = before->classes[i].newest;
    }
    map_init(&k->positions, 1 << 20);
    int rc = r->options.archive != NULL ? archive(r, cold, err) : 0;
    if (rc == 0)
        rc = gather_causes(r, list, at, &k->last, err);
    if (rc == 0)
        rc = find_positions(r, list->first[at], k, err);
    if (rc == 0)
        rc = r->options.announce(r->options.context, &told, err);
    if (rc == 0)
        rc = cold_drop_records(r->options.fs, r->options.dir, list->first[at], &plan, clk_now(r->options.clk),
                               &after, err);
    for (int i = 0; rc == 0 && i < CLASS_COUNT; i++)
        r->stats.records_dropped += before->classes[i].kept - after.classes[i].kept;
    r->stats.drops += rc == 0;
    map_free(&k->positions);
    free(k->last.positions);
    return rc;
}

/* A cold segment: 1 = something was dropped. */
static int tend_cold(struct retention *r, const struct segment_list *list, size_t at, const struct cold *cold,
                     bool may_drop, struct err *err)
{
    struct keeping k = {.r = r};
    struct fs_stat st = {0};
    r->options.fs->stat(r->options.fs, cold->path, &st);
    r->stats.cold_segments++;
    r->stats.cold_bytes += st.size_bytes;
    r->stats.segment_bytes += cold->header.segment_bytes;
    if (!may_drop || !find_due(r, &cold->header, clk_now(r->options.clk).ns, &k))
        return 0;
    int rc = drop(r, list, at, cold, &k, err);
    return rc == 0 ? 1 : rc;
}

/* When the segment after this one was begun, this one was closed. */
static int closed_at(struct retention *r, uint64_t next, int64_t *ret_ns, struct err *err)
{
    struct cursor c;
    int rc = cursor_open(&c, r->options.fs, r->options.dir, next, err);
    *ret_ns = c.header.created.ns;
    cursor_close(&c);
    if (rc == CURSOR_TORN_HEADER)
        *ret_ns = INT64_MAX;
    if (rc != TC_ENOTFOUND)
        return rc < 0 ? rc : 0;
    struct cold cold;
    rc = cold_open(&cold, r->options.fs, r->options.dir, next, err);
    *ret_ns = rc == 0 ? cold.header.segment.created.ns : 0;
    cold_close(&cold);
    return rc;
}

static int tend(struct retention *r, const struct segment_list *list, size_t at, bool may_drop,
                struct err *err)
{
    struct cold cold;
    int64_t closed_ns, now_ns = clk_now(r->options.clk).ns;
    int rc = cold_open(&cold, r->options.fs, r->options.dir, list->first[at], err);
    if (rc == 0)
        rc = tend_cold(r, list, at, &cold, may_drop, err);
    else if (rc == TC_ENOTFOUND) {
        rc = closed_at(r, list->first[at + 1], &closed_ns, err);
        if (rc == 0 && is_over(closed_ns, TC_MAX(r->options.cold_after_ns, (int64_t)1), now_ns)) {
            rc =
                cold_make(r->options.fs, r->options.dir, list->first[at], (struct receive_time){now_ns}, err);
            r->stats.made_cold += rc == 0;
            rc = rc == 0 ? 1 : rc;
        }
    }
    cold_close(&cold);
    return note_damage(r, list->first[at], rc);
}

int retention_step(struct retention *r, struct err *err)
{
    struct segment_list list;
    bool may_drop = !distrusts(r, clk_now(r->options.clk).ns);
    int rc = cold_clean(r->options.fs, r->options.dir, err);
    if (rc == 0)
        rc = segment_list_read(r->options.fs, r->options.dir, &list, err);
    if (rc != 0)
        return rc;
    r->stats.segments = list.n;
    r->stats.cold_segments = r->stats.cold_bytes = r->stats.segment_bytes = 0;
    for (size_t i = 0; rc == 0 && i + 1 < list.n; i++)
        if (!is_damaged(r, list.first[i]))
            rc = tend(r, &list, i, may_drop, err);
    segment_list_free(&list);
    return rc;
}
