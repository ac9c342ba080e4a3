/*
 * StatsD: lines, what they add up to, and what is refused.
 */
#include "metrics/statsd/statsd_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum statsd_verdict want;
    } cases[] = {
        {"a:1|c", STATSD_GOOD},
        {"a.b:1:2:3|h|@0.5|#x:y,z|c:abc|T1700000000|e:it-false", STATSD_GOOD},
        {"a:foo|s", STATSD_GOOD},
        {"a:1", STATSD_MALFORMED},
        {":1|c", STATSD_MALFORMED},
        {"a:|c", STATSD_MALFORMED},
        {"a|c", STATSD_MALFORMED},
        {"a:1|x", STATSD_MALFORMED},
        {"a:1|c|@0", STATSD_MALFORMED},
        {"a:1|c|@1.5", STATSD_MALFORMED},
        {"_e{5,4}:title|text", STATSD_EVENT},
        {"_sc|name|0", STATSD_SERVICE_CHECK},
    };
    struct statsd_line line;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++)
        if (statsd_read(sv_of(cases[i].line), &line) != cases[i].want)
            fail_msg("%s", cases[i].line);
    assert_int_equal(statsd_read(SV("a:1|c|@0.1|#k:v:w,flag,:x"), &line), STATSD_GOOD);
    assert_true(line.rate == 0.1 && line.tag_count == 3);
    assert_true(sv_is(line.tags[0].value, "v:w") && sv_is(line.tags[1].value, "true"));
}

static enum statsd_outcome add(struct statsd_table *t, const char *text, int64_t now_ms)
{
    struct statsd_line line;
    assert_int_equal(statsd_read(sv_of(text), &line), STATSD_GOOD);
    return statsd_table_add(t, &line, now_ms);
}

static double value_of(const struct sample_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < list->items[i].label_count; k++)
            if (sv_eq(list->items[i].labels[k].name, METRIC_NAME) &&
                sv_is(list->items[i].labels[k].value, name))
                return list->items[i].histogram != NULL ? list->items[i].histogram->count
                                                        : list->items[i].value;
    fail_msg("no %s", name);
    return 0;
}

static void test_values(void **state)
{
    (void)state;
    struct statsd_table *t = statsd_table_new(
                            &(struct statsd_table_options){.signed_gauges = true, .idle_ms = STATSD_IDLE_MS}),
                        *absolute = statsd_table_new(&(struct statsd_table_options){
                            .signed_gauges = false, .idle_ms = STATSD_IDLE_MS});
    struct sample_list list = {0};
    add(t, "c:3|c|@0.5", 1);
    add(t, "c:1|c", 1);
    add(t, "g:10|g", 1);
    add(t, "g:-3|g", 1);
    add(t, "g:+1|g", 1);
    add(absolute, "g:10|g", 1);
    add(absolute, "g:-3|g", 1);
    add(t, "s:x:y:x|s", 1);
    add(t, "h:0.5:0:-2:1e9|ms|@0.5", 1);
    assert_int_equal(add(t, "c:5|g", 1), STATSD_OTHER_TYPE);
    assert_int_equal(add(t, "c:x|c", 1), STATSD_BAD_VALUE);
    assert_int_equal(add(t, "n:1|c|#__name__:x", 1), STATSD_BAD_NAME);
    assert_int_equal(add(t, "n:1|c|#user:jane.doe@example.com", 1), STATSD_PERSONAL);
    statsd_table_flush(t, 10, &list);
    assert_int_equal(list.n, 4);
    assert_true(value_of(&list, "c") == 7 && value_of(&list, "g") == 8 && value_of(&list, "s") == 2);
    assert_true(value_of(&list, "h") == 8);
    sample_list_reset(&list);
    statsd_table_flush(absolute, 10, &list);
    assert_true(value_of(&list, "g") == -3);
    sample_list_reset(&list);
    add(t, "c:1|c", STATSD_IDLE_MS + 1000);
    statsd_table_flush(t, STATSD_IDLE_MS + 1000, &list); /* the others have been silent */
    assert_true(value_of(&list, "c") == 8 && is_stale(value_of(&list, "g")));
    assert_int_equal(statsd_table_series(t), 1);
    sample_list_free(&list);
    statsd_table_free(&t);
    statsd_table_free(&absolute);
}

/* Every value lies in its bucket, at every schema that merging comes to. */
static void test_buckets(void **state)
{
    (void)state;
    struct statsd_table *t =
        statsd_table_new(&(struct statsd_table_options){.signed_gauges = true, .idle_ms = STATSD_IDLE_MS});
    struct sample_list list = {0};
    char text[64];
    double v = 1e-9;
    int n = 0;
    for (; v < 1e12; v *= 1.03, n++) {
        snprintf(text, sizeof text, "h:%.17g|h", v);
        assert_int_equal(add(t, text, 1), STATSD_TAKEN);
    }
    for (int i = -8; i <= 8; i++, n++) { /* bounds are within */
        snprintf(text, sizeof text, "h:%.17g|h", exp2(i));
        add(t, text, 1);
    }
    statsd_table_flush(t, 10, &list);
    const struct histogram *h = list.items[0].histogram;
    assert_true(h->positive.n <= STATSD_BUCKETS_MAX && h->schema == 2);
    double count = 0, below = 0;
    for (size_t i = 0; i < h->positive.n; i++) {
        count += h->positive.count[i];
        if (histogram_bound(h, h->positive.index[i]) <= 1)
            below += h->positive.count[i];
        assert_true(i == 0 || h->positive.index[i] > h->positive.index[i - 1]);
    }
    int want = 9; /* 2^-8 to 2^0 */
    for (v = 1e-9; v <= 1; v *= 1.03)
        want++;
    assert_true(count == n && below == want);
    sample_list_free(&list);
    statsd_table_free(&t);
}

/* Long tags and long members of sets fill the table no further than its bytes. */
static void test_bytes(void **state)
{
    (void)state;
    struct statsd_table *t =
        statsd_table_new(&(struct statsd_table_options){.signed_gauges = true, .idle_ms = STATSD_IDLE_MS});
    struct sample_list list = {0};
    struct buf text;
    enum { LONG = 60000 };
    buf_init(&text, LONG + 100);
    enum statsd_outcome outcome = STATSD_TAKEN;
    unsigned n = 0;
    for (; outcome == STATSD_TAKEN && n < 10000; n++) {
        buf_clear(&text);
        buf_printf(&text, "s:%u", n);
        while (text.n < LONG)
            buf_char(&text, 'x');
        buf_str(&text, "|s");
        buf_char(&text, '\0');
        outcome = add(t, text.p, 1);
    }
    assert_int_equal(outcome, STATSD_NO_ROOM);
    assert_true(n > STATSD_BYTES_MAX / LONG - 20 && n <= STATSD_BYTES_MAX / LONG + 1);
    assert_true(statsd_table_bytes(t) <= STATSD_BYTES_MAX);
    buf_clear(&text);
    buf_str(&text, "c:1|c|#k:");
    while (text.n < LONG)
        buf_char(&text, 'x');
    buf_char(&text, '\0');
    assert_int_equal(add(t, text.p, 1), STATSD_NO_ROOM);
    statsd_table_flush(t, 10, &list); /* sets begin anew */
    assert_true(statsd_table_bytes(t) < 100);
    assert_int_equal(add(t, text.p, 1), STATSD_TAKEN);
    sample_list_free(&list);
    statsd_table_flush(t, 2 * STATSD_IDLE_MS, &list);
    assert_int_equal(statsd_table_bytes(t), 0);
    sample_list_free(&list);
    buf_free(&text);
    statsd_table_free(&t);
}

static void count_one(struct statsd_table *t, const char *name, const char *tag, unsigned number,
                      int64_t now_ms)
{
    char text[64];
    snprintf(text, sizeof text, "%s%u", tag, number);
    struct statsd_line line = {.name = sv_of(name),
                               .values = SV("1"),
                               .type = STATSD_COUNTER,
                               .rate = 1,
                               .tags = {{SV("who"), sv_of(text)}},
                               .tag_count = tag[0] == '\0' ? 0 : 1};
    assert_int_equal(statsd_table_add(t, &line, now_ms), STATSD_TAKEN);
}

/* How many of the list are stale, and how many of those bear the tag. */
static size_t stale_of(const struct sample_list *list, const char *tag, size_t *ret_tagged)
{
    size_t stale = 0;
    *ret_tagged = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (!is_stale(list->items[i].value))
            continue;
        stale++;
        for (size_t k = 0; k < list->items[i].label_count; k++)
            *ret_tagged += sv_starts(list->items[i].labels[k].value, sv_of(tag));
    }
    return stale;
}

static void test_Y_10_hostile_tags_make_room_for_new_series(void **state)
{
    (void)state;
    const int64_t hour = STATSD_IDLE_MS;
    struct statsd_table *t =
        statsd_table_new(&(struct statsd_table_options){.keeps_bare = true, .idle_ms = 24 * hour});
    struct sample_list list = {0};
    size_t tagged;
    count_one(t, "bare", "", 0, 0);
    for (unsigned i = 0; i < 1000; i++) {
        count_one(t, "known", "friend", i, 0);
        count_one(t, "known", "friend", i, 1);
    }
    for (unsigned i = 0; i < STATSD_CROWDED; i++)
        count_one(t, "known", "foe", i, 2);
    statsd_table_flush(t, hour, &list);
    assert_int_equal(stale_of(&list, "", &tagged), 0); /* none was silent for an hour */
    sample_list_reset(&list);
    statsd_table_flush(t, hour + 10, &list);
    size_t gone = STATSD_CROWDED + 1001 - STATSD_ROOMY;
    assert_int_equal(stale_of(&list, "foe", &tagged), gone);
    assert_int_equal(tagged, gone);
    assert_int_equal(statsd_table_series(t), STATSD_ROOMY);
    assert_int_equal(statsd_table_made_room(t), gone);
    sample_list_reset(&list);
    count_one(t, "known", "new", 0, hour + 20);
    statsd_table_flush(t, 25 * hour, &list); /* all others were silent for a day, but the bare one stays */
    assert_int_equal(statsd_table_series(t), 2);
    assert_int_equal(stale_of(&list, "friend", &tagged), STATSD_ROOMY - 1);
    assert_int_equal(tagged, 1000);
    assert_int_equal(statsd_table_forgotten(t), gone + STATSD_ROOMY - 1);
    sample_list_free(&list);
    statsd_table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"A-12 lines of StatsD and DogStatsD", test_lines, NULL, NULL, NULL},
        {"A-12 counters, gauges, sets, timers and rates; series that are silent go", test_values, NULL, NULL,
         NULL},
        {"A-12 B-12 buckets hold what was observed", test_buckets, NULL, NULL, NULL},
        {"bytes of labels and members are bounded", test_bytes, NULL, NULL, NULL},
        {"Y-10 hostile tags make room for new series", test_Y_10_hostile_tags_make_room_for_new_series, NULL,
         NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
