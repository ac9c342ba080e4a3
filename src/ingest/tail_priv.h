/*
 * The file door's insides, for tail.c (life, rounds, thread), tail_find.c (names to files), tail_file.c (one
 * file: identity and position) and tail_read.c (bytes to lines) only.
 */
#ifndef INGEST_TAIL_PRIV_H
#define INGEST_TAIL_PRIV_H

#include "base/unpack.h"
#include "ingest/tail.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    TAIL_HEAD_BYTES = 1024,                 /* of a file's beginning, hashed */
    TAIL_LAST_BYTES = 256,                  /* before the offset, hashed */
    TAIL_LINE_BYTES = TC_EVENT_RAW_MAX + 2, /* the longest line that is kept whole, with \r\n */
    TAIL_PATH_BYTES = 4096,
    TAIL_DIRTY_MAX = 200, /* positions in one frame */
};

struct tail_packed; /* tail_read.c: a compressed file being read */

struct tail_cut { /* a line past the limit, while its end has not come */
    struct sha256_ctx sha256;
    uint64_t bytes; /* of the line so far, without held_cr */
    uint64_t at;    /* read up to here */
    bool held_cr;   /* the last byte was \r: part of the line's end, perhaps */
    char first[TC_EVENT_CUT_BYTES];
};

struct tail_file {
    uint64_t serial;                  /* its name among positions */
    const struct tail_source *source; /* NULL: of a source that is not configured (any more) */
    char *base;                       /* the name that is or was written to */
    char *path;                       /* where it was seen last */
    uint64_t directory_device;        /* of the directory it was in; 0: unknown */
    uint64_t device, inode;           /* 0, 0: only its bytes are known (a copy is looked for) */
    uint64_t offset;                  /* start of the first line that was not taken */
    uint64_t size;                    /* seen last (of a compressed file: packed) */
    uint64_t head_hash, last_hash;    /* of the bytes read; of a compressed file: of the packed ones */
    uint32_t head_bytes, last_bytes;
    int64_t modified_ns;
    bool is_packed, is_done; /* done: a compressed file read to its end, or never to be read */
    const struct parser *parser;
    struct parse_state state;
    bool state_ready;

    int handle;    /* -1: closed */
    bool is_dirty; /* its position is to be written */
    bool is_moved; /* … in the frame of the lines */
    bool is_found; /* by the scan under way */
    bool is_gone;  /* forgotten as soon as the journal knows */
    bool is_told;  /* that it cannot be read */
    bool is_unreadable;
    int64_t checked_modified_ns; /* its bytes were compared when it bore this time */
    int64_t missing_ns;          /* since when (monotonic), 0: it is there */
    uint64_t seen_bytes;         /* its size at the last look, whosesoever the bytes were */
    int64_t changed_ns;          /* when it last grew or moved (monotonic) */
    struct tail_cut *cut;
    struct tail_packed *packed;
};

struct tail {
    struct tail_options options;
    struct outlet *outlet;
    struct tail_file **files; /* by base, rotated ones first, older first */
    size_t count;
    uint64_t next_serial;
    bool *source_started; /* per source: its first scan is in the journal */
    bool *source_dirty;
    size_t dirty;
    char *room; /* bytes of the file being read: TAIL_LAST_BYTES and a line */
    int64_t scanned_ns;
    bool full_told, unreadable_told, scan_wanted;
    enum outlet_state state;
    struct arena scratch; /* of one scan */

    int wake_fd, notify_fd;
    atomic_bool stop;
    pthread_t thread;
    bool thread_started;
    /* in the order of struct tail_stats */
    atomic_ullong lines, bytes, truncations, vanished, lost_bytes, refused_files, file_count, open_files,
        unreadable, behind_bytes, waiting;
};

/* --- tail.c */
int64_t tail_now(const struct tail *tail);
/* A loss becomes a log line, a count and an event. `what` completes "FILE …". */
void tail_say_loss(struct tail *tail, const struct tail_file *file, const char *what, uint64_t bytes);
void tail_watch(struct tail *tail, const char *dir);

/* --- tail_file.c */
struct tail_file *tail_file_add(struct tail *tail, const struct tail_source *source, const char *base,
                                const char *path); /* NULL at the bound */
/* Closed, and freed by tail_sweep once the journal knows. */
void tail_file_forget(struct tail *tail, struct tail_file *file);
void tail_sweep(struct tail *tail);
void tail_file_close(struct tail *tail, struct tail_file *file);
void tail_file_free(struct tail *tail, struct tail_file *file);
void tail_file_dirty(struct tail *tail, struct tail_file *file, bool moved);
/* Opens where it is closed, and compares what was read with what is there: 1 = open and the same; 0 = other
 * bytes (closed again); negative errno. */
int tail_file_open(struct tail *tail, struct tail_file *file);
/* Are the bytes read of `file` those at the front of `path`? */
bool tail_file_matches(struct tail *tail, const struct tail_file *file, const char *path, bool packed);
/* What is under its name is not what was read. The file that is written to begins anew, and what was read
 * becomes a file of its own whose copy is looked for; a rotated one keeps what was read and loses its name.
 */
void tail_file_replaced(struct tail *tail, struct tail_file *file);
/* `path` holds, compressed, what `file` is: it is read on from there. */
void tail_file_become_packed(struct tail *tail, struct tail_file *file, const char *path,
                             const struct fs_stat *st);
void tail_file_take_hashes(struct tail *tail, struct tail_file *file); /* reads them from the file */
void tail_file_save(const struct tail_file *file, struct buf *out);
bool tail_file_load(struct tail *tail, uint64_t serial, struct sv value);
/* The source whose patterns name `path`, or NULL. */
const struct tail_source *tail_source_of(const struct tail *tail, const char *path);

/* --- tail_find.c */
void tail_scan(struct tail *tail);
/* Is `name` what a rotation makes of `base` (both without directory)? */
bool tail_is_rotated_name(struct sv base, struct sv name);
bool tail_is_packed_name(struct sv name);

/* --- tail_read.c */
enum tail_turn { TURN_DRY, TURN_MORE, TURN_STUCK }; /* stuck: the outlet takes nothing */
enum tail_turn tail_read(struct tail *tail, struct tail_file *file);
void tail_packed_free(struct tail_packed **packed);
/* The first n bytes of a compressed file's contents, and those before `offset`; false where it cannot be read
 * as far. */
bool tail_packed_peek(const struct fs *fs, const char *path, uint64_t offset, char *head, size_t head_bytes,
                      char *last, size_t last_bytes);

#endif
