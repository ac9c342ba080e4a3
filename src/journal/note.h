/*
 * Signed checkpoints as text: C2SP's signed-note and tlog-checkpoint (https://c2sp.org/tlog-checkpoint), so
 * that witnesses and tools of others read them. docs/format/checkpoint.md has the lines.
 *
 * A key is one line: PRIVATE+KEY+<name>+<id>+<key> in the key file, <name>+<id>+<key> for everybody.
 * Ed25519 by libsodium. No secret is ever put into an error.
 */
#ifndef JOURNAL_NOTE_H
#define JOURNAL_NOTE_H

#include "base/clk.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/rng.h"

enum {
    NOTE_NAME_MAX = 128,
    NOTE_KEYS_MAX = 8, /* in a key file, and signatures on a note */
    NOTE_PUBLIC_BYTES = 32,
    NOTE_SIGNATURE_BYTES = 64,
    NOTE_MAX_BYTES = 8192,
    NOTE_KEY_TEXT_MAX = 256,
    NOTE_SERIES_MAX = 4,         /* in a file of keys */
    NOTE_PERIOD_LEVELS_MAX = 20, /* a series has 2^levels keys */
};

struct note_key {
    char name[NOTE_NAME_MAX + 1];
    uint8_t id[4];
    uint8_t public_key[NOTE_PUBLIC_BYTES];
    uint8_t seed[32]; /* of a private key */
    bool is_private;
};

/* A name has no blanks, no plus signs, 1 to NOTE_NAME_MAX bytes. TC_EINPUT. */
int note_key_make(const char *name, const struct rng *rng, struct note_key *ret, struct err *err);
/* From a seed that is there already; the name must be a key's. */
void note_key_from_seed(const char *name, const uint8_t seed[32], struct note_key *ret);
/* What may stand for a key's name. */
bool note_is_name(struct sv name);
/* A line of either kind. TC_EINPUT; the text is never quoted. */
int note_key_parse(struct sv line, struct note_key *ret, struct err *err);
void note_key_public(const struct note_key *key, char out[NOTE_KEY_TEXT_MAX]);
/* Wipe `out` after use. */
void note_key_private(const struct note_key *key, char out[NOTE_KEY_TEXT_MAX]);

/* Base64 with padding; returns its length. `size` must do. */
size_t note_base64(const void *bytes, size_t n, char *out, size_t size);
/* False where it is not exactly n bytes, at most 127. */
bool note_unbase64(struct sv text, void *out, size_t n);

/*
 * A series of keys that evolve (period.h): the root of the tree over all its public keys, which is what an
 * auditor keeps. One key signs in a period; when the period ends it is erased.
 */
struct note_series {
    char name[NOTE_NAME_MAX + 1];
    uint8_t id[4];
    uint8_t levels; /* 1 to NOTE_PERIOD_LEVELS_MAX */
    uint8_t root[TC_SHA256_BYTES];
};
/* Fills in the id from the rest. */
void note_series_identify(struct note_series *series);
void note_series_text(const struct note_series *series, char out[NOTE_KEY_TEXT_MAX]);
/* TC_EINPUT. */
int note_series_parse(struct sv line, struct note_series *ret, struct err *err);

/* What a checkpoint says of the key of a series that signed it. */
struct note_period {
    bool is_set;
    bool ends;  /* the last one that this key signs */
    bool opens; /* `key` and `path` are there; in the first checkpoint of a period, and after a start */
    uint8_t series[4];
    uint32_t number; /* from 0 */
    struct note_key key;
    uint8_t levels;
    uint8_t path[NOTE_PERIOD_LEVELS_MAX][TC_SHA256_BYTES]; /* siblings, from the leaf up */
};
/* SHA-256(0 ‖ public key). */
void note_period_leaf(const uint8_t public_key[NOTE_PUBLIC_BYTES], uint8_t out[TC_SHA256_BYTES]);
/* Whether the period opens, and its key is the one of that number in the series. */
bool note_series_holds(const struct note_series *series, const struct note_period *period);

/* The file of a period's secret begins with it (period.h). */
#define NOTE_PERIOD_PREFIX SV("PERIOD+KEY+")

struct note_keys {
    struct note_key key[NOTE_KEYS_MAX];
    size_t n;
    struct note_series series[NOTE_SERIES_MAX];
    size_t series_count;
};
/* All keys and series of a file, one a line; empty lines and those that begin with # are passed over.
 * TC_EINPUT with file and line; at least one. */
int note_keys_read(const struct fs *fs, const char *path, struct note_keys *ret, struct err *err);
void note_keys_wipe(struct note_keys *keys);
const struct note_key *note_keys_find(const struct note_keys *keys, const struct note_key *like);

struct checkpoint {
    char origin[NOTE_NAME_MAX + 1];
    uint64_t size; /* records 1..size; also the position of the last */
    uint8_t root[TC_SHA256_BYTES];
    struct receive_time time;
    uint64_t epoch;
    uint8_t head[TC_SHA256_BYTES];     /* of the chain, after the record at `size` */
    uint8_t previous[TC_SHA256_BYTES]; /* SHA-256 of the text of the checkpoint before; zeros: the first */
    struct note_period period;         /* of the key of a series that signs; else not set */
    struct note_keys keys;             /* that may sign from here on; n == 0: as before */
};

/* Appends the note, signed by every key, and the empty line that ends it. */
void note_write(const struct checkpoint *checkpoint, const struct note_keys *signers, struct buf *out);

struct note {
    struct checkpoint checkpoint;
    struct sv text;  /* what is signed; lent */
    struct sv whole; /* with signatures and the empty line behind them */
    size_t signature_count;
    struct {
        char name[NOTE_NAME_MAX + 1];
        uint8_t id[4];
        uint8_t bytes[NOTE_SIGNATURE_BYTES];
    } signatures[NOTE_KEYS_MAX];
};
/* The note at the start of *rest, which moves behind it: 1; 0 where *rest is empty; TC_EINPUT where it is no
 * whole note (*rest stays). */
int note_next(struct sv *rest, struct note *ret, struct err *err);
/* Whether a whole note begins somewhere behind the start of `text`: then what stands before it was not torn.
 */
bool note_follows(struct sv text);
/* Offset behind the last whole note in `text`, which may begin within one; 0: there is none. *ret_last (NULL
 * is allowed) becomes that note. */
size_t note_last_end(struct sv text, struct note *ret_last);
/* Whether this key's signature on the note is right. */
bool note_is_signed(const struct note *note, const struct note_key *key);
/* The key of these whose signature on the note is right; NULL: none. */
const struct note_key *note_signer(const struct note *note, const struct note_keys *trusted);

#endif
