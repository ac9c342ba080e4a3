/*
 * The walk over the journal; see scan.h.
 *
 * Cheapest tests first: a frame in which the query's literal does not occur is left without looking at its
 * records; then a record's time, its source and class, the line filters; only what is left is decoded.
 */
#include "query/scan_priv.h"

#include "journal/segment.h"

#include <pthread.h>
#include <stdlib.h>

enum { INDEX_MAX = 1 << 16, EVENT_TIME_AT = 56, RECEIVED_AT = 48 };

struct query_index {
    pthread_mutex_t lock;
    struct {
        uint64_t first;
        int64_t min_ns, max_ns;
    } * entries; /* rising */
    size_t n, capacity;
};

struct query_index *query_index_new(void)
{
    struct query_index *index = tc_alloc(sizeof *index);
    pthread_mutex_init(&index->lock, NULL);
    return index;
}

void query_index_free(struct query_index **index)
{
    if (*index == NULL)
        return;
    pthread_mutex_destroy(&(*index)->lock);
    free((*index)->entries);
    free(*index);
    *index = NULL;
}

/* The place of `first`, or where it belongs. */
static size_t index_place(const struct query_index *index, uint64_t first)
{
    size_t low = 0, high = index->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (index->entries[middle].first < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool index_get(struct query_index *index, uint64_t first, int64_t *ret_min, int64_t *ret_max)
{
    if (index == NULL)
        return false;
    pthread_mutex_lock(&index->lock);
    size_t at = index_place(index, first);
    bool found = at < index->n && index->entries[at].first == first;
    if (found) {
        *ret_min = index->entries[at].min_ns;
        *ret_max = index->entries[at].max_ns;
    }
    pthread_mutex_unlock(&index->lock);
    return found;
}

static void index_put(struct query_index *index, uint64_t first, int64_t min_ns, int64_t max_ns)
{
    pthread_mutex_lock(&index->lock);
    size_t at = index_place(index, first);
    bool known = at < index->n && index->entries[at].first == first;
    if (!known && index->n < INDEX_MAX) {
        if (index->n == index->capacity) {
            index->capacity = TC_MAX((size_t)64, 2 * index->capacity);
            index->entries = tc_realloc(index->entries, index->capacity * sizeof index->entries[0]);
        }
        memmove(&index->entries[at + 1], &index->entries[at], (index->n - at) * sizeof index->entries[0]);
        index->entries[at].first = first;
        index->entries[at].min_ns = min_ns;
        index->entries[at].max_ns = max_ns;
        index->n++;
    }
    pthread_mutex_unlock(&index->lock);
}

/* A literal that stands in stored bytes as it stands in the line, whatever form the record has. */
static struct sv literal_of(const struct logql_expr *log)
{
    struct sv best = {0};
    for (const struct logql_stage *s = log == NULL ? NULL : log->stages; s != NULL && s->kind == STAGE_LINE;
         s = s->next) {
        struct sv text = s->tests->text;
        bool plain = s->op == LOGQL_EQ && s->tests->next == NULL && !s->tests->is_ip;
        for (size_t i = 0; plain && i < text.n; i++)
            plain = text.p[i] >= 0x20 && text.p[i] < 0x7f && text.p[i] != '"' && text.p[i] != '\\' &&
                    text.p[i] != '/' && text.p[i] != '{';
        if (plain && text.n > best.n)
            best = text;
    }
    return best;
}

static int64_t block_time(const char *block)
{
    int64_t event = (int64_t)load_u64(block + EVENT_TIME_AT);
    return event != TC_NO_TIME ? event : (int64_t)load_u64(block + RECEIVED_AT);
}

/* What labels say that need no fields. */
bool scan_envelope_fits(const struct scan *scan, const struct event *event)
{
    static const char *const classes[] = {"security", "audit", "debug"};
    bool outside = event->type == REC_EVENT && !sv_is(event->source, "self");
    if (!outside && !scan->source->own_records)
        return false;
    for (size_t i = 0; scan->log != NULL && i < scan->log->matcher_count; i++) {
        const struct logql_matcher *m = &scan->log->matchers[i];
        if (sv_is(m->name, "source") && !query_match(m, event->source))
            return false;
        if (sv_is(m->name, "class") && event->class < CLASS_COUNT &&
            !query_match(m, sv_of(classes[event->class])))
            return false;
    }
    return true;
}

static bool labels_fit(const struct logql_expr *log, const struct query_line *line)
{
    for (size_t i = 0; i < log->matcher_count; i++) {
        struct sv value = {0};
        for (size_t k = 0; k < line->stream_count && value.p == NULL; k++)
            if (sv_eq(line->labels[k].name, log->matchers[i].name))
                value = line->labels[k].value;
        if (!query_match(&log->matchers[i], value))
            return false;
    }
    return true;
}

int scan_block(struct scan *scan, struct sv block, uint64_t position, struct err *err)
{
    struct query_line *line = scan->line;
    int64_t ns = block_time(block.p);
    if (ns < scan->from_ns || ns >= scan->to_ns || position <= scan->source->after ||
        (scan->useful != NULL && !scan->useful(scan->context, ns, position)))
        return 0;
    if (scan->literal.n > 0 && sv_find(block, scan->literal) == block.n)
        return 0;
    arena_reset(line->arena);
    int rc = query_line_begin(line, block, err);
    line->event.position = position;
    if (rc != 0)
        return rc;
    if (!scan_envelope_fits(scan, &line->event))
        return 0;
    if (scan->log != NULL) {
        for (const struct logql_stage *s = scan->log->stages; s != NULL && s->kind == STAGE_LINE; s = s->next)
            if (!query_line_test(s, line->line))
                return 0;
        rc = query_line_labels(line, err);
        if (rc != 0 || !labels_fit(scan->log, line))
            return rc;
    }
    scan->stats->matched++;
    return scan->each(scan->context, line, err);
}

bool scan_is_stopped(const struct scan *scan, struct err *err)
{
    const struct query_source *source = scan->source;
    bool stopped = source->stop != NULL && source->stop(source->context);
    if (stopped)
        err_set(err, TC_ESTATE, "the query was ended before it was done");
    return stopped;
}

static int scan_frame(struct scan *scan, const struct journal_frame *frame, struct err *err)
{
    struct sv rest = frame->blocks;
    scan->stats->frames++;
    scan->stats->lines += frame->count;
    scan->stats->bytes += rest.n;
    bool relevant = scan->literal.n == 0 || sv_find(rest, scan->literal) < rest.n;
    for (uint64_t i = 0; (relevant || scan->measure) && i < frame->count; i++) {
        size_t n = record_length(rest);
        if (n < TC_RECORD_HEADER_BYTES)
            return err_set(err, TC_ECORRUPT, "a frame at position %llu holds fewer records than it says",
                           (unsigned long long)frame->first);
        int64_t ns = block_time(rest.p);
        scan->min_ns = TC_MIN(scan->min_ns, ns);
        scan->max_ns = TC_MAX(scan->max_ns, ns);
        int rc = relevant ? scan_block(scan, sv_head(rest, n), frame->first + i, err) : 0;
        if (rc != 0)
            return rc;
        rest = sv_from(rest, n);
    }
    return 0;
}

/* All frames from `first` up to the segment that begins at `end`. */
static int scan_segment(struct scan *scan, uint64_t first, uint64_t end, struct err *err)
{
    const struct query_source *source = scan->source;
    struct journal_reader *reader;
    struct journal_frame frame;
    int64_t min_ns, max_ns;
    bool known = index_get(source->index, first, &min_ns, &max_ns);
    if (end <= source->after + 1 || (known && (max_ns < scan->from_ns || min_ns >= scan->to_ns))) {
        scan->stats->skipped_segments++;
        return 0;
    }
    struct journal_want want = {scan->from_ns, scan->to_ns, scan->literal, end};
    int rc = scan_cold(scan, first, end, err);
    if (rc != 0) {
        scan->stats->segments += rc > 0;
        return TC_MIN(rc, 0);
    }
    rc = journal_reader_open_for(source->fs, source->dir, TC_MAX(first, source->after), source->limit_to,
                                 &want, &reader, err);
    if (rc != 0)
        return rc;
    scan->stats->segments++;
    bool is_last = end == UINT64_MAX, whole = false, is_hot = false; /* of a cold one not all is seen */
    scan->measure = source->index != NULL && !known && !is_last && source->after < first;
    scan->min_ns = INT64_MAX;
    scan->max_ns = INT64_MIN;
    while ((rc = journal_reader_next(reader, &frame, err)) > 0) {
        whole = frame.first + frame.count >= end;
        if (frame.first >= end)
            break;
        is_hot = is_hot || !frame.is_cold;
        if (scan_is_stopped(scan, err)) {
            rc = TC_ESTATE;
            break;
        }
        if ((rc = scan_frame(scan, &frame, err)) != 0 || (whole && !is_last))
            break;
    }
    if (rc >= 0 && whole && is_hot && scan->measure)
        index_put(source->index, first, scan->min_ns, scan->max_ns);
    journal_reader_close(&reader);
    return TC_MIN(rc, 0);
}

static int scan_all(struct scan *scan, struct err *err)
{
    const struct query_source *source = scan->source;
    struct segment_list list;
    struct arena arena = {0};
    int rc = segment_list_read(source->fs, source->dir, &list, err);
    if (rc != 0)
        return rc;
    scan->line = tc_alloc(sizeof *scan->line);
    scan->line->arena = &arena;
    for (size_t i = 0; rc == 0 && i < list.n; i++)
        rc = scan_segment(scan, list.first[i], i + 1 < list.n ? list.first[i + 1] : UINT64_MAX, err);
    free(scan->line);
    arena_free(&arena);
    segment_list_free(&list);
    return rc;
}

int query_scan(const struct query_source *source, const struct logql_expr *log, int64_t from_ns,
               int64_t to_ns, query_time_fn useful, query_line_fn each, void *context,
               struct query_scan_stats *stats, struct err *err)
{
    struct scan scan = {.source = source,
                        .log = log,
                        .from_ns = from_ns,
                        .to_ns = to_ns,
                        .useful = useful,
                        .each = each,
                        .context = context,
                        .stats = stats,
                        .literal = literal_of(log)};
    return scan_all(&scan, err);
}

int query_scan_fold(const struct query_source *source, const struct logql_expr *log, int64_t from_ns,
                    int64_t to_ns, const struct query_fold *fold, query_line_fn each, void *context,
                    struct query_scan_stats *stats, struct err *err)
{
    bool folds = log->stages == NULL && fold->label_count <= QUERY_FOLD_LABELS_MAX;
    struct scan scan = {.source = source,
                        .log = log,
                        .from_ns = from_ns,
                        .to_ns = to_ns,
                        .each = each,
                        .fold = folds ? fold : NULL,
                        .context = context,
                        .stats = stats,
                        .literal = literal_of(log)};
    return scan_all(&scan, err);
}

static int follow(struct scan *scan, struct journal_reader *reader, bool only_new,
                  bool (*idle)(void *context), struct err *err)
{
    struct journal_frame frame;
    int rc;
    for (bool is_new = !only_new;;) {
        rc = journal_reader_next(reader, &frame, err);
        if (rc > 0 && scan_is_stopped(scan, err))
            return TC_ESTATE;
        if (rc > 0 && is_new)
            rc = scan_frame(scan, &frame, err);
        else if (rc == 0 && (is_new = true) && !idle(scan->context))
            return 0;
        if (rc < 0)
            return rc;
    }
}

int query_follow(const struct query_source *source, const struct logql_expr *log, int64_t from_ns,
                 int64_t to_ns, bool only_new, bool (*idle)(void *context), query_line_fn each, void *context,
                 struct query_scan_stats *stats, struct err *err)
{
    struct scan scan = {.source = source,
                        .log = log,
                        .from_ns = from_ns,
                        .to_ns = to_ns,
                        .each = each,
                        .context = context,
                        .stats = stats,
                        .literal = literal_of(log)};
    struct journal_reader *reader;
    struct segment_list list;
    struct arena arena = {0};
    int rc = segment_list_read(source->fs, source->dir, &list, err);
    if (rc != 0)
        return rc;
    uint64_t first = only_new && list.n > 0 ? list.first[list.n - 1] : source->after;
    segment_list_free(&list);
    rc = journal_reader_open(source->fs, source->dir, first, source->limit_to, &reader, err);
    if (rc != 0)
        return rc;
    scan.line = tc_alloc(sizeof *scan.line);
    scan.line->arena = &arena;
    rc = follow(&scan, reader, only_new, idle, err);
    free(scan.line);
    arena_free(&arena);
    journal_reader_close(&reader);
    return rc;
}
