/*
 * The public rule corpus and its events: everything that can be evaluated loads, what is refused is refused
 * by name, and for every recorded event exactly the rules fire that an independent evaluator says.
 *
 * The data is third-party and lies beside the repository; without it the tests skip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/map.h"
#include "detect/corpus_testkit.h"

/* --- loading
 * -------------------------------------------------------------------------------------------------------------------
 */

static size_t count_refused(const struct kit *kit, const char *construct)
{
    size_t n = 0;
    for (size_t i = 0; i < ruleset_note_count(kit->set); i++) {
        const struct rule_note *note = ruleset_note(kit->set, i);
        n += note->verdict == RULE_REFUSED && (construct == NULL || strcmp(note->construct, construct) == 0);
    }
    return n;
}

/* A number that the shell finds out, independently of our reader. */
static size_t grep_count(const char *command)
{
    FILE *pipe = popen(command, "r");
    unsigned long n = 0;
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%lu", &n), 1);
    pclose(pipe);
    return n;
}

static void test_C_110_corpus_loads(void **state)
{
    (void)state;
    skip_without_data();
    struct kit kit = {0};
    size_t files = load(&kit, evaluable);
    /* two rules among them carry |expand */
    size_t placeholders = grep_count(
        "cd " SIGMA " && grep -rlE '[|]expand' rules rules-emerging-threats rules-threat-hunting | wc -l");
    assert_int_equal(count_refused(&kit, "expand without values"), placeholders);
    assert_int_equal(count_refused(&kit, NULL), placeholders);
    assert_int_equal(ruleset_count(kit.set), files - placeholders);
    assert_true(files > 3000);
    for (size_t i = 0; i < kit.set->count; i++) {
        const struct rule *rule = &kit.set->rules[i];
        assert_true(i == 0 || sv_cmp(kit.set->rules[i - 1].info.id, rule->info.id) < 0);
        assert_int_equal(rule->info.ordinal, i);
        assert_int_equal(rule->info.id.n, 36);
        assert_true(rule->info.severity != SEVERITY_NONE);
    }
    kit_free(&kit);
}

static void test_C_110_placeholders_are_refused(void **state)
{
    (void)state;
    skip_without_data();
    struct kit kit = {0};
    size_t files = load(&kit, (const char *const[]){SIGMA "rules-placeholder", NULL});
    assert_true(files > 0);
    assert_int_equal(ruleset_count(kit.set), 0);
    assert_int_equal(count_refused(&kit, "expand without values"), files);
    kit_free(&kit);
}

static void test_C_110_unsupported_is_refused_by_name(void **state)
{
    (void)state;
    skip_without_data();
    struct kit kit = {0};
    load(&kit, (const char *const[]){SIGMA "unsupported", NULL});
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++) {
        const struct rule_note *note = ruleset_note(kit.set, i);
        assert_true(note->construct[0] != '\0' && note->err.line > 0 && note->err.text[0] != '\0');
    }
    size_t piped = grep_count("grep -rhE '^ +condition:.*[|]' " SIGMA "unsupported | wc -l");
    assert_true(piped > 30);
    assert_int_equal(count_refused(&kit, "aggregation (|)"), piped);
    assert_int_equal(count_refused(&kit, "action"), 0);            /* collections are read */
    assert_int_equal(count_refused(&kit, "unknown selection"), 4); /* prose in place of a condition */
    kit_free(&kit);
}

static bool lists(const struct event *row, const char *list, struct sv id)
{
    for (const struct field *f = event_find(row, sv_of(list), event_name_hash(sv_of(list))); f != NULL;
         f = event_next(row, f))
        if (f->type == FIELD_STRING && sv_eq(f->value, id))
            return true;
    return false;
}

static const struct rule *rule_by_id(const struct kit *kit, struct sv id)
{
    for (size_t i = 0; i < kit->set->count; i++)
        if (sv_eq(kit->set->rules[i].info.id, id))
            return &kit->set->rules[i];
    return NULL;
}

static void test_C_110_regression_events_fire(void **state)
{
    (void)state;
    skip_without_data();
    struct kit kit = {0};
    load(&kit, evaluable);
    struct sv index = read_file(&kit.arena, SIGMA "regression/index.jsonl"), line;
    size_t rules = 0;
    while (next_line(&index, &line)) {
        struct event row = parse(&kit.arena, line);
        const struct rule *rule = rule_by_id(&kit, value_of(&row, "rule_id"));
        struct sv path =
            arena_printf(&kit.arena, SIGMA "regression/%.*s", SV_FMT(value_of(&row, "events_file")));
        struct sv events = read_file(&kit.arena, path.p), one;
        size_t hits = 0;
        assert_non_null(rule);
        while (next_line(&events, &one)) {
            struct event event = windows_event(&kit.arena, one);
            hits += rule_matches(rule, &event, kit.scratch);
        }
        if (hits == 0)
            fail_msg("%.*s does not fire on %s", SV_FMT(rule->info.title), path.p);
        rules++;
    }
    assert_true(rules > 100);
    kit_free(&kit);
}

static size_t differences(const struct kit *kit, const struct event *row, const struct event *event)
{
    size_t n = 0;
    for (size_t i = 0; i < kit->set->count; i++) {
        const struct rule *rule = &kit->set->rules[i];
        if (rule->product.n > 0 && !sv_is(rule->product, "windows"))
            continue;
        struct sv id = rule->info.id;
        bool expected = lists(row, "matches", id) || lists(row, "matches_ignoring_logsource_only", id);
        bool got = rule_matches(rule, event, kit->scratch);
        if (got == expected)
            continue;
        n++;
        print_message("%.*s #%.*s: %s %.*s (%.*s)\n", SV_FMT(value_of(row, "events_file")),
                      SV_FMT(value_of(row, "i")),
                      got ? "fires without reason:" : "does not fire:", SV_FMT(id), SV_FMT(rule->info.file));
    }
    return n;
}

static struct sv line_at(struct sv text, size_t at)
{
    struct sv line = SV("");
    for (size_t i = 0; i <= at; i++)
        assert_true(next_line(&text, &line));
    return line;
}

static void test_C_110_match_matrix(void **state)
{
    (void)state;
    skip_without_data();
    struct kit kit = {0};
    load(&kit, evaluable);
    struct sv matrix = read_file(&kit.arena, SIGMA "regression/match-matrix.jsonl"), line;
    size_t rows = 0, different = 0;
    while (next_line(&matrix, &line)) {
        struct event row = parse(&kit.arena, line);
        struct sv path =
            arena_printf(&kit.arena, SIGMA "regression/%.*s", SV_FMT(value_of(&row, "events_file")));
        struct sv events = read_file(&kit.arena, path.p);
        struct event event = windows_event(
            &kit.arena, line_at(events, strtoul(arena_str(&kit.arena, value_of(&row, "i")), NULL, 10)));
        different += differences(&kit, &row, &event);
        rows++;
    }
    print_message("%zu events, %zu differences\n", rows, different);
    assert_true(rows > 100);
    assert_int_equal(different, 0);
    assert_int_equal(match_scratch_limit_hits(kit.scratch), 0);
    kit_free(&kit);
}

/* --- CloudTrail
 * ---------------------------------------------------------------------------------------------------------------
 */

/* Rows of sigma-matches.jsonl in the order of file and record; what is not listed matches nothing. */
struct expectations {
    struct sv rest, line;
    struct event row;
    bool have;
};

static void next_expectation(struct expectations *e, struct arena *arena)
{
    e->have = next_line(&e->rest, &e->line);
    if (e->have)
        e->row = parse(arena, e->line);
}

static size_t cloudtrail_differences(const struct kit *kit, const struct event *event,
                                     const struct event *expected, const char *file, size_t at)
{
    size_t n = 0;
    for (size_t i = 0; i < kit->set->count; i++) {
        const struct rule *rule = &kit->set->rules[i];
        if (!sv_is(rule->product, "aws") || !sv_is(rule->service, "cloudtrail"))
            continue;
        bool want = expected != NULL && lists(expected, "matches", rule->info.id);
        bool got = rule_matches(rule, event, kit->scratch);
        if (got == want)
            continue;
        n++;
        print_message("%s #%zu: %s %.*s (%.*s)\n", file, at,
                      got ? "fires without reason:" : "does not fire:", SV_FMT(rule->info.id),
                      SV_FMT(rule->info.file));
    }
    return n;
}

/* The next member of an array, without what stands between members. */
static bool next_member(struct sv *rest, struct sv *ret)
{
    *rest = sv_trim(*rest);
    while (rest->n > 0 && (rest->p[0] == '[' || rest->p[0] == ',' || rest->p[0] == ']'))
        *rest = sv_trim(sv_from(*rest, 1));
    size_t n = json_value_length(*rest);
    *ret = sv_head(*rest, n);
    *rest = sv_from(*rest, n);
    return n > 0;
}

static size_t check_cloudtrail(const struct kit *kit, const char *file, size_t *matched)
{
    struct arena kept = {0}, one = {0};
    struct expectations expected = {.rest = read_file(&kept, DATA "cloudtrail/sigma-matches.jsonl")};
    struct sv path = arena_printf(&kept, DATA "cloudtrail/%s", file);
    bool array = sv_ends(path, SV(".json"));
    struct sv records = array ? read_file(&kept, path.p) : read_zstd(&kept, path.p), line;
    size_t different = 0;
    do {
        next_expectation(&expected, &kept);
    } while (expected.have && !sv_is(value_of(&expected.row, "file"), file));
    for (size_t at = 0; array ? next_member(&records, &line) : next_line(&records, &line); at++) {
        arena_reset(&one);
        struct event event = parse(&one, line);
        bool listed = expected.have && sv_is(value_of(&expected.row, "file"), file) &&
                      strtoul(arena_str(&one, value_of(&expected.row, "i")), NULL, 10) == at;
        if (listed)
            assert_true(sv_eq(value_of(&event, "eventID"), value_of(&expected.row, "eventID")));
        different += cloudtrail_differences(kit, &event, listed ? &expected.row : NULL, file, at);
        *matched += listed;
        if (listed)
            next_expectation(&expected, &kept);
    }
    arena_free(&one);
    arena_free(&kept);
    return different;
}

struct techniques {
    const struct kit *kit;
    size_t *matched, *different;
};

static void check_technique(void *context, const char *name)
{
    struct techniques *t = context;
    char file[256];
    if (!sv_ends(sv_of(name), SV(".json")))
        return;
    snprintf(file, sizeof file, "stratus-red-team/%s", name);
    *t->different += check_cloudtrail(t->kit, file, t->matched);
}

static void test_C_110_cloudtrail_matches(void **state)
{
    (void)state;
    skip_without_data();
    struct kit kit = {0};
    size_t matched = 0, different = 0;
    load(&kit, evaluable);
    different += check_cloudtrail(&kit, "invictus-stratus-attack.jsonl.zst", &matched);
    different += check_cloudtrail(&kit, "sans504-s3-ransomware.jsonl.zst", &matched);
    assert_true(fs_system.list(&fs_system, DATA "cloudtrail/stratus-red-team", check_technique,
                               &(struct techniques){&kit, &matched, &different}) >= 0);
    print_message("%zu records with matches, %zu differences\n", matched, different);
    assert_int_equal(matched, grep_count("wc -l <" DATA "cloudtrail/sigma-matches.jsonl"));
    assert_true(matched > 400);
    assert_int_equal(different, 0);
    kit_free(&kit);
}

/* --- recorded attacks
 * ---------------------------------------------------------------------------------------------------------
 */

/* The listed matches respect log sources; so each is one of ours, but ours (by detection alone) are more. */
static void test_C_110_recorded_attacks_fire(void **state)
{
    (void)state;
    skip_without_data();
    struct kit kit = {0};
    struct arena kept = {0}, one = {0};
    char open_file[256] = "";
    struct sv rest = SV(""), row_line, line = SV("");
    size_t at = 0, checked = 0, different = 0;
    load(&kit, evaluable);
    struct sv rows = read_zstd(&kit.arena, DATA "security-datasets/sigma-matches.jsonl.zst");
    while (next_line(&rows, &row_line)) {
        arena_reset(&one);
        struct event row = parse(&one, row_line);
        const struct field *first = event_find(&row, SV("matches"), event_name_hash(SV("matches")));
        if (first == NULL || event_next(&row, first) == NULL)
            continue;
        char *file = arena_str(&one, value_of(&row, "file"));
        size_t wanted = strtoul(arena_str(&one, value_of(&row, "line")), NULL, 10);
        if (strcmp(file, open_file) != 0 || wanted < at) {
            arena_reset(&kept);
            snprintf(open_file, sizeof open_file, "%s", file);
            rest = read_zstd(&kept, arena_printf(&one, DATA "security-datasets/%s", file).p);
            at = 0;
        }
        for (; at < wanted; at++)
            line = sv_cut(&rest, '\n');
        struct event event = nxlog_event(&one, line);
        for (const struct field *f = first; f != NULL; f = event_next(&row, f)) {
            const struct rule *rule = f->type == FIELD_STRING ? rule_by_id(&kit, f->value) : NULL;
            if (rule == NULL)
                continue;
            checked++;
            if (rule_matches(rule, &event, kit.scratch))
                continue;
            print_message("%s:%zu: %.*s does not fire\n", file, wanted, SV_FMT(rule->info.title));
            different++;
        }
    }
    print_message("%zu matches, %zu differences\n", checked, different);
    assert_int_equal(different, 0);
    assert_true(checked > 500);
    arena_free(&one);
    arena_free(&kept);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_110_corpus_loads),
        cmocka_unit_test(test_C_110_placeholders_are_refused),
        cmocka_unit_test(test_C_110_unsupported_is_refused_by_name),
        cmocka_unit_test(test_C_110_regression_events_fire),
        cmocka_unit_test(test_C_110_match_matrix),
        cmocka_unit_test(test_C_110_cloudtrail_matches),
        cmocka_unit_test(test_C_110_recorded_attacks_fire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
