/*
 * The pattern table: order, literals, captures, errors that name the pattern, limits, many threads at once.
 */
#include "event/pattern.h"

#include "event/syslog_patterns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

static const struct pattern table[] = {
    {.name = "login",
     .starts = "login ",
     .literal = "failed",
     .regex = "^login of (?<user>.*) failed(?: from (?<ip>[0-9.]+))?(?: after (?<tries>\\d+))?$",
     .set = {{"event_type", "login_failed"}, {"event.outcome", "failure"}},
     .captures = {{"user", "user.name", FIELD_STRING},
                  {"ip", "source.ip", FIELD_STRING},
                  {"tries", "event.count", FIELD_NUMBER}}},
    {.name = "any login", .starts = "login ", .set = {{"event_type", "login"}}},
    {.name = "of one program", .program = "cron", .literal = "CMD", .set = {{"event_type", "job"}}},
    {.name = "everything with x", .regex = "x", .set = {{"event_type", "x"}}},
};

struct result {
    enum pattern_outcome outcome;
    const struct pattern *pattern;
    struct field fields[TC_PATTERN_FIELDS_MAX];
    uint32_t count;
};

static struct result match(const struct pattern_set *set, const char *program, const char *text,
                           struct arena *arena)
{
    struct result r = {0};
    r.outcome = pattern_match(set, sv_of(program), sv_of(text), arena, r.fields, &r.count, &r.pattern);
    return r;
}

static struct pattern_set *compile(const struct pattern *patterns, size_t count)
{
    struct err err = {0};
    struct pattern_set *set = pattern_set_new(patterns, count, &err);
    if (set == NULL)
        fail_msg("%s", err.text);
    return set;
}

static void assert_field(const struct result *r, uint32_t at, const char *name, const char *value,
                         uint8_t type)
{
    assert_true(at < r->count);
    assert_true(sv_is(r->fields[at].name, name));
    assert_true(sv_is(r->fields[at].value, value));
    assert_int_equal(r->fields[at].type, type);
    assert_int_equal(r->fields[at].name_hash, event_name_hash(sv_of(name)));
}

static void test_first_match_wins_and_fills_fields(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct pattern_set *set = compile(table, TC_ARRAY_LEN(table));
    struct result r = match(set, "app", "login of jo from hell failed from 192.0.2.1 after 3", &arena);
    assert_int_equal(r.outcome, PATTERN_MATCH);
    assert_string_equal(r.pattern->name, "login");
    assert_int_equal(r.count, 5);
    assert_field(&r, 0, "event_type", "login_failed", FIELD_STRING);
    assert_field(&r, 1, "event.outcome", "failure", FIELD_STRING);
    assert_field(&r, 2, "user.name", "jo from hell", FIELD_STRING);
    assert_field(&r, 3, "source.ip", "192.0.2.1", FIELD_STRING);
    assert_field(&r, 4, "event.count", "3", FIELD_NUMBER);

    r = match(set, "app", "login of jo failed", &arena); /* groups that took no part give no field */
    assert_int_equal(r.count, 3);
    r = match(set, "app", "login of  failed", &arena); /* an empty one does */
    assert_field(&r, 2, "user.name", "", FIELD_STRING);
    r = match(set, "app", "login ok", &arena);
    assert_string_equal(r.pattern->name, "any login");
    pattern_set_free(&set);
    assert_null(set);
    arena_free(&arena);
}

static void test_program_and_literals_are_asked(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct pattern_set *set = compile(table, TC_ARRAY_LEN(table));
    assert_int_equal(match(set, "cron", "CMD (ls)", &arena).outcome, PATTERN_MATCH);
    assert_int_equal(match(set, "cronie", "CMD (ls)", &arena).outcome, PATTERN_NONE);
    assert_int_equal(match(set, "cron", "cmd (ls)", &arena).outcome, PATTERN_NONE);
    assert_int_equal(match(set, "", "", &arena).outcome, PATTERN_NONE);
    assert_int_equal(match(set, "", "max", &arena).outcome, PATTERN_MATCH);
    assert_int_equal(match(set, "", "\xFFx\xC0", &arena).outcome, PATTERN_MATCH); /* bytes, not code points */
    pattern_set_free(&set);
    arena_free(&arena);
}

/* A long table marks the text's pairs of bytes first; what is found is what a plain search finds. */
static void test_a_long_table_finds_the_same(void **state)
{
    enum { COUNT = 64, TEXTS = 3000, LENGTH = 12 };
    static struct pattern patterns[COUNT];
    static char names[COUNT][8], literals[COUNT][8];
    uint32_t seed = 1;
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        size_t n = 1 + i % 6;
        snprintf(names[i], sizeof names[i], "p%zu", i);
        for (size_t k = 0; k < n; k++)
            literals[i][k] = (char)("abc\xff"[(seed = seed * 1664525 + 1013904223) >> 30]);
        patterns[COUNT - 1 - i] =
            (struct pattern){.name = names[i], .literal = literals[i]}; /* long ones first */
    }
    struct pattern_set *set = compile(patterns, COUNT);
    struct arena arena = {0};
    for (size_t t = 0; t < TEXTS; t++) {
        char text[LENGTH + 1] = "";
        for (size_t k = 0; k < t % (LENGTH + 1); k++)
            text[k] = (char)("abc\xff"[(seed = seed * 1664525 + 1013904223) >> 30]);
        const struct pattern *wanted = NULL;
        for (size_t i = 0; i < COUNT && wanted == NULL; i++)
            wanted = strstr(text, patterns[i].literal) != NULL ? &patterns[i] : NULL;
        struct result r = match(set, "", text, &arena);
        assert_ptr_equal(r.pattern, wanted);
        assert_int_equal(r.outcome, wanted == NULL ? PATTERN_NONE : PATTERN_MATCH);
        arena_reset(&arena);
    }
    pattern_set_free(&set);
    arena_free(&arena);
}

static void test_errors_name_the_pattern(void **state)
{
    (void)state;
    struct err err = {0};
    const struct pattern bad_regex[] = {{.name = "good", .regex = "a"}, {.name = "mine", .regex = "a(b"}};
    assert_null(pattern_set_new(bad_regex, 2, &err));
    assert_int_equal(err.code, TC_EINPUT);
    assert_non_null(strstr(err.text, "\"mine\""));
    assert_non_null(strstr(err.text, "character 4"));
    const struct pattern bad_group[] = {
        {.name = "mine", .regex = "(?<a>b)", .captures = {{"c", "x", FIELD_STRING}}}};
    assert_null(pattern_set_new(bad_group, 1, &err));
    assert_non_null(strstr(err.text, "(?<c>"));
    const struct pattern no_regex[] = {{.name = "mine", .captures = {{"c", "x", FIELD_STRING}}}};
    assert_null(pattern_set_new(no_regex, 1, &err));
    char many[3 * 70 + 1] = "";
    for (int i = 0; i < 70; i++)
        strcat(many, "(a)");
    const struct pattern groups[] = {{.name = "mine", .regex = many}};
    assert_null(pattern_set_new(groups, 1, &err));
    assert_int_equal(err.code, TC_EBOUND);
}

static void test_limit_is_an_outcome_and_is_counted(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct pattern evil[] = {{.name = "evil", .regex = "^(a+)+$", .set = {{"event_type", "evil"}}},
                                   {.name = "all", .set = {{"event_type", "all"}}}};
    struct pattern_set *set = compile(evil, 2);
    assert_int_equal(match(set, "", "aaaa", &arena).outcome, PATTERN_MATCH);
    assert_int_equal(pattern_limit_hits(set), 0);
    /* not "no", and not the next pattern either: what the line is stays unknown */
    assert_int_equal(match(set, "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", &arena).outcome,
                     PATTERN_LIMIT);
    assert_int_equal(pattern_limit_hits(set), 1);
    pattern_set_free(&set);
    arena_free(&arena);
}

static void test_built_in_table_compiles(void **state)
{
    (void)state;
    struct pattern_set *set = compile(syslog_patterns, syslog_pattern_count);
    pattern_set_free(&set);
}

enum { THREADS = 4, ROUNDS = 2000 };
struct worker {
    pthread_t thread;
    const struct pattern_set *set;
    unsigned number, right;
};

static void *work(void *context)
{
    struct worker *w = context;
    struct arena arena = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[64], user[16];
        snprintf(user, sizeof user, "u%u-%u", w->number, i);
        snprintf(text, sizeof text, "login of %s failed", user);
        struct result r = match(w->set, "", text, &arena);
        w->right += r.outcome == PATTERN_MATCH && sv_is(r.fields[2].value, user);
        arena_reset(&arena);
    }
    arena_free(&arena);
    return NULL;
}

static void test_one_set_serves_many_threads(void **state)
{
    (void)state;
    struct worker workers[THREADS] = {0};
    struct pattern_set *set = compile(table, TC_ARRAY_LEN(table));
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].set = set;
        workers[i].number = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].right, ROUNDS);
    }
    pattern_set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_match_wins_and_fills_fields),
        cmocka_unit_test(test_program_and_literals_are_asked),
        cmocka_unit_test(test_a_long_table_finds_the_same),
        cmocka_unit_test(test_errors_name_the_pattern),
        cmocka_unit_test(test_limit_is_an_outcome_and_is_counted),
        cmocka_unit_test(test_built_in_table_compiles),
        cmocka_unit_test(test_one_set_serves_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
