/*
 * Error values; see err.h. Text longer than its field is cut, never overrun: an error message must not be
 * able to fail.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tc_assert_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "tocsin: broken invariant at %s:%d: %s\n", file, line, condition);
    abort();
}

static void TC_PRINTF(4, 0) err_fill(struct err *err, int code, int sys, const char *format, va_list args)
{
    err->code = code;
    err->sys = sys;
    err->line = err->column = 0;
    err->file[0] = '\0';
    vsnprintf(err->text, sizeof err->text, format, args);
}

int err_set(struct err *err, int code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err_fill(err, code, 0, format, args);
        va_end(args);
    }
    return code;
}

int err_sys(struct err *err, const char *format, ...)
{
    int sys = errno;
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err_fill(err, TC_EIO, sys, format, args);
        va_end(args);
        size_t used = strlen(err->text);
        char text[128];
        snprintf(err->text + used, sizeof err->text - used, ": %s", strerror_r(sys, text, sizeof text));
    }
    return TC_EIO;
}

int err_at(struct err *err, int code, const char *file, unsigned line, unsigned column, const char *format,
           ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err_fill(err, code, 0, format, args);
        va_end(args);
        err->line = line;
        err->column = column;
        snprintf(err->file, sizeof err->file, "%s", file != NULL ? file : "");
    }
    return code;
}

int err_while(struct err *err, const char *format, ...)
{
    if (err == NULL)
        return TC_EIO;
    char old[TC_ERR_TEXT_MAX];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : TC_MIN((size_t)n, sizeof err->text - 1);
    size_t room = sizeof err->text - 1 - used, divider = TC_MIN(room, (size_t)2);
    size_t rest = TC_MIN(room - divider, strnlen(old, sizeof old));
    memcpy(err->text + used, ": ", divider);
    memcpy(err->text + used + divider, old, rest);
    err->text[used + divider + rest] = '\0';
    return err->code;
}

const char *err_format(const struct err *err, char *out, size_t size)
{
    if (err->file[0] == '\0')
        snprintf(out, size, "%s", err->text);
    else if (err->line == 0)
        snprintf(out, size, "%s: %s", err->file, err->text);
    else if (err->column == 0)
        snprintf(out, size, "%s:%u: %s", err->file, err->line, err->text);
    else
        snprintf(out, size, "%s:%u:%u: %s", err->file, err->line, err->column, err->text);
    return out;
}
