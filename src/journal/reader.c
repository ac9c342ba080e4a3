/*
 * Readers: frame after frame over all segments, behind a live journal or over a directory that nobody writes;
 * see journal.h. A reader takes no lock, writes nothing, and holds one window of one file.
 */
#include "journal/cold.h"
#include "journal/cursor.h"

#include "base/arena.h"

#include <stdlib.h>

enum { OPEN_TRIES = 3 };

struct journal_reader {
    const struct fs *fs;
    char *dir;
    const struct journal *limit_to;
    struct cursor cursor; /* file -1: none is open yet, or a cold one is */
    bool is_cold;
    struct cold_walk walk;
    struct cold_item item; /* of it, told up to record `told` */
    uint32_t told;
    struct buf run; /* records in a row that do not lie in a row */
    struct journal_want want;
    bool has_want;
    uint64_t open_first; /* of the open segment */
    uint64_t from;       /* frames that end at or before it are passed over */
    uint64_t next;       /* position that comes next */
    bool sealed;         /* a later segment was seen: the open one does not grow any more */
    bool torn;           /* the last call ended at bytes that are no frame */
};

/* The segment that holds `position`: the last one that begins at or before it, else the oldest; 0 = none. */
static uint64_t choose(const struct segment_list *list, uint64_t position)
{
    uint64_t best = list->n == 0 ? 0 : list->first[0];
    for (size_t i = 0; i < list->n && list->first[i] <= position; i++)
        best = list->first[i];
    return best;
}

static void close_open(struct journal_reader *r)
{
    cursor_close(&r->cursor);
    cold_walk_close(&r->walk);
    r->is_cold = false;
}

static int take_cold(struct journal_reader *r, const struct cold_walk *cold)
{
    close_open(r);
    r->is_cold = true;
    r->walk = *cold;
    r->item = (struct cold_item){.is_gap = true};
    r->open_first = r->next = cold->cold.header.segment.first;
    r->sealed = true;
    return 1;
}

/* Opens the segment for `position`. 1 = open, 0 = there is none yet, or its creation is not finished; 2 =
 * look again. */
static int look_for(struct journal_reader *r, uint64_t position, struct err *err)
{
    struct segment_list list;
    struct cursor fresh;
    struct cold_walk cold;
    int rc = segment_list_read(r->fs, r->dir, &list, err);
    if (rc != 0)
        return rc;
    uint64_t first = choose(&list, position);
    bool is_last = list.n > 0 && first == list.first[list.n - 1];
    segment_list_free(&list);
    if (first == 0)
        return 0;
    rc = cold_walk_open(&cold, r->fs, r->dir, first, r->has_want ? &r->want : NULL, false, err);
    if (rc == 0)
        return take_cold(r, &cold);
    if (rc != TC_ENOTFOUND)
        return rc;
    rc = cursor_open(&fresh, r->fs, r->dir, first, err);
    if (rc == CURSOR_TORN_HEADER)
        return is_last ? 0 : cursor_damaged(&fresh, "no segment header", err);
    if (rc < 0)
        return rc == TC_ENOTFOUND ? 2 : rc; /* it became cold between the two looks: look again */
    close_open(r);
    r->cursor = fresh;
    r->open_first = first;
    r->next = fresh.position;
    r->sealed = false;
    return 1;
}

static int open_at(struct journal_reader *r, uint64_t position, struct err *err)
{
    int rc = 2;
    for (int tries = 0; rc == 2 && tries < OPEN_TRIES; tries++)
        rc = look_for(r, position, err);
    return rc == 2 ? 0 : rc;
}

int journal_reader_open(const struct fs *fs, const char *dir, uint64_t position,
                        const struct journal *limit_to, struct journal_reader **ret, struct err *err)
{
    return journal_reader_open_for(fs, dir, position, limit_to, NULL, ret, err);
}

int journal_reader_open_for(const struct fs *fs, const char *dir, uint64_t position,
                            const struct journal *limit_to, const struct journal_want *want,
                            struct journal_reader **ret, struct err *err)
{
    struct journal_reader *r = tc_alloc(sizeof *r);
    *r = (struct journal_reader){
        .fs = fs, .dir = tc_strdup(dir), .limit_to = limit_to, .cursor = {.file = -1}, .from = position};
    r->walk.cold.file = -1;
    r->has_want = want != NULL;
    if (want != NULL)
        r->want = *want;
    buf_init(&r->run, FRAME_MAX_BYTES);
    int rc = open_at(r, position, err);
    if (rc < 0) {
        journal_reader_close(&r);
        return rc;
    }
    *ret = r;
    return 0;
}

void journal_reader_close(struct journal_reader **reader)
{
    if (*reader == NULL)
        return;
    close_open(*reader);
    buf_free(&(*reader)->run);
    free((*reader)->dir);
    free(*reader);
    *reader = NULL;
}

/* What comes after the open segment. */
enum next_segment { NEXT_NONE, NEXT_FOLLOWS, NEXT_HOLE, NEXT_DROPPED };

static int look_on(const struct journal_reader *r, enum next_segment *ret, uint64_t *ret_first,
                   struct err *err)
{
    struct segment_list list;
    bool own_is_there = false;
    int rc = segment_list_read(r->fs, r->dir, &list, err);
    if (rc != 0)
        return rc;
    *ret_first = 0;
    for (size_t i = 0; i < list.n; i++) {
        own_is_there = own_is_there || list.first[i] == r->open_first;
        if (*ret_first == 0 && list.first[i] > r->open_first)
            *ret_first = list.first[i];
    }
    segment_list_free(&list);
    /* a hole behind a segment that is still there is damage; behind one that is gone, retention was faster */
    *ret = *ret_first == 0         ? NEXT_NONE
           : *ret_first == r->next ? NEXT_FOLLOWS
           : own_is_there          ? NEXT_HOLE
                                   : NEXT_DROPPED;
    return 0;
}

/*
 * At the end of the open segment (`bad` false), or at bytes of it that are no frame: 1 = look again, here or
 * in another segment; 0 = that is all. Once a later segment is seen, this one is whole: what the second look
 * finds wrong is damage.
 */
static int go_on(struct journal_reader *r, bool bad, struct err *err)
{
    enum next_segment next;
    uint64_t first;
    int rc = look_on(r, &next, &first, err);
    if (rc != 0 || next == NEXT_NONE)
        return rc;
    if (!bad && (next == NEXT_FOLLOWS || (next == NEXT_DROPPED && r->sealed))) {
        rc = open_at(r, first, err);
        if (rc == 1 && r->open_first != first)
            return err_set(err, TC_ECORRUPT, "%s: segments are out of order at position %llu", r->dir,
                           (unsigned long long)first);
        return rc;
    }
    if (r->is_cold)
        return cold_damaged(&r->walk.cold, 0, "records after this segment are missing", err);
    if (r->sealed)
        return cursor_damaged(&r->cursor, bad ? r->cursor.why : "records after this place are missing", err);
    r->sealed = true;
    return 1;
}

static bool at_limit(const struct journal_reader *r)
{
    return r->limit_to != NULL && r->next >= journal_end(r->limit_to);
}

/* The next records in a row of the item: 1, or 0 where none is left. */
static int next_run(struct journal_reader *r, struct journal_frame *ret)
{
    const struct frame *f = &r->item.frame;
    const struct cold_record *all = r->item.records;
    uint32_t from = r->told, end;
    if (r->item.is_gap)
        return 0;
    while (from < f->count && all[from].bytes.n == 0)
        from++;
    for (end = from; end < f->count && all[end].bytes.n > 0; end++)
        ;
    r->told = end;
    if (from == end)
        return 0;
    struct sv blocks = all[from].bytes;
    bool in_a_row = true;
    for (uint32_t i = from + 1; in_a_row && i < end; i++) {
        in_a_row = all[i].bytes.p == blocks.p + blocks.n;
        blocks.n += in_a_row ? all[i].bytes.n : 0;
    }
    if (!in_a_row) {
        buf_clear(&r->run);
        for (uint32_t i = from; i < end; i++)
            buf_sv(&r->run, all[i].bytes);
        blocks = buf_view(&r->run);
    }
    *ret = (struct journal_frame){.kind = (enum batch_kind)f->kind,
                                  .received = f->received,
                                  .first = f->first + from,
                                  .count = end - from,
                                  .consumed = f->consumed,
                                  .has_key = f->has_key,
                                  .blocks = blocks,
                                  .is_cold = true};
    memcpy(ret->key, f->key, sizeof ret->key);
    return 1;
}

/* As step, in a cold segment. */
static int cold_step(struct journal_reader *r, struct journal_frame *ret, struct err *err)
{
    if (next_run(r, ret) == 1)
        return ret->first + ret->count <= r->from ? 2 : 1;
    int rc = cold_walk_next(&r->walk, r->from, &r->item, err);
    r->told = 0;
    if (rc < 0)
        return rc;
    if (rc == 1) {
        r->next = r->item.is_gap ? r->item.gap.first + r->item.gap.count
                                 : r->item.frame.first + r->item.frame.count;
        return 2;
    }
    r->item.is_gap = true;
    r->next = r->walk.cold.header.next;
    if (r->has_want && r->want.until != 0 && r->next >= r->want.until)
        return 0;
    rc = go_on(r, false, err);
    return rc == 1 ? 2 : rc;
}

static void fill(const struct frame *f, struct sv bytes, struct journal_frame *ret)
{
    *ret = (struct journal_frame){.kind = (enum batch_kind)f->kind,
                                  .received = f->received,
                                  .first = f->first,
                                  .count = f->count,
                                  .consumed = f->consumed,
                                  .has_key = f->has_key,
                                  .blocks = sv_head(sv_from(bytes, FRAME_HEADER_BYTES), f->payload_bytes)};
    memcpy(ret->key, f->key, sizeof ret->key);
    memcpy(ret->head, f->head, sizeof ret->head);
}

/* One step: 1 = a frame in *ret, 0 = nothing now, 2 = moved on, call again. */
static int step(struct journal_reader *r, struct journal_frame *ret, struct err *err)
{
    struct frame f;
    struct sv bytes;
    if (r->is_cold)
        return cold_step(r, ret, err);
    if (at_limit(r))
        return 0;
    if (r->cursor.file < 0) {
        int opened = open_at(r, TC_MAX(r->from, r->next), err);
        return opened == 1 ? 2 : opened;
    }
    /* all before a durable end is whole on disk: with a live journal there is no torn tail to read */
    int rc = cursor_next_judged(&r->cursor, r->sealed || r->limit_to != NULL, &f, &bytes, err);
    if (rc == CURSOR_FRAME) {
        r->next = r->cursor.position;
        fill(&f, bytes, ret);
        return f.kind == FRAME_MARK || r->next <= r->from ? 2 : 1;
    }
    if (rc < 0)
        return rc;
    bool bad = rc == CURSOR_BAD;
    rc = go_on(r, bad, err);
    r->torn = bad && rc == 0;
    return rc == 1 ? 2 : rc;
}

int journal_reader_next(struct journal_reader *r, struct journal_frame *ret, struct err *err)
{
    int rc;
    r->torn = false;
    while ((rc = step(r, ret, err)) == 2)
        ;
    return rc;
}

bool journal_reader_torn(const struct journal_reader *r, const char **ret_file, uint64_t *ret_offset)
{
    *ret_file = r->cursor.path;
    *ret_offset = r->cursor.offset;
    return r->torn;
}
