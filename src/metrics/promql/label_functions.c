/*
 * label_replace, label_join, and the functions that sort.
 */
#include "metrics/promql/eval_priv.h"

#include <math.h>
#include <stdlib.h>

static struct sv string_arg(const struct expr *e)
{
    while (e->kind == EXPR_PAREN || e->kind == EXPR_ONCE)
        e = e->left;
    return e->text;
}

static void set_label(struct query *q, struct column *c, struct sv name, struct sv value)
{
    c->labels = labels_set(q->labels, c->labels, name, value);
    if (sv_eq(name, METRIC_NAME))
        c->drop_name = false;
}

static struct buf room(struct query *q)
{
    enum { ROOM = 1 << 16 };
    return (struct buf){.p = arena_alloc(q->arena, ROOM), .capacity = ROOM, .max_bytes = ROOM};
}

static void label_replace(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    struct sv name = string_arg(e->args[1]), replacement = string_arg(e->args[2]),
              source = string_arg(e->args[3]);
    struct buf text = room(q);
    if (e->regex == NULL)
        query_fail(q, "invalid regular expression in label_replace(): %.*s", SV_FMT(string_arg(e->args[4])));
    if (!label_name_is_valid(name))
        query_fail(q, "invalid destination label name in label_replace(): %.*s", SV_FMT(name));
    eval(q, s, e->args[0], out);
    for (size_t i = 0; i < out->n; i++) {
        buf_clear(&text);
        if (re2_expand(e->regex, labels_get(out->items[i].labels, source), replacement, &text))
            set_label(q, &out->items[i], name, buf_view(&text));
    }
    vector_merge(q, s, out);
}

static void label_join(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    struct sv name = string_arg(e->args[1]), separator = string_arg(e->args[2]);
    struct buf text = room(q);
    for (size_t i = 3; i < e->arg_count; i++)
        if (!label_name_is_valid(string_arg(e->args[i])))
            query_fail(q, "invalid source label name in label_join(): %.*s", SV_FMT(string_arg(e->args[i])));
    if (!label_name_is_valid(name))
        query_fail(q, "invalid destination label name in label_join(): %.*s", SV_FMT(name));
    eval(q, s, e->args[0], out);
    for (size_t k = 0; k < out->n; k++) {
        buf_clear(&text);
        for (size_t i = 3; i < e->arg_count; i++) {
            if (i > 3)
                buf_sv(&text, separator);
            buf_sv(&text, labels_get(out->items[k].labels, string_arg(e->args[i])));
        }
        set_label(q, &out->items[k], name, buf_view(&text));
    }
    vector_merge(q, s, out);
}

void eval_label_function(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    if (e->function->id == FN_LABEL_REPLACE)
        label_replace(q, s, e, out);
    else
        label_join(q, s, e, out);
}

/* --- sorting --- */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The next run of digits or of other characters. */
static struct sv chunk(struct sv text)
{
    size_t n = 0;
    while (n < text.n && digit(text.p[n]) == digit(text.p[0]))
        n++;
    return sv_head(text, n);
}

static bool chunk_number(struct sv text, int64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < text.n; i++)
        if (!digit(text.p[i]) || __builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, (int64_t)(text.p[i] - '0'), ret))
            return false;
    return text.n > 0;
}

/* As people count: a2 before a10. */
static int natural_compare(struct sv a, struct sv b)
{
    while (a.n > 0 && b.n > 0) {
        struct sv x = chunk(a), y = chunk(b);
        int64_t m, n;
        bool numbers = chunk_number(x, &m) && chunk_number(y, &n);
        int c = numbers ? (m > n) - (m < n) : sv_cmp(x, y);
        if (c != 0)
            return c;
        a = sv_from(a, x.n);
        b = sv_from(b, y.n);
    }
    return (a.n > 0) - (b.n > 0);
}

struct sorting {
    const struct expr *e;
    bool by_label, descending;
};

static int compare_labels(const struct sorting *s, const struct column *a, const struct column *b)
{
    for (size_t i = 1; i < s->e->arg_count; i++) {
        struct sv name = string_arg(s->e->args[i]);
        struct sv x = labels_get(a->labels, name), y = labels_get(b->labels, name);
        int c = sv_eq(x, y) ? 0 : natural_compare(x, y);
        if (c != 0)
            return c;
    }
    return labels_compare(a->labels, b->labels);
}

static int compare_columns(const struct sorting *s, const struct column *a, const struct column *b)
{
    if (s->by_label) {
        int c = compare_labels(s, a, b);
        return s->descending ? -c : c;
    }
    double x = a->f[0], y = b->f[0];
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return s->descending ? (x < y) - (x > y) : (x > y) - (x < y);
}

/* Merge sort: stable, and with a context. */
static void sort_columns(const struct sorting *s, struct column *items, struct column *spare, size_t n)
{
    if (n < 2)
        return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    sort_columns(s, items, spare, half);
    sort_columns(s, items + half, spare, n - half);
    while (i < half || j < n) {
        bool left = j == n || (i < half && compare_columns(s, &items[i], &items[j]) <= 0);
        spare[k++] = items[left ? i++ : j++];
    }
    memcpy(items, spare, n * sizeof *items);
}

static void keep_floats(const struct steps *s, struct vector *v)
{
    for (size_t k = 0; k < v->n; k++)
        for (size_t i = 0; i < s->count; i++)
            if (v->items[k].kind[i] == SAMPLE_HISTOGRAM)
                v->items[k].kind[i] = SAMPLE_NONE;
}

void eval_sort(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    int id = e->function->id;
    struct sorting sorting = {.e = e,
                              .by_label = id == FN_SORT_BY_LABEL || id == FN_SORT_BY_LABEL_DESC,
                              .descending = id == FN_SORT_DESC || id == FN_SORT_BY_LABEL_DESC};
    eval(q, s, e->args[0], out);
    if (s->start != s->end)
        annotate_warning(q, e->start,
                         "sort is ineffective for range queries since results are always ordered by labels");
    if (!sorting.by_label)
        keep_floats(s, out);
    if (s->count != 1)
        return;
    size_t kept = 0;
    for (size_t k = 0; k < out->n; k++)
        if (out->items[k].kind[0] != SAMPLE_NONE)
            out->items[kept++] = out->items[k];
    out->n = kept;
    sort_columns(&sorting, out->items, ARENA_ARRAY(q->arena, struct column, out->n + 1), out->n);
}
