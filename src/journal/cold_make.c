/*
 * Making cold segments; see cold_make.h.
 */
#include "journal/cold_make.h"

#include "journal/cold_write.h"
#include "journal/cursor.h"
#include "journal/verify.h"

#include "base/arena.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Where the records come from: a segment, or a cold one. */
struct source {
    bool is_cold;
    struct cursor cursor;
    struct cold_walk walk;
    struct verify_state state;
    struct cold_record *records; /* of the segment's frame */
    size_t capacity;
};

struct making {
    const struct fs *fs;
    const char *dir;
    uint64_t first;
    char path[SEGMENT_PATH_MAX], new_path[SEGMENT_PATH_MAX + 8];
    const struct cold_drop *drop; /* NULL: all is kept */
    struct receive_time now;
    struct source source;
    struct cold_writer writer;
    struct cold_header header;
};

/* --- the source
 * -------------------------------------------------------------------------------------------------------- */

static int open_source(struct making *m, bool is_cold, struct err *err)
{
    struct source *s = &m->source;
    s->is_cold = is_cold;
    int rc = is_cold ? cold_walk_open(&s->walk, m->fs, m->dir, m->first, NULL, true, err)
                     : cursor_open(&s->cursor, m->fs, m->dir, m->first, err);
    if (rc == CURSOR_TORN_HEADER)
        return cursor_damaged(&s->cursor, "no segment header", err);
    if (rc < 0)
        return rc;
    if (is_cold) {
        m->header = s->walk.cold.header;
    } else {
        m->header = (struct cold_header){
            .segment = s->cursor.header, .sealed = m->now, .oldest = {INT64_MAX}, .newest = {INT64_MIN}};
        m->header.segment.checksum_seed = 0;
    }
    s->state = verify_start(&m->header.segment);
    return 0;
}

static int next_of_segment(struct source *s, struct cold_item *ret, struct err *err)
{
    struct sv bytes;
    *ret = (struct cold_item){.offset = s->cursor.offset};
    int rc = cursor_next_judged(&s->cursor, true, &ret->frame, &bytes, err);
    if (rc != CURSOR_FRAME)
        return rc;
    if (ret->frame.count > s->capacity) {
        s->capacity = TC_MAX((size_t)ret->frame.count, 2 * s->capacity);
        s->records = tc_realloc(s->records, s->capacity * sizeof s->records[0]);
    }
    struct sv rest = sv_head(sv_from(bytes, FRAME_HEADER_BYTES), ret->frame.payload_bytes);
    for (uint32_t i = 0; i < ret->frame.count; i++) {
        s->records[i].bytes = sv_head(rest, record_length(rest));
        rest = sv_from(rest, s->records[i].bytes.n);
    }
    ret->records = s->records;
    return CURSOR_FRAME;
}

/* As cold_walk_next, verified, with the leaves of all records. */
static int next_item(struct making *m, struct cold_item *ret, struct err *err)
{
    struct source *s = &m->source;
    int rc = s->is_cold ? cold_walk_next(&s->walk, 0, ret, err) : next_of_segment(s, ret, err);
    if (rc != 1)
        return rc;
    const char *why = verify_item(&s->state, ret);
    if (why == NULL && !s->is_cold && memcmp(s->state.head, ret->frame.head, TC_SHA256_BYTES) != 0)
        why = "the hash chain does not match";
    if (why == NULL)
        return 1;
    return s->is_cold ? cold_damaged(&s->walk.cold, m->header.frames.offset, why, err)
                      : cursor_damaged(&s->cursor, why, err);
}

static int check_end(struct making *m, struct err *err)
{
    struct source *s = &m->source;
    struct cold_header *h = &m->header;
    if (s->is_cold) {
        const char *why = verify_cold_end(&s->state, h);
        return why == NULL ? 0 : cold_damaged(&s->walk.cold, 0, why, err);
    }
    h->next = s->cursor.position;
    h->commit = s->cursor.commit;
    h->segment_bytes = s->cursor.offset;
    memcpy(h->sequences, s->state.sequences, sizeof h->sequences);
    memcpy(h->head, s->state.head, sizeof h->head);
    return 0;
}

static void close_source(struct making *m)
{
    cursor_close(&m->source.cursor);
    cold_walk_close(&m->source.walk);
    free(m->source.records);
}

/* --- what is kept
 * ------------------------------------------------------------------------------------------------------- */

static void count(struct making *m, const struct cold_record *r)
{
    struct event e;
    if (r->bytes.n == 0 || record_decode_envelope(r->bytes, &e, NULL) != 0)
        return;
    struct cold_class *c = &m->header.classes[e.class];
    c->kept++;
    c->newest.ns = TC_MAX(c->newest.ns, e.received.ns);
}

/* What was said, from which record: so that retention finds it without unpacking the segment. */
static void note_cause(struct making *m, const struct cold_record *r)
{
    struct event e;
    if (record_decode_envelope(r->bytes, &e, NULL) == 0 && cold_names_cause(&e))
        cold_writer_cause(&m->writer, e.source_position);
}

static int keep_causes(struct making *m, struct err *err)
{
    struct buf bytes;
    if (m->header.causes.bytes == 0)
        return 0;
    buf_init(&bytes, COLD_RAW_MAX_BYTES);
    int rc = cold_read(&m->source.walk.cold, &m->header.causes, true, &bytes, err);
    for (size_t at = 0; rc == 0 && at + 8 <= bytes.n; at += 8)
        cold_writer_cause(&m->writer, load_u64(bytes.p + at));
    buf_free(&bytes);
    return rc;
}

static void choose(struct making *m, struct cold_item *item)
{
    for (uint32_t i = 0; i < item->frame.count; i++) {
        struct cold_record *r = &item->records[i];
        if (m->drop == NULL) {
            count(m, r);
            note_cause(m, r);
        } else if (r->bytes.n > 0 && !m->drop->keep(m->drop->context, item->frame.first + i, r->bytes)) {
            struct cold_class *c = &m->header.classes[(uint8_t)r->bytes.p[10]];
            c->kept--;
            c->dropped++;
            c->dropped_at = m->now;
            r->bytes = (struct sv){0};
        }
    }
    if (m->drop == NULL && item->frame.count > 0) {
        m->header.oldest.ns = TC_MIN(m->header.oldest.ns, item->frame.received.ns);
        m->header.newest.ns = TC_MAX(m->header.newest.ns, item->frame.received.ns);
    }
}

/* Of a class that is dropped from, the seed goes: what stays keeps its salts one by one. */
static void take_seeds(struct making *m)
{
    static const uint8_t none[SALTS_SEED_BYTES];
    for (int i = 0; m->source.is_cold && i < CLASS_COUNT; i++) {
        const uint8_t *seed = m->source.walk.lanes[i].seed;
        if ((m->drop != NULL && !m->drop->whole[i]) || memcmp(seed, none, sizeof none) == 0)
            continue;
        m->writer.has_seed[i] = true;
        memcpy(m->writer.seeds[i], seed, sizeof none);
    }
}

static void read_seeds(struct making *m)
{
    struct salts salts;
    salts_read(m->fs, m->dir, m->first, &salts);
    for (int i = 0; salts.known && i < CLASS_COUNT; i++) {
        m->writer.has_seed[i] = true;
        memcpy(m->writer.seeds[i], salts.seeds[i], SALTS_SEED_BYTES);
    }
}

static int copy_items(struct making *m, struct err *err)
{
    struct cold_item item;
    int rc;
    rc = m->source.is_cold ? keep_causes(m, err) : 0;
    if (rc != 0)
        return rc;
    if (!m->source.is_cold)
        read_seeds(m);
    while ((rc = next_item(m, &item, err)) == 1) {
        take_seeds(m);
        if (!item.is_gap)
            choose(m, &item);
        rc = cold_writer_add(&m->writer, &item, m->source.state.head, err);
        if (rc != 0)
            return rc;
    }
    return rc == 0 ? check_end(m, err) : rc;
}

/* --- judging and putting in place
 * ------------------------------------------------------------------------------------------------------- */

static int check_filters(const struct cold *c, struct buf *bytes, struct err *err)
{
    int rc = c->header.causes.bytes > 0 ? cold_read(c, &c->header.causes, true, bytes, err) : 0;
    for (size_t i = 0; rc == 0 && i < c->n; i++)
        if (c->entries[i].words.bytes > 0)
            rc = cold_read(c, &c->entries[i].words, false, bytes, err);
    return rc;
}

/* What was written, read back. */
static int judge(const struct making *m, struct err *err)
{
    struct cold_walk walk;
    struct cold_item item;
    int rc = cold_walk_open_path(&walk, m->fs, m->new_path, m->first, true, err);
    if (rc != 0)
        return rc;
    struct verify_state state = verify_start(&walk.cold.header.segment);
    const char *why = NULL;
    while (why == NULL && (rc = cold_walk_next(&walk, 0, &item, err)) == 1)
        why = verify_item(&state, &item);
    if (rc == 0)
        why = verify_cold_end(&state, &m->header);
    if (rc == 0 && why == NULL)
        rc = check_filters(&walk.cold, &walk.packed, err);
    if (why != NULL)
        rc = cold_damaged(&walk.cold, 0, why, err);
    cold_walk_close(&walk);
    return rc;
}

static int sync_journal_dir(const struct fs *fs, const char *dir, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    segment_dir(dir, path);
    int rc = fs->sync_dir(fs, path);
    return rc < 0 ? segment_sys(err, rc, "cannot sync", path) : 0;
}

static int write_new(struct making *m, struct err *err)
{
    int rc = cold_writer_begin(&m->writer, m->fs, m->new_path, &m->header.segment, err);
    if (rc == 0)
        rc = copy_items(m, err);
    if (rc == 0)
        rc = cold_writer_end(&m->writer, &m->header, err);
    cold_writer_free(&m->writer);
    return rc == 0 ? judge(m, err) : rc;
}

static int make(struct making *m, bool from_cold, struct err *err)
{
    int rc = cold_path(m->dir, m->first, m->path)
                 ? 0
                 : err_set(err, TC_EINPUT, "the path of the data directory is too long");
    if (rc != 0)
        return rc;
    snprintf(m->new_path, sizeof m->new_path, "%s.new", m->path);
    m->source.cursor.file = m->source.walk.cold.file = m->writer.file = -1;
    rc = open_source(m, from_cold, err);
    for (int i = 0; rc == 0 && m->drop != NULL && i < CLASS_COUNT; i++)
        m->header.classes[i].stage = m->drop->stage[i];
    m->header.wish = m->drop != NULL ? m->drop->wish : m->header.wish;
    bool begun = rc == 0;
    if (rc == 0)
        rc = write_new(m, err);
    close_source(m);
    if (rc == 0) {
        int renamed = m->fs->rename(m->fs, m->new_path, m->path);
        rc = renamed < 0 ? segment_sys(err, renamed, "cannot put in place", m->path)
                         : sync_journal_dir(m->fs, m->dir, err);
    } else if (begun) {
        m->fs->unlink(m->fs, m->new_path);
    }
    return rc;
}

int cold_make(const struct fs *fs, const char *dir, uint64_t first, struct receive_time now, struct err *err)
{
    struct making m = {.fs = fs, .dir = dir, .first = first, .now = now};
    char path[SEGMENT_PATH_MAX];
    int rc = make(&m, false, err);
    if (rc != 0)
        return rc;
    if (salts_path(dir, first, path, sizeof path)) /* where it stays, cold_clean removes it */
        fs->unlink(fs, path);
    segment_path(dir, first, path);
    rc = fs->unlink(fs, path);
    return rc < 0 ? segment_sys(err, rc, "cannot remove", path) : sync_journal_dir(fs, dir, err);
}

int cold_drop_records(const struct fs *fs, const char *dir, uint64_t first, const struct cold_drop *drop,
                      struct receive_time now, struct cold_header *ret, struct err *err)
{
    struct making m = {.fs = fs, .dir = dir, .first = first, .drop = drop, .now = now};
    int rc = make(&m, true, err);
    if (rc == 0)
        *ret = m.header;
    return rc;
}

/* --- left-overs
 * -------------------------------------------------------------------------------------------------------- */

struct leftovers {
    const struct fs *fs;
    const char *dir;
    int rc;
    bool any;
    char before[64]; /* the name before this one */
};

static void look_at(void *context, const char *text)
{
    struct leftovers *l = context;
    struct sv name = sv_of(text), stem = sv_head(name, 20);
    char path[2 * SEGMENT_PATH_MAX], folder[SEGMENT_PATH_MAX];
    /* names come in byte order: "N.cold", "N.cold.new", "N.salts", "N.seg" */
    struct sv end = sv_from(name, 20);
    bool is_made = (sv_is(end, ".seg") || sv_is(end, ".salts")) &&
                   sv_eq(stem, sv_head(sv_of(l->before), 20)) && strcmp(l->before + 20, ".cold") == 0;
    if (sv_ends(name, SV(".cold.new")) || is_made) {
        segment_dir(l->dir, folder);
        snprintf(path, sizeof path, "%s/%s", folder, text);
        int rc = l->fs->unlink(l->fs, path);
        l->rc = l->rc == 0 && rc < 0 && rc != -ENOENT ? rc : l->rc;
        l->any = true;
        return;
    }
    snprintf(l->before, sizeof l->before, "%s", name.n < sizeof l->before ? text : "");
}

int cold_clean(const struct fs *fs, const char *dir, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    struct leftovers l = {.fs = fs, .dir = dir};
    if (!segment_dir(dir, path))
        return err_set(err, TC_EINPUT, "the path of the data directory is too long");
    int rc = fs->list(fs, path, look_at, &l);
    rc = rc < 0 ? rc : l.rc;
    if (rc < 0)
        return segment_sys(err, rc, "cannot clean", path);
    return l.any ? sync_journal_dir(fs, dir, err) : 0;
}
