/*
 * Metrics in Prometheus' text format; see metric_text.h. Numbers have 17 digits, so that what is read back is
 * the same double, and an integer has no exponent.
 */
#include "base/metric_text.h"

#include "base/utf8.h"

#include <math.h>

void metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_number(struct buf *out, double value)
{
    if (isnan(value)) /* printf's own words have other letters, and a sign */
        buf_str(out, "NaN");
    else if (isinf(value))
        buf_str(out, value > 0 ? "+Inf" : "-Inf");
    else
        buf_printf(out, "%.17g", value);
}

void metric_rows(struct buf *out, const struct metric *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        metric_head(out, rows[i].name, rows[i].type, rows[i].help);
        buf_printf(out, "%s ", rows[i].name);
        put_number(out, rows[i].value);
        buf_char(out, '\n');
    }
}

void metric_label_value(struct buf *out, struct sv value)
{
    while (value.n > 0) {
        uint32_t rune;
        size_t length = utf8_decode(value, &rune);
        if (length == 0)
            buf_str(out, "\xEF\xBF\xBD");
        else if (rune == '\n')
            buf_str(out, "\\n");
        else if (rune == '"' || rune == '\\')
            buf_printf(out, "\\%c", (char)rune);
        else
            buf_sv(out, sv_head(value, length));
        value = sv_from(value, TC_MAX(length, 1));
    }
}

void metric_labelled(struct buf *out, const char *name, const char *label, struct sv value, double number)
{
    buf_printf(out, "%s{%s=\"", name, label);
    metric_label_value(out, value);
    buf_str(out, "\"} ");
    put_number(out, number);
    buf_char(out, '\n');
}
