/*
 * E-06: how many SMS a text is, and that cutting keeps to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "notify/sms_text.h"

#include <stdlib.h>

static void repeat(struct buf *out, const char *text, unsigned count)
{
    buf_clear(out);
    while (count-- > 0)
        buf_str(out, text);
}

static void test_E_06_segments(void **state)
{
    static const struct {
        const char *text;
        unsigned count, segments;
    } rows[] = {
        {"", 0, 0},
        {"a", 160, 1},
        {"a", 161, 2},
        {"a", 304, 2},
        {"a", 305, 3},
        {"\xc3\xa9", 160, 1} /* é is in GSM-7 */,
        {"\xe2\x82\xac", 80, 1}, /* the euro sign takes two */
        {"\xe2\x82\xac", 81, 2},
        {"[", 80, 1},
        {"[", 81, 2},
        {"\xc3\xaa", 70, 1}, /* ê is not */
        {"\xc3\xaa", 71, 2},
        {"\xf0\x9f\x94\xa5", 35, 1},
        {"\xf0\x9f\x94\xa5", 36, 2},
        {"`", 70, 1},
        {"`", 71, 2},
        {"\xff", 71, 2},
    };
    struct buf text;
    (void)state;
    buf_init(&text, 1 << 16);
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++) {
        repeat(&text, rows[i].text, rows[i].count);
        if (sms_segments(buf_view(&text)) != rows[i].segments)
            fail_msg("%u x \"%s\" are %u segments, not %u", rows[i].count, rows[i].text,
                     sms_segments(buf_view(&text)), rows[i].segments);
    }
    buf_free(&text);
}

/* Any length, any of these characters, any bound: never longer than the bound, the ending whole, valid UTF-8.
 */
static void test_E_06_cut(void **state)
{
    static const char *const characters[] = {"a",  "[",   "\xc3\xa9", "\xc3\xaa", "\xf0\x9f\x94\xa5",
                                             "\n", "\xff"};
    const struct sv ending = SV(". Reply ACK 4f0c9d");
    struct buf text, out;
    (void)state;
    buf_init(&text, 1 << 16);
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < TC_ARRAY_LEN(characters); i++)
        for (unsigned n = 0; n < 700; n += 13)
            for (unsigned segments = 1; segments <= 4; segments++) {
                repeat(&text, characters[i], n);
                buf_clear(&out);
                sms_fit(buf_view(&text), ending, segments, &out);
                struct sv all = buf_view(&out);
                assert_true(sms_segments(all) >= 1 && sms_segments(all) <= segments);
                assert_true(sv_ends(all, ending));
                for (struct sv rest = all; rest.n > 0;) {
                    uint32_t rune;
                    size_t bytes = utf8_decode(rest, &rune);
                    assert_true(bytes > 0 && rune >= ' ');
                    rest = sv_from(rest, bytes);
                }
            }
    repeat(&text, "a", 200);
    buf_clear(&out);
    sms_fit(buf_view(&text), ending, 1, &out);
    assert_int_equal(out.n, 160); /* as much as has room */
    assert_int_equal(sv_find(buf_view(&out), SV("...")), 160 - 3 - ending.n);
    buf_clear(&out);
    sms_fit(SV("short"), ending, 1, &out);
    assert_true(sv_is(buf_view(&out), "short. Reply ACK 4f0c9d"));
    buf_free(&text);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_E_06_segments), cmocka_unit_test(test_E_06_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
