/*
 * What stands in the log's frames and in snapshots; docs/format/metrics.md has the bytes.
 *
 * Replaying is idempotent: a sample that is there already is nothing new. So a snapshot may be taken while
 * samples come in.
 */
#include "metrics/tsdb/tsdb_priv.h"

#include "base/num.h"
#include "base/varint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SNAPSHOT_FRAME_BYTES = 1 << 20 };

static double reader_double(struct reader *in)
{
    uint64_t bits = reader_u64(in);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void record_double(struct buf *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_u64(out, bits);
}

static void record_text(struct buf *out, struct sv text)
{
    buf_varint(out, text.n);
    buf_sv(out, text);
}

static struct sv reader_text(struct reader *in)
{
    uint64_t n = reader_varint(in);
    if (n > in->rest.n)
        in->bad = true;
    return in->bad ? (struct sv){0} : reader_bytes(in, n);
}

void record_source(struct buf *out, unsigned source, struct sv name)
{
    buf_varint(out, source);
    record_text(out, name);
}

void record_series(struct buf *out, const struct head *head, const struct head_series *s)
{
    buf_varint(out, s->id);
    buf_varint(out, s->source);
    buf_varint(out, s->label_count);
    for (uint32_t i = 0; i < s->label_count; i++) {
        record_text(out, label_index_text(&head->index, s->pairs[i].name));
        record_text(out, label_index_text(&head->index, s->pairs[i].value));
    }
}

/* Differences to the sample before, as most of a batch have one time and numbers in a row. */
void record_float(struct tsdb *tsdb, uint32_t id, int64_t t, double v, int64_t start_t)
{
    struct buf *out = &tsdb->float_record;
    char *p = buf_reserve(out, 48);
    if (p == NULL)
        return;
    uint64_t step = zigzag((int64_t)id - tsdb->record_id) << 1 | (start_t != 0);
    uint64_t dt = zigzag(t - tsdb->record_t);
    size_t n = 0;
    for (; step >= 128; step >>= 7)
        p[n++] = (char)(step | 128);
    p[n++] = (char)step;
    for (; dt >= 128; dt >>= 7)
        p[n++] = (char)(dt | 128);
    p[n++] = (char)dt;
    memcpy(p + n, &v, sizeof v);
    out->n += n + sizeof v;
    if (start_t != 0)
        buf_varint(out, zigzag(start_t - t));
    tsdb->record_id = id;
    tsdb->record_t = t;
}

static void record_labels(struct buf *out, const struct label *labels, size_t count)
{
    buf_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        record_text(out, labels[i].name);
        record_text(out, labels[i].value);
    }
}

/* With the series' labels: it may be gone from the head before its exemplars are. */
void record_exemplar(struct buf *out, const struct label *series, size_t series_count,
                     const struct label *labels, size_t count, int64_t t, double v)
{
    record_labels(out, series, series_count);
    buf_varint(out, zigzag(t));
    record_double(out, v);
    record_labels(out, labels, count);
}

static void record_side(struct buf *out, const struct histogram_side *side)
{
    buf_varint(out, side->n);
    for (size_t i = 0; i < side->n; i++) {
        buf_varint(out, zigzag(side->index[i]));
        record_double(out, side->count[i]);
    }
}

void record_histogram(struct buf *out, uint32_t id, int64_t t, const struct histogram *h, int64_t start_t)
{
    buf_varint(out, id);
    buf_varint(out, zigzag(t));
    buf_varint(out, zigzag(start_t));
    buf_u8(out, (uint8_t)h->hint);
    buf_varint(out, zigzag(h->schema));
    record_double(out, h->zero_threshold);
    record_double(out, h->zero_count);
    record_double(out, h->count);
    record_double(out, h->sum);
    buf_varint(out, h->bound_count);
    for (size_t i = 0; i < h->bound_count; i++)
        record_double(out, h->bounds[i]);
    record_side(out, &h->positive);
    record_side(out, &h->negative);
}

/* --- replay --- */

static int bad(struct err *err, const char *what)
{
    return err_set(err, TC_ECORRUPT, "the log of samples holds %s that cannot be", what);
}

uint32_t record_canonical(const struct tsdb *tsdb, uint32_t id)
{
    size_t low = 0, high = tsdb->alias_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tsdb->aliases[middle * 2] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tsdb->alias_count && tsdb->aliases[low * 2] == id ? tsdb->aliases[low * 2 + 1] : id;
}

/* A number that was given again, to a series whose earlier number is still in the log. */
static void add_alias(struct tsdb *tsdb, uint32_t from, uint32_t to)
{
    tsdb->aliases = tc_realloc(tsdb->aliases, (tsdb->alias_count + 1) * 2 * sizeof *tsdb->aliases);
    tsdb->aliases[tsdb->alias_count * 2] = from;
    tsdb->aliases[tsdb->alias_count * 2 + 1] = to;
    tsdb->alias_count++;
}

static int replay_series(struct tsdb *tsdb, struct reader *in, struct err *err)
{
    while (in->rest.n > 0) {
        struct label labels[TSDB_LABELS_MAX];
        uint64_t id = reader_varint(in), source = reader_varint(in), count = reader_varint(in);
        if (in->bad || id >= UINT32_MAX || source >= TSDB_SOURCES_MAX || count > TSDB_LABELS_MAX)
            return bad(err, "a series");
        for (uint64_t i = 0; i < count; i++) {
            labels[i].name = reader_text(in);
            labels[i].value = reader_text(in);
        }
        if (in->bad)
            return bad(err, "a series");
        if (source >= tsdb->head.source_count)
            source = 0;
        uint64_t hash = labels_items_hash(labels, count);
        uint32_t known = head_find(&tsdb->head, labels, count, hash);
        if (known == id)
            continue;
        if (id < tsdb->head.next_id) {
            if (record_canonical(tsdb, (uint32_t)id) == id)
                return bad(err, "a series' number");
        } else if (known != UINT32_MAX) {
            add_alias(tsdb, (uint32_t)id, known);
        } else {
            head_add(&tsdb->head, (uint32_t)id, (unsigned)source, labels, count, hash);
        }
    }
    return 0;
}

static struct head_series *replay_find(struct tsdb *tsdb, uint64_t id)
{
    return id >= UINT32_MAX ? NULL : head_series_of(&tsdb->head, record_canonical(tsdb, (uint32_t)id));
}

static int replay_floats(struct tsdb *tsdb, struct reader *in, struct err *err)
{
    int64_t id = 0, t = 0;
    while (in->rest.n > 0) {
        uint64_t step = reader_varint(in);
        id = (int64_t)((uint64_t)id + (uint64_t)unzigzag(step >> 1));
        t = (int64_t)((uint64_t)t + (uint64_t)unzigzag(reader_varint(in)));
        double v = reader_double(in);
        int64_t start_t = step & 1 ? (int64_t)((uint64_t)t + (uint64_t)unzigzag(reader_varint(in))) : 0;
        if (in->bad || id < 0)
            return bad(err, "a sample");
        bool fresh;
        struct head_series *s = replay_find(tsdb, (uint64_t)id);
        if (s != NULL) /* else it was removed: a block has all it had */
            (void)head_float(&tsdb->head, s, t, v, start_t, &fresh);
    }
    return 0;
}

static bool read_side(struct reader *in, struct histogram_side *side, struct arena *arena)
{
    side->n = reader_varint(in);
    if (in->bad || side->n > CHUNK_BUCKETS_MAX)
        return false;
    side->index = ARENA_ARRAY(arena, int32_t, side->n + 1);
    side->count = ARENA_ARRAY(arena, double, side->n + 1);
    for (size_t i = 0; i < side->n; i++) {
        side->index[i] = (int32_t)unzigzag(reader_varint(in));
        side->count[i] = reader_double(in);
    }
    return !in->bad;
}

bool record_read_histogram(struct reader *in, struct arena *arena, uint64_t *ret_id, int64_t *ret_t,
                           int64_t *ret_start_t, struct histogram *h)
{
    *h = (struct histogram){0};
    *ret_id = reader_varint(in);
    *ret_t = unzigzag(reader_varint(in));
    *ret_start_t = unzigzag(reader_varint(in));
    h->hint = (enum counter_reset_hint)(reader_u8(in) & 3);
    h->schema = (int32_t)unzigzag(reader_varint(in));
    h->zero_threshold = reader_double(in);
    h->zero_count = reader_double(in);
    h->count = reader_double(in);
    h->sum = reader_double(in);
    h->bound_count = reader_varint(in);
    if (in->bad || h->bound_count > CHUNK_BUCKETS_MAX)
        return false;
    double *bounds = ARENA_ARRAY(arena, double, h->bound_count + 1);
    for (size_t i = 0; i < h->bound_count; i++)
        bounds[i] = reader_double(in);
    h->bounds = h->bound_count > 0 ? bounds : NULL;
    return read_side(in, &h->positive, arena) && read_side(in, &h->negative, arena);
}

static int replay_histograms(struct tsdb *tsdb, struct reader *in, struct err *err)
{
    struct arena arena = {0};
    int rc = 0;
    while (in->rest.n > 0 && rc == 0) {
        arena_reset(&arena);
        struct histogram h;
        uint64_t id;
        int64_t t, start_t;
        if (!record_read_histogram(in, &arena, &id, &t, &start_t, &h)) {
            rc = bad(err, "a histogram");
            break;
        }
        bool fresh;
        struct head_series *s = replay_find(tsdb, id);
        if (s != NULL)
            (void)head_histogram(&tsdb->head, s, t, &h, start_t, &fresh);
    }
    arena_free(&arena);
    return rc;
}

/* The open chunk is filled again sample by sample, so that it can go on. */
static int reopen(struct tsdb *tsdb, struct head_series *s, struct sv bytes, uint32_t count, struct err *err)
{
    struct arena arena = {0};
    struct chunk_columns c;
    char *padded = arena_alloc(&arena, bytes.n + BITS_SLACK);
    memcpy(padded, bytes.p, bytes.n);
    chunk_columns_init(&c, &arena, count);
    int rc = chunk_decode(sv_make(padded, bytes.n), &arena, &c, err);
    for (size_t i = 0; rc == 0 && i < c.n; i++) {
        bool fresh;
        if (c.h[i] != NULL)
            (void)head_histogram(&tsdb->head, s, c.t[i], c.h[i], c.st[i], &fresh);
        else
            (void)head_float(&tsdb->head, s, c.t[i], c.f[i], c.st[i], &fresh);
    }
    arena_free(&arena);
    return rc;
}

static int load_state(struct tsdb *tsdb, struct reader *in, struct err *err)
{
    while (in->rest.n > 0) {
        struct head_series *s = replay_find(tsdb, reader_varint(in));
        uint64_t chunks = reader_varint(in);
        bool has_open = reader_u8(in) != 0;
        if (in->bad || s == NULL || chunks > BLOCK_SERIES_CHUNKS_MAX)
            return bad(err, "a series' state");
        for (uint64_t i = 0; i < chunks; i++) {
            struct head_chunk c = {.min_t = unzigzag(reader_varint(in)),
                                   .max_t = unzigzag(reader_varint(in))};
            c.count = (uint32_t)reader_varint(in);
            struct sv bytes = reader_text(in);
            if (in->bad || bytes.n > UINT32_MAX - BITS_SLACK || c.count > CHUNK_SAMPLES)
                return bad(err, "a chunk");
            if (has_open && i + 1 == chunks) {
                int rc = reopen(tsdb, s, bytes, c.count, err);
                if (rc != 0)
                    return rc;
                continue;
            }
            c.n = (uint32_t)bytes.n;
            c.bytes = tc_alloc(bytes.n + BITS_SLACK);
            memcpy(c.bytes, bytes.p, bytes.n);
            head_attach(&tsdb->head, s, &c);
        }
        uint64_t late = reader_varint(in);
        for (uint64_t i = 0; i < late && !in->bad; i++) {
            int64_t t = unzigzag(reader_varint(in)), start_t = unzigzag(reader_varint(in));
            double v = reader_double(in);
            bool fresh;
            if (!in->bad)
                (void)head_float(&tsdb->head, s, t, v, start_t, &fresh);
        }
        if (in->bad)
            return bad(err, "a series' state");
    }
    return 0;
}

static int replay_sources(struct tsdb *tsdb, struct reader *in, struct err *err)
{
    while (in->rest.n > 0) {
        uint64_t number = reader_varint(in);
        struct sv name = reader_text(in);
        if (in->bad)
            return bad(err, "a source");
        unsigned got = head_source(&tsdb->head, name);
        if (got != number)
            return bad(err, "a source's number");
    }
    return 0;
}

void record_part(struct buf *out, unsigned kind, struct sv payload)
{
    buf_u8(out, (uint8_t)kind);
    buf_u32(out, (uint32_t)payload.n);
    buf_sv(out, payload);
}

static int replay_batch(struct tsdb *tsdb, struct reader *in, struct err *err)
{
    while (in->rest.n > 0) {
        unsigned kind = reader_u8(in);
        struct sv payload = reader_bytes(in, reader_u32(in));
        if (in->bad || kind == RECORD_BATCH)
            return bad(err, "a batch");
        int rc = record_replay(tsdb, kind, payload, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* False where there are too many, or the frame ends before them. */
bool record_read_labels(struct reader *in, struct label labels[TSDB_LABELS_MAX], size_t *ret_count)
{
    uint64_t count = reader_varint(in);
    if (count > TSDB_LABELS_MAX)
        return false;
    for (*ret_count = 0; *ret_count < count; ++*ret_count)
        labels[*ret_count] = (struct label){reader_text(in), reader_text(in)};
    return !in->bad;
}

static int replay_exemplars(struct tsdb *tsdb, struct reader *in, struct err *err)
{
    struct label series[TSDB_LABELS_MAX], labels[TSDB_LABELS_MAX];
    size_t series_count, count;
    bool fresh;
    while (in->rest.n > 0) {
        if (!record_read_labels(in, series, &series_count))
            return bad(err, "an exemplar's series");
        int64_t t = unzigzag(reader_varint(in));
        double v = reader_double(in);
        if (!record_read_labels(in, labels, &count))
            return bad(err, "an exemplar");
        (void)exemplars_add(tsdb->exemplars, series, series_count, labels, count, t, v, &fresh);
    }
    return 0;
}

/* Exemplars go at once. */
static int replay_deletion(struct tsdb *tsdb, struct sv payload, struct err *err)
{
    uint64_t before = tsdb->tombstones.sequence;
    int rc = tombstones_replay(&tsdb->tombstones, payload, err);
    if (tsdb->tombstones.sequence > before)
        exemplars_erase(tsdb->exemplars, &tsdb->tombstones);
    return rc;
}

int record_replay(void *context, unsigned kind, struct sv payload, struct err *err)
{
    struct tsdb *tsdb = context;
    struct reader in = reader_of(payload);
    switch (kind) {
    case RECORD_SERIES:
        return replay_series(tsdb, &in, err);
    case RECORD_FLOATS:
        return replay_floats(tsdb, &in, err);
    case RECORD_HISTOGRAMS:
        return replay_histograms(tsdb, &in, err);
    case RECORD_SOURCE:
        return replay_sources(tsdb, &in, err);
    case RECORD_STATE:
        return load_state(tsdb, &in, err);
    case RECORD_META:
        tsdb->head.min_valid = TC_MAX(tsdb->head.min_valid, (int64_t)reader_u64(&in));
        return 0;
    case RECORD_EXEMPLARS:
        return replay_exemplars(tsdb, &in, err);
    case RECORD_BATCH:
        return replay_batch(tsdb, &in, err);
    case RECORD_DELETION:
        return replay_deletion(tsdb, payload, err);
    case RECORD_END:
        head_reserve(&tsdb->head, (uint32_t)TC_MIN(reader_u64(&in), (uint64_t)UINT32_MAX - 1));
        return 0;
    default:
        return bad(err, "a kind of record");
    }
}

/* --- snapshots --- */

static void record_state(struct buf *out, const struct head_series *s)
{
    bool has_open = s->open.p != NULL;
    buf_varint(out, s->id);
    buf_varint(out, s->closed_count + has_open);
    buf_u8(out, has_open);
    for (uint32_t i = 0; i < s->closed_count; i++) {
        buf_varint(out, zigzag(s->closed[i].min_t));
        buf_varint(out, zigzag(s->closed[i].max_t));
        buf_varint(out, s->closed[i].count);
        record_text(out, sv_make(s->closed[i].bytes, s->closed[i].n));
    }
    if (has_open) {
        buf_varint(out, zigzag(s->open.min_t));
        buf_varint(out, zigzag(s->last_t));
        buf_varint(out, s->open.count);
        record_text(out, chunk_view(&s->open));
    }
    uint32_t late = s->late == NULL ? 0 : s->late->n;
    buf_varint(out, late);
    for (uint32_t i = 0; i < late; i++) {
        buf_varint(out, zigzag(s->late->items[i].t));
        buf_varint(out, zigzag(s->late->items[i].start_t));
        record_double(out, s->late->items[i].v);
    }
}

static void snapshot_path(const char *dir, uint64_t number, char out[WAL_PATH_MAX])
{
    snprintf(out, WAL_PATH_MAX, "%s/%08llu.snapshot", dir, (unsigned long long)number);
}

static void write_series(struct tsdb *tsdb, struct wal_file *file)
{
    struct buf series, state;
    buf_init(&series, WAL_PAYLOAD_MAX);
    buf_init(&state, WAL_PAYLOAD_MAX);
    for (uint32_t id = 0;;) {
        pthread_rwlock_rdlock(&tsdb->lock);
        uint32_t end = tsdb->head.next_id;
        for (unsigned i = 0; id < end && i < SLICE_SERIES; i++, id++) {
            const struct head_series *s = tsdb->head.series[id];
            if (s == NULL)
                continue;
            record_series(&series, &tsdb->head, s);
            record_state(&state, s);
            if (state.n >= SNAPSHOT_FRAME_BYTES) {
                id++;
                break;
            }
        }
        pthread_rwlock_unlock(&tsdb->lock);
        if (series.overflow || state.overflow)
            file->rc = -EFBIG; /* a series with more than a frame holds: the log stays as it is */
        if (series.n > 0) {
            wal_file_put(file, RECORD_SERIES, buf_view(&series));
            wal_file_put(file, RECORD_STATE, buf_view(&state));
            buf_clear(&series);
            buf_clear(&state);
        }
        if (id >= end)
            break;
    }
    buf_free(&series);
    buf_free(&state);
}

struct exemplar_frames {
    struct buf bytes;
    size_t *ends; /* of frames in `bytes` */
    size_t n;
};

static void end_frame(struct exemplar_frames *frames)
{
    frames->ends = tc_realloc(frames->ends, (frames->n + 1) * sizeof *frames->ends);
    frames->ends[frames->n++] = frames->bytes.n;
}

static void gather_exemplar(void *context, const struct labels *series, const struct tsdb_exemplar *exemplar)
{
    struct exemplar_frames *frames = context;
    record_exemplar(&frames->bytes, series->items, series->count, exemplar->labels->items,
                    exemplar->labels->count, exemplar->t, exemplar->v);
    if (frames->bytes.n - (frames->n == 0 ? 0 : frames->ends[frames->n - 1]) >= SNAPSHOT_FRAME_BYTES)
        end_frame(frames);
}

/* Gathered under the lock, written without it. */
static void write_exemplars(struct tsdb *tsdb, struct wal_file *file)
{
    struct exemplar_frames frames = {0};
    buf_init(&frames.bytes, SIZE_MAX >> 1);
    pthread_rwlock_rdlock(&tsdb->lock);
    exemplars_each(tsdb->exemplars, gather_exemplar, &frames);
    pthread_rwlock_unlock(&tsdb->lock);
    end_frame(&frames);
    for (size_t i = 0, from = 0; i < frames.n; from = frames.ends[i++])
        if (frames.ends[i] > from)
            wal_file_put(file, RECORD_EXEMPLARS, sv_make(frames.bytes.p + from, frames.ends[i] - from));
    buf_free(&frames.bytes);
    free(frames.ends);
}

/* As one deletion. */
static void write_tombstones(struct tsdb *tsdb, struct wal_file *file)
{
    struct buf out;
    bool first = true;
    buf_init(&out, WAL_PAYLOAD_MAX);
    pthread_rwlock_rdlock(&tsdb->lock);
    const struct tombstones *t = &tsdb->tombstones;
    for (size_t i = 0; i < t->count; i++) {
        if (out.n == 0)
            tombstones_record_begin(&out, first);
        tombstones_record(&out, t->items[i].labels->items, t->items[i].labels->count, t->items[i].stretches,
                          t->items[i].n);
        if (i + 1 == t->count)
            tombstones_record_end(&out);
        if (out.overflow)
            file->rc = -EFBIG;
        if (i + 1 == t->count || out.n >= SNAPSHOT_FRAME_BYTES) {
            wal_file_put(file, RECORD_DELETION, buf_view(&out));
            buf_clear(&out);
            first = false;
        }
    }
    pthread_rwlock_unlock(&tsdb->lock);
    buf_free(&out);
}

static void write_number(struct wal_file *file, unsigned kind, uint64_t v)
{
    char bytes[8];
    store_u64(bytes, v);
    wal_file_put(file, kind, sv_make(bytes, sizeof bytes));
}

int snapshot_write(struct tsdb *tsdb, const char *dir, uint64_t number, bool with_series, struct err *err)
{
    const struct fs *fs = tsdb->options.fs;
    char path[WAL_PATH_MAX], fresh[WAL_PATH_MAX + 8];
    snapshot_path(dir, number, path);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    struct wal_file file;
    int rc = wal_file_create(fs, tsdb->options.rng, fresh, &file);
    if (file.file < 0)
        return wal_sys(err, rc, "cannot create", fresh);
    struct buf sources;
    buf_init(&sources, WAL_PAYLOAD_MAX);
    pthread_rwlock_rdlock(&tsdb->lock);
    for (unsigned i = 0; i < tsdb->head.source_count; i++)
        record_source(&sources, i, sv_of(tsdb->head.sources[i].name));
    int64_t min_valid = tsdb->head.min_valid;
    pthread_rwlock_unlock(&tsdb->lock);
    wal_file_put(&file, RECORD_SOURCE, buf_view(&sources));
    buf_free(&sources);
    write_number(&file, RECORD_META, (uint64_t)min_valid);
    if (with_series) {
        write_series(tsdb, &file);
        write_exemplars(tsdb, &file);
    }
    write_tombstones(tsdb, &file);
    pthread_rwlock_rdlock(&tsdb->lock);
    uint32_t next_id = tsdb->head.next_id;
    pthread_rwlock_unlock(&tsdb->lock);
    write_number(&file, RECORD_END, next_id);
    rc = wal_file_finish(&file);
    if (rc == 0)
        rc = fs->rename(fs, fresh, path);
    if (rc == 0)
        rc = fs->sync_dir(fs, dir);
    if (rc < 0) {
        fs->unlink(fs, fresh);
        return wal_sys(err, rc, "cannot write", path);
    }
    return 0;
}

struct snapshots {
    const struct tsdb *tsdb;
    uint64_t newest, drop[64];
    size_t drop_count;
};

static void note_snapshot(void *context, const char *name)
{
    struct snapshots *found = context;
    struct sv text = sv_of(name);
    uint64_t number;
    if (text.n != 17 || !sv_ends(text, SV(".snapshot")) || !num_u64(sv_head(text, 8), 0, 99999999, &number))
        return;
    uint64_t old = TC_MIN(found->newest, number);
    if (old != 0 && found->drop_count < TC_ARRAY_LEN(found->drop))
        found->drop[found->drop_count++] = old;
    found->newest = TC_MAX(found->newest, number);
}

int snapshot_load(struct tsdb *tsdb, uint64_t *ret_number, struct err *err)
{
    const struct fs *fs = tsdb->options.fs;
    struct snapshots found = {.tsdb = tsdb};
    char path[WAL_PATH_MAX];
    int rc = fs->list(fs, tsdb->wal_dir, note_snapshot, &found);
    if (rc < 0)
        return wal_sys(err, rc, "cannot list", tsdb->wal_dir);
    *ret_number = found.newest;
    for (size_t i = 0; i < found.drop_count; i++) {
        snapshot_path(tsdb->wal_dir, found.drop[i], path);
        fs->unlink(fs, path); /* one that stays is dropped the next time */
    }
    if (found.newest == 0)
        return 0;
    uint64_t good, size;
    snapshot_path(tsdb->wal_dir, found.newest, path);
    rc = wal_file_read(fs, path, false, record_replay, tsdb, &good, &size, err);
    return rc;
}
