/*
 * Backup and restore of a data directory; docs/backup.md is for people, docs/format/backup.md has the layout.
 *
 * A backup is a directory, or the same as a tar archive packed with zstd: `manifest.json` (what it is, and
 * the hash of the next), `SHA256SUMS` (as sha256sum(1) reads it), and the files. It holds the truth (journal,
 * objects) and what nothing else can make again (keys, the configuration, on request the vault); the store
 * and checkpoints are made anew from the journal.
 *
 * No lock is taken and nothing is stopped: the journal is copied up to a position at which it is whole. All
 * that was acknowledged before backup_make was called is in it.
 *
 * A restore makes a new epoch, so that two copies never give the same id to two events, and holds delivery
 * back: what was sent after the backup was taken is not known to it, so a person looks first (`release`).
 */
#ifndef APP_BACKUP_H
#define APP_BACKUP_H

#include "base/arena.h"
#include "base/fs.h"
#include "base/rng.h"
#include "journal/journal.h"

enum { BACKUP_VERSION = 1, BACKUP_PATH_MAX = 4096 };

struct backup_summary {
    uint64_t epoch, position; /* of the journal when it was taken */
    uint64_t files, bytes;    /* manifest and sums not counted */
    int64_t created_ns;
    bool has_keys;
    char head[TC_SHA256_HEX];
    char made_by[64];
};

struct backup_options {
    const struct fs *fs;
    const struct clk *clk;
    const char *data;
    const char *to;     /* a directory that does not exist yet, or NAME.tar.zst, or "-": archive on stdout */
    const char *config; /* kept as config/tocsin.yml; NULL: none */
    bool without_keys;
    bool with_vault; /* also the sealed values of persons (store/vault.h) */
};
/* TC_ENOTFOUND: no journal there. TC_EEXIST: `to` exists. TC_ECORRUPT: the journal is damaged, nothing is
 * made. A half-made backup is removed. All files are readable by the owner only. */
int backup_make(const struct backup_options *options, struct backup_summary *ret, struct err *err);

/* Verifies a backup: manifest, every hash, no file too many, the journal's chain from end to end. An archive
 * is unpacked below `work` (a directory that exists) and removed again. TC_ECORRUPT names what is wrong. */
int backup_check(const struct fs *fs, const char *from, const char *work, struct backup_summary *ret,
                 struct err *err);

struct restore_options {
    const struct fs *fs;
    const struct clk *clk;
    const struct rng *rng;
    const char *from, *data; /* `data`: absent or empty */
    bool deliver;            /* do not hold delivery back */
    const char
        *erased; /* the vault/erased of the installation that this one takes the place of; NULL: none */
};
struct restore_report {
    struct backup_summary summary;
    uint64_t epoch;        /* the new one */
    uint64_t pending;      /* notifications decided and not known to be sent; at least, at the bound */
    struct arena arena;    /* of `preview`; the caller frees it */
    struct sv preview[20]; /* "P2 BRUTE_FORCE_ATTACK new -> security", the oldest first */
    size_t preview_count;
};
/* Checks as backup_check, and puts `data` in its place only when all is done. TC_EEXIST: not empty. */
int backup_restore(const struct restore_options *options, struct restore_report *ret, struct err *err);

#endif
