/*
 * One evaluation of one rule: query, make samples, write them, and mark as stale what is not written any
 * more.
 */
#include "metrics/rules/engine_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* --- label sets as texts --- */

void label_key(struct buf *out, const struct label *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_string(out, items[i].name);
        buf_string(out, items[i].value);
    }
}

void label_key_read(struct sv key, struct arena *arena, struct label **ret_items, size_t *ret_count)
{
    size_t n = 0;
    for (struct reader r = reader_of(key); r.rest.n > 0; n++) {
        reader_string(&r);
        reader_string(&r);
        tc_assert(!r.bad); /* written by label_key */
    }
    *ret_items = ARENA_ARRAY(arena, struct label, n + 1);
    *ret_count = n;
    struct reader r = reader_of(key);
    for (size_t i = 0; i < n; i++) {
        (*ret_items)[i].name = reader_string(&r);
        (*ret_items)[i].value = reader_string(&r);
    }
}

static void put_key(struct map *map, struct buf *scratch, const struct labels *labels)
{
    buf_clear(scratch);
    label_key(scratch, labels->items, labels->count);
    if (!scratch->overflow)
        map_put(map, buf_view(scratch), NULL);
}

/* --- queries --- */

static struct promql_options query_options(const struct rule_engine *engine, int64_t time_ns)
{
    int64_t ms = ns_to_ms(time_ns);
    return (struct promql_options){.start_ms = ms,
                                   .end_ms = ms,
                                   .refused = engine->options.refused,
                                   .lookback_ms = engine->options.lookback_ms,
                                   .ignore_start_timestamps = engine->options.ignore_start_timestamps,
                                   .delayed_name_removal = engine->options.delayed_name_removal,
                                   .cancelled = engine->options.cancelled,
                                   .cancel_context = engine->options.cancel_context,
                                   .subquery_step_ms = engine->options.subquery_step_ms};
}

/* Vectors as they are, scalars as a vector of one. */
static int take_answer(struct promql_result *result, struct labels_table *labels, int64_t time_ns,
                       struct promql_series **ret, size_t *ret_count, struct err *err)
{
    *ret = result->series;
    *ret_count = result->count;
    if (result->type == VALUE_VECTOR)
        return 0;
    if (result->type != VALUE_SCALAR)
        return err_set(err, TC_EINPUT, "rule result is not a vector or scalar");
    struct promql_series *one = ARENA_NEW(&result->arena, struct promql_series);
    one->labels = labels_empty(labels);
    one->n = 1;
    one->t = ARENA_NEW(&result->arena, int64_t);
    one->f = ARENA_NEW(&result->arena, double);
    one->t[0] = ns_to_ms(time_ns);
    one->f[0] = result->scalar;
    *ret = one;
    *ret_count = 1;
    return 0;
}

int rule_query(struct rule_engine *engine, struct sv text, int64_t time_ns, struct promql_result *result,
               struct promql_series **ret, size_t *ret_count, struct err *err)
{
    struct promql_options options = query_options(engine, time_ns);
    int rc = promql_query(&engine->options.storage.source, text, &options, result, err);
    return rc != 0 ? rc : take_answer(result, &result->labels, time_ns, ret, ret_count, err);
}

int evaluation_query(struct evaluation *e, struct sv text, struct promql_result *result,
                     struct promql_series **ret, size_t *ret_count, struct err *err)
{
    struct rule_engine *engine = e->engine;
    const struct rule_storage *storage = &engine->options.storage;
    const uint64_t *slot = map_get(&e->group->planned, text);
    if (slot == NULL || *slot == 0)
        return rule_query(engine, text, e->query_ns, result, ret, ret_count, err);
    struct promql_planned *planned = (struct promql_planned *)(uintptr_t)*slot;
    struct promql_options options = query_options(engine, e->query_ns);
    struct series_source source = storage->windows != NULL && !promql_planned_is_apart(planned)
                                      ? windows_source(storage->windows)
                                      : storage->source;
    int rc = promql_plan_evaluate(e->group->plan, planned, &source, &options, result, err);
    return rc != 0 ? rc : take_answer(result, &e->labels, e->query_ns, ret, ret_count, err);
}

void evaluation_add(struct evaluation *e, const struct labels *labels, double value,
                    const struct histogram *histogram)
{
    if (e->sample_count == e->sample_capacity) {
        e->sample_capacity = TC_MAX((size_t)16, e->sample_capacity * 2);
        e->samples = tc_realloc(e->samples, e->sample_capacity * sizeof *e->samples);
    }
    e->samples[e->sample_count++] = (struct rule_sample){labels, value, histogram};
}

/* --- recording rules --- */

static const struct labels *recorded_labels(struct evaluation *e, const struct labels *of)
{
    const struct rule *rule = e->state->rule;
    const struct labels *labels = labels_import(&e->labels, of);
    labels = labels_set(&e->labels, labels, METRIC_NAME, rule->name);
    for (size_t i = 0; i < rule->label_count; i++)
        labels = labels_set(&e->labels, labels, rule->labels[i].name, rule->labels[i].value);
    return labels;
}

/* Interned sets are numbered, so equal ones are found by their numbers. */
static bool has_equal_labels(const struct evaluation *e)
{
    bool *seen = tc_alloc(e->labels.used + 1), equal = false;
    for (size_t i = 0; i < e->sample_count; i++) {
        equal |= seen[e->samples[i].labels->id];
        seen[e->samples[i].labels->id] = true;
    }
    free(seen);
    return equal;
}

static int recording_evaluate(struct evaluation *e, struct err *err)
{
    struct promql_series *series;
    size_t count;
    int64_t limit = e->group->group->limit;
    int rc = evaluation_query(e, e->state->rule->expr, &e->result, &series, &count, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        evaluation_add(e, recorded_labels(e, series[i].labels), series[i].f[0],
                       series[i].h == NULL ? NULL : series[i].h[0]);
    if (has_equal_labels(e))
        return err_set(err, TC_EINPUT,
                       "vector contains metrics with the same labelset after applying rule labels");
    if (limit > 0 && count > (uint64_t)limit)
        return err_set(err, TC_EBOUND, "exceeded limit of %lld with %zu series", (long long)limit, count);
    return 0;
}

/* --- writing --- */

static void set_error(struct rule_state *state, const struct err *err)
{
    free(state->error);
    state->error = err == NULL ? NULL : tc_strdup(err->text);
}

static void mark_stale(struct rule_engine *engine, struct labels_table *table, struct sv key, int64_t time_ms)
{
    const struct rule_storage *storage = &engine->options.storage;
    struct arena arena = {0};
    struct label *items;
    size_t count;
    label_key_read(key, &arena, &items, &count);
    /* another rule may write the series by now: then there is nothing to mark */
    storage->append(storage->context, labels_intern(table, items, count), time_ms, stale_nan(), NULL, NULL);
    arena_free(&arena);
}

static int storage_begin(const struct rule_storage *storage, struct err *err)
{
    return storage->begin == NULL ? 0 : storage->begin(storage->context, err);
}

static void storage_commit(const struct rule_storage *storage)
{
    if (storage->commit != NULL)
        storage->commit(storage->context);
}

/* What the group has worked out of these metrics does not hold any more. */
static void note_written(struct evaluation *e)
{
    const struct rule *rule = e->state->rule;
    bool any = e->engine->options.storage.renames;
    promql_plan_wrote(e->group->plan, any ? SV("") : rule->alerting ? SV("ALERTS") : rule->name);
    if (rule->alerting && !any)
        promql_plan_wrote(e->group->plan, SV("ALERTS_FOR_STATE"));
}

static void write_samples(struct evaluation *e)
{
    const struct rule_storage *storage = &e->engine->options.storage;
    int64_t time_ms = ns_to_ms(e->query_ns);
    struct err refused = {0};
    if (e->sample_count == 0 && e->state->previous.live == 0)
        return;
    if (storage_begin(storage, &refused) != 0) {
        set_error(e->state, &refused);
        return; /* what was written before is still known, and marked stale another time */
    }
    struct map written;
    struct map_entry *entry;
    struct buf key;
    buf_init(&key, LABEL_KEY_MAX);
    map_init(&written, RULE_INSTANCES_MAX * 2);
    for (size_t i = 0; i < e->sample_count; i++) {
        const struct rule_sample *s = &e->samples[i];
        struct err err = {0};
        if (storage->append(storage->context, s->labels, time_ms, s->value, s->histogram, &err) != 0)
            set_error(e->state, &err);
        else
            put_key(&written, &key, s->labels);
    }
    for (size_t at = 0; map_next(&e->state->previous, &at, &entry);)
        if (map_get(&written, entry->key) == NULL)
            mark_stale(e->engine, &e->labels, entry->key, time_ms);
    storage_commit(storage);
    note_written(e);
    map_free(&e->state->previous);
    e->state->previous = written;
    buf_free(&key);
}

int64_t timing_begin(const struct rule_engine *engine, struct rule_timing *timing, int64_t slot_ns)
{
    const struct clk *clk = engine->options.clk;
    timing->evaluations++;
    timing->last_ns = clk == NULL ? slot_ns : clk_now(clk).ns;
    return clk == NULL ? 0 : clk_monotonic_ns(clk);
}

void timing_end(const struct rule_engine *engine, struct rule_timing *timing, int64_t began_ns)
{
    const struct clk *clk = engine->options.clk;
    timing->took_ns = clk == NULL ? 0 : clk_monotonic_ns(clk) - began_ns;
}

void rule_evaluate(struct rule_engine *engine, struct group_state *group, struct rule_state *state,
                   int64_t time_ns)
{
    struct err err = {0};
    struct evaluation e = {.engine = engine,
                           .group = group,
                           .state = state,
                           .time_ns = time_ns,
                           .query_ns = time_ns - group_query_offset_ns(engine, group)};
    labels_table_init(&e.labels);
    if (engine->options.storage.refresh != NULL)
        engine->options.storage.refresh(engine->options.storage.context);
    if (engine->options.storage.windows != NULL)
        windows_refresh(engine->options.storage.windows, ns_to_ms(e.query_ns));
    int64_t began_ns = timing_begin(engine, &state->timing, time_ns);
    int rc = state->rule->alerting ? alerting_evaluate(&e, &err) : recording_evaluate(&e, &err);
    set_error(state, rc != 0 ? &err : NULL);
    if (rc == 0) {
        if (state->rule->alerting)
            alerting_tell(&e);
        write_samples(&e);
    }
    state->timing.failures += state->error != NULL;
    timing_end(engine, &state->timing, began_ns);
    promql_result_free(&e.result);
    labels_table_free(&e.labels);
    arena_free(&e.arena);
    free(e.samples);
}

void group_mark_gone(struct rule_engine *engine, struct group_state *group, int64_t time_ns)
{
    int64_t time_ms = ns_to_ms(time_ns - group_query_offset_ns(engine, group));
    struct labels_table table;
    struct map_entry *entry;
    if (group->gone.live == 0)
        return;
    if (storage_begin(&engine->options.storage, NULL) != 0)
        return; /* the next evaluation tries again */
    labels_table_init(&table);
    for (size_t at = 0; map_next(&group->gone, &at, &entry);)
        mark_stale(engine, &table, entry->key, time_ms);
    labels_table_free(&table);
    storage_commit(&engine->options.storage);
    map_clear(&group->gone);
}
