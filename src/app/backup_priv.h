/*
 * What backup.c (collecting, manifest), restore.c and backup_pack.c (directory and archive) share.
 */
#ifndef APP_BACKUP_PRIV_H
#define APP_BACKUP_PRIV_H

#include "app/backup.h"

#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_SUMS     "SHA256SUMS"
enum { BACKUP_MANIFEST_MAX = 64 << 10, BACKUP_SUMS_MAX = 256 << 20, BACKUP_COPY_BYTES = 1 << 20 };

struct backup_item {
    const char *name; /* within the backup: "journal/00000000000000000001.seg" */
    const char *path; /* where its bytes are; NULL: they are `text` */
    struct sv text;
    uint64_t bytes; /* of the file, which may have grown since */
    uint8_t sha256[TC_SHA256_BYTES];
};

/* Whether a backup may hold a file of that name: one of ours, and nowhere else. */
bool backup_name_is_ours(struct sv name);
int backup_read_manifest(struct sv json, struct backup_summary *ret, uint8_t sums[TC_SHA256_BYTES],
                         struct err *err);
/* Takes a line "HEX  NAME" off `sums`. False at the end, or with *ret_bad at what is no such line. */
bool backup_next_sum(struct sv *sums, struct sv *ret_name, uint8_t sha256[TC_SHA256_BYTES], bool *ret_bad);

/* --- backup_pack.c --- */

/* Writes the items in order. A file whose bytes are not those that were hashed any more is TC_EAGAIN. What is
 * half done is removed. */
int pack_directory(const struct fs *fs, const char *to, const struct backup_item *items, size_t count,
                   struct err *err);
int pack_archive(const struct fs *fs, const char *to, const struct backup_item *items, size_t count,
                 int64_t now_ns, struct err *err);
/* Hash of the first `bytes` of a file. TC_EAGAIN where it is shorter. */
int pack_hash(const struct fs *fs, const char *path, uint64_t bytes, uint8_t ret[TC_SHA256_BYTES],
              struct err *err);
/* Puts the files of an archive (or the named ones of a directory) into `to`, which is made. Only names of
 * ours are taken, only regular files, no more than the manifest announces. */
int pack_unpack(const struct fs *fs, const char *from, const char *to, struct err *err);
bool pack_is_directory(const struct fs *fs, const char *path);
/* Removes a directory and all below; for what was made here. */
void pack_remove(const char *path);

#endif
