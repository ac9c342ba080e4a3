/*
 * Running a unit test: samples arrive as time passes, all groups are evaluated at every step, alerts are
 * compared between steps and expressions at the end.
 */
#include "metrics/rules/unit_test_priv.h"

#include "base/go_text.h"
#include "metrics/prom_duration.h"
#include "metrics/rules/engine_priv.h"
#include "template/go_format.h"

#include <stdlib.h>

/* --- the store --- */

static int append(struct test_run *run, const struct label *items, size_t count, int64_t t, double value,
                  const struct histogram *histogram, struct err *err)
{
    struct buf key;
    buf_init(&key, LABEL_KEY_MAX);
    label_key(&key, items, count);
    uint64_t *slot = map_put(&run->newest, buf_view(&key), NULL);
    buf_free(&key);
    if (slot == NULL)
        return err_set(err, TC_EBOUND, "too many series");
    if (*slot == 0) {
        if ((run->last_count & (run->last_count + 1)) == 0)
            run->last = tc_realloc(run->last, (run->last_count * 2 + 1) * sizeof *run->last);
        run->last[run->last_count] = (struct last_sample){INT64_MIN, 0, false};
        *slot = ++run->last_count;
    }
    struct last_sample *last = &run->last[*slot - 1];
    bool is_histogram = histogram != NULL;
    if (t == last->t && !is_histogram && !last->is_histogram &&
        memcmp(&value, &last->value, sizeof value) == 0)
        return 0;
    if (t == last->t && (is_histogram || last->is_histogram))
        return err_set(err, TC_EEXIST, "duplicate sample for timestamp %lld", (long long)t);
    if (t == last->t) {
        struct buf text;
        buf_init(&text, 256);
        buf_printf(&text, "duplicate sample for timestamp %lld; overrides not allowed: existing ",
                   (long long)t);
        go_float_g(&text, last->value);
        buf_str(&text, ", new value ");
        go_float_g(&text, value);
        int rc = err_set(err, TC_EEXIST, "%.*s", SV_FMT(buf_view(&text)));
        buf_free(&text);
        return rc;
    }
    if (t < last->t)
        return err_set(err, TC_ESTATE, "out of order sample");
    *last = (struct last_sample){t, value, is_histogram};
    struct label *own = tc_alloc((count + 1) * sizeof *own);
    if (count > 0)
        memcpy(own, items, count * sizeof *own);
    int rc = memory_store_append(run->store, own, count,
                                 &(struct memory_sample){.t = t, .f = value, .h = histogram}, 1, err);
    free(own);
    return rc;
}

static int append_labels(void *context, const struct labels *labels, int64_t time_ms, double value,
                         const struct histogram *histogram, struct err *err)
{
    return append(context, labels->items, labels->count, time_ms, value, histogram, err);
}

/* --- input --- */

static void add_input(struct test_run *run, struct series_description *d)
{
    /* the notation allows any order and empty values; a store's labels are sorted and have none */
    struct labels_table table;
    labels_table_init(&table);
    const struct labels *labels = labels_intern(&table, d->labels, d->label_count);
    struct test_input input = {.labels = ARENA_ARRAY(&run->arena, struct label, labels->count + 1),
                               .label_count = labels->count,
                               .values = d->values,
                               .value_count = d->value_count};
    struct buf key;
    buf_init(&key, LABEL_KEY_MAX);
    for (size_t i = 0; i < labels->count; i++)
        input.labels[i] = (struct label){arena_sv(&run->arena, labels->items[i].name),
                                         arena_sv(&run->arena, labels->items[i].value)};
    label_key(&key, input.labels, input.label_count);
    labels_table_free(&table);
    /* the same series again replaces the one before */
    uint64_t *slot = map_put(&run->newest, buf_view(&key), NULL);
    buf_free(&key);
    if (slot != NULL && *slot != 0) {
        run->inputs[*slot - 1] = input;
        return;
    }
    run->inputs[run->input_count++] = input;
    if (slot != NULL)
        *slot = run->input_count;
}

/*
 * promtool hands the series over as lines, so a line break in a series begins another, and an empty line or
 * one that begins with # ends them all.
 */
static bool read_inputs(struct test_run *run)
{
    size_t lines = 0;
    for (size_t i = 0; i < run->test->series_count; i++) {
        const struct unit_test_series *s = &run->test->series[i];
        for (size_t k = 0; k < s->series.n; k++)
            lines += s->series.p[k] == '\n';
        for (size_t k = 0; k < s->values.n; k++)
            lines += s->values.p[k] == '\n';
        lines++;
    }
    run->inputs = ARENA_ARRAY(&run->arena, struct test_input, lines + 1);
    for (size_t i = 0; i < run->test->series_count; i++) {
        const struct unit_test_series *s = &run->test->series[i];
        struct sv text = arena_printf(&run->arena, "%.*s %.*s", SV_FMT(s->series), SV_FMT(s->values));
        for (bool more = true; more;) {
            struct series_description d;
            struct err err = {0};
            more = sv_find_char(text, '\n') < text.n;
            struct sv line = sv_trim(sv_cut(&text, '\n'));
            if (line.n == 0 || line.p[0] == '#')
                return true;
            if (promql_parse_series(&run->parse, line, &d, &err) != 0) {
                buf_printf(run->why, "    input_series: \"%.*s\": %s\n", SV_FMT(sv_head(line, 200)),
                           err.text);
                return false;
            }
            add_input(run, &d);
        }
    }
    return true;
}

/* Loads what is not later than `time_ns`. */
static bool load_until(struct test_run *run, int64_t time_ns)
{
    int64_t until_ms = ns_to_ms(time_ns), start_ms = ns_to_ms(run->test->start_ns);
    int64_t step_ms = run->test->interval_ns / NS_PER_MS;
    for (size_t i = 0; i < run->input_count; i++) {
        struct test_input *input = &run->inputs[i];
        for (; input->next < input->value_count; input->next++) {
            const struct series_value *v = &input->values[input->next];
            int64_t t;
            struct err err = {0};
            if (__builtin_mul_overflow((int64_t)input->next, step_ms, &t) ||
                __builtin_add_overflow(t, start_ms, &t) || t > until_ms)
                break;
            if (!v->omitted &&
                append(run, input->labels, input->label_count, t, v->value, v->histogram, &err) != 0) {
                buf_printf(run->why, "    %s\n", err.text);
                return false;
            }
        }
    }
    return true;
}

/* --- rules --- */

static bool rules_are_good(struct test_run *run, const struct rule_file *const *rules, size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count; i++)
        for (const struct rule_problem *p = rules[i]->problems.first; p != NULL; p = p->next)
            if (!p->warning) {
                good = false;
                buf_printf(run->why, "    %.*s:", SV_FMT(rules[i]->path));
                if (p->line > 0)
                    buf_printf(run->why, "%u:%u:", p->line, p->column);
                buf_printf(run->why, " %.*s\n", SV_FMT(p->text));
            }
    return good;
}

/* Where group_eval_order names the group; those that it does not name come with the first one. */
static size_t order_of(const struct test_run *run, size_t group)
{
    struct sv name = rule_engine_group(run->engine, group)->name;
    for (size_t i = 0; i < run->file->group_order_count; i++)
        if (sv_eq(run->file->group_eval_order[i], name))
            return i;
    return 0;
}

static void order_groups(struct test_run *run)
{
    size_t count = rule_engine_group_count(run->engine), n = 0;
    run->order = ARENA_ARRAY(&run->arena, size_t, count + 1);
    for (size_t place = 0; place < TC_MAX(run->file->group_order_count, (size_t)1); place++)
        for (size_t g = 0; g < count; g++)
            if (order_of(run, g) == place)
                run->order[n++] = g;
}

/* False where a rule could not be evaluated: then nothing further can be said. */
static bool evaluate_groups(struct test_run *run, int64_t time_ns)
{
    bool good = true;
    for (size_t i = 0; i < rule_engine_group_count(run->engine); i++) {
        size_t g = run->order[i];
        const struct rule_group *group = rule_engine_group(run->engine, g);
        rule_engine_evaluate(run->engine, g, time_ns);
        for (size_t r = 0; r < group->rule_count; r++) {
            const char *error = rule_engine_error(run->engine, g, r);
            if (error == NULL)
                continue;
            good = false;
            buf_printf(run->why, "    rule: %.*s, time: ", SV_FMT(group->rules[r].name));
            go_format_duration(run->why, time_ns);
            buf_printf(run->why, ", err: %s\n", error);
        }
    }
    return good;
}

/* --- the whole --- */

static bool check_alertnames(struct test_run *run)
{
    for (size_t i = 0; i < run->test->alert_count; i++)
        if (run->test->alerts[i].alertname.n == 0) {
            buf_str(run->why,
                    "    an item under alert_rule_test misses required attribute alertname at eval_time ");
            prom_duration(run->why, run->test->alerts[i].eval_time_ns);
            if (run->test->named)
                buf_printf(run->why, " (in TestGroup %.*s)", SV_FMT(run->test->name));
            buf_char(run->why, '\n');
            return false;
        }
    return true;
}

static int64_t latest_eval_time(const struct unit_test *test)
{
    int64_t latest = 0;
    for (size_t i = 0; i < test->alert_count; i++)
        latest = TC_MAX(latest, test->alerts[i].eval_time_ns);
    for (size_t i = 0; i < test->query_count; i++)
        latest = TC_MAX(latest, test->queries[i].eval_time_ns);
    return latest;
}

static bool within_bounds(struct test_run *run)
{
    int64_t end;
    if (run->end_ns / run->file->evaluation_interval_ns >= UNIT_TEST_EVALUATIONS_MAX) {
        buf_printf(run->why, "    more than %d evaluations: take a longer evaluation_interval\n",
                   UNIT_TEST_EVALUATIONS_MAX);
        return false;
    }
    if (__builtin_add_overflow(run->test->start_ns, run->end_ns, &end)) {
        buf_str(run->why, "    an eval_time lies after the year 2262\n");
        return false;
    }
    return true;
}

static bool step_through(struct test_run *run)
{
    int64_t step_ns = run->file->evaluation_interval_ns, next_ns;
    for (int64_t since_ns = 0; since_ns <= run->end_ns; since_ns = next_ns) {
        int64_t time_ns = run->test->start_ns + since_ns;
        if (!load_until(run, time_ns) || !evaluate_groups(run, time_ns))
            return false;
        bool last = __builtin_add_overflow(since_ns, step_ns, &next_ns);
        if (last)
            next_ns = INT64_MAX;
        test_compare_alerts(run, since_ns, next_ns);
        if (last)
            break;
    }
    return true;
}

static void open_engine(struct test_run *run, const struct rule_file *const *rules, size_t rule_count)
{
    const struct unit_test *test = run->test;
    map_clear(&run->newest); /* has held the inputs so far */
    run->store = memory_store_new();
    run->source = memory_store_source(run->store);
    run->engine = rule_engine_new(
        rules, rule_count,
        &(struct rule_engine_options){
            .storage = {.source = run->source, .append = append_labels, .context = run},
            .interval_ns = test->interval_ns,
            .refused = promql_features_refused(&run->file->features),
            .delayed_name_removal = run->file->features.delayed_name_removal,
            .ignore_start_timestamps = !run->file->features.use_start_timestamps,
            .subquery_step_ms = TC_MAX(run->file->evaluation_interval_ns / NS_PER_MS, INT64_C(1)),
            .external_labels = test->external_labels,
            .external_label_count = test->external_label_count,
            .external_url = test->external_url});
    order_groups(run);
}

void unit_test_run(const struct unit_test_file *file, const struct unit_test *test,
                   const struct rule_file *const *rules, size_t rule_count, struct buf *why)
{
    struct test_run run = {.file = file, .test = test, .why = why, .end_ns = latest_eval_time(test)};
    map_init(&run.newest, UINT32_MAX / 4);
    if (read_inputs(&run) && rules_are_good(&run, rules, rule_count) && check_alertnames(&run) &&
        within_bounds(&run)) {
        open_engine(&run, rules, rule_count);
        if (step_through(&run))
            test_compare_queries(&run);
    }
    rule_engine_free(&run.engine);
    memory_store_free(&run.store);
    map_free(&run.newest);
    free(run.last);
    promql_parse_free(&run.parse);
    arena_free(&run.arena);
}
