/*
 * The archive of cold segments; see cold_archive.h.
 */
#include "journal/cold_archive.h"

#include "journal/verify.h"

#include <stdio.h>
#include <stdlib.h>

enum { COPY_BYTES = 1 << 20 };

int cold_copy_bytes(const struct fs *fs, int from, int to, uint64_t *ret_n)
{
    char *piece = tc_alloc(COPY_BYTES);
    int64_t got;
    int rc = 0;
    *ret_n = 0;
    while (rc == 0 && (got = fs->read_at(fs, from, piece, COPY_BYTES, *ret_n)) != 0) {
        rc = got < 0 ? (int)got : fs_write_all(fs, to, piece, (size_t)got, *ret_n);
        *ret_n += got > 0 ? (uint64_t)got : 0;
    }
    free(piece);
    return rc == 0 ? fs->sync(fs, to) : rc;
}

static uint64_t records_of(const struct cold_header *h)
{
    uint64_t n = 0;
    for (int i = 0; i < CLASS_COUNT; i++)
        n += h->classes[i].kept;
    return n;
}

/* --- what there is ---------------------------------------------------------------------------------------
 */

static int look(const struct fs *fs, const char *dir, const struct cold *there, struct cold_archived *ret,
                struct err *err)
{
    const struct cold_header *h = &there->header;
    struct cold here;
    *ret = (struct cold_archived){.first = h->segment.first,
                                  .next = h->next,
                                  .there = records_of(h),
                                  .oldest = h->oldest,
                                  .newest = h->newest};
    int rc = cold_open(&here, fs, dir, h->segment.first, err);
    if (rc == 0) {
        ret->is_cold_here = true;
        ret->here = records_of(&here.header);
    }
    cold_close(&here);
    return rc == TC_ENOTFOUND ? 0 : rc;
}

int cold_archive_each(const struct fs *fs, const char *dir, const char *archive, cold_archived_fn each,
                      void *context, struct err *err)
{
    struct segment_list list;
    int rc = segment_list_read(fs, archive, &list, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        struct cold there;
        struct cold_archived one;
        rc = cold_open(&there, fs, archive, list.first[i], err);
        if (rc == 0)
            rc = look(fs, dir, &there, &one, err);
        cold_close(&there);
        if (rc == 0)
            rc = each(context, &one, err);
    }
    segment_list_free(&list);
    return rc;
}

/* --- putting one back ------------------------------------------------------------------------------------
 */

static bool same_segment(const struct cold_header *a, const struct cold_header *b)
{
    return a->segment.epoch == b->segment.epoch && a->segment.first == b->segment.first &&
           a->segment.previous == b->segment.previous && a->segment.commit == b->segment.commit &&
           a->next == b->next && a->commit == b->commit &&
           memcmp(a->segment.sequences, b->segment.sequences, sizeof a->segment.sequences) == 0 &&
           memcmp(a->sequences, b->sequences, sizeof a->sequences) == 0 &&
           memcmp(a->segment.head, b->segment.head, sizeof a->segment.head) == 0 &&
           memcmp(a->head, b->head, sizeof a->head) == 0;
}

/* All its bytes are read: records make the chain, the other parts their checksums. */
static int judge(struct cold_walk *walk, struct err *err)
{
    const struct cold *cold = &walk->cold;
    struct verify_state state = verify_start(&cold->header.segment);
    struct cold_item item;
    const char *why = NULL;
    int rc = 0;
    while (why == NULL && (rc = cold_walk_next(walk, 0, &item, err)) == 1) {
        if (item.is_gap)
            return err_set(
                err, TC_EUNSUPPORTED,
                "the archive's copy of the segment at position %llu was made when frames of it were "
                "gone already: it does not prove itself, and is not put back",
                (unsigned long long)cold->header.segment.first);
        why = verify_item(&state, &item);
    }
    if (rc == 0 && why == NULL)
        why = verify_cold_end(&state, &cold->header);
    if (rc == 0 && why == NULL && cold->header.causes.bytes > 0)
        rc = cold_read(cold, &cold->header.causes, true, &walk->packed, err);
    for (size_t i = 0; rc == 0 && why == NULL && i < cold->n; i++)
        if (cold->entries[i].words.bytes > 0)
            rc = cold_read(cold, &cold->entries[i].words, false, &walk->packed, err);
    return why == NULL ? rc : cold_damaged(cold, 0, why, err);
}

/* The copy, as it lies beside the file that it is to replace. */
static int judge_copy(const struct fs *fs, const char *path, const struct cold_header *here, struct err *err)
{
    struct cold_walk walk;
    int rc = cold_walk_open_path(&walk, fs, path, here->segment.first, true, err);
    if (rc != 0)
        return rc;
    if (!same_segment(&walk.cold.header, here))
        rc = err_set(
            err, TC_ECORRUPT,
            "the archive's copy of the segment at position %llu is of another journal, or was changed: "
            "it is not put back",
            (unsigned long long)here->segment.first);
    else
        rc = judge(&walk, err);
    cold_walk_close(&walk);
    return rc;
}

static int copy(const struct fs *fs, const struct cold *from, const char *to, struct err *err)
{
    uint64_t n;
    int file = fs->open(fs, to, FS_WRITE | FS_CREATE | FS_TRUNCATE);
    int rc = file < 0 ? file : cold_copy_bytes(fs, from->file, file, &n);
    if (file >= 0)
        fs->close(fs, file);
    return rc < 0 ? segment_sys(err, rc, "cannot copy to", to) : 0;
}

static int put_back(const struct fs *fs, const char *dir, const struct cold *here, const struct cold *there,
                    struct err *err)
{
    char path[SEGMENT_PATH_MAX + 8], folder[SEGMENT_PATH_MAX];
    snprintf(path, sizeof path, "%s.new", here->path); /* what is left of it, cold_clean removes */
    int rc = copy(fs, there, path, err);
    if (rc == 0)
        rc = judge_copy(fs, path, &here->header, err);
    if (rc != 0) {
        fs->unlink(fs, path);
        return rc;
    }
    segment_dir(dir, folder);
    rc = fs->rename(fs, path, here->path);
    if (rc == 0)
        rc = fs->sync_dir(fs, folder);
    return rc < 0 ? segment_sys(err, rc, "cannot put in place", here->path) : 0;
}

int cold_archive_restore(const struct fs *fs, const char *dir, const char *archive, uint64_t first,
                         struct err *err)
{
    struct cold here = {.file = -1}, there = {.file = -1};
    int rc = cold_open(&there, fs, archive, first, err);
    if (rc == 0) {
        rc = cold_open(&here, fs, dir, first, err);
        if (rc == 0)
            rc = put_back(fs, dir, &here, &there, err);
        cold_close(&here);
    }
    cold_close(&there);
    return rc;
}
