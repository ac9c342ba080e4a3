/*
 * Views of the index: every kind of log source that an event may claim, more of them than views are kept,
 * asked by one thread and by several; each time the candidates are those that the interpreter says, and all
 * of them apply.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/index_testkit.h"

#include <pthread.h>

enum { WORDS = 7, RULES = 60, THREADS = 4 };

/* Rules of random log sources: a text, a keyword, a negation. */
static void load_rules(struct kit *kit, struct sim_rng *rng)
{
    static const char *const dimensions[] = {"product", "category", "service"};
    struct buf yaml;
    buf_init(&yaml, 1 << 20);
    for (size_t i = 0; i < RULES; i++) {
        buf_printf(&yaml, "---\ntitle: t%zu\nid: i%zu\nlogsource:\n    definition: made\n", i, i);
        for (size_t d = 0; d < TC_ARRAY_LEN(dimensions); d++)
            if (below(rng, 3) > 0)
                buf_printf(&yaml, "    %s: %c%zu\n", dimensions[d], dimensions[d][0], below(rng, WORDS));
        buf_printf(&yaml, "detection:\n    s: %s\n    condition: %s\n",
                   i % 3 == 1   ? "[needle]"
                   : i % 3 == 2 ? "{a|contains: need}"
                                : "{a: other}",
                   i % 6 == 0 ? "not s" : "s");
    }
    buf_char(&yaml, '\0');
    kit_load(kit, yaml.p);
    assert_int_equal(kit->set->count, RULES);
    buf_free(&yaml);
}

/* Nothing, a word of some rule in any case, a word of none, or several. */
static struct sv random_words(struct sim_rng *rng, struct arena *arena, char letter)
{
    struct sv words = SV("");
    size_t count = below(rng, 8) == 0 ? below(rng, 12) : below(rng, 3);
    for (size_t i = 0; i < count; i++)
        words = arena_printf(arena, "%.*s%s%c%zu", SV_FMT(words), i > 0 ? "," : "",
                             (char)(below(rng, 4) == 0 ? letter - 32 : letter), below(rng, WORDS + 2));
    return words;
}

static struct event random_event(struct kit *kit, struct sim_rng *rng)
{
    static const char *const texts[] = {"{\"a\":\"a needle\"}", "{\"a\":\"other\"}",
                                        "{\"b\":\"NEEDLE\",\"a\":\"need\"}", "{}"};
    struct event event = kit_event(kit, ANY_OF(rng, texts));
    event.product = random_words(rng, &kit->arena, 'p');
    event.category = random_words(rng, &kit->arena, 'c');
    event.service = random_words(rng, &kit->arena, 's');
    return event;
}

static void test_views_say_what_the_interpreter_says(void **state)
{
    (void)state;
    static struct tally tally;
    struct kit kit = {0};
    struct sim_rng rng;
    sim_rng_init(&rng, 21);
    load_rules(&kit, &rng);
    for (size_t i = 0; i < 20000; i++) {
        arena_reset(&kit.arena);
        struct event event = random_event(&kit, &rng);
        check_event(&kit, &event, &tally);
    }
    assert_true(tally.matches > 10000);
    report(&tally, "log sources by chance");
    kit_free(&kit);
}

/* A set that takes the place of another is another, whatever its address. */
static void test_views_belong_to_their_set(void **state)
{
    (void)state;
    struct kit kit = {0};
    for (size_t i = 0; i < 50; i++) {
        char text[256];
        (void)snprintf(
            text, sizeof text,
            "title: t\nid: i\nlogsource: {product: p%zu}\ndetection:\n    s: {a: x%zu}\n    condition: s\n",
            i % 2, i);
        kit_load(&kit, text);
        (void)snprintf(text, sizeof text, "{\"a\":\"x%zu\"}", i);
        struct event event = kit_event(&kit, text);
        event.product = SV("p1");
        assert_int_equal(is_candidate(&kit, 0, &event), i % 2 == 1);
    }
    kit_free(&kit);
}

struct asker {
    pthread_t thread;
    const struct ruleset *set;
    uint64_t seed, sum;
};

static void *ask_many(void *argument)
{
    struct asker *asker = argument;
    struct kit kit = {.scratch = match_scratch_new()};
    struct sim_rng rng;
    const uint32_t *list;
    sim_rng_init(&rng, asker->seed);
    for (size_t i = 0; i < 3000; i++) {
        arena_reset(&kit.arena);
        struct event event = random_event(&kit, &rng);
        match_scratch_forget(kit.scratch);
        size_t count = rule_candidates(asker->set, &event, kit.scratch, &list);
        for (size_t k = 0; k < count; k++)
            asker->sum = asker->sum * 31 + list[k];
    }
    kit_free(&kit);
    return NULL;
}

static void test_views_are_built_once_for_all_threads(void **state)
{
    (void)state;
    struct kit kit = {0};
    struct sim_rng rng;
    struct asker askers[THREADS];
    sim_rng_init(&rng, 22);
    load_rules(&kit, &rng);
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.set = kit.set, .seed = 5};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_many, &askers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(askers[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++)
        assert_true(askers[i].sum == askers[0].sum && askers[i].sum != 0);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_say_what_the_interpreter_says),
        cmocka_unit_test(test_views_belong_to_their_set),
        cmocka_unit_test(test_views_are_built_once_for_all_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
