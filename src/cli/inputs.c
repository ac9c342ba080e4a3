/*
 * Reading and merging files; see inputs.h.
 *
 * A stream per file holds one parsed chunk. The merge takes the stream with the smallest head; when a stream
 * runs out of parsed events the batch so far goes out before that chunk's memory is used again, so events are
 * lent without copies.
 */
#include "cli/inputs.h"

#include "base/arena.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/unpack.h"
#include "event/split.h"

#include <stdlib.h>

enum {
    CHUNK_EVENTS = 256, /* for each thread, over all files: what is parsed is still in the nearer caches when
                           it is judged; a file's share is at least CHUNK_EVENTS_MIN */
    CHUNK_EVENTS_MIN = 16,
    CHUNK_BYTES = 4 << 20,
    PARSE_PART = 32, /* events of one part of a parallel parse */
    PARSE_WORKERS_MAX = 64,
};

struct stream {
    const char *file;
    uint64_t file_bytes; /* when it was opened; 0: unknown */
    size_t order;
    struct unpack *unpack;
    struct splitter *splitter;
    const struct parser *parser;
    struct parse_state state;
    struct arena raw;                       /* raw bytes of the chunk */
    struct arena parsed[PARSE_WORKERS_MAX]; /* fields, per worker */
    struct input_event *events;
    struct split_record *records; /* of the chunk; raw points into `raw` */
    size_t count, at, capacity;
    bool end;
    int rc; /* a read error, delivered after the events before it */
    struct err err;
};

struct inputs {
    struct inputs_options options;
    struct stream *streams;
    size_t stream_count;
    struct stream **heap; /* streams with a head, smallest first */
    size_t heap_count;
    const struct input_event **batch;
    size_t batch_capacity;
    struct stream *spent; /* its chunk goes with the batch that was handed out; refilled at the next call */
    uint64_t chunk_events, chunk_bytes;
    uint64_t next_position;
    struct inputs_stats stats;
    bool started;
};

static void parse_one(struct stream *s, size_t at, unsigned worker)
{
    struct input_event *in = &s->events[at];
    const struct split_record *record = &s->records[at];
    in->outcome = parse_record(s->parser, &s->state, record->raw, &s->parsed[worker], &in->event);
    if (record->cut)
        parse_cut(record, &s->parsed[worker], &in->event);
    in->file = s->file;
    in->line = record->line;
    in->index = record->index;
    in->in_array = record->in_array;
    in->event.source = sv_of(s->file);
    in->event.source_position = record->line;
}

static void parse_part(void *context, unsigned part, unsigned worker)
{
    struct stream *s = context;
    size_t end = TC_MIN(s->count, ((size_t)part + 1) * PARSE_PART);
    for (size_t at = (size_t)part * PARSE_PART; at < end; at++)
        parse_one(s, at, worker);
}

static void drop_skipped(struct stream *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->events[i].outcome != PARSE_SKIP)
            s->events[kept++] = s->events[i];
    s->count = kept;
}

static void refill_once(struct inputs *in, struct stream *s)
{
    arena_reset(&s->raw);
    for (size_t i = 0; i < PARSE_WORKERS_MAX; i++)
        arena_reset(&s->parsed[i]);
    s->count = s->at = 0;
    while (s->count < in->chunk_events && s->raw.used_bytes < in->chunk_bytes) {
        struct split_record record;
        int rc = splitter_next(s->splitter, &record, &s->err);
        if (rc <= 0) {
            s->end = true;
            s->rc = rc;
            break;
        }
        record.raw = arena_sv(&s->raw, record.raw);
        s->records[s->count++] = record;
    }
    unsigned parts = (unsigned)((s->count + PARSE_PART - 1) / PARSE_PART);
    if (in->options.pool != NULL && (s->parser->flags & PARSER_STATELESS) != 0 && parts > 1)
        pool_run(in->options.pool, parts, parse_part, s);
    else
        for (unsigned part = 0; part < parts; part++)
            parse_part(s, part, 0);
    drop_skipped(s);
    for (size_t i = 0; i < s->count; i++)
        in->stats.text += (s->events[i].event.flags & EVENT_TEXT) != 0;
    in->stats.events += s->count;
}

/* True where the stream has a head afterwards. */
static bool refill(struct inputs *in, struct stream *s)
{
    do
        refill_once(in, s);
    while (s->count == 0 && !s->end);
    return s->count > 0;
}

static int stream_open(struct inputs *in, struct stream *s, struct err *err)
{
    int rc = unpack_open(s->file, &s->unpack, err);
    if (rc != 0)
        return rc;
    struct fs_stat st = {.modified_ns = in->options.now_ns};
    if (strcmp(s->file, "-") != 0 && fs_system.stat(&fs_system, s->file, &st) == 0 && st.is_dir)
        return err_at(err, TC_EINPUT, s->file, 0, 0, "is a directory: name the files in it");
    s->file_bytes = st.size_bytes;
    parse_state_init(&s->state, in->options.zone_offset_s, in->options.year, st.modified_ns);
    s->parser = in->options.parser;
    enum split_mode mode = SPLIT_LINES;
    s->splitter = splitter_new(mode, unpack_read, s->unpack);
    if (s->parser == NULL) {
        struct sv head;
        rc = splitter_peek(s->splitter, &head, err);
        if (rc < 0)
            return err_while(err, "reading %s", s->file);
        s->parser = parser_recognise(head);
    }
    if ((s->parser->flags & PARSER_JSON) != 0 && !in->options.lines)
        splitter_set_mode(s->splitter, SPLIT_JSON);
    s->events = tc_alloc(in->chunk_events * sizeof s->events[0]);
    s->records = tc_alloc(in->chunk_events * sizeof s->records[0]);
    return 0;
}

int inputs_open(const struct inputs_options *options, struct inputs **ret, struct err *err)
{
    struct inputs *in = tc_alloc(sizeof *in);
    in->options = *options;
    in->stream_count = options->file_count;
    in->streams = tc_alloc(in->stream_count * sizeof in->streams[0]);
    in->heap = tc_alloc(in->stream_count * sizeof(struct stream *));
    uint64_t chunk_events =
        (uint64_t)CHUNK_EVENTS * (options->pool == NULL ? 1 : pool_threads(options->pool));
    in->chunk_events = TC_MAX(chunk_events / TC_MAX(in->stream_count, (size_t)1), (uint64_t)CHUNK_EVENTS_MIN);
    in->chunk_bytes = TC_MAX((uint64_t)CHUNK_BYTES / TC_MAX(in->stream_count, (size_t)1), (uint64_t)65536);
    for (size_t i = 0; i < in->stream_count; i++) {
        in->streams[i].file = options->files[i];
        in->streams[i].order = i;
        int rc = stream_open(in, &in->streams[i], err);
        if (rc != 0) {
            inputs_close(&in);
            return rc;
        }
    }
    *ret = in;
    return 0;
}

void inputs_close(struct inputs **inputs_at)
{
    struct inputs *in = *inputs_at;
    if (in == NULL)
        return;
    for (size_t i = 0; i < in->stream_count; i++) {
        struct stream *s = &in->streams[i];
        splitter_free(&s->splitter);
        unpack_free(&s->unpack);
        arena_free(&s->raw);
        for (size_t w = 0; w < PARSE_WORKERS_MAX; w++)
            arena_free(&s->parsed[w]);
        free(s->events);
        free(s->records);
    }
    free(in->streams);
    free(in->heap);
    free(in->batch);
    free(in);
    *inputs_at = NULL;
}

static bool head_before(const struct stream *a, const struct stream *b)
{
    /* TC_NO_TIME is the smallest value: an event without time goes out as soon as it is at its file's head */
    int64_t x = a->events[a->at].event.time.ns, y = b->events[b->at].event.time.ns;
    return x != y ? x < y : a->order < b->order;
}

static void heap_down(struct inputs *in, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;
        if (left < in->heap_count && head_before(in->heap[left], in->heap[least]))
            least = left;
        if (right < in->heap_count && head_before(in->heap[right], in->heap[least]))
            least = right;
        if (least == at)
            return;
        struct stream *swap = in->heap[at];
        in->heap[at] = in->heap[least];
        in->heap[least] = swap;
        at = least;
    }
}

static void heap_build(struct inputs *in)
{
    for (size_t at = in->heap_count / 2; at-- > 0;)
        heap_down(in, at);
}

static void start(struct inputs *in)
{
    for (size_t i = 0; i < in->stream_count; i++)
        if (refill(in, &in->streams[i]))
            in->heap[in->heap_count++] = &in->streams[i];
    heap_build(in);
    in->started = true;
}

static void batch_add(struct inputs *in, size_t count, struct input_event *event)
{
    if (count == in->batch_capacity) {
        in->batch_capacity = TC_MAX(in->batch_capacity * 2, (size_t)CHUNK_EVENTS);
        in->batch = tc_realloc(in->batch, in->batch_capacity * sizeof in->batch[0]);
    }
    event->event.position = ++in->next_position;
    in->batch[count] = event;
}

static int read_error(struct inputs *in, struct err *err)
{
    for (size_t i = 0; i < in->stream_count; i++)
        if (in->streams[i].rc < 0) {
            if (err != NULL)
                *err = in->streams[i].err;
            err_while(err, "reading %s", in->streams[i].file);
            return in->streams[i].rc;
        }
    return 0;
}

int inputs_next(struct inputs *in, const struct input_event *const **ret_events, size_t *ret_count,
                struct err *err)
{
    if (!in->started)
        start(in);
    if (in->spent != NULL) {
        struct stream *s = in->spent;
        in->spent = NULL;
        if (!s->end && refill(in, s))
            in->heap[in->heap_count++] = s;
        heap_build(in);
    }
    size_t count = 0;
    while (in->heap_count > 0 && in->spent == NULL) {
        struct stream *s = in->heap[0];
        batch_add(in, count++, &s->events[s->at++]);
        if (s->at == s->count) {
            in->heap[0] = in->heap[--in->heap_count];
            in->spent = s;
        }
        heap_down(in, 0);
    }
    *ret_events = in->batch;
    *ret_count = count;
    return count > 0 ? 1 : read_error(in, err);
}

void inputs_stats(const struct inputs *in, struct inputs_stats *ret)
{
    *ret = in->stats;
    for (size_t i = 0; i < in->stream_count; i++)
        ret->bytes += in->streams[i].splitter == NULL ? 0 : splitter_bytes(in->streams[i].splitter);
}

void inputs_progress(const struct inputs *in, uint64_t *ret_done_bytes, uint64_t *ret_total_bytes)
{
    bool known = true;
    *ret_done_bytes = *ret_total_bytes = 0;
    for (size_t i = 0; i < in->stream_count; i++) {
        *ret_done_bytes += unpack_packed(in->streams[i].unpack);
        *ret_total_bytes += in->streams[i].file_bytes;
        known &= in->streams[i].file_bytes > 0 || in->streams[i].end;
    }
    if (!known)
        *ret_total_bytes = 0;
}

bool inputs_zone(const char *text, int *ret_offset_s)
{
    if (strcmp(text, "UTC") == 0 || strcmp(text, "Z") == 0) {
        *ret_offset_s = 0;
        return true;
    }
    struct sv t = sv_of(text);
    uint64_t hours, minutes = 0;
    if (t.n < 3 || (t.p[0] != '+' && t.p[0] != '-') || !num_u64(sv_make(t.p + 1, 2), 0, 23, &hours))
        return false;
    struct sv rest = sv_from(t, 3);
    if (rest.n > 0 && rest.p[0] == ':')
        rest = sv_from(rest, 1);
    if (rest.n > 0 && (rest.n != 2 || !num_u64(rest, 0, 59, &minutes)))
        return false;
    *ret_offset_s = (t.p[0] == '-' ? -1 : 1) * (int)(hours * 3600 + minutes * 60);
    return true;
}
