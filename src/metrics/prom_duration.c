/*
 * Prometheus' durations; see prom_duration.h.
 */
#include "metrics/prom_duration.h"

#include "base/go_text.h"

#include <ctype.h>

static const struct duration_unit {
    const char *name;
    int64_t ms;
} duration_units[] = {
    {"y", 365LL * 86400000},
    {"w", 7LL * 86400000},
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};

static int bad_duration(struct sv text, struct sv unit, struct err *err)
{
    struct buf b;
    buf_init(&b, 1024);
    if (unit.n > 0) {
        buf_str(&b, "unknown unit ");
        go_quote(&b, sv_head(unit, 100));
        buf_str(&b, " in duration ");
    } else {
        buf_str(&b, "not a valid duration string: ");
    }
    go_quote(&b, sv_head(text, 100));
    int rc = err_set(err, TC_EINPUT, "%.*s", SV_FMT(buf_view(&b)));
    buf_free(&b);
    return rc;
}

/* From the largest unit to the smallest, each at most once. */
int prom_parse_duration(struct sv text, int64_t *ret_ns, struct err *err)
{
    size_t next_unit = 0, at = 0;
    uint64_t total_ms = 0;
    if (text.n == 0)
        return err_set(err, TC_EINPUT, "empty duration string");
    if (sv_is(text, "0")) {
        *ret_ns = 0;
        return 0;
    }
    while (at < text.n) {
        size_t start = at, letters, unit = 0;
        uint64_t n = 0, add;
        for (; at < text.n && isdigit((unsigned char)text.p[at]); at++)
            if (__builtin_mul_overflow(n, 10, &n) ||
                __builtin_add_overflow(n, (uint64_t)(text.p[at] - '0'), &n))
                return bad_duration(text, SV(""), err);
        letters = at;
        while (at < text.n && !isdigit((unsigned char)text.p[at]))
            at++;
        struct sv name = sv_make(text.p + letters, at - letters);
        if (start == letters || name.n == 0)
            return bad_duration(text, SV(""), err);
        while (unit < TC_ARRAY_LEN(duration_units) && !sv_is(name, duration_units[unit].name))
            unit++;
        if (unit == TC_ARRAY_LEN(duration_units))
            return bad_duration(text, name, err);
        if (unit < next_unit)
            return bad_duration(text, SV(""), err);
        if (__builtin_mul_overflow(n, (uint64_t)duration_units[unit].ms, &add) ||
            __builtin_add_overflow(total_ms, add, &total_ms) || total_ms > (uint64_t)(INT64_MAX / 1000000))
            return err_set(err, TC_EINPUT, "duration out of range");
        next_unit = unit + 1;
    }
    *ret_ns = (int64_t)total_ms * 1000000;
    return 0;
}

void prom_duration(struct buf *out, int64_t ns)
{
    int64_t ms = ns / 1000000;
    if (ms == 0) {
        buf_str(out, "0s");
        return;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(duration_units); i++) {
        int64_t unit = duration_units[i].ms, n = ms / unit;
        /* years and weeks only where they leave nothing over */
        if (n > 0 && (i > 1 || ms % unit == 0)) {
            buf_printf(out, "%lld%s", (long long)n, duration_units[i].name);
            ms -= n * unit;
        }
    }
}
