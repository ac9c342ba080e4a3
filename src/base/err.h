/*
 * Errors are values: a code for programs, and a text for people that says what failed, where, and what to do
 * about it.
 *
 * Functions that can fail return 0 or a negative `enum err_code` and fill the caller's `struct err` (last
 * argument; NULL is allowed and then only the code comes back). Outputs are untouched on failure. Nobody
 * prints from a library room: the text travels up to the verb or the request that asked, which prints it
 * once.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/tc.h"

enum err_code {
    TC_OK = 0,
    TC_EINPUT = -1, /* what the user or a peer gave is wrong */
    TC_EIO = -2,    /* the operating system refused; err->sys holds errno */
    TC_EBOUND = -3, /* a stated bound was hit */
    TC_ENOTFOUND = -4,
    TC_EEXIST = -5,
    TC_ECORRUPT = -6,     /* stored bytes are not what was written */
    TC_EUNSUPPORTED = -7, /* well-formed, but we refuse it by name */
    TC_ESTATE = -8,       /* not now, not in this state */
    TC_EAGAIN = -9,       /* back-pressure: try again later */
    TC_EDENIED = -10,     /* caller may not */
};

enum { TC_ERR_TEXT_MAX = 1024, TC_ERR_FILE_MAX = 512 };

struct err {
    int code;                   /* enum err_code */
    int sys;                    /* errno, or 0 */
    unsigned line, column;      /* 1-based place in `file`, 0 where unknown */
    char file[TC_ERR_FILE_MAX]; /* "" where the error has no file */
    char text[TC_ERR_TEXT_MAX]; /* one sentence, no trailing newline */
};

/* Each fills *err (may be NULL) and returns `code`, so that `return err_set(err, TC_EINPUT, …)` reads well.
 */
int err_set(struct err *err, int code, const char *format, ...) TC_PRINTF(3, 4);
/* As err_set with TC_EIO; appends ": " and the text of errno (saved into err->sys). */
int err_sys(struct err *err, const char *format, ...) TC_PRINTF(2, 3);
/* As err_set, with a place in a file. `file` may be NULL. */
int err_at(struct err *err, int code, const char *file, unsigned line, unsigned column, const char *format,
           ...) TC_PRINTF(6, 7);
/* Puts "doing X: " before the text that is there. Returns err->code (or TC_EIO for NULL). */
int err_while(struct err *err, const char *format, ...) TC_PRINTF(2, 3);
/* "file:line:column: text" (parts that are unknown are left out) into out[size], always terminated. Returns
 * out. */
const char *err_format(const struct err *err, char *out, size_t size);

#endif
