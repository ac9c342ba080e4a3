/*
 * The contents of a simulated disk, for sim_fs.c alone: files and directories, what of them is durable, and
 * what a power cut leaves (the model is in sim_fs.h). Knows nothing of handles, faults and threads.
 */
#ifndef BASE_SIM_DISK_H
#define BASE_SIM_DISK_H

#include "base/sim_fs.h"

enum { SIM_PATH_BYTES = 4200 };

struct sim_image {
    char *p;
    size_t n, capacity;
};

struct sim_change { /* of a file: a write, or a truncation where bytes is NULL */
    uint64_t offset;
    char *bytes;
    size_t n;
    bool lost; /* by a failed sync */
};

struct sim_node {
    bool is_dir, used;
    struct sim_image now, disk;
    struct sim_change *changes;
    size_t n, capacity;
    int64_t modified_ns;
    unsigned handles; /* open ones keep it */
};

struct sim_entry {
    char *path;
    size_t node;
};

struct sim_entries {
    struct sim_entry *p;
    size_t n, capacity;
};

struct sim_entry_change { /* node SIZE_MAX: the entry goes; from: it moves from there to path */
    char *path, *from;
    size_t node;
    bool lost;
};

struct sim_disk {
    struct sim_node *nodes;
    size_t node_count, node_capacity;
    struct sim_entries now, disk; /* visible, durable */
    struct sim_entry_change *changes;
    size_t change_count, change_capacity;
    int64_t changes_made; /* serves as the time of modification */
};

void sim_disk_init(struct sim_disk *disk); /* with "/" and "." */
void sim_disk_fini(struct sim_disk *disk);
/* All paths below are tidy: doubled and trailing slashes gone. Returns out. */
const char *sim_disk_tidy(const char *path, char out[SIM_PATH_BYTES]);
bool sim_disk_is_in(const char *path, const char *dir); /* directly */
bool sim_disk_parent_exists(struct sim_disk *disk, const char *path);
/* What is visible at `path`, or NULL. *ret_index (may be NULL): its number. Lent until a node is made. */
struct sim_node *sim_disk_find(struct sim_disk *disk, const char *path, size_t *ret_index);
size_t sim_disk_new_node(struct sim_disk *disk, bool is_dir);
/* Makes `path` mean `node` (SIZE_MAX: nothing), and `from` (may be NULL) nothing; pending. */
void sim_disk_change_entry(struct sim_disk *disk, const char *path, const char *from, size_t node);
/* A write of n bytes (copied), or with NULL a truncation to `offset`; pending. */
void sim_disk_change_node(struct sim_disk *disk, struct sim_node *node, uint64_t offset, const void *bytes,
                          size_t n);
void sim_disk_sync_node(struct sim_node *node);
void sim_disk_sync_dir(struct sim_disk *disk, const char *dir);
/* Frees what nothing refers to any more. */
void sim_disk_collect(struct sim_disk *disk);
void sim_disk_crash(struct sim_disk *disk, uint64_t seed, enum sim_fs_mode mode);
void sim_disk_put(struct sim_disk *disk, const char *path, struct sv bytes);

#endif
