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
#define JUMP_NS (7 * DAY_NS)

struct retention {
    struct retention_options options;
    uint64_t wish;             /* hash of the holds */
    int64_t wall_ns, mono_ns;  /* at the last step */
    int64_t distrust_until_ns; /* monotonic */
    bool stepped;
    uint64_t told_first; /* of the segment whose drop was told and not made yet; 0: none */
    bool told_classes[CLASS_COUNT];
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
    if (rc != TC_ENOTFOUND) {
        if (rc != 0)
            free(ret->positions);
        return rc;
    }
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

static size_t place_of(const struct causes *c, uint64_t position)
{
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->positions[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_among(const struct causes *c, uint64_t position)
{
    size_t at = place_of(c, position);
    return at < c->n && c->positions[at] == position;
}

static void take_between(const struct causes *c, uint64_t first, uint64_t next, struct causes *to)
{
    size_t from = place_of(c, first), n = place_of(c, next) - from;
    if (n == 0)
        return;
    to->positions = tc_realloc(to->positions, (to->n + n) * sizeof to->positions[0]);
    memcpy(to->positions + to->n, c->positions + from, n * sizeof c->positions[0]);
    to->n += n;
}

/* What is named of the positions [first, next), of all that was gathered: asked for each record of them. */
static struct causes name_causes(const struct retention *r, const struct causes *last, uint64_t first,
                                 uint64_t next)
{
    struct causes named = {0};
    for (size_t i = 0; i < r->cause_count; i++)
        take_between(&r->causes[i], first, next, &named);
    take_between(last, first, next, &named);
    if (named.n > 0)
        qsort(named.positions, named.n, sizeof named.positions[0], by_position);
    return named;
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
    struct causes named;  /* records of this segment that findings and decisions came from */
    struct map positions; /* a source that is followed -> its newest position record here */
};

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
    return is_among(&k->named, position) || (newest != NULL && *newest == position);
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

/* --- the clock
 * -------------------------------------------------------------------------------------------------------- */

/* When the segment was begun; INT64_MAX: its creation is not finished. */
static int begun_at(const struct retention *r, uint64_t first, int64_t *ret_ns, struct err *err)
{
    struct cursor c;
    int rc = cursor_open(&c, r->options.fs, r->options.dir, first, err);
    *ret_ns = c.header.created.ns;
    cursor_close(&c);
    if (rc == CURSOR_TORN_HEADER)
        *ret_ns = INT64_MAX;
    if (rc != TC_ENOTFOUND)
        return rc < 0 ? rc : 0;
    struct cold cold;
    rc = cold_open(&cold, r->options.fs, r->options.dir, first, err);
    *ret_ns = rc == 0 ? cold.header.segment.created.ns : 0;
    cold_close(&cold);
    return rc;
}

/* A jump of the clock that is in the journal already and not old enough to be believed: records from after it
 * are in a segment that was begun far later than the one before. How long ago; `distrust_ns` where there is
 * none. */
static int64_t since_jump(const struct retention *r, const struct segment_list *list, int64_t now_ns)
{
    struct err ignored;
    int64_t later, earlier, ago = 0;
    for (size_t i = list->n; i-- > 1;) {
        if (begun_at(r, list->first[i], &later, &ignored) != 0 || later > now_ns)
            continue; /* received before the clock was put right */
        ago = now_ns - later;
        if (ago >= r->options.distrust_ns)
            break;
        if (begun_at(r, list->first[i - 1], &earlier, &ignored) == 0 && later - earlier > JUMP_NS)
            return ago;
    }
    return r->options.distrust_ns;
}

static int64_t find_jump(const struct retention *r, const struct segment_list *list, int64_t now_ns,
                         int64_t mono_ns)
{
    int64_t newest = r->options.newest.ns, gone;
    if (!r->stepped)
        return newest > 0 && now_ns > newest && now_ns - newest > JUMP_NS ? 0 : since_jump(r, list, now_ns);
    return !__builtin_sub_overflow(now_ns - r->wall_ns, mono_ns - r->mono_ns, &gone) && gone > HOUR_NS
               ? 0
               : r->options.distrust_ns;
}

/* The clock may not be believed. */
static bool distrusts(struct retention *r, const struct segment_list *list, int64_t now_ns)
{
    int64_t mono_ns = clk_monotonic_ns(r->options.clk);
    int64_t left_ns = r->options.distrust_ns - find_jump(r, list, now_ns, mono_ns);
    if (left_ns > 0) {
        r->distrust_until_ns = mono_ns + left_ns;
        log_warn("retention",
                 "the clock went ahead: nothing is dropped for %lld s; put it right where it is wrong",
                 (long long)(left_ns / TC_SECOND_NS));
    }
    r->stepped = true;
    r->wall_ns = now_ns;
    r->mono_ns = mono_ns;
    r->stats.distrusts = mono_ns < r->distrust_until_ns;
    return r->stats.distrusts;
}

/* --- the archive
 * -------------------------------------------------------------------------------------------------------- */

/* 1 = the archive has the segment, maybe from a time when more was left of it; 0 = not. One of another
 * journal that has the same name is no copy of it. */
static int is_archived(const struct retention *r, const struct cold *cold, struct err *err)
{
    struct cold there;
    int rc = cold_open(&there, r->options.fs, r->options.archive, cold->header.segment.first, err);
    if (rc != 0)
        return rc == TC_ENOTFOUND ? 0 : rc;
    bool same = memcmp(there.header.head, cold->header.head, sizeof there.header.head) == 0;
    rc = same ? 1
              : err_at(err, TC_ESTATE, there.path, 0, 0,
                       "the archive holds a segment of another journal under this name: name a directory of "
                       "its own");
    cold_close(&there);
    return rc;
}

/* A copy in ARCHIVE/journal, so that the archive is read as a data directory is. */
static int archive(struct retention *r, const struct cold *cold, struct err *err)
{
    const struct fs *fs = r->options.fs;
    char folder[SEGMENT_PATH_MAX], path[SEGMENT_PATH_MAX], new_path[SEGMENT_PATH_MAX + 8];
    uint64_t n;
    if (!segment_dir(r->options.archive, folder) ||
        !cold_path(r->options.archive, cold->header.segment.first, path))
        return err_set(err, TC_EINPUT, "the path of the archive is too long");
    int rc = is_archived(r, cold, err);
    if (rc != 0)
        return rc == 1 ? 0 : rc;
    rc = fs_make_dirs(fs, folder, err);
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

/* Once, however often it is tried: a full disk must not fill the journal with what was not done. */
static int announce(struct retention *r, const struct retention_drop *drop, struct err *err)
{
    if (r->told_first == drop->first && memcmp(r->told_classes, drop->classes, sizeof r->told_classes) == 0)
        return 0;
    int rc = r->options.announce(r->options.context, drop, err);
    r->told_first = rc == 0 ? drop->first : 0;
    memcpy(r->told_classes, drop->classes, sizeof r->told_classes);
    return rc;
}

static int drop(struct retention *r, const struct segment_list *list, size_t at, const struct cold *cold,
                struct keeping *k, struct err *err)
{
    const struct cold_header *before = &cold->header;
    struct cold_header after;
    struct causes last;
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
        rc = gather_causes(r, list, at, &last, err);
    if (rc == 0) {
        k->named = name_causes(r, &last, told.first, told.next);
        free(last.positions);
        rc = find_positions(r, list->first[at], k, err);
    }
    if (rc == 0)
        rc = announce(r, &told, err);
    if (rc == 0)
        rc = cold_drop_records(r->options.fs, r->options.dir, list->first[at], &plan, clk_now(r->options.clk),
                               &after, err);
    for (int i = 0; rc == 0 && i < CLASS_COUNT; i++)
        r->stats.records_dropped += before->classes[i].kept - after.classes[i].kept;
    r->stats.drops += rc == 0;
    r->told_first = rc == 0 ? 0 : r->told_first;
    map_free(&k->positions);
    free(k->named.positions);
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

static int tend(struct retention *r, const struct segment_list *list, size_t at, bool may_drop,
                struct err *err)
{
    struct cold cold;
    int64_t closed_ns, now_ns = clk_now(r->options.clk).ns;
    int rc = cold_open(&cold, r->options.fs, r->options.dir, list->first[at], err);
    if (rc == 0)
        rc = tend_cold(r, list, at, &cold, may_drop, err);
    else if (rc == TC_ENOTFOUND) {
        rc = begun_at(r, list->first[at + 1], &closed_ns, err); /* then this one was closed */
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

/* Where a drop fails, segments still become cold; nothing more is dropped in this step. */
int retention_step(struct retention *r, struct err *err)
{
    struct segment_list list;
    struct err later;
    int rc = cold_clean(r->options.fs, r->options.dir, err), failed = 0;
    if (rc == 0)
        rc = segment_list_read(r->options.fs, r->options.dir, &list, err);
    if (rc != 0)
        return rc;
    bool may_drop = !distrusts(r, &list, clk_now(r->options.clk).ns);
    r->stats.segments = list.n;
    r->stats.cold_segments = r->stats.cold_bytes = r->stats.segment_bytes = 0;
    for (size_t i = 0; rc == 0 && i + 1 < list.n; i++) {
        uint64_t cold = r->stats.cold_segments;
        if (is_damaged(r, list.first[i]))
            continue;
        rc = tend(r, &list, i, may_drop && failed == 0, failed == 0 ? err : &later);
        if (rc < 0 && failed == 0 && r->stats.cold_segments > cold) {
            failed = rc;
            rc = 0;
        }
    }
    segment_list_free(&list);
    return failed != 0 ? failed : rc;
}
