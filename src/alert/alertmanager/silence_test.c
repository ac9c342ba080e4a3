/*
 * Silences: what a change keeps, what it makes anew, what is refused, and that they come back from bytes.
 */
#include "alert/alertmanager/silence.h"

#include "base/clk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const int64_t second = TC_SECOND_NS;

static struct am_silence_draft draft_of(const struct am_matcher *matcher, int64_t from_s, int64_t to_s)
{
    return (struct am_silence_draft){.matchers = matcher,
                                     .matcher_count = 1,
                                     .starts_at_ns = from_s * second,
                                     .ends_at_ns = to_s * second,
                                     .created_by = SV("me"),
                                     .comment = SV("why")};
}

static const struct am_matcher a_is_b = {
    .type = AM_EQUAL, .name = {"a", sizeof "a" - 1}, .value = {"b", sizeof "b" - 1}};
static const struct am_matcher a_is_c = {
    .type = AM_EQUAL, .name = {"a", sizeof "a" - 1}, .value = {"c", sizeof "c" - 1}};

static void changes(void **state)
{
    (void)state;
    struct sim_rng rng;
    char id[AM_SILENCE_ID_BYTES], next[AM_SILENCE_ID_BYTES];
    sim_rng_init(&rng, 1);
    struct am_silences *s = am_silences_new(AM_MATCHERS_FALLBACK, 3, &rng.rng);
    struct am_silence_draft draft = draft_of(&a_is_b, 100, 200);
    assert_int_equal(am_silences_set(s, &draft, 150 * second, id, NULL), 0);
    const struct am_silence_record *record = am_silences_find(s, sv_of(id));
    assert_int_equal(record->silence.starts_at_ns, 150 * second); /* never in the past */
    assert_int_equal(am_silence_state_at(&record->silence, 199 * second), AM_SILENCE_ACTIVE);
    assert_int_equal(am_silence_state_at(&record->silence, 200 * second), AM_SILENCE_EXPIRED);

    draft = draft_of(&a_is_b, 150, 300); /* longer: the same silence */
    draft.id = sv_of(id);
    assert_int_equal(am_silences_set(s, &draft, 160 * second, next, NULL), 0);
    assert_string_equal(id, next);

    draft = draft_of(&a_is_c, 150, 300); /* other matchers: a new one */
    draft.id = sv_of(id);
    assert_int_equal(am_silences_set(s, &draft, 170 * second, next, NULL), 0);
    assert_string_not_equal(id, next);
    assert_int_equal(am_silence_state_at(&am_silences_find(s, sv_of(id))->silence, 170 * second),
                     AM_SILENCE_EXPIRED);
    assert_int_equal(am_silences_find(s, sv_of(next))->silence.starts_at_ns, 170 * second);

    draft = draft_of(&a_is_c, 400, 500); /* pending, then taken back */
    assert_int_equal(am_silences_set(s, &draft, 170 * second, next, NULL), 0);
    assert_int_equal(am_silences_expire(s, sv_of(next), 180 * second, NULL), 0);
    assert_int_equal(am_silences_find(s, sv_of(next))->silence.starts_at_ns, 180 * second);
    assert_int_equal(am_silences_expire(s, SV("nobody"), 0, NULL), TC_ENOTFOUND);

    struct err err = {0};
    draft = draft_of(&a_is_c, 400, 500);
    assert_int_equal(am_silences_set(s, &draft, 180 * second, next, &err), TC_EBOUND);
    assert_string_equal(err.text, "exceeded maximum number of silences: 3 (limit: 3)");
    am_silences_forget(s, 200 * second);
    size_t count;
    (void)am_silences_all(s, &count);
    assert_int_equal(count, 1);
    assert_int_equal(am_silences_set(s, &draft, 180 * second, next, &err), 0);
    am_silences_free(s);
}

static void refusals(void **state)
{
    (void)state;
    struct sim_rng rng;
    char id[AM_SILENCE_ID_BYTES];
    struct err err = {0};
    sim_rng_init(&rng, 1);
    struct am_silences *s = am_silences_new(AM_MATCHERS_CLASSIC, 0, &rng.rng);
    static const struct {
        struct am_matcher matcher;
        const char *problem;
    } cases[] = {
        {{.type = AM_EQUAL, .name = {"a", sizeof "a" - 1}, .value = {"", sizeof "" - 1}},
         "invalid silence: matcher set 0: at least one matcher must not match the empty string"},
        {{.type = AM_REGEXP, .name = {"a", sizeof "a" - 1}, .value = {".*", sizeof ".*" - 1}},
         "invalid silence: matcher set 0: at least one matcher must not match the empty string"},
        {{.type = AM_EQUAL, .name = {"\xc3\xa9", sizeof "\xc3\xa9" - 1}, .value = {"b", sizeof "b" - 1}},
         "invalid silence: invalid label matcher 0 in set 0: invalid label name \"\xc3\xa9\""},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct am_silence_draft draft = draft_of(&cases[i].matcher, 1, 2);
        assert_int_equal(am_silences_set(s, &draft, 0, id, &err), TC_EINPUT);
        assert_string_equal(err.text, cases[i].problem);
    }
    struct am_silence_draft draft = draft_of(&a_is_b, 1, 2);
    draft.id = SV("00000000-0000-4000-8000-000000000000");
    assert_int_equal(am_silences_set(s, &draft, 0, id, &err), TC_ENOTFOUND);
    am_silences_free(s);
}

static void bytes(void **state)
{
    (void)state;
    struct sim_rng rng;
    char id[AM_SILENCE_ID_BYTES];
    struct buf out, again;
    struct am_label note = {SV("ticket"), SV("7")};
    sim_rng_init(&rng, 1);
    struct am_silences *s = am_silences_new(AM_MATCHERS_FALLBACK, 0, &rng.rng);
    struct am_silences *copy = am_silences_new(AM_MATCHERS_FALLBACK, 0, &rng.rng);
    struct am_silence_draft draft = draft_of(&a_is_b, 100, 200);
    draft.annotations = (struct am_labels){&note, 1};
    assert_int_equal(am_silences_set(s, &draft, 50 * second, id, NULL), 0);
    buf_init(&out, 1 << 20);
    buf_init(&again, 1 << 20);
    am_silence_write(am_silences_find(s, sv_of(id)), &out);
    assert_true(am_silence_load(copy, buf_view(&out)));
    am_silence_write(am_silences_find(copy, sv_of(id)), &again);
    assert_true(sv_eq(buf_view(&out), buf_view(&again)));
    for (size_t n = 0; n < out.n; n++) /* a part of it is nothing */
        assert_false(am_silence_load(copy, sv_make(out.p, n)));
    size_t count;
    (void)am_silences_flat(copy, &count);
    assert_int_equal(count, 1);
    buf_free(&out);
    buf_free(&again);
    am_silences_free(s);
    am_silences_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes),
        cmocka_unit_test(refusals),
        cmocka_unit_test(bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
