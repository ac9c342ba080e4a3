/*
 * Series descriptions of the test language: labels, then values with repetitions, histograms among them.
 */
#include "metrics/promql/parser_priv.h"

#include "base/num.h"
#include "metrics/grow.h"

#include <math.h>

struct values {
    struct series_value *items;
    size_t n, capacity;
};

static void push(struct parser *p, struct values *v, struct series_value value)
{
    v->items = grow(p->arena, v->items, v->n, &v->capacity, sizeof *v->items);
    v->items[v->n++] = value;
}

/* --- labels --- */

static void label_item(struct parser *p, struct label *ret)
{
    struct token value;
    struct parse_context old = parser_enter(p, "label set", "identifier or \"}\"");
    if (!parser_at(p, TOKEN_IDENTIFIER) && !parser_at(p, TOKEN_STRING)) {
        parser_unexpected(p);
        return;
    }
    struct token name = parser_take(p);
    bool quoted = name.kind == TOKEN_STRING;
    ret->name = quoted ? parser_unquote(p, name.text) : name.text;
    if (!parser_at(p, TOKEN_EQL)) {
        if (!quoted) {
            p->context.expected = "\"=\"";
            parser_unexpected(p);
        }
        *ret = (struct label){METRIC_NAME, ret->name};
        p->context = old;
        return;
    }
    parser_take(p);
    p->context.expected = "string";
    if (parser_expect(p, TOKEN_STRING, &value))
        ret->value = parser_unquote(p, value.text);
    p->context = old;
}

static void label_set(struct parser *p, struct series_description *d)
{
    size_t capacity = 0;
    struct parse_context old = p->context;
    if (parser_is_metric_identifier(parser_peek(p)->kind)) {
        d->labels = ARENA_ARRAY(p->arena, struct label, capacity = 8);
        d->labels[d->label_count++] = (struct label){METRIC_NAME, parser_take(p).text};
    }
    if (!parser_at(p, TOKEN_LEFT_BRACE))
        return;
    parser_take(p);
    parser_enter(p, "label set", "identifier or \"}\"");
    while (!p->failed && !parser_at(p, TOKEN_RIGHT_BRACE)) {
        d->labels = grow(p->arena, d->labels, d->label_count, &capacity, sizeof *d->labels);
        label_item(p, &d->labels[d->label_count++]);
        p->context.expected = "\",\" or \"}\"";
        if (!parser_at(p, TOKEN_COMMA))
            break;
        parser_take(p);
    }
    parser_expect(p, TOKEN_RIGHT_BRACE, NULL);
    p->context = old;
}

/* --- numbers --- */

static bool at_number(struct parser *p)
{
    return parser_at(p, TOKEN_NUMBER) || parser_at(p, TOKEN_DURATION);
}

static bool at_sign(struct parser *p)
{
    return parser_at(p, TOKEN_ADD) || parser_at(p, TOKEN_SUB);
}

static double number(struct parser *p)
{
    double sign = 1;
    if (at_sign(p))
        sign = parser_take(p).kind == TOKEN_SUB ? -1 : 1;
    if (!at_number(p)) {
        parser_unexpected(p);
        return 0;
    }
    struct token t = parser_take(p);
    return sign * parser_number(p, &t);
}

/* The count after `x`. */
static size_t repetitions(struct parser *p)
{
    struct token t;
    uint64_t n = 0;
    if (!parser_expect(p, TOKEN_TIMES, NULL) || !parser_expect(p, TOKEN_NUMBER, &t))
        return 0;
    if (!num_u64(t.text, 0, UINT64_MAX, &n))
        parser_fail(p, t.at, token_end(&t),
                    "invalid repetition in series values: strconv.ParseUint: parsing %.*s: invalid syntax",
                    SV_FMT(parser_quoted(p, t.text)));
    else if (n > PROMQL_REPEAT_MAX)
        parser_fail(p, t.at, token_end(&t), "a value is repeated more than %d times", PROMQL_REPEAT_MAX);
    return (size_t)n;
}

static int32_t integer(struct parser *p)
{
    double v = number(p);
    if (v != trunc(v) || fabs(v) > INT32_MAX) {
        parser_unexpected(p);
        return 0;
    }
    return (int32_t)v;
}

/* --- histograms --- */

struct draft {
    struct histogram *h;
    bool hint_set;
    double *positive, *negative; /* counts */
    size_t positive_n, negative_n;
    int32_t positive_offset, negative_offset;
    uint32_t seen; /* bit per field */
};

static double *bucket_set(struct parser *p, size_t *ret_n)
{
    struct values all = {0};
    if (!parser_expect(p, TOKEN_LEFT_BRACKET, NULL))
        return NULL;
    for (;;) {
        push(p, &all, (struct series_value){.value = number(p)});
        bool space = parser_at(p, TOKEN_SPACE);
        if (space)
            parser_take(p);
        if (p->failed || parser_at(p, TOKEN_RIGHT_BRACKET) || !space)
            break;
    }
    parser_expect(p, TOKEN_RIGHT_BRACKET, NULL);
    double *made = ARENA_ARRAY(p->arena, double, all.n + 1);
    for (size_t i = 0; i < all.n; i++)
        made[i] = all.items[i].value;
    *ret_n = all.n;
    return made;
}

static void counter_reset_hint(struct parser *p, struct draft *d)
{
    static const char *const names[] = {"unknown", "reset", "not_reset", "gauge"};
    struct token t;
    if (!parser_expect(p, TOKEN_HIST_HINT, &t))
        return;
    for (int i = 0; i < 4; i++)
        if (sv_eq_nocase(t.text, sv_of(names[i])))
            d->h->hint = (enum counter_reset_hint)i;
    d->hint_set = true;
}

static void field(struct parser *p, struct draft *d)
{
    static const char *const names[] = {
        "schema",   "sum",     "count",     "z_bucket",      "z_bucket_w",        "offset",
        "n_offset", "buckets", "n_buckets", "custom_values", "counter_reset_hint"};
    struct token t;
    size_t which = 0, n;
    if (!parser_expect(p, TOKEN_HIST_FIELD, &t) || !parser_expect(p, TOKEN_COLON, NULL))
        return;
    while (!sv_eq_nocase(t.text, sv_of(names[which])))
        which++;
    if ((d->seen & 1U << which) != 0)
        parser_fail(p, 0, 0, "duplicate key \"%s\" in histogram", names[which]);
    d->seen |= 1U << which;
    double *const scalars[] = {NULL, &d->h->sum, &d->h->count, &d->h->zero_count, &d->h->zero_threshold};
    switch (which) {
    case 0:
        d->h->schema = integer(p);
        break;
    case 5:
        d->positive_offset = integer(p);
        break;
    case 6:
        d->negative_offset = integer(p);
        break;
    case 7:
        d->positive = bucket_set(p, &d->positive_n);
        break;
    case 8:
        d->negative = bucket_set(p, &d->negative_n);
        break;
    case 9:
        d->h->bounds = bucket_set(p, &n);
        d->h->bound_count = d->h->bounds != NULL ? n : 0;
        break;
    case 10:
        counter_reset_hint(p, d);
        break;
    default:
        *scalars[which] = number(p);
    }
}

static struct histogram_side side(struct parser *p, const double *counts, size_t n, int32_t offset)
{
    struct histogram_side made = {.n = n};
    made.index = ARENA_ARRAY(p->arena, int32_t, n + 1);
    made.count = ARENA_ARRAY(p->arena, double, n + 1);
    for (size_t i = 0; i < n; i++) {
        made.index[i] = offset + (int32_t)i;
        made.count[i] = counts[i];
    }
    return made;
}

/* After `{{`. */
static struct histogram *histogram(struct parser *p, bool *ret_hint_set)
{
    struct draft d = {.h = ARENA_NEW(p->arena, struct histogram)};
    struct parse_context old =
        parser_enter(p, "histogram description", "histogram description key, e.g. buckets:[5 10 7]");
    parser_take(p);
    if (parser_at(p, TOKEN_SPACE))
        parser_take(p);
    while (!p->failed && !parser_at(p, TOKEN_CLOSE_HIST)) {
        field(p, &d);
        if (parser_at(p, TOKEN_SPACE))
            parser_take(p);
        else
            break;
    }
    parser_expect(p, TOKEN_CLOSE_HIST, NULL);
    p->context = old;
    if (!p->failed && d.h->schema != HISTOGRAM_CUSTOM_SCHEMA &&
        (d.h->schema < HISTOGRAM_SCHEMA_MIN || d.h->schema > HISTOGRAM_SCHEMA_MAX))
        parser_fail(p, p->newest.at, token_end(&p->newest), "histogram has an invalid schema %d",
                    d.h->schema);
    d.h->positive = side(p, d.positive, d.positive_n, d.positive_offset);
    d.h->negative = side(p, d.negative, d.negative_n, d.negative_offset);
    *ret_hint_set = d.hint_set;
    return d.h;
}

static void histogram_item(struct parser *p, struct values *out)
{
    struct series_value v = {0};
    struct histogram_note note = {0};
    v.histogram = histogram(p, &v.hint_set);
    push(p, out, v);
    if (parser_at(p, TOKEN_TIMES)) {
        for (size_t n = repetitions(p); n > 0 && !p->failed; n--)
            push(p, out, v);
        return;
    }
    if (!at_sign(p))
        return;
    double sign = parser_take(p).kind == TOKEN_SUB ? -1 : 1;
    if (!parser_at(p, TOKEN_OPEN_HIST)) {
        parser_unexpected(p);
        return;
    }
    struct histogram *step = histogram(p, &v.hint_set);
    for (size_t n = repetitions(p); n > 0 && !p->failed; n--) {
        if (v.histogram->schema > step->schema) {
            parser_fail(p, p->newest.at, token_end(&p->newest),
                        "error combining histograms: cannot merge from schema %d to %d", step->schema,
                        v.histogram->schema);
            return;
        }
        v.histogram = histogram_copy(p->arena, v.histogram);
        if (!histogram_add(p->arena, v.histogram, step, sign, &note))
            parser_fail(
                p, p->newest.at, token_end(&p->newest),
                "cannot apply this operation on histograms with a mix of exponential and custom bucket "
                "schemas");
        push(p, out, v);
    }
}

/* --- values --- */

static void number_item(struct parser *p, struct values *out)
{
    struct series_value v = {0};
    if (parser_at(p, TOKEN_IDENTIFIER)) {
        if (!sv_is(parser_peek(p)->text, "stale")) {
            p->context = (struct parse_context){"series values", "number or \"stale\""};
            parser_unexpected(p);
            return;
        }
        parser_take(p);
        v.value = stale_nan();
    } else {
        v.value = number(p);
    }
    double step = 0;
    bool series = at_sign(p);
    if (series)
        step = number(p);
    push(p, out, v);
    if (!series && !parser_at(p, TOKEN_TIMES))
        return;
    for (size_t n = repetitions(p); n > 0 && !p->failed; n--) {
        if (series)
            v.value += step;
        push(p, out, v);
    }
}

static void item(struct parser *p, struct values *out)
{
    if (parser_at(p, TOKEN_BLANK)) {
        parser_take(p);
        size_t n = parser_at(p, TOKEN_TIMES) ? repetitions(p) : 1;
        for (; n > 0 && !p->failed; n--)
            push(p, out, (struct series_value){.omitted = true});
    } else if (parser_at(p, TOKEN_OPEN_HIST)) {
        histogram_item(p, out);
    } else {
        number_item(p, out);
    }
}

void parser_series(struct parser *p, struct series_description *d)
{
    struct values out = {0};
    label_set(p, d);
    p->context = (struct parse_context){"series values", ""};
    while (!p->failed && parser_at(p, TOKEN_SPACE)) {
        parser_take(p);
        if (parser_at(p, TOKEN_SPACE) || parser_at(p, TOKEN_EOF))
            continue;
        item(p, &out);
    }
    if (!p->failed && !parser_at(p, TOKEN_EOF))
        parser_unexpected(p);
    d->values = out.items;
    d->value_count = out.n;
}
