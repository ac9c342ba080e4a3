/*
 * Tocsin's own log: one line an occurrence, to a sink that app/ installs (stderr text by default).
 *
 * Library rooms do not log failures they return; they log only what nobody asked about (a sender that gives
 * up, a torn tail found at start). No secret and no event content may be passed in. Thread-safe.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/tc.h"

enum log_level { LOG_DEBUG_LEVEL, LOG_INFO_LEVEL, LOG_WARN_LEVEL, LOG_ERROR_LEVEL };

typedef void (*log_sink_fn)(void *context, enum log_level level, const char *room, const char *text);

void log_set_sink(log_sink_fn sink, void *context); /* before threads start; NULL restores stderr */
void log_line(enum log_level level, const char *room, const char *format, ...) TC_PRINTF(3, 4);
#define log_debug(room, ...) log_line(LOG_DEBUG_LEVEL, room, __VA_ARGS__)
#define log_info(room, ...)  log_line(LOG_INFO_LEVEL, room, __VA_ARGS__)
#define log_warn(room, ...)  log_line(LOG_WARN_LEVEL, room, __VA_ARGS__)
#define log_error(room, ...) log_line(LOG_ERROR_LEVEL, room, __VA_ARGS__)
const char *log_level_name(enum log_level level);

#endif
