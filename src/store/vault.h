/*
 * The vault: values of persons, sealed, behind the random tokens that stand for them everywhere else.
 *
 * A value (an e-mail address, a telephone number, a field that the policy calls personal) has one token as
 * long as it is not erased, so distinct persons can be counted; the token is random, so nothing leads from it
 * to the value but this file and its key. docs/privacy.md has the promises.
 *
 *   DIR/vault/entries  a header, then one sealed entry per value; only appended to, but for erased entries
 *   DIR/vault/erased   the tokens that were erased, one a line: an old copy of `entries` that comes back is
 *                      put right by it at the next open
 *   key file           32 random bytes, made at the first start; subkeys are derived from it. It may lie
 *                      elsewhere; without it `entries` is noise.
 *
 * Order: vault_token only notes a new value in memory. vault_commit makes all noted values durable; it must
 * have returned 0 before anything that bears their tokens is acknowledged. (The journal calls it before each
 * commit.) After a failed sync all calls fail until a restart; a full disk is tried again by the next commit.
 *
 * The index of all values lies in memory (about 100 bytes each), so a value that is known costs one keyed
 * hash. Past TC_VAULT_ENTRIES_MAX values vault_token says TC_EBOUND. Thread-safe.
 */
#ifndef STORE_VAULT_H
#define STORE_VAULT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/rng.h"

enum {
    TC_VAULT_TOKEN_BYTES = 8,
    TC_VAULT_TOKEN_HEX = 17,
    TC_VAULT_VALUE_MAX = 4096,
    TC_VAULT_ENTRIES_MAX = 2 * 1000 * 1000,
    TC_VAULT_SUBKEY_BYTES = 32,
};

enum vault_kind { VAULT_EMAIL = 1, VAULT_PHONE, VAULT_PERSON, VAULT_KIND_COUNT };
/* "email", "phone", "person"; NULL for any other number. */
const char *vault_kind_name(enum vault_kind kind);

struct vault_options {
    const struct fs *fs;
    const struct rng *rng;
    const char *dir;      /* the data directory */
    const char *key_path; /* NULL: DIR/vault.key */
    size_t max_entries;   /* 0 = TC_VAULT_ENTRIES_MAX */
};

struct vault;
/* Opens or makes it; finishes erasures that were cut short. TC_ESTATE where entries are there and the key is
 * not, or is another; TC_ECORRUPT for a header that is none. Bytes that are no entry (a torn tail, damage)
 * are stepped over and counted. */
int vault_open(const struct vault_options *options, struct vault **ret, struct err *err);
/* What is noted and not committed is forgotten. */
void vault_close(struct vault **vault);

/* The token of `value` as 16 hex digits. Compares bytes: the caller brings values into one form. TC_EINPUT:
 * empty or longer than TC_VAULT_VALUE_MAX; TC_EBOUND: the vault is full. */
int vault_token(struct vault *vault, enum vault_kind kind, struct sv value, char ret[TC_VAULT_TOKEN_HEX],
                struct err *err);
/* Cheap where nothing is noted. TC_EBOUND: the disk is full, try again. */
int vault_commit(struct vault *vault, struct err *err);

/* 16 hex digits, alone or as "<email:…>". */
bool vault_parse_token(struct sv text, char ret[TC_VAULT_TOKEN_HEX]);
/* Appends the value behind a token. TC_ENOTFOUND: no such token, or erased. */
int vault_reveal(struct vault *vault, const char token[TC_VAULT_TOKEN_HEX], enum vault_kind *ret_kind,
                 struct buf *out, struct err *err);
/* The token of a value that has one, without making one. TC_ENOTFOUND. */
int vault_find(struct vault *vault, enum vault_kind kind, struct sv value, char ret[TC_VAULT_TOKEN_HEX],
               struct err *err);
/* Overwrites the entry; durable when this returns 0, finished at the next open where it was cut short. The
 * token stays in the journal and leads nowhere. TC_ENOTFOUND. */
int vault_erase(struct vault *vault, const char token[TC_VAULT_TOKEN_HEX], struct err *err);

/* A key for another purpose (channel pseudonyms …), the same in the same installation. `number` from 16 up.
 */
void vault_subkey(const struct vault *vault, uint64_t number, uint8_t ret[TC_VAULT_SUBKEY_BYTES]);

/* For restore: adds tokens (lines of 16 hex digits, as DIR/vault/erased holds them) to the erased ones of
 * `dir`, durably; the next vault_open of it removes their entries. Restore copies `vault/entries` only on
 * request and calls this with the erased lists of the backup and of the directory that it replaces. No vault
 * is open on `dir` meanwhile. */
int vault_merge_erased(const struct fs *fs, const char *dir, struct sv lines, struct err *err);

struct vault_stats {
    uint64_t entries, erased, damaged_bytes, refused; /* refused: past the bound */
};
void vault_stats(struct vault *vault, struct vault_stats *ret);

#endif
