/*
 * Binary operators: scalars, a vector and a scalar, two vectors with matching, and set operators.
 *
 * Which series belong together depends only on labels, so signatures and result labels are worked out once
 * for the whole range; a step only looks at which of them have a sample.
 */
#include "metrics/promql/eval_priv.h"

#include <math.h>

/* --- one pair of samples --- */

enum trouble_kind { TROUBLE_NONE, TROUBLE_TYPES, TROUBLE_LAYOUT, TROUBLE_COLLISION, TROUBLE_RECONCILED };

/* What went wrong with a pair; a step reports the last one. */
struct trouble {
    enum trouble_kind kind;
    const char *left, *right;
    const char *operation;
};

static double arithmetic(enum token_kind op, double a, double b)
{
    switch (op) {
    case TOKEN_ADD:
        return a + b;
    case TOKEN_SUB:
        return a - b;
    case TOKEN_MUL:
        return a * b;
    case TOKEN_DIV:
        return a / b;
    case TOKEN_POW:
        return pow(a, b);
    case TOKEN_MOD:
        return fmod(a, b);
    default:
        return atan2(a, b);
    }
}

static bool compare(enum token_kind op, double a, double b)
{
    switch (op) {
    case TOKEN_EQLC:
        return a == b;
    case TOKEN_NEQ:
        return a != b;
    case TOKEN_GTR:
        return a > b;
    case TOKEN_LSS:
        return a < b;
    case TOKEN_GTE:
        return a >= b;
    default:
        return a <= b;
    }
}

static bool is_trim(enum token_kind op)
{
    return op == TOKEN_TRIM_UPPER || op == TOKEN_TRIM_LOWER;
}

static bool wrong_types(struct trouble *trouble, const char *left, const char *right)
{
    *trouble = (struct trouble){.kind = TROUBLE_TYPES, .left = left, .right = right};
    return false;
}

static bool combine_histograms(struct query *q, enum token_kind op, struct sample a, struct sample b,
                               struct sample *out, struct trouble *trouble)
{
    struct histogram_note note = {0};
    if (op == TOKEN_EQLC || op == TOKEN_NEQ) {
        *out = a;
        return histogram_equal(a.h, b.h) == (op == TOKEN_EQLC);
    }
    if (op != TOKEN_ADD && op != TOKEN_SUB)
        return wrong_types(trouble, "histogram", "histogram");
    const char *operation = op == TOKEN_ADD ? "addition" : "subtraction";
    struct histogram *h = histogram_copy(q->arena, a.h);
    if (!histogram_add(q->arena, h, b.h, op == TOKEN_ADD ? 1 : -1, &note)) {
        *trouble = (struct trouble){.kind = TROUBLE_LAYOUT};
        return false;
    }
    if (op == TOKEN_SUB)
        h->hint = HINT_GAUGE;
    if (note.bounds_reconciled)
        *trouble = (struct trouble){.kind = TROUBLE_RECONCILED, .operation = operation};
    if (note.reset_collision)
        *trouble = (struct trouble){.kind = TROUBLE_COLLISION, .operation = operation};
    *out = (struct sample){0, histogram_compact(h)};
    return true;
}

/* Returns whether the pair has a result (for a comparison: whether it holds). */
static bool combine(struct query *q, enum token_kind op, struct sample a, struct sample b, struct sample *out,
                    struct trouble *trouble)
{
    if (a.h != NULL && b.h != NULL)
        return combine_histograms(q, op, a, b, out, trouble);
    if (a.h == NULL && b.h == NULL) {
        if (is_trim(op))
            return wrong_types(trouble, "float", "float");
        bool comparison = token_is_comparison(op);
        *out = (struct sample){comparison ? a.f : arithmetic(op, a.f, b.f), NULL};
        return !comparison || compare(op, a.f, b.f);
    }
    struct histogram *h = histogram_copy(q->arena, a.h != NULL ? a.h : b.h);
    *out = (struct sample){0, h};
    if (op == TOKEN_MUL)
        histogram_multiply(h, a.h != NULL ? b.f : a.f);
    else if (op == TOKEN_DIV && a.h != NULL)
        histogram_divide(h, b.f);
    else if (is_trim(op) && a.h != NULL)
        histogram_trim(h, b.f, op == TOKEN_TRIM_UPPER);
    else
        return wrong_types(trouble, a.h != NULL ? "histogram" : "float", b.h != NULL ? "histogram" : "float");
    if (!is_trim(op))
        histogram_compact(h);
    return true;
}

static void report(struct query *q, const struct expr *e, const struct trouble *trouble)
{
    const char *op = token_text(e->op);
    switch (trouble->kind) {
    case TROUBLE_TYPES:
        annotate_info(q, e->start,
                      "incompatible sample types encountered for binary operator \"%s\": %s %s %s", op,
                      trouble->left, op, trouble->right);
        break;
    case TROUBLE_LAYOUT:
        annotate_warning(q, e->start, "incompatible bucket layout encountered for binary operator %s", op);
        break;
    case TROUBLE_COLLISION:
        warn_collision(q, e->start, trouble->operation);
        break;
    case TROUBLE_RECONCILED:
        info_reconciled(q, e->start, trouble->operation);
        break;
    default:
        break;
    }
}

static bool drops_name(enum token_kind op)
{
    return op == TOKEN_ADD || op == TOKEN_SUB || op == TOKEN_MUL || op == TOKEN_DIV || op == TOKEN_POW ||
           op == TOKEN_MOD || op == TOKEN_ATAN2;
}

/* --- scalars --- */

static void scalar_scalar(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    const double *a = eval_scalar(q, s, e->left), *b = eval_scalar(q, s, e->right);
    struct column *c = vector_add(q, out);
    column_init(q, s, c, labels_empty(q->labels));
    for (size_t i = 0; i < s->count; i++) {
        double v =
            token_is_comparison(e->op) ? (compare(e->op, a[i], b[i]) ? 1 : 0) : arithmetic(e->op, a[i], b[i]);
        column_put(q, s, c, i, (struct sample){v, NULL});
    }
}

struct with_scalar {
    struct query *q;
    const struct steps *s;
    const struct expr *e;
    const double *scalar;
    bool swapped;         /* the scalar is on the left */
    struct trouble *last; /* per step, the last one; NULL while there is none */
    struct name_removal removal;
    struct collector to;
};

static void column_with_scalar(void *context, struct column *c)
{
    struct with_scalar *w = context;
    enum token_kind op = w->e->op;
    bool any = false;
    for (size_t i = 0; i < w->s->count; i++) {
        struct sample v = column_get(c, i), scalar = {w->scalar[i], NULL}, out = {0, NULL};
        struct trouble trouble = {0};
        if (c->kind[i] == SAMPLE_NONE)
            continue;
        bool keep = combine(w->q, op, w->swapped ? scalar : v, w->swapped ? v : scalar, &out, &trouble);
        c->kind[i] = SAMPLE_NONE;
        if (trouble.kind == TROUBLE_TYPES) {
            if (w->last == NULL)
                w->last = ARENA_ARRAY(w->q->arena, struct trouble, w->s->count);
            w->last[i] = trouble;
            continue;
        }
        if (token_is_comparison(op) && w->swapped)
            out = v;
        if (w->e->return_bool)
            out = (struct sample){keep ? 1 : 0, NULL};
        if (keep || w->e->return_bool)
            column_put(w->q, w->s, c, i, out);
        any |= keep || w->e->return_bool;
    }
    if (!any)
        return; /* most thresholds are not passed by most series */
    if (drops_name(op) || w->e->return_bool)
        remove_name(&w->removal, c);
    collect(&w->to, c);
}

/* A threshold on series that a plan keeps: only those that pass it are copied. */
static void filter_shared(struct with_scalar *w, struct expr *vector)
{
    const struct vector *v = shared_series(w->q, w->s, vector);
    struct column c = {0};
    double scalar = w->scalar[0];
    for (size_t i = 0; i < v->n; i++) {
        const struct column *from = &v->items[i];
        if (from->kind[0] == SAMPLE_FLOAT &&
            !compare(w->e->op, w->swapped ? scalar : from->f[0], w->swapped ? from->f[0] : scalar))
            continue;
        copy_shared(w->q, w->s, from, &c);
        column_with_scalar(w, &c);
    }
}

/* Operands are evaluated from left to right, which shows in the places of annotations; a literal has none. */
static void vector_scalar(struct query *q, const struct steps *s, struct expr *e, bool swapped,
                          struct vector *out)
{
    struct with_scalar w = {
        .q = q, .s = s, .e = e, .swapped = swapped, .removal = {.q = q, .s = s}, .to = {q, out, s}};
    struct expr *scalar = swapped ? e->left : e->right, *vector = swapped ? e->right : e->left;
    if (swapped || scalar->kind == EXPR_NUMBER) {
        w.scalar = eval_scalar(q, s, scalar);
        while (vector->kind == EXPR_PAREN)
            vector = vector->left;
        if (is_shared(q, s, vector) && token_is_comparison(e->op) && !e->return_bool)
            filter_shared(&w, vector);
        else
            eval_each(q, s, vector, column_with_scalar, &w);
    } else {
        struct vector v = {0};
        eval(q, s, vector, &v);
        w.scalar = eval_scalar(q, s, scalar);
        for (size_t i = 0; i < v.n; i++)
            column_with_scalar(&w, &v.items[i]);
    }
    for (size_t i = 0; i < s->count && w.last != NULL; i++)
        report(q, e, &w.last[i]);
}

/* --- matching --- */

/* Per series of both sides, the number of its match group. Returns how many groups there are. */
static size_t find_groups(struct query *q, struct expr *e, const struct vector sides[2], uint32_t *ret[2])
{
    const struct vector_matching *m = e->matching;
    const struct labels **keys[2];
    size_t groups = 0;
    for (int side = 0; side < 2; side++) {
        keys[side] = ARENA_ARRAY(q->arena, const struct labels *, sides[side].n + 1);
        ret[side] = ARENA_ARRAY(q->arena, uint32_t, sides[side].n + 1);
        for (size_t i = 0; i < sides[side].n; i++)
            keys[side][i] = group_labels(q, e->memory, sides[side].items[i].labels, &m->labels, m->on);
    }
    struct by_labels group = {0}; /* uint32_t: number + 1 */
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < sides[side].n; i++) {
            uint32_t *at = by_labels_at(q, &group, keys[side][i], sizeof *at);
            if (*at == 0)
                *at = (uint32_t)++groups;
            ret[side][i] = *at - 1;
        }
    return groups;
}

/* --- and, or, unless --- */

static void set_operation(struct query *q, const struct steps *s, struct expr *e,
                          const struct vector sides[2], uint32_t *const sigs[2], size_t groups,
                          struct vector *out)
{
    struct output o = {.q = q, .s = s, .out = out};
    size_t *present = ARENA_ARRAY(q->arena, size_t, groups + 1); /* step + 1 at which the group was seen */
    /* the side that decides: the right one for and and unless, the left one for or */
    int by = e->op == TOKEN_LOR ? 0 : 1;
    for (size_t i = 0; i < s->count; i++) {
        query_tick(q);
        for (size_t k = 0; k < sides[by].n; k++)
            if (sides[by].items[k].kind[i] != SAMPLE_NONE)
                present[sigs[by][k]] = i + 1;
        for (int side = 0; side < 2; side++) {
            if (side == 1 && e->op != TOKEN_LOR)
                break;
            for (size_t k = 0; k < sides[side].n; k++) {
                const struct column *c = &sides[side].items[k];
                bool seen = present[sigs[side][k]] == i + 1;
                bool take = e->op == TOKEN_LOR ? side == 0 || !seen : seen == (e->op == TOKEN_LAND);
                if (c->kind[i] != SAMPLE_NONE && take)
                    output_put(&o, c->labels, c->drop_name, i, column_get(c, i));
            }
        }
    }
}

/* --- arithmetic and comparison of two vectors --- */

struct last_pair {
    const struct labels *other, *result;
};

/* Of a label set. */
struct newest_result {
    size_t step; /* + 1 */
    uint32_t group;
};

struct join {
    struct query *q;
    const struct steps *s;
    struct expr *e;
    const struct vector_matching *m;
    struct vector many, one; /* the left and the right side, exchanged for group_right */
    uint32_t *many_sig, *one_sig;
    bool exchanged;
    struct output output;
    struct last_pair *many_last, *one_last; /* result labels by series */
    /* per group: step + 1 of the newest … */
    size_t *one_step, *matched_step;
    uint32_t *one_at;        /* … and the series on the one side */
    struct by_labels newest; /* struct newest_result, for group_left and group_right */
    struct trouble trouble;
};

static const struct labels *work_out_result(struct join *j, const struct labels *many,
                                            const struct labels *one)
{
    struct labels_table *table = j->q->labels;
    const struct vector_matching *m = j->m;
    const struct labels *made = drops_name(j->e->op) ? labels_drop_metadata(table, many)
                                : j->e->return_bool  ? without_name(j->q, many)
                                                     : many;
    if (m->card == CARD_ONE_TO_ONE)
        made = m->on ? labels_keep(table, made, m->labels.items, m->labels.n)
                     : labels_drop(table, made, m->labels.items, m->labels.n, false);
    for (size_t i = 0; i < m->include.n; i++)
        made = labels_set(table, made, m->include.items[i], labels_get(one, m->include.items[i]));
    return made;
}

static const struct labels *result_labels(struct join *j, const struct labels *many, const struct labels *one)
{
    struct labels_memo *memo = &j->e->memory->result;
    if (j->m->include.n > 0)
        return work_out_result(j, many, one);
    const struct labels *made = *labels_memo_at(memo, many);
    if (made == NULL) {
        made = work_out_result(j, many, one);
        *labels_memo_at(memo, many) = made;
    }
    return made;
}

static const struct labels *matched_labels(struct join *j, const struct labels *labels)
{
    return group_labels(j->q, j->e->memory, labels, &j->m->labels, j->m->on);
}

static void check_unique(struct join *j, const struct labels *result, uint32_t group, size_t step)
{
    if (j->m->card == CARD_ONE_TO_ONE) {
        if (j->matched_step[group] == step + 1)
            query_fail(j->q, "multiple matches for labels: many-to-one matching must be explicit "
                             "(group_left/group_right)");
        return;
    }
    struct newest_result *newest = by_labels_at(j->q, &j->newest, result, sizeof *newest);
    if (newest->step == step + 1 && newest->group == group)
        query_fail(j->q, "multiple matches for labels: grouping labels must ensure unique matches");
    newest->step = step + 1;
    newest->group = group;
}

static void join_pair(struct join *j, size_t step, uint32_t group, struct sample many,
                      const struct labels *many_labels, struct sample one, const struct labels *one_labels,
                      struct last_pair *last)
{
    struct sample out = {0, NULL};
    struct trouble trouble = {0};
    bool keep = combine(j->q, j->e->op, j->exchanged ? one : many, j->exchanged ? many : one, &out, &trouble);
    if (trouble.kind != TROUBLE_NONE)
        j->trouble = trouble;
    if (trouble.kind != TROUBLE_NONE && trouble.kind != TROUBLE_RECONCILED)
        return;
    if (j->e->return_bool)
        out = (struct sample){keep ? 1 : 0, NULL};
    if (last->result == NULL || last->other != one_labels) {
        last->other = one_labels;
        last->result = result_labels(j, many_labels, one_labels);
    }
    check_unique(j, last->result, group, step);
    j->matched_step[group] = step + 1;
    if (keep || j->e->return_bool)
        output_put(&j->output, last->result, j->e->return_bool && j->q->options->delayed_name_removal, step,
                   out);
}

_Noreturn static void refuse_duplicate(struct join *j, const struct labels *a, const struct labels *b)
{
    struct sv first = labels_text(j->q, a), second = labels_text(j->q, b);
    bool swap = sv_cmp(first, second) > 0;
    query_fail(j->q,
               "found duplicate series for the match group %.*s on the %s hand-side of the operation: [%.*s, "
               "%.*s];many-to-many matching not allowed: matching labels must be unique on one side",
               SV_FMT(labels_text(j->q, matched_labels(j, a))), j->exchanged ? "left" : "right",
               SV_FMT(swap ? second : first), SV_FMT(swap ? first : second));
}

static bool any_at(const struct vector *v, size_t step)
{
    for (size_t k = 0; k < v->n; k++)
        if (v->items[k].kind[step] != SAMPLE_NONE)
            return true;
    return false;
}

static void join_step(struct join *j, size_t step)
{
    const struct vector_matching *m = j->m;
    bool fills = m->has_fill_left || m->has_fill_right;
    if (!fills && (!any_at(&j->many, step) || !any_at(&j->one, step)))
        return;
    j->trouble = (struct trouble){0};
    for (size_t k = 0; k < j->one.n; k++) {
        const struct column *c = &j->one.items[k];
        uint32_t group = j->one_sig[k];
        if (c->kind[step] == SAMPLE_NONE)
            continue;
        if (j->one_step[group] == step + 1)
            refuse_duplicate(j, c->labels, j->one.items[j->one_at[group]].labels);
        j->one_step[group] = step + 1;
        j->one_at[group] = (uint32_t)k;
    }
    for (size_t k = 0; k < j->many.n; k++) {
        const struct column *c = &j->many.items[k];
        uint32_t group = j->many_sig[k];
        if (c->kind[step] == SAMPLE_NONE)
            continue;
        if (j->one_step[group] == step + 1) {
            const struct column *other = &j->one.items[j->one_at[group]];
            join_pair(j, step, group, column_get(c, step), c->labels, column_get(other, step), other->labels,
                      &j->many_last[k]);
        } else if (m->has_fill_right) {
            join_pair(j, step, group, column_get(c, step), c->labels, (struct sample){m->fill_right, NULL},
                      matched_labels(j, c->labels), &j->many_last[k]);
        }
    }
    for (size_t k = 0; k < j->one.n && m->has_fill_left; k++) {
        const struct column *c = &j->one.items[k];
        uint32_t group = j->one_sig[k];
        if (c->kind[step] == SAMPLE_NONE || j->matched_step[group] == step + 1)
            continue;
        join_pair(j, step, group, (struct sample){m->fill_left, NULL}, matched_labels(j, c->labels),
                  column_get(c, step), c->labels, &j->one_last[k]);
    }
    report(j->q, j->e, &j->trouble);
}

static void join_vectors(struct query *q, const struct steps *s, struct expr *e, const struct vector sides[2],
                         uint32_t *const sigs[2], size_t groups, struct vector *out)
{
    int many = e->matching->card == CARD_ONE_TO_MANY ? 1 : 0;
    struct join j = {.q = q,
                     .s = s,
                     .e = e,
                     .m = e->matching,
                     .many = sides[many],
                     .one = sides[1 - many],
                     .many_sig = sigs[many],
                     .one_sig = sigs[1 - many],
                     .exchanged = many == 1,
                     .output = {.q = q, .s = s, .out = out}};
    j.many_last = ARENA_ARRAY(q->arena, struct last_pair, j.many.n + 1);
    j.one_last = ARENA_ARRAY(q->arena, struct last_pair, j.one.n + 1);
    j.one_step = ARENA_ARRAY(q->arena, size_t, groups + 1);
    j.matched_step = ARENA_ARRAY(q->arena, size_t, groups + 1);
    j.one_at = ARENA_ARRAY(q->arena, uint32_t, groups + 1);
    for (size_t i = 0; i < s->count; i++) {
        query_tick(q);
        join_step(&j, i);
    }
}

/* --- the way in --- */

void eval_binary(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    bool left = expr_type(e->left) == VALUE_SCALAR, right = expr_type(e->right) == VALUE_SCALAR;
    if (left && right) {
        scalar_scalar(q, s, e, out);
        return;
    }
    if (left || right) {
        vector_scalar(q, s, e, left, out);
        return;
    }
    struct vector sides[2] = {{0}, {0}};
    eval(q, s, e->left, &sides[0]);
    eval(q, s, e->right, &sides[1]);
    uint32_t *sigs[2];
    size_t groups = find_groups(q, e, sides, sigs);
    if (token_is_set_operator(e->op))
        set_operation(q, s, e, sides, sigs, groups, out);
    else
        join_vectors(q, s, e, sides, sigs, groups, out);
}
