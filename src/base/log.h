/*
 * Tocsin's own log: one line an occurrence, written to standard error as text, as JSON, or as the journal of
 * systemd reads it.
 *
 * Library rooms do not log failures they return; they log only what nobody asked about (a sender that gives
 * up, a torn tail found at start). No secret and no event content may be passed in. Thread-safe: lines come
 * out whole and in the order in which they were logged.
 *
 * A line of JSON is {"time", "level", "component", "message"}, with "error" {"text", "code", and where known
 * "errno", "file", "line", "column"} and "suppressed" where there is one. One place of the code may log
 * TC_LOG_BURST lines within TC_LOG_WINDOW_NS; what is past that is counted, and the count stands as
 * "suppressed" in the next line of that place, or in a line of its own once the window has ended. The rates
 * of 64 places are kept; where more talk at once, the place that has been silent longest is forgotten.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/clk.h"

enum log_level { LOG_DEBUG_LEVEL, LOG_INFO_LEVEL, LOG_WARN_LEVEL, LOG_ERROR_LEVEL };
enum log_format {
    LOG_TEXT,    /* tocsin: warn: journal: message */
    LOG_JSON,    /* an object a line */
    LOG_JOURNAL, /* text with syslog's priority before it, <4>, which journald takes off */
};

#define TC_LOG_WINDOW_NS (10 * TC_SECOND_NS)
enum { TC_LOG_BURST = 10 };

struct log_options {
    enum log_format format;
    enum log_level min_level;
    int file;              /* descriptor; stays the caller's */
    const struct clk *clk; /* NULL: no times, and nothing is suppressed */
};

/* Before threads start. Until then: text on standard error, from info on, without times. */
void log_start(const struct log_options *options);
/* Back to how it was before log_start; tells what was suppressed. After threads have ended. */
void log_stop(void);
/* Tells what was suppressed in windows that have ended. For a loop that comes round every few seconds. */
void log_flush_suppressed(void);

/* Lines to a function in place of a file; for tests, and before threads start. NULL: to the file again. */
typedef void (*log_sink_fn)(void *context, enum log_level level, const char *room, const char *text);
void log_set_sink(log_sink_fn sink, void *context);

/* `format` is a literal: it is what tells one place of the code from another. */
void log_line(enum log_level level, const char *room, const char *format, ...) TC_PRINTF(3, 4);
/* The same with the error that is the reason; as text it stands behind the message, after a colon. */
void log_err(enum log_level level, const char *room, const struct err *err, const char *format, ...)
    TC_PRINTF(4, 5);
/* As log_err, never suppressed: for lists that the caller bounds. */
void log_err_unlimited(enum log_level level, const char *room, const struct err *err, const char *format, ...)
    TC_PRINTF(4, 5);
#define log_debug(room, ...) log_line(LOG_DEBUG_LEVEL, room, __VA_ARGS__)
#define log_info(room, ...)  log_line(LOG_INFO_LEVEL, room, __VA_ARGS__)
#define log_warn(room, ...)  log_line(LOG_WARN_LEVEL, room, __VA_ARGS__)
#define log_error(room, ...) log_line(LOG_ERROR_LEVEL, room, __VA_ARGS__)
const char *log_level_name(enum log_level level);
/* "debug", "info", "warn", "error". */
bool log_level_of(const char *name, enum log_level *ret);

#endif
