/*
 * What the parsers of text formats have in common: gathering fields, times as people write them, and second
 * names for a value.
 *
 * A format's own names are kept where it has names (key=value, CEF, audit records, flow logs); a format
 * without names gets ECS names. Second names (Sigma's words for web logs, ECS words beside a sender's) are
 * derived fields, so that a search over the whole event counts the value once.
 */
#ifndef EVENT_TEXT_EVENT_H
#define EVENT_TEXT_EVENT_H

#include "event/parse.h"

struct text_event {
    struct arena *arena;
    struct field *fields;
    uint32_t count, capacity;
    bool cut; /* there were more than TC_EVENT_FIELDS_MAX */
};

struct text_event_alias {
    const char *from, *to;
};

void text_event_begin(struct text_event *text, struct arena *arena);
/* `name` and `value` must live as long as the event. */
void text_event_add(struct text_event *text, struct sv name, struct sv value, uint8_t type);
/* A number where the value is one (digits, perhaps a sign and a fraction), else a string. */
void text_event_add_guess(struct text_event *text, struct sv name, struct sv value);
/* Beside the others, with FIELD_DERIVED; nothing where `value` is empty. */
void text_event_derive(struct text_event *text, const char *name, struct sv value, uint8_t type);
/* Derives alias.to from the first field alias.from that holds something, unless alias.to is there. */
void text_event_aliases(struct text_event *text, const struct text_event_alias *aliases, size_t count);
/* The first value of that name, p == NULL where it is absent. */
struct sv text_event_value(const struct text_event *text, const char *name);
void text_event_end(struct text_event *text, struct event *event);

/* The record without white space around it and with U+FFFD for bytes that are not UTF-8 (EVENT_BAD_UTF8). */
struct sv text_event_clean(struct sv raw, struct arena *arena, struct event *event);
/* As text_event_clean, with the white space at the ends kept. */
struct sv text_event_utf8(struct sv raw, struct arena *arena, struct event *event);
/* Digits, perhaps with a sign and a fraction: what JSON calls a number. */
bool text_event_is_number(struct sv value);
/*
 * A time in one of these forms; without zone it is `zone_offset_s` seconds east of UTC:
 *
 *   10/Oct/2000:13:55:36 -0700     common log format
 *   Sun Dec 04 04:47:44.123 2005   Apache's error log
 *   2022/04/02 15:45:23            nginx's error log
 *   Sep 29 2021 08:26:10           CEF
 *   and what JSON events may have (parse_json_time)
 */
bool text_event_time(struct sv text, int zone_offset_s, int64_t *ret_ns);

#endif
