/*
 * What channels get in place of addresses and account names.
 */
#include "notify/disclose.h"

#include "event/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint8_t key[TC_DISCLOSE_KEY_BYTES] = {7};
static const char payload[] =
    "{\"key\":\"k\",\"reason\":\"new\",\"count\":1,\"alert\":{\"id\":\"00ff\",\"title\":\"Brute force\","
    "\"severity\":\"P2\",\"message\":\"Brute force: source.ip=203.0.113.7, user.name=bob (count 6, from "
    "203.0.113.7:22, "
    "bobsled, TargetUserName=Mc\\\"Coy, "
    "2001:db8::1.)\",\"first_seen\":\"2026-11-21T12:34:56Z\",\"note\":\"bob said so\","
    "\"labels\":{\"alertname\":\"bob\",\"host_name\":\"web-1\",\"source_ip\":\"203.0.113.7\",\"user_name\":"
    "\"bob\"}}}";

static struct buf out;

static struct sv told(enum reveal reveal)
{
    struct err err;
    buf_clear(&out);
    assert_int_equal(disclose(sv_of(payload), reveal, key, &out, &err), 0);
    assert_int_equal(json_check(buf_view(&out), &err), 0);
    return buf_view(&out);
}

static bool holds(struct sv text, const char *part)
{
    return sv_find(text, sv_of(part)) < text.n;
}

static void test_H_02_neither_addresses_nor_names(void **state)
{
    (void)state;
    struct sv text = told(REVEAL_NONE);
    static const char *const gone[] = {"203.0.113.7", "2001:db8",  "=bob",
                                       "\"bob said",  "Mc\\\"Coy", "user_name\":\"bob"};
    for (size_t i = 0; i < TC_ARRAY_LEN(gone); i++)
        if (holds(text, gone[i]))
            fail_msg("%s is in %.*s", gone[i], SV_FMT(text));
    static const char *const there[] = {"bobsled", "web-1", "2026-11-21T12:34:56Z",  "\"id\":\"00ff\"",
                                        "ip-",     "user-", "\"alertname\":\"bob\"", "Brute force"};
    for (size_t i = 0; i < TC_ARRAY_LEN(there); i++)
        if (!holds(text, there[i]))
            fail_msg("%s is not in %.*s", there[i], SV_FMT(text));
}

static void test_H_07_addresses_alone(void **state)
{
    (void)state;
    struct sv text = told(REVEAL_ADDRESSES);
    assert_true(holds(text, "203.0.113.7") && holds(text, "2001:db8::1"));
    assert_false(holds(text, "=bob"));
    assert_true(sv_is(told(REVEAL_ALL), payload));
}

static void test_defaults(void **state)
{
    (void)state;
    enum reveal reveal;
    assert_int_equal(reveal_for(REVEAL_DEFAULT, SV("slack")), REVEAL_NONE);
    assert_int_equal(reveal_for(REVEAL_DEFAULT, SV("webhook")), REVEAL_NONE);
    assert_int_equal(reveal_for(REVEAL_DEFAULT, SV("stdout")), REVEAL_ALL);
    assert_int_equal(reveal_for(REVEAL_ALL, SV("slack")), REVEAL_ALL);
    assert_true(reveal_of(SV("addresses"), &reveal) && reveal == REVEAL_ADDRESSES);
    assert_false(reveal_of(SV("some"), &reveal));
}

static void test_what_is_no_intent_is_refused(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(disclose(SV("{}"), REVEAL_NONE, key, &out, &err), TC_EINPUT);
}

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_H_02_neither_addresses_nor_names),
        cmocka_unit_test(test_H_07_addresses_alone),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_what_is_no_intent_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
