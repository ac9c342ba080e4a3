/*
 * What the running server takes away from itself, once it is up: a program that reads hostile bytes keeps
 * only the system calls that it needs.
 *
 * Works for the whole process, threads that run already included, and cannot be undone. New programs, traced
 * processes, kernel modules, mounts and the like end the process at once (SIGSYS); any other call that is not
 * on the list fails with EPERM, is counted, and the number of the last one is kept, so that the log can name
 * it. New threads are possible, new processes are not.
 */
#ifndef APP_SANDBOX_H
#define APP_SANDBOX_H

#include "base/err.h"

enum sandbox_state {
    SANDBOX_ON,
    SANDBOX_SANITIZER, /* not on: the sanitizers' run-time makes calls that are not on the list */
};

/* TC_EUNSUPPORTED or TC_EIO where the kernel will not; nothing has changed then but no_new_privs. */
int sandbox_enter(enum sandbox_state *ret, struct err *err);

struct sandbox_stats {
    uint64_t refused;      /* calls answered with EPERM since sandbox_enter */
    int last_refused;      /* its number, -1 where there is none */
    char refused_name[40]; /* "socket"; "" where there is none, its number where it has no name */
};
/* Any thread, any time. */
void sandbox_stats(struct sandbox_stats *ret);

#endif
