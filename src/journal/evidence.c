/*
 * Judging a journal by checkpoints; see evidence.h.
 *
 * The checkpoints are read and their signatures judged first. Then one pass over the journal rebuilds the
 * tree, and stops at each size that a checkpoint names to compare root and chain head.
 */
#include "journal/evidence.h"

#include "base/arena.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECKPOINTS_MAX_BYTES ((size_t)1 << 30)

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
    struct note_keys trusted;
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

static void trust(struct pass *p, const struct note_keys *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (note_keys_find(&p->trusted, &keys->key[i]) != NULL)
            continue;
        if (p->trusted.n == NOTE_KEYS_MAX) { /* the oldest goes, but not the one that was given */
            memmove(&p->trusted.key[1], &p->trusted.key[2], (NOTE_KEYS_MAX - 2) * sizeof p->trusted.key[0]);
            p->trusted.n--;
        }
        p->trusted.key[p->trusted.n++] = keys->key[i];
    }
}

static void add_mark(struct pass *p, const struct note *note)
{
    if (p->count == p->capacity) {
        p->capacity = TC_MAX((size_t)64, 2 * p->capacity);
        p->marks = tc_realloc(p->marks, p->capacity * sizeof p->marks[0]);
    }
    p->marks[p->count++] = (struct mark){note->checkpoint.size, note->whole};
}

/* False: the checkpoints from this one on are not believed. */
static bool judge_note(struct pass *p, const struct note *note, bool has_keys)
{
    const struct note_key *signer = has_keys ? note_signer(note, &p->trusted) : NULL;
    const struct checkpoint *c = &note->checkpoint;
    if (has_keys && signer == NULL) {
        doubt(p, "no trusted key signed the checkpoint", c->time.ns);
        return false;
    }
    if (p->count > 0 && c->size < p->marks[p->count - 1].size) {
        doubt(p, "fewer records than the one before has the checkpoint", c->time.ns);
        return false;
    }
    add_mark(p, note);
    if (signer != NULL)
        trust(p, &c->keys);
    return true;
}

static void read_notes(struct pass *p, struct sv bytes, bool has_keys)
{
    struct sv rest = bytes;
    struct note note;
    int rc;
    while ((rc = note_next(&rest, &note, NULL)) == 1) {
        p->report->checkpoints++;
        if (!judge_note(p, &note, has_keys))
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

static void parse(const struct mark *m, struct note *ret)
{
    struct sv whole = m->whole;
    int rc = note_next(&whole, ret, NULL);
    tc_assert(rc == 1); /* it was read before */
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

/* The newest checkpoint that agrees: who signed it, and its text for the proof. */
static void tell_newest(struct pass *p)
{
    struct evidence_report *r = p->report;
    struct note note;
    if (p->agreed == NULL)
        return;
    parse(p->agreed, &note);
    const struct note_key *signer = r->signatures_judged ? note_signer(&note, &p->trusted) : NULL;
    if (signer != NULL) {
        memcpy(r->signer, signer->name, sizeof r->signer);
        r->key = *signer;
        sodium_memzero(r->key.seed, sizeof r->key.seed); /* the file may have held private keys */
        r->key.is_private = false;
    }
    buf_sv(&r->note, note.whole);
}

int evidence_verify(const struct fs *fs, const char *dir, const char *checkpoints,
                    const struct note_keys *trusted, const struct evidence_wish *wish, unsigned threads,
                    struct journal_verify_report *ret_journal, struct evidence_report *ret, struct err *err)
{
    struct pass p = {.report = ret, .wish = wish};
    struct buf bytes;
    struct fs_stat st;
    *ret = (struct evidence_report){.signatures_judged = trusted != NULL};
    *ret_journal = (struct journal_verify_report){0};
    buf_init(&bytes, CHECKPOINTS_MAX_BYTES);
    buf_init(&ret->note, NOTE_MAX_BYTES * 2);
    int rc = 0;
    if (checkpoints != NULL && fs->stat(fs, checkpoints, &st) == 0) {
        rc = fs_read_file(fs, checkpoints, &bytes, err);
        if (trusted != NULL)
            p.trusted = *trusted;
        if (rc == 0)
            read_notes(&p, buf_view(&bytes), trusted != NULL);
    }
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
    if (ret->state == EVIDENCE_NONE && ret->agreed > 0)
        ret->state = EVIDENCE_AGREES;
    note_keys_wipe(&p.trusted);
    free(p.marks);
    buf_free(&bytes);
    return rc;
}

void evidence_free(struct evidence_report *report)
{
    buf_free(&report->record);
    buf_free(&report->note);
}
