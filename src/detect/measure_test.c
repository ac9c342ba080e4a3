/*
 * Windows of numbers against a slow model that counts everything anew, saved and restored anywhere; and the
 * four types from YAML to findings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/detect_testkit.h"
#include "detect/measure.h"
#include "detect/rank_tree.h"

#define S TC_SECOND_NS

static uint64_t rng_below(struct sim_rng *rng, uint64_t bound)
{
    return rng_u64(&rng->rng) % bound;
}

/* --- the model: all numbers that were ever added, nothing forgotten
 * --------------------------------------------------------------------------------------- */

enum { MODEL_MAX = 400, SPAN = 20 };

struct number {
    int64_t time;
    int64_t amount;
    uint32_t weight;
};

struct model {
    const struct measure_spec *spec;
    struct number all[MODEL_MAX]; /* by time, then arrival */
    size_t count;
};

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Does the rule hold for the numbers of [from, to], or of [from, to) and number `but` left out? */
static bool model_holds(const struct model *m, int64_t from, int64_t to, bool open, size_t but)
{
    static int64_t sorted[MODEL_MAX * 4];
    size_t n = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct number *e = &m->all[i];
        if (i == but || e->time < from || e->time > to || (open && e->time == to))
            continue;
        for (uint32_t k = 0; k < e->weight; k++) {
            sorted[n++] = e->amount;
            sum += e->amount;
        }
    }
    if (n == 0)
        return false;
    qsort(sorted, n, sizeof sorted[0], compare_numbers);
    int64_t value = sum, scale = 1;
    size_t rank = (m->spec->percentile * n + 99) / 100;
    if (m->spec->type == CORR_VALUE_AVG)
        scale = (int64_t)n;
    if (m->spec->type == CORR_VALUE_PERCENTILE)
        value = sorted[rank == 0 ? 0 : rank - 1];
    if (m->spec->type == CORR_VALUE_MEDIAN) {
        value = sorted[(n - 1) / 2] + sorted[n / 2];
        scale = 2;
    }
    bool all = true;
    for (size_t i = 0; i < m->spec->test_count; i++) {
        int64_t least = (int64_t)m->spec->amounts[i] * scale;
        enum corr_op op = m->spec->tests[i].op;
        all &= op == CORR_GT ? value > least : op == CORR_GTE ? value >= least : value < least;
    }
    return all;
}

struct said {
    int64_t times[64];
    size_t count, repeats;
};

static void say(void *context, const struct window_hit *hit)
{
    struct said *said = context;
    if (hit->repeat)
        said->repeats++;
    else
        said->times[said->count++] = hit->time_ns / S;
}

static void model_say(struct said *said, int64_t start, bool open, bool known)
{
    if (open && !known)
        said->times[said->count++] = start;
}

static size_t model_insert(struct model *m, struct number e)
{
    size_t at = m->count++;
    while (at > 0 && m->all[at - 1].time > e.time) {
        m->all[at] = m->all[at - 1];
        at--;
    }
    m->all[at] = e;
    return at;
}

static void model_add(struct model *m, struct number e, struct said *said)
{
    bool held = false, open = false, known = false, hot = false;
    for (size_t i = 0; i < m->count && m->all[i].time <= e.time; i++)
        held = model_holds(m, m->all[i].time - SPAN, m->all[i].time, false, SIZE_MAX);
    /* of several at one time the last stands for the window at rest */
    size_t me = model_insert(m, e), firsts = said->count;
    int64_t start = 0;
    /* at the event's own time, those of that time that came before it are in, later times are not */
    if (model_holds(m, e.time - SPAN, e.time, false, SIZE_MAX)) {
        open = hot = true;
        start = e.time;
        known = held && model_holds(m, e.time - SPAN, e.time, false, me);
    }
    for (size_t i = me + 1; i < m->count && m->all[i].time - SPAN <= e.time; i++) {
        int64_t x = m->all[i].time;
        if (m->all[i - 1].time == x)
            continue;
        if (!model_holds(m, x - SPAN, x, true, SIZE_MAX)) {
            model_say(said, start, open, known);
            open = false;
        }
        if (!model_holds(m, x - SPAN, x, false, SIZE_MAX)) {
            model_say(said, start, open, known);
            open = false;
            continue;
        }
        if (!open) {
            open = true;
            start = x;
            known = false;
        }
        hot = true;
        known |= model_holds(m, x - SPAN, x, false, me);
    }
    model_say(said, start, open, known);
    said->repeats += hot && said->count == firsts;
}

/* --- random timelines
 * ---------------------------------------------------------------------------------------------------- */

static struct measure *saved_and_restored(struct measure *measure, const struct measure_spec *spec)
{
    struct buf bytes, again;
    buf_init(&bytes, 1 << 20);
    buf_init(&again, 1 << 20);
    measure_save(measure, &bytes);
    struct reader from = reader_of(buf_view(&bytes));
    struct measure *copy = measure_load(spec, true, &from);
    assert_non_null(copy);
    assert_int_equal(from.rest.n, 0);
    measure_save(copy, &again);
    assert_true(sv_eq(buf_view(&bytes), buf_view(&again)));
    measure_free(&measure);
    buf_free(&bytes);
    buf_free(&again);
    return copy;
}

static void one_timeline(struct sim_rng *rng, bool late)
{
    struct corr_test test = {rng_below(rng, 2) != 0 ? CORR_GT : CORR_GTE, 0};
    num_amount amount = (num_amount)rng_below(rng, 60) - 10;
    struct measure_spec spec = {.type = (enum corr_type)(CORR_VALUE_SUM + rng_below(rng, 4)),
                                .percentile = (uint32_t)rng_below(rng, 101),
                                .timespan_ns = SPAN * S,
                                .tests = &test,
                                .amounts = &amount,
                                .test_count = 1,
                                .max_entries = 1000,
                                .seed = rng_u64(&rng->rng)};
    struct measure *measure = measure_new();
    struct model model = {.spec = &spec};
    int64_t now = 0, newest = 0;
    for (unsigned i = 0; i < 120; i++) {
        now = late && rng_below(rng, 3) == 0 ? TC_MAX(newest - (int64_t)rng_below(rng, 30), 0)
                                             : newest + (int64_t)rng_below(rng, 12);
        newest = TC_MAX(newest, now);
        struct number e = {now, (int64_t)rng_below(rng, 40) - 8, 1 + (rng_below(rng, 8) == 0)};
        struct said got = {0}, wanted = {0};
        model_add(&model, e, &wanted);
        int64_t horizon = late ? newest - 30 - 2 * SPAN : newest - 2 * SPAN;
        assert_int_equal(
            measure_slide(measure, &spec, horizon * S, e.time * S, e.amount, e.weight, say, &got), 0);
        assert_int_equal(got.count, wanted.count);
        assert_memory_equal(got.times, wanted.times, got.count * sizeof got.times[0]);
        assert_int_equal(got.repeats, wanted.repeats);
        if (rng_below(rng, 10) == 0)
            measure = saved_and_restored(measure, &spec);
    }
    measure_free(&measure);
}

static void test_C_111_in_order_against_a_slow_model(void **state)
{
    struct sim_rng rng;
    (void)state;
    sim_rng_init(&rng, 1);
    for (unsigned i = 0; i < 400; i++)
        one_timeline(&rng, false);
}

static void test_C_111_out_of_order_against_a_slow_model(void **state)
{
    struct sim_rng rng;
    (void)state;
    sim_rng_init(&rng, 2);
    for (unsigned i = 0; i < 400; i++)
        one_timeline(&rng, true);
}

static void test_ranks_against_sorting(void **state)
{
    enum { N = 3000 };
    static int64_t numbers[N];
    struct sim_rng rng;
    struct rank_tree *tree = rank_tree_new(7);
    size_t n = 0;
    (void)state;
    sim_rng_init(&rng, 3);
    for (unsigned i = 0; i < 20000; i++) {
        if (n < N && (n == 0 || rng_below(&rng, 5) < 3)) {
            numbers[n] = (int64_t)rng_below(&rng, 500) - 250;
            rank_tree_add(tree, numbers[n++], 1);
        } else {
            size_t at = rng_below(&rng, n);
            rank_tree_remove(tree, numbers[at], 1);
            numbers[at] = numbers[--n];
        }
        if (i % 500 != 0 || n == 0)
            continue;
        qsort(numbers, n, sizeof numbers[0], compare_numbers);
        for (size_t k = 0; k < n; k++)
            assert_true(rank_tree_at(tree, k) == numbers[k]);
    }
    rank_tree_free(&tree);
}

static void test_full_measure_keeps_the_newest(void **state)
{
    struct corr_test test = {CORR_GTE, 0};
    num_amount amount = 30;
    struct measure_spec spec = {.type = CORR_VALUE_SUM,
                                .timespan_ns = 100 * S,
                                .tests = &test,
                                .amounts = &amount,
                                .test_count = 1,
                                .max_entries = 3};
    struct measure *measure = measure_new();
    struct said said = {0};
    uint32_t lost = 0;
    (void)state;
    for (int64_t i = 1; i <= 5; i++)
        lost += measure_slide(measure, &spec, 0, i * S, 10, 1, say, &said);
    assert_int_equal(lost, 2);
    assert_int_equal(said.count, 1);
    assert_int_equal(said.times[0], 3);
    assert_int_equal(measure_slide(measure, &spec, 0, 1 * S, 10, 1, say, &said), 1); /* itself the oldest */
    assert_int_equal(measure_count(measure), 3);
    measure_free(&measure);
}

static void test_damaged_bytes_are_refused(void **state)
{
    struct corr_test test = {CORR_GTE, 0};
    num_amount amount = 30;
    struct measure_spec spec = {.type = CORR_VALUE_MEDIAN,
                                .timespan_ns = 100 * S,
                                .tests = &test,
                                .amounts = &amount,
                                .test_count = 1,
                                .max_entries = 100};
    struct measure *measure = measure_new(), *copy;
    struct said said = {0};
    struct buf bytes;
    struct sim_rng rng;
    (void)state;
    sim_rng_init(&rng, 4);
    for (int64_t i = 0; i < 4; i++)
        measure_slide(measure, &spec, 0, i * S, 10 - i, 1, say, &said);
    buf_init(&bytes, 1 << 16);
    measure_save(measure, &bytes);
    for (size_t n = 0; n < bytes.n; n++) {
        struct reader from = reader_of(sv_make(bytes.p, n));
        assert_null(measure_load(&spec, true, &from));
    }
    for (unsigned i = 0; i < 2000; i++) { /* anything but a crash */
        size_t at = rng_below(&rng, bytes.n);
        char old = bytes.p[at];
        bytes.p[at] = (char)rng_below(&rng, 256);
        struct reader from = reader_of(buf_view(&bytes));
        copy = measure_load(&spec, i % 2 == 0, &from);
        measure_free(&copy);
        bytes.p[at] = old;
    }
    buf_free(&bytes);
    measure_free(&measure);
}

/* --- from YAML
 * ---------------------------------------------------------------------------------------------------- */

#define RULE                                                                                                 \
    "title: W\nid: w\nname: w\nlogsource: {category: x}\ndetection:\n  s: {k: w}\n  condition: s\n---\n"
#define CORR(type, condition)                                                                                \
    RULE "title: T\nid: t\ncorrelation:\n  type: " type                                                      \
         "\n  rules: [w]\n  group-by: [u]\n  timespan: 60s\n  condition: {field: n, " condition "}\n"

/* "0:5 10:2.5": at second 0 the number 5, and so on. What is not a number stands as a text. */
static void check(const char *yaml, const char *numbers, const char *expected)
{
    struct kit kit = {0};
    struct finding_list found = {.arena = &kit.arena};
    struct sv rest = sv_of(numbers), text = SV("");
    kit_load(&kit, yaml);
    assert_string_equal(kit_refusal(&kit), "");
    struct detector *detector = detector_new(kit.set, &(struct detector_options){0});
    while (rest.n > 0) {
        struct sv one = sv_head(rest, sv_find_char(rest, ' '));
        size_t colon = sv_find_char(one, ':');
        int64_t second;
        assert_true(num_i64(sv_head(one, colon), &second));
        struct event event =
            kit_event(&kit, arena_printf(&kit.arena, "{\"k\":\"w\",\"u\":\"u\",\"n\":\"%.*s\"}",
                                         SV_FMT(sv_from(one, colon + 1)))
                                .p);
        const struct event *events = &event;
        event.time.ns = second * S;
        event.source = SV("test");
        detector_judge(detector, &events, 1, &found);
        rest = sv_from(rest, TC_MIN(one.n + 1, rest.n));
    }
    detector_finish(detector, &found);
    for (size_t i = 0; i < found.count; i++)
        if (!found.items[i].repeat && sv_is(found.items[i].rule->title, "T"))
            text = arena_printf(&kit.arena, "%.*s%s%lld=%.*s/%u", SV_FMT(text), text.n > 0 ? " " : "",
                                (long long)(found.items[i].time.ns / S), SV_FMT(found.items[i].value),
                                found.items[i].count);
    assert_string_equal(arena_str(&kit.arena, text), expected);
    detector_free(&detector);
    kit_free(&kit);
}

static void test_C_111_value_sum(void **state)
{
    (void)state;
    check(CORR("value_sum", "gt: 10"), "0:5 30:5 60:0.5", "60=10.5/3");
    check(CORR("value_sum", "gte: 10"), "0:5 30:4 61:5", "");
    check(CORR("value_sum", "gte: 10"), "0:5 30:nine 31:5", "31=10/2"); /* what is no number has no part */
    check(CORR("value_sum", "gte: 10"), "0:12 30:1 90:1 95:20", "0=12/1 95=21/2"); /* fell in between */
    check(CORR("value_sum", "gt: 0.3"), "0:0.1 1:0.2", ""); /* exact, not a double's 0.30000000000000004 */
    check(CORR("value_sum", "gte: 0.3"), "0:0.1 1:0.2", "1=0.3/2");
    check(CORR("value_sum", "gte: 9007199254740993"), "0:9007199254740992 1:1", "1=9007199254740993/2");
    check(CORR("value_sum", "gte: 10, lte: 20"), "0:5 30:8 100:30", "60=13/2"); /* judged at the end */
}

static void test_C_111_value_avg(void **state)
{
    (void)state;
    check(CORR("value_avg", "gt: 500"), "0:400 10:600 20:501", "20=500.333333/3");
    check(CORR("value_avg", "gte: 500"), "0:400 10:600 20:100 30:1000", "10=500/2 30=525/4");
    check(CORR("value_avg", "lt: 500"), "0:400 10:600 70:100", "130=100/1");
    check(CORR("value_avg", "lt: -2.5"), "0:-3 10:-2.5", "60=-2.75/2");
    /* what leaves lifts the mean; it is said when the next event comes */
    check(CORR("value_avg", "gte: 90"), "0:1 10:100 61:95", "61=97.5/2");
}

static void test_C_111_value_percentile_and_median(void **state)
{
    (void)state;
    check(CORR("value_percentile", "percentile: 50, gte: 5"), "0:1 1:9 2:5", "2=5/3");
    check(CORR("value_percentile", "percentile: 0, gte: 5"), "0:4 1:9 61:6", "61=6/2");
    check(CORR("value_percentile", "percentile: 100, gt: 9"), "0:1 1:9 2:10", "2=10/3");
    check(CORR("value_percentile", "percentile: 95, lte: 1"), "0:1 1:1 100:1 101:2", "60=1/2");
    check(CORR("value_median", "gte: 5"), "0:1 1:9 70:2 71:7", "1=5/2");
    check(CORR("value_median", "gt: 4.5"), "0:4 1:5 2:6", "2=5/3");
    check(CORR("value_median", "lt: 5"), "0:4 1:5", "60=4.5/2");
}

static void test_C_111_a_thousand_numbers_of_one_group(void **state)
{
    struct kit kit = {0};
    struct finding_list found = {.arena = &kit.arena};
    (void)state;
    kit_load(&kit, CORR("value_median", "gte: 5000"));
    struct detector *detector = detector_new(kit.set, &(struct detector_options){0});
    for (unsigned i = 0; i < 20000; i++) {
        struct event event =
            kit_event(&kit, arena_printf(&kit.arena, "{\"k\":\"w\",\"u\":\"u\",\"n\":%u}", i).p);
        const struct event *events = &event;
        event.time.ns = S + i * 1000;
        event.source = SV("test");
        detector_judge(detector, &events, 1, &found);
    }
    struct detector_stats stats;
    detector_stats(detector, &stats);
    assert_int_equal(stats.findings, 1);
    assert_int_equal(stats.lost_entries, 10000); /* the bound of a group */
    detector_free(&detector);
    kit_free(&kit);
}

/* --- kept and restored
 * ---------------------------------------------------------------------------------------------------- */

#define NAMED(name)                                                                                          \
    "title: " name "\nid: " name "\nname: " name "\nlogsource: {category: x}\ndetection:\n  s: {k: " name    \
    "}\n  condition: s\n---\n"
#define EACH(id, rest)                                                                                       \
    "title: " id "\nid: " id "\ncorrelation:\n  group-by: [u]\n  timespan: 60s\n" rest "---\n"
static const char all_types[] =
    NAMED("a") NAMED("b") EACH("t1", "  type: event_count\n  rules: [a]\n  condition: {gte: 4}\n")
        EACH("t2", "  type: value_count\n  rules: [a]\n  condition: {gte: 3, field: n}\n")
            EACH("t3", "  type: temporal\n  condition: a and b\n")
                EACH("t4", "  type: temporal\n  condition: a and not b\n")
                    EACH("t5", "  type: temporal_ordered\n  rules: [a, b]\n")
                        EACH("t6", "  type: value_sum\n  rules: [a]\n  condition: {gte: 20, field: n}\n")
                            EACH("t7", "  type: value_avg\n  rules: [a]\n  condition: {gt: 5.5, field: n}\n")
                                EACH("t8",
                                     "  type: value_median\n  rules: [a]\n  condition: {gte: 6, field: n}\n")
                                    EACH("t9", "  type: value_percentile\n  rules: [a]\n  condition: "
                                               "{percentile: 90, lt: 8, field: n}\n");

enum { EVENTS = 300 };

/* The findings of a timeline; the detector is saved and made anew before every `restart`-th event, from the
 * rules `again`. */
static void timeline(struct kit *kit, const char *yaml, const char *again, unsigned restart, struct buf *out)
{
    struct sim_rng rng;
    struct detector_options options = {.lateness_ns = 15 * S};
    struct finding_list found = {.arena = &kit->arena};
    struct kit next = {0};
    sim_rng_init(&rng, 11);
    kit_load(kit, yaml);
    kit_load(&next, again);
    assert_string_equal(kit_refusal(kit), "");
    struct detector *detector = detector_new(kit->set, &options);
    for (unsigned i = 0; i < EVENTS; i++) {
        struct event event =
            kit_event(kit, arena_printf(&kit->arena, "{\"k\":\"%c\",\"u\":\"%u\",\"n\":%u}",
                                        rng_below(&rng, 3) == 0 ? 'b' : 'a', (unsigned)rng_below(&rng, 3),
                                        (unsigned)rng_below(&rng, 12))
                               .p);
        const struct event *events = &event;
        event.position = i + 1;
        event.time.ns = ((int64_t)i * 6 + 100 - (int64_t)rng_below(&rng, 20)) * S;
        event.source = SV("test");
        if (restart != 0 && i % restart == 0) {
            struct buf saved;
            struct err err;
            buf_init(&saved, 1 << 24);
            detector_save(detector, &saved);
            detector_free(&detector);
            detector = detector_new(next.set, &options);
            assert_int_equal(detector_load(detector, buf_view(&saved), &err), 0);
            buf_free(&saved);
        }
        detector_judge(detector, &events, 1, &found);
    }
    detector_finish(detector, &found);
    for (size_t i = 0; i < found.count; i++) {
        const struct finding *f = &found.items[i];
        buf_printf(out, "%llu %.*s #%u %s %lld %u %.*s\n", (unsigned long long)f->position,
                   SV_FMT(f->rule->id), f->ordinal, f->repeat ? "repeat" : "first", (long long)f->time.ns,
                   f->count, SV_FMT(f->value));
    }
    detector_free(&detector);
    kit_free(&next);
}

static void same_as_uninterrupted(const char *again, unsigned restart)
{
    struct kit kits[2] = {0};
    struct buf outs[2];
    for (unsigned i = 0; i < 2; i++) {
        buf_init(&outs[i], 1 << 22);
        timeline(&kits[i], all_types, again, i * restart, &outs[i]);
    }
    for (unsigned i = 1; i <= 9; i++) {
        char first[32];
        snprintf(first, sizeof first, "t%u #0 first", i);
        buf_char(&outs[0], '\0');
        assert_non_null(strstr(outs[0].p, first)); /* every type has something to say */
        outs[0].n--;
    }
    assert_true(sv_eq(buf_view(&outs[0]), buf_view(&outs[1])));
    for (unsigned i = 0; i < 2; i++) {
        buf_free(&outs[i]);
        kit_free(&kits[i]);
    }
}

static void test_C19_restart_before_every_event(void **state)
{
    (void)state;
    same_as_uninterrupted(all_types, 1);
    same_as_uninterrupted(all_types, 7);
}

static void test_C20_reload_of_another_rule_keeps_windows(void **state)
{
    struct kit kit = {0};
    struct sv more = arena_printf(&kit.arena, "%s%s", all_types, NAMED("unrelated"));
    (void)state;
    same_as_uninterrupted(more.p, 5);
    kit_free(&kit);
}

static void test_C3_the_same_records_give_the_same_findings(void **state)
{
    struct kit kits[2] = {0};
    struct buf outs[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        buf_init(&outs[i], 1 << 22);
        timeline(&kits[i], all_types, all_types, 0, &outs[i]);
    }
    assert_true(sv_eq(buf_view(&outs[0]), buf_view(&outs[1])));
    for (unsigned i = 0; i < 2; i++) {
        buf_free(&outs[i]);
        kit_free(&kits[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_111_in_order_against_a_slow_model),
        cmocka_unit_test(test_C_111_out_of_order_against_a_slow_model),
        cmocka_unit_test(test_ranks_against_sorting),
        cmocka_unit_test(test_full_measure_keeps_the_newest),
        cmocka_unit_test(test_damaged_bytes_are_refused),
        cmocka_unit_test(test_C_111_value_sum),
        cmocka_unit_test(test_C_111_value_avg),
        cmocka_unit_test(test_C_111_value_percentile_and_median),
        cmocka_unit_test(test_C_111_a_thousand_numbers_of_one_group),
        cmocka_unit_test(test_C19_restart_before_every_event),
        cmocka_unit_test(test_C20_reload_of_another_rule_keeps_windows),
        cmocka_unit_test(test_C3_the_same_records_give_the_same_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
