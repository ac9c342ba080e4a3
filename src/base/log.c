/*
 * The log; see log.h.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static log_sink_fn current_sink;
static void *current_context;

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}

void log_set_sink(log_sink_fn sink, void *context)
{
    current_sink = sink;
    current_context = context;
}

void log_line(enum log_level level, const char *room, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (current_sink != NULL)
        current_sink(current_context, level, room, text);
    else if (level > LOG_DEBUG_LEVEL)
        fprintf(stderr, "tocsin: %s: %s: %s\n", log_level_name(level), room, text);
}
