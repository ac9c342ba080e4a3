/*
 * From a body to samples; see scrape_append.h.
 *
 *   collect (no lock) -> begin -> known series by hash, new ones by labels -> stale markers -> up & co ->
 * commit
 *
 * A remembered series that the store has let go meanwhile has no labels at hand: the body is then read once
 * more for those.
 */
#include "metrics/scrape/scrape_append.h"

#include "base/go_text.h"
#include "base/utf8.h"
#include "metrics/exposition/protobuf.h"
#include "metrics/grow.h"
#include "metrics/histogram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FUTURE_MS = 10 * 60 * 1000, FORGET_AFTER = 10 /* scrapes */, METRIC_NAME_SHOWN = 50 };

/* What is remembered of a series: the number of the last scrape that had it, and flags. */
#define SEEN_MASK UINT64_C(0xffffffff)
#define DROPPED   (UINT64_C(1) << 32) /* by relabelling */
#define OWN_TIME  (UINT64_C(1) << 33) /* its samples bear times: no stale markers */

struct item {
    struct hash_128 key;
    const struct label *labels; /* NULL: the series is known */
    size_t label_count;
    double value;
    const struct histogram *histogram; /* NULL: a float */
    int64_t t_ms;
    bool own_time;
    const struct exposition_exemplar *exemplar; /* NULL: none */
};

struct described {
    struct sv name, type, help, unit;
};

struct collecting {
    struct scrape_memory *memory;
    const struct scrape_input *input;
    struct arena *arena;
    struct item *items;
    size_t n, capacity;
    uint64_t scraped;
    enum metric_type type;                   /* of the family at hand */
    bool again;                              /* only what is not remembered */
    uint64_t over;                           /* samples past sample_limit */
    struct label labels[RELABEL_LABELS_MAX]; /* of the sample at hand */
    uint64_t metadata_hash;
    struct described *described;
    size_t described_count, described_capacity;
};

void scrape_memory_init(struct scrape_memory *memory)
{
    *memory = (struct scrape_memory){0};
    map_init(&memory->series, SCRAPE_SERIES_MAX);
}

void scrape_memory_free(struct scrape_memory *memory)
{
    map_free(&memory->series);
    free(memory->metadata);
    *memory = (struct scrape_memory){0};
}

static struct sv key_view(const struct hash_128 *key)
{
    return sv_make((const char *)key, sizeof *key);
}

/* --- labels of a sample --- */

static bool name_taken(const struct label *labels, size_t n, struct sv name)
{
    for (size_t i = 0; i < n; i++)
        if (sv_eq(labels[i].name, name))
            return true;
    return false;
}

static struct sv copy_text(struct arena *arena, struct sv text)
{
    return text.n == 0 ? (struct sv){"", 0} : arena_sv(arena, text);
}

/* Bounds of buckets and quantiles as Prometheus 3 keeps them, however an exporter writes them: "1" is "1.0".
 */
static struct sv normal_value(const struct collecting *c, const struct label *label)
{
    double number;
    bool is_number = (c->type == METRIC_HISTOGRAM && sv_is(label->name, "le")) ||
                     (c->type == METRIC_SUMMARY && sv_is(label->name, "quantile"));
    if (!is_number || !go_parse_float(label->value, &number))
        return copy_text(c->arena, label->value);
    struct buf text;
    buf_init(&text, GO_FLOAT_MAX + 2);
    go_float_openmetrics(&text, number);
    struct sv value = arena_sv(c->arena, buf_view(&text));
    buf_free(&text);
    return value;
}

/* The target's labels among the sample's; where both have a name, the job's honor_labels says whose stands.
 * Returns 0 where there is no room. */
static size_t join(const struct collecting *c, const struct exposition_sample *s, struct label *out)
{
    const struct target_made *target = c->input->target;
    size_t n = 0;
    if (s->count + target->label_count > RELABEL_LABELS_MAX)
        return 0;
    for (size_t i = 0; i < s->count; i++)
        out[n++] = (struct label){copy_text(c->arena, s->labels[i].name), normal_value(c, &s->labels[i])};
    for (size_t i = 0; i < target->label_count; i++) {
        const struct label *own = &target->labels[i];
        bool taken = name_taken(out, s->count, own->name);
        if (taken && c->input->job->honor_labels)
            continue;
        for (size_t k = 0; taken && k < s->count; k++) {
            if (!sv_eq(out[k].name, own->name))
                continue;
            struct sv name = own->name;
            do
                name = arena_printf(c->arena, "exported_%.*s", SV_FMT(name));
            while (name_taken(s->labels, s->count, name) ||
                   name_taken(target->labels, target->label_count, name));
            out[k].name = name;
        }
        out[n++] = *own;
    }
    return n;
}

static int check_limits(const struct collecting *c, const struct label *labels, size_t n, struct sv metric,
                        struct err *err)
{
    const struct scrape_job *job = c->input->job;
    struct sv shown = sv_head(metric, METRIC_NAME_SHOWN);
    if (job->label_limit > 0 && n > job->label_limit)
        return err_set(err, TC_EBOUND,
                       "label_limit exceeded (metric: %.*s, number of labels: %zu, limit: %llu)",
                       SV_FMT(shown), n, (unsigned long long)job->label_limit);
    for (size_t i = 0; i < n; i++) {
        if (job->label_name_length_limit > 0 && labels[i].name.n > job->label_name_length_limit)
            return err_set(err, TC_EBOUND,
                           "label_name_length_limit exceeded (metric: %.*s, label name: %.*s, length: %zu, "
                           "limit: %llu)",
                           SV_FMT(shown), SV_FMT(sv_head(labels[i].name, 100)), labels[i].name.n,
                           (unsigned long long)job->label_name_length_limit);
        if (job->label_value_length_limit > 0 && labels[i].value.n > job->label_value_length_limit)
            return err_set(err, TC_EBOUND,
                           "label_value_length_limit exceeded (metric: %.*s, label name: %.*s, length: %zu, "
                           "limit: %llu)",
                           SV_FMT(shown), SV_FMT(sv_head(labels[i].name, 100)), labels[i].value.n,
                           (unsigned long long)job->label_value_length_limit);
    }
    return 0;
}

static int make_labels(struct collecting *c, const struct exposition_sample *s, struct item *item,
                       bool *ret_dropped, struct err *err)
{
    struct label *labels = c->labels;
    const struct relabel_list *rules = &c->input->job->metric_relabel;
    struct sv metric = {0};
    size_t n = join(c, s, labels);
    if (n == 0)
        return err_set(err, TC_EBOUND, "a sample has more than %d labels", RELABEL_LABELS_MAX);
    *ret_dropped = !relabel(rules->rules, rules->n, labels, &n, c->arena);
    if (*ret_dropped)
        return 0;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (labels[i].value.n == 0)
            continue;
        if (sv_eq(labels[i].name, METRIC_NAME))
            metric = labels[i].value;
        if (utf8_valid(labels[i].value) != labels[i].value.n || !label_name_is_valid(labels[i].name))
            return err_set(err, TC_EINPUT, "invalid metric name or label names");
        labels[kept++] = labels[i];
    }
    *ret_dropped = kept == 0;
    if (kept > 0 && metric.n == 0)
        return err_set(err, TC_EINPUT, "metric name not found in labels");
    struct label *copy = ARENA_ARRAY(c->arena, struct label, kept + 1);
    memcpy(copy, labels, kept * sizeof *copy);
    item->labels = copy;
    item->label_count = kept;
    return check_limits(c, labels, kept, metric, err);
}

/* --- collecting --- */

static const struct exposition_exemplar *copy_exemplar(struct collecting *c,
                                                       const struct exposition_exemplar *from)
{
    if (from == NULL)
        return NULL;
    struct exposition_exemplar *copy = ARENA_NEW(c->arena, struct exposition_exemplar);
    *copy = *from;
    copy->labels = ARENA_ARRAY(c->arena, struct label, from->count + 1);
    for (size_t i = 0; i < from->count; i++)
        copy->labels[i] = (struct label){copy_text(c->arena, from->labels[i].name),
                                         copy_text(c->arena, from->labels[i].value)};
    return copy;
}

static int take_sample(void *context, const struct exposition_sample *s, struct err *err)
{
    struct collecting *c = context;
    const struct scrape_job *job = c->input->job;
    bool own_time = s->has_t && job->honor_timestamps, dropped = false;
    struct item item = {.key = hash_128(s->series),
                        .value = s->value,
                        .own_time = own_time && !job->track_timestamps_staleness,
                        .t_ms = own_time ? s->t_ms : c->input->t_ms};
    uint64_t *known = map_get(&c->memory->series, key_view(&item.key));
    c->scraped += !c->again;
    if (known != NULL && (c->again || (*known & DROPPED))) {
        *known = (*known & DROPPED) ? DROPPED | (c->memory->scrape + 1) : *known;
        return 0;
    }
    if (known == NULL) {
        int rc = make_labels(c, s, &item, &dropped, err);
        if (rc != 0)
            return rc;
    }
    if (dropped) {
        uint64_t *slot = map_put(&c->memory->series, key_view(&item.key), NULL);
        if (slot != NULL)
            *slot = DROPPED | (c->memory->scrape + 1);
        return 0;
    }
    if (job->sample_limit > 0 && c->n >= job->sample_limit && !c->again) {
        c->over++; /* all are counted before the scrape is refused */
        return 0;
    }
    if (c->n >= SCRAPE_SERIES_MAX)
        return err_set(err, TC_EBOUND, "more than %d samples", SCRAPE_SERIES_MAX);
    item.exemplar = copy_exemplar(c, s->exemplar);
    item.histogram = s->histogram == NULL ? NULL : histogram_copy(c->arena, s->histogram);
    c->items = grow(c->arena, c->items, c->n, &c->capacity, sizeof *c->items);
    c->items[c->n++] = item;
    return 0;
}

static struct described *description_of(struct collecting *c, char kind, struct sv name, struct sv text)
{
    c->metadata_hash = hash_64_seed(name, c->metadata_hash + (uint64_t)kind);
    c->metadata_hash = hash_64_seed(text, c->metadata_hash);
    if (c->described_count > 0 && sv_eq(c->described[c->described_count - 1].name, name))
        return &c->described[c->described_count - 1];
    c->described =
        grow(c->arena, c->described, c->described_count, &c->described_capacity, sizeof *c->described);
    c->described[c->described_count] =
        (struct described){.name = arena_sv(c->arena, name), .type = SV("unknown")};
    return &c->described[c->described_count++];
}

static int take_type(void *context, struct sv name, enum metric_type type, struct err *err)
{
    (void)err;
    struct sv text = sv_of(metric_type_names[type]);
    ((struct collecting *)context)->type = type;
    description_of(context, 'T', name, text)->type = text;
    return 0;
}

static int take_help(void *context, struct sv name, struct sv text, struct err *err)
{
    struct collecting *c = context;
    (void)err;
    description_of(c, 'H', name, text)->help = arena_sv(c->arena, text);
    return 0;
}

static int take_unit(void *context, struct sv name, struct sv text, struct err *err)
{
    struct collecting *c = context;
    (void)err;
    description_of(c, 'U', name, text)->unit = arena_sv(c->arena, text);
    return 0;
}

static int collect(struct collecting *c, struct err *err)
{
    const struct exposition_handler handler = {
        .context = c, .sample = take_sample, .type = take_type, .help = take_help, .unit = take_unit};
    enum exposition_format format = exposition_format_of(c->input->content_type, c->input->job->fallback);
    c->n = c->described_count = c->over = 0;
    c->type = METRIC_UNKNOWN;
    int rc = format == EXPOSITION_PROTOBUF
                 ? exposition_parse_protobuf(c->input->body, &c->input->job->histograms, &handler, err)
                 : exposition_parse(c->input->body, format, false, &handler, err);
    return rc == 0 && c->over > 0 ? err_set(err, TC_EBOUND, "sample limit exceeded") : rc;
}

/* Descriptions change rarely: only then are they looked up. */
static void remember_metadata(struct collecting *c)
{
    struct scrape_memory *m = c->memory;
    if (c->input->metadata == NULL || c->metadata_hash == m->metadata_hash)
        return;
    m->metadata_hash = c->metadata_hash;
    m->metadata = tc_realloc(m->metadata, (c->described_count + 1) * sizeof *m->metadata);
    m->metadata_count = 0;
    for (size_t i = 0; i < c->described_count; i++) {
        const struct described *d = &c->described[i];
        uint32_t number =
            metadata_put(c->input->metadata, &(struct metadata_entry){d->name, d->type, d->help, d->unit});
        if (number != UINT32_MAX)
            m->metadata[m->metadata_count++] = number;
    }
}

/* --- appending --- */

struct appending {
    struct tsdb_appender appender;
    struct scrape_memory *memory;
    const struct scrape_input *input;
    struct arena *arena;
    struct scrape_result *result;
    size_t missing; /* remembered by us, not by the store */
};

static void refuse(struct appending *a, enum tsdb_outcome outcome)
{
    if (a->result->refused++ == 0)
        a->result->first_refused = outcome;
}

/* The series' key in the store: its text and whose it is. */
static struct hash_128 store_key(const struct appending *a, const struct hash_128 *key)
{
    struct hash_128 both[2] = {*key, a->input->target->id};
    return tsdb_key(&a->appender, sv_make((const char *)both, sizeof both));
}

/* False where its labels are needed and not at hand, or the store does not want it. */
static bool find_series(struct appending *a, const struct item *item, uint32_t *ret)
{
    struct hash_128 key = store_key(a, &item->key);
    if (tsdb_known(&a->appender, key, ret))
        return true;
    if (item->labels == NULL) {
        map_remove(&a->memory->series, key_view(&item->key));
        a->missing++;
        return false;
    }
    struct label labels[RELABEL_LABELS_MAX];
    memcpy(labels, item->labels, item->label_count * sizeof labels[0]);
    enum tsdb_outcome outcome = tsdb_series(&a->appender, labels, item->label_count, ret);
    if (outcome == TSDB_OK)
        tsdb_know(&a->appender, key, *ret);
    else
        refuse(a, outcome);
    return outcome == TSDB_OK;
}

/* One that the store does not take is passed over, as Prometheus does. */
static void append_exemplar(struct appending *a, const struct item *item, uint32_t series)
{
    const struct exposition_exemplar *e = item->exemplar;
    if (e != NULL)
        (void)tsdb_exemplar(&a->appender, series, e->labels, e->count,
                            e->has_t ? (int64_t)(e->t_s * 1000) : item->t_ms, e->value);
}

static void append_item(struct appending *a, const struct item *item)
{
    uint32_t series;
    bool is_new = false;
    if (!find_series(a, item, &series))
        return;
    enum tsdb_outcome outcome = item->histogram != NULL
                                    ? tsdb_histogram(&a->appender, series, item->t_ms, item->histogram, 0)
                                    : tsdb_float(&a->appender, series, item->t_ms, item->value, 0);
    if (outcome != TSDB_OK)
        refuse(a, outcome);
    else
        append_exemplar(a, item, series);
    uint64_t *slot = map_put(&a->memory->series, key_view(&item->key), &is_new);
    if (slot != NULL)
        *slot = a->memory->scrape | (item->own_time ? OWN_TIME : 0);
    a->result->added += is_new;
}

static void mark_stale(struct appending *a, const struct hash_128 *key)
{
    uint32_t series;
    if (tsdb_known(&a->appender, store_key(a, key), &series))
        (void)tsdb_float(&a->appender, series, a->input->t_ms, stale_nan(), 0);
}

/* What the scrape before had and this one has not; what is long gone is forgotten. */
static void mark_vanished(struct appending *a, bool all)
{
    struct scrape_memory *m = a->memory;
    struct map_entry *e;
    for (size_t i = 0; map_next(&m->series, &i, &e);) {
        uint32_t seen = (uint32_t)(e->value & SEEN_MASK);
        struct hash_128 key;
        if (seen == m->scrape && !all)
            continue;
        memcpy(&key, e->key.p, sizeof key);
        if ((all || seen + 1 == m->scrape) && !(e->value & (DROPPED | OWN_TIME)))
            mark_stale(a, &key);
        if (seen + FORGET_AFTER < m->scrape)
            map_remove(&m->series, key_view(&key));
    }
}

static void report(struct appending *a, const char *name, double value)
{
    struct hash_128 key = hash_128(sv_of(name));
    const struct target_made *target = a->input->target;
    struct label *labels = ARENA_ARRAY(a->arena, struct label, target->label_count + 1);
    size_t n = 0;
    labels[n++] = (struct label){METRIC_NAME, sv_of(name)};
    for (size_t i = 0; i < target->label_count; i++)
        if (!sv_eq(target->labels[i].name, METRIC_NAME))
            labels[n++] = target->labels[i];
    key.high ^= UINT64_C(0x7265706f7274); /* apart from a sample of the body with that text */
    struct item item = {.key = key, .labels = labels, .label_count = n};
    uint32_t series;
    if (find_series(a, &item, &series)) {
        enum tsdb_outcome outcome = tsdb_float(&a->appender, series, a->input->t_ms, value, 0);
        if (outcome != TSDB_OK)
            refuse(a, outcome);
    }
}

static void report_all(struct appending *a, bool end)
{
    const struct scrape_input *in = a->input;
    struct scrape_result *r = a->result;
    r->duration_ns = TC_MAX(clk_monotonic_ns(in->clk) - in->started_mono_ns, (int64_t)0);
    const struct {
        const char *name;
        double value;
        bool extra;
    } rows[] = {
        {"up", r->up, false},
        {"scrape_duration_seconds", (double)r->duration_ns / 1e9, false},
        {"scrape_samples_scraped", (double)r->scraped, false},
        {"scrape_samples_post_metric_relabeling", (double)r->kept, false},
        {"scrape_series_added", (double)r->added, false},
        {"scrape_timeout_seconds", (double)in->target->timeout_ns / 1e9, true},
        {"scrape_sample_limit", (double)in->job->sample_limit, true},
        {"scrape_body_size_bytes", in->failure == NULL ? (double)in->body.n : -1, true},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++)
        if (!rows[i].extra || in->job->extra_metrics)
            report(a, rows[i].name, end ? stale_nan() : rows[i].value);
}

static int begin(struct appending *a, struct err *err)
{
    return tsdb_begin(a->input->tsdb, a->input->source, a->input->t_ms + FUTURE_MS, &a->appender, err);
}

static void append_body(struct appending *a, struct collecting *c)
{
    struct err ignored = {0};
    for (size_t i = 0; i < c->n; i++)
        append_item(a, &c->items[i]);
    if (a->missing == 0)
        return;
    c->again = true;
    if (collect(c, &ignored) != 0)
        return; /* it was read before, so it is good */
    for (size_t i = 0; i < c->n; i++)
        append_item(a, &c->items[i]);
}

static void say(const struct err *problem, char *out, size_t size)
{
    if (problem->line > 0)
        snprintf(out, size, "line %u of the body: %.900s", problem->line, problem->text);
    else
        snprintf(out, size, "%s", problem->text);
}

int scrape_append(struct scrape_memory *memory, const struct scrape_input *input, struct arena *scratch,
                  struct scrape_result *ret, struct err *err)
{
    struct collecting c = {.memory = memory, .input = input, .arena = scratch};
    struct appending a = {.memory = memory, .input = input, .arena = scratch, .result = ret};
    struct err problem = {0};
    *ret = (struct scrape_result){0};
    if (input->failure != NULL)
        snprintf(ret->error, sizeof ret->error, "%s", input->failure);
    else if (collect(&c, &problem) != 0)
        say(&problem, ret->error, sizeof ret->error);
    ret->up = ret->error[0] == '\0';
    ret->scraped = c.scraped;
    ret->kept = c.n + c.over;
    int rc = begin(&a, err);
    if (rc != 0)
        return rc;
    memory->scrape++;
    if (ret->up)
        append_body(&a, &c);
    mark_vanished(&a, false);
    report_all(&a, false);
    tsdb_commit(&a.appender, NULL, NULL);
    if (ret->up)
        remember_metadata(&c);
    return 0;
}

int scrape_append_end(struct scrape_memory *memory, const struct scrape_input *input, struct arena *scratch,
                      struct err *err)
{
    struct scrape_result ignored = {0};
    struct appending a = {.memory = memory, .input = input, .arena = scratch, .result = &ignored};
    int rc = begin(&a, err);
    if (rc != 0)
        return rc;
    mark_vanished(&a, true);
    report_all(&a, true);
    tsdb_commit(&a.appender, NULL, NULL);
    return 0;
}
