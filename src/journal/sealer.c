/*
 * The sealer; see sealer.h.
 *
 * DIR/seal/tree: "TOCSINTR", u32 version, u32 zero, u64 epoch, u64 size, u64 length of the checkpoints' file,
 * chain head, SHA-256 of the last checkpoint's text, a node for each bit set in size from the lowest up, u64
 * XXH3 of all before. Little-endian. It is replaced after the checkpoint is durable: what stands in that file
 * behind the length may be whole (and counts then) or torn (and is cut off).
 */
#include "journal/sealer.h"

#include "journal/verify.h"

#include "base/arena.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TAIL_MAX = 1 << 20, /* checkpoints behind what the state knows, read one by one */
    WINDOW = 3 * NOTE_MAX_BYTES,
};
enum { TREE_VERSION = 1, TREE_HEAD_BYTES = 8 + 4 + 4 + 8 + 8 + 8 + 32 + 32, TREE_MAX_BYTES = 4096 };
#define TREE_MAGIC SV("TOCSINTR")

struct sealer {
    const struct fs *fs;
    char *dir; /* owned */
    const struct journal *journal;
    struct note_keys keys;
    struct period_key *period; /* lent; NULL: none */
    bool announced;            /* a checkpoint of ours has told the present period's key */
    struct journal_reader *reader;
    struct merkle tree;
    uint64_t epoch; /* of the newest record in the tree */
    uint8_t head[TC_SHA256_BYTES];
    uint8_t previous[TC_SHA256_BYTES]; /* hash of the last checkpoint's text */
    uint64_t checkpoints_bytes;
    uint64_t sealed; /* size of the last checkpoint */
    char checkpoints[SEGMENT_PATH_MAX], state[SEGMENT_PATH_MAX], folder[SEGMENT_PATH_MAX];
};

bool seal_path(const char *dir, const char *name, char *out, size_t size)
{
    int n = snprintf(out, size, "%s/seal%s%s", dir, name[0] == '\0' ? "" : "/", name);
    return n > 0 && (size_t)n < size;
}

/* --- the state
 * ----------------------------------------------------------------------------------------------------- */

static int write_state(const struct sealer *s, struct err *err)
{
    struct buf out;
    buf_init(&out, TREE_MAX_BYTES);
    buf_sv(&out, TREE_MAGIC);
    buf_u32(&out, TREE_VERSION);
    buf_u32(&out, 0);
    buf_u64(&out, s->epoch);
    buf_u64(&out, s->tree.size);
    buf_u64(&out, s->checkpoints_bytes);
    buf_add(&out, s->head, sizeof s->head);
    buf_add(&out, s->previous, sizeof s->previous);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++)
        if (s->tree.size >> level & 1)
            buf_add(&out, s->tree.nodes[level], TC_SHA256_BYTES);
    buf_u64(&out, hash_64(buf_view(&out)));
    int rc = fs_replace_file(s->fs, s->state, buf_view(&out), err);
    buf_free(&out);
    return rc;
}

static bool take_state(struct sealer *s, struct sv bytes)
{
    if (bytes.n < TREE_HEAD_BYTES + 8 || !sv_starts(bytes, TREE_MAGIC) ||
        load_u64(bytes.p + bytes.n - 8) != hash_64(sv_head(bytes, bytes.n - 8)))
        return false;
    struct reader r = reader_of(sv_head(sv_from(bytes, TREE_MAGIC.n), bytes.n - TREE_MAGIC.n - 8));
    uint32_t version = reader_u32(&r);
    reader_u32(&r);
    s->epoch = reader_u64(&r);
    s->tree.size = reader_u64(&r);
    s->checkpoints_bytes = reader_u64(&r);
    struct sv head = reader_bytes(&r, sizeof s->head), previous = reader_bytes(&r, sizeof s->previous);
    if (version != TREE_VERSION || r.rest.n != (size_t)__builtin_popcountll(s->tree.size) * TC_SHA256_BYTES)
        return false;
    memcpy(s->head, head.p, head.n);
    memcpy(s->previous, previous.p, previous.n);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++)
        if (s->tree.size >> level & 1)
            memcpy(s->tree.nodes[level], reader_bytes(&r, TC_SHA256_BYTES).p, TC_SHA256_BYTES);
    return true;
}

static void forget_state(struct sealer *s)
{
    s->tree = (struct merkle){0};
    s->epoch = s->checkpoints_bytes = 0;
    memset(s->head, 0, sizeof s->head);
    memset(s->previous, 0, sizeof s->previous);
}

static void read_state(struct sealer *s)
{
    struct buf bytes;
    buf_init(&bytes, TREE_MAX_BYTES);
    if (fs_read_file(s->fs, s->state, &bytes, NULL) != 0 || !take_state(s, buf_view(&bytes)))
        forget_state(s);
    s->sealed = s->tree.size;
    buf_free(&bytes);
}

/* --- the checkpoints' file
 * ----------------------------------------------------------------------------------------- */

static int damaged(const struct sealer *s, uint64_t offset, struct err *err)
{
    return err_at(err, TC_ECORRUPT, s->checkpoints, 0, 0,
                  "damaged at offset %llu: no whole checkpoint stands there; `tocsin verify` tells what is "
                  "proven; move the file away and a new one is begun",
                  (unsigned long long)offset);
}

/* What stands behind the length that the state knows: whole checkpoints count, a torn one is cut off. */
static int take_tail(struct sealer *s, int file, struct sv bytes, struct err *err)
{
    struct sv rest = bytes;
    struct note note;
    while (note_next(&rest, &note, NULL) == 1) {
        hash_sha256(note.text, s->previous);
        s->sealed = TC_MAX(s->sealed, note.checkpoint.size);
    }
    uint64_t good = s->checkpoints_bytes + (bytes.n - rest.n);
    if (rest.n > NOTE_MAX_BYTES || note_follows(rest))
        return damaged(s, good, err);
    s->checkpoints_bytes = good;
    int rc = rest.n == 0 ? 0 : s->fs->truncate(s->fs, file, good);
    if (rc >= 0)
        rc = s->fs->sync(s->fs, file);
    return rc < 0 ? segment_sys(err, rc, "cannot mend", s->checkpoints) : 0;
}

/* The last whole checkpoint of the first `size` bytes; *ret_end = 0: none ends in the last of them. */
static int read_newest(const struct sealer *s, int file, uint64_t size, uint64_t *ret_end,
                       struct checkpoint *ret, uint8_t ret_hash[TC_SHA256_BYTES], struct err *err)
{
    char window[WINDOW];
    struct note newest;
    uint64_t from = size > WINDOW ? size - WINDOW : 0;
    int64_t got = s->fs->read_at(s->fs, file, window, (size_t)(size - from), from);
    if (got < 0)
        return segment_sys(err, (int)got, "cannot read", s->checkpoints);
    size_t end = note_last_end(sv_make(window, (size_t)got), &newest);
    *ret_end = end == 0 ? 0 : from + end;
    *ret = end == 0 ? (struct checkpoint){0} : newest.checkpoint;
    if (end > 0)
        hash_sha256(newest.text, ret_hash);
    return 0;
}

/* The state is lost, and years of checkpoints are there: the newest has seen all that the others have. */
static int skip_to_newest(struct sealer *s, int file, uint64_t size, struct err *err)
{
    uint64_t end;
    struct checkpoint newest;
    int rc = read_newest(s, file, size, &end, &newest, s->previous, err);
    if (rc != 0)
        return rc;
    if (end == 0)
        return damaged(s, size, err);
    s->checkpoints_bytes = end;
    s->sealed = TC_MAX(s->sealed, newest.size);
    return 0;
}

static int read_tail(struct sealer *s, int file, struct err *err)
{
    uint64_t size;
    struct buf bytes;
    int rc = s->fs->size(s->fs, file, &size);
    if (rc < 0)
        return segment_sys(err, rc, "cannot read", s->checkpoints);
    if (size < s->checkpoints_bytes)
        return damaged(s, size, err);
    if (size - s->checkpoints_bytes > TAIL_MAX && (rc = skip_to_newest(s, file, size, err)) != 0)
        return rc;
    buf_init(&bytes, TAIL_MAX + 1);
    char *to = buf_reserve(&bytes, (size_t)(size - s->checkpoints_bytes) + 1);
    int64_t got =
        s->fs->read_at(s->fs, file, to, (size_t)(size - s->checkpoints_bytes), s->checkpoints_bytes);
    rc = got < 0 ? segment_sys(err, (int)got, "cannot read", s->checkpoints)
                 : take_tail(s, file, sv_make(to, (size_t)got), err);
    buf_free(&bytes);
    return rc;
}

/* Evolves as far as the newest checkpoint says. */
static int settle_period(struct sealer *s, int file, struct receive_time now, struct err *err)
{
    uint64_t end;
    uint8_t hash[TC_SHA256_BYTES];
    struct checkpoint newest;
    int rc = read_newest(s, file, s->checkpoints_bytes, &end, &newest, hash, err);
    return rc == 0 ? period_settle(s->period, &newest.period, now, err) : rc;
}

static int open_checkpoints(struct sealer *s, struct receive_time now, struct err *err)
{
    int rc = fs_make_dirs(s->fs, s->folder, err);
    if (rc != 0)
        return rc;
    int file = s->fs->open(s->fs, s->checkpoints, FS_READ | FS_WRITE | FS_CREATE);
    if (file < 0)
        return segment_sys(err, file, "cannot open", s->checkpoints);
    rc = read_tail(s, file, err);
    if (rc == 0 && s->period != NULL)
        rc = settle_period(s, file, now, err);
    s->fs->close(s->fs, file);
    if (rc == 0 && (rc = s->fs->sync_dir(s->fs, s->folder)) < 0)
        rc = segment_sys(err, rc, "cannot sync", s->folder);
    return rc;
}

/* --- following the journal
 * ----------------------------------------------------------------------------------------- */

/* The rest of a cold segment: what was dropped is taken in by its hashes. TC_ENOTFOUND: this one is not cold.
 */
static int take_cold(struct sealer *s, uint64_t first, struct err *err)
{
    struct cold_walk walk;
    struct cold_item item;
    const char *why = NULL;
    int rc = cold_walk_open(&walk, s->fs, s->dir, first, NULL, true, err);
    if (rc != 0)
        return rc;
    struct verify_state state = verify_start(&walk.cold.header.segment);
    while (why == NULL && (rc = cold_walk_next(&walk, 0, &item, err)) == 1) {
        why = verify_item(&state, &item);
        for (uint32_t i = 0; why == NULL && !item.is_gap && i < item.frame.count; i++)
            if (item.frame.first + i == s->tree.size + 1)
                merkle_add(&s->tree, item.records[i].leaf, NULL);
        uint64_t at = item.gap.first;
        for (size_t i = 0; item.is_gap && i < item.gap.range.n; i++) {
            unsigned level = item.gap.range.nodes[i].level;
            if (at == s->tree.size + 1)
                merkle_add_subtree(&s->tree, level, item.gap.range.nodes[i].hash, NULL);
            at += UINT64_C(1) << level;
        }
    }
    if (rc == 0 && why == NULL)
        why = verify_cold_end(&state, &walk.cold.header);
    if (why != NULL)
        rc = cold_damaged(&walk.cold, 0, why, err);
    else if (rc == 0 && s->tree.size + 1 != walk.cold.header.next)
        rc = err_at(err, TC_ESTATE, walk.cold.path, 0, 0, "the tree ends within what retention dropped");
    s->epoch = walk.cold.header.segment.epoch;
    memcpy(s->head, state.head, sizeof s->head);
    cold_walk_close(&walk);
    return rc;
}

/* Takes in the cold segments from the one on that holds the next record. TC_ESTATE: the tree that is there
 * cannot go on. */
static int catch_up(struct sealer *s, struct err *err)
{
    struct segment_list list;
    int rc = segment_list_read(s->fs, s->dir, &list, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i + 1 < list.n; i++)
        if (list.first[i + 1] > s->tree.size + 1 && list.first[i] <= s->tree.size + 1)
            rc = take_cold(s, list.first[i], err);
    segment_list_free(&list);
    return rc == TC_ENOTFOUND ? 0 : rc;
}

static int open_reader(struct sealer *s, struct err *err)
{
    int rc = catch_up(s, err);
    if (rc == TC_ESTATE) {
        s->tree = (struct merkle){0};
        rc = catch_up(s, err);
    }
    if (rc != 0)
        return rc;
    return journal_reader_open(s->fs, s->dir, s->tree.size + 1, s->journal, &s->reader, err);
}

/* Where the state fits no frame of the journal, the tree is made from the first record. */
static int start_anew(struct sealer *s, struct err *err)
{
    uint64_t bytes = s->checkpoints_bytes;
    uint8_t previous[TC_SHA256_BYTES];
    memcpy(previous, s->previous, sizeof previous);
    forget_state(s);
    s->checkpoints_bytes = bytes;
    memcpy(s->previous, previous, sizeof previous);
    journal_reader_close(&s->reader);
    return open_reader(s, err);
}

static int take_frame(struct sealer *s, const struct journal_frame *frame, struct err *err)
{
    struct sv rest = frame->blocks;
    for (uint64_t i = 0; i < frame->count; i++) {
        struct sv block = sv_head(rest, record_length(rest));
        struct event e;
        uint8_t leaf[TC_SHA256_BYTES];
        int rc = record_decode_envelope(block, &e, err);
        if (rc != 0)
            return rc;
        s->epoch = e.epoch;
        record_leaf_hash(block, leaf);
        merkle_add(&s->tree, leaf, NULL);
        rest = sv_from(rest, block.n);
    }
    memcpy(s->head, frame->head, sizeof s->head);
    return 0;
}

static int too_short(const struct sealer *s, uint64_t size, struct err *err)
{
    return err_at(err, TC_ECORRUPT, s->checkpoints, 0, 0,
                  "a checkpoint has seen %llu records, the journal ends at %llu: records are missing",
                  (unsigned long long)s->sealed, (unsigned long long)size);
}

int sealer_step(struct sealer *s, uint64_t max_records, struct err *err)
{
    struct journal_frame frame;
    uint64_t until = s->tree.size + max_records;
    while (s->tree.size < until) {
        int rc = journal_reader_next(s->reader, &frame, err);
        if (rc == 0 && s->tree.size < s->sealed)
            return too_short(s, s->tree.size, err);
        if (rc <= 0)
            return rc;
        if (frame.is_cold) { /* it became so before it was read: by the other way */
            journal_reader_close(&s->reader);
            rc = open_reader(s, err);
            if (rc != 0)
                return rc;
            continue;
        }
        if (frame.first != s->tree.size + 1) {
            if (s->tree.size == 0)
                return err_set(err, TC_ECORRUPT, "the journal of %s does not begin with its first record",
                               s->dir);
            rc = start_anew(s, err);
        } else {
            rc = take_frame(s, &frame, err);
        }
        if (rc != 0)
            return rc;
    }
    return 1;
}

int sealer_open(const struct sealer_options *options, struct sealer **ret, struct err *err)
{
    struct sealer *s = tc_alloc(sizeof *s);
    *s = (struct sealer){.fs = options->fs,
                         .dir = tc_strdup(options->dir),
                         .journal = options->journal,
                         .keys = *options->keys,
                         .period = options->period};
    int rc = s->period != NULL && s->keys.n == NOTE_KEYS_MAX
                 ? err_set(err, TC_EINPUT, "%d keys and one that evolves: retire the old ones", NOTE_KEYS_MAX)
                 : 0;
    if (rc == 0 && (!seal_path(s->dir, "checkpoints", s->checkpoints, sizeof s->checkpoints) ||
                    !seal_path(s->dir, "tree", s->state, sizeof s->state) ||
                    !seal_path(s->dir, "", s->folder, sizeof s->folder)))
        rc = err_set(err, TC_EINPUT, "the path of the data directory is too long");
    if (rc == 0) {
        read_state(s);
        rc = open_checkpoints(s, options->now, err);
    }
    if (rc == 0 && s->journal != NULL && journal_end(s->journal) <= s->sealed)
        rc = too_short(s, journal_end(s->journal) - 1, err);
    if (rc == 0)
        rc = open_reader(s, err);
    if (rc != 0) {
        sealer_close(&s);
        return rc;
    }
    *ret = s;
    return 0;
}

void sealer_close(struct sealer **sealer)
{
    struct sealer *s = *sealer;
    if (s == NULL)
        return;
    if (s->reader != NULL)
        journal_reader_close(&s->reader);
    note_keys_wipe(&s->keys);
    free(s->dir);
    free(s);
    *sealer = NULL;
}

uint64_t sealer_size(const struct sealer *s)
{
    return s->tree.size;
}

/* --- checkpoints
 * ------------------------------------------------------------------------------------------------------ */

static int append_note(struct sealer *s, struct sv note, struct err *err)
{
    int file = s->fs->open(s->fs, s->checkpoints, FS_WRITE);
    int rc = file < 0 ? file : fs_write_all(s->fs, file, note.p, note.n, s->checkpoints_bytes);
    if (rc >= 0)
        rc = s->fs->sync(s->fs, file);
    /* what a failed sync left in the page cache may not be taken for durable by the next start */
    if (rc < 0 && file >= 0)
        s->fs->truncate(s->fs, file, s->checkpoints_bytes);
    if (file >= 0)
        s->fs->close(s->fs, file);
    return rc < 0 ? segment_sys(err, rc, "cannot write", s->checkpoints) : 0;
}

static void describe(const struct sealer *s, struct receive_time now, bool ends, struct checkpoint *c)
{
    const char *origin = s->keys.n > 0 ? s->keys.key[0].name : period_series(s->period)->name;
    *c = (struct checkpoint){.size = s->tree.size, .time = now, .epoch = s->epoch};
    snprintf(c->origin, sizeof c->origin, "%s", origin);
    merkle_root(&s->tree, NULL, c->root);
    memcpy(c->head, s->head, sizeof c->head);
    memcpy(c->previous, s->previous, sizeof c->previous);
    if (s->period != NULL)
        period_describe(s->period, !s->announced, ends, &c->period);
    if (s->keys.n > 1)
        c->keys = s->keys; /* a change of keys: the old one vouches for the new one */
}

static int checkpoint(struct sealer *s, struct receive_time now, bool ends, struct buf *ret_note,
                      struct err *err)
{
    struct checkpoint c;
    struct note_keys signers = {0};
    describe(s, now, ends, &c);
    if (s->period != NULL)
        signers.key[signers.n++] = *period_signer(s->period);
    for (size_t i = 0; i < s->keys.n; i++)
        signers.key[signers.n++] = s->keys.key[i];
    buf_clear(ret_note);
    note_write(&c, &signers, ret_note);
    note_keys_wipe(&c.keys);
    note_keys_wipe(&signers);
    int rc = append_note(s, buf_view(ret_note), err);
    if (rc != 0)
        return rc;
    struct sv rest = buf_view(ret_note);
    struct note note;
    rc = note_next(&rest, &note, err);
    tc_assert(rc == 1);
    hash_sha256(note.text, s->previous);
    s->checkpoints_bytes += ret_note->n;
    s->sealed = s->tree.size;
    s->announced = s->period != NULL;
    return write_state(s, err);
}

int sealer_checkpoint(struct sealer *s, struct receive_time now, struct buf *ret_note, struct err *err)
{
    return checkpoint(s, now, false, ret_note, err);
}

/* The next key is there before the checkpoint that says that this one is gone; a start that reads that
 * checkpoint erases this one before anything else. */
int sealer_end_period(struct sealer *s, struct receive_time now, struct buf *ret_note, struct err *err)
{
    if (s->period == NULL || period_left(s->period) == 0)
        return checkpoint(s, now, false, ret_note, err);
    int rc = period_prepare(s->period, period_number(s->period) + 1, now, err);
    if (rc == 0)
        rc = checkpoint(s, now, true, ret_note, err);
    if (rc == 0)
        rc = period_advance(s->period, err);
    s->announced = false;
    return rc;
}
