/*
 * Verification: every checksum, leaf and link of a journal, made anew from its bytes; see journal.h,
 * verify.h.
 */
#include "journal/verify.h"

#include "journal/cursor.h"

#include "base/arena.h"
#include "base/pool.h"

#include <stdio.h>
#include <stdlib.h>

enum { SNAPSHOT_TRIES = 5 };

struct verify_state verify_start(const struct segment_header *header)
{
    struct verify_state s = {.epoch = header->epoch};
    memcpy(s.sequences, header->sequences, sizeof s.sequences);
    memcpy(s.head, header->head, sizeof s.head);
    return s;
}

const char *verify_frame(struct verify_state *s, const struct frame *frame, struct sv bytes,
                         struct buf *leaves)
{
    struct chain chain;
    struct event e;
    struct sv rest = sv_head(sv_from(bytes, FRAME_HEADER_BYTES), frame->payload_bytes);
    chain_begin(&chain, s->head, bytes.p);
    for (uint32_t i = 0; i < frame->count; i++) {
        struct sv block = sv_head(rest, record_length(rest));
        if (record_decode_envelope(block, &e, NULL) != 0)
            return "a record of the frame is malformed";
        if (e.epoch != s->epoch || e.sequence != s->sequences[e.class]++)
            return "a record bears another epoch or sequence than it should";
        uint8_t leaf[TC_SHA256_BYTES];
        record_leaf_hash(block, leaf);
        chain_leaf_hash(&chain, leaf);
        if (leaves != NULL)
            buf_add(leaves, leaf, sizeof leaf);
        rest = sv_from(rest, block.n);
    }
    chain_end(&chain, s->head);
    return memcmp(s->head, frame->head, sizeof s->head) == 0 ? NULL : "the hash chain does not match";
}

const char *verify_item(struct verify_state *s, struct cold_item *item)
{
    struct chain chain;
    struct event e;
    char header[FRAME_HEADER_BYTES];
    if (item->is_gap) {
        memcpy(s->head, item->gap.head, sizeof s->head);
        s->loose = true;
        return NULL;
    }
    uint64_t payload = 0;
    bool dropped = false;
    frame_encode(&item->frame, header);
    chain_begin(&chain, s->head, header);
    for (uint32_t i = 0; i < item->frame.count; i++) {
        struct cold_record *r = &item->records[i];
        if (r->bytes.n > 0) {
            if (record_decode_envelope(r->bytes, &e, NULL) != 0)
                return "a record of the frame is malformed";
            uint64_t *next = &s->sequences[e.class];
            if (e.epoch != s->epoch || e.sequence < *next || (!s->loose && !dropped && e.sequence != *next))
                return "a record bears another epoch or sequence than it should";
            *next = e.sequence + 1;
            record_leaf_hash(r->bytes, r->leaf);
        }
        payload += r->bytes.n;
        dropped = dropped || r->bytes.n == 0;
        chain_leaf_hash(&chain, r->leaf);
    }
    s->loose = s->loose || dropped;
    chain_end(&chain, s->head);
    return !dropped && payload != item->frame.payload_bytes ? "the records are not as long as their frame was"
                                                            : NULL;
}

const char *verify_cold_end(const struct verify_state *s, const struct cold_header *h)
{
    if (memcmp(s->head, h->head, sizeof s->head) != 0)
        return "the hash chain does not match";
    for (int i = 0; i < CLASS_COUNT; i++)
        if (s->loose ? s->sequences[i] > h->sequences[i] : s->sequences[i] != h->sequences[i])
            return "the sequences do not end as the header says";
    return NULL;
}

struct verifier {
    const struct fs *fs;
    const char *dir;
    struct segment_list list;
    struct verify_state state;
    struct cursor cursor;
    uint64_t position, commit; /* where the segment before ended; 0 = this is the first */
    struct journal_verify_report *report;
    struct journal_snapshot *snapshot; /* NULL: nobody asks for the parts */
    const struct journal_watch *watch; /* NULL: nobody watches */
    struct buf leaves;                 /* of a frame, for the watch */
    bool alone; /* one of several at once: what joins it to its neighbours is seen to later */
    struct segment_header start; /* of the segment that was looked at last */
};

static const char *check_start(struct verifier *v, const struct segment_header *h, size_t i)
{
    struct verify_state start = verify_start(h);
    v->start = *h;
    if (v->alone && i > 0)
        return NULL;
    if (i > 0 && (h->previous != v->list.first[i - 1] || h->first != v->position))
        return "records before this segment are missing";
    if (i > 0 &&
        (memcmp(start.head, v->state.head, sizeof start.head) != 0 ||
         memcmp(start.sequences, v->state.sequences, sizeof start.sequences) != 0 || h->commit <= v->commit))
        return "the segment's header does not continue the segment before";
    if (i == 0 && h->previous == 0) {
        uint8_t head[TC_SHA256_BYTES];
        chain_first_head(h->epoch, head);
        if (h->first != 1 || memcmp(head, h->head, sizeof head) != 0)
            return "the first segment's header does not begin a chain";
    }
    return NULL;
}

static void torn(struct verifier *v, const char *path, uint64_t bytes)
{
    v->report->torn_bytes = bytes;
    snprintf(v->report->torn_file, sizeof v->report->torn_file, "%.255s", path);
}

static void count(struct journal_verify_report *r, const struct frame *f)
{
    if (f->count > 0 && r->records == 0)
        r->first = f->received;
    if (f->count > 0)
        r->last = f->received;
    r->frames++;
    r->records += f->count;
    r->bytes += f->bytes;
}

static void show(const struct verifier *v, const struct frame *f, struct sv bytes)
{
    struct sv rest = sv_head(sv_from(bytes, FRAME_HEADER_BYTES), f->payload_bytes);
    for (uint32_t i = 0; i < f->count; i++) {
        struct sv block = sv_head(rest, record_length(rest));
        v->watch->record(v->watch->context, f->first + i, block,
                         (const uint8_t *)v->leaves.p + (size_t)i * TC_SHA256_BYTES);
        rest = sv_from(rest, block.n);
    }
    v->watch->frame(v->watch->context, f->first + f->count - 1, f->head);
}

static int walk(struct verifier *v, bool sealed, struct err *err)
{
    struct cursor *c = &v->cursor;
    struct frame f;
    struct sv bytes;
    uint64_t at = c->offset, position = c->position, size;
    int rc;
    while ((rc = cursor_next_judged(c, sealed, &f, &bytes, err)) == CURSOR_FRAME) {
        buf_clear(&v->leaves);
        const char *why = verify_frame(&v->state, &f, bytes, v->watch != NULL ? &v->leaves : NULL);
        if (why != NULL) {
            c->offset = at; /* the frame's own place, for the message */
            c->position = position;
            return cursor_damaged(c, why, err);
        }
        count(v->report, &f);
        if (v->watch != NULL)
            show(v, &f, bytes);
        at = c->offset;
        position = c->position;
    }
    if (rc == CURSOR_BAD) {
        rc = cursor_size(c, &size, err);
        if (rc == 0)
            torn(v, c->path, size > at ? size - at : 0);
    }
    return rc;
}

/* A last segment whose creation was not finished: its bytes, if any, are a torn tail. */
static int torn_header(struct verifier *v, size_t i, struct err *err)
{
    struct fs_stat st = {0};
    if (i + 1 < v->list.n)
        return cursor_damaged(&v->cursor, "no segment header", err);
    v->fs->stat(v->fs, v->cursor.path, &st);
    torn(v, v->cursor.path, TC_MAX(st.size_bytes, (uint64_t)1));
    return 0;
}

/* An empty last segment is left out: the one before it can go on. */
static void note_part(const struct verifier *v, size_t i)
{
    struct journal_snapshot *s = v->snapshot;
    if (s == NULL || (v->cursor.position == v->list.first[i] && i > 0))
        return;
    s->parts[s->count++] = (struct journal_part){v->list.first[i], v->cursor.offset, false};
    s->epoch = v->cursor.header.epoch;
    s->position = v->cursor.position - 1;
}

/* --- cold segments
 * ------------------------------------------------------------------------------------------------------- */

static void show_item(const struct verifier *v, const struct cold_item *item)
{
    uint64_t at = item->gap.first;
    for (size_t i = 0; item->is_gap && i < item->gap.range.n; i++) {
        unsigned level = item->gap.range.nodes[i].level;
        v->watch->dropped(v->watch->context, at, level, item->gap.range.nodes[i].hash);
        at += UINT64_C(1) << level;
    }
    for (uint32_t i = 0; !item->is_gap && i < item->frame.count; i++)
        v->watch->record(v->watch->context, item->frame.first + i, item->records[i].bytes,
                         item->records[i].leaf);
    v->watch->frame(v->watch->context, item->is_gap ? at - 1 : item->frame.first + item->frame.count - 1,
                    v->state.head);
}

static void count_cold(struct journal_verify_report *r, const struct cold_header *h, uint64_t file_bytes)
{
    uint64_t kept = 0;
    for (int i = 0; i < CLASS_COUNT; i++) {
        kept += h->classes[i].kept;
        r->dropped += h->classes[i].dropped;
        r->dropped_last.ns = TC_MAX(r->dropped_last.ns, h->classes[i].dropped_at.ns);
    }
    if (kept > 0 && r->records == 0)
        r->first = h->oldest;
    if (kept > 0)
        r->last = h->newest;
    r->records += kept;
    r->segments++;
    r->cold_segments++;
    r->bytes += file_bytes;
}

static int walk_cold(struct verifier *v, struct cold_walk *walk, struct err *err)
{
    const struct cold_header *h = &walk->cold.header;
    struct cold_item item;
    const char *why = NULL;
    uint64_t kept = 0;
    int rc = 0;
    while (why == NULL && (rc = cold_walk_next(walk, 0, &item, err)) == 1) {
        why = verify_item(&v->state, &item);
        v->report->frames += !item.is_gap;
        for (uint32_t i = 0; !item.is_gap && i < item.frame.count; i++)
            kept += item.records[i].bytes.n > 0;
        if (why == NULL && v->watch != NULL)
            show_item(v, &item);
    }
    if (rc == 0 && why == NULL)
        why = verify_cold_end(&v->state, h);
    if (rc == 0 && why == NULL && kept != h->classes[0].kept + h->classes[1].kept + h->classes[2].kept)
        why = "there are not as many records as the header says";
    if (rc == 0 && why == NULL && h->causes.bytes > 0)
        rc = cold_read(&walk->cold, &h->causes, true, &walk->packed, err);
    for (size_t i = 0; rc == 0 && why == NULL && i < walk->cold.n; i++)
        if (walk->cold.entries[i].words.bytes > 0)
            rc = cold_read(&walk->cold, &walk->cold.entries[i].words, false, &walk->packed, err);
    return why == NULL ? rc : cold_damaged(&walk->cold, h->frames.offset, why, err);
}

/* TC_ENOTFOUND: it is not cold. */
static int verify_cold(struct verifier *v, size_t i, struct err *err)
{
    struct cold_walk walk;
    uint64_t file_bytes = 0;
    int rc = cold_walk_open(&walk, v->fs, v->dir, v->list.first[i], NULL, true, err);
    if (rc != 0)
        return rc;
    const struct cold_header *h = &walk.cold.header;
    const char *why = check_start(v, &h->segment, i);
    v->state = verify_start(&h->segment);
    rc = v->fs->size(v->fs, walk.cold.file, &file_bytes);
    if (rc < 0)
        rc = segment_sys(err, rc, "cannot look at", walk.cold.path);
    else
        rc = why != NULL ? cold_damaged(&walk.cold, 0, why, err) : walk_cold(v, &walk, err);
    if (rc == 0) {
        count_cold(v->report, h, file_bytes);
        memcpy(v->state.sequences, h->sequences, sizeof v->state.sequences);
        v->state.loose = false;
        v->position = h->next;
        v->commit = h->commit;
        if (v->snapshot != NULL) {
            v->snapshot->parts[v->snapshot->count++] =
                (struct journal_part){v->list.first[i], file_bytes, true};
            v->snapshot->epoch = h->segment.epoch;
            v->snapshot->position = h->next - 1;
        }
    }
    cold_walk_close(&walk);
    return rc;
}

static int verify_segment(struct verifier *v, size_t i, bool sealed, struct err *err)
{
    int rc = verify_cold(v, i, err);
    if (rc != TC_ENOTFOUND)
        return rc;
    rc = cursor_open(&v->cursor, v->fs, v->dir, v->list.first[i], err);
    if (rc == TC_ENOTFOUND) /* it became cold between the two looks */
        return verify_cold(v, i, err);
    if (rc == CURSOR_TORN_HEADER)
        return torn_header(v, i, err);
    if (rc < 0)
        return rc;
    const char *why = check_start(v, &v->cursor.header, i);
    if (why != NULL)
        return cursor_damaged(&v->cursor, why, err);
    v->state = verify_start(&v->cursor.header);
    v->report->segments++;
    v->report->bytes += SEGMENT_HEADER_BYTES;
    rc = walk(v, sealed, err);
    v->position = v->cursor.position;
    v->commit = v->cursor.commit;
    if (rc >= 0)
        note_part(v, i);
    return rc;
}

/* --- several at once
 * ----------------------------------------------------------------------------------------------------------
 */

enum { AT_ONCE = 2 /* segments for each thread, then they are joined in order */, TOLD_MAX = 1 << 30 };
enum told { TOLD_RECORD, TOLD_DROPPED, TOLD_FRAME };

/* A segment by itself, and what its watch would have been told. */
struct alone {
    struct verifier v;
    struct journal_verify_report report;
    const struct journal_watch *watch; /* who is told in the end */
    struct journal_watch ear;
    struct buf told;
    size_t i;
    bool is_last;
    int rc;
    struct err err;
};

static void hear(struct alone *a, enum told what, uint64_t position, unsigned level, const uint8_t *hash,
                 struct sv block)
{
    buf_u8(&a->told, (uint8_t)what);
    buf_u8(&a->told, (uint8_t)level);
    buf_u64(&a->told, position);
    buf_add(&a->told, hash, TC_SHA256_BYTES);
    buf_string(&a->told, block);
}

/* A block is kept where the watch wants it; of others only that there is one. */
static void hear_record(void *context, uint64_t position, struct sv block, const uint8_t *leaf)
{
    struct alone *a = context;
    bool wanted =
        block.n > 0 && a->watch->wants != NULL && a->watch->wants(a->watch->context, position, block);
    hear(a, TOLD_RECORD, position, block.n > 0, leaf, wanted ? block : (struct sv){0});
}

static void hear_dropped(void *context, uint64_t position, unsigned level, const uint8_t *node)
{
    hear(context, TOLD_DROPPED, position, level, node, (struct sv){0});
}

static void hear_frame(void *context, uint64_t last, const uint8_t *head)
{
    hear(context, TOLD_FRAME, last, 0, head, (struct sv){0});
}

static void tell(const struct alone *a)
{
    static const char some[1];
    struct reader in = reader_of(buf_view(&a->told));
    const struct journal_watch *w = a->watch;
    while (in.rest.n > 0 && !in.bad) {
        enum told what = reader_u8(&in);
        unsigned level = reader_u8(&in);
        uint64_t position = reader_u64(&in);
        const uint8_t *hash = (const uint8_t *)reader_bytes(&in, TC_SHA256_BYTES).p;
        struct sv block = reader_string(&in);
        if (what == TOLD_RECORD) /* one that is not wanted is not looked into, but is there */
            w->record(w->context, position, block.n == 0 && level == 1 ? sv_make(some, 1) : block, hash);
        else if (what == TOLD_DROPPED)
            w->dropped(w->context, position, level, hash);
        else
            w->frame(w->context, position, hash);
    }
}

static void verify_alone(void *context, unsigned part, unsigned worker)
{
    struct alone *a = (struct alone *)context + part;
    (void)worker;
    a->rc = verify_segment(&a->v, a->i, !a->is_last, &a->err);
    cursor_close(&a->v.cursor);
}

static void begin_alone(struct alone *a, const struct verifier *v, size_t i)
{
    *a = (struct alone){.i = i, .is_last = i + 1 == v->list.n, .watch = v->watch};
    buf_init(&a->told, TOLD_MAX);
    a->ear = (struct journal_watch){
        .context = a, .record = hear_record, .dropped = hear_dropped, .frame = hear_frame};
    a->v = (struct verifier){.fs = v->fs,
                             .dir = v->dir,
                             .list = v->list,
                             .report = &a->report,
                             .watch = v->watch->record != NULL ? &a->ear : NULL,
                             .alone = true,
                             .cursor = {.file = -1}};
    buf_init(&a->v.leaves, FRAME_MAX_BYTES);
}

static void add_report(struct journal_verify_report *to, const struct journal_verify_report *from)
{
    if (from->records > 0)
        to->first = to->records > 0 ? to->first : from->first;
    if (from->records > 0)
        to->last = from->last;
    to->segments += from->segments;
    to->cold_segments += from->cold_segments;
    to->frames += from->frames;
    to->records += from->records;
    to->bytes += from->bytes;
    to->dropped += from->dropped;
    to->dropped_last.ns = TC_MAX(to->dropped_last.ns, from->dropped_last.ns);
    if (from->torn_bytes > 0) {
        to->torn_bytes = from->torn_bytes;
        memcpy(to->torn_file, from->torn_file, sizeof to->torn_file);
    }
}

/* The segment does not go on from the one before: told as it would be where they are looked at one after
 * another. */
static int join_fails(struct verifier *v, size_t i, struct err *err)
{
    v->alone = false;
    v->watch = NULL; /* what comes before the place was told */
    int rc = verify_segment(v, i, i + 1 < v->list.n, err);
    cursor_close(&v->cursor);
    return rc == 0 ? err_set(err, TC_ECORRUPT, "%s: segments changed while they were verified", v->dir) : rc;
}

static int join(struct verifier *v, struct alone *a, struct err *err)
{
    bool has_start = a->v.start.first != 0;
    if (has_start && check_start(v, &a->v.start, a->i) != NULL)
        return join_fails(v, a->i, err);
    add_report(v->report, &a->report);
    if (a->told.overflow) /* what was kept may end within a record */
        return err_set(err, TC_EBOUND, "a segment holds too many records to be verified beside others");
    if (v->watch->record != NULL)
        tell(a);
    if (a->rc != 0) {
        *err = a->err;
        return a->rc;
    }
    if (has_start) {
        v->state = a->v.state;
        v->position = a->v.position;
        v->commit = a->v.commit;
    }
    return 0;
}

static int verify_at_once(struct verifier *v, unsigned threads, struct err *err)
{
    struct err ignored;
    struct pool *pool = pool_new(threads);
    struct alone *all = tc_alloc((size_t)AT_ONCE * threads * sizeof all[0]);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < v->list.n;) {
        unsigned n = (unsigned)TC_MIN(v->list.n - at, (size_t)AT_ONCE * threads);
        for (unsigned k = 0; k < n; k++)
            begin_alone(&all[k], v, at + k);
        pool_run(pool, n, verify_alone, all);
        for (unsigned k = 0; k < n; k++) {
            rc = rc == 0 ? join(v, &all[k], err == NULL ? &ignored : err) : rc;
            buf_free(&all[k].told);
            buf_free(&all[k].v.leaves);
        }
        at += n;
    }
    free(all);
    pool_free(&pool);
    return rc;
}

static int verify_all(struct verifier *v, struct err *err)
{
    int rc = segment_list_read(v->fs, v->dir, &v->list, err);
    if (rc == 0 && v->snapshot != NULL)
        v->snapshot->parts = tc_alloc((v->list.n + 1) * sizeof v->snapshot->parts[0]);
    bool at_once = rc == 0 && v->watch != NULL && v->watch->threads > 1 && v->list.n > 1;
    if (!at_once && v->watch != NULL && v->watch->record == NULL)
        v->watch = NULL; /* it only says how many threads there are */
    if (at_once)
        rc = verify_at_once(v, v->watch->threads, err);
    for (size_t i = 0; rc == 0 && !at_once && i < v->list.n; i++) {
        rc = verify_segment(v, i, i + 1 < v->list.n, err);
        cursor_close(&v->cursor);
    }
    memcpy(v->report->head, v->state.head, sizeof v->report->head);
    segment_list_free(&v->list);
    return rc;
}

int journal_verify(const struct fs *fs, const char *dir, struct journal_verify_report *ret, struct err *err)
{
    return journal_verify_watched(fs, dir, NULL, ret, err);
}

int journal_verify_watched(const struct fs *fs, const char *dir, const struct journal_watch *watch,
                           struct journal_verify_report *ret, struct err *err)
{
    struct verifier v = {.fs = fs, .dir = dir, .report = ret, .watch = watch, .cursor = {.file = -1}};
    buf_init(&v.leaves, FRAME_MAX_BYTES);
    *ret = (struct journal_verify_report){0};
    int rc = verify_all(&v, err);
    buf_free(&v.leaves);
    return rc;
}

/* --- what a backup copies
 * ------------------------------------------------------------------------------------------------------- */

int journal_snapshot(const struct fs *fs, const char *dir, struct journal_snapshot *ret, struct err *err)
{
    int rc = TC_ECORRUPT;
    /* The end of a live journal may look damaged while it is being written; damage stays. */
    for (int tries = 0; rc == TC_ECORRUPT && tries < SNAPSHOT_TRIES; tries++) {
        *ret = (struct journal_snapshot){0};
        struct verifier v = {
            .fs = fs, .dir = dir, .report = &ret->report, .snapshot = ret, .cursor = {.file = -1}};
        rc = verify_all(&v, err);
        if (rc != 0)
            journal_snapshot_free(ret);
    }
    return rc;
}

void journal_snapshot_free(struct journal_snapshot *snapshot)
{
    free(snapshot->parts);
    snapshot->parts = NULL;
    snapshot->count = 0;
}
