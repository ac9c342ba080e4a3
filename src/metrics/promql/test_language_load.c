/*
 * `load`: series with their values, start timestamps (`metric@st` lines), and classic histograms that are
 * also stored as native ones with custom buckets.
 */
#include "metrics/promql/test_language_priv.h"

#include "base/go_text.h"
#include "base/num.h"
#include "metrics/grow.h"
#include "metrics/prom_duration.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

struct start_values {
    bool *omitted;
    int64_t *offset_ms;
    size_t n, capacity;
};

/* --- start timestamps: offsets such as -10s, -10s+5sx3, _x2 --- */

static void push_start(struct test_file *t, struct start_values *v, bool omitted, int64_t offset_ms)
{
    if (v->n == v->capacity) {
        v->capacity = TC_MAX((size_t)32, v->capacity * 2);
        bool *o = ARENA_ARRAY(&t->arena, bool, v->capacity);
        int64_t *ms = ARENA_ARRAY(&t->arena, int64_t, v->capacity);
        if (v->n > 0) {
            memcpy(o, v->omitted, v->n * sizeof *o);
            memcpy(ms, v->offset_ms, v->n * sizeof *ms);
        }
        v->omitted = o;
        v->offset_ms = ms;
    }
    v->omitted[v->n] = omitted;
    v->offset_ms[v->n++] = offset_ms;
}

/* A signed duration at the beginning of the text. */
static bool take_duration(struct sv *text, int64_t *ret_ms)
{
    bool negative = text->n > 0 && text->p[0] == '-';
    size_t start = text->n > 0 && (text->p[0] == '-' || text->p[0] == '+'), n = start;
    int64_t ns;
    while (n < text->n && isdigit((unsigned char)text->p[n]))
        n++;
    while (n < text->n && isalpha((unsigned char)text->p[n]) && text->p[n] != 'x')
        n++;
    if (prom_parse_duration(sv_make(text->p + start, n - start), &ns, NULL) != 0)
        return false;
    *ret_ms = negative ? -(ns / 1000000) : ns / 1000000;
    *text = sv_from(*text, n);
    return true;
}

static bool take_count(struct sv text, uint64_t *ret)
{
    return text.n > 1 && text.p[0] == 'x' && num_u64(sv_from(text, 1), 0, PROMQL_REPEAT_MAX, ret);
}

static bool start_item(struct test_file *t, struct sv item, struct start_values *out)
{
    int64_t offset, step = 0;
    uint64_t n = 0;
    if (sv_is(item, "_")) {
        push_start(t, out, true, 0);
        return true;
    }
    if (item.n > 1 && item.p[0] == '_') {
        if (!take_count(sv_from(item, 1), &n) || n == 0)
            return false;
        while (n-- > 0)
            push_start(t, out, true, 0);
        return true;
    }
    if (!take_duration(&item, &offset))
        return false;
    if (item.n > 0 && item.p[0] != 'x' && !take_duration(&item, &step))
        return false;
    if (item.n > 0 && !take_count(item, &n))
        return false;
    for (uint64_t i = 0; i <= n; i++, offset += step)
        push_start(t, out, false, offset);
    return true;
}

static bool is_start_line(struct sv line)
{
    return sv_ends(test_word(&line), SV("@st"));
}

static int read_starts(struct test_file *t, struct sv line, const struct labels **ret_labels,
                       struct start_values *out, struct err *err)
{
    struct series_description d;
    struct sv word = test_word(&line);
    word.n -= 3;
    int rc = test_series(t, arena_printf(&t->arena, "%.*s _", SV_FMT(word)), t->at, &d, err);
    if (rc != 0)
        return rc;
    *ret_labels = labels_intern(&t->labels, d.labels, d.label_count);
    *out = (struct start_values){0};
    while (line.n > 0) {
        struct sv item = test_word(&line);
        if (!start_item(t, item, out))
            return test_error(t, t->at, err, "invalid @st sequence: invalid ST item \"%.*s\"", SV_FMT(item));
    }
    return 0;
}

/* --- classic histograms as native ones --- */

struct converted_bucket {
    double bound, count;
};

struct converted {
    int64_t t;
    bool has_count;
    double count, sum;
    struct converted_bucket *buckets;
    size_t n, capacity;
};

struct conversion {
    const struct labels *labels;
    struct converted *items; /* by time */
    size_t n, capacity;
    struct conversion *next;
};

static struct converted *at_time(struct arena *arena, struct conversion *c, int64_t t)
{
    size_t i = c->n;
    while (i > 0 && c->items[i - 1].t > t)
        i--;
    if (i > 0 && c->items[i - 1].t == t)
        return &c->items[i - 1];
    c->items = grow(arena, c->items, c->n, &c->capacity, sizeof *c->items);
    memmove(&c->items[i + 1], &c->items[i], (c->n - i) * sizeof *c->items);
    c->n++;
    c->items[i] = (struct converted){.t = t};
    return &c->items[i];
}

static void add_bucket(struct arena *arena, struct converted *h, double bound, double count)
{
    size_t i = h->n;
    while (i > 0 && h->buckets[i - 1].bound > bound)
        i--;
    if (i > 0 && h->buckets[i - 1].bound == bound)
        return;
    h->buckets = grow(arena, h->buckets, h->n, &h->capacity, sizeof *h->buckets);
    memmove(&h->buckets[i + 1], &h->buckets[i], (h->n - i) * sizeof *h->buckets);
    h->n++;
    h->buckets[i] = (struct converted_bucket){bound, count};
}

/* Puts the samples of one classic series to the histogram that it belongs to. */
static void convert_series(struct test_file *t, struct conversion **all, const struct labels *labels,
                           const struct memory_sample *samples, size_t count)
{
    static const char *const endings[] = {"_bucket", "_count", "_sum"};
    struct sv name = labels_get(labels, METRIC_NAME), le = labels_get(labels, SV("le"));
    size_t kind = 0;
    double bound = 0;
    while (kind < 3 && !sv_ends(name, sv_of(endings[kind])))
        kind++;
    if (kind == 3 || (kind == 0 && (!go_parse_float(le, &bound) || isnan(bound))))
        return;
    const struct labels *base =
        labels_set(&t->labels, labels, METRIC_NAME, sv_head(name, name.n - strlen(endings[kind])));
    base = labels_set(&t->labels, base, SV("le"), SV(""));
    struct conversion *c = *all;
    while (c != NULL && c->labels != base)
        c = c->next;
    if (c == NULL) {
        c = ARENA_NEW(&t->arena, struct conversion);
        *c = (struct conversion){.labels = base, .next = *all};
        *all = c;
    }
    for (size_t i = 0; i < count; i++) {
        if (samples[i].h != NULL)
            continue;
        struct converted *h = at_time(&t->arena, c, samples[i].t);
        if (kind == 0)
            add_bucket(&t->arena, h, bound, samples[i].f);
        else if (kind == 1)
            h->count = samples[i].f;
        else
            h->sum = samples[i].f;
        h->has_count |= kind == 1;
    }
}

static int convert_one(struct test_file *t, struct converted *c, struct histogram **ret, struct err *err)
{
    if (!c->has_count && c->n > 0)
        c->count = c->buckets[c->n - 1].count;
    if (c->n == 0 || !isinf(c->buckets[c->n - 1].bound))
        add_bucket(&t->arena, c, INFINITY, c->count);
    struct histogram *h = ARENA_NEW(&t->arena, struct histogram);
    double *bounds = ARENA_ARRAY(&t->arena, double, c->n + 1);
    *h = (struct histogram){
        .schema = HISTOGRAM_CUSTOM_SCHEMA, .count = c->count, .sum = c->sum, .bounds = bounds};
    h->positive = (struct histogram_side){ARENA_ARRAY(&t->arena, int32_t, c->n),
                                          ARENA_ARRAY(&t->arena, double, c->n), c->n};
    double before = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->buckets[i].count < before)
            return test_error(t, t->at, err, "count is not cumulative");
        h->positive.index[i] = (int32_t)i;
        h->positive.count[i] = c->buckets[i].count - before;
        before = c->buckets[i].count;
        if (!isinf(c->buckets[i].bound))
            bounds[h->bound_count++] = c->buckets[i].bound;
    }
    if (before != c->count)
        return test_error(t, t->at, err, "count mismatch");
    *ret = histogram_compact(h);
    return 0;
}

static int append(struct test_file *t, const struct labels *labels, const struct memory_sample *samples,
                  size_t count, struct err *err)
{
    struct label *copy = ARENA_ARRAY(&t->arena, struct label, labels->count + 1);
    memcpy(copy, labels->items, labels->count * sizeof *copy);
    struct err inner = {0};
    if (memory_store_append(t->store, copy, labels->count, samples, count, &inner) != 0)
        return test_error(t, t->at, err, "%s", inner.text);
    return 0;
}

static int store_converted(struct test_file *t, struct conversion *all, struct err *err)
{
    int rc = 0;
    for (struct conversion *c = all; rc == 0 && c != NULL; c = c->next) {
        struct memory_sample *samples = ARENA_ARRAY(&t->arena, struct memory_sample, c->n + 1);
        for (size_t i = 0; rc == 0 && i < c->n; i++) {
            struct histogram *h = NULL;
            rc = convert_one(t, &c->items[i], &h, err);
            if (rc == 0)
                samples[i] = (struct memory_sample){.t = c->items[i].t, .h = h};
        }
        if (rc == 0)
            rc = append(t, c->labels, samples, c->n, err);
    }
    return rc;
}

/* --- the command --- */

/* The series of one command; a later line of the same series replaces the earlier one. */
struct loaded {
    const struct labels *labels;
    struct memory_sample *samples;
    size_t n;
};

struct load {
    int64_t step_ms;
    const struct labels *start_labels; /* of a line with start timestamps that waits for its samples */
    struct start_values starts;
    struct loaded *series;
    size_t count, capacity;
};

static struct loaded *load_slot(struct test_file *t, struct load *load, const struct labels *labels)
{
    for (size_t i = 0; i < load->count; i++)
        if (load->series[i].labels == labels)
            return &load->series[i];
    load->series = grow(&t->arena, load->series, load->count, &load->capacity, sizeof *load->series);
    load->series[load->count] = (struct loaded){.labels = labels};
    return &load->series[load->count++];
}

static int load_series(struct test_file *t, struct load *load, struct err *err)
{
    struct series_description d;
    const struct start_values *starts = &load->starts;
    int rc = test_series(t, t->lines[t->at], t->at, &d, err);
    if (rc != 0)
        return rc;
    const struct labels *labels = labels_intern(&t->labels, d.labels, d.label_count);
    if (load->start_labels != NULL && load->start_labels != labels)
        return test_error(t, t->at, err, "@st metric does not match the following sample line metric");
    if (load->start_labels != NULL && starts->n != d.value_count)
        return test_error(t, t->at, err, "@st line has %zu values but sample line has %zu", starts->n,
                          d.value_count);
    struct loaded *slot = load_slot(t, load, labels);
    slot->samples = ARENA_ARRAY(&t->arena, struct memory_sample, d.value_count + 1);
    slot->n = 0;
    for (size_t i = 0; i < d.value_count; i++) {
        struct memory_sample *sample = &slot->samples[slot->n];
        if (d.values[i].omitted)
            continue;
        *sample = (struct memory_sample){
            .t = (int64_t)i * load->step_ms, .f = d.values[i].value, .h = d.values[i].histogram};
        if (load->start_labels != NULL && !starts->omitted[i])
            sample->start_t = sample->t + starts->offset_ms[i];
        slot->n++;
    }
    load->start_labels = NULL;
    return 0;
}

static int read_lines(struct test_file *t, struct load *load, struct err *err)
{
    int rc = 0;
    for (t->at++; rc == 0 && t->at < t->line_count && t->lines[t->at].n > 0; t->at++) {
        if (!is_start_line(t->lines[t->at])) {
            rc = load_series(t, load, err);
            continue;
        }
        if (load->start_labels != NULL)
            return test_error(t, t->at, err, "@st line has no following sample line");
        rc = read_starts(t, t->lines[t->at], &load->start_labels, &load->starts, err);
    }
    if (rc == 0 && load->start_labels != NULL)
        rc = test_error(t, t->at, err, "@st line has no following sample line");
    return rc;
}

int test_load(struct test_file *t, struct err *err)
{
    struct sv rest = t->lines[t->at], word = test_word(&rest);
    bool convert = sv_is(word, "load_with_nhcb");
    struct conversion *conversions = NULL;
    struct load load = {0};
    int64_t step_ns;
    struct err inner = {0};
    if ((!convert && !sv_is(word, "load")) || rest.n == 0)
        return test_error(t, t->at, err, "invalid load command. (load[_with_nhcb] <step:duration>)");
    if (prom_parse_duration(rest, &step_ns, &inner) != 0)
        return test_error(t, t->at, err, "invalid step definition \"%.*s\": %s", SV_FMT(rest), inner.text);
    load.step_ms = step_ns / 1000000;
    int rc = read_lines(t, &load, err);
    for (size_t i = 0; rc == 0 && i < load.count; i++) {
        const struct loaded *s = &load.series[i];
        if (convert)
            convert_series(t, &conversions, s->labels, s->samples, s->n);
        rc = append(t, s->labels, s->samples, s->n, err);
    }
    return rc == 0 ? store_converted(t, conversions, err) : rc;
}
