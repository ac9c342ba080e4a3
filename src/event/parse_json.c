/*
 * The parser of JSON records; see parse_json.h.
 */
#include "event/parse_json.h"

#include "event/dialect.h"
#include "event/json.h"
#include "event/names.h"

/* Digits of the nanoseconds: the integer part with its unit's zeros filled from the fraction. */
static bool epoch_ns(struct sv integer, struct sv fraction, int64_t *ret_ns)
{
    static const struct {
        size_t digits; /* of the largest number of this unit */
        size_t scale;  /* decimal places from the unit down to nanoseconds */
    } units[] = {{11, 9}, {14, 6}, {17, 3}, {19, 0}};
    while (integer.n > 0 && integer.p[0] == '0')
        integer = sv_from(integer, 1);
    size_t unit = 0;
    while (unit < TC_ARRAY_LEN(units) && integer.n > units[unit].digits)
        unit++;
    if (unit == TC_ARRAY_LEN(units) || integer.n < 9)
        return false;
    int64_t ns = 0;
    for (size_t i = 0; i < integer.n + units[unit].scale; i++) {
        int digit = i < integer.n                ? integer.p[i] - '0'
                    : i - integer.n < fraction.n ? fraction.p[i - integer.n] - '0'
                                                 : 0;
        if (__builtin_mul_overflow(ns, 10, &ns) || __builtin_add_overflow(ns, digit, &ns))
            return false;
    }
    *ret_ns = ns;
    return true;
}

static struct sv take_digits(struct sv *text)
{
    size_t n = 0;
    while (n < text->n && text->p[n] >= '0' && text->p[n] <= '9')
        n++;
    struct sv digits = sv_head(*text, n);
    *text = sv_from(*text, n);
    return digits;
}

/* "1.6075833461e9": the digits again, with the point moved; numbers with larger exponents are no times. */
static bool exponent_ns(struct sv integer, struct sv fraction, struct sv exponent, int64_t *ret_ns)
{
    char digits[64];
    if (exponent.n > 0 && exponent.p[0] == '+')
        exponent = sv_from(exponent, 1);
    struct sv places = take_digits(&exponent);
    if (places.n == 0 || places.n > 2 || exponent.n > 0 || integer.n + fraction.n > 32)
        return false;
    size_t shift =
        places.n == 1 ? (size_t)(places.p[0] - '0') : (size_t)((places.p[0] - '0') * 10 + places.p[1] - '0');
    if (shift > 18)
        return false;
    memset(digits, '0', sizeof digits);
    memcpy(digits, integer.p, integer.n);
    if (fraction.n > 0)
        memcpy(digits + integer.n, fraction.p, fraction.n);
    size_t whole = integer.n + shift;
    return epoch_ns(sv_make(digits, whole),
                    sv_make(digits + whole, fraction.n > shift ? fraction.n - shift : 0), ret_ns);
}

static bool number_ns(struct sv text, int64_t *ret_ns)
{
    struct sv integer = take_digits(&text), fraction = {0};
    if (integer.n == 0)
        return false;
    if (text.n > 1 && text.p[0] == '.') {
        text = sv_from(text, 1);
        fraction = take_digits(&text);
    }
    if (text.n == 0)
        return epoch_ns(integer, fraction, ret_ns);
    return (text.p[0] == 'e' || text.p[0] == 'E') && exponent_ns(integer, fraction, sv_from(text, 1), ret_ns);
}

bool parse_json_time(struct sv text, int default_offset_s, int64_t *ret_ns)
{
    struct sv date = SV("/Date("), end = SV(")/"); /* what PowerShell writes for a time */
    if (sv_starts(text, date) && sv_ends(text, end))
        return number_ns(sv_make(text.p + date.n, text.n - date.n - end.n), ret_ns);
    return number_ns(text, ret_ns) || clk_parse_rfc3339(text, default_offset_s, ret_ns);
}

static void take_time(struct event *event, const struct names_found *found, int zone_offset_s)
{
    for (uint64_t left = found->ranks[NAME_TIME]; left != 0;) {
        const struct field *field = names_take(event, found, NAME_TIME, &left);
        bool is_utc = sv_is(field->name, "UtcTime"); /* Sysmon's, without zone */
        if ((field->type == FIELD_STRING || field->type == FIELD_NUMBER) &&
            parse_json_time(sv_trim(field->value), is_utc ? 0 : zone_offset_s, &event->time.ns))
            return;
    }
}

void parse_json_named_time(struct event *event, int zone_offset_s)
{
    struct names_found found;
    names_scan(event, &found);
    take_time(event, &found, zone_offset_s);
}

static struct sv sent_text(const struct event *event, const struct names_found *found, enum name_role role)
{
    uint64_t left = found->ranks[role];
    const struct field *field = left == 0 ? NULL : names_take(event, found, role, &left);
    return field != NULL && field->type == FIELD_STRING ? field->value : (struct sv){0};
}

/* What the sender says of its log source wins over what its fields look like. */
static void take_logsource(struct event *event, const struct names_found *found)
{
    if ((found->ranks[NAME_PRODUCT] | found->ranks[NAME_CATEGORY] | found->ranks[NAME_SERVICE]) == 0)
        return;
    event->product = sent_text(event, found, NAME_PRODUCT);
    event->category = sent_text(event, found, NAME_CATEGORY);
    event->service = sent_text(event, found, NAME_SERVICE);
}

enum parse_outcome parse_json(const struct parser *parser, struct parse_state *state, struct sv raw,
                              struct arena *arena, struct event *ret)
{
    (void)parser;
    if (sv_trim(raw).n == 0)
        return PARSE_SKIP;
    if (json_parse_event(raw, arena, ret, NULL) != 0)
        return PARSE_TEXT;
    struct names_found own, *found = ret->names != NULL ? ret->names : &own;
    names_scan(ret, found);
    ret->names_upto = ret->field_count;
    take_time(ret, found, state->zone_offset_s);
    dialect_apply(ret, found, arena);
    take_logsource(ret, found);
    return PARSE_OK;
}
