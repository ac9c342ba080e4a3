/*
 * Names of OpenTelemetry in Prometheus' alphabet; see otlp.h.
 */
#include "metrics/otlp/otlp.h"

enum { TOKENS_MAX = 64, NAME_BYTES_MAX = 4096 };

static const struct {
    const char *unit, *word;
} units[] = {{"d", "days"},
             {"h", "hours"},
             {"min", "minutes"},
             {"s", "seconds"},
             {"ms", "milliseconds"},
             {"us", "microseconds"},
             {"ns", "nanoseconds"},
             {"By", "bytes"},
             {"KiBy", "kibibytes"},
             {"MiBy", "mebibytes"},
             {"GiBy", "gibibytes"},
             {"TiBy", "tebibytes"},
             {"KBy", "kilobytes"},
             {"MBy", "megabytes"},
             {"GBy", "gigabytes"},
             {"TBy", "terabytes"},
             {"m", "meters"},
             {"V", "volts"},
             {"A", "amperes"},
             {"J", "joules"},
             {"W", "watts"},
             {"g", "grams"},
             {"Cel", "celsius"},
             {"Hz", "hertz"},
             {"1", ""},
             {"%", "percent"}};
static const struct {
    const char *unit, *word;
} per_units[] = {{"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"},
                 {"w", "week"},   {"mo", "month"}, {"y", "year"}};

struct tokens {
    struct sv items[TOKENS_MAX];
    size_t n;
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':';
}

static bool has(const struct tokens *t, struct sv word)
{
    for (size_t i = 0; i < t->n; i++)
        if (sv_eq(t->items[i], word))
            return true;
    return false;
}

static void add(struct tokens *t, struct sv word)
{
    if (word.n > 0 && t->n < TOKENS_MAX)
        t->items[t->n++] = word;
}

static void take_out(struct tokens *t, struct sv word)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!sv_eq(t->items[i], word))
            t->items[kept++] = t->items[i];
    t->n = kept;
}

static void split(struct sv name, struct tokens *t)
{
    for (size_t at = 0; at < name.n;) {
        size_t end = at;
        while (end < name.n && is_name_char(name.p[end]))
            end++;
        add(t, sv_make(name.p + at, end - at));
        at = end + 1;
    }
}

/* Runs of what is no letter or digit become one '_', none in front. */
static struct sv clean_unit(struct arena *arena, struct sv unit)
{
    char *out = arena_alloc(arena, unit.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < unit.n; i++) {
        if (is_name_char(unit.p[i]))
            out[n++] = unit.p[i];
        else if (n > 0 && out[n - 1] != '_')
            out[n++] = '_';
    }
    return sv_make(out, n);
}

static struct sv without_underscore(struct sv text)
{
    return sv_ends(text, SV("_")) ? sv_head(text, text.n - 1) : text;
}

struct sv otlp_unit(struct sv unit)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(units); i++)
        if (sv_is(unit, units[i].unit))
            return sv_of(units[i].word);
    return unit;
}

static struct sv per_unit(struct sv unit)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(per_units); i++)
        if (sv_is(unit, per_units[i].unit))
            return sv_of(per_units[i].word);
    return unit;
}

/* Units in braces are remarks: {requests}. */
static bool is_remark(struct sv unit)
{
    return sv_find_char(unit, '{') < unit.n || sv_find_char(unit, '}') < unit.n;
}

static void add_units(struct arena *arena, struct tokens *t, struct sv unit)
{
    size_t slash = sv_find_char(unit, '/');
    struct sv whole = sv_trim(sv_head(unit, slash)), part = sv_trim(sv_from(unit, slash + 1));
    struct sv main = is_remark(whole) ? (struct sv){0} : clean_unit(arena, otlp_unit(whole)), per = {0};
    if (part.n > 0 && !is_remark(part))
        per = without_underscore(clean_unit(arena, arena_printf(arena, "per_%.*s", SV_FMT(per_unit(part)))));
    if (sv_is(per, "per") || has(t, per))
        per = (struct sv){0};
    if (has(t, main))
        main = (struct sv){0};
    add(t, per.n > 0 ? without_underscore(main) : main);
    add(t, per);
}

struct sv otlp_metric_name(struct arena *arena, struct sv name, struct sv unit, enum otlp_kind kind)
{
    struct tokens t = {.n = 0};
    struct buf out;
    split(name, &t);
    if (t.n == 0)
        return (struct sv){0};
    add_units(arena, &t, unit);
    const struct sv last = kind == OTLP_COUNTER                     ? SV("total")
                           : kind == OTLP_GAUGE && sv_is(unit, "1") ? SV("ratio")
                                                                    : (struct sv){0};
    if (last.n > 0) {
        take_out(&t, last);
        add(&t, last);
    }
    buf_init(&out, NAME_BYTES_MAX);
    if (t.n > 0 && t.items[0].p[0] >= '0' && t.items[0].p[0] <= '9')
        buf_char(&out, '_');
    for (size_t i = 0; i < t.n; i++) {
        if (i > 0)
            buf_char(&out, '_');
        buf_sv(&out, t.items[i]);
    }
    struct sv built = out.overflow ? (struct sv){0} : arena_sv(arena, buf_view(&out));
    buf_free(&out);
    return built;
}

struct sv otlp_label_name(struct arena *arena, struct sv name)
{
    bool good = name.n > 0;
    for (size_t i = 0; i < name.n && good; i++)
        good = (is_name_char(name.p[i]) && name.p[i] != ':') || (name.p[i] == '_' && i > 0);
    if (good && (name.p[0] < '0' || name.p[0] > '9'))
        return name;
    char *out = arena_alloc(arena, name.n + 8);
    size_t n = 0;
    if (name.n > 0 && name.p[0] >= '0' && name.p[0] <= '9') {
        memcpy(out, "key_", 4);
        n = 4;
    } else if (name.n > 0 && (!is_name_char(name.p[0]) || name.p[0] == ':') &&
               !(name.n > 1 && (!is_name_char(name.p[1]) || name.p[1] == ':'))) {
        memcpy(out, "key", 3); /* names that begin with one '_' are not for others; "__" stays what it is */
        n = 3;
    }
    for (size_t i = 0; i < name.n; i++)
        out[n++] = is_name_char(name.p[i]) && name.p[i] != ':' ? name.p[i] : '_';
    return sv_make(out, n);
}
