/*
 * fmt's verbs over template values; see go_format.h.
 *
 * A verb is applied to the leaves of lists, maps and structs, as in Go; what does not fit shows as
 * %!verb(type=value).
 */
#include "template/go_format.h"

#include "base/num.h"
#include "base/utf8.h"
#include "template/go_time.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct spec {
    bool minus, plus, sharp, space, zero;
    bool has_width, has_precision;
    int width, precision;
    uint32_t verb;
};

/* --- durations --- */

/* Go rounds nothing here: the fraction's trailing zeros go, the rest stands. */
void go_format_duration(struct buf *out, int64_t ns)
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0)
        buf_char(out, '-');
    if (left < 1000000000) {
        static const struct {
            uint64_t unit;
            const char *name;
        } units[] = {{1000000, "ms"}, {1000, "µs"}, {1, "ns"}};
        if (left == 0) {
            buf_str(out, "0s");
            return;
        }
        size_t i = 0;
        while (left < units[i].unit)
            i++;
        char text[32];
        int n = snprintf(text, sizeof text, "%.6f", (double)(left % units[i].unit) / (double)units[i].unit);
        buf_printf(out, "%llu", (unsigned long long)(left / units[i].unit));
        while (n > 1 && text[n - 1] == '0')
            n--;
        if (n > 2)
            buf_add(out, text + 1, (size_t)n - 1);
        buf_str(out, units[i].name);
        return;
    }
    uint64_t seconds = left / 1000000000, fraction = left % 1000000000;
    if (seconds >= 3600)
        buf_printf(out, "%lluh", (unsigned long long)(seconds / 3600));
    if (seconds >= 60)
        buf_printf(out, "%llum", (unsigned long long)(seconds / 60 % 60));
    buf_printf(out, "%llu", (unsigned long long)(seconds % 60));
    if (fraction > 0) {
        char text[16];
        int n = snprintf(text, sizeof text, ".%09llu", (unsigned long long)fraction);
        while (text[n - 1] == '0')
            n--;
        buf_add(out, text, (size_t)n);
    }
    buf_char(out, 's');
}

/* --- text --- */

static size_t count_runes(struct sv text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xC0) != 0x80;
    return n;
}

/* How the zero flag fills: before the digits of a number, before the text, or not at all. */
enum zeros { ZEROS_NUMBER, ZEROS_TEXT, ZEROS_NONE };

static void pad(struct buf *out, const struct spec *spec, struct sv text, enum zeros zeros)
{
    size_t width = spec->has_width ? (size_t)spec->width : 0, runes = count_runes(text);
    size_t missing = width > runes ? width - runes : 0;
    bool filled = spec->zero && !spec->minus && zeros != ZEROS_NONE;
    if (filled && zeros == ZEROS_NUMBER && missing > 0 && text.n > 0 &&
        (text.p[0] == '-' || text.p[0] == '+')) {
        buf_char(out, text.p[0]);
        text = sv_from(text, 1);
    }
    for (size_t i = 0; i < missing && !spec->minus; i++)
        buf_char(out, filled ? '0' : ' ');
    buf_sv(out, text);
    for (size_t i = 0; i < missing && spec->minus; i++)
        buf_char(out, ' ');
}

/* --- verbs --- */

static void format_value(struct buf *out, const struct spec *spec, struct template_value value, bool nested);

static void bad_verb(struct buf *out, const struct spec *spec, struct template_value value)
{
    char utf8[4];
    struct spec plain = *spec; /* width and precision hold for what is shown, too */
    plain.verb = 'v';
    buf_str(out, "%!");
    buf_add(out, utf8, utf8_encode(spec->verb, utf8));
    buf_char(out, '(');
    if (value.kind == TEMPLATE_NONE) {
        buf_str(out, "<nil>");
    } else {
        buf_printf(out, "%s=", template_type_name(value));
        format_value(out, &plain, value, true);
    }
    buf_char(out, ')');
}

static void put_radix(struct buf *out, uint64_t v, unsigned base, bool upper)
{
    char digits[64];
    size_t n = 0;
    do {
        digits[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
        v /= base;
    } while (v > 0);
    while (n > 0)
        buf_char(out, digits[--n]);
}

static void format_int(struct buf *out, const struct spec *spec, struct template_value value)
{
    static const struct {
        char verb;
        unsigned base;
        const char *sharp;
    } bases[] = {{'d', 10, ""},  {'v', 10, ""},   {'b', 2, "0b"}, {'o', 8, "0"},
                 {'O', 8, "0o"}, {'x', 16, "0x"}, {'X', 16, "0X"}};
    int64_t v = value.as.integer;
    struct buf text;
    buf_init(&text, 2048);
    if (spec->verb == 'c' || spec->verb == 'q' || spec->verb == 'U') {
        char utf8[4];
        uint32_t rune = v < 0 || v > 0x10FFFF || (v >= 0xD800 && v < 0xE000) ? 0xFFFD : (uint32_t)v;
        if (spec->verb == 'c')
            buf_add(&text, utf8, utf8_encode(rune, utf8));
        else if (spec->verb == 'U')
            buf_printf(&text, "U+%04llX", (unsigned long long)v);
        else {
            buf_char(&text, '\'');
            go_quote_rune(&text, rune, '\'');
            buf_char(&text, '\'');
        }
        pad(out, spec, buf_view(&text), ZEROS_TEXT);
        buf_free(&text);
        return;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(bases); i++)
        if (spec->verb == (uint32_t)bases[i].verb) {
            struct buf digits;
            buf_init(&digits, 128);
            put_radix(&digits, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, bases[i].base, spec->verb == 'X');
            if (v < 0)
                buf_char(&text, '-');
            else if ((spec->plus && spec->verb != 'v') || spec->space) /* %+v is about names of fields */
                buf_char(&text, spec->plus ? '+' : ' ');
            if (spec->sharp || spec->verb == 'O')
                buf_str(&text, bases[i].sharp);
            for (int fill = (int)digits.n; spec->has_precision && fill < spec->precision; fill++)
                buf_char(&text, '0');
            buf_sv(&text, buf_view(&digits));
            buf_free(&digits);
            pad(out, spec, buf_view(&text), spec->has_precision ? ZEROS_NONE : ZEROS_NUMBER);
            buf_free(&text);
            return;
        }
    buf_free(&text);
    bad_verb(out, spec, value);
}

/* As C's %a, with an exponent of at least two digits. */
static void format_hex(struct buf *out, double v, char verb, int precision)
{
    char text[GO_FLOAT_MAX + GO_PRECISION_MAX];
    if (!isfinite(v)) {
        go_format_float(out, v, 'g', -1);
        return;
    }
    int n = precision < 0 ? snprintf(text, sizeof text, verb == 'x' ? "%a" : "%A", v)
                          : snprintf(text, sizeof text, verb == 'x' ? "%.*a" : "%.*A", precision, v);
    buf_add(out, text, (size_t)n);
    if (n > 2 && (text[n - 2] == '+' || text[n - 2] == '-')) {
        char last = out->p[--out->n];
        buf_char(out, '0');
        buf_char(out, last);
    }
}

static void format_float(struct buf *out, const struct spec *spec, struct template_value value)
{
    char verb = (char)spec->verb;
    int precision = spec->has_precision ? spec->precision : -1;
    if (memchr("veEfFgGxX", (int)spec->verb, 9) == NULL || spec->verb > 127) {
        bad_verb(out, spec, value);
        return;
    }
    if (verb == 'v')
        verb = 'g';
    else if (verb == 'F')
        verb = 'f';
    if (precision < 0 && strchr("gGxX", verb) == NULL)
        precision = 6;
    struct buf text;
    buf_init(&text, GO_FLOAT_MAX + GO_PRECISION_MAX);
    bool plus = spec->plus && spec->verb != 'v';
    if (!signbit(value.as.number) && !isinf(value.as.number) && (plus || spec->space))
        buf_char(&text, plus ? '+' : ' ');
    if (verb == 'x' || verb == 'X')
        format_hex(&text, value.as.number, verb, precision);
    else
        go_format_float(&text, value.as.number, verb, precision);
    pad(out, spec, buf_view(&text), isfinite(value.as.number) ? ZEROS_NUMBER : ZEROS_NONE);
    buf_free(&text);
}

static void format_text(struct buf *out, const struct spec *spec, struct template_value value, struct sv text)
{
    if (spec->has_precision && (spec->verb == 's' || spec->verb == 'v' || spec->verb == 'q')) {
        size_t bytes = 0;
        for (int i = 0; i < spec->precision && bytes < text.n; i++) {
            uint32_t rune;
            size_t n = utf8_decode(sv_from(text, bytes), &rune);
            bytes += n == 0 ? 1 : n;
        }
        text = sv_head(text, bytes);
    }
    struct buf made;
    buf_init(&made, out->max_bytes);
    switch (spec->verb) {
    case 's':
    case 'v':
        if (spec->sharp && spec->verb == 'v')
            go_quote(&made, text);
        else
            buf_sv(&made, text);
        break;
    case 'q':
        if (spec->sharp && memchr(text.n == 0 ? "" : text.p, '`', text.n) == NULL)
            buf_printf(&made, "`%.*s`", SV_FMT(text));
        else
            go_quote(&made, text);
        break;
    case 'x':
    case 'X':
        for (size_t i = 0; i < text.n; i++) {
            if (spec->space && i > 0)
                buf_char(&made, ' ');
            buf_printf(&made, spec->verb == 'x' ? "%02x" : "%02X", (unsigned char)text.p[i]);
        }
        break;
    default:
        bad_verb(out, spec, value);
        buf_free(&made);
        return;
    }
    pad(out, spec, buf_view(&made), ZEROS_TEXT);
    out->overflow |= made.overflow;
    buf_free(&made);
}

static void format_members(struct buf *out, const struct spec *spec, struct template_value value)
{
    if (value.kind == TEMPLATE_LIST) {
        buf_char(out, '[');
        for (size_t i = 0; i < value.as.list->n; i++) {
            if (i > 0)
                buf_char(out, ' ');
            format_value(out, spec, value.as.list->items[i], true);
        }
        buf_char(out, ']');
        return;
    }
    bool map = value.kind == TEMPLATE_MAP;
    buf_str(out, map ? "map[" : "{");
    for (size_t i = 0; i < value.as.pairs->n; i++) {
        const struct template_pair *pair = &value.as.pairs->items[i];
        if (i > 0)
            buf_char(out, ' ');
        if (map) {
            format_value(out, spec, template_text(pair->name), true);
            buf_char(out, ':');
        } else if (spec->plus && spec->verb == 'v') {
            buf_sv(out, pair->name);
            buf_char(out, ':');
        }
        format_value(out, spec, *pair->value, true);
    }
    buf_char(out, map ? ']' : '}');
}

static void format_value(struct buf *out, const struct spec *spec, struct template_value value, bool nested)
{
    struct buf text;
    if (spec->verb == 'T' && !nested) {
        pad(out, spec, sv_of(template_type_name(value)), ZEROS_TEXT);
        return;
    }
    if (value.type != NULL && value.type->print != NULL &&
        (spec->verb == 'v' || spec->verb == 's' || spec->verb == 'q')) {
        buf_init(&text, out->max_bytes);
        value.type->print(&text, value);
        format_text(out, spec, value, buf_view(&text));
        out->overflow |= text.overflow;
        buf_free(&text);
        return;
    }
    switch (value.kind) {
    case TEMPLATE_NONE:
        if (nested)
            buf_str(out, "<nil>");
        else if (spec->verb == 'v')
            pad(out, spec, SV("<nil>"), ZEROS_TEXT);
        else
            bad_verb(out, spec, value);
        return;
    case TEMPLATE_BOOL:
        if (spec->verb == 't' || spec->verb == 'v')
            pad(out, spec, value.as.boolean ? SV("true") : SV("false"), ZEROS_TEXT);
        else
            bad_verb(out, spec, value);
        return;
    case TEMPLATE_INT:
        format_int(out, spec, value);
        return;
    case TEMPLATE_FLOAT:
        format_float(out, spec, value);
        return;
    case TEMPLATE_STRING:
        format_text(out, spec, value, value.as.text);
        return;
    case TEMPLATE_TIME:
    case TEMPLATE_DURATION:
        if (value.kind == TEMPLATE_DURATION && spec->verb != 'v' && spec->verb != 's' && spec->verb != 'q') {
            format_int(out, spec, value);
            return;
        }
        buf_init(&text, 256);
        if (value.kind == TEMPLATE_TIME)
            go_time_format(&text, *value.as.time, GO_TIME_STRING);
        else
            go_format_duration(&text, value.as.integer);
        format_text(out, spec, value, buf_view(&text));
        buf_free(&text);
        return;
    case TEMPLATE_LIST:
    case TEMPLATE_MAP:
    case TEMPLATE_OBJECT:
        format_members(out, spec, value);
        return;
    }
}

void go_print_value(struct buf *out, struct template_value value)
{
    static const struct spec plain = {.verb = 'v'};
    format_value(out, &plain, value, true);
}

void go_print(struct buf *out, const struct template_value *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && args[i].kind != TEMPLATE_STRING && args[i - 1].kind != TEMPLATE_STRING)
            buf_char(out, ' ');
        go_print_value(out, args[i]);
    }
}

void go_println(struct buf *out, const struct template_value *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_char(out, ' ');
        go_print_value(out, args[i]);
    }
    buf_char(out, '\n');
}

/* --- formats --- */

struct directive {
    struct sv format;
    size_t at;
    const struct template_value *args;
    size_t n, next;
    bool reordered, bad_index;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct directive *d)
{
    return d->at < d->format.n ? d->format.p[d->at] : '\0';
}

static bool take_number(struct directive *d, int *ret)
{
    if (!is_digit(peek(d)))
        return false;
    int v = 0;
    for (; is_digit(peek(d)); d->at++)
        v = v > GO_PRECISION_MAX ? v : v * 10 + (peek(d) - '0');
    *ret = v > GO_PRECISION_MAX ? GO_PRECISION_MAX : v;
    return true;
}

/* [n] chooses the next argument. */
static void take_index(struct directive *d)
{
    int index;
    if (peek(d) != '[')
        return;
    d->reordered = true;
    d->at++;
    if (take_number(d, &index) && peek(d) == ']' && index >= 1 && (size_t)index <= d->n) {
        d->next = (size_t)index - 1;
        d->at++;
        return;
    }
    d->bad_index = true;
    while (d->at < d->format.n && peek(d) != ']')
        d->at++;
    if (peek(d) == ']')
        d->at++;
}

static bool take_star(struct directive *d, struct buf *out, int *ret, const char *problem)
{
    if (peek(d) != '*')
        return false;
    d->at++;
    if (d->next >= d->n || d->args[d->next].kind != TEMPLATE_INT ||
        llabs(d->args[d->next].as.integer) > GO_PRECISION_MAX) {
        buf_str(out, problem);
        d->next++;
        return false;
    }
    *ret = (int)d->args[d->next++].as.integer;
    return true;
}

static struct spec take_spec(struct directive *d, struct buf *out)
{
    struct spec spec = {0};
    for (;; d->at++) {
        char c = peek(d);
        bool *flag = c == '-'   ? &spec.minus
                     : c == '+' ? &spec.plus
                     : c == '#' ? &spec.sharp
                     : c == ' ' ? &spec.space
                     : c == '0' ? &spec.zero
                                : NULL;
        if (flag == NULL)
            break;
        *flag = true;
    }
    take_index(d);
    spec.has_width = take_star(d, out, &spec.width, "%!(BADWIDTH)") || take_number(d, &spec.width);
    if (spec.has_width && spec.width < 0) {
        spec.minus = true;
        spec.width = -spec.width;
    }
    if (peek(d) == '.') {
        d->at++;
        take_index(d);
        spec.has_precision = true;
        if (!take_star(d, out, &spec.precision, "%!(BADPREC)") && !take_number(d, &spec.precision))
            spec.precision = 0;
        spec.has_precision = spec.precision >= 0;
    }
    take_index(d);
    return spec;
}

void go_printf(struct buf *out, struct sv format, const struct template_value *args, size_t n)
{
    struct directive d = {.format = format, .args = args, .n = n};
    while (d.at < format.n && !out->overflow) {
        size_t plain = sv_find_char(sv_from(format, d.at), '%');
        buf_sv(out, sv_head(sv_from(format, d.at), plain));
        d.at += plain + 1;
        if (d.at > format.n)
            break;
        d.bad_index = false;
        struct spec spec = take_spec(&d, out);
        size_t used = utf8_decode(sv_from(format, d.at), &spec.verb);
        if (used == 0) {
            buf_str(out, d.at >= format.n ? "%!(NOVERB)" : "%!\xEF\xBF\xBD(NOVERB)");
            d.at++;
            continue;
        }
        struct sv verb = sv_head(sv_from(format, d.at), used);
        d.at += used;
        if (spec.verb == '%')
            buf_char(out, '%');
        else if (d.bad_index)
            buf_printf(out, "%%!%.*s(BADINDEX)", SV_FMT(verb));
        else if (d.next >= n)
            buf_printf(out, "%%!%.*s(MISSING)", SV_FMT(verb));
        else
            format_value(out, &spec, args[d.next++], false);
    }
    if (!d.reordered && d.next < n) {
        buf_str(out, "%!(EXTRA ");
        for (size_t i = d.next; i < n; i++) {
            if (i > d.next)
                buf_str(out, ", ");
            if (args[i].kind != TEMPLATE_NONE)
                buf_printf(out, "%s=", template_type_name(args[i]));
            go_print_value(out, args[i]);
        }
        buf_char(out, ')');
    }
}
