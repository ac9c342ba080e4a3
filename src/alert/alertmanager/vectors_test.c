/*
 * Alertmanager's own tables of cases, held against this folder: matchers in both syntaxes, routes with their
 * keys, inhibition, time intervals, and the verdicts on configurations. They are read from ../shared/data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "alert/alertmanager/config_priv.h"
#include "base/clk.h"
#include "base/fs.h"
#include "template/template.h"

#include <stdio.h>
#include <unistd.h>

#define DATA "../shared/data/"

static int read_bytes(struct arena *arena, const char *path, struct sv *ret)
{
    struct buf bytes;
    struct err err = {0};
    buf_init(&bytes, 16 << 20);
    int rc = fs_read_file(&fs_system, path, &bytes, &err);
    if (rc == 0)
        *ret = arena_sv(arena, buf_view(&bytes));
    buf_free(&bytes);
    return rc;
}

typedef bool row_fn(struct arena *arena, struct template_value row);

/* Every row of a file; the failures are shown, so that one run tells all of them. */
static void each_row(const char *path, size_t least, row_fn *check)
{
    struct arena arena = {0};
    struct sv text;
    size_t count = 0, failed = 0;
    if (read_bytes(&arena, path, &text) != 0) {
        print_message("skipped: no third-party data at %s\n", path);
        skip();
    }
    while (text.n > 0) {
        struct sv line = sv_cut(&text, '\n');
        struct template_value row;
        struct err err = {0};
        if (line.n == 0)
            continue;
        if (template_from_json(&arena, line, &row, &err) != 0)
            fail_msg("%s", err.text);
        if (!check(&arena, row)) {
            print_message("  in %.*s\n", SV_FMT(line));
            failed++;
        }
        count++;
    }
    print_message("%zu of %zu\n", count - failed, count);
    arena_free(&arena);
    assert_int_equal(failed, 0);
    assert_true(count >= least);
}

static const struct template_value *get(struct template_value of, const char *name)
{
    return template_get(of, sv_of(name));
}

static struct sv text_of(struct template_value of, const char *name)
{
    const struct template_value *found = get(of, name);
    return found == NULL || found->kind != TEMPLATE_STRING ? SV("") : found->as.text;
}

static int64_t integer_of(struct template_value value)
{
    return value.kind == TEMPLATE_FLOAT ? (int64_t)value.as.number : value.as.integer;
}

static int64_t number_of(struct template_value of, const char *name)
{
    const struct template_value *found = get(of, name);
    assert_non_null(found);
    return integer_of(*found);
}

static bool truth_of(struct template_value of, const char *name)
{
    const struct template_value *found = get(of, name);
    return found != NULL && found->kind == TEMPLATE_BOOL && found->as.boolean;
}

static size_t length_of(const struct template_value *value)
{
    return value == NULL || value->kind != TEMPLATE_LIST ? 0 : value->as.list->n;
}

/* --- matchers --- */

static const char *const operators[] = {"=", "!=", "=~", "!~"};

static bool is_matcher(const struct am_matcher *got, struct template_value want)
{
    return sv_eq(got->name, text_of(want, "name")) && sv_eq(got->value, text_of(want, "value")) &&
           sv_is(text_of(want, "op"), operators[got->type]);
}

static bool compare_matchers(struct am_matchers got, const struct template_value *want)
{
    bool same = length_of(want) == got.count;
    for (size_t i = 0; i < got.count && same; i++)
        same = is_matcher(&got.items[i], want->as.list->items[i]);
    return same;
}

static bool check_matchers(enum am_matcher_mode mode, struct template_value row, const char *want,
                           const char *want_error)
{
    struct am_pool pool = {0};
    struct am_matchers got = {0};
    struct err err = {0};
    const struct template_value *error = get(row, want_error);
    int rc = am_matchers_parse(&pool, mode, text_of(row, "input"), &got, NULL, &err);
    bool good = error != NULL ? rc != 0 && sv_is(error->as.text, err.text)
                              : rc == 0 && compare_matchers(got, get(row, want));
    if (!good)
        print_message("got %zu matchers, %s\n", got.count, err.text);
    am_pool_free(&pool);
    return good;
}

static bool check_classic(struct arena *arena, struct template_value row)
{
    (void)arena;
    return check_matchers(AM_MATCHERS_CLASSIC, row, "want", "err");
}

static bool check_utf8(struct arena *arena, struct template_value row)
{
    (void)arena;
    return check_matchers(AM_MATCHERS_UTF8, row, "expected", "error");
}

/* Both syntaxes must agree where the row does not say that they do not; the errors are the classic ones. */
static bool check_compliance(struct arena *arena, struct template_value row)
{
    (void)arena;
    struct am_pool pool = {0};
    struct am_matchers utf8 = {0};
    bool refused = get(row, "err") != NULL, skipped = truth_of(row, "skip");
    bool good = skipped || (am_matchers_parse(&pool, AM_MATCHERS_UTF8, text_of(row, "input"), &utf8, NULL,
                                              NULL) == 0) == !refused;
    good = good && (skipped || refused || compare_matchers(utf8, get(row, "want")));
    am_pool_free(&pool);
    /* names-with-dashes are the UTF-8 syntax's alone, but both together can read them */
    return good && (skipped || check_matchers(AM_MATCHERS_FALLBACK, row, "want", "err"));
}

static bool check_single(struct arena *arena, struct template_value row)
{
    struct am_pool pool = {0};
    struct am_matchers got = {0};
    struct err err = {0};
    (void)arena;
    const struct template_value *error = get(row, "error");
    /* am_matcher_parse refuses braces, as amtool does; the table is of the parser beneath. */
    int rc = am_matchers_parse(&pool, AM_MATCHERS_UTF8, text_of(row, "input"), &got, NULL, &err);
    bool good = rc == 0 && error == NULL && got.count == 1 && is_matcher(got.items, *get(row, "expected"));
    if (error != NULL)
        good = rc != 0 ? sv_is(error->as.text, err.text)
                       : sv_is(error->as.text, "no matchers") && got.count == 0;
    am_pool_free(&pool);
    return good;
}

static bool check_eval(struct arena *arena, struct template_value row)
{
    struct am_pool pool = {0};
    struct am_matcher matcher;
    size_t type = 0;
    (void)arena;
    while (!sv_is(text_of(row, "op"), operators[type]))
        type++;
    bool good = am_matcher_make(&pool, (enum am_match_type)type, SV("label"), text_of(row, "pattern"),
                                &matcher, NULL) == 0 &&
                am_matcher_matches(&matcher, text_of(row, "value")) == truth_of(row, "match");
    am_pool_free(&pool);
    return good;
}

static void matchers_classic(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-matchers-classic.jsonl", 15, check_classic);
}

static void matchers_utf8(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-matchers-utf8.jsonl", 15, check_utf8);
}

static void matchers_compliance(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-matchers-compliance.jsonl", 15, check_compliance);
}

static void matcher_single(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-matcher-single-utf8.jsonl", 10, check_single);
}

static void matcher_eval(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-matcher-eval.jsonl", 5, check_eval);
}

/* --- label sets, routes, inhibition --- */

static struct am_labels labels_of(struct arena *arena, const struct template_value *object)
{
    size_t count = object == NULL ? 0 : object->as.pairs->n;
    struct am_label *labels = ARENA_ARRAY(arena, struct am_label, count + 1);
    for (size_t i = 0; i < count; i++)
        labels[i] =
            (struct am_label){object->as.pairs->items[i].name, object->as.pairs->items[i].value->as.text};
    return (struct am_labels){labels, am_labels_sort(labels, count)};
}

static bool timer_is(int64_t got, struct template_value want, const char *name, int64_t fallback)
{
    const struct template_value *value = get(want, name);
    return got == (value->kind == TEMPLATE_STRING ? fallback : number_of(want, name));
}

static bool route_is(const struct am_route *got, struct template_value want, struct sv want_key)
{
    const struct template_value *by = get(want, "GroupBy");
    struct buf key;
    buf_init(&key, 4096);
    am_route_key(got, &key);
    bool good = sv_eq(buf_view(&key), want_key) && sv_eq(got->receiver, text_of(want, "Receiver")) &&
                got->group_by_all == truth_of(want, "GroupByAll") && got->group_by_count == length_of(by) &&
                timer_is(got->group_wait_ns, want, "GroupWait", 30 * TC_SECOND_NS) &&
                timer_is(got->group_interval_ns, want, "GroupInterval", 300 * TC_SECOND_NS) &&
                timer_is(got->repeat_interval_ns, want, "RepeatInterval", 14400 * TC_SECOND_NS);
    for (size_t i = 0; i < got->group_by_count && good; i++)
        good = sv_eq(got->group_by[i], by->as.list->items[i].as.text);
    if (!good)
        print_message("got %.*s -> %.*s\n", SV_FMT(buf_view(&key)), SV_FMT(got->receiver));
    buf_free(&key);
    return good;
}

static bool check_route(struct arena *arena, struct template_value row)
{
    char path[256];
    struct sv yaml;
    struct am_pool pool = {0};
    struct yaml_node *root;
    struct yaml_fault fault;
    struct am_object *object;
    struct am_warning *warnings;
    struct am_route *tree;
    const struct am_route *found[16];
    size_t count;
    snprintf(path, sizeof path, DATA "vectors/am-route-%.*s.yml", SV_FMT(text_of(row, "test")));
    assert_int_equal(read_bytes(arena, path, &yaml), 0);
    assert_int_equal(yaml_parse_first(&pool.arena, yaml, &root, &fault, NULL), 0);
    assert_int_equal(am_decode(&pool, AM_MATCHERS_FALLBACK, root, &am_schema_route, &object, &warnings, NULL),
                     0);
    assert_int_equal(am_route_build(&pool, object, &tree, &count, NULL), 0);
    size_t n = am_route_match(tree, labels_of(arena, get(row, "labels")), found, TC_ARRAY_LEN(found));
    const struct template_value *want = get(row, "routes"), *keys = get(row, "keys");
    bool good = n == length_of(want);
    for (size_t i = 0; i < n && good; i++)
        good = route_is(found[i], want->as.list->items[i], keys->as.list->items[i].as.text);
    am_pool_free(&pool);
    return good;
}

static void routes(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-routes.jsonl", 10, check_route);
}

static bool check_amtool_route(struct arena *arena, struct template_value row)
{
    char path[256];
    struct sv yaml;
    struct am_config *config;
    const struct am_route *found[64];
    struct err err = {0};
    snprintf(path, sizeof path, DATA "vectors/am-routes-amtool/%.*s", SV_FMT(text_of(row, "config")));
    assert_int_equal(read_bytes(arena, path, &yaml), 0);
    if (am_config_read(yaml, AM_MATCHERS_CLASSIC, &config, &err) != 0)
        fail_msg("%s: %s", path, err.text);
    size_t n =
        am_route_match(config->route, labels_of(arena, get(row, "labels")), found, TC_ARRAY_LEN(found));
    const struct template_value *want = get(row, "receivers");
    bool good = n == length_of(want);
    for (size_t i = 0; i < n && good; i++)
        good = sv_eq(found[i]->receiver, want->as.list->items[i].as.text);
    am_config_free(config);
    return good;
}

static void routes_amtool(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-routes-amtool/expected.jsonl", 300, check_amtool_route);
}

/* A side of a rule: SourceMatch is a map, SourceMatchers a list. */
static void take_side(struct am_pool *pool, struct template_value rule, const char *map, const char *list,
                      struct am_matchers *ret)
{
    const struct template_value *pairs = get(rule, map), *matchers = get(rule, list);
    size_t count = length_of(matchers);
    ret->items =
        ARENA_ARRAY(&pool->arena, struct am_matcher, (pairs == NULL ? 0 : pairs->as.pairs->n) + count + 1);
    for (size_t i = 0; pairs != NULL && i < pairs->as.pairs->n; i++)
        assert_int_equal(am_matcher_make(pool, AM_EQUAL, pairs->as.pairs->items[i].name,
                                         pairs->as.pairs->items[i].value->as.text, &ret->items[ret->count++],
                                         NULL),
                         0);
    for (size_t i = 0; i < count; i++) {
        struct template_value one = matchers->as.list->items[i];
        size_t type = 0;
        while (!sv_is(text_of(one, "Type"), operators[type]))
            type++;
        assert_int_equal(am_matcher_make(pool, (enum am_match_type)type, text_of(one, "Name"),
                                         text_of(one, "Value"), &ret->items[ret->count++], NULL),
                         0);
    }
}

static bool check_inhibit(struct arena *arena, struct template_value row)
{
    const struct template_value *list = get(row, "inhibit_rules"), *alerts = get(row, "active_source_alerts");
    struct am_inhibit_rule rules[8] = {0};
    struct am_labels sources[8];
    struct am_pool pool = {0};
    for (size_t i = 0; i < length_of(list); i++) {
        struct template_value rule = list->as.list->items[i];
        const struct template_value *equal = get(rule, "Equal");
        struct sv *names = ARENA_ARRAY(arena, struct sv, length_of(equal) + 1);
        take_side(&pool, rule, "SourceMatch", "SourceMatchers", &rules[i].source);
        take_side(&pool, rule, "TargetMatch", "TargetMatchers", &rules[i].target);
        for (size_t k = 0; k < length_of(equal); k++)
            names[k] = equal->as.list->items[k].as.text;
        rules[i].equal = names;
        rules[i].equal_count = length_of(equal);
    }
    for (size_t i = 0; i < length_of(alerts); i++)
        sources[i] = labels_of(arena, &alerts->as.list->items[i]);
    bool got = am_inhibited(rules, length_of(list), labels_of(arena, get(row, "target")), sources,
                            length_of(alerts), NULL, NULL);
    am_pool_free(&pool);
    return got == truth_of(row, "inhibited");
}

static void inhibition(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-inhibit.jsonl", 5, check_inhibit);
}

/* --- time intervals --- */

/* "02 Jan 06 15:04 +0000" */
static int64_t seconds_of(struct sv text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int day, year, hour, minute, zone;
    char month[4];
    int64_t ns;
    assert_int_equal(sscanf(text.p, "%d %3s %d %d:%d %d", &day, month, &year, &hour, &minute, &zone), 6);
    struct civil civil = {.year = 2000 + year,
                          .month = (int)(strstr(months, month) - months) / 3 + 1,
                          .day = day,
                          .hour = hour,
                          .minute = minute};
    assert_true(clk_from_civil(civil, &ns));
    return ns / TC_SECOND_NS - (zone / 100 * 3600 + zone % 100 * 60);
}

static bool instants(const struct am_time_interval *intervals, size_t count,
                     const struct template_value *list, bool want)
{
    bool good = true;
    for (size_t i = 0; i < length_of(list); i++) {
        struct sv text = list->as.list->items[i].as.text;
        bool in = false;
        for (size_t k = 0; k < count; k++)
            in = in || am_time_interval_contains(&intervals[k], seconds_of(text));
        if (in != want)
            print_message("%.*s is %s\n", SV_FMT(text), in ? "in" : "out");
        good = good && in == want;
    }
    return good;
}

/* A range is {"Begin","End"} or [begin, end], in a list of one. */
static void take_ranges(struct arena *arena, struct template_value interval, const char *name,
                        struct am_ranges *ret)
{
    const struct template_value *list = get(interval, name);
    if (list == NULL)
        return;
    *ret =
        (struct am_ranges){true, ARENA_ARRAY(arena, struct am_range, length_of(list) + 1), length_of(list)};
    for (size_t i = 0; i < ret->count; i++) {
        struct template_value one = list->as.list->items[i];
        if (one.kind == TEMPLATE_LIST)
            one = one.as.list->items[0];
        if (one.kind == TEMPLATE_LIST)
            ret->items[i] = (struct am_range){(int)integer_of(one.as.list->items[0]),
                                              (int)integer_of(one.as.list->items[1])};
        else if (get(one, "Begin") != NULL)
            ret->items[i] = (struct am_range){(int)number_of(one, "Begin"), (int)number_of(one, "End")};
        else
            ret->items[i] =
                (struct am_range){(int)number_of(one, "StartMinute"), (int)number_of(one, "EndMinute")};
    }
}

static struct am_time_interval interval_of(struct arena *arena, struct template_value object)
{
    static const char *const names[] = {"Times", "Weekdays", "DaysOfMonth", "Months", "Years"};
    struct am_time_interval made = {0};
    for (size_t i = 0; i < AM_TIME_PARTS; i++)
        take_ranges(arena, object, names[i], &made.parts[i]);
    const struct template_value *location = get(object, "Location");
    if (length_of(location) > 0)
        assert_int_equal(am_location_parse(location->as.list->items[0].as.text, &made.zone, NULL), 0);
    return made;
}

static bool check_contains(struct arena *arena, struct template_value row)
{
    struct am_time_interval interval = interval_of(arena, *get(row, "timeInterval"));
    bool valid = instants(&interval, 1, get(row, "validTimeStrings"), true);
    return instants(&interval, 1, get(row, "invalidTimeStrings"), false) && valid;
}

static void time_contains(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-timeinterval-contains.jsonl", 3, check_contains);
}

/* Reads a list of intervals as a configuration would have it. */
static int read_intervals(struct arena *arena, struct sv list, struct am_config **ret, struct err *err)
{
    struct buf yaml;
    buf_init(&yaml, 1 << 16);
    buf_str(&yaml,
            "route: {receiver: r}\nreceivers: [{name: r}]\ntime_intervals:\n- name: t\n  time_intervals:\n");
    while (list.n > 0) {
        struct sv line = sv_cut(&list, '\n');
        if (!sv_is(line, "---"))
            buf_printf(&yaml, "  %.*s\n", SV_FMT(line));
    }
    struct sv text = arena_sv(arena, buf_view(&yaml));
    buf_free(&yaml);
    return am_config_read(text, AM_MATCHERS_FALLBACK, ret, err);
}

static bool same_interval(const struct am_time_interval *a, const struct am_time_interval *b)
{
    bool same = true;
    for (size_t part = 0; part < AM_TIME_PARTS && same; part++) {
        same = a->parts[part].count == b->parts[part].count;
        for (size_t i = 0; i < a->parts[part].count && same; i++)
            same = a->parts[part].items[i].begin == b->parts[part].items[i].begin &&
                   a->parts[part].items[i].end == b->parts[part].items[i].end;
    }
    return same;
}

static bool check_yaml(struct arena *arena, struct template_value row)
{
    struct am_config *config = NULL;
    struct err err = {0};
    int rc = read_intervals(arena, text_of(row, "in"), &config, &err);
    if (truth_of(row, "expectError"))
        return rc != 0 && sv_is(text_of(row, "err"), err.text);
    const struct template_value *want = get(row, "intervals");
    bool good = rc == 0 && config->intervals[0].count == length_of(want);
    for (size_t i = 0; good && i < length_of(want); i++) {
        struct am_time_interval one = interval_of(arena, want->as.list->items[i]);
        good = same_interval(&config->intervals[0].items[i], &one);
    }
    good = good &&
           instants(config->intervals[0].items, config->intervals[0].count, get(row, "contains"), true) &&
           instants(config->intervals[0].items, config->intervals[0].count, get(row, "excludes"), false);
    am_config_free(config);
    return good;
}

static void time_yaml(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-timeinterval-yaml.jsonl", 4, check_yaml);
}

static bool check_times(struct arena *arena, struct template_value row)
{
    struct am_config *config = NULL;
    struct sv list = arena_printf(arena, "- times:\n  - %.*s\n", SV_FMT(text_of(row, "timeString")));
    struct template_value want = *get(row, "TimeRange");
    int rc = read_intervals(arena, list, &config, NULL);
    bool good = (rc != 0) == truth_of(row, "expectError");
    if (good && rc == 0) {
        struct am_range got = config->intervals[0].items[0].parts[AM_TIMES].items[0];
        good = got.begin == number_of(want, "StartMinute") && got.end == number_of(want, "EndMinute");
    }
    am_config_free(config);
    return good;
}

static void time_ranges(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-timeinterval-times.jsonl", 3, check_times);
}

/* --- configurations --- */

static bool verdict_is(struct sv yaml, struct template_value row)
{
    struct am_config *config = NULL;
    struct err err = {0};
    struct sv want = text_of(row, "error");
    int rc = am_config_read(yaml, AM_MATCHERS_FALLBACK, &config, &err);
    bool good = truth_of(row, "ok")
                    ? rc == 0
                    : rc == TC_EINPUT && want.n > 0 && sv_find(sv_of(err.text), want) < strlen(err.text);
    if (!good)
        print_message("got %d %s\n", rc, err.text);
    am_config_free(config);
    return good;
}

static bool check_inline(struct arena *arena, struct template_value row)
{
    (void)arena;
    return verdict_is(text_of(row, "config"), row);
}

static bool check_file(struct arena *arena, struct template_value row)
{
    char path[256];
    struct sv yaml;
    snprintf(path, sizeof path, DATA "alertmanager/config/%.*s", SV_FMT(text_of(row, "file")));
    assert_int_equal(read_bytes(arena, path, &yaml), 0);
    return verdict_is(yaml, row);
}

static void config_inline(void **state)
{
    (void)state;
    each_row(DATA "vectors/am-config-inline.jsonl", 10, check_inline);
}

static void config_files(void **state)
{
    (void)state;
    each_row(DATA "alertmanager/config/expected.jsonl", 20, check_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matchers_classic),    cmocka_unit_test(matchers_utf8),
        cmocka_unit_test(matchers_compliance), cmocka_unit_test(matcher_single),
        cmocka_unit_test(matcher_eval),        cmocka_unit_test(routes),
        cmocka_unit_test(routes_amtool),       cmocka_unit_test(inhibition),
        cmocka_unit_test(time_contains),       cmocka_unit_test(time_yaml),
        cmocka_unit_test(time_ranges),         cmocka_unit_test(config_inline),
        cmocka_unit_test(config_files),
    };
    return cmocka_run_group_tests_name("Alertmanager's tables", tests, NULL, NULL);
}
