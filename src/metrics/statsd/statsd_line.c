/*
 * Reading a line of StatsD; see statsd_line.h.
 */
#include "metrics/statsd/statsd_line.h"

#include "base/num.h"

#include <math.h>

static bool read_type(struct sv text, enum statsd_type *ret)
{
    static const struct {
        const char *text;
        enum statsd_type type;
    } types[] = {{"c", STATSD_COUNTER},   {"g", STATSD_GAUGE},     {"ms", STATSD_HISTOGRAM},
                 {"h", STATSD_HISTOGRAM}, {"d", STATSD_HISTOGRAM}, {"s", STATSD_SET}};
    for (size_t i = 0; i < TC_ARRAY_LEN(types); i++)
        if (sv_is(text, types[i].text)) {
            *ret = types[i].type;
            return true;
        }
    return false;
}

static bool read_tags(struct sv text, struct statsd_line *ret)
{
    while (text.n > 0) {
        struct sv value = sv_cut(&text, ','), name = {0};
        if (value.n == 0)
            continue;
        if (ret->tag_count == STATSD_TAGS_MAX)
            return false;
        bool has_value = sv_find_char(value, ':') < value.n;
        name = sv_cut(&value, ':');
        ret->tags[ret->tag_count].name = name;
        ret->tags[ret->tag_count++].value = has_value ? value : SV("true");
    }
    return true;
}

/* What stands behind the type. Parts that nobody knows yet are passed over, as DogStatsD's own server does.
 */
static enum statsd_verdict read_part(struct sv part, struct statsd_line *ret)
{
    if (sv_starts(part, SV("@"))) {
        if (!num_double(sv_from(part, 1), &ret->rate) || !(ret->rate > 0 && ret->rate <= 1))
            return STATSD_MALFORMED;
    } else if (sv_starts(part, SV("#"))) {
        if (!read_tags(sv_from(part, 1), ret))
            return STATSD_TOO_MANY_TAGS;
    }
    return STATSD_GOOD;
}

enum statsd_verdict statsd_read(struct sv line, struct statsd_line *ret)
{
    *ret = (struct statsd_line){.rate = 1};
    if (sv_starts(line, SV("_e{")))
        return STATSD_EVENT;
    if (sv_starts(line, SV("_sc|")))
        return STATSD_SERVICE_CHECK;
    struct sv head = sv_cut(&line, '|');
    size_t colon = sv_find_char(head, ':');
    ret->name = sv_head(head, colon);
    ret->values = sv_from(head, colon + 1);
    if (ret->name.n == 0 || ret->name.n > STATSD_NAME_MAX || ret->values.n == 0 ||
        !read_type(sv_cut(&line, '|'), &ret->type))
        return STATSD_MALFORMED;
    while (line.n > 0) {
        enum statsd_verdict verdict = read_part(sv_cut(&line, '|'), ret);
        if (verdict != STATSD_GOOD)
            return verdict;
    }
    return STATSD_GOOD;
}

bool statsd_next_number(struct sv *rest, double *ret, bool *ret_signed)
{
    struct sv text = sv_cut(rest, ':');
    *ret_signed = text.n > 0 && (text.p[0] == '+' || text.p[0] == '-');
    return num_double(text, ret) && isfinite(*ret);
}
