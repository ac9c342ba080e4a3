/*
 * The store's life and its appenders; see tsdb.h. Queries are in tsdb_query.c, blocks and time's passing in
 * tsdb_maintain.c.
 */
#include "metrics/tsdb/follow.h"
#include "metrics/tsdb/tsdb_priv.h"

#include "base/metric_text.h"
#include "metrics/personal.h"

#include <stdlib.h>

enum {
    KNOWN_FIRST = 1 << 12,
    RECORD_BYTES = 32 << 20,        /* of one kind in one frame; then the next frame begins */
    BATCH_SERIES_BYTES = 256 << 20, /* of records; past it a batch makes no new series */
};

static const char *const outcome_texts[TSDB_OUTCOMES] = {
    [TSDB_OK] = "ok",
    [TSDB_DUPLICATE] = "duplicate sample for timestamp",
    [TSDB_OUT_OF_ORDER] = "out of order sample",
    [TSDB_TOO_OLD] = "too old sample",
    [TSDB_OUT_OF_BOUNDS] = "out of bounds",
    [TSDB_TOO_FAR] = "out of bounds: timestamp is too far in the future",
    [TSDB_SERIES_LIMIT] =
        "the store's limit of series is reached: raise metrics.series_limit, or send fewer series",
    [TSDB_SOURCE_LIMIT] =
        "the source's limit of series is reached: raise metrics.source_series_limit, or send fewer series",
    [TSDB_LATE_LIMIT] = "too many samples wait out of order",
    [TSDB_BAD_LABELS] = "invalid label set",
    [TSDB_PERSONAL] = "a label holds personal data or a secret, which must not become a label",
};

const char *tsdb_outcome_text(enum tsdb_outcome outcome)
{
    return outcome_texts[outcome];
}

static void set_defaults(struct tsdb_options *o)
{
    static const uint64_t mib = 1 << 20;
    o->series_max = o->series_max == 0 ? 2000000 : o->series_max;
    o->source_series_max = o->source_series_max == 0 ? o->series_max : o->source_series_max;
    o->out_of_order_max = o->out_of_order_max == 0 ? 4000000 : o->out_of_order_max;
    o->exemplars_max = o->exemplars_max == 0 ? 100000 : o->exemplars_max;
    o->block_ms = o->block_ms == 0 ? 2 * 3600 * 1000 : o->block_ms;
    o->out_of_order_ms = TC_MIN(o->out_of_order_ms, o->block_ms / 2);
    o->retention_ms = o->retention_ms == 0 ? INT64_C(15) * 24 * 3600 * 1000 : o->retention_ms;
    o->segment_bytes = o->segment_bytes == 0 ? 128 * mib : o->segment_bytes;
    o->queue_bytes = o->queue_bytes == 0 ? 64 * mib : o->queue_bytes;
    o->index_cache_bytes = o->index_cache_bytes == 0 ? 256 * mib : o->index_cache_bytes;
}

static char *join(const char *dir, const char *name)
{
    struct buf path;
    buf_init(&path, WAL_PATH_MAX);
    buf_printf(&path, "%s/%s", dir, name);
    buf_char(&path, '\0');
    return path.p;
}

static int make_dirs(struct tsdb *tsdb, struct err *err)
{
    int rc = fs_make_dirs(tsdb->options.fs, tsdb->wal_dir, err);
    return rc != 0 ? rc : fs_make_dirs(tsdb->options.fs, tsdb->blocks_dir, err);
}

static int recover(struct tsdb *tsdb, uint64_t *ret_cut_bytes, struct err *err)
{
    uint64_t first;
    bool outgoing = tsdb->options.outgoing_bytes_max > 0;
    tsdb->head.replaying = true;
    int rc = outgoing ? outgoing_load(tsdb, err) : blocks_load(tsdb, err);
    if (rc == 0)
        rc = snapshot_load(tsdb, &first, err);
    struct wal_options options = {.fs = tsdb->options.fs,
                                  .rng = tsdb->options.rng,
                                  .dir = tsdb->wal_dir,
                                  .segment_bytes = tsdb->options.segment_bytes,
                                  .queue_bytes = tsdb->options.queue_bytes,
                                  .background = tsdb->options.background};
    if (rc == 0)
        rc = wal_open(&options, first, record_replay, tsdb, &tsdb->wal, ret_cut_bytes, err);
    tsdb->head.replaying = false;
    if (rc != 0)
        return rc;
    /* What blocks have by now. */
    if (tsdb->head.min_valid != INT64_MIN)
        head_truncate(&tsdb->head, tsdb->head.min_valid, 0, tsdb->head.next_id);
    if (outgoing)
        return outgoing_recovered(tsdb, err); /* which needs the aliases */
    tsdb->snapshot_due = tsdb->block_count > 0 && wal_stats(tsdb->wal).segments > 2;
    free(tsdb->aliases);
    tsdb->aliases = NULL;
    tsdb->alias_count = 0;
    return 0;
}

int tsdb_open(const struct tsdb_options *options, struct tsdb **ret, uint64_t *ret_cut_bytes, struct err *err)
{
    struct tsdb *tsdb = tc_alloc(sizeof *tsdb);
    tsdb->options = *options;
    set_defaults(&tsdb->options);
    tsdb->dir = tc_strdup(options->dir);
    tsdb->wal_dir = join(options->dir, "wal");
    tsdb->blocks_dir = join(options->dir, "blocks");
    pthread_rwlock_init(&tsdb->lock, NULL);
    pthread_mutex_init(&tsdb->blocks_lock, NULL);
    head_init(&tsdb->head);
    tsdb->head.block_ms = tsdb->options.block_ms;
    tsdb->head.out_of_order_ms = tsdb->options.out_of_order_ms;
    tsdb->head.series_max = tsdb->options.series_max;
    tsdb->head.source_series_max = tsdb->options.source_series_max;
    tsdb->head.out_of_order_max = tsdb->options.out_of_order_max;
    buf_init(&tsdb->series_record, WAL_PAYLOAD_MAX);
    buf_init(&tsdb->source_record, WAL_PAYLOAD_MAX);
    buf_init(&tsdb->float_record, WAL_PAYLOAD_MAX);
    buf_init(&tsdb->histogram_record, WAL_PAYLOAD_MAX);
    buf_init(&tsdb->exemplar_record, WAL_PAYLOAD_MAX);
    buf_init(&tsdb->batch_record, WAL_PAYLOAD_MAX);
    tsdb->exemplars = exemplars_new(tsdb->options.exemplars_max);
    tombstones_init(&tsdb->tombstones);
    tsdb->known_slots = KNOWN_FIRST;
    tsdb->known = tc_alloc(tsdb->known_slots * sizeof *tsdb->known);
    tsdb->known_seed = rng_u64(options->rng);
    tsdb->next_block = 1;
    uint64_t cut = 0;
    int rc = make_dirs(tsdb, err);
    if (rc == 0)
        rc = recover(tsdb, &cut, err);
    if (rc != 0) {
        tsdb_close(&tsdb);
        return rc;
    }
    if (ret_cut_bytes != NULL)
        *ret_cut_bytes = cut;
    *ret = tsdb;
    return 0;
}

void tsdb_close(struct tsdb **ret)
{
    struct tsdb *tsdb = *ret;
    if (tsdb == NULL)
        return;
    wal_close(&tsdb->wal);
    for (size_t i = 0; i < tsdb->block_count; i++)
        block_unref(&tsdb->blocks[i]);
    free(tsdb->blocks);
    head_free(&tsdb->head);
    follow_free(&tsdb->follow);
    buf_free(&tsdb->series_record);
    buf_free(&tsdb->source_record);
    buf_free(&tsdb->float_record);
    buf_free(&tsdb->histogram_record);
    buf_free(&tsdb->exemplar_record);
    buf_free(&tsdb->batch_record);
    exemplars_free(&tsdb->exemplars);
    tombstones_free(&tsdb->tombstones);
    free(tsdb->known);
    free(tsdb->aliases);
    pthread_mutex_destroy(&tsdb->blocks_lock);
    pthread_rwlock_destroy(&tsdb->lock);
    free(tsdb->dir);
    free(tsdb->wal_dir);
    free(tsdb->blocks_dir);
    free(tsdb);
    *ret = NULL;
}

unsigned tsdb_source(struct tsdb *tsdb, struct sv name)
{
    pthread_rwlock_wrlock(&tsdb->lock);
    unsigned before = tsdb->head.source_count, source = head_source(&tsdb->head, name);
    if (tsdb->head.source_count > before) {
        record_source(&tsdb->source_record, source, name);
        wal_put(tsdb->wal, RECORD_SOURCE, buf_view(&tsdb->source_record));
        buf_clear(&tsdb->source_record);
    }
    pthread_rwlock_unlock(&tsdb->lock);
    return source;
}

/* --- appending --- */

int tsdb_begin(struct tsdb *tsdb, unsigned source, int64_t max_t, struct tsdb_appender *ret, struct err *err)
{
    if (tsdb->options.outgoing_bytes_max > 0 && !outgoing_has_room(tsdb))
        return err_set(err, TC_EAGAIN,
                       "the queue to the remote store is full: it is down or slow; try again later");
    if (!wal_has_room(tsdb->wal)) {
        if (wal_stats(tsdb->wal).failed)
            return err_set(err, TC_EIO,
                           "the log of samples has stopped after an earlier error: restart the server");
        return err_set(err, TC_EAGAIN, "the log of samples has more to write than it may hold: try again");
    }
    pthread_rwlock_wrlock(&tsdb->lock);
    *ret = (struct tsdb_appender){tsdb, source, max_t};
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Sorted, without empty values. False where names are equal, or too much of anything. */
static bool tidy(struct label *labels, size_t *count)
{
    size_t kept = 0, bytes = 0;
    bool sorted = true;
    for (size_t i = 0; i < *count; i++) {
        if (labels[i].value.n == 0)
            continue;
        labels[kept] = labels[i];
        sorted = sorted && (kept == 0 || sv_cmp(labels[kept - 1].name, labels[kept].name) < 0);
        bytes += labels[kept].name.n + labels[kept].value.n;
        kept++;
    }
    *count = kept;
    if (kept > TSDB_LABELS_MAX || bytes > TSDB_LABEL_BYTES_MAX || kept == 0)
        return false;
    if (!sorted)
        qsort(labels, kept, sizeof *labels, by_name);
    for (size_t i = 0; i < kept; i++)
        if (!label_name_is_valid(labels[i].name) || (i > 0 && sv_eq(labels[i - 1].name, labels[i].name)))
            return false;
    return true;
}

static enum tsdb_outcome counted(struct tsdb *tsdb, enum tsdb_outcome outcome)
{
    tsdb->outcomes[outcome]++;
    return outcome;
}

void tsdb_count_refused(struct tsdb *tsdb, enum tsdb_outcome outcome)
{
    pthread_rwlock_wrlock(&tsdb->lock);
    (void)counted(tsdb, outcome);
    pthread_rwlock_unlock(&tsdb->lock);
}

/* Series stand before their samples. What a batch has of several kinds goes into one frame, so that after a
 * crash it is there whole or not at all; only one that no frame holds is torn. */
static void put_records(struct tsdb *tsdb)
{
    const struct {
        unsigned kind;
        struct buf *record;
    } parts[] = {{RECORD_SERIES, &tsdb->series_record},
                 {RECORD_FLOATS, &tsdb->float_record},
                 {RECORD_HISTOGRAMS, &tsdb->histogram_record},
                 {RECORD_EXEMPLARS, &tsdb->exemplar_record}};
    size_t kinds = 0, bytes = 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(parts); i++) {
        kinds += parts[i].record->n > 0;
        bytes += parts[i].record->n + RECORD_PART_BYTES;
    }
    bool whole = kinds > 1 && bytes <= WAL_PAYLOAD_MAX;
    for (size_t i = 0; i < TC_ARRAY_LEN(parts); i++) {
        struct buf *record = parts[i].record;
        if (record->n > 0 && whole)
            record_part(&tsdb->batch_record, parts[i].kind, buf_view(record));
        else if (record->n > 0)
            wal_put(tsdb->wal, parts[i].kind, buf_view(record));
        buf_clear(record);
    }
    if (whole)
        wal_put(tsdb->wal, RECORD_BATCH, buf_view(&tsdb->batch_record));
    buf_clear(&tsdb->batch_record);
    tsdb->batch_bytes += kinds > 0 ? bytes : 0;
    tsdb->record_t = 0;
    tsdb->record_id = 0;
}

static void put_full_records(struct tsdb *tsdb)
{
    if (tsdb->series_record.n > RECORD_BYTES || tsdb->float_record.n > RECORD_BYTES ||
        tsdb->histogram_record.n > RECORD_BYTES || tsdb->exemplar_record.n > RECORD_BYTES)
        put_records(tsdb);
}

static void resolve_alias(const struct tsdb_options *o, struct label *labels, size_t count)
{
    for (size_t i = 0; i < count && o->alias_count > 0; i++) {
        if (!sv_eq(labels[i].name, METRIC_NAME))
            continue;
        struct label key = {.name = labels[i].value};
        const struct label *alias = bsearch(&key, o->aliases, o->alias_count, sizeof key, by_name);
        if (alias != NULL)
            labels[i].value = alias->value;
    }
}

enum tsdb_outcome tsdb_series(struct tsdb_appender *a, struct label *labels, size_t count,
                              uint32_t *ret_series)
{
    struct tsdb *tsdb = a->tsdb;
    struct head *head = &tsdb->head;
    resolve_alias(&tsdb->options, labels, count);
    if (!tidy(labels, &count))
        return counted(tsdb, TSDB_BAD_LABELS);
    uint64_t hash = labels_items_hash(labels, count);
    uint32_t id = head_find(head, labels, count, hash);
    if (id == UINT32_MAX) {
        struct head_source *source = &head->sources[a->source];
        if (head->live >= head->series_max || head->next_id == UINT32_MAX - 1 ||
            tsdb->batch_bytes > BATCH_SERIES_BYTES)
            return counted(tsdb, TSDB_SERIES_LIMIT);
        if (source->series >= head->source_series_max) {
            source->refused++;
            return counted(tsdb, TSDB_SOURCE_LIMIT);
        }
        if (labels_hold_personal(labels, count))
            return counted(tsdb, TSDB_PERSONAL);
        id = head_add(head, head->next_id, a->source, labels, count, hash);
        record_series(&tsdb->series_record, head, head->series[id]);
        put_full_records(tsdb);
    }
    *ret_series = id;
    return TSDB_OK;
}

struct hash_128 tsdb_key(const struct tsdb_appender *a, struct sv key)
{
    const struct tsdb *tsdb = a->tsdb;
    struct hash_128 hash = hash_128_seed(key, tsdb->known_seed);
    __builtin_prefetch(&tsdb->known[hash.low & (tsdb->known_slots - 1)]);
    return hash;
}

bool tsdb_known(struct tsdb_appender *a, struct hash_128 hash, uint32_t *ret_series)
{
    const struct tsdb *tsdb = a->tsdb;
    for (size_t at = hash.low & (tsdb->known_slots - 1);; at = (at + 1) & (tsdb->known_slots - 1)) {
        const struct known *k = &tsdb->known[at];
        if (k->series == 0)
            return false;
        if (k->low == hash.low && k->high == hash.high) {
            *ret_series = k->series - 1;
            return head_series_of(&tsdb->head, *ret_series) != NULL;
        }
    }
}

void tsdb_expect(const struct tsdb_appender *a, uint32_t series, unsigned step)
{
    const struct head *head = &a->tsdb->head;
    const struct head_series *s = head->series[series];
    if (step == 0) {
        for (size_t at = 0; at < sizeof *s; at += 64)
            __builtin_prefetch((const char *)s + at, 1);
    } else if (s->open.p != NULL) {
        __builtin_prefetch(s->open.p, 1); /* its header counts samples */
        __builtin_prefetch(s->open.p + (s->open.bits >> 3), 1);
    }
}

static void put_known(struct known *table, size_t slots, const struct known *entry)
{
    size_t at = entry->low & (slots - 1);
    while (table[at].series != 0 && (table[at].low != entry->low || table[at].high != entry->high))
        at = (at + 1) & (slots - 1);
    table[at] = *entry;
}

/* Bounded by the limit of series: past twice as many it starts anew. */
void tsdb_know(struct tsdb_appender *a, struct hash_128 hash, uint32_t series)
{
    struct tsdb *tsdb = a->tsdb;
    if (tsdb->known_count * 2 >= tsdb->known_slots) {
        bool anew = tsdb->known_count >= tsdb->head.series_max * 2;
        size_t slots = anew ? tsdb->known_slots : tsdb->known_slots * 2;
        struct known *table = tc_alloc(slots * sizeof *table);
        tsdb->known_count = 0;
        for (size_t i = 0; i < tsdb->known_slots && !anew; i++) {
            if (tsdb->known[i].series == 0 || head_series_of(&tsdb->head, tsdb->known[i].series - 1) == NULL)
                continue;
            put_known(table, slots, &tsdb->known[i]);
            tsdb->known_count++;
        }
        free(tsdb->known);
        tsdb->known = table;
        tsdb->known_slots = slots;
    }
    put_known(tsdb->known, tsdb->known_slots, &(struct known){hash.low, hash.high, series + 1});
    tsdb->known_count++;
}

enum tsdb_outcome tsdb_float(struct tsdb_appender *a, uint32_t series, int64_t t, double v, int64_t start_t)
{
    struct tsdb *tsdb = a->tsdb;
    if (t > a->max_t)
        return counted(tsdb, TSDB_TOO_FAR);
    bool fresh;
    struct head_series *s = tsdb->head.series[series];
    enum tsdb_outcome outcome = head_float(&tsdb->head, s, t, v, start_t, &fresh);
    if (fresh) {
        if (TC_UNLIKELY(s->followed))
            follow_note(tsdb, s, t, v, false, start_t != 0);
        record_float(tsdb, series, t, v, start_t);
        put_full_records(tsdb);
    }
    return counted(tsdb, outcome);
}

enum tsdb_outcome tsdb_histogram(struct tsdb_appender *a, uint32_t series, int64_t t,
                                 const struct histogram *h, int64_t start_t)
{
    struct tsdb *tsdb = a->tsdb;
    if (t > a->max_t)
        return counted(tsdb, TSDB_TOO_FAR);
    if (h->positive.n + h->negative.n + h->bound_count > CHUNK_BUCKETS_MAX)
        return counted(tsdb, TSDB_BAD_LABELS);
    bool fresh;
    struct head_series *s = tsdb->head.series[series];
    enum tsdb_outcome outcome = head_histogram(&tsdb->head, s, t, h, start_t, &fresh);
    if (fresh) {
        if (s->followed)
            follow_note(tsdb, s, t, h->sum, true, start_t != 0);
        record_histogram(&tsdb->histogram_record, series, t, h, start_t);
        put_full_records(tsdb);
    }
    return counted(tsdb, outcome);
}

enum tsdb_outcome tsdb_exemplar(struct tsdb_appender *a, uint32_t series, struct label *labels, size_t count,
                                int64_t t, double v)
{
    struct tsdb *tsdb = a->tsdb;
    const struct head_series *s = tsdb->head.series[series];
    struct label items[TSDB_LABELS_MAX];
    bool fresh;
    if (t > a->max_t)
        return TSDB_TOO_FAR;
    if (count > 0 && !tidy(labels, &count) && count > 0)
        return TSDB_BAD_LABELS;
    if (labels_hold_personal(labels, count))
        return counted(tsdb, TSDB_PERSONAL);
    for (uint32_t i = 0; i < s->label_count; i++)
        items[i] = (struct label){label_index_text(&tsdb->head.index, s->pairs[i].name),
                                  label_index_text(&tsdb->head.index, s->pairs[i].value)};
    enum tsdb_outcome outcome =
        exemplars_add(tsdb->exemplars, items, s->label_count, labels, count, t, v, &fresh);
    if (fresh) {
        record_exemplar(&tsdb->exemplar_record, items, s->label_count, labels, count, t, v);
        put_full_records(tsdb);
    }
    return outcome;
}

void tsdb_exemplars(struct tsdb *tsdb, const struct tsdb_selector *selectors, size_t count, int64_t min_t,
                    int64_t max_t, struct arena *arena, struct tsdb_exemplar_series **ret, size_t *ret_count)
{
    pthread_rwlock_rdlock(&tsdb->lock);
    exemplars_select(tsdb->exemplars, selectors, count, min_t, max_t, arena, ret, ret_count);
    pthread_rwlock_unlock(&tsdb->lock);
}

void tsdb_commit(struct tsdb_appender *a, wal_done_fn done, void *context)
{
    struct tsdb *tsdb = a->tsdb;
    put_records(tsdb);
    tsdb->batch_bytes = 0;
    pthread_rwlock_unlock(&tsdb->lock);
    /* Also where nothing is new: it may stand in the queue still. And where nobody waits: what stands there
     * must not stand until somebody does. */
    wal_wait(tsdb->wal, done, context);
    a->tsdb = NULL;
}

/* --- figures --- */

struct tsdb_stats tsdb_stats(struct tsdb *tsdb)
{
    struct tsdb_stats s = {0};
    pthread_rwlock_rdlock(&tsdb->lock);
    const struct head *head = &tsdb->head;
    s.series = head->live;
    s.series_created = head->created;
    s.series_removed = head->removed;
    s.samples_appended = head->samples;
    s.out_of_order_held = head->late;
    s.follow_notes = tsdb->follow.n;
    s.exemplars = exemplars_count(tsdb->exemplars);
    s.tombstones = tsdb->tombstones.stretches;
    s.tombstone_bytes = tsdb->tombstones.bytes;
    s.cleanings = tsdb->cleanings;
    memcpy(s.outcomes, tsdb->outcomes, sizeof s.outcomes);
    s.head_bytes = head_bytes(head) + tsdb->known_slots * sizeof(struct known);
    s.min_t = head->min_t;
    s.max_t = head->max_t;
    pthread_rwlock_unlock(&tsdb->lock);
    pthread_mutex_lock(&tsdb->blocks_lock);
    s.blocks = tsdb->block_count;
    for (size_t i = 0; i < tsdb->block_count; i++) {
        s.block_bytes += block_info(tsdb->blocks[i])->bytes;
        s.block_samples += block_info(tsdb->blocks[i])->samples;
    }
    s.blocks_cut = tsdb->blocks_cut;
    s.compactions = tsdb->compactions;
    s.blocks_thinned = tsdb->blocks_thinned;
    s.blocks_expired = tsdb->blocks_expired;
    pthread_mutex_unlock(&tsdb->blocks_lock);
    s.wal = wal_stats(tsdb->wal);
    s.outgoing_bytes = tsdb->options.outgoing_bytes_max > 0 ? outgoing_end(tsdb) - outgoing_reached(tsdb) : 0;
    return s;
}

void tsdb_metrics(struct tsdb *tsdb, struct buf *out)
{
    static const char *const reasons[TSDB_OUTCOMES] = {[TSDB_DUPLICATE] = "duplicate",
                                                       [TSDB_OUT_OF_ORDER] = "out_of_order",
                                                       [TSDB_TOO_OLD] = "too_old",
                                                       [TSDB_OUT_OF_BOUNDS] = "out_of_bounds",
                                                       [TSDB_TOO_FAR] = "too_far",
                                                       [TSDB_SERIES_LIMIT] = "series_limit",
                                                       [TSDB_SOURCE_LIMIT] = "source_limit",
                                                       [TSDB_LATE_LIMIT] = "out_of_order_limit",
                                                       [TSDB_BAD_LABELS] = "invalid_label_set",
                                                       [TSDB_PERSONAL] = "personal_data"};
    struct tsdb_stats s = tsdb_stats(tsdb);
    const struct metric memory[] = {
        {"tocsin_tsdb_head_series", "gauge", "Series in memory.", (double)s.series},
        {"tocsin_tsdb_head_series_limit", "gauge", "Series that may be in memory.",
         (double)tsdb->options.series_max},
        {"tocsin_tsdb_head_series_created_total", "counter", "Series that were new.",
         (double)s.series_created},
        {"tocsin_tsdb_head_series_removed_total", "counter", "Series that had no sample left in memory.",
         (double)s.series_removed},
        {"tocsin_tsdb_head_bytes", "gauge", "Memory of the newest samples, estimated.", (double)s.head_bytes},
        {"tocsin_tsdb_samples_appended_total", "counter", "Samples taken.", (double)s.samples_appended},
        {"tocsin_tsdb_follow_notes", "gauge",
         "New samples that wait for the rules that look at their series.", (double)s.follow_notes},
        {"tocsin_tsdb_follow_notes_limit", "gauge",
         "Bound of tocsin_tsdb_follow_notes; past it rules read all of their windows anew.", TSDB_FOLLOW_MAX},
        {"tocsin_tsdb_out_of_order_samples", "gauge", "Samples in memory that came late.",
         (double)s.out_of_order_held},
        {"tocsin_tsdb_out_of_order_samples_limit", "gauge", "Late samples that may be in memory.",
         (double)tsdb->options.out_of_order_max},
        {"tocsin_tsdb_exemplars", "gauge", "Exemplars in memory.", (double)s.exemplars},
        {"tocsin_tsdb_exemplars_limit", "gauge", "Exemplars that may be in memory; past it the oldest go.",
         (double)tsdb->options.exemplars_max},
        {"tocsin_tsdb_tombstones", "gauge", "Deleted stretches of series that are on the disk still.",
         (double)s.tombstones},
        {"tocsin_tsdb_tombstones_limit", "gauge",
         "Deleted stretches that may be; past it deletions are refused.", TOMBSTONES_MAX},
        {"tocsin_tsdb_tombstone_bytes", "gauge", "Bytes of the labels of deleted series.",
         (double)s.tombstone_bytes},
        {"tocsin_tsdb_tombstone_bytes_limit", "gauge",
         "Bytes of such labels that may be; past it deletions are refused.", (double)TOMBSTONES_BYTES_MAX},
        {"tocsin_tsdb_tombstones_cleaned_total", "counter", "Times that all that was deleted left the disk.",
         (double)s.cleanings},
    };
    const struct metric disk[] = {
        {"tocsin_tsdb_blocks", "gauge", "Blocks on disk.", (double)s.blocks},
        {"tocsin_tsdb_block_bytes", "gauge", "Bytes of all blocks.", (double)s.block_bytes},
        {"tocsin_tsdb_blocks_cut_total", "counter", "Blocks written from memory.", (double)s.blocks_cut},
        {"tocsin_tsdb_compactions_total", "counter", "Blocks written from other blocks.",
         (double)s.compactions},
        {"tocsin_tsdb_blocks_thinned_total", "counter", "Blocks thinned to what trends need.",
         (double)s.blocks_thinned},
        {"tocsin_tsdb_blocks_expired_total", "counter", "Blocks removed by retention.",
         (double)s.blocks_expired},
        {"tocsin_tsdb_wal_segments", "gauge", "Files of the log.", (double)s.wal.segments},
        {"tocsin_tsdb_wal_bytes_total", "counter", "Bytes written to the log.", (double)s.wal.bytes},
        {"tocsin_tsdb_wal_commits_total", "counter", "Group commits of the log.", (double)s.wal.commits},
        {"tocsin_tsdb_wal_queue_bytes", "gauge", "Bytes that wait for the log.", (double)s.wal.queued_bytes},
        {"tocsin_tsdb_wal_queue_bytes_limit", "gauge", "Bytes that may wait for the log.",
         (double)tsdb->options.queue_bytes},
        {"tocsin_tsdb_wal_failed", "gauge", "1 where the log has ended after an error.", s.wal.failed},
        {"tocsin_tsdb_wal_full", "gauge", "1 where the log waits for room on the disk.", s.wal.full},
    };
    const struct metric personal = {"tocsin_redaction_rejected_total", "counter",
                                    "Series refused because a label holds personal data or a secret.",
                                    (double)s.outcomes[TSDB_PERSONAL]};
    const struct metric of_one_source = {"tocsin_tsdb_source_series_limit", "gauge",
                                         "Series in memory that one source may have.",
                                         (double)tsdb->options.source_series_max};
    metric_rows(out, memory, TC_ARRAY_LEN(memory));
    metric_head(out, "tocsin_tsdb_refused_total", "counter", "Samples and series not taken, by reason.");
    for (unsigned i = TSDB_OK + 1; i < TSDB_OUTCOMES; i++)
        metric_labelled(out, "tocsin_tsdb_refused_total", "reason", sv_of(reasons[i]), (double)s.outcomes[i]);
    metric_rows(out, &personal, 1);
    metric_head(out, "tocsin_tsdb_source_series", "gauge", "Series in memory, by source.");
    pthread_rwlock_rdlock(&tsdb->lock);
    for (unsigned i = 1; i < tsdb->head.source_count; i++)
        metric_labelled(out, "tocsin_tsdb_source_series", "source", sv_of(tsdb->head.sources[i].name),
                        (double)tsdb->head.sources[i].series);
    metric_head(out, "tocsin_tsdb_source_refused_total", "counter",
                "Series refused because their source had its limit.");
    for (unsigned i = 1; i < tsdb->head.source_count; i++)
        metric_labelled(out, "tocsin_tsdb_source_refused_total", "source", sv_of(tsdb->head.sources[i].name),
                        (double)tsdb->head.sources[i].refused);
    pthread_rwlock_unlock(&tsdb->lock);
    metric_rows(out, &of_one_source, 1);
    metric_rows(out, disk, TC_ARRAY_LEN(disk));
}
