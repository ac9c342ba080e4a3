/*
 * The log; see log.h. One lock covers the rates and the write, so that order is that of the calls; a line
 * is one write, so that lines of other processes on the same file do not come between its parts.
 */
#include "base/log.h"

#include "base/json_out.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { PLACES_MAX = 64, TEXT_MAX = 2048, LINE_MAX_BYTES = 32768 };

/* A place of the code that logs: its format, by address. */
struct place {
    const char *format, *room;
    enum log_level level;
    int64_t window_start_ns, last_ns;
    uint64_t said, suppressed;
};

static const struct log_options before_start = {.min_level = LOG_INFO_LEVEL, .file = STDERR_FILENO};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_options current = {.min_level = LOG_INFO_LEVEL, .file = STDERR_FILENO};
static struct place places[PLACES_MAX];
static log_sink_fn current_sink;
static void *current_context;

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const int priorities[] = {7, 6, 4, 3}; /* syslog's, which journald reads */

static const struct {
    int code;
    const char *name;
} code_names[] = {
    {TC_EINPUT, "input"},       {TC_EIO, "io"},       {TC_EBOUND, "bound"},
    {TC_ENOTFOUND, "notfound"}, {TC_EEXIST, "exist"}, {TC_ECORRUPT, "corrupt"},
    {TC_ESTATE, "state"},       {TC_EAGAIN, "again"}, {TC_EUNSUPPORTED, "unsupported"},
    {TC_EDENIED, "denied"},
};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_of(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(level_names); i++)
        if (strcmp(name, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    return false;
}

void log_set_sink(log_sink_fn sink, void *context)
{
    current_sink = sink;
    current_context = context;
}

/* --- one line
 * ------------------------------------------------------------------------------------------------------- */

static void write_all(int file, struct sv bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(file, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return; /* nobody is left to be told */
        if (n > 0)
            bytes = sv_from(bytes, (size_t)n);
    }
}

static void error_as_json(struct json_out *json, const struct err *err)
{
    const char *code = "other";
    for (size_t i = 0; i < TC_ARRAY_LEN(code_names); i++)
        if (code_names[i].code == err->code)
            code = code_names[i].name;
    json_key(json, SV("error"));
    json_object(json);
    json_kv_str(json, "text", err->text);
    json_kv_str(json, "code", code);
    if (err->sys != 0)
        json_kv_i64(json, "errno", err->sys);
    if (err->file[0] != '\0')
        json_kv_str(json, "file", err->file);
    if (err->line != 0)
        json_kv_u64(json, "line", err->line);
    if (err->column != 0)
        json_kv_u64(json, "column", err->column);
    json_object_end(json);
}

static void as_json(struct buf *out, enum log_level level, const char *room, const char *text,
                    const struct err *err, uint64_t suppressed)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    if (current.clk != NULL)
        json_kv_time(&json, "time", clk_now(current.clk).ns);
    json_kv_str(&json, "level", level_names[level]);
    json_kv_str(&json, "component", room);
    json_kv_str(&json, "message", text);
    if (err != NULL)
        error_as_json(&json, err);
    if (suppressed > 0)
        json_kv_u64(&json, "suppressed", suppressed);
    json_object_end(&json);
}

/* A control byte in a message could forge a line, or drive a terminal. */
static void add_visible(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        buf_char(out, (unsigned char)*text < 0x20 || *text == 0x7F ? ' ' : *text);
}

static void as_text(struct buf *out, enum log_level level, const char *room, const char *text,
                    const struct err *err, uint64_t suppressed)
{
    char reason[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
    if (current.format == LOG_JOURNAL)
        buf_printf(out, "<%d>%s: ", priorities[level], room);
    else
        buf_printf(out, "tocsin: %s: %s: ", level_names[level], room);
    add_visible(out, text);
    if (err != NULL) {
        buf_str(out, ": ");
        add_visible(out, err_format(err, reason, sizeof reason));
    }
    if (suppressed > 0)
        buf_printf(out, " (and %llu more like this one)", (unsigned long long)suppressed);
}

static void put(enum log_level level, const char *room, const char *text, const struct err *err,
                uint64_t suppressed)
{
    struct buf out;
    buf_init(&out, LINE_MAX_BYTES);
    if (current.format != LOG_JSON)
        as_text(&out, level, room, text, err, suppressed);
    else
        as_json(&out, level, room, text, err, suppressed);
    buf_char(&out, '\n');
    write_all(current.file, buf_view(&out));
    buf_free(&out);
}

/* --- the rate of a place
 * -------------------------------------------------------------------------------------------- */

static void tell_suppressed(struct place *place)
{
    if (place->suppressed > 0)
        put(place->level, place->room, "lines like earlier ones were left out", NULL, place->suppressed);
    place->suppressed = 0;
}

static struct place *place_of(enum log_level level, const char *room, const char *format, int64_t now_ns)
{
    struct place *oldest = &places[0];
    for (size_t i = 0; i < PLACES_MAX; i++) {
        if (places[i].format == format && places[i].room == room)
            return &places[i];
        if (places[i].format == NULL || (oldest->format != NULL && places[i].last_ns < oldest->last_ns))
            oldest = &places[i];
    }
    tell_suppressed(oldest);
    *oldest = (struct place){format, room, level, now_ns, now_ns, 0, 0};
    return oldest;
}

/* True where the line may be written; then *ret_suppressed is what was left out before it. */
static bool may_say(enum log_level level, const char *room, const char *format, uint64_t *ret_suppressed)
{
    *ret_suppressed = 0;
    if (current.clk == NULL)
        return true;
    int64_t now_ns = clk_monotonic_ns(current.clk);
    struct place *place = place_of(level, room, format, now_ns);
    if (now_ns - place->window_start_ns >= TC_LOG_WINDOW_NS) {
        place->window_start_ns = now_ns;
        place->said = 0;
    }
    place->last_ns = now_ns;
    if (place->said >= TC_LOG_BURST) {
        place->suppressed++;
        return false;
    }
    place->said++;
    *ret_suppressed = place->suppressed;
    place->suppressed = 0;
    return true;
}

static void flush(bool all)
{
    int64_t now_ns = current.clk != NULL ? clk_monotonic_ns(current.clk) : 0;
    for (size_t i = 0; i < PLACES_MAX; i++)
        if (all || now_ns - places[i].window_start_ns >= TC_LOG_WINDOW_NS)
            tell_suppressed(&places[i]);
}

/* --- what others call
 * ----------------------------------------------------------------------------------------------- */

void log_start(const struct log_options *options)
{
    pthread_mutex_lock(&lock);
    current = *options;
    memset(places, 0, sizeof places);
    pthread_mutex_unlock(&lock);
}

void log_stop(void)
{
    pthread_mutex_lock(&lock);
    flush(true);
    current = before_start;
    pthread_mutex_unlock(&lock);
}

void log_flush_suppressed(void)
{
    pthread_mutex_lock(&lock);
    flush(false);
    pthread_mutex_unlock(&lock);
}

static TC_PRINTF(5, 0) void say(enum log_level level, const char *room, const struct err *err, bool limited,
                                const char *format, va_list args)
{
    char text[TEXT_MAX];
    uint64_t suppressed = 0;
    vsnprintf(text, sizeof text, format, args);
    if (current_sink != NULL) {
        current_sink(current_context, level, room, text);
        return;
    }
    if (level < current.min_level)
        return;
    pthread_mutex_lock(&lock);
    if (!limited || may_say(level, room, format, &suppressed))
        put(level, room, text, err, suppressed);
    pthread_mutex_unlock(&lock);
}

void log_line(enum log_level level, const char *room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(level, room, NULL, true, format, args);
    va_end(args);
}

void log_err(enum log_level level, const char *room, const struct err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(level, room, err, true, format, args);
    va_end(args);
}

void log_err_unlimited(enum log_level level, const char *room, const struct err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(level, room, err, false, format, args);
    va_end(args);
}
