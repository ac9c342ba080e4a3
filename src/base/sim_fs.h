/*
 * A simulated disk behind struct fs: files in memory that know what was synced and what was not, so that a
 * test can cut the power at any call and look at what a real disk might have left.
 *
 * The model. Every write, truncation and directory change is visible at once (the page cache) and stays
 * pending until it is synced: data and size of a file by `sync`, the entries of a directory (create, rename,
 * unlink, mkdir) by `sync_dir` on that directory. A synced file whose entry was not synced is lost with its
 * entry. At a crash every pending change is decided by itself, so unsynced metadata is reordered freely:
 *
 *   - a write is cut at multiples of 512 or 4096 bytes (the seed chooses), and each piece is kept, dropped
 * (the old bytes, or zeros where the file was shorter) or shredded (random bytes, zeros, or half old half
 * new). Bytes outside of what was written are never touched: disks do not tear what a write does not name.
 *   - the file's size may have grown without the bytes (zeros).
 *   - a truncation, and each directory entry's change, happened or did not; a rename is whole or absent.
 *
 * A failed sync makes nothing durable, and what was pending then is never made durable by a later sync: this
 * is how Linux treats pages whose writeback failed. They stay visible until the crash.
 *
 * Faults are set for the n-th call from now (1 = the next). All calls count but `close`. Thread-safe; the
 * same calls in the same order with the same seeds give the same result. Opened handles do not survive a
 * crash: using one is -EBADF. Paths are compared as written, after removing doubled and trailing slashes.
 */
#ifndef BASE_SIM_FS_H
#define BASE_SIM_FS_H

#include "base/fs.h"

struct sim_fs;

/* `capacity_bytes` bounds the sum of all files (visible sizes); 0 = no bound. "/" and "." exist. */
struct sim_fs *sim_fs_new(uint64_t capacity_bytes);
void sim_fs_free(struct sim_fs **sim);
/* The seam to hand in; lives as long as `sim`. */
const struct fs *sim_fs_seam(struct sim_fs *sim);
void sim_fs_set_capacity(struct sim_fs *sim, uint64_t capacity_bytes);

/* Calls since new, the last crash or kill. */
uint64_t sim_fs_calls(const struct sim_fs *sim);
/* The power fails at the n-th call from now: its effect is pending at best, it and all later calls return
 * -EIO until sim_fs_crash or sim_fs_kill. 0 = never. */
void sim_fs_cut_at(struct sim_fs *sim, uint64_t n);
bool sim_fs_is_cut(const struct sim_fs *sim);
/* The n-th call from now fails once with `negative_errno`; a write has written half by then. 0 = never. */
void sim_fs_fail_at(struct sim_fs *sim, uint64_t n, int negative_errno);
/* The n-th call from now, if it is a write, writes only half and says so. 0 = never. */
void sim_fs_short_at(struct sim_fs *sim, uint64_t n);
/* From now on: true = every sync and sync_dir fails with -EIO. */
void sim_fs_fail_syncs(struct sim_fs *sim, bool fail);

enum sim_fs_mode {
    SIM_FS_KEEP,  /* all that was pending has reached the disk (but what a failed sync lost) */
    SIM_FS_DROP,  /* nothing pending has */
    SIM_FS_SOME,  /* each piece kept or dropped, by the seed */
    SIM_FS_SHRED, /* each piece kept, dropped or shredded, by the seed */
};
/* The power fails (if it has not), and comes back: handles and locks are gone, pending changes are decided,
 * faults are cleared. */
void sim_fs_crash(struct sim_fs *sim, uint64_t seed, enum sim_fs_mode mode);

/* The process dies, the machine does not (kill -9): handles and locks are gone, what was pending stays
 * visible and pending, faults are cleared. */
void sim_fs_kill(struct sim_fs *sim);

/* Flips bits of one stored byte (visible and durable): bit rot. False where there is no such byte. */
bool sim_fs_flip(struct sim_fs *sim, const char *path, uint64_t offset, uint8_t bits);
/* Puts a file there, durable, as if it had always been. */
void sim_fs_put(struct sim_fs *sim, const char *path, struct sv bytes);

#endif
