/*
 * From the text format to OpenMetrics; see openmetrics.h.
 *
 * The differences that matter here: the family of a counter is named without _total, what has no type is
 * "unknown", quotes in a HELP are escaped, values of `le` are written as floats, and the last line says that
 * it is the last. No _created series are written: they are optional, and nothing here has one to tell.
 */
#include "api/openmetrics.h"

#include "base/go_text.h"
#include "base/num.h"

static bool number_of(struct sv text, double *ret)
{
    return num_double(text, ret) && *ret >= 0 && *ret <= 1;
}

/* The quality of one element of an Accept header, 1 where it names none. */
static double quality_of(struct sv parameters)
{
    double q = 1;
    while (parameters.n > 0) {
        struct sv value = sv_trim(sv_cut(&parameters, ';')), name = sv_trim(sv_cut(&value, '='));
        if (sv_is(name, "q") && !number_of(sv_trim(value), &q))
            q = 0;
    }
    return q;
}

/* Another version than those that are the same as 1.0 here. */
static bool is_other_version(struct sv parameters)
{
    while (parameters.n > 0) {
        struct sv value = sv_trim(sv_cut(&parameters, ';')), name = sv_trim(sv_cut(&value, '='));
        if (sv_is(name, "version") && !sv_is(sv_trim(value), "1.0.0") && !sv_is(sv_trim(value), "0.0.1"))
            return true;
    }
    return false;
}

bool openmetrics_wanted(struct sv accept)
{
    double wanted = 0, text = 0;
    while (accept.n > 0) {
        struct sv parameters = sv_cut(&accept, ','), type = sv_trim(sv_cut(&parameters, ';'));
        double q = quality_of(parameters);
        if (sv_eq_nocase(type, SV("application/openmetrics-text")) && !is_other_version(parameters))
            wanted = TC_MAX(wanted, q);
        else if (sv_eq_nocase(type, SV("text/plain")) || sv_is(type, "*/*") || sv_is(type, "text/*"))
            text = TC_MAX(text, q);
    }
    return wanted > 0 && wanted >= text;
}

static void put_help(struct buf *out, struct sv text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            buf_char(out, '\\');
        buf_char(out, text.p[i]);
    }
}

struct family {
    struct sv name; /* as the text format has it */
    struct sv help;
    bool has_help;
};

static void put_family(struct buf *out, const struct family *f, struct sv type)
{
    bool is_counter = sv_is(type, "counter"), is_total = sv_ends(f->name, SV("_total"));
    struct sv name = is_counter && is_total ? sv_head(f->name, f->name.n - 6) : f->name;
    if (sv_is(type, "untyped") || (is_counter && !is_total))
        type = SV("unknown");
    if (f->has_help) {
        buf_printf(out, "# HELP %.*s ", SV_FMT(name));
        put_help(out, f->help);
        buf_char(out, '\n');
    }
    buf_printf(out, "# TYPE %.*s %.*s\n", SV_FMT(name), SV_FMT(type));
}

/* Where the value of `le` begins; line.n where there is none. Within a value the quote would be escaped. */
static size_t bound_at(struct sv line)
{
    size_t first = sv_find(line, SV("{le=\"")), later = sv_find(line, SV(",le=\""));
    return TC_MIN(TC_MIN(first, later) + 5, line.n);
}

/* A sample as it stands, but for the value of `le`. */
static void put_sample(struct buf *out, struct sv line)
{
    size_t at = bound_at(line);
    struct sv value = sv_from(line, at);
    double bound;
    value = sv_head(value, sv_find_char(value, '"'));
    if (sv_find(line, SV("_bucket{")) < at && num_double(value, &bound)) {
        buf_sv(out, sv_head(line, at));
        go_float_openmetrics(out, bound);
        buf_sv(out, sv_from(line, at + value.n));
    } else {
        buf_sv(out, line);
    }
    buf_char(out, '\n');
}

void openmetrics_from_text(struct sv text, struct buf *out)
{
    struct family family = {0};
    while (text.n > 0) {
        struct sv line = sv_cut(&text, '\n'), rest = line;
        bool is_help = sv_starts(line, SV("# HELP ")), is_type = sv_starts(line, SV("# TYPE "));
        if (is_help || is_type)
            rest = sv_from(line, 7);
        struct sv name = sv_cut(&rest, ' ');
        if (is_help) {
            family = (struct family){.name = name, .help = rest, .has_help = true};
        } else if (is_type) {
            if (!sv_eq(family.name, name))
                family = (struct family){.name = name};
            put_family(out, &family, rest);
        } else if (line.n > 0 && line.p[0] != '#') {
            put_sample(out, line);
        }
    }
    buf_str(out, "# EOF\n");
}
