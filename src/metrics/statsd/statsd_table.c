/*
 * StatsD's series between flushes; see statsd_table.h.
 */
#include "metrics/statsd/statsd_table.h"

#include "base/map.h"
#include "metrics/personal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA = 3, KEY_BYTES_MAX = 64 << 10, LABELS_MAX = STATSD_TAGS_MAX + 1, MEMBER_BYTES = 64 };
#define ZERO_THRESHOLD 0x1p-128

struct side {
    int32_t *index; /* rising */
    double *count;
    size_t n;
};

struct series {
    struct arena arena; /* of the labels */
    struct label *labels;
    size_t label_count;
    enum statsd_type type;
    int64_t heard_ms;
    uint32_t heard;                   /* how often */
    bool leaves;                      /* with this flush, to make room */
    double value;                     /* counter, gauge */
    struct map *members;              /* set; NULL before the first */
    size_t label_bytes, member_bytes; /* their parts of the table's */
    struct side positive, negative;
    double zero, count, sum;
    int32_t schema;
};

struct statsd_table {
    struct statsd_table_options options;
    uint64_t forgotten, made_room;
    struct map by_key; /* name and sorted labels -> index + 1 */
    struct series **series;
    size_t n, capacity, free_from; /* no place before it is free */
    size_t bytes;
    struct buf key;
    struct arena scratch; /* of one line */
};

struct statsd_table *statsd_table_new(const struct statsd_table_options *options)
{
    struct statsd_table *t = tc_alloc(sizeof *t);
    t->options = *options;
    map_init(&t->by_key, STATSD_SERIES_MAX);
    buf_init(&t->key, KEY_BYTES_MAX);
    return t;
}

static void forget_members(struct statsd_table *t, struct series *s)
{
    if (s->members == NULL)
        return;
    t->bytes -= s->member_bytes;
    s->member_bytes = 0;
    map_free(s->members);
    free(s->members);
    s->members = NULL;
}

static void series_free(struct statsd_table *t, struct series *s)
{
    forget_members(t, s);
    t->bytes -= s->label_bytes;
    free(s->positive.index);
    free(s->positive.count);
    free(s->negative.index);
    free(s->negative.count);
    arena_free(&s->arena);
    free(s);
}

void statsd_table_free(struct statsd_table **table)
{
    struct statsd_table *t = *table;
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (t->series[i] != NULL)
            series_free(t, t->series[i]);
    free(t->series);
    map_free(&t->by_key);
    buf_free(&t->key);
    arena_free(&t->scratch);
    free(t);
    *table = NULL;
}

size_t statsd_table_series(const struct statsd_table *t)
{
    return t->by_key.live;
}

size_t statsd_table_bytes(const struct statsd_table *t)
{
    return t->bytes;
}

uint64_t statsd_table_forgotten(const struct statsd_table *t)
{
    return t->forgotten;
}

uint64_t statsd_table_made_room(const struct statsd_table *t)
{
    return t->made_room;
}

/* Labels stand in the series and in its key. */
static bool has_room(const struct statsd_table *t, struct sv key)
{
    return t->bytes + 2 * key.n <= STATSD_BYTES_MAX;
}

/* --- finding a series --- */

static int by_name(const void *a, const void *b)
{
    return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Labels with the name among them, sorted; of tags with one name the last counts. 0 where there are none. */
static size_t make_labels(struct statsd_table *t, const struct statsd_line *line, struct label *labels)
{
    size_t n = 0;
    labels[n++] = (struct label){METRIC_NAME, sample_name(&t->scratch, line->name)};
    for (size_t i = 0; i < line->tag_count; i++) {
        struct sv name = sample_label_name(&t->scratch, line->tags[i].name);
        size_t at = 0;
        if (name.n == 0 || sv_starts(name, SV("__")))
            return 0;
        while (at < n && !sv_eq(labels[at].name, name))
            at++;
        labels[at] = (struct label){name, line->tags[i].value};
        n = TC_MAX(n, at + 1);
    }
    qsort(labels, n, sizeof *labels, by_name);
    return n;
}

static struct sv key_of(struct statsd_table *t, const struct label *labels, size_t n)
{
    buf_clear(&t->key);
    for (size_t i = 0; i < n; i++) {
        buf_string(&t->key, labels[i].name);
        buf_string(&t->key, labels[i].value);
    }
    return t->key.overflow ? (struct sv){0} : buf_view(&t->key);
}

static struct series *new_series(struct statsd_table *t, const struct label *labels, size_t n,
                                 enum statsd_type type, uint64_t *slot)
{
    struct series *s = tc_alloc(sizeof *s);
    s->label_bytes = 2 * t->key.n;
    t->bytes += s->label_bytes;
    s->type = type;
    s->schema = SCHEMA;
    s->labels = ARENA_ARRAY(&s->arena, struct label, n);
    for (size_t i = 0; i < n; i++)
        s->labels[s->label_count++] =
            (struct label){arena_sv(&s->arena, labels[i].name), arena_sv(&s->arena, labels[i].value)};
    size_t at = t->free_from;
    while (at < t->n && t->series[at] != NULL)
        at++;
    t->free_from = at + 1;
    if (at == t->n && t->n == t->capacity) {
        t->capacity = TC_MAX(t->capacity * 2, (size_t)64);
        t->series = tc_realloc(t->series, t->capacity * sizeof(struct series *));
    }
    t->n = TC_MAX(t->n, at + 1);
    t->series[at] = s;
    *slot = at + 1;
    return s;
}

static enum statsd_outcome find(struct statsd_table *t, const struct statsd_line *line, struct series **ret)
{
    struct label labels[LABELS_MAX];
    bool is_new = false;
    arena_reset(&t->scratch);
    size_t n = make_labels(t, line, labels);
    struct sv key = n == 0 ? (struct sv){0} : key_of(t, labels, n);
    if (key.n == 0)
        return STATSD_BAD_NAME;
    const uint64_t *known = map_get(&t->by_key, key);
    if (known != NULL) {
        *ret = t->series[*known - 1];
        return (*ret)->type == line->type ? STATSD_TAKEN : STATSD_OTHER_TYPE;
    }
    if (labels_hold_personal(labels, n))
        return STATSD_PERSONAL;
    uint64_t *slot = has_room(t, key) ? map_put(&t->by_key, key, &is_new) : NULL;
    if (slot == NULL)
        return STATSD_NO_ROOM;
    *ret = new_series(t, labels, n, line->type, slot);
    return STATSD_TAKEN;
}

/* --- values --- */

static void insert(struct side *side, int32_t index, double weight)
{
    size_t low = 0, high = side->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (side->index[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < side->n && side->index[low] == index) {
        side->count[low] += weight;
        return;
    }
    side->index = tc_realloc(side->index, (side->n + 1) * sizeof *side->index);
    side->count = tc_realloc(side->count, (side->n + 1) * sizeof *side->count);
    memmove(side->index + low + 1, side->index + low, (side->n - low) * sizeof *side->index);
    memmove(side->count + low + 1, side->count + low, (side->n - low) * sizeof *side->count);
    side->index[low] = index;
    side->count[low] = weight;
    side->n++;
}

/* Pairs of buckets become one: bucket i of a schema lies in bucket ceil(i / 2) of the next coarser one. */
static void halve(struct side *side)
{
    size_t kept = 0;
    for (size_t i = 0; i < side->n; i++) {
        int32_t index = (side->index[i] + 1) >> 1;
        if (kept > 0 && side->index[kept - 1] == index) {
            side->count[kept - 1] += side->count[i];
            continue;
        }
        side->index[kept] = index;
        side->count[kept++] = side->count[i];
    }
    side->n = kept;
}

/* The bucket whose upper bound, 2^(index / 2^schema), is the first that is not below the value. */
static int32_t bucket_of(double value, int32_t schema)
{
    double scale = ldexp(1, schema);
    int32_t index = (int32_t)ceil(log2(value) * scale);
    /* rounding may have gone past a bound */
    if (exp2((index - 1) / scale) >= value)
        index--;
    return index;
}

static void observe(struct series *s, double value, double weight)
{
    s->count += weight;
    s->sum += value * weight;
    if (fabs(value) <= ZERO_THRESHOLD) {
        s->zero += weight;
        return;
    }
    insert(value > 0 ? &s->positive : &s->negative, bucket_of(fabs(value), s->schema), weight);
    while (s->positive.n + s->negative.n > STATSD_BUCKETS_MAX && s->schema > HISTOGRAM_SCHEMA_MIN) {
        halve(&s->positive);
        halve(&s->negative);
        s->schema--;
    }
}

static enum statsd_outcome add_member(struct statsd_table *t, struct series *s, struct sv value)
{
    size_t bytes = value.n + MEMBER_BYTES;
    if (s->members == NULL) {
        s->members = tc_alloc(sizeof *s->members);
        map_init(s->members, STATSD_MEMBERS_MAX);
    }
    if (map_get(s->members, value) != NULL)
        return STATSD_TAKEN;
    if (t->bytes + bytes > STATSD_BYTES_MAX || map_put(s->members, value, NULL) == NULL)
        return STATSD_NO_ROOM;
    s->member_bytes += bytes;
    t->bytes += bytes;
    return STATSD_TAKEN;
}

static bool values_are_good(const struct statsd_line *line)
{
    struct sv rest = line->values;
    double value;
    bool is_signed;
    if (line->type == STATSD_SET)
        return true;
    while (rest.n > 0)
        if (!statsd_next_number(&rest, &value, &is_signed))
            return false;
    return line->values.p[line->values.n - 1] != ':';
}

enum statsd_outcome statsd_table_add(struct statsd_table *t, const struct statsd_line *line, int64_t now_ms)
{
    struct series *s = NULL;
    if (!values_are_good(line))
        return STATSD_BAD_VALUE;
    enum statsd_outcome outcome = find(t, line, &s);
    if (outcome != STATSD_TAKEN)
        return outcome;
    s->heard_ms = now_ms;
    s->heard += s->heard < UINT32_MAX;
    for (struct sv rest = line->values; rest.n > 0 && outcome == STATSD_TAKEN;) {
        double value = 0;
        bool is_signed = false;
        if (s->type == STATSD_SET) {
            outcome = add_member(t, s, sv_cut(&rest, ':'));
            continue;
        }
        (void)statsd_next_number(&rest, &value, &is_signed);
        if (s->type == STATSD_COUNTER)
            s->value += value / line->rate;
        else if (s->type == STATSD_GAUGE)
            s->value = is_signed && t->options.signed_gauges ? s->value + value : value;
        else
            observe(s, value, 1 / line->rate);
    }
    return outcome;
}

static void restore_side(struct side *side, const struct histogram_side *from)
{
    for (size_t i = 0; i < from->n; i++)
        insert(side, from->index[i], from->count[i]);
}

void statsd_table_restore(struct statsd_table *t, enum statsd_type type, const struct label *labels,
                          size_t count, double value, const struct histogram *histogram, int64_t now_ms)
{
    struct sv key = key_of(t, labels, count);
    bool is_new = false;
    uint64_t *slot = key.n == 0 || !has_room(t, key) ? NULL : map_put(&t->by_key, key, &is_new);
    if (slot == NULL || !is_new || (type == STATSD_HISTOGRAM) != (histogram != NULL))
        return;
    struct series *s = new_series(t, labels, count, type, slot);
    s->heard_ms = now_ms;
    s->heard = 2; /* once and again: how often is not known any more */
    s->value = value;
    if (histogram == NULL)
        return;
    s->schema = histogram->schema;
    s->zero = histogram->zero_count;
    s->count = histogram->count;
    s->sum = histogram->sum;
    restore_side(&s->positive, &histogram->positive);
    restore_side(&s->negative, &histogram->negative);
}

/* --- flush --- */

static struct histogram_side side_of(const struct side *side, struct arena *arena)
{
    struct histogram_side copy = {ARENA_ARRAY(arena, int32_t, side->n + 1),
                                  ARENA_ARRAY(arena, double, side->n + 1), side->n};
    if (side->n > 0) {
        memcpy(copy.index, side->index, side->n * sizeof *copy.index);
        memcpy(copy.count, side->count, side->n * sizeof *copy.count);
    }
    return copy;
}

static const struct histogram *histogram_of(const struct series *s, bool stale, struct arena *arena)
{
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    *h = (struct histogram){.schema = s->schema,
                            .zero_threshold = ZERO_THRESHOLD,
                            .zero_count = s->zero,
                            .count = s->count,
                            .sum = stale ? stale_nan() : s->sum,
                            .positive = side_of(&s->positive, arena),
                            .negative = side_of(&s->negative, arena)};
    return h;
}

static void forget(struct statsd_table *t, size_t at)
{
    const struct series *s = t->series[at];
    (void)map_remove(&t->by_key, key_of(t, s->labels, s->label_count));
    series_free(t, t->series[at]);
    t->series[at] = NULL;
    t->free_from = TC_MIN(t->free_from, at);
}

static bool may_go(const struct statsd_table *t, const struct series *s)
{
    return !t->options.keeps_bare || s->label_count > 1;
}

static int by_worth(const void *a, const void *b)
{
    const struct series *x = *(struct series *const *)a, *y = *(struct series *const *)b;
    if (x->heard != y->heard)
        return x->heard < y->heard ? -1 : 1;
    return (x->heard_ms > y->heard_ms) - (x->heard_ms < y->heard_ms);
}

/* Marks those that leave with this flush. */
static void make_room(struct statsd_table *t, int64_t now_ms)
{
    size_t n = 0, left = t->by_key.live, bytes = t->bytes;
    if (left < STATSD_CROWDED && bytes < STATSD_BYTES_MAX / 10 * 9)
        return;
    struct series **silent = tc_alloc(t->n * sizeof *silent);
    for (size_t i = 0; i < t->n; i++)
        if (t->series[i] != NULL && may_go(t, t->series[i]) &&
            now_ms - t->series[i]->heard_ms > STATSD_IDLE_MS)
            silent[n++] = t->series[i];
    qsort(silent, n, sizeof *silent, by_worth);
    for (size_t i = 0; i < n && (left > STATSD_ROOMY || bytes > STATSD_BYTES_MAX / 10 * 8); i++) {
        silent[i]->leaves = true;
        bytes -= silent[i]->label_bytes + silent[i]->member_bytes;
        left--;
    }
    free(silent);
}

void statsd_table_flush(struct statsd_table *t, int64_t now_ms, struct sample_list *list)
{
    make_room(t, now_ms);
    for (size_t i = 0; i < t->n; i++) {
        struct series *s = t->series[i];
        if (s == NULL)
            continue;
        bool idle = s->leaves || (may_go(t, s) && now_ms - s->heard_ms > t->options.idle_ms);
        struct sample sample = {.t_ms = now_ms, .value = idle ? stale_nan() : s->value};
        struct label *labels = ARENA_ARRAY(&list->arena, struct label, s->label_count);
        for (size_t k = 0; k < s->label_count; k++)
            labels[k] = (struct label){s->labels[k].name, idle ? arena_sv(&list->arena, s->labels[k].value)
                                                               : s->labels[k].value};
        for (size_t k = 0; k < s->label_count && idle; k++)
            labels[k].name = arena_sv(&list->arena, labels[k].name);
        if (s->type == STATSD_HISTOGRAM)
            sample.histogram = histogram_of(s, idle, &list->arena);
        if (s->type == STATSD_SET && !idle)
            sample.value = s->members == NULL ? 0 : (double)s->members->live;
        forget_members(t, s);
        sample.labels = labels;
        sample.label_count = s->label_count;
        sample_list_next_point(list);
        sample_list_add_sample(list, &sample);
        t->forgotten += idle;
        t->made_room += s->leaves;
        if (idle)
            forget(t, i);
    }
}
