/*
 * A store as a queue to another one; see tsdb.h.
 *
 * The log is the queue: what is durable in it is read frame by frame, sent on, and only then may go. How far
 * sending came is kept in DIR/sent now and then; after a crash what came behind that is sent once more.
 *
 * Cutting the queue, by the maintainer: the head takes nothing before a time any more, the log goes on in a
 * new segment, and once all segments before that are sent, the head forgets what is before that time, a
 * snapshot of what is left takes the place of those segments. So a sample that is not sent has its series in
 * the head.
 */
#include "metrics/tsdb/tsdb_priv.h"

#include "base/num.h"
#include "base/varint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SENT_MAGIC = 0x544e5354, SENT_VERSION = 1, SENT_BYTES = 40, CUT_MS = 10 * 60 * 1000 };

struct pending {
    uint32_t id; /* UINT32_MAX: an exemplar */
    uint32_t at; /* order of appearance */
    struct outgoing_sample sample;
    const struct label *series, *labels; /* of an exemplar */
    size_t series_count, label_count;
};

struct outgoing {
    struct tsdb *tsdb;
    struct wal_reader reader;
    uint64_t segment;             /* that `reader` is in */
    struct wal_position at, kept; /* what is before is sent; what DIR/sent says */
    /* frames that were read and not sent whole: */
    struct arena arena;
    struct pending *pending;
    size_t pending_count, pending_capacity, done, given;
    uint64_t pending_bytes;
    struct arena answer; /* what is lent */
};

static void path_of(const struct tsdb *tsdb, char out[WAL_PATH_MAX])
{
    snprintf(out, WAL_PATH_MAX, "%.4000s/sent", tsdb->dir);
}

/* --- where it had come to --- */

int outgoing_load(struct tsdb *tsdb, struct err *err)
{
    char path[WAL_PATH_MAX];
    struct fs_stat st;
    struct buf bytes;
    path_of(tsdb, path);
    int found = tsdb->options.fs->stat(tsdb->options.fs, path, &st);
    if (found == -ENOENT)
        return 0;
    if (found < 0)
        return wal_sys(err, found, "cannot look at", path);
    buf_init(&bytes, SENT_BYTES + 1);
    int rc = fs_read_file(tsdb->options.fs, path, &bytes, err);
    if (rc == 0 && bytes.n == SENT_BYTES && load_u32(bytes.p) == SENT_MAGIC &&
        load_u32(bytes.p + 4) == SENT_VERSION && load_u64(bytes.p + 32) == hash_64(sv_make(bytes.p, 32)))
        tsdb->outgoing_start = (struct wal_position){load_u64(bytes.p + 8), load_u64(bytes.p + 16)};
    /* else all that the log has is sent again, which does no harm */
    buf_free(&bytes);
    return rc;
}

struct lowest {
    uint64_t number;
};

static void note_segment(void *context, const char *name)
{
    struct lowest *lowest = context;
    struct sv text = sv_of(name);
    uint64_t number;
    if (text.n == 12 && sv_ends(text, SV(".wal")) && num_u64(sv_head(text, 8), 1, 99999999, &number))
        lowest->number = TC_MIN(lowest->number, number);
}

static int segment_bytes(struct tsdb *tsdb, uint64_t number, uint64_t *ret, struct err *err)
{
    char path[WAL_PATH_MAX];
    struct fs_stat st = {0};
    snprintf(path, sizeof path, "%.4000s/%08llu.wal", tsdb->wal_dir, (unsigned long long)number);
    int rc = tsdb->options.fs->stat(tsdb->options.fs, path, &st);
    *ret = TC_MAX(st.size_bytes, (uint64_t)WAL_HEADER_BYTES);
    return rc < 0 ? wal_sys(err, rc, "cannot look at", path) : 0;
}

int outgoing_recovered(struct tsdb *tsdb, struct err *err)
{
    struct wal_position *start = &tsdb->outgoing_start, end = wal_stats(tsdb->wal).end;
    struct lowest lowest = {end.segment};
    int rc = tsdb->options.fs->list(tsdb->options.fs, tsdb->wal_dir, note_segment, &lowest);
    if (rc < 0)
        return wal_sys(err, rc, "cannot list", tsdb->wal_dir);
    uint64_t bytes = 0;
    bool known = start->segment >= lowest.number && start->segment < end.segment;
    if (known && (rc = segment_bytes(tsdb, start->segment, &bytes, err)) != 0)
        return rc;
    /* a place beyond the end is that of another log; one before the beginning was sent, or it were there */
    if (!known || start->offset > bytes)
        *start = (struct wal_position){lowest.number, WAL_HEADER_BYTES};
    for (uint64_t n = start->segment; n < end.segment; n++) {
        if ((rc = segment_bytes(tsdb, n, &bytes, err)) != 0)
            return rc;
        tsdb->outgoing_before += bytes - (n == start->segment ? start->offset : (uint64_t)WAL_HEADER_BYTES);
    }
    tsdb->outgoing_segment = start->segment;
    return 0;
}

uint64_t outgoing_end(struct tsdb *tsdb)
{
    return tsdb->outgoing_before + wal_stats(tsdb->wal).bytes;
}

uint64_t outgoing_reached(struct tsdb *tsdb)
{
    return atomic_load(&tsdb->outgoing_sent);
}

bool outgoing_has_room(struct tsdb *tsdb)
{
    uint64_t sent = outgoing_reached(tsdb); /* before the end: it only grows */
    return outgoing_end(tsdb) - sent < tsdb->options.outgoing_bytes_max;
}

/* --- reading --- */

int outgoing_open(struct tsdb *tsdb, struct outgoing **ret, struct err *err)
{
    struct outgoing *o = tc_alloc(sizeof *o);
    *o = (struct outgoing){.tsdb = tsdb,
                           .segment = tsdb->outgoing_start.segment,
                           .at = tsdb->outgoing_start,
                           .kept = tsdb->outgoing_start};
    int rc =
        wal_reader_open(tsdb->options.fs, tsdb->wal_dir, o->at.segment, o->at.offset, &o->reader, NULL, err);
    *ret = o;
    if (rc != 0) {
        free(o);
        *ret = NULL;
    }
    return rc;
}

void outgoing_close(struct outgoing **outgoing)
{
    struct outgoing *o = *outgoing;
    if (o == NULL)
        return;
    wal_reader_close(&o->reader);
    arena_free(&o->arena);
    arena_free(&o->answer);
    free(o->pending);
    free(o);
    *outgoing = NULL;
}

static struct pending *add(struct outgoing *o)
{
    if (o->pending_count == o->pending_capacity) {
        o->pending_capacity = TC_MAX((size_t)1024, o->pending_capacity * 2);
        o->pending = tc_realloc(o->pending, o->pending_capacity * sizeof *o->pending);
    }
    struct pending *p = &o->pending[o->pending_count];
    *p = (struct pending){.at = (uint32_t)o->pending_count++};
    return p;
}

static bool take_floats(struct outgoing *o, struct reader *in)
{
    int64_t id = 0, t = 0;
    while (in->rest.n > 0 && !in->bad) {
        uint64_t step = reader_varint(in);
        id = (int64_t)((uint64_t)id + (uint64_t)unzigzag(step >> 1));
        t = (int64_t)((uint64_t)t + (uint64_t)unzigzag(reader_varint(in)));
        uint64_t bits = reader_u64(in);
        if (step & 1)
            (void)reader_varint(in);
        if (in->bad || id < 0 || id >= UINT32_MAX)
            return false;
        struct pending *p = add(o);
        p->id = (uint32_t)id;
        p->sample.t = t;
        memcpy(&p->sample.v, &bits, sizeof bits);
    }
    return !in->bad;
}

static bool take_histograms(struct outgoing *o, struct reader *in)
{
    while (in->rest.n > 0) {
        struct histogram *h = ARENA_NEW(&o->arena, struct histogram);
        uint64_t id;
        int64_t t, start_t;
        if (!record_read_histogram(in, &o->arena, &id, &t, &start_t, h) || id >= UINT32_MAX)
            return false;
        struct pending *p = add(o);
        p->id = (uint32_t)id;
        p->sample = (struct outgoing_sample){.t = t, .histogram = h};
    }
    return true;
}

static const struct label *keep_labels(struct arena *arena, const struct label *labels, size_t count)
{
    struct label *kept = ARENA_ARRAY(arena, struct label, count + 1);
    for (size_t i = 0; i < count; i++)
        kept[i] = (struct label){arena_sv(arena, labels[i].name), arena_sv(arena, labels[i].value)};
    return kept;
}

static bool take_exemplars(struct outgoing *o, struct reader *in)
{
    struct label series[TSDB_LABELS_MAX], labels[TSDB_LABELS_MAX];
    while (in->rest.n > 0) {
        struct pending *p = add(o);
        p->id = UINT32_MAX;
        if (!record_read_labels(in, series, &p->series_count))
            return false;
        p->sample.t = unzigzag(reader_varint(in));
        uint64_t bits = reader_u64(in);
        memcpy(&p->sample.v, &bits, sizeof bits);
        if (!record_read_labels(in, labels, &p->label_count))
            return false;
        p->series = keep_labels(&o->arena, series, p->series_count);
        p->labels = keep_labels(&o->arena, labels, p->label_count);
    }
    return true;
}

static bool take_frame(struct outgoing *o, unsigned kind, struct sv payload)
{
    struct reader in = reader_of(payload);
    switch (kind) {
    case RECORD_FLOATS:
        return take_floats(o, &in);
    case RECORD_HISTOGRAMS:
        return take_histograms(o, &in);
    case RECORD_EXEMPLARS:
        return take_exemplars(o, &in);
    case RECORD_BATCH:
        while (in.rest.n > 0) {
            unsigned part = reader_u8(&in);
            struct sv bytes = reader_bytes(&in, reader_u32(&in));
            if (in.bad || part == RECORD_BATCH || !take_frame(o, part, bytes))
                return false;
        }
        return true;
    default: /* series are known to the head */
        return true;
    }
}

/* 1: a frame was read; 0: there is none yet. */
static int read_one(struct outgoing *o, struct err *err)
{
    struct tsdb *tsdb = o->tsdb;
    struct wal_position end = wal_stats(tsdb->wal).end;
    bool is_last = o->segment == end.segment;
    unsigned kind;
    struct sv payload;
    uint64_t before = o->reader.offset, to = end.offset;
    int rc = is_last ? 0 : segment_bytes(tsdb, o->segment, &to, err);
    if (rc == 0)
        rc = wal_reader_next(&o->reader, to, &kind, &payload, err);
    if (rc < 0)
        return rc;
    if (rc > 0) {
        o->pending_bytes += o->reader.offset - before;
        return take_frame(o, kind, payload)
                   ? 1
                   : err_set(err, TC_ECORRUPT, "the log of samples holds a frame that cannot be");
    }
    if (is_last)
        return 0;
    struct wal_reader next;
    rc = wal_reader_open(tsdb->options.fs, tsdb->wal_dir, o->segment + 1, 0, &next, NULL, err);
    if (rc != 0)
        return rc;
    wal_reader_close(&o->reader);
    o->reader = next;
    o->segment++;
    return 1;
}

/* All that was read is sent. */
static void settle(struct outgoing *o)
{
    o->at = (struct wal_position){o->segment, o->reader.offset};
    atomic_fetch_add(&o->tsdb->outgoing_sent, o->pending_bytes);
    atomic_store(&o->tsdb->outgoing_segment, o->at.segment);
    o->pending_count = o->done = o->given = 0;
    o->pending_bytes = 0;
    arena_reset(&o->arena);
}

static int by_series(const void *a, const void *b)
{
    const struct pending *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

static void label_series(struct outgoing *o, const struct head_series *s, struct outgoing_series *ret)
{
    const struct label_index *index = &o->tsdb->head.index;
    struct label *labels = ARENA_ARRAY(&o->answer, struct label, s->label_count + 1);
    for (uint32_t i = 0; i < s->label_count; i++)
        labels[i] = (struct label){arena_sv(&o->answer, label_index_text(index, s->pairs[i].name)),
                                   arena_sv(&o->answer, label_index_text(index, s->pairs[i].value))};
    ret->labels = labels;
    ret->label_count = s->label_count;
}

/* The pending [done, done + given) by series. */
static size_t group(struct outgoing *o, struct outgoing_series *series)
{
    struct tsdb *tsdb = o->tsdb;
    struct pending *p = o->pending + o->done;
    struct outgoing_sample *samples = ARENA_ARRAY(&o->answer, struct outgoing_sample, o->given + 1);
    size_t n = 0;
    qsort(p, o->given, sizeof *p, by_series);
    pthread_rwlock_rdlock(&tsdb->lock);
    for (size_t i = 0, end; i < o->given; i = end) {
        struct outgoing_series *to = &series[n];
        for (end = i; end < o->given && p[end].id == p[i].id && (p[i].id != UINT32_MAX || end == i); end++)
            samples[end] = p[end].sample;
        const struct head_series *s =
            p[i].id == UINT32_MAX ? NULL : head_series_of(&tsdb->head, record_canonical(tsdb, p[i].id));
        *to = (struct outgoing_series){.samples = samples + i, .sample_count = end - i};
        if (s != NULL)
            label_series(o, s, to);
        else if (p[i].id == UINT32_MAX)
            *to = (struct outgoing_series){.labels = p[i].series,
                                           .label_count = p[i].series_count,
                                           .exemplar_labels = p[i].labels,
                                           .exemplar_label_count = p[i].label_count,
                                           .exemplar = p[i].sample};
        n += to->label_count > 0;
    }
    pthread_rwlock_unlock(&tsdb->lock);
    return n;
}

int outgoing_next(struct outgoing *o, size_t samples_max, const struct outgoing_series **ret,
                  size_t *ret_count, struct err *err)
{
    int rc = 1;
    *ret_count = 0;
    arena_reset(&o->answer);
    while (rc > 0 && o->pending_count - o->done < samples_max)
        rc = read_one(o, err);
    if (rc < 0)
        return rc;
    if (o->pending_count == 0) {
        settle(o); /* frames without samples, or the next segment */
        return 0;
    }
    o->given = TC_MIN(samples_max, o->pending_count - o->done);
    struct outgoing_series *series = ARENA_ARRAY(&o->answer, struct outgoing_series, o->given + 1);
    *ret_count = group(o, series);
    *ret = series;
    if (*ret_count == 0) /* of series that nobody knows: the log of another store */
        outgoing_sent(o);
    return 0;
}

void outgoing_sent(struct outgoing *o)
{
    o->done += o->given;
    o->given = 0;
    if (o->done == o->pending_count)
        settle(o);
}

int outgoing_keep(struct outgoing *o, struct err *err)
{
    char path[WAL_PATH_MAX], bytes[SENT_BYTES] = {0};
    if (o->done > 0 || (o->kept.segment == o->at.segment && o->kept.offset == o->at.offset))
        return 0; /* in the middle of frames, or nowhere else */
    path_of(o->tsdb, path);
    store_u32(bytes, SENT_MAGIC);
    store_u32(bytes + 4, SENT_VERSION);
    store_u64(bytes + 8, o->at.segment);
    store_u64(bytes + 16, o->at.offset);
    store_u64(bytes + 32, hash_64(sv_make(bytes, 32)));
    int rc = fs_replace_file(o->tsdb->options.fs, path, sv_make(bytes, sizeof bytes), err);
    if (rc == 0)
        o->kept = o->at;
    return rc;
}

/* --- cutting --- */

static bool is_due(struct tsdb *tsdb, int64_t *ret_to)
{
    pthread_rwlock_rdlock(&tsdb->lock);
    const struct head *head = &tsdb->head;
    *ret_to = head->max_t - head->block_ms / 2;
    *ret_to -= *ret_to % CUT_MS;
    bool due = head->any && head->min_t <= head->max_t && *ret_to > head->min_valid &&
               *ret_to - head->min_t >= CUT_MS;
    pthread_rwlock_unlock(&tsdb->lock);
    return due;
}

int outgoing_maintain(struct tsdb *tsdb, struct err *err)
{
    int64_t to;
    int rc = 0;
    if (tsdb->await_segment == 0 && is_due(tsdb, &to)) {
        head_freeze(tsdb, to);
        rc = wal_roll(tsdb->wal, &tsdb->await_segment, err);
        if (rc != 0)
            tsdb->await_segment = 0;
    }
    if (rc != 0 || tsdb->await_segment == 0 || atomic_load(&tsdb->outgoing_segment) < tsdb->await_segment)
        return rc;
    head_forget(tsdb);
    rc = snapshot_write(tsdb, tsdb->wal_dir, tsdb->await_segment, true, err);
    if (rc == 0)
        rc = wal_remove_before(tsdb->wal, tsdb->await_segment, err);
    if (rc == 0) {
        (void)snapshots_remove(tsdb, tsdb->await_segment); /* what stays is removed by the next start */
        tsdb->await_segment = 0;
    }
    return rc;
}
