/*
 * Tests of the threads beside the server's: the bound, the order, the end, and several threads at once. The
 * work waits at a gate that the test opens, so that what waits and what runs is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/workers.h"
#include "base/arena.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { JOBS = 400 };

struct job {
    struct work work;
    unsigned started_as; /* from 1; under the bench's lock, as all below */
    unsigned runs, dones;
    bool ending;         /* as `run` was told */
    unsigned count_then; /* what still counted when `done` came */
    int priority;
};

struct bench {
    struct workers workers;
    struct job jobs[JOBS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    unsigned started, over;
};

static void run(void *context, struct work *work, bool ending)
{
    struct bench *b = context;
    struct job *job = (struct job *)work;
    pthread_mutex_lock(&b->lock);
    job->runs++;
    job->started_as = ++b->started;
    job->ending = ending;
    job->priority = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    pthread_cond_broadcast(&b->changed);
    while (!b->open)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void done(void *context, struct work *work)
{
    struct bench *b = context;
    struct job *job = (struct job *)work;
    unsigned count = workers_count(&b->workers);
    pthread_mutex_lock(&b->lock);
    job->dones++;
    job->count_then = count;
    b->over++;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static struct bench *bench_new(unsigned limit, unsigned threads, bool background)
{
    struct bench *b = tc_alloc(sizeof *b);
    const struct workers_options options = {.what = "tests",
                                            .limit = limit,
                                            .threads = threads,
                                            .background = background,
                                            .run = run,
                                            .done = done,
                                            .context = b};
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    assert_int_equal(workers_start(&b->workers, &options, NULL), 0);
    return b;
}

static bool put(struct bench *b, unsigned number)
{
    return workers_put(&b->workers, &b->jobs[number].work);
}

static void open_gate(struct bench *b)
{
    pthread_mutex_lock(&b->lock);
    b->open = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

/* Until so many have begun to run, or are done. */
static void wait_for(struct bench *b, const unsigned *number, unsigned at_least)
{
    pthread_mutex_lock(&b->lock);
    while (*number < at_least)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void bench_free(struct bench *b)
{
    workers_stop(&b->workers);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static void test_what_runs_counts_up_to_the_bound(void **state)
{
    struct bench *b = bench_new(3, 1, false);
    (void)state;
    assert_int_equal(workers_count(&b->workers), 0);
    assert_true(put(b, 0));
    wait_for(b, &b->started, 1);
    assert_true(put(b, 1));
    assert_true(put(b, 2));
    assert_false(put(b, 3));
    assert_int_equal(workers_count(&b->workers), 3);
    open_gate(b);
    wait_for(b, &b->over, 3);
    assert_int_equal(workers_count(&b->workers), 0);
    assert_true(put(b, 3));
    wait_for(b, &b->over, 4);
    bench_free(b);
}

static void test_who_is_told_no_longer_counts(void **state)
{
    struct bench *b = bench_new(1, 1, false);
    (void)state;
    open_gate(b);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_true(put(b, i));
        wait_for(b, &b->over, i + 1);
        assert_int_equal(b->jobs[i].count_then, 0);
    }
    bench_free(b);
}

static void test_first_come_first_served(void **state)
{
    struct bench *b = bench_new(JOBS, 1, false);
    (void)state;
    for (unsigned i = 0; i < JOBS; i++)
        assert_true(put(b, i));
    open_gate(b);
    wait_for(b, &b->over, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_int_equal(b->jobs[i].started_as, i + 1);
        assert_false(b->jobs[i].ending);
    }
    bench_free(b);
}

static void test_what_waits_at_the_end_is_run_as_ending(void **state)
{
    struct bench *b = bench_new(8, 1, false);
    (void)state;
    assert_true(put(b, 0));
    wait_for(b, &b->started, 1);
    assert_true(put(b, 1));
    assert_false(workers_ending(&b->workers));
    workers_end(&b->workers);
    assert_true(workers_ending(&b->workers)); /* what runs looks at it */
    assert_true(put(b, 2));
    open_gate(b);
    wait_for(b, &b->over, 3);
    assert_true(put(b, 3)); /* nothing waits any more, and yet somebody takes it */
    wait_for(b, &b->over, 4);
    assert_false(b->jobs[0].ending);
    for (unsigned i = 1; i < 4; i++)
        assert_true(b->jobs[i].ending);
    bench_free(b);
}

static void test_stopping_drops_nothing(void **state)
{
    struct bench *b = bench_new(JOBS, 2, false);
    (void)state;
    open_gate(b);
    for (unsigned i = 0; i < JOBS; i++)
        assert_true(put(b, i));
    workers_stop(&b->workers);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_int_equal(b->jobs[i].runs, 1);
        assert_int_equal(b->jobs[i].dones, 1);
    }
    bench_free(b); /* stops what is stopped */
}

/* As many run at a time as there are threads, and no more; each once. */
static void test_several_threads(void **state)
{
    struct bench *b = bench_new(JOBS, 4, false);
    (void)state;
    for (unsigned i = 0; i < JOBS; i++)
        assert_true(put(b, i));
    wait_for(b, &b->started, 4);
    assert_int_equal(workers_count(&b->workers), JOBS);
    pthread_mutex_lock(&b->lock);
    assert_int_equal(b->started, 4);
    assert_int_equal(b->over, 0);
    pthread_mutex_unlock(&b->lock);
    open_gate(b);
    wait_for(b, &b->over, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_int_equal(b->jobs[i].runs, 1);
        assert_int_equal(b->jobs[i].dones, 1);
    }
    bench_free(b);
}

struct putter {
    struct bench *bench;
    pthread_t thread;
    unsigned from, to, put;
};

static void *put_all(void *context)
{
    struct putter *p = context;
    for (unsigned i = p->from; i < p->to; i++)
        p->put += put(p->bench, i);
    return NULL;
}

/* What is refused under way is never run, what is taken is run once, whoever put it. */
static void test_several_put_at_a_time(void **state)
{
    struct bench *b = bench_new(8, 2, false);
    struct putter putters[4];
    unsigned taken = 0, runs = 0;
    (void)state;
    open_gate(b);
    for (unsigned i = 0; i < TC_ARRAY_LEN(putters); i++) {
        putters[i] = (struct putter){.bench = b, .from = i * JOBS / 4, .to = (i + 1) * JOBS / 4};
        assert_int_equal(pthread_create(&putters[i].thread, NULL, put_all, &putters[i]), 0);
    }
    for (unsigned i = 0; i < TC_ARRAY_LEN(putters); i++) {
        pthread_join(putters[i].thread, NULL);
        taken += putters[i].put;
    }
    workers_stop(&b->workers);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_true(b->jobs[i].runs <= 1);
        assert_int_equal(b->jobs[i].runs, b->jobs[i].dones);
        runs += b->jobs[i].runs;
    }
    assert_true(taken >= 8);
    assert_int_equal(runs, taken);
    bench_free(b);
}

static void test_the_background_has_a_lower_priority(void **state)
{
    int own = getpriority(PRIO_PROCESS, 0);
    (void)state;
    if (own > 10)
        skip(); /* it could only be raised */
    for (unsigned background = 0; background < 2; background++) {
        struct bench *b = bench_new(1, 1, background == 1);
        open_gate(b);
        assert_true(put(b, 0));
        wait_for(b, &b->over, 1);
        assert_int_equal(b->jobs[0].priority, background == 1 ? 10 : own);
        bench_free(b);
    }
}

static void test_a_stop_without_a_start(void **state)
{
    struct workers workers = {0};
    (void)state;
    workers_stop(&workers);
    assert_false(workers_ending(&workers));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_runs_counts_up_to_the_bound),
        cmocka_unit_test(test_who_is_told_no_longer_counts),
        cmocka_unit_test(test_first_come_first_served),
        cmocka_unit_test(test_what_waits_at_the_end_is_run_as_ending),
        cmocka_unit_test(test_stopping_drops_nothing),
        cmocka_unit_test(test_several_threads),
        cmocka_unit_test(test_several_put_at_a_time),
        cmocka_unit_test(test_the_background_has_a_lower_priority),
        cmocka_unit_test(test_a_stop_without_a_start),
    };
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
