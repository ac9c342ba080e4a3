/*
 * Judging a journal by checkpoints; see evidence.h.
 *
 * The checkpoints are read and their signatures judged first. Then one pass over the journal rebuilds the
 * tree, and stops at each size that a checkpoint names to compare root and chain head.
 */
#include "journal/evidence.h"

#include "journal/sealer.h"
#include "journal/segment.h"

#include "base/arena.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECKPOINTS_MAX_BYTES ((size_t)1 << 33) /* 30 years, one a minute */

struct mark { /* what is kept of a checkpoint for the pass: there may be millions */
    uint64_t size;
    struct sv whole;
};

struct pass {
    struct evidence_report *report;
    const struct evidence_wish *wish;
    struct mark *marks;
    size_t count, capacity, next; /* next: the first that was not compared yet */
    struct merkle tree;
    struct merkle_proof path;       /* of the wished record, while the tree grows */
    uint64_t gone_from, gone_until; /* positions of the last gap */
    struct seal_judge judge;
    struct mark *own; /* of DIR/seal/checkpoints: where periods begin and end, for what the witness missed */
    size_t own_count, own_capacity, own_next;
    const struct mark *agreed; /* the newest that agrees; NULL: none */
    const char *doubt;         /* NULL: the file of checkpoints is good */
    int64_t doubt_ns;
    char offset_text[96];
};

static void fail(struct pass *p, const char *why, int64_t since_ns)
{
    char time[TC_RFC3339_MAX] = "", agreed[TC_RFC3339_MAX] = "";
    struct evidence_report *r = p->report;
    if (r->state == EVIDENCE_FAILS)
        return;
    r->state = EVIDENCE_FAILS;
    if (since_ns != TC_NO_TIME)
        clk_rfc3339(since_ns, time);
    if (r->agreed > 0)
        clk_rfc3339(r->time.ns, agreed);
    snprintf(r->why, sizeof r->why, "%s%s%s; %s%s", why, time[0] != '\0' ? " of " : "", time,
             agreed[0] != '\0' ? "the last checkpoint that agrees is of " : "no checkpoint before it agrees",
             agreed);
    if (r->agreed > 0) {
        size_t n = strlen(r->why);
        snprintf(r->why + n, sizeof r->why - n, " (records 1 to %llu)", (unsigned long long)r->size);
    }
}

/* As fail, but told after the pass, which finds out what agrees before it. */
static void doubt(struct pass *p, const char *why, int64_t since_ns)
{
    p->doubt = why;
    p->doubt_ns = since_ns;
}

/* --- the checkpoints
 * ------------------------------------------------------------------------------------------------ */

static void add_mark(struct mark **marks, size_t *count, size_t *capacity, const struct note *note)
{
    if (*count == *capacity) {
        *capacity = TC_MAX((size_t)64, 2 * *capacity);
        *marks = tc_realloc(*marks, *capacity * sizeof **marks);
    }
    (*marks)[(*count)++] = (struct mark){note->checkpoint.size, note->whole};
}

static void parse(const struct mark *m, struct note *ret)
{
    struct sv whole = m->whole;
    int rc = note_next(&whole, ret, NULL);
    tc_assert(rc == 1); /* it was read before */
}

/* False: the checkpoints from this one on are not believed. */
static bool judge_note(struct pass *p, const struct note *note)
{
    const struct checkpoint *c = &note->checkpoint;
    const char *why = seal_judge_note(&p->judge, note);
    if (why == NULL && p->count > 0 && c->size < p->marks[p->count - 1].size)
        why = "fewer records than the one before has the checkpoint";
    if (why != NULL) {
        doubt(p, why, c->time.ns);
        return false;
    }
    add_mark(&p->marks, &p->count, &p->capacity, note);
    return true;
}

/* A witness may have been away when a period ended or began: what is missing before `next` is taken from the
 * directory's own file, and judged like all else. */
static bool fill_in(struct pass *p, const struct note_period *next)
{
    while (p->own_next < p->own_count && seal_judge_misses(&p->judge, next)) {
        struct note own;
        parse(&p->own[p->own_next++], &own);
        if (seal_judge_expects(&p->judge, &own.checkpoint.period) && !judge_note(p, &own))
            return false;
    }
    return true;
}

static void read_notes(struct pass *p, struct sv bytes)
{
    struct sv rest = bytes;
    struct note note;
    int rc;
    while ((rc = note_next(&rest, &note, NULL)) == 1) {
        p->report->checkpoints++;
        if (!fill_in(p, &note.checkpoint.period) || !judge_note(p, &note))
            return;
    }
    /* a note that is being written, or that a crash cut off, is none; and nothing follows it */
    if (rc < 0 && (rest.n > NOTE_MAX_BYTES || note_follows(rest))) {
        snprintf(p->offset_text, sizeof p->offset_text,
                 "no whole checkpoint stands in the file at offset %llu",
                 (unsigned long long)(bytes.n - rest.n));
        doubt(p, p->offset_text, TC_NO_TIME);
    }
    p->report->torn_bytes = rc < 0 ? rest.n : 0;
    const char *why = p->doubt == NULL && p->report->checkpoints > 0 ? seal_judge_end(&p->judge) : NULL;
    if (why != NULL)
        doubt(p, why, TC_NO_TIME);
}

/* As far as it can be read: what is missing shows where it is needed. */
static void read_own(struct pass *p, struct sv bytes)
{
    struct sv rest = bytes;
    struct note note;
    while (note_next(&rest, &note, NULL) == 1)
        if (note.checkpoint.period.opens || note.checkpoint.period.ends)
            add_mark(&p->own, &p->own_count, &p->own_capacity, &note);
}

/* --- the pass
 * ------------------------------------------------------------------------------------------------------- */

static bool is_wished(const struct evidence_wish *wish, uint64_t position, struct sv block)
{
    struct event e;
    if (wish == NULL || !wish->by_id)
        return wish != NULL && wish->position == position;
    return record_decode_envelope(block, &e, NULL) == 0 && e.epoch == wish->epoch &&
           e.sequence == wish->sequence && e.class == wish->class;
}

static void keep_record(struct evidence_report *r, struct sv block)
{
    size_t salt_at = TC_RECORD_HEADER_BYTES + load_u16(block.p + 18), raw = load_u32(block.p + 20);
    buf_init(&r->record, block.n + 1);
    buf_char(&r->record, '\0');
    buf_sv(&r->record, sv_head(sv_from(block, salt_at), TC_RECORD_SALT_BYTES));
    buf_sv(&r->record, sv_head(sv_from(block, 8), salt_at - 8));
    buf_sv(&r->record, sv_head(sv_from(block, salt_at + TC_RECORD_SALT_BYTES), raw));
}

static void see_gone(struct pass *p, uint64_t position, uint64_t count)
{
    const struct evidence_wish *w = p->wish;
    if (w != NULL && !w->by_id && w->position >= position && w->position - position < count)
        p->report->dropped = true;
}

static void see_dropped(void *context, uint64_t position, unsigned level, const uint8_t node[TC_SHA256_BYTES])
{
    struct pass *p = context;
    see_gone(p, position, UINT64_C(1) << level);
    if (p->tree.size + 1 == position)
        merkle_add_subtree(&p->tree, level, node, &p->path); /* aligned, as the range is */
    p->gone_from = p->gone_until == position ? p->gone_from : position;
    p->gone_until = position + (UINT64_C(1) << level);
}

static bool wants(void *context, uint64_t position, struct sv block)
{
    const struct pass *p = context;
    return block.n >= TC_RECORD_HEADER_BYTES && is_wished(p->wish, position, block);
}

static void see_record(void *context, uint64_t position, struct sv block, const uint8_t leaf[TC_SHA256_BYTES])
{
    struct pass *p = context;
    struct evidence_report *r = p->report;
    if (p->tree.size + 1 != position)
        return; /* the journal does not begin with its first record: no tree can be made */
    bool wished = r->position == 0 && wants(p, position, block);
    if (block.n == 0)
        see_gone(p, position, 1);
    if (!wished) {
        merkle_add(&p->tree, leaf, &p->path);
        return;
    }
    r->position = position;
    memcpy(r->leaf, leaf, TC_SHA256_BYTES);
    keep_record(r, block);
    merkle_add_followed(&p->tree, leaf, &p->path);
}

static void agree(struct pass *p, const struct mark *m, const struct checkpoint *c)
{
    struct evidence_report *r = p->report;
    uint8_t root[TC_SHA256_BYTES];
    r->agreed++;
    r->size = c->size;
    r->time = c->time;
    p->agreed = m;
    if (r->position == 0)
        return;
    r->path = p->path;
    merkle_root(&p->tree, &r->path, root);
    merkle_climb(&r->path, r->leaf, root);
    tc_assert(memcmp(c->root, root, sizeof root) == 0);
    r->found = true;
}

static void see_frame(void *context, uint64_t last, const uint8_t head[TC_SHA256_BYTES])
{
    struct pass *p = context;
    for (; p->next < p->count && p->marks[p->next].size <= last; p->next++) {
        struct note note;
        const struct checkpoint *c = &note.checkpoint;
        uint8_t root[TC_SHA256_BYTES];
        if (p->report->state == EVIDENCE_FAILS)
            return;
        parse(&p->marks[p->next], &note);
        if (c->size == 0)
            continue; /* signed before the first record */
        if (c->size >= p->gone_from && c->size < last && last + 1 == p->gone_until) {
            p->report->passed++;
            continue; /* its end lies among frames that are gone */
        }
        merkle_root(&p->tree, NULL, root);
        if (c->size != last || p->tree.size != last || memcmp(root, c->root, sizeof root) != 0 ||
            memcmp(head, c->head, TC_SHA256_BYTES) != 0)
            fail(p, "the journal's records are not those that were sealed by the checkpoint", c->time.ns);
        else
            agree(p, &p->marks[p->next], c);
    }
}

static void judge_rest(struct pass *p)
{
    char why[160];
    struct note note;
    if (p->next >= p->count)
        return;
    parse(&p->marks[p->next], &note);
    snprintf(why, sizeof why, "records after %llu are missing: %llu were sealed by the checkpoint",
             (unsigned long long)p->tree.size, (unsigned long long)note.checkpoint.size);
    fail(p, why, note.checkpoint.time.ns);
}

/* The first checkpoint at or before `m` that tells the key of its period. */
static bool find_opening(const struct pass *p, const struct mark *m, struct note_period *ret)
{
    struct note note;
    parse(m, &note);
    const struct note_period of = note.checkpoint.period;
    for (; of.is_set && m >= p->marks; m--) {
        parse(m, &note);
        *ret = note.checkpoint.period;
        if (ret->number != of.number || memcmp(ret->series, of.series, sizeof of.series) != 0)
            return false;
        if (ret->opens)
            return true;
    }
    return false;
}

/* A key of a series, and the way from it to the root that the auditor has. */
static bool tell_period_key(const struct pass *p, const struct note_keys *trusted, struct evidence_report *r)
{
    struct note_period opening;
    if (!find_opening(p, p->agreed, &opening))
        return false;
    for (size_t i = 0; i < trusted->series_count; i++)
        r->has_key_path = r->has_key_path || note_series_holds(&trusted->series[i], &opening);
    if (!r->has_key_path)
        return false;
    r->key = opening.key;
    r->key_path = (struct merkle_proof){.n = opening.levels};
    for (unsigned level = 0; level < opening.levels; level++) {
        memcpy(r->key_path.steps[level].hash, opening.path[level], TC_SHA256_BYTES);
        r->key_path.steps[level].is_left = opening.number >> level & 1;
    }
    return true;
}

/* The newest checkpoint that agrees: who signed it, and its text for the proof. */
static void tell_newest(struct pass *p)
{
    struct evidence_report *r = p->report;
    struct note note;
    if (p->agreed == NULL)
        return;
    parse(p->agreed, &note);
    buf_sv(&r->note, note.whole);
    if (!r->signatures_judged)
        return;
    const struct note_key *signer = note_signer(&note, &p->judge.trusted);
    if (!tell_period_key(p, &p->judge.trusted, r) && signer != NULL)
        r->key = *signer;
    memcpy(r->signer, r->key.name, sizeof r->signer);
    sodium_memzero(r->key.seed, sizeof r->key.seed); /* the file may have held private keys */
    r->key.is_private = false;
}

/* What the order of the keys tells. */
static void tell_periods(struct pass *p)
{
    struct evidence_report *r = p->report;
    const struct seal_judge *j = &p->judge;
    r->has_period = j->series != NULL;
    r->period = j->period.number;
    r->periods = j->periods;
    r->began = j->began;
    bool agrees = j->sealed_size <= r->size; /* else the journal is not what those keys sealed */
    r->sealed_size = agrees ? j->sealed_size : 0;
    r->sealed_until = agrees ? j->sealed_until : (struct receive_time){TC_NO_TIME};
    r->back_from = j->back_from;
    r->back_to = j->back_to;
    r->gap_from = j->gap_from;
    r->gap_to = j->gap_to;
}

static int read_checkpoints(struct pass *p, const struct fs *fs, const char *dir, const char *path,
                            struct buf *bytes, struct buf *own, struct err *err)
{
    char own_path[SEGMENT_PATH_MAX];
    struct fs_stat st;
    if (path == NULL || fs->stat(fs, path, &st) != 0)
        return 0;
    int rc = fs_read_file(fs, path, bytes, err);
    bool has_own = rc == 0 && p->judge.trusted.series_count > 0 &&
                   seal_path(dir, "checkpoints", own_path, sizeof own_path) && strcmp(path, own_path) != 0 &&
                   fs->stat(fs, own_path, &st) == 0;
    if (has_own)
        rc = fs_read_file(fs, own_path, own, err);
    if (has_own && rc == 0)
        read_own(p, buf_view(own));
    if (rc == 0)
        read_notes(p, buf_view(bytes));
    return rc;
}

int evidence_verify(const struct fs *fs, const char *dir, const char *checkpoints,
                    const struct note_keys *trusted, const struct evidence_wish *wish, unsigned threads,
                    struct journal_verify_report *ret_journal, struct evidence_report *ret, struct err *err)
{
    struct pass p = {.report = ret, .wish = wish};
    struct buf bytes, own;
    *ret = (struct evidence_report){.signatures_judged = trusted != NULL};
    *ret_journal = (struct journal_verify_report){0};
    seal_judge_init(&p.judge, trusted);
    buf_init(&bytes, CHECKPOINTS_MAX_BYTES);
    buf_init(&own, CHECKPOINTS_MAX_BYTES);
    buf_init(&ret->note, NOTE_MAX_BYTES * 2);
    int rc = read_checkpoints(&p, fs, dir, checkpoints, &bytes, &own, err);
    if (rc == 0) {
        bool asked = p.count > 0 || wish != NULL; /* else no tree is needed */
        struct journal_watch watch = {.context = &p,
                                      .threads = threads,
                                      .wants = wants,
                                      .record = asked ? see_record : NULL,
                                      .dropped = see_dropped,
                                      .frame = see_frame};
        rc = journal_verify_watched(fs, dir, &watch, ret_journal, err);
    }
    if (rc == 0)
        judge_rest(&p);
    if (p.doubt != NULL)
        fail(&p, p.doubt, p.doubt_ns);
    tell_newest(&p);
    tell_periods(&p);
    if (ret->state == EVIDENCE_NONE && ret->agreed > 0)
        ret->state = EVIDENCE_AGREES;
    seal_judge_wipe(&p.judge);
    free(p.marks);
    free(p.own);
    buf_free(&own);
    buf_free(&bytes);
    return rc;
}

void evidence_free(struct evidence_report *report)
{
    buf_free(&report->record);
    buf_free(&report->note);
}
