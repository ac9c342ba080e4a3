/*
 * Checking a backup and restoring it; see backup.h.
 *
 * A restore happens in DIR.restoring: unpack, check all, begin the new epoch, write down that delivery is
 * held. Only then it becomes DIR, by one rename, so that a restore that was cut off leaves nothing that looks
 * like a data directory.
 */
#include "app/backup_priv.h"
#include "store/vault.h"

#include "app/delivery.h"
#include "base/map.h"
#include "event/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PENDING_MAX = 1 << 20 };

/* --- checking
 * ----------------------------------------------------------------------------------------------------- */

static int check_file(const struct fs *fs, const char *dir, struct sv name,
                      const uint8_t want[TC_SHA256_BYTES], uint64_t *bytes, struct err *err)
{
    char path[2 * BACKUP_PATH_MAX];
    uint8_t got[TC_SHA256_BYTES];
    struct fs_stat st;
    snprintf(path, sizeof path, "%s/%.*s", dir, SV_FMT(name));
    if (fs->stat(fs, path, &st) != 0 || st.is_dir)
        return err_set(err, TC_ECORRUPT, "%s is missing from the backup", path);
    int rc = pack_hash(fs, path, st.size_bytes, got, err);
    *bytes += st.size_bytes;
    return rc == 0 && memcmp(got, want, sizeof got) != 0
               ? err_set(err, TC_ECORRUPT, "%s is not what was backed up: its hash differs", path)
               : rc;
}

struct count {
    uint64_t files;
};

static void count_segment(void *context, const char *name)
{
    struct count *c = context;
    c->files += sv_ends(sv_of(name), SV(".seg")) || sv_ends(sv_of(name), SV(".cold"));
}

/* A segment that no sum names would be read with the others. */
static int check_no_more(const struct fs *fs, const char *dir, uint64_t segments, struct err *err)
{
    char path[2 * BACKUP_PATH_MAX];
    struct count c = {0};
    snprintf(path, sizeof path, "%s/journal", dir);
    fs->list(fs, path, count_segment, &c);
    return c.files == segments
               ? 0
               : err_set(err, TC_ECORRUPT, "%s holds segments that " BACKUP_SUMS " does not name", path);
}

static int check_sums(const struct fs *fs, const char *dir, struct sv sums, const struct backup_summary *s,
                      struct err *err)
{
    uint64_t files = 0, bytes = 0, segments = 0;
    uint8_t hash[TC_SHA256_BYTES];
    struct sv name;
    bool bad = false;
    int rc = 0;
    while (rc == 0 && backup_next_sum(&sums, &name, hash, &bad)) {
        rc = check_file(fs, dir, name, hash, &bytes, err);
        segments += sv_starts(name, SV("journal/"));
        files++;
    }
    if (rc == 0 && bad)
        rc = err_set(err, TC_ECORRUPT, BACKUP_SUMS " holds a line that no backup has");
    if (rc == 0 && (files != s->files || bytes != s->bytes))
        rc = err_set(err, TC_ECORRUPT,
                     "the backup has %llu files of %llu bytes, its manifest says %llu of %llu",
                     (unsigned long long)files, (unsigned long long)bytes, (unsigned long long)s->files,
                     (unsigned long long)s->bytes);
    return rc == 0 ? check_no_more(fs, dir, segments, err) : rc;
}

static int check_chain(const struct fs *fs, const char *dir, const struct backup_summary *s, struct err *err)
{
    struct journal_snapshot snapshot;
    char head[TC_SHA256_HEX];
    int rc = journal_snapshot(fs, dir, &snapshot, err);
    if (rc != 0)
        return rc;
    hash_hex(snapshot.report.head, TC_SHA256_BYTES, head);
    if (snapshot.position != s->position || snapshot.epoch != s->epoch || strcmp(head, s->head) != 0 ||
        snapshot.report.torn_bytes > 0)
        rc = err_set(err, TC_ECORRUPT, "the journal of the backup does not end where its manifest says");
    journal_snapshot_free(&snapshot);
    return rc;
}

static int check_directory(const struct fs *fs, const char *dir, struct backup_summary *ret, struct err *err)
{
    char path[2 * BACKUP_PATH_MAX];
    struct buf manifest, sums;
    uint8_t want[TC_SHA256_BYTES], got[TC_SHA256_BYTES];
    buf_init(&manifest, BACKUP_MANIFEST_MAX);
    buf_init(&sums, BACKUP_SUMS_MAX);
    snprintf(path, sizeof path, "%s/" BACKUP_MANIFEST, dir);
    int rc = fs_read_file(fs, path, &manifest, err);
    if (rc == 0)
        rc = backup_read_manifest(buf_view(&manifest), ret, want, err);
    snprintf(path, sizeof path, "%s/" BACKUP_SUMS, dir);
    if (rc == 0)
        rc = fs_read_file(fs, path, &sums, err);
    hash_sha256(buf_view(&sums), got);
    if (rc == 0 && memcmp(want, got, sizeof got) != 0)
        rc = err_set(err, TC_ECORRUPT, "%s is not what the manifest says: its hash differs", path);
    if (rc == 0)
        rc = check_sums(fs, dir, buf_view(&sums), ret, err);
    if (rc == 0)
        rc = check_chain(fs, dir, ret, err);
    buf_free(&manifest);
    buf_free(&sums);
    return rc;
}

int backup_check(const struct fs *fs, const char *from, const char *work, struct backup_summary *ret,
                 struct err *err)
{
    char dir[BACKUP_PATH_MAX];
    if (pack_is_directory(fs, from))
        return check_directory(fs, from, ret, err);
    if ((size_t)snprintf(dir, sizeof dir, "%s/tocsin-check-XXXXXX", work) >= sizeof dir)
        return err_set(err, TC_EINPUT, "the path is too long");
    if (mkdtemp(dir) == NULL)
        return err_sys(err, "cannot make a directory below %s", work);
    int rc = pack_unpack(fs, from, dir, err);
    if (rc == 0)
        rc = check_directory(fs, dir, ret, err);
    pack_remove(dir);
    return rc;
}

/* --- what would be sent
 * ------------------------------------------------------------------------------------------- */

struct pending {
    struct map keys; /* key:channel -> index into texts + 1 */
    struct restore_report *report;
    struct sv *texts;
    size_t count, capacity;
};

static void note_intent(struct pending *p, const struct event *json)
{
    const struct field *channel = event_find(json, SV("channels"), event_name_hash(SV("channels")));
    for (; channel != NULL; channel = event_next(json, channel)) {
        struct arena scratch = {0};
        if (channel->type != FIELD_STRING)
            continue;
        struct sv key =
            arena_printf(&scratch, "%.*s:%.*s", SV_FMT(event_value(json, "key")), SV_FMT(channel->value));
        uint64_t *at = map_put(&p->keys, key, NULL);
        if (at != NULL && *at == 0) {
            if (p->count == p->capacity) {
                p->capacity = TC_MAX((size_t)64, 2 * p->capacity);
                p->texts = tc_realloc(p->texts, p->capacity * sizeof p->texts[0]);
            }
            p->texts[p->count++] = arena_printf(&p->report->arena, "%.*s %.*s %.*s -> %.*s",
                                                SV_FMT(sv_head(event_value(json, "alert.severity"), 8)),
                                                SV_FMT(sv_head(event_value(json, "alert.title"), 80)),
                                                SV_FMT(sv_head(event_value(json, "reason"), 20)),
                                                SV_FMT(sv_head(channel->value, 64)));
            *at = p->count;
        }
        arena_free(&scratch);
    }
}

static void note_record(struct pending *p, struct sv block)
{
    struct event record, json = {.time = {TC_NO_TIME}};
    struct arena arena = {0};
    if (record_decode_envelope(block, &record, NULL) != 0 ||
        (record.type != REC_INTENT && record.type != REC_RECEIPT))
        return;
    if (json_parse_event(record.raw, &arena, &json, NULL) == 0) {
        event_index(&json, &arena);
        if (record.type == REC_INTENT)
            note_intent(p, &json);
        else
            map_remove(&p->keys, event_value(&json, "key"));
    }
    arena_free(&arena);
}

/* Intents without a receipt. What the tail of the input will yet decide is not among them. */
static int find_pending(const struct fs *fs, const char *dir, struct restore_report *report, struct err *err)
{
    struct pending p = {.report = report};
    struct journal_reader *reader;
    struct journal_frame frame;
    int rc = journal_reader_open(fs, dir, 0, NULL, &reader, err);
    if (rc != 0)
        return rc;
    map_init(&p.keys, PENDING_MAX);
    while ((rc = journal_reader_next(reader, &frame, err)) > 0) {
        struct sv rest = frame.blocks;
        for (uint64_t i = 0; frame.kind != BATCH_INPUT && i < frame.count; i++) {
            note_record(&p, sv_head(rest, record_length(rest)));
            rest = sv_from(rest, record_length(rest));
        }
    }
    journal_reader_close(&reader);
    struct map_entry *entry;
    for (size_t i = 0; map_next(&p.keys, &i, &entry); report->pending++)
        if (report->preview_count < TC_ARRAY_LEN(report->preview))
            report->preview[report->preview_count++] = p.texts[entry->value - 1];
    free(p.texts);
    map_free(&p.keys);
    return rc;
}

/* --- restoring
 * ---------------------------------------------------------------------------------------------------- */

static int hold(const struct restore_options *o, const char *dir, const struct backup_summary *s,
                struct err *err)
{
    struct journal *journal;
    struct journal_options options = {
        .fs = o->fs, .clk = o->clk, .rng = o->rng, .dir = dir, .inline_commit = true};
    char note[256], at[TC_RFC3339_MAX];
    int rc = journal_open(&options, &journal, NULL, err);
    if (rc != 0)
        return rc;
    clk_rfc3339(s->created_ns, at);
    snprintf(note, sizeof note, "restored from the backup of %s, position %llu of epoch %016llx", at,
             (unsigned long long)s->position, (unsigned long long)s->epoch);
    rc = delivery_record(journal, o->clk, o->deliver ? SV("restored") : SV("hold"), SV("tocsin restore"),
                         sv_of(note), err);
    journal_close(&journal);
    return rc;
}

static void count_any(void *context, const char *name)
{
    struct count *c = context;
    (void)name;
    c->files++;
}

static int check_empty(const struct restore_options *o, struct err *err)
{
    struct fs_stat st;
    struct count c = {0};
    if (o->fs->stat(o->fs, o->data, &st) != 0)
        return 0;
    if (st.is_dir)
        o->fs->list(o->fs, o->data, count_any, &c);
    if (!st.is_dir || c.files > 0)
        return err_set(err, TC_EEXIST, "%s is not empty: restore into a new directory", o->data);
    return 0;
}

/* An empty directory gives way to the rename. */
static int put_in_place(const struct restore_options *o, const char *made, struct err *err)
{
    int rc = o->fs->rename(o->fs, made, o->data);
    if (rc < 0) {
        errno = -rc;
        return err_sys(err, "cannot put %s in its place", o->data);
    }
    char *folder = tc_strdup(o->data), *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder] = '\0';
    o->fs->sync_dir(o->fs, slash == NULL ? "." : folder);
    free(folder);
    return 0;
}

static int restore_into(const struct restore_options *o, const char *dir, struct restore_report *ret,
                        struct err *err)
{
    static const char *const papers[] = {BACKUP_MANIFEST, BACKUP_SUMS}; /* of the backup, not of the data */
    struct journal_options journal = {.fs = o->fs, .clk = o->clk, .rng = o->rng, .dir = dir};
    int rc = pack_unpack(o->fs, o->from, dir, err);
    if (rc == 0)
        rc = check_directory(o->fs, dir, &ret->summary, err);
    if (rc == 0)
        rc = find_pending(o->fs, dir, ret, err);
    if (rc == 0)
        rc = journal_begin_epoch(&journal, &ret->epoch, err);
    if (rc == 0)
        rc = hold(o, dir, &ret->summary, err);
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(papers); i++) {
        char path[2 * BACKUP_PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", dir, papers[i]);
        o->fs->unlink(o->fs, path);
    }
    return rc;
}

/* What was erased after the backup was taken must not come back with it. */
static int keep_erased(const struct restore_options *o, const char *dir, struct err *err)
{
    struct buf lines;
    buf_init(&lines, (size_t)TC_VAULT_TOKEN_HEX * TC_VAULT_ENTRIES_MAX);
    int rc = fs_read_file(o->fs, o->erased, &lines, err);
    if (rc == 0)
        rc = vault_merge_erased(o->fs, dir, buf_view(&lines), err);
    buf_free(&lines);
    return rc;
}

int backup_restore(const struct restore_options *o, struct restore_report *ret, struct err *err)
{
    char dir[BACKUP_PATH_MAX];
    struct fs_stat st;
    size_t n = strlen(o->data);
    *ret = (struct restore_report){0};
    while (n > 1 && o->data[n - 1] == '/')
        n--;
    if ((size_t)snprintf(dir, sizeof dir, "%.*s.restoring", (int)n, o->data) >= sizeof dir)
        return err_set(err, TC_EINPUT, "the path is too long");
    int rc = check_empty(o, err);
    if (rc == 0 && o->fs->stat(o->fs, dir, &st) == 0)
        rc = err_set(err, TC_EEXIST, "%s is in the way: another restore runs, or one was cut off; remove it",
                     dir);
    if (rc != 0)
        return rc;
    rc = restore_into(o, dir, ret, err);
    if (rc == 0 && o->erased != NULL)
        rc = keep_erased(o, dir, err);
    if (rc == 0)
        rc = put_in_place(o, dir, err);
    if (rc != 0)
        pack_remove(dir);
    return rc;
}
