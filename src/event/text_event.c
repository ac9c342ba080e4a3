/*
 * Gathering the fields of a text record; see text_event.h.
 */
#include "event/text_event.h"

#include "base/num.h"
#include "event/json.h"
#include "event/parse_json.h"

enum { FIELDS_FIRST = 24 };

void text_event_begin(struct text_event *text, struct arena *arena)
{
    *text = (struct text_event){.arena = arena, .capacity = FIELDS_FIRST};
    text->fields = arena_alloc_raw(arena, FIELDS_FIRST * sizeof text->fields[0], 16);
}

static void add(struct text_event *text, struct sv name, struct sv value, uint8_t type, uint8_t flags)
{
    if (text->count == TC_EVENT_FIELDS_MAX) {
        text->cut = true;
        return;
    }
    if (text->count == text->capacity) {
        struct field *more = arena_alloc_raw(text->arena, 2 * text->capacity * sizeof more[0], 16);
        memcpy(more, text->fields, text->count * sizeof more[0]);
        text->fields = more;
        text->capacity *= 2;
    }
    text->fields[text->count++] = (struct field){.name = name,
                                                 .exact = name,
                                                 .value = value,
                                                 .name_hash = event_name_hash(name),
                                                 .next_same = -1,
                                                 .type = type,
                                                 .flags = flags};
}

void text_event_add(struct text_event *text, struct sv name, struct sv value, uint8_t type)
{
    add(text, name, value, type, 0);
}

bool text_event_is_number(struct sv value)
{
    size_t at = value.n > 0 && value.p[0] == '-', digits = at, points = 0;
    if (value.n - at > 1 && value.p[at] == '0' && value.p[at + 1] != '.')
        return false; /* 007 is a name */
    for (; at < value.n; at++) {
        bool point = value.p[at] == '.' && points == 0 && at > digits && at + 1 < value.n;
        if (!point && (value.p[at] < '0' || value.p[at] > '9'))
            return false;
        points += point;
    }
    return at > digits && at < 40;
}

void text_event_add_guess(struct text_event *text, struct sv name, struct sv value)
{
    add(text, name, value, text_event_is_number(value) ? FIELD_NUMBER : FIELD_STRING, 0);
}

void text_event_derive(struct text_event *text, const char *name, struct sv value, uint8_t type)
{
    if (value.n > 0)
        add(text, sv_of(name), value, type, FIELD_DERIVED);
}

static const struct field *find(const struct text_event *text, const char *name)
{
    for (uint32_t i = 0; i < text->count; i++)
        if (sv_is(text->fields[i].name, name))
            return &text->fields[i];
    return NULL;
}

struct sv text_event_value(const struct text_event *text, const char *name)
{
    const struct field *field = find(text, name);
    return field == NULL ? (struct sv){0} : field->value;
}

void text_event_aliases(struct text_event *text, const struct text_event_alias *aliases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct field *from = find(text, aliases[i].from);
        if (from != NULL && from->value.n > 0 && find(text, aliases[i].to) == NULL)
            text_event_derive(text, aliases[i].to, from->value, from->type);
    }
}

void text_event_end(struct text_event *text, struct event *event)
{
    event->fields = text->fields;
    event->field_count = text->count;
    event->flags |= text->cut ? EVENT_FIELDS_CUT : 0;
}

struct sv text_event_utf8(struct sv raw, struct arena *arena, struct event *event)
{
    struct sv clean = json_clean_utf8(raw, arena);
    if (clean.p != raw.p)
        event->flags |= EVENT_BAD_UTF8;
    return clean;
}

struct sv text_event_clean(struct sv raw, struct arena *arena, struct event *event)
{
    return text_event_utf8(sv_trim(raw), arena, event);
}

/* --- times: a form is a text in which letters stand for what is read there --- */

static const char *const forms[] = {
    "d/b/Y:h:m:s", /* day, month's name, year … */
    "w b d h:m:s Y",
    "Y/M/d h:m:s",
    "b d Y h:m:s",
};

static bool take_number(struct sv *text, size_t digits_max, int *ret)
{
    size_t n = 0;
    *ret = 0;
    for (; n < text->n && n < digits_max && text->p[n] >= '0' && text->p[n] <= '9'; n++)
        *ret = *ret * 10 + (text->p[n] - '0');
    *text = sv_from(*text, n);
    return n > 0;
}

static bool take_month(struct sv *text, int *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12 && text->n >= 3; i++)
        if (memcmp(text->p, names + 3 * i, 3) == 0) {
            *ret = i + 1;
            *text = sv_from(*text, 3);
            return true;
        }
    return false;
}

/* ".123456" behind the seconds. */
static void take_fraction(struct sv *text, int32_t *ret_ns)
{
    int32_t unit = 100000000;
    if (text->n < 2 || text->p[0] != '.')
        return;
    *text = sv_from(*text, 1);
    for (; text->n > 0 && text->p[0] >= '0' && text->p[0] <= '9'; *text = sv_from(*text, 1), unit /= 10)
        *ret_ns += (text->p[0] - '0') * unit;
}

static bool take_part(char part, struct sv *text, struct civil *civil)
{
    int ignored;
    switch (part) {
    case 'Y':
        return text->n >= 4 && take_number(text, 4, &civil->year);
    case 'M':
        return take_number(text, 2, &civil->month);
    case 'b':
        return take_month(text, &civil->month);
    case 'd':
        if (text->n > 0 && text->p[0] == ' ')
            *text = sv_from(*text, 1);
        return take_number(text, 2, &civil->day);
    case 'h':
        return take_number(text, 2, &civil->hour);
    case 'm':
        return take_number(text, 2, &civil->minute);
    case 's':
        if (!take_number(text, 2, &civil->second))
            return false;
        take_fraction(text, &civil->nanosecond);
        return true;
    case 'w': /* day of the week: the date says it */
        ignored = text->n >= 3;
        *text = sv_from(*text, 3);
        return ignored != 0;
    default:
        if (text->n == 0 || text->p[0] != part)
            return false;
        *text = sv_from(*text, 1);
        return true;
    }
}

/* " +0200", "Z", " UTC", or nothing. */
static bool take_zone(struct sv text, int *offset_s)
{
    text = sv_trim(text);
    if (text.n == 0)
        return true;
    if (sv_is(text, "Z") || sv_is(text, "UTC") || sv_is(text, "GMT")) {
        *offset_s = 0;
        return true;
    }
    uint64_t hours, minutes;
    if (text.n < 5 || (text.p[0] != '+' && text.p[0] != '-') ||
        !num_u64(sv_make(text.p + 1, 2), 0, 23, &hours) ||
        !num_u64(sv_make(text.p + text.n - 2, 2), 0, 59, &minutes) || (text.n == 6 && text.p[3] != ':') ||
        text.n > 6)
        return false;
    *offset_s = (text.p[0] == '-' ? -1 : 1) * (int)(hours * 3600 + minutes * 60);
    return true;
}

static bool form_time(const char *form, struct sv text, int offset_s, int64_t *ret_ns)
{
    struct civil civil = {0};
    for (; *form != '\0'; form++)
        if (!take_part(*form, &text, &civil))
            return false;
    int64_t ns;
    return take_zone(text, &offset_s) && clk_from_civil(civil, &ns) &&
           !__builtin_sub_overflow(ns, offset_s * TC_SECOND_NS, ret_ns);
}

bool text_event_time(struct sv text, int zone_offset_s, int64_t *ret_ns)
{
    text = sv_trim(text);
    for (size_t i = 0; i < TC_ARRAY_LEN(forms); i++)
        if (form_time(forms[i], text, zone_offset_s, ret_ns))
            return true;
    return parse_json_time(text, zone_offset_s, ret_ns);
}
