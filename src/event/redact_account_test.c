/*
 * The quick look never says no where a number is found: at every place of a text, also across the blocks that
 * it goes by, and in texts made at random of the bytes that numbers are made of.
 */
#include "event/redact_account.h"
#include "event/redact_card.h"
#include "event/redact_iban.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TEXT_BYTES = 300 };

static void test_at_every_place(void **state)
{
    (void)state;
    static const struct sv numbers[] = {{"4111111111111111", 16},
                                        {"4222222222222", 13},
                                        {"4111 1111 1111 1111", 19},
                                        {"DE89370400440532013000", 22},
                                        {"NO9386011117947", 15}};
    char text[TEXT_BYTES];
    for (size_t k = 0; k < TC_ARRAY_LEN(numbers); k++)
        for (size_t at = 0; at + numbers[k].n <= TEXT_BYTES; at++)
            for (size_t n = at + numbers[k].n; n <= TEXT_BYTES; n += 61) {
                memset(text, '"', sizeof text);
                memcpy(text + at, numbers[k].p, numbers[k].n);
                struct redact_possible possible = redact_account_possible(sv_make(text, n));
                assert_true(k < 3 ? possible.card : possible.iban);
            }
}

static void test_never_less_than_is_found(void **state)
{
    (void)state;
    static const char bytes[] = "0123456789012345678901234567890123456789\"\"-D";
    char text[TEXT_BYTES];
    uint64_t random = 7;
    unsigned found = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = round % TEXT_BYTES, from, to, at = 0;
        for (size_t i = 0; i < n; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            text[i] = bytes[(random >> 33) % (sizeof bytes - 1)];
        }
        struct redact_possible possible = redact_account_possible(sv_make(text, n));
        bool card = redact_card_next(sv_make(text, n), &at, &from, &to);
        at = 0;
        bool iban = redact_iban_next(sv_make(text, n), &at, &from, &to);
        assert_true(possible.card || !card);
        assert_true(possible.iban || !iban);
        found += card;
    }
    assert_true(found > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_at_every_place),
                                       cmocka_unit_test(test_never_less_than_is_found)};
    return cmocka_run_group_tests_name("redact: a quick look", tests, NULL, NULL);
}
