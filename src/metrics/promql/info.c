/*
 * info(): adds the labels of info metrics (target_info and its kind) to the series that have the same
 * instance and job.
 */
#include "metrics/promql/eval_priv.h"

static const struct sv identifying[] = {{"instance", 8}, {"job", 3}};

struct info {
    struct query *q;
    const struct steps *s;
    struct expr *e;
    struct vector base;
    struct vector info;             /* values: the samples' own times in milliseconds */
    const struct matcher *matchers; /* of the second argument */
    size_t matcher_count;
    struct matcher *names; /* which metrics are info metrics */
    size_t name_count;
    bool *ignored;                            /* per base series: it is an info metric itself */
    const struct labels **base_id, **info_id; /* instance and job */
    struct sv *info_name;
    uint32_t *newest; /* per info series: it stands for its name and identity at this step */
};

static bool is_name(const struct matcher *m)
{
    return sv_eq(m->name, METRIC_NAME);
}

/* Without a positive matcher on the name, anything that ends in _info; without any, target_info. */
static void name_matchers(struct info *w)
{
    bool positive = false;
    w->names = ARENA_ARRAY(w->q->arena, struct matcher, w->matcher_count + 2);
    for (size_t i = 0; i < w->matcher_count; i++)
        if (is_name(&w->matchers[i])) {
            w->names[w->name_count++] = w->matchers[i];
            positive |= w->matchers[i].type == MATCH_EQUAL || w->matchers[i].type == MATCH_REGEXP;
        }
    if (w->name_count == 0)
        matcher_init(&w->names[w->name_count++], MATCH_EQUAL, METRIC_NAME, SV("target_info"), NULL);
    else if (!positive &&
             matcher_init(&w->names[w->name_count], MATCH_REGEXP, METRIC_NAME, SV(".+_info"), NULL) == 0) {
        re2_free(&w->q->regex);
        w->q->regex = w->names[w->name_count++].regex; /* freed with the query */
    }
}

static bool names_match(const struct info *w, struct sv name)
{
    for (size_t i = 0; i < w->name_count; i++)
        if (!matcher_matches(&w->names[i], name))
            return false;
    return true;
}

/* The time that selectors look at: that of the evaluation or of an @, and an offset. */
struct reference {
    bool has_timestamp;
    int64_t timestamp_ms, offset_ns;
};

struct references {
    struct reference first;
    bool found, differ, without; /* `without`: a vector comes from no selector at all */
};

struct enclosing {
    const struct expr *subquery;
    const struct enclosing *outer;
};

static bool same_reference(const struct reference *a, const struct reference *b)
{
    return a->has_timestamp == b->has_timestamp &&
           (a->has_timestamp ? a->timestamp_ms : 0) - to_ms(a->offset_ns) ==
               (b->has_timestamp ? b->timestamp_ms : 0) - to_ms(b->offset_ns);
}

static void note_selector(struct references *r, const struct expr *e, const struct enclosing *in)
{
    struct reference here = {e->has_timestamp, e->timestamp_ms, e->offset_ns};
    for (; in != NULL && !here.has_timestamp; in = in->outer) {
        here.offset_ns += in->subquery->offset_ns;
        here.has_timestamp = in->subquery->has_timestamp;
        here.timestamp_ms = in->subquery->timestamp_ms;
    }
    if (!r->found)
        r->first = here;
    else
        r->differ |= !same_reference(&r->first, &here);
    r->found = true;
}

/* Returns whether the vector comes from a selector. */
static bool find_references(struct references *r, const struct expr *e, const struct enclosing *in)
{
    if (e == NULL || (expr_type(e) != VALUE_VECTOR && expr_type(e) != VALUE_MATRIX))
        return false;
    if (e->kind == EXPR_SELECTOR) {
        note_selector(r, e, in);
        return true;
    }
    struct enclosing enclosing = {e, in};
    bool any = false, info = e->kind == EXPR_CALL && e->function->id == FN_INFO;
    if (e->kind == EXPR_SUBQUERY)
        in = &enclosing;
    if (info)
        return find_references(r, e->args[0], in); /* the second only looks like a vector */
    any |= find_references(r, e->left, in);
    any |= find_references(r, e->right, in);
    for (size_t i = 0; i < e->arg_count; i++)
        any |= find_references(r, e->args[i], in);
    r->without |= !any;
    return any;
}

static bool shared_reference(const struct expr *e, struct reference *ret)
{
    struct references r = {0};
    (void)find_references(&r, e, NULL);
    *ret = r.first;
    return r.found && !r.differ && !r.without;
}

bool info_time_is_shared(const struct expr *argument)
{
    struct reference ignored;
    return shared_reference(argument, &ignored);
}

/* Does some base series have the same identifying labels, and one at least? */
static bool wanted(const struct info *w, const struct labels *labels)
{
    struct sv values[TC_ARRAY_LEN(identifying)];
    bool any_label = false, found = false;
    for (size_t l = 0; l < TC_ARRAY_LEN(identifying); l++) {
        values[l] = labels_get(labels, identifying[l]);
        any_label |= values[l].n > 0;
    }
    for (size_t k = 0; any_label && k < w->base.n && !found; k++) {
        found = !w->ignored[k];
        for (size_t l = 0; found && l < TC_ARRAY_LEN(identifying); l++)
            found = sv_eq(labels_get(w->base.items[k].labels, identifying[l]), values[l]);
    }
    return found;
}

static void fetch(struct info *w)
{
    struct query *q = w->q;
    struct reference reference;
    if (!shared_reference(w->e->args[0], &reference))
        reference = (struct reference){0}; /* the time of the evaluation */
    const int64_t *at = reference.has_timestamp ? &reference.timestamp_ms : NULL;
    int64_t offset_ms = to_ms(reference.offset_ns);
    struct matcher *matchers = ARENA_ARRAY(q->arena, struct matcher, w->matcher_count + w->name_count + 1);
    struct source_series *series;
    size_t n = 0, count, kept = 0;
    struct err err = {0};
    for (size_t i = 0; i < w->matcher_count; i++)
        if (!is_name(&w->matchers[i]))
            matchers[n++] = w->matchers[i];
    for (size_t i = 0; i < w->name_count; i++)
        matchers[n++] = w->names[i];
    int64_t min_t = (at != NULL ? *at : w->s->start) - q->lookback_ms - offset_ms;
    int64_t max_t = (at != NULL ? *at : w->s->end) - offset_ms;
    if (q->source->select(q->source->context, matchers, n, min_t, max_t, q->arena, &series, &count, &err) !=
        0)
        query_fail(q, "%s", err.text);
    for (size_t k = 0; k < count; k++)
        if (wanted(w, series[k].labels))
            series[kept++] = series[k];
    struct collector collector = {q, &w->info, w->s};
    eval_selected(q, w->s, series, kept, NULL, false, offset_ms, at, SELECT_TIME_MS, collect, &collector);
}

static void identify(struct info *w)
{
    struct query *q = w->q;
    w->base_id = ARENA_ARRAY(q->arena, const struct labels *, w->base.n + 1);
    w->info_id = ARENA_ARRAY(q->arena, const struct labels *, w->info.n + 1);
    w->info_name = ARENA_ARRAY(q->arena, struct sv, w->info.n + 1);
    w->newest = ARENA_ARRAY(q->arena, uint32_t, w->info.n + 1);
    for (size_t k = 0; k < w->base.n; k++)
        w->base_id[k] =
            labels_keep(q->labels, w->base.items[k].labels, identifying, TC_ARRAY_LEN(identifying));
    for (size_t k = 0; k < w->info.n; k++) {
        w->info_id[k] =
            labels_keep(q->labels, w->info.items[k].labels, identifying, TC_ARRAY_LEN(identifying));
        w->info_name[k] = metric_name(w->info.items[k].labels);
    }
}

_Noreturn static void refuse_duplicate(struct info *w, size_t a, size_t b, size_t step)
{
    query_fail(w->q, "found duplicate series for info metric: existing %.*s @ %lld, new %.*s @ %lld",
               SV_FMT(labels_text(w->q, w->info.items[a].labels)), (long long)w->info.items[a].f[step],
               SV_FMT(labels_text(w->q, w->info.items[b].labels)), (long long)w->info.items[b].f[step]);
}

/* Of several series of one info metric and identity, the one with the newest sample counts. */
static void choose_newest(struct info *w, size_t step)
{
    for (size_t k = 0; k < w->info.n; k++) {
        const struct column *c = &w->info.items[k];
        w->newest[k] = c->kind[step] != SAMPLE_NONE;
        for (size_t o = 0; o < k && w->newest[k]; o++) {
            if (!w->newest[o] || w->info_id[o] != w->info_id[k] || !sv_eq(w->info_name[o], w->info_name[k]))
                continue;
            double a = w->info.items[o].f[step], b = c->f[step];
            if (a == b)
                refuse_duplicate(w, o, k, step);
            w->newest[a < b ? o : k] = 0;
        }
    }
}

static bool has_data_matchers(const struct info *w)
{
    for (size_t i = 0; i < w->matcher_count; i++)
        if (!is_name(&w->matchers[i]))
            return true;
    return false;
}

static bool asked_for(const struct info *w, struct sv name)
{
    for (size_t i = 0; i < w->matcher_count; i++)
        if (sv_eq(w->matchers[i].name, name))
            return true;
    return !has_data_matchers(w);
}

/* Series without an info metric stay only where the matchers allow labels to be absent. */
static bool absence_matches(const struct info *w)
{
    for (size_t i = 0; i < w->matcher_count; i++)
        if (!is_name(&w->matchers[i]) && !matcher_matches(&w->matchers[i], SV("")))
            return false;
    return true;
}

static void put_base(struct info *w, size_t k, size_t step, struct output *out)
{
    const struct column *c = &w->base.items[k];
    const struct labels *labels = c->labels;
    bool any = w->ignored[k];
    for (size_t i = 0; i < w->info.n && !w->ignored[k]; i++) {
        const struct labels *from = w->info.items[i].labels;
        if (!w->newest[i] || w->info_id[i] != w->base_id[k])
            continue;
        any = true;
        for (uint32_t l = 0; l < from->count; l++) {
            struct sv name = from->items[l].name, value = from->items[l].value;
            if (sv_eq(name, METRIC_NAME) || !asked_for(w, name) || labels_get(c->labels, name).n > 0)
                continue;
            struct sv there = labels_get(labels, name);
            if (there.n > 0 && !sv_eq(there, value))
                query_fail(w->q, "conflicting label: %.*s", SV_FMT(name));
            labels = labels_set(w->q->labels, labels, name, value);
        }
    }
    if (any || absence_matches(w))
        output_put(out, labels, c->drop_name, step, column_get(c, step));
}

void eval_info(struct query *q, const struct steps *s, struct expr *e, struct vector *result)
{
    struct info w = {.q = q, .s = s, .e = e};
    struct output out = {.q = q, .s = s, .out = result};
    if (e->arg_count > 1) {
        const struct expr *selector = e->args[1];
        while (selector->kind == EXPR_ONCE)
            selector = selector->left;
        w.matchers = selector->matchers;
        w.matcher_count = selector->matcher_count;
    }
    eval(q, s, e->args[0], &w.base);
    name_matchers(&w);
    w.ignored = ARENA_ARRAY(q->arena, bool, w.base.n + 1);
    for (size_t k = 0; k < w.base.n; k++)
        w.ignored[k] = names_match(&w, metric_name(w.base.items[k].labels));
    fetch(&w);
    identify(&w);
    for (size_t i = 0; i < s->count; i++) {
        query_tick(q);
        choose_newest(&w, i);
        for (size_t k = 0; k < w.base.n; k++)
            if (w.base.items[k].kind[i] != SAMPLE_NONE)
                put_base(&w, k, i, &out);
    }
}
