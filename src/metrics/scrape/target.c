/*
 * Making targets; see target.h. The order is Prometheus': the group's labels, the job's defaults beneath
 * them, relabelling, then the checks.
 */
#include "metrics/scrape/target.h"

#include "base/utf8.h"
#include "metrics/prom_duration.h"

#include <stdlib.h>
#include <string.h>

#define PARAM_PREFIX SV("__param_")

struct set {
    struct label items[RELABEL_LABELS_MAX];
    size_t n;
};

static struct sv get(const struct set *set, struct sv name)
{
    for (size_t i = 0; i < set->n; i++)
        if (sv_eq(set->items[i].name, name))
            return set->items[i].value;
    return (struct sv){0};
}

static bool has(const struct set *set, struct sv name)
{
    return get(set, name).n > 0;
}

static void put(struct set *set, struct sv name, struct sv value)
{
    for (size_t i = 0; i < set->n; i++)
        if (sv_eq(set->items[i].name, name)) {
            set->items[i].value = value;
            return;
        }
    if (set->n < RELABEL_LABELS_MAX)
        set->items[set->n++] = (struct label){name, value};
}

static void put_default(struct set *set, struct sv name, struct sv value)
{
    if (!has(set, name))
        put(set, name, value);
}

static int by_name(const void *a, const void *b)
{
    return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static struct sv duration_text(struct arena *arena, int64_t ns)
{
    struct buf b;
    buf_init(&b, 64);
    prom_duration(&b, ns);
    struct sv text = arena_sv(arena, buf_view(&b));
    buf_free(&b);
    return text;
}

static void fill(struct set *set, const struct scrape_job *job, const struct target_group *group,
                 size_t address, struct arena *arena)
{
    for (size_t i = 0; i < group->label_count; i++)
        put(set, group->labels[i].name, group->labels[i].value);
    for (size_t i = 0; group->own != NULL && i < group->own[address].n; i++)
        put(set, group->own[address].items[i].name, group->own[address].items[i].value);
    put(set, SV("__address__"), group->addresses[address]);
    put_default(set, SV("job"), job->name);
    put_default(set, SV("__scrape_interval__"), duration_text(arena, job->interval_ns));
    put_default(set, SV("__scrape_timeout__"), duration_text(arena, job->timeout_ns));
    put_default(set, SV("__metrics_path__"), job->path);
    put_default(set, SV("__scheme__"), job->scheme);
    for (size_t i = 0; i < job->param_count; i++)
        if (job->params[i].value_count > 0)
            put_default(set, arena_printf(arena, "__param_%.*s", SV_FMT(job->params[i].name)),
                        job->params[i].values[0]);
}

/* Sorted, with texts of its own (groups come and go), without empty values; with `public_only` without the
 * names that begin with "__". */
static const struct label *copy_of(const struct set *set, bool public_only, struct arena *arena,
                                   size_t *ret_n)
{
    struct label *copy = ARENA_ARRAY(arena, struct label, set->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].value.n > 0 && !(public_only && sv_starts(set->items[i].name, SV("__"))))
            copy[n++] =
                (struct label){arena_sv(arena, set->items[i].name), arena_sv(arena, set->items[i].value)};
    qsort(copy, n, sizeof *copy, by_name);
    *ret_n = n;
    return copy;
}

/* --- the URL --- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._~", c) != NULL;
}

static void put_escaped(struct buf *out, struct sv text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '\0' && is_plain(text.p[i]))
            buf_char(out, text.p[i]);
        else if (text.p[i] == ' ')
            buf_char(out, '+');
        else
            buf_printf(out, "%%%02X", (unsigned char)text.p[i]);
    }
}

static void put_param(struct buf *out, bool *first, struct sv name, struct sv value)
{
    buf_char(out, *first ? '?' : '&');
    *first = false;
    put_escaped(out, name);
    buf_char(out, '=');
    put_escaped(out, value);
}

/* The first value of a parameter is its label's, the others the job's; by name, as Go writes them. */
static const char *url_of(const struct set *set, const struct scrape_job *job, struct arena *arena)
{
    struct buf out;
    bool first = true;
    struct set params = {.n = 0};
    struct sv path = get(set, SV("__metrics_path__"));
    buf_init(&out, 64 << 10);
    buf_printf(&out, "%.*s://%.*s%s%.*s", SV_FMT(get(set, SV("__scheme__"))),
               SV_FMT(get(set, SV("__address__"))), sv_starts(path, SV("/")) ? "" : "/", SV_FMT(path));
    for (size_t i = 0; i < set->n; i++)
        if (sv_starts(set->items[i].name, PARAM_PREFIX) && set->items[i].value.n > 0)
            put(&params, sv_from(set->items[i].name, PARAM_PREFIX.n), set->items[i].value);
    qsort(params.items, params.n, sizeof params.items[0], by_name);
    for (size_t i = 0; i < params.n; i++) {
        put_param(&out, &first, params.items[i].name, params.items[i].value);
        for (size_t k = 0; k < job->param_count; k++)
            for (size_t v = 1;
                 v < job->params[k].value_count && sv_eq(job->params[k].name, params.items[i].name); v++)
                put_param(&out, &first, params.items[i].name, job->params[k].values[v]);
    }
    const char *url = arena_str(arena, buf_view(&out));
    buf_free(&out);
    return url;
}

/* --- all --- */

static int read_time(const struct set *set, struct sv name, int64_t *ret, struct err *err)
{
    int rc = prom_parse_duration(get(set, name), ret, err);
    if (rc != 0)
        return err_while(err, "error parsing %s label",
                         name.p[9] == 'i' ? "scrape interval" : "scrape timeout");
    return *ret > 0 ? 0 : err_set(err, TC_EINPUT, "%.*s cannot be 0", SV_FMT(name));
}

static int check(const struct set *set, struct target_made *ret, struct err *err)
{
    struct sv address = get(set, SV("__address__")), scheme = get(set, SV("__scheme__"));
    int rc = read_time(set, SV("__scrape_interval__"), &ret->interval_ns, err);
    if (rc == 0)
        rc = read_time(set, SV("__scrape_timeout__"), &ret->timeout_ns, err);
    if (rc == 0 && ret->timeout_ns > ret->interval_ns)
        rc = err_set(err, TC_EINPUT, "scrape timeout cannot be greater than scrape interval");
    if (rc == 0 && sv_find_char(address, '/') < address.n)
        rc = err_set(err, TC_EINPUT, "\"%.*s\" is not a valid hostname", SV_FMT(sv_head(address, 200)));
    if (rc == 0 && !sv_is(scheme, "http") && !sv_is(scheme, "https"))
        rc = err_set(err, TC_EINPUT, "invalid scheme: \"%.*s\"", SV_FMT(sv_head(scheme, 40)));
    for (size_t i = 0; rc == 0 && i < set->n; i++)
        if (utf8_valid(set->items[i].value) != set->items[i].value.n)
            rc = err_set(err, TC_EINPUT, "invalid label value for \"%.*s\"",
                         SV_FMT(sv_head(set->items[i].name, 100)));
    return rc;
}

static struct hash_128 id_of(const struct target_made *made)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < made->label_count; i++) {
        buf_string(&b, made->labels[i].name);
        buf_string(&b, made->labels[i].value);
    }
    buf_str(&b, made->url);
    struct hash_128 id = hash_128(buf_view(&b));
    buf_free(&b);
    return id;
}

int target_make(const struct scrape_job *job, const struct target_group *group, size_t address,
                struct arena *arena, struct target_made *ret, struct err *err)
{
    struct set *set = tc_alloc(sizeof *set);
    struct target_made made = {0};
    int rc = 0;
    fill(set, job, group, address, arena);
    made.discovered = copy_of(set, false, arena, &made.discovered_count);
    made.dropped = !relabel(job->relabel.rules, job->relabel.n, set->items, &set->n, arena) ||
                   !has(set, SV("__address__"));
    if (!made.dropped) {
        rc = check(set, &made, err);
        put_default(set, SV("instance"), get(set, SV("__address__")));
        made.labels = copy_of(set, true, arena, &made.label_count);
        made.url = url_of(set, job, arena);
        made.id = id_of(&made);
    }
    free(set);
    if (rc == 0)
        *ret = made;
    return rc;
}
