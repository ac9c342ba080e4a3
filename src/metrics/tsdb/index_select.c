/*
 * Selection by matchers; see index.h.
 *
 * The narrowest matcher that an absent label cannot satisfy gives the candidates; the others are asked of
 * each candidate's own labels, a regular expression once per distinct value.
 */
#include "metrics/tsdb/index.h"

#include <stdlib.h>

enum verdict { UNASKED, NO, YES };

struct question {
    const struct matcher *matcher;
    bool has_name, has_value;
    bool empty; /* what an absent label gives */
    uint32_t name, value;
    uint8_t *verdicts; /* of regular expressions, by value */
};

static bool needs_label(const struct matcher *m)
{
    return !matcher_matches(m, (struct sv){0});
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* All series that have one of the values that match. */
static struct posting_list union_of(const struct index_view *view, const struct question *q,
                                    struct arena *arena)
{
    uint32_t *values, *ids;
    size_t n = view->values(view->context, q->name, arena, &values), total = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        if (matcher_matches(q->matcher, view->text(view->context, values[i])))
            total += view->posting(view->context, q->name, values[i]).n;
        else
            values[i] = UINT32_MAX;
    }
    ids = arena_alloc_raw(arena, (total + 1) * sizeof *ids, 4);
    bool sorted = true;
    for (size_t i = 0; i < n; i++) {
        if (values[i] == UINT32_MAX)
            continue;
        struct posting_list list = view->posting(view->context, q->name, values[i]);
        sorted = sorted && (at == 0 || list.n == 0 || ids[at - 1] < list.ids[0]);
        memcpy(ids + at, list.ids, list.n * sizeof *ids);
        at += list.n;
    }
    if (!sorted)
        qsort(ids, at, sizeof *ids, by_id); /* a series has one value of a name: nothing is twice */
    return (struct posting_list){ids, at};
}

static bool answer(const struct index_view *view, struct question *q, const struct label_pair *pairs,
                   uint32_t count)
{
    const struct label_pair *pair = NULL;
    for (uint32_t i = 0; q->has_name && i < count && pair == NULL; i++)
        if (pairs[i].name == q->name)
            pair = &pairs[i];
    if (pair == NULL)
        return q->empty;
    if (q->matcher->type == MATCH_EQUAL)
        return q->has_value && pair->value == q->value;
    if (q->matcher->type == MATCH_NOT_EQUAL)
        return !q->has_value || pair->value != q->value;
    uint8_t *verdict = &q->verdicts[pair->value];
    if (*verdict == UNASKED)
        *verdict = matcher_matches(q->matcher, view->text(view->context, pair->value)) ? YES : NO;
    return *verdict == YES;
}

struct posting_list index_select(const struct index_view *view, const struct matcher *matchers, size_t count,
                                 struct arena *arena)
{
    struct question *questions = ARENA_ARRAY(arena, struct question, count + 1);
    struct question *narrow = NULL;
    struct posting_list base = {0};
    for (size_t i = 0; i < count; i++) {
        struct question *q = &questions[i];
        q->matcher = &matchers[i];
        q->empty = !needs_label(q->matcher);
        q->has_name = view->symbol(view->context, q->matcher->name, &q->name);
        bool regex = q->matcher->type == MATCH_REGEXP || q->matcher->type == MATCH_NOT_REGEXP;
        q->has_value = !regex && view->symbol(view->context, q->matcher->value, &q->value);
        if (!q->empty && (!q->has_name || (q->matcher->type == MATCH_EQUAL && !q->has_value)))
            return (struct posting_list){0};
        if (regex)
            q->verdicts = ARENA_ARRAY(arena, uint8_t, view->symbol_count + 1);
        if (q->empty || q->matcher->type != MATCH_EQUAL)
            continue;
        struct posting_list list = view->posting(view->context, q->name, q->value);
        if (narrow == NULL || list.n < base.n) {
            narrow = q;
            base = list;
        }
    }
    for (size_t i = 0; i < count && narrow == NULL; i++)
        if (!questions[i].empty)
            base = union_of(view, narrow = &questions[i], arena);
    if (narrow == NULL)
        base = view->all(view->context, arena);
    uint32_t *ids = arena_alloc_raw(arena, (base.n + 1) * sizeof *ids, 4);
    size_t n = 0;
    for (size_t i = 0; i < base.n; i++) {
        uint32_t pair_count;
        const struct label_pair *pairs = view->pairs(view->context, base.ids[i], &pair_count);
        bool good = pairs != NULL;
        for (size_t k = 0; good && k < count; k++)
            good = &questions[k] == narrow || answer(view, &questions[k], pairs, pair_count);
        if (good)
            ids[n++] = base.ids[i];
    }
    return (struct posting_list){ids, n};
}

/* Series that follow each other have most of their text in common. */
static struct sv keep_text(struct arena *arena, struct sv text, struct sv like)
{
    return sv_eq(text, like) ? like : arena_sv(arena, text);
}

const struct labels *index_labels(const struct index_view *view, const struct label_pair *pairs,
                                  uint32_t count, const struct labels *like, struct arena *arena)
{
    struct labels *labels = arena_alloc_raw(arena, sizeof *labels + count * sizeof(struct label), 8);
    labels->id = labels->name_at = 0;
    labels->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct label old = like != NULL && i < like->count ? like->items[i] : (struct label){0};
        labels->items[i] =
            (struct label){keep_text(arena, view->text(view->context, pairs[i].name), old.name),
                           keep_text(arena, view->text(view->context, pairs[i].value), old.value)};
        if (sv_eq(labels->items[i].name, METRIC_NAME))
            labels->name_at = i + 1;
    }
    labels->hash = labels_items_hash(labels->items, count);
    return labels;
}
