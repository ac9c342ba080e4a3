/*
 * Families, groups and values of an exposition; see check.h.
 *
 * A family is what shares a TYPE; a group is the samples of one family with the same labels (but le, quantile
 * and the state). Samples of either stand together.
 */
#include "metrics/exposition/check.h"

#include "base/go_text.h"
#include "base/map.h"

#include <math.h>
#include <stdlib.h>

enum { NAMES_MAX = 1 << 20, EXEMPLAR_CHARACTERS = 128 };

enum part { PART_VALUE, PART_TOTAL, PART_CREATED, PART_BUCKET, PART_COUNT, PART_SUM, PART_INFO, PARTS };

struct suffix {
    const char *text;
    enum part part;
    unsigned types; /* bits */
};
#define T(type) (1U << METRIC_##type)

static const struct suffix suffixes[] = {
    {"_total", PART_TOTAL, T(COUNTER)},
    {"_created", PART_CREATED, T(COUNTER) | T(HISTOGRAM) | T(SUMMARY)},
    {"_bucket", PART_BUCKET, T(HISTOGRAM) | T(GAUGE_HISTOGRAM)},
    {"_gcount", PART_COUNT, T(GAUGE_HISTOGRAM)},
    {"_gsum", PART_SUM, T(GAUGE_HISTOGRAM)},
    {"_count", PART_COUNT, T(HISTOGRAM) | T(SUMMARY)},
    {"_sum", PART_SUM, T(HISTOGRAM) | T(SUMMARY)},
    {"_info", PART_INFO, T(INFO)},
    {"", PART_VALUE, T(UNKNOWN) | T(GAUGE) | T(SUMMARY) | T(STATESET)},
};

struct check {
    bool open_metrics;
    struct map names;          /* of families and of all names that their samples may have */
    struct map groups;         /* of the family: 1 */
    struct map typed, sampled; /* text: families with a TYPE (its number + 1), with a sample */
    struct buf key;
    /* the family: */
    char *family;
    size_t family_n;
    enum metric_type type;
    bool has_type, has_help, has_unit, has_samples;
    /* the group: */
    bool in_group, group_has_t, any_negative_bound, has_sum, has_count, has_infinity, has_bucket;
    double group_t, bound, bucket, count, sum;
    struct buf group;
};

struct check *check_new(bool open_metrics)
{
    struct check *c = tc_alloc(sizeof *c);
    c->open_metrics = open_metrics;
    map_init(&c->names, NAMES_MAX);
    map_init(&c->groups, NAMES_MAX);
    map_init(&c->typed, NAMES_MAX);
    map_init(&c->sampled, NAMES_MAX);
    buf_init(&c->key, 1 << 20);
    buf_init(&c->group, 1 << 20);
    return c;
}

void check_free(struct check **check)
{
    struct check *c = *check;
    if (c == NULL)
        return;
    map_free(&c->names);
    map_free(&c->groups);
    map_free(&c->typed);
    map_free(&c->sampled);
    buf_free(&c->key);
    buf_free(&c->group);
    free(c->family);
    free(c);
    *check = NULL;
}

static struct sv family_of(const struct check *c)
{
    return sv_make(c->family, c->family_n);
}

static bool is_histogram(const struct check *c)
{
    return c->type == METRIC_HISTOGRAM || c->type == METRIC_GAUGE_HISTOGRAM;
}

static const char *end_group(struct check *c)
{
    if (!c->in_group)
        return NULL;
    c->in_group = false;
    if (!is_histogram(c) || !c->has_bucket)
        return NULL;
    if (!c->has_infinity)
        return "a histogram has no bucket +Inf";
    if (c->has_count && c->count != c->bucket)
        return "a histogram's count differs from its bucket +Inf";
    bool negative_gauge = c->type == METRIC_GAUGE_HISTOGRAM;
    if (c->any_negative_bound && !negative_gauge && c->has_sum)
        return "a histogram with negative buckets has a sum";
    if (negative_gauge && c->has_sum && !c->any_negative_bound && c->sum < 0)
        return "a gauge histogram without negative buckets has a negative sum";
    if (c->has_sum != c->has_count && !(c->any_negative_bound && !c->has_sum))
        return "a histogram has only one of sum and count";
    return NULL;
}

static const char *claim(struct check *c, struct sv family, const char *suffix)
{
    bool fresh;
    buf_clear(&c->key);
    buf_sv(&c->key, family);
    buf_str(&c->key, suffix);
    if (map_put(&c->names, buf_view(&c->key), &fresh) == NULL)
        return "too many metric families";
    return fresh ? NULL : "a metric family stands twice, or its names are another's";
}

static const char *end_family(struct check *c)
{
    const char *why = end_group(c);
    if (why == NULL && c->family != NULL)
        for (size_t i = 0; i < TC_ARRAY_LEN(suffixes) && why == NULL; i++)
            if (suffixes[i].text[0] != '\0' && (suffixes[i].types & (1U << c->type)))
                why = claim(c, family_of(c), suffixes[i].text);
    return why;
}

static const char *begin_family(struct check *c, struct sv name)
{
    const char *why = end_family(c);
    free(c->family);
    c->family = tc_alloc(name.n + 1);
    memcpy(c->family, name.p, name.n);
    c->family_n = name.n;
    c->type = METRIC_UNKNOWN;
    c->has_type = c->has_help = c->has_unit = c->has_samples = false;
    map_clear(&c->groups);
    return why != NULL ? why : claim(c, name, "");
}

static const char *check_unit(const struct check *c, struct sv unit)
{
    struct sv name = family_of(c);
    if (unit.n == 0)
        return NULL;
    if (!sv_ends(name, unit) || name.n <= unit.n || name.p[name.n - unit.n - 1] != '_')
        return "a unit is not the end of its metric's name";
    for (size_t i = 0; i < unit.n; i++)
        if (unit.p[i] == ' ')
            return "invalid unit";
    return NULL;
}

static const char *meta_text(struct check *c, char kind, struct sv name, enum metric_type type)
{
    bool fresh;
    if (kind != 'T')
        return NULL;
    uint64_t *known = map_put(&c->typed, name, &fresh);
    if (known == NULL)
        return "too many metric families";
    if (!fresh || map_get(&c->sampled, name) != NULL)
        return "second TYPE line for metric name, or TYPE reported after samples";
    *known = (uint64_t)type;
    return NULL;
}

const char *check_meta(struct check *c, char kind, struct sv name, enum metric_type type, struct sv text)
{
    const char *why = NULL;
    if (!c->open_metrics)
        return meta_text(c, kind, name, type);
    if (c->family == NULL || !sv_eq(family_of(c), name))
        why = begin_family(c, name);
    if (why != NULL)
        return why;
    if (c->has_samples)
        return "metadata after the samples of its metric";
    bool *has = kind == 'T' ? &c->has_type : kind == 'H' ? &c->has_help : &c->has_unit;
    if (*has)
        return "metadata stands twice";
    *has = true;
    if (kind == 'T')
        c->type = type;
    if (kind == 'U' && (why = check_unit(c, text)) != NULL)
        return why;
    if (c->has_unit && (kind != 'U' || text.n > 0) && (c->type == METRIC_INFO || c->type == METRIC_STATESET))
        return "this type has no unit";
    return NULL;
}

static struct sv label_of(const struct exposition_sample *s, struct sv name)
{
    for (size_t i = 1; i < s->count; i++)
        if (sv_eq(s->labels[i].name, name))
            return s->labels[i].value;
    return (struct sv){0};
}

static const char *check_exemplar(enum part part, const struct exposition_exemplar *e)
{
    if (part != PART_TOTAL && part != PART_BUCKET)
        return "an exemplar where none may be";
    size_t characters = 0;
    for (size_t i = 0; i < e->count; i++) {
        struct sv texts[] = {e->labels[i].name, e->labels[i].value};
        for (size_t k = 0; k < 2; k++)
            for (size_t b = 0; b < texts[k].n; b++)
                characters += ((uint8_t)texts[k].p[b] & 0xC0) != 0x80;
    }
    return characters > EXEMPLAR_CHARACTERS ? "an exemplar's labels are too long" : NULL;
}

/* The label that tells samples of one group apart. */
static struct sv inner_label(const struct check *c, enum part part)
{
    if (part == PART_BUCKET)
        return SV("le");
    if (c->type == METRIC_SUMMARY && part == PART_VALUE)
        return SV("quantile");
    return c->type == METRIC_STATESET ? family_of(c) : (struct sv){0};
}

static int by_name(const void *a, const void *b)
{
    return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static const char *enter_group(struct check *c, const struct exposition_sample *s, struct sv inner)
{
    struct label sorted[EXPOSITION_LABELS_MAX];
    size_t n = 0;
    for (size_t i = 1; i < s->count; i++)
        if (!sv_eq(s->labels[i].name, inner))
            sorted[n++] = s->labels[i];
    if (n > 1)
        qsort(sorted, n, sizeof sorted[0], by_name);
    buf_clear(&c->key);
    for (size_t i = 0; i < n; i++) {
        buf_u32(&c->key, (uint32_t)sorted[i].name.n);
        buf_sv(&c->key, sorted[i].name);
        buf_u32(&c->key, (uint32_t)sorted[i].value.n);
        buf_sv(&c->key, sorted[i].value);
    }
    if (c->in_group && sv_eq(buf_view(&c->key), buf_view(&c->group))) {
        if (c->group_has_t != s->has_t)
            return "some samples of a metric have timestamps, others none";
        if (s->has_t && s->t_s < c->group_t)
            return "a metric's timestamps fall";
        if (s->has_t && s->t_s > c->group_t && is_histogram(c)) { /* another point of it */
            const char *why = end_group(c);
            if (why != NULL)
                return why;
        } else {
            return NULL;
        }
    } else {
        const char *why = end_group(c);
        bool fresh;
        if (why != NULL)
            return why;
        if (map_put(&c->groups, buf_view(&c->key), &fresh) == NULL)
            return "too many metrics in a family";
        if (!fresh)
            return "the samples of a metric do not stand together";
        buf_clear(&c->group);
        buf_sv(&c->group, buf_view(&c->key));
    }
    c->in_group = true;
    c->group_has_t = s->has_t;
    c->has_sum = c->has_count = c->has_infinity = c->has_bucket = c->any_negative_bound = false;
    return NULL;
}

static const char *check_bucket(struct check *c, const struct exposition_sample *s)
{
    double bound;
    struct sv le = label_of(s, SV("le"));
    if (le.n == 0 || !go_parse_float(le, &bound) || isnan(bound))
        return "a bucket has no label le that is a number";
    if (isnan(s->value) || s->value < 0)
        return "negative bucket population";
    if (c->has_bucket && bound <= c->bound)
        return "the buckets of a histogram are out of order";
    if (c->has_bucket && s->value < c->bucket)
        return "the buckets of a histogram do not add up";
    c->has_bucket = true;
    c->bound = bound;
    c->bucket = s->value;
    c->any_negative_bound |= bound < 0;
    c->has_infinity |= isinf(bound) && bound > 0;
    return NULL;
}

static const char *check_value(struct check *c, const struct exposition_sample *s, enum part part)
{
    double v = s->value, quantile;
    bool below = isnan(v) || v < 0;
    switch (part) {
    case PART_TOTAL:
        return below ? "a counter is negative or no number" : NULL;
    case PART_BUCKET:
        return check_bucket(c, s);
    case PART_COUNT:
        c->has_count = true;
        c->count = v;
        return below ? "a count is negative or no number" : NULL;
    case PART_SUM:
        c->has_sum = true;
        c->sum = v;
        return isnan(v) || (c->type != METRIC_GAUGE_HISTOGRAM && v < 0) ? "a sum is negative or no number"
                                                                        : NULL;
    case PART_INFO:
        return v == 1 ? NULL : "the value of an info is not 1";
    case PART_VALUE:
        if (c->type == METRIC_STATESET)
            return label_of(s, family_of(c)).p == NULL ? "a state set's sample has no state"
                   : v != 0 && v != 1                  ? "a state is neither 0 nor 1"
                                                       : NULL;
        if (c->type == METRIC_SUMMARY)
            return !go_parse_float(label_of(s, SV("quantile")), &quantile) ||
                           !(quantile >= 0 && quantile <= 1)
                       ? "a summary's sample has no label quantile from 0 to 1"
                   : v < 0 ? "a quantile is negative"
                           : NULL;
        return NULL;
    case PART_CREATED:
    case PARTS:
        break;
    }
    return NULL;
}

static bool part_of(const struct check *c, struct sv name, enum part *ret)
{
    if (c->family == NULL || !sv_starts(name, family_of(c)))
        return false;
    struct sv rest = sv_from(name, c->family_n);
    for (size_t i = 0; i < TC_ARRAY_LEN(suffixes); i++)
        if (sv_is(rest, suffixes[i].text) && (suffixes[i].types & (1U << c->type))) {
            *ret = suffixes[i].part;
            return true;
        }
    return false;
}

/* The reference parser of the text format looks at histograms' populations only. */
static const char *sample_text(struct check *c, const struct exposition_sample *s)
{
    struct sv name = s->labels[0].value, family = name;
    static const struct sv ends[] = {{"_bucket", 7}, {"_count", 6}, {"_sum", 4}};
    (void)map_put(&c->sampled, name, NULL);
    for (size_t i = 0; i < TC_ARRAY_LEN(ends); i++) {
        if (!sv_ends(name, ends[i]))
            continue;
        family = sv_head(name, name.n - ends[i].n);
        const uint64_t *type = map_get(&c->typed, family);
        double bound;
        if (type == NULL || *type != METRIC_HISTOGRAM)
            return NULL;
        (void)map_put(&c->sampled, family, NULL);
        struct sv le = label_of(s, SV("le"));
        if (i == 0 && le.p != NULL && (sv_find_char(le, 'x') < le.n || !go_parse_float(le, &bound)))
            return "expected float as value for 'le' label";
        if (i == 0 && s->value < 0)
            return "negative bucket population for histogram";
        if (i == 1 && s->value < 0)
            return "negative count for histogram";
    }
    return NULL;
}

const char *check_sample(struct check *c, const struct exposition_sample *s)
{
    struct sv name = s->labels[0].value;
    enum part part = PART_VALUE;
    const char *why = NULL;
    if (!c->open_metrics)
        return sample_text(c, s);
    if (!part_of(c, name, &part)) {
        if (c->family != NULL && sv_eq(family_of(c), name))
            return "a sample's name does not fit its metric's type";
        if ((why = begin_family(c, name)) != NULL)
            return why;
        part = PART_VALUE;
    }
    c->has_samples = true;
    if ((why = enter_group(c, s, inner_label(c, part))) != NULL)
        return why;
    c->group_t = s->t_s;
    if (s->exemplar != NULL && (why = check_exemplar(part, s->exemplar)) != NULL)
        return why;
    return check_value(c, s, part);
}

const char *check_end(struct check *c)
{
    return c->open_metrics ? end_family(c) : NULL;
}
