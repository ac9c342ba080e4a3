/*
 * The JSON parser (RFC 8259): one pass, no tree, filling a flat array of fields that point into the raw
 * bytes.
 *
 * Strings without escapes are not copied; names of nested members and unescaped strings are built in the
 * arena. Depth to TC_JSON_DEPTH_MAX; beyond is an error. Bytes that are not UTF-8 inside strings are an error
 * of RFC 8259's text but real logs have them: `json_parse_event` accepts them with EVENT_BAD_UTF8 (U+FFFD in
 * the value); `json_check` refuses them.
 */
#ifndef EVENT_JSON_H
#define EVENT_JSON_H

#include "base/err.h"
#include "event/event.h"

/* One JSON value with nothing but white space around it. On failure err has line and column (1-based, bytes).
 */
int json_check(struct sv text, struct err *err);

/*
 * Parses one JSON value into event->fields (not indexed yet) and sets flags. A top-level object's members are
 * the fields; a top-level scalar or array becomes the field "message". Returns TC_EINPUT with place for what
 * is not JSON.
 */
int json_parse_event(struct sv text, struct arena *arena, struct event *event, struct err *err);

enum json_scan { JSON_WHOLE, JSON_PARTIAL, JSON_BROKEN };
/*
 * Looks at the front of `text` for one JSON value, as json_parse_event would: JSON_WHOLE with *ret_at = its
 * end (what follows is not looked at), JSON_PARTIAL where the text ends before the value does, JSON_BROKEN
 * with *ret_at = where it stops being JSON. A bare number or word that reaches the end of `text` counts as
 * whole.
 */
enum json_scan json_scan(struct sv text, size_t *ret_at);

/* The bytes between a string's quotes, checked by json_lex_string, with their escapes resolved; in `arena`,
 * never longer than its source. Lone surrogates become U+FFFD. */
struct sv json_unescape(struct arena *arena, struct sv bytes);

/* `text` with U+FFFD for each byte that is not UTF-8: itself where there is none, else a copy in `arena`. */
struct sv json_clean_utf8(struct sv text, struct arena *arena);

/* Length of the JSON value at the start of `text` (leading white space included) without full validation:
 * brackets and strings are matched. 0 = incomplete, more bytes are needed. For splitting streams. */
size_t json_value_length(struct sv text);

#endif
