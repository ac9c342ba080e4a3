/*
 * Reading CloudWatch's embedded metric format; see emf.h.
 */
#include "app/emf.h"

#include "template/value.h"

#include "base/go_text.h"

enum { DIMENSIONS_MAX = 30, METRICS_MAX = 100, VALUES_MAX = 100, VALUES_BYTES_MAX = 8 << 10 };

struct reading {
    struct template_value root;
    struct arena *arena;
    void (*each)(void *context, const struct statsd_line *line);
    void *context;
    bool bad;
};

static const struct template_value *list_of(const struct template_value *of, const char *name)
{
    const struct template_value *v = of == NULL ? NULL : template_get(*of, sv_of(name));
    return v != NULL && v->kind == TEMPLATE_LIST ? v : NULL;
}

static struct sv text_of(struct template_value of, const char *name)
{
    const struct template_value *v = template_get(of, sv_of(name));
    return v != NULL && v->kind == TEMPLATE_STRING ? v->as.text : (struct sv){0};
}

/* One number, or a list: "1:2:3", as StatsD packs them. */
static struct sv values_of(struct reading *r, const struct template_value *value)
{
    struct buf out;
    size_t n = value->kind == TEMPLATE_LIST ? value->as.list->n : 1;
    const struct template_value *items = value->kind == TEMPLATE_LIST ? value->as.list->items : value;
    buf_init(&out, VALUES_BYTES_MAX);
    for (size_t i = 0; i < n && n <= VALUES_MAX; i++) {
        if (items[i].kind != TEMPLATE_FLOAT) {
            buf_clear(&out);
            break;
        }
        if (i > 0)
            buf_char(&out, ':');
        go_format_float(&out, items[i].as.number, 'g', -1);
    }
    struct sv text = out.overflow ? (struct sv){0} : arena_sv(r->arena, buf_view(&out));
    buf_free(&out);
    return text;
}

/* False where a dimension of the set has no text in the event. */
static bool add_dimensions(struct reading *r, const struct template_value *set, struct statsd_line *line)
{
    if (set->kind != TEMPLATE_LIST || set->as.list->n > DIMENSIONS_MAX)
        return false;
    for (size_t i = 0; i < set->as.list->n; i++) {
        if (set->as.list->items[i].kind != TEMPLATE_STRING)
            return false;
        struct sv name = set->as.list->items[i].as.text;
        const struct template_value *value = template_get(r->root, name);
        if (value == NULL || value->kind != TEMPLATE_STRING)
            return false;
        line->tags[line->tag_count].name = name;
        line->tags[line->tag_count++].value = value->as.text;
    }
    return true;
}

static bool ends_as_counter(struct sv name)
{
    return sv_ends(name, SV("_total")) || sv_ends(name, SV("_count")) || sv_ends(name, SV(".count")) ||
           sv_ends(name, SV(".total"));
}

static void read_metric(struct reading *r, struct template_value metric, struct sv namespace,
                        const struct template_value *sets)
{
    struct sv name = text_of(metric, "Name");
    const struct template_value *value = name.n > 0 ? template_get(r->root, name) : NULL;
    struct statsd_line line = {.name = name, .rate = 1};
    if (value == NULL) {
        r->bad = true; /* declared, and not there */
        return;
    }
    line.values = values_of(r, value);
    line.type = value->kind == TEMPLATE_LIST ? STATSD_HISTOGRAM
                : ends_as_counter(name)      ? STATSD_COUNTER
                                             : STATSD_GAUGE;
    if (line.values.n == 0) {
        r->bad = true;
        return;
    }
    line.tags[line.tag_count].name = SV("namespace");
    line.tags[line.tag_count++].value = namespace;
    if (sets == NULL || sets->as.list->n == 0)
        r->each(r->context, &line);
    for (size_t i = 0; sets != NULL && i < sets->as.list->n && i < DIMENSIONS_MAX; i++) {
        struct statsd_line own = line;
        if (add_dimensions(r, &sets->as.list->items[i], &own))
            r->each(r->context, &own);
        else
            r->bad = true;
    }
}

bool emf_read(const struct event *event, struct arena *arena,
              void (*each)(void *context, const struct statsd_line *line), void *context)
{
    struct reading r = {.arena = arena, .each = each, .context = context};
    struct err err = {0};
    uint32_t hash = event_name_hash(SV("_aws.CloudWatchMetrics"));
    if (event_find(event, SV("_aws.CloudWatchMetrics"), hash) == NULL)
        return true;
    if (template_from_json(arena, event->raw, &r.root, &err) != 0)
        return false;
    const struct template_value *aws = template_get(r.root, SV("_aws")),
                                *all = list_of(aws, "CloudWatchMetrics");
    for (size_t i = 0; all != NULL && i < all->as.list->n; i++) {
        const struct template_value *directive = &all->as.list->items[i],
                                    *metrics = list_of(directive, "Metrics");
        struct sv namespace = text_of(*directive, "Namespace");
        r.bad = r.bad || metrics == NULL || namespace.n == 0;
        for (size_t k = 0; metrics != NULL && namespace.n > 0 && k < metrics->as.list->n && k < METRICS_MAX;
             k++)
            read_metric(&r, metrics->as.list->items[k], namespace, list_of(directive, "Dimensions"));
    }
    return all != NULL && !r.bad;
}
