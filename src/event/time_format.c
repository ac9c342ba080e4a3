/*
 * Declared time forms; see time_format.h.
 */
#include "event/time_format.h"

#include "base/num.h"
#include "event/parse_json.h"
#include "event/syslog_time.h"
#include "event/text_event.h"

static const char letters[] = "YymbBdeHIpMSfaAzZsTFD%";
static const struct {
    char letter;
    const char *form;
} compounds[] = {{'T', "%H:%M:%S"}, {'F', "%Y-%m-%d"}, {'D', "%m/%d/%y"}};

static bool is_word(struct sv form)
{
    return sv_is(form, "rfc3339") || sv_is(form, "epoch") || sv_is(form, "auto");
}

static bool has_letter(struct sv form, const char *wanted)
{
    for (size_t i = 0; i + 1 < form.n; i++)
        if (form.p[i] == '%' && strchr(wanted, form.p[++i]) != NULL)
            return true;
    return false;
}

int time_format_check(struct sv form, struct err *err)
{
    if (is_word(form))
        return 0;
    for (size_t i = 0; i < form.n; i++)
        if (form.p[i] == '%' && (++i == form.n || form.p[i] == '\0' || strchr(letters, form.p[i]) == NULL))
            return err_set(err, TC_EINPUT,
                           "the time form \"%.*s\" has an unknown letter behind %% at character %zu",
                           SV_FMT(form), i + 1);
    if (!has_letter(form, "s") && (!has_letter(form, "deFD") || !has_letter(form, "HIT")))
        return err_set(
            err, TC_EINPUT,
            "the time form \"%.*s\" names no day or no hour: it is rfc3339, epoch, auto, or has %%d and %%H",
            SV_FMT(form));
    return 0;
}

bool time_format_lacks_year(struct sv form)
{
    return !is_word(form) && !has_letter(form, "YyFDs");
}

/* --- reading ---------------------------------------------------------------------------------------------
 */

struct reading {
    struct sv text; /* what is left */
    struct civil civil;
    int offset_s;
    bool afternoon, morning, epoch;
    bool fraction_follows; /* the form goes on with %f behind the seconds */
    int64_t epoch_ns;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_number(struct reading *r, size_t digits_max, int *ret)
{
    size_t n = 0;
    int value = 0;
    for (; n < r->text.n && n < digits_max && is_digit(r->text.p[n]); n++)
        value = value * 10 + (r->text.p[n] - '0');
    r->text = sv_from(r->text, n);
    *ret = value;
    return n > 0;
}

static struct sv take_letters(struct reading *r)
{
    size_t n = 0;
    while (n < r->text.n && ((r->text.p[n] | 0x20) >= 'a' && (r->text.p[n] | 0x20) <= 'z'))
        n++;
    struct sv word = sv_head(r->text, n);
    r->text = sv_from(r->text, n);
    return word;
}

/* "Jan", "january"; a name may be cut short, but not below three letters. */
static bool take_month(struct reading *r)
{
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
    struct sv word = take_letters(r);
    for (int i = 0; i < 12 && word.n >= 3; i++)
        if (sv_eq_nocase(word, sv_head(sv_of(names[i]), word.n))) {
            r->civil.month = i + 1;
            return true;
        }
    return false;
}

static bool take_fraction(struct reading *r)
{
    int32_t unit = 100000000;
    size_t n = 0;
    for (; n < r->text.n && is_digit(r->text.p[n]); n++, unit /= 10)
        r->civil.nanosecond += (r->text.p[n] - '0') * unit;
    r->text = sv_from(r->text, n);
    return n > 0;
}

static bool take_second(struct reading *r)
{
    if (!take_number(r, 2, &r->civil.second))
        return false;
    if (!r->fraction_follows && r->text.n > 1 && (r->text.p[0] == '.' || r->text.p[0] == ',') &&
        is_digit(r->text.p[1])) {
        r->text = sv_from(r->text, 1);
        take_fraction(r);
    }
    return true;
}

/* "+02:00", "+0200", "+02", "Z", "UTC", "GMT". */
static bool take_zone(struct reading *r)
{
    int hours, minutes = 0;
    r->offset_s = 0;
    if (r->text.n == 0)
        return false;
    char sign = r->text.p[0];
    if (sign != '+' && sign != '-') {
        struct sv word = take_letters(r);
        return sv_is(word, "Z") || sv_is(word, "UTC") || sv_is(word, "GMT");
    }
    r->text = sv_from(r->text, 1);
    size_t before = r->text.n;
    if (!take_number(r, 2, &hours) || before - r->text.n != 2)
        return false;
    if (r->text.n > 0 && r->text.p[0] == ':')
        r->text = sv_from(r->text, 1);
    if (r->text.n > 0 && is_digit(r->text.p[0]) && !take_number(r, 2, &minutes))
        return false;
    r->offset_s = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

static bool take_year_of_century(struct reading *r)
{
    if (!take_number(r, 2, &r->civil.year))
        return false;
    r->civil.year += r->civil.year < 69 ? 2000 : 1900;
    return true;
}

static bool take_half_of_day(struct reading *r)
{
    struct sv word = take_letters(r);
    r->afternoon = sv_eq_nocase(word, SV("PM"));
    r->morning = sv_eq_nocase(word, SV("AM"));
    return r->afternoon || r->morning;
}

static bool take_epoch(struct reading *r)
{
    int64_t seconds = 0;
    size_t n = 0;
    for (; n < r->text.n && is_digit(r->text.p[n]); n++)
        if (__builtin_mul_overflow(seconds, 10, &seconds) ||
            __builtin_add_overflow(seconds, r->text.p[n] - '0', &seconds))
            return false;
    r->text = sv_from(r->text, n);
    r->epoch = true;
    return n > 0 && !__builtin_mul_overflow(seconds, TC_SECOND_NS, &r->epoch_ns);
}

static bool take_day(struct reading *r)
{
    if (r->text.n > 0 && r->text.p[0] == ' ')
        r->text = sv_from(r->text, 1);
    return take_number(r, 2, &r->civil.day);
}

static bool take_form(struct reading *r, struct sv form);

static bool take_letter(struct reading *r, char letter)
{
    switch (letter) {
    case 'Y':
        return take_number(r, 4, &r->civil.year);
    case 'y':
        return take_year_of_century(r);
    case 'm':
        return take_number(r, 2, &r->civil.month);
    case 'b':
    case 'B':
        return take_month(r);
    case 'd':
    case 'e':
        return take_day(r);
    case 'H':
    case 'I':
        return take_number(r, 2, &r->civil.hour);
    case 'p':
        return take_half_of_day(r);
    case 'M':
        return take_number(r, 2, &r->civil.minute);
    case 'S':
        return take_second(r);
    case 'f':
        return take_fraction(r);
    case 'a':
    case 'A':
        return take_letters(r).n > 0;
    case 'z':
    case 'Z':
        return take_zone(r);
    case 's':
        return take_epoch(r);
    default:
        break;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(compounds); i++)
        if (compounds[i].letter == letter)
            return take_form(r, sv_of(compounds[i].form));
    return false;
}

static bool take_form(struct reading *r, struct sv form)
{
    for (size_t i = 0; i < form.n; i++) {
        char c = form.p[i];
        if (c == '%' && form.p[i + 1] != '%') {
            i++;
            if (!take_letter(r, form.p[i]))
                return false;
            continue;
        }
        i += c == '%';
        size_t blanks = 0;
        while (c == ' ' && blanks < r->text.n && r->text.p[blanks] == ' ')
            blanks++;
        if (c == ' ' ? blanks == 0 : r->text.n == 0 || r->text.p[0] != c)
            return false;
        r->text = sv_from(r->text, c == ' ' ? blanks : 1);
    }
    return true;
}

static bool is_clock(const struct civil *c)
{
    return c->hour < 24 && c->minute < 60 && c->second <= 60;
}

bool time_format_read(struct sv form, struct sv text, struct parse_state *state, int64_t *ret_ns)
{
    text = sv_trim(text);
    if (sv_is(form, "rfc3339"))
        return clk_parse_rfc3339(text, state->zone_offset_s, ret_ns);
    if (sv_is(form, "epoch"))
        return text.n > 0 && is_digit(text.p[0]) && parse_json_time(text, 0, ret_ns);
    if (sv_is(form, "auto"))
        return text_event_time(text, state->zone_offset_s, ret_ns);
    struct reading r = {.text = text,
                        .civil = {.month = 1, .day = 1},
                        .offset_s = state->zone_offset_s,
                        .fraction_follows = has_letter(form, "f")};
    if (!take_form(&r, form) || r.text.n > 0)
        return false;
    if (r.epoch) {
        *ret_ns = r.epoch_ns + r.civil.nanosecond;
        return true;
    }
    r.civil.hour = r.afternoon && r.civil.hour < 12  ? r.civil.hour + 12
                   : r.morning && r.civil.hour == 12 ? 0
                                                     : r.civil.hour;
    if (!is_clock(&r.civil))
        return false;
    if (time_format_lacks_year(form)) {
        struct parse_state zoned = *state;
        zoned.zone_offset_s = r.offset_s;
        if (r.civil.month < 1 || r.civil.month > 12 || r.civil.day < 1 || r.civil.day > 31)
            return false;
        *ret_ns = syslog_time_without_year(&zoned, r.civil);
        zoned.zone_offset_s = state->zone_offset_s;
        *state = zoned;
        return *ret_ns != TC_NO_TIME;
    }
    int64_t ns;
    if (!clk_from_civil(r.civil, &ns))
        return false;
    return !__builtin_sub_overflow(ns, r.offset_s * TC_SECOND_NS, ret_ns) && *ret_ns != TC_NO_TIME;
}
