/*
 * Lists of samples; see samples.h.
 */
#include "metrics/intake/samples.h"

#include "base/utf8.h"
#include "metrics/grow.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FUTURE_MS = 10 * 60 * 1000 };

void sample_list_free(struct sample_list *list)
{
    arena_free(&list->arena);
    *list = (struct sample_list){0};
}

void sample_list_reset(struct sample_list *list)
{
    struct arena arena = list->arena;
    arena_reset(&arena);
    *list = (struct sample_list){.arena = arena};
}

void sample_list_refuse(struct sample_list *list, const char *format, ...)
{
    va_list args;
    list->refused++;
    list->refused_points++;
    if (list->first[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(list->first, sizeof list->first, format, args);
    va_end(args);
}

void sample_list_add_sample(struct sample_list *list, const struct sample *sample)
{
    if (list->n >= SAMPLES_MAX) {
        sample_list_refuse(list, "more than %d samples at once", SAMPLES_MAX);
        return;
    }
    if (list->labels + sample->label_count > SAMPLES_LABELS_MAX) {
        sample_list_refuse(list, "samples with more than %d labels in all at once", SAMPLES_LABELS_MAX);
        return;
    }
    list->labels += sample->label_count;
    struct label *labels = ARENA_ARRAY(&list->arena, struct label, sample->label_count + 1);
    memcpy(labels, sample->labels, sample->label_count * sizeof *labels);
    list->items = grow(&list->arena, list->items, list->n, &list->capacity, sizeof *list->items);
    list->items[list->n] = *sample;
    list->items[list->n].labels = labels;
    list->items[list->n++].point = list->points;
}

void sample_list_add(struct sample_list *list, const struct label *labels, size_t count, int64_t t_ms,
                     double value)
{
    sample_list_add_sample(
        list, &(struct sample){.labels = labels, .label_count = count, .t_ms = t_ms, .value = value});
}

/* --- into the store --- */

struct appending {
    struct sample_list *list;
    const struct sample_target *target;
    struct tsdb_appender appender;
    uint32_t refused_point; /* the newest that was refused */
    bool any_refused;
};

static struct sv name_of(const struct sample *sample)
{
    for (size_t i = 0; i < sample->label_count; i++)
        if (sv_eq(sample->labels[i].name, METRIC_NAME))
            return sample->labels[i].value;
    return (struct sv){0};
}

static void refuse(struct appending *a, const struct sample *sample, const char *why)
{
    struct sample_list *list = a->list;
    bool same_point = a->any_refused && a->refused_point == sample->point;
    list->refused++;
    list->refused_points += !same_point;
    a->any_refused = true;
    a->refused_point = sample->point;
    if (list->first[0] == '\0')
        snprintf(list->first, sizeof list->first, "%s (metric %.*s)", why,
                 SV_FMT(sv_head(name_of(sample), 100)));
}

static bool texts_are_good(const struct sample *sample)
{
    for (size_t i = 0; i < sample->label_count; i++)
        if (utf8_valid(sample->labels[i].value) != sample->labels[i].value.n)
            return false;
    return name_of(sample).n > 0;
}

static void append_one(struct appending *a, const struct sample *sample)
{
    struct label labels[TSDB_LABELS_MAX + 1];
    uint32_t series;
    enum delta_outcome added = DELTA_OK;
    struct histogram *sum = NULL;
    /* one from the future is refused below: its time must not stand in the way of those that come */
    bool adds = sample->delta && sample->t_ms <= a->appender.max_t;
    double value = sample->value;
    int64_t t_ms = sample->t_ms;
    if (sample->label_count > TSDB_LABELS_MAX || !texts_are_good(sample)) {
        refuse(a, sample, tsdb_outcome_text(TSDB_BAD_LABELS));
        return;
    }
    size_t count = 0;
    for (size_t i = 0; i < sample->label_count; i++)
        if (sample->labels[i].value.n > 0)
            labels[count++] = sample->labels[i];
    enum tsdb_outcome outcome = tsdb_series(&a->appender, labels, count, &series);
    if (outcome == TSDB_OK && adds && sample->histogram != NULL)
        added = delta_add_histogram(a->target->deltas, labels, count, sample->t_ms, sample->histogram,
                                    &a->list->arena, &sum);
    else if (outcome == TSDB_OK && adds)
        added = delta_add(a->target->deltas, labels, count, sample->any_order, &t_ms, sample->value, &value);
    if (added != DELTA_OK) {
        refuse(a, sample, delta_outcome_text(added));
        return;
    }
    if (outcome == TSDB_OK)
        outcome = sample->histogram != NULL
                      ? tsdb_histogram(&a->appender, series, sample->t_ms,
                                       sum != NULL ? sum : sample->histogram, sample->start_ms)
                      : tsdb_float(&a->appender, series, t_ms, value, sample->start_ms);
    if (outcome == TSDB_OK)
        a->list->taken++;
    else
        refuse(a, sample, tsdb_outcome_text(outcome));
}

int sample_list_append(struct sample_list *list, const struct sample_target *target, wal_done_fn done,
                       void *context, struct err *err)
{
    struct appending a = {.list = list, .target = target};
    int rc = tsdb_begin(target->tsdb, target->source, target->now_ms + FUTURE_MS, &a.appender, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < list->n; i++)
        append_one(&a, &list->items[i]);
    tsdb_commit(&a.appender, done, context);
    return 0;
}

/* --- names --- */

static bool fits(char c, bool first, bool colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
           (!first && c >= '0' && c <= '9');
}

static struct sv make_name(struct arena *arena, struct sv name, bool colon)
{
    bool good = name.n > 0;
    for (size_t i = 0; i < name.n && good; i++)
        good = fits(name.p[i], i == 0, colon);
    if (good || name.n == 0)
        return name;
    bool digit = name.p[0] >= '0' && name.p[0] <= '9';
    char *out = arena_alloc(arena, name.n + 2);
    size_t n = 0;
    if (digit)
        out[n++] = '_';
    for (size_t i = 0; i < name.n; i++)
        out[n++] = fits(name.p[i], false, colon) ? name.p[i] : '_';
    return sv_make(out, n);
}

struct sv sample_name(struct arena *arena, struct sv name)
{
    return make_name(arena, name, true);
}

struct sv sample_label_name(struct arena *arena, struct sv name)
{
    return make_name(arena, name, false);
}
