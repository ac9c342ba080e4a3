/*
 * The whole room: rules from YAML, events from JSON, findings out. The auth pack where it is there (from the
 * repository's root), and the forms of a correlation file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fs.h"
#include "detect/detect_testkit.h"

static const char failed[] =
    "title: failed\nid: f\nname: failed_login\nlogsource: {category: authentication}\n"
    "detection:\n  s:\n    event_type: login_failed\n  condition: s\n---\n";

struct run {
    struct kit kit;
    struct detector *detector;
    struct finding_list found;
};

static void begin(struct run *run, const char *correlation)
{
    struct sv yaml = arena_printf(&run->kit.arena, "%s%s", failed, correlation);
    kit_load(&run->kit, yaml.p);
    kit_show_notes(&run->kit);
    run->detector = detector_new(run->kit.set, &(struct detector_options){0});
    run->found = (struct finding_list){.arena = &run->kit.arena};
}

static void feed(struct run *run, int64_t second, const char *json)
{
    struct event event = kit_event(&run->kit, json);
    const struct event *one = &event;
    event.time.ns = second * TC_SECOND_NS;
    event.source = SV("test");
    detector_judge(run->detector, &one, 1, &run->found);
}

static void end(struct run *run)
{
    detector_free(&run->detector);
    kit_free(&run->kit);
    *run = (struct run){0};
}

static size_t firsts(const struct run *run, const char *title)
{
    size_t count = 0;
    for (size_t i = 0; i < run->found.count; i++)
        count += !run->found.items[i].repeat && sv_is(run->found.items[i].rule->title, title);
    return count;
}

static void test_C_111_event_count_from_yaml(void **state)
{
    struct run run = {0};
    (void)state;
    begin(&run, "title: brute\nid: b\ncorrelation:\n  type: event_count\n  rules:\n    - failed_login\n"
                "  group-by:\n    - source.ip\n  timespan: 5m\n  condition:\n    gt: 5\nlevel: high\n");
    for (int i = 0; i < 6; i++)
        feed(&run, i * 60, "{\"event_type\":\"login_failed\",\"source\":{\"ip\":\"203.0.113.7\"},\"n\":1}");
    assert_int_equal(firsts(&run, "brute"), 1);
    assert_int_equal(run.found.count, 1);
    const struct finding *f = &run.found.items[0];
    assert_int_equal(f->group_count, 1);
    assert_true(sv_is(f->group[0].name, "source.ip") && sv_is(f->group[0].value, "203.0.113.7"));
    assert_int_equal(f->field_count, 2);
    assert_true(sv_is(f->fields[1].value, "login_failed"));
    end(&run);
}

static void test_C_111_value_count_from_yaml(void **state)
{
    struct run run = {0};
    (void)state;
    begin(&run, "title: spray\nid: b\ncorrelation:\n  type: value_count\n  rules: [f]\n  timespan: 1h\n"
                "  condition:\n    field: user.name\n    gte: 3\n  generate: true\n");
    static const char *const users[] = {"a", "b", "a", "c"};
    for (int i = 0; i < 4; i++)
        feed(&run, i,
             arena_printf(&run.kit.arena, "{\"event_type\":\"login_failed\",\"user\":{\"name\":\"%s\"}}",
                          users[i])
                 .p);
    assert_int_equal(firsts(&run, "failed"), 4); /* generate */
    assert_int_equal(firsts(&run, "spray"), 1);
    end(&run);
}

static void test_group_by_element_of_array(void **state)
{
    struct run run = {0};
    (void)state;
    begin(&run, "title: group\nid: b\ncorrelation:\n  type: event_count\n  rules: [f]\n  group-by: [tag]\n"
                "  timespan: 1h\n  condition:\n    gte: 2\n");
    feed(&run, 0, "{\"event_type\":\"login_failed\",\"tag\":[\"x\",\"y\"]}");
    feed(&run, 1, "{\"event_type\":\"login_failed\",\"tag\":[]}");
    feed(&run, 2, "{\"event_type\":\"login_failed\",\"tag\":{\"x\":\"x\"}}");
    feed(&run, 3, "{\"event_type\":\"login_failed\",\"tag\":null}");
    assert_int_equal(run.found.count, 0);
    feed(&run, 4, "{\"event_type\":\"login_failed\",\"tag\":[\"x\",\"z\"]}");
    assert_int_equal(firsts(&run, "group"), 1);
    assert_true(sv_is(run.found.items[0].group[0].value, "x"));
    end(&run);
}

static void test_C_80_of_the_pack(void **state)
{
    struct run run = {0};
    struct err err;
    struct fs_stat st;
    struct rule_source *sources;
    size_t count;
    (void)state;
    if (fs_system.stat(&fs_system, "packs/auth/failed_login.yml", &st) != 0) {
        print_message("skipped: packs/auth is not below the working directory\n");
        skip();
    }
    assert_int_equal(rule_files_collect(&fs_system, "packs/auth", &run.kit.arena, &sources, &count, &err), 0);
    assert_int_equal(ruleset_new(sources, count, &run.kit.set, &err), 0);
    kit_show_notes(&run.kit);
    run.detector = detector_new(run.kit.set, &(struct detector_options){0});
    run.found = (struct finding_list){.arena = &run.kit.arena};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(firsts(&run, "BRUTE_FORCE_ATTACK"), 0);
        feed(&run, i * 60,
             "{\"event_type\":\"login_failed\",\"source.ip\":\"203.0.113.7\",\"user.name\":\"eve\"}");
    }
    assert_int_equal(firsts(&run, "BRUTE_FORCE_ATTACK"), 1);
    for (int i = 0; i < 11; i++)
        feed(&run, 1000 + i,
             arena_printf(&run.kit.arena, "{\"event_type\":\"account_locked\",\"user.name\":\"u%d\"}", i).p);
    assert_int_equal(firsts(&run, "ACCOUNT_LOCKOUT"), 11);   /* C-82 */
    assert_int_equal(firsts(&run, "COORDINATED_ATTACK"), 1); /* C-83 */
    end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_111_event_count_from_yaml),
        cmocka_unit_test(test_C_111_value_count_from_yaml),
        cmocka_unit_test(test_group_by_element_of_array),
        cmocka_unit_test(test_C_80_of_the_pack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
