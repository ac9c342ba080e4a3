/*
 * Families in protobuf that an ill-behaved target may send.
 */
#include "metrics/exposition/protobuf.h"

#include "base/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/resource.h>

enum { EXEMPLARS = 100000, MEMORY_MAX_KIB = 64 << 10 };

static void put_bytes(struct buf *out, unsigned number, struct sv bytes)
{
    buf_varint(out, number << 3 | 2);
    buf_varint(out, bytes.n);
    buf_sv(out, bytes);
}

static void put_double(struct buf *out, unsigned number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_varint(out, number << 3 | 1);
    buf_u64(out, bits);
}

/* `inner` becomes a message of that number in `outer`, and is empty again. */
static void wrap(struct buf *outer, unsigned number, struct buf *inner)
{
    put_bytes(outer, number, buf_view(inner));
    buf_clear(inner);
}

static int hear(void *context, const struct exposition_sample *s, struct err *err)
{
    unsigned *heard = context;
    (void)err;
    assert_true(s->value == 7);
    assert_non_null(s->exemplar);
    assert_true(s->exemplar->value == 3);
    assert_int_equal(s->exemplar->count, 1);
    assert_true(sv_is(s->exemplar->labels[0].name, "trace"));
    assert_true(sv_is(s->exemplar->labels[0].value, "b"));
    ++*heard;
    return 0;
}

/* Of one sample the last counts, and the others take no memory. */
static void test_many_exemplars_of_one_sample(void **state)
{
    static const struct exposition_histograms wanted = {0};
    struct buf pair, exemplar, counter, metric, family, body;
    struct buf *all[] = {&pair, &exemplar, &counter, &metric, &family, &body};
    unsigned heard = 0;
    struct rusage before, after;
    struct err err = {0};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(all); i++)
        buf_init(all[i], 1 << 22);
    put_double(&counter, 1, 7);
    for (size_t i = 0; i < EXEMPLARS; i++)
        put_bytes(&counter, 2, SV(""));
    put_bytes(&pair, 1, SV("trace"));
    put_bytes(&pair, 2, SV("b"));
    wrap(&exemplar, 1, &pair);
    put_double(&exemplar, 2, 3);
    wrap(&counter, 2, &exemplar);
    wrap(&metric, 3, &counter);
    put_bytes(&family, 1, SV("c_total"));
    wrap(&family, 4, &metric);
    buf_varint(&body, family.n);
    buf_sv(&body, buf_view(&family));
    getrusage(RUSAGE_SELF, &before);
    if (exposition_parse_protobuf(buf_view(&body), &wanted,
                                  &(struct exposition_handler){.context = &heard, .sample = hear}, &err) != 0)
        fail_msg("%s", err.text);
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(heard, 1);
    assert_true(after.ru_maxrss - before.ru_maxrss < MEMORY_MAX_KIB);
    for (size_t i = 0; i < TC_ARRAY_LEN(all); i++)
        buf_free(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_exemplars_of_one_sample)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
